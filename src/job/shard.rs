use serde::{Deserialize, Serialize};

/// One of several equal parts of a job, scored by a run of its own and joined in the
/// end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    index: u32,
    of: u32,
}

impl Shard {
    /// Part `index` of `of`, counted from 1; `None` when there is no such part.
    pub fn new(index: u32, of: u32) -> Option<Self> {
        (1..=of).contains(&index).then_some(Self { index, of })
    }

    /// Which part, from 1.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Of how many.
    pub fn of(&self) -> u32 {
        self.of
    }

    /// Whether a unit belongs to this part, by the bases before it and the bases of all units.
    pub(crate) fn holds(&self, before: u64, total: u64) -> bool {
        let part = u128::from(before) * u128::from(self.of) / u128::from(total.max(1));
        part == u128::from(self.index - 1)
    }
}
