use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::model::onnx::{AttributeProto, GraphBuilder};
use crate::model::{ModelFile, ModelOptions, ModelSource};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

fn filters(file: &ModelFile) -> Result<Filters, MotifError> {
    Filters::of(file, &file.spec(&ModelOptions::default()).unwrap())
}

#[test]
fn filters_are_the_same_in_every_layout_and_alphabet() {
    let read =
        |name: &str| filters(&ModelFile::read(&fixture("models").join(name)).unwrap()).unwrap();
    let demo = read("demo.onnx");
    assert_eq!((demo.weights.len(), demo.width), (8, 7));
    // The first filter is TGACTCA: 1 for its bases, -1 for the others; 7 - 4 on the word itself.
    assert_eq!(demo.value(0, &[3, 2, 0, 1, 3, 1, 0]), 3.0);
    assert_eq!(demo.value(0, &[3, 2, 0, 1, 3, 1, 1]), 1.0);
    for name in ["cnn_4w.onnx", "cnn_14w_atcg.onnx", "cnn_1w4.onnx"] {
        assert_eq!(read(name), demo, "{name}");
    }
}

#[test]
fn graphs_that_begin_otherwise_are_refused() {
    let graph = |build: &dyn Fn(&mut GraphBuilder) -> String| {
        let mut g = GraphBuilder::new("test");
        g.input("sequence", &[Err("batch"), Ok(4), Ok(20)]);
        g.output("activity", &[Err("batch"), Ok(1)]);
        let last = build(&mut g);
        g.node_to("Flatten", &[&last], vec![], "activity");
        let file = ModelFile::from_bytes("test".as_ref(), g.to_bytes()).unwrap();
        filters(&file)
    };
    let conv =
        |g: &mut GraphBuilder, input: &str, dims: &[usize], attributes: Vec<AttributeProto>| {
            let n = dims.iter().product();
            let w = g.weight("w", dims, &vec![1.0; n]);
            g.node("Conv", &[input, &w], attributes)
        };
    let fine = graph(&|g| {
        let axes = g.ints("axes", &[3]);
        let x = g.node("Unsqueeze", &["sequence", &axes], vec![]);
        conv(g, &x, &[2, 4, 5, 1], vec![])
    });
    assert_eq!(fine.unwrap().width, 5);
    let reshaped = graph(&|g| {
        let shape = g.ints("shape", &[-1, 1, 4, 20]);
        let x = g.node("Reshape", &["sequence", &shape], vec![]);
        conv(g, &x, &[2, 1, 4, 6], vec![])
    });
    assert_eq!(reshaped.unwrap().width, 6);
    let flat = graph(&|g| {
        let shape = g.ints("shape", &[-1, 1, 80]);
        let x = g.node("Reshape", &["sequence", &shape], vec![]);
        conv(g, &x, &[2, 1, 4], vec![])
    });
    assert!(flat.unwrap_err().to_string().contains("mixes"));
    let dilated = graph(&|g| {
        let two = AttributeProto::of_ints("dilations", &[2]);
        conv(g, "sequence", &[2, 4, 5], vec![two])
    });
    assert!(dilated.unwrap_err().to_string().contains("dilated"));
    let other = graph(&|g| g.node("GlobalMaxPool", &["sequence"], vec![]));
    assert!(other.unwrap_err().to_string().contains("GlobalMaxPool"));
}

#[test]
fn sites_equal_a_scan_by_hand() {
    // One filter: A in the first column 1, G in the second 2, no bias.
    let filters = Filters {
        width: 2,
        weights: vec![
            vec![[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0]],
            vec![[-1.0; 4]; 2],
        ],
        bias: vec![0.0, 0.0],
    };
    let mut words = Words::new(2);
    // AGNCGAA: words AG (3), CG (2), GA (0), AA (1).
    words.add(&[0, 2, 4, 1, 2, 0, 0]).unwrap();
    let found = sites(&filters, &words, 0.5);
    assert_eq!(
        (found[0].count, found[0].largest, found[0].threshold),
        (2, 3.0, 1.5)
    );
    assert_eq!(found[0].counts, [[1, 1, 0, 0], [0, 0, 2, 0]]);
    assert_eq!(found[0].frequencies()[0], [0.5, 0.5, 0.0, 0.0]);
    // Never above 0.
    assert_eq!((found[1].count, found[1].largest), (0, -2.0));
    assert_eq!(words.bases, [3, 1, 2, 0]);
}

fn motif(name: &str, word: &str) -> Motif {
    let column = |letter: char| {
        let mut column = [0.02; 4];
        column["ACGT".find(letter).unwrap()] = 0.94;
        column
    };
    Motif {
        name: name.into(),
        other_name: String::new(),
        frequencies: word.chars().map(column).collect(),
        sites: 50,
    }
}

