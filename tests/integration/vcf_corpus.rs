//! Odd VCF files (`tests/corpus/vcf`) go through the program as they are: to VCF byte for byte but for
//! its own INFO fields and header lines, to BCF and back as the index says. `scripts/crosscheck.py`
//! has bcftools read what is written here.

use std::collections::HashSet;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use mpra_score::input::Input;
use mpra_score::ism::EngineChoice;
use mpra_score::variants::VariantsSummary;
use mpra_score::vcf::{NewInfo, Reader, Record};

use crate::support::table;
use crate::support::variants::{job, run};

/// The program's own fields, with the tasks of `demo.onnx`.
const OURS: [&str; 6] = [
    "MPRA_HepG2_minP",
    "MPRA_K562_minP",
    "MPRA_HepG2_SV40P",
    "MPRA_K562_SV40P",
    "MPRA_MAX",
    "MPRA_SKIP",
];

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/vcf")
}

fn score(input: &Path, out: &Path) -> VariantsSummary {
    let mut job = job("demo.onnx", input, out);
    // Which has no tables to make before it begins.
    job.scoring.engine = EngineChoice::Full;
    // Beside gaps, too.
    job.scoring.model_options.max_unknown = Some(0.5);
    run(&job).unwrap_or_else(|e| panic!("{}: {e}", input.display()))
}

/// A file's bytes, unpacked.
fn bytes(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return bytes;
    }
    let mut unpacked = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(&bytes[..]);
    reader.read_to_end(&mut unpacked).unwrap();
    unpacked
}

/// Lines, without blank ones and what is left of CR LF: of the header, and of the body.
fn lines(text: &[u8]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    text.split(|&b| b == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line).to_vec())
        .filter(|line| !line.is_empty())
        .partition(|line| line.starts_with(b"#"))
}

fn key(entry: &[u8]) -> &[u8] {
    entry.split(|&b| b == b'=').next().unwrap()
}

fn is_ours(entry: &[u8]) -> bool {
    OURS.iter().any(|name| name.as_bytes() == key(entry))
}

/// A record without the program's fields.
fn bare(line: &[u8]) -> Vec<u8> {
    let mut columns: Vec<Vec<u8>> = line.split(|&b| b == b'\t').map(<[u8]>::to_vec).collect();
    let kept: Vec<&[u8]> = columns[7]
        .split(|&b| b == b';')
        .filter(|entry| !is_ours(entry))
        .collect();
    let kept = kept.join(&b';');
    columns[7] = if kept.is_empty() { b".".to_vec() } else { kept };
    columns.join(&b'\t')
}

/// Every entry of INFO before the program's own is as it was, every other column, too.
fn same_but_for_info(before: &[u8], after: &[u8]) {
    let shown = || String::from_utf8_lossy(after).into_owned();
    let columns = |line: &'_ [u8]| -> Vec<Vec<u8>> {
        line.split(|&b| b == b'\t').map(<[u8]>::to_vec).collect()
    };
    let (mut a, mut b) = (columns(before), columns(after));
    let (old, new) = (std::mem::take(&mut a[7]), std::mem::take(&mut b[7]));
    assert_eq!(a, b, "{}", shown());
    let base: Vec<u8> = match old.split(|&b| b == b';').any(is_ours) {
        true => bare(before).split(|&b| b == b'\t').nth(7).unwrap().to_vec(),
        false => old,
    };
    let base = if base == b"." { Vec::new() } else { base };
    let added = new
        .strip_prefix(&base[..])
        .unwrap_or_else(|| panic!("{}", shown()));
    let added = added.strip_prefix(b";").unwrap_or(added);
    assert!(added.split(|&b| b == b';').all(is_ours), "{}", shown());
}

fn skips(line: &[u8]) -> String {
    let info = line.split(|&b| b == b'\t').nth(7).unwrap();
    let found = info
        .split(|&b| b == b';')
        .find_map(|entry| entry.strip_prefix(b"MPRA_SKIP="));
    String::from_utf8(found.unwrap_or_default().to_vec()).unwrap()
}

