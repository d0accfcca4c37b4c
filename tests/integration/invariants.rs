//! What must not change the numbers does not, and what is written reads back.

use std::num::NonZeroUsize;
use std::path::Path;

use crate::support::*;
use mpra_score::genome::{BedSource, InvalidPolicy};
use mpra_score::score::{Anchor, RegionSource, ScoreConfig};

fn tracks(config: &ScoreConfig) -> Vec<Vec<u8>> {
    run(config).unwrap();
    let mut names: Vec<_> = std::fs::read_dir(&config.out)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.file_name().unwrap() != "run.json")
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|p| std::fs::read(p).unwrap())
        .collect()
}

#[test]
fn threads_give_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    for anchor in [Anchor::Genome, Anchor::Region] {
        let files: Vec<_> = [1, 2, 5]
            .map(|threads| {
                let mut config = config(
                    "demo.onnx",
                    &dir.path().join(format!("{anchor:?}{threads}")),
                );
                config.anchor = anchor;
                config.threads = NonZeroUsize::new(threads).unwrap();
                config.outputs.windows = true;
                tracks(&config)
            })
            .into();
        assert!(files[0].len() > 10);
        assert!(files[0] == files[1] && files[0] == files[2]);
    }
}

#[test]
fn batch_sizes_agree() {
    let dir = tempfile::tempdir().unwrap();
    let read = |batch: usize| {
        let mut config = config("demo.onnx", &dir.path().join(batch.to_string()));
        config.engine = mpra_score::ism::EngineChoice::Full;
        config.batch = NonZeroUsize::new(batch).unwrap();
        run(&config).unwrap();
        per_base(&bedgraph(
            &config.out.join("HepG2_minP.importance.bedGraph"),
        ))
    };
    let reference = read(16);
    for batch in [1, 7, 500] {
        let other = read(batch);
        assert_eq!(other.len(), reference.len());
        for (key, value) in &reference {
            assert!(
                (other[key] - value).abs() <= 1e-5 * value.abs().max(1.0),
                "{key:?}"
            );
        }
    }
}

#[test]
fn order_and_splitting_of_regions_do_not_matter_under_the_genomes_anchor() {
    let dir = tempfile::tempdir().unwrap();
    let lines: Vec<String> = std::fs::read_to_string(fixture("regions.bed"))
        .unwrap()
        .lines()
        .filter(|l| !l.starts_with('#'))
        .map(str::to_owned)
        .collect();
    let reversed: Vec<String> = lines.iter().rev().cloned().collect();
    let mut halves = Vec::new();
    for line in &lines {
        let f: Vec<&str> = line.split('\t').collect();
        let (start, end): (u32, u32) = (f[1].parse().unwrap(), f[2].parse().unwrap());
        let middle = start + (end - start) / 3;
        halves.push(format!("{}\t{start}\t{middle}", f[0]));
        halves.push(format!("{}\t{middle}\t{end}", f[0]));
    }
    let read = |name: &str, lines: &[String]| {
        let mut config = config("demo.onnx", &dir.path().join(name));
        config.regions = bed(dir.path(), lines);
        run(&config).unwrap();
        ["activity", "importance"].map(|kind| {
            std::fs::read(config.out.join(format!("HepG2_minP.{kind}.bedGraph"))).unwrap()
        })
    };
    let reference = read("reference", &lines);
    assert!(reference == read("reversed", &reversed));
    assert!(reference == read("halves", &halves));
}

