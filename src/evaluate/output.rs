//! What both kinds of evaluation compute and write in the same way.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Bootstrap, Ceiling, Common, EvaluateError, Predictor, Row, Summary, gain, metrics, table,
};
use crate::Error;
use crate::job::{self, Cancel, InputFile, RunInfo};
use crate::output::{self, OutputDir, decimals};
use crate::plot::{self, Hexes};

/// Something measured, and what the models predict of it, row by row without missing values.
pub(super) struct Comparison<'a> {
    /// Its name in `metrics.tsv`.
    pub of: &'a str,
    /// Its name in the figure.
    pub title: String,
    pub observed: &'a [f64],
    /// Numbers of what is drawn together.
    pub groups: &'a [u32],
    pub replicates: Option<Ceiling>,
    /// For each model the output column and its values, where it has one.
    pub predicted: Vec<Option<(usize, Vec<f64>)>>,
}

/// Figures and panels, as they are found.
pub(super) struct Found {
    /// Rows of `metrics.tsv`.
    rows: Vec<Row>,
    /// Of the first model.
    panels: Vec<Hexes>,
    /// Words for what is predicted, and measured.
    axes: [&'static str; 2],
}

impl Found {
    pub(super) fn new(axes: [&'static str; 2]) -> Self {
        Self {
            rows: Vec::new(),
            panels: Vec::new(),
            axes,
        }
    }

    /// Adds a row a model, the first one's with its gain over the second, and the first one's panel.
    pub(super) fn add(&mut self, it: &Comparison<'_>, models: &[Predictor], how: &Bootstrap) {
        for (m, (model, predicted)) in models.iter().zip(&it.predicted).enumerate() {
            let Some((column, values)) = predicted else {
                continue;
            };
            let other = match it.predicted.get(1) {
                Some(Some((_, other))) if m == 0 => Some(other),
                _ => None,
            };
            let metrics = metrics(it.observed, values, it.groups, how);
            if m == 0 {
                let points = values.iter().zip(it.observed);
                self.panels.push(Hexes {
                    title: format!("{}: r = {}", it.title, decimals(metrics.pearson.value, 3)),
                    x_label: self.axes[0].into(),
                    y_label: self.axes[1].into(),
                    points: points.map(|(x, y)| (*x as f32, *y as f32)).collect(),
                });
            }
            self.rows.push(Row {
                of: it.of.to_owned(),
                task: model.model.spec().tasks[*column].clone(),
                model: model.name,
                metrics,
                gain: other.map(|other| gain(it.observed, values, other, it.groups, how)),
                replicates: it.replicates,
            });
        }
    }
}

/// What one kind of evaluation writes besides.
pub(super) struct Kind {
    /// Name of the first column of `metrics.tsv`.
    pub of: &'static str,
    /// Title of the figure.
    pub title: &'static str,
    /// The table of all rows: its file and its text.
    pub rows: (&'static str, String),
    /// For `run.json`: what was read.
    pub inputs: Vec<InputFile>,
    /// Likewise names and values of what was asked for, without what both kinds have.
    pub settings: Vec<(&'static str, Value)>,
    /// Likewise what was counted.
    pub counts: Value,
    /// Rows left out, by reason.
    pub skipped: BTreeMap<String, u64>,
}

/// Writes `metrics.tsv`, `metrics.json`, the table of all rows, `predicted.svg` and `run.json`.
pub(super) fn write(
    common: &Common,
    models: &[Predictor],
    found: Found,
    kind: Kind,
    cancel: &Cancel,
) -> Result<Summary, Error> {
    let mut out = OutputDir::create(&common.out, common.existing)?;
    output::write(&out.file("metrics.tsv"), table(kind.of, &found.rows))?;
    let text = format!("{:#}\n", json!({ "metrics": found.rows }));
    output::write(&out.file("metrics.json"), text)?;
    output::write(&out.file(kind.rows.0), kind.rows.1)?;
    plot::hexes(&out.file("predicted.svg"), kind.title, &found.panels)
        .map_err(EvaluateError::from)?;
    let mut run = RunInfo::new("evaluate", &common.command);
    run.inputs = kind.inputs;
    run.models = models.iter().flat_map(Predictor::used).collect();
    run.onnxruntime = models.first().map(|m| m.model.runtime().used());
    run.settings = (kind.settings.into_iter())
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    run.seed = Some(common.bootstrap.seed);
    run.threads = Some(common.threads.get());
    run.counts = job::map(kind.counts);
    cancel.check()?;
    Ok(Summary {
        rows: found.rows,
        files: out.commit(run)?,
        skipped: kind.skipped.into_iter().collect(),
    })
}

/// The settings of the intervals, for `run.json`.
pub(super) fn intervals(how: &Bootstrap) -> [(&'static str, Value); 2] {
    [
        ("bootstrap", how.replicates.into()),
        ("interval", how.share.into()),
    ]
}
