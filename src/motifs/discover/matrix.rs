//! Matrices of contributions, and how like two of them are.

/// Columns of eight channels: contributions of the four bases, were they there (effects less their mean), and those of the bases
/// that are there; each half of length 1 over the whole matrix, so that products are cosines.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Matrix(Vec<[f32; 8]>);

/// How one matrix lies on another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fit {
    /// -1 to 1: the mean of both halves' cosines.
    pub(super) likeness: f32,
    /// The column of the first under the second's first.
    pub(super) offset: i32,
    /// Whether the second is turned over.
    pub(super) reverse: bool,
}

impl Matrix {
    /// From columns: of all bases, and of the bases that are there.
    pub(super) fn new(columns: impl Iterator<Item = ([f32; 4], [f32; 4])>) -> Self {
        let mut columns: Vec<[f32; 8]> = columns
            .map(|(all, own)| std::array::from_fn(|i| if i < 4 { all[i] } else { own[i - 4] }))
            .collect();
        for half in [0, 4] {
            let square: f32 = columns
                .iter()
                .flat_map(|c| &c[half..half + 4])
                .map(|v| v * v)
                .sum();
            let scale = if square > 0.0 {
                1.0 / square.sqrt()
            } else {
                0.0
            };
            for column in &mut columns {
                column[half..half + 4].iter_mut().for_each(|v| *v *= scale);
            }
        }
        Self(columns)
    }

    pub(super) fn reversed(&self) -> Self {
        let turned = self.0.iter().rev();
        let columns = turned.map(|&[a, c, g, t, p, q, r, s]| [t, g, c, a, s, r, q, p]);
        Self(columns.collect())
    }

    fn at(&self, other: &Self, offset: i32) -> f32 {
        let (from, to) = (
            offset.max(0),
            (offset + other.0.len() as i32).min(self.0.len() as i32),
        );
        if from >= to {
            return 0.0;
        }
        let ours = &self.0[from as usize..to as usize];
        let theirs = &other.0[(from - offset) as usize..(to - offset) as usize];
        let mut sums = [0.0f32; 8];
        for (a, b) in ours.iter().zip(theirs) {
            for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
                *sum += a * b;
            }
        }
        sums.iter().sum::<f32>() / 2.0
    }

    /// The best place of another matrix, given with its turned form, at most so many columns from where both middles meet; the
    /// forward strand and the place nearest to the middle where several are as good.
    pub(super) fn fit(&self, other: &Self, turned: &Self, most: i32) -> Fit {
        let middle = (self.0.len() as i32 - other.0.len() as i32) / 2;
        let mut best = Fit {
            likeness: f32::NEG_INFINITY,
            offset: middle,
            reverse: false,
        };
        for (reverse, matrix) in [(false, other), (true, turned)] {
            for step in 0..=2 * most {
                // 0, 1, -1, 2, -2, ...
                let shift = if step % 2 == 1 {
                    (step + 1) / 2
                } else {
                    -step / 2
                };
                let offset = middle + shift;
                let likeness = self.at(matrix, offset);
                if likeness > best.likeness {
                    best = Fit {
                        likeness,
                        offset,
                        reverse,
                    };
                }
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Random;

    fn matrix(seed: u64, width: usize) -> Matrix {
        let mut random = Random::new(seed, 0, 0);
        let mut column = move || -> [f32; 4] { std::array::from_fn(|_| random.normal() as f32) };
        Matrix::new((0..width).map(|_| (column(), column())))
    }

    #[test]
    fn a_moved_and_turned_matrix_is_found() {
        let whole = matrix(1, 20);
        let part = Matrix(whole.0[4..16].to_vec());
        let fit = whole.fit(&part, &part.reversed(), 8);
        assert_eq!((fit.offset, fit.reverse), (4, false));
        let turned = part.reversed();
        assert_eq!(turned.reversed(), part);
        let fit = whole.fit(&turned, &turned.reversed(), 8);
        assert_eq!((fit.offset, fit.reverse), (4, true));
        let fit = whole.fit(&whole, &whole.reversed(), 3);
        assert!((fit.likeness - 1.0).abs() < 1e-6 && fit.offset == 0);
        assert!(
            whole
                .fit(&matrix(2, 20), &matrix(2, 20).reversed(), 8)
                .likeness
                < 0.5
        );
    }
}
