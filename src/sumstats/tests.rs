use super::columns::variant;
use super::*;

fn open(text: &str) -> (tempfile::NamedTempFile, Associations) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let table = SumTable {
        path: file.path().into(),
        ..SumTable::default()
    };
    let rows = table.open().unwrap().unwrap();
    (file, rows)
}

/// Place, effect allele, other allele, p and |z| of the first row.
type First = (
    Option<(String, u32)>,
    Option<(String, Option<String>)>,
    f64,
    f64,
);

fn first(text: &str) -> First {
    let (_file, mut rows) = open(text);
    let row = rows.next_row().unwrap().unwrap();
    let own = |a: Alleles<'_>| (a.effect.to_owned(), a.other.map(str::to_owned));
    (
        row.place().unwrap().map(|(c, at)| (c.to_owned(), at)),
        row.alleles().map(own),
        row.p().unwrap().0,
        row.abs_z().unwrap(),
    )
}

/// A row each as the programs write it: A is the allele with the effect everywhere.
#[test]
fn tables_of_the_programs_that_make_them() {
    for (what, text, other, z) in [
        (
            "PLINK .linear",
            " CHR  SNP     BP   A1  TEST NMISS  BETA  STAT      P\n  1  rs1  101  A  ADD  9  0.1  2  0.01\n",
            None,
            2.575_829,
        ),
        (
            "PLINK .assoc",
            " CHR  SNP     BP   A1  F_A F_U A2 CHISQ P OR\n  1  rs1  101  A  0.1 0.2 C 4 0.01 1.5\n",
            Some("C"),
            2.0,
        ),
        (
            "PLINK 2",
            "#CHROM\tPOS\tID\tREF\tALT\tA1\tTEST\tOBS_CT\tBETA\tSE\tT_STAT\tLOG10_P\n1\t101\trs1\tA\tC\tA\tADD\t9\t0.1\t0.05\t2\t2\n",
            Some("C"),
            2.0,
        ),
        (
            "PLINK 2, --glm omit-ref",
            "#CHROM\tPOS\tID\tREF\tALT\tA1\tOMITTED\tOR\tLOG(OR)_SE\tP\n1\t101\trs1\tC\tA\tA\tC\t2.718281828459045\t0.5\t0.01\n",
            Some("C"),
            2.0,
        ),
        (
            "REGENIE",
            "CHROM GENPOS ID ALLELE0 ALLELE1 A1FREQ N TEST BETA SE CHISQ LOG10P EXTRA\n1 101 rs1 C A 0.1 9 ADD 0.1 0.05 4 2 NA\n",
            Some("C"),
            2.0,
        ),
        (
            "SAIGE",
            "CHR\tPOS\tMarkerID\tAllele1\tAllele2\tBETA\tSE\tp.value\n1\t101\trs1\tC\tA\t0.1\t0.05\t0.01\n",
            Some("C"),
            2.0,
        ),
        (
            "BOLT-LMM",
            "SNP\tCHR\tBP\tALLELE1\tALLELE0\tBETA\tSE\tP_BOLT_LMM_INF\tP_BOLT_LMM\nrs1\t1\t101\tA\tC\t0.1\t0.05\t0.5\t0.01\n",
            Some("C"),
            2.0,
        ),
        (
            "METAL",
            "MarkerName\tAllele1\tAllele2\tEffect\tStdErr\tP-value\n1:101:C:A\ta\tc\t-0.1\t0.05\t0.01\n",
            Some("C"),
            2.0,
        ),
        (
            "GEMMA",
            "chr\trs\tps\tn_miss\tallele1\tallele0\taf\tbeta\tse\tp_wald\n1\trs1\t101\t0\tA\tC\t0.1\t0.1\t0.05\t0.01\n",
            Some("C"),
            2.0,
        ),
        (
            "GWAS-SSF",
            "chromosome\tbase_pair_location\teffect_allele\tother_allele\tbeta\tstandard_error\tneg_log_10_p_value\trsid\n1\t101\tA\tC\t0.1\t0.05\t2\trs1\n",
            Some("C"),
            2.0,
        ),
        (
            "harmonised",
            "hm_rsid\thm_chrom\thm_pos\thm_other_allele\thm_effect_allele\tvariant_id\tp_value\tchromosome\tbase_pair_location\teffect_allele\tother_allele\n\
             rs1\t1\t101\tC\tA\told\t0.01\t7\t9\tT\tG\n",
            Some("C"),
            2.575_829,
        ),
        (
            "fine-mapping",
            "variant\trsid\ttrait\tbeta_marginal\tse_marginal\tpvalue\tpip\tsusie.cs_id\n1:101:C:A\trs1\tP\t-0.1\t0.05\t0.01\t0.9\t1\n",
            Some("C"),
            2.0,
        ),
        (
            "CSV with floats",
            "SNP,\"CHR\",BP,A1,A2,Z,P\nrs1,1,101.0,A,C,-2,1e-2\n",
            Some("C"),
            2.0,
        ),
        (
            "GWAS-VCF",
            "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS\n1\t101\trs1\tC\tA\t.\tPASS\t.\tES:SE:LP\t0.1:0.05:2\n",
            Some("C"),
            2.0,
        ),
    ] {
        let (place, alleles, p, found) = first(text);
        assert_eq!(place, Some(("1".into(), 100)), "{what}");
        let (effect, found_other) = alleles.unwrap_or_else(|| panic!("{what}: no alleles"));
        assert!(effect.eq_ignore_ascii_case("A"), "{what}: {effect}");
        let found_other = found_other.map(|o| o.to_uppercase());
        assert_eq!(found_other.as_deref(), other, "{what}");
        assert!((p - 0.01).abs() < 1e-12, "{what}: {p}");
        assert!((found - z).abs() < 1e-5, "{what}: |z| {found}");
    }
}

