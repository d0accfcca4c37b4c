use std::fmt::Write as _;

use serde::Serialize;

use super::patterns::{FRAME, Pattern, Worths};
use crate::Error;
use crate::motifs::known::{Likeness, Tomtom};
use crate::motifs::seqlets::{rounded, shown_name};
use crate::motifs::{Motif, MotifError, ScoredRows, write_meme};
use crate::output::{OutputDir, OutputError, Tsv, cell, write};
use crate::plot::logo::{Logo, information, logos};

/// A pattern with its name.
pub(super) struct Found<'a> {
    pub(super) name: String,
    pub(super) task: &'a str,
    /// `positive` or `negative`.
    pub(super) word: &'static str,
    pub(super) sign: f64,
    pub(super) pattern: Pattern,
}

/// What is written of all patterns.
#[derive(Default)]
pub(super) struct Written {
    motifs: Vec<Motif>,
    entries: Vec<Entry>,
    shares: Vec<Logo>,
    contributions: Vec<Logo>,
    sites: Vec<(String, u32, u32, String)>,
    /// How often each base stands in the sequences.
    bases: [u64; 4],
}

/// A pattern in `motifs.json`.
#[derive(Serialize)]
struct Entry {
    name: String,
    task: String,
    sign: &'static str,
    seqlets: usize,
    regions: usize,
    /// Mean over the seqlets of what the columns are worth together.
    contribution: f64,
    bits: f64,
    consensus: String,
    #[serde(rename = "match")]
    near: Option<Near>,
    /// `[column][A, C, G, T]`.
    frequencies: Vec<[f64; 4]>,
    contributions: Vec<[f64; 4]>,
    hypothetical_contributions: Vec<[f64; 4]>,
}

/// The nearest known motif.
#[derive(Serialize)]
struct Near {
    motif: String,
    name: String,
    strand: &'static str,
    offset: i64,
    overlap: usize,
    p: f64,
    e: f64,
}

impl Written {
    /// Adds a pattern; it is turned over where a known motif then lies forward.
    pub(super) fn add(
        &mut self,
        found: Found<'_>,
        data: &ScoredRows,
        known: Option<(&Tomtom, &[Motif])>,
    ) {
        let Found {
            name,
            task,
            word,
            sign,
            mut pattern,
        } = found;
        if self.motifs.is_empty() {
            self.bases = [0; 4];
            for &code in data
                .rows
                .iter()
                .flat_map(|row| &row.codes)
                .filter(|c| **c < 4)
            {
                self.bases[usize::from(code)] += 1;
            }
        }
        let worths = Worths {
            data,
            sign: sign as f32,
        };
        let near = |p: &Pattern| known.and_then(|(t, _)| t.of_matrix(&p.frequencies()));
        let mut like: Option<Likeness> = near(&pattern);
        if like.is_some_and(|l| l.reverse) {
            pattern = Pattern::new(&worths, Pattern::turned(&pattern.sites));
            like = near(&pattern);
        }
        let core = pattern.core();
        let frequencies = pattern.frequencies();
        let signed = |columns: &[[f64; 4]]| -> Vec<[f64; 4]> {
            let columns = columns[core.clone()].iter();
            columns
                .map(|c| c.map(|v| rounded(v * sign) + 0.0))
                .collect()
        };
        let mut regions: Vec<usize> = pattern.sites.iter().map(|s| s.row).collect();
        regions.dedup();
        let near = like.zip(known).map(|(l, (_, motifs))| Near {
            motif: motifs[l.motif].name.clone(),
            name: shown_name(&motifs[l.motif]).into(),
            strand: if l.reverse { "-" } else { "+" },
            offset: l.offset,
            overlap: l.overlap,
            p: rounded(l.p),
            e: rounded(l.e),
        });
        let title = match &near {
            Some(n) if n.name != "." => format!("{name} {} {}", pattern.sites.len(), n.name),
            Some(n) => format!("{name} {} {}", pattern.sites.len(), n.motif),
            None => format!("{name} {}", pattern.sites.len()),
        };
        let entry = Entry {
            task: task.into(),
            sign: word,
            seqlets: pattern.sites.len(),
            regions: regions.len(),
            contribution: rounded(sign * pattern.contribution()),
            bits: rounded(frequencies.iter().map(information).sum()),
            consensus: consensus(&frequencies),
            near,
            contributions: signed(&pattern.own),
            hypothetical_contributions: signed(&pattern.all),
            frequencies: frequencies.iter().map(|c| c.map(rounded)).collect(),
            name: name.clone(),
        };
        self.shares.push(Logo {
            title: title.clone(),
            columns: (frequencies.iter())
                .map(|c| c.map(|share| share * information(c)))
                .collect(),
        });
        self.contributions.push(Logo {
            title,
            columns: entry.contributions.clone(),
        });
        for site in &pattern.sites {
            let row = &data.rows[site.row];
            let (from, to) = match site.reverse {
                false => (core.start, core.end),
                true => (FRAME - core.end, FRAME - core.start),
            };
            let base = |column: usize| -> usize {
                let base = site.middle - FRAME as i32 / 2 + column as i32;
                base.clamp(0, row.codes.len() as i32) as usize
            };
            let (from, to) = (base(from), base(to));
            let worth: f32 = row.values[0][from..to].iter().filter(|v| !v.is_nan()).sum();
            let rest = format!(
                "{}\t0\t{}\t{}\t{}",
                cell(&name).replace(' ', "_"),
                if site.reverse { '-' } else { '+' },
                rounded(worth.into()),
                cell(&row.place.name)
            );
            let start = row.place.start;
            let place = (start + from as u32, start + to as u32);
            self.sites
                .push((row.place.contig.clone(), place.0, place.1, rest));
        }
        self.motifs.push(Motif {
            name,
            other_name: entry
                .near
                .as_ref()
                .map_or(String::new(), |n| n.motif.clone()),
            frequencies,
            sites: pattern.sites.len() as u64,
        });
        self.entries.push(entry);
    }

