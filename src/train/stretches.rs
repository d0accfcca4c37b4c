use std::collections::HashSet;

use ndarray::Array3;

use super::{Examples, Objective, Reading, TrainError};
use crate::dataset::Split;
use crate::encode::UNKNOWN;
use crate::genome::{ContigId, Fasta, GenomeError, Interval, Regions};
use crate::stats::Random;

/// Where stretches of a genome come from.
pub struct StretchSource<'a> {
    /// The genome.
    pub fasta: &'a Fasta,
    /// Regions, or whole contigs.
    pub regions: &'a Regions,
    /// Draw so many stretches at random places within the regions; otherwise regions are cut into
    /// stretches from their starts on.
    pub random: Option<usize>,
    /// Bases of a stretch.
    pub bases: usize,
    /// Bases of a window.
    pub window: usize,
    /// Bases from one window's start to the next's.
    pub step: usize,
    /// Contigs of the validation side.
    pub validation: &'a [String],
    /// Contigs of the test side; all others are for training.
    pub test: &'a [String],
    /// Number that decides random choices.
    pub seed: u64,
}

/// Mutated copies of training sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Mutants {
    /// Copies of each training sequence.
    pub copies: usize,
    /// Fewest changed bases of a copy.
    pub fewest: usize,
    /// Most changed bases of a copy; each number between is equally likely.
    pub most: usize,
}

/// Places tried for each random stretch before giving up: most of a genome may be unknown.
const TRIES: usize = 1_000;

/// Cuts stretches out of a genome, their labels missing; also says how many were left out because a base is
/// unknown or the region is shorter than a stretch. Every stretch is known whole; equal sequences are
/// taken once.
///
/// # Errors
/// When the FASTA cannot be read, or [`TrainError::Setting`] when no stretch is found.
pub fn stretches(
    source: &StretchSource<'_>,
    tasks: Vec<String>,
) -> Result<(Examples, usize), crate::Error> {
    let StretchSource {
        bases,
        window,
        step,
        ..
    } = *source;
    let mut out = Examples {
        tasks,
        columns: bases,
        windows: (bases - window) / step + 1,
        step,
        reading: Reading::Windows,
        objective: Objective::Values,
        codes: Vec::new(),
        labels: Array3::zeros((0, 0, 0)),
        reversed: None,
        weights: Vec::new(),
        sides: Vec::new(),
        parent: Vec::new(),
        shift: 0,
    };
    let mut reader = source.fasta.reader()?;
    let mut seen = HashSet::new();
    let mut left_out = 0;
    let mut take = |contig: ContigId, start: u32| -> Result<bool, GenomeError> {
        let from = out.codes.len();
        reader.fetch(contig, i64::from(start), bases, &mut out.codes)?;
        let codes = &out.codes[from..];
        if codes.contains(&UNKNOWN) || !seen.insert(codes.to_vec()) {
            out.codes.truncate(from);
            return Ok(false);
        }
        let name = &source.fasta.contigs().get(contig).name;
        out.sides.push(if source.validation.contains(name) {
            Split::Validation
        } else if source.test.contains(name) {
            Split::Test
        } else {
            Split::Train
        });
        out.weights.push(1.0);
        out.parent.push(None);
        Ok(true)
    };
    let starts = |bases_of: Interval| (bases_of.len() as usize + 1).saturating_sub(bases);
    match source.random {
        None => {
            for region in &source.regions.scorable {
                let whole = region.bases.len() as usize / bases;
                left_out += usize::from(whole == 0);
                for k in 0..whole {
                    let start = region.bases.start() + (k * bases) as u32;
                    left_out += usize::from(!take(region.contig, start)?);
                }
            }
        }
        Some(wanted) => {
            let mut ends = Vec::new();
            let mut total = 0;
            for region in &source.regions.scorable {
                total += starts(region.bases);
                ends.push(total);
            }
            let mut random = Random::at(source.seed, &[0x57e7]);
            let mut found = 0;
            for _ in 0..wanted.saturating_mul(TRIES) {
                if found == wanted || total == 0 {
                    break;
                }
                let at = random.index(total);
                let i = ends.partition_point(|&end| end <= at);
                let region = &source.regions.scorable[i];
                let offset = at - (ends[i] - starts(region.bases));
                match take(region.contig, region.bases.start() + offset as u32)? {
                    true => found += 1,
                    false => left_out += 1,
                }
            }
        }
    }
    if out.is_empty() {
        return Err(
            TrainError::Setting(format!("no stretch of {bases} known bases was found")).into(),
        );
    }
    out.labels = out.without_labels(out.len());
    Ok((out, left_out))
}

impl Mutants {
    /// Appends the mutated copies. Labels, of all sequences, are missing then. Of every training sequence, each with some bases
    /// (at different, random positions) changed to another.
    pub fn append(&self, examples: &mut Examples, seed: u64) {
        let originals = examples.originals(Split::Train);
        for copy in 0..self.copies {
            for &i in &originals {
                let mut random = Random::at(seed, &[0x3a7a, copy as u64, u64::from(i)]);
                let mut codes = examples.sequence(i as usize).to_vec();
                let most = self.most.min(codes.len());
                let fewest = self.fewest.min(most);
                let changes = fewest + random.index(most - fewest + 1);
                let mut places: Vec<usize> = (0..codes.len()).collect();
                for k in 0..changes {
                    let other = k + random.index(places.len() - k);
                    places.swap(k, other);
                    let code = &mut codes[places[k]];
                    if *code < UNKNOWN {
                        *code = (*code + 1 + random.index(3) as u8) % 4;
                    }
                }
                examples.codes.extend_from_slice(&codes);
                examples.weights.push(1.0);
                examples.sides.push(Split::Train);
                examples.parent.push(Some(i));
            }
        }
        examples.labels = examples.without_labels(examples.len());
        examples.reversed = None;
    }
}
