mod strands;

use ndarray::{Array2, Axis};

use super::arch::{Architecture, Padding};
use super::network::{FittedLayer, Network};
use super::pass::BN_EPSILON;
use crate::model::onnx::{AttributeProto, GraphBuilder};
use crate::train::Scaling;

/// The trained network as an ONNX model: input `sequence` `[batch, 4, columns]`, output `activity`
/// `[batch, tasks]` in the labels' units, with the metadata of this program's models.
pub fn to_onnx(
    arch: &Architecture,
    network: &Network,
    scaling: &Scaling,
    tasks: &[String],
    description: &str,
) -> Vec<u8> {
    let network = &strands::plain(arch, network);
    let mut graph = GraphBuilder::new("mpra-score");
    graph.input("sequence", &[Err("batch"), Ok(4), Ok(arch.length)]);
    let mut writer = Writer {
        graph,
        tensor: "sequence".to_owned(),
        channels: 4,
        flat: false,
    };
    let last = network.layers.len().saturating_sub(1);
    for (i, layer) in network.layers.iter().enumerate() {
        let name = |what: &str| format!("layer{i}.{what}");
        match layer {
            FittedLayer::Conv {
                weight,
                bias,
                width,
                padding,
            } => writer.conv(name, weight, bias, *width, *padding),
            FittedLayer::Relu => writer.node("Relu", &[], vec![]),
            // Off when a model is used.
            FittedLayer::Dropout(_) | FittedLayer::SpatialDropout(_) => {}
            FittedLayer::BatchNorm {
                scale,
                shift,
                mean,
                variance,
            } => {
                let inputs = [
                    writer.row(&name("scale"), scale),
                    writer.row(&name("shift"), shift),
                    writer.row(&name("mean"), mean),
                    writer.row(&name("variance"), variance),
                ];
                let epsilon = AttributeProto::of_float("epsilon", BN_EPSILON as f32);
                writer.node("BatchNormalization", &inputs, vec![epsilon]);
            }
            FittedLayer::MaxPool(size) => writer.pool("MaxPool", *size),
            FittedLayer::AvgPool(size) => writer.pool("AveragePool", *size),
            FittedLayer::Dense { weight, bias } => {
                let scaling = (i == last).then_some(scaling);
                writer.dense(name, weight, bias, scaling);
            }
        }
    }
    let mut graph = writer.graph;
    graph.output("activity", &[Err("batch"), Ok(tasks.len())]);
    graph.metadata("mpra_score.alphabet", "ACGT");
    graph.metadata("mpra_score.tasks", &serde_json::json!(tasks).to_string());
    if !arch.is_bare() {
        let frame = serde_json::json!({
            "window": arch.window, "offset": arch.offset, "frame": arch.length,
        });
        graph.metadata("mpra_score.frame", &frame.to_string());
    }
    graph.metadata("mpra_score.description", description);
    graph.to_bytes()
}

/// A graph, as far as it is written.
struct Writer {
    graph: GraphBuilder,
    /// What the next layer reads.
    tensor: String,
    /// Its channels.
    channels: usize,
    /// Whether a dense layer has made it `[batch, channels]`.
    flat: bool,
}

impl Writer {
    /// Adds a node that reads the last tensor and these.
    fn node(&mut self, op: &str, more: &[String], attributes: Vec<AttributeProto>) {
        let inputs: Vec<&str> = std::iter::once(&self.tensor)
            .chain(more)
            .map(String::as_str)
            .collect();
        self.tensor = self.graph.node(op, &inputs, attributes);
    }

    /// A matrix of one row as a vector.
    fn row(&mut self, name: &str, row: &Array2<f32>) -> String {
        let values: Vec<f32> = row.iter().copied().collect();
        self.graph.weight(name, &[values.len()], &values)
    }

    fn conv(
        &mut self,
        name: impl Fn(&str) -> String,
        weight: &Array2<f32>,
        bias: &Array2<f32>,
        width: usize,
        padding: Padding,
    ) {
        // From rows tap by tap, filters in columns, to the graph's [filters, channels, width].
        let mut values = Vec::with_capacity(weight.len());
        for filter in weight.columns() {
            for channel in 0..self.channels {
                values.extend(filter.iter().skip(channel).step_by(self.channels));
            }
        }
        let filters = weight.ncols();
        let dims = [filters, self.channels, width];
        let inputs = [
            self.graph.weight(&name("weight"), &dims, &values),
            self.row(&name("bias"), bias),
        ];
        let attributes = match padding.columns(width) {
            (0, 0) => vec![],
            (left, right) => {
                let pads = [left as i64, right as i64];
                vec![AttributeProto::of_ints("pads", &pads)]
            }
        };
        self.node("Conv", &inputs, attributes);
        self.channels = filters;
    }

    fn pool(&mut self, op: &str, size: usize) {
        let size = [size as i64];
        let attributes = ["kernel_shape", "strides"].map(|n| AttributeProto::of_ints(n, &size));
        self.node(op, &[], attributes.into());
    }

    /// `scaling` for the last layer, which gives the labels' units and the graph's output.
    fn dense(
        &mut self,
        name: impl Fn(&str) -> String,
        weight: &Array2<f32>,
        bias: &Array2<f32>,
        scaling: Option<&Scaling>,
    ) {
        let (mut weight, mut bias) = (weight.clone(), bias.clone());
        let (inputs, outputs) = weight.dim();
        if !self.flat {
            self.node("Flatten", &[], vec![AttributeProto::of_int("axis", 1)]);
            // From rows [positions, channels] to the graph's [channels, positions].
            let rows: Vec<usize> = (0..self.channels)
                .flat_map(|channel| (channel..inputs).step_by(self.channels))
                .collect();
            weight = weight.select(Axis(0), &rows);
            self.flat = true;
        }
        if let Some(scaling) = scaling {
            for mut row in weight.rows_mut() {
                for (w, s) in row.iter_mut().zip(&scaling.scale) {
                    *w = (f64::from(*w) * s) as f32;
                }
            }
            for ((b, s), m) in bias.iter_mut().zip(&scaling.scale).zip(&scaling.mean) {
                *b = (f64::from(*b) * s + m) as f32;
            }
        }
        let values: Vec<f32> = weight.iter().copied().collect();
        let (weight, bias) = (
            self.graph
                .weight(&name("weight"), &[inputs, outputs], &values),
            self.row(&name("bias"), &bias),
        );
        if scaling.is_some() {
            let inputs = [self.tensor.as_str(), &weight, &bias];
            self.graph.node_to("Gemm", &inputs, vec![], "activity");
        } else {
            self.node("Gemm", &[weight, bias], vec![]);
        }
        self.channels = outputs;
    }
}
