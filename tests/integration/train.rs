//! Training as a library: what is learned, that a run repeats, resumes and exports what it trained.

mod flags;
mod frames;
mod full_disk;
mod padding;
mod recipe;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use mpra_score::dataset::Shares;
use mpra_score::labelled::{Columns, Sides};
use mpra_score::model::{Model, ModelFile, ModelOptions, Predict, Runtime};
use mpra_score::output::{Existing, OutputError};
use mpra_score::stats::Random;
use mpra_score::train::cnn::{
    Architecture, Config, Epoch, FitConfig, Layers, Schedule, Source, Summary, TeacherSource,
    Unwatched, Watch, run,
};
use mpra_score::train::{Mutants, OwnTable, TrainError};
use mpra_score::{Cancel, Error, genome::Aliases};
use parquet::arrow::ArrowWriter;

const WINDOW: usize = 24;

/// Sequences and their labels.
struct Rows {
    sequences: Vec<String>,
    splits: Vec<&'static str>,
    labels: Vec<Option<f64>>,
}

/// Random sequences; the label counts `TGAC` and takes half off for every `GG`.
fn motifs(n: usize) -> Rows {
    let mut random = Random::at(5, &[]);
    let mut rows = Rows {
        sequences: Vec::new(),
        splits: Vec::new(),
        labels: Vec::new(),
    };
    for i in 0..n {
        let mut letters: Vec<u8> = (0..WINDOW).map(|_| b"ACGT"[random.index(4)]).collect();
        if random.index(2) == 0 {
            let at = random.index(WINDOW - 3);
            letters[at..at + 4].copy_from_slice(b"TGAC");
        }
        let text = String::from_utf8(letters).unwrap();
        rows.labels.push(Some(label(&text)));
        rows.sequences.push(text);
        rows.splits
            .push(["train", "train", "train", "validation", "test"][i % 5]);
    }
    rows
}

fn label(text: &str) -> f64 {
    let count = |motif: &[u8]| {
        text.as_bytes()
            .windows(motif.len())
            .filter(|w| *w == motif)
            .count()
    };
    3.0 + count(b"TGAC") as f64 - 0.5 * count(b"GG") as f64
}

