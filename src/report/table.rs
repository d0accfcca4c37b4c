//! Tables of results as the page has them.

use std::path::Path;

use serde::{Serialize, Serializer};

use super::ReportError;
use crate::input::{Lines, Row, Table, is_missing};

/// Rows of a table that the page holds.
pub(super) const MOST: usize = 100_000;

/// A table.
#[derive(Debug, Default, Serialize)]
pub(super) struct View {
    pub id: String,
    pub title: String,
    pub note: String,
    pub rows: usize,
    /// Rows that are in the file alone.
    pub left_out: u64,
    pub columns: Vec<Column>,
    /// Whether rows are regions that there may be pictures of.
    pub regions: bool,
    /// The address that a place is looked up under, without the place.
    pub browser: String,
}

/// A column.
#[derive(Debug, Default, Serialize)]
pub(super) struct Column {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "finite")]
    pub numbers: Option<Vec<f64>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<String>,
    /// Whether all numbers are whole.
    pub integer: bool,
    /// Whether cells are links: `dbsnp`, or `place`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<&'static str>,
}

/// Numbers with `null` for those that are none.
fn finite<S: Serializer>(numbers: &Option<Vec<f64>>, to: S) -> Result<S::Ok, S::Error> {
    let numbers = numbers.iter().flatten();
    to.collect_seq(numbers.map(|v| v.is_finite().then_some(*v)))
}

impl Column {
    /// A column of cells: numbers where all cells are, or say that there is none.
    pub fn of(name: &str, texts: Vec<String>) -> Self {
        let parse = |t: &String| match is_missing(t) {
            true => Some(f64::NAN),
            false => t.parse::<f64>().ok(),
        };
        let numbers: Option<Vec<f64>> = texts.iter().map(parse).collect();
        match numbers.filter(|n| n.iter().any(|v| !v.is_nan())) {
            Some(numbers) => Self::numbers(name, numbers),
            None => Self {
                name: name.to_owned(),
                texts,
                ..Self::default()
            },
        }
    }

    /// A column of numbers.
    pub fn numbers(name: &str, numbers: Vec<f64>) -> Self {
        Self {
            name: name.to_owned(),
            integer: numbers
                .iter()
                .all(|v| v.is_nan() || v.fract() == 0.0 && v.abs() < 1e15),
            numbers: Some(numbers),
            ..Self::default()
        }
    }
}

impl View {
    /// Reads a table; nothing where it has no row.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path, name: &str) -> Result<Option<Self>, ReportError> {
        let Some(mut table) = Table::new(Lines::open(path)?)? else {
            return Ok(None);
        };
        let names = table.names().to_vec();
        let mut cells: Vec<Vec<String>> = vec![Vec::new(); names.len()];
        let (mut rows, mut left_out) = (0, 0);
        while let Some(Row { cells: row, .. }) = table.next_row()? {
            if rows == MOST {
                left_out += 1;
                continue;
            }
            for (column, cell) in cells.iter_mut().zip(row) {
                column.push(cell.to_owned());
            }
            rows += 1;
        }
        let columns = names
            .iter()
            .zip(cells)
            .map(|(name, cells)| Column::of(name, cells));
        Ok((rows > 0).then(|| Self {
            id: name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"),
            title: name.to_owned(),
            rows,
            left_out,
            columns: columns.collect(),
            ..Self::default()
        }))
    }

    /// A column by name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Its cells as texts.
    pub fn texts(&self, name: &str) -> Option<Vec<String>> {
        let column = self.column(name)?;
        Some(match &column.numbers {
            Some(numbers) => numbers.iter().map(f64::to_string).collect(),
            None => column.texts.clone(),
        })
    }
}
