//! FORMAT and the samples' columns of a line, as a BCF has them: field by field over all samples.

use super::dictionary::{Dictionary, Kind};
use super::text::{Changed, float, integer, undefined};
use super::typed::{
    END, END_FLOAT, MISSING_FLOAT, Problem, TEXT, put_floats, put_integer, put_integers, put_kind,
};

/// No field of a record takes more bytes.
const MOST: usize = 1 << 30;

/// Buffers for one line.
#[derive(Debug, Default)]
pub(super) struct Samples {
    /// The text of each sample's fields, `[sample][field]`; empty ranges where there is none.
    cells: Vec<Option<(usize, usize)>>,
    integers: Vec<i32>,
    floats: Vec<u32>,
    /// End of each sample's values.
    ends: Vec<usize>,
    padded: Vec<i32>,
    padded_floats: Vec<u32>,
}

impl Samples {
    /// Appends the fields of `text`, FORMAT and samples, and says how many there are. Fields that a
    /// sample lacks at its end are missing.
    ///
    /// # Errors
    /// When a field is not in the header, or a sample has more fields than FORMAT.
    pub fn encode(
        &mut self,
        names: &Dictionary,
        text: &[u8],
        changed: &mut Changed,
        out: &mut Vec<u8>,
    ) -> Result<usize, Problem> {
        let end = text.iter().position(|&b| b == b'\t').unwrap_or(text.len());
        let (keys, columns) = text.split_at(end);
        if keys == b"." || keys.is_empty() {
            return Ok(0);
        }
        let keys: Vec<&[u8]> = keys.split(|&b| b == b':').collect();
        self.split(columns, keys.len(), names.samples)?;
        let mut written = 0;
        for (field, &key) in keys.iter().enumerate() {
            // Of a field that is there twice the first counts, as in bcftools.
            if keys[..field].contains(&key) {
                changed.note("FORMAT", key, b"(again)");
                continue;
            }
            let (number, kind) = names.format(key).ok_or_else(|| undefined("FORMAT", key))?;
            let values = Values {
                text: columns,
                key,
                field,
                fields: keys.len(),
                samples: names.samples,
            };
            put_integer(number as i32, out);
            written += 1;
            match kind {
                Kind::Text if key == b"GT" => {
                    self.genotypes(&values, names.first_phase, changed);
                    self.put_integers(out)?;
                }
                Kind::Text => self.texts(&values, out)?,
                Kind::Integer => {
                    self.numbers(&values, changed);
                    self.put_integers(out)?;
                }
                Kind::Float => {
                    self.reals(&values, changed);
                    self.put_floats(out)?;
                }
            }
        }
        Ok(written)
    }

    /// Finds the fields of every sample.
    fn split(&mut self, columns: &[u8], fields: usize, samples: usize) -> Result<(), Problem> {
        self.cells.clear();
        let mut at = 0;
        let mut count = 0;
        for column in columns.split(|&b| b == b'\t').skip(1) {
            at += 1;
            let mut found = 0;
            for cell in column.split(|&b| b == b':') {
                found += 1;
                if found > fields {
                    let sample = count + 1;
                    return Err(format!("sample {sample} has more fields than FORMAT"));
                }
                self.cells.push(Some((at, at + cell.len())));
                at += cell.len() + 1;
            }
            at -= 1;
            self.cells.extend(std::iter::repeat_n(None, fields - found));
            count += 1;
        }
        match count == samples {
            true => Ok(()),
            false => Err(format!("{count} samples, the header has {samples}")),
        }
    }

    fn texts(&self, values: &Values<'_>, out: &mut Vec<u8>) -> Result<(), Problem> {
        let all = || (0..values.samples).map(|s| values.of(&self.cells, s).unwrap_or(b"."));
        let most = all().map(<[u8]>::len).max().unwrap_or(0).max(1);
        check(most, values.samples)?;
        put_kind(TEXT, most, out);
        for text in all() {
            out.extend_from_slice(text);
            out.resize(out.len() + most - text.len(), 0);
        }
        Ok(())
    }

    fn numbers(&mut self, values: &Values<'_>, changed: &mut Changed) {
        self.integers.clear();
        self.ends.clear();
        for sample in 0..values.samples {
            let text = values.of(&self.cells, sample).unwrap_or(b".");
            for one in text.split(|&b| b == b',') {
                self.integers.push(integer(one).unwrap_or_else(|nearest| {
                    changed.note("FORMAT", values.key, one);
                    nearest
                }));
            }
            self.ends.push(self.integers.len());
        }
    }

    fn reals(&mut self, values: &Values<'_>, changed: &mut Changed) {
        self.floats.clear();
        self.ends.clear();
        for sample in 0..values.samples {
            let text = values.of(&self.cells, sample).unwrap_or(b".");
            for one in text.split(|&b| b == b',') {
                self.floats.push(float(one).unwrap_or_else(|| {
                    changed.note("FORMAT", values.key, one);
                    MISSING_FLOAT
                }));
            }
            self.ends.push(self.floats.len());
        }
    }

    fn genotypes(&mut self, values: &Values<'_>, first_phase: bool, changed: &mut Changed) {
        self.integers.clear();
        self.ends.clear();
        for sample in 0..values.samples {
            let text = values.of(&self.cells, sample).unwrap_or(b".");
            let begin = self.integers.len();
            let sound = genotype(text, first_phase, &mut self.integers);
            if sound.is_none() {
                changed.note("FORMAT", values.key, text);
                self.integers.truncate(begin);
                self.integers.push(0);
            }
            self.ends.push(self.integers.len());
        }
    }

