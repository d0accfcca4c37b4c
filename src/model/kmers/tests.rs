use std::fs;
use std::path::Path;

use super::*;
use crate::model::{ModelFile, ModelOptions};

/// A file of this name and text, read.
fn read(name: &str, text: &str) -> Result<KmerTable, ModelError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    KmerTable::read(&path, text.as_bytes(), None).map(|(table, _)| table)
}

/// An error with the hint below it, from the name of the file on.
fn refused(name: &str, text: &str) -> String {
    let error = read(name, text).unwrap_err();
    assert!(error.hint().is_some(), "{error}");
    let error = error.to_string();
    let from = error.find(name).unwrap();
    error[from..].to_owned()
}

#[test]
fn tables_of_weights() {
    let expected = read("w.txt", "AC\t1.5\nCC\t-2\n").unwrap();
    assert_eq!(expected.k(), 2);
    assert_eq!(expected.facts().without, 16 - 4);
    let number = |kmer: &str| match kmer {
        "AC" => 1,
        "GT" => 11,
        "CC" => 5,
        _ => 10,
    };
    let mut weights = vec![0.0; 16];
    for (kmer, weight) in [("AC", 1.5), ("GT", 1.5), ("CC", -2.0), ("GG", -2.0)] {
        weights[number(kmer)] = weight;
    }
    assert_eq!(expected.weights(), weights);
    for text in [
        "kmer,weight\nAC,1.5\nCC,-2\n",
        "# made by hand\n\nac  1.5\r\nCC -2.0\r\n",
        "\"k\"\t\"w\"\n\"AC\"\t1.5\n\"CC\"\t-2\n",
        "AC GT 1.5\nGG\tCC\t-2\n",
        "AC 1.5\nGT 1.5\nGG -2\n",
    ] {
        let found = read("w.txt", text).unwrap();
        assert_eq!(found.weights(), expected.weights(), "{text}");
        assert_eq!((found.facts().without, found.facts().differ), (12, 0));
    }
    let rows: Vec<(String, f32)> = expected.rows().filter(|r| r.1 != 0.0).collect();
    assert_eq!(rows, [("AC".to_owned(), 1.5), ("CC".to_owned(), -2.0)]);
    // Both strands are given, and differ.
    let both = read("w.txt", "AC 1\nGT 2\n").unwrap();
    assert_eq!((both.weights()[1], both.weights()[11]), (1.0, 2.0));
    assert_eq!(both.facts().differ, 2);
    assert_eq!(both.rows().filter(|r| r.1 != 0.0).count(), 2);
    // AT is its own reverse complement.
    assert_eq!(read("w.txt", "AT 1\n").unwrap().facts().without, 15);
}

#[test]
fn tables_that_are_refused() {
    for (text, expected) in [
        (
            "AC 1\nACG 2\n",
            "line 2: a k-mer of 3 letters (ACG); expected 2 letters, as in the rows before",
        ),
        (
            "AC 1\nAN 2\n",
            "line 2: the letter 'N' in \"AN\"; expected a k-mer of the letters A, C, G, T",
        ),
        (
            "AC 1\n\nCC x\n",
            "line 3: the weight \"x\"; expected a number",
        ),
        ("AC nan\n", "line 1: the weight \"nan\"; expected a number"),
        (
            "AC 1\nac 2\n",
            "line 2: AC stands twice; expected each k-mer once",
        ),
        (
            "AC 1\nCC\n",
            "line 2: one column; expected a k-mer and its weight (or a k-mer, its reverse complement and their weight)",
        ),
        (
            "AC 1\nCC 1 2 3\n",
            "line 2: 4 columns; expected a k-mer and its weight (or a k-mer, its reverse complement and their weight)",
        ),
        (
            "AC GT 1\nCC CC 1\n",
            "line 2: \"CC\" in the second of three columns; expected the reverse complement of CC",
        ),
        (
            "ACGTACGTACGTA 1\n",
            "line 1: a k-mer of 13 letters; expected at most 12",
        ),
        (
            "chr1\t100\t200\n",
            "line 1: the letter 'h' in \"chr1\"; expected an ONNX model, a gkm-SVM model, or rows of a k-mer and its weight",
        ),
        (
            "#gkmmodel 1\n",
            "line 1: a .gkmmodel file; expected the files PREFIX_svseq.fa and PREFIX_svalpha.out, which gkm-SVM writes beside it",
        ),
        (
            ">a\nACGT\n",
            "line 1: a sequence; expected a model; support vectors are in a file PREFIX_svseq.fa",
        ),
    ] {
        assert_eq!(
            refused("w.txt", text),
            format!("w.txt, {expected}"),
            "{text}"
        );
    }
    assert_eq!(
        refused("w.txt", "# nothing\nkmer weight\n"),
        "w.txt cannot be used: k-mers: it holds none; expected rows of a k-mer and its weight (or a k-mer, its reverse complement and their weight)"
    );
}

