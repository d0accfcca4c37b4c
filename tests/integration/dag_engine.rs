//! The fast engine on graphs that are no chain, against the full one over ONNX Runtime: random graphs of
//! the family and random sequence, and the published architectures that people bring.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use mpra_score::genome::{Interval, Lattice};
use mpra_score::ism::fast::{DagEngine, DagPlan, DagShared, FastPlan, check_against_full};
use mpra_score::ism::{Engine, FullEngine, Strand, Stretch};
use mpra_score::model::onnx::{AttributeProto, GraphBuilder, presets};
use mpra_score::model::{BothStrands, Model, ModelFile, ModelOptions, Runtime};
use proptest::prelude::*;

use crate::fast_engine::{Dice, contig};

/// A random graph as it grows: a tensor `[batch, channels, length]`.
struct Growing<'d> {
    g: GraphBuilder,
    dice: &'d mut Dice,
    x: String,
    channels: usize,
    length: usize,
    weights: usize,
    operator_set: i64,
    /// The last block was a `Pad`.
    padded: bool,
}

fn ints(name: &str, list: &[usize]) -> AttributeProto {
    let list: Vec<i64> = list.iter().map(|&v| v as i64).collect();
    AttributeProto::of_ints(name, &list)
}

impl Growing<'_> {
    fn weight(&mut self, dims: &[usize], mean: f32, deviation: f32) -> String {
        self.weights += 1;
        let values = self.dice.weights(dims.iter().product(), deviation);
        let values: Vec<f32> = values.iter().map(|v| v + mean).collect();
        self.g.weight(&format!("w{}", self.weights), dims, &values)
    }

    fn list(&mut self, values: &[i64]) -> String {
        self.weights += 1;
        self.g.ints(&format!("w{}", self.weights), values)
    }

    /// A convolution of what there is, which stays; its output, channels and length.
    fn conv(&mut self, same: bool, outputs: Option<usize>) -> (String, usize, usize) {
        let dice = &mut *self.dice;
        let dilation = 1 + dice.below(3) / 2 * dice.below(3);
        let most = (self.length - 1) / dilation + 1;
        let width = 1 + dice.below(most.min(6));
        let reach = dilation * (width - 1);
        let pads = match (same, dice.below(3)) {
            (true, _) => (reach / 2, reach - reach / 2),
            (_, 0) => (dice.below(4), dice.below(4)),
            _ => (0, 0),
        };
        let stride = if same || dice.one_in(2) {
            1
        } else {
            1 + dice.below(3)
        };
        let mut groups = 1;
        if dice.one_in(3) {
            let all = (1..=self.channels).filter(|g| self.channels.is_multiple_of(*g));
            let all: Vec<usize> = all.collect();
            groups = all[dice.below(all.len())];
        }
        let outputs = outputs.unwrap_or(groups * (1 + dice.below(8 / groups.min(8))));
        if !outputs.is_multiple_of(groups) {
            groups = 1;
        }
        let inputs = self.channels / groups;
        let deviation = (1.5 / (inputs * width) as f32).sqrt();
        let w = self.weight(&[outputs, inputs, width], 0.0, deviation);
        let b = self.weight(&[outputs], 0.0, 0.2);
        let attributes = vec![
            ints("dilations", &[dilation]),
            ints("strides", &[stride]),
            ints("pads", &[pads.0, pads.1]),
            AttributeProto::of_int("group", groups as i64),
        ];
        let x = self.x.clone();
        let y = self.g.node("Conv", &[&x, &w, &b], attributes);
        let length = (self.length + pads.0 + pads.1 - reach).div_ceil(stride);
        (y, outputs, length)
    }

    fn function(&mut self, x: &str) -> String {
        let float = |name: &str, v: f32| AttributeProto::of_float(name, v);
        let g = &mut self.g;
        match self.dice.below(16) {
            0..=3 => g.node("Relu", &[x], vec![]),
            4 => g.node("Sigmoid", &[x], vec![]),
            5 => g.node("Tanh", &[x], vec![]),
            6 => g.node("Elu", &[x], vec![float("alpha", 0.7)]),
            7 => g.node("Softplus", &[x], vec![]),
            // One operator where the set has it, several where it does not.
            8 if self.operator_set >= 20 => {
                let how = ["none", "tanh"][self.dice.below(2)];
                let how = AttributeProto::of_string("approximate", how);
                g.node("Gelu", &[x], vec![how])
            }
            9 if self.operator_set >= 24 => g.node("Swish", &[x], vec![float("alpha", 1.3)]),
            10 if self.operator_set >= 18 => g.node("Mish", &[x], vec![]),
            8 => {
                // The exact GELU as it was exported before operator set 20.
                let root = self.weight(&[], std::f32::consts::SQRT_2, 0.0);
                let one = self.weight(&[], 1.0, 0.0);
                let half = self.weight(&[1], 0.5, 0.0);
                let g = &mut self.g;
                let y = g.node("Div", &[x, &root], vec![]);
                let y = g.node("Erf", &[&y], vec![]);
                let y = g.node("Add", &[&y, &one], vec![]);
                let y = g.node("Mul", &[x, &y], vec![]);
                g.node("Mul", &[&y, &half], vec![])
            }
            9 => {
                let y = g.node("Sigmoid", &[x], vec![]);
                g.node("Mul", &[&y, x], vec![])
            }
            10 => {
                let y = g.node("Abs", &[x], vec![]);
                g.node("Sqrt", &[&y], vec![])
            }
            11 => g.node("HardSigmoid", &[x], vec![]),
            12 => g.node("Selu", &[x], vec![]),
            13 => g.node("Softsign", &[x], vec![]),
            14 => {
                // Bounded first: a few of these behind one another would pass beyond f32.
                let y = g.node("Softsign", &[x], vec![]);
                let y = g.node("LeakyRelu", &[&y], vec![float("alpha", 2.0)]);
                g.node("Exp", &[&y], vec![])
            }
            _ => g.node("HardSwish", &[x], vec![]),
        }
    }

    fn block(&mut self) {
        let kind = self.dice.below(12);
        match kind {
            0 | 1 => {
                let (y, channels, length) = self.conv(false, None);
                (self.channels, self.length) = (channels, length);
                self.x = self.function(&y);
            }
            // Residual.
            2 | 3 => {
                let (y, ..) = self.conv(true, Some(self.channels));
                let y = self.function(&y);
                let joins = ["Add", "Add", "Mul", "Max", "Sub", "Min"];
                let join = joins[self.dice.below(joins.len())];
                self.x = self.g.node(join, &[&self.x, &y], vec![]);
            }
            // Dense connection.
            4 => {
                let (y, more, _) = self.conv(true, None);
                let axis = AttributeProto::of_int("axis", 1);
                self.x = self.g.node("Concat", &[&self.x, &y], vec![axis]);
                self.channels += more;
            }
            // A residual that is cropped to what the convolution leaves.
            5 => {
                let crop = self.dice.below(self.length.min(5));
                let to = (self.length - self.dice.below(self.length - crop)) as i64;
                let (starts, ends) = (self.list(&[crop as i64]), self.list(&[to]));
                let axes = self.list(&[2]);
                let cropped = self
                    .g
                    .node("Slice", &[&self.x, &starts, &ends, &axes], vec![]);
                (self.x, self.length) = (cropped, to as usize - crop);
                let (y, ..) = self.conv(true, Some(self.channels));
                self.x = self.g.node("Add", &[&y, &self.x], vec![]);
            }
            // Gated: half of the channels open the other.
            6 => {
                let (y, ..) = self.conv(true, Some(2 * self.channels));
                let axis = AttributeProto::of_int("axis", 1);
                let n = self.channels as i64;
                let parts = self.list(&[n, n]);
                let (a, b) = (format!("a{}", self.weights), format!("b{}", self.weights));
                self.g.node_to("Split", &[&y, &parts], vec![axis], &a);
                self.g.second_output(&b);
                let a = self.g.node("Tanh", &[&a], vec![]);
                let b = self.g.node("Sigmoid", &[&b], vec![]);
                self.x = self.g.node("Mul", &[&a, &b], vec![]);
            }
            7 => {
                let size = 1 + self.dice.below(self.length.min(4));
                let stride = 1 + self.dice.below(3);
                let left = self.dice.below(size);
                let mean = self.dice.one_in(2);
                let mut attributes = vec![
                    ints("kernel_shape", &[size]),
                    ints("strides", &[stride]),
                    ints("pads", &[left, 0]),
                ];
                if mean {
                    let counted = self.dice.below(2) as i64;
                    attributes.push(AttributeProto::of_int("count_include_pad", counted));
                }
                let op = if mean { "AveragePool" } else { "MaxPool" };
                if self.padded {
                    // ONNX Runtime makes a Pad right before a pool the pool's own padding, which is
                    // minus infinity and not zero, or too wide (onnxruntime issue 24737).
                    self.x = self.g.node("Neg", &[&self.x], vec![]);
                }
                self.x = self.g.node(op, &[&self.x], attributes);
                self.length = (self.length + left - size) / stride + 1;
            }
            8 => {
                let (left, right) = (self.dice.below(4), self.dice.below(4));
                let pads = self.list(&[0, 0, left as i64, 0, 0, right as i64]);
                self.x = self.g.node("Pad", &[&self.x, &pads], vec![]);
                self.length += left + right;
            }
            9 => self.turn(),
            10 => {
                let n = [self.channels];
                let (gamma, beta) = (self.weight(&n, 1.0, 0.2), self.weight(&n, 0.0, 0.2));
                let perm = || vec![AttributeProto::of_ints("perm", &[0, 2, 1])];
                let y = self.g.node("Transpose", &[&self.x], perm());
                let axis = AttributeProto::of_int("axis", -1);
                let y = self
                    .g
                    .node("LayerNormalization", &[&y, &gamma, &beta], vec![axis]);
                self.x = self.g.node("Transpose", &[&y], perm());
            }
            _ => {
                let n = [self.channels];
                let (gamma, beta) = (self.weight(&n, 1.0, 0.2), self.weight(&n, 0.0, 0.2));
                let (mean, variance) = (self.weight(&n, 0.0, 0.2), self.weight(&n, 1.0, 0.0));
                let inputs = [&self.x, &gamma, &beta, &mean, &variance].map(String::as_str);
                self.x = self.g.node("BatchNormalization", &inputs, vec![]);
            }
        }
        self.padded = kind == 8;
    }

    /// An operator that spreads each change over all positions, behind a convolution: the engine cuts the
    /// graph there.
    fn global(&mut self) {
        let (y, channels, length) = self.conv(false, None);
        (self.channels, self.length) = (channels, length);
        self.x = self.function(&y);
        let x = self.x.clone();
        self.x = match self.dice.below(3) {
            // Squeeze-excite.
            0 => {
                let mean = self.g.node("GlobalAveragePool", &[&x], vec![]);
                let weight = self.weight(&[channels, channels, 1], 0.0, 0.5);
                let gate = self.g.node("Conv", &[&mean, &weight], vec![]);
                let gate = self.g.node("Sigmoid", &[&gate], vec![]);
                self.g.node("Mul", &[&x, &gate], vec![])
            }
            1 => {
                let n = [channels];
                let (scale, shift) = (self.weight(&n, 1.0, 0.2), self.weight(&n, 0.0, 0.2));
                let epsilon = AttributeProto::of_float("epsilon", 0.1);
                let inputs = [&x, &scale, &shift].map(String::as_str);
                self.g.node("InstanceNormalization", &inputs, vec![epsilon])
            }
            // Attention: positions by positions.
            _ => {
                let perm = vec![AttributeProto::of_ints("perm", &[0, 2, 1])];
                let turned = self.g.node("Transpose", &[&x], perm);
                let alike = self.g.node("MatMul", &[&turned, &x], vec![]);
                let share = self.g.node("Softmax", &[&alike], vec![]);
                self.g.node("MatMul", &[&x, &share], vec![])
            }
        };
        self.padded = false;
    }

    /// Channels, positions or both the other way round, in any of the ways that exporters write it; alone,
    /// added to what was, or beside it.
    fn turn(&mut self) {
        let (mut y, which) = (self.x.clone(), 1 + self.dice.below(3));
        for (axis, size) in [(1, self.channels), (2, self.length)] {
            if which & axis == 0 {
                continue;
            }
            y = match self.dice.below(4) {
                0 => {
                    let order: Vec<i64> = (0..size as i64).rev().collect();
                    let order = self.list(&order);
                    let axis = AttributeProto::of_int("axis", axis as i64);
                    self.g.node("Gather", &[&y, &order], vec![axis])
                }
                1 if axis == 1 => {
                    let order: Vec<i64> = (0..size)
                        .map(|_| self.dice.below(size) as i64 - size as i64)
                        .collect();
                    let order = self.list(&order);
                    let axis = AttributeProto::of_int("axis", axis as i64);
                    self.g.node("Gather", &[&y, &order], vec![axis])
                }
                n => {
                    // As PyTorch writes `flip`.
                    let (from, to) = [(-1, i64::MIN + 1), (i64::MAX, -1 - size as i64)][n % 2];
                    let [from, to, axis, step] =
                        [from, to, axis as i64, -1].map(|v| self.list(&[v]));
                    let inputs = [&y, &from, &to, &axis, &step].map(String::as_str);
                    self.g.node("Slice", &inputs, vec![])
                }
            };
        }
        self.x = match self.dice.below(4) {
            0 => y,
            1 if self.channels <= 12 => {
                self.channels *= 2;
                let axis = AttributeProto::of_int("axis", 1);
                self.g.node("Concat", &[&self.x, &y], vec![axis])
            }
            2 => self.g.node("Max", &[&self.x, &y], vec![]),
            _ => self.g.node("Add", &[&self.x, &y], vec![]),
        };
    }

    /// From positions to activities.
    fn head(mut self) -> Vec<u8> {
        let mut features = self.channels * self.length;
        let mut x = match self.dice.below(5) {
            0 => {
                features = self.channels;
                let y = self.g.node("GlobalMaxPool", &[&self.x], vec![]);
                self.g.node("Flatten", &[&y], vec![])
            }
            1 => {
                features = self.channels;
                let keep = AttributeProto::of_int("keepdims", 0);
                if self.operator_set < 18 {
                    let axes = AttributeProto::of_ints("axes", &[2]);
                    self.g.node("ReduceMean", &[&self.x], vec![axes, keep])
                } else {
                    let axes = self.list(&[2]);
                    self.g.node("ReduceMean", &[&self.x, &axes], vec![keep])
                }
            }
            2 => {
                features = self.channels;
                let axes = self.list(&[-1]);
                let y = self.g.node("ReduceSum", &[&self.x, &axes], vec![]);
                self.g.node("Flatten", &[&y], vec![])
            }
            3 => {
                let perm = vec![AttributeProto::of_ints("perm", &[0, 2, 1])];
                let y = self.g.node("Transpose", &[&self.x], perm);
                self.g.node("Flatten", &[&y], vec![])
            }
            _ => self.g.node("Flatten", &[&self.x], vec![]),
        };
        for outputs in [1 + self.dice.below(6), 2] {
            let w = self.weight(&[features, outputs], 0.0, (1.0 / features as f32).sqrt());
            let b = self.weight(&[outputs], 0.0, 0.2);
            let y = self.g.node("Gemm", &[&x, &w, &b], vec![]);
            x = match outputs {
                2 => y,
                _ => self.function(&y),
            };
            features = outputs;
        }
        self.g.node_to("Identity", &[&x], vec![], "y");
        self.g.output("y", &[Err("n"), Ok(2)]);
        self.g.to_bytes()
    }
}

