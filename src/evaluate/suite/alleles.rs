//! Judges whose items are two alleles.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::super::haplotypes::Haplotypes;
use super::super::{EvaluateError, Fields, MeasuredVariant, measured};
use super::items::{Items, Sequences, Sheets, Sources, chosen, file_of, numbered};
use super::sheet::{Filter, Reason, chrom_is_out};
use super::spec::{Judge, Kind, Pool};
use crate::Error;
use crate::input::{Input, Sheet};
use crate::vcf::Reader;

/// How long the sequences are that a model is given, and where in them a variant's first base lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub length: usize,
    pub at: usize,
}

impl Span {
    /// The window that starts half a window (rounded down) before the base; or all the windows that
    /// hold the base and start whole steps from there.
    pub(super) fn new(window: usize, step: usize, pool: Pool) -> Self {
        let half = window / 2;
        let (left, right) = match pool {
            Pool::Centre => (0, 0),
            _ => ((window - 1 - half) / step * step, half / step * step),
        };
        Self {
            length: window + left + right,
            at: half + left,
        }
    }
}

/// Rows of all cells, joined by position and alleles.
#[derive(Default)]
struct Joined {
    numbers: HashMap<String, usize>,
    variants: Vec<MeasuredVariant>,
    measured: Vec<Vec<f64>>,
    groups: Vec<Option<String>>,
    left_out: BTreeMap<String, Reason>,
}

/// A row as read: the variant with its measured value, a group, or why it does not count.
type Read = (MeasuredVariant, Option<String>, Option<Reason>);

/// Reads a judge of kind alleles or effects.
pub(super) fn read(judge: &Judge, sources: &Sources<'_>) -> Result<Items, Error> {
    let genome = sources.genome(judge)?;
    let mut sheets = Sheets::default();
    let mut joined = Joined {
        measured: vec![Vec::new(); judge.cells.len()],
        ..Joined::default()
    };
    let mut files = Vec::new();
    for cell in 0..judge.cells.len() {
        let path = file_of(judge, cell);
        let mut input = None;
        let rows = match sheets.find(&path) {
            Some(sheet) => from_table(judge, cell, &sheet)?,
            None if is_vcf(judge, &path, &mut input)? => from_vcf(judge, cell, &path, input)?,
            None => from_table(judge, cell, sheets.read(&path, input)?.as_ref())?,
        };
        rows.into_iter()
            .for_each(|row| join(cell, row, &mut joined));
        if !files.contains(&path) {
            files.push(path);
        }
    }
    let mut haplotypes = Haplotypes {
        fasta: &genome.fasta,
        aliases: &genome.aliases,
        reader: genome.fasta.reader()?,
    };
    let spans: Vec<Span> = (sources.windows.iter())
        .map(|&window| Span::new(window, judge.step() as usize, judge.pool()))
        .collect();
    let mut items = Items {
        measured: vec![Vec::new(); judge.cells.len()],
        sequences: spans.iter().map(|_| Sequences::default()).collect(),
        files,
        ..Items::default()
    };
    let mut left_out = joined.left_out;
    let mut groups = Vec::new();
    // 0-based: the names decide which rows `every` takes.
    let place = |v: &MeasuredVariant| format!("{}:{}", v.contig, i64::from(v.pos) - 1);
    let positions: Vec<String> = (joined.variants.iter().zip(&joined.groups))
        .map(|(v, group)| (group.clone()).unwrap_or_else(|| place(v)))
        .collect();
    let stays = chosen(judge.every, &positions);
    for (i, variant) in joined.variants.iter().enumerate() {
        let pairs = match stays[i] {
            false => Err("every"),
            true => pairs(&mut haplotypes, variant, &spans)?,
        };
        match pairs {
            Err(reason) => drop(left_out.insert(key(variant), reason)),
            Ok(pairs) => {
                for (to, [reference, alternative]) in items.sequences.iter_mut().zip(pairs) {
                    to.reference.push(reference.into());
                    to.alternative.push(alternative.into());
                }
                items.ids.push(key(variant));
                items.chroms.push(variant.contig.clone());
                items.elements.push(variant.element.clone());
                groups.push(&positions[i]);
                for (to, from) in items.measured.iter_mut().zip(&joined.measured) {
                    to.push(from[i]);
                }
            }
        }
    }
    items.groups = numbered(&groups);
    // Left out in one cell and there in another is not left out.
    let kept: HashSet<&String> = items.ids.iter().collect();
    left_out.retain(|name, _| !kept.contains(name));
    items.left_out = left_out.into_iter().collect();
    Ok(items.checked(judge)?)
}

