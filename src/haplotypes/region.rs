//! What the samples carry in one region, as distinct sequences.

use std::collections::{BTreeMap, HashMap};

use super::apply::{Change, apply};
use super::calls::MISSING;
use super::place::Place;
use super::record::Variant;
use super::stream::Job;

/// Why a sample has no haplotypes in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Refused {
    /// A heterozygous genotype is not phased.
    Unphased,
    /// Heterozygous genotypes are of several phase sets.
    PhaseSets,
    /// Genotypes have different numbers of alleles.
    PloidyDiffers,
}

impl Refused {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unphased => "unphased",
            Self::PhaseSets => "phase_sets",
            Self::PloidyDiffers => "ploidy_differs",
        }
    }
}

/// One chromosome of a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Haplotype {
    /// Number of its sequence among the distinct ones; nothing where too much is deleted.
    pub sequence: Option<usize>,
    /// Variants that are in the sequence.
    pub carried: usize,
    /// Alleles that it carries and that conflict with an earlier one.
    pub conflicts: usize,
    /// Alleles that it carries and that cannot be used.
    pub unusable: usize,
    /// Alleles that are not known, taken for the reference.
    pub missing: usize,
}

/// A sequence that some chromosomes have.
#[derive(Clone, Debug, Default)]
pub(super) struct Distinct {
    pub codes: Vec<u8>,
    /// Chromosomes that have it.
    pub count: usize,
    /// The changes of the first of them, `(variant, allele)`.
    pub changes: Vec<(usize, usize)>,
}

/// A region, told apart.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Of each chosen sample.
    pub samples: Vec<Result<Vec<Haplotype>, Refused>>,
    /// The reference first.
    pub distinct: Vec<Distinct>,
    /// Alleles that were not made: `(variant, allele, conflict)`, and by how many chromosomes they are carried.
    pub left_out: BTreeMap<(usize, usize, bool), usize>,
}

/// A chromosome's changes, made.
#[derive(Clone)]
struct Made {
    sequence: Option<usize>,
    carried: usize,
    conflicts: Vec<usize>,
}

struct Teller<'a> {
    place: &'a Place,
    variants: &'a [std::sync::Arc<Variant>],
    reference: &'a [u8],
    told: Told,
    by_changes: HashMap<Vec<(usize, usize)>, Made>,
    by_codes: HashMap<Vec<u8>, usize>,
}

/// What each of so many samples carries. `reference` are the bases that the place asks for.
pub(super) fn tell(job: &Job, reference: &[u8], samples: usize, assume_phased: bool) -> Told {
    let mut teller = Teller {
        place: &job.place,
        variants: &job.variants,
        reference,
        told: Told::default(),
        by_changes: HashMap::new(),
        by_codes: HashMap::new(),
    };
    // The reference is a sequence even where nobody has it.
    teller.make(&[]);
    for sample in 0..samples {
        let found = teller.sample(sample, assume_phased);
        teller.told.samples.push(found);
    }
    // Records without any usable allele are told of, whoever carries them.
    for (i, variant) in teller.variants.iter().enumerate() {
        let reached = job.place.start < variant.end && variant.start < job.place.end();
        if variant.skip.is_some() && reached {
            for allele in 1..=variant.changes.len() {
                teller.told.left_out.entry((i, allele, false)).or_default();
            }
        }
    }
    teller.told
}

