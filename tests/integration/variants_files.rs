//! Files of variants: what is passed through, what is written and indexed, and damaged input that
//! ends with a clear error and leaves nothing behind.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support;
use crate::support::variants::{info, job, records, run, text, vcf, vcf_text};
use crate::support::{genome, letter};
use mpra_score::Cancel;
use mpra_score::job::Silent;
use mpra_score::variants::{self, Skip, VariantSource};
use noodles::{bgzf, core::Region, vcf as noodles_vcf};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mpra-score");

/// Sorted single-base changes all over the fixtures.
fn changes(step: usize) -> Vec<String> {
    let genome = genome();
    let mut lines = Vec::new();
    for (contig, length) in [("chr1", 4000usize), ("chr2", 1000), ("chr10", 300)] {
        for at in (1..=length).step_by(step) {
            let base = char::from(letter(&genome[contig], at as i64 - 1));
            let alt = if base == 'A' { 'G' } else { 'A' };
            lines.push(format!("{contig} {at} . {base} {alt}"));
        }
    }
    lines
}

fn bgzip(text: &str) -> Vec<u8> {
    let mut writer = bgzf::io::Writer::new(Vec::new());
    writer.write_all(text.as_bytes()).unwrap();
    writer.finish().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn everything_but_info_is_passed_through() {
    let dir = tempfile::tempdir().unwrap();
    let genome = genome();
    let base = char::from(letter(&genome["chr1"], 619));
    let alt = if base == 'C' { 'T' } else { 'C' };
    let head = "##fileformat=VCFv4.1\n##weird=<any,thing \"goes\">\n\
        ##INFO=<ID=MPRA_MAX,Number=1,Type=String,Description=\"of an earlier run\">\n\
        ##contig=<ID=chr1,length=4000>\n";
    let columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tone\ttwo\n";
    let tail = "\tq10;s50\tDP=3;MPRA_MAX=9;FLAG;XMPRA_MAX=1\tGT:GQ\t0/1:5\t./.:.\n";
    let body = format!(
        "chr1\t620\trs1;x\t{base}\t{alt}\t31.50{tail}chr1\t0621\t.\tN\t.\t.\tPASS\t.\tGT\t0\t1"
    );
    let input = dir.path().join("in.vcf");
    // No line end at the end, and one of Windows.
    fs::write(
        &input,
        format!("{head}{columns}{}", body.replace("./.:.\n", "./.:.\r\n")),
    )
    .unwrap();
    let job = job("demo.onnx", &input, &dir.path().join("out.vcf"));
    run(&job).unwrap();
    let written = text(&job.out);
    let lines: Vec<&str> = written.lines().collect();
    let of_input: Vec<&str> = head.lines().filter(|l| !l.contains("earlier")).collect();
    assert_eq!(lines[..3], of_input[..]);
    let added = lines.iter().position(|l| l.starts_with("#CHROM")).unwrap();
    assert_eq!(lines[added], columns.trim_end());
    assert!(
        lines[3..added]
            .iter()
            .all(|l| l.starts_with("##INFO=<ID=MPRA_") || l.starts_with("##mpra-score"))
    );
    for part in ["Version=", "Model=sha256:", "Command=test"] {
        assert!(written.contains(&format!("##mpra-score{part}")), "{part}");
    }
    let records = records(&job.out);
    let expected: Vec<&str> = body.lines().next().unwrap().split('\t').collect();
    for (i, (found, expected)) in records[0].iter().zip(expected).enumerate() {
        if i != 7 {
            assert_eq!(found, expected);
        }
    }
    let fields = &records[0][7];
    assert!(
        fields.starts_with("DP=3;FLAG;XMPRA_MAX=1;MPRA_HepG2_minP="),
        "{fields}"
    );
    assert_eq!(fields.matches(";MPRA_MAX=").count(), 1);
    assert_eq!(records[1][1], "0621");
    assert_eq!(records[1][7], "MPRA_SKIP=ref_not_acgt");

    // A scored file scored again is the same file.
    let again = support::variants::job("demo.onnx", &job.out, &dir.path().join("again.vcf"));
    run(&again).unwrap();
    assert_eq!(text(&again.out), written);
}

#[test]
fn compressed_output_is_indexed_and_found_by_region() {
    let dir = tempfile::tempdir().unwrap();
    let input = vcf(dir.path(), &changes(3));
    let job = job("demo.onnx", &input, &dir.path().join("out.vcf.gz"));
    let summary = run(&job).unwrap();
    assert!(summary.sorted);
    assert_eq!(
        names(dir.path()),
        ["in.vcf", "out.vcf.gz", "out.vcf.gz.tbi"]
    );
    assert!(
        fs::read(&job.out)
            .unwrap()
            .ends_with(&mpra_score::input::BGZF_EOF)
    );
    let mut reader = noodles_vcf::io::indexed_reader::Builder::default()
        .build_from_path(&job.out)
        .unwrap();
    let header = reader.read_header().unwrap();
    for (region, expected) in [("chr1:1000-1300", 101), ("chr2", 334), ("chr10:298-300", 1)] {
        let region: Region = region.parse().unwrap();
        let found = reader.query(&header, &region).unwrap().records().count();
        assert_eq!(found, expected, "{region}");
    }
    // noodles reads every value: nothing in the fields is malformed.
    let mut reader = noodles_vcf::io::reader::Builder::default()
        .build_from_path(&job.out)
        .unwrap();
    let header = reader.read_header().unwrap();
    let bufs: Result<Vec<_>, _> = reader.record_bufs(&header).collect();
    assert_eq!(bufs.unwrap().len() as u64, summary.records);
}

#[test]
fn bcf_is_written_indexed_and_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut lines = changes(40);
    lines.insert(21, "chr1 805 . A <DEL>,*".into());
    lines.retain(|l| !l.contains(" N "));
    let genome = genome();
    let base = char::from(letter(&genome["chr1"], 804));
    let lines: Vec<String> = lines
        .iter()
        .map(|l| l.replace("805 . A <", &format!("805 . {base} <")))
        .collect();
    let input = vcf(dir.path(), &lines);
    let bcf = job("demo.onnx", &input, &dir.path().join("out.bcf"));
    let summary = run(&bcf).unwrap();
    let index = noodles::csi::fs::read(dir.path().join("out.bcf.csi")).unwrap();
    // One for each contig of the header.
    assert_eq!(index.reference_sequences().len(), 5);
    // Read back, it scores as the text does.
    let of_text = job("demo.onnx", &input, &dir.path().join("text.vcf"));
    run(&of_text).unwrap();
    let of_bcf = job("demo.onnx", &bcf.out, &dir.path().join("again.vcf"));
    assert_eq!(run(&of_bcf).unwrap().scored, summary.scored);
    let (a, b) = (records(&of_text.out), records(&of_bcf.out));
    assert_eq!(a.len(), lines.len());
    for (a, b) in a.iter().zip(&b) {
        assert_eq!(a[..7], b[..7]);
        assert_eq!(info(a), info(b));
    }
    // Without contigs in the header, they are added from the records.
    let bare = vcf_text(&lines);
    let bare: Vec<&str> = bare
        .lines()
        .filter(|l| !l.starts_with("##contig"))
        .collect();
    fs::write(&input, bare.join("\n") + "\n").unwrap();
    run(&bcf).unwrap();
    run(&of_bcf).unwrap();
    assert_eq!(records(&of_bcf.out).len(), lines.len());
}

