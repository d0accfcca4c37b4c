//! What the windows of a run are made of: values along the run, which windows share, those next to
//! a window's edges, which they do not, and those under the edits of bases.

use std::sync::Arc;

use super::blocks::Blocks;
use super::strip::{Context, Lookup, Scratch, Strip};
use super::tables::Tables;
use super::view::{Edit, View};
use crate::encode::UNKNOWN;

/// Bases whose edits are made at a time.
const BATCH: usize = 8;

/// A run of windows over contiguous codes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a> {
    /// Codes with [`Tables::margin`] more on either side.
    pub(super) codes: &'a [u8],
    /// Index of each window's first base, ascending.
    pub(super) starts: &'a [usize],
    /// Indices of the bases whose effects are wanted, ascending; never of unknown ones.
    pub(super) wanted: &'a [usize],
    /// Whether any effects are.
    pub(super) effects: bool,
}

impl<'a> Run<'a> {
    /// Its bases, as a piece of a contig.
    pub(super) fn context(&self) -> Context<'a> {
        Context {
            codes: self.codes,
            frame: None,
        }
    }
}

/// Those of ascending indices that lie in `from..to`.
pub(super) fn between(indices: &[usize], from: usize, to: usize) -> &[usize] {
    let behind = &indices[indices.partition_point(|&i| i < from)..];
    &behind[..behind.partition_point(|&i| i < to)]
}

/// One thread's values of a run.
#[derive(Debug)]
pub(super) struct Sources {
    tables: Arc<Tables>,
    pub(super) scratch: Scratch,
    /// Along the run.
    pub(super) shared: Strip,
    ring: Ring,
    edge: Edge,
    edges: Edges,
    /// The wanted columns of the window.
    pub(super) columns: Vec<usize>,
    /// Their edits.
    edits: Vec<Edit>,
}

/// Blocks of edits of the latest bases, by index modulo the capacity.
#[derive(Debug)]
struct Ring {
    /// A power of two.
    capacity: usize,
    made: Blocks,
    /// Bases below this are done.
    done: usize,
}

impl Ring {
    /// Where the blocks of a base are.
    fn slot(&self, base: usize) -> usize {
        base & (self.capacity - 1)
    }
}

/// What a window has for itself: values whose fields hold columns outside of it.
#[derive(Debug, Default)]
struct Edge {
    codes: Vec<u8>,
    strips: [Strip; 2],
    made: Blocks,
}

/// Which ends of a window have positions whose field holds columns outside of it.
#[derive(Clone, Copy, Debug)]
struct Edges {
    left: bool,
    right: bool,
    /// Whether one strip serves both: they meet in a short window.
    merged: bool,
    /// Columns next to an end that reach beyond it.
    lone: usize,
    window: usize,
}

impl Edges {
    fn of(tables: &Tables) -> Self {
        let (interior, reducer) = (tables.interior(), &tables.reducer);
        let lone = tables.tabled.trunk.span - 1;
        Self {
            left: reducer.from < interior.0,
            right: interior.1 < reducer.to,
            merged: 2 * lone >= tables.window,
            lone,
            window: tables.window,
        }
    }

    /// Which of the edge's strips serves a column, if any.
    fn side(self, column: usize) -> Option<usize> {
        if self.left && column < self.lone {
            Some(0)
        } else if self.right && column + self.lone >= self.window {
            Some(usize::from(!self.merged))
        } else {
            None
        }
    }
}

impl Sources {
    pub(super) fn new(tables: &Arc<Tables>) -> Self {
        Self {
            scratch: Scratch::new(&tables.tabled),
            shared: Strip::default(),
            ring: Ring {
                capacity: (tables.window + BATCH).next_power_of_two(),
                made: Blocks::shared(tables),
                done: 0,
            },
            edge: Edge::default(),
            edges: Edges::of(tables),
            columns: Vec::new(),
            edits: Vec::new(),
            tables: tables.clone(),
        }
    }

    /// Makes the values that the run's windows share.
    pub(super) fn begin(&mut self, run: Run<'_>) {
        let tables = &*self.tables;
        let range = (1, run.codes.len() - tables.tabled.trunk.span);
        tables.reference(&mut self.scratch, run.context(), range, &mut self.shared);
        self.ring.done = 0;
        if run.effects {
            self.ring.made.resize(tables, self.ring.capacity);
        }
    }

    /// Makes the values that the window at `start` asks for.
    pub(super) fn window(&mut self, run: Run<'_>, start: usize) {
        self.columns.clear();
        if run.effects {
            let wanted = between(run.wanted, start, start + self.tables.window);
            self.columns.extend(wanted.iter().map(|b| b - start));
            self.fill_ring(run, start);
        }
        if self.edges.left || self.edges.right {
            self.edge_strips(run, start);
            self.edge_blocks();
        }
        self.note_edits(start);
    }

