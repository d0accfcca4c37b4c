//! Writing bigBed, by `bigtools`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bigtools::beddata::BedParserStreamingIterator;
use bigtools::{BedEntry, BigBedWrite};
use tokio::runtime;

use super::TrackError;
use crate::genome::Contigs;
use crate::output::{OutputError, WholeFile};

/// A row of a bigBed: contig, bases (0-based, half-open), and the further columns as they stand in BED: name,
/// score (0 to 1000), strand, then those of one's own.
pub struct BedItem {
    /// Contig, by its number among the contigs.
    pub contig: u32,
    /// First base, 0-based.
    pub start: u32,
    /// One past the last base.
    pub end: u32,
    /// Name, score, strand and further columns, separated by tabs.
    pub rest: String,
}

/// Writes a bigBed with six columns of BED and further ones, whose names and descriptions are `fields`: names of letters,
/// digits and `_`. Rows in any order; those on contigs that are not there or that reach beyond them are left out.
///
/// # Errors
/// When the file cannot be written.
pub fn write_bigbed(
    path: &Path,
    contigs: &Contigs,
    title: &str,
    fields: &[(String, String)],
    mut rows: Vec<BedItem>,
) -> Result<PathBuf, TrackError> {
    rows.retain(|r| {
        let length = (r.contig as usize) < contigs.len();
        length && r.start < r.end && r.end <= contigs.get(r.contig).length
    });
    let ranks = contigs.ranks();
    rows.sort_by_key(|r| (ranks[r.contig as usize], r.start, r.end));
    let sizes: HashMap<String, u32> = contigs.iter().map(|c| (c.name.clone(), c.length)).collect();
    let whole = WholeFile::create(path, true)?;
    let fail = |e: &dyn std::fmt::Display| {
        OutputError::Write(std::io::Error::other(e.to_string()), path.into())
    };
    let mut writer = BigBedWrite::new(whole.file()?, sizes);
    writer.autosql = Some(autosql(title, fields));
    writer.options.inmemory = true;
    // Of one thread, channels hold nothing back.
    writer.options.channel_size = 0;
    let rows = rows.into_iter().map(|r| {
        let entry = BedEntry {
            start: r.start,
            end: r.end,
            rest: r.rest,
        };
        (contigs.get(r.contig).name.clone(), entry)
    });
    let threads = runtime::Builder::new_current_thread()
        .build()
        .map_err(|e| fail(&e))?;
    let data = BedParserStreamingIterator::wrap_infallible_iter(rows, true);
    writer.write(data, threads).map_err(|e| fail(&e))?;
    Ok(whole.keep()?)
}

/// What the columns are, as autoSql has it.
fn autosql(title: &str, fields: &[(String, String)]) -> String {
    let quoted = |text: &str| text.replace(['"', '\n', '\0'], " ");
    let mut text = format!(
        "table mpraScore\n\"{}\"\n(\n\
         string chrom; \"Contig\"\nuint chromStart; \"First base, from 0\"\nuint chromEnd; \"One past the last base\"\n\
         string name; \"Name\"\nuint score; \"Score, 0 to 1000\"\nchar[1] strand; \"Strand, or .\"\n",
        quoted(title)
    );
    for (name, about) in fields {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "string {name}; \"{}\"", quoted(about));
    }
    text + ")\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::Contig;
    use bigtools::BigBedRead;

    #[test]
    fn rows_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.bb");
        let contig = |name: &str, length| Contig {
            name: name.into(),
            length,
        };
        let contigs = Contigs::new(vec![contig("chr2", 500), contig("chr10", 90)]).unwrap();
        let row = |contig, start, end, rest: &str| BedItem {
            contig,
            start,
            end,
            rest: rest.into(),
        };
        let rows = vec![
            row(0, 400, 450, "late\t10\t.\t0.5"),
            row(0, 5, 300, "early\t1000\t+\t-1"),
            row(1, 0, 90, "whole\t0\t-\tNA"),
            row(1, 0, 91, "beyond\t0\t-\tNA"),
            row(7, 0, 9, "elsewhere\t0\t-\tNA"),
            row(0, 9, 9, "empty\t0\t-\tNA"),
        ];
        let fields = [("activity".to_owned(), "of the \"best\"".to_owned())];
        write_bigbed(&path, &contigs, "Regions", &fields, rows).unwrap();
        let mut read = BigBedRead::open_file(&path).unwrap();
        let sql = read.autosql().unwrap().unwrap();
        assert!(sql.contains("string activity; \"of the  best \""), "{sql}");
        let mut of = |contig: &str, end| -> Vec<(u32, u32, String)> {
            let rows = read.get_interval(contig, 0, end).unwrap();
            let rows = rows.map(|r| r.unwrap()).map(|r| (r.start, r.end, r.rest));
            rows.collect()
        };
        assert_eq!(
            of("chr2", 500),
            [
                (5, 300, "early\t1000\t+\t-1".to_owned()),
                (400, 450, "late\t10\t.\t0.5".to_owned())
            ]
        );
        assert_eq!(of("chr10", 90), [(0, 90, "whole\t0\t-\tNA".to_owned())]);
        // No row at all is a fault of the library's, and is refused here.
        assert!(write_bigbed(&path, &contigs, "Regions", &fields, Vec::new()).is_err());
    }
}
