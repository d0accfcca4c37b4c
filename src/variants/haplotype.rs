//! Changes of more than one base: the windows of two haplotypes.

use super::allele::{Change, Skip};
use super::effects::{Calls, Scorer, Windows, centred, gc, moved};
use crate::Error;
use crate::encode::{UNKNOWN, code};
use crate::genome::Interval;
use crate::ism::{Scores, Stretch, Want};

impl Scorer {
    /// Scores a change of more than one base, by the windows of both haplotypes.
    ///
    /// The alternative haplotype is the genome up to the change, the inserted bases, and the genome
    /// from the end of the deleted ones on. Its windows start where the reference's do, so the
    /// change's first base stays in its column, and what is lost or gained moves the bases to its
    /// right.
    pub(super) fn haplotype(
        &mut self,
        genome: &Genome<'_>,
        at: u32,
        change: Change<'_>,
        call: usize,
        out: &mut Calls,
    ) -> Result<(), Error> {
        let window = self.lattice.window();
        let base = Interval::new(at, at + 1).unwrap_or_default();
        let lattice = match self.windows {
            Windows::All => self.lattice,
            Windows::Centre => moved(self.single, centred(at, window)),
        };
        let starts: Vec<i64> = lattice.covering(base).collect();
        let Some(&first) = starts.first() else {
            return Ok(());
        };
        // Local coordinates, in which the first window starts at `shift`: none is negative, and
        // the haplotype has no others.
        let shift = 2 * window;
        let local = moved(lattice, i64::from(shift));
        let centre = shift + local.centre_offset();
        let wanted = [
            Interval::new(centre, centre + starts.len() as u32 * lattice.stride())
                .unwrap_or_default(),
        ];
        let (origin, length) = Stretch::needs(window, &wanted);
        let from = first - i64::from(shift) + origin; // in the genome
        let before = (i64::from(at) - from) as usize;
        let mut score = |scores: &mut Scores, codes: &[u8]| {
            let stretch = Stretch {
                lattice: local,
                codes,
                origin,
                wanted: &wanted,
            };
            self.engine.score(&stretch, Want::Activity, scores)
        };
        score(&mut self.reference, genome.slice(from, length))?;
        let after = i64::from(at) + change.deleted as i64;
        let haplotype = &mut self.haplotype;
        haplotype.clear();
        haplotype.extend_from_slice(genome.slice(from, before));
        haplotype.extend(change.inserted.iter().map(|&l| code(l).unwrap_or(UNKNOWN)));
        haplotype.truncate(length);
        haplotype.extend_from_slice(genome.slice(after, length - haplotype.len()));
        score(&mut self.scores, haplotype)?;

        // Windows that either haplotype leaves with too few known bases count in neither.
        let mut sums = vec![(0.0f64, 0.0f64); self.columns.len()];
        let mut count = 0u32;
        for (i, start) in self.reference.windows.iter().enumerate() {
            let Ok(j) = self.scores.windows.binary_search(start) else {
                continue;
            };
            count += 1;
            let reference = self.reference.activities.row(i);
            let alternative = self.scores.activities.row(j);
            for (sum, &column) in sums.iter_mut().zip(&self.columns) {
                let reference = f64::from(reference[column]);
                sum.0 += reference;
                sum.1 += f64::from(alternative[column]) - reference;
            }
        }
        if count == 0 {
            out.calls[call].skip = Some(Skip::NoWindow);
            return Ok(());
        }
        let count = f64::from(count);
        for (value, sum) in out.references.row_mut(call).into_iter().zip(&sums) {
            *value = (sum.0 / count) as f32;
        }
        for (value, sum) in out.effects.row_mut(call).into_iter().zip(&sums) {
            *value = (sum.1 / count) as f32 + 0.0;
        }
        Ok(())
    }
}

/// A part of a contig.
pub(super) struct Genome<'a> {
    pub codes: &'a [u8],
    pub origin: i64,
}

impl<'a> Genome<'a> {
    /// The base at a position.
    pub fn at(&self, position: i64) -> u8 {
        self.codes[(position - self.origin) as usize]
    }

    /// Bases from a position on.
    pub fn slice(&self, from: i64, length: usize) -> &'a [u8] {
        let from = (from - self.origin) as usize;
        &self.codes[from..from + length]
    }

    /// GC content of a window.
    pub fn gc(&self, from: i64, window: u32) -> f32 {
        gc(self.slice(from, window as usize))
    }
}
