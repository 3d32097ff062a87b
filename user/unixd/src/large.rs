//! The library's text in a large page: one mapping, where there would be some hundred that are made and taken away with each process.

use abi::{EnvId, LARGE_PAGES, PAGE_SIZE, Rights};
use exo::libos_image::{LibosHeader, is_copied};

use crate::machine;

/// Bytes of a large page.
pub const LARGE_BYTES: usize = LARGE_PAGES * PAGE_SIZE;
/// Where the first image's text is here.
const TEXTS: usize = 0x7b20_0000_0000;

/// Put what all processes share of an image, the module with that number, into a large page; gives where it is. `None`: there are no such
/// frames.
#[must_use]
pub fn text(module: &'static [u8], number: usize) -> Option<usize> {
    let text = TEXTS + number * LARGE_BYTES;
    let info = machine::info();
    let frames = info.first_frame.next_multiple_of(LARGE_PAGES as u64)..info.first_frame + info.frame_count;
    let rights = Rights::READ_WRITE | Rights::LARGE;
    frames.step_by(LARGE_PAGES).find(|&frame| exo::page_alloc(text, LARGE_PAGES, rights, Some(frame)).is_ok())?;
    for (segment, offset) in LibosHeader::of(module).placed().filter(|(segment, _)| !is_copied(segment)) {
        let (target, bytes) = (text + segment.page as usize * PAGE_SIZE, segment.pages as usize * PAGE_SIZE);
        // SAFETY: the page was just mapped, writable, nobody else refers to it, and the linker script keeps these segments inside it.
        unsafe { (target as *mut u8).copy_from_nonoverlapping(module[offset..offset + bytes].as_ptr(), bytes) };
    }
    // SAFETY: nobody writes there any more.
    unsafe { exo::page_protect(EnvId::SELF, text, LARGE_PAGES, Rights::READ_EXECUTE) }.ok().map(|()| text)
}
