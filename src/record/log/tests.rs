use super::super::schema::ClassicRow;
use super::*;

const CLASSIC: &str = r#"{"run_index":1,"context_tokens":120938,"ttft_seconds":0.429}"#;

fn parse(text: &str) -> Result<Reading, LogError> {
    Reading::parse(Path::new("a.jsonl"), text.as_bytes())
}

#[test]
fn a_classic_log_is_read() {
    let reading = parse(&format!("{CLASSIC}\n\n{CLASSIC}\n")).unwrap();
    assert_eq!(reading.lines.iter().map(|line| line.number).collect::<Vec<_>>(), [1, 3]);
    let row = ClassicRow { run_index: 1, context_tokens: 120_938, ttft_seconds: 0.429 };
    assert_eq!(reading.lines[0].line, Line::Classic(row));
    assert_eq!(reading.cut, None);
}

/// A file with room for so many bytes.
struct Full(io::Cursor<Vec<u8>>, usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.1.saturating_sub(self.0.position() as usize).min(bytes.len());
        if room == 0 { Err(io::ErrorKind::StorageFull.into()) } else { self.0.write(&bytes[..room]) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Full {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn a_row_that_cannot_grow_stays_as_it_was() {
    let replaced = |room: usize| {
        let mut file = Full(io::Cursor::new(b"one\ntwo\n".to_vec()), room);
        let is_written = replace(&mut file, 4, b"two\n", b"two and more\n").is_ok();
        (is_written, String::from_utf8(file.0.into_inner()).unwrap())
    };
    assert_eq!(replaced(64), (true, "one\ntwo and more\n".to_owned()));
    let (is_written, left) = replaced(10);
    assert!(!is_written && left.starts_with("one\ntwo\n"), "{left}");
}

#[test]
fn a_log_cut_in_the_middle_of_a_line_is_read_up_to_there() {
    let reading = parse(&format!("{CLASSIC}\n{}", &CLASSIC[..30])).unwrap();
    assert_eq!((reading.lines.len(), reading.cut), (1, Some(2)));
}

#[test]
fn a_broken_line_in_the_middle_is_an_error_that_names_it() {
    let error = parse(&format!("{}\n{CLASSIC}\n", &CLASSIC[..30])).unwrap_err();
    assert!(error.to_string().starts_with("line 1 of a.jsonl is no row of a log"), "{error}");
}

#[test]
fn json_of_another_kind_is_no_log() {
    assert!(matches!(parse("{\"a\":1}"), Err(LogError::NoRow { line: 1, .. })));
}

#[test]
fn a_newer_schema_is_refused() {
    let error = parse(&format!(r#"{{"run_index":1,"schema":{},"x":1}}"#, SCHEMA_VERSION + 1)).unwrap_err();
    assert!(matches!(error, LogError::Newer { line: 1, .. }), "{error}");
}

#[test]
fn a_log_keeps_what_it_holds_until_the_first_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("benchmark.jsonl");
    std::fs::write(&path, CLASSIC).unwrap();
    let mut log = Log::prepare(&path, Keys::Classic).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), CLASSIC);
    log.begin().unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
}

#[test]
fn a_full_disk_is_found_before_anything_is_sent() {
    let error = Log::prepare(Path::new("/dev/full"), Keys::Full).unwrap_err();
    assert!(error.to_string().contains("No space left"), "{error}");
}

#[test]
fn a_folder_is_no_log() {
    assert!(Log::prepare(Path::new("/"), Keys::Full).is_err());
}
