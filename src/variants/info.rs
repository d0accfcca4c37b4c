//! INFO fields, as text or as values of a BCF.

use super::fields::Fields;
use crate::vcf::{Dictionary, NewInfo};

/// Takes the values of fields; `field` is the number in [`Fields::all`].
pub(super) trait Info {
    /// A float for each allele, NaN where there is none.
    fn floats(&mut self, field: usize, values: impl ExactSizeIterator<Item = f32>);
    /// Words.
    fn text(&mut self, field: usize, text: &[u8]);
}

/// Appends to the INFO column of a line.
pub(super) struct TextInfo<'a> {
    pub names: &'a [Vec<u8>],
    /// The line, and where its INFO begins.
    pub line: &'a mut Vec<u8>,
    pub begin: usize,
    pub buffer: &'a mut zmij::Buffer,
}

impl TextInfo<'_> {
    fn key(&mut self, field: usize) {
        let info = &self.line[self.begin..];
        if !info.is_empty() && !info.ends_with(b";") {
            self.line.push(b';');
        }
        self.line.extend_from_slice(&self.names[field]);
        self.line.push(b'=');
    }
}

impl Info for TextInfo<'_> {
    fn floats(&mut self, field: usize, values: impl ExactSizeIterator<Item = f32>) {
        self.key(field);
        for (i, value) in values.enumerate() {
            if i > 0 {
                self.line.push(b',');
            }
            number(self.buffer, value, self.line);
        }
    }

    fn text(&mut self, field: usize, text: &[u8]) {
        self.key(field);
        self.line.extend_from_slice(text);
    }
}

/// The shortest decimal that reads back as the same number; `.` for what is no number.
fn number(buffer: &mut zmij::Buffer, value: f32, text: &mut Vec<u8>) {
    if !value.is_finite() {
        text.push(b'.');
        return;
    }
    let written = buffer.format(value + 0.0);
    text.extend_from_slice(written.strip_suffix(".0").unwrap_or(written).as_bytes());
}

/// Fields of a BCF, by the numbers of its header.
pub(super) struct BcfInfo<'a> {
    pub numbers: &'a [u32],
    pub new: &'a mut NewInfo,
}

impl Info for BcfInfo<'_> {
    fn floats(&mut self, field: usize, values: impl ExactSizeIterator<Item = f32>) {
        // -0 is written as 0, as in text.
        self.new
            .floats(self.numbers[field], values.map(|v| v + 0.0));
    }

    fn text(&mut self, field: usize, text: &[u8]) {
        self.new.text(self.numbers[field], text);
    }
}

/// What a BCF is written with.
#[derive(Clone, Debug)]
pub(super) struct BcfNames {
    /// Of the output's header.
    pub names: Dictionary,
    /// Numbers of this run's fields there, in the order of [`Fields::all`].
    pub numbers: Vec<u32>,
    /// Numbers of the fields that these replace, in the records as they are before.
    pub replaced: Vec<u32>,
}

impl BcfNames {
    /// `before`: the names of the input, where that is a BCF.
    pub fn new(names: Dictionary, before: Option<&Dictionary>, fields: &Fields) -> Self {
        let of = |names: &Dictionary| -> Vec<u32> {
            let all = fields.all();
            all.iter()
                .filter_map(|f| names.number(f.as_bytes()))
                .collect()
        };
        Self {
            numbers: of(&names),
            replaced: of(before.unwrap_or(&names)),
            names,
        }
    }
}

/// Appends an INFO column as it is, but for entries of the keys `without`.
pub(super) fn keep(info: &[u8], without: &[Vec<u8>], line: &mut Vec<u8>) {
    if info == b"." {
        return;
    }
    let replaced = |entry: &[u8]| {
        let end = entry.iter().position(|&b| b == b'=').unwrap_or(entry.len());
        without.iter().any(|name| *name == entry[..end])
    };
    if !info.split(|&b| b == b';').any(replaced) {
        line.extend_from_slice(info);
        return;
    }
    let begin = line.len();
    for entry in info.split(|&b| b == b';').filter(|entry| !replaced(entry)) {
        if line.len() > begin {
            line.push(b';');
        }
        line.extend_from_slice(entry);
    }
}

/// `INFO/END`, which an index counts as the record's end.
pub(super) fn end(info: &[u8]) -> Option<u32> {
    info.split(|&b| b == b';')
        .find_map(|entry| entry.strip_prefix(b"END="))
        .and_then(|text| std::str::from_utf8(text).ok()?.parse().ok())
        .filter(|&end| end <= i32::MAX as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_records() {
        assert_eq!(end(b"SVTYPE=DEL;END=77;X"), Some(77));
        assert_eq!(end(b"CIEND=1,2;AEND=5"), None);
    }

    #[test]
    fn what_was_there_stays() {
        let check = |info: &str, expected: &str| {
            let mut line = b"x\t".to_vec();
            keep(
                info.as_bytes(),
                &[b"M_A".to_vec(), b"M_B".to_vec()],
                &mut line,
            );
            assert_eq!(String::from_utf8_lossy(&line[2..]), expected);
            let mut buffer = zmij::Buffer::new();
            let mut all = TextInfo {
                names: &[b"M_A".to_vec(), b"M_B".to_vec()],
                line: &mut line,
                begin: 2,
                buffer: &mut buffer,
            };
            all.floats(0, [0.5, f32::NAN, -0.0].into_iter());
            all.text(1, b"w");
            let between = if expected.is_empty() || expected.ends_with(';') {
                ""
            } else {
                ";"
            };
            assert_eq!(
                String::from_utf8_lossy(&line[2..]),
                format!("{expected}{between}M_A=0.5,.,0;M_B=w")
            );
        };
        check(".", "");
        check("", "");
        check("DP=3;F;S=.", "DP=3;F;S=.");
        check("DP=3;;S=a%3D;", "DP=3;;S=a%3D;");
        check("M_A=1", "");
        check("DP=3;M_A=1;M_AB=2;M_B;F", "DP=3;M_AB=2;F");
    }
}
