//! The inner loops, over padded rows.
//!
//! Each kernel is a safe function that asserts the sizes of what it is given, and a body that
//! relies on them: one comparison a row, for hundreds of products.
//!
//! [`Simd::max`] gives its second argument where one of them is not a number. So a ReLU keeps what
//! is not a number; maxima are never given any ([`super::floats::pass_over_nan`]).

use super::simd::{Level, PAD, Simd, kernel};
use super::trunk::Stage;

/// Whether rows of so many floats are whole vectors, and all of these hold one.
fn hold(rows: &[&[f32]], row: usize) -> bool {
    row.is_multiple_of(PAD) && rows.iter().all(|r| r.len() >= row)
}

/// Calls `then` with the addresses of the rows. The inner loops below read each address hundreds of times,
/// and a list of slices, two words an entry, costs them an instruction at each.
fn with_addresses<R>(rows: &[&[f32]], then: impl FnOnce(&[*const f32]) -> R) -> R {
    let mut few = [std::ptr::null(); 64];
    let mut many = Vec::new();
    let addresses = match few.get_mut(..rows.len()) {
        Some(few) => few,
        None => {
            many.resize(rows.len(), std::ptr::null());
            &mut many[..]
        }
    };
    for (address, row) in addresses.iter_mut().zip(rows) {
        *address = row.as_ptr();
    }
    then(addresses)
}

/// `out[p] = relu?(bias + sum over taps i of rows[p + i d][i])` for `outputs` positions. `rows` are
/// `outputs + reach` projected rows, `out` has room for `outputs` rows.
pub(super) fn stage_values(
    level: Level,
    stage: &Stage,
    rows: &[&[f32]],
    outputs: usize,
    out: &mut [f32],
) {
    assert!(stage.row.is_multiple_of(PAD) && stage.bias.len() >= stage.row);
    assert!(rows.len() >= outputs + stage.reach() && hold(rows, stage.projected()));
    assert!(out.len() >= outputs * stage.row);
    with_addresses(rows, |rows| {
        // SAFETY: by the assertions.
        unsafe { stage_values_on(level, stage, rows, outputs, out) }
    });
}

kernel! {
    /// # Safety
    /// What [`stage_values`] asserts.
    fn stage_values_on = stage_values_body(
        stage: &Stage, rows: &[*const f32], outputs: usize, out: &mut [f32],
    )
}

/// # Safety
/// What [`stage_values`] asserts, and the instruction set.
#[inline(always)]
unsafe fn stage_values_body<S: Simd>(
    stage: &Stage,
    rows: &[*const f32],
    outputs: usize,
    out: &mut [f32],
) {
    let (row, width, dilation) = (stage.row, stage.width, stage.dilation);
    let (bias, out) = (stage.bias.as_ptr(), out.as_mut_ptr());
    // SAFETY: the caller's promise; `v` stays a vector below `row`, `p + tap d` below
    // `outputs + reach`.
    unsafe {
        for p in 0..outputs {
            for v in (0..row).step_by(S::LANES) {
                let mut sum = S::load(bias.add(v));
                for tap in 0..width {
                    let from = *rows.get_unchecked(p + tap * dilation);
                    sum = S::add(sum, S::load(from.add(tap * row + v)));
                }
                if stage.relu {
                    sum = S::max(S::zero(), sum);
                }
                S::store(out.add(p * row + v), sum);
            }
        }
    }
}

/// The same for three edits that change `reached` inputs: `[3, reached + reach]` outputs.
///
/// `reference` are `reached + 2 reach` rows, of which those in the middle are of edited inputs and
/// not read, and `changed` `[3, reached]`.
pub(super) fn stage_edits(
    level: Level,
    stage: &Stage,
    reference: &[&[f32]],
    changed: &[&[f32]],
    reached: usize,
    out: &mut [f32],
) {
    let (reach, row) = (stage.reach(), stage.projected());
    assert!(stage.row.is_multiple_of(PAD) && stage.bias.len() >= stage.row);
    assert!(reference.len() >= reached + 2 * reach && hold(reference, row));
    assert!(changed.len() >= 3 * reached && hold(changed, row));
    assert!(out.len() >= 3 * (reached + reach) * stage.row);
    with_addresses(reference, |reference| {
        with_addresses(changed, |changed| {
            // SAFETY: by the assertions.
            unsafe { stage_edits_on(level, stage, reference, changed, reached, out) }
        });
    });
}

kernel! {
    /// # Safety
    /// What [`stage_edits`] asserts.
    fn stage_edits_on = stage_edits_body(
        stage: &Stage, reference: &[*const f32], changed: &[*const f32], reached: usize,
        out: &mut [f32],
    )
}

