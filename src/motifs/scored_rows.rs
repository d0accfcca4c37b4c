//! What each base of scored sequences is worth, read from a folder of results.

use std::path::{Path, PathBuf};

use super::MotifError;
use crate::encode::UNKNOWN;
use crate::job::Cancel;
use crate::tracks::{RowPlace, Saturation};

/// What a base is taken to be worth, from the effects of its three changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Worth {
    /// Its importance: the difference reference - mutant that is largest in absolute value, with its sign.
    #[default]
    Importance,
    /// Its contribution: the reference's activity less the mean over the four bases, as TF-MoDISco takes it.
    Contribution,
}

impl Worth {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Importance => "importance",
            Self::Contribution => "contribution",
        }
    }

    /// Of a base with this code, from the effects (mutant - reference) of the four codes; NaN where there is none.
    fn of(self, code: u8, effects: [f32; 4]) -> f32 {
        if code >= UNKNOWN || effects.iter().any(|e| e.is_nan()) {
            return f32::NAN;
        }
        if self == Self::Contribution {
            return -effects.iter().sum::<f32>() / 4.0;
        }
        // Where a loss and a gain are as good as equal, the loss: docs/definitions.md.
        const TIE: f32 = 1e-5;
        let (mut loss, mut gain) = (f32::NEG_INFINITY, f32::NEG_INFINITY);
        let others = (0u8..).zip(effects).filter(|(base, _)| *base != code);
        for (_, effect) in others {
            loss = loss.max(-effect);
            gain = gain.max(effect);
        }
        match gain - loss > TIE * loss.max(1.0) {
            true => -gain,
            false => loss,
        }
    }
}

/// The bases of scored rows and what they are worth.
#[derive(Clone, Debug, Default)]
pub struct ScoredRows {
    /// The archive that they were read from.
    pub path: PathBuf,
    /// The tasks chosen.
    pub tasks: Vec<String>,
    /// The rows that were scored.
    pub rows: Vec<Row>,
    /// Rows of the table that were not.
    pub left_out: u64,
}

/// One row.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Its number in the table, from 0.
    pub number: usize,
    /// Where it lies.
    pub place: RowPlace,
    /// A code a base.
    pub codes: Vec<u8>,
    /// What each base is worth, for each task; NaN where there is no value.
    pub values: Vec<Vec<f32>>,
    /// Effects of the first task less their mean over the four bases, where they were asked for; 0 where there is none.
    pub hypothetical: Vec<[f32; 4]>,
}

impl ScoredRows {
    /// Reads a folder of results (`saturation.npz`, and the table of its rows) for these tasks (`None`: all). Where it holds
    /// contributions by another method, bases are worth these.
    ///
    /// # Errors
    /// When it cannot be read, a task is not in it, or no row was scored.
    pub fn read(
        results: &Path,
        tasks: Option<&[String]>,
        worth: Worth,
        hypothetical: bool,
        cancel: &Cancel,
    ) -> Result<Self, crate::Error> {
        let mut source = Saturation::open(results)?;
        let columns = columns(&source.tasks, tasks)?;
        let all = source.tasks.len();
        let mut found = Self {
            path: source.path().into(),
            tasks: columns.iter().map(|&c| source.tasks[c].clone()).collect(),
            ..Self::default()
        };
        while let Some(row) = source.next_row()? {
            cancel.check()?;
            let effects = |base: usize, column: usize| -> [f32; 4] {
                std::array::from_fn(|b| row.effects[(4 * base + b) * all + column])
            };
            let contributions = source.contributions;
            let worth = |code: u8, four: [f32; 4]| match contributions {
                false => worth.of(code, four),
                true => four.get(usize::from(code)).copied().unwrap_or(f32::NAN),
            };
            let values: Vec<Vec<f32>> = (columns.iter())
                .map(|&column| {
                    let codes = row.codes.iter().enumerate();
                    codes
                        .map(|(base, &code)| worth(code, effects(base, column)))
                        .collect()
                })
                .collect();
            if values.iter().flatten().all(|v| v.is_nan()) {
                found.left_out += 1;
                continue;
            }
            let centred = |base: usize| -> [f32; 4] {
                let effects = effects(base, columns[0]);
                let mean = match contributions {
                    false => effects.iter().sum::<f32>() / 4.0,
                    true => 0.0,
                };
                match values[0][base].is_nan() {
                    true => [0.0; 4],
                    false => effects.map(|e| e - mean),
                }
            };
            let hypothetical = match hypothetical {
                true => (0..row.codes.len()).map(centred).collect(),
                false => Vec::new(),
            };
            found.rows.push(Row {
                number: row.row,
                place: source.places[row.row].clone(),
                codes: row.codes,
                values,
                hypothetical,
            });
        }
        match found.rows.is_empty() {
            true => Err(MotifError::NoScoredRow(source.path().into()).into()),
            false => Ok(found),
        }
    }

