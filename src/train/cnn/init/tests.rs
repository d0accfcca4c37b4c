use super::source::padding;
use super::*;
use crate::model::ModelOptions;
use crate::model::onnx::{AttributeProto, GraphBuilder, NodeProto};
use crate::train::cnn::arch::Layers;

fn padded(attributes: Vec<AttributeProto>, kernel: &[usize], width: usize) -> Option<Padding> {
    let node = NodeProto {
        op_type: "Conv".into(),
        attribute: attributes,
        ..NodeProto::default()
    };
    padding(&node, kernel, width)
}

#[test]
fn padding_is_read_in_every_form_that_means_the_same() {
    let pads = |p: &[i64]| vec![AttributeProto::of_ints("pads", p)];
    let auto = |a: &str| vec![AttributeProto::of_string("auto_pad", a)];
    let (none, same) = (Some(Padding::None), Some(Padding::Same));
    for (attributes, kernel, width, expected) in [
        (vec![], vec![5], 5, none),
        (pads(&[0, 0]), vec![5], 5, none),
        (auto("VALID"), vec![5], 5, none),
        (auto("SAME_UPPER"), vec![4], 4, same),
        (auto("SAME_LOWER"), vec![5], 5, same),
        // One more on the left.
        (auto("SAME_LOWER"), vec![4], 4, None),
        (pads(&[1, 2]), vec![4], 4, same),
        (pads(&[2, 1]), vec![4], 4, None),
        (pads(&[2, 2]), vec![5], 5, same),
        (pads(&[4, 4]), vec![5], 5, None),
        (pads(&[2]), vec![5], 5, None),
        // A flat kernel of two axes: begins of both, then ends of both.
        (pads(&[0, 2, 0, 2]), vec![1, 5], 5, same),
        (pads(&[2, 0, 2, 0]), vec![5, 1], 5, same),
        (pads(&[1, 2, 1, 2]), vec![1, 5], 5, None),
        (pads(&[2, 0, 2, 0]), vec![1, 5], 5, None),
        (auto("SOMEHOW"), vec![5], 5, None),
    ] {
        let found = padded(attributes.clone(), &kernel, width);
        assert_eq!(found, expected, "{attributes:?} {kernel:?}");
    }
}

/// What starting from a graph over windows of 20 bases with one task gives.
fn start(layers: &str, build: impl Fn(&mut GraphBuilder)) -> Result<(usize, Network), TrainError> {
    let mut g = GraphBuilder::new("other");
    g.input("x", &[Err("n"), Ok(4), Ok(20)]);
    g.output("y", &[Err("n"), Ok(1)]);
    build(&mut g);
    let file = ModelFile::from_bytes("other.onnx".as_ref(), g.to_bytes()).unwrap();
    let spec = file.spec(&ModelOptions::default()).unwrap();
    let layers = layers.parse::<Layers>().unwrap().0;
    let arch = Architecture::new(20, 20, 0, layers).unwrap();
    let mut parameters = Network::random(&arch, 1, 1);
    let scaling = Scaling {
        mean: vec![0.0],
        scale: vec![1.0],
    };
    let copied = start_from(
        &mut parameters,
        &arch,
        &scaling,
        &file,
        &spec,
        &[Some(0)],
        None,
    )?;
    Ok((copied, parameters))
}

/// Two convolutions of width 1 over windows of 20 bases and a dense layer, whose weights are `first`, [filters, bases], and
/// `second`, [filters, filters].
fn two_layers(first: &[f32], second: &[f32]) -> (ModelFile, ModelSpec) {
    let mut g = GraphBuilder::new("other");
    g.input("x", &[Err("n"), Ok(4), Ok(20)]);
    g.output("y", &[Err("n"), Ok(1)]);
    let filters = first.len() / 4;
    let w = g.weight("w1", &[filters, 4, 1], first);
    let x = g.node("Conv", &["x", &w], vec![]);
    let x = g.node("Relu", &[&x], vec![]);
    let w = g.weight("w2", &[second.len() / filters, filters, 1], second);
    let x = g.node("Conv", &[&x, &w], vec![]);
    let x = g.node("Relu", &[&x], vec![]);
    let x = g.node("Flatten", &[&x], vec![]);
    let features = second.len() / filters * 20;
    let w = g.weight("w3", &[features, 1], &vec![1.0; features]);
    let b = g.weight("b3", &[1], &[0.5]);
    g.node_to("Gemm", &[&x, &w, &b], vec![], "y");
    let file = ModelFile::from_bytes("other.onnx".as_ref(), g.to_bytes()).unwrap();
    let spec = file.spec(&ModelOptions::default()).unwrap();
    (file, spec)
}

