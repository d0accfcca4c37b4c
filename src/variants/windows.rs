//! The windows that a variant is scored in, and the bases around it.

use super::VariantError;
use crate::encode::UNKNOWN;
use crate::genome::Lattice;
use crate::ism::Members;

/// Which windows a variant is scored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Windows {
    /// The mean over all windows of the lattice that hold its first base, as the main job.
    All,
    /// The one that starts half a window (rounded down) before its first base.
    Centre,
}

impl Windows {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Centre => "centre",
        }
    }
}

/// Where a job's effects come from.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub lattice: Lattice,
    pub windows: Windows,
    /// Columns of the engine's scores: of the first member of an ensemble those of the tasks to be
    /// given, then of the second, ...
    pub columns: Vec<usize>,
    /// How a table of these columns lies.
    pub members: Members,
    /// Of windows that do not overlap, to be moved to a single one.
    single: Lattice,
}

impl Rules {
    /// # Errors
    /// When the lattice has no window.
    pub fn new(
        lattice: Lattice,
        windows: Windows,
        tasks: Vec<usize>,
        members: Members,
    ) -> Result<Self, VariantError> {
        Ok(Self {
            lattice,
            windows,
            columns: members.columns(&tasks),
            members: Members {
                tasks: tasks.len(),
                ..members
            },
            single: self::lattice(
                lattice.window(),
                Some(lattice.window()),
                lattice.most_unknown(),
            )?,
        })
    }

    /// The windows in which a change of a base is scored.
    pub fn around(&self, base: u32) -> Lattice {
        match self.windows {
            Windows::All => self.lattice,
            Windows::Centre => moved(self.single, centred(base, self.lattice.window())),
        }
    }
}

/// A part of a contig.
pub(super) struct Genome<'a> {
    pub codes: &'a [u8],
    pub origin: i64,
}

impl<'a> Genome<'a> {
    /// The base at a position.
    pub fn at(&self, position: i64) -> u8 {
        self.codes[(position - self.origin) as usize]
    }

    /// Bases from a position on.
    pub fn slice(&self, from: i64, length: usize) -> &'a [u8] {
        let from = (from - self.origin) as usize;
        &self.codes[from..from + length]
    }

    /// GC content of a window.
    pub fn gc(&self, from: i64, window: u32) -> f32 {
        gc(self.slice(from, window as usize))
    }
}

/// Share of G and C among known bases; NaN without any.
pub(super) fn gc(codes: &[u8]) -> f32 {
    let known = codes.iter().filter(|&&c| c != UNKNOWN).count();
    let gc = codes.iter().filter(|&&c| c == 1 || c == 2).count();
    match known {
        0 => f32::NAN,
        _ => gc as f32 / known as f32,
    }
}

/// Start of the window centred on a base.
pub(super) fn centred(base: u32, window: u32) -> i64 {
    i64::from(base) - i64::from(window / 2)
}

/// The lattice moved so that a window starts at `start`.
pub(super) fn moved(lattice: Lattice, start: i64) -> Lattice {
    let (window, stride) = (lattice.window(), lattice.stride());
    let phase = start.rem_euclid(i64::from(stride)) as u32;
    lattice.for_region(phase + window - stride)
}

/// Checks that a lattice's stride and window go together.
pub(super) fn lattice(
    window: u32,
    stride: Option<u32>,
    most_unknown: u32,
) -> Result<Lattice, VariantError> {
    let stride = stride.unwrap_or((window / 5).max(1));
    let lattice = Lattice::genome(window, stride).map(|lattice| lattice.allowing(most_unknown));
    lattice.ok_or_else(|| {
        VariantError::Setting(format!(
            "a stride of {stride} does not fit a window of {window} bases: expected 1 to {window}"
        ))
    })
}
