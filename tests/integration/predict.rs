//! Sequences that lie on no genome, with a model that counts bases: all its answers are known.

use std::num::NonZeroUsize;
use std::path::Path;

use mpra_score::ism::{EngineChoice, EngineSettings, Strand};
use mpra_score::job::Silent;
use mpra_score::model::ModelOptions;
use mpra_score::score::{Flanks, PredictConfig, PredictSummary, predict};
use mpra_score::{Cancel, Error};

use crate::support::{fixture, table};

fn config(sequences: &Path, out: &Path) -> PredictConfig {
    PredictConfig {
        sequences: sequences.into(),
        sequence_column: None,
        name_column: None,
        flanks: None,
        model: fixture("models/count.onnx").into(),
        model_options: ModelOptions::default(),
        ort_lib: None,
        tasks: None,
        stride: 5,
        engine: EngineSettings {
            choice: EngineChoice::Auto,
            strand: Strand::Forward,
            batch: NonZeroUsize::new(16).unwrap(),
            threads: NonZeroUsize::new(2).unwrap(),
        },
        saturation: false,
        out: out.into(),
        force: false,
        command: vec!["test".into()],
    }
}

fn run(config: &PredictConfig) -> Result<PredictSummary, Error> {
    predict(config, &Silent, &Cancel::default())
}

#[test]
fn rows_follow_the_sequences() {
    let dir = tempfile::tempdir().unwrap();
    let fasta = dir.path().join("designs.fa");
    let (a, c) = ("A".repeat(145), "C".repeat(5));
    // Two windows: 145 A, and 140 A with 5 C.
    let mut text = format!(
        ">two and more\n{a}\n{c}\n>short\nACGT\n>gap\n{}\n",
        "N".repeat(150)
    );
    text += &format!(">half\n{}{c}\n", a.replacen('A', "N", 1));
    // More than one piece.
    for i in 0..500 {
        text += &format!(
            ">x{i}\n{}{}\n",
            "G".repeat(i % 146),
            "T".repeat(145 - i % 146)
        );
    }
    std::fs::write(&fasta, text).unwrap();
    let mut config = config(&fasta, &dir.path().join("out"));
    let summary = run(&config).unwrap();
    let counts = (summary.sequences, summary.too_short, summary.unknown_bases);
    assert_eq!(counts, (504, 1, 1));
    let rows = table(&config.out.join("predictions.tsv"));
    let names: Vec<&str> = rows.iter().map(|row| row["name"].as_str()).collect();
    assert_eq!(names[..5], ["two", "short", "gap", "half", "x0"]);
    let cells = |row: usize| {
        let columns = [
            "windows",
            "status",
            "A.mean_activity",
            "C.mean_activity",
            "A.max_activity",
        ];
        columns.map(|column| rows[row][column].clone())
    };
    assert_eq!(cells(0), ["2", "ok", "142.5", "2.5", "145"]);
    assert_eq!(cells(1), ["0", "too_short", "NA", "NA", "NA"]);
    assert_eq!(cells(2), ["0", "unknown_bases", "NA", "NA", "NA"]);
    // Its first window holds an unknown base.
    assert_eq!(cells(3), ["1", "ok", "140", "5", "140"]);
    for i in 0..500 {
        assert_eq!(rows[4 + i]["name"], format!("x{i}"));
        assert_eq!(rows[4 + i]["G.mean_activity"], (i % 146).to_string());
    }
    config.out = dir.path().join("some");
    config.model_options.max_unknown = Some(0.01);
    run(&config).unwrap();
    let rows = table(&config.out.join("predictions.tsv"));
    assert_eq!(rows[3]["A.mean_activity"], "142");
    assert_eq!(rows[2]["status"], "unknown_bases");
}

#[test]
fn flanks_and_effects() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("oligos.csv");
    let oligo = "A".repeat(100);
    std::fs::write(
        &path,
        format!("id,oligo\no1,{oligo}\no2,{}\n", oligo.replace('A', "T")),
    )
    .unwrap();
    let mut config = config(&path, &dir.path().join("out"));
    config.sequence_column = Some("oligo".into());
    // 23 bases before, the last of these, and 22 behind.
    config.flanks = Some(Flanks {
        left: [vec![0; 20], vec![1; 23]].concat(),
        right: [vec![2; 22], vec![0; 20]].concat(),
    });
    config.saturation = true;
    run(&config).unwrap();
    let rows = table(&config.out.join("predictions.tsv"));
    let counts: Vec<&str> = ["A", "C", "G", "T"]
        .iter()
        .map(|base| rows[0][&format!("{base}.mean_activity")].as_str())
        .collect();
    assert_eq!(counts, ["100", "23", "22", "0"]);
    assert_eq!(
        (rows[1]["name"].as_str(), rows[1]["length"].as_str()),
        ("o2", "100")
    );
    let npz = std::fs::File::open(config.out.join("saturation.npz")).unwrap();
    let mut archive = zip::ZipArchive::new(npz).unwrap();
    let effects = npyz::NpyFile::new(archive.by_name("effects.npy").unwrap()).unwrap();
    assert_eq!(effects.shape(), [2, 100, 4, 4]);
    let effects: Vec<f32> = effects.into_vec().unwrap();
    for (row, own) in [(0, 0), (1, 3)] {
        for position in 0..100 {
            for to in 0..4 {
                for task in 0..4 {
                    let expected = match to == own {
                        true => 0.0,
                        false => f32::from(u8::from(task == to)) - f32::from(u8::from(task == own)),
                    };
                    let at = ((row * 100 + position) * 4 + to) * 4 + task;
                    assert!(
                        (effects[at] - expected).abs() < 1e-4,
                        "{row} {position} {to} {task}"
                    );
                }
            }
        }
    }
    // Without flanks they are too short; of different lengths the array is as long as the longest.
    config.flanks = None;
    config.saturation = false;
    config.force = true;
    assert_eq!(run(&config).unwrap().too_short, 2);
    std::fs::write(&path, format!("id,oligo\no1,{oligo}\no2,{oligo}A\n")).unwrap();
    config.saturation = true;
    run(&config).unwrap();
    let npz = std::fs::File::open(config.out.join("saturation.npz")).unwrap();
    let mut archive = zip::ZipArchive::new(npz).unwrap();
    let effects = npyz::NpyFile::new(archive.by_name("effects.npy").unwrap()).unwrap();
    assert_eq!(effects.shape()[1], oligo.len() as u64 + 1);
    config.sequence_column = Some("seq".into());
    let error = run(&config).unwrap_err().to_string();
    assert!(
        error.contains("columns id, oligo") && error.contains("\"seq\""),
        "{error}"
    );
}
