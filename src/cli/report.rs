//! The arguments of `ttft report`.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

/// Logs read and shown.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub struct ReportArgs {
    /// Logs to report on, side by side; LABEL= names one
    #[arg(value_name = "[LABEL=]LOG", required = true)]
    pub logs: Vec<LogArg>,
    /// How it is written; svg and png are for --figure [default: text, svg with --figure]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// One figure alone, such as ttft, ttft_linear, pairs, ecdf, order, ladder, tokens, load, reuse
    #[arg(long, value_name = "NAME")]
    pub figure: Option<String>,
    /// File to write to, instead of stdout
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Write the page and open it in a browser
    #[arg(long, conflicts_with = "figure")]
    pub open: bool,
}

/// A log and what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogArg {
    pub label: Option<String>,
    pub path: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Markdown,
    Csv,
    Json,
    Html,
    Svg,
    Png,
}

/// `LABEL=PATH` or `PATH`. A path with a folder in it may hold an equals sign: a label has no slash.
impl FromStr for LogArg {
    type Err = Infallible;

    fn from_str(arg: &str) -> Result<LogArg, Infallible> {
        Ok(match arg.split_once('=') {
            Some((label, path)) if !label.is_empty() && !label.contains('/') => {
                LogArg { label: Some(label.into()), path: path.into() }
            }
            _ => LogArg { label: None, path: arg.into() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(label: Option<&str>, path: &str) -> LogArg {
        LogArg { label: label.map(Into::into), path: path.into() }
    }

    #[test]
    fn a_log_may_have_a_label_and_a_path_an_equals_sign() {
        for (arg, expected) in [
            ("a.jsonl", log(None, "a.jsonl")),
            ("vllm=a.jsonl", log(Some("vllm"), "a.jsonl")),
            ("vllm + lmcache=runs/a=b.jsonl", log(Some("vllm + lmcache"), "runs/a=b.jsonl")),
            ("./size=8k/a.jsonl", log(None, "./size=8k/a.jsonl")),
            ("=a.jsonl", log(None, "=a.jsonl")),
        ] {
            assert_eq!(arg.parse(), Ok(expected));
        }
    }
}
