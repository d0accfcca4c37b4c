//! Every job on inputs as small as they can be, as a user runs it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::{fixture, genome, letter};

/// Name of a job in `run.json`, and its arguments but `--out`; relative to [`folder`]. They run in
/// this order: some read what others wrote into `out/` + the name with `_` for blanks.
pub const JOBS: [(&str, &str); 27] = [
    ("dataset", DATASET),
    (
        "sharpr",
        "sharpr --rna rna1,rna2 --dna dna1,dna2 --tile 145 --step 29 --tiles 3",
    ),
    (
        "train",
        "train --data out/dataset/examples.parquet --preset authors \
         --arch conv~1x2,~relu,~maxpool~144,~dense --epochs 2 --batch 8 --seed 3",
    ),
    (
        "train kmer",
        "train kmer --data data.tsv --longest 2 --alpha 1e-6 --bootstrap 5 --epochs 5",
    ),
    (
        "evaluate",
        "evaluate --data data.tsv --model count.onnx --map CpG=G --bootstrap 5",
    ),
    (
        "evaluate variants",
        "evaluate --variants measured.tsv --effect-field effect --fasta genome.fa \
         --model count.onnx --bootstrap 5",
    ),
    ("evaluate suite", SUITE),
    (
        "model motifs",
        "model motifs demo.onnx --fasta genome.fa --motifs known.meme --shuffles 5",
    ),
    (
        "score",
        "score --bed regions.bed --fasta genome.fa --model count.onnx --annotation s=sites.bed \
         --format bedgraph --windows --saturation",
    ),
    (
        "motifs scan",
        "motifs scan --motifs known.meme --fasta genome.fa --bed regions.bed --p 0.2",
    ),
    (
        "motifs seqlets",
        "motifs seqlets out/score --p 0.3 --motifs known.meme",
    ),
    (
        "motifs drivers",
        "motifs drivers out/score --motifs known.meme --p 0.2 --least-hits 2 --shuffles 5",
    ),
    (
        "motifs discover",
        "motifs discover out/score --tasks A --p 0.3 --shortest 2",
    ),
    ("score", SHARD),
    ("merge", "merge out/score_1"),
    ("overlap enrichment", ENRICHMENT),
    (
        "overlap by-name",
        "overlap by-name --scores a.bedGraph --annotation sites.bed --block 50 --bootstrap 5",
    ),
    (
        "overlap profile",
        "overlap profile --scores a.bedGraph --anchors sites.bed --flank 40 --bin 8 --bootstrap 5",
    ),
    (
        "overlap correlate",
        "overlap correlate --scores a.bedGraph --with b.bedGraph --block 50 --bootstrap 5",
    ),
    ("variants", VARIANTS),
    (
        "variants enrich",
        "variants enrich --vcf in.vcf --control-bed sites.bed --fasta genome.fa \
         --model count.onnx --permutations 20",
    ),
    (
        "fdr",
        "fdr --pvalues p.tsv --covariate scored.vcf --bins 1 --bin-size 1",
    ),
    ("pairs", "pairs data.tsv --model count.onnx --distance 1"),
    (
        "marginalize",
        "marginalize data.tsv --model count.onnx --motif ACGT --with TTR --spacing 0-3",
    ),
    (
        "ablate",
        "ablate data.tsv --model count.onnx --intervals within.bed --shuffles 2",
    ),
    (
        "design",
        "design data.tsv --objective G-T --edits 2 --model count.onnx --keep-motif known.meme --skip-invalid",
    ),
    (
        "haplotypes",
        "haplotypes --vcf phased.vcf --bed regions.bed --fasta genome.fa --model count.onnx --sequences",
    ),
];

pub const DATASET: &str = "dataset --experiment A:p:1=rna1,dna1 --experiment A:p:2=rna2,dna2 \
    --tile 145 --step 29 --tiles 3 --coords places.txt --split region";
pub const ENRICHMENT: &str =
    "overlap enrichment --scores a.bedGraph --annotation s=sites.bed --bins 9 --bootstrap 5";
pub const VARIANTS: &str = "variants --vcf in.vcf --fasta genome.fa --model count.onnx \
    --background none --annotation s=sites.bed";
pub const SUITE: &str =
    "evaluate --suite suite.toml --fasta genome.fa --model count.onnx --bootstrap 5";
const SHARD: &str =
    "score --bed regions.bed --fasta genome.fa --model count.onnx --format bedgraph --shard 1/1";

