//! The server of results under 10,000 requests that nobody sound would make.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::support::jobs::{folder, succeed};

const REQUESTS: usize = 10_000;
const SECRET: &str = "nobody-may-read-this";

/// What is asked for: what is there, what leads out of it, and nonsense.
const PATHS: [&str; 24] = [
    "/",
    "/data.json",
    "/serve.js",
    "/track/0.bw",
    "/track/99999999999999999999.bw",
    "/track/-1.bw",
    "/track/0.bw/../../../secret",
    "/../secret",
    "/../../../../../../etc/passwd",
    "/%2e%2e/secret",
    "/%2e%2e%2fsecret",
    "/..%5csecret",
    "/....//secret",
    "//secret",
    "/secret",
    "/out/../secret",
    "/genome.fa",
    "/genome.fa.fai",
    "/genome.fa%00.txt",
    "/run.json",
    "http://localhost/../secret",
    "*",
    "",
    "/?a=../secret#x",
];
const METHODS: [&str; 10] = [
    "GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "CONNECT", "get",
];
const HEADERS: [&str; 16] = [
    "Range: bytes=0-",
    "Range: bytes=-1",
    "Range: bytes=5-2",
    "Range: bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6",
    "Range: bytes=18446744073709551615-18446744073709551616",
    "Range: lines=1",
    "Content-Length: 99999999999",
    "Content-Length: -1",
    "Transfer-Encoding: chunked",
    "Expect: 100-continue",
    "Upgrade: websocket",
    "Connection: keep-alive",
    "Origin: http://evil.example",
    "Accept-Encoding: gzip;q=9",
    "If-Modified-Since: Mon, 99 Foo 0000 99:99:99 GMT",
    ": no name",
];

/// Bytes of a request, whole or spoiled.
fn request(port: u16) -> impl Strategy<Value = Vec<u8>> {
    let host = select(vec![
        format!("localhost:{port}"),
        format!("127.0.0.1:{port}"),
        "evil.example".into(),
        String::new(),
        "a".repeat(9000),
    ]);
    let parts = (
        select(METHODS.to_vec()),
        select(PATHS.to_vec()),
        host,
        proptest::collection::vec(select(HEADERS.to_vec()), 0..4),
        select(vec!["HTTP/1.1", "HTTP/1.0", "HTTP/9.9", ""]),
    );
    let spoil = (any::<Index>(), any::<u8>(), 0..6u8);
    (parts, spoil).prop_map(
        |((method, path, host, headers, version), (at, byte, how))| {
            let mut text = format!("{method} {path} {version}\r\nHost: {host}\r\n");
            for header in headers {
                text += header;
                text += "\r\n";
            }
            text += "\r\n";
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len());
            match how {
                0 => bytes.truncate(at),
                1 => bytes[at] = byte,
                2 => bytes
                    .splice(at..at, std::iter::repeat_n(byte, 20_000))
                    .for_each(drop),
                _ => {}
            }
            bytes
        },
    )
}

/// Kilobytes of memory that a process has, at its most.
fn most_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn hostile_requests_get_nothing_and_do_no_harm() {
    let dir = folder();
    let here = dir.path();
    succeed(
        here,
        "score --bed regions.bed --fasta genome.fa --model count.onnx --tasks A --out out",
    );
    fs::write(here.join("secret"), SECRET).unwrap();
    fs::write(here.join("out/secret"), SECRET).unwrap();
    // The real one lies beside the program only where a build has put it there.
    fs::write(here.join("igv.js"), "// none").unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_mpra-score"))
        .current_dir(here)
        .args(["serve", "out", "--port", "0", "--igv", "igv.js"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut error = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    error.read_line(&mut said).unwrap();
    let port = said.split([':', '/']).nth(4).and_then(|p| p.parse().ok());
    let port: u16 = port.unwrap_or_else(|| panic!("no address: {said}"));
    let before = most_memory(child.id());
    let mut runner = TestRunner::deterministic();
    let requests = request(port);
    let mut answers = 0;
    for _ in 0..REQUESTS {
        let bytes = requests.new_tree(&mut runner).unwrap().current();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        // The server may have had enough before all is sent.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = (&mut stream).take(1 << 16).read_to_end(&mut answer);
        answers += usize::from(!answer.is_empty());
        let text = String::from_utf8_lossy(&answer);
        assert!(
            !text.contains(SECRET),
            "{}",
            String::from_utf8_lossy(&bytes)
        );
        assert!(
            !text.contains("root:"),
            "{}",
            String::from_utf8_lossy(&bytes)
        );
    }
    assert!(answers > REQUESTS / 4, "{answers}");
    // It still answers, and has taken no memory to speak of.
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let sound = format!("GET / HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(sound.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let more = most_memory(child.id()) - before;
    assert!(more < 64 << 10, "{more} kB");
    child.kill().unwrap();
    let mut rest = String::new();
    error.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("panicked"), "{rest}");
    child.wait().unwrap();
}
