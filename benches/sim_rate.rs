//! How many events a second the simulated endpoint can send, and what one core has to do for it.
//!
//! `cargo bench --bench sim_rate -- [STREAMS] [TOKENS_PER_SECOND] [SECONDS]`, 1,000, 50 and 10 if not said. One thread
//! reads all streams with epoll and looks at nothing. Printed are the events asked for and written, the processor time
//! of the server's thread alone (`/proc/self/task/*/schedstat`), and how late the writes were against their plan.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::epoll;
use ttft::clock::{Clock, Monotonic};
use ttft::sim::server::{Sim, SimConfig};

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|text| text.parse::<u64>().ok());
    let mut number = |default| numbers.next().unwrap_or(default);
    let (streams, rate, seconds) = (number(1_000), number(50), number(10));
    let tokens = rate * seconds;
    let profile = format!("instant,base=500ms,decode={}us", 1_000_000 / rate).parse().expect("a profile");
    let sim = Sim::start(SimConfig { profile, ..SimConfig::default() }).expect("a server");

    let mut connections: Vec<TcpStream> = (0..streams).map(|_| connect(&sim)).collect();
    let before = processor_ns();
    let start = Monotonic.now();
    // Over one gap between tokens, as streams that began at any time would be.
    for (nth, connection) in (0..).zip(&mut connections) {
        Monotonic.sleep_until(start.after(Duration::from_nanos(nth * 1_000_000_000 / (rate * streams))));
        ask(connection, tokens);
    }
    drain(connections);
    let elapsed = Monotonic.now().since(start).unwrap_or(1) as f64 / 1e9;
    let busy = (processor_ns() - before) as f64 / 1e9;

    let truths = sim.truth();
    let events: u64 = truths.iter().map(|truth| truth.token_events).sum();
    let late: u64 = truths.iter().map(|truth| truth.late_sum_ns).sum();
    let worst = truths.iter().map(|truth| truth.late_max_ns).max().unwrap_or(0);
    let streaming = elapsed - 0.5;
    report(&format!("streams            {streams} at {rate} tokens/s for {seconds} s"));
    report(&format!("events             {events} of {} ({:.0}/s)", streams * tokens, events as f64 / streaming));
    report(&format!(
        "server's processor {:.2} s = {:.2} cores, {:.1} us an event",
        busy,
        busy / elapsed,
        busy * 1e6 / events as f64
    ));
    report(&format!(
        "late               mean {:.3} ms, worst {:.1} ms",
        late as f64 / events as f64 / 1e6,
        worst as f64 / 1e6
    ));
}

#[expect(clippy::print_stdout, reason = "a benchmark's own report")]
fn report(line: &str) {
    println!("{line}");
}

#[expect(clippy::disallowed_methods, reason = "a socket of the benchmark's own")]
fn connect(sim: &Sim) -> TcpStream {
    TcpStream::connect(sim.addr()).expect("the server listens")
}

fn ask(connection: &mut TcpStream, tokens: u64) {
    let body = format!(
        r#"{{"messages":[{{"role":"user","content":"river"}}],"max_tokens":{tokens},"ignore_eos":true,"stream":true}}"#
    );
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: sim\r\ncontent-length: {}\r\n\r\n", body.len());
    connection.write_all((head + &body).as_bytes()).expect("the request fits the socket");
}

/// Reads every stream to its end.
fn drain(mut connections: Vec<TcpStream>) {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll descriptor");
    for (nth, connection) in (0..).zip(&connections) {
        epoll::add(&epoll, connection.as_fd(), epoll::EventData::new_u64(nth), epoll::EventFlags::IN)
            .expect("it is open");
    }
    let mut open = connections.len();
    let mut buffer = [0; 65_536];
    let mut events = Vec::with_capacity(1_024);
    while open > 0 {
        events.clear();
        match epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None) {
            Err(rustix::io::Errno::INTR) => continue,
            waited => waited.expect("the descriptor is open"),
        };
        for event in &events {
            let connection = &mut connections[event.data.u64() as usize];
            let read = connection.read(&mut buffer).expect("the server keeps the connection");
            if read == 0 || buffer[..read].ends_with(b"0\r\n\r\n") {
                epoll::delete(&epoll, &*connection).expect("it was added");
                open -= 1;
            }
        }
    }
}

/// Processor time of the server's thread so far.
fn processor_ns() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux").flatten();
    let of_server = tasks.filter(|task| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim_end() == "ttft-sim")
    });
    let times = of_server.filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
    times.filter_map(|stat| stat.split(' ').next()?.parse::<u64>().ok()).sum()
}
