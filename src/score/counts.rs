use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Totals over all units.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub windows: u64,
    /// Of the windows, those with unknown bases.
    pub with_unknown: u64,
    /// Windows with known bases that were not scored.
    pub left_out: u64,
    pub bases: u64,
    pub rows: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.windows += more.windows;
        self.with_unknown += more.with_unknown;
        self.left_out += more.left_out;
        self.bases += more.bases;
        self.rows += more.rows;
    }
}
