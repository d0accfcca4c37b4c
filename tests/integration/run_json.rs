//! `run.json`: one schema, whichever job wrote it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::jobs::{JOBS, folder, succeed};

/// The keys of the outermost object, in order: `run.json` is written with a key a line.
fn keys(text: &str) -> Vec<&str> {
    let key = |line: &'_ str| line.strip_prefix("  \"").is_some();
    let lines = text.lines().filter(|l| key(l));
    lines.filter_map(|l| l.split('"').nth(1)).collect()
}

/// Of coreutils, so that it is not the program's own.
fn sha256(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(' ').next().unwrap().to_owned()
}

#[test]
fn every_job_says_the_same_things_in_the_same_order() {
    let dir = folder();
    let here = dir.path();
    let schema = [
        "program",
        "version",
        "job",
        "command",
        "inputs",
        "models",
        "onnxruntime",
        "settings",
        "threads",
        "seed",
        "counts",
        "results",
        "seconds",
        "outputs",
    ];
    fs::create_dir(here.join("out")).unwrap();
    for (job, line) in JOBS {
        let shard = line.contains("--shard");
        let mut name = format!("out/{}", job.replace(' ', "_"));
        if shard {
            name += "_1";
        }
        let out = here.join(&name);
        let line = match job {
            "variants" => format!("{line} --out {name}.vcf --table {name}.tsv --plots {name}"),
            _ => format!("{line} --out {name}"),
        };
        succeed(here, &line);
        let file = out.join("run.json");
        let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{line}: {e}"));
        // A shard and what is merged of shards say more.
        let mut expected = schema.to_vec();
        match job {
            "merge" => expected.push("merged"),
            _ if shard => expected.push("unfinished"),
            _ => {}
        }
        assert_eq!(keys(&text), expected, "{line}");
        let run: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(run["program"], "mpra-score");
        assert_eq!(run["version"], env!("CARGO_PKG_VERSION"));
        let known = match job {
            "evaluate variants" | "evaluate suite" => "evaluate",
            job => job,
        };
        assert_eq!(run["job"], known, "{line}");
        let command: Vec<&str> = (run["command"].as_array().unwrap().iter())
            .map(|word| word.as_str().unwrap())
            .collect();
        assert!(
            command.len() > 3 && command[0].ends_with("mpra-score"),
            "{command:?}"
        );
        assert!(
            command.contains(&line.split_whitespace().next().unwrap()),
            "{command:?}"
        );
        let inputs = run["inputs"].as_array().unwrap();
        assert!(!inputs.is_empty() || job == "merge", "{line}");
        for input in inputs {
            assert!(!input["role"].as_str().unwrap().is_empty(), "{line}");
            let path = here.join(input["path"].as_str().unwrap());
            let size = path
                .metadata()
                .unwrap_or_else(|e| panic!("{line}: {input}: {e}"))
                .len();
            assert_eq!(input["bytes"], size, "{line}");
            match path.extension().is_some_and(|e| e == "fa") {
                // Read in places.
                true => {
                    let contigs = fs::read_to_string(here.join("genome.fa.fai")).unwrap();
                    let name_length =
                        |l: &str| l.split('\t').take(2).collect::<Vec<_>>().join("\t");
                    let table: String = contigs.lines().map(|l| name_length(l) + "\n").collect();
                    fs::write(here.join("contigs"), table).unwrap();
                    let contigs = &input["contigs_sha256"];
                    assert!(contigs.is_string() || !job.starts_with("score"), "{line}");
                    if contigs.is_string() {
                        assert_eq!(contigs, &sha256(&here.join("contigs")), "{line}");
                    }
                    assert!(input["sha256"].is_null());
                }
                false => assert_eq!(input["sha256"], sha256(&path), "{line}: {input}"),
            }
        }
        for model in run["models"].as_array().unwrap() {
            let path = here.join(model["path"].as_str().unwrap());
            assert_eq!(model["sha256"], sha256(&path), "{line}");
            assert!(model["window"].as_u64().unwrap() > 0 && model["role"].is_string());
        }
        for word in ["settings", "counts", "results"] {
            assert!(run[word].is_object(), "{line}: {word}");
        }
        let outputs = run["outputs"].as_array().unwrap();
        assert!(!outputs.is_empty() || shard, "{line}");
        for output in outputs {
            let name = output.as_str().unwrap();
            assert!(out.join(name).is_file() || shard, "{line}: {name}");
        }
        // All that is in the folder is said to be.
        if !shard {
            for entry in fs::read_dir(&out).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                let said = name == "run.json" || outputs.iter().any(|o| o == &name[..]);
                assert!(said, "{line}: {name}");
            }
        }
        // Every file that the line names is among the inputs or the models.
        let named = |list: &str, path: &str| {
            run[list]
                .as_array()
                .unwrap()
                .iter()
                .any(|i| i["path"] == path)
        };
        for word in line.split_whitespace().flat_map(|w| w.split([',', '='])) {
            if here.join(word).is_file() && !word.starts_with("out/") {
                assert!(
                    named("inputs", word) || named("models", word),
                    "{line}: {word}"
                );
            }
        }
    }
}
