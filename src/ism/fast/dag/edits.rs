//! Many changes of a base at a time, each with the stretch that it has reached.

use super::net::{Convolution, Form, Id, Join, Net, Op, Pool, Span};
use super::reference::{Global, Reference};
use super::rows::{Place, Rows, compute, joined, product};

/// A change of a base.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edit {
    /// Column of the input.
    pub(super) column: usize,
    /// The input's rows of the base that was and of the one that is.
    pub(super) from: usize,
    pub(super) to: usize,
}

/// Values under changes, by operator.
#[derive(Debug, Default)]
pub(super) struct Edited {
    values: Vec<Changed>,
    places: Vec<Place>,
    patches: Vec<f32>,
}

/// What an operator's value has become.
#[derive(Debug, Default)]
struct Changed {
    /// By change.
    spans: Vec<Span>,
    /// By change, its first row.
    starts: Vec<usize>,
    rows: Vec<f32>,
}

/// Rows of differences that are multiplied at a time: they stay in a core's own cache.
const MOST_DIFFERENCES: usize = 256;

impl Changed {
    /// Positions of all changes.
    fn positions(&self) -> usize {
        self.spans.iter().map(|span| span.len()).sum()
    }

    fn row(&self, edit: usize, position: usize, row: usize) -> Option<&[f32]> {
        let span = self.spans[edit];
        if !(span.from..span.to).contains(&position) {
            return None;
        }
        let at = self.starts[edit] + position - span.from;
        self.rows.get(at * row..(at + 1) * row)
    }
}

/// Rows as they are under a change: changed ones, else the window's own.
struct Now<'a> {
    net: &'a Net,
    reference: &'a Reference,
    values: &'a [Changed],
    inputs: &'a [usize],
}

impl Rows for Now<'_> {
    fn row(&self, edit: usize, input: usize, position: usize) -> Option<&[f32]> {
        let id = self.inputs[input];
        let row = self.net.nodes[id].form.row();
        self.values[id]
            .row(edit, position, row)
            .or_else(|| self.reference.row(self.net, id, position))
    }
}

impl Edited {
    /// Runs changes of a window.
    pub(super) fn run(&mut self, net: &Net, reference: &Reference, edits: &[Edit]) {
        self.values.resize_with(net.nodes.len(), Changed::default);
        for (id, node) in net.nodes.iter().enumerate() {
            let mut made = std::mem::take(&mut self.values[id]);
            made.spans.clear();
            made.starts.clear();
            made.rows.clear();
            self.places.clear();
            for (e, edit) in edits.iter().enumerate() {
                let span = match node.op {
                    Op::Input => Span {
                        from: edit.column,
                        to: edit.column + 1,
                    },
                    _ => {
                        let inputs = node.inputs.iter().map(|&i| self.values[i].spans[e]);
                        let inputs: Vec<Span> = inputs.collect();
                        net.reached(id, &inputs)
                    }
                };
                made.spans.push(span);
                made.starts.push(self.places.len());
                self.places.extend((span.from..span.to).map(|p| (e, p)));
            }
            self.node(net, reference, edits, id, &mut made);
            self.values[id] = made;
        }
    }

    /// The activities of the changes that were run, `[edit, task]`, of a graph that is not cut.
    pub(super) fn activities(&self) -> &[f32] {
        self.values.last().map_or(&[], |last| &last.rows)
    }

    /// Appends an operator's whole value under one of the changes that were run.
    pub(super) fn value(
        &self,
        net: &Net,
        reference: &Reference,
        (edit, id): (usize, Id),
        out: &mut Vec<f32>,
    ) {
        let row = net.nodes[id].form.row();
        let (changed, old) = (&self.values[id], &reference.values[id]);
        let span = changed.spans[edit];
        let at = changed.starts[edit];
        out.extend_from_slice(&old[..span.from * row]);
        out.extend_from_slice(&changed.rows[at * row..(at + span.len()) * row]);
        out.extend_from_slice(&old[span.to * row..]);
    }

