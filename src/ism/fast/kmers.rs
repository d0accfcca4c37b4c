//! Sums over k-mers: an effect is what the k-mers about a change lose and gain, and no window is run.
//!
//! A window's activity is the sum (or mean) of its k-mers' weights, so a change of a base alters those k-mers that
//! hold it, at most k, and these alike in every window that holds them all; only windows that begin or end
//! within k bases hold fewer. Sums are made of whole numbers, multiples of a 2^40th of the largest weight, and so
//! do not depend on the order in which they are made or on where a stretch begins.

use std::sync::Arc;

use crate::encode::{UNKNOWN, complement_of_kmer};
use crate::ism::stretch::means;
use crate::ism::sums::Largest;
use crate::ism::{Engine, Scores, Strand, Stretch, Want};
use crate::model::onnx::KmerGraph;
use crate::model::{ModelError, ModelFile, ModelSpec};

use super::network::Unsupported;

/// Bits of the largest weight as a whole number.
const BITS: i32 = 40;

/// Bases of the longest k-mers (a [`KmerGraph`] has no longer ones).
const LONGEST: usize = 12;

/// The number of a k-mer with an unknown base.
const NONE: u32 = u32::MAX;

/// Half a unit in the last place of 1.
const UNIT: f32 = f32::EPSILON / 2.0;

/// A model that is a table of k-mers.
#[derive(Clone, Debug)]
pub struct KmerPlan {
    k: usize,
    /// [4^k], by number: the first base is the highest digit, and digits are base codes.
    weights: Vec<f32>,
    window: usize,
    /// What a window's sum is divided by.
    divisor: f64,
}

impl KmerPlan {
    /// Reads a model's graph.
    ///
    /// # Errors
    /// When it is none of [`KmerGraph`]'s.
    pub fn new(file: &ModelFile, spec: &ModelSpec) -> Result<Self, Unsupported> {
        let no = |why: &str| Unsupported(why.into());
        let KmerGraph { k, weights, mean } =
            KmerGraph::read(file.graph()).ok_or_else(|| no("it is no table of k-mers"))?;
        if weights.iter().any(|w| !w.is_finite()) {
            return Err(no("the weights of its k-mers are not all numbers"));
        }
        if spec.window < k {
            return Err(no("a window holds no k-mer"));
        }
        let rows = spec.one_hot.rows;
        let weights = match rows == [0, 1, 2, 3] {
            true => weights,
            false => (0..weights.len())
                .map(|number| {
                    let digit = |i: usize| usize::from(rows[number >> (2 * i) & 3]) << (2 * i);
                    weights[(0..k).map(digit).sum::<usize>()]
                })
                .collect(),
        };
        Ok(Self {
            k,
            weights,
            window: spec.window,
            divisor: match mean {
                true => (spec.one_hot.length - k + 1) as f64,
                false => 1.0,
            },
        })
    }

    /// What will be done, in one line.
    pub fn describe(&self) -> String {
        let (k, within) = (self.k, self.per_window());
        let how = if self.divisor > 1.0 { "mean" } else { "sum" };
        format!(
            "table of {k}-mers ({} MB), the {how} of a window's {within}",
            (self.weights.len() * 4).div_ceil(1 << 20)
        )
    }

    /// k-mers of a window.
    pub fn per_window(&self) -> usize {
        self.window - self.k + 1
    }

    /// k-mers that a change of a base in a window's middle alters.
    pub fn per_change(&self) -> usize {
        self.k.min(self.per_window())
    }
}

/// What the engines of one model share.
#[derive(Debug)]
pub struct KmerTables {
    plan: KmerPlan,
    /// Of both strands: the mean size of the two weights, which may cancel where another engine sums them apart.
    sizes: Option<Vec<f32>>,
    /// By a weight's number: a whole number of `unit`s.
    unit: f64,
    scale: f32,
}

impl KmerTables {
    /// The table of the strands that are asked for.
    pub fn build(plan: KmerPlan, strand: Strand) -> Arc<Self> {
        let mut plan = plan;
        let mut sizes = None;
        if strand == Strand::Both {
            // A window's reverse complement holds the reverse complements of its k-mers.
            let k = plan.k;
            let other = |number| complement_of_kmer(k, number);
            let weights = &plan.weights;
            let of_both = |join: fn(f32, f32) -> f32| -> Vec<f32> {
                let pairs = (0..weights.len()).map(|n| (weights[n], weights[other(n)]));
                pairs.map(|(own, turned)| 0.5 * join(own, turned)).collect()
            };
            sizes = Some(of_both(|own, turned| own.abs() + turned.abs()));
            plan.weights = of_both(|own, turned| own + turned);
        }
        let most = plan.weights.iter().fold(0.0f32, |m, w| m.max(w.abs()));
        // A power of two, so that scaling loses nothing.
        let exponent = match most > 0.0 {
            true => (BITS - most.log2().ceil() as i32).clamp(-120, 120),
            false => 0,
        };
        Arc::new(Self {
            plan,
            sizes,
            unit: 2f64.powi(-exponent),
            scale: 2f32.powi(exponent),
        })
    }

    fn weight(&self, number: usize) -> i64 {
        (self.plan.weights[number] * self.scale) as i64
    }

    fn value(&self, units: i64) -> f32 {
        (units as f64 * self.unit / self.plan.divisor) as f32 + 0.0
    }

