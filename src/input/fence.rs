//! Readers of others that panic at some damaged files.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread is expected.
    static FENCED: Cell<bool> = const { Cell::new(false) };
}

/// Runs what may panic where a file is damaged; nothing where it did, and nothing is printed then.
pub(crate) fn fenced<T>(read: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !FENCED.get() {
                before(info);
            }
        }));
    });
    FENCED.set(true);
    // What was being read is not used again.
    let read = panic::catch_unwind(AssertUnwindSafe(read));
    FENCED.set(false);
    read.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_nothing() {
        assert_eq!(fenced(|| 3), Some(3));
        assert_eq!(fenced(|| Vec::<u8>::new()[0]), None);
        assert_eq!(fenced(|| 4), Some(4));
    }
}