#[test]
fn long_regions_are_cut_without_a_trace() {
    // A whole contig as one region equals the whole contig in pieces, also across the pipeline's
    // own cuts, and each window is written once.
    let dir = tempfile::tempdir().unwrap();
    let mut long = String::from(">long\n");
    let bases: Vec<char> = (0..30_000u64)
        .map(|i| ['A', 'C', 'G', 'T'][((i * i / 7 + i * 13 / 5) % 4) as usize])
        .collect();
    bases.chunks(80).for_each(|c| {
        long.extend(c);
        long.push('\n');
    });
    let fasta = dir.path().join("long.fa");
    std::fs::write(&fasta, long).unwrap();
    let read = |name: &str, regions: RegionSource, stride: u32| {
        let mut config = config("count.onnx", &dir.path().join(format!("{name}{stride}")));
        config.fasta = fasta.clone();
        config.regions = regions;
        config.stride = Some(stride);
        config.outputs.windows = true;
        let summary = run(&config).unwrap();
        let text = std::fs::read(config.out.join("A.activity.bedGraph")).unwrap();
        (
            summary,
            text,
            std::fs::read(config.out.join("windows.tsv.gz")).unwrap(),
        )
    };
    for stride in [29, 144, 16] {
        let (whole, activity, windows) = read("whole", RegionSource::WholeGenome, stride);
        let lines: Vec<String> = (0..30_000)
            .step_by(500)
            .map(|s| format!("long\t{s}\t{}", s + 500))
            .collect();
        let (pieces, in_pieces, piece_windows) = read("pieces", bed(dir.path(), &lines), stride);
        assert!(activity == in_pieces && windows == piece_windows);
        // Every start of the lattice whose window lies in the contig.
        let starts = (0..=30_000i64 - 145).filter(|s| s.rem_euclid(i64::from(stride)) == 0);
        let expected = starts.count();
        assert_eq!(
            (whole.windows, pieces.windows),
            (expected as u64, expected as u64)
        );
    }
}

#[test]
fn every_scored_window_is_written_once() {
    // Regions of a contig of many units, overlapping, equal ones among them; stride 2 puts unit
    // ends inside windows.
    let dir = tempfile::tempdir().unwrap();
    let fasta = dir.path().join("g.fa");
    let bases: String = (0..6_000usize)
        .map(|i| ['A', 'C', 'G', 'T'][(i * i / 5 + i / 3) % 4])
        .collect();
    std::fs::write(&fasta, format!(">c\n{bases}\n")).unwrap();
    let lines: Vec<String> = [
        (0, 21),
        (1000, 1030),
        (1000, 1030),
        (1020, 1040),
        (3, 5_990),
        (2040, 2060),
    ]
    .iter()
    .map(|(s, e)| format!("c\t{s}\t{e}"))
    .collect();
    for (anchor, importance, stride) in [
        (Anchor::Genome, true, 29),
        (Anchor::Genome, false, 29),
        (Anchor::Genome, false, 2),
        (Anchor::Region, true, 29),
        (Anchor::Region, false, 29),
        (Anchor::Region, false, 2),
    ] {
        let mut config = config(
            "count.onnx",
            &dir.path().join(format!("{anchor:?}{importance}{stride}")),
        );
        config.fasta = fasta.clone();
        config.regions = bed(dir.path(), &lines);
        config.anchor = anchor;
        config.stride = Some(stride);
        config.outputs.importance = importance;
        config.outputs.windows = true;
        let summary = run(&config).unwrap();
        let mut text = String::new();
        let file = std::fs::File::open(config.out.join("windows.tsv.gz")).unwrap();
        std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(file), &mut text)
            .unwrap();
        let mut keys: Vec<Vec<&str>> = text
            .lines()
            .skip(1)
            .map(|l| l.split('\t').take(4).collect())
            .collect();
        assert_eq!(keys.len() as u64, summary.windows);
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len() as u64, summary.windows, "a window stands twice");
        let rows = table(&config.out.join("regions.tsv"));
        let of_row = |row: &str| keys.iter().filter(|k| k[3] == row).count();
        match anchor {
            // Row 3 has the bases of row 2.
            Anchor::Region => {
                for row in [0, 1, 3, 4, 5] {
                    assert_eq!(
                        rows[row]["windows"],
                        of_row(&(row + 1).to_string()).to_string()
                    );
                }
                assert_eq!((of_row("3"), &rows[2]["windows"]), (0, &rows[1]["windows"]));
            }
            Anchor::Genome => {
                // The long region's windows are all there are, but for those of the first.
                let long: usize = rows[4]["windows"].parse().unwrap();
                assert!(keys.len() >= long && keys.len() <= long + 2);
            }
        }
    }
}