#[test]
fn pipes() {
    let dir = tempfile::tempdir().unwrap();
    let text = vcf_text(&changes(50));
    let run = |input: Vec<u8>, extra: &[&str]| {
        let mut child = Command::new(PROGRAM)
            .args([
                "variants",
                "--vcf",
                "-",
                "--out",
                "-",
                "--background",
                "none",
                "--fasta",
            ])
            .arg(support::fixture("genome.fa"))
            .arg("--model")
            .arg(support::fixture("models/demo.onnx"))
            .args(extra)
            .current_dir(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&input).unwrap();
        child.wait_with_output().unwrap()
    };
    let plain = run(text.clone().into_bytes(), &[]);
    assert!(plain.status.success());
    let packed = run(bgzip(&text), &["-q"]);
    assert_eq!(
        String::from_utf8(plain.stdout).unwrap().replace(" -q", ""),
        String::from_utf8(packed.stdout).unwrap().replace(" -q", "")
    );
    assert!(packed.stderr.is_empty());
    let cut = bgzip(&text);
    let cut = run(cut[..cut.len() - 28].to_vec(), &[]);
    assert_eq!(cut.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&cut.stderr).contains("truncated"));
    assert!(names(dir.path()).is_empty());
}

#[test]
fn bcf_from_a_pipe_needs_its_names_in_the_header() {
    let dir = tempfile::tempdir().unwrap();
    let text = vcf_text(&changes(100)).replacen("\t.\t.\t.\n", "\t.\tq10\tDP=3\n", 1);
    fs::write(dir.path().join("in.vcf"), &text).unwrap();
    let run = |input: &str| {
        let command = format!(
            "{} variants -q --vcf {input} --out x.bcf --background none --fasta {} --model {}",
            PROGRAM,
            support::fixture("genome.fa").display(),
            support::fixture("models/demo.onnx").display()
        );
        let command = format!("cat in.vcf | {command}");
        let output = Command::new("sh")
            .args(["-c", &command])
            .current_dir(dir.path())
            .output();
        String::from_utf8(output.unwrap().stderr).unwrap()
    };
    let error = run("-");
    assert!(
        error.contains("FILTER \"q10\" is not in the header"),
        "{error}"
    );
    assert!(
        error.contains("line 8: the record cannot be written"),
        "{error}"
    );
    assert!(error.contains("read from a file"), "{error}");
    assert_eq!(run("in.vcf"), "");
    assert_eq!(names(dir.path()), ["in.vcf", "x.bcf", "x.bcf.csi"]);
}

