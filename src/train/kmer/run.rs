use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use rayon::prelude::*;
use serde_json::json;

use super::sgd::error;
use super::{Epoch, Example, Fit, KmerError, Kmers, Penalty, Progress, Settings, fit, to_onnx};
use crate::dataset::Split;
use crate::evaluate::{self, Bootstrap, Row, Values, ceiling, metrics};
use crate::genome::Aliases;
use crate::labelled::{Label, Labelled, Source, sha256};
use crate::model::{Model, ModelError, ModelFile, ModelOptions, Runtime};
use crate::output::{Existing, OutputDir};
use crate::plot::{self, Hexes, Line, Style};
use crate::{Cancel, Error};

/// Largest difference that the exported file may have from the regression, as share of 1 + |value|.
const TOLERANCE: f64 = 1e-4;

/// A run of `mpra-score train kmer`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Parquet of [`crate::dataset`], or a table with `sequence`, `split` and labels.
    pub data: PathBuf,
    /// Labels to learn, all when `None`.
    pub labels: Option<Vec<String>>,
    /// Which column of a label.
    pub values: Values,
    /// Bases of the longest k-mers.
    pub longest: usize,
    /// Form of the penalty.
    pub penalty: Penalty,
    /// Strengths of the penalty: the one with the least validation error is taken, task by task.
    pub alphas: Vec<f64>,
    /// As in [`Settings`].
    pub eta0: f64,
    /// Likewise.
    pub power_t: f64,
    /// Likewise.
    pub epochs: usize,
    /// Likewise.
    pub patience: usize,
    /// Use the column `weight`, where there is one.
    pub weighted: bool,
    /// Seed of the order of rows.
    pub seed: u64,
    /// Bootstrap replicates of the test figures.
    pub bootstrap: u64,
    /// The ONNX Runtime library, when the user names one.
    pub ort_lib: Option<PathBuf>,
    /// Worker threads; answers do not depend on them.
    pub threads: NonZeroUsize,
    /// The output folder.
    pub out: PathBuf,
    /// Replace earlier results.
    pub force: bool,
    /// The command line, for the provenance.
    pub command: Vec<String>,
}

/// What came of a task.
#[derive(Clone, Debug)]
pub struct TaskSummary {
    /// Its name.
    pub name: String,
    /// The penalty taken.
    pub alpha: f64,
    /// The pass taken.
    pub epoch: usize,
    /// Mean squared error of the validation rows; NaN without any.
    pub validation_mse: f64,
    /// Mean squared error and Pearson's r of the test rows, NaN without any.
    pub test: (f64, f64),
}

/// What a run found.
#[derive(Clone, Debug)]
pub struct Summary {
    /// One a task.
    pub tasks: Vec<TaskSummary>,
    /// The files, `run.json` last.
    pub files: Vec<PathBuf>,
}

