//! Runs that were cut short, and runs in parts, write what one run writes.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support;
use crate::support::*;
use mpra_score::ism::EngineChoice;
use mpra_score::job::Shard;
use mpra_score::job::{JobError, Progress};
use mpra_score::score::{Anchor, RegionSource, ScoreConfig, merge, run};
use mpra_score::{Cancel, Error};

/// A genome of several units: random bases, N runs, two contigs.
fn genome_file(folder: &Path) -> std::path::PathBuf {
    let mut state = 1u64;
    let mut text = String::new();
    for (name, length) in [("b", 40_000), ("a", 25_000)] {
        text.push_str(&format!(">{name}\n"));
        let bases: Vec<u8> = (0..length)
            .map(|i| {
                state = state
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                let n = (9_000..9_400).contains(&i) || i % 1711 == 0;
                if n {
                    b'N'
                } else {
                    b"ACGT"[(state >> 62) as usize]
                }
            })
            .collect();
        for line in bases.chunks(70) {
            text.push_str(std::str::from_utf8(line).unwrap());
            text.push('\n');
        }
    }
    let path = folder.join("g.fa");
    std::fs::write(&path, text).unwrap();
    path
}

fn job(folder: &Path, name: &str, anchor: Anchor) -> ScoreConfig {
    let mut config = config("count.onnx", &folder.join(name));
    config.fasta = folder.join("g.fa");
    config.anchor = anchor;
    // Slow enough to be stopped in the middle.
    config.engine = EngineChoice::Full;
    config.stride = Some(73);
    config.outputs.windows = true;
    config.outputs.saturation = anchor == Anchor::Region;
    config.tasks = Some(vec!["A".into(), "G".into()]);
    // Regions that overlap each other and the pipeline's cuts.
    let lines: Vec<String> = (0..55)
        .map(|i| {
            format!(
                "{}\t{}\t{}\tr{i}",
                ["a", "b"][i % 2],
                i * 431,
                i * 431 + 1_200
            )
        })
        .collect();
    config.regions = match anchor {
        Anchor::Genome => RegionSource::WholeGenome,
        Anchor::Region => bed(folder, &lines),
    };
    config
}

/// All files but run.json.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.is_file() && p.file_name().unwrap() != "run.json")
        .map(|p| {
            (
                p.file_name().unwrap().to_string_lossy().into_owned(),
                std::fs::read(&p).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

fn assert_same(left: &Path, right: &Path) {
    let (left, right) = (files(left), files(right));
    let names = |f: &[(String, Vec<u8>)]| f.iter().map(|f| f.0.clone()).collect::<Vec<_>>();
    assert_eq!(names(&left), names(&right));
    for (a, b) in left.iter().zip(&right) {
        assert!(a.1 == b.1, "{} differs", a.0);
    }
}

/// Cancels a run after so many bases.
struct StopAfter<'a> {
    bases: u64,
    done: AtomicU64,
    cancel: &'a Cancel,
}

impl Progress for StopAfter<'_> {
    fn start(&self, _: u64) {}
    fn resumed(&self, _: u64) {}
    fn advance(&self, bases: u64) {
        if self.done.fetch_add(bases, Ordering::Relaxed) + bases >= self.bases {
            self.cancel.request();
        }
    }
    fn finish(&self) {}
}

#[test]
fn an_interrupted_run_goes_on_and_ends_with_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    genome_file(dir.path());
    for anchor in [Anchor::Genome, Anchor::Region] {
        let name = |part: &str| format!("{anchor:?}_{part}");
        let whole = job(dir.path(), &name("whole"), anchor);
        support::run(&whole).unwrap();
        let mut resumed = job(dir.path(), &name("resumed"), anchor);
        resumed.existing.resume = true;
        resumed.threads = std::num::NonZeroUsize::MIN;
        // Interrupted after every unit or two, until it is through.
        let mut rounds = 0;
        loop {
            let cancel = Cancel::default();
            let stop = StopAfter {
                bases: 9_000,
                done: AtomicU64::new(0),
                cancel: &cancel,
            };
            resumed.checkpoint_every = Duration::from_secs(rounds % 2 * 100);
            match run(&resumed, &stop, &cancel) {
                Ok(_) => break,
                Err(Error::Job(JobError::Interrupted { kept: true })) => rounds += 1,
                Err(e) => panic!("{e}"),
            }
            assert!(rounds < 30);
            assert!(!resumed.out.join("run.json").exists());
        }
        assert!(rounds >= 3, "it was not interrupted often enough: {rounds}");
        assert_same(&whole.out, &resumed.out);
    }
}