/// # Safety
/// What [`stage_edits`] asserts, and the instruction set.
#[inline(always)]
unsafe fn stage_edits_body<S: Simd>(
    stage: &Stage,
    reference: &[*const f32],
    changed: &[*const f32],
    reached: usize,
    out: &mut [f32],
) {
    let (row, width, dilation, reach) = (stage.row, stage.width, stage.dilation, stage.reach());
    let outputs = reached + reach;
    let (bias, out) = (stage.bias.as_ptr(), out.as_mut_ptr());
    // SAFETY: the caller's promise; `v` stays a vector below `row`, `input` below
    // `reached + 2 reach` and `i` below `reached`.
    unsafe {
        let of =
            |rows: &[*const f32], i: usize, at: usize| S::load((*rows.get_unchecked(i)).add(at));
        for p in 0..outputs {
            for v in (0..row).step_by(S::LANES) {
                let mut base = S::load(bias.add(v));
                let (mut a, mut b, mut c) = (S::zero(), S::zero(), S::zero());
                for tap in 0..width {
                    let input = p + tap * dilation;
                    let at = tap * row + v;
                    if input >= reach && input < reach + reached {
                        let i = input - reach;
                        a = S::add(a, of(changed, i, at));
                        b = S::add(b, of(changed, reached + i, at));
                        c = S::add(c, of(changed, 2 * reached + i, at));
                    } else {
                        base = S::add(base, of(reference, input, at));
                    }
                }
                for (e, sum) in [a, b, c].into_iter().enumerate() {
                    let mut sum = S::add(base, sum);
                    if stage.relu {
                        sum = S::max(S::zero(), sum);
                    }
                    S::store(out.add((e * outputs + p) * row + v), sum);
                }
            }
        }
    }
}

/// `block[e] -= reference` for three edits.
pub(super) fn differences(level: Level, block: &mut [f32], reference: &[f32]) {
    assert!(reference.len().is_multiple_of(PAD) && block.len() == 3 * reference.len());
    // SAFETY: by the assertion.
    unsafe { differences_on(level, block, reference) }
}

kernel! {
    /// # Safety
    /// What [`differences`] asserts.
    fn differences_on = differences_body(block: &mut [f32], reference: &[f32])
}

/// # Safety
/// What [`differences`] asserts, and the instruction set.
#[inline(always)]
unsafe fn differences_body<S: Simd>(block: &mut [f32], reference: &[f32]) {
    let n = reference.len();
    let (block, reference) = (block.as_mut_ptr(), reference.as_ptr());
    // SAFETY: the caller's promise; `v` stays a vector below `n`.
    unsafe {
        for v in (0..n).step_by(S::LANES) {
            let old = S::load(reference.add(v));
            for e in 0..3 {
                let at = block.add(e * n + v);
                S::store(at, S::sub(S::load(at), old));
            }
        }
    }
}

/// A row of an edit's block, and where its weights, `[heads, row]`, begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) row: usize,
    pub(super) weights: usize,
}

/// `out[e, h] += sum over parts of block[e, row] * weights[h]` for three edits of one window: the effects of a head that is linear
/// in all positions.
///
/// An edit's rows begin `step` floats behind those of the one before; `heads` is a multiple of 4, `out` is `[3, heads]`.
pub(super) fn weigh_edits(
    level: Level,
    (block, step): (&[f32], usize),
    parts: &[Part],
    (weights, row): (&[f32], usize),
    heads: usize,
    out: &mut [f32],
) {
    assert!(row.is_multiple_of(PAD) && heads.is_multiple_of(4) && out.len() >= 3 * heads);
    for part in parts {
        assert!(block.len() >= 2 * step + (part.row + 1) * row);
        assert!(weights.len() >= part.weights + heads * row);
    }
    // SAFETY: by the assertions.
    unsafe { weigh_edits_on(level, block, step, parts, weights, row, heads, out) }
}

kernel! {
    /// # Safety
    /// What [`weigh_edits`] asserts.
    fn weigh_edits_on = weigh_edits_body(
        block: &[f32], step: usize, parts: &[Part], weights: &[f32], row: usize, heads: usize,
        out: &mut [f32],
    )
}

