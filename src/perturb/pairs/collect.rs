use super::window::WindowPairs;

/// What is known of one sequence: means over windows, NaN where there is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct SequencePairs {
    /// Windows that were scored.
    pub windows: usize,
    /// Mean activity, `[task]`.
    pub activity: Vec<f32>,
    /// Over the windows that hold the base, `[base, 4, task]`.
    pub effects: Vec<f32>,
    /// Over the windows that hold both bases, `[base, behind, 4, 4, task]`.
    pub interactions: Vec<f32>,
    /// How many these are, `[base, behind]`.
    pub counts: Vec<u32>,
}

/// Sums over the windows of one sequence.
pub(super) struct Collector {
    distance: usize,
    tasks: usize,
    activity: Vec<f64>,
    effects: Sums,
    interactions: Sums,
}

/// Sums of blocks of values, with how often something was added to each block.
struct Sums {
    block: usize,
    sums: Vec<f64>,
    counts: Vec<u32>,
}

impl Sums {
    fn new(blocks: usize, block: usize) -> Self {
        Self {
            block,
            sums: vec![0.0; blocks * block],
            counts: vec![0; blocks],
        }
    }

    fn add(&mut self, at: usize, values: &[f32]) {
        self.counts[at] += 1;
        let sums = &mut self.sums[at * self.block..][..self.block];
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += f64::from(*value);
        }
    }

    fn means(&self) -> Vec<f32> {
        let blocks = self.sums.chunks_exact(self.block).zip(&self.counts);
        let mean = |(sums, count): (&[f64], &u32)| -> Vec<f32> {
            let of = |sum: &f64| match count {
                0 => f32::NAN,
                n => (sum / f64::from(*n)) as f32 + 0.0,
            };
            sums.iter().map(of).collect()
        };
        blocks.flat_map(mean).collect()
    }
}

impl Collector {
    pub fn new(length: usize, distance: usize, tasks: usize) -> Self {
        Self {
            distance,
            tasks,
            activity: vec![0.0; tasks],
            effects: Sums::new(length, 4 * tasks),
            interactions: Sums::new(length * distance, 16 * tasks),
        }
    }

    /// Adds the window that begins at `start`.
    pub fn add(&mut self, start: usize, window: &WindowPairs) {
        for (sum, value) in self.activity.iter_mut().zip(&window.activity) {
            *sum += f64::from(*value);
        }
        let effects = window.effects.chunks_exact(4 * self.tasks);
        let length = effects.len();
        for (i, effects) in effects.enumerate() {
            self.effects.add(start + i, effects);
        }
        let pairs = window.interactions.chunks_exact(16 * self.tasks);
        for (n, pairs) in pairs.enumerate() {
            let (i, d) = (n / self.distance, n % self.distance);
            if i + 1 + d < length {
                self.interactions
                    .add((start + i) * self.distance + d, pairs);
            }
        }
    }

    /// The means.
    pub fn finish(self, windows: usize) -> SequencePairs {
        let mean = |sum: &f64| (sum / windows as f64) as f32 + 0.0;
        SequencePairs {
            windows,
            activity: self.activity.iter().map(mean).collect(),
            effects: self.effects.means(),
            interactions: self.interactions.means(),
            counts: self.interactions.counts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_over_the_windows_that_hold_both() {
        // Windows of 3 bases at 0 and 1 of 4 bases, one task, distance 2; the second has twice the values.
        let window = |scale: f32| WindowPairs {
            activity: vec![scale],
            effects: (0..12).map(|n| scale * n as f32).collect(),
            interactions: (0..96).map(|n| scale * n as f32).collect(),
        };
        let mut collector = Collector::new(4, 2, 1);
        collector.add(0, &window(1.0));
        collector.add(1, &window(2.0));
        let found = collector.finish(2);
        assert_eq!(found.activity, [1.5]);
        // Base 0 is in the first alone, base 1 in both, base 3 in the second.
        assert_eq!(found.effects[3], 3.0);
        assert_eq!(found.effects[4], (4.0 + 2.0 * 0.0) / 2.0);
        assert_eq!(found.effects[12], 2.0 * 8.0);
        assert_eq!(found.counts, [1, 1, 2, 1, 1, 0, 0, 0]);
        let pair = |i: usize, d: usize| found.interactions[(i * 2 + d) * 16 + 5];
        assert_eq!(pair(0, 0), 5.0);
        assert_eq!(pair(0, 1), 21.0);
        // Bases 1 and 2: places 1 and 0 of the windows.
        assert_eq!(pair(1, 0), (37.0 + 2.0 * 5.0) / 2.0);
        assert_eq!(pair(1, 1), 2.0 * 21.0);
        assert_eq!(pair(2, 0), 2.0 * 37.0);
        assert!(pair(2, 1).is_nan() && pair(3, 0).is_nan());
    }
}
