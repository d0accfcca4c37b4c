//! What the axes of a tensor mean, and the operators that only move them about.

use super::{Graph, GraphError, NodeProto};
use crate::encode::{Layout, OneHot};

/// The meaning and length of one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Windows.
    Batch,
    /// A leftover of length one.
    Unit,
    /// Channels of a convolution; at the input the four bases.
    Channels(usize),
    /// Positions of the sequence.
    Length(usize),
    /// All of a window in one axis.
    Features(usize),
}

impl Axis {
    /// Its length; the batch has none.
    pub fn size(self) -> Option<usize> {
        match self {
            Self::Batch => None,
            Self::Unit => Some(1),
            Self::Channels(n) | Self::Length(n) | Self::Features(n) => Some(n),
        }
    }
}

/// The axes of a tensor, outermost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axes(Vec<Axis>);

impl std::ops::Deref for Axes {
    type Target = [Axis];

    fn deref(&self) -> &[Axis] {
        &self.0
    }
}

impl std::ops::DerefMut for Axes {
    fn deref_mut(&mut self) -> &mut [Axis] {
        &mut self.0
    }
}

impl From<Vec<Axis>> for Axes {
    fn from(axes: Vec<Axis>) -> Self {
        Self(axes)
    }
}

/// `[batch, channels 100, length 142]`.
impl std::fmt::Display for Axes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.iter().map(|axis| match axis {
            Axis::Batch => "batch".into(),
            Axis::Unit => "1".into(),
            Axis::Channels(n) => format!("channels {n}"),
            Axis::Length(n) => format!("length {n}"),
            Axis::Features(n) => format!("features {n}"),
        });
        write!(f, "[{}]", names.collect::<Vec<String>>().join(", "))
    }
}

impl Axes {
    /// The axes of a model's input.
    pub fn of_input(one_hot: &OneHot) -> Self {
        let (length, bases) = (Axis::Length(one_hot.length), Axis::Channels(4));
        Self(match one_hot.layout {
            Layout::LengthBases => vec![Axis::Batch, length, bases],
            Layout::BasesLength => vec![Axis::Batch, bases, length],
            Layout::OneLengthBases => vec![Axis::Batch, Axis::Unit, length, bases],
            Layout::OneBasesLength => vec![Axis::Batch, Axis::Unit, bases, length],
        })
    }

    /// Where the first axis of such a meaning stands.
    pub fn position(&self, means: fn(&Axis) -> bool) -> Option<usize> {
        self.iter().position(means)
    }

    /// That an operator does not fit these axes.
    pub fn misfit(&self, node: &NodeProto, why: impl Into<String>) -> GraphError {
        GraphError::Axes {
            operator: node.op_type.clone(),
            axes: self.to_string(),
            why: why.into(),
        }
    }

    /// The axes behind a Transpose, Squeeze, Unsqueeze, Flatten or Reshape.
    ///
    /// # Errors
    /// When the operator moves the batch, mixes axes, or its parameters are no constants.
    pub fn behind(&self, graph: &Graph<'_>, node: &NodeProto) -> Result<Self, GraphError> {
        let rank = self.len() as i64;
        match node.op_type.as_str() {
            "Transpose" => self.transposed(node),
            "Flatten" => match node.int("axis", 1) {
                1 => Ok(self.flat()),
                _ => Err(self.misfit(node, "it does not flatten from axis 1")),
            },
            "Squeeze" => {
                let drop: Vec<usize> = match graph.list(node, "axes", 1)? {
                    Some(list) => list.iter().map(|&a| wrap(a, rank)).collect(),
                    None => (0..self.len())
                        .filter(|&i| self[i].size() == Some(1))
                        .collect(),
                };
                let single = |i: &usize| self.get(*i).and_then(|a| a.size()) == Some(1);
                if !drop.iter().all(single) {
                    return Err(self.misfit(node, "it drops an axis that is longer than one"));
                }
                Ok(self.without(&drop))
            }
            "Unsqueeze" => {
                let list = (graph.list(node, "axes", 1)?)
                    .ok_or_else(|| self.misfit(node, "it names no axes"))?;
                let rank = rank + list.len() as i64;
                let mut new: Vec<usize> = list.iter().map(|&a| wrap(a, rank)).collect();
                new.sort_unstable();
                let mut out = self.0.clone();
                for at in new {
                    if at == 0 || at > out.len() {
                        return Err(self.misfit(node, "its axes do not fit"));
                    }
                    out.insert(at, Axis::Unit);
                }
                Ok(Self(out))
            }
            _ => self.reshaped(graph, node),
        }
    }

