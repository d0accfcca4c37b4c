use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use super::super::sketch::STATISTICS;
use super::*;
use crate::stats;

/// Scores with ties and an annotation that follows them at both ends, as files.
struct Case {
    dir: tempfile::TempDir,
    scores: Vec<f64>,
    inside: Vec<bool>,
}

fn case(n: usize) -> Case {
    let mut random = stats::Random::new(11, n as u64, 0);
    let scores: Vec<f64> = (0..n)
        .map(|_| (random.below(200) as f64 - 100.0) * (1.0 + random.below(3) as f64) / 8.0)
        .collect();
    let inside: Vec<bool> = scores
        .iter()
        .map(|s| random.below(1000) < 50 + (s * s) as u64)
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let (mut graph, mut bed) = (String::new(), String::new());
    // A gap of one base in the middle, another contig for the second half.
    for (i, (s, x)) in scores.iter().zip(&inside).enumerate() {
        let (contig, at) = if i < n / 2 {
            ("chr1", i + 7)
        } else {
            ("chr2", 2 * i)
        };
        graph.push_str(&format!("{contig}\t{at}\t{}\t{s}\n", at + 1));
        if *x {
            // Twice, and unsorted below: a set counts each base once.
            bed = format!("{contig}\t{at}\t{}\n{bed}", at + 1);
            bed.push_str(&format!("{contig}\t{at}\t{}\n", at + 1));
        }
    }
    bed.push_str("chrUn\t0\t1000\n");
    fs::write(dir.path().join("s.bedGraph"), graph).unwrap();
    fs::write(dir.path().join("a.bed"), bed).unwrap();
    Case {
        dir,
        scores,
        inside,
    }
}

fn config(case: &Case, out: &str) -> Config {
    let named = |name: &str, file: &str| Named {
        name: name.into(),
        path: case.dir.path().join(file),
    };
    let mut config = Config::new(Common {
        out: case.dir.path().join(out),
        block: 50,
        bootstrap: 40,
        ..Common::default()
    });
    config.scores = vec![named("s", "s.bedGraph")];
    config.annotations = vec![named("a", "a.bed")];
    config.shifts = 30;
    config.bins = 17;
    config
}

fn table(folder: &Path, name: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(folder.join(name)).unwrap();
    text.lines()
        .map(|l| l.split('\t').map(str::to_owned).collect())
        .collect()
}

fn cell(table: &[Vec<String>], row: usize, column: &str) -> f64 {
    let i = table[0].iter().position(|h| h == column).unwrap();
    table[row + 1][i].parse().unwrap()
}

fn close(a: f64, b: f64, what: &str) {
    assert!((a - b).abs() < 1e-9 * b.abs().max(1.0), "{what}: {a} {b}");
}

/// Expected hits among the `rank` first of bases ranked by `key`, highest first.
fn expected(key: &[f64], inside: &[bool], rank: usize) -> f64 {
    let mut sorted = key.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let Some(&last) = rank.checked_sub(1).and_then(|i| sorted.get(i)) else {
        return 0.0;
    };
    let (mut above, mut above_in, mut tied, mut tied_in) = (0, 0, 0, 0);
    for (k, x) in key.iter().zip(inside) {
        above += usize::from(*k > last);
        above_in += usize::from(*k > last && *x);
        tied += usize::from(*k == last);
        tied_in += usize::from(*k == last && *x);
    }
    above_in as f64 + tied_in as f64 * (rank - above) as f64 / tied as f64
}

/// Area under the ROC curve: a pair counts one where the annotated base is higher, a half in a tie.
fn pairs(key: &[f64], inside: &[bool]) -> f64 {
    let (mut sum, mut n) = (0.0, 0.0);
    for (a, _) in key.iter().zip(inside).filter(|p| *p.1) {
        for (b, _) in key.iter().zip(inside).filter(|p| !*p.1) {
            sum += if a > b {
                1.0
            } else if a == b {
                0.5
            } else {
                0.0
            };
            n += 1.0;
        }
    }
    sum / n
}

