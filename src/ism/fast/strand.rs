//! One strand of a run of windows: activities and effects.

use std::sync::Arc;

use super::Plan;
use super::blocks::Blocks;
use super::floats::Floats;
use super::head::Head;
use super::predict::{self, Predictions, Predictor, Values};
use super::reduce::{Edit, Reducer, View, Way};
use super::strip::{Context, Scratch, Strip, Tabled};
use crate::encode::UNKNOWN;

/// Bases whose edits are made at a time.
const BATCH: usize = 8;

/// Up to so many bases a window, windows share sliding maxima.
const DENSE: usize = 16;

/// Bases of a run beyond which a new one is begun.
const MOST_BASES: usize = 1280;

/// What all threads share: the plan with its table, weights and constants.
#[derive(Debug)]
pub struct Tables {
    pub(super) tabled: Tabled,
    pub(super) reducer: Reducer,
    pub(super) head: Head,
    pub(super) window: usize,
    /// Columns of the frame with all layers' padding, and of the window's first base in it.
    pub(super) framed: usize,
    /// Position whose field begins at the window's first base.
    pub(super) first: usize,
    /// Reference values of a frame without bases, `[positions, row]`.
    blank: Floats,
    predictor: Option<Predictor>,
}

impl Tables {
    /// Computes the table. Takes up to a second or two for the largest.
    pub fn build(plan: &Plan) -> Arc<Self> {
        let tabled = Tabled::new(plan.trunk.clone());
        let trunk = &tabled.trunk;
        let (left, right) = trunk.all_pads();
        let framed = left + plan.network.length + right;
        let first = plan.offset + left;
        let mut scratch = Scratch::new(trunk);
        let mut strip = Strip::default();
        let codes = vec![UNKNOWN; framed + 2 * trunk.span];
        let context = Context {
            codes: &codes,
            frame: Some(trunk.span),
        };
        tabled.reference(
            &mut scratch,
            context,
            (trunk.span, trunk.span + trunk.length()),
            &mut strip,
        );
        let reached = (
            (first + 1).saturating_sub(trunk.span),
            trunk.length().min(first + plan.window),
        );
        let reducer = Reducer::new(&plan.network, &strip.values, reached);
        let mut tables = Self {
            predictor: None,
            head: Head::new(&plan.network.head[0], &plan.network.head[1..]),
            window: plan.window,
            framed,
            first,
            blank: strip.values,
            reducer,
            tabled,
        };
        let trunk = &tables.tabled.trunk;
        let short = trunk.span <= predict::LONGEST + 1 && plan.window >= trunk.span;
        let table = Some(&*tables.tabled.table).filter(|_| tables.looks_up_all());
        if tables.head.is_linear() {
            let interior = tables.interior();
            tables.predictor = Predictor::new(&tables.reducer, interior, short, table);
        }
        Arc::new(tables)
    }

    /// Number of tasks.
    pub fn tasks(&self) -> usize {
        self.head.tasks
    }

    /// Positions whose field lies within the window.
    fn interior(&self) -> (usize, usize) {
        let to = (self.first + self.window + 1).saturating_sub(self.tabled.trunk.span);
        (
            self.first,
            to.min(self.tabled.trunk.length()).max(self.first),
        )
    }

    /// Whether edits need no values of their own: the table has them, and a max pool merges them.
    pub(super) fn looks_up_all(&self) -> bool {
        self.reducer.way == Way::Max && self.tabled.trunk.stages().is_empty()
    }

    /// Reference values at positions `range`, or where they are.
    fn reference(
        &self,
        scratch: &mut Scratch,
        context: Context<'_>,
        range: (usize, usize),
        strip: &mut Strip,
    ) {
        if self.looks_up_all() {
            self.tabled.known(scratch, context, range, strip);
        } else {
            self.tabled.reference(scratch, context, range, strip);
        }
    }

    /// Whether so many windows over so many bases share sliding maxima.
    fn is_dense(&self, windows: usize, bases: usize) -> bool {
        windows * DENSE > bases
    }

    /// Bases that may be run at once: many where nothing is kept by base and the maxima of a run's
    /// first window are the only ones that no other window before it needed.
    pub(super) fn most_bases(&self, effects: bool, stride: usize) -> usize {
        let predicts = self.predictor.is_some() && self.looks_up_all();
        if !effects && predicts && stride < DENSE / 2 {
            64 * MOST_BASES
        } else {
            MOST_BASES
        }
    }

    /// Bases that must stand on either side of a run's codes.
    pub(super) fn margin(&self) -> usize {
        self.tabled.trunk.span
    }
}

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

/// Those of ascending indices that lie in `from..to`.
pub(super) fn between(indices: &[usize], from: usize, to: usize) -> &[usize] {
    let behind = &indices[indices.partition_point(|&i| i < from)..];
    &behind[..behind.partition_point(|&i| i < to)]
}

