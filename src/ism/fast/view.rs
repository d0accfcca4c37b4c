//! What a window's sums are made of: the values at its positions, and those under its edits.

use super::strip::Lookup;

/// A window's reference values and its edits.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    /// Rows by position, from the reducer's `from`.
    pub(super) rows: &'a [&'a [f32]],
    /// By wanted column, ascending.
    pub(super) edits: &'a [Edit<'a>],
    /// Positions that an edit reaches.
    pub(super) span: usize,
    /// Floats of a row.
    pub(super) row: usize,
    /// Where edits' rows are that have an id only.
    pub(super) lookup: Lookup<'a>,
}

impl<'a> View<'a> {
    /// The row of values at a position that the edit reaches, under one of its three changes.
    pub(super) fn changed(&self, edit: &Edit<'a>, change: usize, position: usize) -> &'a [f32] {
        let at = change * self.span + edit.offset(position);
        match edit.values {
            Changed::Ids(ids) => self.lookup.row(ids[at]),
            Changed::Block(block) => &block[at * self.row..(at + 1) * self.row],
        }
    }
}

/// The edits of one column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edit<'a> {
    /// Position of the first reached value; negative before the frame.
    pub(super) first: isize,
    pub(super) values: Changed<'a>,
    /// `[3, row]`: maxima over the reached positions; empty but for max pools.
    pub(super) maxima: &'a [f32],
}

impl Edit<'_> {
    /// Positions of `from..to` that it reaches, of `span` that it reaches at all.
    pub(super) fn reached(&self, span: usize, (from, to): (usize, usize)) -> (usize, usize) {
        let end = (self.first + span as isize).max(0) as usize;
        (from.max(self.first.max(0) as usize), to.min(end))
    }

    /// How far behind the first reached position one lies.
    pub(super) fn offset(&self, position: usize) -> usize {
        (position as isize - self.first) as usize
    }
}

/// Values under the three changes of a base.
#[derive(Clone, Copy, Debug)]
pub(super) enum Changed<'a> {
    /// `[3, span, row]`, or differences from the reference.
    Block(&'a [f32]),
    /// Rows of the table, `[3, span]`.
    Ids(&'a [u32]),
}
