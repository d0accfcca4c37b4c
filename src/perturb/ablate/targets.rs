use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;

use super::super::PerturbError;
use super::super::items::{Item, Status};
use crate::Error;
use crate::encode::UNKNOWN;
use crate::input::{InputError, bed};
use crate::job::RunInfo;
use crate::motifs::{Scanner, read_motifs};

/// What is taken away.
#[derive(Clone, Debug)]
pub enum Targets {
    /// Intervals of a BED, whose first column names a sequence or region; counted from its first base.
    Intervals(PathBuf),
    /// Hits of known motifs in the sequences, on both strands.
    Hits {
        /// Motifs in MEME's minimal format.
        motifs: PathBuf,
        /// The largest p-value of a hit, of random words with equal shares of the bases.
        most_p: f64,
    },
}

/// Whether there is a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetStatus {
    Ok,
    /// No sequence has the name.
    UnknownSequence,
    /// It reaches past the sequence's end.
    PastEnd,
    /// Start equals end.
    Empty,
    /// Its sequence has no window that is scored.
    NotScored,
    /// No scored window holds a base of it.
    NoWindow,
    /// None of its bases is known.
    UnknownBases,
}

impl TargetStatus {
    pub const ALL: [Self; 7] = [
        Self::Ok,
        Self::UnknownSequence,
        Self::PastEnd,
        Self::Empty,
        Self::NotScored,
        Self::NoWindow,
        Self::UnknownBases,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::UnknownSequence => "unknown_sequence",
            Self::PastEnd => "past_end",
            Self::Empty => "empty",
            Self::NotScored => "sequence_not_scored",
            Self::NoWindow => "no_window",
            Self::UnknownBases => "unknown_bases",
        }
    }
}

/// A stretch of a sequence.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Name of the sequence, as given.
    pub sequence: String,
    /// Its row.
    pub item: Option<usize>,
    /// From the sequence's own first base, as given.
    pub given: (u32, u32),
    /// The same in its codes.
    pub bases: Range<usize>,
    /// Name of the interval or motif.
    pub name: Option<String>,
    /// Strand and p-value of a hit.
    pub hit: Option<(char, f64)>,
    pub status: TargetStatus,
}

impl Targets {
    /// Adds the file to what was read; gives the p-value.
    pub(super) fn note(&self, run: &mut RunInfo) -> Option<f64> {
        match self {
            Self::Intervals(path) => {
                run.input("intervals", path);
                None
            }
            Self::Hits { motifs, most_p } => {
                run.input("motifs", motifs);
                Some(*most_p)
            }
        }
    }
}

/// First bases of the scored windows of a sequence that hold one of these.
pub(super) fn windows<'a>(
    item: &'a Item,
    bases: &Range<usize>,
    window: usize,
) -> impl ExactSizeIterator<Item = usize> + Clone + use<'a> {
    let from = item.starts.partition_point(|s| s + window <= bases.start);
    let to = item.starts.partition_point(|s| *s < bases.end);
    item.starts[from.min(to)..to].iter().copied()
}

