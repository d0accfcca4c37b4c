//! Jobs that are asked to stop: they say so, and leave nothing.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mpra_score::dataset::{
    CoordinateSource, Frame, Geometry, MissingValues, ReplicateRule, Shares, SplitRule, Strand,
};
use mpra_score::evaluate::{Bootstrap, ExamplesConfig, Fields, Side, Values, VariantsConfig};
use mpra_score::fdr::{FoldBy, PTable};
use mpra_score::genome::Aliases;
use mpra_score::intervals::Named;
use mpra_score::labelled::Source;
use mpra_score::labelled::{Columns, Sides};
use mpra_score::model::{ModelOptions, ModelSource};
use mpra_score::output::Existing;
use mpra_score::overlap::{by_name, correlate, enrichment, profile};
use mpra_score::sharpr::{Design, Precision, Recentre, Start, Step};
use mpra_score::sumstats::SumTable;
use mpra_score::train::kmer;
use mpra_score::{Cancel, Error, dataset, evaluate, fdr, job, motifs, overlap, score, sharpr};

use crate::support::jobs::{DATASET, ENRICHMENT, JOBS, folder, succeed, words};
use crate::support::send;

const ONE: NonZeroUsize = NonZeroUsize::MIN;

/// Runs a job into a folder.
type Run = Box<dyn Fn(&Path, &Cancel) -> Result<(), Error>>;

fn of_overlap(here: &Path) -> Vec<(&'static str, Run)> {
    let common = |out: &Path| overlap::Common {
        out: out.into(),
        force: false,
        threads: ONE,
        seed: 1,
        bootstrap: 5,
        interval: 0.95,
        block: 50,
        coordinates: None,
        regions: None,
        aliases: Aliases::None,
        command: vec!["test".into()],
    };
    let sites = here.join("sites.bed");
    let named = |name: &str| Named {
        name: name.into(),
        path: here.join(name),
    };
    let (a, b) = (named("a.bedGraph"), named("b.bedGraph"));
    let annotation = named("sites.bed");
    let of_enrichment = {
        let a = a.clone();
        move |out: &Path, cancel: &Cancel| {
            let config = enrichment::Config {
                common: common(out),
                scores: vec![a.clone()],
                compare: Vec::new(),
                annotations: vec![annotation.clone()],
                bins: 9,
                shifts: 5,
                memory: 1 << 28,
                lenient: false,
            };
            Ok(enrichment::run(&config, cancel).map(drop)?)
        }
    };
    let of_names = {
        let (a, sites) = (a.clone(), sites.clone());
        move |out: &Path, cancel: &Cancel| {
            let config = by_name::Config {
                common: common(out),
                scores: vec![a.clone()],
                annotation: sites.clone(),
                names: Vec::new(),
                site_score: by_name::SiteScore::Mean,
                label: 5,
                sites: true,
            };
            Ok(by_name::run(&config, cancel).map(drop)?)
        }
    };
    let of_profile = {
        let a = a.clone();
        move |out: &Path, cancel: &Cancel| {
            let config = profile::Config {
                common: common(out),
                scores: vec![a.clone()],
                anchors: sites.clone(),
                flank: 40,
                bin: 8,
                reference: profile::Reference::Start,
                unstranded: false,
                above: 0.5,
                below: -0.5,
                groups: profile::Groups::One,
                heat: None,
            };
            Ok(profile::run(&config, cancel).map(drop)?)
        }
    };
    let of_correlation = move |out: &Path, cancel: &Cancel| {
        let config = correlate::Config {
            common: common(out),
            scores: a.clone(),
            with: b.clone(),
        };
        Ok(correlate::run(&config, cancel).map(drop)?)
    };
    vec![
        ("overlap enrichment", Box::new(of_enrichment)),
        ("overlap by-name", Box::new(of_names)),
        ("overlap profile", Box::new(of_profile)),
        ("overlap correlate", Box::new(of_correlation)),
    ]
}

