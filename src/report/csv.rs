//! The rows as CSV, one line a request, for a spreadsheet or a notebook (RFC 4180).
//!
//! What was not measured is an empty field. Times are in seconds, as in the log.

use super::data::{Data, Entry, arm_name};
use crate::plan::Role;

const HEAD: &str = "log,line,session,run_index,context_tokens,ttft_seconds,arm,role,outcome,prompt_tokens,cached_tokens,completion_tokens\r\n";

/// All rows of all logs, with a head line.
pub fn write(data: &Data) -> String {
    let lines = data.entries().map(|(log, entry)| line(&data.logs[log].label, entry));
    std::iter::once(HEAD.to_string()).chain(lines).collect()
}

fn line(label: &str, entry: &Entry) -> String {
    let completion_tokens = entry.sample.as_ref().and_then(|sample| sample.usage?.completion_tokens);
    let fields = [
        field(label),
        entry.line.to_string(),
        entry.session.to_string(),
        entry.run_index.to_string(),
        entry.context_tokens.to_string(),
        number(entry.ttft_ns.map(|ns| ns as f64 / 1e9)),
        arm_name(entry.arm).to_string(),
        role_name(entry.role).to_string(),
        entry.sample.as_ref().map_or("", |sample| sample.outcome.name()).to_string(),
        number(entry.prompt_tokens()),
        number(entry.cached_tokens()),
        number(completion_tokens),
    ];
    fields.join(",") + "\r\n"
}

fn number(value: Option<impl ToString>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Warmup => "warmup",
        Role::Prime => "prime",
        Role::Measure => "measure",
        Role::Evict => "evict",
    }
}

fn field(text: &str) -> String {
    let is_plain = !text.contains(['"', ',', '\r', '\n']);
    if is_plain { text.to_string() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_with_commas_quotes_and_line_ends_stays_one_field() {
        assert_eq!(field("a,\"b\"\n"), "\"a,\"\"b\"\"\n\"");
        assert_eq!(field("plain"), "plain");
    }
}
