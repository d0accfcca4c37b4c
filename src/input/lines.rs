use std::io::{BufRead, Read};
use std::ops::Range;
use std::path::Path;

use super::{Input, InputError};

/// Longer lines are not read.
const LONGEST: u64 = 1 << 28;

/// The lines of a text, with their numbers for messages. Line ends may be LF or CRLF; a byte order
/// mark is passed over, and UTF-16 is refused by name.
#[derive(Debug)]
pub struct Lines {
    input: Input,
    longest: (u64, &'static str),
    line: Vec<u8>,
    /// The line without its end, in `line`.
    text: Range<usize>,
    number: u64,
    again: bool,
    /// Behind the last line there is none to give once more.
    ended: bool,
}

impl Lines {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    /// When it cannot be opened or read.
    pub fn open(path: &Path) -> Result<Self, InputError> {
        Ok(Self::new(Input::open(path)?))
    }

    /// The lines of an open input.
    pub fn new(input: Input) -> Self {
        Self {
            input,
            longest: (LONGEST, "a text table"),
            line: Vec::new(),
            text: 0..0,
            number: 0,
            again: false,
            ended: false,
        }
    }

    /// Refuses lines of `longest` bytes or more, which no `expected` file has.
    pub fn with_longest(mut self, longest: u64, expected: &'static str) -> Self {
        self.longest = (longest, expected);
        self
    }

    /// The next line without its end, `None` after the last.
    ///
    /// # Errors
    /// When the file cannot be read, is truncated or UTF-16, or the line is too long.
    pub fn next_bytes(&mut self) -> Result<Option<&[u8]>, InputError> {
        if std::mem::take(&mut self.again) {
            self.number += 1;
            return Ok(Some(&self.line[self.text.clone()]));
        }
        self.line.clear();
        let (longest, expected) = self.longest;
        let read = (&mut self.input)
            .take(longest)
            .read_until(b'\n', &mut self.line)
            .map_err(|e| self.input.error(e))?;
        if read == 0 {
            self.ended = true;
            return Ok(None);
        }
        self.number += 1;
        if read as u64 == longest && !self.line.ends_with(b"\n") {
            return Err(InputError::LongLine {
                path: self.path().into(),
                line: self.number,
                longest,
                expected,
            });
        }
        let mut from = 0;
        if self.number == 1 {
            if [b"\xff\xfe", b"\xfe\xff"]
                .iter()
                .any(|m| self.line.starts_with(*m))
            {
                return Err(InputError::Utf16(self.path().into()));
            }
            if self.line.starts_with(b"\xef\xbb\xbf") {
                from = 3;
            }
        }
        let mut to = self.line.len();
        if self.line.ends_with(b"\n") {
            to -= 1;
            to -= usize::from(self.line[..to].ends_with(b"\r"));
        }
        self.text = from..to.max(from);
        Ok(Some(&self.line[self.text.clone()]))
    }

    /// The next line as text.
    ///
    /// # Errors
    /// As [`next_bytes`](Self::next_bytes), and when the line is not UTF-8.
    pub fn next_line(&mut self) -> Result<Option<&str>, InputError> {
        if self.next_bytes()?.is_none() {
            return Ok(None);
        }
        match std::str::from_utf8(&self.line[self.text.clone()]) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(InputError::Line {
                path: self.input.path().into(),
                line: self.number,
                problem: "bytes that are not UTF-8 text".into(),
                expected: "a text table".into(),
            }),
        }
    }

    /// The next line that holds anything but blanks.
    ///
    /// # Errors
    /// As [`next_line`](Self::next_line).
    pub fn next_filled(&mut self) -> Result<Option<String>, InputError> {
        while let Some(line) = self.next_line()? {
            if !line.trim().is_empty() {
                return Ok(Some(line.to_owned()));
            }
        }
        Ok(None)
    }

    /// Gives the line read last once more.
    pub fn unread(&mut self) {
        if self.number > 0 && !self.again && !self.ended {
            self.again = true;
            self.number -= 1;
        }
    }

    /// Number of the line read last, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.input.path()
    }

    /// An error about the line read last.
    pub fn error(&self, problem: impl Into<String>, expected: impl Into<String>) -> InputError {
        InputError::Line {
            path: self.path().into(),
            line: self.number,
            problem: problem.into(),
            expected: expected.into(),
        }
    }
}

/// A cell cut to what fits into a message, to be quoted there.
pub fn shorten(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text.to_owned(),
    }
}

/// The beginning of a line, to stand in a message as it is: control characters shown, the rest cut
/// off.
pub fn excerpt(line: &str) -> String {
    const MOST: usize = 120;
    let mut text = String::new();
    for c in line.chars().take(MOST) {
        match c {
            c if c.is_control() && c != '\t' => text.extend(c.escape_default()),
            c => text.push(c),
        }
    }
    if line.chars().nth(MOST).is_some() {
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn lines(bytes: &[u8]) -> Lines {
        let reader = Box::new(Cursor::new(bytes.to_vec()));
        Lines::new(Input::from_reader(Path::new("in"), reader).unwrap())
    }

    #[test]
    fn line_ends_marks_and_numbers() {
        let mut lines = lines(b"\xef\xbb\xbfa\tb\r\n\nc\r\r\nlast");
        assert_eq!(lines.next_line().unwrap(), Some("a\tb"));
        lines.unread();
        assert_eq!(lines.next_line().unwrap(), Some("a\tb"));
        assert_eq!(lines.number(), 1);
        assert_eq!(lines.next_line().unwrap(), Some(""));
        assert_eq!(lines.next_line().unwrap(), Some("c\r"));
        assert_eq!(lines.next_filled().unwrap().as_deref(), Some("last"));
        assert_eq!(lines.next_line().unwrap(), None);
        assert_eq!(lines.number(), 4);
    }

    #[test]
    fn what_is_no_text() {
        for utf16 in [&b"\xff\xfec\0h\0r\0"[..], b"\xfe\xff\0c\0h\0r"] {
            let error = lines(utf16).next_line().unwrap_err();
            assert!(error.to_string().contains("UTF-16"), "{error}");
            assert!(error.hint().unwrap().contains("iconv"));
        }
        let error = lines(b"ok\nna\xefve\n").next_filled();
        assert_eq!(error.unwrap().as_deref(), Some("ok"));
        let mut latin = lines(b"ok\nna\xefve\n");
        latin.next_line().unwrap();
        let error = latin.next_line().unwrap_err().to_string();
        assert!(
            error.contains("line 2") && error.contains("UTF-8"),
            "{error}"
        );
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut lines = lines(&[b'A'; 100]).with_longest(64, "BED");
        let error = lines.next_bytes().unwrap_err().to_string();
        assert!(error.contains("line 1 is longer than 64 bytes"), "{error}");
    }

    #[test]
    fn messages_hold_the_beginning() {
        assert_eq!(shorten("short"), "short");
        assert_eq!(shorten(&"é".repeat(61)).chars().count(), 63);
        assert_eq!(excerpt("a\tb\u{7}"), "a\tb\\u{7}");
        assert_eq!(excerpt(&"x".repeat(121)).len(), 123);
    }
}
