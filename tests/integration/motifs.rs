//! `mpra-score motifs`: from sequences to results to motifs, as a user runs it, and scans against the scanner on whole contigs.

use std::io::Write as _;
use std::path::Path;
use std::process::Output;

use mpra_score::genome::Fasta;
use mpra_score::motifs::{Scanner, read_motifs};
use mpra_score::stats::Random;

use crate::support::fixture;
use crate::support::jobs::program;

const KNOWN: &str = "MEME version 4\n\nALPHABET= ACGT\n\n\
MOTIF M1 AP1\nletter-probability matrix: alength= 4 w= 7 nsites= 100\n\
0.02 0.02 0.02 0.94\n0.02 0.02 0.94 0.02\n0.94 0.02 0.02 0.02\n0.02 0.47 0.49 0.02\n0.02 0.02 0.02 0.94\n0.02 0.94 0.02 0.02\n0.94 0.02 0.02 0.02\n\n\
MOTIF M2 ETS\nletter-probability matrix: alength= 4 w= 8 nsites= 100\n\
0.6 0.1 0.1 0.2\n0.02 0.94 0.02 0.02\n0.02 0.94 0.02 0.02\n0.02 0.02 0.94 0.02\n0.02 0.02 0.94 0.02\n0.94 0.02 0.02 0.02\n0.94 0.02 0.02 0.02\n0.1 0.1 0.7 0.1\n\n\
MOTIF M3\nletter-probability matrix: alength= 4 w= 6 nsites= 100\n\
0.94 0.02 0.02 0.02\n0.94 0.02 0.02 0.02\n0.02 0.02 0.02 0.94\n0.02 0.02 0.02 0.94\n0.02 0.94 0.02 0.02\n0.02 0.02 0.94 0.02\n";

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn succeed(folder: &Path, line: &str) -> String {
    let output = program(folder, line);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{line}: {said}");
    said
}

