//! From lines of the input to records of the output, and to rows of the table.

use std::collections::HashMap;
use std::io::Write as _;

use super::VariantError;
use super::allele::{Skip, is_allele};
use super::background::Background;
use super::effects::{Calls, Scorer, Site, letter};
use super::header::shorten;
use super::input::Piece;
use super::output::Place;
use super::rank::RowParts;
use crate::Error;
use crate::encode::UNKNOWN;
use crate::genome::{Aliases, ContigId, Contigs, Interval};
use crate::overlap::Placed;
use crate::stats;

/// How p-values of a variant's tasks become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// The Cauchy combination test.
    Cauchy,
    /// The p-value of their product, were they independent.
    Product,
}

impl Combine {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cauchy => "cauchy",
            Self::Product => "product",
        }
    }

    fn of(self, p: impl Iterator<Item = f64>) -> f64 {
        match self {
            Self::Cauchy => stats::cauchy(p),
            Self::Product => stats::product(p),
        }
    }
}

/// Names of the INFO fields.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    pub effects: Vec<String>,
    /// Empty without a background.
    pub p: Vec<String>,
    pub most: String,
    pub skip: String,
}

impl Fields {
    /// Names for tasks. INFO keys have only letters, digits, `_` and `.`; other letters become
    /// `_`, and names that would be equal get a number.
    pub fn new(tasks: &[String], background: bool) -> Self {
        let mut taken = vec!["MPRA_MAX".to_owned(), "MPRA_SKIP".to_owned()];
        let mut unique = |prefix: &str, task: &str| {
            let sound = |c: char| match c.is_ascii_alphanumeric() || "_.".contains(c) {
                true => c,
                false => '_',
            };
            let name: String = format!("{prefix}{task}").chars().map(sound).collect();
            let mut candidate = name.clone();
            let mut number = 1;
            while taken.contains(&candidate) {
                number += 1;
                candidate = format!("{name}_{number}");
            }
            taken.push(candidate.clone());
            candidate
        };
        let effects = tasks.iter().map(|t| unique("MPRA_", t)).collect();
        let p = match background {
            true => tasks.iter().map(|t| unique("MPRA_P_", t)).collect(),
            false => Vec::new(),
        };
        Self {
            effects,
            p,
            most: "MPRA_MAX".into(),
            skip: "MPRA_SKIP".into(),
        }
    }

    /// All of them.
    pub fn all(&self) -> Vec<String> {
        let single = [&self.most, &self.skip];
        (self.effects.iter().chain(&self.p).chain(single))
            .cloned()
            .collect()
    }
}

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

/// A record's columns, as they stand.
struct Record<'a> {
    number: u64,
    contig: &'a [u8],
    id: &'a [u8],
    /// POS, 1-based.
    start: u32,
    reference: Option<&'a [u8]>,
    alts: &'a [u8],
    line: &'a [u8],
    /// INFO as a range of the line.
    info: (usize, usize),
    site: Site<'a>,
}

/// Reads records: resolves contigs, and remembers the last one's name.
pub(super) struct Reader<'a> {
    pub name: &'a str,
    pub width: usize,
    pub contigs: &'a Contigs,
    pub aliases: &'a Aliases,
    resolved: HashMap<Vec<u8>, Option<ContigId>>,
}

impl<'a> Reader<'a> {
    pub fn new(shared: &'a Shared<'a>) -> Self {
        Self {
            name: &shared.name,
            width: shared.width,
            contigs: shared.contigs,
            aliases: shared.aliases,
            resolved: HashMap::new(),
        }
    }

    /// The contig of a name.
    pub fn resolve(&mut self, contig: &[u8]) -> Option<ContigId> {
        if let Some(id) = self.resolved.get(contig) {
            return *id;
        }
        let id = std::str::from_utf8(contig)
            .ok()
            .and_then(|name| self.aliases.resolve(name, self.contigs));
        self.resolved.insert(contig.to_vec(), id);
        id
    }

    fn fail(&self, number: u64, line: &[u8], problem: String) -> VariantError {
        VariantError::Record {
            path: self.name.into(),
            line: number,
            problem,
            text: shorten(&String::from_utf8_lossy(line)),
        }
    }

