mod filters;
mod splits;

use std::fs;
use std::path::{Path, PathBuf};

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type};

use super::*;
use crate::Error;
use crate::genome::Aliases;
use crate::job::Cancel;
use crate::stats::{pearson, spearman};

fn run(config: &Config) -> Result<Summary, Error> {
    super::run(config, &Cancel::default())
}

const GEOMETRY: Geometry = Geometry {
    tile: 12,
    step: 4,
    tiles: 3,
};

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }
}

/// A made-up experiment: a genome of two contigs, regions of 3 tiles whose names carry contig and
/// centre, RNA tables of two cell types with two replicates, and a DNA table each replicate.
struct Made {
    dir: tempfile::TempDir,
    regions: Vec<(String, u32)>,
}

impl Made {
    fn new(seed: u64, regions: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut random = Random(seed);
        let genome: Vec<String> = (0..2)
            .map(|_| {
                (0..600)
                    .map(|_| "ACGT".as_bytes()[random.below(4) as usize] as char)
                    .collect()
            })
            .collect();
        let fasta = format!(">chr8\n{}\n>chr18 x\n{}\n", genome[0], genome[1]);
        fs::write(dir.path().join("g.fa"), fasta).unwrap();
        let regions: Vec<(String, u32)> = (0..regions)
            .map(|_| {
                let chrom = ["chr8", "chr18"][random.below(2) as usize];
                (chrom.to_owned(), 20 + random.below(550) as u32)
            })
            .collect();
        let mut tables: Vec<(String, String)> = Vec::new();
        for kind in ["a1", "a2", "b1", "b2", "dna1", "dna2"] {
            tables.push((kind.into(), "ID\tSequence\tTags\tCounts\n".into()));
        }
        for (i, (chrom, centre)) in regions.iter().enumerate() {
            let contig = usize::from(chrom == "chr18");
            for tile in 0..3usize {
                let start = (*centre - 10) as usize + 4 * tile;
                let sequence = &genome[contig][start..start + 12];
                let dna = 20 + random.below(100);
                let activity = 1 + random.below(30);
                for (kind, text) in &mut tables {
                    let base = if kind.starts_with("dna") {
                        dna
                    } else {
                        dna * activity
                    };
                    let counts: Vec<String> = (0..3)
                        .map(|_| (base + random.below(9)).to_string())
                        .collect();
                    text.push_str(&format!(
                        "H_{i}_0_{tile}_{chrom}_{centre}\t{sequence}\tA,C,G\t{}\n",
                        counts.join(",")
                    ));
                }
            }
        }
        for (kind, text) in &tables {
            fs::write(dir.path().join(kind), text).unwrap();
        }
        Self { dir, regions }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn config(&self, out: &str) -> Config {
        let experiment = |cell: &str, file: &str, replicate: &str| Experiment {
            cell_type: cell.into(),
            promoter: "minP".into(),
            replicate: replicate.into(),
            rna: self.path(&format!("{file}{replicate}")),
            dna: self.path(&format!("dna{replicate}")),
        };
        Config {
            experiments: vec![
                experiment("HepG2", "a", "1"),
                experiment("HepG2", "a", "2"),
                experiment("K562", "b", "1"),
                experiment("K562", "b", "2"),
            ],
            sheet: None,
            igvf: None,
            tasks: None,
            geometry: GEOMETRY,
            tile_index: 3,
            min_dna: 20,
            replicates: ReplicateRule::All,
            missing: MissingValues::Filter,
            coordinates: CoordinateSource::Auto,
            fasta: None,
            aliases: Aliases::None,
            frame: Frame::Tile,
            split: SplitRule::Region(SHARES),
            strands: Strand::Forward,
            out: self.path(out),
            force: false,
            threads: 1,
            command: vec!["test".into()],
        }
    }

    fn rewrite(&self, name: &str, change: impl Fn(&str) -> String) {
        let path = self.path(name);
        fs::write(&path, change(&fs::read_to_string(&path).unwrap())).unwrap();
    }
}

const SHARES: Shares = Shares {
    validation: 0.2,
    test: 0.2,
    seed: 1,
};

fn read(path: &Path) -> RecordBatch {
    let file = fs::File::open(path).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let mut reader = builder.with_batch_size(4096).build().unwrap();
    let batch = reader.next().unwrap().unwrap();
    assert!(reader.next().is_none());
    batch
}

fn texts(batch: &RecordBatch, name: &str) -> Vec<String> {
    let column = batch.column_by_name(name).unwrap().as_string::<i32>();
    column
        .iter()
        .map(|v| v.unwrap_or("NULL").to_owned())
        .collect()
}

fn floats(batch: &RecordBatch, name: &str) -> Vec<f64> {
    let column = batch
        .column_by_name(name)
        .unwrap()
        .as_primitive::<Float64Type>();
    column.iter().map(|v| v.unwrap_or(f64::NAN)).collect()
}

fn ints(batch: &RecordBatch, name: &str) -> Vec<i32> {
    let column = batch
        .column_by_name(name)
        .unwrap()
        .as_primitive::<Int32Type>();
    column.iter().map(|v| v.unwrap_or(-1)).collect()
}

fn item(out: &Path, item: &str, task: &str, key: &str) -> f64 {
    let text = fs::read_to_string(out.join("report.tsv")).unwrap();
    let start = format!("{item}\t{task}\t{key}\t");
    let line = text.lines().find_map(|l| l.strip_prefix(&start));
    line.unwrap_or_else(|| panic!("no {start:?} in\n{text}"))
        .parse()
        .unwrap()
}

#[test]
fn experiments_on_the_command_line_and_in_sheets() {
    let expected = Experiment {
        cell_type: "HepG2".into(),
        promoter: "SV40P".into(),
        replicate: "1".into(),
        rna: "r.gz".into(),
        dna: "d.gz".into(),
    };
    assert_eq!(
        parse_experiment("HepG2:SV40P:1=r.gz,d.gz").unwrap(),
        expected
    );
    assert_eq!(expected.task(), "HepG2_SV40P");
    for bad in [
        "HepG2:SV40P:1",
        "HepG2:SV40P=r,d",
        "HepG2:SV40P:1=r",
        "HepG2:SV40P:1=r,d,e",
        ":SV40P:1=r,d",
        "Hep G2:SV40P:1=r,d",
        "HepG2:SV40P:1=,d",
    ] {
        let error = parse_experiment(bad).unwrap_err();
        assert!(
            error.hint().is_some() && error.to_string().starts_with(bad),
            "{error}"
        );
    }
    let dir = tempfile::tempdir().unwrap();
    let sheet = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        read_sheet(&path)
    };
    let placed = Experiment {
        rna: dir.path().join("r.gz"),
        dna: dir.path().join("d.gz"),
        ..expected
    };
    let tsv = "rna\tdna\tcell_type\tpromoter\treplicate\nr.gz\td.gz\tHepG2\tSV40P\t1\n";
    assert_eq!(sheet("s.tsv", tsv).unwrap(), vec![placed.clone()]);
    for replicate in ["1", "\"1\""] {
        let toml = format!(
            "[[experiment]]\ncell_type = \"HepG2\"\npromoter = \"SV40P\"\nreplicate = {replicate}\nrna = \"r.gz\"\ndna = \"d.gz\"\n"
        );
        assert_eq!(sheet("s.toml", &toml).unwrap(), vec![placed.clone()]);
    }
    for (name, text, part) in [
        ("s.tsv", "", "holds no row"),
        ("s.tsv", "cell\tpromoter\n", "no column \"cell_type\""),
        ("s.tsv", &format!("{tsv}x\ty\n"), "line 3: 2 column(s)"),
        ("s.tsv", &tsv.replace("HepG2", "a/b"), "cell type \"a/b\""),
        ("s.toml", "[[experiment]]\nx = 1\n", "unknown field"),
        ("s.toml", "oops", "s.toml"),
    ] {
        let error = sheet(name, text).unwrap_err().to_string();
        assert!(error.contains(part), "{text:?}: {error}");
    }
}

