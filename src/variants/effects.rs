//! Effects of changes: single bases by the engine's saturation of the base, everything else by the
//! activities of the reference's and the alternative haplotype's windows.

use std::collections::HashSet;

use ndarray::{Array1, Array2, Array3, ArrayView2, s};

use super::allele::{self, Change, Skip};
use super::haplotype::Haplotypes;
use super::windows::{Genome, Rules, Windows, centred};
use crate::Error;
use crate::encode::{BASES, UNKNOWN, push_codes};
use crate::genome::{ContigId, Fasta, FastaReader, Interval, Lattice};
use crate::ism::{Engine, Scores, Stretch, Want, pick_tasks};

/// Bases between two records beyond which they are fetched apart, and the most that are fetched at
/// a time.
const FETCH_GAP: u32 = 8_192;
const FETCH_MOST: u32 = 1 << 18;

/// Floats of effects that are scored at a time.
const MOST_EFFECTS: usize = 1 << 21;

/// A record to be scored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site<'a> {
    /// Where it lies; `None` where the FASTA lacks the contig.
    pub contig: Option<ContigId>,
    /// First base of REF, 0-based.
    pub start: u32,
    /// Why it is not scored, where that is known.
    pub skip: Option<Skip>,
    /// REF; `None` for a position, whose base the genome tells and whose three changes are scored.
    pub reference: Option<&'a [u8]>,
    /// The ALT column; for a position `.`, and empty where the BED's interval has no base.
    pub alts: &'a [u8],
}

impl Site<'_> {
    /// Whether only single bases are changed.
    fn is_single(&self) -> bool {
        let one = |allele: &[u8]| allele.len() == 1;
        self.reference.is_none_or(one) && self.alts.split(|&b| b == b',').all(one)
    }

    fn end(&self) -> u32 {
        self.start + self.reference.map_or(1, <[u8]>::len) as u32
    }
}

/// One ALT allele.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// Why it has no values.
    pub skip: Option<Skip>,
    /// First base of the change, 0-based, and how many are replaced.
    pub at: u32,
    pub deleted: u32,
    /// Share of G and C among the known bases of the window centred on it; NaN without one.
    pub gc: f32,
}

/// The calls of several records; tables are `[call, task]`, NaN where there is no value.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    /// End of each record's calls.
    pub ends: Vec<usize>,
    pub calls: Vec<Call>,
    /// alternative - reference
    pub effects: Array2<f32>,
    /// Standard deviation of the effect over the members of an ensemble; NaN without one.
    pub spreads: Array2<f32>,
    /// Activity of the reference, mean over the windows.
    pub references: Array2<f32>,
    /// Importance of the change's first base.
    pub importance: Array2<f32>,
    /// Base of each record that is a position; 4 where unknown.
    pub bases: Vec<u8>,
    /// Records whose REF was compared with the genome, and those of them that differ.
    pub compared: u64,
    pub mismatches: u64,
    /// Where each record lies; `None` where its contig is not in the FASTA.
    pub places: Vec<Option<(ContigId, u32)>>,
}

impl Calls {
    /// Indices of a record's calls.
    pub fn of(&self, record: usize) -> std::ops::Range<usize> {
        let from = record.checked_sub(1).map_or(0, |r| self.ends[r]);
        from..self.ends[record]
    }
}

/// One thread's scorer.
pub(super) struct Scorer {
    engine: Box<dyn Engine>,
    rules: Rules,
    fasta: Fasta,
    reader: FastaReader,
    /// Contigs whose index was compared with the FASTA.
    checked: HashSet<ContigId>,
    /// Whether importance is wanted of changes of more than one base, too.
    importance: bool,
    codes: Vec<u8>,
    scores: Scores,
    haplotypes: Haplotypes,
    acgt: Vec<u8>,
}

/// A single-base change to be looked up: base, new code, call.
type Lookup = (u32, Option<u8>, usize);

impl Scorer {
    /// `importance`: whether it is wanted of changes of more than one base, too.
    ///
    /// # Errors
    /// When the FASTA cannot be opened.
    pub fn new(
        engine: Box<dyn Engine>,
        fasta: &Fasta,
        rules: &Rules,
        importance: bool,
    ) -> Result<Self, Error> {
        Ok(Self {
            engine,
            rules: rules.clone(),
            reader: fasta.reader()?,
            fasta: fasta.clone(),
            checked: HashSet::new(),
            importance,
            codes: Vec::new(),
            scores: Scores::default(),
            haplotypes: Haplotypes::default(),
            acgt: Vec::new(),
        })
    }

