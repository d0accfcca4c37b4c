//! One way in: whatever a text file is read as, the same files are read, and the same are refused.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::fixture;
use crate::support::jobs::{DATASET, ENRICHMENT, bgzip, files, folder, outcome, succeed, words};

const EVALUATE: &str = "evaluate --model count.onnx --bootstrap 5";
const SCORE: &str = "score --fasta genome.fa --model count.onnx --format bedgraph";
const TRAIN: &str = "train --teacher count.onnx --fasta genome.fa --preset authors \
    --arch conv~1x2,~relu,~maxpool~144,~dense --epochs 1 --batch 4 --seed 3 --mutants 0 --tasks G \
    --validation-chroms chr2 --test-chroms chr10";
const SHARPR: &str = "sharpr --rna rna1,rna2 --dna dna1,dna2 --tile 145 --step 29 --tiles 3";

/// Further inputs: tables and lists that no small job needs.
fn more(folder: &Path) {
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    // SHARPR's table of scores: a region's bases, 203 each.
    let (mut table, mut bed, mut labelled) = (String::new(), String::new(), String::new());
    for (i, line) in read("places.txt").lines().enumerate() {
        let cells: Vec<&str> = line.split('\t').collect();
        let [name, contig, start, end] = cells[..] else {
            panic!("{line}");
        };
        table += name;
        for at in 0..203 {
            table += &format!("\t{}", (at * 7 + i * 31) % 101);
        }
        table.push('\n');
        bed += &format!("{contig}\t{start}\t{end}\t{name}\t{}\t+\n", i * 5 % 7);
        labelled += &format!("{contig}\t{start}\t{end}\t{name}\t{}\n", i * 5 % 7);
    }
    bed += "chr2\t350\t553\tv\t3\t+\nchr10\t20\t223\tt\t4\t-\n";
    write("table.tsv", &table);
    write("x.bed", &bed);
    write("labelled.bed", &labelled);
    write("sizes.txt", "chr1\t4000\nchr2\t1000\nchr10\t300\n");
    write("alias.txt", "chr1\tone\nchr2\ttwo\n");
    write(
        "renamed.bed",
        &read("regions.bed").replace("chr1\t", "one\t"),
    );
    let rows = "A\tp\t1\trna1\tdna1\nA\tp\t2\trna2\tdna2\n";
    write(
        "sheet.tsv",
        &format!("cell_type\tpromoter\treplicate\trna\tdna\n{rows}"),
    );
    let experiment = |n: u32| {
        format!(
            "[[experiment]]\ncell_type = \"A\"\npromoter = \"p\"\nreplicate = {n}\n\
             rna = \"rna{n}\"\ndna = \"dna{n}\"\n"
        )
    };
    write("sheet.toml", &(experiment(1) + &experiment(2)));
    let measured = read("scored.vcf").replace("MPRA_MAX", "EFFECT");
    write("measured.vcf", &measured);
}

