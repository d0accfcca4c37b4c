use std::collections::HashMap;
use std::path::Path;

use super::GenomeError;
use crate::input::Lines;
use crate::job::sha256;

/// Index of a contig in its [`Contigs`].
pub type ContigId = u32;

/// One sequence of the FASTA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contig {
    /// Name as in the FASTA, up to the first white space.
    pub name: String,
    /// Number of bases.
    pub length: u32,
}

/// The contigs of a FASTA in file order, found by name.
#[derive(Clone, Debug, Default)]
pub struct Contigs {
    list: Vec<Contig>,
    by_name: HashMap<String, ContigId>,
}

impl Contigs {
    /// Collects contigs in file order. Returns the first repeated name as the error.
    pub fn new(list: Vec<Contig>) -> Result<Self, String> {
        let mut by_name = HashMap::with_capacity(list.len());
        for (id, contig) in list.iter().enumerate() {
            if by_name
                .insert(contig.name.clone(), id as ContigId)
                .is_some()
            {
                return Err(contig.name.clone());
            }
        }
        Ok(Self { list, by_name })
    }

    /// A line `name<TAB>length` a contig, in file order.
    pub fn table(&self) -> String {
        (self.list.iter())
            .map(|c| format!("{}\t{}\n", c.name, c.length))
            .collect()
    }

    /// SHA-256 of [`table`](Self::table), hexadecimal: tells genomes apart without reading them.
    pub fn sha256(&self) -> String {
        sha256(self.table().as_bytes())
    }

    /// The contig with this id.
    pub fn get(&self, id: ContigId) -> &Contig {
        &self.list[id as usize]
    }

    /// The id of a name, exactly as written.
    pub fn id(&self, name: &str) -> Option<ContigId> {
        self.by_name.get(name).copied()
    }

    /// All contigs in file order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Contig> {
        self.list.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Position of each contig in the order of names compared as bytes: the order of all tracks,
    /// that of `LC_ALL=C sort -k1,1 -k2,2n` and of UCSC's `bedGraphToBigWig`.
    pub fn ranks(&self) -> Vec<u32> {
        let mut order: Vec<usize> = (0..self.list.len()).collect();
        order.sort_by(|&a, &b| self.list[a].name.cmp(&self.list[b].name));
        let mut ranks = vec![0; order.len()];
        for (rank, id) in order.into_iter().enumerate() {
            ranks[id] = rank as u32;
        }
        ranks
    }

    /// A contig whose name differs from `name` only by a leading `chr` (or is its mitochondrion).
    pub fn similar(&self, name: &str) -> Option<&str> {
        ucsc_ensembl(name)
            .into_iter()
            .find_map(|other| self.id(&other))
            .map(|id| self.get(id).name.as_str())
    }
}

/// The other spellings of a name between UCSC (`chr1`, `chrM`) and Ensembl (`1`, `MT`).
fn ucsc_ensembl(name: &str) -> Vec<String> {
    match name {
        "chrM" | "chrMT" => vec!["MT".into(), "M".into(), "chrM".into(), "chrMT".into()],
        "MT" | "M" => vec!["chrM".into(), "chrMT".into(), "MT".into(), "M".into()],
        _ => match name.strip_prefix("chr") {
            Some(rest) => vec![rest.into()],
            None => vec![format!("chr{name}")],
        },
    }
}

/// How names of a BED or VCF are brought together with the names of the FASTA.
#[derive(Clone, Debug, Default)]
pub enum Aliases {
    /// Names must be equal.
    #[default]
    None,
    /// `chr1` is `1`, `chrM` is `MT`, and the other way round.
    UcscEnsembl,
    /// Sets of names that mean the same contig, from a file.
    Table(HashMap<String, Vec<String>>),
}

impl Aliases {
    /// What tells these names from others, for the keys of jobs that are gone on with.
    pub fn key(&self) -> String {
        match self {
            Self::None => "none".into(),
            Self::UcscEnsembl => "ucsc-ensembl".into(),
            Self::Table(table) => {
                let mut rows: Vec<String> = (table.iter())
                    .map(|(name, names)| format!("{name}\t{}\n", names.join("\t")))
                    .collect();
                rows.sort_unstable();
                sha256(rows.concat().as_bytes())
            }
        }
    }

    /// Reads a tab-separated file with one contig a line and its names in the columns, as UCSC's
    /// `chromAlias.txt`. Empty cells and `#` lines are passed over.
    ///
    /// # Errors
    /// When the file cannot be read, a line names fewer than two, or one name stands on two lines.
    pub fn from_file(path: &Path) -> Result<Self, GenomeError> {
        let mut lines = Lines::open(path)?;
        let mut table: HashMap<String, Vec<String>> = HashMap::new();
        loop {
            let number = lines.number() + 1;
            let Some(line) = lines.next_line()? else {
                break;
            };
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let mut names: Vec<String> = Vec::new();
            for cell in line.split('\t').map(str::trim).filter(|c| !c.is_empty()) {
                if !names.iter().any(|n| n == cell) {
                    names.push(cell.to_owned());
                }
            }
            let fail = |problem: String| GenomeError::Alias {
                path: path.to_path_buf(),
                line: number,
                problem,
            };
            if names.len() < 2 && line.split('\t').count() < 2 {
                return Err(fail(format!(
                    "expected two or more tab-separated names, found {line:?}"
                )));
            }
            for name in &names {
                if table.insert(name.clone(), names.clone()).is_some() {
                    return Err(fail(format!("{name:?} stands on two lines")));
                }
            }
        }
        Ok(Self::Table(table))
    }

