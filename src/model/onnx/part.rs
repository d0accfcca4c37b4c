//! The upper part of a model: what is left of a graph when operators at its beginning are taken out.

use std::collections::HashSet;

use prost::Message;
use prost::encoding;

use super::build::value_info;
use super::fields::{each_field, with_graph};
use super::proto::{FLOAT, GraphProto, NodeProto};

/// Numbers of a graph's fields, and of a weight's name.
const NODE: u32 = 1;
const INITIALIZER: u32 = 5;
const INPUT: u32 = 11;
const NAME: u32 = 8;

/// The bytes of a model without the operators that `below` knows by their first output, and without the
/// weights that only these read. It reads `inputs` instead of its own: f32 tensors with these axes behind
/// the batch.
///
/// # Errors
/// In words: where an operator that is left holds a graph of its own, which may read what is gone.
pub fn upper_part(
    model: &[u8],
    graph: &GraphProto,
    below: &HashSet<&str>,
    inputs: &[(String, Vec<usize>)],
) -> Result<Vec<u8>, String> {
    let gone = |node: &NodeProto| node.output.first().is_some_and(|o| below.contains(&**o));
    let left = || graph.node.iter().filter(|node| !gone(node));
    if let Some(node) = left().find(|node| node.attribute.iter().any(|a| a.g.is_some())) {
        return Err(format!("{} holds a graph of its own", node.op_type));
    }
    let read: HashSet<&str> = left().flat_map(|n| &n.input).map(String::as_str).collect();
    let copy = |field, whole: &[u8], content: Option<&[u8]>, inside: &mut Vec<u8>| {
        let keep = match (field, content) {
            (NODE, Some(node)) => !gone(&NodeProto::decode(node).map_err(|e| e.to_string())?),
            (INITIALIZER, Some(weight)) => {
                let mut keep = false;
                each_field(weight, |field, _, name| {
                    let name = name.and_then(|name| std::str::from_utf8(name).ok());
                    keep |= field == NAME && name.is_some_and(|name| read.contains(name));
                    Ok(())
                })?;
                keep
            }
            (INPUT, _) => false,
            _ => true,
        };
        if keep {
            inside.extend_from_slice(whole);
        }
        Ok(())
    };
    let inputs = inputs.iter().map(|(name, axes)| {
        let axes: Vec<_> = std::iter::once(Err("batch"))
            .chain(axes.iter().map(|&n| Ok(n)))
            .collect();
        value_info(name, &axes, FLOAT)
    });
    let inputs: Vec<_> = inputs.collect();
    with_graph(model, copy, |inside| {
        encoding::message::encode_repeated(INPUT, &inputs, inside);
    })
}
