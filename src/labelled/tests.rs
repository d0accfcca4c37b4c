use std::fs;
use std::path::Path;

use super::*;
use crate::encode::UNKNOWN;

fn source(data: &Path, fasta: Option<&Path>) -> Source {
    Source {
        columns: super::Columns::default(),
        data: data.into(),
        fasta: fasta.map(Path::to_path_buf),
        aliases: Aliases::None,
    }
}

fn read(folder: &Path, text: &str) -> Result<Labelled, LabelledError> {
    let path = folder.join("data.tsv");
    fs::write(&path, text).unwrap();
    Labelled::read(&source(&path, None), 4)
}

#[test]
fn tables_of_sequences() {
    let dir = tempfile::tempdir().unwrap();
    let data = read(
        dir.path(),
        "id\tsequence\tregion\tsplit\tcell\tT\tT.rep1\tT.rep2\nx\tACGT\tr1\ttrain\tHepG2\t1.5\t1\t2\n\
         y\tacgN\tr2\ttest\tHepG2\tNA\t\t3\nz\tTTTT\tr1\ttest\tK562\t-1\t0\t0\n",
    )
    .unwrap();
    assert_eq!((data.width, data.rows()), (4, 3));
    assert_eq!(data.sequence(1), [0, 1, 2, UNKNOWN]);
    assert_eq!(data.names, ["x", "y", "z"]);
    assert_eq!(data.groups.as_deref(), Some(&[0, 1, 0][..]));
    assert_eq!(data.side(Split::Test), [1, 2]);
    let [label] = &data.labels[..] else {
        panic!("text columns are no labels: {:?}", data.labels);
    };
    assert_eq!((label.name.as_str(), label.values[0]), ("T", 1.5));
    assert!(label.values[1].is_nan() && label.replicates[[1, 0]].is_nan());
    assert_eq!(label.replicates.column(1).to_vec(), [2.0, 3.0, 0.0]);
}

#[test]
fn tables_of_ones_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("own.csv");
    let mut text = String::from("oligo,locus,\"value, mean\",chrom\n");
    for i in 0..200 {
        text += &format!("ACGT,l{},{i},chr{}\n", i / 2, i % 4);
    }
    fs::write(&path, text).unwrap();
    let mut own = source(&path, None);
    own.columns = Columns {
        sequence: Some("oligo".into()),
        group: Some("locus".into()),
    };
    let mut sides = Sides {
        validation: vec!["chr8".into()],
        test: vec!["chr9".into()],
        shares: crate::dataset::Shares {
            validation: 0.2,
            test: 0.1,
            seed: 4,
        },
    };
    // No row lies on the contigs asked for: by chance, and groups whole.
    let data = Labelled::read(&own, 4).unwrap().with_sides(&sides);
    assert_eq!((data.rows(), data.labels.len()), (200, 1));
    assert_eq!(data.labels[0].name, "value, mean");
    let split = data.split.clone().unwrap();
    assert!(split.as_chunks::<2>().0.iter().all(|[a, b]| a == b));
    let (validation, test) = (
        data.side(Split::Validation).len(),
        data.side(Split::Test).len(),
    );
    assert!(
        (20..60).contains(&validation) && (6..40).contains(&test),
        "{validation} {test}"
    );
    sides.validation = vec!["chr1".into()];
    let data = Labelled::read(&own, 4).unwrap().with_sides(&sides);
    assert_eq!(data.side(Split::Validation).len(), 50);
    assert!(data.side(Split::Test).is_empty() && data.side(Split::Train).len() == 150);

    own.columns.sequence = Some("seq".into());
    let error = Labelled::read(&own, 4).unwrap_err().to_string();
    assert!(
        error.contains("oligo, locus") && error.contains("`seq`"),
        "{error}"
    );
}

#[test]
fn values_beside_a_fasta() {
    let dir = tempfile::tempdir().unwrap();
    let (values, fasta) = (dir.path().join("v.tsv"), dir.path().join("s.fa"));
    fs::write(&values, "name\tT\nb\t2\na\t1\n").unwrap();
    fs::write(&fasta, ">a\nAC\nGT\n>b x\nTTNT\n>c\nAAAA\n").unwrap();
    let data = Labelled::read(&source(&values, Some(&fasta)), 4).unwrap();
    assert_eq!(data.names, ["b", "a"]);
    assert_eq!(data.sequence(0), [3, 3, UNKNOWN, 3]);
    assert_eq!(
        (data.sequence(1), &data.labels[0].values[..]),
        (&[0, 1, 2, 3][..], &[2.0, 1.0][..])
    );
    fs::write(&values, "name\tT\nd\t2\n").unwrap();
    let error = Labelled::read(&source(&values, Some(&fasta)), 4).unwrap_err();
    assert!(
        error.to_string().contains("row 1: no sequence \"d\""),
        "{error}"
    );
}

