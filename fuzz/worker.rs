//! One process of a campaign: runs a kind's inputs, one after the other, and writes down how far it is.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mpra_score::Cancel;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde::{Deserialize, Serialize};

use crate::kinds::{self, Kind};
use crate::support::jobs::no_number;
use crate::{graphs, mutate};

/// Variables that tell a worker what to do.
pub const KIND: &str = "FUZZ_KIND";
pub const FIRST: &str = "FUZZ_FIRST";
pub const COUNT: &str = "FUZZ_COUNT";
pub const MILLISECONDS: &str = "FUZZ_MILLISECONDS";

/// Memory that a job on inputs of kilobytes may take, beside what the process has when it begins.
const MEMORY: u64 = 3 << 30;

/// Longest message: of what was found only a piece is told.
const LONGEST: usize = 2000;

/// How far a worker is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// The input that is being run.
    pub next: u64,
    /// Inputs that were run.
    pub runs: u64,
    /// Those that were refused.
    pub refused: u64,
    /// Those that were refused without a way to mend it.
    pub hintless: u64,
    /// Whether there is nothing left to do.
    pub done: bool,
    /// What failed.
    pub failures: Vec<Failure>,
}

/// What an input made a job do that it must not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    pub index: u64,
    pub what: String,
    pub text: String,
}

const STATUS: &str = "status";

impl Status {
    /// As the worker of this folder has it, once it has begun.
    pub fn read(work: &Path) -> Option<Self> {
        // Written over at once, but for the filling behind it.
        let text = fs::read_to_string(work.join(STATUS)).ok()?;
        serde_json::from_str(text.trim_end()).ok()
    }

    pub fn add(&mut self, other: Self) {
        self.next = other.next;
        self.runs += other.runs;
        self.refused += other.refused;
        self.hintless += other.hintless;
        self.failures.extend(other.failures);
    }
}

static PANIC: Mutex<Option<String>> = Mutex::new(None);

fn number(name: &str) -> u64 {
    let text = std::env::var(name).unwrap_or_default();
    text.parse()
        .unwrap_or_else(|_| panic!("{name} is a number"))
}

