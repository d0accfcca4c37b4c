//! `mpra-score variants`: effects of variants, how unusual they are, and sets of them.

use std::path::PathBuf;

use crate::intervals::Named;
use crate::job::Shard;
use crate::liftover::LiftoverConfig;
use crate::model::ModelSources;
use crate::sumstats::{Role, SumTable};
use crate::tracks::Precision;
use crate::variants::{
    self, BackgroundConfig, BackgroundSource, Clump, Combine, LongRun, Plots, RankBy, Scoring,
    VariantSource, VariantsConfig, VariantsSummary, Windows, enrich, gwas,
};
use anyhow::{Context, Result, bail};
use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use super::interrupt;
use super::progress::Bar;
use super::report::ReportFlag;
use super::shared::{
    AttributionFlags, ComputeFlags, ModelFlags, StrandFlag, aliases, left_out, say, wrote,
};

const EXAMPLES: &str = "\
Score variants: effects, p-values, a ranked table, figures; GWAS tables with their loci

Examples:
  # every record comes back with its predicted effects; the 20 strongest are drawn
  mpra-score variants --vcf in.vcf.gz --fasta hg19.fa --out scored.vcf.gz --table ranked.tsv --plots figures
  # a GWAS: effects of its effect alleles, and which variant of each locus it may be
  mpra-score variants --sumstats gwas.tsv.gz --fasta hg19.fa --out scored.tsv.gz --table candidates.tsv
  # every possible change of some bases
  mpra-score variants --bed promoter.bed --fasta hg19.fa --out changes.vcf
  # is a set of variants stronger than changes around open chromatin?
  mpra-score variants enrich --vcf set.vcf --background dnase.bed --fasta hg19.fa --out enriched";

const OUTPUT_HELP: &str = "\
Output: the same records in the same order, with these INFO fields (for each ALT allele):

  MPRA_TASK     effect: activity of ALT - activity of REF, the assay's log2(RNA/DNA)
  MPRA_SPREAD_TASK  (--model A,B) standard deviation of the effect over the models, whose mean
                MPRA_TASK is
  MPRA_P_TASK   share of the background's |effects| at least as large (one added to both counts)
  MPRA_MAX      the effect that is largest in absolute value over the tasks
  MPRA_SKIP     why alleles are not scored, `.` for those that are:
      unknown_contig     the FASTA lacks the contig
      ref_not_acgt       REF has anything but A, C, G, T
      ref_mismatch       REF is not what the genome has
      genome_unknown     the genome has a base other than A, C, G, T there
      no_alt, spanning_deletion, symbolic, breakend   ALT is `.`, `*`, `<...>`, a breakend
      alt_not_acgt       ALT has anything but A, C, G, T
      same_as_ref        ALT is REF
      too_long           more bases are replaced, or inserted, than a window has
      no_window          each window holds unknown bases (--max-unknown)
      telomere           POS is 0, or one behind the contig's last base
      past_contig_end    REF reaches past the contig's end
      empty_interval     a row of the --bed has no base; the record holds the base before it

A single-base change is scored in the windows that hold it; for all others the window keeps the
variant's first base (after bases that REF and ALT share at their ends are taken away, but for one)
in its column and is filled from the genome on the right.

--liftover: a record is lifted where every base of its REF is aligned, one after the other, by one
chain, and the new genome has REF there; on its other strand, alleles are reverse-complemented, and
insertions and deletions hung upon the base before, as far left as they go. CHROM and POS are those
of the FASTA, and so are the header's contigs; MPRA_LIFT_FROM=contig:position:strand says where a
record stood; all other columns stay as they are. The others go to --rejects, with MPRA_LIFT_LOST (a
VCF), or below a line with the reason (a BED):
  Deleted, Partially deleted, Split or Duplicated in new   liftOver's words
  Interrupted in new         bases are inserted within REF
  Contig not in the chain file, Contig not in the FASTA
  REF differs from the new genome
  REF and ALT swapped in the new build
  Indel at a gap of the alignment      REF would not be what it was
  Symbolic allele or breakend, END is not that of REF, REF or ALT is no bases
  No base there              POS 0, or a row without a base

