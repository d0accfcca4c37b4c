//! Regions with their bases, all in memory: of jobs that look at few of them, one by one.

use std::ops::Range;

use super::{Aliases, BedRules, BedSource, ContigId, Fasta, GenomeError, RegionStatus, read_bed};

/// A row of a BED with its bases.
#[derive(Clone, Debug)]
pub struct RegionBases {
    /// Its name, or `contig:start-end` where it has none.
    pub name: String,
    /// Whether it has bases, and why not.
    pub status: RegionStatus,
    /// Contig and 0-based coordinate (negative before the contig) of the first code.
    pub place: Option<(ContigId, i64)>,
    /// Base codes; of a region that was widened with those around it.
    pub codes: Vec<u8>,
    /// The region itself, in `codes`.
    pub own: Range<usize>,
}

/// The name of a region's label (`contig\tstart\tend\tname\tstrand`), or `contig:start-end` where it has none.
pub fn region_name(label: &str) -> String {
    let mut cells = label.split('\t');
    let mut next = || cells.next().unwrap_or("");
    let (contig, start, end) = (next(), next(), next());
    match next() {
        "" | "." => format!("{contig}:{start}-{end}"),
        name => name.to_owned(),
    }
}

/// Reads the rows of a BED, in their order, with the bases of the forward strand. A region of fewer bases than `least` is
/// widened around its middle (an odd base on the left).
///
/// # Errors
/// When the BED or the FASTA cannot be read, or the rules refuse a row.
pub fn region_bases(
    bed: &BedSource,
    fasta: &Fasta,
    aliases: &Aliases,
    rules: impl Into<BedRules>,
    least: usize,
) -> Result<Vec<RegionBases>, GenomeError> {
    let spool = std::env::temp_dir();
    let contigs = fasta.contigs();
    let regions = read_bed(bed, contigs, aliases, rules, &spool)?;
    let mut reader = fasta.reader()?;
    let mut checked = vec![false; contigs.len()];
    let mut scorable = regions.scorable.iter().peekable();
    let mut all = Vec::with_capacity(regions.rows());
    for (row, (label, status)) in regions.labels()?.zip(&regions.status).enumerate() {
        let label = label.map_err(|e| GenomeError::Read(e, spool.clone()))?;
        let mut found = RegionBases {
            name: region_name(&label),
            status: *status,
            place: None,
            codes: Vec::new(),
            own: 0..0,
        };
        if let Some(region) = scorable.next_if(|region| region.row as usize == row) {
            if !std::mem::replace(&mut checked[region.contig as usize], true) {
                fasta.check_contig(&mut reader, region.contig)?;
            }
            let own = region.bases.len() as usize;
            let before = least.saturating_sub(own).div_ceil(2);
            let from = i64::from(region.bases.start()) - before as i64;
            reader.fetch(region.contig, from, own.max(least), &mut found.codes)?;
            found.own = before..before + own;
            found.place = Some((region.contig, from));
        }
        all.push(found);
    }
    Ok(all)
}
