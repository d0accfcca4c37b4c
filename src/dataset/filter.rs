/// Why a tile is no example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FilterReason {
    /// Neither table nor FASTA has its sequence.
    NoSequence,
    /// Its contig is not in the FASTA.
    UnknownContig,
    /// It reaches past its contig's end.
    PastContigEnd,
    /// More than half of its bases are unknown.
    UnknownBases,
    /// It lacks a value in every task.
    NoValue,
    /// It lacks a value in some task.
    MissingTask,
}

impl FilterReason {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::NoSequence,
        Self::UnknownContig,
        Self::PastContigEnd,
        Self::UnknownBases,
        Self::NoValue,
        Self::MissingTask,
    ];

    /// The word in the tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoSequence => "no_sequence",
            Self::UnknownContig => "unknown_contig",
            Self::PastContigEnd => "past_contig_end",
            Self::UnknownBases => "unknown_bases",
            Self::NoValue => "no_value",
            Self::MissingTask => "missing_task",
        }
    }
}

/// A tile left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filtered {
    /// Index of the tile.
    pub tile: usize,
    /// The reason that came first in the order of [`FilterReason`].
    pub reason: FilterReason,
    /// Names of the tasks in which it lacks a value.
    pub tasks: Vec<String>,
}
