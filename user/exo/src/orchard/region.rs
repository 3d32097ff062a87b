//! Memory by regions: had piece by piece from the front, given back all at once.
//!
//! A piece costs an addition and a comparison; a whole region, whatever is in it, one call of the kernel. What is in it is not dropped.

use core::cell::Cell;

use abi::{EnvId, PAGE_SIZE};

use super::Own;
use crate::place::FREE;

/// Bytes of address space of a region; frames come as they are used (`pager`).
const BYTES: usize = 16 << 20;
/// The most regions at once.
const MOST: usize = 16;

/// Which places have regions, a bit each.
static TAKEN: Own<u32> = Own::new(0);

/// A region.
#[derive(Debug)]
pub struct Region {
    start: usize,
    next: Cell<usize>,
}

/// Whether an address may be a region's.
#[must_use]
pub fn contains(address: usize) -> bool {
    (FREE..FREE + MOST * BYTES).contains(&address)
}

/// One past the region that an address is in.
#[must_use]
pub fn end_of(address: usize) -> usize {
    FREE + ((address - FREE) / BYTES + 1) * BYTES
}

impl Region {
    /// An empty one.
    ///
    /// # Panics
    /// If there are as many as there can be.
    #[must_use]
    pub fn new() -> Region {
        let place = TAKEN.with(|taken| {
            let place = taken.trailing_ones();
            *taken |= 1 << place;
            place as usize
        });
        assert!(place < MOST, "too many regions");
        let start = FREE + place * BYTES;
        Region { start, next: Cell::new(start) }
    }

    /// Room for a value, and the value in it.
    ///
    /// # Panics
    /// If the region is full.
    #[expect(clippy::mut_from_ref, reason = "each piece is another's")]
    pub fn put<T>(&self, value: T) -> &mut T {
        let at = self.next.get().next_multiple_of(align_of::<T>());
        let end = at + size_of::<T>();
        assert!(end <= self.start + BYTES, "the region is full");
        self.next.set(end);
        let place = at as *mut T;
        // SAFETY: the piece is inside the region, aligned, and given out once; its pages come with the first store. It stays until the region
        // goes, which the reference borrows.
        unsafe {
            place.write(value);
            &mut *place
        }
    }

    /// Bytes that are in use.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.next.get() - self.start
    }
}

impl Default for Region {
    fn default() -> Self {
        Region::new()
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // With what came ahead of its use: pages that are not there are passed over, tables at a time.
        // SAFETY: every piece borrows the region.
        unsafe { exo::page_unmap(EnvId::SELF, self.start, BYTES / PAGE_SIZE) }.expect("pages of user space");
        TAKEN.with(|taken| *taken &= !(1 << ((self.start - FREE) / BYTES)));
    }
}
