//! The header of a VCF, kept as text: what this program has no use for is passed through as it is.

use super::VariantError;
use crate::input::{Lines, shorten};

const COLUMNS: [&str; 8] = [
    "#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO",
];

/// Header lines and the names of the columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Lines with `##`, in order, without line ends.
    pub lines: Vec<String>,
    /// The `#CHROM` line.
    pub columns: String,
}

impl Header {
    /// Reads up to and with the `#CHROM` line.
    ///
    /// # Errors
    /// When the first line is not `##fileformat=VCF...`, when a record comes before `#CHROM`, or
    /// when the columns are not those of a VCF.
    pub fn read(input: &mut Lines) -> Result<Self, VariantError> {
        let path = input.path().display().to_string();
        let mut lines: Vec<String> = Vec::new();
        loop {
            let number = lines.len() as u64 + 1;
            let fail = |problem: String| VariantError::Header {
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
            let line = &*String::from_utf8_lossy(line);
            if number == 1 && !line.starts_with("##fileformat=VCF") {
                return Err(fail(format!(
                    "expected ##fileformat=VCFv4.x, found {:?}: not a VCF",
                    shorten(line)
                )));
            }
            if line.starts_with("##") {
                lines.push(line.to_owned());
                continue;
            }
            if !line.starts_with('#') {
                return Err(fail(format!(
                    "expected a header line or #CHROM, found {:?}",
                    shorten(line)
                )));
            }
            let names: Vec<&str> = line.split('\t').collect();
            let sound = names.iter().zip(COLUMNS).all(|(a, b)| *a == b)
                && names.len() >= COLUMNS.len()
                && names.get(8).is_none_or(|n| *n == "FORMAT");
            if !sound {
                return Err(fail(format!(
                    "expected the columns {} (and FORMAT and samples), separated by tabs; found {:?}",
                    COLUMNS.join(" "),
                    shorten(line)
                )));
            }
            return Ok(Self {
                lines,
                columns: line.to_owned(),
            });
        }
    }

    /// The header of a VCF that is made from positions.
    pub fn new(contigs: impl Iterator<Item = (String, u32)>) -> Self {
        let mut lines = vec!["##fileformat=VCFv4.3".to_owned()];
        lines.extend(contigs.map(|(name, length)| contig_line(&name, length)));
        Self {
            lines,
            columns: COLUMNS.join("\t"),
        }
    }

    /// Columns of a record.
    pub fn width(&self) -> usize {
        self.columns.split('\t').count()
    }

    /// Takes away lines that define INFO fields of these names, and those of an earlier run; then
    /// appends lines.
    pub fn replace(&mut self, ids: &[String], lines: Vec<String>) {
        self.lines.retain(|line| {
            let id = line.strip_prefix("##INFO=<ID=").map(|rest| {
                let end = rest.find([',', '>']).unwrap_or(rest.len());
                &rest[..end]
            });
            !line.starts_with("##mpra-score") && !id.is_some_and(|id| ids.iter().any(|i| i == id))
        });
        self.lines.extend(lines);
    }

    /// Takes away `IDX=`, which only BCF has.
    pub fn without_numbers(&mut self) {
        for line in &mut self.lines {
            let Some(at) = line.rfind(",IDX=") else {
                continue;
            };
            let rest = &line[at + 5..];
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if rest[digits..].starts_with('>') {
                line.replace_range(at..at + 5 + digits, "");
            }
        }
    }

    /// Names of the contigs that it defines.
    pub fn contigs(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(|line| {
            let rest = line.strip_prefix("##contig=<ID=")?;
            Some(&rest[..rest.find([',', '>']).unwrap_or(rest.len())])
        })
    }

    /// The whole text.
    pub fn text(&self) -> String {
        let mut text = self.lines.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        text + &self.columns + "\n"
    }
}

/// Defines a contig.
pub(super) fn contig_line(name: &str, length: u32) -> String {
    format!("##contig=<ID={name},length={length}>")
}

/// Defines an INFO field.
pub(super) fn info_line(id: &str, number: &str, kind: &str, description: &str) -> String {
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
        assert_eq!(header.width(), 8);
        assert_eq!(header.contigs().collect::<Vec<_>>(), ["1"]);
        header.without_numbers();
        header.replace(
            &["MPRA_MAX".into()],
            vec![info_line("MPRA_MAX", "A", "Float", "a \"new\" one")],
        );
        assert_eq!(
            header.text(),
            "##fileformat=VCFv4.2\n##contig=<ID=1,length=9>\n\
             ##INFO=<ID=AF,Number=A,Type=Float,Description=\"f\">\n\
             ##INFO=<ID=MPRA_MAX,Number=A,Type=Float,Description=\"a \\\"new\\\" one\">\n\
             #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        );
        let samples = SOUND.replace("INFO\n1", "INFO\tFORMAT\ta\tb\n1");
        assert_eq!(read(&samples).unwrap().width(), 11);
    }

    #[test]
    fn bad_headers_name_the_line() {
        let check = |text: &str, part: &str| {
            let error = read(text).unwrap_err();
            assert!(error.contains(part), "{error}");
        };
        check("", "line 1: the file is empty");
        check("chr1\t5\n", "line 1: expected ##fileformat");
        check("##fileformat=VCFv4.2\n", "line 2: the header ends");
        check(
            "##fileformat=VCFv4.2\nchr1\t5\n",
            "line 2: expected a header line",
        );
        check(&SOUND.replace("\tQUAL", ""), "line 5: expected the columns");
        check(&SOUND.replace("INFO\n", "INFO\ta\tb\n"), "line 5: expected");
    }
}
