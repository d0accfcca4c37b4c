//! The header of a VCF, kept as bytes: what this program has no use for is passed through as it is.

use super::VcfError;
use crate::input::{Lines, shorten};

const COLUMNS: [&str; 8] = [
    "#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO",
];

/// Header lines and the names of the columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Lines with `##`, in order, without line ends.
    pub lines: Vec<Vec<u8>>,
    /// The `#CHROM` line.
    pub columns: Vec<u8>,
}

impl Header {
    /// Reads up to and with the `#CHROM` line. What stands in the lines is not judged.
    ///
    /// # Errors
    /// When the first line is not `##fileformat=VCF...`, when a record comes before `#CHROM`, or
    /// when the columns are not those of a VCF.
    pub fn read(input: &mut Lines) -> Result<Self, VcfError> {
        let path = input.path().display().to_string();
        let mut lines: Vec<Vec<u8>> = Vec::new();
        loop {
            let number = input.number() + 1;
            let fail = |problem: String| VcfError::Header {
                path: path.clone(),
                line: number,
                problem,
            };
            let Some(line) = input.next_bytes()? else {
                return Err(fail(match number {
                    1 => "the file is empty: not a VCF".into(),
                    _ => "the header ends without a #CHROM line".into(),
                }));
            };
            let shown = || shorten(&String::from_utf8_lossy(line)).to_owned();
            if number == 1 && !line.starts_with(b"##fileformat=VCF") {
                return Err(fail(format!(
                    "expected ##fileformat=VCFv4.x, found {:?}: not a VCF",
                    shown()
                )));
            }
            if line.starts_with(b"##") {
                lines.push(line.to_vec());
                continue;
            }
            if line.is_empty() {
                continue;
            }
            if !line.starts_with(b"#") {
                return Err(fail(format!(
                    "expected a header line or #CHROM, found {:?}",
                    shown()
                )));
            }
            let names: Vec<&[u8]> = line.split(|&b| b == b'\t').collect();
            let sound = names.iter().zip(COLUMNS).all(|(a, b)| *a == b.as_bytes())
                && names.len() >= COLUMNS.len()
                && names.get(8).is_none_or(|n| *n == b"FORMAT");
            if !sound {
                return Err(fail(format!(
                    "expected the columns {} (and FORMAT and samples), separated by tabs; found {:?}",
                    COLUMNS.join(" "),
                    shown()
                )));
            }
            return Ok(Self {
                lines,
                columns: line.to_vec(),
            });
        }
    }

    /// The header of a VCF that is made from positions.
    pub fn new(contigs: impl Iterator<Item = (String, u32)>) -> Self {
        let mut lines = vec![b"##fileformat=VCFv4.3".to_vec()];
        lines.extend(contigs.map(|(name, length)| contig_line(&name, Some(length)).into_bytes()));
        Self {
            lines,
            columns: COLUMNS.join("\t").into_bytes(),
        }
    }

    /// Columns of a record.
    pub fn width(&self) -> usize {
        self.columns.split(|&b| b == b'\t').count()
    }

    /// How many samples there are.
    pub fn samples(&self) -> usize {
        self.width().saturating_sub(COLUMNS.len() + 1)
    }

    /// Names of the samples.
    pub fn sample_names(&self) -> impl Iterator<Item = &[u8]> {
        self.columns.split(|&b| b == b'\t').skip(COLUMNS.len() + 1)
    }

    /// Major and minor version, by the first line; 0 where it does not say.
    pub fn version(&self) -> (u32, u32) {
        let read = || {
            let line = std::str::from_utf8(self.lines.first()?).ok()?;
            let (major, minor) = line.strip_prefix("##fileformat=VCFv")?.split_once('.')?;
            Some((major.parse().ok()?, minor.trim().parse().ok()?))
        };
        read().unwrap_or_default()
    }

    /// Takes away lines that define INFO fields of these names, and those of an earlier run; then
    /// appends lines.
    pub fn replace(&mut self, ids: &[String], lines: Vec<String>) {
        self.lines.retain(|line| {
            let ours = Definition::of(line).is_some_and(|found| {
                found.section == Section::Info && ids.iter().any(|i| i.as_bytes() == found.id)
            });
            !line.starts_with(b"##mpra-score") && !ours
        });
        self.lines.extend(lines.into_iter().map(String::into_bytes));
    }

