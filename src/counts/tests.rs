use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::*;

fn file(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    path
}

fn read(text: &str) -> Result<CountTable, CountsError> {
    let dir = tempfile::tempdir().unwrap();
    read_counts(&file(dir.path(), "counts.txt", text), Sequences::Keep)
}

const GEO: &str = "ID\tSequence\tTags\tCounts\n\
                   r_0_0\tACGT\tAA,CC,GG\t5,0,30\nr_0_1\tCGTT\tAC,CA,GT\t100,20,7\n";
const SHARPR: &str = "b1\tb2\tb3\nr_0_0\t5\t0\t30\nr_0_1\t100\t20\t7\n";

#[test]
fn both_forms_hold_the_same_counts() {
    let geo = read(GEO).unwrap();
    assert_eq!(geo.form, Form::Geo);
    assert_eq!(geo.ids.iter().collect::<Vec<_>>(), ["r_0_0", "r_0_1"]);
    assert_eq!((geo.barcodes, geo.rows()), (3, 2));
    assert_eq!(geo.counts, [5, 0, 30, 100, 20, 7]);
    assert_eq!(geo.sequences.as_ref().unwrap().get(1), "CGTT");
    // 162 counts and 6 times 1.
    assert_eq!(geo.total(1), 168);
    for text in [
        SHARPR.to_owned(),
        format!("id\t{SHARPR}"),
        format!(
            "\u{feff}{}\r\n\r\n",
            SHARPR.trim_end().replace('\n', "\r\n")
        ),
    ] {
        let sharpr = read(&text).unwrap();
        assert_eq!(sharpr.form, Form::Sharpr);
        assert_eq!(sharpr.ids, geo.ids);
        assert_eq!((&sharpr.counts, sharpr.barcodes), (&geo.counts, 3));
        check_pair(&geo, &sharpr).unwrap();
    }
}

#[test]
fn gzip_is_seen_by_content_and_truncation_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    // Two members, as `cat a.gz b.gz` makes them.
    let mut packed = Vec::new();
    for part in [&GEO[..60], &GEO[60..]] {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(part.as_bytes()).unwrap();
        packed.extend(gz.finish().unwrap());
    }
    let path = dir.path().join("counts");
    fs::write(&path, &packed).unwrap();
    let table = read_counts(&path, Sequences::Pass).unwrap();
    assert_eq!(table.counts, [5, 0, 30, 100, 20, 7]);
    assert!(table.sequences.is_none());
    fs::write(&path, &packed[..packed.len() - 12]).unwrap();
    let error = read_counts(&path, Sequences::Pass).unwrap_err();
    assert!(
        matches!(error, CountsError::Input(InputError::Read(..))),
        "{error}"
    );
}

#[test]
fn bad_tables_name_the_line_and_what_was_found() {
    for (text, expected) in [
        ("", "holds no row"),
        ("\n\n", "holds no row"),
        ("ID\tSequence\tTags\tCounts\n", "holds no row"),
        ("b1\nr_0_0\t-3\n", "line 2: count \"-3\""),
        ("b1\nr_0_0\t1.5\n", "line 2: count \"1.5\""),
        ("b1\nr_0_0\t1e3\n", "line 2: count \"1e3\""),
        ("b1\nr_0_0\tNA\n", "line 2: count \"NA\""),
        ("b1\nr_0_0\t\n", "line 2: count \"\""),
        ("b1\nr_0_0\t+4\n", "line 2: count \"+4\""),
        ("b1\nr_0_0\t4294967296\n", "line 2: count \"4294967296\""),
        (
            "b1\tb2\nr_0_0\t1\t2\nr_0_1\t3\n",
            "line 3: tile \"r_0_1\" has 1 barcode(s)",
        ),
        (
            "b1\tb2\tb3\tb4\nr_0_0\t1\t2\n",
            "line 2: 2 count(s) under a header of 4",
        ),
        ("b1\n\t1\n", "line 2: no tile id"),
        (
            "r_0_0\t1\t2\nr_0_1\t3\t4\n",
            "line 2: the first line is a row of counts",
        ),
        (
            "ID\tSequence\tTags\tCounts\na_0\tAC\tG\n",
            "line 2: 3 column(s)",
        ),
        (
            "ID\tSequence\tTags\tCounts\na_0\tAC\tG\t1\t2\n",
            "line 2: 5 column(s)",
        ),
        (
            "ID\tSequence\tTags\tCounts\na_0\tAC\tG,T\t1\n",
            "line 2: tile \"a_0\" has 2 tag(s) and 1 count(s)",
        ),
        (
            "ID\tSequence\tTags\tCounts\na_0\tAC\tG,T\t1,2\na_1\tAC\tG\t1\n",
            "line 3: tile \"a_1\" has 1 barcode(s)",
        ),
        (
            "ID\tSequence\tTags\tCounts\na_0\tAC\tG,T\t1,-2\n",
            "line 2: count \"-2\"",
        ),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.to_string().contains(expected), "{text:?}: {error}");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("latin1");
    fs::write(&path, b"b1\nr\xe9_0\t1\n").unwrap();
    let error = read_counts(&path, Sequences::Pass).unwrap_err().to_string();
    assert!(
        error.contains("line 2: bytes that are not UTF-8"),
        "{error}"
    );
    let error = read_counts(&dir.path().join("none"), Sequences::Pass).unwrap_err();
    assert!(
        matches!(error, CountsError::Input(InputError::Open(..))),
        "{error}"
    );
}