#[test]
fn bigwig_and_bedgraph_hold_the_same_items() {
    let dir = tempfile::tempdir().unwrap();
    for anchor in [Anchor::Genome, Anchor::Region] {
        let mut config = config("demo.onnx", &dir.path().join(format!("{anchor:?}")));
        config.anchor = anchor;
        run(&config).unwrap();
        let genome = genome();
        for kind in ["activity", "importance"] {
            let path = config.out.join(format!("HepG2_SV40P.{kind}.bw"));
            let text = config.out.join(format!("HepG2_SV40P.{kind}.bedGraph"));
            let (binary, items) = (bigwig(&path), bedgraph(&text));
            assert_eq!(binary, items);
            // Sorted as `LC_ALL=C sort -k1,1 -k2,2n` has it, nothing overlapping.
            let order: Vec<(String, u32)> = std::fs::read_to_string(&text)
                .unwrap()
                .lines()
                .map(|l| l.split('\t').collect::<Vec<_>>())
                .map(|f| (f[0].to_owned(), f[1].parse().unwrap()))
                .collect();
            assert!(order.is_sorted());
            for ((contig, base), _) in per_base(&items) {
                let in_region = std::fs::read_to_string(fixture("regions.bed"))
                    .unwrap()
                    .lines()
                    .map(|l| l.split('\t').collect::<Vec<_>>())
                    .filter(|f| f[0] == contig)
                    .any(|f| f[1].parse::<u32>().unwrap() <= base && base < f[2].parse().unwrap());
                assert!(in_region, "{contig}:{base}");
                if kind == "importance" {
                    assert_ne!(letter(&genome[&contig], i64::from(base)), b'N');
                }
            }
            // Zoom levels are there.
            let reader = bigtools::BigWigRead::open_file(&path).unwrap();
            assert!(!reader.info().zoom_headers.is_empty());
        }
    }
}

#[test]
fn a_bgzipped_genome_gives_the_same_bytes() {
    use std::io::Write;
    let dir = tempfile::tempdir().unwrap();
    let packed = dir.path().join("genome.fa.gz");
    let mut writer = noodles::bgzf::io::Writer::new(std::fs::File::create(&packed).unwrap());
    writer
        .write_all(&std::fs::read(fixture("genome.fa")).unwrap())
        .unwrap();
    writer.finish().unwrap();
    let plain = config("demo.onnx", &dir.path().join("plain"));
    let mut bgzf = config("demo.onnx", &dir.path().join("bgzf"));
    bgzf.fasta = packed;
    assert!(tracks(&plain) == tracks(&bgzf));
}

