use rayon::prelude::*;

use super::Motif;
use crate::encode::UNKNOWN;

/// Scores are whole hundredths of a bit.
const PER_BIT: f64 = 100.0;
/// Sites that a matrix without their number is taken to have, and sites that are added to it, shared as the
/// background (FIMO's defaults).
const SITES: f64 = 20.0;
const PSEUDO: f64 = 0.1;

/// Where a motif occurs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Number of the motif.
    pub motif: usize,
    /// First base of the sequence, from 0; `end` is one past the last.
    pub start: usize,
    /// One past the last base.
    pub end: usize,
    /// Whether the motif lies on the other strand.
    pub reverse: bool,
    /// Sum of log2(share / background), bits.
    pub score: f64,
    /// Chance that a random word of the background scores as high or higher.
    pub p: f64,
}

/// Position weight matrices, ready to be found in sequences: log-odds of each base, rounded to a hundredth of
/// a bit, and the exact distribution of their sums over random words (Staden 1989, Comput Appl Biosci 5:89).
#[derive(Debug)]
pub struct Scanner {
    matrices: Vec<Matrix>,
}

#[derive(Debug)]
struct Matrix {
    /// `[column][base]` of the motif, and of its reverse complement; hundredths of a bit.
    columns: [Vec<[i32; 4]>; 2],
    /// The largest sum of the columns from here on, for each strand.
    rest: [Vec<i32>; 2],
    /// The lowest score that is a hit, and p-values from there on.
    threshold: i32,
    tail: Vec<f64>,
}

impl Scanner {
    /// For motifs, with the shares of A, C, G, T in the background and the largest p-value of a hit.
    pub fn new(motifs: &[Motif], background: [f64; 4], most_p: f64) -> Self {
        let matrices = motifs
            .par_iter()
            .map(|m| Matrix::new(m, background, most_p));
        Self {
            matrices: matrices.collect(),
        }
    }

    /// Hits on both strands of base codes, in order of motif, place and strand. Words with unknown bases are
    /// none.
    pub fn hits(&self, codes: &[u8]) -> Vec<Hit> {
        (self.matrices.par_iter().enumerate())
            .flat_map_iter(|(motif, matrix)| matrix.hits(motif, codes))
            .collect()
    }
}

impl Scanner {
    /// Bases that a motif spans.
    pub fn width(&self, motif: usize) -> usize {
        self.matrices[motif].columns[0].len()
    }

    /// Whether a word as long as a motif is a hit of it, on its own strand or the other one.
    pub fn is_hit(&self, motif: usize, reverse: bool, word: &[u8]) -> bool {
        let matrix = &self.matrices[motif];
        let strand = usize::from(reverse);
        let (columns, rest) = (&matrix.columns[strand], &matrix.rest[strand]);
        word.len() == columns.len() && matrix.score(columns, rest, word).is_some()
    }
}

impl Matrix {
    fn new(motif: &Motif, background: [f64; 4], most_p: f64) -> Self {
        let sites = match motif.sites {
            0 => SITES,
            n => n as f64,
        };
        let odds = |column: &[f64; 4]| -> [i32; 4] {
            std::array::from_fn(|b| {
                let share = (column[b] * sites + PSEUDO * background[b]) / (sites + PSEUDO);
                (PER_BIT * (share / background[b]).log2()).round() as i32
            })
        };
        let forward: Vec<[i32; 4]> = motif.frequencies.iter().map(odds).collect();
        let reverse: Vec<[i32; 4]> = forward
            .iter()
            .rev()
            .map(|[a, c, g, t]| [*t, *g, *c, *a])
            .collect();
        let (threshold, tail) = tail(&forward, background, most_p);
        let rest = [&forward, &reverse].map(|columns| {
            let mut rest = vec![0; columns.len() + 1];
            for (i, column) in columns.iter().enumerate().rev() {
                rest[i] = rest[i + 1] + column.iter().max().copied().unwrap_or(0);
            }
            rest
        });
        Self {
            columns: [forward, reverse],
            rest,
            threshold,
            tail,
        }
    }

    fn hits(&self, motif: usize, codes: &[u8]) -> Vec<Hit> {
        let width = self.columns[0].len();
        let mut hits = Vec::new();
        for (start, word) in codes.windows(width).enumerate() {
            for (strand, (columns, rest)) in self.columns.iter().zip(&self.rest).enumerate() {
                let Some(score) = self.score(columns, rest, word) else {
                    continue;
                };
                hits.push(Hit {
                    motif,
                    start,
                    end: start + width,
                    reverse: strand == 1,
                    score: f64::from(score) / PER_BIT,
                    p: self.tail[(score - self.threshold) as usize],
                });
            }
        }
        hits
    }

