//! The FASTA index (`.fai`, samtools): read, built, written. Its records, and their text form, are
//! noodles'; what samtools accepts and where it is wrong is told at [`build`].

use std::fs;
use std::io::{self, BufRead};
use std::num::NonZero;
use std::path::Path;

use noodles::fasta::fai::{self, Record};

use super::GenomeError;
use crate::output::OutputError;

/// Byte offset of a base in the uncompressed FASTA.
pub(super) fn offset_of(record: &Record, base: u64) -> u64 {
    let line = record.line_base_count();
    record.position() + base / line * record.line_width().get() + base % line
}

/// Byte offset just behind the last base.
pub(super) fn end(record: &Record) -> u64 {
    match record.length() {
        0 => record.position(),
        n => offset_of(record, n - 1) + 1,
    }
}

/// Bytes from a line's last base to the next line's first: blanks and the line's end.
pub(super) fn gap(record: &Record) -> u64 {
    (record.line_width().get()).saturating_sub(record.line_base_count().get())
}

/// What C's `isspace` holds for a blank, and so samtools.
pub(super) fn is_blank(byte: u8) -> bool {
    byte == b' ' || (b'\t'..=b'\r').contains(&byte)
}

/// The name in a header, without its `>`: as samtools the first word, blanks before it passed over;
/// empty where there is none.
pub(super) fn name_in(header: &[u8]) -> &[u8] {
    (header.split(|&b| is_blank(b)))
        .find(|word| !word.is_empty())
        .unwrap_or_default()
}

/// Reads a `.fai`.
///
/// # Errors
/// When it cannot be read or a line is not of its form.
pub(super) fn read(path: &Path) -> Result<Vec<Record>, GenomeError> {
    let bytes = fs::read(path).map_err(|e| GenomeError::Read(e, path.into()))?;
    let mut records = Vec::new();
    for (number, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
        records.push(parse(line).ok_or_else(|| GenomeError::FaiLine {
            path: path.into(),
            line: number as u64 + 1,
            text: crate::input::excerpt(line),
        })?);
    }
    Ok(records)
}

/// A line of its own, so that a message can name it.
fn parse(line: &str) -> Option<Record> {
    let line = line.trim_end_matches('\r');
    let fields: Vec<&str> = line.split('\t').collect();
    let record = match fields[..] {
        // samtools lists contigs whose lines hold blanks alone with 0 bases a line, which noodles
        // does not read.
        [name, "0", position, "0", width] => {
            empty(name, position.parse().ok()?, width.parse().ok()?)
        }
        [_, _, _, _, _] => {
            let index = fai::io::Reader::new(line.as_bytes()).read_index().ok()?;
            index.as_ref().first()?.clone()
        }
        _ => return None,
    };
    let last_byte = (record.length() / record.line_base_count())
        .checked_add(1)?
        .checked_mul(record.line_width().get())?
        .checked_add(record.position());
    let sound = !record.name().is_empty()
        && last_byte.is_some_and(|b| b < 1 << 62)
        && record.line_width() >= record.line_base_count();
    sound.then_some(record)
}

/// A contig without bases. The least that a record's line can have is one base.
fn empty(name: &str, position: u64, line_width: u64) -> Record {
    let width = NonZero::new(line_width).unwrap_or(NonZero::<u64>::MIN);
    Record::new(name, 0, position, NonZero::<u64>::MIN, width)
}

/// The lines of a `.fai`.
///
/// # Errors
/// None in practice: they are written to memory.
pub(super) fn to_text(records: &[Record]) -> io::Result<Vec<u8>> {
    let mut writer = fai::io::Writer::new(Vec::new());
    writer.write_index(&fai::Index::from(records.to_vec()))?;
    Ok(writer.into_inner())
}

/// A contig whose lines are being read.
struct Contig {
    name: String,
    length: u64,
    position: u64,
    line_bases: u64,
    /// 0 until a line that is not empty.
    line_width: u64,
}

impl Contig {
    fn record(&self) -> Record {
        match (NonZero::new(self.line_bases), NonZero::new(self.line_width)) {
            (Some(bases), Some(width)) => {
                Record::new(self.name.as_str(), self.length, self.position, bases, width)
            }
            _ => empty(&self.name, self.position, self.line_width),
        }
    }
}

