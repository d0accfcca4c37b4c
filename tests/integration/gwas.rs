//! GWAS tables: effects in the table's direction, every column back, loci; against the job on a VCF.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use crate::support::variants::{info, job, records, run, text, vcf};
use crate::support::{fixture, genome, letter};

const MODEL: &str = "cnn_4w.onnx";

/// Runs the program on a table; standard error.
fn sumstats(folder: &Path, table: &str, more: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mpra-score"))
        .current_dir(folder)
        .args(["variants", "--sumstats", table, "--fasta"])
        .arg(fixture("genome.fa"))
        .arg("--model")
        .arg(fixture("models").join(MODEL))
        .args(["--force", "--out", "out.tsv"])
        .args(more)
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    (output.status.success(), error)
}

/// Rows by the names of their columns.
fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = text(path);
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split('\t').collect();
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            assert_eq!(cells.len(), names.len(), "{line}");
            let pairs = names.iter().zip(cells);
            pairs
                .map(|(n, c)| ((*n).to_owned(), c.to_owned()))
                .collect()
        })
        .collect()
}

fn complement(base: char) -> char {
    match base {
        'A' => 'T',
        'C' => 'G',
        'G' => 'C',
        'T' => 'A',
        other => other,
    }
}

fn base(contig: &str, position: u32) -> char {
    char::from(letter(&genome()[contig], i64::from(position) - 1))
}

/// The transition of a base, which is no palindrome.
fn transition(base: char) -> char {
    match base {
        'A' => 'G',
        'G' => 'A',
        'C' => 'T',
        _ => 'C',
    }
}

