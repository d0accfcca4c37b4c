use super::run;
use std::fs;

use super::super::*;
use super::{Made, SHARES, floats, item, read, texts};

/// Tiles with too little DNA: tile 0 of region 0 in replicate 1, all of region 1 in both.
fn thin(made: &Made) {
    for (name, tiles) in [
        ("dna1", vec!["H_0_0_0_", "H_1_0_"]),
        ("dna2", vec!["H_1_0_"]),
    ] {
        made.rewrite(name, |text| {
            text.lines()
                .map(|line| {
                    if tiles.iter().any(|t| line.starts_with(t)) {
                        let (rest, _) = line.rsplit_once('\t').unwrap();
                        format!("{rest}\t19,3,0\n")
                    } else {
                        format!("{line}\n")
                    }
                })
                .collect()
        });
    }
}

#[test]
fn tiles_without_values_are_filtered_and_listed_or_kept() {
    let made = Made::new(4, 12);
    thin(&made);
    let config = made.config("filter");
    assert_eq!(run(&config).unwrap().kept, 32);
    let listed = fs::read_to_string(config.out.join("filtered.tsv")).unwrap();
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 5);
    assert!(
        lines[1].ends_with("\tno_value\tHepG2_minP,K562_minP"),
        "{}",
        lines[1]
    );
    assert_eq!(item(&config.out, "tiles_filtered", "", "no_value"), 4.0);
    assert_eq!(
        item(&config.out, "tiles_without_value", "K562_minP", "1"),
        4.0
    );

    let mut any = made.config("any");
    any.replicates = ReplicateRule::Any;
    assert_eq!(run(&any).unwrap().kept, 33);
    let batch = read(&any.out.join("examples.parquet"));
    let column = |name: &str| floats(&batch, name)[0];
    assert!(column("HepG2_minP.rep1").is_nan());
    assert_eq!(column("HepG2_minP.activity"), column("HepG2_minP.rep2"));

    // One task alone lacks a value: filtered, or kept with a null and not part of mean and scale.
    let mut uneven = made.config("uneven");
    uneven.experiments.truncate(3);
    let mut kept = uneven.clone();
    assert_eq!(run(&uneven).unwrap().kept, 32);
    kept.experiments[2].replicate = "2".into();
    kept.experiments[2].dna = made.path("dna2");
    kept.out = made.path("kept");
    kept.missing = MissingValues::Keep;
    assert_eq!(run(&kept).unwrap().kept, 33);
    let batch = read(&kept.out.join("examples.parquet"));
    assert!(floats(&batch, "HepG2_minP")[0].is_nan());
    assert!(!floats(&batch, "K562_minP")[0].is_nan());
    // No task has two values there: no distance, full weight.
    assert_eq!(floats(&batch, "weight")[0], 1.0);
    assert_eq!(
        item(&kept.out, "examples_with_value", "HepG2_minP", ""),
        32.0
    );
}

#[test]
fn tiles_without_sequence_have_a_reason() {
    let made = Made::new(5, 12);
    let mut config = made.config("out");
    config.fasta = Some(made.path("g.fa"));
    let mut coords = String::new();
    for (i, (chrom, centre)) in made.regions.iter().enumerate() {
        let (chrom, start) = match i {
            0 => ("chrUn", centre - 10),
            1 => ("chr8", 585),
            _ => (chrom.as_str(), centre - 10),
        };
        coords.push_str(&format!(
            "{chrom}\t{start}\t{}\tH_{i}_0_{}_{centre}\n",
            start + 20,
            made.regions[i].0
        ));
    }
    fs::write(made.path("c.bed"), coords).unwrap();
    config.coordinates = CoordinateSource::File(made.path("c.bed"));
    config.split = SplitRule::RandomTiles(SHARES);
    run(&config).unwrap();
    assert_eq!(
        item(&config.out, "tiles_filtered", "", "unknown_contig"),
        3.0
    );
    // Tiles of region 1 end at 597, 601 and 605; the contig has 600 bases.
    assert_eq!(
        item(&config.out, "tiles_filtered", "", "past_contig_end"),
        2.0
    );
    assert!(item(&config.out, "tiles_unlike_fasta", "", "") >= 1.0);

    // Unknown bases: more than half of a tile is too much, half is not.
    for name in ["a1", "a2", "b1", "b2", "dna1", "dna2"] {
        made.rewrite(name, |text| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            for (line, n) in [(1, 7), (2, 6)] {
                let mut fields: Vec<&str> = lines[line].split('\t').collect();
                let sequence = format!("{}{}", "N".repeat(n), &fields[1][n..]);
                fields[1] = &sequence;
                lines[line] = fields.join("\t");
            }
            lines.join("\n") + "\n"
        });
    }
    let config = made.config("unknown");
    run(&config).unwrap();
    assert_eq!(
        item(&config.out, "tiles_filtered", "", "unknown_bases"),
        1.0
    );
    assert_eq!(item(&config.out, "tiles_with_unknown_bases", "", ""), 2.0);
}

