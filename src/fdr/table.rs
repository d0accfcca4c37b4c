//! The table of p-values.

use std::collections::HashMap;
use std::path::Path;

use super::FdrError;
use crate::genome::{Contig, Contigs};
use crate::input::{InputError, is_missing, shorten};
use crate::sumstats::{Associations, Role, SumTable, SumstatsError};

/// Where p-values stand.
#[derive(Clone, Debug, Default)]
pub struct PTable {
    /// The table, and columns that programs call otherwise.
    pub table: SumTable,
    /// The two alleles, in any order.
    pub alleles: Option<[String; 2]>,
    /// The covariate, if it stands in this table.
    pub covariate: Option<String>,
}

/// A place on a contig of [`Hypotheses::contigs`]; the base counts from 0.
pub type At = (u32, u32);

/// The rows of the table.
#[derive(Clone, Debug, Default)]
pub struct Hypotheses {
    /// Names; empty without such a column.
    pub ids: Vec<Box<str>>,
    /// Contigs that occur; their lengths are not known (0).
    pub contigs: Contigs,
    /// Where hypotheses lie; empty without such columns.
    pub places: Vec<Option<At>>,
    /// Alleles in capitals, `A/G`; empty without such columns.
    pub alleles: Vec<Box<str>>,
    /// p-values; NaN where there is none.
    pub p: Vec<f64>,
    /// The covariate's column (NaN where empty); empty without.
    pub covariate: Vec<f64>,
    /// The columns taken, by what they hold.
    pub columns: Vec<(&'static str, String)>,
}

/// An error about a line.
pub(super) fn bad(path: &Path, line: u64, problem: String, expected: &str) -> FdrError {
    FdrError::Input(InputError::Line {
        path: path.into(),
        line,
        problem,
        expected: expected.into(),
    })
}

/// Columns that only this job reads.
struct Own {
    alleles: Option<[usize; 2]>,
    covariate: Option<usize>,
}

impl PTable {
    /// Reads the table. Rows without p-value or place are kept as such, those of a covariate's term (PLINK)
    /// without their p-value.
    ///
    /// # Errors
    /// When it cannot be read, lacks a column or any p-value, a row has another number of cells
    /// than the header, or a p-value, position or covariate is none.
    pub fn read(&self) -> Result<Hypotheses, FdrError> {
        let no_p = |rows| FdrError::NoP {
            path: self.table.path.clone(),
            rows,
        };
        let mut rows = self.table.open()?.ok_or_else(|| no_p(0))?;
        if !rows.has(Role::P) && !rows.has(Role::LogP) {
            return Err(rows.lacks(Role::P, "of p-values").into());
        }
        let own = self.own(&rows)?;
        let mut all = Hypotheses {
            columns: self.taken(&rows),
            ..Hypotheses::default()
        };
        let (has_id, has_places) = (rows.has(Role::Id), rows.has_places());
        let mut contigs = ContigNames::default();
        while let Some(row) = rows.next_row()? {
            let p = row.p()?.0;
            all.p.push(if row.is_of_alleles() { p } else { f64::NAN });
            if let Some(at) = own.covariate {
                let cell = row.cells[at].as_str();
                let number = match is_missing(cell) {
                    true => Some(f64::NAN),
                    false => cell.parse::<f64>().ok().filter(|v| !v.is_infinite()),
                };
                let name = self.covariate.as_deref().unwrap_or_default();
                all.covariate.push(number.ok_or_else(|| {
                    let problem = format!("{:?} in column {name}", shorten(cell));
                    bad(
                        &self.table.path,
                        row.line,
                        problem,
                        "a finite number, or NA",
                    )
                })?);
            }
            if has_id {
                all.ids.push(row.id().unwrap_or_default().into());
            }
            if let Some([a, b]) = own.alleles {
                let text = format!("{}/{}", row.cells[a], row.cells[b]);
                all.alleles.push(text.to_uppercase().into());
            }
            if has_places {
                let place = row.place()?;
                all.places
                    .push(place.map(|(name, at)| (contigs.id(name), at)));
            }
        }
        if all.p.iter().all(|p| p.is_nan()) {
            return Err(no_p(all.p.len()));
        }
        // Names that might have been places, such as rsIDs.
        if all.places.iter().all(Option::is_none) {
            all.places.clear();
        }
        all.contigs = contigs.finish();
        Ok(all)
    }

    fn own(&self, rows: &Associations) -> Result<Own, FdrError> {
        let find = |name: &String, flag: &'static str| {
            if rows.names().iter().filter(|n| *n == name).count() > 1 {
                return Err(FdrError::Sumstats(SumstatsError::TwoColumns {
                    path: self.table.path.clone(),
                    name: name.clone(),
                }));
            }
            rows.column(name).ok_or_else(|| FdrError::NoColumn {
                path: self.table.path.clone(),
                name: name.clone(),
                columns: rows.names().to_vec(),
                flag,
            })
        };
        Ok(Own {
            alleles: match &self.alleles {
                Some([a, b]) => {
                    let flag = "--allele-columns";
                    Some([find(a, flag)?, find(b, flag)?])
                }
                None => None,
            },
            covariate: (self.covariate.as_ref())
                .map(|name| find(name, "--covariate-column"))
                .transpose()?,
        })
    }

