//! Recipes: several sources on one trunk, and the tasks that their heads become.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use mpra_score::model::{Model, ModelFile, ModelOptions, Predict, Runtime};
use mpra_score::output::Existing;
use mpra_score::stats::Random;
use mpra_score::train::cnn::Unwatched;
use mpra_score::train::cnn::recipe::{RecipeConfig, run};
use mpra_score::{Cancel, Error};

use super::StopAfter;

/// Bases of a window.
const WINDOW: usize = 24;

fn letters(random: &mut Random, n: usize, motif: bool) -> String {
    let mut letters: Vec<u8> = (0..n).map(|_| b"ACGT"[random.index(4)]).collect();
    if motif {
        let at = random.index(n - 4);
        let motif = if random.index(2) == 0 {
            b"TGACG"
        } else {
            b"CGTCA"
        };
        letters[at..at + 5].copy_from_slice(motif);
    }
    String::from_utf8(letters).unwrap()
}

/// How often the motif occurs, on either strand.
fn count(text: &str) -> f64 {
    let windows = text.as_bytes().windows(5);
    windows.filter(|w| *w == b"TGACG" || *w == b"CGTCA").count() as f64
}

/// Measured values of 34 bases, classes of 34-base regions on two contigs, and alleles there.
fn write_sources(folder: &Path) {
    let mut random = Random::at(8, &[]);
    let mut table = "name\tseq\tA\tB\n".to_owned();
    for i in 0..600 {
        let motif = random.index(2) == 0;
        let text = letters(&mut random, 34, motif);
        let n = count(&text);
        let b = if i % 7 == 0 {
            "NA".into()
        } else {
            format!("{}", 2.0 - 3.0 * n)
        };
        // Two rows an element.
        let end = ["F", "R"][i % 2];
        let _ = writeln!(table, "e{}_{end}\t{text}\t{}\t{b}", i / 2, 1.0 + 2.0 * n);
    }
    fs::write(folder.join("values.tsv"), table).unwrap();
    let (mut bed, mut classes, mut alleles) = (String::new(), String::new(), String::new());
    classes.push_str("region_id\tvalues\n");
    alleles.push_str("chrom\tpos\tref\talt\tbefore\tafter\n");
    let (mut fasta, mut fai) = (String::new(), String::new());
    for contig in ["c1", "c2", "c3"] {
        let mut sequence = String::new();
        for i in 0..120 {
            let motif = random.index(2) == 0;
            let text = letters(&mut random, 34, motif);
            let from = sequence.len();
            let _ = writeln!(bed, "{contig}\t{from}\t{}\t{contig}_{i}", from + 34);
            let class = if count(&text) > 0.0 { "on" } else { "off" };
            let _ = writeln!(classes, "{contig}_{i}\t{class}");
            sequence.push_str(&text);
        }
        for at in (20..sequence.len() - 20).step_by(9) {
            let before = sequence.as_bytes()[at] as char;
            let after = if before == 'A' { 'T' } else { 'A' };
            let mut changed = sequence.clone();
            changed.replace_range(at..=at, &after.to_string());
            let part = at - 12..at + 12;
            let value = |text: &str| 2f64.powf(count(&text[part.clone()]));
            let (x, y) = (value(&sequence), value(&changed));
            let _ = writeln!(alleles, "{contig}\t{}\t{before}\t{after}\t{x}\t{y}", at + 1);
        }
        let (bases, begin) = (sequence.len(), fasta.len() + contig.len() + 2);
        let _ = writeln!(fai, "{contig}\t{bases}\t{begin}\t{bases}\t{}", bases + 1);
        let _ = writeln!(fasta, ">{contig}\n{sequence}");
    }
    for (name, text) in [
        ("regions.bed", bed),
        ("classes.tsv", classes),
        ("alleles.tsv", alleles),
        ("genome.fa", fasta),
        ("genome.fa.fai", fai),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
}

const RECIPE: &str = r#"
[network]
window = 24
layers = "conv 8x5, relu, spatialdropout 0.05, dense smooth 3"
both_strands = true
[fit]
epochs = 12
batch = 16
lr = 0.02
schedule = "one-cycle"
weight_decay = 0.01
clip = 1.0
average = 0.95
[split]
validation_chroms = ["c2"]
test_chroms = ["c3"]
validation_share = 0.2
test_share = 0.2
[[source]]
name = "lenti"
kind = "values"
file = "values.tsv"
sequence = "seq"
columns = ["A", "B"]
differences = [["A", "B"]]
group = "name"
group_suffixes = ["_F", "_R"]
[[source]]
name = "sharpr"
kind = "labels"
regions = "regions.bed"
fasta = "genome.fa"
files = { cell = "classes.tsv" }
id = "region_id"
label = "values"
positive = "on"
negative = "off"
weight = 0.5
batch = 12
[[source]]
name = "raqtl"
kind = "alleles"
files = { cell = "alleles.tsv" }
fasta = "genome.fa"
ref_value = "before"
alt_value = "after"
pseudo_count = 0.01
weight = 0.5
[[task]]
name = "one"
heads = { "lenti.A" = 1.0 }
unit = "lenti.A"
[[task]]
name = "mixed"
heads = { "lenti.A" = 1.0, "lenti.B" = -0.5, "sharpr.cell" = 0.5, "raqtl.cell" = 0.2 }
unit = "lenti.A"
"#;

fn config(folder: &Path, out: &str, resume: bool) -> RecipeConfig {
    RecipeConfig {
        recipe: folder.join("recipe.toml"),
        out: folder.join(out),
        existing: Existing {
            force: false,
            resume,
        },
        threads: 2,
        ort_lib: None,
        command: vec!["train".into()],
    }
}

fn prepared(recipe: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_sources(folder.path());
    fs::write(folder.path().join("recipe.toml"), recipe).unwrap();
    folder
}

#[test]
fn heads_of_all_sources_become_tasks() {
    let folder = prepared(RECIPE);
    let whole = config(folder.path(), "whole", false);
    let summary = run(&whole, &Unwatched, &Cancel::default()).unwrap();
    assert_eq!(
        summary.files.last().unwrap().file_name().unwrap(),
        "run.json"
    );
    // The sources are learned, each by its own measure.
    let names: Vec<&str> = summary.test.iter().map(|t| t.0.as_str()).collect();
    assert_eq!(
        names,
        [
            "lenti.A",
            "lenti.B",
            "lenti.A-B",
            "sharpr.cell",
            "raqtl.cell"
        ]
    );
    for (name, figure) in &summary.test {
        assert!(*figure > 0.8, "{name}: {figure}");
    }
    let text = fs::read_to_string(whole.out.join("training.tsv")).unwrap();
    assert!(text.starts_with(
        "epoch\tlearning_rate\ttrain_loss\tvalidation_loss\tlenti.A\tlenti.B\tlenti.A-B\tsharpr.validation_loss\tsharpr.cell\traqtl.validation_loss\traqtl.cell\tseconds\n"
    ));
    let json: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(whole.out.join("model.json")).unwrap()).unwrap();
    assert!(json["export"]["largest_difference"].as_f64().unwrap() < 1e-4);
    for (source, rows) in [(0, 600), (1, 360)] {
        let sides = json["sources"][source]["sides"].as_object().unwrap();
        let all: u64 = sides.values().map(|v| v.as_u64().unwrap()).sum();
        assert_eq!(all, rows);
    }
    // Both rows of an element are on one side.
    let text_of_split = fs::read_to_string(whole.out.join("split.tsv")).unwrap();
    let text = &text_of_split;
    let mut sides = std::collections::HashMap::new();
    for line in text.lines().filter_map(|l| l.strip_prefix("lenti\t")) {
        let (name, side) = line.split_once('\t').unwrap();
        let element = name.split_once('_').unwrap().0.to_owned();
        assert_eq!(sides.entry(element).or_insert(side.to_owned()), side);
    }
    assert_eq!(sides.len(), 300);
    assert!(text.contains("sharpr\tc3_7\ttest\n") && text.contains("raqtl\tc1:21:"));
    // The file: two tasks in units of the first column, the same on both strands.
    let file = ModelFile::read(&whole.out.join("model.onnx")).unwrap();
    let runtime = Runtime::load(None).unwrap();
    let mut model = Model::open(file, &ModelOptions::default(), &runtime).unwrap();
    assert_eq!(model.spec().tasks, ["one", "mixed"]);
    let codes: Vec<u8> = (0..WINDOW).map(|i| (i * i % 7 % 4) as u8).collect();
    let mut turned = codes.clone();
    turned.reverse();
    turned.iter_mut().for_each(|c| *c = 3 - *c);
    let mut outputs = vec![0.0; 4];
    model
        .predict(&[codes, turned].concat(), &mut outputs)
        .unwrap();
    assert!((outputs[0] - outputs[2]).abs() < 1e-5);
    assert!((outputs[1] - outputs[3]).abs() < 1e-5);

    // Another seed of the network leaves everything on its side; another one of the split does not.
    for (place, same) in [("[fit]\n", true), ("[split]\n", false)] {
        let text = RECIPE.replace("epochs = 12", "epochs = 1");
        let folder = prepared(&text.replace(place, &format!("{place}seed = 5\n")));
        let other = config(folder.path(), "whole", false);
        run(&other, &Unwatched, &Cancel::default()).unwrap();
        let sides = fs::read_to_string(other.out.join("split.tsv")).unwrap();
        assert_eq!(sides == text_of_split, same, "{place}");
    }

    // Stopped and resumed it ends with the same bytes.
    let cancel = Cancel::default();
    let stopped = config(folder.path(), "stopped", false);
    let error = run(&stopped, &StopAfter(3, cancel.clone()), &cancel).unwrap_err();
    assert!(matches!(error, Error::Job(_)), "{error}");
    // Tasks are put together at the end: a mistake in them is mended without training again.
    let recipe = folder.path().join("recipe.toml");
    let wrong = RECIPE.replace("{ \"lenti.A\" = 1.0 }", "{ \"lenti.A\" = -1.0 }");
    fs::write(&recipe, wrong).unwrap();
    let resumed = config(folder.path(), "stopped", true);
    let error = run(&resumed, &Unwatched, &Cancel::default()).unwrap_err();
    assert!(error.to_string().contains("task one"), "{error}");
    let otherwise = RECIPE.replace("lr = 0.02", "lr = 0.01");
    fs::write(&recipe, otherwise).unwrap();
    let error = run(&resumed, &Unwatched, &Cancel::default()).unwrap_err();
    assert!(error.to_string().contains("recipe"), "{error}");
    fs::write(&recipe, RECIPE).unwrap();
    run(&resumed, &Unwatched, &Cancel::default()).unwrap();
    let bytes = |out: &Path| fs::read(out.join("model.onnx")).unwrap();
    assert_eq!(bytes(&whole.out), bytes(&resumed.out));
}

