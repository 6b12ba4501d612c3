//! The table of modules in `src/lib.rs`, and what the sources import: a module imports only modules of a smaller number,
//! and one that does not touch the outside world none that does. With it the rules that the lints cannot see.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const MAP: &str = include_str!("../src/lib.rs");

/// The number and the star of a module, or of one of its files where the table has a row for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rank {
    number: u8,
    is_starred: bool,
}

/// By `module`, and `module/file` for the parts that have a row of their own.
type Table = BTreeMap<String, Rank>;

/// Reads rows such as "| 2 | [`plan`], [`sim`]'s server and socket | `sim` |": a star is a module that the last cell
/// names, or all of the row with "all of it".
fn table(page: &str) -> Table {
    let mut table = Table::new();
    for row in page.lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let cells: Vec<&str> = row.trim_end_matches('|').split('|').map(str::trim).collect();
        let (Ok(number), [_, modules, outside]) = (cells[0].parse(), cells.as_slice()) else { continue };
        for entry in modules.split(", ") {
            let Some(name) = entry.split('`').nth(1) else { panic!("no module in {entry:?}") };
            let is_starred = outside.contains(&format!("`{name}`")) || outside.contains(&format!("`{name}::"));
            let rank = Rank { number, is_starred: is_starred || outside.starts_with("all of it") };
            // "'s log" is that file; "'s models" is whatever has no row of its own.
            let parts = entry.split_once("'s ").map_or(Vec::new(), |(_, parts)| parts.split(" and ").collect());
            for part in parts.iter().filter(|part| source(&format!("{name}/{part}")).is_some()) {
                table.insert(format!("{name}/{part}"), rank);
            }
            table.entry(name.to_owned()).or_insert(rank);
        }
    }
    table
}

/// The file of `module` or `module/file`, if there is one.
fn source(module: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(module);
    [path.with_extension("rs"), path.join("mod.rs")].into_iter().find(|path| path.is_file())
}

/// Every source file below `src`, by its path without the ending, with its code: no comments, and no tests at its foot.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let name = path.strip_prefix(&root).unwrap().with_extension("").to_str().unwrap().to_owned();
                found.push((name, code(&fs::read_to_string(&path).unwrap())));
            }
        }
    }
    found
}

fn code(text: &str) -> String {
    let body = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    body.lines().filter(|line| !line.trim_start().starts_with("//")).fold(String::new(), |all, line| all + line + "\n")
}

fn rank_of(table: &Table, path: &str) -> Option<Rank> {
    let parts: Vec<&str> = path.split('/').collect();
    let part = parts.get(1).and_then(|file| table.get(&format!("{}/{file}", parts[0])));
    part.or_else(|| table.get(parts[0])).copied()
}

/// What a file names of the crate: `module/item` for every `crate::module::item`.
fn imports(code: &str) -> impl Iterator<Item = String> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    code.split("crate::").skip(1).map(move |rest| {
        let name = |text: &str| text.split(|c| !is_name(c)).next().unwrap_or_default().to_owned();
        let module = name(rest);
        let item = rest[module.len()..].strip_prefix("::").map(name).unwrap_or_default();
        format!("{module}/{item}")
    })
}

/// The imports of `code`, the file `path`, that the table forbids.
fn broken(table: &Table, path: &str, code: &str) -> Vec<String> {
    let own_folder = path.split('/').next().unwrap_or_default();
    let Some(own) = rank_of(table, path) else { return vec![format!("{path} is not in the table of src/lib.rs")] };
    let others = imports(code).filter(|import| import.split('/').next() != Some(own_folder));
    let wrong = others.filter_map(|import| match rank_of(table, &import) {
        None => Some(format!("{path} imports {import}, which is not in the table of src/lib.rs")),
        Some(other) if other.number >= own.number => {
            Some(format!("{path} has number {} and imports {import}, which has {}", own.number, other.number))
        }
        // Durations and stamps are plain numbers, and a clock that is handed over is the caller's affair.
        Some(other) if other.is_starred && !own.is_starred && !import.starts_with("clock/") => {
            Some(format!("{path} does not touch the outside world and imports {import}, which does"))
        }
        Some(_) => None,
    });
    wrong.collect()
}

#[test]
fn a_module_imports_only_modules_of_a_smaller_number() {
    let table = table(MAP);
    let broken: Vec<String> = sources()
        .iter()
        .filter(|(path, _)| !matches!(path.as_str(), "lib" | "main"))
        .flat_map(|(path, code)| broken(&table, path, code))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_table_has_every_module_and_no_other() {
    let table = table(MAP);
    let declared: Vec<&str> = MAP.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    for module in &declared {
        assert!(table.contains_key(*module), "{module} has no row in the table of src/lib.rs");
    }
    for module in table.keys().filter(|name| !name.contains('/')) {
        assert!(declared.contains(&module.as_str()), "{module} has a row in src/lib.rs and is no module");
    }
    for part in ["sim/server", "record/log"] {
        assert!(table.contains_key(part), "{part} has a row of its own");
    }
}

#[test]
fn time_is_read_and_unsafe_code_written_in_one_place_each() {
    for (path, code) in sources() {
        for (what, place) in [
            ("Instant::now", "clock"),
            ("SystemTime::now", "clock"),
            ("thread::sleep", "clock"),
            ("clock_gettime", "clock"),
            ("tokio::time", "nowhere"),
            ("unsafe {", "net/stamp"),
            ("unsafe fn", "net/stamp"),
            ("allow(unsafe_code)", "net/stamp"),
            ("todo!(", "nowhere"),
            ("unimplemented!(", "nowhere"),
        ] {
            assert!(path == place || !code.contains(what), "{what} stands in src/{path}.rs, and belongs in {place}");
        }
    }
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    let text = fs::read_to_string(source("net/stamp").unwrap()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let blocks = (0..lines.len()).filter(|&at| lines[at].contains("unsafe {"));
    for at in blocks.inspect(|at| assert!(*at >= 3)) {
        assert!(lines[at - 3..at].iter().any(|line| line.contains("SAFETY:")), "line {}: {}", at + 1, lines[at]);
    }
}

#[test]
fn what_the_table_forbids_is_found() {
    let table = table(MAP);
    assert_eq!(table["record/log"].number, 5);
    assert_eq!(broken(&table, "wire/sse", "use crate::stats::mean;").len(), 1, "an equal number is no smaller one");
    assert_eq!(broken(&table, "stats/rank", "let x = crate::report::text::write(a);").len(), 1);
    assert_eq!(broken(&table, "verify/mod", "use crate::session::Session;").len(), 1, "it has no star");
    assert_eq!(broken(&table, "sim/cache", "use crate::net::stamp;").len(), 1, "a model opens no sockets");
    assert_eq!(broken(&table, "nowhere", "").len(), 1);
    for (path, code) in [
        ("sim/server", "use crate::net::stamp::Sentinel;"),
        ("report/text", "use crate::record::Row;\nuse crate::chart::Figure;"),
        ("wire/sse", "use crate::wire::http1::Head;"),
    ] {
        assert_eq!(broken(&table, path, code), Vec::<String>::new());
    }
}
