use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{OutputError, UnfinishedFile};

/// A temporary file in the folder of `path`, to get that name when it is whole.
pub(crate) fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    tempfile::Builder::new()
        .prefix(".mpra-score-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder.unwrap_or(Path::new(".")))
}

/// A file that appears under its name when it is whole.
#[derive(Debug)]
pub struct WholeFile {
    file: NamedTempFile,
    path: PathBuf,
    /// Whether what is there may be replaced.
    replace: bool,
    /// Behind the file: it is off the list when it is gone.
    _unfinished: UnfinishedFile,
}

impl WholeFile {
    /// A temporary file beside `path`; `replace` says whether what has that name in the end may be replaced.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: &Path, replace: bool) -> Result<Self, OutputError> {
        let made = UnfinishedFile::make(false, || beside(path), |file| file.path().into());
        let (file, unfinished) = made.map_err(|e| OutputError::Write(e, path.into()))?;
        Ok(Self {
            file,
            path: path.into(),
            replace,
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

    /// Gives it its name, as one of the results.
    ///
    /// # Errors
    /// When it cannot be renamed; [`OutputError::Exists`] where another run has written there meanwhile.
    pub fn keep(self) -> Result<PathBuf, OutputError> {
        let path = self.put()?;
        super::unfinished::finished();
        Ok(path)
    }

    fn put(self) -> Result<PathBuf, OutputError> {
        let path = self.path;
        let kept = match self.replace {
            true => self.file.persist(&path),
            false => self.file.persist_noclobber(&path),
        };
        kept.map_err(|e| match e.error.kind() {
            io::ErrorKind::AlreadyExists => OutputError::Exists(path.clone()),
            _ => OutputError::Write(e.error, path.clone()),
        })?;
        Ok(path)
    }
}

/// Writes a file whole or not at all, also when the machine goes down; what is there is replaced.
///
/// # Errors
/// When it cannot be written; what was there before stays.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), OutputError> {
    let whole = WholeFile::create(path, true)?;
    let write = || -> io::Result<()> {
        let mut file = whole.file.as_file();
        file.write_all(bytes)?;
        file.sync_data()
    };
    write().map_err(|e| OutputError::Write(e, path.into()))?;
    whole.put().map(drop)
}

/// Writes a file of an unfinished folder, which is whole when the folder is committed.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), OutputError> {
    std::fs::write(path, bytes).map_err(|e| OutputError::Write(e, path.into()))
}

/// Standard output, for results.
///
/// # Errors
/// [`OutputError::Closed`] where it is not open: what is written would be gone without a word.
pub fn stdout() -> Result<io::Stdout, OutputError> {
    // Before `main` Rust opens /dev/null, for reading and writing, in the place of a closed descriptor; shells
    // open it for writing.
    let open = || -> io::Result<bool> {
        let stdout = io::stdout();
        let null = Path::new("/dev/null").metadata()?.rdev();
        let there = rustix::fs::fstat(&stdout)?.st_rdev;
        let both = rustix::fs::fcntl_getfl(&stdout)?.contains(rustix::fs::OFlags::RDWR);
        Ok(there != null || !both)
    };
    match open() {
        Ok(true) => Ok(io::stdout()),
        Ok(false) => Err(OutputError::Closed),
        Err(e) => Err(OutputError::Write(e, "-".into())),
    }
}

/// Refuses a file that is there already, unless it is to be replaced, and one that the job reads; `-` is standard output.
///
/// # Errors
/// [`OutputError::Exists`], [`OutputError::IsAFolder`], [`OutputError::Input`].
pub fn check_file(path: &Path, force: bool, inputs: &[&Path]) -> Result<(), OutputError> {
    check_input(path, inputs.iter().copied())?;
    if path.as_os_str() == "-" || path.symlink_metadata().is_err() {
        return Ok(());
    }
    match (path.is_dir(), force) {
        (true, _) => Err(OutputError::IsAFolder(path.into())),
        (false, false) => Err(OutputError::Exists(path.into())),
        (false, true) => Ok(()),
    }
}

/// Refuses to write over a file that the job reads, by whatever name.
pub(crate) fn check_input<'a>(
    path: &Path,
    inputs: impl Iterator<Item = &'a Path>,
) -> Result<(), OutputError> {
    let place = |path: &Path| path.metadata().ok().map(|m| (m.dev(), m.ino()));
    let Some(output) = place(path) else {
        return Ok(());
    };
    let mut inputs = inputs.map(place);
    match inputs.any(|input| input == Some(output)) {
        true => Err(OutputError::Input(path.into())),
        false => Ok(()),
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
        let unfinished = WholeFile::create(&path, true).unwrap();
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
        assert!(
            check_file(&path, false, &[]).is_ok() && check_file("-".as_ref(), false, &[]).is_ok()
        );
        write(&path, "x").unwrap();
        assert!(matches!(
            check_file(&path, false, &[]),
            Err(OutputError::Exists(_))
        ));
        assert!(check_file(&path, true, &[]).is_ok());
        let same = dir
            .path()
            .join("..")
            .join(dir.path().file_name().unwrap())
            .join("f");
        let input = check_file(&path, true, &[&same]);
        assert!(matches!(input, Err(OutputError::Input(_))));
        let folder = check_file(dir.path(), true, &[]);
        assert!(matches!(folder, Err(OutputError::IsAFolder(_))));
    }
}
