use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayView1};

use super::sequences::NAMES;
use super::{Columns, Label, Labelled, LabelledError, Sequences, Skipped};
use crate::dataset::Split;
use crate::encode;
use crate::input::is_missing;

/// Columns that are no labels.
const RESERVED: [&str; 14] = [
    "tile", "region", "position", "group", "chrom", "start", "end", "strand", "sequence", "offset",
    "split", "weight", "id", "name",
];

/// A column's cells as read.
#[derive(Clone, Debug)]
pub(super) enum Cells {
    Text(Vec<Option<String>>),
    /// NaN where missing.
    Numbers(Vec<f64>),
}

/// Named columns of one length.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub path: PathBuf,
    pub columns: Vec<(String, Cells)>,
    /// Bases of a tile, for tiles in a frame.
    pub tile: Option<usize>,
    pub skipped: Vec<Skipped>,
}

impl Table {
    fn fail(&self, problem: String, expected: &str) -> LabelledError {
        LabelledError::Table {
            path: self.path.clone(),
            problem,
            expected: expected.into(),
        }
    }

    fn column(&self, name: &str) -> Option<&Cells> {
        self.columns.iter().find(|c| c.0 == name).map(|c| &c.1)
    }

    /// A column as text; numbers as they are printed.
    fn texts(&self, name: &str) -> Option<Vec<Option<String>>> {
        Some(match self.column(name)? {
            Cells::Text(cells) => cells.clone(),
            Cells::Numbers(cells) => (cells.iter())
                .map(|v| (!v.is_nan()).then(|| v.to_string()))
                .collect(),
        })
    }

    /// A column as numbers, or the first row (from 1) and cell that is none.
    fn numbers(&self, name: &str) -> Option<Result<Vec<f64>, (usize, String)>> {
        Some(match self.column(name)? {
            Cells::Numbers(cells) => Ok(cells.clone()),
            Cells::Text(cells) => (cells.iter().enumerate())
                .map(|(row, cell)| match cell.as_deref() {
                    None => Ok(f64::NAN),
                    Some(text) => match text.trim() {
                        text if is_missing(text) => Ok(f64::NAN),
                        text => text.parse().map_err(|_| (row + 1, text.to_owned())),
                    },
                })
                .collect(),
        })
    }

    fn known_numbers(&self, name: &str) -> Result<Option<Vec<f64>>, LabelledError> {
        self.numbers(name).transpose().map_err(|(row, cell)| {
            self.fail(format!("column {name}, row {row}: {cell:?}"), "a number")
        })
    }

    /// Gives a column the name that it is looked for under.
    fn rename(&mut self, from: Option<&String>, to: &str) -> Result<(), LabelledError> {
        let Some(from) = from.filter(|from| *from != to) else {
            return Ok(());
        };
        if self.column(from).is_none() {
            let names: Vec<&str> = self.columns.iter().map(|c| c.0.as_str()).collect();
            let problem = format!("columns {}", names.join(", "));
            return Err(self.fail(problem, &format!("a column `{from}`")));
        }
        self.columns.retain(|(name, _)| name != to);
        for (name, _) in &mut self.columns {
            if name == from {
                *name = to.into();
            }
        }
        Ok(())
    }

    /// Adds the sequences that a FASTA has under the rows' names.
    pub fn with_sequences(mut self, fasta: &Path) -> Result<Self, LabelledError> {
        let mut by_name: HashMap<String, String> = HashMap::new();
        let mut sequences = Sequences::open(fasta, None, None)?;
        while let Some(piece) = sequences.next_piece()? {
            for (name, codes) in piece.sequences {
                let letter = |&c: &u8| encode::BASES.get(usize::from(c)).copied().unwrap_or('N');
                by_name.insert(name, codes.iter().map(letter).collect());
            }
        }
        let names = NAMES.iter().find_map(|n| self.texts(n));
        let names = names.unwrap_or_default();
        let sequence = |(row, name): (usize, &Option<String>)| {
            let name = name.as_deref().unwrap_or("");
            by_name.get(name).cloned().map(Some).ok_or_else(|| {
                let problem = format!(
                    "row {}: no sequence {name:?} in {}",
                    row + 1,
                    fasta.display()
                );
                self.fail(problem, "names of the FASTA's records")
            })
        };
        let found: Result<Vec<_>, _> = names.iter().enumerate().map(sequence).collect();
        self.columns.push(("sequence".into(), Cells::Text(found?)));
        Ok(self)
    }