#[test]
fn shards_join_to_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    genome_file(dir.path());
    for (anchor, of) in [
        (Anchor::Genome, 3),
        (Anchor::Region, 2),
        (Anchor::Genome, 40),
    ] {
        let name = |part: &str| format!("{anchor:?}_{of}_{part}");
        let whole = job(dir.path(), &name("whole"), anchor);
        support::run(&whole).unwrap();
        let mut folders = Vec::new();
        for index in (1..=of).rev() {
            let mut shard = job(dir.path(), &name(&format!("shard{index}")), anchor);
            shard.shard = Shard::new(index, of);
            support::run(&shard).unwrap();
            folders.push(shard.out);
        }
        let out = dir.path().join(name("merged"));
        merge(&folders, &out, false, &[], &Cancel::default()).unwrap();
        assert_same(&whole.out, &out);

        let error = merge(
            &folders[1..],
            &dir.path().join("bad"),
            false,
            &[],
            &Cancel::default(),
        )
        .unwrap_err();
        assert!(
            error.to_string().contains(&format!("shard {of} of {of}")),
            "{error}"
        );
        let twice = [&folders[..], &folders[..1]].concat();
        assert!(
            merge(
                &twice,
                &dir.path().join("bad"),
                false,
                &[],
                &Cancel::default()
            )
            .is_err()
        );
        let error = merge(
            std::slice::from_ref(&whole.out),
            &dir.path().join("bad"),
            false,
            &[],
            &Cancel::default(),
        )
        .unwrap_err();
        assert!(error.to_string().contains("whole run"), "{error}");
        // A shard of another job.
        let mut other = job(dir.path(), &name("other"), anchor);
        other.shard = Shard::new(1, of);
        other.stride = Some(29);
        support::run(&other).unwrap();
        let mut mixed = folders.clone();
        *mixed.last_mut().unwrap() = other.out;
        let error = merge(
            &mixed,
            &dir.path().join("bad"),
            false,
            &[],
            &Cancel::default(),
        )
        .unwrap_err();
        assert!(error.to_string().contains("settings stride"), "{error}");
        assert!(!dir.path().join("bad").exists());
    }
}

#[test]
fn a_resume_with_another_job_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    genome_file(dir.path());
    let mut first = job(dir.path(), "out", Anchor::Genome);
    first.existing.resume = true;
    let cancel = Cancel::default();
    let stop = StopAfter {
        bases: 9_000,
        done: AtomicU64::new(0),
        cancel: &cancel,
    };
    assert!(run(&first, &stop, &cancel).is_err());
    let attempt = |change: &dyn Fn(&mut ScoreConfig)| {
        let mut other = first.clone();
        change(&mut other);
        support::run(&other).unwrap_err().to_string()
    };
    assert!(attempt(&|c| c.stride = Some(29)).contains("settings stride"));
    assert!(attempt(&|c| c.tasks = None).contains("settings tasks"));
    assert!(attempt(&|c| c.model = fixture("models/scan.onnx").into()).contains("model"));
    assert!(attempt(&|c| c.shard = Shard::new(1, 2)).contains("shard"));
    assert!(attempt(&|c| c.regions = bed(dir.path(), &["a\t0\t30000".into()])).contains("regions"));
    assert!(attempt(&|c| c.existing.resume = false).contains("unfinished run"));
    // Threads and the interval of the notes do not matter.
    let mut same = first.clone();
    same.threads = std::num::NonZeroUsize::MIN;
    same.checkpoint_every = Duration::ZERO;
    support::run(&same).unwrap();
}

