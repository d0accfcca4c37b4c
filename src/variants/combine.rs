//! Several tasks as one.

use crate::stats;

/// How p-values of a variant's tasks become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// The Cauchy combination test.
    Cauchy,
    /// The p-value of their product, were they independent.
    Product,
}

impl Combine {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cauchy => "cauchy",
            Self::Product => "product",
        }
    }

    pub(super) fn of(self, p: impl Iterator<Item = f64>) -> f64 {
        match self {
            Self::Cauchy => stats::cauchy(p),
            Self::Product => stats::product(p),
        }
    }
}

/// The task whose effect is largest in absolute value (the first of equals), and the effect.
pub(super) fn most<'a>(effects: impl IntoIterator<Item = &'a f32>) -> (usize, f32) {
    let mut best = (0, f32::NAN);
    for (task, &effect) in effects.into_iter().enumerate() {
        if !effect.is_nan() && (best.1.is_nan() || effect.abs() > best.1.abs()) {
            best = (task, effect);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_effect() {
        assert_eq!(most(&[0.5, -2.0, 2.0]), (1, -2.0));
        assert!(most(&[f32::NAN]).1.is_nan());
        assert_eq!(most(&[f32::NAN, -0.1]), (1, -0.1));
    }
}
