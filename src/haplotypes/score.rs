//! Activities of the distinct sequences of a region.

use ndarray::Array2;

use super::region::Distinct;
use crate::Error;
use crate::ism::{Engine, SequenceWindows, Want};

/// Activities of sequences, means over their windows; NaN where none is scored.
pub(super) struct Activities {
    /// `[sequence, task]`.
    pub values: Array2<f32>,
    /// Sequence - the first one, `[sequence, task]`: NaN where they are not scored in the same windows.
    pub differences: Array2<f32>,
    /// Windows scored.
    pub windows: u64,
}

/// Scores sequences, the reference first; `columns` are those of the tasks.
///
/// # Errors
/// When the model fails.
pub(super) fn score(
    engine: &mut dyn Engine,
    windows: &mut SequenceWindows,
    distinct: &[Distinct],
    columns: &[usize],
) -> Result<Activities, Error> {
    let shape = (distinct.len(), columns.len());
    let mut found = Activities {
        values: Array2::from_elem(shape, f32::NAN),
        differences: Array2::from_elem(shape, f32::NAN),
        windows: 0,
    };
    let (mut reference, mut same): (Vec<f64>, Vec<i64>) = (Vec::new(), Vec::new());
    for (i, one) in distinct.iter().enumerate() {
        let scores = windows.score(engine, &one.codes, false, Want::Activity)?;
        let n = scores.windows.len();
        found.windows += n as u64;
        let mean = |&column: &usize| {
            let sum: f64 = (scores.activities.column(column).iter())
                .map(|v| f64::from(*v))
                .sum();
            sum / n as f64
        };
        let means: Vec<f64> = columns.iter().map(mean).collect();
        if i == 0 {
            (reference, same) = (means.clone(), scores.windows.clone());
        }
        if n == 0 {
            continue;
        }
        for (task, mean) in means.iter().enumerate() {
            found.values[[i, task]] = *mean as f32 + 0.0;
            if scores.windows == same {
                found.differences[[i, task]] = (mean - reference[task]) as f32 + 0.0;
            }
        }
    }
    Ok(found)
}
