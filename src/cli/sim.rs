//! The arguments of `ttft sim`.

use std::path::PathBuf;

use clap::{ArgAction, Args};

/// The simulated endpoint. Its texts are read by `sim`, which is no business of the command line.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case", args_override_self = true)]
pub struct SimArgs {
    /// Port on 127.0.0.1; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    pub port: u16,
    /// What it is like: a preset, and keys that change it, as in 7b,capacity=60k; list prints all
    #[arg(long, value_name = "PROFILE", default_value = "7b")]
    pub profile: String,
    /// The server it speaks like; list prints all
    #[arg(long, value_name = "NAME", default_value = "vllm")]
    pub flavor: String,
    /// What is wrong with it, as in stall, stall=5 or 429@2; list prints all
    #[arg(long, value_name = "NAME", action = ArgAction::Append)]
    pub fault: Vec<String>,
    /// Log of what really happened, one line of JSON per request
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// Decides noise and routing
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}
