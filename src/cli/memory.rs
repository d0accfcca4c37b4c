//! Memory that is not there: the program ends with words, where otherwise it would be aborted, with a core dump perhaps and
//! unfinished files.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::output;

/// The system's allocator, which ends the program where there is nothing left. For programs; a library has no say in this.
#[derive(Debug)]
pub struct Checked;

/// Kept back, so that there is some for the way out.
const KEPT: usize = 1 << 20;
static RESERVE: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());

fn layout() -> Layout {
    Layout::new::<[u8; KEPT]>()
}

/// Puts something by for the way out; to be called once, at the start.
pub(super) fn keep_reserve() {
    // SAFETY: the layout is not of size 0.
    let reserve = unsafe { System.alloc(layout()) };
    RESERVE.store(reserve, Ordering::Relaxed);
}

#[cold]
fn none_left(bytes: usize) {
    let reserve = RESERVE.swap(std::ptr::null_mut(), Ordering::Relaxed);
    if reserve.is_null() {
        // Before there was any, or on the way out: an abort is all that is left.
        return;
    }
    // SAFETY: from `keep_reserve`, of this layout, and nobody else has it any more.
    unsafe { System.dealloc(reserve, layout()) };
    output::abandon_unless_busy();
    super::say(&format!(
        "error: not enough memory: there are no {bytes} bytes more\n\
         hint: a larger limit (`ulimit -v`, of the batch system), fewer --threads, or --engine full, which has no tables\n"
    ));
    // SAFETY: no destructor runs, which might want memory.
    unsafe { libc::_exit(1) }
}

// SAFETY: all is the system allocator's.
unsafe impl GlobalAlloc for Checked {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let memory = unsafe { System.alloc(layout) };
        if memory.is_null() {
            none_left(layout.size());
        }
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let memory = unsafe { System.alloc_zeroed(layout) };
        if memory.is_null() {
            none_left(layout.size());
        }
        memory
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        let memory = unsafe { System.realloc(memory, layout, size) };
        if memory.is_null() {
            none_left(size);
        }
        memory
    }
}

/// Whether a panic's message says that memory or processes are at an end: a thread that is not to be had, or that finds
/// no room for its stack of signals (the standard library's words), or a library's.
fn is_a_lack(panic: &str) -> bool {
    [
        "failed to spawn thread",
        "alternative stack",
        "out of memory",
    ]
    .iter()
    .any(|words| panic.contains(words))
}

/// Threads and libraries that panic where memory or processes are at an end say so in words, too.
pub(super) fn watch_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload_as_str().unwrap_or_default();
        if is_a_lack(text) {
            output::abandon_unless_busy();
            super::say(&format!(
                "error: {text}\nhint: a larger limit (`ulimit -v`, `ulimit -u`, of the batch system), or fewer --threads\n"
            ));
            // SAFETY: no destructor runs, which might want memory.
            unsafe { libc::_exit(1) }
        }
        before(info);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_memory_is_told_from_a_mistake() {
        for lack in [
            "failed to spawn thread: Os { code: 11, kind: WouldBlock, message: \"Resource temporarily unavailable\" }",
            "failed to allocate an alternative stack: Cannot allocate memory (os error 12)",
            "failed to set up alternative stack guard page: Cannot allocate memory (os error 12)",
        ] {
            assert!(is_a_lack(lack), "{lack}");
        }
        assert!(!is_a_lack(
            "index out of bounds: the len is 3 but the index is 3"
        ));
    }
}
