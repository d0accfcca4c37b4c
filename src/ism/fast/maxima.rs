//! Edits under a max pool: one sweep over a cell, left to right.

use super::floats::Floats;
use super::reduce::{Active, Edit, Reducer, View};
use super::simd::{Level, Simd, kernel};

/// Adds the effects, through one cell, of all edits of a window.
pub(super) fn sweep(
    reducer: &Reducer,
    level: Level,
    cell: &Active,
    view: View<'_>,
    scratch: &mut Floats,
    out: &mut [f32],
) {
    let row = reducer.row;
    let rows = &view.rows[cell.from - reducer.from..cell.to - reducer.from];
    // Edits come by ascending position, all reaching equally far: those that reach the cell lie
    // side by side.
    let reaches = |e: &Edit| {
        let (from, to) = reducer.reached(e, view.span, cell.from, cell.to);
        from < to
    };
    let Some(first) = view.edits.iter().position(reaches) else {
        return;
    };
    let count = view.edits[first..]
        .iter()
        .take_while(|e| reaches(e))
        .count();
    let edits = &view.edits[first..first + count];
    let out = &mut out[first * 3 * reducer.padded_heads..][..count * 3 * reducer.padded_heads];
    // Suffix maxima, one more than positions; the prefix; partial maxima of the edits.
    scratch.resize((rows.len() + 5) * row);
    let weights =
        &reducer.weights[cell.weights * reducer.padded_heads * row..][..reducer.padded_heads * row];
    // SAFETY: all rows are `row` floats, a whole number of vectors; the blocks are as long as
    // `View` says; the scratch and the output were sized above.
    unsafe {
        cell_edits(
            level,
            rows,
            edits,
            cell,
            view.span,
            row,
            weights,
            reducer.padded_heads,
            scratch,
            out,
        );
    }
}

kernel! {
    /// See [`sweep`].
    ///
    /// # Safety
    /// As stated there.
    fn cell_edits = cell_edits_body(
        rows: &[*const f32], edits: &[Edit], cell: &Active, span: usize, row: usize,
        weights: &[f32], heads: usize, scratch: &mut [f32], out: &mut [f32],
    )
}

#[allow(clippy::too_many_arguments)]
#[inline(always)]
unsafe fn cell_edits_body<S: Simd>(
    rows: &[*const f32],
    edits: &[Edit],
    cell: &Active,
    span: usize,
    row: usize,
    weights: &[f32],
    heads: usize,
    scratch: &mut [f32],
    out: &mut [f32],
) {
    let n = rows.len();
    let (suffix, rest) = scratch.split_at_mut((n + 1) * row);
    let (prefix, partial) = rest.split_at_mut(row);
    let (suffix, prefix) = (suffix.as_mut_ptr(), prefix.as_mut_ptr());
    let partial = partial.as_mut_ptr();
    // SAFETY: the caller's promise.
    unsafe {
        for v in (0..row).step_by(S::LANES) {
            let fixed = S::load(cell.fixed.as_ptr().add(v));
            S::store(prefix.add(v), fixed);
            let mut best = fixed;
            S::store(suffix.add(n * row + v), best);
            for p in (0..n).rev() {
                best = S::max(best, S::load((*rows.get_unchecked(p)).add(v)));
                S::store(suffix.add(p * row + v), best);
            }
        }
        let mut passed = 0; // positions in the prefix
        for (edit, out) in edits.iter().zip(out.chunks_exact_mut(3 * heads)) {
            let first = edit.first - cell.from as isize;
            let from = first.max(0) as usize;
            let to = ((first + span as isize) as usize).min(n);
            while passed < from {
                let added = *rows.get_unchecked(passed);
                for v in (0..row).step_by(S::LANES) {
                    let best = S::max(S::load(prefix.add(v)), S::load(added.add(v)));
                    S::store(prefix.add(v), best);
                }
                passed += 1;
            }
            let mut maxima = edit.maxima;
            if to - from < span {
                // Only a part of the edited values lies in this cell.
                for e in 0..3 {
                    let changed = edit
                        .rows
                        .offset((e * span) as isize + from as isize - first);
                    for v in (0..row).step_by(S::LANES) {
                        let mut best = S::load((*changed).add(v));
                        for p in 1..to - from {
                            best = S::max(best, S::load((*changed.add(p)).add(v)));
                        }
                        S::store(partial.add(e * row + v), best);
                    }
                }
                maxima = partial;
            }
            let behind = suffix.add(to * row);
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
