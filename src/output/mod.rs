//! Output folders that are either whole or not there.
//!
//! Files are written under `<folder>/.partial/` and moved into place by [`OutputDir::commit`] when
//! all of them are finished. A run that fails, or is interrupted, removes what it wrote. An output
//! folder that already holds results is refused unless it is to be replaced.

mod append;
mod index;
mod npz;
mod place;
mod seal;
mod tsv;
mod unfinished;
mod whole;

pub use append::AppendFile;
pub use index::write_index;
pub(crate) use npz::NpzWriter;
use place::Place;
use seal::{RUN_SUM, sealed, sum_of_run};
pub use seal::{Seal, check_sum, read_notes};
pub use tsv::{Number, Tsv, cell, decimals};
pub(crate) use unfinished::UnfinishedFile;
use unfinished::{Unfinished, open};
pub use unfinished::{
    abandon, abandon_unless_busy, is_finished, nothing_unfinished, settle_indexes,
};
pub use whole::{WholeFile, check_file, stdout, write, write_whole};
pub(crate) use whole::{beside, check_input};

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::job::RunInfo;

/// Name of the provenance file; its presence marks a folder that holds results.
pub const RUN_JSON: &str = "run.json";

const PARTIAL: &str = ".partial";
const LOCK: &str = "lock";
const CHECKPOINT: &str = "checkpoint.json";
/// Names of the files that are being moved into place.
const COMMIT: &str = "commit.json";

/// What a job has noted of itself that goes on in a folder, or was stopped and can be gone on with; `None` where there is
/// nothing.
pub fn unfinished(folder: &Path) -> Option<PathBuf> {
    let notes = folder.join(PARTIAL).join(CHECKPOINT);
    notes.exists().then_some(notes)
}

/// What to do with what is already in an output folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Existing {
    /// Replace finished results, and throw unfinished ones away.
    pub force: bool,
    /// Take up an unfinished run, and leave this one to be taken up if it does not finish.
    pub resume: bool,
}

/// What can go wrong with the output.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The folder cannot be made or written to.
    #[error("cannot write to the output folder {1}")]
    Folder(#[source] io::Error, PathBuf),
    /// A file in it cannot be written (a full disk, too).
    #[error("cannot write {1}")]
    Write(#[source] io::Error, PathBuf),
    /// A file of an unfinished run or of a shard cannot be read.
    #[error("cannot read {1}")]
    Read(#[source] io::Error, PathBuf),
    /// Standard output, where several files are written.
    #[error("--out - : this job writes several files, which need a folder")]
    Stdout,
    /// Standard output, where it is closed.
    #[error("--out - : standard output is closed, or goes nowhere")]
    Closed,
    /// The path exists and is no folder.
    #[error("{0} is a file, not a folder")]
    NotAFolder(PathBuf),
    /// The folder holds the results of an earlier run, or the file is there already.
    #[error("{}", match .0.is_dir() {
        true => format!("{} already holds results", .0.display()),
        false => format!("{} is there already", .0.display()),
    })]
    Exists(PathBuf),
    /// The job reads the file that it would write.
    #[error("{0} is read by this job, and would be written over")]
    Input(PathBuf),
    /// A folder stands where a file is to be written.
    #[error("{0} is a folder, and a file is to be written there")]
    IsAFolder(PathBuf),
    /// The place for unfinished files holds something else.
    #[error("{0} is not a folder of unfinished files")]
    Foreign(PathBuf),
    /// The folder holds a run that was killed and can be taken up again.
    #[error("{0} holds an unfinished run")]
    Unfinished(PathBuf),
    /// The notes of an unfinished run cannot be understood.
    #[error("{path} is damaged: {problem}")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file of an unfinished run, or of a shard, that is not what it was.
    #[error("{path} is damaged: {problem}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Another process is writing into the folder.
    #[error("another run is writing into {0}")]
    Locked(PathBuf),
}

