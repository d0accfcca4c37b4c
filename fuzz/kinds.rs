//! Commands, and the files that they read.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use mpra_score::model::onnx::presets::{self, normal_from};

use crate::support::jobs::{JOBS, bgzip, gwas_table, results, succeed, words};

/// Where every command writes.
pub const OUT: &str = "result";

/// Commands on files that the jobs' table does not name, made by [`more_files`]. They run in this order where
/// they are kept: `> name` is what is kept.
const MORE: [&str; 16] = [
    "score --bed regions.bed --fasta genome.fa --model count.onnx --tasks A --format bigwig",
    "overlap enrichment --scores big.bw --annotation s=sites.bed --bins 9 --bootstrap 5",
    "overlap correlate --scores big.bw --with b.bedGraph --block 50 --bootstrap 5",
    "fdr --pvalues p.tsv --covariate big.bw --bins 1 --bin-size 1",
    "variants --vcf in.bcf --fasta genome.fa --model count.onnx --background none",
    "variants --vcf in.vcf.gz --fasta genome.fa --model count.onnx --background none",
    "variants --vcf in.vcf --fasta genome.fa --model count.onnx --background background.npz",
    "variants --sumstats gwas.tsv --fasta genome.fa --model count.onnx --background none",
    "score --bed regions.bed --fasta packed.fa.gz --model count.onnx --tasks A --format bedgraph",
    "score --bed regions.bed --fasta bare.fa --model count.onnx --tasks A --format bedgraph",
    "score --bed regions.bed --fasta genome.2bit --model count.onnx --tasks A --format bedgraph",
    "predict data.tsv --model weights.txt --max-unknown 0.5 --frame 145",
    "predict data.tsv --model svm.txt --frame 145",
    "score --bed regions.bed --fasta genome.fa --model tower.onnx --format bedgraph --stride 300",
    "score --bed regions.bed --fasta genome.fa --model demo.onnx --tasks K562_minP --method deeplift --format bedgraph",
    "report out/score",
];

/// A command and one of its files.
pub struct Kind {
    /// Words without `--out`.
    pub line: String,
    /// The file that is spoiled.
    pub file: PathBuf,
    /// Whether any change must be noticed.
    pub sealed: bool,
}

impl Kind {
    /// Its name: the subcommand and the file.
    pub fn name(&self) -> String {
        let words = words(&self.line);
        let second = words.get(1).filter(|w| {
            [
                "overlap", "motifs", "train", "model", "evaluate", "variants",
            ]
            .contains(&words[0].as_str())
                && w.chars().all(|c| c.is_ascii_lowercase() || c == '-')
                && !w.starts_with('-')
        });
        let job = match second {
            Some(second) => format!("{} {second}", words[0]),
            None => words[0].clone(),
        };
        format!("{job}: {}", self.file.display())
    }

    /// Whether the file is a network.
    pub fn is_model(&self) -> bool {
        self.file.extension().is_some_and(|e| e == "onnx")
    }

    /// The whole command.
    pub fn words(&self) -> Vec<String> {
        let mut words = words(&self.line);
        let ending = match words[0].as_str() {
            "variants" if self.line.contains("enrich") => "",
            "variants" if self.line.contains("--sumstats") => "/x.tsv",
            "variants" if self.line.contains(".bcf") => "/x.bcf",
            "variants" => "/x.vcf",
            "report" => "/x.html",
            "predict" => "/x.tsv",
            _ => "",
        };
        if !ending.is_empty() {
            let _ = fs::create_dir_all(OUT);
        }
        words.extend(["--out".into(), format!("{OUT}{ending}"), "--quiet".into()]);
        words
    }
}

/// All kinds; makes the files that are missing in the folder.
pub fn all(base: &Path) -> Vec<Kind> {
    if !base.join("out").exists() {
        prepare(base);
    }
    let mut kinds: Vec<Kind> = Vec::new();
    let lines = JOBS.iter().map(|(_, line)| *line).chain(MORE);
    for line in lines {
        for word in words(line) {
            for name in word.split(['=', ',']) {
                let path = base.join(name);
                if path.is_file() {
                    push(&mut kinds, line, name.into());
                } else if path.is_dir() && name.starts_with("out/") {
                    let mut inside: Vec<PathBuf> = (fs::read_dir(&path).into_iter().flatten())
                        .flatten()
                        .map(|e| Path::new(name).join(e.file_name()))
                        .filter(|p| base.join(p).is_file())
                        .collect();
                    inside.sort();
                    for file in inside {
                        push(&mut kinds, line, file);
                    }
                }
            }
        }
        for (fasta, index) in [
            ("genome.fa ", "genome.fa.fai"),
            ("packed.fa.gz", "packed.fa.gz.fai"),
            ("packed.fa.gz", "packed.fa.gz.gzi"),
        ] {
            if line.starts_with("score") && line.contains(fasta) {
                push(&mut kinds, line, index.into());
            }
        }
    }
    kinds
}

/// What every job reads is spoiled for the first of them; what merges must notice everything.
fn push(kinds: &mut Vec<Kind>, line: &str, file: PathBuf) {
    let kind = Kind {
        line: line.into(),
        sealed: line.starts_with("merge"),
        file,
    };
    let common = [
        "genome.fa",
        "genome.fa.fai",
        "regions.bed",
        "count.onnx",
        "known.meme",
    ];
    let seen = |k: &&Kind| {
        k.name() == kind.name()
            || (k.file == kind.file && common.iter().any(|c| kind.file.ends_with(c)))
    };
    // An index that is older than its FASTA hides what else is wrong with that.
    let hidden = kind.file.ends_with("genome.fa");
    if !hidden && !kinds.iter().any(|k| seen(&k)) {
        kinds.push(kind);
    }
}