    /// Which of two values that are joined may be made the result: one that nothing else reads, and that has changed in
    /// the same stretches, the other one inside of them.
    fn whole(&self, net: &Net, id: Id, made: &Changed) -> Option<usize> {
        let inputs = &net.nodes[id].inputs;
        (0..2).find(|&own| {
            let [whole, other] = [own, 1 - own].map(|i| &self.values[inputs[i]].spans);
            let mut each = made.spans.iter().zip(other);
            net.read_once(inputs[own])
                && whole == &made.spans
                && each.all(|(all, part)| all.from <= part.from && part.to <= all.to)
        })
    }

    fn node(
        &mut self,
        net: &Net,
        reference: &Reference,
        edits: &[Edit],
        id: usize,
        made: &mut Changed,
    ) {
        let node = &net.nodes[id];
        match &node.op {
            Op::Input => {
                made.rows.resize(edits.len() * 4, 0.0);
                for (edit, row) in edits.iter().zip(made.rows.chunks_exact_mut(4)) {
                    row[edit.to] = 1.0;
                }
            }
            Op::Map(map) if net.read_once(node.inputs[0]) => {
                std::mem::swap(&mut made.rows, &mut self.values[node.inputs[0]].rows);
                map.apply(&mut made.rows, node.form.row());
            }
            Op::Conv(conv)
                if conv.weights.len() == 1 && matches!(net.nodes[node.inputs[0]].op, Op::Input) =>
            {
                for (&(e, position), row) in self.places.iter().zip(rows_of(
                    &reference.values[id],
                    &self.places,
                    node.form.row(),
                )) {
                    made.rows.extend_from_slice(row);
                    let begin = made.rows.len() - row.len();
                    first(conv, &edits[e], position, &mut made.rows[begin..]);
                }
            }
            Op::Conv(conv)
                if conv
                    .by_differences(self.values[node.inputs[0]].positions(), self.places.len()) =>
            {
                let of = node.inputs[0];
                let width = node.form.row();
                for span in &made.spans {
                    let kept = &reference.values[id][span.from * width..span.to * width];
                    made.rows.extend_from_slice(kept);
                }
                let (changed, old) = (&self.values[of], &reference.values[of]);
                let row = net.nodes[of].form.row();
                let (mut begin, mut end) = (0, 0);
                while begin < edits.len() {
                    self.patches.clear();
                    while end < edits.len() && self.patches.len() < MOST_DIFFERENCES * row {
                        let (span, at) = (changed.spans[end], changed.starts[end] * row);
                        let new = &changed.rows[at..at + span.len() * row];
                        let old = &old[span.from * row..span.to * row];
                        self.patches.extend(new.iter().zip(old).map(|(n, o)| n - o));
                        end += 1;
                    }
                    let spans = &changed.spans[begin..end];
                    let to = &made.spans[begin..end];
                    let starts = &made.starts[begin..end];
                    gains(conv, (spans, &self.patches), (to, starts, &mut made.rows));
                    begin = end;
                }
            }
            Op::Join(join) if let Some(own) = self.whole(net, id, made) => {
                let of = node.inputs[1 - own];
                std::mem::swap(&mut made.rows, &mut self.values[node.inputs[own]].rows);
                let (changed, old) = (&self.values[of], &reference.values[of]);
                let width = node.form.row();
                let mut rows = &mut made.rows[..];
                for (span, (part, at)) in
                    (made.spans.iter()).zip(changed.spans.iter().zip(&changed.starts))
                {
                    // The other value's rows: kept ones, changed ones, kept ones.
                    let new = &changed.rows[at * width..(at + part.len()) * width];
                    let stretches = [
                        &old[span.from * width..part.from * width],
                        new,
                        &old[part.to * width..span.to * width],
                    ];
                    for other in stretches {
                        let (to, rest) = rows.split_at_mut(other.len());
                        rows = rest;
                        join.rows(to, other, own == 1);
                    }
                }
            }
            Op::Global(pool, cell) => {
                let of = node.inputs[0];
                let (changed, form) = (&self.values[of], net.nodes[of].form);
                for e in 0..edits.len() {
                    let global = &reference.globals[id];
                    let old = &reference.values[of];
                    again(
                        *pool,
                        cell.divisor,
                        global,
                        changed,
                        (e, old, form),
                        &mut made.rows,
                    );
                }
            }
            Op::Dense(weights, _)
                if matches!(net.nodes[node.inputs[0]].form, Form::Positions { .. }) =>
            {
                let of = node.inputs[0];
                let (changed, row) = (&self.values[of], net.nodes[of].form.row());
                let activities = &reference.values[id];
                let mut e = 0;
                while e < edits.len() {
                    // Changes of one stretch are rows of one product.
                    let span = changed.spans[e];
                    let alike = changed.spans[e..].iter().take_while(|s| **s == span);
                    let count = alike.count();
                    let old = &reference.values[of][span.from * row..span.to * row];
                    self.patches.clear();
                    for e in e..e + count {
                        let at = changed.starts[e] * row;
                        let new = &changed.rows[at..at + span.len() * row];
                        self.patches.extend(new.iter().zip(old).map(|(n, o)| n - o));
                    }
                    let begin = made.rows.len();
                    made.rows.resize(begin + count * activities.len(), 0.0);
                    let out = &mut made.rows[begin..];
                    product(&self.patches, weights, span.from * row, activities, out);
                    e += count;
                }
            }
            _ => {
                let now = Now {
                    net,
                    reference,
                    values: &self.values,
                    inputs: &node.inputs,
                };
                let (places, patches) = (&self.places, &mut self.patches);
                compute(net, node, places, &now, &mut made.rows, patches);
            }
        }
    }
}

