//! From `--tier` to the tokens that have to come between a document and its replay.

use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

use super::UsageError;
use crate::cli::tier::TierArgs;
use crate::plan::filler::Reach;
use crate::record::Reading;
use crate::report::Report;
use crate::report::data::{Data, Named};

/// The tier that is asked for and the tokens of the fillers before it answers; `None` when none is.
///
/// # Errors
/// A map that cannot be read or does not know the tier, and tiers that nothing fits between.
pub fn fillers(args: &TierArgs, document_tokens: u64) -> anyhow::Result<Option<(u8, u64)>> {
    let Some(tier) = args.tier else { return Ok(None) };
    let reach = match (&args.map, args.tier_tokens) {
        (Some(path), _) => of_map(path, tier)?,
        (None, Some(tokens)) => Reach { above_tokens: tokens.0, own_tokens: None },
        (None, None) => bail!("--tier {tier} needs --map or --tier_tokens, to know how far the tiers above reach"),
    };
    let tokens = reach.filler_tokens(document_tokens).map_err(|error| UsageError(format!("--tier {tier}: {error}")))?;
    Ok(Some((tier, tokens)))
}

fn of_map(path: &Path, tier: u8) -> anyhow::Result<Reach> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the map in {shown}"))?;
    let maps = match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(mut report)) if report.contains_key("maps") => report.remove("maps").unwrap_or_default(),
        // A log has a row a line, and one of a single row is an object too.
        _ => maps_of_log(path)?,
    };
    let tiers = maps.as_array().into_iter().flatten().find_map(|map| map["tiers"]["value"].as_array());
    let Some(tiers) = tiers.filter(|tiers| !tiers.is_empty()) else {
        return Err(UsageError(format!(
            "--map: {shown} knows no tiers of the cache; map it again, or give --tier_tokens"
        ))
        .into());
    };
    let reach = |nth: usize| tiers.get(nth).and_then(|tier| tier["reach_tokens"].as_u64());
    let at = usize::from(tier) - 1;
    match (reach(at - 1), reach(at)) {
        (Some(above_tokens), own_tokens @ Some(_)) => Ok(Reach { above_tokens, own_tokens }),
        _ => Err(UsageError(format!(
            "--map: {shown} knows {} of the cache, so there is no tier {tier} to measure; give --tier_tokens if there is",
            if tiers.len() == 1 { "1 tier".to_owned() } else { format!("{} tiers", tiers.len()) }
        ))
        .into()),
    }
}

fn maps_of_log(path: &Path) -> anyhow::Result<Value> {
    let reading = Reading::open(path)?;
    let named = Named { label: None, path: path.display().to_string(), reading };
    Ok(serde_json::to_value(Report::of(&Data::of(vec![named])).maps)?)
}
