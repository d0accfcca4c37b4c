//! Sequences changed on purpose: with a model that counts bases all answers are known; with networks both
//! engines must agree.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::Path;

use mpra_score::genome::{Aliases, BedSource};
use mpra_score::ism::{EngineChoice, EngineSettings, Strand};
use mpra_score::job::Silent;
use mpra_score::model::ModelOptions;
use mpra_score::perturb::{
    AblateConfig, Backgrounds, MarginalizeConfig, PairsConfig, Partner, Replacement, Scoring,
    Source, Targets, Test, Windows, Word, ablate, marginalize, pairs,
};
use mpra_score::{Cancel, Error};

use crate::support::{fixture, genome, table};

fn scoring(model: &str, choice: EngineChoice) -> Scoring {
    Scoring {
        model: fixture("models").join(model).into(),
        model_options: ModelOptions::default(),
        ort_lib: None,
        tasks: None,
        engine: EngineSettings {
            choice,
            strand: Strand::Forward,
            batch: NonZeroUsize::new(16).unwrap(),
            threads: NonZeroUsize::new(2).unwrap(),
        },
    }
}

fn sequences(path: &Path) -> Source {
    Source::Sequences {
        path: path.into(),
        sequence_column: None,
        name_column: None,
    }
}

fn fasta(folder: &Path, sequences: &[(&str, &str)]) -> std::path::PathBuf {
    let path = folder.join("sequences.fa");
    let text: String = sequences
        .iter()
        .map(|(n, s)| format!(">{n}\n{s}\n"))
        .collect();
    std::fs::write(&path, text).unwrap();
    path
}

/// An array of an `.npz`: shape and floats.
fn array(path: &Path, name: &str) -> (Vec<u64>, Vec<f32>) {
    let mut zip = zip::ZipArchive::new(File::open(path).unwrap()).unwrap();
    let mut bytes = Vec::new();
    let mut file = zip.by_name(&format!("{name}.npy")).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    let npy = npyz::NpyFile::new(&bytes[..]).unwrap();
    let shape = npy.shape().to_vec();
    (shape, npy.into_vec().unwrap())
}

fn close(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len());
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        let near = (a - b).abs() <= 2e-5 * b.abs().max(1.0);
        assert!(a.is_nan() && b.is_nan() || near, "{i}: {a} {b}");
    }
}

fn pairs_config(source: Source, model: &str, choice: EngineChoice, out: &Path) -> PairsConfig {
    PairsConfig {
        source,
        windows: Windows::Every(5),
        distance: 3,
        top: 10,
        pictures: 2,
        arrays: true,
        scoring: scoring(model, choice),
        out: out.into(),
        force: false,
        command: vec!["test".into()],
    }
}

fn run_pairs(config: &PairsConfig) -> Result<mpra_score::perturb::PairsSummary, Error> {
    pairs(config, &Silent, &Cancel::default())
}