--table, one row an allele, ranked:
  rank contig pos id ref alt   pos as in the VCF, from 1; an allele that is listed twice is ranked once
  lead                         (--clump-kb, --clump-bfile) rank of the site whose signal it is of
  status                       ok, or a word of MPRA_SKIP
  max_effect max_task          as MPRA_MAX, and the task
  cauchy_p cauchy_q            all tasks together (product_p, product_q with --combine product)
  TASK.reference               activity of the reference, mean over the same windows
  TASK.spread                  (--model A,B) as MPRA_SPREAD_TASK
  TASK.effect TASK.p TASK.q    q: Benjamini and Hochberg, over the alleles of the table
  TASK.importance              of the allele's first base, as the main job's
  annotations                  names of the --annotation files that hold a replaced base
  NA where there is no value

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.";

/// Score variants: effects, p-values, a ranked table, figures
#[derive(Debug, Args)]
#[command(
    long_about = EXAMPLES,
    after_long_help = OUTPUT_HELP,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    group(ArgGroup::new("variants").required(true).args(["vcf", "bed", "sumstats"]))
)]
pub struct VariantsArgs {
    #[command(subcommand)]
    command: Option<VariantsCommand>,
    /// Variants: VCF (plain, gzip, bgzip) or BCF; `-` for standard input
    #[arg(long, value_name = "FILE")]
    vcf: Option<PathBuf>,
    /// Positions without alleles (BED): every base's three possible changes are scored
    #[arg(long, value_name = "FILE")]
    bed: Option<PathBuf>,
    /// A GWAS or fine-mapping table as PLINK, REGENIE, SAIGE, BOLT-LMM, METAL, the GWAS catalog, SuSiE and others
    /// write it (text, gzip, Parquet, GWAS-VCF): effects of its effect alleles, loci and the variants that may
    /// count in them
    #[arg(long, value_name = "FILE")]
    sumstats: Option<PathBuf>,
    #[command(flatten)]
    gwas: GwasArgs,
    /// The scored variants: .vcf, .vcf.gz (with .tbi), .bcf (with .csi), or `-` for standard output; of
    /// --sumstats a table (.tsv, .tsv.gz)
    // Optional for Rust only: under `enrich` it is not required.
    #[arg(long, value_name = "FILE", required = true)]
    out: Option<PathBuf>,
    /// The variants are of another build: lift them by this UCSC chain file to the build of --fasta
    #[arg(long, value_name = "CHAIN")]
    liftover: Option<PathBuf>,
    /// Where variants go that cannot be lifted, as VCF or BED [default: beside --out, its name with
    /// .rejected.vcf or .rejected.bed]
    #[arg(long, value_name = "FILE", requires = "liftover")]
    rejects: Option<PathBuf>,
    /// Write a table of all alleles, ranked; of --sumstats the variants of the loci, ranked in each
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
    /// What the table is ranked by: `max` (largest |effect| over the tasks), `p` (all tasks
    /// together), or a task's name (|effect| there)
    #[arg(long, value_name = "max|p|TASK", default_value = "max", value_parser = rank_by)]
    rank_by: RankBy,
    /// How p-values of tasks become one: the Cauchy combination test, or the product, which takes
    /// the tasks for independent
    #[arg(long, value_enum, default_value = "cauchy")]
    combine: CombineFlag,
    /// Name the intervals a variant lies in, in the table (BED, narrowPeak, bigBed); repeatable
    #[arg(long, value_name = "[NAME=]FILE", value_parser = super::shared::named)]
    annotation: Vec<Named>,
    /// Draw the first N variants of the ranking
    #[arg(long, value_name = "N", requires = "plots", default_value_t = 20)]
    top: usize,
    /// The folder for their figures (SVG)
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    #[command(flatten)]
    attribution: AttributionFlags,
    /// Replace what is there
    #[arg(long)]
    force: bool,
    /// Windows anywhere in the genome (`genome`), around bases of these regions (BED, such as open
    /// chromatin), a background saved earlier, or `none` (no p-values)
    #[arg(
        long,
        value_name = "BED|SAVED|genome|none",
        default_value = "genome",
        value_parser = background,
        help_heading = "Background"
    )]
    background: BackgroundSource,
    #[command(flatten)]
    scoring: ScoringArgs,
    #[command(flatten)]
    page: ReportFlag,
    /// Go on with the unfinished run beside the output (its name with .partial), if there is one, and leave this one
    /// to be resumed if it is interrupted or fails
    #[arg(long, help_heading = "Long runs", conflicts_with = "merge")]
    resume: bool,
    /// Score the I-th of N equal parts, into the output's name with .IofN.shard
    #[arg(long, value_name = "I/N", value_parser = super::shared::shard, help_heading = "Long runs", conflicts_with = "merge")]
    shard: Option<Shard>,
    /// Join all parts: the same command as theirs, with their files in place of --shard. The results are those of one
    /// run, byte for byte
    #[arg(long, value_name = "PART", num_args = 1.., help_heading = "Long runs")]
    merge: Vec<PathBuf>,
}