#[test]
fn errors_say_what_is_wrong() {
    let made = Made::new(6, 6);
    let check = |change: &dyn Fn(&mut Config), part: &str| {
        let mut config = made.config("errors");
        change(&mut config);
        let error = run(&config).unwrap_err().to_string();
        assert!(error.contains(part), "{part:?}: {error}");
        assert!(!config.out.exists(), "{part:?}");
    };
    check(
        &|c| c.tasks = Some(vec!["H9_minP".into()]),
        "unknown experiment \"H9_minP\"; the tables have HepG2_minP, K562_minP",
    );
    check(
        &|c| c.experiments[0].rna = "/nowhere".into(),
        "cannot open /nowhere",
    );
    check(
        &|c| c.experiments[1].replicate = "1".into(),
        "replicate 1 of HepG2_minP has it in two tables",
    );
    check(&|c| c.min_dna = 100_000, "no tile is left of 18");
    check(&|c| c.tile_index = 9, "it has 6 field(s)");
    check(&|c| c.geometry.tiles = 2, "tile position 2");
    check(&|c| c.geometry.tile = 0, "--tile and --step");
    check(
        &|c| c.geometry.tile = 13,
        "its sequence has 12 bases; --tile is 13",
    );
    check(&|c| c.experiments.clear(), "give either --experiment");
    check(
        &|c| {
            c.split = SplitRule::Region(Shares {
                test: 0.9,
                ..SHARES
            })
        },
        "leave something to train on",
    );
    check(
        &|c| {
            c.split = SplitRule::Region(Shares {
                test: f64::NAN,
                ..SHARES
            })
        },
        "leave something to train on",
    );
    check(
        &|c| {
            c.split = SplitRule::Chromosome {
                validation: vec!["chr8".into()],
                test: vec!["chr8".into()],
                required: Vec::new(),
            }
        },
        "chr8 is to be both",
    );
    fs::write(made.path("c.txt"), "H_0_0_chr1_9\tchr1\t0\t20\n").unwrap();
    check(
        &|c| c.coordinates = CoordinateSource::File(made.path("c.txt")),
        "neither it nor its region is in the coordinates",
    );
    check(
        &|c| {
            c.coordinates = CoordinateSource::None;
            c.fasta = Some(made.path("g.fa"));
        },
        "need coordinates",
    );

    // Names without coordinates: region splits are refused, random-tiles and `none` are not.
    let plain = |text: &str| {
        text.lines()
            .map(|line| match line.split_once('\t') {
                Some((id, rest)) if id != "ID" => {
                    let fields: Vec<&str> = id.split('_').collect();
                    format!("{}\t{rest}\n", fields[..4].join("_"))
                }
                _ => format!("{line}\n"),
            })
            .collect::<String>()
    };
    for name in ["a1", "a2", "b1", "b2", "dna1", "dna2"] {
        made.rewrite(name, plain);
    }
    check(&|_| {}, "whether regions overlap cannot be known");
    check(
        &|c| c.coordinates = CoordinateSource::RegionName,
        "does not end with chromosome and centre",
    );
    let mut config = made.config("none");
    config.coordinates = CoordinateSource::None;
    run(&config).unwrap();
    assert_eq!(
        texts(&read(&config.out.join("examples.parquet")), "chrom")[0],
        "NULL"
    );
    let mut config = made.config("random-tiles");
    config.split = SplitRule::RandomTiles(SHARES);
    run(&config).unwrap();

    // SHARPR's form has no sequences.
    for name in ["a1", "a2", "b1", "b2", "dna1", "dna2"] {
        made.rewrite(name, |text| {
            let row = |line: &str| {
                let fields: Vec<&str> = line.split('\t').collect();
                format!("{}\t{}\n", fields[0], fields[3].replace(',', "\t"))
            };
            let rows: String = text.lines().skip(1).map(row).collect();
            format!("x\ty\tz\n{rows}")
        });
    }
    check(
        &|c| c.coordinates = CoordinateSource::None,
        "carry no sequences",
    );
    made.rewrite("a2", |text| text.replacen("H_2_0_1\t", "X_2_0_1\t", 1));
    check(
        &|c| c.coordinates = CoordinateSource::None,
        "differ at tile row 8 (header not counted): \"X_2_0_1\" and \"H_2_0_1\"",
    );
}
