//! The baselines that know no network: shares of G and C, and a ridge regression on shares of k-mers.

use ndarray::{Array1, Array2, ArrayView1};
use rayon::prelude::*;

use crate::job::{Cancel, JobError};
use crate::stats::{Cholesky, Random};

/// The share of G and C among the bases of a sequence.
pub(super) fn gc(codes: &[u8]) -> f64 {
    codes.iter().filter(|&&c| c == 1 || c == 2).count() as f64 / codes.len() as f64
}

/// The k-mers of one length, each one and its reverse complement.
pub(super) struct Kmers {
    k: usize,
    /// Number of the pair by number of the k-mer.
    pairs: Vec<u32>,
    count: usize,
}

impl Kmers {
    pub(super) fn new(k: usize) -> Self {
        let words = 1usize << (2 * k);
        let mut pairs = vec![u32::MAX; words];
        let mut count = 0;
        for word in 0..words {
            if pairs[word] == u32::MAX {
                let other = (0..k).fold(0, |rest, at| rest << 2 | (3 - (word >> (2 * at) & 3)));
                pairs[word] = count;
                pairs[other] = count;
                count += 1;
            }
        }
        Self {
            k,
            pairs,
            count: count as usize,
        }
    }

    /// Pairs and their shares of all k-mers of a sequence, those that occur, by number; times `sign`.
    fn add(&self, codes: &[u8], sign: f64, to: &mut Vec<(u32, f64)>) {
        let places = (codes.len() + 1).saturating_sub(self.k) as f64;
        let mut word = 0;
        for (at, &code) in codes.iter().enumerate() {
            word = (word << 2 | usize::from(code)) & (self.pairs.len() - 1);
            if at + 1 >= self.k {
                to.push((self.pairs[word], sign / places));
            }
        }
    }

    /// Shares of a sequence, or the alternative's less the reference's.
    pub(super) fn shares(&self, reference: &[u8], alternative: Option<&[u8]>) -> Vec<(u32, f64)> {
        let mut all = Vec::new();
        match alternative {
            None => self.add(reference, 1.0, &mut all),
            Some(alternative) => {
                self.add(alternative, 1.0, &mut all);
                self.add(reference, -1.0, &mut all);
            }
        }
        // Stable: what is summed is summed in the same order for every run.
        all.sort_by_key(|(pair, _)| *pair);
        let mut shares: Vec<(u32, f64)> = Vec::new();
        for (pair, share) in all {
            match shares.last_mut() {
                Some((last, sum)) if *last == pair => *sum += share,
                _ => shares.push((pair, share)),
            }
        }
        // What one allele gains and loses again leaves rounding at most.
        shares.retain(|(_, share)| share.abs() > 1e-12);
        shares
    }
}

/// Shares of many sequences.
pub(super) struct Shares {
    count: usize,
    pub rows: Vec<Vec<(u32, f64)>>,
}

impl Shares {
    pub(super) fn new(k: usize, reference: &[Box<[u8]>], alternative: &[Box<[u8]>]) -> Self {
        let kmers = Kmers::new(k);
        let rows = (0..reference.len()).into_par_iter().map(|i| {
            let alternative = alternative.get(i).map(|codes| &**codes);
            kmers.shares(&reference[i], alternative)
        });
        Self {
            count: kmers.count,
            rows: rows.collect(),
        }
    }
}

/// Orthonormal directions that hold rows of shares. Ridge regression leaves weights within what its rows span, and distances there
/// are the same, so that fewer rows than k-mers are as well fitted in so many coordinates as they are.
struct Span {
    directions: Vec<Array1<f64>>,
    coordinates: Vec<Vec<(u32, f64)>>,
}

