//! The moments of one request, and which of them other tools would have called its time to first token.
//!
//! All times count from the hand-over of the request to the open connection. A tool whose clock starts before it connects
//! sees the connecting on top, which is said beneath. What each tool stops on is in METHODOLOGY, section 4.

use super::data::{Data, arm_name};
use super::figures::typical;
use super::model::{label_column, labelled};
use super::table::{Cell, Column, Table};
use super::units;
use crate::clock::Nanos;
use crate::plan::Arm;
use crate::sample::{Sample, StampKind};

/// Marks a tool whose clock runs while it connects.
const CONNECTS: char = '*';

/// What 80 columns leave beside a name and a time.
const WIDTH: usize = 53;

/// A moment of a request.
struct Moment {
    name: &'static str,
    /// Since the request was sent.
    at: Option<Nanos>,
    /// Who stops its clock here, and calls the time to here TTFT.
    tools: &'static str,
}

/// The moments of the request that the classic log numbers `run_index`, a line each. A moment that did not come is `-`.
pub fn text(run_index: u64, sample: &Sample) -> String {
    let by = match sample.stamp {
        Some(StampKind::Kernel) => "stamps by the kernel",
        Some(StampKind::Read) => "stamps at the read",
        None => "nothing was received",
    };
    let mut text = format!("Ladder of run {run_index}, from the hand-over to an open connection ({by})\n");
    let mut say = |name: &str, at: Option<Nanos>, more: &str| {
        let (mut name, mut time) = (name, at.map_or("-".to_owned(), units::time));
        for words in lines(more) {
            text += format!("  {name:<14}{time:>9}  {words}").trim_end();
            text.push('\n');
            (name, time) = ("", String::new());
        }
    };
    for Moment { name, at, tools } in moments(sample) {
        say(name, at, tools);
    }
    match opening(sample) {
        None => say("connecting", None, "it was open before; a tool with * opens a new one"),
        time => say("connecting", time, "earlier, and in the TTFT of the tools with *"),
    }
    if sample.first_token_shared {
        text += "  The first token shared a read with what followed it: its time is an upper bound.\n";
    }
    text
}

/// The same of the typical request of each arm; beside other logs, a row a log and arm. A terminal leaves it out.
pub(super) fn table(data: &Data) -> Table {
    if data.is_labelled() { side_by_side(data) } else { one_by_one(data) }
}

/// The typical request of each arm of each log.
fn typicals(data: &Data) -> impl Iterator<Item = (usize, Arm, &Sample)> {
    let arms = (0..data.logs.len()).flat_map(|log| [Arm::Cold, Arm::Hit].map(|arm| (log, arm)));
    arms.filter_map(move |(log, arm)| Some((log, arm, typical(data, log, arm)?.sample.as_ref()?)))
}

/// The columns of [`side_by_side`] behind the arm, as keys and heads.
const MOMENTS: [(&str, &str); 9] = [
    ("connecting_ns", "connecting"),
    ("sent_whole_ns", "sent whole"),
    ("first_byte_ns", "first byte"),
    ("first_event_ns", "first event"),
    ("role_ns", "role"),
    ("first_token_ns", "first token"),
    ("first_content_ns", "first content"),
    ("last_token_ns", "last token"),
    ("end_ns", "end"),
];

fn side_by_side(data: &Data) -> Table {
    let mut columns = vec![Column::words("arm", "arm")];
    columns.extend(MOMENTS.map(|(key, head)| Column::number(key, head)));
    let rows = typicals(data).map(|(log, arm, sample)| {
        let times = [opening(sample)].into_iter().chain(moments(sample).map(|moment| moment.at));
        let cells = times.map(|at| Cell::known(at, |ns| Cell::Time(ns as f64)));
        labelled(data, log, [Cell::Words(arm_name(arm).into())].into_iter().chain(cells).collect())
    });
    let rows = rows.collect();
    label_column(data, &mut columns);
    let title = "The moments of a typical request".into();
    Table { name: "ladders", title, is_detail: true, columns, rows }
}