fn write(path: &Path, rows: &Rows) {
    let fields = vec![
        Field::new("sequence", DataType::Utf8, false),
        Field::new("split", DataType::Utf8, false),
        Field::new("weight", DataType::Float64, false),
        Field::new("made.activity", DataType::Float64, true),
    ];
    let metadata = HashMap::from([(
        "mpra_score.tasks".to_owned(),
        r#"[{"name":"made"}]"#.to_owned(),
    )]);
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
    let n = rows.sequences.len();
    let batch = RecordBatch::try_new(
        schema.clone(),
        vec![
            Arc::new(StringArray::from(rows.sequences.clone())),
            Arc::new(StringArray::from(rows.splits.clone())),
            Arc::new(Float64Array::from(vec![1.0; n])),
            Arc::new(Float64Array::from(rows.labels.clone())),
        ],
    )
    .unwrap();
    let mut writer = ArrowWriter::try_new(fs::File::create(path).unwrap(), schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn arch(layers: &str) -> Architecture {
    Architecture::new(WINDOW, WINDOW, 0, layers.parse::<Layers>().unwrap().0).unwrap()
}

fn own() -> OwnTable {
    OwnTable {
        columns: Columns::default(),
        fasta: None,
        sides: Sides {
            validation: vec!["chr8".into()],
            test: vec!["chr18".into()],
            shares: Shares {
                validation: 0.2,
                test: 0.2,
                seed: 1,
            },
        },
    }
}

fn config(data: &Path, out: PathBuf, layers: &str) -> Config {
    Config {
        source: Source::Examples {
            path: data.into(),
            own: Box::new(own()),
            tasks: None,
        },
        arch: arch(layers),
        beside: None,
        init: None,
        init_pairs: Vec::new(),
        init_reverse: None,
        search: None,
        init_options: ModelOptions::default(),
        fit: FitConfig {
            epochs: 4,
            batch: 32,
            rate: 0.01,
            schedule: Schedule::OneCycle,
            patience: 5,
            seed: 3,
            reverse_complements: false,
            pair_weight: 0.0,
            frozen: 0,
            weight_decay: 0.0,
            clip: None,
            average: None,
            stopping: Vec::new(),
        },
        description: None,
        out,
        existing: Existing::default(),
        threads: 2,
        ort_lib: None,
        command: vec!["test".into()],
    }
}

fn go(config: &Config) -> Result<Summary, Error> {
    run(config, &Unwatched, &Cancel::default())
}

fn train_error(result: Result<Summary, Error>) -> TrainError {
    match result {
        Err(Error::Train(e)) => e,
        other => panic!("{other:?}"),
    }
}

/// Predictions of an exported model for sequences.
fn predict(path: &Path, sequences: &[String]) -> Vec<f32> {
    let runtime = Runtime::load(None).unwrap();
    let file = ModelFile::read(path).unwrap();
    let mut model = Model::open(file, &ModelOptions::default(), &runtime).unwrap();
    let codes = |s: &String| -> Vec<u8> {
        let code = |b| mpra_score::encode::code(b).unwrap();
        s.bytes().map(code).collect()
    };
    let codes: Vec<u8> = sequences.iter().flat_map(codes).collect();
    let mut out = vec![0.0; sequences.len() * model.tasks()];
    model.predict(&codes, &mut out).unwrap();
    out
}

#[test]
fn it_learns_a_rule_and_gives_labels_in_their_units() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("examples.parquet");
    write(&data, &motifs(1500));
    // Every kind of layer, in the forms that the engines know.
    for (name, layers) in [
        (
            "pooled",
            "conv 24x4, relu, dropout 0.1, maxpool 21, dense 16, relu, dense",
        ),
        ("averaged", "conv 24x4, batchnorm, relu, avgpool 7, dense"),
        ("flat", "conv 24x2, relu, conv 12x1, conv 16x3, relu, dense"),
    ] {
        let mut config = config(&data, dir.path().join(name), layers);
        config.fit.epochs = 25;
        config.fit.patience = 25;
        let summary = go(&config).unwrap();
        let (task, r) = &summary.test[0];
        assert_eq!(task, "made");
        assert!(*r > 0.9, "{name}: r {r}");
        let probe: Vec<String> = ["TGACTTTTTTTTTTTTTTTTTTTT", "TTTTTTTTTTTTTTTTTTTTTTTT"]
            .iter()
            .map(|s| s.to_string())
            .collect();
        let values = predict(&config.out.join("model.onnx"), &probe);
        // One motif is worth 1; the mean of 3 comes from the labels.
        assert!(
            (values[0] - values[1] - 1.0).abs() < 0.6,
            "{name}: {values:?}"
        );
        assert!((values[1] - 3.0).abs() < 0.6, "{name}: {values:?}");
        let text = fs::read_to_string(config.out.join("training.tsv")).unwrap();
        assert_eq!(text.lines().count(), 1 + 25, "{text}");
        for figure in ["learning.svg", "predicted.svg"] {
            assert!(
                fs::read_to_string(config.out.join(figure))
                    .unwrap()
                    .contains("<svg")
            );
        }
        let model = fs::read_to_string(config.out.join("model.json")).unwrap();
        let model: serde_json::Value = serde_json::from_str(&model).unwrap();
        assert_eq!(model["architecture"], layers);
        assert_eq!(model["split"][0]["sequences"], 900);
        assert_eq!(model["export"]["windows"], 300);
        assert!(model["export"]["largest_difference"].as_f64().unwrap() < 1e-4);
    }
}

/// Asks to stop after an epoch.
struct StopAfter(usize, Cancel);

impl Watch for StopAfter {
    fn step(&self, _: u64, _: u64, _: usize, _: f64) {}

    fn epoch(&self, epoch: &Epoch, _: usize, _: f64) {
        if epoch.epoch == self.0 {
            self.1.request();
        }
    }
}

#[test]
fn a_run_repeats_and_a_stopped_one_ends_as_if_it_had_not_been() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("examples.parquet");
    write(&data, &motifs(400));
    let layers = "conv 8x4, relu, batchnorm, dropout 0.2, maxpool 7, dense";
    let mut whole = config(&data, dir.path().join("whole"), layers);
    whole.fit.reverse_complements = true;
    go(&whole).unwrap();
    let mut again = whole.clone();
    again.out = dir.path().join("again");
    go(&again).unwrap();
    let model = |out: &Path| fs::read(out.join("model.onnx")).unwrap();
    assert!(model(&whole.out) == model(&again.out));

    let mut stopped = whole.clone();
    stopped.out = dir.path().join("stopped");
    stopped.existing.resume = true;
    let cancel = Cancel::default();
    let result = run(&stopped, &StopAfter(2, cancel.clone()), &cancel);
    assert!(
        matches!(
            result,
            Err(Error::Job(mpra_score::job::JobError::Interrupted {
                kept: true
            }))
        ),
        "{result:?}"
    );
    assert!(!stopped.out.join("model.onnx").exists());

    // Another configuration does not take it up, and leaves it as it is.
    let mut other = stopped.clone();
    other.fit.rate = 0.02;
    let error = go(&other).unwrap_err();
    assert_eq!(
        error.to_string(),
        "this is not the same job: fit rate differ(s)"
    );
    assert!(error.hint().unwrap().contains("--force"));

    go(&stopped).unwrap();
    assert!(model(&whole.out) == model(&stopped.out));
    assert!(!stopped.out.join(".partial").exists());
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("examples.parquet");
    write(&data, &motifs(200));
    let mut config = config(
        &data,
        dir.path().join("out"),
        "conv 4x4, relu, maxpool 21, dense",
    );
    config.existing.resume = true;
    let cancel = Cancel::default();
    run(&config, &StopAfter(1, cancel.clone()), &cancel).unwrap_err();
    let partial = config.out.join(".partial");
    let state = partial.join("state-1.bin");
    let mut bytes = fs::read(&state).unwrap();
    bytes[0] ^= 1;
    fs::write(&state, bytes).unwrap();
    let error = train_error(go(&config));
    assert!(error.to_string().contains("not the state"), "{error}");
    fs::write(partial.join("checkpoint.json"), "{").unwrap();
    let error = go(&config).unwrap_err();
    assert!(
        matches!(error, Error::Output(OutputError::Checkpoint { .. })),
        "{error}"
    );
}

