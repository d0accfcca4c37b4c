use super::run;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::*;
use super::{Random, random_table};
use crate::input::Place;

#[test]
fn printed_numbers() {
    let print = |precision: Precision, value: f64| {
        let mut text = Vec::new();
        precision.push(value, &mut text);
        String::from_utf8(text).unwrap()
    };
    for (value, expected) in [
        (0.0, "0"),
        (1.0, "1"),
        (-12.5, "-12.5"),
        (0.1236, "0.124"),
        (-0.97, "-0.97"),
        (10.0004, "10"),
        (0.0004, "0"),
        (1234.5678, "1234.568"),
        (99.9999, "100"),
        // Halves to even, judged by the exact binary value: 0.0625 is a tie, 0.0015 lies above one
        // and 1.0005 below.
        (0.0625, "0.062"),
        (0.1875, "0.188"),
        (0.0015, "0.002"),
        (1.0005, "1"),
    ] {
        assert_eq!(print(Precision::Digits(3), value), expected, "{value}");
    }
    assert_eq!(print(Precision::Digits(0), 2.6), "3");
    assert_eq!(print(Precision::Digits(0), 2.5), "2");
    assert_eq!(print(Precision::Digits(0), 1200.0), "1200");
    let mut random = Random(9);
    for _ in 0..20_000 {
        let value = random.normal() * 10f64.powf(6.0 * random.unit() - 4.0);
        for digits in [0, 1, 3, 6] {
            let exact = format!("{value:.digits$}");
            let found = print(Precision::Digits(digits as u8), value);
            assert_eq!(found.parse::<f64>().unwrap(), exact.parse::<f64>().unwrap());
            assert!(!found.contains('.') || !found.ends_with('0'), "{found}");
        }
        assert_eq!(print(Precision::Full, value).parse::<f64>().unwrap(), value);
        assert_eq!(Precision::Full.round(value), value);
        let rounded = Precision::Digits(3).round(value);
        assert_eq!(rounded, format!("{value:.3}").parse::<f64>().unwrap());
    }
}

#[test]
fn tables_read_back_as_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.tsv");
    let table = random_table(5000, 3, 0.3, 4);
    write_table(&path, &table, Precision::Full).unwrap();
    let back = read_table(&path, 3, true).unwrap();
    assert_eq!(back.regions, table.regions);
    for (a, b) in back.values.iter().zip(&table.values) {
        assert!(a == b || a.is_nan() && b.is_nan());
    }
    for (text, columns, missing, part) in [
        ("", 2, true, "holds no row"),
        (
            "a\t1\t2\t3\n",
            2,
            true,
            "line 1: 3 value(s) for region \"a\"",
        ),
        ("a\t1\n", 2, false, "line 1: 1 value(s) for region \"a\""),
        ("a\t1\t\n", 2, false, "value \"\" of region \"a\""),
        ("a\t1\tx\n", 2, true, "value \"x\" of region \"a\""),
        ("a\t1\tNaN\n", 2, true, "value \"NaN\" of region \"a\""),
        (
            "a\t1\t2\na\t1\t2\n",
            2,
            true,
            "line 2: region \"a\" stands already on line 1",
        ),
        ("\t1\t2\n", 2, true, "no region"),
    ] {
        fs::write(&path, text).unwrap();
        let error = read_table(&path, columns, missing).unwrap_err().to_string();
        assert!(error.contains(part), "{text:?}: {error}");
    }
    // Trailing cells may be absent from a tile table, as SHARPR leaves them out.
    fs::write(&path, "a\t1\n").unwrap();
    assert!(read_table(&path, 2, true).unwrap().values[1].is_nan());
    for (text, part) in [
        ("a_0\t1\n", "2 column(s)"),
        ("a_0\tx\t1\n", "value \"x\""),
        ("a_0\t1\t1.5\n", "barcodes \"1.5\""),
    ] {
        fs::write(&path, text).unwrap();
        let error = read_normalized(&path).unwrap_err().to_string();
        assert!(error.contains(part), "{text:?}: {error}");
    }
}