/// A folder with all that [`JOBS`] read.
pub fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    for name in [
        "genome.fa",
        "genome.fa.fai",
        "regions.bed",
        "models/count.onnx",
        "models/demo.onnx",
    ] {
        let from = fixture(name);
        fs::copy(&from, dir.path().join(from.file_name().unwrap())).unwrap();
    }
    let genome = genome();
    let letters = |contig: &str, from: usize, to: usize| -> String {
        (from..to)
            .map(|at| char::from(letter(&genome[contig], at as i64)))
            .collect()
    };
    let mut places = String::new();
    for (table, name) in ["rna1", "rna2", "dna1", "dna2"].iter().enumerate() {
        let mut text = String::from("ID\tSequence\tTags\tCounts\n");
        for region in 0..12 {
            let start = 700 + 210 * region;
            for tile in 0..3 {
                let count = 20 + (region * 37 + tile * 101 + table * (region * tile + 13)) % 89;
                let from = start + 29 * tile;
                let sequence = letters("chr1", from, from + 145);
                text += &format!("c_{region}_0_{tile}_chr1_{start}\t{sequence}\tAA\t{count}\n");
            }
            if table == 0 {
                places += &format!(
                    "c_{region}_0_chr1_{start}\tchr1\t{start}\t{}\n",
                    start + 203
                );
            }
        }
        write(name, &text);
    }
    write("places.txt", &places);
    let (mut sites, mut data) = (
        String::new(),
        String::from("id\tsequence\tregion\tsplit\tCpG\n"),
    );
    for i in 0..60usize {
        let (start, strand) = (600 + 31 * i, ["+", "-"][i % 2]);
        let name = ["CTCF", "GATA1"][i / 2 % 2];
        sites += &format!(
            "chr1\t{start}\t{}\t{name}\t{}\t{strand}\n",
            start + 20,
            i % 7
        );
        let sequence = letters("chr1", start, start + 145);
        let side = ["train", "train", "validation", "test"][i / 5 % 4];
        let label = sequence.matches("CG").count();
        data += &format!("w{i}\t{sequence}\tr{}\t{side}\t{label}\n", i / 5);
    }
    write("sites.bed", &sites);
    write("data.tsv", &data);
    write("within.bed", "w0\t10\t30\nw7\t0\t145\n");
    for (seed, name) in [(11u32, "a.bedGraph"), (17, "b.bedGraph")] {
        let value = |at: u32| f64::from((at * seed * 7919 + at * at) % 1009) / 500.0 - 1.0;
        let line = |at: u32| format!("chr1\t{at}\t{}\t{}\n", at + 1, value(at));
        write(name, &(600..2600).map(line).collect::<String>());
    }
    let at = [620, 650, 702, 1080, 1210, 1541, 1795, 1999, 2563, 2600];
    let alternative = |reference: &str| if reference == "C" { "A" } else { "C" };
    let head = "##fileformat=VCFv4.2\n##contig=<ID=chr1,length=4000>\n";
    let columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n";
    let info = "##INFO=<ID=MPRA_MAX,Number=A,Type=Float,Description=\"x\">\n";
    let (mut vcf, mut scored) = (format!("{head}{columns}"), format!("{head}{info}{columns}"));
    let mut measured = String::from("chrom\tpos\tref\talt\teffect\n");
    let mut p = String::from("CHROM\tPOS\tID\tP\n");
    for (i, at) in at.into_iter().enumerate() {
        let reference = letters("chr1", at - 1, at);
        let alt = alternative(&reference);
        vcf += &format!("chr1\t{at}\trs{i}\t{reference}\t{alt}\t.\t.\t.\n");
        scored += &format!("chr1\t{at}\trs{i}\t{reference}\t{alt}\t.\t.\tMPRA_MAX=0.{i}\n");
        measured += &format!("chr1\t{at}\t{reference}\t{alt}\t0.{}\n", i * 3 % 10);
        p += &format!("chr1\t{at}\trs{i}\t0.{}\n", i * 7 % 10);
    }
    write("in.vcf", &vcf);
    let person = |line: &str| match line.starts_with("##") {
        true => format!("{line}\n"),
        false if line.starts_with('#') => format!("{line}\tFORMAT\tperson\n"),
        false => format!("{line}\tGT\t0|1\n"),
    };
    write("phased.vcf", &vcf.lines().map(person).collect::<String>());
    write("scored.vcf", &scored);
    write("measured.tsv", &measured);
    write("p.tsv", &p);
    write(
        "suite.toml",
        "[[judge]]\nname = \"CpG\"\nkind = \"values\"\nfile = \"data.tsv\"\nk = 2\n\
         cells = [{ name = \"CpG\", task = \"G\" }]\n\n\
         [[judge]]\nname = \"effects\"\nkind = \"effects\"\nfile = \"measured.tsv\"\nmin_barcodes = 0\n\
         kmer_from = \"CpG\"\ncells = [{ name = \"CpG\", effect = \"effect\", task = \"G\" }]\n",
    );
    write(
        "known.meme",
        "MEME version 4\n\nALPHABET= ACGT\n\nMOTIF M1 one\nletter-probability matrix: alength= 4 w= 2\n\
         0.7 0.1 0.1 0.1\n0.1 0.1 0.1 0.7\n",
    );
    dir
}

