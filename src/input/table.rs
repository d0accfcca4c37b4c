use std::path::Path;

use super::{InputError, Lines};

/// A table with a header, a row at a time. Cells are separated by tabs, by commas where the
/// header has no tab (then cells may stand in double quotes), or by runs of blanks where it has neither. Lines that begin with `##` above the header, and empty ones, are passed
/// over; a `#` before the header's first name is no part of it.
#[derive(Debug)]
pub struct Table {
    lines: Lines,
    names: Vec<String>,
    between: Separator,
}

/// What stands between the cells of a table's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separator {
    /// Tabs.
    Tabs,
    /// Commas; cells may stand in double quotes.
    Commas,
    /// Runs of blanks.
    Blanks,
}

impl Separator {
    /// Tabs where a header has one, else commas, else blanks.
    pub fn of(header: &str) -> Self {
        match (header.contains('\t'), header.contains(',')) {
            (true, _) => Self::Tabs,
            (false, true) => Self::Commas,
            (false, false) => Self::Blanks,
        }
    }

    /// The cells of a line, blanks and quotes around them taken away.
    pub fn cells(self, line: &str) -> Vec<&str> {
        match self {
            Self::Tabs => line.split('\t').map(str::trim).collect(),
            Self::Commas => {
                let mut quoted = false;
                let cells = line.split(|c| {
                    quoted ^= c == '"';
                    c == ',' && !quoted
                });
                cells.map(unquoted).collect()
            }
            Self::Blanks => line.split_ascii_whitespace().collect(),
        }
    }
}

/// A row: its cells, as many as the header has names.
#[derive(Debug)]
pub struct Row<'a> {
    /// 1-based line number.
    pub line: u64,
    /// The cells, blanks around them taken away.
    pub cells: Vec<&'a str>,
}

impl Table {
    /// Reads the header; `None` where there is none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn new(mut lines: Lines) -> Result<Option<Self>, InputError> {
        let header = loop {
            match lines.next_filled()? {
                None => return Ok(None),
                Some(line) if line.starts_with("##") => {}
                Some(line) => break line,
            }
        };
        let between = Separator::of(&header);
        let names = between.cells(header.strip_prefix('#').unwrap_or(&header));
        Ok(Some(Self {
            names: names.into_iter().map(str::to_owned).collect(),
            lines,
            between,
        }))
    }

    /// The names of the columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The first column of a name, upper and lower case being one.
    pub fn column(&self, name: &str) -> Option<usize> {
        (self.names.iter()).position(|n| n.eq_ignore_ascii_case(name))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.lines.path()
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read, or a row has another number of cells than the header.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, InputError> {
        loop {
            match self.lines.next_line()? {
                None => return Ok(None),
                Some(line) if line.trim().is_empty() => {}
                Some(_) => break,
            }
        }
        // Read once more: a borrow cannot leave the loop.
        self.lines.unread();
        let (width, number) = (self.names.len(), self.lines.number() + 1);
        let path = self.lines.path().to_owned();
        let Some(line) = self.lines.next_line()? else {
            return Ok(None);
        };
        let cells = self.between.cells(line);
        if cells.len() != width {
            return Err(InputError::Line {
                path,
                line: number,
                problem: format!("{} cell(s)", cells.len()),
                expected: format!("{width}, as in the header"),
            });
        }
        Ok(Some(Row {
            line: number,
            cells,
        }))
    }
}

/// A cell without the double quotes around it.
fn unquoted(cell: &str) -> &str {
    let cell = cell.trim();
    let inside = cell.strip_prefix('"').and_then(|c| c.strip_suffix('"'));
    inside.unwrap_or(cell)
}

/// Whether a cell says that there is no value.
pub fn is_missing(cell: &str) -> bool {
    let words = ["NA", "NaN", "N/A", "#N/A", "null", "None"];
    matches!(cell, "" | ".") || words.iter().any(|m| cell.eq_ignore_ascii_case(m))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::Input;
    use super::*;

    fn table(text: &str) -> Option<Table> {
        let reader = Box::new(Cursor::new(text.as_bytes().to_vec()));
        let input = Input::from_reader(Path::new("t"), reader).unwrap();
        Table::new(Lines::new(input)).unwrap()
    }

    #[test]
    fn rows_by_tabs_or_blanks() {
        for text in [
            "##note\n\n#Chr\tpos \n1\t 5\n\n2\t6\n",
            "Chr pos\n1   5\n 2 6\n",
        ] {
            let mut table = table(text).unwrap();
            assert_eq!(table.names(), ["Chr", "pos"]);
            assert_eq!((table.column("chr"), table.column("x")), (Some(0), None));
            assert_eq!(table.next_row().unwrap().unwrap().cells, ["1", "5"]);
            assert_eq!(table.next_row().unwrap().unwrap().cells, ["2", "6"]);
            assert!(table.next_row().unwrap().is_none());
        }
        assert!(table("\n##x\n").is_none());
        // An empty cell is a cell.
        let mut gap = table("a\tb\n\t2\n").unwrap();
        assert_eq!(gap.next_row().unwrap().unwrap().cells, ["", "2"]);
    }

    #[test]
    fn commas_and_quotes() {
        let mut table = table("id,\"the, name\", x\n1,\"a,b\",\n").unwrap();
        assert_eq!(table.names(), ["id", "the, name", "x"]);
        assert_eq!(table.next_row().unwrap().unwrap().cells, ["1", "a,b", ""]);
    }

    #[test]
    fn rows_are_as_wide_as_the_header() {
        let mut table = table("a\tb\n1\t2\n1\t2\t3\n").unwrap();
        table.next_row().unwrap();
        let error = table.next_row().unwrap_err().to_string();
        assert_eq!(error, "t, line 3: 3 cell(s); expected 2, as in the header");
    }
}
