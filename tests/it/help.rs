//! Every page of help, the man page and the shells' completions, as the program prints them.
//!
//! After a change of a flag: `INSTA_UPDATE=always cargo test --test it help::`, and read the difference.

use std::process::{Command, Stdio};

use super::bench::{Printed, TTFT};

/// What the program prints, on a terminal of 100 columns and without colours.
fn printed(args: &[&str]) -> String {
    let mut command = Command::new(TTFT);
    command.args(args).env("COLUMNS", "100").env_remove("CLICOLOR_FORCE").stdin(Stdio::null());
    let printed = Printed::of(command.output().expect("the program"));
    assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""), "{args:?}");
    printed.stdout
}

fn commands() -> Vec<String> {
    let commands = ttft::cli::command();
    commands.get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

#[test]
fn every_command_has_a_page_of_help() {
    insta::assert_snapshot!("help", printed(&["--help"]));
    for command in commands() {
        let page = printed(&[&command, "--help"]);
        assert_eq!(page, printed(&["help", &command]), "both ways lead to it");
        insta::assert_snapshot!(format!("help_{command}"), page);
    }
}

#[test]
fn no_flag_is_without_a_word_and_every_value_has_a_name() {
    let mut all = ttft::cli::command();
    all.build();
    for command in all.get_subcommands().chain([&all]) {
        for flag in command.get_arguments().filter(|flag| flag.get_long() != Some("help")) {
            let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
            let is_told = !help.is_empty() || !flag.get_possible_values().is_empty();
            assert!(is_told, "{} {}", command.get_name(), flag.get_id());
        }
    }
}

#[test]
fn the_man_page_and_the_completions_are_generated() {
    for what in ["man", "bash", "zsh", "fish", "powershell"] {
        let text = printed(&["generate", what]);
        for command in commands() {
            assert!(text.contains(&command), "{what} knows {command}");
        }
        insta::assert_snapshot!(format!("generate_{what}"), text);
    }
}

#[test]
fn the_man_page_has_the_flags_of_every_command() {
    let page = printed(&["generate", "man"]).replace('\\', "");
    let all = ttft::cli::command();
    for command in all.get_subcommands().chain([&all]) {
        for long in command.get_arguments().filter_map(|flag| flag.get_long()) {
            assert!(page.contains(&format!("--{long}")), "--{long} of {}", command.get_name());
        }
    }
}

#[test]
fn the_completions_of_bash_are_read_by_bash() {
    let script = "source <(printf '%s' \"$1\") && complete -p ttft";
    let mut command = Command::new("bash");
    command.args(["-c", script, "bash", &printed(&["generate", "bash"])]);
    let told = Printed::of(command.output().expect("this test needs bash"));
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    assert!(told.stdout.contains("_ttft"), "{}", told.stdout);
}
