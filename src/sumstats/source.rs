//! Rows of texts, from whichever kind of file.

use std::path::{Path, PathBuf};

use super::SumstatsError;
use crate::input::columns::{ParquetFile, TextRows};
use crate::input::{Input, Lines, Table, Watch};
use crate::vcf::Reader;

/// The columns of a GWAS-VCF as a table: those of the record, then the FORMAT fields that its
/// specification gives a study (<https://github.com/MRCIEU/gwas-vcf-specification>).
const RECORD: [&str; 5] = ["CHROM", "POS", "ID", "REF", "ALT"];
const STUDY: [&str; 8] = ["ES", "SE", "LP", "AF", "SS", "EZ", "SI", "NC"];

/// An open file.
pub(super) enum Source {
    Table(Box<Table>, Watch),
    Parquet {
        rows: TextRows,
        /// `[column][row]`
        batch: Vec<Vec<String>>,
        next: usize,
        number: u64,
    },
    Vcf {
        reader: Box<Reader>,
        names: Vec<String>,
        /// Where a line's alleles are left to give: its number, columns and how many were given.
        line: Vec<String>,
        number: u64,
        given: usize,
    },
}

impl Source {
    /// Opens a file; `-` is standard input. `None` where it has no header.
    ///
    /// # Errors
    /// When it cannot be read, or is a VCF without a GWAS.
    pub fn open(path: &Path) -> Result<Option<Self>, SumstatsError> {
        let mut input = Input::open(path)?;
        if input.begins_with(b"PAR1")? {
            let rows = ParquetFile::open(path)?.texts()?;
            if !rows.left_out.is_empty() {
                tracing::warn!(
                    "{}: column(s) {} hold neither text nor numbers and are left out",
                    path.display(),
                    rows.left_out.join(", ")
                );
            }
            return Ok(Some(Self::Parquet {
                rows,
                batch: Vec::new(),
                next: 0,
                number: 0,
            }));
        }
        if Reader::fits(&mut input)? {
            let names = RECORD.iter().chain(&STUDY);
            return Ok(Some(Self::Vcf {
                reader: Box::new(Reader::new(input)?),
                names: names.map(|n| (*n).to_owned()).collect(),
                line: Vec::new(),
                number: 0,
                given: 0,
            }));
        }
        let watch = input.watch();
        Ok(Table::new(Lines::new(input))?.map(|t| Self::Table(Box::new(t), watch)))
    }

    /// What was read of the file, shared; `None` for Parquet.
    pub fn watch(&self) -> Option<Watch> {
        match self {
            Self::Table(_, watch) => Some(watch.clone()),
            Self::Parquet { .. } => None,
            Self::Vcf { reader, .. } => Some(reader.watch()),
        }
    }

    /// Contigs of a VCF's header with their lengths.
    pub fn contigs(&self) -> Vec<(String, u32)> {
        match self {
            Self::Vcf { reader, .. } => (reader.header.contigs())
                .map(|(name, length)| (name.to_owned(), length))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Names of the columns.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Table(table, _) => table.names(),
            Self::Parquet { rows, .. } => &rows.names,
            Self::Vcf { names, .. } => names,
        }
    }

    /// The next row's number (of its line; of the row in Parquet) and cells.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next(&mut self, cells: &mut Vec<String>) -> Result<Option<u64>, SumstatsError> {
        match self {
            Self::Table(table, _) => {
                let Some(row) = table.next_row()? else {
                    return Ok(None);
                };
                cells.clear();
                cells.extend(row.cells.iter().map(|c| (*c).to_owned()));
                Ok(Some(row.line))
            }
            Self::Parquet {
                rows,
                batch,
                next,
                number,
            } => {
                while *next >= batch.first().map_or(0, Vec::len) {
                    let Some(read) = rows.next() else {
                        return Ok(None);
                    };
                    (*batch, *next) = (read?, 0);
                    if batch.is_empty() {
                        return Ok(None);
                    }
                }
                cells.clear();
                cells.extend(batch.iter_mut().map(|c| std::mem::take(&mut c[*next])));
                *next += 1;
                *number += 1;
                Ok(Some(*number))
            }
            Self::Vcf {
                reader,
                line,
                number,
                given,
                ..
            } => {
                let alts = |line: &[String]| line.get(4).map_or(0, |a| a.split(',').count());
                if *given >= alts(line) {
                    let name = PathBuf::from(reader.name());
                    let Some((at, bytes)) = reader.next_line()? else {
                        return Ok(None);
                    };
                    let text = String::from_utf8_lossy(bytes);
                    *line = text.split('\t').map(str::to_owned).collect();
                    (*number, *given) = (at, 0);
                    let format = line.get(8).map_or("", String::as_str);
                    let study = |k: &str| ["ES", "LP", "EZ"].contains(&k);
                    if line.len() < 10 || !format.split(':').any(study) {
                        return Err(SumstatsError::NoGwas(name));
                    }
                }
                cells.clear();
                allele(line, *given, cells);
                *given += 1;
                Ok(Some(*number))
            }
        }
    }
}

/// The cells of one of a record's ALT alleles, from its first sample.
fn allele(line: &[String], nth: usize, cells: &mut Vec<String>) {
    let own = |text: Option<&str>| match text {
        None | Some("." | "") => "NA".to_owned(),
        Some(text) => text.to_owned(),
    };
    cells.extend(line[..4].iter().cloned());
    cells.push(own(line[4].split(',').nth(nth)));
    let format = || line[8].split(':').zip(line[9].split(':'));
    for field in STUDY {
        let value = format().find(|(key, _)| *key == field).map(|(_, v)| v);
        // One value for the record, or one an allele.
        let value = value.map(|v| v.split(',').nth(nth).unwrap_or(v));
        cells.push(own(value));
    }
}
