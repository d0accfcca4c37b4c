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
    /// The largest loss and the largest gain of the base's changes so far, by task.
    best: Vec<Largest>,
}

/// How close a gain may come to a loss to count as equally large, relative to 1 or the loss: as close as
/// engines agree.
const TIE: f32 = 1e-5;

/// The largest loss of activity and the largest gain of some changes; 0 without one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Largest {
    loss: f32,
    gain: f32,
}

impl Largest {
    /// Adds a change by the activity that is lost.
    pub(super) fn add(&mut self, loss: f32) {
        self.loss = self.loss.max(loss);
        self.gain = self.gain.max(-loss);
    }

    /// The larger of the two, with its sign; of equally large ones the loss, so that which of two
    /// opposite effects is taken does not hang on the last bits of a sum.
    pub(super) fn importance(self) -> f32 {
        match self.gain - self.loss > TIE * self.loss.max(1.0) {
            true => -self.gain,
            false => self.loss,
        }
    }
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
        self.best.resize(tasks, Largest::default());
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
            best.add(loss);
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
                *sum += f64::from(std::mem::take(best).importance());
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

#[cfg(test)]
mod tests {
    use super::Largest;

    #[test]
    fn of_equally_large_effects_the_loss_is_taken() {
        let of = |losses: &[f32]| {
            let mut largest = Largest::default();
            losses.iter().for_each(|&loss| largest.add(loss));
            largest.importance()
        };
        // As two engines once gave it: the sums differ in their last bits alone.
        assert_eq!(of(&[-0.043_973_8, 0.043_973_57, 0.01]), 0.043_973_57);
        assert_eq!(of(&[0.043_973_57, -0.043_973_56, 0.01]), 0.043_973_57);
        assert_eq!(of(&[0.5, -0.6, 0.1]), -0.6);
        assert_eq!(of(&[-0.25, -0.5, -0.125]), -0.5);
        assert_eq!(of(&[0.0, 0.0, 0.0]), 0.0);
        // What is large is compared relative to its size.
        assert_eq!(of(&[3000.0, -3000.02, 1.0]), 3000.0);
    }
}