/// Area of the first `rate` of false positives, by 20,000 thin slices of the curve.
fn partial(key: &[f64], inside: &[bool], rate: f64) -> f64 {
    let mut values = key.to_vec();
    values.sort_by(|a, b| b.total_cmp(a));
    values.dedup();
    let (positives, negatives) = (
        inside.iter().filter(|x| **x).count() as f64,
        inside.iter().filter(|x| !**x).count() as f64,
    );
    let (mut curve, mut tp, mut fp) = (vec![(0.0, 0.0)], 0.0, 0.0);
    for v in values {
        for (_, x) in key.iter().zip(inside).filter(|p| *p.0 == v) {
            *if *x { &mut tp } else { &mut fp } += 1.0;
        }
        curve.push((fp / negatives, tp / positives));
    }
    let height = |x: f64| {
        let i = curve.partition_point(|p| p.0 < x).max(1);
        let ((x0, y0), (x1, y1)) = (curve[i - 1], curve[i]);
        y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    };
    let slices = 20_000;
    let width = rate / slices as f64;
    (0..slices)
        .map(|i| height((i as f64 + 0.5) * width) * width)
        .sum()
}

#[test]
fn equal_to_a_brute_force_twin() {
    let case = case(1234);
    let config = config(&case, "o");
    run(&config, &Cancel::default()).unwrap();
    let bins = table(&config.common.out, "enrichment.tsv");
    let n = case.scores.len();
    let overall = case.inside.iter().filter(|x| **x).count() as f64 / n as f64;
    let minus: Vec<f64> = case.scores.iter().map(|s| -s).collect();
    let absolute: Vec<f64> = case.scores.iter().map(|s| s.abs()).collect();
    let mut sorted = case.scores.clone();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let mut last = 0;
    assert_eq!(bins.len(), 18);
    for bin in 0..17 {
        let end = (n * (bin + 1)).div_ceil(17);
        assert_eq!(cell(&bins, bin, "last_rank"), end as f64);
        assert_eq!(cell(&bins, bin, "bin"), bin as f64 + 1.0);
        close(
            cell(&bins, bin, "percentile"),
            (bin + 1) as f64 / 17.0,
            "percentile",
        );
        let top = expected(&case.scores, &case.inside, end);
        let before = expected(&case.scores, &case.inside, last);
        let size = (end - last) as f64;
        close(
            cell(&bins, bin, "fraction"),
            (top - before) / size,
            "fraction",
        );
        let mean = sorted[last..end].iter().sum::<f64>() / size;
        close(cell(&bins, bin, "mean_score"), mean, "mean");
        close(
            cell(&bins, bin, "fold_from_top"),
            top / end as f64 / overall,
            "top",
        );
        let bottom = expected(&minus, &case.inside, end);
        close(
            cell(&bins, bin, "fold_from_bottom"),
            bottom / end as f64 / overall,
            "bottom",
        );
        last = end;
    }
    let summary = table(&config.common.out, "summary.tsv");
    close(cell(&summary, 0, "fraction"), overall, "fraction");
    for (name, key) in [
        ("auc", &case.scores),
        ("auc_negative", &minus),
        ("auc_absolute", &absolute),
    ] {
        close(cell(&summary, 0, name), pairs(key, &case.inside), name);
        for rate in [0.005, 0.01, 0.05] {
            let column = format!("{name}_{}%", rate * 100.0);
            let twin = partial(key, &case.inside, rate);
            let ours = cell(&summary, 0, &column);
            assert!((ours - twin).abs() < 1e-7, "{column}: {ours} {twin}");
        }
    }
    let five = (n as f64 * 0.05).ceil() as usize;
    for (name, key) in [("fold_top_5", &case.scores), ("fold_bottom_5", &minus)] {
        let twin = expected(key, &case.inside, five) / five as f64 / overall;
        close(cell(&summary, 0, name), twin, name);
    }
    // The annotation was made to follow the square of the score.
    assert!(cell(&summary, 0, "curvature_low") > 0.0);
    assert!(cell(&summary, 0, "curvature_p") < 0.05);
    assert!(cell(&summary, 0, "auc_absolute_low") > 0.5);
    for s in STATISTICS {
        let [low, high] = ["low", "high"].map(|e| cell(&summary, 0, &format!("{s}_{e}")));
        assert!(
            low <= cell(&summary, 0, s) + 0.2 * (high - low) && low < high,
            "{s}"
        );
    }
    assert!(
        fs::read_to_string(config.common.out.join("enrichment.svg"))
            .unwrap()
            .contains("s, a")
    );
}

