//! Tables of results, as Arrow has them.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{
    Array, ArrayRef, Float64Array, Int64Array, RecordBatch, RecordBatchIterator, StringArray,
};
use arrow_schema::{Field, Schema};
use mpra_score::input::{InputError, Lines, Row, Table as Text, is_missing};
use numpy::IntoPyArray;
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyList};

use crate::error;

/// A table of results: columns of whole numbers, numbers or text, null where there is no value.
///
/// Anything that takes Arrow's C stream takes it without a copy: `polars.DataFrame(t)`, `pyarrow.table(t)`,
/// `pandas.DataFrame.from_arrow(t)`.
#[pyclass(frozen, module = "mpra_score._core", name = "Table")]
pub struct Table(RecordBatch);

#[pymethods]
impl Table {
    /// Reads a table with a header, separated by tabs (plain, gzip or bgzip).
    #[staticmethod]
    fn read(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let batch = py.detach(|| read(&path));
        let batch = batch.map_err(|e| error(e.to_string(), e.hint()))?;
        Ok(Self(batch))
    }

    /// Names of the columns.
    #[getter]
    fn column_names(&self) -> Vec<String> {
        let fields = self.0.schema_ref().fields();
        fields.iter().map(|f| f.name().clone()).collect()
    }

    /// Rows.
    #[getter]
    fn num_rows(&self) -> usize {
        self.0.num_rows()
    }

    fn __len__(&self) -> usize {
        self.0.num_rows()
    }

    fn __repr__(&self) -> String {
        let names = self.column_names();
        format!("Table of {} rows: {}", self.0.num_rows(), names.join(", "))
    }

    /// A column: numbers as a NumPy array (NaN where there is none), text as a list (None where there is none).
    fn __getitem__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let Some(column) = self.0.column_by_name(name) else {
            let names = self.column_names().join(", ");
            return Err(PyKeyError::new_err(format!(
                "{name:?}; the columns are {names}"
            )));
        };
        if let Some(numbers) = column.as_any().downcast_ref::<Float64Array>() {
            let values: Vec<f64> = numbers.iter().map(|v| v.unwrap_or(f64::NAN)).collect();
            return Ok(values.into_pyarray(py).into_any());
        }
        if let Some(numbers) = column.as_any().downcast_ref::<Int64Array>() {
            if numbers.null_count() == 0 {
                return Ok(numbers.values().to_vec().into_pyarray(py).into_any());
            }
            let values: Vec<f64> = numbers
                .iter()
                .map(|v| v.map_or(f64::NAN, |v| v as f64))
                .collect();
            return Ok(values.into_pyarray(py).into_any());
        }
        let texts = column.as_any().downcast_ref::<StringArray>();
        let texts = texts.into_iter().flat_map(|t| t.iter());
        Ok(PyList::new(py, texts.collect::<Vec<_>>())?.into_any())
    }

    /// Arrow's C stream, in a capsule.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // The protocol lets a producer give what it has.
        let _ = requested_schema;
        let batches = RecordBatchIterator::new([Ok(self.0.clone())], self.0.schema());
        let stream = FFI_ArrowArrayStream::new(Box::new(batches));
        PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
    }
}

/// The columns of a file: whole numbers or numbers where all cells are or say that there is none, else text.
fn read(path: &std::path::Path) -> Result<RecordBatch, InputError> {
    let mut names: Vec<String> = Vec::new();
    let mut cells: Vec<Vec<Option<String>>> = Vec::new();
    if let Some(mut table) = Text::new(Lines::open(path)?)? {
        names = table.names().to_vec();
        cells = vec![Vec::new(); names.len()];
        while let Some(Row { cells: row, .. }) = table.next_row()? {
            for (column, cell) in cells.iter_mut().zip(row) {
                column.push((!is_missing(cell)).then(|| cell.to_owned()));
            }
        }
    }
    let columns: Vec<ArrayRef> = cells.into_iter().map(column).collect();
    let fields: Vec<Field> = (names.iter().zip(&columns))
        .map(|(name, column)| Field::new(name, column.data_type().clone(), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    match columns.is_empty() {
        true => Ok(RecordBatch::new_empty(schema)),
        // Columns are as long as there are rows: this cannot fail.
        false => Ok(RecordBatch::try_new(schema.clone(), columns)
            .unwrap_or_else(|_| RecordBatch::new_empty(schema))),
    }
}

fn column(cells: Vec<Option<String>>) -> ArrayRef {
    fn parsed<T: std::str::FromStr>(cells: &[Option<String>]) -> Option<Vec<Option<T>>> {
        let parse = |c: &Option<String>| match c {
            None => Some(None),
            Some(text) => text.parse().ok().map(Some),
        };
        cells.iter().map(parse).collect()
    }
    if cells.iter().all(Option::is_none) {
        return Arc::new(Float64Array::from(vec![None; cells.len()]));
    }
    if let Some(numbers) = parsed::<i64>(&cells) {
        return Arc::new(Int64Array::from(numbers));
    }
    if let Some(numbers) = parsed::<f64>(&cells) {
        return Arc::new(Float64Array::from(numbers));
    }
    Arc::new(StringArray::from(cells))
}
