use ndarray::Array2;

use super::{Engine, Scores, Stretch, Want};
use crate::encode::{UNKNOWN, reverse_complement};
use crate::genome::{Interval, Lattice};
use crate::model::ModelError;

/// Runs an engine on sequences that lie on no contig: all windows wholly inside one, the first at its
/// first base. One a thread.
#[derive(Clone, Debug)]
pub struct SequenceWindows {
    lattice: Lattice,
    codes: Vec<u8>,
    scores: Scores,
}

impl SequenceWindows {
    /// `None` unless `1 <= step <= window`.
    pub fn new(window: u32, step: u32) -> Option<Self> {
        Some(Self {
            lattice: Lattice::genome(window, step)?,
            codes: Vec::new(),
            scores: Scores::default(),
        })
    }

    /// The same windows, scored with up to so many unknown bases.
    pub fn allowing(self, most_unknown: u32) -> Self {
        Self {
            lattice: self.lattice.allowing(most_unknown),
            ..self
        }
    }

    /// How many windows lie wholly inside a sequence of so many bases.
    pub fn count(&self, length: usize) -> usize {
        let (window, step) = (self.lattice.window(), self.lattice.stride());
        match length.checked_sub(window as usize) {
            Some(more) => more / step as usize + 1,
            None => 0,
        }
    }

    /// Activities `[window, task]` of the windows of a sequence of base codes, or of the reverse
    /// complement of the bases that these windows cover, in the order of that strand.
    ///
    /// # Errors
    /// When the model fails, or a window has so many unknown bases that it is not scored.
    pub fn run(
        &mut self,
        engine: &mut dyn Engine,
        codes: &[u8],
        reverse: bool,
    ) -> Result<&Array2<f32>, ModelError> {
        let windows = self.count(codes.len());
        self.score(engine, codes, reverse, Want::Activity)?;
        match self.scores.windows.len() == windows {
            true => Ok(&self.scores.activities),
            false => Err(ModelError::Run(format!(
                "{} of {windows} windows were scored",
                self.scores.windows.len()
            ))),
        }
    }

    /// What `want` asks for of those windows of a sequence that are scored; bases are counted from the first
    /// one of the sequence, or of the reverse complement. Where importance or effects are wanted, only
    /// windows without an unknown base are scored, so that none reaches past the sequence.
    ///
    /// # Errors
    /// When the model fails, or the sequence is shorter than a window.
    pub fn score(
        &mut self,
        engine: &mut dyn Engine,
        codes: &[u8],
        reverse: bool,
        want: Want,
    ) -> Result<&mut Scores, ModelError> {
        let (window, step) = (self.lattice.window(), self.lattice.stride());
        let windows = self.count(codes.len());
        if windows == 0 {
            return Err(ModelError::Run(format!(
                "a sequence of {} bases holds no window of {window}",
                codes.len()
            )));
        }
        // The engines score lattices on contigs: the sequence lies at a multiple of the step, far
        // enough from 0, with unknown bases around it that no window of its own reaches.
        let first = window * step;
        let centre = first + self.lattice.centre_offset();
        let used = (windows - 1) * step as usize + window as usize;
        let (wanted, lattice) = match want {
            Want::Activity => {
                let centres = Interval::new(centre, centre + windows as u32 * step);
                (centres, self.lattice)
            }
            _ => {
                let bases = Interval::new(first, first + used as u32);
                (bases, self.lattice.allowing(0))
            }
        };
        let wanted = [wanted.unwrap_or_default()];
        let (origin, len) = Stretch::needs(window, &wanted);
        self.codes.clear();
        self.codes.resize(len, UNKNOWN);
        let at = (i64::from(first) - origin) as usize;
        let place = &mut self.codes[at..at + used];
        // Of a longer sequence the rest belongs to no window, on either strand.
        match reverse {
            false => place.copy_from_slice(&codes[..used]),
            true => reverse_complement(&codes[..used], place),
        }
        let stretch = Stretch {
            lattice,
            codes: &self.codes,
            origin,
            wanted: &wanted,
        };
        engine.score(&stretch, want, &mut self.scores)?;
        Ok(&mut self.scores)
    }
}

#[cfg(test)]
mod tests {
    use super::super::FullEngine;
    use super::*;
    use crate::model::Predict;

    /// The place-weighted sum of the codes of a window: every window has its own.
    struct Sum(usize);

    impl Predict for Sum {
        fn window(&self) -> usize {
            self.0
        }

        fn tasks(&self) -> usize {
            1
        }

        fn predict(&mut self, windows: &[u8], activities: &mut [f32]) -> Result<(), ModelError> {
            for (window, out) in windows.chunks_exact(self.0).zip(activities) {
                *out = value(window);
            }
            Ok(())
        }
    }

    fn value(window: &[u8]) -> f32 {
        let places = window.iter().enumerate();
        places.map(|(i, &c)| (i as f32 + 1.0) * f32::from(c)).sum()
    }

    #[test]
    fn windows_of_both_strands_equal_their_slices() {
        let codes: Vec<u8> = (0..47u32).map(|i| (i * i % 7 % 4) as u8).collect();
        for (window, step, length) in [(10, 3, 47), (10, 10, 30), (10, 1, 10), (7, 4, 20)] {
            let mut engine = FullEngine::new(Sum(window), 4);
            let mut runner = SequenceWindows::new(window as u32, step as u32).unwrap();
            let codes = &codes[..length];
            for reverse in [false, true] {
                let found = runner.run(&mut engine, codes, reverse).unwrap().clone();
                let used = (runner.count(length) - 1) * step + window;
                let mut strand = codes[..used].to_vec();
                if reverse {
                    reverse_complement(&codes[..used], &mut strand);
                }
                let expected: Vec<f32> = (0..=used - window)
                    .step_by(step)
                    .map(|at| value(&strand[at..at + window]))
                    .collect();
                assert_eq!(found.into_raw_vec_and_offset().0, expected);
            }
            assert!(
                runner
                    .run(&mut engine, &codes[..window - 1], false)
                    .is_err()
            );
        }
        assert!(SequenceWindows::new(5, 6).is_none());
    }
}
