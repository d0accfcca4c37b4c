//! The inner loops of predictions: sliding maxima carried along a run, and their weighed sums.
//!
//! Maxima over 2^n positions are kept for as many latest positions as some window still needs, in
//! rings of rows; a cell's interior part is the maximum of two of them that overlap. So each
//! position's maxima are made once, and a window's sums stay in registers from its first channel
//! to its last.

use super::simd::{PAD, Simd, kernel};

/// Positions made at a time.
const BATCH: usize = 16;

/// Windows weighed together, so that weights are read once for all, and how far apart the first
/// and the last of them may begin.
const TOGETHER: usize = 4;
const SPREAD: usize = 15;

/// Maxima of `size` positions, the last of which names them.
#[derive(Clone, Debug)]
struct Level {
    size: usize,
    /// Size of the maxima that it is made from: the same for copies of the values themselves.
    from: usize,
    /// Positions that are kept: a power of two.
    kept: usize,
    /// Where its ring begins, in rows.
    at: usize,
}

/// A cell's interior part: two maxima of a level, by their distance from the window's first
/// position, and the edge parts that join them.
#[derive(Clone, Debug)]
struct Weighed {
    level: usize,
    ends: [usize; 2],
    edges: Vec<usize>,
}

/// What is made and weighed for every window.
#[derive(Clone, Debug)]
pub(super) struct Slide {
    levels: Vec<Level>,
    cells: Vec<Weighed>,
    /// Positions of a window.
    reach: usize,
    /// Rows of all rings.
    rows: usize,
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
                kept: 0,
                at: 0,
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
        let cells: Vec<Weighed> = cells
            .iter()
            .map(|(from, to, edges)| {
                let size = power(to - from);
                Weighed {
                    level: levels.iter().position(|l| l.size == size).unwrap_or(0),
                    ends: [from + size - 1, to - 1],
                    edges: edges.clone(),
                }
            })
            .collect();
        let mut rows = 0;
        for l in 0..levels.len() {
            // The next level's oldest position, and the windows'; a batch may be made beyond.
            let next = levels.get(l + 1).map_or(0, |n| n.size);
            let oldest = cells.iter().filter(|c| c.level == l).map(|c| c.ends[0]);
            let oldest = oldest.min().map_or(0, |end| reach - end + SPREAD);
            levels[l].kept = (next.max(oldest) + BATCH).next_power_of_two();
            levels[l].at = rows;
            rows += levels[l].kept;
        }
        Self {
            levels,
            cells,
            reach,
            rows,
        }
    }

    /// Weights `[cells, heads, row]` in the order in which they are read: by cell, four heads and
    /// [`PAD`] channels, the four vectors of the heads.
    pub(super) fn arrange(weights: &[f32], heads: usize, row: usize) -> Vec<f32> {
        let mut out = Vec::with_capacity(weights.len());
        for four in weights.chunks_exact(4 * row).take(weights.len() / row / 4) {
            for v in (0..row).step_by(PAD) {
                for head in four.chunks_exact(row) {
                    out.extend_from_slice(&head[v..v + PAD]);
                }
            }
        }
        debug_assert!(heads.is_multiple_of(4) && out.len() == weights.len());
        out
    }

    /// Floats of scratch for rows of `row` floats.
    pub(super) fn scratch(&self, row: usize) -> usize {
        self.rows * row
    }
}

/// The windows of a run.
pub(super) struct Windows<'a> {
    pub(super) slide: &'a Slide,
    /// Values of the positions from the first window's first one to the last one's last.
    pub(super) rows: &'a [*const f32],
    pub(super) row: usize,
    /// By window: its first position, ascending from 0.
    pub(super) offsets: &'a [usize],
    /// `[windows, parts]`
    pub(super) edges: &'a [*const f32],
    pub(super) parts: usize,
    /// As [`Slide::arrange`] has them.
    pub(super) weights: &'a [f32],
    pub(super) heads: usize,
}