#[test]
fn early_stopping_keeps_the_best_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("examples.parquet");
    // Labels that nothing in the sequence explains: validation soon gets worse.
    let mut rows = motifs(300);
    let mut random = Random::at(9, &[]);
    rows.labels
        .iter_mut()
        .for_each(|l| *l = Some(random.normal()));
    write(&data, &rows);
    let mut config = config(&data, dir.path().join("out"), "conv 32x6, relu, dense");
    config.fit.epochs = 60;
    config.fit.patience = 3;
    config.fit.schedule = Schedule::Constant;
    let best = go(&config).unwrap().best.unwrap();
    let text = fs::read_to_string(config.out.join("training.tsv")).unwrap();
    let losses: Vec<f64> = (text.lines().skip(1))
        .map(|l| l.split('\t').nth(3).unwrap().parse().unwrap())
        .collect();
    assert_eq!(losses.len(), best.epoch + 3, "{losses:?}");
    let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert!((losses[best.epoch - 1] - least).abs() < 1e-9);
}

#[test]
fn missing_labels_are_masked() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("examples.parquet");
    // Every second label is missing; were it taken for a number, nothing could be learned.
    let mut rows = motifs(2000);
    rows.labels
        .iter_mut()
        .skip(1)
        .step_by(2)
        .for_each(|l| *l = None);
    write(&data, &rows);
    let mut config = config(
        &data,
        dir.path().join("out"),
        "conv 24x4, relu, maxpool 21, dense",
    );
    config.fit.epochs = 25;
    let summary = go(&config).unwrap();
    assert!(summary.test[0].1 > 0.9, "{:?}", summary.test);
}

