//! What records use and their header does not define.

use std::collections::HashSet;

use super::dictionary::Dictionary;
use super::text::key_value;

/// Finds names that a BCF needs in its header: contigs, filters, fields.
#[derive(Debug)]
pub struct Undefined<'d> {
    names: &'d Dictionary,
    seen: [HashSet<Vec<u8>>; 4],
    /// The last record's CHROM, FILTER and FORMAT, which are mostly the next one's, too.
    last: [Vec<u8>; 3],
    contigs: Vec<Vec<u8>>,
    lines: Vec<String>,
}

impl<'d> Undefined<'d> {
    /// Beside those of a dictionary.
    pub fn new(names: &'d Dictionary) -> Self {
        Self {
            names,
            seen: Default::default(),
            last: Default::default(),
            contigs: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// Looks at a line of a VCF.
    pub fn look(&mut self, line: &[u8]) {
        let mut columns = line.splitn(10, |&b| b == b'\t');
        let (contig, filters) = (columns.next(), columns.nth(5));
        let (infos, formats) = (columns.next(), columns.next());
        let is_new = |last: &mut Vec<u8>, now: &[u8]| {
            let new = last != now;
            if new {
                last.clear();
                last.extend_from_slice(now);
            }
            new
        };
        let [last_contig, last_filters, last_formats] = &mut self.last;
        let [contigs, of_filters, of_infos, of_formats] = &mut self.seen;
        let names = self.names;
        if let Some(contig) = contig.filter(|c| is_new(last_contig, c))
            && names.contig_number(contig).is_none()
            && contigs.insert(contig.to_vec())
        {
            self.contigs.push(contig.to_vec());
        }
        let lossy = String::from_utf8_lossy;
        if let Some(filters) = filters.filter(|f| *f != b"." && is_new(last_filters, f)) {
            for name in filters.split(|&b| b == b';').filter(|n| !n.is_empty()) {
                if names.filter(name).is_none() && of_filters.insert(name.to_vec()) {
                    let line = format!("##FILTER=<ID={},Description=\"Undefined\">", lossy(name));
                    self.lines.push(line);
                }
            }
        }
        let mut field = |column: &str, name: &[u8]| {
            self.lines.push(format!(
                "##{column}=<ID={},Number=.,Type=String,Description=\"Undefined\">",
                lossy(name)
            ));
        };
        if let Some(infos) = infos.filter(|i| *i != b".") {
            for entry in infos.split(|&b| b == b';') {
                let name = key_value(entry).0;
                let passed_over = name.is_empty() || entry == b".";
                if !passed_over && names.info(name).is_none() && of_infos.insert(name.to_vec()) {
                    field("INFO", name);
                }
            }
        }
        if let Some(formats) = formats.filter(|f| *f != b"." && is_new(last_formats, f)) {
            for name in formats.split(|&b| b == b':').filter(|n| !n.is_empty()) {
                if names.format(name).is_none() && of_formats.insert(name.to_vec()) {
                    field("FORMAT", name);
                }
            }
        }
    }

    /// Names of contigs, in the order of the records.
    pub fn contigs(&self) -> &[Vec<u8>] {
        &self.contigs
    }

    /// Header lines that define everything else, as text.
    pub fn into_lines(self) -> Vec<String> {
        self.lines
    }
}
