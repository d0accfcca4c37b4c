use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use rayon::prelude::*;

use super::{RegionTable, SharprError};
use crate::counts::{Names, Normalized};
use crate::input::{InputError, Lines, shorten};
use crate::output::OutputError;

/// How numbers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Precision {
    /// The shortest decimal that reads back as the same f64.
    #[default]
    Full,
    /// At most so many decimals, halves to even, zeros at the end left out, as SHARPR prints three.
    Digits(u8),
}

impl Precision {
    /// What a reader of the printed table gets.
    pub fn round(self, value: f64) -> f64 {
        match self {
            Self::Full => value,
            Self::Digits(_) => {
                let mut text = Vec::new();
                self.push(value, &mut text);
                // Always a decimal number: it was printed by `push` just now.
                std::str::from_utf8(&text)
                    .ok()
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(value)
            }
        }
    }

    /// Rounds every value of a table.
    pub fn round_table(self, table: &mut RegionTable) {
        if self != Self::Full {
            table
                .values
                .par_iter_mut()
                .with_min_len(1 << 12)
                .filter(|v| !v.is_nan())
                .for_each(|value| *value = self.round(*value));
        }
    }

    /// Appends a number to a line.
    pub fn push(self, value: f64, line: &mut Vec<u8>) {
        match self {
            Self::Full => {
                let mut buffer = zmij::Buffer::new();
                let text = buffer.format(value);
                line.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
            }
            Self::Digits(digits) => push_rounded(value, digits, line),
        }
    }
}

fn push_rounded(value: f64, digits: u8, line: &mut Vec<u8>) {
    let scaled = value.abs() * 10f64.powi(i32::from(digits));
    let distance_to_tie = (scaled.fract() - 0.5).abs();
    // Away from ties the product's rounding error cannot change the result, and whole numbers are
    // printed several times faster than exact decimals.
    if scaled < 1e12 && distance_to_tie > 1e-3 {
        let mut rest = scaled.round() as u64;
        if value.is_sign_negative() {
            line.push(b'-');
        }
        let mut places = usize::from(digits);
        while places > 0 && rest.is_multiple_of(10) {
            rest /= 10;
            places -= 1;
        }
        let mut buffer = [b'0'; 40];
        let mut at = buffer.len();
        let mut written = 0;
        while rest > 0 || written <= places {
            if written == places && places > 0 {
                at -= 1;
                buffer[at] = b'.';
            }
            at -= 1;
            buffer[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            written += 1;
        }
        line.extend_from_slice(&buffer[at..]);
    } else {
        let text = format!("{value:.*}", usize::from(digits));
        let text = if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.')
        } else {
            &text
        };
        line.extend_from_slice(text.as_bytes());
    }
}

/// Writes a table without a header: region, then its values; a missing value is an empty cell.
///
/// # Errors
/// When the file cannot be written.
pub fn write_table(
    path: &Path,
    table: &RegionTable,
    precision: Precision,
) -> Result<(), SharprError> {
    const ROWS: usize = 128;
    let fail = |e| OutputError::Write(e, path.into());
    let rows = table.regions.len();
    let mut file = File::create(path).map_err(fail)?;
    // A bounded number of blocks at a time: a table of a million regions need not be in memory twice.
    for batch in (0..rows.div_ceil(ROWS)).collect::<Vec<_>>().chunks(32) {
        let blocks: Vec<Vec<u8>> = batch
            .par_iter()
            .map(|&block| {
                let mut text = Vec::with_capacity(ROWS * (32 + 20 * table.columns));
                for row in block * ROWS..rows.min((block + 1) * ROWS) {
                    text.extend_from_slice(table.regions.get(row).as_bytes());
                    for &value in &table.values[row * table.columns..][..table.columns] {
                        text.push(b'\t');
                        if !value.is_nan() {
                            precision.push(value, &mut text);
                        }
                    }
                    text.push(b'\n');
                }
                text
            })
            .collect();
        for block in &blocks {
            file.write_all(block).map_err(fail)?;
        }
    }
    Ok(())
}

