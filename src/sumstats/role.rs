/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// p-value.
    P,
    /// -log10 of the p-value.
    LogP,
    /// Name, such as an rsID.
    Id,
    /// Contig.
    Contig,
    /// Position.
    Position,
    /// Contig, position and perhaps alleles in one cell: `1:1065296:T:C`, `chr1_1065296_T_C`.
    Variant,
    /// The allele whose effect the table gives.
    EffectAllele,
    /// The other one.
    OtherAllele,
    /// Allele of the genome.
    Reference,
    /// The allele that is not the genome's.
    Alternative,
    /// Effect.
    Beta,
    /// Odds ratio.
    OddsRatio,
    /// Standard error of the effect (of the logarithm of an odds ratio).
    StandardError,
    /// z-score, or a t of many samples.
    Z,
    /// Chi-squared of one degree of freedom.
    ChiSquared,
    /// Posterior inclusion probability.
    Pip,
    /// Credible set.
    CredibleSet,
    /// Which of a model's terms the row is of (PLINK).
    Test,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::P,
        Self::LogP,
        Self::Id,
        Self::Contig,
        Self::Position,
        Self::Variant,
        Self::EffectAllele,
        Self::OtherAllele,
        Self::Reference,
        Self::Alternative,
        Self::Beta,
        Self::OddsRatio,
        Self::StandardError,
        Self::Z,
        Self::ChiSquared,
        Self::Pip,
        Self::CredibleSet,
        Self::Test,
    ];

    /// The word for it, in flags and in `run.json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P => "p",
            Self::LogP => "-log10(p)",
            Self::Id => "id",
            Self::Contig => "contig",
            Self::Position => "position",
            Self::Variant => "variant",
            Self::EffectAllele => "effect_allele",
            Self::OtherAllele => "other_allele",
            Self::Reference => "ref",
            Self::Alternative => "alt",
            Self::Beta => "beta",
            Self::OddsRatio => "odds_ratio",
            Self::StandardError => "se",
            Self::Z => "z",
            Self::ChiSquared => "chisq",
            Self::Pip => "pip",
            Self::CredibleSet => "credible_set",
            Self::Test => "test",
        }
    }

    /// The role of a word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// Names that programs give such columns, the first that a header has being taken; upper and lower case are
    /// one. Harmonised tables have `hm_` columns before the original ones.
    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Self::P => &[
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
            ],
            Self::LogP => &[
                "neg_log_10_p_value",
                "log10p",
                "log10_p",
                "neglog10p",
                "neg_log10_p",
                "nlog10p",
                "mlog10p",
                "mlogp",
                "lp",
            ],
            Self::Id => &[
                "hm_rsid",
                "rsid",
                "rs_id",
                "id",
                "snp",
                "rs",
                "variant_id",
                "markername",
                "markerid",
                "snpid",
                "variant",
                "name",
            ],
            Self::Contig => &["hm_chrom", "chr", "chrom", "chromosome", "contig"],
            Self::Position => &[
                "hm_pos",
                "pos",
                "bp",
                "genpos",
                "position",
                "base_pair_location",
                "ps",
            ],
            Self::Variant => &[
                "hm_variant_id",
                "variant",
                "variant_id",
                "markername",
                "markerid",
                "snpid",
                "snp",
                "id",
                "name",
            ],
            Self::EffectAllele => &[
                "hm_effect_allele",
                "effect_allele",
                "effectallele",
                "ea",
                "tested_allele",
                "risk_allele",
                "a1",
                "allele1",
            ],
            Self::OtherAllele => &[
                "hm_other_allele",
                "other_allele",
                "otherallele",
                "non_effect_allele",
                "noneffect_allele",
                "nea",
                "oa",
                "omitted",
                "a2",
                "ax",
                "a0",
                "allele0",
                "allele2",
            ],
            Self::Reference => &["ref", "reference", "reference_allele"],
            Self::Alternative => &["alt", "alternate", "alternative", "alternative_allele"],
            Self::Beta => &[
                "hm_beta",
                "beta",
                "b",
                "effect",
                "es",
                "logor",
                "log_odds",
                "beta_marginal",
            ],
            Self::OddsRatio => &["hm_odds_ratio", "odds_ratio", "or"],
            Self::StandardError => &[
                "standard_error",
                "se",
                "stderr",
                "log(or)_se",
                "sebeta",
                "se_marginal",
            ],
            Self::Z => &["z", "zscore", "z_score", "z_stat", "ez", "tstat", "t_stat"],
            Self::ChiSquared => &["chisq", "chi2", "chisq_bolt_lmm", "chisq_bolt_lmm_inf"],
            Self::Pip => &[
                "pip",
                "susie.pip",
                "finemap.pip",
                "posterior_prob",
                "posterior",
                "ppa",
                "prob",
            ],
            Self::CredibleSet => &[
                "credible_set",
                "cs",
                "cs_id",
                "susie.cs_id",
                "finemap.cs_id",
            ],
            Self::Test => &["test"],
        }
    }
}
