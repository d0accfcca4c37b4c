use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use super::*;
use crate::Cancel;
use crate::dataset::Split;
use crate::genome::Aliases;
use crate::labelled::Source;
use crate::model::{ModelOptions, ModelSource, ModelSources};
use crate::output::Existing;
use crate::stats::Random;

const NONE: Bootstrap = Bootstrap {
    replicates: 0,
    share: 0.95,
    seed: 1,
};

#[test]
fn figures_equal_closed_forms() {
    // Predicted 1 2 3, measured 2 1 3: residuals 1, -1, 0; deviations of the measured 0, -1, 1.
    let m = metrics(&[2.0, 1.0, 3.0], &[1.0, 2.0, 3.0], &[0, 1, 2], &NONE);
    assert!((m.mse.value - 2.0 / 3.0).abs() < 1e-12);
    assert!(m.r2.value.abs() < 1e-12);
    assert!((m.pearson.value - 0.5).abs() < 1e-12);
    assert!((m.spearman.value - 0.5).abs() < 1e-12);
    assert!(m.pearson.low.is_nan());
    // A shift costs error and leaves correlation; far from 0 no digits are lost.
    let at = 1e8;
    let m = metrics(
        &[at + 2.0, at + 1.0, at + 3.0],
        &[at + 11.0, at + 12.0, at + 13.0],
        &[0, 0, 1],
        &NONE,
    );
    assert_eq!((m.n, m.groups), (3, 2));
    assert!((m.mse.value - (81.0 + 121.0 + 100.0) / 3.0).abs() < 1e-6);
    assert!((m.pearson.value - 0.5).abs() < 1e-6);
}

#[test]
fn intervals_cover_and_follow_groups() {
    // Measured = predicted + noise of the same variance: r = 1 / sqrt 2.
    let mut random = Random::new(9, 0, 0);
    let mut normal =
        || (0..12).map(|_| random.below(1 << 20) as f64).sum::<f64>() / (1 << 20) as f64 - 6.0;
    let predicted: Vec<f64> = (0..400).map(|_| normal()).collect();
    let observed: Vec<f64> = predicted.iter().map(|p| p + normal()).collect();
    let own: Vec<u32> = (0..400).collect();
    let bootstrap = Bootstrap {
        replicates: 400,
        ..NONE
    };
    let m = metrics(&observed, &predicted, &own, &bootstrap);
    let truth = 0.5f64.sqrt();
    assert!(
        m.pearson.low < truth && truth < m.pearson.high,
        "{:?}",
        m.pearson
    );
    // Fisher: half a width of 1.96 (1 - r^2) / sqrt n = 0.049.
    let width = m.pearson.high - m.pearson.low;
    assert!((0.07..0.13).contains(&width), "{width}");
    // Every row four times, drawn together: the same interval, give or take the draw; drawn alone
    // it would be half as wide.
    let four = |v: &[f64]| -> Vec<f64> { v.iter().flat_map(|x| [*x; 4]).collect() };
    let groups: Vec<u32> = (0..1600).map(|i| i / 4).collect();
    let m4 = metrics(&four(&observed), &four(&predicted), &groups, &bootstrap);
    assert_eq!(m4.groups, 400);
    assert!((m4.pearson.low - m.pearson.low).abs() < 1e-9);
    // A model is no better than itself, in any draw.
    let g = gain(&observed, &predicted, &predicted, &own, &bootstrap);
    assert_eq!((g.value, g.low, g.high), (0.0, 0.0, 0.0));
    let noise: Vec<f64> = (0..400).map(|_| normal()).collect();
    assert!(gain(&observed, &predicted, &noise, &own, &bootstrap).low > 0.4);
}

