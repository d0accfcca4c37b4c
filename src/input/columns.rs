//! Columns of Parquet files: text and numbers, in whichever of their types a file has them.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Metadata};

use super::InputError;

/// What can be wrong with a Parquet file.
#[derive(Debug, thiserror::Error)]
pub enum ColumnsError {
    /// It cannot be read at all.
    #[error("cannot read {1}")]
    Read(#[source] io::Error, PathBuf),
    /// It is no file that can be read at any place.
    #[error(transparent)]
    Input(#[from] InputError),
    /// It holds something else than what is wanted.
    #[error("{path}: {found}; expected {expected}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: String,
        /// What would have been right.
        expected: String,
    },
}

impl ColumnsError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Input(e) => e.hint(),
            Self::Content { found, .. } if found.contains("read whole") => {
                Some("it is damaged or cut short: copy it again, or write it anew (pyarrow, pandas, polars)".into())
            }
            _ => None,
        }
    }
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text, plain or by a dictionary.
    Text,
    /// Integers or floats of any width.
    Numbers,
}

impl Kind {
    fn of(stored: &DataType) -> Option<Self> {
        match stored {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Self::Text),
            DataType::Dictionary(_, values) => Self::of(values),
            other => (other.is_integer() || other.is_floating()).then_some(Self::Numbers),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Numbers => "numbers",
        }
    }
}

/// A Parquet file of which the columns are known, and nothing else is read yet.
pub struct ParquetFile {
    path: PathBuf,
    file: File,
    /// Types as Parquet has them: text is one type, whatever the program had that wrote it.
    stored: ArrowReaderMetadata,
    /// Names and the types that the writing program had.
    columns: Vec<(String, DataType)>,
    /// What the file says about itself, in Parquet's place or in Arrow's.
    metadata: Metadata,
}

impl ParquetFile {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be read, is no whole Parquet file, or has two columns of one name.
    pub fn open(path: &Path) -> Result<Self, ColumnsError> {
        // Opening a pipe would wait for its writer, for nothing.
        let metadata = path.metadata();
        let metadata = metadata.map_err(|e| ColumnsError::Read(e, path.into()))?;
        if !metadata.is_file() {
            return Err(InputError::Pipe {
                path: path.into(),
                format: "Parquet",
            }
            .into());
        }
        let file = File::open(path).map_err(|e| ColumnsError::Read(e, path.into()))?;
        let no_parquet = |e| not_whole(path, &e);
        let options = ArrowReaderOptions::new();
        let said = ArrowReaderMetadata::load(&file, options.clone()).map_err(no_parquet)?;
        let plain = options.with_skip_arrow_metadata(true);
        let stored =
            ArrowReaderMetadata::try_new(said.metadata().clone(), plain).map_err(no_parquet)?;
        let mut columns: Vec<(String, DataType)> = Vec::new();
        for field in said.schema().fields() {
            if columns.iter().any(|(name, _)| name == field.name()) {
                return Err(ColumnsError::Content {
                    path: path.into(),
                    found: format!("column {:?} stands twice", field.name()),
                    expected: "one column a name".into(),
                });
            }
            columns.push((field.name().clone(), field.data_type().clone()));
        }
        Ok(Self {
            path: path.into(),
            file,
            stored,
            columns,
            metadata: said.schema().metadata().clone(),
        })
    }

    /// What the file says about itself under a key.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// The columns of text and numbers, in the order of the file. Others (booleans, dates, lists) cannot
    /// be read here.
    pub fn columns(&self) -> impl Iterator<Item = (&str, Kind)> {
        let columns = self.columns.iter();
        columns.filter_map(|(name, stored)| Some((name.as_str(), Kind::of(stored)?)))
    }

