//! The heap: pages of the environment's own.
//!
//! Most of what is allocated is small and gone again soon. Small blocks that were given back are kept, a list for each size, and used before
//! the allocator behind is asked, which looks for the place that wastes least.

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering};

use abi::{EnvId, PAGE_SIZE, Rights};
use talc::{OomHandler, Span, Talc, Talck};

use crate::entry::{channel, place};

/// What sizes of small blocks differ by, in bytes: what their addresses are multiples of, too.
const STEP: usize = 16;
/// Sizes of small blocks.
const SIZES: usize = 32;
/// The most blocks that are kept of a size.
const KEPT_MOST: u8 = 64;

/// A heap that grows by pages from the exokernel, upwards from [`place::HEAP`].
pub struct Heap {
    blocks: Talck<spin::Mutex<()>, Grow>,
    kept: spin::Mutex<Kept>,
}

/// Small blocks that are free: lists through the blocks themselves.
struct Kept {
    first: [*mut Free; SIZES],
    count: [u8; SIZES],
}

struct Free {
    next: *mut Free,
}

// SAFETY: the blocks are nobody else's.
unsafe impl Send for Kept {}

/// A heap without memory.
#[must_use]
pub const fn new() -> Heap {
    let kept = Kept { first: [core::ptr::null_mut(); SIZES], count: [0; SIZES] };
    Heap { blocks: Talc::new(Grow { heap: Span::empty() }).lock(), kept: spin::Mutex::new(kept) }
}

/// Which of the sizes of small blocks serves for a layout.
#[inline(always)]
fn size_for(layout: Layout) -> Option<usize> {
    (layout.align() <= STEP && (1..=SIZES * STEP).contains(&layout.size())).then(|| (layout.size() - 1) / STEP)
}

/// The layout of small blocks of a size.
#[inline(always)]
fn layout_of(size: usize) -> Layout {
    Layout::from_size_align((size + 1) * STEP, STEP).expect("small, and of a power of two's alignment")
}

// SAFETY: a block is of the allocator's behind, with the layout that its own layout always leads to, and is in a list only between `dealloc`
// and `alloc`.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(size) = size_for(layout) else {
            // SAFETY: the caller's promise.
            return unsafe { self.blocks.alloc(layout) };
        };
        let mut kept = self.kept.lock();
        let first = kept.first[size];
        if first.is_null() {
            drop(kept);
            // SAFETY: the layout is not of size 0.
            return unsafe { self.blocks.alloc(layout_of(size)) };
        }
        // SAFETY: `dealloc` wrote it.
        kept.first[size] = unsafe { (*first).next };
        kept.count[size] -= 1;
        first.cast()
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(size) = size_for(layout) else {
            // SAFETY: the caller's promise.
            return unsafe { self.blocks.dealloc(block, layout) };
        };
        let mut kept = self.kept.lock();
        if kept.count[size] == KEPT_MOST {
            drop(kept);
            // SAFETY: `alloc` got it with this layout.
            return unsafe { self.blocks.dealloc(block, layout_of(size)) };
        }
        let free: *mut Free = block.cast();
        // SAFETY: nobody uses the block any more, which is aligned and large enough.
        unsafe { free.write(Free { next: kept.first[size] }) };
        kept.first[size] = free;
        kept.count[size] += 1;
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, length: usize) -> *mut u8 {
        let Ok(new) = Layout::from_size_align(length, layout.align()) else { return core::ptr::null_mut() };
        let (old, size) = (size_for(layout), size_for(new));
        // SAFETY: the caller's promise: the block has the old layout, and the new length is not 0.
        unsafe {
            if old.is_none() && size.is_none() {
                return self.blocks.realloc(block, layout, length);
            }
            if old == size {
                return block;
            }
            let moved = self.alloc(new);
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(block, layout.size().min(length));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

/// How it grows.
pub struct Grow {
    heap: Span,
}

/// One past its last page.
static END: AtomicUsize = AtomicUsize::new(place::HEAP);

/// Where it is.
#[must_use]
pub fn range() -> core::ops::Range<usize> {
    place::HEAP..END.load(Ordering::Relaxed)
}

/// The least that the heap grows by, in bytes.
const GROWTH: usize = 64 << 10;

impl OomHandler for Grow {
    fn handle_oom(talc: &mut Talc<Self>, layout: Layout) -> Result<(), ()> {
        let old = talc.oom_handler.heap;
        let end = old.get_base_acme().map_or(place::HEAP, |(_, acme)| acme as usize);
        // Room for the allocation, its alignment and the allocator's own words.
        let wanted = layout.size().checked_add(layout.align()).ok_or(())?.checked_add(PAGE_SIZE).ok_or(())?;
        let bytes = wanted.checked_next_multiple_of(GROWTH).ok_or(())?;
        if bytes > place::HEAP + place::HEAP_BYTES - end {
            return Err(());
        }
        let rights = Rights::READ | Rights::WRITE | Rights::MAY_READ | Rights::MAY_WRITE;
        if channel::page_alloc(end, bytes / PAGE_SIZE, rights).is_err() {
            // SAFETY: nothing uses what was mapped of the range.
            let _ = unsafe { exo::page_unmap(EnvId::SELF, end, bytes / PAGE_SIZE) };
            return Err(());
        }
        END.store(end + bytes, Ordering::Relaxed);
        // SAFETY: the memory was just mapped, is the library's alone, and is never unmapped; what was claimed before is still
        // so, and ends where the new memory starts.
        talc.oom_handler.heap = unsafe {
            if old.is_empty() {
                talc.claim(Span::from_base_size(end as *mut u8, bytes))?
            } else {
                talc.extend(old, Span::new(old.get_base_acme().ok_or(())?.0, (end + bytes) as *mut u8))
            }
        };
        Ok(())
    }
}