#[test]
fn tracks_are_means_over_regions() {
    let scores = RegionTable {
        regions: ["a", "b", "c", "d"].into_iter().collect(),
        columns: 4,
        values: vec![
            1., 1., 2., 4., 6., 8., 8., 8., 3., 3., 3., 3., 5., 5., 5., 5.,
        ],
    };
    let place = |chrom: &str, start| Place {
        chrom: chrom.into(),
        start,
        end: start + 4,
    };
    // a and b overlap in two bases, c touches b, d lies elsewhere.
    let places = [
        ("a", place("chr2", 10)),
        ("b", place("chr2", 12)),
        ("c", place("chr2", 16)),
        ("d", place("chr1", 0)),
    ];
    let places = places.map(|(n, p)| (n.to_owned(), p)).into_iter().collect();
    let sizes = [("chr2".to_owned(), 20), ("chr1".to_owned(), 4)];
    let here = Path::new("c.txt");
    let tracks = tracks::lay_on_genome(&scores, &places, Some(&sizes), here).unwrap();
    assert_eq!(tracks[0].chrom, "chr1");
    assert_eq!(tracks[1].spans.len(), 1);
    assert_eq!(tracks[1].spans[0].start, 10);
    let expected = [1., 1., 4., 6., 8., 8., 3., 3., 3., 3.];
    assert_eq!(tracks[1].spans[0].values, expected);
    let unsized_ = tracks::lay_on_genome(&scores, &places, None, here).unwrap();
    assert_eq!(unsized_, tracks);
    let dir = tempfile::tempdir().unwrap();
    let written =
        |sizes| tracks::write_tracks(&tracks, sizes, |name| dir.path().join(name)).unwrap();
    assert_eq!(written(None), ["scores.bedGraph"]);
    assert_eq!(written(Some(&sizes[..])), ["scores.bedGraph", "scores.bw"]);
    let mut reader = bigtools::BigWigRead::open_file(dir.path().join("scores.bw")).unwrap();
    let values: Vec<f32> = reader
        .get_interval("chr2", 0, 20)
        .unwrap()
        .map(|v| v.unwrap().value)
        .collect();
    assert_eq!(values, expected);
    let text = fs::read_to_string(dir.path().join("scores.bedGraph")).unwrap();
    assert_eq!(
        text,
        "chr1\t0\t4\t5\nchr2\t10\t12\t1\nchr2\t12\t13\t4\nchr2\t13\t14\t6\nchr2\t14\t16\t8\nchr2\t16\t20\t3\n"
    );
    let fail = |places: &_, sizes: Option<&[_]>| {
        let error = tracks::lay_on_genome(&scores, places, sizes, here).unwrap_err();
        error.to_string()
    };
    let short = [("chr2".to_owned(), 19), ("chr1".to_owned(), 4)];
    assert!(fail(&places, Some(&short)).contains("\"c\": it ends at 20, chr2 has 19 bases"));
    assert!(fail(&places, Some(&sizes[..1])).contains("\"d\": \"chr1\" has no size"));
    let mut other = places.clone();
    other.get_mut("b").unwrap().end += 1;
    assert!(fail(&other, None).contains("\"b\": chr2:12-17 has 5 bases, its scores 4"));
    other.remove("a");
    assert!(fail(&other, None).contains("\"a\": it is not in this file"));
}

/// Two replicates' RNA and DNA tables of 40 regions with 5 tiles, GEO's form.
fn write_counts(dir: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let mut random = Random(77);
    let mut lists = (Vec::new(), Vec::new());
    for r in 0..2 {
        let mut texts = [String::new(), String::new()];
        for text in &mut texts {
            text.push_str("ID\tSequence\tTags\tCounts\n");
        }
        for region in 0..40 {
            for tile in 0..5 {
                // Region 7 has too little DNA everywhere.
                let dna = if region == 7 {
                    3.0
                } else {
                    60.0 * random.unit()
                };
                let rna = dna * (1.0 + 3.0 * random.unit());
                for (text, count) in texts.iter_mut().zip([rna, dna]) {
                    text.push_str(&format!(
                        "s_{region}_0_{tile}_chr1_{region}\tACGT\tAA\t{}\n",
                        count as u32
                    ));
                }
            }
        }
        for (text, (kind, list)) in texts
            .iter()
            .zip([("rna", &mut lists.0), ("dna", &mut lists.1)])
        {
            let path = dir.join(format!("{kind}{r}.txt"));
            fs::write(&path, text).unwrap();
            list.push(path);
        }
    }
    lists
}

fn config(start: Start, out: &Path) -> Config {
    Config {
        start,
        design: Design::new(20, 5, 5).unwrap(),
        tile_index: 3,
        min_dna: 20,
        recentre: Recentre::None,
        prior_variances: vec![1.0, 50.0],
        precision: Precision::Digits(3),
        stop_after: Step::Interpolate,
        regions: None,
        sizes: None,
        out: out.into(),
        force: false,
        threads: 1,
        command: vec!["test".into()],
    }
}