#[test]
fn the_saturation_table_agrees_with_the_tracks() {
    let dir = tempfile::tempdir().unwrap();
    let lines: Vec<String> = [
        "chr2\t400\t500\tlast_in_genome",
        "chr1\t600\t700\tfirst",
        "chr9\t1\t101\tnowhere",
        "chr1\t1750\t1850\tpartly_unknown",
    ]
    .map(str::to_owned)
    .into();
    let mut config = config("demo.onnx", &dir.path().join("out"));
    config.regions = bed(dir.path(), &lines);
    config.rows = InvalidPolicy::Skip.into();
    // One window over each base: then importance is the largest effect, with its sign turned.
    config.stride = Some(145);
    config.model_options.max_unknown = Some(0.5);
    config.outputs.saturation = true;
    config.tasks = Some(vec!["K562_SV40P".into(), "HepG2_minP".into()]);
    run(&config).unwrap();
    let mut archive =
        zip::ZipArchive::new(std::fs::File::open(config.out.join("saturation.npz")).unwrap())
            .unwrap();
    let effects = npyz::NpyFile::new(archive.by_name("effects.npy").unwrap()).unwrap();
    assert_eq!(effects.shape(), [4, 100, 4, 2]);
    let effects: Vec<f32> = effects.into_vec().unwrap();
    let one_hot = npyz::NpyFile::new(archive.by_name("one_hot.npy").unwrap()).unwrap();
    assert_eq!(one_hot.shape(), [4, 100, 4]);
    let one_hot: Vec<u8> = one_hot.into_vec().unwrap();
    let track = per_base(&bigwig(&config.out.join("HepG2_minP.importance.bw")));
    assert!(!config.out.join("K562_minP.importance.bw").exists());
    let genome = genome();
    for (row, line) in lines.iter().enumerate() {
        let f: Vec<&str> = line.split('\t').collect();
        let start: u32 = f[1].parse().unwrap();
        for position in 0..100usize {
            let at = |base: usize| effects[((row * 100 + position) * 4 + base) * 2 + 1];
            let hot = &one_hot[(row * 100 + position) * 4..][..4];
            let Some(contig) = genome.get(f[0]) else {
                assert!((0..4).all(|b| at(b).is_nan()) && hot == [0; 4]);
                continue;
            };
            let own = letter(contig, i64::from(start) + position as i64);
            match b"ACGT".iter().position(|b| *b == own) {
                None => assert!((0..4).all(|b| at(b).is_nan()) && hot == [0; 4]),
                Some(own) => {
                    assert!((0..4).all(|b| hot[b] == u8::from(b == own)));
                    let Some(value) = track.get(&(f[0].to_owned(), start + position as u32)) else {
                        // In no scored window: the window over it is mostly unknown.
                        assert!((0..4).all(|b| at(b).is_nan()) && start == 1750);
                        continue;
                    };
                    assert_eq!(at(own), 0.0);
                    let loss = (0..4).map(|b| -at(b)).fold(0f32, f32::max);
                    let gain = (0..4).map(at).fold(0f32, f32::max);
                    // Of equally large ones the loss.
                    let largest = if gain - loss > 1e-5 * loss.max(1.0) {
                        -gain
                    } else {
                        loss
                    };
                    assert_eq!(*value, largest + 0.0);
                }
            }
        }
    }
    // Of different lengths the array is as long as the longest, with nothing behind a region's end.
    let lines = [
        lines[1].clone(),
        "chr1\t620\t650\tshort".to_owned(),
        "chr9\t1\t201\tnowhere".to_owned(),
    ];
    config.regions = bed(dir.path(), &lines);
    config.out = dir.path().join("unequal");
    run(&config).unwrap();
    let file = std::fs::File::open(config.out.join("saturation.npz")).unwrap();
    let mut archive = zip::ZipArchive::new(file).unwrap();
    let lengths = npyz::NpyFile::new(archive.by_name("lengths.npy").unwrap()).unwrap();
    assert_eq!(lengths.into_vec::<u32>().unwrap(), [100, 30, 0]);
    let file = npyz::NpyFile::new(archive.by_name("effects.npy").unwrap()).unwrap();
    assert_eq!(file.shape(), [3, 100, 4, 2]);
    let unequal: Vec<f32> = file.into_vec().unwrap();
    let row = 100 * 8;
    assert_eq!(unequal[..row], effects[row..2 * row]);
    assert_eq!(unequal[row..][..30 * 8], unequal[20 * 8..][..30 * 8]);
    assert!(unequal[row + 30 * 8..].iter().all(|v| v.is_nan()));
    let hot = npyz::NpyFile::new(archive.by_name("one_hot.npy").unwrap()).unwrap();
    let hot: Vec<u8> = hot.into_vec().unwrap();
    assert!(hot[(100 + 30) * 4..].iter().all(|v| *v == 0));
}

#[test]
fn an_empty_bed_gives_valid_empty_results() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config("demo.onnx", &dir.path().join("out"));
    config.regions = bed(dir.path(), &["# nothing".into()]);
    config.outputs.windows = true;
    config.outputs.saturation = true;
    let summary = run(&config).unwrap();
    assert_eq!((summary.regions, summary.bases), (0, 0));
    assert!(bigwig(&config.out.join("HepG2_minP.importance.bw")).is_empty());
    assert!(bedgraph(&config.out.join("HepG2_minP.importance.bedGraph")).is_empty());
    assert!(table(&config.out.join("regions.tsv")).is_empty());
}

