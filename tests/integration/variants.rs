//! Values of variants: against plain forward passes on haplotypes written out by the test, against
//! the main job's saturation table, and against each other.

use std::path::Path;

use crate::support;
use crate::support::variants::{Plain, close, info, job, numbers, records, run, text, vcf};
use crate::support::{bed, config, genome, letter, table};
use mpra_score::encode::reverse_complement;
use mpra_score::genome::Aliases;
use mpra_score::intervals::Named;
use mpra_score::ism::{EngineChoice, Strand};
use mpra_score::variants::{
    BackgroundSource, Combine, RankBy, Skip, VariantSource, VariantsConfig, Windows, enrich,
};

/// Single-base changes over the fixtures, some next to unknown bases and contig ends.
fn single_changes() -> Vec<String> {
    let genome = genome();
    let places = [
        (
            "chr1",
            vec![
                205, 260, 620, 623, 640, 702, 1080, 1210, 1541, 1795, 1999, 2563, 3990, 4000,
            ],
        ),
        ("chr2", vec![1, 2, 30, 72, 73, 74, 442, 500, 930, 1000]),
        ("chr10", vec![150]),
        ("tiny", vec![1, 45, 90]),
    ];
    let mut lines = Vec::new();
    for (contig, list) in places {
        for (i, at) in list.into_iter().enumerate() {
            let base = char::from(letter(&genome[contig], at - 1));
            let alts: Vec<String> = "ACGT"
                .chars()
                .filter(|c| *c != base)
                .map(String::from)
                .collect();
            // One, two or three of the changes; lower case now and then.
            let mut alts = alts[..1 + i % 3].join(",");
            if i % 4 == 1 {
                alts = alts.to_lowercase();
            }
            lines.push(format!("{contig} {at} rs{at} {base} {alts}"));
        }
    }
    lines
}

/// Checks every allele of a job's output against plain passes on written-out haplotypes.
fn check(config: &VariantsConfig, model: &str) -> usize {
    let summary = run(config).unwrap();
    let genome = genome();
    let mut plain = Plain::new(model, config.scoring.strand == Strand::Both);
    let tasks = plain.tasks();
    let centre = config.scoring.windows == Windows::Centre;
    let mut checked = 0;
    for record in records(&config.out) {
        let contig = &genome[&record[0]];
        let start: usize = record[1].parse::<usize>().unwrap() - 1;
        for (nth, alt) in record[4].split(',').enumerate() {
            // Without what REF and ALT share at their ends, but for one base: by search.
            let (r, a) = (record[3].to_uppercase(), alt.to_uppercase());
            let most = r.len().min(a.len()) - 1;
            let suffix = (0..=most)
                .rev()
                .find(|&n| r.ends_with(&a[a.len() - n..]))
                .unwrap();
            let prefix = (0..=most - suffix)
                .rev()
                .find(|&n| r.starts_with(&a[..n]))
                .unwrap();
            let expected = plain.effect(
                contig,
                start + prefix,
                r.len() - suffix - prefix,
                &a[prefix..a.len() - suffix],
                centre,
            );
            let Some((_, effect)) = expected else {
                let skips = &info(&record)["MPRA_SKIP"];
                assert_eq!(skips.split(',').nth(nth), Some("no_window"));
                continue;
            };
            for (task, name) in tasks.iter().enumerate() {
                close(numbers(&record, &format!("MPRA_{name}"))[nth], effect[task]);
            }
            let most = effect
                .iter()
                .copied()
                .fold(0.0, |m: f64, e| if e.abs() > m.abs() { e } else { m });
            let found = f64::from(numbers(&record, "MPRA_MAX")[nth]);
            // Two tasks may be equally far from 0.
            assert!((found.abs() - most.abs()).abs() < 1e-5);
            checked += 1;
        }
    }
    assert_eq!(checked as u64, summary.scored);
    checked
}