impl Span {
    /// By Gram and Schmidt, each row twice, which keeps directions orthogonal to rounding. A row that `taken` leaves out
    /// has no coordinates.
    fn new(shares: &Shares, taken: impl Fn(usize) -> bool) -> Self {
        let mut directions: Vec<Array1<f64>> = Vec::new();
        let mut coordinates = Vec::new();
        for (i, row) in shares.rows.iter().enumerate() {
            let mut along = vec![0.0; directions.len()];
            if taken(i) {
                let mut rest = Array1::zeros(shares.count);
                row.iter().for_each(|&(at, x)| rest[at as usize] = x);
                let length = rest.dot(&rest).sqrt();
                for _ in 0..2 {
                    for (sum, direction) in along.iter_mut().zip(&directions) {
                        let part = direction.dot(&rest);
                        rest.scaled_add(-part, direction);
                        *sum += part;
                    }
                }
                let left = rest.dot(&rest).sqrt();
                if left > 1e-10 * length {
                    directions.push(rest / left);
                    along.push(left);
                }
            }
            coordinates.push((0..).zip(along).collect());
        }
        Self {
            directions,
            coordinates,
        }
    }

    /// Weights of shares for those of coordinates.
    fn weights_of_shares(&self, count: usize, weights: Weights) -> Weights {
        let mut of = Array1::zeros(count);
        for (direction, weight) in self.directions.iter().zip(weights.of) {
            of.scaled_add(weight, direction);
        }
        Weights {
            of: of.to_vec(),
            ..weights
        }
    }
}

/// Penalties that are tried, as multiples of the mean variance of a k-mer's share.
const PENALTIES: [f64; 6] = [0.001, 0.01, 0.1, 1.0, 10.0, 100.0];

/// Sums over the rows of a fold.
#[derive(Clone)]
struct Sums {
    /// How many k-mers the penalty's mean is over, whatever the coordinates.
    kmers: usize,
    n: f64,
    y: f64,
    yy: f64,
    x: Vec<f64>,
    xy: Vec<f64>,
    /// Lower triangle, the upper one 0.
    xx: Array2<f64>,
}

impl Sums {
    fn new(kmers: usize, count: usize) -> Self {
        Self {
            kmers,
            n: 0.0,
            y: 0.0,
            yy: 0.0,
            x: vec![0.0; count],
            xy: vec![0.0; count],
            xx: Array2::zeros((count, count)),
        }
    }

    fn add(&mut self, row: &[(u32, f64)], y: f64) {
        self.n += 1.0;
        self.y += y;
        self.yy += y * y;
        for (i, &(a, x)) in row.iter().enumerate() {
            self.x[a as usize] += x;
            self.xy[a as usize] += x * y;
            let mut products = self.xx.row_mut(a as usize);
            for &(b, other) in &row[..=i] {
                products[b as usize] += x * other;
            }
        }
    }

    /// Adds the sums of another fold, or takes them away.
    fn merge(&mut self, other: &Self, sign: f64) {
        self.n += sign * other.n;
        self.y += sign * other.y;
        self.yy += sign * other.yy;
        let lists = [(&mut self.x, &other.x), (&mut self.xy, &other.xy)];
        for (to, from) in lists {
            to.iter_mut().zip(from).for_each(|(a, b)| *a += sign * b);
        }
        self.xx.scaled_add(sign, &other.xx);
    }

    /// Least squares with a penalty on the squares of the weights, the intercept free.
    fn fit(&self, penalty: f64) -> Weights {
        let count = self.x.len();
        let centred = |i: usize, j: usize| self.xx[[i, j]] - self.x[i] * self.x[j] / self.n;
        let trace: f64 = (0..count).map(|i| centred(i, i)).sum();
        let ridge = penalty * trace / self.kmers as f64;
        let entry = |i: usize, j: usize| centred(i, j) + if i == j { ridge } else { 0.0 };
        let mut of = vec![0.0; count];
        // Without variation but rounding there is nothing to be learnt.
        let squares: f64 = self.xx.diag().sum();
        let factor = (trace > 1e-12 * squares).then(|| Cholesky::new(count, entry));
        if let Some(factor) = factor.flatten() {
            let products = self.xy.iter().zip(&self.x);
            of = products.map(|(xy, x)| xy - x * self.y / self.n).collect();
            factor.solve(&mut of);
        }
        let mean: f64 = of.iter().zip(&self.x).map(|(w, x)| w * x).sum();
        Weights {
            intercept: (self.y - mean) / self.n,
            of,
        }
    }