impl OutputError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Exists(_) => {
                Some("--force replaces them; or name another folder with --out".into())
            }
            Self::Write(e, _) | Self::Folder(e, _) => write_hint(e),
            Self::Foreign(_) => Some("move it away".into()),
            Self::Stdout => Some("--out DIR names one; `--out ./-` is a folder called -".into()),
            Self::Damaged { .. } | Self::Checkpoint { .. } => Some(
                "what was computed cannot be trusted: run the job (or shard) again with --force"
                    .into(),
            ),
            Self::Unfinished(_) => Some("--resume goes on with it, --force begins anew".into()),
            Self::Locked(_) => Some("wait for it, or name another folder with --out".into()),
            Self::Input(_) => Some("name another place with --out".into()),
            Self::NotAFolder(_) => Some("--out DIR names a folder".into()),
            _ => None,
        }
    }
}

/// One line on why a file could not be written, when the user can do something about it.
pub(crate) fn write_hint(e: &io::Error) -> Option<String> {
    Some(match e.kind() {
        io::ErrorKind::StorageFull => "the disk is full".into(),
        io::ErrorKind::QuotaExceeded => "the quota is used up".into(),
        io::ErrorKind::FileTooLarge => {
            "the file is larger than files may be here: raise the limit (`ulimit -f`)".into()
        }
        // EMFILE has no kind of its own.
        _ if e.raw_os_error() == Some(24) => {
            "raise the limit (`ulimit -n`), or write fewer tasks at a time with --tasks".into()
        }
        _ => return None,
    })
}

/// An output folder while a run fills it.
///
/// Dropped without [`commit`](Self::commit), it removes the unfinished files and, if this run made
/// it, the folder; unless the run is one that can be resumed and has left a checkpoint.
#[derive(Debug)]
pub struct OutputDir {
    place: Place,
    names: Vec<String>,
    lock: Option<File>,
    force: bool,
    resumable: bool,
    committed: bool,
}

impl OutputDir {
    /// Looks, without touching anything, whether [`OutputDir::create`] would refuse the folder for
    /// what it holds.
    ///
    /// # Errors
    /// As there.
    pub fn check(folder: &Path, existing: Existing) -> Result<(), OutputError> {
        if folder.as_os_str() == "-" {
            return Err(OutputError::Stdout);
        }
        if folder.exists() && !folder.is_dir() {
            return Err(OutputError::NotAFolder(folder.into()));
        }
        if !existing.force && folder.join(RUN_JSON).exists() {
            return Err(OutputError::Exists(folder.into()));
        }
        let unfinished = folder.join(PARTIAL).join(CHECKPOINT).exists();
        if unfinished && !existing.resume && !existing.force {
            return Err(OutputError::Unfinished(folder.into()));
        }
        Ok(())
    }

    /// Opens `folder`, making it and its parents where they are missing.
    ///
    /// # Errors
    /// [`OutputError::Exists`] when it holds results (a `run.json`) and they are not to be
    /// replaced, [`OutputError::Unfinished`] when it holds an unfinished run that is neither to be
    /// taken up nor to be replaced; [`OutputError::Locked`] when another run is using it;
    /// otherwise when it cannot be written.
    pub fn create(folder: &Path, existing: Existing) -> Result<Self, OutputError> {
        Self::check(folder, existing)?;
        let fail = |e| OutputError::Folder(e, folder.into());
        let mut open = open();
        // The topmost folder that this run makes is what a failed run removes again.
        let created = folder
            .ancestors()
            .take_while(|a| !a.as_os_str().is_empty() && !a.exists())
            .last()
            .map(Path::to_path_buf);
        let place = Place {
            folder: folder.into(),
            partial: folder.join(PARTIAL),
            created,
        };
        let lock = match place.make().and_then(|lock| place.locked(lock)) {
            Ok(lock) => lock,
            Err(e) => {
                // What was made for nothing goes again; what is another's stays.
                if !matches!(e, OutputError::Locked(_)) {
                    place.remove_made();
                }
                return Err(e);
            }
        };
        let partial = &place.partial;
        place.take_back().map_err(fail)?;
        // Another run may have finished between the first look and the lock.
        if !existing.force && folder.join(RUN_JSON).exists() {
            drop(lock);
            place.clear();
            return Err(OutputError::Exists(folder.into()));
        }
        let unfinished = partial.join(CHECKPOINT).exists();
        if !(unfinished && existing.resume)
            && let Err(e) = place.empty()
        {
            drop(lock);
            place.remove(&[]);
            return Err(fail(e));
        }
        open.begins(Unfinished::Folder {
            place: place.clone(),
            resumable: existing.resume,
        });
        drop(open);
        Ok(Self {
            place,
            names: Vec::new(),
            lock: Some(lock),
            force: existing.force,
            resumable: existing.resume,
            committed: false,
        })
    }

