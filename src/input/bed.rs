//! Rows of BED, the same wherever one is read.
//!
//! Fields are separated by tabs, or by runs of blanks where a line has no tab, as UCSC allows. Empty
//! lines, `#` comments and `track` and `browser` lines are no rows. Coordinates are 0-based and
//! half-open, and are digits: no sign, no point.

use super::{BigBedText, Input, InputError, Lines};

/// Longer lines are not read: no BED has them.
const LONGEST: u64 = 1 << 22;

const BIG_BED: [u8; 4] = [0xeb, 0xf2, 0x89, 0x87];

/// The lines of a BED or bigBed.
///
/// # Errors
/// When it cannot be opened or read.
pub fn open(path: &std::path::Path) -> Result<Lines, InputError> {
    Ok(lines(input(path)?))
}

/// A BED's text, of a bigBed that of its rows.
///
/// # Errors
/// When it cannot be opened.
pub fn input(path: &std::path::Path) -> Result<Input, InputError> {
    let input = Input::open(path)?;
    if !input.has_magic(BIG_BED) {
        return Ok(input);
    }
    input.needs_file("bigBed")?;
    Input::from_reader(path, Box::new(BigBedText::open(path)?))
}

/// The lines of an open BED.
pub fn lines(input: Input) -> Lines {
    Lines::new(input).with_longest(LONGEST, "BED")
}

/// The first six fields of a line, empty where there are fewer.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    fields: [&'a [u8]; 6],
    filled: usize,
    count: usize,
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BedRow<'a> {
    /// Contig, at least one byte.
    pub contig: &'a [u8],
    /// First base, 0-based.
    pub start: u32,
    /// One past the last base; not before `start`.
    pub end: u32,
    /// Column 4, `None` where there is none or a `.`.
    pub name: Option<&'a [u8]>,
    /// Column 5 as it stands, empty where there is none.
    pub score: &'a [u8],
    /// Column 6: `+`, `-` or nothing.
    pub strand: Option<char>,
}

/// Why a line is no row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotBed {
    /// What was found.
    pub problem: String,
    /// What would have been right.
    pub expected: &'static str,
}

impl<'a> Fields<'a> {
    /// Splits a line; `None` for one that is no row.
    pub fn of(line: &'a [u8]) -> Option<Self> {
        if is_header(line) {
            return None;
        }
        let mut split = Self {
            fields: [b""; 6],
            filled: 0,
            count: 0,
        };
        let mut put = |field: &'a [u8]| {
            if let Some(slot) = split.fields.get_mut(split.count) {
                *slot = field;
            }
            split.count += 1;
            split.filled += usize::from(!field.is_empty());
        };
        match line.contains(&b'\t') {
            true => line.split(|&b| b == b'\t').for_each(&mut put),
            false => words(line).for_each(&mut put),
        }
        Some(split)
    }

    /// Field `column`, from 0 to 5; `None` where it is empty or missing.
    pub fn get(&self, column: usize) -> Option<&'a [u8]> {
        self.fields.get(column).copied().filter(|f| !f.is_empty())
    }

    /// The row.
    ///
    /// # Errors
    /// When fewer than three columns stand there, or the coordinates are none.
    pub fn row(&self) -> Result<BedRow<'a>, NotBed> {
        const COLUMNS: &str = "contig, start and end, separated by tabs";
        if self.count < 3 || self.fields[0].is_empty() {
            return Err(NotBed {
                problem: format!("{} column(s)", self.filled),
                expected: COLUMNS,
            });
        }
        let (start, end) = bounds(self.fields[1], self.fields[2])?;
        Ok(BedRow {
            contig: self.fields[0],
            start,
            end,
            name: self.get(3).filter(|n| *n != b"."),
            score: self.fields[4],
            strand: match self.fields[5] {
                b"+" => Some('+'),
                b"-" => Some('-'),
                _ => None,
            },
        })
    }
}

