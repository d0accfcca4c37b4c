//! From lines of the input to records of the output, and to rows of the table.

use std::io::Write as _;

use ndarray::{Array2, ArrayView1, ArrayView2, s};

use super::allele::Skip;
use super::background::{Background, Level};
use super::combine::{Combine, most};
use super::effects::{Calls, Scorer, Site, letter};
use super::fields::Fields;
use super::input::Piece;
use super::output::Place;
use super::rank::RowParts;
use super::records::{Reader, Record};
use crate::Error;
use crate::encode::UNKNOWN;
use crate::genome::{Aliases, Contigs, Interval};
use crate::intervals::Placed;

/// What all threads of a job share.
pub(super) struct Shared<'a> {
    /// The input's name for messages.
    pub name: String,
    pub is_bed: bool,
    /// Columns of a record.
    pub width: usize,
    pub contigs: &'a Contigs,
    pub aliases: &'a Aliases,
    pub fields: Fields,
    /// INFO fields of an earlier run are taken away.
    pub replaced: Vec<Vec<u8>>,
    pub background: Option<Background>,
    pub combine: Combine,
    /// Names and places of annotations.
    pub annotations: Vec<(String, Placed)>,
    /// Whether rows of the table are wanted.
    pub rows: bool,
    /// The task that ranks them, if not the largest effect.
    pub rank_task: Option<usize>,
}

impl<'a> Shared<'a> {
    /// A reader of the input's records.
    pub fn reader(&'a self) -> Reader<'a> {
        Reader::new(&self.name, self.width, self.contigs, self.aliases)
    }
}

/// What became of records and alleles.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub records: u64,
    pub alleles: u64,
    pub scored: u64,
    pub skipped: [u64; Skip::ALL.len()],
    pub compared: u64,
    pub mismatches: u64,
    /// Records on contigs that the FASTA lacks.
    pub off_contig: u64,
    /// The first such contig.
    pub first_off: Option<String>,
}

impl Counts {
    pub fn add(&mut self, o: &Self) {
        self.records += o.records;
        self.alleles += o.alleles;
        self.scored += o.scored;
        self.compared += o.compared;
        self.mismatches += o.mismatches;
        self.off_contig += o.off_contig;
        if self.first_off.is_none() {
            self.first_off.clone_from(&o.first_off);
        }
        for (a, b) in self.skipped.iter_mut().zip(o.skipped) {
            *a += b;
        }
    }
}

/// A finished piece.
#[derive(Debug, Default)]
pub(super) struct Annotated {
    pub text: Vec<u8>,
    pub places: Vec<Place>,
    pub counts: Counts,
    pub rows: RowParts,
}

/// One thread's work on pieces.
pub(super) struct Annotator<'a> {
    pub shared: &'a Shared<'a>,
    pub reader: Reader<'a>,
    pub scorer: Scorer,
    /// Finished text of one INFO field.
    buffer: zmij::Buffer,
}

impl<'a> Annotator<'a> {
    pub fn new(shared: &'a Shared<'a>, scorer: Scorer) -> Self {
        Self {
            shared,
            reader: shared.reader(),
            scorer,
            buffer: zmij::Buffer::new(),
        }
    }

    /// Reads, scores and writes a piece.
    ///
    /// # Errors
    /// At a record that cannot be understood, and when scoring fails.
    pub fn run(&mut self, piece: &Piece) -> Result<Annotated, Error> {
        let (records, calls) = self.score(piece)?;
        let mut out = Annotated {
            rows: RowParts::by(self.shared.rank_task),
            ..Annotated::default()
        };
        out.counts.records = records.len() as u64;
        out.counts.compared = calls.compared;
        out.counts.mismatches = calls.mismatches;
        for (i, record) in records.iter().enumerate() {
            if record.site.contig.is_none() {
                out.counts.off_contig += 1;
                let name = || String::from_utf8_lossy(record.contig).into_owned();
                out.counts.first_off.get_or_insert_with(name);
            }
            for call in &calls.calls[calls.of(i)] {
                out.counts.alleles += 1;
                match call.skip {
                    None => out.counts.scored += 1,
                    Some(skip) => out.counts.skipped[skip as usize] += 1,
                }
            }
            self.record(record, &calls, i, &mut out)?;
        }
        Ok(out)
    }

