//! Rows of the table, and their scores.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::super::VariantError;
use super::super::clump::FilesetAlleles;
use super::super::combine::most;
use super::super::effects::{Scorer, Site};
use super::align::{Aligned, align, complement};
use super::{GwasConfig, Kinds, Shared, Skip, Status};
use crate::Error;
use crate::encode::BASES;
use crate::genome::{Build, ContigId, Interval};
use crate::input::Watch;
use crate::liftover::Lost;
use crate::stats::log10_p;
use crate::sumstats::{Associations, Role};

/// Rows of a piece.
const ROWS: usize = 256;

/// A row as it was read.
#[derive(Clone, Debug)]
pub(super) struct Input {
    /// Its cells, tabs between them.
    text: String,
    place: Option<(String, u32)>,
    alleles: Option<(String, Option<String>)>,
    of_alleles: bool,
    abs_z: f64,
    log_p: f64,
    standard_error: f64,
    pip: f64,
    /// Credible set and groups, 0 for none and from 1 on by first appearance.
    set: u32,
    group: u32,
}

pub(super) type Piece = Vec<Input>;

/// Reads rows.
pub(super) struct Reader {
    rows: Associations,
    groups: Vec<usize>,
    kinds: Kinds,
    /// Numbers of sets and groups.
    sets: HashMap<String, u32>,
    combinations: HashMap<String, u32>,
    watch: Option<Watch>,
    /// Alleles where the table has none, by places in the build of the FASTA.
    pub fileset: FilesetAlleles,
}

impl Reader {
    /// Opens the table.
    ///
    /// # Errors
    /// When it cannot be read or lacks a column that is needed.
    pub fn open(config: &GwasConfig) -> Result<Self, VariantError> {
        let Some(rows) = config.table.open()? else {
            let path = config.table.path.clone();
            return Err(crate::input::InputError::Empty(path).into());
        };
        if !rows.has_places() {
            return Err(rows
                .lacks(Role::Position, "of contigs and positions")
                .into());
        }
        let fileset = match (&config.clump.genotypes, rows.has_allele_columns()) {
            (Some(prefix), false) => FilesetAlleles::read(prefix)?,
            _ => FilesetAlleles::default(),
        };
        if !rows.may_have_alleles() && fileset.is_empty() {
            return Err(rows.lacks(Role::EffectAllele, "of alleles").into());
        }
        let find = |name: &String| {
            rows.column(name).ok_or_else(|| {
                let (path, columns) = (config.table.path.display(), rows.names().join(", "));
                let text = format!("{path} has no column {name:?}; its columns are {columns}");
                VariantError::Setting(text)
            })
        };
        let groups = config.groups.iter().map(find).collect::<Result<_, _>>()?;
        let kinds = Kinds::of(|role| rows.has(role));
        if !kinds.association && !kinds.pip {
            return Err(rows
                .lacks(Role::P, "of p-values, z-scores, effects or posteriors")
                .into());
        }
        Ok(Self {
            watch: rows.watch(),
            fileset,
            rows,
            groups,
            kinds,
            sets: HashMap::new(),
            combinations: HashMap::new(),
        })
    }

    /// The build that the table says it is of, and how it says so.
    pub fn build(&self) -> Option<(&'static Build, String)> {
        self.rows.build()
    }

    /// Names of the table's columns.
    pub fn names(&self) -> &[String] {
        self.rows.names()
    }

    /// The columns that are read.
    pub fn taken(&self) -> Vec<(&'static str, String)> {
        self.rows.taken()
    }

    /// What the table has.
    pub fn kind(&self) -> Kinds {
        self.kinds
    }

    /// What was read of the file, shared; `None` for Parquet.
    pub fn watch(&self) -> Option<Watch> {
        self.watch.clone()
    }

