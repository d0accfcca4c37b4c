//! The engines of an ensemble's members, side by side, and what they come to together.

use ndarray::{Array, ArrayView, ArrayView1, Axis, Dimension, RemoveAxis, s};

use super::{Engine, Scores, Stretch, Want};
use crate::model::ModelError;

/// How the columns of a table of several members lie: the tasks of the first member, those of the
/// second, and so on. Tasks are the last axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Members {
    /// Members of the ensemble, at least 1.
    pub members: usize,
    /// Tasks of each.
    pub tasks: usize,
}

impl Members {
    /// Whether there are several, so that there is a spread.
    pub fn several(self) -> bool {
        self.members > 1
    }

    /// The columns of all members for these tasks: all of the first member's, then the second's.
    pub fn columns(self, tasks: &[usize]) -> Vec<usize> {
        (0..self.members)
            .flat_map(|member| tasks.iter().map(move |task| member * self.tasks + task))
            .collect()
    }

    /// The mean over the members of each task, NaN where a member has NaN.
    pub fn mean<D: Dimension + RemoveAxis>(self, table: ArrayView<'_, f32, D>) -> Array<f32, D> {
        self.of_each(table, mean)
    }

    /// The standard deviation over the members (of n members, with n - 1) of each task.
    pub fn spread<D: Dimension + RemoveAxis>(self, table: ArrayView<'_, f32, D>) -> Array<f32, D> {
        self.of_each(table, spread)
    }

    fn of_each<D: Dimension + RemoveAxis>(
        self,
        table: ArrayView<'_, f32, D>,
        of: fn(ArrayView1<'_, f32>) -> f32,
    ) -> Array<f32, D> {
        let last = Axis(table.ndim() - 1);
        let mut shape = table.raw_dim();
        shape[last.index()] = self.tasks;
        let mut out = Array::zeros(shape);
        for (from, mut to) in table.lanes(last).into_iter().zip(out.lanes_mut(last)) {
            for (task, to) in to.iter_mut().enumerate() {
                *to = of(from.slice(s![task..;self.tasks]));
            }
        }
        out
    }

    /// Puts means in place of the members' values, and behind them, as further columns, the spread,
    /// where there are several members.
    pub fn reduce(self, scores: &mut Scores) {
        if !self.several() {
            return;
        }
        scores.activities = self.both(scores.activities.view());
        scores.importance = self.both(scores.importance.view());
        scores.effects = self.both(scores.effects.view());
    }

    fn both<D: Dimension + RemoveAxis>(self, table: ArrayView<'_, f32, D>) -> Array<f32, D> {
        let last = Axis(table.ndim() - 1);
        let mut both = self.mean(table.view());
        // The shapes agree: an append along the last axis cannot fail.
        let _ = both.append(last, self.spread(table).view());
        both.as_standard_layout().into_owned()
    }
}

/// Tasks that are put together: the mean of each group stands in their place, for each member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// Columns of a member that belong together, at least one a group.
    pub columns: Vec<Vec<usize>>,
    /// How the columns lie before.
    pub of: Members,
}

impl Groups {
    /// How the columns lie afterwards.
    pub fn members(&self) -> Members {
        Members {
            members: self.of.members,
            tasks: self.columns.len(),
        }
    }

    /// Puts the groups' means in the tasks' place.
    pub fn reduce(&self, scores: &mut Scores) {
        scores.activities = self.means(scores.activities.view());
        scores.importance = self.means(scores.importance.view());
        scores.effects = self.means(scores.effects.view());
    }

    fn means<D: Dimension + RemoveAxis>(&self, table: ArrayView<'_, f32, D>) -> Array<f32, D> {
        let last = Axis(table.ndim() - 1);
        let mut shape = table.raw_dim();
        shape[last.index()] = self.of.members * self.columns.len();
        let mut out = Array::zeros(shape);
        for (from, mut to) in table.lanes(last).into_iter().zip(out.lanes_mut(last)) {
            let groups =
                (0..self.of.members).flat_map(|m| self.columns.iter().map(move |g| (m, g)));
            for (to, (member, group)) in to.iter_mut().zip(groups) {
                let values = group
                    .iter()
                    .map(|c| f64::from(from[member * self.of.tasks + c]));
                *to = (values.sum::<f64>() / group.len() as f64) as f32 + 0.0;
            }
        }
        out
    }
}

fn mean(values: ArrayView1<'_, f32>) -> f32 {
    let sum: f64 = values.iter().map(|&v| f64::from(v)).sum();
    (sum / values.len() as f64) as f32 + 0.0
}

