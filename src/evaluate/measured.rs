//! Measured variant effects from a VCF's INFO fields or a table.

use std::path::Path;

use super::EvaluateError;
use crate::input::{Input, InputError, Lines, Row, Table};
use crate::vcf::Reader;

/// Names of the fields: INFO keys of a VCF, columns of a table.
#[derive(Clone, Debug)]
pub struct Fields {
    /// Measured effect, log2.
    pub effect: String,
    /// The element a variant belongs to; without the field all are one element, `all`.
    pub element: String,
    /// Barcodes behind the measurement.
    pub barcodes: String,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            effect: "EFF".into(),
            element: "ELEM".into(),
            barcodes: "BC".into(),
        }
    }
}

/// One alternative allele and its measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredVariant {
    /// As the file has it.
    pub contig: String,
    /// Position of the first letter of `reference`, 1-based; 0 for a telomere.
    pub pos: u32,
    /// As the file has it, `.` without one.
    pub id: String,
    /// Letters replaced.
    pub reference: String,
    /// Letters in their place.
    pub alternative: String,
    /// Element, `.` without one.
    pub element: String,
    /// NaN where missing.
    pub barcodes: f64,
    /// Measured effect; NaN where missing.
    pub effect: f64,
}

/// Reads a VCF or BCF (by its first bytes) or a tab-separated table with a header that
/// has `chrom`, `pos` (1-based), `ref`, `alt` and the effect's column; plain or gzip.
///
/// # Errors
/// When the file cannot be read or a row makes no sense.
pub fn read_variants(path: &Path, fields: &Fields) -> Result<Vec<MeasuredVariant>, EvaluateError> {
    let mut input = Input::open(path)?;
    match Reader::fits(&mut input)? {
        true => from_vcf(input, path, fields),
        false => from_table(input, path, fields),
    }
}

/// Reads a VCF or BCF that is open.
pub(super) fn from_vcf(
    input: Input,
    path: &Path,
    fields: &Fields,
) -> Result<Vec<MeasuredVariant>, EvaluateError> {
    let mut reader = Reader::new(input)?;
    let mut variants = Vec::new();
    let mut with_effect = false;
    while let Some((number, line)) = reader.next_line()? {
        let fail = |problem: String, expected: &str| EvaluateError::Variants {
            path: path.into(),
            place: format!("line {number}"),
            problem,
            expected: expected.into(),
        };
        let line = String::from_utf8_lossy(line);
        let columns: Vec<&str> = line.splitn(9, '\t').collect();
        let [contig, pos, id, reference, alternatives, _, _, info, ..] = columns[..] else {
            let problem = format!("{} columns", columns.len());
            return Err(fail(problem, "the 8 columns of a VCF"));
        };
        let pos: u32 =
            (pos.parse()).map_err(|_| fail(format!("POS is {pos:?}"), "a 1-based position"))?;
        let value = |key: &str| -> Option<&str> {
            info.split(';').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                (name == key).then_some(value)
            })
        };
        let alleles: Vec<&str> = alternatives.split(',').collect();
        // One value an allele, or one for the only allele.
        let of_allele = |key: &str, allele: usize| -> Result<f64, EvaluateError> {
            let Some(text) = value(key) else {
                return Ok(f64::NAN);
            };
            let cells: Vec<&str> = text.split(',').collect();
            if cells.len() != alleles.len() {
                let (values, alleles) = (cells.len(), alleles.len());
                let problem = format!("{key} has {values} value(s) for {alleles} allele(s)");
                return Err(fail(problem, "one an allele"));
            }
            parse(cells[allele])
                .ok_or_else(|| fail(format!("{key} is {:?}", cells[allele]), "a number"))
        };
        with_effect |= value(&fields.effect).is_some();
        for (a, alternative) in alleles.iter().enumerate() {
            variants.push(MeasuredVariant {
                contig: contig.into(),
                pos,
                id: id.into(),
                reference: reference.into(),
                alternative: (*alternative).into(),
                element: value(&fields.element).unwrap_or(".").into(),
                barcodes: of_allele(&fields.barcodes, a)?,
                effect: of_allele(&fields.effect, a)?,
            });
        }
    }
    if !with_effect {
        return Err(EvaluateError::Variants {
            path: path.into(),
            place: "INFO".into(),
            problem: format!("no record has {}", fields.effect),
            expected: "measured effects".into(),
        });
    }
    Ok(variants)
}