    pub(super) fn write(mut self, out: &mut OutputDir) -> Result<(), Error> {
        let total = self.bases.iter().sum::<u64>();
        let background = match total {
            0 => [0.25; 4],
            _ => self.bases.map(|n| n as f64 / total as f64),
        };
        write(
            &out.file("motifs.meme"),
            write_meme(background, &self.motifs),
        )?;
        table(&self.entries).write(&out.file("motifs.tsv"))?;
        let path = out.file("motifs.json");
        let failed = |e: serde_json::Error| OutputError::Write(e.into(), path.clone());
        let text = serde_json::to_string_pretty(&self.entries).map_err(failed)?;
        write(&path, text + "\n")?;
        self.sites.sort();
        let mut bed = String::new();
        for (contig, from, to, rest) in &self.sites {
            // Writing to a string cannot fail.
            let _ = writeln!(bed, "{contig}\t{from}\t{to}\t{rest}");
        }
        write(&out.file("sites.bed"), bed)?;
        let widest = self.shares.iter().map(|l| l.columns.len()).max();
        for logo in self.shares.iter_mut().chain(&mut self.contributions) {
            logo.title = fitting(&logo.title, widest.unwrap_or(0));
        }
        let path = out.file("logos.svg");
        logos(&path, "Motifs of seqlets", "bits", Some(2.0), &self.shares)
            .map_err(MotifError::from)?;
        let path = out.file("contributions.svg");
        let title = "Mean contributions of their bases";
        logos(&path, title, "contribution", None, &self.contributions).map_err(MotifError::from)?;
        Ok(())
    }
}

/// A title that fits over a panel as wide as the widest logo.
fn fitting(title: &str, widest: usize) -> String {
    let most = ((50 + 16 * widest) as f64 / 6.7) as usize;
    match title.chars().count() > most {
        true => title.chars().take(most - 1).chain(['…']).collect(),
        false => title.to_owned(),
    }
}

fn table(entries: &[Entry]) -> Tsv {
    let mut table = Tsv::new(&[
        "motif",
        "task",
        "sign",
        "seqlets",
        "regions",
        "columns",
        "contribution",
        "bits",
        "consensus",
        "match",
        "match_name",
        "strand",
        "offset",
        "overlap",
        "p",
        "e",
    ]);
    for entry in entries {
        table
            .text(&entry.name)
            .text(&entry.task)
            .text(entry.sign)
            .count(entry.seqlets as u64)
            .count(entry.regions as u64)
            .count(entry.frequencies.len() as u64)
            .number(entry.contribution)
            .number(entry.bits)
            .text(&entry.consensus);
        match &entry.near {
            None => (0..7).for_each(|_| {
                table.text("NA");
            }),
            Some(near) => {
                table
                    .text(&near.motif)
                    .text(&near.name)
                    .text(near.strand)
                    .number(near.offset as f64)
                    .count(near.overlap as u64)
                    .number(near.p)
                    .number(near.e);
            }
        }
        table.end();
    }
    table
}

/// The base that more than half have, else the IUPAC letter of those that a quarter or more have each.
fn consensus(frequencies: &[[f64; 4]]) -> String {
    const IUPAC: &[u8; 16] = b"NACMGRSVTWYHKDBN";
    let letter = |column: &[f64; 4]| {
        let sole = column.iter().position(|share| *share > 0.5);
        let bits = match sole {
            Some(base) => 1 << base,
            None => (0..4)
                .filter(|&b| column[b] >= 0.25)
                .fold(0usize, |bits, b| bits | 1 << b),
        };
        char::from(IUPAC[bits])
    };
    frequencies.iter().map(letter).collect()
}
