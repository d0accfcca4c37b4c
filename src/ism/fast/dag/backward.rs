//! Backwards through a graph: gradients, and the multipliers of DeepLIFT.
//!
//! A gradient is a sum over the ways through the graph of products of slopes. DeepLIFT's multipliers (Shrikumar et al.
//! 2017) are the same with differences to a reference in the place of slopes: an activation's is (f(x) - f(r)) / (x - r), the
//! rescale rule. Multipliers times the difference of the inputs add up to the difference of the activities, as long as
//! every operator's do. A product's are the means of the other factor over both (half the effect for each), of a maximum
//! the value that won is held against what it beat (as Captum and tangermeme have it), and normalising over channels is
//! taken as what it is made of: a mean, squares, a root, a product.

use std::sync::Arc;

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, s};

use super::super::network::{Cell, Elementwise, Function, Unsupported};
use super::engine::DagPlan;
use super::net::{Convolution, Form, Join, Net, Op, Pool};
use super::reference::Reference;
use crate::model::{ModelFile, ModelSpec};

/// Differences below this are too small to divide by: the slope is taken.
const LEAST: f32 = 1e-6;

/// A first layer of so few inputs is one product over all its taps.
const NARROW: usize = 64;

/// Passes backwards through a model's graph, for one thread. Columns are `[window, 4 (A, C, G, T)]`.
pub struct Backward {
    plan: Arc<DagPlan>,
    input: Reference,
    reference: Reference,
    /// By operator, `[task, length, row]`; empty where nothing has come yet.
    gradients: Vec<Vec<f32>>,
    scratch: Vec<f32>,
}

impl Backward {
    /// Reads a model's graph, to be shared by all threads.
    ///
    /// # Errors
    /// When part of the graph cannot be read, with the reason.
    pub fn plan(file: &ModelFile, spec: &ModelSpec) -> Result<Arc<DagPlan>, Unsupported> {
        let plan = DagPlan::new(file, spec)?;
        match plan.why_cut() {
            Some(why) => Err(why.clone()),
            None => Ok(Arc::new(plan)),
        }
    }

