//! Parsers of numbers that several subcommands take, each with the range it may have: NaN, infinity
//! and anything outside are usage errors.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::tracks::Precision;

/// Floats, as far as ranges go.
pub trait Real: FromStr + PartialOrd + Into<f64> + Copy {}
impl Real for f32 {}
impl Real for f64 {}

fn real<T: Real>(text: &str, fits: impl Fn(f64) -> bool, wanted: &str) -> Result<T, String> {
    match text.parse::<T>() {
        Ok(value) if value.into().is_finite() && fits(value.into()) => Ok(value),
        _ => Err(format!("expected {wanted}")),
    }
}

/// A share.
pub fn share<T: Real>(text: &str) -> Result<T, String> {
    real(text, |v| (0.0..=1.0).contains(&v), "a number from 0 to 1")
}

/// A learning rate.
pub fn rate<T: Real>(text: &str) -> Result<T, String> {
    let fits = |v| v > 0.0 && v <= 10.0;
    real(text, fits, "a number above 0, at most 10")
}

/// A finite number above 0.
pub fn above_zero<T: Real>(text: &str) -> Result<T, String> {
    real(text, |v| v > 0.0, "a number above 0")
}

/// A finite number of 0 or more.
pub fn zero_or_more<T: Real>(text: &str) -> Result<T, String> {
    real(text, |v| v >= 0.0, "a number of 0 or more")
}

/// A whole number of a range.
pub fn whole<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: FromStr + PartialOrd + Display + Clone,
{
    move |text| match text.parse() {
        Ok(value) if range.contains(&value) => Ok(value),
        _ => Err(format!(
            "expected a whole number from {} to {}",
            range.start(),
            range.end()
        )),
    }
}

/// Bits that values keep.
pub fn precision(text: &str) -> Result<Precision, String> {
    let bits = text.parse().ok().and_then(Precision::bits);
    match (text, bits) {
        ("full", _) => Ok(Precision::FULL),
        (_, Some(precision)) => Ok(precision),
        _ => Err("expected a whole number from 1 to 23, or `full`".into()),
    }
}

/// NAME=TASK,TASK.
pub fn mean_over(text: &str) -> Result<(String, Vec<String>), String> {
    let parsed = text.split_once('=').and_then(|(name, tasks)| {
        let tasks: Vec<String> = tasks.split(',').map(str::to_owned).collect();
        let whole = !name.is_empty() && tasks.iter().all(|t| !t.is_empty());
        whole.then(|| (name.to_owned(), tasks))
    });
    parsed
        .ok_or_else(|| "expected NAME=TASK,TASK, for instance HepG2=HepG2_minP,HepG2_SV40P".into())
}

/// LOW-HIGH, both at least 1.
pub fn span(text: &str) -> Result<(usize, usize), String> {
    let parsed = text.split_once('-').and_then(|(low, high)| {
        let (low, high) = (low.parse().ok()?, high.parse().ok()?);
        (1 <= low && low <= high).then_some((low, high))
    });
    parsed.ok_or_else(|| "expected LOW-HIGH, for instance 1-40".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_of_the_range() {
        for odd in ["NaN", "nan", "inf", "-inf", "-1", "1e999", "", "x", "1,5"] {
            assert!(share::<f32>(odd).is_err(), "{odd}");
            assert!(rate::<f64>(odd).is_err(), "{odd}");
            assert!(above_zero::<f32>(odd).is_err(), "{odd}");
            assert!(zero_or_more::<f64>(odd).is_err(), "{odd}");
            assert!(whole(1..=9usize)(odd).is_err(), "{odd}");
        }
        // Finite as f64 only.
        assert!(above_zero::<f32>("1e39").is_err() && above_zero::<f64>("1e39").is_ok());
        assert!(above_zero::<f32>("0").is_err() && zero_or_more::<f32>("0") == Ok(0.0));
        assert!(share::<f32>("1.1").is_err() && share::<f32>("1") == Ok(1.0));
        assert!(rate::<f64>("11").is_err() && rate::<f64>("1e-3") == Ok(1e-3));
        assert_eq!(
            whole(1..=9usize)("10").unwrap_err(),
            "expected a whole number from 1 to 9"
        );
        assert_eq!(whole(1..=9usize)("9"), Ok(9));
        assert_eq!(precision("full"), Ok(Precision::FULL));
        assert_eq!(precision("8").map(Precision::kept), Ok(8));
        for odd in ["0", "24", "-1", "8.5", "", "all"] {
            assert!(precision(odd).is_err(), "{odd}");
        }
        let mean = ("H".to_owned(), vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(mean_over("H=a,b"), Ok(mean));
        for odd in ["", "H", "=a", "H=", "H=a,", "H=,a"] {
            assert!(mean_over(odd).is_err(), "{odd}");
        }
        assert_eq!(span("1-40"), Ok((1, 40)));
        for odd in ["0-4", "5-4", "4", "-1-4", "a-b"] {
            assert!(span(odd).is_err(), "{odd}");
        }
    }
}
