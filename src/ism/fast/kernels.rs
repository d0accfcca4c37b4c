//! The inner loops, over padded rows.

use super::simd::{Simd, kernel};
use super::trunk::Stage;

kernel! {
    /// `out[p] = relu?(bias + sum over taps i of rows[p + i d][i])` for `outputs` positions.
    ///
    /// # Safety
    /// `rows` holds `outputs + reach` pointers to `stage.projected()` floats; `out` has room for
    /// `outputs` rows.
    pub(super) fn stage_values = stage_values_body(
        stage: &Stage, rows: &[*const f32], outputs: usize, out: *mut f32,
    )
}

#[inline(always)]
unsafe fn stage_values_body<S: Simd>(
    stage: &Stage,
    rows: &[*const f32],
    outputs: usize,
    out: *mut f32,
) {
    debug_assert!(rows.len() >= outputs + stage.reach());
    let (row, width, dilation) = (stage.row, stage.width, stage.dilation);
    // SAFETY: the caller's promise.
    unsafe {
        for p in 0..outputs {
            for v in (0..row).step_by(S::LANES) {
                let mut sum = S::load(stage.bias.as_ptr().add(v));
                for tap in 0..width {
                    let from = *rows.get_unchecked(p + tap * dilation);
                    sum = S::add(sum, S::load(from.add(tap * row + v)));
                }
                if stage.relu {
                    sum = S::max(sum, S::zero());
                }
                S::store(out.add(p * row + v), sum);
            }
        }
    }
}

kernel! {
    /// The same for three edits that change `reached` inputs: `[3, reached + reach]` outputs.
    ///
    /// # Safety
    /// `reference` holds `reached + 2 reach` pointers, of which those in the middle are of edited
    /// inputs and not read, and `changed` holds `[3, reached]`; all to `stage.projected()` floats.
    /// `out` has room for the outputs.
    pub(super) fn stage_edits = stage_edits_body(
        stage: &Stage, reference: &[*const f32], changed: &[*const f32], reached: usize,
        out: *mut f32,
    )
}

#[inline(always)]
unsafe fn stage_edits_body<S: Simd>(
    stage: &Stage,
    reference: &[*const f32],
    changed: &[*const f32],
    reached: usize,
    out: *mut f32,
) {
    let (row, width, dilation, reach) = (stage.row, stage.width, stage.dilation, stage.reach());
    let outputs = reached + reach;
    debug_assert!(reference.len() >= outputs + reach && changed.len() >= 3 * reached);
    // SAFETY: the caller's promise.
    unsafe {
        for p in 0..outputs {
            for v in (0..row).step_by(S::LANES) {
                let mut base = S::load(stage.bias.as_ptr().add(v));
                let (mut a, mut b, mut c) = (S::zero(), S::zero(), S::zero());
                for tap in 0..width {
                    let input = p + tap * dilation;
                    let at = tap * row + v;
                    if input >= reach && input < reach + reached {
                        let i = input - reach;
                        a = S::add(a, S::load((*changed.get_unchecked(i)).add(at)));
                        b = S::add(b, S::load((*changed.get_unchecked(reached + i)).add(at)));
                        c = S::add(
                            c,
                            S::load((*changed.get_unchecked(2 * reached + i)).add(at)),
                        );
                    } else {
                        base = S::add(base, S::load((*reference.get_unchecked(input)).add(at)));
                    }
                }
                for (e, sum) in [a, b, c].into_iter().enumerate() {
                    let mut sum = S::add(base, sum);
                    if stage.relu {
                        sum = S::max(sum, S::zero());
                    }
                    S::store(out.add((e * outputs + p) * row + v), sum);
                }
            }
        }
    }
}

kernel! {
    /// `blocks[e, p] -= reference[p]` for three edits and `n` floats of positions.
    ///
    /// # Safety
    /// `blocks` holds `3 n` floats and `reference` `n`, a whole number of vectors.
    pub(super) fn differences = differences_body(
        blocks: *mut f32, reference: *const f32, n: usize,
    )
}

#[inline(always)]
unsafe fn differences_body<S: Simd>(blocks: *mut f32, reference: *const f32, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        for v in (0..n).step_by(S::LANES) {
            let old = S::load(reference.add(v));
            for e in 0..3 {
                let at = blocks.add(e * n + v);
                S::store(at, S::sub(S::load(at), old));
            }
        }
    }
}

