//! The table of p-values.

use std::path::{Path, PathBuf};

use super::FdrError;
use crate::genome::{Contig, Contigs};
use crate::input::{InputError, Lines, Row, Table, is_missing, shorten};

/// Where p-values stand. Columns that are not named are looked for under common names; their case
/// does not matter.
#[derive(Clone, Debug, Default)]
pub struct PTable {
    /// A table with a header, separated by tabs (by blanks where the header has no tab), plain,
    /// gzip or bgzip; `-` is standard input.
    pub path: PathBuf,
    /// The column of p-values.
    pub p: Option<String>,
    /// Names of hypotheses.
    pub id: Option<String>,
    /// Contigs.
    pub contig: Option<String>,
    /// Positions.
    pub position: Option<String>,
    /// The two alleles, in any order.
    pub alleles: Option<[String; 2]>,
    /// The covariate, if it stands in this table.
    pub covariate: Option<String>,
    /// Positions count from 0.
    pub zero_based: bool,
}

const P: &[&str] = &[
    "p", "pval", "pvalue", "p_value", "p-value", "p.value", "p_val",
];
const ID: &[&str] = &[
    "id",
    "snp",
    "rsid",
    "rs_id",
    "variant_id",
    "markername",
    "name",
];
const CONTIG: &[&str] = &["chr", "chrom", "chromosome", "contig"];
const POSITION: &[&str] = &["pos", "bp", "position", "base_pair_location"];

/// A place on a contig of [`Hypotheses::contigs`]; the base counts from 0.
pub type At = (u32, u32);

/// The rows of the table.
#[derive(Clone, Debug, Default)]
pub struct Hypotheses {
    /// Names; empty without such a column.
    pub ids: Vec<Box<str>>,
    /// Contigs that occur; their lengths are not known (0).
    pub contigs: Contigs,
    /// Where hypotheses lie; empty without such columns.
    pub places: Vec<Option<At>>,
    /// Alleles in capitals, `A/G`; empty without such columns.
    pub alleles: Vec<Box<str>>,
    /// p-values; NaN where there is none.
    pub p: Vec<f64>,
    /// The covariate's column (NaN where empty); empty without.
    pub covariate: Vec<f64>,
    /// The columns taken, by what they hold.
    pub columns: Vec<(&'static str, String)>,
}

/// An error about a line.
pub(super) fn bad(path: &Path, line: u64, problem: String, expected: &str) -> FdrError {
    FdrError::Input(InputError::Line {
        path: path.into(),
        line,
        problem,
        expected: expected.into(),
    })
}

/// The columns of a header that are read.
struct Columns<'a> {
    table: &'a Table,
    taken: Vec<(&'static str, String)>,
}

impl Columns<'_> {
    fn missing(&self, wanted: String, flag: &'static str) -> FdrError {
        FdrError::NoColumn {
            path: self.table.path().into(),
            wanted,
            columns: self.table.names().to_vec(),
            flag,
        }
    }

    fn find(
        &mut self,
        what: &'static str,
        named: Option<&str>,
        common: &[&str],
        flag: &'static str,
    ) -> Result<Option<usize>, FdrError> {
        let names = self.table.names();
        let found = match named {
            Some(name) => {
                let mut places = (0..names.len()).filter(|&i| names[i] == name);
                let missing = || self.missing(format!("{name:?}"), flag);
                let first = places.next().ok_or_else(missing)?;
                if places.next().is_some() {
                    let path = self.table.path().display();
                    let text = format!("{path}: two columns are called {name:?}");
                    return Err(FdrError::Setting(text));
                }
                Some(first)
            }
            None => common.iter().find_map(|c| self.table.column(c)),
        };
        if let Some(i) = found {
            self.taken.push((what, names[i].clone()));
        }
        Ok(found)
    }

    fn need(
        &self,
        what: &str,
        found: Option<usize>,
        flag: &'static str,
    ) -> Result<usize, FdrError> {
        found.ok_or_else(|| self.missing(format!("of {what}"), flag))
    }
}