fn spread(values: ArrayView1<'_, f32>) -> f32 {
    let values = values.iter().map(|&v| f64::from(v));
    let n = values.len() as f64;
    let mean = values.clone().sum::<f64>() / n;
    (values.map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt() as f32
}

/// Scores by all members, in the columns that [`Members`] describes.
pub(super) struct SideBySide(Vec<(Box<dyn Engine>, Scores)>);

impl SideBySide {
    pub(super) fn new(engines: Vec<Box<dyn Engine>>) -> Self {
        let own = |engine| (engine, Scores::default());
        Self(engines.into_iter().map(own).collect())
    }
}

impl Engine for SideBySide {
    fn score(
        &mut self,
        stretch: &Stretch<'_>,
        want: Want,
        scores: &mut Scores,
    ) -> Result<(), ModelError> {
        scores.begin(stretch, want, self.tasks());
        let mut from = 0;
        for (engine, own) in &mut self.0 {
            engine.score(stretch, want, own)?;
            let to = from + engine.tasks();
            let columns = s![.., from..to];
            scores.activities.slice_mut(columns).assign(&own.activities);
            scores.importance.slice_mut(columns).assign(&own.importance);
            let effects = scores.effects.slice_mut(s![.., .., from..to]);
            effects
                .into_iter()
                .zip(&own.effects)
                .for_each(|(to, from)| *to = *from);
            scores.rows += own.rows;
            from = to;
        }
        Ok(())
    }

    fn tasks(&self) -> usize {
        self.0.iter().map(|(engine, _)| engine.tasks()).sum()
    }

    fn stretch(&self) -> u32 {
        let stretches = self.0.iter().map(|(engine, _)| engine.stretch());
        stretches.min().unwrap_or(1)
    }
}

/// Means over the members.
pub(super) struct Mean {
    pub all: SideBySide,
    pub members: Members,
}

impl Engine for Mean {
    fn score(
        &mut self,
        stretch: &Stretch<'_>,
        want: Want,
        scores: &mut Scores,
    ) -> Result<(), ModelError> {
        self.all.score(stretch, want, scores)?;
        scores.activities = self.members.mean(scores.activities.view());
        scores.importance = self.members.mean(scores.importance.view());
        scores.effects = self.members.mean(scores.effects.view());
        Ok(())
    }

    fn tasks(&self) -> usize {
        self.members.tasks
    }

    fn stretch(&self) -> u32 {
        self.all.stretch()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, array};

    use super::super::FullEngine;
    use super::*;
    use crate::genome::{Interval, Lattice};
    use crate::model::Predict;

    /// How often a base occurs, each task another, times a factor.
    struct Count(f32);

    impl Predict for Count {
        fn window(&self) -> usize {
            5
        }

        fn tasks(&self) -> usize {
            2
        }

        fn predict(&mut self, windows: &[u8], activities: &mut [f32]) -> Result<(), ModelError> {
            for (window, out) in windows.chunks_exact(5).zip(activities.chunks_exact_mut(2)) {
                for (base, out) in (0..).zip(out) {
                    *out = self.0 * window.iter().filter(|c| **c == base).count() as f32;
                }
            }
            Ok(())
        }
    }

    #[test]
    fn means_and_spreads_of_columns() {
        let members = Members {
            members: 3,
            tasks: 2,
        };
        let table = array![
            [1.0f32, 10.0, 2.0, 10.0, 6.0, 10.0],
            [0.0, 1.0, f32::NAN, 2.0, 0.0, 3.0]
        ];
        let mean = members.mean(table.view());
        assert_eq!(mean.row(0), array![3.0, 10.0]);
        assert!(mean[[1, 0]].is_nan());
        assert_eq!(mean[[1, 1]], 2.0);
        let spread = members.spread(table.view());
        assert_eq!(spread.row(0), array![7f32.sqrt(), 0.0]);
        assert_eq!(spread[[1, 1]], 1.0);
        assert_eq!(members.columns(&[1, 0]), [1, 0, 3, 2, 5, 4]);
        let deep = Array3::from_shape_fn((2, 4, 6), |(a, b, c)| (a + b) as f32 + c as f32);
        assert_eq!(members.mean(deep.view())[[1, 2, 1]], 6.0);
    }

    #[test]
    fn engines_side_by_side_and_their_mean() {
        let codes: Vec<u8> = (0..40u32).map(|i| (i * i % 11 % 4) as u8).collect();
        let wanted = [Interval::new(10, 24).unwrap()];
        let (origin, len) = Stretch::needs(5, &wanted);
        let stretch = Stretch {
            lattice: Lattice::genome(5, 2).unwrap(),
            codes: &codes[origin as usize..][..len],
            origin,
            wanted: &wanted,
        };
        let factors = [1.0, 2.0, 6.0];
        let side = || {
            let full = |&f: &f32| Box::new(FullEngine::new(Count(f), 3)) as Box<dyn Engine>;
            SideBySide::new(factors.iter().map(full).collect())
        };
        let members = Members {
            members: 3,
            tasks: 2,
        };
        let mut one = Scores::default();
        let mut engine = FullEngine::new(Count(1.0), 3);
        engine.score(&stretch, Want::Effects, &mut one).unwrap();
        let mut all = Scores::default();
        side().score(&stretch, Want::Effects, &mut all).unwrap();
        assert_eq!(all.windows, one.windows);
        assert_eq!(all.rows, 3 * one.rows);
        for (m, f) in factors.iter().enumerate() {
            let own = all.effects.slice(s![.., .., 2 * m..2 * m + 2]);
            assert_eq!(own, one.effects.mapv(|v| v * f));
        }
        let mut mean = Scores::default();
        let mut engine = Mean {
            all: side(),
            members,
        };
        engine.score(&stretch, Want::Effects, &mut mean).unwrap();
        assert_eq!(engine.tasks(), 2);
        assert_eq!(mean.activities, one.activities.mapv(|v| v * 3.0));
        assert_eq!(mean.importance, one.importance.mapv(|v| v * 3.0));
        members.reduce(&mut all);
        assert_eq!(all.importance.slice(s![.., ..2]), mean.importance);
        let spread = one.importance.mapv(|v| v.abs() * 7f32.sqrt());
        let found = all.importance.slice(s![.., 2..]);
        for (found, expected) in found.iter().zip(&spread) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
        assert_eq!(all.effects.dim().2, 4);
        assert!(all.effects.is_standard_layout());
    }
}