fn one_by_one(data: &Data) -> Table {
    let columns = vec![
        Column::words("arm", "arm"),
        Column::words("moment", "moment"),
        Column::number("after_ns", "after"),
        Column::words("ttft_of", "what calls it TTFT"),
    ];
    let rows = typicals(data).flat_map(|(_, arm, sample)| {
        let row = move |name: &str, at: Option<Nanos>, tools: &str| {
            let time = Cell::known(at, |ns| Cell::Time(ns as f64));
            vec![Cell::Words(arm_name(arm).into()), Cell::Words(name.into()), time, said(tools)]
        };
        let moments = moments(sample).map(|Moment { name, at, tools }| row(name, at, tools));
        moments.into_iter().chain([row("connecting", opening(sample), "")])
    });
    let rows = rows.collect();
    Table {
        name: "ladder",
        title: format!("The moments of a typical request ({CONNECTS}: its TTFT has the connecting on top)"),
        is_detail: true,
        columns,
        rows,
    }
}

fn said(tools: &str) -> Cell {
    if tools.is_empty() { Cell::Missing } else { Cell::Words(tools.into()) }
}

fn moments(sample: &Sample) -> [Moment; 8] {
    let s = &sample.stamps;
    let since = |at: Option<Nanos>| at.zip(s.sent_ns).and_then(|(at, sent)| at.checked_sub(sent));
    let moment = |name, at, tools| Moment { name, at: since(at), tools };
    // Some tools take the first chunk that has choices: one that names a role, or else the first token's.
    let (role, token) = match s.role_ns {
        Some(role) if Some(role) <= s.first_token_ns.or(Some(role)) => {
            ("vLLM bench serve, evalscope", "ttft; AIPerf, SGLang*, GuideLLM*, genai-bench*")
        }
        _ => ("", "ttft; AIPerf, SGLang*, GuideLLM*, genai-bench*, vLLM bench serve, evalscope"),
    };
    [
        moment("sent whole", s.sent_end_ns, ""),
        moment("first byte", s.first_byte_ns, ""),
        moment("first event", s.first_event_ns, "llama.cpp server-bench"),
        moment("role", s.role_ns, role),
        moment("first token", s.first_token_ns, token),
        moment(
            "first content",
            s.first_content_ns,
            "ttfot; inference-perf, long_doc_qa, llmperf*, HF inference-benchmarker*",
        ),
        moment("last token", s.last_token_ns, ""),
        moment("end", s.end_ns, ""),
    ]
}

/// A list in lines that leave a terminal's 80 columns room for a name and a time; at least one.
fn lines(list: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for item in list.split_inclusive(", ") {
        match lines.last_mut() {
            Some(line) if line.is_empty() || (line.chars().count() + item.trim_end().chars().count()) <= WIDTH => {
                line.push_str(item)
            }
            _ => lines.push(item.to_owned()),
        }
    }
    lines
}

/// From the start of the dial to the connection that was open; `None` where one was open already.
fn opening(sample: &Sample) -> Option<Nanos> {
    let s = &sample.stamps;
    s.tls_ns.or(s.connect_ns)?.checked_sub(s.dial_ns?)
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn line(text: &str, name: &str) -> String {
        text.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_else(|| panic!("{text}")).to_owned()
    }

    #[test]
    fn a_moment_that_did_not_come_is_a_dash_and_no_line_is_wider_than_a_terminal() {
        let sample = fixture::row(1, 1_000, Arm::Cold, 1.0).sample;
        let text = text(1, &sample);
        assert!(line(&text, "role").ends_with(" -"), "{text}");
        assert!(
            line(&text, "first token").contains("102 ms") && text.contains("\n                           vLLM"),
            "{text}"
        );
        assert!(line(&text, "connecting").contains("300 µs"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn a_role_is_where_some_tools_stop() {
        let mut sample = fixture::row(1, 1_000, Arm::Cold, 1.0).sample;
        sample.stamps.role_ns = sample.stamps.sent_ns.map(|sent| sent + 5_000_000);
        let text = text(1, &sample);
        assert!(line(&text, "role").contains("5.00 ms  vLLM bench serve"), "{text}");
        assert_eq!(text.matches("vLLM").count(), 1, "{text}");
    }

    #[test]
    fn a_shared_first_token_is_an_upper_bound_and_an_open_connection_was_not_dialled() {
        let mut sample = fixture::row(1, 1_000, Arm::Cold, 1.0).sample;
        (sample.first_token_shared, sample.stamps.dial_ns) = (true, None);
        let text = text(1, &sample);
        assert!(text.contains("an upper bound") && line(&text, "connecting").contains("it was open before"), "{text}");
    }
}