    /// Contigs whose lengths it tells.
    pub fn contigs(&self) -> impl Iterator<Item = (&str, u32)> {
        let defined = self.lines.iter().filter_map(|l| Definition::of(l));
        let contigs = defined.filter(|found| found.section == Section::Contig);
        contigs.filter_map(|found| {
            let text = |bytes| std::str::from_utf8(bytes).ok();
            Some((text(found.id)?, text(found.length?)?.parse().ok()?))
        })
    }

    /// Places records on other contigs: those take the place of the contigs that it defines, and what
    /// it says of the reference is taken away.
    pub fn place_on<'c>(&mut self, contigs: impl Iterator<Item = (&'c str, u32)>) {
        let contig = |line: &Vec<u8>| line.starts_with(b"##contig=");
        let at = self.lines.iter().position(contig);
        let at = at.unwrap_or(self.lines.len());
        let of_build = |line: &Vec<u8>| contig(line) || line.starts_with(b"##reference=");
        let before = self.lines[..at].iter().filter(|l| !of_build(l)).count();
        self.lines.retain(|line| !of_build(line));
        let new = contigs.map(|(name, length)| contig_line(name, Some(length)).into_bytes());
        self.lines.splice(before..before, new);
    }

    /// Takes away `IDX=`, which only BCF has.
    pub fn without_numbers(&mut self) {
        for line in &mut self.lines {
            let found = Definition::of(line);
            if let Some((from, to)) = found.and_then(|found| found.number_at) {
                line.drain(from..to);
            }
        }
    }

    /// Names of the INFO fields that it defines.
    pub fn infos(&self) -> impl Iterator<Item = &[u8]> {
        let defined = self.lines.iter().filter_map(|l| Definition::of(l));
        defined
            .filter(|found| found.section == Section::Info)
            .map(|found| found.id)
    }

    /// The whole text.
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for line in self.lines.iter().chain([&self.columns]) {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        text
    }
}

/// What a header line defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Contig,
    Filter,
    Info,
    Format,
}

/// A line that defines a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Definition<'a> {
    pub section: Section,
    pub id: &'a [u8],
    /// `Type`.
    pub kind: Option<&'a [u8]>,
    /// `length`.
    pub length: Option<&'a [u8]>,
    /// `IDX`, and where it stands in the line, with the comma before it.
    pub number: Option<u32>,
    pub number_at: Option<(usize, usize)>,
    /// Where the closing `>` stands.
    pub end: usize,
}

impl<'a> Definition<'a> {
    /// `None` for a line of another kind, or one without an end or an ID.
    pub fn of(line: &'a [u8]) -> Option<Self> {
        let (section, from) = [
            (Section::Contig, &b"##contig=<"[..]),
            (Section::Filter, b"##FILTER=<"),
            (Section::Info, b"##INFO=<"),
            (Section::Format, b"##FORMAT=<"),
        ]
        .into_iter()
        .find_map(|(section, start)| line.starts_with(start).then_some((section, start.len())))?;
        let mut found = Self {
            section,
            id: b"",
            kind: None,
            length: None,
            number: None,
            number_at: None,
            end: 0,
        };
        let mut at = from;
        loop {
            let length = attribute(&line[at..])?;
            let text = &line[at..at + length];
            let equals = text.iter().position(|&b| b == b'=').unwrap_or(length);
            let key = text[..equals].trim_ascii();
            let value = text.get(equals + 1..).unwrap_or_default().trim_ascii();
            match key {
                b"ID" => found.id = value,
                b"Type" => found.kind = Some(value),
                b"length" => found.length = Some(value),
                b"IDX" => {
                    found.number = std::str::from_utf8(value).ok()?.parse().ok();
                    found.number_at = Some((at - usize::from(at > from), at + length));
                }
                _ => {}
            }
            at += length;
            if line[at] == b'>' {
                found.end = at;
                return (!found.id.is_empty()).then_some(found);
            }
            at += 1;
        }
    }
}

/// Bytes up to the comma or `>` that ends an attribute; inside quotes they end nothing.
fn attribute(text: &[u8]) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    text.iter().position(|&byte| {
        let plain = !std::mem::take(&mut escaped);
        match byte {
            b'\\' if quoted && plain => escaped = true,
            b'"' if plain => quoted = !quoted,
            b',' | b'>' => return !quoted,
            _ => {}
        }
        false
    })
}

/// Defines a contig.
pub fn contig_line(name: &str, length: Option<u32>) -> String {
    match length {
        Some(length) => format!("##contig=<ID={name},length={length}>"),
        None => format!("##contig=<ID={name}>"),
    }
}

