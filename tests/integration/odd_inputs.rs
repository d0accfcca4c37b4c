//! Small odd files of `tests/corpus`: each gives what its row of the index says, or the words of the error.

use std::error::Error as _;
use std::fs;
use std::process::Command;

use mpra_score::genome::Aliases;
use mpra_score::labelled::{Columns, Labelled, Source};

use crate::support::{corpus, fixture};

fn compare(rows: Vec<[String; 3]>, of: impl Fn(&str) -> String) {
    let wrong: Vec<String> = (rows.iter())
        .filter_map(|[file, expected, _]| {
            let found = of(file);
            (found != *expected).then(|| format!("{file}\t{found}\t(expected {expected})"))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn beds() {
    let (folder, rows) = corpus("bed");
    let out = tempfile::tempdir().unwrap();
    compare(rows, |file| {
        let results = out.path().join(file);
        let run = Command::new(env!("CARGO_BIN_EXE_mpra-score"))
            .current_dir(&folder)
            .args(["--bed", file, "--no-importance", "--quiet", "--out"])
            .arg(&results)
            .arg("--fasta")
            .arg(fixture("genome.fa"))
            .arg("--model")
            .arg(fixture("models").join("demo.onnx"))
            .output()
            .unwrap();
        if !run.status.success() {
            let said = String::from_utf8(run.stderr).unwrap();
            let said = said.lines().next().unwrap_or_default();
            return said.replace('\t', "\\t");
        }
        let table = fs::read_to_string(results.join("regions.tsv")).unwrap();
        let rows = table.lines().skip(1).map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let [contig, start, end, name, strand, ..] = cells[..] else {
                panic!("{line}");
            };
            format!("{contig}:{start}-{end} {name} {strand} {}", cells[8])
        });
        rows.collect::<Vec<_>>().join("; ")
    });
}

#[test]
fn tables_of_sequences() {
    let (folder, rows) = corpus("labelled");
    compare(rows, |file| {
        let source = Source {
            data: folder.join(file),
            fasta: None,
            aliases: Aliases::None,
            columns: Columns::default(),
        };
        match Labelled::read(&source, 4) {
            Err(e) => {
                let mut said = e.to_string();
                if let Some(cause) = e.source() {
                    said += &format!(": {cause}");
                }
                said.replace(&format!("{}/", folder.display()), "")
                    .replace('\t', "\\t")
            }
            Ok(data) => {
                let labels = data.labels.iter().map(|label| {
                    let values = label.values.iter().map(f64::to_string);
                    format!("{}: {}", label.name, values.collect::<Vec<_>>().join(" "))
                });
                let sides = data.split.iter().map(|split| {
                    let words = split.iter().map(|s| s.as_str());
                    format!("sides {}", words.collect::<Vec<_>>().join(" "))
                });
                let letters = |row: usize| -> String {
                    let codes = data.sequence(row).iter();
                    codes
                        .map(|&c| char::from(b"ACGTN"[usize::from(c)]))
                        .collect()
                };
                let rows = data.names.iter().enumerate();
                let rows: Vec<String> = rows.map(|(i, n)| format!("{n} {}", letters(i))).collect();
                let all = [rows.join(" ")].into_iter().chain(labels).chain(sides);
                all.collect::<Vec<_>>().join("; ")
            }
        }
    });
}
