use std::path::PathBuf;

use super::Role;
use crate::input::InputError;
use crate::input::columns::ColumnsError;
use crate::vcf::VcfError;

/// What can be wrong with a table of associations.
#[derive(Debug, thiserror::Error)]
pub enum SumstatsError {
    /// The file as such, or a line of it.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A Parquet file.
    #[error(transparent)]
    Columns(#[from] ColumnsError),
    /// A VCF or BCF.
    #[error(transparent)]
    Vcf(#[from] VcfError),
    /// A VCF without a GWAS in it.
    #[error("{0} has no sample with ES, LP or EZ in FORMAT: it is no GWAS-VCF")]
    NoGwas(PathBuf),
    /// A column that is not there.
    #[error("{path} has no column {wanted}; its columns are {}", .columns.join(", "))]
    NoColumn {
        /// The table.
        path: PathBuf,
        /// What was looked for.
        wanted: String,
        /// The names in its header.
        columns: Vec<String>,
        /// What it would have held.
        role: Role,
    },
    /// A name that does not say which column is meant.
    #[error("{path}: two columns are called {name:?}")]
    TwoColumns {
        /// The table.
        path: PathBuf,
        /// The name.
        name: String,
    },
}

impl SumstatsError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Input(e) => e.hint(),
            Self::Columns(e) => e.hint(),
            Self::Vcf(e) => e.hint(),
            Self::NoGwas(_) => Some("to score the variants of a VCF: --vcf".into()),
            Self::NoColumn { role, .. } => Some(format!(
                "--column {}=NAME says which column it is",
                role.as_str()
            )),
            Self::TwoColumns { .. } => None,
        }
    }
}
