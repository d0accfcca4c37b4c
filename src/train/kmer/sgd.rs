//! Least squares by stochastic gradient descent, in the steps of scikit-learn's `SGDRegressor` on
//! sparse input (loss `squared_error`, learning rate `invscaling`; L1 by the cumulative penalty of
//! Tsuruoka, Tsujii and Ananiadou 2009), so that figures can be compared with it.

use super::Kmers;
use crate::Cancel;
use crate::stats::Random;

/// What keeps weights small.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Penalty {
    /// Sum of squares.
    L2,
    /// Sum of absolute values.
    L1,
    /// A mixture: this share of L1.
    ElasticNet(f64),
}

impl Penalty {
    fn l1_share(self) -> f64 {
        match self {
            Self::L2 => 0.0,
            Self::L1 => 1.0,
            Self::ElasticNet(share) => share,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::L2 => "l2",
            Self::L1 => "l1",
            Self::ElasticNet(_) => "elasticnet",
        }
    }
}

/// How to fit.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Form of the penalty.
    pub penalty: Penalty,
    /// Its strength.
    pub alpha: f64,
    /// The learning rate of step t, from 1, is eta0 / t^power_t.
    pub eta0: f64,
    /// See there.
    pub power_t: f64,
    /// Passes over the training rows, at most.
    pub epochs: usize,
    /// Passes without a better validation error before the best weights are taken; 0: none are
    /// taken back, all passes are made.
    pub patience: usize,
    /// Seed of the order of rows, drawn anew for each pass.
    pub seed: u64,
}

/// The intercept's rate, as a share of the weights': scikit-learn's for sparse input.
const INTERCEPT: f64 = 0.01;

/// Longest residual that a step follows: scikit-learn's.
const MOST: f64 = 1e12;

/// Errors this many times those of predicting 0 are a training gone wrong.
const DIVERGED: f64 = 1e6;

/// A linear function of k-mer counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Which k-mers.
    pub kmers: Kmers,
    /// One a k-mer, for one occurrence.
    pub weights: Vec<f64>,
    /// Added to the sum.
    pub intercept: f64,
}

impl Weights {
    /// The value for a sequence.
    pub fn predict(&self, codes: &[u8]) -> f64 {
        let mut sum = self.intercept;
        self.kmers
            .each(codes, |_, number| sum += self.weights[number]);
        sum
    }
}

/// One row to learn from.
#[derive(Clone, Copy, Debug)]
pub struct Example<'a> {
    /// Base codes.
    pub codes: &'a [u8],
    /// Value.
    pub label: f64,
    /// Weight.
    pub weight: f64,
}

/// What a pass came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// Mean squared error of the training rows, each before the step it causes.
    pub training: f64,
    /// Weighted mean squared error of the validation rows after the pass; NaN without any.
    pub validation: f64,
}

/// A fit.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The function.
    pub weights: Weights,
    /// Every pass.
    pub epochs: Vec<Epoch>,
    /// The pass whose weights these are, from 1.
    pub best: usize,
}

