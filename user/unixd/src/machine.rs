//! What is asked of the exokernel about oneself and about everybody.

use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};

use abi::{
    EnvEntry, EnvId, FrameEntry, FrameKind, INFO_ENVS_PAGE, INFO_SLICES_PAGE, InfoPage, MAX_ENVS, MAX_SLICES, PAGE_SIZE, SliceEntry,
};
use libos::random::Random;
use libos::time::{Clocks, Linear, coarse_tick};
use libos::vfs::attributes::Time;
use spin::Once;

/// Where the info pages are mapped: the first, and the environment table.
pub const INFO: usize = 0x7e0f_0000_0000;

/// The first info page.
#[must_use]
pub fn info() -> &'static InfoPage {
    // SAFETY: mapped before anything else ran. What changes in it (counts) is read through `read_volatile` or waited on.
    unsafe { &*(INFO as *const InfoPage) }
}

/// Nanoseconds since boot.
#[must_use]
pub fn monotonic_ns() -> u64 {
    clocks().ns(Linear::Monotonic, clock())
}

/// Nanoseconds since 1970.
#[must_use]
pub fn realtime_ns() -> u64 {
    clocks().ns(Linear::Realtime, clock())
}

/// A tick of the coarse clock, which the times of files go by.
#[derive(Clone, Copy)]
pub struct Tick {
    /// The time of day at which it began.
    pub time: Time,
    /// Where the counter is when it ends.
    pub end: u64,
}

/// The tick that it is.
#[must_use]
pub fn tick() -> Tick {
    let tick = coarse_tick(info(), clock());
    Tick { time: Time::from_nanoseconds(clocks().ns(Linear::Realtime, tick.start)), end: tick.end }
}

fn clocks() -> &'static Clocks {
    static CLOCKS: Once<Clocks> = Once::new();
    CLOCKS.call_once(|| Clocks::new(info()))
}

/// Fill with random bytes.
pub fn random(into: &mut [u8]) {
    static RANDOM: Once<Random> = Once::new();
    RANDOM.call_once(|| Random::of_machine(info(), clock, entropy)).fill(into);
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

/// Frames that an environment may be charged for, and frames that it is charged for.
#[must_use]
pub fn charges(env: EnvId) -> (usize, usize) {
    let entry = entry_address(env) as *const EnvEntry;
    // SAFETY: as in `entry`, of which this is two words.
    unsafe { ((&raw const (*entry).quota).read_volatile() as usize, (&raw const (*entry).used).read_volatile() as usize) }
}

/// Index of a slice slot's context while nobody runs in it.
pub const UNUSED: usize = u32::MAX as usize;

/// Where the frame table is mapped.
const FRAMES: usize = 0x7c00_0000_0000;

/// How many mappings there are of a frame of memory, by whomever; 0: it is no such frame.
#[must_use]
pub fn frame_uses(frame: u64) -> u32 {
    /// The frames that it has entries of; none if it cannot be mapped.
    static TABLE: Once<Range<u64>> = Once::new();
    let frames = TABLE.call_once(|| {
        let info = info();
        let pages = (info.frame_count as usize * size_of::<FrameEntry>()).div_ceil(PAGE_SIZE);
        let is_mapped = exo::info_map(EnvId::SELF, FRAMES, info.frames_page as usize, pages).is_ok();
        info.first_frame..info.first_frame + if is_mapped { info.frame_count } else { 0 }
    });
    if !frames.contains(&frame) {
        return 0;
    }
    let index = frame - frames.start;
    // SAFETY: the table is mapped, and has an entry for each frame; volatile since the kernel changes it behind our back.
    let entry = unsafe { (FRAMES as *const FrameEntry).add(index as usize).read_volatile() };
    if entry.kind == FrameKind::User as u32 { entry.count } else { 0 }
}

/// The frame that is mapped at an address of the server's own.
#[must_use]
pub fn frame_at(address: usize) -> Option<u64> {
    exo::page_query(EnvId::SELF, address).ok().map(|page| page.frame)
}

/// The counter.
#[must_use]
pub fn clock() -> u64 {
    #[cfg(target_os = "none")]
    return libos::entry::clock();
    #[cfg(not(target_os = "none"))]
    unimplemented!("a host's clock")
}

/// A word off the CPU's random number generator, if it has one.
fn entropy() -> Option<u64> {
    #[cfg(target_os = "none")]
    return libos::entry::entropy();
    #[cfg(not(target_os = "none"))]
    None
}

/// Time of the CPU that an environment had, in nanoseconds.
#[must_use]
pub fn cpu_ns(env: EnvId) -> u64 {
    let ran = entry(env).ran as i64;
    // Less the counter while it runs: see `EnvEntry::ran`.
    let ticks = if ran < 0 { ran.wrapping_add(clock() as i64) } else { ran };
    ((u128::from(ticks.max(0) as u64) * u128::from(info().clock_mult)) >> 32) as u64
}

/// The owner of a slot of the slice vector.
#[must_use]
pub fn slice_owner(slot: usize) -> EnvId {
    EnvId(slice(slot).owner)
}

/// How often slices of a slot of the slice vector ended by force.
#[must_use]
pub fn slices_expired(slot: usize) -> u32 {
    slice(slot).expired
}

fn slice(slot: usize) -> SliceEntry {
    let first = (INFO + INFO_SLICES_PAGE * PAGE_SIZE) as *const SliceEntry;
    // SAFETY: the page is mapped and has MAX_SLICES entries, which the kernel changes behind our back.
    unsafe { first.add(slot.min(MAX_SLICES - 1)).read_volatile() }
}

/// Whether an environment is another, or above it in the tree.
#[must_use]
pub fn is_over(over: EnvId, under: EnvId) -> bool {
    let mut slot = under.slot();
    while slot != over.slot() {
        if slot >= MAX_ENVS {
            return false;
        }
        slot = entry(EnvId::new(slot, 0)).parent as usize;
    }
    true
}

/// Children that this environment ended itself, and will reap: their deaths are no news.
static ENDED: AtomicU32 = AtomicU32::new(0);

/// End a child, with this status.
pub fn end(env: EnvId, status: u32) {
    if exo::env_destroy(env, u64::from(status)).is_ok() {
        ENDED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Count of children's deaths, the word that changes with it, and how many of them came by nobody's hand here.
#[must_use]
pub fn deaths() -> (u32, *const u32, u32) {
    let word = entry_address(own()) + core::mem::offset_of!(EnvEntry, deaths);
    let count = entry(own()).deaths;
    (count, word as *const u32, count.wrapping_sub(ENDED.load(Ordering::Relaxed)))
}

/// This environment.
#[must_use]
pub fn own() -> EnvId {
    static OWN: Once<EnvId> = Once::new();
    *OWN.call_once(exo::identify)
}
