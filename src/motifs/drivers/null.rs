//! Means over windows of a region, and their moments over all places.

use crate::motifs::scored_rows::runs;
use crate::stats::Random;

/// Sums along one row, for fast means over windows.
#[derive(Debug)]
pub(super) struct Sums {
    /// Of each kind of value the sum of the first so many bases.
    sums: Vec<Vec<f64>>,
    /// Stretches whose bases have values of all kinds.
    runs: Vec<std::ops::Range<usize>>,
}

impl Sums {
    /// Of values, `[kind][base]`; a base without one of a kind has none of any.
    pub(super) fn new(values: &[Vec<f32>]) -> Self {
        let bases = values.first().map_or(0, Vec::len);
        let whole: Vec<f32> = (0..bases)
            .map(|base| values.iter().map(|kind| kind[base]).sum())
            .collect();
        let sums = values.iter().map(|kind| {
            let mut sum = 0.0;
            let rest = kind.iter().map(|&v| {
                sum += if v.is_nan() { 0.0 } else { f64::from(v) };
                sum
            });
            std::iter::once(0.0).chain(rest).collect()
        });
        Self {
            sums: sums.collect(),
            runs: runs(&whole),
        }
    }

    /// Whether all bases of a window have values.
    pub(super) fn has(&self, start: usize, width: usize) -> bool {
        (self.runs.iter()).any(|run| run.start <= start && start + width <= run.end)
    }

    /// Mean of a kind of value over a window.
    pub(super) fn mean(&self, kind: usize, start: usize, width: usize) -> f64 {
        let sums = &self.sums[kind];
        (sums[start + width] - sums[start]) / width as f64
    }

    /// Places for a window.
    pub(super) fn places(&self, width: usize) -> usize {
        let runs = self.runs.iter();
        runs.map(|run| (run.len() + 1).saturating_sub(width)).sum()
    }

    /// The start of place number `place`.
    fn start(&self, mut place: usize, width: usize) -> usize {
        for run in &self.runs {
            let places = (run.len() + 1).saturating_sub(width);
            if place < places {
                return run.start + place;
            }
            place -= places;
        }
        0
    }

    /// A place drawn evenly.
    pub(super) fn draw(&self, width: usize, places: usize, random: &mut Random) -> usize {
        self.start(random.index(places), width)
    }
}

/// Mean and variance of window means, over all places of a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    /// Places.
    pub places: usize,
    /// For each kind of value.
    pub mean: Vec<f64>,
    /// Likewise.
    pub variance: Vec<f64>,
}

/// The moments of one width, for each row.
#[derive(Debug)]
pub struct Widths(pub(super) Vec<Moments>);

impl Widths {
    pub(super) fn new(rows: &[Sums], width: usize, kinds: usize) -> Self {
        let of = |row: &Sums| {
            let places = row.places(width);
            let mut moments = Moments {
                places,
                ..Moments::default()
            };
            for kind in 0..kinds {
                let values = (0..places).map(|i| row.mean(kind, row.start(i, width), width));
                let mean = values.clone().sum::<f64>() / places as f64;
                let square: f64 = values.map(|v| (v - mean) * (v - mean)).sum();
                moments.mean.push(mean);
                moments.variance.push(square / places as f64);
            }
            moments
        };
        Self(rows.iter().map(of).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_lie_where_all_kinds_have_values() {
        let n = f32::NAN;
        let row = Sums::new(&[vec![1.0, 2.0, 6.0, n, 4.0, 8.0], vec![0.0; 6]]);
        assert_eq!((row.places(2), row.places(3), row.places(4)), (3, 1, 0));
        assert!(row.has(1, 2) && !row.has(2, 2) && row.has(4, 2));
        assert_eq!(row.mean(0, 1, 2), 4.0);
        assert_eq!(row.mean(0, 4, 2), 6.0);
        // Means of the three windows of two: 1.5, 4, 6.
        let widths = Widths::new(&[row], 2, 2);
        let moments = &widths.0[0];
        let mean = 11.5 / 3.0;
        let variance = [1.5f64, 4.0, 6.0]
            .map(|v| (v - mean) * (v - mean))
            .iter()
            .sum::<f64>()
            / 3.0;
        assert!((moments.mean[0] - mean).abs() < 1e-12);
        assert!((moments.variance[0] - variance).abs() < 1e-12);
        assert_eq!((moments.mean[1], moments.variance[1]), (0.0, 0.0));
    }

    #[test]
    fn all_places_are_drawn_alike() {
        let n = f32::NAN;
        let row = Sums::new(&[vec![1.0, 2.0, 6.0, n, 4.0, 8.0]]);
        let mut random = Random::new(1, 0, 0);
        let mut counts = [0; 6];
        for _ in 0..3000 {
            counts[row.draw(2, 3, &mut random)] += 1;
        }
        assert_eq!([counts[2], counts[3], counts[5]], [0, 0, 0]);
        assert!(
            [0, 1, 4].iter().all(|i| (900..1100).contains(&counts[*i])),
            "{counts:?}"
        );
    }
}
