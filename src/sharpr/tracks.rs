//! Region scores laid on the genome: every base gets the mean over the regions that cover it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{RegionTable, SharprError};
use crate::genome::{Contig, Contigs};
use crate::input::{InputError, Lines, Place, shorten};
use crate::output::write;
use crate::tracks::bigwig::{BigWigWriter, Encoded, Encoder, Held};
use crate::tracks::{Item, write_bedgraph};

/// Width of the finest zoom level's bins.
const ZOOM: u32 = 128;

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
    /// In order, without overlaps, with a gap between any two.
    pub spans: Vec<Span>,
}

/// Reads chromosome sizes: name and length, the first two columns (also of a `.fai`).
///
/// # Errors
/// When the file cannot be read or is empty, or at the first line that is not as said.
pub fn read_sizes(path: &Path) -> Result<Vec<(String, u32)>, InputError> {
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
        return Err(InputError::Empty(path.into()));
    }
    Ok(sizes)
}

/// Lays region scores (`[region][base]`) on the genome. Chromosomes come in the order of their
/// names' bytes, as in all tracks.
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
    let mut order: Vec<&str> = by_chrom.keys().copied().collect();
    order.sort_unstable();
    let mut tracks = Vec::new();
    for chrom in order {
        let Some(mut regions) = by_chrom.remove(chrom) else {
            continue;
        };
        // Stable: regions with one start are added in table order, so sums never vary.
        regions.sort_by_key(|&(start, _)| start);
        tracks.push(ChromTrack {
            chrom: chrom.to_owned(),
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

/// Writes a track as `scores.bedGraph` and, where the lengths of all chromosomes are known, as
/// `scores.bw`; returns the names of the files. In the bedGraph runs of equal values are one line;
/// values are f32 in the shortest decimal that reads back as the same.
///
/// # Errors
/// When a file cannot be written.
pub fn write_tracks(
    tracks: &[ChromTrack],
    sizes: Option<&[(String, u32)]>,
    mut file: impl FnMut(&str) -> PathBuf,
) -> Result<Vec<String>, SharprError> {
    let mut names = vec!["scores.bedGraph".to_owned()];
    let path = file(&names[0]);
    let mut text = Vec::new();
    for track in tracks {
        write_bedgraph(&track.chrom, &items(track, true), &mut text);
    }
    write(&path, text)?;
    if let Some(sizes) = sizes {
        names.push("scores.bw".to_owned());
        write_bigwig(tracks, sizes, &file(&names[1]))?;
    }
    Ok(names)
}

/// The track's values, one item a base, or one a run of equal values.
fn items(track: &ChromTrack, join: bool) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for span in &track.spans {
        for (start, &value) in (span.start..).zip(&span.values) {
            match items.last_mut() {
                Some(last) if join && last.end == start && last.value == value => last.end += 1,
                _ => items.push(Item {
                    start,
                    end: start + 1,
                    value,
                }),
            }
        }
    }
    items
}

fn write_bigwig(
    tracks: &[ChromTrack],
    sizes: &[(String, u32)],
    path: &Path,
) -> Result<(), SharprError> {
    let list = sizes.iter().map(|(name, length)| Contig {
        name: name.clone(),
        length: *length,
    });
    // `read_sizes` refuses a name that stands twice, and `lay_on_genome` one that is not there.
    let contigs = Contigs::new(list.collect()).unwrap_or_default();
    let ranks = contigs.ranks();
    let mut writer = BigWigWriter::open(path, &contigs, ZOOM, &Held::default())?;
    let mut encoder = Encoder::new(ZOOM);
    for track in tracks {
        let Some(id) = contigs.id(&track.chrom) else {
            continue;
        };
        let mut encoded = Encoded::default();
        encoder.items(ranks[id as usize], &items(track, false), &mut encoded);
        writer.append(&encoded)?;
    }
    Ok(writer.finish()?)
}