/// A regression on k-mers, fitted to the values, teaches its own heads on windows of the genome.
#[test]
fn kmers_of_a_source_teach_what_they_have_found() {
    let recipe = RECIPE.replacen(
        "[[task]]",
        r#"[[source]]
name = "kmers"
kind = "kmers"
of = "lenti"
columns = ["A", "B"]
k = 5
share = 0.6
ridge = 0.5
fasta = "genome.fa"
bed = "regions.bed"
stretch = 34
weight = 0.5
batch = 12
[[task]]
name = "both"
heads = { "lenti.A" = 1.0, "kmers.A" = 1.0 }
unit = "lenti.A"
[[task]]"#,
        1,
    );
    let folder = prepared(&recipe);
    let config = config(folder.path(), "out", false);
    let summary = run(&config, &Unwatched, &Cancel::default()).unwrap();
    // The network learns what the k-mers say, on contigs that it has not seen.
    for head in ["kmers.A", "kmers.B"] {
        let (_, r) = summary.test.iter().find(|t| t.0 == head).unwrap();
        assert!(*r > 0.8, "{head}: {r}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(config.out.join("model.json")).unwrap()).unwrap();
    let source = &json["sources"][3];
    assert_eq!(
        source["sides"],
        serde_json::json!({"train": 120, "validation": 120, "test": 120})
    );
    for fit in source["kmers"]["fits"].as_array().unwrap() {
        // The values are what the motif makes them, without noise; rows without a value are not fitted.
        let r = fit["pearson"]["test"].as_f64().unwrap();
        assert!(r > 0.8, "{fit}");
        assert!(fit["rounds"].as_u64().unwrap() > 3);
    }
    for (from, to, why) in [
        ("of = \"lenti\"", "of = \"lent\"", "there is no source lent"),
        (
            "of = \"lenti\"",
            "of = \"raqtl\"",
            "neither values nor labels",
        ),
        ("of = \"lenti\"", "of = \"sharpr\"", "no column A"),
        ("k = 5", "k = 12", "k is 1 to 11"),
        ("share = 0.6", "share = 0.0", "share is above 0"),
    ] {
        fs::write(
            folder.path().join("recipe.toml"),
            recipe.replacen(from, to, 1),
        )
        .unwrap();
        let config = self::config(folder.path(), "refused", false);
        let error = run(&config, &Unwatched, &Cancel::default()).unwrap_err();
        let text = format!("{:#}", anyhow::Error::from(error));
        assert!(text.contains(why), "{to}: {text}");
    }
}

/// Behind a trunk that both strands have taught, a head that tells the strands apart.
#[test]
fn a_trunk_of_another_model_stays_as_it_is() {
    let folder = prepared(&RECIPE.replace("epochs = 12", "epochs = 4"));
    let here = folder.path();
    let first = config(here, "first", false);
    run(&first, &Unwatched, &Cancel::default()).unwrap();
    let changes = [
        (
            "layers = \"conv 8x5",
            "init = \"first/model.onnx\"\nlayers = \"conv 16x5",
        ),
        ("both_strands = true", "both_strands = false"),
        (
            "epochs = 12",
            "epochs = 4\nfreeze = 1\nreverse_complements = false",
        ),
    ];
    let mut recipe = RECIPE.to_owned();
    for (from, to) in changes {
        assert!(recipe.contains(from), "{from}");
        recipe = recipe.replacen(from, to, 1);
    }
    fs::write(here.join("recipe.toml"), &recipe).unwrap();
    let second = config(here, "second", false);
    run(&second, &Unwatched, &Cancel::default()).unwrap();
    let weights = |config: &RecipeConfig| -> Vec<Vec<f32>> {
        let file = ModelFile::read(&config.out.join("model.onnx")).unwrap();
        let all = &file.graph().initializer;
        all.iter().map(|w| w.floats().unwrap()).collect()
    };
    let (before, after) = (weights(&first), weights(&second));
    // The convolution, and its bias; then the dense layer.
    assert_eq!(before.len(), after.len());
    assert_eq!(before[..2], after[..2]);
    assert_ne!(before[2], after[2]);
    let told = fs::read_to_string(second.out.join("run.json")).unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["settings"]["init"]["layers"], 1);
    let refused = |from: &str, to: &str| {
        fs::write(here.join("recipe.toml"), recipe.replacen(from, to, 1)).unwrap();
        let failed = run(&config(here, "none", false), &Unwatched, &Cancel::default());
        assert!(!here.join("none").exists());
        failed.unwrap_err().to_string()
    };
    let text = refused("freeze = 1", "freeze = 2");
    assert!(text.contains("2 convolutions are to stay"), "{text}");
    // Beside a carried model's, whose filters are as wide: the first half is the file's, as many as it has.
    let both = (
        "init = \"first/model.onnx\"\nlayers = \"conv 16x5",
        "init = [\"first/model.onnx\", \"default\"]\nlayers = \"conv 32x5",
    );
    assert!(recipe.contains(both.0));
    fs::write(here.join("recipe.toml"), recipe.replacen(both.0, both.1, 1)).unwrap();
    let third = config(here, "third", false);
    run(&third, &Unwatched, &Cancel::default()).unwrap();
    let beside = weights(&third);
    assert_eq!(beside[0].len(), 2 * before[0].len());
    assert_eq!(beside[0][..before[0].len()], before[0]);
    let told = fs::read_to_string(third.out.join("run.json")).unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let models = told["settings"]["init"]["models"].as_array().unwrap();
    assert_eq!(models.len(), 2);
    assert_eq!(models[1]["path"], "default");
    let text = refused("init = \"first/model.onnx\"\n", "");
    assert!(text.contains("there is no `init`"), "{text}");
}

/// A frame around the window, and all that is said of a source and of stopping.
#[test]
fn framed_networks_see_each_window_alone() {
    let changes = [
        ("window = 24", "window = 24\ncolumns = 30\noffset = 4"),
        (
            "spatialdropout 0.05, dense smooth 3",
            "dropout 0.05, maxpool 13, dense",
        ),
        ("both_strands = true", "both_strands = false"),
        ("epochs = 12", "epochs = 3\nstopping = { sharpr = 2 }"),
        ("group = \"name\"", "group = \"name\"\nshift = 2"),
        ("label = \"values\"", "label = \"values\"\nshift = 1"),
    ];
    let mut recipe = RECIPE.to_owned();
    for (from, to) in changes {
        assert!(recipe.contains(from), "{from}");
        recipe = recipe.replacen(from, to, 1);
    }
    let folder = prepared(&recipe);
    let config = config(folder.path(), "framed", false);
    run(&config, &Unwatched, &Cancel::default()).unwrap();
    let file = ModelFile::read(&config.out.join("model.onnx")).unwrap();
    let spec = file.spec(&ModelOptions::default()).unwrap();
    let one_hot = spec.one_hot;
    assert_eq!((spec.window, one_hot.length, one_hot.offset), (24, 30, 4));
    // A sequence is a line, however many windows it has.
    let split = fs::read_to_string(config.out.join("split.tsv")).unwrap();
    let lines = |source: &str| split.lines().filter(|l| l.starts_with(source)).count();
    assert_eq!((lines("lenti\t"), lines("sharpr\t")), (600, 360));
    assert!(split.contains("sharpr\tc3_7\ttest\n"));
    let text = fs::read_to_string(config.out.join("training.tsv")).unwrap();
    let mut rows = text
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>());
    let names = rows.next().unwrap();
    let column = |name: &str| names.iter().position(|n| *n == name).unwrap();
    let (all, own) = (column("validation_loss"), column("sharpr.validation_loss"));
    for row in rows {
        let [all, own] = [all, own].map(|c| row[c].parse::<f64>().unwrap());
        assert!((all - 2.0 * own).abs() < 1e-4 * all, "{all} {own}");
    }
}

