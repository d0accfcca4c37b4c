//! Whole suites on sequences whose figures are known: `count.onnx` gives the number of each base.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use super::*;
use crate::encode::BASES;
use crate::evaluate::{Against, run_suite};
use crate::job::Silent;
use crate::model::{ModelOptions, ModelSource, ModelSources};
use crate::output::Existing;
use crate::stats::Random;

fn model(name: &str) -> ModelSources {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/models");
    ModelSource::File(fixtures.join(name)).into()
}

/// A genome of three contigs with a gap in the last, and tables over it.
fn files(folder: &Path) {
    let mut random = Random::new(11, 0, 0);
    let mut genome: Vec<Vec<u8>> = (0..3)
        .map(|_| {
            (0..6000)
                .map(|_| b"ACGT"[random.below(4) as usize])
                .collect()
        })
        .collect();
    genome[2][5000..].fill(b'N');
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    let mut fasta = String::new();
    for (i, bases) in genome.iter().enumerate() {
        fasta += &format!(">chr{}\n{}\n", i + 1, String::from_utf8_lossy(bases));
    }
    write("g.fa", &fasta);
    let (mut regions, mut x, mut y) = (String::new(), String::new(), String::new());
    let mut values = String::from("name\tA\tB\tbatch\tbases\n");
    for (i, bases) in genome.iter().enumerate() {
        for at in (100..5800).step_by(200) {
            let name = format!("r{i}_{at}");
            regions += &format!("chr{}\t{at}\t{}\t{name}\n", i + 1, at + 155);
            let bases = &bases[at..at + 155];
            let count = |base: u8| bases.iter().filter(|&&b| b == base).count();
            let class = |base| if count(base) > 38 { "on" } else { "off" };
            x += &format!(
                "chr{}\t{}\t{}\t{name}\t{}\n",
                i + 1,
                at + 70,
                at + 71,
                class(b'A')
            );
            y += &format!(
                "chr{}\t{}\t{}\t{name}\t{}\n",
                i + 1,
                at + 70,
                at + 71,
                class(b'C')
            );
            if !bases.contains(&b'N') {
                values += &format!(
                    "{name}{}\t{}\t{}\t{}\t{}\n",
                    ["_F", "_R"][at / 200 % 2],
                    count(b'A'),
                    count(b'C'),
                    at / 200 % 3,
                    String::from_utf8_lossy(bases)
                );
            }
        }
    }
    write("regions.bed", &regions);
    write("x.tsv", &format!("chrom\tstart\tend\tid\tclass\n{x}"));
    write("y.tsv", &format!("chrom\tstart\tend\tid\tclass\n{y}"));
    write("values.tsv", &values);
    let mut alleles = String::from("chrom\tpos\tref\talt\tr\ta\n");
    let mut effects = String::from("chrom\tpos\tref\talt\tEFF\tELEM\tBC\n");
    for (i, bases) in genome.iter().enumerate() {
        for at in (300..5600).step_by(37) {
            let (from, to) = (bases[at] as char, BASES[at % 4]);
            if from == to || from == 'N' {
                continue;
            }
            let effect = i32::from(to == 'A') - i32::from(from == 'A');
            let (r, a) = (4.0, 4.0 * f64::from(effect).exp2());
            let (contig, pos) = (i + 1, at + 1);
            alleles += &format!("chr{contig}\t{pos}\t{from}\t{to}\t{r}\t{a}\n");
            let barcodes = if at % 5 == 0 { 3 } else { 20 };
            effects += &format!("chr{contig}\t{pos}\t{from}\t{to}\t{effect}\te{i}\t{barcodes}\n");
        }
    }
    write("alleles.tsv", &alleles);
    write("effects.tsv", &effects);
}

const LABELS: &str = r#"
[[judge]]
name = "classes"
kind = "labels"
regions = "regions.bed"
positive = "on"
k = 2
cells = [
  { name = "X", file = "x.tsv", label = "class", task = "A" },
  { name = "Y", file = "y.tsv", label = "class", task = "C" },
]
difference = ["X", "Y"]
"#;

const VALUES: &str = r#"
[[judge]]
name = "counts"
kind = "values"
file = "values.tsv"
sequence = "bases"
group_suffixes = ["_F", "_R"]
k = 1
cells = [{ name = "A", task = "A" }, { name = "B", task = ["C"] }, { name = "both", value = "A", task = ["A", "T"] }]
difference = [["A", "B"]]
"#;

const ALLELES: &str = r#"
[[judge]]
name = "alleles"
kind = "alleles"
pseudo_count = 0
kmer_from = "counts"
cells = [{ name = "A", file = "alleles.tsv", ref_value = "r", alt_value = "a", task = "A" }]
"#;

