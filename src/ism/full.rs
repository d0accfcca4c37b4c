use ndarray::ArrayView1;

use super::sums::Sums;
use super::{Engine, Scores, Stretch, Want};
use crate::encode::UNKNOWN;
use crate::model::{ModelError, Predict};

/// The naive engine, and the oracle of all others: every reference window and every mutant is one
/// row given to the model, in full batches.
///
/// Only wanted bases are changed, and each window runs once: a stretch of `n` scored windows costs
/// `n` rows and three more for every known wanted base of every window.
#[derive(Debug)]
pub struct FullEngine<P> {
    model: P,
    batch: usize,
    codes: Vec<u8>,
    rows: Vec<Row>,
    results: Vec<f32>,
    sums: Sums,
}

/// What a row of the batch is: a window by its index, and the change if there is one.
#[derive(Clone, Copy, Debug)]
struct Row {
    window: usize,
    change: Option<Change>,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    /// Index of the base in the stretch's span.
    base: usize,
    /// The mutant base's code.
    to: u8,
    /// Whether it is the last of the three changes of this base in this window.
    last: bool,
}

impl<P: Predict> FullEngine<P> {
    /// An engine that gives `batch` rows at a time to the model.
    pub fn new(model: P, batch: usize) -> Self {
        Self {
            model,
            batch: batch.max(1),
            codes: Vec::new(),
            rows: Vec::new(),
            results: Vec::new(),
            sums: Sums::default(),
        }
    }

    fn push(&mut self, window: &[u8], row: Row, scores: &mut Scores) -> Result<(), ModelError> {
        self.codes.extend_from_slice(window);
        self.rows.push(row);
        if self.rows.len() == self.batch {
            self.flush(scores)?;
        }
        Ok(())
    }

    /// Runs the batch and books its results. Rows come in the order reference, then the changes of
    /// one base after the other.
    fn flush(&mut self, scores: &mut Scores) -> Result<(), ModelError> {
        let tasks = self.model.tasks();
        self.results.resize(self.rows.len() * tasks, 0.0);
        self.model.predict(&self.codes, &mut self.results)?;
        scores.rows += self.rows.len() as u64;
        let window = self.model.window();
        let rows = self.rows.iter().zip(self.codes.chunks_exact(window));
        for ((row, codes), activity) in rows.zip(self.results.chunks_exact(tasks)) {
            // The model refuses such values itself, but not a mean over strands beyond f32.
            let unfit = |task: usize, value: f32| match value.is_finite() {
                true => Ok(()),
                false => Err(ModelError::not_finite(value, self.model.task(task), codes)),
            };
            for (task, &value) in activity.iter().enumerate() {
                unfit(task, value)?;
            }
            let Some(change) = row.change else {
                let activity = ArrayView1::from(activity);
                scores.activities.row_mut(row.window).assign(&activity);
                continue;
            };
            let reference = scores.activities.row(row.window);
            let losses = reference.iter().zip(activity).map(|(r, a)| r - a);
            for (task, loss) in losses.clone().enumerate() {
                unfit(task, loss)?;
            }
            (self.sums).add(change.base, change.to, change.last, losses);
        }
        self.codes.clear();
        self.rows.clear();
        Ok(())
    }
}

impl<P: Predict + Send> Engine for FullEngine<P> {
    fn tasks(&self) -> usize {
        self.model.tasks()
    }