    /// By how much rounding moves the activity of a window in an engine that sums floats (a standard
    /// deviation).
    pub fn rounding(&self, codes: &[u8]) -> Vec<f32> {
        let k = self.plan.k;
        let number = |word: &[u8]| word.iter().fold(0, |n, &c| 4 * n + usize::from(c));
        let sizes = self.sizes.as_ref().unwrap_or(&self.plan.weights);
        let terms: f32 = (codes.windows(k))
            .filter(|word| word.iter().all(|c| *c < UNKNOWN))
            .map(|word| sizes[number(word)].abs())
            .sum();
        vec![UNIT * terms / self.plan.divisor as f32]
    }
}

/// The engine of one thread for tables of k-mers.
#[derive(Debug)]
pub struct KmerEngine {
    shared: Arc<KmerTables>,
    /// By the place of a k-mer's first base: the sum of the weights before.
    before: Vec<i64>,
    /// By the place of a k-mer's first base: its number, or `NONE`.
    numbers: Vec<u32>,
    /// Of a base: what the first so many k-mers about it gain together, by the base that it becomes.
    gains: [[i64; 4]; LONGEST + 1],
}

impl KmerEngine {
    /// A new engine.
    pub fn new(shared: &Arc<KmerTables>) -> Self {
        Self {
            shared: shared.clone(),
            before: Vec::new(),
            numbers: Vec::new(),
            gains: Default::default(),
        }
    }

    /// Reads the k-mers of a stretch.
    fn read(&mut self, codes: &[u8]) {
        let k = self.shared.plan.k;
        self.before.clear();
        self.numbers.clear();
        self.before.push(0);
        let mask = (1u32 << (2 * k)) - 1;
        let (mut number, mut known, mut sum) = (0u32, 0, 0);
        for (i, &code) in codes.iter().enumerate() {
            known = if code < UNKNOWN { known + 1 } else { 0 };
            number = (number << 2 | u32::from(code & 3)) & mask;
            if i + 1 < k {
                continue;
            }
            let whole = known >= k;
            if whole {
                sum += self.shared.weight(number as usize);
            }
            self.before.push(sum);
            self.numbers.push(if whole { number } else { NONE });
        }
    }

    /// What the k-mers that begin in `from..=at` gain by each change of the base there, summed from the first.
    fn change(&mut self, from: usize, at: usize) {
        let mut digit = 2 * (self.shared.plan.k - 1 - (at - from));
        let mut sums = [0; 4];
        // A k-mer that reaches past the stretch is in no window.
        let to = (at + 1).min(self.numbers.len());
        let from = from.min(to);
        let own = self.before[from..=to]
            .windows(2)
            .map(|pair| pair[1] - pair[0]);
        let kmers = self.numbers[from..to].iter().zip(own);
        for ((&number, own), gains) in kmers.zip(&mut self.gains[1..]) {
            if number != NONE {
                let rest = number & !(3 << digit);
                for (new, sum) in (0u32..).zip(&mut sums) {
                    let changed = rest | new << digit;
                    *sum += self.shared.weight(changed as usize) - own;
                }
            }
            *gains = sums;
            digit += 2;
        }
        for gains in &mut self.gains[to - from + 1..] {
            *gains = sums;
        }
    }
}

impl Engine for KmerEngine {
    fn tasks(&self) -> usize {
        1
    }

    fn score(
        &mut self,
        stretch: &Stretch<'_>,
        want: Want,
        scores: &mut Scores,
    ) -> Result<(), ModelError> {
        scores.begin(stretch, want, 1);
        self.read(stretch.codes);
        let shared = self.shared.clone();
        let (k, count) = (shared.plan.k, shared.plan.per_window());
        let window = shared.plan.window;
        for (start, to) in scores.windows.iter().zip(scores.activities.iter_mut()) {
            let from = (start - stretch.origin) as usize;
            *to = shared.value(self.before[from + count] - self.before[from]);
        }
        if want == Want::Activity {
            return Ok(());
        }
        let span = stretch.span();
        // Windows over a base, by index: from the first that does not end before it to the first behind it.
        let (mut low, mut high) = (0, 0);
        for interval in stretch.wanted {
            for position in interval.start()..interval.end() {
                let at = (i64::from(position) - stretch.origin) as usize;
                let code = stretch.codes[at];
                let begin = |index: usize| (scores.windows[index] - stretch.origin) as usize;
                while high < scores.windows.len() && begin(high) <= at {
                    high += 1;
                }
                while low < high && begin(low) + window <= at {
                    low += 1;
                }
                if code >= UNKNOWN || low == high {
                    continue;
                }
                let first = at.saturating_sub(k - 1);
                self.change(first, at);
                let (mut importance, mut effects) = (0.0f64, [0.0f64; 4]);
                let mut index = low;
                while index < high {
                    let start = begin(index);
                    // The k-mers over the base that the window holds.
                    let part = |start: usize| {
                        let from = start.max(first) - first;
                        let to = (start + count).min(at + 1).max(first) - first;
                        (from.min(to), to)
                    };
                    let (from, to) = part(start);
                    let alike = (index..high)
                        .take_while(|&i| part(begin(i)) == (from, to))
                        .count();
                    index += alike;
                    let mut largest = Largest::default();
                    for new in (0..4).filter(|&new| new != usize::from(code)) {
                        let gain = shared.value(self.gains[to][new] - self.gains[from][new]);
                        largest.add(-gain);
                        effects[new] += alike as f64 * f64::from(gain);
                    }
                    importance += alike as f64 * f64::from(largest.importance());
                }
                let base = (position - span.start()) as usize;
                let windows = (high - low) as u32;
                means(&[importance], windows, scores.importance.row_mut(base));
                if want == Want::Effects {
                    let row = scores.effects.index_axis_mut(ndarray::Axis(0), base);
                    means(&effects, windows, row);
                }
            }
        }
        Ok(())
    }

    fn stretch(&self) -> u32 {
        8_192
    }
}
