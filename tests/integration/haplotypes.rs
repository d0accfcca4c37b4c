//! Haplotypes of a phased VCF, against strings that are cut and joined here.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use crate::support::jobs::{files, folder, outcome, succeed};
use crate::support::{genome, letter, table};

const HEAD: &str = "##fileformat=VCFv4.2\n##contig=<ID=chr1,length=4000>\n##contig=<ID=chr2,length=1000>\n\
    ##FILTER=<ID=q10,Description=\"d\">\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"g\">\n\
    ##FORMAT=<ID=PS,Number=1,Type=Integer,Description=\"p\">\n";
const COLUMNS: &str = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT";

/// A change of the genome: 0-based, so many bases replaced by others.
struct Change {
    contig: &'static str,
    at: usize,
    deleted: usize,
    inserted: &'static str,
    genotypes: &'static str,
}

static GENOME: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(genome);

fn base_at(contig: &str, at: usize) -> char {
    char::from(letter(&GENOME[contig], at as i64))
}

fn letters(contig: &str, from: usize, to: usize) -> String {
    (from..to).map(|at| base_at(contig, at)).collect()
}

/// A base that the genome does not have there.
fn other(contig: &str, at: usize) -> &'static str {
    match &letters(contig, at, at + 1)[..] {
        "A" => "C",
        "C" => "G",
        "G" => "T",
        _ => "A",
    }
}

/// A VCF of changes, hung upon the base before where one side is empty.
fn vcf(samples: &str, changes: &[Change]) -> String {
    let mut text = format!("{HEAD}{COLUMNS}\t{}\n", samples.replace(',', "\t"));
    for change in changes {
        let hung = usize::from(change.deleted == 0 || change.inserted.is_empty());
        let from = change.at - hung;
        let before = letters(change.contig, from, change.at);
        let gone = letters(change.contig, change.at, change.at + change.deleted);
        text += &format!(
            "{}\t{}\t.\t{before}{gone}\t{before}{}\t.\tPASS\t.\tGT\t{}\n",
            change.contig,
            from + 1,
            change.inserted,
            change.genotypes.replace(' ', "\t")
        );
    }
    text
}

fn changes() -> Vec<Change> {
    let snv = |contig, at, genotypes| Change {
        contig,
        at,
        deleted: 1,
        inserted: other(contig, at),
        genotypes,
    };
    let indel = |at, deleted, inserted, genotypes| Change {
        contig: "chr1",
        at,
        deleted,
        inserted,
        genotypes,
    };
    vec![
        snv("chr1", 1040, "0|1 1|1 0|0 1"),
        indel(1055, 0, "GATTACA", "0|1 0|0 1|0 0"),
        snv("chr1", 1070, "1|0 0|1 1|0 0"),
        indel(1081, 4, "", "1|0 0|0 1|0 1"),
        snv("chr1", 1100, "1|1 0|1 0|0 0"),
        indel(1112, 3, "CC", "0|1 0|0 0|0 1"),
        snv("chr1", 1500, "0|1 0|1 0|1 1"),
        snv("chr2", 400, "1|0 0|1 0|0 0"),
    ]
}

/// The sequence of a region of at most a window, of one chromosome of a sample, its middle in column 72.
fn sequence(contig: &str, (from, to): (usize, usize), sample: usize, chromosome: usize) -> String {
    let carried: Vec<Change> = changes()
        .into_iter()
        .filter(|c| {
            let genotype = c.genotypes.split(' ').nth(sample).unwrap();
            c.contig == contig && genotype.split('|').nth(chromosome) == Some("1")
        })
        .collect();
    let length = to - from;
    let middle = from + length / 2;
    // Of odd lengths one more is on the left: floor((length - 145) / 2) before the region.
    let before = middle as i64 - (from as i64 + (length as i64 - 145).div_euclid(2));
    let mut bases: Vec<(char, usize)> = Vec::new();
    for at in 0..GENOME[contig].len() {
        for change in carried.iter().filter(|c| c.at == at) {
            bases.extend(
                change
                    .inserted
                    .chars()
                    .map(|c| (c, if change.deleted > 0 { at } else { 0 })),
            );
        }
        if !carried
            .iter()
            .any(|c| (c.at..c.at + c.deleted).contains(&at))
        {
            bases.push((base_at(contig, at), at));
        }
    }
    let column = bases.iter().position(|(_, at)| *at >= middle).unwrap();
    let start = column - before as usize;
    bases[start..start + 145].iter().map(|(c, _)| *c).collect()
}

