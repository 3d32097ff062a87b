//! The heap: pages of the environment's own.

use core::alloc::Layout;
use core::sync::atomic::{AtomicUsize, Ordering};

use abi::{EnvId, PAGE_SIZE, Rights};
use talc::{OomHandler, Span, Talc, Talck};

use crate::entry::{channel, place};

/// A heap that grows by pages from the exokernel, upwards from [`place::HEAP`].
pub type Heap = Talck<spin::Mutex<()>, Grow>;

/// A heap without memory.
#[must_use]
pub const fn new() -> Heap {
    Talc::new(Grow { heap: Span::empty() }).lock()
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
const STEP: usize = 64 << 10;

impl OomHandler for Grow {
    fn handle_oom(talc: &mut Talc<Self>, layout: Layout) -> Result<(), ()> {
        let old = talc.oom_handler.heap;
        let end = old.get_base_acme().map_or(place::HEAP, |(_, acme)| acme as usize);
        // Room for the allocation, its alignment and the allocator's own words.
        let wanted = layout.size().checked_add(layout.align()).ok_or(())?.checked_add(PAGE_SIZE).ok_or(())?;
        let bytes = wanted.checked_next_multiple_of(STEP).ok_or(())?;
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
