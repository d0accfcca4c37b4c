use std::fmt::Write as _;
use std::path::Path;

use super::OutputError;

/// A tab-separated table in the making.
#[derive(Debug, Default)]
pub struct Tsv(String);

impl Tsv {
    /// With these names of columns.
    pub fn new(header: &[&str]) -> Self {
        Self(header.join("\t") + "\n")
    }

    /// Appends a cell of text.
    pub fn text(&mut self, cell: &str) -> &mut Self {
        self.sep();
        self.0.push_str(cell);
        self
    }

    /// Appends a whole number.
    pub fn count(&mut self, n: u64) -> &mut Self {
        self.sep();
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{n}");
        self
    }

    /// Appends a number: the shortest decimal that reads back the same; NA for NaN.
    pub fn number(&mut self, value: f64) -> &mut Self {
        self.sep();
        if value.is_nan() {
            self.0.push_str("NA");
        } else {
            let mut buffer = zmij::Buffer::new();
            let text = buffer.format(value + 0.0);
            self.0.push_str(text.strip_suffix(".0").unwrap_or(text));
        }
        self
    }

    fn sep(&mut self) {
        if !self.0.ends_with('\n') && !self.0.is_empty() {
            self.0.push('\t');
        }
    }

    /// Ends the row.
    pub fn end(&mut self) {
        self.0.push('\n');
    }

    /// Writes the table.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), OutputError> {
        super::write(path, &self.0)
    }
}