/// Sequences of `haplotypes.fa` by name.
fn fasta(path: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(path).unwrap();
    (text.split('>').skip(1))
        .map(|record| {
            let (head, sequence) = record.split_once('\n').unwrap();
            let name = head.split(' ').next().unwrap();
            (name.to_owned(), sequence.trim().to_owned())
        })
        .collect()
}

const JOB: &str = "haplotypes --bed r.bed --fasta genome.fa --model demo.onnx --force";

fn small(here: &Path) {
    fs::write(here.join("p.vcf"), vcf("s1,s2,s3,male", &changes())).unwrap();
    let bed = "chr2\t360\t440\ttwo\nchr1\t1020\t1165\tone\nchr1\t1060\t1101\tshort\nchr1\t2500\t2600\tplain\n";
    fs::write(here.join("r.bed"), bed).unwrap();
}

#[test]
fn sequences_are_those_of_strings_and_activities_those_of_predict() {
    let dir = folder();
    let here = dir.path();
    small(here);
    let said = succeed(here, &format!("{JOB} --vcf p.vcf --sequences --out out"));
    assert!(said.contains("4 regions, 4 samples"), "{said}");
    let found = fasta(&here.join("out/haplotypes.fa"));
    let rows = table(&here.join("out/haplotypes.tsv"));
    let regions = [
        ("two", "chr2", (360, 440)),
        ("one", "chr1", (1020, 1165)),
        ("short", "chr1", (1060, 1101)),
        ("plain", "chr1", (2500, 2600)),
    ];
    let mut seen = 0;
    for (name, contig, bounds) in regions {
        assert_eq!(found[&format!("{name}|H0")], sequence(contig, bounds, 0, 7));
        for (sample, sample_name) in ["s1", "s2", "s3", "male"].iter().enumerate() {
            let of = |row: &&BTreeMap<String, String>| {
                row["region"] == name && row["sample"] == *sample_name
            };
            let chromosomes: Vec<_> = rows.iter().filter(of).collect();
            let ploidy = if *sample_name == "male" && name != "plain" {
                1
            } else {
                2
            };
            assert_eq!(chromosomes.len(), ploidy, "{name} {sample_name}");
            for (chromosome, row) in chromosomes.iter().enumerate() {
                assert_eq!(row["status"], "ok");
                let sequence = sequence(contig, bounds, sample, chromosome);
                let number = &row["sequence"];
                assert_eq!(found[&format!("{name}|{number}")], sequence, "{row:?}");
                seen += 1;
            }
        }
    }
    assert_eq!(rows.len(), seen);
    // Distinct sequences differ.
    let distinct: std::collections::BTreeSet<&String> = found.values().collect();
    assert_eq!(distinct.len(), found.len());
    succeed(
        here,
        "predict out/haplotypes.fa --model demo.onnx --out predicted --force",
    );
    let predicted: BTreeMap<String, f64> = table(&here.join("predicted/predictions.tsv"))
        .iter()
        .map(|row| {
            let task = row.keys().find(|k| k.ends_with(".mean_activity")).unwrap();
            (row["name"].clone(), row[task].parse().unwrap())
        })
        .collect();
    let task = rows[0]
        .keys()
        .find(|k| k.ends_with(".activity"))
        .unwrap()
        .clone();
    for row in &rows {
        let value: f64 = row[&task].parse().unwrap();
        let (own, reference) = (
            predicted[&format!("{}|{}", row["region"], row["sequence"])],
            predicted[&format!("{}|H0", row["region"])],
        );
        assert!((value - own).abs() < 2e-5, "{row:?} {own}");
        let difference: f64 = row[&task.replace(".activity", ".difference")]
            .parse()
            .unwrap();
        assert!((difference - (own - reference)).abs() < 2e-5, "{row:?}");
    }
    let regions = table(&here.join("out/regions.tsv"));
    let names: Vec<&str> = regions.iter().map(|row| row["name"].as_str()).collect();
    assert_eq!(names, ["two", "one", "short", "plain"]);
    let of = |row: usize| {
        ["variants", "haplotypes", "distinct", "most_frequent"].map(|c| regions[row][c].clone())
    };
    assert_eq!(of(0), ["1", "7", "2", "H0"]);
    assert_eq!(of(3), ["0", "8", "1", "H0"]);
    assert_eq!(of(1)[..2], ["6", "7"]);
    assert_eq!(regions[1]["core_start"], "1020");
    assert_eq!(
        (
            regions[2]["core_start"].as_str(),
            regions[2]["core_end"].as_str()
        ),
        ("1008", "1153")
    );
}

