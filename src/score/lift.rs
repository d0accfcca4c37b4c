//! Regions of another build, and where those go that could not be lifted.

use std::fs::File;
use std::path::Path;

use super::{RegionSource, ScoreConfig};
use crate::Error;
use crate::genome::{BedSource, Fasta, Regions, read_moved_bed};
use crate::job::RunInfo;
use crate::liftover::{Chains, Rejects, RowLift, Tally};
use crate::output::{OutputDir, OutputError, WholeFile, check_file};

/// Name of the rows that could not be lifted, in the output folder.
pub(super) const REJECTED: &str = "rejected.bed";

/// Reads the regions, lifted where that is asked for, and what was lost.
///
/// # Errors
/// When the BED or the chain file cannot be read, when no row can be lifted, and when the file that is
/// named for lost rows may not be written.
pub(super) fn regions(
    config: &ScoreConfig,
    fasta: &Fasta,
    spool: &Path,
) -> Result<(Regions, Option<Rejects>), Error> {
    let (contigs, aliases) = (&**fasta.contigs(), &config.aliases);
    let RegionSource::Bed(source) = &config.regions else {
        return Ok((Regions::whole_contigs(contigs, spool)?, None));
    };
    let genome = (contigs, aliases);
    let Some(liftover) = &config.liftover else {
        let regions = read_moved_bed(source, genome, config.rows, spool, None)?;
        return Ok((regions, None));
    };
    if let Some(path) = &liftover.rejects {
        let mut inputs = vec![fasta.path(), &liftover.chains];
        if let BedSource::File(path) = source {
            inputs.push(path);
        }
        check_file(path, config.existing.force, &inputs)?;
    }
    let chains = Chains::read(&liftover.chains, aliases)?;
    chains.check(fasta.path(), contigs)?;
    let mut lift = RowLift::new(&chains, genome, spool)?;
    let regions = read_moved_bed(source, genome, config.rows, spool, Some(&mut lift))?;
    Ok((regions, Some(lift.finish(&source.name())?)))
}

/// Writes the lost rows into the folder of the results, or to where they are to go; the latter file
/// is still to be given its name.
///
/// # Errors
/// When they cannot be written.
pub(super) fn write(
    config: &ScoreConfig,
    lost: Option<&mut Rejects>,
    out: &mut OutputDir,
) -> Result<Option<WholeFile>, OutputError> {
    let Some(lost) = lost else { return Ok(None) };
    let elsewhere = config.liftover.as_ref().and_then(|l| l.rejects.as_deref());
    let (path, whole) = match elsewhere {
        Some(path) => (
            path.to_owned(),
            Some(WholeFile::create(path, config.existing.force)?),
        ),
        None => (out.file(REJECTED), None),
    };
    let fail = |e| OutputError::Write(e, path.clone());
    let mut file = match &whole {
        Some(whole) => whole.file()?,
        None => File::create(&path).map_err(fail)?,
    };
    lost.copy_to(&mut file).map_err(fail)?;
    Ok(whole)
}

/// What `run.json` says of lifting.
pub(super) fn describe(config: &ScoreConfig, lost: Option<&Tally>, run: &mut RunInfo) {
    if let Some(liftover) = &config.liftover {
        run.input("chain", &liftover.chains);
    }
    if let Some(lost) = lost {
        let count = lost.object().into();
        run.counts.insert("rows_not_lifted".into(), count);
    }
}
