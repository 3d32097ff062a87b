//! What is asked of the exokernel about oneself and about everybody.

use abi::{EnvEntry, EnvId, INFO_ENVS_PAGE, InfoPage, PAGE_SIZE};
use libos::random::Random;
use libos::time::{Clocks, Linear};
use spin::Once;

/// Where the info pages are mapped: the first, and the environment table.
pub const INFO: usize = 0x7e0f_0000_0000;

/// The first info page.
#[must_use]
pub fn info() -> InfoPage {
    // SAFETY: mapped read-only before anything else ran; the kernel changes it behind our back, hence volatile.
    unsafe { (INFO as *const InfoPage).read_volatile() }
}

/// Nanoseconds since boot.
#[must_use]
pub fn monotonic_ns() -> u64 {
    clocks().ns(Linear::Monotonic, libos::entry::clock())
}

/// Nanoseconds since 1970.
#[must_use]
pub fn realtime_ns() -> u64 {
    clocks().ns(Linear::Realtime, libos::entry::clock())
}

fn clocks() -> &'static Clocks {
    static CLOCKS: Once<Clocks> = Once::new();
    CLOCKS.call_once(|| Clocks::new(&info()))
}

/// Fill with random bytes.
pub fn random(into: &mut [u8]) {
    static RANDOM: Once<Random> = Once::new();
    RANDOM.call_once(|| Random::of_machine(&info(), libos::entry::clock, libos::entry::entropy)).fill(into);
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

/// This environment.
#[must_use]
pub fn own() -> EnvId {
    static OWN: Once<EnvId> = Once::new();
    *OWN.call_once(exo::identify)
}