const EFFECTS: &str = r#"
[[judge]]
name = "effects"
kind = "effects"
file = "effects.tsv"
cells = [{ name = "A", task = "A" }]
"#;

fn config(folder: &Path, text: &str) -> SuiteConfig {
    let suite = folder.join("suite.toml");
    fs::write(&suite, text).unwrap();
    SuiteConfig {
        suite,
        fasta: Some(folder.join("g.fa")),
        aliases: Aliases::None,
        replicates: Some(30),
        share: None,
        seed: None,
        common: Common {
            model: model("count.onnx"),
            model_options: ModelOptions::default(),
            ort_lib: None,
            map: Vec::new(),
            baseline: None,
            bootstrap: Bootstrap::default(),
            batch: NonZeroUsize::new(16).unwrap(),
            threads: NonZeroUsize::new(2).unwrap(),
            out: folder.join("out"),
            existing: Existing {
                force: true,
                resume: false,
            },
            command: Vec::new(),
        },
    }
}

fn succeed(config: &SuiteConfig) -> SuiteSummary {
    run_suite(config, &Silent, &Cancel::default()).unwrap()
}

fn fail(folder: &Path, text: &str) -> (String, String) {
    let error = run_suite(&config(folder, text), &Silent, &Cancel::default()).unwrap_err();
    (error.to_string(), error.hint().unwrap_or_default())
}

fn row<'a>(summary: &'a SuiteSummary, key: [&str; 4], statistic: &str) -> &'a SuiteRow {
    let found = summary.rows.iter().find(|r| {
        [&r.judge[..], &r.cell, &r.subset, &r.predictor] == key && r.statistic == statistic
    });
    found.unwrap_or_else(|| panic!("{key:?} {statistic}"))
}

#[test]
fn a_model_that_is_right_is_found_right() {
    let dir = tempfile::tempdir().unwrap();
    files(dir.path());
    let all = [LABELS, VALUES, ALLELES, EFFECTS].concat();
    let summary = succeed(&config(dir.path(), &all));
    let value = |key, statistic| row(&summary, key, statistic).estimate.value;

    // The regions in the gap have no sequence. Windows of 145 in 155: the mean of three counts
    // nearly tells whether the whole has more than 38.
    assert_eq!(summary.left_out[0].1.get("unknown_bases"), Some(&5));
    let classes = row(&summary, ["classes", "X", "all", "model"], "auroc");
    assert!(classes.estimate.value > 0.97, "{classes:?}");
    assert_eq!((classes.n, classes.groups), (82, 82));
    assert!(value(["classes", "X", "all", "model"], "conditional_auroc") > 0.9);
    assert!(value(["classes", "X", "all", "model"], "average_precision") > 0.95);
    assert!(value(["classes", "X - Y", "all", "model"], "auroc") > 0.95);
    for chrom in ["chr1", "chr2", "chr3"] {
        assert!(value(["classes", "X", chrom, "model"], "auroc") > 0.9);
    }
    // A and T go with low shares of G and C, C with high ones.
    assert!(value(["classes", "X", "all", "gc"], "auroc") < 0.4);
    assert!(value(["classes", "Y", "all", "gc"], "auroc") > 0.6);

    // The count of A in 155 bases against the mean count in windows.
    assert!(value(["counts", "A", "all", "model"], "pearson") > 0.97);
    assert!(value(["counts", "A - B", "all", "model"], "pearson") > 0.97);
    // A and T together are what is not G and C: as composition has it.
    let both = value(["counts", "both", "all", "model"], "pearson");
    let gc = value(["counts", "both", "all", "gc"], "pearson");
    assert!((both + gc).abs() < 0.05, "{both} {gc}");
    // One pair of k-mers for A and T: the regression knows composition and no more.
    let kmer = value(["counts", "A", "all", "kmer"], "pearson");
    assert!((kmer - gc.abs()).abs() < 0.1, "{kmer} {gc}");
    let gain = row(&summary, ["counts", "A", "all", "model - kmer"], "pearson");
    assert!(gain.estimate.low > 0.0, "{gain:?}");

    // log2 of the ratio is the change of the number of A.
    for judge in ["alleles", "effects"] {
        let r = row(&summary, [judge, "A", "all", "model"], "pearson");
        assert!(r.estimate.value > 0.999_999, "{r:?}");
    }
    let agreement = value(["alleles", "A", "all", "model"], "sign_agreement");
    assert!(agreement > 0.7, "{agreement}");
    assert!(value(["alleles", "A", "all", "kmer"], "pearson") > 0.3);
    for part in ["e0", "e1", "e2", "mean"] {
        assert!(value(["effects", "A", part, "model"], "pearson") > 0.999_999);
    }
    assert!(summary.left_out[3].1["few_barcodes"] > 10);
    assert!(summary.files.iter().any(|f| f.ends_with("judges.svg")));
}

