//! The table of the trunk's first layers: one row for every word of `k` known bases, built once
//! and shared by all threads; and the rows of words with unknown bases or next to zero padding,
//! which each thread computes as they come and keeps.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::floats::Floats;
use super::gemm::product;
use super::trunk::{Stage, Trunk};
use crate::encode::UNKNOWN;

/// Words computed at a time.
const CHUNK: usize = 4096;

/// Builds the table: `[4^k, row]`, the word's first base in the highest digit. Without tabulated
/// layers, the first stage's projected rows of the four bases.
pub(super) fn build(trunk: &Trunk) -> Floats {
    if trunk.depth == 0 {
        return trunk.layers[0].weight.as_slice().into();
    }
    let next = trunk.layers.get(trunk.depth).filter(|_| trunk.projected);
    rows(&trunk.layers[..trunk.depth], next)
}

/// Values of the layers for all words, projected if there is a next layer.
fn rows(layers: &[Stage], next: Option<&Stage>) -> Floats {
    let Some((last, before)) = layers.split_last() else {
        return Floats::new();
    };
    // Layers of width 1 at the end do not lengthen the word: they run chunk by chunk.
    let narrow = layers.iter().rev().take_while(|l| l.reach() == 0).count();
    let narrow = narrow.min(layers.len() - 1);
    let wide = layers.len() - 1 - narrow;
    let layer = &layers[wide];
    let inner = if wide == 0 {
        layer.weight.as_slice().into()
    } else {
        rows(&before[..wide], Some(layer))
    };
    let inner_k = 1 + layers[..wide].iter().map(Stage::reach).sum::<usize>();
    let k = inner_k + layer.reach();
    let words = 1usize << (2 * k);
    let width = next.map_or(last.row, Stage::projected);
    let mut out = Floats::large(words * width);
    let inner_mask = (1usize << (2 * inner_k)) - 1;
    let (mut values, mut rows) = (Floats::new(), Floats::new());
    for from in (0..words).step_by(CHUNK) {
        let n = CHUNK.min(words - from);
        values.clear();
        for word in from..from + n {
            let at = values.len();
            values.push_row(&layer.bias);
            let sums = &mut values[at..];
            for tap in 0..layer.width {
                let behind = layer.reach() - tap * layer.dilation;
                let inner_word = (word >> (2 * behind)) & inner_mask;
                let row = &inner[inner_word * layer.projected() + tap * layer.row..][..layer.row];
                for (sum, x) in sums.iter_mut().zip(row) {
                    *sum += x;
                }
            }
        }
        layer.finish(&mut values);
        let mut row = layer.row;
        for layer in &layers[wide + 1..] {
            project(layer, n, (&values, row), &mut rows);
            for sums in rows.chunks_exact_mut(layer.row) {
                for (sum, b) in sums.iter_mut().zip(&layer.bias) {
                    *sum += b;
                }
            }
            layer.finish(&mut rows);
            std::mem::swap(&mut values, &mut rows);
            row = layer.row;
        }
        let out = &mut out[from * width..(from + n) * width];
        match next {
            None => out.copy_from_slice(&values),
            Some(next) => product(
                (n, next.inputs, width),
                (&values, row),
                (&next.weight, width),
                (out, width),
            ),
        }
    }
    out
}

/// Projects `n` values for a layer.
pub(super) fn project(layer: &Stage, n: usize, (values, row): (&[f32], usize), out: &mut Floats) {
    let width = layer.projected();
    out.resize(n * width);
    product(
        (n, layer.inputs, width),
        (values, row),
        (&layer.weight, width),
        (out, width),
    );
}

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

impl Extra {
    pub(super) fn new(trunk: &Trunk) -> Self {
        let mut extra = Self {
            blocks: Vec::new(),
            row: trunk.table_row(),
            count: 0,
            plain: Vec::new(),
            padded: HashMap::default(),
        };
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
        let mut key = 0u64;
        for &code in word {
            key = key * 5 + u64::from(code);
        }
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
        let values = direct(trunk, word, ends);
        let index = match trunk.layers.get(trunk.depth).filter(|_| trunk.projected) {
            None => self.push(&values),
            Some(next) => {
                let mut projected = Floats::new();
                project(next, 1, (&values, values.len()), &mut projected);
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
