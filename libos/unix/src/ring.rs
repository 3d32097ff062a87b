//! The pages of a pipe that all processes have mapped that hold an end of it, and nobody else.
//!
//! ```text
//!   words: a page                        bytes: RING_BYTES, the byte with index i at i % RING_BYTES
//!   head ─── taken up to here ──┐         ┌────────────┬═══════════════┬─────────────┐
//!   tail ─── put up to here ────┼───────► │            head .......... tail          │
//!                               └───────► └────────────┴═══════════════┴─────────────┘
//! ```
//!
//! - **Reading** takes no lock: bytes are copied out, then `head` is moved over them by compare-and-exchange; who loses that copies again.
//! - **Writing**: one at a time, who has put the name of its environment into `writer`. The bytes are copied in, then `tail` is moved over
//!   them by compare-and-exchange. Of a writer that died in between nothing is seen, and the next one takes its place.
//! - **Waiting**: who finds nothing to do sets a side's `waits`, looks again and sleeps on the side's `changes`. Who has changed what that side
//!   waits for clears `waits` and, if it was set, counts `changes` up and wakes.
//! - **Ends**: `unixd` alone knows who holds what. It writes `readers` and `writers` here, and wakes both sides.
//! - **Freezing**: `unixd` exchanges `head` and `tail` for [`FROZEN`], which nobody can move any more: what lay in between is its own from then
//!   on, and everybody asks it for everything. It does so whenever the ring is not enough: for a larger capacity, for a process that does not
//!   have the pages.
//!
//! Whoever holds an end may write anything here: it harms those who hold that pipe, as it could by what it writes into it, and nobody else.
//! Indices are judged each time that they are read, and what `unixd` has to be sure of it does not read from here.

use core::sync::atomic::{AtomicU32, AtomicU64};

use static_assertions::const_assert;

/// Bytes that a ring holds.
pub const RING_BYTES: usize = 65536;
/// Pages of a ring, that of its words among them: the first.
pub const RING_PAGES: usize = 1 + RING_BYTES / abi::PAGE_SIZE;
/// From one ring to the next, in bytes: between them is room that is never mapped.
pub const RING_STEP: usize = 32 * abi::PAGE_SIZE;
const_assert!(RING_PAGES * abi::PAGE_SIZE <= RING_STEP);
/// `head` and `tail` of a ring that nobody uses any more.
pub const FROZEN: u64 = u64::MAX;

/// Those who wait to read, or to write.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Side {
    /// Counted up when they are to look again; they sleep on it.
    pub changes: AtomicU32,
    /// Not 0: somebody may sleep, or is about to.
    pub waits: AtomicU32,
}

/// See the module.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct RingWords {
    /// Bytes taken so far.
    pub head: AtomicU64,
    /// Bytes put so far.
    pub tail: AtomicU64,
    /// The environment that is writing; 0: none.
    pub writer: AtomicU64,
    /// The most bytes that it is to hold.
    pub capacity: AtomicU32,
    /// How many open files are open for reading.
    pub readers: AtomicU32,
    /// How many are for writing.
    pub writers: AtomicU32,
    /// How often `unixd` changed how many there are.
    pub turns: AtomicU32,
    /// How often there was room for a write again after there had been none.
    pub openings: AtomicU32,
    /// Who waits to read, who to write.
    pub sides: [Side; 2],
}
const_assert!(size_of::<RingWords>() <= abi::PAGE_SIZE);
