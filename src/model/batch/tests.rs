use super::*;
use crate::model::onnx::presets::{authors, compact, dragonn, normal_from, paper};
use crate::model::onnx::{AttributeProto, GraphBuilder, TensorProto};
use crate::model::{Embedded, ModelFile, ModelOptions, Runtime};

fn open(name: &str, bytes: Vec<u8>) -> Result<Model, ModelError> {
    let runtime = Runtime::load(None).unwrap();
    let file = ModelFile::from_bytes(name.as_ref(), bytes).unwrap();
    Model::open(file, &ModelOptions::default(), &runtime)
}

/// Flatten and a dense layer of two tasks over windows of 145 bases, then what `build` adds to it
/// before the output.
fn dense_then(batch: Result<usize, &str>, build: impl Fn(&mut GraphBuilder, &str)) -> Vec<u8> {
    let mut g = GraphBuilder::new("test");
    g.input("x", &[batch, Ok(4), Ok(145)]);
    g.output("y", &[batch, Ok(2)]);
    let mut normal = normal_from(7);
    let values: Vec<f32> = (0..1160).map(|_| 0.1 * normal()).collect();
    let w = g.weight("w", &[580, 2], &values);
    let flat = g.node("Flatten", &["x"], vec![]);
    let dense = g.node("MatMul", &[&flat, &w], vec![]);
    build(&mut g, &dense);
    g.to_bytes()
}

fn refusal(bytes: Vec<u8>) -> String {
    let Err(error) = open("mixing", bytes) else {
        panic!("it opens");
    };
    assert!(matches!(error, ModelError::Unfit { what: "batch", .. }));
    assert!(error.hint().unwrap().contains("export"));
    error.to_string()
}

fn softmax(axis: i64) -> impl Fn(&mut GraphBuilder, &str) {
    move |g, x| {
        let axis = AttributeProto::of_int("axis", axis);
        g.node_to("Softmax", &[x], vec![axis], "y");
    }
}

#[test]
fn a_softmax_over_the_batch_is_refused() {
    let error = refusal(dense_then(Err("n"), softmax(0)));
    assert!(error.contains("how windows are batched"), "{error}");
    let blame = "Softmax \"node_2\" (over the batch, axis 0) looks responsible";
    assert!(error.contains(blame), "{error}");
    // Over the tasks of a window it is nobody else's matter.
    open("softmax", dense_then(Err("n"), softmax(1))).unwrap();
    // The same where the graph fixes the batch, unless that is a single window.
    refusal(dense_then(Ok(2), softmax(0)));
    refusal(dense_then(Ok(16), softmax(0)));
    open("single", dense_then(Ok(1), softmax(0))).unwrap();
}

#[test]
fn a_mean_over_the_batch_is_refused() {
    let error = refusal(dense_then(Err("n"), |g, x| {
        let axes = AttributeProto::of_ints("axes", &[0]);
        let mean = g.node("ReduceMean", &[x], vec![axes]);
        g.node_to("Sub", &[x, &mean], vec![], "y");
    }));
    assert!(error.contains("ReduceMean"), "{error}");
}

#[test]
fn batch_normalisation_in_training_mode_is_refused() {
    let build = |training: i64| {
        let mut g = GraphBuilder::new("test");
        g.input("x", &[Err("n"), Ok(4), Ok(40)]);
        g.output("y", &[Err("n"), Ok(3)]);
        let mut normal = normal_from(9);
        let values: Vec<f32> = (0..60).map(|_| normal()).collect();
        let w = g.weight("w", &[3, 4, 5], &values);
        let x = g.node("Conv", &["x", &w], vec![]);
        let one = g.weight("one", &[3], &[1.0; 3]);
        let zero = g.weight("zero", &[3], &[0.0; 3]);
        let inputs = [&x, &one, &zero, &zero, &one].map(String::as_str);
        let mode = vec![AttributeProto::of_int("training_mode", training)];
        let x = g.node("BatchNormalization", &inputs, mode);
        let x = g.node("GlobalMaxPool", &[&x], vec![]);
        g.node_to("Flatten", &[&x], vec![], "y");
        let mut model = g.build();
        // Running mean and variance come out of it, too.
        if training == 1 {
            let node = &mut model.graph.as_mut().unwrap().node[1];
            node.output.extend(["mean".into(), "variance".into()]);
        }
        prost::Message::encode_to_vec(&model)
    };
    open("inference", build(0)).unwrap();
    let error = refusal(build(1));
    assert!(error.contains("BatchNormalization"), "{error}");
    assert!(error.contains("in training mode"), "{error}");
}

#[test]
fn chance_is_refused_with_and_without_a_seed() {
    for seed in [None, Some(3.0)] {
        let error = refusal(dense_then(Err("n"), |g, x| {
            let seed = seed.map(|s| AttributeProto::of_float("seed", s));
            let noise = g.node("RandomNormalLike", &[x], seed.into_iter().collect());
            g.node_to("Add", &[x, &noise], vec![], "y");
        }));
        assert!(error.contains("the same window twice"), "{error}");
        assert!(error.contains("depend on chance"), "{error}");
        assert!(error.contains("RandomNormalLike"), "{error}");
    }
}

#[test]
fn dropout_in_training_mode_is_refused() {
    let dropout = |on: u8| {
        let mut model = ModelFile::from_bytes(
            "dropout".as_ref(),
            dense_then(Err("n"), |g, x| {
                let half = g.weight("half", &[], &[0.5]);
                g.node_to("Dropout", &[x, &half, "training"], vec![], "y");
            }),
        )
        .unwrap()
        .proto()
        .clone();
        let weights = &mut model.graph.as_mut().unwrap().initializer;
        weights.push(TensorProto {
            data_type: 9,
            name: "training".into(),
            raw_data: vec![on],
            ..Default::default()
        });
        prost::Message::encode_to_vec(&model)
    };
    open("inference", dropout(0)).unwrap();
    let error = refusal(dropout(1));
    assert!(error.contains("Dropout"), "{error}");
}

/// How far apart the same window's activities are alone and in larger batches, as a share of the
/// largest.
fn spread(model: &mut Model) -> f32 {
    let (window, tasks) = (model.spec().window, model.spec().tasks.len());
    let codes = windows(window);
    let alone: Vec<f32> = (codes.chunks_exact(window))
        .flat_map(|w| model.probe(w).unwrap())
        .collect();
    let largest = alone.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let mut most = 0.0f32;
    for copies in [1, 2, 5, 11] {
        let together = model.probe(&codes.repeat(copies)).unwrap();
        for rows in together.chunks_exact(WINDOWS * tasks) {
            for (a, b) in rows.iter().zip(&alone) {
                most = most.max((a - b).abs());
            }
        }
    }
    most / largest.max(f32::MIN_POSITIVE)
}

#[test]
fn sound_models_open_far_within_the_tolerance() {
    let mut models: Vec<(String, Vec<u8>)> = Embedded::ALL
        .map(|model| (model.name().to_owned(), model.bytes().to_vec()))
        .into();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/models");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        models.push((path.display().to_string(), std::fs::read(&path).unwrap()));
    }
    assert!(models.len() >= 8);
    let mut normal = normal_from(1);
    for (name, preset) in [
        ("paper preset", paper(&mut normal)),
        ("authors", authors(&mut normal)),
        ("dragonn", dragonn(&mut normal)),
        ("compact", compact(&mut normal)),
    ] {
        models.push((name.into(), preset.to_bytes()));
    }
    for (name, bytes) in models {
        let mut model = open(&name, bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        let spread = spread(&mut model);
        assert!(spread < TOLERANCE / 100.0, "{name}: {spread}");
    }
}
