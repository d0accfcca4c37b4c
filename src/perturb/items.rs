use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::PathBuf;

use super::PerturbError;
use crate::Error;
use crate::encode::UNKNOWN;
use crate::genome::{Aliases, BedSource, Fasta, InvalidPolicy, RegionStatus, region_bases};
use crate::job::{Cancel, RunInfo};
use crate::labelled::Sequences;
use crate::output::{OutputError, Tsv};
use crate::score::ScoreError;

/// Where sequences come from; always their forward strand.
#[derive(Clone, Debug)]
pub enum Source {
    /// A FASTA, or a table with a header.
    Sequences {
        /// The file, `-` for standard input.
        path: PathBuf,
        /// The table's column of sequences; `sequence` when `None`.
        sequence_column: Option<String>,
        /// The table's column of names; `name` or `id` when `None`, where there is one.
        name_column: Option<String>,
    },
    /// Regions of a genome. One that is shorter than a window is widened around its middle to a window's
    /// length, with the genome's bases.
    Regions {
        /// The regions.
        bed: BedSource,
        /// The genome.
        fasta: PathBuf,
        /// How contig names are brought together.
        aliases: Aliases,
    },
}

/// Which windows of a sequence are scored: all lie wholly inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Windows {
    /// The one in its middle.
    Centre,
    /// So many bases apart, the first at the first base.
    Every(u32),
}

impl Windows {
    /// Refuses a stride that does not fit the window.
    pub(super) fn check(self, window: usize) -> Result<(), ScoreError> {
        match self {
            Self::Every(stride) if stride == 0 || stride as usize > window => {
                Err(ScoreError::Stride {
                    stride,
                    window: window as u32,
                })
            }
            _ => Ok(()),
        }
    }

    /// First bases of the windows of a sequence that hold at most so many unknown bases.
    pub(super) fn scored(self, codes: &[u8], window: usize, most_unknown: u32) -> Vec<usize> {
        let Some(last) = codes.len().checked_sub(window) else {
            return Vec::new();
        };
        let unknown = |start: &usize| {
            let codes = &codes[*start..*start + window];
            codes.iter().filter(|c| **c == UNKNOWN).count()
        };
        let fit = |start: &usize| unknown(start) <= most_unknown as usize;
        match self {
            Self::Centre => Some(last / 2).filter(fit).into_iter().collect(),
            Self::Every(stride) => (0..=last).step_by(stride as usize).filter(fit).collect(),
        }
    }

    /// The words for `run.json`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Centre => "centre",
            Self::Every(_) => "mean",
        }
    }

    /// Bases from one window to the next, where there are several.
    pub(super) fn stride(self) -> Option<u32> {
        match self {
            Self::Centre => None,
            Self::Every(stride) => Some(stride),
        }
    }
}

/// Whether a sequence can be scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Status {
    Ok,
    /// Shorter than a window.
    TooShort,
    /// In each of its windows.
    UnknownBases,
    /// A region without a base.
    Empty,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::TooShort => "too_short",
            Self::UnknownBases => "unknown_bases",
            Self::Empty => "empty",
        }
    }
}

/// A sequence to be changed.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub name: String,
    /// Base codes; of a region that was widened with those around it.
    pub codes: Vec<u8>,
    /// The sequence or region itself, in `codes`.
    pub own: Range<usize>,
    /// Of a region: contig and coordinate of the first code.
    pub place: Option<(String, i64)>,
    /// Windows that are scored.
    pub starts: Vec<usize>,
    pub status: Status,
}

