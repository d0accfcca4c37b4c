//! Metadata of a file whose other bytes are to stay as they are.

use prost::{Message, encoding};

use super::fields::each_field;
use super::proto::StringStringEntryProto;

/// Number of the field of an ONNX file that holds its metadata.
const PROPERTIES: u32 = 14;

/// The bytes of a model with this value of a metadata property, in place of what it had.
///
/// # Errors
/// In words, when the bytes cannot be followed.
pub fn with_property(model: &[u8], key: &str, value: &str) -> Result<Vec<u8>, String> {
    let mut all = Vec::with_capacity(model.len() + value.len());
    each_field(model, |field, whole, content| {
        let property = match (field, content) {
            (PROPERTIES, Some(content)) => StringStringEntryProto::decode(content).ok(),
            _ => None,
        };
        if property.is_none_or(|property| property.key != key) {
            all.extend_from_slice(whole);
        }
        Ok(())
    })?;
    let property = StringStringEntryProto {
        key: key.into(),
        value: value.into(),
    };
    // Protocol buffers add up: a repeated field goes on where the file goes on.
    encoding::message::encode(PROPERTIES, &property, &mut all);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::super::{GraphBuilder, ModelProto};
    use super::*;

    #[test]
    fn other_bytes_stay() {
        let mut graph = GraphBuilder::new("test");
        graph.weight("w", &[2], &[1.0, 2.0]);
        graph.metadata("a", "1").metadata("b", "2");
        let mut file = graph.to_bytes();
        // A field that this program does not know.
        encoding::string::encode(25, &"functions".to_owned(), &mut file);
        let first = with_property(&file, "c", "3").unwrap();
        assert!(first.starts_with(&file));
        let second = with_property(&first, "a", "4").unwrap();
        assert_eq!(second.len(), first.len());
        let model = ModelProto::decode(second.as_slice()).unwrap();
        let values = ["a", "b", "c"].map(|key| model.metadata(key).unwrap());
        assert_eq!(values, ["4", "2", "3"]);
        assert_eq!(model.metadata_props.len(), 3);
        assert_eq!(
            with_property(&second, "c", "3").unwrap().len(),
            second.len()
        );
        assert!(with_property(&[0xff, 0xff], "a", "b").is_err());
    }
}