#[test]
fn neither_threads_nor_memory_change_an_answer() {
    let case = case(2000);
    let first = config(&case, "o1");
    run(&first, &Cancel::default()).unwrap();
    let mut more = config(&case, "o2");
    more.common.threads = NonZeroUsize::new(5).unwrap();
    run(&more, &Cancel::default()).unwrap();
    let mut tight = config(&case, "o3");
    tight.memory = 1000;
    run(&tight, &Cancel::default()).unwrap();
    for name in FILES {
        let read = |c: &Config| fs::read(c.common.out.join(name)).unwrap();
        assert!(read(&first) == read(&more), "{name}");
    }
    let json = fs::read_to_string(tight.common.out.join("run.json")).unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert!(json["results"]["tracks"][0]["passes"].as_u64().unwrap() > 1);
    assert_eq!(json["seed"], 1);
    for name in ["enrichment.tsv", "summary.tsv"] {
        let (a, b) = (
            table(&first.common.out, name),
            table(&tight.common.out, name),
        );
        for (a, b) in a.iter().flatten().zip(b.iter().flatten()) {
            match (a.parse::<f64>(), b.parse::<f64>()) {
                (Ok(a), Ok(b)) => close(a, b, name),
                _ => assert_eq!(a, b),
            }
        }
    }
}

#[test]
fn an_annotation_that_ignores_the_scores_is_not_enriched() {
    let case = case(4000);
    let mut random = stats::Random::new(5, 0, 0);
    let mut bed = String::new();
    for i in 0..2000 {
        if random.below(5) == 0 {
            bed.push_str(&format!("chr1\t{}\t{}\n", i + 7, i + 8));
        }
    }
    fs::write(case.dir.path().join("a.bed"), bed).unwrap();
    fs::write(
        case.dir.path().join("r.bed"),
        "chr1\t7\t1007\nchr1\t900\t2007\n",
    )
    .unwrap();
    let mut config = config(&case, "o");
    config.common.regions = Some(case.dir.path().join("r.bed"));
    config.common.bootstrap = 200;
    config.shifts = 99;
    run(&config, &Cancel::default()).unwrap();
    let summary = table(&config.common.out, "summary.tsv");
    assert_eq!(cell(&summary, 0, "scored_bases"), 2000.0);
    for s in STATISTICS {
        assert!(cell(&summary, 0, &format!("{s}_p")) > 0.01, "{s}");
    }
    assert!((cell(&summary, 0, "auc") - 0.5).abs() < 0.06);
    // Middle bases 507 and 1453.
    let inside = |base: usize| {
        let bed = fs::read_to_string(case.dir.path().join("a.bed")).unwrap();
        f64::from(bed.contains(&format!("\t{base}\t")))
    };
    let centre = (inside(507) + inside(1453)) / 2.0;
    assert_eq!(cell(&summary, 0, "centre_fraction"), centre);
}

#[test]
fn bad_input() {
    let case = case(100);
    let write = |text: &str| fs::write(case.dir.path().join("a.bed"), text).unwrap();
    let fails = |change: &dyn Fn(&mut Config)| {
        let mut c = config(&case, "o");
        change(&mut c);
        let error = run(&c, &Cancel::default()).unwrap_err();
        assert!(!c.common.out.exists());
        (error.to_string(), error.hint().unwrap_or_default())
    };
    write("chr1\t0\t50\n");
    let (error, hint) = fails(&|c| c.bins = 101);
    assert!(
        error.contains("100 base(s) with a score cannot fill 101 bins"),
        "{error}"
    );
    assert!(hint.contains("--bins 100"), "{hint}");
    write("1\t0\t50\n");
    let (error, hint) = fails(&|_| ());
    assert!(
        error.contains("no contig in common: \"1\" there, \"chr1\" here"),
        "{error}"
    );
    assert!(hint.contains("ucsc-ensembl"), "{hint}");
    write("chr1\t9000\t9050\n");
    assert!(fails(&|_| ()).0.contains("covers no base that has a score"));
    write("");
    assert!(fails(&|_| ()).0.contains("holds no interval"));
    write("chr1\t0\t50\n");
    let double = |c: &mut Config| c.annotations.push(c.annotations[0].clone());
    assert!(
        fails(&double)
            .0
            .contains("two inputs of --annotation are called \"a\"")
    );
    fs::write(case.dir.path().join("s.bedGraph"), "chr1\t0\t5\tNaN\n").unwrap();
    assert!(fails(&|_| ()).0.contains("chr1:0-5 is NaN"));
}
