//! `train kmer`, `evaluate` and `model motifs` as a user runs them.

use std::path::Path;
use std::process::{Command, Output};

use crate::support;
use crate::support::fixture;

fn program(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mpra-score"))
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn succeed(folder: &Path, args: &[&str]) -> String {
    let output = program(folder, args);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{args:?}: {stderr}");
    stderr
}

/// Windows of the fixtures' genome with the number of CG as label, in three sides.
fn examples(folder: &Path) {
    let genome = support::genome();
    let contig = &genome["chr1"];
    let mut text = String::from("id\tsequence\tregion\tsplit\tCpG\n");
    for (row, start) in (200..3700).step_by(7).enumerate() {
        let letters: String = (start..start + 145)
            .map(|at| support::letter(contig, at as i64) as char)
            .collect();
        let side = ["train", "train", "train", "validation", "test"][start / 350 % 5];
        text += &format!(
            "w{row}\t{letters}\tr{}\t{side}\t{}\n",
            start / 350,
            letters.matches("CG").count()
        );
    }
    std::fs::write(folder.join("data.tsv"), text).unwrap();
}

#[test]
fn a_kmer_model_works_with_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    examples(folder);
    let said = succeed(
        folder,
        &[
            "train",
            "kmer",
            "--data",
            "data.tsv",
            "--longest",
            "3",
            "--alpha",
            "1e-6",
            "--out",
            "kmer",
            "--bootstrap",
            "0",
            "--eta0",
            "0.5",
            "--epochs",
            "300",
            "--patience",
            "50",
        ],
    );
    assert!(said.contains("CpG: alpha 0.000001"), "{said}");
    let info = program(folder, &["model", "info", "kmer/model.onnx"]);
    let text = String::from_utf8(info.stdout).unwrap();
    assert!(
        text.contains("tasks        CpG\n")
            && text.contains("engine       fast (a graph of 4 operators"),
        "{text}"
    );

    // Against itself it gains nothing; against the count of G it does.
    let count = fixture("models/count.onnx").display().to_string();
    let said = succeed(
        folder,
        &[
            "evaluate",
            "--data",
            "data.tsv",
            "--model",
            "kmer/model.onnx",
            "--baseline",
            &count,
            "--baseline-map",
            "CpG=G",
            "--out",
            "judged",
            "--bootstrap",
            "20",
        ],
    );
    assert!(said.contains("CpG by G of the baseline"), "{said}");
    let metrics = std::fs::read_to_string(folder.join("judged/metrics.json")).unwrap();
    let metrics: serde_json::Value = serde_json::from_str(&metrics).unwrap();
    let rows = metrics["metrics"].as_array().unwrap();
    let pearson = |row: usize| rows[row]["metrics"]["pearson"]["value"].as_f64().unwrap();
    assert!(pearson(0) > 0.9, "{metrics:#}");
    let gain = rows[0]["gain"]["value"].as_f64().unwrap();
    assert!((gain - (pearson(0) - pearson(1))).abs() < 1e-9);
    // The same figures as the training reported.
    let trained: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("kmer/model.json")).unwrap())
            .unwrap();
    let there = trained["test"][0]["metrics"]["pearson"]["value"]
        .as_f64()
        .unwrap();
    assert!((there - pearson(0)).abs() < 1e-9);
    assert_eq!(rows[0]["metrics"]["n"], trained["test"][0]["metrics"]["n"]);

    // The main job runs it by the full engine.
    let (bed, fasta) = (fixture("regions.bed"), fixture("genome.fa"));
    succeed(
        folder,
        &[
            "--bed",
            &bed.display().to_string(),
            "--fasta",
            &fasta.display().to_string(),
            "--model",
            "kmer/model.onnx",
            "--stride",
            "145",
        ],
    );
    let run = std::fs::read_to_string(folder.join("results/run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    assert_eq!(run["settings"]["engine"], "fast");
    assert!(folder.join("results/CpG.importance.bw").exists());
    // It has no filters to show.
    let output = program(
        folder,
        &[
            "model",
            "motifs",
            "kmer/model.onnx",
            "--data",
            "data.tsv",
            "--out",
            "m",
        ],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(!folder.join("m").exists());
}

#[test]
fn the_default_model_is_judged_where_none_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let bed = "#chrom\tstart\tend\tname\tHepG2_minP\nchr1\t500\t645\ta\t1\nchr1\t900\t1100\tb\t2\n\
               chr2\t300\t301\tc\t0.5\nchr9\t1\t2\td\t3\nchr1\t10\t155\te\t3\n";
    std::fs::write(folder.join("data.bed"), bed).unwrap();
    let fasta = fixture("genome.fa").display().to_string();
    let said = succeed(
        folder,
        &[
            "evaluate", "--data", "data.bed", "--fasta", &fasta, "--out", "judged",
        ],
    );
    assert!(
        said.contains("HepG2_minP by HepG2_minP of the model") && said.contains("n 3"),
        "{said}"
    );
    assert!(
        said.contains("left out: 1 unknown_bases") && said.contains("1 unknown_contig"),
        "{said}"
    );
    let run = std::fs::read_to_string(folder.join("judged/run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    assert_eq!(run["models"][0]["embedded"], "default");
    let rows = std::fs::read_to_string(folder.join("judged/predictions.tsv")).unwrap();
    assert_eq!(rows.lines().count(), 6);

    let said = succeed(
        folder,
        &["model", "motifs", "--fasta", &fasta, "--out", "motifs"],
    );
    assert!(said.contains(" of them active"), "{said}");
    for name in ["motifs.meme", "filters.tsv", "logos.svg", "run.json"] {
        assert!(folder.join("motifs").join(name).exists(), "{name}");
    }
}

#[test]
fn wrong_usage_is_told_from_failure() {
    let dir = tempfile::tempdir().unwrap();
    let code = |args: &[&str]| program(dir.path(), args).status.code();
    assert_eq!(code(&["evaluate", "--out", "x"]), Some(2));
    assert_eq!(
        code(&["evaluate", "--variants", "v.vcf", "--out", "x"]),
        Some(2)
    );
    assert_eq!(
        code(&["evaluate", "--data", "a", "--interval", "1", "--out", "x"]),
        Some(2)
    );
    assert_eq!(
        code(&["evaluate", "--data", "none.tsv", "--out", "x"]),
        Some(1)
    );
    assert_eq!(
        code(&["train", "kmer", "--data", "none.tsv", "--out", "x"]),
        Some(1)
    );
    assert_eq!(code(&["model", "motifs", "--out", "x"]), Some(2));
}