/// All sequences of a source, with their windows.
///
/// # Errors
/// When it cannot be read, or none can be scored.
pub(super) fn read(
    source: &Source,
    windows: Windows,
    (window, most_unknown): (usize, u32),
    cancel: &Cancel,
) -> Result<Vec<Item>, Error> {
    windows.check(window)?;
    let (mut items, path): (Vec<Item>, PathBuf) = match source {
        Source::Sequences {
            path,
            sequence_column,
            name_column,
        } => {
            let (sequence, name) = (sequence_column.as_deref(), name_column.as_deref());
            let mut sequences = Sequences::open(path, sequence, name)?;
            let mut items = Vec::new();
            while let Some(piece) = sequences.next_piece()? {
                cancel.check()?;
                items.extend(piece.sequences.into_iter().map(|(name, codes)| Item {
                    name,
                    own: 0..codes.len(),
                    codes,
                    place: None,
                    starts: Vec::new(),
                    status: Status::Ok,
                }));
            }
            (items, path.clone())
        }
        Source::Regions {
            bed,
            fasta,
            aliases,
        } => {
            let fasta = Fasta::open(fasta, false)?;
            let regions = region_bases(bed, &fasta, aliases, InvalidPolicy::Fail, window)?;
            let contig = |id| fasta.contigs().get(id).name.clone();
            let items = regions.into_iter().map(|region| Item {
                name: region.name,
                codes: region.codes,
                own: region.own,
                place: region.place.map(|(id, from)| (contig(id), from)),
                starts: Vec::new(),
                status: match region.status {
                    RegionStatus::Ok => Status::Ok,
                    _ => Status::Empty,
                },
            });
            (items.collect(), bed.name().into())
        }
    };
    for item in &mut items {
        if item.status != Status::Ok {
            continue;
        }
        item.starts = windows.scored(&item.codes, window, most_unknown);
        item.status = match item.codes.len() < window {
            true => Status::TooShort,
            false if item.starts.is_empty() => Status::UnknownBases,
            false => Status::Ok,
        };
    }
    if items.is_empty() {
        return Err(PerturbError::NoSequence(path).into());
    }
    if items.iter().all(|item| item.status != Status::Ok) {
        let why = left_out(&items)
            .iter()
            .map(|(status, count)| format!("{count} {}", status.as_str()))
            .collect::<Vec<_>>()
            .join(", ");
        let count = items.len();
        return Err(PerturbError::NothingScored { count, why }.into());
    }
    Ok(items)
}

/// How many sequences cannot be scored, by reason.
pub(super) fn left_out(items: &[Item]) -> Vec<(Status, u64)> {
    let mut counts = BTreeMap::new();
    for item in items.iter().filter(|item| item.status != Status::Ok) {
        *counts.entry(item.status).or_default() += 1;
    }
    counts.into_iter().collect()
}

impl Source {
    /// Adds the files to what was read.
    pub(super) fn note(&self, run: &mut RunInfo) {
        match self {
            Self::Sequences { path, .. } => run.input("sequences", path),
            Self::Regions { bed, fasta, .. } => {
                run.input("bed", bed.name().as_ref());
                run.inputs
                    .push(crate::job::InputFile::sized("fasta", fasta));
            }
        }
    }
}

/// Letters of base codes.
pub(super) fn letters(codes: &[u8]) -> String {
    let letter = |c: &u8| crate::encode::BASES.get(usize::from(*c)).copied();
    codes.iter().map(|c| letter(c).unwrap_or('N')).collect()
}

/// A FASTA of named sequences.
pub(super) fn fasta<'a>(sequences: impl Iterator<Item = (String, &'a [u8])>) -> String {
    let mut text = String::new();
    for (name, codes) in sequences {
        // Writing to a string cannot fail.
        let _ = writeln!(text, ">{name}\n{}", letters(codes));
    }
    text
}

/// Writes the sequences that cannot be scored, with their reasons; nothing where all can.
pub(super) fn write_left_out(items: &[Item], path: &std::path::Path) -> Result<(), OutputError> {
    let mut table = Tsv::new(&["name", "length", "status"]);
    for item in items.iter().filter(|item| item.status != Status::Ok) {
        table.text(&item.name).count(item.own.len() as u64);
        table.text(item.status.as_str()).end();
    }
    table.write(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_lie_inside_and_hold_known_bases() {
        let codes = [0, 1, 2, 3, 4, 0, 1, 2, 3, 0];
        let every = |stride, unknown| Windows::Every(stride).scored(&codes, 4, unknown);
        assert_eq!(every(1, 0), [0, 5, 6]);
        assert_eq!(every(1, 1), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(every(4, 0), [0]);
        assert_eq!(every(3, 1), [0, 3, 6]);
        assert_eq!(Windows::Centre.scored(&codes, 4, 1), [3]);
        assert!(Windows::Centre.scored(&codes, 4, 0).is_empty());
        assert_eq!(Windows::Centre.scored(&codes, 10, 1), [0]);
        assert!(Windows::Centre.scored(&codes, 11, 9).is_empty());
        assert!(Windows::Every(5).check(4).is_err() && Windows::Every(0).check(4).is_err());
    }
}
