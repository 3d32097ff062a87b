//! Pages with what several processes have of an open file description: one page each, shared with those who inherit it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use abi::{EnvId, PAGE_SIZE, Rights};
use spin::Mutex;

use crate::entry::{channel, place};
use crate::errno::Result;
use crate::file::description::{Common, CommonPage};

/// Where a page is: the first ones next to the words of inodes, with which a fork clones them.
fn place_of(index: usize) -> usize {
    match index.checked_sub(place::DESCRIPTIONS_FIRST) {
        Some(index) => place::DESCRIPTIONS_MORE + index * PAGE_SIZE,
        None => place::DESCRIPTIONS_END - (index + 1) * PAGE_SIZE,
    }
}

/// Pages used so far, and those of them that are free again.
static PAGES: Mutex<(usize, Vec<usize>)> = Mutex::new((0, Vec::new()));

/// A page.
struct Page(usize);

impl CommonPage for Page {
    fn common(&self) -> &Common {
        // SAFETY: the page is mapped as long as this lives; everything in it is atomic, and zeros are values.
        unsafe { &*(self.0 as *const Common) }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: nobody refers to it any more. Other processes have mappings of their own.
        let _ = unsafe { exo::page_unmap(EnvId::SELF, self.0, 1) };
        PAGES.lock().1.push(self.0);
    }
}

/// A page of zeros.
///
/// # Errors
/// `ENOMEM`: there is no frame for it.
pub fn page() -> Result<Arc<dyn CommonPage>> {
    let address = {
        let (used, free) = &mut *PAGES.lock();
        free.pop().unwrap_or_else(|| {
            *used += 1;
            place_of(*used - 1)
        })
    };
    let rights = Rights::READ | Rights::WRITE | Rights::MAY_READ | Rights::MAY_WRITE;
    if let Err(error) = channel::page_alloc(address, 1, rights) {
        PAGES.lock().1.push(address);
        return Err(error.into());
    }
    Ok(Arc::new(Page(address)))
}

/// All of them: a child shares them.
#[must_use]
pub fn ranges() -> [Range<usize>; 2] {
    let used = PAGES.lock().0;
    let first = used.min(place::DESCRIPTIONS_FIRST) * PAGE_SIZE;
    let more = used * PAGE_SIZE - first;
    [place::DESCRIPTIONS_END - first..place::DESCRIPTIONS_END, place::DESCRIPTIONS_MORE..place::DESCRIPTIONS_MORE + more]
}