#[test]
fn pairs_that_do_not_match_name_the_first_mismatch() {
    let rna = read("b\na_0\t1\na_1\t2\na_2\t3\n").unwrap();
    for (dna, expected) in [
        // Another id, another order, shorter, longer.
        (
            "b\na_0\t1\nx_1\t2\na_2\t3\n",
            "at tile row 2 (header not counted): \"a_1\" and \"x_1\"",
        ),
        (
            "b\na_0\t1\na_2\t2\na_1\t3\n",
            "row 2 (header not counted): \"a_1\" and \"a_2\"",
        ),
        (
            "b\na_0\t1\na_1\t2\n",
            "row 3 (header not counted): \"a_2\" and \"(end of table after 2",
        ),
        (
            "b\na_0\t1\na_1\t2\na_2\t3\na_3\t4\n",
            "\"(end of table after 3 tiles)\" and \"a_3\"",
        ),
        (
            "b\tc\na_0\t1\t1\na_1\t2\t1\na_2\t3\t1\n",
            "1 barcode(s) a tile",
        ),
    ] {
        let error = normalize(&rna, &read(dna).unwrap(), 0).unwrap_err();
        assert!(error.to_string().contains(expected), "{dna:?}: {error}");
    }
    let other_tags = GEO.replace("AC,CA,GT", "CA,AC,GT");
    let error = check_pair(&read(GEO).unwrap(), &read(&other_tags).unwrap()).unwrap_err();
    assert!(error.to_string().contains("tile \"r_0_1\""), "{error}");
    let twice = read("b\na_0\t1\na_1\t2\na_0\t3\n").unwrap();
    let error = check_unique(&twice).unwrap_err().to_string();
    assert!(
        error.contains("\"a_0\" stands twice, at tile rows 1 and 3"),
        "{error}"
    );
    check_unique(&rna).unwrap();
}

#[test]
fn values_are_medians_of_normalised_log_ratios() {
    // Sums with 1 added to each of 12 counts: RNA 3+0+7+1 + 9+9+9+9 + 5+5+5+5 + 12 = 79;
    // DNA 20+19+20+40 + 20+21+22+23 + 1+2+3+4 + 12 = 207.
    let rna = read("a\tb\tc\td\nx_0\t3\t0\t7\t1\nx_1\t9\t9\t9\t9\nx_2\t5\t5\t5\t5\n").unwrap();
    let dna =
        read("a\tb\tc\td\nx_0\t20\t19\t20\t40\nx_1\t20\t21\t22\t23\nx_2\t1\t2\t3\t4\n").unwrap();
    let ratio = |r: f64, d: f64| ((r + 1.0) / 79.0).log2() - ((d + 1.0) / 207.0).log2();
    let found = normalize(&rna, &dna, 20).unwrap();
    assert_eq!(found.barcodes, [3, 4, 0]);
    // Three pass: ratios of 3/20, 7/20 and 1/40; the middle one is 3/20.
    assert!((found.values[0] - ratio(3.0, 20.0)).abs() < 1e-12);
    // Four pass: the mean of the middle two.
    let even = (ratio(9.0, 21.0) + ratio(9.0, 22.0)) / 2.0;
    assert!((found.values[1] - even).abs() < 1e-12);
    assert!(found.values[2].is_nan());
    assert_eq!(normalize(&rna, &dna, 0).unwrap().barcodes, [4, 4, 4]);
    assert_eq!(normalize(&rna, &dna, u32::MAX).unwrap().barcodes, [0, 0, 0]);
}

fn lay(ids: &[&str], index: usize, tiles: usize) -> Result<TileLayout, CountsError> {
    let names: Names = ids.iter().copied().collect();
    lay_out(Path::new("t"), &names, index, tiles)
}

#[test]
fn tile_names_give_region_and_position() {
    let layout = lay(
        &[
            "H1_1_0_0_chr20_7",
            "H1_1_0_2_chr20_7",
            "K_1_0_1_chr1_9",
            "H1_1_0_1_chr20_7",
        ],
        3,
        3,
    )
    .unwrap();
    let regions: Vec<&str> = layout.regions.iter().collect();
    assert_eq!(regions, ["H1_1_0_chr20_7", "K_1_0_chr1_9"]);
    assert_eq!(layout.region, [0, 0, 1, 0]);
    assert_eq!(layout.tile, [0, 2, 1, 1]);
    assert_eq!(lay(&["5_high"], 0, 9).unwrap().regions.get(0), "high");
    assert_eq!(lay(&["high_8"], 1, 9).unwrap().tile, [8]);
}

#[test]
fn bad_tile_names() {
    for (ids, expected) in [
        (vec!["a_0_1"], "it has 3 field(s) between underscores"),
        (vec!["a_0_1_x"], "field 3 is \"x\""),
        (vec!["a_0_1_-1"], "field 3 is \"-1\""),
        (vec!["a_0_1_"], "field 3 is \"\""),
        (vec!["a_0_1_+1"], "field 3 is \"+1\""),
        (vec!["a_0_1_9"], "tile position 9"),
        (vec!["a_0_1_99999999999"], "field 3 is \"99999999999\""),
        // Not the same text, but the same place.
        (
            vec!["a_0_1_2", "a_0_1_02"],
            "stands twice, at tile rows 1 and 2",
        ),
    ] {
        let error = lay(&ids, 3, 9).unwrap_err().to_string();
        assert!(error.contains(expected), "{ids:?}: {error}");
    }
    let error = lay(&["7"], 0, 9).unwrap_err().to_string();
    assert!(error.contains("nothing is left of it"), "{error}");
}
