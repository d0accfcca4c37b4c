//! For tests of variants: a base configuration, VCFs, and what was written.

use std::collections::BTreeMap;
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use mpra_score::genome::Aliases;
use mpra_score::ism::{EngineChoice, Strand};
use mpra_score::job::Silent;
use mpra_score::model::{Model, ModelFile, ModelOptions, Predict, Runtime};
use mpra_score::variants::{
    self, BackgroundConfig, BackgroundSource, Combine, LongRun, RankBy, Scoring, VariantSource,
    VariantsConfig, VariantsSummary, Windows,
};
use mpra_score::{Cancel, Error};

use super::{fixture, letter};

pub const W: i64 = 145;
pub const STRIDE: i64 = 29;

/// The default job on the fixtures' genome, without a background.
pub fn job(model: &str, input: &Path, out: &Path) -> VariantsConfig {
    VariantsConfig {
        scoring: scoring(model),
        source: VariantSource::Vcf(input.into()),
        liftover: None,
        out: out.into(),
        table: None,
        rank_by: RankBy::Largest,
        clump: None,
        combine: Combine::Cauchy,
        long: LongRun::default(),
        annotations: Vec::new(),
        plots: None,
        force: true,
    }
}

pub fn scoring(model: &str) -> Scoring {
    Scoring {
        fasta: fixture("genome.fa"),
        write_index: false,
        aliases: Aliases::None,
        model: mpra_score::model::ModelSource::File(fixture("models").join(model)).into(),
        model_options: ModelOptions::default(),
        ort_lib: None,
        tasks: None,
        windows: Windows::All,
        stride: None,
        strand: Strand::Forward,
        engine: EngineChoice::Auto,
        batch: NonZeroUsize::new(16).unwrap(),
        threads: NonZeroUsize::new(2).unwrap(),
        strict: false,
        precision: mpra_score::tracks::Precision::FULL,
        background: BackgroundConfig {
            source: BackgroundSource::None,
            ..BackgroundConfig::default()
        },
        command: vec!["test".into()],
    }
}

pub fn run(config: &VariantsConfig) -> Result<VariantsSummary, Error> {
    variants::run(config, &Silent, &Cancel::default())
}

/// Writes a VCF of records `contig pos id ref alt` (separated by blanks).
pub fn vcf(folder: &Path, records: &[String]) -> PathBuf {
    let path = folder.join("in.vcf");
    std::fs::write(&path, vcf_text(records)).unwrap();
    path
}

pub fn vcf_text(records: &[String]) -> String {
    let mut text = String::from(
        "##fileformat=VCFv4.2\n##contig=<ID=chr1,length=4000>\n##contig=<ID=chr2,length=1000>\n\
         ##contig=<ID=chr10,length=300>\n##contig=<ID=tiny,length=90>\n\
         ##contig=<ID=mini,length=40>\n\
         #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n",
    );
    for record in records {
        text += &record.replace(' ', "\t");
        text += "\t.\t.\t.\n";
    }
    text
}

/// A file's text, bgzip or not.
pub fn text(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let mut text = String::new();
    match bytes.starts_with(&[0x1f, 0x8b]) {
        true => flate2::read::MultiGzDecoder::new(&bytes[..])
            .read_to_string(&mut text)
            .map(drop)
            .unwrap(),
        false => text = String::from_utf8(bytes).unwrap(),
    }
    text
}

/// Records without header lines.
pub fn records(path: &Path) -> Vec<Vec<String>> {
    text(path)
        .lines()
        .filter(|l| !l.starts_with('#'))
        .map(|l| l.split('\t').map(str::to_owned).collect())
        .collect()
}

/// INFO of a record.
pub fn info(record: &[String]) -> BTreeMap<String, String> {
    record[7]
        .split(';')
        .filter(|e| *e != ".")
        .map(|e| e.split_once('=').unwrap_or((e, "")))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

/// An INFO field as numbers, NaN for `.`.
pub fn numbers(record: &[String], field: &str) -> Vec<f32> {
    info(record)[field]
        .split(',')
        .map(|v| v.parse().unwrap_or(f32::NAN))
        .collect()
}

/// Plain forward passes, on letters.
pub struct Plain {
    model: Model,
    both: bool,
}

impl Plain {
    pub fn new(model: &str, both: bool) -> Self {
        let file = ModelFile::read(&fixture("models").join(model)).unwrap();
        let runtime = Runtime::load(None).unwrap();
        Self {
            model: Model::open(file, &ModelOptions::default(), &runtime).unwrap(),
            both,
        }
    }

    pub fn tasks(&self) -> Vec<String> {
        self.model.spec().tasks.clone()
    }

    /// The activity of a window, by letters.
    pub fn activity(&mut self, window: &[u8]) -> Vec<f64> {
        let code = |l: &u8| b"ACGT".iter().position(|b| b == l).unwrap_or(4) as u8;
        let forward: Vec<u8> = window.iter().map(code).collect();
        let mut strands = vec![forward.clone()];
        if self.both {
            let reverse = forward.iter().rev();
            strands.push(reverse.map(|&c| if c < 4 { 3 - c } else { c }).collect());
        }
        let mut sums = vec![0.0; self.model.tasks()];
        for codes in &strands {
            let mut out = vec![0.0; sums.len()];
            self.model.predict(codes, &mut out).unwrap();
            for (sum, v) in sums.iter_mut().zip(out) {
                *sum += f64::from(v) / strands.len() as f64;
            }
        }
        sums
    }

    /// Reference activity and effect of a change at `at` (0-based), by windows cut from haplotypes
    /// that are written out in full. `None` where no window is scored.
    pub fn effect(
        &mut self,
        contig: &[u8],
        at: usize,
        deleted: usize,
        inserted: &str,
        centre: bool,
    ) -> Option<(Vec<f64>, Vec<f64>)> {
        let mut haplotype = contig[..at].to_vec();
        haplotype.extend(inserted.bytes());
        haplotype.extend(&contig[at + deleted..]);
        let cut = |sequence: &[u8], start: i64| -> Vec<u8> {
            (start..start + W).map(|p| letter(sequence, p)).collect()
        };
        let at = at as i64;
        let starts: Vec<i64> = match centre {
            true => vec![at - W / 2],
            false => (at - W + 1..=at)
                .filter(|s| s.rem_euclid(STRIDE) == 0)
                .collect(),
        };
        let tasks = self.model.tasks();
        let (mut reference, mut effect, mut n) = (vec![0.0; tasks], vec![0.0; tasks], 0.0);
        for start in starts {
            let windows = [cut(contig, start), cut(&haplotype, start)];
            let unknown = |w: &Vec<u8>| w.iter().filter(|&&l| l == b'N').count();
            if windows.iter().any(|w| unknown(w) > 0) {
                continue;
            }
            let [a, b] = windows.map(|w| self.activity(&w));
            n += 1.0;
            for task in 0..tasks {
                reference[task] += a[task];
                effect[task] += b[task] - a[task];
            }
        }
        let mean = |v: Vec<f64>| v.into_iter().map(|v| v / n).collect();
        (n > 0.0).then(|| (mean(reference), mean(effect)))
    }
}

pub fn close(a: f32, b: f64) {
    assert!(
        (f64::from(a) - b).abs() <= 1e-5 * b.abs().max(1.0),
        "{a} {b}"
    );
}
