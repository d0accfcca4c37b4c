use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::path::{Path, PathBuf};

use super::{CountsError, Names};
use crate::input::{InputError, Lines, shorten};

/// The two published forms of a count table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// GEO's: header `ID Sequence Tags Counts`; several barcodes of a tile are separated by commas
    /// in the last two columns.
    Geo,
    /// SHARPR's: a header of barcode columns (with or without a name for the id column), then id
    /// and one count a barcode.
    Sharpr,
}

/// Whether the tiles' sequences are kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequences {
    /// Kept, where the table has them.
    Keep,
    /// Passed over.
    Pass,
}

/// One library's counts: `rows` tiles, each with the same number of barcodes.
#[derive(Clone, Debug)]
pub struct CountTable {
    /// The file.
    pub path: PathBuf,
    /// Which form it had.
    pub form: Form,
    /// Tile names in file order.
    pub ids: Names,
    /// Barcodes a tile.
    pub barcodes: usize,
    /// Counts, `[tile][barcode]`.
    pub counts: Vec<u32>,
    /// Tile sequences as the file has them, when kept.
    pub sequences: Option<Names>,
    /// A hash of each tile's barcode sequences (GEO's form), so that RNA and DNA can be compared.
    pub tags: Option<Vec<u64>>,
}

impl CountTable {
    /// Number of tiles.
    pub fn rows(&self) -> usize {
        self.ids.len()
    }

    /// Sum of all counts, each with `pseudocount` added.
    pub fn total(&self, pseudocount: u64) -> u64 {
        let counts: u64 = self.counts.iter().map(|&c| u64::from(c)).sum();
        counts + pseudocount * self.counts.len() as u64
    }
}

/// Reads a count table in either form, plain or gzip. Empty lines are passed over.
///
/// # Errors
/// When the file cannot be read or has no tile, and at the first line with a missing or additional
/// column, a count that is not a whole number from 0 to 4,294,967,295, an empty id, or another
/// number of barcodes than the lines before it.
pub fn read_counts(path: &Path, sequences: Sequences) -> Result<CountTable, CountsError> {
    let mut lines = Lines::open(path)?;
    let Some(header) = lines.next_filled()? else {
        return Err(InputError::Empty(path.into()).into());
    };
    let columns: Vec<&str> = header.split('\t').collect();
    let geo = ["ID", "Sequence", "Tags", "Counts"];
    let form = if columns.len() == geo.len()
        && columns
            .iter()
            .zip(geo)
            .all(|(found, name)| found.trim().eq_ignore_ascii_case(name))
    {
        Form::Geo
    } else {
        Form::Sharpr
    };
    let mut table = CountTable {
        path: path.into(),
        form,
        ids: Names::default(),
        barcodes: 0,
        counts: Vec::new(),
        sequences: (form == Form::Geo && sequences == Sequences::Keep).then(Names::default),
        tags: (form == Form::Geo).then(Vec::new),
    };
    while let Some(line) = lines.next_line()? {
        if line.trim().is_empty() {
            continue;
        }
        let parsed = match form {
            Form::Geo => geo_row(line, &mut table),
            Form::Sharpr => sharpr_row(line, &columns, &mut table),
        };
        if let Err((problem, expected)) = parsed {
            return Err(lines.error(problem, expected).into());
        }
    }
    if table.ids.is_empty() {
        return Err(InputError::Empty(path.into()).into());
    }
    Ok(table)
}

/// What was found, and what was expected.
type Problem = (String, String);

fn geo_row(line: &str, table: &mut CountTable) -> Result<(), Problem> {
    let mut fields = line.split('\t');
    let (Some(id), Some(sequence), Some(tags), Some(counts), None) = (
        fields.next(),
        fields.next(),
        fields.next(),
        fields.next(),
        fields.next(),
    ) else {
        return Err((
            format!("{} column(s)", line.split('\t').count()),
            "4 columns: ID, Sequence, Tags, Counts".into(),
        ));
    };
    push_id(id, table)?;
    let before = table.counts.len();
    for count in counts.split(',') {
        table.counts.push(whole(count)?);
    }
    let found = table.counts.len() - before;
    let tagged = tags.bytes().filter(|&b| b == b',').count() + 1;
    if tagged != found {
        return Err((
            format!("tile {id:?} has {tagged} tag(s) and {found} count(s)"),
            "one count a tag".into(),
        ));
    }
    same_barcodes(id, found, table)?;
    if let Some(list) = &mut table.sequences {
        list.push(sequence.trim());
    }
    if let Some(list) = &mut table.tags {
        list.push(BuildHasherDefault::<Folding>::default().hash_one(tags.as_bytes()));
    }
    Ok(())
}