/// Writes a VCF as BCF, by another library.
fn bcf(vcf: &Path, bcf: &Path) {
    use noodles::vcf::variant::io::Write;
    let builder = noodles::vcf::io::reader::Builder::default();
    let mut reader = builder.build_from_path(vcf).unwrap();
    let header = reader.read_header().unwrap();
    let mut writer = noodles::bcf::io::Writer::new(fs::File::create(bcf).unwrap());
    writer.write_header(&header).unwrap();
    for record in reader.records() {
        writer
            .write_variant_record(&header, &record.unwrap())
            .unwrap();
    }
    writer.try_finish().unwrap();
}

#[test]
fn text_and_bcf_and_any_threads_give_the_same() {
    let dir = folder();
    let here = dir.path();
    small(here);
    bcf(&here.join("p.vcf"), &here.join("p.bcf"));
    let packed = crate::support::jobs::bgzip(&fs::read(here.join("p.vcf")).unwrap(), true);
    fs::write(here.join("p.vcf.gz"), packed).unwrap();
    let mut all = Vec::new();
    for (vcf, threads) in [("p.vcf", 1), ("p.vcf", 3), ("p.vcf.gz", 2), ("p.bcf", 2)] {
        let line = format!("{JOB} --vcf {vcf} --threads {threads} --sequences --out out");
        succeed(here, &line);
        all.push(files(&here.join("out")));
    }
    for other in &all[1..] {
        assert!(*other == all[0]);
    }
    // Some samples, in another order.
    succeed(
        here,
        &format!("{JOB} --vcf p.bcf --samples male,s1 --out some"),
    );
    let rows = table(&here.join("some/haplotypes.tsv"));
    let whole = table(&here.join("out/haplotypes.tsv"));
    assert_eq!(rows[0]["sample"], "male");
    for row in rows.iter().filter(|row| row["sample"] == "s1") {
        let same = |r: &&BTreeMap<String, String>| {
            ["region", "sample", "haplotype"]
                .iter()
                .all(|c| r[*c] == row[*c])
        };
        let other = whole.iter().find(same).unwrap();
        for (column, value) in row.iter().filter(|(c, _)| *c != "sequence") {
            assert_eq!(value, &other[column], "{column}");
        }
    }
}