#[test]
fn odd_files_pass_through() {
    let dir = tempfile::tempdir().unwrap();
    let listed = table(&corpus().join("index.tsv"));
    let mut names: HashSet<String> = fs::read_dir(corpus())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.remove("index.tsv");
    for row in &listed {
        let name = &row["file"];
        let input = corpus().join(format!("{name}.vcf"));
        assert!(names.remove(&format!("{name}.vcf")), "{name}");
        let at = |ending: &str| dir.path().join(format!("{name}{ending}"));
        let (head, body) = lines(&bytes(&input));
        let summary = score(&input, &at(".vcf"));
        assert_eq!(summary.records.to_string(), row["records"], "{name}");
        let text = bytes(&at(".vcf"));
        let (new_head, new_body) = lines(&text);

        let defined = |line: &Vec<u8>| {
            OURS.iter()
                .any(|id| line.starts_with(format!("##INFO=<ID={id},").as_bytes()))
        };
        let old: Vec<&Vec<u8>> = head.iter().filter(|l| !defined(l)).collect();
        let (old, columns) = old.split_at(old.len() - 1);
        let kept: Vec<&Vec<u8>> = new_head.iter().take(old.len()).collect();
        assert_eq!(kept, old, "{name}");
        assert_eq!(new_head.last(), columns.last().copied(), "{name}");
        assert_eq!(body.len(), new_body.len(), "{name}");
        for (before, after) in body.iter().zip(&new_body) {
            same_but_for_info(before, after);
        }
        if row["skips"] != "." {
            let found: Vec<String> = new_body.iter().map(|l| skips(l)).collect();
            assert_eq!(found.join("|"), row["skips"], "{name}");
        }

        // However it is packed.
        let plain = bytes(&input);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(&plain).unwrap();
        let mut bgzip = noodles::bgzf::io::Writer::new(Vec::new());
        bgzip.write_all(&plain).unwrap();
        for packed in [gzip.finish().unwrap(), bgzip.finish().unwrap()] {
            fs::write(at(".packed"), packed).unwrap();
            score(&at(".packed"), &at(".packed.vcf.gz"));
            assert!(bytes(&at(".packed.vcf.gz")) == text, "{name}");
        }

        // To BCF, from there to VCF, and to BCF again.
        let summary = score(&input, &at(".bcf"));
        let changed = row["bcf"].strip_prefix("changed ").unwrap_or("0");
        assert_eq!(summary.changed.to_string(), changed, "{name}");
        score(&at(".bcf"), &at(".back.vcf"));
        let back = lines(&bytes(&at(".back.vcf"))).1;
        let back: Vec<Vec<u8>> = back.iter().map(|l| bare(l)).collect();
        let expected = corpus().join(format!("{name}.from_bcf"));
        if row["bcf"] != "same" && std::env::var_os("UPDATE").is_some() {
            let text: Vec<u8> = back.iter().flat_map(|l| [l, &b"\n"[..]].concat()).collect();
            fs::write(&expected, text).unwrap();
            names.insert(format!("{name}.from_bcf"));
        }
        let expected = match row["bcf"] == "same" {
            true => body.iter().map(|l| bare(l)).collect(),
            false => {
                assert!(names.remove(&format!("{name}.from_bcf")), "{name}");
                lines(&bytes(&expected)).1
            }
        };
        let lossy = |all: &[Vec<u8>]| -> Vec<String> {
            let lines = all.iter().map(|l| String::from_utf8_lossy(l).into_owned());
            lines.collect()
        };
        assert_eq!(lossy(&back), lossy(&expected), "{name}");
        assert!(back == expected, "{name}");
        score(&at(".bcf"), &at(".again.bcf"));
        assert!(bytes(&at(".again.bcf")) == bytes(&at(".bcf")), "{name}");
    }
    assert!(names.is_empty(), "not in the index: {names:?}");
}