    /// The sum of squared errors of weights on these rows.
    fn errors(&self, weights: &Weights) -> f64 {
        let (b, w) = (weights.intercept, ArrayView1::from(&weights.of));
        let (x, xy) = (ArrayView1::from(&self.x), ArrayView1::from(&self.xy));
        let mut squares = 0.0;
        for (i, row) in self.xx.outer_iter().enumerate() {
            let below = row.dot(&w) - row[i] * w[i];
            squares += w[i] * (2.0 * below + row[i] * w[i]);
        }
        self.yy + squares + self.n * b * b - 2.0 * (b * self.y + w.dot(&xy)) + 2.0 * b * w.dot(&x)
    }
}

/// A linear function of shares.
#[derive(Clone, Debug)]
pub(super) struct Weights {
    intercept: f64,
    of: Vec<f64>,
}

impl Weights {
    pub(super) fn predict(&self, row: &[(u32, f64)]) -> f64 {
        self.intercept
            + row
                .iter()
                .map(|&(i, x)| self.of[i as usize] * x)
                .sum::<f64>()
    }
}

/// What is fitted to one list of values.
pub(super) struct Fitted {
    /// A prediction for every row, by weights that its own fold had no part in; NaN for all where
    /// there are not two folds to learn from and to judge.
    pub predictions: Vec<f64>,
    /// Weights of all rows, for other sequences; none where there are not two folds.
    pub weights: Option<Weights>,
}

/// Fits values (NaN where there is none) to shares, fold by fold: the rows of each fold are predicted
/// by weights fitted to the others, with the penalty that has the least error when each of *those*
/// folds is left out in turn.
pub(super) fn fit(
    shares: &Shares,
    values: &[f64],
    folds: &[u32],
    cancel: &Cancel,
) -> Result<Fitted, JobError> {
    let most = folds.iter().max().map_or(0, |&f| f as usize + 1);
    let known = values.iter().filter(|y| !y.is_nan()).count();
    let span = (known < shares.count / 2).then(|| Span::new(shares, |i| !values[i].is_nan()));
    let (count, rows) = match &span {
        Some(span) => (span.directions.len(), &span.coordinates),
        None => (shares.count, &shares.rows),
    };
    let of_shares = |weights| match &span {
        Some(span) => span.weights_of_shares(shares.count, weights),
        None => weights,
    };
    let sums: Vec<Sums> = (0..most)
        .into_par_iter()
        .map(|fold| {
            let mut sums = Sums::new(shares.count, count);
            let rows = rows.iter().zip(values).zip(folds);
            for ((row, &y), _) in rows.filter(|((_, y), f)| !y.is_nan() && **f == fold as u32) {
                sums.add(row, y);
            }
            sums
        })
        .filter(|sums| sums.n > 0.0)
        .collect();
    // Numbers of the folds that have values.
    let filled: Vec<u32> = (0..most as u32)
        .filter(|fold| (values.iter().zip(folds)).any(|(y, f)| !y.is_nan() && f == fold))
        .collect();
    if sums.len() < 2 {
        return Ok(Fitted {
            predictions: vec![f64::NAN; values.len()],
            weights: None,
        });
    }
    let mut total = Sums::new(shares.count, count);
    sums.iter().for_each(|sums| total.merge(sums, 1.0));
    let errors = errors_of_pairs(&total, &sums, cancel)?;
    // `errors[a][b][p]`: of fold b by weights of all folds but a and b; a = b: but b alone.
    let best = |a: usize| {
        let mut of_penalty = [0.0; PENALTIES.len()];
        for b in (0..sums.len()).filter(|&b| b != a) {
            for (sum, error) in of_penalty.iter_mut().zip(&errors[a][b]) {
                *sum += error;
            }
        }
        least(&of_penalty)
    };
    let weights: Vec<Weights> = (0..sums.len())
        .into_par_iter()
        .map(|a| {
            let mut others = total.clone();
            others.merge(&sums[a], -1.0);
            // Two folds leave none to choose by.
            let penalty = if sums.len() == 2 { MIDDLE } else { best(a) };
            of_shares(others.fit(penalty))
        })
        .collect();
    let predictions = (shares.rows.iter().zip(folds))
        .map(|(row, fold)| match filled.binary_search(fold) {
            Ok(at) => weights[at].predict(row),
            Err(_) => f64::NAN,
        })
        .collect();
    let mut left_out = [0.0; PENALTIES.len()];
    for (a, of_fold) in errors.iter().enumerate() {
        left_out
            .iter_mut()
            .zip(&of_fold[a])
            .for_each(|(s, e)| *s += e);
    }
    Ok(Fitted {
        predictions,
        weights: Some(of_shares(total.fit(least(&left_out)))),
    })
}