#[test]
fn meme_files_are_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.meme");
    let motifs = [
        motif("a", "ACGT"),
        Motif {
            other_name: "second name".into(),
            ..motif("b", "TG")
        },
    ];
    fs::write(&path, write_meme([0.25; 4], &motifs)).unwrap();
    assert_eq!(read_motifs(&path).unwrap(), motifs);
    let whole = write_meme([0.25; 4], &motifs[..1]);
    for (text, expected) in [
        (whole.replace("MEME version 5", "HMMER"), "line 1"),
        (
            whole.replace("ALPHABET= ACGT", "ALPHABET= ACGU"),
            "\"ACGU\"",
        ),
        (whole.replace("w= 4", "w= 5"), "1 row(s) too early"),
        (whole.replace("0.940000", "x"), "four shares"),
        (whole.replace("w= 4", ""), "one matrix a motif"),
        (whole[..whole.find("MOTIF").unwrap()].to_owned(), "no motif"),
    ] {
        fs::write(&path, &text).unwrap();
        let error = read_motifs(&path).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_right_motif_is_found_on_either_strand() {
    let known = [
        motif("decoy_1", "GGGCGG"),
        motif("AP1", "ATGAGTCATC"),
        motif("decoy_2", "CACGTGAC"),
    ];
    // The filter is the reverse complement of the motif's columns 1 to 7 (TGAGTCA).
    let filter = motif("filter", "TGACTCA").frequencies;
    let found = best_match(&filter, &known, 500, 1).unwrap();
    assert_eq!((found.motif, found.reverse), (1, true));
    assert!((found.score - 1.0).abs() < 1e-9, "{found:?}");
    // The reverse complement is GATGACTCAT: the filter's first column is its third.
    assert_eq!(found.offset, -2);
    assert!(found.p < 0.01 && (found.e - 3.0 * found.p).abs() < 1e-12);
    // A filter wider than the motif pays for what lies outside it: 4 of 7 columns are explained.
    let short = [motif("half", "TGAC")];
    let found = best_match(&filter, &short, 0, 1).unwrap();
    assert!(
        (found.score - (4.0f64 / 7.0).sqrt()).abs() < 1e-9,
        "{found:?}"
    );
    assert!(found.p.is_nan() && !found.reverse && found.offset == 0);
    // Nothing is like a filter without information.
    assert!(best_match(&[[0.25; 4]; 5], &known, 10, 1).is_none());
    // A motif of one letter shuffles to something as good often.
    let poor = best_match(&motif("", "A").frequencies, &[motif("T", "T")], 500, 1).unwrap();
    assert!(poor.p > 0.3, "{poor:?}");
}

#[test]
fn planted_motifs_come_out() {
    let dir = tempfile::tempdir().unwrap();
    let known = dir.path().join("known.meme");
    let motifs = [
        motif("E-box", "CACCTG"),
        motif("AP1", "TGACTCA"),
        motif("GC", "GGGCGG"),
    ];
    fs::write(&known, write_meme([0.25; 4], &motifs)).unwrap();
    let config = Config {
        model: ModelSource::File(fixture("models/demo.onnx")),
        model_options: ModelOptions::default(),
        sequences: Sequences::Fasta(fixture("genome.fa")),
        share: 0.5,
        known: Some(known),
        shuffles: 200,
        seed: 1,
        out: dir.path().join("out"),
        force: false,
        command: vec!["test".into()],
    };
    let summary = run(&config, &crate::Cancel::default()).unwrap();
    assert_eq!(summary.filters, 8);
    let text = fs::read_to_string(config.out.join("filters.tsv")).unwrap();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .skip(1)
        .map(|l| l.split('\t').collect())
        .collect();
    // TGACTCA stands at six places of the fixtures' genome: four planted, and by chance.
    assert_eq!(
        (rows[0][1], rows[0][6], rows[0][7]),
        ("ok", "TGACTCA", "AP1")
    );
    assert!(rows[0][2].parse::<u64>().unwrap() >= 4);
    assert_eq!(
        (rows[1][6], rows[1][7], rows[1][9]),
        ("TGAGTCA", "AP1", "-")
    );
    // CAGGTGC holds CAGGTG, the reverse complement of CACCTG.
    assert_eq!(
        (rows[2][6], rows[2][7], rows[2][9]),
        ("CAGGTGC", "E-box", "-")
    );
    let meme = read_motifs(&config.out.join("motifs.meme")).unwrap();
    assert_eq!(meme[0].frequencies[0], [0.0, 0.0, 0.0, 1.0]);
    assert_eq!(meme.len(), summary.active);
    let svg = fs::read_to_string(config.out.join("logos.svg")).unwrap();
    assert!(svg.contains("filter_0 AP1+ 1.00"), "{}", &svg[..600]);
    // Results are not overwritten unasked.
    assert!(run(&config, &crate::Cancel::default()).is_err());
}
