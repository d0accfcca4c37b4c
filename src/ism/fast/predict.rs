//! Activities alone, of windows a few bases apart, for a max pool under a linear head: sliding
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
use super::reduce::{Reducer, Way};
use super::simd::PAD;
use super::slide::{Rows, Slide, Windows, slide};
use super::strand::Tables;
use super::strip::{Context, Scratch, Strip};
use crate::encode::UNKNOWN;

/// Longest word by which edge parts are kept: 5^8 indices.
pub(super) const LONGEST: usize = 8;

/// Floats of the largest table that is copied: 32 MB. A column of a larger one would not stay in
/// a cache either.
const MOST_COPIED: usize = 8 << 20;

/// How to predict, for one set of tables.
#[derive(Clone, Debug)]
pub(super) struct Predictor {
    slide: Slide,
    /// Edge parts: the cell, whether it is the right edge, and the positions.
    parts: Vec<(usize, bool, usize, usize)>,
    /// As [`Slide::arrange`] has them.
    weights: Floats,
    /// Of the last column, if it is a narrow one.
    narrow: Option<Floats>,
    /// `[cells, row]`: what never changes.
    fixed: Floats,
    /// Whether the table has all values.
    pub(super) looks_up: bool,
    /// If so and it is small, its copy by columns, `[row / PAD, words, PAD]`.
    columns: Option<Floats>,
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

/// Where the values of a run's positions are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Values<'a> {
    /// Rows of the table, by id, and the rows of ids beyond it.
    Table(&'a [u32], &'a [*const f32]),
    /// Rows by position.
    Strip(&'a Strip),
}

/// A thread's state.
#[derive(Debug, Default)]
pub(super) struct Predictions {
    /// By part: index of the row by word (base 5), 0 where there is none yet.
    index: Vec<Vec<u32>>,
    /// By part: the rows.
    rows: Vec<PartRows>,
    /// Codes of the words at the run's bases.
    words: Vec<u32>,
    scratch: Floats,
    /// `[windows, parts]` indices of rows.
    edges: Vec<u32>,
    /// Ids of a strip's rows.
    ids: Vec<u32>,
    sums: Vec<f32>,
}

impl Predictions {
    /// Activities `[windows, tasks]` of the windows at `starts`; `values` are those of the
    /// positions from the first window's first interior one to the last one's last.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn run(
        &mut self,
        tables: &Tables,
        plan: &Predictor,
        scratch: &mut Scratch,
        codes: &[u8],
        starts: &[usize],
        values: Values<'_>,
        activities: &mut [f32],
    ) {
        let (Some(&first), Some(&last)) = (starts.first(), starts.last()) else {
            return;
        };
        let reducer = &tables.reducer;
        let (row, heads, tasks) = (reducer.row, reducer.padded_heads, tables.tasks());
        let positions = last - first + plan.reach;
        self.edge_rows(tables, plan, scratch, codes, starts);
        let room = plan.slide.scratch();
        self.scratch.resize(self.scratch.len().max(room));
        // Sums go where activities do, if they are as many.
        let mut padded = std::mem::take(&mut self.sums);
        let sums = if heads == tasks {
            &mut *activities
        } else {
            padded.resize(starts.len() * heads, 0.0);
            &mut padded
        };
        for sums in sums.chunks_exact_mut(heads) {
            sums.fill(0.0);
            sums[..tasks].copy_from_slice(&reducer.constant[..tasks]);
        }
        let (ids, others) = match values {
            Values::Table(ids, others) => (ids, others),
            Values::Strip(_) => {
                self.ids.clear();
                self.ids.extend(0..positions as u32);
                (self.ids.as_slice(), &[][..])
            }
        };
        assert_eq!(ids.len(), positions);
        let weights = plan.weights.len() / (row / PAD);
        for (c, weights) in plan.weights.chunks_exact(weights).enumerate() {
            let (known, step): (&[f32], _) = match (values, &plan.columns) {
                (Values::Strip(strip), _) => (&strip.values[c * PAD..], row),
                (Values::Table(..), Some(columns)) => {
                    let each = columns.len() / (row / PAD);
                    (&columns[c * each..][..each], PAD)
                }
                (Values::Table(..), None) => (&tables.tabled.table[c * PAD..], row),
            };
            let parts: Vec<*const f32> = self.rows.iter().map(|r| r.column(c).as_ptr()).collect();
            let windows = Windows {
                slide: &plan.slide,
                ids,
                rows: Rows {
                    first: known.as_ptr(),
                    step,
                    known: known.len().div_ceil(step) as u32,
                    column: c * PAD,
                    others,
                },
                starts,
                edges: &self.edges,
                parts: &parts,
                weights,
                narrow: plan.narrow.as_deref().filter(|_| (c + 1) * PAD == row),
                heads,
            };
            // SAFETY: ids are below the number of rows, table's and others'; edges were indexed
            // above; the scratch was sized, and the plan has all cells' weights.
            unsafe {
                slide(scratch.level, &windows, &mut self.scratch, sums);
            }
        }
        if heads != tasks {
            let windows = activities.chunks_exact_mut(tasks);
            for (out, sums) in windows.zip(padded.chunks_exact(heads)) {
                out.copy_from_slice(&sums[..tasks]);
            }
        }
        self.sums = padded;
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
        self.edges.resize(starts.len() * plan.parts.len(), 0);
        if plan.parts.is_empty() {
            return;
        }
        self.index.resize(plan.parts.len(), Vec::new());
        let columns = row / PAD;
        let known = 4usize.pow(letters.min(6) as u32);
        self.rows
            .resize_with(plan.parts.len(), || PartRows::new(columns, known));
        let first = starts[0];
        let end = starts[starts.len() - 1] + tables.window;
        let most = 5u32.pow(letters as u32);
        self.words.clear();
        let run = &codes[first..end];
        let word = |code: u32, c: &u8| code * 5 + u32::from(*c);
        let mut code = run[..letters - 1].iter().fold(0, word);
        // Each word is the one before without its first letter, and one more.
        let gone = std::iter::once(&0).chain(run);
        self.words
            .extend(run[letters - 1..].iter().zip(gone).map(|(c, gone)| {
                code = word(code - u32::from(*gone) * (most / 5), c);
                code
            }));
        for (p, &part) in plan.parts.iter().enumerate() {
            let (index, rows) = (&mut self.index[p], &mut self.rows[p]);
            if index.is_empty() {
                index.resize(most as usize, 0);
            }
            let behind = if part.1 { tables.window - letters } else { 0 };
            let edges = self.edges[p..].iter_mut().step_by(plan.parts.len());
            for (edge, &start) in edges.zip(starts) {
                let found = &mut index[self.words[start - first + behind] as usize];
                if *found == 0 {
                    let word = &codes[start + behind..][..letters];
                    *found = rows.push(&part_row(tables, plan, scratch, word, part));
                }
                *edge = *found;
            }
        }
    }
}

