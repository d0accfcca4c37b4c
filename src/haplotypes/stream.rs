//! From the records of a VCF, read once, to regions with the records that reach them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;

use super::HaplotypeError;
use super::calls::Calls;
use super::place::Place;
use super::record::{Columns, Variant};
use crate::Error;
use crate::genome::{Aliases, ContigId, Contigs, FastaReader, GenomeError, Region};
use crate::input::{Watch, excerpt};
use crate::variants::Skip;
use crate::vcf::{Reader, Record, VcfError};

/// A region and the records that reach it, in the order of the file.
pub(super) struct Job {
    pub region: Region,
    pub place: Place,
    pub variants: Vec<Arc<Variant>>,
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub records: u64,
    /// Not PASS.
    pub filtered: u64,
    /// On contigs that the FASTA lacks; the first of these.
    pub off_contigs: u64,
    pub first_off: Option<String>,
    /// That reach a region.
    pub used: u64,
    /// Of these, compared with the genome, and those whose REF differs.
    pub compared: u64,
    pub mismatches: u64,
}

/// The reading end of the job.
pub(super) struct Stream<'a> {
    reader: Reader,
    /// Of each sample of the file, which of the chosen ones it is.
    chosen: Vec<Option<usize>>,
    samples: usize,
    pass_only: bool,
    window: usize,
    contigs: &'a Contigs,
    aliases: &'a Aliases,
    genome: FastaReader,
    resolved: HashMap<Vec<u8>, Option<ContigId>>,
    /// Regions of each contig that no record has come to, the last first.
    waiting: HashMap<ContigId, Vec<(Region, Place)>>,
    /// Regions that later records may reach.
    open: Vec<Job>,
    ready: VecDeque<Job>,
    contig: Option<ContigId>,
    left: HashSet<ContigId>,
    last: i64,
    at_end: bool,
    raw: Vec<u8>,
    line: Vec<u8>,
    codes: Vec<u8>,
    pub counts: Counts,
}

/// Names of the chosen samples, and of each sample of the file which of them it is.
pub(super) fn choose(
    reader: &Reader,
    wanted: Option<&[String]>,
) -> Result<(Vec<String>, Vec<Option<usize>>), HaplotypeError> {
    let path = reader.name().to_owned();
    let all: Vec<String> = (reader.header.sample_names())
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect();
    let Some(first) = all.first().cloned() else {
        return Err(HaplotypeError::NoSamples(path));
    };
    let mut places = HashMap::new();
    for (i, name) in all.iter().enumerate() {
        if places.insert(name.clone(), i).is_some() {
            return Err(HaplotypeError::RepeatedSample(name.clone()));
        }
    }
    let names = wanted.map_or_else(|| all.clone(), <[String]>::to_vec);
    let mut chosen = vec![None; all.len()];
    for (i, name) in names.iter().enumerate() {
        let Some(&place) = places.get(name) else {
            return Err(HaplotypeError::UnknownSample {
                path,
                name: name.clone(),
                count: all.len(),
                first,
            });
        };
        if chosen[place].replace(i).is_some() {
            return Err(HaplotypeError::RepeatedSample(name.clone()));
        }
    }
    Ok((names, chosen))
}

/// What the reading end needs beside its file.
pub(super) struct Needs<'a> {
    pub chosen: Vec<Option<usize>>,
    pub samples: usize,
    pub pass_only: bool,
    pub window: u32,
    pub stride: u32,
    pub contigs: &'a Contigs,
    pub aliases: &'a Aliases,
    pub genome: FastaReader,
}

