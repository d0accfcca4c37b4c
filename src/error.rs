use crate::attribution::AttributionError;
use crate::dataset::DatasetError;
use crate::design::DesignError;
use crate::evaluate::EvaluateError;
use crate::fdr::FdrError;
use crate::genome::GenomeError;
use crate::haplotypes::HaplotypeError;
use crate::input::InputError;
use crate::intervals::IntervalError;
use crate::ism::IsmError;
use crate::job::JobError;
use crate::liftover::LiftoverError;
use crate::model::ModelError;
use crate::motifs::MotifError;
use crate::output::OutputError;
use crate::overlap::OverlapError;
use crate::perturb::PerturbError;
use crate::report::ReportError;
use crate::score::ScoreError;
use crate::sharpr::SharprError;
use crate::tracks::TrackError;
use crate::train::TrainError;
use crate::train::kmer::KmerError;
use crate::variants::VariantError;
use crate::vcf::VcfError;

/// Any error of the library: one enum a stage, gathered for callers that run several stages.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The running of a job: threads, being asked to stop.
    #[error(transparent)]
    Job(#[from] JobError),
    /// A text file.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Annotations.
    #[error(transparent)]
    Intervals(#[from] IntervalError),
    /// Coordinates of another build.
    #[error(transparent)]
    Liftover(#[from] LiftoverError),
    /// Genome, regions, names.
    #[error(transparent)]
    Genome(#[from] GenomeError),
    /// The model and ONNX Runtime.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The choice of an engine.
    #[error(transparent)]
    Ism(#[from] IsmError),
    /// Contributions of bases.
    #[error(transparent)]
    Attribution(#[from] AttributionError),
    /// The output folder.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The scoring job.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// A track.
    #[error(transparent)]
    Track(#[from] TrackError),
    /// Examples from count tables.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Per-base activities from tiled designs.
    #[error(transparent)]
    Sharpr(#[from] SharprError),
    /// Tracks against annotations.
    #[error(transparent)]
    Overlap(#[from] OverlapError),
    /// Predictions against measurements.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// Filters as motifs.
    #[error(transparent)]
    Motifs(#[from] MotifError),
    /// Sequences changed on purpose.
    #[error(transparent)]
    Perturb(#[from] PerturbError),
    /// A k-mer regression.
    #[error(transparent)]
    Kmer(#[from] KmerError),
    /// Variants.
    #[error(transparent)]
    Variant(#[from] VariantError),
    /// Designed sequences.
    #[error(transparent)]
    Design(#[from] DesignError),
    /// Haplotypes.
    #[error(transparent)]
    Haplotype(#[from] HaplotypeError),
    /// A page of results.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A VCF or BCF.
    #[error(transparent)]
    Vcf(#[from] VcfError),
    /// Training.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// False discovery rates.
    #[error(transparent)]
    Fdr(#[from] FdrError),
}

impl Error {
    /// Whether the job was asked to stop, and if so whether it can be resumed.
    pub fn interrupted(&self) -> Option<bool> {
        let job = match self {
            Self::Job(e)
            | Self::Dataset(DatasetError::Job(e))
            | Self::Sharpr(SharprError::Job(e))
            | Self::Overlap(OverlapError::Job(e))
            | Self::Variant(VariantError::Job(e))
            | Self::Haplotype(HaplotypeError::Job(e))
            | Self::Fdr(FdrError::Job(e)) => e,
            _ => return None,
        };
        match job {
            JobError::Interrupted { kept } => Some(*kept),
            _ => None,
        }
    }

    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Job(e) => e.hint(),
            Self::Input(e) => e.hint(),
            Self::Intervals(e) => e.hint(),
            Self::Liftover(e) => e.hint(),
            Self::Genome(e) => e.hint(),
            Self::Model(e) => e.hint(),
            Self::Ism(e) => e.hint(),
            Self::Attribution(e) => e.hint(),
            Self::Output(e) => e.hint(),
            Self::Score(e) => e.hint(),
            Self::Track(e) => e.hint(),
            Self::Dataset(e) => e.hint(),
            Self::Sharpr(e) => e.hint(),
            Self::Overlap(e) => e.hint(),
            Self::Evaluate(e) => e.hint(),
            Self::Motifs(e) => e.hint(),
            Self::Perturb(e) => e.hint(),
            Self::Kmer(e) => e.hint(),
            Self::Variant(e) => e.hint(),
            Self::Design(e) => e.hint(),
            Self::Haplotype(e) => e.hint(),
            Self::Report(e) => e.hint(),
            Self::Vcf(e) => e.hint(),
            Self::Train(e) => e.hint(),
            Self::Fdr(e) => e.hint(),
        }
    }
}
