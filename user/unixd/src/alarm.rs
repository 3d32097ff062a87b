//! When `unixd`'s second context is to wake up by itself.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// In ticks; `u64::MAX`: never.
static DEADLINE: AtomicU64 = AtomicU64::new(u64::MAX);
/// Counted up, and woken, when the deadline has come nearer.
static CHANGES: AtomicU32 = AtomicU32::new(0);

/// Wake up at `deadline`, at the latest.
pub fn set(deadline: Option<u64>) {
    let deadline = deadline.unwrap_or(u64::MAX);
    if deadline < DEADLINE.swap(deadline, Ordering::Relaxed) {
        CHANGES.fetch_add(1, Ordering::Release);
        let _ = exo::wake(CHANGES.as_ptr(), usize::MAX);
    }
}

/// When to wake up, in ticks.
#[must_use]
pub fn deadline() -> Option<u64> {
    let deadline = DEADLINE.load(Ordering::Relaxed);
    (deadline != u64::MAX).then_some(deadline)
}

/// The word that changes with it, and its value.
#[must_use]
pub fn word() -> (*const u32, u32) {
    (CHANGES.as_ptr(), CHANGES.load(Ordering::Acquire))
}
