//! Everything that goes wrong around a run: the name, the certificate, the proxy, the address, the model, the disk, the
//! user. Each ends in one sentence that says what to do, and in the exit code of the contract.

use std::process::{Command, Stdio};
use std::time::Duration;

use rcgen::generate_simple_self_signed;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use ttft::clock::{Clock, Monotonic};
use ttft::sim::server::{Sim, SimConfig};

use super::bench::{Bench, Printed, TTFT};
use super::relay;

/// A short run against `url`.
fn run(bench: &Bench, url: &str, more: &[&str]) -> Printed {
    bench.ttft(&[&["--api_base", url, "--max_ctx_tokens", "200", "--gap", "0"], more].concat())
}

/// Nothing was measured, and the one line on stderr says what was found and, behind a semicolon, what to do.
fn fails(printed: &Printed, found: &str, advice: &str) {
    let errors: Vec<&str> = printed.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!((printed.code, errors.len()), (Some(1), 1), "{}", printed.stderr);
    let (what, to_do) = errors[0].split_once("; ").unwrap_or_else(|| panic!("no advice: {}", errors[0]));
    assert!(what.contains(found), "{found}: {}", errors[0]);
    assert!(to_do.contains(advice), "{advice}: {}", errors[0]);
    assert_eq!(printed.stdout, "");
}

/// Run 1 failed with this outcome, and so the command with 1; the row is there.
fn fails_measured(bench: &Bench, printed: &Printed, outcome: &str, found: &str, advice: &str) {
    assert_eq!(printed.code, Some(1), "{}", printed.stderr);
    let row = &bench.rows("benchmark.jsonl")[0];
    assert_eq!((&row["outcome"], &row["ttft_seconds"]), (&Value::from(outcome), &Value::Null), "{row}");
    let line = printed.stderr.lines().find_map(|line| line.strip_prefix("error: run 1 failed: "));
    let line = line.unwrap_or_else(|| panic!("{}", printed.stderr));
    assert!(line.contains(found) && line.contains("; ") && line.contains(advice), "{line}");
}

#[test]
fn a_name_that_cannot_be_resolved() {
    let bench = Bench::new("instant", &[], 0);
    let printed = run(&bench, "http://no-such-host.invalid:8000/v1", &[]);
    fails(&printed, "cannot resolve the host name \"no-such-host.invalid\"", "check the host in --api_base");
}

#[test]
fn a_certificate_that_nobody_vouches_for_unless_the_user_does() {
    let bench = Bench::new("instant", &[], 0);
    let identity = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let port = relay::tls(bench.sim.addr(), &identity).port();
    let url = format!("https://localhost:{port}/v1");
    fails(&run(&bench, &url, &[]), &format!("no TLS with localhost:{port}"), "--ca_file trusts its own certificate");
    std::fs::write(bench.path("ca.pem"), identity.cert.pem()).unwrap();
    for trust in [&["--ca_file", "ca.pem"][..], &["--insecure"]] {
        let printed = run(&bench, &url, trust);
        assert_eq!(printed.code, Some(0), "{trust:?}: {}", printed.stderr);
        assert!(bench.rows("benchmark.jsonl").iter().all(|row| row["tls_ns"].is_u64()), "{trust:?}");
    }
    let other = generate_simple_self_signed(["elsewhere".to_owned()]).unwrap();
    std::fs::write(bench.path("other.pem"), other.cert.pem()).unwrap();
    fails(&run(&bench, &url, &["--ca_file", "other.pem"]), "no TLS with", "--insecure any");
}

#[test]
fn certificates_that_cannot_be_read() {
    let bench = Bench::new("instant", &[], 0);
    let missing = run(&bench, "https://localhost:1/v1", &["--ca_file", "nowhere.pem"]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("cannot read the certificates in nowhere.pem"), "{}", missing.stderr);
    std::fs::write(bench.path("no.pem"), "no certificate").unwrap();
    let wrong = run(&bench, "https://localhost:1/v1", &["--ca_file", "no.pem"]);
    fails(&wrong, "no.pem holds no certificates that can be used", "--ca_file wants PEM");
}

#[test]
fn a_server_without_tls_at_an_https_address() {
    let bench = Bench::new("instant", &[], 0);
    let url = bench.sim.base_url().replace("http://", "https://");
    fails(&run(&bench, &url, &[]), "no TLS with 127.0.0.1", "check that the server speaks TLS on this port");
}

#[test]
fn a_proxy_opens_a_tunnel_or_says_why_not_and_is_never_taken_from_the_environment() {
    let bench = Bench::new("instant", &[], 0);
    let url = bench.sim.base_url();
    let through = |proxy: &str| run(&bench, &url, &["--proxy", proxy]);
    let printed = through(&format!("http://{}", relay::proxy("200 Connection established")));
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    assert_eq!(bench.requests(), 2);
    let login = through(&format!("http://{}", relay::proxy("407 Proxy Authentication Required")));
    fails(&login, "did not open a tunnel to", "give --proxy http://USER:PASSWORD@HOST:PORT");
    fails(&through(&format!("http://{}", relay::proxy("502 Bad Gateway"))), "it answered 502", "check --proxy");
    fails(&through("http://127.0.0.1:1"), "cannot connect to the proxy 127.0.0.1:1", "");
    let mut command = bench.command(&["--api_base", &url, "--max_ctx_tokens", "200", "--gap", "0"]);
    let nowhere = "http://127.0.0.1:1";
    command.envs([("http_proxy", nowhere), ("HTTP_PROXY", nowhere), ("ALL_PROXY", nowhere)]);
    assert_eq!(command.output().unwrap().status.code(), Some(0));
}

