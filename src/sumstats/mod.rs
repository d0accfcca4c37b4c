//! Tables of associations (GWAS summary statistics, fine-mapping), as the programs of the field write
//! them: what their columns are called, what an allele or a p-value is in each, and their rows.
//!
//! PLINK, PLINK 2, REGENIE, SAIGE, BOLT-LMM, METAL, GEMMA, the GWAS catalog's GWAS-SSF and its older
//! harmonised files, GWAS-VCF, fine-mapping tables of `SuSiE` and FINEMAP; as text (tabs, commas, blanks;
//! plain, gzip, bgzip), Parquet, VCF or BCF.
//!
//! Positions of tables count from 1 unless said otherwise, those given out from 0.

mod columns;
mod error;
mod reader;
mod role;
mod source;

pub use columns::Alleles;
pub use error::SumstatsError;
pub use reader::{Association, Associations, SumTable};
pub use role::Role;

#[cfg(test)]
mod tests;
