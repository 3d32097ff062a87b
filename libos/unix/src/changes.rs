//! Counts of what happens to files, which every process can read: what it was told once it may believe for as long as they stand still.
//!
//! A process keeps what `unixd` told it of an inode, or of where a path leads, together with the counts of the inodes that the answer rests
//! on; while these are what they were, the answer is the same, and nobody needs to be asked. The counts are no names and no attributes: what
//! an inode says of itself is told only to who may ask, and stays in that process's own memory. What anybody learns here is that one of many
//! inodes changed: several share a count, which costs a needless question now and then, and nothing else.

use core::sync::atomic::{AtomicU32, Ordering};

use static_assertions::const_assert_eq;

/// The counts of inodes that share them.
#[derive(Debug, Default)]
#[repr(C)]
pub struct ChangeCounts {
    /// Of changes to who may do what with the inode, and, of a directory, to what its names that there are lead to. A name that is new changes
    /// no other.
    ways: AtomicU32,
    /// Of changes to anything that the inode says of itself, those included.
    state: AtomicU32,
}

impl ChangeCounts {
    /// The count that who knows a way through the inode goes by.
    #[must_use]
    #[inline(always)]
    pub fn ways(&self) -> u32 {
        self.ways.load(Ordering::Acquire)
    }

    /// The count that who knows what the inode says of itself goes by.
    #[must_use]
    #[inline(always)]
    pub fn state(&self) -> u32 {
        self.state.load(Ordering::Acquire)
    }

    /// Something that the inode says of itself has changed. There is one writer.
    #[inline(always)]
    pub fn note_state(&self) {
        self.state.store(self.state.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    /// Who may do what with it has changed, or what its names lead to. There is one writer.
    #[inline(always)]
    pub fn note_ways(&self) {
        self.note_state();
        self.ways.store(self.ways.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }
}

/// All counts: a page.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct Changes([ChangeCounts; Changes::PLACES]);
const_assert_eq!(size_of::<Changes>(), abi::PAGE_SIZE);

impl Default for Changes {
    fn default() -> Self {
        Changes([const { ChangeCounts { ways: AtomicU32::new(0), state: AtomicU32::new(0) } }; Changes::PLACES])
    }
}

impl Changes {
    /// How many counts there are.
    pub const PLACES: usize = abi::PAGE_SIZE / size_of::<ChangeCounts>();

    /// Which counts are those of an inode: neighbours in a file system have different ones.
    #[must_use]
    #[inline(always)]
    pub const fn place(device: u64, inode: u64) -> u16 {
        const DEVICES_APART: u64 = 67;
        (inode.wrapping_add(device.wrapping_mul(DEVICES_APART)) % Changes::PLACES as u64) as u16
    }

    /// The counts at a place.
    #[must_use]
    #[inline(always)]
    pub fn at(&self, place: u16) -> &ChangeCounts {
        &self.0[usize::from(place) % Changes::PLACES]
    }

    /// The counts of an inode.
    #[must_use]
    #[inline(always)]
    pub fn of(&self, device: u64, inode: u64) -> &ChangeCounts {
        self.at(Changes::place(device, inode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_state_leaves_ways_alone() {
        let changes = Changes::default();
        let (one, other) = (changes.of(1, 7), changes.of(1, 8));
        one.note_state();
        assert_eq!((one.ways(), one.state(), other.state()), (0, 1, 0));
        one.note_ways();
        assert_eq!((one.ways(), one.state(), other.ways()), (1, 2, 0));
    }
}
