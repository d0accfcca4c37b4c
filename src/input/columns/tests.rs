use std::collections::HashMap;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use arrow_array::types::{Int32Type, UInt8Type};
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, DictionaryArray, DurationSecondArray, Float32Array,
    Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, LargeStringArray, PrimitiveArray,
    StringViewArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow_schema::{Field, Schema};

use super::*;

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let fields: Vec<Field> = (columns.iter())
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let metadata = HashMap::from([("made.by".to_owned(), "a test".to_owned())]);
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
    let arrays = columns.into_iter().map(|c| c.1).collect();
    let batch = RecordBatch::try_new(schema.clone(), arrays).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn content(result: Result<impl Sized, ColumnsError>) -> String {
    result.err().unwrap().to_string()
}

#[test]
fn text_is_text_however_it_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let cells = [Some("ACGT"), None, Some("ACGT"), Some("")];
    let keys32: DictionaryArray<Int32Type> = cells.into_iter().collect();
    let keys8: DictionaryArray<UInt8Type> = cells.into_iter().collect();
    let forms: [(&str, ArrayRef); 5] = [
        ("plain", Arc::new(StringArray::from_iter(cells))),
        ("large", Arc::new(LargeStringArray::from_iter(cells))),
        ("view", Arc::new(StringViewArray::from_iter(cells))),
        ("keys of 32 bits", Arc::new(keys32)),
        ("keys of 8 bits", Arc::new(keys8)),
    ];
    let names = forms.each_ref().map(|f| f.0);
    write(&path, forms.to_vec());
    let file = ParquetFile::open(&path).unwrap();
    assert_eq!(file.metadata("made.by"), Some("a test"));
    assert_eq!(file.metadata("made"), None);
    let kinds: Vec<_> = file.columns().map(|(n, k)| (n.to_owned(), k)).collect();
    assert_eq!(kinds, names.map(|n| (n.to_owned(), Kind::Text)));
    // Also in another order than the file's.
    let wanted: Vec<&str> = names.into_iter().rev().collect();
    for batch in file.batches(&wanted, &[]).unwrap() {
        let batch = batch.unwrap();
        assert_eq!((batch.rows, batch.texts.len()), (4, 5));
        for texts in &batch.texts {
            assert_eq!(texts.iter().collect::<Vec<_>>(), cells);
            assert_eq!((texts.get(0), texts.get(1)), (cells[0], None));
        }
    }
}

#[test]
fn numbers_are_read_from_every_type() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    macro_rules! array {
        ($type:ty) => {
            Arc::new(<$type>::from(vec![Some(7 as _), None, Some(1 as _)])) as ArrayRef
        };
    }
    let halves = [Some(7u8), None, Some(1)].map(|v| v.map(half));
    let halves: PrimitiveArray<Float16Type> = halves.into_iter().collect();
    let forms = vec![
        ("i8", array!(Int8Array)),
        ("i16", array!(Int16Array)),
        ("i32", array!(Int32Array)),
        ("i64", array!(Int64Array)),
        ("u8", array!(UInt8Array)),
        ("u16", array!(UInt16Array)),
        ("u32", array!(UInt32Array)),
        ("u64", array!(UInt64Array)),
        ("f16", Arc::new(halves) as ArrayRef),
        ("f32", array!(Float32Array)),
        ("f64", array!(Float64Array)),
    ];
    let names: Vec<&str> = forms.iter().map(|f| f.0).collect();
    write(&path, forms);
    let file = ParquetFile::open(&path).unwrap();
    assert!(file.columns().all(|c| c.1 == Kind::Numbers));
    let batches: Vec<Batch> = file
        .batches(&[], &names)
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let [batch] = &batches[..] else { panic!() };
    assert_eq!(batch.numbers.len(), names.len());
    for (name, values) in names.iter().zip(&batch.numbers) {
        assert_eq!(
            (values[0], values[2], values.len()),
            (7.0, 1.0, 3),
            "{name}"
        );
        assert!(values[1].is_nan(), "{name}");
    }
}

/// Small whole numbers in 16 bits.
fn half(value: u8) -> <Float16Type as ArrowPrimitiveType>::Native {
    <Float16Type as ArrowPrimitiveType>::Native::from_f32(f32::from(value))
}

#[test]
fn other_columns_are_passed_over_and_never_taken_for_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("flag", Arc::new(BooleanArray::from(vec![true, false]))),
        ("day", Arc::new(Date32Array::from(vec![1, 2]))),
        ("took", Arc::new(DurationSecondArray::from(vec![1, 2]))),
        ("n", Arc::new(Int32Array::from(vec![1, 2]))),
        ("word", Arc::new(StringArray::from(vec!["a", "b"]))),
    ];
    write(&path, columns);
    let open = || ParquetFile::open(&path).unwrap();
    let names: Vec<String> = open().columns().map(|c| c.0.to_owned()).collect();
    assert_eq!(names, ["n", "word"]);
    for (texts, numbers, expected) in [
        (
            &["n"][..],
            &[][..],
            "column \"n\" holds Int32; expected a column \"n\" of text",
        ),
        (&[], &["word"], "column \"word\" holds Utf8"),
        (&[], &["flag"], "holds Boolean"),
        (
            &["m"],
            &[],
            "columns flag, day, took, n, word; expected a column \"m\"",
        ),
    ] {
        let error = content(open().batches(texts, numbers));
        assert!(error.contains(expected), "{error}");
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
}

#[test]
fn what_is_no_parquet_is_said_to_be_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let missing = content(ParquetFile::open(&path));
    assert_eq!(missing, format!("cannot read {}", path.display()));
    write(&path, vec![("n", Arc::new(Int32Array::from(vec![1, 2])))]);
    let whole = std::fs::read(&path).unwrap();
    for bytes in [&b"text"[..], b"", &whole[..whole.len() - 1]] {
        std::fs::write(&path, bytes).unwrap();
        let error = content(ParquetFile::open(&path));
        assert!(error.contains("no Parquet file"), "{error}");
    }
    let twice = vec![
        ("n", Arc::new(Int32Array::from(vec![1])) as ArrayRef),
        ("n", Arc::new(Int32Array::from(vec![2]))),
    ];
    write(&path, twice);
    let error = content(ParquetFile::open(&path));
    assert!(error.contains("\"n\" stands twice"), "{error}");
}
