use crate::encode::UNKNOWN;

/// Longest k-mers: 65,536 of them.
pub const LONGEST: usize = 8;

/// Numbers for all k-mers of 1 to `longest` bases: first the 4 single bases, then the 16 pairs, and
/// so on; within one length in the order of A, C, G, T.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kmers {
    longest: usize,
}

impl Kmers {
    /// `None` unless `longest` is 1 to [`LONGEST`].
    pub fn new(longest: usize) -> Option<Self> {
        (1..=LONGEST).contains(&longest).then_some(Self { longest })
    }

    /// Bases of the longest.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Number of the first k-mer of `k` bases: (4^k - 4) / 3.
    pub fn first(k: usize) -> usize {
        ((1 << (2 * k)) - 4) / 3
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        Self::first(self.longest + 1)
    }

    /// Letters of a number.
    pub fn letters(&self, number: usize) -> String {
        let k = (1..=self.longest)
            .rev()
            .find(|&k| Self::first(k) <= number)
            .unwrap_or(1);
        let word = number - Self::first(k);
        (0..k)
            .map(|at| crate::encode::BASES[(word >> (2 * (k - 1 - at))) & 3])
            .collect()
    }

    /// Calls `f` with length and number of every k-mer of a sequence of base codes, once an
    /// occurrence, by end and then by length. K-mers with unknown bases are not counted.
    pub fn each(&self, codes: &[u8], mut f: impl FnMut(usize, usize)) {
        let (mut word, mut run) = (0usize, 0);
        for &code in codes {
            if code >= UNKNOWN {
                run = 0;
                continue;
            }
            word = (word << 2 | usize::from(code)) & ((1 << (2 * LONGEST)) - 1);
            run = (run + 1).min(self.longest);
            for k in 1..=run {
                f(k, Self::first(k) + (word & ((1 << (2 * k)) - 1)));
            }
        }
    }

    /// By what counts are multiplied, one a length: such that over these sequences the squares of
    /// the scaled counts of each length sum to 1 / `longest` on average, and those of all to 1. A
    /// learning rate then means the same for any sequences.
    pub fn scales<'a>(&self, sequences: impl Iterator<Item = &'a [u8]>) -> Vec<f64> {
        let mut counts = vec![0u32; self.count()];
        let mut squares = vec![0.0; self.longest];
        let mut rows = 0.0;
        for codes in sequences {
            rows += 1.0;
            // (n + 1)^2 - n^2, counting up; then back to zero.
            self.each(codes, |k, number| {
                squares[k - 1] += f64::from(2 * counts[number] + 1);
                counts[number] += 1;
            });
            self.each(codes, |_, number| counts[number] = 0);
        }
        (squares.iter())
            .map(|&s| match s > 0.0 {
                true => (rows / (s * self.longest as f64)).sqrt(),
                false => 0.0,
            })
            .collect()
    }
}