    /// Where rows of the table are, and those it does not hold.
    pub(super) fn lookup(&self) -> Lookup<'_> {
        Lookup::new(&self.tables.tabled, &self.scratch.extra)
    }

    /// Makes the blocks of all wanted bases of the window at `start`.
    fn fill_ring(&mut self, run: Run<'_>, start: usize) {
        let tables = &*self.tables;
        let (ring, context) = (&mut self.ring, run.context());
        let end = start + tables.window;
        let mut left = between(run.wanted, ring.done.max(start), end);
        while let Some(&base) = left.first() {
            // A batch of neighbours that are contiguous in the ring.
            let slot = ring.slot(base);
            let most = BATCH.min(ring.capacity - slot).min(left.len());
            let next = |(i, b): &(usize, &usize)| **b == base + i;
            let count = left[..most].iter().enumerate().take_while(next).count();
            ring.made.fill(
                tables,
                &mut self.scratch,
                (context, &self.shared),
                &left[..count],
                slot,
            );
            left = &left[count..];
        }
        ring.done = end.max(ring.done);
    }

    /// The window at `start`, whose values are made; its reference rows go into `rows`.
    pub(super) fn view<'r, 'a: 'r>(
        &'a self,
        start: usize,
        rows: &'r mut Vec<&'a [f32]>,
    ) -> View<'r> {
        self.rows(start, rows);
        let tables = &*self.tables;
        View {
            rows,
            edits: &self.edits,
            tables,
            made: [&self.ring.made, &self.edge.made],
            span: tables.tabled.trunk.span,
            row: tables.reducer.row,
            lookup: self.lookup(),
        }
    }

    /// Reference rows of that window: by position, from the reducer's `from`.
    fn rows<'a>(&'a self, start: usize, rows: &mut Vec<&'a [f32]>) {
        let (tables, lookup) = (&*self.tables, self.lookup());
        let reducer = &tables.reducer;
        let (span, row, interior) = (tables.tabled.trunk.span, reducer.row, tables.interior());
        let edge = |position: usize| {
            let right = position >= interior.0 && !self.edges.merged;
            let strip = &self.edge.strips[usize::from(right)];
            let at = position + span; // in the frame's context
            let values = at
                .checked_sub(strip.from)
                .and_then(|i| lookup.value(strip, i));
            // Else there is no base of the window in its field.
            values.unwrap_or_else(|| &tables.blank[position * row..(position + 1) * row])
        };
        let from = interior.0.clamp(reducer.from, reducer.to);
        let to = interior.1.clamp(from, reducer.to);
        rows.clear();
        rows.extend((reducer.from..from).map(edge));
        if from < to {
            let at = start + from - tables.first - self.shared.from;
            lookup.values(&self.shared, (at, at + to - from), rows);
        }
        rows.extend((to..reducer.to).map(edge));
    }

    /// Where the edits of the window's columns are.
    fn note_edits(&mut self, start: usize) {
        let first = self.tables.first as isize + 1 - self.tables.tabled.trunk.span as isize;
        let mut edged = 0..;
        let edit = |&column: &usize| {
            let own = self.edges.side(column).and_then(|_| edged.next());
            Edit {
                first: first + column as isize,
                slot: own.unwrap_or_else(|| self.ring.slot(start + column)),
                own: own.is_some(),
            }
        };
        self.edits.clear();
        self.edits.extend(self.columns.iter().map(edit));
    }

    /// Reference values next to the window's edges, from its own frame.
    fn edge_strips(&mut self, run: Run<'_>, start: usize) {
        let (tables, edges) = (&*self.tables, self.edges);
        let (span, window) = (tables.tabled.trunk.span, tables.window);
        let begin = span + tables.first; // of the window in the context
        let codes = &mut self.edge.codes;
        codes.clear();
        codes.resize(tables.framed + 2 * span, UNKNOWN);
        codes[begin..begin + window].copy_from_slice(&run.codes[start..start + window]);
        let context = Context {
            codes,
            frame: Some(span),
        };
        let left = begin + 1 - span;
        let right = begin + window;
        let ranges = if edges.merged {
            [Some((left, right)), None]
        } else {
            [
                edges.left.then_some((left, begin + span - 1)),
                edges.right.then_some((right + 2 - 2 * span, right)),
            ]
        };
        for (range, strip) in ranges.into_iter().zip(&mut self.edge.strips) {
            strip.clear();
            if let Some(range) = range {
                tables.reference(&mut self.scratch, context, range, strip);
            }
        }
    }

    /// Edits of the columns that lie at the edges, in order.
    fn edge_blocks(&mut self) {
        let (tables, edges) = (&*self.tables, self.edges);
        let begin = tables.tabled.trunk.span + tables.first;
        let context = Context {
            codes: &self.edge.codes,
            frame: Some(tables.tabled.trunk.span),
        };
        self.edge.made.resize(tables, self.columns.len());
        let mut slot = 0;
        let mut bases = Vec::with_capacity(BATCH);
        for (i, &column) in self.columns.iter().enumerate() {
            let Some(strip) = edges.side(column) else {
                continue;
            };
            bases.push(begin + column);
            // The batch ends where the strip changes.
            let next = self.columns.get(i + 1).and_then(|&c| edges.side(c));
            if bases.len() < BATCH && next == Some(strip) {
                continue;
            }
            let count = bases.len();
            self.edge.made.fill(
                tables,
                &mut self.scratch,
                (context, &self.edge.strips[strip]),
                &bases,
                slot,
            );
            slot += count;
            bases.clear();
        }
    }
}
