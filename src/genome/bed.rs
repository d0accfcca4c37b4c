use std::io::Cursor;
use std::path::{Path, PathBuf};

use super::regions::Builder;
use super::{Aliases, ContigId, Contigs, GenomeError, Interval, RegionStatus, Regions};
use crate::input::{BedRow, Input, InputError, Lines, bed, excerpt};
use crate::output::cell;

/// Where BED rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BedSource {
    /// A file, plain, gzip or bgzip by its content.
    File(PathBuf),
    /// Standard input (`-`), likewise.
    Stdin,
    /// Rows of a BED, as they are.
    Text(String),
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
            Self::Text(_) => "--region".into(),
        }
    }

    /// Places as samtools and browsers write them, `chr1:1,001-1,200`: 1-based, both ends inside.
    ///
    /// # Errors
    /// In words: the place that is none.
    pub fn from_places(places: &[String]) -> Result<Self, String> {
        let mut text = String::new();
        for place in places {
            let bounds = place.rsplit_once(':').and_then(|(contig, bounds)| {
                let number = |text: &str| text.replace(',', "").parse::<u32>().ok();
                let (from, to) = bounds.split_once('-')?;
                let (from, to) = (number(from)?, number(to)?);
                let sound = !contig.is_empty() && from > 0 && from <= to;
                sound.then(|| (contig, from - 1, to))
            });
            let (contig, start, end) = bounds.ok_or_else(|| {
                format!("{place:?} is not CONTIG:FROM-TO, 1-based, as in chr1:1001-1200")
            })?;
            text += &format!("{contig}\t{start}\t{end}\t{place}\n");
        }
        Ok(Self::Text(text))
    }

    fn lines(&self) -> Result<Lines, InputError> {
        match self {
            Self::Text(text) => {
                let bytes = Box::new(Cursor::new(text.clone().into_bytes()));
                Ok(bed::lines(Input::from_reader("--region".as_ref(), bytes)?))
            }
            _ => bed::open(self.name().as_ref()),
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

/// How rows of a BED become regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BedRules {
    /// What to do with a row that cannot be scored.
    pub invalid: InvalidPolicy,
    /// So many bases around the middle of each row instead of its own; moved where they would reach past
    /// the contig's begin or end.
    pub resize: Option<u32>,
}

impl From<InvalidPolicy> for BedRules {
    fn from(invalid: InvalidPolicy) -> Self {
        Self {
            invalid,
            resize: None,
        }
    }
}

/// Where a row of a BED is to lie instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Its contig.
    pub contig: String,
    /// Its bases.
    pub bases: Interval,
    /// Whether it is on the other strand there.
    pub reversed: bool,
}

impl Moved {
    /// A row, moved here.
    fn row<'a>(&'a self, row: &BedRow<'a>) -> BedRow<'a> {
        BedRow {
            contig: self.contig.as_bytes(),
            start: self.bases.start(),
            end: self.bases.end(),
            ..*row
        }
    }
}

