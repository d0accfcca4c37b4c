use super::table::{Cells, Table};
use super::{LabelledError, Skipped, Source};
use crate::encode::{BASES, UNKNOWN};
use crate::genome::Fasta;
use crate::input::bed;

/// Adds the column `sequence` to intervals: windows of `window` bases around their middles; and the
/// column `group`, the same number for intervals that overlap.
pub(super) fn with_sequences(
    mut table: Table,
    source: &Source,
    window: usize,
) -> Result<Table, LabelledError> {
    let Some(fasta) = &source.fasta else {
        return Err(LabelledError::NoFasta(source.data.clone()));
    };
    let fasta = Fasta::open(fasta, false)?;
    let mut reader = fasta.reader()?;
    let fail = |row: usize, problem: String| LabelledError::Table {
        path: source.data.clone(),
        problem: format!("row {}: {problem}", row + 1),
        expected: "chrom, start and end, 0-based and half-open".into(),
    };
    let cell = |name: &str, row: usize| -> &str {
        match table.columns.iter().find(|c| c.0 == name) {
            Some((_, Cells::Text(cells))) => cells[row].as_deref().unwrap_or(""),
            _ => "",
        }
    };
    let rows = match table.columns.first() {
        Some((_, Cells::Text(cells))) => cells.len(),
        _ => 0,
    };
    let mut checked = vec![false; fasta.contigs().len()];
    let mut sequences = Vec::new();
    let mut places = Vec::new();
    let mut keep = vec![false; rows];
    let mut names = Vec::new();
    let mut skipped = Vec::new();
    let mut codes = Vec::new();
    for (row, keep) in keep.iter_mut().enumerate() {
        let chrom = cell("chrom", row).to_owned();
        let bounds = bed::bounds(cell("start", row).as_bytes(), cell("end", row).as_bytes());
        let (start, end) = bounds.map_err(|why| fail(row, why.problem))?;
        let name = match cell("name", row).trim() {
            "" | "." => format!("{chrom}:{start}-{end}"),
            name => name.to_owned(),
        };
        let mut skip = |reason| {
            skipped.push(Skipped {
                name: name.clone(),
                reason,
            });
        };
        let Some(contig) = source.aliases.resolve(&chrom, fasta.contigs()) else {
            skip("unknown_contig");
            continue;
        };
        if end > fasta.contigs().get(contig).length {
            skip("past_contig_end");
            continue;
        }
        if !checked[contig as usize] {
            fasta.check_contig(&mut reader, contig)?;
            checked[contig as usize] = true;
        }
        let from = i64::from(start) + (i64::from(end - start) - window as i64).div_euclid(2);
        codes.clear();
        reader.fetch(contig, from, window, &mut codes)?;
        if codes.iter().filter(|&&c| c == UNKNOWN).count() * 2 > window {
            skip("unknown_bases");
            continue;
        }
        *keep = true;
        places.push((contig, start, end));
        names.push(Some(name));
        let letter = |&c: &u8| BASES.get(c as usize).copied().unwrap_or('N');
        sequences.push(Some(codes.iter().map(letter).collect::<String>()));
    }
    for (_, cells) in &mut table.columns {
        if let Cells::Text(cells) = cells {
            let mut kept = keep.iter();
            cells.retain(|_| kept.next().copied().unwrap_or(false));
        }
    }
    table
        .columns
        .retain(|c| !["name", "group"].contains(&c.0.as_str()));
    table.columns.push(("name".into(), Cells::Text(names)));
    table
        .columns
        .push(("sequence".into(), Cells::Text(sequences)));
    let groups = overlapping(&places);
    table.columns.push(("group".into(), Cells::Numbers(groups)));
    table.skipped = skipped;
    Ok(table)
}

/// Numbers of the sets of intervals that overlap, directly or through others.
fn overlapping(places: &[(u32, u32, u32)]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_unstable_by_key(|&i| places[i]);
    let mut groups = vec![0.0; places.len()];
    let (mut group, mut last) = (-1.0, (u32::MAX, 0));
    for i in order {
        let (contig, start, end) = places[i];
        if contig != last.0 || start >= last.1 {
            group += 1.0;
            last = (contig, end);
        }
        last.1 = last.1.max(end);
        groups[i] = group;
    }
    groups
}
