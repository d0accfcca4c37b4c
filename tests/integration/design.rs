//! Sequences that are changed towards an objective, as a user designs them; the model that counts bases says what is best.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::jobs::{files, folder, outcome, program, succeed};
use crate::support::table;

/// Runs a job of design with the counting model, all bases A to begin with.
fn design(here: &Path, line: &str) -> String {
    if !here.join("a.fa").exists() {
        fs::write(here.join("a.fa"), format!(">a x\n{}\n", "A".repeat(145))).unwrap();
    }
    format!("design --model count.onnx --out out --force {line}")
}

#[test]
fn counted_bases_are_changed_as_far_as_edits_go() {
    let dir = folder();
    let here = dir.path();
    for method in [
        "greedy",
        "beam --width 3",
        "anneal --proposals 300 --temperature 1,0.1",
    ] {
        let line = format!("a.fa --objective G-0.5*A --edits 3 --method {method}");
        let said = succeed(here, &design(here, &line));
        assert!(said.contains("1 design of 1 start"), "{said}");
        let rows = table(&here.join("out/designs.tsv"));
        let cells = [
            "name",
            "status",
            "ended",
            "edits",
            "start_objective",
            "objective",
            "full_objective",
            "gain",
            "A.activity",
            "G.start_activity",
        ];
        let found: Vec<&str> = cells.iter().map(|c| rows[0][*c].as_str()).collect();
        // Each A that becomes G is worth 1.5.
        assert_eq!(
            found,
            [
                "a",
                "ok",
                "edits_used",
                "3",
                "-72.5",
                "-68",
                "-68",
                "4.5",
                "142",
                "0"
            ],
            "{method}"
        );
        let sequence = &rows[0]["sequence"];
        assert_eq!((sequence.matches('G').count(), sequence.len()), (3, 145));
        let fasta = fs::read_to_string(here.join("out/designs.fa")).unwrap();
        assert_eq!(fasta, format!(">a edits=3 objective=-68\n{sequence}\n"));
        assert_eq!(rows[0]["changes"].matches("A>G").count(), 3);
        assert!(here.join("out/objective.svg").exists());
    }
    // The first places, as all are alike.
    succeed(here, &design(here, "a.fa --objective G-0.5*A --edits 2"));
    let steps = table(&here.join("out/trajectory.tsv"));
    let cells = |row: usize| {
        [
            "step",
            "position",
            "from",
            "to",
            "edits",
            "objective",
            "G.activity",
        ]
        .map(|c| steps[row][c].clone())
    };
    assert_eq!(cells(0), ["0", "NA", "NA", "NA", "0", "-72.5", "0"]);
    assert_eq!(cells(1), ["1", "0", "A", "G", "1", "-71", "1"]);
    assert_eq!(cells(2), ["2", "1", "A", "G", "2", "-69.5", "2"]);
}

