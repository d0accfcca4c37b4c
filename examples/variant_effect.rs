//! The effect of one variant: activity with the alternative base minus activity with the reference.
//!
//! `make setup && ORT_DYLIB_PATH=.setup/onnxruntime cargo run --release --example variant_effect`

use std::error::Error;
use std::path::Path;

use mpra_score::encode::{UNKNOWN, code};
use mpra_score::genome::{Fasta, Interval, Lattice};
use mpra_score::model::{Model, ModelOptions, ModelSource, Predict};

/// The effect on each task, with the task's name, of a base at a position (0-based): the mean over
/// the windows that hold it, as `mpra-score variants` gives it.
pub fn effects(
    fasta: &Path,
    source: &ModelSource,
    contig: &str,
    position: u32,
    alternative: u8,
) -> Result<Vec<(String, f32)>, Box<dyn Error>> {
    let mut model = Model::load(source, &ModelOptions::default(), None)?;
    let fasta = Fasta::open(fasta, false)?;
    let contig = fasta.contigs().id(contig).ok_or("no such contig")?;
    let mut reader = fasta.reader()?;
    let alternative = code(alternative).ok_or("the alternative is none of A, C, G and T")?;

    let window = model.window();
    let lattice = Lattice::genome(window as u32, window as u32 / 5).ok_or("too short a window")?;
    let base = Interval::new(position, position + 1).ok_or("the position is too large")?;
    // A batch: each window as the genome has it, then with the other base. The model takes base
    // codes (A is 0, C 1, G 2, T 3, unknown 4), `window` of them a row.
    let (mut codes, mut starts) = (Vec::new(), Vec::new());
    for start in lattice.covering(base) {
        let begin = codes.len();
        reader.fetch(contig, start, window, &mut codes)?;
        // Windows with unknown bases are not scored.
        if codes[begin..].contains(&UNKNOWN) {
            codes.truncate(begin);
            continue;
        }
        starts.push(start);
        codes.extend_from_within(begin..);
        let changed = codes.len() - window + (i64::from(position) - start) as usize;
        codes[changed] = alternative;
    }
    let tasks = model.tasks();
    let mut activities = vec![0.0f32; 2 * starts.len() * tasks];
    model.predict(&codes, &mut activities)?;

    // Two rows a window: reference, alternative.
    let names = model.spec().tasks.iter().enumerate();
    let mean = |task: usize| {
        let pairs = activities.chunks_exact(2 * tasks);
        pairs.map(|p| p[tasks + task] - p[task]).sum::<f32>() / starts.len() as f32
    };
    Ok(names.map(|(t, name)| (name.clone(), mean(t))).collect())
}

fn main() -> Result<(), Box<dyn Error>> {
    // Position 640 of a VCF, which counts from 1.
    let fasta = Path::new("fixtures/genome.fa");
    for (task, effect) in effects(fasta, &ModelSource::default(), "chr1", 639, b'A')? {
        println!("chr1:640 A\t{task}\t{effect:+.4}");
    }
    Ok(())
}