/// Writes tile values without a header: id, value, barcodes that passed; `0` and `0` where none did.
///
/// # Errors
/// When the file cannot be written.
pub fn write_normalized(
    path: &Path,
    ids: &Names,
    normalized: &Normalized,
    precision: Precision,
) -> Result<(), SharprError> {
    let fail = |e| OutputError::Write(e, path.into());
    let mut text = Vec::with_capacity(ids.len() * 56);
    let columns = normalized.values.iter().zip(&normalized.barcodes);
    for (id, (&value, &barcodes)) in ids.iter().zip(columns) {
        text.extend_from_slice(id.as_bytes());
        text.push(b'\t');
        precision.push(if barcodes == 0 { 0.0 } else { value }, &mut text);
        text.push(b'\t');
        if barcodes < 10 {
            text.push(b'0' + barcodes as u8);
        } else {
            text.extend_from_slice(barcodes.to_string().as_bytes());
        }
        text.push(b'\n');
    }
    File::create(path)
        .and_then(|mut file| file.write_all(&text))
        .map_err(fail)?;
    Ok(())
}

/// Reads what [`write_normalized`], or SHARPR's `Normalize`, wrote.
///
/// # Errors
/// When the file cannot be read, is empty, has another number of columns than 3, a value that is no
/// finite number or a barcode count that is no whole number.
pub fn read_normalized(path: &Path) -> Result<(Names, Normalized), SharprError> {
    let mut lines = Lines::open(path)?;
    let mut ids = Names::default();
    let (mut values, mut barcodes) = (Vec::new(), Vec::new());
    while let Some(line) = lines.next_line()? {
        if line.trim().is_empty() {
            continue;
        }
        let fields: Vec<&str> = line.split('\t').collect();
        let &[id, value, passed] = fields.as_slice() else {
            let found = format!("{} column(s)", fields.len());
            return Err(lines
                .error(found, "3 columns: tile, value, barcodes that passed")
                .into());
        };
        let parsed = (finite(value), passed.trim().parse::<u32>());
        let (Some(value), Ok(passed)) = parsed else {
            let found = format!("value {:?}, barcodes {:?}", shorten(value), shorten(passed));
            return Err(lines.error(found, "a number and a whole number").into());
        };
        ids.push(id.trim());
        values.push(if passed == 0 { f64::NAN } else { value });
        barcodes.push(passed);
    }
    if ids.is_empty() {
        return Err(InputError::Empty(path.into()).into());
    }
    Ok((ids, Normalized { values, barcodes }))
}

/// Reads a table of `columns` values a region, as [`write_table`] or SHARPR wrote it. With `missing`
/// cells may be empty and cells at a line's end may be absent (a tile table); without, every cell
/// must hold a number.
///
/// # Errors
/// When the file cannot be read, is empty, names a region twice, or has a cell or a number of
/// columns that is not as said.
pub fn read_table(path: &Path, columns: usize, missing: bool) -> Result<RegionTable, SharprError> {
    let mut lines = Lines::open(path)?;
    let mut table = RegionTable {
        regions: Names::default(),
        columns,
        values: Vec::new(),
    };
    let mut rows: HashMap<String, u64> = HashMap::new();
    while let Some(line) = lines.next_line()? {
        if line.trim().is_empty() {
            continue;
        }
        let mut fields = line.split('\t');
        let id = fields.next().unwrap_or_default().trim();
        let before = table.values.len();
        let mut bad = None;
        for field in fields {
            let value = if missing && field.trim().is_empty() {
                Some(f64::NAN)
            } else {
                finite(field)
            };
            match value {
                Some(value) => table.values.push(value),
                None => {
                    bad = Some(format!("value {:?} of region {id:?}", shorten(field)));
                    break;
                }
            }
        }
        let found = table.values.len() - before;
        let problem = match bad {
            Some(bad) => Some((bad, "a number".to_owned())),
            None if id.is_empty() => Some(("no region".into(), "a region in column 1".into())),
            None if found > columns || (found < columns && !missing) => Some((
                format!("{found} value(s) for region {id:?}"),
                format!("{columns}, as --tile, --step and --tiles say"),
            )),
            None => None,
        };
        let id = id.to_owned();
        if let Some((problem, expected)) = problem {
            return Err(lines.error(problem, expected).into());
        }
        if let Some(first) = rows.insert(id.clone(), lines.number()) {
            let problem = format!("region {id:?} stands already on line {first}");
            return Err(lines.error(problem, "each region once").into());
        }
        table.values.resize(before + columns, f64::NAN);
        table.regions.push(&id);
    }
    if table.regions.is_empty() {
        return Err(InputError::Empty(path.into()).into());
    }
    Ok(table)
}

fn finite(text: &str) -> Option<f64> {
    // Tracks hold float32, and a sum of a few must be one, too.
    let most = f64::from(f32::MAX) / 1e6;
    text.trim().parse().ok().filter(|v: &f64| v.abs() <= most)
}
