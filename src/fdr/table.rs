//! The table of p-values.

use std::path::{Path, PathBuf};

use super::FdrError;
use crate::genome::{Contig, Contigs};
use crate::input::{InputError, Lines, Row, Table, is_missing, shorten};

/// Where p-values stand. Columns that are not named are looked for under common names; their case
/// does not matter.
#[derive(Clone, Debug, Default)]
pub struct PTable {
    /// A table with a header, separated by tabs (by blanks where the header has no tab), plain,
    /// gzip or bgzip; `-` is standard input.
    pub path: PathBuf,
    /// The column of p-values.
    pub p: Option<String>,
    /// Names of hypotheses.
    pub id: Option<String>,
    /// Contigs.
    pub contig: Option<String>,
    /// Positions.
    pub position: Option<String>,
    /// The two alleles, in any order.
    pub alleles: Option<[String; 2]>,
    /// The covariate, if it stands in this table.
    pub covariate: Option<String>,
    /// Positions count from 0.
    pub zero_based: bool,
}

// As PLINK, PLINK 2, REGENIE, SAIGE, BOLT-LMM, METAL, GEMMA, the GWAS catalog and its harmonised files (whose
// `hm_` columns come before the original ones) call them.
const P: &[&str] = &[
    "p",
    "pval",
    "pvalue",
    "p_value",
    "p-value",
    "p.value",
    "p_val",
    "p_bolt_lmm",
    "p_bolt_lmm_inf",
    "p_wald",
    "p_lrt",
    "p_score",
];
/// Of -log10(p), taken where there is no column of p-values.
const LOG_P: &[&str] = &[
    "neg_log_10_p_value",
    "log10p",
    "log10_p",
    "neglog10p",
    "neg_log10_p",
    "nlog10p",
    "mlog10p",
    "mlogp",
    "lp",
];
const ID: &[&str] = &[
    "hm_rsid",
    "id",
    "snp",
    "rsid",
    "rs_id",
    "rs",
    "variant_id",
    "markername",
    "markerid",
    "snpid",
    "variant",
    "name",
];
const CONTIG: &[&str] = &["hm_chrom", "chr", "chrom", "chromosome", "contig"];
const POSITION: &[&str] = &[
    "hm_pos",
    "pos",
    "bp",
    "genpos",
    "position",
    "base_pair_location",
    "ps",
];

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

/// A whole number, also as programs write it that take all numbers for floats: `100.0`, `1e+05`.
fn whole(cell: &str) -> Option<u32> {
    let float = || {
        cell.parse::<f64>()
            .ok()
            .filter(|v| v.fract() == 0.0 && (0.0..=4e9).contains(v))
    };
    cell.parse().ok().or_else(|| float().map(|v| v as u32))
}

/// The columns of a header that are read.
struct Columns<'a> {
    table: &'a Table,
    taken: Vec<(&'static str, String)>,
}

impl Columns<'_> {
    fn missing(&self, wanted: String, flag: &'static str) -> FdrError {
        FdrError::NoColumn {
            path: self.table.path().into(),
            wanted,
            columns: self.table.names().to_vec(),
            flag,
        }
    }

    fn find(
        &mut self,
        what: &'static str,
        named: Option<&str>,
        common: &[&str],
        flag: &'static str,
    ) -> Result<Option<usize>, FdrError> {
        let names = self.table.names();
        let found = match named {
            Some(name) => {
                let mut places = (0..names.len()).filter(|&i| names[i] == name);
                let missing = || self.missing(format!("{name:?}"), flag);
                let first = places.next().ok_or_else(missing)?;
                if places.next().is_some() {
                    let path = self.table.path().display();
                    let text = format!("{path}: two columns are called {name:?}");
                    return Err(FdrError::Setting(text));
                }
                Some(first)
            }
            None => common.iter().find_map(|c| self.table.column(c)),
        };
        if let Some(i) = found {
            self.taken.push((what, names[i].clone()));
        }
        Ok(found)
    }

    fn need(
        &self,
        what: &str,
        found: Option<usize>,
        flag: &'static str,
    ) -> Result<usize, FdrError> {
        found.ok_or_else(|| self.missing(format!("of {what}"), flag))
    }
}

