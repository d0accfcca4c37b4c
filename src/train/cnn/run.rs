use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use burn::tensor::Device;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Architecture, Epoch, Fit, FitConfig, Notes, Parameters, State, Watch, start_from, to_onnx,
};
use crate::dataset::{Split, spearman};
use crate::genome::{Aliases, BedSource, Fasta, InvalidPolicy, Regions, read_bed};
use crate::model::{Model, ModelFile, ModelOptions, Predict, Runtime};
use crate::output::{Existing, OutputDir};
use crate::plot::{Density, Line, Style, density, lines};
use crate::train::teacher::{LabelCache, Teacher, label};
use crate::train::{Examples, Mutants, StretchSource, TrainError, read_examples, stretches};
use crate::{Cancel, Error, VERSION};

/// What a network learns from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A Parquet file of `mpra-score dataset`.
    Examples {
        /// The file.
        path: PathBuf,
        /// Only these tasks, in this order.
        tasks: Option<Vec<String>>,
    },
    /// A teacher's outputs on stretches of a genome.
    Teacher(TeacherSource),
}

/// A teacher and what it labels.
#[derive(Clone, Debug)]
pub struct TeacherSource {
    /// The models; a task's label is the mean over those that have it.
    pub models: Vec<PathBuf>,
    /// What the user says of them.
    pub options: ModelOptions,
    /// The student's tasks.
    pub tasks: Vec<String>,
    /// Student's task and teacher's output, where their names differ.
    pub pairs: Vec<(String, String)>,
    /// Share of the reverse complement's output in a label.
    pub reverse: f32,
    /// The genome.
    pub fasta: PathBuf,
    /// Regions; the whole genome when there are none.
    pub bed: Option<PathBuf>,
    /// Names of contigs.
    pub aliases: Aliases,
    /// So many random stretches instead of the regions themselves.
    pub random: Option<usize>,
    /// Bases of a stretch; the window where not given.
    pub stretch: Option<usize>,
    /// Bases from one window of a stretch to the next.
    pub step: usize,
    /// Mutated copies of training stretches.
    pub mutants: Option<Mutants>,
    /// Contigs of the validation side.
    pub validation: Vec<String>,
    /// Contigs of the test side.
    pub test: Vec<String>,
    /// A file to keep labels in.
    pub cache: Option<PathBuf>,
}

/// A run of `mpra-score train`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data.
    pub source: Source,
    /// The architecture.
    pub arch: Architecture,
    /// Another model to start from.
    pub init: Option<PathBuf>,
    /// What the user says of it.
    pub init_options: ModelOptions,
    /// The fitting.
    pub fit: FitConfig,
    /// Text for the model's metadata.
    pub description: Option<String>,
    /// Output folder.
    pub out: PathBuf,
    /// What to do with what is in it.
    pub existing: Existing,
    /// Worker threads.
    pub threads: usize,
    /// The ONNX Runtime library.
    pub ort_lib: Option<PathBuf>,
    /// The command line, for the provenance.
    pub command_line: Vec<String>,
}