/// Every network of the fixtures, sequences of a window and longer, with unknown bases, by either engine.
#[test]
fn pairs_of_both_engines_agree() {
    let dir = tempfile::tempdir().unwrap();
    let contig = genome().remove("chr1").unwrap();
    let text = |from: usize, to: usize| String::from_utf8(contig[from..to].to_vec()).unwrap();
    for (model, distance) in [("demo.onnx", 2), ("cnn_1w4.onnx", 1), ("scan.onnx", 500)] {
        let file = fixture("models").join(model);
        let spec = mpra_score::model::ModelFile::read(&file).unwrap();
        let window = spec.spec(&ModelOptions::default()).unwrap().window;
        let exact = text(1400, 1400 + window);
        let mut gap = exact.clone();
        gap.replace_range(7..9, "NN");
        let long = text(1450, 1456 + window);
        let short = text(1400, 1399 + window);
        let path = fasta(
            dir.path(),
            &[
                ("exact", &exact),
                ("short", &short),
                ("gap", &gap),
                ("long", &long),
            ],
        );
        let mut found = Vec::new();
        for choice in [EngineChoice::Auto, EngineChoice::Full] {
            let out = dir.path().join(format!("{model}.{choice:?}"));
            let mut config = pairs_config(sequences(&path), model, choice, &out);
            config.scoring.model_options.max_unknown = Some(0.2);
            config.distance = distance;
            // A double mutant of every pair of the window takes the full engine too long for a network.
            if distance > window {
                config.windows = Windows::Centre;
                config.scoring.tasks = None;
            }
            let summary = run_pairs(&config).unwrap();
            assert_eq!(summary.left_out, [("too_short", 1)]);
            found.push(out);
        }
        let [fast, full] = &found[..] else { panic!() };
        for name in ["interactions", "effects", "activities"] {
            let (shape, values) = array(&fast.join("pairs.npz"), name);
            let (other, expected) = array(&full.join("pairs.npz"), name);
            assert_eq!(shape, other);
            close(&values, &expected);
            if name == "interactions" {
                let tasks = *shape.last().unwrap();
                let apart = distance.min(window - 1) as u64;
                let longest = long.len() as u64;
                assert_eq!(shape, [4, longest, apart, 4, 4, tasks]);
                let row = values.len() / 4;
                assert!(values[row..2 * row].iter().all(|v| v.is_nan()));
                // Nothing of the unknown bases, all of their neighbours.
                let base = row / longest as usize;
                let gap = &values[2 * row..3 * row];
                assert!(gap[7 * base..9 * base].iter().all(|v| v.is_nan()));
                assert!(gap[..16].iter().all(|v| !v.is_nan()));
                assert!(values[..row].iter().any(|v| v.abs() > 1e-4), "{model}");
            }
        }
        let rows = table(&fast.join("sequences.tsv"));
        let status: Vec<&str> = rows.iter().map(|r| r["status"].as_str()).collect();
        assert_eq!(status, ["ok", "too_short", "ok", "ok"]);
    }
}

/// A model that counts bases has no interactions, and effects of one.
#[test]
fn counts_do_not_interact() {
    let dir = tempfile::tempdir().unwrap();
    let path = fasta(dir.path(), &[("a", &"ACGGT".repeat(29))]);
    let out = dir.path().join("out");
    let mut config = pairs_config(sequences(&path), "count.onnx", EngineChoice::Auto, &out);
    config.pictures = 1;
    let summary = run_pairs(&config).unwrap();
    assert_eq!(summary.pairs, 9 * (144 + 143 + 142));
    let (_, values) = array(&out.join("pairs.npz"), "interactions");
    assert!(values.iter().all(|v| v.is_nan() || v.abs() < 1e-4));
    let (shape, effects) = array(&out.join("pairs.npz"), "effects");
    let tasks = shape[3] as usize;
    // Of the first base, A: to C there is one A less and one C more.
    assert_eq!(effects[tasks..tasks + 4], [-1.0, 1.0, 0.0, 0.0]);
    assert!(out.join("pairs.1.svg").exists() && out.join("run.json").exists());
    // Threads change nothing.
    let one = dir.path().join("one");
    config.out = one.clone();
    config.scoring.engine.threads = NonZeroUsize::MIN;
    run_pairs(&config).unwrap();
    for name in ["pairs.tsv", "sequences.tsv", "pairs.npz", "pairs.1.svg"] {
        let read = |folder: &Path| std::fs::read(folder.join(name)).unwrap();
        assert!(read(&out) == read(&one), "{name}");
    }
}

