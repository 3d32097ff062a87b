//! The info pages, read.

use abi::{
    EnvEntry, EnvId, FrameEntry, FrameKind, INFO_ENVS_PAGE, INFO_LEDGER_PAGE, INFO_SLICES_PAGE, INFO_SLICES_PAGES, InfoPage,
    LEDGER_ENTRIES, LedgerEntry, MAX_SLICES, PAGE_SIZE, SliceEntry,
};

use crate::place::{INFO, page};

/// Info pages before the frame table.
pub const FIRST_PAGES: usize = INFO_SLICES_PAGE + INFO_SLICES_PAGES;

/// Map all info pages here.
pub fn map() {
    exo::info_map(EnvId::SELF, INFO, 0, FIRST_PAGES).expect("the first info pages");
    let rest = header().pages as usize - FIRST_PAGES;
    exo::info_map(EnvId::SELF, page(INFO, FIRST_PAGES), FIRST_PAGES, rest).expect("the frame table");
}

/// The first info page, for the words of it that never change.
#[must_use]
pub fn header() -> &'static InfoPage {
    // SAFETY: every program maps the page before it asks.
    unsafe { &*(INFO as *const InfoPage) }
}

/// Frames that no one holds.
#[must_use]
pub fn free_frames() -> u64 {
    // SAFETY: as in `header`; the kernel changes the word behind our back, hence volatile.
    unsafe { (&raw const header().free_frames).read_volatile() }
}

/// Where the public entry of a slot is.
#[must_use]
pub fn environment_address(slot: usize) -> *const EnvEntry {
    (page(INFO, INFO_ENVS_PAGE) as *const EnvEntry).wrapping_add(slot)
}

/// The public entry of an environment.
#[must_use]
pub fn environment(env: EnvId) -> EnvEntry {
    // SAFETY: as in `header`; the table covers every slot that a name can have been given for.
    unsafe { environment_address(env.slot() % abi::MAX_ENVS).read_volatile() }
}

/// Entries of the ledger so far.
#[must_use]
pub fn taken() -> u32 {
    // SAFETY: as in `free_frames`.
    unsafe { (&raw const header().taken).read_volatile() }
}

/// Number `number` of the ledger, or of those that were written over it.
#[must_use]
pub fn ledger(number: u32) -> LedgerEntry {
    // SAFETY: as in `header`; the ring has so many entries.
    unsafe { (page(INFO, INFO_LEDGER_PAGE) as *const LedgerEntry).add(number as usize % LEDGER_ENTRIES).read_volatile() }
}

/// A slot of the slice vector.
#[must_use]
pub fn slice(slot: usize) -> SliceEntry {
    assert!(slot < MAX_SLICES);
    // SAFETY: as in `header`; the page has MAX_SLICES entries.
    unsafe { (page(INFO, INFO_SLICES_PAGE) as *const SliceEntry).add(slot).read_volatile() }
}

/// A slice slot that this environment owns and leaves unused.
#[must_use]
pub fn unused_slice() -> Option<usize> {
    let own = exo::identify().0;
    (0..MAX_SLICES).find(|&slot| slice(slot).owner == own && slice(slot).context == u32::MAX)
}

/// Where a frame's entry in the frame table is.
#[must_use]
pub fn frame_address(number: u64) -> *const FrameEntry {
    let header = header();
    let index = number.wrapping_sub(header.first_frame);
    assert!(index < header.frame_count, "frame {number:#x} is outside the table");
    (page(INFO, header.frames_page as usize) as *const FrameEntry).wrapping_add(index as usize)
}

/// Map the page of the frame table that a frame's entry is in, where only the first info pages are mapped: as in every child.
pub fn map_frame(number: u64) {
    let address = frame_address(number) as usize & !(PAGE_SIZE - 1);
    exo::info_map(EnvId::SELF, address, (address - INFO) / PAGE_SIZE, 1).expect("a page of the frame table");
}

/// A frame as the frame table has it. Only where `map` or `map_frame` mapped it.
#[must_use]
pub fn frame(number: u64) -> FrameEntry {
    // SAFETY: as in `header`; the entry is inside the table.
    unsafe { frame_address(number).read_volatile() }
}

/// Whether a frame is of a kind.
#[must_use]
pub fn is(number: u64, kind: FrameKind) -> bool {
    frame(number).kind == kind as u32
}

/// The lowest of `count` free frames in a row, the first a multiple of `count`.
#[must_use]
pub fn free_run(count: u64) -> Option<u64> {
    let header = header();
    let end = header.first_frame + header.frame_count;
    (header.first_frame.next_multiple_of(count)..end.saturating_sub(count))
        .step_by(count as usize)
        .find(|&first| (first..first + count).all(|number| is(number, FrameKind::Free)))
}

/// Some frame of a kind.
#[must_use]
pub fn any_frame(kind: FrameKind) -> Option<u64> {
    let header = header();
    (header.first_frame..header.first_frame + header.frame_count).find(|&number| is(number, kind))
}

/// Ticks in a number of milliseconds.
#[must_use]
pub fn milliseconds(count: u64) -> u64 {
    header().clock_hz / 1000 * count
}

/// The counter's value so many milliseconds from now.
#[must_use]
pub fn deadline(count: u64) -> u64 {
    crate::isa::ticks() + milliseconds(count)
}

/// Sleep.
pub fn sleep(count: u64) {
    let result = exo::wait(&[], Some(deadline(count)));
    assert_eq!(result, Err(abi::Error::TimedOut));
}

/// Bytes of a page, as a number for arithmetic on addresses.
pub const BYTES: u64 = PAGE_SIZE as u64;
