//! Rows of an operator's result, from the rows that it reads.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, s};

use super::net::{Convolution, Form, Join, Net, Node, Op, Pool};
use super::weights::Weights;
use crate::ism::fast::network::Cell;

/// Where rows come from: of which change, of which input, at which position; none is zero.
pub(super) trait Rows {
    fn row(&self, edit: usize, input: usize, position: usize) -> Option<&[f32]>;
}

/// A row of a result: which change, which position.
pub(super) type Place = (usize, usize);

/// Appends the rows at these places to `out`. `patches` is room for a convolution's inputs.
pub(super) fn compute(
    net: &Net,
    node: &Node,
    places: &[Place],
    rows: &dyn Rows,
    out: &mut Vec<f32>,
    patches: &mut Vec<f32>,
) {
    let row = node.form.row();
    let begin = out.len();
    out.resize(begin + places.len() * row, 0.0);
    let result = &mut out[begin..];
    let of_input = |n: usize| net.nodes[node.inputs[n]].form;
    let each = || places.iter().zip(result_rows(row, places.len()));
    match &node.op {
        // The input's rows are not computed.
        Op::Input => {}
        Op::Conv(conv) => convolve(conv, of_input(0), places, rows, result, patches),
        Op::Pool(pool, cells) => {
            for (&(edit, position), at) in each() {
                let row = &mut result[at];
                gather(*pool, cells[position], |p| rows.row(edit, 0, p), row);
            }
        }
        Op::Global(pool, cell) => {
            for (&(edit, _), at) in each() {
                gather(*pool, *cell, |p| rows.row(edit, 0, p), &mut result[at]);
            }
        }
        Op::Map(map) => {
            for (&(edit, position), at) in each() {
                copy(rows.row(edit, 0, position), &mut result[at]);
            }
            map.apply(result, row);
        }
        Op::Norm { .. } => {
            for (&(edit, position), at) in each() {
                copy(rows.row(edit, 0, position), &mut result[at.clone()]);
                normalise(&node.op, &mut result[at]);
            }
        }
        Op::Join(join) => {
            for (&(edit, position), at) in each() {
                let to = &mut result[at];
                copy(rows.row(edit, 0, position), to);
                joined(*join, to, rows.row(edit, 1, position));
            }
        }
        Op::Concat => {
            for (&(edit, position), at) in each() {
                let mut from = at.start;
                for n in 0..node.inputs.len() {
                    let own = of_input(n).row();
                    copy(rows.row(edit, n, position), &mut result[from..from + own]);
                    from += own;
                }
            }
        }
        Op::Channels(from) => {
            for (&(edit, position), at) in each() {
                let part = rows.row(edit, 0, position).map(|r| &r[*from..from + row]);
                copy(part, &mut result[at]);
            }
        }
        Op::Order(order) => {
            for (&(edit, position), at) in each() {
                if let Some(from) = rows.row(edit, 0, position) {
                    let to = result[at].iter_mut();
                    to.zip(order).for_each(|(to, &channel)| *to = from[channel]);
                }
            }
        }
        Op::Turn => {
            let last = of_input(0).length() - 1;
            for (&(edit, position), at) in each() {
                copy(rows.row(edit, 0, last - position), &mut result[at]);
            }
        }
        Op::Crop(from) => {
            let length = of_input(0).length();
            for (&(edit, position), at) in each() {
                let position = usize::try_from(position as isize + from).ok();
                let position = position.filter(|&p| p < length);
                let row = position.and_then(|p| rows.row(edit, 0, p));
                copy(row, &mut result[at]);
            }
        }
        Op::Flatten { position_major } => {
            let form = of_input(0);
            let (length, channels) = (form.length(), form.row());
            for (&(edit, _), at) in each() {
                let to = &mut result[at];
                for p in 0..length {
                    let from = rows.row(edit, 0, p);
                    match (position_major, from) {
                        (true, from) => copy(from, &mut to[p * channels..(p + 1) * channels]),
                        (false, Some(from)) => {
                            for (c, value) in from.iter().enumerate() {
                                to[c * length + p] = *value;
                            }
                        }
                        (false, None) => {}
                    }
                }
            }
        }
        Op::Dense(weights, bias) => {
            let form = of_input(0);
            let (length, channels) = (form.length(), form.row());
            patches.clear();
            for &(edit, _) in places {
                for p in 0..length {
                    push(rows.row(edit, 0, p), channels, patches);
                }
            }
            product(patches, weights, 0, bias, result);
        }
    }
}

fn result_rows(row: usize, count: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..count).map(move |i| i * row..(i + 1) * row)
}

fn copy(from: Option<&[f32]>, to: &mut [f32]) {
    match from {
        Some(from) => to.copy_from_slice(from),
        None => to.fill(0.0),
    }
}

fn push(from: Option<&[f32]>, row: usize, to: &mut Vec<f32>) {
    match from {
        Some(from) => to.extend_from_slice(from),
        None => to.resize(to.len() + row, 0.0),
    }
}

/// `out = rows * weights + bias`, the rows one behind the other, inputs of the weights from `first` on.
pub(super) fn product(
    rows: &[f32],
    weights: &Weights,
    first: usize,
    bias: &[f32],
    out: &mut [f32],
) {
    fill(bias, out);
    let count = out.len() / bias.len().max(1);
    let rows = rows.chunks_exact((rows.len() / count.max(1)).max(1));
    let rows: Vec<_> = rows.zip((0..count).map(|i| i * bias.len())).collect();
    weights.add(first, &rows, out);
}