const HEAD: &str = "svm_type c_svc\nkernel_type gkm_esttrunc\nL 4\nk 3\nd 1\nnr_class 2\ntotal_sv 2\nrho 0.5\nlabel 1 -1\nnr_sv 1 1\nSV\n";

#[test]
fn models_of_ls_gkm() {
    let model = format!("{HEAD}0.5 ACGTTGCA\n-0.5 GGGTACCN\n");
    let table = read("m.model.txt", &model).unwrap();
    assert_eq!(table.k(), 4);
    assert_eq!(
        table.facts().from,
        "an LS-GKM model, kernel gkm_esttrunc (L 4, k 3, d 1), 2 support vectors, rho 0.5"
    );
    let by_number = model.replace("gkm_esttrunc", "2");
    assert_eq!(read("m.model.txt", &by_number).unwrap(), table);
    for (from, to, expected) in [
        (
            "0.5 ACGTTGCA\n",
            "",
            "cannot be used: support vectors: it holds 1 where its head says total_sv 2: it is cut short",
        ),
        (
            "SV\n0.5 ACGTTGCA\n-0.5 GGGTACCN\n",
            "",
            "cannot be used: support vectors: it ends before the line SV: it is cut short",
        ),
        (
            "gkm_esttrunc",
            "gkmrbf",
            ", line 2: kernel_type gkmrbf; expected a kernel that is a sum over l-mers (gkm_cnt, gkm_estfull, gkm_esttrunc, wgkm): one with RBF is none, and no table of k-mers says what it gives",
        ),
        (
            "gkm_esttrunc",
            "rbf",
            ", line 2: kernel_type rbf; expected gkm_cnt, gkm_estfull, gkm_esttrunc or wgkm",
        ),
        ("gkm_esttrunc", "wgkm", "cannot be used: head: it says no M"),
        (
            "gkm_esttrunc",
            "wgkm\nM 300\nH 50",
            ", line 3: M 300; expected a whole number up to 255",
        ),
        (
            "c_svc",
            "one_class",
            ", line 1: svm_type one_class; expected c_svc, nu_svc, epsilon_svr or nu_svr",
        ),
        ("L 4", "L 13", ", line 3: L 13; expected 2 to 12 letters"),
        ("k 3", "k 5", ", line 4: k 5; expected 1 to L (4)"),
        (
            "rho 0.5",
            "rho 0.5 1",
            ", line 8: rho 0.5 1; expected one number",
        ),
        (
            "rho",
            "what",
            ", line 8: \"what\"; expected a key of LS-GKM's models, or SV",
        ),
        (
            "0.5 ACGTTGCA",
            "0.5 ACG",
            ", line 12: a support vector of 3 bases; expected at least L (4)",
        ),
        (
            "0.5 ACGTTGCA",
            "x ACGTTGCA",
            ", line 12: the coefficient \"x\"; expected a number",
        ),
        (
            "0.5 ACGTTGCA",
            "0.5 ACGT1GCA",
            ", line 12: the letter '1' in a support vector; expected bases",
        ),
        (
            "0.5 ACGTTGCA",
            "ACGTTGCA",
            ", line 12: \"ACGTTGCA\"; expected the coefficient and the sequence of a support vector",
        ),
    ] {
        assert!(model.contains(from), "{from}");
        let text = model.replacen(from, to, 1);
        let found = refused("m.model.txt", &text);
        assert_eq!(
            found.trim_start_matches("m.model.txt").trim_start(),
            expected.trim_start(),
            "{to}"
        );
    }
}

