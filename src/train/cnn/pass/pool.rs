//! Pools: cells of neighbouring positions of every window.

use ndarray::{Array2, s};

use super::plan::{Input, Plan};

/// First rows of each window of a part.
fn windows(plan: &Plan, sequences: usize) -> impl Iterator<Item = usize> {
    let geometry = plan.geometry;
    let stride = plan.stride;
    (0..sequences)
        .flat_map(move |q| (0..geometry.windows).map(move |w| q * stride + w * geometry.step))
}

/// The largest values of each cell, `[sequences * windows, cells * channels]`, and the rows they are
/// in, the first of equals.
pub(super) fn largest(
    plan: &Plan,
    input: &Input,
    values: &Array2<f32>,
    sequences: usize,
    size: usize,
) -> (Array2<f32>, Vec<u32>) {
    let (cells, channels) = (input.positions / size, input.channels);
    let all = sequences * plan.geometry.windows;
    let mut pooled = Array2::zeros((all, cells * channels));
    let mut places = vec![0; pooled.len()];
    let slots = pooled.rows_mut().into_iter();
    let slots = slots.zip(places.chunks_exact_mut((cells * channels).max(1)));
    for (first, (mut slot, places)) in windows(plan, sequences).zip(slots) {
        for cell in 0..cells {
            let at = cell * channels..(cell + 1) * channels;
            let mut slot = slot.slice_mut(s![at.clone()]);
            let places = &mut places[at];
            for row in first + cell * size..first + (cell + 1) * size {
                let new = row == first + cell * size;
                let values = values.row(row);
                for ((most, place), &value) in slot.iter_mut().zip(&mut *places).zip(values) {
                    if new || value > *most {
                        (*most, *place) = (value, row as u32);
                    }
                }
            }
        }
    }
    (pooled, places)
}

/// Gradients of values of that shape: each cell's goes to where its maximum came from.
pub(super) fn back_to(
    places: &[u32],
    shape: (usize, usize),
    gradient: &Array2<f32>,
) -> Array2<f32> {
    let mut back = Array2::zeros(shape);
    for (i, (place, gradient)) in places.iter().zip(gradient).enumerate() {
        back[[*place as usize, i % shape.1]] += gradient;
    }
    back
}

/// The means of each cell, `[sequences * windows, cells * channels]`.
pub(super) fn means(
    plan: &Plan,
    input: &Input,
    values: &Array2<f32>,
    sequences: usize,
    size: usize,
) -> Array2<f32> {
    let (cells, channels) = (input.positions / size, input.channels);
    let all = sequences * plan.geometry.windows;
    let mut pooled = Array2::<f32>::zeros((all, cells * channels));
    let slots = pooled.rows_mut().into_iter();
    for (first, mut slot) in windows(plan, sequences).zip(slots) {
        for cell in 0..cells {
            let mut slot = slot.slice_mut(s![cell * channels..(cell + 1) * channels]);
            for row in first + cell * size..first + (cell + 1) * size {
                slot += &values.row(row);
            }
            slot /= size as f32;
        }
    }
    pooled
}

/// Gradients of so many rows of values: each cell's is shared out.
pub(super) fn spread(
    plan: &Plan,
    input: &Input,
    rows: usize,
    sequences: usize,
    size: usize,
    gradient: &Array2<f32>,
) -> Array2<f32> {
    let (cells, channels) = (input.positions / size, input.channels);
    let mut back = Array2::<f32>::zeros((rows, channels));
    let slots = gradient.rows().into_iter();
    for (first, slot) in windows(plan, sequences).zip(slots) {
        for cell in 0..cells {
            let slot = slot.slice(s![cell * channels..(cell + 1) * channels]);
            for row in first + cell * size..first + (cell + 1) * size {
                back.row_mut(row).scaled_add(1.0 / size as f32, &slot);
            }
        }
    }
    back
}