/// Finds what is taken away, in the order of the BED, or of the sequences.
///
/// # Errors
/// When the file cannot be read, or there is nothing.
pub(super) fn find(targets: &Targets, items: &[Item], window: usize) -> Result<Vec<Target>, Error> {
    let mut found = match targets {
        Targets::Intervals(path) => {
            let mut rows: HashMap<&str, usize> = HashMap::new();
            for (row, item) in items.iter().enumerate() {
                rows.entry(&item.name).or_insert(row);
            }
            let mut found = Vec::new();
            let mut lines = bed::open(path)?;
            while let Some(line) = lines.next_bytes()? {
                let Some(fields) = bed::Fields::of(line) else {
                    continue;
                };
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let row = fields.row().map(|row| {
                    let name = row.name.map(text);
                    (text(row.contig), (row.start, row.end), name)
                });
                let (sequence, given, name) = row.map_err(|why| InputError::Line {
                    path: path.clone(),
                    line: lines.number(),
                    problem: why.problem,
                    expected: why.expected.into(),
                })?;
                let item = rows.get(sequence.as_str()).copied();
                found.push(Target {
                    sequence,
                    item,
                    given,
                    bases: 0..0,
                    name,
                    hit: None,
                    status: TargetStatus::UnknownSequence,
                });
            }
            found
        }
        Targets::Hits { motifs, most_p } => {
            if !(*most_p > 0.0 && *most_p <= 1.0) {
                let text = "--hit-p lies above 0, and is at most 1".into();
                return Err(PerturbError::Setting(text).into());
            }
            let motifs = read_motifs(motifs)?;
            let scanner = Scanner::new(&motifs, [0.25; 4], *most_p);
            let mut found = Vec::new();
            for (row, item) in items.iter().enumerate() {
                let mut hits = scanner.hits(&item.codes[item.own.clone()]);
                hits.sort_by_key(|hit| (hit.start, hit.end, hit.motif, hit.reverse));
                found.extend(hits.into_iter().map(|hit| {
                    let motif = &motifs[hit.motif];
                    Target {
                        sequence: item.name.clone(),
                        item: Some(row),
                        given: (hit.start as u32, hit.end as u32),
                        bases: 0..0,
                        name: Some(match motif.other_name.is_empty() {
                            true => motif.name.clone(),
                            false => format!("{} {}", motif.name, motif.other_name),
                        }),
                        hit: Some((if hit.reverse { '-' } else { '+' }, hit.p)),
                        status: TargetStatus::Ok,
                    }
                }));
            }
            found
        }
    };
    if found.is_empty() {
        let text = match targets {
            Targets::Intervals(path) => format!("{} holds no interval", path.display()),
            Targets::Hits { motifs, most_p } => {
                format!(
                    "no motif of {} has a hit with p at most {most_p}",
                    motifs.display()
                )
            }
        };
        return Err(PerturbError::Setting(text).into());
    }
    for target in &mut found {
        if let Some(row) = target.item {
            place(target, &items[row], window);
        }
    }
    let none = found.iter().all(|t| t.status != TargetStatus::Ok);
    if none && let Some(first) = found.first() {
        let (start, end) = first.given;
        return Err(PerturbError::Setting(format!(
            "none of the {} intervals can be ablated; the first, {} {start}-{end}: {} \
             (intervals name a sequence or region and count from its first base)",
            found.len(),
            first.sequence,
            first.status.as_str()
        ))
        .into());
    }
    Ok(found)
}

/// Where a stretch lies, and whether it can be scored.
fn place(target: &mut Target, item: &Item, window: usize) {
    let (start, end) = (target.given.0 as usize, target.given.1 as usize);
    if end > item.own.len() {
        target.status = TargetStatus::PastEnd;
        return;
    }
    target.bases = item.own.start + start..item.own.start + end;
    let unknown = |c: &u8| *c == UNKNOWN;
    target.status = if start == end {
        TargetStatus::Empty
    } else if item.status != Status::Ok {
        TargetStatus::NotScored
    } else if item.codes[target.bases.clone()].iter().all(unknown) {
        TargetStatus::UnknownBases
    } else if windows(item, &target.bases, window).len() == 0 {
        TargetStatus::NoWindow
    } else {
        TargetStatus::Ok
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_have_a_place_or_a_reason() {
        // A region of 6 bases that was widened by 2 on either side; windows of 4, the middle ones not scored.
        let item = Item {
            name: "r".into(),
            codes: vec![0, 1, 2, 4, 4, 1, 2, 3, 0, 1],
            own: 2..8,
            place: None,
            starts: vec![0, 6],
            status: Status::Ok,
        };
        let of = |given: (u32, u32)| {
            let mut target = Target {
                sequence: "r".into(),
                item: Some(0),
                given,
                bases: 0..0,
                name: None,
                hit: None,
                status: TargetStatus::UnknownSequence,
            };
            place(&mut target, &item, 4);
            (target.status.as_str(), target.bases)
        };
        assert_eq!(of((0, 2)), ("ok", 2..4));
        assert_eq!(of((5, 6)), ("ok", 7..8));
        assert_eq!(of((1, 3)), ("unknown_bases", 3..5));
        assert_eq!(of((3, 4)), ("no_window", 5..6));
        assert_eq!(of((3, 3)).0, "empty");
        assert_eq!(of((5, 7)).0, "past_end");
        let starts: Vec<usize> = windows(&item, &(3..7), 4).collect();
        assert_eq!(starts, [0, 6]);
        assert_eq!(windows(&item, &(4..6), 4).len(), 0);
    }
}