/// Defines an INFO field.
pub fn info_line(id: &str, number: &str, kind: &str, description: &str) -> String {
    let description = description.replace('\\', "\\\\").replace('"', "\\\"");
    format!("##INFO=<ID={id},Number={number},Type={kind},Description=\"{description}\">")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Lines {
        let text = std::io::Cursor::new(text.as_bytes().to_vec());
        let input = crate::input::Input::from_reader("in.vcf".as_ref(), Box::new(text));
        Lines::new(input.unwrap())
    }

    fn read(text: &str) -> Result<Header, String> {
        Header::read(&mut lines(text)).map_err(|e| e.to_string())
    }

    const SOUND: &str = "##fileformat=VCFv4.2\n##contig=<ID=1,length=9>\n\
        ##INFO=<ID=MPRA_MAX,Number=A,Type=Float,Description=\"old\">\n\
        ##INFO=<ID=AF,Number=A,Type=Float,Description=\"f\",IDX=3>\n\
        #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n1\t5\n";

    #[test]
    fn headers() {
        let mut header = read(SOUND).unwrap();
        assert_eq!((header.width(), header.samples()), (8, 0));
        assert_eq!(header.version(), (4, 2));
        header.without_numbers();
        header.replace(
            &["MPRA_MAX".into()],
            vec![info_line("MPRA_MAX", "A", "Float", "a \"new\" one")],
        );
        assert_eq!(
            String::from_utf8(header.text()).unwrap(),
            "##fileformat=VCFv4.2\n##contig=<ID=1,length=9>\n\
             ##INFO=<ID=AF,Number=A,Type=Float,Description=\"f\">\n\
             ##INFO=<ID=MPRA_MAX,Number=A,Type=Float,Description=\"a \\\"new\\\" one\">\n\
             #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        );
        let samples = SOUND.replace("INFO\n1", "INFO\tFORMAT\ta\tb\n1");
        let header = read(&samples).unwrap();
        assert_eq!((header.width(), header.samples()), (11, 2));
        assert_eq!(header.sample_names().collect::<Vec<_>>(), [b"a", b"b"]);
    }

    #[test]
    fn contigs_of_another_build() {
        let text = "##fileformat=VCFv4.2\n##reference=old.fa\n##FILTER=<ID=q,Description=\"d\">\n\
            ##contig=<ID=1,length=9>\n##contig=<ID=2>\n##ALT=<ID=X>\n\
            #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n";
        let mut header = read(text).unwrap();
        assert_eq!(header.contigs().collect::<Vec<_>>(), [("1", 9)]);
        header.place_on([("chr1", 7), ("chr3", 5)].into_iter());
        assert_eq!(
            String::from_utf8(header.text()).unwrap(),
            "##fileformat=VCFv4.2\n##FILTER=<ID=q,Description=\"d\">\n\
             ##contig=<ID=chr1,length=7>\n##contig=<ID=chr3,length=5>\n##ALT=<ID=X>\n\
             #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        );
    }

    #[test]
    fn bad_headers_name_the_line() {
        let check = |text: &str, part: &str| {
            let error = read(text).unwrap_err();
            assert!(error.contains(part), "{error}");
        };
        check("", "line 1 of the header: the file is empty");
        check("chr1\t5\n", "line 1 of the header: expected ##fileformat");
        check(
            "##fileformat=VCFv4.2\n",
            "line 2 of the header: the header ends",
        );
        check(
            "##fileformat=VCFv4.2\n\nchr1\t5\n",
            "line 3 of the header: expected a header line",
        );
        check(
            &SOUND.replace("\tQUAL", ""),
            "line 5 of the header: expected the columns",
        );
        check(
            &SOUND.replace("INFO\n", "INFO\ta\tb\n"),
            "line 5 of the header: expected",
        );
    }

    #[test]
    fn definitions() {
        let of = |line: &'static str| Definition::of(line.as_bytes());
        let found =
            of("##INFO=<Number=1,ID=x,Type=Float,Description=\"a, >\\\"\",IDX=12>").unwrap();
        assert_eq!((found.id, found.kind), (&b"x"[..], Some(&b"Float"[..])));
        assert_eq!((found.number, found.end), (Some(12), 60));
        assert_eq!(of("##contig=<IDX=3,ID=a>").unwrap().number, Some(3));
        for none in [
            "##INFO=<ID=x,Type=Float",
            "##INFO=<ID=x,Description=\"open>",
            "##INFO=<Type=Float>",
            "##INFO=x",
            "##PEDIGREE=<ID=x,Mother=a>",
            "##META=<ID=x,Type=String>",
        ] {
            assert!(of(none).is_none(), "{none}");
        }
    }
}
