use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::mpsc;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::config::Shard;
use super::plan::{self, Plan, Unit};
use super::sink::{Sink, SinkState, activity_reduction, importance_reduction};
use super::tile::{UnitResult, Worker};
use super::{Anchor, Layout, Outputs, ScoreError};
use crate::genome::{Contigs, Fasta, Regions};
use crate::ism::Engine;
use crate::model::ModelError;
use crate::output::OutputDir;
use crate::tracks::bigwig::Encoder;
use crate::{Cancel, Error};

/// Finished units that may wait for an earlier one, for each thread.
const AHEAD: u64 = 4;

/// Bases of a unit under the regions' anchor.
const REGION_UNIT: u32 = 8_192;

/// Is told how far a job is.
pub trait Progress: Sync {
    /// Scoring begins: so many bases in all.
    fn start(&self, bases: u64);
    /// So many bases were done by an earlier run.
    fn resumed(&self, bases: u64);
    /// So many more bases are done.
    fn advance(&self, bases: u64);
    /// Scoring is over.
    fn finish(&self);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _: u64) {}
    fn resumed(&self, _: u64) {}
    fn advance(&self, _: u64) {}
    fn finish(&self) {}
}

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
        if self.outputs.saturation
            && self.regions.common_length().is_none()
            && !self.regions.scorable.is_empty()
        {
            return Err(ScoreError::UnequalRegions.into());
        }
        let unit_length = match self.layout.anchor {
            Anchor::Genome => engines.iter().map(|e| e.stretch()).min().unwrap_or(1),
            // Cuts between units show as cuts of activity bins: they must not depend on the engine.
            Anchor::Region => REGION_UNIT,
        };
        let notes: Option<Notes> = self.out.checkpoint()?;
        if let Some(notes) = &notes {
            same_job(&notes.job, &self.key)?;
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
        let dispenser = Dispenser {
            state: Mutex::new(Dispensed {
                plan: self.plan(&contigs, unit_length).skip_to(share.units.start),
                written: share.units.start,
                stop: false,
            }),
            room: Condvar::new(),
            ahead: AHEAD * engines.len() as u64,
            end: share.units.end,
        };
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

        let (sender, receiver) = mpsc::channel::<Result<UnitResult, Error>>();
        let outcome = thread::scope(|scope| {
            for mut worker in workers {
                let sender = sender.clone();
                let dispenser = &dispenser;
                let work = move || {
                    while let Some(unit) = dispenser.next(cancel) {
                        let result = worker.run(&unit);
                        if let Err(Error::Model(ModelError::Cancelled)) = result {
                            return;
                        }
                        let failed = result.is_err();
                        if sender.send(result).is_err() || failed {
                            return;
                        }
                    }
                };
                if let Err(e) = thread::Builder::new().spawn_scoped(scope, work) {
                    dispenser.stop();
                    return Err(ScoreError::Threads(e).into());
                }
            }
            drop(sender);
            let outcome = self.write_in_order(
                &receiver,
                &dispenser,
                &mut sink,
                share.units.start,
                progress,
            );
            dispenser.stop();
            outcome
        });
        progress.finish();
        let next = outcome?;
        if next < share.units.end {
            // Workers stop early only when the job is cancelled.
            debug_assert!(cancel.is_requested());
            if self.resume {
                self.note(&mut sink, next)?;
            }
            return Err(Error::Interrupted { kept: self.resume });
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

    /// Takes results as they come and writes them in the order of the units. Returns the first
    /// unit that was not written.
    fn write_in_order(
        &self,
        receiver: &mpsc::Receiver<Result<UnitResult, Error>>,
        dispenser: &Dispenser<'_>,
        sink: &mut Sink,
        first: u64,
        progress: &dyn Progress,
    ) -> Result<u64, Error> {
        let mut waiting = BTreeMap::new();
        let mut next = first;
        let mut noted = Instant::now();
        for result in receiver {
            let result = result?;
            waiting.insert(result.number, result);
            while let Some(result) = waiting.remove(&next) {
                sink.write(&result)?;
                progress.advance(result.bases);
                next += 1;
                dispenser.written(next);
                if noted.elapsed() >= self.checkpoint_every {
                    self.note(sink, next)?;
                    noted = Instant::now();
                }
            }
        }
        Ok(next)
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

/// Compares what two runs depend on.
///
/// # Errors
/// [`ScoreError::OtherJob`] with the names of what differs.
pub(super) fn same_job(left: &Value, right: &Value) -> Result<(), Error> {
    if left == right {
        return Ok(());
    }
    let mut differing = Vec::new();
    differences("", left, right, &mut differing);
    Err(ScoreError::OtherJob(differing.join(", ")).into())
}

fn differences(path: &str, left: &Value, right: &Value, out: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let path = match path.is_empty() {
                    true => key.clone(),
                    false => format!("{path} {key}"),
                };
                let null = Value::Null;
                differences(
                    &path,
                    a.get(key).unwrap_or(&null),
                    b.get(key).unwrap_or(&null),
                    out,
                );
            }
        }
        _ if left != right => out.push(path.to_owned()),
        _ => {}
    }
}

/// Hands out units in order, never too far ahead of the one being written.
struct Dispenser<'a> {
    state: Mutex<Dispensed<'a>>,
    room: Condvar,
    ahead: u64,
    end: u64,
}

struct Dispensed<'a> {
    plan: Plan<'a>,
    written: u64,
    stop: bool,
}

impl<'a> Dispenser<'a> {
    /// A worker that panicked ends the job when the scope joins it; until then the plan is whole,
    /// since it changes only in `next`.
    fn lock(&self) -> MutexGuard<'_, Dispensed<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next unit; `None` when there is no more, or the job has ended.
    fn next(&self, cancel: &Cancel) -> Option<Unit> {
        let mut state = self.lock();
        loop {
            let given = state.plan.given();
            if state.stop || cancel.is_requested() || given >= self.end {
                return None;
            }
            if given < state.written + self.ahead {
                return state.plan.next();
            }
            state = self
                .room
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn written(&self, units: u64) {
        self.lock().written = units;
        self.room.notify_all();
    }

    fn stop(&self) {
        self.lock().stop = true;
        self.room.notify_all();
    }
}
