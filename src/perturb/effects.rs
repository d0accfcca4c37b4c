//! Effects over backgrounds: their mean, and how sure it is that it is not 0.

use statrs::function::beta::checked_beta_reg;

/// How p-values are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// Student's t test of one sample, against a mean of 0.
    T,
    /// The exact sign test: as many effects above 0 as below.
    Sign,
}

impl Test {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::T => "t",
            Self::Sign => "sign",
        }
    }

    /// Two-sided p-value of some values; NaN where there is none: with less than two values, or values without
    /// spread (t), or with none that is not 0 (sign).
    pub(super) fn p(self, values: &[f64]) -> f64 {
        match self {
            Self::T => {
                let effect = Effect::of(values);
                p_from_t(effect.mean / effect.error, values.len() as f64 - 1.0)
            }
            Self::Sign => {
                let above = values.iter().filter(|v| **v > 0.0).count();
                let below = values.iter().filter(|v| **v < 0.0).count();
                p_from_signs(above, below)
            }
        }
    }
}

/// Values in short; NaN where there are too few.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Effect {
    pub mean: f64,
    /// Standard deviation, with n - 1.
    pub spread: f64,
    /// Standard error of the mean.
    pub error: f64,
    /// Share that lies above 0.
    pub positive: f64,
}

impl Effect {
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let spread = (squares / (n - 1.0)).sqrt();
        Self {
            mean,
            spread,
            error: spread / n.sqrt(),
            positive: values.iter().filter(|v| **v > 0.0).count() as f64 / n,
        }
    }
}

/// Two-sided p-value of Student's t.
fn p_from_t(t: f64, freedom: f64) -> f64 {
    if !t.is_finite() || freedom < 1.0 {
        return f64::NAN;
    }
    checked_beta_reg(0.5 * freedom, 0.5, freedom / (freedom + t * t)).unwrap_or(f64::NAN)
}

/// Two-sided p-value of so many values above and below 0 (twice the smaller tail, at most 1).
fn p_from_signs(above: usize, below: usize) -> f64 {
    let (n, fewer) = ((above + below) as f64, above.min(below) as f64);
    if n == 0.0 {
        return f64::NAN;
    }
    if above == below {
        return 1.0;
    }
    let tail = checked_beta_reg(n - fewer, fewer + 1.0, 0.5).unwrap_or(f64::NAN);
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() <= 1e-10 * expected.abs(),
            "{found} {expected}"
        );
    }

    /// Closed forms of one and two degrees of freedom.
    #[test]
    fn student() {
        for t in [0.3, -1.0, 2.5, 40.0] {
            let one = 1.0 - 2.0 / std::f64::consts::PI * f64::atan(f64::abs(t));
            assert!((p_from_t(t, 1.0) - one).abs() < 1e-12);
            let two = 1.0 - t.abs() / (2.0 + t * t).sqrt();
            assert!((p_from_t(t, 2.0) - two).abs() < 1e-12);
        }
        // scipy.stats.ttest_1samp([1, 2, 4, 0.5, 3], 0): 0.030...
        let values = [1.0, 2.0, 4.0, 0.5, 3.0];
        let effect = Effect::of(&values);
        close(effect.mean, 2.1);
        close(effect.spread, 2.05f64.sqrt());
        close(effect.error, 0.41f64.sqrt());
        close(effect.positive, 1.0);
        // Four degrees of freedom: p = 1 - (1.5 x - 0.5 x^3), x = t / sqrt(4 + t^2).
        let t = 2.1 / 0.41f64.sqrt();
        let x = t / (4.0 + t * t).sqrt();
        close(Test::T.p(&values), 1.0 - 1.5 * x + 0.5 * x.powi(3));
        assert!(Test::T.p(&[1.0]).is_nan() && Test::T.p(&[2.0, 2.0]).is_nan());
        assert!(Test::T.p(&[]).is_nan());
    }

    /// Beside sums of binomial coefficients.
    #[test]
    fn signs() {
        for n in 1..20usize {
            for above in 0..=n {
                let fewer = above.min(n - above);
                let choose =
                    |k: usize| -> f64 { (0..k).map(|i| (n - i) as f64 / (k - i) as f64).product() };
                let tail: f64 = (0..=fewer).map(choose).sum::<f64>() / 2f64.powi(n as i32);
                close(p_from_signs(above, n - above), (2.0 * tail).min(1.0));
            }
        }
        close(Test::Sign.p(&[1.0, 0.0, 2.0, -1.0, 3.0]), 0.625);
        assert!(Test::Sign.p(&[0.0]).is_nan());
    }
}
