use crate::labelled::{Columns, Sides};
use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use super::*;
use crate::Cancel;
use crate::encode::UNKNOWN;
use crate::evaluate::Values;
use crate::model::{Model, ModelFile, ModelOptions, Predict, Runtime};
use crate::stats::Random;

fn codes(random: &mut Random, length: usize) -> Vec<u8> {
    (0..length).map(|_| random.below(4) as u8).collect()
}

#[test]
fn kmers_are_counted_as_by_hand() {
    let kmers = Kmers::new(3).unwrap();
    assert_eq!(
        (Kmers::first(1), Kmers::first(2), Kmers::first(3)),
        (0, 4, 20)
    );
    assert_eq!(kmers.count(), 84);
    // ACNGTA: 1-mers A C G T A, 2-mers AC GT TA, 3-mers GTA.
    let mut found = Vec::new();
    kmers.each(&[0, 1, UNKNOWN, 2, 3, 0], |k, n| {
        let letters = kmers.letters(n);
        assert_eq!(letters.len(), k);
        found.push(letters);
    });
    found.sort();
    assert_eq!(found, ["A", "A", "AC", "C", "G", "GT", "GTA", "T", "TA"]);
    assert_eq!(Kmers::new(8).unwrap().count(), 87_380);
    assert!(Kmers::new(0).is_none() && Kmers::new(9).is_none());
}

#[test]
fn scaled_counts_have_unit_squares() {
    let mut random = Random::new(1, 0, 0);
    let rows: Vec<Vec<u8>> = (0..20).map(|_| codes(&mut random, 30)).collect();
    let kmers = Kmers::new(4).unwrap();
    let scales = kmers.scales(rows.iter().map(Vec::as_slice));
    let mut sum = 0.0;
    for row in &rows {
        let mut counts = vec![0.0; kmers.count()];
        kmers.each(row, |k, n| counts[n] += scales[k - 1]);
        sum += counts.iter().map(|c| c * c).sum::<f64>();
    }
    assert!((sum / 20.0 - 1.0).abs() < 1e-12, "{sum}");
}

/// One step after the other, by the published formulas, on dense vectors of counts.
#[test]
fn steps_equal_a_plain_twin() {
    let mut random = Random::new(2, 0, 0);
    let kmers = Kmers::new(2).unwrap();
    let rows: Vec<Vec<u8>> = (0..40).map(|_| codes(&mut random, 12)).collect();
    let labels: Vec<f64> = (0..40)
        .map(|_| random.below(1000) as f64 / 500.0 - 1.0)
        .collect();
    let scales = kmers.scales(rows.iter().map(Vec::as_slice));
    let training: Vec<Example> = (rows.iter().zip(&labels).enumerate())
        .map(|(i, (row, &label))| Example {
            codes: row,
            label,
            weight: 0.5 + (i % 3) as f64 / 2.0,
        })
        .collect();
    for penalty in [Penalty::L2, Penalty::L1, Penalty::ElasticNet(0.3)] {
        let settings = Settings {
            penalty,
            alpha: 0.02,
            eta0: 0.1,
            power_t: 0.25,
            epochs: 1,
            patience: 0,
            seed: 5,
        };
        let found = fit(
            kmers,
            &scales,
            &training,
            &[],
            &settings,
            |_, _| {},
            &Cancel::default(),
        )
        .unwrap();
        // The order of the only pass.
        let mut order: Vec<usize> = (0..40).collect();
        let mut shuffle = Random::new(5, 1, 0);
        for i in (1..40).rev() {
            order.swap(i, shuffle.below(i as u64 + 1) as usize);
        }
        let (mut w, mut q) = (vec![0.0f64; kmers.count()], vec![0.0f64; kmers.count()]);
        let (mut b, mut u) = (0.0, 0.0);
        let l1 = match penalty {
            Penalty::L2 => 0.0,
            Penalty::L1 => 1.0,
            Penalty::ElasticNet(share) => share,
        };
        for (step, &i) in order.iter().enumerate() {
            let mut x = vec![0.0; kmers.count()];
            kmers.each(training[i].codes, |k, n| x[n] += scales[k - 1]);
            let eta = 0.1 / (step as f64 + 1.0).powf(0.25);
            let p: f64 = x.iter().zip(&w).map(|(x, w)| x * w).sum::<f64>() + b;
            let change = -eta * (p - training[i].label) * training[i].weight;
            for (w, x) in w.iter_mut().zip(&x) {
                *w = *w * (1.0 - (1.0 - l1) * eta * 0.02) + change * x;
            }
            b += 0.01 * change;
            u += l1 * eta * 0.02;
            if l1 > 0.0 {
                for n in (0..kmers.count()).filter(|&n| x[n] > 0.0) {
                    let z = w[n];
                    if z > 0.0 {
                        w[n] = (z - (u + q[n])).max(0.0);
                    } else if z < 0.0 {
                        w[n] = (z + (u - q[n])).min(0.0);
                    }
                    q[n] += w[n] - z;
                }
            }
        }
        assert!((found.weights.intercept - b).abs() < 1e-12);
        for k in 1..=2 {
            let range = Kmers::first(k)..Kmers::first(k + 1);
            for (n, (a, b)) in range
                .clone()
                .zip(found.weights.weights[range.clone()].iter().zip(&w[range]))
            {
                let b = b * scales[k - 1];
                assert!((a - b).abs() < 1e-12, "{penalty:?} {n}: {a} {b}");
            }
        }
    }
}