/// The same row again and again.
fn fill(row: &[f32], out: &mut [f32]) {
    for to in out.chunks_exact_mut(row.len().max(1)) {
        to.copy_from_slice(row);
    }
}

/// Of fewer channels the inputs of an output are put together first, so that products are of long rows.
const FEW: usize = 32;

fn convolve(
    conv: &Convolution,
    input: Form,
    places: &[Place],
    rows: &dyn Rows,
    result: &mut [f32],
    patches: &mut Vec<f32>,
) {
    let (length, channels) = (input.length(), input.row());
    let row = |edit: usize, output: usize, tap: usize| {
        let position = conv.position(output, tap).filter(|&p| p < length);
        position.and_then(|p| rows.row(edit, 0, p))
    };
    if let [weights] = &conv.weights[..] {
        if channels < FEW {
            patches.clear();
            patches.reserve(places.len() * conv.width * channels);
            for &(edit, output) in places {
                for tap in 0..conv.width {
                    push(row(edit, output, tap), channels, patches);
                }
            }
            return product(patches, weights, 0, &conv.bias, result);
        }
        fill(&conv.bias, result);
        let mut read = Vec::with_capacity(places.len());
        for tap in 0..conv.width {
            let each = places.iter().enumerate();
            read.clear();
            read.extend(each.filter_map(|(i, &(edit, output))| {
                Some((row(edit, output, tap)?, i * conv.bias.len()))
            }));
            weights.add(tap * channels, &read, result);
        }
        return;
    }
    let groups = conv.weights.len();
    let outputs = conv.bias.len();
    let (own, each) = (channels / groups, outputs / groups);
    if (own, each) == (1, 1) {
        return depthwise(conv, places, &row, result);
    }
    for (g, weights) in conv.weights.iter().enumerate() {
        patches.clear();
        for &(edit, output) in places {
            for tap in 0..conv.width {
                let part = row(edit, output, tap).map(|r| &r[g * own..(g + 1) * own]);
                push(part, own, patches);
            }
        }
        let of_group = ArrayView2::from_shape((places.len(), conv.width * own), &patches[..]);
        let out = ArrayViewMut2::from_shape((places.len(), outputs), &mut *result);
        if let (Ok(of_group), Ok(mut out)) = (of_group, out) {
            let mut out = out.slice_mut(s![.., g * each..(g + 1) * each]);
            for mut row in out.rows_mut() {
                for (to, bias) in row.iter_mut().zip(&conv.bias[g * each..]) {
                    *to = *bias;
                }
            }
            general_mat_mul(1.0, &of_group, weights, 1.0, &mut out);
        }
    }
}

/// One channel a group: a sum of products channel by channel.
fn depthwise<'r>(
    conv: &Convolution,
    places: &[Place],
    row: &dyn Fn(usize, usize, usize) -> Option<&'r [f32]>,
    result: &mut [f32],
) {
    let channels = conv.bias.len();
    // [tap, channel]
    let by_tap: Vec<f32> = (0..conv.width)
        .flat_map(|tap| conv.weights.iter().map(move |w| w[[tap, 0]]))
        .collect();
    for (&(edit, output), to) in places.iter().zip(result.chunks_exact_mut(channels)) {
        to.copy_from_slice(&conv.bias);
        for (tap, weights) in by_tap.chunks_exact(channels).enumerate() {
            if let Some(from) = row(edit, output, tap) {
                for ((to, from), weight) in to.iter_mut().zip(from).zip(weights) {
                    *to += from * weight;
                }
            }
        }
    }
}

/// A cell of positions as one row.
pub(super) fn gather<'r>(
    pool: Pool,
    cell: Cell,
    row: impl Fn(usize) -> Option<&'r [f32]>,
    to: &mut [f32],
) {
    copy(row(cell.from), to);
    for p in cell.from + 1..cell.to {
        match (pool, row(p)) {
            (Pool::Max, from) => joined(Join::Max, to, from),
            (Pool::Mean, Some(from)) => to.iter_mut().zip(from).for_each(|(a, b)| *a += b),
            (Pool::Mean, None) => {}
        }
    }
    if pool == Pool::Mean {
        let share = 1.0 / cell.divisor as f32;
        to.iter_mut().for_each(|value| *value *= share);
    }
}

/// Joins a row into another, zero where there is none.
pub(super) fn joined(join: Join, to: &mut [f32], from: Option<&[f32]>) {
    match from {
        Some(from) => (to.iter_mut().zip(from)).for_each(|(a, b)| *a = join.of(*a, *b)),
        None => to.iter_mut().for_each(|a| *a = join.of(*a, 0.0)),
    }
}

/// Mean 0 and variance 1 over a row, then scale and shift.
pub(super) fn normalise(op: &Op, row: &mut [f32]) {
    let Op::Norm {
        scale,
        shift,
        epsilon,
    } = op
    else {
        return;
    };
    let n = row.len() as f64;
    let mean = row.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let squares = row
        .iter()
        .map(|&v| (f64::from(v) - mean).powi(2))
        .sum::<f64>();
    let deviation = (squares / n + f64::from(*epsilon)).sqrt();
    for ((value, scale), shift) in row.iter_mut().zip(scale).zip(shift) {
        *value = ((f64::from(*value) - mean) / deviation) as f32 * scale + shift;
    }
}
