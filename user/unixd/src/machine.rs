//! What is asked of the exokernel about oneself and about everybody.

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
