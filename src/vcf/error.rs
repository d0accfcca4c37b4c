use crate::input::InputError;

/// What can be wrong with a VCF or BCF.
#[derive(Debug, thiserror::Error)]
pub enum VcfError {
    /// The file as such.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Its header.
    #[error("{path}, line {line} of the header: {problem}")]
    Header {
        /// The file as the user named it.
        path: String,
        /// 1-based line number.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// A line that cannot be understood.
    #[error("{path}, line {line}: {problem}\n  {text}")]
    Line {
        /// The file as the user named it.
        path: String,
        /// 1-based line number.
        line: u64,
        /// What is wrong.
        problem: String,
        /// The line, shortened.
        text: String,
    },
    /// A record of a BCF that cannot be understood.
    #[error("{path}, record {record}: {problem}")]
    Record {
        /// The file as the user named it.
        path: String,
        /// Its number, from 1.
        record: u64,
        /// What is wrong.
        problem: String,
    },
}

impl VcfError {
    /// One line that says how to mend it, when there is a way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Input(e) => e.hint(),
            _ => None,
        }
    }
}
