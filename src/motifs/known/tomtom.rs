//! Tomtom's comparison of motifs (Gupta et al. 2007, Genome Biology 8:R24), complete scores.
//!
//! The score of two columns is minus their Euclidean distance. Of each column of the query the median over all target columns is
//! subtracted, which is then also what a column of the query counts that lies beside the target, and scores are rounded to a grid
//! of whole numbers. The null takes the columns of a target at random from all target columns: by dynamic programming it has the
//! distribution of the sum over any stretch of the query, and a target's p-value is the chance that the largest sum over all its
//! offsets is as large, offsets taken as independent. Of both strands the smaller p counts, as 1 - (1 - p)^2.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::columns::{Column, Grid, Whole};
use crate::motifs::Motif;

/// How like a target is to a query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likeness {
    /// Index of the target.
    pub motif: usize,
    /// Chance that a random motif of its width lies as well on the query.
    pub p: f64,
    /// The same times the number of targets.
    pub e: f64,
    /// The column of the query under the target's first (as it lies); below 0 where the target begins before it.
    pub offset: i64,
    /// Columns that both have.
    pub overlap: usize,
    /// Whether it is the target's reverse complement.
    pub reverse: bool,
}

/// Known motifs to compare with.
#[derive(Debug)]
pub struct Tomtom {
    /// Columns of the targets, then of their reverse complements.
    columns: Vec<[f64; 4]>,
    /// Where each of them begins, and ends.
    bounds: Vec<usize>,
    targets: usize,
    /// The four columns of plain sequence.
    letters: [Column; 4],
    words: Mutex<HashMap<u8, Arc<Letters>>>,
}

/// What words made of a set of letters have in common.
#[derive(Debug)]
struct Letters {
    unaligned: i32,
    /// By letter; empty for those outside the set.
    whole: Vec<Whole>,
    /// By how often each letter stands in a stretch.
    tails: Mutex<HashMap<[u8; 4], Arc<[f64]>>>,
}

/// Of a stretch of a query: `ln(1 - chance that its sum is s or more)`, for s from 0; beyond the last it is 0.
type Tail = Arc<[f64]>;

/// The best place of one strand of a target.
#[derive(Clone, Copy)]
struct Place {
    score: i32,
    offset: i64,
    overlap: usize,
}

impl Tomtom {
    /// For these targets. The null is made of their columns: with fewer than some 50 motifs p-values say little.
    pub fn new(motifs: &[Motif]) -> Self {
        let mut columns = Vec::new();
        let mut bounds = vec![0];
        for motif in motifs {
            columns.extend_from_slice(&motif.frequencies);
            bounds.push(columns.len());
        }
        for motif in motifs {
            let turned = motif.frequencies.iter().rev();
            columns.extend(turned.map(|&[a, c, g, t]| [t, g, c, a]));
            bounds.push(columns.len());
        }
        let letters = std::array::from_fn(|letter| {
            let mut column = [0.0; 4];
            column[letter] = 1.0;
            Column::new(&column, &columns)
        });
        Self {
            columns,
            bounds,
            targets: motifs.len(),
            letters,
            words: Mutex::default(),
        }
    }

    /// The target most like a word of base codes 0 to 3, by p-value, the first of equals; `None` for an empty word, or one with other
    /// codes.
    pub fn of_word(&self, word: &[u8]) -> Option<Likeness> {
        if word.is_empty() || word.iter().any(|c| *c > 3) {
            return None;
        }
        let letters = self.letters(word);
        let whole: Vec<&Whole> = (word.iter())
            .map(|&code| &letters.whole[usize::from(code)])
            .collect();
        let tail = |from: usize, to: usize| letters.tail(&word[from..to]);
        self.best(&whole, letters.unaligned, tail)
    }

    /// The target most like a matrix of shares, likewise.
    pub fn of_matrix(&self, matrix: &[[f64; 4]]) -> Option<Likeness> {
        self.all_of_matrix(matrix)
            .into_iter()
            .min_by(|a, b| a.p.total_cmp(&b.p))
    }