/// NaN where missing, `None` for what is no number.
fn parse(text: &str) -> Option<f64> {
    match text.trim() {
        "" | "." | "NA" | "NaN" | "nan" => Some(f64::NAN),
        text => text.parse().ok().filter(|v: &f64| v.is_finite()),
    }
}

fn from_table(
    input: Input,
    path: &Path,
    fields: &Fields,
) -> Result<Vec<MeasuredVariant>, EvaluateError> {
    let fail = |line: u64, problem: String, expected: &str| EvaluateError::Variants {
        path: path.into(),
        place: format!("line {line}"),
        problem,
        expected: expected.into(),
    };
    let Some(mut table) = Table::new(Lines::new(input))? else {
        return Err(InputError::Empty(path.into()).into());
    };
    let names = table.names().to_vec();
    let needed = |name: &str| {
        table.column(name).ok_or_else(|| {
            fail(
                1,
                format!("a header of {}", names.join(", ")),
                &format!("a VCF, or a table with the column {name:?}"),
            )
        })
    };
    let (chrom, pos) = (needed("chrom")?, needed("pos")?);
    let (reference, alternative) = (needed("ref")?, needed("alt")?);
    let effect = needed(&fields.effect)?;
    let (element, barcodes) = (
        table.column(&fields.element),
        table.column(&fields.barcodes),
    );
    let id = table.column("id");
    let mut variants = Vec::new();
    while let Some(Row { line, cells }) = table.next_row()? {
        if cells[0].starts_with('#') {
            continue;
        }
        let number = |i: usize| {
            parse(cells[i])
                .ok_or_else(|| fail(line, format!("{} is {:?}", names[i], cells[i]), "a number"))
        };
        let position = (cells[pos].parse::<u32>().ok())
            .filter(|&p| p > 0)
            .ok_or_else(|| {
                fail(
                    line,
                    format!("pos is {:?}", cells[pos]),
                    "a 1-based position",
                )
            })?;
        let optional = |i: Option<usize>| i.map_or(".", |i| cells[i]).to_owned();
        variants.push(MeasuredVariant {
            contig: cells[chrom].into(),
            pos: position,
            id: optional(id),
            reference: cells[reference].into(),
            alternative: cells[alternative].into(),
            element: optional(element),
            barcodes: barcodes.map_or(Ok(f64::NAN), number)?,
            effect: number(effect)?,
        });
    }
    Ok(variants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_records_are_read_as_bcftools_reads_them() {
        let text = "##fileformat=VCFv4.3\n##INFO=<ID=EFF,Number=1,Type=Float,Description=\"e\">\n\
            ##INFO=<ID=EFF,Number=-1,Type=Float,Description=\"again\">\n\
            ##PEDIGREE=<Name_0=a,Name_1=b>\n\
            ##FORMAT=<ID=GP,Number=3,Type=Float,Description=\"g\">\n\
            #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\r\n\
            1\t0\t.\tN\t<DEL>\t.\t.\tF=1;EFF=.\r\n\
            1\t7\tx;y\tA\tC,*CA\t.\t.\tEFF=0.5,-1;ELEM=p%3Bq\r\n";
        let input = || {
            let text = std::io::Cursor::new(text.as_bytes().to_vec());
            Input::from_reader("v.vcf".as_ref(), Box::new(text)).unwrap()
        };
        let found = from_vcf(input(), "v.vcf".as_ref(), &Fields::default()).unwrap();
        let shown: Vec<String> = found
            .iter()
            .map(|v| {
                format!(
                    "{} {} {} {} {}",
                    v.pos, v.id, v.alternative, v.element, v.effect
                )
            })
            .collect();
        assert_eq!(
            shown,
            ["0 . <DEL> . NaN", "7 x;y C p%3Bq 0.5", "7 x;y *CA p%3Bq -1"]
        );
    }
}
