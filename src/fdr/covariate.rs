//! Covariates of hypotheses, from a scored VCF or a track.

use std::collections::HashMap;
use std::path::Path;

use super::FdrError;
use super::table::{Hypotheses, bad};
use crate::Error;
use crate::genome::{Aliases, Interval};
use crate::input::{Input, shorten};
use crate::job::Cancel;
use crate::tracks::{Scores, TrackError};
use crate::vcf::Reader;

/// The INFO field of the effect that is largest over the tasks.
pub const LARGEST: &str = "MPRA_MAX";

/// Bases of a track read at a time, and gap that is read over.
const SPAN: u32 = 1 << 20;
const GAP: u32 = 4096;

/// What was found for the hypotheses.
#[derive(Clone, Debug, Default)]
pub struct Joined {
    /// One a hypothesis; NaN where there is none.
    pub values: Vec<f64>,
    /// `vcf`, `track` or `column`.
    pub source: &'static str,
    /// `position`, `id` or `row`.
    pub by: &'static str,
    /// Hypotheses that have a record at their position, but none of their alleles.
    pub other_alleles: usize,
}

/// Looks the covariate of every hypothesis up: |value| of a track at its base, or the largest
/// |`field`| over the alleles of the VCF's records there (of the record with its two alleles, where
/// the table has alleles). Without places records are found by ID.
///
/// # Errors
/// When the file cannot be read or nothing matches.
pub fn join(
    table: &Path,
    all: &Hypotheses,
    path: &Path,
    field: Option<&str>,
    aliases: &Aliases,
    cancel: &Cancel,
) -> Result<Joined, Error> {
    let mut input = Input::open(path).map_err(FdrError::from)?;
    match (Reader::fits(&mut input).map_err(FdrError::from)?, field) {
        (false, Some(_)) => {
            let text = format!("--field is for a VCF, and {} is none", path.display());
            Err(FdrError::Setting(text).into())
        }
        (false, None) => of_track(table, all, input, aliases, cancel),
        (true, field) => {
            let field = field.unwrap_or(LARGEST);
            of_vcf(table, all, input, field, aliases, cancel)
        }
    }
}

/// Hypotheses by a key; several may share one.
struct Index<K> {
    first: HashMap<K, u32>,
    next: Vec<u32>,
}

const END: u32 = u32::MAX;

impl<K: std::hash::Hash + Eq> Index<K> {
    fn new(keys: impl ExactSizeIterator<Item = Option<K>>) -> Self {
        let mut first = HashMap::with_capacity(keys.len());
        let mut next = vec![END; keys.len()];
        for (i, key) in keys.enumerate() {
            if let Some(key) = key {
                next[i] = first.insert(key, i as u32).unwrap_or(END);
            }
        }
        Self { first, next }
    }

    fn of<'a>(&'a self, key: &K) -> impl Iterator<Item = usize> + use<'a, K> {
        let mut at = self.first.get(key).copied().unwrap_or(END);
        std::iter::from_fn(move || {
            let now = (at != END).then_some(at as usize)?;
            at = self.next[now];
            Some(now)
        })
    }
}

fn need_places(table: &Path, all: &Hypotheses, ids_do: bool) -> Result<(), FdrError> {
    match all.places.is_empty() && (all.ids.is_empty() || !ids_do) {
        false => Ok(()),
        true => Err(FdrError::Setting(format!(
            "{} has no columns of contig and position{} by which a covariate could be found; --chrom-column and --position-column name them",
            table.display(),
            if ids_do { " and none of names" } else { "" }
        ))),
    }
}