fn prepare(base: &Path) {
    let write = |name: &str, bytes: &[u8]| fs::write(base.join(name), bytes).expect("a file");
    let read = |name: &str| fs::read(base.join(name)).expect("a file");
    results(base);
    succeed(base, &format!("{} --out big", MORE[0]));
    fs::rename(base.join("big/A.importance.bw"), base.join("big.bw")).expect("a track");
    fs::remove_dir_all(base.join("big")).expect("a folder");
    let variants = "variants --vcf in.vcf --fasta genome.fa --model count.onnx";
    succeed(base, &format!("{variants} --background none --out in.bcf"));
    let background = "--background genome --background-windows 3 --save-background background.npz";
    succeed(base, &format!("{variants} {background} --out dropped.vcf"));
    fs::remove_file(base.join("dropped.vcf")).expect("a file");
    write("in.vcf.gz", &bgzip(&read("in.vcf"), true));
    let genome = read("genome.fa");
    write("bare.fa", &genome);
    write("packed.fa.gz", &bgzip(&genome, true));
    succeed(
        base,
        "score --bed regions.bed --fasta packed.fa.gz --write-index --model count.onnx --tasks A --out dropped",
    );
    fs::remove_dir_all(base.join("dropped")).expect("a folder");
    write(
        "genome.2bit",
        &two_bit(&String::from_utf8(genome).expect("letters")),
    );
    gwas_table(base);
    let mut weights = String::from("#kmer\tweight\n");
    for (i, word) in ["ACG", "CGT", "GGA", "TTC", "AAA", "CCC"]
        .iter()
        .enumerate()
    {
        weights += &format!("{word}\t0.{}\n", i + 1);
    }
    write("weights.txt", weights.as_bytes());
    write("svm.txt", SVM.as_bytes());
    write(
        "tower.onnx",
        &presets::bpnet(&mut normal_from(1), 8).to_bytes(),
    );
}

/// An LS-GKM model of three support vectors.
const SVM: &str = "svm_type c_svc\nkernel_type 2\nL 4\nk 3\nd 1\nM 50\nH 50\ngamma 1\nnorc 0\nnr_class 2\n\
    total_sv 3\nrho 0.1\nlabel 1 -1\nnr_sv 2 1\nSV\n0.5 ACGTACGTAC\n0.25 GGGTTTACGA\n-0.75 TTTTACCCCG\n";

/// A FASTA as a .2bit file (UCSC's specification): runs of N, no masks.
fn two_bit(fasta: &str) -> Vec<u8> {
    let mut contigs: Vec<(String, String)> = Vec::new();
    for line in fasta.lines() {
        match (line.strip_prefix('>'), contigs.last_mut()) {
            (Some(name), _) => {
                let name = name.split_whitespace().next().unwrap_or_default();
                contigs.push((name.into(), String::new()));
            }
            (None, Some((_, bases))) => bases.push_str(line.trim_end()),
            (None, None) => {}
        }
    }
    let u32s =
        |values: &[u32]| -> Vec<u8> { values.iter().flat_map(|v| v.to_le_bytes()).collect() };
    let mut out = u32s(&[0x1A41_2743, 0, contigs.len() as u32, 0]);
    let index: usize = contigs.iter().map(|(name, _)| 1 + name.len() + 4).sum();
    let (mut heads, mut records) = (Vec::new(), Vec::new());
    for (name, bases) in &contigs {
        heads.push(name.len() as u8);
        heads.extend_from_slice(name.as_bytes());
        heads.extend(u32s(&[(16 + index + records.len()) as u32]));
        let bases = bases.to_ascii_uppercase().into_bytes();
        let known = |b: u8| b"TCAG".iter().position(|c| *c == b);
        let (mut starts, mut sizes): (Vec<u32>, Vec<u32>) = Default::default();
        for (at, base) in bases
            .iter()
            .enumerate()
            .filter(|(_, b)| known(**b).is_none())
        {
            let _ = base;
            match starts.last().zip(sizes.last_mut()) {
                Some((start, size)) if start + *size == at as u32 => *size += 1,
                _ => {
                    starts.push(at as u32);
                    sizes.push(1);
                }
            }
        }
        records.extend(u32s(&[bases.len() as u32, starts.len() as u32]));
        records.extend(u32s(&starts));
        records.extend(u32s(&sizes));
        records.extend(u32s(&[0, 0]));
        for four in bases.chunks(4) {
            let code = |i: usize| four.get(i).and_then(|b| known(*b)).unwrap_or(0) as u8;
            records.push(code(0) << 6 | code(1) << 4 | code(2) << 2 | code(3));
        }
    }
    out.extend(heads);
    out.extend(records);
    out
}

/// What is inside a packed file.
pub fn unpacked(file: &Path, bytes: &[u8]) -> Option<Vec<u8>> {
    let packed = file.extension().is_some_and(|e| e == "gz" || e == "bcf");
    let mut inside = Vec::new();
    let mut reader = packed.then(|| flate2::read::MultiGzDecoder::new(bytes))?;
    reader.read_to_end(&mut inside).ok()?;
    Some(inside)
}

/// The same packed again.
pub fn packed(inside: &[u8]) -> Vec<u8> {
    bgzip(inside, true)
}