/// The same support vectors in gkm-SVM's two files, either of them named.
#[test]
fn models_of_gkm_svm() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let write = |name: &str, text: &str| fs::write(at(name), text).unwrap();
    write("x_svalpha.out", "b\t-0.5\na\t0.5\n");
    write(
        "x_svseq.fa",
        ">other\nAAAAAAA\n>a\nACGT\nTGCA\n>b what\nGGGTACCA\n",
    );
    let gapped = Some(Gapped { l: 4, k: 3, d: 1 });
    let read = |name: &str| {
        let bytes = fs::read(at(name)).unwrap();
        KmerTable::read(&at(name), &bytes, gapped)
    };
    let model = format!("{HEAD}0.5 ACGTTGCA\n-0.5 GGGTACCA\n").replace("rho 0.5", "rho 0");
    let expected = super::tests::read("m.txt", &model).unwrap();
    for name in ["x_svalpha.out", "x_svseq.fa"] {
        let (table, _) = read(name).unwrap();
        for (a, b) in table.weights().iter().zip(expected.weights()) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
        assert_eq!(
            table.facts().from,
            "a gkm-SVM model (l 4, k 3, d 1), 2 support vectors, without its rho"
        );
    }
    let error = |name: &str| read(name).unwrap_err().to_string();
    write("y_svalpha.out", "a 1\nc 1\n");
    assert!(error("y_svalpha.out").starts_with("cannot read the model"));
    fs::copy(at("x_svseq.fa"), at("y_svseq.fa")).unwrap();
    assert!(
        error("y_svalpha.out").ends_with("it has no sequence of \"c\", which has a coefficient")
    );
    write("y_svalpha.out", "a 1\na 1\n");
    assert!(error("y_svseq.fa").contains("line 2: \"a\" stands twice"));
    write("y_svalpha.out", "a 1\nb\n");
    assert!(error("y_svseq.fa").contains("line 2: \"b\""));
    write("y_svalpha.out", "");
    assert!(error("y_svseq.fa").ends_with("it holds none"));
}

#[test]
fn files_become_networks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my weights.txt");
    fs::write(&path, "AC\t1.5\nCC\t-2\n").unwrap();
    let file = ModelFile::read(&path).unwrap();
    // sha256sum of these bytes.
    assert_eq!(
        file.sha256(),
        "225a1629aac7883a981b5e135122856317be041022a49f8594a281bb11590754"
    );
    let spec = file.spec(&ModelOptions::default()).unwrap();
    assert_eq!((spec.window, spec.one_hot.length), (145, 145));
    assert_eq!(spec.tasks, ["my_weights"]);
    assert_eq!(
        file.kmers().unwrap().unwrap().describe(),
        "16 2-mers, the same on both strands; 12 have no weight and count 0; from a table of 2 weights"
    );
    let frame = |window| ModelOptions {
        frame: Some(crate::model::Frame {
            window,
            offset: None,
            length: None,
        }),
        ..ModelOptions::default()
    };
    assert_eq!(file.spec(&frame(200)).unwrap().window, 200);
    let short = file.spec(&frame(1)).unwrap_err().to_string();
    assert!(short.ends_with("window: 1 bases hold no 2-mer"), "{short}");
}

#[test]
fn names_of_tasks_and_kinds_of_files() {
    for (path, name) in [
        ("a/gm12878.model.txt.gz", "gm12878"),
        ("x_svalpha.out", "x"),
        ("my weights (2).tsv", "my_weights__2_"),
        (".txt", "txt"),
        ("..", "kmers"),
    ] {
        assert_eq!(task_name(Path::new(path)), name);
    }
    assert!(is_text(b"AC\t1\n") && is_text(&[0x1f, 0x8b, 8]));
    assert!(!is_text(b"") && !is_text(b"\x08\x08AC") && !is_text(b"AC\0"));
}
