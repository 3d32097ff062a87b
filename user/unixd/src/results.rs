//! What the host wants of the guest's files when the run has ended ([`exo::results`]).

use alloc::vec::Vec;
use core::ptr;

use abi::{EnvId, PAGE_SIZE, Rights};
use exo::results::{DONE, Entry, FRAMES_PER_LIST, Header, MODULE, SUM_OF_NOTHING, sum};
use libos::errno::{Errno, Result};
use libos::memory::backing::{Backing, Purpose};
use libos::vfs::tmpfs::Inode;

use crate::tree::{Tree, inode_of};

/// Where the lists are made.
const LISTS: usize = 0x7b50_0000_0000;

/// The module. Nobody else looks at it, and what is written there is read when this machine is no more.
struct Module {
    address: usize,
    length: usize,
}

impl Module {
    fn find() -> Option<Module> {
        let bytes = exo::image::module(MODULE).filter(|bytes| bytes.len() >= size_of::<Header>())?;
        Some(Module { address: bytes.as_ptr().addr(), length: bytes.len() })
    }

    /// A structure of words at an offset.
    fn read<T: Copy>(&self, offset: usize) -> Option<T> {
        let end = offset.checked_add(size_of::<T>()).filter(|&end| end <= self.length);
        // SAFETY: inside the module, which is mapped; every structure that is asked for here is words, of which any bits will do. It is
        // volatile since the module is known as bytes that nobody writes.
        end.map(|_| unsafe { ptr::read_volatile((self.address + offset) as *const T) })
    }

    fn write<T: Copy>(&self, offset: usize, value: T) {
        assert!(offset + size_of::<T>() <= self.length, "only what was read before is written");
        // SAFETY: inside the module, which init hands over writable.
        unsafe { ptr::write_volatile((self.address + offset) as *mut T, value) };
    }

    /// A path's bytes.
    fn path(&self, entry: &Entry) -> Option<&'static [u8]> {
        let bytes = exo::image::module(MODULE)?;
        bytes.get(entry.path as usize..entry.path.checked_add(entry.path_length)? as usize)
    }
}

/// Answer, if anything was asked. All processes have ended.
pub fn answer(tree: &Tree) {
    let Some(module) = Module::find() else { return };
    let Some(mut header) = module.read::<Header>(0) else { return };
    let mut lists = Lists { next: LISTS };
    for index in 0..header.count as usize {
        let offset = size_of::<Header>() + index * size_of::<Entry>();
        let Some(asked) = module.read::<Entry>(offset) else { return };
        let found = module.path(&asked).ok_or(Errno::EINVAL).and_then(|path| lists.hold(inode_of(&tree.regular_file(path)?)?));
        let answered = match found {
            Ok((size, sum, list)) => Entry { size, sum, list, ..asked },
            Err(errno) => Entry { error: errno.0 as u64, ..asked },
        };
        module.write(offset, answered);
    }
    let Ok(own) = exo::page_query(EnvId::SELF, module.address) else { return };
    header.frame = own.frame;
    header.state = DONE;
    module.write(0, header);
}

/// Lists of frames.
struct Lists {
    next: usize,
}

impl Lists {
    /// Write down which frames hold a file's contents: gives its size, its sum, and the frame of the first list.
    fn hold(&mut self, inode: &Inode) -> Result<(u64, u64, u64)> {
        let size = Backing::size(inode);
        let mut sum_so_far = SUM_OF_NOTHING;
        let mut list = Vec::with_capacity(FRAMES_PER_LIST);
        let mut lists = Vec::new();
        for page in 0..size.div_ceil(PAGE_SIZE as u64) {
            // Where there was nothing, a page of zeros is made.
            let address = inode.frames(page, 1, Purpose::Shared)?.ok_or(Errno::ENODEV)?.address;
            let bytes = (size - page * PAGE_SIZE as u64).min(PAGE_SIZE as u64) as usize;
            // SAFETY: the file's page, mapped here for as long as the file has it; nobody runs who could write to it.
            sum_so_far = sum(sum_so_far, unsafe { core::slice::from_raw_parts(address as *const u8, bytes) });
            list.push(frame_of(address)?);
            if list.len() == FRAMES_PER_LIST {
                lists.push(core::mem::take(&mut list));
            }
        }
        lists.push(list);
        // From the last to the first, since each names the next.
        let first = lists.iter().rev().try_fold(0, |next, list| self.write(next, list))?;
        Ok((size, sum_so_far, first))
    }

    /// Make a list; gives its frame.
    fn write(&mut self, next: u64, frames: &[u64]) -> Result<u64> {
        let address = self.next;
        exo::page_alloc(address, 1, Rights::READ_WRITE, None).map_err(|_| Errno::ENOMEM)?;
        self.next += PAGE_SIZE;
        for (index, &word) in core::iter::once(&next).chain(frames).enumerate() {
            // SAFETY: the page was just made, and a list has one word fewer than fit behind the first.
            unsafe { (address as *mut u64).add(index).write_volatile(word) };
        }
        frame_of(address)
    }
}

fn frame_of(address: usize) -> Result<u64> {
    exo::page_query(EnvId::SELF, address).map(|page| page.frame).map_err(|_| Errno::EIO)
}