    /// Makes this run one that leaves its notes to be gone on with where it does not finish, asked for or not: of a job whose
    /// work is hours.
    pub fn keep_notes(&mut self) {
        let mut open = open();
        open.ends(&self.unfinished());
        self.resumable = true;
        open.begins(self.unfinished());
    }

    /// Looks, before any work, whether files of these names may be written in the end.
    ///
    /// # Errors
    /// [`OutputError::Exists`] for a file that is there and not to be replaced, or a folder.
    pub fn reserve<S: AsRef<str>>(&self, names: &[S]) -> Result<(), OutputError> {
        for name in names {
            let path = self.place.folder.join(name.as_ref());
            match path.symlink_metadata() {
                Ok(metadata) if metadata.is_dir() => return Err(OutputError::IsAFolder(path)),
                Ok(_) if !self.force => return Err(OutputError::Exists(path)),
                _ => {}
            }
        }
        Ok(())
    }

    /// The notes that an unfinished run left, if this run is to go on with one.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn checkpoint<T: DeserializeOwned>(&self) -> Result<Option<T>, OutputError> {
        let path = self.place.partial.join(CHECKPOINT);
        match read_notes(&path) {
            Err(OutputError::Read(e, _)) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            notes => notes.map(Some),
        }
    }

    /// Leaves notes from which a run can go on; they replace the earlier ones at once or not at
    /// all, also when the machine goes down.
    pub fn write_checkpoint<T: Serialize>(&self, notes: &T) -> Result<(), OutputError> {
        let path = self.place.partial.join(CHECKPOINT);
        let write = || -> io::Result<()> {
            let next = self.place.partial.join("checkpoint.next");
            let mut file = File::create(&next)?;
            file.write_all(&sealed(&serde_json::to_vec(notes)?))?;
            file.sync_data()?;
            fs::rename(&next, &path)?;
            File::open(&self.place.partial)?.sync_all()
        };
        write().map_err(|e| OutputError::Write(e, path.clone()))
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.place.folder
    }

    /// The folder for unfinished and temporary files.
    pub fn partial(&self) -> &Path {
        &self.place.partial
    }

    /// Registers a file of the results and returns the path to write it to until the commit.
    pub fn file(&mut self, name: &str) -> PathBuf {
        if !self.names.iter().any(|n| n == name) {
            self.names.push(name.to_owned());
        }
        self.place.partial.join(name)
    }

    fn unfinished(&self) -> Unfinished {
        Unfinished::Folder {
            place: self.place.clone(),
            resumable: self.resumable,
        }
    }

    /// Names of the registered files, in order of registration.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Writes `run.json` with the names of the files, moves every registered file into place, and removes those of an earlier
    /// run (as its `run.json` lists them under `outputs`) that this one did not replace.
    ///
    /// # Errors
    /// When a file is in the way (nothing is changed then), or one cannot be written or moved.
    pub fn commit(mut self, mut run: RunInfo) -> Result<Vec<PathBuf>, OutputError> {
        self.reserve(&self.names)?;
        for name in self
            .names
            .iter()
            .map(String::as_str)
            .chain([RUN_JSON, RUN_SUM])
        {
            check_input(&self.place.folder.join(name), run.paths())?;
        }
        let run_path = self.place.partial.join(RUN_JSON);
        if run.unfinished.is_some() {
            self.names.push(RUN_SUM.into());
        }
        run.outputs.clone_from(&self.names);
        let text = serde_json::to_string_pretty(&run)
            .map_err(|e| OutputError::Write(e.into(), run_path.clone()))?;
        let text = text + "\n";
        if run.unfinished.is_some() {
            // What is to be joined must be what was left.
            let sum = sum_of_run(text.as_bytes());
            write(&self.place.partial.join(RUN_SUM), sum)?;
        }
        write(&run_path, text)?;
        let stale: Vec<String> = (earlier_outputs(&self.place.folder).into_iter())
            .filter(|name| !self.names.contains(name))
            .collect();
        // Who ends the process from outside now waits until all is in place; where it dies, the next run takes these
        // back (`Place::take_back`).
        let mut open = open();
        let moving = serde_json::to_vec(&self.names)
            .map_err(|e| OutputError::Write(e.into(), run_path.clone()))?;
        write(&self.place.partial.join(COMMIT), moving)?;
        // While files of two runs lie side by side, no run.json says that they belong together.
        remove_if_there(&self.place.folder.join(RUN_JSON))?;
        let mut paths = Vec::with_capacity(self.names.len() + 1);
        for name in &self.names {
            let to = self.place.folder.join(name);
            fs::rename(self.place.partial.join(name), &to)
                .map_err(|e| OutputError::Write(e, to.clone()))?;
            paths.push(to);
        }
        for name in stale {
            remove_if_there(&self.place.folder.join(name))?;
        }
        let to = self.place.folder.join(RUN_JSON);
        fs::rename(&run_path, &to).map_err(|e| OutputError::Write(e, to.clone()))?;
        paths.push(to);
        self.committed = true;
        open.ends(&self.unfinished());
        unfinished::finished();
        drop(self.lock.take());
        // The results are in place: a folder that cannot be removed any more is no failure.
        self.place.clear();
        Ok(paths)
    }
}

