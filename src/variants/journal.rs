//! What a long run has done so far, piece by piece: a run that was killed goes on from it (`--resume`), a part of a
//! job leaves it as its result (`--shard`), and a last run joins the parts (`--merge`).
//!
//! A job's pieces come in the order of the input and are the same in every run, so a piece is known by its number. A
//! journal is a file: a line of JSON that says of which job it is, then for each piece its number, its length and
//! checksum, and its content; at the end of a part how many pieces the job has. What was being written when
//! a run was killed is cut off; anything else that is not as it was written is refused.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flate2::Crc;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::VariantError;
use super::output::added;
use crate::Error;
use crate::job::{self, Cancel, JobError, Shard};
use crate::output::{UnfinishedFile, beside};

/// How a job is cut, or gone on with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LongRun {
    /// Go on from what an earlier run has left beside the output, and leave it when this one ends early.
    pub resume: bool,
    /// Score a part of the pieces; the output is then that part's journal.
    pub shard: Option<Shard>,
    /// Journals of all parts, in any order, in place of scoring.
    pub merge: Vec<PathBuf>,
}

impl LongRun {
    /// Whether nothing of the kind was asked.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// The name of what is written: the output, or the part of it.
    pub(super) fn name(&self, out: &Path) -> PathBuf {
        match self.shard {
            Some(shard) => added(out, &format!("{}of{}.shard", shard.index(), shard.of())),
            None => out.into(),
        }
    }

    /// Refuses what does not go together: inputs and outputs that cannot be read or written a second time.
    ///
    /// # Errors
    /// [`VariantError::Setting`].
    pub(super) fn check(&self, input: &Path, out: &Path, plots: bool) -> Result<(), VariantError> {
        let fail = |text: &str| Err(VariantError::Setting(text.into()));
        if self.is_plain() {
            return Ok(());
        }
        if out.as_os_str() == "-" {
            return fail("--resume, --shard and --merge need a file for --out");
        }
        if !input.metadata().is_ok_and(|m| m.is_file()) {
            return fail("--resume, --shard and --merge need a file for input, not a stream");
        }
        if self.shard.is_some() && plots {
            return fail("figures are drawn when parts are joined: --plots goes with --merge");
        }
        Ok(())
    }
}

/// Of which job a journal is.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Head {
    /// `mpra-score variants`, and the version: formats of content are of one version.
    journal: String,
    version: String,
    shard: Option<Shard>,
    /// Everything that content depends on.
    job: Value,
}

const KIND: &str = "mpra-score variants";
/// Number, length and checksum of a piece.
const FRAME: usize = 8 + 4 + 4;
/// In place of a number: the length is that of the number of pieces.
const END: u64 = u64::MAX;
/// No piece has more bytes.
const LARGEST: u32 = 1 << 30;
/// How often what was written is made safe against the machine going down.
const SYNC: Duration = Duration::from_secs(10);

/// A journal that is being written.
#[derive(Debug)]
pub(super) struct Journal {
    file: BufWriter<File>,
    path: PathBuf,
    synced: Instant,
    _unfinished: UnfinishedFile,
}

fn checksum(number: u64, bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(&number.to_le_bytes());
    crc.update(bytes);
    crc.sum()
}

