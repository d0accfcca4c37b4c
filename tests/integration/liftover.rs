//! Jobs on coordinates of another build give what they give on those of the FASTA.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::jobs::{folder, outcome, program, succeed};
use crate::support::variants::{info, records};
use crate::support::{genome, letter, table};

/// The old build has one contig, `o`:
/// - 100..1100 and 1105..2205 are `chr1` 0..1000 and 1010..2110;
/// - 3000..4000 is `chr2` 0..1000, read backwards;
/// - 3990..4100 is `chr10` 0..110;
/// - 5000..5100 is `z`, which the FASTA lacks.
const CHAINS: &str = "chain 1000 o 9000 + 100 2205 chr1 4000 + 0 2110 1\n1000\t5\t10\n1100\n\n\
    chain 900 o 9000 + 3000 4000 chr2 1000 - 0 1000 2\n1000\n\n\
    chain 5 o 9000 + 3990 4100 chr10 300 + 0 110 3\n110\n\n\
    chain 4 o 9000 + 5000 5100 z 100 + 0 100 4\n100\n";

/// Rows of the old build that are lifted, the same of the new one, and those that are lost.
const OLD: &str = "o\t700\t900\tfirst\t0\t+\no\t3100\t3300\tsecond\t5\t+\no\t2050 \t2150\n";
const NEW: &str = "chr1\t600\t800\tfirst\t0\t+\nchr2\t700\t900\tsecond\t5\t-\nchr1\t1955\t2055\n";
const LOST: [(&str, &str); 6] = [
    ("Partially deleted in new", "o\t1090\t1120\ta b\t7\t-"),
    ("Deleted in new", "o\t1101\t1104"),
    ("Duplicated in new", "o\t3991\t3995\td"),
    ("Split in new", "o\t3900\t4101"),
    ("Contig not in the FASTA", "o\t5000\t5010"),
    ("Contig not in the chain file", "chr1\t5\t10"),
];

fn old_build() -> TempDir {
    let dir = folder();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("old.chain", CHAINS);
    let lost: String = LOST.iter().map(|(_, row)| format!("{row}\n")).collect();
    let old = OLD.replace(" \t", "\t");
    write("old.bed", &format!("track name=x\n{lost}{old}"));
    write("new.bed", NEW);
    dir
}

fn rejected() -> String {
    let rows = LOST.iter().map(|(why, row)| format!("#{why}\n{row}\n"));
    rows.collect()
}

fn run_json(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("run.json")).unwrap()).unwrap()
}

