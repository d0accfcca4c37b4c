//! Sites that stand for the same signal: within a distance of a better one, and, with people's genotypes,
//! in linkage disequilibrium with it. As PLINK's `--clump` does it: the best site takes what is near to it,
//! then the best of those left, and so on.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::VariantError;
use crate::genome::{Aliases, Contigs};
use crate::input::{Input, InputError, Lines, shorten};

/// What is one signal.
#[derive(Clone, Debug, PartialEq)]
pub struct Clump {
    /// Bases from a better site within which a site is of its signal.
    pub distance: u32,
    /// People's genotypes, PLINK's `.bed` with `.bim` and `.fam` beside it (each also with `.gz`), by their
    /// common name: sites are then of one signal only where they are also in disequilibrium.
    pub genotypes: Option<PathBuf>,
    /// The least squared correlation of their genotypes for that.
    pub r2: f64,
}

impl Default for Clump {
    fn default() -> Self {
        Self {
            distance: 250_000,
            genotypes: None,
            r2: 0.5,
        }
    }
}

/// A site among those that are clumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// Sites of different sets are never of one signal: contigs, and traits.
    pub set: (u32, u32),
    /// 0-based.
    pub position: u32,
}

/// For each site, given best first, the index of the one that it goes with (its own for the best of a
/// signal). `r2(a, b)`: squared correlation of two sites, `None` where it is not known; sites of which it is not
/// known stand alone. `leads(i)`: whether a site may begin a signal; others that go with none have `None`.
pub(super) fn clump(
    spots: &[Spot],
    distance: u32,
    least: Option<f64>,
    mut r2: impl FnMut(usize, usize) -> Option<f64>,
    leads: impl Fn(usize) -> bool,
) -> Vec<Option<u32>> {
    let mut places: BTreeMap<((u32, u32), u32, u32), ()> = BTreeMap::new();
    for (i, spot) in spots.iter().enumerate() {
        places.insert((spot.set, spot.position, i as u32), ());
    }
    let mut lead: Vec<Option<u32>> = vec![None; spots.len()];
    for best in 0..spots.len() {
        if lead[best].is_some() || !leads(best) {
            continue;
        }
        let Spot { set, position } = spots[best];
        let from = (set, position.saturating_sub(distance), 0);
        let to = (set, position.saturating_add(distance), u32::MAX);
        let near: Vec<_> = places.range(from..=to).map(|(key, ())| *key).collect();
        for key in near {
            let i = key.2 as usize;
            let with = match least {
                _ if i == best => true,
                None => true,
                Some(least) => r2(best, i).is_some_and(|r2| r2 >= least),
            };
            if with {
                lead[i] = Some(best as u32);
                places.remove(&key);
            }
        }
    }
    lead
}

/// Genotypes of sites: of each person 0, 1 or 2 of the first allele, or none.
#[derive(Debug, Default)]
pub(super) struct Genotypes {
    people: usize,
    /// Two bits a person as in the file, by site.
    sites: HashMap<(u32, u32), Box<[u8]>>,
}