impl Journal {
    /// Begins a journal. It has its name once its head is whole: a run that is killed before leaves none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(
        path: &Path,
        job: &Value,
        shard: Option<Shard>,
        resumable: bool,
    ) -> Result<Self, VariantError> {
        let fail = |e: io::Error| VariantError::Write(e, path.into());
        let head = Head {
            journal: KIND.into(),
            version: crate::VERSION.into(),
            shard,
            job: job.clone(),
        };
        let text = serde_json::to_string(&head).map_err(|e| fail(e.into()))?;
        let make = || -> io::Result<File> {
            let mut file = beside(path)?;
            file.write_all(format!("{text}\n").as_bytes())?;
            Ok(file.persist(path)?)
        };
        let made = UnfinishedFile::make(resumable, make, |_| path.into());
        let (file, unfinished) = made.map_err(fail)?;
        Ok(Self {
            file: BufWriter::new(file),
            path: path.into(),
            synced: Instant::now(),
            _unfinished: unfinished,
        })
    }

    /// Goes on with a journal behind its last whole piece, after giving all of them to `take`; begins one where
    /// there is none. Gives the number of pieces that are done.
    ///
    /// # Errors
    /// When it cannot be read or written, is of another job, or damaged; the errors of `take`.
    pub fn resume<T: DeserializeOwned, E: From<VariantError>>(
        path: &Path,
        job: &Value,
        shard: Option<Shard>,
        mut take: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(Self, u64), E> {
        if !path.exists() {
            return Ok((Self::create(path, job, shard, true)?, 0));
        }
        let mut reader = Pieces::open(path, job)?;
        if reader.shard != shard {
            return Err(reader.bad("it is of another part (--shard)").into());
        }
        let mut done = 0;
        while let Some((number, piece)) = reader.next_whole()? {
            take(piece)?;
            done = number + 1;
        }
        let fail = |e: io::Error| VariantError::Write(e, path.into());
        let open = || -> io::Result<File> {
            let mut file = OpenOptions::new().write(true).open(path)?;
            file.set_len(reader.at)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        };
        let (file, unfinished) = UnfinishedFile::make(true, open, |_| path.into()).map_err(fail)?;
        let journal = Self {
            file: BufWriter::new(file),
            path: path.into(),
            synced: Instant::now(),
            _unfinished: unfinished,
        };
        Ok((journal, done))
    }

    /// Notes a piece.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&mut self, number: u64, piece: &impl Serialize) -> Result<(), VariantError> {
        let bytes = postcard::to_stdvec(piece)
            .map_err(|e| VariantError::Write(io::Error::other(e), self.path.clone()))?;
        self.frame(number, &bytes)?;
        if self.synced.elapsed() > SYNC {
            let synced = self.file.get_ref().sync_data();
            synced.map_err(|e| VariantError::Write(e, self.path.clone()))?;
            self.synced = Instant::now();
        }
        Ok(())
    }

    fn frame(&mut self, number: u64, bytes: &[u8]) -> Result<(), VariantError> {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let mut write = || -> io::Result<()> {
            if length > LARGEST {
                return Err(io::Error::other("a piece of more than a gigabyte"));
            }
            self.file.write_all(&number.to_le_bytes())?;
            self.file.write_all(&length.to_le_bytes())?;
            self.file
                .write_all(&checksum(number, bytes).to_le_bytes())?;
            self.file.write_all(bytes)?;
            self.file.flush()
        };
        write().map_err(|e| VariantError::Write(e, self.path.clone()))
    }

    /// Ends the journal of a part: `pieces` is how many the job has. It gets the part's name.
    ///
    /// # Errors
    /// When it cannot be written or renamed.
    pub fn finish(mut self, pieces: u64, name: &Path) -> Result<(), VariantError> {
        self.frame(END, &pieces.to_le_bytes())?;
        let synced = self.file.get_ref().sync_data();
        synced.map_err(|e| VariantError::Write(e, self.path.clone()))?;
        std::fs::rename(&self.path, name).map_err(|e| VariantError::Write(e, name.into()))
    }

    /// Takes the journal away: its job is done.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(self) -> Result<(), VariantError> {
        std::fs::remove_file(&self.path).map_err(|e| VariantError::Write(e, self.path))
    }
}

/// The pieces of a journal, one after the other.
struct Pieces {
    file: BufReader<File>,
    path: PathBuf,
    shard: Option<Shard>,
    /// Bytes up to the end of the last whole piece.
    at: u64,
    /// Pieces of the job, once the end was read.
    pieces: Option<u64>,
    last: Option<u64>,
}

impl Pieces {
    fn open(path: &Path, job: &Value) -> Result<Self, VariantError> {
        let fail = |e: io::Error| VariantError::Journal(path.into(), e.to_string());
        let mut file = BufReader::with_capacity(1 << 18, File::open(path).map_err(fail)?);
        let mut line = Vec::new();
        (&mut file)
            .take(1 << 24)
            .read_until(b'\n', &mut line)
            .map_err(fail)?;
        let none = || VariantError::Journal(path.into(), "it is no part of such a job".into());
        let head: Head = serde_json::from_slice(&line).map_err(|_| none())?;
        if head.journal != KIND {
            return Err(none());
        }
        if head.version != crate::VERSION {
            let text = format!("it was written by version {}", head.version);
            return Err(VariantError::Journal(path.into(), text));
        }
        job::same_settings(&head.job, job)?;
        Ok(Self {
            file,
            path: path.into(),
            shard: head.shard,
            at: line.len() as u64,
            pieces: None,
            last: None,
        })
    }

