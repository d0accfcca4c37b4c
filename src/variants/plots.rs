//! A figure for each of the first variants: what every change around it would do, on both alleles.

use std::path::Path;

use ndarray::Axis;

use super::allele::change;
use super::annotate::Shared;
use super::effects::Scorer;
use super::rank::Top;
use super::windows::centred;
use crate::Error;
use crate::encode::{UNKNOWN, code};
use crate::genome::Interval;
use crate::job::Cancel;
use crate::output::{OutputDir, OutputError};
use crate::plot::{self, PlotError, variant};

/// Draws `top` into the folder.
///
/// # Errors
/// When the genome cannot be read, the model fails or a figure cannot be written.
pub(super) fn draw(
    top: &[Top],
    shared: &Shared<'_>,
    tasks: &[String],
    scorer: &mut Scorer,
    folder: &mut OutputDir,
    cancel: &Cancel,
) -> Result<(), Error> {
    let digits = top.len().to_string().len();
    for one in top {
        cancel.check()?;
        let sound = |c: char| match c.is_ascii_alphanumeric() || "._-".contains(c) {
            true => c,
            false => '_',
        };
        let place: String = format!("{}_{}", one.contig, one.start);
        let place: String = place.chars().map(sound).collect();
        let bases = |text: &str| match text.len() <= 12 {
            true => text.to_owned(),
            false => format!("{}bp", text.len()),
        };
        let name = format!(
            "{:0digits$}_{place}_{}_{}.svg",
            one.rank,
            bases(&one.reference),
            bases(&one.alt)
        );
        let path = folder.file(&name);
        draw_one(one, shared, tasks, scorer, &path)?;
    }
    Ok(())
}

fn draw_one(
    one: &Top,
    shared: &Shared<'_>,
    tasks: &[String],
    scorer: &mut Scorer,
    path: &Path,
) -> Result<(), Error> {
    let window = scorer.lattice().window();
    let Some(contig) = shared.scoring.aliases.resolve(&one.contig, shared.contigs) else {
        return Ok(());
    };
    let Ok(change) = change(
        one.reference.as_bytes(),
        one.alt.as_bytes(),
        window as usize,
    ) else {
        return Ok(());
    };
    let at = one.start - 1 + change.at as u32;
    let length = shared.contigs.get(contig).length;
    let from = centred(at, window);
    let start = from.max(0) as u32;
    let end = (from + i64::from(window)).min(i64::from(length)) as u32;
    let bases = Interval::new(start, end).unwrap_or_default();

    // Enough for windows on both sides, and for what a deletion brings in from the right.
    let flank = 2 * window as usize;
    let origin = i64::from(start) - flank as i64;
    let whole = bases.len() as usize + 2 * flank;
    let codes = scorer.fetch(contig, origin, whole + change.deleted)?;
    let before = (i64::from(at) - origin) as usize;
    let mut other = codes[..before].to_vec();
    other.extend(change.inserted.iter().map(|&l| code(l).unwrap_or(UNKNOWN)));
    other.extend_from_slice(&codes[before + change.deleted..]);
    other.resize(whole.max(other.len()), UNKNOWN);

    let mut allele = |name: String, codes: &[u8], changed: usize| -> Result<_, Error> {
        let (effects, importance) = scorer.saturate(codes, origin, bases)?;
        let first = (at - start) as usize;
        Ok(variant::Allele {
            name,
            codes: codes[flank..flank + bases.len() as usize].to_vec(),
            effects: effects.index_axis_move(Axis(2), one.task),
            importance: importance.column(one.task).to_vec(),
            changed: (first, (first + changed).min(bases.len() as usize)),
        })
    };
    let short = |text: &str| match text.chars().count() > 20 {
        true => format!("{}... ({} bp)", &text[..16], text.len()),
        false => text.to_owned(),
    };
    let reference = allele(
        format!("reference {}", short(&one.reference)),
        &codes,
        change.deleted,
    )?;
    let alternative = allele(
        format!("alternative {}", short(&one.alt)),
        &other,
        change.inserted.len(),
    )?;
    let id = match one.id.as_str() {
        "." => String::new(),
        id => format!("{id}, "),
    };
    let p = match one.p.is_nan() {
        true => String::new(),
        false => format!(", p = {:.2e}", one.p),
    };
    let figure = variant::Figure {
        title: format!(
            "{}. {id}{}:{} {}>{}, {}: effect {:+.3}{p}",
            one.rank,
            one.contig,
            one.start,
            short(&one.reference),
            short(&one.alt),
            tasks[one.task],
            one.effects[one.task]
        ),
        contig: one.contig.clone(),
        first: start + 1,
        alleles: [reference, alternative],
    };
    plot::variant::draw(path, &figure).map_err(|e| match e {
        PlotError::Write(e, path) => OutputError::Write(e, path).into(),
        PlotError::Draw(text, path) => OutputError::Write(std::io::Error::other(text), path).into(),
    })
}
