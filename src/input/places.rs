use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{InputError, Lines, bed, shorten};

/// Where a region or a tile lies, 0-based and half-open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Chromosome.
    pub chrom: String,
    /// First base.
    pub start: u32,
    /// One past the last base.
    pub end: u32,
}

/// Where the regions of tables lie.
#[derive(Clone, Debug)]
pub struct Coordinates {
    /// The file.
    pub path: PathBuf,
    /// The places by name.
    pub places: HashMap<String, Place>,
}

impl Coordinates {
    /// Reads a file as [`read_places`] does.
    ///
    /// # Errors
    /// As there.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        Ok(Self {
            path: path.into(),
            places: read_places(path)?,
        })
    }
}

/// Reads places by name: SHARPR's `id chrom start end`, or BED with the name in column 4. Which of them
/// it is, the columns that hold numbers tell; where all do (a contig called `8`, a region called `15`),
/// the file's ending `.bed` or `.bed.gz`. Empty lines, `#`, `track` and `browser` lines are passed over.
///
/// # Errors
/// When the file cannot be read or is empty, or at the first line with fewer than 4 columns, numbers
/// that are none, an end not after its start, or a name that was there before with another place.
pub fn read_places(path: &Path) -> Result<HashMap<String, Place>, InputError> {
    let mut lines = Lines::open(path)?;
    let mut places = HashMap::new();
    let file_name = path.to_string_lossy();
    let named_bed = [".bed", ".bed.gz"]
        .iter()
        .any(|end| file_name.ends_with(end));
    while let Some(line) = lines.next_line()? {
        let Some(all) = bed::Fields::of(line.as_bytes()) else {
            continue;
        };
        // Parts of a text between tabs or blanks are texts.
        let text = |i| all.get(i).and_then(|f| std::str::from_utf8(f).ok());
        let fields: Vec<&str> = (0..4).map_while(text).collect();
        let number = |text: &str| bed::coordinate(text.as_bytes());
        let place = fields.get(..4).and_then(|first| {
            let numbers = [1, 2, 3].map(|i| number(first[i]).is_some());
            let bed = numbers[0] && numbers[1] && (!numbers[2] || named_bed);
            let (name, chrom, start, end) = if bed {
                (first[3], first[0], first[1], first[2])
            } else {
                (first[0], first[1], first[2], first[3])
            };
            let (start, end) = (number(start)?, number(end)?);
            (start < end && !name.is_empty()).then(|| {
                let chrom = chrom.to_owned();
                (name.to_owned(), Place { chrom, start, end })
            })
        });
        let Some((name, place)) = place else {
            let found = format!("{:?}", shorten(line));
            return Err(lines.error(
                found,
                "`id chrom start end`, or BED with a name in column 4; start below end",
            ));
        };
        if let Some(before) = places.insert(name.clone(), place.clone())
            && before != place
        {
            return Err(lines.error(format!("{name:?} has two places"), "each name once"));
        }
    }
    if places.is_empty() {
        return Err(InputError::Empty(path.into()));
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn file(dir: &Path, name: &str, text: &str) -> PathBuf {
        let path = dir.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn places_in_both_forms() {
        let dir = tempfile::tempdir().unwrap();
        let expected = Place {
            chrom: "chr2".into(),
            start: 5,
            end: 15,
        };
        for text in [
            "r\tchr2\t5\t15\n",
            "track name=x\nchr2\t5\t15\tr\t0\t+\n",
            "# c\nr chr2 5 15\r\n",
        ] {
            let places = read_places(&file(dir.path(), "c", text)).unwrap();
            assert_eq!(places["r"], expected, "{text:?}");
        }
        let numbers = "15\t2\t5\t15\n";
        let place =
            |name: &str| read_places(&file(dir.path(), name, numbers)).unwrap()["15"].clone();
        assert_eq!(
            (place("c.txt").chrom.as_str(), place("c.txt").start),
            ("2", 5)
        );
        assert_eq!(
            (place("c.bed").chrom.as_str(), place("c.bed").start),
            ("15", 2)
        );
        for (text, part) in [
            ("r\tchr2\t5\n", "line 1"),
            ("r\tchr2\tx\t15\n", "line 1"),
            ("r\tchr2\t15\t15\n", "line 1"),
            (
                "r\tchr2\t5\t15\nr\tchr2\t6\t16\n",
                "line 2: \"r\" has two places",
            ),
            ("", "holds no row"),
        ] {
            let error = read_places(&file(dir.path(), "c", text))
                .unwrap_err()
                .to_string();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }
}
