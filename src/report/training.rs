//! Learning curves: of a training that is done, from its table; of one that goes on, from its checkpoint.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::table::{Column, View};
use super::{Part, ReportError, facts, page};
use crate::job::RunInfo;
use crate::output;

/// Lines over epochs.
#[derive(Debug, Serialize)]
pub(super) struct Curve {
    title: String,
    #[serde(rename = "xName")]
    x_name: String,
    #[serde(rename = "yName")]
    y_name: String,
    series: Vec<Series>,
}

/// Floats in base64; NaN where there is no value.
#[derive(Debug, Serialize)]
struct Series {
    name: String,
    x: String,
    y: String,
}

/// The curves of a table with a row an epoch: losses, and what is said of the validation side.
pub(super) fn curves(view: &View) -> Vec<Curve> {
    let Some(epochs) = view.column("epoch").and_then(|c| c.numbers.clone()) else {
        return Vec::new();
    };
    let lines = |title: &str, y_name: &str, which: &dyn Fn(&str) -> bool| {
        let series: Vec<Series> = (view.columns.iter())
            .filter(|c| which(&c.name))
            .filter_map(|c| {
                Some(Series {
                    name: c.name.clone(),
                    x: page::floats(epochs.iter().map(|v| *v as f32)),
                    y: page::floats(c.numbers.as_ref()?.iter().map(|v| *v as f32)),
                })
            })
            .collect();
        (!series.is_empty()).then(|| Curve {
            title: title.to_owned(),
            x_name: "epoch".into(),
            y_name: y_name.to_owned(),
            series,
        })
    };
    let loss = |name: &str| name.ends_with("loss");
    let apart = ["epoch", "learning_rate", "seconds"];
    let figure = |name: &str| !loss(name) && !apart.contains(&name);
    [
        lines("Loss", "loss", &loss),
        lines(
            "On the validation side",
            "correlation, or area under the curve",
            &figure,
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The part of a folder in which a network is being trained, or was until it was stopped; `None` where there is no such
/// thing.
///
/// # Errors
/// When the checkpoint cannot be read.
pub(super) fn unfinished(folder: &Path) -> Result<Option<Part>, ReportError> {
    let Some(path) = output::unfinished(folder) else {
        return Ok(None);
    };
    let none = |text: &str| ReportError::NoResults(folder.into(), text.to_owned());
    let notes: Value = output::read_notes(&path)?;
    let Some(view) = table(&notes) else {
        return Err(none(
            "an unfinished job of which there is nothing to show yet",
        ));
    };
    let mut run = RunInfo::new("train", &[]);
    if let Some(settings) = notes.get("run").and_then(Value::as_object) {
        run.settings = (settings.iter())
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
    }
    let mut said = facts::run(&run);
    said.warnings.insert(
        0,
        format!(
            "Not finished: {} epoch(s) are done. The page is of that moment; `mpra-score train --resume` goes on where it was stopped.",
            view.rows
        ),
    );
    Ok(Some(Part {
        title: format!(
            "train {} (unfinished)",
            folder
                .file_name()
                .map_or_else(String::new, |n| n.to_string_lossy().into_owned())
        ),
        run: said,
        curves: curves(&view),
        tables: vec![view],
        ..Part::default()
    }))
}

/// The epochs of a checkpoint as a table: of one network, or of the draws of a search.
fn table(notes: &Value) -> Option<View> {
    let mut columns: Vec<(String, Vec<f64>)> = Vec::new();
    let number = |v: &Value| v.as_f64().unwrap_or(f64::NAN);
    let mut put = |row: usize, name: String, value: f64| {
        let at = match columns.iter().position(|c| c.0 == name) {
            Some(at) => at,
            None => {
                columns.push((name, Vec::new()));
                columns.len() - 1
            }
        };
        columns[at].1.resize(row, f64::NAN);
        columns[at].1.push(value);
    };
    let epochs = |of: &Value| of.get("history").and_then(Value::as_array).cloned();
    let rows = if let Some(draws) = notes.get("draws").and_then(Value::as_array) {
        let all: Vec<Vec<Value>> = draws
            .iter()
            .map(|d| epochs(d).unwrap_or_default())
            .collect();
        let rows = all.iter().map(Vec::len).max()?;
        for row in 0..rows {
            put(row, "epoch".into(), (row + 1) as f64);
            for (i, draw) in all.iter().enumerate() {
                let value = draw.get(row).map_or(f64::NAN, |e| number(&e["validation"]));
                put(row, format!("draw {} validation_loss", i + 1), value);
            }
        }
        rows
    } else {
        let names: Vec<String> = notes
            .pointer("/run/tasks")
            .and_then(|t| serde_json::from_value(t.clone()).ok())
            .unwrap_or_default();
        // Of a recipe: its first source is what `pearson` is of.
        let source = |i: usize| {
            let name = notes.pointer(&format!("/run/recipe/sources/{i}/name"));
            name.and_then(Value::as_str).map(str::to_owned)
        };
        let first = source(0).map_or_else(String::new, |name| format!("{name} "));
        let history = epochs(notes)?;
        for (row, epoch) in history.iter().enumerate() {
            for (name, key) in [
                ("epoch", "epoch"),
                ("learning_rate", "rate"),
                ("train_loss", "train"),
                ("validation_loss", "validation"),
            ] {
                put(row, name.into(), number(&epoch[key]));
            }
            let list = |v: &Value| v.as_array().cloned().unwrap_or_default();
            for (i, value) in list(&epoch["pearson"]).iter().enumerate() {
                let name = names.get(i).cloned();
                let name = name.unwrap_or_else(|| format!("{first}output {}", i + 1));
                put(row, name, number(value));
            }
            for (i, other) in list(&epoch["others"]).iter().enumerate() {
                let source = source(i + 1).unwrap_or_else(|| format!("source {}", i + 2));
                put(
                    row,
                    format!("{source} validation_loss"),
                    number(&other["loss"]),
                );
                for (k, value) in list(&other["figures"]).iter().enumerate() {
                    put(row, format!("{source} output {}", k + 1), number(value));
                }
            }
            put(row, "seconds".into(), number(&epoch["seconds"]));
        }
        history.len()
    };
    (rows > 0).then(|| View {
        id: "epochs".into(),
        title: "Epochs".into(),
        rows,
        columns: columns
            .into_iter()
            .map(|(name, mut values)| {
                values.resize(rows, f64::NAN);
                Column::numbers(&name, values)
            })
            .collect(),
        ..View::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn epochs_of_checkpoints() {
        let epoch = |n: u32, loss: f64, r: Option<f64>| {
            json!({"epoch": n, "rate": 1e-3, "train": loss, "validation": loss + 0.5, "pearson": [r, 0.25],
                   "others": [{"loss": 0.75, "figures": [0.5]}], "seconds": 2.0})
        };
        let notes = json!({"run": {"tasks": ["A", "B"]}, "history": [epoch(1, 1.0, None), epoch(2, 0.5, Some(0.125))]});
        let view = table(&notes).unwrap();
        let of = |name: &str| view.column(name).and_then(|c| c.numbers.clone()).unwrap();
        assert_eq!(view.rows, 2);
        assert_eq!(of("validation_loss"), [1.5, 1.0]);
        assert!(of("A")[0].is_nan() && of("A")[1] == 0.125);
        assert_eq!(of("source 2 output 1"), [0.5, 0.5]);
        let curves = curves(&view);
        let names: Vec<Vec<&str>> = (curves.iter())
            .map(|c| c.series.iter().map(|s| &s.name[..]).collect())
            .collect();
        assert_eq!(
            names,
            [
                vec!["train_loss", "validation_loss", "source 2 validation_loss"],
                vec!["A", "B", "source 2 output 1"]
            ]
        );
        let search = json!({"draws": [{"history": [epoch(1, 1.0, None)]}, null, {"history": [epoch(1, 2.0, None), epoch(2, 1.0, None)]}]});
        let view = table(&search).unwrap();
        let first = view.column("draw 1 validation_loss").unwrap();
        assert!(view.rows == 2 && first.numbers.as_ref().unwrap()[1].is_nan());
        assert!(table(&json!({"history": []})).is_none() && table(&json!({})).is_none());
    }
}
