//! From flags to what is asked, and to the words for it.

use std::path::Path;

use anyhow::Context;

use crate::cli::load::{LoadArgs, OrderKind, WorkloadKind};
use crate::clock::Nanos;
use crate::cmd::UsageError;
use crate::load::mix::HitMix;
use crate::load::trace::{Replay, Trace};
use crate::load::workload::{Chat, Classic, LongDocQa, Mix, Order, Rag, SharedPrefix, Sizes, Workload};

/// Tokens of a question's own text.
const QUESTION_TOKENS: u64 = 64;

/// The workload that the flags ask for, and its description.
pub fn of(args: &LoadArgs, seed: u64) -> anyhow::Result<(Workload, String)> {
    refuse_strangers(args)?;
    if let Some(path) = &args.trace {
        return traced(args, path, seed);
    }
    let context = args.context_tokens.0;
    let question = args.question_tokens.map_or(QUESTION_TOKENS, |tokens| tokens.0);
    let documents = |usual| args.documents.unwrap_or(usual);
    let zipf = args.zipf.unwrap_or(1.0);
    Ok(match args.workload {
        WorkloadKind::Mix => {
            let (tenths, pool) = (args.hit_share.map_or(5, |share| share.0), documents(4));
            let mix = Mix { mix: HitMix::new(seed, 100 * tenths, pool), context_tokens: context };
            (Workload::Mix(mix), format!("mix, {} % hits on {pool} documents", 10 * tenths))
        }
        WorkloadKind::Classic => {
            (Workload::Classic(Classic::new(context)), "classic, each document cold and then again".to_owned())
        }
        WorkloadKind::SharedPrefix => {
            let groups = documents(8);
            let workload = SharedPrefix::new(seed, groups, zipf, context, question);
            (Workload::SharedPrefix(workload), format!("shared_prefix, {groups} groups after zipf {zipf}"))
        }
        WorkloadKind::Chat => {
            let turns = args.turns.unwrap_or(4);
            let think_ns = think_ns(args);
            let sizes = Sizes { context, question, answer: args.session.pace.max_tokens };
            let seconds = think_ns as f64 / 1e9;
            let said = format!("chat, {turns} turns with {seconds} s to think in the mean");
            (Workload::Chat(Chat::new(seed, turns, sizes, think_ns)), said)
        }
        WorkloadKind::LongDocQa => {
            let (documents, questions) = (documents(10), args.questions.unwrap_or(3));
            let (order, name) = match args.order.unwrap_or(OrderKind::Tile) {
                OrderKind::Tile => (Order::Tile, "tile"),
                OrderKind::Interleave => (Order::Interleave, "interleave"),
                OrderKind::Random => (Order::Random, "random"),
            };
            let workload = LongDocQa::new(seed, (documents, questions), order, (context, question));
            let said = format!("long_doc_qa, {questions} questions about each of {documents} documents, {name}");
            (Workload::LongDocQa(workload), said)
        }
        WorkloadKind::Rag => {
            let (corpus, retrieved) = (documents(32), args.retrieved.unwrap_or(4));
            if retrieved > corpus {
                return Err(UsageError("--retrieved is more than --documents; lower it".into()).into());
            }
            let workload = Rag::new(seed, corpus, zipf, retrieved, (context, question));
            (Workload::Rag(workload), format!("rag, {retrieved} of {corpus} documents after zipf {zipf}"))
        }
    })
}

fn traced(args: &LoadArgs, path: &Path, seed: u64) -> anyhow::Result<(Workload, String)> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read the trace {}", path.display()))?;
    let most = args.max_requests.map(|most| usize::try_from(most).unwrap_or(usize::MAX));
    let trace = Trace::parse(&bytes, most, args.trace_block.map(|tokens| tokens.0));
    let known = "known are Mooncake, Qwen-Bailian, Weka, Azure, BurstGPT and ShareGPT";
    let trace = trace.map_err(|error| anyhow::anyhow!("cannot replay {}: {error}; {known}", path.display()))?;
    if !trace.is_timed() && args.rate.is_none() && args.concurrency.is_none() {
        let said =
            format!("{} has no times; say when its requests go out with --rate or --concurrency", path.display());
        return Err(UsageError(said).into());
    }
    let (records, skipped) = (trace.records.len(), trace.skipped);
    let (scale, loops) = (args.time_scale.unwrap_or(1.0), args.loops.unwrap_or(1));
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let said = format!("{records} of {name} ({}), {loops} times, {skipped} skipped", trace.format);
    Ok((Workload::Trace(Replay::new(trace, scale, loops, think_ns(args), seed)), said))
}

fn think_ns(args: &LoadArgs) -> Nanos {
    args.think.map_or(5_000_000_000, |span| span.0.as_nanos() as Nanos)
}

/// A flag that the workload has no use for would be a silent misunderstanding.
fn refuse_strangers(args: &LoadArgs) -> Result<(), UsageError> {
    use WorkloadKind::{Chat, LongDocQa, Mix, Rag, SharedPrefix};
    let flags: [(&str, bool, &[WorkloadKind], &str); 9] = [
        ("hit_share", args.hit_share.is_some(), &[Mix], "mix"),
        (
            "documents",
            args.documents.is_some(),
            &[Mix, SharedPrefix, LongDocQa, Rag],
            "mix, shared_prefix, long_doc_qa and rag",
        ),
        ("zipf", args.zipf.is_some(), &[SharedPrefix, Rag], "shared_prefix and rag"),
        ("turns", args.turns.is_some(), &[Chat], "chat"),
        ("think", args.think.is_some(), &[Chat], "chat"),
        ("questions", args.questions.is_some(), &[LongDocQa], "long_doc_qa"),
        ("order", args.order.is_some(), &[LongDocQa], "long_doc_qa"),
        ("retrieved", args.retrieved.is_some(), &[Rag], "rag"),
        (
            "question_tokens",
            args.question_tokens.is_some(),
            &[SharedPrefix, Chat, LongDocQa, Rag],
            "shared_prefix, chat, long_doc_qa and rag",
        ),
    ];
    let takes = |flag: &str, takers: &[WorkloadKind]| match args.trace {
        Some(_) => flag == "think",
        None => takers.contains(&args.workload),
    };
    let stranger = flags.iter().find(|(flag, is_given, takers, _)| *is_given && !takes(flag, takers));
    match stranger {
        Some((flag, _, _, takers)) => {
            Err(UsageError(format!("--{flag} is a flag of --workload {takers}; leave it out")))
        }
        None => Ok(()),
    }
}
