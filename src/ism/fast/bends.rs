//! First dense layers whose weights run along straight lines from position to position, with bends at a few: those of networks
//! with smooth dense layers, and of mean pools.
//!
//! Let a change alter the values at positions `q + i` by `d[i]`, `i < n`. What the layer gains is the sum of `w[q + i] d[i]`,
//! and `w[q + i] = w[q] + i s + sum over bends q + j of k[j] max(0, i - j)`, with the step `s = w[q + 1] - w[q]` and, at a bend, the
//! change of the step. So it is `w[q] A[0] + s B[1] + sum k[j] B[j + 1]`, with sums from the end `A[i] = d[i] + d[i + 1] + ..` and
//! `B[i] = A[i] + A[i + 1] + ..`, which are the same in all windows: two or three rows are weighed for each window, not `n`. Positions
//! that a window has not have weights of 0: there the lines end, in bends, too.

use std::ops::Range;

use super::floats::Floats;
use super::kernels::Part;
use super::simd::{Level, PAD, Simd, kernel};

/// How far weights may be from lines, in the largest of their output: what rounding has left of straight ones.
const CROOKED: f64 = 2e-6;

/// Weights along lines.
#[derive(Clone, Debug)]
pub(super) struct Bends {
    pub(super) weights: Floats,
    parts: Vec<Part>,
    /// By first position, from the first one from which a change reaches the window: which of the parts.
    by_first: Vec<Range<usize>>,
    span: usize,
}

impl Bends {
    /// Of weights `[positions, heads, row]`, where changes reach `span` positions; `None` where their lines are too short to
    /// save much.
    pub(super) fn find(weights: &[f32], (heads, row): (usize, usize), span: usize) -> Option<Self> {
        let each = heads * row;
        let n = weights.len() / each;
        if span < 4 || n < 3 {
            return None;
        }
        let at = |p: usize, x: usize| f64::from(weights[p * each + x]);
        let mut tolerance = vec![0.0f64; heads];
        for (i, w) in weights.iter().enumerate() {
            let largest = &mut tolerance[i % each / row];
            *largest = largest.max(CROOKED * f64::from(w.abs()));
        }
        // Bends stand out; whether all else is straight is seen below.
        let bend = |p: usize, x: usize| at(p + 1, x) - 2.0 * at(p, x) + at(p - 1, x);
        let stands_out = |x: usize, p: usize| bend(p, x).abs() > 2.0 * tolerance[x / row];
        let inner = (1..n - 1).filter(|&p| (0..each).any(|x| stands_out(x, p)));
        let mut joints = vec![0];
        // Rows that a change weighs on average, half of `span` at most.
        let most = (span as f64 / 2.0 - 2.0) * n as f64 / (span - 2) as f64;
        for p in inner {
            joints.push(p);
            if joints.len() as f64 - 1.0 > most {
                return None;
            }
        }
        joints.push(n - 1);
        let mut lines = vec![0.0f64; n * each];
        for joint in joints.windows(2) {
            let (a, b) = (joint[0], joint[1]);
            for x in 0..each {
                let step = (at(b, x) - at(a, x)) / (b - a) as f64;
                for p in a..=b {
                    let on_line = at(a, x) + (p - a) as f64 * step;
                    let off = (on_line - at(p, x)).abs();
                    if off.is_nan() || off > tolerance[x / row] {
                        return None;
                    }
                    lines[p * each + x] = on_line;
                }
            }
        }
        Some(Self::along(&lines, &joints, (n, each), span))
    }

