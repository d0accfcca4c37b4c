use super::arch::{Architecture, Layer};
use super::network::{BN_EPSILON, Parameters};
use crate::model::onnx::{AttributeProto, GraphBuilder};
use crate::train::Scaling;

/// The trained network as an ONNX model: input `sequence` `[batch, 4, columns]`, output `activity`
/// `[batch, tasks]` in the labels' units, with the metadata of this program's models.
pub fn to_onnx(
    arch: &Architecture,
    parameters: &Parameters,
    scaling: &Scaling,
    tasks: &[String],
    description: &str,
) -> Vec<u8> {
    let mut graph = GraphBuilder::new("mpra-score");
    graph.input("sequence", &[Err("batch"), Ok(4), Ok(arch.length)]);
    let mut weights = parameters.weights.iter();
    let mut running = parameters.running.iter();
    let mut next = || weights.next().map(|w| w.values.as_slice()).unwrap_or(&[]);
    let mut tensor = "sequence".to_owned();
    let (mut channels, mut positions, mut flat) = (4, arch.length, false);
    for (i, layer) in arch.layers.iter().enumerate() {
        let name = |what: &str| format!("layer{i}.{what}");
        match *layer {
            Layer::Conv {
                filters,
                width,
                padding,
            } => {
                let (from, bias) = (next(), next());
                let mut to = Vec::with_capacity(from.len());
                for filter in 0..filters {
                    for channel in 0..channels {
                        to.extend(
                            (0..width)
                                .map(|tap| from[(tap * channels + channel) * filters + filter]),
                        );
                    }
                }
                let weight = graph.weight(&name("weight"), &[filters, channels, width], &to);
                let bias = graph.weight(&name("bias"), &[filters], bias);
                let attributes = match padding.columns(width) {
                    (0, 0) => vec![],
                    (left, right) => {
                        vec![AttributeProto::of_ints(
                            "pads",
                            &[left as i64, right as i64],
                        )]
                    }
                };
                tensor = graph.node("Conv", &[&tensor, &weight, &bias], attributes);
                channels = filters;
                positions -= padding.loss(width);
            }
            Layer::Relu => tensor = graph.node("Relu", &[&tensor], vec![]),
            // Off when a model is used.
            Layer::Dropout(_) => {}
            Layer::BatchNorm => {
                let scale = graph.weight(&name("scale"), &[channels], next());
                let shift = graph.weight(&name("shift"), &[channels], next());
                let Some(running) = running.next() else {
                    continue;
                };
                let mean = graph.weight(&name("mean"), &[channels], &running.mean);
                let variance = graph.weight(&name("variance"), &[channels], &running.variance);
                tensor = graph.node(
                    "BatchNormalization",
                    &[&tensor, &scale, &shift, &mean, &variance],
                    vec![AttributeProto::of_float("epsilon", BN_EPSILON as f32)],
                );
            }
            Layer::MaxPool(size) | Layer::AvgPool(size) => {
                let op = match layer {
                    Layer::MaxPool(_) => "MaxPool",
                    _ => "AveragePool",
                };
                let size_i = size as i64;
                tensor = graph.node(
                    op,
                    &[&tensor],
                    vec![
                        AttributeProto::of_ints("kernel_shape", &[size_i]),
                        AttributeProto::of_ints("strides", &[size_i]),
                    ],
                );
                positions /= size;
            }
            Layer::Dense(outputs) => {
                let (from, bias) = (next(), next());
                let mut bias = bias.to_vec();
                let outputs_n = outputs.unwrap_or(tasks.len());
                let inputs = from.len() / outputs_n.max(1);
                let mut to = from.to_vec();
                if !flat {
                    tensor = graph.node(
                        "Flatten",
                        &[&tensor],
                        vec![AttributeProto::of_int("axis", 1)],
                    );
                    // From [positions, channels] to the graph's [channels, positions].
                    for channel in 0..channels {
                        for position in 0..positions {
                            let row = (position * channels + channel) * outputs_n;
                            let at = (channel * positions + position) * outputs_n;
                            to[at..at + outputs_n].copy_from_slice(&from[row..row + outputs_n]);
                        }
                    }
                    flat = true;
                }
                if outputs.is_none() {
                    for row in to.chunks_exact_mut(outputs_n) {
                        for (w, s) in row.iter_mut().zip(&scaling.scale) {
                            *w = (f64::from(*w) * s) as f32;
                        }
                    }
                    for ((b, s), m) in bias.iter_mut().zip(&scaling.scale).zip(&scaling.mean) {
                        *b = (f64::from(*b) * s + m) as f32;
                    }
                }
                let weight = graph.weight(&name("weight"), &[inputs, outputs_n], &to);
                let bias = graph.weight(&name("bias"), &[outputs_n], &bias);
                let inputs = [tensor.as_str(), weight.as_str(), bias.as_str()];
                if outputs.is_none() {
                    graph.node_to("Gemm", &inputs, vec![], "activity");
                } else {
                    tensor = graph.node("Gemm", &inputs, vec![]);
                }
                channels = outputs_n;
            }
        }
    }
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