/// Fits one task. `scales` are those of [`Kmers::scales`]; `report` hears of every pass, from 1.
///
/// # Errors
/// The number of the pass, from 1, in which training diverged or the job was asked to stop; 0 when
/// there is no pass to make.
pub fn fit(
    kmers: Kmers,
    scales: &[f64],
    training: &[Example<'_>],
    validation: &[Example<'_>],
    settings: &Settings,
    mut report: impl FnMut(usize, &Epoch),
    cancel: &Cancel,
) -> Result<Fit, usize> {
    let mut descent = Descent::new(kmers, scales, settings);
    let mut order: Vec<u32> = (0..training.len() as u32).collect();
    let labels: f64 = training.iter().map(|e| e.label * e.label).sum();
    let mut epochs = Vec::new();
    let mut best: Option<(f64, usize, Weights)> = None;
    for epoch in 1..=settings.epochs {
        let mut random = Random::new(settings.seed, epoch as u64, 0);
        for i in (1..order.len()).rev() {
            order.swap(i, random.below(i as u64 + 1) as usize);
        }
        let mut squares = 0.0;
        for &i in &order {
            let residual = descent.step(&training[i as usize]);
            squares += residual * residual;
        }
        if cancel.is_requested() {
            return Err(epoch);
        }
        let weights = descent.weights();
        let sound = weights.intercept.is_finite() && weights.weights.iter().all(|w| w.is_finite());
        if !sound || squares > DIVERGED * labels {
            return Err(epoch);
        }
        let error = error(&weights, validation);
        let made = Epoch {
            training: squares / training.len() as f64,
            validation: error,
        };
        report(epoch, &made);
        epochs.push(made);
        let better = best.as_ref().is_none_or(|(least, _, _)| error < *least);
        if settings.patience == 0 || better {
            best = Some((error, epoch, weights));
        } else if best
            .as_ref()
            .is_some_and(|b| epoch - b.1 >= settings.patience)
        {
            break;
        }
    }
    match best {
        Some((_, best, weights)) => Ok(Fit {
            weights,
            epochs,
            best,
        }),
        None => Err(0),
    }
}

/// Weighted mean squared error; NaN without rows.
pub(super) fn error(weights: &Weights, rows: &[Example<'_>]) -> f64 {
    let (mut sum, mut total) = (0.0, 0.0);
    for row in rows {
        let residual = weights.predict(row.codes) - row.label;
        sum += row.weight * residual * residual;
        total += row.weight;
    }
    sum / total
}

struct Descent<'a> {
    kmers: Kmers,
    scales: &'a [f64],
    settings: &'a Settings,
    /// Weights of scaled counts are `factor * values`: shrinking all is one multiplication.
    values: Vec<f64>,
    factor: f64,
    intercept: f64,
    /// Steps made.
    steps: f64,
    /// L1 that every weight could have got so far, and that each has got.
    l1_due: f64,
    l1_done: Vec<f64>,
}

impl<'a> Descent<'a> {
    fn new(kmers: Kmers, scales: &'a [f64], settings: &'a Settings) -> Self {
        let l1 = match settings.penalty {
            Penalty::L2 => 0,
            _ => kmers.count(),
        };
        Self {
            kmers,
            scales,
            settings,
            values: vec![0.0; kmers.count()],
            factor: 1.0,
            intercept: 0.0,
            steps: 0.0,
            l1_due: 0.0,
            l1_done: vec![0.0; l1],
        }
    }

    /// One step; returns the residual before it.
    fn step(&mut self, row: &Example<'_>) -> f64 {
        self.steps += 1.0;
        let Settings {
            alpha,
            eta0,
            power_t,
            penalty,
            ..
        } = *self.settings;
        let rate = eta0 / self.steps.powf(power_t);
        let (values, scales) = (&mut self.values, self.scales);
        let mut sum = 0.0;
        self.kmers
            .each(row.codes, |k, i| sum += values[i] * scales[k - 1]);
        let residual = sum * self.factor + self.intercept - row.label;
        let update = -rate * residual.clamp(-MOST, MOST) * row.weight;
        let l1 = penalty.l1_share();
        self.factor *= (1.0 - (1.0 - l1) * rate * alpha).max(0.0);
        if self.factor < 1e-9 {
            values.iter_mut().for_each(|v| *v *= self.factor);
            self.factor = 1.0;
        }
        if update != 0.0 {
            let change = update / self.factor;
            self.kmers
                .each(row.codes, |k, i| values[i] += change * scales[k - 1]);
            self.intercept += update * INTERCEPT;
        }
        if !self.l1_done.is_empty() {
            self.l1_due += l1 * rate * alpha;
            let (due, done, factor) = (self.l1_due, &mut self.l1_done, self.factor);
            // Several occurrences of a k-mer change nothing more: its penalty is paid by the first.
            self.kmers.each(row.codes, |_, i| {
                let before = values[i];
                if before > 0.0 {
                    values[i] = (before - (due + done[i]) / factor).max(0.0);
                } else if before < 0.0 {
                    values[i] = (before + (due - done[i]) / factor).min(0.0);
                }
                done[i] += factor * (values[i] - before);
            });
        }
        residual
    }

    fn weights(&self) -> Weights {
        let mut weights = self.values.clone();
        for k in 1..=self.kmers.longest() {
            let scale = self.scales[k - 1] * self.factor;
            for w in &mut weights[Kmers::first(k)..Kmers::first(k + 1)] {
                *w *= scale;
            }
        }
        Weights {
            kmers: self.kmers,
            weights,
            intercept: self.intercept,
        }
    }
}