    /// Every target's likeness to a matrix of shares, in the targets' order.
    pub fn all_of_matrix(&self, matrix: &[[f64; 4]]) -> Vec<Likeness> {
        let columns: Vec<Column> = (matrix.iter())
            .map(|column| Column::new(column, &self.columns))
            .collect();
        let grid = Grid::of(columns.iter());
        let whole: Vec<Whole> = columns.iter().map(|c| grid.whole(c)).collect();
        let whole: Vec<&Whole> = whole.iter().collect();
        let mut sums: HashMap<(usize, usize), Tail> = HashMap::new();
        for from in 0..whole.len() {
            let mut chances = vec![1.0];
            for (to, column) in whole.iter().enumerate().skip(from) {
                chances = convolved(&chances, &column.shares);
                sums.insert((from, to + 1), tail_of(&chances));
            }
        }
        let tail = |from: usize, to: usize| sums.get(&(from, to)).cloned().unwrap_or_default();
        self.all(&whole, grid.unaligned(), tail)
    }

    fn letters(&self, word: &[u8]) -> Arc<Letters> {
        let set = word.iter().fold(0u8, |set, code| set | 1 << code);
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        let made = words.entry(set).or_insert_with(|| {
            let of = |letter: &usize| set & 1 << letter != 0;
            let grid = Grid::of((0..4).filter(of).map(|letter| &self.letters[letter]));
            let whole = (0..4).map(|letter| match of(&letter) {
                true => grid.whole(&self.letters[letter]),
                false => Whole {
                    scores: Vec::new(),
                    shares: Vec::new(),
                },
            });
            Arc::new(Letters {
                unaligned: grid.unaligned(),
                whole: whole.collect(),
                tails: Mutex::default(),
            })
        });
        made.clone()
    }

    /// The likeliest target alone: p-values fall with the score, so of each width the highest score is enough.
    fn best(
        &self,
        query: &[&Whole],
        unaligned: i32,
        mut tail: impl FnMut(usize, usize) -> Tail,
    ) -> Option<Likeness> {
        let mut sums = Vec::new();
        // By width: the highest score, and the first motif that has it.
        let mut highest: Vec<Option<(i32, usize)>> = Vec::new();
        for (strand, bound) in self.bounds.windows(2).enumerate() {
            let width = bound[1] - bound[0];
            let score = place(query, unaligned, bound[0]..bound[1], &mut sums).score;
            let motif = strand % self.targets;
            if highest.len() <= width {
                highest.resize(width + 1, None);
            }
            let better = |(most, first): (i32, usize)| (score, first) > (most, motif);
            if highest[width].is_none_or(better) {
                highest[width] = Some((score, motif));
            }
        }
        let found = highest.iter().enumerate().filter_map(|(width, highest)| {
            let (score, motif) = (*highest)?;
            let null = Null::new(query.len(), width, unaligned, &mut tail);
            Some((null.p(score), motif))
        });
        let (p, motif) = found.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))?;
        let mut of = |strand: usize| {
            let bound = self.bounds[strand]..self.bounds[strand + 1];
            place(query, unaligned, bound, &mut sums)
        };
        let (ours, theirs) = (of(motif), of(motif + self.targets));
        Some(self.likeness(motif, p, ours, theirs))
    }

    /// Of the smaller p-value of both strands.
    fn likeness(&self, motif: usize, p: f64, ours: Place, theirs: Place) -> Likeness {
        let reverse = ours.score <= theirs.score;
        let place = if reverse { theirs } else { ours };
        // 1 - (1 - p)^2, which would be 0 for small p.
        let p = p * (2.0 - p);
        Likeness {
            motif,
            p,
            e: p * self.targets as f64,
            offset: place.offset,
            overlap: place.overlap,
            reverse,
        }
    }

    fn all(
        &self,
        query: &[&Whole],
        unaligned: i32,
        mut tail: impl FnMut(usize, usize) -> Tail,
    ) -> Vec<Likeness> {
        if query.is_empty() {
            return Vec::new();
        }
        let mut sums = Vec::new();
        let places: Vec<Place> = (self.bounds.windows(2))
            .map(|bound| place(query, unaligned, bound[0]..bound[1], &mut sums))
            .collect();
        // p-values fall with the score: of a width each score is looked up once.
        let mut known: HashMap<(usize, i32), f64> = HashMap::new();
        let mut nulls: HashMap<usize, Null> = HashMap::new();
        let mut p_of = |strand: usize| -> f64 {
            let width = self.bounds[strand + 1] - self.bounds[strand];
            let score = places[strand].score;
            *known.entry((width, score)).or_insert_with(|| {
                let null = nulls
                    .entry(width)
                    .or_insert_with(|| Null::new(query.len(), width, unaligned, &mut tail));
                null.p(score)
            })
        };
        (0..self.targets)
            .map(|motif| {
                let p = p_of(motif).min(p_of(motif + self.targets));
                self.likeness(motif, p, places[motif], places[motif + self.targets])
            })
            .collect()
    }
}