/// Moves rows of a BED before they become regions: from another build of the genome.
pub trait Mover {
    /// Where a row is to lie; `None` for one that the mover keeps for itself. `line` is the row as it
    /// stands.
    ///
    /// # Errors
    /// When what the mover keeps cannot be written.
    fn moved(&mut self, row: &BedRow<'_>, line: &[u8]) -> Result<Option<Moved>, GenomeError>;
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
    rules: impl Into<BedRules>,
    spool_dir: &Path,
) -> Result<Regions, GenomeError> {
    read_moved_bed(source, (contigs, aliases), rules.into(), spool_dir, None)
}

/// Reads a BED as [`read_bed`] does; its rows pass through `mover`. Rows that are not BED do not.
///
/// # Errors
/// As there, and those of the mover.
pub fn read_moved_bed(
    source: &BedSource,
    (contigs, aliases): (&Contigs, &Aliases),
    rules: BedRules,
    spool_dir: &Path,
    mut mover: Option<&mut dyn Mover>,
) -> Result<Regions, GenomeError> {
    let name = source.name();
    let mut lines = source.lines()?;
    let mut builder = Builder::new(spool_dir)?;
    let text = String::from_utf8_lossy;
    let mut number = 0u64;
    while let Some(line) = lines.next_bytes()? {
        number += 1;
        if number == 1 && line.starts_with(b"##fileformat=VCF") {
            return Err(GenomeError::Vcf(name));
        }
        let Some(fields) = bed::Fields::of(line) else {
            continue;
        };
        let row = fields.row();
        let moved = match (&row, &mut mover) {
            (Ok(row), Some(mover)) => match mover.moved(row, line)? {
                Some(moved) => Some(moved),
                None => continue,
            },
            _ => None,
        };
        let row = row.map(|row| moved.as_ref().map_or(row, |moved| moved.row(&row)));
        let outcome = match row {
            Ok(row) => place(&row, contigs, aliases, rules.resize, (&name, number)),
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
        let outcome = match (outcome, rules.invalid) {
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
        let reversed = moved.as_ref().is_some_and(|moved| moved.reversed);
        let strand = match (fields.get(5), reversed) {
            (Some(b"+"), false) | (Some(b"-"), true) => '+',
            (Some(b"-"), false) | (Some(b"+"), true) => '-',
            _ => '.',
        };
        let resized = match (&outcome, rules.resize, &moved) {
            (Ok((_, bases)), Some(_), _) => Some((bases.start(), bases.end())),
            (_, _, Some(moved)) => Some((moved.bases.start(), moved.bases.end())),
            _ => None,
        };
        let (start, end) = match resized {
            Some((start, end)) => (start.to_string().into(), end.to_string().into()),
            None => (field(1, "NA"), field(2, "NA")),
        };
        let contig = moved.as_ref().map(|moved| moved.contig.as_str().into());
        let (contig, name) = (contig.unwrap_or_else(|| field(0, "NA")), field(3, "."));
        let name = cell(&name);
        let label = format!("{contig}\t{start}\t{end}\t{name}\t{strand}");
        builder.push(&label, outcome)?;
    }
    builder.finish()
}

fn place(
    row: &BedRow<'_>,
    contigs: &Contigs,
    aliases: &Aliases,
    resize: Option<u32>,
    (path, line): (&str, u64),
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
    let bases = match resize.filter(|_| bases.end() <= length) {
        None => bases,
        Some(size) => {
            let middle = bases.start() + bases.len() / 2;
            let start = middle.saturating_sub(size / 2);
            // A contig that is shorter is refused below.
            let start = start.min(length.saturating_sub(size));
            Interval::new(start, start.saturating_add(size)).unwrap_or_default()
        }
    };
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
    use crate::input::BGZF_EOF;

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
            assert_eq!(regions.lengths().unwrap().len(), regions.rows());
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
    fn places_as_browsers_write_them() {
        let dir = tempfile::tempdir().unwrap();
        let places = |list: &[&str]| {
            let list: Vec<String> = list.iter().map(|p| (*p).into()).collect();
            BedSource::from_places(&list)
        };
        let source = places(&["chr1:1-1,000", "chr2:50-50"]).unwrap();
        let regions = read_bed(
            &source,
            &contigs(),
            &Aliases::None,
            InvalidPolicy::Fail,
            dir.path(),
        );
        assert_eq!(
            labels(&regions.unwrap()),
            [
                "chr1\t0\t1000\tchr1:1-1,000\t.",
                "chr2\t49\t50\tchr2:50-50\t."
            ]
        );
        for bad in ["chr1", "chr1:0-5", "chr1:9-5", "chr1:1-x", ":1-5", "chr1:5"] {
            assert!(places(&[bad]).unwrap_err().contains("1-based"), "{bad}");
        }
    }

    #[test]
    fn a_vcf_is_said_to_be_one() {
        let error = read(b"##fileformat=VCFv4.3\n#CHROM\n", InvalidPolicy::Skip).unwrap_err();
        assert!(
            error.hint().unwrap().contains("mpra-score variants"),
            "{error}"
        );
    }

    #[test]
    fn resized_rows_have_one_length_inside_their_contigs() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in.bed");
        std::fs::write(
            &path,
            "chr1\t10\t31\ta\nchr1\t3\t3\tb\nchr1\t998\t1000\tc\nchr2\t0\t50\td\n",
        )
        .unwrap();
        let rules = |size| BedRules {
            invalid: InvalidPolicy::Skip,
            resize: Some(size),
        };
        let read = |size| {
            let source = BedSource::File(path.clone());
            read_bed(&source, &contigs(), &Aliases::None, rules(size), dir.path()).unwrap()
        };
        assert_eq!(
            labels(&read(20)),
            [
                "chr1\t10\t30\ta\t.",
                "chr1\t0\t20\tb\t.",
                "chr1\t980\t1000\tc\t.",
                "chr2\t15\t35\td\t."
            ]
        );
        let longer = read(60);
        assert_eq!(longer.status[3], RegionStatus::PastContigEnd);
        assert_eq!(longer.lengths().unwrap()[..2], [60, 60]);
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
