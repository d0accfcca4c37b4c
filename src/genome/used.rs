use super::Fasta;
use crate::job::InputFile;

impl Fasta {
    /// The FASTA for `run.json`: its size and the hash of its contigs, as it is read in places.
    pub fn used(&self) -> InputFile {
        InputFile {
            contigs_sha256: Some(self.contigs().sha256()),
            ..InputFile::sized("fasta", self.path())
        }
    }
}
