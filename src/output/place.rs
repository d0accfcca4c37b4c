//! Where a run writes: the folder, and `.partial` in it with its lock.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::{CHECKPOINT, COMMIT, LOCK, OutputError, RUN_JSON};

/// Where a run writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub folder: PathBuf,
    pub partial: PathBuf,
    /// The topmost folder that the run made.
    pub created: Option<PathBuf>,
}

impl Place {
    /// Whether a run has left notes to go on from.
    pub fn has_checkpoint(&self) -> bool {
        self.partial.join(CHECKPOINT).exists()
    }

    /// Makes the folders, and the lock of those who write there.
    pub fn make(&self) -> Result<File, OutputError> {
        let fail = |e| OutputError::Folder(e, self.folder.clone());
        fs::create_dir_all(&self.folder).map_err(fail)?;
        refuse_foreign(&self.partial)?;
        fs::create_dir_all(&self.partial).map_err(fail)?;
        File::create(self.partial.join(LOCK)).map_err(fail)
    }

    /// The lock, locked, where it is still the folder's: a run that ends removes its own.
    pub fn locked(&self, mut lock: File) -> Result<File, OutputError> {
        use std::os::unix::fs::MetadataExt;
        loop {
            match lock.try_lock() {
                Ok(()) => {}
                Err(fs::TryLockError::WouldBlock) => {
                    return Err(OutputError::Locked(self.folder.clone()));
                }
                // A file system without locks: go on without.
                Err(fs::TryLockError::Error(_)) => return Ok(lock),
            }
            let there = self.partial.join(LOCK).symlink_metadata();
            let same = lock.metadata().ok().zip(there.ok());
            if same.is_some_and(|(a, b)| (a.dev(), a.ino()) == (b.dev(), b.ino())) {
                return Ok(lock);
            }
            lock = self.make()?;
        }
    }

    /// Undoes what a run had moved into place when it was killed, so that it can be gone on with or thrown away. Where
    /// its `run.json` was moved, too, it was through.
    pub fn take_back(&self) -> io::Result<()> {
        let list = self.partial.join(COMMIT);
        let Ok(text) = fs::read(&list) else {
            return Ok(());
        };
        let names: Vec<String> = serde_json::from_slice(&text).unwrap_or_default();
        let plain = |name: &&String| {
            Path::new(name)
                .file_name()
                .is_some_and(|f| f == name.as_str())
        };
        if self.partial.join(RUN_JSON).exists() {
            for name in names.iter().filter(plain) {
                let (ours, moved) = (self.partial.join(name), self.folder.join(name));
                if !ours.exists() && moved.symlink_metadata().is_ok_and(|m| m.is_file()) {
                    fs::rename(moved, ours)?;
                }
            }
        }
        fs::remove_file(list)
    }

    /// Removes what a killed run left behind.
    pub fn empty(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.partial)? {
            let path = entry?.path();
            if path.file_name().is_some_and(|n| n != LOCK) {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Removes folders that this run made and nobody has used.
    pub fn remove_made(&self) {
        if self.created.is_some() {
            let _ = fs::remove_file(self.partial.join(LOCK));
            let _ = fs::remove_dir(&self.partial);
            self.remove_empty();
        }
    }

    /// Removes `.partial`, the lock last: without it what is left would be nobody's. Nothing can be done about a failure
    /// here, and what led here matters more.
    pub fn clear(&self) {
        let _ = self.empty();
        let _ = fs::remove_file(self.partial.join(LOCK));
        if fs::remove_dir(&self.partial).is_err() {
            let _ = fs::remove_dir_all(&self.partial);
        }
    }

    /// The same, and the folders that this run made. Files by name at first: where there are no handles left a folder cannot be
    /// listed.
    pub fn remove(&self, names: &[String]) {
        let known = names.iter().map(String::as_str);
        for name in known.chain([CHECKPOINT, RUN_JSON]) {
            let _ = fs::remove_file(self.partial.join(name));
        }
        self.clear();
        self.remove_empty();
    }

    fn remove_empty(&self) {
        if let Some(created) = &self.created {
            let mut folder = self.folder.clone();
            // Only empty folders go, from the innermost to the one this run made first.
            while fs::remove_dir(&folder).is_ok() && folder != *created && folder.pop() {}
        }
    }
}

/// The place for unfinished files is emptied, so it has to be one: a real folder that holds only
/// files, and the lock among them.
fn refuse_foreign(partial: &Path) -> Result<(), OutputError> {
    let fail = |e| OutputError::Folder(e, partial.into());
    match partial.symlink_metadata() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(fail(e)),
        Ok(metadata) if !metadata.is_dir() => return Err(OutputError::Foreign(partial.into())),
        Ok(_) => {}
    }
    let mut ours = true;
    let mut entries = 0;
    for entry in fs::read_dir(partial).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        entries += 1;
        ours &= entry.file_type().map_err(fail)?.is_file();
    }
    match ours && (entries == 0 || partial.join(LOCK).exists()) {
        true => Ok(()),
        false => Err(OutputError::Foreign(partial.into())),
    }
}
