//! The FASTA index (`.fai`, samtools): read, built, written.

use std::fs;
use std::io::{self, BufRead, Write};
use std::path::Path;

use super::GenomeError;

/// One line of a `.fai`: where a contig's bases lie in the uncompressed FASTA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub name: String,
    /// Number of bases.
    pub length: u64,
    /// Byte offset of the first base.
    pub offset: u64,
    /// Bases a line; at least 1, but 0 where there are no bases.
    pub line_bases: u64,
    /// Bytes a line with its end.
    pub line_width: u64,
}

impl Entry {
    /// Byte offset of a base.
    pub fn offset_of(&self, base: u64) -> u64 {
        let line = self.line_bases.max(1);
        self.offset + base / line * self.line_width + base % line
    }

    /// Byte offset just behind the last base.
    pub fn end(&self) -> u64 {
        match self.length {
            0 => self.offset,
            n => self.offset_of(n - 1) + 1,
        }
    }
}

/// Reads a `.fai`.
///
/// # Errors
/// When it cannot be read or a line is not of its form.
pub(super) fn read(path: &Path) -> Result<Vec<Entry>, GenomeError> {
    let bytes = fs::read(path).map_err(|e| GenomeError::Read(e, path.into()))?;
    let mut entries = Vec::new();
    for (number, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
        entries.push(parse(line).ok_or_else(|| GenomeError::FaiLine {
            path: path.into(),
            line: number as u64 + 1,
            text: crate::input::excerpt(line),
        })?);
    }
    Ok(entries)
}

fn parse(line: &str) -> Option<Entry> {
    let fields: Vec<&str> = line.trim_end_matches('\r').split('\t').collect();
    let [name, length, offset, line_bases, line_width] = fields[..] else {
        return None;
    };
    let entry = Entry {
        name: name.to_owned(),
        length: length.parse().ok()?,
        offset: offset.parse().ok()?,
        line_bases: line_bases.parse().ok()?,
        line_width: line_width.parse().ok()?,
    };
    let last_byte = (entry.length / entry.line_bases.max(1))
        .checked_add(1)?
        .checked_mul(entry.line_width)?
        .checked_add(entry.offset);
    let sound = !name.is_empty()
        && last_byte.is_some_and(|b| b < 1 << 62)
        && (entry.length == 0 || entry.line_bases > 0)
        && entry.line_width >= entry.line_bases
        && entry.line_width - entry.line_bases <= 2;
    sound.then_some(entry)
}

/// The lines of a `.fai`.
pub(super) fn to_text(entries: &[Entry]) -> String {
    entries
        .iter()
        .map(|e| {
            let Entry {
                name,
                length,
                offset,
                line_bases,
                line_width,
            } = e;
            format!("{name}\t{length}\t{offset}\t{line_bases}\t{line_width}\n")
        })
        .collect()
}

/// Builds the index by one pass over the FASTA, as `samtools faidx` does: blank lines only where
/// no sequence follows, all lines of a contig equally long but for the last.
///
/// # Errors
/// The reader's, or what makes the FASTA unfit, with the line.
pub(super) fn build(mut reader: impl BufRead) -> io::Result<Result<Vec<Entry>, String>> {
    let mut entries: Vec<Entry> = Vec::new();
    // A line shorter than the contig's first may only be its last.
    let mut ended = false;
    let mut offset = 0;
    let mut number = 0u64;
    while let Some(line) = read_line(&mut reader)? {
        number += 1;
        let start = offset;
        offset += line.width;
        if let Some(header) = line.header {
            let name = header
                .split(u8::is_ascii_whitespace)
                .find(|w| !w.is_empty());
            let Some(name) = name.and_then(|n| std::str::from_utf8(n).ok()) else {
                return Ok(Err(format!(
                    "line {number}: a header without a readable name"
                )));
            };
            entries.push(Entry {
                name: name.to_owned(),
                length: 0,
                offset,
                line_bases: 0,
                line_width: 0,
            });
            ended = false;
            continue;
        }
        let Some(entry) = entries.last_mut() else {
            if line.bases == 0 {
                continue;
            }
            return Ok(Err(format!(
                "line {number}: sequence before the first `>` header"
            )));
        };
        if line.bases == 0 {
            ended = true;
            continue;
        }
        if entry.length == 0 {
            entry.offset = start;
            entry.line_bases = line.bases;
            // A last line without an end counts as if it had one.
            entry.line_width = line.width.max(line.bases + 1);
        } else if ended || line.bases > entry.line_bases {
            return Ok(Err(format!(
                "line {number}: lines of contig {:?} differ in length",
                entry.name
            )));
        }
        let different_end = line.width - line.bases != entry.line_width - entry.line_bases;
        ended = line.bases < entry.line_bases || different_end;
        entry.length += line.bases;
    }
    // As samtools, which leaves contigs without a base out.
    entries.retain(|e| e.length > 0);
    Ok(Ok(entries))
}

/// One line, its sequence only counted.
struct Line {
    /// What follows `>`.
    header: Option<Vec<u8>>,
    /// Bytes without the line's end.
    bases: u64,
    /// Bytes with it.
    width: u64,
}

/// Reads a line without keeping sequence, which may be one line of a whole chromosome.
fn read_line(reader: &mut impl BufRead) -> io::Result<Option<Line>> {
    let Some(&first) = reader.fill_buf()?.first() else {
        return Ok(None);
    };
    let mut line = Line {
        header: None,
        bases: 0,
        width: 0,
    };
    if first == b'>' {
        let mut header = Vec::new();
        line.width = reader.read_until(b'\n', &mut header)? as u64;
        line.header = Some(header[1..].to_vec());
        return Ok(Some(line));
    }
    let mut last = 0;
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            line.bases = line.width - u64::from(last == b'\r');
            return Ok(Some(line));
        }
        let end = buffer.iter().position(|&b| b == b'\n');
        let taken = end.unwrap_or(buffer.len());
        if taken > 0 {
            last = buffer[taken - 1];
        }
        line.width += taken as u64;
        if end.is_some() {
            reader.consume(taken + 1);
            line.bases = line.width - u64::from(last == b'\r');
            line.width += 1;
            return Ok(Some(line));
        }
        reader.consume(taken);
    }
}

/// Writes a file whole or not at all.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), GenomeError> {
    let fail = |e| GenomeError::Write(e, path.into());
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(fail)?;
    file.write_all(bytes).map_err(fail)?;
    file.persist(path).map_err(|e| fail(e.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(text: &str) -> Result<String, String> {
        // A small buffer, so that lines cross its ends.
        let reader = io::BufReader::with_capacity(3, text.as_bytes());
        build(reader).unwrap().map(|entries| to_text(&entries))
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
    }

    #[test]
    fn unfit_texts_name_the_line() {
        assert!(built("ACGT\n").unwrap_err().contains("line 1"));
        assert!(built(">a\nAC\nACG\n").unwrap_err().contains("line 3"));
        assert!(built(">a\nACG\nA\nACG\n").unwrap_err().contains("line 4"));
        assert!(built(">a\nACG\n\nACG\n").unwrap_err().contains("line 4"));
        assert!(built(">\nACG\n").unwrap_err().contains("line 1"));
    }

    #[test]
    fn damaged_lines() {
        for line in [
            "a\t1\t2\t3",
            "a\t1\t2\t0\t1",
            "a\tx\t2\t3\t4",
            "\t1\t2\t3\t4",
            "a\t1\t2\t3\t9",
            "a\t1\t2\t3\t2",
            "a\t18446744073709551615\t2\t1\t2",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
        assert!(parse("empty\t0\t9\t0\t0").is_some());
    }
}