#[test]
fn examples_hold_what_the_tables_say() {
    let made = Made::new(1, 40);
    let config = made.config("out");
    let summary = run(&config).unwrap();
    assert_eq!((summary.tiles, summary.kept, summary.rows), (120, 120, 120));
    let batch = read(&config.out.join("examples.parquet"));
    assert_eq!(batch.num_rows(), 120);

    // Activities against normalisation in isolation, standardised by hand.
    let table = |name: &str| {
        crate::counts::read_counts(&made.path(name), crate::counts::Sequences::Pass).unwrap()
    };
    let mut distances = vec![0.0; 120];
    for (cell, file) in [("HepG2", "a"), ("K562", "b")] {
        let replicates = ["1", "2"].map(|r| {
            let (rna, dna) = (table(&format!("{file}{r}")), table(&format!("dna{r}")));
            crate::counts::normalize(&rna, &dna, 20).unwrap().values
        });
        assert_eq!(floats(&batch, &format!("{cell}_minP.rep2")), replicates[1]);
        let mean: Vec<f64> = (0..120)
            .map(|i| (replicates[0][i] + replicates[1][i]) / 2.0)
            .collect();
        assert_eq!(floats(&batch, &format!("{cell}_minP.activity")), mean);
        let m = mean.iter().sum::<f64>() / 120.0;
        let v = mean.iter().map(|a| (a - m).powi(2)).sum::<f64>() / 120.0;
        for (i, z) in floats(&batch, &format!("{cell}_minP")).iter().enumerate() {
            assert!((z - (mean[i] - m) / v.sqrt()).abs() < 1e-12);
            distances[i] += (replicates[0][i] - replicates[1][i]).abs() / 2f64.sqrt() / 2.0;
        }
        assert!((item(&config.out, "mean", &format!("{cell}_minP"), "") - m).abs() < 1e-12);
        let r = item(
            &config.out,
            "replicate_correlation",
            &format!("{cell}_minP"),
            "1,2",
        );
        assert!((r - pearson(&replicates[0], &replicates[1])).abs() < 1e-12);
    }
    let least = distances.iter().copied().fold(f64::INFINITY, f64::min);
    let most = distances.iter().copied().fold(0.0, f64::max);
    for (weight, d) in floats(&batch, "weight").iter().zip(&distances) {
        assert!((weight - (most - d) / (most - least)).abs() < 1e-12);
    }
    let bins: f64 = fs::read_to_string(config.out.join("report.tsv"))
        .unwrap()
        .lines()
        .filter(|l| l.starts_with("replicate_distance"))
        .map(|l| l.rsplit('\t').next().unwrap().parse::<f64>().unwrap())
        .sum();
    assert_eq!(bins, 120.0);

    // Coordinates come from the names, sequences from the table.
    let genome = fs::read_to_string(made.path("g.fa")).unwrap();
    let contigs: Vec<&str> = genome.lines().collect();
    let (starts, ends) = (ints(&batch, "start"), ints(&batch, "end"));
    for row in 0..120 {
        let (chrom, centre) = &made.regions[row / 3];
        assert_eq!(texts(&batch, "chrom")[row], *chrom);
        assert_eq!(starts[row], *centre as i32 - 10 + 4 * (row as i32 % 3));
        let contig = contigs[if chrom == "chr8" { 1 } else { 3 }];
        let bases = &contig[starts[row] as usize..ends[row] as usize];
        assert_eq!(texts(&batch, "sequence")[row], bases);
    }
    for name in [
        "position.svg",
        "distance.svg",
        "activity.svg",
        "replicates.svg",
    ] {
        let svg = fs::read_to_string(config.out.join(name)).unwrap();
        assert!(
            svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"),
            "{name}"
        );
    }
    assert_eq!(
        fs::read_to_string(config.out.join("filtered.tsv")).unwrap(),
        "tile\treason\ttasks_without_value\n"
    );

    // Provenance inside the file.
    let file = fs::File::open(config.out.join("examples.parquet")).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let tasks = &builder.schema().metadata()["mpra_score.tasks"];
    let tasks: serde_json::Value = serde_json::from_str(tasks).unwrap();
    assert_eq!(tasks[1]["name"], "K562_minP");
    assert!(tasks[1]["scale"].as_f64().unwrap() > 0.0);
    assert!(
        builder
            .schema()
            .metadata()
            .contains_key("mpra_score.provenance")
    );
}

