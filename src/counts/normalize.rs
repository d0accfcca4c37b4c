use super::{CountTable, CountsError, check_pair};

/// Added to every count before anything else (Ernst et al. 2016, Methods).
const PSEUDOCOUNT: u64 = 1;

/// One replicate's activity of every tile.
#[derive(Clone, Debug)]
pub struct Normalized {
    /// Median log2(RNA/DNA) over the barcodes that pass, NaN where none does. One value a tile.
    pub values: Vec<f64>,
    /// How many barcodes passed.
    pub barcodes: Vec<u32>,
}

/// Normalised log2(RNA/DNA) of every tile. To every count of both tables 1 is added; each is
/// divided by the sum of all such counts of its table; barcodes with fewer than `min_dna` DNA
/// counts (before the 1) are left out; the tile's value is the median over the others, the mean of
/// the middle two when they are even in number.
///
/// # Errors
/// When the tables do not hold the same tiles in the same order (see [`check_pair`]).
pub fn normalize(
    rna: &CountTable,
    dna: &CountTable,
    min_dna: u32,
) -> Result<Normalized, CountsError> {
    check_pair(rna, dna)?;
    let scale = (dna.total(PSEUDOCOUNT) as f64).log2() - (rna.total(PSEUDOCOUNT) as f64).log2();
    let mut values = Vec::with_capacity(rna.rows());
    let mut barcodes = Vec::with_capacity(rna.rows());
    let mut ratios = Vec::with_capacity(rna.barcodes);
    let log = |count: u32| ((u64::from(count) + PSEUDOCOUNT) as f64).log2();
    for (rna, dna) in rna
        .counts
        .chunks(rna.barcodes)
        .zip(dna.counts.chunks(dna.barcodes))
    {
        ratios.clear();
        for (&r, &d) in rna.iter().zip(dna) {
            if d >= min_dna {
                ratios.push(log(r) - log(d) + scale);
            }
        }
        values.push(median(&mut ratios));
        barcodes.push(ratios.len() as u32);
    }
    Ok(Normalized { values, barcodes })
}

/// The median, NaN of nothing.
fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values {
        [] => f64::NAN,
        [only] => *only,
        _ if values.len().is_multiple_of(2) => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}
