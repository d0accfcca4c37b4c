//! Shared by the integration tests: fixtures, a base configuration, readers of what was written.

pub mod jobs;
pub mod variants;

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mpra_score::Error;
use mpra_score::genome::{Aliases, BedSource, InvalidPolicy};
use mpra_score::ism::{EngineChoice, Strand};
use mpra_score::job::Silent;
use mpra_score::model::ModelOptions;
use mpra_score::output::Existing;
use mpra_score::score::{Anchor, Formats, Outputs, RegionSource, ScoreConfig, Summary};
use mpra_score::tracks::{Item, Precision};

/// Sends a signal, such as `-TERM`.
pub fn send(child: &std::process::Child, signal: &str) {
    let sent = std::process::Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// A file of `fixtures/`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

/// A folder of `tests/corpus` and the rows of its index, whose first cell is a file; every file has one.
pub fn corpus<const CELLS: usize>(name: &str) -> (PathBuf, Vec<[String; CELLS]>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(name);
    let text = fs::read_to_string(folder.join("index.tsv")).unwrap();
    let cells = |line: &str| -> [String; CELLS] {
        let cells: Vec<String> = line.split('\t').map(str::to_owned).collect();
        cells.try_into().unwrap_or_else(|c| panic!("{c:?}"))
    };
    let rows: Vec<_> = text.lines().skip(1).map(cells).collect();
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name == "index.tsv" || rows.iter().any(|r| r[0] == name),
            "{name} has no row in the index"
        );
    }
    (folder, rows)
}

/// The default job on the fixtures with one of their models, both track formats, into `out`.
pub fn config(model: &str, out: &Path) -> ScoreConfig {
    ScoreConfig {
        regions: RegionSource::Bed(BedSource::File(fixture("regions.bed"))),
        rows: InvalidPolicy::Fail.into(),
        liftover: None,
        aliases: Aliases::None,
        fasta: fixture("genome.fa"),
        write_index: false,
        model: fixture("models").join(model).into(),
        model_options: ModelOptions::default(),
        ort_lib: None,
        tasks: None,
        mean_over: Vec::new(),
        stride: None,
        anchor: Anchor::Genome,
        strand: Strand::Forward,
        engine: EngineChoice::Auto,
        batch: NonZeroUsize::new(16).unwrap(),
        threads: NonZeroUsize::new(2).unwrap(),
        outputs: Outputs {
            attribution: None,
            modisco: false,
            wide: true,
            importance: true,
            windows: false,
            saturation: false,
            formats: Formats {
                bigwig: true,
                bedgraph: true,
            },
            precision: Precision::FULL,
        },
        out: out.into(),
        existing: Existing::default(),
        checkpoint_every: Duration::from_secs(10),
        shard: None,
        command: vec!["test".into()],
    }
}

/// Runs a job.
pub fn run(config: &ScoreConfig) -> Result<Summary, Error> {
    mpra_score::score::run(config, &Silent, &mpra_score::Cancel::default())
}

/// Writes a BED for a test and returns the region source.
pub fn bed(folder: &Path, lines: &[String]) -> RegionSource {
    let path = folder.join(format!("regions_{}.bed", lines.len()));
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    RegionSource::Bed(BedSource::File(path))
}

/// Items by contig.
pub type Track = BTreeMap<String, Vec<Item>>;

/// Reads a bedGraph.
pub fn bedgraph(path: &Path) -> Track {
    let mut track = Track::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [contig, start, end, value] = fields[..] else {
            panic!("not bedGraph: {line}");
        };
        track.entry(contig.into()).or_default().push(Item {
            start: start.parse().unwrap(),
            end: end.parse().unwrap(),
            value: value.parse().unwrap(),
        });
    }
    track
}

/// Reads a bigWig with bigtools.
pub fn bigwig(path: &Path) -> Track {
    let mut reader = bigtools::BigWigRead::open_file(path).unwrap();
    let mut track = Track::new();
    for contig in reader.chroms().to_vec() {
        let items: Vec<Item> = reader
            .get_interval(&contig.name, 0, contig.length)
            .unwrap()
            .map(|v| v.unwrap())
            .map(|v| Item {
                start: v.start,
                end: v.end,
                value: v.value,
            })
            .collect();
        if !items.is_empty() {
            track.insert(contig.name, items);
        }
    }
    track
}

/// A track as one value a base.
pub fn per_base(track: &Track) -> BTreeMap<(String, u32), f32> {
    let mut bases = BTreeMap::new();
    for (contig, items) in track {
        for item in items {
            for base in item.start..item.end {
                assert!(
                    bases.insert((contig.clone(), base), item.value).is_none(),
                    "overlap"
                );
            }
        }
    }
    bases
}

/// The fixtures' contigs as letters, read without the library.
pub fn genome() -> BTreeMap<String, Vec<u8>> {
    let mut contigs: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut name = String::new();
    for line in std::fs::read_to_string(fixture("genome.fa"))
        .unwrap()
        .lines()
    {
        match line.strip_prefix('>') {
            Some(rest) => name = rest.split(' ').next().unwrap().to_owned(),
            None => contigs
                .entry(name.clone())
                .or_default()
                .extend(line.as_bytes()),
        }
    }
    contigs
}

/// The letter at a position that may lie outside the contig, upper case, N for all but A, C, G, T.
pub fn letter(contig: &[u8], position: i64) -> u8 {
    let letter = usize::try_from(position)
        .ok()
        .and_then(|p| contig.get(p))
        .map_or(b'N', u8::to_ascii_uppercase);
    if b"ACGT".contains(&letter) {
        letter
    } else {
        b'N'
    }
}

/// The rows of `regions.tsv` by column name.
pub fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split('\t').collect();
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            assert_eq!(cells.len(), names.len());
            names
                .iter()
                .map(|n| n.to_string())
                .zip(cells.iter().map(|c| c.to_string()))
                .collect()
        })
        .collect()
}
