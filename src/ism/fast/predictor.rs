//! How activities alone are made, of windows a few bases apart, for a max pool under a linear head: sliding
//! maxima are shared by all windows.
//!
//! A pool's cell is at most three parts: positions whose field crosses the window's left edge,
//! interior ones, and ones that cross the right edge. The interior part's maximum is a sliding
//! maximum over the stretch, by doubling (maxima of 1, 2, 4, ... positions, then two of them that
//! overlap); for all cells of the same length the same. The edge parts depend on the window's
//! first or last `span - 1` bases only: they are made once for each such word.
//!
//! Where values are rows of a table, the table is read at random, a word a position. A copy of it
//! by columns keeps what one pass reads small: of the paper's network 1 MB of 7.3.

use super::floats::Floats;
use super::reducer::{Reducer, Way};
use super::simd::PAD;
use super::slide::Slide;

/// Longest word by which edge parts are kept: 5^8 indices.
pub(super) const LONGEST: usize = 8;

/// Floats of the largest table that is copied: 32 MB. A column of a larger one would not stay in
/// a cache either.
const MOST_COPIED: usize = 8 << 20;

/// How to predict, for one set of tables.
#[derive(Clone, Debug)]
pub(super) struct Predictor {
    pub(super) slide: Slide,
    /// Edge parts: the cell, whether it is the right edge, and the positions.
    pub(super) parts: Vec<(usize, bool, usize, usize)>,
    /// As [`Slide::arrange`] has them.
    pub(super) weights: Floats,
    /// Of the last column, if it is a narrow one.
    pub(super) narrow: Option<Floats>,
    /// `[cells, row]`: what never changes.
    pub(super) fixed: Floats,
    /// Whether the table has all values.
    pub(super) looks_up: bool,
    /// If so and it is small, its copy by columns, `[row / PAD, words, PAD]`.
    pub(super) columns: Option<Floats>,
    /// Positions from a window's first interior value to its last.
    pub(super) reach: usize,
}

impl Predictor {
    /// `None` where this way is not open: another reduction, a cell without interior positions,
    /// or edges that are no function of a short word. `table` holds the rows of values by word.
    pub(super) fn new(
        reducer: &Reducer,
        interior: (usize, usize),
        short: bool,
        table: Option<&[f32]>,
    ) -> Option<Self> {
        if reducer.way != Way::Max {
            return None;
        }
        let edges = reducer.from < interior.0 || interior.1 < reducer.to;
        if edges && !short {
            return None;
        }
        let (heads, row) = (reducer.padded_heads, reducer.row);
        let mut parts = Vec::new();
        let mut cells = Vec::new();
        let mut weights = Floats::new();
        let mut fixed = Floats::new();
        for (i, cell) in reducer.cells.iter().enumerate() {
            let (from, to) = (cell.from.max(interior.0), cell.to.min(interior.1));
            if from >= to {
                return None;
            }
            let first = parts.len();
            if cell.from < from {
                parts.push((i, false, cell.from, from));
            }
            if to < cell.to {
                parts.push((i, true, to, cell.to));
            }
            // Positions that no base reaches lie behind an edge's, so a cell without edge parts
            // has none of them.
            if cell.from == from && to == cell.to && cell.fixed.iter().any(|v| v.is_finite()) {
                return None;
            }
            let own = (first..parts.len()).collect();
            cells.push((from - interior.0, to - interior.0, own));
            let each = heads * row;
            weights.push_row(&reducer.weights[cell.weights * each..][..each]);
            fixed.push_row(&cell.fixed);
        }
        let reach = interior.1 - interior.0;
        let slide = Slide::new(&cells, reach);
        let weights = slide.arrange(&weights, heads, row);
        let last = &weights[weights.len() - cells.len() * heads * PAD..];
        let narrow = Slide::narrow(last).map(|w| w.as_slice().into());
        Some(Self {
            slide,
            parts,
            weights: weights.as_slice().into(),
            narrow,
            fixed,
            looks_up: table.is_some(),
            columns: table
                .filter(|t| t.len() <= MOST_COPIED)
                .map(|t| by_columns(t, row)),
            reach,
        })
    }
}

/// Rows `[words, row]` as `[row / PAD, words, PAD]`.
fn by_columns(table: &[f32], row: usize) -> Floats {
    let mut out = Floats::large(table.len());
    let words = table.len() / row;
    for (column, out) in out.chunks_exact_mut(words * PAD).enumerate() {
        let rows = table.chunks_exact(row);
        for (out, row) in out.chunks_exact_mut(PAD).zip(rows) {
            out.copy_from_slice(&row[column * PAD..][..PAD]);
        }
    }
    out
}
