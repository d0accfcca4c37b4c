//! The tables of a judge, and which of their rows count.

use super::super::EvaluateError;
use super::spec::Judge;
use crate::input::Sheet;

/// Why a row of a table does not count.
pub(super) type Reason = &'static str;

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
