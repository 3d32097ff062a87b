//! Large pages: what all processes have the same of, in as few mappings as can be, since each of them is made and taken away with each process.

use abi::{EnvId, LARGE_PAGES, PAGE_SIZE, Rights};
use exo::libos_image::{LibosHeader, is_copied};

use crate::machine;

/// Bytes of a large page.
pub const LARGE_BYTES: usize = LARGE_PAGES * PAGE_SIZE;
/// Where the library's text is here.
const TEXT: usize = 0x7b20_0000_0000;
/// Where the initramfs is here once more.
const FILES: usize = 0x7b30_0000_0000;

/// The large pages; none where there was no room for them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Large {
    /// Where the library's text is, in one.
    pub text: Option<usize>,
    /// Where the initramfs is.
    pub files: Option<usize>,
}

impl Large {
    /// Copies of what is in the modules, if that takes no large part of the `available` frames.
    #[must_use]
    pub fn make(libos: &'static [u8], initramfs: &[u8], available: usize) -> Large {
        const PART: usize = 8;
        let mut frames = Frames::new();
        let mut most = available / PART;
        let mut copy = |address: usize, bytes: usize, rights: Rights, fill: &dyn Fn()| {
            let pages = bytes.div_ceil(LARGE_BYTES);
            if bytes == 0 || pages * LARGE_PAGES > most || !frames.map(address, pages) {
                return None;
            }
            most -= pages * LARGE_PAGES;
            fill();
            // SAFETY: nobody writes there any more.
            unsafe { exo::page_protect(EnvId::SELF, address, pages * LARGE_PAGES, rights) }.ok().map(|()| address)
        };
        let text = copy(TEXT, LARGE_BYTES, Rights::READ_EXECUTE, &|| {
            for (segment, offset) in LibosHeader::of(libos).placed().filter(|(segment, _)| !is_copied(segment)) {
                put(TEXT + segment.page as usize * PAGE_SIZE, &libos[offset..offset + segment.pages as usize * PAGE_SIZE]);
            }
        });
        let files = copy(FILES, initramfs.len(), Rights::READ_ONLY | Rights::MAY_EXECUTE, &|| put(FILES, initramfs));
        Large { text, files }
    }
}

/// Copy bytes to pages that were just mapped.
fn put(address: usize, bytes: &[u8]) {
    // SAFETY: the caller has mapped so many bytes there, writable, and nobody else refers to them.
    unsafe { (address as *mut u8).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
}

/// Frames that large pages could be made of.
struct Frames {
    next: u64,
    end: u64,
}

impl Frames {
    fn new() -> Frames {
        let info = machine::info();
        Frames { next: info.first_frame.next_multiple_of(LARGE_PAGES as u64), end: info.first_frame + info.frame_count }
    }

    /// Map so many large pages at an address. Whether there were as many.
    fn map(&mut self, address: usize, pages: usize) -> bool {
        let rights = Rights::READ_WRITE | Rights::LARGE;
        for page in 0..pages {
            loop {
                if self.next >= self.end {
                    // SAFETY: nobody refers to what was mapped.
                    let _ = unsafe { exo::page_unmap(EnvId::SELF, address, page * LARGE_PAGES) };
                    return false;
                }
                let frame = self.next;
                self.next += LARGE_PAGES as u64;
                if exo::page_alloc(address + page * LARGE_BYTES, LARGE_PAGES, rights, Some(frame)).is_ok() {
                    break;
                }
            }
        }
        true
    }
}
