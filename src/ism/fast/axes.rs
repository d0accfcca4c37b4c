//! What the axes of a tensor mean, and the operators that only move them about.

use super::Unsupported;
use super::graph::Reader;
use crate::model::onnx::NodeProto;

/// The meaning and length of one axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Axis {
    Batch,
    /// A leftover of length one.
    Unit,
    Channels(usize),
    Length(usize),
    /// Behind the flatten.
    Features(usize),
}

impl Axis {
    /// Its length; the batch has none.
    pub(super) fn len(self) -> Option<usize> {
        match self {
            Self::Batch => None,
            Self::Unit => Some(1),
            Self::Channels(n) | Self::Length(n) | Self::Features(n) => Some(n),
        }
    }
}

/// `[batch, channels 100, length 142]`.
pub(super) fn text(axes: &[Axis]) -> String {
    let names: Vec<String> = axes
        .iter()
        .map(|a| match a {
            Axis::Batch => "batch".into(),
            Axis::Unit => "1".into(),
            Axis::Channels(n) => format!("channels {n}"),
            Axis::Length(n) => format!("length {n}"),
            Axis::Features(n) => format!("features {n}"),
        })
        .collect();
    format!("[{}]", names.join(", "))
}

impl Reader<'_> {
    /// The axes behind a Squeeze, Unsqueeze, Reshape or Flatten.
    pub(super) fn reshaped(&self, node: &NodeProto) -> Result<Vec<Axis>, Unsupported> {
        let axes = &self.axes;
        let rank = axes.len() as i64;
        match node.op_type.as_str() {
            "Flatten" => {
                if node.int("axis", 1) != 1 {
                    return Err(self.no(node, "it does not flatten from axis 1"));
                }
                Ok(self.flat())
            }
            "Squeeze" => {
                let drop: Vec<usize> = match self.list(node, "axes", 1)? {
                    Some(list) => list.iter().map(|&a| wrap(a, rank)).collect(),
                    None => (0..axes.len())
                        .filter(|&i| axes[i].len() == Some(1))
                        .collect(),
                };
                if drop
                    .iter()
                    .any(|&i| axes.get(i).and_then(|a| a.len()) != Some(1))
                {
                    return Err(self.no(node, "it drops an axis that is longer than one"));
                }
                Ok(without(axes, &drop))
            }
            "Unsqueeze" => {
                let list = self
                    .list(node, "axes", 1)?
                    .ok_or_else(|| self.no(node, "it names no axes"))?;
                let rank = rank + list.len() as i64;
                let mut new: Vec<usize> = list.iter().map(|&a| wrap(a, rank)).collect();
                new.sort_unstable();
                let mut out = axes.clone();
                for at in new {
                    if at == 0 || at > out.len() {
                        return Err(self.no(node, "its axes do not fit"));
                    }
                    out.insert(at, Axis::Unit);
                }
                Ok(out)
            }
            _ => self.reshape_to(node),
        }
    }

    /// Everything behind the batch in one axis.
    fn flat(&self) -> Vec<Axis> {
        let features = self.axes.iter().filter_map(|a| a.len()).product();
        vec![Axis::Batch, Axis::Features(features)]
    }

    fn reshape_to(&self, node: &NodeProto) -> Result<Vec<Axis>, Unsupported> {
        let shape = self
            .list(node, "shape", 1)?
            .ok_or_else(|| self.no(node, "its shape is no constant"))?;
        let all: usize = self.axes.iter().filter_map(|a| a.len()).product();
        // The batch stays the first axis, written 0, -1 or as a number.
        let Some((_, rest)) = shape.split_first() else {
            return Err(self.no(node, "its shape is empty"));
        };
        let mut lengths: Vec<usize> = Vec::new();
        for (i, &n) in rest.iter().enumerate() {
            lengths.push(match n {
                0 => self.axes.get(i + 1).and_then(|a| a.len()).unwrap_or(0),
                -1 => 0,
                n => n.max(0) as usize,
            });
        }
        if let Some(open) = rest.iter().position(|&n| n == -1) {
            let known: usize = (lengths.iter().enumerate())
                .filter(|(i, _)| *i != open)
                .map(|(_, n)| *n)
                .product();
            lengths[open] = all.checked_div(known).unwrap_or(0);
        }
        if lengths.iter().product::<usize>() != all {
            return Err(self.no(node, &format!("it changes the batch (shape {shape:?})")));
        }
        if lengths.len() == 1 && self.axes.len() != 2 {
            return Ok(self.flat());
        }
        // Otherwise only axes of length one may come or go.
        let mut solid = self.axes[1..]
            .iter()
            .filter(|a| a.len() != Some(1))
            .copied();
        let mut single = self.axes[1..]
            .iter()
            .filter(|a| a.len() == Some(1))
            .copied();
        let mut out = vec![Axis::Batch];
        for &n in &lengths {
            if n == 1 {
                out.push(single.next().unwrap_or(Axis::Unit));
                continue;
            }
            match solid.next() {
                Some(axis) if axis.len() == Some(n) => out.push(axis),
                _ => return Err(self.no(node, &format!("it mixes axes (shape {shape:?})"))),
            }
        }
        // A true axis of length one that is gone for good was constant: nothing is lost.
        Ok(out)
    }
}

/// A possibly negative axis as an index; out of range where it does not fit.
pub(super) fn wrap(axis: i64, rank: i64) -> usize {
    usize::try_from(if axis < 0 { axis + rank } else { axis }).unwrap_or(usize::MAX)
}

fn without(axes: &[Axis], drop: &[usize]) -> Vec<Axis> {
    let keep = |i: &usize| !drop.contains(i);
    let indices = (0..axes.len()).filter(keep);
    indices.map(|i| axes[i]).collect()
}