#[test]
fn long_regions_have_the_mean_of_their_windows() {
    let dir = folder();
    let here = dir.path();
    small(here);
    fs::write(here.join("r.bed"), "chr1\t1000\t1296\tlong\n").unwrap();
    let job = JOB.replace("demo.onnx", "count.onnx");
    succeed(here, &format!("{job} --vcf p.vcf --sequences --out out"));
    // 296 bases take seven windows of 145, 29 apart: 319 bases, 12 of them before the region.
    let found = fasta(&here.join("out/haplotypes.fa"));
    assert_eq!(found["long|H0"], letters("chr1", 988, 1307));
    let rows = table(&here.join("out/haplotypes.tsv"));
    for row in &rows {
        let bases = found[&format!("long|{}", row["sequence"])].as_bytes();
        let counts = (0..7).map(|k| {
            bases[29 * k..29 * k + 145]
                .iter()
                .filter(|b| **b == b'G')
                .count()
        });
        let mean = counts.sum::<usize>() as f64 / 7.0;
        let value: f64 = row["G.activity"].parse().unwrap();
        assert!((mean - value).abs() < 1e-4, "{row:?} {mean}");
    }
    assert!(rows.iter().any(|row| row["G.difference"] != "0"));
}

#[test]
fn what_is_not_made_is_told() {
    let dir = folder();
    let here = dir.path();
    let base = |at: usize| letters("chr1", at - 1, at);
    let snv = |at: usize, rest: &str| {
        format!(
            "chr1\t{at}\t.\t{}\t{}\t.\t{rest}\n",
            base(at),
            other("chr1", at - 1)
        )
    };
    let wrong = other("chr1", 1049);
    let text = [
        format!("{HEAD}{COLUMNS}\ta\tb\n"),
        snv(1040, "PASS\t.\tGT\t0/1\t1|0"),
        format!(
            "chr1\t1050\trs1\t{wrong}\t{}\t.\tPASS\t.\tGT\t1|1\t0|1\n",
            base(1050)
        ),
        format!(
            "chr1\t1060\t.\t{}\t<DEL>\t.\tPASS\t.\tGT\t0|0\t0|1\n",
            base(1060)
        ),
        snv(1070, "q10\t.\tGT\t0|0\t1|1"),
        format!(
            "chr1\t1080\t.\t{}\t{}\t.\tPASS\t.\tGT\t0|0\t1|0\n",
            letters("chr1", 1079, 1083),
            base(1080)
        ),
        snv(1082, "PASS\t.\tGT\t0|0\t1|."),
    ]
    .concat();
    fs::write(here.join("p.vcf"), text).unwrap();
    fs::write(here.join("r.bed"), "chr1\t1020\t1165\tone\nchrZ\t1\t9\tz\n").unwrap();
    let job = format!("{JOB} --vcf p.vcf --skip-invalid --out out");
    let said = succeed(here, &job);
    assert!(
        said.contains("REF differs from the genome in 1 of 6 records"),
        "{said}"
    );
    let rows = table(&here.join("out/haplotypes.tsv"));
    let cells = |row: usize| {
        [
            "sample",
            "haplotype",
            "status",
            "variants",
            "left_out",
            "missing",
        ]
        .map(|c| rows[row][c].clone())
    };
    assert_eq!(cells(0), ["a", "NA", "unphased", "NA", "NA", "NA"]);
    assert_eq!(cells(1), ["b", "1", "conflict", "3", "1", "0"]);
    assert_eq!(cells(2), ["b", "2", "incomplete", "1", "2", "1"]);
    assert_eq!(rows.len(), 3);
    let skipped = table(&here.join("out/skipped.tsv"));
    let cells: Vec<[String; 4]> = skipped
        .iter()
        .map(|r| ["pos", "id", "reason", "haplotypes"].map(|c| r[c].clone()))
        .collect();
    let expected = [
        ["1050", "rs1", "ref_mismatch", "1"],
        ["1060", ".", "symbolic", "1"],
        ["1082", ".", "conflict", "1"],
    ];
    assert_eq!(cells, expected.map(|row| row.map(String::from)));
    let regions = table(&here.join("out/regions.tsv"));
    assert_eq!(
        (regions[0]["status"].as_str(), regions[1]["status"].as_str()),
        ("ok", "unknown_contig")
    );
    assert_eq!(regions[0]["samples_refused"], "1");
    // Phased as written, and without what does not pass.
    succeed(here, &format!("{job} --assume-phased --pass-only"));
    let rows = table(&here.join("out/haplotypes.tsv"));
    let cells: Vec<[String; 3]> = rows
        .iter()
        .map(|r| ["sample", "status", "variants"].map(|c| r[c].clone()))
        .collect();
    let expected = [
        ["a", "incomplete", "0"],
        ["a", "incomplete", "1"],
        ["b", "conflict", "2"],
        ["b", "incomplete", "0"],
    ];
    assert_eq!(cells, expected.map(|row| row.map(String::from)));
}

