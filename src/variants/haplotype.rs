//! Changes of more than one base: the windows of two haplotypes.

use super::allele::Change;
use super::windows::{Genome, Rules, moved};
use crate::Error;
use crate::encode::{UNKNOWN, code};
use crate::genome::Interval;
use crate::ism::{Engine, Scores, Stretch, Want};

/// Room for the two haplotypes of a change, used again for each.
#[derive(Default)]
pub(super) struct Haplotypes {
    codes: Vec<u8>,
    scores: Scores,
    reference: Scores,
}

impl Haplotypes {
    /// Scores a change of more than one base, by the windows of both haplotypes: for each task the
    /// reference's activity and the effect. `None` where no window is known in both.
    ///
    /// The alternative haplotype is the genome up to the change, the inserted bases, and the genome
    /// from the end of the deleted ones on. Its windows start where the reference's do, so the
    /// change's first base stays in its column, and what is lost or gained moves the bases to its
    /// right.
    ///
    /// # Errors
    /// When the model fails.
    pub fn score(
        &mut self,
        engine: &mut dyn Engine,
        rules: &Rules,
        genome: &Genome<'_>,
        at: u32,
        change: Change<'_>,
    ) -> Result<Option<Vec<(f32, f32)>>, Error> {
        let lattice = rules.around(at);
        let window = lattice.window();
        let base = Interval::new(at, at + 1).unwrap_or_default();
        let starts: Vec<i64> = lattice.covering(base).collect();
        let Some(&first) = starts.first() else {
            return Ok(Some(vec![(f32::NAN, f32::NAN); rules.columns.len()]));
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
            engine.score(&stretch, Want::Activity, scores)
        };
        score(&mut self.reference, genome.slice(from, length))?;
        let after = i64::from(at) + change.deleted as i64;
        let haplotype = &mut self.codes;
        haplotype.clear();
        haplotype.extend_from_slice(genome.slice(from, before));
        haplotype.extend(change.inserted.iter().map(|&l| code(l).unwrap_or(UNKNOWN)));
        haplotype.truncate(length);
        haplotype.extend_from_slice(genome.slice(after, length - haplotype.len()));
        score(&mut self.scores, haplotype)?;

        // Windows that either haplotype leaves with too few known bases count in neither.
        let mut sums = vec![(0.0f64, 0.0f64); rules.columns.len()];
        let mut count = 0u32;
        for (i, start) in self.reference.windows.iter().enumerate() {
            let Ok(j) = self.scores.windows.binary_search(start) else {
                continue;
            };
            count += 1;
            let reference = self.reference.activities.row(i);
            let alternative = self.scores.activities.row(j);
            for (sum, &column) in sums.iter_mut().zip(&rules.columns) {
                let reference = f64::from(reference[column]);
                sum.0 += reference;
                sum.1 += f64::from(alternative[column]) - reference;
            }
        }
        let count = f64::from(count);
        let mean =
            |(reference, effect)| ((reference / count) as f32, (effect / count) as f32 + 0.0);
        Ok((count > 0.0).then(|| sums.into_iter().map(mean).collect()))
    }
}
