use std::fs;
use std::time::Instant;

use serde_json::{Value, json};

use super::data::{bring_to_units, examples, output_pairs};
use super::report::{check, figures, write_table};
use super::search::search;
use super::{
    Beside, Config, Fit, Notes, Network, State, Summary, Watch, sha256, start_from, to_onnx,
};
use crate::dataset::{Split, spearman};
use crate::model::{ModelError, ModelFile, Runtime};
use crate::output::OutputDir;
use crate::train::{TrainError, read_examples};
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
    let device = config.hardware.device()?;
    let fit = Fit {
        arch: &config.arch,
        examples: &examples,
        scaling: &scaling,
        config: &config.fit,
        device,
    };
    fit.geometry()?;
    let tasks = &examples.tasks;
    let mut start = Network::random(&config.arch, tasks.len(), config.fit.seed);
    let mut init = Value::Null;
    if let Some(path) = &config.init {
        let file = ModelFile::read(path)?;
        let mut said = config.init_options.clone();
        if file.names_tasks() {
            // The names are a teacher's then.
            said.task_names = None;
        }
        let spec = file.spec(&said)?;
        let outputs = output_pairs(&spec.tasks, tasks, &config.init_pairs)?;
        let layers = start_from(
            &mut start,
            &config.arch,
            &scaling,
            &file,
            &spec,
            &outputs,
            config.init_reverse,
        )?;
        tracing::info!("{layers} layer(s) start from {}", path.display());
        init = json!({
            "path": path, "sha256": file.sha256(), "layers": layers, "reverse": config.init_reverse,
        });
    }
    let other = match &config.beside {
        None => None,
        Some((path, weight)) => {
            let mut examples = read_examples(path, None)?.for_tasks(tasks)?;
            if config.arch.is_bare() && examples.columns != config.arch.window {
                return Err(TrainError::Windows(format!(
                    "{} has sequences of {} bases, the network reads {}",
                    path.display(),
                    examples.columns,
                    config.arch.window
                ))
                .into());
            }
            examples.step = examples.columns;
            Some((examples, *weight, path))
        }
    };
    let other_scaling = match &other {
        Some((examples, _, path)) => Some(bring_to_units(&fit, &start, examples, path)?),
        None => None,
    };
    let beside = match (&other, &other_scaling) {
        (Some((examples, weight, _)), Some(scaling)) => Some(Beside {
            fit: Fit {
                examples,
                scaling,
                device: fit.device.clone(),
                ..fit
            },
            weight: *weight,
        }),
        _ => None,
    };
    let key = json!({
        "beside": match &other {
            Some((examples, weight, path)) => json!({
                "examples": path, "weight": weight, "scaling": other_scaling,
                "sequences": examples.len(), "sequences_sha256": sha256(&examples.codes),
            }),
            None => Value::Null,
        },
        "version": VERSION,
        "architecture": config.arch.to_string(),
        "input": [config.arch.window, config.arch.length, config.arch.offset],
        "fit": config.fit,
        "tasks": tasks,
        "data": data,
        "init": init,
        "search": config.search,
        "threads": config.threads,
    });
    let begun = Instant::now();
    let (arch, state) = match config.search {
        Some(draws) => search(&fit, draws, &key, &mut out, watch, cancel)?,
        None => {
            let state = one(&fit, beside.as_ref(), &start, &key, &out, watch, cancel)?;
            (config.arch.clone(), state)
        }
    };
    let seconds = begun.elapsed().as_secs_f64();
    let fit = Fit { arch: &arch, ..fit };

    let description = config
        .description
        .clone()
        .unwrap_or_else(|| format!("{arch} trained by mpra-score {VERSION}"));
    let onnx = to_onnx(&arch, &state.best, &scaling, tasks, &description);
    let path = out.file("model.onnx");
    fs::write(&path, &onnx).map_err(|e| TrainError::Write(e, path.clone()))?;
    let test = check(&fit, &state.best, &path, &runtime)?;
    write_table(&mut out, &state.history, tasks)?;
    let (loss, correlations) = fit.judge(&state.best, Split::Test)?;
    figures(&mut out, &state.history, tasks, &test)?;
    let best = state.best_epoch().cloned();
    let mut metrics = serde_json::Map::new();
    for (t, task) in tasks.iter().enumerate() {
        let (x, y) = test.task(t, tasks.len());
        metrics.insert(
            task.clone(),
            json!({"pearson": correlations[t], "spearman": spearman(&x, &y)}),
        );
    }
    let measured = match &beside {
        None => Value::Null,
        Some(beside) => {
            let mut table = serde_json::Map::new();
            for side in Split::ALL {
                let before = beside.fit.judge(&start, side)?.1;
                let after = beside.fit.judge(&state.best, side)?.1;
                for ((task, a), b) in tasks.iter().zip(before).zip(after) {
                    if !b.is_nan() {
                        table.insert(
                            format!("{task}.{}", side.as_str()),
                            json!({"pearson_at_start": a, "pearson": b}),
                        );
                    }
                }
            }
            Value::Object(table)
        }
    };
    let sides: Vec<Value> = Split::ALL
        .into_iter()
        .map(|s| json!({"side": s.as_str(), "sequences": examples.originals(s).len()}))
        .collect();
    let shown: usize = state.history.len()
        * examples.originals(Split::Train).len()
        * examples.windows
        * if examples.parent.iter().any(Option::is_some) {
            2
        } else {
            1
        };
    let trained_seconds: f64 = state.history.iter().map(|e| e.seconds).sum();
    let model = json!({
        "architecture": arch.to_string(),
        "layers": arch.layers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "window": arch.window,
        "columns": arch.length,
        "offset": arch.offset,
        "parameters": state.best.count(),
        "tasks": tasks,
        "labels": {"mean": scaling.mean, "scale": scaling.scale},
        "data": key["data"],
        "split": sides,
        "windows_per_sequence": examples.windows,
        "init": key["init"],
        "beside": key["beside"],
        "measured": measured,
        "fit": config.fit,
        "seed": config.fit.seed,
        "epochs": state.history.len(),
        "best_epoch": best.as_ref().map(|b| b.epoch),
        "validation_loss": best.as_ref().map(|b| b.validation),
        "test_loss": loss,
        "test": metrics,
        "export": {
            "windows": test.rows, "inputs": test.inputs, "largest_difference": test.largest,
        },
        "sha256": sha256(&onnx),
    });
    let text = format!("{model:#}\n");
    let path = out.file("model.json");
    fs::write(&path, text).map_err(|e| TrainError::Write(e, path.clone()))?;
    let run = json!({
        "program": "mpra-score",
        "version": VERSION,
        "command": "train",
        "command_line": config.command_line,
        "inputs": key["data"],
        "init": key["init"],
        "onnxruntime": runtime.version(),
        "threads": config.threads,
        "seconds": seconds,
        "windows_per_second": shown as f64 / trained_seconds.max(1e-9),
        "outputs": out.names(),
    });
    let files = out.commit(&run)?;
    Ok(Summary {
        files,
        best,
        test: tasks.iter().cloned().zip(correlations).collect(),
    })
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

pub(super) fn same_run(old: &Value, new: &Value) -> Result<(), TrainError> {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else {
        return Err(TrainError::OtherRun("configuration".into()));
    };
    let differs = new.iter().find(|(key, value)| old.get(*key) != Some(value));
    match differs {
        None => Ok(()),
        Some((key, _)) => Err(TrainError::OtherRun(key.clone())),
    }
}
