//! Edits under a max pool: one sweep over a cell, left to right.

use super::blocks::Changed;
use super::floats::Floats;
use super::kernels::{four, row_maxima};
use super::reducer::{Active, Reducer};
use super::simd::{Level, PAD, Simd, kernel};
use super::view::{Edit, View};

/// An edit that reaches a cell.
struct Reaching<'a> {
    /// The cell's positions that it changes, counted from the cell's first.
    from: usize,
    to: usize,
    /// `[3, row]`: the maxima of all that it changes.
    maxima: &'a [f32],
    /// Where only a part of these lies in the cell: the rows that do.
    part: Option<Part<'a>>,
}

/// Rows of an edit that lie in a cell.
enum Part<'a> {
    /// `[3, to - from]`, beginning here among the rows that were looked up.
    Rows(usize),
    /// Ids of rows that the table has ([`super::strip::Lookup::table_of`] said so), `[3, span]`, and
    /// how many of each `span` stand before the part.
    Ids(&'a [u32], usize),
}

/// What a sweep notes down of its cell, kept for a window's other cells.
#[derive(Default)]
pub(super) struct Lists<'a> {
    edits: Vec<Reaching<'a>>,
    /// Rows that were looked up for edits' parts.
    changed: Vec<&'a [f32]>,
}

/// Adds the effects, through one cell, of all edits of a window.
pub(super) fn sweep<'a>(
    reducer: &Reducer,
    level: Level,
    cell: &Active,
    view: View<'a>,
    lists: &mut Lists<'a>,
    scratch: &mut Floats,
    out: &mut [f32],
) {
    let (row, heads) = (reducer.row, reducer.padded_heads);
    let rows = &view.rows[cell.from - reducer.from..cell.to - reducer.from];
    // Edits come by ascending position, all reaching equally far: those that reach the cell lie
    // side by side.
    let span = view.span;
    let before = |e: &Edit| e.first + span as isize <= cell.from as isize;
    let first = view.edits.partition_point(before);
    let edits = &view.edits[first..];
    let edits = &edits[..edits.partition_point(|e| e.first < cell.to as isize)];
    if edits.is_empty() {
        return;
    }
    let Lists {
        edits: reaching,
        changed,
    } = lists;
    reaching.clear();
    changed.clear();
    let mut table = &[][..];
    reaching.extend(edits.iter().map(|edit| {
        let (from, to) = edit.reached(span, (cell.from, cell.to));
        let part = (to - from < span).then(|| {
            if let Changed::Ids(ids) = view.values(edit)
                && let Some(whole) = view.lookup.table_of(ids)
            {
                table = whole;
                return Part::Ids(ids, edit.offset(from));
            }
            let at = changed.len();
            for change in 0..3 {
                changed.extend((from..to).map(|p| view.changed(edit, change, p)));
            }
            Part::Rows(at)
        });
        Reaching {
            from: from - cell.from,
            to: to - cell.from,
            maxima: view.maxima(edit),
            part,
        }
    }));
    let edits = &**reaching;
    // Suffix maxima, one more than positions; the prefix; maxima of a part of an edit.
    let own = scratch.room((rows.len() + 5) * row);
    let out = &mut out[first * 3 * heads..][..edits.len() * 3 * heads];
    let weights = &reducer.weights[cell.weights * heads * row..][..heads * row];

    assert!(row.is_multiple_of(PAD) && heads.is_multiple_of(4));
    let long = |rows: &[&[f32]]| rows.iter().all(|r| r.len() >= row);
    assert!(long(rows) && long(changed) && cell.fixed.len() >= row);
    let fits = |e: &Reaching<'_>| {
        let count = e.to - e.from;
        let part = match e.part {
            None => true,
            Some(Part::Rows(at)) => at + 3 * count <= changed.len(),
            Some(Part::Ids(ids, before)) => ids.len() == 3 * span && before + count <= span,
        };
        e.from < e.to && e.to <= rows.len() && e.maxima.len() >= 3 * row && part
    };
    assert!(edits.iter().all(fits));
    // SAFETY: by the assertions, and the sizes of the slices above; `table` is the one that the ids
    // of the parts were compared with.
    unsafe {
        cell_edits(
            level,
            rows,
            edits,
            changed,
            (table, span),
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
    /// `row` is a multiple of [`PAD`], `heads` of 4; all rows and `fixed` hold `row` floats,
    /// `weights` `[heads, row]`, `scratch` `[rows + 5, row]`, `out` `[edits, 3, heads]`; edits lie
    /// within the rows, with `[3, row]` maxima, and their parts within `changed`, or their ids, `[3,
    /// span]`, within the table.
    fn cell_edits = cell_edits_body(
        rows: &[&[f32]], edits: &[Reaching<'_>], changed: &[&[f32]], table: (&[f32], usize),
        fixed: &[f32], row: usize, weights: &[f32], heads: usize, scratch: &mut [f32], out: &mut [f32],
    )
}

/// # Safety
/// As of [`cell_edits`], and the instruction set.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
unsafe fn cell_edits_body<S: Simd>(
    rows: &[&[f32]],
    edits: &[Reaching<'_>],
    changed: &[&[f32]],
    (table, span): (&[f32], usize),
    fixed: &[f32],
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
    // SAFETY: the caller's promise; `v` stays a vector below `row`, `h` four below `heads`.
    unsafe {
        for v in (0..row).step_by(S::LANES) {
            let fixed = S::load(fixed.as_ptr().add(v));
            S::store(prefix.add(v), fixed);
            let mut best = fixed;
            S::store(suffix.add(n * row + v), best);
            for p in (0..n).rev() {
                best = S::max(best, S::load(rows.get_unchecked(p).as_ptr().add(v)));
                S::store(suffix.add(p * row + v), best);
            }
        }
        let mut passed = 0; // positions in the prefix
        for (edit, out) in edits.iter().zip(out.chunks_exact_mut(3 * heads)) {
            while passed < edit.from {
                let added = rows.get_unchecked(passed).as_ptr();
                for v in (0..row).step_by(S::LANES) {
                    let best = S::max(S::load(prefix.add(v)), S::load(added.add(v)));
                    S::store(prefix.add(v), best);
                }
                passed += 1;
            }
            let mut maxima = edit.maxima.as_ptr();
            // Only a part of the edited values lies in this cell.
            let count = edit.to - edit.from;
            match edit.part {
                None => {}
                Some(Part::Ids(ids, before)) => {
                    for e in 0..3 {
                        let at = e * span + before;
                        let ids = ids.get_unchecked(at..at + count);
                        let of = |id: &u32| table.as_ptr().add(*id as usize * row);
                        row_maxima::<S, _>(ids, of, row, partial.add(e * row));
                    }
                    maxima = partial;
                }
                Some(Part::Rows(at)) => {
                    for e in 0..3 {
                        let at = at + e * count;
                        let rows = changed.get_unchecked(at..at + count);
                        let of = |r: &&[f32]| r.as_ptr();
                        row_maxima::<S, _>(rows, of, row, partial.add(e * row));
                    }
                    maxima = partial;
                }
            }
            let behind = suffix.add(edit.to * row);
            for h in (0..heads).step_by(4) {
                let weights = weights.as_ptr().add(h * row);
                let mut sums = [[S::zero(); 4]; 3];
                for v in (0..row).step_by(S::LANES) {
                    let others = S::max(S::load(prefix.add(v)), S::load(behind.add(v)));
                    let old = S::load(suffix.add(v));
                    let w = four::<S>(weights.add(v), row);
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
