//! Several models as one, against each of them alone; and what a model's file says of its activities.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mpra_score::genome::{Aliases, BedSource};
use mpra_score::ism::{EngineChoice, EngineSettings, Strand};
use mpra_score::job::Shard;
use mpra_score::job::Silent;
use mpra_score::model::onnx::presets;
use mpra_score::model::{ModelSource, ModelSources};
use mpra_score::score::{QuantilesConfig, RegionSet, RegionSource, write_quantiles};
use mpra_score::stats::Random;
use mpra_score::{Cancel, Error};

use crate::support::variants::{info, job, numbers, records, run as run_variants, vcf};
use crate::support::{bed, bedgraph, bigwig, config, fixture, genome, per_base, run, table};

/// Networks of the same tasks and window, two of one shape and one of another.
fn members(folder: &Path) -> Vec<PathBuf> {
    let random = |seed| {
        let mut random = Random::at(seed, &[]);
        move || random.normal() as f32
    };
    let files = [
        presets::paper(&mut random(1)).to_bytes(),
        presets::paper(&mut random(2)).to_bytes(),
        presets::authors(&mut random(3)).to_bytes(),
    ];
    let write = |(i, bytes): (usize, Vec<u8>)| {
        let path = folder.join(format!("member{i}.onnx"));
        std::fs::write(&path, bytes).unwrap();
        path
    };
    files.into_iter().enumerate().map(write).collect()
}

