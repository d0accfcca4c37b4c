//! Values of a VCF, from their text.

use super::typed::{LEAST, MISSING, MISSING_FLOAT, Problem};

/// Values that a BCF cannot hold as the text has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// How many.
    pub count: u64,
    /// The first: field and text.
    pub first: Option<String>,
}

impl Changed {
    pub(super) fn note(&mut self, column: &str, field: &[u8], text: &[u8]) {
        self.count += 1;
        let lossy = String::from_utf8_lossy;
        self.first
            .get_or_insert_with(|| format!("{column}/{} {:?}", lossy(field), lossy(text)));
    }
}

pub(super) fn undefined(what: &str, name: &[u8]) -> Problem {
    let name = String::from_utf8_lossy(name);
    format!("{what} {name:?} is not in the header")
}

/// The key of an INFO entry and its value, if it has one.
pub(super) fn key_value(entry: &[u8]) -> (&[u8], Option<&[u8]>) {
    match entry.iter().position(|&b| b == b'=') {
        Some(at) => (&entry[..at], Some(&entry[at + 1..])),
        None => (entry, None),
    }
}

/// An integer, [`MISSING`] for `.` and nothing; in the error what stands for one that is none or
/// out of range.
pub(super) fn integer(text: &[u8]) -> Result<i32, i32> {
    if text == b"." || text.is_empty() {
        return Ok(MISSING);
    }
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    let size = digits[..count].iter().try_fold(0i64, |sum, &digit| {
        sum.checked_mul(10)?.checked_add(i64::from(digit - b'0'))
    });
    let value = size.map(|v| if negative { -v } else { v });
    let held = value
        .and_then(|v| i32::try_from(v).ok())
        .filter(|&v| v >= LEAST);
    match held {
        Some(value) if count > 0 && count == digits.len() => Ok(value),
        Some(value) if count > 0 => Err(value),
        _ => Err(MISSING),
    }
}

/// The bits of a float, missing for `.` and nothing; `None` for what is no number.
pub(super) fn float(text: &[u8]) -> Option<u32> {
    if text == b"." || text.is_empty() {
        return Some(MISSING_FLOAT);
    }
    let value: f64 = std::str::from_utf8(text).ok()?.trim_ascii().parse().ok()?;
    match value.is_nan() {
        // Quiet, so that it is neither a missing value nor a list's end.
        true => Some(f32::NAN.to_bits()),
        false => Some((value as f32).to_bits()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        assert_eq!(integer(b"+5"), Ok(5));
        assert_eq!(integer(b"-2147483640"), Ok(LEAST));
        assert_eq!(integer(b"."), Ok(MISSING));
        assert_eq!(integer(b""), Ok(MISSING));
        // As bcftools 1.24 has them.
        assert_eq!(integer(b"-2147483641"), Err(MISSING));
        assert_eq!(integer(b"2147483648"), Err(MISSING));
        assert_eq!(integer(b"99999999999999999999"), Err(MISSING));
        assert_eq!(integer(b"12x"), Err(12));
        assert_eq!(integer(b"1.5"), Err(1));
        assert_eq!(integer(b"x"), Err(MISSING));
        assert_eq!(integer(b"-"), Err(MISSING));
    }

    #[test]
    fn floats() {
        let is = |text: &str, value: f32| assert_eq!(float(text.as_bytes()), Some(value.to_bits()));
        is("0.1", 0.1);
        is("1e400", f32::INFINITY);
        is("-inf", f32::NEG_INFINITY);
        is("1e-400", 0.0);
        is("NaN", f32::NAN);
        is("-nan", f32::NAN);
        assert_eq!(float(b"."), Some(MISSING_FLOAT));
        assert_eq!((float(b"x"), float(b"0.5x")), (None, None));
    }
}