/// Fits the regressions and writes `model.onnx`, `model.json`, `training.tsv`, `metrics.tsv`,
/// `learning.svg`, `predicted.svg` and `run.json`.
///
/// # Errors
/// For everything that can be wrong with settings, data and the output folder; when training
/// diverges, or the exported file does not give what the regression gives.
pub fn run(config: &Config, progress: &dyn Progress, cancel: &Cancel) -> Result<Summary, Error> {
    let kmers = check(config)?;
    let existing = Existing {
        force: config.force,
        resume: false,
    };
    OutputDir::check(&config.out, existing)?;
    let runtime = Runtime::load(config.ort_lib.as_deref()).map_err(ModelError::from)?;
    let source = Source {
        data: config.data.clone(),
        fasta: None,
        aliases: Aliases::None,
    };
    let data = Labelled::read(&source, 1).map_err(KmerError::from)?;
    let window = data.bare_width();
    let data = data.into_windows(window).map_err(KmerError::from)?;
    if data.split.is_none() {
        return Err(KmerError::Setting(format!(
            "{} has no column `split`: train, validation or test",
            data.path.display()
        ))
        .into());
    }
    let labels = labels(config, &data)?;
    let jobs: Vec<(usize, f64)> = (0..labels.len())
        .flat_map(|task| config.alphas.iter().map(move |&alpha| (task, alpha)))
        .collect();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(config.threads.get())
        .build()
        .map_err(|e| KmerError::Threads(config.threads.get(), e))?;
    let fits = pool.install(|| -> Result<Vec<Fit>, Error> {
        let train = data.side(Split::Train);
        if train.is_empty() {
            return Err(KmerError::EmptySide("train").into());
        }
        let scales = kmers.scales(train.iter().map(|&r| data.sequence(r)));
        progress.start((jobs.len() * config.epochs) as u64);
        let fitted = jobs.par_iter().map(|&(task, alpha)| {
            one(
                config,
                &data,
                labels[task],
                (kmers, &scales),
                alpha,
                progress,
                cancel,
            )
        });
        let fitted = fitted.collect();
        progress.finish();
        fitted
    })?;

    // The best penalty of each task; the first of equals.
    let mut chosen: Vec<(f64, &Fit)> = Vec::new();
    for task in 0..labels.len() {
        let of_task = (jobs.iter().zip(&fits)).filter(|((t, _), _)| *t == task);
        let best = of_task
            .map(|((_, alpha), fit)| (*alpha, fit))
            .reduce(|a, b| match validation(b.1) < validation(a.1) {
                true => b,
                false => a,
            });
        chosen.extend(best);
    }

    let named: Vec<_> = (labels.iter().zip(&chosen))
        .map(|(label, (_, fit))| (label.name.clone(), &fit.weights))
        .collect();
    let description = format!(
        "Linear regression on counts of k-mers of 1 to {} bases; {} values",
        config.longest,
        config.values.as_str()
    );
    let onnx = to_onnx(&named, window, &description)
        .ok_or_else(|| KmerError::Setting("no label to learn".into()))?
        .to_bytes();
    let file = ModelFile::from_bytes("the exported model".as_ref(), onnx.clone())?;
    let onnx_sha256 = file.sha256().to_owned();
    let model = Model::open(file, &ModelOptions::default(), &runtime)?;
    let tests = data.side(Split::Test);
    // Without test rows the file is checked on the first of the others.
    let checked: Vec<usize> = match tests.is_empty() {
        false => tests.clone(),
        true => (0..data.rows().min(1000)).collect(),
    };
    let codes: Vec<u8> = (checked.iter())
        .flat_map(|&r| data.sequence(r))
        .copied()
        .collect();
    let batch = NonZeroUsize::new(64).unwrap_or(NonZeroUsize::MIN);
    let predicted = evaluate::predict(&model, &codes, batch, config.threads, cancel)?;
    for (&row, values) in checked.iter().zip(predicted.chunks_exact(labels.len())) {
        for ((name, weights), &onnx) in named.iter().zip(values) {
            let regression = weights.predict(data.sequence(row));
            if (f64::from(onnx) - regression).abs() > TOLERANCE * (1.0 + regression.abs()) {
                return Err(KmerError::Export {
                    name: data.names[row].clone(),
                    task: name.clone(),
                    onnx,
                    regression,
                }
                .into());
            }
        }
    }

    let mut rows = Vec::new();
    let mut panels = Vec::new();
    let mut summaries = Vec::new();
    for (task, (label, (alpha, fit))) in labels.iter().zip(&chosen).enumerate() {
        let values = column(config, label);
        let at: Vec<usize> = (0..tests.len())
            .filter(|&i| !values[tests[i]].is_nan())
            .collect();
        let mut summary = TaskSummary {
            name: label.name.clone(),
            alpha: *alpha,
            epoch: fit.best,
            validation_mse: validation(fit),
            test: (f64::NAN, f64::NAN),
        };
        if at.len() >= 3 {
            let observed: Vec<f64> = at.iter().map(|&i| values[tests[i]]).collect();
            let model: Vec<f64> = (at.iter())
                .map(|&i| f64::from(predicted[i * labels.len() + task]))
                .collect();
            let groups: Vec<u32> = (at.iter())
                .map(|&i| data.groups.as_ref().map_or(i as u32, |g| g[tests[i]]))
                .collect();
            let bootstrap = Bootstrap {
                replicates: config.bootstrap,
                seed: config.seed,
                ..Bootstrap::default()
            };
            let kept: Vec<usize> = at.iter().map(|&i| tests[i]).collect();
            let metrics = pool.install(|| metrics(&observed, &model, &groups, &bootstrap));
            summary.test = (metrics.mse.value, metrics.pearson.value);
            panels.push(Hexes {
                title: format!("{}: r = {:.3}", label.name, metrics.pearson.value),
                x_label: "predicted".into(),
                y_label: "measured".into(),
                points: (model.iter().zip(&observed))
                    .map(|(x, y)| (*x as f32, *y as f32))
                    .collect(),
            });
            rows.push(Row {
                of: label.name.clone(),
                task: label.name.clone(),
                model: "model",
                metrics,
                gain: None,
                replicates: ceiling(&label.replicates, &kept),
            });
        }
        summaries.push(summary);
    }

    cancel.files_begin();
    let mut out = OutputDir::create(&config.out, existing)?;
    let write = |path: PathBuf, bytes: &[u8]| {
        fs::write(&path, bytes).map_err(|e| Error::from(KmerError::Write(e, path)))
    };
    write(out.file("model.onnx"), &onnx)?;
    let about = json!({
        "kind": "k-mer regression",
        "version": crate::VERSION,
        "sha256": onnx_sha256,
        "window": window,
        "longest": config.longest,
        "penalty": config.penalty.as_str(),
        "l1_share": match config.penalty { Penalty::ElasticNet(share) => Some(share), _ => None },
        "eta0": config.eta0,
        "power_t": config.power_t,
        "epochs": config.epochs,
        "patience": config.patience,
        "weighted": config.weighted && data.weight.is_some(),
        "seed": config.seed,
        "data": {
            "path": config.data.display().to_string(),
            "sha256": sha256(&config.data).map_err(KmerError::from)?,
            "values": config.values.as_str(),
            "rows": Split::ALL.map(|s| (s.as_str(), data.side(s).len())).into_iter()
                .collect::<std::collections::BTreeMap<_, _>>(),
        },
        "tasks": summaries.iter().map(|t| json!({
            "name": t.name,
            "alpha": t.alpha,
            "epoch": t.epoch,
            "validation_mse": t.validation_mse,
        })).collect::<Vec<_>>(),
        "test": rows,
    });
    write(out.file("model.json"), format!("{about:#}\n").as_bytes())?;
    let mut text = String::from("task\talpha\tepoch\ttraining_mse\tvalidation_mse\n");
    let mut lines = Vec::new();
    for ((task, alpha), fit) in jobs.iter().zip(&fits) {
        let name = &labels[*task].name;
        for (i, epoch) in fit.epochs.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{name}\t{alpha}\t{}\t{}\t{}",
                i + 1,
                epoch.training,
                evaluate::number(epoch.validation)
            );
        }
        if chosen.iter().any(|(_, c)| std::ptr::eq(*c, fit)) {
            let line = |name: String, of: fn(&Epoch) -> f64| Line {
                name,
                points: (fit.epochs.iter().enumerate())
                    .map(|(i, e)| ((i + 1) as f64, of(e)))
                    .filter(|p| !p.1.is_nan())
                    .collect(),
            };
            lines.push(line(format!("{name}, training"), |e| e.training));
            lines.push(line(format!("{name}, validation"), |e| e.validation));
        }
    }
    lines.retain(|l| !l.points.is_empty());
    write(out.file("training.tsv"), text.as_bytes())?;
    let style = Style {
        title: "Learning curves",
        x: "pass",
        y: "mean squared error",
    };
    plot::lines(&out.file("learning.svg"), &style, &lines).map_err(KmerError::from)?;
    if !rows.is_empty() {
        write(
            out.file("metrics.tsv"),
            evaluate::table("label", &rows).as_bytes(),
        )?;
        plot::hexes(
            &out.file("predicted.svg"),
            "Measured against predicted",
            &panels,
        )
        .map_err(KmerError::from)?;
    }
    let run = json!({
        "program": "mpra-score",
        "version": crate::VERSION,
        "command": config.command,
        "onnxruntime": runtime.version(),
        "model": about,
        "threads": config.threads,
        "outputs": out.names(),
    });
    cancel.check()?;
    Ok(Summary {
        tasks: summaries,
        files: out.commit(crate::job::RunInfo::legacy(run))?,
    })
}

