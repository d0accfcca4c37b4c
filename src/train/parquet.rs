use std::path::Path;

use ndarray::Array3;

use super::{Examples, Objective, Reading, TrainError};
use crate::dataset::Split;
use crate::encode;
use crate::input::columns::{Batch, ParquetFile};

/// Reads examples as `mpra-score dataset` writes them. Labels are the tasks' activities, in the
/// units of the assay; `tasks` chooses some and their order, otherwise all that the file names.
///
/// # Errors
/// [`TrainError::Read`], [`TrainError::Data`] when columns are missing or of another type or
/// sequences differ in length, [`TrainError::UnknownTask`].
pub fn read_dataset(path: &Path, tasks: Option<&[String]>) -> Result<Examples, TrainError> {
    let bad = |problem: String| TrainError::Data {
        path: path.into(),
        problem,
    };
    let file = ParquetFile::open(path)?;
    let known = named_tasks(file.metadata("mpra_score.tasks"))
        .ok_or_else(|| bad("it does not name its tasks (mpra_score.tasks)".into()))?;
    let tasks: Vec<String> = match tasks {
        None => known.clone(),
        Some(wanted) => {
            for task in wanted {
                if !known.contains(task) {
                    return Err(TrainError::UnknownTask {
                        found: task.clone(),
                        known: known.join(", "),
                    });
                }
            }
            wanted.to_vec()
        }
    };
    let names: Vec<String> = tasks.iter().map(|t| format!("{t}.activity")).collect();
    let numbers: Vec<&str> = std::iter::once("weight")
        .chain(names.iter().map(String::as_str))
        .collect();
    let batches = file.batches(&["sequence", "split"], &numbers)?;
    let mut out = Examples {
        tasks,
        columns: 0,
        windows: 1,
        step: 0,
        reading: Reading::Windows,
        objective: Objective::Values,
        codes: Vec::new(),
        labels: Array3::zeros((0, 1, 0)),
        reversed: None,
        weights: Vec::new(),
        sides: Vec::new(),
        parent: Vec::new(),
        shift: 0,
    };
    let mut labels = Vec::new();
    for batch in batches {
        push(&mut out, &mut labels, &batch?).map_err(bad)?;
    }
    if out.is_empty() {
        return Err(bad("it has no examples".into()));
    }
    let shape = (out.len(), 1, out.tasks.len());
    out.labels = Array3::from_shape_vec(shape, labels)
        .map_err(|e| bad(format!("its labels have gaps ({e})")))?;
    out.step = out.columns;
    Ok(out)
}

/// Whether a file is one that `mpra-score dataset` has written.
pub(super) fn is_dataset(path: &Path) -> bool {
    let file = ParquetFile::open(path).ok();
    file.is_some_and(|file| named_tasks(file.metadata("mpra_score.tasks")).is_some())
}

fn named_tasks(json: Option<&str>) -> Option<Vec<String>> {
    let list: serde_json::Value = serde_json::from_str(json?).ok()?;
    let names = list.as_array()?.iter().map(|task| {
        let name = task.get("name").and_then(|n| n.as_str());
        name.map(str::to_owned)
    });
    names.collect::<Option<Vec<_>>>().filter(|n| !n.is_empty())
}

fn push(out: &mut Examples, labels_out: &mut Vec<f32>, batch: &Batch) -> Result<(), String> {
    let ([sequences, splits], [weights, labels @ ..]) = (&batch.texts[..], &batch.numbers[..])
    else {
        return Err("columns were not read".into());
    };
    for row in 0..batch.rows {
        let number = out.len() + 1;
        let letters = sequences.get(row).unwrap_or_default().as_bytes();
        if out.columns == 0 {
            out.columns = letters.len();
        }
        if letters.len() != out.columns || letters.is_empty() {
            return Err(format!(
                "the sequence of example {number} has {} bases, others {}",
                letters.len(),
                out.columns
            ));
        }
        if !encode::push_codes(letters, &mut out.codes) {
            return Err(format!("the sequence of example {number} holds no bases"));
        }
        let word = splits.get(row).unwrap_or_default();
        let side = Split::ALL.into_iter().find(|s| s.as_str() == word);
        out.sides.push(
            side.ok_or_else(|| format!("example {number} is on no side of the split: {word:?}"))?,
        );
        let weight = weights[row] as f32;
        if !(weight.is_finite() && weight >= 0.0) {
            return Err(format!("the weight of example {number} is {weight}"));
        }
        out.weights.push(weight);
        out.parent.push(None);
        labels_out.extend(labels.iter().map(|l| l[row] as f32));
    }
    Ok(())
}
