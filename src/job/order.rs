use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use super::{Cancel, JobError};

/// Finished pieces that may wait for an earlier one, for each thread.
const AHEAD: u64 = 4;

struct State<S> {
    source: S,
    given: u64,
    taken: u64,
    stop: bool,
}

struct Desk<S> {
    state: Mutex<State<S>>,
    room: Condvar,
    ahead: u64,
}

impl<S> Desk<S> {
    /// A worker that panicked ends the job when the scope joins it.
    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut State<S>)) {
        change(&mut self.lock());
        self.room.notify_all();
    }
}

/// Draws pieces from `source` (`None`: no more), lets `workers` work on them side by side, and
/// gives the results to `take` in the order of the pieces, on the calling thread. Only a few pieces
/// are under way at a time, so memory does not grow with the stream.
///
/// # Errors
/// The first error of `source`, a worker or `take`; [`JobError::Interrupted`] when the job is asked
/// to stop, whatever a worker that noticed says.
pub fn in_order<S, P, R, W, E>(
    source: &mut S,
    next: impl Fn(&mut S) -> Result<Option<P>, E> + Sync,
    workers: Vec<W>,
    mut take: impl FnMut(R) -> Result<(), E>,
    cancel: &Cancel,
) -> Result<(), E>
where
    S: Send,
    P: Send,
    R: Send,
    W: FnMut(P) -> Result<R, E> + Send,
    E: From<JobError> + Send,
{
    let desk = Desk {
        ahead: AHEAD * workers.len() as u64,
        state: Mutex::new(State {
            source,
            given: 0,
            taken: 0,
            stop: false,
        }),
        room: Condvar::new(),
    };
    // The next piece and its number, when there is room for its result.
    let draw = || -> Result<Option<(u64, P)>, E> {
        let mut state = desk.lock();
        loop {
            if state.stop || cancel.is_requested() {
                return Ok(None);
            }
            if state.given < state.taken + desk.ahead {
                break;
            }
            state = desk
                .room
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let piece = next(state.source);
        if !matches!(piece, Ok(Some(_))) {
            state.stop = true;
        }
        let number = state.given;
        state.given += 1;
        drop(state);
        desk.room.notify_all();
        Ok(piece?.map(|p| (number, p)))
    };
    let (sender, receiver) = mpsc::channel::<Result<(u64, R), E>>();
    let outcome = thread::scope(|scope| {
        for mut worker in workers {
            let (sender, draw) = (sender.clone(), &draw);
            let work = move || {
                loop {
                    let result = match draw() {
                        Ok(None) => return,
                        Ok(Some((number, piece))) => worker(piece).map(|r| (number, r)),
                        Err(e) => Err(e),
                    };
                    let failed = result.is_err();
                    if sender.send(result).is_err() || failed {
                        return;
                    }
                }
            };
            if let Err(e) = thread::Builder::new().spawn_scoped(scope, work) {
                desk.update(|s| s.stop = true);
                return Err(JobError::Thread(e).into());
            }
        }
        drop(sender);
        let mut waiting = BTreeMap::new();
        let mut due = 0;
        let taken = || -> Result<(), E> {
            for result in receiver {
                let (number, result) = result?;
                waiting.insert(number, result);
                while let Some(result) = waiting.remove(&due) {
                    take(result)?;
                    due += 1;
                    desk.update(|s| s.taken = due);
                }
            }
            Ok(())
        };
        let outcome = taken();
        desk.update(|s| s.stop = true);
        outcome
    });
    cancel.check()?;
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_pieces() {
        let mut left = 0u64;
        let workers: Vec<_> = (0..4)
            .map(|w| {
                move |n: u64| {
                    thread::sleep(std::time::Duration::from_micros((n * 7 + w) % 300));
                    Ok(n * n)
                }
            })
            .collect();
        let mut got = Vec::new();
        let next = |left: &mut u64| {
            *left += 1;
            Ok((*left <= 500).then_some(*left - 1))
        };
        let cancel = Cancel::default();
        in_order::<_, _, _, _, JobError>(
            &mut left,
            next,
            workers,
            |r: u64| {
                got.push(r);
                Ok(())
            },
            &cancel,
        )
        .unwrap();
        assert_eq!(got, (0..500).map(|n| n * n).collect::<Vec<u64>>());
    }

    #[test]
    fn a_job_that_is_asked_to_stop_has_taken_a_whole_beginning() {
        let cancel = Cancel::default();
        let workers = vec![|n: u64| Ok(n); 3];
        let next = |left: &mut u64| {
            *left += 1;
            Ok(Some(*left))
        };
        let mut taken = Vec::new();
        let outcome: Result<(), JobError> = in_order(
            &mut 0,
            next,
            workers,
            |n| {
                taken.push(n);
                if n == 100 {
                    cancel.request();
                }
                Ok(())
            },
            &cancel,
        );
        assert!(matches!(
            outcome,
            Err(JobError::Interrupted { kept: false })
        ));
        let expected: Vec<u64> = (1..=taken.len() as u64).collect();
        assert!(taken.len() >= 100 && taken == expected);
    }

    #[test]
    fn errors_end_the_job_wherever_they_arise() {
        let fail = |at: u64, stage: u8| {
            let error = || JobError::OtherJob(format!("{stage}"));
            let workers: Vec<_> = (0..3)
                .map(|_| {
                    move |n: u64| match stage == 1 && n == at {
                        true => Err(error()),
                        false => Ok(n),
                    }
                })
                .collect();
            let next = move |left: &mut u64| {
                *left += 1;
                match stage == 0 && *left == at {
                    true => Err(error()),
                    false => Ok((*left < 200).then_some(*left)),
                }
            };
            let take = move |n: u64| match stage == 2 && n == at {
                true => Err(error()),
                false => Ok(()),
            };
            in_order(&mut 0, next, workers, take, &Cancel::default())
        };
        for stage in 0..3 {
            let message = fail(50, stage).unwrap_err().to_string();
            assert!(message.contains(&format!(": {stage} ")), "{message}");
        }
        assert!(fail(50, 9).is_ok());
    }
}