/// The reference and the alternative sequence, for each model.
type Pairs = Vec<[Vec<u8>; 2]>;

/// Both sequences for each model, or the first reason against one.
fn pairs(
    haplotypes: &mut Haplotypes<'_>,
    variant: &MeasuredVariant,
    spans: &[Span],
) -> Result<Result<Pairs, Reason>, Error> {
    let mut pairs = Vec::new();
    for span in spans {
        match haplotypes.of(variant, span.length, span.at)? {
            Ok(pair) => pairs.push(pair),
            Err(reason) => return Ok(Err(reason)),
        }
    }
    Ok(Ok(pairs))
}

fn key(v: &MeasuredVariant) -> String {
    format!("{}:{}:{}:{}", v.contig, v.pos, v.reference, v.alternative)
}

fn join(cell: usize, (variant, group, reason): Read, to: &mut Joined) {
    let key = key(&variant);
    if let Some(reason) = reason {
        to.left_out.entry(key).or_insert(reason);
        return;
    }
    let item = *to.numbers.entry(key).or_insert_with(|| {
        to.measured.iter_mut().for_each(|m| m.push(f64::NAN));
        to.groups.push(group);
        to.variants.push(variant.clone());
        to.variants.len() - 1
    });
    let measured = &mut to.measured[cell][item];
    match measured.is_nan() {
        true => *measured = variant.effect,
        // Of a change that was measured twice the first measurement counts.
        false => {
            let again = format!("{} again", self::key(&variant));
            to.left_out.insert(again, "measured_before");
        }
    }
}

/// Opens a file and says whether it is a VCF that a judge may have.
fn is_vcf(judge: &Judge, path: &Path, input: &mut Option<Input>) -> Result<bool, EvaluateError> {
    let opened = input.insert(Input::open(path)?);
    Ok(judge.kind == Kind::Effects && Reader::fits(opened)?)
}

fn from_vcf(
    judge: &Judge,
    cell: usize,
    path: &Path,
    input: Option<Input>,
) -> Result<Vec<Read>, EvaluateError> {
    if !judge.keep.is_empty() || !judge.where_not.is_empty() || judge.group.is_some() {
        return Err(EvaluateError::Setting(format!(
            "judge {:?}: where, where_not and group are of tables, and {} is a VCF",
            judge.name.get_ref(),
            path.display()
        )));
    }
    let default = Fields::default();
    let or = |name: &Option<String>, default: String| name.clone().unwrap_or(default);
    let fields = Fields {
        effect: or(&judge.cells[cell].effect, default.effect),
        element: or(&judge.element, default.element),
        barcodes: or(&judge.barcodes, default.barcodes),
    };
    let input = input.map_or_else(|| Input::open(path), Ok)?;
    let variants = measured::from_vcf(input, path, &fields)?;
    let read = variants.into_iter().map(|variant| {
        let reason = match chrom_is_out(judge, &variant.contig) {
            true => Some("chrom_left_out"),
            false => reason(judge, &variant),
        };
        (variant, None, reason)
    });
    Ok(read.collect())
}

