use std::num::NonZeroUsize;

use rayon::prelude::*;

use super::sgd::error;
use super::write::{Candidate, Exported, Judged, Regression, write};
use super::{
    Config, Epoch, Example, Fit, KmerError, Kmers, Progress, Settings, Summary, TaskSummary, fit,
    to_onnx,
};
use crate::Error;
use crate::dataset::Split;
use crate::evaluate::{self, Bootstrap, Row, Values, ceiling, metrics};
use crate::genome::Aliases;
use crate::job::{self, Cancel};
use crate::labelled::{Label, Labelled, Source};
use crate::model::{Model, ModelError, ModelFile, ModelOptions, Runtime};
use crate::output::{Existing, OutputDir, decimals};
use crate::plot::Hexes;

/// Largest difference that the exported file may have from the regression, as share of 1 + |value|.
const TOLERANCE: f64 = 1e-4;

/// Rows on which the file is checked where there is no test row.
const CHECKED: usize = 1000;

/// Fits the regressions and writes `model.onnx`, `model.json`, `training.tsv`, `metrics.tsv`,
/// `learning.svg`, `predicted.svg` and `run.json`.
///
/// # Errors
/// For everything that can be wrong with settings, data and the output folder; when training
/// diverges, or the exported file does not give what the regression gives.
pub fn run(config: &Config, progress: &dyn Progress, cancel: &Cancel) -> Result<Summary, Error> {
    let kmers = config.check()?;
    let existing = Existing {
        force: config.force,
        resume: false,
    };
    OutputDir::check(&config.out, existing)?;
    let runtime = Runtime::load(config.ort_lib.as_deref()).map_err(ModelError::from)?;
    let data = read(config)?;
    let labels = labels(config, &data)?;
    let threads = config.threads.get();

    let fit = || fit_all(config, kmers, &data, &labels, progress, cancel);
    let fits = job::on_threads(threads, fit)?;
    let chosen = best_of_each(labels.len(), &fits);
    let exported = export(config, &data, &labels, &chosen, &runtime, cancel)?;
    let judge = || Ok::<_, Error>(judge(config, &data, &labels, &chosen, &exported));
    let judged = job::on_threads(threads, judge)?;
    let regression = Regression {
        data: &data,
        labels: &labels,
        fits: &fits,
        chosen: &chosen,
        exported: &exported,
        judged: &judged,
    };

    let out = OutputDir::create(&config.out, existing)?;
    let files = write(config, &regression, &runtime, out, cancel)?;
    Ok(Summary {
        tasks: judged.tasks,
        files,
    })
}