    /// Sequences, labels and what belongs to them.
    pub fn assemble(mut self, columns: &Columns) -> Result<Labelled, LabelledError> {
        self.rename(columns.sequence.as_ref(), "sequence")?;
        self.rename(columns.group.as_ref(), "group")?;
        let letters = self.texts("sequence").ok_or_else(|| {
            let names: Vec<&str> = self.columns.iter().map(|c| c.0.as_str()).collect();
            self.fail(
                format!("columns {}", names.join(", ")),
                "a column `sequence` (or --sequence-column)",
            )
        })?;
        let rows = letters.len();
        if rows == 0 {
            let why = match self.skipped.first() {
                None => String::new(),
                Some(first) => format!(
                    " ({} left out, the first, {}, for {})",
                    self.skipped.len(),
                    first.name,
                    first.reason
                ),
            };
            return Err(LabelledError::Empty {
                path: self.path,
                why,
            });
        }
        let (width, codes) = self.codes(&letters)?;
        let names = ["tile", "id", "name"].iter().find_map(|n| self.texts(n));
        let names = match names {
            Some(names) => (names.into_iter().enumerate())
                .map(|(row, name)| name.unwrap_or_else(|| format!("row_{}", row + 1)))
                .collect(),
            None => (1..=rows).map(|row| format!("row_{row}")).collect(),
        };
        let split = self.split()?;
        let weight = self.known_numbers("weight")?;
        if let Some(row) = (weight.iter().flatten()).position(|w| !(w.is_finite() && *w >= 0.0)) {
            return Err(self.fail(
                format!("column weight, row {}: not 0 or more", row + 1),
                "weights of 0 or more",
            ));
        }
        let groups = ["group", "region"].iter().find_map(|n| self.texts(n));
        let groups = groups.map(|cells| {
            let mut numbers: HashMap<Option<String>, u32> = HashMap::new();
            (cells.into_iter())
                .map(|cell| {
                    let next = numbers.len() as u32;
                    *numbers.entry(cell).or_insert(next)
                })
                .collect()
        });
        let chroms = self.texts("chrom").map(|cells| {
            let cells = cells.into_iter();
            cells.map(Option::unwrap_or_default).collect()
        });
        let tile = self.tile(width)?;
        let labels = self.labels()?;
        Ok(Labelled {
            path: self.path,
            width,
            codes,
            names,
            split,
            weight,
            groups,
            chroms,
            labels,
            skipped: self.skipped,
            tile,
        })
    }

    /// Length of the sequences and their base codes, `[rows, length]`.
    fn codes(&self, letters: &[Option<String>]) -> Result<(usize, Vec<u8>), LabelledError> {
        let (mut width, mut codes) = (0, Vec::new());
        for (row, letters) in letters.iter().enumerate() {
            let letters = letters.as_deref().unwrap_or("").trim();
            if row == 0 {
                width = letters.len();
                codes.reserve(width * letters.len());
            }
            if letters.len() != width || width == 0 {
                return Err(self.fail(
                    format!("row {}: a sequence of {} bases", row + 1, letters.len()),
                    &match width {
                        0 => "at least one base".into(),
                        _ => format!("{width}, as in the first row"),
                    },
                ));
            }
            if !encode::push_codes(letters.as_bytes(), &mut codes) {
                return Err(self.fail(
                    format!("row {}: a sequence with something that is no base", row + 1),
                    "letters",
                ));
            }
        }
        Ok((width, codes))
    }