/// Checks what does not depend on the data.
fn check(config: &Config) -> Result<Kmers, KmerError> {
    let fail = |text: &str| Err(KmerError::Setting(text.into()));
    let positive = |v: f64| v.is_finite() && v > 0.0;
    if config.alphas.is_empty() || config.alphas.iter().any(|a| !a.is_finite() || *a < 0.0) {
        return fail("--alpha is 0 or more");
    }
    if config.alphas.len() > 1 && config.patience == 0 {
        return fail("several --alpha need validation rows to choose by: --patience 1 or more");
    }
    let power = config.power_t;
    if !(positive(config.eta0) && power.is_finite() && power >= 0.0) {
        return fail("--eta0 is above 0, --power-t 0 or more");
    }
    if config.epochs == 0 {
        return fail("--epochs is 1 or more");
    }
    if let Penalty::ElasticNet(share) = config.penalty
        && !(0.0..=1.0).contains(&share)
    {
        return fail("--l1-share lies between 0 and 1");
    }
    match Kmers::new(config.longest) {
        Some(kmers) => Ok(kmers),
        None => fail("--longest is 1 to 8"),
    }
}

fn labels<'a>(config: &Config, data: &'a Labelled) -> Result<Vec<&'a Label>, KmerError> {
    let names: Vec<&str> = data.labels.iter().map(|l| l.name.as_str()).collect();
    let chosen = match &config.labels {
        None => data.labels.iter().collect(),
        Some(wanted) => (wanted.iter())
            .map(|name| {
                data.label(name).ok_or_else(|| KmerError::UnknownLabel {
                    found: name.clone(),
                    known: names.join(", "),
                })
            })
            .collect::<Result<Vec<_>, _>>()?,
    };
    if chosen.is_empty() {
        return Err(KmerError::Setting(format!(
            "{} has no label: a column of numbers",
            data.path.display()
        )));
    }
    for (i, label) in chosen.iter().enumerate() {
        if chosen[..i].iter().any(|l| l.name == label.name) {
            return Err(KmerError::Setting(format!(
                "label {} is named twice",
                label.name
            )));
        }
        if config.values == Values::Activity && label.activity.is_none() {
            return Err(KmerError::Labels {
                task: label.name.clone(),
                problem: format!("there is no column {}.activity", label.name),
            });
        }
    }
    Ok(chosen)
}