/// Runs the jobs whose results others of [`JOBS`] read, into `out/`.
pub fn results(here: &Path) {
    fs::create_dir(here.join("out")).unwrap();
    for (job, line) in JOBS {
        let shard = if line.contains("--shard") { "_1" } else { "" };
        if ["dataset", "score"].contains(&job) {
            succeed(here, &format!("{line} --out out/{job}{shard}"));
        }
    }
}

/// Writes `gwas.tsv`: the variants of `in.vcf` with associations.
#[allow(dead_code, reason = "of the campaigns in fuzz/ and faults/")]
pub fn gwas_table(here: &Path) {
    let mut text = String::from("CHR\tBP\tSNP\tA1\tA2\tBETA\tSE\tP\n");
    let vcf = fs::read_to_string(here.join("in.vcf")).unwrap();
    for (i, line) in vcf.lines().filter(|l| !l.starts_with('#')).enumerate() {
        let f: Vec<&str> = line.split('\t').collect();
        let (contig, at, name, a1, a2) = (f[0], f[1], f[2], f[4], f[3]);
        text += &format!("{contig}\t{at}\t{name}\t{a1}\t{a2}\t0.{i}\t0.1\t0.0{i}1\n");
    }
    fs::write(here.join("gwas.tsv"), text).unwrap();
}

/// A folder with all below it.
#[allow(dead_code, reason = "of the campaigns in fuzz/ and faults/")]
pub fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &to)?,
            false => drop(fs::copy(entry.path(), to)?),
        }
    }
    Ok(())
}

/// The words of a line; `~` is a blank within one.
pub fn words(line: &str) -> Vec<String> {
    line.split_whitespace()
        .map(|w| w.replace('~', " "))
        .collect()
}

/// Runs the program.
pub fn program(folder: &Path, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mpra-score"))
        .args(words(line))
        .current_dir(folder)
        .output()
        .unwrap()
}

/// Exit code and standard error.
pub fn outcome(folder: &Path, line: &str) -> (i32, String) {
    let output = program(folder, line);
    let text = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap_or(-1), text)
}

/// Runs the program, which must succeed.
pub fn succeed(folder: &Path, line: &str) -> String {
    let (code, error) = outcome(folder, line);
    assert_eq!(code, 0, "{line}: {error}");
    error
}

/// Runs the program where no file may be larger than so many blocks of 512 bytes (some shells have
/// 1024), which fails as a full disk does, and needs no right to mount one.
pub fn limited(folder: &Path, blocks: usize, arguments: &[String]) -> Output {
    let script = format!("ulimit -f {blocks}; exec \"$@\"");
    Command::new("sh")
        .args(["-c", &script, "sh", env!("CARGO_BIN_EXE_mpra-score")])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// What the program says of a write that failed: where, and what to do.
pub fn refused_to_write(output: &Output, file: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    let line = error.lines().find(|l| l.starts_with("error: "));
    let line = line.unwrap_or_else(|| panic!("{error}"));
    assert!(
        line.contains("cannot write") && line.contains(file),
        "{file}: {error}"
    );
    assert!(
        error.contains("hint: ") && error.contains("ulimit -f"),
        "{error}"
    );
    assert!(!error.contains("panicked"), "{error}");
}

/// The text as bgzip, with or without the block that ends a whole file.
pub fn bgzip(text: &[u8], whole: bool) -> Vec<u8> {
    let mut writer = noodles::bgzf::io::Writer::new(Vec::new());
    writer.write_all(text).unwrap();
    let mut bytes = writer.finish().unwrap();
    if !whole {
        bytes.truncate(bytes.len() - 28);
    }
    bytes
}

/// All files below a folder, but `run.json`.
pub fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.ends_with("run.json") => {}
                false => {
                    let name = path.strip_prefix(folder).unwrap().to_path_buf();
                    found.push((name, fs::read(&path).unwrap()));
                }
            }
        }
    }
    found.sort();
    found
}

/// The first line of results, a folder or a file, that has NaN or infinity as a cell of a table or a word of a picture.
#[allow(dead_code, reason = "not of the circumstances in faults/")]
pub fn no_number(results: &Path) -> Option<String> {
    let all = match results.is_dir() {
        true => files(results),
        false => vec![(results.into(), fs::read(results).unwrap_or_default())],
    };
    for (path, bytes) in all {
        let is =
            |endings: &[&str]| (path.extension()).is_some_and(|e| endings.iter().any(|t| e == *t));
        let (table, picture) = (is(&["tsv", "bedGraph", "bed"]), is(&["svg"]));
        for line in String::from_utf8_lossy(&bytes).lines() {
            let no = |cell: &str| {
                let bare = cell.trim_start_matches('-').to_ascii_lowercase();
                bare == "inf" || bare == "infinity" || (bare == "nan" && cell != "nan")
            };
            let word = |c: char| !c.is_ascii_alphanumeric();
            if (table && line.split('\t').any(no)) || (picture && line.split(word).any(no)) {
                return Some(format!("{}: {line}", path.display()));
            }
        }
    }
    None
}
