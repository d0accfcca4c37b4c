//! Convolutions as matrix products with views whose rows overlap.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, Axis, ShapeBuilder, s};

use super::super::network::{FittedLayer, Network};
use crate::encode::UNKNOWN;

/// Row r is rows r to r + width - 1 of the values, one behind the other.
fn taps(values: &Array2<f32>, width: usize) -> ArrayView2<'_, f32> {
    let (rows, channels) = values.dim();
    let taps = rows + 1 - width;
    let shape = (taps, width * channels).strides((channels, 1));
    // Arrays here are made row by row, and the last row of the view ends with the last value.
    match values.as_slice().map(|v| ArrayView2::from_shape(shape, v)) {
        Some(Ok(view)) => view,
        _ => unreachable!("a view that ends with its values"),
    }
}

/// The convolution of values, `[rows - width + 1, filters]`; `weight` is `[width * channels, filters]`.
pub(super) fn forward(
    values: &Array2<f32>,
    weight: &Array2<f32>,
    bias: &Array2<f32>,
    width: usize,
) -> Array2<f32> {
    let view = taps(values, width);
    let mut sums = repeated(bias, view.nrows());
    general_mat_mul(1.0, &view, weight, 1.0, &mut sums);
    sums
}

/// A row, so many times.
fn repeated(row: &Array2<f32>, rows: usize) -> Array2<f32> {
    let mut all = Array2::zeros((rows, row.len()));
    all += row;
    all
}

/// The first convolution: for each base of a filter's span a row of its weights. `margin` columns of
/// zeros stand before the codes.
pub(super) fn of_codes(
    codes: &[u8],
    margin: usize,
    rows: usize,
    weight: &Array2<f32>,
    bias: &Array2<f32>,
) -> Array2<f32> {
    let mut sums = repeated(bias, rows);
    let width = weight.nrows() / 4;
    for (row, mut sum) in sums.rows_mut().into_iter().enumerate() {
        for (tap, code) in span(codes, row, width, margin) {
            sum += &weight.row(tap * 4 + code);
        }
    }
    sums
}

/// The known bases under the filters at a row, with their taps.
fn span(
    codes: &[u8],
    row: usize,
    width: usize,
    margin: usize,
) -> impl Iterator<Item = (usize, usize)> {
    (0..width).filter_map(move |tap| {
        let code = *codes.get((row + tap).checked_sub(margin)?)?;
        (code < UNKNOWN).then_some((tap, code as usize))
    })
}

/// Gradients of the first convolution's weights.
pub(super) fn gradient_of_codes(
    codes: &[u8],
    margin: usize,
    width: usize,
    gradient: &Array2<f32>,
) -> Array2<f32> {
    let mut weight = Array2::<f32>::zeros((4 * width, gradient.ncols()));
    for (row, gradient) in gradient.rows().into_iter().enumerate() {
        for (tap, code) in span(codes, row, width, margin) {
            let mut sum = weight.row_mut(tap * 4 + code);
            sum += &gradient;
        }
    }
    weight
}

/// Gradients of the weights, of the given shape, of a convolution that read `values`.
pub(super) fn gradient(
    values: &Array2<f32>,
    gradient: &Array2<f32>,
    (taps_of_all, filters): (usize, usize),
) -> Array2<f32> {
    let width = taps_of_all / values.ncols();
    let mut weight = Array2::zeros((taps_of_all, filters));
    general_mat_mul(1.0, &taps(values, width).t(), gradient, 0.0, &mut weight);
    weight
}

/// For each convolution behind another layer the weights with which its gradient goes back:
/// `[width * filters, channels]`, the last tap first.
pub(super) fn turned(network: &Network) -> Vec<Option<Array2<f32>>> {
    let layers = network.layers.iter().enumerate();
    layers
        .map(|(i, layer)| match layer {
            FittedLayer::Conv { weight, width, .. } if i > 0 => {
                let channels = weight.nrows() / width;
                let taps = weight.axis_chunks_iter(Axis(0), channels).rev();
                let mut turned = Array2::zeros((width * weight.ncols(), channels));
                let to = turned.axis_chunks_iter_mut(Axis(0), weight.ncols());
                for (mut to, tap) in to.zip(taps) {
                    to.assign(&tap.t());
                }
                Some(turned)
            }
            _ => None,
        })
        .collect()
}

/// Gradients of what a convolution read, without its zeros on both sides.
pub(super) fn backward(
    gradient: &Array2<f32>,
    turned: &Array2<f32>,
    width: usize,
    margins: (usize, usize),
) -> Array2<f32> {
    // A value is read by so many rows of the gradient; at the ends they are not all there.
    let padded = with_margins(gradient, (width - 1 - margins.0, width - 1 - margins.1));
    let view = taps(&padded, width);
    let mut back = Array2::zeros((view.nrows(), turned.ncols()));
    general_mat_mul(1.0, &view, turned, 0.0, &mut back);
    back
}

/// The rows with so many rows of zeros before and behind them.
pub(super) fn with_margins(values: &Array2<f32>, (left, right): (usize, usize)) -> Array2<f32> {
    let (rows, columns) = values.dim();
    let mut padded = Array2::zeros((left + rows + right, columns));
    padded.slice_mut(s![left..left + rows, ..]).assign(values);
    padded
}
