//! Lifts a BED to another build, as UCSC's `liftOver` does: what is lifted on standard output, what is
//! lost on standard error.
//!
//! `cargo run --release --example lift_bed hg19ToHg38.over.chain.gz regions.bed > new.bed 2> lost.bed`

use std::error::Error;
use std::io::{Write, stderr, stdout};
use std::path::Path;

use mpra_score::genome::{Aliases, Interval};
use mpra_score::input::bed;
use mpra_score::liftover::{Chains, MIN_MATCH};

/// Writes the rows of a BED, lifted, and those that are lost, each below its reason.
pub fn lift(
    chains: &Chains,
    rows: &Path,
    lifted: &mut impl Write,
    lost: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let mut lines = bed::open(rows)?;
    while let Some(line) = lines.next_bytes()? {
        let Some(fields) = bed::Fields::of(line) else {
            continue;
        };
        let row = fields.row().map_err(|why| why.problem)?;
        let bases = Interval::new(row.start, row.end).ok_or("the end is before the start")?;
        match chains.interval(std::str::from_utf8(row.contig)?, bases, MIN_MATCH) {
            Ok(new) => {
                let name = String::from_utf8_lossy(row.name.unwrap_or(b"."));
                let strand = match (row.strand, new.minus) {
                    (Some('+'), false) | (Some('-'), true) => '+',
                    (Some('-'), false) | (Some('+'), true) => '-',
                    _ => '.',
                };
                let (start, end) = (new.bases.start(), new.bases.end());
                writeln!(
                    lifted,
                    "{}\t{start}\t{end}\t{name}\t0\t{strand}",
                    new.contig
                )?;
            }
            Err(why) => {
                writeln!(lost, "#{why}")?;
                lost.write_all(line)?;
                lost.write_all(b"\n")?;
            }
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [chains, rows] = &arguments[..] else {
        return Err("give CHAIN BED".into());
    };
    let chains = Chains::read(chains.as_ref(), &Aliases::None)?;
    lift(
        &chains,
        rows.as_ref(),
        &mut std::io::BufWriter::new(stdout().lock()),
        &mut std::io::BufWriter::new(stderr().lock()),
    )
}