fn of_vcf(
    table: &Path,
    all: &Hypotheses,
    input: Input,
    field: &str,
    aliases: &Aliases,
    cancel: &Cancel,
) -> Result<Joined, Error> {
    need_places(table, all, true)?;
    let by_id = all.places.is_empty();
    let places = Index::new(all.places.iter().copied());
    let ids =
        Index::new((all.ids.iter().take(if by_id { usize::MAX } else { 0 })).map(|id| Some(&**id)));
    let mut values = vec![f64::NAN; all.p.len()];
    let mut seen = vec![false; all.p.len()];
    let mut fitting = seen.clone();
    let mut contigs: HashMap<String, Option<u32>> = HashMap::new();
    let mut first = None;
    let path = &input.path().to_owned();
    each_record(input, field, cancel, |record| {
        let at = match (by_id, record.pos.checked_sub(1)) {
            (false, Some(pos)) => {
                let id = match contigs.get(record.contig) {
                    Some(id) => *id,
                    None => {
                        let id = aliases.resolve(record.contig, &all.contigs);
                        contigs.insert(record.contig.to_owned(), id);
                        first.get_or_insert_with(|| record.contig.to_owned());
                        id
                    }
                };
                id.map(|id| (id, pos))
            }
            _ => None,
        };
        // Hypotheses are looked up before INFO is read: most records of a genome may have none.
        let mut hits: Vec<usize> = at.iter().flat_map(|at| places.of(at)).collect();
        if by_id {
            hits.extend(
                record
                    .id
                    .split(';')
                    .filter(|id| *id != ".")
                    .flat_map(|id| ids.of(&id)),
            );
        }
        if hits.is_empty() {
            return Ok(());
        }
        let effects = record.effects(field)?;
        for hit in hits {
            seen[hit] = true;
            for &(alt, effect) in &effects {
                let fits = match all.alleles.get(hit) {
                    None => true,
                    Some(alleles) => alleles.split_once('/').is_some_and(|(a, b)| {
                        let same = |x: &str, y: &str| x.eq_ignore_ascii_case(y);
                        same(a, record.reference) && same(b, alt)
                            || same(b, record.reference) && same(a, alt)
                    }),
                };
                if fits {
                    fitting[hit] = true;
                    // `max` takes the number where one is NaN.
                    values[hit] = values[hit].max(effect.abs());
                }
            }
        }
        Ok(())
    })?;
    let other_alleles = (seen.iter().zip(&fitting))
        .filter(|(s, f)| **s && !**f)
        .count();
    let found = Joined {
        values,
        source: "vcf",
        by: if by_id { "id" } else { "position" },
        other_alleles,
    };
    let shared = by_id || contigs.values().any(Option::is_some);
    check(table, all, path, found, first.filter(|_| !shared))
}

/// Fails when no hypothesis with a p-value has a covariate. `foreign`: a contig of the file, where
/// it shares none.
fn check(
    table: &Path,
    all: &Hypotheses,
    path: &Path,
    found: Joined,
    foreign: Option<String>,
) -> Result<Joined, Error> {
    if (all.p.iter().zip(&found.values)).any(|(p, x)| !p.is_nan() && !x.is_nan()) {
        return Ok(found);
    }
    let ours = all.contigs.iter().next().map(|c| c.name.clone());
    let chr = (foreign.as_deref()).is_some_and(|name| all.contigs.similar(name).is_some());
    Err(FdrError::NoMatch {
        table: table.into(),
        covariate: path.into(),
        hypotheses: all.p.len(),
        contigs: ours.zip(foreign).map(Box::new),
        chr,
        by_id: found.by == "id",
    }
    .into())
}

struct Record<'a> {
    path: &'a Path,
    line: u64,
    contig: &'a str,
    pos: u32,
    id: &'a str,
    reference: &'a str,
    alts: &'a str,
    info: &'a str,
}

impl<'a> Record<'a> {
    fn parse(path: &'a Path, line: u64, text: &'a str) -> Result<Self, FdrError> {
        let mut f = text.split('\t');
        let mut cell = || f.next();
        let parsed = (|| {
            let (contig, pos, id) = (cell()?, cell()?.parse().ok()?, cell()?);
            let (reference, alts) = (cell()?, cell()?);
            let (_, _, info) = (cell()?, cell()?, cell()?);
            Some(Self {
                path,
                line,
                contig,
                pos,
                id,
                reference,
                alts,
                info,
            })
        })();
        parsed.ok_or_else(|| {
            let problem = format!("{:?}", shorten(text));
            bad(
                path,
                line,
                problem,
                "a VCF record: CHROM POS ID REF ALT QUAL FILTER INFO",
            )
        })
    }