fn column<'a>(config: &Config, label: &'a Label) -> &'a [f64] {
    match (config.values, &label.activity) {
        (Values::Activity, Some(activity)) => activity,
        _ => &label.values,
    }
}

fn validation(fit: &Fit) -> f64 {
    fit.epochs[fit.best - 1].validation
}

/// One regression.
fn one(
    config: &Config,
    data: &Labelled,
    label: &Label,
    (kmers, scales): (Kmers, &[f64]),
    alpha: f64,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Fit, Error> {
    let values = column(config, label);
    let weight = |row: usize| match (&data.weight, config.weighted) {
        (Some(weight), true) => weight[row],
        _ => 1.0,
    };
    let examples = |side: Split| -> Vec<Example<'_>> {
        let rows = data.side(side).into_iter();
        rows.filter(|&row| !values[row].is_nan() && weight(row) > 0.0)
            .map(|row| Example {
                codes: data.sequence(row),
                label: values[row],
                weight: weight(row),
            })
            .collect()
    };
    let (training, held_out) = (examples(Split::Train), examples(Split::Validation));
    let problem = |problem: &str| KmerError::Labels {
        task: label.name.clone(),
        problem: problem.into(),
    };
    if training.is_empty() {
        return Err(problem("no training row has a value").into());
    }
    if training.iter().all(|e| e.label == training[0].label) {
        return Err(problem("all values of the training rows are equal").into());
    }
    if config.patience > 0 && held_out.is_empty() {
        return Err(KmerError::EmptySide("validation").into());
    }
    let settings = Settings {
        penalty: config.penalty,
        alpha,
        eta0: config.eta0,
        power_t: config.power_t,
        epochs: config.epochs,
        patience: config.patience,
        seed: config.seed,
    };
    let report = |epoch: usize, errors: &Epoch| progress.pass(&label.name, alpha, epoch, errors);
    let fitted = fit(
        kmers, scales, &training, &held_out, &settings, report, cancel,
    );
    let fit = fitted.map_err(|epoch| match cancel.is_requested() {
        true => Error::from(crate::job::JobError::Interrupted { kept: false }),
        false => KmerError::Diverged {
            task: label.name.clone(),
            epoch,
        }
        .into(),
    })?;
    progress.spared((config.epochs - fit.epochs.len()) as u64);
    tracing::info!(
        "{}, alpha {alpha}: {} passes, the best is {}, training error {:.4}, validation {:.4}",
        label.name,
        fit.epochs.len(),
        fit.best,
        error(&fit.weights, &training),
        validation(&fit)
    );
    Ok(fit)
}
