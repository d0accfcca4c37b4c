use rayon::prelude::*;

use super::RegionTable;

/// From intervals to bases, `[region][base]`: linear between the centres of neighbouring intervals,
/// flat outside the first and the last centre. The centre of interval j lies at base
/// `j * step + (step - 1) / 2`; with an odd step that is a base, which gets the interval's value.
///
/// With an even step the centre lies between two bases. SHARPR gives both of them the interval's
/// value and takes each half from there; here the line runs through the true centre.
pub fn interpolate(table: &RegionTable, step: usize) -> RegionTable {
    let intervals = table.columns;
    let bases = intervals * step;
    // Twice the distances, to stay in whole numbers.
    let weights: Vec<(usize, f64)> = (0..bases)
        .map(|base| {
            let from_first = 2 * base as i64 - (step as i64 - 1);
            let span = 2 * step as i64;
            if from_first <= 0 {
                return (0, 0.0);
            }
            let left = (from_first / span) as usize;
            if left + 1 >= intervals {
                return (intervals - 1, 0.0);
            }
            (left, (from_first % span) as f64 / span as f64)
        })
        .collect();
    let mut values = vec![0.0; table.regions.len() * bases];
    values
        .par_chunks_mut(bases.max(1))
        .zip(table.values.par_chunks(intervals.max(1)))
        .for_each(|(out, row)| {
            for (out, &(left, right_share)) in out.iter_mut().zip(&weights) {
                *out = if right_share == 0.0 {
                    row[left]
                } else {
                    (1.0 - right_share) * row[left] + right_share * row[left + 1]
                };
            }
        });
    RegionTable {
        regions: table.regions.clone(),
        columns: bases,
        values,
    }
}