#[test]
fn every_form_of_the_address_is_taken() {
    let bench = Bench::new("instant", &[], 0);
    let host = bench.sim.addr();
    for url in [
        format!("http://{host}"),
        format!("http://{host}/"),
        format!("http://{host}/v1/"),
        format!("http://{host}//v1//"),
        format!("http://{host}/v1/chat/completions"),
        format!("http://{host}/v1/models"),
        format!("{host}/v1"),
        host.to_string(),
    ] {
        let printed = run(&bench, &url, &["--num_following", "0"]);
        assert_eq!(printed.code, Some(0), "{url}: {}", printed.stderr);
    }
}

#[test]
fn an_address_that_is_none() {
    let bench = Bench::new("instant", &[], 0);
    for (url, found) in [("ftp://localhost/v1", "its scheme is \"ftp\""), ("http://", "cannot read the URL")] {
        let printed = run(&bench, url, &[]);
        assert_eq!(printed.code, Some(2), "{}", printed.stderr);
        assert!(printed.stderr.contains(found), "{}", printed.stderr);
    }
}

#[test]
fn a_path_where_nothing_is() {
    let bench = Bench::new("instant", &[], 0);
    let url = format!("http://{}/api/v2", bench.sim.addr());
    fails(&run(&bench, &url, &[]), "/api/v2/models answered 404", "check --api_base");
}

#[test]
fn a_web_page_where_the_server_should_be() {
    let bench = Bench::new("instant", &[], 0);
    let page = "<!DOCTYPE html><html><body>Sign in</body></html>";
    let all = relay::answers(move |_| (200, "text/html; charset=utf-8", page.to_owned()));
    let printed = run(&bench, &format!("http://{all}/v1"), &[]);
    fails(&printed, "answered 200, but not with a list of models", "check --api_base");
    let models = r#"{"object":"list","data":[{"id":"m","object":"model"}]}"#;
    let but_models = relay::answers(move |path| match path {
        "/v1/models" => (200, "application/json", models.to_owned()),
        "/v1/chat/completions" => (200, "text/html", page.to_owned()),
        _ => (404, "text/html", page.to_owned()),
    });
    let printed = run(&bench, &format!("http://{but_models}/v1"), &["--num_following", "0"]);
    fails_measured(&bench, &printed, "not_a_stream", "got text/html", "check --api_base and --proxy");
}

#[test]
fn a_model_that_is_not_served_and_those_that_are() {
    let bench = Bench::new("instant", &[], 0);
    let printed = run(&bench, &bench.sim.base_url(), &["--model", "nobody/knows-it"]);
    fails_measured(&bench, &printed, "rejected", "the server answered 404", "it serves ttft-sim/instant");
    assert!(printed.stderr.contains("01-ai/Yi-34B-200K"), "all are listed: {}", printed.stderr);
}

#[test]
fn streams_that_break() {
    for (fault, outcome, found, advice) in [
        ("rst", "reset", "the connection broke in the middle of the stream", "look at the server's log"),
        ("rst=0", "reset", "the connection broke before the first token", "look at the server's log"),
        ("cut", "truncated", "ended without a finish reason", "look at their logs"),
        ("503", "rejected", "the server answered 503", "look at the log of the server"),
        ("bad_utf8", "malformed", "of an event is not UTF-8", "--keep_wire DIR keeps the bytes to look at"),
        ("stall=0", "timeout", "no first token came within --timeout", "wait longer with --timeout"),
        ("stall=3", "timeout", "no further token came within --timeout", "wait longer with --timeout"),
    ] {
        let bench = Bench::new("instant", &[fault], 0);
        let printed = run(&bench, &bench.sim.base_url(), &["--num_following", "0", "--timeout", "500ms"]);
        fails_measured(&bench, &printed, outcome, found, advice);
    }
}

#[test]
fn a_server_that_is_loading_is_waited_for_when_that_is_asked() {
    let bench = Bench::new("instant", &["loading=3"], 0);
    let url = bench.sim.base_url();
    fails(&run(&bench, &url, &[]), "answered 503", "--wait 120s waits for it");
    let printed = run(&bench, &url, &["--wait", "60s"]);
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    let ever = Bench::new("instant", &["loading=100000"], 0);
    let printed = run(&ever, &ever.sim.base_url(), &["--wait", "1s"]);
    fails(&printed, "answered 503", "");
}