pub(crate) fn graph(dice: &mut Dice) -> (Vec<u8>, usize) {
    let window = 20 + dice.below(30);
    let framed = dice.one_in(3);
    let length = window + if framed { dice.below(20) } else { 0 };
    let mut g = GraphBuilder::new("random");
    // Operators of one name are read by their own set's rules; the newest that ONNX Runtime takes is the last.
    let operator_set = 17 + dice.below(8) as i64;
    g.operator_set(operator_set);
    if framed {
        let offset = dice.below(length - window + 1);
        let frame = format!(r#"{{"window": {window}, "offset": {offset}, "frame": {length}}}"#);
        g.metadata("mpra_score.frame", &frame);
    }
    g.metadata("mpra_score.alphabet", ["ACGT", "TGAC"][dice.below(2)]);
    g.input("x", &[Err("n"), Ok(4), Ok(length)]);
    let blocks = 1 + dice.below(6);
    let mut growing = Growing {
        g,
        dice,
        x: "x".into(),
        channels: 4,
        length,
        weights: 0,
        operator_set,
        padded: false,
    };
    // Some are cut somewhere.
    let cut = match growing.dice.one_in(6) {
        true => growing.dice.below(blocks),
        false => blocks,
    };
    for block in 0..blocks {
        if block == cut {
            growing.global();
        }
        growing.block();
    }
    (growing.head(), window)
}

fn check(
    bytes: Vec<u8>,
    contig: &[u8],
    lattice: Lattice,
    wanted: &[Interval],
    strands: Strand,
) -> Result<(), String> {
    let runtime = Runtime::load(None).unwrap();
    let file = ModelFile::from_bytes(Path::new("random.onnx"), bytes).unwrap();
    let model = Model::open(file, &ModelOptions::default(), &runtime).map_err(|e| e.to_string())?;
    let plan = DagPlan::new(model.file(), model.spec()).map_err(|e| e.to_string())?;
    let (origin, len) = Stretch::needs(lattice.window(), wanted);
    let code = |p: i64| usize::try_from(p).ok().and_then(|p| contig.get(p)).copied();
    let codes = (origin..origin + len as i64).map(|p| code(p).unwrap_or(4));
    let codes: Vec<u8> = codes.collect();
    let stretch = Stretch {
        lattice,
        codes: &codes,
        origin,
        wanted,
    };
    let text = plan.describe();
    let (whole, changed) = plan.products();
    assert!(changed <= whole, "{changed} of {whole}");
    let number = |n| NonZeroUsize::new(n).unwrap();
    let shared = DagShared::new(plan.clone(), number(2), number(5), &runtime);
    let shared = Arc::new(shared.map_err(|e| format!("{e}\n{text}"))?);
    let mut fast = DagEngine::new(&shared, strands);
    let rounding = |codes: &[u8]| shared.rounding(codes).unwrap();
    let mut full: Box<dyn Engine> = match strands {
        Strand::Forward => Box::new(FullEngine::new(model, 64)),
        Strand::Both => Box::new(FullEngine::new(BothStrands::new(model), 64)),
    };
    check_against_full(&mut fast, full.as_mut(), &[stretch], &rounding)
        .map_err(|e| format!("{e}\n{text}"))
}

fn random_case(seed: u64) {
    let mut dice = Dice(seed);
    let (bytes, window) = graph(&mut dice);
    let contig = contig(&mut dice, 150);
    let stride = 1 + dice.below(window) as u32;
    let lattice = Lattice::genome(window as u32, stride).unwrap();
    // Engines must agree about windows with unknown bases, too.
    let mut lattice = lattice.allowing(window as u32 / 2);
    let from = dice.below(100) as u32;
    let wanted = [Interval::new(from, from + 1 + dice.below(12) as u32).unwrap()];
    if dice.one_in(2) {
        lattice = lattice.for_region(from);
    }
    let strands = match dice.one_in(3) {
        true => Strand::Both,
        false => Strand::Forward,
    };
    check(bytes, &contig, lattice, &wanted, strands).unwrap_or_else(|e| panic!("{seed}: {e}"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_graphs(seed in any::<u64>()) {
        random_case(seed);
    }
}

/// An architecture at full size, with a few bases wanted, also next to unknown ones.
fn preset(builder: GraphBuilder, window: usize) {
    let mut dice = Dice(3);
    let mut contig = contig(&mut dice, window + 200);
    contig[window + 20..window + 40].fill(4);
    let lattice = Lattice::genome(window as u32, window as u32).unwrap();
    let lattice = lattice.allowing(window as u32 / 2);
    let middle = (window / 2) as u32;
    let i = |a, b| Interval::new(a, b).unwrap();
    let wanted = [
        i(0, 1),
        i(middle, middle + 2),
        i(window as u32 - 1, window as u32),
    ];
    check(
        builder.to_bytes(),
        &contig,
        lattice,
        &wanted,
        Strand::Forward,
    )
    .unwrap();
}

#[test]
fn basset() {
    preset(presets::basset(&mut presets::normal_from(1)), 600);
}

#[test]
fn deepstarr() {
    preset(presets::deepstarr(&mut presets::normal_from(2)), 249);
}

#[test]
fn malinois() {
    preset(presets::malinois(&mut presets::normal_from(3)), 600);
}

#[test]
fn bpnet() {
    preset(presets::bpnet(&mut presets::normal_from(4), 64), 2_114);
}

/// A chain, but a deep one with padding: the chains' engine has nothing to share there.
#[test]
fn the_papers_deepest_network() {
    let normal = &mut presets::normal_from(6);
    let file = ModelFile::from_bytes(Path::new("search.onnx"), presets::search(normal).to_bytes());
    let file = file.unwrap();
    let spec = file.spec(&ModelOptions::default()).unwrap();
    assert!(matches!(FastPlan::new(&file, &spec), Ok(FastPlan::Graph(plan)) if plan.pays()));
    preset(presets::search(&mut presets::normal_from(6)), 145);
    for chain in [
        presets::paper,
        presets::authors,
        presets::dragonn,
        presets::compact,
    ] {
        let bytes = chain(&mut presets::normal_from(6)).to_bytes();
        let file = ModelFile::from_bytes(Path::new("chain.onnx"), bytes).unwrap();
        let spec = file.spec(&ModelOptions::default()).unwrap();
        assert!(matches!(
            FastPlan::new(&file, &spec),
            Ok(FastPlan::Chain(_))
        ));
    }
}

/// Its cut would not pay, but must be right.
#[test]
fn legnet() {
    preset(presets::legnet(&mut presets::normal_from(5), true), 230);
}

/// One trunk for both strands, `input` of which is the other: as PyTorch (a batch of any size, `Slice`) or
/// Keras (of one window, `ReverseSequence` and `Gather`) writes it.
fn siamese(keras: bool) -> Vec<u8> {
    let mut dice = Dice(5);
    let mut growing = Growing {
        g: GraphBuilder::new("siamese"),
        dice: &mut dice,
        x: String::new(),
        channels: 16,
        length: 60,
        weights: 0,
        operator_set: 17,
        padded: false,
    };
    let perm = || vec![AttributeProto::of_ints("perm", &[0, 2, 1])];
    let (forward, other) = if keras {
        growing.g.input("x", &[Ok(1), Ok(60), Ok(4)]);
        let (lengths, order) = (growing.list(&[60]), growing.list(&[3, 2, 1, 0]));
        let axes = [("time_axis", 1), ("batch_axis", 0)];
        let axes = axes.map(|(name, axis)| AttributeProto::of_int(name, axis));
        let g = &mut growing.g;
        let y = g.node("ReverseSequence", &["x", &lengths], axes.to_vec());
        let axis = AttributeProto::of_int("axis", 2);
        let y = g.node("Gather", &[&y, &order], vec![axis]);
        let forward = g.node("Transpose", &["x"], perm());
        (forward, g.node("Transpose", &[&y], perm()))
    } else {
        growing.g.input("x", &[Err("n"), Ok(4), Ok(60)]);
        let (end, begin) = ([i64::MIN + 1; 2], [-1, -1]);
        let lists = [&begin[..], &end, &[1, 2], &[-1, -1]].map(|list| growing.list(list));
        let [begin, end, axes, steps] = lists.each_ref().map(String::as_str);
        let inputs = ["x", begin, end, axes, steps];
        let y = growing.g.node("Slice", &inputs, vec![]);
        ("x".into(), y)
    };
    let (w1, b1) = (
        growing.weight(&[16, 4, 7], 0.0, 0.3),
        growing.weight(&[16], 0.0, 0.2),
    );
    let (w2, b2) = (
        growing.weight(&[16, 16, 5], 0.0, 0.15),
        growing.weight(&[16], 0.0, 0.2),
    );
    let (w, b) = (
        growing.weight(&[16, 2], 0.0, 0.3),
        growing.weight(&[2], 0.0, 0.2),
    );
    let g = &mut growing.g;
    let mut trunk = |x: &str| {
        let y = g.node("Conv", &[x, &w1, &b1], vec![]);
        let y = g.node("Relu", &[&y], vec![]);
        let y = g.node("Conv", &[&y, &w2, &b2], vec![]);
        let y = g.node("Relu", &[&y], vec![]);
        let y = g.node("GlobalAveragePool", &[&y], vec![]);
        let y = g.node("Flatten", &[&y], vec![]);
        g.node("Gemm", &[&y, &w, &b], vec![])
    };
    let (one, two) = (trunk(&forward), trunk(&other));
    let out = g.node("Max", &[&one, &two], vec![]);
    g.node_to("Identity", &[&out], vec![], "y");
    let batch = if keras { Ok(1) } else { Err("n") };
    g.output("y", &[batch, Ok(2)]);
    growing.g.to_bytes()
}

#[test]
fn networks_that_read_both_strands_themselves() {
    let runtime = Runtime::load(None).unwrap();
    for keras in [false, true] {
        let bytes = siamese(keras);
        let file = ModelFile::from_bytes(Path::new("siamese.onnx"), bytes.clone()).unwrap();
        let model = Model::open(file, &ModelOptions::default(), &runtime).unwrap();
        let plan = DagPlan::new(model.file(), model.spec()).unwrap();
        let text = plan.describe();
        assert!(text.ends_with("reads both strands itself"), "{text}");
        let (whole, changed) = plan.products();
        assert!(4 * changed < whole, "{changed} of {whole}");
        let contig = contig(&mut Dice(6), 200);
        let lattice = Lattice::genome(60, 13).unwrap();
        let wanted = [Interval::new(70, 90).unwrap()];
        check(bytes, &contig, lattice, &wanted, Strand::Forward).unwrap();
    }
}