#[test]
fn threads_and_the_source_of_sequences_change_nothing() {
    let made = Made::new(2, 30);
    let first = made.config("one");
    run(&first).unwrap();
    let mut second = made.config("two");
    second.threads = 3;
    second.fasta = Some(made.path("g.fa"));
    run(&second).unwrap();
    let batches = [&first, &second].map(|c| read(&c.out.join("examples.parquet")));
    assert_eq!(batches[0].columns(), batches[1].columns());
    assert_eq!(item(&second.out, "tiles_unlike_fasta", "", ""), 0.0);
    let mut third = made.config("three");
    third.threads = 3;
    run(&third).unwrap();
    for name in ["examples.parquet", "report.tsv", "replicates.svg"] {
        let [a, b] = [&first, &third].map(|c| fs::read(c.out.join(name)).unwrap());
        assert!(a == b, "{name}");
    }
}

#[test]
fn frames_and_reverse_complements() {
    let made = Made::new(3, 10);
    let mut config = made.config("out");
    config.frame = Frame::Region;
    config.strands = Strand::Both;
    assert_eq!(run(&config).unwrap().rows, 60);
    let batch = read(&config.out.join("examples.parquet"));
    let (inputs, offsets) = (texts(&batch, "sequence"), ints(&batch, "offset"));
    let (strands, sides) = (texts(&batch, "strand"), texts(&batch, "split"));
    for row in (0..60).step_by(2) {
        let position = ints(&batch, "position")[row];
        assert_eq!(
            (strands[row].as_str(), strands[row + 1].as_str()),
            ("+", "-")
        );
        assert_eq!(
            (offsets[row], offsets[row + 1]),
            (4 * position, 8 - 4 * position)
        );
        let at = offsets[row] as usize;
        assert_eq!(inputs[row].len(), 20);
        assert!(!inputs[row][at..at + 12].contains('N'));
        assert_eq!(inputs[row].matches('N').count(), 8);
        let turned: String = inputs[row]
            .chars()
            .rev()
            .map(|c| match c {
                'A' => 'T',
                'C' => 'G',
                'G' => 'C',
                'T' => 'A',
                other => other,
            })
            .collect();
        assert_eq!(turned, inputs[row + 1]);
        assert_eq!(sides[row], sides[row + 1]);
        assert_eq!(
            floats(&batch, "HepG2_minP")[row],
            floats(&batch, "HepG2_minP")[row + 1]
        );
    }
}

