//! Choosing the engine, and checking the fast one on the actual input.

use std::sync::Arc;

use super::config::{EngineChoice, ScoreConfig, Strand};
use super::{Layout, ScoreError, plan};
use crate::encode::UNKNOWN;
use crate::genome::{Fasta, Interval, Regions};
use crate::ism::fast::{FastEngine, Plan, Strands, Tables, check_against_full};
use crate::ism::{Engine, FullEngine, Stretch};
use crate::model::{BothStrands, Cancellable, Model};
use crate::{Cancel, Error};

/// Bases of a stretch that the fast engine is checked on, and how many such stretches.
const CHECKED_BASES: u32 = 8;
const CHECKED: usize = 4;

/// Places that are tried for stretches with known bases.
const TRIED: usize = 64;

/// The engine of a job, once for all threads.
pub(super) enum Kind {
    Full,
    Fast(Arc<Tables>),
}

impl Kind {
    /// Takes the fast engine where the graph allows it and the user did not ask for the other.
    ///
    /// # Errors
    /// [`ScoreError::NotFast`] when the fast engine is asked for and cannot do the graph.
    pub fn choose(config: &ScoreConfig, model: &Model) -> Result<Self, Error> {
        if config.engine == EngineChoice::Full {
            return Ok(Self::Full);
        }
        match Plan::new(model.file(), model.spec()) {
            Ok(plan) => {
                tracing::info!("engine fast: {}", plan.describe());
                Ok(Self::Fast(Tables::build(&plan)))
            }
            Err(reason) if config.engine == EngineChoice::Fast => {
                Err(ScoreError::NotFast(reason.to_string()).into())
            }
            Err(reason) => {
                tracing::warn!("engine full, hundreds of times slower than fast: {reason}");
                Ok(Self::Full)
            }
        }
    }

    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Fast(_) => "fast",
        }
    }

    /// One engine, for one thread.
    pub fn engine(
        &self,
        config: &ScoreConfig,
        model: &Model,
        cancel: &Cancel,
    ) -> Result<Box<dyn Engine>, Error> {
        Ok(match self {
            Self::Fast(tables) => Box::new(FastEngine::new(
                tables,
                match config.strand {
                    Strand::Forward => Strands::Forward,
                    Strand::Both => Strands::Both,
                },
            )),
            Self::Full => full(config, model, cancel)?,
        })
    }

    /// Scores a few stretches of the actual input with both engines. Nothing to do for the full
    /// one, or where no base is known.
    ///
    /// # Errors
    /// [`ScoreError::EnginesDiffer`] when they do not agree.
    pub fn check(
        &self,
        config: &ScoreConfig,
        model: &Model,
        cancel: &Cancel,
        layout: &Layout,
        fasta: &Fasta,
        regions: &Regions,
    ) -> Result<(), Error> {
        if matches!(self, Self::Full) || regions.scorable.is_empty() {
            return Ok(());
        }
        let mut fast = self.engine(config, model, cancel)?;
        let mut full = full(config, model, cancel)?;
        let mut reader = fasta.reader()?;
        let mut sorted = regions.scorable.clone();
        plan::sort(&mut sorted, fasta.contigs());
        let total: u64 = sorted.iter().map(|r| u64::from(r.bases.len())).sum();
        let window = layout.lattice.window();
        let mut checked = 0;
        let mut codes = Vec::new();
        // Places spread evenly over all bases of the input, from the middle of each share.
        for place in (0..TRIED as u64).map(|i| (2 * i + 1) * total / (2 * TRIED as u64)) {
            let mut before = 0;
            let Some(region) = sorted.iter().find(|r| {
                before += u64::from(r.bases.len());
                before > place
            }) else {
                break;
            };
            let start =
                region.bases.end() - (before - place).min(u64::from(region.bases.len())) as u32;
            let end = region.bases.end().min(start + CHECKED_BASES);
            let Some(wanted) = Interval::new(start, end).filter(|i| !i.is_empty()) else {
                continue;
            };
            let wanted = [wanted];
            let (origin, len) = Stretch::needs(window, &wanted);
            codes.clear();
            reader.fetch(region.contig, origin, len, &mut codes)?;
            if codes.iter().filter(|&&c| c == UNKNOWN).count() * 4 > codes.len() {
                continue;
            }
            let stretch = Stretch {
                lattice: layout.lattice,
                codes: &codes,
                origin,
                wanted: &wanted,
            };
            check_against_full(fast.as_mut(), full.as_mut(), &[stretch])
                .map_err(|e| ScoreError::EnginesDiffer(e.to_string()))?;
            checked += 1;
            if checked == CHECKED {
                break;
            }
        }
        tracing::info!("the fast engine equals the full one on {checked} stretches of the input");
        Ok(())
    }
}

fn full(config: &ScoreConfig, model: &Model, cancel: &Cancel) -> Result<Box<dyn Engine>, Error> {
    let batch = config.batch.get();
    let model = Cancellable::new(model.another()?, cancel.clone());
    Ok(match config.strand {
        Strand::Forward => Box::new(FullEngine::new(model, batch)),
        Strand::Both => Box::new(FullEngine::new(BothStrands::new(model), batch)),
    })
}