/// Regions are widened, and have places in the genome.
#[test]
fn pairs_of_regions() {
    let dir = tempfile::tempdir().unwrap();
    let (name, contig) = genome().into_iter().find(|c| c.1.len() > 600).unwrap();
    let bed = dir.path().join("r.bed");
    std::fs::write(
        &bed,
        format!("{name}\t300\t310\tmine\n{name}\t250\t250\tnone\n"),
    )
    .unwrap();
    let source = Source::Regions {
        bed: BedSource::File(bed),
        fasta: fixture("genome.fa"),
        aliases: Aliases::None,
    };
    let out = dir.path().join("out");
    let summary = run_pairs(&pairs_config(source, "demo.onnx", EngineChoice::Auto, &out)).unwrap();
    assert_eq!(summary.left_out, [("empty", 1)]);
    let rows = table(&out.join("sequences.tsv"));
    // 145 - 10 = 135 more: 68 before.
    assert_eq!(
        (&rows[0]["start"][..], &rows[0]["length"][..]),
        ("232", "145")
    );
    let pairs = table(&out.join("pairs.tsv"));
    let tasks = pairs.iter().filter(|r| r["rank"] == "1").count();
    assert_eq!(pairs.len(), 10 * tasks);
    let mut last: BTreeMap<&str, f64> = BTreeMap::new();
    for row in &pairs {
        for side in ["a", "b"] {
            let at: usize = row[&format!("contig_{side}")].parse().unwrap();
            let place: usize = row[&format!("position_{side}")].parse().unwrap();
            assert_eq!(at, place + 232);
            let letter = char::from(contig[at]).to_ascii_uppercase().to_string();
            assert_eq!(row[&format!("ref_{side}")], letter);
        }
        let size = row["interaction"].parse::<f64>().unwrap().abs();
        let before = last.insert(&row["task"], size).unwrap_or(f64::INFINITY);
        assert!(size <= before);
    }
}

fn word(text: &str) -> Word {
    Word::parse(text).unwrap()
}

fn marginalize_config(backgrounds: Backgrounds, out: &Path) -> MarginalizeConfig {
    MarginalizeConfig {
        backgrounds,
        words: vec![word("six=ACCTTT")],
        motifs: None,
        reverse: true,
        partner: None,
        position: None,
        test: Test::Sign,
        seed: 3,
        scoring: scoring("count.onnx", EngineChoice::Auto),
        out: out.into(),
        force: false,
        command: vec!["test".into()],
    }
}

