use std::collections::HashMap;

use super::Labelled;
use crate::dataset::{Shares, Split};
use crate::stats::Random;

/// How rows come on the sides of the split where their file does not say it.
#[derive(Clone, Debug)]
pub struct Sides {
    /// Contigs of the validation side.
    pub validation: Vec<String>,
    /// Contigs of the test side.
    pub test: Vec<String>,
    /// Where no row lies on any of these contigs: by chance, groups whole.
    pub shares: Shares,
}

/// A tenth for validation and a tenth to test, by chance.
impl Default for Sides {
    fn default() -> Self {
        Self {
            validation: Vec::new(),
            test: Vec::new(),
            shares: Shares {
                validation: 0.1,
                test: 0.1,
                seed: 1,
            },
        }
    }
}

impl Labelled {
    /// Puts rows on sides where the file has no column `split`, and says how: by contig where there is a
    /// column `chrom` that names one of those asked for, else by chance.
    pub fn with_sides(mut self, sides: &Sides) -> Self {
        if self.split.is_some() {
            return self;
        }
        let on = |contigs: &[String], chrom: &String| contigs.contains(chrom);
        let named = |chrom: &String| on(&sides.test, chrom) || on(&sides.validation, chrom);
        if let Some(chroms) = self.chroms.as_ref().filter(|c| c.iter().any(named)) {
            let side = |chrom: &String| match (on(&sides.test, chrom), on(&sides.validation, chrom))
            {
                (true, _) => Split::Test,
                (_, true) => Split::Validation,
                _ => Split::Train,
            };
            self.split = Some(chroms.iter().map(side).collect());
            return self;
        }
        let Shares {
            validation,
            test,
            seed,
        } = sides.shares;
        let mut of_group: HashMap<u32, Split> = HashMap::new();
        let side = |row: usize| {
            let group = self
                .groups
                .as_ref()
                .map_or(row as u32, |groups| groups[row]);
            *of_group.entry(group).or_insert_with(|| {
                let at = Random::at(seed, &[0x51de, u64::from(group)]).uniform();
                match (at < test, at < test + validation) {
                    (true, _) => Split::Test,
                    (_, true) => Split::Validation,
                    _ => Split::Train,
                }
            })
        };
        self.split = Some((0..self.rows()).map(side).collect());
        let what = match &self.groups {
            Some(_) => "groups",
            None => "rows",
        };
        tracing::warn!(
            "{} has no column `split`: {:.0}% of its {what} by chance are the validation side, {:.0}% the test side (seed {seed}); where sequences of different {what} overlap or resemble each other, figures of the test side flatter",
            self.path.display(),
            100.0 * validation,
            100.0 * test
        );
        self
    }
}
