//! Weights that lie in files beside a model's own, as the exporters of today leave them: put inside,
//! so that a model is one run of bytes whatever its files are.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use prost::{Message, encoding};

use super::fields::with_graph;
use super::proto::{EXTERNAL, TensorProto};

/// Number of the field that holds a graph's weights.
const INITIALIZER: u32 = 5;

/// Most bytes that a model with its weights may have: no protocol buffer is longer.
const MOST: u64 = i32::MAX as u64;

impl TensorProto {
    /// Whether the values lie in another file.
    pub fn is_external(&self) -> bool {
        self.data_location == EXTERNAL || !self.external_data.is_empty()
    }

    fn external(&self, key: &str) -> Option<&str> {
        let mut entries = self.external_data.iter();
        let entry = entries.find(|entry| entry.key == key)?;
        Some(&entry.value)
    }
}

/// The bytes of a model with the weights inside that lie in files of `folder`; all else is as it was.
///
/// # Errors
/// In words: a file that is absent, too short, or not in the folder.
pub fn weights_inside(model: &[u8], folder: &Path) -> Result<Vec<u8>, String> {
    let copy = |field, whole: &[u8], content: Option<&[u8]>, inside: &mut Vec<u8>| {
        match (field, content.map(TensorProto::decode)) {
            (INITIALIZER, Some(Ok(tensor))) if tensor.is_external() => {
                let tensor = with_values(tensor, folder)?;
                encoding::message::encode(INITIALIZER, &tensor, inside);
            }
            _ => inside.extend_from_slice(whole),
        }
        match inside.len() as u64 > MOST {
            true => Err(format!("the weights are more than {MOST} bytes")),
            false => Ok(()),
        }
    };
    with_graph(model, copy, |_| {})
}

fn with_values(mut tensor: TensorProto, folder: &Path) -> Result<TensorProto, String> {
    let name = &tensor.name;
    let location = tensor.external("location").unwrap_or_default();
    let say = |problem: String| format!("the weight {name:?} lies in {location:?}: {problem}");
    let number = |key: &str| {
        let text = tensor.external(key).map(str::trim);
        text.map(|text| {
            let number = text.parse::<u64>();
            number.map_err(|_| say(format!("its {key} is {text:?}")))
        })
        .transpose()
    };
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    let path = inside(folder, location).map_err(&say)?;
    let read = || -> std::io::Result<Result<Vec<u8>, u64>> {
        let mut file = File::open(&path)?;
        let there = file.metadata()?.len();
        let length = length.unwrap_or(there.saturating_sub(offset));
        // Before memory is taken for it.
        if offset.checked_add(length).is_none_or(|end| end > there) || length > MOST {
            return Ok(Err(there));
        }
        file.seek(SeekFrom::Start(offset))?;
        let mut values = Vec::with_capacity(length as usize);
        file.take(length).read_to_end(&mut values)?;
        Ok(Ok(values))
    };
    let values = read()
        .map_err(|e| say(e.to_string()))?
        .map_err(|there| say(format!("the file has {there} bytes, fewer than it should")))?;
    tensor.raw_data = values;
    tensor.external_data.clear();
    tensor.data_location = 0;
    Ok(tensor)
}

/// The file of this name in a folder or below it, wherever its links lead.
fn inside(folder: &Path, location: &str) -> Result<PathBuf, String> {
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if location.is_empty() || !Path::new(location).components().all(plain) {
        return Err("that is no name of a file in the model's folder".into());
    }
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    let real = |path: &Path| path.canonicalize().map_err(|e| e.to_string());
    let path = real(&folder.join(location))?;
    match path.starts_with(real(folder)?) && path.is_file() {
        true => Ok(path),
        false => Err("it is not a file in the model's folder".into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{GraphBuilder, ModelProto, StringStringEntryProto};
    use super::*;

    fn model(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut graph = GraphBuilder::new("test");
        graph.weight("inside", &[1], &[5.0]);
        graph.weight("outside", &[2], &[0.0, 0.0]);
        graph.metadata("a", "1");
        let mut model = graph.build();
        let tensor = &mut model.graph.as_mut().unwrap().initializer[1];
        tensor.raw_data.clear();
        tensor.data_location = EXTERNAL;
        let entry = |(key, value): &(&str, &str)| StringStringEntryProto {
            key: (*key).into(),
            value: (*value).into(),
        };
        tensor.external_data = entries.iter().map(entry).collect();
        let mut bytes = model.encode_to_vec();
        // A field that this program does not know.
        encoding::string::encode(25, &"functions".to_owned(), &mut bytes);
        bytes
    }

    #[test]
    fn weights_are_put_inside() {
        let folder = tempfile::tempdir().unwrap();
        let values: Vec<u8> = [9f32, 1.0, 2.0, 8.0]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        fs::create_dir(folder.path().join("sub")).unwrap();
        fs::write(folder.path().join("sub/m.data"), values).unwrap();
        for location in ["sub/m.data", "./sub/m.data"] {
            let entries = [("location", location), ("offset", "4"), ("length", "8")];
            let bytes = weights_inside(&model(&entries), folder.path()).unwrap();
            let read = ModelProto::decode(bytes.as_slice()).unwrap();
            let weights = &read.graph.as_ref().unwrap().initializer;
            assert_eq!(weights[0].floats().unwrap(), [5.0]);
            assert_eq!(weights[1].floats().unwrap(), [1.0, 2.0]);
            assert_eq!(read.metadata("a"), Some("1"));
            let unknown = model(&entries);
            assert!(bytes.ends_with(&unknown[unknown.len() - 10..]));
            // Nothing is left to be put inside.
            assert_eq!(weights_inside(&bytes, folder.path()).unwrap(), bytes);
        }
    }

    #[test]
    fn files_that_are_not_there_or_elsewhere_are_refused() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("models");
        fs::create_dir(&folder).unwrap();
        fs::write(above.path().join("secret"), [0; 8]).unwrap();
        fs::write(folder.join("short"), [0; 7]).unwrap();
        std::os::unix::fs::symlink("../secret", folder.join("link")).unwrap();
        let secret = above.path().join("secret");
        for (location, offset, problem) in [
            ("absent", "0", "No such file"),
            ("short", "0", "fewer than it should"),
            ("short", "18446744073709551615", "fewer"),
            ("short", "-1", "its offset is"),
            ("../secret", "0", "no name of a file"),
            (secret.to_str().unwrap(), "0", "no name of a file"),
            ("link", "0", "not a file in the model's folder"),
            (".", "0", "not a file"),
            ("", "0", "no name"),
        ] {
            let entries = [("location", location), ("offset", offset), ("length", "8")];
            let error = weights_inside(&model(&entries), &folder).unwrap_err();
            assert!(
                error.contains(problem) && error.contains("outside"),
                "{error}"
            );
        }
    }
}
