//! Pages of files: frames in the library's own part of the address space, so that they can be mapped for the program too.
//!
//! A page's frame is asked of the exokernel when the page is made and given back when it is dropped. It is never kept for another
//! page: somebody may still map it, and only the kernel counts that. A frame that is mapped lives on behind the mapping.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use abi::PAGE_SIZE;
use spin::Mutex;

use crate::errno::{Errno, Result};
use crate::file::{Input, Output};

/// What a pool asks of the exokernel.
pub trait Source: Send + Sync {
    /// Map zeroed frames, readable and writable, with every right to come but for the two at once. Whether there were as many.
    fn map(&self, address: usize, pages: usize) -> bool;
    /// Give a frame back.
    fn unmap(&self, address: usize);
    /// Where the bytes of a page of the pool are: valid until it is unmapped.
    fn bytes(&self, address: usize) -> NonNull<u8>;
}

/// Frames that are mapped at a time while there is plenty: neighbours, as the pages of a file that grows should be.
const BATCH: usize = 8;

/// Pages to be had: those of a stretch of the address space, or so many of them.
pub struct Pool {
    stretch: Arc<Stretch>,
    /// How many there may be, and how many there are.
    most: AtomicUsize,
    used: AtomicUsize,
}

/// A stretch of the address space that pages come from.
struct Stretch {
    source: Box<dyn Source>,
    addresses: Mutex<Addresses>,
}

struct Addresses {
    /// Never used so far.
    fresh: Range<usize>,
    /// Mapped, zeroed and nobody's: neighbours, the lowest first.
    ready: Range<usize>,
    /// Used before, not mapped now.
    free: Vec<usize>,
}

impl Pool {
    /// A pool over a range of addresses that nothing else uses.
    #[must_use]
    pub fn new(source: Box<dyn Source>, range: Range<usize>) -> Arc<Pool> {
        let addresses = Addresses { ready: range.start..range.start, fresh: range, free: Vec::new() };
        Pool::over(Arc::new(Stretch { source, addresses: Mutex::new(addresses) }))
    }

    fn over(stretch: Arc<Stretch>) -> Arc<Pool> {
        Arc::new(Pool { stretch, most: AtomicUsize::new(usize::MAX), used: AtomicUsize::new(0) })
    }

    /// Another that takes pages from where this one does, and counts its own.
    #[must_use]
    pub fn beside(&self) -> Arc<Pool> {
        Pool::over(self.stretch.clone())
    }

    /// Give no more than so many pages at a time.
    pub fn limit(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// How many pages there may be, if that is limited, and how many there are.
    #[must_use]
    pub fn counts(&self) -> (Option<usize>, usize) {
        let most = self.most.load(Ordering::Relaxed);
        ((most != usize::MAX).then_some(most), self.used.load(Ordering::Relaxed))
    }

    /// A page of zeros.
    ///
    /// # Errors
    /// `ENOSPC`: there is no frame for it, or there are as many as there may be.
    pub fn page(self: &Arc<Pool>) -> Result<Arc<Page>> {
        if self.used.load(Ordering::Relaxed) >= self.most.load(Ordering::Relaxed) {
            return Err(Errno::ENOSPC);
        }
        let address = self.stretch.take().ok_or(Errno::ENOSPC)?;
        self.used.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(Page { bytes: self.stretch.source.bytes(address), address, pool: self.clone() }))
    }
}

impl Stretch {
    fn take(&self) -> Option<usize> {
        let mut addresses = self.addresses.lock();
        if addresses.ready.is_empty() {
            let start = addresses.fresh.start;
            let end = addresses.fresh.end.min(start + BATCH * PAGE_SIZE);
            if start < end && self.source.map(start, (end - start) / PAGE_SIZE) {
                addresses.fresh.start = end;
                addresses.ready = start..end;
            } else {
                return self.take_one(&mut addresses);
            }
        }
        let address = addresses.ready.start;
        addresses.ready.start += PAGE_SIZE;
        Some(address)
    }

    /// A single page, where many are not to be had.
    fn take_one(&self, addresses: &mut Addresses) -> Option<usize> {
        let used = addresses.free.pop();
        let address = used.or_else(|| (!addresses.fresh.is_empty()).then_some(addresses.fresh.start))?;
        if self.source.map(address, 1) {
            addresses.fresh.start += if used.is_none() { PAGE_SIZE } else { 0 };
            return Some(address);
        }
        addresses.free.extend(used);
        None
    }
}

/// A page of a file.
pub struct Page {
    pool: Arc<Pool>,
    address: usize,
    bytes: NonNull<u8>,
}

// SAFETY: 1. The bytes are the page's own until it is dropped, whichever thread that is in. 2. Who reads or writes them does so by
// copies of plain bytes, for which an old and a new one are equally good.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Page {
    /// Where the page is in the library's part of the address space: what a mapping of it is made from.
    #[must_use]
    pub fn address(&self) -> usize {
        self.address
    }

    /// Put bytes of it into an output.
    ///
    /// # Errors
    /// `EFAULT`: as [`Output::put`].
    pub fn put(&self, output: &mut Output, range: Range<usize>) -> Result<usize> {
        assert!(range.start <= range.end && range.end <= PAGE_SIZE, "a range of the page");
        // SAFETY: 1. The range is inside the page, which stays mapped as long as `self` is there. 2. The program may change bytes
        // through a mapping of its own while they are copied, as it may on Linux; nothing is concluded from their values.
        output.put(unsafe { core::slice::from_raw_parts(self.bytes.add(range.start).as_ptr(), range.len()) })
    }

    /// Take bytes of it from an input.
    ///
    /// # Errors
    /// `EFAULT`: as [`Input::take`]; some bytes may have been taken.
    pub fn take(&self, input: &mut Input, range: Range<usize>) -> Result<()> {
        assert!(range.start <= range.end && range.end <= PAGE_SIZE, "a range of the page");
        // SAFETY: as in `put`.
        input.take_exactly(unsafe { core::slice::from_raw_parts_mut(self.bytes.add(range.start).as_ptr(), range.len()) })
    }

    /// Copy bytes into it.
    pub fn copy_from(&self, within: usize, bytes: &[u8]) {
        assert!(within <= PAGE_SIZE && bytes.len() <= PAGE_SIZE - within, "a range of the page");
        // SAFETY: 1. The range is inside the page. 2. `bytes` is no part of it: images and buffers are never pages of a pool.
        unsafe { self.bytes.add(within).as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    /// Be a copy of another.
    pub fn copy_page(&self, other: &Page) {
        // SAFETY: 1. Both are whole pages, and two: a page has its address for itself. 2. As in `put` for bytes that the program changes meanwhile.
        unsafe { self.bytes.as_ptr().copy_from(other.bytes.as_ptr(), PAGE_SIZE) };
    }

    /// Make bytes of it zeros.
    pub fn clear(&self, range: Range<usize>) {
        assert!(range.start <= range.end && range.end <= PAGE_SIZE, "a range of the page");
        // SAFETY: the range is inside the page.
        unsafe { self.bytes.add(range.start).as_ptr().write_bytes(0, range.len()) };
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.pool.used.fetch_sub(1, Ordering::Relaxed);
        self.pool.stretch.source.unmap(self.address);
        self.pool.stretch.addresses.lock().free.push(self.address);
    }
}
