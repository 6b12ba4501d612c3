//! What a run says on stderr while it goes: the spinner, notes, warnings, errors. Colour and motion on a terminal only.

pub mod board;
pub mod live;

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::{Color, OutputArgs};
use crate::clock::Nanos;
use crate::session::Watch;

/// Speaks on stderr, as loud as the user wants.
#[derive(Debug, Clone, Copy)]
pub struct Voice {
    quiet: bool,
    verbose: bool,
}

impl Voice {
    pub fn new(output: &OutputArgs) -> Voice {
        let choice = match output.color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
        Voice { quiet: output.quiet, verbose: output.verbose }
    }

    /// Something worth knowing.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            say(Style::new(), "", text);
        }
    }

    /// Something only the curious want to know.
    pub fn detail(&self, text: &str) {
        if self.verbose {
            say(Style::new().dimmed(), "", text);
        }
    }

    /// Something that makes a number doubtful.
    pub fn warn(&self, text: &str) {
        // Bold, since a light background leaves little of a thin yellow.
        say(AnsiColor::Yellow.on_default().bold(), "warning: ", text);
    }

    /// That everything is there, with a green check mark.
    pub fn done(&self, text: &str) {
        if !self.quiet {
            say(AnsiColor::Green.on_default(), "✔ ", text);
        }
    }

    /// Whether anything may move: a terminal looks, and the user wants to see it.
    pub fn may_move(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }
}

/// Why the command could not run.
pub fn error(text: &str) {
    say(AnsiColor::Red.on_default().bold(), "error: ", text);
}

fn say(style: Style, label: &str, text: &str) {
    // When stderr is gone there is nobody to tell.
    let _ = writeln!(anstream::stderr(), "{style}{label}{style:#}{text}");
}

/// The red arrows: they run while the first token is awaited, drawn by a thread of their own, and stop when it comes.
pub struct Spinner {
    voice: Voice,
    bar: Option<ProgressBar>,
}

const FRAMES: [&str; 6] = ["→    ", "→→   ", "→→→  ", " →→→ ", "  →→→", "   →→"];

impl Spinner {
    pub fn new(voice: Voice) -> Spinner {
        Spinner { voice, bar: None }
    }

    fn stop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Watch for Spinner {
    fn sent(&mut self) {
        if !self.voice.may_move() {
            return;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{spinner:.red} waiting for the first token, {elapsed}");
        bar.set_style(style.expect("the template is well-formed").tick_strings(&FRAMES));
        bar.enable_steady_tick(Duration::from_millis(80));
        self.bar = Some(bar);
    }

    fn first_token(&mut self, _ttft: Nanos) {
        self.stop();
    }

    fn ended(&mut self) {
        self.stop();
    }
}

/// How much of a run is behind, and the time that is left of it. It moves between requests only, so that nothing is drawn
/// while one is measured.
pub struct Bar(ProgressBar);

impl Bar {
    /// `total` is in whatever unit takes equally long.
    pub fn new(voice: Voice, total: u64) -> Bar {
        let target = if voice.may_move() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        let style = ProgressStyle::with_template("{bar:30} {percent} %, {eta} left, {msg}");
        bar.set_style(style.expect("the template is well-formed"));
        Bar(bar)
    }

    /// What goes on now.
    pub fn show(&self, text: String) {
        self.0.set_message(text);
    }

    pub fn advance(&self, by: u64) {
        self.0.inc(by);
    }

    /// Says something on a line of its own.
    pub fn aside(&self, say: impl FnOnce()) {
        self.0.suspend(say);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