/// A table of one's own, without sides, and with sequences of another length than any preset's.
#[test]
fn a_table_of_ones_own_is_learned() {
    let dir = tempfile::tempdir().unwrap();
    let rows = motifs(300);
    let data = dir.path().join("own.csv");
    let mut text = String::from("oligo,made,locus\n");
    for (i, (sequence, labels)) in rows.sequences.iter().zip(&rows.labels).enumerate() {
        let value = labels.map_or("NA".into(), |v| v.to_string());
        text += &format!("{sequence},{value},{i}\n");
    }
    fs::write(&data, text).unwrap();
    let mut config = config(
        &data,
        dir.path().join("out"),
        "conv 8x5, relu, maxpool 20, dense",
    );
    if let Source::Examples { own, .. } = &mut config.source {
        own.columns.sequence = Some("oligo".into());
        own.columns.group = Some("locus".into());
    }
    go(&config).unwrap();
    let predicted = predict(&config.out.join("model.onnx"), &rows.sequences);
    assert_eq!(predicted.len(), 300);
    if let Source::Examples { own, .. } = &mut config.source {
        own.columns.sequence = Some("sequence".into());
    }
    let error = train_error(go(&Config {
        out: dir.path().join("again"),
        ..config
    }));
    assert!(error.to_string().contains("`sequence`"), "{error}");
}

#[test]
fn data_that_cannot_be_trained_on_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("examples.parquet");
    let layers = "conv 4x4, relu, maxpool 21, dense";
    let refused = |rows: &Rows, change: &dyn Fn(&mut Config)| -> String {
        write(&data, rows);
        let mut config = config(&data, dir.path().join("out"), layers);
        change(&mut config);
        let error = train_error(go(&config));
        assert!(!config.out.exists(), "{error}");
        error.to_string()
    };
    let same: &dyn Fn(&mut Config) = &|_| {};

    let mut rows = motifs(100);
    rows.labels = vec![Some(2.5); 100];
    assert_eq!(refused(&rows, same), "task made: all its labels are equal");
    rows.labels = vec![None; 100];
    assert!(refused(&rows, same).contains("every label on the train side is missing"));
    rows = motifs(100);
    rows.labels[0] = Some(f64::INFINITY);
    assert!(refused(&rows, same).contains("infinite"));
    rows = motifs(100);
    rows.splits
        .iter_mut()
        .for_each(|s| *s = if *s == "test" { "train" } else { *s });
    assert!(refused(&rows, same).contains("no example is on the test side"));
    rows = motifs(100);
    assert_eq!(
        refused(&rows, &|c| c.fit.batch = 61),
        "60 training example(s) do not fill a batch of 61"
    );
    let longer: &dyn Fn(&mut Config) = &|c| {
        c.arch = Architecture::new(30, 30, 0, layers.parse::<Layers>().unwrap().0).unwrap();
    };
    assert!(refused(&rows, longer).contains("windows do not fit"));
    let unknown: &dyn Fn(&mut Config) = &|c| {
        if let Source::Examples { tasks, .. } = &mut c.source {
            *tasks = Some(vec!["HepG2".into()]);
        }
    };
    assert_eq!(
        refused(&rows, unknown),
        r#"unknown task "HepG2"; there are made"#
    );
    rows.sequences[7].pop();
    assert!(refused(&rows, same).contains("the sequence of example 8 has 23 bases, others 24"));
    rows = motifs(100);
    rows.splits[3] = "elsewhere";
    assert!(refused(&rows, same).contains("on no side"));
    fs::write(&data, "not parquet").unwrap();
    let error = train_error(go(&config(&data, dir.path().join("out"), layers)));
    assert!(
        error.to_string().contains("a header of not, parquet"),
        "{error}"
    );
    fs::remove_file(&data).unwrap();
    let error = train_error(go(&config(&data, dir.path().join("out"), layers)));
    assert!(error.to_string().contains("cannot open"), "{error}");
    let mut diverging = config(&data, dir.path().join("out"), layers);
    diverging.fit.rate = 1e30;
    write(&data, &motifs(300));
    let error = train_error(go(&diverging));
    assert!(matches!(error, TrainError::Diverged { .. }), "{error}");
}

