//! Rows as associations.

use std::path::{Path, PathBuf};

use super::columns::{AlleleColumns, Alleles, Columns, variant};
use super::source::Source;
use super::{Role, SumstatsError};
use crate::genome::{Build, grouped};
use crate::input::{InputError, Watch, is_missing, shorten};
use crate::stats::abs_z;

/// Which file, and what its columns are.
#[derive(Clone, Debug, Default)]
pub struct SumTable {
    /// A table with a header (tabs, commas or blanks; plain, gzip or bgzip), Parquet, or a GWAS-VCF (VCF or
    /// BCF), by its content; `-` is standard input.
    pub path: PathBuf,
    /// Columns by name, where programs call them otherwise. Upper and lower case differ.
    pub named: Vec<(Role, String)>,
    /// Positions count from 0.
    pub zero_based: bool,
}

/// An open table.
pub struct Associations {
    table: SumTable,
    source: Source,
    names: Vec<String>,
    columns: Columns,
    cells: Vec<String>,
    /// The term of the first row, where rows are of several.
    test: Option<String>,
}

impl SumTable {
    /// Opens the table; `None` where it has no header.
    ///
    /// # Errors
    /// When it cannot be read, or a column that is named is not there.
    pub fn open(&self) -> Result<Option<Associations>, SumstatsError> {
        let Some(source) = Source::open(&self.path)? else {
            return Ok(None);
        };
        let names = source.names().to_vec();
        Ok(Some(Associations {
            columns: Columns::find(&self.path, &names, &self.named)?,
            table: self.clone(),
            source,
            names,
            cells: Vec::new(),
            test: None,
        }))
    }
}

impl Associations {
    /// What was read of the file, shared; `None` for Parquet.
    pub fn watch(&self) -> Option<Watch> {
        self.source.watch()
    }

    /// Names of all columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The columns that are read, with what they hold.
    pub fn taken(&self) -> Vec<(&'static str, String)> {
        (self.columns.taken())
            .map(|(role, at)| (role.as_str(), self.names[at].clone()))
            .collect()
    }

    /// The build of the genome that the table's positions are of, where it says so, and how it says it: a VCF's
    /// contigs, the metadata beside a GWAS-SSF file, the columns' names, the file's name.
    pub fn build(&self) -> Option<(&'static Build, String)> {
        let contigs = self.source.contigs();
        let contigs = contigs.iter().map(|(name, length)| (&name[..], *length));
        if let Some((build, (contig, length))) = Build::of_contigs(contigs) {
            let bases = grouped(length);
            return Some((build, format!("its header's {contig} has {bases} bases")));
        }
        let (path, name) = (&self.table.path, self.table.path.file_name()?);
        let mut beside = name.to_owned();
        beside.push("-meta.yaml");
        if let Ok(text) = std::fs::read_to_string(path.with_file_name(&beside)) {
            let mut lines = text.lines().filter_map(|l| l.split_once(':'));
            if let Some((_, told)) = lines.find(|(key, _)| key.trim() == "genome_assembly") {
                let why = format!("{} says {}", beside.display(), told.trim());
                return Build::named(told).map(|build| (build, why));
            }
        }
        let places = [Role::Position, Role::Contig, Role::Variant];
        for at in places.iter().filter_map(|role| self.columns.at(*role)) {
            let column = &self.names[at];
            // The GWAS Catalog's harmonised positions.
            let told = if column.starts_with("hm_") {
                "hg38"
            } else {
                column
            };
            if let Some(build) = Build::named(told) {
                return Some((build, format!("by its column {column}")));
            }
        }
        let name = name.to_string_lossy();
        Build::named(&name).map(|build| (build, "by its name".to_owned()))
    }

    /// Whether there is a column of a kind.
    pub fn has(&self, role: Role) -> bool {
        self.columns.at(role).is_some()
    }

    /// Whether rows have places.
    pub fn has_places(&self) -> bool {
        self.has(Role::Variant) || self.has(Role::Contig) && self.has(Role::Position)
    }

    /// Whether rows may have alleles: there are columns of them, or one of names that may hold them.
    pub fn may_have_alleles(&self) -> bool {
        self.columns.alleles != AlleleColumns::None
    }

