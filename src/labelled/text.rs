use super::sequences::NAMES;
use super::table::{Cells, Table};
use super::{LabelledError, Source};
use crate::input::{Input, InputError, Lines, Separator, bed};

/// What a text file holds.
pub(super) enum Text {
    /// Sequences.
    Table(Table),
    /// Names of sequences, which stand in a FASTA.
    Named(Table),
    /// Intervals: columns `chrom`, `start`, `end` and others.
    Bed(Table),
}

/// Names of a BED's columns where it has no header.
const BED: [&str; 6] = ["chrom", "start", "end", "name", "score", "strand"];

/// A table with a header (a `#` before it is passed over). Without the column `sequence`, or
/// without a header but with numbers in columns 2 and 3, it is a BED, of which every row has as many
/// columns as the first, and else is as [`crate::input::bed`] has it.
///
/// With a FASTA, a table that has neither, but names, has its sequences there.
pub(super) fn read(input: Input, source: &Source) -> Result<Text, LabelledError> {
    let mut lines = Lines::new(input);
    let Some(header) = header(&mut lines)? else {
        return Err(InputError::Empty(lines.path().into()).into());
    };
    let place = |name: &str| header.names.iter().position(|n| n == name);
    let sequence = source.columns.sequence.as_deref().unwrap_or("sequence");
    let named = source.fasta.is_some() && NAMES.iter().any(|n| place(n).is_some());
    let mut by_name = false;
    let interval = match (place(sequence), [0, 1, 2].map(|i| place(BED[i]))) {
        (Some(_), _) => None,
        (None, [Some(chrom), Some(start), Some(end)]) => Some([chrom, start, end]),
        _ if named => {
            by_name = true;
            None
        }
        _ => {
            let found = format!("a header of {}", header.names.join(", "));
            return Err(lines
                .error(
                    found,
                    format!("the columns `{sequence}`, or `chrom`, `start` and `end`"),
                )
                .into());
        }
    };
    for (i, name) in header.names.iter().enumerate() {
        if header.names[..i].contains(name) {
            return Err(lines
                .error(format!("column {name:?} stands twice"), "one column a name")
                .into());
        }
    }
    let mut columns = vec![Vec::new(); header.names.len()];
    while let Some(line) = lines.next_filled()? {
        let passed_over = match interval {
            Some([0, 1, 2]) => bed::is_header(line.as_bytes()),
            _ => line.starts_with('#'),
        };
        if passed_over {
            continue;
        }
        let cells: Vec<&str> = match (interval, header.between, line.contains('\t')) {
            // As in every BED: blanks beside tabs are not passed over.
            (Some(_), Separator::Tabs | Separator::Blanks, true) => line.split('\t').collect(),
            (Some(_), Separator::Tabs, false) => Separator::Blanks.cells(&line),
            (_, between, _) => between.cells(&line),
        };
        if cells.len() != columns.len() {
            let found = format!("{} columns", cells.len());
            return Err(lines.error(found, format!("{}", columns.len())).into());
        }
        if let Some(at) = interval {
            let [chrom, start, end] = at.map(|i| cells[i].as_bytes());
            if chrom.is_empty() {
                return Err(lines.error("no contig", "contig, start and end").into());
            }
            bed::bounds(start, end).map_err(|why| lines.error(why.problem, why.expected))?;
        }
        for (column, cell) in columns.iter_mut().zip(cells) {
            column.push(Some(cell.to_owned()));
        }
    }
    let table = Table {
        path: lines.path().into(),
        columns: (header.names.into_iter())
            .zip(columns.into_iter().map(Cells::Text))
            .collect(),
        ..Table::default()
    };
    Ok(match interval {
        Some(_) => Text::Bed(table),
        None if by_name => Text::Named(table),
        None => Text::Table(table),
    })
}

struct Header {
    names: Vec<String>,
    between: Separator,
}

/// The names of the columns; the first row of a BED without them is read again.
fn header(lines: &mut Lines) -> Result<Option<Header>, LabelledError> {
    while let Some(line) = lines.next_filled()? {
        let between = Separator::of(&line);
        let cells = between.cells(&line);
        if line.starts_with('#') {
            let names = names(&cells);
            let has = |name: &&str| names.iter().any(|n| n == name);
            // Others are comments above the header.
            if between == Separator::Tabs && cells.len() >= 3
                || has(&"sequence")
                || BED[..3].iter().all(has)
            {
                return Ok(Some(Header { names, between }));
            }
        } else if !bed::is_header(line.as_bytes()) {
            // Also those that a BED must not have, to be refused as what they are.
            let number = |i: usize| {
                cells
                    .get(i)
                    .is_some_and(|c| c.trim().parse::<i64>().is_ok())
            };
            if !(number(1) && number(2)) {
                let names = names(&cells);
                return Ok(Some(Header { names, between }));
            }
            let name = |i: usize| match BED.get(i) {
                Some(name) => (*name).to_owned(),
                None => format!("column_{}", i + 1),
            };
            let names = (0..cells.len()).map(name).collect();
            lines.unread();
            return Ok(Some(Header { names, between }));
        }
    }
    Ok(None)
}

fn names(cells: &[&str]) -> Vec<String> {
    let name = |cell: &&str| cell.trim_start_matches('#').trim().to_owned();
    cells.iter().map(name).collect()
}
