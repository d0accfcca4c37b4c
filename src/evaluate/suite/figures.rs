//! The statistics of a comparison, and their intervals.

use rayon::prelude::*;

use super::super::metrics::estimate;
use super::super::{Bootstrap, Estimate};
use super::spec::Kind;
use crate::stats::{Random, Ranking, Rows, StrataRanking, ranks};

/// Who predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The model.
    Model,
    /// The second model.
    Baseline,
    /// The share of G and C.
    Gc,
    /// The k-mer regression.
    Kmer,
}

impl Who {
    /// In the order of every list here.
    pub const ALL: [Self; 4] = [Self::Model, Self::Baseline, Self::Gc, Self::Kmer];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Baseline => "baseline",
            Self::Gc => "gc",
            Self::Kmer => "kmer",
        }
    }
}

/// Whose figures are compared with whose.
pub(super) const GAINS: [(Who, Who); 5] = [
    (Who::Model, Who::Baseline),
    (Who::Model, Who::Gc),
    (Who::Model, Who::Kmer),
    (Who::Baseline, Who::Gc),
    (Who::Baseline, Who::Kmer),
];

/// Items with a measured value, and what is predicted of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Comparison {
    /// Of labels 1 and 0.
    pub measured: Vec<f64>,
    /// By [`Who::ALL`].
    pub predicted: [Option<Vec<f64>>; 4],
    /// The share of G and C, or its change.
    pub gc: Vec<f64>,
    /// By `gc`.
    pub strata: Vec<u32>,
    /// Numbers of what is drawn together.
    pub groups: Vec<u32>,
}

impl Comparison {
    /// The same of some of its items.
    pub(super) fn of(&self, items: &[usize]) -> Self {
        let pick = |v: &[f64]| items.iter().map(|&i| v[i]).collect::<Vec<f64>>();
        let whole = |v: &[u32]| items.iter().map(|&i| v[i]).collect::<Vec<u32>>();
        Self {
            measured: pick(&self.measured),
            predicted: [0, 1, 2, 3].map(|who| self.predicted[who].as_deref().map(pick)),
            gc: pick(&self.gc),
            strata: whole(&self.strata),
            groups: whole(&self.groups),
        }
    }

    pub(super) fn positives(&self) -> usize {
        self.measured.iter().filter(|&&v| v > 0.5).count()
    }
}

/// The names of the statistics of a kind, in the order of its figures.
pub(super) fn names(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Labels => &["auroc", "average_precision", "conditional_auroc"],
        Kind::Values => &[
            "pearson",
            "spearman",
            "mse",
            "partial_pearson",
            "stratum_pearson",
        ],
        Kind::Alleles | Kind::Effects => &[
            "sign_agreement",
            "pearson",
            "spearman",
            "partial_pearson",
            "stratum_pearson",
        ],
    }
}

/// What is made once of a predictor's values.
enum Prepared<'a> {
    Classes {
        positive: Vec<bool>,
        all: Ranking,
        strata: StrataRanking,
    },
    Numbers {
        measured: &'a [f64],
        predicted: &'a [f64],
        values: Rows,
        ranks: Rows,
        kind: Kind,
        /// Whether predictions are in the units of the measurements.
        units: bool,
    },
}

impl<'a> Prepared<'a> {
    fn new(kind: Kind, who: Who, it: &'a Comparison, predicted: &'a [f64]) -> Self {
        if kind == Kind::Labels {
            return Self::Classes {
                positive: it.measured.iter().map(|&v| v > 0.5).collect(),
                all: Ranking::new(predicted, 0..predicted.len() as u32),
                strata: StrataRanking::new(predicted, &it.strata),
            };
        }
        let (x, y) = (ranks(predicted), ranks(&it.measured));
        Self::Numbers {
            measured: &it.measured,
            predicted,
            values: Rows::new(predicted, &it.measured, &it.gc, &it.strata),
            ranks: Rows::new(&x, &y, &it.gc, &it.strata),
            kind,
            units: who != Who::Gc,
        }
    }

    /// The figures of items with these weights, in the order of [`names`].
    fn figures(&self, weights: &[f64]) -> Vec<f64> {
        match self {
            Self::Classes {
                positive,
                all,
                strata,
            } => vec![
                all.auroc(positive, weights),
                all.average_precision(positive, weights),
                strata.auroc(positive, weights),
            ],
            Self::Numbers {
                measured,
                predicted,
                values,
                ranks,
                kind,
                units,
            } => {
                let [pearson, partial, stratum] = values.figures(weights);
                let spearman = ranks.correlation(weights);
                let items = || measured.iter().zip(*predicted).zip(weights);
                match kind {
                    Kind::Values => {
                        let (mut sum, mut n) = (0.0, 0.0);
                        items().for_each(|((y, x), w)| {
                            sum += w * (y - x) * (y - x);
                            n += w;
                        });
                        let mse = if *units { sum / n } else { f64::NAN };
                        vec![pearson, spearman, mse, partial, stratum]
                    }
                    _ => {
                        let (mut sum, mut n) = (0.0, 0.0);
                        items().for_each(|((y, x), w)| {
                            sum += w * agreement(*y, *x);
                            n += w;
                        });
                        vec![sum / n, pearson, spearman, partial, stratum]
                    }
                }
            }
        }
    }
}