    /// Sides of the split, where there is one.
    fn split(&self) -> Result<Option<Vec<Split>>, LabelledError> {
        let side = |(row, cell): (usize, Option<String>)| {
            let word = cell.as_deref().unwrap_or("").trim();
            let side = match word {
                "val" | "valid" => Some(Split::Validation),
                _ => Split::ALL.into_iter().find(|s| s.as_str() == word),
            };
            side.ok_or_else(|| {
                self.fail(
                    format!("column split, row {}: {word:?}", row + 1),
                    "train, validation or test",
                )
            })
        };
        let cells = self.texts("split");
        cells
            .map(|cells| cells.into_iter().enumerate().map(side).collect())
            .transpose()
    }

    /// For tiles in a frame: bases of a tile, and the column of each row's first.
    fn tile(&self, width: usize) -> Result<Option<(usize, Vec<usize>)>, LabelledError> {
        let (Some(tile), Some(offsets)) = (self.tile, self.known_numbers("offset")?) else {
            return Ok(None);
        };
        if tile >= width {
            return Ok(None);
        }
        let offsets: Vec<usize> = offsets.iter().map(|o| o.max(0.0) as usize).collect();
        if let Some(row) = offsets.iter().position(|o| o.saturating_add(tile) > width) {
            return Err(self.fail(
                format!("row {}: a tile that reaches past its sequence", row + 1),
                "tiles inside their frame",
            ));
        }
        Ok(Some((tile, offsets)))
    }

    /// Every numeric column that is not reserved; those of replicates with the label they belong
    /// to.
    fn labels(&self) -> Result<Vec<Label>, LabelledError> {
        let mut labels: Vec<Label> = Vec::new();
        let owner = |name: &str| -> Option<String> {
            let (base, rest) = name.rsplit_once('.')?;
            let known = self.column(base).is_some();
            let belongs = rest == "activity" || rest.strip_prefix("rep").is_some();
            (known && belongs).then(|| base.to_owned())
        };
        let plain = (self.columns.iter())
            .filter(|(name, _)| !RESERVED.contains(&name.as_str()) && owner(name).is_none());
        for (name, _) in plain {
            // The index that pandas writes.
            if name.is_empty() || name.starts_with("Unnamed: ") {
                continue;
            }
            match self.numbers(name) {
                Some(Ok(values)) => {
                    self.refuse_infinite(name, &values)?;
                    labels.push(Label {
                        name: name.clone(),
                        replicates: Array2::zeros((values.len(), 0)),
                        values,
                        activity: None,
                    });
                }
                // Text columns are no labels.
                Some(Err((row, cell))) if row > 1 => {
                    tracing::warn!(
                        "{}: column {name} is no label: row {row} has {cell:?}, which is no number",
                        self.path.display()
                    );
                }
                _ => {}
            }
        }
        for (name, _) in &self.columns {
            let Some(base) = owner(name) else { continue };
            let Some(label) = labels.iter_mut().find(|l| l.name == base) else {
                continue;
            };
            if let Some(values) = self.known_numbers(name)? {
                self.refuse_infinite(name, &values)?;
                match name.ends_with(".activity") {
                    true => label.activity = Some(values),
                    false => {
                        let rows = values.len();
                        let column = ArrayView1::from(&values);
                        label.replicates.push_column(column).map_err(|_| {
                            self.fail(format!("column {name} of {rows} rows"), "as many as others")
                        })?;
                    }
                }
            }
        }
        Ok(labels)
    }

    fn refuse_infinite(&self, name: &str, values: &[f64]) -> Result<(), LabelledError> {
        match values.iter().position(|v| v.is_infinite()) {
            None => Ok(()),
            Some(row) => Err(self.fail(
                format!("column {name}, row {}: {}", row + 1, values[row]),
                "finite numbers, or NA",
            )),
        }
    }
}
