//! What a job's counts say of its input.

use super::VariantError;
use super::annotate::Shared;
use super::build::Told;
use super::counts::Counts;
use super::lift;
use crate::Error;
use crate::liftover::{Chains, LiftoverError};

/// Refuses lifting of which nothing came, and says where much may mean nothing.
pub(super) fn lifting(
    counts: &Counts,
    shared: &Shared<'_>,
    chains: Option<&Chains>,
) -> Result<(), LiftoverError> {
    let Some(chains) = chains else { return Ok(()) };
    let lost = counts.lost.total();
    if counts.records == 0 && lost > 0 {
        let unknown = counts.first_unknown.as_deref();
        return Err(LiftoverError::NothingLifted {
            path: shared.name.clone(),
            rows: lost,
            what: counts.lost.clone(),
            similar: unknown.and_then(|name| chains.sources().similar(name).map(str::to_owned)),
        });
    }
    let differ: u64 = (counts.lost.iter())
        .filter(|(reason, _)| lift::differs(reason))
        .map(|(_, n)| n)
        .sum();
    if differ * 20 > counts.records + differ {
        tracing::warn!(
            "REF differs from the new genome in {differ} of {} lifted records: are they of the build that the chain file leads from?",
            counts.records + differ
        );
    }
    Ok(())
}

/// Refuses results of which none means anything, and says where many may not.
pub(super) fn records(
    counts: &Counts,
    shared: &Shared<'_>,
    build: Option<Told>,
) -> Result<(), Error> {
    let build = build.map(|told| told.text);
    if counts.records == 0 {
        tracing::warn!("no records in {}", shared.name);
        return Ok(());
    }
    if counts.off_contig == counts.records {
        let contig = counts.first_off.clone().unwrap_or_default();
        return Err(VariantError::NoContig {
            path: shared.name.clone(),
            records: counts.records,
            similar: shared.contigs.similar(&contig).map(str::to_owned),
            contig,
        }
        .into());
    }
    if counts.compared > 0 && counts.mismatches == counts.compared {
        return Err(VariantError::AllMismatch {
            path: shared.name.clone(),
            records: counts.compared,
            build,
        }
        .into());
    }
    // A wrong build still agrees in a quarter of the bases.
    if counts.mismatches * 20 > counts.compared {
        let told = build.unwrap_or_else(|| "is the FASTA of the same build?".into());
        tracing::warn!(
            "REF differs from the genome in {} of {} records: {told}",
            counts.mismatches,
            counts.compared
        );
    }
    if let (changed, Some(first)) = &counts.changed {
        tracing::warn!(
            "{changed} values are not in the BCF as the VCF has them, the first in {first}: they are none of the header's type, or too large"
        );
    }
    if counts.off_contig > 0 {
        tracing::warn!(
            "{} of {} records lie on contigs that the FASTA lacks, the first on {:?}",
            counts.off_contig,
            counts.records,
            counts.first_off.as_deref().unwrap_or("")
        );
    }
    Ok(())
}