#[test]
fn the_genome_flag_is_every_contig() {
    let dir = tempfile::tempdir().unwrap();
    let mut whole = config("count.onnx", &dir.path().join("whole"));
    whole.regions = RegionSource::WholeGenome;
    run(&whole).unwrap();
    let rows = table(&whole.out.join("regions.tsv"));
    let contigs: Vec<&str> = rows.iter().map(|r| r["contig"].as_str()).collect();
    assert_eq!(contigs, ["chr1", "chr2", "chr10", "tiny", "mini"]);
    let mut regions = config("count.onnx", &dir.path().join("regions"));
    regions.regions = RegionSource::Bed(BedSource::File(fixture("regions.bed")));
    run(&regions).unwrap();
    let all = per_base(&bigwig(&whole.out.join("C.importance.bw")));
    for (key, value) in per_base(&bigwig(&regions.out.join("C.importance.bw"))) {
        assert_eq!(all[&key], value);
    }
}

#[test]
fn fixtures_are_what_their_program_writes() {
    let dir = tempfile::tempdir().unwrap();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_mpra-score"))
        .with_file_name("examples")
        .join("fixtures");
    assert!(
        program.exists(),
        "{} is missing: run all tests, not this one alone",
        program.display()
    );
    let status = std::process::Command::new(program)
        .arg(dir.path())
        .status()
        .unwrap();
    assert!(status.success());
    for name in ["genome.fa", "genome.fa.fai", "regions.bed"] {
        assert!(
            std::fs::read(dir.path().join(name)).unwrap() == std::fs::read(fixture(name)).unwrap()
        );
    }
    for folder in ["models", "suite"] {
        for entry in std::fs::read_dir(dir.path().join(folder)).unwrap() {
            let name = entry.unwrap().file_name();
            let written = std::fs::read(dir.path().join(folder).join(&name)).unwrap();
            assert!(
                written == std::fs::read(fixture(folder).join(&name)).unwrap(),
                "{name:?}"
            );
        }
    }
}

/// Tracks of a mean are the means of the tasks' tracks; the settings, which runs are gone on with by, say of which.
#[test]
fn means_over_tasks() {
    let dir = tempfile::tempdir().unwrap();
    let whole = config("demo.onnx", &dir.path().join("whole"));
    run(&whole).unwrap();
    let mut means = config("demo.onnx", &dir.path().join("means"));
    let tasks = ["HepG2_minP", "HepG2_SV40P"];
    means.mean_over = vec![("HepG2".to_owned(), tasks.map(str::to_owned).to_vec())];
    run(&means).unwrap();
    for kind in ["activity", "importance"] {
        let of = |folder: &Path, task: &str| {
            per_base(&bigwig(&folder.join(format!("{task}.{kind}.bw"))))
        };
        let mean = of(&means.out, "HepG2");
        let [a, b] = tasks.map(|task| of(&whole.out, task));
        assert!(mean.len() > 1000 && mean.len() == a.len(), "{kind}");
        for (base, value) in &mean {
            let expected = (a[base] + b[base]) / 2.0;
            assert!(
                (value - expected).abs() <= 1e-6 * expected.abs().max(1.0),
                "{kind} {base:?}"
            );
        }
    }
    assert!(!means.out.join("HepG2_minP.activity.bw").exists());
    let text = std::fs::read_to_string(means.out.join("run.json")).unwrap();
    let written: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(written["settings"]["tasks"], serde_json::json!(["HepG2"]));
    assert_eq!(
        written["settings"]["mean_over"],
        serde_json::json!({"HepG2": tasks})
    );
    means.mean_over.push(means.mean_over[0].clone());
    means.out = dir.path().join("twice");
    let error = run(&means).unwrap_err().to_string();
    assert!(error.contains("given twice"), "{error}");
    means.mean_over = vec![("x".to_owned(), vec!["nothing".to_owned()])];
    assert!(run(&means).unwrap_err().to_string().contains("nothing"));
    assert!(!means.out.exists());
}