/// A text file and a job that reads it.
fn readers() -> Vec<(&'static str, String)> {
    let dataset = DATASET.replace(
        " --experiment A:p:1=rna1,dna1 --experiment A:p:2=rna2,dna2",
        "",
    );
    let enrichment = ENRICHMENT;
    vec![
        ("regions.bed", format!("{SCORE} --bed regions.bed")),
        (
            "alias.txt",
            format!("{SCORE} --bed renamed.bed --chrom-alias alias.txt"),
        ),
        (
            "sites.bed",
            format!("{SCORE} --bed regions.bed --annotation s=sites.bed"),
        ),
        ("sites.bed", enrichment.into()),
        ("x.bed", format!("{enrichment} --regions x.bed")),
        (
            "sites.bed",
            "overlap by-name --scores a.bedGraph --annotation sites.bed".into(),
        ),
        (
            "sites.bed",
            "overlap profile --scores a.bedGraph --anchors sites.bed --flank 40".into(),
        ),
        ("a.bedGraph", enrichment.into()),
        (
            "b.bedGraph",
            "overlap correlate --scores a.bedGraph --with b.bedGraph --block 50".into(),
        ),
        (
            "table.tsv",
            format!("{enrichment} --compare table.tsv --coordinates places.txt"),
        ),
        (
            "places.txt",
            format!("{enrichment} --compare table.tsv --coordinates places.txt"),
        ),
        ("places.txt", DATASET.into()),
        ("rna1", DATASET.into()),
        ("dna2", SHARPR.into()),
        ("sheet.tsv", format!("{dataset} --sheet sheet.tsv")),
        ("sheet.toml", format!("{dataset} --sheet sheet.toml")),
        (
            "places.txt",
            format!("{SHARPR} --regions places.txt --fasta-sizes sizes.txt"),
        ),
        (
            "sizes.txt",
            format!("{SHARPR} --regions places.txt --fasta-sizes sizes.txt"),
        ),
        (
            "data.tsv",
            format!("{EVALUATE} --data data.tsv --map CpG=G"),
        ),
        (
            "labelled.bed",
            format!("{EVALUATE} --data labelled.bed --fasta genome.fa --map score=G"),
        ),
        (
            "data.tsv",
            "train kmer --data data.tsv --longest 2 --alpha 1e-6 --bootstrap 0 --epochs 2".into(),
        ),
        (
            "data.tsv",
            "model motifs demo.onnx --data data.tsv --shuffles 0".into(),
        ),
        (
            "known.meme",
            "model motifs demo.onnx --data data.tsv --shuffles 0 --motifs known.meme".into(),
        ),
        (
            "measured.tsv",
            format!("{EVALUATE} --variants measured.tsv --fasta genome.fa --effect-field effect"),
        ),
        (
            "measured.vcf",
            format!("{EVALUATE} --variants measured.vcf --fasta genome.fa --effect-field EFFECT"),
        ),
        (
            "p.tsv",
            "fdr --pvalues p.tsv --covariate scored.vcf --bins 1 --bin-size 1".into(),
        ),
        (
            "scored.vcf",
            "fdr --pvalues p.tsv --covariate scored.vcf --bins 1 --bin-size 1".into(),
        ),
        (
            "a.bedGraph",
            "fdr --pvalues p.tsv --covariate a.bedGraph --bins 1 --bin-size 1".into(),
        ),
        (
            "in.vcf",
            "variants --vcf in.vcf --fasta genome.fa --model count.onnx --background none".into(),
        ),
        (
            "sites.bed",
            "variants --vcf in.vcf --fasta genome.fa --model count.onnx --background none \
             --annotation s=sites.bed --table t.tsv"
                .into(),
        ),
        (
            "regions.bed",
            "variants --vcf in.vcf --fasta genome.fa --model count.onnx --background regions.bed \
             --background-windows 2"
                .into(),
        ),
        ("x.bed", format!("{TRAIN} --bed x.bed")),
    ]
}

/// The line with an output of its own.
fn into(line: &str, name: &str) -> String {
    let ending = if line.starts_with("variants ") {
        ".vcf"
    } else {
        ""
    };
    format!("{line} --out o/{name}{ending} --force")
}

/// What is below `o`, without what holds the command line or hashes of inputs; and clears it.
fn results(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let out = folder.join("o");
    let mut found = files(&out);
    found.retain(|(name, _)| {
        let ending = name.extension().unwrap_or_default();
        ending != "parquet" && ending != "onnx" && !name.ends_with("model.json")
    });
    fs::remove_dir_all(&out).unwrap();
    found
}

#[test]
fn a_bgzip_text_cut_between_blocks_is_refused_wherever_text_is_read() {
    let dir = folder();
    let here = dir.path();
    more(here);
    fs::create_dir(here.join("o")).unwrap();
    for (name, line) in readers() {
        let line = into(&line, "x");
        fs::create_dir_all(here.join("o")).unwrap();
        let plain = fs::read(here.join(name)).unwrap();
        succeed(here, &line);
        let expected = results(here);
        fs::create_dir_all(here.join("o")).unwrap();
        fs::write(here.join(name), bgzip(&plain, false)).unwrap();
        let (code, error) = outcome(here, &line);
        let part = format!("{name} is truncated: the bgzip end-of-file block is missing");
        assert!(code == 1 && error.contains(&part), "{line}: {code} {error}");
        assert!(
            error.contains("hint: the file was cut short"),
            "{line}: {error}"
        );
        assert!(files(&here.join("o")).is_empty(), "{line}");
        fs::write(here.join(name), bgzip(&plain, true)).unwrap();
        succeed(here, &line);
        assert!(results(here) == expected, "{line}");
        fs::write(here.join(name), plain).unwrap();
    }
}

