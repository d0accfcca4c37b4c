//! The inner loops of predictions: sliding maxima carried along a run, and their weighed sums.
//!
//! A run is gone through once for each column of [`PAD`] channels, so that the part of the tables
//! that is read at random (a line a word) stays in the second-level cache, and what is carried
//! along in the first. Maxima over 2^n positions are kept, in a ring, as long as some window still
//! needs them; a cell's interior part is the maximum of two of them that overlap.

mod kernel;

use super::simd::PAD;

/// Positions made before the windows that they complete are weighed.
const STEP: usize = 16;

/// Windows weighed together, so that weights are read once for all; and how far apart the first
/// and the last of them may begin.
const TOGETHER: usize = 4;
const SPREAD: usize = 15;

/// Channels of a narrow column.
pub(super) const QUARTER: usize = PAD / 4;

/// Rows of [`PAD`] floats, by position modulo a power of two. Behind them stand the first [`STEP`]
/// ones again, so that so many can be read from any on. All in floats.
#[derive(Clone, Copy, Debug, Default)]
struct Ring {
    at: usize,
    mask: usize,
}

impl Ring {
    /// The row of the position that is this divided by [`PAD`].
    #[inline(always)]
    fn place(&self, position: usize) -> usize {
        self.at + (position & self.mask)
    }

    /// Whether it is the first one.
    #[inline(always)]
    fn begins(&self, position: usize) -> bool {
        position & self.mask == 0
    }

    /// Without those that stand there again.
    #[inline(always)]
    fn len(&self) -> usize {
        self.mask + PAD
    }
}

/// Maxima of `size` positions, the last of which names them.
#[derive(Clone, Debug)]
struct Level {
    size: usize,
    /// Size of the maxima that it is made from: the same for copies of the values themselves.
    from: usize,
    ratio: usize,
    ring: Ring,
}

/// A cell's interior part: two maxima of a level, by the positions that name them, counted from the
/// window's first one, times [`PAD`]; and the edge parts that join them.
#[derive(Clone, Debug)]
struct Weighed {
    ring: Ring,
    ends: [usize; 2],
    edges: [usize; 2],
}

/// What is made and weighed for every window.
#[derive(Clone, Debug)]
pub(super) struct Slide {
    levels: Vec<Level>,
    /// Ordered by their number of edge parts.
    cells: Vec<Weighed>,
    /// How many cells have none, one and two of them.
    kinds: [usize; 3],
    /// Which of the given cells each one is.
    order: Vec<usize>,
    /// Positions of a window.
    reach: usize,
    /// Rows of all levels.
    rows: usize,
    /// Edge parts of all cells.
    parts: usize,
}

impl Slide {
    /// `cells` are the interior parts, as their positions in a window of `reach` positions and the
    /// indices of their edge parts.
    pub(super) fn new(cells: &[(usize, usize, Vec<usize>)], reach: usize) -> Self {
        let power = |length: usize| 1usize << length.ilog2();
        let mut needed: Vec<usize> = cells.iter().map(|c| power(c.1 - c.0)).collect();
        needed.sort_unstable();
        needed.dedup();
        let mut levels: Vec<Level> = Vec::new();
        let mut size = 1;
        let mut push = |from: usize, size: usize| {
            levels.push(Level {
                size,
                from,
                ratio: size / from,
                ring: Ring::default(),
            });
        };
        for &need in &needed {
            if need == 1 {
                push(1, 1);
            }
            while size < need {
                let next = if size * 4 <= need { size * 4 } else { size * 2 };
                push(size, next);
                size = next;
            }
        }
        let level_of = |(from, to): (usize, usize)| {
            let size = power(to - from);
            levels.iter().position(|l| l.size == size).unwrap_or(0)
        };
        let of: Vec<usize> = cells.iter().map(|c| level_of((c.0, c.1))).collect();
        let mut rows = 0;
        for l in 0..levels.len() {
            // A window is weighed at the end of the step that makes its last position, or that of
            // the last one of its group.
            let ends = cells.iter().zip(&of).filter(|(_, at)| **at == l);
            let oldest = ends
                .map(|(c, _)| reach + SPREAD + STEP - (c.0 + levels[l].size))
                .max();
            let next = levels.get(l + 1).map_or(0, |n| n.size - n.from);
            let kept = oldest.unwrap_or(0).max(next + STEP);
            let own = (kept + 1).next_power_of_two();
            levels[l].ring = Ring {
                at: rows * PAD,
                mask: (own - 1) * PAD,
            };
            rows += own + STEP;
        }
        let mut order: Vec<usize> = (0..cells.len()).collect();
        order.sort_by_key(|&i| cells[i].2.len());
        let kinds = [0, 1, 2].map(|n| cells.iter().filter(|c| c.2.len() == n).count());
        let weighed = |&i: &usize| {
            let ((from, to, edges), level) = (&cells[i], &levels[of[i]]);
            Weighed {
                ring: level.ring,
                ends: [from + level.size - 1, to - 1].map(|end| end * PAD),
                edges: [0, 1].map(|i| edges.get(i).copied().unwrap_or(0)),
            }
        };
        let parts = cells.iter().flat_map(|c| &c.2).max().map_or(0, |p| p + 1);
        let cells = order.iter().map(weighed).collect();
        Self {
            levels,
            cells,
            kinds,
            order,
            reach,
            rows,
            parts,
        }
    }

