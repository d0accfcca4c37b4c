//! What is shown to a network at a time: which sequences, how they lie in its input, and their labels.

use super::loss::Targets;
use super::pass::Geometry;
use crate::encode::reverse_complement;

/// Sequences to learn from, with their mutated copies.
pub(super) struct Units {
    pub(super) originals: Vec<u32>,
    /// By original; empty when there are none at all.
    pub(super) copies: Vec<Vec<u32>>,
}

impl Units {
    /// Originals of a batch of so many sequences.
    pub(super) fn each(&self, batch: usize) -> usize {
        match self.copies.is_empty() {
            true => batch,
            false => (batch / 2).max(1),
        }
    }
}

/// Sequences with their labels.
pub(super) struct Batch {
    /// Base codes, `[sequences, columns]`.
    pub(super) codes: Vec<u8>,
    pub(super) geometry: Geometry,
    pub(super) targets: Targets,
    /// Whether the second half holds the mutated copies of the first.
    pub(super) pairs: bool,
}

/// A sequence as it is shown.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    pub(super) sequence: u32,
    /// As its reverse complement.
    pub(super) turned: bool,
    /// Its first base, where only a window of it is.
    pub(super) from: usize,
    /// Columns that it is moved by.
    pub(super) moved: isize,
}

/// Writes bases, or their reverse complement, into columns from `at` on; what lies outside of these is
/// lost.
pub(super) fn lay(codes: &[u8], turned: bool, at: isize, columns: &mut [u8]) {
    let within = |place: isize| place.clamp(0, columns.len() as isize);
    let (from, to) = (within(at), within(at + codes.len() as isize));
    if from >= to {
        return;
    }
    let kept = (from - at) as usize..(to - at) as usize;
    let columns = &mut columns[from as usize..to as usize];
    match turned {
        true => {
            let ends = codes.len() - kept.end..codes.len() - kept.start;
            reverse_complement(&codes[ends], columns);
        }
        false => columns.copy_from_slice(&codes[kept]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::UNKNOWN;

    #[test]
    fn sequences_are_laid_into_columns() {
        let codes = [0, 1, 2, 2];
        let laid = |turned, at| {
            let mut columns = [UNKNOWN; 6];
            lay(&codes, turned, at, &mut columns);
            columns
        };
        assert_eq!(laid(false, 1), [4, 0, 1, 2, 2, 4]);
        assert_eq!(laid(true, 1), [4, 1, 1, 2, 3, 4]);
        assert_eq!(laid(false, -1), [1, 2, 2, 4, 4, 4]);
        assert_eq!(laid(true, -1), [1, 2, 3, 4, 4, 4]);
        assert_eq!(laid(false, 4), [4, 4, 4, 4, 0, 1]);
        assert_eq!(laid(true, 4), [4, 4, 4, 4, 1, 1]);
        assert_eq!(laid(false, 9), [4; 6]);
        assert_eq!(laid(true, -9), [4; 6]);
    }
}
