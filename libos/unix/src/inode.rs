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
    /// Not 0: the next read is to be told ([`NoteRead`](crate::Operation::NoteRead)).
    pub unread: AtomicU32,
    /// What may not happen to it any more: the seals of memfd_create(2).
    pub seals: AtomicU32,
}
const_assert_eq!(size_of::<InodeWords>(), 64);

impl InodeWords {
    /// How many there are in a page.
    pub const PER_PAGE: usize = abi::PAGE_SIZE / size_of::<InodeWords>();

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

    /// Whether the next read is to be told.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed) != 0
    }
}