fn failed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The cells of a column, of rows that have this in another.
fn column(table: &str, name: &str, by: &str, value: &str) -> Vec<String> {
    let mut lines = table.lines().map(|l| l.split('\t').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let at = |name: &str| header.iter().position(|h| *h == name).unwrap();
    let (name, by) = (at(name), at(by));
    let rows = lines.filter(|row| row[by] == value);
    rows.map(|row| row[name].to_owned()).collect()
}

/// Sequences of 145 random bases; TGACTCA in the middle third of every second one.
fn sequences(folder: &Path) {
    let mut random = Random::new(11, 0, 0);
    let mut fasta = String::new();
    for i in 0..160 {
        let mut bases: Vec<u8> = (0..145).map(|_| b"ACGT"[random.index(4)]).collect();
        if i % 2 == 0 {
            let at = 50 + random.index(40);
            bases[at..at + 7].copy_from_slice(b"TGACTCA");
        }
        fasta += &format!(">s{i}\n{}\n", String::from_utf8(bases).unwrap());
    }
    std::fs::write(folder.join("s.fa"), fasta).unwrap();
    std::fs::write(folder.join("known.meme"), KNOWN).unwrap();
}

#[test]
fn what_drives_predictions_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    sequences(folder);
    succeed(folder, "predict s.fa --saturation --out res");
    succeed(
        folder,
        "motifs seqlets res --motifs known.meme --out seqlets --report",
    );
    let table = text(&folder.join("seqlets/seqlets.tsv"));
    let positive = column(&table, "motif", "sign", "positive");
    let ap1 = positive.iter().filter(|m| *m == "M1").count();
    assert!(
        ap1 > 100 && ap1 * 2 > positive.len() / 2,
        "{ap1} of {}",
        positive.len()
    );
    let bed = text(&folder.join("seqlets/seqlets.bed"));
    assert_eq!(bed.lines().count() + 1, table.lines().count());
    // Sequences alone are their own contigs, and places in them read back.
    let fasta = text(&folder.join("s.fa"));
    let row: Vec<&str> = table.lines().nth(1).unwrap().split('\t').collect();
    let sequence = fasta.split(&format!(">{}\n", row[0])).nth(1).unwrap();
    let (start, end): (usize, usize) = (row[1].parse().unwrap(), row[2].parse().unwrap());
    assert_eq!(&sequence[start..end], row[10]);

    let said = succeed(
        folder,
        "motifs drivers res --motifs known.meme --out drivers --shuffles 200",
    );
    assert!(said.contains("HepG2_minP: highest AP1"), "{said}");
    let table = text(&folder.join("drivers/drivers.tsv"));
    let values = column(&table, "value", "motif", "M1");
    assert_eq!(
        values,
        [
            "HepG2_minP",
            "K562_minP",
            "HepG2_SV40P",
            "K562_SV40P",
            "HepG2_minP-K562_minP"
        ]
    );
    let z: Vec<f64> = column(&table, "z", "motif", "M1")
        .iter()
        .map(|z| z.parse().unwrap())
        .collect();
    assert!(z[..4].iter().all(|z| *z > 10.0), "{z:?}");
    assert_eq!(
        column(&table, "p", "motif", "M1")[0],
        format!("{:.9}", 1.0 / 201.0)
            .trim_end_matches('0')
            .to_owned()
    );

    let discover = "motifs discover res --tasks HepG2_minP --motifs known.meme";
    succeed(
        folder,
        &format!("{discover} --out found --threads 2 --report"),
    );
    let table = text(&folder.join("found/motifs.tsv"));
    let first: Vec<&str> = table.lines().nth(1).unwrap().split('\t').collect();
    assert_eq!(
        (first[0], first[9], first[10]),
        ("HepG2_minP.pos.1", "M1", "AP1")
    );
    assert!(first[3].parse::<usize>().unwrap() >= 70, "{table}");
    assert!(
        ["TGACTCA", "TGASTCA", "TGAGTCA"]
            .iter()
            .any(|word| first[8].contains(word)),
        "{table}"
    );
    let found = read_motifs(&folder.join("found/motifs.meme")).unwrap();
    assert_eq!(found.len(), table.lines().count() - 1);
    let json: serde_json::Value =
        serde_json::from_str(&text(&folder.join("found/motifs.json"))).unwrap();
    assert_eq!(json[0]["seqlets"].to_string(), first[3]);
    let sites = text(&folder.join("found/sites.bed"));
    let named = sites
        .lines()
        .filter(|l| l.contains("HepG2_minP.pos.1\t"))
        .count();
    assert_eq!(named.to_string(), first[3]);
    let page = text(&folder.join("found/report.html"));
    assert!(page.contains("Louvain") && page.contains("contributions.svg"));

    // Nothing depends on threads.
    succeed(folder, &format!("{discover} --out again --threads 1"));
    for name in [
        "motifs.tsv",
        "motifs.json",
        "motifs.meme",
        "sites.bed",
        "logos.svg",
        "contributions.svg",
    ] {
        assert_eq!(
            text(&folder.join("found").join(name)),
            text(&folder.join("again").join(name)),
            "{name}"
        );
    }
    succeed(
        folder,
        "motifs drivers res --motifs known.meme --out d1 --shuffles 200 --threads 1",
    );
    assert_eq!(
        text(&folder.join("drivers/drivers.tsv")),
        text(&folder.join("d1/drivers.tsv"))
    );
    succeed(
        folder,
        "motifs seqlets res --motifs known.meme --out s1 --threads 1",
    );
    assert_eq!(
        text(&folder.join("seqlets/seqlets.tsv")),
        text(&folder.join("s1/seqlets.tsv"))
    );

    // What cannot be done is said.
    for (line, words) in [
        (
            "motifs seqlets res --tasks HepG2 --out x",
            "task \"HepG2\" is not in the results",
        ),
        (
            "motifs drivers res --motifs known.meme --difference HepG2_minP,K562 --out x",
            "task \"K562\"",
        ),
        ("motifs discover res --p 0 --out x", "--p lies above 0"),
        (
            "motifs seqlets res --shortest 9 --longest 5 --out x",
            "--shortest",
        ),
        (
            "motifs seqlets drivers --out x",
            "hint: run the job with --saturation",
        ),
        ("motifs seqlets nowhere --out x", "cannot open nowhere"),
        ("motifs seqlets res --out seqlets", "already holds results"),
    ] {
        let said = failed(&program(folder, line));
        assert!(said.contains(words), "{line}: {said}");
        assert!(!folder.join("x").exists());
    }
    let archive = folder.join("res/saturation.npz");
    let bytes = std::fs::read(&archive).unwrap();
    std::fs::write(&archive, &bytes[..bytes.len() / 2]).unwrap();
    let said = failed(&program(folder, "motifs discover res --out x"));
    assert!(
        said.contains("not a whole saturation.npz") && said.contains("hint: write it anew"),
        "{said}"
    );
}

#[test]
fn results_without_a_scored_row_have_no_seqlets() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    std::fs::write(
        folder.join("s.fa"),
        format!(">n\n{}\n>short\nACGT\n", "N".repeat(200)),
    )
    .unwrap();
    succeed(folder, "predict s.fa --saturation --out res");
    let said = failed(&program(folder, "motifs seqlets res --out x"));
    assert!(
        said.contains("has no row with a value") && said.contains("hint: "),
        "{said}"
    );
}

