//! Models whose output is not `[batch, tasks]`, or whose weights lie in another file, by ONNX Runtime.

use mpra_score::model::onnx::{GraphBuilder, ModelProto, Reduce, StringStringEntryProto};
use mpra_score::model::{Model, ModelFile, ModelOptions, Predict, Runtime};
use prost::Message;

const W: usize = 20;

/// The one-hot window itself, `[batch, 4, W]` or turned, of an operator set.
fn profile(turned: bool, opset: i64) -> Vec<u8> {
    let mut graph = GraphBuilder::new("profile");
    graph.input("x", &[Err("batch"), Ok(4), Ok(W)]);
    if turned {
        let perm = mpra_score::model::onnx::AttributeProto::of_ints("perm", &[0, 2, 1]);
        graph.node_to("Transpose", &["x"], vec![perm], "y");
        graph.output("y", &[Err("batch"), Ok(W), Ok(4)]);
    } else {
        graph.node_to("Identity", &["x"], vec![], "y");
        graph.output("y", &[Err("batch"), Ok(4), Ok(W)]);
    }
    let mut model = graph.build();
    model.opset_import[0].version = opset;
    model.encode_to_vec()
}

fn open(bytes: Vec<u8>, output: Option<&str>, reduce: Option<Reduce>) -> Result<Model, String> {
    let options = ModelOptions {
        output: output.map(str::to_owned),
        reduce,
        ..ModelOptions::default()
    };
    let file = ModelFile::from_bytes("test.onnx".as_ref(), bytes).map_err(|e| e.to_string())?;
    let runtime = Runtime::load(None).map_err(|e| e.to_string())?;
    Model::open(file, &options, &runtime).map_err(|e| e.to_string())
}

#[test]
fn positions_are_reduced() {
    // 9 A, 6 C, 5 G, no T; in the middle ten 4 A, 2 C, 4 G.
    let window: Vec<u8> = "AAACCGAAACAGCGAGCACA"
        .bytes()
        .map(|b| mpra_score::encode::code(b).unwrap())
        .collect();
    let count = |codes: &[u8]| [0, 1, 2, 3].map(|b| codes.iter().filter(|c| **c == b).count());
    let all = count(&window).map(|n| n as f32);
    let middle = count(&window[5..15]).map(|n| n as f32);
    assert!(all != middle.map(|n| 2.0 * n));
    let e = 1f32.exp();
    for (reduce, expected) in [
        (Reduce::Sum, all),
        (Reduce::Mean, all.map(|n| n / W as f32)),
        (Reduce::Max, all.map(|n| n.min(1.0))),
        (Reduce::Centre(10), middle),
        (
            Reduce::SoftmaxWeighted,
            all.map(|n| n * e / (n * e + W as f32 - n)),
        ),
    ] {
        for turned in [false, true] {
            for opset in [9, 12, 13, 17, 18] {
                let mut model = open(profile(turned, opset), None, Some(reduce)).unwrap();
                let mut found = [0.0; 4];
                model.predict(&window, &mut found).unwrap();
                for (found, expected) in found.iter().zip(expected) {
                    let near = (found - expected).abs() < 1e-5;
                    assert!(near, "{reduce} {turned} {opset}: {found} {expected}");
                }
            }
        }
    }
    let error = open(profile(false, 17), None, None).err().unwrap();
    assert!(error.contains("--reduce"), "{error}");
}

#[test]
fn one_of_several_outputs_is_taken() {
    let mut graph = GraphBuilder::new("two");
    graph.input("x", &[Err("batch"), Ok(4), Ok(W)]);
    graph.ints("axes", &[1, 2]);
    graph.ints("last", &[2]);
    graph.node_to("ReduceSum", &["x", "axes"], vec![], "known");
    graph.output("known", &[Err("batch"), Ok(1), Ok(1)]);
    graph.node_to("ReduceSum", &["x", "last"], vec![], "counts");
    graph.output("counts", &[Err("batch"), Ok(4), Ok(1)]);
    let bytes = graph.to_bytes();
    let error = open(bytes.clone(), None, None).err().unwrap();
    assert!(
        error.contains("known") && error.contains("--output NAME"),
        "{error}"
    );
    let mut known = open(bytes.clone(), Some("known"), None).unwrap();
    let mut counts = open(bytes, Some("counts"), None).unwrap();
    assert_eq!((known.tasks(), counts.tasks()), (1, 4));
    let mut window = vec![2; W];
    window[3] = 4;
    let (mut one, mut four) = ([0.0], [0.0; 4]);
    known.predict(&window, &mut one).unwrap();
    counts.predict(&window, &mut four).unwrap();
    assert_eq!((one, four), ([19.0], [0.0, 0.0, 19.0, 0.0]));
}

