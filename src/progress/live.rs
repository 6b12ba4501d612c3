//! The dashboard of a run under load: drawn over itself on a terminal, a line now and then in a pipe.
//!
//! Ratatui lays it out and indicatif puts it on the screen, below what was said before. The screen is neither switched
//! nor put into raw mode, so that Ctrl-C stays a signal and a run that ends at once leaves the terminal as it was.

use std::fmt::Write as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ratatui::buffer::Buffer;
use ratatui::crossterm::terminal;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline, Widget};

use super::Voice;
use super::board::{Board, Recent, WINDOW};
use crate::clock::{Clock, Monotonic, Stamp};
use crate::plan::Arm;

/// How often a terminal is drawn, and how often a pipe is told.
const DRAWN: Duration = Duration::from_millis(250);
const TOLD: Duration = Duration::from_secs(10);

/// Wider than this it is no easier to read.
const WIDEST: u16 = 100;
const LABEL: u16 = 12;
const NUMBERS: u16 = 34;

/// How nanoseconds are written.
pub type Write = fn(f64) -> String;

/// Shows a [`Board`].
pub struct Dashboard {
    voice: Voice,
    write: Write,
    screen: ProgressBar,
    is_drawn: bool,
    next: Stamp,
}

impl Dashboard {
    pub fn new(voice: Voice, write: Write) -> Dashboard {
        let is_drawn = voice.may_move();
        let target = if is_drawn { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let screen = ProgressBar::with_draw_target(None, target);
        screen.set_style(ProgressStyle::with_template("{msg}").expect("the template is well-formed"));
        let first = if is_drawn { DRAWN } else { TOLD };
        Dashboard { voice, write, screen, is_drawn, next: Monotonic.now().after(first) }
    }

    /// How long to wait for news before it is to be shown again.
    pub fn patience(&self) -> Duration {
        Monotonic.now().until(self.next)
    }

    /// Shows the board, if it is time to.
    pub fn show(&mut self, board: &Board) {
        let now = Monotonic.now();
        if now < self.next {
            return;
        }
        self.next = now.after(if self.is_drawn { DRAWN } else { TOLD });
        if self.is_drawn {
            let width = terminal::size().map_or(80, |(columns, _)| columns.min(WIDEST));
            self.screen.set_message(text_of(&drawn(board, now, width, self.write)));
        } else {
            self.voice.note(&line(board, now, self.write));
        }
    }

    /// Says something on a line of its own, above.
    pub fn aside(&self, say: impl FnOnce()) {
        self.screen.suspend(say);
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.screen.finish_and_clear();
    }
}

/// `12 s: 24 sent, 3 under way, 21 answered, 48 % hits, 0 failed; last 10 s: cold 410 ms, hit 32.1 ms; lag p99 80 µs`.
fn line(board: &Board, now: Stamp, span: Write) -> String {
    let Board { sent, answered, .. } = *board;
    let failed: u64 = board.failures.values().sum();
    let mut line =
        format!("{} s: {sent} sent, {} under way, {answered} answered", seconds(board, now), board.under_way);
    let _ = write!(line, ", {}, {failed} failed", hits(board));
    let arms = [("cold", Arm::Cold), ("hit", Arm::Hit)].into_iter();
    let recent: Vec<String> =
        arms.filter_map(|(name, arm)| Some(format!("{name} {}", span(board.recent(arm, now)?.p50_ns)))).collect();
    if !recent.is_empty() {
        let _ = write!(line, "; last {} s: {}", WINDOW.as_secs(), recent.join(", "));
    }
    if let Some(lag) = board.lag_p99(now) {
        let _ = write!(line, "; lag p99 {}", span(lag));
    }
    line
}

fn drawn(board: &Board, now: Stamp, width: u16, span: Write) -> Buffer {
    let area = Rect::new(0, 0, width, 6);
    let mut buffer = Buffer::empty(area);
    let rows = Layout::vertical([Constraint::Length(1); 6]).split(area);
    let of = |all: Option<u64>| all.map_or(String::new(), |all| format!(" of {all}"));
    let rate = board.sent_rate(now).map_or("-".to_owned(), |rate| format!("{rate:.2}"));
    let asked = board.asked_rate.map_or(String::new(), |rate| format!(" (asked {rate:.2})"));
    say(
        &mut buffer,
        rows[0],
        "under way",
        vec![
            Span::styled(board.under_way.to_string(), Color::Cyan),
            Span::raw(format!(
                "   sent {}{}, {rate}/s{asked}   answered {}   {} s",
                board.sent,
                of(board.total),
                board.answered,
                seconds(board, now)
            )),
        ],
    );
    for (row, name, arm, colour) in [(1, "cold", Arm::Cold, Color::Blue), (2, "hit", Arm::Hit, Color::Yellow)] {
        let shown = Shown { name, colour, recent: board.recent(arm, now), history: board.history(arm) };
        arm_row(&mut buffer, rows[row], &shown, span);
    }
    say(&mut buffer, rows[3], "found", vec![Span::raw(hits(board))]);
    let failed = board.failures.iter().map(|(name, n)| format!("{n} {name}")).collect::<Vec<_>>().join(", ");
    let failed = if failed.is_empty() { Span::raw("none") } else { Span::styled(failed, Color::Red) };
    say(&mut buffer, rows[4], "failed", vec![failed]);
    let lag = board.lag_p99(now).map_or("-".to_owned(), |lag| format!("p99 {}", span(lag)));
    say(&mut buffer, rows[5], "client lag", vec![Span::raw(lag)]);
    buffer
}

fn say(buffer: &mut Buffer, row: Rect, label: &str, words: Vec<Span<'_>>) {
    let [left, right] = Layout::horizontal([Constraint::Length(LABEL), Constraint::Min(0)]).areas(row);
    Paragraph::new(Span::styled(label, Style::new().dim())).render(left, buffer);
    Paragraph::new(Line::from(words)).render(right, buffer);
}

/// An arm on the dashboard.
struct Shown {
    name: &'static str,
    colour: Color,
    recent: Option<Recent>,
    history: Vec<u64>,
}

/// The last seconds in numbers, the last minute in bars.
fn arm_row(buffer: &mut Buffer, row: Rect, shown: &Shown, span: Write) {
    let columns = [Constraint::Length(LABEL), Constraint::Length(NUMBERS), Constraint::Min(0)];
    let [left, middle, right] = Layout::horizontal(columns).areas(row);
    Paragraph::new(Span::styled(format!("ttft {}", shown.name), Style::new().dim())).render(left, buffer);
    let numbers = shown.recent.map_or("-".to_owned(), |recent| {
        let p99 = recent.p99_ns.map_or(String::new(), |ns| format!(", p99 {}", span(ns)));
        format!("p50 {}{p99} (n {})", span(recent.p50_ns), recent.n)
    });
    Paragraph::new(numbers).render(middle, buffer);
    let bars = &shown.history[shown.history.len().saturating_sub(usize::from(right.width))..];
    Sparkline::default().data(bars).style(Style::new().fg(shown.colour)).render(right, buffer);
}

fn seconds(board: &Board, now: Stamp) -> u64 {
    board.elapsed(now).as_secs()
}

/// `48 % hits (50 % meant)`. Before the first answer there is no share, and where nothing is known there are no hits.
fn hits(board: &Board) -> String {
    let share = |n: u64, of: u64| Some(format!("{} %", (100 * n).checked_div(of)?));
    let known = if board.unknown == board.answered { None } else { share(board.hits, board.answered) };
    let (hits, meant) = (known.unwrap_or("-".into()), share(board.meant_hits, board.ended).unwrap_or("-".into()));
    let unknown = share(board.unknown, board.answered).filter(|_| board.unknown > 0);
    format!("{hits} hits ({meant} meant){}", unknown.map_or(String::new(), |share| format!(", {share} unknown")))
}

/// The buffer as lines, with the colours as a terminal wants them.
fn text_of(buffer: &Buffer) -> String {
    let is_plain = anstream::ColorChoice::global() == anstream::ColorChoice::Never;
    let lines = buffer.content.chunks(usize::from(buffer.area.width.max(1))).map(|cells| {
        let mut line = String::new();
        let mut style = anstyle::Style::new();
        for cell in cells {
            let next = if is_plain { anstyle::Style::new() } else { style_of(cell.style()) };
            if next != style {
                let _ = write!(line, "{style:#}{next}");
                style = next;
            }
            line.push_str(cell.symbol());
        }
        let _ = write!(line, "{style:#}");
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn style_of(style: Style) -> anstyle::Style {
    use anstyle::AnsiColor;
    let colour = match style.fg {
        Some(Color::Red) => Some(AnsiColor::Red),
        Some(Color::Yellow) => Some(AnsiColor::Yellow),
        Some(Color::Blue) => Some(AnsiColor::Blue),
        Some(Color::Cyan) => Some(AnsiColor::Cyan),
        _ => None,
    };
    let is_dim = style.add_modifier.contains(ratatui::style::Modifier::DIM);
    let of = colour.map_or(anstyle::Style::new(), |colour| colour.on_default());
    if is_dim { of.dimmed() } else { of }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> (Board, Stamp) {
        let second = |at: u64| Stamp(at * 1_000_000_000);
        let mut board = Board::new(second(100), Some(60), Some(2.0));
        for nth in 0..20 {
            let at = Stamp(second(100).0 + nth * 500_000_000);
            board.note_sent(at);
            let (arm, ns) = if nth % 2 == 0 { (Arm::Hit, 32_000_000) } else { (Arm::Cold, 410_000_000) };
            board.note_first_token(at, arm, ns);
        }
        (board, second(110))
    }

    fn milliseconds(ns: f64) -> String {
        format!("{} ms", ns / 1e6)
    }

    #[test]
    fn a_pipe_is_told_in_one_line() {
        let (board, now) = board();
        assert_eq!(
            line(&board, now, milliseconds),
            "10 s: 20 sent, 20 under way, 0 answered, - hits (- meant), 0 failed; last 10 s: cold 410 ms, hit 32 ms"
        );
    }

    #[test]
    fn a_terminal_sees_every_row_within_its_width() {
        let (board, now) = board();
        for width in [40, 80] {
            let drawn = drawn(&board, now, width, milliseconds);
            let rows: Vec<String> = drawn
                .content
                .chunks(usize::from(width))
                .map(|cells| cells.iter().map(|cell| cell.symbol()).collect::<String>())
                .collect();
            assert_eq!(rows.len(), 6);
            assert!(rows[0].starts_with("under way   20   sent 20 of 60"), "{rows:?}");
            assert!(rows[1].starts_with("ttft cold   p50 410 ms (n 10)"), "{rows:?}");
            assert!(rows[4].starts_with("failed      none"), "{rows:?}");
        }
        let wide = drawn(&board, now, 80, milliseconds);
        // Ten seconds, each with a hit, at the right of its numbers.
        let bars = wide.content[160..240].iter().filter(|cell| cell.symbol() == "█").count();
        assert_eq!(bars, 10);
    }
}