    /// Weights `[cells, heads, row]` in the order in which they are read: by column of [`PAD`]
    /// channels, cell and head.
    pub(super) fn arrange(&self, weights: &[f32], heads: usize, row: usize) -> Vec<f32> {
        debug_assert!(heads.is_multiple_of(4));
        let cell = |&i: &usize| weights[i * heads * row..][..heads * row].chunks_exact(row);
        (0..row)
            .step_by(PAD)
            .flat_map(|column| self.order.iter().flat_map(cell).map(move |w| (column, w)))
            .flat_map(|(column, w)| &w[column..column + PAD])
            .copied()
            .collect()
    }

    /// A column's weights with its first channels in each quarter, if it has no others.
    pub(super) fn narrow(column: &[f32]) -> Option<Vec<f32>> {
        let rows = column.chunks_exact(PAD);
        let only = |row: &[f32]| row[QUARTER..].iter().all(|w| *w == 0.0);
        rows.clone().all(only).then(|| {
            let quarters = rows.map(|row| &row[..QUARTER]);
            quarters.flat_map(|q| [q; 4]).flatten().copied().collect()
        })
    }

    /// Floats of scratch.
    pub(super) fn scratch(&self) -> usize {
        self.rows * PAD
    }
}

/// A column of the rows of values, by id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a> {
    /// From the column in the row of id 0 on, and floats from one id to the next.
    pub(super) first: &'a [f32],
    pub(super) step: usize,
    /// Ids below this are rows from `first` on.
    pub(super) known: u32,
    /// The column's place in the other rows, and these.
    pub(super) column: usize,
    pub(super) others: &'a [&'a [f32]],
}

impl Rows<'_> {
    /// Whether all ids below this have a row of [`PAD`] floats.
    fn hold(&self, below: u32) -> bool {
        let known = below.min(self.known) as usize;
        let last = known.checked_sub(1).map_or(0, |id| id * self.step + PAD);
        last <= self.first.len()
            && (below.saturating_sub(self.known)) as usize <= self.others.len()
            && (self.others.iter()).all(|row| row.len() >= self.column + PAD)
    }

    /// # Safety
    /// There is a row of this id.
    #[inline(always)]
    unsafe fn row(&self, id: u32) -> *const f32 {
        // SAFETY: the caller's promise.
        unsafe {
            if id < self.known {
                self.first.as_ptr().add(id as usize * self.step)
            } else {
                let other = self.others.get_unchecked((id - self.known) as usize);
                other.as_ptr().add(self.column)
            }
        }
    }
}

/// Ids of rows, and the bound that they keep: found once for all columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids<'a> {
    ids: &'a [u32],
    /// All are smaller.
    below: u32,
}

impl<'a> Ids<'a> {
    pub(super) fn new(ids: &'a [u32]) -> Self {
        let below = ids.iter().max().map_or(0, |id| id.saturating_add(1));
        Self { ids, below }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }
}

/// `[windows, parts]` ids of edge parts, and the bounds that they keep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edges<'a> {
    ids: &'a [u32],
    /// By part; those of the ids are smaller.
    below: &'a [u32],
}

impl<'a> Edges<'a> {
    /// `below` receives the bounds of so many parts.
    pub(super) fn new(ids: &'a [u32], parts: usize, below: &'a mut Vec<u32>) -> Self {
        below.clear();
        below.resize(parts, 0);
        for ids in ids.chunks_exact(parts.max(1)) {
            for (below, id) in below.iter_mut().zip(ids) {
                *below = (*below).max(id.saturating_add(1));
            }
        }
        Self { ids, below }
    }
}

/// One column of the windows of a run.
pub(super) struct Windows<'a> {
    pub(super) slide: &'a Slide,
    /// Of the positions from the first window's first one to the last one's last.
    pub(super) ids: Ids<'a>,
    pub(super) rows: Rows<'a>,
    /// By window: its first position, ascending; the first one's is that of the first id.
    pub(super) starts: &'a [usize],
    pub(super) edges: Edges<'a>,
    /// By part: its rows `[ids, PAD]`.
    pub(super) parts: &'a [&'a [f32]],
    /// `[cells, heads, PAD]`
    pub(super) weights: &'a [f32],
    /// Of a column that holds no more than [`QUARTER`] channels: weights with these channels in
    /// each quarter.
    pub(super) narrow: Option<&'a [f32]>,
    pub(super) heads: usize,
}

impl Windows<'_> {
    /// Whether everything is there that the windows ask for.
    fn are_whole(&self) -> bool {
        let (Some(first), Some(last)) = (self.starts.first(), self.starts.last()) else {
            return false;
        };
        let weights = self.slide.cells.len() * self.heads * PAD;
        // In what order windows begin between these two does not matter here: rings have a row for
        // every position.
        let edges = self.edges.below.iter().zip(self.parts);
        self.ids.len() >= last - first + self.slide.reach
            && self.rows.hold(self.ids.below)
            && self.parts.len() == self.slide.parts
            && self.edges.below.len() == self.parts.len()
            && self.edges.ids.len() >= self.starts.len() * self.parts.len()
            && edges
                .into_iter()
                .all(|(&n, rows)| rows.len() >= n as usize * PAD)
            && self.heads.is_multiple_of(4)
            && self.weights.len() >= weights
            && self.narrow.is_none_or(|narrow| narrow.len() >= weights)
    }
}

/// Adds the column's part to the sums `[windows, heads]`. `scratch` holds [`Slide::scratch`]
/// floats.
pub(super) fn slide(
    level: super::simd::Level,
    windows: &Windows<'_>,
    scratch: &mut [f32],
    sums: &mut [f32],
) {
    assert!(windows.are_whole());
    assert!(scratch.len() >= windows.slide.scratch());
    assert!(sums.len() >= windows.starts.len() * windows.heads);
    // SAFETY: by the assertions.
    unsafe { kernel::slide_on(level, windows, scratch, sums) }
}
