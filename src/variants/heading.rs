//! The output's header: the input's, with this run's fields and provenance, and for BCF with all that
//! records use.

use super::fields::Fields;
use super::info::BcfNames;
use super::input::Input;
use super::lift;
use super::output::Format;
use super::sample::Sample;
use super::setup::Setup;
use super::windows::Windows;
use super::{Scoring, VariantError, VariantsConfig};
use crate::Error;
use crate::genome::Contigs;
use crate::job::Cancel;
use crate::vcf::{Dictionary, Header, Undefined, contig_line, info_line};

/// The output's header, and its names where the output is a BCF.
///
/// # Errors
/// When the input cannot be read once more, where that is needed, or two names of its header have
/// one number.
pub(super) fn heading(
    config: &VariantsConfig,
    input: &Input,
    setup: &Setup,
    fields: &Fields,
    sample: Option<&Sample>,
    cancel: &Cancel,
) -> Result<(Header, Option<BcfNames>), Error> {
    let (scoring, contigs) = (&config.scoring, setup.fasta.contigs());
    let mut header = match input.header() {
        Some(header) => header.clone(),
        None => Header::new(contigs.iter().map(|c| (c.name.clone(), c.length))),
    };
    let mut lines = definitions(fields, setup, scoring);
    lines.extend(provenance(setup, scoring, sample));
    let mut replaced = fields.all();
    if let Some(liftover) = &config.liftover {
        header.place_on(contigs.iter().map(|c| (c.name.as_str(), c.length)));
        replaced.extend([lift::FROM, lift::LOST].map(str::to_owned));
        lines.push(lift::from_line());
        let sha256 = liftover.sha256().unwrap_or_default();
        lines.push(format!("##mpra-scoreLiftover=sha256:{sha256}"));
        // A lifted record is made from its line.
        header.without_numbers();
    }
    if Format::of(&config.out)? != Format::Bcf {
        if input.names().is_some() {
            header.without_numbers();
        }
        header.replace(&replaced, lines);
        return Ok((header, None));
    }
    let of = |header: &Header| Dictionary::of(header, input.name()).map_err(VariantError::from);
    let before = input.names().filter(|_| config.liftover.is_none());
    match before {
        // The numbers of a BCF's names stay: its records have them.
        Some(names) => header = names.numbered(&header),
        // A BCF defines all that it uses.
        None if config.source.is_file() && input.names().is_none() => {
            let missing = undefined(config, contigs, &of(&header)?, cancel)?;
            header
                .lines
                .extend(missing.into_iter().map(String::into_bytes));
        }
        None => {}
    }
    header.replace(&replaced, lines);
    let names = of(&header)?;
    let header = names.numbered(&header);
    let before = before.map(AsRef::as_ref);
    Ok((header, Some(BcfNames::new(names, before, fields))))
}

/// Lines for what a VCF uses and does not define: reads it once more.
fn undefined(
    config: &VariantsConfig,
    contigs: &Contigs,
    names: &Dictionary,
    cancel: &Cancel,
) -> Result<Vec<String>, Error> {
    let mut input = Input::open(&config.source)?;
    if input.header().is_none() {
        return Ok(Vec::new());
    }
    let mut found = Undefined::new(names);
    while let Some(piece) = input.next()? {
        cancel.check()?;
        for (_, line) in piece.records() {
            found.look(line);
        }
    }
    let of_contig = |name: &Vec<u8>| {
        let name = String::from_utf8_lossy(name);
        let id = config.scoring.aliases.resolve(&name, contigs);
        contig_line(&name, id.map(|id| contigs.get(id).length))
    };
    // What is lifted lies on contigs of the FASTA, which are all there.
    let others = found.contigs().iter().filter(|_| config.liftover.is_none());
    let mut lines: Vec<String> = others.map(of_contig).collect();
    lines.extend(found.into_lines());
    Ok(lines)
}

/// Definitions of the INFO fields.
fn definitions(fields: &Fields, setup: &Setup, scoring: &Scoring) -> Vec<String> {
    let windows = match scoring.windows {
        Windows::All => format!("mean over the {}-bp windows that hold it", setup.key.window),
        Windows::Centre => format!("in the {}-bp window centred on it", setup.key.window),
    };
    let mut lines = Vec::new();
    for (name, task) in fields.effects.iter().zip(&setup.tasks) {
        let text = format!(
            "Predicted effect on {task}: activity of ALT - activity of REF, log2(RNA/DNA), {windows}"
        );
        lines.push(info_line(name, "A", "Float", &text));
    }
    for (name, task) in fields.spreads.iter().zip(&setup.tasks) {
        let members = setup.model.len();
        let text = format!(
            "Standard deviation of the effect on {task} over the {members} models whose mean it is"
        );
        lines.push(info_line(name, "A", "Float", &text));
    }
    for (name, task) in fields.p.iter().zip(&setup.tasks) {
        let text = format!(
            "Share of the background's single-base changes whose absolute effect on {task} is as large"
        );
        lines.push(info_line(name, "A", "Float", &text));
    }
    lines.push(info_line(
        &fields.most,
        "A",
        "Float",
        "The effect that is largest in absolute value over the tasks",
    ));
    lines.push(info_line(
        &fields.skip,
        ".",
        "String",
        "Why an ALT allele is not scored, for each in order; a dot where it is",
    ));
    lines
}

fn provenance(setup: &Setup, scoring: &Scoring, sample: Option<&Sample>) -> Vec<String> {
    let one_line = |text: String| text.replace(['\n', '\r'], " ");
    let mut lines = vec![
        format!("##mpra-scoreVersion={}", crate::VERSION),
        format!("##mpra-scoreModel=sha256:{}", setup.sha256),
        one_line(format!("##mpra-scoreCommand={}", scoring.command.join(" "))),
    ];
    if let Some(sample) = sample {
        let origin = &sample.origin;
        lines.push(one_line(format!(
            "##mpra-scoreBackground={} changes in {} windows of {}, seed {}, {} parts by GC",
            sample.changes(),
            sample.gc.len() / origin.key.window as usize,
            origin.regions,
            origin.seed,
            scoring.background.gc_bins
        )));
    }
    lines
}
