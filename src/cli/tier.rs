//! The flags that say which tier of the cache is to answer.

use std::path::PathBuf;

use clap::Args;

use super::parse::Tokens;

/// A lower tier, and how far those above it reach.
#[derive(Debug, Clone, Args)]
#[command(rename_all = "snake_case")]
pub struct TierArgs {
    /// Measure hits of this tier, 1 being the uppermost: fillers push the document out of those above it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=4), requires = "reach", help_heading = "Tier")]
    pub tier: Option<u8>,
    /// How far the tiers reach, as ttft map found: its log, or its JSON
    #[arg(long, value_name = "MAP", requires = "tier", group = "reach", help_heading = "Tier")]
    pub map: Option<PathBuf>,
    /// Tokens that the tiers above hold together
    #[arg(long, value_name = "TOKENS", requires = "tier", group = "reach", help_heading = "Tier")]
    pub tier_tokens: Option<Tokens>,
}
