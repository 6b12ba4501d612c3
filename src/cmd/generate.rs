//! `ttft generate`: the man page and the shells' completions, from the same definitions as the parser.

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
        None => clap_mangen::Man::new(command).render(&mut out)?,
        Some(shell) => clap_complete::generate(shell, &mut command, "ttft", &mut out),
    }
    print(&String::from_utf8_lossy(&out));
    Ok(Exit::Ok)
}