#[test]
fn unsorted_records_keep_their_order_and_have_no_index() {
    let dir = tempfile::tempdir().unwrap();
    let sorted = changes(25);
    let mut lines = sorted.clone();
    lines.reverse();
    let input = vcf(dir.path(), &lines);
    let out = dir.path().join("out.vcf.gz");
    // An index of an earlier output would not fit.
    fs::write(dir.path().join("out.vcf.gz.tbi"), "old").unwrap();
    let job = job("demo.onnx", &input, &out);
    assert!(!run(&job).unwrap().sorted);
    assert_eq!(names(dir.path()), ["in.vcf", "out.vcf.gz"]);
    let found = records(&out);
    let order: Vec<String> = found.iter().map(|r| format!("{} {}", r[0], r[1])).collect();
    let expected: Vec<String> = lines
        .iter()
        .map(|l| l.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(order, expected);
    // The values do not depend on the order.
    let input = vcf(dir.path(), &sorted);
    let sorted = support::variants::job("demo.onnx", &input, &dir.path().join("sorted.vcf"));
    run(&sorted).unwrap();
    for (a, b) in found.iter().rev().zip(&records(&sorted.out)) {
        let (a, b) = (info(a), info(b));
        assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
        for (key, value) in a {
            match (value.parse::<f64>(), b[&key].parse::<f64>()) {
                (Ok(a), Ok(b)) => assert!((a - b).abs() < 1e-5),
                _ => assert_eq!(value, b[&key]),
            }
        }
    }
}

/// Runs a job that must fail (`strict`); nothing but the input may be there afterwards.
fn error_of(content: &[u8], out: &str) -> (String, Option<String>) {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in.vcf");
    fs::write(&input, content).unwrap();
    let mut job = job("demo.onnx", &input, &dir.path().join(out));
    job.table = Some(dir.path().join("table.tsv"));
    job.force = false;
    job.scoring.strict = true;
    let error = run(&job).unwrap_err();
    assert_eq!(names(dir.path()), ["in.vcf"]);
    (error.to_string(), error.hint())
}

#[test]
fn one_record_without_sense_ends_a_strict_job_alone() {
    let mut lines = changes(100);
    lines[3] = "chr1 400 . A -".into();
    let sound = vcf_text(&lines);
    let (error, _) = error_of(sound.as_bytes(), "out.vcf.gz");
    assert!(error.contains("line 11: ALT has \"-\""), "{error}");
    let dir = tempfile::tempdir().unwrap();
    // A telomere makes sense.
    lines[3] = "chr1 0 . N <DEL>".into();
    let input = vcf(dir.path(), &lines);
    let mut job = job("demo.onnx", &input, &dir.path().join("out.vcf.gz"));
    job.scoring.strict = true;
    job.table = Some(dir.path().join("table.tsv"));
    let summary = run(&job).unwrap();
    assert_eq!(summary.records as usize, lines.len());
    assert!(summary.skipped.contains(&(Skip::Telomere, 1)));
    let rows = support::table(job.table.as_ref().unwrap());
    let row = rows.iter().find(|row| row["pos"] == "0").unwrap();
    assert_eq!(row["status"], "telomere");
}

#[test]
fn damaged_input_is_named_and_nothing_is_left() {
    let sound = vcf_text(&changes(30));
    let line = |n: usize| sound.lines().nth(n).unwrap().to_owned();
    let replaced = |n: usize, by: &str| {
        let mut lines: Vec<String> = sound.lines().map(str::to_owned).collect();
        lines[n] = by.into();
        (lines.join("\n") + "\n").into_bytes()
    };
    let with = |n: usize, column: usize, by: &str| {
        let mut fields: Vec<String> = line(n).split('\t').map(str::to_owned).collect();
        fields[column] = by.into();
        replaced(n, &fields.join("\t"))
    };
    let packed = bgzip(&sound);
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (Vec::new(), "line 1 of the header: the file is empty"),
        (
            b"chr1\t5\t6\n".to_vec(),
            "line 1 of the header: expected ##fileformat=VCF",
        ),
        (
            replaced(6, "#CHROM\tPOS\tID"),
            "line 7 of the header: expected the columns",
        ),
        (
            replaced(6, ""),
            "line 8 of the header: expected a header line",
        ),
        (
            sound.lines().next().unwrap().into(),
            "without a #CHROM line",
        ),
        (
            replaced(20, "chr1\t400\t.\tA"),
            "line 21: 4 columns, the header has 8",
        ),
        (
            with(20, 7, ".\tGT\t0/1"),
            "line 21: 10 columns, the header has 8",
        ),
        (with(20, 1, "-4"), "line 21: POS is \"-4\""),
        (with(20, 1, "1e3"), "line 21: POS is \"1e3\""),
        (with(20, 1, "99999999999"), "line 21: POS is"),
        (
            with(20, 1, "4002"),
            "line 21: REF reaches position 4002 of chr1, which has 4000 bases",
        ),
        (
            with(20, 3, &"A".repeat(5000)),
            "of chr1, which has 4000 bases",
        ),
        (with(20, 3, ""), "line 21: REF is \"\""),
        (with(20, 3, "A1"), "line 21: REF is \"A1\""),
        (with(20, 4, "G,,T"), "line 21: ALT has \"\""),
        (with(20, 4, "<DEL"), "line 21: ALT has \"<DEL\""),
        (with(20, 0, ""), "line 21: CHROM is empty"),
        (packed[..packed.len() - 28].to_vec(), "truncated"),
        (packed[..packed.len() / 2].to_vec(), "cannot read"),
    ];
    for (content, part) in cases {
        for out in ["out.vcf.gz", "out.bcf"] {
            let (error, _) = error_of(&content, out);
            assert!(error.contains(part), "{error:?} should say {part:?}");
        }
    }
}

