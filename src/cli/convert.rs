//! `mpra-score model convert`: a table of k-mers, or a gapped k-mer support vector machine, as another file.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::job::Cancel;
use crate::model::{Gapped, KmerTable, ModelError, ModelFile};
use crate::output::{OutputError, check_file, write_whole};
use anyhow::Result;
use clap::Args;

use super::interrupt;
use super::shared::say;

/// Write a table of k-mers or a gkm-SVM model as an ONNX file or a table of weights
///
/// For example:
///   mpra-score model convert gm12878.model.txt --out gm12878.onnx
///   mpra-score model convert ctcf_svalpha.out --gapped 10,6,3 --out ctcf.11mers.txt.gz
///
/// An LS-GKM model, the two files of gkm-SVM, or a table of weights becomes a network (OUT ends with .onnx), which
/// says the same without the support vectors being added up at every start, or a table of k-mers and their scores, one
/// a line, tab between, as deltaSVM takes it (any other ending; with .gz packed). Of a k-mer and its reverse
/// complement with the same weight the table has the one that comes first in the alphabet.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct ConvertArgs {
    /// A table of k-mers and weights, an LS-GKM model (.model.txt), or PREFIX_svalpha.out or
    /// PREFIX_svseq.fa of gkm-SVM
    model: PathBuf,
    /// What gkm-SVM's files do not say: letters of an l-mer, those of them that are compared, most mismatches
    /// [default: 10,6,3, as gkmsvm_classify]
    #[arg(long, value_name = "L,K,D", value_parser = gapped)]
    gapped: Option<Gapped>,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace it
    #[arg(long)]
    force: bool,
}

fn gapped(text: &str) -> Result<Gapped, String> {
    let numbers: Option<Vec<usize>> = text.split(',').map(|n| n.trim().parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[l, k, d]) => Ok(Gapped { l, k, d }),
        _ => Err(format!("{text:?} is not L,K,D: three whole numbers")),
    }
}

impl ConvertArgs {
    /// Runs the subcommand.
    pub fn run(self, quiet: bool) -> Result<()> {
        let cancel = interrupt::watch()?;
        check_file(&self.out, self.force, &[&self.model]).map_err(Error::from)?;
        let bytes = fs::read(&self.model)
            .map_err(|e| Error::from(ModelError::Read(e, self.model.clone())))?;
        let (file, table) =
            ModelFile::read_kmers(&self.model, &bytes, self.gapped).map_err(Error::from)?;
        let name = self.out.to_string_lossy();
        let bytes = match name.ends_with(".onnx") {
            true => file.bytes().to_vec(),
            false => text(&table, name.ends_with(".gz"), &self.out, &cancel)?,
        };
        write_whole(&self.out, &bytes).map_err(Error::from)?;
        if !quiet {
            say(table.facts().describe());
            say(format!("  {}", self.out.display()));
        }
        Ok(())
    }
}

/// Rows of k-mers and weights.
fn text(table: &KmerTable, pack: bool, path: &Path, cancel: &Cancel) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    for (nth, (kmer, weight)) in table.rows().enumerate() {
        if nth % (1 << 16) == 0 {
            cancel.check().map_err(Error::from)?;
        }
        plain.extend_from_slice(format!("{kmer}\t{weight}\n").as_bytes());
    }
    if !pack {
        return Ok(plain);
    }
    let packed = || {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gz.write_all(&plain)?;
        gz.finish()
    };
    Ok(packed().map_err(|e| Error::from(OutputError::Write(e, path.into())))?)
}
