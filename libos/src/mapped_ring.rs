//! The pages of a pipe's ring, where a process and `unixd` have them mapped.

use core::ops::Range;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use abi::{EnvId, Error, PAGE_SIZE};
use unix::RingWords;
use unix::place::{RINGS, RINGS_MOST};
use unix::ring::{RING_BYTES, RING_PAGES, RING_STEP};

use crate::errno::Result;
use crate::file::ring::RingPages;
use crate::file::{Input, Output};
use crate::user::UserMemory;

/// The caller's own name.
static OWN: AtomicU64 = AtomicU64::new(0);

/// Be this environment.
pub fn be(own: EnvId) {
    OWN.store(own.0, Ordering::Relaxed);
}

/// See the module.
#[derive(Debug)]
pub struct MappedRing(u32);

/// Where a ring is.
#[must_use]
pub const fn address(index: u32) -> usize {
    RINGS + index as usize * RING_STEP
}

/// The pages of a ring.
#[must_use]
pub const fn range(index: u32) -> Range<usize> {
    address(index)..address(index) + RING_PAGES * PAGE_SIZE
}

impl MappedRing {
    /// The ring with an index; none if there cannot be such a ring.
    ///
    /// # Safety
    /// It is mapped, readable and writable, whenever anything is done with it.
    #[must_use]
    pub const unsafe fn new(index: u32) -> Option<MappedRing> {
        if (index as usize) < RINGS_MOST { Some(MappedRing(index)) } else { None }
    }

    /// Bytes from a place on.
    #[inline(always)]
    fn bytes(&self, at: usize, length: usize) -> *mut [u8] {
        let at = at.min(RING_BYTES);
        core::ptr::slice_from_raw_parts_mut((address(self.0) + PAGE_SIZE + at) as *mut u8, length.min(RING_BYTES - at))
    }
}

impl RingPages for MappedRing {
    #[inline(always)]
    fn words(&self) -> &RingWords {
        // SAFETY: mapped, as `new` was promised; everything in it is atomic, and any bits are values.
        unsafe { &*(address(self.0) as *const RingWords) }
    }

    #[inline(always)]
    fn put(&self, at: usize, length: usize, output: &mut Output) -> Result<usize> {
        // SAFETY: mapped, as `new` was promised. Others may store to the bytes meanwhile; nothing is concluded from their values.
        output.put(unsafe { &*self.bytes(at, length) })
    }

    #[inline(always)]
    fn take(&self, at: usize, length: usize, input: &mut Input) -> Result<usize> {
        // SAFETY: as in `put`; in this process no other reference to the bytes exists, since it is in no other call of the library's.
        input.take(unsafe { &mut *self.bytes(at, length) })
    }

    #[inline(always)]
    fn take_plain(&self, at: usize, length: usize, memory: &dyn UserMemory, address: usize) -> bool {
        // SAFETY: as in `take`.
        memory.read(address, unsafe { &mut *self.bytes(at, length) }).is_ok()
    }

    fn wake(&self, word: &AtomicU32) {
        let _ = exo::wake(word.as_ptr(), usize::MAX);
    }

    #[inline(always)]
    fn own(&self) -> u64 {
        OWN.load(Ordering::Relaxed)
    }

    fn let_run(&self, env: u64) -> bool {
        // One that cannot run now may later.
        exo::yield_to(EnvId(env), 0) != Err(Error::NoEnv)
    }

    fn index(&self) -> u32 {
        self.0
    }
}
