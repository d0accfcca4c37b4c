//! What effects are usual, and how unusual a variant's are.

use super::sample::Sample;

/// A sample made ready for p-values.
#[derive(Debug)]
pub(super) struct Background {
    /// Upper ends of the parts by GC, but for the last.
    edges: Vec<f32>,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    /// |effect|, ascending, for each task.
    sorted: Vec<Vec<f32>>,
    /// The first of the part's levels.
    first: u32,
}

/// A p-value and its number among all that the background can give.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    pub p: f64,
    pub number: u32,
}

impl Background {
    /// Sorts a sample, in parts of equal numbers of bases by GC.
    pub fn new(sample: &Sample, bins: usize) -> Self {
        let tasks = sample.tasks();
        let mut order: Vec<f32> = sample.gc.clone();
        order.sort_unstable_by(f32::total_cmp);
        let mut edges: Vec<f32> = (1..bins).map(|b| order[b * order.len() / bins]).collect();
        edges.dedup();
        let mut parts: Vec<Part> = (0..=edges.len())
            .map(|_| Part {
                sorted: vec![Vec::new(); tasks],
                first: 0,
            })
            .collect();
        for (gc, effects) in sample.gc.iter().zip(sample.effects.outer_iter()) {
            let part = edges.partition_point(|e| e <= gc);
            for effects in effects.rows() {
                for (list, e) in parts[part].sorted.iter_mut().zip(effects) {
                    if !e.is_nan() {
                        list.push(e.abs());
                    }
                }
            }
        }
        let mut first = 0;
        for part in &mut parts {
            part.first = first;
            for list in &mut part.sorted {
                list.sort_unstable_by(f32::total_cmp);
            }
            first += part.size() + 1;
        }
        Self { edges, parts }
    }

    /// How unusual an effect is: the share of the background's that are at least as large, one
    /// added to both counts. `None` for NaN.
    pub fn level(&self, task: usize, gc: f32, effect: f32) -> Option<Level> {
        if effect.is_nan() {
            return None;
        }
        let part = &self.parts[self.edges.partition_point(|e| *e <= gc)];
        let sorted = &part.sorted[task];
        let below = sorted.partition_point(|&b| b < effect.abs());
        let as_large = (sorted.len() - below) as u32;
        Some(Level {
            p: part.p(as_large),
            number: part.first + as_large,
        })
    }

    /// The p-value of each level, by number.
    pub fn p_values(&self) -> Vec<f64> {
        self.parts
            .iter()
            .flat_map(|part| (0..=part.size()).map(|n| part.p(n)))
            .collect()
    }

    /// Changes in the smallest part, and how many parts there are.
    pub fn smallest(&self) -> (u32, usize) {
        let sizes = self.parts.iter().map(Part::size);
        (sizes.min().unwrap_or(0), self.parts.len())
    }
}

impl Part {
    fn size(&self) -> u32 {
        self.sorted.first().map_or(0, |l| l.len() as u32)
    }

    fn p(&self, as_large: u32) -> f64 {
        f64::from(as_large + 1) / f64::from(self.size() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::sample;
    use super::*;

    #[test]
    fn p_values_are_shares_of_the_background() {
        let all = Background::new(&sample(), 1);
        let p = |b: &Background, gc, effect| b.level(0, gc, effect).unwrap().p;
        assert_eq!(p(&all, 0.5, 5.0), 1.0 / 301.0);
        assert_eq!(p(&all, 0.5, -2.99), 2.0 / 301.0);
        assert_eq!(p(&all, 0.5, 0.0), 1.0);
        assert_eq!(p(&all, f32::NAN, 2.505), 50.0 / 301.0);
        assert!(all.level(0, 0.5, f32::NAN).is_none());
        // Two parts: 150 changes each, the lower with |effects| below 1.5.
        let two = Background::new(&sample(), 2);
        assert_eq!(two.smallest(), (150, 2));
        assert_eq!(p(&two, 0.1, 1.6), 1.0 / 151.0);
        assert_eq!(p(&two, 0.5, 1.505), 150.0 / 151.0);
        let levels = two.p_values();
        for (gc, effect) in [(0.1, 0.3), (0.9, 0.3), (0.9, 2.0), (0.2, 9.0)] {
            let level = two.level(0, gc, effect).unwrap();
            assert_eq!(levels[level.number as usize], level.p);
        }
        assert_eq!(levels.len(), 302);
    }
}
