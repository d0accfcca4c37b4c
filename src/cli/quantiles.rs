//! `mpra-score model quantiles`: what a model's activities mean, written into its file.

use std::path::PathBuf;

use crate::ism::{EngineChoice, EngineSettings, Strand};
use crate::model::ModelSource;
use crate::score::{QuantilesConfig, RegionSet, write_quantiles};
use anyhow::Result;
use clap::Args;

use super::interrupt;
use super::progress::Bar;
use super::shared::{ModelFlags, StrandFlag, aliases, all_cores, say};

/// Write a model with the distribution of its activities over sets of regions
///
/// `mpra-score score` with that model then says of each region, in regions.tsv, the share of the
/// set's windows that are less active than the region's mean: TASK.NAME_quantile. Windows are those
/// of score's activity tracks over the set's regions; 1,001 values of each task are kept in the
/// metadata (mpra_score.quantiles). The weights stay as they are.
#[derive(Debug, Args)]
pub struct QuantilesArgs {
    /// An ONNX file, or a model that the program carries: `default`, `distilled` or `paper`
    model: PathBuf,
    /// A set of regions: its name and BED, as in `background=genome.bed`, or with the tasks that it is
    /// for, `active:HepG2_minP,HepG2_SV40P=hepg2.bed`; repeatable
    #[arg(long, value_name = "NAME[:TASK,...]=BED", value_parser = set, required = true)]
    set: Vec<RegionSet>,
    /// The genome: FASTA, plain or bgzip, or .2bit
    #[arg(long, value_name = "FILE")]
    fasta: PathBuf,
    /// How contigs are found under other names: a tab-separated file with one contig's names a
    /// line, or `ucsc-ensembl` (chr1 is 1, chrM is MT)
    #[arg(long, value_name = "FILE|ucsc-ensembl")]
    chrom_alias: Option<PathBuf>,
    /// Bases from one window's start to the next [default: a fifth of the window]
    #[arg(long, value_name = "BASES")]
    stride: Option<u32>,
    /// Which strands the model sees
    #[arg(long, value_enum, default_value = "forward")]
    strand: StrandFlag,
    /// The model with the distributions
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace it
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    flags: ModelFlags,
}

fn set(text: &str) -> Result<RegionSet, String> {
    let problem = || format!("{text:?} is not NAME=BED or NAME:TASK,TASK=BED");
    let (name, bed) = text.split_once('=').ok_or_else(problem)?;
    let (name, tasks) = match name.split_once(':') {
        Some((name, tasks)) => (name, Some(tasks.split(',').map(str::to_owned).collect())),
        None => (name, None),
    };
    let sound = |c: char| c.is_ascii_alphanumeric() || "_+-".contains(c);
    if name.is_empty() || !name.chars().all(sound) || bed.is_empty() {
        return Err(format!(
            "{}; names have letters, digits and _ + -",
            problem()
        ));
    }
    Ok(RegionSet {
        name: name.into(),
        tasks,
        bed: bed.into(),
    })
}

impl QuantilesArgs {
    /// Runs the subcommand.
    pub fn run(self, quiet: bool) -> Result<()> {
        let cancel = interrupt::watch()?;
        let config = QuantilesConfig {
            model: ModelSource::from_arg(Some(&self.model)),
            model_options: self.flags.options(),
            ort_lib: self.flags.ort_lib.clone(),
            fasta: self.fasta,
            aliases: aliases(self.chrom_alias.as_deref())?,
            sets: self.set,
            stride: self.stride,
            engine: EngineSettings {
                threads: all_cores(),
                choice: EngineChoice::Auto,
                strand: Strand::from(self.strand),
                batch: std::num::NonZeroUsize::MIN.saturating_add(63),
            },
            out: self.out,
            force: self.force,
        };
        let quantiles = write_quantiles(&config, &Bar::new(quiet), &cancel)?;
        if !quiet {
            for set in &quantiles.0 {
                say(format!("{}: {}", set.name, set.description));
                for (task, of) in &set.tasks {
                    let at = |share: usize| of.values[share];
                    let (low, middle, high) = (at(50), at(500), at(950));
                    say(format!(
                        "  {task}: {} windows; 5% below {low}, half below {middle}, 95% below {high}",
                        of.windows
                    ));
                }
            }
            say(format!("  {}", config.out.display()));
        }
        Ok(())
    }
}
