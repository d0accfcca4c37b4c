use std::fs;
use std::time::Instant;

use serde_json::{Value, json};

use super::data::examples;
use super::report::{Trained, cells, check, figures, model_json, write_table};
use super::search::search;
use super::start::{measured, network};
use super::{Beside, Config, Fit, Network, Notes, Source, State, Summary, Watch, to_onnx};
use crate::dataset::Split;
use crate::job::{self, Cancel, InputFile, RunInfo, same_settings, sha256};
use crate::model::{ModelError, Runtime};
use crate::output::{self, OutputDir};
use crate::train::Examples;
use crate::{Error, VERSION};

/// Trains a network and writes `model.onnx`, `training.tsv`, `learning.svg`, `predicted.svg`,
/// `model.json` and `run.json`.
///
/// # Errors
/// Any error of the data, the models, fitting or the output folder. A folder with a checkpoint keeps
/// it when the run may be resumed.
pub fn run(config: &Config, watch: &dyn Watch, cancel: &Cancel) -> Result<Summary, Error> {
    job::on_threads(config.threads, || train(config, watch, cancel))
}

fn train(config: &Config, watch: &dyn Watch, cancel: &Cancel) -> Result<Summary, Error> {
    config.check()?;
    // Before any work: without it the export cannot be checked.
    let runtime = Runtime::load(config.ort_lib.as_deref()).map_err(ModelError::from)?;
    let mut out = OutputDir::create(&config.out, config.existing)?;
    out.keep_notes();

    let (examples, data) = examples(config, &runtime, cancel)?;
    let scaling = examples.scaling(config.fit.batch)?;
    let fit = Fit {
        arch: &config.arch,
        examples: &examples,
        scaling: &scaling,
        heads: 0..examples.tasks.len(),
        config: &config.fit,
    };
    fit.geometry()?;
    let (start, init) = network(config, &fit)?;
    let measured = measured(config, &fit, &start)?;
    let beside = measured.as_ref().map(|measured| Beside {
        fit: Fit {
            examples: &measured.examples,
            scaling: &measured.scaling,
            heads: fit.heads.clone(),
            ..fit
        },
        weight: measured.weight,
        batch: config.fit.batch,
    });
    let beside: Vec<Beside<'_>> = beside.into_iter().collect();
    let said = measured.as_ref().map_or(&Value::Null, |m| &m.what);
    let key = settings(config, &examples.tasks, said, data, init);

    let begun = Instant::now();
    let (arch, state) = match config.search {
        Some(draws) => search(&fit, draws, &key, &mut out, watch, cancel)?,
        None => {
            let state = one(&fit, &beside, &start, &key, &out, watch, cancel)?;
            (config.arch.clone(), state)
        }
    };
    let trained = Trained {
        arch: &arch,
        state: &state,
        start: &start,
        beside: &beside,
        key: &key,
        seconds: begun.elapsed().as_secs_f64(),
    };
    let fit = Fit {
        arch: &arch,
        heads: fit.heads.clone(),
        ..fit
    };
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
    output::write(&path, &onnx)?;
    let test = check(fit, &state.best, &path, runtime)?;
    let columns: Vec<String> = (tasks.iter())
        .map(|task| format!("{task}.validation_pearson"))
        .collect();
    write_table(&mut out, &state.history, &columns, |row| {
        cells(&row.pearson).collect()
    })?;
    let tested = fit.judge(&state.best, Split::Test)?;
    let (loss, correlations) = (tested.loss, tested.figures);
    figures(&mut out, &state.history, tasks, &test)?;
    let model = model_json(fit, trained, &test, (loss, &correlations), &sha256(&onnx))?;
    let path = out.file("model.json");
    output::write(&path, format!("{model:#}\n"))?;
    let trained_seconds: f64 = state.history.iter().map(|e| e.seconds).sum();
    let shown = state.history.len() * windows_of_an_epoch(fit.examples);
    let mut run = RunInfo::new("train", &config.command);
    inputs(config, &mut run);
    run.onnxruntime = Some(runtime.used());
    run.settings = job::map((*key).clone());
    run.threads = Some(config.threads);
    run.seed = Some(config.fit.seed);
    run.seconds = Some(trained.seconds);
    let speed = shown as f64 / trained_seconds.max(1e-9);
    run.results
        .insert("windows_per_second".into(), json!(speed));
    let files = out.commit(run)?;
    Ok(Summary {
        files,
        best: state.best_epoch().cloned(),
        test: tasks.iter().cloned().zip(correlations).collect(),
    })
}

/// The files that a run reads, for `run.json`.
fn inputs(config: &Config, run: &mut RunInfo) {
    match &config.source {
        Source::Examples { path, .. } => run.input("examples", path),
        Source::Teacher(teacher) => {
            run.inputs("teacher", &teacher.models);
            run.inputs.push(InputFile::sized("fasta", &teacher.fasta));
            run.inputs("bed", &teacher.bed);
        }
    }
    run.inputs("init", &config.init);
    run.inputs("beside", config.beside.as_ref().map(|(path, _)| path));
}

/// Windows that an epoch shows, those of mutated copies too.
fn windows_of_an_epoch(examples: &Examples) -> usize {
    let copies = examples.parent.iter().any(Option::is_some);
    examples.originals(Split::Train).len() * examples.windows * if copies { 2 } else { 1 }
}

/// Fits one network, from a checkpoint if there is one.
pub(super) fn one(
    fit: &Fit<'_>,
    beside: &[Beside<'_>],
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
            same_settings(&notes.run, key)?;
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