    /// What was taken for what this job reads.
    fn taken(&self, rows: &Associations) -> Vec<(&'static str, String)> {
        let read = [
            Role::P,
            Role::LogP,
            Role::Id,
            Role::Contig,
            Role::Position,
            Role::Variant,
            Role::Test,
        ];
        let mut taken = rows.taken();
        taken.retain(|(what, _)| read.iter().any(|role| role.as_str() == *what));
        for name in self.alleles.iter().flatten() {
            taken.push(("allele", name.clone()));
        }
        taken.extend(
            self.covariate
                .iter()
                .map(|name| ("covariate", name.clone())),
        );
        taken
    }
}

/// Contigs by name, in the order in which they come.
#[derive(Default)]
struct ContigNames {
    ids: HashMap<String, u32>,
    list: Vec<Contig>,
}

impl ContigNames {
    fn id(&mut self, name: &str) -> u32 {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = self.list.len() as u32;
        self.ids.insert(name.to_owned(), id);
        self.list.push(Contig {
            name: name.into(),
            length: 0,
        });
        id
    }

    fn finish(self) -> Contigs {
        // Names differ, as they come from a map.
        Contigs::new(self.list).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Hypotheses, FdrError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        PTable {
            table: SumTable {
                path: file.path().into(),
                ..SumTable::default()
            },
            ..PTable::default()
        }
        .read()
    }

    /// A row each as the programs write it.
    #[test]
    fn tables_of_the_programs_that_make_them() {
        for (what, text) in [
            (
                "PLINK",
                " CHR  SNP     BP   A1  TEST NMISS  BETA  STAT      P\n  1  rs1  101  A  ADD  9  0.1  2  0.01\n",
            ),
            (
                "PLINK 2",
                "#CHROM\tPOS\tID\tREF\tALT\tA1\tBETA\tSE\tLOG10_P\n1\t101\trs1\tC\tA\tA\t0.1\t0.1\t2\n",
            ),
            (
                "REGENIE",
                "CHROM GENPOS ID ALLELE0 ALLELE1 A1FREQ N TEST BETA SE CHISQ LOG10P EXTRA\n1 101 rs1 C A 0.1 9 ADD 0.1 0.1 6 2 NA\n",
            ),
            (
                "SAIGE",
                "CHR\tPOS\tMarkerID\tAllele1\tAllele2\tBETA\tSE\tp.value\n1\t101\trs1\tC\tA\t0.1\t0.1\t0.01\n",
            ),
            (
                "BOLT-LMM",
                "SNP\tCHR\tBP\tALLELE1\tALLELE0\tBETA\tSE\tP_BOLT_LMM_INF\tP_BOLT_LMM\nrs1\t1\t101\tA\tC\t0.1\t0.1\t0.5\t0.01\n",
            ),
            (
                "GWAS-SSF",
                "chromosome\tbase_pair_location\teffect_allele\tother_allele\tbeta\tneg_log_10_p_value\trsid\n1\t101\tA\tC\t0.1\t2\trs1\n",
            ),
            (
                "harmonised",
                "hm_rsid\thm_chrom\thm_pos\tvariant_id\tp_value\tchromosome\tbase_pair_location\nrs1\t1\t101\told\t0.01\t7\t9\n",
            ),
            ("CSV", "SNP,\"CHR\",BP,P\nrs1,1,101,1e-2\n"),
            ("floats", "snp\tchr\tpos\tpval\nrs1\t1\t101.0\t0.01\n"),
        ] {
            let found = read(text).unwrap_or_else(|e| panic!("{what}: {e}"));
            assert!((found.p[0] - 0.01).abs() < 1e-12, "{what}: {}", found.p[0]);
            assert_eq!(
                (&*found.ids[0], found.places[0]),
                ("rs1", Some((0, 100))),
                "{what}"
            );
            assert_eq!(found.contigs.get(0).name, "1", "{what}");
        }
        let found = read("SNP\tP\na\t0\nb\t1e-400\nc\tN/A\nd\tnull\ne\t1\n").unwrap();
        assert_eq!(found.p[..2], [0.0, 0.0]);
        assert!(found.p[2].is_nan() && found.p[3].is_nan() && found.p[4] == 1.0);
        // METAL has no place in columns of its own.
        let found = read(
            "MarkerName\tAllele1\tAllele2\tEffect\tStdErr\tP-value\nrs1\ta\tc\t0.1\t0.1\t0.01\n",
        );
        assert!(found.unwrap().places.is_empty());
        let error = read("SNP\tLOG10P\na\t-1\n").unwrap_err().to_string();
        assert!(error.contains("-log10"), "{error}");
        let error = read("SNP\tCHR\tBP\tP\na\t1\t1.5\t0.1\n")
            .unwrap_err()
            .to_string();
        assert!(error.contains("a position from 1"), "{error}");
    }
}