    fn bad(&self, problem: &str) -> VariantError {
        VariantError::Journal(self.path.clone(), problem.into())
    }

    /// The next piece and its number; `None` at the end, or where the file ends within a piece.
    fn next_whole<T: DeserializeOwned>(&mut self) -> Result<Option<(u64, T)>, VariantError> {
        let Some((number, bytes)) = self.next_frame()? else {
            return Ok(None);
        };
        if number == END {
            let pieces = bytes.first_chunk::<8>().map(|b| u64::from_le_bytes(*b));
            self.pieces = Some(pieces.ok_or_else(|| self.bad("its end is damaged"))?);
            return Ok(None);
        }
        if self.last.is_some_and(|last| number <= last) {
            return Err(self.bad("its pieces are out of order"));
        }
        self.last = Some(number);
        let piece = postcard::from_bytes(&bytes);
        let piece = piece.map_err(|e| self.bad(&format!("piece {number} is damaged: {e}")))?;
        Ok(Some((number, piece)))
    }

    fn next_frame(&mut self) -> Result<Option<(u64, Vec<u8>)>, VariantError> {
        let fail = |e: io::Error, path: &Path| VariantError::Journal(path.into(), e.to_string());
        let mut frame = [0; FRAME];
        if read_up_to(&mut self.file, &mut frame).map_err(|e| fail(e, &self.path))? < FRAME {
            return Ok(None);
        }
        let [
            n0,
            n1,
            n2,
            n3,
            n4,
            n5,
            n6,
            n7,
            l0,
            l1,
            l2,
            l3,
            c0,
            c1,
            c2,
            c3,
        ] = frame;
        let number = u64::from_le_bytes([n0, n1, n2, n3, n4, n5, n6, n7]);
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        if length > LARGEST {
            return Err(self.bad("it is damaged"));
        }
        let mut bytes = vec![0; length as usize];
        let read = read_up_to(&mut self.file, &mut bytes).map_err(|e| fail(e, &self.path))?;
        if read < bytes.len() {
            return Ok(None);
        }
        if checksum(number, &bytes) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Err(self.bad("it is damaged: a checksum differs"));
        }
        self.at += (FRAME + bytes.len()) as u64;
        Ok(Some((number, bytes)))
    }
}

/// Fills a buffer, as far as there are bytes.
fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// Gives the pieces of all parts to `take`, in the order of the job; how many there are.
///
/// # Errors
/// When a file is no part of this job, one is missing, given twice, or not whole; the errors of `take`.
fn merge<T: DeserializeOwned, E: From<VariantError>>(
    parts: &[PathBuf],
    job: &Value,
    mut take: impl FnMut(T) -> Result<(), E>,
) -> Result<u64, E> {
    let mut open: Vec<Pieces> = Vec::new();
    for path in parts {
        open.push(Pieces::open(path, job)?);
    }
    let of = parts.len() as u32;
    let index = |p: &Pieces| p.shard.map_or(1, |s| s.index());
    open.sort_by_key(index);
    for (at, part) in open.iter().enumerate() {
        let given = part.shard.map_or(1, |s| s.of());
        if given != of || index(part) != at as u32 + 1 {
            let text = format!("part {} of {given} is missing or given twice", at + 1);
            return Err(part.bad(&text).into());
        }
    }
    let mut number = 0;
    loop {
        let part = &mut open[(number % u64::from(of)) as usize];
        match part.next_whole()? {
            Some((found, piece)) if found == number => take(piece)?,
            Some(_) => return Err(part.bad("a piece is missing").into()),
            None => break,
        }
        number += 1;
    }
    // All parts end, and know of as many pieces.
    for part in &mut open {
        if part.pieces.is_none() && part.next_whole::<T>()?.is_some() {
            return Err(part.bad("another part is not whole").into());
        }
        if part.pieces != Some(number) {
            return Err(part
                .bad("it is not whole: run it again with --resume")
                .into());
        }
    }
    Ok(number)
}

