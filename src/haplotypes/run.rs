use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;

use super::region::tell;
use super::rows::{Texts, headers, unscored, write_region};
use super::score::score;
use super::stream::{Counts, Job, Needs, Stream, choose, open};
use super::{HaplotypeError, HaplotypesConfig};
use crate::Error;
use crate::genome::{Contigs, Fasta, FastaReader, GenomeError, Regions, read_bed, region_name};
use crate::ism::{Engine, Engines, SequenceWindows};
use crate::job::{self, Cancel, InputFile, JobError, Progress, RunInfo};
use crate::model::Ensemble;
use crate::output::{Existing, OutputDir, OutputError, cell, write};
use crate::score::ScoreError;
use crate::variants::VariantError;

/// What a finished run has done.
#[derive(Clone, Debug, Default)]
pub struct HaplotypesSummary {
    /// Records read, and of these those that reach a region.
    pub records: (u64, u64),
    /// Records whose REF was compared with the genome, and those that differ.
    pub compared: (u64, u64),
    /// Rows of the BED, by status.
    pub regions: BTreeMap<String, u64>,
    /// Samples.
    pub samples: usize,
    /// Samples without haplotypes in a region, over all regions.
    pub refused: u64,
    /// Chromosomes with a sequence, over all regions.
    pub haplotypes: u64,
    /// Distinct sequences, over all regions.
    pub distinct: u64,
    /// Windows scored.
    pub windows: u64,
    /// The files, in the output folder.
    pub files: Vec<PathBuf>,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// What becomes of a region.
struct Done {
    row: usize,
    texts: Texts,
    windows: u64,
}

struct Worker<'a> {
    engine: Box<dyn Engine>,
    windows: SequenceWindows,
    genome: FastaReader,
    contigs: &'a Contigs,
    names: &'a [String],
    samples: &'a [String],
    columns: &'a [usize],
    assume_phased: bool,
    sequences: bool,
    codes: Vec<u8>,
}

impl Worker<'_> {
    fn run(&mut self, job: &Job) -> Result<Done, Error> {
        let (from, length) = job.place.read();
        self.codes.clear();
        (self.genome).fetch(job.region.contig, from, length, &mut self.codes)?;
        let told = tell(job, &self.codes, self.samples.len(), self.assume_phased);
        let engine = self.engine.as_mut();
        let scores = score(engine, &mut self.windows, &told.distinct, self.columns)?;
        let row = job.region.row as usize;
        let contig = &self.contigs.get(job.region.contig).name;
        let named = (&self.names[row][..], &contig[..]);
        let people = (self.samples, &told);
        Ok(Done {
            row,
            texts: write_region(named, job, people, &scores, self.sequences),
            windows: scores.windows,
        })
    }
}

