use std::collections::HashMap;

use rayon::prelude::*;

use super::{Design, RegionTable, SharprError};
use crate::stats::Cholesky;

/// The posterior means of the hidden interval activities, before standardisation:
/// `[region][interval]`, in the units of the tile values.
///
/// Interval activities A are independent normal with mean mu and variance `prior_variance`; the
/// value of a tile at position p is normal around the mean of A over the intervals p ..= p + k - 1
/// that it covers, with variance s2. mu and s2 are the mean and the population variance of all
/// values of the table. With K the covariance of the tiles present,
/// `K[a][b] = s2 [a = b] + prior_variance * overlap(a, b) / k^2`, the posterior mean of interval j is
/// `mu + prior_variance / k * (sum of K^-1 (y - mu) over the present tiles that cover j)`; mu where
/// a region has no tile. K depends only on which tiles are present, so it is factored once for
/// every such pattern.
///
/// # Errors
/// [`SharprError::NoValues`] when no tile of the table has a value; [`SharprError::Setting`] when
/// the variance is no positive number or the table has not `design.tiles()` columns.
pub fn posterior_means(
    table: &RegionTable,
    design: Design,
    prior_variance: f64,
    name: &str,
) -> Result<RegionTable, SharprError> {
    if !(prior_variance.is_finite() && prior_variance > 0.0) {
        return Err(SharprError::Setting(format!(
            "prior variance {prior_variance} is not a positive number"
        )));
    }
    if table.columns != design.tiles() {
        return Err(SharprError::Setting(format!(
            "{name} has {} tile positions, the design has {}",
            table.columns,
            design.tiles()
        )));
    }
    let (mean, noise, _) = table
        .moments()
        .ok_or_else(|| SharprError::NoValues(name.into()))?;
    let per_tile = design.intervals_per_tile();
    let intervals = design.intervals();

    // Regions by pattern of present tiles, in order of first appearance. Each region is solved by
    // itself, so the answer depends neither on threads nor on the order of regions.
    let mut groups: Vec<(Vec<usize>, Vec<usize>)> = Vec::new();
    let mut known: HashMap<Vec<usize>, usize> = HashMap::new();
    for (row, values) in table.rows().enumerate() {
        let present: Vec<usize> = (0..values.len()).filter(|&t| !values[t].is_nan()).collect();
        match known.get(&present) {
            Some(&group) => groups[group].1.push(row),
            None => {
                known.insert(present.clone(), groups.len());
                groups.push((present, vec![row]));
            }
        }
    }

    let unit = prior_variance / (per_tile * per_tile) as f64;
    let solved: Vec<Vec<f64>> = groups
        .par_iter()
        .with_min_len(16)
        .map(|(present, rows)| {
            let entry = |i: usize, j: usize| {
                let shared = per_tile.saturating_sub(present[i].abs_diff(present[j]));
                let covariance = unit * shared as f64;
                if i == j {
                    covariance + noise
                } else {
                    covariance
                }
            };
            // Windows of equal length at different offsets are linearly independent, so K is
            // positive definite even without noise; only rounding can make it look otherwise.
            let factor = Cholesky::new(present.len(), entry)
                .ok_or_else(|| SharprError::NoVariance(name.into()))?;
            let mut out = Vec::with_capacity(rows.len() * intervals);
            let mut weights = vec![0.0; present.len()];
            for &row in rows {
                let values = &table.values[row * table.columns..][..table.columns];
                for (w, &tile) in weights.iter_mut().zip(present) {
                    *w = values[tile] - mean;
                }
                factor.solve(&mut weights);
                spread(&weights, present, per_tile, intervals, &mut out, |sum| {
                    mean + prior_variance / per_tile as f64 * sum
                });
            }
            Ok(out)
        })
        .collect::<Result<_, SharprError>>()?;

    let mut values = vec![0.0; table.regions.len() * intervals];
    for ((_, rows), solved) in groups.iter().zip(&solved) {
        for (&row, means) in rows.iter().zip(solved.chunks(intervals)) {
            values[row * intervals..][..intervals].copy_from_slice(means);
        }
    }
    Ok(RegionTable {
        regions: table.regions.clone(),
        columns: intervals,
        values,
    })
}

/// Appends, for every interval, `finish` of the sum of the weights of the tiles that cover it.
fn spread(
    weights: &[f64],
    present: &[usize],
    per_tile: usize,
    intervals: usize,
    out: &mut Vec<f64>,
    finish: impl Fn(f64) -> f64,
) {
    // Tiles enter at their position and leave `per_tile` intervals later. The sum is taken afresh
    // whenever the covering tiles change: a running difference would leave residues where no tile
    // lies, and intervals under the same tiles must get the same value.
    let (mut low, mut high) = (0, 0);
    let mut value = finish(0.0);
    for interval in 0..intervals {
        let (from, to) = (low, high);
        while high < present.len() && present[high] <= interval {
            high += 1;
        }
        while low < high && present[low] + per_tile <= interval {
            low += 1;
        }
        if (from, to) != (low, high) {
            value = finish(weights[low..high].iter().sum());
        }
        out.push(value);
    }
}

/// [`posterior_means`], standardised over the whole table to mean 0 and population variance 1.
///
/// # Errors
/// As [`posterior_means`], and [`SharprError::NoVariance`] when all posterior means are equal.
pub fn infer(
    table: &RegionTable,
    design: Design,
    prior_variance: f64,
    name: &str,
) -> Result<RegionTable, SharprError> {
    let mut scores = posterior_means(table, design, prior_variance, name)?;
    let (mean, variance, _) = scores
        .moments()
        .ok_or_else(|| SharprError::NoValues(name.into()))?;
    let scale = variance.sqrt();
    // Equal values leave a variance of rounding errors; scores made of those would mean nothing.
    if scale.is_nan() || scale <= mean.abs() * 1e-14 {
        return Err(SharprError::NoVariance(name.into()));
    }
    for value in &mut scores.values {
        *value = (*value - mean) / scale;
    }
    Ok(scores)
}