    /// Lines between joints, the first and the last position among them.
    fn along(lines: &[f64], joints: &[usize], (n, each): (usize, usize), span: usize) -> Self {
        let at = |p: isize, x: usize| match usize::try_from(p) {
            Ok(p) if p < n => lines[p * each + x],
            _ => 0.0,
        };
        let mut weights = Floats::new();
        let mut made = 0;
        let mut push = |of: &dyn Fn(usize) -> f64| {
            let values: Vec<f32> = (0..each).map(|x| of(x) as f32).collect();
            weights.push_row(&values);
            made += 1;
            (made - 1) * each
        };
        let n = n as isize;
        let heights: Vec<usize> = (0..n).map(|q| push(&|x| at(q, x))).collect();
        let step = |q: isize| move |x| at(q + 1, x) - at(q, x);
        // All of a line have one.
        let mut steps = vec![push(&step(-1))];
        for joint in joints.windows(2) {
            let of_line = push(&step(joint[0] as isize));
            steps.extend(std::iter::repeat_n(of_line, joint[1] - joint[0]));
        }
        steps.push(push(&step(n - 1)));
        let mut places = vec![-1, n];
        places.extend(joints.iter().map(|&j| j as isize));
        places.sort_unstable();
        let bends: Vec<(isize, usize)> = places
            .into_iter()
            .map(|p| (p, push(&|x| at(p + 1, x) - 2.0 * at(p, x) + at(p - 1, x))))
            .collect();
        let (mut parts, mut by_first) = (Vec::new(), Vec::new());
        for q in 1 - span as isize..n {
            let begin = parts.len();
            if let Some(&weights) = usize::try_from(q).ok().and_then(|q| heights.get(q)) {
                parts.push(Part { row: 0, weights });
            }
            if let Some(&weights) = usize::try_from(q + 1).ok().and_then(|q| steps.get(q)) {
                parts.push(Part { row: 1, weights });
            }
            for &(place, weights) in &bends {
                let j = place - q;
                if (1..span as isize - 1).contains(&j) {
                    let row = j as usize + 1;
                    parts.push(Part { row, weights });
                }
            }
            by_first.push(begin..parts.len());
        }
        Self {
            weights,
            parts,
            by_first,
            span,
        }
    }

    /// What is weighed of a change that reaches the positions from `first` on.
    pub(super) fn parts(&self, first: isize) -> &[Part] {
        let at = first + self.span as isize - 1;
        let range = usize::try_from(at)
            .ok()
            .and_then(|at| self.by_first.get(at));
        range.map_or(&[], |range| &self.parts[range.clone()])
    }
}

/// Differences of three edits from the reference, `[3, span, row]`, summed from the end: the first row of an edit becomes the
/// sum of all its differences, the others sums of such sums (see above).
pub(super) fn difference_sums(level: Level, block: &mut [f32], reference: &[f32], row: usize) {
    assert!(row.is_multiple_of(PAD) && reference.len().is_multiple_of(row));
    assert!(block.len() == 3 * reference.len());
    // SAFETY: by the assertions.
    unsafe { difference_sums_on(level, block, reference, row) }
}

kernel! {
    /// # Safety
    /// What [`difference_sums`] asserts.
    fn difference_sums_on = difference_sums_body(block: &mut [f32], reference: &[f32], row: usize)
}