/// All files of the results but run.json, by name.
fn results(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let names = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<(String, Vec<u8>)> = names
        .filter(|path| path.is_file() && path.file_name().unwrap() != "run.json")
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

const SCORE: &str = "--fasta genome.fa --model count.onnx --format bedgraph --windows";

#[test]
fn regions_of_another_build() {
    let dir = old_build();
    let here = dir.path();
    succeed(here, &format!("--bed new.bed {SCORE} --out new"));
    let line = format!("--bed old.bed --liftover old.chain {SCORE}");
    let said = succeed(here, &format!("{line} --out old"));
    assert!(
        said.contains("6 regions could not be lifted")
            && said.contains("1 Deleted in new, 1 Duplicated in new"),
        "{said}"
    );
    let mut lifted = results(&here.join("old"));
    let at = lifted.iter().position(|f| f.0 == "rejected.bed").unwrap();
    let text = String::from_utf8(lifted.remove(at).1).unwrap();
    assert_eq!(text, rejected());
    assert_eq!(lifted, results(&here.join("new")));

    let run = run_json(&here.join("old"));
    assert_eq!(run["counts"]["rows"], 3);
    assert_eq!(run["counts"]["rows_not_lifted"]["Split in new"], 1);
    let chain = (run["inputs"].as_array().unwrap().iter()).find(|i| i["role"] == "chain");
    assert_eq!(run["settings"]["liftover"], chain.unwrap()["sha256"]);
    assert!(run_json(&here.join("new"))["settings"]["liftover"].is_null());

    // The file may lie elsewhere, where nothing is replaced unasked.
    succeed(here, &format!("{line} --out else --rejects lost.bed"));
    assert_eq!(
        fs::read_to_string(here.join("lost.bed")).unwrap(),
        rejected()
    );
    assert!(!here.join("else/rejected.bed").exists());
    let (code, error) = outcome(here, &format!("{line} --out more --rejects lost.bed"));
    assert!(code == 1 && error.contains("is there already"), "{error}");

    // Places of the command line, 1-based.
    let line = format!("--region o:701-900 --liftover old.chain {SCORE} --out place");
    succeed(here, &line);
    let rows = table(&here.join("place/regions.tsv"));
    let place: Vec<&str> = ["contig", "start", "end", "name"]
        .map(|c| rows[0][c].as_str())
        .into();
    assert_eq!(place, ["chr1", "600", "800", "o:701-900"]);
}

#[test]
fn parts_of_a_lifted_job_make_the_whole() {
    let dir = old_build();
    let here = dir.path();
    let line = format!("--bed old.bed --liftover old.chain {SCORE}");
    succeed(here, &format!("{line} --out whole"));
    for part in [1, 2] {
        succeed(here, &format!("{line} --shard {part}/2 --out part{part}"));
    }
    succeed(here, "merge part1 part2 --out merged");
    assert_eq!(results(&here.join("merged")), results(&here.join("whole")));
    let count = |name: &str| run_json(&here.join(name))["counts"]["rows_not_lifted"].clone();
    assert!(count("whole").is_object() && count("whole") == count("merged"));
    // Another chain file makes another job, though it lifts alike.
    fs::write(here.join("old.chain"), format!("# new\n{CHAINS}")).unwrap();
    succeed(here, &format!("{line} --shard 2/2 --out part2 --force"));
    let (code, error) = outcome(here, "merge part1 part2 --out again");
    assert!(
        code == 1 && error.contains("settings liftover differ"),
        "{error}"
    );
}

#[test]
fn nothing_is_lifted_by_the_wrong_chains() {
    let dir = old_build();
    let here = dir.path();
    let run = |rest: &str| outcome(here, &format!("{SCORE} --out out {rest}"));
    fs::write(here.join("chr.chain"), CHAINS.replace(" o ", " chr7 ")).unwrap();
    fs::write(here.join("7.bed"), "7\t700\t900\n").unwrap();
    let (code, error) = run("--bed 7.bed --liftover chr.chain");
    assert!(
        code == 1 && error.contains("none of 1 row(s) could be lifted; 1 Contig"),
        "{error}"
    );
    assert!(error.contains("--chrom-alias ucsc-ensembl"), "{error}");
    let (code, _) = run("--bed 7.bed --liftover chr.chain --chrom-alias ucsc-ensembl");
    assert_eq!(code, 0);
    // From the FASTA's build to another.
    fs::write(
        here.join("back.chain"),
        "chain 9 chr1 4000 + 0 4000 chr1 4010 + 10 4010 1\n4000\n",
    )
    .unwrap();
    let (code, error) = run("--bed new.bed --liftover back.chain --force");
    assert!(code == 1 && error.contains("other direction"), "{error}");
    let (code, error) = run("--bed old.bed --liftover old.bed --force");
    assert!(code == 1 && error.contains("old.bed, line 1"), "{error}");
    let (code, _) = run("--genome --liftover old.chain");
    assert_eq!(code, 2);
    assert_eq!(run("--bed old.bed --rejects x.bed").0, 2);
}

/// Variants of the old build, as `POS ID REF ALT` with INFO, and what is lost of them.
struct Variants {
    lifted: Vec<String>,
    lost: Vec<(&'static str, String)>,
}

fn variants() -> Variants {
    let genome = genome();
    let base = |contig: &str, at: i64| letter(&genome[contig], at);
    let bases = |contig: &str, from: i64, to: i64| -> Vec<u8> {
        (from..to).map(|at| base(contig, at)).collect()
    };
    let text = |letters: &[u8]| String::from_utf8(letters.to_vec()).unwrap();
    let turned = |letters: &[u8]| text(&bio::alphabets::dna::revcomp(letters));
    let other = |letter: u8| if letter == b'C' { 'A' } else { 'C' };
    let one = |at: i64| char::from(base("chr1", at));
    let mut lifted = vec![
        format!("720 snv {} {},* . DP=3", one(619), other(base("chr1", 619))),
        // END is that of REF, and goes with it.
        format!(
            "741 end {} {} . END=741;DP=3",
            one(640),
            other(base("chr1", 640))
        ),
        format!("760 ins {0} {0}ACAC . .", one(659)),
        format!(
            "1300 past {} {} . MPRA_LIFT_FROM=x:1:+",
            one(1204),
            other(base("chr1", 1204))
        ),
    ];
    // chr2 at `p` is `o` at 3999 - p, 0-based.
    let minus = |name: &str, from: i64, to: i64, alt: &str| {
        let reference = turned(&bases("chr2", from, to));
        let changed = other(reference.as_bytes()[0]).to_string();
        let alt = alt.replace('=', &reference[..1]).replace('!', &changed);
        format!("{} {name} {reference} {alt} . DP=1", 4000 - to + 1)
    };
    lifted.push(minus("minus", 250, 251, "!"));
    lifted.push(minus("gone", 460, 464, "="));
    lifted.push(minus("more", 500, 501, "=GATTA,=GA"));
    let swapped = format!("770 swapped {} {} . .", other(base("chr1", 669)), one(669));
    let differs = {
        let mut letters = b"ACGT".iter().filter(|l| **l != base("chr1", 679));
        let (a, b) = (*letters.next().unwrap(), *letters.next().unwrap());
        format!("780 differs {} {} . X;Y=1", char::from(a), char::from(b))
    };
    let lost = vec![
        ("Deleted_in_new", "1102 deleted A C . .".to_owned()),
        ("Partially_deleted_in_new", "1098 part ACGTAC A . .".into()),
        ("Duplicated_in_new", "3995 twice A C . .".into()),
        ("Contig_not_in_the_FASTA", "5001 z A C . .".into()),
        ("REF_differs_from_the_new_genome", differs),
        ("REF_and_ALT_swapped_in_the_new_build", swapped),
        (
            "Indel_at_a_gap_of_the_alignment",
            format!("1100 gap {0} {0}{0} . .", one(999)),
        ),
        (
            "Symbolic_allele_or_breakend",
            "720 del A <DEL> . END=800".into(),
        ),
        ("END_is_not_that_of_REF", "720 block A <*> . END=800".into()),
        ("REF_or_ALT_is_no_bases", "720 none A - . .".into()),
        ("No_base_there", "0 telomere N <NON_REF> . .".into()),
    ];
    Variants { lifted, lost }
}

const HEAD: &str = "##fileformat=VCFv4.2\n##reference=old.fa\n##contig=<ID=o,length=9000>\n\
    ##INFO=<ID=DP,Number=1,Type=Integer,Description=\"d\">\n\
    ##INFO=<ID=END,Number=1,Type=Integer,Description=\"e\">\n\
    ##INFO=<ID=X,Number=0,Type=Flag,Description=\"x\">\n\
    ##INFO=<ID=Y,Number=1,Type=Integer,Description=\"y\">\n\
    #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n";

/// A line of a VCF of `POS ID REF ALT FILTER INFO`.
fn line(record: &str) -> String {
    let words: Vec<&str> = record.split(' ').collect();
    let [pos, id, reference, alt, filter, info] = words[..] else {
        panic!("{record}");
    };
    format!("o\t{pos}\t{id}\t{reference}\t{alt}\t30\t{filter}\t{info}\n")
}

fn old_variants(here: &Path) -> Variants {
    let variants = variants();
    let lost = variants.lost.iter().map(|(_, record)| line(record));
    let lifted = variants.lifted.iter().map(|record| line(record));
    let text: String = lost.chain(lifted).collect();
    fs::write(here.join("old.vcf"), format!("{HEAD}{text}")).unwrap();
    variants
}

const VARIANTS: &str = "variants --fasta genome.fa --model count.onnx --background none";

#[test]
fn variants_of_another_build() {
    let dir = old_build();
    let here = dir.path();
    let expected = old_variants(here);
    let job = format!("{VARIANTS} --vcf old.vcf --liftover old.chain");
    let said = succeed(
        here,
        &format!("{job} --out out.vcf --table out.tsv --plots plots"),
    );
    assert!(
        said.contains("11 records or positions could not be lifted"),
        "{said}"
    );
    let lifted = records(&here.join("out.vcf"));
    let from: Vec<String> = lifted
        .iter()
        .map(|r| info(r)["MPRA_LIFT_FROM"].clone())
        .collect();
    let strand = |id: &str| match ["minus", "gone", "more"].contains(&id) {
        true => '-',
        false => '+',
    };
    for ((record, from), old) in lifted.iter().zip(&from).zip(&expected.lifted) {
        let words: Vec<&str> = old.split(' ').collect();
        assert_eq!(record[2], words[1]);
        assert_eq!(*from, format!("o:{}:{}", words[0], strand(words[1])));
        assert_eq!(record[5], "30");
    }
    assert_eq!(lifted.len(), expected.lifted.len());
    let place = |at: usize| (lifted[at][0].as_str(), lifted[at][1].as_str());
    assert_eq!(place(0), ("chr1", "620"));
    assert_eq!(
        (place(1), info(&lifted[1])["END"].as_str()),
        (("chr1", "641"), "641")
    );
    assert_eq!(place(3), ("chr1", "1205"));
    assert_eq!(place(4), ("chr2", "251"));
    assert_eq!(info(&lifted[0])["DP"], "3");

    // The same records without lifting have the same effects; they are written where the genome has REF.
    let text = fs::read_to_string(here.join("out.vcf")).unwrap();
    let header: Vec<&str> = text.lines().filter(|l| l.starts_with("##")).collect();
    assert!(header.contains(&"##contig=<ID=chr1,length=4000>"), "{text}");
    assert!(
        !text.contains("ID=o,") && !text.contains("##reference"),
        "{text}"
    );
    succeed(here, &format!("{VARIANTS} --vcf out.vcf --out again.vcf"));
    let again = records(&here.join("again.vcf"));
    assert_eq!(again, lifted);
    for record in &lifted {
        let info = info(record);
        let skip = info.get("MPRA_SKIP").map_or("", String::as_str);
        assert!(
            !skip.contains("ref_mismatch") && info.contains_key("MPRA_MAX"),
            "{record:?}"
        );
    }

    // What is lost is a VCF, each record as it was, with its reason.
    let lost = records(&here.join("out.rejected.vcf"));
    for ((why, record), found) in expected.lost.iter().zip(&lost) {
        let mut found = found.clone();
        assert_eq!(info(&found)["MPRA_LIFT_LOST"], *why, "{record}");
        let reason = format!("MPRA_LIFT_LOST={why}");
        found[7] = match found[7].strip_suffix(&reason) {
            Some("") => ".".into(),
            Some(rest) => rest.trim_end_matches(';').into(),
            None => panic!("{found:?}"),
        };
        assert_eq!(found.join("\t") + "\n", line(record));
    }
    assert_eq!(lost.len(), expected.lost.len());
    let run = run_json(&here.join("plots"));
    assert_eq!(run["counts"]["rows_not_lifted"]["Deleted in new"], 1);

    // They can be given once more, and are lost once more.
    let (code, error) = outcome(
        here,
        &format!("{VARIANTS} --vcf out.rejected.vcf --liftover old.chain --out o.vcf"),
    );
    assert!(
        code == 1 && error.contains("none of 11 row(s) could be lifted"),
        "{error}"
    );
}

#[test]
fn lifted_variants_in_every_format() {
    let dir = old_build();
    let here = dir.path();
    old_variants(here);
    let job = |input: &str, out: &str| {
        let line = format!("{VARIANTS} --vcf {input} --liftover old.chain --out {out} --force");
        succeed(here, &line);
        let rejects = out.split('.').next().unwrap().to_owned() + ".rejected.vcf";
        let text = fs::read_to_string(here.join(rejects)).unwrap();
        text.lines()
            .filter(|l| !l.starts_with('#'))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let body = |name: &str| records(&here.join(name));
    let lost = job("old.vcf", "a.vcf");
    // To BCF and back; from BCF, to BCF and to text.
    assert_eq!(job("old.vcf", "b.bcf"), lost);
    succeed(here, &format!("{VARIANTS} --vcf b.bcf --out c.vcf"));
    assert_eq!(body("c.vcf"), body("a.vcf"));
    // The old genome is unknown: its BCF has nothing but words on that, which are replaced.
    fs::write(here.join("o.fa"), format!(">o\n{}\n", "N".repeat(9_000))).unwrap();
    let line = VARIANTS.replace("genome.fa", "o.fa");
    succeed(here, &format!("{line} --vcf old.vcf --out old.bcf"));
    assert_eq!(job("old.bcf", "d.vcf").len(), lost.len());
    assert_eq!(body("d.vcf"), body("a.vcf"));
    job("old.bcf", "e.bcf");
    succeed(here, &format!("{VARIANTS} --vcf e.bcf --out f.vcf"));
    assert_eq!(body("f.vcf"), body("d.vcf"));
    // In any number of threads.
    for threads in [1, 5] {
        let line = format!(
            "{VARIANTS} --vcf old.vcf --liftover old.chain --out g.vcf --threads {threads} --force"
        );
        succeed(here, &line);
        assert_eq!(body("g.vcf"), body("a.vcf"));
    }
    // Standard output has no file beside it.
    let line = format!("{VARIANTS} --vcf old.vcf --liftover old.chain --out -");
    let (code, error) = outcome(here, &line);
    assert!(code == 1 && error.contains("--rejects FILE"), "{error}");
    let output = program(here, &format!("{line} --rejects lost.vcf"));
    let text = String::from_utf8(output.stdout).unwrap();
    let printed: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
    assert_eq!(printed.len(), body("a.vcf").len());
    assert_eq!(records(&here.join("lost.vcf")).len(), lost.len());
}

#[test]
fn positions_of_another_build() {
    let dir = old_build();
    let here = dir.path();
    fs::write(
        here.join("old.bed"),
        "o\t719\t720\trs1\no\t1098\t1107\tover a gap\no\t3249\t3251\no\t1102\t1104\tx\t5\no\t9\t9\n",
    )
    .unwrap();
    let job = format!("{VARIANTS} --bed old.bed --liftover old.chain");
    let said = succeed(here, &format!("{job} --out out.vcf"));
    assert!(
        said.contains("8 records or positions could not be lifted"),
        "{said}"
    );
    let lost = fs::read_to_string(here.join("out.rejected.bed")).unwrap();
    assert_eq!(
        lost,
        "#Deleted in new\no\t1100\t1105\tover a gap\n\
         #Deleted in new\no\t1102\t1104\tx\t5\n#No base there\no\t9\t9\n"
    );
    let lifted = records(&here.join("out.vcf"));
    let from: Vec<String> = (lifted.iter())
        .map(|r| format!("{}:{} {} {}", r[0], r[1], r[2], info(r)["MPRA_LIFT_FROM"]))
        .collect();
    assert_eq!(
        from,
        [
            "chr1:620 rs1 o:720:+",
            "chr1:999 over_a_gap o:1099:+",
            "chr1:1000 over_a_gap o:1100:+",
            "chr1:1011 over_a_gap o:1106:+",
            "chr1:1012 over_a_gap o:1107:+",
            "chr2:751 . o:3250:-",
            "chr2:750 . o:3251:-",
        ]
    );
    // As positions of the new build give it.
    let rows: String = (lifted.iter())
        .map(|r| {
            let at: u32 = r[1].parse().unwrap();
            format!("{}\t{}\t{at}\t{}\n", r[0], at - 1, r[2])
        })
        .collect();
    fs::write(here.join("new.bed"), rows).unwrap();
    succeed(here, &format!("{VARIANTS} --bed new.bed --out new.vcf"));
    let without = |name: &str| -> Vec<Vec<String>> {
        let mut rows = records(&here.join(name));
        for row in &mut rows {
            let info = row[7]
                .split(';')
                .filter(|e| !e.starts_with("MPRA_LIFT_FROM"));
            row[7] = info.collect::<Vec<_>>().join(";");
        }
        rows
    };
    assert_eq!(without("out.vcf"), without("new.vcf"));
    // Into a BCF, where INFO is typed.
    succeed(here, &format!("{job} --out out.bcf --force"));
    succeed(here, &format!("{VARIANTS} --vcf out.bcf --out back.vcf"));
    assert_eq!(records(&here.join("back.vcf")), lifted);
}

#[test]
fn headers_explain_what_the_wrong_build_does() {
    let dir = folder();
    let here = dir.path();
    let genome = genome();
    let mut text = String::from(
        "##fileformat=VCFv4.2\n##contig=<ID=chr1,length=5000>\n\
         #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n",
    );
    for at in [620, 650, 702] {
        let wrong = if letter(&genome["chr1"], at - 1) == b'A' {
            'C'
        } else {
            'A'
        };
        text += &format!("chr1\t{at}\t.\t{wrong}\tG\t.\t.\t.\n");
    }
    fs::write(here.join("wrong.vcf"), &text).unwrap();
    let (code, error) = outcome(here, &format!("{VARIANTS} --vcf wrong.vcf --out out.vcf"));
    let told = "the header of wrong.vcf gives chr1 5,000 bases, the FASTA 4,000";
    assert!(code == 1 && error.contains(told), "{error}");
    // A known build against one that is not known says nothing before.
    let human = text.replace("length=5000", "length=248956422");
    fs::write(here.join("wrong.vcf"), human).unwrap();
    let (_, error) = outcome(here, &format!("{VARIANTS} --vcf wrong.vcf --out out.vcf"));
    assert!(error.contains("gives chr1 248,956,422 bases"), "{error}");
}

#[allow(dead_code)] // it has a `main` of its own
#[path = "../../examples/lift_bed.rs"]
mod lift_bed;

#[test]
fn the_example_lifts_as_the_job_does() {
    let dir = old_build();
    let file = |name: &str| -> PathBuf { dir.path().join(name) };
    let aliases = mpra_score::genome::Aliases::None;
    let chains = mpra_score::liftover::Chains::read(&file("old.chain"), &aliases).unwrap();
    let (mut lifted, mut lost) = (Vec::new(), Vec::new());
    lift_bed::lift(&chains, &file("old.bed"), &mut lifted, &mut lost).unwrap();
    // It knows no FASTA, which lacks one contig.
    let lost = String::from_utf8(lost).unwrap();
    let known = rejected().replace("#Contig not in the FASTA\no\t5000\t5010\n", "");
    assert_eq!(lost, known);
    assert_eq!(
        String::from_utf8(lifted).unwrap(),
        "z\t0\t10\t.\t0\t.\nchr1\t600\t800\tfirst\t0\t+\nchr2\t700\t900\tsecond\t0\t-\n\
         chr1\t1955\t2055\t.\t0\t.\n"
    );
}
