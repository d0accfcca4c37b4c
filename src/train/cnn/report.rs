//! What a run writes about the network it trained.

use std::fmt::Write as _;

use ndarray::{Array2, Axis};
use serde_json::{Map, Value, json};

use super::{Architecture, Beside, Epoch, Fit, Network, State};
use crate::Error;
use crate::dataset::Split;
use crate::model::{Model, ModelFile, ModelOptions, Predict, Runtime};
use crate::output::{self, OutputDir, decimals};
use crate::plot::{Density, Line, Style, density, lines};
use crate::stats::spearman;
use crate::train::TrainError;

/// How far the exported file may be from the network, in standard deviations of a label.
const TOLERANCE: f32 = 1e-4;

/// What came of fitting.
pub(super) struct Trained<'a> {
    pub arch: &'a Architecture,
    pub state: &'a State,
    /// The network before the first epoch.
    pub start: &'a Network,
    pub beside: &'a [Beside<'a>],
    /// What it depends on.
    pub key: &'a Value,
    pub seconds: f64,
}

/// The test side as ONNX Runtime predicts it, in label units.
#[derive(Debug)]
pub(super) struct Tested {
    /// `[windows, tasks]`.
    predicted: Array2<f32>,
    /// Likewise; NaN where one is missing.
    labels: Array2<f32>,
    /// Largest difference from the network, in standard deviations of a label.
    pub largest: f32,
    /// Whether ONNX Runtime was given windows, or whole inputs column by column.
    pub inputs: &'static str,
}

impl Tested {
    /// Windows.
    pub fn rows(&self) -> usize {
        self.predicted.nrows()
    }

    /// Predictions and labels of a task, where there are labels.
    pub fn task(&self, task: usize) -> (Vec<f64>, Vec<f64>) {
        let pairs = self.predicted.column(task).into_iter();
        pairs
            .zip(self.labels.column(task))
            .filter(|(_, label)| !label.is_nan())
            .map(|(p, l)| (f64::from(*p), f64::from(*l)))
            .unzip()
    }
}

/// Runs the exported file on the test side and compares it with the network: ONNX Runtime gets the
/// very inputs that the network gets. Data with a frame of their own are fed column by column, since
/// a window's place in them is theirs and not the one that the file's metadata give; windows go
/// through the file's own frame, so that it is checked, too.
///
/// # Errors
/// [`TrainError::Export`] at the first output that is more than 1e-4 of the labels' standard
/// deviation away, or when the file does not run.
pub(super) fn check(
    fit: &Fit<'_>,
    best: &Network,
    path: &std::path::Path,
    runtime: &Runtime,
) -> Result<Tested, Error> {
    let examples = fit.examples;
    let which = examples.originals(Split::Test);
    let tasks = examples.tasks.len();
    let network = fit.predict(best, &which)?;
    let mut model = Model::open(ModelFile::read(path)?, &ModelOptions::default(), runtime)?;
    let said = model.spec();
    let frame = (said.window, said.one_hot.length, said.one_hot.offset);
    if frame != (fit.arch.window, fit.arch.length, fit.arch.offset) {
        return Err(TrainError::Windows(format!(
            "the exported file says (window, columns, offset) {frame:?}, the network was trained with {:?}",
            (fit.arch.window, fit.arch.length, fit.arch.offset)
        ))
        .into());
    }
    let framed = fit.has_own_frames();
    let mut predicted = Array2::zeros(network.dim());
    let mut labels = Array2::zeros(network.dim());
    let mut codes = Vec::new();
    let mut outputs = vec![0.0; examples.windows * tasks];
    let rows = predicted.axis_chunks_iter_mut(Axis(0), examples.windows);
    let rows = rows.zip(labels.axis_chunks_iter_mut(Axis(0), examples.windows));
    for (&i, (mut predicted, mut labels)) in which.iter().zip(rows) {
        let sequence = examples.sequence(i as usize);
        if framed {
            model.predict_columns(sequence, &mut outputs)?;
        } else {
            codes.clear();
            for k in 0..examples.windows {
                let from = k * examples.step;
                codes.extend_from_slice(&sequence[from..from + fit.arch.window]);
            }
            model.predict(&codes, &mut outputs)?;
        }
        predicted
            .iter_mut()
            .zip(&outputs)
            .for_each(|(to, v)| *to = *v);
        labels.assign(&examples.labels_of(i as usize));
    }
    let mut largest = 0.0f32;
    for ((row, task), &onnx) in predicted.indexed_iter() {
        let scale = fit.scaling.scale[task];
        let network = f64::from(network[[row, task]]);
        let network = (network * scale + fit.scaling.mean[task]) as f32;
        // In units of the labels' deviation, which is what was trained.
        let off = (onnx - network).abs() / scale as f32;
        largest = largest.max(off);
        if off.is_nan() || off > TOLERANCE {
            return Err(TrainError::Export {
                row,
                task: examples.tasks[task].clone(),
                onnx,
                network,
            }
            .into());
        }
    }
    tracing::info!(
        "the exported model gives what the network gives on {} test window(s): at most {largest:e} of a label's standard deviation apart",
        predicted.nrows()
    );
    Ok(Tested {
        predicted,
        labels,
        largest,
        inputs: if framed { "columns" } else { "windows" },
    })
}