impl PTable {
    /// Reads the table. Rows without p-value or place are kept as such.
    ///
    /// # Errors
    /// When it cannot be read, lacks a column or any p-value, a row has another number of cells
    /// than the header, or a p-value, position or covariate is none.
    pub fn read(&self) -> Result<Hypotheses, FdrError> {
        let no_p = |rows| FdrError::NoP {
            path: self.path.clone(),
            rows,
        };
        let mut table = Table::new(Lines::open(&self.path)?)?.ok_or_else(|| no_p(0))?;
        let names = table.names().to_vec();
        let mut columns = Columns {
            table: &table,
            taken: Vec::new(),
        };
        let p = columns.find("p", self.p.as_deref(), P, "--p-column")?;
        let p = columns.need("p-values", p, "--p-column")?;
        let id = columns.find("id", self.id.as_deref(), ID, "--id-column")?;
        let contig = self.contig.as_deref();
        let contig = columns.find("contig", contig, CONTIG, "--chrom-column")?;
        let position = self.position.as_deref();
        let position = columns.find("position", position, POSITION, "--position-column")?;
        let alleles = match &self.alleles {
            None => None,
            Some([a, b]) => {
                let mut find = |name: &str| {
                    let found = columns.find("allele", Some(name), &[], "--allele-columns")?;
                    columns.need("alleles", found, "--allele-columns")
                };
                Some([find(a)?, find(b)?])
            }
        };
        let covariate = match &self.covariate {
            None => None,
            some => columns.find("covariate", some.as_deref(), &[], "--covariate-column")?,
        };
        let places = contig.zip(position);
        let mut all = Hypotheses {
            columns: columns.taken,
            ..Hypotheses::default()
        };
        let mut contigs: Vec<Contig> = Vec::new();
        let mut contig_ids = std::collections::HashMap::new();
        while let Some(Row { line, cells }) = table.next_row()? {
            let fail = |at: usize, expected: &str| {
                let problem = format!("{:?} in column {}", shorten(cells[at]), names[at]);
                bad(&self.path, line, problem, expected)
            };
            let value = |at: usize| match is_missing(cells[at]) {
                true => Some(f64::NAN),
                // Adding 0 takes the sign of -0 away.
                false => (cells[at].parse::<f64>().ok()).map(|v| v + 0.0),
            };
            let probability = value(p).filter(|v| v.is_nan() || (0.0..=1.0).contains(v));
            let probability = probability.ok_or_else(|| fail(p, "a p-value from 0 to 1, or NA"))?;
            all.p.push(probability);
            if let Some(at) = covariate {
                let finite = value(at).filter(|v| !v.is_infinite());
                let finite = finite.ok_or_else(|| fail(at, "a finite number, or NA"))?;
                all.covariate.push(finite);
            }
            if let Some(id) = id {
                all.ids.push(cells[id].into());
            }
            if let Some([a, b]) = alleles {
                let text = format!("{}/{}", cells[a], cells[b]);
                all.alleles.push(text.to_uppercase().into());
            }
            if let Some((contig, position)) = places {
                if is_missing(cells[contig]) || is_missing(cells[position]) {
                    all.places.push(None);
                    continue;
                }
                let expected = match self.zero_based {
                    true => "a position from 0",
                    false => "a position from 1 (--zero-based: from 0)",
                };
                let at = (cells[position].parse::<u32>().ok())
                    .and_then(|at| at.checked_sub(u32::from(!self.zero_based)))
                    .filter(|at| *at < i32::MAX as u32)
                    .ok_or_else(|| fail(position, expected))?;
                let name = cells[contig];
                let id = match contig_ids.get(name) {
                    Some(id) => *id,
                    None => {
                        let id = contigs.len() as u32;
                        contig_ids.insert(name.to_owned(), id);
                        contigs.push(Contig {
                            name: name.into(),
                            length: 0,
                        });
                        id
                    }
                };
                all.places.push(Some((id, at)));
            }
        }
        if all.p.iter().all(|p| p.is_nan()) {
            return Err(no_p(all.p.len()));
        }
        // Names differ, as they come from a map.
        all.contigs = Contigs::new(contigs).unwrap_or_default();
        Ok(all)
    }
}
