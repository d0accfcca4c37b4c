//! From the trunk's values to the first dense layer, for a window and for its edits.
//!
//! - Without a pool, or with means, the first dense layer is a weight for every position and
//!   channel: an effect is a sum over the reached positions of (edited - reference) * weight.
//! - With a max pool, an edit changes of each cell that it reaches the maximum: it is that of the
//!   values before the reached ones, the edited ones and the values behind.
//! - With a function between pool and dense layer, the cells' features are made and passed
//!   through it: exact for everything, and slower.
//!
//! Of a framed window, positions that no base of the window reaches never change: they are
//! summed (or maximised) once for all windows.

use super::floats::Floats;
use super::kernels;
use super::maxima;
use super::network::{Cell, Elementwise, Network, Reduction};
use super::simd::{Level, padded};

/// How edits are turned into differences of the first dense layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Blocks hold differences; weights are by position.
    Linear,
    /// Blocks hold values; weights are by cell.
    Max,
    /// Likewise, through a function; blocks hold differences if the pool is a mean.
    Features,
}

/// One cell's part that can change.
#[derive(Clone, Debug)]
pub(super) struct Active {
    /// Positions of it that some base of the window reaches.
    pub(super) from: usize,
    pub(super) to: usize,
    /// Maximum, or sum, of its other positions.
    pub(super) fixed: Floats,
    /// What a mean divides by.
    divisor: f32,
    /// Its index among the rows of weights.
    pub(super) weights: usize,
}

/// The reduction with its weights.
#[derive(Clone, Debug)]
pub(super) struct Reducer {
    pub(super) way: Way,
    /// Outputs of the first dense layer, rounded up to a multiple of 4.
    pub(super) padded_heads: usize,
    /// Floats of a row of channels.
    pub(super) row: usize,
    /// Positions that some base of the window reaches.
    pub(super) from: usize,
    pub(super) to: usize,
    /// `[positions or cells, padded_heads, row]`
    pub(super) weights: Floats,
    /// The bias and the part of the positions that never change.
    pub(super) constant: Vec<f32>,
    pub(super) cells: Vec<Active>,
    mean: bool,
    pooled: Vec<Elementwise>,
}

/// A window's reference values and where its edits are.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    /// By position, from the reducer's `from`.
    pub(super) rows: &'a [*const f32],
    /// By wanted column, ascending.
    pub(super) edits: &'a [Edit],
    /// Positions that an edit reaches.
    pub(super) span: usize,
}

/// The edits of one column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edit {
    /// Position of the first reached value; negative before the frame.
    pub(super) first: isize,
    /// `[3, span, row]`; null where `rows` says all.
    pub(super) block: *const f32,
    /// `[3, span]` rows: for max pools.
    pub(super) rows: *const *const f32,
    /// `[3, row]`, their maxima.
    pub(super) maxima: *const f32,
}

impl Reducer {
    /// `blank` holds the trunk's values of a frame without bases, `[positions, row]`; bases reach
    /// the positions `reached`.
    pub(super) fn new(network: &Network, blank: &[f32], reached: (usize, usize)) -> Self {
        let channels = network.channels();
        let row = padded(channels);
        let dense = &network.head[0];
        let heads = dense.outputs;
        let padded_heads = heads.next_multiple_of(4);
        let mean = network.reduction == Reduction::Mean;
        let way = match (network.reduction, network.pooled.is_empty()) {
            (Reduction::Max, true) => Way::Max,
            (_, true) => Way::Linear,
            (_, false) => Way::Features,
        };
        let (from, to) = reached;
        let positions = blank.len() / row;
        let mut constant: Vec<f64> = dense.bias.iter().map(|&b| f64::from(b)).collect();
        let weight = |h: usize, cell: usize, c: usize| -> f32 {
            dense.weight[h * dense.inputs + cell * channels + c]
        };
        let mut cells = Vec::new();
        let weights;
        if way == Way::Linear {
            let mut sums = vec![0.0f64; positions * padded_heads * row];
            for (i, cell) in network.cells.iter().enumerate() {
                for p in cell.from..cell.to {
                    for h in 0..heads {
                        for c in 0..channels {
                            sums[(p * padded_heads + h) * row + c] +=
                                f64::from(weight(h, i, c)) / cell.divisor as f64;
                        }
                    }
                }
            }
            for p in (0..positions).filter(|p| !(from..to).contains(p)) {
                for h in 0..heads {
                    let weights = &sums[(p * padded_heads + h) * row..][..channels];
                    let values = &blank[p * row..][..channels];
                    let products = weights.iter().zip(values).map(|(w, v)| w * f64::from(*v));
                    constant[h] += products.sum::<f64>();
                }
            }
            weights = sums.into_iter().map(|w| w as f32).collect();
        } else {
            let mut rows = vec![0.0; network.cells.len() * padded_heads * row];
            for (i, cell) in network.cells.iter().enumerate() {
                for h in 0..heads {
                    for c in 0..channels {
                        rows[(i * padded_heads + h) * row + c] = weight(h, i, c);
                    }
                }
                let inside = Cell {
                    from: cell.from.max(from),
                    to: cell.to.min(to),
                    ..*cell
                };
                let mut fixed = vec![if mean { 0.0 } else { f32::NEG_INFINITY }; row];
                for p in (cell.from..cell.to).filter(|p| !(from..to).contains(p)) {
                    for (fixed, v) in fixed.iter_mut().zip(&blank[p * row..][..row]) {
                        *fixed = if mean { *fixed + v } else { fixed.max(*v) };
                    }
                }
                if inside.from < inside.to {
                    cells.push(Active {
                        from: inside.from,
                        to: inside.to,
                        fixed: fixed.as_slice().into(),
                        divisor: cell.divisor as f32,
                        weights: i,
                    });
                    continue;
                }
                if mean {
                    fixed.iter_mut().for_each(|v| *v /= cell.divisor as f32);
                }
                for step in &network.pooled {
                    step.apply(&mut fixed, row);
                }
                for (h, sum) in constant.iter_mut().enumerate() {
                    for (c, v) in fixed[..channels].iter().enumerate() {
                        *sum += f64::from(weight(h, i, c)) * f64::from(*v);
                    }
                }
            }
            weights = rows;
        }
        let mut constant: Vec<f32> = constant.into_iter().map(|c| c as f32).collect();
        constant.resize(padded_heads, 0.0);
        Self {
            way,
            padded_heads,
            row,
            from,
            to,
            weights: weights.as_slice().into(),
            constant,
            cells,
            mean,
            pooled: network.pooled.clone(),
        }
    }