    /// The next rows; `None` at the end.
    ///
    /// # Errors
    /// When the table cannot be read, or a cell holds no number where there must be one.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, VariantError> {
        let mut piece = Vec::new();
        while piece.len() < ROWS {
            let Some(row) = self.rows.next_row()? else {
                break;
            };
            let mut group = String::new();
            for &at in &self.groups {
                let _ = write!(group, "{}\t", row.cells[at]);
            }
            let groups = self.combinations.len() as u32;
            let group = *self.combinations.entry(group).or_insert(groups);
            let sets = self.sets.len() as u32 + 1;
            let set = match row.credible_set().filter(|_| self.kinds.sets) {
                Some(set) => *self.sets.entry(set.to_owned()).or_insert(sets),
                None => 0,
            };
            let place = row.place()?;
            let own = |place: (&str, u32)| (place.0.to_owned(), place.1);
            let (abs_z, log_p) = (row.abs_z()?, row.p()?.1);
            piece.push(Input {
                text: row.cells.join("\t"),
                place: place.map(own),
                alleles: (row.alleles()).map(|a| (a.effect.to_owned(), a.other.map(str::to_owned))),
                of_alleles: row.is_of_alleles(),
                abs_z,
                log_p: if log_p.is_nan() {
                    log10_p(abs_z)
                } else {
                    log_p
                },
                standard_error: row.standard_error()?,
                pip: row.pip()?,
                set,
                group,
            });
        }
        Ok((!piece.is_empty()).then_some(piece))
    }
}

/// What ranks a row, and where it waits.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Key {
    /// Where its text begins.
    pub at: u64,
    /// `u32::MAX` without a place on the genome.
    pub contig: ContigId,
    /// 0-based.
    pub position: u32,
    /// Of its alleles: rows of one variant have the same.
    pub alleles: u64,
    pub abs_z: f64,
    /// -log10(p); NaN where there is none.
    pub log_p: f64,
    /// Natural logarithm of what the association says for it: Bayes factor, or PIP; NaN for nothing.
    pub evidence: f64,
    pub pip: f32,
    /// -ln of the p-value of its predicted effect; NaN where it has none.
    pub weight: f32,
    pub set: u32,
    pub group: u32,
}

impl Key {
    /// Whether it may begin a locus.
    pub fn may_lead(&self, lead_p: f64) -> bool {
        // By p where there is one, else by the posterior alone.
        self.contig != u32::MAX
            && (self.log_p >= -lead_p.log10() || self.log_p.is_nan() && self.pip > 0.0)
    }
}

/// A row with its scores.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Scored {
    /// Its cells and ours, but for those that are known at the end; without a line end.
    pub text: String,
    /// Where its own cells end.
    pub cells: usize,
    /// Place, name and alleles as the table of candidates has them.
    pub key: Key,
    pub status: Option<Status>,
    pub aligned: Option<Aligned>,
    pub off_contig: Option<String>,
    pub placed: bool,
}

/// Prior standard deviation of an effect in Wakefield's Bayes factor: an odds ratio within 1.5 of 1 in
/// 19 of 20 cases (Wakefield 2009).
const PRIOR_SD: f64 = 0.21;

/// Wakefield's approximate Bayes factor, its natural logarithm. Without a standard error the sample is taken for
/// large: what is left of the formula then depends on z alone.
fn log_bayes_factor(z: f64, se: f64) -> f64 {
    let prior = PRIOR_SD * PRIOR_SD;
    let share = match se.is_finite() && se > 0.0 {
        true => prior / (prior + se * se),
        false => 0.99,
    };
    0.5 * (1.0 - share).ln() + 0.5 * share * z * z
}

/// One thread's work.
pub(super) struct Worker<'a> {
    shared: &'a Shared<'a>,
    scorer: Scorer,
    contigs: HashMap<String, Option<ContigId>>,
    buffer: zmij::Buffer,
}

/// A row's place among the sites that are scored.
struct Laid {
    contig: Option<ContigId>,
    /// 0-based, in the build of the FASTA; whether that is known.
    position: u32,
    placed: bool,
    status: Option<Status>,
    aligned: Option<Aligned>,
    site: Option<usize>,
}

impl<'a> Worker<'a> {
    pub fn new(shared: &'a Shared<'a>, scorer: Scorer) -> Self {
        Self {
            shared,
            scorer,
            contigs: HashMap::new(),
            buffer: zmij::Buffer::new(),
        }
    }