fn remove_if_there(path: &Path) -> Result<(), OutputError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(OutputError::Write(e, path.into())),
        _ => Ok(()),
    }
}

impl Drop for OutputDir {
    fn drop(&mut self) {
        if self.committed {
            return;
        }
        let mut open = open();
        if !(self.resumable && self.place.has_checkpoint()) {
            drop(self.lock.take());
            self.place.remove(&self.names);
        }
        open.ends(&self.unfinished());
    }
}

/// Names in the `outputs` list of the folder's `run.json`, plain file names only.
fn earlier_outputs(folder: &Path) -> Vec<String> {
    let Ok(text) = fs::read_to_string(folder.join(RUN_JSON)) else {
        return Vec::new();
    };
    let Ok(run) = serde_json::from_str::<serde_json::Value>(&text) else {
        return Vec::new();
    };
    run["outputs"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str())
        .filter(|name| Path::new(name).file_name().is_some_and(|f| f == *name))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> RunInfo {
        RunInfo::new("test", &[])
    }

    const FORCE: Existing = Existing {
        force: true,
        resume: false,
    };
    const RESUME: Existing = Existing {
        force: false,
        resume: true,
    };

    #[test]
    fn a_run_that_can_go_on_is_neither_removed_nor_lost_unasked() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("out");
        let open = |existing| OutputDir::create(&folder, existing);
        let mut out = open(RESUME).unwrap();
        assert_eq!(out.checkpoint::<u32>().unwrap(), None);
        fs::write(out.file("x"), "1").unwrap();
        drop(out);
        assert!(!folder.exists(), "nothing to go on from");
        let mut out = open(RESUME).unwrap();
        fs::write(out.file("x"), "1").unwrap();
        out.write_checkpoint(&7u32).unwrap();
        drop(out);
        assert!(matches!(
            open(Existing::default()),
            Err(OutputError::Unfinished(_))
        ));
        let mut out = open(RESUME).unwrap();
        assert_eq!(out.checkpoint::<u32>().unwrap(), Some(7));
        assert!(out.file("x").exists());
        assert!(matches!(
            out.checkpoint::<String>(),
            Err(OutputError::Checkpoint { .. })
        ));
        drop(out);
        let mut out = open(FORCE).unwrap();
        assert!(out.checkpoint::<u32>().unwrap().is_none() && !out.file("x").exists());
    }

    #[test]
    fn nothing_of_the_users_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("out");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("x.tsv"), "mine").unwrap();
        let mut out = OutputDir::create(&folder, Existing::default()).unwrap();
        assert!(matches!(
            out.reserve(&["x.tsv"]),
            Err(OutputError::Exists(_))
        ));
        fs::write(out.file("x.tsv"), "theirs").unwrap();
        assert!(out.commit(run()).is_err());
        assert_eq!(fs::read_to_string(folder.join("x.tsv")).unwrap(), "mine");

        // A folder in a file's way: the results of before stay whole.
        let mut out = OutputDir::create(&folder, FORCE).unwrap();
        fs::write(out.file("y.tsv"), "1").unwrap();
        out.commit(run()).unwrap();
        fs::create_dir(folder.join("z.tsv")).unwrap();
        let mut out = OutputDir::create(&folder, FORCE).unwrap();
        for name in ["y.tsv", "z.tsv"] {
            fs::write(out.file(name), "2").unwrap();
        }
        assert!(matches!(out.commit(run()), Err(OutputError::IsAFolder(_))));
        assert_eq!(fs::read_to_string(folder.join("y.tsv")).unwrap(), "1");
        assert!(folder.join(RUN_JSON).exists());

        // Somebody else's `.partial`.
        let victim = dir.path().join("victim");
        fs::create_dir(&victim).unwrap();
        fs::write(victim.join("a.txt"), "a").unwrap();
        std::os::unix::fs::symlink(&victim, folder.join(PARTIAL)).unwrap();
        let foreign = |force| {
            matches!(
                OutputDir::create(&folder, force),
                Err(OutputError::Foreign(_))
            )
        };
        assert!(foreign(FORCE));
        fs::remove_file(folder.join(PARTIAL)).unwrap();
        fs::create_dir(folder.join(PARTIAL)).unwrap();
        fs::write(folder.join(PARTIAL).join("keep.txt"), "a").unwrap();
        assert!(foreign(FORCE) && folder.join(PARTIAL).join("keep.txt").exists());
        assert!(victim.join("a.txt").exists());
    }

    #[test]
    fn a_failed_run_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        let mut out = OutputDir::create(&folder, Existing::default()).unwrap();
        fs::write(out.file("x.tsv"), "x").unwrap();
        drop(out);
        assert!(!dir.path().join("a").exists());
    }

    #[test]
    fn results_appear_whole_and_are_not_overwritten_unasked() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("out");
        let mut out = OutputDir::create(&folder, Existing::default()).unwrap();
        fs::write(out.file("x.tsv"), "1").unwrap();
        fs::write(out.file("y.tsv"), "1").unwrap();
        assert!(matches!(
            OutputDir::create(&folder, Existing::default()),
            Err(OutputError::Locked(_))
        ));
        assert!(!folder.join("x.tsv").exists());
        out.commit(run()).unwrap();
        // Names that lead out of the folder are none of ours.
        let path = folder.join(RUN_JSON);
        let text = fs::read_to_string(&path).unwrap();
        let evil = text.replace("\"x.tsv\"", "\"x.tsv\", \"../evil\"");
        assert_ne!(evil, text);
        fs::write(&path, evil).unwrap();
        fs::write(dir.path().join("evil"), "").unwrap();
        assert!(!folder.join(PARTIAL).exists());
        assert!(matches!(
            OutputDir::create(&folder, Existing::default()),
            Err(OutputError::Exists(_))
        ));
        // Replaced: y.tsv belongs to the first run only and goes.
        fs::write(folder.join("mine.txt"), "kept").unwrap();
        let mut out = OutputDir::create(&folder, FORCE).unwrap();
        fs::write(out.file("x.tsv"), "2").unwrap();
        out.commit(run()).unwrap();
        assert!(dir.path().join("evil").exists());
        assert_eq!(fs::read_to_string(folder.join("x.tsv")).unwrap(), "2");
        assert!(!folder.join("y.tsv").exists() && folder.join("mine.txt").exists());
        // Forced but failed: the old results stay.
        let mut out = OutputDir::create(&folder, FORCE).unwrap();
        fs::write(out.file("x.tsv"), "3").unwrap();
        drop(out);
        assert_eq!(fs::read_to_string(folder.join("x.tsv")).unwrap(), "2");
    }
}