    /// Of a plan without a cut.
    pub fn new(plan: &Arc<DagPlan>) -> Self {
        Self {
            plan: plan.clone(),
            input: Reference::default(),
            reference: Reference::default(),
            gradients: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Number of tasks.
    pub fn tasks(&self) -> usize {
        self.plan.tasks()
    }

    /// Runs the columns that are to be explained, and returns their activities.
    pub fn input(&mut self, columns: &[f32]) -> &[f32] {
        let plan = &self.plan;
        (self.input).run_columns(plan.net(), columns, plan.offset());
        self.input.activities()
    }

    /// Gradients of these tasks' activities at the input, `[task, window, 4]`.
    pub fn gradients(&mut self, tasks: &[usize], out: &mut [f32]) {
        self.back(tasks, false, out);
    }

    /// Multipliers of these tasks between the input and a reference, `[task, window, 4]`; returns the reference's
    /// activities.
    pub fn multipliers(&mut self, reference: &[f32], tasks: &[usize], out: &mut [f32]) -> &[f32] {
        let plan = &self.plan;
        (self.reference).run_columns(plan.net(), reference, plan.offset());
        self.back(tasks, true, out);
        self.reference.activities()
    }

    fn back(&mut self, tasks: &[usize], rescale: bool, out: &mut [f32]) {
        let Self {
            plan,
            input,
            reference,
            gradients,
            scratch,
        } = self;
        let net = plan.net();
        let values = Values {
            net,
            x: &input.values,
            // Without one, all differences are 0 and slopes remain.
            r: match rescale {
                true => &reference.values,
                false => &input.values,
            },
        };
        gradients.resize(net.nodes.len(), Vec::new());
        gradients.iter_mut().for_each(Vec::clear);
        if let (Some(last), Some(node)) = (gradients.last_mut(), net.nodes.last()) {
            let row = node.form.row();
            last.resize(tasks.len() * row, 0.0);
            for (to, &task) in last.chunks_exact_mut(row).zip(tasks) {
                to[task] = 1.0;
            }
        }
        for (id, node) in net.nodes.iter().enumerate().skip(1).rev() {
            let own = std::mem::take(&mut gradients[id]);
            if own.is_empty() {
                continue;
            }
            for (nth, &input) in node.inputs.iter().enumerate() {
                let form = net.nodes[input].form;
                let mut to = std::mem::take(&mut gradients[input]);
                if to.is_empty() {
                    to.resize(tasks.len() * form.length() * form.row(), 0.0);
                }
                values.hand_down((id, nth), &own, &mut to, scratch);
                gradients[input] = to;
            }
            // Its memory is kept.
            gradients[id] = own;
            gradients[id].clear();
        }
        let whole = net.nodes[0].form.length() * 4;
        let window = plan.window() * 4;
        for (nth, out) in out.chunks_exact_mut(window).enumerate() {
            let from = gradients[0].get(nth * whole + plan.offset() * 4..);
            let Some(from) = from.filter(|from| from.len() >= window) else {
                // Nothing depends on the input.
                out.fill(0.0);
                continue;
            };
            for (from, to) in from.chunks_exact(4).zip(out.chunks_exact_mut(4)) {
                for (value, row) in to.iter_mut().zip(net.rows) {
                    *value = from[usize::from(row)];
                }
            }
        }
    }
}

/// What operators gave, for the input and for the reference.
struct Values<'a> {
    net: &'a Net,
    x: &'a [Vec<f32>],
    r: &'a [Vec<f32>],
}

impl Values<'_> {
    /// Adds to an operator's input what comes down to it from the operator.
    fn hand_down(
        &self,
        (id, nth): (usize, usize),
        from: &[f32],
        to: &mut [f32],
        scratch: &mut Vec<f32>,
    ) {
        let node = &self.net.nodes[id];
        let input = node.inputs[nth];
        let of = self.net.nodes[input].form;
        let (x, r) = (&self.x[input][..], &self.r[input][..]);
        let (row, channels) = (node.form.row(), of.row());
        match &node.op {
            Op::Input => {}
            Op::Conv(conv) => convolution(conv, (from, node.form), (to, of), scratch),
            Op::Pool(pool, cells) => pooled(*pool, cells, (from, row), (to, of), (x, r)),
            Op::Global(pool, cell) => {
                pooled(
                    *pool,
                    std::slice::from_ref(cell),
                    (from, row),
                    (to, of),
                    (x, r),
                );
            }
            Op::Map(Elementwise::Affine { scale, .. }) => {
                for (from, to) in from.chunks_exact(row).zip(to.chunks_exact_mut(row)) {
                    for ((to, from), scale) in to.iter_mut().zip(from).zip(scale) {
                        *to += from * scale;
                    }
                }
            }
            Op::Map(Elementwise::Function(function)) => {
                scratch.clear();
                scratch.extend((x.iter().zip(r)).map(|(&x, &r)| rescaled(*function, x, r)));
                scaled(from, scratch, to);
            }
            Op::Norm { .. } => normalised(&node.op, (from, row), to, (x, r)),
            Op::Join(join) => {
                let other = node.inputs[1 - nth];
                self.joined(*join, (id, nth), other, scratch);
                scaled(from, scratch, to);
            }
            Op::Concat => {
                let before = node.inputs[..nth].iter();
                let begin: usize = before.map(|&i| self.net.nodes[i].form.row()).sum();
                for (from, to) in from.chunks_exact(row).zip(to.chunks_exact_mut(channels)) {
                    add(&from[begin..begin + channels], to);
                }
            }
            Op::Channels(begin) => {
                for (from, to) in from.chunks_exact(row).zip(to.chunks_exact_mut(channels)) {
                    add(from, &mut to[*begin..begin + row]);
                }
            }
            Op::Order(order) => {
                for (from, to) in from.chunks_exact(row).zip(to.chunks_exact_mut(channels)) {
                    for (value, &channel) in from.iter().zip(order) {
                        to[channel] += value;
                    }
                }
            }
            Op::Turn => {
                let size = of.length() * row;
                for (from, to) in from.chunks_exact(size).zip(to.chunks_exact_mut(size)) {
                    for (from, to) in from.chunks_exact(row).zip(to.chunks_exact_mut(row).rev()) {
                        add(from, to);
                    }
                }
            }
            Op::Crop(begin) => {
                let sizes = (node.form.length() * row, of.length() * row);
                for (from, to) in from.chunks_exact(sizes.0).zip(to.chunks_exact_mut(sizes.1)) {
                    for (position, from) in from.chunks_exact(row).enumerate() {
                        let at = usize::try_from(position as isize + begin).ok();
                        if let Some(to) = at.and_then(|at| to.chunks_exact_mut(row).nth(at)) {
                            add(from, to);
                        }
                    }
                }
            }
            Op::Flatten { position_major } => {
                let length = of.length();
                for (from, to) in from.chunks_exact(row).zip(to.chunks_exact_mut(row)) {
                    match position_major {
                        true => add(from, to),
                        false => {
                            for (c, from) in from.chunks_exact(length).enumerate() {
                                for (p, value) in from.iter().enumerate() {
                                    to[p * channels + c] += value;
                                }
                            }
                        }
                    }
                }
            }
            Op::Dense(weights, _) => {
                let (inputs, outputs) = weights.dim();
                product(from, outputs, weights.t(), to, inputs);
            }
        }
    }

