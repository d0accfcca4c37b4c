use std::path::{Path, PathBuf};

use super::regions::Builder;
use super::{Aliases, ContigId, Contigs, GenomeError, Interval, RegionStatus, Regions};
use crate::input::{BedRow, bed, excerpt};

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

/// Reads BED3 to BED12 or narrowPeak, plain, gzip or bgzip, as [`crate::input::bed`] defines rows.
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
    let mut lines = bed::open(name.as_ref())?;
    let mut builder = Builder::new(spool_dir)?;
    let text = String::from_utf8_lossy;
    let mut number = 0u64;
    while let Some(line) = lines.next_bytes()? {
        number += 1;
        let Some(fields) = bed::Fields::of(line) else {
            continue;
        };
        let outcome = match fields.row() {
            Ok(row) => place(&row, contigs, aliases, &name, number),
            Err(why) => Err((
                RegionStatus::Malformed,
                GenomeError::BedLine {
                    path: name.clone(),
                    line: number,
                    problem: why.problem,
                    expected: why.expected,
                    text: excerpt(&text(line)),
                },
            )),
        };
        let outcome = match (outcome, policy) {
            (Ok((_, bases)), _) if bases.is_empty() => Err(RegionStatus::Empty),
            (Ok(placed), _) => Ok(placed),
            (Err((_, error)), InvalidPolicy::Fail) => return Err(error),
            (Err((status, error)), InvalidPolicy::Skip) => {
                tracing::debug!("skipped: {error}");
                builder.missed(&error);
                Err(status)
            }
        };
        let field = |i: usize, missing: &'static str| {
            fields
                .get(i)
                .map_or(missing.into(), String::from_utf8_lossy)
        };
        let strand = match fields.get(5) {
            Some(b"+") => '+',
            Some(b"-") => '-',
            _ => '.',
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
    builder.finish()
}

fn place(
    row: &BedRow<'_>,
    contigs: &Contigs,
    aliases: &Aliases,
    path: &str,
    line: u64,
) -> Result<(ContigId, Interval), (RegionStatus, GenomeError)> {
    let contig = &*String::from_utf8_lossy(row.contig);
    // A row's end is not before its start.
    let bases = Interval::new(row.start, row.end).unwrap_or_default();
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
    use crate::input::{BGZF_EOF, InputError};

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
        let truncated = matches!(error, GenomeError::Input(InputError::Read(..)));
        assert!(truncated, "{error}");
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
}
