//! The page of results: everything is in it, it says what the tracks hold, and names stay text.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use serde_json::Value;

use crate::support::jobs::{JOBS, folder, succeed};
use crate::support::{bedgraph, fixture, send};

const HOSTILE: &str = "</script><script>alert(1)</script>\"'&=cmd|'/c'!A1\u{202e}";

fn call(folder: &Path, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_mpra-score"))
        .current_dir(folder)
        .args(args)
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{args:?}: {error}");
    error
}

/// What the page holds.
fn data(path: &Path) -> (String, Value) {
    let page = fs::read_to_string(path).unwrap();
    let begin = "<script type=\"application/json\" id=\"data\">";
    let from = page.find(begin).unwrap() + begin.len();
    let to = from + page[from..].find("</script>").unwrap();
    let value = serde_json::from_str(&page[from..to]).unwrap();
    (page, value)
}

fn floats(value: &Value) -> Vec<f32> {
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(value.as_str().unwrap())
        .unwrap();
    bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|b| f32::from_le_bytes(*b))
        .collect()
}

fn scored(folder: &Path, more: &[&str]) -> PathBuf {
    let bed = format!(
        "chr1\t1000\t1295\t{HOSTILE}\nchr1\t2200\t2495\t=1+1\nchr2\t300\t595\tthird\nchr2\t310\t605\tfourth\n"
    );
    fs::write(folder.join("r.bed"), bed).unwrap();
    let (fasta, model) = (fixture("genome.fa"), fixture("models").join("demo.onnx"));
    let mut args = vec![
        "--bed",
        "r.bed",
        "--fasta",
        fasta.to_str().unwrap(),
        "--model",
        model.to_str().unwrap(),
    ];
    args.extend(["--out", "out", "--format", "bigwig,bedgraph"]);
    args.extend(more);
    call(folder, &args);
    folder.join("out")
}

