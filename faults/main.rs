//! Every job under circumstances that fail: signals, kill -9, a full disk, few handles, little memory, links, two runs at
//! once, inputs that change, outputs that are inputs, closed descriptors.
//!
//! A job ends soon, with its results or with an error in words; what was there before is whole, nothing else is left, and
//! nothing keeps the next run from its work. `cargo test --test faults` takes a few moments of each job; `make faults` takes
//! 50 (or `MOMENTS=`), and prints the table of docs/reliability.md.

#[path = "../tests/integration/support/mod.rs"]
#[allow(dead_code, reason = "shared with the integration tests")]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use tempfile::TempDir;

use support::jobs::{JOBS, copy_folder, files, gwas_table, results, words};

/// A job that does not end by then hangs.
const LONGEST: Duration = Duration::from_secs(20);

/// Of all jobs of a fault: runs, those with results, and those with an error in words.
type Table = Arc<Mutex<BTreeMap<&'static str, [u64; 3]>>>;

type Files = Vec<(PathBuf, Vec<u8>)>;

/// Jobs that are not in the jobs' table.
const MORE: [(&str, &str); 3] = [
    ("predict", "predict data.tsv --model count.onnx"),
    (
        "variants of a GWAS",
        "variants --sumstats gwas.tsv --fasta genome.fa --model count.onnx --background none",
    ),
    ("report", "report out/score"),
];

