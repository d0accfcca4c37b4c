//! Where known motifs occur: exact p-values over regions or whole contigs.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::Instant;

use rayon::prelude::*;
use serde_json::json;

use super::seqlets::letters;
use super::{Hit, Motif, MotifError, Prepared, Scanner, Sequences, read_motifs};
use crate::Error;
use crate::encode::UNKNOWN;
use crate::genome::{ContigId, Fasta, InvalidPolicy, RegionStatus, read_bed};
use crate::job::{self, Cancel, InputFile, Progress, RunInfo};
use crate::output::{Existing, OutputDir, OutputError, Tsv, cell};

/// Shares of A, C, G, T in random words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Background {
    /// Those of the sequences, both strands together.
    Sequences,
    /// These; A and T, and C and G, are taken at their means, as both strands are scanned.
    Given([f64; 4]),
}

/// How hits are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// BED of six columns and four more, without a header.
    #[default]
    Bed,
    /// The same columns below their names.
    Tsv,
}

/// A run of `mpra-score motifs scan`.
#[derive(Clone, Debug)]
pub struct Config {
    /// What is scanned.
    pub sequences: Sequences,
    /// The motifs.
    pub motifs: PathBuf,
    /// The largest p-value of a hit.
    pub most_p: f64,
    /// Shares of the bases.
    pub background: Background,
    /// How hits are written.
    pub format: Format,
    /// Worker threads.
    pub threads: usize,
    /// The output folder; `-`: hits to standard output.
    pub out: PathBuf,
    /// Replace earlier results.
    pub force: bool,
    /// The command line, for the provenance.
    pub command: Vec<String>,
}

/// What a run found.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Regions or contigs.
    pub regions: u64,
    /// Bases scanned; those in several regions several times.
    pub bases: u64,
    /// Motifs.
    pub motifs: usize,
    /// Hits.
    pub hits: u64,
    /// The files, `run.json` last; none for standard output.
    pub files: Vec<PathBuf>,
}

/// A piece of sequence that is read at once.
struct Piece {
    contig: ContigId,
    /// First base, and one past the last at which a hit may begin.
    start: u32,
    end: u32,
    /// One past the last that is read.
    until: u32,
    /// The region's name, shared by its pieces.
    region: usize,
}

const COLUMNS: [&str; 10] = [
    "contig",
    "start",
    "end",
    "motif",
    "score",
    "strand",
    "p",
    "motif_name",
    "region",
    "sequence",
];

/// Bases read at a time.
const PIECE: u32 = 1 << 18;

/// Writes `hits.bed` (or `hits.tsv`), `motifs.tsv` and `run.json`, or prints the hits.
///
/// # Errors
/// When motifs, genome or regions cannot be read, no known base is left, or results cannot be written.
pub fn run(config: &Config, progress: &dyn Progress, cancel: &Cancel) -> Result<Summary, Error> {
    job::on_threads(config.threads, || scan(config, progress, cancel))
}

