//! What could not be lifted.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How many rows were lost, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally(BTreeMap<String, u64>);

impl Tally {
    /// Counts one more.
    pub fn add(&mut self, reason: impl Display) {
        *self.0.entry(reason.to_string()).or_default() += 1;
    }

    /// Adds the counts of another.
    pub fn add_all(&mut self, other: &Self) {
        for (reason, count) in &other.0 {
            *self.0.entry(reason.clone()).or_default() += count;
        }
    }

    /// All together.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Reasons in alphabetical order, with how often each.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(reason, n)| (reason.as_str(), *n))
    }

    /// As an object of `run.json`.
    pub fn object(&self) -> Map<String, Value> {
        self.iter().map(|(r, n)| (r.into(), n.into())).collect()
    }
}

/// `12 Deleted in new, 3 Split in new`
impl Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (reason, count)) in self.iter().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            write!(f, "{comma}{count} {reason}")?;
        }
        Ok(())
    }
}

/// Rows that were lost, each as it stood, below a line `#REASON`, as `liftOver` writes them. They wait
/// in a temporary file.
#[derive(Debug)]
pub struct Rejects {
    spool: BufWriter<File>,
    tally: Tally,
}

impl Rejects {
    /// None so far; `folder` is for the temporary file.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            spool: BufWriter::new(tempfile::tempfile_in(folder)?),
            tally: Tally::default(),
        })
    }

    /// Adds a row, without its line end.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, reason: impl Display, row: &[u8]) -> io::Result<()> {
        writeln!(self.spool, "#{reason}")?;
        self.spool.write_all(row)?;
        self.spool.write_all(b"\n")?;
        self.tally.add(reason);
        Ok(())
    }

    /// How many there are, by reason.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Writes them all.
    ///
    /// # Errors
    /// When they cannot be read or written.
    pub fn copy_to(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.spool.flush()?;
        let mut file = self.spool.get_ref();
        file.seek(SeekFrom::Start(0))?;
        io::copy(&mut file, out)?;
        out.flush()
    }
}