#[test]
fn recipes_that_cannot_be_followed_are_refused_in_words() {
    for (from, to, why) in [
        ("epochs = 12", "epoch = 12", "epoch"),
        (
            "columns = [\"A\", \"B\"]",
            "columns = [\"A\", \"B\", \"C\"]",
            "no column \"C\"",
        ),
        (
            "unit = \"lenti.A\"",
            "unit = \"lenti.C\"",
            "no head lenti.C",
        ),
        ("weight = 0.5\nbatch = 12", "weight = 0.0", "above 0"),
        ("group = \"name\"", "grouping = \"name\"", "source lenti"),
        (
            "layers = \"conv 8x5,",
            "layers = \"conv 8x5 same, conv 8x4 same,",
            "more zeros",
        ),
        (
            "positive = \"on\"",
            "positive = \"off\"",
            "all its labels are equal",
        ),
        ("[\"A\", \"B\"]", "[\"A\", \"B\"]\nstep = 4", "a rest"),
        ("window = 24", "window = 35", "34 bases"),
        ("batch = 16", "batch = 0", "[fit] batch is 1 to"),
        (
            "batch = 16",
            "batch = 16\nstopping = { nobody = 1 }",
            "no source nobody",
        ),
        (
            "batch = 16",
            "batch = 16\nstopping = { lenti = 0 }",
            "one weight is above 0",
        ),
        ("lr = 0.02", "lr = nan", "[fit] lr is a number above 0"),
        (
            "\"lenti.A\" = 1.0 }\nunit",
            "\"lenti.A\" = -1.0 }\nunit",
            "do not rise",
        ),
    ] {
        let recipe = RECIPE.replacen("epochs = 12", "epochs = 1", 1);
        let recipe = match from {
            "epochs = 12" => RECIPE.replacen(from, to, 1),
            _ => recipe.replacen(from, to, 1),
        };
        let folder = prepared(&recipe);
        let config = config(folder.path(), "out", false);
        let error = run(&config, &Unwatched, &Cancel::default()).unwrap_err();
        let text = format!("{:#}", anyhow::Error::from(error));
        assert!(text.contains(why), "{to}: {text}");
    }
}
