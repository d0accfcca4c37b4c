use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::json;

use super::{
    Filters, Motif, MotifError, Sites, WIDEST, Words, best_match, read_motifs, sites, write_meme,
};
use crate::Error;
use crate::genome::{Aliases, BedSource, Fasta, InvalidPolicy, read_bed};
use crate::job::{self, Cancel, InputFile, RunInfo};
use crate::labelled::{Columns, Labelled, Source};
use crate::model::{ModelOptions, ModelSource};
use crate::output::{Existing, Number, OutputDir, write};
use crate::plot::logo::{Logo, information, logos};

/// What filters are run over, forward strand.
#[derive(Clone, Debug)]
pub enum Sequences {
    /// The contigs of a FASTA, whole.
    Fasta(PathBuf),
    /// The regions of a BED in a FASTA; bases in several regions count several times.
    Regions {
        /// The BED.
        bed: BedSource,
        /// The FASTA.
        fasta: PathBuf,
        /// How contig names are brought together.
        aliases: Aliases,
    },
    /// The sequences of a data set.
    Data(PathBuf),
}

/// A run of `mpra-score model motifs`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The model.
    pub model: ModelSource,
    /// What the user says of it.
    pub model_options: ModelOptions,
    /// What its filters are run over.
    pub sequences: Sequences,
    /// Words above this share of a filter's largest value are its sites, 0 to below 1.
    pub share: f32,
    /// Known motifs, in MEME format.
    pub known: Option<PathBuf>,
    /// Shuffles for the p-values.
    pub shuffles: u64,
    /// Seed of the shuffles.
    pub seed: u64,
    /// The output folder.
    pub out: PathBuf,
    /// Replace earlier results.
    pub force: bool,
    /// The command line, for the provenance.
    pub command: Vec<String>,
}

/// What a run found.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Filters.
    pub filters: usize,
    /// Filters that some word activates.
    pub active: usize,
    /// The files, `run.json` last.
    pub files: Vec<PathBuf>,
}

/// Writes `motifs.meme`, `filters.tsv`, `logos.svg` and `run.json`.
///
/// # Errors
/// When the model does not begin with a convolution over bases, or a file cannot be read or
/// written.
pub fn run(config: &Config, cancel: &Cancel) -> Result<Summary, Error> {
    if !(0.0..1.0).contains(&config.share) {
        return Err(MotifError::Setting("--threshold lies from 0 to below 1".into()).into());
    }
    let existing = Existing {
        force: config.force,
        resume: false,
    };
    OutputDir::check(&config.out, existing)?;
    let file = config.model.read()?;
    let file = file.adapted(&config.model_options)?;
    let spec = file.spec(&config.model_options)?;
    let filters = Filters::of(&file, &spec)?;
    if filters.width > WIDEST {
        return Err(MotifError::Setting(format!(
            "filters of {} columns; at most {WIDEST} are supported",
            filters.width
        ))
        .into());
    }
    let known = config.known.as_deref().map(read_motifs).transpose()?;
    let words = words(&config.sequences, filters.width, cancel)?;
    if words.is_empty() {
        return Err(MotifError::NoWords(filters.width).into());
    }
    let total = words.bases.iter().sum::<u64>() as f64;
    let background = words.bases.map(|n| n as f64 / total);
    let found = sites(&filters, &words, config.share);

    let mut shown = Shown::new();
    for (f, sites) in found.iter().enumerate() {
        cancel.check()?;
        shown.add(config, &format!("filter_{f}"), sites, known.as_deref());
    }

    let mut out = OutputDir::create(&config.out, existing)?;
    let text = write_meme(background, &shown.motifs);
    write(&out.file("motifs.meme"), text)?;
    write(&out.file("filters.tsv"), &shown.table)?;
    let name = match &config.model {
        ModelSource::File(path) => path.file_name().unwrap_or_default().display().to_string(),
        embedded => embedded.to_string(),
    };
    let title = format!("First-layer filters of {name}");
    let path = out.file("logos.svg");
    logos(&path, &title, "bits", Some(2.0), &shown.drawn).map_err(MotifError::from)?;
    let mut run = RunInfo::new("model motifs", &config.command);
    run.models
        .push(config.model.used_file("model", &file, &spec));
    match &config.sequences {
        Sequences::Fasta(path) => run.inputs.push(InputFile::sized("fasta", path)),
        Sequences::Regions { bed, fasta, .. } => {
            run.input("bed", bed.name().as_ref());
            run.inputs.push(InputFile::sized("fasta", fasta));
        }
        Sequences::Data(path) => run.input("data", path),
    }
    run.inputs("known_motifs", &config.known);
    run.seed = Some(config.seed);
    run.settings = job::map(json!({"threshold": config.share, "shuffles": config.shuffles}));
    run.counts = job::map(json!({
        "bases": words.bases.iter().sum::<u64>(),
        "filters": found.len(),
        "active_filters": shown.motifs.len(),
        "known_motifs": known.as_ref().map(Vec::len),
    }));
    cancel.check()?;
    Ok(Summary {
        filters: found.len(),
        active: shown.motifs.len(),
        files: out.commit(run)?,
    })
}

/// What is shown of the filters.
struct Shown {
    motifs: Vec<Motif>,
    drawn: Vec<Logo>,
    /// `filters.tsv`.
    table: String,
}