impl PTable {
    /// Reads the table. Rows without p-value or place are kept as such.
    ///
    /// # Errors
    /// When it cannot be read, lacks a column or any p-value, a row has another number of cells
    /// than the header, or a p-value, position or covariate is none.
    pub fn read(&self) -> Result<Hypotheses, FdrError> {
        let no_p = |rows| FdrError::NoP {
            path: self.path.clone(),
            rows,
        };
        let mut table = Table::new(Lines::open(&self.path)?)?.ok_or_else(|| no_p(0))?;
        let names = table.names().to_vec();
        let mut columns = Columns {
            table: &table,
            taken: Vec::new(),
        };
        let mut p = columns.find("p", self.p.as_deref(), P, "--p-column")?;
        if p.is_none() {
            p = columns.find("-log10(p)", None, LOG_P, "--p-column")?;
        }
        let p = columns.need("p-values", p, "--p-column")?;
        let logarithm = LOG_P.iter().any(|name| names[p].eq_ignore_ascii_case(name));
        let id = columns.find("id", self.id.as_deref(), ID, "--id-column")?;
        let contig = self.contig.as_deref();
        let contig = columns.find("contig", contig, CONTIG, "--chrom-column")?;
        let position = self.position.as_deref();
        let position = columns.find("position", position, POSITION, "--position-column")?;
        let alleles = match &self.alleles {
            None => None,
            Some([a, b]) => {
                let mut find = |name: &str| {
                    let found = columns.find("allele", Some(name), &[], "--allele-columns")?;
                    columns.need("alleles", found, "--allele-columns")
                };
                Some([find(a)?, find(b)?])
            }
        };
        let covariate = match &self.covariate {
            None => None,
            some => columns.find("covariate", some.as_deref(), &[], "--covariate-column")?,
        };
        let places = contig.zip(position);
        let mut all = Hypotheses {
            columns: columns.taken,
            ..Hypotheses::default()
        };
        let mut contigs: Vec<Contig> = Vec::new();
        let mut contig_ids = std::collections::HashMap::new();
        while let Some(Row { line, cells }) = table.next_row()? {
            let fail = |at: usize, expected: &str| {
                let problem = format!("{:?} in column {}", shorten(cells[at]), names[at]);
                bad(&self.path, line, problem, expected)
            };
            let value = |at: usize| match is_missing(cells[at]) {
                true => Some(f64::NAN),
                // Adding 0 takes the sign of -0 away.
                false => (cells[at].parse::<f64>().ok()).map(|v| v + 0.0),
            };
            let most = if logarithm { f64::INFINITY } else { 1.0 };
            let found = value(p).filter(|v| v.is_nan() || (0.0..=most).contains(v));
            let found = found.ok_or_else(|| match logarithm {
                true => fail(p, "-log10 of a p-value, 0 or more, or NA"),
                false => fail(p, "a p-value from 0 to 1, or NA"),
            })?;
            all.p.push(match logarithm {
                true => 10f64.powf(-found),
                false => found,
            });
            if let Some(at) = covariate {
                let finite = value(at).filter(|v| !v.is_infinite());
                let finite = finite.ok_or_else(|| fail(at, "a finite number, or NA"))?;
                all.covariate.push(finite);
            }
            if let Some(id) = id {
                all.ids.push(cells[id].into());
            }
            if let Some([a, b]) = alleles {
                let text = format!("{}/{}", cells[a], cells[b]);
                all.alleles.push(text.to_uppercase().into());
            }
            if let Some((contig, position)) = places {
                if is_missing(cells[contig]) || is_missing(cells[position]) {
                    all.places.push(None);
                    continue;
                }
                let expected = match self.zero_based {
                    true => "a position from 0",
                    false => "a position from 1 (--zero-based: from 0)",
                };
                let at = whole(cells[position])
                    .and_then(|at| at.checked_sub(u32::from(!self.zero_based)))
                    .filter(|at| *at < i32::MAX as u32)
                    .ok_or_else(|| fail(position, expected))?;
                let name = cells[contig];
                let id = match contig_ids.get(name) {
                    Some(id) => *id,
                    None => {
                        let id = contigs.len() as u32;
                        contig_ids.insert(name.to_owned(), id);
                        contigs.push(Contig {
                            name: name.into(),
                            length: 0,
                        });
                        id
                    }
                };
                all.places.push(Some((id, at)));
            }
        }
        if all.p.iter().all(|p| p.is_nan()) {
            return Err(no_p(all.p.len()));
        }
        // Names differ, as they come from a map.
        all.contigs = Contigs::new(contigs).unwrap_or_default();
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Hypotheses, FdrError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        PTable {
            path: file.path().into(),
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
