//! Whether a model scores each window on its own.

use super::onnx::{Graph, NodeProto};
use super::{Model, ModelError, ModelFile};

/// How far an activity may move with what else is in the batch, as a share of the task's largest
/// activity among the windows that are tried. ONNX Runtime may sum in another order in batches of
/// another size, which moves f32 values by about a millionth of what is summed, and values that a
/// graph rounds to 16 bits by up to a thousandth; operators that mix windows move them by far more.
/// (The program's own models do not move at all.)
const TOLERANCE: f32 = 1e-3;

/// Windows that differ.
const WINDOWS: usize = 3;

impl Model {
    /// Scores a few different windows alone, together, and one twice, and compares. A graph whose
    /// batch is one row is not tried: nothing else is ever in its batch.
    ///
    /// # Errors
    /// [`ModelError::Unfit`] when a window's activities depend on the batch, or on chance; and when
    /// the model fails.
    pub(super) fn check_batch(&mut self) -> Result<(), ModelError> {
        if self.spec().fixed_batch == Some(1) {
            return Ok(());
        }
        let (window, tasks) = (self.spec().window, self.spec().tasks.len());
        let codes = windows(window);
        let mut alone = Vec::new();
        for codes in codes.chunks_exact(window) {
            alone.extend(self.probe(codes)?);
        }
        let first = &codes[..window];
        let again = self.probe(first)?;
        let together = self.probe(&[&codes, first].concat())?;

        let largest = |task: usize| {
            let values = alone.iter().chain(&together).skip(task).step_by(tasks);
            let finite = values.filter(|v| v.is_finite());
            finite.fold(0.0f32, |most, v| most.max(v.abs()))
        };
        let moved = |a: &[f32], b: &[f32]| {
            let pairs = a.iter().zip(b).enumerate();
            let mut moved = pairs.filter(|(i, (a, b))| {
                let same = a == b || a.is_nan() && b.is_nan();
                !(same || (**a - **b).abs() <= TOLERANCE * largest(i % tasks))
            });
            moved.next().map(|(i, (a, b))| (i % tasks, *a, *b))
        };
        let by_chance = moved(&alone[..tasks], &again);
        let (rows, twice) = together.split_at(WINDOWS * tasks);
        let by_batch = moved(&alone, rows).or_else(|| moved(&alone[..tasks], twice));
        let (what, (task, a, b)) = match (by_chance, by_batch) {
            (Some(found), _) => ("the same window twice", found),
            (None, Some(found)) => ("a window alone and beside others", found),
            (None, None) => return Ok(()),
        };
        let blame = match suspect(self.file(), by_chance.is_some()) {
            Some(suspect) => format!("; {suspect} looks responsible"),
            None => String::new(),
        };
        Err(ModelError::Unfit {
            path: self.file().path().into(),
            what: "batch",
            problem: format!(
                "it gives {a} and {b} for task {:?} of {what}, so that its scores depend on {}{blame}",
                self.spec().tasks[task],
                match by_chance {
                    Some(_) => "chance",
                    None => "how windows are batched",
                },
            ),
        })
    }
}

/// Different windows of pseudo-random bases, one behind the other; the same ones for every model of
/// this window length.
fn windows(window: usize) -> Vec<u8> {
    let mut state = window as u64;
    let mut base = || {
        // Knuth's generator (MMIX); its upper bits are its better ones.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 62) as u8
    };
    (0..WINDOWS * window).map(|_| base()).collect()
}

/// The operator that makes windows depend on chance, or on each other, where the graph shows it.
fn suspect(file: &ModelFile, by_chance: bool) -> Option<String> {
    let graph = Graph::new(file.graph()).ok()?;
    let first = |why: fn(&Graph<'_>, &NodeProto) -> Option<&'static str>| {
        graph.nodes().iter().find_map(|node| {
            let why = why(&graph, node)?;
            let name = match node.name.is_empty() {
                true => String::new(),
                false => format!(" {:?}", node.name),
            };
            Some(format!("{}{name} ({why})", node.op_type))
        })
    };
    match by_chance {
        true => first(draws).or_else(|| first(mixes)),
        // Seeded draws may be the same in each run, and differ between the rows of a batch.
        false => first(mixes).or_else(|| first(draws)),
    }
}

/// Why an operator's output may depend on chance.
fn draws(graph: &Graph<'_>, node: &NodeProto) -> Option<&'static str> {
    match node.op_type.as_str() {
        "Dropout" => {
            let switch = graph.constant(node, 2).ok()?;
            let on = switch.raw_data.first() == Some(&1) || switch.int32_data.first() == Some(&1);
            on.then_some("in training mode")
        }
        "RandomNormal" | "RandomNormalLike" | "RandomUniform" | "RandomUniformLike"
        | "Bernoulli" | "Multinomial" => Some("random"),
        _ => None,
    }
}

/// Why an operator's output for one window may depend on other windows.
fn mixes(graph: &Graph<'_>, node: &NodeProto) -> Option<&'static str> {
    match node.op_type.as_str() {
        "BatchNormalization" => {
            // Old operator sets have no attribute, and more outputs when they train.
            let gives_more = node.output.iter().skip(1).any(|name| !name.is_empty());
            let trains = node.int("training_mode", 0) != 0 || gives_more;
            trains.then_some("in training mode")
        }
        "DynamicQuantizeLinear" => Some("its scale is that of the whole batch"),
        "Softmax" | "LogSoftmax" | "Hardmax" => {
            // The last axis, or the second one in old operator sets, unless it is said.
            (node.int("axis", -1) == 0).then_some("over the batch, axis 0")
        }
        "LpNormalization" | "TopK" | "ArgMax" | "ArgMin" => {
            let default = if node.op_type.starts_with("Arg") {
                0
            } else {
                -1
            };
            (node.int("axis", default) == 0).then_some("over the batch, axis 0")
        }
        "CumSum" => {
            let axis = graph.constant(node, 1).ok()?.int64s()?;
            (axis == [0]).then_some("over the batch, axis 0")
        }
        "MeanVarianceNormalization" => {
            let axes = node.ints("axes").unwrap_or(&[0, 2, 3]);
            axes.contains(&0).then_some("over the batch, axis 0")
        }
        op if op.starts_with("Reduce") => match graph.list(node, "axes", 1).ok().flatten() {
            Some(axes) if !axes.is_empty() => axes.contains(&0).then_some("over the batch, axis 0"),
            _ => (node.int("noop_with_empty_axes", 0) == 0).then_some("over all axes"),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests;