/// Start and end of an interval, from their two fields.
///
/// # Errors
/// When one is no coordinate, or the end is before the start.
pub fn bounds(start: &[u8], end: &[u8]) -> Result<(u32, u32), NotBed> {
    let number = |name: &str, field: &[u8]| {
        coordinate(field).ok_or_else(|| NotBed {
            problem: format!(
                "{name} is {:?}",
                super::shorten(&String::from_utf8_lossy(field))
            ),
            expected: "a whole number from 0 to 2147483647",
        })
    };
    let (start, end) = (number("start", start)?, number("end", end)?);
    match end < start {
        true => Err(NotBed {
            problem: format!("end {end} is before start {start}"),
            expected: "start <= end (0-based, half-open)",
        }),
        false => Ok((start, end)),
    }
}

/// A coordinate: digits alone, at most 2^31 - 1.
pub fn coordinate(text: &[u8]) -> Option<u32> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| digits)?;
    text.parse().ok().filter(|&n| n <= i32::MAX as u32)
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
}

/// Whether a line is empty, a comment, or a `track` or `browser` line. A contig may be called `track`:
/// two numbers after the name make it a row.
pub fn is_header(line: &[u8]) -> bool {
    if line.iter().all(u8::is_ascii_whitespace) || line.starts_with(b"#") {
        return true;
    }
    [&b"track"[..], b"browser"].iter().any(|word| {
        line.strip_prefix(*word).is_some_and(|rest| {
            rest.is_empty()
                || rest[0].is_ascii_whitespace() && {
                    let mut fields = words(rest);
                    !(0..2).all(|_| fields.next().is_some_and(|f| coordinate(f).is_some()))
                }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: &str) -> Result<BedRow<'_>, NotBed> {
        Fields::of(line.as_bytes()).expect("a row").row()
    }

    #[test]
    fn rows() {
        let whole = BedRow {
            contig: b"chr1",
            start: 1,
            end: 9,
            name: Some(b"peak 1"),
            score: b"1000",
            strand: Some('-'),
        };
        assert_eq!(row("chr1\t1\t9\tpeak 1\t1000\t-\t5.1"), Ok(whole));
        let bare = BedRow {
            name: None,
            score: b"",
            strand: None,
            ..whole
        };
        assert_eq!(row("  chr1   1 9 "), Ok(bare));
        assert_eq!(row("chr1\t1\t9\t.\t\t."), Ok(bare));
        assert_eq!(row("track\t1\t9").map(|r| r.contig), Ok(&b"track"[..]));
    }

    #[test]
    fn every_kind_of_bad_line_says_what_is_wrong() {
        for (line, part) in [
            ("chr1\t1", "2 column(s)"),
            ("\t1\t2", "2 column(s)"),
            ("chr1\tx\t9", "start is \"x\""),
            ("chr1\t+5\t9", "start is \"+5\""),
            ("chr1\t 5\t9", "start is \" 5\""),
            ("chr1\t1.5\t9", "start is \"1.5\""),
            ("chr1\t-1\t9", "start is \"-1\""),
            ("chr1\t1\t2147483648", "end is \"2147483648\""),
            ("chr1\t\t3", "start is \"\""),
            ("chr1\t9\t3", "end 3 is before start 9"),
        ] {
            let error = row(line).unwrap_err();
            assert_eq!(error.problem, part, "{line}");
        }
    }

    #[test]
    fn lines_that_are_no_rows() {
        for line in [
            "",
            " \t ",
            "#x",
            "track",
            "track name=a",
            "track\tname=a",
            "browser hide all",
            "browser\tposition\tchr1:1-2",
        ] {
            assert!(Fields::of(line.as_bytes()).is_none(), "{line:?}");
        }
        for line in ["tracker\t1\t2", "track 1 2", "browser\t3\t4"] {
            assert!(Fields::of(line.as_bytes()).is_some(), "{line:?}");
        }
    }
}