    fn score(
        &mut self,
        stretch: &Stretch<'_>,
        want: Want,
        scores: &mut Scores,
    ) -> Result<(), ModelError> {
        let tasks = self.model.tasks();
        let span = stretch.span();
        scores.begin(stretch, want, tasks);
        self.sums.begin(scores, want, tasks);
        self.codes.clear();
        self.rows.clear();

        let windows = scores.windows.clone();
        let mut mutant = Vec::new();
        for (index, &start) in windows.iter().enumerate() {
            let codes = stretch.window(start);
            let reference = Row {
                window: index,
                change: None,
            };
            self.push(codes, reference, scores)?;
            if want == Want::Activity {
                continue;
            }
            mutant.clear();
            mutant.extend_from_slice(codes);
            let end = start + codes.len() as i64;
            for interval in stretch.wanted {
                let from = start.max(i64::from(interval.start()));
                let to = end.min(i64::from(interval.end()));
                for position in from..to {
                    let column = (position - start) as usize;
                    let original = codes[column];
                    if original == UNKNOWN {
                        continue;
                    }
                    let last = if original == 3 { 2 } else { 3 };
                    for base in (0..4).filter(|&b| b != original) {
                        mutant[column] = base;
                        let row = Row {
                            window: index,
                            change: Some(Change {
                                base: (position - i64::from(span.start())) as usize,
                                to: base,
                                last: base == last,
                            }),
                        };
                        self.push(&mutant, row, scores)?;
                    }
                    mutant[column] = original;
                }
            }
        }
        if !self.rows.is_empty() {
            self.flush(scores)?;
        }

        self.sums.finish(scores);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::{Interval, Lattice};

    /// A linear model with a weight for every base at every column, counting its rows.
    struct Linear {
        window: usize,
        rows: u64,
    }

    fn weight(column: usize, base: u8, task: usize) -> f32 {
        // Dyadic, so that sums are exact; distinct for every argument.
        ((column * 37 + base as usize * 11 + task * 5) % 64) as f32 / 64.0 - 0.5
    }

    impl Predict for Linear {
        fn window(&self) -> usize {
            self.window
        }
        fn tasks(&self) -> usize {
            2
        }
        fn predict(&mut self, windows: &[u8], out: &mut [f32]) -> Result<(), ModelError> {
            for (codes, out) in windows
                .chunks_exact(self.window)
                .zip(out.chunks_exact_mut(2))
            {
                self.rows += 1;
                for (task, value) in out.iter_mut().enumerate() {
                    *value = (codes.iter().enumerate())
                        .filter(|(_, c)| **c < UNKNOWN)
                        .map(|(i, &c)| weight(i, c, task))
                        .sum();
                }
            }
            Ok(())
        }
    }

    fn codes(len: usize) -> Vec<u8> {
        let mut codes: Vec<u8> = (0..len).map(|i| (i * i / 3 % 4) as u8).collect();
        for (from, to) in [(30, 34), (60, 75)] {
            codes[from..to].fill(UNKNOWN);
        }
        codes
    }

    /// Scores wanted bases of a contig of 100 bases.
    fn score(wanted: &[(u32, u32)], stride: u32, batch: usize, want: Want) -> Scores {
        let contig = codes(100);
        let wanted: Vec<Interval> = wanted
            .iter()
            .map(|&(a, b)| Interval::new(a, b).unwrap())
            .collect();
        let (origin, len) = Stretch::needs(10, &wanted);
        let codes: Vec<u8> = (origin..origin + len as i64)
            .map(|p| {
                usize::try_from(p)
                    .ok()
                    .and_then(|p| contig.get(p))
                    .copied()
                    .unwrap_or(UNKNOWN)
            })
            .collect();
        let stretch = Stretch {
            lattice: Lattice::genome(10, stride).unwrap().allowing(5),
            codes: &codes,
            origin,
            wanted: &wanted,
        };
        let mut engine = FullEngine::new(
            Linear {
                window: 10,
                rows: 0,
            },
            batch,
        );
        let mut scores = Scores::default();
        engine.score(&stretch, want, &mut scores).unwrap();
        assert_eq!(scores.rows, engine.model.rows);
        scores
    }

    #[test]
    fn closed_form_of_a_linear_model() {
        let contig = codes(100);
        for stride in [1, 2, 3, 10] {
            let scores = score(&[(0, 100)], stride, 7, Want::Effects);
            for base in 0..100usize {
                // Every scored window over the base, by search.
                let starts: Vec<i64> = (-9..100i64)
                    .filter(|s| s.rem_euclid(i64::from(stride)) == 0)
                    .filter(|&s| s <= base as i64 && base as i64 - s < 10)
                    .filter(|&s| {
                        let unknown = (s..s + 10)
                            .filter(|p| !(0..100).contains(p) || contig[*p as usize] == UNKNOWN)
                            .count();
                        unknown <= 5
                    })
                    .collect();
                for task in 0..2 {
                    let found = scores.importance[[base, task]];
                    if contig[base] == UNKNOWN || starts.is_empty() {
                        assert!(found.is_nan());
                        assert!(scores.effects[[base, 0, task]].is_nan());
                        continue;
                    }
                    let mut importance = 0.0;
                    let mut effects = [0.0f32; 4];
                    for s in &starts {
                        let column = (base as i64 - s) as usize;
                        let own = weight(column, contig[base], task);
                        let mut best = 0.0f32;
                        for b in 0..4 {
                            let loss = own - weight(column, b, task);
                            effects[b as usize] -= loss;
                            if loss.abs() > best.abs() {
                                best = loss;
                            }
                        }
                        importance += best;
                    }
                    let n = starts.len() as f32;
                    assert!((found - importance / n).abs() < 1e-6);
                    for (b, effect) in effects.iter().enumerate() {
                        let found = scores.effects[[base, b, task]];
                        assert!((found - effect / n).abs() < 1e-6);
                    }
                }
            }
        }
    }

    #[test]
    fn rows_are_counted_exactly_and_no_more_than_needed() {
        let contig = codes(100);
        // One base: the windows over it, and three changes in each.
        let one = score(&[(50, 51)], 2, 4, Want::Importance);
        assert_eq!((one.windows.len(), one.rows), (5, 5 + 5 * 3));
        // Two bases far apart in one stretch: nothing between them is changed.
        let two = score(&[(10, 11), (50, 51)], 2, 4, Want::Importance);
        assert_eq!(two.rows, 2 * (5 + 15));
        // All: each window once, three changes for each known base that it covers.
        let all = score(&[(0, 100)], 2, 4, Want::Importance);
        let changes: usize = all
            .windows
            .iter()
            .map(|s| {
                let known = |p: &i64| (0..100).contains(p) && contig[*p as usize] != UNKNOWN;
                3 * (*s..s + 10).filter(known).count()
            })
            .sum();
        assert_eq!(all.rows, (all.windows.len() + changes) as u64);
        let activity = score(&[(0, 100)], 2, 4, Want::Activity);
        assert_eq!(activity.rows, activity.windows.len() as u64);
    }

    #[test]
    fn batch_size_and_splitting_change_nothing() {
        let whole = score(&[(0, 100)], 3, 1, Want::Effects);
        for batch in [2, 16, 1000] {
            let other = score(&[(0, 100)], 3, batch, Want::Effects);
            assert_eq!(bits(&whole.importance), bits(&other.importance));
            assert_eq!(bits(&whole.effects), bits(&other.effects));
            assert_eq!(whole.activities, other.activities);
        }
        let (left, right) = (
            score(&[(0, 41)], 3, 5, Want::Effects),
            score(&[(41, 100)], 3, 5, Want::Effects),
        );
        let joined = left.importance.iter().chain(&right.importance);
        assert_eq!(bits(&whole.importance), bits(joined));
        let joined = left.effects.iter().chain(&right.effects);
        assert_eq!(bits(&whole.effects), bits(joined));
    }

    fn bits<'a>(values: impl IntoIterator<Item = &'a f32>) -> Vec<u32> {
        values.into_iter().map(|v| v.to_bits()).collect()
    }
}
