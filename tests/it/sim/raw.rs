//! The plainest client there is: a blocking socket, and the bytes that came out of it.
#![allow(dead_code, reason = "each of the test programs uses a part of it")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use ttft::clock::{Clock, Monotonic, Nanos};
use ttft::sim::server::{Sim, SimConfig};

/// Starts a server of the given profile, flavour and faults on a free port.
pub fn sim(profile: &str, flavor: &str, faults: &[&str]) -> Sim {
    let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    let config = SimConfig {
        profile: profile.parse().unwrap(),
        flavor: flavor.parse().unwrap(),
        faults,
        ..SimConfig::default()
    };
    Sim::start(config).unwrap()
}

/// A connection to `sim`.
pub fn connect(sim: &Sim) -> TcpStream {
    connect_to(sim.addr())
}

#[expect(clippy::disallowed_methods, reason = "a test's own socket, so that it shares no code with the client")]
fn connect_to(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// The bytes of a request.
pub fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nhost: sim\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

/// The body of a streamed chat about `text`.
pub fn chat(text: &str, max_tokens: u64) -> Value {
    json!({
        "messages": [{"role": "user", "content": text}],
        "max_tokens": max_tokens,
        "temperature": 0,
        "stream": true,
        "stream_options": {"include_usage": true},
    })
}

/// What came back: the head, the body without its chunks, and when each read of it was made.
#[derive(Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    /// After how many nanoseconds the head was whole.
    pub head_ns: Nanos,
    /// The body as it was on the wire.
    pub raw: Vec<u8>,
    /// After how many nanoseconds each read came, and how many bytes of `raw` there were by then.
    pub reads: Vec<(Nanos, usize)>,
    /// Whether the body ended as its framing says it should.
    pub complete: bool,
    /// How the connection failed, if it did.
    pub error: Option<std::io::ErrorKind>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    /// The JSON of the events, `[DONE]` left out.
    pub fn chunks(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().filter_map(|line| line.strip_prefix("data:"));
        lines.map(str::trim).filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
    }

    /// The last usage that was given.
    pub fn usage(&self) -> Value {
        self.chunks().iter().rev().map(|chunk| chunk["usage"].clone()).find(Value::is_object).unwrap_or_default()
    }

    /// After how many nanoseconds the read came that brought the first event with text.
    pub fn first_token_ns(&self) -> Nanos {
        self.read_ns(br#""content":" "#).unwrap()
    }

    /// The same for the first occurrence of `what`.
    pub fn read_ns(&self, what: &[u8]) -> Option<Nanos> {
        let end = find(&self.raw, what)? + what.len();
        self.reads.iter().find(|(_, bytes)| *bytes >= end).map(|(at, _)| *at)
    }

    /// The chunks of the body, but for the empty one at its end.
    pub fn chunk_bodies(&self) -> Vec<&[u8]> {
        let mut chunks = Vec::new();
        let mut bytes = &self.raw[..];
        while let Some(line) = find(bytes, b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).unwrap(), 16).unwrap();
            let rest = &bytes[line + 2..];
            chunks.push(&rest[..size.min(rest.len())]);
            bytes = rest.get(size + 2..).unwrap_or_default();
        }
        chunks.retain(|chunk| !chunk.is_empty());
        chunks
    }

    pub fn is_done(&self) -> bool {
        self.text().contains("data: [DONE]")
    }
}

/// Sends `request` on a new connection and reads the answer.
pub fn ask(sim: &Sim, request: &str) -> Answer {
    exchange(&mut connect(sim), request)
}

/// Posts `body` on a new connection.
pub fn post(sim: &Sim, path: &str, body: &Value) -> Answer {
    post_to(sim.addr(), path, body)
}

/// The same to whatever listens at `addr`.
pub fn post_to(addr: SocketAddr, path: &str, body: &Value) -> Answer {
    let request = request("POST", path, "content-type: application/json\r\n", &body.to_string());
    exchange(&mut connect_to(addr), &request)
}

pub fn get(sim: &Sim, path: &str) -> Answer {
    ask(sim, &request("GET", path, "", ""))
}

/// Sends `request` on `stream` and reads one answer.
pub fn exchange(stream: &mut TcpStream, request: &str) -> Answer {
    let mut answer = Answer::default();
    let start = Monotonic.now();
    if let Err(error) = stream.write_all(request.as_bytes()) {
        answer.error = Some(error.kind());
        return answer;
    }
    let mut bytes = Vec::new();
    let mut buffer = [0; 65_536];
    loop {
        let read = match stream.read(&mut buffer) {
            Ok(read) => read,
            Err(error) => {
                answer.error = Some(error.kind());
                break;
            }
        };
        bytes.extend_from_slice(&buffer[..read]);
        if answer.head.is_empty() {
            let Some(end) = find(&bytes, b"\r\n\r\n") else {
                if read == 0 {
                    return answer;
                }
                continue;
            };
            answer.head = String::from_utf8(bytes.drain(..end + 4).collect()).unwrap();
            answer.head_ns = Monotonic.now().since(start).unwrap();
            answer.status = answer.head.split(' ').nth(1).unwrap().parse().unwrap();
        }
        answer.reads.push((Monotonic.now().since(start).unwrap(), bytes.len()));
        if is_whole(&answer, &bytes) || read == 0 {
            break;
        }
    }
    let until_close = answer.head.starts_with("HTTP/1.0") && answer.header("content-length").is_none();
    answer.complete = is_whole(&answer, &bytes) || until_close && answer.error.is_none();
    answer.raw = bytes;
    answer.body = match answer.header("transfer-encoding") {
        Some("chunked") => answer.chunk_bodies().concat(),
        _ => answer.raw.clone(),
    };
    answer
}

fn is_whole(answer: &Answer, bytes: &[u8]) -> bool {
    match answer.header("content-length") {
        Some(length) => bytes.len() >= length.parse().unwrap(),
        None => {
            answer.header("transfer-encoding").is_some() && (bytes.ends_with(b"\r\n0\r\n\r\n") || bytes == b"0\r\n\r\n")
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
