use ndarray::{Array2, Array3, s};

use super::stretch::{means, remake};
use super::{Scores, Want};

/// Importance and effects of a stretch's bases as they add up, window by window and change by change: of
/// engines that have each change's activities.
#[derive(Debug, Default)]
pub(super) struct Sums {
    want: Option<Want>,
    /// Sums over windows, in the shape of the tables of [`Scores`].
    importance: Array2<f64>,
    effects: Array3<f64>,
    /// Windows over each base.
    covered: Vec<u32>,
    /// The largest loss of the base's changes so far, by task.
    best: Vec<f32>,
}

impl Sums {
    /// Nothing yet, for scores that have been begun.
    pub(super) fn begin(&mut self, scores: &Scores, want: Want, tasks: usize) {
        let bases = scores.importance.nrows();
        remake(&mut self.importance, [bases, tasks], 0.0);
        remake(&mut self.effects, [scores.effects.dim().0, 4, tasks], 0.0);
        self.covered.clear();
        self.covered.resize(bases, 0);
        self.best.clear();
        self.best.resize(tasks, 0.0);
        self.want = Some(want);
    }

    /// Adds a change of a base to a code: for each task, the activity that is lost. The changes of a base
    /// in a window come one after the other, and the `last` is said to be so.
    pub(super) fn add(
        &mut self,
        base: usize,
        to: u8,
        last: bool,
        losses: impl Iterator<Item = f32> + Clone,
    ) {
        for (best, loss) in self.best.iter_mut().zip(losses.clone()) {
            if loss.abs() > best.abs() {
                *best = loss;
            }
        }
        if self.want == Some(Want::Effects) {
            let sums = self.effects.slice_mut(s![base, usize::from(to), ..]);
            for (sum, loss) in sums.into_iter().zip(losses) {
                *sum -= f64::from(loss);
            }
        }
        if last {
            self.covered[base] += 1;
            let sums = self.importance.row_mut(base);
            for (sum, best) in sums.into_iter().zip(&mut self.best) {
                *sum += f64::from(*best);
                *best = 0.0;
            }
        }
    }

    /// Means over the windows.
    pub(super) fn finish(&self, scores: &mut Scores) {
        let importance = scores.importance.outer_iter_mut();
        let sums = self.importance.outer_iter().zip(&self.covered);
        for (values, (sums, &windows)) in importance.zip(sums) {
            means(sums, windows, values);
        }
        let sums = self.effects.outer_iter().zip(&self.covered);
        for (values, (sums, &windows)) in scores.effects.outer_iter_mut().zip(sums) {
            means(sums, windows, values);
        }
    }
}