/// A fault: its name, and what makes it of a job.
type Fault = (&'static str, fn(&mut Job, usize) -> Result<(), String>);

const FAULTS: [Fault; 12] = [
    ("signal", signal),
    ("kill -9", killed),
    ("full disk", full_disk),
    ("few handles", few_handles),
    ("little memory", little_memory),
    ("no place to write", no_place),
    ("links in the way", links),
    ("two runs at once", two_runs),
    ("input changes", changing),
    ("output is input", output_is_input),
    ("closed descriptors", closed),
    ("pipe without a writer", pipes),
];

fn main() {
    let arguments = Arguments::from_args();
    let given = std::env::var("FAULT_MOMENTS").ok();
    let moments = given
        .as_ref()
        .map_or(2, |m| m.parse().expect("FAULT_MOMENTS is a number"));
    let base = support::jobs::folder();
    results(base.path());
    gwas_table(base.path());
    let shim = shim(base.path());
    let (table, base) = (Table::default(), Arc::new(base));
    let mut trials = Vec::new();
    for (name, line) in JOBS.into_iter().chain(MORE) {
        for (fault, run) in FAULTS {
            let (table, base, shim) = (table.clone(), base.clone(), shim.clone());
            let shard = if line.contains("--shard") {
                " shard"
            } else {
                ""
            };
            trials.push(Trial::test(format!("{fault}: {name}{shard}"), move || {
                let mut job = Job::new(&base, line, shim)?;
                let outcome = run(&mut job, moments);
                let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
                let sums = table.entry(fault).or_default();
                sums.iter_mut().zip(job.counts).for_each(|(a, b)| *a += b);
                outcome.map_err(Failed::from)
            }));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if given.is_some() {
        use std::io::Write;
        let mut out = std::io::stdout().lock();
        let _ = writeln!(
            out,
            "| fault | runs | results | errors |\n|---|---|---|---|"
        );
        let table = table.lock().unwrap_or_else(PoisonError::into_inner);
        for (fault, [runs, results, errors]) in table.iter() {
            let _ = writeln!(out, "| {fault} | {runs} | {results} | {errors} |");
        }
    }
    conclusion.exit();
}

/// A library that makes a disk full, where a compiler is at hand.
fn shim(folder: &Path) -> Option<PathBuf> {
    let to = folder.join("shim.so");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("faults/shim.c");
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&to, &from])
        .args(["-ldl"])
        .status();
    made.is_ok_and(|m| m.success()).then_some(to)
}

/// A job in a folder of its own.
struct Job {
    folder: TempDir,
    line: &'static str,
    shim: Option<PathBuf>,
    /// What it writes undisturbed, into [`OUT`].
    whole: Files,
    /// How long that took.
    time: Duration,
    counts: [u64; 3],
}

/// Where jobs write.
const OUT: &str = "made/out";

/// How a run ended.
struct Ended {
    status: ExitStatus,
    error: String,
}

impl Job {
    fn new(base: &TempDir, line: &'static str, shim: Option<PathBuf>) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        copy_folder(base.path(), folder.path()).map_err(|e| e.to_string())?;
        let mut job = Self {
            folder,
            line,
            shim,
            whole: Vec::new(),
            time: Duration::ZERO,
            counts: [0; 3],
        };
        let begun = Instant::now();
        let ended = job.run(&[], |_| {})?;
        job.time = begun.elapsed();
        if !ended.status.success() {
            return Err(format!("undisturbed: {}", ended.error));
        }
        job.whole = job.results();
        job.counts = [0; 3];
        job.clear();
        Ok(job)
    }

    fn here(&self) -> &Path {
        self.folder.path()
    }

    /// Words with `--out`.
    fn words(&self) -> Vec<String> {
        let mut words = words(self.line);
        let out = match words[0].as_str() {
            "variants" if self.line.contains("enrich") => OUT,
            "variants" if self.line.contains("--sumstats") => "made/out/x.tsv",
            "variants" => "made/out/x.vcf",
            "report" => "made/out/x.html",
            _ => OUT,
        };
        if out != OUT {
            let _ = fs::create_dir_all(self.here().join(OUT));
        }
        words.extend(["--out".into(), out.into()]);
        words
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mpra-score"));
        command.args(self.words()).args(more);
        command
    }

    /// Below a shell that limits something first.
    fn below(&self, shell: &str, more: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("{shell} exec \"$@\""), "sh"])
            .arg(env!("CARGO_BIN_EXE_mpra-score"))
            .args(self.words())
            .args(more);
        command
    }

    fn run(&mut self, more: &[&str], meanwhile: impl FnOnce(&Child)) -> Result<Ended, String> {
        let command = self.command(more);
        self.watch(command, meanwhile)
    }

    /// Runs a command to its end.
    fn watch(
        &mut self,
        mut command: Command,
        meanwhile: impl FnOnce(&Child),
    ) -> Result<Ended, String> {
        let log = tempfile::tempfile().map_err(|e| e.to_string())?;
        let to = log.try_clone().map_err(|e| e.to_string())?;
        let mut child = command
            .current_dir(self.here())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(to)
            .spawn()
            .map_err(|e| e.to_string())?;
        meanwhile(&child);
        let ended = wait(&mut child, self.line)?;
        let error = text(log);
        self.judge(ended, &error)?;
        Ok(Ended {
            status: ended,
            error,
        })
    }

    /// Counts a run; one that ended in another way than by results, an error or a signal failed.
    fn judge(&mut self, status: ExitStatus, error: &str) -> Result<(), String> {
        self.counts[0] += 1;
        match status.code() {
            Some(0) => self.counts[1] += 1,
            Some(1 | 130) => self.counts[2] += 1,
            None if [1, 2, 9, 15].contains(&status.signal().unwrap_or(0)) => self.counts[2] += 1,
            // The C library's own end, which nothing can hold up.
            None if error.contains("Fatal glibc error") => self.counts[2] += 1,
            Some(127) if error.contains("memory for thread-local data") => self.counts[2] += 1,
            _ => return Err(format!("{} ended with {status}: {error}", self.line)),
        }
        let said = error.contains("error: ") || error.contains("interrupted");
        if status.code() == Some(1) && !said && !error.is_empty() {
            return Err(format!("{}: no error in words: {error}", self.line));
        }
        for word in ["panicked", "report this", "ZipWriter"] {
            if error.contains(word) {
                return Err(format!("{}: {error}", self.line));
            }
        }
        Ok(())
    }

    fn results(&self) -> Files {
        match self.here().join("made").exists() {
            true => files(&self.here().join("made")),
            false => Vec::new(),
        }
    }

    fn clear(&self) {
        let _ = fs::remove_dir_all(self.here().join("made"));
    }

    /// The results are those of an undisturbed run, or none at all (or what was there).
    fn whole_or(&self, before: &Files, ended: &Ended) -> Result<(), String> {
        let now = self.results();
        let expected = match ended.status.success() {
            true => &self.whole,
            false => before,
        };
        match same(&now, expected) {
            None => Ok(()),
            Some(difference) => Err(format!(
                "{} ended with {} and left {difference}: {}",
                self.line, ended.status, ended.error
            )),
        }
    }

    /// Every second round over results that are there.
    fn earlier(&mut self, round: usize) -> Result<(Files, &'static [&'static str]), String> {
        self.clear();
        if round % 2 == 1 {
            self.run(&[], |_| {})?;
            return Ok((self.results(), &["--force"]));
        }
        Ok((Vec::new(), &[]))
    }
}

