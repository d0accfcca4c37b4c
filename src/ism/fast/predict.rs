//! Activities alone, of windows a few bases apart, for a max pool under a linear head: sliding
//! maxima are shared by all windows.
//!
//! A pool's cell is at most three parts: positions whose field crosses the window's left edge,
//! interior ones, and ones that cross the right edge. The interior part's maximum is a sliding
//! maximum over the stretch, by doubling (maxima of 1, 2, 4, ... positions, then two of them that
//! overlap); for all cells of the same length the same. The edge parts depend on the window's
//! first or last `span - 1` bases only: they are made once for each such word.

use super::floats::Floats;
use super::reduce::{Reducer, Way};
use super::simd::{PAD, Simd, kernel};
use super::strand::Tables;
use super::strip::{Context, Scratch};
use crate::encode::UNKNOWN;

/// Bases a block: columns of 16 channels that stay in the second-level cache, and few enough
/// positions beside the windows' own.
const BLOCK: usize = 384;

/// Longest word by which edge parts are kept: 5^8 indices.
pub(super) const LONGEST: usize = 8;

/// How to predict, for one set of tables.
#[derive(Clone, Debug)]
pub(super) struct Predictor {
    /// Distinct lengths of interior parts, ascending.
    lengths: Vec<usize>,
    /// By cell: which length, and where the part begins behind the window's first value.
    cells: Vec<(usize, usize)>,
    /// Edge parts: the cell, whether it is the right edge, and the positions.
    parts: Vec<(usize, bool, usize, usize)>,
    /// `[cells, heads, row]`
    weights: Floats,
    /// `[cells, row]`: what never changes.
    fixed: Floats,
    /// Positions from a window's first interior value to its last.
    reach: usize,
}

impl Predictor {
    /// `None` where this way is not open: another reduction, a cell without interior positions,
    /// or edges that are no function of a short word.
    pub(super) fn new(reducer: &Reducer, interior: (usize, usize), short: bool) -> Option<Self> {
        if reducer.way != Way::Max {
            return None;
        }
        let edges = reducer.from < interior.0 || interior.1 < reducer.to;
        if edges && !short {
            return None;
        }
        let mut out = Self {
            lengths: Vec::new(),
            cells: Vec::new(),
            parts: Vec::new(),
            weights: Floats::new(),
            fixed: Floats::new(),
            reach: interior.1 - interior.0,
        };
        let mut lengths = Vec::new();
        for (i, cell) in reducer.cells.iter().enumerate() {
            let (from, to) = (cell.from.max(interior.0), cell.to.min(interior.1));
            if from >= to {
                return None;
            }
            lengths.push(to - from);
            out.cells.push((to - from, from - interior.0));
            if cell.from < from {
                out.parts.push((i, false, cell.from, from));
            }
            if to < cell.to {
                out.parts.push((i, true, to, cell.to));
            }
            // Positions that no base reaches lie behind an edge's, so a cell without edge parts
            // has none of them.
            if cell.from == from && to == cell.to && cell.fixed.iter().any(|v| v.is_finite()) {
                return None;
            }
            let each = reducer.padded_heads * reducer.row;
            out.weights
                .push_row(&reducer.weights[cell.weights * each..][..each]);
            out.fixed.push_row(&cell.fixed);
        }
        lengths.sort_unstable();
        lengths.dedup();
        for (length, _) in &mut out.cells {
            *length = lengths.binary_search(length).ok()?;
        }
        out.lengths = lengths;
        Some(out)
    }
}

/// A thread's state.
#[derive(Debug, Default)]
pub(super) struct Predictions {
    /// By part: index of the row by word (base 5), 0 where there is none yet, and the rows.
    index: Vec<Vec<u32>>,
    rows: Vec<Floats>,
    scratch: Floats,
    pointers: Vec<*const f32>,
    offsets: Vec<usize>,
    sums: Vec<f32>,
}

/// What the kernel reads.
struct Block<'a> {
    plan: &'a Predictor,
    /// Values from the first window's first interior one on.
    values: *const f32,
    positions: usize,
    row: usize,
    heads: usize,
    /// By window: its first value.
    offsets: &'a [usize],
    /// `[windows, parts]`
    parts: &'a [*const f32],
}