    /// All but these.
    pub fn without(&self, drop: &[usize]) -> Self {
        let kept = (0..self.len()).filter(|i| !drop.contains(i));
        Self(kept.map(|i| self[i]).collect())
    }

    fn transposed(&self, node: &NodeProto) -> Result<Self, GraphError> {
        let permutation: Vec<usize> = match node.ints("perm") {
            Some(perm) => perm.iter().map(|&p| wrap(p, self.len() as i64)).collect(),
            None => (0..self.len()).rev().collect(),
        };
        if permutation.first() != Some(&0) || permutation.len() != self.len() {
            return Err(self.misfit(node, "it moves the batch"));
        }
        if !(0..self.len()).all(|axis| permutation.contains(&axis)) {
            return Err(self.misfit(node, "its permutation does not fit"));
        }
        Ok(Self(permutation.iter().map(|&p| self[p]).collect()))
    }

    /// Everything behind the batch in one axis.
    fn flat(&self) -> Self {
        let features = self.iter().filter_map(|a| a.size()).product();
        Self(vec![Axis::Batch, Axis::Features(features)])
    }

    fn reshaped(&self, graph: &Graph<'_>, node: &NodeProto) -> Result<Self, GraphError> {
        let shape = (graph.list(node, "shape", 1)?)
            .ok_or_else(|| self.misfit(node, "its shape is no constant"))?;
        let all: usize = self.iter().filter_map(|a| a.size()).product();
        // The batch stays the first axis, written 0, -1 or as a number.
        let Some((_, rest)) = shape.split_first() else {
            return Err(self.misfit(node, "its shape is empty"));
        };
        let mut lengths: Vec<usize> = Vec::new();
        for (i, &n) in rest.iter().enumerate() {
            lengths.push(match n {
                0 => self.get(i + 1).and_then(|a| a.size()).unwrap_or(0),
                -1 => 0,
                n => n.max(0) as usize,
            });
        }
        if let Some(open) = rest.iter().position(|&n| n == -1) {
            let known = (lengths.iter().enumerate())
                .filter(|(i, _)| *i != open)
                .map(|(_, n)| *n);
            lengths[open] = all.checked_div(product(known)).unwrap_or(0);
        }
        if product(lengths.iter().copied()) != all {
            return Err(self.misfit(node, format!("it changes the batch (shape {shape:?})")));
        }
        if lengths.len() == 1 && self.len() != 2 {
            return Ok(self.flat());
        }
        // Otherwise only axes of length one may come or go.
        let behind_batch = || self.iter().skip(1).copied();
        let mut solid = behind_batch().filter(|a| a.size() != Some(1));
        let mut single = behind_batch().filter(|a| a.size() == Some(1));
        let mut out = vec![Axis::Batch];
        for &n in &lengths {
            if n == 1 {
                out.push(single.next().unwrap_or(Axis::Unit));
                continue;
            }
            match solid.next() {
                Some(axis) if axis.size() == Some(n) => out.push(axis),
                _ => return Err(self.misfit(node, format!("it mixes axes (shape {shape:?})"))),
            }
        }
        // A true axis of length one that is gone for good was constant: nothing is lost.
        Ok(Self(out))
    }
}

/// Of lengths from a file, which may be anything.
fn product(lengths: impl Iterator<Item = usize>) -> usize {
    lengths.fold(1, usize::saturating_mul)
}

/// A possibly negative axis as an index; out of range where it does not fit.
pub fn wrap(axis: i64, rank: i64) -> usize {
    usize::try_from(if axis < 0 {
        axis.saturating_add(rank)
    } else {
        axis
    })
    .unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
