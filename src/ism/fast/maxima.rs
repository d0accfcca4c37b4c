//! Edits under a max pool: one sweep over a cell, left to right.

use super::floats::Floats;
use super::kernels;
use super::reducer::{Active, Reducer};
use super::simd::{Level, PAD, Simd, kernel};
use super::view::View;

/// An edit that reaches a cell.
struct Reaching<'a> {
    /// The cell's positions that it changes, counted from the cell's first.
    from: usize,
    to: usize,
    /// `[3, row]`: their new maxima.
    maxima: &'a [f32],
}

/// Adds the effects, through one cell, of all edits of a window.
pub(super) fn sweep(
    reducer: &Reducer,
    level: Level,
    cell: &Active,
    view: View<'_>,
    scratch: &mut Floats,
    out: &mut [f32],
) {
    let (row, heads) = (reducer.row, reducer.padded_heads);
    let rows = &view.rows[cell.from - reducer.from..cell.to - reducer.from];
    // Edits come by ascending position, all reaching equally far: those that reach the cell lie
    // side by side.
    let reached = view.edits.iter().enumerate().filter_map(|(i, edit)| {
        let (from, to) = edit.reached(view.span, (cell.from, cell.to));
        (from < to).then_some((i, from, to))
    });
    let Some((first, ..)) = reached.clone().next() else {
        return;
    };
    let partly = |&(_, from, to): &(usize, usize, usize)| to - from < view.span;
    let parts = reached.clone().filter(partly).count();
    // Suffix maxima, one more than positions, and the prefix; maxima of the edits of which only a
    // part lies in this cell.
    let own = (rows.len() + 2) * row;
    let (own, partial) = scratch.room(own + parts * 3 * row).split_at_mut(own);
    let mut changed = Vec::with_capacity(3 * view.span);
    for ((i, from, to), maxima) in reached
        .clone()
        .filter(partly)
        .zip(partial.chunks_exact_mut(3 * row))
    {
        changed.clear();
        for change in 0..3 {
            changed.extend((from..to).map(|p| view.changed(&view.edits[i], change, p)));
        }
        kernels::edit_maxima(level, &changed, to - from, row, maxima);
    }
    let mut partial = partial.chunks_exact(3 * row);
    let edits: Vec<Reaching<'_>> = reached
        .map(|edit| Reaching {
            from: edit.1 - cell.from,
            to: edit.2 - cell.from,
            maxima: match partly(&edit) {
                true => partial.next().unwrap_or_default(),
                false => view.edits[edit.0].maxima,
            },
        })
        .collect();
    let out = &mut out[first * 3 * heads..][..edits.len() * 3 * heads];
    let weights = &reducer.weights[cell.weights * heads * row..][..heads * row];

    assert!(row.is_multiple_of(PAD) && heads.is_multiple_of(4));
    assert!(rows.iter().all(|r| r.len() >= row) && cell.fixed.len() >= row);
    let fits = |e: &Reaching<'_>| e.from <= e.to && e.to <= rows.len() && e.maxima.len() >= 3 * row;
    assert!(edits.iter().all(fits));
    // SAFETY: by the assertions, and the sizes of the slices above.
    unsafe {
        cell_edits(
            level,
            rows,
            &edits,
            &cell.fixed,
            row,
            weights,
            heads,
            own,
            out,
        );
    }
}

kernel! {
    /// See [`sweep`].
    ///
    /// # Safety
    /// `row` is a multiple of [`PAD`], `heads` of 4; rows and `fixed` hold `row` floats, `weights`
    /// `[heads, row]`, `scratch` `[rows + 2, row]`, `out` `[edits, 3, heads]`; edits lie within
    /// the rows.
    fn cell_edits = cell_edits_body(
        rows: &[&[f32]], edits: &[Reaching<'_>], fixed: &[f32], row: usize,
        weights: &[f32], heads: usize, scratch: &mut [f32], out: &mut [f32],
    )
}

/// # Safety
/// As of [`cell_edits`], and the instruction set.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
unsafe fn cell_edits_body<S: Simd>(
    rows: &[&[f32]],
    edits: &[Reaching<'_>],
    fixed: &[f32],
    row: usize,
    weights: &[f32],
    heads: usize,
    scratch: &mut [f32],
    out: &mut [f32],
) {
    let n = rows.len();
    let (suffix, prefix) = scratch.split_at_mut((n + 1) * row);
    let (suffix, prefix) = (suffix.as_mut_ptr(), prefix.as_mut_ptr());
    // SAFETY: the caller's promise; `v` stays a vector below `row`, `h` four below `heads`.
    unsafe {
        for v in (0..row).step_by(S::LANES) {
            let fixed = S::load(fixed.as_ptr().add(v));
            S::store(prefix.add(v), fixed);
            let mut best = fixed;
            S::store(suffix.add(n * row + v), best);
            for p in (0..n).rev() {
                best = S::max(S::load(rows.get_unchecked(p).as_ptr().add(v)), best);
                S::store(suffix.add(p * row + v), best);
            }
        }
        let mut passed = 0; // positions in the prefix
        for (edit, out) in edits.iter().zip(out.chunks_exact_mut(3 * heads)) {
            while passed < edit.from {
                let added = rows.get_unchecked(passed).as_ptr();
                for v in (0..row).step_by(S::LANES) {
                    let best = S::max(S::load(added.add(v)), S::load(prefix.add(v)));
                    S::store(prefix.add(v), best);
                }
                passed += 1;
            }
            let maxima = edit.maxima.as_ptr();
            let behind = suffix.add(edit.to * row);
            for h in (0..heads).step_by(4) {
                let weights = weights.as_ptr().add(h * row);
                let mut sums = [[S::zero(); 4]; 3];
                for v in (0..row).step_by(S::LANES) {
                    let others = S::max(S::load(prefix.add(v)), S::load(behind.add(v)));
                    let old = S::load(suffix.add(v));
                    let w = [
                        S::load(weights.add(v)),
                        S::load(weights.add(row + v)),
                        S::load(weights.add(2 * row + v)),
                        S::load(weights.add(3 * row + v)),
                    ];
                    for (e, sums) in sums.iter_mut().enumerate() {
                        let new = S::max(others, S::load(maxima.add(e * row + v)));
                        let change = S::sub(new, old);
                        for (sum, w) in sums.iter_mut().zip(w) {
                            *sum = S::fma(change, w, *sum);
                        }
                    }
                }
                for (e, sums) in sums.into_iter().enumerate() {
                    let sums = S::sum4(sums);
                    for (i, sum) in sums.into_iter().enumerate() {
                        *out.get_unchecked_mut(e * heads + h + i) += sum;
                    }
                }
            }
        }
    }
}
