//! Damaged files that once ended the program, or passed: refused by name, soon, without memory for what they say.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::corpus;
use crate::support::jobs::{DATASET, folder, no_number, outcome, succeed, words};

/// Runs the program where a gigabyte of address space is all there is; exit code and standard error.
fn in_a_gigabyte(here: &Path, line: &str) -> (i32, String) {
    let output = Command::new("sh")
        .args(["-c", "ulimit -v 1000000; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_mpra-score"))
        .args(words(line))
        .current_dir(here)
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap_or(-1), error)
}

fn refused(here: &Path, line: &str, name: &str) {
    let (code, error) = in_a_gigabyte(here, line);
    assert_eq!(code, 1, "{line}: {error}");
    let said = error
        .lines()
        .find(|l| l.starts_with("error: "))
        .unwrap_or("");
    assert!(said.contains(name), "{line}: {error}");
    assert!(!error.contains("panicked"), "{line}: {error}");
    for out in ["refused", "refused.vcf"] {
        assert!(!here.join(out).exists(), "{line}");
    }
}

/// Everything directly in a folder.
fn names(here: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(here).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Files of `tests/corpus/damaged`, each with a command that it once ended, or that once took it: what is said now.
#[test]
fn files_that_once_did_harm() {
    let dir = folder();
    let here = dir.path();
    succeed(here, &format!("{DATASET} --out out/dataset"));
    let before = names(here);
    let (folder, rows) = corpus::<5>("damaged");
    for [file, command, code, says, what] in &rows {
        fs::copy(folder.join(file), here.join(file)).unwrap();
        let line = format!("{command} --quiet").replace("{}", file);
        let (found, error) = in_a_gigabyte(here, &line);
        assert_eq!(found.to_string(), *code, "{file} ({what}): {error}");
        assert!(error.contains(says), "{file} ({what}): {error}");
        assert!(!error.contains("panicked"), "{file} ({what}): {error}");
        fs::remove_file(here.join(file)).unwrap();
        let made: Vec<PathBuf> = names(here).difference(&before).cloned().collect();
        assert_eq!(made.is_empty(), code != "0", "{file} ({what}): {made:?}");
        for path in made {
            assert_eq!(no_number(&path), None, "{file} ({what})");
            let gone = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
            gone.unwrap();
        }
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

#[test]
fn big_wigs() {
    let dir = folder();
    let here = dir.path();
    succeed(
        here,
        "score --bed regions.bed --fasta genome.fa --model count.onnx --tasks A --format bigwig --out tracks",
    );
    let sound = fs::read(here.join("tracks/A.importance.bw")).unwrap();
    let lines = [
        "overlap enrichment --scores spoiled.bw --annotation s=sites.bed --bins 9 --bootstrap 5 --out refused",
        "overlap by-name --scores spoiled.bw --annotation sites.bed --block 50 --out refused",
        "overlap correlate --scores spoiled.bw --with b.bedGraph --block 50 --out refused",
        "fdr --pvalues p.tsv --covariate spoiled.bw --bins 1 --bin-size 1 --out refused",
    ];
    // The header names the places of the list of contigs, the data and the index (Kent et al. 2010, supplement).
    let (contigs, data, index) = (number(&sound, 8), number(&sound, 16), number(&sound, 24));
    let (contigs, data, index) = (contigs as usize, data as usize, index as usize);
    let leaf = index + 48 + 4;
    let set = |at: usize, bytes: &[u8]| {
        let mut spoiled = sound.clone();
        spoiled[at..at + bytes.len()].copy_from_slice(bytes);
        spoiled
    };
    let spoiled = [
        // A bit of the first block, which is zlib's.
        set(data + 12, &[sound[data + 12] ^ 4]),
        // Blocks of so many bytes, unpacked and packed; so many contigs; the index of another place.
        set(52, &u32::MAX.to_le_bytes()),
        set(leaf + 24, &(1u64 << 40).to_le_bytes()),
        set(leaf + 24, &u64::MAX.to_le_bytes()),
        set(contigs + 16, &(1u64 << 60).to_le_bytes()),
        set(contigs + 12, &9u32.to_le_bytes()),
        set(24, &(1u64 << 50).to_le_bytes()),
        // A node that is neither leaf nor none.
        set(index + 48, &[7]),
        sound[..sound.len() / 2].to_vec(),
        sound[..index + 50].to_vec(),
    ];
    for (i, bytes) in spoiled.iter().enumerate() {
        fs::write(here.join("spoiled.bw"), bytes).unwrap();
        refused(here, lines[i % 4], "spoiled.bw");
    }
    for line in lines {
        fs::write(here.join("spoiled.bw"), &spoiled[0]).unwrap();
        refused(here, line, "spoiled.bw");
        fs::write(here.join("spoiled.bw"), &sound).unwrap();
        let fits = line.replace("--out refused", "--out taken --force");
        succeed(here, &fits);
    }
}

#[test]
fn ends_that_are_nowhere() {
    let dir = folder();
    let here = dir.path();
    fs::write(
        here.join("sound.bed"),
        "chr1\t1150\t4000\tF2\nchr1\t700\t900\tF1\n",
    )
    .unwrap();
    fs::write(
        here.join("huge.bed"),
        "chr1\t1150\t2147483647\tF2\nchr1\t700\t900\tF1\n",
    )
    .unwrap();
    for line in [
        "overlap by-name --scores a.bedGraph --annotation {} --block 50 --bootstrap 5 --out {}.out",
        "overlap correlate --scores a.bedGraph --with b.bedGraph --block 50 --regions {} --out {}.out --force",
    ] {
        for bed in ["sound.bed", "huge.bed"] {
            let (code, error) = in_a_gigabyte(here, &line.replace("{}", bed));
            assert_eq!(code, 0, "{line} {bed}: {error}");
        }
        // The table says how many bases a site has.
        let name = if line.contains("by-name") {
            "sites.tsv"
        } else {
            "correlation.tsv"
        };
        let read = |bed: &str| fs::read_to_string(here.join(format!("{bed}.out")).join(name)).ok();
        assert_eq!(read("sound.bed"), read("huge.bed"), "{line}");
    }
    // A row of results.
    succeed(
        here,
        "score --bed regions.bed --fasta genome.fa --model count.onnx --tasks A --format bedgraph --out scored",
    );
    let table = here.join("scored/regions.tsv");
    let text = fs::read_to_string(&table).unwrap();
    let end = text.lines().nth(2).unwrap().split('\t').nth(2).unwrap();
    for huge in ["121e308", "4294967295"] {
        fs::write(
            &table,
            text.replacen(&format!("\t{end}\t"), &format!("\t{huge}\t"), 1),
        )
        .unwrap();
        let (code, error) = in_a_gigabyte(here, "report scored --out page.html --force");
        assert!(
            [0, 1].contains(&code) && !error.contains("panicked"),
            "{huge}: {error}"
        );
    }
}

/// An archive in which the last number of an array is another, and its checksum that.
fn with_last(sound: &[u8], array: &str, value: f32) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(Cursor::new(sound)).unwrap();
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        if name == array {
            let end = bytes.len();
            bytes[end - 4..].copy_from_slice(&value.to_le_bytes());
        }
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored);
        out.start_file(name, options).unwrap();
        out.write_all(&bytes).unwrap();
    }
    out.finish().unwrap().into_inner()
}

