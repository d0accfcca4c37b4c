use std::path::Path;

use super::LabelledError;
use super::table::{Cells, Table};
use crate::input::Lines;

/// What a text file holds.
pub(super) enum Text {
    /// Sequences.
    Table(Table),
    /// Intervals: columns `chrom`, `start`, `end` and others.
    Bed(Table),
}

/// Names of a BED's columns where it has no header.
const BED: [&str; 6] = ["chrom", "start", "end", "name", "score", "strand"];

/// A table with a header (a `#` before it is passed over). Without the column `sequence`, or
/// without a header but with numbers in columns 2 and 3, it is a BED.
pub(super) fn read(path: &Path) -> Result<Text, LabelledError> {
    let mut lines = Lines::open(path)?;
    let mut names: Option<Vec<String>> = None;
    let mut columns: Vec<Vec<Option<String>>> = Vec::new();
    let mut bed = false;
    while let Some(line) = lines.next_filled()? {
        let word = |w: &str| line.starts_with(w) && line[w.len()..].starts_with([' ', '\t']);
        if word("track") || word("browser") {
            continue;
        }
        let cells: Vec<&str> = line.split('\t').collect();
        let Some(known) = &names else {
            let number = |i: usize| {
                cells
                    .get(i)
                    .is_some_and(|c| c.trim().parse::<u32>().is_ok())
            };
            let header: Vec<String> = match number(1) && number(2) {
                true => (0..cells.len())
                    .map(|i| {
                        BED.get(i)
                            .map_or(format!("column_{}", i + 1), |n| (*n).into())
                    })
                    .collect(),
                // A comment above the header.
                false if line.starts_with('#') && cells.len() < 3 => continue,
                false => cells
                    .iter()
                    .map(|c| c.trim_start_matches('#').trim().to_owned())
                    .collect(),
            };
            bed = !header.iter().any(|n| n == "sequence");
            if bed && !BED[..3].iter().all(|n| header.iter().any(|h| h == n)) {
                return Err(lines
                    .error(
                        format!("a header of {}", header.join(", ")),
                        "the columns `sequence`, or `chrom`, `start` and `end`",
                    )
                    .into());
            }
            for (i, name) in header.iter().enumerate() {
                if header[..i].contains(name) {
                    return Err(lines
                        .error(format!("column {name:?} stands twice"), "one column a name")
                        .into());
                }
            }
            columns = vec![Vec::new(); header.len()];
            names = Some(header);
            if number(1) && number(2) {
                push(&mut columns, &cells);
            }
            continue;
        };
        if line.starts_with('#') {
            continue;
        }
        if cells.len() != known.len() {
            return Err(lines
                .error(
                    format!("{} columns", cells.len()),
                    format!("{}", known.len()),
                )
                .into());
        }
        push(&mut columns, &cells);
    }
    let columns = (names.unwrap_or_default().into_iter())
        .zip(columns.into_iter().map(Cells::Text))
        .collect();
    let table = Table {
        path: path.into(),
        columns,
        ..Table::default()
    };
    Ok(match bed {
        true => Text::Bed(table),
        false => Text::Table(table),
    })
}

fn push(columns: &mut [Vec<Option<String>>], cells: &[&str]) {
    for (column, cell) in columns.iter_mut().zip(cells) {
        column.push(Some((*cell).to_owned()));
    }
}
