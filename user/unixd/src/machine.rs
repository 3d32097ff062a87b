//! What is asked of the exokernel about oneself and about everybody.

#[cfg(target_os = "none")]
use libos::time::{Clocks, Linear};

use abi::{EnvEntry, EnvId, INFO_ENVS_PAGE, InfoPage, PAGE_SIZE};

/// Where the info pages are mapped: the first, and the environment table.
pub const INFO: usize = 0x7e0f_0000_0000;

/// The first info page.
#[must_use]
pub fn info() -> InfoPage {
    // SAFETY: mapped read-only before anything else ran; the kernel changes it behind our back, hence volatile.
    unsafe { (INFO as *const InfoPage).read_volatile() }
}

/// Address of an environment's public entry.
#[must_use]
pub fn entry_address(env: EnvId) -> usize {
    INFO + INFO_ENVS_PAGE * PAGE_SIZE + env.slot() * size_of::<EnvEntry>()
}

/// The public entry of an environment.
#[must_use]
pub fn entry(env: EnvId) -> EnvEntry {
    // SAFETY: the whole table is mapped, and a slot is below its length; volatile as above.
    unsafe { (entry_address(env) as *const EnvEntry).read_volatile() }
}

/// The time of day, in nanoseconds since 1970-01-01 UTC.
#[cfg(target_os = "none")]
#[must_use]
pub fn now_ns() -> u64 {
    static CLOCKS: spin::Once<Clocks> = spin::Once::new();
    CLOCKS.call_once(|| Clocks::new(&info())).ns(Linear::Realtime, libos::entry::clock())
}

/// The time of day: a host has no counter of the exokernel's.
#[cfg(not(target_os = "none"))]
#[must_use]
pub fn now_ns() -> u64 {
    0
}
