//! From the trunk's values to the first dense layer's sums, for a window and for its edits.

use super::blocks::Changed;
use super::floats::Floats;
use super::kernels;
use super::maxima;
use super::reducer::{Active, Reducer, Way};
use super::simd::Level;
use super::view::View;

impl Reducer {
    /// Weights of a position or cell, and those of the ones behind it.
    fn weights_from(&self, i: usize) -> &[f32] {
        &self.weights[i * self.padded_heads * self.row..]
    }

    /// The first dense layer's outputs of a window, `[padded_heads]`.
    pub(super) fn window(&self, level: Level, view: View<'_>, scratch: &mut Floats) -> Vec<f32> {
        let (row, heads) = (self.row, self.padded_heads);
        let mut out = self.constant.clone();
        if self.way == Way::Linear {
            let weights = self.weights_from(self.from);
            kernels::weigh_rows(level, view.rows, row, weights, heads, &mut out);
            return out;
        }
        let features = scratch.room(row);
        for cell in &self.cells {
            let rows = &view.rows[cell.from - self.from..cell.to - self.from];
            features.copy_from_slice(&cell.fixed);
            if self.mean {
                for values in rows {
                    for (sum, v) in features.iter_mut().zip(*values) {
                        *sum += v;
                    }
                }
            } else {
                kernels::join_maxima(level, rows, features);
            }
            self.finish(features, cell);
            let weights = self.weights_from(cell.weights);
            kernels::weigh_rows(level, &[features], row, weights, heads, &mut out);
        }
        out
    }

    /// Turns sums or maxima of a cell into features.
    fn finish(&self, rows: &mut [f32], cell: &Active) {
        if self.mean {
            rows.iter_mut().for_each(|v| *v /= cell.divisor);
        }
        for step in &self.pooled {
            step.apply(rows, self.row);
        }
    }

    /// Differences (mutant - reference) of the first dense layer for all edits of a window,
    /// `[edits, 3, padded_heads]`, which must hold zeros.
    pub(super) fn edits(
        &self,
        level: Level,
        view: View<'_>,
        scratch: &mut Floats,
        out: &mut [f32],
    ) {
        match self.way {
            Way::Linear => self.linear(level, view, out),
            Way::Max => {
                let mut lists = maxima::Lists::default();
                for cell in &self.cells {
                    maxima::sweep(self, level, cell, view, &mut lists, scratch, out);
                }
            }
            Way::Features => {
                for cell in &self.cells {
                    self.features(level, cell, view, scratch, out);
                }
            }
        }
    }

    fn linear(&self, level: Level, view: View<'_>, out: &mut [f32]) {
        let (row, heads) = (self.row, self.padded_heads);
        let step = view.span * row;
        for (edit, out) in view.edits.iter().zip(out.chunks_exact_mut(3 * heads)) {
            match (view.values(edit), &self.bends) {
                (Changed::Sums(sums), Some(lines)) => {
                    let parts = lines.parts(edit.first - self.from as isize);
                    let weights = (&*lines.weights, row);
                    kernels::weigh_edits(level, (sums, step), parts, weights, heads, out);
                }
                (Changed::Block(block), _) => {
                    let (from, to) = edit.reached(view.span, (self.from, self.to));
                    if from < to {
                        let block = &block[edit.offset(from) * row..];
                        let parts = &self.by_position[..to - from];
                        let weights = (self.weights_from(from), row);
                        kernels::weigh_edits(level, (block, step), parts, weights, heads, out);
                    }
                }
                // A trunk with weights by position has no other values.
                _ => {}
            }
        }
    }

    /// The slow way, through the features of one cell.
    fn features(
        &self,
        level: Level,
        cell: &Active,
        view: View<'_>,
        scratch: &mut Floats,
        out: &mut [f32],
    ) {
        let (row, heads) = (self.row, self.padded_heads);
        let reference = |p: usize| &view.rows[p - self.from][..row];
        let join = |into: &mut [f32], from: &[f32]| {
            for (a, v) in into.iter_mut().zip(from) {
                *a = if self.mean { *a + v } else { a.max(*v) };
            }
        };
        // Old features, and for each edit the new ones.
        let (old, new) = scratch.room(4 * row).split_at_mut(row);
        old.copy_from_slice(&cell.fixed);
        (cell.from..cell.to).for_each(|p| join(old, reference(p)));
        let sums = old.to_vec();
        self.finish(old, cell);
        for (edit, out) in view.edits.iter().zip(out.chunks_exact_mut(3 * heads)) {
            let (from, to) = edit.reached(view.span, (cell.from, cell.to));
            if from >= to {
                continue;
            }
            for (e, new) in new.chunks_exact_mut(row).enumerate() {
                if self.mean {
                    new.copy_from_slice(&sums);
                } else {
                    new.copy_from_slice(&cell.fixed);
                    (cell.from..from)
                        .chain(to..cell.to)
                        .for_each(|p| join(new, reference(p)));
                }
                (from..to).for_each(|p| join(new, view.changed(edit, e, p)));
            }
            self.finish(new, cell);
            for (new, out) in new.chunks_exact_mut(row).zip(out.chunks_exact_mut(heads)) {
                new.iter_mut().zip(&*old).for_each(|(n, o)| *n -= o);
                let weights = self.weights_from(cell.weights);
                kernels::weigh_rows(level, &[new], row, weights, heads, out);
            }
        }
    }
}
