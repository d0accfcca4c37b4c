use std::fs;

/// What is left of the address space, where it is limited (`ulimit -v`).
pub fn address_space_left() -> Option<u64> {
    let (limit, _) = rlimit::getrlimit(rlimit::Resource::AS).ok()?;
    let pages = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = pages.split(' ').next()?.parse().ok()?;
    // SAFETY: asks for a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let used = pages * u64::try_from(page).unwrap_or(4096);
    (limit != rlimit::INFINITY).then(|| limit.saturating_sub(used))
}