    /// Bases with a value of a task.
    pub fn bases(&self) -> u64 {
        let values = self.rows.iter().map(|row| &row.values[0]);
        values
            .map(|v| v.iter().filter(|v| !v.is_nan()).count() as u64)
            .sum()
    }
}

/// Which of the tasks there are are chosen.
///
/// # Errors
/// When one is not there, or named twice.
pub fn columns(known: &[String], tasks: Option<&[String]>) -> Result<Vec<usize>, MotifError> {
    let Some(tasks) = tasks else {
        return Ok((0..known.len()).collect());
    };
    let mut columns = Vec::new();
    for task in tasks {
        match known.iter().position(|k| k == task) {
            Some(column) if !columns.contains(&column) => columns.push(column),
            Some(_) => return Err(MotifError::Setting(format!("task {task:?} is named twice"))),
            None => {
                return Err(MotifError::UnknownTask {
                    task: task.clone(),
                    known: known.join(", "),
                });
            }
        }
    }
    Ok(columns)
}

/// Stretches of bases that all have a value.
pub fn runs(values: &[f32]) -> Vec<std::ops::Range<usize>> {
    let mut runs = Vec::new();
    let mut from = 0;
    for at in 0..=values.len() {
        if values.get(at).is_none_or(|v| v.is_nan()) {
            if from < at {
                runs.push(from..at);
            }
            from = at + 1;
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bases_are_worth() {
        let importance = |code, effects| Worth::Importance.of(code, effects);
        assert_eq!(importance(1, [-0.5, 0.0, 0.25, -1.0]), 1.0);
        assert_eq!(importance(0, [0.0, -0.5, 0.75, 0.25]), -0.75);
        // Of equals the loss.
        assert_eq!(importance(3, [0.5, -0.5, 0.0, 0.0]), 0.5);
        assert_eq!(importance(3, [0.5 + 9e-6, -0.5, 0.0, 0.0]), 0.5);
        assert!(importance(4, [0.0; 4]).is_nan());
        assert!(importance(0, [0.0, f32::NAN, 0.0, 0.0]).is_nan());
        assert_eq!(Worth::Contribution.of(0, [0.0, -1.0, -2.0, 1.0]), 0.5);
    }

    #[test]
    fn stretches_with_values() {
        let n = f32::NAN;
        assert_eq!(runs(&[n, 1.0, 2.0, n, n, 3.0]), [1..3, 5..6]);
        assert_eq!(runs(&[1.0]), std::slice::from_ref(&(0..1)));
        assert!(runs(&[n]).is_empty() && runs(&[]).is_empty());
    }

    #[test]
    fn tasks_by_name() {
        let known = ["a".to_owned(), "b".to_owned()];
        assert_eq!(columns(&known, None).unwrap(), [0, 1]);
        assert_eq!(columns(&known, Some(&["b".into()])).unwrap(), [1]);
        assert!(columns(&known, Some(&["c".into()])).is_err());
        assert!(columns(&known, Some(&["a".into(), "a".into()])).is_err());
    }
}
