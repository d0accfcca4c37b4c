use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

use super::OutputError;

/// Text as a cell that no spreadsheet takes for a formula: an apostrophe before `=`, `+`, `-`, `@` at its start,
/// unless it is a number or a single character (a strand); and that is of one cell: `_` for control characters.
pub fn cell(text: &str) -> Cow<'_, str> {
    let control = |c: char| c.is_control();
    let text = match text.contains(control) {
        true => Cow::Owned(text.replace(control, "_")),
        false => Cow::Borrowed(text),
    };
    let formula = text.starts_with(['=', '+', '-', '@']) && text.chars().nth(1).is_some();
    match formula && text.parse::<f64>().is_err() {
        true => Cow::Owned(format!("'{text}")),
        false => text,
    }
}

/// A tab-separated table in the making.
#[derive(Debug, Default)]
pub struct Tsv(String);

impl Tsv {
    /// With these names of columns.
    pub fn new(header: &[&str]) -> Self {
        Self(header.join("\t") + "\n")
    }

    /// Appends a cell of text, as [`cell`] has it.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.sep();
        self.0.push_str(&cell(text));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for (text, expected) in [
            ("=1+1", "'=1+1"),
            ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-2+3", "'-2+3"),
            ("+a", "'+a"),
            ("-", "-"),
            ("+", "+"),
            ("-0.5", "-0.5"),
            ("+1e-3", "+1e-3"),
            ("chr1=2", "chr1=2"),
            ("a\tb\0c\n", "a_b_c_"),
            ("", ""),
        ] {
            assert_eq!(cell(text), expected);
        }
        let mut table = Tsv::new(&["name"]);
        table.text("=1").end();
        assert_eq!(table.0, "name\n'=1\n");
    }
}
