//! Batch normalisation of values by statistics.

use ndarray::{Array2, Zip};

/// Added to a variance before its root is taken.
pub(in super::super) const BN_EPSILON: f64 = 1e-3;

/// Means and variances of channels, `[1, channels]`.
#[derive(Clone, Debug)]
pub(in super::super) struct Statistics {
    pub mean: Array2<f32>,
    pub variance: Array2<f32>,
}

impl Statistics {
    pub fn new(mean: &Array2<f32>, variance: &Array2<f32>) -> Self {
        Self {
            mean: mean.clone(),
            variance: variance.clone(),
        }
    }

    /// 1 over the standard deviation.
    pub(super) fn inverse(&self) -> Array2<f32> {
        self.variance
            .mapv(|v| (1.0 / (f64::from(v) + BN_EPSILON).sqrt()) as f32)
    }
}

/// `(values - mean) / deviation * scale + shift`.
pub(super) fn by(
    mut values: Array2<f32>,
    statistics: &Statistics,
    scale: &Array2<f32>,
    shift: &Array2<f32>,
) -> Array2<f32> {
    let factor = statistics.inverse() * scale;
    let offset = shift - &(&statistics.mean * &factor);
    for mut row in values.rows_mut() {
        Zip::from(&mut row)
            .and(&factor.row(0))
            .and(&offset.row(0))
            .for_each(|v, f, o| *v = *v * f + o);
    }
    values
}
