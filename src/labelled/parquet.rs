use std::fs::File;
use std::path::Path;

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use super::LabelledError;
use super::table::{Cells, Table};

/// Columns of text and numbers; others are passed over.
pub(super) fn read(path: &Path) -> Result<Table, LabelledError> {
    let fail = |problem: String| LabelledError::Parquet {
        path: path.into(),
        problem,
    };
    let file = File::open(path).map_err(|e| LabelledError::Read(e, path.into()))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(|e| fail(format!("not a whole Parquet file ({e})")))?;
    let tile = (builder.metadata().file_metadata().key_value_metadata())
        .and_then(|pairs| pairs.iter().find(|p| p.key == "mpra_score.input"))
        .and_then(|pair| serde_json::from_str::<serde_json::Value>(pair.value.as_deref()?).ok())
        .and_then(|input| input["tile"].as_u64())
        .map(|tile| tile as usize);
    let mut columns: Vec<(String, Cells)> = Vec::new();
    let mut taken = Vec::new();
    for (i, field) in builder.schema().fields().iter().enumerate() {
        let cells = match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 => Cells::Text(Vec::new()),
            DataType::Int32 | DataType::Int64 | DataType::Float32 | DataType::Float64 => {
                Cells::Numbers(Vec::new())
            }
            _ => continue,
        };
        columns.push((field.name().clone(), cells));
        taken.push(i);
    }
    let reader = builder.build().map_err(|e| fail(e.to_string()))?;
    for batch in reader {
        let batch = batch.map_err(|e| fail(e.to_string()))?;
        for ((_, cells), &i) in columns.iter_mut().zip(&taken) {
            extend(cells, batch.column(i));
        }
    }
    Ok(Table {
        path: path.into(),
        columns,
        tile,
        skipped: Vec::new(),
    })
}

fn extend(cells: &mut Cells, array: &ArrayRef) {
    fn numbers<T>(values: impl Iterator<Item = Option<T>>, to: impl Fn(T) -> f64) -> Vec<f64> {
        values.map(|v| v.map_or(f64::NAN, &to)).collect()
    }
    let own = |text: Option<&str>| text.map(str::to_owned);
    match (cells, array.data_type()) {
        (Cells::Text(cells), DataType::Utf8) => {
            cells.extend(array.as_string::<i32>().iter().map(own));
        }
        (Cells::Text(cells), _) => cells.extend(array.as_string::<i64>().iter().map(own)),
        (Cells::Numbers(cells), DataType::Int32) => {
            cells.extend(numbers(array.as_primitive::<Int32Type>().iter(), f64::from));
        }
        (Cells::Numbers(cells), DataType::Int64) => {
            cells.extend(numbers(array.as_primitive::<Int64Type>().iter(), |v| {
                v as f64
            }));
        }
        (Cells::Numbers(cells), DataType::Float32) => {
            cells.extend(numbers(
                array.as_primitive::<Float32Type>().iter(),
                f64::from,
            ));
        }
        (Cells::Numbers(cells), _) => {
            cells.extend(numbers(array.as_primitive::<Float64Type>().iter(), |v| v));
        }
    }
}