/// What --sumstats takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "GWAS tables and loci")]
struct GwasArgs {
    /// What a column holds, where its name does not tell: p, -log10(p), id, contig, position, variant
    /// (1:1065296:T:C), effect_allele, other_allele, ref, alt, beta, odds_ratio, se, z, chisq, pip, credible_set
    /// or test; repeatable
    #[arg(long, value_name = "WHAT=NAME", value_parser = column, requires = "sumstats")]
    column: Vec<(Role, String)>,
    /// Positions of the table count from 0, not from 1
    #[arg(long, requires = "sumstats")]
    zero_based: bool,
    /// Columns that tell traits or cohorts apart: rows that differ there are never of one locus
    #[arg(long, value_name = "A,B", value_delimiter = ',', requires = "sumstats")]
    group_columns: Vec<String>,
    /// The largest p-value that begins a locus
    #[arg(long, value_name = "P", default_value_t = 5e-8, requires = "sumstats")]
    lead_p: f64,
    /// Sites within so many thousand bases of a better one are of its signal: a locus of --sumstats; in the
    /// ranking of --vcf and --bed, the column `lead` then says which, and --top draws leads alone
    /// [default: 250 with --sumstats]
    #[arg(long, value_name = "KB", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    clump_kb: Option<u32>,
    /// ... and only where people's genotypes, PLINK's NAME.bed, .bim and .fam (or .gz), say that they are in
    /// disequilibrium with it
    #[arg(long, value_name = "NAME")]
    clump_bfile: Option<PathBuf>,
    /// The least squared correlation for that
    #[arg(
        long,
        value_name = "R2",
        default_value_t = 0.5,
        requires = "clump_bfile"
    )]
    clump_r2: f64,
}

fn column(text: &str) -> Result<(Role, String), String> {
    let known = || Role::ALL.map(Role::as_str).join(", ");
    // The word may hold no `=`, the name may.
    let Some((word, name)) = text.split_once('=') else {
        return Err(format!("expected WHAT=NAME, with one of {}", known()));
    };
    let role = Role::of(word).ok_or_else(|| format!("{word:?} is none of {}", known()))?;
    Ok((role, name.to_owned()))
}

impl GwasArgs {
    /// What is one signal; `None` where nothing was asked.
    fn clump(&self) -> Option<Clump> {
        if self.clump_kb.is_none() && self.clump_bfile.is_none() {
            return None;
        }
        let usual = Clump::default();
        Some(Clump {
            distance: self.clump_kb.map_or(usual.distance, |kb| kb * 1_000),
            genotypes: self.clump_bfile.clone(),
            r2: self.clump_r2,
        })
    }
}

