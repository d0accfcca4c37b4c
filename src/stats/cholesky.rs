/// The lower triangular factor of a symmetric positive definite matrix, row by row: row `i` holds
/// `i + 1` values. The matrices here are at most tiles x tiles (31 for the scale-up), dense only
/// near the diagonal; a general library would cost more to call than to solve.
#[derive(Clone, Debug)]
pub struct Cholesky {
    size: usize,
    lower: Vec<f64>,
    /// First column that is not zero, of every row: the factor keeps the matrix's envelope.
    first: Vec<usize>,
}

impl Cholesky {
    /// Factors the matrix whose entry at row `i`, column `j <= i` is `entry(i, j)`. `None` when it is
    /// not positive definite in this arithmetic.
    pub fn new(size: usize, entry: impl Fn(usize, usize) -> f64) -> Option<Self> {
        let mut lower = vec![0.0; size * (size + 1) / 2];
        let mut first = vec![0; size];
        for i in 0..size {
            let (above, row) = lower.split_at_mut(i * (i + 1) / 2);
            // Ends at the diagonal at the latest, whose entry is positive.
            first[i] = (0..i).find(|&j| entry(i, j) != 0.0).unwrap_or(i);
            for j in first[i]..=i {
                let from = first[i].max(first[j]);
                let dot = if j < i {
                    let other = &above[j * (j + 1) / 2..];
                    dot(&row[from..j.max(from)], &other[from..j.max(from)])
                } else {
                    let own = &row[first[i]..i];
                    dot(own, own)
                };
                let rest = entry(i, j) - dot;
                row[j] = if j < i {
                    rest / above[j * (j + 1) / 2 + j]
                } else if rest > 0.0 {
                    rest.sqrt()
                } else {
                    return None;
                };
            }
        }
        Some(Self { size, lower, first })
    }

    /// Solves `matrix * x = b` in place.
    pub fn solve(&self, b: &mut [f64]) {
        debug_assert_eq!(b.len(), self.size);
        for i in 0..self.size {
            let row = &self.lower[i * (i + 1) / 2..];
            let known = dot(&row[self.first[i]..i], &b[self.first[i]..i]);
            b[i] = (b[i] - known) / row[i];
        }
        for i in (0..self.size).rev() {
            let row = &self.lower[i * (i + 1) / 2..];
            b[i] /= row[i];
            let x = b[i];
            for (b, l) in b[self.first[i]..i].iter_mut().zip(&row[self.first[i]..i]) {
                *b -= l * x;
            }
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_what_it_factored() {
        // A banded matrix with a gap in its envelope, against its product with a known vector.
        let size = 9;
        let at = |i: usize, j: usize| match i.abs_diff(j) {
            0 => 4.0 + i as f64,
            1 => 1.0,
            3 if i.min(j).is_multiple_of(2) => -0.5,
            _ => 0.0,
        };
        let x: Vec<f64> = (0..size).map(|i| (i as f64 * 0.7).sin()).collect();
        let mut b: Vec<f64> = (0..size)
            .map(|i| (0..size).map(|j| at(i, j) * x[j]).sum())
            .collect();
        Cholesky::new(size, at).unwrap().solve(&mut b);
        for (found, expected) in b.iter().zip(&x) {
            assert!((found - expected).abs() < 1e-13, "{found} {expected}");
        }
    }

    #[test]
    fn indefinite_matrices_are_refused() {
        assert!(Cholesky::new(2, |i, j| if i == j { 1.0 } else { 2.0 }).is_none());
        assert!(Cholesky::new(1, |_, _| f64::NAN).is_none());
        assert!(Cholesky::new(0, |_, _| 0.0).is_some());
    }
}