/// What a run did.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Files written, `run.json` last.
    pub files: Vec<PathBuf>,
    /// Best epoch.
    pub best: Option<Epoch>,
    /// Pearson correlation on the test side, by task.
    pub test: Vec<(String, f64)>,
}

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
    if config.fit.batch == 0 || config.fit.epochs == 0 {
        return Err(TrainError::Setting("--batch and --epochs are at least 1".into()).into());
    }
    // Before any work: without it the export cannot be checked.
    let runtime =
        Runtime::load(config.ort_lib.as_deref()).map_err(crate::model::ModelError::from)?;
    let mut out = OutputDir::create(&config.out, config.existing)?;
    cancel.files_begin();
    let (examples, data) = examples(config, &runtime, cancel)?;
    let scaling = examples.scaling(config.fit.batch)?;
    let device = Device::flex();
    let fit = Fit {
        arch: &config.arch,
        examples: &examples,
        scaling: &scaling,
        config: &config.fit,
        device,
    };
    fit.geometry()?;
    let tasks = &examples.tasks;
    let mut start = Parameters::random(&config.arch, tasks.len(), config.fit.seed);
    let mut init = Value::Null;
    if let Some(path) = &config.init {
        let file = ModelFile::read(path)?;
        let spec = file.spec(&config.init_options)?;
        let layers = start_from(&mut start, &config.arch, &scaling, &file, &spec)?;
        tracing::info!("{layers} layer(s) start from {}", path.display());
        init = json!({"path": path, "sha256": file.sha256(), "layers": layers});
    }
    let key = json!({
        "version": VERSION,
        "architecture": config.arch.to_string(),
        "input": [config.arch.window, config.arch.length, config.arch.offset],
        "fit": config.fit,
        "tasks": tasks,
        "data": data,
        "init": init,
        "threads": config.threads,
    });
    let notes: Option<Notes> = out.checkpoint()?;
    let state = match &notes {
        None => State::new(start.clone()),
        Some(notes) => {
            same_run(&notes.run, &key)?;
            tracing::info!("going on after epoch {}", notes.history.len());
            State::load(out.partial(), notes, &start)?
        }
    };
    let mut last = notes.map(|n| n.file);
    let mut save = |state: &State| -> Result<(), Error> {
        let notes = state.save(out.partial(), &key)?;
        out.write_checkpoint(&notes)?;
        if let Some(old) = last
            .replace(notes.file.clone())
            .filter(|f| *f != notes.file)
        {
            // The notes no longer name it; a leftover goes with the folder.
            let _ = fs::remove_file(out.partial().join(old));
        }
        Ok(())
    };
    let begun = Instant::now();
    let state = fit.run(state, &mut save, watch, cancel)?;
    let seconds = begun.elapsed().as_secs_f64();

    let description = config
        .description
        .clone()
        .unwrap_or_else(|| format!("{} trained by mpra-score {VERSION}", config.arch));
    let onnx = to_onnx(&config.arch, &state.best, &scaling, tasks, &description);
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
        "architecture": key["architecture"],
        "layers": config.arch.layers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "window": config.arch.window,
        "columns": config.arch.length,
        "offset": config.arch.offset,
        "parameters": state.best.count(),
        "tasks": tasks,
        "labels": {"mean": scaling.mean, "scale": scaling.scale},
        "data": key["data"],
        "split": sides,
        "windows_per_sequence": examples.windows,
        "init": key["init"],
        "fit": config.fit,
        "seed": config.fit.seed,
        "epochs": state.history.len(),
        "best_epoch": best.as_ref().map(|b| b.epoch),
        "validation_loss": best.as_ref().map(|b| b.validation),
        "test_loss": loss,
        "test": metrics,
        "export": {"windows": test.rows, "largest_difference": test.largest},
        "sha256": hex(&onnx),
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

fn same_run(old: &Value, new: &Value) -> Result<(), TrainError> {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else {
        return Err(TrainError::OtherRun("configuration".into()));
    };
    let differs = new.iter().find(|(key, value)| old.get(*key) != Some(value));
    match differs {
        None => Ok(()),
        Some((key, _)) => Err(TrainError::OtherRun(key.clone())),
    }
}