#[test]
fn bad_inputs_are_refused_with_words() {
    let dir = folder();
    let here = dir.path();
    small(here);
    let head = format!("{HEAD}{COLUMNS}\ta\n");
    let at = |contig: &str, position: usize, rest: &str| {
        format!("{contig}\t{position}\t.\t{rest}\t.\tPASS\t.\tGT")
    };
    let base = |at: usize| letters("chr1", at - 1, at);
    let one = |at_: usize, genotype: &str| {
        let alleles = format!("{}\t{}", base(at_), other("chr1", at_ - 1));
        format!("{}\t{genotype}\n", at("chr1", at_, &alleles))
    };
    let wrong = |position: usize| {
        let alleles = format!("{}\t{}", other("chr1", position - 1), base(position));
        format!("{}\t0|1\n", at("chr1", position, &alleles))
    };
    let write = |name: &str, text: String| fs::write(here.join(name), text).unwrap();
    write(
        "unsorted.vcf",
        format!("{head}{}{}", one(1100, "0|1"), one(1050, "0|1")),
    );
    let back = format!(
        "{head}{}{}\t0|1\n{}",
        one(1100, "0|1"),
        at("chr2", 5, "A\tC"),
        one(1200, "0|1")
    );
    write("back.vcf", back);
    write(
        "mismatch.vcf",
        format!("{head}{}{}", wrong(1050), wrong(1060)),
    );
    write(
        "elsewhere.vcf",
        format!("{head}{}\t0|1\n", at("1", 5, "A\tC")),
    );
    write("genotype.vcf", format!("{head}{}", one(1050, "0|2")));
    write(
        "sites.vcf",
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n".into(),
    );
    write("twice.vcf", format!("{HEAD}{COLUMNS}\ta\ta\n"));
    write("z.bed", "chrZ\t1\t9\n".into());
    for (line, part, hint) in [
        (
            "--vcf unsorted.vcf",
            "position 1050 after 1100 on chr1",
            "bcftools sort",
        ),
        (
            "--vcf back.vcf",
            "chr1 comes a second time",
            "bcftools sort",
        ),
        (
            "--vcf mismatch.vcf",
            "REF differs from the genome in all 2 records",
            "another genome build",
        ),
        (
            "--vcf elsewhere.vcf",
            "the first is on \"1\"",
            "ucsc-ensembl",
        ),
        ("--vcf genotype.vcf", "the genotype \"0|2\" of sample 1", ""),
        ("--vcf sites.vcf", "has no samples", "mpra-score variants"),
        ("--vcf twice.vcf", "sample \"a\" occurs twice", ""),
        (
            "--vcf p.vcf --samples s1,s9",
            "no sample \"s9\"",
            "bcftools query -l",
        ),
        (
            "--vcf p.vcf --samples s1,s1",
            "sample \"s1\" occurs twice",
            "",
        ),
        ("--vcf r.bed", "expected ##fileformat=VCF", ""),
        ("--vcf p.vcf --stride 146", "stride", ""),
        ("--vcf p.vcf --tasks none", "no task \"none\"", ""),
        ("--vcf p.vcf --bed z.bed", "chrZ", "--skip-invalid"),
    ] {
        let job = match line.contains("--bed") {
            true => JOB.replace("--bed r.bed", ""),
            false => JOB.to_owned(),
        };
        let (code, error) = outcome(here, &format!("{job} {line} --out bad"));
        assert_eq!(code, 1, "{line}: {error}");
        assert!(
            error.contains(part) && error.contains(hint),
            "{line}: {error}"
        );
        assert!(!here.join("bad").exists(), "{line}");
    }
}
