//! Which known motif a filter is most like.
//!
//! Columns are taken as deviations from a quarter each. For an offset and a strand of the known
//! motif, the score is the sum of products over the columns that both have, divided by the lengths
//! of the filter's whole matrix and of those columns of the motif: 1 where the motif's columns are
//! the filter's, less for every informative column of the filter that lies outside it; columns of
//! the motif outside the filter cost nothing, as filters are often narrower. The p-value of the best
//! offset and strand comes from the motif with its columns, and the letters of each column, in
//! random order.

use crate::stats::Random;

use super::Motif;

/// The best place of a known motif.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// Index of the motif.
    pub motif: usize,
    /// -1 to 1.
    pub score: f64,
    /// Whether the motif's reverse complement fits.
    pub reverse: bool,
    /// The filter's column under the motif's first; below 0 where the motif begins before it.
    pub offset: i64,
    /// How often the shuffled motif scores as high, the motif itself counted with it.
    pub p: f64,
    /// The same times the number of motifs: how many are expected to score as high by chance.
    pub e: f64,
}

type Columns = Vec<[f64; 4]>;

fn deviations(frequencies: &[[f64; 4]]) -> Columns {
    frequencies.iter().map(|c| c.map(|v| v - 0.25)).collect()
}

fn reverse(columns: &[[f64; 4]]) -> Columns {
    (columns.iter().rev())
        .map(|&[a, c, g, t]| [t, g, c, a])
        .collect()
}

fn squares(columns: &[[f64; 4]]) -> f64 {
    columns.iter().flatten().map(|v| v * v).sum()
}

/// Best score of a motif against a filter, both as deviations, with its offset.
fn best_offset(filter: &[[f64; 4]], motif: &[[f64; 4]]) -> (f64, i64) {
    let (n, m) = (filter.len() as i64, motif.len() as i64);
    let whole = squares(filter);
    let mut best = (f64::NEG_INFINITY, 0);
    for offset in 1 - m..n {
        // Columns of the filter under the motif.
        let (from, to) = (offset.max(0), (offset + m).min(n));
        let ours = &filter[from as usize..to as usize];
        let theirs = &motif[(from - offset) as usize..(to - offset) as usize];
        let product: f64 = (ours.iter().flatten())
            .zip(theirs.iter().flatten())
            .map(|(a, b)| a * b)
            .sum();
        let length = (whole * squares(theirs)).sqrt();
        let score = if length > 0.0 { product / length } else { 0.0 };
        if score > best.0 {
            best = (score, offset);
        }
    }
    best
}

fn both_strands(filter: &[[f64; 4]], motif: &[[f64; 4]]) -> (f64, i64, bool) {
    let (forward, at) = best_offset(filter, motif);
    let (backward, back_at) = best_offset(filter, &reverse(motif));
    match backward > forward {
        true => (backward, back_at, true),
        false => (forward, at, false),
    }
}

/// The motif that scores highest against a filter's frequencies, the first of equals; `None` without
/// motifs or for a filter without information.
pub fn best_match(
    filter: &[[f64; 4]],
    motifs: &[Motif],
    shuffles: u64,
    seed: u64,
) -> Option<Match> {
    let filter = deviations(filter);
    if squares(&filter) == 0.0 {
        return None;
    }
    let mut best: Option<Match> = None;
    for (i, motif) in motifs.iter().enumerate() {
        let (score, offset, reverse) = both_strands(&filter, &deviations(&motif.frequencies));
        if best.as_ref().is_none_or(|b| score > b.score) {
            best = Some(Match {
                motif: i,
                score,
                reverse,
                offset,
                p: f64::NAN,
                e: f64::NAN,
            });
        }
    }
    let mut best = best?;
    if shuffles > 0 {
        let mut random = Random::new(seed, best.motif as u64, 2);
        let mut columns = deviations(&motifs[best.motif].frequencies);
        let mut as_high = 1u64;
        for _ in 0..shuffles {
            for i in (1..columns.len()).rev() {
                columns.swap(i, random.below(i as u64 + 1) as usize);
            }
            for column in &mut columns {
                for i in (1..4).rev() {
                    column.swap(i, random.below(i as u64 + 1) as usize);
                }
            }
            // Rounding must not tell equal scores apart.
            as_high += u64::from(both_strands(&filter, &columns).0 >= best.score - 1e-12);
        }
        best.p = as_high as f64 / (shuffles + 1) as f64;
        best.e = best.p * motifs.len() as f64;
    }
    Some(best)
}