/// 1 where both have one sign, 0 where they have opposite ones, a half where one is 0.
fn agreement(a: f64, b: f64) -> f64 {
    match a * b {
        0.0 => 0.5,
        product if product > 0.0 => 1.0,
        _ => 0.0,
    }
}

/// The figures of a comparison, `[who][statistic]`, and those of every draw of its groups.
#[derive(Clone, Debug)]
pub(super) struct Drawn {
    pub n: usize,
    pub groups: usize,
    whole: Vec<Vec<f64>>,
    draws: Vec<Vec<Vec<f64>>>,
}

/// Computes the figures of every predictor, on the same draws. `stream` sets the draws of one
/// comparison apart from those of another.
pub(super) fn compare(kind: Kind, it: &Comparison, how: &Bootstrap, stream: u64) -> Drawn {
    let prepared: Vec<Option<Prepared<'_>>> = (Who::ALL.iter().zip(&it.predicted))
        .map(|(&who, predicted)| Some(Prepared::new(kind, who, it, predicted.as_ref()?)))
        .collect();
    let figures = |weights: &[f64]| -> Vec<Vec<f64>> {
        let none = || vec![f64::NAN; names(kind).len()];
        let of = |p: &Option<Prepared<'_>>| p.as_ref().map_or_else(none, |p| p.figures(weights));
        prepared.iter().map(of).collect()
    };
    // Numbers without gaps: groups that are not here are not drawn.
    let groups = super::items::numbered(&it.groups);
    let count = groups.iter().max().map_or(0, |&g| g as usize + 1);
    let replicates = match count < 2 || how.replicates < 2 {
        true => 0,
        false => how.replicates,
    };
    let draws = (0..replicates)
        .into_par_iter()
        .map(|replicate| {
            let mut random = Random::new(how.seed, replicate, stream);
            let mut times = vec![0u32; count];
            for _ in 0..count {
                times[random.below(count as u64) as usize] += 1;
            }
            let weights: Vec<f64> = (groups.iter())
                .map(|&group| f64::from(times[group as usize]))
                .collect();
            figures(&weights)
        })
        .collect();
    Drawn {
        n: it.measured.len(),
        groups: count,
        whole: figures(&vec![1.0; it.measured.len()]),
        draws,
    }
}

impl Drawn {
    /// Means over several comparisons, draw by draw.
    pub(super) fn mean(of: &[Self]) -> Option<Self> {
        let first = of.first()?;
        let mean = |each: &dyn Fn(&Self) -> f64| of.iter().map(each).sum::<f64>() / of.len() as f64;
        let table = |each: &dyn Fn(&Self) -> &Vec<Vec<f64>>| -> Vec<Vec<f64>> {
            let cells = each(first).iter().enumerate().map(|(who, figures)| {
                (0..figures.len())
                    .map(|f| mean(&|d: &Self| each(d)[who][f]))
                    .collect()
            });
            cells.collect()
        };
        let draws = of.iter().map(|d| d.draws.len()).min().unwrap_or(0);
        Some(Self {
            n: of.iter().map(|d| d.n).sum(),
            groups: of.iter().map(|d| d.groups).sum(),
            whole: table(&|d| &d.whole),
            draws: (0..draws).map(|r| table(&|d: &Self| &d.draws[r])).collect(),
        })
    }

    /// A predictor's figure with its interval.
    pub(super) fn estimate(&self, who: Who, figure: usize, how: &Bootstrap) -> Estimate {
        let drawn = self.draws.iter().map(|d| d[who as usize][figure]);
        estimate(self.whole[who as usize][figure], drawn, how.share)
    }