#[test]
fn every_reader_of_bed_takes_and_refuses_the_same() {
    let dir = folder();
    let here = dir.path();
    more(here);
    let positions = "variants --fasta genome.fa --model count.onnx --background none --bed x.bed";
    let lines = [
        format!("{SCORE} --bed x.bed"),
        positions.to_owned(),
        "overlap by-name --scores a.bedGraph --annotation x.bed --bootstrap 5".into(),
        "overlap profile --scores a.bedGraph --anchors x.bed --flank 40 --bootstrap 5".into(),
        format!("{ENRICHMENT} --regions x.bed"),
        format!("{ENRICHMENT} --compare table.tsv --coordinates x.bed"),
        DATASET.replace("--coords places.txt", "--coords x.bed"),
        format!("{SHARPR} --regions x.bed --fasta-sizes sizes.txt"),
        format!("{EVALUATE} --data x.bed --fasta genome.fa --map score=G"),
        format!("{TRAIN} --bed x.bed"),
        "model motifs demo.onnx --fasta genome.fa --bed x.bed --shuffles 0".into(),
    ];
    let plain = fs::read_to_string(here.join("x.bed")).unwrap();
    let utf16 = |little: bool| -> Vec<u8> {
        let units = std::iter::once(0xfeff).chain(plain.encode_utf16());
        let bytes = |u: u16| {
            if little {
                u.to_le_bytes()
            } else {
                u.to_be_bytes()
            }
        };
        units.flat_map(bytes).collect()
    };
    let bad = |row: &str| format!("{plain}{row}\n").into_bytes();
    let taken: [(&str, Vec<u8>); 6] = [
        ("a byte order mark", format!("\u{feff}{plain}").into()),
        (
            "a track line with tabs",
            format!("track\tname=a\n{plain}").into(),
        ),
        (
            "headers, comments and empty lines",
            format!("browser hide all\n\ntrack name=a b=c\n# x\n{plain}\n#\n").into(),
        ),
        ("CRLF", plain.replace('\n', "\r\n").into()),
        ("blanks instead of tabs", plain.replace('\t', "  ").into()),
        ("no last line end", plain.trim_end().into()),
    ];
    let refused: [(&str, Vec<u8>, &str); 7] = [
        ("a sign", bad("chr1\t+300\t400\tc_99\t1\t+"), "line 15"),
        ("a sign, blanks", bad("chr1 +300 400 c_99 1 +"), "line 15"),
        ("a point", bad("chr1\t300.5\t400\tc_99\t1\t+"), "line 15"),
        ("a blank", bad("chr1\t 300\t400\tc_99\t1\t+"), "line 15"),
        (
            "an end before its start",
            bad("chr1\t500\t400\tc_99\t1\t+"),
            "line 15",
        ),
        ("UTF-16", utf16(true), "UTF-16"),
        ("UTF-16, big endian", utf16(false), "UTF-16"),
    ];
    for line in lines {
        let line = into(&line, "x");
        fs::create_dir_all(here.join("o")).unwrap();
        fs::write(here.join("x.bed"), &plain).unwrap();
        succeed(here, &line);
        let expected = results(here);
        for (what, bytes) in &taken {
            fs::create_dir_all(here.join("o")).unwrap();
            fs::write(here.join("x.bed"), bytes).unwrap();
            let (code, error) = outcome(here, &line);
            assert_eq!(code, 0, "{what}: {line}: {error}");
            assert!(results(here) == expected, "{what}: {line}");
        }
        fs::create_dir_all(here.join("o")).unwrap();
        for (what, bytes, part) in &refused {
            fs::write(here.join("x.bed"), bytes).unwrap();
            let (code, error) = outcome(here, &line);
            assert!(
                code == 1 && error.contains(part) && error.contains("x.bed"),
                "{what}: {line}: {code} {error}"
            );
            if *part == "UTF-16" {
                assert!(error.contains("hint: convert it: iconv"), "{line}: {error}");
            }
            assert!(files(&here.join("o")).is_empty(), "{what}: {line}");
        }
    }
}

#[test]
fn a_bad_line_of_coordinates_is_none_of_a_count_table() {
    let dir = folder();
    let here = dir.path();
    let places = fs::read_to_string(here.join("places.txt")).unwrap();
    for (row, part) in [
        ("c_99\tchr1\tx\t900", "line 13: \"c_99\\tchr1\\tx\\t900\""),
        (
            "c_0_0_chr1_700\tchr1\t1\t9",
            "line 13: \"c_0_0_chr1_700\" has two places",
        ),
    ] {
        fs::write(here.join("places.txt"), format!("{places}{row}\n")).unwrap();
        for line in [
            DATASET,
            "sharpr --rna rna1 --dna dna1 --tile 145 --step 29 --tiles 3 --regions places.txt",
        ] {
            let (code, error) = outcome(here, &into(line, "x"));
            assert!(
                code == 1 && error.contains("places.txt") && error.contains(part),
                "{line}: {error}"
            );
            assert!(!error.contains("count"), "{error}");
        }
    }
}

/// A pipe by this name, into which the bytes go once.
fn pipe(path: &Path, bytes: Vec<u8>) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
    let path = path.to_owned();
    // It may wait for ever where nobody reads; the tests' end ends it.
    std::thread::spawn(move || fs::write(path, bytes));
}

