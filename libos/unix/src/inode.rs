//! What every process can read about inodes that are open.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use static_assertions::const_assert_eq;

/// The words of an open regular file: `unixd` writes them, every process has them read-only. They lie one after the other in pages, and
/// an inode keeps its place for as long as anybody has it open.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct InodeWords {
    /// Bytes of contents.
    pub size: AtomicU64,
    /// Counted up when pages that may be mapped got other frames, or none.
    pub generation: AtomicU32,
    /// What may not happen to it any more: the seals of memfd_create(2).
    pub seals: AtomicU32,
    /// Until the counter is there, reads change nothing that is to be told of ([`NoteRead`](crate::Operation::NoteRead)).
    pub reads_untold: AtomicU64,
    /// Until the counter is there, writes over contents change nothing else ([`NoteStored`](crate::Operation::NoteStored)).
    pub writes_untold: AtomicU64,
}
const_assert_eq!(size_of::<InodeWords>(), 64);

impl InodeWords {
    /// How many there are in a page.
    pub const PER_PAGE: usize = abi::PAGE_SIZE / size_of::<InodeWords>();
    /// Where the counter never is.
    pub const FOR_GOOD: u64 = u64::MAX;

    /// Bytes of contents now.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// How often pages were replaced.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation.load(Ordering::Acquire)
    }

    /// Its seals.
    #[must_use]
    pub fn seals(&self) -> u32 {
        self.seals.load(Ordering::Acquire)
    }

    /// Whether a read is to be told of, where `now` reads the counter.
    #[must_use]
    pub fn tells_reads(&self, now: impl FnOnce() -> u64) -> bool {
        let until = self.reads_untold.load(Ordering::Relaxed);
        until != Self::FOR_GOOD && until <= now()
    }

    /// Whether a write over contents is to be told of, where `now` reads the counter.
    #[must_use]
    pub fn tells_writes(&self, now: impl FnOnce() -> u64) -> bool {
        self.writes_untold.load(Ordering::Relaxed) <= now()
    }
}