#[test]
fn the_exported_graph_equals_the_regression() {
    let mut random = Random::new(3, 0, 0);
    for longest in [1, 3, 8] {
        let kmers = Kmers::new(longest).unwrap();
        let mut weights = || Weights {
            kmers,
            weights: (0..kmers.count())
                .map(|_| random.below(2001) as f64 / 1000.0 - 1.0)
                .collect(),
            intercept: 0.5,
        };
        let (a, b) = (weights(), weights());
        let tasks = [("a".to_owned(), &a), ("b".to_owned(), &b)];
        let bytes = to_onnx(&tasks, 40, "test").unwrap().to_bytes();
        let runtime = Runtime::load(None).unwrap();
        let file = ModelFile::from_bytes("kmer".as_ref(), bytes).unwrap();
        let mut model = Model::open(file, &ModelOptions::default(), &runtime).unwrap();
        assert_eq!(model.spec().tasks, ["a", "b"]);
        for row in 0..20 {
            let mut window = codes(&mut random, 40);
            if row > 0 {
                window[random.below(40) as usize] = UNKNOWN;
                window[random.below(40) as usize] = UNKNOWN;
            }
            let mut found = [0.0; 2];
            model.predict(&window, &mut found).unwrap();
            for (found, weights) in found.iter().zip([&a, &b]) {
                let expected = weights.predict(&window);
                assert!(
                    (f64::from(*found) - expected).abs() < 1e-4,
                    "{found} {expected}"
                );
            }
        }
    }
}

fn config(folder: &Path, data: &str) -> Config {
    let path = folder.join("data.tsv");
    fs::write(&path, data).unwrap();
    Config {
        data: path,
        columns: Columns::default(),
        sides: Sides::default(),
        labels: None,
        values: Values::Standardised,
        longest: 4,
        penalty: Penalty::L2,
        alphas: vec![1e-3, 1e-5],
        eta0: 0.3,
        power_t: 0.25,
        epochs: 60,
        patience: 5,
        weighted: true,
        seed: 1,
        bootstrap: 20,
        ort_lib: None,
        threads: NonZeroUsize::new(2).unwrap(),
        out: folder.join("out"),
        force: true,
        command: vec!["test".into()],
    }
}

/// Sequences whose value is the number of TGA less half that of CC, and a second label that lacks
/// a third of its values.
fn table() -> String {
    let mut random = Random::new(4, 0, 0);
    let mut text = String::from("sequence\tsplit\tT\tU\n");
    for row in 0..900 {
        let codes = codes(&mut random, 50);
        let letters: String = codes
            .iter()
            .map(|&c| crate::encode::BASES[c as usize])
            .collect();
        let value =
            letters.matches("TGA").count() as f64 - letters.matches("CC").count() as f64 / 2.0;
        let side = ["train", "train", "train", "validation", "test"][row % 5];
        let second = match row % 3 {
            0 => "NA".into(),
            _ => (-value).to_string(),
        };
        writeln!(text, "{letters}\t{side}\t{value}\t{second}").unwrap();
    }
    text
}

#[test]
fn a_planted_rule_is_learnt_and_two_runs_agree() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), &table());
    let summary = run(&config, &Silent, &Cancel::default()).unwrap();
    for task in &summary.tasks {
        assert!(task.test.1 > 0.9, "{task:?}");
    }
    let first = fs::read(config.out.join("model.onnx")).unwrap();
    let info: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(config.out.join("model.json")).unwrap()).unwrap();
    assert_eq!(info["data"]["rows"]["train"], 540);
    assert_eq!(info["test"][1]["metrics"]["n"], 120);
    for name in [
        "training.tsv",
        "learning.svg",
        "predicted.svg",
        "metrics.tsv",
        "run.json",
    ] {
        assert!(config.out.join(name).exists(), "{name}");
    }
    config.threads = NonZeroUsize::MIN;
    run(&config, &Silent, &Cancel::default()).unwrap();
    assert!(first == fs::read(config.out.join("model.onnx")).unwrap());
}

#[test]
fn bad_input_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let failure = |text: &str, change: &dyn Fn(&mut Config)| {
        let mut config = config(dir.path(), text);
        change(&mut config);
        let error = run(&config, &Silent, &Cancel::default())
            .unwrap_err()
            .to_string();
        assert!(!config.out.exists(), "{error}");
        error
    };
    let whole = table();
    let same = &|_: &mut Config| {};
    let equal = "sequence\tsplit\tT\nACGT\ttrain\t1\nACGA\ttrain\t1\nACGA\tvalidation\t1\n";
    for (text, change, expected) in [
        (
            equal,
            same as &dyn Fn(&mut Config),
            "all values of the training rows are equal",
        ),
        (
            "sequence\tsplit\tT\nACGT\ttrain\tNA\nAC\ttrain\t1\n",
            same,
            "row 2",
        ),
        (
            "sequence\tsplit\tT\nACGT\ttrain\tNA\n",
            same,
            "no training row has a value",
        ),
        ("sequence\tsplit\tT\nACGT\ttest\t1\n", same, "train side"),
        (
            "sequence\tsplit\tT\nACGT\ttrain\t1\nACGA\ttrain\t2\n",
            same,
            "validation side",
        ),
        (
            &whole,
            &|c| c.labels = Some(vec!["V".into()]),
            "unknown label \"V\"",
        ),
        (&whole, &|c| c.eta0 = 1e9, "diverged"),
        (&whole, &|c| c.longest = 9, "--longest"),
        (&whole, &|c| c.patience = 0, "several --alpha"),
        (
            &whole,
            &|c| c.values = Values::Activity,
            "no column T.activity",
        ),
    ] {
        let error = failure(text, change);
        assert!(error.contains(expected), "{error}");
    }
    // Asked to stop, it leaves nothing.
    let cancel = Cancel::default();
    cancel.request();
    let config = config(dir.path(), &whole);
    assert!(matches!(
        run(&config, &Silent, &cancel),
        Err(crate::Error::Job(crate::job::JobError::Interrupted {
            kept: false
        }))
    ));
}
