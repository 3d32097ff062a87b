//! Frames of a policy's choice: by number, as large pages, zeroed ahead.

use core::sync::atomic::{AtomicBool, Ordering};

use abi::{CloneRange, EnvId, Error, LARGE_PAGES, PAGE_SIZE, Rights};

use crate::entry::{channel, place};

const LARGE_BYTES: usize = LARGE_PAGES * PAGE_SIZE;

/// Whether the process may have large pages.
static HAS_LARGE: AtomicBool = AtomicBool::new(false);

/// Map free frames, zeroed, by number. On an error none is mapped.
///
/// # Errors
/// The kernel's; `Quota`: `unixd` does not grant more.
pub fn alloc(address: usize, pages: usize, rights: Rights, frame: u64) -> exo::Result<()> {
    HAS_LARGE.fetch_or(rights.contains(Rights::LARGE), Ordering::Relaxed);
    let undo = || {
        // SAFETY: the caller asked for fresh pages: nothing refers to what an attempt mapped of the range.
        let _ = unsafe { exo::page_unmap(EnvId::SELF, address, pages) };
    };
    channel::with_quota(pages, || exo::page_alloc(address, pages, rights, Some(frame)).inspect_err(|_| undo()))
}

/// Do something to pages; if it is refused since a large page is only in part among them, then after that has become small ones.
///
/// # Errors
/// The kernel's.
#[inline(always)]
pub fn apart<T>(address: usize, pages: usize, work: impl Fn() -> exo::Result<T>) -> exo::Result<T> {
    match work() {
        Err(Error::Occupied) => {
            part(address)?;
            part(address + pages * PAGE_SIZE - 1)?;
            work()
        }
        outcome => outcome,
    }
}

/// Before memory is cloned: ranges that begin or end in a large page, which only advice to the library has parted, have small ones there.
///
/// # Errors
/// The kernel's.
pub fn part_ends(ranges: &[CloneRange]) -> exo::Result<()> {
    if !HAS_LARGE.load(Ordering::Relaxed) {
        return Ok(());
    }
    for range in ranges {
        let (start, end) = (range.source as usize, range.source as usize + range.pages as usize * PAGE_SIZE);
        for edge in [start, end].into_iter().filter(|edge| !edge.is_multiple_of(LARGE_BYTES)) {
            part(edge)?;
        }
    }
    Ok(())
}

/// Make the large page around an address, if there is one, small ones of the same frames: they are mapped elsewhere too in between.
#[cold]
fn part(address: usize) -> exo::Result<()> {
    let block = address & !(LARGE_BYTES - 1);
    let Ok(page) = exo::page_query(EnvId::SELF, block) else { return Ok(()) };
    if !page.rights.contains(Rights::LARGE) {
        return Ok(());
    }
    let rights = page.rights & (Rights::MAY_ALL | Rights::READ | Rights::WRITE | Rights::EXECUTE);
    let map = |to, from| {
        channel::with_quota(LARGE_PAGES, || {
            // SAFETY: nothing refers to what an attempt mapped of the target.
            let undo = || unsafe { exo::page_unmap(EnvId::SELF, to, LARGE_PAGES) };
            exo::page_map(EnvId::SELF, to, from, LARGE_PAGES, rights).or_else(|error| undo().and(Err(error)))
        })
    };
    map(place::PARTS, block)?;
    // SAFETY: the same frames are there again before anything of the program runs; there is quota for them, as they were mapped.
    unsafe { exo::page_unmap(EnvId::SELF, block, LARGE_PAGES)? };
    let again = map(block, place::PARTS);
    // SAFETY: nothing refers to the place.
    unsafe { exo::page_unmap(EnvId::SELF, place::PARTS, LARGE_PAGES)? };
    again
}

/// Have so many frames of zeros ready. The kernel keeps apart those that it knows to hold zeros, as page tables do when their last entry is
/// gone: so many tables are made at once, by a page in each, and given up again.
pub fn zero_ahead(frames: usize) {
    let at = |index: usize| place::ZEROS + index * LARGE_BYTES;
    let made = (0..frames).take_while(|&index| {
        // The bulletin is there in every process, and only read. Each page takes a table too.
        let map = || exo::page_map(EnvId::SELF, at(index), unix::place::BULLETIN, 1, Rights::READ | Rights::MAY_READ);
        channel::with_quota(2 * (frames - index), map).is_ok()
    });
    let made = made.count();
    // SAFETY: nothing refers to the place.
    let _ = unsafe { exo::page_unmap(EnvId::SELF, place::ZEROS, made * LARGE_PAGES) };
}
