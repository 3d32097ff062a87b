//! What a mapping of a file asks of the file.

use alloc::sync::Arc;
use core::ops::Range;

use crate::errno::Result;
use crate::vfs::node::Entry;

/// What a mapping wants a file's frames for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// To show them, or to copy them: a private mapping.
    Private,
    /// To show them for as long as they are the file's: a shared mapping.
    Shared,
    /// To store through them.
    Stored,
}

/// Frames that hold a file's contents, as they are mapped in the library's own part of the address space.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frames {
    /// Where the first one is.
    pub address: usize,
    /// How many follow one another there, as the file's pages do.
    pub pages: usize,
    /// Whether stores are for this file alone. Others are shown by everybody who has the image that they are of.
    pub writable: bool,
    /// Pages of the file that have other frames from now on: mappings of the old ones are to go.
    pub moved: Range<u64>,
}

/// Contents that pages are filled from: a regular file's.
pub trait Backing: Send + Sync {
    /// Copy contents from `offset` on; gives how many bytes there were, fewer than asked for at the end only. Takes no lock that
    /// is ever held while user memory is touched (see `user`).
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize>;
    /// Bytes of contents now.
    fn size(&self) -> u64;
    /// Number of the device and of the inode, as `/proc/self/maps` shows them.
    fn identity(&self) -> (u64, u64);

    /// The frames of at most `most` pages from number `page` on. The first page is inside the contents; bytes behind the contents' end
    /// are zeros. `None`: only a copy is to be had (never if `purpose` is not `Private`). The same rule about locks.
    ///
    /// # Errors
    /// `ENOSPC`: there is no frame for a page that needs one. `ENODEV`: the contents cannot be mapped shared.
    fn frames(&self, page: u64, most: usize, purpose: Purpose) -> Result<Option<Frames>> {
        let _ = (page, most);
        if purpose == Purpose::Private { Ok(None) } else { Err(crate::errno::Errno::ENODEV) }
    }

    /// So many pages from the first on are about to be used, if there are as many: they may come in together.
    fn will_need(&self, pages: u64) {
        let _ = pages;
    }

    /// Whether a page is in memory, mapped or not: what mincore(2) says of a mapping that has not touched it.
    fn is_present(&self, page: u64) -> bool {
        let _ = page;
        true
    }

    /// Where it is in the tree, wherever its path leads by now.
    fn entry(&self) -> Option<Arc<Entry>> {
        None
    }

    /// Whether who runs it may get other ids by that: it has a set-user-id or a set-group-id bit.
    fn gives_ids(&self) -> bool {
        false
    }

    /// What the boot image's tool prepared for executable mappings of the file: the member `.chitin/rewritten/PATH` of the
    /// initramfs. Page-aligned, in frames that may be mapped like the file's own. Gone once the file is written to.
    fn overlay(&self) -> Option<&'static [u8]> {
        None
    }
}
