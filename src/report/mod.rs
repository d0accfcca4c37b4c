//! One page of HTML that shows what jobs have done: everything is inside it, and nothing is asked for elsewhere.
//!
//! A part is made of each folder (or table) of results: of the main job distributions, the strongest
//! elements and regions base by base (`score`, `elements`, `effects`), of variants a view along the genome (`variants`), of all
//! jobs their tables, their figures and what was run (`table`, `figures`, `facts`). `page` puts them into the page, whose
//! script draws them.
//!
//! Names come from files that anyone may have made: they reach the page as JSON, in which `<`, `>` and `&` are escaped, and the
//! script makes text of them, never markup.

mod design;
mod effects;
mod elements;
mod elsewhere;
mod factors;
mod facts;
mod measured;
mod motifs;
mod page;
mod perturb;
mod pictures;
mod score;
mod serve;
mod table;
mod training;
mod values;
mod variants;

pub use serve::{ServeConfig, serve};

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use self::facts::Run;
use self::pictures::Pictures;
use self::table::View;
use crate::Error;
use crate::genome::GenomeError;
use crate::input::InputError;
use crate::intervals::{IntervalError, Named};
use crate::job::{Cancel, RunInfo};
use crate::output::{OutputError, RUN_JSON, WholeFile, check_file};
use crate::tracks::TrackError;
use crate::vcf::VcfError;

/// A page to be made.
#[derive(Clone, Debug, Default)]
pub struct ReportConfig {
    /// Folders of results; or scored VCFs and tables of variants.
    pub results: Vec<PathBuf>,
    /// The page [default: `report.html` in the folder, or beside the file].
    pub out: Option<PathBuf>,
    /// The genome, where it is not where the job had it.
    pub fasta: Option<PathBuf>,
    /// Regions pictured for each column of numbers.
    pub top: usize,
    /// Intervals drawn below regions.
    pub annotations: Vec<Named>,
    /// Known motifs, in MEME's minimal format, whose hits are drawn below regions.
    pub motifs: Option<PathBuf>,
    /// Also write a UCSC track hub, an IGV session and batch script and an ini of pyGenomeTracks, for this name of
    /// the genome (`hg19`), beside the tracks of main jobs.
    pub hub: Option<String>,
    /// igv.js, for the genome view; without it there is none.
    pub igv: Option<PathBuf>,
    /// The ONNX Runtime library, when the user names one.
    pub ort_lib: Option<PathBuf>,
    /// Replace what is there.
    pub force: bool,
    /// Of a training that goes on show that, even where its folder has older results; the page loads itself anew.
    pub live: bool,
}

