//! The main job against answers known without it.

use std::collections::BTreeMap;

use crate::support::*;
use mpra_score::ism::Strand;
use mpra_score::score::Anchor;

/// Starts of the scored windows of a region, by search over all starts (DESIGN, "Windows").
fn unknown(contig: &[u8], start: i64) -> usize {
    let bases = start..start + 145;
    bases.filter(|&p| letter(contig, p) == b'N').count()
}

fn windows(
    contig: &[u8],
    (start, end): (i64, i64),
    stride: i64,
    anchor: Anchor,
    most_unknown: usize,
) -> Vec<i64> {
    let candidates: Vec<i64> = match anchor {
        Anchor::Genome => (-145..end).filter(|s| s.rem_euclid(stride) == 0).collect(),
        Anchor::Region => (0..)
            .map(|k| start - (145 - stride) + k * stride)
            .take_while(|s| *s < end)
            .collect(),
    };
    candidates
        .into_iter()
        .filter(|s| s + 145 > start && *s < end)
        .filter(|&s| unknown(contig, s) <= most_unknown)
        .collect()
}

fn regions() -> Vec<(String, i64, i64)> {
    std::fs::read_to_string(fixture("regions.bed"))
        .unwrap()
        .lines()
        .filter(|l| !l.starts_with('#'))
        .map(|l| {
            let f: Vec<&str> = l.split('\t').collect();
            (
                f[0].to_owned(),
                f[1].parse().unwrap(),
                f[2].parse().unwrap(),
            )
        })
        .collect()
}