#[test]
fn ceilings() {
    // r = 0.5 between two replicates: sqrt(2 * 0.5 / 1.5).
    let replicates = ndarray::array![
        [1.0, 2.0],
        [2.0, 1.0],
        [3.0, 3.0],
        [f64::NAN, 5.0],
        [9.0, -7.0]
    ];
    let c = ceiling(replicates.view(), &[0, 1, 2, 3]).unwrap();
    assert_eq!((c.n, c.replicates), (3, 2));
    assert!((c.pearson - 0.5).abs() < 1e-12);
    assert!((c.ceiling - (2.0f64 / 3.0).sqrt()).abs() < 1e-12);
    let first = replicates.slice(ndarray::s![.., ..1]);
    assert!(ceiling(first, &[0, 1, 2]).is_none());
    assert!(ceiling(replicates.view(), &[0, 3]).is_none());
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

fn common(folder: &Path, model: &str) -> Common {
    Common {
        model: ModelSource::File(fixture("models").join(model)).into(),
        model_options: ModelOptions::default(),
        ort_lib: None,
        map: Vec::new(),
        baseline: None,
        bootstrap: Bootstrap {
            replicates: 50,
            ..Bootstrap::default()
        },
        batch: NonZeroUsize::new(4).unwrap(),
        threads: NonZeroUsize::new(2).unwrap(),
        out: folder.join("out"),
        existing: Existing {
            force: true,
            resume: false,
        },
        command: vec!["test".into()],
    }
}

/// Sequences whose labels are their base counts: what `count.onnx` gives.
fn counted(folder: &Path) -> PathBuf {
    let mut random = Random::new(3, 0, 0);
    let mut text = String::from("id\tsequence\tregion\tsplit\tA\tA.rep1\tA.rep2\tother\n");
    for row in 0..30 {
        let letters: String = (0..145)
            .map(|_| crate::encode::BASES[random.below(4) as usize])
            .collect();
        let count = |base: char| letters.matches(base).count();
        let side = if row % 3 == 0 { "test" } else { "train" };
        let a = match row {
            3 => "NA".into(),
            _ => count('A').to_string(),
        };
        text += &format!(
            "s{row}\t{letters}\tr{}\t{side}\t{a}\t{}\t{}\t{}\n",
            row / 6,
            count('A'),
            count('A') + row % 2,
            2 * count('C') + 1
        );
    }
    let path = folder.join("data.tsv");
    fs::write(&path, text).unwrap();
    path
}

fn examples(folder: &Path) -> ExamplesConfig {
    ExamplesConfig {
        source: Source {
            columns: crate::labelled::Columns::default(),
            data: counted(folder),
            fasta: None,
            aliases: Aliases::None,
        },
        side: Side::Auto,
        values: Values::Standardised,
        common: common(folder, "count.onnx"),
    }
}

#[test]
fn a_model_that_is_right_is_found_right() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = examples(dir.path());
    config.common.map = vec![("other".into(), "C".into())];
    config.common.baseline = Some(Against {
        model: ModelSource::File(fixture("models/scan.onnx")).into(),
        map: vec![("A".into(), "best_match".into())],
    });
    let summary = run_examples(&config, &Cancel::default()).unwrap();
    let rows: Vec<(&str, &str, &str, usize)> = (summary.rows.iter())
        .map(|r| (r.of.as_str(), r.task.as_str(), r.model, r.metrics.n))
        .collect();
    // Ten test rows, one of them without a value of A.
    assert_eq!(
        rows,
        [
            ("A", "A", "model", 9),
            ("A", "best_match", "baseline", 9),
            ("other", "C", "model", 10)
        ]
    );
    let [a, base, other] = &summary.rows[..] else {
        panic!()
    };
    assert!((a.metrics.pearson.value - 1.0).abs() < 1e-9 && a.metrics.mse.value < 1e-9);
    assert!((other.metrics.pearson.value - 1.0).abs() < 1e-9 && other.metrics.r2.value < 0.0);
    let gain = a.gain.unwrap().value;
    assert!((gain - (1.0 - base.metrics.pearson.value)).abs() < 1e-9);
    assert_eq!(a.replicates.unwrap().n, 9);
    let text = fs::read_to_string(config.common.out.join("predictions.tsv")).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split('\t').collect()).collect();
    assert_eq!(
        lines[0],
        [
            "name",
            "split",
            "status",
            "A",
            "other",
            "A.predicted",
            "A.baseline",
            "other.predicted"
        ]
    );
    assert_eq!(lines.len(), 11);
    assert_eq!((lines[2][0], lines[2][3]), ("s3", "NA"));
    assert!(lines[1][3] == lines[1][5] && lines[1][1] == "test");
    let metrics = fs::read_to_string(config.common.out.join("metrics.tsv")).unwrap();
    let columns = metrics.lines().next().unwrap().split('\t').count();
    assert!(metrics.lines().all(|l| l.split('\t').count() == columns));

    // Threads and batches change nothing; the other side of the split does.
    config.common.threads = NonZeroUsize::MIN;
    config.common.batch = NonZeroUsize::new(7).unwrap();
    run_examples(&config, &Cancel::default()).unwrap();
    assert_eq!(
        metrics,
        fs::read_to_string(config.common.out.join("metrics.tsv")).unwrap()
    );
    config.side = Side::Of(Split::Train);
    let summary = run_examples(&config, &Cancel::default()).unwrap();
    assert_eq!(
        (summary.rows[0].metrics.n, summary.rows[0].metrics.groups),
        (20, 5)
    );
}