#[test]
fn a_page_of_the_main_job() {
    let dir = tempfile::tempdir().unwrap();
    let out = scored(dir.path(), &["--report", "--saturation"]);
    let (page, data) = data(&out.join("report.html"));
    assert!(!page.contains("<script>alert"), "a name became markup");
    // igv.js is there where a build has put it beside the program.
    let igv = page.find("<script type=\"text/plain\" id=\"igv-code\">");
    let own = match igv {
        None => page.clone(),
        Some(from) => {
            let to = from + page[from..].find("</script>").unwrap();
            page[..from].to_owned() + &page[to + "</script>".len()..]
        }
    };
    assert_eq!(own.matches("<script").count(), 2);
    let page = own;
    // No address that is loaded: only those that a reader may follow.
    for loaded in ["src=\"http", "href=\"http", "url(http", "@import"] {
        assert!(!page.contains(loaded), "{loaded}");
    }
    let part = &data["parts"][0];
    let regions = part["regions"]["list"].as_array().unwrap();
    assert_eq!(regions.len(), 4);
    assert_eq!(part["run"]["warnings"], Value::Array(Vec::new()));
    let methods = part["run"]["methods"].as_str().unwrap();
    assert!(
        methods.contains("4 regions (r.bed)") && methods.contains("demo.onnx"),
        "{methods}"
    );
    let tasks = part["regions"]["tasks"].as_array().unwrap();
    for region in regions {
        let (contig, start) = (
            region["contig"].as_str().unwrap(),
            region["start"].as_u64().unwrap() as u32,
        );
        for (task, of) in tasks.iter().zip(region["tasks"].as_array().unwrap()) {
            // The numbers of the tracks, to the bit.
            for kind in ["activity", "importance"] {
                let track =
                    bedgraph(&out.join(format!("{}.{kind}.bedGraph", task.as_str().unwrap())));
                let mut expected = vec![f32::NAN; 295];
                for item in &track[contig] {
                    for at in item.start.max(start)..item.end.min(start + 295).max(start) {
                        expected[(at - start) as usize] = item.value;
                    }
                }
                let found = floats(&of[kind]);
                let same = found
                    .iter()
                    .zip(&expected)
                    .all(|(a, b)| a == b || a.is_nan() && b.is_nan());
                assert!(same && found.len() == 295, "{contig} {start} {task} {kind}");
            }
            // Effects are those that importance was made of: the largest is nowhere smaller.
            let (effects, importance) = (floats(&of["effects"]), floats(&of["importance"]));
            assert_eq!(effects.len(), 4 * 295);
            for (four, importance) in effects.as_chunks::<4>().0.iter().zip(importance) {
                let most = four.iter().fold(0.0f32, |m, v| m.max(v.abs()));
                assert!(
                    importance.is_nan() || most <= importance.abs() + 1.0,
                    "{four:?} {importance}"
                );
            }
        }
    }
    let names: Vec<&str> = regions
        .iter()
        .map(|r| r["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&HOSTILE), "{names:?}");
    if let Ok(text) = fs::read_to_string(out.join("elements.bed")) {
        for line in text.lines() {
            let cells: Vec<&str> = line.split('\t').collect();
            assert_eq!(cells.len(), 10, "{line}");
            assert!(cells[1].parse::<u32>().unwrap() < cells[2].parse::<u32>().unwrap());
            assert!((0..=1000).contains(&cells[4].parse::<i32>().unwrap()));
        }
    }
}

#[test]
fn pages_of_other_jobs_and_of_several() {
    let dir = tempfile::tempdir().unwrap();
    scored(dir.path(), &["--annotation", "r.bed"]);
    let fasta = fixture("genome.fa");
    let model = fixture("models").join("demo.onnx");
    fs::write(
        dir.path().join("v.vcf"),
        "##fileformat=VCFv4.2\n##contig=<ID=chr1,length=4000>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nchr1\t1200\t<b>rs1\tN\tA\t.\t.\t.\n",
    )
    .unwrap();
    let bed = "chr1\t1200\t1203\tsite\n";
    fs::write(dir.path().join("v.bed"), bed).unwrap();
    let all = [
        "variants",
        "--bed",
        "v.bed",
        "--fasta",
        fasta.to_str().unwrap(),
        "--model",
        model.to_str().unwrap(),
        "--background-windows",
        "10",
        "--out",
        "v2.vcf",
        "--table",
        "v.tsv",
        "--report",
    ];
    let said = call(dir.path(), &all);
    assert!(said.contains("v.tsv.report.html"), "{said}");
    let (_, of_table) = data(&dir.path().join("v.tsv.report.html"));
    let part = &of_table["parts"][0];
    assert_eq!(part["tables"][0]["rows"], 9);
    assert_eq!(part["scatters"].as_array().unwrap().len(), 4);
    assert!(!part["manhattan"].as_array().unwrap().is_empty());
    // A folder and a VCF, into one page; the tracks for other programs beside them.
    call(
        dir.path(),
        &[
            "report",
            "out",
            "v2.vcf",
            "--out",
            "both.html",
            "--hub",
            "hg19",
        ],
    );
    let (_, both) = data(&dir.path().join("both.html"));
    let parts = both["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 2);
    assert!(!parts[0]["figures"].as_array().unwrap().is_empty());
    assert_eq!(parts[1]["tables"][0]["rows"], 9);
    for name in [
        "hub.txt",
        "genomes.txt",
        "trackDb.txt",
        "igv_session.xml",
        "igv_batch.txt",
        "tracks.ini",
    ] {
        assert!(dir.path().join("out").join(name).exists(), "{name}");
    }
    // What is there stays, and what is no result is said.
    let again = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_mpra-score"))
            .current_dir(dir.path())
            .args(args)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(again(&["report", "out", "--out", "both.html"]).contains("is there already"));
    assert!(again(&["report", "."]).contains("no run.json"));
    assert!(again(&["report", "nowhere"]).contains("no such file or folder"));
}

#[test]
fn a_page_without_genome_or_model_still_shows_the_tracks() {
    let dir = tempfile::tempdir().unwrap();
    let out = scored(dir.path(), &[]);
    let run = fs::read_to_string(out.join("run.json")).unwrap();
    let gone = run.replace("genome.fa", "gone.fa");
    fs::write(out.join("run.json"), gone).unwrap();
    call(dir.path(), &["report", "out"]);
    let (_, page) = data(&out.join("report.html"));
    let part = &page["parts"][0];
    let note = part["regions"]["note"].as_str().unwrap();
    assert!(
        note.contains("gone.fa") && note.contains("--fasta"),
        "{note}"
    );
    let region = &part["regions"]["list"][0];
    assert!(
        region["tasks"][0]["importance"].is_string() && region["tasks"][0]["effects"].is_null()
    );
    let fasta = fixture("genome.fa");
    call(
        dir.path(),
        &[
            "report",
            "out",
            "--fasta",
            fasta.to_str().unwrap(),
            "--force",
        ],
    );
    let (_, page) = data(&out.join("report.html"));
    assert!(page["parts"][0]["regions"]["list"][0]["tasks"][0]["effects"].is_string());
}

/// An answer's head and body.
fn ask(port: u16, request: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let at = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..at].to_vec()).unwrap();
    (head, answer[at + 4..].to_vec())
}

#[test]
fn tracks_are_served_to_this_machine_alone() {
    let dir = tempfile::tempdir().unwrap();
    let out = scored(dir.path(), &[]);
    fs::write(dir.path().join("igv.js"), "// none").unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_mpra-score"))
        .current_dir(dir.path())
        .args(["serve", "out", "--port", "0", "--igv", "igv.js"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(child.stderr.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    let port: u16 = said.split([':', '/']).nth(4).unwrap().parse().unwrap();
    let get = |path: &str, more: &str| {
        ask(
            port,
            &format!(
                "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\n{more}Connection: close\r\n\r\n"
            ),
        )
    };
    let (head, body) = get("/", "");
    assert!(
        head.starts_with("HTTP/1.1 200") && head.contains("content-security-policy"),
        "{head}"
    );
    assert!(String::from_utf8(body).unwrap().contains("/serve.js"));
    let (_, data) = get("/data.json", "");
    let data: Value = serde_json::from_slice(&data).unwrap();
    let track = &data["tracks"][0];
    let whole = fs::read(out.join(track["name"].as_str().unwrap())).unwrap();
    let (head, body) = get(track["url"].as_str().unwrap(), "Range: bytes=10-41\r\n");
    assert!(head.starts_with("HTTP/1.1 206"), "{head}");
    assert_eq!(body, &whole[10..42]);
    assert!(get("/genome.fa.fai", "").0.starts_with("HTTP/1.1 200"));
    for path in [
        "/run.json",
        "/../run.json",
        "/%2e%2e/r.bed",
        "//etc/passwd",
        "/track/99.bw",
        "/track/../data.json",
    ] {
        assert!(get(path, "").0.starts_with("HTTP/1.1 404"), "{path}");
    }
    let foreign = ask(
        port,
        "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    )
    .0;
    assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
    let put = format!(
        "PUT / HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"
    );
    assert!(ask(port, &put).0.starts_with("HTTP/1.1 403"));
    send(&child, "-TERM");
    assert!(child.wait().unwrap().success());
}

#[test]
fn designs_and_haplotypes_end_with_a_page() {
    let dir = folder();
    for name in ["design", "haplotypes"] {
        let (_, line) = JOBS.iter().find(|(job, _)| *job == name).unwrap();
        succeed(dir.path(), &format!("{line} --report --out {name}"));
        let (page, data) = data(&dir.path().join(name).join("report.html"));
        assert!(
            page.contains(name) && data["parts"][0].is_object(),
            "{name}"
        );
    }
}