#[test]
fn a_server_that_is_not_there_yet_is_waited_for() {
    let bench = Bench::new("instant", &[], 0);
    let port = Sim::start(SimConfig::default()).unwrap().addr().port();
    let url = format!("http://127.0.0.1:{port}/v1");
    let mut command = bench.command(&["--api_base", &url, "--max_ctx_tokens", "200", "--gap", "0", "--wait", "60s"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Long enough for a first try that fails; were it not, the run would go well all the same.
    Monotonic.sleep_until(Monotonic.now().after(Duration::from_millis(300)));
    let profile = "instant".parse().unwrap();
    let late = Sim::start(SimConfig { profile, port, ..SimConfig::default() }).unwrap();
    let printed = Printed::of(child.wait_with_output().unwrap());
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    assert_eq!(late.truth().len(), 2);
}

/// Waits until the log has at least `rows` whole rows.
fn await_rows(bench: &Bench, rows: usize) {
    let deadline = Monotonic.now().after(Duration::from_secs(60));
    while std::fs::read_to_string(bench.path("benchmark.jsonl")).unwrap_or_default().lines().count() < rows {
        assert!(Monotonic.now() < deadline, "{rows} rows");
        Monotonic.sleep_until(Monotonic.now().after(Duration::from_millis(5)));
    }
}

#[test]
fn ctrl_c_ends_the_run_with_130_and_what_was_measured_in_the_log_and_on_the_console() {
    let bench = Bench::new("instant,base=20ms", &["stall=0@4"], 0);
    let url = bench.sim.base_url();
    let args = ["--api_base", &url, "--max_ctx_tokens", "200", "--gap", "0", "--num_following", "9"];
    let child = bench.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    await_rows(&bench, 3);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let printed = Printed::of(child.wait_with_output().unwrap());
    assert_eq!(printed.code, Some(130), "{}", printed.stderr);
    let rows = bench.rows("benchmark.jsonl");
    assert!(rows[..3].iter().all(|row| row["outcome"] == "ok"), "what was measured is there");
    assert!(rows[3..].iter().all(|row| row["outcome"] == "interrupted" && row["ttft_seconds"].is_null()), "{rows:?}");
    assert!(printed.stdout.ends_with(&bench.report(&["benchmark.jsonl"])), "{}", printed.stdout);
}

/// The program in a mount namespace whose folder `disk` has `size`, writing its log there. The log is copied to
/// `kept.jsonl`.
fn on_a_disk_of(bench: &Bench, size: &str, more: &str) -> Printed {
    std::fs::create_dir_all(bench.path("disk")).unwrap();
    let script = format!(
        "mount -t tmpfs -o size={size} none disk || exit 99\n\
         {TTFT} --api_base {} --max_ctx_tokens 200 --gap 0 --out disk/log.jsonl {more}\n\
         code=$?; cp disk/log.jsonl kept.jsonl; exit $code",
        bench.sim.base_url()
    );
    let mut command = Command::new("unshare");
    command.args(["-rm", "--", "bash", "-c", &script]).current_dir(&bench.folder);
    let output = command.output().unwrap_or_else(|error| {
        panic!("this test needs the program unshare, of Debian's util-linux, for a disk of its own: {error}")
    });
    let printed = Printed::of(output);
    assert_ne!(printed.code, Some(99), "a disk of its own takes root or user namespaces: {}", printed.stderr);
    printed
}

#[test]
fn a_disk_that_is_full_is_found_before_any_request() {
    let bench = Bench::new("instant", &[], 0);
    let printed = on_a_disk_of(&bench, "16k", "");
    fails(&printed, "cannot write the log disk/log.jsonl: No space left on device", "name another file with --out");
    assert_eq!(bench.requests(), 0);
}

#[test]
fn a_disk_that_fills_up_in_the_middle_ends_the_run_and_keeps_what_was_measured() {
    let bench = Bench::new("instant", &[], 0);
    // There is room for what is tried before the run, and not for a hundred rows.
    let printed = on_a_disk_of(&bench, "68k", "--num_following 199");
    assert_eq!(printed.code, Some(1), "{}", printed.stderr);
    let error = "error: cannot write the log disk/log.jsonl: No space left on device";
    assert!(printed.stderr.lines().any(|line| line.starts_with(error)), "{}", printed.stderr);
    let kept = bench.text("kept.jsonl");
    let (whole, _) = kept.rsplit_once('\n').expect("a whole row");
    let rows: Vec<Value> = whole.lines().map(|line| line.parse().expect("JSON")).collect();
    let measured = printed.stdout.lines().filter(|line| line.starts_with("TTFT_")).count();
    // The row that did not fit is the last one that was measured.
    assert_eq!((rows.len() + 1, bench.requests()), (measured, measured));
}

#[test]
fn a_log_that_cannot_be_written_leaves_the_server_alone() {
    let bench = Bench::new("instant", &[], 0);
    for out in ["/dev/full", "nowhere/log.jsonl", "."] {
        let printed = run(&bench, &bench.sim.base_url(), &["--out", out]);
        fails(&printed, &format!("cannot write the log {out}"), "name another file with --out");
    }
    assert_eq!(bench.requests(), 0);
}