fn read(config: &Config) -> Result<Labelled, KmerError> {
    let source = Source {
        data: config.data.clone(),
        fasta: None,
        aliases: Aliases::None,
        columns: config.columns.clone(),
    };
    let data = Labelled::read(&source, 1)?;
    let window = data.bare_width();
    Ok(data.into_windows(window)?.with_sides(&config.sides))
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

/// Fits every task with every strength of the penalty.
fn fit_all(
    config: &Config,
    kmers: Kmers,
    data: &Labelled,
    labels: &[&Label],
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Vec<Candidate>, Error> {
    let train = data.side(Split::Train);
    if train.is_empty() {
        return Err(KmerError::EmptySide("train").into());
    }
    let scales = kmers.scales(train.iter().map(|&r| data.sequence(r)));
    let jobs: Vec<(usize, f64)> = (0..labels.len())
        .flat_map(|task| config.alphas.iter().map(move |&alpha| (task, alpha)))
        .collect();
    progress.start((jobs.len() * config.epochs) as u64);
    let fitted = jobs.into_par_iter().map(|(task, alpha)| {
        let label = labels[task];
        let fit = one(
            config,
            data,
            label,
            (kmers, &scales),
            alpha,
            progress,
            cancel,
        )?;
        Ok(Candidate { task, alpha, fit })
    });
    let fitted = fitted.collect();
    progress.finish();
    fitted
}

/// The best penalty of each task; the first of equals.
fn best_of_each(tasks: usize, fits: &[Candidate]) -> Vec<&Candidate> {
    let best = |task: usize| {
        let of_task = fits.iter().filter(|c| c.task == task);
        of_task.reduce(|a, b| match b.validation() < a.validation() {
            true => b,
            false => a,
        })
    };
    (0..tasks).filter_map(best).collect()
}

/// Makes the file and checks that it gives what the regressions give.
fn export(
    config: &Config,
    data: &Labelled,
    labels: &[&Label],
    chosen: &[&Candidate],
    runtime: &Runtime,
    cancel: &Cancel,
) -> Result<Exported, Error> {
    let named: Vec<_> = (labels.iter().zip(chosen))
        .map(|(label, best)| (label.name.clone(), &best.fit.weights))
        .collect();
    let description = format!(
        "Linear regression on counts of k-mers of 1 to {} bases; {} values",
        config.longest,
        config.values.as_str()
    );
    let onnx = to_onnx(&named, data.width, &description)
        .ok_or_else(|| KmerError::Setting("no label to learn".into()))?
        .to_bytes();
    let file = ModelFile::from_bytes("the exported model".as_ref(), onnx.clone())?;
    let sha256 = file.sha256().to_owned();
    let model = Model::open(file, &ModelOptions::default(), runtime)?;
    let tests = data.side(Split::Test);
    let rows = match tests.is_empty() {
        false => tests,
        true => (0..data.rows().min(CHECKED)).collect(),
    };
    let codes: Vec<u8> = (rows.iter())
        .flat_map(|&r| data.sequence(r))
        .copied()
        .collect();
    let batch = NonZeroUsize::new(64).unwrap_or(NonZeroUsize::MIN);
    let predicted = evaluate::predict(
        std::slice::from_ref(&model),
        &codes,
        batch,
        config.threads,
        cancel,
    )?;
    for (&row, values) in rows.iter().zip(predicted.rows()) {
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
    Ok(Exported {
        onnx,
        sha256,
        rows,
        predicted,
    })
}

/// Compares the file's predictions with the labels of the test rows.
fn judge(
    config: &Config,
    data: &Labelled,
    labels: &[&Label],
    chosen: &[&Candidate],
    exported: &Exported,
) -> Judged {
    let tested = !data.side(Split::Test).is_empty();
    let bootstrap = Bootstrap {
        replicates: config.bootstrap,
        seed: config.seed,
        ..Bootstrap::default()
    };
    let mut judged = Judged {
        rows: Vec::new(),
        panels: Vec::new(),
        tasks: Vec::new(),
    };
    for ((task, label), best) in labels.iter().enumerate().zip(chosen) {
        let values = column(config, label);
        // Numbers of the test rows that have a value, and the rows.
        let (at, kept): (Vec<usize>, Vec<usize>) = (exported.rows.iter().copied().enumerate())
            .filter(|(_, row)| tested && !values[*row].is_nan())
            .unzip();
        let mut summary = TaskSummary {
            name: label.name.clone(),
            alpha: best.alpha,
            epoch: best.fit.best,
            validation_mse: best.validation(),
            test: (f64::NAN, f64::NAN),
        };
        if at.len() >= 3 {
            let observed: Vec<f64> = kept.iter().map(|&row| values[row]).collect();
            let model: Vec<f64> = (at.iter())
                .map(|&i| f64::from(exported.predicted[[i, task]]))
                .collect();
            let groups: Vec<u32> = (at.iter().zip(&kept))
                .map(|(&i, &row)| data.groups.as_ref().map_or(i as u32, |g| g[row]))
                .collect();
            let metrics = metrics(&observed, &model, &groups, &bootstrap);
            summary.test = (metrics.mse.value, metrics.pearson.value);
            judged.panels.push(Hexes {
                title: format!("{}: r = {}", label.name, decimals(metrics.pearson.value, 3)),
                x_label: "predicted".into(),
                y_label: "measured".into(),
                points: (model.iter().zip(&observed))
                    .map(|(x, y)| (*x as f32, *y as f32))
                    .collect(),
            });
            judged.rows.push(Row {
                of: label.name.clone(),
                task: label.name.clone(),
                model: "model",
                metrics,
                gain: None,
                replicates: ceiling(label.replicates.view(), &kept),
            });
        }
        judged.tasks.push(summary);
    }
    judged
}

fn column<'a>(config: &Config, label: &'a Label) -> &'a [f64] {
    match (config.values, &label.activity) {
        (Values::Activity, Some(activity)) => activity,
        _ => &label.values,
    }
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
        fit.epochs[fit.best - 1].validation
    );
    Ok(fit)
}