/// A trained teacher of `WINDOW` bases and a random genome of three contigs.
fn teacher(folder: &Path) -> (PathBuf, PathBuf) {
    let data = folder.join("teacher.parquet");
    write(&data, &motifs(1000));
    let mut config = config(
        &data,
        folder.join("teacher"),
        "conv 24x4, relu, conv 12x2, relu, dense",
    );
    config.fit.epochs = 12;
    go(&config).unwrap();
    let fasta = folder.join("genome.fa");
    let mut random = Random::at(11, &[]);
    let mut text = String::new();
    for (name, bases) in [("chr1", 12_000), ("chr8", 3_000), ("chr18", 3_000)] {
        text.push_str(&format!(">{name}\n"));
        for _ in 0..bases / 60 {
            text.extend((0..60).map(|_| char::from(b"ACGT"[random.index(4)])));
            text.push('\n');
        }
    }
    fs::write(&fasta, text).unwrap();
    (folder.join("teacher/model.onnx"), fasta)
}

fn student(folder: &Path, teacher: &Path, fasta: &Path, layers: &str) -> Config {
    let mut config = config(fasta, folder.join("student"), layers);
    config.source = Source::Teacher(Box::new(TeacherSource {
        models: vec![teacher.into()],
        options: ModelOptions::default(),
        tasks: vec!["mine".into()],
        pairs: vec![("mine".into(), "made".into())],
        reverse: 0.0,
        fasta: fasta.into(),
        bed: None,
        aliases: Aliases::None,
        random: None,
        stretch: Some(44),
        step: 4,
        mutants: None,
        validation: vec!["chr8".into()],
        test: vec!["chr18".into()],
        cache: None,
    }));
    config
}

