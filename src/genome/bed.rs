use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::bufread::MultiGzDecoder;

use super::regions::Builder;
use super::{
    Aliases, BGZF_EOF, ContigId, Contigs, GenomeError, Interval, RegionStatus, Regions, shorten,
};

/// Longer lines are not read: no BED has them, and a file without line ends would fill the memory.
const LONGEST_LINE: u64 = 1 << 22;

/// Where BED rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BedSource {
    /// A file, plain, gzip or bgzip by its content.
    File(PathBuf),
    /// Standard input (`-`), likewise.
    Stdin,
}

impl BedSource {
    /// `-` is standard input, everything else a path.
    pub fn from_arg(arg: &Path) -> Self {
        if arg.as_os_str() == "-" {
            Self::Stdin
        } else {
            Self::File(arg.into())
        }
    }

    /// The name for messages.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdin => "-".into(),
        }
    }
}

/// What to do with a row that cannot be scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidPolicy {
    /// Stop with an error that names the line.
    Fail,
    /// Keep the row, unscored, with its reason.
    Skip,
}

/// Reads BED3 to BED12 or narrowPeak, plain, gzip or bgzip. Fields are separated by tabs, or by
/// runs of blanks where a line has no tab, as UCSC allows. Empty lines, `#` comments and `track`
/// and `browser` lines are passed over; CRLF line ends are accepted.
///
/// The labels of the rows are kept in a temporary file in `spool_dir`.
///
/// # Errors
/// When the source cannot be read, and under [`InvalidPolicy::Fail`] at the first line that is not
/// BED, names an unknown contig or reaches past a contig's end. Zero-length regions are rows with
/// status [`RegionStatus::Empty`] under either policy.
pub fn read_bed(
    source: &BedSource,
    contigs: &Contigs,
    aliases: &Aliases,
    policy: InvalidPolicy,
    spool_dir: &Path,
) -> Result<Regions, GenomeError> {
    let name = source.name();
    let path = PathBuf::from(&name);
    let inner: Box<dyn Read> = match source {
        BedSource::File(path) => {
            Box::new(File::open(path).map_err(|e| GenomeError::Open(e, path.clone()))?)
        }
        BedSource::Stdin => Box::new(io::stdin()),
    };
    let mut inner = Tail {
        inner,
        last: Arc::default(),
    };
    // A pipe may deliver its first bytes one by one.
    let mut head = Vec::new();
    (&mut inner)
        .take(14)
        .read_to_end(&mut head)
        .map_err(|e| GenomeError::Read(e, path.clone()))?;
    let gzip = head.starts_with(&[0x1f, 0x8b]);
    let bgzip = gzip && head.len() == 14 && head[3] & 4 != 0 && &head[12..14] == b"BC";
    let last = inner.last.clone();
    let raw = BufReader::with_capacity(1 << 16, io::Cursor::new(head).chain(inner));
    let mut reader: Box<dyn BufRead> = match gzip {
        true => Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(raw))),
        false => Box::new(raw),
    };

    let mut builder = Builder::new(spool_dir)?;
    let mut line = Vec::new();
    let mut number = 0u64;
    loop {
        line.clear();
        let read = (&mut reader)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)
            .map_err(|e| GenomeError::Read(e, path.clone()))?;
        if read == 0 {
            break;
        }
        number += 1;
        if read as u64 == LONGEST_LINE {
            return Err(GenomeError::BedContent {
                path: name,
                problem: format!("line {number} is longer than {LONGEST_LINE} bytes: not a BED"),
            });
        }
        let mut text = String::from_utf8_lossy(&line);
        if number == 1 && text.starts_with('\u{feff}') {
            text = text.trim_start_matches('\u{feff}').to_string().into();
        }
        let text = text.trim_end_matches(['\n', '\r']);
        if is_header(text) {
            continue;
        }
        let fields: Vec<&str> = if text.contains('\t') {
            text.split('\t').collect()
        } else {
            text.split_ascii_whitespace().collect()
        };
        let outcome = match parse(&fields) {
            Err((problem, expected)) => Err((
                RegionStatus::Malformed,
                GenomeError::BedLine {
                    path: name.clone(),
                    line: number,
                    problem,
                    expected,
                    text: shorten(text),
                },
            )),
            Ok(bases) => place(fields[0], bases, contigs, aliases, &name, number),
        };
        let outcome = match (outcome, policy) {
            (Ok((_, bases)), _) if bases.is_empty() => Err(RegionStatus::Empty),
            (Ok(placed), _) => Ok(placed),
            (Err((_, error)), InvalidPolicy::Fail) => return Err(error),
            (Err((status, error)), InvalidPolicy::Skip) => {
                tracing::debug!("skipped: {error}");
                Err(status)
            }
        };
        let field = |i: usize, missing: &'static str| {
            fields
                .get(i)
                .copied()
                .filter(|f| !f.is_empty())
                .unwrap_or(missing)
        };
        let strand = match field(5, ".") {
            s @ ("+" | "-") => s,
            _ => ".",
        };
        let label = format!(
            "{}\t{}\t{}\t{}\t{strand}",
            field(0, "NA"),
            field(1, "NA"),
            field(2, "NA"),
            field(3, "."),
        );
        builder.push(&label, outcome)?;
    }
    // Cut between two blocks, a bgzip file decompresses without a fault.
    let last = last.lock().unwrap_or_else(PoisonError::into_inner);
    if bgzip && *last != BGZF_EOF {
        return Err(GenomeError::BedContent {
            path: name,
            problem: "it is truncated: the bgzip end-of-file block is missing".into(),
        });
    }
    builder.finish()
}

