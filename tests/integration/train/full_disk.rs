//! A disk that is full when a checkpoint or a result is written. Files that may not grow (`ulimit -f`)
//! fail the same write calls, and need neither root nor a mount.

use std::collections::BTreeMap;
use std::process::Command;

use super::*;
use crate::support::jobs::{limited, refused_to_write};

const EPOCHS: usize = 4;

/// The arguments of a run; [`same`] is the run as the library has it.
fn arguments(data: &Path, out: &Path, layers: &str) -> Vec<String> {
    let fixed = "--epochs 4 --batch 32 --lr 0.01 --patience 5 --seed 3 --threads 2 --resume";
    let mut all = vec![
        "train".to_owned(),
        "--data".into(),
        data.display().to_string(),
    ];
    all.extend(["--out".into(), out.display().to_string()]);
    // The presets' windows are 145 bases.
    all.extend([
        "--preset".into(),
        "authors".into(),
        "--arch".into(),
        layers.into(),
    ]);
    all.extend(fixed.split(' ').map(str::to_owned));
    all
}

fn same(data: &Path, out: &Path, layers: &str) -> Config {
    let mut config = config(data, out.into(), "conv 1x1, dense");
    let layers: Layers = layers.parse().unwrap();
    config.arch = Architecture::new(145, 145, 0, layers.0).unwrap();
    config.fit.epochs = EPOCHS;
    config.fit.pair_weight = 1.0;
    config.existing.resume = true;
    config
}

/// Examples of 145 bases.
fn data(folder: &Path) -> PathBuf {
    // The notes name it, and are to be larger than a block of any shell.
    let path = folder.join(format!("examples{}.parquet", "_".repeat(200)));
    let mut rows = motifs(300);
    let mut random = Random::at(4, &[]);
    for sequence in &mut rows.sequences {
        sequence.extend((WINDOW..145).map(|_| char::from(b"ACGT"[random.index(4)])));
    }
    write(&path, &rows);
    path
}

/// The files of an unfinished run.
fn unfinished(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let folder = fs::read_dir(out.join(".partial")).unwrap();
    let files = folder.map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    });
    files.collect()
}

/// The unbroken run's model, and a run stopped after its second epoch.
fn stopped(folder: &Path, data: &Path, layers: &str) -> (Vec<u8>, PathBuf) {
    let whole = folder.join("whole");
    go(&same(data, &whole, layers)).unwrap();
    let out = folder.join("out");
    let cancel = Cancel::default();
    let config = same(data, &out, layers);
    run(&config, &StopAfter(2, cancel.clone()), &cancel).unwrap_err();
    (fs::read(whole.join("model.onnx")).unwrap(), out)
}

/// Goes on without a limit, and ends with the unbroken run's bytes.
fn goes_on(arguments: &[String], out: &Path, model: &[u8]) {
    let output = Command::new(env!("CARGO_BIN_EXE_mpra-score"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(fs::read(out.join("model.onnx")).unwrap() == model);
    assert!(!out.join(".partial").exists());
}

#[test]
fn the_state_of_the_last_epoch_outlives_one_that_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let data = data(dir.path());
    // 16 bytes a weight: about 100 kB, beyond the limit of 8 or 16 kB.
    let layers = "conv 16x8, relu, conv 16x15, relu, maxpool 24, dense";
    let (model, out) = stopped(dir.path(), &data, layers);
    let arguments = arguments(&data, &out, layers);
    let before = unfinished(&out);
    let size = |name: &str| before[name].len();
    assert!(size("state-2.bin") > 40_000 && size("checkpoint.json") < 8192);
    let output = limited(dir.path(), 16, &arguments);
    refused_to_write(&output, "state-3.bin");
    // Nothing half-written beside it, either.
    assert!(unfinished(&out) == before, "{:?}", unfinished(&out).keys());
    goes_on(&arguments, &out, &model);
}

#[test]
fn the_notes_of_the_last_epoch_outlive_ones_that_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let data = data(dir.path());
    // So small a state that the notes are larger: it can be written, they cannot.
    let layers = "conv 1x2, relu, maxpool 144, dense";
    let (model, out) = stopped(dir.path(), &data, layers);
    let arguments = arguments(&data, &out, layers);
    let before = unfinished(&out);
    let size = |name: &str| before[name].len();
    assert!(size("state-2.bin") < 512 && size("checkpoint.json") > 1024);
    let output = limited(dir.path(), 1, &arguments);
    refused_to_write(&output, "checkpoint.json");
    let after = unfinished(&out);
    for name in ["checkpoint.json", "state-2.bin"] {
        assert!(after[name] == before[name], "{name}");
    }
    goes_on(&arguments, &out, &model);
}

#[test]
fn the_last_checkpoint_outlives_a_model_that_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let data = data(dir.path());
    let layers = "conv 1x2, relu, maxpool 144, dense";
    let out = dir.path().join("out");
    let mut arguments = arguments(&data, &out, layers);
    // The model is larger than the notes, and no checkpoint has its description.
    arguments.extend(["--description".into(), "x".repeat(40_000)]);
    let output = limited(dir.path(), 16, &arguments);
    refused_to_write(&output, "model.onnx");
    assert!(!out.join("model.onnx").exists() && !out.join("run.json").exists());
    let kept = unfinished(&out);
    assert!(
        kept.contains_key(&format!("state-{EPOCHS}.bin")),
        "{:?}",
        kept.keys()
    );
    let whole = dir.path().join("whole");
    let mut config = same(&data, &whole, layers);
    config.description = Some("x".repeat(40_000));
    go(&config).unwrap();
    goes_on(
        &arguments,
        &out,
        &fs::read(whole.join("model.onnx")).unwrap(),
    );
}
