use super::*;
use std::io::Write;

const TEXT: &str = ">one first\nACGTN\nacgtr\nAC\n>two\nGG\n";

fn write(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn bgzip(text: &[u8]) -> Vec<u8> {
    let mut writer = bgzf::io::Writer::new(Vec::new());
    // Small blocks, so that reads cross them.
    for chunk in text.chunks(7) {
        writer.write_all(chunk).unwrap();
        writer.flush().unwrap();
    }
    writer.finish().unwrap()
}

fn fetch(fasta: &Fasta, id: ContigId, start: i64, len: usize) -> Vec<u8> {
    let mut codes = Vec::new();
    fasta
        .reader()
        .unwrap()
        .fetch(id, start, len, &mut codes)
        .unwrap();
    codes
}

/// A .2bit of some contigs (UCSC's format, version 0): letters, with blocks of N.
fn two_bit(contigs: &[(&str, &str)]) -> Vec<u8> {
    let word = |n: usize| (n as u32).to_le_bytes();
    let mut index = Vec::new();
    let mut data: Vec<u8> = Vec::new();
    let head = 16 + contigs.iter().map(|(n, _)| n.len() + 5).sum::<usize>();
    for (name, text) in contigs {
        index.push(name.len() as u8);
        index.extend(name.as_bytes());
        index.extend(word(head + data.len()));
        let text = text.to_ascii_uppercase();
        let bases: Vec<u8> = text.bytes().collect();
        let mut blocks: Vec<(usize, usize)> = Vec::new();
        for (i, _) in bases.iter().enumerate().filter(|(_, b)| **b == b'N') {
            match blocks.last_mut() {
                Some((start, length)) if *start + *length == i => *length += 1,
                _ => blocks.push((i, 1)),
            }
        }
        data.extend(word(bases.len()));
        data.extend(word(blocks.len()));
        data.extend(blocks.iter().flat_map(|b| word(b.0)));
        data.extend(blocks.iter().flat_map(|b| word(b.1)));
        data.extend([word(0), word(0)].concat());
        for four in bases.chunks(4) {
            let mut byte = 0;
            for i in 0..4 {
                let code = four
                    .get(i)
                    .map_or(0, |b| b"TCAG".iter().position(|l| l == b).unwrap_or(0));
                byte = byte << 2 | code as u8;
            }
            data.push(byte);
        }
    }
    let header = [0x1a41_2743, 0, contigs.len() as u32, 0];
    [
        header.iter().flat_map(|w| w.to_le_bytes()).collect(),
        index,
        data,
    ]
    .concat()
}

#[test]
fn two_bit_files_are_genomes() {
    let dir = tempfile::tempdir().unwrap();
    let contigs = [("one", "ACGTNacgtrACGNNNNTTG"), ("two", "GG")];
    let text: String = contigs
        .iter()
        .map(|(n, s)| format!(">{n}\n{s}\n"))
        .collect();
    let plain = Fasta::open(&write(dir.path(), "a.fa", text.as_bytes()), false).unwrap();
    // A letter of several bases is an N there.
    let known = contigs.map(|(n, s)| (n, s.replace('r', "N")));
    let known: Vec<(&str, &str)> = known.iter().map(|(n, s)| (*n, &s[..])).collect();
    let bytes = two_bit(&known);
    let path = write(dir.path(), "a.2bit", &bytes);
    let packed = Fasta::open(&path, false).unwrap();
    assert!(packed.is_two_bit() && !plain.is_two_bit());
    assert_eq!(packed.contigs().table(), plain.contigs().table());
    for id in [0, 1] {
        for start in -3..23 {
            for len in [0, 1, 2, 5, 9, 30] {
                assert_eq!(
                    fetch(&packed, id, start, len),
                    fetch(&plain, id, start, len),
                    "{id} {start} {len}"
                );
            }
        }
    }
    // Cut anywhere it is refused, when it is opened or where it is read.
    for cut in 0..bytes.len() {
        let path = write(dir.path(), "cut.2bit", &bytes[..cut]);
        let read = Fasta::open(&path, false).and_then(|fasta| {
            let (mut reader, mut codes) = (fasta.reader()?, Vec::new());
            reader.fetch(0, 0, 20, &mut codes)?;
            reader.fetch(1, 0, 2, &mut codes)
        });
        assert!(read.is_err(), "{cut}");
    }
}

#[test]
fn any_interval_plain_and_bgzip() {
    let dir = tempfile::tempdir().unwrap();
    let plain = Fasta::open(&write(dir.path(), "a.fa", TEXT.as_bytes()), false).unwrap();
    let packed = Fasta::open(&write(dir.path(), "a.fa.gz", &bgzip(TEXT.as_bytes())), true).unwrap();
    assert!(dir.path().join("a.fa.gz.gzi").exists() && !dir.path().join("a.fa.fai").exists());
    let again = Fasta::open(&dir.path().join("a.fa.gz"), false).unwrap();
    assert_eq!(again.index_source(), IndexSource::File);
    let whole = [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1];
    for start in -3i64..14 {
        for len in 0..16usize {
            let expected: Vec<u8> = (start..start + len as i64)
                .map(|p| {
                    usize::try_from(p)
                        .ok()
                        .and_then(|p| whole.get(p))
                        .copied()
                        .unwrap_or(4)
                })
                .collect();
            for fasta in [&plain, &packed, &again] {
                assert_eq!(fetch(fasta, 0, start, len), expected, "{start} {len}");
            }
        }
    }
    assert_eq!(fetch(&packed, 1, 0, 2), [2, 2]);
    for fasta in [&plain, &packed] {
        let mut reader = fasta.reader().unwrap();
        fasta.check_contig(&mut reader, 0).unwrap();
        fasta.check_contig(&mut reader, 1).unwrap();
    }
}

#[test]
fn an_index_of_another_file_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "a.fa", TEXT.as_bytes());
    let check = |fai: &str, part: &str| {
        write(dir.path(), "a.fa.fai", fai.as_bytes());
        let error = Fasta::open(&path, false)
            .and_then(|fasta| {
                let mut reader = fasta.reader()?;
                for id in 0..fasta.contigs().len() as u32 {
                    fasta.check_contig(&mut reader, id)?;
                    let length = fasta.contigs().get(id).length as usize;
                    reader.fetch(id, 0, length, &mut Vec::new())?;
                }
                Ok(())
            })
            .unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    };
    check(
        "one\t12\t11\t5\t6\ntwo\t200\t30\t2\t3\n",
        "truncated or another file",
    );
    check("uno\t12\t11\t5\t6\n", "header line");
    check("one\t12\t12\t5\t6\n", "new line");
    check("one\t13\t11\t5\t6\n", "has no base where its last one");
    check("one\t7\t11\t5\t6\n", "goes on");
    check("one\t12\t11\t4\t5\n", "lines of another length");
    check("", "is empty");
    check("one\t12\n", "line 1: expected name");
}