/// Scores the haplotypes of a phased VCF over regions: `haplotypes.tsv`, `regions.tsv`, `skipped.tsv`.
///
/// # Errors
/// When the model, the genome, the regions or the VCF cannot be read, the VCF is not sorted, all its records
/// are on other contigs or differ from the genome, the model fails, or results cannot be written.
pub fn run(
    config: &HaplotypesConfig,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<HaplotypesSummary, Error> {
    let begun = Instant::now();
    if config.out.as_os_str() == "-" {
        return Err(OutputError::Stdout.into());
    }
    let existing = Existing {
        force: config.force,
        resume: false,
    };
    OutputDir::check(&config.out, existing)?;
    let library = config.ort_lib.as_deref();
    let model = Ensemble::load(&config.model, &config.model_options, library)?;
    let spec = model.spec().clone();
    let window = spec.window as u32;
    let stride = config.stride.unwrap_or((window / 5).max(1));
    let windows = SequenceWindows::new(window, stride);
    let windows = windows.ok_or(ScoreError::Stride { stride, window })?;
    let windows = windows.allowing(spec.most_unknown);
    let columns = spec.columns(config.tasks.as_deref())?;
    let tasks: Vec<String> = columns.iter().map(|c| spec.tasks[*c].clone()).collect();
    let fasta = Fasta::open(&config.fasta, config.write_index)?;
    let contigs = fasta.contigs().clone();
    let spool = std::env::temp_dir();
    let regions = read_bed(&config.bed, &contigs, &config.aliases, config.rows, &spool)?;
    if regions.scorable.is_empty() {
        return Err(HaplotypeError::NoRegion {
            path: config.bed.name(),
            first: regions.all_missed().map(str::to_owned),
        }
        .into());
    }
    let labels: Vec<String> = (regions.labels()?)
        .collect::<Result<_, _>>()
        .map_err(|e| GenomeError::Read(e, spool))?;
    let names: Vec<String> = labels.iter().map(|label| region_name(label)).collect();
    let reader = open(&config.vcf)?;
    let (samples, chosen) = choose(&reader, config.samples.as_deref())?;
    let needs = Needs {
        chosen,
        samples: samples.len(),
        pass_only: config.pass_only,
        window,
        stride,
        contigs: &contigs,
        aliases: &config.aliases,
        genome: fasta.reader()?,
    };
    let mut stream = Stream::new(reader, needs, &regions.scorable);
    let engines = Engines::choose(config.engine, model.members())?;
    let mut workers = Vec::new();
    for _ in 0..config.engine.threads.get() {
        workers.push(Worker {
            engine: engines.engine(model.members(), cancel)?,
            windows: windows.clone(),
            genome: fasta.reader()?,
            contigs: &contigs,
            names: &names,
            samples: &samples,
            columns: &columns,
            assume_phased: config.assume_phased,
            sequences: config.sequences,
            codes: Vec::new(),
        });
    }
    let mut out = OutputDir::create(&config.out, existing)?;
    let [of_haplotypes, of_regions, of_skipped] = headers(&tasks);
    let mut haplotypes = Table::create(&mut out, "haplotypes.tsv", &of_haplotypes)?;
    let mut skipped = Table::create(&mut out, "skipped.tsv", &of_skipped)?;
    let mut sequences = match config.sequences {
        true => Some(Table::create(&mut out, "haplotypes.fa", "")?),
        false => None,
    };
    let mut summary = HaplotypesSummary {
        samples: samples.len(),
        ..HaplotypesSummary::default()
    };
    let mut rows: Vec<Option<String>> = vec![None; labels.len()];
    let size = config.vcf.metadata().ok().filter(|m| m.is_file());
    progress.start(size.map_or(0, |m| m.len()));
    let (watch, mut reported) = (stream.watch(), 0);
    job::in_order(
        &mut stream,
        |stream| stream.next(),
        workers
            .iter_mut()
            .map(|w| move |job: Job| w.run(&job))
            .collect(),
        |done: Done| -> Result<(), Error> {
            haplotypes.put(&done.texts.haplotypes)?;
            skipped.put(&done.texts.skipped)?;
            if let Some(sequences) = &mut sequences {
                sequences.put(&done.texts.sequences)?;
            }
            summary.haplotypes += done.texts.counts.0;
            summary.distinct += done.texts.counts.1;
            summary.refused += done.texts.refused;
            summary.windows += done.windows;
            rows[done.row] = Some(done.texts.region);
            watch.tell(progress, &mut reported);
            Ok(())
        },
        cancel,
    )?;
    progress.finish();
    haplotypes.finish()?;
    skipped.finish()?;
    sequences.map(Table::finish).transpose()?;
    judge(&stream, &contigs)?;
    let table = of_regions + &region_rows(&labels, rows, &regions, (tasks.len(), &mut summary));
    write(&out.file("regions.tsv"), table)?;
    let counts = stream.counts;
    summary.records = (counts.records, counts.used);
    summary.compared = (counts.compared, counts.mismatches);

    let mut run = RunInfo::new("haplotypes", &config.command);
    run.inputs.push(InputFile::whole("vcf", &config.vcf));
    run.input("bed", config.bed.name().as_ref());
    run.inputs.push(fasta.used());
    run.models = model.used("model");
    run.onnxruntime = Some(model.runtime().used());
    run.threads = Some(config.engine.threads.get());
    run.settings = job::map(json!({
        "tasks": tasks,
        "window": window,
        "stride": stride,
        "most_unknown": spec.most_unknown,
        "strand": config.engine.strand.as_str(),
        "engine": engines.name(),
        "resize": config.rows.resize,
        "pass_only": config.pass_only,
        "assume_phased": config.assume_phased,
        "samples": config.samples,
    }));
    run.counts = counted(&counts, &summary);
    run.seconds = Some(begun.elapsed().as_secs_f64());
    if cancel.is_requested() {
        return Err(JobError::Interrupted { kept: false }.into());
    }
    summary.files = out.commit(run)?;
    summary.seconds = begun.elapsed().as_secs_f64();
    Ok(summary)
}

fn counted(
    counts: &Counts,
    summary: &HaplotypesSummary,
) -> serde_json::Map<String, serde_json::Value> {
    job::map(json!({
        "records": counts.records,
        "records_off_contigs": counts.off_contigs,
        "records_filtered": counts.filtered,
        "records_used": counts.used,
        "ref_compared": counts.compared,
        "ref_mismatches": counts.mismatches,
        "rows_by_status": summary.regions,
        "samples": summary.samples,
        "samples_refused": summary.refused,
        "haplotypes": summary.haplotypes,
        "distinct": summary.distinct,
        "windows_scored": summary.windows,
    }))
}

/// Refuses a VCF of another genome.
fn judge(stream: &Stream<'_>, contigs: &Contigs) -> Result<(), VariantError> {
    let counts = &stream.counts;
    if let Some(first) = &counts.first_off
        && counts.off_contigs == counts.records
    {
        return Err(VariantError::NoContig {
            path: stream.name().into(),
            records: counts.records,
            contig: first.clone(),
            similar: contigs.similar(first).map(str::to_owned),
        });
    }
    if counts.compared > 0 && counts.mismatches == counts.compared {
        return Err(VariantError::AllMismatch {
            path: stream.name().into(),
            records: counts.compared,
            build: None,
        });
    }
    Ok(())
}

/// The rows of `regions.tsv`, in the order of the BED.
fn region_rows(
    labels: &[String],
    rows: Vec<Option<String>>,
    regions: &Regions,
    (tasks, summary): (usize, &mut HaplotypesSummary),
) -> String {
    let mut table = String::new();
    for ((label, row), status) in labels.iter().zip(rows).zip(&regions.status) {
        let row = row.unwrap_or_else(|| unscored(status.as_str(), tasks));
        let word = row.split('\t').next().unwrap_or_default();
        *summary.regions.entry(word.to_owned()).or_default() += 1;
        let cells: Vec<_> = label.split('\t').map(cell).collect();
        table += &cells.join("\t");
        table.push('\t');
        table += &row;
    }
    table
}

/// A table that grows while the job goes on.
struct Table {
    file: BufWriter<File>,
    path: PathBuf,
}

impl Table {
    fn create(out: &mut OutputDir, name: &str, header: &str) -> Result<Self, OutputError> {
        let path = out.file(name);
        let file = File::create(&path).map_err(|e| OutputError::Write(e, path.clone()))?;
        let mut table = Self {
            file: BufWriter::new(file),
            path,
        };
        table.put(header)?;
        Ok(table)
    }

    fn put(&mut self, text: &str) -> Result<(), OutputError> {
        let put = self.file.write_all(text.as_bytes());
        put.map_err(|e| failed(e, &self.path))
    }

    fn finish(mut self) -> Result<(), OutputError> {
        let flushed = self.file.flush();
        flushed.map_err(|e| failed(e, &self.path))
    }
}

fn failed(error: std::io::Error, path: &Path) -> OutputError {
    OutputError::Write(error, path.into())
}
