//! Graphs outside the fast engine's family are refused, each with a sentence that says why. None
//! of these needs ONNX Runtime.

use std::path::Path;

use mpra_score::ism::fast::Plan;
use mpra_score::model::onnx::{AttributeProto, GraphBuilder};
use mpra_score::model::{ModelFile, ModelOptions};

/// Conv with `attributes`, then whatever `build` adds, to the output `y` of two tasks.
fn reason(
    attributes: Vec<AttributeProto>,
    build: impl Fn(&mut GraphBuilder, &str) -> String,
) -> String {
    let mut g = GraphBuilder::new("refused");
    g.input("x", &[Err("n"), Ok(4), Ok(20)]);
    let w = g.weight("w", &[3, 4, 3], &[0.1; 36]);
    let x = g.node("Conv", &["x", &w], attributes);
    let x = build(&mut g, &x);
    g.node_to("Identity", &[&x], vec![], "y");
    g.output("y", &[Err("n"), Ok(2)]);
    let file = ModelFile::from_bytes(Path::new("refused.onnx"), g.to_bytes()).unwrap();
    let spec = file.spec(&ModelOptions::default()).unwrap();
    Plan::new(&file, &spec).unwrap_err().to_string()
}

#[test]
fn strides() {
    let stride = vec![AttributeProto::of_ints("strides", &[2])];
    assert_eq!(
        reason(stride, |_, x| x.into()),
        "Conv on axes [batch, channels 4, length 20]: strides other than 1 are not supported"
    );
}

#[test]
fn groups() {
    let group = vec![AttributeProto::of_int("group", 2)];
    assert_eq!(
        reason(group, |_, x| x.into()),
        "Conv on axes [batch, channels 4, length 20]: grouped convolutions are not supported"
    );
}

#[test]
fn residual_additions() {
    let found = reason(vec![], |g, x| {
        let y = g.node("Relu", &[x], vec![]);
        g.node("Add", &[x, &y], vec![])
    });
    assert_eq!(
        found,
        "2 operators use the tensor \"conv_1\", and only plain chains are supported (no residual or other branches)"
    );
}

#[test]
fn other_operators() {
    let found = reason(vec![], |g, x| g.node("LSTM", &[x], vec![]));
    assert_eq!(found, "the operator LSTM is not supported");
}

#[test]
fn convolutions_behind_a_pool() {
    let found = reason(vec![], |g, x| {
        let kernel = vec![
            AttributeProto::of_ints("kernel_shape", &[2]),
            AttributeProto::of_ints("strides", &[2]),
        ];
        let x = g.node("MaxPool", &[x], kernel);
        let w = g.weight("w2", &[2, 3, 3], &[0.1; 18]);
        g.node("Conv", &[&x, &w], vec![])
    });
    assert_eq!(
        found,
        "Conv on axes [batch, channels 2, length 7]: a convolution behind a pool is not supported"
    );
}

#[test]
fn outputs_along_the_sequence() {
    assert_eq!(
        reason(vec![], |_, x| x.into()),
        "the output is not one row of activities a window"
    );
}
