//! The `sharpr` and `dataset` subcommands as a user runs them: exit codes, what is on standard error,
//! what is in the folder.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn run(folder: &Path, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mpra-score"))
        .args(line.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap()
}

/// Exit code, standard error.
fn outcome(folder: &Path, line: &str) -> (i32, String) {
    let output = run(folder, line);
    let error = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), error)
}

/// RNA and DNA tables of 12 regions with 3 tiles of 12 bases, 4 apart, in GEO's form.
fn tables() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (table, name) in ["rna1", "rna2", "dna1", "dna2"].iter().enumerate() {
        let mut text = String::from("ID\tSequence\tTags\tCounts\n");
        for region in 0..12 {
            for tile in 0..3 {
                // Not random, but without pattern enough that nothing cancels.
                let count = 20 + (region * 37 + tile * 101 + table * (region * tile + 13)) % 89;
                text.push_str(&format!(
                    "c_{region}_0_{tile}_chr1_{}\tACGTTGCAACGT\tAA\t{count}\n",
                    100 + 50 * region
                ));
            }
        }
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

const SHARPR: &str = "sharpr --rna rna1,rna2 --dna dna1,dna2 --tile 12 --step 4 --tiles 3";
const DATASET: &str = "dataset --experiment A:p:1=rna1,dna1 --experiment A:p:2=rna2,dna2 --tile 12 --step 4 --tiles 3";

#[test]
fn results_are_whole_and_not_replaced_unasked() {
    let dir = tables();
    let here = dir.path();
    for (line, main) in [(SHARPR, "scores.tsv"), (DATASET, "examples.parquet")] {
        let line = format!("{line} --quiet --out o_{main}");
        let folder = here.join(format!("o_{main}"));
        assert_eq!(outcome(here, &line), (0, String::new()));
        let first = fs::read(folder.join(main)).unwrap();
        let json = fs::read_to_string(folder.join("run.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
        assert!(json["command"].as_array().unwrap().len() > 5);
        assert!(json["inputs"][0]["bytes"].as_u64().unwrap() > 100);
        for name in json["outputs"].as_array().unwrap() {
            assert!(folder.join(name.as_str().unwrap()).is_file(), "{name}");
        }
        let (code, error) = outcome(here, &line);
        assert_eq!(code, 1);
        assert!(
            error.contains("already holds results\nhint: --force"),
            "{error}"
        );
        assert_eq!(outcome(here, &format!("{line} --force")).0, 0);
        // The provenance inside examples.parquet has the command line, which now ends with --force.
        if main.ends_with(".tsv") {
            assert!(fs::read(folder.join(main)).unwrap() == first);
        }
    }
}

#[test]
fn usage_errors_end_with_2_and_failures_with_1_and_one_hint() {
    let dir = tables();
    let here = dir.path();
    for (line, part) in [
        ("sharpr --out o", "give --rna and --dna"),
        ("sharpr --rna rna1 --out o", "--dna"),
        (
            "sharpr --rna rna1,rna2 --dna dna1 --out o",
            "2 table(s) in --rna, 1 in --dna",
        ),
        ("sharpr --from-table t --out o", "--from-step"),
        (
            "sharpr --from-table a,b --from-step combine --out o",
            "starts from one table",
        ),
        (
            "sharpr --from-table a --from-table b --from-step table --out o",
            "given once",
        ),
        (
            "sharpr --rna rna1 --dna dna1 --recentre sideways --out o",
            "sideways",
        ),
        (
            "sharpr --rna rna1 --dna dna1 --threads 0 --out o",
            "--threads",
        ),
        (
            "sharpr --rna rna1 --dna dna1 --fasta-sizes s --out o",
            "--regions",
        ),
        ("dataset --out o", "give --experiment"),
        ("dataset --experiment A:p:1=rna1,dna1", "--out"),
        (
            "dataset --experiment A:p:1=rna1,dna1 --split leaky --out o",
            "leaky",
        ),
    ] {
        let (code, error) = outcome(here, line);
        assert!(code == 2 && error.contains(part), "{line}: {code} {error}");
    }
    for (line, part) in [
        (
            format!("{SHARPR} --step 5 --out o").replacen(" --step 4", "", 1),
            "the step does not divide the tile",
        ),
        (
            format!("{SHARPR} --tile-index 9 --out o"),
            "it has 6 field(s)",
        ),
        (
            format!("{SHARPR} --min-dna 1000 --out o"),
            "no tile has a value",
        ),
        (
            "sharpr --rna rna1 --dna none --out o".into(),
            "cannot open none",
        ),
        (
            format!("{DATASET} --tasks B_p --out o"),
            "unknown experiment \"B_p\"",
        ),
        (format!("{DATASET} --experiment A:p --out o"), "A:p: no `=`"),
        (
            format!("{DATASET} --split chromosome --test-chroms chrQ --out o"),
            "no example lies on chrQ",
        ),
    ] {
        let (code, error) = outcome(here, &line);
        assert!(code == 1 && error.contains(part), "{line}: {code} {error}");
        assert!(error.starts_with("error: "), "{error}");
        assert!(
            error.matches("hint: ").count() <= 1 && error.lines().count() <= 2,
            "{error}"
        );
        assert!(!here.join("o").exists(), "{line}");
    }
}

#[test]
fn help_explains_every_file() {
    let dir = tempfile::tempdir().unwrap();
    for (name, words) in [
        (
            "sharpr",
            [
                "normalized.<r>.tsv",
                "combined.tsv",
                "scores.tsv",
                "report.tsv",
                "run.json",
            ],
        ),
        (
            "dataset",
            [
                "examples.parquet",
                "report.tsv",
                "filtered.tsv",
                "weight",
                "run.json",
            ],
        ),
    ] {
        let output = run(dir.path(), &format!("{name} --help"));
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        for word in words {
            assert!(text.contains(word), "{name}: {word}");
        }
    }
}
