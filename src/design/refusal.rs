use std::fmt;
use std::ops::Range;

/// Why nothing is designed from a start.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// It is shorter than the model's window.
    TooShort {
        /// Its bases.
        length: usize,
        /// The window's.
        window: usize,
    },
    /// It holds bases that are not A, C, G or T.
    UnknownBases,
    /// The stretches that stay hold every base.
    AllKept,
    /// No whole number of bases has a share of G and C in the range.
    GcNone(f64, f64),
    /// So many edits cannot bring G and C into the range.
    Gc {
        /// Their share.
        now: f64,
        /// The least and the greatest share that the edits reach.
        reachable: (f64, f64),
        /// The edits.
        edits: usize,
    },
    /// A forbidden site lies where nothing that it depends on may be changed.
    KeptSite(String, Range<usize>),
    /// Each change that would take a forbidden site away breaks a kept motif.
    SiteInMotif(String, Range<usize>, String),
    /// A run that is too long lies in a stretch that stays.
    KeptRun(Range<usize>, usize),
    /// The edits were used up, or no single change was left, before the constraints were met.
    Unmet(String),
}

impl Refusal {
    /// The word in the column `status`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::TooShort { .. } => "too_short",
            Self::UnknownBases => "unknown_bases",
            Self::AllKept => "all_kept",
            Self::GcNone(..) | Self::Gc { .. } => "gc_out_of_reach",
            Self::KeptSite(..) => "kept_site",
            Self::SiteInMotif(..) => "site_in_kept_motif",
            Self::KeptRun(..) => "kept_run",
            Self::Unmet(_) => "unmet",
        }
    }

    /// One line that says how to mend it.
    pub fn hint(&self) -> String {
        let hint = match self {
            Self::TooShort { .. } => {
                "give the construct with what it has on both sides; --resize N takes N bases around the middle of each region"
            }
            Self::UnknownBases => "replace them by bases",
            Self::AllKept => "leave some bases out of --keep and --keep-bed",
            Self::GcNone(..) => "widen --gc",
            Self::Gc { .. } => "allow more --edits, widen --gc, or keep fewer bases",
            Self::KeptSite(..) | Self::SiteInMotif(..) | Self::KeptRun(..) => {
                "one of the constraints has to give way"
            }
            Self::Unmet(_) => "allow more --edits, or fewer constraints",
        };
        format!("{hint}; --skip-invalid leaves such starts out, with the reason in designs.tsv")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { length, window } => {
                write!(f, "it has {length} bases, the model's window {window}")
            }
            Self::UnknownBases => write!(f, "it holds unknown bases"),
            Self::AllKept => write!(f, "every base is kept: no base may be changed"),
            Self::GcNone(least, most) => write!(
                f,
                "no whole number of bases has a share of G and C from {least} to {most}"
            ),
            Self::Gc {
                now,
                reachable: (least, most),
                edits,
            } => write!(
                f,
                "its share of G and C is {now:.3}, and {edits} edit(s) reach {least:.3} to {most:.3} only"
            ),
            Self::KeptSite(site, bases) => write!(
                f,
                "the forbidden site {site} at {}-{} lies in bases that are kept",
                bases.start, bases.end
            ),
            Self::SiteInMotif(site, bases, motif) => write!(
                f,
                "the forbidden site {site} at {}-{} is also part of a hit of {motif}, which is kept",
                bases.start, bases.end
            ),
            Self::KeptRun(run, most) => write!(
                f,
                "the run of equal bases at {}-{} is kept, and the longest run is to have {most}",
                run.start, run.end
            ),
            Self::Unmet(what) => write!(
                f,
                "no design within the edits meets the constraints: at the end there is {what}"
            ),
        }
    }
}