fn ensemble(paths: &[PathBuf]) -> ModelSources {
    ModelSources::new(paths.iter().cloned().map(ModelSource::File).collect())
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

fn spread(values: &[f32]) -> f32 {
    let mean = mean(values);
    let squares: f32 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (squares / (values.len() - 1) as f32).sqrt()
}

fn close(found: f32, expected: f32) {
    let near = (found - expected).abs() <= 2e-5 * expected.abs().max(1.0);
    assert!(near, "{found}, expected {expected}");
}

#[test]
fn tracks_are_means_and_spreads_of_the_members() {
    let folder = tempfile::tempdir().unwrap();
    let paths = members(folder.path());
    let scored = |name: &str, model: ModelSources| -> PathBuf {
        let mut job = config("demo.onnx", &folder.path().join(name));
        job.model = model;
        job.outputs.windows = true;
        run(&job).unwrap();
        job.out
    };
    let alone: Vec<PathBuf> = (paths.iter().enumerate())
        .map(|(i, path)| scored(&format!("alone{i}"), ModelSource::File(path.clone()).into()))
        .collect();
    let all = scored("all", ensemble(&paths));
    for task in 0..4 {
        for kind in ["activity", "importance"] {
            let track = |out: &Path, kind: &str| {
                per_base(&bedgraph(&out.join(format!("task_{task}.{kind}.bedGraph"))))
            };
            let each: Vec<BTreeMap<_, _>> = alone.iter().map(|out| track(out, kind)).collect();
            let means = track(&all, kind);
            let spreads = track(&all, &format!("{kind}_spread"));
            assert_eq!(means.len(), each[0].len());
            assert!(means.keys().eq(spreads.keys()) && !means.is_empty());
            for (base, value) in &means {
                let values: Vec<f32> = each.iter().map(|track| track[base]).collect();
                close(*value, mean(&values));
                close(spreads[base], spread(&values));
            }
            let bw = all.join(format!("task_{task}.{kind}_spread.bw"));
            assert_eq!(per_base(&bigwig(&bw)), spreads);
        }
    }
    let rows = table(&all.join("regions.tsv"));
    let single = table(&alone[0].join("regions.tsv"));
    assert!(!single[0].contains_key("task_0.mean_activity_spread"));
    for row in rows.iter().filter(|row| row["status"] == "ok") {
        let value: f32 = row["task_3.mean_importance_spread"].parse().unwrap();
        assert!(value > 0.0);
        assert!(row["task_0.mean_activity_spread"].parse::<f32>().unwrap() > 0.0);
    }
    // One after the other, in run.json.
    let text = std::fs::read_to_string(all.join("run.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["models"].as_array().unwrap().len(), 3);
    assert_eq!(json["settings"]["engine"], "fast");
}

#[test]
fn an_ensemble_is_sharded_and_run_by_both_engines() {
    let folder = tempfile::tempdir().unwrap();
    let paths = members(folder.path());
    let job = |name: &str| {
        let mut job = config("demo.onnx", &folder.path().join(name));
        job.model = ensemble(&paths[1..]);
        job.outputs.saturation = true;
        job.regions = bed(
            folder.path(),
            &["chr1\t600\t660".into(), "chr2\t100\t160".into()],
        );
        job
    };
    let whole = job("whole");
    run(&whole).unwrap();
    let mut shards = Vec::new();
    for i in 1..=2 {
        let mut part = job(&format!("part{i}"));
        part.shard = Shard::new(i, 2);
        run(&part).unwrap();
        shards.push(part.out);
    }
    let merged = folder.path().join("merged");
    mpra_score::score::merge(&shards, &merged, false, &[], &Cancel::default()).unwrap();
    let mut full = job("full");
    full.engine = EngineChoice::Full;
    run(&full).unwrap();
    let mut files = 0;
    for entry in std::fs::read_dir(&whole.out).unwrap() {
        let name = entry.unwrap().file_name();
        if name != "run.json" {
            let bytes = |out: &Path| std::fs::read(out.join(&name)).unwrap();
            assert!(bytes(&whole.out) == bytes(&merged), "{name:?}");
            files += 1;
        }
    }
    // Two kinds of tracks of four tasks in two formats, and as many of spreads; two tables.
    assert_eq!(files, 2 * 4 * 2 * 2 + 2);
    for name in [
        "task_1.importance_spread.bedGraph",
        "task_2.activity.bedGraph",
    ] {
        let fast = per_base(&bedgraph(&whole.out.join(name)));
        for (base, value) in per_base(&bedgraph(&full.out.join(name))) {
            close(fast[&base], value);
        }
    }
}

#[test]
fn variants_have_the_mean_effect_and_its_spread() {
    let folder = tempfile::tempdir().unwrap();
    let paths = members(folder.path());
    let genome = genome();
    let base = |at: usize| char::from(genome["chr1"][at - 1].to_ascii_uppercase());
    let other = |at: usize| if base(at) == 'A' { 'C' } else { 'A' };
    let input = vcf(
        folder.path(),
        &[
            format!("chr1 640 . {} {}", base(640), other(640)),
            format!("chr1 645 . {} {}GT", base(645), base(645)),
            "chr1 640 . N A".into(),
        ],
    );
    let scored = |name: &str, model: ModelSources| {
        let mut job = job(
            "demo.onnx",
            &input,
            &folder.path().join(format!("{name}.vcf")),
        );
        job.scoring.model = model;
        job.table = Some(folder.path().join(format!("{name}.tsv")));
        run_variants(&job).unwrap();
        records(&job.out)
    };
    let alone: Vec<_> = (paths.iter().enumerate())
        .map(|(i, path)| scored(&format!("alone{i}"), ModelSource::File(path.clone()).into()))
        .collect();
    let all = scored("all", ensemble(&paths));
    let rows = table(&folder.path().join("all.tsv"));
    for (r, record) in all[..2].iter().enumerate() {
        let row = rows.iter().find(|row| row["pos"] == record[1]).unwrap();
        for task in 0..4 {
            let key = format!("MPRA_task_{task}");
            let each: Vec<f32> = alone.iter().map(|of| numbers(&of[r], &key)[0]).collect();
            close(numbers(record, &key)[0], mean(&each));
            let found = numbers(record, &format!("MPRA_SPREAD_task_{task}"))[0];
            close(found, spread(&each));
            close(row[&format!("task_{task}.spread")].parse().unwrap(), found);
            assert!(found > 0.0);
        }
    }
    for record in [&all[2], &alone[0][0]] {
        assert!(!info(record).contains_key("MPRA_SPREAD_task_0"));
    }
    let rows = table(&folder.path().join("alone0.tsv"));
    assert!(!rows[0].contains_key("task_0.spread"));
}

#[test]
fn members_must_go_together() {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = members(folder.path());
    let mut job = config("demo.onnx", &folder.path().join("out"));
    paths[1] = fixture("models/scan.onnx");
    job.model = ensemble(&paths);
    let error = run(&job).unwrap_err();
    assert!(matches!(&error, Error::Model(_)));
    let text = error.to_string();
    assert!(
        text.contains("scan.onnx") && text.contains("cannot be averaged"),
        "{text}"
    );
    job.model = ModelSources::new(Vec::new());
    assert!(run(&job).is_err());
}

fn quantiles(model: &Path, sets: &[(&str, &Path)], out: &Path) -> QuantilesConfig {
    let set = |(name, bed): &(&str, &Path)| RegionSet {
        name: (*name).into(),
        tasks: None,
        bed: (*bed).into(),
    };
    QuantilesConfig {
        model: ModelSource::File(model.into()),
        model_options: Default::default(),
        ort_lib: None,
        fasta: fixture("genome.fa"),
        aliases: Aliases::None,
        sets: sets.iter().map(set).collect(),
        stride: None,
        engine: EngineSettings {
            threads: std::num::NonZeroUsize::MIN,
            choice: EngineChoice::Auto,
            strand: Strand::Forward,
            batch: std::num::NonZeroUsize::new(8).unwrap(),
        },
        out: out.into(),
        force: false,
    }
}

#[test]
fn regions_are_told_by_quantiles() {
    let folder = tempfile::tempdir().unwrap();
    let model = members(folder.path()).remove(0);
    let text = |lines: &[&str]| {
        bed(
            folder.path(),
            &lines.iter().map(|l| (*l).into()).collect::<Vec<_>>(),
        )
    };
    let RegionSource::Bed(BedSource::File(whole)) =
        text(&["chr1\t0\t4000", "chr2\t0\t1000", "chr10\t0\t300"])
    else {
        panic!()
    };
    let told = folder.path().join("told.onnx");
    let job = quantiles(&model, &[("background", &whole)], &told);
    let found = write_quantiles(&job, &Silent, &Cancel::default()).unwrap();
    assert!(
        write_quantiles(&job, &Silent, &Cancel::default()).is_err(),
        "it exists"
    );

    // The windows are those of the activity track.
    let mut scoring = config("demo.onnx", &folder.path().join("windows"));
    scoring.model = told.clone().into();
    scoring.regions = RegionSource::Bed(BedSource::File(whole.clone()));
    scoring.outputs.importance = false;
    scoring.outputs.windows = true;
    run(&scoring).unwrap();
    let track = bedgraph(&scoring.out.join("task_2.activity.bedGraph"));
    let mut values: Vec<f32> = track.values().flatten().map(|item| item.value).collect();
    values.sort_by(f32::total_cmp);
    let distribution = &found.0[0].tasks["task_2"];
    assert_eq!(distribution.windows as usize, values.len());
    close(distribution.values[0], values[0]);
    close(distribution.values[1_000], values[values.len() - 1]);
    for row in table(&scoring.out.join("regions.tsv")) {
        let share: f32 = row["task_2.background_quantile"].parse().unwrap();
        let mean: f32 = row["task_2.mean_activity"].parse().unwrap();
        let below = values.iter().filter(|v| **v < mean).count() as f32 / values.len() as f32;
        assert!((share - below).abs() < 0.01, "{share} {below}");
    }

    // The weights are the same, and shards know the distributions, too.
    let scores = |model: &Path, name: &str| {
        let mut job = config("demo.onnx", &folder.path().join(name));
        job.model = model.to_path_buf().into();
        run(&job).unwrap();
        std::fs::read(job.out.join("task_0.importance.bw")).unwrap()
    };
    assert!(scores(&model, "without") == scores(&told, "with"));
    let mut part = config("demo.onnx", &folder.path().join("part"));
    part.model = told.clone().into();
    part.shard = Shard::new(1, 1);
    run(&part).unwrap();
    let merged = folder.path().join("merged");
    mpra_score::score::merge(&[part.out], &merged, false, &[], &Cancel::default()).unwrap();
    let read = |out: PathBuf| std::fs::read_to_string(out.join("regions.tsv")).unwrap();
    assert_eq!(read(merged), read(folder.path().join("with")));

    // A set without a window, one that is given twice, and a list of none.
    let RegionSource::Bed(BedSource::File(tiny)) = text(&["mini\t0\t10"]) else {
        panic!()
    };
    for (sets, problem) in [
        (&[("a", tiny.as_path())][..], "no window"),
        (&[("a", whole.as_path()), ("a", &whole)], "twice"),
    ] {
        let job = quantiles(&model, sets, &folder.path().join("never.onnx"));
        let error = write_quantiles(&job, &Silent, &Cancel::default()).unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
        assert!(!job.out.exists());
    }
}
