/// Is told how far a job is, in bases or whatever the job counts.
pub trait Progress: Sync {
    /// Work begins: so much in all.
    fn start(&self, total: u64);
    /// So much was done by an earlier run.
    fn resumed(&self, done: u64);
    /// So much more is done.
    fn advance(&self, done: u64);
    /// Work is over.
    fn finish(&self);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _: u64) {}
    fn resumed(&self, _: u64) {}
    fn advance(&self, _: u64) {}
    fn finish(&self) {}
}
