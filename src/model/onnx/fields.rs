//! A protocol buffer field by field, for changes that leave all other bytes as they are.

use prost::bytes::Buf;
use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field,
};

/// Number of the field that holds a model's graph.
const GRAPH: u32 = 7;

/// Calls `see` with each field's number, its bytes with the key, and its content where it has a length.
///
/// # Errors
/// When the fields cannot be told apart, and those of `see`.
pub fn each_field<'b>(
    bytes: &'b [u8],
    mut see: impl FnMut(u32, &'b [u8], Option<&'b [u8]>) -> Result<(), String>,
) -> Result<(), String> {
    let mut left = bytes;
    let damaged = |_| "its fields cannot be told apart".to_owned();
    while left.has_remaining() {
        let begin = left;
        let (field, wire) = decode_key(&mut left).map_err(damaged)?;
        let mut ahead = left;
        skip_field(wire, field, &mut left, DecodeContext::default()).map_err(damaged)?;
        let content = match wire {
            WireType::LengthDelimited => {
                decode_varint(&mut ahead).map_err(damaged)?;
                Some(&ahead[..ahead.len() - left.len()])
            }
            _ => None,
        };
        see(field, &begin[..begin.len() - left.len()], content)?;
    }
    Ok(())
}

/// The bytes of a model with its graph's fields as `copy` appends them, each given as by [`each_field`], and
/// what `end` appends behind them; all else stays as it was.
///
/// # Errors
/// As [`each_field`].
pub fn with_graph(
    model: &[u8],
    mut copy: impl FnMut(u32, &[u8], Option<&[u8]>, &mut Vec<u8>) -> Result<(), String>,
    end: impl Fn(&mut Vec<u8>),
) -> Result<Vec<u8>, String> {
    let mut all = Vec::with_capacity(model.len());
    each_field(model, |field, whole, content| {
        let (GRAPH, Some(graph)) = (field, content) else {
            all.extend_from_slice(whole);
            return Ok(());
        };
        let mut inside = Vec::with_capacity(graph.len());
        each_field(graph, |field, whole, content| {
            copy(field, whole, content, &mut inside)
        })?;
        end(&mut inside);
        encode_key(GRAPH, WireType::LengthDelimited, &mut all);
        encode_varint(inside.len() as u64, &mut all);
        all.append(&mut inside);
        Ok(())
    })?;
    Ok(all)
}