impl Shown {
    fn new() -> Self {
        Self {
            motifs: Vec::new(),
            drawn: Vec::new(),
            table: "filter\tstatus\tsites\tlargest\tthreshold\tbits\tconsensus\tmatch\tmatch_name\tstrand\toffset\tscore\tp\te\n".into(),
        }
    }

    /// Adds a row of the table, and of an active filter its motif and its logo.
    fn add(&mut self, config: &Config, name: &str, sites: &Sites, known: Option<&[Motif]>) {
        let frequencies = sites.frequencies();
        let active = sites.count > 0;
        let bits: f64 = frequencies.iter().map(information).sum();
        let close = (known.filter(|_| active))
            .and_then(|k| best_match(&frequencies, k, config.shuffles, config.seed).zip(Some(k)));
        // Writing to a string cannot fail.
        let _ = write!(
            self.table,
            "{name}\t{}\t{}\t{}\t{}\t{bits:.3}\t{}",
            if active { "ok" } else { "never_active" },
            sites.count,
            Number(f64::from(sites.largest)),
            Number(f64::from(sites.threshold)),
            consensus(sites)
        );
        let mut title = name.to_owned();
        match &close {
            None => self.table.push_str(&"\tNA".repeat(7)),
            Some((m, known)) => {
                let motif = &known[m.motif];
                let other = match motif.other_name.is_empty() {
                    true => ".",
                    false => &motif.other_name,
                };
                let strand = if m.reverse { '-' } else { '+' };
                let _ = write!(
                    self.table,
                    "\t{}\t{other}\t{strand}\t{}\t{:.4}\t{:.4}\t{:.4}",
                    motif.name, m.offset, m.score, m.p, m.e
                );
                title = format!("{name} {}{strand} {:.2}", motif.name, m.score);
            }
        }
        self.table.push('\n');
        if !active {
            return;
        }
        self.drawn.push(Logo {
            title,
            columns: (frequencies.iter())
                .map(|c| c.map(|p| p * information(c)))
                .collect(),
        });
        self.motifs.push(Motif {
            name: name.to_owned(),
            other_name: close.map_or(String::new(), |(m, k)| k[m.motif].name.clone()),
            frequencies,
            sites: sites.count,
        });
    }
}

fn words(sequences: &Sequences, width: usize, cancel: &Cancel) -> Result<Words, Error> {
    let mut words = Words::new(width);
    /// Bases read at a time.
    const PIECE: u32 = 1 << 20;
    let mut whole = |fasta: &Fasta, pieces: &[(u32, u32, u32)]| -> Result<(), Error> {
        let mut reader = fasta.reader()?;
        let mut codes = Vec::new();
        for &(contig, start, end) in pieces {
            let mut from = start;
            while from < end {
                cancel.check()?;
                // Pieces share what a word needs, so that each word is in one of them.
                let to = end.min(from.saturating_add(PIECE));
                let until = end.min(to.saturating_add(width as u32 - 1));
                codes.clear();
                reader.fetch(contig, from.into(), (until - from) as usize, &mut codes)?;
                words.add(&codes)?;
                from = to;
            }
        }
        Ok(())
    };
    match sequences {
        Sequences::Fasta(path) => {
            let fasta = Fasta::open(path, false)?;
            let contigs: Vec<(u32, u32, u32)> = (fasta.contigs().iter().enumerate())
                .map(|(id, contig)| (id as u32, 0, contig.length))
                .collect();
            whole(&fasta, &contigs)?;
        }
        Sequences::Regions {
            bed,
            fasta,
            aliases,
        } => {
            let fasta = Fasta::open(fasta, false)?;
            let contigs = fasta.contigs().clone();
            let spool = std::env::temp_dir();
            let regions = read_bed(bed, &contigs, aliases, InvalidPolicy::Fail, &spool)?;
            let pieces: Vec<(u32, u32, u32)> = (regions.scorable.iter())
                .map(|r| (r.contig, r.bases.start(), r.bases.end()))
                .collect();
            whole(&fasta, &pieces)?;
        }
        Sequences::Data(path) => {
            let source = Source {
                data: path.clone(),
                fasta: None,
                aliases: Aliases::None,
                columns: Columns::default(),
            };
            let data = Labelled::read(&source, 1).map_err(MotifError::from)?;
            for row in 0..data.rows() {
                words.add(data.sequence(row))?;
            }
        }
    }
    Ok(words)
}

/// The base that more than half of the sites have, else the IUPAC letter of those that a quarter or
/// more have each.
fn consensus(sites: &Sites) -> String {
    const IUPAC: &[u8; 16] = b"NACMGRSVTWYHKDBN";
    if sites.count == 0 {
        return "NA".into();
    }
    (sites.counts.iter())
        .map(|column| {
            let top = (0..4).max_by_key(|&b| (column[b], 3 - b)).unwrap_or(0);
            let bits = match column[top] * 2 > sites.count {
                true => 1 << top,
                false => (0..4)
                    .filter(|&b| column[b] * 4 >= sites.count)
                    .fold(0usize, |bits, b| bits | 1 << b),
            };
            char::from(IUPAC[bits])
        })
        .collect()
}