/// What all jobs on variants share.
#[derive(Debug, Args)]
struct ScoringArgs {
    /// Windows to sample; each gives three changes a base
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Background"
    )]
    background_windows: u32,
    /// Compare only within like GC content of the window: in N equal parts of the background (of
    /// both sets, for `enrich`)
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=100),
        help_heading = "Background"
    )]
    match_gc: u32,
    /// Seed of everything drawn at random
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        help_heading = "Background"
    )]
    seed: u64,
    /// Save the background (.npz), for --background of other runs
    #[arg(long, value_name = "FILE", help_heading = "Background")]
    save_background: Option<PathBuf>,

    /// The genome: FASTA, plain or bgzip-compressed, with its .fai (and .gzi) where there are, or .2bit
    // Optional for Rust only: under `enrich` these flags come a second time.
    #[arg(long, value_name = "FILE", required = true)]
    fasta: Option<PathBuf>,
    /// The model: an ONNX file, a table of k-mers, a gkm-SVM model, or one that the program carries: `default`,
    /// `distilled` or `paper`;
    /// several, joined by commas, are an ensemble of which the mean is taken
    /// [default: default]
    #[arg(long, value_name = "FILE[,FILE...]")]
    model: Option<PathBuf>,
    /// How contigs of the variants are found under other names: a tab-separated file with one
    /// contig's names a line, or `ucsc-ensembl` (chr1 is 1, chrM is MT)
    #[arg(long, value_name = "FILE|ucsc-ensembl")]
    chrom_alias: Option<PathBuf>,
    /// Write a missing .fai (and .gzi) beside the FASTA
    #[arg(long)]
    write_index: bool,
    /// Tasks to give, by name [default: all]
    #[arg(
        long,
        value_name = "A,B",
        value_delimiter = ',',
        help_heading = "What to compute"
    )]
    tasks: Option<Vec<String>>,
    /// The mean over all windows that hold the variant's first base, at the multiples of the
    /// stride as in the main job, or the one window centred on it
    #[arg(
        long,
        value_enum,
        default_value = "all",
        help_heading = "What to compute"
    )]
    windows: WindowsFlag,
    /// Bases from one window's start to the next's [default: window / 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "What to compute")]
    stride: Option<u32>,
    /// Score the sequence as it stands, or the mean with its reverse complement
    #[arg(
        long,
        value_enum,
        default_value = "forward",
        help_heading = "What to compute"
    )]
    strand: StrandFlag,
    /// Stop at the first record that makes no sense (REF past its contig's end or no bases, ALT no
    /// allele), instead of leaving it unscored with its reason
    #[arg(long)]
    strict: bool,
    /// Keep N significant bits (1 to 23) of the effects in INFO: 8 are right to 0.2%; p-values and tables have all
    #[arg(long, value_name = "N|full", value_parser = super::values::precision)]
    precision: Option<Precision>,
    #[command(flatten)]
    model_flags: ModelFlags,
    #[command(flatten)]
    compute: ComputeFlags,
}

#[derive(Debug, Subcommand)]
enum VariantsCommand {
    Enrich(Box<EnrichArgs>),
}

const ENRICH_HELP: &str = "\
Each site counts once: by |effect| of one of its alleles (drawn where there are several) and by
|importance| of its first base.

Output, in the folder --out:
  enrichment.tsv   one row a measure (effect, importance) and task
    set_sites control_sites     sites that could be scored
    set_mean control_mean       mean absolute values
    auc                         how often a site of the set exceeds a control (Mann and Whitney's U
                                over the number of pairs), within parts of like GC (--match-gc)
    permutation_p               one-sided: how often permuted labels give as high an area
  thresholds.tsv   fold at quantiles of the controls
    control_quantile threshold  the quantile and its value
    set_fraction control_fraction fold   at least as large
  enrichment.svg   the folds of |effect|
  run.json         version, command line, settings, seed";