/// A contig of several pieces, and regions: the hits are those of the scanner on the whole.
#[test]
fn scans_find_every_hit_once() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let mut random = Random::new(2, 0, 0);
    let bases: Vec<u8> = (0..600_000).map(|_| b"ACGT"[random.index(4)]).collect();
    let mut fasta = b">chr1\n".to_vec();
    fasta.extend(&bases);
    fasta.extend(b"\n>chr2\nACGNNNTGACTCATTTNACCGGAAGT\n");
    std::fs::write(folder.join("g.fa"), fasta).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(KNOWN.as_bytes()).unwrap();
    std::fs::write(folder.join("known.meme.gz"), gzip.finish().unwrap()).unwrap();

    let scan = "motifs scan --motifs known.meme.gz --fasta g.fa --background uniform --p 1e-3";
    let said = succeed(folder, &format!("{scan} --out hits"));
    let hits = text(&folder.join("hits/hits.bed"));
    let printed = program(folder, &format!("{scan} --out - --threads 1"));
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), hits);
    assert!(
        said.contains(&format!("{} hits of 3 motifs", hits.lines().count())),
        "{said}"
    );

    let motifs = read_motifs(&folder.join("known.meme.gz")).unwrap();
    let scanner = Scanner::new(&motifs, [0.25; 4], 1e-3);
    let genome = Fasta::open(&folder.join("g.fa"), false).unwrap();
    let mut codes = Vec::new();
    genome
        .reader()
        .unwrap()
        .fetch(0, 0, bases.len(), &mut codes)
        .unwrap();
    let mut expected: Vec<(usize, String, char)> = (scanner.hits(&codes).iter())
        .map(|h| {
            (
                h.start,
                motifs[h.motif].name.clone(),
                if h.reverse { '-' } else { '+' },
            )
        })
        .collect();
    expected.sort();
    let cells = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
    let rows: Vec<Vec<String>> = hits.lines().map(cells).collect();
    let mut found: Vec<(usize, String, char)> = (rows.iter().filter(|r| r[0] == "chr1"))
        .map(|r| {
            (
                r[1].parse().unwrap(),
                r[3].clone(),
                r[5].chars().next().unwrap(),
            )
        })
        .collect();
    found.sort();
    assert_eq!(found, expected);
    assert!(found.len() > 1000);
    let other: Vec<&Vec<String>> = rows.iter().filter(|r| r[0] == "chr2").collect();
    // A site of M1 is one on both strands.
    assert_eq!(other.len(), 3, "{other:?}");
    assert_eq!(
        (&other[0][1..4], &other[0][9][..]),
        (&["6".to_owned(), "13".into(), "M1".into()][..], "TGACTCA")
    );
    // The sequence is the strand's own.
    assert_eq!(&other[1][9][..], "TGAGTCA");
    let back: Vec<u8> = (other[2][9].bytes()).collect();
    assert_eq!(back, b"ACCGGAAG");

    // Regions: hits wholly inside, with their names; an empty one is counted.
    std::fs::write(
        folder.join("r.bed"),
        "chr2\t0\t13\ta\nchr2\t7\t26\tb\nchr1\t5\t5\tempty\n",
    )
    .unwrap();
    let run = "motifs scan --motifs known.meme.gz --fasta g.fa --bed r.bed --background 1,1,1,1 --p 1e-3 --format tsv";
    succeed(folder, &format!("{run} --out r"));
    let table = text(&folder.join("r/hits.tsv"));
    assert_eq!(column(&table, "region", "contig", "chr2"), ["a", "a", "b"]);
    let run: serde_json::Value = serde_json::from_str(&text(&folder.join("r/run.json"))).unwrap();
    assert_eq!(run["counts"]["regions_without_bases"], 1);
    assert_eq!(run["counts"]["hits"], 3);

    for (motifs, words) in [
        (KNOWN.replace("w= 7", "w= 0"), "line 6"),
        (
            ">a\nA [ ]\nC [ ]\nG [ ]\nT [ ]\n".into(),
            "a matrix of width 0",
        ),
        (KNOWN[..300].to_owned(), "row(s) too early"),
    ] {
        std::fs::write(folder.join("bad"), motifs).unwrap();
        let said = failed(&program(
            folder,
            "motifs scan --motifs bad --fasta g.fa --out x",
        ));
        assert!(said.contains(words) && said.contains("hint: "), "{said}");
        assert!(!folder.join("x").exists());
    }
    let usage = program(
        folder,
        "motifs scan --motifs bad --fasta g.fa --background 1,2 --out x",
    );
    assert_eq!(usage.status.code(), Some(2));
}

#[test]
fn help_of_each_opens_with_examples() {
    for job in ["scan", "seqlets", "drivers", "discover"] {
        let output = program(&fixture(""), &format!("motifs {job} --help"));
        let text = String::from_utf8(output.stdout).unwrap();
        let example = text.find(&format!("mpra-score motifs {job} "));
        let usage = text.find("Usage:").unwrap();
        assert!(example.is_some_and(|at| at < usage), "{text}");
    }
}