kernel! {
    /// `out[e, h] += sum of blocks[e] * weights[h]` for three edits over `n` contiguous rows of
    /// one window: the effects of a head that is linear in all positions. `weights` holds, for
    /// each row, `heads` (a multiple of 4) rows.
    ///
    /// # Safety
    /// `block` points at the first row of the first edit, the next edit's being `step` floats on;
    /// `weights` holds `n * heads` rows, `out` `[3, heads]` floats.
    pub(super) fn weigh_edits = weigh_edits_body(
        block: *const f32, step: usize, n: usize, row: usize, weights: *const f32, heads: usize,
        out: *mut f32,
    )
}

#[inline(always)]
unsafe fn weigh_edits_body<S: Simd>(
    block: *const f32,
    step: usize,
    n: usize,
    row: usize,
    weights: *const f32,
    heads: usize,
    out: *mut f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        for h in (0..heads).step_by(4) {
            let mut sums = [[S::zero(); 4]; 3];
            for p in 0..n {
                let weights = weights.add((p * heads + h) * row);
                let block = block.add(p * row);
                for v in (0..row).step_by(S::LANES) {
                    let w = [
                        S::load(weights.add(v)),
                        S::load(weights.add(row + v)),
                        S::load(weights.add(2 * row + v)),
                        S::load(weights.add(3 * row + v)),
                    ];
                    for (e, sums) in sums.iter_mut().enumerate() {
                        let x = S::load(block.add(e * step + v));
                        for (sum, w) in sums.iter_mut().zip(w) {
                            *sum = S::fma(x, w, *sum);
                        }
                    }
                }
            }
            for (e, sums) in sums.into_iter().enumerate() {
                add_sums::<S>(sums, out.add(e * heads + h));
            }
        }
    }
}

#[inline(always)]
unsafe fn add_sums<S: Simd>(sums: [S::V; 4], out: *mut f32) {
    // SAFETY: the caller's promise: four floats.
    unsafe {
        let sums = S::sum4(sums);
        for (i, sum) in sums.into_iter().enumerate() {
            *out.add(i) += sum;
        }
    }
}

kernel! {
    /// `out[h] += sum over rows of rows[p] * weights[p, h]`: one window's head.
    ///
    /// # Safety
    /// `rows` holds pointers to rows, `weights` `rows.len() * heads` rows, `out` `heads` floats.
    pub(super) fn weigh_rows = weigh_rows_body(
        rows: &[*const f32], row: usize, weights: *const f32, heads: usize, out: *mut f32,
    )
}

#[inline(always)]
unsafe fn weigh_rows_body<S: Simd>(
    rows: &[*const f32],
    row: usize,
    weights: *const f32,
    heads: usize,
    out: *mut f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        for h in (0..heads).step_by(4) {
            let mut sums = [S::zero(); 4];
            for (p, &from) in rows.iter().enumerate() {
                let weights = weights.add((p * heads + h) * row);
                for v in (0..row).step_by(S::LANES) {
                    let x = S::load(from.add(v));
                    for (i, sum) in sums.iter_mut().enumerate() {
                        *sum = S::fma(x, S::load(weights.add(i * row + v)), *sum);
                    }
                }
            }
            add_sums::<S>(sums, out.add(h));
        }
    }
}

kernel! {
    /// `out = max(out, rows...)`.
    ///
    /// # Safety
    /// All are `row` floats, a whole number of vectors.
    pub(super) fn join_maxima = join_maxima_body(rows: &[*const f32], row: usize, out: *mut f32)
}

#[inline(always)]
unsafe fn join_maxima_body<S: Simd>(rows: &[*const f32], row: usize, out: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe {
        for v in (0..row).step_by(S::LANES) {
            let mut best = S::load(out.add(v));
            for &from in rows {
                best = S::max(best, S::load(from.add(v)));
            }
            S::store(out.add(v), best);
        }
    }
}

kernel! {
    /// `out[i] = max(rows[i, 0..span])`: the maxima of edits.
    ///
    /// # Safety
    /// `rows` holds `[n, span]` pointers to `row` floats, `out` has room for `n` rows.
    pub(super) fn edit_maxima = edit_maxima_body(
        rows: &[*const f32], span: usize, row: usize, out: *mut f32,
    )
}

#[inline(always)]
unsafe fn edit_maxima_body<S: Simd>(rows: &[*const f32], span: usize, row: usize, out: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe {
        for (i, rows) in rows.chunks_exact(span).enumerate() {
            for v in (0..row).step_by(S::LANES) {
                let mut best = S::load((*rows.get_unchecked(0)).add(v));
                for &from in rows.get_unchecked(1..) {
                    best = S::max(best, S::load(from.add(v)));
                }
                S::store(out.add(i * row + v), best);
            }
        }
    }
}