#[test]
fn another_build_or_other_names_are_errors_with_a_hint() {
    // Every REF exchanged for another base.
    let lines: Vec<String> = changes(30)
        .iter()
        .map(|l| {
            let f: Vec<&str> = l.split(' ').collect();
            let other = match f[3] {
                "N" => "N",
                "A" => "C",
                _ => "A",
            };
            format!("{} {} . {other} G", f[0], f[1])
        })
        .collect();
    let (error, hint) = error_of(vcf_text(&lines).as_bytes(), "out.vcf.gz");
    assert!(
        error.contains("REF differs from the genome in all"),
        "{error}"
    );
    assert!(hint.unwrap().contains("another genome build"));

    let lines: Vec<String> = changes(30)
        .iter()
        .map(|l| l.trim_start_matches("chr").to_owned())
        .collect();
    let (error, hint) = error_of(vcf_text(&lines).as_bytes(), "out.vcf");
    assert!(
        error.contains("none of") && error.contains("\"1\""),
        "{error}"
    );
    assert!(hint.unwrap().contains("--chrom-alias ucsc-ensembl"));
}

#[test]
fn outputs_are_not_overwritten_unasked() {
    let dir = tempfile::tempdir().unwrap();
    let input = vcf(dir.path(), &changes(100));
    let mut job = job("demo.onnx", &input, &dir.path().join("out.vcf.gz"));
    job.force = false;
    run(&job).unwrap();
    let error = run(&job).unwrap_err();
    assert!(error.to_string().contains("out.vcf.gz is there already"));
    assert!(error.hint().unwrap().contains("--force"));
    job.force = true;
    run(&job).unwrap();
    job.out = dir.path().join("out.txt");
    assert!(run(&job).unwrap_err().to_string().contains(".vcf.gz"));
    job.out = dir.path().join("no/such/folder/out.vcf");
    assert!(run(&job).unwrap_err().to_string().contains("cannot write"));
    job.out = dir.path().join("same.vcf");
    job.table = Some(job.out.clone());
    assert!(run(&job).unwrap_err().to_string().contains("two outputs"));
}

