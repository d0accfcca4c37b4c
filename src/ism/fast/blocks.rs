//! Values under the edits of bases, made once and kept for all windows that hold the base.

use super::bends;
use super::floats::Floats;
use super::kernels;
use super::reducer::Way;
use super::strip::{Context, Lookup, Scratch, Strip};
use super::tables::Tables;

/// Values under the three changes of a base.
#[derive(Clone, Copy, Debug)]
pub(super) enum Changed<'a> {
    /// `[3, span, row]`, or differences from the reference.
    Block(&'a [f32]),
    /// `[3, span, row]`: sums of differences, for [`super::bends`].
    Sums(&'a [f32]),
    /// Rows of the table, `[3, span]`.
    Ids(&'a [u32]),
}

/// Edited values of bases, by slot.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// Whether they are sums of differences.
    summed: bool,
    /// `[slots, 3, span, row]`; empty where the table's own rows serve.
    values: Floats,
    /// `[slots, 3, span]`: ids of the table's rows, where they serve.
    ids: Vec<u32>,
    /// `[slots, 3, row]`: maxima over the span, for max pools.
    maxima: Floats,
}

impl Blocks {
    /// Those that windows share: all positions of their changes are ones of the run.
    pub(super) fn shared(tables: &Tables) -> Self {
        Self {
            summed: tables.reducer.bends.is_some(),
            ..Self::default()
        }
    }

    /// Makes room; what was made is lost when it grows.
    pub(super) fn resize(&mut self, tables: &Tables, slots: usize) {
        let (span, row) = (tables.tabled.trunk.span, tables.reducer.row);
        let each = slots * 3 * span;
        if tables.looks_up_all() {
            self.ids.resize(self.ids.len().max(each), 0);
        } else {
            self.values.room(each * row);
        }
        if tables.reducer.way == Way::Max {
            self.maxima.room(slots * 3 * row);
        }
    }

    /// Makes the edits of bases into neighbouring slots.
    pub(super) fn fill(
        &mut self,
        tables: &Tables,
        scratch: &mut Scratch,
        (context, strip): (Context<'_>, &Strip),
        bases: &[usize],
        slot: usize,
    ) {
        let (span, row, level) = (tables.tabled.trunk.span, tables.reducer.row, scratch.level);
        let tabled = &tables.tabled;
        let each = 3 * span;
        let slots = slot..slot + bases.len();
        let mut rows = Vec::new();
        if tables.looks_up_all() {
            let ids = &mut self.ids[slots.start * each..slots.end * each];
            tabled.edited_rows(scratch, context, strip, bases, ids);
            if kernels::in_table(&tabled.table, ids, row) {
                // The rule: only unknown bases and the ends of a frame need other rows.
                let maxima = &mut self.maxima[slots.start * 3 * row..slots.end * 3 * row];
                kernels::table_maxima(level, &tabled.table, ids, span, row, maxima);
                return;
            }
            let lookup = Lookup::new(tabled, &scratch.extra);
            rows.extend(ids.iter().map(|&id| lookup.row(id)));
        } else {
            let values = &mut self.values[slots.start * each * row..slots.end * each * row];
            tabled.edits(scratch, context, strip, bases, values);
            if tables.reducer.takes_differences() {
                for (&base, block) in bases.iter().zip(values.chunks_exact_mut(each * row)) {
                    let first = base + 1 - span - strip.from;
                    let reference = &strip.values[first * row..(first + span) * row];
                    match self.summed {
                        true => bends::difference_sums(level, block, reference, row),
                        false => kernels::differences(level, block, reference),
                    }
                }
            }
            if tables.reducer.way == Way::Max {
                rows.extend(values.chunks_exact(row));
            }
        }
        if tables.reducer.way == Way::Max {
            let maxima = &mut self.maxima[slots.start * 3 * row..slots.end * 3 * row];
            kernels::edit_maxima(level, &rows, span, row, maxima);
        }
    }

    /// One slot's values.
    #[inline]
    pub(super) fn values(&self, tables: &Tables, slot: usize) -> Changed<'_> {
        let (span, row) = (tables.tabled.trunk.span, tables.reducer.row);
        let each = 3 * span;
        if tables.looks_up_all() {
            Changed::Ids(&self.ids[slot * each..(slot + 1) * each])
        } else {
            let values = &self.values[slot * each * row..(slot + 1) * each * row];
            match self.summed {
                true => Changed::Sums(values),
                false => Changed::Block(values),
            }
        }
    }

    /// One slot's maxima, `[3, row]`; empty but for max pools.
    #[inline]
    pub(super) fn maxima(&self, tables: &Tables, slot: usize) -> &[f32] {
        let each = 3 * tables.reducer.row;
        match tables.reducer.way {
            Way::Max => &self.maxima[slot * each..(slot + 1) * each],
            _ => &[],
        }
    }
}