    /// The score of a word that reaches the threshold.
    fn score(&self, columns: &[[i32; 4]], rest: &[i32], word: &[u8]) -> Option<i32> {
        let mut score = 0;
        for (i, (column, &code)) in columns.iter().zip(word).enumerate() {
            if code >= UNKNOWN || score + rest[i] < self.threshold {
                return None;
            }
            score += column[usize::from(code)];
        }
        (score >= self.threshold).then_some(score)
    }
}

/// The lowest score whose p-value is at most `most_p`, and the p-values from there on. Where even the best word is
/// likelier, the threshold is out of reach.
fn tail(columns: &[[i32; 4]], background: [f64; 4], most_p: f64) -> (i32, Vec<f64>) {
    let (mut low, mut chances) = (0, vec![1.0f64]);
    for column in columns {
        let least = column.iter().min().copied().unwrap_or(0);
        let span = column.iter().max().copied().unwrap_or(0) - least;
        let mut next = vec![0.0; chances.len() + span as usize];
        for (b, &value) in column.iter().enumerate() {
            let shift = (value - least) as usize;
            for (to, chance) in next[shift..].iter_mut().zip(&chances) {
                *to += background[b] * chance;
            }
        }
        (low, chances) = (low + least, next);
    }
    // From the highest score down, so that small chances are added first.
    let mut sum = 0.0;
    let mut kept = Vec::new();
    for chance in chances.iter().rev() {
        if sum + chance > most_p * (1.0 + 1e-9) {
            break;
        }
        sum += chance;
        kept.push(sum);
    }
    kept.reverse();
    let threshold = low + (chances.len() - kept.len()) as i32;
    (threshold, kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn motif(frequencies: Vec<[f64; 4]>) -> Motif {
        Motif {
            name: "m".into(),
            other_name: String::new(),
            frequencies,
            sites: 0,
        }
    }

    fn uneven() -> Motif {
        motif(vec![
            [0.7, 0.1, 0.1, 0.1],
            [0.05, 0.8, 0.05, 0.1],
            [0.25, 0.25, 0.3, 0.2],
            [0.0, 0.0, 1.0, 0.0],
            [0.1, 0.2, 0.3, 0.4],
        ])
    }

    /// Every word of a width, with its chance.
    fn words(width: usize, background: [f64; 4]) -> Vec<(Vec<u8>, f64)> {
        (0..4usize.pow(width as u32))
            .map(|n| {
                let word: Vec<u8> = (0..width)
                    .map(|i| (n / 4usize.pow(i as u32) % 4) as u8)
                    .collect();
                let chance = word.iter().map(|&b| background[usize::from(b)]).product();
                (word, chance)
            })
            .collect()
    }

    #[test]
    fn p_values_are_shares_of_all_words() {
        let background = [0.3, 0.2, 0.15, 0.35];
        let scanner = Scanner::new(&[uneven()], background, 1.0);
        let all = words(5, background);
        let scored: Vec<(f64, f64, f64)> = (all.iter())
            .map(|(word, chance)| {
                let hits = scanner.hits(word);
                let forward = hits.iter().find(|h| !h.reverse).unwrap();
                (forward.score, forward.p, *chance)
            })
            .collect();
        for (score, p, _) in &scored {
            let share: f64 = scored.iter().filter(|s| s.0 >= *score).map(|s| s.2).sum();
            assert!((share - p).abs() < 1e-12, "{score}: {share} {p}");
        }
    }

    #[test]
    fn both_strands_and_no_others() {
        let background = [0.25; 4];
        let scanner = Scanner::new(&[uneven()], background, 0.01);
        // ACGGT is the best word; its reverse complement ACCGT.
        let codes = |text: &str| -> Vec<u8> {
            let code = |c| "ACGT".find(c).map_or(UNKNOWN, |b| b as u8);
            text.chars().map(code).collect()
        };
        let hits = scanner.hits(&codes("TTTACGGTTTNACCGTTACGNT"));
        let found: Vec<(usize, usize, bool)> =
            hits.iter().map(|h| (h.start, h.end, h.reverse)).collect();
        assert!(found.contains(&(3, 8, false)) && found.contains(&(11, 16, true)));
        assert!(hits.iter().all(|h| h.p <= 0.01 && h.end <= 17));
        let best = hits
            .iter()
            .max_by(|a, b| a.score.total_cmp(&b.score))
            .unwrap();
        assert_eq!(best.p, 1.0 / 1024.0);
        for hit in &hits {
            let word = &codes("TTTACGGTTTNACCGTTACGNT")[hit.start..hit.end];
            assert!(scanner.is_hit(0, hit.reverse, word));
            assert!(!scanner.is_hit(0, hit.reverse, &word[1..]));
        }
        assert!(!scanner.is_hit(0, false, &codes("TTTTT")) && scanner.width(0) == 5);
        // Nothing is rare enough.
        assert!(
            Scanner::new(&[uneven()], background, 1e-6)
                .hits(&codes("ACGGT"))
                .is_empty()
        );
        assert!(scanner.hits(&codes("ACG")).is_empty());
    }
}