/// # Safety
/// What [`difference_sums`] asserts, and the instruction set.
#[inline(always)]
unsafe fn difference_sums_body<S: Simd>(block: &mut [f32], reference: &[f32], row: usize) {
    let n = reference.len();
    let (block, reference) = (block.as_mut_ptr(), reference.as_ptr());
    // SAFETY: the caller's promise; `v` stays a vector below `row`, `p` a row below `n`.
    unsafe {
        for e in 0..3 {
            let block = block.add(e * n);
            for v in (0..row).step_by(S::LANES) {
                let (mut sum, mut sums) = (S::zero(), S::zero());
                for p in (0..n / row).rev() {
                    let at = block.add(p * row + v);
                    let old = S::load(reference.add(p * row + v));
                    sum = S::add(sum, S::sub(S::load(at), old));
                    sums = S::add(sums, sum);
                    S::store(at, sums);
                }
                if n > 0 {
                    S::store(block.add(v), sum);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::kernels::weigh_edits;
    use super::*;

    const HEADS: usize = 4;
    const ROW: usize = 16;

    fn number(i: usize) -> f32 {
        ((i * 7919 + 13) % 1009) as f32 / 1009.0 - 0.5
    }

    /// Weights that bend at these positions, and are off their lines by some of their last bits.
    fn weights(n: usize, bends: &[usize]) -> Vec<f32> {
        let mut all = vec![0.0; n * HEADS * ROW];
        for x in 0..HEADS * ROW {
            let (mut value, mut step) = (number(x), 0.1 * number(x + 70));
            for p in 0..n {
                let noise = 1e-7 * number(p * 31 + x);
                all[p * HEADS * ROW + x] = value + noise;
                if bends.contains(&p) {
                    step = 0.1 * number(x + 100 * p);
                }
                value += step;
            }
        }
        all
    }

    #[test]
    fn sums_are_those_of_all_positions() {
        let (n, span) = (40, 9);
        let weights = weights(n, &[12, 13, 30]);
        let bends = Bends::find(&weights, (HEADS, ROW), span).unwrap();
        for level in Level::all() {
            for first in -(span as isize) - 1..n as isize + 2 {
                let new: Vec<f32> = (0..3 * span * ROW).map(number).collect();
                let old: Vec<f32> = (0..span * ROW).map(|i| number(i + 5000)).collect();
                let mut expected = vec![1.0f64; 3 * HEADS];
                for (i, sum) in expected.iter_mut().enumerate() {
                    let (e, h) = (i / HEADS, i % HEADS);
                    for s in 0..span {
                        let p = first + s as isize;
                        if !(0..n as isize).contains(&p) {
                            continue;
                        }
                        for c in 0..ROW {
                            let d = new[(e * span + s) * ROW + c] - old[s * ROW + c];
                            let w = weights[(p as usize * HEADS + h) * ROW + c];
                            *sum += f64::from(d) * f64::from(w);
                        }
                    }
                }
                let mut block = new.clone();
                difference_sums(level, &mut block, &old, ROW);
                let mut found = vec![1.0f32; 3 * HEADS];
                let parts = bends.parts(first);
                assert!(parts.len() <= 6, "{first}: {parts:?}");
                let of = (&block[..], span * ROW);
                weigh_edits(level, of, parts, (&bends.weights, ROW), HEADS, &mut found);
                for (found, expected) in found.iter().zip(&expected) {
                    let apart = (f64::from(*found) - expected).abs();
                    assert!(apart < 2e-5, "{level:?} {first}: {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn crooked_weights_have_none() {
        let (n, span) = (40, 9);
        let straight = weights(n, &[12, 30]);
        assert!(Bends::find(&straight, (HEADS, ROW), span).is_some());
        // One that is a little off its line is a bend of its own, three of them.
        let mut off = straight.clone();
        off[20 * HEADS * ROW + 3] += 1e-3;
        let bends = Bends::find(&off, (HEADS, ROW), span).unwrap();
        assert_eq!(bends.parts(15).len(), 2 + 3);
        // A curve bends everywhere, however slightly.
        let curved = |size: f32| {
            let mut all = straight.clone();
            for (i, w) in all.iter_mut().enumerate() {
                let p = (i / (HEADS * ROW)) as f32;
                *w += size * p * p;
            }
            all
        };
        for size in [1e-2, 1e-4, 1e-6, 1e-7] {
            assert!(
                Bends::find(&curved(size), (HEADS, ROW), span).is_none(),
                "{size}"
            );
        }
        let any: Vec<f32> = (0..n * HEADS * ROW).map(number).collect();
        assert!(Bends::find(&any, (HEADS, ROW), span).is_none());
        let mut unknown = straight.clone();
        unknown[7] = f32::NAN;
        assert!(Bends::find(&unknown, (HEADS, ROW), span).is_none());
    }
}