    /// Scores rows.
    ///
    /// # Errors
    /// When the genome cannot be read or the model fails.
    pub fn run(&mut self, piece: Piece) -> Result<Vec<Scored>, Error> {
        let mut laid = Vec::with_capacity(piece.len());
        let mut sites = 0;
        for row in &piece {
            let mut one = self.lay(row)?;
            if one.aligned.is_some() {
                one.site = Some(sites);
                sites += 1;
            }
            laid.push(one);
        }
        let of = |(row, laid): (&Input, &'_ Laid)| -> Option<(Option<ContigId>, u32)> {
            row.place.as_ref()?;
            laid.site.and(Some((laid.contig, laid.position)))
        };
        let places: Vec<_> = piece.iter().zip(&laid).filter_map(of).collect();
        let aligned = laid.iter().filter_map(|l| l.aligned.as_ref());
        let sites: Vec<Site<'_>> = (places.iter().zip(aligned))
            .map(|(&(contig, start), aligned)| Site {
                contig,
                start,
                skip: None,
                reference: Some(&aligned.reference),
                alts: &aligned.alt,
            })
            .collect();
        let calls = self.scorer.score(&sites)?;
        let mut out = Vec::with_capacity(piece.len());
        for (row, laid) in piece.into_iter().zip(laid) {
            let call = laid.site.map(|site| calls.of(site).start);
            let status = match call {
                Some(call) => calls.calls[call].skip.map(Status::Skip),
                None => laid.status,
            };
            let effects: Vec<f32> = match (call, &laid.aligned) {
                (Some(call), Some(aligned)) if status.is_none() => {
                    let sign = if aligned.effect_is_alt { 1.0 } else { -1.0 };
                    calls
                        .effects
                        .row(call)
                        .iter()
                        .map(|e| e * sign + 0.0)
                        .collect()
                }
                _ => vec![f32::NAN; self.shared.tasks.len()],
            };
            let gc = call.map_or(f32::NAN, |call| calls.calls[call].gc);
            out.push(self.finish(row, laid, status, &effects, gc));
        }
        Ok(out)
    }

    /// Finds a row's contig and lays its alleles on the genome.
    fn lay(&mut self, row: &Input) -> Result<Laid, Error> {
        let mut laid = Laid {
            contig: None,
            position: 0,
            placed: false,
            status: None,
            aligned: None,
            site: None,
        };
        let Some((name, position)) = &row.place else {
            laid.status = Some(Status::NoPosition);
            return Ok(laid);
        };
        laid.contig = match self.contigs.get(name) {
            Some(known) => *known,
            None => {
                let aliases = &self.shared.config.scoring.aliases;
                let found = aliases.resolve_code(name, self.shared.contigs);
                self.contigs.insert(name.clone(), found);
                found
            }
        };
        let Some(contig) = laid.contig else {
            laid.status = Some(Status::Skip(Skip::UnknownContig));
            return Ok(laid);
        };
        // What is lifted is placed below, with its alleles.
        if self.shared.chains.is_none() {
            (laid.position, laid.placed) = (*position, true);
        }
        if !row.of_alleles {
            laid.status = Some(Status::OtherTerm);
            return Ok(laid);
        }
        let length = |(effect, other): &(String, Option<String>)| {
            effect.len().max(other.as_ref().map_or(0, String::len))
        };
        let fileset = &self.shared.fileset;
        let longest = match &row.alleles {
            Some(alleles) => length(alleles),
            None if fileset.is_empty() => {
                laid.status = Some(Status::NoAlleles);
                return Ok(laid);
            }
            None => 1,
        };
        let (contig, position, minus) = match self.lift(contig, *position, longest) {
            Ok(place) => place,
            Err(lost) => {
                laid.contig = None;
                laid.status = Some(Status::NotLifted(lost));
                return Ok(laid);
            }
        };
        (laid.contig, laid.position, laid.placed) = (Some(contig), position, true);
        // Genotypes are of the FASTA's build and strand.
        let there = || {
            let ours = &self.shared.contigs.get(contig).name;
            fileset
                .get(name, position)
                .or_else(|| fileset.get(ours, position))
        };
        let minus = minus && row.alleles.is_some();
        let Some(alleles) = row.alleles.clone().or_else(there) else {
            laid.status = Some(Status::NoAlleles);
            return Ok(laid);
        };
        let longest = length(&alleles);
        let (effect, other) = &alleles;
        let length = u64::from(self.shared.contigs.get(contig).length);
        if u64::from(position) >= length {
            laid.status = Some(Status::Skip(Skip::PastContigEnd));
            return Ok(laid);
        }
        // No allele that is scored is longer than a window.
        if longest > self.scorer.lattice().window() as usize + 1 {
            laid.status = Some(Status::Skip(Skip::TooLong));
            return Ok(laid);
        }
        let codes = self.scorer.fetch(contig, i64::from(position), longest)?;
        let letters: Vec<u8> = (codes.iter())
            .map(|&c| BASES.get(usize::from(c)).map_or(b'N', |&l| l as u8))
            .collect();
        let turn = |allele: &str| match minus {
            true => String::from_utf8_lossy(&complement(allele.to_ascii_uppercase().as_bytes()))
                .into_owned(),
            false => allele.to_owned(),
        };
        let (effect, other) = (turn(effect), other.as_deref().map(turn));
        match align(&effect, other.as_deref(), &letters) {
            // As the table tells them, not as they were turned.
            Ok(aligned) => {
                laid.aligned = Some(Aligned {
                    complement: aligned.complement != minus,
                    ..aligned
                });
            }
            Err(status) => laid.status = Some(status),
        }
        Ok(laid)
    }

