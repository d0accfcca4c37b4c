//! What a window's sums are made of: the values at its positions, and those under its edits.

use super::blocks::{Blocks, Changed};
use super::strip::Lookup;
use super::tables::Tables;

/// A window's reference values and its edits.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    /// Rows by position, from the reducer's `from`.
    pub(super) rows: &'a [&'a [f32]],
    /// By wanted column, ascending.
    pub(super) edits: &'a [Edit],
    /// What the edits' values are made for.
    pub(super) tables: &'a Tables,
    /// Edits' values: those that windows share, and those that this window has for itself.
    pub(super) made: [&'a Blocks; 2],
    /// Positions that an edit reaches.
    pub(super) span: usize,
    /// Floats of a row.
    pub(super) row: usize,
    /// Where edits' rows are that have an id only.
    pub(super) lookup: Lookup<'a>,
}

impl<'a> View<'a> {
    /// The edit's values.
    #[inline]
    pub(super) fn values(&self, edit: &Edit) -> Changed<'a> {
        self.made[usize::from(edit.own)].values(self.tables, edit.slot)
    }

    /// `[3, row]`: maxima over the reached positions; empty but for max pools.
    #[inline]
    pub(super) fn maxima(&self, edit: &Edit) -> &'a [f32] {
        self.made[usize::from(edit.own)].maxima(self.tables, edit.slot)
    }

    /// The row of values at a position that the edit reaches, under one of its three changes.
    pub(super) fn changed(&self, edit: &Edit, change: usize, position: usize) -> &'a [f32] {
        let at = change * self.span + edit.offset(position);
        match self.values(edit) {
            Changed::Ids(ids) => self.lookup.row(ids[at]),
            Changed::Block(block) => &block[at * self.row..(at + 1) * self.row],
            Changed::Sums(_) => unreachable!("only linear heads have them, which read no values"),
        }
    }
}

/// The edits of one column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edit {
    /// Position of the first reached value; negative before the frame.
    pub(super) first: isize,
    /// Where its values lie.
    pub(super) slot: usize,
    /// Whether among the window's own, which lie next to its ends.
    pub(super) own: bool,
}

impl Edit {
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