/// The penalty where there is nothing to choose it by.
const MIDDLE: f64 = 1.0;

fn least(errors: &[f64; PENALTIES.len()]) -> f64 {
    let order = |a: &usize, b: &usize| errors[*a].total_cmp(&errors[*b]);
    (0..PENALTIES.len())
        .min_by(order)
        .map_or(MIDDLE, |i| PENALTIES[i])
}

type Errors = Vec<Vec<[f64; PENALTIES.len()]>>;

/// Errors of every fold, by every penalty, of weights fitted without it and one other.
fn errors_of_pairs(total: &Sums, sums: &[Sums], cancel: &Cancel) -> Result<Errors, JobError> {
    let folds = sums.len();
    let pairs: Vec<(usize, usize)> = (0..folds)
        .flat_map(|a| (a..folds).map(move |b| (a, b)))
        // With two folds nothing is left without both.
        .filter(|(a, b)| a == b || folds > 2)
        .collect();
    let found: Vec<_> = (pairs.par_iter())
        .map(|&(a, b)| {
            let mut others = total.clone();
            others.merge(&sums[a], -1.0);
            if a != b {
                others.merge(&sums[b], -1.0);
            }
            PENALTIES.map(|penalty| match cancel.is_requested() {
                true => [f64::NAN; 2],
                false => {
                    let weights = others.fit(penalty);
                    [sums[a].errors(&weights), sums[b].errors(&weights)]
                }
            })
        })
        .collect();
    if cancel.is_requested() {
        return Err(JobError::Interrupted { kept: false });
    }
    let mut errors = vec![vec![[0.0; PENALTIES.len()]; folds]; folds];
    for ((a, b), of_pair) in pairs.into_iter().zip(found) {
        errors[b][a] = of_pair.map(|e| e[0]);
        errors[a][b] = of_pair.map(|e| e[1]);
    }
    Ok(errors)
}

/// Folds of items: whole units, the largest first, each to the fold that is smallest so far (the
/// first of equals). Units of one size come in an order that the seed draws.
pub(super) fn folds(units: &[u32], count: u32, seed: u64) -> Vec<u32> {
    let most = units.iter().max().map_or(0, |&u| u as usize + 1);
    let mut sizes = vec![0u64; most];
    units.iter().for_each(|&unit| sizes[unit as usize] += 1);
    let mut order: Vec<usize> = (0..most).collect();
    Random::at(seed, &[FOLDS]).shuffle(&mut order);
    order.sort_by_key(|&unit| std::cmp::Reverse(sizes[unit]));
    let mut filled = vec![0; count as usize];
    let mut fold_of = vec![0; most];
    for unit in order {
        let fold = (0..filled.len()).min_by_key(|&f| filled[f]).unwrap_or(0);
        filled[fold] += sizes[unit];
        fold_of[unit] = fold as u32;
    }
    units.iter().map(|&unit| fold_of[unit as usize]).collect()
}