/// Remembers the last bytes of a stream.
struct Tail<R> {
    inner: R,
    last: Arc<Mutex<Vec<u8>>>,
}

impl<R: Read> Read for Tail<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.extend_from_slice(&buffer[read.saturating_sub(BGZF_EOF.len())..read]);
        let surplus = last.len().saturating_sub(BGZF_EOF.len());
        last.drain(..surplus);
        Ok(read)
    }
}

fn is_header(line: &str) -> bool {
    line.trim().is_empty()
        || line.starts_with('#')
        || ["track", "browser"].iter().any(|word| {
            line.strip_prefix(word).is_some_and(|rest| {
                rest.is_empty() || rest.starts_with([' ', '\t']) && !looks_like_bed(rest)
            })
        })
}

/// A contig may be called `track`: two numbers after the name make it a region.
fn looks_like_bed(rest: &str) -> bool {
    let mut fields = rest.split_ascii_whitespace();
    (0..2).all(|_| fields.next().is_some_and(|f| f.parse::<u32>().is_ok()))
}

fn parse(fields: &[&str]) -> Result<Interval, (String, &'static str)> {
    const COLUMNS: &str = "contig, start and end, separated by tabs";
    const NUMBER: &str = "a whole number from 0 to 2147483647";
    if fields.len() < 3 || fields[0].is_empty() {
        return Err((
            format!(
                "{} column(s)",
                fields.iter().filter(|f| !f.is_empty()).count()
            ),
            COLUMNS,
        ));
    }
    let number = |name: &str, text: &str| {
        Some(text)
            .filter(|t| t.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|t| t.parse::<u32>().ok())
            .filter(|&n| n <= i32::MAX as u32)
            .ok_or_else(|| (format!("{name} is {text:?}"), NUMBER))
    };
    let (start, end) = (number("start", fields[1])?, number("end", fields[2])?);
    Interval::new(start, end).ok_or_else(|| {
        (
            format!("end {end} is before start {start}"),
            "start <= end (0-based, half-open)",
        )
    })
}

