use super::correlation::ranks;

/// Area under the receiver operating characteristic: the chance that a positive scores higher than a
/// negative, ties counting half (Mann and Whitney 1947). NaN where either is missing or a score is NaN.
pub fn auroc(scores: &[f64], positive: &[bool]) -> f64 {
    let positives = positive.iter().filter(|p| **p).count() as f64;
    let negatives = positive.len() as f64 - positives;
    if scores.iter().any(|s| s.is_nan()) {
        return f64::NAN;
    }
    let ranks = ranks(scores);
    let sum: f64 = ranks
        .iter()
        .zip(positive)
        .filter(|(_, p)| **p)
        .map(|(r, _)| r)
        .sum();
    (sum - positives * (positives + 1.0) / 2.0) / (positives * negatives)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_share_of_pairs_in_order() {
        // Of four pairs two are in order and one ties.
        let scores = [3.0, 1.0, 1.0, 0.0];
        let positive = [true, true, false, false];
        assert_eq!(auroc(&scores, &positive), 0.875);
        assert!(auroc(&scores, &[true; 4]).is_nan());
    }
}
