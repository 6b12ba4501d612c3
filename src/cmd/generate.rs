//! `ttft generate`: the man page and the shells' completions, from the same definitions as the parser.

use std::io::{self, Write};

use clap::Arg;
use clap_complete::Shell;

use super::print;
use crate::cli::{self, GenerateArgs, Generated};
use crate::exit::Exit;

pub fn run(args: &GenerateArgs) -> anyhow::Result<Exit> {
    let mut out = Vec::new();
    let mut command = cli::command();
    let shell = match args.what {
        Generated::Man => None,
        Generated::Bash => Some(Shell::Bash),
        Generated::Zsh => Some(Shell::Zsh),
        Generated::Fish => Some(Shell::Fish),
        Generated::Powershell => Some(Shell::PowerShell),
    };
    match shell {
        None => man(command, &mut out)?,
        Some(shell) => clap_complete::generate(shell, &mut command, "ttft", &mut out),
    }
    print(&String::from_utf8_lossy(&out));
    Ok(Exit::Ok)
}

/// One page for all: that of `ttft` itself, then a section for each command with the flags that are its own.
fn man(command: clap::Command, out: &mut Vec<u8>) -> io::Result<()> {
    clap_mangen::Man::new(command.clone()).render(out)?;
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "run") {
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        write!(out, ".SH \"TTFT {}\"\n{about}. Flags of its own:\n", sub.get_name().to_uppercase())?;
        let own = sub.clone().mut_args(|arg| {
            let is_shared = command.get_arguments().any(|other| is_same(other, &arg));
            arg.hide(is_shared)
        });
        let mut options = Vec::new();
        clap_mangen::Man::new(own).render_options_section(&mut options)?;
        out.extend(String::from_utf8_lossy(&options).replace(".SH ", ".SS ").bytes());
    }
    Ok(())
}

/// Whether a flag of two commands means the same and has the same default.
fn is_same(one: &Arg, other: &Arg) -> bool {
    let help = |arg: &Arg| arg.get_help().map(ToString::to_string);
    (one.get_id(), help(one), one.get_default_values()) == (other.get_id(), help(other), other.get_default_values())
}