    /// ALT alleles with their effects, NaN where there is none.
    fn effects(&self, field: &str) -> Result<Vec<(&'a str, f64)>, FdrError> {
        let value = (self.info.split(';'))
            .find_map(|part| part.strip_prefix(field)?.strip_prefix('='))
            .unwrap_or(".");
        let count = self.alts.split(',').count();
        let given = value.split(',').count();
        let fail = || {
            let problem = format!("{field}={}", shorten(value));
            bad(
                self.path,
                self.line,
                problem,
                "a number an ALT allele, or one for all",
            )
        };
        // One value may stand for all alleles (Number=1).
        if given != count && given != 1 {
            return Err(fail());
        }
        (self.alts.split(','))
            .zip(value.split(',').cycle())
            .map(|(alt, text)| match text {
                "." => Ok((alt, f64::NAN)),
                _ => match text.parse::<f64>() {
                    Ok(v) if v.is_finite() => Ok((alt, v)),
                    _ => Err(fail()),
                },
            })
            .collect()
    }
}

/// Goes through the records of a VCF or BCF whose header defines the field. Line numbers of a BCF
/// are those of records.
fn each_record(
    input: Input,
    field: &str,
    cancel: &Cancel,
    mut with: impl FnMut(&Record<'_>) -> Result<(), FdrError>,
) -> Result<(), Error> {
    let path = &input.path().to_owned();
    let mut reader = Reader::new(input).map_err(FdrError::from)?;
    if !reader.header.infos().any(|id| id == field.as_bytes()) {
        let known = reader.header.infos().map(String::from_utf8_lossy);
        return Err(FdrError::NoField {
            path: path.into(),
            field: field.into(),
            known: known.map(Into::into).collect(),
        }
        .into());
    }
    while let Some((line, text)) = reader.next_line().map_err(FdrError::from)? {
        if line.is_multiple_of(4096) && cancel.is_requested() {
            cancel.check()?;
        }
        with(&Record::parse(path, line, &String::from_utf8_lossy(text))?)?;
    }
    Ok(())
}

fn of_track(
    table: &Path,
    all: &Hypotheses,
    input: Input,
    aliases: &Aliases,
    cancel: &Cancel,
) -> Result<Joined, Error> {
    need_places(table, all, false)?;
    let path = &input.path().to_owned();
    let scores = Scores::from_input("covariate", input, None).map_err(|e| match e {
        TrackError::NoCoordinates(path) => FdrError::Format(path),
        e => e.into(),
    })?;
    let ids: Vec<Option<u32>> = (all.contigs.iter())
        .map(|c| aliases.resolve(&c.name, &scores.contigs))
        .collect();
    let mut order: Vec<((u32, u32), usize)> = (all.places.iter().enumerate())
        .filter_map(|(i, place)| {
            let (contig, base) = (*place)?;
            Some(((ids[contig as usize]?, base), i))
        })
        .collect();
    order.sort_unstable();
    let mut values = vec![f64::NAN; all.p.len()];
    let mut reader = scores.reader().map_err(FdrError::from)?;
    let mut bases = Vec::new();
    let mut from = 0;
    while from < order.len() {
        cancel.check()?;
        let (contig, start) = order[from].0;
        let mut to = from + 1;
        while to < order.len()
            && order[to].0.0 == contig
            && order[to].0.1 - order[to - 1].0.1 <= GAP
            && order[to].0.1 - start < SPAN
        {
            to += 1;
        }
        let span = Interval::new(start, order[to - 1].0.1 + 1).unwrap_or_default();
        reader
            .fill(contig, span, &mut bases)
            .map_err(FdrError::from)?;
        for ((_, base), i) in &order[from..to] {
            values[*i] = f64::from(bases[(base - start) as usize]).abs();
        }
        from = to;
    }
    let found = Joined {
        values,
        source: "track",
        by: "position",
        other_alleles: 0,
    };
    let foreign = match ids.iter().any(Option::is_some) {
        true => None,
        // A name that differs only by `chr`, where there is one.
        false => (all.contigs.iter())
            .find_map(|c| scores.contigs.similar(&c.name))
            .or(scores.contigs.iter().next().map(|c| c.name.as_str()))
            .map(str::to_owned),
    };
    check(table, all, path, found, foreign)
}