#[test]
fn constraints_hold_and_what_is_kept_stays() {
    let dir = folder();
    let here = dir.path();
    let line = "--random 12 --seed 5 --objective T+C --edits 40 --keep 0-5,100-110 --gc 0.4-0.5 \
        --homopolymer 3 --forbid EcoRI,CCWGG,bsmbi --keep-motif GGR --skip-invalid";
    succeed(here, &design(here, line));
    let rows = table(&here.join("out/designs.tsv"));
    assert_eq!(rows.len(), 12);
    let mut designs = 0;
    for row in rows.iter().filter(|row| row["status"] == "ok") {
        designs += 1;
        let (start, sequence) = (&row["start_sequence"], &row["sequence"]);
        for stretch in [0..5, 100..110] {
            assert_eq!(start[stretch.clone()], sequence[stretch]);
        }
        for site in [
            "GAATTC", "CCAGG", "CCTGG", "CGTCTC", "GAGACG", "AAAA", "CCCC", "GGGG", "TTTT",
        ] {
            assert!(!sequence.contains(site), "{site} {sequence}");
        }
        let strong = sequence.matches(['G', 'C']).count() as f64 / 145.0;
        assert!((0.4..=0.5).contains(&strong), "{strong}");
        for (at, word) in start.as_bytes().windows(3).enumerate() {
            let here = &sequence.as_bytes()[at..at + 3];
            if word[..2] == *b"GG" && b"AG".contains(&word[2]) {
                assert!(here[..2] == *b"GG" && b"AG".contains(&here[2]), "{row:?}");
            }
            if word[1..] == *b"CC" && b"CT".contains(&word[0]) {
                assert!(here[1..] == *b"CC" && b"CT".contains(&here[0]), "{row:?}");
            }
        }
        let differ = (start.bytes().zip(sequence.bytes()))
            .filter(|(a, b)| a != b)
            .count();
        assert_eq!(differ.to_string(), row["edits"]);
        assert!(differ <= 40);
    }
    assert!(designs >= 6, "{rows:?}");
    // A motif of a file: AA, of which every A of the start is part.
    let meme = "MEME version 4\n\nALPHABET= ACGT\n\nMOTIF aa\nletter-probability matrix: alength= 4 w= 2\n\
         0.97 0.01 0.01 0.01\n0.97 0.01 0.01 0.01\n";
    fs::write(here.join("aa.meme"), meme).unwrap();
    succeed(
        here,
        &design(
            here,
            "a.fa --objective T --edits 145 --keep-motif aa.meme --motif-p 0.1",
        ),
    );
    let rows = table(&here.join("out/designs.tsv"));
    assert_eq!(rows[0]["kept_hits"], "144");
    assert_eq!(rows[0]["sequence"], "A".repeat(145));
}

#[test]
fn results_depend_on_no_thread_and_the_full_engine_agrees() {
    let dir = folder();
    let here = dir.path();
    let design = "design --random 7 --objective HepG2_minP-K562_minP --model default --edits 6 --seed 9 --force";
    for method in ["beam --width 3", "anneal --proposals 60"] {
        let mut found = Vec::new();
        for (threads, engine) in [(1, "fast"), (3, "fast")] {
            let line = format!(
                "{design} --method {method} --threads {threads} --engine {engine} --out out"
            );
            succeed(here, &line);
            found.push(files(&here.join("out")));
        }
        assert!(found[0] == found[1], "{method}");
    }
    // What the full engine says of the designs, alone.
    succeed(
        here,
        "predict out/designs.fa --out predicted --engine full --force",
    );
    let designs = table(&here.join("out/designs.tsv"));
    let predicted = table(&here.join("predicted/predictions.tsv"));
    let number = |text: &String| text.parse::<f64>().unwrap();
    for (design, prediction) in designs.iter().zip(&predicted) {
        assert_eq!(design["name"], prediction["name"]);
        let of = |task: &str| number(&prediction[&format!("{task}.mean_activity")]);
        let objective = of("HepG2_minP") - of("K562_minP");
        assert!((objective - number(&design["full_objective"])).abs() < 1e-6);
        assert!((objective - number(&design["objective"])).abs() < 1e-4);
        assert!(number(&design["gain"]) > 0.0);
    }
    let run: Value =
        serde_json::from_str(&fs::read_to_string(here.join("out/run.json")).unwrap()).unwrap();
    let most = run["results"]["largest_difference_of_engines"]
        .as_f64()
        .unwrap();
    assert!(most > 0.0 && most < 1e-4, "{most}");
}

