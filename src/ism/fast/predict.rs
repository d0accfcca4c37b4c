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
use super::slide::{Slide, Windows, slide};
use super::strand::Tables;
use super::strip::{Context, Scratch};
use crate::encode::UNKNOWN;

/// Longest word by which edge parts are kept: 5^8 indices.
pub(super) const LONGEST: usize = 8;

/// How to predict, for one set of tables.
#[derive(Clone, Debug)]
pub(super) struct Predictor {
    slide: Slide,
    /// Edge parts: the cell, whether it is the right edge, and the positions.
    parts: Vec<(usize, bool, usize, usize)>,
    /// As [`Slide::arrange`] has them.
    weights: Floats,
    /// `[cells, row]`: what never changes.
    fixed: Floats,
    /// Positions from a window's first interior value to its last.
    pub(super) reach: usize,
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
            let rows = &reducer.weights[cell.weights * each..][..each];
            weights.push_row(&Slide::arrange(rows, heads, row));
            fixed.push_row(&cell.fixed);
        }
        let reach = interior.1 - interior.0;
        Some(Self {
            slide: Slide::new(&cells, reach),
            parts,
            weights,
            fixed,
            reach,
        })
    }
}

/// A thread's state.
#[derive(Debug, Default)]
pub(super) struct Predictions {
    /// By part: index of the row by word (base 5), 0 where there is none yet, and the rows.
    index: Vec<Vec<u32>>,
    rows: Vec<Floats>,
    /// Codes of the words at the run's bases.
    words: Vec<u32>,
    scratch: Floats,
    edges: Vec<*const f32>,
    offsets: Vec<usize>,
    sums: Vec<f32>,
}

impl Predictions {
    /// Activities `[windows, tasks]` of the windows at `starts`; `values` are the rows of the
    /// positions from the first window's first interior one to the last one's last.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn run(
        &mut self,
        tables: &Tables,
        plan: &Predictor,
        scratch: &mut Scratch,
        codes: &[u8],
        starts: &[usize],
        values: &[*const f32],
        activities: &mut [f32],
    ) {
        let (Some(&first), Some(&last)) = (starts.first(), starts.last()) else {
            return;
        };
        let reducer = &tables.reducer;
        let (row, heads, tasks) = (reducer.row, reducer.padded_heads, tables.tasks());
        assert_eq!(values.len(), last - first + plan.reach);
        self.offsets.clear();
        self.offsets.extend(starts.iter().map(|s| s - first));
        self.edge_rows(tables, plan, scratch, codes, starts);
        let room = plan.slide.scratch(row);
        self.scratch.resize(self.scratch.len().max(room));
        self.sums.resize(starts.len() * heads, 0.0);
        let windows = Windows {
            slide: &plan.slide,
            rows: values,
            row,
            offsets: &self.offsets,
            edges: &self.edges,
            parts: plan.parts.len(),
            weights: &plan.weights,
            heads,
        };
        // SAFETY: values and edges are rows of the reducer's length, as many as the windows reach;
        // the scratch was sized above, and the plan has all cells' weights.
        unsafe {
            slide(scratch.level, &windows, &mut self.scratch, &mut self.sums);
        }
        for (out, sums) in activities
            .chunks_exact_mut(tasks)
            .zip(self.sums.chunks_exact(heads))
        {
            for ((out, sum), constant) in out.iter_mut().zip(sums).zip(&reducer.constant) {
                *out = sum + constant;
            }
        }
    }

    /// Rows of the edge parts of each window.
    fn edge_rows(
        &mut self,
        tables: &Tables,
        plan: &Predictor,
        scratch: &mut Scratch,
        codes: &[u8],
        starts: &[usize],
    ) {
        let row = tables.reducer.row;
        let letters = tables.tabled.trunk.span - 1;
        self.edges.clear();
        self.edges
            .resize(starts.len() * plan.parts.len(), std::ptr::null());
        if plan.parts.is_empty() {
            return;
        }
        self.index.resize(plan.parts.len(), Vec::new());
        self.rows.resize(plan.parts.len(), Floats::new());
        let first = starts[0];
        let end = starts[starts.len() - 1] + tables.window;
        let most = 5u32.pow(letters as u32);
        self.words.clear();
        let mut code = 0;
        for (i, &c) in codes[first..end].iter().enumerate() {
            code = (code * 5 + u32::from(c)) % most;
            if i + 1 >= letters {
                self.words.push(code);
            }
        }
        for (p, &part) in plan.parts.iter().enumerate() {
            let (index, rows) = (&mut self.index[p], &mut self.rows[p]);
            if index.is_empty() {
                index.resize(most as usize, 0);
                rows.resize(row);
            }
            let behind = if part.1 { tables.window - letters } else { 0 };
            // First what is new, since that may move rows.
            for &start in starts {
                let found = &mut index[self.words[start - first + behind] as usize];
                if *found == 0 {
                    *found = (rows.len() / row) as u32;
                    let word = &codes[start + behind..][..letters];
                    rows.push_row(&part_row(tables, plan, scratch, word, part));
                }
            }
            let edges = self.edges[p..].iter_mut().step_by(plan.parts.len());
            for (edge, &start) in edges.zip(starts) {
                let found = index[self.words[start - first + behind] as usize];
                *edge = rows[found as usize * row..][..row].as_ptr();
            }
        }
    }
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