/// Texts with the index that `samtools faidx FILE` 1.16.1 writes for each, plain and by bgzip
/// alike, and the bases that `samtools faidx FILE CONTIG` and `CONTIG:i-i` for each `i` give.
const BLANKS: [(&str, &str, &[&str]); 9] = [
    ("> chr1\nACGT\nAC\n", "chr1\t6\t7\t4\t5\n", &["ACGTAC"]),
    (
        ">  chr1 more\nACGT\nAC\n",
        "chr1\t6\t13\t4\t5\n",
        &["ACGTAC"],
    ),
    (
        "> \t chr1\tx\nACGT\nAC\n",
        "chr1\t6\t11\t4\t5\n",
        &["ACGTAC"],
    ),
    (
        ">\u{b}chr1\u{c}\nACGT\nAC\n",
        "chr1\t6\t8\t4\t5\n",
        &["ACGTAC"],
    ),
    (
        ">a\nACGT \nACGT\t\nAC\n>b\nGG\n",
        "a\t10\t3\t4\t6\nb\t2\t21\t2\t3\n",
        &["ACGTACGTAC", "GG"],
    ),
    (
        ">a\nACGT  \nACGT  \nACG   \n>b\nGG\n",
        "a\t11\t3\t4\t7\nb\t2\t27\t2\t3\n",
        &["ACGTACGTACG", "GG"],
    ),
    (
        "> a\r\nACGT \r\nAC\r\n>  b\r\nGG\r\n",
        "a\t6\t5\t4\t7\nb\t2\t22\t2\t4\n",
        &["ACGTAC", "GG"],
    ),
    (
        ">a\nACGT\n  \n>b\nGG\n",
        "a\t4\t3\t4\t5\nb\t2\t14\t2\t3\n",
        &["ACGT", "GG"],
    ),
    (
        "> a\n   \n>b\nGG\n",
        "a\t0\t4\t0\t4\nb\t2\t11\t2\t3\n",
        &["", "GG"],
    ),
];