impl Teller<'_> {
    /// What an allele changes, where it changes anything and can be used.
    fn change(&self, variant: usize, allele: i16) -> Option<&Change> {
        let at = usize::try_from(allele).ok()?.checked_sub(1)?;
        self.variants[variant]
            .changes
            .get(at)?
            .as_ref()
            .ok()?
            .as_ref()
    }

    fn is_unusable(&self, variant: usize, allele: i16) -> bool {
        let at = usize::try_from(allele).ok().and_then(|a| a.checked_sub(1));
        at.is_some_and(|at| self.variants[variant].changes[at].is_err())
    }

    fn sample(&mut self, sample: usize, assume_phased: bool) -> Result<Vec<Haplotype>, Refused> {
        // Bases beside the core come into the sequence only as far as others are deleted.
        let this = &*self;
        let carried = |i: usize| {
            let alleles = this.variants[i].calls.of(sample).iter();
            alleles.filter_map(move |&allele| this.change(i, allele))
        };
        let lost: i64 = (0..self.variants.len())
            .flat_map(carried)
            .map(Change::lost)
            .sum();
        let lost = lost.min(self.place.most_deleted());
        let (from, to) = (self.place.start - lost, self.place.end() + lost);
        let near: Vec<usize> = (0..self.variants.len())
            .filter(|&i| self.variants[i].start < to && from < self.variants[i].end)
            .collect();
        let mut ploidy = None;
        let mut sets: Option<Option<i64>> = None;
        for &i in &near {
            let calls = &self.variants[i].calls;
            let alleles = calls.of(sample);
            if alleles.is_empty() {
                continue;
            }
            if *ploidy.get_or_insert(alleles.len()) != alleles.len() {
                return Err(Refused::PloidyDiffers);
            }
            // Where the order does not matter it need not be known: a missing allele counts as one of its own.
            let made = |a: i16| match a {
                MISSING if self.variants[i].skip.is_none() => Err(()),
                a => Ok(self.change(i, a)),
            };
            let same = alleles.windows(2).all(|two| made(two[0]) == made(two[1]));
            if same || assume_phased {
                continue;
            }
            if !calls.is_phased(sample) {
                return Err(Refused::Unphased);
            }
            if *sets.get_or_insert(calls.set(sample)) != calls.set(sample) {
                return Err(Refused::PhaseSets);
            }
        }
        let chromosomes = 0..ploidy.unwrap_or(2);
        Ok(chromosomes
            .map(|h| self.chromosome(sample, h, &near))
            .collect())
    }

    fn chromosome(&mut self, sample: usize, chromosome: usize, near: &[usize]) -> Haplotype {
        let mut changes = Vec::new();
        let (mut unusable, mut missing) = (0, 0);
        for &i in near {
            let Some(&allele) = self.variants[i].calls.of(sample).get(chromosome) else {
                continue;
            };
            let in_core = self.variants[i].start < self.place.end()
                && self.place.start < self.variants[i].end;
            if allele == MISSING {
                missing += usize::from(in_core);
            } else if self.is_unusable(i, allele) {
                if in_core {
                    unusable += 1;
                    let key = (i, allele as usize, false);
                    *self.told.left_out.entry(key).or_default() += 1;
                }
            } else if self.change(i, allele).is_some() {
                changes.push((i, allele as usize));
            }
        }
        let made = self.make(&changes);
        for &i in &made.conflicts {
            let (variant, allele) = changes[i];
            *self
                .told
                .left_out
                .entry((variant, allele, true))
                .or_default() += 1;
        }
        if let Some(sequence) = made.sequence {
            self.told.distinct[sequence].count += 1;
        }
        Haplotype {
            sequence: made.sequence,
            carried: made.carried,
            conflicts: made.conflicts.len(),
            unusable,
            missing,
        }
    }

    /// Makes changes, unless another chromosome has the same ones.
    fn make(&mut self, changes: &[(usize, usize)]) -> Made {
        if let Some(made) = self.by_changes.get(changes) {
            return made.clone();
        }
        let of = |&(variant, allele): &(usize, usize)| self.change(variant, allele as i16);
        let all: Vec<&Change> = changes.iter().filter_map(of).collect();
        let applied = apply(self.place, self.reference, &all);
        let sequence = applied.codes.map(|codes| match self.by_codes.get(&codes) {
            Some(&number) => number,
            None => {
                let number = self.told.distinct.len();
                self.by_codes.insert(codes.clone(), number);
                self.told.distinct.push(Distinct {
                    codes,
                    count: 0,
                    changes: applied.carried.iter().map(|&i| changes[i]).collect(),
                });
                number
            }
        });
        let made = Made {
            sequence,
            carried: applied.carried.len(),
            conflicts: applied.conflicts,
        };
        self.by_changes.insert(changes.to_vec(), made.clone());
        made
    }
}

#[cfg(test)]
mod tests;