#[test]
fn effects_in_the_tables_direction() {
    let dir = tempfile::tempdir().unwrap();
    let places = [
        ("chr1", 1240),
        ("chr1", 1302),
        ("chr2", 442),
        ("chr1", 1410),
    ];
    let mut table = String::from("SNP\tCHR\tBP\tA1\tA2\tBETA\tSE\tP\tnote\n");
    let mut of_vcf = Vec::new();
    for (contig, at) in places {
        let (r, a) = (base(contig, at), transition(base(contig, at)));
        let code = contig.trim_start_matches("chr");
        of_vcf.push(format!("{contig} {at} x {r} {a}"));
        for (effect, other) in [(a, r), (r, a), (complement(a), complement(r))] {
            table += &format!(
                "rs{at}\t{code}\t{at}\t{effect}\t{other}\t0.1\t0.05\t0.04\tkept, \"as is\"\n"
            );
        }
    }
    // A palindrome, an insertion, alleles of another place, nothing.
    let r = base("chr1", 1500);
    table += &format!("pal\t1\t1500\t{}\t{r}\t0.1\t0.05\t0.04\tp\n", complement(r));
    table += &format!("ins\t1\t1500\t{r}ACGTTG\t{r}\t0.1\t0.05\t0.04\ti\n");
    table += &format!(
        "far\t1\t1500\t{}G\t{}T\t0.1\t0.05\t0.04\tf\n",
        transition(r),
        transition(r)
    );
    table += "none\t1\tNA\tA\tC\t0.1\t0.05\tNA\tn\nid\t1\t1500\tI\tD\t0.1\t0.05\t0.5\td\noff\t9\t1500\tA\tC\t0.1\t0.05\t0.5\to\nbare\t1\t1500\tNA\tNA\t0.1\t0.05\t0.5\tb\n";
    fs::write(dir.path().join("gwas.tsv"), &table).unwrap();
    let (good, error) = sumstats(dir.path(), "gwas.tsv", &["--background", "none"]);
    assert!(good, "{error}");
    assert!(error.contains("effect_allele from A1"), "{error}");
    let found = rows(&dir.path().join("out.tsv"));

    // Every cell of the table is there as it was.
    let given = table.lines().skip(1);
    let whole = text(&dir.path().join("out.tsv"));
    for (line, out) in given.zip(whole.lines().skip(1)) {
        assert!(out.starts_with(&format!("{line}\t")), "{out}");
    }
    // The same as the job on a VCF, in the table's direction.
    let input = vcf(dir.path(), &of_vcf);
    let scored = dir.path().join("scored.vcf");
    run(&job(MODEL, &input, &scored)).unwrap();
    for (record, rows) in records(&scored).iter().zip(found.chunks(3)) {
        let fields = info(record);
        let tasks = fields.keys().filter(|k| *k != "MPRA_MAX");
        for task in tasks {
            let expected: f32 = fields[task].parse().unwrap();
            let of = |i: usize| rows[i][task].parse::<f32>().unwrap();
            assert_eq!(
                [of(0), of(1), of(2)],
                [expected, -expected, expected],
                "{task}"
            );
        }
        let word = |i: usize| rows[i]["MPRA_EFFECT_ALLELE"].as_str();
        assert_eq!(
            [word(0), word(1), word(2)],
            ["alt", "ref", "alt,complement"]
        );
        let site = format!("{}:{}:{}:{}", record[0], record[1], record[3], record[4]);
        assert!(rows.iter().all(|row| row["MPRA_SITE"] == site), "{site}");
    }
    let status: Vec<&str> = found[12..]
        .iter()
        .map(|r| r["MPRA_STATUS"].as_str())
        .collect();
    assert_eq!(
        status,
        [
            "ok",
            "ok",
            "ref_mismatch",
            "no_position",
            "alleles_not_acgt",
            "unknown_contig",
            "no_alleles"
        ]
    );
    assert_eq!(found[12]["MPRA_EFFECT_ALLELE"], "alt,palindrome");
    assert_eq!(found[15]["MPRA_MAX"], "NA");
    let sites: Vec<&str> = found[14..]
        .iter()
        .map(|r| r["MPRA_SITE"].as_str())
        .collect();
    assert_eq!(
        sites,
        [
            "chr1:1500:.:.",
            "NA",
            "chr1:1500:.:.",
            "NA",
            "chr1:1500:.:."
        ]
    );

    let run = fs::read_to_string(dir.path().join("out.tsv.run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    let columns = &run["settings"]["columns"];
    assert!(
        columns
            .as_array()
            .unwrap()
            .contains(&serde_json::json!(["p", "P"])),
        "{columns}"
    );
    assert_eq!(run["counts"]["scored"], 14);
    assert_eq!(run["counts"]["skipped"]["no_position"], 1);
}

/// A table of 40 rows over a stretch of chr1: one strong association, and one whose place nothing else shares.
fn locus() -> String {
    let mut table = String::from("chrom\tpos\trsid\teffect_allele\tother_allele\tz\ttrait\n");
    for i in 0..40 {
        let at = 1000 + 10 * i;
        let r = base("chr1", at);
        let z = if i == 20 {
            7.0
        } else {
            5.0 - f64::from(i) / 100.0
        };
        table += &format!("chr1\t{at}\trs{i}\t{}\t{r}\t{z}\tA\n", transition(r));
    }
    table
}

#[test]
fn loci_and_their_variants() {
    let dir = tempfile::tempdir().unwrap();
    let table = locus();
    // The best once more, under another name, and of another trait.
    let best = table
        .lines()
        .find(|l| l.contains("rs20\t"))
        .unwrap()
        .to_owned();
    let again = best.replace("rs20", "again");
    let other = best.replace("\tA", "\tB");
    let all = format!("{table}{again}\n{other}\n");
    fs::write(dir.path().join("gwas.tsv"), &all).unwrap();
    let more = [
        "--background-windows",
        "20",
        "--table",
        "c.tsv.gz",
        "--group-columns",
        "trait",
    ];
    let (good, error) = sumstats(dir.path(), "gwas.tsv", &more);
    assert!(good, "{error}");
    assert!(
        error.contains("2 loci by distance, 41 variants in them"),
        "{error}"
    );
    let found = rows(&dir.path().join("out.tsv"));
    let number = |row: &BTreeMap<String, String>, name: &str| row[name].parse::<f64>().unwrap();
    let of_locus = |n: &str| {
        found
            .iter()
            .filter(|r| r["MPRA_LOCUS"] == n)
            .collect::<Vec<_>>()
    };
    let sum: f64 = of_locus("1")
        .iter()
        .filter(|r| r["rsid"] != "again")
        .map(|r| number(r, "MPRA_POSTERIOR"))
        .sum();
    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    let named = |name: &str| found.iter().find(|r| r["rsid"] == name).unwrap();
    assert_eq!(named("again")["MPRA_RANK"], named("rs20")["MPRA_RANK"]);
    assert_eq!(of_locus("2").len(), 1);
    // What is known without the effects, times what they say, is what is given.
    let rest = found.iter().filter(|r| r["MPRA_LOCUS"] == "1");
    let ratio = rest.map(|r| {
        let weight = -number(r, "MPRA_P").ln();
        number(r, "MPRA_POSTERIOR") / number(r, "MPRA_BY_ASSOCIATION") / weight
    });
    let ratio: Vec<f64> = ratio.filter(|r| r.is_finite()).collect();
    assert!(ratio.len() > 30);
    let (least, most) = ratio
        .iter()
        .fold((f64::MAX, 0.0f64), |(a, b), r| (a.min(*r), b.max(*r)));
    assert!(most / least - 1.0 < 1e-3, "{least} {most}");
    // The table of candidates: each variant once, by locus and rank.
    let ranked = rows(&dir.path().join("c.tsv.gz"));
    assert_eq!(ranked.len(), 41);
    let order: Vec<(f64, f64)> = ranked
        .iter()
        .map(|r| (number(r, "MPRA_LOCUS"), number(r, "MPRA_RANK")))
        .collect();
    assert!(order.is_sorted());

    // Nothing is strong enough for a locus.
    let more = ["--background", "none", "--lead-p", "1e-30"];
    let (good, error) = sumstats(dir.path(), "gwas.tsv", &more);
    assert!(good && error.contains("0 loci"), "{error}");
}

/// People's genotypes say that only the first of two neighbours goes with the lead.
#[test]
fn loci_by_disequilibrium() {
    let dir = tempfile::tempdir().unwrap();
    let mut table = String::from("chrom\tpos\trsid\tp\n");
    let mut bim = String::new();
    for (i, (at, p)) in [(1240, "1e-20"), (1250, "1e-12"), (1260, "1e-12")]
        .into_iter()
        .enumerate()
    {
        let r = base("chr1", at);
        table += &format!("chr1\t{at}\trs{i}\t{p}\n");
        bim += &format!("1\trs{i}\t0\t{at}\t{}\t{r}\n", transition(r));
    }
    fs::write(dir.path().join("gwas.tsv"), table).unwrap();
    fs::write(dir.path().join("p.bim"), bim).unwrap();
    fs::write(dir.path().join("p.fam"), "f i 0 0 0 -9\n".repeat(4)).unwrap();
    let bed = [0x6c, 0x1b, 1, 0b11_10_00_00, 0b11_10_00_00, 0b00_11_00_11];
    fs::write(dir.path().join("p.bed"), bed).unwrap();
    let (good, error) = sumstats(dir.path(), "gwas.tsv", &["--background", "none"]);
    assert!(!good && error.contains("no column of alleles"), "{error}");
    let (good, error) = sumstats(
        dir.path(),
        "gwas.tsv",
        &["--background", "none", "--clump-bfile", "p"],
    );
    assert!(good, "{error}");
    let loci: Vec<String> = rows(&dir.path().join("out.tsv"))
        .iter()
        .map(|r| r["MPRA_LOCUS"].clone())
        .collect();
    assert_eq!(loci, ["1", "1", "2"]);
    let scored = rows(&dir.path().join("out.tsv"));
    assert!(
        scored.iter().all(|r| r["MPRA_EFFECT_ALLELE"] == "alt"),
        "{scored:?}"
    );

    // The table of another build: genotypes are of the FASTA's, and say the alleles at the lifted places.
    let table = fs::read_to_string(dir.path().join("gwas.tsv")).unwrap();
    let old = table.replace("\t12", "\t23");
    fs::write(dir.path().join("old.tsv"), old).unwrap();
    let chain = "chain 9 chr1 9000 + 1100 5000 chr1 4000 + 0 3900 1\n3900\n";
    fs::write(dir.path().join("old.chain"), chain).unwrap();
    let more = ["--background", "none", "--clump-bfile", "p"];
    let lift = ["--liftover", "old.chain"];
    let (good, error) = sumstats(dir.path(), "old.tsv", &[&more[..], &lift].concat());
    assert!(good, "{error}");
    let ours = [
        "MPRA_STATUS",
        "MPRA_SITE",
        "MPRA_EFFECT_ALLELE",
        "MPRA_MAX",
        "MPRA_LOCUS",
    ];
    let of = |rows: &[BTreeMap<String, String>]| -> Vec<String> {
        let cells = rows.iter().flat_map(|r| ours.map(|c| r[c].clone()));
        cells.collect()
    };
    assert_eq!(of(&rows(&dir.path().join("out.tsv"))), of(&scored));
}

#[test]
fn parquet_csv_and_gzip_are_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let table = locus();
    fs::write(dir.path().join("gwas.tsv"), &table).unwrap();
    fs::write(dir.path().join("gwas.csv"), table.replace('\t', ",")).unwrap();
    let mut gz = flate2::write::GzEncoder::new(
        fs::File::create(dir.path().join("gwas.gz")).unwrap(),
        flate2::Compression::fast(),
    );
    std::io::Write::write_all(&mut gz, table.as_bytes()).unwrap();
    gz.finish().unwrap();
    let cells: Vec<Vec<&str>> = table
        .lines()
        .skip(1)
        .map(|l| l.split('\t').collect())
        .collect();
    let text = |i: usize| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(cells.iter().map(|c| c[i])))
    };
    let numbers: Float64Array = cells.iter().map(|c| c[5].parse::<f64>().ok()).collect();
    let positions: Int64Array = cells.iter().map(|c| c[1].parse::<i64>().ok()).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("chrom", text(0)),
        ("pos", Arc::new(positions)),
        ("rsid", text(2)),
        ("effect_allele", text(3)),
        ("other_allele", text(4)),
        ("z", Arc::new(numbers)),
        ("trait", text(6)),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = fs::File::create(dir.path().join("gwas.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();

    let mut all = Vec::new();
    for name in ["gwas.tsv", "gwas.csv", "gwas.gz", "gwas.parquet"] {
        let (good, error) = sumstats(dir.path(), name, &["--background", "none"]);
        assert!(good, "{name}: {error}");
        all.push(fs::read_to_string(dir.path().join("out.tsv")).unwrap());
    }
    // Parquet has numbers as numbers: 5 for 5.0 is the only thing that may differ, and does not here.
    assert!(
        all.windows(2).all(|pair| pair[0] == pair[1]),
        "{}\n{}",
        all[0],
        all[3]
    );
}

#[test]
fn what_a_table_lacks_is_said() {
    let dir = tempfile::tempdir().unwrap();
    for (text, problem, hint) in [
        (
            "rsid\tA1\tA2\tP\na\tA\tC\t0.1\n",
            "no column of contigs and positions",
            "",
        ),
        (
            "CHR\tBP\tSNP\tP\n1\t1500\trs1\t0.1\n",
            "no row says its alleles",
            "--clump-bfile",
        ),
        (
            "CHR\tBP\tA1\tA2\n1\t1500\tA\tC\n",
            "of p-values",
            "--column p=NAME",
        ),
        (
            "CHR\tA1\tA2\tP\n1\tA\tC\t1\n",
            "no column of contigs and positions",
            "position",
        ),
        (
            "CHR\tBP\tA1\tA2\tP\nZ\t1500\tA\tC\t1\n",
            "none of 1 records lies on a contig",
            "",
        ),
        (
            "CHR\tBP\tA1\tA2\tP\n1\t7x\tA\tC\t1\n",
            "\"7x\" in column BP",
            "",
        ),
        (
            "CHR\tBP\tA1\tA2\tP\n1\t1500\tA\tC\t2\n",
            "\"2\" in column P",
            "",
        ),
        ("", "holds no row", ""),
    ] {
        fs::write(dir.path().join("t.tsv"), text).unwrap();
        let (_, error) = sumstats(dir.path(), "t.tsv", &["--background", "none"]);
        assert!(
            error.contains(problem) && error.contains(hint),
            "{text}: {error}"
        );
    }
}