    /// By how much the first one's figure is above the second one's, on the same draws.
    pub(super) fn gain(&self, (a, b): (Who, Who), figure: usize, how: &Bootstrap) -> Estimate {
        let of = |d: &Vec<Vec<f64>>| d[a as usize][figure] - d[b as usize][figure];
        estimate(of(&self.whole), self.draws.iter().map(of), how.share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{pearson, spearman, strata};

    const HOW: Bootstrap = Bootstrap {
        replicates: 200,
        share: 0.9,
        seed: 4,
    };

    fn comparison(n: usize) -> Comparison {
        let mut random = Random::new(7, 0, 0);
        let gc: Vec<f64> = (0..n).map(|_| random.uniform()).collect();
        let measured: Vec<f64> = gc.iter().map(|g| g + random.normal()).collect();
        let near: Vec<f64> = measured.iter().map(|m| m + random.normal()).collect();
        let far: Vec<f64> = measured.iter().map(|m| m + 3.0 * random.normal()).collect();
        Comparison {
            predicted: [Some(near.clone()), Some(near), Some(gc.clone()), Some(far)],
            strata: strata(&gc, 5),
            groups: (0..n as u32).map(|i| 7 + i / 2).collect(),
            gc,
            measured,
        }
    }

    #[test]
    fn figures_are_those_of_the_statistics() {
        let it = comparison(100);
        let found = compare(Kind::Values, &it, &HOW, 1);
        assert_eq!((found.n, found.groups), (100, 50));
        let x = it.predicted[0].as_ref().unwrap();
        let value = |f: usize| found.estimate(Who::Model, f, &HOW).value;
        assert!((value(0) - pearson(x, &it.measured)).abs() < 1e-12);
        assert!((value(1) - spearman(x, &it.measured)).abs() < 1e-12);
        let mse: f64 = (x.iter().zip(&it.measured))
            .map(|(x, y)| (x - y).powi(2))
            .sum();
        assert!((value(2) - mse / 100.0).abs() < 1e-12);
        // A share is in no units of the measurements, and settles itself.
        for f in [2, 3] {
            assert!(found.estimate(Who::Gc, f, &HOW).value.is_nan());
        }
        for f in 0..5 {
            let e = found.estimate(Who::Model, f, &HOW);
            assert!(e.low < e.value && e.value < e.high, "{e:?}");
        }
        let signs = compare(Kind::Alleles, &it, &HOW, 1);
        let agree = (x.iter().zip(&it.measured)).filter(|(x, y)| (**x > 0.0) == (**y > 0.0));
        let share = agree.count() as f64 / 100.0;
        assert_eq!(signs.estimate(Who::Model, 0, &HOW).value, share);
        assert_eq!(
            [
                agreement(0.0, 1.0),
                agreement(-1.0, 2.0),
                agreement(-1.0, -2.0)
            ],
            [0.5, 0.0, 1.0]
        );
    }

    #[test]
    fn gains_are_paired() {
        let it = comparison(120);
        let found = compare(Kind::Values, &it, &HOW, 1);
        // The same predictions on the same draws: no difference in any of them.
        let same = found.gain((Who::Model, Who::Baseline), 0, &HOW);
        assert_eq!((same.value, same.low, same.high), (0.0, 0.0, 0.0));
        let gain = found.gain((Who::Model, Who::Kmer), 0, &HOW);
        assert!(gain.low > 0.0 && gain.value < gain.high, "{gain:?}");
        let none = Bootstrap {
            replicates: 0,
            ..HOW
        };
        assert!(
            compare(Kind::Values, &it, &none, 1)
                .estimate(Who::Model, 0, &none)
                .low
                .is_nan()
        );
    }

    #[test]
    fn groups_are_drawn_whole_and_means_are_means() {
        // Every item twice in one group is no more certain than once.
        let it = comparison(60);
        let once: Vec<usize> = (0..60).step_by(2).collect();
        let twice: Vec<usize> = once.iter().flat_map(|&i| [i, i]).collect();
        let (a, b) = (it.of(&once), it.of(&twice));
        let (a, b) = (
            compare(Kind::Values, &a, &HOW, 1),
            compare(Kind::Values, &b, &HOW, 1),
        );
        let (e, f) = (
            a.estimate(Who::Model, 0, &HOW),
            b.estimate(Who::Model, 0, &HOW),
        );
        assert_eq!((a.groups, b.groups), (30, 30));
        assert!((e.low - f.low).abs() < 1e-9 && (e.high - f.high).abs() < 1e-9);
        let other = compare(Kind::Values, &it, &HOW, 2);
        let mean = Drawn::mean(&[a.clone(), other.clone()]).unwrap();
        let value = |d: &Drawn| d.estimate(Who::Model, 0, &HOW).value;
        assert!((value(&mean) - (value(&a) + value(&other)) / 2.0).abs() < 1e-12);
        assert_eq!((mean.n, mean.groups), (90, 60));
        assert!(Drawn::mean(&[]).is_none());
    }

    #[test]
    fn classes_have_both_areas() {
        let mut it = comparison(100);
        it.measured
            .iter_mut()
            .for_each(|m| *m = f64::from(*m > 0.5));
        let found = compare(Kind::Labels, &it, &HOW, 1);
        let model = |f: usize| found.estimate(Who::Model, f, &HOW).value;
        assert!(model(0) > 0.6 && model(2) > 0.5 && model(1) > 0.3);
        assert_eq!(
            it.positives(),
            it.measured.iter().filter(|m| **m == 1.0).count()
        );
    }
}