impl Predictions {
    /// Activities `[windows, tasks]` of the windows at `starts`; `values` are the stretch's, of
    /// which a window's first interior one has its start's index less `first`.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn run(
        &mut self,
        tables: &Tables,
        plan: &Predictor,
        scratch: &mut Scratch,
        codes: &[u8],
        starts: &[usize],
        (values, first): (&[f32], usize),
        activities: &mut [f32],
    ) {
        let reducer = &tables.reducer;
        let (row, heads, tasks) = (reducer.row, reducer.padded_heads, tables.tasks());
        self.index.resize(plan.parts.len(), Vec::new());
        self.rows.resize(plan.parts.len(), Floats::new());
        let mut at = 0;
        while at < starts.len() {
            // As many windows as fit a block, by positions.
            let begin = starts[at];
            let end = starts[at..].partition_point(|&s| s - begin < BLOCK) + at;
            let windows = &starts[at..end];
            self.offsets.clear();
            self.offsets.extend(windows.iter().map(|s| s - begin));
            self.edge_rows(tables, plan, scratch, codes, windows);
            let positions = windows[windows.len() - 1] - begin + plan.reach;
            let values = &values[(begin - first) * row..(begin - first + positions) * row];
            self.sums.clear();
            self.sums.resize(windows.len() * heads, 0.0);
            let block = Block {
                plan,
                values: values.as_ptr(),
                positions,
                row,
                heads,
                offsets: &self.offsets,
                parts: &self.pointers,
            };
            let columns = positions * (1 + plan.lengths.len()) * PAD;
            let room = columns + windows.len() * heads * PAD;
            self.scratch.resize(self.scratch.len().max(room));
            // SAFETY: the values were sliced for all positions; parts are rows; the scratch holds
            // a column of the values, one for each length, and a vector for each sum.
            unsafe {
                predict_block(scratch.level, &block, &mut self.scratch, &mut self.sums);
            }
            for (w, sums) in self.sums.chunks_exact(heads).enumerate() {
                let out = &mut activities[(at + w) * tasks..][..tasks];
                for ((out, sum), constant) in out.iter_mut().zip(sums).zip(&reducer.constant) {
                    *out = sum + constant;
                }
            }
            at = end;
        }
    }

    /// Rows of the edge parts of each window.
    fn edge_rows(
        &mut self,
        tables: &Tables,
        plan: &Predictor,
        scratch: &mut Scratch,
        codes: &[u8],
        windows: &[usize],
    ) {
        let row = tables.reducer.row;
        let letters = tables.tabled.trunk.span - 1;
        // First what is new, since that may move rows.
        for (p, &part) in plan.parts.iter().enumerate() {
            let (index, rows) = (&mut self.index[p], &mut self.rows[p]);
            if index.is_empty() {
                index.resize(5usize.pow(letters as u32), 0);
                rows.resize(row);
            }
            for &start in windows {
                let word = word(tables, codes, start, part.1);
                let code = code(word);
                if index[code] == 0 {
                    index[code] = (rows.len() / row) as u32;
                    let best = part_row(tables, plan, scratch, word, part);
                    rows.push_row(&best);
                }
            }
        }
        self.pointers.clear();
        for &start in windows {
            for (p, part) in plan.parts.iter().enumerate() {
                let code = code(word(tables, codes, start, part.1));
                let at = self.index[p][code] as usize * row;
                self.pointers.push(self.rows[p][at..at + row].as_ptr());
            }
        }
    }
}

/// The bases of a window that its edge parts depend on.
fn word<'a>(tables: &Tables, codes: &'a [u8], start: usize, right: bool) -> &'a [u8] {
    let letters = tables.tabled.trunk.span - 1;
    let from = if right {
        start + tables.window - letters
    } else {
        start
    };
    &codes[from..from + letters]
}

fn code(word: &[u8]) -> usize {
    word.iter().fold(0, |code, &c| code * 5 + usize::from(c))
}

/// Maximum of an edge part's values and of what never changes in its cell.
fn part_row(
    tables: &Tables,
    plan: &Predictor,
    scratch: &mut Scratch,
    word: &[u8],
    (cell, right, from, to): (usize, bool, usize, usize),
) -> Vec<f32> {
    let (span, row) = (tables.tabled.trunk.span, tables.reducer.row);
    // A frame that holds nothing but the word, at its place.
    let mut codes = vec![UNKNOWN; tables.framed + 2 * span];
    let begin = span + tables.first + if right { tables.window - word.len() } else { 0 };
    codes[begin..begin + word.len()].copy_from_slice(word);
    let context = Context {
        codes: &codes,
        frame: Some(span),
    };
    let mut strip = super::strip::Strip::default();
    let range = (span + from, span + to);
    tables.tabled.reference(scratch, context, range, &mut strip);
    let mut best = plan.fixed[cell * row..(cell + 1) * row].to_vec();
    for values in strip.values.chunks_exact(row) {
        for (best, v) in best.iter_mut().zip(values) {
            *best = best.max(*v);
        }
    }
    best
}