#[test]
fn designs_of_one_experiment_are_joined() {
    // The first six regions in one pair of tables, the others in another.
    let made = Made::new(7, 10);
    for name in ["a1", "dna1"] {
        let text = fs::read_to_string(made.path(name)).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        fs::write(made.path(&format!("{name}.first")), lines[..19].join("\n")).unwrap();
        let second = [&lines[..1], &lines[19..]].concat().join("\n");
        fs::write(made.path(&format!("{name}.second")), second).unwrap();
    }
    let mut config = made.config("out");
    let experiment = config.experiments[0].clone();
    config.experiments = ["first", "second"]
        .map(|part| Experiment {
            rna: made.path(&format!("a1.{part}")),
            dna: made.path(&format!("dna1.{part}")),
            ..experiment.clone()
        })
        .to_vec();
    let summary = run(&config).unwrap();
    assert_eq!((summary.kept, summary.tasks.len()), (30, 1));
    // One replicate: nothing to correlate or to draw.
    assert!(summary.tasks[0].1.is_nan());
    assert!(!config.out.join("replicates.svg").exists());
    let weights = floats(&read(&config.out.join("examples.parquet")), "weight");
    assert!(weights.iter().all(|w| *w == 1.0));
}

#[test]
fn correlations() {
    let x = [1.0, 2.0, 3.0, 4.0, 5.0];
    assert!((pearson(&x, &[2.0, 4.0, 6.0, 8.0, 10.0]) - 1.0).abs() < 1e-15);
    // Sums of squares and products by hand: 10, 10, 8.
    assert!((pearson(&x, &[2.0, 1.0, 4.0, 3.0, 5.0]) - 0.8).abs() < 1e-15);
    assert!((spearman(&x, &[20.0, 1.0, 400.0, 30.0, 5000.0]) - 0.8).abs() < 1e-15);
    // Ties at their mean rank: ranks 1.5, 1.5, 3, 4 against 1, 2, 3, 4.
    let tied = spearman(&[7.0, 7.0, 8.0, 9.0], &[1.0, 2.0, 3.0, 4.0]);
    assert!((tied - 4.5 / (4.5f64 * 5.0).sqrt()).abs() < 1e-15);
    assert!(pearson(&[1.0], &[2.0]).is_nan() && pearson(&[1.0, 1.0], &[2.0, 3.0]).is_nan());
}
