//! Where a graph is cut: what lies below is done change by change, what lies above by ONNX Runtime in
//! batches.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use super::super::network::Unsupported;
use super::net::{Form, Id, Net};
use super::reference::Reference;
use crate::model::onnx::{Axes, Axis, GraphProto, NodeProto, upper_part};
use crate::model::{ModelError, ModelFile, ModelSpec, Part, PartInput, Runtime};
use crate::stats::Random;

/// What lies above the operators that are read.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// What it reads of them.
    pub(super) tensors: Vec<CutTensor>,
    /// As a model of its own.
    model: Arc<Vec<u8>>,
    file: Arc<std::path::PathBuf>,
    output: String,
    /// Why the first operator above is not below.
    pub(super) why: Unsupported,
    /// Products of a weight and a value above, reckoned as if all convolutions there had the positions that
    /// there are at the cut.
    pub(super) products: u64,
}

/// A tensor that is made below and read above.
#[derive(Clone, Debug)]
pub(super) struct CutTensor {
    /// The operator that makes it.
    pub(super) id: Id,
    name: String,
    /// Behind the batch.
    axes: Vec<usize>,
    form: Form,
    /// Whether channels come before positions.
    turned: bool,
}

impl CutTensor {
    /// A value as a tensor; `None` where its axes are not in a plain order.
    pub(super) fn new(name: &str, id: Id, form: Form, axes: &Axes) -> Option<Self> {
        let [Axis::Batch, axes @ ..] = &axes[..] else {
            return None;
        };
        let long = axes.iter().filter(|axis| **axis != Axis::Unit);
        let long: Vec<Axis> = long.copied().collect();
        let turned = match (form, &long[..]) {
            (Form::Positions { length, channels }, &[Axis::Channels(c), Axis::Length(l)])
                if (length, channels) == (l, c) =>
            {
                true
            }
            (Form::Positions { length, channels }, &[Axis::Length(l), Axis::Channels(c)])
                if (length, channels) == (l, c) =>
            {
                false
            }
            (Form::Flat(n), &[Axis::Channels(m) | Axis::Features(m)]) if n == m => false,
            (Form::Flat(1), []) => false,
            _ => return None,
        };
        Some(Self {
            id,
            name: name.into(),
            axes: axes.iter().filter_map(|axis| axis.size()).collect(),
            form,
            turned,
        })
    }

    /// Floats a row.
    pub(super) fn floats(&self) -> usize {
        self.form.length() * self.form.row()
    }

    /// Appends a value, positions outermost, in the tensor's own order.
    pub(super) fn push(&self, value: &[f32], out: &mut Vec<f32>) {
        if !self.turned {
            return out.extend_from_slice(value);
        }
        let (length, channels) = (self.form.length(), self.form.row());
        let begin = out.len();
        out.resize(begin + value.len(), 0.0);
        let out = &mut out[begin..];
        for (p, row) in value.chunks_exact(channels).enumerate() {
            for (c, &value) in row.iter().enumerate() {
                out[c * length + p] = value;
            }
        }
    }
}

impl Cut {
    /// What is left of a model above these tensors; `below` are the outputs of the operators that are taken
    /// out.
    pub(super) fn new(
        file: &ModelFile,
        spec: &ModelSpec,
        below: &HashSet<&str>,
        tensors: Vec<CutTensor>,
        why: Unsupported,
    ) -> Result<Self, Unsupported> {
        if spec.fixed_batch.is_some() {
            return Err(why);
        }
        let inputs: Vec<_> = (tensors.iter())
            .map(|tensor| (tensor.name.clone(), tensor.axes.clone()))
            .collect();
        let model = upper_part(file.bytes(), file.graph(), below, &inputs).map_err(Unsupported)?;
        let length = tensors.iter().map(|t| t.form.length()).max().unwrap_or(1);
        let products = products_above(file.graph(), below, length as u64);
        Ok(Self {
            tensors,
            model: Arc::new(model),
            file: Arc::new(file.path().into()),
            output: spec.output.clone(),
            why,
            products,
        })
    }

    /// Floats of all tensors of a row.
    pub(super) fn floats(&self) -> usize {
        self.tensors.iter().map(CutTensor::floats).sum()
    }
}