/// A row that is longer than what is taken at a time gives its positions all the same, in order.
#[test]
fn a_long_interval_is_a_stream_of_positions() {
    let dir = tempfile::tempdir().unwrap();
    let (fasta, bed) = (dir.path().join("long.fa"), dir.path().join("long.bed"));
    let bases: String = (0..10_000u32)
        .map(|i| char::from(b"ACGT"[(i.wrapping_mul(2_654_435_761) >> 30) as usize]))
        .collect();
    fs::write(&fasta, format!(">big\n{bases}\n")).unwrap();
    fs::write(&bed, "big\t100\t9500\tall\nbig\t5\t7\ttwo\n").unwrap();
    let mut job = job("count.onnx", &bed, &dir.path().join("out.vcf"));
    job.source = VariantSource::Bed(bed.clone());
    job.scoring.fasta = fasta;
    let summary = run(&job).unwrap();
    assert_eq!(summary.records, 9_402);
    let found = records(&job.out);
    for (i, record) in found[..9_400].iter().enumerate() {
        assert_eq!((&*record[1], &*record[2]), (&*(i + 101).to_string(), "all"));
        assert_eq!(record[3].as_bytes()[0], bases.as_bytes()[i + 100]);
    }
    assert_eq!((&*found[9_400][1], &*found[9_401][2]), ("6", "two"));
    // What ends past the contig is refused at its beginning, however long it is.
    fs::write(&bed, "big\t0\t2147483647\n").unwrap();
    job.out = dir.path().join("none.vcf");
    let error = run(&job).unwrap_err().to_string();
    assert!(
        error.contains("line 1") && error.contains("past the contig's end at 10000"),
        "{error}"
    );
    assert!(!job.out.exists());
}

#[test]
fn positions_without_alleles() {
    let dir = tempfile::tempdir().unwrap();
    let bed: PathBuf = dir.path().join("snps.bed");
    fs::write(
        &bed,
        "# from a browser\ntrack name=x\nchr1\t619\t620\trs 1;a\n2\t441\t443\nchr1 100 101 n\n\
         chrZ\t5\t6\tz\nchr1\t300\t300\tempty\n",
    )
    .unwrap();
    let mut job = job("demo.onnx", &bed, &dir.path().join("out.vcf"));
    job.source = VariantSource::Bed(bed.clone());
    job.scoring.aliases = mpra_score::genome::Aliases::UcscEnsembl;
    let summary = run(&job).unwrap();
    let genome = genome();
    let found = records(&job.out);
    let place = |r: &[String]| format!("{} {} {}", r[0], r[1], r[2]);
    let places: Vec<String> = found.iter().map(|r| place(r)).collect();
    assert_eq!(
        places,
        [
            "chr1 620 rs_1_a",
            "chr2 442 .",
            "chr2 443 .",
            "chr1 101 n",
            "chrZ 6 z",
            "chr1 300 empty"
        ]
    );
    let base = char::from(letter(&genome["chr1"], 619)).to_string();
    assert_eq!(found[0][3], base);
    let others: Vec<&str> = ["A", "C", "G", "T"]
        .into_iter()
        .filter(|b| *b != base)
        .collect();
    assert_eq!(found[0][4], others.join(","));
    let skip = |i: usize| info(&found[i]).remove("MPRA_SKIP");
    assert_eq!((skip(0), skip(2)), (None, None));
    assert_eq!(found[3][3..5], ["N", "."]);
    assert_eq!(skip(3).unwrap(), "genome_unknown");
    assert_eq!(skip(4).unwrap(), "unknown_contig");
    assert_eq!(skip(5).unwrap(), "empty_interval");
    assert_eq!((summary.records, summary.scored), (6, 9));
    // By way of BCF they are the same.
    let text = std::mem::replace(&mut job.out, dir.path().join("out.bcf"));
    fs::write(
        &bed,
        "chr1\t619\t620\trs 1;a\n2\t441\t443\nchr1 100 101 n\n",
    )
    .unwrap();
    run(&job).unwrap();
    let back = support::variants::job("demo.onnx", &job.out, &text);
    run(&back).unwrap();
    let again = records(&text);
    assert_eq!(again[..3], found[..3]);
    assert_eq!(again[3][..7], found[3][..7]);
    fs::write(&bed, "chr1\t619\tx\n").unwrap();
    assert!(
        run(&job)
            .unwrap_err()
            .to_string()
            .contains("line 1: end is \"x\"; expected a whole number")
    );
    fs::write(&bed, "chr1\t3999\t4001\n").unwrap();
    assert!(
        run(&job)
            .unwrap_err()
            .to_string()
            .contains("past the contig's end")
    );
}

#[test]
fn an_interrupted_job_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let input = vcf(dir.path(), &changes(1));
    let mut job = job("demo.onnx", &input, &dir.path().join("out.vcf.gz"));
    job.table = Some(dir.path().join("t.tsv"));
    let cancel = Cancel::default();
    cancel.request();
    let error = variants::run(&job, &Silent, &cancel).unwrap_err();
    assert_eq!(error.to_string(), "interrupted");
    assert_eq!(names(dir.path()), ["in.vcf"]);
}
