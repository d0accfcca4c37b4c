use std::fs;
use std::time::Instant;

use serde_json::{Value, json};

use super::data::examples;
use super::report::{Trained, check, figures, model_json, write_table};
use super::same::same_run;
use super::search::search;
use super::start::{measured, network};
use super::{Beside, Config, Fit, Network, Notes, State, Summary, Watch, sha256, to_onnx};
use crate::dataset::Split;
use crate::model::{ModelError, Runtime};
use crate::output::OutputDir;
use crate::train::{Examples, TrainError};
use crate::{Cancel, Error, VERSION};

/// Trains a network and writes `model.onnx`, `training.tsv`, `learning.svg`, `predicted.svg`,
/// `model.json` and `run.json`.
///
/// # Errors
/// Any error of the data, the models, fitting or the output folder. A folder with a checkpoint keeps
/// it when the run may be resumed.
pub fn run(config: &Config, watch: &dyn Watch, cancel: &Cancel) -> Result<Summary, Error> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(config.threads)
        .build()
        .map_err(|e| TrainError::Threads(config.threads, e))?;
    pool.install(|| train(config, watch, cancel))
}

fn train(config: &Config, watch: &dyn Watch, cancel: &Cancel) -> Result<Summary, Error> {
    config.check()?;
    config.hardware.device()?;
    // Before any work: without it the export cannot be checked.
    let runtime = Runtime::load(config.ort_lib.as_deref()).map_err(ModelError::from)?;
    let mut out = OutputDir::create(&config.out, config.existing)?;
    cancel.files_begin();

    let (examples, data) = examples(config, &runtime, cancel)?;
    let scaling = examples.scaling(config.fit.batch)?;
    let fit = Fit {
        arch: &config.arch,
        examples: &examples,
        scaling: &scaling,
        config: &config.fit,
        device: config.hardware.device()?,
    };
    fit.geometry()?;
    let (start, init) = network(config, &fit)?;
    let measured = measured(config, &fit, &start)?;
    let beside = measured.as_ref().map(|measured| Beside {
        fit: Fit {
            examples: &measured.examples,
            scaling: &measured.scaling,
            device: fit.device.clone(),
            ..fit
        },
        weight: measured.weight,
    });
    let said = measured.as_ref().map_or(&Value::Null, |m| &m.what);
    let key = settings(config, &examples.tasks, said, data, init);

    let begun = Instant::now();
    let (arch, state) = match config.search {
        Some(draws) => search(&fit, draws, &key, &mut out, watch, cancel)?,
        None => {
            let state = one(&fit, beside.as_ref(), &start, &key, &out, watch, cancel)?;
            (config.arch.clone(), state)
        }
    };
    let trained = Trained {
        arch: &arch,
        state: &state,
        start: &start,
        beside: beside.as_ref(),
        key: &key,
        seconds: begun.elapsed().as_secs_f64(),
    };
    let fit = Fit { arch: &arch, ..fit };
    write(config, &fit, &trained, &runtime, out)
}

/// Everything that the result depends on.
fn settings(config: &Config, tasks: &[String], beside: &Value, data: Value, init: Value) -> Value {
    json!({
        "beside": beside,
        "version": VERSION,
        "architecture": config.arch.to_string(),
        "input": [config.arch.window, config.arch.length, config.arch.offset],
        "fit": config.fit,
        "tasks": tasks,
        "data": data,
        "init": init,
        "search": config.search,
        "threads": config.threads,
    })
}

/// Exports the best network, checks the file on the test side and writes what there is to say of it.
fn write(
    config: &Config,
    fit: &Fit<'_>,
    trained: &Trained<'_>,
    runtime: &Runtime,
    mut out: OutputDir,
) -> Result<Summary, Error> {
    let Trained {
        arch, state, key, ..
    } = trained;
    let tasks = &fit.examples.tasks;
    let description = config
        .description
        .clone()
        .unwrap_or_else(|| format!("{arch} trained by mpra-score {VERSION}"));
    let onnx = to_onnx(arch, &state.best, fit.scaling, tasks, &description);
    let path = out.file("model.onnx");
    fs::write(&path, &onnx).map_err(|e| TrainError::Write(e, path.clone()))?;
    let test = check(fit, &state.best, &path, runtime)?;
    write_table(&mut out, &state.history, tasks)?;
    let (loss, correlations) = fit.judge(&state.best, Split::Test)?;
    figures(&mut out, &state.history, tasks, &test)?;
    let model = model_json(fit, trained, &test, (loss, &correlations), &sha256(&onnx))?;
    let path = out.file("model.json");
    fs::write(&path, format!("{model:#}\n")).map_err(|e| TrainError::Write(e, path.clone()))?;
    let trained_seconds: f64 = state.history.iter().map(|e| e.seconds).sum();
    let shown = state.history.len() * windows_of_an_epoch(fit.examples);
    let run = json!({
        "program": "mpra-score",
        "version": VERSION,
        "command": "train",
        "command_line": config.command_line,
        "inputs": key["data"],
        "init": key["init"],
        "onnxruntime": runtime.version(),
        "threads": config.threads,
        "seconds": trained.seconds,
        "windows_per_second": shown as f64 / trained_seconds.max(1e-9),
        "outputs": out.names(),
    });
    let files = out.commit(&run)?;
    Ok(Summary {
        files,
        best: state.best_epoch().cloned(),
        test: tasks.iter().cloned().zip(correlations).collect(),
    })
}

/// Windows that an epoch shows, those of mutated copies too.
fn windows_of_an_epoch(examples: &Examples) -> usize {
    let copies = examples.parent.iter().any(Option::is_some);
    examples.originals(Split::Train).len() * examples.windows * if copies { 2 } else { 1 }
}

/// Fits one network, from a checkpoint if there is one.
fn one(
    fit: &Fit<'_>,
    beside: Option<&Beside<'_>>,
    start: &Network,
    key: &Value,
    out: &OutputDir,
    watch: &dyn Watch,
    cancel: &Cancel,
) -> Result<State, Error> {
    let notes: Option<Notes> = out.checkpoint()?;
    let state = match &notes {
        None => State::new(start.clone()),
        Some(notes) => {
            same_run(&notes.run, key)?;
            tracing::info!("going on after epoch {}", notes.history.len());
            State::load(out.partial(), notes, start)?
        }
    };
    let mut last = notes.map(|n| n.file);
    let mut save = |state: &State| -> Result<(), Error> {
        let notes = state.save(out.partial(), "state", key)?;
        out.write_checkpoint(&notes)?;
        let old = last.replace(notes.file.clone());
        if let Some(old) = old.filter(|f| *f != notes.file) {
            // The notes no longer name it; a leftover goes with the folder.
            let _ = fs::remove_file(out.partial().join(old));
        }
        Ok(())
    };
    fit.run(state, fit.config.epochs, beside, &mut save, watch, cancel)
}