kernel! {
    /// Sums `[windows, heads]`.
    ///
    /// # Safety
    /// All rows and edges point to `row` floats, a whole number of [`PAD`]; `scratch` holds
    /// [`Slide::scratch`] floats; there are rows for every window, and the weights of every cell.
    pub(super) fn slide = slide_body(windows: &Windows<'_>, scratch: &mut [f32], sums: &mut [f32])
}

#[inline(always)]
unsafe fn slide_body<S: Simd>(windows: &Windows<'_>, scratch: &mut [f32], sums: &mut [f32]) {
    let (slide, offsets) = (windows.slide, windows.offsets);
    debug_assert!(scratch.len() >= slide.scratch(windows.row));
    let rings = scratch.as_mut_ptr();
    let (mut made, mut w) = (0, 0);
    // SAFETY: the caller's promise.
    unsafe {
        while w < offsets.len() {
            let first = offsets[w];
            let most = offsets.len().min(w + TOGETHER);
            let mut together = 1;
            while w + together < most && offsets[w + together] - first <= SPREAD {
                together += 1;
            }
            let end = offsets[w + together - 1] + slide.reach;
            while made < end {
                let to = (made + BATCH).min(windows.rows.len());
                make::<S>(windows, rings, made, to);
                made = to;
            }
            for edge in windows
                .edges
                .iter()
                .skip((w + TOGETHER) * windows.parts)
                .take(TOGETHER * windows.parts)
            {
                fetch(*edge, windows.row);
            }
            let out = &mut sums[w * windows.heads..(w + together) * windows.heads];
            // As many windows as the registers hold sums for.
            let mut done = 0;
            if S::LANES == PAD && together == TOGETHER {
                weigh::<S, TOGETHER>(windows, rings, w, out);
                done = TOGETHER;
            }
            while done + 2 <= together {
                weigh::<S, 2>(windows, rings, w + done, &mut out[done * windows.heads..]);
                done += 2;
            }
            if done < together {
                weigh::<S, 1>(windows, rings, w + done, &mut out[done * windows.heads..]);
            }
            w += together;
        }
    }
}

/// Makes the maxima of positions `from..to`. Those of the run's first positions are made of what
/// is there and not used.
#[inline(always)]
unsafe fn make<S: Simd>(windows: &Windows<'_>, rings: *mut f32, from: usize, to: usize) {
    let row = windows.row;
    // SAFETY: the caller's promise; rings are read and written within their masks.
    unsafe {
        for next in windows.rows.iter().skip(to).take(BATCH) {
            fetch(*next, row);
        }
        for (l, level) in windows.slide.levels.iter().enumerate() {
            let ring = rings.add(level.at * row);
            let source = (l > 0).then(|| &windows.slide.levels[l - 1]);
            for p in from..to {
                let out = ring.add((p & (level.kept - 1)) * row);
                let at = |back: usize| -> *const f32 {
                    let p = p.wrapping_sub(back);
                    match source {
                        Some(s) => rings.add((s.at + (p & (s.kept - 1))) * row),
                        None if p > to => *windows.rows.get_unchecked(0),
                        None => *windows.rows.get_unchecked(p),
                    }
                };
                match level.size / level.from {
                    4 => {
                        let of = level.from;
                        let rows = [at(0), at(of), at(2 * of), at(3 * of)];
                        for v in (0..row).step_by(S::LANES) {
                            let new = S::max(S::load(rows[0].add(v)), S::load(rows[1].add(v)));
                            let old = S::max(S::load(rows[2].add(v)), S::load(rows[3].add(v)));
                            S::store(out.add(v), S::max(new, old));
                        }
                    }
                    2 => {
                        let rows = [at(0), at(level.from)];
                        for v in (0..row).step_by(S::LANES) {
                            let best = S::max(S::load(rows[0].add(v)), S::load(rows[1].add(v)));
                            S::store(out.add(v), best);
                        }
                    }
                    _ => {
                        let values = at(0);
                        for v in (0..row).step_by(S::LANES) {
                            S::store(out.add(v), S::load(values.add(v)));
                        }
                    }
                }
            }
        }
    }
}

/// Weighs the cells of `N` windows from `w` on.
#[inline(always)]
unsafe fn weigh<S: Simd, const N: usize>(
    windows: &Windows<'_>,
    rings: *const f32,
    w: usize,
    out: &mut [f32],
) {
    let (slide, row, heads) = (windows.slide, windows.row, windows.heads);
    // SAFETY: the caller's promise.
    unsafe {
        for h in (0..heads).step_by(4) {
            let mut sums = [[S::zero(); 4]; N];
            for (c, cell) in slide.cells.iter().enumerate() {
                let weights = windows.weights.as_ptr().add((c * heads + h) * row);
                let level = slide.levels.get_unchecked(cell.level);
                let mut rows = [[rings; 2]; N];
                let mut edges = [rings; N];
                for i in 0..N {
                    let first = *windows.offsets.get_unchecked(w + i);
                    for (row_at, end) in rows[i].iter_mut().zip(cell.ends) {
                        let p = (first + end) & (level.kept - 1);
                        *row_at = rings.add((level.at + p) * row);
                    }
                    if let Some(part) = cell.edges.first() {
                        edges[i] = *windows.edges.get_unchecked((w + i) * windows.parts + part);
                    }
                }
                match cell.edges[..] {
                    [] => add::<S, N>(&mut sums, weights, row, |i, v| {
                        S::max(S::load(rows[i][0].add(v)), S::load(rows[i][1].add(v)))
                    }),
                    [_] => add::<S, N>(&mut sums, weights, row, |i, v| {
                        let x = S::max(S::load(rows[i][0].add(v)), S::load(rows[i][1].add(v)));
                        S::max(x, S::load(edges[i].add(v)))
                    }),
                    [_, second, ..] => add::<S, N>(&mut sums, weights, row, |i, v| {
                        let at = (w + i) * windows.parts + second;
                        let other = *windows.edges.get_unchecked(at);
                        let x = S::max(S::load(rows[i][0].add(v)), S::load(rows[i][1].add(v)));
                        let edges = S::max(S::load(edges[i].add(v)), S::load(other.add(v)));
                        S::max(x, edges)
                    }),
                }
            }
            for (i, sums) in sums.into_iter().enumerate() {
                for (t, sum) in S::sum4(sums).into_iter().enumerate() {
                    *out.get_unchecked_mut(i * heads + h + t) = sum;
                }
            }
        }
    }
}

/// Adds a cell's maxima, `x(window, channel)`, weighed for four heads.
#[inline(always)]
unsafe fn add<S: Simd, const N: usize>(
    sums: &mut [[S::V; 4]; N],
    weights: *const f32,
    row: usize,
    x: impl Fn(usize, usize) -> S::V,
) {
    // SAFETY: the caller's promise: `4 * row` weights.
    unsafe {
        for block in (0..row).step_by(PAD) {
            for part in (0..PAD).step_by(S::LANES) {
                let weights = weights.add(4 * block + part);
                let w: [S::V; 4] = [
                    S::load(weights),
                    S::load(weights.add(PAD)),
                    S::load(weights.add(2 * PAD)),
                    S::load(weights.add(3 * PAD)),
                ];
                for (i, sums) in sums.iter_mut().enumerate() {
                    let x = x(i, block + part);
                    for (sum, w) in sums.iter_mut().zip(w) {
                        *sum = S::fma(x, w, *sum);
                    }
                }
            }
        }
    }
}

/// Asks for a row that will be read soon.
#[inline(always)]
fn fetch(row: *const f32, floats: usize) {
    #[cfg(target_arch = "x86_64")]
    for at in (0..floats).step_by(PAD) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: part of SSE, which x86-64 always has; a prefetch reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add(at).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (row, floats);
}
