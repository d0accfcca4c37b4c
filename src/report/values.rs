//! What the folder of a main job holds: rows of `regions.tsv`, and tracks.

use std::path::Path;

use super::ReportError;
use super::table::View;
use crate::attribution::OF_BASES;
use crate::genome::Interval;
use crate::tracks::{Reader, Scores};

/// A row of regions.tsv.
#[derive(Clone, Debug)]
pub(super) struct Region {
    pub contig: String,
    pub bases: Interval,
    pub name: String,
}

/// Tracks of a task, those that there are.
pub(super) struct Tracks {
    pub activity: Option<Scores>,
    pub importance: Option<Scores>,
}

/// The rows of regions.tsv.
pub(super) fn regions(view: &View) -> Vec<Region> {
    let texts = |name: &str| {
        view.texts(name)
            .unwrap_or_else(|| vec![String::new(); view.rows])
    };
    let (contigs, names) = (texts("contig"), texts("name"));
    let number = |text: &String| text.parse::<u32>().unwrap_or(0);
    let (starts, ends) = (texts("start"), texts("end"));
    (contigs.into_iter().zip(names).zip(starts.iter().zip(&ends)))
        .map(|((contig, name), (start, end))| Region {
            contig,
            name,
            bases: Interval::new(number(start), number(end)).unwrap_or_default(),
        })
        .collect()
}

/// Regions up to the ends of their contigs, as far as tracks know them: what a table says may be anything.
pub(super) fn clipped(regions: Vec<Region>, tracks: &[Tracks]) -> Vec<Region> {
    let scores = tracks.iter().flat_map(|t| [&t.activity, &t.importance]);
    let scores: Vec<&Scores> = scores.flatten().collect();
    if scores.is_empty() {
        return regions;
    }
    let length = |contig: &str| {
        let of = |s: &&Scores| s.contigs.id(contig).map(|id| s.contigs.get(id).length);
        scores.iter().filter_map(of).max()
    };
    let clip = |region: Region| match length(&region.contig) {
        Some(end) if end < region.bases.end() => Region {
            bases: Interval::new(region.bases.start(), end).unwrap_or_default(),
            ..region
        },
        Some(_) => region,
        None => Region {
            bases: Interval::default(),
            ..region
        },
    };
    regions.into_iter().map(clip).collect()
}

/// Contigs and bases of the rows.
pub(super) fn places(view: &View) -> Vec<(String, Interval)> {
    regions(view)
        .into_iter()
        .map(|r| (r.contig, r.bases))
        .collect()
}

pub(super) fn tracks(folder: &Path, task: &str) -> Result<Tracks, ReportError> {
    let open = |kind: &str| -> Result<Option<Scores>, ReportError> {
        for ending in ["bw", "bedGraph"] {
            let path = folder.join(format!("{task}.{kind}.{ending}"));
            if path.exists() {
                return Ok(Some(Scores::open(task, &path, None)?));
            }
        }
        Ok(None)
    };
    Ok(Tracks {
        activity: open("activity")?,
        importance: match OF_BASES
            .into_iter()
            .map(open)
            .find(|found| !matches!(found, Ok(None)))
        {
            Some(found) => found?,
            None => None,
        },
    })
}

/// Reads a stretch of a track, NaN where it has no value.
pub(super) fn read(
    (scores, reader): (&Scores, &mut Reader<'_>),
    contig: &str,
    bases: Interval,
    out: &mut Vec<f32>,
) -> Result<(), ReportError> {
    match scores.contigs.id(contig) {
        Some(id) => reader.fill(id, bases, out)?,
        None => {
            out.clear();
            out.resize(bases.len() as usize, f32::NAN);
        }
    }
    Ok(())
}
