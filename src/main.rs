//! `ttft`: parse, dispatch, exit.

use std::ffi::OsString;

use ttft::exit::Exit;

fn main() -> Exit {
    let argv: Vec<OsString> = std::env::args_os().collect();
    ttft::cmd::main(&argv)
}