fn products_above(graph: &GraphProto, below: &HashSet<&str>, length: u64) -> u64 {
    let floats: HashMap<&str, u64> = (graph.initializer.iter())
        .map(|w| {
            (
                w.name.as_str(),
                w.dims.iter().map(|&d| d.max(0) as u64).product(),
            )
        })
        .collect();
    let above = graph.node.iter().filter(|node| {
        let first = node.output.first();
        !first.is_some_and(|output| below.contains(output.as_str()))
    });
    let of = |node: &NodeProto| {
        let weight = node.input.get(1).and_then(|name| floats.get(name.as_str()));
        let weight = weight.copied().unwrap_or(0);
        match node.op_type.as_str() {
            "Conv" | "ConvTranspose" | "MatMul" => weight * length,
            "Gemm" => weight,
            _ => 0,
        }
    };
    above.map(of).sum()
}

/// Runs what lies above a cut, on as many threads as ask for it.
pub(super) struct Upper {
    cut: Cut,
    runtime: Runtime,
    /// Rows at a time.
    batch: usize,
    tasks: usize,
    free: Mutex<Vec<Part>>,
}

impl Upper {
    /// A session is opened at once, so that a part that cannot be run is found out early.
    pub(super) fn open(
        cut: &Cut,
        runtime: &Runtime,
        batch: usize,
        tasks: usize,
    ) -> Result<Self, ModelError> {
        let upper = Self {
            cut: cut.clone(),
            runtime: runtime.clone(),
            batch: batch.max(1),
            tasks,
            free: Mutex::default(),
        };
        let first = upper.part()?;
        upper.give_back(first);
        Ok(upper)
    }

    fn part(&self) -> Result<Part, ModelError> {
        let free = self.free.lock().ok().and_then(|mut free| free.pop());
        match free {
            Some(part) => Ok(part),
            None => Part::open(
                &self.cut.file,
                &self.cut.model,
                &self.cut.output,
                &self.runtime,
            ),
        }
    }

    fn give_back(&self, part: Part) {
        if let Ok(mut free) = self.free.lock() {
            free.push(part);
        }
    }

    /// Activities, `[rows, tasks]`. `value` gives a row's value of an operator, positions outermost.
    pub(super) fn run(
        &self,
        rows: usize,
        value: impl Fn(usize, Id, &mut Vec<f32>),
        activities: &mut [f32],
    ) -> Result<(), ModelError> {
        let mut part = self.part()?;
        let each = activities.len() / rows.max(1);
        let tensors = &self.cut.tensors;
        let mut values = vec![Vec::new(); tensors.len()];
        let mut row = Vec::new();
        for (nth, activities) in activities
            .chunks_mut((self.batch * each).max(1))
            .enumerate()
        {
            let from = nth * self.batch;
            let to = rows.min(from + self.batch);
            for (tensor, values) in tensors.iter().zip(&mut values) {
                values.clear();
                for r in from..to {
                    row.clear();
                    value(r, tensor.id, &mut row);
                    tensor.push(&row, values);
                }
            }
            let inputs = tensors.iter().zip(&values);
            let inputs: Vec<PartInput<'_>> = inputs
                .map(|(tensor, values)| PartInput {
                    name: &tensor.name,
                    axes: &tensor.axes,
                    values,
                })
                .collect();
            part.run(to - from, &inputs, activities)?;
        }
        self.give_back(part);
        Ok(())
    }

    /// Standard deviations of the activities of a window that has been run, where the values at the cut have
    /// errors of these standard deviations: of so many trials.
    pub(super) fn spread(
        &self,
        net: &Net,
        reference: &Reference,
        errors: &[Vec<f32>],
    ) -> Result<Vec<f32>, ModelError> {
        const TRIALS: usize = 16;
        // Larger than they are, so that they are not lost in the last places of what they are put on.
        const LARGER: f32 = 256.0;
        let tasks = self.tasks;
        let value = |row: usize, id: Id, out: &mut Vec<f32>| {
            out.extend_from_slice(&reference.values[id]);
            let place = net
                .outputs
                .iter()
                .position(|o| *o == id)
                .unwrap_or_default();
            let mut random = Random::at(row as u64, &[id as u64]);
            // The first row is without.
            for (value, error) in out.iter_mut().zip(&errors[place]).filter(|_| row > 0) {
                *value += LARGER * error * random.normal() as f32;
            }
        };
        let mut found = vec![0.0; (TRIALS + 1) * tasks];
        self.run(TRIALS + 1, value, &mut found)?;
        let (base, trials) = found.split_at(tasks);
        let deviation = |task: usize| {
            let trials = trials.iter().skip(task).step_by(tasks);
            let squares = trials.map(|trial| (trial - base[task]).powi(2));
            (squares.sum::<f32>() / TRIALS as f32).sqrt() / LARGER
        };
        Ok((0..tasks).map(deviation).collect())
    }
}