/// Builds the index by one pass over the FASTA. Names, contigs and offsets are those of
/// `samtools faidx`: blanks before a name and behind a line's bases do not count, all lines of a
/// contig have as many bases and bytes but for the last, and contigs without a line are left out.
///
/// samtools only compares the lines' bytes: blanks before or among bases pass, and then it finds
/// other bases than those asked for. Such lines are refused here. Blank lines before a contig's
/// first base and more blanks behind its last, which samtools refuses, are taken: no base is
/// displaced by them.
///
/// # Errors
/// The reader's, or what makes the FASTA unfit, with the line.
pub(super) fn build(mut reader: impl BufRead) -> io::Result<Result<Vec<Record>, String>> {
    let mut contigs: Vec<Contig> = Vec::new();
    // A line shorter than the contig's first may only be its last.
    let mut ended = false;
    let mut offset = 0;
    let mut number = 0u64;
    while let Some(line) = read_line(&mut reader)? {
        number += 1;
        let start = offset;
        offset += line.width;
        if let Some(header) = line.header {
            let name = Some(name_in(&header)).filter(|n| !n.is_empty());
            let Some(name) = name.and_then(|n| std::str::from_utf8(n).ok()) else {
                return Ok(Err(format!(
                    "line {number}: a header without a readable name"
                )));
            };
            contigs.push(Contig {
                name: name.to_owned(),
                length: 0,
                position: offset,
                line_bases: 0,
                line_width: 0,
            });
            ended = false;
            continue;
        }
        let Some(contig) = contigs.last_mut() else {
            if line.bases == 0 {
                continue;
            }
            return Ok(Err(format!(
                "line {number}: sequence before the first `>` header"
            )));
        };
        if line.blank_inside {
            return Ok(Err(format!(
                "line {number}: a blank before or among the bases of contig {:?}",
                contig.name
            )));
        }
        if line.bases == 0 {
            ended = true;
            if contig.line_width == 0 && line.blanks > 0 {
                contig.position = start;
                contig.line_width = line.width.max(line.blanks + 1);
            }
            continue;
        }
        if contig.length == 0 {
            contig.position = start;
            contig.line_bases = line.bases;
            // A last line without an end counts as if it had one.
            contig.line_width = line.width.max(line.bases + line.blanks + 1);
            ended = false;
        } else if ended || line.bases > contig.line_bases {
            return Ok(Err(format!(
                "line {number}: lines of contig {:?} differ in length",
                contig.name
            )));
        } else {
            ended = line.bases < contig.line_bases || line.width != contig.line_width;
        }
        contig.length += line.bases;
    }
    contigs.retain(|c| c.line_width > 0);
    Ok(Ok(contigs.iter().map(Contig::record).collect()))
}

/// One line, its sequence only counted.
#[derive(Default)]
struct Line {
    /// What follows `>`.
    header: Option<Vec<u8>>,
    /// Bytes before the trailing blanks.
    bases: u64,
    /// Trailing blanks, a carriage return among them, without the line feed.
    blanks: u64,
    /// All bytes, the line feed among them.
    width: u64,
    /// Whether a blank stands before a base.
    blank_inside: bool,
}

impl Line {
    /// Counts a piece of the line, the line feed not in it.
    fn add(&mut self, piece: &[u8]) {
        let solid = piece
            .iter()
            .rposition(|&b| !is_blank(b))
            .map_or(0, |i| i + 1);
        if solid > 0 {
            let held = piece[..solid]
                .iter()
                .fold(false, |any, &b| any | is_blank(b));
            self.blank_inside |= self.blanks > 0 || held;
            self.bases += self.blanks + solid as u64;
            self.blanks = 0;
        }
        self.blanks += (piece.len() - solid) as u64;
        self.width += piece.len() as u64;
    }
}