#[test]
fn blanks_where_samtools_reads_them() {
    for (text, fai, bases) in BLANKS {
        for packed in [false, true] {
            for indexed in [true, false] {
                let dir = tempfile::tempdir().unwrap();
                let path = match packed {
                    false => write(dir.path(), "a.fa", text.as_bytes()),
                    true => write(dir.path(), "a.fa.gz", &bgzip(text.as_bytes())),
                };
                if indexed {
                    std::fs::write(added_extension(&path, "fai"), fai).unwrap();
                }
                let fasta = Fasta::open(&path, true).unwrap();
                let written = std::fs::read_to_string(added_extension(&path, "fai")).unwrap();
                // Where there is no base, noodles' record cannot say 0 bases a line.
                let expected = match indexed {
                    true => fai.to_owned(),
                    false => fai.replace("\t0\t4\t0\t", "\t0\t4\t1\t"),
                };
                assert_eq!(written, expected, "{text:?}");
                let names: Vec<&str> = (fasta.contigs().iter().map(|c| c.name.as_str())).collect();
                let theirs: Vec<&str> =
                    (fai.lines().filter_map(|l| l.split('\t').next())).collect();
                assert_eq!(names, theirs, "{text:?}");
                let mut reader = fasta.reader().unwrap();
                for (id, bases) in bases.iter().enumerate() {
                    let id = id as ContigId;
                    fasta.check_contig(&mut reader, id).unwrap();
                    let mut codes = Vec::new();
                    encode::push_codes(bases.as_bytes(), &mut codes);
                    assert_eq!(fetch(&fasta, id, 0, codes.len()), codes, "{text:?}");
                    for (at, &code) in codes.iter().enumerate() {
                        assert_eq!(fetch(&fasta, id, at as i64, 1), [code], "{text:?} {at}");
                    }
                }
            }
        }
    }
}

#[test]
fn blanks_that_displace_bases_are_refused() {
    // `samtools faidx` 1.16.1 indexes these as `a 9 3 4 6` and gives, by single bases
    // (`a:i-i`), ACGGACGGA, ACGGACCGA and AACGAACGA: not what stands there.
    for text in [
        ">a\nAC GT\nAC GT\nA\n",
        ">a\nAC GT\nA CGT\nA\n",
        ">a\n ACGT\n ACGT\n A\n",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), "a.fa", text.as_bytes());
        let error = Fasta::open(&path, false).unwrap_err().to_string();
        assert!(error.contains("line 2: a blank"), "{error}");
        write(dir.path(), "a.fa.fai", b"a\t9\t3\t4\t6\n");
        let fasta = Fasta::open(&path, false).unwrap();
        let mut reader = fasta.reader().unwrap();
        let error = reader.fetch(0, 0, 9, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("no base"), "{error}");
    }
}

#[test]
fn a_stale_index_is_noticed_behind_trailing_blanks() {
    let dir = tempfile::tempdir().unwrap();
    let text = ">a\nACGT      \nACGT      \n";
    let path = write(dir.path(), "a.fa", text.as_bytes());
    write(dir.path(), "a.fa.fai", b"a\t4\t3\t4\t11\n");
    let fasta = Fasta::open(&path, false).unwrap();
    let error = fasta.check_contig(&mut fasta.reader().unwrap(), 0);
    assert!(error.unwrap_err().to_string().contains("goes on"));
    // A line end of the wrong place, though all between the bases is blank.
    write(dir.path(), "a.fa.fai", b"a\t8\t3\t4\t10\n");
    let fasta = Fasta::open(&path, false).unwrap();
    let error = (fasta.reader().unwrap()).fetch(0, 0, 8, &mut Vec::new());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("lines of another length"), "{error}");
}

#[test]
fn damaged_indexes_of_bgzip_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "a.fa.gz", &bgzip(TEXT.as_bytes()));
    // Would have a reader take terabytes into memory.
    write(
        dir.path(),
        "a.fa.gz.fai",
        b"one\t12\t11\t1\t1000000000000\n",
    );
    let error = Fasta::open(&path, true).unwrap_err().to_string();
    assert!(error.contains("has at most 655"), "{error}");
    std::fs::remove_file(dir.path().join("a.fa.gz.fai")).unwrap();
    let gzi = dir.path().join("a.fa.gz.gzi");
    let mut bytes = std::fs::read(&gzi).unwrap();
    // The format: a count, then two offsets a block.
    bytes[8..].rotate_left(16);
    std::fs::write(&gzi, bytes).unwrap();
    let error = Fasta::open(&path, true).unwrap_err();
    assert!(error.to_string().contains("not in order"), "{error}");
    assert!(error.hint().unwrap().contains("a.fa.gz.gzi"));
}

#[test]
fn damaged_files() {
    let dir = tempfile::tempdir().unwrap();
    let open = |name: &str, bytes: &[u8]| {
        Fasta::open(&write(dir.path(), name, bytes), false)
            .unwrap_err()
            .to_string()
    };
    let packed = bgzip(TEXT.as_bytes());
    assert!(open("t.fa.gz", &packed[..packed.len() - 9]).contains("truncated"));
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(TEXT.as_bytes()).unwrap();
    assert!(open("g.fa.gz", &gz.finish().unwrap()).contains("not bgzip"));
    assert!(open("e.fa", b"").contains("no sequence"));
    assert!(open("x.fa", b"hello\n").contains("not an indexable FASTA"));
    assert!(open("d.fa", b">a\nAC\n>a\nGT\n").contains("twice"));
    assert!(matches!(
        Fasta::open(&dir.path().join("none.fa"), false),
        Err(GenomeError::Open(..))
    ));
}
