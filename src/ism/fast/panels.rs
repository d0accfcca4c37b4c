//! Products of rows with weights that are laid out once, when a network is read: nothing is rearranged while they are
//! multiplied, and rows come from, and results go to, wherever they lie.

use ndarray::ArrayView2;

use super::simd::{Level, PAD, Simd, kernel};

/// Inputs that are multiplied at a time: their weights for [`PAD`] outputs stay in a core's first cache.
const DEEP: usize = 256;
/// Rows that are multiplied at a time: so much of them stays in its second.
const TALL: usize = 192;

/// Weights `[inputs, outputs]`, [`PAD`] outputs by [`PAD`], the last ones filled up with zeros.
#[derive(Clone, Debug)]
pub(super) struct Panels {
    level: Level,
    inputs: usize,
    outputs: usize,
    /// `[outputs / PAD, inputs, PAD]`
    values: Vec<f32>,
}

/// A row of inputs, and where in the result its row begins.
pub(super) type Row<'a> = (&'a [f32], usize);

impl Panels {
    pub(super) fn new(weights: ArrayView2<'_, f32>) -> Self {
        Self::at(Level::best(), weights)
    }

    fn at(level: Level, weights: ArrayView2<'_, f32>) -> Self {
        let (inputs, outputs) = weights.dim();
        let mut values = vec![0.0; outputs.div_ceil(PAD) * inputs * PAD];
        for ((i, o), weight) in weights.indexed_iter() {
            values[(o / PAD * inputs + i) * PAD + o % PAD] = *weight;
        }
        Self {
            level,
            inputs,
            outputs,
            values,
        }
    }