impl Letters {
    /// The distribution of a stretch's sum depends on how often each letter stands in it alone.
    fn tail(&self, word: &[u8]) -> Tail {
        let mut counts = [0u8; 4];
        for &code in word {
            counts[usize::from(code)] += 1;
        }
        let known = |key: &[u8; 4]| {
            let tails = self.tails.lock().unwrap_or_else(PoisonError::into_inner);
            tails.get(key).cloned()
        };
        if let Some(tail) = known(&counts) {
            return tail;
        }
        let mut chances = vec![1.0];
        for (letter, &n) in counts.iter().enumerate() {
            for _ in 0..n {
                chances = convolved(&chances, &self.whole[letter].shares);
            }
        }
        let tail = tail_of(&chances);
        let mut tails = self.tails.lock().unwrap_or_else(PoisonError::into_inner);
        tails.insert(counts, tail.clone());
        tail
    }
}

/// The best place of a target's columns on a query: the highest sum, then the largest overlap, then the first.
fn place(
    query: &[&Whole],
    unaligned: i32,
    target: std::ops::Range<usize>,
    sums: &mut Vec<i32>,
) -> Place {
    let (n, m) = (query.len(), target.len());
    // Sum number k has column n - 1 - k of the query under the target's first.
    sums.clear();
    sums.resize(n + m - 1, n as i32 * unaligned);
    for (i, column) in query.iter().enumerate() {
        let sums = &mut sums[n - 1 - i..][..m];
        for (sum, &score) in sums.iter_mut().zip(&column.scores[target.clone()]) {
            *sum += i32::from(score) - unaligned;
        }
    }
    let most = sums.iter().copied().max().unwrap_or(0);
    let mut best = Place {
        score: most,
        offset: 0,
        overlap: 0,
    };
    for (k, _) in sums.iter().enumerate().rev().filter(|(_, s)| **s == most) {
        let overlap = (k + 1).min(n) - (k + 1).saturating_sub(m);
        if overlap > best.overlap {
            best.offset = n as i64 - 1 - k as i64;
            best.overlap = overlap;
        }
    }
    best
}

/// Of targets of one width: the stretches of the query that they can lie on.
struct Null {
    /// Their tails, what the columns beside them count, and how many offsets have them.
    stretches: Vec<(Tail, i32, f64)>,
}

impl Null {
    fn new(
        query: usize,
        width: usize,
        unaligned: i32,
        tail: &mut impl FnMut(usize, usize) -> Tail,
    ) -> Self {
        let mut stretches = Vec::new();
        let mut add = |from: usize, to: usize, times: usize| {
            let beside = (query - (to - from)) as i32 * unaligned;
            stretches.push((tail(from, to), beside, times as f64));
        };
        let short = width.min(query);
        for part in 1..short {
            add(0, part, 1);
            add(query - part, query, 1);
        }
        match width < query {
            true => (0..=query - width).for_each(|from| add(from, from + width, 1)),
            false => add(0, query, width - query + 1),
        }
        Self { stretches }
    }

    /// Chance that the best offset scores as high.
    fn p(&self, score: i32) -> f64 {
        let log: f64 = (self.stretches.iter())
            .map(|(tail, beside, times)| {
                let sum = usize::try_from(score - beside).unwrap_or(0);
                times * tail.get(sum).copied().unwrap_or(0.0)
            })
            .sum();
        -log.exp_m1()
    }
}

fn convolved(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; a.len() + b.len() - 1];
    for (j, &share) in b.iter().enumerate().filter(|(_, share)| **share > 0.0) {
        for (to, chance) in sum[j..].iter_mut().zip(a) {
            *to += share * chance;
        }
    }
    sum
}

fn tail_of(chances: &[f64]) -> Tail {
    // From the top, so that small chances are added first.
    let mut sum = 0.0f64;
    let mut tail: Vec<f64> = (chances.iter().rev())
        .map(|chance| {
            sum += chance;
            (-sum.min(1.0)).ln_1p()
        })
        .collect();
    tail.reverse();
    tail.into()
}
