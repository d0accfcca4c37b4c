//! Going through a run, a column of channels at a time: maxima of positions, then the windows that
//! these complete.

use super::{Edges, Ids, Level, SPREAD, STEP, Slide, TOGETHER, Weighed, Windows};
use crate::ism::fast::simd::{PAD, Simd, fetch, kernel};

/// Positions, and windows, ahead whose rows are asked for.
const AHEAD: usize = 16;

kernel! {
    /// # Safety
    /// What [`super::slide`] asserts: all ids have a row of [`PAD`] floats; `scratch` holds
    /// [`Slide::scratch`] floats; there is a window, and for every one there are ids, an edge for
    /// each of its parts, and room for its sums; there are the weights of every cell.
    pub(super) fn slide_on = slide_body(windows: &Windows<'_>, scratch: &mut [f32], sums: &mut [f32])
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

/// How many cells have no edge part, one and two; of parts and heads. Numbers that the compiler
/// knows spare a fifth of the time.
trait Cells: Copy {
    fn kinds(slide: &Slide) -> [usize; 3];
    fn parts(windows: &Windows<'_>) -> usize;
    fn heads(windows: &Windows<'_>) -> usize;
}

#[derive(Clone, Copy)]
struct Any;

impl Cells for Any {
    #[inline(always)]
    fn kinds(slide: &Slide) -> [usize; 3] {
        slide.kinds
    }
    #[inline(always)]
    fn parts(windows: &Windows<'_>) -> usize {
        windows.parts.len()
    }
    #[inline(always)]
    fn heads(windows: &Windows<'_>) -> usize {
        windows.heads
    }
}

/// Four heads, so many cells without edge parts, and one at either end of the window.
#[derive(Clone, Copy)]
struct Usual<const PLAIN: usize>;

impl<const PLAIN: usize> Cells for Usual<PLAIN> {
    #[inline(always)]
    fn kinds(_: &Slide) -> [usize; 3] {
        [PLAIN, 2, 0]
    }
    #[inline(always)]
    fn parts(_: &Windows<'_>) -> usize {
        2
    }
    #[inline(always)]
    fn heads(_: &Windows<'_>) -> usize {
        4
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
    let (rows, starts) = (windows.rows, windows.starts);
    let (made, sums) = (scratch.as_mut_ptr(), sums.as_mut_ptr());
    let next = starts[starts.len() - 1] - starts[0] == starts.len() - 1;
    // SAFETY: the caller's promise.
    unsafe {
        // Without rows beyond the table there is nothing to choose.
        let known = |id: u32| rows.first.as_ptr().add(id as usize * rows.step);
        if !rows.others.is_empty() {
            let row = |id: u32| rows.row(id);
            return if next {
                through::<S, One, Any, true>(windows, One, row, made, sums)
            } else {
                through::<S, One, Any, false>(windows, One, row, made, sums)
            };
        }
        if !next {
            return through::<S, One, Any, false>(windows, One, known, made, sums);
        }
        if S::LANES != PAD || windows.heads != 4 || rows.step != PAD {
            return through::<S, One, Any, true>(windows, One, known, made, sums);
        }
        match windows.slide.kinds {
            _ if windows.parts.len() != 2 => quick::<S, Any>(windows, made, sums),
            [1, 2, 0] => quick::<S, Usual<1>>(windows, made, sums),
            [2, 2, 0] => quick::<S, Usual<2>>(windows, made, sums),
            [3, 2, 0] => quick::<S, Usual<3>>(windows, made, sums),
            _ => quick::<S, Any>(windows, made, sums),
        }
    }
}

/// Next windows of four heads, all of whose rows are the table's.
#[inline(always)]
unsafe fn quick<S: Simd, C: Cells>(windows: &Windows<'_>, made: *mut f32, sums: *mut f32) {
    let (rows, starts) = (windows.rows, windows.starts);
    // SAFETY: the caller's promise.
    unsafe {
        let row = |id: u32| rows.first.as_ptr().add(id as usize * PAD);
        let Some(narrow) = windows.narrow else {
            return through::<S, One, C, true>(windows, One, row, made, sums);
        };
        // Four parts of the run at once, then what is left.
        let each = starts.len() / 4;
        if each > 0 {
            let parts = Windows {
                starts: &starts[..each],
                weights: narrow,
                ..*windows
            };
            through::<S, Four, C, true>(&parts, Four(each), row, made, sums);
        }
        let rest = Windows {
            ids: Ids {
                ids: &windows.ids.ids[4 * each..],
                ..windows.ids
            },
            starts: &starts[4 * each..],
            edges: Edges {
                ids: &windows.edges.ids[4 * each * windows.parts.len()..],
                ..windows.edges
            },
            ..*windows
        };
        if !rest.starts.is_empty() {
            let sums = sums.add(4 * each * windows.heads);
            through::<S, One, Any, true>(&rest, One, row, made, sums);
        }
    }
}

/// The column, [`STEP`] positions at a time, and the windows that these complete. `NEXT`: each
/// window begins one position behind the one before.
#[inline(always)]
unsafe fn through<S: Simd, P: Places, C: Cells, const NEXT: bool>(
    windows: &Windows<'_>,
    places: P,
    row: impl Fn(u32) -> *const f32,
    made: *mut f32,
    sums: *mut f32,
) {
    let (slide, starts, heads) = (windows.slide, windows.starts, windows.heads);
    let all = starts.len();
    let offset = |w: usize| offset::<NEXT>(starts, w);
    let positions = starts[all - 1] - starts[0] + slide.reach;
    let mut w = 0;
    // SAFETY: the caller's promise.
    unsafe {
        for from in (0..positions).step_by(STEP) {
            let to = (from + STEP).min(positions);
            let mut source: Option<&Level> = None;
            for level in &slide.levels {
                let out = made.add(level.ring.place(from * PAD));
                match source {
                    None => {
                        let row = |at: usize| row(*windows.ids.ids.get_unchecked(at));
                        let range = (from, to, positions);
                        first_level::<S, P>(places, &row, level.size, out, range);
                    }
                    Some(source) => next_level::<S>(made, source, level, out, (from, to)),
                }
                if level.ring.begins(from * PAD) {
                    let again = out.add(level.ring.len());
                    std::ptr::copy_nonoverlapping(out, again, STEP * PAD);
                }
                source = Some(level);
            }
            while w < all {
                let mut together = TOGETHER.min(all - w);
                let first = offset(w);
                let mut last = offset(w + together - 1);
                if !NEXT && last - first > SPREAD {
                    (together, last) = (1, first);
                }
                if last + slide.reach > to {
                    break;
                }
                // As many windows as the registers hold sums for.
                if together == TOGETHER && S::LANES == PAD {
                    let sums = sums.add(w * heads);
                    weigh::<S, P, C, TOGETHER, NEXT>(windows, places, made, w, sums);
                    w += together;
                    continue;
                }
                let end = w + together;
                while w < end {
                    let sums = sums.add(w * heads);
                    w += if w + 2 <= end {
                        weigh::<S, P, C, 2, NEXT>(windows, places, made, w, sums)
                    } else {
                        weigh::<S, P, C, 1, NEXT>(windows, places, made, w, sums)
                    };
                }
            }
        }
    }
}

/// Positions from the first window to one.
#[inline(always)]
fn offset<const NEXT: bool>(starts: &[usize], w: usize) -> usize {
    if NEXT { w } else { starts[w] - starts[0] }
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

/// Makes a level's maxima of positions `from..to` from those of the level before.
#[inline(always)]
unsafe fn next_level<S: Simd>(
    made: *const f32,
    source: &Level,
    level: &Level,
    out: *mut f32,
    (from, to): (usize, usize),
) {
    // SAFETY: the caller's promise.
    unsafe {
        let back = |steps: usize| {
            let position = from.wrapping_sub(steps * level.from);
            made.add(source.ring.place(position.wrapping_mul(PAD)))
        };
        let n = to - from;
        match level.ratio {
            1 => join::<S, 1>([back(0)], out, n),
            2 => join::<S, 2>([back(0), back(1)], out, n),
            _ => join::<S, 4>([back(0), back(1), back(2), back(3)], out, n),
        }
    }
}

/// Maxima of so many rows from each of the places on.
#[inline(always)]
unsafe fn join<S: Simd, const N: usize>(from: [*const f32; N], out: *mut f32, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let one = |at: usize| {
            let mut best = S::load(from[0].add(at));
            for from in &from[1..] {
                best = S::max(best, S::load(from.add(at)));
            }
            S::store(out.add(at), best);
        };
        // The usual number, known to the compiler.
        if n == STEP {
            for at in (0..STEP * PAD).step_by(S::LANES) {
                one(at);
            }
        } else {
            for at in (0..n * PAD).step_by(S::LANES) {
                one(at);
            }
        }
    }
}

/// Weighs the cells of `N` windows from `w` on, and adds them to their sums. `NEXT`: each begins
/// one position behind the one before. Returns `N`.
#[inline(always)]
unsafe fn weigh<S: Simd, P: Places, C: Cells, const N: usize, const NEXT: bool>(
    windows: &Windows<'_>,
    places: P,
    made: *const f32,
    w: usize,
    out: *mut f32,
) -> usize {
    let slide = windows.slide;
    let (heads, parts) = (C::heads(windows), C::parts(windows));
    let [plain, edged, twice] = C::kinds(slide);
    // SAFETY: the caller's promise.
    unsafe {
        let at: [usize; N] = std::array::from_fn(|i| PAD * offset::<NEXT>(windows.starts, w + i));
        let edges = windows.edges.ids.as_ptr().add(w * parts);
        if w + AHEAD + N <= windows.starts.len() {
            let soon = edges.add(AHEAD * parts);
            for part in 0..parts {
                let rows = windows.parts.get_unchecked(part).as_ptr();
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
            let best = |cell: &Weighed, i: usize, lane: usize| {
                let [one, two] = cell.ends.map(|end| {
                    // The next windows' rows are the next ones.
                    let place = if NEXT {
                        cell.ring.place(at[0] + end) + i * PAD
                    } else {
                        cell.ring.place(at[i] + end)
                    };
                    S::load(made.add(place + lane))
                });
                S::max(one, two)
            };
            let edge = |part: usize, i: usize, lane: usize| {
                let rows = windows.parts.get_unchecked(part).as_ptr();
                load::<S, P>(places, lane, |apart| {
                    let id = *edges.add((i + apart) * parts + part);
                    rows.add(id as usize * PAD)
                })
            };
            let mut weights = windows.weights.as_ptr().add(h * PAD);
            // One loop a kind, so that sums stay in registers.
            let mut cells = slide.cells.as_ptr();
            for _ in 0..plain {
                let cell = &*cells;
                add::<S, N>(&mut sums, weights, |i, lane| best(cell, i, lane));
                (cells, weights) = (cells.add(1), weights.add(heads * PAD));
            }
            for _ in 0..edged {
                let cell = &*cells;
                let [part, _] = cell.edges;
                add::<S, N>(&mut sums, weights, |i, lane| {
                    S::max(best(cell, i, lane), edge(part, i, lane))
                });
                (cells, weights) = (cells.add(1), weights.add(heads * PAD));
            }
            for _ in 0..twice {
                let cell = &*cells;
                let [first, second] = cell.edges;
                add::<S, N>(&mut sums, weights, |i, lane| {
                    let edges = S::max(edge(first, i, lane), edge(second, i, lane));
                    S::max(best(cell, i, lane), edges)
                });
                (cells, weights) = (cells.add(1), weights.add(heads * PAD));
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