/// The place of use of the random numbers.
const FOLDS: u64 = 0x666f_6c64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::reverse_complement;

    fn sequences(count: usize, length: usize) -> Vec<Box<[u8]>> {
        let mut random = Random::new(5, 0, 0);
        let mut one = || (0..length).map(|_| random.below(4) as u8).collect();
        (0..count).map(|_| one()).collect()
    }

    #[test]
    fn a_kmer_and_its_reverse_complement_are_one() {
        // (4^k + palindromes) / 2; an odd k has no palindrome.
        for (k, count) in [(1, 2), (2, 10), (3, 32), (4, 136), (5, 512)] {
            assert_eq!(Kmers::new(k).count, count);
        }
        let kmers = Kmers::new(4);
        for codes in sequences(20, 50) {
            let mut other = codes.to_vec();
            reverse_complement(&codes, &mut other);
            let (a, b) = (kmers.shares(&codes, None), kmers.shares(&other, None));
            let total: f64 = a.iter().map(|s| s.1).sum();
            assert!((total - 1.0).abs() < 1e-12);
            assert_eq!(a.len(), b.len());
            for (a, b) in a.iter().zip(&b) {
                assert!(a.0 == b.0 && (a.1 - b.1).abs() < 1e-12);
            }
            // Of alleles that are the same nothing is left.
            assert!(kmers.shares(&codes, Some(&codes)).is_empty());
        }
        // AA AC: A and T are one of the two single bases, C and G the other.
        assert_eq!(
            Kmers::new(1).shares(&[0, 0, 0, 1], None),
            [(0, 0.75), (1, 0.25)]
        );
        assert_eq!(gc(&[0, 1, 2, 3, 1]), 0.6);
        let change = Kmers::new(1).shares(&[0, 0, 1, 1], Some(&[0, 1, 1, 1]));
        assert_eq!(change, [(0, -0.25), (1, 0.25)]);
    }

    /// What ridge regression is: its normal equations hold, and its errors are those of its rows.
    #[test]
    fn weights_fulfil_the_normal_equations() {
        let shares = Shares::new(2, &sequences(60, 40), &[]);
        let mut random = Random::new(6, 0, 0);
        let y: Vec<f64> = (0..60).map(|_| random.normal()).collect();
        let mut sums = Sums::new(shares.count, shares.count);
        for (row, &y) in shares.rows.iter().zip(&y) {
            sums.add(row, y);
        }
        let dense: Vec<Vec<f64>> = (shares.rows.iter())
            .map(|row| {
                let mut all = vec![0.0; shares.count];
                row.iter().for_each(|&(i, x)| all[i as usize] = x);
                all
            })
            .collect();
        let mean = |i: usize| dense.iter().map(|r| r[i]).sum::<f64>() / 60.0;
        let variance: f64 = (0..shares.count)
            .map(|i| dense.iter().map(|r| (r[i] - mean(i)).powi(2)).sum::<f64>())
            .sum();
        for penalty in PENALTIES {
            let weights = sums.fit(penalty);
            let residuals: Vec<f64> = (shares.rows.iter().zip(&y))
                .map(|(row, y)| y - weights.predict(row))
                .collect();
            assert!(residuals.iter().sum::<f64>().abs() < 1e-9);
            let ridge = penalty * variance / shares.count as f64;
            for i in 0..shares.count {
                let slope: f64 = dense.iter().zip(&residuals).map(|(r, e)| r[i] * e).sum();
                assert!((slope - ridge * weights.of[i]).abs() < 1e-9);
            }
            let squares: f64 = residuals.iter().map(|e| e * e).sum();
            assert!((sums.errors(&weights) - squares).abs() < 1e-8, "{squares}");
        }
    }

    /// Fewer rows than k-mers, some of them the same: in coordinates as in shares, with the same penalties.
    #[test]
    fn few_rows_are_fitted_alike_in_what_they_span() {
        let mut sequences = sequences(40, 60);
        sequences.extend_from_within(3..9);
        let shares = Shares::new(4, &sequences, &[]);
        let span = Span::new(&shares, |i| i != 5);
        assert_eq!(span.directions.len(), 40, "5 is there as 42");
        let mut random = Random::new(7, 0, 0);
        let mut plain = Sums::new(shares.count, shares.count);
        let mut spanned = Sums::new(shares.count, span.directions.len());
        for i in (0..sequences.len()).filter(|&i| i != 5) {
            let y = random.normal();
            plain.add(&shares.rows[i], y);
            spanned.add(&span.coordinates[i], y);
        }
        for penalty in PENALTIES {
            let weights = plain.fit(penalty);
            let of_coordinates = spanned.fit(penalty);
            let (a, b) = (plain.errors(&weights), spanned.errors(&of_coordinates));
            assert!((a - b).abs() < 1e-8 * a.max(1.0), "{a} {b}");
            let back = span.weights_of_shares(shares.count, of_coordinates);
            for row in &shares.rows {
                let (a, b) = (weights.predict(row), back.predict(row));
                assert!((a - b).abs() < 1e-8, "{penalty}: {a} {b}");
            }
        }
    }

    #[test]
    fn nothing_is_predicted_by_what_was_fitted_to_it() {
        let shares = Shares::new(1, &sequences(40, 60), &[]);
        let units: Vec<u32> = (0..40).map(|i| i / 2).collect();
        let folds = folds(&units, 4, 1);
        let mut y: Vec<f64> = (0..40)
            .map(|i| gc_of(&shares, i) + f64::from(i as u32 % 3) * 0.01)
            .collect();
        y[7] = f64::NAN;
        let cancel = Cancel::default();
        let before = fit(&shares, &y, &folds, &cancel).unwrap();
        // What can be predicted is, where there is no value, too.
        let known: Vec<usize> = (0..40).filter(|&i| !y[i].is_nan()).collect();
        let pick = |v: &[f64]| known.iter().map(|&i| v[i]).collect::<Vec<f64>>();
        let r = crate::stats::pearson(&pick(&before.predictions), &pick(&y));
        assert!(r > 0.9, "{r}");
        assert!(!before.predictions[7].is_nan());
        // Other values in a fold change no prediction in it, and some elsewhere.
        for (i, y) in y.iter_mut().enumerate() {
            if folds[i] == 2 {
                *y = -*y;
            }
        }
        let after = fit(&shares, &y, &folds, &cancel).unwrap();
        let mut others = 0;
        for (i, fold) in folds.iter().enumerate() {
            let same = (before.predictions[i] - after.predictions[i]).abs() < 1e-9;
            assert!(same || *fold != 2, "{i}");
            others += u32::from(!same);
        }
        assert!(others > 20, "{others}");
        // One fold teaches nothing about itself.
        let one = fit(&shares, &y, &[0; 40], &cancel).unwrap();
        assert!(one.weights.is_none() && one.predictions.iter().all(|p| p.is_nan()));
        cancel.request();
        assert!(fit(&shares, &y, &folds, &cancel).is_err());
    }

    fn gc_of(shares: &Shares, row: usize) -> f64 {
        shares.rows[row]
            .iter()
            .find(|s| s.0 == 1)
            .map_or(0.0, |s| s.1)
    }

    #[test]
    fn folds_hold_whole_units_and_are_of_about_one_size() {
        let units: Vec<u32> = (0..1000).map(|i| i * i % 37).collect();
        let folds = folds(&units, 5, 3);
        for (i, unit) in units.iter().enumerate() {
            let first = units.iter().position(|u| u == unit).unwrap();
            assert_eq!(folds[i], folds[first]);
        }
        for fold in 0..5 {
            let size = folds.iter().filter(|&&f| f == fold).count();
            assert!((150..250).contains(&size), "{size}");
        }
        assert_ne!(folds, super::folds(&units, 5, 4));
    }
}
