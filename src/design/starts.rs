//! Sequences that designs begin with.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::DesignError;
use crate::Error;
use crate::genome::{
    Aliases, BedRules, BedSource, ContigId, Contigs, Fasta, Interval, region_bases,
};
use crate::input::bed;
use crate::labelled::Sequences;
use crate::stats::Random;

/// Where they come from.
#[derive(Clone, Debug)]
pub enum Starts {
    /// A FASTA, or a table with a header.
    Sequences {
        /// The file; `-` is standard input.
        path: PathBuf,
        /// The table's column of sequences; `sequence` when `None`.
        sequence_column: Option<String>,
        /// The table's column of names; `name` or `id` when `None`, where there is one.
        name_column: Option<String>,
    },
    /// Regions of a genome, on its forward strand.
    Regions {
        /// The rows.
        bed: BedSource,
        /// The genome.
        fasta: PathBuf,
        /// Other names of contigs.
        aliases: Aliases,
        /// Which rows, and how large.
        rows: BedRules,
        /// Write a missing index beside the FASTA.
        write_index: bool,
    },
    /// Bases drawn at random, one independent of the others.
    Random {
        /// How many sequences.
        count: u32,
        /// Bases of each; the model's window when `None`.
        length: Option<u32>,
        /// The chance of G or C at a base.
        gc: f64,
    },
}

/// A sequence that a design begins with.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub name: String,
    pub codes: Vec<u8>,
    /// Stretches that stay, by `--keep-bed`.
    pub keep: Vec<Range<usize>>,
    /// Where it lies, of a region.
    place: Option<(ContigId, Interval)>,
    /// Why there is no sequence, of a region.
    pub status: Option<&'static str>,
}

/// Reads all of them; `genome` is opened where there is one.
pub(super) fn read(
    starts: &Starts,
    (window, seed): (usize, u64),
    keep: Option<&Path>,
) -> Result<(Vec<Start>, Option<Fasta>), Error> {
    let mut genome = None;
    let mut all = match starts {
        Starts::Sequences {
            path,
            sequence_column,
            name_column,
        } => {
            let sequence = sequence_column.as_deref();
            let mut source = Sequences::open(path, sequence, name_column.as_deref())?;
            let mut all = Vec::new();
            while let Some(piece) = source.next_piece()? {
                all.extend(
                    piece
                        .sequences
                        .into_iter()
                        .map(|(name, codes)| plain(name, codes)),
                );
            }
            all
        }
        Starts::Regions {
            bed,
            fasta,
            aliases,
            rows,
            write_index,
        } => {
            let fasta = Fasta::open(fasta, *write_index)?;
            let regions = region_bases(bed, &fasta, aliases, *rows, 0)?;
            let all = regions.into_iter().map(|region| Start {
                place: region.place.and_then(|(contig, from)| {
                    let from = u32::try_from(from).ok()?;
                    Some((contig, Interval::new(from, from + region.own.len() as u32)?))
                }),
                status: Some(region.status.as_str()).filter(|_| region.place.is_none()),
                ..plain(region.name, region.codes)
            });
            let all = all.collect();
            genome = Some((fasta, aliases));
            all
        }
        Starts::Random { count, length, gc } => {
            let length = length.map_or(window, |n| n as usize);
            let one = |i: u32| {
                // Not the stream of annealing.
                let mut random = Random::new(seed, u64::from(i), 1);
                let mut base = || {
                    let strong = random.uniform() < *gc;
                    match (strong, random.uniform() < 0.5) {
                        (false, first) => 3 * u8::from(!first),
                        (true, first) => 1 + u8::from(!first),
                    }
                };
                plain(
                    format!("random_{}", i + 1),
                    (0..length).map(|_| base()).collect(),
                )
            };
            (0..*count).map(one).collect()
        }
    };
    if all.is_empty() {
        let name = match starts {
            Starts::Sequences { path, .. } => path.display().to_string(),
            Starts::Regions { bed, .. } => bed.name(),
            Starts::Random { .. } => "--random 0".into(),
        };
        return Err(DesignError::NoStart(name).into());
    }
    if let Some(path) = keep {
        let contigs = genome
            .as_ref()
            .map(|(f, aliases)| (f.contigs().as_ref(), *aliases));
        keep_rows(path, &mut all, contigs)?;
    }
    Ok((all, genome.map(|(fasta, _)| fasta)))
}

fn plain(name: String, codes: Vec<u8>) -> Start {
    Start {
        name,
        codes,
        keep: Vec::new(),
        place: None,
        status: None,
    }
}

/// Reads what stays: stretches of sequences by name, or of the genome.
fn keep_rows(
    path: &Path,
    starts: &mut [Start],
    genome: Option<(&Contigs, &Aliases)>,
) -> Result<(), DesignError> {
    let mut names: HashMap<String, Vec<usize>> = HashMap::new();
    for (i, start) in starts.iter().enumerate() {
        names.entry(start.name.clone()).or_default().push(i);
    }
    let mut lines = bed::open(path)?;
    while let Some(line) = lines.next_bytes()? {
        let Some(fields) = bed::Fields::of(line) else {
            continue;
        };
        let row = fields.row().map_err(|why| (why.problem, why.expected));
        let row = match row {
            Ok(row) => (
                String::from_utf8_lossy(row.contig).into_owned(),
                row.start,
                row.end,
            ),
            Err((problem, expected)) => return Err(lines.error(problem, expected).into()),
        };
        let (contig, from, to) = row;
        let mut used = false;
        match genome {
            Some((contigs, aliases)) => {
                let id = aliases.resolve(&contig, contigs);
                let span = Interval::new(from, to).unwrap_or_default();
                for start in starts.iter_mut() {
                    let Some((_, bases)) = start.place.filter(|(on, _)| Some(*on) == id) else {
                        continue;
                    };
                    if let Some(both) = bases.intersect(span) {
                        start.keep.push(both.indices_from(bases.start()));
                        used = true;
                    }
                }
            }
            None => {
                for &i in names.get(&contig).into_iter().flatten() {
                    let start = &mut starts[i];
                    if (from as usize) < start.codes.len() {
                        start.keep.push(from as usize..to as usize);
                        used = true;
                    }
                }
            }
        }
        if !used {
            return Err(DesignError::KeepRow {
                path: path.display().to_string(),
                line: lines.number(),
                contig,
                start: from,
                end: to,
            });
        }
    }
    Ok(())
}