#[test]
fn a_base_counter_counts() {
    let genome = genome();
    for (anchor, stride, max_unknown, most_unknown) in [
        (Anchor::Genome, 29, None, 0),
        (Anchor::Genome, 145, Some(0.5), 72),
        (Anchor::Genome, 10, Some(0.25), 36),
        (Anchor::Region, 29, Some(0.5), 72),
        (Anchor::Region, 50, None, 0),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config("count.onnx", &dir.path().join("out"));
        config.anchor = anchor;
        config.stride = Some(stride);
        config.model_options.max_unknown = max_unknown;
        run(&config).unwrap();
        let stride = i64::from(stride);
        for (task, name) in ["A", "C", "G", "T"].into_iter().enumerate() {
            // What the tracks must hold: sums over regions (one only under the genome's anchor,
            // where regions agree), then means.
            let mut activity: BTreeMap<(String, u32), Vec<f64>> = BTreeMap::new();
            let mut importance: BTreeMap<(String, u32), Vec<f64>> = BTreeMap::new();
            let table = table(&config.out.join("regions.tsv"));
            for (row, (contig, start, end)) in table.iter().zip(regions()) {
                let bases = &genome[&contig];
                let windows = windows(bases, (start, end), stride, anchor, most_unknown);
                assert_eq!(row["windows"], windows.len().to_string());
                let partly = windows.iter().filter(|&&w| unknown(bases, w) > 0);
                assert_eq!(row["unknown_windows"], partly.count().to_string());
                let mut counts = Vec::new();
                for w in &windows {
                    let count = (*w..w + 145)
                        .filter(|&p| letter(bases, p) == name.as_bytes()[0])
                        .count();
                    let centre = w + (145 - stride) / 2;
                    if centre < end && centre + stride > start {
                        counts.push(count as f64);
                    }
                    for base in centre.max(start)..(centre + stride).min(end) {
                        let values = activity.entry((contig.clone(), base as u32)).or_default();
                        values.push(count as f64);
                    }
                }
                let mut importances = Vec::new();
                for base in start..end {
                    let own = letter(bases, base);
                    if own != b'N' && windows.iter().any(|&w| w <= base && base < w + 145) {
                        let value = if own == name.as_bytes()[0] { 1.0 } else { -1.0 };
                        importances.push(value);
                        importance
                            .entry((contig.clone(), base as u32))
                            .or_default()
                            .push(value);
                    }
                }
                assert_eq!(row["bases"], importances.len().to_string());
                assert_eq!(
                    row["status"],
                    if windows.is_empty() {
                        "no_scored_window"
                    } else {
                        "ok"
                    }
                );
                let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
                let cell = |column: &str| row[&format!("{name}.{column}")].clone();
                if counts.is_empty() {
                    assert_eq!(cell("mean_activity"), "NA");
                } else {
                    let close = |text: String, value: f64| {
                        let found: f64 = text.parse().unwrap();
                        assert!((found - value).abs() < 1e-4, "{found} {value}");
                    };
                    close(cell("mean_activity"), mean(&counts));
                    close(
                        cell("max_activity"),
                        counts.iter().copied().fold(0.0, f64::max),
                    );
                    close(cell("mean_importance"), mean(&importances));
                    assert_eq!(cell("mean_abs_importance"), "1");
                    assert_eq!(cell("max_abs_importance"), "1");
                }
            }
            for (kind, expected) in [("activity", activity), ("importance", importance)] {
                let found = per_base(&bigwig(&config.out.join(format!("{name}.{kind}.bw"))));
                assert_eq!(found.len(), expected.len(), "{kind} of task {task}");
                for (key, values) in expected {
                    let mean = values.iter().sum::<f64>() / values.len() as f64;
                    assert!(
                        (f64::from(found[&key]) - mean).abs() < 1e-5,
                        "{kind} {key:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_motif_scanner_finds_its_motif() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config("scan.onnx", &dir.path().join("out"));
    config.stride = Some(20);
    config.model_options.max_unknown = Some(0.5);
    run(&config).unwrap();
    let genome = genome();
    let found = per_base(&bigwig(&config.out.join("best_match.importance.bw")));
    // Unknown bases are zero columns: they neither match nor mismatch.
    let score = |bases: &[u8]| -> f64 {
        let at = |w: &[u8]| -> f64 {
            w.iter()
                .zip(b"TGACTCA")
                .map(|(b, m)| {
                    if *b == b'N' {
                        0.0
                    } else if b == m {
                        1.0
                    } else {
                        -1.0
                    }
                })
                .sum()
        };
        bases.windows(7).map(at).fold(f64::NEG_INFINITY, f64::max)
    };
    let mut checked = 0;
    for (contig, start, end) in regions() {
        let bases = &genome[&contig];
        let all = windows(bases, (start, end), 20, Anchor::Genome, 72);
        for base in (start..end).step_by(3) {
            let over: Vec<i64> = all
                .iter()
                .copied()
                .filter(|&w| w <= base && base < w + 145)
                .collect();
            let own = letter(bases, base);
            let value = found.get(&(contig.clone(), base as u32));
            if own == b'N' || over.is_empty() {
                assert_eq!(value, None);
                continue;
            }
            let mut sum = 0.0;
            for w in &over {
                let mut window: Vec<u8> = (*w..w + 145).map(|p| letter(bases, p)).collect();
                let reference = score(&window);
                let mut best: f64 = 0.0;
                for other in b"ACGT".iter().filter(|b| **b != own) {
                    window[(base - w) as usize] = *other;
                    let loss = reference - score(&window);
                    if loss.abs() > best.abs() {
                        best = loss;
                    }
                }
                sum += best;
            }
            let expected = sum / over.len() as f64;
            assert!(
                (f64::from(*value.unwrap()) - expected).abs() < 1e-5,
                "{contig}:{base}"
            );
            checked += 1;
        }
    }
    assert!(checked > 600);
    // A planted site: the seven windows that hold all of it lose a match and gain a mismatch when
    // a base of it changes; an eighth, that it is cut off from at base 625, loses nothing.
    assert_eq!(found[&("chr1".to_owned(), 623)], 2.0 * 7.0 / 8.0);
}

#[test]
fn all_input_layouts_and_alphabets_give_the_same_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let tracks = |model: &str| {
        let config = config(model, &dir.path().join(model));
        run(&config).unwrap();
        ["activity", "importance"]
            .map(|kind| per_base(&bigwig(&config.out.join(format!("K562_minP.{kind}.bw")))))
    };
    let reference = tracks("demo.onnx");
    assert!(reference[1].len() > 2000);
    for model in ["cnn_4w.onnx", "cnn_14w_atcg.onnx", "cnn_1w4.onnx"] {
        for (found, expected) in tracks(model).iter().zip(&reference) {
            assert_eq!(found.len(), expected.len());
            for (key, value) in expected {
                assert!(
                    (found[key] - value).abs() <= 1e-5 * value.abs().max(1.0),
                    "{model} {key:?}"
                );
            }
        }
    }
}

#[test]
fn both_strands_average() {
    // With both strands, a count of A is the mean of the counts of A and of T.
    let dir = tempfile::tempdir().unwrap();
    let mut forward = config("count.onnx", &dir.path().join("forward"));
    forward.strand = Strand::Forward;
    let mut both = config("count.onnx", &dir.path().join("both"));
    both.strand = Strand::Both;
    run(&forward).unwrap();
    run(&both).unwrap();
    let read = |out: &std::path::Path, name: &str| per_base(&bigwig(&out.join(name)));
    let a = read(&forward.out, "A.activity.bw");
    let t = read(&forward.out, "T.activity.bw");
    let mean = read(&both.out, "A.activity.bw");
    assert_eq!(mean.len(), a.len());
    for (key, value) in &mean {
        assert_eq!(*value, 0.5 * (a[key] + t[key]));
    }
    // Changing an A to C or G costs half an A; to T nothing. So importance is a half.
    let genome = genome();
    for ((contig, base), value) in read(&both.out, "A.importance.bw") {
        let expected = match letter(&genome[&contig], i64::from(base)) {
            b'A' | b'T' => 0.5,
            _ => -0.5,
        };
        assert_eq!(value, expected);
    }
}
