//! Every job on spoiled inputs: whatever a file holds, a job ends soon, with results or with an error that helps.
//!
//! Each kind is a command and one of the files that it reads. It runs in a process of its own, as memory that is not
//! there ends one, and a job that hangs must be ended. `cargo test --test fuzz` runs a few inputs of each kind;
//! `make fuzz SECONDS=3600` spreads so much time over all, and prints a table. What fails is left in `target/fuzz` and
//! belongs into `tests/corpus`, then.

mod graphs;
mod kinds;
mod mutate;
#[path = "../tests/integration/support/mod.rs"]
#[allow(dead_code, reason = "shared with the integration tests")]
mod support;
mod worker;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Conclusion, Failed, Trial};

use kinds::Kind;
use support::jobs::copy_folder;
use worker::{Failure, Status};

/// Inputs of each kind where no time is given.
const SHORT: u64 = 24;

/// A job that runs longer is taken for one that hangs.
const LONGEST: Duration = Duration::from_secs(20);

/// Failures of a kind behind which the others are not looked for.
const MOST: usize = 5;

type Table = Arc<Mutex<BTreeMap<String, Status>>>;

fn main() {
    if let Some(kind) = std::env::var_os(worker::KIND) {
        worker::run(&kind.to_string_lossy());
        return;
    }
    let arguments = Arguments::from_args();
    let base = support::jobs::folder();
    let kinds = kinds::all(base.path());
    let seconds = std::env::var("FUZZ_SECONDS").ok();
    let seconds = seconds.map(|s| s.parse::<f64>().expect("FUZZ_SECONDS is a number"));
    let threads = arguments
        .test_threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |threads| threads.get()));
    let share = seconds.map(|s| Duration::from_secs_f64(s * threads as f64 / kinds.len() as f64));
    let table = Table::default();
    let trials = kinds.into_iter().map(|kind| {
        let (base, table) = (base.path().to_path_buf(), table.clone());
        Trial::test(kind.name(), move || {
            campaign(&kind, &base, share, &table).map_err(Failed::from)
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if seconds.is_some() {
        show(&table);
    }
    drop(base);
    Conclusion::exit(&conclusion);
}

/// Where inputs that failed are left.
fn found() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    target.map_or("fuzz".into(), |target| target.join("fuzz"))
}

fn campaign(
    kind: &Kind,
    base: &Path,
    share: Option<Duration>,
    table: &Table,
) -> Result<(), String> {
    let begun = Instant::now();
    let mut total = Status::default();
    while total.failures.len() < MOST {
        let left = share.map(|share| share.saturating_sub(begun.elapsed()));
        if total.runs > 0 && left.is_none_or(|left| left.is_zero()) {
            break;
        }
        let part = one_process(kind, base, total.next, left)?;
        let through = part.done;
        total.add(part);
        if through && share.is_none() {
            break;
        }
    }
    let failures = std::mem::take(&mut total.failures);
    let texts: Vec<String> = failures
        .iter()
        .map(|f| format!("input {}: {}: {}", f.index, f.what, f.text))
        .collect();
    total.failures = failures;
    let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
    table.insert(kind.name(), total);
    match texts.is_empty() {
        true => Ok(()),
        false => Err(format!("{}\ncommand: {}", texts.join("\n"), kind.line)),
    }
}

/// Runs inputs from one on in a process; whatever ends it is a failure of the input at which it was.
fn one_process(
    kind: &Kind,
    base: &Path,
    first: u64,
    left: Option<Duration>,
) -> Result<Status, String> {
    let work = tempfile::tempdir().map_err(|e| e.to_string())?;
    copy_folder(base, &work.path().join("base")).map_err(|e| e.to_string())?;
    let mut command = Command::new(std::env::current_exe().map_err(|e| e.to_string())?);
    command
        .env(worker::KIND, kind.name())
        .env(worker::FIRST, first.to_string())
        .env(worker::COUNT, left.map_or(SHORT, |_| u64::MAX).to_string())
        .env(
            worker::MILLISECONDS,
            left.unwrap_or(Duration::from_secs(3600))
                .as_millis()
                .to_string(),
        )
        .current_dir(work.path());
    let mut child = command.spawn().map_err(|e| e.to_string())?;
    let ended = watched(&mut child, work.path());
    let mut status = Status::read(work.path()).ok_or("the worker never began")?;
    status.next += 1;
    if let Some(what) = ended {
        status.runs += 1;
        status.failures.push(Failure {
            index: status.next - 1,
            what: what.into(),
            text: String::new(),
        });
        let from = work.path().join("base").join(&kind.file);
        let to = found().join(format!(
            "{}.{}",
            kind.name().replace([' ', '/', ':'], "_"),
            status.next - 1
        ));
        let _ = fs::create_dir_all(found());
        let _ = fs::copy(from, to);
    }
    Ok(status)
}

/// Waits for a worker, and ends one that hangs; how it ended, unless well.
fn watched(child: &mut Child, work: &Path) -> Option<&'static str> {
    let mut last = (u64::MAX, Instant::now());
    loop {
        match child.try_wait() {
            Ok(Some(ended)) => {
                let done = Status::read(work).is_some_and(|s| s.done);
                return (!ended.success() || !done).then_some("ended the process");
            }
            Ok(None) => {}
            Err(_) => return Some("cannot be waited for"),
        }
        let at = Status::read(work).map_or(u64::MAX, |s| s.next);
        if at != last.0 {
            last = (at, Instant::now());
        } else if last.1.elapsed() > LONGEST {
            let _ = child.kill();
            let _ = child.wait();
            return Some("hangs");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The table of all kinds.
fn show(table: &Table) {
    use std::io::Write;
    let table = table.lock().unwrap_or_else(PoisonError::into_inner);
    let mut out = std::io::stdout().lock();
    let mut sums = Status::default();
    let head =
        "| command: file | inputs | refused | without a hint | failed |\n|---|---|---|---|---|";
    let _ = writeln!(out, "{head}");
    let row = |name: &str, s: &Status| {
        let failed = s.failures.len();
        format!(
            "| {name} | {} | {} | {} | {failed} |",
            s.runs, s.refused, s.hintless
        )
    };
    for (name, status) in table.iter() {
        let _ = writeln!(out, "{}", row(name, status));
        sums.add(status.clone());
    }
    let _ = writeln!(out, "{}", row("all", &sums));
}