fn place(
    contig: &str,
    bases: Interval,
    contigs: &Contigs,
    aliases: &Aliases,
    path: &str,
    line: u64,
) -> Result<(ContigId, Interval), (RegionStatus, GenomeError)> {
    let Some(id) = aliases.resolve(contig, contigs) else {
        return Err((
            RegionStatus::UnknownContig,
            GenomeError::UnknownContig {
                path: path.into(),
                line,
                contig: contig.into(),
                similar: contigs.similar(contig).map(str::to_owned),
            },
        ));
    };
    let length = contigs.get(id).length;
    if bases.end() > length {
        return Err((
            RegionStatus::PastContigEnd,
            GenomeError::PastContigEnd {
                path: path.into(),
                line,
                contig: contig.into(),
                start: bases.start(),
                end: bases.end(),
                length,
            },
        ));
    }
    Ok((id, bases))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::genome::Contig;

    fn contigs() -> Contigs {
        let contig = |name: &str, length| Contig {
            name: name.into(),
            length,
        };
        Contigs::new(vec![contig("chr1", 1000), contig("chr2", 50)]).unwrap()
    }

    fn read(bytes: &[u8], policy: InvalidPolicy) -> Result<Regions, GenomeError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in.bed");
        std::fs::write(&path, bytes).unwrap();
        read_bed(
            &BedSource::File(path),
            &contigs(),
            &Aliases::None,
            policy,
            dir.path(),
        )
    }

    fn labels(regions: &Regions) -> Vec<String> {
        regions.labels().unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn flavours() {
        let text = "browser position chr1:1-9\ntrack name=x\n# note\n\nchr1\t0\t10\r\n\
                    chr2 5 9 spaced 0 -\nchr1\t3\t3\tpoint\n\
                    chr1\t1\t9\tpeak\t1000\t+\t5.1\t3.2\t-1\t4\n";
        let check = |bytes: &[u8]| {
            let regions = read(bytes, InvalidPolicy::Fail).unwrap();
            assert_eq!(
                labels(&regions),
                [
                    "chr1\t0\t10\t.\t.",
                    "chr2\t5\t9\tspaced\t-",
                    "chr1\t3\t3\tpoint\t.",
                    "chr1\t1\t9\tpeak\t+"
                ]
            );
            assert_eq!(regions.status[2], RegionStatus::Empty);
            let rows: Vec<u32> = regions.scorable.iter().map(|r| r.row).collect();
            assert_eq!(rows, [0, 1, 3]);
            assert_eq!(regions.common_length(), None);
        };
        check(text.as_bytes());
        check(format!("\u{feff}{text}").as_bytes());
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(text.as_bytes()).unwrap();
        let gz = gz.finish().unwrap();
        check(&gz);
        let error = read(&gz[..gz.len() - 12], InvalidPolicy::Fail).unwrap_err();
        assert!(matches!(error, GenomeError::Read(..)), "{error}");
    }

    #[test]
    fn every_kind_of_bad_line_names_itself() {
        for (line, part) in [
            ("chr1\t1", "2 column(s)"),
            ("chr1\tx\t9", "start is \"x\""),
            ("chr1\t+5\t9", "start is \"+5\""),
            ("chr1\t1.5\t9", "start is \"1.5\""),
            ("chr1\t-1\t9", "start is \"-1\""),
            ("chr1\t1\t2147483648", "end is \"2147483648\""),
            ("chr1\t9\t3", "end 3 is before start 9"),
            ("1\t0\t3", "not in the FASTA"),
            ("chr2\t40\t51", "which has 50 bases"),
        ] {
            let text = format!("chr1\t0\t5\n{line}\n");
            let error = read(text.as_bytes(), InvalidPolicy::Fail).unwrap_err();
            let message = error.to_string();
            assert!(
                message.contains(part) && message.contains("line 2"),
                "{message}"
            );
            assert!(error.hint().is_some());
            let regions = read(text.as_bytes(), InvalidPolicy::Skip).unwrap();
            assert_eq!((regions.rows(), regions.scorable.len()), (2, 1));
        }
        let error = read(b"1\t0\t3\n", InvalidPolicy::Fail).unwrap_err();
        assert!(error.hint().unwrap().contains("--chrom-alias"));
    }

    #[test]
    fn a_bgzip_bed_cut_between_blocks_is_noticed() {
        let mut writer = noodles::bgzf::io::Writer::new(Vec::new());
        for _ in 0..3 {
            writer.write_all(b"chr1\t1\t5\n").unwrap();
            writer.flush().unwrap();
        }
        let whole = writer.finish().unwrap();
        assert_eq!(read(&whole, InvalidPolicy::Fail).unwrap().rows(), 3);
        let cut = &whole[..whole.len() - BGZF_EOF.len()];
        let error = read(cut, InvalidPolicy::Skip).unwrap_err().to_string();
        assert!(error.contains("truncated"), "{error}");
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let error = read(&vec![b'A'; 5 << 20], InvalidPolicy::Skip)
            .unwrap_err()
            .to_string();
        assert!(error.contains("longer than"), "{error}");
    }

    #[test]
    fn a_contig_may_be_called_track() {
        assert!(is_header("track name=a") && is_header("track") && is_header("browser hide all"));
        assert!(!is_header("track\t1\t2") && !is_header("tracker\t1\t2"));
    }
}