#[test]
fn a_student_starts_from_its_teacher_and_learns_from_it() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    let (model, fasta) = teacher(here);
    // The same architecture, started from the teacher, is the teacher: nothing is left to learn.
    let mut same = student(
        here,
        &model,
        &fasta,
        "conv 24x4, relu, conv 12x2, relu, dense",
    );
    same.init = Some(model.clone());
    same.init_pairs = vec![("mine".into(), "made".into())];
    same.fit.epochs = 1;
    same.fit.rate = 1e-12;
    let summary = go(&same).unwrap();
    assert!(summary.test[0].1 > 0.999_999, "{:?}", summary.test);
    assert!(summary.best.unwrap().validation < 1e-6);
    let probe = motifs(20).sequences;
    let (a, b) = (
        predict(&model, &probe),
        predict(&same.out.join("model.onnx"), &probe),
    );
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() < 1e-3, "{a} {b}");
    }

    // So does a student of it, whose output is the task itself; names said of the teacher are not its.
    let mut again = same.clone();
    again.out = here.join("again");
    again.init = Some(same.out.join("model.onnx"));
    again.init_options.task_names = Some(vec!["made".into(), "more".into()]);
    let summary = go(&again).unwrap();
    assert!(summary.test[0].1 > 0.999_999, "{:?}", summary.test);

    // Joined with its reverse complement it is the mean of both strands.
    let mut both = same.clone();
    both.out = here.join("both");
    both.arch = arch("conv 48x4, relu, conv 24x2, relu, dense");
    both.init_reverse = Some(0.5);
    go(&both).unwrap();
    let turned: Vec<String> = (probe.iter())
        .map(|s| {
            let complement = |c| "TGCA".as_bytes()["ACGT".find(c).unwrap()] as char;
            s.chars().rev().map(complement).collect()
        })
        .collect();
    let reverse = predict(&model, &turned);
    for ((a, b), both) in
        (a.iter().zip(&reverse)).zip(predict(&both.out.join("model.onnx"), &probe))
    {
        assert!((0.5 * (a + b) - both).abs() < 1e-3, "{a} {b} {both}");
    }

    // A narrower one, from nothing, with mutated copies, both strands and a label cache.
    let mut small = student(here, &model, &fasta, "conv 16x5, relu, dense");
    small.out = here.join("small");
    small.fit.epochs = 10;
    small.fit.reverse_complements = true;
    small.fit.pair_weight = 1.0;
    if let Source::Teacher(source) = &mut small.source {
        source.reverse = 0.5;
        source.mutants = Some(Mutants {
            copies: 2,
            fewest: 1,
            most: 6,
        });
        source.cache = Some(here.join("labels"));
    }
    let first = go(&small).unwrap();
    assert!(first.test[0].1 > 0.6, "{:?}", first.test);
    let cached = fs::read(here.join("labels")).unwrap();
    small.existing.force = true;
    go(&small).unwrap();
    assert!(fs::read(here.join("labels")).unwrap() == cached);
    // The same run without the cache gives the same model: cached labels are the labels.
    let with = fs::read(small.out.join("model.onnx")).unwrap();
    if let Source::Teacher(source) = &mut small.source {
        source.cache = None;
    }
    go(&small).unwrap();
    assert!(fs::read(small.out.join("model.onnx")).unwrap() == with);
}

#[test]
fn teachers_that_do_not_fit_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    let (model, fasta) = teacher(here);
    let layers = "conv 8x5, relu, dense";
    let mut other = student(here, &model, &fasta, layers);
    other.arch = Architecture::new(30, 30, 0, layers.parse::<Layers>().unwrap().0).unwrap();
    let error = train_error(go(&other));
    assert!(
        error.to_string().contains("reads 24 bases, the network 30"),
        "{error}"
    );

    let mut unknown = student(here, &model, &fasta, layers);
    if let Source::Teacher(source) = &mut unknown.source {
        source.pairs = vec![("mine".into(), "liver".into())];
    }
    assert_eq!(
        train_error(go(&unknown)).to_string(),
        r#"unknown task "liver"; there are made"#
    );
    if let Source::Teacher(source) = &mut unknown.source {
        source.pairs.clear();
    }
    assert_eq!(
        train_error(go(&unknown)).to_string(),
        r#"unknown task "mine"; there are made"#
    );

    let mut empty = student(here, &model, &fasta, layers);
    if let Source::Teacher(source) = &mut empty.source {
        source.test = vec!["chr19".into()];
    }
    let error = train_error(go(&empty));
    assert!(error.to_string().contains("test side"), "{error}");
    assert!(error.hint().unwrap().contains("--test-chroms"));

    let mut strange = student(here, &model, &fasta, "conv 8x3, relu, dense");
    strange.init = Some(model);
    let error = train_error(go(&strange));
    assert!(error.to_string().contains("no layer of"), "{error}");
}

