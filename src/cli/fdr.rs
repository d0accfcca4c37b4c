//! `mpra-score fdr`: false discovery rates with side information.

use std::path::PathBuf;

use crate::fdr::{self, Config, FoldBy, PTable, Summary};
use crate::sumstats::{Role, SumTable};
use anyhow::Result;
use clap::{ArgGroup, Args, ValueEnum};

use super::interrupt;
use super::report::ReportFlag;
use super::shared::{aliases, say, wrote};

const EXAMPLES: &str = "\
False discovery rates of a GWAS, with scores as side information

Examples:
  # score the variants, then let their predicted effects weigh the p-values
  mpra-score variants --vcf gwas.vcf.gz --fasta hg19.fa --out scored.vcf.gz
  mpra-score fdr --pvalues gwas.tsv --covariate scored.vcf.gz --alpha 0.05 --out fdr
  # of a table that has been scored itself
  mpra-score variants --sumstats gwas.tsv.gz --fasta hg19.fa --out scored.tsv.gz
  mpra-score fdr --pvalues scored.tsv.gz --covariate-column MPRA_MAX --out fdr";

const HELP: &str = "\
Procedures:
  Benjamini-Hochberg  (1995); FDR control for independent or positively dependent tests
  Storey              q = pi0 x Benjamini-Hochberg; pi0 by the bootstrap method over lambda = 0.05,
                      0.10 ... 0.95 (Storey, Taylor and Siegmund 2004, closed form of qvalue 2)
  weighted            independent hypothesis weighting (Ignatiadis et al. 2016, 2021): weights of the
                      covariate's bins are learnt for each fold from the other folds' p-values alone
                      (Grenander's estimate in each bin, most discoveries at alpha, drawn towards 1
                      as far as inner folds advise); Benjamini-Hochberg on p / weight

Assumed of the weighted procedure: under the null hypothesis p is uniform (or larger) and
independent of the covariate; hypotheses of different folds are independent (linked variants belong
in one fold: contigs or blocks do that, but for pairs across a block's edge). The covariate must
be made without these p-values. A useless covariate costs power, not validity.

Output:
  fdr.tsv      one row a row of the table, in its order
    id contig position p covariate   as read (covariate: |value|; of a column as it is)
    bin              of the covariate, from 1 (lowest), or `missing`
    fold weight      weights are 1 on average over a fold
    bh_q storey_q    q-values
    weighted_p       p / weight, at most 1
    ihw_q            its Benjamini-Hochberg q-value
    bh storey ihw    1 if q is at most alpha, else 0
    Rows without p-value have NA in all columns from p on, and count for nothing.
  summary.tsv  discoveries by method at alpha and other levels of q (weights as learnt at alpha)
  weights.tsv  weights by fold and bin; share: how far they were taken over (0: all 1)
  weights.svg, discoveries.svg
  run.json     version, command line, columns taken, settings, counts, pi0, weights";

/// False discovery rates of a GWAS, with scores as side information
#[derive(Debug, Args)]
#[command(
    long_about = EXAMPLES,
    after_long_help = HELP,
    group(ArgGroup::new("side").required(true).args(["covariate", "covariate_column"]))
)]
pub struct FdrArgs {
    /// Table of p-values with a header, separated by tabs (or blanks), plain, gzip or bgzip; `-` for
    /// standard input. `NA` is no p-value
    #[arg(long, value_name = "FILE")]
    pvalues: PathBuf,
    /// VCF or BCF with effects (as `mpra-score variants` writes it), or a track (bigWig, bedGraph)
    #[arg(long, value_name = "FILE")]
    covariate: Option<PathBuf>,
    /// The covariate is a column of the table
    #[arg(long, value_name = "NAME")]
    covariate_column: Option<String>,
    /// INFO field of the VCF; the largest absolute value over alleles counts [default: MPRA_MAX]
    #[arg(long, value_name = "NAME", requires = "covariate")]
    field: Option<String>,
    /// The false discovery rate at which discoveries are counted and weights are learnt
    #[arg(long, value_name = "RATE", default_value_t = 0.05)]
    alpha: f64,
    /// Output folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the results of an earlier run
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    page: ReportFlag,