#[test]
fn regions_of_a_genome_and_places_in_it() {
    let dir = folder();
    let here = dir.path();
    fs::write(
        here.join("r.bed"),
        "chr1\t1000\t1145\tone\nchr1\t1300\t1400\nchr2\t300\t500\ttwo\n",
    )
    .unwrap();
    fs::write(
        here.join("keep.bed"),
        "chr1\t1010\t1020\nchr1\t1100\t1300\n",
    )
    .unwrap();
    let line =
        "--bed r.bed --fasta genome.fa --resize 150 --keep-bed keep.bed --objective T --edits 150";
    succeed(here, &design(here, line));
    let rows = table(&here.join("out/designs.tsv"));
    let names: Vec<&str> = rows.iter().map(|row| row["name"].as_str()).collect();
    assert_eq!(names, ["one", "chr1:1275-1425", "two"]);
    // 997 to 1147: the bases 1010 to 1019 and 1100 to 1146 stay.
    let (start, sequence) = (&rows[0]["start_sequence"], &rows[0]["sequence"]);
    for (at, (a, b)) in start.chars().zip(sequence.chars()).enumerate() {
        let kept = (13..23).contains(&at) || at >= 103;
        assert!(if kept { a == b } else { b == 'T' }, "{at}");
    }
    // 1275 to 1425.
    let (start, sequence) = (&rows[1]["start_sequence"], &rows[1]["sequence"]);
    assert_eq!(start[..25], sequence[..25]);
    assert_eq!(sequence[25..], "T".repeat(125));
    assert_eq!(rows[2]["sequence"], "T".repeat(150));
}

#[test]
fn what_cannot_be_is_said() {
    let dir = folder();
    let here = dir.path();
    let site = format!(">s\n{}GAATTC{}\n", "A".repeat(70), "A".repeat(69));
    fs::write(here.join("s.fa"), site).unwrap();
    fs::write(here.join("short.fa"), ">short\nACGT\n").unwrap();
    fs::write(here.join("n.fa"), format!(">n\nN{}\n", "A".repeat(144))).unwrap();
    fs::write(here.join("none.bed"), "b\t1\t2\n").unwrap();
    fs::write(here.join("empty.fa"), ">x\n").unwrap();
    for (line, code, part, hint) in [
        ("a.fa --objective G-X", 1, "no task \"X\"", "task-names"),
        (
            "a.fa --objective 3",
            1,
            "depends on no task",
            "the model's tasks: A, C, G, T",
        ),
        (
            "a.fa --objective G*T",
            1,
            "must be linear",
            "an objective is like",
        ),
        (
            "a.fa --objective G~+",
            1,
            "at character 4",
            "an objective is like",
        ),
        (
            "a.fa --objective G --keep 0-145",
            1,
            "every base is kept",
            "--keep",
        ),
        (
            "a.fa --objective G --gc 0.5-0.6 --edits 5",
            1,
            "5 edit(s) reach 0.000 to 0.034",
            "--edits",
        ),
        (
            "a.fa --objective G --gc 0.501-0.502",
            1,
            "no whole number",
            "--gc",
        ),
        (
            "a.fa --objective G --homopolymer 4 --keep 10-20",
            1,
            "the longest run is to have 4",
            "give way",
        ),
        (
            "a.fa --objective G --homopolymer 4 --edits 3",
            1,
            "a run of",
            "--edits",
        ),
        (
            "s.fa --objective G --forbid EcoRI --keep 60-80",
            1,
            "EcoRI at 70-76",
            "give way",
        ),
        (
            "s.fa --objective G --forbid EcoRI --keep-motif GAATTC",
            1,
            "a hit of GAATTC",
            "give way",
        ),
        (
            "short.fa --objective G",
            1,
            "it has 4 bases, the model's window 145",
            "--skip-invalid",
        ),
        ("n.fa --objective G", 1, "unknown bases", "--skip-invalid"),
        (
            "a.fa --objective G --keep-bed none.bed",
            1,
            "line 1: b:1-2 lies in no sequence",
            "name of a sequence",
        ),
        (
            "empty.fa --objective G",
            1,
            "it has 0 bases",
            "--skip-invalid",
        ),
        (
            "a.fa --objective G --forbid EcoR1",
            2,
            "is EcoRI meant?",
            "",
        ),
        (
            "a.fa --objective G --forbid NNN",
            2,
            "fits every sequence",
            "",
        ),
        ("a.fa --objective G --keep 20-10", 2, "FROM below TO", ""),
        (
            "a.fa --objective G --keep-motif no.meme",
            2,
            "there is no file",
            "",
        ),
        ("a.fa --objective G --edits 0", 2, "whole number from 1", ""),
        (
            "a.fa --objective G --temperature 1,2",
            2,
            "the last not above the first",
            "",
        ),
        (
            "a.fa --objective G --minimize --target 2",
            2,
            "cannot be used with",
            "",
        ),
        ("a.fa", 2, "--objective", ""),
        ("--objective G", 2, "required", ""),
    ] {
        let (found, error) = outcome(here, &design(here, line));
        assert_eq!(found, code, "{line}: {error}");
        assert!(
            error.contains(part) && error.contains(hint),
            "{line}: {error}"
        );
        assert!(
            hint.is_empty() || error.contains("hint: "),
            "{line}: {error}"
        );
        assert!(!here.join("out").exists(), "{line}");
    }
    // They are rows where they may be left out.
    let all: String = ["short.fa", "n.fa", "a.fa", "s.fa"]
        .map(|name| fs::read_to_string(here.join(name)).unwrap())
        .concat();
    fs::write(here.join("all.fa"), all).unwrap();
    let line = "all.fa --objective G --edits 2 --forbid AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA --skip-invalid";
    let said = succeed(here, &design(here, line));
    assert!(said.contains("0 designs of 4 starts"), "{said}");
    let rows = table(&here.join("out/designs.tsv"));
    let statuses: Vec<&str> = rows.iter().map(|row| row["status"].as_str()).collect();
    assert_eq!(statuses, ["too_short", "unknown_bases", "unmet", "unmet"]);
    assert!(rows.iter().all(|row| row["sequence"] == "NA"));
    // From standard input.
    let output = program(here, &design(here, "- --objective G"));
    assert_eq!(output.status.code(), Some(1));
    // Results are not replaced unasked.
    let (code, error) = outcome(
        here,
        "design a.fa --objective G --model count.onnx --out out",
    );
    assert!(
        code == 1 && error.contains("already holds results"),
        "{error}"
    );
}

