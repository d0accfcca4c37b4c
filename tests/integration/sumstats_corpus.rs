//! Tables of associations as programs write them, `tests/corpus/sumstats`: each gives what its row of the index says.

use mpra_score::sumstats::SumTable;

use crate::support::corpus;

#[test]
fn every_table_gives_what_the_index_says() {
    let (folder, rows) = corpus::<7>("sumstats");
    for row in &rows {
        let [file, place, effect, other, p, z, what] = row.each_ref().map(String::as_str);
        let table = SumTable {
            path: folder.join(file),
            ..SumTable::default()
        };
        let mut rows = table.open().unwrap().unwrap();
        let row = rows.next_row().unwrap().unwrap();
        let told = |text: Option<String>| text.unwrap_or_else(|| ".".into());
        let found = row
            .place()
            .unwrap()
            .map(|(contig, at)| format!("{contig}:{}", at + 1));
        assert_eq!(told(found), place, "{file}: {what}");
        let alleles = row.alleles();
        assert_eq!(
            told(alleles.map(|a| a.effect.to_uppercase())),
            effect,
            "{file}"
        );
        let found = alleles.and_then(|a| a.other).map(str::to_uppercase);
        // Without an effect allele the row has none.
        assert_eq!(told(found), other, "{file}");
        for (found, expected) in [(row.p().unwrap().0, p), (row.abs_z().unwrap(), z)] {
            match expected.parse::<f64>() {
                Ok(expected) => assert!(
                    (found - expected).abs() < 1e-4,
                    "{file}: {found} {expected}"
                ),
                Err(_) => assert!(found.is_nan(), "{file}: {found}"),
            }
        }
        assert!(row.is_of_alleles());
    }
}