    /// Whether there are columns of alleles.
    pub fn has_allele_columns(&self) -> bool {
        !matches!(
            self.columns.alleles,
            AlleleColumns::None | AlleleColumns::Variant
        )
    }

    /// The place of the column of a name; `None` where there is none.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|n| n == name)
    }

    /// That a table lacks what is needed.
    pub fn lacks(&self, role: Role, wanted: &str) -> SumstatsError {
        SumstatsError::NoColumn {
            path: self.table.path.clone(),
            wanted: wanted.into(),
            columns: self.names.clone(),
            role,
        }
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read, or a row has another number of cells than the header.
    pub fn next_row(&mut self) -> Result<Option<Association<'_>>, SumstatsError> {
        let Some(line) = self.source.next(&mut self.cells)? else {
            return Ok(None);
        };
        let test = self.columns.at(Role::Test).map(|at| &self.cells[at]);
        if let (Some(test), None) = (test, &self.test) {
            self.test = Some(test.clone());
        }
        Ok(Some(Association {
            line,
            cells: &self.cells,
            of: self.test.as_ref() == test,
            names: &self.names,
            columns: &self.columns,
            path: &self.table.path,
            first: u32::from(!self.table.zero_based),
        }))
    }
}

/// A row.
pub struct Association<'a> {
    /// 1-based number of its line; of the row in Parquet.
    pub line: u64,
    /// All cells, as many as there are columns.
    pub cells: &'a [String],
    of: bool,
    names: &'a [String],
    columns: &'a Columns,
    path: &'a Path,
    first: u32,
}

impl<'a> Association<'a> {
    /// The cell of a column, `None` where it says that there is nothing (`NA`, `.`, `null`, ...).
    fn cell(&self, role: Role) -> Option<(usize, &'a str)> {
        let at = self.columns.at(role)?;
        let cell = self.cells[at].as_str();
        (!is_missing(cell)).then_some((at, cell))
    }

    fn wrong(&self, at: usize, expected: &str) -> SumstatsError {
        SumstatsError::Input(InputError::Line {
            path: self.path.into(),
            line: self.line,
            problem: format!(
                "{:?} in column {}",
                shorten(&self.cells[at]),
                self.names[at]
            ),
            expected: expected.into(),
        })
    }

    /// A column's number in a range; NaN where there is none.
    fn number(
        &self,
        role: Role,
        range: std::ops::RangeInclusive<f64>,
        expected: &str,
    ) -> Result<f64, SumstatsError> {
        let Some((at, cell)) = self.cell(role) else {
            return Ok(f64::NAN);
        };
        // Adding 0 takes the sign of -0 away.
        let value = cell.parse::<f64>().ok().map(|v| v + 0.0);
        let value = value.filter(|v| v.is_nan() || range.contains(v));
        value.ok_or_else(|| self.wrong(at, expected))
    }

    /// Whether the row is of the term that the table is about: PLINK writes rows of covariates between those
    /// of the alleles, of which the first row is one.
    pub fn is_of_alleles(&self) -> bool {
        self.of
    }

