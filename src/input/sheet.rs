use std::path::{Path, PathBuf};

use super::{Input, InputError, Lines, Row, Table, is_missing};

/// A table in memory.
#[derive(Debug)]
pub struct Sheet {
    /// The file.
    pub path: PathBuf,
    names: Vec<String>,
    /// 1-based line numbers.
    pub lines: Vec<u64>,
    cells: Vec<String>,
}

impl Sheet {
    /// Reads a table with a header and at least one row; `path` is its name in messages.
    ///
    /// # Errors
    /// When it cannot be read, or has no row.
    pub fn read(input: Input, path: &Path) -> Result<Self, InputError> {
        let Some(mut table) = Table::new(Lines::new(input))? else {
            return Err(InputError::Empty(path.into()));
        };
        let mut sheet = Self {
            path: path.into(),
            names: table.names().to_vec(),
            lines: Vec::new(),
            cells: Vec::new(),
        };
        while let Some(Row { line, cells }) = table.next_row()? {
            sheet.lines.push(line);
            sheet.cells.extend(cells.into_iter().map(str::to_owned));
        }
        match sheet.lines.is_empty() {
            true => Err(InputError::Empty(path.into())),
            false => Ok(sheet),
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.lines.len()
    }

    /// A cell as it stands.
    pub fn cell(&self, row: usize, column: usize) -> &str {
        &self.cells[row * self.names.len() + column]
    }

    /// A column that may be missing, upper and lower case being one.
    pub fn find(&self, name: &str) -> Option<usize> {
        (self.names.iter()).position(|n| n.eq_ignore_ascii_case(name))
    }

    /// A column that must be there; `key` is the setting that names it.
    ///
    /// # Errors
    /// [`InputError::Column`].
    pub fn column(&self, key: &str, name: &str) -> Result<usize, InputError> {
        self.find(name).ok_or_else(|| InputError::Column {
            path: self.path.clone(),
            key: key.into(),
            name: name.into(),
            known: self.names.join(", "),
        })
    }

    /// A column that must be there where a setting names it, else perhaps.
    ///
    /// # Errors
    /// As [`column`](Self::column).
    pub fn named(
        &self,
        key: &str,
        name: &Option<String>,
        default: &str,
    ) -> Result<Option<usize>, InputError> {
        match name {
            Some(name) => self.column(key, name).map(Some),
            None => Ok(self.find(default)),
        }
    }

    fn fail(&self, row: usize, column: usize, expected: &str) -> InputError {
        InputError::Line {
            path: self.path.clone(),
            line: self.lines[row],
            problem: format!("{} is {:?}", self.names[column], self.cell(row, column)),
            expected: expected.into(),
        }
    }

    /// A number, NaN where there is none.
    ///
    /// # Errors
    /// When something else stands there.
    pub fn number(&self, row: usize, column: usize) -> Result<f64, InputError> {
        let cell = self.cell(row, column);
        if is_missing(cell) {
            return Ok(f64::NAN);
        }
        let number = cell.parse().ok().filter(|v: &f64| v.is_finite());
        number.ok_or_else(|| self.fail(row, column, "a number, or NA"))
    }

    /// A coordinate of at least `least`.
    ///
    /// # Errors
    /// When something else stands there.
    pub fn coordinate(&self, row: usize, column: usize, least: u32) -> Result<u32, InputError> {
        let number = self.cell(row, column).parse().ok();
        (number.filter(|&n: &u32| n >= least && n <= i32::MAX as u32))
            .ok_or_else(|| self.fail(row, column, "a coordinate"))
    }
}
