//! Genotypes of a record's samples.

/// An allele that is not known.
pub(super) const MISSING: i16 = -1;

/// The genotypes of the chosen samples at one record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Calls {
    /// Numbers of alleles, 0 the reference; [`MISSING`].
    alleles: Vec<i16>,
    /// End of each sample's alleles.
    ends: Vec<u32>,
    /// Whether the alleles of a sample are in the order of its chromosomes.
    phased: Vec<bool>,
    /// The set within which that order holds; without one it holds everywhere.
    sets: Option<Vec<Option<i64>>>,
}

impl Calls {
    /// Reads the columns behind INFO: FORMAT and the samples. `chosen` says of each sample of the file which of
    /// the chosen ones it is. Without a GT nothing is known.
    ///
    /// # Errors
    /// What is wrong, and in which sample of the file.
    pub fn read(
        columns: &[u8],
        chosen: &[Option<usize>],
        count: usize,
        alts: usize,
    ) -> Result<Self, String> {
        let mut cells = columns.split(|&b| b == b'\t');
        let format = cells.next().unwrap_or_default();
        let place = |name: &[u8]| format.split(|&b| b == b':').position(|key| key == name);
        let (genotype, set) = (place(b"GT"), place(b"PS"));
        let mut rows: Vec<Row> = vec![Row::default(); count];
        for (sample, (cell, chosen)) in cells.zip(chosen).enumerate() {
            let (Some(chosen), Some(genotype)) = (chosen, genotype) else {
                continue;
            };
            let field = |at: usize| cell.split(|&b| b == b':').nth(at);
            let text = field(genotype).unwrap_or(b".");
            let row = Row::read(text, alts).ok_or_else(|| {
                format!(
                    "the genotype {:?} of sample {} is none, or has an allele that the record lacks",
                    String::from_utf8_lossy(text),
                    sample + 1
                )
            })?;
            rows[*chosen] = Row {
                set: set.and_then(|at| std::str::from_utf8(field(at)?).ok()?.parse().ok()),
                ..row
            };
        }
        let mut calls = Self::default();
        for row in &rows {
            calls.alleles.extend_from_slice(&row.alleles);
            calls.ends.push(calls.alleles.len() as u32);
            calls.phased.push(row.phased);
        }
        if rows.iter().any(|row| row.set.is_some()) {
            calls.sets = Some(rows.iter().map(|row| row.set).collect());
        }
        Ok(calls)
    }

    /// A sample's alleles; none where nothing is known of it.
    pub fn of(&self, sample: usize) -> &[i16] {
        let from = sample.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.alleles[from as usize..self.ends[sample] as usize]
    }

    /// Whether they are in the order of the chromosomes.
    pub fn is_phased(&self, sample: usize) -> bool {
        self.phased[sample]
    }

    /// The phase set.
    pub fn set(&self, sample: usize) -> Option<i64> {
        self.sets.as_ref()?[sample]
    }
}

#[derive(Clone, Default)]
struct Row {
    alleles: Vec<i16>,
    phased: bool,
    set: Option<i64>,
}

impl Row {
    /// A lone `.` says nothing, not even how many chromosomes there are. VCF 4.4 may have a mark before the first
    /// allele.
    fn read(text: &[u8], alts: usize) -> Option<Self> {
        let mut row = Self {
            phased: true,
            ..Self::default()
        };
        let text = match text {
            b"." => return Some(row),
            [b'|' | b'/', rest @ ..] => rest,
            _ => text,
        };
        for allele in text.split(|&b| b == b'|' || b == b'/') {
            let number = match allele {
                b"." => MISSING,
                digits if digits.iter().all(u8::is_ascii_digit) => {
                    let number: i16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
                    (number as usize <= alts).then_some(number)?
                }
                _ => return None,
            };
            row.alleles.push(number);
        }
        row.phased = !text.contains(&b'/');
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn genotypes_in_all_their_forms() {
        let columns = b"DP:GT:PS\t1:0|1:7\t2:2/0\t3:1\t.\t5:.\t6:.|.\t7:/1|1:9\t8:0|1|2";
        let chosen: Vec<Option<usize>> = (0..8).map(Some).collect();
        let calls = Calls::read(columns, &chosen, 8, 2).unwrap();
        let of = |sample| (calls.of(sample), calls.is_phased(sample), calls.set(sample));
        assert_eq!(of(0), (&[0, 1][..], true, Some(7)));
        assert_eq!(of(1), (&[2, 0][..], false, None));
        assert_eq!(of(2), (&[1][..], true, None));
        assert_eq!(of(3).0, [0i16; 0]);
        assert_eq!(of(4).0, [0i16; 0]);
        assert_eq!(of(5), (&[MISSING, MISSING][..], true, None));
        assert_eq!(of(6), (&[1, 1][..], true, Some(9)));
        assert_eq!(of(7).0, [0, 1, 2]);
        // Chosen in another order, and without genotypes.
        let some = Calls::read(columns, &[Some(1), None, Some(0)], 2, 2).unwrap();
        assert_eq!((some.of(0), some.of(1)), (&[1][..], &[0, 1][..]));
        let none = Calls::read(b"DP\t1\t2", &[Some(0), Some(1)], 2, 2).unwrap();
        assert_eq!(none.of(1), [0i16; 0]);
        for bad in ["0|3", "0|", "a", "0|-1", "0||1", "70000|0"] {
            let columns = format!("GT\t0|0\t{bad}");
            let error = Calls::read(columns.as_bytes(), &[Some(0), Some(1)], 2, 2).unwrap_err();
            assert!(error.contains("sample 2"), "{error}");
        }
    }
}