fn of_counts(here: &Path) -> Vec<(&'static str, Run)> {
    let here = here.to_path_buf();
    let tables = |names: [&str; 2]| names.map(|n| here.join(n)).to_vec();
    let (rna, dna) = (tables(["rna1", "rna2"]), tables(["dna1", "dna2"]));
    let of_dataset = {
        let (rna, dna) = (rna.clone(), dna.clone());
        move |out: &Path, cancel: &Cancel| {
            let experiment = |i: usize| dataset::Experiment {
                cell_type: "A".into(),
                promoter: "p".into(),
                replicate: (i + 1).to_string(),
                rna: rna[i].clone(),
                dna: dna[i].clone(),
            };
            let config = dataset::Config {
                experiments: vec![experiment(0), experiment(1)],
                sheet: None,
                igvf: None,
                tasks: None,
                geometry: Geometry {
                    tile: 145,
                    step: 29,
                    tiles: 3,
                },
                tile_index: 3,
                min_dna: 20,
                replicates: ReplicateRule::All,
                missing: MissingValues::Filter,
                coordinates: CoordinateSource::None,
                fasta: None,
                aliases: Aliases::None,
                frame: Frame::Tile,
                split: SplitRule::Region(Shares {
                    validation: 0.2,
                    test: 0.2,
                    seed: 1,
                }),
                strands: Strand::Forward,
                out: out.into(),
                force: false,
                threads: 1,
                command: vec!["test".into()],
            };
            dataset::run(&config, cancel).map(drop)
        }
    };
    let of_sharpr = move |out: &Path, cancel: &Cancel| {
        let config = sharpr::Config {
            start: Start::Counts {
                rna: rna.clone(),
                dna: dna.clone(),
            },
            design: Design::new(145, 29, 3).unwrap(),
            tile_index: 3,
            min_dna: 20,
            recentre: Recentre::None,
            prior_variances: vec![1.0, 50.0],
            precision: Precision::Full,
            stop_after: Step::Interpolate,
            regions: None,
            sizes: None,
            out: out.into(),
            force: false,
            threads: 1,
            command: vec!["test".into()],
        };
        sharpr::run(&config, cancel).map(drop)
    };
    vec![
        ("dataset", Box::new(of_dataset)),
        ("sharpr", Box::new(of_sharpr)),
    ]
}

fn of_models(here: &Path) -> Vec<(&'static str, Run)> {
    let here = here.to_path_buf();
    let file = |name: &str| here.join(name);
    let (data, genome) = (file("data.tsv"), file("genome.fa"));
    let (demo, count) = (file("demo.onnx"), file("count.onnx"));
    let common = move |out: &Path| evaluate::Common {
        model: ModelSource::File(count.clone()).into(),
        model_options: ModelOptions::default(),
        ort_lib: None,
        map: vec![("CpG".into(), "G".into())],
        baseline: None,
        bootstrap: Bootstrap {
            replicates: 5,
            share: 0.95,
            seed: 1,
        },
        batch: ONE,
        threads: ONE,
        out: out.into(),
        existing: Existing::default(),
        command: vec!["test".into()],
    };
    let of_motifs = {
        let genome = genome.clone();
        move |out: &Path, cancel: &Cancel| {
            let config = motifs::Config {
                model: ModelSource::File(demo.clone()),
                model_options: ModelOptions::default(),
                sequences: motifs::Sequences::Fasta(genome.clone()),
                share: 0.5,
                known: None,
                shuffles: 5,
                seed: 1,
                out: out.into(),
                force: false,
                command: vec!["test".into()],
            };
            motifs::run(&config, cancel).map(drop)
        }
    };
    let of_examples = {
        let (data, common) = (data.clone(), common.clone());
        move |out: &Path, cancel: &Cancel| {
            let config = ExamplesConfig {
                source: Source {
                    columns: Columns::default(),
                    data: data.clone(),
                    fasta: None,
                    aliases: Aliases::None,
                },
                side: Side::All,
                values: Values::Standardised,
                common: common(out),
            };
            evaluate::run_examples(&config, cancel).map(drop)
        }
    };
    let measured = file("measured.tsv");
    let (suite_genome, suite_common) = (genome.clone(), common.clone());
    let of_variants = move |out: &Path, cancel: &Cancel| {
        let config = VariantsConfig {
            variants: measured.clone(),
            fields: Fields {
                effect: "effect".into(),
                element: "element".into(),
                barcodes: "barcodes".into(),
            },
            fasta: genome.clone(),
            aliases: Aliases::None,
            min_barcodes: 0.0,
            tasks: None,
            common: evaluate::Common {
                map: Vec::new(),
                ..common(out)
            },
        };
        evaluate::run_variants(&config, cancel).map(drop)
    };
    let suite = file("suite.toml");
    let of_suite = move |out: &Path, cancel: &Cancel| {
        let config = evaluate::SuiteConfig {
            suite: suite.clone(),
            fasta: Some(suite_genome.clone()),
            aliases: Aliases::None,
            replicates: Some(5),
            share: None,
            seed: None,
            common: evaluate::Common {
                map: Vec::new(),
                ..suite_common(out)
            },
        };
        evaluate::run_suite(&config, &job::Silent, cancel).map(drop)
    };
    let of_kmers = move |out: &Path, cancel: &Cancel| {
        let config = kmer::Config {
            data: data.clone(),
            columns: Columns::default(),
            sides: Sides::default(),
            labels: None,
            values: Values::Standardised,
            longest: 2,
            penalty: kmer::Penalty::L2,
            alphas: vec![1e-6],
            eta0: 0.1,
            power_t: 0.25,
            epochs: 5,
            patience: 2,
            weighted: false,
            seed: 1,
            bootstrap: 5,
            ort_lib: None,
            threads: ONE,
            out: out.into(),
            force: false,
            command: vec!["test".into()],
        };
        kmer::run(&config, &kmer::Silent, cancel).map(drop)
    };
    vec![
        ("model motifs", Box::new(of_motifs)),
        ("evaluate", Box::new(of_examples)),
        ("evaluate variants", Box::new(of_variants)),
        ("evaluate suite", Box::new(of_suite)),
        ("train kmer", Box::new(of_kmers)),
    ]
}

