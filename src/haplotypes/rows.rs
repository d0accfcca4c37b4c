//! What is written of a region.

use std::fmt::Write;

use super::region::{Haplotype, Told};
use super::score::Activities;
use super::stream::Job;
use crate::encode::BASES;
use crate::output::cell;
use crate::tracks::format_value;

/// The texts of a region.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub haplotypes: String,
    pub skipped: String,
    pub sequences: String,
    /// Its row behind the columns of the BED.
    pub region: String,
    /// Chromosomes with an activity, and distinct sequences.
    pub counts: (u64, u64),
    /// Samples without haplotypes.
    pub refused: u64,
}

/// Headers of `haplotypes.tsv`, `regions.tsv` and `skipped.tsv`.
pub(super) fn headers(tasks: &[String]) -> [String; 3] {
    let mut haplotypes =
        String::from("region\tsample\thaplotype\tstatus\tvariants\tleft_out\tmissing\tsequence");
    let mut regions = String::from(
        "contig\tstart\tend\tname\tstrand\tstatus\tcore_start\tcore_end\tvariants\tskipped\thaplotypes\tdistinct\tsamples_refused\tmost_frequent\tmost_frequent_count",
    );
    for task in tasks {
        // Writing to a string cannot fail.
        let _ = write!(haplotypes, "\t{task}.activity\t{task}.difference");
        let _ = write!(
            regions,
            "\t{task}.reference\t{task}.lowest\t{task}.highest\t{task}.most_frequent"
        );
    }
    let skipped = "region\tcontig\tpos\tid\tref\talt\treason\thaplotypes\n";
    [haplotypes + "\n", regions + "\n", skipped.into()]
}

/// A region that was not scored.
pub(super) fn unscored(status: &str, tasks: usize) -> String {
    format!("{status}{}\n", "\tNA".repeat(9 + 4 * tasks))
}

/// Writes a region: `name` is its name, `contig` that of its contig.
pub(super) fn write_region(
    (name, contig): (&str, &str),
    job: &Job,
    (samples, told): (&[String], &Told),
    scores: &Activities,
    sequences: bool,
) -> Texts {
    let mut texts = Texts::default();
    let region = cell(name);
    let tasks = scores.values.ncols();
    for (sample, found) in samples.iter().zip(&told.samples) {
        let sample = cell(sample);
        let haplotypes = match found {
            Ok(haplotypes) => haplotypes,
            Err(why) => {
                texts.refused += 1;
                let (word, none) = (why.as_str(), "\tNA".repeat(4 + 2 * tasks));
                let _ = writeln!(texts.haplotypes, "{region}\t{sample}\tNA\t{word}{none}");
                continue;
            }
        };
        for (i, haplotype) in haplotypes.iter().enumerate() {
            let _ = write!(
                texts.haplotypes,
                "{region}\t{sample}\t{}\t{}\t{}\t{}\t{}",
                i + 1,
                status(haplotype, scores),
                haplotype.carried,
                haplotype.conflicts + haplotype.unusable,
                haplotype.missing,
            );
            match haplotype.sequence {
                None => texts.haplotypes.push_str(&"\tNA".repeat(1 + 2 * tasks)),
                Some(number) => {
                    texts.counts.0 += 1;
                    let _ = write!(texts.haplotypes, "\tH{number}");
                    for task in 0..tasks {
                        put(scores.values[[number, task]], &mut texts.haplotypes);
                        put(scores.differences[[number, task]], &mut texts.haplotypes);
                    }
                }
            }
            texts.haplotypes.push('\n');
        }
    }
    let mut skipped = 0;
    for (&(variant, allele, conflict), count) in &told.left_out {
        let variant = &job.variants[variant];
        let reason = match (conflict, &variant.changes[allele - 1]) {
            (true, _) => "conflict",
            (false, Err(why)) => why.as_str(),
            (false, Ok(_)) => continue,
        };
        skipped += 1;
        let alt = variant.alts.split(',').nth(allele - 1).unwrap_or_default();
        let _ = writeln!(
            texts.skipped,
            "{region}\t{}\t{}\t{}\t{}\t{}\t{reason}\t{count}",
            cell(contig),
            variant.start + 1,
            cell(&variant.id),
            cell(&variant.reference),
            cell(alt),
        );
    }
    let used = job.variants.iter().filter(|v| {
        let core = v.start < job.place.end() && job.place.start < v.end;
        core && v.changes.iter().any(|c| matches!(c, Ok(Some(_))))
    });
    // The reference counts where somebody has it.
    let present = || (0..told.distinct.len()).filter(|&i| told.distinct[i].count > 0);
    let most = present().rev().max_by_key(|&i| told.distinct[i].count);
    texts.counts.1 = present().count() as u64;
    let status = match scores.values.row(0).iter().any(|v| !v.is_nan()) {
        true => "ok",
        false => "no_scored_window",
    };
    let _ = write!(
        texts.region,
        "{status}\t{}\t{}\t{}\t{skipped}\t{}\t{}\t{}",
        job.place.start,
        job.place.end(),
        used.count(),
        texts.counts.0,
        texts.counts.1,
        texts.refused,
    );
    match most {
        None => texts.region.push_str("\tNA\tNA"),
        Some(i) => {
            let _ = write!(texts.region, "\tH{i}\t{}", told.distinct[i].count);
        }
    }
    for task in 0..tasks {
        let value = |i: usize| scores.values[[i, task]];
        let known = || present().map(value).filter(|v| !v.is_nan());
        put(value(0), &mut texts.region);
        put(known().fold(f32::NAN, f32::min), &mut texts.region);
        put(known().fold(f32::NAN, f32::max), &mut texts.region);
        put(most.map_or(f32::NAN, value), &mut texts.region);
    }
    texts.region.push('\n');
    if sequences {
        let plain = |text: &str| text.replace(|c: char| c.is_whitespace() || c.is_control(), "_");
        for (i, distinct) in told.distinct.iter().enumerate() {
            let changes: Vec<String> = (distinct.changes.iter())
                .map(|&(variant, allele)| {
                    let variant = &job.variants[variant];
                    let alt = variant.alts.split(',').nth(allele - 1).unwrap_or_default();
                    format!("{contig}:{}:{}:{alt}", variant.start + 1, variant.reference)
                })
                .collect();
            let letters: String = (distinct.codes.iter())
                .map(|&c| BASES.get(usize::from(c)).copied().unwrap_or('N'))
                .collect();
            let _ = writeln!(
                texts.sequences,
                ">{}|H{i} haplotypes={} variants={}\n{letters}",
                plain(name),
                distinct.count,
                changes.join(","),
            );
        }
    }
    texts
}

/// The word for a chromosome.
fn status(haplotype: &Haplotype, scores: &Activities) -> &'static str {
    let Some(number) = haplotype.sequence else {
        return "too_much_deleted";
    };
    let row = scores.values.row(number);
    let differences = scores.differences.row(number);
    if row.iter().all(|v| v.is_nan()) {
        "no_scored_window"
    } else if haplotype.conflicts > 0 {
        "conflict"
    } else if haplotype.unusable > 0 {
        "incomplete"
    } else if differences.iter().all(|v| v.is_nan()) {
        "other_windows"
    } else {
        "ok"
    }
}

fn put(value: f32, out: &mut String) {
    match value.is_nan() {
        true => out.push_str("\tNA"),
        false => {
            let _ = write!(out, "\t{}", format_value(value));
        }
    }
}
