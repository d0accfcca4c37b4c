//! The rows of words with unknown bases or next to zero padding, which the table does not hold:
//! each thread computes them as they come and keeps them.
//!
//! At the ends of a masked genome's islands stand hundreds of such words each, most of them new, so
//! they are made as the table is: a layer's sums are of rows of the shorter words within, of which
//! there are few and which are kept, too.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::floats::{Floats, pass_over_nan};
use super::gemm::row_product;
use super::simd::Level;
use super::table::project;
use super::trunk::{Stage, Trunk};
use crate::encode::UNKNOWN;

/// Keys are words, well mixed by a product with an odd constant (Fibonacci hashing).
#[derive(Default)]
pub(super) struct WordHasher(u64);

impl Hasher for WordHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.write_u64(self.0 ^ u64::from(b));
        }
    }
    fn write_u64(&mut self, key: u64) {
        let mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

/// Rows that the table does not hold, by thread.
#[derive(Debug)]
pub(super) struct Extra {
    /// Blocks of rows, which never move; the zero row first.
    blocks: Vec<Floats>,
    row: usize,
    count: usize,
    /// Index by word, 0 where there is none yet; for words away from zero padding.
    plain: Vec<u32>,
    /// Index by word and ends.
    padded: HashMap<u64, u32, BuildHasherDefault<WordHasher>>,
    /// By layer: projected rows of the words that it reads.
    inner: Vec<Inner>,
    level: Level,
    passes_over_nan: bool,
}

/// Rows of one length, by word.
#[derive(Debug, Default)]
struct Inner {
    index: HashMap<u64, usize, BuildHasherDefault<WordHasher>>,
    rows: Floats,
}

/// Rows a block.
const BLOCK: usize = 256;

/// Words up to this length are found by a plain index of 5^k entries (8 MB).
const LONGEST_PLAIN: usize = 9;

impl std::fmt::Debug for WordHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WordHasher")
    }
}

/// Floats of extra rows beyond which they are forgotten: 128 MB.
const MOST: usize = 32 << 20;

/// Floats of a layer's inner rows beyond which these are forgotten: 16 MB, all words of five bases
/// for 1,200 floats each.
const MOST_INNER: usize = 4 << 20;

impl Extra {
    /// `pools_maxima`: whether a max pool is what reads the trunk's values.
    pub(super) fn new(trunk: &Trunk, pools_maxima: bool) -> Self {
        let mut extra = Self {
            blocks: Vec::new(),
            row: trunk.table_row(),
            count: 0,
            plain: Vec::new(),
            padded: HashMap::default(),
            inner: Vec::new(),
            level: Level::best(),
            passes_over_nan: pools_maxima && trunk.stages().is_empty(),
        };
        extra.inner.resize_with(trunk.depth, Inner::default);
        extra.push(&vec![0.0; extra.row]);
        extra
    }

    /// Forgets the rows when they have become many. Only between runs: ids and rows die.
    pub(super) fn prune(&mut self) {
        if self.count * self.row > MOST {
            self.blocks.truncate(1);
            self.blocks[0].truncate(self.row);
            self.count = 1;
            self.plain.fill(0);
            self.padded.clear();
        }
    }

    /// A row by its index; 0 is the zero row.
    pub(super) fn row(&self, index: usize) -> &[f32] {
        &self.blocks[index / BLOCK][index % BLOCK * self.row..][..self.row]
    }

    fn push(&mut self, row: &[f32]) -> u32 {
        let index = self.count;
        if index.is_multiple_of(BLOCK) {
            self.blocks.push(Floats::with_capacity(BLOCK * self.row));
        }
        self.blocks[index / BLOCK].push_row(row);
        self.count += 1;
        index as u32
    }

    /// The id of a word's row, computing it if it is new. `ends` are the distances to the ends of
    /// the layer's values, cut at the trunk's deep pads.
    pub(super) fn id(&mut self, trunk: &Trunk, word: &[u8], ends: (usize, usize)) -> u32 {
        let key = code(word);
        let plain = trunk.k <= LONGEST_PLAIN && ends == trunk.deep_pads();
        let first = 1u32 << (2 * trunk.k);
        if plain {
            if self.plain.is_empty() {
                self.plain = vec![0; 5usize.pow(trunk.k as u32)];
            }
            let index = self.plain[key as usize];
            if index > 0 {
                return first + index;
            }
        }
        // 5^12 < 2^28, and pads are far below 2^16.
        let full_key = key | (ends.0 as u64) << 32 | (ends.1 as u64) << 48;
        if !plain && let Some(&index) = self.padded.get(&full_key) {
            return first + index;
        }
        let mut values = if ends == trunk.deep_pads() {
            self.value(trunk, trunk.depth - 1, word)
        } else {
            direct(trunk, word, ends)
        };
        if self.passes_over_nan {
            pass_over_nan(&mut values);
        }
        let index = match trunk.layers.get(trunk.depth).filter(|_| trunk.projected) {
            None => self.push(&values),
            Some(next) => {
                let projected = self.projected(next, &values);
                self.push(&projected)
            }
        };
        if plain {
            self.plain[key as usize] = index;
        } else {
            self.padded.insert(full_key, index);
        }
        first + index
    }