    /// Adds to rows of `out` what rows of inputs give, which are the weights' inputs from `first` on. Rows are of
    /// one length.
    ///
    /// # Panics
    /// When a row is of another length, reaches beyond the weights, or its result beyond `out`.
    pub(super) fn add(&self, first: usize, rows: &[Row<'_>], out: &mut [f32]) {
        let Some(depth) = rows.first().map(|(row, _)| row.len()) else {
            return;
        };
        assert!(first + depth <= self.inputs);
        for (row, to) in rows {
            assert!(row.len() == depth && to + self.outputs <= out.len());
        }
        for rows in rows.chunks(TALL) {
            for from in (0..depth).step_by(DEEP) {
                let deep = DEEP.min(depth - from);
                for column in (0..self.outputs).step_by(PAD) {
                    let at = (column / PAD * self.inputs + first + from) * PAD;
                    let weights = &self.values[at..at + deep * PAD];
                    let wide = PAD.min(self.outputs - column);
                    // SAFETY: by the assertions each row has `from + deep` inputs, and `out` holds `wide` floats from
                    // `column` on in each row's result.
                    unsafe { tiles(self.level, rows, from, weights, (column, wide), out) }
                }
            }
        }
    }
}

kernel! {
    /// Rows times a block of one panel.
    ///
    /// # Safety
    /// Each row has inputs from `from` on for all rows of `weights`; `out` holds as many floats as the
    /// second of `columns` says behind each row's place and the first.
    fn tiles = tiles_body(rows: &[Row<'_>], from: usize, weights: &[f32], columns: (usize, usize), out: &mut [f32])
}

/// # Safety
/// As [`tiles`], and the instruction set.
#[inline(always)]
unsafe fn tiles_body<S: Simd>(
    rows: &[Row<'_>],
    from: usize,
    weights: &[f32],
    columns: (usize, usize),
    out: &mut [f32],
) {
    // As many sums as there are registers for.
    // SAFETY: the caller's promise.
    unsafe {
        if S::LANES == PAD {
            let rows = each::<S, 12, 1>(rows, from, weights, columns, out);
            let rows = each::<S, 4, 1>(rows, from, weights, columns, out);
            each::<S, 1, 1>(rows, from, weights, columns, out);
        } else {
            let rows = each::<S, 6, 2>(rows, from, weights, columns, out);
            let rows = each::<S, 3, 2>(rows, from, weights, columns, out);
            each::<S, 1, 2>(rows, from, weights, columns, out);
        }
    }
}

/// Multiplies as many rows as fill tiles of `R` rows and `C` vectors, and returns the others.
///
/// # Safety
/// As [`tiles_body`].
#[inline(always)]
unsafe fn each<'a, 'b, S: Simd, const R: usize, const C: usize>(
    rows: &'a [Row<'b>],
    from: usize,
    weights: &[f32],
    (column, wide): (usize, usize),
    out: &mut [f32],
) -> &'a [Row<'b>] {
    let mut tiles = rows.chunks_exact(R);
    for rows in &mut tiles {
        // SAFETY: the caller's promise.
        unsafe {
            let mut inputs = [std::ptr::null(); R];
            for (input, (row, _)) in inputs.iter_mut().zip(rows) {
                *input = row.as_ptr().add(from);
            }
            let mut sums = [[S::zero(); C]; R];
            for (i, weights) in weights.chunks_exact(PAD).enumerate() {
                let mut own = [S::zero(); C];
                for (c, own) in own.iter_mut().enumerate() {
                    *own = S::load(weights.as_ptr().add(c * S::LANES));
                }
                for r in 0..R {
                    let x = S::splat(*inputs[r].add(i));
                    for c in 0..C {
                        sums[r][c] = S::fma(x, own[c], sums[r][c]);
                    }
                }
            }
            for (sums, (_, to)) in sums.iter().zip(rows) {
                let to = out.as_mut_ptr().add(to + column);
                if wide == PAD {
                    for (c, sum) in sums.iter().enumerate() {
                        let to = to.add(c * S::LANES);
                        S::store(to, S::add(S::load(to), *sum));
                    }
                } else {
                    let mut all = [0.0f32; PAD];
                    for (c, sum) in sums.iter().enumerate() {
                        S::store(all.as_mut_ptr().add(c * S::LANES), *sum);
                    }
                    for (i, sum) in all.iter().enumerate().take(wide) {
                        *to.add(i) += sum;
                    }
                }
            }
        }
    }
    tiles.remainder()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};

    use super::*;

    /// Against ndarray's product, for every instruction set, numbers of rows and outputs that fill no tile, and parts
    /// of the weights.
    #[test]
    fn products_are_those_of_the_weights() {
        for (count, inputs, outputs) in [(1, 3, 1), (5, 7, 16), (19, 300, 23), (400, 70, 40)] {
            let number = |i: usize| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5;
            let weights =
                Array2::from_shape_fn((inputs, outputs), |(i, o)| number(i * outputs + o));
            let given = Array2::from_shape_fn((count, inputs), |(r, i)| number(31 * r + i + 5));
            for level in Level::all() {
                let panels = Panels::at(level, weights.view());
                for (first, last) in [(0, inputs), (inputs / 3, inputs), (1, 2)] {
                    let part = given
                        .slice(s![.., first..last])
                        .as_standard_layout()
                        .into_owned();
                    let expected = part.dot(&weights.slice(s![first..last, ..]));
                    // Results lie from the last to the first, with room between.
                    let step = outputs + 3;
                    let mut out = vec![1.0; count * step];
                    let values = part.as_slice().expect("standard layout");
                    let rows: Vec<Row<'_>> = (values.chunks_exact(last - first))
                        .enumerate()
                        .map(|(r, row)| (row, (count - 1 - r) * step))
                        .collect();
                    panels.add(first, &rows, &mut out);
                    for (r, row) in out.rchunks_exact(step).enumerate() {
                        for (o, value) in row.iter().enumerate() {
                            let sum = expected.get((r, o)).map_or(1.0, |sum| sum + 1.0);
                            assert!(
                                (value - sum).abs() < 2e-5,
                                "{level:?} {count} {r} {o}: {value}, {sum}"
                            );
                        }
                    }
                }
            }
        }
    }
}