/// `model.json`: the network, what it learned from and how good it is on the test side (loss, and
/// Pearson correlation of each task).
pub(super) fn model_json(
    fit: &Fit<'_>,
    trained: &Trained<'_>,
    test: &Tested,
    (loss, correlations): (f64, &[f64]),
    onnx_sha256: &str,
) -> Result<Value, TrainError> {
    let Trained {
        arch, state, key, ..
    } = trained;
    let (examples, scaling) = (fit.examples, fit.scaling);
    let best = state.best_epoch();
    let mut metrics = Map::new();
    for (t, task) in examples.tasks.iter().enumerate() {
        let (x, y) = test.task(t);
        metrics.insert(
            task.clone(),
            json!({"pearson": correlations[t], "spearman": spearman(&x, &y)}),
        );
    }
    let sides: Vec<Value> = Split::ALL
        .into_iter()
        .map(|s| json!({"side": s.as_str(), "sequences": examples.originals(s).len()}))
        .collect();
    Ok(json!({
        "architecture": arch.to_string(),
        "layers": arch.layers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "window": arch.window,
        "columns": arch.length,
        "offset": arch.offset,
        "parameters": state.best.count(),
        "tasks": examples.tasks,
        "labels": {"mean": scaling.mean, "scale": scaling.scale},
        "data": key["data"],
        "split": sides,
        "windows_per_sequence": examples.windows,
        "init": key["init"],
        "beside": key["beside"],
        "measured": before_and_after(trained)?,
        "fit": fit.config,
        "seed": fit.config.seed,
        "epochs": state.history.len(),
        "best_epoch": best.map(|b| b.epoch),
        "validation_loss": best.map(|b| b.validation),
        "test_loss": loss,
        "test": metrics,
        "export": {
            "windows": test.rows(), "inputs": test.inputs, "largest_difference": test.largest,
        },
        "sha256": onnx_sha256,
    }))
}

/// Correlations with the measurements learned besides, before the first epoch and after the best.
fn before_and_after(trained: &Trained<'_>) -> Result<Value, TrainError> {
    let [beside] = trained.beside else {
        return Ok(Value::Null);
    };
    let mut table = Map::new();
    for side in Split::ALL {
        let before = beside.fit.judge(trained.start, side)?.figures;
        let after = beside.fit.judge(&trained.state.best, side)?.figures;
        for ((task, a), b) in (beside.fit.examples.tasks.iter()).zip(before).zip(after) {
            if !b.is_nan() {
                table.insert(
                    format!("{task}.{}", side.as_str()),
                    json!({"pearson_at_start": a, "pearson": b}),
                );
            }
        }
    }
    Ok(Value::Object(table))
}

/// `training.tsv`: one row an epoch, with further `columns` of which `cells` gives those of a row.
pub(super) fn write_table(
    out: &mut OutputDir,
    history: &[Epoch],
    columns: &[String],
    cells: impl Fn(&Epoch) -> Vec<String>,
) -> Result<(), TrainError> {
    let mut text = "epoch\tlearning_rate\ttrain_loss\tvalidation_loss".to_owned();
    for column in columns {
        let _ = write!(text, "\t{column}");
    }
    text.push_str("\tseconds\n");
    for row in history {
        let _ = write!(
            text,
            "{}\t{:e}\t{}\t{}",
            row.epoch,
            row.rate,
            decimals(row.train, 6),
            decimals(row.validation, 6)
        );
        for cell in cells(row) {
            let _ = write!(text, "\t{cell}");
        }
        let _ = writeln!(text, "\t{:.1}", row.seconds);
    }
    let path = out.file("training.tsv");
    Ok(output::write(&path, text)?)
}

/// Figures as they stand in a table.
pub(super) fn cells(figures: &[f64]) -> impl Iterator<Item = String> {
    figures.iter().map(|figure| decimals(*figure, 4))
}

/// The learning curves, of a loss of this name.
pub(super) fn learning(
    out: &mut OutputDir,
    history: &[Epoch],
    loss: &str,
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
            y: loss,
        },
        &[
            line("training", |e| e.train),
            line("validation", |e| e.validation),
        ],
    )?;
    Ok(())
}

pub(super) fn figures(
    out: &mut OutputDir,
    history: &[Epoch],
    tasks: &[String],
    test: &Tested,
) -> Result<(), TrainError> {
    learning(out, history, "mean squared error (standardised)")?;
    let panels: Vec<Density> = (tasks.iter().enumerate())
        .map(|(t, task)| {
            let (x, y) = test.task(t);
            Density {
                title: format!("{task}, r = {}", decimals(crate::stats::pearson(&x, &y), 3)),
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

#[cfg(test)]
mod tests;