#[test]
fn tables_that_cannot_be_used() {
    let dir = tempfile::tempdir().unwrap();
    for (text, expected) in [
        ("sequence\tT\n", "no usable row"),
        (
            "sequence\tT\nACG\t1\nAC\t2\n",
            "row 2: a sequence of 2 bases",
        ),
        ("sequence\tT\nA>G\t1\n", "no base"),
        ("sequence\tT\nACG\tinf\n", "column T, row 1: inf"),
        ("sequence\tsplit\nACG\tdev\n", "split, row 1: \"dev\""),
        ("sequence\tweight\nACG\t-1\n", "weight, row 1"),
        ("sequence\tT\nACG\n", "line 2: 1 columns"),
        ("sequence\tT\tT\nACG\t1\t1\n", "stands twice"),
        ("seq\tT\nACG\t1\n", "a header of seq, T"),
    ] {
        let error = read(dir.path(), text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
}

#[test]
fn beds_with_values() {
    let dir = tempfile::tempdir().unwrap();
    let fasta = dir.path().join("g.fa");
    fs::write(&fasta, ">c\nAACCGGTTNNNNNN\n>d\nAC\n").unwrap();
    let bed = dir.path().join("data.bed");
    fs::write(
        &bed,
        "#chrom\tstart\tend\tname\tT\nc\t1\t5\ta\t0.5\nc\t3\t4\tb\t1\nc\t9\t13\tn\t2\nx\t0\t4\tx\t3\nd\t0\t3\td\t4\n",
    )
    .unwrap();
    let data = Labelled::read(&source(&bed, Some(&fasta)), 4).unwrap();
    assert_eq!(data.names, ["a", "b"]);
    // c:1-5, and four bases around c:3-4, from 3 - 2.
    assert_eq!(data.sequence(0), [0, 1, 1, 2]);
    assert_eq!(data.sequence(1), [0, 1, 1, 2]);
    assert_eq!(data.groups.as_deref(), Some(&[0, 0][..]));
    assert_eq!(data.labels[0].values, [0.5, 1.0]);
    let reasons: Vec<&str> = data.skipped.iter().map(|s| s.reason).collect();
    assert_eq!(
        reasons,
        ["unknown_bases", "unknown_contig", "past_contig_end"]
    );
    assert!(matches!(
        Labelled::read(&source(&bed, None), 4),
        Err(LabelledError::NoFasta(_))
    ));
    // Without a header the fifth column is the score.
    fs::write(&bed, "c\t1\t5\ta\t7\t+\n").unwrap();
    let data = Labelled::read(&source(&bed, Some(&fasta)), 4).unwrap();
    assert_eq!(data.labels[0].name, "score");
}

#[test]
fn rows_of_a_table_are_no_headers_of_a_bed() {
    let dir = tempfile::tempdir().unwrap();
    // A row may be called `track`; only above the header is it UCSC's.
    let text = "# made by hand\ntrack name=x\nid sequence T\ntrack ACGT 1\nb CCCC 2\n";
    let data = read(dir.path(), text).unwrap();
    assert_eq!(data.names, ["track", "b"]);
    assert_eq!(data.labels[0].values, [1.0, 2.0]);
    let error = read(dir.path(), "# nothing but this\n").unwrap_err();
    assert!(error.to_string().contains("holds no row"), "{error}");
}

#[test]
fn beds_are_as_every_bed() {
    let dir = tempfile::tempdir().unwrap();
    let fasta = dir.path().join("g.fa");
    fs::write(&fasta, ">c\nAACCGGTT\n").unwrap();
    let bed = dir.path().join("data.bed");
    let read = |text: &str| {
        fs::write(&bed, text).unwrap();
        Labelled::read(&source(&bed, Some(&fasta)), 4)
    };
    for text in [
        "c\t1\t5\ta\t7\n",
        "\u{feff}c\t1\t5\ta\t7\r\n",
        "track\tname=a\nc 1  5 a 7\n",
        "#chrom start end name score\nc 1 5 a 7\n#c 1 5 b 9\n",
        "name\tscore\tchrom\tstart\tend\ntrack\t7\tc\t1\t5\n",
    ] {
        let data = read(text).unwrap_or_else(|e| panic!("{text:?}: {e}"));
        assert_eq!(
            (data.rows(), data.sequence(0)),
            (1, &[0, 1, 1, 2][..]),
            "{text:?}"
        );
        assert_eq!(data.labels[0].values, [7.0], "{text:?}");
    }
    for (row, part) in [
        ("c\t+1\t5\ta\t7", "line 1: start is \"+1\""),
        ("c\t-1\t5\ta\t7", "line 1: start is \"-1\""),
        ("c\t6\t5\ta\t7", "line 1: end 5 is before start 6"),
        ("c\t1\t5\ta\t7\nc\t 2\t6\tb\t1", "line 2: start is \" 2\""),
        ("c\t1\t5\ta\t7\n\t2\t6\tb\t1", "line 2: no contig"),
    ] {
        let error = read(row).unwrap_err().to_string();
        assert!(error.contains(part), "{row:?}: {error}");
    }
}