    /// A record of a VCF.
    fn vcf<'l>(&mut self, number: u64, line: &'l [u8]) -> Result<Record<'l>, VariantError> {
        let fail = |reader: &Self, problem: String| Err(reader.fail(number, line, problem));
        let mut ends = [0; 8];
        let mut found = 0;
        let mut columns = 1;
        for (at, &byte) in line.iter().enumerate() {
            if byte == b'\t' {
                if found < 8 {
                    ends[found] = at;
                    found += 1;
                }
                columns += 1;
            }
        }
        if found < 8 {
            ends[found] = line.len();
        }
        if columns != self.width {
            let problem = format!("{columns} columns, the header has {}", self.width);
            return fail(self, problem);
        }
        let field = |i: usize| {
            let from = if i == 0 { 0 } else { ends[i - 1] + 1 };
            &line[from..ends[i]]
        };
        let (contig, reference, alts) = (field(0), field(3), field(4));
        let digits = field(1);
        let start = std::str::from_utf8(digits)
            .ok()
            .filter(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|t| t.parse::<u32>().ok())
            .filter(|&p| p <= i32::MAX as u32);
        let Some(start) = start else {
            let text = String::from_utf8_lossy(digits);
            return fail(self, format!("POS is {text:?}, expected a whole number"));
        };
        if start == 0 {
            return fail(self, "POS is 0, positions count from 1".into());
        }
        if contig.is_empty() {
            return fail(self, "CHROM is empty".into());
        }
        if reference.is_empty() || !reference.iter().all(u8::is_ascii_alphabetic) {
            let text = String::from_utf8_lossy(reference);
            return fail(self, format!("REF is {:?}, expected bases", shorten(&text)));
        }
        if let Some(alt) = alts.split(|&b| b == b',').find(|a| !is_allele(a)) {
            let text = String::from_utf8_lossy(alt);
            return fail(
                self,
                format!("ALT has {:?}, which is no allele", shorten(&text)),
            );
        }
        let id = self.resolve(contig);
        if let Some(id) = id {
            let found = self.contigs.get(id);
            let end = u64::from(start) - 1 + reference.len() as u64;
            if end > u64::from(found.length) {
                let problem = format!(
                    "REF reaches position {end} of {}, which has {} bases in the FASTA",
                    found.name, found.length
                );
                return fail(self, problem);
            }
        }
        Ok(Record {
            number,
            contig,
            id: field(2),
            start,
            reference: Some(reference),
            alts,
            line,
            info: (ends[6] + 1, ends[7]),
            site: Site {
                contig: id,
                start: start - 1,
                reference: Some(reference),
                alts,
            },
        })
    }

    /// The positions of a row of a BED, each as a record.
    fn bed<'l>(
        &mut self,
        number: u64,
        line: &'l [u8],
        records: &mut Vec<Record<'l>>,
    ) -> Result<(), VariantError> {
        let is_tab = line.contains(&b'\t');
        let mut fields = [&line[..0]; 4];
        let put = |(slot, field): (&mut &'l [u8], &'l [u8])| *slot = field;
        match is_tab {
            true => fields
                .iter_mut()
                .zip(line.split(|&b| b == b'\t'))
                .for_each(put),
            false => {
                let words = line.split(u8::is_ascii_whitespace);
                let words = words.filter(|w| !w.is_empty());
                fields.iter_mut().zip(words).for_each(put);
            }
        }
        let [contig, start, end, id] = fields;
        let coordinate = |text: &[u8]| {
            let n = std::str::from_utf8(text).ok()?.parse::<u32>().ok()?;
            (n <= i32::MAX as u32).then_some(n)
        };
        let span = coordinate(start)
            .zip(coordinate(end))
            .and_then(|(s, e)| Interval::new(s, e));
        let Some(span) = span.filter(|_| !contig.is_empty()) else {
            let problem = "expected contig, start and end (0-based, start <= end)".into();
            return Err(self.fail(number, line, problem));
        };
        let found = self.resolve(contig);
        if let Some(found) = found {
            let length = self.contigs.get(found).length;
            if span.end() > length {
                let problem = format!("it reaches past the contig's end at {length}");
                return Err(self.fail(number, line, problem));
            }
        }
        // Without a base, the one before it stands in the record, unscored.
        let bases = match span.is_empty() {
            true => {
                let before = span.start().saturating_sub(1);
                before..before + 1
            }
            false => span.start()..span.end(),
        };
        let alts: &[u8] = if span.is_empty() { b"" } else { b"." };
        for base in bases {
            records.push(Record {
                number,
                contig,
                id: if id.is_empty() { b"." } else { id },
                start: base + 1,
                reference: None,
                alts,
                line,
                info: (0, 0),
                site: Site {
                    contig: found,
                    start: base,
                    reference: None,
                    alts,
                },
            });
        }
        Ok(())
    }
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
            reader: Reader::new(shared),
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
        let tasks = self.scorer.tasks();
        let mut levels = Vec::with_capacity(range.len() * tasks);
        for call in range.clone() {
            for task in 0..tasks {
                let effect = calls.effects[call * tasks + task];
                let level = (shared.background.as_ref())
                    .and_then(|b| b.level(task, calls.calls[call].gc, effect));
                levels.push(level);
            }
        }

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
        self.info(info, calls, range.clone(), &levels, text);
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
                self.row(
                    record,
                    reference,
                    alt,
                    calls,
                    call,
                    &levels[nth * tasks..],
                    out,
                )?;
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
        levels: &[Option<super::background::Level>],
        text: &mut Vec<u8>,
    ) {
        let shared = self.shared;
        let tasks = self.scorer.tasks();
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
                let values = range.clone().map(|c| calls.effects[c * tasks + task]);
                list(values, text, |v, text| number(&mut self.buffer, v, text));
            }
            for (task, name) in fields.p.iter().enumerate() {
                key(name, text);
                let of = |nth: usize| levels[nth * tasks + task].map_or(f32::NAN, |l| l.p as f32);
                list((0..range.len()).map(of), text, |v, text| {
                    number(&mut self.buffer, v, text);
                });
            }
            key(&fields.most, text);
            let most = range
                .clone()
                .map(|c| most(&calls.effects[c * tasks..][..tasks]).1);
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

    fn row(
        &mut self,
        record: &Record<'_>,
        reference: &[u8],
        alt: &[u8],
        calls: &Calls,
        index: usize,
        levels: &[Option<super::background::Level>],
        out: &mut Annotated,
    ) -> Result<(), Error> {
        let shared = self.shared;
        let tasks = self.scorer.tasks();
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
        let row = index * tasks..(index + 1) * tasks;
        let levels = &levels[..tasks];
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
        let values = (0..tasks).flat_map(|task| {
            let at = row.start + task;
            [
                calls.references[at],
                calls.effects[at],
                calls.importance[at],
                f32::from_bits(levels[task].map_or(u32::MAX, |l| l.number)),
            ]
        });
        out.rows
            .push(
                &calls.effects[row.clone()],
                combined,
                head.as_bytes(),
                names.as_bytes(),
                values,
            )
            .ok_or_else(fail)?;
        Ok(())
    }
}