    /// What one of two joined values is multiplied by, at every place.
    fn joined(&self, join: Join, (id, nth): (usize, usize), other: usize, out: &mut Vec<f32>) {
        let own = self.net.nodes[id].inputs[nth];
        let places =
            (self.x[own].iter().zip(&self.r[own])).zip(self.x[other].iter().zip(&self.r[other]));
        let results = self.x[id].iter().zip(&self.r[id]);
        out.clear();
        out.extend(
            places
                .zip(results)
                .map(|(((&x, &r), (&y, &q)), (&of_x, &of_r))| {
                    match (join, nth) {
                        (Join::Add, _) | (Join::Sub, 0) => 1.0,
                        (Join::Sub, _) => -1.0,
                        (Join::Mul, _) => 0.5 * (y + q),
                        (Join::Div, 0) => 0.5 * (1.0 / y + 1.0 / q),
                        // The other is the numerator.
                        (Join::Div, _) => -0.5 * (y + q) / (x * r),
                        (Join::Max | Join::Min, _) => {
                            let won = |a: f32, b: f32| {
                                let (first, second) = if nth == 0 { (a, b) } else { (b, a) };
                                let first_won = match join {
                                    Join::Max => first > second,
                                    _ => first < second,
                                };
                                first_won == (nth == 0)
                            };
                            let between = join.of(of_x, of_r);
                            rivals((x, r), (won(x, y), won(r, q)), (of_x, of_r), between)
                        }
                    }
                }),
        );
    }
}

/// The part of one of several rivals in the difference of their winners: where it won for the input (the first of
/// `won`), and where it won for the reference.
fn rivals((x, r): (f32, f32), won: (bool, bool), (of_x, of_r): (f32, f32), between: f32) -> f32 {
    let difference = x - r;
    if difference.abs() < LEAST {
        return f32::from(u8::from(won.0));
    }
    let mut share = 0.0;
    if won.0 {
        share += between - of_r;
    }
    if won.1 {
        share += of_x - between;
    }
    share / difference
}

/// A function's difference over that of its argument, or its slope where that is too small (0 where it is infinite, as
/// that of a root at 0).
fn rescaled(function: Function, x: f32, r: f32) -> f32 {
    let difference = x - r;
    match difference.abs() < LEAST {
        true => Some(function.slope(x))
            .filter(|s| s.is_finite())
            .unwrap_or(0.0),
        false => (function.of(x) - function.of(r)) / difference,
    }
}

