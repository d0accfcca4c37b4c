//! `mpra-score fdr`: known values, simulations with fixed seeds, joins and bad input as a user meets
//! them.

#![allow(clippy::excessive_precision, reason = "as R prints them")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use mpra_score::fdr::{Bins, Weighted, deal, deal_at_random, pi0, storey, weighted};
use mpra_score::genome::{Contig, Contigs};
use mpra_score::stats::{Random, q_values};
use mpra_score::tracks::Item;
use mpra_score::tracks::bigwig::{BigWigWriter, Encoded, Encoder, Held};

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found} {expected}");
}

fn uniform(random: &mut Random) -> f64 {
    ((random.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

fn normal(random: &mut Random) -> f64 {
    let (a, b) = (uniform(random), uniform(random));
    (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

fn one_sided(z: f64) -> f64 {
    libm::erfc(z / std::f64::consts::SQRT_2) / 2.0
}

/// R 4.2.2, `p.adjust(p, "BH")`, printed with 17 digits. The p-values of the first are those of
/// Benjamini and Hochberg's example (1995, section 3), who reject four at 0.05.
#[test]
fn benjamini_hochberg_as_r() {
    let p = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
        0.5719, 0.6528, 0.7590, 1.0,
    ];
    let r = [
        0.0015,
        0.003,
        0.0095,
        0.035624999999999997,
        0.060299999999999999,
        0.063857142857142862,
        0.063857142857142862,
        0.0645,
        0.076500000000000012,
        0.486,
        0.58118181818181813,
        0.71487499999999993,
        0.75323076923076926,
        0.81321428571428567,
        1.0,
    ];
    let q = q_values(&p);
    q.iter().zip(r).for_each(|(q, r)| close(*q, r));
    assert_eq!(q.iter().filter(|q| **q <= 0.05).count(), 4);
    let p = [0.5, 0.01, f64::NAN, 0.01, 0.2, 0.04, 0.0, 1.0];
    let r = [
        0.58333333333333337,
        0.023333333333333334,
        f64::NAN,
        0.023333333333333334,
        0.28,
        0.07,
        0.0,
        1.0,
    ];
    for (q, r) in q_values(&p).into_iter().zip(r) {
        assert!(q.is_nan() && r.is_nan() || (q - r).abs() < 1e-12);
    }
}

/// Bioconductor's qvalue 2.30.0, `pi0est(p, pi0.method = "bootstrap")` and `qvalue`, R 4.2.2, with
/// `h <- ((i * 7919) %% 4001) / 4001; p <- ifelse(i %% 4 == 0, h^6, h)` for `i <- 1:400`.
#[test]
fn storey_as_qvalue() {
    let p: Vec<f64> = (1..=400u32)
        .map(|i| {
            let h = f64::from((i * 7919) % 4001) / 4001.0;
            if i % 4 == 0 { h.powi(6) } else { h }
        })
        .collect();
    close(p.iter().sum::<f64>(), 168.11463760584863);
    let share = pi0(&p);
    close(share, 0.83529411764705885);
    let q = storey(&p, share);
    let r = [
        (4, 0.75261080615203124),
        (8, 0.6214695919780211),
        (12, 0.47597530296691204),
        (16, 0.32646788543895866),
        (20, 0.20624490637527659),
        (24, 0.10103965553430752),
        (100, 0.76665055439261875),
        (1, 0.83110874942328838),
    ];
    r.iter().for_each(|(i, r)| close(q[i - 1], *r));
    let below = |level: f64| q.iter().filter(|q| **q <= level).count();
    assert_eq!((below(0.05), below(0.1)), (47, 52));
    // Every p-value is small: qvalue stops, here one is taken to reach the least lambda.
    close(pi0(&[0.001; 50]), 1.0 / (50.0 * 0.95));
    close(pi0(&[1.0; 50]), 1.0);
    assert!(pi0(&[f64::NAN]).is_nan());
}

/// False discovery proportion and true discoveries by method.
#[derive(Clone, Copy, Default)]
struct Outcome {
    proportion: [f64; 3],
    found: [f64; 3],
}

fn outcome(p: &[f64], signal: &[bool], w: &Weighted, alpha: f64) -> Outcome {
    let mut out = Outcome::default();
    let q = [q_values(p), storey(p, pi0(p)), w.q.clone()];
    for (m, q) in q.iter().enumerate() {
        let rejected = q.iter().zip(signal).filter(|(q, _)| **q <= alpha);
        let (mut all, mut right) = (0.0, 0.0);
        for (_, signal) in rejected {
            all += 1.0;
            right += f64::from(u8::from(*signal));
        }
        out.found[m] = right;
        out.proportion[m] = if all > 0.0 { (all - right) / all } else { 0.0 };
    }
    out
}

/// Mean and its standard error.
fn mean(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let v: Vec<f64> = values.collect();
    let n = v.len() as f64;
    let mean = v.iter().sum::<f64>() / n;
    let variance = v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

const METHODS: [&str; 3] = ["bh", "storey", "weighted"];

/// The mean false discovery proportion must not exceed alpha by more than three standard errors.
/// Storey's, with an estimate of pi0 that is the least of several, is allowed a tenth more.
fn controlled(runs: &[Outcome], alpha: f64) {
    for (m, name) in METHODS.iter().enumerate() {
        let (rate, error) = mean(runs.iter().map(|o| o.proportion[m]));
        let most = if *name == "storey" {
            1.1 * alpha
        } else {
            alpha
        };
        assert!(rate <= most + 3.0 * error, "{name}: {rate} +- {error}");
    }
}

/// `runs` sets of `tests` one-sided normal tests; a signal (mean 2.5) has the chance `chance(x)`.
fn simulate(runs: u64, tests: usize, alpha: f64, chance: impl Fn(f64) -> f64) -> Vec<Outcome> {
    (0..runs)
        .map(|run| {
            let mut random = Random::new(11, run, tests as u64);
            let (mut p, mut x, mut signal) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..tests {
                x.push(uniform(&mut random));
                signal.push(uniform(&mut random) < chance(x[x.len() - 1]));
                let shift = if signal[x.len() - 1] { 2.5 } else { 0.0 };
                p.push(one_sided(normal(&mut random) + shift));
            }
            let fold = deal_at_random(tests, 5, run);
            let w = weighted(&p, &Bins::new(&x, 10, 400), &fold, 5, alpha);
            outcome(&p, &signal, &w, alpha)
        })
        .collect()
}

#[test]
fn an_informative_covariate_finds_more_at_the_same_rate() {
    for alpha in [0.05, 0.1] {
        let runs = simulate(80, 6000, alpha, |x| 0.5 * x.powi(4));
        controlled(&runs, alpha);
        let (bh, _) = mean(runs.iter().map(|o| o.found[0]));
        let (more, error) = mean(runs.iter().map(|o| o.found[2] - o.found[0]));
        assert!(bh > 50.0 && more > 3.0 * error, "{bh}: {more} +- {error}");
        assert!(more > 0.15 * bh, "{bh} {more}");
    }
}

#[test]
fn a_useless_covariate_keeps_the_rate_and_costs_little() {
    let runs = simulate(80, 6000, 0.1, |_| 0.1);
    controlled(&runs, 0.1);
    let (bh, _) = mean(runs.iter().map(|o| o.found[0]));
    let (more, _) = mean(runs.iter().map(|o| o.found[2] - o.found[0]));
    assert!(bh > 50.0 && more.abs() < 0.05 * bh, "{bh} {more}");
}

#[test]
fn without_any_signal_nothing_is_found_more_often_than_alpha() {
    // The false discovery proportion is 1 where anything is found.
    let runs = simulate(1500, 2000, 0.1, |_| 0.0);
    controlled(&runs, 0.1);
    let (any, _) = mean(runs.iter().map(|o| o.proportion[2]));
    assert!(any > 0.02, "the test must be able to fail: {any}");
}

/// Tests in blocks of 20 that share half their variance (linkage); the covariate is shared within
/// blocks, too, and folds hold whole blocks.
#[test]
fn linked_tests_in_the_same_fold() {
    let alpha = 0.1;
    let runs: Vec<Outcome> = (0..150)
        .map(|run| {
            let mut random = Random::new(12, run, 0);
            let (mut p, mut x, mut signal, mut block) = (vec![], vec![], vec![], vec![]);
            for b in 0..250u32 {
                let (common, at) = (normal(&mut random), uniform(&mut random));
                let real = uniform(&mut random) < 0.3 * at.powi(3);
                for _ in 0..20 {
                    let own = normal(&mut random);
                    let z = (common + own) / 2f64.sqrt();
                    p.push(one_sided(z + if real { 2.5 } else { 0.0 }));
                    x.push(at);
                    signal.push(real);
                    block.push(b);
                }
            }
            let fold = deal(&block, 5).unwrap();
            let w = weighted(&p, &Bins::new(&x, 8, 400), &fold, 5, alpha);
            outcome(&p, &signal, &w, alpha)
        })
        .collect();
    controlled(&runs[..], alpha);
}

#[test]
fn weights_of_a_fold_know_nothing_of_its_p_values() {
    let mut random = Random::new(13, 0, 0);
    let x: Vec<f64> = (0..6000).map(|_| uniform(&mut random)).collect();
    let mut p: Vec<f64> = (x.iter())
        .map(|&x| {
            let shift = if uniform(&mut random) < 0.5 * x.powi(4) {
                3.0
            } else {
                0.0
            };
            one_sided(normal(&mut random) + shift)
        })
        .collect();
    let fold = deal_at_random(6000, 4, 1);
    let bins = Bins::new(&x, 6, 500);
    let before = weighted(&p, &bins, &fold, 4, 0.1);
    for (fold, weights) in before.weights.iter().enumerate() {
        // More weight where there are more signals, 1 on average.
        assert!(weights[5] > 1.5 && weights[0] < 0.7, "{weights:?}");
        assert!(before.shares[fold] > 0.0);
    }
    for f in 0..4 {
        let of = || (0..6000).filter(|&i| fold[i] == f);
        let weight = |i: usize| before.weights[usize::from(f)][usize::from(bins.of[i])];
        let sum: f64 = of().map(weight).sum();
        assert!((sum / of().count() as f64 - 1.0).abs() < 1e-9, "{sum}");
    }
    (0..6000)
        .filter(|&i| fold[i] == 2)
        .for_each(|i| p[i] = p[i].powi(5));
    let after = weighted(&p, &bins, &fold, 4, 0.1);
    assert_eq!(before.weights[2], after.weights[2]);
    assert!(
        (0..4)
            .filter(|f| *f != 2)
            .all(|f| before.weights[f] != after.weights[f])
    );
    // One bin, or nothing to learn from: Benjamini and Hochberg.
    for (p, bins) in [(p.clone(), Bins::new(&x, 1, 1)), (vec![0.7; 6000], bins)] {
        assert_eq!(weighted(&p, &bins, &fold, 4, 0.1).q, q_values(&p));
    }
}

/// Exit code and standard error.
fn call(folder: &Path, line: &str) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mpra-score"))
        .args(line.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.stdout.is_empty());
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

type Row = BTreeMap<String, String>;

fn rows(path: &Path) -> Vec<Row> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split('\t').collect();
    lines
        .map(|l| {
            assert_eq!(l.split('\t').count(), header.len(), "{l}");
            let cells = l.split('\t').map(str::to_owned);
            header.iter().map(|h| (*h).to_owned()).zip(cells).collect()
        })
        .collect()
}

fn column(rows: &[Row], name: &str) -> Vec<String> {
    rows.iter().map(|r| r[name].clone()).collect()
}

const TABLE: &str = "\
##made up
#CHROM\tPOS\tID\tA1\tA2\tP
1\t101\trs1\tA\tG\t0.001
1\t205\trs2\tC\tt\t0.2
2\t50\trs3\tG\tA\tNA
2\t60\trs4\tT\tC\t0.03
X\t7\trs5\tA\tC\t1e-9
2\tNA\trs6\tA\tC\t0.5
1\t205\trs7\tC\tG\t1
";

const VCF: &str = "\
##fileformat=VCFv4.3
##INFO=<ID=MPRA_MAX,Number=A,Type=Float,Description=\"x\">
##INFO=<ID=MPRA_K,Number=A,Type=Float,Description=\"x\">
##INFO=<ID=ONE,Number=1,Type=Float,Description=\"x\">
##contig=<ID=chr1>
##contig=<ID=chr2>
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
chr1\t101\trs1\tG\tA,C\t.\t.\tMPRA_MAX=0.25,-3;MPRA_K=1.5,.;ONE=7
chr1\t205\t.\tC\tT\t.\t.\tMPRA_MAX=-0.5;MPRA_K=.
chr1\t205\trs2;other\tC\tA\t.\t.\tMPRA_MAX=2
chr2\t60\trs4\tT\tG\t.\t.\tMPRA_MAX=.
chr2\t60\trs4\tT\tC\t.\t.\tMPRA_MAX=-0.125;ONE=-4
chr3\t1\t.\tA\tC\t.\t.\tMPRA_MAX=1
";

fn bcf(vcf: &Path, bcf: &Path) {
    use noodles::{bcf as format, vcf as text};
    use text::variant::io::Write;
    let mut reader = text::io::reader::Builder::default()
        .build_from_path(vcf)
        .unwrap();
    let header = reader.read_header().unwrap();
    let mut writer = format::io::Writer::new(fs::File::create(bcf).unwrap());
    writer.write_header(&header).unwrap();
    for record in reader.records() {
        writer
            .write_variant_record(&header, &record.unwrap())
            .unwrap();
    }
    writer.try_finish().unwrap();
}

#[test]
fn covariates_from_a_vcf() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    file("p.tsv", TABLE);
    file("s.vcf", VCF);
    // noodles does not write fields without any value as BCF.
    let full = VCF.replace(";MPRA_K=.\n", "\n");
    let full = full.replace("#CHROM", "##contig=<ID=chr3>\n#CHROM");
    file("full.vcf", &full.replace("MPRA_MAX=.\n", ".\n"));
    bcf(&dir.path().join("full.vcf"), &dir.path().join("s.bcf"));
    let covariates = |flags: &str| {
        let line = format!("fdr --pvalues p.tsv --bin-size 1 --bins 1 --out o --force {flags}");
        let (code, text) = call(dir.path(), &line);
        assert_eq!(code, 0, "{text}");
        let rows = rows(&dir.path().join("o/fdr.tsv"));
        assert_eq!(
            column(&rows, "id"),
            ["rs1", "rs2", "rs3", "rs4", "rs5", "rs6", "rs7"]
        );
        (column(&rows, "covariate"), text)
    };
    let alias = "--chrom-alias ucsc-ensembl";
    for kind in ["vcf", "bcf"] {
        let (x, text) = covariates(&format!("--covariate s.{kind} {alias}"));
        assert_eq!(x, ["3", "2", "NA", "0.125", "NA", "NA", "2"]);
        assert!(
            text.contains("6 hypotheses (1 rows without p-value), 4 with a covariate"),
            "{text}"
        );
        assert!(text.contains("dealt out at random"), "{text}");
        let (x, _) = covariates(&format!("--covariate s.{kind} --field ONE {alias}"));
        assert_eq!(x, ["7", "NA", "NA", "4", "NA", "NA", "NA"]);
    }
    // By the alleles: rs1 is G > A; C > G is not in the file at 205, nor C > C.
    let (x, _) = covariates(&format!("--covariate s.vcf --allele-columns A1,A2 {alias}"));
    assert_eq!(x, ["0.25", "0.5", "NA", "0.125", "NA", "NA", "NA"]);
    let run: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(dir.path().join("o/run.json")).unwrap()).unwrap();
    assert_eq!(run["counts"]["other_alleles"], 1);
    assert_eq!(run["counts"]["without_p"], 1);
    let (x, _) = covariates(&format!("--covariate s.vcf --field MPRA_K {alias}"));
    assert_eq!(x, ["1.5", "NA", "NA", "NA", "NA", "NA", "NA"]);
    // Without positions, by name.
    let text: String = (TABLE.lines().skip(1))
        .map(|l| {
            let c: Vec<&str> = l.split('\t').collect();
            format!("{} {}\n", c[2], c[5])
        })
        .collect();
    file("p.tsv", &text);
    let (x, _) = covariates("--covariate s.vcf");
    assert_eq!(x, ["3", "2", "NA", "0.125", "NA", "NA", "NA"]);
}

#[test]
fn covariates_from_a_track_and_a_column() {
    let dir = tempfile::tempdir().unwrap();
    let contig = |name: &str, length| Contig {
        name: name.into(),
        length,
    };
    let contigs = Contigs::new(vec![contig("1", 20_000_000), contig("2", 100)]).unwrap();
    let path = dir.path().join("t.bw");
    let mut writer = BigWigWriter::open(&path, &contigs, 16, &Held::default()).unwrap();
    let lists: [&[(u32, f32)]; 2] = [
        &[
            (100, -0.5),
            (101, 9.0),
            (102, 8.0),
            (204, 0.25),
            (19_999_999, 6.0),
        ],
        &[(59, 2.0)],
    ];
    for (id, list) in (0..).zip(lists) {
        let items: Vec<Item> = (list.iter())
            .map(|&(start, value)| Item {
                start,
                end: start + 1,
                value,
            })
            .collect();
        let mut encoded = Encoded::default();
        Encoder::new(16).items(id, &items, &mut encoded);
        writer.append(&encoded).unwrap();
    }
    writer.finish().unwrap();
    let more = "1\t20000000\trs8\tA\tC\t0.5\n1\t103\trs9\tA\tC\t0.5\n2\t4000\trs9\tA\tC\t0.5\n";
    fs::write(dir.path().join("p.tsv"), format!("{TABLE}{more}")).unwrap();
    let run = |flags: &str| {
        let line = format!("fdr --pvalues p.tsv --bin-size 1 --bins 1 --out o --force {flags}");
        let (code, text) = call(dir.path(), &line);
        assert_eq!(code, 0, "{text}");
        rows(&dir.path().join("o/fdr.tsv"))
    };
    let rows = run("--covariate t.bw");
    assert_eq!(
        column(&rows, "covariate"),
        ["0.5", "0.25", "NA", "2", "NA", "NA", "0.25", "6", "8", "NA"]
    );
    assert_eq!(column(&rows, "position")[..3], ["101", "205", "50"]);
    let rows = run("--covariate t.bw --zero-based");
    assert_eq!(column(&rows, "covariate")[0], "9");
    assert_eq!(column(&rows, "position")[0], "101");
    // A column is taken as it is; rows without p-value stay, and count for nothing.
    let rows = run("--covariate-column POS --quiet");
    assert_eq!(column(&rows, "covariate")[..4], ["101", "205", "NA", "60"]);
    let q = column(&rows, "bh_q");
    assert_eq!(q[2], "NA");
    for (i, expected) in [(0, 0.0045), (1, 0.45), (3, 0.09), (4, 9e-9)] {
        close(q[i].parse().unwrap(), expected);
    }
    assert_eq!(column(&rows, "ihw")[..5], ["1", "0", "NA", "0", "1"]);
    assert_eq!(column(&rows, "bin")[4..6], ["1", "missing"]);
}

/// A table as a GWAS on 22 contigs, effects that tell something: the whole job.
#[test]
fn a_whole_run() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(21, 0, 0);
    let mut text = String::from("chromosome\tbase_pair_location\tp_value\teffect\n");
    for i in 0..20_000u32 {
        let x = uniform(&mut random);
        let shift = if uniform(&mut random) < 0.3 * x.powi(4) {
            3.0
        } else {
            0.0
        };
        let p = one_sided(normal(&mut random) + shift);
        text.push_str(&format!("{}\t{}\t{p}\t{x}\n", i % 22 + 1, i + 1));
    }
    fs::write(dir.path().join("p.tsv"), text).unwrap();
    let line = "fdr --pvalues p.tsv --covariate-column effect --alpha 0.1 --out o";
    let (code, said) = call(dir.path(), line);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("13 bin(s) of the covariate instead of 20"),
        "{said}"
    );
    assert!(
        said.contains("20000 hypotheses, 20000 with a covariate in 13 bin(s), 5 folds by contig"),
        "{said}"
    );
    let out = dir.path().join("o");
    let table = rows(&out.join("fdr.tsv"));
    let count = |name: &str| column(&table, name).iter().filter(|c| *c == "1").count();
    let (bh, storey, ihw) = (count("bh"), count("storey"), count("ihw"));
    assert!(
        bh > 100 && storey >= bh && ihw as f64 > 1.1 * bh as f64,
        "{bh} {storey} {ihw}"
    );
    let at_alpha = rows(&out.join("summary.tsv"));
    let at_alpha = at_alpha.iter().find(|r| r["alpha"] == "0.1").unwrap();
    assert_eq!(
        [&at_alpha["bh"], &at_alpha["storey"], &at_alpha["ihw"]],
        [&bh.to_string(), &storey.to_string(), &ihw.to_string()]
    );
    // A contig lies in one fold; the weight is that of the table of weights.
    let weights = rows(&out.join("weights.tsv"));
    assert_eq!(weights.len(), 5 * 13);
    let mut fold_of: BTreeMap<&str, &str> = BTreeMap::new();
    for r in &table {
        assert_eq!(
            *fold_of.entry(&r["contig"]).or_insert(&r["fold"]),
            r["fold"]
        );
        let w = (weights.iter()).find(|w| w["fold"] == r["fold"] && w["bin"] == r["bin"]);
        let w = w.unwrap();
        assert_eq!(w["weight"], r["weight"]);
        let number = |row: &Row, name: &str| row[name].parse::<f64>().unwrap();
        let x = number(r, "covariate");
        assert!(number(w, "covariate_low") <= x && x <= number(w, "covariate_high"));
        let expected = match number(w, "weight") {
            0.0 => 1.0,
            w => (number(r, "p") / w).min(1.0),
        };
        close(number(r, "weighted_p"), expected);
    }
    for figure in ["weights.svg", "discoveries.svg"] {
        assert!(
            fs::read_to_string(out.join(figure))
                .unwrap()
                .contains("<svg")
        );
    }
    let run = fs::read_to_string(out.join("run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    assert_eq!(run["results"]["discoveries"]["ihw"], ihw);
    assert_eq!(run["results"]["weights"].as_array().unwrap().len(), 5);
    // The same again is the same, from a pipe too; results are not replaced unasked.
    assert_eq!(call(dir.path(), line).0, 1);
    let pipe = "cat p.tsv | gzip -c | $0 fdr --pvalues - --covariate-column effect --alpha 0.1 --out o2 -q";
    let status = Command::new("sh")
        .args(["-c", pipe, env!("CARGO_BIN_EXE_mpra-score")])
        .current_dir(dir.path())
        .status()
        .unwrap();
    assert!(status.success());
    let bytes = |f: &str| fs::read(dir.path().join(f)).unwrap();
    assert_eq!(bytes("o/fdr.tsv"), bytes("o2/fdr.tsv"));
    // Blocks of one contig; too few of them.
    let one = fs::read_to_string(dir.path().join("p.tsv")).unwrap();
    let one: String = one
        .lines()
        .map(|l| match l.split_once('\t') {
            Some((c, rest)) if c != "chromosome" => format!("7\t{rest}\n"),
            _ => format!("{l}\n"),
        })
        .collect();
    fs::write(dir.path().join("one.tsv"), one).unwrap();
    let line = "fdr --pvalues one.tsv --covariate-column effect --out o3 --force";
    let (code, said) = call(dir.path(), &format!("{line} --block 100"));
    assert!(code == 0 && said.contains("5 folds by block"), "{said}");
    let (code, said) = call(dir.path(), &format!("{line} --fold-by contig"));
    assert!(
        code == 1 && said.contains("5 folds need at least as many contigs"),
        "{said}"
    );
}

#[test]
fn bad_input() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    file("p.tsv", TABLE);
    file("s.vcf", VCF);
    file("x.tsv", "a\tb\n1\t2\n");
    file("none.tsv", "id\tp\nx\tNA\ny\tnan\n");
    file("empty.tsv", "");
    file("over.tsv", "id\tp\nx\t0.5\ny\t1.5\n");
    file("below.tsv", "id\tp\nx\t-1e-9\n");
    file("word.tsv", "id\tp\nx\tsmall\n");
    file("cells.tsv", "id\tp\nx\t0.5\t3\n");
    file("zero.tsv", "chr\tpos\tp\n1\t0\t0.5\n");
    file("inf.tsv", "id\tp\tx\na\t0.5\tinf\n");
    file("twice.tsv", "x\tp\tx\n1\t0.5\t2\n");
    file("far.tsv", "chr\tpos\tp\nchr1\t9\t0.5\n");
    file("names.tsv", "id\tp\nnobody\t0.5\n");
    file(
        "broken.vcf",
        &VCF.replace("chr1\t205\t.\tC", "chr1\tx\t.\tC"),
    );
    file("count.vcf", &VCF.replace("0.25,-3;", "0.25,-3,1;"));
    file("text.vcf", &VCF.replace("MPRA_MAX=2\n", "MPRA_MAX=two\n"));
    file("graph.bedGraph", "chr1\t5\t9\t1\n");
    for (flags, parts) in [
        (
            "--pvalues nofile --covariate s.vcf",
            vec!["cannot open nofile"],
        ),
        (
            "--pvalues x.tsv --covariate s.vcf",
            vec!["no column of p-values", "a, b", "--p-column"],
        ),
        (
            "--pvalues p.tsv --p-column Q --covariate s.vcf",
            vec!["no column \"Q\"", "CHROM, POS, ID"],
        ),
        (
            "--pvalues p.tsv --covariate-column Q",
            vec!["no column \"Q\"", "--covariate-column"],
        ),
        (
            "--pvalues none.tsv --covariate s.vcf",
            vec!["no p-value (2 row(s))"],
        ),
        (
            "--pvalues empty.tsv --covariate s.vcf",
            vec!["no p-value (0 row(s))"],
        ),
        (
            "--pvalues over.tsv --covariate s.vcf",
            vec!["line 3", "\"1.5\" in column p", "from 0 to 1"],
        ),
        (
            "--pvalues below.tsv --covariate s.vcf",
            vec!["line 2", "\"-1e-9\""],
        ),
        (
            "--pvalues word.tsv --covariate s.vcf",
            vec!["line 2", "\"small\""],
        ),
        (
            "--pvalues cells.tsv --covariate s.vcf",
            vec!["line 2", "3 cell(s)", "2, as in"],
        ),
        (
            "--pvalues zero.tsv --covariate s.vcf",
            vec!["line 2", "position from 1", "--zero-based"],
        ),
        (
            "--pvalues inf.tsv --covariate-column x",
            vec!["line 2", "finite number"],
        ),
        (
            "--pvalues twice.tsv --covariate-column x",
            vec!["two columns are called \"x\""],
        ),
        (
            "--pvalues p.tsv --covariate-column ID",
            vec!["line 3", "\"rs1\""],
        ),
        (
            "--pvalues p.tsv --covariate s.vcf",
            vec![
                "none of the 7",
                "\"1\" here, \"chr1\" there",
                "ucsc-ensembl",
            ],
        ),
        (
            "--pvalues far.tsv --covariate s.vcf",
            vec!["none of the 1 ", "same genome build"],
        ),
        (
            "--pvalues names.tsv --covariate s.vcf",
            vec!["none of the 1 ", "rsIDs"],
        ),
        (
            "--pvalues names.tsv --covariate graph.bedGraph",
            vec!["no columns of contig and position"],
        ),
        (
            "--pvalues p.tsv --covariate graph.bedGraph",
            vec!["\"1\" here, \"chr1\" there", "ucsc-ensembl"],
        ),
        (
            "--pvalues far.tsv --covariate s.vcf --field NO",
            vec!["no INFO field NO", "MPRA_MAX, MPRA_K, ONE"],
        ),
        (
            "--pvalues far.tsv --covariate graph.bedGraph --field X",
            vec!["--field is for a VCF"],
        ),
        (
            "--pvalues far.tsv --covariate over.tsv",
            vec!["no VCF, BCF, bigWig or bedGraph"],
        ),
        (
            "--pvalues far.tsv --covariate broken.vcf",
            vec!["broken.vcf, line 9", "a VCF record"],
        ),
        (
            "--pvalues p.tsv --chrom-alias ucsc-ensembl --covariate count.vcf",
            vec!["line 8", "MPRA_MAX=0.25,-3,1"],
        ),
        (
            "--pvalues p.tsv --chrom-alias ucsc-ensembl --covariate text.vcf",
            vec!["line 10", "MPRA_MAX=two"],
        ),
        (
            "--pvalues p.tsv --covariate-column POS --alpha 1",
            vec!["alpha must lie between"],
        ),
    ] {
        let (code, text) = call(dir.path(), &format!("fdr --out o {flags}"));
        assert_eq!(code, 1, "{flags}: {text}");
        for part in parts {
            assert!(text.contains(part), "{flags}: {part}: {text}");
        }
        assert!(!dir.path().join("o").exists(), "{flags}");
    }
    // A bgzip file that ends between two blocks.
    let mut writer = noodles::bgzf::io::Writer::new(Vec::new());
    std::io::Write::write_all(&mut writer, TABLE.as_bytes()).unwrap();
    let whole = writer.finish().unwrap();
    fs::write(dir.path().join("p.gz"), &whole[..whole.len() - 28]).unwrap();
    let (code, text) = call(
        dir.path(),
        "fdr --out o --pvalues p.gz --covariate-column POS",
    );
    assert!(code == 1 && text.contains("p.gz is truncated"), "{text}");
    let (code, _) = call(dir.path(), "fdr --out o --pvalues p.tsv");
    assert_eq!(code, 2);
}