/// Does a set of variants have larger effects than controls?
#[derive(Debug, Args)]
#[command(
    after_long_help = ENRICH_HELP,
    group(ArgGroup::new("set").required(true).args(["vcf", "bed"])),
    group(ArgGroup::new("controls").required(true).args(["control", "control_bed", "background"]))
)]
struct EnrichArgs {
    /// The set: VCF or BCF
    #[arg(long, value_name = "FILE")]
    vcf: Option<PathBuf>,
    /// The set: positions (BED)
    #[arg(long, value_name = "FILE")]
    bed: Option<PathBuf>,
    /// Controls: VCF or BCF
    #[arg(long, value_name = "FILE")]
    control: Option<PathBuf>,
    /// Controls: positions (BED)
    #[arg(long, value_name = "FILE")]
    control_bed: Option<PathBuf>,
    /// Controls: changes in windows of the `genome`, around bases of these regions (BED), or a
    /// background saved earlier
    #[arg(long, value_name = "BED|SAVED|genome", value_parser = background, help_heading = "Background")]
    background: Option<BackgroundSource>,
    /// Permutations of the labels
    #[arg(long, value_name = "N", default_value_t = 9_999)]
    permutations: u32,
    /// The folder for the results
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the results of an earlier run
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    page: ReportFlag,
    #[command(flatten)]
    scoring: ScoringArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum WindowsFlag {
    All,
    Centre,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CombineFlag {
    Cauchy,
    Product,
}

fn rank_by(text: &str) -> Result<RankBy, String> {
    Ok(match text {
        "max" => RankBy::Largest,
        "p" => RankBy::P,
        "" => return Err("expected max, p or a task's name".into()),
        task => RankBy::Task(task.into()),
    })
}

fn background(text: &str) -> Result<BackgroundSource, String> {
    Ok(match text {
        "none" => BackgroundSource::None,
        "genome" => BackgroundSource::Genome,
        "" => return Err("expected a file, genome or none".into()),
        file => BackgroundSource::File(file.into()),
    })
}

impl ScoringArgs {
    fn scoring(self, background: BackgroundSource) -> Result<Scoring> {
        let aliases = aliases(self.chrom_alias.as_deref())?;
        Ok(Scoring {
            fasta: self.fasta.context("--fasta is required")?,
            write_index: self.write_index,
            aliases,
            model: ModelSources::from_arg(self.model.as_deref()),
            model_options: self.model_flags.options(),
            ort_lib: self.model_flags.ort_lib,
            tasks: self.tasks,
            windows: match self.windows {
                WindowsFlag::All => Windows::All,
                WindowsFlag::Centre => Windows::Centre,
            },
            stride: self.stride,
            strand: self.strand.into(),
            engine: self.compute.choice(),
            batch: self.compute.batch,
            threads: self.compute.threads(),
            strict: self.strict,
            precision: self.precision.unwrap_or_default(),
            background: BackgroundConfig {
                source: background,
                windows: self.background_windows,
                seed: self.seed,
                gc_bins: self.match_gc as usize,
                save: self.save_background,
            },
            command: super::shared::command_line(),
        })
    }
}

/// One of two inputs, as clap requires.
fn source(vcf: Option<PathBuf>, bed: Option<PathBuf>) -> Result<VariantSource> {
    vcf.map(VariantSource::Vcf)
        .or(bed.map(VariantSource::Bed))
        .context("--vcf or --bed is required")
}

impl VariantsArgs {
    /// Runs the subcommand.
    pub fn run(self, quiet: bool) -> Result<()> {
        let cancel = interrupt::watch()?;
        let bar = Bar::of(quiet, "bytes");
        if let Some(VariantsCommand::Enrich(args)) = self.command {
            let page = args.page;
            let config = args.config()?;
            let (_, files) = enrich::run(&config, &bar, &cancel)?;
            if !quiet {
                wrote(&files);
            }
            return page.of(&config.out, true, quiet);
        }
        if self.attribution.settings().is_some() && self.plots.is_none() {
            bail!("--method is of --plots: effects of variants are found by running both alleles");
        }
        let combine = match self.combine {
            CombineFlag::Cauchy => Combine::Cauchy,
            CombineFlag::Product => Combine::Product,
        };
        let long = LongRun {
            resume: self.resume,
            shard: self.shard,
            merge: self.merge,
        };
        if let Some(path) = self.sumstats {
            if self.plots.is_some() || self.rank_by != RankBy::Largest {
                bail!(
                    "--plots and --rank-by are of --vcf and --bed; --sumstats ranks the variants of each locus"
                );
            }
            let config = gwas::GwasConfig {
                clump: self.gwas.clump().unwrap_or_default(),
                table: SumTable {
                    path,
                    named: self.gwas.column,
                    zero_based: self.gwas.zero_based,
                },
                groups: self.gwas.group_columns,
                lead_p: self.gwas.lead_p,
                out: self.out.context("--out is required")?,
                candidates: self.table,
                liftover: self.liftover.map(|chains| LiftoverConfig {
                    chains,
                    rejects: self.rejects,
                }),
                combine,
                annotations: self.annotation,
                long,
                force: self.force,
                scoring: self.scoring.scoring(self.background)?,
            };
            let summary = gwas::run(&config, &bar, &cancel)?;
            if !quiet {
                report_gwas(&summary);
            }
            return match config.long.shard {
                Some(_) => Ok(()),
                None => self.page.of(&config.out, config.force, quiet),
            };
        }
        let config = VariantsConfig {
            source: source(self.vcf, self.bed)?,
            liftover: self.liftover.map(|chains| LiftoverConfig {
                chains,
                rejects: self.rejects,
            }),
            out: self.out.context("--out is required")?,
            table: self.table,
            rank_by: self.rank_by,
            clump: self.gwas.clump(),
            combine,
            long,
            annotations: self.annotation,
            plots: self.plots.map(|folder| Plots {
                attribution: self.attribution.settings(),
                top: self.top,
                folder,
            }),
            force: self.force,
            scoring: self.scoring.scoring(self.background)?,
        };
        let summary = variants::run(&config, &bar, &cancel)?;
        if !quiet {
            report(&summary);
        }
        match config.long.shard {
            Some(_) => Ok(()),
            None => {
                // The ranked table says more than the records.
                let shown = config.table.as_ref().unwrap_or(&config.out);
                self.page.of(shown, config.force, quiet)
            }
        }
    }
}

impl EnrichArgs {
    fn config(self) -> Result<enrich::EnrichConfig> {
        let control = match (self.control, self.control_bed) {
            (Some(path), _) => enrich::Control::Variants(VariantSource::Vcf(path)),
            (_, Some(path)) => enrich::Control::Variants(VariantSource::Bed(path)),
            _ => enrich::Control::Background,
        };
        Ok(enrich::EnrichConfig {
            source: source(self.vcf, self.bed)?,
            control,
            permutations: self.permutations,
            out: self.out,
            force: self.force,
            scoring: (self.scoring).scoring(self.background.unwrap_or(BackgroundSource::None))?,
        })
    }
}

/// The columns that were taken from a table, for a person.
fn columns(taken: &[(&'static str, String)]) -> String {
    let words = taken
        .iter()
        .map(|(what, name)| match *what == name.as_str() {
            true => name.clone(),
            false => format!("{what} from {name}"),
        });
    words.collect::<Vec<_>>().join(", ")
}

fn report_gwas(summary: &gwas::GwasSummary) {
    say(format!("columns: {}", columns(&summary.columns)));
    let skipped = summary.skipped.iter();
    let skipped = left_out(skipped.map(|(status, n)| (status.as_str(), *n)));
    say(format!(
        "{} of {} rows scored{skipped} in {:.1} s",
        summary.scored, summary.rows, summary.seconds
    ));
    super::shared::not_lifted(summary.not_lifted.as_ref(), "rows");
    say(format!(
        "the effect allele is the genome's in {}, told on the other strand in {}; {} are palindromes (A/T, C/G), taken as on the forward strand",
        summary.reference_effect, summary.complement, summary.palindromes
    ));
    say(format!(
        "{} loci by {}, {} variants in them",
        summary.loci, summary.locus_by, summary.candidates
    ));
    if let Some((changes, regions, seed)) = &summary.background {
        say(format!(
            "background: {changes} changes in windows of {regions}, seed {seed}"
        ));
    }
    wrote(&summary.files);
}

fn report(summary: &VariantsSummary) {
    let skipped = summary.skipped.iter();
    let skipped = left_out(skipped.map(|(skip, n)| (skip.as_str(), *n)));
    let (compared, mismatches) = summary.compared;
    let checked = match compared {
        0 => String::new(),
        n => format!(", REF equal to the genome in {} of {n}", n - mismatches),
    };
    say(format!(
        "{} records, {} of {} alleles scored{skipped}{checked} in {:.1} s",
        summary.records, summary.scored, summary.alleles, summary.seconds
    ));
    if summary.repeated > 0 {
        say(format!(
            "{} alleles are listed more than once: the ranking has each once",
            summary.repeated
        ));
    }
    super::shared::not_lifted(summary.not_lifted.as_ref(), "records or positions");
    if let Some((changes, regions, seed)) = &summary.background {
        say(format!(
            "background: {changes} changes in windows of {regions}, seed {seed}"
        ));
    }
    wrote(&summary.files);
}