#[test]
fn what_cannot_be_evaluated_is_said_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let failure = |change: &dyn Fn(&mut ExamplesConfig)| {
        let mut config = examples(dir.path());
        change(&mut config);
        let error = run_examples(&config, &Cancel::default()).unwrap_err();
        assert!(!config.common.out.exists());
        format!("{error} {}", error.hint().unwrap_or_default())
    };
    let map = |label: &str, task: &str| vec![(label.to_owned(), task.to_owned())];
    let demo = ModelSources::from(ModelSource::File(fixture("models/demo.onnx")));
    for (change, expected) in [
        (
            &(|c: &mut ExamplesConfig| c.common.model = demo.clone())
                as &dyn Fn(&mut ExamplesConfig),
            "A, other there, HepG2_minP",
        ),
        (&|c| c.common.model = demo.clone(), "--map LABEL=TASK"),
        (&|c| c.common.map = map("x", "A"), "unknown label \"x\""),
        (&|c| c.common.map = map("A", "x"), "no task \"x\""),
        (
            &|c| c.side = Side::Of(Split::Validation),
            "no row on that side",
        ),
        (&|c| c.values = Values::Activity, "no column A.activity"),
        (
            &|c| fs::write(&c.source.data, "sequence\tA\nACGT\t1\n").unwrap(),
            "have 4 bases, the model takes windows of 145",
        ),
    ] {
        let error = failure(change);
        assert!(error.contains(expected), "{error}");
    }
}

/// A contig of 200 known bases between unknown ones.
fn genome(folder: &Path) -> (PathBuf, Vec<u8>) {
    let mut random = Random::new(8, 0, 0);
    let bases: Vec<u8> = (0..260)
        .map(|i| match (30..230).contains(&i) {
            true => b"ACGT"[random.below(4) as usize],
            false => b'N',
        })
        .collect();
    let path = folder.join("g.fa");
    let text = format!(">chr1\n{}\n", String::from_utf8_lossy(&bases));
    fs::write(&path, text).unwrap();
    (path, bases)
}