/// What is left when all pieces are done.
pub(super) enum Left {
    /// Results to be written; then the journal is taken away, if there is one.
    Results(Option<Journal>),
    /// A part: its journal is the result.
    Part(PathBuf),
}

/// Lets `workers` work on the pieces that `read` draws from `source`, or takes those of an earlier run or of parts, and
/// gives all of them to `take`, in order; of a part, those of the part. `out` is the job's output, `job`
/// all that pieces depend on.
///
/// # Errors
/// Those of reading, working and taking; when journals cannot be read, written or joined.
pub(super) fn drive<S, P, R, W>(
    (long, out, job): (&LongRun, &Path, impl FnOnce() -> Value),
    source: &mut S,
    read: impl Fn(&mut S) -> Result<Option<P>, Error> + Sync,
    workers: Vec<W>,
    mut take: impl FnMut(R) -> Result<(), Error>,
    cancel: &Cancel,
) -> Result<Left, Error>
where
    S: Send,
    P: Send,
    R: Send + Serialize + DeserializeOwned,
    W: FnMut(P) -> Result<R, Error> + Send,
{
    let job = if long.is_plain() { Value::Null } else { job() };
    if !long.merge.is_empty() {
        merge(&long.merge, &job, |piece: R| {
            cancel.check()?;
            take(piece)
        })?;
        return Ok(Left::Results(None));
    }
    let name = long.name(out);
    let path = added(&name, "partial");
    let (mut journal, done) = match (long.resume, long.shard) {
        (true, shard) => {
            let (journal, done) = Journal::resume(&path, &job, shard, &mut take)?;
            (Some(journal), done)
        }
        (false, Some(_)) => (Some(Journal::create(&path, &job, long.shard, false)?), 0),
        (false, None) => (None, 0),
    };
    if done > 0 {
        tracing::info!("going on behind piece {done} of {}", path.display());
    }
    let mut numbered = Numbered {
        source,
        next: 0,
        done,
        shard: long.shard,
    };
    let workers = (workers.into_iter())
        .map(|mut work| move |(number, piece): (u64, P)| Ok((number, work(piece)?)))
        .collect();
    let result = job::in_order(
        &mut numbered,
        |numbered| numbered.next(|source| read(source)),
        workers,
        |(number, piece): (u64, R)| {
            if let Some(journal) = &mut journal {
                journal.append(number, &piece)?;
            }
            take(piece)
        },
        cancel,
    );
    let interrupted = matches!(
        result,
        Err(Error::Job(JobError::Interrupted { .. })
            | Error::Variant(VariantError::Job(JobError::Interrupted { .. })))
    );
    if interrupted && long.resume {
        return Err(JobError::Interrupted { kept: true }.into());
    }
    if result.is_err() && !long.resume {
        // Nothing will go on from it.
        journal.take().map(Journal::remove).transpose()?;
    }
    result?;
    match (journal, long.shard) {
        (Some(journal), Some(_)) => {
            journal.finish(numbered.next, &name)?;
            Ok(Left::Part(name))
        }
        (journal, _) => Ok(Left::Results(journal)),
    }
}

/// Pieces of an input by number, of one part.
struct Numbered<'s, S> {
    /// Where they come from.
    source: &'s mut S,
    /// The number of the next.
    next: u64,
    /// Pieces before this one are done.
    done: u64,
    shard: Option<Shard>,
}