fn add(from: &[f32], to: &mut [f32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
}

/// `to += from * factors`, for every task.
fn scaled(from: &[f32], factors: &[f32], to: &mut [f32]) {
    let size = factors.len().max(1);
    for (from, to) in from.chunks_exact(size).zip(to.chunks_exact_mut(size)) {
        for ((to, from), factor) in to.iter_mut().zip(from).zip(factors) {
            *to += from * factor;
        }
    }
}

/// `to += from * weights`, rows of `inner` values to rows of `outer`.
fn product(from: &[f32], inner: usize, weights: ArrayView2<'_, f32>, to: &mut [f32], outer: usize) {
    let from = ArrayView2::from_shape((from.len() / inner.max(1), inner), from);
    let to = ArrayViewMut2::from_shape((to.len() / outer.max(1), outer), to);
    // The caller has made them of these sizes.
    if let (Ok(from), Ok(mut to)) = (from, to) {
        general_mat_mul(1.0, &from, &weights, 1.0, &mut to);
    }
}

fn convolution(
    conv: &Convolution,
    (from, form): (&[f32], Form),
    (to, of): (&mut [f32], Form),
    scratch: &mut Vec<f32>,
) {
    let (length, channels) = (of.length(), of.row());
    let (outputs, groups) = (form.row(), conv.weights.len());
    let (own, each) = (channels / groups, outputs / groups);
    let sizes = (form.length() * outputs, length * channels);
    for (from, to) in from.chunks_exact(sizes.0).zip(to.chunks_exact_mut(sizes.1)) {
        if let ([weights], true) = (&conv.weights[..], conv.width * channels <= NARROW) {
            let taps = conv.width * channels;
            scratch.clear();
            scratch.resize(form.length() * taps, 0.0);
            product(from, outputs, weights.t(), scratch, taps);
            for (output, rows) in scratch.chunks_exact(taps).enumerate() {
                for (tap, from) in rows.chunks_exact(channels).enumerate() {
                    if let Some(at) = conv.position(output, tap).filter(|&p| p < length) {
                        add(from, &mut to[at * channels..(at + 1) * channels]);
                    }
                }
            }
            continue;
        }
        let from = ArrayView2::from_shape((form.length(), outputs), from);
        let to = ArrayViewMut2::from_shape((length, channels), to);
        let (Ok(from), Ok(mut to)) = (from, to) else {
            continue;
        };
        for tap in 0..conv.width {
            // Outputs whose tap lies inside.
            let reach = (tap * conv.dilation) as isize - conv.left as isize;
            let begin = reach.min(0).unsigned_abs().div_ceil(conv.stride);
            let room = length as isize - 1 - reach;
            let end = match usize::try_from(room) {
                Ok(room) => (room / conv.stride + 1).min(form.length()),
                Err(_) => 0,
            };
            if begin >= end {
                continue;
            }
            let first = ((begin * conv.stride) as isize + reach) as usize;
            let last = first + (end - 1 - begin) * conv.stride;
            let from = from.slice(s![begin..end, ..]);
            let mut to = to.slice_mut(s![first..=last; conv.stride as isize, ..]);
            if (own, each) == (1, 1) {
                for (from, mut to) in from.rows().into_iter().zip(to.rows_mut()) {
                    for ((to, from), weights) in to.iter_mut().zip(from).zip(&conv.weights) {
                        *to += from * weights[[tap, 0]];
                    }
                }
                continue;
            }
            for (g, weights) in conv.weights.iter().enumerate() {
                let weights = weights.slice(s![tap * own..(tap + 1) * own, ..]);
                let from = from.slice(s![.., g * each..(g + 1) * each]);
                let mut to = to.slice_mut(s![.., g * own..(g + 1) * own]);
                general_mat_mul(1.0, &from, &weights.t(), 1.0, &mut to);
            }
        }
    }
}

fn pooled(
    pool: Pool,
    cells: &[Cell],
    (from, row): (&[f32], usize),
    (to, of): (&mut [f32], Form),
    (x, r): (&[f32], &[f32]),
) {
    let sizes = (cells.len() * row, of.length() * row);
    let tasks = from.len() / sizes.0.max(1);
    for (nth, cell) in cells.iter().enumerate() {
        if pool == Pool::Mean {
            let share = 1.0 / cell.divisor as f32;
            for task in 0..tasks {
                let from = &from[task * sizes.0 + nth * row..][..row];
                for position in cell.from..cell.to {
                    let to = &mut to[task * sizes.1 + position * row..][..row];
                    to.iter_mut()
                        .zip(from)
                        .for_each(|(to, from)| *to += from * share);
                }
            }
            continue;
        }
        for channel in 0..row {
            let largest = |values: &[f32]| {
                let value = |p: usize| values[p * row + channel];
                let later = |best: usize, p: usize| match value(p) > value(best) {
                    true => p,
                    false => best,
                };
                let best = (cell.from..cell.to).fold(cell.from, later);
                (best, value(best))
            };
            let ((first, of_x), (second, of_r)) = (largest(x), largest(r));
            let between = of_x.max(of_r);
            let mut hand = |position: usize, won: (bool, bool)| {
                let at = position * row + channel;
                let share = rivals((x[at], r[at]), won, (of_x, of_r), between);
                for task in 0..tasks {
                    to[task * sizes.1 + at] += share * from[task * sizes.0 + nth * row + channel];
                }
            };
            match first == second {
                true => hand(first, (true, true)),
                false => {
                    hand(first, (true, false));
                    hand(second, (false, true));
                }
            }
        }
    }
}

/// Through mean 0 and variance 1 over a row, then scale.
fn normalised(op: &Op, (from, row): (&[f32], usize), to: &mut [f32], (x, r): (&[f32], &[f32])) {
    let Op::Norm { scale, epsilon, .. } = op else {
        return;
    };
    let n = row as f32;
    // The row without its mean, and one over its deviation.
    let parts = |row: &[f32]| {
        let mean = row.iter().sum::<f32>() / n;
        let centred: Vec<f32> = row.iter().map(|v| v - mean).collect();
        let squares = centred.iter().map(|v| v * v).sum::<f32>();
        (centred, 1.0 / (squares / n + epsilon).sqrt())
    };
    let size = x.len();
    for (position, (x, r)) in x.chunks_exact(row).zip(r.chunks_exact(row)).enumerate() {
        let ((cx, sx), (cr, sr)) = (parts(x), parts(r));
        let mean: Vec<f32> = cx.iter().zip(&cr).map(|(a, b)| 0.5 * (a + b)).collect();
        let factor = 0.5 * (sx + sr);
        // Of 1 / root, the difference over that of what stands under it.
        let of_variance = -sx * sr / (1.0 / sx + 1.0 / sr);
        for (from, to) in from.chunks_exact(size).zip(to.chunks_exact_mut(size)) {
            let from = &from[position * row..][..row];
            let to = &mut to[position * row..][..row];
            let down = || from.iter().zip(scale).map(|(g, s)| g * s);
            let of_factor: f32 = down().zip(&mean).map(|(g, c)| g * c).sum();
            let of_square = of_factor * of_variance * 2.0 / n;
            let centred: Vec<f32> = (down().zip(&mean))
                .map(|(g, c)| g * factor + of_square * c)
                .collect();
            let shift = centred.iter().sum::<f32>() / n;
            for (to, value) in to.iter_mut().zip(centred) {
                *to += value - shift;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slopes against differences, and contributions between two rows, which add up.
    #[test]
    fn rows_are_gone_back_through_their_normalisation() {
        let op = Op::Norm {
            scale: vec![1.5, -0.5, 1.0, 2.0, 0.7, 1.1],
            shift: vec![0.1; 6],
            epsilon: 1e-3,
        };
        let x = [0.3f32, -1.2, 0.9, 2.0, 0.0, -0.4];
        let r = [1.0f32, 0.2, -0.7, 0.5, 0.4, 0.1];
        let weights = [0.5f32, -1.0, 2.0, 0.3, 0.8, -0.6];
        let of = |row: &[f32]| -> f64 {
            let mut row = row.to_vec();
            super::super::rows::normalise(&op, &mut row);
            let products = row.iter().zip(weights).map(|(v, w)| f64::from(v * w));
            products.sum()
        };
        let mut slopes = [0.0; 6];
        normalised(&op, (&weights, 6), &mut slopes, (&x, &x));
        for (i, slope) in slopes.iter().enumerate() {
            let at = |step: f32| {
                let mut moved = x;
                moved[i] += step;
                of(&moved)
            };
            let difference = (at(1.0 / 128.0) - at(-1.0 / 128.0)) * 64.0;
            assert!(
                (f64::from(*slope) - difference).abs() < 1e-3,
                "{slope} {difference}"
            );
        }
        let mut multipliers = [0.0; 6];
        normalised(&op, (&weights, 6), &mut multipliers, (&x, &r));
        let parts = multipliers.iter().zip(x.iter().zip(r));
        let sum: f64 = parts.map(|(m, (x, r))| f64::from(m * (x - r))).sum();
        assert!((sum - (of(&x) - of(&r))).abs() < 1e-5, "{sum}");
    }
}