    /// Writes the integers, every sample's list as long as the longest.
    fn put_integers(&mut self, out: &mut Vec<u8>) -> Result<(), Problem> {
        let most = pad(&self.integers, &self.ends, END, &mut self.padded)?;
        put_integers(&self.padded, most, out);
        Ok(())
    }

    fn put_floats(&mut self, out: &mut Vec<u8>) -> Result<(), Problem> {
        let most = pad(&self.floats, &self.ends, END_FLOAT, &mut self.padded_floats)?;
        put_floats(&self.padded_floats, most, out);
        Ok(())
    }
}

/// One field of all samples.
struct Values<'a> {
    /// All columns.
    text: &'a [u8],
    key: &'a [u8],
    field: usize,
    fields: usize,
    samples: usize,
}

impl<'a> Values<'a> {
    fn of(&self, cells: &[Option<(usize, usize)>], sample: usize) -> Option<&'a [u8]> {
        let (from, to) = cells[sample * self.fields + self.field]?;
        Some(&self.text[from..to])
    }
}

fn check(most: usize, samples: usize) -> Result<(), Problem> {
    match most.checked_mul(samples).is_some_and(|n| n <= MOST / 4) {
        true => Ok(()),
        false => Err(format!(
            "{samples} samples with up to {most} values each: too long for BCF"
        )),
    }
}

/// Lists of one length, filled up with `end`.
fn pad<T: Copy>(values: &[T], ends: &[usize], end: T, out: &mut Vec<T>) -> Result<usize, Problem> {
    let lists = || {
        let starts = std::iter::once(0).chain(ends.iter().copied());
        starts.zip(ends).map(|(from, &to)| &values[from..to])
    };
    let most = lists().map(<[T]>::len).max().unwrap_or(0);
    check(most, ends.len())?;
    out.clear();
    for list in lists() {
        out.extend_from_slice(list);
        out.extend(std::iter::repeat_n(end, most - list.len()));
    }
    Ok(most)
}

/// Appends a genotype's alleles as BCF has them: (number + 1) * 2, or 0 where missing, and 1 more
/// where the allele is phased. The first one is where the text says so, or all others are (in a
/// genotype of one allele: where it is known). `None` where the text is no genotype.
fn genotype(text: &[u8], first_phase: bool, out: &mut Vec<i32>) -> Option<()> {
    let begin = out.len();
    let (said, mut left) = match text {
        [mark @ (b'|' | b'/'), rest @ ..] if first_phase => (Some(*mark == b'|'), rest),
        _ => (None, text),
    };
    let mut phased = false;
    loop {
        let digits = left.iter().take_while(|b| b.is_ascii_digit()).count();
        let (allele, taken) = match left {
            [b'.', ..] => (0, 1),
            _ => {
                let number: i32 = std::str::from_utf8(&left[..digits]).ok()?.parse().ok()?;
                (number.checked_add(1)?.checked_mul(2)?, digits)
            }
        };
        out.push(allele | i32::from(phased));
        left = &left[taken..];
        phased = match left {
            [] => break,
            [b'|', ..] => true,
            [b'/', ..] => false,
            _ => return None,
        };
        left = &left[1..];
    }
    let alleles = &mut out[begin..];
    let implied = match alleles {
        [single] => *single > 0,
        [_, others @ ..] => others.iter().all(|a| a & 1 == 1),
        [] => false,
    };
    alleles[0] |= i32::from(said.unwrap_or(implied));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::typed::MISSING;
    use super::*;

    #[test]
    fn genotypes_are_those_of_bcftools() {
        // Bytes of `bcftools view -Ob` 1.24.
        let check = |text: &str, first_phase: bool, expected: &[i32]| {
            let mut out = vec![7];
            genotype(text.as_bytes(), first_phase, &mut out).unwrap();
            assert_eq!(out[1..], *expected, "{text}");
        };
        check("0|1", false, &[3, 5]);
        check("0/1", false, &[2, 4]);
        check("0", false, &[3]);
        check(".", false, &[0]);
        check(".|.", false, &[1, 1]);
        check("./.", false, &[0, 0]);
        check("0|1/1", false, &[2, 5, 4]);
        check("/0", true, &[2]);
        check("/.|.", true, &[0, 1]);
        check("|0/1", true, &[3, 4]);
        check(".|1", true, &[1, 5]);
        check("/0|1", true, &[2, 5]);
        check("1000000/1", true, &[2_000_002, 4]);
        for (text, first_phase) in [
            ("|0/1", false),
            ("", true),
            ("0/", true),
            ("0//1", true),
            ("A/B", true),
            ("-1/0", true),
            ("0/1x", true),
            ("2147483647", true),
        ] {
            assert!(genotype(text.as_bytes(), first_phase, &mut Vec::new()).is_none());
        }
    }

    #[test]
    fn lists_are_filled_up() {
        let mut out = Vec::new();
        let most = pad(&[1, 2, 3, MISSING], &[1, 3, 4], END, &mut out).unwrap();
        assert_eq!((most, &out[..]), (2, &[1, END, 2, 3, MISSING, END][..]));
    }
}