/// The state of one thread and strand.
#[derive(Debug)]
pub(super) struct Strand {
    tables: Arc<Tables>,
    pub(super) scratch: Scratch,
    shared: Strip,
    ring: Ring,
    edge: Edge,
    rows: Vec<*const f32>,
    ids: Vec<u32>,
    edits: Vec<Edit>,
    columns: Vec<usize>,
    sums: Vec<f32>,
    floats: Floats,
    predictions: Predictions,
    /// Rows of the head beyond its first layer that were run.
    pub(super) head_rows: u64,
}

// SAFETY: the pointers are filled and read within one call and hold nothing between calls.
unsafe impl Send for Strand {}

/// Blocks of edits of the latest bases, by index modulo the capacity.
#[derive(Debug, Default)]
struct Ring {
    capacity: usize,
    made: Blocks,
    /// Bases below this are done.
    done: usize,
}

/// What a window has for itself: values whose fields hold columns outside of it.
#[derive(Debug, Default)]
struct Edge {
    codes: Vec<u8>,
    strips: [Strip; 2],
    made: Blocks,
}

impl Strand {
    pub(super) fn new(tables: &Arc<Tables>) -> Self {
        let trunk = &tables.tabled.trunk;
        Self {
            scratch: Scratch::new(trunk),
            shared: Strip::default(),
            ring: Ring {
                capacity: (tables.window + BATCH).next_power_of_two(),
                ..Ring::default()
            },
            edge: Edge::default(),
            rows: Vec::new(),
            ids: Vec::new(),
            edits: Vec::new(),
            columns: Vec::new(),
            sums: Vec::new(),
            floats: Floats::new(),
            predictions: Predictions::default(),
            head_rows: 0,
            tables: tables.clone(),
        }
    }

    /// Scores a run: `activities` receives `[windows, tasks]`; `effects`, where wanted,
    /// `[windows, window, 4, tasks]` for the wanted bases' changes (the base itself and unwanted
    /// bases are left alone).
    pub(super) fn run(&mut self, run: Run<'_>, activities: &mut [f32], effects: &mut [f32]) {
        let tables = self.tables.clone();
        let trunk = &tables.tabled.trunk;
        self.scratch.extra.prune();
        let span = trunk.span;
        let context = Context {
            codes: run.codes,
            frame: None,
        };
        if let Some(plan) = &tables.predictor
            && !run.effects
            && tables.is_dense(run.starts.len(), run.codes.len())
        {
            self.predict(plan, run, activities);
            return;
        }
        tables.reference(
            &mut self.scratch,
            context,
            (1, run.codes.len() - span),
            &mut self.shared,
        );
        self.ring.done = 0;
        let tasks = tables.tasks();
        let window = tables.window;
        let linear = tables.head.is_linear();
        for (w, &start) in run.starts.iter().enumerate() {
            if run.effects {
                self.fill_ring(run, start);
            }
            self.view(run, start);
            let view = View {
                rows: &self.rows,
                edits: &self.edits,
                span,
            };
            let level = self.scratch.level;
            let reducer = &tables.reducer;
            let reference = reducer.window(level, view, &mut self.floats);
            let heads = reducer.padded_heads;
            let activity = if linear {
                reference[..tasks].to_vec()
            } else {
                self.head_rows += 1;
                tables.head.run(&mut reference.clone(), heads)
            };
            activities[w * tasks..(w + 1) * tasks].copy_from_slice(&activity);
            if !run.effects {
                continue;
            }
            self.sums.clear();
            self.sums.resize(self.edits.len() * 3 * heads, 0.0);
            reducer.edits(level, view, &mut self.floats, &mut self.sums);
            let mut step = heads;
            if !linear {
                self.head_rows += self.edits.len() as u64 * 3;
                for row in self.sums.chunks_exact_mut(heads) {
                    for (x, r) in row.iter_mut().zip(&reference) {
                        *x += r;
                    }
                }
                self.sums = tables.head.run(&mut self.sums, heads);
                for row in self.sums.chunks_exact_mut(tasks) {
                    for (x, a) in row.iter_mut().zip(&activity) {
                        *x -= a;
                    }
                }
                step = tasks;
            }
            let effects = &mut effects[w * window * 4 * tasks..(w + 1) * window * 4 * tasks];
            for (&column, sums) in self.columns.iter().zip(self.sums.chunks_exact(3 * step)) {
                let code = run.codes[start + column];
                let others = (0..4usize).filter(|&c| c != usize::from(code));
                for (new, sums) in others.zip(sums.chunks_exact(step)) {
                    effects[(column * 4 + new) * tasks..][..tasks].copy_from_slice(&sums[..tasks]);
                }
            }
        }
    }

