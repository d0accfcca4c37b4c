//! Reading the operators that join values, and those that cut parts out of one.

use super::super::network::Unsupported;
use super::super::ops::values;
use super::net::{Form, Id, Join, Op};
use super::read::{At, Reader, Tensor};
use crate::model::onnx::{Axes, Axis, wrap};

/// The form, and its axis of channels or features, with so many of these.
fn with_row(axis: &mut Axis, form: Form, many: usize) -> Form {
    *axis = match axis {
        Axis::Channels(_) => Axis::Channels(many),
        _ => Axis::Features(many),
    };
    match form {
        Form::Positions { length, .. } => Form::Positions {
            length,
            channels: many,
        },
        Form::Flat(_) => Form::Flat(many),
    }
}

impl<'a> Reader<'a> {
    /// What an operator reads, if all of it depends on the window.
    fn all(&self, at: &At<'_>, names: &[&str]) -> Result<Vec<Tensor>, Unsupported> {
        if names.len() != at.node.input.len() {
            return Err(at.no("it mixes constants and values"));
        }
        Ok(names.iter().map(|n| self.tensors[n].clone()).collect())
    }

    /// Two or more values of one form.
    pub(super) fn join(&mut self, at: &mut At<'_>, names: &[&str]) -> Result<Id, Unsupported> {
        let how = match at.node.op_type.as_str() {
            "Add" | "Sum" => Join::Add,
            "Sub" => Join::Sub,
            "Mul" => Join::Mul,
            "Div" => Join::Div,
            "Max" => Join::Max,
            "Min" => Join::Min,
            _ => return Err(at.no("more than one of its inputs depend on the window")),
        };
        let tensors = self.all(at, names)?;
        let form = self.nodes[tensors[0].id].form;
        let alike = |t: &Tensor| t.axes == at.ops.axes && self.nodes[t.id].form == form;
        if !tensors.iter().all(alike) {
            return Err(at.no("its inputs have different shapes"));
        }
        let mut id = tensors[0].id;
        for tensor in &tensors[1..] {
            id = self.push(Op::Join(how), vec![id, tensor.id], form);
        }
        Ok(id)
    }

    pub(super) fn concat(&mut self, at: &mut At<'_>, names: &[&str]) -> Result<Id, Unsupported> {
        let rank = at.ops.axes.len();
        let axis = wrap(at.node.int("axis", 1), rank as i64);
        let tensors = self.all(at, names)?;
        let mut all = 0;
        for tensor in &tensors {
            let own = match tensor.axes.get(axis) {
                Some(Axis::Channels(n) | Axis::Features(n)) => *n,
                _ => return Err(at.no("it joins another axis than the channels")),
            };
            let mut axes = tensor.axes.clone();
            axes[axis] = at.ops.axes[axis];
            let same =
                self.nodes[tensor.id].form.length() == self.nodes[tensors[0].id].form.length();
            if axes != at.ops.axes || !same {
                return Err(at.no("its inputs have different shapes"));
            }
            all += own;
        }
        let form = with_row(&mut at.ops.axes[axis], self.nodes[tensors[0].id].form, all);
        let inputs = tensors.iter().map(|t| t.id).collect();
        Ok(self.push(Op::Concat, inputs, form))
    }

