//! The tables of a judge, and which of their rows count.

use std::path::{Path, PathBuf};

use super::super::EvaluateError;
use super::spec::Judge;
use crate::input::{Input, InputError, Lines, Row, Table, is_missing};

/// A table in memory.
#[derive(Debug)]
pub(super) struct Sheet {
    pub path: PathBuf,
    names: Vec<String>,
    /// 1-based line numbers.
    pub lines: Vec<u64>,
    cells: Vec<String>,
}

/// Why a row of a table does not count.
pub(super) type Reason = &'static str;

impl Sheet {
    pub(super) fn read(input: Input, path: &Path) -> Result<Self, EvaluateError> {
        let Some(mut table) = Table::new(Lines::new(input))? else {
            return Err(InputError::Empty(path.into()).into());
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
            true => Err(InputError::Empty(path.into()).into()),
            false => Ok(sheet),
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn cell(&self, row: usize, column: usize) -> &str {
        &self.cells[row * self.names.len() + column]
    }

    /// A column that may be missing.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        (self.names.iter()).position(|n| n.eq_ignore_ascii_case(name))
    }

    /// A column that must be there; `key` is what names it in the suite.
    pub(super) fn column(&self, key: &str, name: &str) -> Result<usize, EvaluateError> {
        self.find(name).ok_or_else(|| EvaluateError::Column {
            path: self.path.clone(),
            key: key.into(),
            name: name.into(),
            known: self.names.join(", "),
        })
    }

    /// A column that is there if the suite names it, else perhaps.
    pub(super) fn named(
        &self,
        key: &str,
        name: &Option<String>,
        default: &str,
    ) -> Result<Option<usize>, EvaluateError> {
        match name {
            Some(name) => self.column(key, name).map(Some),
            None => Ok(self.find(default)),
        }
    }

    fn fail(&self, row: usize, column: usize, expected: &str) -> EvaluateError {
        InputError::Line {
            path: self.path.clone(),
            line: self.lines[row],
            problem: format!("{} is {:?}", self.names[column], self.cell(row, column)),
            expected: expected.into(),
        }
        .into()
    }

    /// A number, NaN where there is none.
    pub(super) fn number(&self, row: usize, column: usize) -> Result<f64, EvaluateError> {
        let cell = self.cell(row, column);
        if is_missing(cell) {
            return Ok(f64::NAN);
        }
        let number = cell.parse().ok().filter(|v: &f64| v.is_finite());
        number.ok_or_else(|| self.fail(row, column, "a number, or NA"))
    }

    /// A coordinate of at least `least`.
    pub(super) fn coordinate(
        &self,
        row: usize,
        column: usize,
        least: u32,
    ) -> Result<u32, EvaluateError> {
        let number = self.cell(row, column).parse().ok();
        (number.filter(|&n: &u32| n >= least && n <= i32::MAX as u32))
            .ok_or_else(|| self.fail(row, column, "a coordinate"))
    }
}

/// The columns that say which rows of a table count.
pub(super) struct Filter {
    /// Columns with values, and whether a row must have one of them or none.
    cells: Vec<(usize, Vec<String>, bool)>,
    chrom: Option<usize>,
}

impl Filter {
    pub(super) fn new(judge: &Judge, sheet: &Sheet) -> Result<Self, EvaluateError> {
        let mut cells = Vec::new();
        for (key, map, keep) in [
            ("where", &judge.keep, true),
            ("where_not", &judge.where_not, false),
        ] {
            for (name, values) in map {
                cells.push((sheet.column(key, name)?, values.list(), keep));
            }
        }
        let chrom = sheet.named("chrom", &judge.chrom, "chrom")?;
        if chrom.is_none() && (judge.chroms.is_some() || judge.leave_out_chroms.is_some()) {
            sheet.column("chrom", "chrom")?;
        }
        Ok(Self { cells, chrom })
    }

    /// Why a row does not count, if it does not.
    pub(super) fn reason(&self, judge: &Judge, sheet: &Sheet, row: usize) -> Option<Reason> {
        let chrom = self.chrom.map(|column| sheet.cell(row, column));
        if chrom.is_some_and(|chrom| chrom_is_out(judge, chrom)) {
            return Some("chrom_left_out");
        }
        let fits = |(column, values, keep): &(usize, Vec<String>, bool)| {
            let cell = sheet.cell(row, *column);
            values.iter().any(|v| v == cell) == *keep
        };
        (!self.cells.iter().all(fits)).then_some("filtered")
    }
}

/// Whether a judge leaves a chromosome out.
pub(super) fn chrom_is_out(judge: &Judge, chrom: &str) -> bool {
    let named = |list: &Option<Vec<String>>| {
        (list.as_ref()).map(|list| list.iter().any(|name| name == chrom))
    };
    named(&judge.chroms) == Some(false) || named(&judge.leave_out_chroms) == Some(true)
}