    /// Column of p-values [default: p, pval, pvalue, p_value or the like]
    #[arg(long, value_name = "NAME", help_heading = "Table")]
    p_column: Option<String>,
    /// Column of names [default: id, snp, rsid or the like]; without positions, records of a VCF are
    /// found by it
    #[arg(long, value_name = "NAME", help_heading = "Table")]
    id_column: Option<String>,
    /// Column of contigs [default: chr, chrom, chromosome or contig]
    #[arg(long, value_name = "NAME", help_heading = "Table")]
    chrom_column: Option<String>,
    /// Column of positions [default: pos, bp, position or base_pair_location]
    #[arg(long, value_name = "NAME", help_heading = "Table")]
    position_column: Option<String>,
    /// The two alleles, in any order: of a VCF only the record with both of them is taken
    #[arg(long, value_name = "A,B", value_parser = two, help_heading = "Table")]
    allele_columns: Option<[String; 2]>,
    /// Positions of the table count from 0, not from 1
    #[arg(long, help_heading = "Table")]
    zero_based: bool,
    /// How contigs of the two files are brought together: a tab-separated file with one contig's
    /// names a line, or `ucsc-ensembl` (chr1 is 1, chrM is MT)
    #[arg(long, value_name = "FILE|ucsc-ensembl", help_heading = "Table")]
    chrom_alias: Option<PathBuf>,

    /// Bins of about equal count, at most; hypotheses without covariate are one more
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000), help_heading = "Weights")]
    bins: u16,
    /// Hypotheses a bin, at least: with too few there are fewer bins
    #[arg(long, value_name = "N", default_value_t = 1500, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Weights")]
    bin_size: u32,
    /// Folds
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(3..=50), help_heading = "Weights")]
    folds: u16,
    /// What stays together in a fold; auto: contigs, if there are as many as folds, else blocks,
    /// else nothing
    #[arg(long, value_enum, default_value = "auto", help_heading = "Weights")]
    fold_by: FoldByFlag,
    /// Bases of a block
    #[arg(long, value_name = "N", default_value_t = 5_000_000, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Weights")]
    block: u32,
    /// Seed of random folds
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Weights")]
    seed: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FoldByFlag {
    Auto,
    Contig,
    Block,
    Random,
}

fn two(text: &str) -> Result<[String; 2], String> {
    match text.split_once(',') {
        Some((a, b)) if !a.is_empty() && !b.is_empty() && !b.contains(',') => {
            Ok([a.into(), b.into()])
        }
        _ => Err("expected the names of two columns, such as A1,A2".into()),
    }
}

impl FdrArgs {
    /// Runs the subcommand.
    pub fn run(self, quiet: bool) -> Result<()> {
        let cancel = interrupt::watch()?;
        let page = self.page;
        let config = self.config()?;
        let summary = fdr::run(&config, &cancel)?;
        if !quiet {
            report(&config, &summary);
        }
        page.of(&config.out, true, quiet)
    }

    fn config(self) -> Result<Config> {
        let aliases = aliases(self.chrom_alias.as_deref())?;
        Ok(Config {
            table: PTable {
                table: SumTable {
                    path: self.pvalues,
                    named: [
                        (Role::P, self.p_column),
                        (Role::Id, self.id_column),
                        (Role::Contig, self.chrom_column),
                        (Role::Position, self.position_column),
                    ]
                    .into_iter()
                    .filter_map(|(role, name)| Some((role, name?)))
                    .collect(),
                    zero_based: self.zero_based,
                },
                alleles: self.allele_columns,
                covariate: self.covariate_column,
            },
            covariate: self.covariate,
            field: self.field,
            aliases,
            alpha: self.alpha,
            bins: self.bins.into(),
            bin_size: self.bin_size as usize,
            folds: self.folds.into(),
            fold_by: match self.fold_by {
                FoldByFlag::Auto => FoldBy::Auto,
                FoldByFlag::Contig => FoldBy::Contig,
                FoldByFlag::Block => FoldBy::Block,
                FoldByFlag::Random => FoldBy::Random,
            },
            block: self.block,
            seed: self.seed,
            out: self.out,
            force: self.force,
            command: super::shared::command_line(),
        })
    }
}

fn report(config: &Config, summary: &Summary) {
    let without = match summary.rows - summary.tests {
        0 => String::new(),
        n => format!(" ({n} rows without p-value)"),
    };
    say(format!(
        "{} hypotheses{without}, {} with a covariate in {} bin(s), {} folds by {}",
        summary.tests,
        summary.with_covariate,
        summary.bins,
        config.folds,
        match summary.fold_by {
            "random" => "chance",
            other => other,
        }
    ));
    let columns = summary
        .columns
        .iter()
        .map(|(what, name)| match *what == name.as_str() {
            true => name.clone(),
            false => format!("{what} from {name}"),
        });
    say(format!(
        "columns: {}",
        columns.collect::<Vec<_>>().join(", ")
    ));
    let [bh, storey, ihw] = summary.discoveries;
    say(format!(
        "discoveries at {}: {bh} Benjamini-Hochberg, {storey} Storey (pi0 {:.3}), {ihw} weighted",
        config.alpha, summary.pi0
    ));
    wrote(&summary.files);
}
