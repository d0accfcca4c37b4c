//! From records of the input to records of the output, and to rows of the table.

use std::io::Write as _;
use std::sync::Arc;

use ndarray::{Array2, ArrayView1, ArrayView2, s};
use serde::{Deserialize, Serialize};

use super::allele::Skip;
use super::background::{Background, Level};
use super::combine::{Combine, most};
use super::counts::Counts;
use super::effects::{Calls, Scorer, Site, letter};
use super::fields::Fields;
use super::info::{self, BcfInfo, BcfNames, Info, TextInfo};
use super::input::Piece;
use super::lift::Lifter;
use super::output::Place;
use super::rank::{RowParts, Variant};
use super::records::{Reader, Record};
use super::{Scoring, VariantError};
use crate::Error;
use crate::encode::UNKNOWN;
use crate::genome::{Contigs, Fasta, Interval};
use crate::intervals::Placed;
use crate::liftover::Chains;
use crate::vcf::{self, Dictionary, Encoder, NewInfo};

/// What all threads of a job share.
pub(super) struct Shared<'a> {
    /// The input's name for messages.
    pub name: String,
    pub is_bed: bool,
    /// The names of the input where it is a BCF.
    pub names: Option<Arc<Dictionary>>,
    /// Whether a BCF's records are wanted as whole lines: else no more is read of them than what
    /// variants are.
    pub whole: bool,
    /// How records are written as BCF; `None` for text.
    pub bcf: Option<BcfNames>,
    /// Columns of a record.
    pub width: usize,
    /// Whether records are lifted before anything is read of them.
    pub lifting: bool,
    pub contigs: &'a Contigs,
    pub scoring: &'a Scoring,
    pub fields: Fields,
    /// This run's INFO fields; those of an earlier run are taken away.
    pub field_names: Vec<Vec<u8>>,
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
        let whole = self.names.is_none() || self.whole;
        let width = if whole { self.width } else { 8 };
        let genome = (self.contigs, &self.scoring.aliases);
        let mut reader = Reader::new(&self.name, width, genome, self.scoring.strict);
        reader.lifted = self.lifting;
        reader
    }
}

/// A finished piece.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Annotated {
    /// Lines, or a BCF's records.
    pub bytes: Vec<u8>,
    pub places: Vec<Place>,
    pub counts: Counts,
    pub rows: RowParts,
    /// Lines of the file of what could not be lifted.
    pub rejects: Vec<u8>,
}

/// One thread's work on pieces.
pub(super) struct Annotator<'a> {
    pub shared: &'a Shared<'a>,
    pub reader: Reader<'a>,
    pub scorer: Scorer,
    lifter: Option<Lifter<'a>>,
    buffer: zmij::Buffer,
    encoder: Option<Encoder<'a>>,
    /// One record as BCF, and what is added to it.
    encoded: Vec<u8>,
    new: NewInfo,
}

impl<'a> Annotator<'a> {
    pub fn new(shared: &'a Shared<'a>, scorer: Scorer) -> Self {
        Self {
            shared,
            reader: shared.reader(),
            scorer,
            lifter: None,
            buffer: zmij::Buffer::new(),
            encoder: shared.bcf.as_ref().map(|bcf| Encoder::new(&bcf.names)),
            encoded: Vec::new(),
            new: NewInfo::default(),
        }
    }

    /// Lifts records before they are read, if there are chains.
    ///
    /// # Errors
    /// When the FASTA cannot be opened.
    pub fn lifting(mut self, chains: Option<&'a Chains>, fasta: &Fasta) -> Result<Self, Error> {
        let aliases = &self.shared.scoring.aliases;
        let lifter = chains.map(|chains| Lifter::new(chains, aliases, fasta));
        self.lifter = lifter.transpose()?;
        Ok(self)
    }