#[test]
fn models_lie_side_by_side() {
    let one = two_layers(
        &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
        &[10.0, 20.0, 30.0, 40.0],
    );
    // Its second filter weighs least in the layer behind it, so that the first and the third are taken.
    let other = two_layers(
        &[
            -1.0, -2.0, -3.0, -4.0, 0.1, 0.2, 0.3, 0.4, -5.0, -6.0, -7.0, -8.0,
        ],
        &[50.0, 0.0, 60.0, 70.0, 0.0, 80.0],
    );
    let layers = "conv 4x1, relu, conv 4x1, relu, dense";
    let layers = layers.parse::<Layers>().unwrap().0;
    let arch = Architecture::new(20, 20, 0, layers).unwrap();
    let mut network = Network::random(&arch, 2, 1);
    let dense = matrices(&network)[4].clone();
    let models = [one, other];
    assert_eq!(start_beside(&mut network, &arch, &models).unwrap(), 2);
    let all = matrices(&network);
    // By bases; by inputs.
    #[rustfmt::skip]
    assert_eq!(all[0], [
        1.0, 5.0, -1.0, -5.0,
        2.0, 6.0, -2.0, -6.0,
        3.0, 7.0, -3.0, -7.0,
        4.0, 8.0, -4.0, -8.0,
    ]);
    #[rustfmt::skip]
    assert_eq!(all[2], [
        10.0, 30.0, 0.0, 0.0,
        20.0, 40.0, 0.0, 0.0,
        0.0, 0.0, 50.0, 70.0,
        0.0, 0.0, 60.0, 80.0,
    ]);
    assert_eq!(all[4], dense);
    // One of them has too few filters.
    let wide = "conv 4x1, relu, conv 6x1, relu, dense".parse::<Layers>();
    let wide = Architecture::new(20, 20, 0, wide.unwrap().0).unwrap();
    let mut network = Network::random(&wide, 2, 1);
    assert_eq!(start_beside(&mut network, &wide, &models).unwrap(), 1);
    let none = "conv 4x3, relu, dense".parse::<Layers>().unwrap().0;
    let none = Architecture::new(20, 20, 0, none).unwrap();
    let mut network = Network::random(&none, 2, 1);
    let error = start_beside(&mut network, &none, &models).unwrap_err();
    let said = "no layer of other.onnx and other.onnx fits the architecture";
    assert!(error.to_string().contains(said), "{error}");
}

/// Weights and biases in the layers' order, row-major.
fn matrices(network: &Network) -> Vec<Vec<f32>> {
    let mut all = Vec::new();
    for layer in &network.layers {
        if let FittedLayer::Conv { weight, bias, .. } | FittedLayer::Dense { weight, bias } = layer
        {
            all.push(weight.iter().copied().collect());
            all.push(bias.iter().copied().collect());
        }
    }
    all
}

#[test]
fn a_graph_with_a_cycle_is_an_error() {
    for second in ["a", "b"] {
        let result = start("conv 2x3, relu, dense", |g| {
            let w = g.weight("w", &[2, 4, 3], &[1.0; 24]);
            g.node_to("Conv", &["x", &w], vec![], "a");
            // Leads back to itself, or waits for itself.
            g.node_to("Identity", &[second], vec![], second);
            g.node_to("Flatten", &["a"], vec![], "y");
        });
        let error = result.unwrap_err().to_string();
        assert!(error.contains("other.onnx"), "{error}");
        assert!(error.contains("the graph has a cycle"), "{error}");
    }
}

#[test]
fn only_the_last_dense_layer_gives_tasks() {
    let dense = |g: &mut GraphBuilder, from: &str, inputs: usize, outputs: usize, to: &str| {
        let name = |kind| format!("{kind}{outputs}");
        let values: Vec<f32> = (0..inputs * outputs).map(|i| i as f32).collect();
        let w = g.weight(&name("w"), &[inputs, outputs], &values);
        let b = g.weight(&name("b"), &[outputs], &vec![0.5; outputs]);
        g.node_to("Gemm", &[from, &w, &b], vec![], to);
    };
    let trunk = |g: &mut GraphBuilder| {
        let values: Vec<f32> = (0..24).map(|i| i as f32).collect();
        let w = g.weight("w", &[2, 4, 3], &values);
        let x = g.node("Conv", &["x", &w], vec![]);
        let x = g.node("Relu", &[&x], vec![]);
        g.node("Flatten", &[&x], vec![])
    };
    let layers = "conv 2x3, relu, dense";
    let (copied, all) = start(layers, |g| {
        let x = trunk(g);
        dense(g, &x, 36, 1, "y");
    })
    .unwrap();
    assert_eq!(copied, 2);
    // Tap by tap; the graph's filters are [2, 4, 3].
    assert_eq!(matrices(&all)[0][..4], [0.0, 12.0, 3.0, 15.0]);
    // Position by position; the graph's features are channels first.
    assert_eq!(matrices(&all)[2][..4], [0.0, 18.0, 1.0, 19.0]);
    assert_eq!(matrices(&all)[3], [0.5]);
    let (copied, hidden) = start(layers, |g| {
        let x = trunk(g);
        dense(g, &x, 36, 3, "h");
        let x = g.node("Relu", &["h"], vec![]);
        dense(g, &x, 3, 1, "y");
    })
    .unwrap();
    assert_eq!(copied, 1);
    assert_eq!(matrices(&hidden)[0], matrices(&all)[0]);
    assert_ne!(matrices(&hidden)[3], [0.5]);
}
