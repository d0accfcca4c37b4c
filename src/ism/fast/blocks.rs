//! Values under the edits of bases, made once and kept for all windows that hold the base.

use super::floats::Floats;
use super::kernels;
use super::reduce::{Edit, Way};
use super::strand::Tables;
use super::strip::{Context, Scratch, Strip};

/// Edited values of bases, by slot.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// `[slots, 3, span, row]`; empty where the table's own rows serve.
    values: Floats,
    /// `[slots, 3, span]`: rows of the values, for max pools.
    rows: Vec<*const f32>,
    /// `[slots, 3, row]`: maxima over the span, for max pools.
    maxima: Floats,
}

impl Blocks {
    /// Makes room; what was made is lost when it grows.
    pub(super) fn resize(&mut self, tables: &Tables, slots: usize) {
        let (span, row) = (tables.tabled.trunk.span, tables.reducer.row);
        if !tables.looks_up_all() && self.values.len() < slots * 3 * span * row {
            self.values.resize(slots * 3 * span * row);
        }
        if tables.reducer.way == Way::Max && self.rows.len() < slots * 3 * span {
            self.rows.resize(slots * 3 * span, std::ptr::null());
            self.maxima.resize(slots * 3 * row);
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
        let (span, row) = (tables.tabled.trunk.span, tables.reducer.row);
        let each = 3 * span;
        let slots = slot..slot + bases.len();
        if tables.looks_up_all() {
            let rows = &mut self.rows[slots.start * each..slots.end * each];
            tables
                .tabled
                .edited_rows(scratch, context, strip, bases, rows);
        } else {
            let values = &mut self.values[slots.start * each * row..slots.end * each * row];
            tables.tabled.edits(scratch, context, strip, bases, values);
            if tables.reducer.takes_differences() {
                for (&base, block) in bases.iter().zip(values.chunks_exact_mut(each * row)) {
                    let first = base + 1 - span - strip.from;
                    let reference = &strip.values[first * row..(first + span) * row];
                    // SAFETY: the block holds three times as many floats as the reference.
                    unsafe {
                        kernels::differences(
                            scratch.level,
                            block.as_mut_ptr(),
                            reference.as_ptr(),
                            reference.len(),
                        );
                    }
                }
            }
            if tables.reducer.way == Way::Max {
                let rows = &mut self.rows[slots.start * each..slots.end * each];
                for (to, from) in rows.iter_mut().zip(values.chunks_exact(row)) {
                    *to = from.as_ptr();
                }
            }
        }
        if tables.reducer.way == Way::Max {
            let rows = &self.rows[slots.start * each..slots.end * each];
            let maxima = &mut self.maxima[slots.start * 3 * row..slots.end * 3 * row];
            // SAFETY: `span` rows for each of the maxima, all `row` floats long.
            unsafe {
                kernels::edit_maxima(scratch.level, rows, span, row, maxima.as_mut_ptr());
            }
        }
    }

    /// One slot.
    pub(super) fn edit(&self, tables: &Tables, slot: usize, first: isize) -> Edit {
        let (span, row) = (tables.tabled.trunk.span, tables.reducer.row);
        fn at<T>(table: &[T], from: usize) -> *const T {
            table.get(from..).map_or(std::ptr::null(), <[T]>::as_ptr)
        }
        Edit {
            first,
            block: at(&self.values, slot * 3 * span * row),
            rows: at(&self.rows, slot * 3 * span),
            maxima: at(&self.maxima, slot * 3 * row),
        }
    }
}