fn sharpr_row(line: &str, header: &[&str], table: &mut CountTable) -> Result<(), Problem> {
    let mut fields = line.split('\t');
    let id = fields.next().unwrap_or_default();
    push_id(id, table)?;
    let before = table.counts.len();
    for count in fields {
        table.counts.push(whole(count)?);
    }
    let found = table.counts.len() - before;
    if table.ids.len() == 1 {
        let named = header.iter().filter(|name| !name.trim().is_empty()).count();
        let numbers = header.len() > 1 && header[1..].iter().all(|name| whole(name).is_ok());
        if named == found + 1 && numbers {
            return Err((
                "the first line is a row of counts".into(),
                "a header of barcode columns above the first tile".into(),
            ));
        }
        if found == 0 || (named != found && named != found + 1) {
            return Err((
                format!("{found} count(s) under a header of {named} column(s)"),
                "one count a barcode column".into(),
            ));
        }
    }
    same_barcodes(id, found, table)
}

fn push_id(id: &str, table: &mut CountTable) -> Result<(), Problem> {
    if id.trim().is_empty() {
        return Err(("no tile id".into(), "an id in the first column".into()));
    }
    table.ids.push(id.trim());
    Ok(())
}

fn same_barcodes(id: &str, found: usize, table: &mut CountTable) -> Result<(), Problem> {
    if table.ids.len() == 1 {
        table.barcodes = found;
    }
    if table.barcodes != found {
        return Err((
            format!("tile {:?} has {found} barcode(s)", shorten(id)),
            format!("{} as the tiles before it", table.barcodes),
        ));
    }
    Ok(())
}

/// A count: decimal digits only, so that `-1`, `1.5`, `1e3` and `NA` are refused.
fn whole(text: &str) -> Result<u32, Problem> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| {
        (
            format!("count {:?}", shorten(text)),
            "a whole number from 0 to 4294967295".into(),
        )
    })
}

/// A multiplicative hash over 8-byte words: the tables are the user's own, so speed comes before
/// resistance to crafted collisions, and equal hashes are compared by their text.
#[derive(Default)]
struct Folding(u64);

impl Hasher for Folding {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            let mixed = (self.0.rotate_left(23) ^ u64::from_le_bytes(word))
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
            self.0 = mixed ^ (mixed >> 29);
        }
    }
}

/// Checks that no tile stands twice.
///
/// # Errors
/// [`CountsError::Duplicate`] with the first tile that does.
pub fn check_unique(table: &CountTable) -> Result<(), CountsError> {
    // Sorted hashes find that nothing is twice several times faster than a map of the names does.
    let hasher = BuildHasherDefault::<Folding>::default();
    let mut hashes: Vec<u64> = table.ids.iter().map(|id| hasher.hash_one(id)).collect();
    hashes.sort_unstable();
    if hashes.windows(2).all(|pair| pair[0] != pair[1]) {
        return Ok(());
    }
    // Two names, or one twice: their text tells.
    let mut seen: HashMap<&str, usize> = HashMap::with_capacity(table.rows());
    for (row, id) in table.ids.iter().enumerate() {
        if let Some(first) = seen.insert(id, row) {
            return Err(CountsError::Duplicate {
                path: table.path.clone(),
                id: id.into(),
                first: first + 1,
                second: row + 1,
            });
        }
    }
    Ok(())
}

/// Checks that an RNA and a DNA table hold the same tiles in the same order with the same barcodes.
///
/// # Errors
/// At the first row that differs, also when one table is a longer version of the other.
pub fn check_pair(rna: &CountTable, dna: &CountTable) -> Result<(), CountsError> {
    if rna.ids != dna.ids {
        let same = rna
            .ids
            .iter()
            .zip(dna.ids.iter())
            .take_while(|(a, b)| a == b)
            .count();
        let at = |table: &CountTable| {
            if same < table.rows() {
                table.ids.get(same).to_owned()
            } else {
                format!("(end of table after {} tiles)", table.rows())
            }
        };
        return Err(CountsError::Mismatch {
            rna: rna.path.clone(),
            dna: dna.path.clone(),
            row: same + 1,
            rna_id: at(rna),
            dna_id: at(dna),
        });
    }
    if rna.barcodes != dna.barcodes {
        return Err(CountsError::Barcodes {
            rna: rna.path.clone(),
            rna_barcodes: rna.barcodes,
            dna: dna.path.clone(),
            dna_barcodes: dna.barcodes,
        });
    }
    if let (Some(a), Some(b)) = (&rna.tags, &dna.tags)
        && let Some(row) = a.iter().zip(b).position(|(a, b)| a != b)
    {
        return Err(CountsError::Tags {
            rna: rna.path.clone(),
            dna: dna.path.clone(),
            id: rna.ids.get(row).into(),
        });
    }
    Ok(())
}
