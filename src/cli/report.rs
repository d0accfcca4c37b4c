//! `mpra-score report`: one page that shows what jobs have done.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use crate::intervals::Named;
use crate::job::Cancel;
use crate::output;
use crate::report::{self, ReportConfig};
use anyhow::Result;
use clap::Args;

use super::interrupt;
use super::shared::{say, wrote};

const HELP: &str = "\
The page needs nothing but itself: it opens from a file, from mail, without a network. Of the main job it shows the strongest
elements (also written as elements.bed), regions base by base (activity, importance as letters, the effect of every
change), distributions and the table of regions; of variants a view along the genome and a table; of all jobs
tables, figures, and what was run, in words for a methods section.

Effects of changes are found anew, with the model and the genome that run.json names, for the pictured regions.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.";

/// Make a page that shows results: elements, regions base by base, tables, figures, what was run
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct ReportArgs {
    /// Folders of results; scored VCFs, or tables of `mpra-score variants`
    #[arg(required = true, value_name = "RESULTS")]
    results: Vec<PathBuf>,
    /// The page [default: report.html in the first folder, or beside the first file]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The genome, where it is not where the job had it
    #[arg(long, value_name = "FILE")]
    fasta: Option<PathBuf>,
    /// Regions that are pictured for each column of numbers
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: u16,
    /// Intervals drawn below regions (BED, narrowPeak, bigBed); repeatable
    #[arg(long, value_name = "[NAME=]FILE", value_parser = super::shared::named)]
    annotation: Vec<Named>,
    /// Known motifs, whose hits are drawn below regions and named in elements (MEME's minimal format, as JASPAR and
    /// HOCOMOCO offer it)
    #[arg(long, value_name = "FILE")]
    motifs: Option<PathBuf>,
    /// Also write, beside the tracks of a main job, a UCSC track hub (hub.txt), an IGV session and batch script, and an
    /// ini for pyGenomeTracks, with this name of the genome, such as hg19 (or, for IGV, its FASTA)
    #[arg(long, value_name = "GENOME")]
    hub: Option<String>,
    /// igv.js for the genome view [default: igv.min.js beside the program, where there is one]
    #[arg(long, value_name = "FILE")]
    igv: Option<PathBuf>,
    /// The ONNX Runtime library [default: $ORT_DYLIB_PATH, the program's folder, ../lib, the system]
    #[arg(long, value_name = "FILE")]
    ort_lib: Option<PathBuf>,
    /// Replace a page that is already there
    #[arg(long)]
    force: bool,
}

impl ReportArgs {
    /// Runs the subcommand.
    pub fn run(self, quiet: bool) -> Result<()> {
        let config = ReportConfig {
            results: self.results,
            out: self.out,
            fasta: self.fasta,
            top: self.top.into(),
            annotations: self.annotation,
            motifs: self.motifs,
            hub: self.hub,
            igv: self.igv.or_else(igv),
            ort_lib: self.ort_lib,
            force: self.force,
            live: false,
        };
        make(&config, quiet)
    }
}

/// `--report`, which every job has that writes results.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct ReportFlag {
    /// Make a page of the results, as `mpra-score report` does
    #[arg(long, help_heading = "What to write")]
    report: bool,
}

impl ReportFlag {
    /// Makes the page of results that were just written, if it was asked for.
    pub fn of(self, results: &Path, force: bool, quiet: bool) -> Result<()> {
        self.with_hub(results, None, force, quiet)
    }

    /// The same with `--hub`.
    pub fn with_hub(
        self,
        results: &Path,
        hub: Option<String>,
        force: bool,
        quiet: bool,
    ) -> Result<()> {
        if !self.report {
            return Ok(());
        }
        let config = ReportConfig {
            results: vec![results.into()],
            top: 10,
            hub,
            igv: igv(),
            force,
            ..ReportConfig::default()
        };
        make(&config, quiet)
    }
}

/// The page of a training that goes on: made anew after an epoch.
pub struct Live {
    config: ReportConfig,
    page: PathBuf,
    /// When it was made last.
    made: Mutex<Option<Instant>>,
}

impl Live {
    /// Seconds between two pages, at least.
    const APART: u64 = 5;

    /// For the folder of a job, if `--report` is given.
    pub fn new(flag: ReportFlag, results: &Path) -> Option<Self> {
        flag.report.then(|| Self {
            config: ReportConfig {
                results: vec![results.into()],
                force: true,
                live: true,
                ..ReportConfig::default()
            },
            page: results.join("report.html"),
            made: Mutex::new(None),
        })
    }

    /// Makes the page, unless that was just done.
    pub fn refresh(&self, quiet: bool) {
        let Ok(mut made) = self.made.lock() else {
            return;
        };
        if made.is_some_and(|at| at.elapsed().as_secs() < Self::APART) {
            return;
        }
        match report::run(&self.config, &Cancel::default()) {
            Ok(_) if made.is_none() && !quiet => say(format!(
                "the learning curves grow in {}",
                self.page.display()
            )),
            Ok(_) => {}
            // The training matters more than its page.
            Err(e) => tracing::warn!("{}: {e}", self.page.display()),
        }
        *made = Some(Instant::now());
    }

    /// After a failure the page stays where the training can be resumed, and goes where nothing is left of it.
    pub fn failed(&self) {
        let made = self.made.lock().is_ok_and(|made| made.is_some());
        if made && output::unfinished(&self.config.results[0]).is_none() {
            let _ = std::fs::remove_file(&self.page);
            // With the folder, if the page was all that kept it.
            let _ = std::fs::remove_dir(&self.config.results[0]);
        }
    }
}

fn make(config: &ReportConfig, quiet: bool) -> Result<()> {
    let cancel = interrupt::watch()?;
    let files = report::run(config, &cancel)?;
    if !quiet {
        wrote(&files);
    }
    Ok(())
}

/// igv.js beside the program.
pub fn igv() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let beside = program.parent()?.join("igv.min.js");
    beside.is_file().then_some(beside)
}