#[test]
fn what_is_no_value() {
    let text = "chr\tpos\trsid\teffect_allele\tother_allele\tP\tpip\tcs\n\
        1\t5\ta\tA\tC\t0\tN/A\t-1\n1\tNA\tb\tA\tC\t1e-400\t0.5\t2\n1\t5\tc\t.\tC\tnull\t1\t0\n";
    let (_file, mut rows) = open(text);
    let row = rows.next_row().unwrap().unwrap();
    let (p, log) = row.p().unwrap();
    assert!(p == 0.0 && log.is_infinite() && row.pip().unwrap().is_nan());
    assert!((row.abs_z().unwrap() - 38.485).abs() < 0.01);
    assert_eq!(row.credible_set(), None);
    let row = rows.next_row().unwrap().unwrap();
    assert_eq!((row.place().unwrap(), row.p().unwrap().0), (None, 0.0));
    assert_eq!((row.pip().unwrap(), row.credible_set()), (0.5, Some("2")));
    let row = rows.next_row().unwrap().unwrap();
    assert!(row.p().unwrap().0.is_nan() && row.abs_z().unwrap().is_nan());
    assert!(row.alleles().is_none() && row.credible_set().is_none());
}

#[test]
fn names_that_the_user_gives_come_first() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "chr\tbp\tP\tmy p\n1\t7\t0.5\t0.25\n").unwrap();
    let mut table = SumTable {
        path: file.path().into(),
        named: vec![(Role::P, "my p".into())],
        zero_based: true,
    };
    let mut rows = table.open().unwrap().unwrap();
    assert_eq!(rows.taken()[0], ("p", "my p".to_owned()));
    let row = rows.next_row().unwrap().unwrap();
    assert_eq!(row.p().unwrap().0, 0.25);
    assert_eq!(row.place().unwrap(), Some(("1", 7)));
    table.named[0].1 = "q".into();
    let error = table.open().err().unwrap();
    assert_eq!(
        error.hint().unwrap(),
        "--column p=NAME says which column it is"
    );
}

#[test]
fn cells_that_name_variants() {
    let alleles = Some(Alleles {
        effect: "C",
        other: Some("T"),
    });
    for cell in ["1:5:T:C", "1_5_T_C", "1-5-T-C", "1:5_T_C", "1:5:T:C:b37"] {
        assert_eq!(variant(cell), Some(("1", "5", alleles)), "{cell}");
    }
    assert_eq!(variant("chr1:5"), Some(("chr1", "5", None)));
    assert_eq!(variant("rs123"), None);
    assert_eq!(variant("Affx-1234"), None);
    assert_eq!(variant("a:b:c"), None);
}

#[test]
fn rows_of_covariates_are_none_of_alleles() {
    let text = "CHR SNP BP A1 TEST P\n1 rs1 5 A ADD 0.1\n1 rs1 5 A AGE 1e-9\n1 rs2 6 A ADD 0.2\n";
    let (_file, mut rows) = open(text);
    let mut of = Vec::new();
    while let Some(row) = rows.next_row().unwrap() {
        of.push(row.is_of_alleles());
    }
    assert_eq!(of, [true, false, true]);
}

#[test]
fn builds_that_tables_tell() {
    let told = |text: &str| open(text).1.build().map(|(build, why)| (build.name, why));
    assert_eq!(told("chr\tpos\tp\n1\t5\t0.1\n"), None);
    assert_eq!(
        told("chr\tpos_hg38\tpos\tp\n1\t5\t6\t0.1\n"),
        None,
        "another column is taken"
    );
    assert_eq!(
        told("hm_chrom\thm_pos\tp_value\n1\t5\t0.1\n"),
        Some(("hg38", "by its column hm_pos".into()))
    );
    let vcf = "##fileformat=VCFv4.2\n##contig=<ID=1,length=249250621>\n\
               #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS\n1\t5\t.\tA\tC\t.\t.\t.\tES:LP\t0.1:2\n";
    assert_eq!(
        told(vcf),
        Some(("hg19", "its header's 1 has 249,250,621 bases".into()))
    );
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, "chr\tpos\tp\n1\t5\t0.1\n").unwrap();
        let table = SumTable {
            path,
            ..SumTable::default()
        };
        let rows = table.open().unwrap().unwrap();
        rows.build().map(|(build, why)| (build.name, why))
    };
    let by_name = Some(("hg19", "by its name".to_owned()));
    assert_eq!(at("35213538-GCST90132314-buildGRCh37.tsv"), by_name);
    assert_eq!(at("study.tsv"), None);
    let meta = folder.path().join("study.tsv-meta.yaml");
    std::fs::write(&meta, "gwas_id: GCST1\ngenome_assembly: GRCh38\n").unwrap();
    let by_meta = "study.tsv-meta.yaml says GRCh38".to_owned();
    assert_eq!(at("study.tsv"), Some(("hg38", by_meta)));
}