fn rows_of<'a>(
    values: &'a [f32],
    places: &'a [Place],
    row: usize,
) -> impl Iterator<Item = &'a [f32]> {
    places
        .iter()
        .map(move |&(_, p)| &values[p * row..(p + 1) * row])
}

/// Adds to a convolution's outputs what the differences of its inputs give, a product for each tap.
fn gains(
    conv: &Convolution,
    (from, differences): (&[Span], &[f32]),
    (to, starts, rows): (&[Span], &[usize], &mut [f32]),
) {
    let weights = &conv.weights[0];
    let outputs = weights.ncols();
    let channels = weights.nrows() / conv.width;
    let mut read = Vec::with_capacity(differences.len() / channels);
    for tap in 0..conv.width {
        let mut differences = differences.chunks_exact(channels);
        read.clear();
        for ((from, to), start) in from.iter().zip(to).zip(starts) {
            for (position, difference) in (from.from..from.to).zip(&mut differences) {
                let output = conv.output(position, tap);
                if let Some(output) = output.filter(|o| (to.from..to.to).contains(o)) {
                    read.push((difference, (start + output - to.from) * outputs));
                }
            }
        }
        weights.add(tap * channels, &read, rows);
    }
}

/// What a change of a base does to an output of the first convolution: one column of weights for another.
fn first(conv: &Convolution, edit: &Edit, output: usize, row: &mut [f32]) {
    let weights = &conv.weights[0];
    for tap in (0..conv.width).filter(|&t| conv.position(output, t) == Some(edit.column)) {
        let (gone, come) = (
            weights.row(tap * 4 + edit.from),
            weights.row(tap * 4 + edit.to),
        );
        for ((value, gone), come) in row.iter_mut().zip(gone).zip(come) {
            *value += come - gone;
        }
    }
}

/// A pool of all positions, of which some have changed.
fn again(
    pool: Pool,
    divisor: usize,
    global: &Global,
    changed: &Changed,
    (edit, old, form): (usize, &[f32], Form),
    out: &mut Vec<f32>,
) {
    let channels = form.row();
    let span = changed.spans[edit];
    let rows = (span.from..span.to).filter_map(|p| changed.row(edit, p, channels));
    let begin = out.len();
    match pool {
        Pool::Mean => {
            let mut sums = global.sums.clone();
            for (p, new) in (span.from..span.to).zip(rows) {
                let old = &old[p * channels..(p + 1) * channels];
                for ((sum, new), old) in sums.iter_mut().zip(new).zip(old) {
                    *sum += f64::from(*new) - f64::from(*old);
                }
            }
            out.extend(sums.iter().map(|sum| (sum / divisor as f64) as f32));
        }
        Pool::Max => {
            let at = |p: usize| p * channels..(p + 1) * channels;
            out.extend_from_slice(&global.before[at(span.from)]);
            let row = &mut out[begin..];
            joined(Join::Max, row, Some(&global.behind[at(span.to)]));
            for new in rows {
                joined(Join::Max, row, Some(new));
            }
        }
    }
}
