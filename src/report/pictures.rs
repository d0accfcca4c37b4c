//! Regions base by base.

use std::collections::BTreeSet;

use serde::Serialize;

use super::effects::Effects;
use super::elements::{Element, packed};
use super::factors::{Factors, Track};
use super::table::View;
use super::values::{Region, Tracks, read};
use super::{ReportError, page};
use crate::Error;
use crate::encode::BASES;
use crate::genome::{Aliases, Fasta, Interval};
use crate::intervals::Placed;
use crate::tracks::Scores;

/// Longest picture, and bases that all pictures have together.
const LONGEST: u32 = 2_000;
const ALL_BASES: u64 = 200_000;

/// Regions base by base.
#[derive(Debug, Serialize)]
pub(super) struct Pictures {
    pub note: String,
    /// What bases are given: `importance`, or by which method.
    pub of_bases: String,
    pub tasks: Vec<String>,
    pub list: Vec<Picture>,
}

#[derive(Debug, Serialize)]
pub(super) struct Picture {
    /// Row of regions.tsv, from 0.
    pub row: u32,
    pub contig: String,
    pub contig_length: u32,
    pub start: u32,
    pub end: u32,
    pub name: String,
    /// Letters; N where the genome is not at hand.
    pub sequence: String,
    pub tasks: Vec<PictureTask>,
    pub annotations: Vec<Track>,
}

/// Floats in base64; `effects` `[base, 4]`.
#[derive(Debug, Default, Serialize)]
pub(super) struct PictureTask {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub importance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effects: Option<String>,
}

/// Which rows are pictured, and which of their bases: those of the strongest elements, and the first and
/// last by every column of numbers.
pub(super) fn pictured(
    view: &View,
    regions: &[Region],
    elements: &[Element],
    top: usize,
) -> Vec<(u32, Interval)> {
    let mut order: Vec<u32> = elements.iter().take(4 * top).map(|e| e.row).collect();
    let skip = ["start", "end", "windows", "unknown_windows", "bases"];
    for column in view
        .columns
        .iter()
        .filter(|c| !skip.contains(&c.name.as_str()))
    {
        let Some(numbers) = &column.numbers else {
            continue;
        };
        let mut rows: Vec<u32> = (0..numbers.len() as u32).collect();
        rows.retain(|&r| !numbers[r as usize].is_nan());
        rows.sort_by(|&a, &b| numbers[b as usize].total_cmp(&numbers[a as usize]));
        order.extend(rows.iter().take(top));
        order.extend(rows.iter().rev().take(top / 2));
    }
    order.extend((0..regions.len() as u32).take(top));
    let mut seen = BTreeSet::new();
    let (mut all, mut chosen) = (0, Vec::new());
    for row in order {
        let bases = regions[row as usize].bases;
        if bases.is_empty() || !seen.insert(row) {
            continue;
        }
        let shown = match bases.len() > LONGEST {
            false => bases,
            // Around its strongest element, or its first bases.
            true => {
                let strongest = elements.iter().find(|e| e.row == row);
                let middle = strongest.map_or(bases.start(), |e| e.start / 2 + e.end / 2);
                let start = middle.saturating_sub(LONGEST / 2);
                let start = start.clamp(bases.start(), bases.end() - LONGEST);
                Interval::new(start, start + LONGEST).unwrap_or(bases)
            }
        };
        all += u64::from(shown.len());
        if all > ALL_BASES {
            break;
        }
        chosen.push((row, shown));
    }
    chosen
}

/// A region's picture.
pub(super) fn picture(
    (row, region, bases): (u32, &Region, Interval),
    tracks: &[Tracks],
    fasta: Option<&Fasta>,
    (annotations, factors): (&[(String, Placed)], Option<&Factors>),
    effects: Option<&mut Effects>,
) -> Result<Picture, Error> {
    let mut values = Vec::new();
    let mut of = |scores: &Option<Scores>| -> Result<Option<String>, ReportError> {
        let Some(scores) = scores else {
            return Ok(None);
        };
        let mut reader = scores.reader()?;
        read((scores, &mut reader), &region.contig, bases, &mut values)?;
        Ok(Some(packed(&values)))
    };
    let mut tasks = Vec::new();
    for tracks in tracks {
        tasks.push(PictureTask {
            activity: of(&tracks.activity)?,
            importance: of(&tracks.importance)?,
            effects: None,
        });
    }
    let placed = fasta.and_then(|f| {
        Some((
            f,
            Aliases::UcscEnsembl.resolve(&region.contig, f.contigs())?,
        ))
    });
    let mut sequence = "N".repeat(bases.len() as usize);
    let mut below = Vec::new();
    if let Some((fasta, contig)) = placed {
        let codes = codes(fasta, contig, bases.start().into(), bases.len() as usize)?;
        sequence = letters(&codes);
        if let Some(effects) = effects {
            let all = effects.of(fasta, (contig, bases, region.bases.start()))?;
            for (task, values) in tasks.iter_mut().zip(all) {
                task.effects = Some(page::floats(values));
            }
        }
        for (name, placed) in annotations {
            let intervals = placed.within(contig, bases).map(|i| {
                let from = i64::from(bases.start());
                let at = |p: u32| i64::from(p) - from;
                (at(i.start()), at(i.end()), String::new())
            });
            below.push(Track {
                name: name.clone(),
                intervals: intervals.take(500).collect(),
            });
        }
        below.extend(factors.map(|f| f.below(&codes)));
    }
    Ok(Picture {
        row,
        contig: region.contig.clone(),
        contig_length: placed.map_or(region.bases.end(), |(f, id)| f.contigs().get(id).length),
        start: bases.start(),
        end: bases.end(),
        name: region.name.clone(),
        sequence,
        tasks,
        annotations: below,
    })
}

/// Codes of bases, from a first one that may lie before the contig.
pub(super) fn codes(
    fasta: &Fasta,
    contig: u32,
    start: i64,
    length: usize,
) -> Result<Vec<u8>, Error> {
    let mut codes = Vec::new();
    fasta.reader()?.fetch(contig, start, length, &mut codes)?;
    Ok(codes)
}

/// Codes as letters; N for unknown ones.
pub(super) fn letters(codes: &[u8]) -> String {
    let letter = |c: &u8| BASES.get(usize::from(*c)).copied().unwrap_or('N');
    codes.iter().map(letter).collect()
}