/// The input that stands in the place of a file, always the same for an index.
fn spoiled(kind: &Kind, bytes: &[u8], index: u64) -> Vec<u8> {
    let mut seed = [0; 32];
    for (at, byte) in kind.name().bytes().enumerate() {
        seed[at % 24] ^= byte.rotate_left(at as u32 / 24);
    }
    seed[24..].copy_from_slice(&index.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    if kind.is_model() && index % 2 == 1 {
        let changes = graphs::changes().new_tree(&mut runner);
        return graphs::changed(bytes, &changes.expect("always one").current());
    }
    let changes = mutate::mutations().new_tree(&mut runner);
    let changes = changes.expect("always one").current();
    // Of what is packed, half of the time what is inside.
    if index.is_multiple_of(2)
        && let Some(inside) = kinds::unpacked(&kind.file, bytes)
    {
        return kinds::packed(&mutate::mutated(&inside, &changes));
    }
    mutate::mutated(bytes, &changes)
}

/// Runs the kind of this name in the folder's `base`.
pub fn run(name: &str) {
    let work = std::env::current_dir().expect("a folder");
    let base = work.join("base");
    std::env::set_current_dir(&base).expect("a folder");
    let kinds = kinds::all(&base);
    let kind = kinds.iter().find(|k| k.name() == name).expect("a kind");
    let sound = fs::read(&kind.file).expect("the kind's file");
    let (first, count) = (number(FIRST), number(COUNT));
    let until = Instant::now() + Duration::from_millis(number(MILLISECONDS));
    std::panic::set_hook(Box::new(|info| {
        let mut text = PANIC.lock().unwrap_or_else(PoisonError::into_inner);
        text.get_or_insert_with(|| info.to_string());
    }));
    // Once as it is: what is taken at the first run is not the input's.
    let clean = job(kind);
    assert!(clean.is_ok(), "the sound input: {clean:?}");
    let expected = kind.sealed.then(|| results(Path::new(kinds::OUT)));
    remove();
    limit_memory();
    let before = listing(Path::new("."));
    let file = fs::File::create(work.join(STATUS)).expect("a file");
    let mut status = Status::default();
    let mut length = 0;
    let mut note = |status: &Status| {
        let mut text = serde_json::to_string(status).expect("plain data");
        length = length.max(text.len());
        text.extend(std::iter::repeat_n(' ', length - text.len()));
        file.write_all_at(text.as_bytes(), 0).expect("a small file");
    };
    for index in first..first.saturating_add(count) {
        if Instant::now() > until {
            break;
        }
        status.next = index;
        note(&status);
        let input = spoiled(kind, &sound, index);
        fs::write(&kind.file, &input).expect("a file");
        let outcome = job(kind);
        status.runs += 1;
        let mut failure = None;
        let mut fail = |what: &str, text: String| {
            failure.get_or_insert_with(|| Failure {
                index,
                what: what.into(),
                text,
            });
        };
        if let Some(text) = PANIC.lock().unwrap_or_else(PoisonError::into_inner).take() {
            fail("panics", text);
        }
        match outcome {
            Ok(()) => {
                if let Some(expected) = &expected
                    && results(Path::new(kinds::OUT)) != *expected
                {
                    fail(
                        "passes silently",
                        "other results than of the sound file".into(),
                    );
                }
                // Columns of an input are passed on as they are.
                if !has_infinity(&input)
                    && let Some(text) = no_number(Path::new(kinds::OUT))
                {
                    fail("writes what is no number", text);
                }
            }
            Err((text, hint)) => {
                status.refused += 1;
                if hint.is_none() {
                    status.hintless += 1;
                    tell(kind, &text);
                }
                let control = |c: char| c.is_control() && c != '\n' && c != '\t';
                if text.len() > LONGEST || text.chars().any(control) {
                    let start = text.chars().take(300).collect::<String>();
                    fail(
                        "says it at length or with control characters",
                        format!("{start:?}"),
                    );
                }
                if text.contains("report this") {
                    fail("asks to be reported", text);
                }
                let left: Vec<PathBuf> = (listing(Path::new(".")).difference(&before))
                    .cloned()
                    .collect();
                if !left.is_empty() {
                    fail("leaves files", format!("{left:?}"));
                }
            }
        }
        if let Some(failure) = failure {
            let to = crate::found();
            let _ = fs::create_dir_all(&to);
            let name = kind.name().replace([' ', '/', ':'], "_");
            let _ = fs::write(to.join(format!("{name}.{index}")), &input);
            status.failures.push(failure);
        }
        remove();
    }
    status.done = true;
    note(&status);
}

/// Runs the command in this process.
fn job(kind: &Kind) -> Result<(), (String, Option<String>)> {
    let words = kind.words().into_iter().map(OsString::from);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        mpra_score::cli::run(words, &Cancel::default())
    }));
    match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(e)) => Err((e.text, e.hint)),
        // The hook has its words.
        Err(_) => Ok(()),
    }
}

fn remove() {
    let out = Path::new(kinds::OUT);
    let _ = match out.is_dir() {
        true => fs::remove_dir_all(out),
        false => fs::remove_file(out),
    };
}

/// All files below a folder.
fn listing(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten().flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => folders.push(path),
                false => drop(found.insert(path)),
            }
        }
    }
    found
}

/// All results but `run.json`.
fn results(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let of = |path: PathBuf| (path.clone(), fs::read(path).unwrap_or_default());
    let files = listing(folder).into_iter();
    files.filter(|p| !p.ends_with("run.json")).map(of).collect()
}

/// Refusals without a hint, for who looks for the way that they might tell (`FUZZ_WORDS=FILE`).
fn tell(kind: &Kind, text: &str) {
    use std::io::Write;
    if let Some(path) = std::env::var_os("FUZZ_WORDS") {
        let file = fs::File::options().append(true).create(true).open(path);
        let line = text.replace('\n', " ");
        let _ = file.and_then(|mut file| writeln!(file, "{}\t{line}", kind.name()));
    }
}

fn has_infinity(input: &[u8]) -> bool {
    let lower = input.to_ascii_lowercase();
    lower.windows(3).any(|w| w == b"inf" || w == b"nan")
}

/// A job on a small file that takes so much has believed what the file says.
fn limit_memory() {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let size = status.lines().find_map(|l| l.strip_prefix("VmSize:"));
    let size = size.and_then(|s| s.split_whitespace().next()?.parse::<u64>().ok());
    if let Some(size) = size {
        let limit = (size << 10) + MEMORY;
        let _ = rlimit::setrlimit(rlimit::Resource::AS, limit, limit);
    }
}
