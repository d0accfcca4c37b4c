//! Activities alone, as [`Predictor`] has it: one thread's state, and the runs.

use super::floats::Floats;
use super::predictor::Predictor;
use super::simd::PAD;
use super::slide::{Edges, Ids, Rows, Windows, slide};
use super::strip::{Context, Lookup, Scratch, Strip};
use super::tables::Tables;
use crate::encode::UNKNOWN;

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
    /// Activities `[windows, tasks]` of the windows at `starts`; `strip` has the values of the
    /// positions from the first window's first interior one to the last one's last.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn run(
        &mut self,
        tables: &Tables,
        plan: &Predictor,
        scratch: &mut Scratch,
        codes: &[u8],
        starts: &[usize],
        strip: &Strip,
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
        let (table_rows, others) = if plan.looks_up {
            Lookup::new(&tables.tabled, &scratch.extra).ids(strip, &mut self.ids)
        } else {
            self.ids.clear();
            self.ids.extend(0..positions as u32);
            (positions as u32, Vec::new())
        };
        assert_eq!(self.ids.len(), positions);
        let ids = Ids::new(&self.ids);
        let mut bounds = Vec::new();
        let edges = Edges::new(&self.edges, self.rows.len(), &mut bounds);
        let weights = plan.weights.len() / (row / PAD);
        let mut parts = Vec::with_capacity(self.rows.len());
        for (c, weights) in plan.weights.chunks_exact(weights).enumerate() {
            let (known, step): (&[f32], _) = match &plan.columns {
                _ if !plan.looks_up => (&strip.values[c * PAD..], row),
                Some(columns) => {
                    let each = columns.len() / (row / PAD);
                    (&columns[c * each..][..each], PAD)
                }
                None => (&tables.tabled.table[c * PAD..], row),
            };
            parts.clear();
            parts.extend(self.rows.iter().map(|r| r.column(c)));
            let windows = Windows {
                slide: &plan.slide,
                ids,
                rows: Rows {
                    first: known,
                    step,
                    known: table_rows,
                    column: c * PAD,
                    others: &others,
                },
                starts,
                edges,
                parts: &parts,
                weights,
                narrow: plan.narrow.as_deref().filter(|_| (c + 1) * PAD == row),
                heads,
            };
            slide(scratch.level, &windows, &mut self.scratch, sums);
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
