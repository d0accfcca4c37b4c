use serde::{Deserialize, Serialize};

/// Significant bits that values keep: of a float's 23 stored bits the first so many, the others being 0, rounded to the nearest.
///
/// With `n` bits the relative error is at most 2^-(n+1): 0.2% with 8. Files of such values compress better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Precision(Option<u8>);

impl Precision {
    /// All bits.
    pub const FULL: Self = Self(None);
    /// Stored bits of a float.
    pub const MOST: u8 = 23;

    /// So many bits; `None` unless they are 1 to 23.
    pub const fn bits(bits: u8) -> Option<Self> {
        match bits {
            0 => None,
            Self::MOST => Some(Self::FULL),
            1..Self::MOST => Some(Self(Some(bits))),
            _ => None,
        }
    }

    /// The bits that are kept.
    pub fn kept(self) -> u8 {
        self.0.unwrap_or(Self::MOST)
    }

    /// A value with these bits, the even one of two that are equally near; never infinite where it was not.
    pub fn round(self, value: f32) -> f32 {
        let Some(bits) = self.0 else { return value };
        if !value.is_finite() {
            return value;
        }
        let dropped = u32::from(Self::MOST - bits);
        let (whole, unit) = (value.to_bits(), 1u32 << dropped);
        let half = (unit >> 1) - 1 + (whole >> dropped & 1);
        let rounded = f32::from_bits((whole + half) & !(unit - 1));
        match rounded.is_finite() {
            true => rounded,
            // Above the largest value of so few bits: that one.
            false => f32::from_bits(whole & !(unit - 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn errors_are_bounded(bits in 1u8..=23, value in prop::num::f32::NORMAL) {
            let precision = Precision::bits(bits).unwrap();
            let rounded = precision.round(value);
            let error = (f64::from(rounded) - f64::from(value)).abs() / f64::from(value).abs();
            let most = 0.5f64.powi(i32::from(bits) + 1);
            // Beside the largest float there is nothing above.
            prop_assert!(error <= most || value.abs() > 1e38 && error <= 2.0 * most);
            prop_assert_eq!(precision.round(rounded).to_bits(), rounded.to_bits());
            prop_assert_eq!(rounded.to_bits().trailing_zeros() >= u32::from(23 - bits), true);
        }
    }

    #[test]
    fn ties_and_ends() {
        let three = Precision::bits(3).unwrap();
        // 1.125 is the step: 1.0625 lies between 1 and 1.125, 1.1875 between 1.125 and 1.25.
        assert_eq!(
            [1.0625, 1.1875, -1.0625].map(|v| three.round(v)),
            [1.0, 1.25, -1.0]
        );
        assert_eq!(three.round(0.0).to_bits(), 0);
        assert!(three.round(f32::NAN).is_nan() && three.round(f32::MAX).is_finite());
        assert_eq!(Precision::FULL.round(0.1), 0.1);
        assert_eq!(Precision::bits(23), Some(Precision::FULL));
        assert_eq!((Precision::bits(0), Precision::bits(24)), (None, None));
        assert_eq!(Precision::bits(8).unwrap().kept(), 8);
    }
}
