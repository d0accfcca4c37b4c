use std::path::{Path, PathBuf};

use ndarray::Array3;

use super::parquet::{is_dataset, read_dataset};
use super::{Examples, Objective, Reading, TrainError};
use crate::genome::Aliases;
use crate::labelled::{Columns, Labelled, Sides, Source};

/// What has to be known of a table of one's own.
#[derive(Clone, Debug)]
pub struct OwnTable {
    /// How it calls its columns.
    pub columns: Columns,
    /// Its sequences, by name, where it does not hold them.
    pub fasta: Option<PathBuf>,
    /// How rows come on sides, where it does not say.
    pub sides: Sides,
}

/// Reads examples as `mpra-score dataset` writes them, or a table (tabs, commas or Parquet) with sequences of
/// one length and columns of values; `tasks` chooses some of these and their order, otherwise all. A
/// missing weight is 1.
///
/// # Errors
/// As [`read_dataset`], and as [`Labelled::read`].
pub fn read_examples(
    path: &Path,
    tasks: Option<&[String]>,
    own: &OwnTable,
) -> Result<Examples, TrainError> {
    if is_dataset(path) {
        return read_dataset(path, tasks);
    }
    let source = Source {
        data: path.into(),
        fasta: own.fasta.clone(),
        aliases: Aliases::None,
        columns: own.columns.clone(),
    };
    // Sequences in a table have the length that they have.
    let data = Labelled::read(&source, 1)?.with_sides(&own.sides);
    let known: Vec<String> = data.labels.iter().map(|l| l.name.clone()).collect();
    let tasks = tasks.map_or_else(|| known.clone(), <[String]>::to_vec);
    let label = |task: &String| {
        data.label(task).ok_or_else(|| TrainError::UnknownTask {
            found: task.clone(),
            known: known.join(", "),
        })
    };
    let labels = tasks.iter().map(label).collect::<Result<Vec<_>, _>>()?;
    if labels.is_empty() {
        return Err(TrainError::Data {
            path: path.into(),
            problem: "it has no column of numbers beside the sequences".into(),
        });
    }
    let rows = data.rows();
    let value = |(row, _, task): (usize, usize, usize)| labels[task].values[row] as f32;
    Ok(Examples {
        columns: data.width,
        windows: 1,
        step: data.width,
        labels: Array3::from_shape_fn((rows, 1, tasks.len()), value),
        reading: Reading::Windows,
        objective: Objective::Values,
        reversed: None,
        weights: match &data.weight {
            Some(weights) => weights.iter().map(|&w| w as f32).collect(),
            None => vec![1.0; rows],
        },
        sides: data.split.unwrap_or_default(),
        parent: vec![None; rows],
        shift: 0,
        codes: data.codes,
        tasks,
    })
}