fn scan(config: &Config, progress: &dyn Progress, cancel: &Cancel) -> Result<Summary, Error> {
    let begun = Instant::now();
    check(config)?;
    let existing = Existing {
        force: config.force,
        resume: false,
    };
    let to_stdout = config.out.as_os_str() == "-";
    if !to_stdout {
        OutputDir::check(&config.out, existing)?;
    }
    let motifs = read_motifs(&config.motifs)?;
    let widest = motifs
        .iter()
        .map(|m| m.frequencies.len())
        .max()
        .unwrap_or(1);
    let (fasta, regions) = regions(&config.sequences)?;
    let pieces = pieces(&regions.places, widest as u32);
    let mut codes = Codes {
        reader: fasta.reader()?,
        codes: Vec::new(),
    };
    let background = match config.background {
        Background::Given(shares) => shares,
        Background::Sequences => {
            let mut counts = [0u64; 4];
            for piece in &pieces {
                cancel.check()?;
                let bases = codes.of(piece, piece.end)?.iter();
                for &code in bases.filter(|c| **c < UNKNOWN) {
                    counts[usize::from(code)] += 1;
                }
            }
            counts.map(|n| n as f64)
        }
    };
    let total: f64 = background.iter().sum();
    let strands = |a: usize, b: usize| (background[a] + background[b]) / (2.0 * total);
    let background = [0, 1, 2, 3].map(|base| strands(base, 3 - base));
    if background
        .iter()
        .any(|share| share.is_nan() || *share <= 0.0)
    {
        return Err(MotifError::Setting(
            "the sequences lack a base and its complement: give --background".into(),
        )
        .into());
    }
    let scanner = Scanner::new(&motifs, background, config.most_p);

    let mut out = match to_stdout {
        true => None,
        false => Some(OutputDir::create(&config.out, existing)?),
    };
    let name = match config.format {
        Format::Bed => "hits.bed",
        Format::Tsv => "hits.tsv",
    };
    let shown = config.out.join(name);
    let failed = |e: io::Error| OutputError::Write(e, shown.clone());
    let mut file: Box<dyn Write> = match &mut out {
        None => Box::new(BufWriter::new(crate::output::stdout()?.lock())),
        Some(out) => {
            let path = out.file(name);
            Box::new(BufWriter::new(File::create(&path).map_err(failed)?))
        }
    };
    if config.format == Format::Tsv {
        writeln!(file, "{}", COLUMNS.join("\t")).map_err(failed)?;
    }
    let mut tally = vec![(0u64, f64::NAN); motifs.len()];
    let mut summary = Summary {
        regions: regions.places.len() as u64,
        motifs: motifs.len(),
        ..Summary::default()
    };
    progress.start(pieces.iter().map(|p| u64::from(p.end - p.start)).sum());
    // As many pieces at a time as give all threads work, and no more bases than fit any memory.
    let mut from = 0;
    while from < pieces.len() {
        cancel.check()?;
        let (mut to, mut bases) = (from, 0);
        while to < pieces.len() && to < from + 256 && bases < 4 * PIECE {
            bases += pieces[to].end - pieces[to].start;
            to += 1;
        }
        let batch: Vec<(&Piece, Vec<u8>)> = (pieces[from..to].iter())
            .map(|piece| Ok((piece, codes.of(piece, piece.until)?.to_vec())))
            .collect::<Result<_, Error>>()?;
        let found = hits(&scanner, motifs.len(), &batch);
        for ((piece, codes), hits) in batch.iter().zip(found) {
            let contig = &fasta.contigs().get(piece.contig).name;
            for hit in &hits {
                let (count, best) = &mut tally[hit.motif];
                *count += 1;
                *best = best.max(hit.score);
                line(
                    &mut file,
                    contig,
                    piece,
                    hit,
                    &motifs[hit.motif],
                    &regions.names[piece.region],
                    codes,
                )
                .map_err(failed)?;
            }
            summary.hits += hits.len() as u64;
        }
        summary.bases += u64::from(bases);
        progress.advance(bases.into());
        from = to;
    }
    progress.finish();
    file.flush().map_err(failed)?;
    drop(file);
    let Some(mut out) = out else {
        return Ok(summary);
    };
    let mut table = Tsv::new(&[
        "motif",
        "motif_name",
        "columns",
        "least_score",
        "hits",
        "best_score",
    ]);
    for (i, (motif, (count, best))) in motifs.iter().zip(tally).enumerate() {
        table
            .text(&motif.name)
            .text(super::seqlets::shown_name(motif))
            .count(motif.frequencies.len() as u64)
            .number(scanner.least_score(i))
            .count(count)
            .number(best)
            .end();
    }
    table.write(&out.file("motifs.tsv"))?;
    let mut run = RunInfo::new("motifs scan", &config.command);
    match &config.sequences {
        Sequences::Regions { bed, fasta, .. } => {
            run.input("bed", bed.name().as_ref());
            run.inputs.push(InputFile::sized("fasta", fasta));
        }
        Sequences::Fasta(path) => run.inputs.push(InputFile::sized("fasta", path)),
        Sequences::Data(path) => run.input("data", path),
    }
    run.input("motifs", &config.motifs);
    run.threads = Some(config.threads);
    run.settings = job::map(json!({
        "p": config.most_p,
        "background": background,
        "background_from": match config.background {
            Background::Sequences => "sequences",
            Background::Given(_) => "given",
        },
    }));
    run.counts = job::map(json!({
        "regions": summary.regions,
        "regions_without_bases": regions.empty,
        "bases": summary.bases,
        "motifs": summary.motifs,
        "motifs_out_of_reach": (0..motifs.len()).filter(|i| scanner.least_score(*i).is_nan()).count(),
        "hits": summary.hits,
    }));
    run.seconds = Some(begun.elapsed().as_secs_f64());
    cancel.check()?;
    summary.files = out.commit(run)?;
    Ok(summary)
}

