//! What results do not depend on: threads, batches, and (but for the last bits) the processor.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::jobs::{JOBS, files, folder, outcome, results, words};

/// Where a job writes, and its line with that.
fn lined(line: &str, out: &str, more: &str) -> String {
    let variants = line.starts_with("variants") && !line.contains("enrich");
    let ending = if variants { "/x.vcf" } else { "" };
    format!("{line} {more} --out {out}{ending}")
}

fn same_but_for_words(a: &Path, b: &Path, what: &str) {
    let (a, b) = (files(a), files(b));
    assert_eq!(a.len(), b.len(), "{what}");
    let bare = |bytes: &[u8]| -> Vec<u8> {
        let lines = bytes.split_inclusive(|b| *b == b'\n');
        let lines = lines.filter(|l| !l.starts_with(b"##mpra-scoreCommand"));
        lines.collect::<Vec<_>>().concat()
    };
    for ((name, x), (other, y)) in a.iter().zip(&b) {
        assert_eq!(name, other, "{what}");
        // It holds the sum of the command and of seconds, or seconds.
        let seconds = ["run.json.sha256", "training.tsv"];
        if !seconds.iter().any(|s| name.ends_with(s)) {
            assert!(bare(x) == bare(y), "{what}: {} differs", name.display());
        }
    }
}

#[test]
fn results_of_all_jobs_do_not_depend_on_threads_and_batches() {
    let dir = folder();
    let here = dir.path();
    results(here);
    let (mut threads, mut batches) = (0, 0);
    for (job, line) in JOBS {
        let run = |out: &str, more: &str| {
            let _ = fs::create_dir(here.join(out));
            let (code, error) = outcome(here, &lined(line, out, more));
            assert!([0, 2].contains(&code), "{line} {more}: {error}");
            code == 0
        };
        let clear = || ["one", "two"].map(|out| fs::remove_dir_all(here.join(out)));
        if run("one", "--threads 1") {
            assert!(run("two", "--threads 3"));
            same_but_for_words(&here.join("one"), &here.join("two"), job);
            threads += 1;
        }
        let _ = clear();
        // Of training a batch is what it learns from at a time.
        if !line.starts_with("train") && run("one", "--batch 1 --engine full") {
            assert!(run("two", "--batch 7 --engine full"));
            same_but_for_words(&here.join("one"), &here.join("two"), job);
            batches += 1;
        }
        let _ = clear();
    }
    assert!(threads >= 15 && batches >= 6, "{threads} {batches}");
}

/// Numbers of a file of text.
fn numbers(path: &Path) -> Vec<f64> {
    let text = fs::read_to_string(path).unwrap();
    (text.split_ascii_whitespace())
        .filter_map(|word| word.parse().ok())
        .collect()
}

#[test]
fn other_processors_give_the_same_values() {
    let dir = folder();
    let here = dir.path();
    for model in ["default", "paper", "distilled", "count.onnx", "demo.onnx"] {
        let sets = ["avx512", "avx2", "portable"].map(|set| {
            let line = format!(
                "score --bed regions.bed --fasta genome.fa --model {model} --format bedgraph --force \
                 --engine fast --out {set}"
            );
            let output = Command::new(env!("CARGO_BIN_EXE_mpra-score"))
                .args(words(&line))
                .env("MPRA_SCORE_INSTRUCTIONS", set)
                .current_dir(here)
                .output()
                .unwrap();
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{model} {set}: {error}");
            let mut names: Vec<_> = (fs::read_dir(here.join(set)).unwrap())
                .map(|e| e.unwrap().path())
                .filter(|p| p.extension().is_some_and(|e| e == "bedGraph"))
                .collect();
            names.sort();
            names.iter().flat_map(|p| numbers(p)).collect::<Vec<f64>>()
        });
        assert!(sets[0].len() > 1000);
        for other in &sets[1..] {
            assert_eq!(sets[0].len(), other.len(), "{model}");
            for (a, b) in sets[0].iter().zip(other) {
                // A loss and a gain that are equally large may change places.
                let near = |b: f64| (a - b).abs() <= 1e-5 * a.abs().max(1.0);
                assert!(near(*b) || near(-b), "{model}: {a} {b}");
            }
        }
    }
}