    /// Contig and position in the build of the FASTA, and whether its bases are on the other strand there.
    ///
    /// # Errors
    /// Why it is not there.
    fn lift(
        &self,
        contig_id: ContigId,
        position: u32,
        longest: usize,
    ) -> Result<(ContigId, u32, bool), Lost> {
        let Some(chains) = &self.shared.chains else {
            return Ok((contig_id, position, false));
        };
        let name = &self.shared.contigs.get(contig_id).name;
        let end = position.saturating_add(u32::try_from(longest).unwrap_or(u32::MAX).max(1));
        let bases = Interval::new(position, end).ok_or(Lost::Deleted)?;
        // What is longer than a base must be there in one piece, and on the same strand: turned, it would hang
        // upon another base.
        let span = chains.span(name, bases)?;
        if span.minus && longest > 1 {
            return Err(Lost::Interrupted);
        }
        let aliases = &self.shared.config.scoring.aliases;
        let found = aliases.resolve_code(span.contig, self.shared.contigs);
        let found = found.ok_or(Lost::NotInFasta)?;
        Ok((found, span.bases.start(), span.minus))
    }

    fn finish(
        &mut self,
        row: Input,
        laid: Laid,
        status: Option<Status>,
        effects: &[f32],
        gc: f32,
    ) -> Scored {
        let shared = self.shared;
        let mut text = row.text;
        let cells = text.len();
        let levels: Vec<f64> = (effects.iter().enumerate())
            .map(|(task, &effect)| {
                let background = shared.background.as_ref();
                let level = background.and_then(|b| b.level(task, gc, effect));
                level.map_or(f64::NAN, |l| l.p)
            })
            .collect();
        let known = levels.iter().copied().filter(|p| !p.is_nan());
        let p = match known.clone().next() {
            Some(_) => shared.config.combine.of(known),
            None => f64::NAN,
        };
        let name = laid.contig.map(|c| shared.contigs.get(c).name.as_str());
        let position = laid.position;
        text.push('\t');
        text.push_str(status.map_or("ok", Status::as_str));
        match (&laid.aligned, name) {
            (Some(aligned), Some(name)) => {
                let lossy = String::from_utf8_lossy;
                // Writing to a string cannot fail.
                let _ = write!(
                    text,
                    "\t{name}:{}:{}:{}\t{}",
                    position + 1,
                    lossy(&aligned.reference),
                    lossy(&aligned.alt),
                    aligned.as_str()
                );
            }
            // Where it lies is known all the same.
            (None, Some(name)) if laid.placed => {
                let _ = write!(text, "\t{name}:{}:.:.\tNA", position + 1);
            }
            _ => text.push_str("\tNA\tNA"),
        }
        for &effect in effects {
            self.number(&mut text, f64::from(effect), true);
        }
        if shared.background.is_some() {
            for &level in &levels {
                self.number(&mut text, level, true);
            }
        }
        let (task, effect) = most(effects);
        self.number(&mut text, f64::from(effect), true);
        text.push('\t');
        match effect.is_nan() {
            true => text.push_str("NA"),
            false => text.push_str(&shared.tasks[task]),
        }
        if shared.background.is_some() {
            self.number(&mut text, p, true);
        }
        if !shared.annotations.is_empty() {
            text.push('\t');
            self.annotate(&mut text, laid.contig, position, &laid);
        }
        self.number(&mut text, row.abs_z, true);
        let evidence = match shared.kinds.pip {
            true => row.pip.ln(),
            false => log_bayes_factor(row.abs_z, row.standard_error),
        };
        let mut hasher = DefaultHasher::new();
        if let Some(aligned) = &laid.aligned {
            (&aligned.reference, &aligned.alt).hash(&mut hasher);
        } else {
            row.alleles.hash(&mut hasher);
        }
        Scored {
            text,
            cells,
            key: Key {
                at: 0,
                contig: match (&row.place, laid.contig, status) {
                    (_, _, Some(Status::OtherTerm)) => u32::MAX,
                    (Some(_), Some(contig), _) if laid.placed => contig,
                    _ => u32::MAX,
                },
                position,
                alleles: hasher.finish(),
                abs_z: row.abs_z,
                log_p: row.log_p,
                evidence,
                pip: row.pip as f32,
                weight: -p.ln() as f32,
                set: row.set,
                group: row.group,
            },
            off_contig: match (status, row.place) {
                (Some(Status::Skip(Skip::UnknownContig)), Some((name, _))) => Some(name),
                _ => None,
            },
            placed: status != Some(Status::NoPosition),
            status,
            aligned: laid.aligned,
        }
    }