/// Why a variant does not count as it stands in the file.
fn reason(judge: &Judge, variant: &MeasuredVariant) -> Option<Reason> {
    if variant.effect.is_nan() {
        Some("no_effect")
    } else if judge.kind == Kind::Effects && variant.barcodes < judge.min_barcodes() {
        Some("few_barcodes")
    } else {
        None
    }
}

fn from_table(judge: &Judge, cell: usize, sheet: &Sheet) -> Result<Vec<Read>, EvaluateError> {
    let spec = &judge.cells[cell];
    let filter = Filter::new(judge, sheet)?;
    let needed = |key: &str, name: &Option<String>, default: &str| {
        sheet.column(key, name.as_deref().unwrap_or(default))
    };
    let chrom = needed("chrom", &judge.chrom, "chrom")?;
    let position = needed("position", &judge.position, "pos")?;
    let reference = needed("ref", &judge.reference, "ref")?;
    let alternative = needed("alt", &judge.alt, "alt")?;
    let element = sheet.named("element", &judge.element, "ELEM")?;
    let barcodes = sheet.named("barcodes", &judge.barcodes, "BC")?;
    let group = judge.group.as_ref();
    let group = group.map(|g| sheet.column("group", g)).transpose()?;
    let measured = match judge.kind {
        Kind::Effects => [needed("effect", &spec.effect, "EFF")?; 2],
        _ => [
            needed("ref_value", &spec.ref_value, "ref_value")?,
            needed("alt_value", &spec.alt_value, "alt_value")?,
        ],
    };
    let mut read = Vec::new();
    for row in 0..sheet.rows() {
        let text = |column: usize| sheet.cell(row, column).to_owned();
        let numbers = [
            sheet.number(row, measured[0])?,
            sheet.number(row, measured[1])?,
        ];
        let variant = MeasuredVariant {
            contig: text(chrom),
            pos: sheet.coordinate(row, position, 1)?,
            id: ".".into(),
            reference: text(reference).to_ascii_uppercase(),
            alternative: text(alternative).to_ascii_uppercase(),
            element: element.map_or(".".into(), text),
            barcodes: barcodes.map_or(Ok(f64::NAN), |c| sheet.number(row, c))?,
            effect: match judge.kind {
                Kind::Effects => numbers[0],
                _ => log_ratio(numbers, judge.pseudo_count()),
            },
        };
        let reason = filter
            .reason(judge, sheet, row)
            .or_else(|| reason(judge, &variant));
        read.push((variant, group.map(text), reason));
    }
    Ok(read)
}

/// log2 of alternative over reference, both with the pseudo-count added; NaN where it is no number.
fn log_ratio([reference, alternative]: [f64; 2], pseudo_count: f64) -> f64 {
    let ratio = ((alternative + pseudo_count) / (reference + pseudo_count)).log2();
    match ratio.is_finite() {
        true => ratio,
        false => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The windows wholly inside the span are those that hold the base, whole steps from the centre.
    #[test]
    fn spans_hold_the_windows_that_hold_the_base() {
        for (window, step) in [(145, 5), (145, 7), (10, 3), (9, 20), (1, 1), (8, 1)] {
            let span = Span::new(window, step, Pool::Mean);
            let centre = Span::new(window, step, Pool::Centre);
            assert_eq!((centre.length, centre.at), (window, window / 2));
            let starts: Vec<usize> = (0..=span.length - window).step_by(step).collect();
            assert_eq!(*starts.last().unwrap(), span.length - window);
            for start in starts {
                assert!(start <= span.at && span.at < start + window);
            }
            assert!(span.at >= window / 2 && (span.at - window / 2).is_multiple_of(step));
            // None is missing at either end.
            assert!(span.at + step >= window);
            assert!(span.at < span.length - window + step);
        }
    }

    #[test]
    fn ratios() {
        assert_eq!(log_ratio([1.0, 7.0], 1.0), 2.0);
        assert!(log_ratio([0.0, 7.0], 0.0).is_nan());
        assert!(log_ratio([f64::NAN, 7.0], 1.0).is_nan());
    }
}