    /// A stretch of one axis.
    pub(super) fn slice(&mut self, at: &mut At<'_>) -> Result<Id, Unsupported> {
        let list = |name: &str, input: usize| at.ops.graph.list(at.node, name, input);
        let starts = list("starts", 1)?.ok_or_else(|| at.no("it names no starts"))?;
        let ends = list("ends", 2)?.ok_or_else(|| at.no("it names no ends"))?;
        let axes = list("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = list("steps", 4)?.unwrap_or_else(|| vec![1; starts.len()]);
        let rank = at.ops.axes.len();
        let mut of = at.id;
        let mut moved = at.ops.axes.clone();
        for (((start, end), axis), step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
            let axis = wrap(*axis, rank as i64);
            let size = moved.get(axis).and_then(|axis| axis.size());
            let size = size.ok_or_else(|| at.no("it cuts the batch"))?;
            if *step == -1 {
                let bound = |at: i64| match at < 0 {
                    true => at.saturating_add(size as i64).max(-1),
                    false => at.min(size as i64 - 1),
                };
                // Counted from the other end.
                let [from, to] = [*start, *end].map(|p| (size as i64 - 1 - bound(p)) as usize);
                if from >= to {
                    return Err(at.no("it leaves nothing"));
                }
                of = self
                    .turn(&moved, axis, of)
                    .and_then(|of| match (from, to) == (0, size) {
                        true => Some(of),
                        false => self.part(&mut moved, axis, (from, to), of),
                    })
                    .ok_or_else(|| at.no("it turns another axis than positions or channels"))?;
                continue;
            }
            if *step != 1 {
                return Err(at.no("it has steps"));
            }
            let bound = |at: i64| {
                let at = if at < 0 {
                    at.saturating_add(size as i64)
                } else {
                    at
                };
                at.clamp(0, size as i64) as usize
            };
            let (from, to) = (bound(*start), bound(*end));
            if from >= to {
                return Err(at.no("it leaves nothing"));
            }
            if (from, to) == (0, size) {
                continue;
            }
            of = self
                .part(&mut moved, axis, (from, to), of)
                .ok_or_else(|| at.no("it cuts another axis than positions or channels"))?;
        }
        at.ops.axes = moved;
        Ok(of)
    }

    /// An axis from its last element to its first.
    fn turn(&mut self, axes: &Axes, axis: usize, id: Id) -> Option<Id> {
        let form = self.nodes[id].form;
        match (axes[axis], form) {
            (Axis::Length(_), Form::Positions { .. }) => Some(self.push(Op::Turn, vec![id], form)),
            (Axis::Channels(n) | Axis::Features(n), _) if n == form.row() => {
                Some(self.push(Op::Order((0..n).rev().collect()), vec![id], form))
            }
            _ => None,
        }
    }

    /// Elements of one axis by number: channels in any order, positions turned or a stretch of them.
    pub(super) fn gather(&mut self, at: &mut At<'_>) -> Result<Id, Unsupported> {
        let rank = at.ops.axes.len();
        let axis = wrap(at.node.int("axis", 0), rank as i64);
        let size = at.ops.axes.get(axis).and_then(|axis| axis.size());
        let size = size.ok_or_else(|| at.no("it picks from the batch"))?;
        let list = at.ops.graph.list(at.node, "indices", 1)?;
        let list = list.ok_or_else(|| at.no("what it picks is no constant"))?;
        if at.ops.graph.constant(at.node, 1)?.dims.len() != 1 {
            return Err(at.no("what it picks is no list"));
        }
        let order: Option<Vec<usize>> = (list.iter())
            .map(|&i| usize::try_from(if i < 0 { i + size as i64 } else { i }).ok())
            .map(|i| i.filter(|&i| i < size))
            .collect();
        let order = order.filter(|order| !order.is_empty());
        let order = order.ok_or_else(|| at.no("what it picks lies outside"))?;
        let row = at.form.row();
        match at.ops.axes[axis] {
            Axis::Length(_) => {
                let (mut moved, from, n) = (at.ops.axes.clone(), order[0], order.len());
                let found = if order.iter().copied().eq((0..size).rev()) {
                    self.turn(&moved, axis, at.id)
                } else if order.iter().copied().eq(from..from + n) {
                    self.part(&mut moved, axis, (from, from + n), at.id)
                } else {
                    None
                };
                at.ops.axes = moved;
                found.ok_or_else(|| at.no("it picks positions in no order of their own"))
            }
            Axis::Channels(n) | Axis::Features(n) if n == row => {
                let form = with_row(&mut at.ops.axes[axis], at.form, order.len());
                Ok(self.push(Op::Order(order), vec![at.id], form))
            }
            _ => Err(at.no("it picks from another axis than positions or channels")),
        }
    }

    /// Positions from the last to the first, in every window alike.
    pub(super) fn reverse_sequence(&mut self, at: &mut At<'_>) -> Result<Id, Unsupported> {
        let rank = at.ops.axes.len();
        let [time, batch] = [("time_axis", 0), ("batch_axis", 1)]
            .map(|(name, default)| wrap(at.node.int(name, default), rank as i64));
        let size = at.ops.axes.get(time).and_then(|axis| axis.size());
        let lengths = at.ops.graph.list(at.node, "sequence_lens", 1)?;
        let lengths = lengths.ok_or_else(|| at.no("its lengths are no constants"))?;
        let whole = |n: &i64| usize::try_from(*n).ok() == size;
        if !matches!(at.ops.axes.get(batch), Some(Axis::Batch)) || !lengths.iter().all(whole) {
            return Err(at.no("it turns parts of windows"));
        }
        let turned = self.turn(&at.ops.axes, time, at.id);
        turned.ok_or_else(|| at.no("it turns another axis than positions or channels"))
    }

    /// Elements `from..to` of an axis of positions, channels or features.
    fn part(
        &mut self,
        axes: &mut Axes,
        axis: usize,
        (from, to): (usize, usize),
        id: Id,
    ) -> Option<Id> {
        let (op, form) = match (axes[axis], self.nodes[id].form) {
            (Axis::Length(_), Form::Positions { channels, .. }) => {
                axes[axis] = Axis::Length(to - from);
                let length = to - from;
                (
                    Op::Crop(from as isize),
                    Form::Positions { length, channels },
                )
            }
            (Axis::Channels(_), form) | (Axis::Features(_), form @ Form::Flat(_)) => {
                let form = with_row(&mut axes[axis], form, to - from);
                (Op::Channels(from), form)
            }
            _ => return None,
        };
        Some(self.push(op, vec![id], form))
    }

    /// Zero positions at the ends.
    pub(super) fn pad(&mut self, at: &mut At<'_>) -> Result<Id, Unsupported> {
        let (length, channels) = at.positions()?;
        let mode = at.node.string("mode");
        let zero = match at.node.has_input(2) {
            true => values(at.ops.graph.floats(at.node, 2)?)
                .iter()
                .all(|v| *v == 0.0),
            false => at.node.float("value", 0.0) == 0.0,
        };
        let pads = at.ops.graph.list(at.node, "pads", 1)?;
        let rank = at.ops.axes.len();
        let fits = |pads: &Vec<i64>| pads.len() == 2 * rank && !at.node.has_input(3);
        let Some(pads) = pads.filter(fits) else {
            return Err(at.no("its pads do not fit"));
        };
        if !(mode.is_empty() || mode == "constant") || !zero {
            return Err(at.no("it pads with something else than zeros"));
        }
        let along = at.ops.axes.position(|a| matches!(a, Axis::Length(_)));
        let along = along.ok_or_else(|| at.no("there is no axis of sequence"))?;
        let other = |i: usize| i != along && (pads[i], pads[i + rank]) != (0, 0);
        let (left, right) = (pads[along], pads[along + rank]);
        let padded =
            length as i64 + left.clamp(-(1 << 24), 1 << 24) + right.clamp(-(1 << 24), 1 << 24);
        if (0..rank).any(other) || padded <= 0 {
            return Err(at.no("it pads another axis than the sequence"));
        }
        let length = padded as usize;
        at.ops.axes[along] = Axis::Length(length);
        let form = Form::Positions { length, channels };
        Ok(self.push(Op::Crop(-left as isize), vec![at.id], form))
    }

    /// Parts of one axis, each an output.
    pub(super) fn split(&mut self, at: &At<'a>) -> Result<(), Unsupported> {
        let rank = at.ops.axes.len();
        let axis = wrap(at.node.int("axis", 0), rank as i64);
        let size = at.ops.axes.get(axis).and_then(|axis| axis.size());
        let size = size.ok_or_else(|| at.no("it cuts the batch"))?;
        let parts = at.node.output.len().max(1);
        let lengths = match at.ops.graph.list(at.node, "split", 1)? {
            Some(list) => list.iter().map(|&n| n.max(0) as usize).collect(),
            None if size.is_multiple_of(parts) => vec![size / parts; parts],
            None => return Err(at.no("its parts are not equal")),
        };
        if lengths.len() != parts || lengths.contains(&0) || lengths.iter().sum::<usize>() != size {
            return Err(at.no("its parts do not fit"));
        }
        let mut from = 0;
        for (name, length) in at.node.output.iter().zip(lengths) {
            let mut axes = at.ops.axes.clone();
            let id = self
                .part(&mut axes, axis, (from, from + length), at.id)
                .ok_or_else(|| at.no("it cuts another axis than positions or channels"))?;
            self.tensors.insert(name, Tensor { id, axes });
            from += length;
        }
        Ok(())
    }
}