#[test]
fn single_changes_equal_the_difference_of_two_forward_passes() {
    let dir = tempfile::tempdir().unwrap();
    let input = vcf(dir.path(), &single_changes());
    let mut jobs = Vec::new();
    for windows in [Windows::All, Windows::Centre] {
        for strand in [Strand::Forward, Strand::Both] {
            jobs.push(("demo.onnx", windows, strand, EngineChoice::Fast));
        }
        // A network that only the full engine can do.
        jobs.push(("count.onnx", windows, Strand::Forward, EngineChoice::Auto));
    }
    jobs.push((
        "cnn_14w_atcg.onnx",
        Windows::All,
        Strand::Forward,
        EngineChoice::Full,
    ));
    for (model, windows, strand, engine) in jobs {
        let mut job = job(model, &input, &dir.path().join("out.vcf"));
        (job.scoring.windows, job.scoring.strand) = (windows, strand);
        job.scoring.engine = engine;
        let checked = check(&job, model);
        assert!(checked >= 20, "{checked}");
    }
}

#[test]
fn longer_changes_equal_written_out_haplotypes() {
    let dir = tempfile::tempdir().unwrap();
    let genome = genome();
    let base = |contig: &str, from: i64, len: i64| -> String {
        (from - 1..from - 1 + len)
            .map(|p| char::from(letter(&genome[contig], p)))
            .collect()
    };
    let mut lines = Vec::new();
    for (contig, at) in [
        ("chr1", 300i64),
        ("chr1", 618),
        ("chr1", 1085),
        ("chr1", 2570),
        ("chr2", 1),
        ("chr2", 445),
        ("chr2", 995),
        ("chr10", 145),
        ("tiny", 40),
    ] {
        let b = |len| base(contig, at, len);
        // Insertions (short, of a motif, long), deletions, both at once, exchanges of several.
        lines.push(format!("{contig} {at} . {} {}TGACTCA", b(1), b(1)));
        lines.push(format!(
            "{contig} {at} . {} {}{}",
            b(1),
            b(1),
            "ACGTTGCA".repeat(15)
        ));
        lines.push(format!("{contig} {at} . {} {}", b(4), b(1)));
        lines.push(format!("{contig} {at} . {} TT,CAGGTGCA,GG", b(3)));
        let exchanged: String = b(5)
            .chars()
            .rev()
            .map(|c| if c == 'A' { 'G' } else { 'A' })
            .collect();
        lines.push(format!("{contig} {at} . {} {exchanged}", b(5)));
        // A single change in a long disguise.
        let middle = if b(3).as_bytes()[1] == b'C' { 'T' } else { 'C' };
        lines.push(format!(
            "{contig} {at} . {} {}{middle}{}",
            b(3),
            b(1),
            &b(3)[2..]
        ));
    }
    // A deletion of as many bases as a window has.
    lines.push(format!(
        "chr1 2100 . {} {}",
        base("chr1", 2100, 145),
        base("chr1", 2100, 1)
    ));
    let input = vcf(dir.path(), &lines);
    for (model, windows, strand, engine) in [
        (
            "demo.onnx",
            Windows::All,
            Strand::Forward,
            EngineChoice::Fast,
        ),
        (
            "demo.onnx",
            Windows::Centre,
            Strand::Both,
            EngineChoice::Fast,
        ),
        ("scan.onnx", Windows::All, Strand::Both, EngineChoice::Auto),
        (
            "count.onnx",
            Windows::All,
            Strand::Forward,
            EngineChoice::Auto,
        ),
    ] {
        let mut job = job(model, &input, &dir.path().join("out.vcf"));
        (job.scoring.windows, job.scoring.strand) = (windows, strand);
        job.scoring.engine = engine;
        let checked = check(&job, model);
        assert!(checked >= 45, "{checked}");
    }
}