    /// Reads, scores and writes a piece.
    ///
    /// # Errors
    /// At a record that cannot be understood, and when scoring fails.
    pub fn run(&mut self, piece: &Piece) -> Result<Annotated, Error> {
        let decoded = self.decoded(piece)?;
        let mut out = Annotated {
            rows: RowParts::by(self.shared.rank_task),
            ..Annotated::default()
        };
        let lines = decoded.as_ref().unwrap_or(piece);
        let lifted = self.lifted(lines, &mut out)?;
        let (records, calls) = self.score(lifted.as_ref().unwrap_or(lines))?;
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
            // Bytes of a BCF's record are written as they were, unless it stands elsewhere now.
            let as_was = decoded.as_ref().filter(|_| lifted.is_none());
            let raw = as_was.map(|_| piece.record(i));
            self.record(record, raw, &calls, i, &mut out)?;
        }
        Ok(out)
    }

    /// A BCF's records as lines.
    fn decoded(&self, piece: &Piece) -> Result<Option<Piece>, VariantError> {
        let shared = self.shared;
        let names = shared.names.as_deref();
        let lines = names.map(|names| piece.lines(names, shared.whole, &shared.name));
        Ok(lines.transpose()?)
    }

    /// Lines in the new build, if they are to be lifted.
    fn lifted(&mut self, lines: &Piece, out: &mut Annotated) -> Result<Option<Piece>, Error> {
        let Some(lifter) = &mut self.lifter else {
            return Ok(None);
        };
        let lifted = lifter.piece(lines, &self.reader, self.shared.is_bed)?;
        out.rejects = lifted.rejects;
        out.counts.lost = lifted.lost;
        out.counts.first_unknown = lifted.unknown;
        Ok(Some(lifted.piece))
    }

    /// Reads and scores lines.
    ///
    /// # Errors
    /// As [`Annotator::run`].
    fn score<'l>(&mut self, lines: &'l Piece) -> Result<(Vec<Record<'l>>, Calls), Error> {
        let mut records = Vec::new();
        for (i, (number, line)) in lines.records().enumerate() {
            match self.shared.is_bed {
                true => self
                    .reader
                    .bed((number, lines.row_end(i)), line, &mut records)?,
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
        let decoded = self.decoded(piece)?;
        let (_, calls) = self.score(decoded.as_ref().unwrap_or(piece))?;
        Ok(calls)
    }

    /// Appends a record to the output and its rows to the table. `raw`: its bytes, from a BCF.
    fn record(
        &mut self,
        record: &Record<'_>,
        raw: Option<&[u8]>,
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
        let (reference, alts): (&[u8], Vec<&[u8]>) = match record.reference {
            Some(reference) => (reference, record.alts.split(|&b| b == b',').collect()),
            None => {
                let is_base = base != UNKNOWN && !record.site.alts.is_empty();
                let others = (0..4).filter(|&c| c != usize::from(base) && is_base);
                (&base_letter, others.map(|c| &b"ACGT"[c..=c]).collect())
            }
        };
        let values = Values {
            shared,
            calls,
            range: range.clone(),
            levels: levels.view(),
        };
        match (&shared.bcf, record.reference) {
            (Some(bcf), Some(_)) => self.bcf(record, raw, bcf, &values, out)?,
            (Some(bcf), None) => {
                let mut line = Vec::new();
                self.position(record, reference, &alts, &mut line);
                match &record.line[record.info.0..record.info.1] {
                    [] => line.push(b'.'),
                    info => line.extend_from_slice(info),
                }
                let as_text = Record {
                    line: &line,
                    ..*record
                };
                self.bcf(&as_text, raw, bcf, &values, out)?;
            }
            (None, _) => self.text(record, (reference, &alts), &values, out),
        }

        if shared.rows {
            for (nth, call) in range.enumerate() {
                // An unknown base of a BED has no changes: one row says so.
                let alt: &[u8] = alts.get(nth).map_or(b".", |alt| alt);
                if alts.is_empty() && nth > 0 {
                    break;
                }
                self.row(record, (reference, alt), calls, call, levels.row(nth), out)?;
            }
        }
        Ok(())
    }

    /// A record as text: what was there, and this run's fields in INFO.
    fn text(
        &mut self,
        record: &Record<'_>,
        (reference, alts): (&[u8], &[&[u8]]),
        values: &Values<'_>,
        out: &mut Annotated,
    ) {
        let line = &mut out.bytes;
        match record.reference {
            Some(_) => line.extend_from_slice(&record.line[..record.info.0]),
            None => self.position(record, reference, alts, line),
        }
        let old = &record.line[record.info.0..record.info.1];
        let begin = line.len();
        info::keep(old, &self.shared.field_names, line);
        let mut info = TextInfo {
            names: &self.shared.field_names,
            line,
            begin,
            buffer: &mut self.buffer,
        };
        values.give(&mut info);
        if line.len() == begin {
            line.push(b'.');
        }
        if record.reference.is_some() {
            line.extend_from_slice(&record.line[record.info.1..]);
        }
        line.push(b'\n');
        let end = (record.start + reference.len() as u32).saturating_sub(1);
        out.places.push(Place {
            upto: out.bytes.len(),
            start: record.start,
            end: info::end(old).map_or(end, |e| e.max(end)),
        });
    }

    /// A record as BCF: its own bytes, or those of its line, with this run's fields.
    fn bcf(
        &mut self,
        record: &Record<'_>,
        raw: Option<&[u8]>,
        bcf: &BcfNames,
        values: &Values<'_>,
        out: &mut Annotated,
    ) -> Result<(), VariantError> {
        let fail = |problem: String| VariantError::Bcf {
            path: self.shared.name.clone(),
            line: record.number,
            problem,
        };
        self.new.clear();
        values.give(&mut BcfInfo {
            numbers: &bcf.numbers,
            new: &mut self.new,
        });
        if let (None, Some(encoder)) = (raw, &mut self.encoder) {
            self.encoded.clear();
            encoder
                .encode(record.line, &mut self.encoded)
                .map_err(fail)?;
            let changed = std::mem::take(&mut encoder.changed);
            out.counts.changed.0 += changed.count;
            if let (Some(first), None) = (changed.first, &out.counts.changed.1) {
                out.counts.changed.1 = Some(format!("line {}, {first}", record.number));
            }
        }
        let old = vcf::Record::new(raw.unwrap_or(&self.encoded)).map_err(fail)?;
        old.with_info(&bcf.replaced, &self.new, &mut out.bytes)
            .map_err(fail)?;
        out.places.push(Place {
            upto: out.bytes.len(),
            start: record.start,
            end: (i64::from(old.start()) + i64::from(old.length())).max(0) as u32,
        });
        Ok(())
    }

    /// A position's columns up to INFO.
    fn position(&self, record: &Record<'_>, reference: &[u8], alts: &[&[u8]], line: &mut Vec<u8>) {
        line.extend_from_slice(self.contig(record));
        // Writing to memory cannot fail.
        let _ = write!(line, "\t{}\t", record.start);
        // A name may hold what an ID must not.
        let sound = |&b: &u8| {
            if b == b';' || b.is_ascii_whitespace() {
                b'_'
            } else {
                b
            }
        };
        line.extend(record.id.iter().map(sound));
        line.push(b'\t');
        line.extend_from_slice(reference);
        line.push(b'\t');
        match alts.is_empty() {
            true => line.push(b'.'),
            false => line.extend(alts.join(&b',')),
        }
        line.extend_from_slice(b"\t.\t.\t");
    }

    /// A position's record is this program's own: it names contigs as the FASTA does.
    fn contig<'r>(&'r self, record: &Record<'r>) -> &'r [u8] {
        match (record.reference, record.site.contig) {
            (None, Some(id)) => self.shared.contigs.get(id).name.as_bytes(),
            _ => record.contig,
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
        if let (Some(contig), None) = (record.site.contig, record.site.skip) {
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
        let name = self.contig(record);
        let variant = Variant::new(record.site.contig, name, record.start, reference, alt);
        out.rows
            .push(
                variant,
                (effects, combined),
                head.as_bytes(),
                names.as_bytes(),
                values,
            )
            .ok_or_else(fail)?;
        Ok(())
    }
}

/// The values of a record's alleles.
struct Values<'a> {
    shared: &'a Shared<'a>,
    calls: &'a Calls,
    range: std::ops::Range<usize>,
    /// [allele, task]
    levels: ArrayView2<'a, Option<Level>>,
}

impl Values<'_> {
    /// Gives them to INFO, in the order of [`Fields::all`].
    fn give(&self, info: &mut impl Info) {
        let (shared, fields) = (self.shared, &self.shared.fields);
        let range = self.range.clone();
        let (effects, spreads) = (fields.effects.len(), fields.spreads.len());
        let most_field = effects + spreads + fields.p.len();
        let of_alleles = &self.calls.calls[range.clone()];
        if of_alleles.iter().any(|c| c.skip.is_none()) {
            let tables = [
                (0..effects, &self.calls.effects),
                (effects..effects + spreads, &self.calls.spreads),
            ];
            for (numbers, table) in tables {
                let values = table.slice(s![range.clone(), ..]);
                for (task, field) in numbers.enumerate() {
                    let values = values.column(task).into_iter();
                    info.floats(field, values.map(|v| shared.scoring.precision.round(*v)));
                }
            }
            for task in 0..fields.p.len() {
                let of = |level: &Option<Level>| level.map_or(f32::NAN, |l| l.p as f32);
                let values = self.levels.column(task).into_iter().map(of);
                info.floats(effects + spreads + task, values);
            }
            let values = self.calls.effects.slice(s![range, ..]);
            let values = values.rows().into_iter().map(|row| most(row).1);
            info.floats(
                most_field,
                values.map(|v| shared.scoring.precision.round(v)),
            );
        }
        let skips = || of_alleles.iter().map(|c| c.skip);
        if skips().any(|s| s.is_some()) {
            let words: Vec<&str> = match skips().next().flatten() {
                // One word where it holds for the record.
                Some(first) if skips().all(|s| s == Some(first)) && shared.is_bed => {
                    vec![first.as_str()]
                }
                _ => skips().map(|s| s.map_or(".", Skip::as_str)).collect(),
            };
            info.text(most_field + 1, words.join(",").as_bytes());
        }
    }
}
