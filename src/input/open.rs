use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flate2::bufread::MultiGzDecoder;
use noodles::bgzf;

use super::InputError;
use crate::job::Progress;

/// The empty block that ends every whole bgzip file (SAM specification, 4.1.2).
pub const BGZF_EOF: [u8; 28] = [
    0x1f, 0x8b, 0x08, 0x04, 0, 0, 0, 0, 0, 0xff, 0x06, 0, 0x42, 0x43, 0x02, 0, 0x1b, 0, 0x03, 0, 0,
    0, 0, 0, 0, 0, 0, 0,
];

/// Bytes of the head that tell what a stream is packed in.
const HEAD: usize = 14;

/// What a stream is packed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Nothing.
    Plain,
    /// gzip.
    Gzip,
    /// bgzip: gzip in blocks, the last of which is empty.
    Bgzip,
}

impl Packing {
    fn of(head: &[u8]) -> Self {
        match head.starts_with(&[0x1f, 0x8b]) {
            false => Self::Plain,
            true if head.len() == HEAD && head[3] & 4 != 0 && &head[12..] == b"BC" => Self::Bgzip,
            true => Self::Gzip,
        }
    }
}

/// An open file, or standard input (`-`), unpacked while it is read. Its end is an error where a bgzip
/// stream lacks its last block.
pub struct Input {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    packing: Packing,
    head: Vec<u8>,
    /// Unpacked bytes that were looked at and are still to be read.
    front: Cursor<Vec<u8>>,
    seekable: bool,
    watch: Watch,
}

impl Input {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    /// When it cannot be opened or its first bytes cannot be read.
    pub fn open(path: &Path) -> Result<Self, InputError> {
        if path.as_os_str() == "-" {
            return Self::from_reader(path, Box::new(io::stdin()));
        }
        let fail = |e| InputError::Open(e, path.into());
        let file = File::open(path).map_err(fail)?;
        let seekable = file.metadata().map_err(fail)?.is_file();
        let mut input = Self::from_reader(path, Box::new(file))?;
        input.seekable = seekable;
        Ok(input)
    }

    /// Reads a stream; `path` is its name in messages.
    ///
    /// # Errors
    /// When its first bytes cannot be read.
    pub fn from_reader(path: &Path, inner: Box<dyn Read + Send>) -> Result<Self, InputError> {
        let watch = Watch::default();
        let mut inner = Watched {
            inner,
            watch: watch.clone(),
        };
        // A pipe may deliver its first bytes one by one.
        let mut head = Vec::new();
        (&mut inner)
            .take(HEAD as u64)
            .read_to_end(&mut head)
            .map_err(|e| InputError::Read(e, path.into()))?;
        let packing = Packing::of(&head);
        let raw = BufReader::with_capacity(1 << 17, Cursor::new(head.clone()).chain(inner));
        let reader: Box<dyn BufRead + Send> = match packing {
            Packing::Plain => Box::new(raw),
            Packing::Gzip => Box::new(BufReader::with_capacity(1 << 17, MultiGzDecoder::new(raw))),
            Packing::Bgzip => Box::new(bgzf::io::Reader::new(raw)),
        };
        Ok(Self {
            path: path.into(),
            reader,
            packing,
            head,
            front: Cursor::default(),
            seekable: false,
            watch,
        })
    }

    /// The name for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the stream is packed in.
    pub fn packing(&self) -> Packing {
        self.packing
    }

    /// Whether the first bytes, before unpacking, are these, in either byte order.
    pub fn has_magic(&self, magic: [u8; 4]) -> bool {
        let mut swapped = magic;
        swapped.reverse();
        self.head.starts_with(&magic) || self.head.starts_with(&swapped)
    }

    /// Whether the first bytes, after unpacking, are these; to be asked before anything is read.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn begins_with(&mut self, prefix: &[u8]) -> Result<bool, InputError> {
        let mut bytes = std::mem::take(&mut self.front).into_inner();
        while bytes.len() < prefix.len() {
            let more = match self.reader.fill_buf() {
                Ok(more) => more,
                Err(e) => return Err(self.error(e)),
            };
            let taken = more.len();
            bytes.extend_from_slice(more);
            self.reader.consume(taken);
            if taken == 0 {
                break;
            }
        }
        let begins = bytes.starts_with(prefix);
        self.front = Cursor::new(bytes);
        Ok(begins)
    }

    /// Refuses a stream for a format that is read at any place.
    ///
    /// # Errors
    /// [`InputError::Pipe`] unless this is a file.
    pub fn needs_file(&self, format: &'static str) -> Result<(), InputError> {
        match self.seekable {
            true => Ok(()),
            false => Err(InputError::Pipe {
                path: self.path.clone(),
                format,
            }),
        }
    }

    /// What is read of the stream, for another thread.
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// An error of reading this stream.
    pub fn error(&self, error: io::Error) -> InputError {
        InputError::reading(error, &self.path)
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if (self.front.position() as usize) < self.front.get_ref().len() {
            return self.front.fill_buf();
        }
        let buffer = self.reader.fill_buf()?;
        if buffer.is_empty() && self.packing == Packing::Bgzip && self.watch.lock().last != BGZF_EOF
        {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, NoEndBlock));
        }
        Ok(buffer)
    }

    fn consume(&mut self, amount: usize) {
        match (self.front.position() as usize) < self.front.get_ref().len() {
            true => self.front.consume(amount),
            false => self.reader.consume(amount),
        }
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("path", &self.path).finish()
    }
}