#[test]
fn a_page_shows_designs_and_haplotypes() {
    let dir = folder();
    let here = dir.path();
    succeed(
        here,
        &design(here, "data.tsv --objective G --edits 3 --skip-invalid"),
    );
    let haplotypes = "haplotypes --vcf phased.vcf --bed regions.bed --fasta genome.fa --model count.onnx --out h";
    succeed(here, haplotypes);
    succeed(here, "report out h --out page.html");
    let page = fs::read_to_string(here.join("page.html")).unwrap();
    let begin = "<script type=\"application/json\" id=\"data\">";
    let from = page.find(begin).unwrap() + begin.len();
    let to = from + page[from..].find("</script>").unwrap();
    let data: Value = serde_json::from_str(&page[from..to]).unwrap();
    let texts = |part: usize, list: &str| -> Vec<String> {
        let all = data["parts"][part][list].as_array().unwrap();
        all.iter()
            .map(|t| t["title"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(texts(0, "tables"), ["designs.tsv", "trajectory.tsv"]);
    assert_eq!(texts(0, "figures"), ["objective.svg"]);
    assert_eq!(texts(0, "scatters")[0], "objective: design against start");
    // 60 starts, 14 of them with unknown bases; the objective of each three more.
    assert_eq!(data["parts"][0]["scatters"][0]["n"], 46);
    let r = data["parts"][0]["scatters"][0]["r"].as_f64().unwrap();
    assert!((r - 1.0).abs() < 1e-9, "{r}");
    let methods = |part: usize| {
        data["parts"][part]["run"]["methods"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(
        methods(0).starts_with("60 sequences were designed"),
        "{}",
        methods(0)
    );
    assert!(
        methods(1).starts_with("Haplotypes of 1 samples (phased.vcf)"),
        "{}",
        methods(1)
    );
    assert_eq!(texts(1, "tables")[..2], ["regions.tsv", "haplotypes.tsv"]);
    assert_eq!(texts(1, "scatters").len(), 4);
}
