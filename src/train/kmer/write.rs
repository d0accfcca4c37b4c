use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use ndarray::Array2;
use serde_json::{Value, json};

use super::{Config, Epoch, Fit, KmerError, Penalty, TaskSummary};
use crate::Error;
use crate::dataset::Split;
use crate::evaluate::{self, Row};
use crate::job::{self, Cancel, RunInfo};
use crate::labelled::{Label, Labelled};
use crate::model::Runtime;
use crate::output::{self, OutputDir};
use crate::plot::{self, Hexes, Line, Style};

/// All that is written about.
pub(super) struct Regression<'a> {
    pub data: &'a Labelled,
    /// What is learned, one a task.
    pub labels: &'a [&'a Label],
    /// Every fit there was.
    pub fits: &'a [Candidate],
    /// The best of each task.
    pub chosen: &'a [&'a Candidate],
    pub exported: &'a Exported,
    pub judged: &'a Judged,
}

/// The fit of a task with a strength of the penalty.
pub(super) struct Candidate {
    /// Number of the label.
    pub task: usize,
    pub alpha: f64,
    pub fit: Fit,
}

impl Candidate {
    /// Mean squared error of the validation rows; NaN without any.
    pub fn validation(&self) -> f64 {
        self.fit.epochs[self.fit.best - 1].validation
    }
}

/// The model's file.
pub(super) struct Exported {
    pub onnx: Vec<u8>,
    pub sha256: String,
    /// Rows of the data that it was checked on: those of the test side, where there are any.
    pub rows: Vec<usize>,
    /// What it gives for them, `[rows, tasks]`.
    pub predicted: Array2<f32>,
}

/// Figures of the test rows.
pub(super) struct Judged {
    pub rows: Vec<Row>,
    pub panels: Vec<Hexes>,
    pub tasks: Vec<TaskSummary>,
}

/// Writes everything and returns the files, `run.json` last.
pub(super) fn write(
    config: &Config,
    regression: &Regression<'_>,
    runtime: &Runtime,
    mut out: OutputDir,
    cancel: &Cancel,
) -> Result<Vec<PathBuf>, Error> {
    output::write(&out.file("model.onnx"), &regression.exported.onnx)?;
    let about = about(config, regression)?;
    output::write(&out.file("model.json"), format!("{about:#}\n"))?;
    output::write(&out.file("training.tsv"), training(regression))?;
    let style = Style {
        title: "Learning curves",
        x: "pass",
        y: "mean squared error",
    };
    let path = out.file("learning.svg");
    plot::lines(&path, &style, &curves(regression)).map_err(KmerError::from)?;
    let judged = regression.judged;
    if !judged.rows.is_empty() {
        let table = evaluate::table("label", &judged.rows);
        output::write(&out.file("metrics.tsv"), table)?;
        let path = out.file("predicted.svg");
        plot::hexes(&path, "Measured against predicted", &judged.panels)
            .map_err(KmerError::from)?;
    }
    let mut run = RunInfo::new("train kmer", &config.command);
    run.input("data", &config.data);
    run.onnxruntime = Some(runtime.used());
    run.threads = Some(config.threads.get());
    run.seed = Some(config.seed);
    run.results = job::map(about);
    cancel.check()?;
    Ok(out.commit(run)?)
}

/// `model.json`.
fn about(config: &Config, regression: &Regression<'_>) -> Result<Value, KmerError> {
    let Regression {
        data,
        exported,
        judged,
        ..
    } = regression;
    let sides: BTreeMap<&str, usize> = (Split::ALL
        .into_iter()
        .map(|s| (s.as_str(), data.side(s).len())))
    .collect();
    let tasks = judged.tasks.iter().map(|t| {
        json!({
            "name": t.name,
            "alpha": t.alpha,
            "epoch": t.epoch,
            "validation_mse": t.validation_mse,
        })
    });
    Ok(json!({
        "kind": "k-mer regression",
        "version": crate::VERSION,
        "sha256": exported.sha256,
        "window": data.width,
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
            "sha256": job::InputFile::whole("data", &config.data).sha256,
            "values": config.values.as_str(),
            "rows": sides,
        },
        "tasks": tasks.collect::<Vec<_>>(),
        "test": judged.rows,
    }))
}

/// `training.tsv`: every pass of every fit.
fn training(regression: &Regression<'_>) -> String {
    let mut text = String::from("task\talpha\tepoch\ttraining_mse\tvalidation_mse\n");
    for candidate in regression.fits {
        let name = &regression.labels[candidate.task].name;
        for (i, epoch) in candidate.fit.epochs.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{name}\t{}\t{}\t{}\t{}",
                candidate.alpha,
                i + 1,
                evaluate::number(epoch.training),
                evaluate::number(epoch.validation)
            );
        }
    }
    text
}

/// Errors by pass of the best fit of each task.
fn curves(regression: &Regression<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    for best in regression.chosen {
        let name = &regression.labels[best.task].name;
        let line = |name: String, of: fn(&Epoch) -> f64| Line {
            name,
            points: (best.fit.epochs.iter().enumerate())
                .map(|(i, e)| ((i + 1) as f64, of(e)))
                .filter(|p| !p.1.is_nan())
                .collect(),
        };
        lines.push(line(format!("{name}, training"), |e| e.training));
        lines.push(line(format!("{name}, validation"), |e| e.validation));
    }
    lines.retain(|l| !l.points.is_empty());
    lines
}