/// Rows of an edge part by columns: `[columns, room, PAD]`, in one piece of memory since they are
/// read at random. Index 0 is no row.
#[derive(Debug)]
struct PartRows {
    floats: Floats,
    columns: usize,
    room: usize,
    count: usize,
}

impl PartRows {
    /// Room for as many rows, to begin with.
    fn new(columns: usize, room: usize) -> Self {
        let room = room + 1;
        Self {
            floats: Floats::large(columns * room * PAD),
            columns,
            room,
            count: 1,
        }
    }

    fn column(&self, column: usize) -> &[f32] {
        &self.floats[column * self.room * PAD..][..self.room * PAD]
    }

    /// Appends a row; returns its index.
    fn push(&mut self, row: &[f32]) -> u32 {
        if self.count == self.room {
            let mut larger = Self::new(self.columns, 2 * self.room);
            for (c, to) in larger
                .floats
                .chunks_exact_mut(larger.room * PAD)
                .enumerate()
            {
                to[..self.room * PAD].copy_from_slice(self.column(c));
            }
            larger.count = self.count;
            *self = larger;
        }
        let columns = self.floats.chunks_exact_mut(self.room * PAD);
        for (to, from) in columns.zip(row.chunks_exact(PAD)) {
            to[self.count * PAD..][..PAD].copy_from_slice(from);
        }
        self.count += 1;
        self.count as u32 - 1
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
    let mut strip = Strip::default();
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