#[test]
fn a_run_step_by_step_equals_a_whole_one_for_any_threads() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (rna, dna) = write_counts(dir.path());
    let counts = Start::Counts { rna, dna };
    let whole = run(&config(counts.clone(), &at("whole"))).unwrap();
    assert_eq!((whole.regions, whole.tiles), (40, Some(200)));
    let lacking = (
        "1".into(),
        "region_without_values".into(),
        "s_7_0_chr1_7".into(),
    );
    assert!(whole.report.contains(&lacking), "{:?}", whole.report);

    let mut threaded = config(counts.clone(), &at("threads"));
    threaded.threads = 3;
    run(&threaded).unwrap();

    let mut first = config(counts, &at("s1"));
    first.stop_after = Step::Normalize;
    run(&first).unwrap();
    let files = |folder: &str, names: &[&str]| names.iter().map(|n| at(folder).join(n)).collect();
    let mut second = config(
        Start::Normalized(files("s1", &["normalized.1.tsv", "normalized.2.tsv"])),
        &at("s2"),
    );
    second.stop_after = Step::Table;
    run(&second).unwrap();
    let mut third = config(
        Start::Tables(files("s2", &["table.1.tsv", "table.2.tsv"])),
        &at("s3"),
    );
    third.stop_after = Step::Infer;
    run(&third).unwrap();
    let mut fourth = config(
        Start::Inferred(vec![
            files("s3", &["infer.1.v1.tsv", "infer.2.v1.tsv"]),
            files("s3", &["infer.1.v50.tsv", "infer.2.v50.tsv"]),
        ]),
        &at("s4"),
    );
    fourth.stop_after = Step::Combine;
    run(&fourth).unwrap();
    run(&config(
        Start::Combined(at("s4").join("combined.tsv")),
        &at("s5"),
    ))
    .unwrap();

    let read = |folder: &str, name: &str| fs::read(at(folder).join(name)).unwrap();
    for (folder, name) in [
        ("s1", "normalized.2.tsv"),
        ("s2", "table.1.tsv"),
        ("s3", "infer.2.v50.tsv"),
        ("s4", "combined.tsv"),
        ("s5", "scores.tsv"),
    ] {
        assert!(read(folder, name) == read("whole", name), "{name}");
        assert!(read("threads", name) == read("whole", name), "{name}");
    }
    let run_json: serde_json::Value = serde_json::from_slice(&read("whole", "run.json")).unwrap();
    assert_eq!(run_json["counts"]["tiles"], 200);
    assert_eq!(run_json["settings"]["intervals"], 8);
    assert_eq!(run_json["inputs"].as_array().unwrap().len(), 4);
    // 40 regions of 8 intervals of 5 bases.
    let scores = String::from_utf8(read("whole", "scores.tsv")).unwrap();
    assert_eq!(scores.lines().count(), 40);
    assert!(scores.lines().all(|l| l.split('\t').count() == 41));
}

#[test]
fn settings_that_do_not_go_together() {
    let table = || Start::Tables(vec!["t".into()]);
    let check = |change: &dyn Fn(&mut Config), part: &str| {
        let mut config = config(table(), Path::new("out"));
        change(&mut config);
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    check(&|c| c.stop_after = Step::Table, "nothing to do");
    check(
        &|c| c.prior_variances = vec![1.0, 2.0, 3.0],
        "3 prior variances",
    );
    check(&|c| c.prior_variances = vec![-1.0], "not a positive number");
    check(
        &|c| c.prior_variances = vec![2.0, 2.0],
        "both prior variances are 2",
    );
    check(
        &|c| c.sizes = Some("s".into()),
        "without region coordinates",
    );
    check(&|c| c.precision = Precision::Digits(20), "20 digits");
    check(&|c| c.start = Start::Tables(Vec::new()), "no input table");
    check(
        &|c| c.start = Start::Inferred(vec![vec!["a".into()], Vec::new()]),
        "same replicates",
    );
    check(
        &|c| {
            c.regions = Some("r".into());
            c.stop_after = Step::Infer;
        },
        "which this run stops before",
    );
    check(
        &|c| {
            c.start = Start::Counts {
                rna: vec!["a".into(), "b".into()],
                dna: vec!["c".into()],
            }
        },
        "2 RNA table(s) and 1 DNA table(s)",
    );
}