#[test]
fn single_changes_equal_the_main_jobs_saturation_table() {
    let dir = tempfile::tempdir().unwrap();
    // One region of 295 bases, all of its bases' windows whole.
    let mut main = config("demo.onnx", &dir.path().join("main"));
    main.regions = bed(dir.path(), &["chr1\t2300\t2595".into()]);
    main.outputs.saturation = true;
    support::run(&main).unwrap();
    let file = std::fs::File::open(main.out.join("saturation.npz")).unwrap();
    let mut archive = zip::ZipArchive::new(file).unwrap();
    let array = npyz::NpyFile::new(archive.by_name("effects.npy").unwrap()).unwrap();
    let effects = array.into_vec::<f32>().unwrap();
    let importance = support::per_base(&support::bedgraph(
        &main.out.join("HepG2_minP.importance.bedGraph"),
    ));

    let positions = dir.path().join("all.bed");
    std::fs::write(&positions, "chr1 2300 2595 all\n").unwrap();
    let mut job = job("demo.onnx", &positions, &dir.path().join("out.vcf"));
    job.source = VariantSource::Bed(positions);
    job.table = Some(dir.path().join("table.tsv"));
    run(&job).unwrap();
    let tasks = Plain::new("demo.onnx", false).tasks();
    let records = records(&job.out);
    assert_eq!(records.len(), 295);
    for (i, record) in records.iter().enumerate() {
        assert_eq!(record[1], (2301 + i).to_string());
        let alts: Vec<&str> = record[4].split(',').collect();
        assert_eq!(alts.len(), 3);
        for (t, task) in tasks.iter().enumerate() {
            let found = numbers(record, &format!("MPRA_{task}"));
            for (alt, found) in alts.iter().zip(found) {
                let base = "ACGT".find(alt).unwrap();
                assert_eq!(found, effects[(i * 4 + base) * tasks.len() + t]);
            }
        }
    }
    let rows = table(job.table.as_ref().unwrap());
    assert_eq!(rows.len(), 885);
    for row in rows {
        let position: u32 = row["pos"].parse().unwrap();
        let expected = importance[&("chr1".to_owned(), position - 1)];
        close(
            row["HepG2_minP.importance"].parse().unwrap(),
            f64::from(expected),
        );
    }
}

/// Writes the fixtures' chr1 and its reverse complement as two genomes.
fn both_strands(folder: &Path) -> usize {
    let chr1: Vec<u8> = genome()["chr1"]
        .iter()
        .map(u8::to_ascii_uppercase)
        .collect();
    let codes: Vec<u8> = chr1
        .iter()
        .map(|l| b"ACGT".iter().position(|b| b == l).unwrap_or(4) as u8)
        .collect();
    let mut reversed = vec![0; codes.len()];
    reverse_complement(&codes, &mut reversed);
    for (name, codes) in [("forward.fa", codes), ("reverse.fa", reversed)] {
        let letters: String = codes
            .iter()
            .map(|&c| char::from(b"ACGTN"[usize::from(c)]))
            .collect();
        std::fs::write(folder.join(name), format!(">chr1\n{letters}\n")).unwrap();
    }
    chr1.len()
}

#[test]
fn both_strands_give_the_same_on_the_reversed_genome() {
    let dir = tempfile::tempdir().unwrap();
    let length = both_strands(dir.path());
    let complement = |c: char| match c {
        'A' => 'T',
        'C' => 'G',
        'G' => 'C',
        _ => 'A',
    };
    let (mut forward, mut reverse) = (Vec::new(), Vec::new());
    for line in single_changes().iter().filter(|l| l.starts_with("chr1 ")) {
        let fields: Vec<&str> = line.split(' ').collect();
        let at: usize = fields[1].parse().unwrap();
        let alt = fields[4].to_uppercase().chars().next().unwrap();
        let base = fields[3].chars().next().unwrap();
        if base == 'N' {
            continue;
        }
        forward.push(format!("chr1 {at} . {base} {alt}"));
        let mirrored = length + 1 - at;
        reverse.push(format!(
            "chr1 {mirrored} . {} {}",
            complement(base),
            complement(alt)
        ));
    }
    let mut effects = Vec::new();
    for (name, lines) in [("forward.fa", forward), ("reverse.fa", reverse)] {
        let input = vcf(dir.path(), &lines);
        let mut job = job("demo.onnx", &input, &dir.path().join("out.vcf"));
        job.scoring.fasta = dir.path().join(name);
        job.scoring.strand = Strand::Both;
        // The one window centred on a base is the same on either strand.
        job.scoring.windows = Windows::Centre;
        run(&job).unwrap();
        effects.push(records(&job.out));
    }
    // Where the window holds an unknown base there is no effect, on either strand.
    let scored = |(a, b): &(&Vec<String>, &Vec<String>)| {
        let known = [a, b].map(|record| info(record).contains_key("MPRA_MAX"));
        assert_eq!(known[0], known[1]);
        known[0]
    };
    let pairs: Vec<_> = effects[0].iter().zip(&effects[1]).filter(scored).collect();
    assert!(pairs.len() >= 5, "{}", pairs.len());
    for (a, b) in pairs {
        for (a, b) in numbers(a, "MPRA_MAX").iter().zip(numbers(b, "MPRA_MAX")) {
            close(*a, f64::from(b));
        }
    }
}