#[test]
fn motifs_change_counts() {
    let dir = tempfile::tempdir().unwrap();
    let path = fasta(
        dir.path(),
        &[
            ("g", &"G".repeat(145)),
            ("t", &"T".repeat(151)),
            ("short", "ACGT"),
        ],
    );
    let out = dir.path().join("out");
    let mut config = marginalize_config(Backgrounds::Given(sequences(&path)), &out);
    let meme = dir.path().join("m.meme");
    let text = "MEME version 5\n\nMOTIF m\nletter-probability matrix: alength= 4 w= 2\n0 .6 .4 0\n.5 0 0 .5\n";
    std::fs::write(&meme, text).unwrap();
    config.motifs = Some(meme.clone());
    let summary = marginalize(&config, &Silent, &Cancel::default()).unwrap();
    assert_eq!(
        (summary.backgrounds, summary.motifs, summary.rows),
        (2, 2, 4)
    );
    assert_eq!(summary.left_out, [("too_short", 1)]);
    let rows = table(&out.join("marginal.tsv"));
    let words: Vec<&str> = rows.iter().map(|r| r["word"].as_str()).collect();
    assert_eq!(words, ["ACCTTT", "AAAGGT", "CA", "TG"]);
    // 145 / 2 - 6 / 2.
    assert_eq!(rows[0]["start"], "69");
    // Of G: 1 A more; of T, too. C: 2 in either. T: 3 more, or 3 less.
    let effect = |row: usize, task: &str| rows[row][&format!("{task}.effect")].clone();
    assert_eq!(["A", "C", "T"].map(|t| effect(0, t)), ["1", "2", "0"]);
    assert_eq!(effect(0, "G"), "-3");
    assert_eq!(rows[0]["T.se"], "3");
    assert_eq!(
        (&rows[0]["T.positive"][..], &rows[0]["T.p"][..]),
        ("0.5", "1")
    );
    assert_eq!(
        (&rows[0]["A.positive"][..], &rows[0]["A.p"][..]),
        ("1", "0.5")
    );
    let (shape, after) = array(&out.join("marginal.npz"), "after");
    assert_eq!(shape, [4, 2, 4]);
    assert_eq!(after[..8], [1.0, 2.0, 139.0, 3.0, 1.0, 2.0, 0.0, 142.0]);
    assert!(
        std::fs::read_to_string(out.join("left_out.tsv"))
            .unwrap()
            .contains("short\t4\ttoo_short")
    );

    // Bad inputs.
    config.force = true;
    let fails = |config: &MarginalizeConfig, expected: &str| {
        let error = marginalize(config, &Silent, &Cancel::default()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        error.hint()
    };
    for (text, expected) in [
        (text.replace("w= 2", "w= 0"), "line 4"),
        (text.replace("0 .6 .4 0", "0 x .4 0"), "line 5"),
        (text.replace("w= 2", "w= 3"), "1 row(s) too early"),
    ] {
        std::fs::write(&meme, text).unwrap();
        assert!(fails(&config, expected).is_some());
    }
    config.motifs = None;
    config.words = vec![word(&"ACGT".repeat(40))];
    assert!(fails(&config, "(160 bases) does not fit a window of 145").is_some());
    config.words = vec![word("ACGT")];
    config.position = Some(142);
    assert!(fails(&config, "from base 142 on").is_some());
    config.position = None;
    config.words.clear();
    fails(&config, "no motif");
    config.words = vec![word("ACGT")];
    let path = fasta(dir.path(), &[("short", "ACGT"), ("gap", &"N".repeat(145))]);
    config.backgrounds = Backgrounds::Given(sequences(&path));
    assert!(
        fails(
            &config,
            "none of the 2 sequences can be scored: 1 too_short, 1 unknown_bases"
        )
        .is_some()
    );
}

#[test]
fn two_motifs_of_a_counting_model_do_not_interact() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let random = Backgrounds::Random { count: 5, gc: 0.4 };
    let mut config = marginalize_config(random, &out);
    config.reverse = false;
    config.test = Test::T;
    config.partner = Some(Partner {
        word: word("two=RYSW"),
        spacings: (0, 10),
    });
    marginalize(&config, &Silent, &Cancel::default()).unwrap();
    let rows = table(&out.join("spacing.tsv"));
    assert_eq!(rows.len(), 44);
    for task in ["A", "C", "G", "T"] {
        for row in &rows {
            let number = |column: &str| row[&format!("{task}.{column}")].parse::<f64>().unwrap();
            assert_eq!(number("interaction"), 0.0);
            assert!((number("both") - number("first") - number("second")).abs() < 1e-5);
        }
    }
    assert_eq!(
        ["strand", "with_strand", "spacing"].map(|column| &rows[12][column][..]),
        ["+", "-", "1"]
    );
    // Any number of threads, the same bytes.
    let one = dir.path().join("one");
    config.out = one.clone();
    config.scoring.engine.threads = NonZeroUsize::MIN;
    marginalize(&config, &Silent, &Cancel::default()).unwrap();
    for name in [
        "spacing.tsv",
        "spacing.npz",
        "backgrounds.fa",
        "spacing.svg",
    ] {
        let read = |folder: &Path| std::fs::read(folder.join(name)).unwrap();
        assert!(read(&out) == read(&one), "{name}");
    }
    config.force = true;
    config.partner = Some(Partner {
        word: word("ACG"),
        spacings: (0, 137),
    });
    let error = marginalize(&config, &Silent, &Cancel::default()).unwrap_err();
    assert!(
        error.to_string().contains("137 bases between (146 bases)"),
        "{error}"
    );
    assert!(error.hint().is_some());
}

