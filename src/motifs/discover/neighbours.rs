//! Near neighbours of seqlets: by gapped words first, then by their matrices.

use std::collections::HashMap;

use rayon::prelude::*;

use super::matrix::Matrix;

/// Strongest bases whose words are taken.
const STRONGEST: usize = 8;
/// Bases from a word's first to its last.
const SPAN: usize = 14;

/// Words of four of the strongest bases, gaps between them of any length, with the geometric mean of what the four are worth; a
/// word and its reverse complement are one. Of length 1 as a vector; in order of words.
pub(super) fn words(codes: &[u8], worth: &[f32]) -> Vec<(u64, f32)> {
    let mut strong: Vec<usize> = (0..codes.len())
        .filter(|&i| codes[i] < 4 && worth[i] > 0.0)
        .collect();
    strong.sort_by(|&a, &b| worth[b].total_cmp(&worth[a]).then(a.cmp(&b)));
    strong.truncate(STRONGEST);
    strong.sort_unstable();
    let n = strong.len();
    let mut words: HashMap<u64, f32> = HashMap::new();
    for a in 0..n {
        for b in a + 1..n {
            for c in b + 1..n {
                for d in c + 1..n {
                    let places = [a, b, c, d].map(|i| strong[i]);
                    if places[3] - places[0] >= SPAN {
                        break;
                    }
                    let product: f32 = places.iter().map(|&i| worth[i]).product();
                    *words.entry(key(places, codes)).or_default() += product.powf(0.25);
                }
            }
        }
    }
    let mut words: Vec<(u64, f32)> = words.into_iter().collect();
    words.sort_unstable_by_key(|w| w.0);
    let length = words.iter().map(|w| w.1 * w.1).sum::<f32>().sqrt();
    words.iter_mut().for_each(|w| w.1 /= length);
    words
}

fn key(places: [usize; 4], codes: &[u8]) -> u64 {
    let letters = places.map(|i| u64::from(codes[i]));
    let gaps = [0, 1, 2].map(|i| (places[i + 1] - places[i]) as u64);
    let pack = |letters: [u64; 4], gaps: [u64; 3]| {
        let all = letters.into_iter().chain(gaps);
        all.fold(0, |key, part| key << 4 | part)
    };
    let [p, q, r, s] = letters.map(|l| 3 - l);
    pack(letters, gaps).min(pack([s, r, q, p], [gaps[2], gaps[1], gaps[0]]))
}

/// For each seqlet its nearest others and how like they are (above 0), nearest first: of the `candidates` with the most words in
/// common the `kept` with the most like matrices.
pub(super) fn nearest(
    words: &[Vec<(u64, f32)>],
    matrices: &[(Matrix, Matrix)],
    candidates: usize,
    kept: usize,
    shift: i32,
) -> Vec<Vec<(u32, f32)>> {
    let mut lists: HashMap<u64, Vec<(u32, f32)>> = HashMap::new();
    for (seqlet, words) in words.iter().enumerate() {
        for &(word, weight) in words {
            lists.entry(word).or_default().push((seqlet as u32, weight));
        }
    }
    let n = words.len();
    (0..n)
        .into_par_iter()
        .map_init(
            || (vec![0.0f32; n], Vec::new()),
            |(shared, touched): &mut (Vec<f32>, Vec<u32>), seqlet| {
                for (word, weight) in &words[seqlet] {
                    for &(other, theirs) in lists.get(word).into_iter().flatten() {
                        let sum = &mut shared[other as usize];
                        if *sum == 0.0 {
                            touched.push(other);
                        }
                        *sum += weight * theirs;
                    }
                }
                let order =
                    |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
                let mut near: Vec<(u32, f32)> = touched
                    .drain(..)
                    .map(|other| (other, std::mem::take(&mut shared[other as usize])))
                    .filter(|(other, _)| *other as usize != seqlet)
                    .collect();
                if near.len() > candidates {
                    near.select_nth_unstable_by(candidates, order);
                    near.truncate(candidates);
                }
                for (other, likeness) in &mut near {
                    let (matrix, turned) = &matrices[*other as usize];
                    *likeness = matrices[seqlet].0.fit(matrix, turned, shift).likeness;
                }
                near.retain(|n| n.1 > 0.0);
                near.sort_by(order);
                near.truncate(kept);
                near
            },
        )
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_do_not_know_strands_and_places() {
        let worth = [0.1, 1.0, 2.0, 0.0, 1.5, 0.5, -3.0, 0.2];
        let codes = [0, 3, 2, 0, 1, 1, 2, 3];
        let first = words(&codes, &worth);
        assert!((first.iter().map(|w| w.1 * w.1).sum::<f32>() - 1.0).abs() < 1e-6);
        // Six bases are worth more than 0: 15 words.
        assert_eq!(first.len(), 15);
        let turned: Vec<u8> = codes.iter().rev().map(|c| 3 - c).collect();
        let backwards: Vec<f32> = worth.iter().rev().copied().collect();
        let second = words(&turned, &backwards);
        assert_eq!(first.len(), second.len());
        for (a, b) in first.iter().zip(&second) {
            assert!(a.0 == b.0 && (a.1 - b.1).abs() < 1e-6);
        }
        let moved = words(
            &[&[4, 4], &codes[..]].concat(),
            &[&[9.0, 9.0], &worth[..]].concat(),
        );
        assert_eq!(first, moved);
    }
}
