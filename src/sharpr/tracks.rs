//! Region scores laid on the genome: every base gets the mean over the regions that cover it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::{RegionTable, SharprError};
use crate::counts::{CountsError, Lines, Place, shorten};

/// Bases in a row that all have a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// First base, 0-based.
    pub start: u32,
    /// One value a base.
    pub values: Vec<f32>,
}

/// One chromosome of a track.
#[derive(Clone, Debug, PartialEq)]
pub struct ChromTrack {
    /// Name.
    pub chrom: String,
    /// Length, when a table of chromosome sizes was given.
    pub length: Option<u32>,
    /// In order, without overlaps, with a gap between any two.
    pub spans: Vec<Span>,
}

/// Reads chromosome sizes: name and length, the first two columns (also of a `.fai`).
///
/// # Errors
/// When the file cannot be read or is empty, or at the first line that is not as said.
pub fn read_sizes(path: &Path) -> Result<Vec<(String, u32)>, CountsError> {
    let mut lines = Lines::open(path)?;
    let mut sizes: Vec<(String, u32)> = Vec::new();
    while let Some(line) = lines.next_filled()? {
        let mut fields = line.split_ascii_whitespace();
        let size = fields.next().zip(fields.next());
        let size = size.and_then(|(name, length)| Some((name.to_owned(), length.parse().ok()?)));
        match size {
            Some(size) if sizes.iter().all(|(name, _)| *name != size.0) => sizes.push(size),
            _ => {
                return Err(lines.error(
                    format!("{:?}", shorten(&line)),
                    "a chromosome, once, and its length",
                ));
            }
        }
    }
    if sizes.is_empty() {
        return Err(CountsError::Empty(path.into()));
    }
    Ok(sizes)
}

/// Lays region scores (`[region][base]`) on the genome. Chromosomes come in the order of `sizes`,
/// without sizes in the order of their names' bytes.
///
/// # Errors
/// [`SharprError::Coordinates`] for the first region that has no place, whose place has another
/// length than the scores, whose chromosome is not in `sizes`, or which reaches past its end.
pub fn lay_on_genome(
    scores: &RegionTable,
    places: &HashMap<String, Place>,
    sizes: Option<&[(String, u32)]>,
    path: &Path,
) -> Result<Vec<ChromTrack>, SharprError> {
    let mut by_chrom: HashMap<&str, Vec<(u32, &[f64])>> = HashMap::new();
    let lengths: Option<HashMap<&str, u32>> =
        sizes.map(|list| list.iter().map(|(n, l)| (n.as_str(), *l)).collect());
    for (id, row) in scores.regions.iter().zip(scores.rows()) {
        let fail = |problem: String| SharprError::Coordinates {
            path: path.into(),
            id: id.into(),
            problem,
        };
        let place = places
            .get(id)
            .ok_or_else(|| fail("it is not in this file".into()))?;
        if (place.end - place.start) as usize != row.len() {
            return Err(fail(format!(
                "{}:{}-{} has {} bases, its scores {}",
                place.chrom,
                place.start,
                place.end,
                place.end - place.start,
                row.len()
            )));
        }
        if let Some(lengths) = &lengths {
            match lengths.get(place.chrom.as_str()) {
                None => return Err(fail(format!("{:?} has no size", place.chrom))),
                Some(&length) if place.end > length => {
                    return Err(fail(format!(
                        "it ends at {}, {} has {length} bases",
                        place.end, place.chrom
                    )));
                }
                Some(_) => {}
            }
        }
        let list = by_chrom.entry(&place.chrom).or_default();
        list.push((place.start, row));
    }
    let order: Vec<(&str, Option<u32>)> = match sizes {
        Some(sizes) => sizes.iter().map(|(n, l)| (n.as_str(), Some(*l))).collect(),
        None => {
            let mut names: Vec<&str> = by_chrom.keys().copied().collect();
            names.sort_unstable();
            names.into_iter().map(|n| (n, None)).collect()
        }
    };
    let mut tracks = Vec::new();
    for (chrom, length) in order {
        let Some(mut regions) = by_chrom.remove(chrom) else {
            continue;
        };
        // Stable: regions with one start are added in table order, so sums never vary.
        regions.sort_by_key(|&(start, _)| start);
        tracks.push(ChromTrack {
            chrom: chrom.to_owned(),
            length,
            spans: merge(&regions),
        });
    }
    Ok(tracks)
}

/// Means over regions sorted by start; regions that touch make one span.
fn merge(regions: &[(u32, &[f64])]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut from = 0;
    while from < regions.len() {
        let origin = regions[from].0;
        let end_of = |&(start, row): &(u32, &[f64])| start as usize + row.len();
        let (mut to, mut end) = (from, origin as usize);
        while to < regions.len() && regions[to].0 as usize <= end {
            end = end.max(end_of(&regions[to]));
            to += 1;
        }
        let mut sums = vec![(0.0, 0u32); end - origin as usize];
        for &(start, row) in &regions[from..to] {
            for ((sum, count), value) in sums[(start - origin) as usize..].iter_mut().zip(row) {
                *sum += value;
                *count += 1;
            }
        }
        spans.push(Span {
            start: origin,
            // Every base of a span is covered: regions that do not touch start a new one.
            values: sums
                .iter()
                .map(|&(sum, n)| (sum / f64::from(n)) as f32)
                .collect(),
        });
        from = to;
    }
    spans
}

/// Writes a track as `scores.bedGraph` into `folder` and returns the names of the files. Runs of
/// equal values become one line; values are f32 in the shortest decimal that reads back as the same.
///
/// # Errors
/// When a file cannot be written.
pub fn write_tracks(
    tracks: &[ChromTrack],
    mut file: impl FnMut(&str) -> PathBuf,
) -> Result<Vec<String>, SharprError> {
    let name = "scores.bedGraph";
    let path = file(name);
    let mut text = String::new();
    for track in tracks {
        for span in &track.spans {
            let mut from = 0;
            while from < span.values.len() {
                let value = span.values[from];
                let run = span.values[from..]
                    .iter()
                    .take_while(|v| **v == value)
                    .count();
                let start = span.start as usize + from;
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{}\t{start}\t{}\t{value}", track.chrom, start + run);
                from += run;
            }
        }
    }
    fs::write(&path, text).map_err(|e| SharprError::Write(e, path))?;
    // BIGWIG: `ChromTrack::length` is known here when sizes were given; `scores.bw` is written from
    // the same spans once the crate's own bigWig writer is at hand.
    Ok(vec![name.into()])
}