impl<'a> Stream<'a> {
    pub fn new(reader: Reader, needs: Needs<'a>, regions: &[Region]) -> Self {
        let mut waiting: HashMap<ContigId, Vec<(Region, Place)>> = HashMap::new();
        for region in regions {
            let place = Place::of(region, needs.window, needs.stride);
            waiting
                .entry(region.contig)
                .or_default()
                .push((*region, place));
        }
        for regions in waiting.values_mut() {
            regions.sort_by_key(|(region, place)| std::cmp::Reverse((place.reach(), region.row)));
        }
        Self {
            reader,
            chosen: needs.chosen,
            samples: needs.samples,
            pass_only: needs.pass_only,
            window: needs.window as usize,
            contigs: needs.contigs,
            aliases: needs.aliases,
            genome: needs.genome,
            resolved: HashMap::new(),
            waiting,
            open: Vec::new(),
            ready: VecDeque::new(),
            contig: None,
            left: HashSet::new(),
            last: 0,
            at_end: false,
            raw: Vec::new(),
            line: Vec::new(),
            codes: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// What was read of the file.
    pub fn watch(&self) -> Watch {
        self.reader.watch()
    }

    /// The name of the file for messages.
    pub fn name(&self) -> &str {
        self.reader.name()
    }

    /// The next region that no further record reaches; contigs in the order of the file, then those that it
    /// lacks, regions of a contig as they come to an end.
    ///
    /// # Errors
    /// When the file cannot be read, a record cannot be understood, or records are out of order.
    pub fn next(&mut self) -> Result<Option<Job>, Error> {
        loop {
            if let Some(job) = self.ready.pop_front() {
                return Ok(Some(job));
            }
            if self.at_end {
                return Ok(None);
            }
            self.step()?;
        }
    }

    /// Reads a record.
    fn step(&mut self) -> Result<(), Error> {
        self.raw.clear();
        let mut raw = std::mem::take(&mut self.raw);
        let number = self
            .reader
            .next_raw(&mut raw)
            .map_err(HaplotypeError::from)?;
        self.raw = raw;
        let Some(number) = number else {
            self.leave();
            let mut others: Vec<ContigId> = self.waiting.keys().copied().collect();
            others.sort_unstable();
            for contig in others {
                self.contig = Some(contig);
                self.leave();
            }
            self.at_end = true;
            return Ok(());
        };
        self.counts.records += 1;
        let Some((contig, start, end)) = self.place(number)? else {
            self.counts.off_contigs += 1;
            return Ok(());
        };
        if self.contig != Some(contig) {
            self.leave();
            if !self.left.insert(contig) {
                let name = &self.contigs.get(contig).name;
                let problem = format!("{name} comes a second time, after other contigs");
                return Err(self.unsorted(number, problem).into());
            }
            self.contig = Some(contig);
            self.last = start;
        }
        if start < self.last {
            let problem = format!(
                "position {} after {} on {}",
                start + 1,
                self.last + 1,
                self.contigs.get(contig).name
            );
            return Err(self.unsorted(number, problem).into());
        }
        self.last = start;
        self.close(start);
        self.open_up_to(end);
        let reached = |job: &Job| {
            let (from, to) = job.place.reach();
            start < to && from < end
        };
        if self.open.iter().any(reached)
            && let Some(variant) = self.variant(number, contig)?
        {
            let variant = Arc::new(variant);
            for job in self.open.iter_mut().filter(|job| reached(job)) {
                job.variants.push(variant.clone());
            }
        }
        Ok(())
    }

    fn unsorted(&self, line: u64, problem: String) -> HaplotypeError {
        HaplotypeError::Unsorted {
            path: self.reader.name().into(),
            line,
            problem,
        }
    }

    /// Where the record that was read lies, 0-based; nothing off the FASTA.
    fn place(&mut self, number: u64) -> Result<Option<(ContigId, i64, i64)>, Error> {
        let (contig, start, end) = match self.reader.names() {
            None => {
                let columns = Columns::of(&self.raw).map_err(|p| self.line_error(number, p))?;
                let (start, end) = columns.span();
                (columns.contig.to_vec(), start, end)
            }
            Some(names) => {
                let problem = |problem| self.line_error(number, problem);
                let record = Record::new(&self.raw).map_err(problem)?;
                let name = usize::try_from(record.contig())
                    .ok()
                    .and_then(|n| names.contig(n));
                let unknown = || problem("its contig is not in the header".into());
                let (start, length) = (i64::from(record.start()), i64::from(record.length()));
                (
                    name.ok_or_else(unknown)?.to_vec(),
                    start,
                    start + length.max(1),
                )
            }
        };
        let id = match self.resolved.get(&contig) {
            Some(id) => *id,
            None => {
                let name = String::from_utf8_lossy(&contig).into_owned();
                let id = self.aliases.resolve(&name, self.contigs);
                if id.is_none() && self.counts.first_off.is_none() {
                    self.counts.first_off = Some(name);
                }
                self.resolved.insert(contig, id);
                id
            }
        };
        Ok(id.map(|id| (id, start, end)))
    }

    fn line_error(&self, number: u64, problem: String) -> HaplotypeError {
        let path = self.reader.name().to_owned();
        HaplotypeError::Vcf(match self.reader.names() {
            None => VcfError::Line {
                path,
                line: number,
                problem,
                text: excerpt(&String::from_utf8_lossy(&self.raw)),
            },
            Some(_) => VcfError::Record {
                path,
                record: number,
                problem,
            },
        })
    }

    /// The record that was read; nothing where it does not pass.
    fn variant(&mut self, number: u64, contig: ContigId) -> Result<Option<Variant>, Error> {
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        if let Some(names) = self.reader.names() {
            let record = Record::new(&self.raw).and_then(|r| r.line(names, &mut line));
            record.map_err(|problem| self.line_error(number, problem))?;
        } else {
            line.extend_from_slice(&self.raw);
        }
        let found = self.judge(&line, contig);
        self.line = line;
        found?.map_err(|problem| self.line_error(number, problem).into())
    }

    fn judge(
        &mut self,
        line: &[u8],
        contig: ContigId,
    ) -> Result<Result<Option<Variant>, String>, GenomeError> {
        let columns = match Columns::of(line) {
            Ok(columns) => columns,
            Err(problem) => return Ok(Err(problem)),
        };
        if self.pass_only && !matches!(columns.filter, b"PASS" | b".") {
            self.counts.filtered += 1;
            return Ok(Ok(None));
        }
        let alts = columns.alts.split(|&b| b == b',').count();
        let calls = match Calls::read(columns.rest, &self.chosen, self.samples, alts) {
            Ok(calls) => calls,
            Err(problem) => return Ok(Err(problem)),
        };
        let (start, end) = columns.span();
        let length = i64::from(self.contigs.get(contig).length);
        let known = (end.min(length) - start.max(0)).max(0) as usize;
        self.codes.clear();
        (self.genome).fetch(contig, start.max(0), known, &mut self.codes)?;
        let variant = Variant::new(&columns, &self.codes, calls, self.window);
        self.counts.used += 1;
        match variant.skip {
            None => self.counts.compared += 1,
            Some(Skip::RefMismatch) => {
                self.counts.compared += 1;
                self.counts.mismatches += 1;
            }
            Some(_) => {}
        }
        Ok(Ok(Some(variant)))
    }

    /// Regions that begin before `end` may be reached from now on.
    fn open_up_to(&mut self, end: i64) {
        let Some(waiting) = self.contig.and_then(|c| self.waiting.get_mut(&c)) else {
            return;
        };
        while let Some((region, place)) = waiting.pop_if(|(_, place)| place.reach().0 < end) {
            self.open.push(Job {
                region,
                place,
                variants: Vec::new(),
            });
        }
    }

    /// Regions that end before `start` are complete.
    fn close(&mut self, start: i64) {
        // Those that no record has opened, too: in order.
        self.open_up_to(start + 1);
        let mut still = Vec::with_capacity(self.open.len());
        for job in self.open.drain(..) {
            match job.place.reach().1 <= start {
                true => self.ready.push_back(job),
                false => still.push(job),
            }
        }
        self.open = still;
    }

    /// All regions of a contig are complete.
    fn leave(&mut self) {
        self.open_up_to(i64::MAX);
        self.ready.extend(self.open.drain(..));
        if let Some(contig) = self.contig.take() {
            self.waiting.remove(&contig);
        }
    }
}

/// Opens the file.
///
/// # Errors
/// When it cannot be read, or its header is not that of a VCF.
pub(super) fn open(path: &Path) -> Result<Reader, HaplotypeError> {
    Ok(Reader::open(path)?)
}