impl InputError {
    /// An error of reading an [`Input`] of this name, also one that passed through another reader.
    pub fn reading(error: io::Error, path: &Path) -> Self {
        let mut inner: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(e) = inner {
            let wrapped = e.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if e.is::<NoEndBlock>() || wrapped.is_some_and(|e| e.is::<NoEndBlock>()) {
                return Self::Truncated(path.into());
            }
            inner = e.source();
        }
        Self::Read(error, path.into())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the bgzip end-of-file block is missing")]
struct NoEndBlock;

/// What was read of a stream, before unpacking. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Watch(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    bytes: u64,
    /// The last of them.
    last: Vec<u8>,
}

impl Watch {
    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    /// Tells how much was read since the last time.
    pub fn tell(&self, progress: &dyn Progress, reported: &mut u64) {
        let bytes = self.bytes();
        progress.advance(bytes - *reported);
        *reported = bytes;
    }

    /// Whole whatever thread panicked: it changes in one step.
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Watched<R> {
    inner: R,
    watch: Watch,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let mut seen = self.watch.lock();
        seen.bytes += read as u64;
        let from = read.saturating_sub(BGZF_EOF.len());
        seen.last.extend_from_slice(&buffer[from..read]);
        let surplus = seen.last.len().saturating_sub(BGZF_EOF.len());
        seen.last.drain(..surplus);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn bgzip(parts: &[&[u8]]) -> Vec<u8> {
        let mut writer = bgzf::io::Writer::new(Vec::new());
        for part in parts {
            writer.write_all(part).unwrap();
            writer.flush().unwrap();
        }
        writer.finish().unwrap()
    }

    /// One byte a read, as a slow pipe.
    struct Slow(Cursor<Vec<u8>>);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(1);
            self.0.read(&mut buffer[..most])
        }
    }

    fn read(bytes: &[u8]) -> Result<(Packing, Vec<u8>), InputError> {
        let slow = Slow(Cursor::new(bytes.to_vec()));
        let mut input = Input::from_reader(Path::new("in"), Box::new(slow))?;
        assert!(input.begins_with(b"")?);
        input.begins_with(b"a prefix that is longer than some of them")?;
        let mut text = Vec::new();
        input.read_to_end(&mut text).map_err(|e| input.error(e))?;
        assert_eq!(input.watch().bytes(), bytes.len() as u64);
        Ok((input.packing(), text))
    }

    #[test]
    fn what_it_is_packed_in_its_content_tells() {
        let text = b"chr1\t0\t10\nchr1\t5\t9\n".to_vec();
        assert_eq!(read(&text).unwrap(), (Packing::Plain, text.clone()));
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&text).unwrap();
        let gz = gz.finish().unwrap();
        assert_eq!(read(&gz).unwrap(), (Packing::Gzip, text.clone()));
        let packed = bgzip(&[&text[..10], &text[10..]]);
        assert_eq!(read(&packed).unwrap(), (Packing::Bgzip, text));
        for short in [&b""[..], b"\x1f", b"\x1f\x8b"] {
            // Nothing, or too little to be packed in anything: no panic.
            let _ = read(short);
        }
        assert!(matches!(
            read(&gz[..gz.len() - 9]),
            Err(InputError::Read(..))
        ));
    }

    #[test]
    fn a_bgzip_stream_cut_anywhere_is_noticed() {
        let whole = bgzip(&[b"chr1\t0\t10\n", b"chr1\t5\t9\n", b"chr2\t1\t2\n"]);
        for cut in HEAD..whole.len() {
            assert!(read(&whole[..cut]).is_err(), "cut at {cut}");
        }
        let error = read(&whole[..whole.len() - BGZF_EOF.len()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "in is truncated: the bgzip end-of-file block is missing"
        );
        assert!(error.hint().is_some());
    }

    #[test]
    fn formats_that_seek_refuse_pipes() {
        let stream = Input::from_reader(Path::new("in"), Box::new(Cursor::new(vec![1, 2, 3, 4])));
        let stream = stream.unwrap();
        assert!(stream.has_magic([1, 2, 3, 4]) && stream.has_magic([4, 3, 2, 1]));
        assert!(!stream.has_magic([1, 2, 4, 3]));
        let error = stream.needs_file("bigWig").unwrap_err();
        assert!(error.to_string().contains("bigWig") && error.hint().is_some());
        let file = tempfile::NamedTempFile::new().unwrap();
        Input::open(file.path())
            .unwrap()
            .needs_file("bigWig")
            .unwrap();
    }
}
