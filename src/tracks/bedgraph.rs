use std::io::Write;

use super::Item;

/// Appends bedGraph lines: `contig start end value`, tab-separated, 0-based and half-open. Files
/// have no header line, so that `bedGraphToBigWig` and `bedtools` read them as they are.
pub fn write_bedgraph(contig: &str, items: &[Item], out: &mut Vec<u8>) {
    for item in items {
        out.extend_from_slice(contig.as_bytes());
        // Writing to memory cannot fail.
        let _ = writeln!(
            out,
            "\t{}\t{}\t{}",
            item.start,
            item.end,
            format_value(item.value)
        );
    }
}

/// The shortest decimal that reads back as the same `f32`; with an exponent where the plain form
/// would be long.
pub fn format_value(value: f32) -> impl std::fmt::Display {
    struct Shortest(f32);
    impl std::fmt::Display for Shortest {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            let size = self.0.abs();
            if size != 0.0 && !(1e-5..1e16).contains(&size) {
                write!(f, "{:e}", self.0)
            } else {
                write!(f, "{}", self.0)
            }
        }
    }
    Shortest(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn values_read_back_exactly(bits: u32) {
            let value = f32::from_bits(bits);
            prop_assume!(value.is_finite());
            let text = format_value(value).to_string();
            prop_assert_eq!(text.parse::<f32>().unwrap(), value);
            prop_assert!(text.len() <= 24, "{}", text);
        }
    }

    #[test]
    fn values_are_short() {
        for (value, text) in [
            (0.1, "0.1"),
            (-2.0, "-2"),
            (0.0, "0"),
            (1e-30, "1e-30"),
            (0.25, "0.25"),
        ] {
            assert_eq!(format_value(value).to_string(), text);
        }
    }
}