#[test]
fn odd_alleles_are_kept_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let genome = genome();
    let base = |at: i64| char::from(letter(&genome["chr1"], at - 1));
    let (a, other) = (base(620), if base(620) == 'C' { 'T' } else { 'C' });
    let long: String = (2100..2300).map(base).collect();
    let lines = [
        (
            format!("chr1 620 x {a} {other},*,<DEL>,{a}[chr2:5[,N"),
            ".,spanning_deletion,symbolic,breakend,alt_not_acgt",
        ),
        (format!("chr1 620 x {a} ."), "no_alt"),
        (
            format!("chr1 620 x {a} {}", a.to_ascii_lowercase()),
            "same_as_ref",
        ),
        (format!("chr1 620 x {} {other}", a.to_ascii_lowercase()), ""),
        (format!("chr1 620 x {other} {a}"), "ref_mismatch"),
        ("chr1 100 x A C".into(), "genome_unknown"),
        ("chr1 100 x N C".into(), "ref_not_acgt"),
        ("chr1 701 x R C".into(), "ref_not_acgt"),
        // The genome has an R there: unknown, so neither equal nor different.
        ("chr1 701 x A C".into(), "genome_unknown"),
        (format!("chr1 2100 x {long} {}", &long[..1]), "too_long"),
        (
            format!("chr1 620 x {a} {a}{}", "ACGT".repeat(40)),
            "too_long",
        ),
        ("other 5 x A C".into(), "unknown_contig"),
        (format!("mini 20 x {} {}", 'A', 'C'), "no_window"),
        (format!("1 620 x {a} {other}"), ""),
    ];
    let mut lines = lines;
    let mini = char::from(letter(&genome["mini"], 19));
    lines[12].0 = format!("mini 20 x {mini} {}", if mini == 'A' { 'C' } else { 'A' });
    let texts: Vec<String> = lines.iter().map(|l| l.0.clone()).collect();
    let input = vcf(dir.path(), &texts);
    let mut job = job("demo.onnx", &input, &dir.path().join("out.vcf"));
    job.scoring.aliases = Aliases::UcscEnsembl;
    job.table = Some(dir.path().join("t.tsv"));
    let summary = run(&job).unwrap();
    let records = records(&job.out);
    assert_eq!(records.len(), lines.len());
    for (record, (line, skip)) in records.iter().zip(&lines) {
        let first: Vec<&str> = line.split(' ').collect();
        assert_eq!(record[..5], first[..]);
        let info = info(record);
        assert_eq!(
            info.get("MPRA_SKIP").map_or("", String::as_str),
            *skip,
            "{line}"
        );
        let scored = skip.is_empty() || skip.starts_with('.');
        assert_eq!(info.contains_key("MPRA_MAX"), scored, "{line}");
    }
    let values = &info(&records[0])["MPRA_HepG2_minP"];
    assert!(
        values.ends_with(",.,.,.,.") && !values.starts_with('.'),
        "{values}"
    );
    // A lower-case REF, and the other spelling of the contig, score as the first record.
    for other in [3, 13] {
        assert_eq!(
            info(&records[other])["MPRA_MAX"],
            info(&records[0])["MPRA_MAX"].split(',').next().unwrap()
        );
    }
    assert_eq!((summary.scored, summary.alleles), (3, 18));
    let count = |skip: Skip| {
        summary
            .skipped
            .iter()
            .find(|s| s.0 == skip)
            .map_or(0, |s| s.1)
    };
    assert_eq!((count(Skip::GenomeUnknown), count(Skip::TooLong)), (2, 2));
    assert_eq!(summary.compared.1, 1);
    // Each allele has its row, once, those without values last.
    let rows = table(job.table.as_ref().unwrap());
    assert_eq!((rows.len(), summary.repeated), (16, 2));
    assert!(rows[..1].iter().all(|r| r["status"] == "ok"));
    assert!(
        rows[1..]
            .iter()
            .all(|r| r["status"] != "ok" && r["max_effect"] == "NA")
    );
}