#[test]
fn nothing_depends_on_threads_and_batches() {
    let dir = tempfile::tempdir().unwrap();
    files(dir.path());
    let all = [LABELS, VALUES, ALLELES, EFFECTS].concat();
    let mut config = config(dir.path(), &all);
    config.common.baseline = Some(Against {
        model: model("demo.onnx"),
        map: [("A", "HepG2_minP"), ("C", "K562_minP")]
            .map(|(a, b)| (a.into(), b.into()))
            .to_vec(),
    });
    let mut read = |threads: usize, batch: usize| {
        config.common.threads = NonZeroUsize::new(threads).unwrap();
        config.common.batch = NonZeroUsize::new(batch).unwrap();
        let summary = succeed(&config);
        // Of the task T the baseline has nothing.
        assert!(
            summary
                .rows
                .iter()
                .any(|r| r.predictor == "model - baseline")
        );
        let lacks = |r: &SuiteRow| r.cell == "both" && r.predictor.contains("baseline");
        assert!(!summary.rows.iter().any(lacks));
        [
            "judges.tsv",
            "judges.json",
            "judges.svg",
            "predictions.tsv.gz",
        ]
        .map(|name| fs::read(config.common.out.join(name)).unwrap())
    };
    assert!(read(1, 3) == read(3, 16));
}

/// Every figure can be had again from `predictions.tsv.gz`.
#[test]
fn predictions_hold_what_the_figures_are_made_of() {
    use std::io::Read;
    let dir = tempfile::tempdir().unwrap();
    files(dir.path());
    let config = config(dir.path(), &[LABELS, VALUES].concat());
    let summary = succeed(&config);
    let packed = fs::File::open(config.common.out.join("predictions.tsv.gz")).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed)
        .read_to_string(&mut text)
        .unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|l| l.split('\t').collect()).collect();
    assert!(rows.iter().all(|r| r.len() == 14));
    let of = |judge: &str, cell: &str| -> Vec<&Vec<&str>> {
        rows.iter()
            .filter(|r| r[0] == judge && r[7] == cell)
            .collect()
    };
    let numbers = |rows: &[&Vec<&str>], column: usize| -> Vec<f64> {
        rows.iter().map(|r| r[column].parse().unwrap()).collect()
    };
    for cell in ["A", "B", "both", "A - B"] {
        let rows = of("counts", cell);
        for (column, who) in [(9, "model"), (11, "gc"), (12, "kmer")] {
            let r = crate::stats::pearson(&numbers(&rows, 8), &numbers(&rows, column));
            let found = row(&summary, ["counts", cell, "all", who], "pearson");
            assert!((r - found.estimate.value).abs() < 1e-9, "{cell} {who}");
        }
    }
    let rows = of("classes", "X");
    let positive: Vec<bool> = rows.iter().map(|r| r[8] == "1").collect();
    let strata: Vec<u32> = rows.iter().map(|r| r[13].parse().unwrap()).collect();
    let scores = numbers(&rows, 12);
    let auroc = crate::stats::StrataRanking::new(&scores, &strata);
    let found = row(
        &summary,
        ["classes", "X", "all", "kmer"],
        "conditional_auroc",
    );
    let weights = vec![1.0; rows.len()];
    assert!((auroc.auroc(&positive, &weights) - found.estimate.value).abs() < 1e-9);
    assert!(text.lines().filter(|l| l.contains("unknown_bases")).count() == 5);
}

#[test]
fn rows_are_chosen() {
    let dir = tempfile::tempdir().unwrap();
    files(dir.path());
    let n = |text: &str| {
        let summary = succeed(&config(dir.path(), text));
        let first = &summary.rows[0];
        (first.n, summary.left_out[0].1.clone())
    };
    let with = |judge: &str, line: &str| judge.replace("\nk = ", &format!("\n{line}\nk = "));
    let all = n(VALUES).0;
    let (some, left_out) = n(&with(VALUES, "where = { batch = [0, \"1\"] }"));
    assert_eq!(left_out["filtered"] as usize + some, all);
    let (others, _) = n(&with(VALUES, "where_not = { batch = [0, \"1\"] }"));
    assert_eq!(some + others, all);
    let (fifth, _) = n(&with(VALUES, "every = { of = 5 }"));
    let (rest, left_out) = n(&with(VALUES, "every = { of = 5, leave_out = true }"));
    assert_eq!((fifth + rest, left_out["every"] as usize), (all, fifth));
    assert_eq!(fifth, all.div_ceil(5));
    let (two, _) = n(&with(LABELS, "chroms = [\"chr1\", \"chr2\"]"));
    let (one, _) = n(&with(LABELS, "leave_out_chroms = [\"chr1\", \"chr2\"]"));
    assert_eq!((two, one), (58, 24));
    // Windows about the labelled bases: the first of each contig begins before it.
    let (bases, _) = n(&LABELS.replace("regions = \"regions.bed\"", "width = 401"));
    assert_eq!(bases, 79);
    let (both, left_out) = n(&with(LABELS, "negative = \"off\""));
    assert_eq!((both, left_out.get("other_class")), (82, None));
}