#[test]
fn a_killed_run_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let fasta = genome_file(dir.path());
    let model = fixture("models/demo.onnx");
    let command = |out: &str, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mpra-score"));
        command
            .args([
                "-q",
                "--genome",
                "--stride",
                "29",
                "--format",
                "bigwig,bedgraph",
                "--fasta",
            ])
            .arg(&fasta)
            .arg("--model")
            .arg(&model)
            .arg("--out")
            .arg(dir.path().join(out))
            .args(more)
            .stderr(Stdio::null());
        command
    };
    assert!(command("whole", &[]).status().unwrap().success());
    let out = dir.path().join("killed");
    let notes = out.join(".partial/checkpoint.json");
    let arguments = ["--checkpoint", "0", "--resume"];
    let mut kills = 0;
    for _ in 0..3 {
        let mut child = command("killed", &arguments).spawn().unwrap();
        let before = std::fs::read(&notes).unwrap_or_default();
        let started = Instant::now();
        // Until it has noted something new.
        while child.try_wait().unwrap().is_none()
            && std::fs::read(&notes).unwrap_or_default() == before
        {
            assert!(started.elapsed() < Duration::from_secs(120));
            std::thread::sleep(Duration::from_millis(5));
        }
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            kills += 1;
        }
        child.wait().unwrap();
    }
    assert!(kills > 0, "it was always through too soon");
    if !out.join("run.json").exists() {
        assert!(command("killed", &arguments).status().unwrap().success());
    }
    assert_same(&dir.path().join("whole"), &out);
}

/// A file cut to half, to nothing, by a byte, longer by one, and with one bit turned in each of its quarters.
fn damages(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![
        bytes[..bytes.len() / 2].to_vec(),
        Vec::new(),
        bytes[..bytes.len() - 1].to_vec(),
        [bytes, b"0"].concat(),
    ];
    for quarter in 0..4 {
        let mut turned = bytes.to_vec();
        turned[bytes.len() * quarter / 4 + bytes.len() / 8] ^= 1;
        all.push(turned);
    }
    all
}

#[test]
fn damaged_shards_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    genome_file(dir.path());
    let mut folders = Vec::new();
    for index in 1..=2 {
        let mut shard = job(dir.path(), &format!("shard{index}"), Anchor::Region);
        shard.shard = Shard::new(index, 2);
        shard.outputs.formats.bedgraph = true;
        support::run(&shard).unwrap();
        folders.push(shard.out);
    }
    let out = dir.path().join("merged");
    let attempt = || merge(&folders, &out, true, &[], &Cancel::default());
    attempt().unwrap();
    let whole = files(&out);
    let mut tried = 0;
    for (name, bytes) in files(&folders[1])
        .into_iter()
        .chain([(
            "run.json".to_owned(),
            std::fs::read(folders[1].join("run.json")).unwrap(),
        )])
        .filter(|(_, bytes)| bytes.len() > 8)
    {
        let path = folders[1].join(&name);
        for damaged in damages(&bytes) {
            std::fs::write(&path, &damaged).unwrap();
            let error = attempt().expect_err(&name);
            assert!(
                error.to_string().contains(&*folders[1].to_string_lossy()),
                "{error}"
            );
            assert!(
                error.hint().is_some() || error.to_string().contains("no shard"),
                "{error}"
            );
            tried += 1;
        }
        std::fs::write(&path, bytes).unwrap();
        assert!(whole == files(&out), "an earlier result was touched");
    }
    assert!(tried > 100, "{tried}");
    attempt().unwrap();
}

#[test]
fn a_damaged_unfinished_run_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    genome_file(dir.path());
    let mut config = job(dir.path(), "out", Anchor::Region);
    config.existing.resume = true;
    let cancel = Cancel::default();
    let stop = StopAfter {
        bases: 30_000,
        done: AtomicU64::new(0),
        cancel: &cancel,
    };
    assert!(run(&config, &stop, &cancel).is_err());
    let partial = config.out.join(".partial");
    let kept = files(&partial);
    let mut tried = 0;
    for (name, bytes) in kept.iter().filter(|(_, bytes)| bytes.len() > 8) {
        for damaged in damages(bytes) {
            // Longer than it was is how a run that was killed leaves a file.
            if damaged.len() > bytes.len() && name != "checkpoint.json" {
                continue;
            }
            for (name, bytes) in &kept {
                std::fs::write(partial.join(name), bytes).unwrap();
            }
            std::fs::write(partial.join(name), &damaged).unwrap();
            let error = support::run(&config).expect_err(name).to_string();
            assert!(error.contains("damaged"), "{name}: {error}");
            tried += 1;
        }
    }
    assert!(tried > 50, "{tried}");
    for (name, bytes) in &kept {
        std::fs::write(partial.join(name), bytes).unwrap();
    }
    support::run(&config).unwrap();
    let whole = job(dir.path(), "whole", Anchor::Region);
    support::run(&whole).unwrap();
    assert_same(&whole.out, &config.out);
}
