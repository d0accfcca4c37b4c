use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{OutputError, UnfinishedFile};

/// A file that appears under its name when it is whole.
#[derive(Debug)]
pub struct WholeFile {
    file: NamedTempFile,
    path: PathBuf,
    /// Behind the file: it is off the list when it is gone.
    _unfinished: UnfinishedFile,
}

impl WholeFile {
    /// A temporary file beside `path`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: &Path) -> Result<Self, OutputError> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let make = || {
            tempfile::Builder::new()
                .prefix(".mpra-score-")
                .permissions(Permissions::from_mode(0o666))
                .tempfile_in(folder)
        };
        let made = UnfinishedFile::make(false, make, |file| file.path().into());
        let (file, unfinished) = made.map_err(|e| OutputError::Write(e, path.into()))?;
        Ok(Self {
            file,
            path: path.into(),
            _unfinished: unfinished,
        })
    }

    /// Another handle on the file.
    ///
    /// # Errors
    /// When there are too many.
    pub fn file(&self) -> Result<File, OutputError> {
        self.file
            .as_file()
            .try_clone()
            .map_err(|e| OutputError::Write(e, self.path.clone()))
    }

    /// Its name in the end.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn keep(self) -> Result<PathBuf, OutputError> {
        let path = self.path;
        self.file
            .persist(&path)
            .map_err(|e| OutputError::Write(e.error, path.clone()))?;
        Ok(path)
    }
}

/// Writes a file whole or not at all, also when the machine goes down.
///
/// # Errors
/// When it cannot be written; what was there before stays.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), OutputError> {
    let whole = WholeFile::create(path)?;
    let write = || -> io::Result<()> {
        let mut file = whole.file.as_file();
        file.write_all(bytes)?;
        file.sync_data()
    };
    write().map_err(|e| OutputError::Write(e, path.into()))?;
    whole.keep().map(drop)
}

/// Writes a file of an unfinished folder, which is whole when the folder is committed.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), OutputError> {
    std::fs::write(path, bytes).map_err(|e| OutputError::Write(e, path.into()))
}

/// Refuses a file that is there already, unless it is to be replaced; `-` is standard output.
///
/// # Errors
/// [`OutputError::Exists`], [`OutputError::IsAFolder`].
pub fn check_file(path: &Path, force: bool) -> Result<(), OutputError> {
    if path.as_os_str() == "-" || path.symlink_metadata().is_err() {
        return Ok(());
    }
    match (path.is_dir(), force) {
        (true, _) => Err(OutputError::IsAFolder(path.into())),
        (false, false) => Err(OutputError::Exists(path.into())),
        (false, true) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_are_whole_or_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        write_whole(&path, b"old").unwrap();
        let unfinished = WholeFile::create(&path).unwrap();
        unfinished.file().unwrap().write_all(b"ne").unwrap();
        drop(unfinished);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        write_whole(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(write_whole(&dir.path().join("no/f"), b"x").is_err());
    }

    #[test]
    fn nothing_is_replaced_unasked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        assert!(check_file(&path, false).is_ok() && check_file("-".as_ref(), false).is_ok());
        write(&path, "x").unwrap();
        assert!(matches!(
            check_file(&path, false),
            Err(OutputError::Exists(_))
        ));
        assert!(check_file(&path, true).is_ok());
        let folder = check_file(dir.path(), true);
        assert!(matches!(folder, Err(OutputError::IsAFolder(_))));
    }
}
