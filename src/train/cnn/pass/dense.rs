//! The first dense layer, over the positions of every window.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, ShapeBuilder, s};

use super::plan::{Input, Plan};

/// Windows that are taken together: those of one sequence, or the only one of each.
struct Together {
    /// How many there are.
    windows: usize,
    /// From one to the next, in rows.
    step: usize,
    /// Groups of them, and rows from one group to the next.
    groups: usize,
    stride: usize,
}

impl Together {
    fn of(plan: &Plan, sequences: usize) -> Self {
        match plan.geometry.windows {
            1 => Self {
                windows: sequences,
                step: plan.stride,
                groups: 1,
                stride: 0,
            },
            windows => Self {
                windows,
                step: plan.geometry.step,
                groups: sequences,
                stride: plan.stride,
            },
        }
    }

    /// Values of the windows of a group, `[windows, positions * channels]`.
    fn view<'a>(
        &self,
        values: &'a Array2<f32>,
        positions: usize,
        group: usize,
    ) -> ArrayView2<'a, f32> {
        let channels = values.ncols();
        let from = group * self.stride * channels;
        let shape = (self.windows, positions * channels).strides((self.step * channels, 1));
        let values = values.as_slice().and_then(|v| v.get(from..));
        match values.map(|v| ArrayView2::from_shape(shape, v)) {
            Some(Ok(view)) => view,
            _ => unreachable!("every window lies within the values"),
        }
    }
}

/// The products of every window's values with the weights, `[sequences * windows, outputs]`.
pub(super) fn over_windows(
    plan: &Plan,
    input: &Input,
    values: &Array2<f32>,
    sequences: usize,
    weight: &Array2<f32>,
) -> Array2<f32> {
    let together = Together::of(plan, sequences);
    let mut sums = Array2::zeros((sequences * plan.geometry.windows, weight.ncols()));
    for group in 0..together.groups {
        let view = together.view(values, input.positions, group);
        let from = group * together.windows;
        let mut to = sums.slice_mut(s![from..from + together.windows, ..]);
        general_mat_mul(1.0, &view, weight, 0.0, &mut to);
    }
    sums
}

/// Gradients of the weights and of the values.
pub(super) fn backward(
    plan: &Plan,
    input: &Input,
    values: &Array2<f32>,
    sequences: usize,
    weight: &Array2<f32>,
    gradient: &Array2<f32>,
) -> (Array2<f32>, Array2<f32>) {
    let together = Together::of(plan, sequences);
    let mut of_weight = Array2::zeros(weight.dim());
    let mut back = Array2::<f32>::zeros(values.dim());
    let channels = values.ncols();
    for group in 0..together.groups {
        let from = group * together.windows;
        let gradient = gradient.slice(s![from..from + together.windows, ..]);
        let view = together.view(values, input.positions, group);
        general_mat_mul(1.0, &view.t(), &gradient, 1.0, &mut of_weight);
        // Windows overlap in what they read, so each adds for itself.
        let of_windows = gradient.dot(&weight.t());
        for (window, of_window) in of_windows.rows().into_iter().enumerate() {
            let first = group * together.stride + window * together.step;
            let shape = (1, input.positions * channels);
            let mut to = back.slice_mut(s![first..first + input.positions, ..]);
            let to = to
                .as_slice_mut()
                .map(|t| ArrayViewMut2::from_shape(shape, t));
            let Some(Ok(mut to)) = to else {
                unreachable!("whole rows of an array made row by row");
            };
            let mut to = to.row_mut(0);
            to += &of_window;
        }
    }
    (of_weight, back)
}