/// Reads a line without keeping sequence, which may be one line of a whole chromosome.
fn read_line(reader: &mut impl BufRead) -> io::Result<Option<Line>> {
    let Some(&first) = reader.fill_buf()?.first() else {
        return Ok(None);
    };
    let mut line = Line::default();
    if first == b'>' {
        let mut header = Vec::new();
        line.width = reader.read_until(b'\n', &mut header)? as u64;
        line.header = Some(header.split_off(1));
        return Ok(Some(line));
    }
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(Some(line));
        }
        let end = buffer.iter().position(|&b| b == b'\n');
        let taken = end.unwrap_or(buffer.len());
        line.add(&buffer[..taken]);
        if end.is_some() {
            reader.consume(taken + 1);
            line.width += 1;
            return Ok(Some(line));
        }
        reader.consume(taken);
    }
}

/// Writes an index whole or not at all; it goes again if the run fails.
pub(super) fn write_index(path: &Path, bytes: &[u8]) -> Result<(), GenomeError> {
    crate::output::write_index(path, bytes).map_err(|e| match e {
        OutputError::Write(e, path) => GenomeError::Write(e, path),
        other => GenomeError::Write(io::Error::other(other), path.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(text: &str) -> Result<String, String> {
        // A small buffer, so that lines cross its ends.
        let reader = io::BufReader::with_capacity(3, text.as_bytes());
        build(reader)
            .unwrap()
            .map(|records| String::from_utf8(to_text(&records).unwrap()).unwrap())
    }

    #[test]
    fn as_samtools_faidx() {
        // Oracle: `samtools faidx` 1.16.1 on these texts.
        assert_eq!(
            built(">a b\nACGT\nAC\n>c\nG").unwrap(),
            "a\t6\t5\t4\t5\nc\t1\t16\t1\t2\n"
        );
        assert_eq!(built(">a\r\nACG\r\nT\r\n").unwrap(), "a\t4\t4\t3\t5\n");
        assert_eq!(
            built("\n>a\nAC\n\n>e\n>b\nA\n").unwrap(),
            "a\t2\t4\t2\t3\nb\t1\t14\t1\t2\n"
        );
        assert_eq!(built("").unwrap(), "");
        // No end of the last line, with and without a blank.
        assert_eq!(built(">a\nACGT  ").unwrap(), "a\t4\t3\t4\t7\n");
        assert_eq!(built(">a\nACGT \nA").unwrap(), "a\t5\t3\t4\t6\n");
        assert_eq!(
            built(">a\nACGT\nAC \n>b\nGG\n").unwrap(),
            "a\t6\t3\t4\t5\nb\t2\t15\t2\t3\n"
        );
    }

    #[test]
    fn unfit_texts_name_the_line() {
        assert!(built("ACGT\n").unwrap_err().contains("line 1"));
        assert!(built(">a\nAC\nACG\n").unwrap_err().contains("line 3"));
        assert!(built(">a\nACG\nA\nACG\n").unwrap_err().contains("line 4"));
        assert!(built(">a\nACG\n\nACG\n").unwrap_err().contains("line 4"));
        assert!(built(">\nACG\n").unwrap_err().contains("line 1"));
        assert!(built(">a\nACG\nA CG\n").unwrap_err().contains("line 3"));
        assert!(built(">a\nACG \nACG\nA\n").unwrap_err().contains("line 4"));
        // As many bytes, but fewer bases: samtools takes it and finds G where T stands.
        assert!(
            built(">a\nACGT \nAC   \nGT\n")
                .unwrap_err()
                .contains("line 4")
        );
    }

    #[test]
    fn lines_that_samtools_refuses_where_no_base_is_displaced() {
        assert_eq!(built(">a\n\nACG\n").unwrap(), "a\t3\t4\t3\t4\n");
        assert_eq!(built(">a\n  \nACG\n").unwrap(), "a\t3\t6\t3\t4\n");
        assert_eq!(built(">a\nACG\nACG \n").unwrap(), "a\t6\t3\t3\t4\n");
    }

    #[test]
    fn damaged_lines() {
        for line in [
            "a\t1\t2\t3",
            "a\t1\t2\t0\t1",
            "a\tx\t2\t3\t4",
            "\t1\t2\t3\t4",
            "a\t1\t2\t3\t2",
            "a\t18446744073709551615\t2\t1\t2",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
        assert!(parse("empty\t0\t9\t0\t0").is_some());
        assert!(parse("blanks\t4\t9\t3\t9").is_some());
    }
}