    /// Activities of windows that share sliding maxima.
    fn predict(&mut self, plan: &Predictor, run: Run<'_>, activities: &mut [f32]) {
        let (Some(&first), Some(&last)) = (run.starts.first(), run.starts.last()) else {
            return;
        };
        let tables = self.tables.clone();
        let context = Context {
            codes: run.codes,
            frame: None,
        };
        let range = (first, last + plan.reach);
        let (tabled, scratch) = (&tables.tabled, &mut self.scratch);
        let values = if plan.looks_up {
            tabled.reference_ids(scratch, context, range, &mut self.ids, &mut self.rows);
            Values::Table(&self.ids, &self.rows)
        } else {
            tabled.reference(scratch, context, range, &mut self.shared);
            Values::Strip(&self.shared)
        };
        self.predictions.run(
            &tables, plan, scratch, run.codes, run.starts, values, activities,
        );
    }

    /// Makes the blocks of all wanted bases of the window at `start`.
    fn fill_ring(&mut self, run: Run<'_>, start: usize) {
        let tables = &*self.tables;
        let ring = &mut self.ring;
        ring.made.resize(tables, ring.capacity);
        let context = Context {
            codes: run.codes,
            frame: None,
        };
        let end = start + tables.window;
        let mut left = between(run.wanted, ring.done.max(start), end);
        while let Some(&base) = left.first() {
            // A batch of neighbours that are contiguous in the ring.
            let slot = base % ring.capacity;
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

    /// Collects the window's reference rows and edits.
    fn view(&mut self, run: Run<'_>, start: usize) {
        let tables = self.tables.clone();
        let reducer = &tables.reducer;
        let (span, row, window) = (tables.tabled.trunk.span, reducer.row, tables.window);
        let interior = tables.interior();
        let edges = (reducer.from < interior.0, interior.1 < reducer.to);
        let lone = span - 1; // columns next to an edge that reach beyond it
        self.columns.clear();
        if run.effects {
            let wanted = between(run.wanted, start, start + window);
            self.columns.extend(wanted.iter().map(|b| b - start));
        }
        // Which of the edge's strips serves a column, if any.
        let merged = 2 * lone >= window;
        let side = |column: usize| -> Option<usize> {
            if edges.0 && column < lone {
                Some(0)
            } else if edges.1 && column + lone >= window {
                Some(usize::from(!merged))
            } else {
                None
            }
        };
        if edges.0 || edges.1 {
            self.edge_strips(run, start, edges, merged);
            self.edge_blocks(&side);
        }

        let edge = |position: usize| {
            let strip = &self.edge.strips[usize::from(position >= interior.0 && !merged)];
            let at = position + span; // in the frame's context
            let values = at.checked_sub(strip.from).and_then(|i| strip.row(row, i));
            // Else there is no base of the window in its field.
            values.unwrap_or_else(|| tables.blank[position * row..(position + 1) * row].as_ptr())
        };
        let from = interior.0.clamp(reducer.from, reducer.to);
        let to = interior.1.clamp(from, reducer.to);
        self.rows.clear();
        self.rows.extend((reducer.from..from).map(edge));
        if from < to {
            let at = start + from - tables.first - self.shared.from;
            self.shared
                .push_rows(row, at, at + to - from, &mut self.rows);
        }
        self.rows.extend((to..reducer.to).map(edge));

        self.edits.clear();
        let mut edged = 0;
        for &column in &self.columns {
            let first = (tables.first + column + 1) as isize - span as isize;
            self.edits.push(if side(column).is_some() {
                edged += 1;
                self.edge.made.edit(&tables, edged - 1, first)
            } else {
                let slot = (start + column) % self.ring.capacity;
                self.ring.made.edit(&tables, slot, first)
            });
        }
    }

    /// Reference values next to the window's edges, from its own frame.
    fn edge_strips(&mut self, run: Run<'_>, start: usize, edges: (bool, bool), merged: bool) {
        let tables = &*self.tables;
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
        let ranges = if merged {
            [Some((left, right)), None]
        } else {
            [
                edges.0.then_some((left, begin + span - 1)),
                edges.1.then_some((right + 2 - 2 * span, right)),
            ]
        };
        for (range, strip) in ranges.into_iter().zip(&mut self.edge.strips) {
            strip.from = 0;
            strip.values.clear();
            strip.known.clear();
            if let Some(range) = range {
                tables.reference(&mut self.scratch, context, range, strip);
            }
        }
    }

    /// Edits of the columns that `side` gives to the edges, in order.
    fn edge_blocks(&mut self, side: &dyn Fn(usize) -> Option<usize>) {
        let tables = &*self.tables;
        let begin = tables.tabled.trunk.span + tables.first;
        let context = Context {
            codes: &self.edge.codes,
            frame: Some(tables.tabled.trunk.span),
        };
        self.edge.made.resize(tables, self.columns.len());
        let mut slot = 0;
        let mut bases = Vec::with_capacity(BATCH);
        for (i, &column) in self.columns.iter().enumerate() {
            let Some(strip) = side(column) else {
                continue;
            };
            bases.push(begin + column);
            // The batch ends where the strip changes.
            let next = self.columns.get(i + 1).and_then(|&c| side(c));
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
