use std::fs::File;
use std::path::Path;

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow_array::{Array, Float64Array, RecordBatch, StringArray};

use super::{Examples, TrainError};
use crate::dataset::Split;
use crate::encode;

/// Reads examples as `mpra-score dataset` writes them. Labels are the tasks' activities, in the
/// units of the assay; `tasks` chooses some and their order, otherwise all that the file names.
///
/// # Errors
/// [`TrainError::Read`], [`TrainError::Data`] when columns are missing or of another type or
/// sequences differ in length, [`TrainError::UnknownTask`].
pub fn read_examples(path: &Path, tasks: Option<&[String]>) -> Result<Examples, TrainError> {
    let bad = |problem: String| TrainError::Data {
        path: path.into(),
        problem,
    };
    let file = File::open(path).map_err(|e| TrainError::Read(e, path.into()))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(|e| bad(format!("it is no Parquet file of examples ({e})")))?;
    let known = named_tasks(builder.schema().metadata().get("mpra_score.tasks"))
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
    let reader = builder
        .build()
        .map_err(|e| bad(format!("it cannot be decoded ({e})")))?;
    let mut out = Examples {
        tasks,
        columns: 0,
        windows: 1,
        step: 0,
        codes: Vec::new(),
        labels: Vec::new(),
        reversed: None,
        weights: Vec::new(),
        sides: Vec::new(),
        parent: Vec::new(),
    };
    for batch in reader {
        let batch = batch.map_err(|e| bad(format!("it cannot be decoded ({e})")))?;
        push(&mut out, &batch).map_err(bad)?;
    }
    if out.is_empty() {
        return Err(bad("it has no examples".into()));
    }
    out.step = out.columns;
    Ok(out)
}

fn named_tasks(json: Option<&String>) -> Option<Vec<String>> {
    let list: serde_json::Value = serde_json::from_str(json?).ok()?;
    let names = list.as_array()?.iter().map(|task| {
        let name = task.get("name").and_then(|n| n.as_str());
        name.map(str::to_owned)
    });
    names.collect::<Option<Vec<_>>>().filter(|n| !n.is_empty())
}

fn push(out: &mut Examples, batch: &RecordBatch) -> Result<(), String> {
    let sequences: &StringArray = column(batch, "sequence")?;
    let splits: &StringArray = column(batch, "split")?;
    let weights: &Float64Array = column(batch, "weight")?;
    let labels: Vec<&Float64Array> = (out.tasks.iter())
        .map(|task| column(batch, &format!("{task}.activity")))
        .collect::<Result<_, _>>()?;
    for row in 0..batch.num_rows() {
        let number = out.len() + 1;
        let letters = sequences.value(row).as_bytes();
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
        let side = Split::ALL
            .into_iter()
            .find(|s| s.as_str() == splits.value(row));
        out.sides.push(side.ok_or_else(|| {
            format!(
                "example {number} is on no side of the split: {:?}",
                splits.value(row)
            )
        })?);
        let weight = weights.value(row) as f32;
        if !(weight.is_finite() && weight >= 0.0) {
            return Err(format!("the weight of example {number} is {weight}"));
        }
        out.weights.push(weight);
        out.parent.push(None);
        out.labels
            .extend(labels.iter().map(|l| match l.is_null(row) {
                true => f32::NAN,
                false => l.value(row) as f32,
            }));
    }
    Ok(())
}

fn column<'a, A: 'static>(batch: &'a RecordBatch, name: &str) -> Result<&'a A, String> {
    batch
        .column_by_name(name)
        .ok_or_else(|| format!("it has no column {name:?}"))?
        .as_any()
        .downcast_ref::<A>()
        .ok_or_else(|| format!("its column {name:?} is of another type"))
}
