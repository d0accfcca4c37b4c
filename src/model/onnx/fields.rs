//! A protocol buffer field by field, for changes that leave all other bytes as they are.

use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

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