kernel! {
    /// Adds to `[windows, heads]` sums.
    ///
    /// # Safety
    /// As stated where it is called.
    fn predict_block = predict_block_body(block: &Block<'_>, scratch: &mut [f32], sums: &mut [f32])
}

#[inline(always)]
unsafe fn predict_block_body<S: Simd>(block: &Block<'_>, scratch: &mut [f32], sums: &mut [f32]) {
    let (plan, row, heads, n) = (block.plan, block.row, block.heads, block.positions);
    let windows = block.offsets.len();
    let lanes = S::LANES;
    let current = scratch.as_mut_ptr();
    // SAFETY: the caller's promise; all indices stay below `positions` rows of `lanes` floats.
    unsafe {
        let maxima = current.add(n * lanes);
        // The largest power of two that is needed: its maxima stay where they are made.
        let last = 1usize << plan.lengths.last().map_or(0, |l| l.ilog2());
        let vectors = current.add(n * lanes * (1 + plan.lengths.len()));
        for i in 0..windows * heads {
            S::store(vectors.add(i * lanes), S::zero());
        }
        for v in (0..row).step_by(lanes) {
            for p in 0..n {
                S::store(
                    current.add(p * lanes),
                    S::load(block.values.add(p * row + v)),
                );
            }
            // Maxima of `size` positions from each on, in place.
            let mut size = 1;
            for (l, &length) in plan.lengths.iter().enumerate() {
                while size * 4 <= length {
                    for p in 0..n + 1 - 4 * size {
                        let at = current.add(p * lanes);
                        let left = S::max(S::load(at), S::load(at.add(size * lanes)));
                        let right = S::max(
                            S::load(at.add(2 * size * lanes)),
                            S::load(at.add(3 * size * lanes)),
                        );
                        S::store(at, S::max(left, right));
                    }
                    size *= 4;
                }
                while size * 2 <= length {
                    for p in 0..n + 1 - 2 * size {
                        let at = current.add(p * lanes);
                        let best = S::max(S::load(at), S::load(at.add(size * lanes)));
                        S::store(at, best);
                    }
                    size *= 2;
                }
                if length >= last {
                    continue; // two maxima of the last size, when they are weighed
                }
                let to = maxima.add(l * n * lanes);
                let apart = (length - size) * lanes;
                for p in 0..n + 1 - length {
                    let at = current.add(p * lanes);
                    let best = S::max(S::load(at), S::load(at.add(apart)));
                    S::store(to.add(p * lanes), best);
                }
            }
            // The cells' interior parts are there; edge parts join them as they are weighed.
            for h in (0..heads).step_by(4) {
                let mut cell = 0;
                while cell < plan.cells.len() {
                    cell += match plan.cells.len() - cell {
                        1 => weigh::<S, 1>(block, cell, (v, h, last), current, vectors),
                        2 => weigh::<S, 2>(block, cell, (v, h, last), current, vectors),
                        3 => weigh::<S, 3>(block, cell, (v, h, last), current, vectors),
                        _ => weigh::<S, 4>(block, cell, (v, h, last), current, vectors),
                    };
                }
            }
        }
        for i in (0..windows * heads).step_by(4) {
            let at = vectors.add(i * lanes);
            let four = S::sum4([
                S::load(at),
                S::load(at.add(lanes)),
                S::load(at.add(2 * lanes)),
                S::load(at.add(3 * lanes)),
            ]);
            for (t, sum) in four.into_iter().enumerate() {
                *sums.get_unchecked_mut(i + t) += sum;
            }
        }
    }
}

/// Adds some cells' columns at channel `v`, weighed for heads `h..h + 4`, to the windows' vectors.
#[inline(always)]
unsafe fn weigh<S: Simd, const CELLS: usize>(
    block: &Block<'_>,
    first: usize,
    (v, h, last): (usize, usize, usize),
    current: *const f32,
    vectors: *mut f32,
) -> usize {
    let (plan, row, heads, lanes) = (block.plan, block.row, block.heads, S::LANES);
    let parts = plan.parts.len();
    // SAFETY: as in the caller.
    unsafe {
        let mut weights = [[S::zero(); 4]; CELLS];
        let mut features = [current; CELLS];
        let mut apart = [0; CELLS];
        let mut own = [[usize::MAX; 2]; CELLS];
        for c in 0..CELLS {
            let from = plan.weights.as_ptr();
            let from = from.add(((first + c) * heads + h) * row + v);
            for (t, w) in weights[c].iter_mut().enumerate() {
                *w = S::load(from.add(t * row));
            }
            let (length, behind) = plan.cells[first + c];
            let table = if plan.lengths[length] < last {
                1 + length
            } else {
                apart[c] = (plan.lengths[length] - last) * lanes;
                0
            };
            features[c] = current.add((table * block.positions + behind) * lanes);
            let cell_parts = plan.parts.iter().enumerate();
            let cell_parts = cell_parts.filter(|(_, part)| part.0 == first + c);
            for (slot, (p, _)) in own[c].iter_mut().zip(cell_parts) {
                *slot = p;
            }
        }
        for (i, &offset) in block.offsets.iter().enumerate() {
            let to = vectors.add((i * heads + h) * lanes);
            let mut sums = [
                S::load(to),
                S::load(to.add(lanes)),
                S::load(to.add(2 * lanes)),
                S::load(to.add(3 * lanes)),
            ];
            for c in 0..CELLS {
                let at = features[c].add(offset * lanes);
                let mut x = S::max(S::load(at), S::load(at.add(apart[c])));
                for p in own[c] {
                    if p != usize::MAX {
                        let part = *block.parts.get_unchecked(i * parts + p);
                        x = S::max(x, S::load(part.add(v)));
                    }
                }
                for (sum, w) in sums.iter_mut().zip(weights[c]) {
                    *sum = S::fma(x, w, *sum);
                }
            }
            for (t, sum) in sums.into_iter().enumerate() {
                S::store(to.add(t * lanes), sum);
            }
        }
    }
    CELLS
}
