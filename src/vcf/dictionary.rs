//! The numbers that a BCF has for the names of its header.

use std::collections::HashMap;

use super::VcfError;
use super::header::{Definition, Header, Section};

/// Larger numbers are no header's.
const MOST: u32 = 1 << 22;

/// What values of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Float,
    /// Strings, characters, and flags that have a value.
    Text,
}

impl Kind {
    fn of(name: Option<&[u8]>) -> Self {
        match name {
            Some(b"Integer") => Self::Integer,
            Some(b"Float") => Self::Float,
            // What bcftools takes an unknown type for.
            _ => Self::Text,
        }
    }
}

/// A name that FILTER, INFO and FORMAT may share.
#[derive(Clone, Debug, Default)]
struct Entry {
    name: Vec<u8>,
    filter: bool,
    info: Option<Kind>,
    format: Option<Kind>,
}

/// The names of a header by number and the numbers by name.
#[derive(Clone, Debug, Default)]
pub struct Dictionary {
    entries: Vec<Option<Entry>>,
    numbers: HashMap<Vec<u8>, u32>,
    contigs: Vec<Option<Vec<u8>>>,
    contig_numbers: HashMap<Vec<u8>, u32>,
    /// Whether there is a column FORMAT, and how many samples.
    pub(super) has_format: bool,
    pub(super) samples: usize,
    /// Whether the first allele of a genotype may have a phase of its own (VCF 4.4 on).
    pub(super) first_phase: bool,
}

impl Dictionary {
    /// Numbers the names of a header: by `IDX` where a line has it, else in order, after `PASS`. Of
    /// lines that define a name twice the first counts.
    ///
    /// # Errors
    /// When two names have one number. `path` is for the message.
    pub fn of(header: &Header, path: &str) -> Result<Self, VcfError> {
        let mut all = Self {
            has_format: header.width() > 8,
            samples: header.samples(),
            first_phase: header.version() >= (4, 4),
            ..Self::default()
        };
        let pass = Entry {
            name: b"PASS".to_vec(),
            filter: true,
            ..Entry::default()
        };
        all.entries.push(Some(pass));
        all.numbers.insert(b"PASS".to_vec(), 0);
        for (i, line) in header.lines.iter().enumerate() {
            if let Some(found) = Definition::of(line) {
                all.add(&found).map_err(|problem| VcfError::Header {
                    path: path.into(),
                    line: i as u64 + 1,
                    problem,
                })?;
            }
        }
        Ok(all)
    }

    fn add(&mut self, found: &Definition<'_>) -> Result<(), String> {
        let lossy = String::from_utf8_lossy;
        let clash = |number: u32, other: &[u8]| {
            let (a, b) = (lossy(found.id), lossy(other));
            format!("IDX={number} is the number of {b} and of {a}")
        };
        if let Some(number) = found.number.filter(|&n| n >= MOST) {
            return Err(format!("IDX={number}: expected less than {MOST}"));
        }
        if found.section == Section::Contig {
            if self.contig_numbers.contains_key(found.id) {
                return Ok(());
            }
            let number = found.number.unwrap_or(self.contigs.len() as u32);
            let place = place(&mut self.contigs, number);
            if let Some(other) = place {
                return Err(clash(number, other));
            }
            *place = Some(found.id.to_vec());
            self.contig_numbers.insert(found.id.to_vec(), number);
            return Ok(());
        }
        let next = self.entries.len() as u32;
        let known = self.numbers.get(found.id).copied();
        let number = known.or(found.number).unwrap_or(next);
        let place = place(&mut self.entries, number);
        let entry = place.get_or_insert_with(|| Entry {
            name: found.id.to_vec(),
            ..Entry::default()
        });
        if entry.name != found.id {
            return Err(clash(number, &entry.name));
        }
        let kind = Kind::of(found.kind);
        match found.section {
            Section::Filter => entry.filter = true,
            Section::Info => drop(entry.info.get_or_insert(kind)),
            _ => drop(entry.format.get_or_insert(kind)),
        }
        self.numbers.insert(found.id.to_vec(), number);
        Ok(())
    }

    /// The header with the number of every name in it, as a BCF has it.
    pub fn numbered(&self, header: &Header) -> Header {
        let mut header = header.clone();
        let mut pass = false;
        for line in &mut header.lines {
            let Some(found) = Definition::of(line) else {
                continue;
            };
            pass |= found.section == Section::Filter && found.id == b"PASS";
            if found.number.is_some() {
                continue;
            }
            let numbers = match found.section {
                Section::Contig => &self.contig_numbers,
                _ => &self.numbers,
            };
            let (Some(number), at) = (numbers.get(found.id), found.end) else {
                continue;
            };
            let text = format!(",IDX={number}");
            line.splice(at..at, text.into_bytes());
        }
        if !pass {
            let text = "##FILTER=<ID=PASS,Description=\"All filters passed\",IDX=0>";
            let at = header.lines.len().min(1);
            header.lines.insert(at, text.into());
        }
        header
    }