/// Values of a column, by rank.
fn column(rows: &[std::collections::BTreeMap<String, String>], name: &str) -> Vec<f64> {
    rows.iter()
        .map(|r| r[name].parse().unwrap_or(f64::NAN))
        .collect()
}

/// Of a run whose time goes into its background.
#[test]
fn seconds_are_those_of_the_whole_run() {
    let dir = tempfile::tempdir().unwrap();
    let input = vcf(dir.path(), &single_changes()[..1]);
    let regions = dir.path().join("open.bed");
    std::fs::write(&regions, "chr1\t300\t1700\n").unwrap();
    let mut job = job("demo.onnx", &input, &dir.path().join("out.vcf"));
    job.scoring.engine = mpra_score::ism::EngineChoice::Full;
    job.scoring.background.source = BackgroundSource::File(regions);
    job.scoring.background.windows = 20;
    let begun = std::time::Instant::now();
    let seconds = run(&job).unwrap().seconds;
    let whole = begun.elapsed().as_secs_f64();
    assert!(
        seconds <= whole && seconds > 0.5 * whole,
        "{seconds} of {whole}"
    );
}

#[test]
fn p_and_q_follow_from_the_saved_background() {
    let dir = tempfile::tempdir().unwrap();
    let input = vcf(dir.path(), &single_changes());
    let regions = dir.path().join("open.bed");
    std::fs::write(&regions, "chr1\t300\t1700\nchr2\t0\t1000\n").unwrap();
    let saved = dir.path().join("background.npz");
    let mut job = job("demo.onnx", &input, &dir.path().join("out.vcf"));
    job.scoring.background.source = BackgroundSource::File(regions);
    job.scoring.background.windows = 20;
    job.scoring.background.save = Some(saved.clone());
    job.table = Some(dir.path().join("t.tsv"));
    job.rank_by = RankBy::P;
    let summary = run(&job).unwrap();
    assert_eq!(summary.background.unwrap().0, 20 * 145 * 3);

    let file = std::fs::File::open(&saved).unwrap();
    let mut archive = zip::ZipArchive::new(file).unwrap();
    let array = npyz::NpyFile::new(archive.by_name("effects.npy").unwrap()).unwrap();
    assert_eq!(array.shape(), [20 * 145, 3, 4]);
    let background = array.into_vec::<f32>().unwrap();
    let rows = table(job.table.as_ref().unwrap());
    let scored: Vec<_> = rows
        .iter()
        .filter(|r| r["status"] == "ok")
        .cloned()
        .collect();
    let tasks = Plain::new("demo.onnx", false).tasks();
    for (t, task) in tasks.iter().enumerate() {
        let effects = column(&scored, &format!("{task}.effect"));
        let p = column(&scored, &format!("{task}.p"));
        let n = background.len() / 4;
        for (effect, p) in effects.iter().zip(&p) {
            let as_large = background
                .iter()
                .skip(t)
                .step_by(4)
                .filter(|b| b.abs() >= effect.abs() as f32)
                .count();
            close(*p as f32, (as_large + 1) as f64 / (n + 1) as f64);
        }
        // Benjamini and Hochberg, by their definition.
        let q = column(&scored, &format!("{task}.q"));
        for (i, q) in q.iter().enumerate() {
            let expected = p
                .iter()
                .filter(|other| **other >= p[i])
                .map(|other| {
                    let rank = p.iter().filter(|x| *x <= other).count();
                    other * p.len() as f64 / rank as f64
                })
                .fold(1.0, f64::min);
            close(*q as f32, expected);
        }
    }
    let combined = column(&scored, "cauchy_p");
    assert!(combined.windows(2).all(|w| w[0] <= w[1]));
    for (i, row) in scored.iter().enumerate() {
        let mean = tasks
            .iter()
            .map(|t| row[&format!("{t}.p")].parse::<f64>().unwrap().min(0.99))
            .map(|p| ((0.5 - p) * std::f64::consts::PI).tan())
            .sum::<f64>()
            / 4.0;
        close(combined[i] as f32, 0.5 - mean.atan() / std::f64::consts::PI);
    }

    // The saved background gives the same; one of another job is refused.
    let before = text(&job.out);
    job.scoring.background.source = BackgroundSource::File(saved);
    job.scoring.background.save = None;
    run(&job).unwrap();
    assert_eq!(text(&job.out), before);
    job.scoring.strand = Strand::Both;
    let error = run(&job).unwrap_err().to_string();
    assert!(error.contains("--strand differ"), "{error}");
    job.scoring.strand = Strand::Forward;

    // The product of p-values, named as such; ranked by one task.
    job.combine = Combine::Product;
    job.rank_by = RankBy::Task("K562_minP".into());
    run(&job).unwrap();
    let rows = table(job.table.as_ref().unwrap());
    assert!(rows[0].contains_key("product_q") && !rows[0].contains_key("cauchy_p"));
    let effects = column(&rows, "K562_minP.effect");
    let known: Vec<f64> = effects.iter().copied().filter(|e| !e.is_nan()).collect();
    assert!(known.windows(2).all(|w| w[0].abs() >= w[1].abs()));
    assert!(effects[known.len()..].iter().all(|e| e.is_nan()));
    job.rank_by = RankBy::Task("none".into());
    assert!(
        run(&job)
            .unwrap_err()
            .to_string()
            .contains("no task \"none\"")
    );
}