/// The task whose effect is largest in absolute value (the first of equals), and the effect.
pub(super) fn most(effects: &[f32]) -> (usize, f32) {
    let mut best = (0, f32::NAN);
    for (task, &effect) in effects.iter().enumerate() {
        if !effect.is_nan() && (best.1.is_nan() || effect.abs() > best.1.abs()) {
            best = (task, effect);
        }
    }
    best
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
    fn names_of_fields() {
        let names = |tasks: &[&str]| {
            let tasks: Vec<String> = tasks.iter().map(|t| (*t).to_owned()).collect();
            Fields::new(&tasks, true).all()
        };
        assert_eq!(
            names(&["a+b", "a-b", "MAX"]),
            [
                "MPRA_a_b",
                "MPRA_a_b_2",
                "MPRA_MAX_2",
                "MPRA_P_a_b",
                "MPRA_P_a_b_2",
                "MPRA_P_MAX",
                "MPRA_MAX",
                "MPRA_SKIP"
            ]
        );
        assert_eq!(names(&["x", "P_x"])[..2], ["MPRA_x", "MPRA_P_x"]);
        assert_eq!(names(&["x", "P_x"])[2..4], ["MPRA_P_x_2", "MPRA_P_P_x"]);
    }

    #[test]
    fn largest_effects_and_ends() {
        assert_eq!(most(&[0.5, -2.0, 2.0]), (1, -2.0));
        assert!(most(&[f32::NAN]).1.is_nan());
        assert_eq!(most(&[f32::NAN, -0.1]), (1, -0.1));
        assert_eq!(info_end(b"SVTYPE=DEL;END=77;X"), Some(77));
        assert_eq!(info_end(b"CIEND=1,2;AEND=5"), None);
    }
}
