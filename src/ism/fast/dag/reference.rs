//! A window as it is: the values of all operators, kept for the changes.

use super::net::{Form, Net, Op, Pool};
use super::rows::{Rows, compute, joined};
use crate::encode::UNKNOWN;

/// Values of one window, by operator.
#[derive(Debug, Default)]
pub(super) struct Reference {
    /// `[length, channels]` or `[features]`.
    pub(super) values: Vec<Vec<f32>>,
    /// Of pools of all positions, what a change needs to know.
    pub(super) globals: Vec<Global>,
    patches: Vec<f32>,
}

/// What is known of the positions of a global pool.
#[derive(Debug, Default)]
pub(super) struct Global {
    /// Sums, by channel.
    pub(super) sums: Vec<f64>,
    /// Maxima of the positions before each, and from each on: `[length + 1, channels]`.
    pub(super) before: Vec<f32>,
    pub(super) behind: Vec<f32>,
}

/// Rows of values that are there already.
pub(super) struct Made<'a> {
    pub(super) net: &'a Net,
    pub(super) values: &'a [Vec<f32>],
    pub(super) inputs: &'a [usize],
}

impl Rows for Made<'_> {
    fn row(&self, _: usize, input: usize, position: usize) -> Option<&[f32]> {
        let id = self.inputs[input];
        let row = self.net.nodes[id].form.row();
        self.values[id].get(position * row..(position + 1) * row)
    }
}

impl Reference {
    /// Runs the window whose codes begin at column `offset` of the input. With `globals`, also makes what
    /// changes need.
    pub(super) fn run(&mut self, net: &Net, codes: &[u8], offset: usize, globals: bool) {
        let input = self.input(net);
        for (i, &code) in codes.iter().enumerate().filter(|(_, c)| **c < UNKNOWN) {
            input[(offset + i) * 4 + usize::from(net.rows[usize::from(code)])] = 1.0;
        }
        self.forward(net, globals);
    }

    /// Runs a window of any columns, `[window, 4 (A, C, G, T)]`, zero around it.
    pub(super) fn run_columns(&mut self, net: &Net, columns: &[f32], offset: usize) {
        let input = self.input(net);
        let (rows, _) = columns.as_chunks::<4>();
        for (from, to) in rows.iter().zip(input.chunks_exact_mut(4).skip(offset)) {
            for (value, row) in from.iter().zip(net.rows) {
                to[usize::from(row)] = *value;
            }
        }
        self.forward(net, false);
    }

    /// The input's values, all zero.
    fn input(&mut self, net: &Net) -> &mut [f32] {
        self.values.resize(net.nodes.len(), Vec::new());
        self.globals.resize_with(net.nodes.len(), Global::default);
        let input = &mut self.values[0];
        input.clear();
        input.resize(net.nodes[0].form.length() * 4, 0.0);
        input
    }

    /// Runs all operators behind the input.
    fn forward(&mut self, net: &Net, globals: bool) {
        for (id, node) in net.nodes.iter().enumerate().skip(1) {
            let mut out = std::mem::take(&mut self.values[id]);
            out.clear();
            let places: Vec<_> = (0..node.form.length()).map(|p| (0, p)).collect();
            let made = Made {
                net,
                values: &self.values,
                inputs: &node.inputs,
            };
            compute(net, node, &places, &made, &mut out, &mut self.patches);
            self.values[id] = out;
            if let (true, Op::Global(pool, _)) = (globals, &node.op) {
                let of = node.inputs[0];
                self.globals[id].make(*pool, &self.values[of], net.nodes[of].form);
            }
        }
    }

    /// A row of an operator's values.
    pub(super) fn row(&self, net: &Net, id: usize, position: usize) -> Option<&[f32]> {
        let row = net.nodes[id].form.row();
        self.values[id].get(position * row..(position + 1) * row)
    }

    /// The activities.
    pub(super) fn activities(&self) -> &[f32] {
        self.values.last().map_or(&[], Vec::as_slice)
    }
}

impl Global {
    fn make(&mut self, pool: Pool, values: &[f32], form: Form) {
        let (length, channels) = (form.length(), form.row());
        match pool {
            Pool::Mean => {
                self.sums.clear();
                self.sums.resize(channels, 0.0);
                for row in values.chunks_exact(channels) {
                    for (sum, value) in self.sums.iter_mut().zip(row) {
                        *sum += f64::from(*value);
                    }
                }
            }
            Pool::Max => {
                let least = f32::NEG_INFINITY;
                for side in [&mut self.before, &mut self.behind] {
                    side.clear();
                    side.resize((length + 1) * channels, least);
                }
                for p in 0..length {
                    let (done, next) = self.before.split_at_mut((p + 1) * channels);
                    next[..channels].copy_from_slice(&done[p * channels..]);
                    let row = &values[p * channels..(p + 1) * channels];
                    joined(super::net::Join::Max, &mut next[..channels], Some(row));
                }
                for p in (0..length).rev() {
                    let (next, done) = self.behind.split_at_mut((p + 1) * channels);
                    let next = &mut next[p * channels..];
                    next.copy_from_slice(&done[..channels]);
                    let row = &values[p * channels..(p + 1) * channels];
                    joined(super::net::Join::Max, next, Some(row));
                }
            }
        }
    }
}