/// Exit code and standard error, of a run that must end by itself.
fn ends(folder: &Path, line: &str) -> (i32, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mpra-score"))
        .args(words(line))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(120) {
            child.kill().unwrap();
            panic!("it waits for ever: {line}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap_or(-1), error)
}

#[test]
fn a_pipe_is_as_good_as_a_file() {
    let dir = folder();
    let here = dir.path();
    more(here);
    for (name, line) in readers() {
        fs::create_dir_all(here.join("o")).unwrap();
        let line = into(&line, "x");
        succeed(here, &line);
        let expected = results(here);
        fs::create_dir_all(here.join("o")).unwrap();
        let kept = here.join("kept");
        fs::rename(here.join(name), &kept).unwrap();
        pipe(&here.join(name), fs::read(&kept).unwrap());
        let (code, error) = ends(here, &line);
        assert_eq!(code, 0, "{line}: {error}");
        // A stream has no size and no hash. Aliases are settings.
        if name != "alias.txt"
            && let Ok(run) = fs::read_to_string(here.join("o/x/run.json"))
        {
            let run: serde_json::Value = serde_json::from_str(&run).unwrap();
            let inputs = run["inputs"].as_array().unwrap();
            let own = inputs.iter().find(|i| i["path"] == name);
            let own = own.unwrap_or_else(|| panic!("{line}: {inputs:?}"));
            assert!(own["bytes"].is_null() && own["sha256"].is_null(), "{own}");
        }
        assert!(results(here) == expected, "{line}");
        fs::rename(kept, here.join(name)).unwrap();
    }
}

#[test]
fn what_is_read_at_any_place_does_not_come_from_a_pipe() {
    let dir = folder();
    let here = dir.path();
    more(here);
    let score = "score --bed regions.bed --model count.onnx --fasta pipe";
    let data = format!("{EVALUATE} --map CpG=G --data pipe");
    let track = "overlap correlate --with b.bedGraph --scores pipe";
    let sites = "overlap by-name --scores a.bedGraph --annotation pipe";
    let big_wig = [0x26, 0xfc, 0x8f, 0x88].repeat(8);
    let big_bed = [0xeb, 0xf2, 0x89, 0x87].repeat(8);
    for (line, bytes) in [
        (score, fs::read(here.join("genome.fa")).unwrap()),
        (&data, b"PAR1 and so on PAR1".to_vec()),
        (
            "train --preset authors --data pipe",
            b"PAR1 and so on PAR1".to_vec(),
        ),
        (track, big_wig),
        (sites, big_bed),
    ] {
        let fifo = here.join("pipe");
        let _ = fs::remove_file(&fifo);
        pipe(&fifo, bytes);
        let (code, error) = ends(here, &into(line, "x"));
        assert!(
            code == 1 && error.contains("pipe") && error.contains("cannot come from a pipe"),
            "{line}: {code} {error}"
        );
        assert!(
            error.contains("hint: write it to a file first"),
            "{line}: {error}"
        );
        assert!(!here.join("o/x").exists(), "{line}");
    }
}

#[test]
fn regions_may_be_a_big_bed() {
    use mpra_score::genome::Fasta;
    use mpra_score::tracks::{BedItem, write_bigbed};

    let dir = folder();
    let here = dir.path();
    let fasta = Fasta::open(&fixture("genome.fa"), false).unwrap();
    let contigs = fasta.contigs();
    // A bigBed has its contigs in the order of their names, and rows by place.
    let text =
        "chr1\t500\t795\ta\t5\t+\tx\nchr1\t700\t995\tb\t0\t.\ty\nchr2\t350\t645\tc\t9\t-\tz\n";
    let rows = text.lines().map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        BedItem {
            contig: contigs.id(cells[0]).unwrap(),
            start: cells[1].parse().unwrap(),
            end: cells[2].parse().unwrap(),
            rest: cells[3..].join("\t"),
        }
    });
    let fields = [("more".to_owned(), "More".to_owned())];
    write_bigbed(&here.join("r.bb"), contigs, "r", &fields, rows.collect()).unwrap();
    fs::write(here.join("r.bed"), text).unwrap();
    for (bed, out) in [("r.bed", "x"), ("r.bb", "y")] {
        let line =
            format!("score --bed {bed} --model count.onnx --fasta genome.fa --format bedgraph");
        let (code, error) = ends(here, &into(&line, out));
        assert_eq!(code, 0, "{error}");
    }
    for file in ["regions.tsv", "A_count.importance.bedGraph"] {
        let of = |out: &str| fs::read(here.join("o").join(out).join(file));
        let (one, two) = (of("x"), of("y"));
        assert!(one.is_ok() || file != "regions.tsv");
        assert_eq!(one.ok(), two.ok(), "{file}");
    }
    // Cut short it is refused.
    let bytes = fs::read(here.join("r.bb")).unwrap();
    fs::write(here.join("cut.bb"), &bytes[..bytes.len() / 3]).unwrap();
    let line = "score --bed cut.bb --model count.onnx --fasta genome.fa";
    let (code, error) = ends(here, &into(line, "z"));
    assert!(code == 1 && error.contains("cut.bb"), "{code} {error}");
}