    /// The name of a contig.
    pub fn contig(&self, number: usize) -> Option<&[u8]> {
        self.contigs.get(number)?.as_deref()
    }

    /// One more than the largest number of a contig.
    pub fn contigs(&self) -> usize {
        self.contigs.len()
    }

    /// The number of a name that INFO, FORMAT or FILTER has.
    pub fn number(&self, name: &[u8]) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    pub(super) fn contig_number(&self, name: &[u8]) -> Option<u32> {
        self.contig_numbers.get(name).copied()
    }

    pub(super) fn name(&self, number: i32) -> Option<&[u8]> {
        let entry = self.entries.get(usize::try_from(number).ok()?)?;
        Some(&entry.as_ref()?.name)
    }

    fn entry(&self, name: &[u8]) -> Option<(u32, &Entry)> {
        let number = *self.numbers.get(name)?;
        Some((number, self.entries.get(number as usize)?.as_ref()?))
    }

    pub(super) fn filter(&self, name: &[u8]) -> Option<u32> {
        self.entry(name).filter(|e| e.1.filter).map(|e| e.0)
    }

    pub(super) fn info(&self, name: &[u8]) -> Option<(u32, Kind)> {
        let (number, entry) = self.entry(name)?;
        Some((number, entry.info?))
    }

    pub(super) fn format(&self, name: &[u8]) -> Option<(u32, Kind)> {
        let (number, entry) = self.entry(name)?;
        Some((number, entry.format?))
    }
}

/// The place of a number, made where it is not there yet.
fn place<T>(all: &mut Vec<Option<T>>, number: u32) -> &mut Option<T> {
    let number = number as usize;
    if all.len() <= number {
        all.resize_with(number + 1, || None);
    }
    &mut all[number]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(lines: &[&str]) -> Header {
        let mut header = Header::new(std::iter::empty());
        header
            .lines
            .extend(lines.iter().map(|l| l.as_bytes().to_vec()));
        header
    }

    #[test]
    fn names_are_numbered_as_bcftools_does_it() {
        // Numbers from `bcftools view -Ob` (1.24) of these lines.
        let header = header(&[
            "##contig=<ID=b>",
            "##INFO=<ID=AF,Number=A,Type=Float,Description=\"f, \\\"ID=x\\\">\">",
            "##FORMAT=<ID=GT,Number=1,Type=String,Description=\"g\">",
            "##FILTER=<ID=AF,Description=\"shares its number\">",
            "##contig=<length=5,ID=a>",
            "##INFO=<ID=AF,Number=1,Type=String,Description=\"again\">",
            "##INFO=<Number=1,ID=DP,Type=Integer>",
        ]);
        let all = Dictionary::of(&header, "x").unwrap();
        assert_eq!(all.info(b"AF"), Some((1, Kind::Float)));
        assert_eq!((all.filter(b"AF"), all.format(b"AF")), (Some(1), None));
        assert_eq!(all.format(b"GT"), Some((2, Kind::Text)));
        assert_eq!(all.info(b"DP"), Some((3, Kind::Integer)));
        assert_eq!((all.filter(b"PASS"), all.filter(b"GT")), (Some(0), None));
        assert_eq!(
            (all.contig(0), all.contig(1)),
            (Some(&b"b"[..]), Some(&b"a"[..]))
        );
        let numbered = all.numbered(&header).text();
        let numbered = String::from_utf8(numbered).unwrap();
        let lines: Vec<&str> = numbered.lines().collect();
        assert_eq!(
            lines[1],
            "##FILTER=<ID=PASS,Description=\"All filters passed\",IDX=0>"
        );
        assert_eq!(
            lines[3],
            "##INFO=<ID=AF,Number=A,Type=Float,Description=\"f, \\\"ID=x\\\">\",IDX=1>"
        );
        assert_eq!(lines[6], "##contig=<length=5,ID=a,IDX=1>");
        assert!(lines[7].ends_with("\"again\",IDX=1>"));
    }

    #[test]
    fn numbers_may_be_given() {
        let lines = [
            "##INFO=<ID=A,Number=1,Type=Integer,Description=\"a\",IDX=7>",
            "##INFO=<ID=B,Number=1,Type=Integer,Description=\"b\">",
        ];
        let all = Dictionary::of(&header(&lines), "x").unwrap();
        assert_eq!((all.number(b"A"), all.number(b"B")), (Some(7), Some(8)));
        assert_eq!(all.name(7), Some(&b"A"[..]));
        assert_eq!(
            (all.name(3), all.name(-1), all.name(99)),
            (None, None, None)
        );
        let check = |line: &str, part: &str| {
            let lines = [lines[0], line];
            let error = Dictionary::of(&header(&lines), "x")
                .unwrap_err()
                .to_string();
            assert!(error.contains(part), "{error}");
        };
        check(
            "##FILTER=<ID=q,IDX=7>",
            "line 3 of the header: IDX=7 is the number of A and of q",
        );
        check("##FILTER=<ID=q,IDX=4194304>", "IDX=4194304");
    }
}