/// Reads or makes the examples, and says what they are.
fn examples(
    config: &Config,
    runtime: &Runtime,
    cancel: &Cancel,
) -> Result<(Examples, Value), Error> {
    let window = config.arch.window;
    let source = match &config.source {
        Source::Examples { path, tasks } => {
            let examples = read_examples(path, tasks.as_deref())?;
            let bytes = fs::read(path).map_err(|e| TrainError::Read(e, path.clone()))?;
            let what = json!({
                "examples": path, "sha256": hex(&bytes), "sequences": examples.len(),
            });
            return Ok((examples, what));
        }
        Source::Teacher(source) => source,
    };
    let mut teachers = Vec::new();
    let mut models = Vec::new();
    for path in &source.models {
        let file = ModelFile::read(path)?;
        models.push(json!({"path": path, "sha256": file.sha256()}));
        let model = Model::open(file, &source.options, runtime)?;
        teachers.push(Teacher::new(model, &source.tasks, &source.pairs)?);
    }
    let step = source.step;
    let bases = source.stretch.unwrap_or(window);
    if step == 0 || step > window || bases < window {
        return Err(TrainError::Setting(format!(
            "--step is from 1 to the window of {window}, --stretch at least the window"
        ))
        .into());
    }
    // Bases behind the last window would belong to none.
    let bases = window + (bases - window) / step * step;
    let fasta = Fasta::open(&source.fasta, false)?;
    let spool = std::env::temp_dir();
    let regions = match &source.bed {
        Some(path) => read_bed(
            &BedSource::from_arg(path),
            fasta.contigs(),
            &source.aliases,
            InvalidPolicy::Fail,
            &spool,
        )?,
        None => Regions::whole_contigs(fasta.contigs(), &spool)?,
    };
    let (mut examples, left_out) = stretches(
        &StretchSource {
            fasta: &fasta,
            regions: &regions,
            random: source.random,
            bases,
            window,
            step: if bases == window { window } else { step },
            validation: &source.validation,
            test: &source.test,
            seed: config.fit.seed,
        },
        source.tasks.clone(),
    )?;
    if left_out > 0 {
        tracing::info!("{left_out} stretch(es) left out: unknown bases, doubles or too short");
    }
    if let Some(mutants) = &source.mutants {
        mutants.append(&mut examples, config.fit.seed);
    }
    let cache = source
        .cache
        .as_ref()
        .map(|path| LabelCache::new(path, &examples, &teachers, source.reverse));
    let known = match &cache {
        Some(cache) => cache.load(&mut examples)?,
        None => false,
    };
    if !known {
        let begun = Instant::now();
        label(&mut examples, &teachers, window, source.reverse, cancel)?;
        tracing::info!(
            "{} windows labelled in {:.1} s",
            examples.len() * examples.windows,
            begun.elapsed().as_secs_f64()
        );
        if let Some(cache) = &cache {
            cache.save(&examples)?;
        }
    }
    let what = json!({
        "teachers": models,
        "fasta": source.fasta,
        "bed": source.bed,
        "random": source.random,
        "stretch": bases,
        "step": step,
        "outputs": source.pairs,
        "reverse": source.reverse,
        "mutants": source.mutants,
        "validation": source.validation,
        "test": source.test,
        "sequences": examples.len(),
        "left_out": left_out,
        "sequences_sha256": hex(&examples.codes),
    });
    if !config.arch.is_bare() && examples.windows > 1 {
        examples = examples.split_windows(window, 1);
    }
    Ok((examples, what))
}

/// The test side as ONNX Runtime predicts it, in label units.
struct Tested {
    predicted: Vec<f32>,
    labels: Vec<f32>,
    rows: usize,
    largest: f32,
}

impl Tested {
    /// Predictions and labels of a task, where there are labels.
    fn task(&self, task: usize, tasks: usize) -> (Vec<f64>, Vec<f64>) {
        let pairs = self.predicted.iter().zip(&self.labels);
        pairs
            .skip(task)
            .step_by(tasks)
            .filter(|(_, label)| !label.is_nan())
            .map(|(p, l)| (f64::from(*p), f64::from(*l)))
            .unzip()
    }
}