/// # Safety
/// What [`weigh_edits`] asserts, and the instruction set.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn weigh_edits_body<S: Simd>(
    block: &[f32],
    step: usize,
    parts: &[Part],
    weights: &[f32],
    row: usize,
    heads: usize,
    out: &mut [f32],
) {
    let (block, weights, out) = (block.as_ptr(), weights.as_ptr(), out.as_mut_ptr());
    // SAFETY: the caller's promise; `v` stays a vector below `row`, `h` four below `heads`.
    unsafe {
        for h in (0..heads).step_by(4) {
            let mut sums = [[S::zero(); 4]; 3];
            for part in parts {
                let weights = weights.add(part.weights + h * row);
                let block = block.add(part.row * row);
                for v in (0..row).step_by(S::LANES) {
                    let w = four::<S>(weights.add(v), row);
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

/// A vector of each of four rows.
///
/// # Safety
/// Each row holds one; the instruction set.
#[inline(always)]
pub(super) unsafe fn four<S: Simd>(from: *const f32, row: usize) -> [S::V; 4] {
    // SAFETY: the caller's promise.
    unsafe {
        [
            S::load(from),
            S::load(from.add(row)),
            S::load(from.add(2 * row)),
            S::load(from.add(3 * row)),
        ]
    }
}

/// # Safety
/// `out` points at four floats; the instruction set.
#[inline(always)]
unsafe fn add_sums<S: Simd>(sums: [S::V; 4], out: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe {
        let sums = S::sum4(sums);
        for (i, sum) in sums.into_iter().enumerate() {
            *out.add(i) += sum;
        }
    }
}

/// `out[h] += sum over rows of rows[p] * weights[p, h]`: one window's head. `weights` holds `heads`
/// (a multiple of 4) rows for each row.
pub(super) fn weigh_rows(
    level: Level,
    rows: &[&[f32]],
    row: usize,
    weights: &[f32],
    heads: usize,
    out: &mut [f32],
) {
    assert!(hold(rows, row) && weights.len() >= rows.len() * heads * row);
    assert!(heads.is_multiple_of(4) && out.len() >= heads);
    // SAFETY: by the assertions.
    unsafe { weigh_rows_on(level, rows, row, weights, heads, out) }
}

kernel! {
    /// # Safety
    /// What [`weigh_rows`] asserts.
    fn weigh_rows_on = weigh_rows_body(
        rows: &[&[f32]], row: usize, weights: &[f32], heads: usize, out: &mut [f32],
    )
}

/// # Safety
/// What [`weigh_rows`] asserts, and the instruction set.
#[inline(always)]
unsafe fn weigh_rows_body<S: Simd>(
    rows: &[&[f32]],
    row: usize,
    weights: &[f32],
    heads: usize,
    out: &mut [f32],
) {
    let (weights, out) = (weights.as_ptr(), out.as_mut_ptr());
    // SAFETY: the caller's promise; `v` stays a vector below `row`, `h` four below `heads`.
    unsafe {
        for h in (0..heads).step_by(4) {
            let mut sums = [S::zero(); 4];
            for (p, from) in rows.iter().enumerate() {
                let weights = weights.add((p * heads + h) * row);
                for v in (0..row).step_by(S::LANES) {
                    let x = S::load(from.as_ptr().add(v));
                    for (i, sum) in sums.iter_mut().enumerate() {
                        *sum = S::fma(x, S::load(weights.add(i * row + v)), *sum);
                    }
                }
            }
            add_sums::<S>(sums, out.add(h));
        }
    }
}

/// `out = max(out, rows...)`, over one row.
pub(super) fn join_maxima(level: Level, rows: &[&[f32]], out: &mut [f32]) {
    assert!(hold(rows, out.len()));
    // SAFETY: by the assertion.
    unsafe { join_maxima_on(level, rows, out) }
}

kernel! {
    /// # Safety
    /// What [`join_maxima`] asserts.
    fn join_maxima_on = join_maxima_body(rows: &[&[f32]], out: &mut [f32])
}

/// # Safety
/// What [`join_maxima`] asserts, and the instruction set.
#[inline(always)]
unsafe fn join_maxima_body<S: Simd>(rows: &[&[f32]], out: &mut [f32]) {
    let (row, out) = (out.len(), out.as_mut_ptr());
    // SAFETY: the caller's promise; `v` stays a vector below `row`.
    unsafe {
        for v in (0..row).step_by(S::LANES) {
            let mut best = S::load(out.add(v));
            for from in rows {
                best = S::max(best, S::load(from.as_ptr().add(v)));
            }
            S::store(out.add(v), best);
        }
    }
}

/// `out[i] = max(rows[i, 0..span])`: the maxima of edits. `rows` are `[n, span]`, `out` has room
/// for `n` rows.
pub(super) fn edit_maxima(level: Level, rows: &[&[f32]], span: usize, row: usize, out: &mut [f32]) {
    assert!(span > 0 && hold(rows, row) && out.len() >= rows.len() / span * row);
    // SAFETY: by the assertion.
    unsafe { edit_maxima_on(level, rows, span, row, out) }
}

/// The same for rows of a table, `[n, span]` by their ids, none of which lies behind its end.
pub(super) fn table_maxima(
    level: Level,
    table: &[f32],
    ids: &[u32],
    span: usize,
    row: usize,
    out: &mut [f32],
) {
    assert!(span > 0 && row.is_multiple_of(PAD) && out.len() >= ids.len() / span * row);
    assert!(in_table(table, ids, row));
    // SAFETY: by the assertions.
    unsafe { table_maxima_on(level, table, ids, span, row, out) }
}

/// Whether a table has all these rows.
#[inline(always)]
pub(super) fn in_table(table: &[f32], ids: &[u32], row: usize) -> bool {
    let largest = ids.iter().fold(0, |a, &b| a.max(b));
    (largest as usize + 1)
        .checked_mul(row)
        .is_some_and(|end| end <= table.len())
}

kernel! {
    /// # Safety
    /// What [`table_maxima`] asserts.
    fn table_maxima_on = table_maxima_body(
        table: &[f32], ids: &[u32], span: usize, row: usize, out: &mut [f32],
    )
}

/// # Safety
/// What [`table_maxima`] asserts, and the instruction set.
#[inline(always)]
unsafe fn table_maxima_body<S: Simd>(
    table: &[f32],
    ids: &[u32],
    span: usize,
    row: usize,
    out: &mut [f32],
) {
    let (table, out) = (table.as_ptr(), out.as_mut_ptr());
    // SAFETY: the caller's promise; a chunk is `span` ids, at least one, all in the table.
    unsafe {
        for (i, ids) in ids.chunks_exact(span).enumerate() {
            let of = |id: &u32| table.add(*id as usize * row);
            row_maxima::<S, _>(ids, of, row, out.add(i * row));
        }
    }
}

kernel! {
    /// # Safety
    /// What [`edit_maxima`] asserts.
    fn edit_maxima_on = edit_maxima_body(rows: &[&[f32]], span: usize, row: usize, out: &mut [f32])
}

/// # Safety
/// What [`edit_maxima`] asserts, and the instruction set.
#[inline(always)]
unsafe fn edit_maxima_body<S: Simd>(rows: &[&[f32]], span: usize, row: usize, out: &mut [f32]) {
    let out = out.as_mut_ptr();
    // SAFETY: the caller's promise; a chunk is `span` rows, at least one.
    unsafe {
        for (i, rows) in rows.chunks_exact(span).enumerate() {
            row_maxima::<S, _>(rows, |r: &&[f32]| r.as_ptr(), row, out.add(i * row));
        }
    }
}

/// Maxima of the rows that `of` says the items' are, over one row.
///
/// # Safety
/// There is at least one item, `of` gives rows of `row` floats, a whole number of vectors, and `out`
/// points at as many.
#[inline(always)]
pub(super) unsafe fn row_maxima<S: Simd, T>(
    items: &[T],
    of: impl Fn(&T) -> *const f32,
    row: usize,
    out: *mut f32,
) {
    let mut v = 0;
    // SAFETY: the caller's promise; the blocks of 4, 2 and 1 vectors end with the row.
    unsafe {
        while v + 4 * S::LANES <= row {
            block_maxima::<S, T, 4>(items, &of, v, out);
            v += 4 * S::LANES;
        }
        if v + 2 * S::LANES <= row {
            block_maxima::<S, T, 2>(items, &of, v, out);
            v += 2 * S::LANES;
        }
        if v < row {
            block_maxima::<S, T, 1>(items, &of, v, out);
        }
    }
}

/// Maxima of `N` vectors at `v` of the rows; several at once, so that an item is read once for all.
///
/// # Safety
/// As of [`row_maxima`]; `v` and the vectors behind it stay below its `row`.
#[inline(always)]
unsafe fn block_maxima<S: Simd, T, const N: usize>(
    items: &[T],
    of: &impl Fn(&T) -> *const f32,
    v: usize,
    out: *mut f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let values = |item: &T| -> [S::V; N] {
            let from = of(item).add(v);
            std::array::from_fn(|k| S::load(from.add(k * S::LANES)))
        };
        let mut best = values(items.get_unchecked(0));
        for item in items.get_unchecked(1..) {
            for (best, value) in best.iter_mut().zip(values(item)) {
                *best = S::max(*best, value);
            }
        }
        for (k, best) in best.into_iter().enumerate() {
            S::store(out.add(v + k * S::LANES), best);
        }
    }
}
