use std::ops::Range;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::plan::{self, Plan, Unit};
use super::sink::{Sink, SinkState, activity_reduction, importance_reduction};
use super::tile::{UnitResult, Worker};
use super::{Anchor, Layout, Outputs};
use crate::Error;
use crate::genome::{Contigs, Fasta, Regions};
use crate::ism::Engine;
use crate::job::{Cancel, JobError, Progress, Shard, in_order, same_settings};
use crate::output::OutputDir;
use crate::tracks::bigwig::Encoder;

/// Bases of a unit under the regions' anchor.
const REGION_UNIT: u32 = 8_192;

/// A job whose inputs are read and whose output folder is open.
pub(super) struct Job<'a> {
    pub layout: Layout,
    pub outputs: Outputs,
    pub fasta: &'a Fasta,
    pub regions: Regions,
    pub out: OutputDir,
    pub shard: Option<Shard>,
    /// Everything that the results depend on.
    pub key: Value,
    pub resume: bool,
    pub checkpoint_every: Duration,
}

/// What a run leaves behind to be taken up by another.
#[derive(Serialize, Deserialize)]
struct Notes {
    job: Value,
    /// The first unit that is not in the files.
    next_unit: u64,
    files: SinkState,
}

/// Which units a run scores, and how many bases they have.
struct Share {
    units: Range<u64>,
    bases: u64,
    /// Bases of the units before `from`.
    bases_before: u64,
}

impl Job<'_> {
    /// Scores everything; the files still lie under their temporary names, and are not completed.
    pub fn score(
        &mut self,
        engines: Vec<Box<dyn Engine>>,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Sink, Error> {
        let contigs = self.fasta.contigs().clone();
        plan::sort(&mut self.regions.scorable, &contigs);
        let unit_length = match self.layout.anchor {
            Anchor::Genome => engines.iter().map(|e| e.stretch()).min().unwrap_or(1),
            // Cuts between units show as cuts of activity bins: they must not depend on the engine.
            Anchor::Region => REGION_UNIT,
        };
        let notes: Option<Notes> = self.out.checkpoint()?;
        if let Some(notes) = &notes {
            same_settings(&notes.job, &self.key)?;
        }
        let share = self.share(&contigs, unit_length, notes.as_ref().map(|n| n.next_unit));
        let state = notes.map(|n| n.files).unwrap_or_default();
        let folder = self.out.partial();
        let mut sink = Sink::open(folder, &self.layout, self.outputs, &contigs, &state)?;

        self.out.reserve(&match self.shard {
            Some(_) => sink.unfinished_files(),
            None => sink.result_files(),
        })?;

        progress.start(share.bases);
        progress.resumed(share.bases_before);
        let mut workers = Vec::with_capacity(engines.len());
        for engine in engines {
            workers.push(Worker {
                layout: &self.layout,
                outputs: &self.outputs,
                contigs: &contigs,
                regions: &self.regions.scorable,
                engine,
                reader: self.fasta.reader()?,
                activity_encoder: Encoder::new(activity_reduction(self.layout.lattice.stride())),
                importance_encoder: Encoder::new(importance_reduction()),
                codes: Vec::new(),
            });
        }

        let workers = workers
            .into_iter()
            .map(|mut worker| move |unit: Unit| worker.run(&unit))
            .collect();
        let mut plan = self
            .plan(&contigs, unit_length)
            .skip_to(share.units.start)
            .take_while(|unit| unit.number < share.units.end);
        let mut next = share.units.start;
        let mut noted = Instant::now();
        let outcome = in_order(
            &mut plan,
            |plan| Ok(plan.next()),
            workers,
            |result: UnitResult| {
                sink.write(&result)?;
                progress.advance(result.bases);
                next += 1;
                if noted.elapsed() >= self.checkpoint_every {
                    self.note(&mut sink, next)?;
                    noted = Instant::now();
                }
                Ok(())
            },
            cancel,
        );
        progress.finish();
        match outcome {
            Ok(()) => {}
            Err(Error::Job(JobError::Interrupted { .. })) => {
                if self.resume {
                    self.note(&mut sink, next)?;
                }
                return Err(JobError::Interrupted { kept: self.resume }.into());
            }
            Err(e) => return Err(e),
        }
        if self.resume {
            // Finishing takes a while, too, and begins anew from here when it is cut short.
            self.note(&mut sink, next)?;
        }
        Ok(sink)
    }

    fn plan<'p>(&'p self, contigs: &'p Contigs, unit_length: u32) -> Plan<'p> {
        Plan::new(
            contigs,
            &self.regions.scorable,
            self.layout.lattice,
            unit_length,
        )
    }

    /// The units of this run: of its shard, from where an earlier run stopped.
    fn share(&self, contigs: &Contigs, unit_length: u32, from: Option<u64>) -> Share {
        let bases = |unit: &Unit| {
            unit.wanted()
                .iter()
                .map(|i| u64::from(i.len()))
                .sum::<u64>()
        };
        let total: u64 = self
            .plan(contigs, unit_length)
            .map(|unit| bases(&unit))
            .sum();
        let mut share = Share {
            units: 0..0,
            bases: 0,
            bases_before: 0,
        };
        let mut before = 0u64;
        let mut first = None;
        for unit in self.plan(contigs, unit_length) {
            let size = bases(&unit);
            let mine = self.shard.is_none_or(|shard| shard.holds(before, total));
            before += size;
            if mine {
                first.get_or_insert(unit.number);
                share.units.end = unit.number + 1;
                share.bases += size;
                if from.is_some_and(|from| unit.number < from) {
                    share.bases_before += size;
                }
            }
        }
        let first = first.unwrap_or(share.units.end);
        share.units.start = from.unwrap_or(first).max(first);
        share
    }

    fn note(&self, sink: &mut Sink, next_unit: u64) -> Result<(), Error> {
        let notes = Notes {
            job: self.key.clone(),
            next_unit,
            files: sink.state()?,
        };
        Ok(self.out.write_checkpoint(&notes)?)
    }
}
