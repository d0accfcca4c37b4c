//! Measured variant effects from a VCF's INFO fields or a table.

use std::path::Path;

use noodles::vcf;

use super::EvaluateError;
use crate::input::{Input, InputError, Lines, Row, Table};

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
    /// First base of `reference`, 0-based.
    pub position: u32,
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

/// Reads a VCF (by its first line, `##fileformat=VCF`) or a tab-separated table with a header that
/// has `chrom`, `pos` (1-based), `ref`, `alt` and the effect's column; plain or gzip.
///
/// # Errors
/// When the file cannot be read or a row makes no sense.
pub fn read_variants(path: &Path, fields: &Fields) -> Result<Vec<MeasuredVariant>, EvaluateError> {
    let mut input = Input::open(path)?;
    match input.begins_with(b"##fileformat=VCF")? {
        true => from_vcf(input, path, fields),
        false => from_table(input, path, fields),
    }
}

/// Reads a VCF that is open.
pub(super) fn from_vcf(
    input: Input,
    path: &Path,
    fields: &Fields,
) -> Result<Vec<MeasuredVariant>, EvaluateError> {
    let fail = |record: usize, problem: String, expected: &str| EvaluateError::Variants {
        path: path.into(),
        place: format!("record {record}"),
        problem,
        expected: expected.into(),
    };
    let mut reader = vcf::io::Reader::new(input);
    (reader.read_header()).map_err(|e| fail(0, format!("the header: {e}"), "a VCF header"))?;
    let mut variants = Vec::new();
    let mut with_effect = false;
    for (i, record) in reader.records().enumerate() {
        let number = i + 1;
        let record = record.map_err(|e| match InputError::reading(e, path) {
            InputError::Read(e, _) => fail(number, e.to_string(), "a VCF record"),
            cut => cut.into(),
        })?;
        let position = match record.variant_start() {
            Some(Ok(position)) => u32::try_from(position.get() - 1).ok(),
            _ => None,
        };
        let position = position
            .ok_or_else(|| fail(number, "no usable position".into(), "a 1-based position"))?;
        let info = record.info();
        let value = |key: &str| -> Option<&str> {
            info.as_ref().split(';').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                (name == key).then_some(value)
            })
        };
        let alternates = record.alternate_bases();
        let alleles: Vec<&str> = alternates.as_ref().split(',').collect();
        // One value an allele, or one for the only allele.
        let of_allele = |key: &str, allele: usize| -> Result<f64, EvaluateError> {
            let Some(text) = value(key) else {
                return Ok(f64::NAN);
            };
            let cells: Vec<&str> = text.split(',').collect();
            if cells.len() != alleles.len() {
                return Err(fail(
                    number,
                    format!(
                        "{key} has {} value(s) for {} allele(s)",
                        cells.len(),
                        alleles.len()
                    ),
                    "one an allele",
                ));
            }
            parse(cells[allele])
                .ok_or_else(|| fail(number, format!("{key} is {:?}", cells[allele]), "a number"))
        };
        for (a, alternative) in alleles.iter().enumerate() {
            let effect = of_allele(&fields.effect, a)?;
            with_effect |= value(&fields.effect).is_some();
            variants.push(MeasuredVariant {
                contig: record.reference_sequence_name().into(),
                position,
                id: match record.ids().as_ref() {
                    "" => ".".into(),
                    ids => ids.to_owned(),
                },
                reference: record.reference_bases().into(),
                alternative: (*alternative).into(),
                element: value(&fields.element).unwrap_or(".").into(),
                barcodes: of_allele(&fields.barcodes, a)?,
                effect,
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
            .and_then(|p| p.checked_sub(1))
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
            position,
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