/// What is another: paths that are missing, more, or differ. Lines that say the command differ by its flags, the last
/// column of a course of training by its time.
fn same(now: &Files, expected: &Files) -> Option<String> {
    let names = |f: &Files| f.iter().map(|f| f.0.clone()).collect::<Vec<_>>();
    if names(now) != names(expected) {
        return Some(format!("{:?}", names(now)));
    }
    let bare = |(path, bytes): &(PathBuf, Vec<u8>)| -> Vec<u8> {
        let timed = path.ends_with("training.tsv");
        let untimed = |line: &[u8]| line.iter().rposition(|b| *b == b'\t').filter(|_| timed);
        let lines = bytes.split_inclusive(|b| *b == b'\n');
        let lines = lines.filter(|l| !l.starts_with(b"##mpra-scoreCommand"));
        let lines = lines.map(|l| &l[..untimed(l).unwrap_or(l.len())]);
        lines.collect::<Vec<_>>().concat()
    };
    let changing = |path: &Path| {
        // They hold the command or seconds, and the sum of what does.
        [
            "run.json.sha256",
            "x.run.json",
            "x.vcf.run.json",
            "x.tsv.run.json",
        ]
        .iter()
        .any(|name| path.ends_with(name))
    };
    let pairs = now.iter().zip(expected);
    let mut others = pairs.filter(|(a, b)| !changing(&a.0) && bare(a) != bare(b));
    others.next().map(|(a, _)| format!("{:?} changed", a.0))
}