#[test]
fn like_gc_is_compared_with_like() {
    let dir = tempfile::tempdir().unwrap();
    let input = vcf(dir.path(), &single_changes());
    let mut job = job("demo.onnx", &input, &dir.path().join("out.vcf"));
    job.scoring.background.source = BackgroundSource::Genome;
    job.scoring.background.windows = 30;
    run(&job).unwrap();
    let all = records(&job.out);
    job.scoring.background.gc_bins = 3;
    run(&job).unwrap();
    let matched = records(&job.out);
    let p = |records: &[Vec<String>]| -> Vec<f32> {
        records
            .iter()
            .filter(|r| info(r).contains_key("MPRA_MAX"))
            .flat_map(|r| numbers(r, "MPRA_P_K562_minP"))
            .collect()
    };
    let (all, matched) = (p(&all), p(&matched));
    assert_eq!(all.len(), matched.len());
    let differing = all.iter().zip(&matched).filter(|(a, b)| a != b).count();
    assert!(differing * 2 > all.len(), "{differing} of {}", all.len());
    assert!(matched.iter().all(|p| *p > 0.0 && *p <= 1.0));
}

#[test]
fn annotations_figures_and_threads() {
    let dir = tempfile::tempdir().unwrap();
    let mut lines = single_changes();
    lines.push("chr1 620 . T TA".into());
    let input = vcf(dir.path(), &lines);
    let places = dir.path().join("open.bed");
    std::fs::write(&places, "chr1\t600\t630\n").unwrap();
    let run_with = |threads: usize, name: &str| {
        let mut job = job("demo.onnx", &input, &dir.path().join(name));
        job.scoring.threads = threads.try_into().unwrap();
        job.table = Some(dir.path().join(format!("{name}.tsv")));
        job.annotations = ["a", "b"]
            .map(|name| Named {
                name: name.into(),
                path: places.clone(),
            })
            .into();
        job.plots = Some(mpra_score::variants::Plots {
            attribution: None,
            top: 3,
            folder: dir.path().join(format!("{name}.plots")),
        });
        run(&job).unwrap();
        job
    };
    let one = run_with(1, "one.vcf");
    let four = run_with(4, "four.vcf");
    assert_eq!(text(&one.out), text(&four.out));
    let tables = [&one, &four].map(|j| text(j.table.as_ref().unwrap()));
    assert_eq!(tables[0], tables[1]);
    for row in table(one.table.as_ref().unwrap()) {
        let at: u32 = row["pos"].parse().unwrap();
        let inside = row["contig"] == "chr1" && (601..=630).contains(&at);
        assert_eq!(row["annotations"], if inside { "a,b" } else { "." });
    }
    let folder = &one.plots.as_ref().unwrap().folder;
    let mut figures: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    figures.sort();
    assert_eq!((figures.len(), figures[3].as_str()), (4, "run.json"));
    let rows = table(one.table.as_ref().unwrap());
    let first = std::fs::read_to_string(folder.join(&figures[0])).unwrap();
    assert!(first.starts_with("<svg") && first.contains(&rows[0]["pos"]));
}