/// Reads a whole BCF, every value, and adds a field to every record.
fn read_all(bcf: Vec<u8>) -> Result<(), String> {
    let open = || Input::from_reader("x.bcf".as_ref(), Box::new(Cursor::new(bcf.clone()))).unwrap();
    let mut as_lines = Reader::new(open()).map_err(|e| e.to_string())?;
    let mut raw = Reader::new(open()).map_err(|e| e.to_string())?;
    let (mut bytes, mut out) = (Vec::new(), Vec::new());
    let mut new = NewInfo::default();
    new.text(1, b"x");
    loop {
        bytes.clear();
        out.clear();
        if raw
            .next_raw(&mut bytes)
            .map_err(|e| e.to_string())?
            .is_none()
        {
            return Ok(());
        }
        if let Ok(record) = Record::new(&bytes)
            && record.with_info(&[2], &new, &mut out).is_ok()
        {
            Record::new(&out).unwrap();
        }
        as_lines.next_line().map_err(|e| e.to_string())?;
    }
}

#[test]
fn damaged_bcf_is_an_error_and_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["format", "info_missing", "columns"] {
        let path = dir.path().join("x.bcf");
        score(&corpus().join(format!("{name}.vcf")), &path);
        let whole = bytes(&path);
        read_all(whole.clone()).unwrap();
        let head = 9 + u32::from_le_bytes(whole[5..9].try_into().unwrap()) as usize;
        // Each byte of the first records, set to what turns lengths and types over.
        for at in head..whole.len().min(head + 700) {
            for value in [0, 0x7f, 0x80, 0xff, whole[at] ^ 1] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                let _ = read_all(damaged);
            }
            assert!(
                read_all(whole[..at].to_vec()).is_err() || at == head || starts(&whole, head, at)
            );
        }
    }
}

/// Whether a record begins at a place.
fn starts(whole: &[u8], head: usize, at: usize) -> bool {
    let mut from = head;
    while from < at {
        let length = |i: usize| u32::from_le_bytes(whole[i..i + 4].try_into().unwrap()) as usize;
        from += 8 + length(from) + length(from + 4);
    }
    from == at
}

#[test]
fn lengths_that_no_file_has_are_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.bcf");
    score(&corpus().join("info_text.vcf"), &path);
    let whole = bytes(&path);
    let head = 9 + u32::from_le_bytes(whole[5..9].try_into().unwrap()) as usize;
    for at in [head, head + 4] {
        let mut damaged = whole.clone();
        damaged[at..at + 4].copy_from_slice(&[0xff; 4]);
        let error = read_all(damaged).unwrap_err();
        assert!(error.contains("x.bcf, record 1: it says it has"), "{error}");
    }
    let mut damaged = whole.clone();
    damaged[4] = 3;
    assert!(read_all(damaged).unwrap_err().contains("expected BCF 2.2"));
}

#[test]
fn an_id_that_is_not_utf8_passes_through() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let input = fs::read(corpus().join("info_text.vcf")).unwrap();
    let text = String::from_utf8(input)
        .unwrap()
        .replacen("\t.\t", "\tID\t", 1);
    fs::write(path("in.vcf"), &text).unwrap();
    score(&path("in.vcf"), &path("x.bcf"));
    let mut bytes = bytes(&path("x.bcf"));
    let at = bytes
        .windows(3)
        .position(|w| w == [0x27, b'I', b'D'])
        .unwrap();
    bytes[at + 1] = 0xe9;
    fs::write(path("x.bcf"), bytes).unwrap();
    score(&path("x.bcf"), &path("out.vcf"));
    let out = fs::read(path("out.vcf")).unwrap();
    assert!(out.windows(4).any(|w| w == [b'\t', 0xe9, b'D', b'\t']));
}
