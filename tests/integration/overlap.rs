//! The `overlap` subcommands as a user runs them: bigWig in, against brute-force twins; exit codes,
//! what is on standard error, what is in the folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use mpra_score::genome::{Contig, Contigs};
use mpra_score::intervals::Named;
use mpra_score::job::Silent;
use mpra_score::score;
use mpra_score::tracks::Item;
use mpra_score::tracks::bigwig::{BigWigWriter, Encoded, Encoder, Held};

use crate::support;

/// Exit code, standard output, standard error.
fn outcome(folder: &Path, line: &str) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mpra-score"))
        .args(line.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn ok(folder: &Path, line: &str) {
    assert_eq!(
        outcome(folder, &format!("{line} --quiet")),
        (0, String::new(), String::new()),
        "{line}"
    );
}

type Track = BTreeMap<(String, u32), f64>;
/// Contig, start, end, name.
type Site = (String, u32, u32, String);

/// Numbers without pattern: a hash of the arguments, in 0..1.
fn noise(a: u64, b: u64) -> f64 {
    let mut z = (a << 32 | b).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((z ^ (z >> 32)) >> 11) as f64 / (1u64 << 53) as f64
}

/// Two tracks with gaps on two contigs, sites of three factors, stranded anchors.
fn inputs() -> (tempfile::TempDir, [Track; 2], Vec<Site>) {
    let dir = tempfile::tempdir().unwrap();
    let contig = |name: &str, length| Contig {
        name: name.into(),
        length,
    };
    let contigs = Contigs::new(vec![contig("chr1", 6000), contig("chr2", 3000)]).unwrap();
    let tracks = [0u64, 1].map(|t| {
        let path = dir.path().join(["a.bw", "b.bw"][t as usize]);
        let mut writer = BigWigWriter::open(&path, &contigs, 16, &Held::default()).unwrap();
        let mut track = Track::new();
        for (id, c) in (0u32..).zip(contigs.iter()) {
            let items: Vec<Item> = (100..c.length - 100)
                .filter(|at| at / 70 % 5 != 2)
                .map(|at| Item {
                    start: at,
                    end: at + 1,
                    value: (noise(u64::from(id), u64::from(at)) + noise(7 + t, u64::from(at)) - 1.0)
                        as f32,
                })
                .collect();
            for i in &items {
                track.insert((c.name.clone(), i.start), f64::from(i.value));
            }
            let mut encoded = Encoded::default();
            Encoder::new(16).items(id, &items, &mut encoded);
            writer.append(&encoded).unwrap();
        }
        writer.finish().unwrap();
        track
    });
    let (mut sites, mut bed) = (Vec::new(), String::new());
    for i in 0..120u64 {
        let contig = if noise(3, i) < 0.7 { "chr1" } else { "chr2" };
        let start = (noise(4, i) * 2900.0) as u32;
        let end = start + 5 + (noise(5, i) * 90.0) as u32;
        let name = ["CTCF", "GATA1", "HNF4A"][(i % 3) as usize];
        let strand = if i % 2 == 0 { "+" } else { "-" };
        bed.push_str(&format!(
            "{contig}\t{start}\t{end}\t{name}\t{}\t{strand}\n",
            i * 7 % 50
        ));
        sites.push((contig.to_owned(), start, end, name.to_owned()));
    }
    bed.push_str("chrUn\t5\t10\tCTCF\t0\t+\n");
    fs::write(dir.path().join("sites.bed"), bed).unwrap();
    (dir, tracks, sites)
}

fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split('\t').collect();
    lines
        .map(|l| {
            assert_eq!(l.split('\t').count(), header.len(), "{l}");
            header
                .iter()
                .map(|h| h.to_string())
                .zip(l.split('\t').map(str::to_owned))
                .collect()
        })
        .collect()
}