fn of_others(here: &Path) -> Vec<(&'static str, Run)> {
    let here = here.to_path_buf();
    let shard = JOBS
        .iter()
        .find(|(_, line)| line.contains("--shard"))
        .unwrap();
    succeed(&here, &format!("{} --out shard", shard.1));
    let shards = vec![here.join("shard")];
    let of_merge = move |out: &Path, cancel: &Cancel| {
        score::merge(&shards, out, false, &["test".into()], cancel).map(drop)
    };
    let (pvalues, covariate) = (here.join("p.tsv"), here.join("scored.vcf"));
    let of_fdr = move |out: &Path, cancel: &Cancel| {
        let config = fdr::Config {
            table: PTable {
                table: SumTable {
                    path: pvalues.clone(),
                    ..SumTable::default()
                },
                ..PTable::default()
            },
            covariate: Some(covariate.clone()),
            field: None,
            aliases: Aliases::None,
            alpha: 0.1,
            bins: 1,
            bin_size: 1,
            folds: 3,
            fold_by: FoldBy::Random,
            block: 1000,
            seed: 1,
            out: out.into(),
            force: false,
            command: vec!["test".into()],
        };
        fdr::run(&config, cancel).map(drop)
    };
    vec![("merge", Box::new(of_merge)), ("fdr", Box::new(of_fdr))]
}

