//! The embedded models, as a user reaches them: nothing here depends on their weights.

use std::path::Path;
use std::process::{Command, Output};

use mpra_score::model::Embedded;
use serde_json::Value;
use sha2::{Digest, Sha256};

fn fixture(name: &str) -> String {
    format!("{}/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn program(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mpra-score"))
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn score(folder: &Path, model: &[&str]) -> Result<Value, String> {
    let (bed, fasta) = (fixture("regions.bed"), fixture("genome.fa"));
    let mut args = vec![
        "--bed",
        &bed,
        "--fasta",
        &fasta,
        "--no-importance",
        "--force",
    ];
    args.extend(model);
    let output = program(folder, &args);
    if !output.status.success() {
        return Err(String::from_utf8(output.stderr).unwrap());
    }
    let text = std::fs::read_to_string(folder.join("results/run.json")).unwrap();
    Ok(serde_json::from_str(&text).unwrap())
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

#[test]
fn the_default_model_is_used_where_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let run = score(folder.path(), &[]).unwrap();
    assert_eq!(run["models"][0]["embedded"], "default");
    assert_eq!(run["models"][0]["path"], Value::Null);
    assert_eq!(
        run["models"][0]["sha256"],
        sha256(Embedded::Default.bytes())
    );
    assert!(
        folder
            .path()
            .join("results/HepG2_minP.activity.bw")
            .exists()
    );
    assert_eq!(
        score(folder.path(), &["--model", "default"]).unwrap()["models"],
        run["models"]
    );
}

#[test]
fn embedded_names_win_over_files_of_that_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(fixture("models/count.onnx"), folder.path().join("paper")).unwrap();
    let run = score(folder.path(), &["--model", "paper"]).unwrap();
    assert_eq!(run["models"][0]["embedded"], "paper");
    assert_eq!(run["models"][0]["sha256"], sha256(Embedded::Paper.bytes()));
    let run = score(folder.path(), &["--model", "./paper"]).unwrap();
    assert_eq!(run["models"][0]["path"], "./paper");
    assert_eq!(run["models"][0]["embedded"], Value::Null);
    assert_eq!(run["models"][0]["tasks"][0], "A");
    let error = score(folder.path(), &["--model", "./default"]).unwrap_err();
    assert!(error.contains("cannot read the model ./default"), "{error}");
}

#[test]
fn model_info_describes_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let info = |args: &[&str]| {
        let output = program(folder.path(), args);
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let text = info(&["model", "info"]);
    assert!(text.starts_with("embedded     default\n"), "{text}");
    assert!(text.contains("tasks        HepG2_minP, K562_minP, HepG2_SV40P, K562_SV40P\n"));
    assert_eq!(text, info(&["model", "info", "default"]));
    assert!(info(&["model", "info", "paper"]).contains("offset 75"));
}