#[test]
fn weights_beside_the_file_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut graph = GraphBuilder::new("beside");
    graph.input("x", &[Err("batch"), Ok(4), Ok(W)]);
    let values: Vec<f32> = (0..4 * W * 2).map(|i| i as f32 / 10.0).collect();
    graph.weight("w", &[4 * W, 2], &values);
    let flat = graph.node("Flatten", &["x"], vec![]);
    graph.node_to("MatMul", &[&flat, "w"], vec![], "y");
    graph.output("y", &[Err("batch"), Ok(2)]);
    let inside = graph.to_bytes();
    let mut model: ModelProto = graph.build();
    let tensor = &mut model.graph.as_mut().unwrap().initializer[0];
    let raw = std::mem::take(&mut tensor.raw_data);
    tensor.data_location = 1;
    tensor.external_data = vec![StringStringEntryProto {
        key: "location".into(),
        value: "m.onnx.data".into(),
    }];
    let path = folder.path().join("m.onnx");
    std::fs::write(&path, model.encode_to_vec()).unwrap();
    let read = || ModelFile::read(&path);
    let error = read().unwrap_err();
    assert!(error.to_string().contains("m.onnx.data"), "{error}");
    assert!(error.hint().unwrap().contains("where the model expects it"));
    std::fs::write(folder.path().join("m.onnx.data"), &raw).unwrap();
    let file = read().unwrap();
    let sha256 = file.sha256().to_owned();
    let runtime = Runtime::load(None).unwrap();
    let mut beside = Model::open(file, &ModelOptions::default(), &runtime).unwrap();
    let mut whole = open(inside, None, None).unwrap();
    let window: Vec<u8> = (0..W as u8).map(|i| i % 4).collect();
    let (mut a, mut b) = ([0.0; 2], [0.0; 2]);
    beside.predict(&window, &mut a).unwrap();
    whole.predict(&window, &mut b).unwrap();
    assert!(a == b && a[0] != 0.0);
    // Another weight is another model.
    std::fs::write(folder.path().join("m.onnx.data"), vec![0; raw.len()]).unwrap();
    assert!(read().unwrap().sha256() != sha256);
}

/// A chain whose weights are kept in 16 bits behind a Cast, and a Reshape that fixes the batch.
#[test]
fn weights_of_16_bits_and_a_fixed_reshape() {
    use mpra_score::ism::fast::Plan;
    use mpra_score::model::onnx::{AttributeProto, FLOAT};
    // Exact in either form: eighths of small size.
    let values: Vec<f32> = (0..2 * 4 * W)
        .map(|i| (i % 13) as f32 / 8.0 - 0.25)
        .collect();
    let bits = |kind: i32| -> Vec<u8> {
        let bits = |v: &f32| match kind {
            10 => half::f16::from_f32(*v).to_bits(),
            _ => half::bf16::from_f32(*v).to_bits(),
        };
        values.iter().flat_map(|v| bits(v).to_le_bytes()).collect()
    };
    let model = |kind: Option<i32>, shape: [i64; 2]| {
        let mut graph = GraphBuilder::new("halves");
        graph.input("x", &[Err("batch"), Ok(4), Ok(W)]);
        graph.weight("w", &[2, 4, W], &values);
        let weight = match kind {
            Some(_) => graph.node(
                "Cast",
                &["w"],
                vec![AttributeProto::of_int("to", FLOAT.into())],
            ),
            None => "w".into(),
        };
        let conv = graph.node("Conv", &["x", &weight], vec![]);
        let conv = graph.node("Relu", &[&conv], vec![]);
        graph.ints("shape", &shape);
        let flat = graph.node("Reshape", &[&conv, "shape"], vec![]);
        graph.weight("dense", &[2, 2], &[1.0, 0.5, -0.5, 2.0]);
        graph.node_to("MatMul", &[&flat, "dense"], vec![], "y");
        graph.output("y", &[Err("batch"), Ok(2)]);
        let mut built = graph.build();
        if let Some(kind) = kind {
            let tensor = &mut built.graph.as_mut().unwrap().initializer[0];
            tensor.data_type = kind;
            tensor.raw_data = bits(kind);
        }
        built.encode_to_vec()
    };
    let window: Vec<u8> = (0..W as u32).map(|i| (i * i % 7 % 4) as u8).collect();
    let predict = |bytes: Vec<u8>| {
        let mut model = open(bytes, None, None).unwrap();
        let plan = Plan::new(model.file(), model.spec()).map(|plan| plan.describe());
        let mut found = [0.0; 4];
        model
            .predict(&[&window[..], &window[..]].concat(), &mut found)
            .unwrap();
        assert_eq!(found[..2], found[2..]);
        (found, plan, model.spec().fixed_batch)
    };
    let (expected, plan, _) = predict(model(None, [-1, 2]));
    assert!(plan.is_ok() && expected[0] != 0.0);
    for kind in [10, 16] {
        let (found, plan, fixed) = predict(model(Some(kind), [-1, 2]));
        assert_eq!(found, expected, "{kind}");
        assert!(plan.is_ok(), "{plan:?}");
        assert_eq!(fixed, None);
    }
    let (found, _, fixed) = predict(model(None, [1, 2]));
    assert_eq!((found, fixed), (expected, Some(1)));
}
