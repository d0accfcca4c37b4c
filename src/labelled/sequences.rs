//! Sequences from a FASTA or a table, a few at a time.

use std::path::Path;

use crate::encode::push_codes;
use crate::input::{Input, InputError, Lines, Table, Watch};

/// Bases of a piece, or a few more.
const PIECE: usize = 1 << 14;

/// Columns that names are looked for in.
pub(super) const NAMES: [&str; 3] = ["name", "id", "tile"];

/// Some sequences with their names.
pub struct Piece {
    /// Row of the first one, from 0.
    pub first: u32,
    /// Name and base codes.
    pub sequences: Vec<(String, Vec<u8>)>,
}

/// Sequences of a FASTA or of a table, read a few at a time.
pub struct Sequences {
    form: Form,
    watch: Watch,
    /// Sequences given so far.
    rows: u32,
}

enum Form {
    Fasta {
        lines: Lines,
        /// Of the record that has begun.
        name: Option<String>,
    },
    Table {
        table: Table,
        sequence: usize,
        name: Option<usize>,
    },
}

impl Sequences {
    /// Opens a file, or standard input (`-`); a FASTA begins with `>`. Of a table, `sequence` and `name` are
    /// the columns, `sequence`, and `name`, `id` or `tile` where there is one, when `None`.
    ///
    /// # Errors
    /// When it cannot be read, or a table lacks a column.
    pub fn open(
        path: &Path,
        sequence: Option<&str>,
        name: Option<&str>,
    ) -> Result<Self, InputError> {
        let mut input = Input::open(path)?;
        let watch = input.watch();
        let fasta = input.begins_with(b">")?;
        let mut lines =
            Lines::new(input).with_longest(1 << 30, "a sequence of less than a gigabase");
        let form = if fasta {
            let name = lines.next_line()?.and_then(record_name);
            Form::Fasta { lines, name }
        } else {
            let empty = lines.error("no line", "a FASTA, or a table with a header");
            let table = Table::new(lines)?.ok_or(empty)?;
            let find = |column: &str| {
                table.column(column).ok_or_else(|| InputError::Line {
                    path: table.path().into(),
                    line: 1,
                    problem: format!("columns {}", table.names().join(", ")),
                    expected: format!("a column {column:?}, or a FASTA"),
                })
            };
            let sequence = find(sequence.unwrap_or("sequence"))?;
            let name = match name {
                Some(name) => Some(find(name)?),
                None => NAMES.iter().find_map(|name| table.column(name)),
            };
            Form::Table {
                table,
                sequence,
                name,
            }
        };
        Ok(Self {
            form,
            watch,
            rows: 0,
        })
    }

    /// What was read of it.
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// The next ones; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read, or a sequence holds something that is no letter.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, InputError> {
        let mut piece = Piece {
            first: self.rows,
            sequences: Vec::new(),
        };
        let mut bases = 0;
        while bases < PIECE {
            let Some((name, codes)) = self.next()? else {
                break;
            };
            self.rows += 1;
            // Windows of short sequences cost no less.
            bases += codes.len().max(64);
            piece.sequences.push((name, codes));
        }
        Ok((!piece.sequences.is_empty()).then_some(piece))
    }

    fn next(&mut self) -> Result<Option<(String, Vec<u8>)>, InputError> {
        let mut codes = Vec::new();
        match &mut self.form {
            Form::Fasta { lines, name } => {
                let Some(this) = name.take() else {
                    return Ok(None);
                };
                while let Some(line) = lines.next_line()? {
                    *name = record_name(line);
                    if name.is_some() {
                        break;
                    }
                    if !push_codes(line.trim().as_bytes(), &mut codes) {
                        return Err(lines.error("something that is no letter", "bases"));
                    }
                }
                Ok(Some((this, codes)))
            }
            Form::Table {
                table,
                sequence,
                name,
            } => {
                let (path, number) = (table.path().to_owned(), self.rows + 1);
                let Some(row) = table.next_row()? else {
                    return Ok(None);
                };
                let letters = row.cells[*sequence];
                if !push_codes(letters.as_bytes(), &mut codes) {
                    return Err(InputError::Line {
                        path,
                        line: row.line,
                        problem: "a sequence with something that is no letter".into(),
                        expected: "bases".into(),
                    });
                }
                let name = name.map_or_else(|| format!("row_{number}"), |n| row.cells[n].into());
                Ok(Some((name, codes)))
            }
        }
    }
}

/// The name in a FASTA record's first line; `None` of other lines.
fn record_name(line: &str) -> Option<String> {
    let rest = line.strip_prefix('>')?;
    Some(rest.split_ascii_whitespace().next().unwrap_or("").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, Vec<u8>)>, InputError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let mut sequences = Sequences::open(file.path(), None, None)?;
        let mut all = Vec::new();
        while let Some(piece) = sequences.next_piece()? {
            assert_eq!(piece.first as usize, all.len());
            all.extend(piece.sequences);
        }
        Ok(all)
    }

    #[test]
    fn fasta_and_tables() {
        let expected = vec![("a".into(), vec![0, 1, 4]), ("b".into(), vec![3])];
        assert_eq!(read(">a x\nAC\nn\n>b\nT\n").unwrap(), expected);
        assert_eq!(read("name\tsequence\na\tACN\nb\tt\n").unwrap(), expected);
        assert_eq!(read("id,x,sequence\na,1,ACN\nb,2,T\n").unwrap(), expected);
        let unnamed = read("sequence\nA\n").unwrap();
        assert_eq!(unnamed, [("row_1".to_owned(), vec![0])]);
        assert_eq!(read(">a\n>b\n").unwrap().len(), 2);
        for (text, problem) in [
            (">a\nA1C\n", "line 2"),
            ("name\tsequence\na\tA1\n", "line 2"),
            ("name\tseq\na\tA\n", "expected a column \"sequence\""),
            ("", "a FASTA, or a table"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
