//! Padded convolutions: what is exported, how the fast engine reads it, starting from it.

use mpra_score::genome::{Interval, Lattice};
use mpra_score::ism::fast::{FastEngine, Plan, Tables, check_against_full};
use mpra_score::ism::{FullEngine, Strand, Stretch};

use super::*;

/// A model that the fast engine reads gives the same activities and effects as by the full engine.
fn engines_agree(path: &Path) {
    let runtime = Runtime::load(None).unwrap();
    let file = ModelFile::read(path).unwrap();
    let model = Model::open(file, &ModelOptions::default(), &runtime).unwrap();
    let plan = Plan::new(model.file(), model.spec()).unwrap();
    let tables = Tables::build(&plan);
    let mut fast = FastEngine::new(&tables, Strand::Forward);
    let mut full = FullEngine::new(model.another().unwrap(), 64);
    let window = model.window() as u32;
    let lattice = Lattice::genome(window, 5).unwrap();
    let wanted = [Interval::new(100, 160).unwrap()];
    let (origin, len) = Stretch::needs(window, &wanted);
    let mut random = Random::at(3, &[]);
    // One base in 20 is unknown.
    let code = |_| match random.index(20) {
        0 => 4,
        n => (n % 4) as u8,
    };
    let codes: Vec<u8> = (0..len).map(code).collect();
    let stretch = Stretch {
        lattice,
        codes: &codes,
        origin,
        wanted: &wanted,
    };
    check_against_full(&mut fast, &mut full, &[stretch], &|_| Vec::new()).unwrap();
}

#[test]
fn padded_networks_are_exported_as_they_were_trained() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("examples.parquet");
    write(&data, &motifs(400));
    for (i, layers) in [
        // Odd and even widths, both kinds of convolution, every kind of reduction.
        "conv 12x5 same, relu, conv 8x7 same, relu, maxpool 24, dense",
        "conv 12x4 same, relu, conv 8x8 same, relu, maxpool 5, dense 6, relu, dense",
        "conv 12x6 same, relu, batchnorm, conv 8x3 same, relu, conv 8x4, relu, dense",
        "conv 12x4, relu, conv 8x2 same, batchnorm, relu, avgpool 7, dense",
    ]
    .into_iter()
    .enumerate()
    {
        // Bare, and in a frame.
        for (length, offset) in [(WINDOW, 0), (WINDOW + 9, 4)] {
            let out = dir.path().join(format!("{i}-{length}"));
            let mut config = config(&data, out, layers);
            let parsed: Layers = layers.parse().unwrap();
            config.arch = Architecture::new(WINDOW, length, offset, parsed.0).unwrap();
            config.fit.epochs = 2;
            go(&config).unwrap();
            let json = fs::read_to_string(config.out.join("model.json")).unwrap();
            let json: serde_json::Value = serde_json::from_str(&json).unwrap();
            assert_eq!(json["architecture"], layers);
            let largest = json["export"]["largest_difference"].as_f64().unwrap();
            assert!(largest < 1e-4, "{layers}: {largest}");
            engines_agree(&config.out.join("model.onnx"));
        }
    }
}

#[test]
fn a_network_starts_from_a_padded_one_of_the_same_form() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    let (_, fasta) = teacher(here);
    let data = here.join("teacher.parquet");
    let trained = |name: &str, layers: &str| -> PathBuf {
        let mut config = config(&data, here.join(name), layers);
        config.fit.epochs = 2;
        go(&config).unwrap();
        config.out.join("model.onnx")
    };
    let layers = "conv 10x5 same, relu, conv 6x3 same, relu, dense";
    let odd = trained("odd", layers);
    // Stretches of several windows: each is seen alone, with zeros of its own.
    let from = |model: &Path, name: &str, layers: &str| -> Config {
        let mut config = student(here, model, &fasta, layers);
        config.out = here.join(name);
        config.init = Some(model.into());
        config.init_pairs = vec![("mine".into(), "made".into())];
        config.fit.epochs = 1;
        config.fit.rate = 1e-12;
        config
    };
    let same = from(&odd, "same", layers);
    let summary = go(&same).unwrap();
    assert!(summary.test[0].1 > 0.999_999, "{:?}", summary.test);
    let probe = motifs(20).sequences;
    let a = predict(&odd, &probe);
    for (a, b) in a.iter().zip(predict(&same.out.join("model.onnx"), &probe)) {
        assert!((a - b).abs() < 1e-3, "{a} {b}");
    }

    // Both strands: odd widths have as many zeros on both sides.
    let joined = "conv 20x5 same, relu, conv 12x3 same, relu, dense";
    let mut both = from(&odd, "both", joined);
    both.init_reverse = Some(0.5);
    go(&both).unwrap();
    let turned: Vec<String> = (probe.iter())
        .map(|s| {
            let complement = |c| "TGCA".as_bytes()["ACGT".find(c).unwrap()] as char;
            s.chars().rev().map(complement).collect()
        })
        .collect();
    let reverse = predict(&odd, &turned);
    let got = predict(&both.out.join("model.onnx"), &probe);
    for ((a, b), both) in a.iter().zip(&reverse).zip(got) {
        assert!((0.5 * (a + b) - both).abs() < 1e-3, "{a} {b} {both}");
    }

    // Other padding is another layer.
    let other = from(&odd, "other", "conv 10x5, relu, dense");
    let error = train_error(go(&other)).to_string();
    assert!(error.contains("no layer of"), "{error}");

    // Even widths have one zero more on the right.
    let layers = "conv 10x4 same, relu, batchnorm, conv 6x3 same, relu, dense";
    let even = trained("even", layers);
    let mut turned = from(&even, "turned", layers);
    turned.init_reverse = Some(0.5);
    let error = train_error(go(&turned)).to_string();
    assert!(error.contains("understood"), "{error}");
    let plain = trained("plain", "conv 10x4 same, relu, dense");
    let mut turned = from(&plain, "lopsided", "conv 20x4 same, relu, dense");
    turned.init_reverse = Some(0.5);
    let error = train_error(go(&turned)).to_string();
    assert!(error.contains("even width"), "{error}");

    // The batch normalisation's shift does not move into a padded layer: the first is taken alone.
    let first = from(
        &even,
        "first",
        "conv 10x4 same, relu, conv 6x3 same, relu, dense",
    );
    go(&first).unwrap();
    let json = fs::read_to_string(first.out.join("model.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["init"]["layers"], 1);
}
