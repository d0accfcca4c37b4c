use super::*;
use crate::model::onnx::{AttributeProto, GraphBuilder};

/// Input `x`, output `y`; `build` adds what lies between.
fn graph(build: impl Fn(&mut GraphBuilder)) -> GraphProto {
    let mut g = GraphBuilder::new("test");
    g.input("x", &[Err("n"), Ok(4), Ok(20)]);
    g.output("y", &[Err("n"), Ok(2)]);
    build(&mut g);
    g.build().graph.unwrap()
}

fn problem(build: impl Fn(&mut GraphBuilder)) -> String {
    Graph::new(&graph(build)).unwrap_err().to_string()
}

#[test]
fn broken_graphs_are_refused() {
    let cycle = "the graph has a cycle";
    let beside = problem(|g| {
        g.node_to("Relu", &["x"], vec![], "y");
        g.node_to("Relu", &["b"], vec![], "a");
        g.node_to("Relu", &["a"], vec![], "b");
    });
    assert_eq!(beside, cycle);
    let itself = problem(|g| g.node_to("Add", &["x", "y"], vec![], "y"));
    assert_eq!(itself, cycle);
    // The second operator gives what it waits for once more.
    let again = problem(|g| {
        g.node_to("Relu", &["x"], vec![], "a");
        g.node_to("Tanh", &["a"], vec![], "a");
        g.node_to("Relu", &["a"], vec![], "y");
    });
    assert_eq!(again, cycle);
    assert_eq!(
        problem(|g| g.node_to("Add", &["x", "z"], vec![], "y")),
        "the operator Add reads the tensor \"z\", which nothing gives"
    );
    assert_eq!(
        problem(|g| g.node_to("Relu", &["x"], vec![], "z")),
        "the graph's output reads the tensor \"y\", which nothing gives"
    );
    let twice = "the tensor \"y\" is given twice";
    let operators = problem(|g| {
        g.node_to("Relu", &["x"], vec![], "y");
        g.node_to("Tanh", &["x"], vec![], "y");
    });
    assert_eq!(operators, twice);
    let weight = problem(|g| {
        g.weight("y", &[1], &[0.0]);
        g.node_to("Relu", &["x"], vec![], "y");
    });
    assert_eq!(weight, twice);
}

#[test]
fn operators_stand_behind_what_they_read() {
    let proto = graph(|g| {
        g.node_to("Add", &["a", "b"], vec![], "y");
        g.node_to("Tanh", &["a"], vec![], "b");
        g.node_to("Relu", &["x"], vec![], "a");
    });
    let graph = Graph::new(&proto).unwrap();
    let types =
        |nodes: &[&NodeProto]| -> Vec<String> { nodes.iter().map(|n| n.op_type.clone()).collect() };
    assert_eq!(types(graph.nodes()), ["Relu", "Tanh", "Add"]);
    assert_eq!(types(graph.consumers("a")), ["Add", "Tanh"]);
    let steps: Vec<_> = graph.chain("x").collect();
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[0].as_ref().unwrap().from, "x");
    assert_eq!(
        *steps[1].as_ref().unwrap_err(),
        GraphError::Branch {
            tensor: "a".into(),
            users: 2
        }
    );
}

#[test]
fn a_chain_ends_at_the_output() {
    let proto = graph(|g| {
        g.weight("w", &[2, 1], &[1.0, 2.0]);
        g.node_to("Mul", &["w", "x"], vec![], "a");
        g.node_to("Relu", &["a"], vec![], "y");
        // What reads the output, and what nothing reads, is beside the way.
        g.node_to("Relu", &["y"], vec![], "z");
    });
    let graph = Graph::new(&proto).unwrap();
    let steps: Result<Vec<_>, _> = graph.chain("x").collect();
    let steps = steps.unwrap();
    let types: Vec<&str> = steps.iter().map(|s| s.node.op_type.as_str()).collect();
    assert_eq!(types, ["Mul", "Relu"]);
    assert!(!steps[0].comes_first() && steps[1].comes_first());
    let weight = graph.floats(steps[0].node, 0).unwrap();
    assert_eq!((weight.shape(), weight[[1, 0]]), (&[2, 1][..], 2.0));
    assert!(matches!(
        graph.floats(steps[0].node, 1),
        Err(GraphError::NoConstant { input: 1, .. })
    ));
}

#[test]
fn inner_graphs_read_what_they_take_from_outside() {
    let inner = |from: &str| {
        let mut g = GraphBuilder::new("inner");
        g.node_to("Relu", &[from], vec![], "inside");
        g.node_to("Tanh", &["inside"], vec![], "out");
        g.output("out", &[Err("n"), Ok(2)]);
        AttributeProto {
            name: "then_branch".into(),
            g: g.build().graph,
            kind: 5,
            ..Default::default()
        }
    };
    let with = |from: &str| {
        graph(|g| {
            g.weight("sure", &[1], &[1.0]);
            g.node_to("If", &["sure"], vec![inner(from)], "a");
            g.node_to("Add", &["x", "a"], vec![], "y");
        })
    };
    let sound = with("x");
    let sound = Graph::new(&sound).unwrap();
    assert_eq!(sound.consumers("x").len(), 2);
    assert!(sound.consumers("inside").is_empty());
    assert_eq!(Graph::new(&with("y")).unwrap_err(), GraphError::Cycle);
    assert!(matches!(
        Graph::new(&with("nowhere")),
        Err(GraphError::Missing { .. })
    ));
}

#[test]
fn weights_whose_shape_is_not_theirs_are_no_weights() {
    let mut proto = graph(|g| {
        g.weight("w", &[2, 3], &[0.0; 6]);
        g.node_to("Mul", &["x", "w"], vec![], "y");
    });
    // More elements than there are numbers.
    for dims in [[2, 4], [-2, -3], [1 << 40, 1 << 40]] {
        proto.initializer[0].dims = dims.to_vec();
        let graph = Graph::new(&proto).unwrap();
        let error = graph.floats(graph.nodes()[0], 1).unwrap_err();
        assert_eq!(error, GraphError::NotFloat("Mul".into()), "{dims:?}");
    }
}