/// Runs the exported file on the test side and compares it with the network.
fn check(
    fit: &Fit<'_>,
    best: &Parameters,
    path: &std::path::Path,
    runtime: &Runtime,
) -> Result<Tested, Error> {
    let examples = fit.examples;
    let which = examples.originals(Split::Test);
    let tasks = examples.tasks.len();
    let network = fit.predict(best, &which)?;
    let mut model = Model::open(ModelFile::read(path)?, &ModelOptions::default(), runtime)?;
    let window = model.window();
    let mut predicted = vec![0.0; network.len()];
    let mut labels = Vec::with_capacity(network.len());
    let mut codes = Vec::new();
    for (&i, out) in which
        .iter()
        .zip(predicted.chunks_exact_mut(examples.windows * tasks))
    {
        let sequence = examples.sequence(i as usize);
        codes.clear();
        for k in 0..examples.windows {
            let from = match examples.columns == fit.arch.length && !fit.arch.is_bare() {
                // The data's own frame: the model sees the window's columns only.
                true => fit.arch.offset,
                false => k * examples.step,
            };
            codes.extend_from_slice(&sequence[from..from + window]);
        }
        model.predict(&codes, out)?;
        labels.extend_from_slice(examples.labels_of(i as usize));
    }
    let framed = examples.columns == fit.arch.length && !fit.arch.is_bare();
    let mut largest = 0.0f32;
    for (at, (onnx, network)) in predicted.iter().zip(&network).enumerate() {
        let task = at % tasks;
        let scale = fit.scaling.scale[task];
        let network = (f64::from(*network) * scale + fit.scaling.mean[task]) as f32;
        // In units of the labels' deviation, which is what was trained.
        let off = (onnx - network).abs() / scale as f32;
        // Data with frames of their own hold bases where the model has none.
        if framed {
            continue;
        }
        largest = largest.max(off);
        if !(off <= 1e-4) {
            return Err(TrainError::Export {
                row: at / tasks,
                task: examples.tasks[task].clone(),
                onnx: *onnx,
                network,
            }
            .into());
        }
    }
    Ok(Tested {
        rows: predicted.len() / tasks,
        predicted,
        labels,
        largest,
    })
}

fn write_table(out: &mut OutputDir, history: &[Epoch], tasks: &[String]) -> Result<(), TrainError> {
    let mut text = "epoch\tlearning_rate\ttrain_loss\tvalidation_loss".to_owned();
    for task in tasks {
        let _ = write!(text, "\t{task}.validation_pearson");
    }
    text.push_str("\tseconds\n");
    for row in history {
        let _ = write!(
            text,
            "{}\t{:e}\t{:.6}\t{:.6}",
            row.epoch, row.rate, row.train, row.validation
        );
        for r in &row.pearson {
            let _ = write!(text, "\t{r:.4}");
        }
        let _ = writeln!(text, "\t{:.1}", row.seconds);
    }
    let path = out.file("training.tsv");
    fs::write(&path, text).map_err(|e| TrainError::Write(e, path.clone()))
}

fn figures(
    out: &mut OutputDir,
    history: &[Epoch],
    tasks: &[String],
    test: &Tested,
) -> Result<(), TrainError> {
    let line = |name: &str, value: fn(&Epoch) -> f64| Line {
        name: name.into(),
        points: (history.iter().map(|e| (e.epoch as f64, value(e)))).collect(),
    };
    lines(
        &out.file("learning.svg"),
        &Style {
            title: "Learning curves",
            x: "epoch",
            y: "mean squared error (standardised)",
        },
        &[
            line("training", |e| e.train),
            line("validation", |e| e.validation),
        ],
    )?;
    let panels: Vec<Density> = (tasks.iter().enumerate())
        .map(|(t, task)| {
            let (x, y) = test.task(t, tasks.len());
            Density {
                title: format!("{task}, r = {:.3}", crate::dataset::pearson(&x, &y)),
                x_label: "predicted".into(),
                y_label: "observed".into(),
                x,
                y,
            }
        })
        .collect();
    density(
        &out.file("predicted.svg"),
        "Predicted and observed activity, test side",
        &panels,
    )?;
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|b| format!("{b:02x}")).collect()
}