#[test]
fn a_set_around_the_motifs_exceeds_controls() {
    let dir = tempfile::tempdir().unwrap();
    let set = dir.path().join("set.bed");
    // The planted activators and repressors.
    std::fs::write(&set, "chr1\t620\t627\nchr1\t1080\t1087\nchr2\t440\t447\n").unwrap();
    let elsewhere = dir.path().join("control.bed");
    std::fs::write(&elsewhere, "chr1\t300\t500\nchr1\t2200\t2500\n").unwrap();
    let compare_of = |source: VariantSource, control: enrich::Control, name: &str| {
        let mut scoring = support::variants::scoring("demo.onnx");
        scoring.background.source = BackgroundSource::Genome;
        scoring.background.windows = 20;
        let saved = dir.path().join(format!("{name}.npz"));
        let is_drawn = control == enrich::Control::Background;
        scoring.background.save = is_drawn.then(|| saved.clone());
        let config = enrich::EnrichConfig {
            scoring,
            source,
            control,
            permutations: 499,
            out: dir.path().join(name),
            force: false,
        };
        let cancel = mpra_score::Cancel::default();
        let (comparisons, files) = enrich::run(&config, &mpra_score::job::Silent, &cancel).unwrap();
        assert_eq!(
            (comparisons.len(), files.len()),
            (8, 4 + usize::from(is_drawn))
        );
        assert_eq!(saved.exists(), is_drawn);
        comparisons
    };
    let compare = |source: &Path, control: enrich::Control, name: &str| {
        compare_of(VariantSource::Bed(source.into()), control, name)
    };
    let controls = || enrich::Control::Variants(VariantSource::Bed(elsewhere.clone()));
    for (control, name) in [(controls(), "a"), (enrich::Control::Background, "b")] {
        for one in compare(&set, control, name) {
            assert!(one.auc > 0.8 && one.p < 0.01, "{one:?}");
            assert_eq!(one.sites.0, 21);
        }
    }
    // A site counts once, whether its alleles stand in one record or in three.
    let genome = genome();
    let (mut joined, mut split) = (Vec::new(), Vec::new());
    for at in 621..=627 {
        let base = char::from(letter(&genome["chr1"], at - 1));
        let others: Vec<String> = "ACGT"
            .chars()
            .filter(|c| *c != base)
            .map(String::from)
            .collect();
        joined.push(format!("chr1 {at} . {base} {}", others.join(",")));
        split.extend(others.iter().map(|alt| format!("chr1 {at} . {base} {alt}")));
    }
    let of = |lines: &[String], name: &str| {
        let folder = dir.path().join(format!("{name}_vcf"));
        std::fs::create_dir(&folder).unwrap();
        let path = vcf(&folder, lines);
        compare_of(VariantSource::Vcf(path), controls(), name)
    };
    let (joined, split) = (of(&joined, "joined"), of(&split, "split"));
    for (a, b) in joined.iter().zip(&split) {
        assert_eq!((a.sites.0, b.sites.0), (7, 7));
        assert_eq!((a.auc, a.p), (b.auc, b.p));
    }
    // The other way round there is nothing to be found.
    let other = dir.path().join("other.bed");
    std::fs::write(&other, "chr1\t3300\t3400\n").unwrap();
    assert!(compare(&other, controls(), "c").iter().any(|c| c.p > 0.05));
}