    /// The contig that `name` means: the name itself first, then its aliases.
    pub fn resolve(&self, name: &str, contigs: &Contigs) -> Option<ContigId> {
        if let Some(id) = contigs.id(name) {
            return Some(id);
        }
        match self {
            Self::None => None,
            Self::UcscEnsembl => ucsc_ensembl(name).iter().find_map(|n| contigs.id(n)),
            Self::Table(table) => table.get(name)?.iter().find_map(|n| contigs.id(n)),
        }
    }

    /// The contig that a name or code in a table of associations means: as [`resolve`](Self::resolve); names with and
    /// without `chr`; PLINK's codes 23 to 26; numbers written as floats (`1.0`) or with a zero before them.
    pub fn resolve_code(&self, name: &str, contigs: &Contigs) -> Option<ContigId> {
        let name = name.strip_suffix(".0").unwrap_or(name);
        let of = |name: &str| {
            let known = self.resolve(name, contigs);
            known.or_else(|| Self::UcscEnsembl.resolve(name, contigs))
        };
        let number = || match name.strip_prefix("chr").unwrap_or(name) {
            // 25: the part of X that is on Y, too.
            "23" | "25" | "XY" => of("X"),
            "24" => of("Y"),
            "26" => of("MT"),
            other => of(other.strip_prefix('0')?),
        };
        of(name).or_else(number)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn contigs(names: &[&str]) -> Contigs {
        Contigs::new(
            names
                .iter()
                .map(|n| Contig {
                    name: (*n).into(),
                    length: 10,
                })
                .collect(),
        )
        .unwrap()
    }

    #[test]
    fn names_with_and_without_chr() {
        let c = contigs(&["1", "2", "MT"]);
        assert_eq!(Aliases::None.resolve("chr2", &c), None);
        assert_eq!(Aliases::UcscEnsembl.resolve("chr2", &c), Some(1));
        assert_eq!(Aliases::UcscEnsembl.resolve("chrM", &c), Some(2));
        assert_eq!(c.similar("chr1"), Some("1"));
        assert_eq!(c.similar("chr7"), None);
        let c = contigs(&["chr1", "chrM"]);
        assert_eq!(Aliases::UcscEnsembl.resolve("MT", &c), Some(1));
    }

    #[test]
    fn codes_of_contigs() {
        let c = contigs(&["chr1", "chrX", "chrY", "chrM"]);
        let of = |name: &str| Aliases::None.resolve_code(name, &c);
        for (id, names) in [
            (0, &["chr1", "1", "01", "1.0", "chr01"][..]),
            (1, &["X", "23", "chr23", "25", "XY"]),
            (2, &["24", "chrY"]),
            (3, &["26", "MT"]),
        ] {
            names
                .iter()
                .for_each(|name| assert_eq!(of(name), Some(id), "{name}"));
        }
        assert_eq!((of("2"), of("27")), (None, None));
    }

    #[test]
    fn alias_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alias.txt");
        fs::write(
            &path,
            "# ucsc\tensembl\trefseq\nchr1\t1\tNC_1\n\tX\tNC_X\r\n",
        )
        .unwrap();
        let c = contigs(&["NC_1", "NC_X"]);
        let aliases = Aliases::from_file(&path).unwrap();
        assert_eq!(aliases.resolve("chr1", &c), Some(0));
        assert_eq!(aliases.resolve("X", &c), Some(1));
        assert_eq!(aliases.resolve("chr3", &c), None);
        fs::write(&path, "\u{feff}chr1\t1\tNC_1\r\n").unwrap();
        let marked = Aliases::from_file(&path).unwrap();
        assert_eq!(marked.resolve("chr1", &c), Some(0));
        fs::write(&path, "chr1\t1\nchr1\t2\n").unwrap();
        let err = Aliases::from_file(&path).unwrap_err().to_string();
        assert!(err.contains("line 2") && err.contains("two lines"), "{err}");
        fs::write(&path, "chr1 1\n").unwrap();
        assert!(Aliases::from_file(&path).is_err());
    }

    #[test]
    fn ranks_follow_bytes() {
        assert_eq!(contigs(&["chr2", "chr10", "chr1"]).ranks(), [2, 1, 0]);
        assert_eq!(
            Contigs::new(vec![
                Contig {
                    name: "a".into(),
                    length: 1
                },
                Contig {
                    name: "a".into(),
                    length: 1
                }
            ])
            .unwrap_err(),
            "a"
        );
    }
}