    /// Scores records, in any order.
    ///
    /// # Errors
    /// When the genome cannot be read or the model fails.
    pub fn score(&mut self, sites: &[Site<'_>]) -> Result<Calls, Error> {
        let mut out = Calls {
            bases: vec![UNKNOWN; sites.len()],
            places: sites.iter().map(|s| Some((s.contig?, s.start))).collect(),
            ..Calls::default()
        };
        for site in sites {
            let alts = match site.reference {
                Some(_) => site.alts.split(|&b| b == b',').count(),
                None => 3,
            };
            let call = Call {
                skip: None,
                at: site.start,
                deleted: 0,
                gc: f32::NAN,
            };
            out.calls.extend(std::iter::repeat_n(call, alts));
            out.ends.push(out.calls.len());
        }
        let columns = self.rules.columns.len();
        let unknown = Array2::from_elem((out.calls.len(), columns), f32::NAN);
        out.effects = unknown.clone();
        out.references = unknown.clone();
        out.importance = unknown;

        let mut order: Vec<usize> = (0..sites.len()).collect();
        // Stable, and of no cost where they are sorted.
        order.sort_by_key(|&i| (sites[i].contig, sites[i].start));
        let mut left = &order[..];
        while let Some(&first) = left.first() {
            let site = &sites[first];
            let (Some(contig), None) = (site.contig, site.skip) else {
                let skip = site.contig.map_or(Some(Skip::UnknownContig), |_| site.skip);
                let calls = out.of(first);
                out.calls[calls].iter_mut().for_each(|c| c.skip = skip);
                left = &left[1..];
                continue;
            };
            let mut end = sites[first].end();
            let mut count = 1;
            while let Some(&next) = left.get(count) {
                let site = &sites[next];
                let grown = end.max(site.end());
                if site.contig != Some(contig)
                    || site.skip.is_some()
                    || site.start > end.saturating_add(FETCH_GAP)
                    || grown - sites[first].start > FETCH_MOST
                {
                    break;
                }
                end = grown;
                count += 1;
            }
            self.score_group(sites, &left[..count], contig, end, &mut out)?;
            left = &left[count..];
        }
        // So far each member has columns of its own.
        let members = self.rules.members;
        out.spreads = match members.several() {
            true => members.spread(out.effects.view()),
            false => Array2::from_elem(out.effects.dim(), f32::NAN),
        };
        for table in [&mut out.effects, &mut out.references, &mut out.importance] {
            *table = members.mean(table.view());
        }
        Ok(out)
    }

    /// Bases that must be known beside a record: haplotypes reach over three windows.
    fn flank(&self, singles: bool) -> u32 {
        let windows = if singles { 1 } else { 4 };
        windows * self.rules.lattice.window()
    }

    /// Scores records (by index, ascending) of one contig that lie close to each other.
    fn score_group(
        &mut self,
        sites: &[Site<'_>],
        group: &[usize],
        contig: ContigId,
        end: u32,
        out: &mut Calls,
    ) -> Result<(), Error> {
        let flank = self.flank(group.iter().all(|&record| sites[record].is_single()));
        let origin = i64::from(sites[group[0]].start) - i64::from(flank);
        let length = (i64::from(end) + i64::from(flank) - origin) as usize;
        if self.checked.insert(contig) {
            self.fasta.check_contig(&mut self.reader, contig)?;
        }
        let mut codes = std::mem::take(&mut self.codes);
        codes.clear();
        self.reader.fetch(contig, origin, length, &mut codes)?;
        let genome = Genome {
            codes: &codes,
            origin,
        };

        let mut singles: Vec<Lookup> = Vec::new();
        let mut others: Vec<(u32, Change<'_>, usize)> = Vec::new();
        for &record in group {
            let site = &sites[record];
            let calls = out.of(record);
            let Some(reference) = site.reference else {
                let base = genome.at(i64::from(site.start));
                out.bases[record] = base;
                let news = (0..4u8).filter(|&c| c != base);
                for (call, new) in calls.zip(news) {
                    out.calls[call].deleted = 1;
                    if site.alts.is_empty() {
                        out.calls[call].skip = Some(Skip::EmptyInterval);
                    } else if base == UNKNOWN {
                        out.calls[call].skip = Some(Skip::GenomeUnknown);
                    } else {
                        singles.push((site.start, Some(new), call));
                    }
                }
                continue;
            };
            if let Err(skip) = self.compare(reference, site.start, &genome, out) {
                out.calls[calls]
                    .iter_mut()
                    .for_each(|c| c.skip = Some(skip));
                continue;
            }
            let window = self.rules.lattice.window() as usize;
            for (call, alt) in calls.zip(site.alts.split(|&b| b == b',')) {
                match allele::change(reference, alt, window) {
                    Err(skip) => out.calls[call].skip = Some(skip),
                    Ok(change) => {
                        let at = site.start + change.at as u32;
                        out.calls[call].at = at;
                        out.calls[call].deleted = change.deleted as u32;
                        match change.single() {
                            Some(new) => singles.push((at, Some(new), call)),
                            None => {
                                others.push((at, change, call));
                                if self.importance {
                                    singles.push((at, None, call));
                                }
                            }
                        }
                    }
                }
            }
        }
        for &record in group {
            let calls = out.of(record);
            for call in &mut out.calls[calls] {
                call.gc = genome.gc(
                    centred(call.at, self.rules.lattice.window()),
                    self.rules.lattice.window(),
                );
            }
        }
        singles.sort_by_key(|s| s.0);
        self.singles(&genome, &singles, out)?;
        for (at, change, call) in others {
            let engine = &mut *self.engine;
            let scored = self
                .haplotypes
                .score(engine, &self.rules, &genome, at, change)?;
            let Some(scored) = scored else {
                out.calls[call].skip = Some(Skip::NoWindow);
                continue;
            };
            for (task, (reference, effect)) in scored.into_iter().enumerate() {
                out.references[[call, task]] = reference;
                out.effects[[call, task]] = effect;
            }
        }
        self.codes = codes;
        Ok(())
    }

    /// Compares REF with the genome.
    fn compare(
        &mut self,
        reference: &[u8],
        start: u32,
        genome: &Genome<'_>,
        out: &mut Calls,
    ) -> Result<(), Skip> {
        self.acgt.clear();
        push_codes(reference, &mut self.acgt);
        let from = (i64::from(start) - genome.origin) as usize;
        let there = &genome.codes[from..from + reference.len()];
        // A known base that differs settles it, whatever stands beside it.
        let pairs = || self.acgt.iter().zip(there);
        let differs = pairs().any(|(a, b)| *a != UNKNOWN && *b != UNKNOWN && a != b);
        if differs || pairs().any(|(a, b)| *a != UNKNOWN && *b != UNKNOWN) {
            out.compared += 1;
        }
        if differs {
            out.mismatches += 1;
            return Err(Skip::RefMismatch);
        }
        if !allele::is_acgt(reference) {
            return Err(Skip::RefNotAcgt);
        }
        match there.contains(&UNKNOWN) {
            true => Err(Skip::GenomeUnknown),
            false => Ok(()),
        }
    }

    /// Looks up single-base changes, ascending by base.
    fn singles(
        &mut self,
        genome: &Genome<'_>,
        singles: &[Lookup],
        out: &mut Calls,
    ) -> Result<(), Error> {
        let window = self.rules.lattice.window();
        // The engine's tables are as long as the stretch.
        let most = (MOST_EFFECTS / (4 * self.engine.tasks())).max(2 * window as usize) as u32;
        let mut left = singles;
        while let Some(&(first, ..)) = left.first() {
            // Bases whose windows overlap are scored together; centred windows share nothing.
            let mut count = 1;
            let mut last = first;
            while let Some(&(base, ..)) = left.get(count) {
                let near = match self.rules.windows {
                    Windows::All => base - last <= window && base - first < most,
                    Windows::Centre => base == last,
                };
                if !near {
                    break;
                }
                last = base;
                count += 1;
            }
            let (these, rest) = left.split_at(count);
            left = rest;
            let mut wanted: Vec<Interval> = Vec::with_capacity(count);
            for &(base, ..) in these {
                // Not past the end of a contig, whose bases are numbered below 2^31.
                let one = Interval::new(base, base + 1).unwrap_or_default();
                match wanted.last_mut() {
                    Some(last) if base < last.end() => {}
                    Some(last) if base == last.end() => {
                        *last = Interval::new(last.start(), base + 1).unwrap_or(one);
                    }
                    _ => wanted.push(one),
                }
            }
            let lattice = self.rules.around(first);
            let (origin, length) = Stretch::needs(window, &wanted);
            let stretch = Stretch {
                lattice,
                codes: genome.slice(origin, length),
                origin,
                wanted: &wanted,
            };
            self.engine
                .score(&stretch, Want::Effects, &mut self.scores)?;
            self.give(first, these, out);
        }
        Ok(())
    }

    /// Gives the scores of the stretch that begins at `first` to its calls.
    fn give(&self, first: u32, singles: &[Lookup], out: &mut Calls) {
        let scores = &self.scores;
        let columns = &self.rules.columns;
        let window = i64::from(self.rules.lattice.window());
        let mut reference = Array1::zeros(0);
        let mut of = None;
        for &(base, new, call) in singles {
            let at = (base - first) as usize;
            if of != Some(base) {
                of = Some(base);
                let base = i64::from(base);
                let from = scores.windows.partition_point(|&s| s + window <= base);
                let to = scores.windows.partition_point(|&s| s <= base);
                reference = means(scores.activities.slice(s![from..to, ..]), columns);
            }
            let importance = out.importance.row_mut(call);
            pick_tasks(scores.importance.row(at), columns, importance);
            let Some(new) = new else {
                continue;
            };
            let effects = scores.effects.slice(s![at, usize::from(new), ..]);
            pick_tasks(effects, columns, out.effects.row_mut(call));
            if out.effects.row(call).iter().any(|e| e.is_nan()) {
                out.calls[call].skip = Some(Skip::NoWindow);
            }
            out.references.row_mut(call).assign(&reference);
        }
    }

    /// Effects of all changes of `bases`, `[base, 4, task]`, of a sequence of its own that is long
    /// enough around them, and the importance of its bases, `[base, task]`: means over members.
    pub fn saturate(
        &mut self,
        codes: &[u8],
        origin: i64,
        bases: Interval,
    ) -> Result<(Array3<f32>, Array2<f32>), Error> {
        let window = self.rules.lattice.window();
        let (length, tasks) = (bases.len() as usize, self.rules.columns.len());
        let mut effects = Array3::from_elem((length, 4, tasks), f32::NAN);
        let mut importance = Array2::from_elem((length, tasks), f32::NAN);
        let pieces: Vec<Interval> = match self.rules.windows {
            Windows::All => vec![bases],
            Windows::Centre => (bases.start()..bases.end())
                .filter_map(|b| Interval::new(b, b + 1))
                .collect(),
        };
        for piece in pieces {
            let wanted = [piece];
            let lattice = self.rules.around(piece.start());
            let (from, length) = Stretch::needs(window, &wanted);
            let at = (from - origin) as usize;
            let stretch = Stretch {
                lattice,
                codes: &codes[at..at + length],
                origin: from,
                wanted: &wanted,
            };
            self.engine
                .score(&stretch, Want::Effects, &mut self.scores)?;
            let (scores, columns) = (&self.scores, &self.rules.columns);
            let rows = piece.indices_from(bases.start());
            let to = importance.slice_mut(s![rows.clone(), ..]);
            pick_tasks(scores.importance.view(), columns, to);
            let to = effects.slice_mut(s![rows, .., ..]);
            pick_tasks(scores.effects.view(), columns, to);
        }
        let members = self.rules.members;
        Ok((
            members.mean(effects.view()),
            members.mean(importance.view()),
        ))
    }

    /// Base codes of a contig, unknown outside of it.
    pub fn fetch(&mut self, contig: ContigId, start: i64, length: usize) -> Result<Vec<u8>, Error> {
        let mut codes = Vec::with_capacity(length);
        self.reader.fetch(contig, start, length, &mut codes)?;
        Ok(codes)
    }

    /// The lattice of windows.
    pub fn lattice(&self) -> Lattice {
        self.rules.lattice
    }
}

/// Means of these columns of a table; NaN without a row.
fn means(table: ArrayView2<'_, f32>, columns: &[usize]) -> Array1<f32> {
    let mean = |&column: &usize| {
        let values = table.column(column).into_iter().map(|&v| f64::from(v));
        match table.nrows() {
            0 => f32::NAN,
            n => (values.sum::<f64>() / n as f64) as f32,
        }
    };
    columns.iter().map(mean).collect()
}

/// The letter of a code.
pub(super) fn letter(code: u8) -> char {
    BASES.get(usize::from(code)).copied().unwrap_or('N')
}