#[test]
fn what_is_wrong_is_said() {
    let dir = tempfile::tempdir().unwrap();
    files(dir.path());
    let folder = dir.path();
    for (text, problem) in [
        (
            VALUES.replace("kind =", "knd ="),
            "line 4: unknown field `knd`; expected one of `name`, `kind`",
        ),
        (
            VALUES.replace("\"values\"\n", "\"numbers\"\n"),
            "line 4: unknown variant `numbers`",
        ),
        (
            VALUES.replace("k = 1", "k = 9"),
            "judge \"counts\": k out of its range; expected 1 to 6",
        ),
        (
            VALUES.replace("k = 1", "positive = 1"),
            "positive in a judge of kind values; expected it in kind labels",
        ),
        (
            VALUES.replace("[[\"A\", \"B\"]]", "[\"A\", \"Z\"]"),
            "unknown cell \"Z\"; expected two of A, B, both",
        ),
        (
            VALUES.replace("sequence = \"bases\"", "sequence = \"seq\""),
            "no column \"seq\" (sequence); it has name, A, B, batch, bases",
        ),
        (
            VALUES
                .replace("name = \"B\"", "name = \"C\"")
                .replace("\"B\"]]", "\"C\"]]"),
            "no column \"C\" (value)",
        ),
        (
            VALUES.replace("task = \"A\"", "task = \"Q\""),
            "judge \"counts\", A: the model has no task \"Q\"; it has A, C, G, T",
        ),
        (
            VALUES.replace("k = 1", "where = { batch = 7 }"),
            "no row is left (82 filtered)",
        ),
        (
            VALUES.replace("sequence = \"bases\"", ""),
            "no column \"chrom\"",
        ),
        (
            LABELS.replace("\"on\"", "\"none\""),
            "judge \"classes\", X: 0 of 82 labels are positive",
        ),
        (
            ALLELES.to_string(),
            "kmer_from \"counts\"; expected a judge of kind labels or values above",
        ),
        (EFFECTS.replace("[{ name", "[{ nme"), "unknown field `nme`"),
        (
            EFFECTS.replace("kind", "min_barcodes = 100\nkind"),
            "few_barcodes",
        ),
        ([VALUES, VALUES].concat(), "two judges \"counts\""),
        (String::new(), "no judge"),
        (
            "interval = 2\n".to_owned() + EFFECTS,
            "interval out of its range",
        ),
    ] {
        let (error, hint) = fail(folder, &text);
        assert!(error.contains(problem), "{problem}: {error}");
        if error.contains("no task") {
            assert!(hint.contains("--map TASK=TASK"), "{hint}");
        }
    }
    let mut without = config(folder, EFFECTS);
    without.fasta = None;
    let error = run_suite(&without, &Silent, &Cancel::default()).unwrap_err();
    assert!(error.hint().unwrap().contains("--fasta"), "{error}");
    let mut mapped = config(folder, VALUES);
    mapped.common.map = vec![("X".into(), "A".into())];
    let error = run_suite(&mapped, &Silent, &Cancel::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("unknown task of the suite \"X\""),
        "{error}"
    );
    // A name twice, in a table and in the regions.
    let x = fs::read_to_string(folder.join("x.tsv")).unwrap();
    let second = x.lines().nth(1).unwrap();
    fs::write(folder.join("x.tsv"), format!("{x}{second}\n")).unwrap();
    let (error, _) = fail(folder, LABELS);
    assert!(
        error.contains("line 89") && error.contains("a second time"),
        "{error}"
    );
}

#[test]
fn tasks_are_mapped() {
    let dir = tempfile::tempdir().unwrap();
    files(dir.path());
    let mut config = config(
        dir.path(),
        &VALUES
            .replace("\"A\", \"T\"", "\"A\"")
            .replace("task = \"A\"", "task = \"mine\"")
            .replace("task = [\"A\"]", "task = \"mine\""),
    );
    config.common.map = vec![("mine".into(), "A".into())];
    let summary = succeed(&config);
    let found = row(&summary, ["counts", "A", "all", "model"], "pearson");
    assert!(found.estimate.value > 0.97);
    assert_eq!(found.task.as_deref(), Some("A"));
    // A baseline without any of the tasks is no baseline.
    config.common.baseline = Some(Against {
        model: model("scan.onnx"),
        map: Vec::new(),
    });
    let error = run_suite(&config, &Silent, &Cancel::default()).unwrap_err();
    assert!(error.to_string().contains("--baseline-map"), "{error}");
}