    /// Reads some columns of text and some of numbers, so many rows at a time that memory does not
    /// depend on the file.
    ///
    /// # Errors
    /// When a column is not there or of another kind.
    pub fn batches(self, texts: &[&str], numbers: &[&str]) -> Result<Batches, ColumnsError> {
        let wanted = (texts.iter().map(|name| (*name, Kind::Text)))
            .chain(numbers.iter().map(|name| (*name, Kind::Numbers)));
        let places = wanted
            .map(|(name, kind)| self.place(name, kind))
            .collect::<Result<Vec<_>, _>>()?;
        let schema = self.stored.parquet_schema();
        let mask = ProjectionMask::roots(schema, places.iter().copied());
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file, self.stored)
            .with_projection(mask)
            .build()
            .map_err(|e| not_whole(&self.path, &e))?;
        let own = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        Ok(Batches {
            path: self.path,
            reader,
            texts: own(texts),
            numbers: own(numbers),
        })
    }

    /// The rows as texts, cell by cell: every column of text, numbers or truth values. Numbers have as many
    /// digits as tell them apart, missing values are `NA`. Gives the names of the columns, too, and those
    /// of columns that are nothing of the kind (dates, lists), which are left out.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn texts(self) -> Result<TextRows, ColumnsError> {
        let told = |stored: &DataType| Kind::of(stored).is_some() || *stored == DataType::Boolean;
        let (kept, left_out): (Vec<_>, Vec<_>) =
            (self.columns.iter().enumerate()).partition(|(_, (_, stored))| told(stored));
        let name = |(_, (name, _)): &(usize, &(String, DataType))| name.clone();
        let schema = self.stored.parquet_schema();
        let mask = ProjectionMask::roots(schema, kept.iter().map(|(i, _)| *i));
        Ok(TextRows {
            names: kept.iter().map(name).collect(),
            left_out: left_out.iter().map(name).collect(),
            reader: ParquetRecordBatchReaderBuilder::new_with_metadata(self.file, self.stored)
                .with_projection(mask)
                .build()
                .map_err(|e| not_whole(&self.path, &e))?,
            path: self.path,
        })
    }

    fn place(&self, name: &str, kind: Kind) -> Result<usize, ColumnsError> {
        let fail = |found: String| ColumnsError::Content {
            path: self.path.clone(),
            found,
            expected: format!("a column {name:?} of {}", kind.as_str()),
        };
        let Some(place) = self.columns.iter().position(|c| c.0 == name) else {
            let names: Vec<&str> = self.columns.iter().map(|c| c.0.as_str()).collect();
            return Err(fail(format!("columns {}", names.join(", "))));
        };
        let stored = &self.columns[place].1;
        match Kind::of(stored) == Some(kind) {
            true => Ok(place),
            false => Err(fail(format!("column {name:?} holds {stored}"))),
        }
    }
}

fn not_whole(path: &Path, e: &dyn std::error::Error) -> ColumnsError {
    ColumnsError::Content {
        path: path.into(),
        found: format!("no Parquet file that can be read whole ({e})"),
        expected: "a Parquet file".into(),
    }
}

/// The rows of a file, some at a time.
pub struct Batches {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
    texts: Vec<String>,
    numbers: Vec<String>,
}

impl Iterator for Batches {
    type Item = Result<Batch, ColumnsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = match self.reader.next()? {
            Ok(batch) => batch,
            Err(e) => return Some(Err(not_whole(&self.path, &e))),
        };
        Some(self.read(&batch))
    }
}

impl Batches {
    fn read(&self, batch: &RecordBatch) -> Result<Batch, ColumnsError> {
        fn read<T>(
            (path, kind): (&Path, Kind),
            batch: &RecordBatch,
            names: &[String],
            to: impl Fn(&dyn Array) -> Option<T>,
        ) -> Result<Vec<T>, ColumnsError> {
            let columns = names.iter().map(|name| {
                let column = batch.column_by_name(name);
                let fail = || ColumnsError::Content {
                    path: path.into(),
                    found: match column {
                        Some(column) => format!("column {name:?} stored as {}", column.data_type()),
                        None => format!("no column {name:?}"),
                    },
                    expected: kind.as_str().into(),
                };
                column
                    .and_then(|column| to(column.as_ref()))
                    .ok_or_else(fail)
            });
            columns.collect()
        }
        let text = |a: &dyn Array| a.as_string_opt::<i32>().cloned().map(Texts);
        Ok(Batch {
            rows: batch.num_rows(),
            texts: read((&self.path, Kind::Text), batch, &self.texts, text)?,
            numbers: read((&self.path, Kind::Numbers), batch, &self.numbers, numbers)?,
        })
    }
}

/// The rows of a file as texts, some at a time.
pub struct TextRows {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
    /// Names of the columns.
    pub names: Vec<String>,
    /// Names of columns that have no text.
    pub left_out: Vec<String>,
}