fn check(config: &Config) -> Result<(), MotifError> {
    let wrong = if matches!(config.sequences, Sequences::Data(_)) {
        "hits need places: give a FASTA"
    } else if !(config.most_p > 0.0 && config.most_p <= 1.0) {
        "--p lies above 0 and is 1 at most"
    } else if matches!(config.background, Background::Given(shares) if shares.iter().any(|s| !s.is_finite() || *s <= 0.0))
    {
        "--background takes four shares above 0, of A, C, G, T"
    } else {
        return Ok(());
    };
    Err(MotifError::Setting(wrong.into()))
}

/// What is to be scanned.
struct Regions {
    /// Contig and bases.
    places: Vec<(ContigId, u32, u32)>,
    names: Vec<String>,
    /// Rows of the BED of no bases.
    empty: u64,
}

fn regions(sequences: &Sequences) -> Result<(Fasta, Regions), Error> {
    let mut found = Regions {
        places: Vec::new(),
        names: Vec::new(),
        empty: 0,
    };
    let fasta = match sequences {
        Sequences::Fasta(path) | Sequences::Data(path) => {
            let fasta = Fasta::open(path, false)?;
            for (id, contig) in fasta.contigs().iter().enumerate() {
                found.places.push((id as ContigId, 0, contig.length));
                found.names.push(".".into());
            }
            fasta
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
            let mut labels = regions.labels()?.enumerate();
            for region in &regions.scorable {
                let label = labels.find(|(row, _)| *row == region.row as usize);
                let label = label.map_or(Ok(String::new()), |(_, label)| label);
                let label = label.map_err(|e| OutputError::Read(e, spool.clone()))?;
                let bases = region.bases;
                found
                    .places
                    .push((region.contig, bases.start(), bases.end()));
                found
                    .names
                    .push(label.split('\t').nth(3).unwrap_or(".").to_owned());
            }
            let empty = regions.status.iter().filter(|s| **s == RegionStatus::Empty);
            found.empty = empty.count() as u64;
            fasta
        }
    };
    Ok((fasta, found))
}

/// Long regions in pieces that share what a hit needs, so that each hit lies in one.
fn pieces(places: &[(ContigId, u32, u32)], widest: u32) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (region, &(contig, start, end)) in places.iter().enumerate() {
        let mut from = start;
        while from < end {
            let to = end.min(from.saturating_add(PIECE));
            pieces.push(Piece {
                contig,
                start: from,
                end: to,
                until: end.min(to.saturating_add(widest - 1)),
                region,
            });
            from = to;
        }
    }
    pieces
}

struct Codes {
    reader: crate::genome::FastaReader,
    codes: Vec<u8>,
}

impl Codes {
    fn of(&mut self, piece: &Piece, until: u32) -> Result<&[u8], Error> {
        self.codes.clear();
        let length = (until - piece.start) as usize;
        self.reader
            .fetch(piece.contig, piece.start.into(), length, &mut self.codes)?;
        Ok(&self.codes)
    }
}

/// The hits that begin in each piece, by place, motif and strand.
fn hits(scanner: &Scanner, motifs: usize, batch: &[(&Piece, Vec<u8>)]) -> Vec<Vec<Hit>> {
    let prepared: Vec<Prepared<'_>> = batch.par_iter().map(|(_, c)| Prepared::new(c)).collect();
    let by_motif: Vec<Vec<(usize, Hit)>> = (0..motifs)
        .into_par_iter()
        .map(|motif| scanner.hits_of(motif, &prepared))
        .collect();
    let mut found = vec![Vec::new(); batch.len()];
    for (piece, hit) in by_motif.into_iter().flatten() {
        let bases = batch[piece].0.end - batch[piece].0.start;
        if hit.start < bases as usize {
            found[piece].push(hit);
        }
    }
    found.par_iter_mut().for_each(|hits: &mut Vec<Hit>| {
        hits.sort_by_key(|hit| (hit.start, hit.motif, hit.reverse))
    });
    found
}

fn line(
    out: &mut impl Write,
    contig: &str,
    piece: &Piece,
    hit: &Hit,
    motif: &Motif,
    region: &str,
    codes: &[u8],
) -> io::Result<()> {
    let mut word = codes[hit.start..hit.end].to_vec();
    if hit.reverse {
        word.reverse();
        word.iter_mut().for_each(|c| *c = 3 - *c);
    }
    writeln!(
        out,
        "{contig}\t{}\t{}\t{}\t{}\t{}\t{:.4e}\t{}\t{}\t{}",
        piece.start + hit.start as u32,
        piece.start + hit.end as u32,
        cell(&motif.name),
        hit.score,
        if hit.reverse { '-' } else { '+' },
        hit.p,
        cell(super::seqlets::shown_name(motif)),
        cell(region),
        letters(&word)
    )
}
