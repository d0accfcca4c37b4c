//! Writes a synthetic track with a score for every base of a genome, and 200,000 intervals, to
//! measure `mpra-score overlap enrichment` at full scale:
//!
//! ```text
//! cargo run --release --example genome_track -- chrom.sizes track.bw intervals.bed
//! ```
//!
//! Scores are an autoregressive series with all bits of the mantissa in use; intervals of 100 to
//! 1,000 bases, with one in four where the score is high at its first base.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::Path;

use mpra_score::genome::{Contig, Contigs};
use mpra_score::sharpr::tracks::read_sizes;
use mpra_score::tracks::Item;
use mpra_score::tracks::bigwig::{BigWigWriter, Encoded, Encoder, Lengths};
use rayon::prelude::*;

const ZOOM: u32 = 128;
const PIECE: u32 = 1 << 20;
const INTERVALS: u64 = 200_000;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn uniform(z: u64) -> f32 {
    (mix(z) >> 40) as f32 / (1u64 << 24) as f32
}

/// Scores of one piece of a contig.
fn piece(contig: u64, from: u32, to: u32) -> Vec<Item> {
    let mut x = 0.0f32;
    (from..to)
        .map(|at| {
            let key = (contig << 33 | u64::from(at) << 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            x = 0.8 * x + uniform(key) - 0.5;
            Item {
                start: at,
                end: at + 1,
                // Heavier tails than a sum of uniforms.
                value: x * (0.3 + x.abs()),
            }
        })
        .collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let mut next = || args.next().ok_or("chrom.sizes track.bw intervals.bed");
    let (sizes, track, bed) = (next()?, next()?, next()?);
    let sizes = read_sizes(Path::new(&sizes))?;
    let total: u64 = sizes.iter().map(|s| u64::from(s.1)).sum();
    let list = sizes.iter().map(|(name, length)| Contig {
        name: name.clone(),
        length: *length,
    });
    let contigs = Contigs::new(list.collect())?;
    let ranks = contigs.ranks();
    let mut order: Vec<usize> = (0..contigs.len()).collect();
    order.sort_by_key(|&i| ranks[i]);
    let pieces: Vec<(usize, u32)> = order
        .into_iter()
        .flat_map(|i| {
            (0..sizes[i].1)
                .step_by(PIECE as usize)
                .map(move |at| (i, at))
        })
        .collect();
    let mut writer = BigWigWriter::open(Path::new(&track), &contigs, ZOOM, Lengths::default())?;
    let mut out = std::io::BufWriter::new(fs::File::create(bed)?);
    for batch in pieces.chunks(8) {
        let encoded: Vec<(Encoded, String)> = batch
            .par_iter()
            .map(|&(i, from)| {
                let (name, length) = &sizes[i];
                let items = piece(i as u64, from, length.min(&(from + PIECE)).to_owned());
                let mut encoded = Encoded::default();
                Encoder::new(ZOOM).items(ranks[i], &items, &mut encoded);
                let wanted = (INTERVALS * items.len() as u64).div_ceil(total);
                let mut lines = String::new();
                let (mut drawn, mut kept) = (0u64, 0);
                while kept < wanted {
                    drawn += 1;
                    let z = mix((i as u64) << 50 | u64::from(from) << 12 | drawn);
                    let at = (z % items.len() as u64) as usize;
                    if drawn % 4 != 0 || items[at].value > 1.0 || drawn > 400 * wanted {
                        let start = from + at as u32;
                        let end = (start + 100 + (z >> 40) as u32 % 900).min(*length);
                        lines.push_str(&format!("{name}\t{start}\t{end}\n"));
                        kept += 1;
                    }
                }
                (encoded, lines)
            })
            .collect();
        for (encoded, lines) in encoded {
            writer.append(&encoded)?;
            out.write_all(lines.as_bytes())?;
        }
    }
    out.flush()?;
    Ok(writer.finish()?)
}