/// What can be wrong with a page.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A table.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A track.
    #[error(transparent)]
    Track(#[from] TrackError),
    /// A VCF or BCF.
    #[error(transparent)]
    Vcf(#[from] VcfError),
    /// Annotations.
    #[error(transparent)]
    Intervals(#[from] IntervalError),
    /// The genome.
    #[error(transparent)]
    Genome(#[from] GenomeError),
    /// The page itself.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The server.
    #[error("cannot serve")]
    Serve(#[source] io::Error),
    /// A folder or file that is no result.
    #[error("{0}: {1}")]
    NoResults(PathBuf, String),
}

impl ReportError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Input(e) => e.hint(),
            Self::Track(e) => e.hint(),
            Self::Vcf(e) => e.hint(),
            Self::Intervals(e) => e.hint(),
            Self::Output(e) => e.hint(),
            Self::Genome(e) => e.hint(),
            Self::Serve(_) => Some("is the port taken? --port N takes another, 0 one that is free".into()),
            Self::NoResults(..) => Some(
                "give the folder that a job wrote with --out (it has a run.json), or a scored VCF or table of variants"
                    .into(),
            ),
        }
    }
}

/// What the page has of one job.
#[derive(Debug, Default, Serialize)]
struct Part {
    title: String,
    run: Run,
    #[serde(skip_serializing_if = "Option::is_none")]
    elements: Option<elements::Table>,
    #[serde(skip_serializing_if = "Option::is_none")]
    regions: Option<Pictures>,
    histograms: Vec<score::Histogram>,
    scatters: Vec<score::Scatter>,
    curves: Vec<training::Curve>,
    manhattan: Vec<variants::Manhattan>,
    tables: Vec<View>,
    figures: Vec<Figure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    genome: Option<score::Genome>,
}

/// A figure that the job has drawn.
#[derive(Debug, Serialize)]
struct Figure {
    title: String,
    /// SVG, in base64.
    svg: String,
}

/// Makes the page; also `elements.bed` beside it, where there are elements. Gives what was written.
///
/// # Errors
/// When results cannot be read, or the page cannot be written.
pub fn run(config: &ReportConfig, cancel: &Cancel) -> Result<Vec<PathBuf>, Error> {
    let out = place(config)?;
    let bed = out.with_file_name("elements.bed");
    let inputs: Vec<&Path> = config.results.iter().map(PathBuf::as_path).collect();
    check_file(&out, config.force, &inputs)?;
    let mut parts = Vec::new();
    let mut elements = Vec::new();
    let mut others = Vec::new();
    for path in &config.results {
        cancel.check()?;
        let (part, found) = part(path, config, cancel)?;
        if let (Some(genome), Some(view)) = (&config.hub, part.tables.first().filter(|t| t.regions))
        {
            let tasks = part.regions.as_ref().map_or(&[][..], |r| &r.tasks);
            others.extend(elsewhere::write(path, genome, tasks, view, &found)?);
        }
        parts.push(part);
        elements.extend(found);
    }
    if !elements.is_empty() {
        check_file(&bed, config.force, &inputs)?;
    }
    let html = page::html(&parts, config.igv.as_deref(), config.live)?;
    cancel.check()?;
    // Both are whole before one gets its name.
    let mut whole = vec![written(&out, html.as_bytes(), config.force)?];
    if !elements.is_empty() {
        let text = elements::bed(&elements);
        whole.push(written(&bed, text.as_bytes(), config.force)?);
    }
    let kept = whole.into_iter().map(WholeFile::keep);
    let mut files = kept.collect::<Result<Vec<_>, _>>()?;
    files.extend(others);
    Ok(files)
}

fn written(path: &Path, bytes: &[u8], replace: bool) -> Result<WholeFile, OutputError> {
    use std::io::Write;
    let whole = WholeFile::create(path, replace)?;
    let mut file = whole.file()?;
    file.write_all(bytes)
        .map_err(|e| OutputError::Write(e, path.into()))?;
    Ok(whole)
}

/// Where the page goes.
fn place(config: &ReportConfig) -> Result<PathBuf, ReportError> {
    if let Some(out) = &config.out {
        return Ok(out.clone());
    }
    let Some(first) = config.results.first() else {
        let text = "no results are named".to_owned();
        return Err(ReportError::NoResults(PathBuf::new(), text));
    };
    Ok(match first.is_dir() {
        true => first.join("report.html"),
        false => {
            let mut name = first.as_os_str().to_owned();
            name.push(".report.html");
            name.into()
        }
    })
}

/// What is made of one folder or file, and its strongest elements.
fn part(
    path: &Path,
    config: &ReportConfig,
    cancel: &Cancel,
) -> Result<(Part, Vec<elements::Element>), Error> {
    let none = |text: &str| ReportError::NoResults(path.into(), text.to_owned());
    if !path.is_dir() {
        if !path.exists() {
            return Err(none("there is no such file or folder").into());
        }
        return Ok((variants::part(path)?, Vec::new()));
    }
    let file = path.join(RUN_JSON);
    if (config.live || !file.exists())
        && let Some(part) = training::unfinished(path)?
    {
        return Ok((part, Vec::new()));
    }
    let text = fs::read_to_string(&file).map_err(|_| none("it has no run.json"))?;
    let run: RunInfo = serde_json::from_str(&text)
        .map_err(|e| none(&format!("its run.json is not one of this program: {e}")))?;
    let mut part = Part {
        title: title(path, &run),
        run: facts::run(&run),
        ..Part::default()
    };
    let mut elements = Vec::new();
    if ["score", "merge"].contains(&&run.job[..]) && path.join("regions.tsv").exists() {
        elements = score::fill(&mut part, path, &run, config, cancel)?;
    }
    let of_motifs = motifs::tables(path, &run)?;
    let tables_done = of_motifs.is_some();
    part.tables.extend(of_motifs.into_iter().flatten());
    if let Some(methods) = motifs::methods(&run) {
        part.run.methods = methods;
    }
    for name in &run.outputs {
        let inside = path.join(name);
        if name.ends_with(".svg") && part.figures.len() < 60 {
            let svg = fs::read(&inside).map_err(|e| OutputError::Read(e, inside.clone()))?;
            part.figures.push(Figure {
                title: name.clone(),
                svg: page::base64(&svg),
            });
        } else if tables_done {
            continue;
        } else if name.ends_with(".tsv") && name != "regions.tsv" && part.tables.len() < 8 {
            let Some(mut view) = View::read(&inside, name)? else {
                continue;
            };
            perturb::note(&run, &mut view);
            if run.job.starts_with("train") {
                part.curves.extend(training::curves(&view));
            }
            part.scatters.extend(measured::scatters(&view));
            part.tables.push(view);
        } else if name.ends_with("predictions.tsv.gz") {
            let view = View::read(&inside, name)?;
            part.scatters
                .extend(view.iter().flat_map(measured::by_judge));
        }
    }
    design::fill(&mut part, path, &run.job)?;
    Ok((part, elements))
}

/// What a part is called: the job, and its folder's name.
fn title(path: &Path, run: &RunInfo) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
    format!("{} {}", run.job, name.unwrap_or_default())
        .trim()
        .to_owned()
}