#[test]
fn saved_backgrounds() {
    let dir = folder();
    let here = dir.path();
    let line = "variants --vcf in.vcf --fasta genome.fa --model count.onnx";
    succeed(
        here,
        &format!(
            "{line} --background genome --background-windows 3 --save-background b.npz --out x.vcf"
        ),
    );
    let sound = fs::read(here.join("b.npz")).unwrap();
    let refuse = |spoiled: &[u8]| {
        fs::write(here.join("spoiled.npz"), spoiled).unwrap();
        let line = format!("{line} --background spoiled.npz --out refused.vcf");
        refused(here, &line, "spoiled.npz");
    };
    for array in ["effects.npy", "importance.npy", "gc.npy"] {
        for value in [f32::NAN, f32::INFINITY] {
            refuse(&with_last(&sound, array, value));
        }
        // Behind its name and numpy's head; the checksum is another's then.
        let at = sound
            .windows(array.len())
            .position(|w| w == array.as_bytes());
        let mut spoiled = sound.clone();
        spoiled[at.unwrap() + 200] ^= 1;
        refuse(&spoiled);
    }
    refuse(&sound[..sound.len() / 2]);
    succeed(here, &format!("{line} --background b.npz --out y.vcf"));
}

#[test]
fn indexes_of_failed_runs() {
    let dir = folder();
    let here = dir.path();
    let genome = fs::read(here.join("genome.fa")).unwrap();
    fs::write(here.join("bare.fa"), &genome).unwrap();
    fs::write(
        here.join("packed.fa.gz"),
        crate::support::jobs::bgzip(&genome, true),
    )
    .unwrap();
    fs::write(here.join("bad.bed"), "nowhere\t0\t10\n").unwrap();
    for fasta in ["bare.fa", "packed.fa.gz"] {
        let line = format!("score --fasta {fasta} --write-index --model count.onnx --tasks A");
        let (code, error) = outcome(here, &format!("{line} --bed bad.bed --out {fasta}.out"));
        assert!(code == 1 && error.contains("nowhere"), "{error}");
        let index = |ending: &str| here.join(format!("{fasta}{ending}")).exists();
        assert!(!index(".fai") && !index(".gzi"));
        succeed(here, &format!("{line} --bed regions.bed --out {fasta}.out"));
        assert!(index(".fai") && index(".gzi") == fasta.ends_with(".gz"));
    }
}

#[test]
fn shards_are_not_merged_into_one_of_themselves() {
    let dir = folder();
    let here = dir.path();
    succeed(
        here,
        "score --bed regions.bed --fasta genome.fa --model count.onnx --shard 1/1 --out shard",
    );
    let (code, error) = outcome(here, "merge shard --out shard/../shard --force");
    assert!(
        code == 1 && error.contains("is read by this job"),
        "{error}"
    );
    succeed(here, "merge shard --out whole");
}

#[test]
fn paddings_of_a_model() {
    let dir = folder();
    let here = dir.path();
    let mut builder = mpra_score::model::onnx::GraphBuilder::new("wide");
    builder.input("x", &[Err("n"), Ok(4), Ok(145)]);
    builder.output("y", &[Err("n"), Ok(2)]);
    let weight = builder.weight("w", &[2, 4, 3], &[0.1; 24]);
    let pads = mpra_score::model::onnx::AttributeProto::of_ints("pads", &[1_000_000, 1_000_000]);
    let conv = builder.node("Conv", &["x", &weight], vec![pads]);
    let pooled = builder.node("GlobalMaxPool", &[&conv], vec![]);
    builder.node_to("Flatten", &[&pooled], vec![], "y");
    fs::write(here.join("wide.onnx"), builder.to_bytes()).unwrap();
    refused(
        here,
        "score --bed regions.bed --fasta genome.fa --model wide.onnx --out refused",
        "wide.onnx",
    );
    let (code, error) = outcome(here, "model info wide.onnx");
    assert!(code == 1 && error.contains("1000000"), "{error}");
}