    /// Whether blocks hold differences rather than values.
    pub(super) fn takes_differences(&self) -> bool {
        self.way == Way::Linear || self.mean
    }

    /// The first dense layer's outputs of a window, `[padded_heads]`.
    pub(super) fn window(&self, level: Level, view: View<'_>, scratch: &mut Floats) -> Vec<f32> {
        let mut out = self.constant.clone();
        let weights = |i: usize| &self.weights[i * self.padded_heads * self.row..];
        if self.way == Way::Linear {
            // SAFETY: there is a row for each position of the range, and its weights.
            unsafe {
                kernels::weigh_rows(
                    level,
                    view.rows,
                    self.row,
                    weights(self.from).as_ptr(),
                    self.padded_heads,
                    out.as_mut_ptr(),
                );
            }
            return out;
        }
        scratch.resize(self.row);
        for cell in &self.cells {
            let rows = &view.rows[cell.from - self.from..cell.to - self.from];
            scratch.copy_from_slice(&cell.fixed);
            if !self.mean {
                // SAFETY: all are `row` floats long.
                unsafe {
                    kernels::join_maxima(level, rows, self.row, scratch.as_mut_ptr());
                }
            }
            for &row in rows.iter().filter(|_| self.mean) {
                // SAFETY: rows are `row` floats long.
                let values = unsafe { std::slice::from_raw_parts(row, self.row) };
                for (sum, v) in scratch.iter_mut().zip(values) {
                    *sum += v;
                }
            }
            self.finish(scratch, cell);
            // SAFETY: as above, for one row.
            unsafe {
                kernels::weigh_rows(
                    level,
                    &[scratch.as_ptr()],
                    self.row,
                    weights(cell.weights).as_ptr(),
                    self.padded_heads,
                    out.as_mut_ptr(),
                );
            }
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
                for cell in &self.cells {
                    maxima::sweep(self, level, cell, view, scratch, out);
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
        let step = view.span * self.row;
        for (edit, out) in view
            .edits
            .iter()
            .zip(out.chunks_exact_mut(3 * self.padded_heads))
        {
            let (from, to) = self.reached(edit, view.span, self.from, self.to);
            if from >= to {
                continue;
            }
            let skipped = (from as isize - edit.first) as usize * self.row;
            let weights = &self.weights
                [from * self.padded_heads * self.row..to * self.padded_heads * self.row];
            // SAFETY: the block holds three edits of `span` rows, of which `from..to` are inside
            // by `reached`; the weights' range was checked by slicing.
            unsafe {
                kernels::weigh_edits(
                    level,
                    edit.block.add(skipped),
                    step,
                    to - from,
                    self.row,
                    weights.as_ptr(),
                    self.padded_heads,
                    out.as_mut_ptr(),
                );
            }
        }
    }

    /// Positions of `from..to` that an edit reaches.
    pub(super) fn reached(
        &self,
        edit: &Edit,
        span: usize,
        from: usize,
        to: usize,
    ) -> (usize, usize) {
        let end = (edit.first + span as isize).max(0) as usize;
        (from.max(edit.first.max(0) as usize), to.min(end))
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
        let row = self.row;
        // SAFETY (here and below): rows and blocks are as long as `View` says.
        let reference =
            |p: usize| unsafe { std::slice::from_raw_parts(view.rows[p - self.from], row) };
        let join = |into: &mut [f32], from: &[f32]| {
            for (a, v) in into.iter_mut().zip(from) {
                *a = if self.mean { *a + v } else { a.max(*v) };
            }
        };
        // Old features, and for each edit the new ones.
        scratch.resize(4 * row);
        let (old, new) = scratch.split_at_mut(row);
        old.copy_from_slice(&cell.fixed);
        (cell.from..cell.to).for_each(|p| join(old, reference(p)));
        let sums = old.to_vec();
        self.finish(old, cell);
        for (edit, out) in view
            .edits
            .iter()
            .zip(out.chunks_exact_mut(3 * self.padded_heads))
        {
            let (from, to) = self.reached(edit, view.span, cell.from, cell.to);
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
                for p in from..to {
                    let at = e * view.span + (p as isize - edit.first) as usize;
                    let values =
                        unsafe { std::slice::from_raw_parts(edit.block.add(at * row), row) };
                    join(new, values);
                }
            }
            self.finish(new, cell);
            for (new, out) in new
                .chunks_exact_mut(row)
                .zip(out.chunks_exact_mut(self.padded_heads))
            {
                new.iter_mut().zip(&*old).for_each(|(n, o)| *n -= o);
                let weights = &self.weights[cell.weights * self.padded_heads * row..];
                unsafe {
                    kernels::weigh_rows(
                        level,
                        &[new.as_ptr()],
                        row,
                        weights.as_ptr(),
                        self.padded_heads,
                        out.as_mut_ptr(),
                    );
                }
            }
        }
    }
}