fn close(cell: &str, twin: f64, what: &str) {
    let value: f64 = if cell == "NA" {
        f64::NAN
    } else {
        cell.parse().unwrap()
    };
    let same = (value - twin).abs() < 1e-6 || value.is_nan() && twin.is_nan();
    assert!(same, "{what}: {value} {twin}");
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn within(track: &Track, contig: &str, start: i64, end: i64) -> Vec<f64> {
    (start..end)
        .filter_map(|at| {
            track
                .get(&(contig.to_owned(), u32::try_from(at).ok()?))
                .copied()
        })
        .collect()
}

#[test]
fn factors_equal_a_twin() {
    let (dir, tracks, sites) = inputs();
    let here = dir.path();
    let line =
        "overlap by-name --scores a.bw --scores b.bw --annotation sites.bed --sites --block 500";
    ok(here, &format!("{line} --threads 1 --out o1"));
    ok(here, &format!("{line} --threads 3 --out o2"));
    for name in ["by-name.tsv", "sites.tsv", "by-name.svg"] {
        let read = |o: &str| fs::read(here.join(o).join(name)).unwrap();
        assert!(read("o1") == read("o2"), "{name}");
    }
    let table = rows(&here.join("o1/by-name.tsv"));
    assert_eq!(table.len(), 3);
    let mut last = f64::INFINITY;
    for row in &table {
        let mine: Vec<_> = sites.iter().filter(|s| s.3 == row["name"]).collect();
        let extra = usize::from(row["name"] == "CTCF");
        assert_eq!(row["sites"], (mine.len() + extra).to_string());
        let mut both = Vec::new();
        for (t, name) in ["a", "b"].iter().enumerate() {
            let means: Vec<f64> = mine
                .iter()
                .map(|s| within(&tracks[t], &s.0, s.1.into(), s.2.into()))
                .filter(|v| !v.is_empty())
                .map(|v| mean(&v))
                .collect();
            let m = mean(&means);
            let squares: f64 = means.iter().map(|v| (v - m).powi(2)).sum();
            let n = means.len() as f64;
            close(&row[&format!("{name}.mean")], m, "mean");
            close(
                &row[&format!("{name}.se")],
                (squares / (n - 1.0) / n).sqrt(),
                "se",
            );
            assert_eq!(
                row[&format!("{name}.scored_sites")],
                means.len().to_string()
            );
            both.push(m);
        }
        // Both tracks have gaps at the same bases.
        close(&row["difference"], both[0] - both[1], "difference");
        let number = |c: &str| row[c].parse::<f64>().unwrap();
        assert!(number("low") < number("difference") && number("difference") < number("high"));
        assert!(number("difference") <= last && number("q") >= number("p"));
        last = number("difference");
    }
    ok(
        here,
        "overlap by-name --scores a.bw --annotation sites.bed --site largest --names CTCF --regions sites.bed --out o3",
    );
    let row = &rows(&here.join("o3/by-name.tsv"))[0];
    let largest = sites.iter().filter(|s| s.3 == "CTCF").filter_map(|s| {
        let v = within(&tracks[0], &s.0, s.1.into(), s.2.into());
        v.into_iter()
            .reduce(|a, b| if b.abs() > a.abs() { b } else { a })
    });
    close(
        &row["a.mean"],
        mean(&largest.collect::<Vec<_>>()),
        "largest",
    );
}

#[test]
fn profiles_equal_a_twin() {
    let (dir, tracks, sites) = inputs();
    let here = dir.path();
    let line = "overlap profile --scores a.bw --anchors sites.bed --flank 200 --bin 8 --above 0.3 --below -0.2 --heatmap";
    ok(here, &format!("{line} --threads 1 --out o1"));
    ok(here, &format!("{line} --threads 3 --out o2"));
    for name in ["profile.tsv", "profile.svg", "heatmap.svg"] {
        let read = |o: &str| fs::read(here.join(o).join(name)).unwrap();
        assert!(read("o1") == read("o2"), "{name}");
    }
    let table = rows(&here.join("o1/profile.tsv"));
    assert_eq!(table.len(), 50);
    for (bin, row) in table.iter().enumerate() {
        let from = bin as i64 * 8 - 200;
        assert_eq!(row["distance"], from.to_string());
        let (mut means, mut all) = (Vec::new(), Vec::new());
        for (i, s) in sites.iter().enumerate() {
            let values = if i % 2 == 0 {
                let at = i64::from(s.1) + from;
                within(&tracks[0], &s.0, at, at + 8)
            } else {
                // Reverse: distance 0 begins at the last base and runs to the left.
                let at = i64::from(s.2) - from;
                within(&tracks[0], &s.0, at - 8, at)
            };
            if !values.is_empty() {
                means.push(mean(&values));
            }
            all.extend(values);
        }
        let m = mean(&means);
        let n = means.len() as f64;
        means.sort_by(f64::total_cmp);
        let median = (means[(means.len() - 1) / 2] + means[means.len() / 2]) / 2.0;
        close(&row["mean"], m, "mean");
        close(&row["median"], median, "median");
        let squares: f64 = means.iter().map(|v| (v - m).powi(2)).sum();
        close(&row["variance"], squares / (n - 1.0), "variance");
        assert_eq!(row["anchors"], means.len().to_string());
        assert_eq!(row["bases"], all.len().to_string());
        let share = |of: &dyn Fn(f64) -> bool| {
            all.iter().filter(|v| of(**v)).count() as f64 / all.len() as f64
        };
        close(&row["fraction_above"], share(&|v| v > 0.3), "above");
        close(&row["fraction_below"], share(&|v| v < -0.2), "below");
    }
    ok(
        here,
        "overlap profile --scores a.bw --anchors sites.bed --flank 80 --bin 80 --by-name --names CTCF,GATA1 --out o3",
    );
    assert_eq!(rows(&here.join("o3/profile.tsv")).len(), 4);
    ok(
        here,
        "overlap profile --scores a.bw --anchors sites.bed --flank 80 --bin 80 --quantiles 3 --reference centre --out o4",
    );
    assert_eq!(
        rows(&here.join("o4/profile.tsv"))[2]["group"],
        "score_2_of_3"
    );
}

#[test]
fn correlations_equal_a_twin() {
    let (dir, tracks, _) = inputs();
    let here = dir.path();
    ok(
        here,
        "overlap correlate --scores a.bw --with b.bw --block 500 --threads 1 --out o1",
    );
    ok(
        here,
        "overlap correlate --scores a.bw --with b.bw --block 500 --threads 3 --out o2",
    );
    for name in ["correlation.tsv", "correlation.svg"] {
        let read = |o: &str| fs::read(here.join(o).join(name)).unwrap();
        assert!(read("o1") == read("o2"), "{name}");
    }
    let pearson = |x: &[f64], y: &[f64]| {
        let (mx, my) = (mean(x), mean(y));
        let cov: f64 = x.iter().zip(y).map(|(a, b)| (a - mx) * (b - my)).sum();
        let var = |v: &[f64], m: f64| v.iter().map(|a| (a - m).powi(2)).sum::<f64>();
        cov / (var(x, mx) * var(y, my)).sqrt()
    };
    let ranks = |v: &[f64]| -> Vec<f64> {
        v.iter()
            .map(|a| {
                let below = v.iter().filter(|b| *b < a).count();
                let equal = v.iter().filter(|b| *b == a).count();
                below as f64 + (equal as f64 + 1.0) / 2.0
            })
            .collect()
    };
    let list = |t: &Track| t.values().copied().collect::<Vec<f64>>();
    let blocks = |t: &Track| {
        let mut sums: BTreeMap<(String, u32), Vec<f64>> = BTreeMap::new();
        for ((c, at), v) in t {
            sums.entry((c.clone(), at / 500)).or_default().push(*v);
        }
        sums.values().map(|v| mean(v)).collect::<Vec<f64>>()
    };
    for row in rows(&here.join("o1/correlation.tsv")) {
        let (mut x, mut y) = match row["over"].as_str() {
            "bases" => (list(&tracks[0]), list(&tracks[1])),
            _ => (blocks(&tracks[0]), blocks(&tracks[1])),
        };
        if row["values"] == "absolute" {
            x.iter_mut().chain(&mut y).for_each(|v| *v = v.abs());
        }
        let twin = match row["method"].as_str() {
            "pearson" => pearson(&x, &y),
            _ => pearson(&ranks(&x), &ranks(&y)),
        };
        close(&row["correlation"], twin, &format!("{row:?}"));
        assert_eq!(row["n"], x.len().to_string());
        let number = |c: &str| row[c].parse::<f64>().unwrap();
        assert!(number("low") < twin && twin < number("high"), "{row:?}");
    }
}

#[test]
fn bigwig_and_bedgraph_rank_alike() {
    let (dir, tracks, _) = inputs();
    let here = dir.path();
    let text: String = tracks[0]
        .iter()
        .map(|((c, at), v)| format!("{c}\t{at}\t{}\t{}\n", at + 1, *v as f32))
        .collect();
    fs::write(here.join("a.bedGraph"), text).unwrap();
    let line = "overlap enrichment --annotation s=sites.bed --bins 40 --regions sites.bed --compare b=b.bw";
    ok(here, &format!("{line} --scores a.bw --out o1"));
    ok(
        here,
        &format!("{line} --scores a.bedGraph --threads 3 --out o2"),
    );
    let (one, two) = (
        rows(&here.join("o1/enrichment.tsv")),
        rows(&here.join("o2/enrichment.tsv")),
    );
    assert_eq!(one.len(), 80);
    for (x, y) in one.iter().zip(&two) {
        for column in [
            "mean_score",
            "fraction",
            "fold_from_top",
            "fold_from_bottom",
        ] {
            close(&x[column], y[column].parse().unwrap(), column);
        }
        // Limited to the sites themselves.
        assert_eq!(x["fraction"], "1");
    }
}

#[test]
fn the_main_job_ranks_its_tasks() {
    let dir = tempfile::tempdir().unwrap();
    let bed = dir.path().join("siphy.bed");
    let regions = fs::read_to_string(support::fixture("regions.bed")).unwrap();
    let first: Vec<&str> = regions
        .lines()
        .find(|l| !l.starts_with('#'))
        .unwrap()
        .split('\t')
        .collect();
    let start: u32 = first[1].parse().unwrap();
    fs::write(&bed, format!("{}\t{}\t{}\n", first[0], start, start + 20)).unwrap();
    let config = support::config("demo.onnx", &dir.path().join("out"));
    let named = [Named {
        name: "siphy".into(),
        path: bed.clone(),
    }];
    score::run_with(&config, &named, &Silent, &mpra_score::Cancel::default()).unwrap();
    let folder = dir.path().join("out");
    let table = rows(&folder.join("summary.tsv"));
    assert!(table.len() > 1 && table[0]["scores"].ends_with(".importance"));
    assert_eq!(table[0]["bases"], "20");
    let json = fs::read_to_string(folder.join("run.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["results"]["enrichment"]["seed"], 1);
    for name in ["enrichment.tsv", "enrichment.svg", "regions.tsv"] {
        assert!(
            json["outputs"]
                .as_array()
                .unwrap()
                .iter()
                .any(|o| o == name)
        );
        assert!(folder.join(name).is_file());
    }
    assert!(!folder.join("enrichment.regions.bed").exists());
    // Refused before anything is scored.
    fs::write(&bed, "elsewhere\t0\t5\n").unwrap();
    let config = support::config("demo.onnx", &dir.path().join("never"));
    let error =
        score::run_with(&config, &named, &Silent, &mpra_score::Cancel::default()).unwrap_err();
    assert!(error.to_string().contains("no contig in common"), "{error}");
    assert!(!dir.path().join("never").exists());
}

#[test]
fn bad_input_ends_with_one_error_and_one_hint() {
    let (dir, ..) = inputs();
    let here = dir.path();
    for (name, text) in [
        ("plain.bed", "1\t105\t1450\tCTCF\t3\t+\n"),
        ("far.bed", "chr1\t5900\t5999\tCTCF\t3\t+\n"),
        ("bare.bed", "chr1\t200\t300\nchr1\t400\t500\n"),
        ("empty.bed", "# nothing\n"),
        ("broken.bed", "chr1\t200\t100\n"),
        ("nan.bedGraph", "chr1\t5\t6\t1\nchr1\t6\t7\tnan\n"),
        ("flat.bedGraph", "chr1\t200\t900\t1\n"),
        ("table.tsv", "r1\t1\t2\n"),
    ] {
        fs::write(here.join(name), text).unwrap();
    }
    fs::write(
        here.join("short.bw"),
        &fs::read(here.join("a.bw")).unwrap()[..300],
    )
    .unwrap();
    for (line, part, hint) in [
        (
            "enrichment --scores a.bw --annotation plain.bed",
            "no contig in common",
            "--chrom-alias",
        ),
        (
            "enrichment --scores a.bw --annotation far.bed",
            "covers no base",
            "genome build",
        ),
        (
            "enrichment --scores a.bw --annotation empty.bed",
            "holds no interval",
            "",
        ),
        (
            "enrichment --scores a.bw --annotation broken.bed",
            "line 1",
            "half-open",
        ),
        (
            "enrichment --scores a.bw --annotation none.bed",
            "none.bed",
            "",
        ),
        (
            "enrichment --scores nan.bedGraph --annotation sites.bed",
            "is NaN",
            "left out",
        ),
        (
            "enrichment --scores a.bw --annotation sites.bed --bins 900000",
            "cannot fill",
            "--bins",
        ),
        (
            "enrichment --scores a.bw --annotation sites.bed --regions plain.bed",
            "no contig",
            "--chrom-alias",
        ),
        (
            "enrichment --scores a.bw --scores a.bw --annotation sites.bed",
            "are called \"a\"",
            "",
        ),
        (
            "enrichment --scores a.bw --scores b.bw --compare c=a.bw --annotation sites.bed",
            "pairs",
            "",
        ),
        (
            "enrichment --scores table.tsv --annotation sites.bed",
            "neither",
            "--coordinates",
        ),
        (
            "enrichment --scores short.bw --annotation sites.bed",
            "cannot read",
            "",
        ),
        (
            "by-name --scores a.bw --annotation sites.bed --names FOXA2",
            "it has: CTCF",
            "",
        ),
        (
            "by-name --scores a.bw --annotation bare.bed",
            "no name in column 4",
            "column 4",
        ),
        (
            "profile --scores a.bw --anchors bare.bed",
            "line 1: the anchor has no strand",
            "--unstranded",
        ),
        (
            "profile --scores a.bw --anchors sites.bed --flank 100 --bin 7",
            "multiple",
            "",
        ),
        (
            "profile --scores a.bw --anchors sites.bed --by-name --names X",
            "no name \"X\"",
            "",
        ),
        (
            "correlate --scores a.bw --with flat.bedGraph",
            "are equal",
            "",
        ),
        (
            "correlate --scores a.bw --with nan.bedGraph",
            "is NaN",
            "left out",
        ),
        (
            "correlate --scores a.bw --with b.bw --interval 2",
            "between 0 and 1",
            "",
        ),
    ] {
        let (code, out, error) = outcome(here, &format!("overlap {line} --out o"));
        assert!(code == 1 && error.contains(part), "{line}: {code} {error}");
        assert!(out.is_empty() && error.starts_with("error: "), "{error}");
        let hints = error.matches("hint: ").count();
        assert!(hints <= 1 && error.lines().count() == 1 + hints, "{error}");
        let told = error.split_once("hint: ").map_or("", |h| h.1);
        assert!(
            told.contains(hint)
                && !(hint.is_empty() && hints > 0 && !error.contains("No such file")),
            "{line}: {error}"
        );
        assert!(!here.join("o").exists(), "{line}");
    }
    for line in [
        "overlap enrichment --scores a.bw --out o",
        "overlap enrichment --annotation sites.bed --out o",
        "overlap enrichment --scores =a.bw --annotation sites.bed --out o",
        "overlap profile --scores a.bw --anchors sites.bed --names X --out o",
        "overlap correlate --scores a.bw --out o",
        "overlap nothing",
    ] {
        assert_eq!(outcome(here, line).0, 2, "{line}");
    }
    ok(
        here,
        "overlap profile --scores a.bw --anchors bare.bed --unstranded --flank 100 --out o",
    );
    ok(
        here,
        "overlap enrichment --scores a.bw --annotation plain.bed --chrom-alias ucsc-ensembl --regions sites.bed --bins 9 --out p",
    );
}

#[test]
fn help_explains_every_column() {
    let dir = tempfile::tempdir().unwrap();
    for (name, words) in [
        (
            "enrichment",
            vec![
                "fold_from_top",
                "centre_fraction",
                "auc_absolute",
                "curvature",
                "last_rank",
                "_p",
            ],
        ),
        (
            "by-name",
            vec!["scored_sites", "difference", "q ", "sites.tsv"],
        ),
        (
            "profile",
            vec!["distance", "fraction_above", "median", "heatmap.svg"],
        ),
        ("correlate", vec!["spearman", "absolute", "blocks"]),
    ] {
        let (code, text, _) = outcome(dir.path(), &format!("overlap {name} --help"));
        assert_eq!(code, 0);
        for word in words {
            assert!(text.contains(word), "{name}: {word}");
        }
    }
}
