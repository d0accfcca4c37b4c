use super::*;
use crate::model::onnx::{AttributeProto, GraphBuilder};

/// The axes behind an operator on `[batch, channels 4, length 20]`; `list` is its second input.
fn behind(op: &str, attributes: &[(&str, &[i64])], list: Option<&[i64]>) -> Result<String, String> {
    let mut g = GraphBuilder::new("axes");
    g.input("x", &[Err("n"), Ok(4), Ok(20)]);
    let mut inputs = vec!["x"];
    if let Some(list) = list {
        g.ints("list", list);
        inputs.push("list");
    }
    let attributes = attributes.iter();
    let attributes = attributes.map(|(name, ints)| AttributeProto::of_ints(name, ints));
    g.node(op, &inputs, attributes.collect());
    let proto = g.build().graph.unwrap();
    let graph = Graph::new(&proto).unwrap();
    let axes = Axes::from(vec![Axis::Batch, Axis::Channels(4), Axis::Length(20)]);
    let axes = axes.behind(&graph, graph.nodes()[0]);
    axes.map(|a| a.to_string()).map_err(|e| e.to_string())
}

#[test]
fn axes_keep_their_meaning_on_the_way() {
    let same = "[batch, channels 4, length 20]";
    let flat = "[batch, features 80]";
    for (op, attributes, list, expected) in [
        (
            "Transpose",
            &[("perm", &[0, 2, 1][..])][..],
            None,
            "[batch, length 20, channels 4]",
        ),
        ("Flatten", &[], None, flat),
        (
            "Unsqueeze",
            &[("axes", &[1])],
            None,
            "[batch, 1, channels 4, length 20]",
        ),
        (
            "Unsqueeze",
            &[],
            Some(&[-1][..]),
            "[batch, channels 4, length 20, 1]",
        ),
        ("Reshape", &[], Some(&[-1, 80]), flat),
        ("Reshape", &[], Some(&[0, 0, -1]), same),
        (
            "Reshape",
            &[],
            Some(&[-1, 4, 1, 20]),
            "[batch, channels 4, 1, length 20]",
        ),
    ] {
        let found = behind(op, attributes, list).unwrap();
        assert_eq!(found, expected, "{op} {attributes:?} {list:?}");
    }
    let largest = i64::MAX;
    for (op, attributes, list, expected) in [
        (
            "Transpose",
            &[("perm", &[1, 0, 2][..])][..],
            None,
            "moves the batch",
        ),
        ("Transpose", &[], None, "moves the batch"),
        (
            "Transpose",
            &[("perm", &[0, 1, 1])],
            None,
            "permutation does not fit",
        ),
        ("Squeeze", &[("axes", &[1])], None, "longer than one"),
        ("Squeeze", &[("axes", &[i64::MIN])], None, "longer than one"),
        ("Unsqueeze", &[("axes", &[0])], None, "axes do not fit"),
        ("Reshape", &[], Some(&[-1, 20, 4][..]), "mixes axes"),
        ("Reshape", &[], Some(&[-1, 40]), "changes the batch"),
        (
            "Reshape",
            &[],
            Some(&[-1, largest, largest, 80]),
            "changes the batch",
        ),
        ("Reshape", &[], Some(&[]), "shape is empty"),
        ("Reshape", &[], None, "shape is no constant"),
    ] {
        let found = behind(op, attributes, list).unwrap_err();
        assert!(
            found.contains(expected),
            "{op} {attributes:?} {list:?}: {found}"
        );
    }
}