    /// The row's name.
    pub fn id(&self) -> Option<&'a str> {
        self.columns.at(Role::Id).map(|at| self.cells[at].as_str())
    }

    /// The p-value, 0 to 1, and -log10 of it; NaN where there is none. What is below the smallest double is 0
    /// as the first, and as the second where the table has that.
    ///
    /// # Errors
    /// When the cell holds anything else.
    pub fn p(&self) -> Result<(f64, f64), SumstatsError> {
        if self.columns.at(Role::P).is_some() {
            let p = self.number(Role::P, 0.0..=1.0, "a p-value from 0 to 1, or NA")?;
            return Ok((p, -p.log10() + 0.0));
        }
        let expected = "-log10 of a p-value, 0 or more, or NA";
        let log = self.number(Role::LogP, 0.0..=f64::INFINITY, expected)?;
        Ok((10f64.powf(-log), log))
    }

    /// Where the row lies, its base counted from 0; `None` where it does not say.
    ///
    /// # Errors
    /// When the position is no whole number.
    pub fn place(&self) -> Result<Option<(&'a str, u32)>, SumstatsError> {
        let expected = match self.first {
            0 => "a position from 0",
            _ => "a position from 1 (--zero-based: from 0)",
        };
        let (at, contig, position) = match self.cell(Role::Variant) {
            Some((at, cell)) if self.columns.at(Role::Position).is_none() => match variant(cell) {
                Some((contig, position, _)) => (at, contig, position),
                None => return Ok(None),
            },
            _ => match (self.cell(Role::Contig), self.cell(Role::Position)) {
                (Some((_, contig)), Some((at, position))) => (at, contig, position),
                _ => return Ok(None),
            },
        };
        let found = whole(position).and_then(|p| p.checked_sub(self.first));
        let found = found.filter(|at| *at < i32::MAX as u32);
        found
            .map(|base| Some((contig, base)))
            .ok_or_else(|| self.wrong(at, expected))
    }

    /// Its alleles; `None` where it has none.
    pub fn alleles(&self) -> Option<Alleles<'a>> {
        let cell = |at: usize| Some(self.cells[at].as_str()).filter(|c| !is_missing(c));
        match self.columns.alleles {
            AlleleColumns::None => None,
            AlleleColumns::Two { effect, other } => Some(Alleles {
                effect: cell(effect)?,
                other: other.and_then(cell),
            }),
            AlleleColumns::OneOf { effect, pair } => {
                let effect = cell(effect)?;
                let [a, b] = pair.map(cell);
                let other = match (a, b) {
                    (Some(a), _) if !a.eq_ignore_ascii_case(effect) => Some(a),
                    (_, Some(b)) if !b.eq_ignore_ascii_case(effect) => Some(b),
                    _ => None,
                };
                Some(Alleles { effect, other })
            }
            AlleleColumns::Variant => variant(self.cell(Role::Variant)?.1)?.2,
        }
    }

    /// How strongly the row is associated: |z| from a z-score, effect over standard error, chi-squared or the
    /// p-value, the first of them that the row has; NaN where it has none.
    ///
    /// # Errors
    /// When a cell holds no number.
    pub fn abs_z(&self) -> Result<f64, SumstatsError> {
        let any = f64::NEG_INFINITY..=f64::INFINITY;
        let number = "a number, or NA";
        let z = self.number(Role::Z, any.clone(), number)?.abs();
        if z.is_finite() {
            return Ok(z);
        }
        let beta = self.number(Role::Beta, any.clone(), number)?;
        let odds = self.number(
            Role::OddsRatio,
            0.0..=f64::INFINITY,
            "odds of 0 or more, or NA",
        )?;
        let beta = if beta.is_nan() { odds.ln() } else { beta };
        let z = (beta / self.standard_error()?).abs();
        if z.is_finite() {
            return Ok(z);
        }
        let expected = "chi-squared, 0 or more, or NA";
        let z = self
            .number(Role::ChiSquared, 0.0..=f64::INFINITY, expected)?
            .sqrt();
        if z.is_finite() {
            return Ok(z);
        }
        Ok(abs_z(self.p()?.1))
    }

    /// The standard error of the effect (of the logarithm of an odds ratio); NaN without one.
    ///
    /// # Errors
    /// When the cell holds anything else.
    pub fn standard_error(&self) -> Result<f64, SumstatsError> {
        let expected = "a standard error of 0 or more, or NA";
        self.number(Role::StandardError, 0.0..=f64::INFINITY, expected)
    }

    /// The posterior inclusion probability; NaN without one.
    ///
    /// # Errors
    /// When the cell holds anything else.
    pub fn pip(&self) -> Result<f64, SumstatsError> {
        self.number(
            Role::Pip,
            0.0..=1.0 + 1e-6,
            "a probability from 0 to 1, or NA",
        )
    }

    /// The credible set's name; `None` for what is in none (also -1 and 0, as `SuSiE`'s tables have it).
    pub fn credible_set(&self) -> Option<&'a str> {
        let set = self.cell(Role::CredibleSet)?.1;
        (!["-1", "0", "-1.0", "0.0"].contains(&set)).then_some(set)
    }
}

/// A whole number, also as programs write it that take all numbers for floats: `100.0`, `1e+05`.
fn whole(cell: &str) -> Option<u32> {
    let float = || {
        cell.parse::<f64>()
            .ok()
            .filter(|v| v.fract() == 0.0 && (0.0..=4e9).contains(v))
    };
    cell.parse().ok().or_else(|| float().map(|v| v as u32))
}
