//! Going through a run, a column of channels at a time: maxima of positions, then the windows that
//! these complete.

use super::{CHUNK, Level, SPREAD, TOGETHER, Weighed, Windows};
use crate::ism::fast::simd::{PAD, Simd, kernel};

/// Positions made before the windows that they complete are weighed.
const STEP: usize = 16;

/// Positions, and windows, ahead whose rows are asked for.
const AHEAD: usize = 16;

kernel! {
    /// Adds the column's part to the sums `[windows, heads]`.
    ///
    /// # Safety
    /// All ids have a row of [`PAD`] floats; `scratch` holds [`Slide::scratch`] floats; there are
    /// ids for every window, an edge for each of its parts, and the weights of every cell.
    pub(in crate::ism::fast) fn slide = slide_body(windows: &Windows<'_>, scratch: &mut [f32], sums: &mut [f32])
}

/// Where the values of a vector's channels come from: rows of one place, or for a narrow column
/// rows of four places, so many positions apart, a quarter of the vector each.
trait Places: Copy {
    const COUNT: usize;
    fn apart(self) -> usize;
}

#[derive(Clone, Copy)]
struct One;

impl Places for One {
    const COUNT: usize = 1;
    #[inline(always)]
    fn apart(self) -> usize {
        0
    }
}

#[derive(Clone, Copy)]
struct Four(usize);

impl Places for Four {
    const COUNT: usize = 4;
    #[inline(always)]
    fn apart(self) -> usize {
        self.0
    }
}

/// A vector from the rows of all places, `row(positions from the first place)`.
#[inline(always)]
unsafe fn load<S: Simd, P: Places>(
    places: P,
    lane: usize,
    row: impl Fn(usize) -> *const f32,
) -> S::V {
    // SAFETY: the caller's promise.
    unsafe {
        if P::COUNT == 4 {
            let apart = places.apart();
            S::load4([row(0), row(apart), row(2 * apart), row(3 * apart)])
        } else {
            S::load(row(0).add(lane))
        }
    }
}

#[inline(always)]
unsafe fn slide_body<S: Simd>(windows: &Windows<'_>, scratch: &mut [f32], sums: &mut [f32]) {
    let (rows, offsets) = (windows.rows, windows.offsets);
    assert!(scratch.len() >= windows.slide.scratch());
    assert!(sums.len() >= offsets.len() * windows.heads);
    let (made, sums) = (scratch.as_mut_ptr(), sums.as_mut_ptr());
    let next = offsets.last().map(|o| *o as usize + 1) == Some(offsets.len());
    // SAFETY: the caller's promise.
    unsafe {
        // Without rows beyond the table there is nothing to choose.
        let known = |id: u32| rows.first.add(id as usize * rows.step);
        if !rows.others.is_empty() {
            let row = |id: u32| rows.row(id);
            return if next {
                through::<S, One, true>(windows, One, row, made, sums)
            } else {
                through::<S, One, false>(windows, One, row, made, sums)
            };
        }
        if !next {
            return through::<S, One, false>(windows, One, known, made, sums);
        }
        let Some(narrow) = windows
            .narrow
            .filter(|_| S::LANES == PAD && windows.heads == 4)
        else {
            return through::<S, One, true>(windows, One, known, made, sums);
        };
        // Four parts of the run at once, then what is left.
        let each = offsets.len() / 4;
        if each > 0 {
            let parts = Windows {
                offsets: &offsets[..each],
                weights: narrow,
                ..*windows
            };
            through::<S, Four, true>(&parts, Four(each), known, made, sums);
        }
        let rest = Windows {
            ids: &windows.ids[4 * each..],
            offsets: &offsets[..offsets.len() - 4 * each],
            edges: &windows.edges[4 * each * windows.parts.len()..],
            ..*windows
        };
        if !rest.offsets.is_empty() {
            let sums = sums.add(4 * each * windows.heads);
            through::<S, One, true>(&rest, One, known, made, sums);
        }
    }
}

/// The column, [`STEP`] positions at a time, and the windows that these complete. `NEXT`: each
/// window begins one position behind the one before.
#[inline(always)]
unsafe fn through<S: Simd, P: Places, const NEXT: bool>(
    windows: &Windows<'_>,
    places: P,
    row: impl Fn(u32) -> *const f32,
    made: *mut f32,
    sums: *mut f32,
) {
    let (slide, offsets, heads) = (windows.slide, windows.offsets, windows.heads);
    let all = offsets.len();
    let positions = offsets[all - 1] as usize + slide.reach;
    let mut w = 0;
    // SAFETY: the caller's promise.
    unsafe {
        for base in (0..positions).step_by(CHUNK) {
            if base > 0 {
                for level in &slide.levels {
                    let from = made.add((level.at + CHUNK) * PAD);
                    std::ptr::copy(from, made.add(level.at * PAD), level.kept * PAD);
                }
            }
            let end = (base + CHUNK).min(positions);
            for from in (base..end).step_by(STEP) {
                let to = (from + STEP).min(end);
                let mut source = None;
                for level in &slide.levels {
                    let out = made.add((level.chunk() + from - base) * PAD);
                    match source {
                        None => {
                            let row = |at: usize| row(*windows.ids.get_unchecked(at));
                            let range = (from, to, positions);
                            first_level::<S, P>(places, &row, level.size, out, range);
                        }
                        Some(source) => next_level::<S>(source, level, out, to - from),
                    }
                    source = Some(out.cast_const());
                }
                while w < all {
                    let mut together = TOGETHER.min(all - w);
                    let first = *offsets.get_unchecked(w) as usize;
                    let mut last = *offsets.get_unchecked(w + together - 1) as usize;
                    if !NEXT && last - first > SPREAD {
                        (together, last) = (1, first);
                    }
                    if last + slide.reach > to {
                        break;
                    }
                    // As many windows as the registers hold sums for.
                    if together == TOGETHER && S::LANES == PAD {
                        let sums = sums.add(w * heads);
                        weigh::<S, P, TOGETHER, NEXT>(windows, places, made, base, w, sums);
                        w += together;
                        continue;
                    }
                    let end = w + together;
                    while w < end {
                        let sums = sums.add(w * heads);
                        w += if w + 2 <= end {
                            weigh::<S, P, 2, NEXT>(windows, places, made, base, w, sums)
                        } else {
                            weigh::<S, P, 1, NEXT>(windows, places, made, base, w, sums)
                        };
                    }
                }
            }
        }
    }
}

/// Makes the first level's maxima of positions `from..to`, of so many. Those of the run's first
/// positions are made of what is there and not used.
#[inline(always)]
unsafe fn first_level<S: Simd, P: Places>(
    places: P,
    row: &impl Fn(usize) -> *const f32,
    size: usize,
    out: *mut f32,
    range: (usize, usize, usize),
) {
    // SAFETY: the caller's promise.
    unsafe {
        match size {
            1 => slide_values::<S, P, 1>(places, row, out, range),
            2 => slide_values::<S, P, 2>(places, row, out, range),
            _ => slide_values::<S, P, 4>(places, row, out, range),
        }
    }
}

/// Maxima of each position and the `SIZE - 1` before it.
#[inline(always)]
unsafe fn slide_values<S: Simd, P: Places, const SIZE: usize>(
    places: P,
    row: &impl Fn(usize) -> *const f32,
    out: *mut f32,
    (from, to, positions): (usize, usize, usize),
) {
    // SAFETY: the caller's promise.
    unsafe {
        for ahead in (from + AHEAD).min(positions)..(to + AHEAD).min(positions) {
            for place in 0..P::COUNT {
                fetch(row(ahead + place * places.apart()));
            }
        }
        for lane in (0..PAD).step_by(S::LANES) {
            let value = |p: usize| load::<S, P>(places, lane, |apart| row(p + apart));
            let before = |back: usize| value(from.saturating_sub(back));
            let mut last = before(1);
            let mut pair = S::max(last, before(2));
            let mut older = S::max(before(2), before(3));
            let mut out = out.add(lane);
            for p in from..to {
                let value = value(p);
                let two = S::max(value, last);
                let best = match SIZE {
                    1 => value,
                    2 => two,
                    _ => S::max(two, older),
                };
                S::store(out, best);
                out = out.add(PAD);
                (last, older, pair) = (value, pair, two);
            }
        }
    }
}

/// Makes a level's maxima of `n` positions from those of the level before, which keeps
/// `size - from` positions before them.
#[inline(always)]
unsafe fn next_level<S: Simd>(source: *const f32, level: &Level, out: *mut f32, n: usize) {
    let (step, ratio) = (level.from * PAD, level.ratio);
    // SAFETY: the caller's promise.
    unsafe {
        for at in (0..n * PAD).step_by(S::LANES) {
            let new = source.add(at);
            let value = S::load(new);
            let best = match ratio {
                1 => value,
                2 => S::max(value, S::load(new.sub(step))),
                _ => {
                    let old = S::max(S::load(new.sub(2 * step)), S::load(new.sub(3 * step)));
                    S::max(S::max(value, S::load(new.sub(step))), old)
                }
            };
            S::store(out.add(at), best);
        }
    }
}

/// Weighs the cells of `N` windows from `w` on, in the chunk from `base` on, and adds them to
/// their sums. `NEXT`: each begins one position behind the one before. Returns `N`.
#[inline(always)]
unsafe fn weigh<S: Simd, P: Places, const N: usize, const NEXT: bool>(
    windows: &Windows<'_>,
    places: P,
    made: *const f32,
    base: usize,
    w: usize,
    out: *mut f32,
) -> usize {
    let (slide, heads, parts) = (windows.slide, windows.heads, windows.parts.len());
    // SAFETY: the caller's promise. A window may begin before the chunk: only sums with a cell's
    // rows are places in `made`.
    unsafe {
        let offsets = windows.offsets.as_ptr().add(w);
        let made = made.wrapping_sub(base * PAD);
        let mut at = [made.wrapping_add(*offsets as usize * PAD); N];
        for (i, at) in at.iter_mut().enumerate().skip(1) {
            *at = if NEXT {
                at.wrapping_add(i * PAD)
            } else {
                made.wrapping_add(*offsets.add(i) as usize * PAD)
            };
        }
        let edges = windows.edges.as_ptr().add(w * parts);
        if w + AHEAD + N <= windows.offsets.len() {
            let soon = edges.add(AHEAD * parts);
            for (part, rows) in windows.parts.iter().enumerate() {
                for i in 0..N {
                    for place in 0..P::COUNT {
                        let at = (i + place * places.apart()) * parts + part;
                        fetch(rows.add(*soon.add(at) as usize * PAD));
                    }
                }
            }
            for place in 0..P::COUNT {
                fetch(out.add((AHEAD + place * places.apart()) * heads));
            }
        }
        for h in (0..heads).step_by(4) {
            let mut sums = [[S::zero(); 4]; N];
            let weights = windows.weights.as_ptr().add(h * PAD);
            let best = |cell: &Weighed, i: usize, lane: usize| {
                let at = at.get_unchecked(i).wrapping_add(lane);
                let one = S::load(at.wrapping_add(cell.rows[0]));
                S::max(one, S::load(at.wrapping_add(cell.rows[1])))
            };
            let edge = |part: usize, i: usize, lane: usize| {
                let rows = windows.parts.get_unchecked(part);
                load::<S, P>(places, lane, |apart| {
                    let id = *edges.add((i + apart) * parts + part);
                    rows.add(id as usize * PAD)
                })
            };
            // One loop a kind, so that sums stay in registers.
            for cell in slide.cells.get_unchecked(..slide.kinds[0]) {
                let weights = weights.add(cell.weights * heads * PAD);
                add::<S, N>(&mut sums, weights, |i, lane| best(cell, i, lane));
            }
            for cell in slide.cells.get_unchecked(slide.kinds[0]..slide.kinds[1]) {
                let weights = weights.add(cell.weights * heads * PAD);
                let [part, _] = cell.edges;
                add::<S, N>(&mut sums, weights, |i, lane| {
                    S::max(best(cell, i, lane), edge(part, i, lane))
                });
            }
            for cell in slide.cells.get_unchecked(slide.kinds[1]..) {
                let weights = weights.add(cell.weights * heads * PAD);
                let [first, second] = cell.edges;
                add::<S, N>(&mut sums, weights, |i, lane| {
                    let edges = S::max(edge(first, i, lane), edge(second, i, lane));
                    S::max(best(cell, i, lane), edges)
                });
            }
            if P::COUNT == 4 {
                for (i, sums) in sums.into_iter().enumerate() {
                    let at = |place: usize| out.add((i + place * places.apart()) * heads + h);
                    S::add_quarters(sums, [at(0), at(1), at(2), at(3)]);
                }
                continue;
            }
            if N == 4 && heads == 4 && S::LANES == 16 {
                let mut all = [S::zero(); 16];
                for (i, sums) in sums.into_iter().enumerate() {
                    for (t, sum) in sums.into_iter().enumerate() {
                        *all.get_unchecked_mut(i * 4 + t) = sum;
                    }
                }
                S::store(out, S::add(S::load(out), S::sum16(all)));
                continue;
            }
            for (i, sums) in sums.into_iter().enumerate() {
                let out = out.add(i * heads + h);
                for (t, sum) in S::sum4(sums).into_iter().enumerate() {
                    *out.add(t) += sum;
                }
            }
        }
    }
    N
}

/// Adds a cell's maxima, `x(window, channel)`, weighed for four heads.
#[inline(always)]
unsafe fn add<S: Simd, const N: usize>(
    sums: &mut [[S::V; 4]; N],
    weights: *const f32,
    x: impl Fn(usize, usize) -> S::V,
) {
    // SAFETY: the caller's promise: `4 * PAD` weights.
    unsafe {
        for lane in (0..PAD).step_by(S::LANES) {
            let weights = weights.add(lane);
            let w: [S::V; 4] = [
                S::load(weights),
                S::load(weights.add(PAD)),
                S::load(weights.add(2 * PAD)),
                S::load(weights.add(3 * PAD)),
            ];
            for (i, sums) in sums.iter_mut().enumerate() {
                let x = x(i, lane);
                for (sum, w) in sums.iter_mut().zip(w) {
                    *sum = S::fma(x, w, *sum);
                }
            }
        }
    }
}

/// Asks for a line that will be read soon.
#[inline(always)]
fn fetch(row: *const f32) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: part of SSE, which x86-64 always has; a prefetch reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(row.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = row;
}
