//! What packages install beside the program, and how its help opens.

use std::process::Command;

#[test]
fn completions_and_manual_pages_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_mpra-score"))
            .args(args)
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    for shell in ["bash", "zsh", "fish"] {
        let text = run(&["completions", shell]);
        assert!(
            text.contains("mpra-score") && text.contains("importance"),
            "{shell}"
        );
    }
    run(&["man", "share/man1"]);
    let page =
        |name: &str| std::fs::read_to_string(dir.path().join("share/man1").join(name)).unwrap();
    assert!(page("mpra-score.1").contains("resolution regulatory activity"));
    assert!(page("mpra-score-variants.1").contains("\\-\\-fasta"));
    assert!(page("mpra-score-overlap-enrichment.1").contains("annotation"));
}

#[test]
fn help_opens_with_an_example() {
    for command in [
        "variants",
        "fdr",
        "pairs",
        "marginalize",
        "ablate",
        "design",
        "haplotypes",
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_mpra-score"))
            .args([command, "--help"])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let example = text.find(&format!("mpra-score {command} --"));
        let usage = text.find("Usage:").unwrap();
        assert!(example.is_some_and(|at| at < usage), "{text}");
    }
}
