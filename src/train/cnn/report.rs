//! What a run writes about the network it trained.

use std::fmt::Write as _;
use std::fs;

use super::{Epoch, Fit, Network};
use crate::Error;
use crate::dataset::Split;
use crate::model::{Model, ModelFile, ModelOptions, Predict, Runtime};
use crate::output::OutputDir;
use crate::plot::{Density, Line, Style, density, lines};
use crate::train::TrainError;

/// How far the exported file may be from the network, in standard deviations of a label.
const TOLERANCE: f32 = 1e-4;

/// The test side as ONNX Runtime predicts it, in label units.
#[derive(Debug)]
pub(super) struct Tested {
    predicted: Vec<f32>,
    labels: Vec<f32>,
    pub rows: usize,
    /// Largest difference from the network, in standard deviations of a label.
    pub largest: f32,
    /// Whether ONNX Runtime was given windows, or whole inputs column by column.
    pub inputs: &'static str,
}

impl Tested {
    /// Predictions and labels of a task, where there are labels.
    pub fn task(&self, task: usize, tasks: usize) -> (Vec<f64>, Vec<f64>) {
        let pairs = self.predicted.iter().zip(&self.labels);
        pairs
            .skip(task)
            .step_by(tasks)
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
    let mut predicted = vec![0.0; network.len()];
    let mut labels = Vec::with_capacity(network.len());
    let mut codes = Vec::new();
    for (&i, out) in which
        .iter()
        .zip(predicted.chunks_exact_mut(examples.windows * tasks))
    {
        let sequence = examples.sequence(i as usize);
        if framed {
            model.predict_columns(sequence, out)?;
        } else {
            codes.clear();
            for k in 0..examples.windows {
                let from = k * examples.step;
                codes.extend_from_slice(&sequence[from..from + fit.arch.window]);
            }
            model.predict(&codes, out)?;
        }
        labels.extend_from_slice(examples.labels_of(i as usize));
    }
    let mut largest = 0.0f32;
    for (at, (onnx, network)) in predicted.iter().zip(&network).enumerate() {
        let task = at % tasks;
        let scale = fit.scaling.scale[task];
        let network = (f64::from(*network) * scale + fit.scaling.mean[task]) as f32;
        // In units of the labels' deviation, which is what was trained.
        let off = (onnx - network).abs() / scale as f32;
        largest = largest.max(off);
        if off.is_nan() || off > TOLERANCE {
            return Err(TrainError::Export {
                row: at / tasks,
                task: examples.tasks[task].clone(),
                onnx: *onnx,
                network,
            }
            .into());
        }
    }
    tracing::info!(
        "the exported model gives what the network gives on {} test window(s): at most {largest:e} of a label's standard deviation apart",
        predicted.len() / tasks
    );
    Ok(Tested {
        rows: predicted.len() / tasks,
        predicted,
        labels,
        largest,
        inputs: if framed { "columns" } else { "windows" },
    })
}

pub(super) fn write_table(
    out: &mut OutputDir,
    history: &[Epoch],
    tasks: &[String],
) -> Result<(), TrainError> {
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

pub(super) fn figures(
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

#[cfg(test)]
mod tests;
