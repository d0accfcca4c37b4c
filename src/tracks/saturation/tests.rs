use std::io::Write;
use std::path::Path;

use npyz::WriterBuilder;
use zip::write::SimpleFileOptions;

use super::*;

/// An archive as the main job writes it: two rows of three bases at most, two tasks.
struct Arrays {
    effects: (&'static str, Vec<u64>),
    one_hot: Vec<u8>,
    lengths: Vec<u32>,
    tasks: Vec<&'static str>,
}

fn arrays() -> Arrays {
    Arrays {
        effects: ("<f4", vec![2, 3, 4, 2]),
        one_hot: vec![
            0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
        lengths: vec![3, 1],
        tasks: vec!["a", "bc"],
    }
}

fn npy(dtype: &str, shape: &[u64], bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let dtype: npyz::TypeStr = dtype.parse().unwrap();
    npyz::WriteOptions::new_header_only()
        .dtype(DType::Plain(dtype))
        .shape(shape)
        .writer(&mut out)
        .write_header_only()
        .unwrap();
    out.extend(bytes);
    out
}

fn write(folder: &Path, arrays: &Arrays, regions: &str) {
    let mut zip = zip::ZipWriter::new(File::create(folder.join(NAME)).unwrap());
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let (kind, shape) = &arrays.effects;
    let n: u64 = shape.iter().product();
    let effects: Vec<u8> = (0..n)
        .flat_map(|i| (i as f32 / 8.0).to_le_bytes())
        .collect();
    let width = arrays.tasks.iter().map(|t| t.len()).max().unwrap();
    let names: Vec<u8> = (arrays.tasks.iter())
        .flat_map(|t| t.bytes().chain(vec![0; width - t.len()]))
        .collect();
    let lengths: Vec<u8> = arrays
        .lengths
        .iter()
        .flat_map(|l| l.to_le_bytes())
        .collect();
    let rows = arrays.lengths.len() as u64;
    for (name, bytes) in [
        ("effects.npy", npy(kind, shape, &effects)),
        ("one_hot.npy", npy("|u1", &[rows, 3, 4], &arrays.one_hot)),
        ("lengths.npy", npy("<u4", &[rows], &lengths)),
        (
            "tasks.npy",
            npy(&format!("|S{width}"), &[arrays.tasks.len() as u64], &names),
        ),
    ] {
        zip.start_file(name, options).unwrap();
        zip.write_all(&bytes).unwrap();
    }
    zip.finish().unwrap();
    std::fs::write(folder.join("regions.tsv"), regions).unwrap();
}

const REGIONS: &str = "contig\tstart\tend\tname\tstatus\nchr1\t10\t13\tx\tok\nchr2\t5\t6\ty\tok\n";

#[test]
fn rows_come_as_they_were_written() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &arrays(), REGIONS);
    let mut found = Saturation::open(dir.path()).unwrap();
    assert_eq!(found.tasks, ["a", "bc"]);
    assert_eq!(found.lengths, [3, 1]);
    assert_eq!(
        (&found.places[1].contig[..], found.places[1].start),
        ("chr2", 5)
    );
    let first = found.next_row().unwrap().unwrap();
    assert_eq!(first.codes, [1, UNKNOWN, 3]);
    assert_eq!(first.effects.len(), 24);
    let second = found.next_row().unwrap().unwrap();
    assert_eq!((second.row, &second.codes[..]), (1, &[0][..]));
    // Rows are 24 values apart.
    let expected: Vec<f32> = (24..32).map(|i| i as f32 / 8.0).collect();
    assert_eq!(second.effects, expected);
    assert!(found.next_row().unwrap().is_none());
    // The archive by its own name is the same.
    assert!(Saturation::open(&dir.path().join(NAME)).is_ok());
}

#[test]
fn sequences_alone_have_their_names() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &arrays(), "");
    std::fs::remove_file(dir.path().join("regions.tsv")).unwrap();
    let text = "name\tlength\tstatus\ns1\t3\tok\ns2\t1\tok\n";
    std::fs::write(dir.path().join("predictions.tsv"), text).unwrap();
    let found = Saturation::open(dir.path()).unwrap();
    assert_eq!(
        (&found.places[1].contig[..], found.places[1].start),
        ("s2", 0)
    );
}

#[test]
fn what_is_foreign_or_damaged_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let refused = |words: &str| {
        let error = match Saturation::open(folder) {
            Ok(mut found) => loop {
                match found.next_row() {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("{words}"),
                    Err(e) => break e,
                }
            },
            Err(e) => e,
        };
        assert!(error.to_string().contains(words), "{error}");
        error
    };
    let hint = refused("has no saturation.npz").hint().unwrap();
    assert!(hint.contains("--saturation"), "{hint}");

    write(folder, &arrays(), REGIONS);
    let whole = std::fs::read(folder.join(NAME)).unwrap();
    for cut in [0, 10, whole.len() / 2, whole.len() - 3] {
        std::fs::write(folder.join(NAME), &whole[..cut]).unwrap();
        refused("cut short");
    }
    let changed = |change: &dyn Fn(&mut Arrays)| {
        let mut arrays = arrays();
        change(&mut arrays);
        write(folder, &arrays, REGIONS);
    };
    changed(&|a| a.effects.0 = "<f8");
    refused("effects.npy is of type <f8");
    changed(&|a| a.effects.1 = vec![2, 3, 2, 4]);
    refused("expected [rows, bases, 4, tasks]");
    changed(&|a| a.effects.1 = vec![2, 2, 4, 2]);
    refused("not of the same rows and bases");
    changed(&|a| a.lengths = vec![4, 1]);
    refused("a row of 4 bases in arrays of 3");
    changed(&|a| a.one_hot[2] = 1);
    refused("base 0 of row 0 is [0, 1, 1, 0]");
    changed(&|a| a.one_hot.truncate(20));
    refused("which is not what its shape");

    write(
        folder,
        &arrays(),
        "contig\tstart\tend\tname\nchr1\t10\t13\tx\n",
    );
    refused("1 rows; expected the 2 rows");
    write(folder, &arrays(), &REGIONS.replace("13", "14"));
    refused("10-14, but 3 bases");
    let mut zip = zip::ZipWriter::new(File::create(folder.join(NAME)).unwrap());
    zip.start_file("arr_0.npy", SimpleFileOptions::default())
        .unwrap_or(());
    zip.finish().unwrap();
    refused("effects.npy");
}