/// A file of a fileset, which may be gzipped.
pub(super) fn beside(prefix: &Path, ending: &str) -> PathBuf {
    let named = |ending: &str| {
        let mut name = prefix.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let packed = named(&format!("{ending}.gz"));
    let plain = named(ending);
    if !plain.exists() && packed.exists() {
        packed
    } else {
        plain
    }
}

impl Genotypes {
    /// Reads the genotypes of the sites that `wanted` says (contig, 0-based position): memory is theirs alone.
    ///
    /// # Errors
    /// When a file cannot be read, or is none of PLINK's; when the three do not fit together.
    pub fn read(
        prefix: &Path,
        (contigs, aliases): (&Contigs, &Aliases),
        wanted: impl Fn(u32, u32) -> bool,
    ) -> Result<Self, VariantError> {
        let mut people = 0;
        let mut fam = Lines::open(&beside(prefix, ".fam"))?;
        while fam.next_filled()?.is_some() {
            people += 1;
        }
        let bed_path = beside(prefix, ".bed");
        let bad = |path: &Path, line: u64, problem: String, expected: &str| {
            VariantError::Input(InputError::Line {
                path: path.into(),
                line,
                problem,
                expected: expected.into(),
            })
        };
        let mut bed = Input::open(&bed_path)?;
        let mut magic = [0; 3];
        read(&mut bed, &mut magic)?;
        if magic != [0x6c, 0x1b, 0x01] {
            let problem = format!("it begins with {magic:02x?}");
            return Err(bad(
                &bed_path,
                1,
                problem,
                "PLINK's genotypes, site by site",
            ));
        }
        let bim_path = beside(prefix, ".bim");
        let mut bim = Lines::open(&bim_path)?;
        let mut row = vec![0; usize::div_ceil(people, 4)];
        let mut sites = HashMap::new();
        while let Some(line) = bim.next_filled()? {
            read(&mut bed, &mut row)?;
            let cells: Vec<&str> = line.split_ascii_whitespace().collect();
            let position = cells.get(3).and_then(|p| p.parse::<u32>().ok());
            let ([contig, _, _, _, _, _], Some(position)) = (&cells[..], position) else {
                let expected = "contig, name, centimorgans, position and two alleles";
                return Err(bad(&bim_path, bim.number(), shorten(&line), expected));
            };
            let contig = aliases.resolve_code(contig, contigs);
            if let (Some(contig), Some(at)) = (contig, position.checked_sub(1))
                && wanted(contig, at)
            {
                sites
                    .entry((contig, at))
                    .or_insert_with(|| row.clone().into());
            }
        }
        if !std::io::Read::read(&mut bed, &mut magic).is_ok_and(|n| n == 0) {
            let problem = "more genotypes than the .bim and .fam beside it say".to_owned();
            return Err(bad(&bed_path, 1, problem, "files of one set"));
        }
        Ok(Self { people, sites })
    }

    /// How many sites there are.
    pub fn len(&self) -> usize {
        self.sites.len()
    }

    /// The genotypes of a site, the first of the file where several have its position.
    pub fn at(&self, contig: u32, position: u32) -> Option<&[u8]> {
        self.sites.get(&(contig, position)).map(AsRef::as_ref)
    }

    /// Squared correlation of two sites over the people who have both; `None` where one does not vary.
    pub fn r2(&self, a: &[u8], b: &[u8]) -> Option<f64> {
        // 00: two of the first allele, 10: one, 11: none, 01: unknown.
        const COUNT: [Option<f64>; 4] = [Some(2.0), None, Some(1.0), Some(0.0)];
        let of = |row: &[u8], i: usize| COUNT[usize::from(row[i / 4] >> (2 * (i % 4)) & 3)];
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for i in 0..self.people {
            if let (Some(a), Some(b)) = (of(a, i), of(b, i)) {
                x.push(a);
                y.push(b);
            }
        }
        let r = crate::stats::pearson(&x, &y);
        (!r.is_nan()).then_some(r * r)
    }
}

/// The alleles of a fileset's sites, for tables that have none; the first of each is the one counted.
#[derive(Debug, Default)]
pub(super) struct FilesetAlleles(HashMap<(String, u32), Option<(String, String)>>);

impl FilesetAlleles {
    /// Reads them.
    ///
    /// # Errors
    /// When the `.bim` cannot be read.
    pub fn read(prefix: &Path) -> Result<Self, VariantError> {
        let mut lines = Lines::open(&beside(prefix, ".bim"))?;
        let mut all = HashMap::new();
        while let Some(line) = lines.next_filled()? {
            let cells: Vec<&str> = line.split_ascii_whitespace().collect();
            if let [contig, _, _, position, a, b] = cells[..]
                && let Some(at) = position.parse::<u32>().ok().and_then(|p| p.checked_sub(1))
            {
                // Of two variants at one place it is not known which is meant.
                all.entry((contig.to_owned(), at))
                    .and_modify(|known| *known = None)
                    .or_insert_with(|| Some((a.to_owned(), b.to_owned())));
            }
        }
        Ok(Self(all))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Effect allele and other allele at a place (0-based) of a contig, named as in the fileset.
    pub fn get(&self, contig: &str, at: u32) -> Option<(String, Option<String>)> {
        let bare = contig.strip_prefix("chr").unwrap_or(contig);
        let of = |name: &str| self.0.get(&(name.to_owned(), at));
        let (a, b) = of(contig).or_else(|| of(bare))?.clone()?;
        Some((a, Some(b)))
    }
}

/// Reads so many bytes.
fn read(input: &mut Input, bytes: &mut [u8]) -> Result<(), InputError> {
    std::io::Read::read_exact(input, bytes).map_err(|e| input.error(e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::Contig;

    fn spots(of: &[(u32, u32)]) -> Vec<Spot> {
        let spot = |&(set, position): &(u32, u32)| Spot {
            set: (set, 0),
            position,
        };
        of.iter().map(spot).collect()
    }

    #[test]
    fn the_best_takes_what_is_near() {
        let of = spots(&[(0, 100), (0, 205), (0, 150), (1, 100), (0, 30), (0, 206)]);
        let all = clump(&of, 100, None, |_, _| None, |_| true);
        let some = |list: &[u32]| list.iter().map(|i| Some(*i)).collect::<Vec<_>>();
        assert_eq!(all, some(&[0, 1, 0, 3, 0, 1]));
        // Only the first two may lead.
        let led = clump(&of, 100, None, |_, _| None, |i| i < 2);
        assert_eq!(led[3], None);
        // By disequilibrium; of the third it is not known.
        let r2 = |a: usize, b: usize| [Some(0.9), Some(0.1), None][(a + b) % 3];
        let linked = clump(&of[..3], 200, Some(0.5), r2, |_| true);
        assert_eq!(linked, some(&[0, 1, 1]));
    }

    #[test]
    fn genotypes_of_plink() {
        let dir = tempfile::tempdir().unwrap();
        let prefix = dir.path().join("set");
        let put = |ending: &str, bytes: &[u8]| {
            std::fs::write(dir.path().join(format!("set{ending}")), bytes).unwrap();
        };
        // Five people: a second byte for the fifth.
        put(".fam", "f i 0 0 0 -9\n".repeat(5).as_bytes());
        put(
            ".bim",
            b"1 rs1 0 11 A C\n1 rs2 0 21 T G\n23 rs3 0 5 A C\n7 rs4 0 1 A C\n",
        );
        let mut bed = vec![0x6c, 0x1b, 1];
        // 2 1 0 - 2; the same but for the unknown; 0 everywhere; whatever.
        bed.extend([0b01_11_10_00, 0b00]);
        bed.extend([0b00_11_10_00, 0b00]);
        bed.extend([0xff, 0x03, 0, 0]);
        put(".bed", &bed);
        let contigs = ["chr1", "chrX"].map(|name| Contig {
            name: name.into(),
            length: 100,
        });
        let contigs = Contigs::new(contigs.to_vec()).unwrap();
        let genome = (&contigs, &Aliases::None);
        let all = Genotypes::read(&prefix, genome, |_, _| true).unwrap();
        assert_eq!((all.people, all.len()), (5, 3));
        let (one, two) = (all.at(0, 10).unwrap(), all.at(0, 20).unwrap());
        assert!((all.r2(one, two).unwrap() - 1.0).abs() < 1e-12);
        let fixed = all.at(1, 4).unwrap();
        assert_eq!(all.r2(one, fixed), None);
        assert!(all.at(0, 11).is_none());
        let one = Genotypes::read(&prefix, genome, |c, at| (c, at) == (0, 20)).unwrap();
        assert_eq!(one.len(), 1);
        bed.push(0);
        put(".bed", &bed);
        let error = Genotypes::read(&prefix, genome, |_, _| true).unwrap_err();
        assert!(error.to_string().contains("more genotypes"), "{error}");
        put(".bed", &bed[..8]);
        assert!(Genotypes::read(&prefix, genome, |_, _| true).is_err());
    }
}
