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

    /// The lowest score of a hit, bits; NaN for a motif whose best word is likelier than a hit may be.
    pub fn least_score(&self, motif: usize) -> f64 {
        let matrix = &self.matrices[motif];
        match matrix.tail.is_empty() {
            true => f64::NAN,
            false => f64::from(matrix.threshold) / PER_BIT,
        }
    }

    /// Hits on both strands of base codes, in order of motif, place and strand. Words with unknown bases are
    /// none.
    pub fn hits(&self, codes: &[u8]) -> Vec<Hit> {
        let sequences = [Prepared::new(codes)];
        let of_motif = |motif| self.hits_of(motif, &sequences).into_iter().map(|h| h.1);
        (0..self.matrices.len())
            .into_par_iter()
            .flat_map_iter(of_motif)
            .collect()
    }

    /// Hits of one motif in many sequences, each with the sequence's number, in order of sequence, place and strand.
    pub fn hits_of(&self, motif: usize, sequences: &[Prepared<'_>]) -> Vec<(usize, Hit)> {
        let matrix = &self.matrices[motif];
        let blocks = matrix.blocks();
        let mut hits = Vec::new();
        for (number, sequence) in sequences.iter().enumerate() {
            matrix.hits(motif, &blocks, sequence, |hit| hits.push((number, hit)));
        }
        hits
    }
}

/// Bases that are looked up at once.
const BLOCK: usize = 6;
/// The word of bases that are not all known.
const NO_WORD: u16 = u16::MAX;

/// A sequence that is ready to be scanned for many motifs.
#[derive(Debug)]
pub struct Prepared<'a> {
    codes: &'a [u8],
    /// Number of the word of [`BLOCK`] bases that begins at each base.
    words: Vec<u16>,
}

impl<'a> Prepared<'a> {
    /// Of base codes.
    pub fn new(codes: &'a [u8]) -> Self {
        const ALL: u16 = (1 << (2 * BLOCK)) - 1;
        let (mut word, mut known) = (0u16, 0);
        let mut words = Vec::with_capacity(codes.len());
        for &code in codes {
            known = if code < UNKNOWN { known + 1 } else { 0 };
            word = (word << 2 | u16::from(code & 3)) & ALL;
            words.push(if known >= BLOCK { word } else { NO_WORD });
        }
        words.drain(..(BLOCK - 1).min(words.len()));
        Self { codes, words }
    }
}

/// The scores of all words at a motif's most telling columns: few windows pass this first look.
struct Block {
    /// The first of its columns.
    start: usize,
    scores: Vec<i32>,
    /// The lowest with which a window can still be a hit.
    least: i32,
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

    /// For each strand; `None` where the motif is narrower.
    fn blocks(&self) -> [Option<Block>; 2] {
        std::array::from_fn(|strand| {
            let columns = &self.columns[strand];
            let most = |c: &[i32; 4]| c.iter().max().copied().unwrap_or(0);
            // Columns tell the more, the lower their mean lies below their best.
            let tells = |c: &[i32; 4]| 4 * most(c) - c.iter().sum::<i32>();
            let telling = |at: &usize| -> i32 { columns[*at..at + BLOCK].iter().map(tells).sum() };
            let starts = 0..(columns.len() + 1).saturating_sub(BLOCK);
            let start = starts.max_by_key(telling)?;
            let mut scores = vec![0];
            for column in &columns[start..start + BLOCK] {
                let longer = scores
                    .iter()
                    .flat_map(|s| column.iter().map(move |v| s + v));
                scores = longer.collect();
            }
            let inside: i32 = columns[start..start + BLOCK].iter().map(most).sum();
            Some(Block {
                start,
                scores,
                least: self.threshold - (self.rest[strand][0] - inside),
            })
        })
    }

    fn hits(
        &self,
        motif: usize,
        blocks: &[Option<Block>; 2],
        sequence: &Prepared<'_>,
        mut found: impl FnMut(Hit),
    ) {
        let width = self.columns[0].len();
        for (start, word) in sequence.codes.windows(width).enumerate() {
            for (strand, block) in blocks.iter().enumerate() {
                if let Some(block) = block {
                    let number = sequence.words[start + block.start];
                    let score = block.scores.get(usize::from(number));
                    if score.is_none_or(|score| *score < block.least) {
                        continue;
                    }
                }
                let Some(score) = self.score(&self.columns[strand], &self.rest[strand], word)
                else {
                    continue;
                };
                found(Hit {
                    motif,
                    start,
                    end: start + width,
                    reverse: strand == 1,
                    score: f64::from(score) / PER_BIT,
                    p: self.tail[(score - self.threshold) as usize],
                });
            }
        }
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

    /// Wide motifs, looked up by blocks first, hit where adding column by column says so.
    #[test]
    fn blocks_pass_all_hits() {
        use crate::stats::Random;
        let mut random = Random::new(9, 0, 0);
        let codes: Vec<u8> = (0..20_000)
            .map(|_| [0, 1, 2, 3, 3, 2, 1, 0, 1, UNKNOWN][random.index(10)])
            .collect();
        for width in [5, 6, 7, 12] {
            let columns = (0..width).map(|_| {
                let mut column = [0, 1, 2, 3].map(|_| random.uniform() + 0.01);
                column[random.index(4)] += 3.0;
                let sum: f64 = column.iter().sum();
                column.map(|v| v / sum)
            });
            let motif = motif(columns.collect());
            let scanner = Scanner::new(&[motif], [0.3, 0.2, 0.2, 0.3], 0.01);
            let matrix = &scanner.matrices[0];
            let mut expected = Vec::new();
            for (start, word) in codes.windows(width).enumerate() {
                for (strand, columns) in matrix.columns.iter().enumerate() {
                    if word.contains(&UNKNOWN) {
                        continue;
                    }
                    let score: i32 = columns
                        .iter()
                        .zip(word)
                        .map(|(c, b)| c[usize::from(*b)])
                        .sum();
                    if score >= matrix.threshold {
                        expected.push((start, strand == 1, f64::from(score) / PER_BIT));
                    }
                }
            }
            let found: Vec<(usize, bool, f64)> = (scanner.hits(&codes).iter())
                .map(|h| (h.start, h.reverse, h.score))
                .collect();
            assert!(found.len() > 20);
            assert_eq!(found, expected, "{width}");
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