    fn annotate(&self, text: &mut String, contig: Option<ContigId>, at: u32, laid: &Laid) {
        let length = laid
            .aligned
            .as_ref()
            .map_or(1, |a| a.reference.len() as u32);
        let span = Interval::new(at, at + length).unwrap_or_default();
        let mut any = false;
        for (name, placed) in &self.shared.annotations {
            if contig.is_some_and(|c| placed.within(c, span).next().is_some()) {
                if any {
                    text.push(',');
                }
                text.push_str(name);
                any = true;
            }
        }
        if !any {
            text.push('.');
        }
    }

    /// Appends a cell with a number.
    fn number(&mut self, text: &mut String, value: f64, narrow: bool) {
        text.push('\t');
        push_number(&mut self.buffer, text, value, narrow);
    }
}

/// Appends a number, `NA` for none, with the digits of a float of 32 bits or all.
pub(super) fn push_number(buffer: &mut zmij::Buffer, text: &mut String, value: f64, narrow: bool) {
    if !value.is_finite() || (narrow && !(value as f32).is_finite()) {
        text.push_str("NA");
        return;
    }
    let digits = match narrow {
        true => buffer.format(value as f32 + 0.0),
        false => buffer.format(value + 0.0),
    };
    text.push_str(digits.strip_suffix(".0").unwrap_or(digits));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wakefield's 2009 table: the same by the formula sqrt(1 - r) exp(z^2 r / 2).
    #[test]
    fn bayes_factors() {
        let (se, z) = (0.05, 5.0);
        let r: f64 = 0.21 * 0.21 / (0.21 * 0.21 + se * se);
        let expected = ((1.0 - r).sqrt() * (z * z * r / 2.0).exp()).ln();
        assert!((log_bayes_factor(z, se) - expected).abs() < 1e-12);
        // A difference of z says the same with and without a standard error, but for the prior's shrinkage.
        let step = log_bayes_factor(6.0, f64::NAN) - log_bayes_factor(5.0, f64::NAN);
        assert!((step - 0.99 * 5.5).abs() < 1e-12);
    }
}
