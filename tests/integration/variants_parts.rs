//! Long jobs on variants: parts that are joined, and runs that are gone on with, give the bytes of one run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::variants::vcf_text;
use crate::support::{fixture, genome, letter};

fn call(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mpra-score"))
        .current_dir(folder)
        .arg("variants")
        .args(args)
        .args(["--fasta"])
        .arg(fixture("genome.fa"))
        .arg("--model")
        .arg(fixture("models").join("demo.onnx"))
        .args(["--background-windows", "20"])
        .output()
        .unwrap()
}

fn succeed(folder: &Path, args: &[&str]) -> String {
    let output = call(folder, args);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{args:?}: {error}");
    error
}

fn fail(folder: &Path, args: &[&str]) -> String {
    let output = call(folder, args);
    assert!(!output.status.success(), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// More records than a piece has: all changes of two stretches, several times over.
fn input(folder: &Path) -> PathBuf {
    let genome = genome();
    let mut lines = Vec::new();
    for round in 0..5 {
        for (contig, from) in [("chr1", 1000), ("chr2", 300)] {
            for at in from..from + 300 {
                let base = char::from(letter(&genome[contig], at - 1));
                let alts: Vec<String> = "ACGT"
                    .chars()
                    .filter(|c| *c != base)
                    .map(String::from)
                    .collect();
                lines.push(format!("{contig} {at} r{round} {base} {}", alts.join(",")));
            }
        }
    }
    let path = folder.join("in.vcf");
    fs::write(&path, vcf_text(&lines)).unwrap();
    path
}

/// The lines of a VCF but for the one that has the command.
fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text
        .lines()
        .filter(|l| !l.starts_with("##mpra-scoreCommand"));
    lines.map(str::to_owned).collect()
}

#[test]
fn parts_are_joined_to_what_one_run_writes() {
    let dir = tempfile::tempdir().unwrap();
    input(dir.path());
    let job = |out: &'static str, table: &'static str| {
        ["--vcf", "in.vcf", "--out", out, "--table", table]
    };
    succeed(dir.path(), &job("one.vcf", "one.tsv"));
    for part in ["1/3", "2/3", "3/3"] {
        let said = succeed(
            dir.path(),
            &[&job("all.vcf", "all.tsv")[..], &["--shard", part]].concat(),
        );
        assert!(said.contains("of3.shard"), "{said}");
    }
    assert!(!dir.path().join("all.vcf").exists());
    let parts = [
        "--merge",
        "all.vcf.2of3.shard",
        "all.vcf.1of3.shard",
        "all.vcf.3of3.shard",
    ];
    succeed(
        dir.path(),
        &[&job("all.vcf", "all.tsv")[..], &parts].concat(),
    );
    assert_eq!(
        lines(&dir.path().join("all.vcf")),
        lines(&dir.path().join("one.vcf"))
    );
    let table = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(table("all.tsv"), table("one.tsv"));

    // What is missing, of another job or damaged is refused.
    let merge = |args: &[&str]| {
        let all = [&job("x.vcf", "x.tsv")[..], &["--merge"], args].concat();
        fail(dir.path(), &all)
    };
    let error = merge(&["all.vcf.1of3.shard", "all.vcf.2of3.shard"]);
    assert!(error.contains("missing or given twice"), "{error}");
    let other = [
        &job("x.vcf", "x.tsv")[..],
        &["--windows", "centre", "--merge"],
        &parts[1..],
    ]
    .concat();
    let error = fail(dir.path(), &other);
    assert!(
        error.contains("not the same job") && error.contains("windows"),
        "{error}"
    );
    let path = dir.path().join("all.vcf.2of3.shard");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    assert!(merge(&parts[1..]).contains("not whole"));
    let mut changed = whole;
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    fs::write(&path, &changed).unwrap();
    assert!(merge(&parts[1..]).contains("damaged"));
    assert!(!dir.path().join("x.vcf").exists());
    let error = fail(
        dir.path(),
        &["--vcf", "-", "--out", "x.vcf", "--shard", "1/2"],
    );
    assert!(error.contains("not a stream"), "{error}");
}

#[test]
fn a_run_that_was_killed_is_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    input(dir.path());
    let job = ["--vcf", "in.vcf", "--out", "one.vcf", "--table", "one.tsv"];
    succeed(dir.path(), &job);
    // A part of one is all of the job, and its journal what a run leaves that is killed at its end.
    succeed(
        dir.path(),
        &[
            "--vcf", "in.vcf", "--out", "two.vcf", "--table", "two.tsv", "--shard", "1/1",
        ],
    );
    let journal = fs::read(dir.path().join("two.vcf.1of1.shard")).unwrap();
    let text = String::from_utf8_lossy(&journal).into_owned();
    let head = text.lines().next().unwrap();
    let of_run = head.replace("{\"index\":1,\"of\":1}", "null");
    assert_ne!(head, of_run);
    let two = [
        "--vcf", "in.vcf", "--out", "two.vcf", "--table", "two.tsv", "--resume",
    ];
    for keep in [journal.len() - 40, journal.len() / 2, head.len() + 1] {
        let mut left = of_run.clone().into_bytes();
        left.extend_from_slice(&journal[head.len()..keep]);
        fs::write(dir.path().join("two.vcf.partial"), left).unwrap();
        succeed(dir.path(), &[&two[..], &["--force"]].concat());
        assert_eq!(
            lines(&dir.path().join("two.vcf")),
            lines(&dir.path().join("one.vcf")),
            "{keep}"
        );
        let table = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(table("two.tsv"), table("one.tsv"));
        assert!(!dir.path().join("two.vcf.partial").exists());
    }
    // One of another job is neither taken nor lost.
    fs::write(dir.path().join("two.vcf.partial"), of_run + "\n").unwrap();
    let other = [&two[..], &["--force", "--strand", "both"]].concat();
    let error = fail(dir.path(), &other);
    assert!(
        error.contains("not the same job") && error.contains("strand"),
        "{error}"
    );
    assert!(dir.path().join("two.vcf.partial").exists());
}

#[test]
fn tables_have_parts_too() {
    let dir = tempfile::tempdir().unwrap();
    let genome = genome();
    let mut table = String::from("chr\tpos\tA1\tA2\tz\n");
    for i in 0..700 {
        let at = 1000 + i;
        let base = char::from(letter(&genome["chr1"], at - 1));
        let other = if base == 'A' { 'C' } else { 'A' };
        table += &format!("1\t{at}\t{other}\t{base}\t{}\n", 5.0 + (i % 7) as f64);
    }
    fs::write(dir.path().join("g.tsv"), table).unwrap();
    let job = |out: &'static str| ["--sumstats", "g.tsv", "--out", out, "--clump-kb", "1"];
    succeed(dir.path(), &job("one.tsv"));
    succeed(
        dir.path(),
        &[&job("all.tsv")[..], &["--shard", "1/2"]].concat(),
    );
    succeed(
        dir.path(),
        &[&job("all.tsv")[..], &["--shard", "2/2"]].concat(),
    );
    let parts = ["--merge", "all.tsv.1of2.shard", "all.tsv.2of2.shard"];
    succeed(dir.path(), &[&job("all.tsv")[..], &parts].concat());
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(read("all.tsv"), read("one.tsv"));
    assert!(read("one.tsv").lines().nth(1).unwrap().contains("\tok\t"));
    succeed(dir.path(), &[&job("res.tsv")[..], &["--resume"]].concat());
    assert_eq!(read("res.tsv"), read("one.tsv"));
    assert!(!dir.path().join("res.tsv.partial").exists());
}