    /// Reads and scores a piece.
    ///
    /// # Errors
    /// As [`Annotator::run`].
    fn score<'l>(&mut self, piece: &'l Piece) -> Result<(Vec<Record<'l>>, Calls), Error> {
        let mut records = Vec::new();
        for (number, line) in piece.lines() {
            match self.shared.is_bed {
                true => self.reader.bed(number, line, &mut records)?,
                false => records.push(self.reader.vcf(number, line)?),
            }
        }
        let sites: Vec<Site<'_>> = records.iter().map(|r| r.site).collect();
        let calls = self.scorer.score(&sites)?;
        Ok((records, calls))
    }

    /// Reads and scores a piece, for its calls alone.
    ///
    /// # Errors
    /// As [`Annotator::run`].
    pub fn calls(&mut self, piece: &Piece) -> Result<Calls, Error> {
        self.score(piece).map(|(_, calls)| calls)
    }

    fn record(
        &mut self,
        record: &Record<'_>,
        calls: &Calls,
        index: usize,
        out: &mut Annotated,
    ) -> Result<(), Error> {
        let shared = self.shared;
        let range = calls.of(index);
        // [allele, task]
        let effects = calls.effects.slice(s![range.clone(), ..]);
        let levels = Array2::from_shape_fn(effects.dim(), |(nth, task)| {
            let gc = calls.calls[range.start + nth].gc;
            let background = shared.background.as_ref()?;
            background.level(task, gc, effects[[nth, task]])
        });

        let base = calls.bases[index];
        let base_letter = [letter(base) as u8];
        let (reference, alts): (&[u8], Vec<Vec<u8>>) = match record.reference {
            Some(reference) => {
                let alts = record.alts.split(|&b| b == b',').map(<[u8]>::to_vec);
                (reference, alts.collect())
            }
            None => {
                let is_base = base != UNKNOWN && !record.site.alts.is_empty();
                let others = (0..4u8).filter(|&c| c != base && is_base);
                let alts = others.map(|c| vec![letter(c) as u8]);
                (&base_letter, alts.collect())
            }
        };
        let text = &mut out.text;
        match record.reference {
            Some(_) => text.extend_from_slice(&record.line[..record.info.0]),
            None => {
                text.extend_from_slice(self.contig(record));
                // Writing to memory cannot fail.
                let _ = write!(text, "\t{}\t", record.start);
                // A name may hold what an ID must not.
                let sound = |&b: &u8| {
                    if b == b';' || b.is_ascii_whitespace() {
                        b'_'
                    } else {
                        b
                    }
                };
                text.extend(record.id.iter().map(sound));
                text.push(b'\t');
                text.extend_from_slice(reference);
                text.push(b'\t');
                match alts.is_empty() {
                    true => text.push(b'.'),
                    false => text.extend(alts.join(&b',')),
                }
                text.extend_from_slice(b"\t.\t.\t");
            }
        }
        let info = &record.line[record.info.0..record.info.1];
        self.info(info, calls, range.clone(), levels.view(), text);
        if record.reference.is_some() {
            text.extend_from_slice(&record.line[record.info.1..]);
        }
        text.push(b'\n');
        let end = record.start + reference.len() as u32 - 1;
        out.places.push(Place {
            upto: out.text.len(),
            start: record.start,
            end: info_end(info).map_or(end, |e| e.max(end)),
        });

        if shared.rows {
            for (nth, call) in range.enumerate() {
                // An unknown base of a BED has no changes: one row says so.
                let alt: &[u8] = alts.get(nth).map_or(b".", Vec::as_slice);
                if alts.is_empty() && nth > 0 {
                    break;
                }
                self.row(record, (reference, alt), calls, call, levels.row(nth), out)?;
            }
        }
        Ok(())
    }

    /// A position's record is this program's own: it names contigs as the FASTA does.
    fn contig<'r>(&'r self, record: &Record<'r>) -> &'r [u8] {
        match (record.reference, record.site.contig) {
            (None, Some(id)) => self.shared.contigs.get(id).name.as_bytes(),
            _ => record.contig,
        }
    }

    /// Writes INFO: what was there, without the fields of an earlier run, then this run's.
    fn info(
        &mut self,
        old: &[u8],
        calls: &Calls,
        range: std::ops::Range<usize>,
        levels: ArrayView2<'_, Option<Level>>,
        text: &mut Vec<u8>,
    ) {
        let shared = self.shared;
        let effects = calls.effects.slice(s![range.clone(), ..]);
        let begin = text.len();
        for entry in old.split(|&b| b == b';') {
            let key = entry.split(|&b| b == b'=').next().unwrap_or(entry);
            if entry.is_empty() || entry == b"." || shared.replaced.iter().any(|r| r == key) {
                continue;
            }
            if text.len() > begin {
                text.push(b';');
            }
            text.extend_from_slice(entry);
        }
        let key = |name: &str, text: &mut Vec<u8>| {
            if text.len() > begin {
                text.push(b';');
            }
            text.extend_from_slice(name.as_bytes());
            text.push(b'=');
        };
        let fields = &shared.fields;
        if calls.calls[range.clone()].iter().any(|c| c.skip.is_none()) {
            for (task, name) in fields.effects.iter().enumerate() {
                key(name, text);
                let values = effects.column(task).into_iter().copied();
                list(values, text, |v, text| number(&mut self.buffer, v, text));
            }
            let spreads = calls.spreads.slice(s![range.clone(), ..]);
            for (task, name) in fields.spreads.iter().enumerate() {
                key(name, text);
                let values = spreads.column(task).into_iter().copied();
                list(values, text, |v, text| number(&mut self.buffer, v, text));
            }
            for (task, name) in fields.p.iter().enumerate() {
                key(name, text);
                let of = |level: &Option<Level>| level.map_or(f32::NAN, |l| l.p as f32);
                list(levels.column(task).into_iter().map(of), text, |v, text| {
                    number(&mut self.buffer, v, text);
                });
            }
            key(&fields.most, text);
            let most = effects.rows().into_iter().map(|row| most(row).1);
            list(most, text, |v, text| number(&mut self.buffer, v, text));
        }
        let skips = || calls.calls[range.clone()].iter().map(|c| c.skip);
        if skips().any(|s| s.is_some()) {
            key(&fields.skip, text);
            match skips().next().flatten() {
                // One word where it holds for the record.
                Some(first) if skips().all(|s| s == Some(first)) && shared.is_bed => {
                    text.extend_from_slice(first.as_str().as_bytes());
                }
                _ => list(skips(), text, |skip, text| {
                    text.extend_from_slice(skip.map_or(".", Skip::as_str).as_bytes());
                }),
            }
        }
        if text.len() == begin {
            text.push(b'.');
        }
    }

    /// Appends a call's row of the table.
    fn row(
        &mut self,
        record: &Record<'_>,
        (reference, alt): (&[u8], &[u8]),
        calls: &Calls,
        index: usize,
        levels: ArrayView1<'_, Option<Level>>,
        out: &mut Annotated,
    ) -> Result<(), Error> {
        let shared = self.shared;
        let call = &calls.calls[index];
        let mut names = String::new();
        if let Some(contig) = record.site.contig {
            let from = call.at;
            let span = Interval::new(from, from + call.deleted.max(1)).unwrap_or_default();
            for (name, placed) in &shared.annotations {
                if placed.within(contig, span).next().is_some() {
                    if !names.is_empty() {
                        names.push(',');
                    }
                    names.push_str(name);
                }
            }
        }
        if names.is_empty() {
            names.push('.');
        }
        let combined = match levels.iter().all(Option::is_none) {
            true => f64::NAN,
            false => (shared.combine).of(levels.iter().flatten().map(|l| l.p)),
        };
        let lossy = String::from_utf8_lossy;
        let head = format!(
            "{}\t{}\t{}\t{}\t{}\t{}",
            lossy(self.contig(record)),
            record.start,
            lossy(record.id),
            lossy(reference),
            lossy(alt),
            call.skip.map_or("ok", Skip::as_str),
        );
        let fail = || {
            let problem = "too long for a row of the table".into();
            self.reader.fail(record.number, record.line, problem)
        };
        let effects = calls.effects.row(index);
        let tables = (calls.references.row(index).into_iter())
            .zip(effects)
            .zip(calls.spreads.row(index))
            .zip(calls.importance.row(index))
            .zip(levels);
        let values = tables.flat_map(|((((&reference, &effect), &spread), &importance), level)| {
            let number = level.map_or(u32::MAX, |l| l.number);
            [
                reference,
                effect,
                spread,
                importance,
                f32::from_bits(number),
            ]
        });
        out.rows
            .push(effects, combined, head.as_bytes(), names.as_bytes(), values)
            .ok_or_else(fail)?;
        Ok(())
    }
}

fn list<T>(
    values: impl Iterator<Item = T>,
    text: &mut Vec<u8>,
    mut put: impl FnMut(T, &mut Vec<u8>),
) {
    for (i, value) in values.enumerate() {
        if i > 0 {
            text.push(b',');
        }
        put(value, text);
    }
}

/// The shortest decimal that reads back as the same number; `.` for NaN.
fn number(buffer: &mut zmij::Buffer, value: f32, text: &mut Vec<u8>) {
    if value.is_nan() {
        text.push(b'.');
        return;
    }
    let written = buffer.format(value + 0.0);
    text.extend_from_slice(written.strip_suffix(".0").unwrap_or(written).as_bytes());
}

/// `INFO/END`, which an index counts as the record's end.
fn info_end(info: &[u8]) -> Option<u32> {
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
        assert_eq!(info_end(b"SVTYPE=DEL;END=77;X"), Some(77));
        assert_eq!(info_end(b"CIEND=1,2;AEND=5"), None);
    }
}
