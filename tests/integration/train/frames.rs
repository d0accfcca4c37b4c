//! Data with frames of their own: a window stands in each sequence where its tile stood in its region,
//! and the check at export feeds ONNX Runtime just so.

use std::process::Command;

use super::*;

/// Columns of a region: 5 tiles of `WINDOW` bases, 4 apart.
const REGION: usize = WINDOW + 16;

/// `mpra-score dataset --frame region` on 60 random regions; the share of RNA counts `TGAC`.
fn dataset(folder: &Path) -> PathBuf {
    let mut random = Random::at(21, &[]);
    let (mut rna, mut dna) = (String::new(), String::new());
    for table in [&mut rna, &mut dna] {
        table.push_str("ID\tSequence\tTags\tCounts\n");
    }
    for region in 0..60 {
        let mut letters: Vec<u8> = (0..REGION).map(|_| b"ACGT"[random.index(4)]).collect();
        let at = random.index(REGION - 3);
        letters[at..at + 4].copy_from_slice(b"TGAC");
        for tile in 0..5 {
            let text = std::str::from_utf8(&letters[4 * tile..4 * tile + WINDOW]).unwrap();
            let id = format!("c_{region}_0_{tile}_chr{}_1000", 1 + region % 9);
            let count = 40.0 * 2f64.powf(label(text) + 0.1 * random.normal());
            rna.push_str(&format!("{id}\t{text}\tAA\t{}\n", count.round()));
            dna.push_str(&format!("{id}\t{text}\tAA\t100\n"));
        }
    }
    fs::write(folder.join("rna"), rna).unwrap();
    fs::write(folder.join("dna"), dna).unwrap();
    let line = format!(
        "dataset --experiment A:p:1=rna,dna --tile {WINDOW} --step 4 --tiles 5 --frame region --out data"
    );
    let output = Command::new(env!("CARGO_BIN_EXE_mpra-score"))
        .args(line.split(' '))
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    folder.join("data/examples.parquet")
}

#[test]
fn the_export_is_checked_on_frames_of_the_data() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    let made = dataset(here);
    // And frames whose columns beside the window are known bases, too.
    let flanked = here.join("flanked.parquet");
    let mut rows = motifs(300);
    let mut random = Random::at(8, &[]);
    for sequence in &mut rows.sequences {
        let mut flank = |n: usize| -> String {
            (0..n)
                .map(|_| char::from(b"ACGT"[random.index(4)]))
                .collect()
        };
        *sequence = flank(5) + sequence + &flank(REGION - WINDOW - 5);
    }
    write(&flanked, &rows);
    for (name, data) in [("made", made), ("flanked", flanked)] {
        // The window's own place, 8, is that of one tile in five (and of no flanked one).
        let mut config = config(&data, here.join(name), "conv 1x1, dense");
        let layers: Layers = "conv 12x4, relu, dense 6, relu, dense".parse().unwrap();
        config.arch = Architecture::new(WINDOW, REGION, 8, layers.0).unwrap();
        config.fit.batch = 16;
        let summary = go(&config).unwrap();
        let json = fs::read_to_string(config.out.join("model.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["export"]["inputs"], "columns");
        assert!(json["export"]["windows"].as_u64().unwrap() > 0);
        // Rounding differs between the engines: no difference at all would be no comparison.
        let largest = json["export"]["largest_difference"].as_f64().unwrap();
        assert!(largest > 0.0 && largest < 1e-4, "{name}: {largest}");
        // Figures of the test side come from the inputs that the network was judged on.
        let task = &summary.test[0];
        let spearman = json["test"][&task.0]["spearman"].as_f64().unwrap();
        assert!(
            (spearman - task.1).abs() < 0.3,
            "{name}: {spearman} {}",
            task.1
        );
    }
}