impl Iterator for TextRows {
    /// `[column][row]`
    type Item = Result<Vec<Vec<String>>, ColumnsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = match self.reader.next()? {
            Ok(batch) => batch,
            Err(e) => return Some(Err(not_whole(&self.path, &e))),
        };
        let columns = (self.names.iter()).map(|name| {
            let column = batch.column_by_name(name);
            column.and_then(|c| texts(c.as_ref())).ok_or_else(|| {
                let stored = column.map(|c| c.data_type().to_string());
                ColumnsError::Content {
                    path: self.path.clone(),
                    found: format!(
                        "column {name:?} stored as {}",
                        stored.as_deref().unwrap_or("nothing")
                    ),
                    expected: "text or numbers".into(),
                }
            })
        });
        Some(columns.collect())
    }
}

/// The cells of a column as texts; `None` for types that have none.
fn texts(array: &dyn Array) -> Option<Vec<String>> {
    fn of<T: ArrowPrimitiveType>(array: &dyn Array) -> Option<Vec<String>>
    where
        T::Native: std::fmt::Display,
    {
        let values = array.as_primitive_opt::<T>()?.iter();
        Some(values.map(|v| cell(v.map(|v| v.to_string()))).collect())
    }
    fn cell(text: Option<String>) -> String {
        match text {
            // As pandas has missing numbers.
            Some(text) if text != "NaN" => text,
            _ => "NA".to_owned(),
        }
    }
    let strings = |a: &StringArray| a.iter().map(|v| cell(v.map(str::to_owned))).collect();
    (array.as_string_opt::<i32>().map(strings))
        .or_else(|| {
            let values = array.as_boolean_opt()?.iter();
            Some(values.map(|v| cell(v.map(|v| v.to_string()))).collect())
        })
        .or_else(|| of::<Float64Type>(array))
        .or_else(|| of::<Float32Type>(array))
        .or_else(|| of::<Float16Type>(array))
        .or_else(|| of::<Int64Type>(array))
        .or_else(|| of::<Int32Type>(array))
        .or_else(|| of::<Int16Type>(array))
        .or_else(|| of::<Int8Type>(array))
        .or_else(|| of::<UInt64Type>(array))
        .or_else(|| of::<UInt32Type>(array))
        .or_else(|| of::<UInt16Type>(array))
        .or_else(|| of::<UInt8Type>(array))
}

/// Some rows of the columns asked for.
pub struct Batch {
    /// How many.
    pub rows: usize,
    /// Columns of text, in the order in which they were asked for.
    pub texts: Vec<Texts>,
    /// Columns of numbers, likewise; NaN where a value is missing.
    pub numbers: Vec<Vec<f64>>,
}

/// Cells of a column of text.
pub struct Texts(StringArray);

impl Texts {
    /// The cells; `None` where one is missing.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        self.0.iter()
    }

    /// One cell; `None` where it is missing.
    ///
    /// # Panics
    /// When there are not so many rows.
    pub fn get(&self, row: usize) -> Option<&str> {
        self.0.is_valid(row).then(|| self.0.value(row))
    }
}

fn numbers(array: &dyn Array) -> Option<Vec<f64>> {
    fn of<T: ArrowPrimitiveType>(
        array: &dyn Array,
        to: impl Fn(T::Native) -> f64,
    ) -> Option<Vec<f64>> {
        let values = array.as_primitive_opt::<T>()?.iter();
        Some(values.map(|v| v.map_or(f64::NAN, &to)).collect())
    }
    of::<Float64Type>(array, |v| v)
        .or_else(|| of::<Float32Type>(array, f64::from))
        .or_else(|| of::<Float16Type>(array, |v| v.to_f64()))
        .or_else(|| of::<Int64Type>(array, |v| v as f64))
        .or_else(|| of::<Int32Type>(array, f64::from))
        .or_else(|| of::<Int16Type>(array, f64::from))
        .or_else(|| of::<Int8Type>(array, f64::from))
        .or_else(|| of::<UInt64Type>(array, |v| v as f64))
        .or_else(|| of::<UInt32Type>(array, f64::from))
        .or_else(|| of::<UInt16Type>(array, f64::from))
        .or_else(|| of::<UInt8Type>(array, f64::from))
}

#[cfg(test)]
mod tests;