#[test]
fn measurements_beside_a_teacher_are_brought_to_its_units() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    let (model, fasta) = teacher(here);
    // Measurements in other units: 100 times the rule.
    let mut rows = motifs(500);
    rows.labels
        .iter_mut()
        .for_each(|l| *l = l.map(|l| 100.0 * l - 7.0));
    let data = here.join("measured.parquet");
    write(&data, &rows);
    let mut both = student(
        here,
        &model,
        &fasta,
        "conv 24x4, relu, conv 12x2, relu, dense",
    );
    both.init = Some(model.clone());
    if let Source::Teacher(source) = &mut both.source {
        source.tasks = vec!["made".into()];
        source.pairs.clear();
    }
    both.beside = Some((data.clone(), 0.5));
    both.fit.epochs = 3;
    both.fit.rate = 1e-3;
    go(&both).unwrap();
    let json = fs::read_to_string(both.out.join("model.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let scaling = &json["beside"]["scaling"];
    // A label is 100 times the teacher's output: so many standard deviations of it.
    let ratio =
        scaling["scale"][0].as_f64().unwrap() / json["labels"]["scale"][0].as_f64().unwrap();
    assert!((ratio / 100.0 - 1.0).abs() < 0.1, "{ratio}");
    assert!(json["measured"]["made.test"]["pearson"].as_f64().unwrap() > 0.9);
    // Outputs stay in the teacher's units.
    let probe = motifs(20).sequences;
    let (a, b) = (
        predict(&model, &probe),
        predict(&both.out.join("model.onnx"), &probe),
    );
    let off = a
        .iter()
        .zip(&b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    assert!(off < 0.5, "{off}");

    // Measurements that fall where the teacher's outputs rise cannot be brought to its units.
    rows.labels.iter_mut().for_each(|l| *l = l.map(|l| -l));
    write(&data, &rows);
    both.existing.force = true;
    let error = train_error(go(&both));
    assert!(error.to_string().contains("do not rise"), "{error}");
}

#[test]
fn a_search_keeps_the_best_draw_and_resumes() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("examples.parquet");
    write(&data, &motifs(100));
    let mut whole = config(&data, dir.path().join("whole"), "conv 1x1, dense");
    // Deep draws over the paper's widths and pools do not fit 96 columns: those are padded.
    whole.arch = Architecture::new(WINDOW, 96, 36, whole.arch.layers.clone()).unwrap();
    whole.search = Some(4);
    whole.fit.epochs = 3;
    go(&whole).unwrap();
    let text = fs::read_to_string(whole.out.join("search.tsv")).unwrap();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .skip(1)
        .map(|l| l.split('\t').collect())
        .collect();
    assert_eq!(rows.len(), 4);
    let padded = rows.iter().filter(|r| r[1].contains(" same,")).count();
    assert!((1..4).contains(&padded), "{text}");
    // Two rounds: all for 1 epoch, the best two for 3.
    let mut epochs: Vec<&str> = rows.iter().map(|r| r[3]).collect();
    epochs.sort_unstable();
    assert_eq!(epochs, ["1", "1", "3", "3"], "{text}");
    let best: Vec<_> = rows.iter().filter(|r| r[6] == "best").collect();
    assert_eq!(best.len(), 1);
    let least = rows
        .iter()
        .map(|r| r[4].parse::<f64>().unwrap())
        .fold(f64::INFINITY, f64::min);
    assert_eq!(best[0][4].parse::<f64>().unwrap(), least);
    let model = fs::read_to_string(whole.out.join("model.json")).unwrap();
    let model: serde_json::Value = serde_json::from_str(&model).unwrap();
    assert_eq!(model["architecture"], best[0][1]);

    let mut stopped = whole.clone();
    stopped.out = dir.path().join("stopped");
    stopped.existing.resume = true;
    let cancel = Cancel::default();
    run(&stopped, &StopAfter(2, cancel.clone()), &cancel).unwrap_err();
    go(&stopped).unwrap();
    let bytes = |out: &Path, name: &str| fs::read(out.join(name)).unwrap();
    assert!(bytes(&whole.out, "search.tsv") == bytes(&stopped.out, "search.tsv"));
    assert!(bytes(&whole.out, "model.onnx") == bytes(&stopped.out, "model.onnx"));
}