    /// Layer `l`'s value of a word of its length, away from all ends.
    fn value(&mut self, trunk: &Trunk, l: usize, word: &[u8]) -> Vec<f32> {
        let layer = &trunk.layers[l];
        let mut out = layer.bias.clone();
        let mut add = |row: &[f32]| {
            for (sum, x) in out.iter_mut().zip(row) {
                *sum += x;
            }
        };
        let within = word.len() - layer.reach();
        for tap in 0..layer.width {
            let inner = &word[tap * layer.dilation..][..within];
            let part = tap * layer.row..(tap + 1) * layer.row;
            match (l, inner[0]) {
                (0, UNKNOWN) => {}
                (0, base) => {
                    let row = usize::from(base) * layer.projected();
                    add(&layer.weight[row..][part]);
                }
                // No other word reads it.
                _ if layer.width == 1 => {
                    let value = self.value(trunk, l - 1, inner);
                    add(&self.projected(layer, &value));
                }
                _ => {
                    let row = self.inner(trunk, l, inner);
                    add(&self.inner[l].rows[row * layer.projected()..][part]);
                }
            }
        }
        layer.finish(&mut out);
        out
    }

    /// Index of the projected row that layer `l` reads of a word.
    fn inner(&mut self, trunk: &Trunk, l: usize, word: &[u8]) -> usize {
        let key = code(word);
        if let Some(&found) = self.inner[l].index.get(&key) {
            return found;
        }
        let value = self.value(trunk, l - 1, word);
        let row = self.projected(&trunk.layers[l], &value);
        let inner = &mut self.inner[l];
        if inner.rows.len() > MOST_INNER {
            inner.rows.clear();
            inner.index.clear();
        }
        let index = inner.index.len();
        inner.index.insert(key, index);
        inner.rows.push_row(&row);
        index
    }

    /// A value's row for a layer.
    fn projected(&self, layer: &Stage, value: &[f32]) -> Floats {
        let mut out = Floats::new();
        out.resize(layer.projected());
        row_product(self.level, value, &layer.weight, layer.inputs, &mut out);
        out
    }
}

/// A word as a number.
fn code(word: &[u8]) -> u64 {
    word.iter().fold(0, |key, &c| key * 5 + u64::from(c))
}

/// The tabulated layers' value for one word, layer by layer. Values beyond the ends are zero.
fn direct(trunk: &Trunk, word: &[u8], ends: (usize, usize)) -> Vec<f32> {
    let layers = &trunk.layers[..trunk.depth];
    // Rows for the first layer: projected bases.
    let mut values: Vec<f32> = Vec::new();
    let mut row = 0;
    let mut count = word.len();
    for (l, layer) in layers.iter().enumerate() {
        let n = count - layer.reach();
        let mut out = Vec::with_capacity(n * layer.row);
        let mut rows = Floats::new();
        if l > 0 {
            project(layer, count, (&values, row), &mut rows);
        }
        for at in 0..n {
            let from = out.len();
            out.extend_from_slice(&layer.bias);
            for tap in 0..layer.width {
                let input = at + tap * layer.dilation;
                let index = match l {
                    0 if word[input] == UNKNOWN => continue,
                    0 => word[input] as usize,
                    _ => input,
                };
                let rows: &[f32] = if l == 0 { &layer.weight } else { &rows };
                let row = &rows[index * layer.projected() + tap * layer.row..][..layer.row];
                for (sum, x) in out[from..].iter_mut().zip(row) {
                    *sum += x;
                }
            }
        }
        layer.finish(&mut out);
        // Zero padding of the layers to come.
        let later = &trunk.pads[l + 1..trunk.depth];
        let (left, right) = later.iter().fold((0, 0), |a, p| (a.0 + p.0, a.1 + p.1));
        for (at, value) in out.chunks_exact_mut(layer.row).enumerate() {
            if ends.0 + at < left || ends.1 + (n - 1 - at) < right {
                value.fill(0.0);
            }
        }
        values = out;
        row = layer.row;
        count = n;
    }
    values
}