impl<S> Numbered<'_, S> {
    /// The next piece that is to be scored, with its number; `None` at the end.
    fn next<P, E>(
        &mut self,
        read: impl Fn(&mut S) -> Result<Option<P>, E>,
    ) -> Result<Option<(u64, P)>, E> {
        loop {
            let Some(piece) = read(self.source)? else {
                return Ok(None);
            };
            let number = self.next;
            self.next += 1;
            let of_part = |s: Shard| number % u64::from(s.of()) == u64::from(s.index()) - 1;
            if number >= self.done && self.shard.is_none_or(of_part) {
                return Ok(Some((number, piece)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn part(folder: &Path, index: u32, of: u32, pieces: u64) -> PathBuf {
        let path = folder.join(format!("{index}.partial"));
        let shard = Shard::new(index, of);
        let mut journal = Journal::create(&path, &json!({"a": 1}), shard, false).unwrap();
        for number in (0..pieces).filter(|n| n % u64::from(of) == u64::from(index) - 1) {
            journal.append(number, &format!("piece {number}")).unwrap();
        }
        let name = folder.join(format!("{index}.shard"));
        journal.finish(pieces, &name).unwrap();
        name
    }

    fn joined(parts: &[PathBuf]) -> Result<Vec<String>, VariantError> {
        let mut all = Vec::new();
        merge(parts, &json!({"a": 1}), |piece: String| {
            all.push(piece);
            Ok::<(), VariantError>(())
        })?;
        Ok(all)
    }

    #[test]
    fn parts_are_joined_in_the_order_of_the_job() {
        let dir = tempfile::tempdir().unwrap();
        for pieces in [0, 1, 2, 3, 7] {
            let parts: Vec<PathBuf> = (1..=3).map(|i| part(dir.path(), i, 3, pieces)).collect();
            let expected: Vec<String> = (0..pieces).map(|n| format!("piece {n}")).collect();
            assert_eq!(joined(&parts).unwrap(), expected);
            let turned: Vec<PathBuf> = parts.iter().rev().cloned().collect();
            assert_eq!(joined(&turned).unwrap(), expected);
            assert!(joined(&parts[..2]).is_err());
            let twice = [&parts[..2], &parts[..1]].concat();
            assert!(joined(&twice).unwrap_err().to_string().contains("twice"));
        }
    }

    #[test]
    fn a_journal_has_its_name_with_its_whole_head() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.partial");
        let job = json!({"a": 1});
        // Nothing was closed or asked to be written: a killed run would leave this.
        let journal = Journal::create(&path, &job, None, true).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with('\n') && text.contains(KIND), "{text}");
        let names: Vec<_> = (std::fs::read_dir(dir.path()).unwrap())
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["x.partial"]);
        drop(journal);
        let none = |_: u64| Ok::<(), VariantError>(());
        let (_, done) = Journal::resume(&path, &job, None, none).unwrap();
        assert_eq!(done, 0);
    }

    #[test]
    fn no_damage_passes() {
        let dir = tempfile::tempdir().unwrap();
        let parts: Vec<PathBuf> = (1..=2).map(|i| part(dir.path(), i, 2, 4)).collect();
        let whole = std::fs::read(&parts[0]).unwrap();
        for at in 0..whole.len() {
            std::fs::write(&parts[0], &whole[..at]).unwrap();
            assert!(joined(&parts).is_err(), "cut at {at}");
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            std::fs::write(&parts[0], &changed).unwrap();
            // A word of the header may change without consequence for the pieces only where it is none of the job.
            assert!(joined(&parts).is_err(), "changed at {at}");
        }
    }

    #[test]
    fn a_run_goes_on_behind_its_last_whole_piece() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.partial");
        let job = json!({"a": 1});
        let mut journal = Journal::create(&path, &job, None, false).unwrap();
        for number in 0..3u64 {
            journal.append(number, &number).unwrap();
        }
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        // Killed within the third piece.
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let mut seen = Vec::new();
        let take = |n: u64| {
            seen.push(n);
            Ok::<(), VariantError>(())
        };
        let (mut journal, done) = Journal::resume(&path, &job, None, take).unwrap();
        assert_eq!((done, &seen[..]), (2, &[0, 1][..]));
        journal.append(2, &2u64).unwrap();
        drop(journal);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        let none = |_: u64| Ok::<(), VariantError>(());
        let other = Journal::resume(&path, &json!({"a": 2}), None, none).unwrap_err();
        assert!(other.to_string().contains('a'), "{other}");
        let mut changed = whole;
        let last = changed.len() - 1;
        changed[last] ^= 1;
        std::fs::write(&path, changed).unwrap();
        assert!(Journal::resume(&path, &job, None, none).is_err());
    }
}
