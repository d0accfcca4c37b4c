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

/// A number as it stands in a table: the shortest decimal that reads back the same; NA for what is no number
/// (docs/definitions.md).
#[derive(Clone, Copy, Debug)]
pub struct Number(pub f64);

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.0.is_finite() {
            return f.write_str("NA");
        }
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format(self.0 + 0.0);
        f.write_str(text.strip_suffix(".0").unwrap_or(text))
    }
}

/// A number with so many decimals; NA for what is no number.
pub fn decimals(value: f64, decimals: usize) -> String {
    match value.is_finite() {
        true => format!("{value:.decimals$}"),
        false => "NA".into(),
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

    /// Appends a number: the shortest decimal that reads back the same; NA for what is no number (docs/definitions.md).
    pub fn number(&mut self, value: f64) -> &mut Self {
        self.sep();
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{}", Number(value));
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