#[test]
fn measured_effects_of_variants() {
    let dir = tempfile::tempdir().unwrap();
    let (fasta, bases) = genome(dir.path());
    // The effect on the number of A, which count.onnx predicts: whole windows start at 30 to 85,
    // so variants are at 102 to 157.
    let mut lines = Vec::new();
    let mut expected = Vec::new();
    for at in [101usize, 102, 110, 120, 130, 157, 158] {
        let reference = bases[at] as char;
        for alternative in "ACGT".chars().filter(|&c| c != reference) {
            let effect = i32::from(alternative == 'A') - i32::from(reference == 'A');
            lines.push((at, reference, alternative.to_string(), effect, 20));
            expected.push(if (102..=157).contains(&at) {
                "ok"
            } else {
                "unknown_bases"
            });
        }
    }
    let wrong = if bases[120] == b'A' { 'C' } else { 'A' };
    lines.push((120, wrong, "N".into(), 0, 20));
    expected.push("alt_not_acgt");
    lines.push((
        120,
        wrong,
        if wrong == 'A' { "C" } else { "A" }.into(),
        0,
        20,
    ));
    expected.push("ref_mismatch");
    lines.push((121, bases[121] as char, "A".into(), 0, 9));
    expected.push("few_barcodes");
    let path = dir.path().join("v.vcf");
    let mut vcf = String::from(
        "##fileformat=VCFv4.2\n##INFO=<ID=EFF,Number=A,Type=Float,Description=\"e\">\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n",
    );
    let mut table = String::from("chrom\tpos\tref\talt\tEFF\tBC\n");
    for (at, reference, alternative, effect, barcodes) in &lines {
        let pos = at + 1;
        vcf += &format!(
            "1\t{pos}\t.\t{reference}\t{alternative}\t.\t.\tELEM=e;EFF={effect};BC={barcodes}\n"
        );
        table += &format!("1\t{pos}\t{reference}\t{alternative}\t{effect}\t{barcodes}\n");
    }
    fs::write(&path, &vcf).unwrap();
    let mut config = VariantsConfig {
        variants: path.clone(),
        fields: Fields::default(),
        fasta,
        aliases: Aliases::UcscEnsembl,
        min_barcodes: 10.0,
        tasks: Some(vec!["A".into()]),
        common: common(dir.path(), "count.onnx"),
    };
    let summary = run_variants(&config, &Cancel::default()).unwrap();
    let [row] = &summary.rows[..] else {
        panic!("{:?}", summary.rows)
    };
    assert_eq!(
        (row.of.as_str(), row.metrics.n, row.metrics.groups),
        ("e", 15, 5)
    );
    assert!((row.metrics.pearson.value - 1.0).abs() < 1e-9 && row.metrics.mse.value < 1e-9);
    let text = fs::read_to_string(config.common.out.join("variants.tsv")).unwrap();
    let status: Vec<&str> = (text.lines().skip(1))
        .map(|l| l.split('\t').nth(7).unwrap())
        .collect();
    assert_eq!(status, expected);
    let metrics = fs::read_to_string(config.common.out.join("metrics.tsv")).unwrap();

    // A table says the same; without elements they are `all`.
    config.variants = dir.path().join("v.tsv");
    fs::write(&config.variants, &table).unwrap();
    run_variants(&config, &Cancel::default()).unwrap();
    let of_table = fs::read_to_string(config.common.out.join("metrics.tsv")).unwrap();
    assert_eq!(of_table, metrics.replace("\ne\t", "\nall\t"));

    // A second model, by another task.
    let count = ModelSources::from(ModelSource::File(fixture("models/count.onnx")));
    let against = |task: &str, other: &str| {
        Some(Against {
            model: count.clone(),
            map: vec![(task.into(), other.into())],
        })
    };
    config.common.baseline = against("A", "C");
    let summary = run_variants(&config, &Cancel::default()).unwrap();
    let [a, c] = &summary.rows[..] else { panic!() };
    assert_eq!((c.model, c.task.as_str()), ("baseline", "C"));
    let gain = a.gain.unwrap().value;
    assert!((gain - (1.0 - c.metrics.pearson.value)).abs() < 1e-9 && gain > 0.5);
    config.common.baseline = against("G", "C");
    let error = run_variants(&config, &Cancel::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("unknown task \"G\""), "{error}");
    config.common.baseline = Some(Against {
        model: ModelSource::File(fixture("models/scan.onnx")).into(),
        map: Vec::new(),
    });
    let error = run_variants(&config, &Cancel::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("--baseline-map"), "{error}");
    config.common.baseline = None;

    for (text, problem) in [
        (vcf.replace("EFF=1", "EFF=x"), "EFF is \"x\""),
        (vcf.replace(";EFF=", ";E="), "no record has EFF"),
        (table.replace("EFF", "effect"), "column \"EFF\""),
        (table.replace("\t121\t", "\t0\t"), "1-based position"),
    ] {
        fs::write(&config.variants, text).unwrap();
        let error = run_variants(&config, &Cancel::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn deletions_and_insertions_take_bases_from_the_right() {
    let dir = tempfile::tempdir().unwrap();
    let (fasta, bases) = genome(dir.path());
    let text = |at: usize, n: usize| String::from_utf8_lossy(&bases[at..at + n]).into_owned();
    let at = 110;
    // Window 38..183; what comes in at its right end, or goes out.
    let is_a = |b: u8| f64::from(u8::from(b == b'A'));
    let deletion = is_a(bases[183]) + is_a(bases[184]) - is_a(bases[111]) - is_a(bases[112]);
    let insertion = 3.0 - (180..183).map(|i| is_a(bases[i])).sum::<f64>();
    // Neither it nor the base that it replaces is A.
    assert_ne!(bases[at], b'A');
    let other = if bases[at] == b'C' { b'G' } else { b'C' };
    let path = dir.path().join("v.tsv");
    let rows = format!(
        "chrom\tpos\tref\talt\tEFF\nchr1\t{0}\t{1}\t{2}\t0\nchr1\t{0}\t{2}\t{2}AAA\t1\nchr1\t{0}\t{2}\t{4}\t2\nchr1\t{0}\t{2}\t{3}\t3\n",
        at + 1,
        text(at, 3),
        text(at, 1),
        "A".repeat(80),
        char::from(other)
    );
    fs::write(&path, rows).unwrap();
    let config = VariantsConfig {
        variants: path,
        fields: Fields::default(),
        fasta,
        aliases: Aliases::None,
        min_barcodes: 10.0,
        tasks: Some(vec!["A".into()]),
        common: common(dir.path(), "count.onnx"),
    };
    run_variants(&config, &Cancel::default()).unwrap();
    let text = fs::read_to_string(config.common.out.join("variants.tsv")).unwrap();
    let cells: Vec<(&str, &str)> = (text.lines().skip(1))
        .map(|l| {
            let cells: Vec<&str> = l.split('\t').collect();
            (cells[7], cells[9])
        })
        .collect();
    let value = |i: usize| cells[i].1.parse::<f64>().unwrap();
    assert_eq!((value(0), value(1), value(2)), (deletion, insertion, 0.0));
    assert_eq!(cells[3], ("too_long", "NA"));
}
