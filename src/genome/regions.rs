//! The regions of a job: the rows of a BED, or whole contigs.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{ContigId, Contigs, GenomeError, Interval};

/// What became of an input row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RegionStatus {
    /// Scored: at least one window.
    Ok,
    /// The line is not BED.
    Malformed,
    /// The contig is not in the FASTA.
    UnknownContig,
    /// The region reaches past its contig's end.
    PastContigEnd,
    /// Start equals end.
    Empty,
    /// No window over the region has enough known bases.
    NoScoredWindow,
}

impl RegionStatus {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Ok,
        Self::Malformed,
        Self::UnknownContig,
        Self::PastContigEnd,
        Self::Empty,
        Self::NoScoredWindow,
    ];

    /// The word in the status column of `regions.tsv`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Malformed => "malformed",
            Self::UnknownContig => "unknown_contig",
            Self::PastContigEnd => "past_contig_end",
            Self::Empty => "empty",
            Self::NoScoredWindow => "no_scored_window",
        }
    }
}

/// A scorable input row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The contig.
    pub contig: ContigId,
    /// The bases.
    pub bases: Interval,
    /// Number of the input row, from 0, comments and headers not counted.
    pub row: u32,
}

/// The rows of a BED. In memory they take 17 bytes a row; what is only printed again (names,
/// strands, the contig as the user wrote it) waits in a temporary file.
#[derive(Debug)]
pub struct Regions {
    /// The scorable rows in input order.
    pub scorable: Vec<Region>,
    /// The status of every row as far as reading can tell.
    pub status: Vec<RegionStatus>,
    /// Why the first row on an unknown contig is not scorable.
    missed: Option<String>,
    labels: File,
    labels_path: PathBuf,
}

impl Regions {
    /// Number of input rows.
    pub fn rows(&self) -> usize {
        self.status.len()
    }

    /// Bases of every row, in input order; 0 where its columns do not say.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn lengths(&self) -> Result<Vec<u32>, GenomeError> {
        let length = |label: &str| -> Option<u32> {
            let mut cells = label.split('\t').skip(1);
            let start: u32 = cells.next()?.parse().ok()?;
            cells.next()?.parse::<u32>().ok()?.checked_sub(start)
        };
        let labels = self.labels()?.map(|label| match label {
            Ok(label) => Ok(length(&label).unwrap_or(0)),
            Err(e) => Err(GenomeError::Read(e, self.labels_path.clone())),
        });
        labels.collect()
    }

    /// What to tell the user when no row lies on a contig of the FASTA: the first one's error and
    /// hint. `None` when one does, or there are no rows.
    pub fn all_missed(&self) -> Option<&str> {
        let off = |s: &RegionStatus| *s == RegionStatus::UnknownContig;
        let all = !self.status.is_empty() && self.status.iter().all(off);
        self.missed.as_deref().filter(|_| all)
    }

    /// One region a contig, in file order.
    ///
    /// # Errors
    /// When the temporary file in `spool_dir` cannot be written.
    pub fn whole_contigs(contigs: &Contigs, spool_dir: &Path) -> Result<Self, GenomeError> {
        let mut builder = Builder::new(spool_dir)?;
        for (id, contig) in contigs.iter().enumerate() {
            let Some(bases) = Interval::new(0, contig.length) else {
                continue;
            };
            let label = format!("{}\t0\t{}\t.\t.", contig.name, contig.length);
            let outcome = if bases.is_empty() {
                Err(RegionStatus::Empty)
            } else {
                Ok((id as ContigId, bases))
            };
            builder.push(&label, outcome)?;
        }
        builder.finish()
    }

    /// Writes labels and statuses to a file that [`Regions::restore`] reads.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn save(&self, path: &Path) -> Result<(), GenomeError> {
        let fail = |e| GenomeError::Write(e, path.into());
        let mut out = BufWriter::new(File::create(path).map_err(fail)?);
        for (label, status) in self.labels()?.zip(&self.status) {
            let label = label.map_err(|e| GenomeError::Read(e, self.labels_path.clone()))?;
            writeln!(out, "{label}\t{}", status.as_str()).map_err(fail)?;
        }
        out.flush().map_err(fail)
    }

    /// Reads back what [`Regions::save`] wrote. No row of the result is scorable: it only serves
    /// to print the table.
    ///
    /// # Errors
    /// When a file cannot be read or written, or a status is unknown.
    pub fn restore(path: &Path, spool_dir: &Path) -> Result<Self, GenomeError> {
        let fail = |e| GenomeError::Read(e, path.into());
        let mut builder = Builder::new(spool_dir)?;
        let file = File::open(path).map_err(|e| GenomeError::Open(e, path.into()))?;
        for line in BufReader::new(file).lines() {
            let line = line.map_err(fail)?;
            let unknown = || fail(io::Error::new(io::ErrorKind::InvalidData, line.clone()));
            let (label, word) = line.rsplit_once('\t').ok_or_else(unknown)?;
            let status = RegionStatus::ALL.into_iter().find(|s| s.as_str() == word);
            builder.push(label, Err(status.ok_or_else(unknown)?))?;
        }
        builder.finish()
    }

    /// The printed columns of every row in input order, as `contig\tstart\tend\tname\tstrand`.
    pub fn labels(&self) -> Result<impl Iterator<Item = io::Result<String>>, GenomeError> {
        let fail = |e| GenomeError::Read(e, self.labels_path.clone());
        let mut file = self.labels.try_clone().map_err(fail)?;
        file.seek(SeekFrom::Start(0)).map_err(fail)?;
        Ok(BufReader::new(file).lines())
    }
}

/// Collects rows.
pub(super) struct Builder {
    missed: Option<String>,
    scorable: Vec<Region>,
    status: Vec<RegionStatus>,
    labels: BufWriter<File>,
    labels_path: PathBuf,
}

impl Builder {
    pub fn new(spool_dir: &Path) -> Result<Self, GenomeError> {
        let file = tempfile::tempfile_in(spool_dir)
            .map_err(|e| GenomeError::Write(e, spool_dir.into()))?;
        Ok(Self {
            missed: None,
            scorable: Vec::new(),
            status: Vec::new(),
            labels: BufWriter::new(file),
            labels_path: spool_dir.into(),
        })
    }

    /// Remembers why the first row on an unknown contig was passed over.
    pub fn missed(&mut self, error: &GenomeError) {
        if let GenomeError::UnknownContig { .. } = error
            && self.missed.is_none()
        {
            let hint = error.hint().unwrap_or_default();
            self.missed = Some(format!("{error}; {hint}"));
        }
    }

    pub fn push(
        &mut self,
        label: &str,
        outcome: Result<(ContigId, Interval), RegionStatus>,
    ) -> Result<(), GenomeError> {
        writeln!(self.labels, "{label}")
            .map_err(|e| GenomeError::Write(e, self.labels_path.clone()))?;
        self.status.push(match outcome {
            Ok((contig, bases)) => {
                let row = u32::try_from(self.status.len()).map_err(|_| {
                    GenomeError::TooManyRegions(self.labels_path.display().to_string())
                })?;
                self.scorable.push(Region { contig, bases, row });
                RegionStatus::Ok
            }
            Err(status) => status,
        });
        Ok(())
    }

    pub fn finish(self) -> Result<Regions, GenomeError> {
        let labels = self
            .labels
            .into_inner()
            .map_err(|e| GenomeError::Write(e.into_error(), self.labels_path.clone()))?;
        Ok(Regions {
            missed: self.missed,
            scorable: self.scorable,
            status: self.status,
            labels,
            labels_path: self.labels_path,
        })
    }
}
