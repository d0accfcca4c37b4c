//! Tables and figures.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::{FdrError, Results};
use crate::output::{Number, OutputDir, OutputError};
use crate::plot::{self, Line, Style};

/// Levels of `summary.tsv` beside alpha.
const LEVELS: [f64; 9] = [0.001, 0.005, 0.01, 0.02, 0.05, 0.075, 0.1, 0.15, 0.2];

const METHODS: [&str; 3] = ["bh", "storey", "ihw"];

impl Results<'_> {
    fn q(&self) -> [&[f64]; 3] {
        [&self.bh, &self.storey, &self.weighted.q]
    }

    /// Hypotheses with q at most the level, by method.
    pub fn discoveries(&self, level: f64) -> [usize; 3] {
        self.q().map(|q| q.iter().filter(|q| **q <= level).count())
    }

    fn levels(&self) -> Vec<f64> {
        let mut levels = LEVELS.to_vec();
        levels.push(self.config.alpha);
        levels.sort_by(f64::total_cmp);
        levels.dedup();
        levels
    }
}

/// Writes all but `run.json`.
pub(super) fn write(results: &Results<'_>, out: &mut OutputDir) -> Result<(), FdrError> {
    type Writer<'a> = &'a dyn Fn(&Results<'_>, &mut BufWriter<File>) -> io::Result<()>;
    let tables: [(&str, Writer<'_>); 3] = [
        ("fdr.tsv", &hypotheses),
        ("summary.tsv", &summary),
        ("weights.tsv", &weights),
    ];
    for (name, table) in tables {
        let path = out.file(name);
        let written = File::create(&path).and_then(|file| {
            let mut file = BufWriter::with_capacity(1 << 18, file);
            table(results, &mut file)?;
            file.flush()
        });
        written.map_err(|e| OutputError::Write(e, path))?;
    }
    draw(
        results,
        &out.file("weights.svg"),
        &out.file("discoveries.svg"),
    )
}

fn hypotheses(r: &Results<'_>, file: &mut BufWriter<File>) -> io::Result<()> {
    writeln!(
        file,
        "id\tcontig\tposition\tp\tcovariate\tbin\tfold\tweight\tbh_q\tstorey_q\tweighted_p\tihw_q\tbh\tstorey\tihw"
    )?;
    let from = u32::from(!r.config.table.table.zero_based);
    let mut tests = r.rows.iter().enumerate().peekable();
    for (row, p) in r.all.p.iter().enumerate() {
        write!(file, "{}", r.all.ids.get(row).map_or(".", |id| id))?;
        match r.all.places.get(row).copied().flatten() {
            Some((contig, at)) => {
                let name = &r.all.contigs.get(contig).name;
                write!(file, "\t{name}\t{}", at + from)?;
            }
            None => write!(file, "\tNA\tNA")?,
        }
        let Some((test, _)) = tests.next_if(|t| *t.1 == row) else {
            writeln!(file, "{}", "\tNA".repeat(12))?;
            continue;
        };
        let (bin, fold) = (usize::from(r.bins.of[test]), usize::from(r.fold[test]));
        write!(
            file,
            "\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
            Number(*p),
            Number(r.covariate[test]),
            r.bins.name(bin),
            fold + 1,
            Number(r.weighted.weights[fold][bin]),
            Number(r.bh[test]),
            Number(r.storey[test]),
            Number(r.weighted.p[test]),
            Number(r.weighted.q[test]),
        )?;
        for q in r.q() {
            write!(file, "\t{}", u8::from(q[test] <= r.config.alpha))?;
        }
        writeln!(file)?;
    }
    Ok(())
}

fn summary(r: &Results<'_>, file: &mut BufWriter<File>) -> io::Result<()> {
    writeln!(file, "alpha\ttests\t{}", METHODS.join("\t"))?;
    for level in r.levels() {
        let [bh, storey, ihw] = r.discoveries(level);
        let tests = r.rows.len();
        writeln!(file, "{}\t{tests}\t{bh}\t{storey}\t{ihw}", Number(level))?;
    }
    Ok(())
}

fn weights(r: &Results<'_>, file: &mut BufWriter<File>) -> io::Result<()> {
    writeln!(
        file,
        "fold\tbin\tcovariate_low\tcovariate_high\ttests\tshare\tweight"
    )?;
    let bins = r.bins.len();
    let mut counts = vec![0u64; bins * r.config.folds];
    for (&fold, &bin) in r.fold.iter().zip(&r.bins.of) {
        counts[usize::from(fold) * bins + usize::from(bin)] += 1;
    }
    for (fold, of_bins) in r.weighted.weights.iter().enumerate() {
        for (bin, &weight) in of_bins.iter().enumerate() {
            let (low, high) = r.bins.ranges[bin].unwrap_or((f64::NAN, f64::NAN));
            writeln!(
                file,
                "{}\t{}\t{}\t{}\t{}\t{}\t{}",
                fold + 1,
                r.bins.name(bin),
                Number(low),
                Number(high),
                counts[fold * bins + bin],
                Number(r.weighted.shares[fold]),
                Number(weight),
            )?;
        }
    }
    Ok(())
}

fn draw(r: &Results<'_>, weights: &Path, discoveries: &Path) -> Result<(), FdrError> {
    let ordered = r.bins.ranges.iter().flatten().count();
    let folds: Vec<Line> = (r.weighted.weights.iter().enumerate())
        .map(|(fold, of_bins)| Line {
            name: format!("fold {}", fold + 1),
            points: (of_bins[..ordered].iter().enumerate())
                .map(|(bin, w)| ((bin + 1) as f64, *w))
                .collect(),
        })
        .collect();
    let style = Style {
        title: "Weights by covariate",
        x: "bin of the covariate, lowest first",
        y: "weight",
    };
    plot::lines(weights, &style, &folds)?;
    let levels = r.levels();
    let names = ["Benjamini-Hochberg", "Storey", "weighted"];
    let methods: Vec<Line> = (names.iter().zip(r.q()))
        .map(|(name, q)| Line {
            name: (*name).into(),
            points: (levels.iter())
                .map(|&level| (level, q.iter().filter(|q| **q <= level).count() as f64))
                .collect(),
        })
        .collect();
    let style = Style {
        title: "Discoveries",
        x: "false discovery rate",
        y: "hypotheses rejected",
    };
    plot::lines(discoveries, &style, &methods)?;
    Ok(())
}