fn text(mut file: fs::File) -> String {
    use std::io::{Read, Seek};
    let mut bytes = Vec::new();
    let _ = file.rewind();
    let _ = file.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn wait(child: &mut Child, line: &str) -> Result<ExitStatus, String> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            return Ok(status);
        }
        if begun.elapsed() > LONGEST {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("hangs: {line}"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn send(child: &Child, signal: i32) {
    // SAFETY: a signal to a child that was not waited for, so its number is nobody else's.
    unsafe { libc::kill(child.id() as i32, signal) };
}

/// Moments over the time of a run, each in another place of its share.
fn moment(time: Duration, round: usize, rounds: usize) -> Duration {
    let within = (round * 7919 % 97) as f64 / 97.0;
    time.mul_f64((round as f64 + within) / rounds as f64 * 1.1)
}

fn signal(job: &mut Job, moments: usize) -> Result<(), String> {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        for round in 0..moments {
            let (before, force) = job.earlier(round)?;
            let at = moment(job.time, round, moments);
            let ended = job.run(force, |child| {
                std::thread::sleep(at);
                send(child, signal);
            })?;
            let interrupted = ended.status.code() == Some(130) || ended.status.code().is_none();
            if !interrupted && !ended.status.success() {
                return Err(format!(
                    "{}: signal {signal} after {at:?}: {} {}",
                    job.line, ended.status, ended.error
                ));
            }
            job.whole_or(&before, &ended)
                .map_err(|e| format!("signal {signal} after {at:?}: {e}"))?;
        }
    }
    Ok(())
}

/// Ended at once, and run again: where a job can go on, with `--resume`.
fn killed(job: &mut Job, moments: usize) -> Result<(), String> {
    let resumes = job.line.starts_with("score")
        || job.line.starts_with("train --data")
        || (job.line.starts_with("variants") && !job.line.contains("enrich"));
    for round in 0..moments {
        let (_, force) = job.earlier(round)?;
        let at = moment(job.time, round, moments);
        let train = job.line.starts_with("train --data");
        let mut more = force.to_vec();
        if resumes && (!train || force.is_empty()) {
            more.extend(["--resume"]);
        }
        job.run(&more, |child| {
            std::thread::sleep(at);
            send(child, libc::SIGKILL);
        })?;
        // The same command again; unless it was through.
        let out = job.here().join(OUT);
        let names = ["run.json", "x.vcf", "x.tsv", "x.html"];
        let there = names.iter().any(|name| out.join(name).exists());
        if there && force.is_empty() {
            more.retain(|word| !train || *word != "--resume");
            more.push("--force");
        }
        let again = &more[..];
        let ended = job.run(again, |_| {})?;
        if !ended.status.success() {
            return Err(format!(
                "{} after kill -9 at {at:?}, with {again:?}: {}",
                job.line, ended.error
            ));
        }
        // A single file that was being written has a name of its own, beside that of the results.
        for entry in fs::read_dir(job.here().join(OUT))
            .into_iter()
            .flatten()
            .flatten()
        {
            if entry
                .file_name()
                .to_string_lossy()
                .starts_with(".mpra-score-")
            {
                let _ = fs::remove_file(entry.path());
            }
        }
        job.whole_or(&Vec::new(), &ended)
            .map_err(|e| format!("after kill -9 at {at:?}: {e}"))?;
    }
    Ok(())
}

fn full_disk(job: &mut Job, moments: usize) -> Result<(), String> {
    let Some(shim) = job.shim.clone() else {
        return Err("no C compiler for the library that makes a disk full".into());
    };
    // How many writes there are is found by doubling.
    let mut limit = 1;
    let mut at = 0;
    let mut step = 1;
    let mut round = 0;
    while at < limit {
        let (before, force) = job.earlier(round)?;
        let mut command = job.command(force);
        command
            .env("LD_PRELOAD", &shim)
            .env("FAULT_AT", at.to_string());
        let ended = job.watch(command, |_| {})?;
        job.whole_or(&before, &ended)
            .map_err(|e| format!("no space from write {at} on: {e}"))?;
        if !ended.status.success() {
            limit = at + step + 1;
        }
        round += 1;
        // Every one at first, then fewer.
        if round >= moments.max(6) {
            step = step * 3 / 2 + 1;
        }
        at += step;
    }
    Ok(())
}

fn few_handles(job: &mut Job, _: usize) -> Result<(), String> {
    for handles in [3, 4, 5, 6, 8, 10, 12, 16, 24] {
        let (before, force) = job.earlier(handles)?;
        let command = job.below(&format!("ulimit -n {handles};"), force);
        let ended = job.watch(command, |_| {});
        // With so few not even the program's libraries are loaded.
        let ended = match ended {
            Err(_) if handles < 6 => continue,
            ended => ended?,
        };
        job.whole_or(&before, &ended)
            .map_err(|e| format!("{handles} handles: {e}"))?;
    }
    Ok(())
}

fn little_memory(job: &mut Job, moments: usize) -> Result<(), String> {
    let sizes = [100, 150, 200, 250, 300, 400, 500, 700, 1000];
    for (round, megabytes) in sizes.into_iter().enumerate() {
        if moments < 10 && round % 3 != 1 {
            continue;
        }
        let (before, force) = job.earlier(round)?;
        let command = job.below(&format!("ulimit -v {};", megabytes << 10), force);
        let ended = job
            .watch(command, |_| {})
            .map_err(|e| format!("{megabytes} MB: {e}"))?;
        // What is left of a job whose memory was gone may lie in `.partial`, which keeps nobody from anything.
        let partial = job.here().join(OUT).join(".partial");
        let _ = fs::remove_dir_all(&partial);
        // A page says what it lacks where ONNX Runtime has no room.
        let less = job.line.starts_with("report") && ended.status.success();
        if less || (!ended.status.success() && before.is_empty()) {
            job.clear();
            continue;
        }
        job.whole_or(&before, &ended)
            .map_err(|e| format!("{megabytes} MB: {e}"))?;
    }
    Ok(())
}

fn no_place(job: &mut Job, _: usize) -> Result<(), String> {
    for place in ["/proc/made", "regions.bed/made", "/sys/made"] {
        let mut words = job.words();
        let last = words.len() - 1;
        words[last] = words[last].replace(OUT, place);
        let mut command = Command::new(env!("CARGO_BIN_EXE_mpra-score"));
        command.args(words);
        let ended = job.watch(command, |_| {})?;
        if ended.status.code() != Some(1) || !ended.error.contains(place) {
            return Err(format!(
                "{} into {place}: {} {}",
                job.line, ended.status, ended.error
            ));
        }
    }
    Ok(())
}

fn links(job: &mut Job, _: usize) -> Result<(), String> {
    // A link where a file of results goes: it may be replaced, what it names is nobody's.
    for (name, _) in job.whole.clone() {
        job.clear();
        let victim = job.here().join("victim");
        fs::write(&victim, "mine").map_err(|e| e.to_string())?;
        let at = job.here().join("made").join(&name);
        if let Some(parent) = at.parent() {
            fs::create_dir_all(parent).map_err(|e| e.to_string())?;
        }
        symlink(&victim, &at).map_err(|e| e.to_string())?;
        for force in [&[][..], &["--force"]] {
            job.run(force, |_| {})?;
            let now = fs::read_to_string(&victim).unwrap_or_default();
            if now != "mine" {
                return Err(format!("{} wrote through the link {name:?}", job.line));
            }
        }
    }
    Ok(())
}

fn two_runs(job: &mut Job, moments: usize) -> Result<(), String> {
    for round in 0..moments {
        job.clear();
        let at = moment(job.time, round, moments);
        let mut second = job.command(&[]);
        second
            .current_dir(job.here())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut other = None;
        let ended = job.run(&[], |_| {
            std::thread::sleep(at);
            other = second.spawn().ok();
        })?;
        let mut other = other.ok_or("no second run")?;
        let other = wait(&mut other, job.line)?;
        if ended.status.success() == other.success() {
            return Err(format!(
                "{}: two runs {at:?} apart ended with {} and {other}: {}",
                job.line, ended.status, ended.error
            ));
        }
        if let Some(difference) = same(&job.results(), &job.whole) {
            return Err(format!(
                "{}: two runs {at:?} apart left {difference}",
                job.line
            ));
        }
    }
    Ok(())
}

fn changing(job: &mut Job, moments: usize) -> Result<(), String> {
    for name in inputs(job) {
        let path = job.here().join(&name);
        let sound = fs::read(&path).map_err(|e| e.to_string())?;
        for round in 0..moments {
            job.clear();
            let at = moment(job.time, round, moments);
            let ended = job.run(&[], |child| {
                std::thread::sleep(at);
                send(child, libc::SIGSTOP);
                let _ = match round % 3 {
                    0 => fs::write(&path, &sound[..sound.len() / 2]),
                    1 => fs::write(&path, b""),
                    _ => fs::write(&path, [&sound[..], &sound[..]].concat()),
                };
                send(child, libc::SIGCONT);
            });
            fs::write(&path, &sound).map_err(|e| e.to_string())?;
            let ended = ended.map_err(|e| format!("{name} changed after {at:?}: {e}"))?;
            // Which results there are is the input's matter; that none are left is the job's.
            if !ended.status.success() && !job.results().is_empty() {
                return Err(format!("{}: {name} changed: files are left", job.line));
            }
        }
    }
    Ok(())
}

/// Files that the command names.
fn inputs(job: &Job) -> Vec<String> {
    let words = words(job.line);
    let names = words.iter().flat_map(|w| w.split(['=', ',']));
    let mut names: Vec<String> = names
        .filter(|n| job.here().join(n).is_file())
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

fn output_is_input(job: &mut Job, moments: usize) -> Result<(), String> {
    let outputs: Vec<PathBuf> = job.whole.iter().map(|(name, _)| name.clone()).collect();
    let mut round = 0;
    for output in outputs.into_iter().chain([PathBuf::from("out/run.json")]) {
        for input in inputs(job) {
            round += 1;
            if moments < 10 && round % 5 != 1 {
                continue;
            }
            job.clear();
            let at = Path::new("made").join(&output);
            let there = job.here().join(&at);
            let sound = fs::read(job.here().join(&input)).map_err(|e| e.to_string())?;
            if let Some(parent) = there.parent() {
                fs::create_dir_all(parent).map_err(|e| e.to_string())?;
            }
            fs::write(&there, &sound).map_err(|e| e.to_string())?;
            let at = at.to_string_lossy().into_owned();
            let named: Vec<String> = (job.words().iter())
                .map(|word| {
                    let parts: Vec<String> = word
                        .split_inclusive(['=', ','])
                        .map(|part| {
                            let bare = part.trim_end_matches(['=', ',']);
                            match bare == input {
                                true => part.replace(bare, &at),
                                false => part.to_owned(),
                            }
                        })
                        .collect();
                    parts.concat()
                })
                .collect();
            let mut command = Command::new(env!("CARGO_BIN_EXE_mpra-score"));
            command.args(named).arg("--force");
            let ended = job.watch(command, |_| {})?;
            if fs::read(&there).ok() != Some(sound) {
                return Err(format!(
                    "{}: {input} as {at} was written over ({})",
                    job.line, ended.status
                ));
            }
        }
    }
    Ok(())
}

fn closed(job: &mut Job, _: usize) -> Result<(), String> {
    for shell in [
        "exec <&-;",
        "exec >&-;",
        "exec 2>&-;",
        "exec <&- >&- 2>&-;",
        "exec >/dev/full 2>/dev/full;",
    ] {
        job.clear();
        let mut command = job.below(shell, &[]);
        let status = command
            .current_dir(job.here())
            .status()
            .map_err(|e| e.to_string())?;
        job.judge(status, "")?;
        if !status.success() {
            return Err(format!("{} with `{shell}`: {status}", job.line));
        }
        if let Some(difference) = same(&job.results(), &job.whole) {
            return Err(format!("{} with `{shell}` left {difference}", job.line));
        }
    }
    Ok(())
}

/// Waiting for a pipe that nobody writes into, a signal ends a job.
fn pipes(job: &mut Job, _: usize) -> Result<(), String> {
    for name in inputs(job) {
        let path = job.here().join(&name);
        let kept = job.here().join("kept");
        fs::rename(&path, &kept).map_err(|e| e.to_string())?;
        let made = Command::new("mkfifo").arg(&path).status();
        if !made.is_ok_and(|m| m.success()) {
            return Err("mkfifo failed".into());
        }
        job.clear();
        let at = job.time + Duration::from_millis(100);
        let ended = job.run(&[], |child| {
            std::thread::sleep(at);
            send(child, libc::SIGTERM);
        });
        fs::remove_file(&path).map_err(|e| e.to_string())?;
        fs::rename(&kept, &path).map_err(|e| e.to_string())?;
        let ended = ended.map_err(|e| format!("{name} is a pipe: {e}"))?;
        if ended.status.success() || !job.results().is_empty() {
            return Err(format!(
                "{}: {name} is a pipe: {} {}",
                job.line, ended.status, ended.error
            ));
        }
    }
    Ok(())
}
