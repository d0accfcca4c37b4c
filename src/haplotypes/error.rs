use crate::genome::GenomeError;
use crate::job::JobError;
use crate::vcf::VcfError;

/// What can be wrong with a job on haplotypes.
#[derive(Debug, thiserror::Error)]
pub enum HaplotypeError {
    /// The VCF or BCF.
    #[error(transparent)]
    Vcf(#[from] VcfError),
    /// Regions and their genome.
    #[error(transparent)]
    Genome(#[from] GenomeError),
    /// Threads, or being asked to stop.
    #[error(transparent)]
    Job(#[from] JobError),
    /// There are no genotypes.
    #[error("{0} has no samples")]
    NoSamples(String),
    /// A sample that the VCF lacks.
    #[error("{path} has no sample {name:?}; it has {count}, the first is {first:?}")]
    UnknownSample {
        /// The VCF.
        path: String,
        /// The name asked for.
        name: String,
        /// How many there are.
        count: usize,
        /// One that there is.
        first: String,
    },
    /// A sample that is there, or asked for, twice.
    #[error("sample {0:?} occurs twice")]
    RepeatedSample(String),
    /// Records out of order.
    #[error("{path}, record at line {line}: {problem}")]
    Unsorted {
        /// The VCF.
        path: String,
        /// 1-based line; of a BCF the number of the record.
        line: u64,
        /// What came after what.
        problem: String,
    },
    /// Not one row of the BED can be scored.
    #[error("{path}: no row is a region of the FASTA{}", .first.as_ref().map_or(String::new(), |f| format!(": {f}")))]
    NoRegion {
        /// The BED.
        path: String,
        /// What is wrong with the first one, where that is told.
        first: Option<String>,
    },
}

impl HaplotypeError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Vcf(e) => e.hint(),
            Self::Genome(e) => e.hint(),
            Self::Job(e) => e.hint(),
            Self::NoSamples(_) => Some("`mpra-score variants` scores variants one by one".into()),
            Self::UnknownSample { .. } => Some("`bcftools query -l` lists the samples".into()),
            Self::Unsorted { .. } => Some("`bcftools sort` puts records into order".into()),
            Self::RepeatedSample(_) | Self::NoRegion { .. } => None,
        }
    }
}