#[test]
fn every_job_stops_when_it_is_asked_to() {
    let dir = folder();
    let here = dir.path();
    let all = of_overlap(here).into_iter().chain(of_counts(here));
    let all = all.chain(of_models(here)).chain(of_others(here));
    let mut count = 0;
    for (name, run) in all {
        let out = here.join("made/out");
        let cancel = Cancel::default();
        cancel.request();
        let error = run(&out, &cancel).expect_err(name);
        assert_eq!(error.interrupted(), Some(false), "{name}: {error}");
        assert!(!here.join("made").exists(), "{name}");
        // Not for another reason: without the wish it runs to its end.
        run(&out, &Cancel::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(out.join("run.json").exists(), "{name}");
        fs::remove_dir_all(here.join("made")).unwrap();
        count += 1;
    }
    assert_eq!(count, 13);
}

fn start(folder: &Path, line: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_mpra-score"))
        .args(words(line))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Exit code and standard error, soon.
fn ended(mut child: Child, what: &str) -> (Option<i32>, String) {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(30) {
            child.kill().unwrap();
            panic!("it does not listen: {what}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), error)
}

fn fifo(path: &Path) -> PathBuf {
    let _ = fs::remove_file(path);
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
    path.into()
}

/// The writing end, once a job has opened the other.
fn opened(pipe: PathBuf, what: &str) -> fs::File {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(fs::OpenOptions::new().write(true).open(pipe)));
    let opened = receiver.recv_timeout(Duration::from_secs(30));
    opened
        .unwrap_or_else(|_| panic!("it never reads: {what}"))
        .unwrap()
}

#[test]
fn a_signal_ends_a_job_that_waits_for_its_input() {
    let dir = folder();
    let here = dir.path();
    for (name, line) in [
        ("sites.bed", ENRICHMENT),
        ("a.bedGraph", ENRICHMENT),
        (
            "b.bedGraph",
            "overlap correlate --scores a.bedGraph --with b.bedGraph --block 50",
        ),
        ("dna2", DATASET),
        ("places.txt", DATASET),
        (
            "dna2",
            "sharpr --rna rna1,rna2 --dna dna1,dna2 --tile 145 --step 29 --tiles 3",
        ),
        (
            "data.tsv",
            "evaluate --data data.tsv --model count.onnx --map CpG=G",
        ),
        ("data.tsv", "train kmer --data data.tsv --longest 2"),
        ("p.tsv", "fdr --pvalues p.tsv --covariate scored.vcf"),
        (
            "regions.bed",
            "score --bed regions.bed --fasta genome.fa --model count.onnx",
        ),
    ] {
        let kept = here.join("kept");
        fs::rename(here.join(name), &kept).unwrap();
        let pipe = fifo(&here.join(name));
        let child = start(here, &format!("{line} --out made/out"));
        // Opens when the job does, and then gives it one byte and no end.
        let mut writer = opened(pipe, line);
        std::io::Write::write_all(&mut writer, b"#").unwrap();
        send(&child, "-TERM");
        let (code, error) = ended(child, line);
        assert_eq!(code, Some(130), "{line}: {error}");
        assert!(error.contains("interrupted"), "{line}: {error}");
        assert!(!here.join("made").exists(), "{line}");
        drop(writer);
        fs::rename(kept, here.join(name)).unwrap();
    }
}

/// Nobody who forgot a flag loses hours of training.
#[test]
fn a_training_that_is_stopped_goes_on_though_nobody_asked_for_it() {
    let dir = folder();
    let here = dir.path();
    succeed(here, &format!("{DATASET} --out out/dataset"));
    let line = "train --data out/dataset/examples.parquet --preset authors --batch 8 --epochs 600 --patience 600 \
                --arch conv~4x5,~relu,~maxpool~20,~dense --threads 1 --out made/out";
    let whole = line.replace("made/out", "whole");
    succeed(here, &whole);
    let child = start(here, line);
    let begun = Instant::now();
    while !here.join("made/out/.partial/checkpoint.json").exists() {
        assert!(begun.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(1));
    }
    send(&child, "-TERM");
    let (code, error) = ended(child, line);
    assert_eq!(code, Some(130), "{error}");
    assert!(error.contains("with --resume goes on from here"), "{error}");
    let (code, error) = ended(start(here, line), line);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("hint: --resume goes on with it"), "{error}");
    succeed(here, &format!("{line} --resume"));
    let model = |folder: &str| fs::read(here.join(folder).join("model.onnx")).unwrap();
    assert!(model("whole") == model("made/out"));
}

#[test]
fn a_closed_standard_error_changes_nothing() {
    let dir = folder();
    let here = dir.path();
    let run = |line: &str| {
        let status = Command::new("sh")
            .args(["-c", "exec \"$@\" 2>&- >&-", "sh"])
            .arg(env!("CARGO_BIN_EXE_mpra-score"))
            .args(words(line))
            .current_dir(here)
            .status();
        status.unwrap().code()
    };
    for (name, line) in JOBS {
        // Standard error would also hold warnings: these go the same way.
        let out = format!("out/{}", name.replace(' ', "_"));
        let shard = if line.contains("--shard") { "_1" } else { "" };
        let ending = if name == "variants" { "/x.vcf" } else { "" };
        fs::create_dir_all(here.join("out/variants")).unwrap();
        assert_eq!(
            run(&format!("{line} --out {out}{shard}{ending}")),
            Some(0),
            "{line}"
        );
    }
    // Failing, wrongly called, and interrupted.
    assert_eq!(
        run("fdr --pvalues nofile --covariate scored.vcf --out o"),
        Some(1)
    );
    assert_eq!(run("fdr --pvalues p.tsv --out o"), Some(2));
    assert_eq!(run("score --bed regions.bed"), Some(2));
    assert_eq!(run("model info count.onnx"), Some(0));
}

#[test]
fn nothing_is_printed_by_what_panics_where_the_stream_is_closed() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            read += 1;
            for (number, line) in (1..).zip(text.lines()) {
                let code = line.split("//").next().unwrap_or_default();
                for word in ["println!", "print!", "dbg!"] {
                    assert!(!code.contains(word), "{}:{number}", path.display());
                }
            }
        }
    }
    assert!(read > 100);
}