#[test]
fn ablations_change_counts() {
    let dir = tempfile::tempdir().unwrap();
    let long = format!("{}{}{}", "A".repeat(100), "C".repeat(20), "G".repeat(45));
    let path = fasta(
        dir.path(),
        &[
            ("long", &long),
            ("short", "ACGT"),
            ("one", &format!("TGACTCA{}", "T".repeat(138))),
        ],
    );
    let bed = dir.path().join("i.bed");
    let text = "long\t100\t120\tsite\nlong\t160\t166\nnobody\t0\t5\nshort\t0\t2\none\t3\t3\n";
    std::fs::write(&bed, text).unwrap();
    let out = dir.path().join("out");
    let mut config = AblateConfig {
        source: sequences(&path),
        windows: Windows::Every(5),
        targets: Targets::Intervals(bed.clone()),
        replacement: Replacement::parse("T").unwrap(),
        shuffles: 4,
        seed: 1,
        sequences: true,
        scoring: scoring("count.onnx", EngineChoice::Auto),
        out: out.clone(),
        force: false,
        command: vec!["test".into()],
    };
    let summary = ablate(&config, &Silent, &Cancel::default()).unwrap();
    assert_eq!((summary.ablations, summary.windows), (5, 10));
    let rows = table(&out.join("ablations.tsv"));
    let status: Vec<&str> = rows.iter().map(|r| r["status"].as_str()).collect();
    assert_eq!(
        status,
        [
            "ok",
            "past_end",
            "unknown_sequence",
            "sequence_not_scored",
            "empty"
        ]
    );
    // Windows at 0, 5, ... 20 each hold the whole stretch.
    assert_eq!(
        (&rows[0]["windows"][..], &rows[0]["changed"][..]),
        ("5", "1")
    );
    assert_eq!(
        (&rows[0]["C.activity"][..], &rows[0]["C.effect"][..]),
        ("20", "-20")
    );
    assert_eq!(
        (&rows[0]["T.effect"][..], &rows[0]["T.sd"][..]),
        ("20", "NA")
    );
    assert_eq!(rows[1]["T.effect"], "NA");
    let fa = std::fs::read_to_string(out.join("ablated.fa")).unwrap();
    assert_eq!(fa, format!(">long:100-120#1\n{}\n", long.replace('C', "T")));

    // By N, also where the model is not run on unknown bases otherwise; by hits of a motif; by shuffles.
    config.force = true;
    config.replacement = Replacement::parse("N").unwrap();
    let meme = dir.path().join("m.meme");
    let rows_of = |word: &str| -> String {
        let row =
            |b: char| ["A", "C", "G", "T"].map(|l| if l == b.to_string() { "1" } else { "0" });
        word.chars().map(|b| row(b).join(" ") + "\n").collect()
    };
    let text = format!(
        "MEME version 5\n\nMOTIF ap1\nletter-probability matrix: alength= 4 w= 7\n{}",
        rows_of("TGACTCA")
    );
    std::fs::write(&meme, text).unwrap();
    config.targets = Targets::Hits {
        motifs: meme.clone(),
        most_p: 1e-4,
    };
    ablate(&config, &Silent, &Cancel::default()).unwrap();
    let rows = table(&out.join("ablations.tsv"));
    let hits: Vec<&str> = rows.iter().map(|r| r["name"].as_str()).collect();
    assert_eq!(hits, ["one"]);
    assert_eq!((&rows[0]["start"][..], &rows[0]["strand"][..]), ("0", "+"));
    assert_eq!(
        ["A", "C", "G", "T"].map(|t| rows[0][&format!("{t}.effect")].clone()),
        ["-2", "-2", "-1", "-2"]
    );
    config.replacement = Replacement::Dinucleotide;
    ablate(&config, &Silent, &Cancel::default()).unwrap();
    let rows = table(&out.join("ablations.tsv"));
    assert_eq!((&rows[0]["C.effect"][..], &rows[0]["C.sd"][..]), ("0", "0"));
    assert!(rows[0]["changed"].parse::<u32>().unwrap() <= 4);

    // Bad inputs.
    let fails = |config: &AblateConfig, expected: &str| {
        let error = ablate(config, &Silent, &Cancel::default()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    };
    config.targets = Targets::Hits {
        motifs: meme,
        most_p: 1e-9,
    };
    fails(&config, "no motif of");
    config.targets = Targets::Intervals(bed.clone());
    config.shuffles = 0;
    fails(&config, "--shuffles");
    config.shuffles = 1;
    for (text, expected) in [
        (
            "long\t160\t166\n",
            "none of the 1 intervals can be ablated; the first, long 160-166: past_end",
        ),
        ("long\tx\t5\n", "line 1"),
        ("# nothing\n", "holds no interval"),
    ] {
        std::fs::write(&bed, text).unwrap();
        fails(&config, expected);
    }
    config.windows = Windows::Every(146);
    fails(&config, "a stride of 146");
}
