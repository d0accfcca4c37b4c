use super::*;
use crate::model::onnx::AttributeProto;

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
