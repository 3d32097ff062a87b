//! Requests about what is in files.

use alloc::sync::Arc;

use abi::{PAGE_SIZE, Rights};
use libos::errno::{Errno, Result};
use libos::file::inotify::Happening;
use libos::file::{Access, Blocking, File, Input, Place, Seek};
use libos::memory::backing::{Backing, Frames, Purpose};
use libos::vfs::permission::Actor;
use libos::vfs::seals::Seals;
use libos::vfs::tmpfs::{Inode, Use};
use libos::vfs::world::World;
use unix::{Request, place};

use super::world::RequestWorld;
use super::{Asked, Tree, inode_of, map, send};
use crate::handles::Opened;
use crate::machine;
use crate::server::{Answer, value};

/// The offset that means the end of the contents.
const END: u64 = u64::MAX;
/// What pages are mapped for, besides a [`Purpose`]: to be read. Holes then get no frames.
const TO_READ: u16 = 3;
/// The most pages that one request maps.
const PAGES_MOST: usize = 64;

/// An open regular file, if it was opened for that.
fn opened(asked: &Asked, handle: u32, access: Access) -> Result<Arc<Opened>> {
    let opened = asked.handles.opened_for(handle, access)?;
    if opened.shown.is_some() { Ok(opened) } else { Err(Errno::EBADF) }
}

/// Let the times be those of a store through a mapping, which leaves the set-user-id bit, as on Linux.
fn touch(inode: &Inode, world: &RequestWorld) {
    inode.touch(&Actor::root(world.now()));
}

/// Whether a range is in a process's windows.
fn in_windows(address: usize, pages: usize) -> bool {
    let end = pages.checked_mul(PAGE_SIZE).and_then(|bytes| address.checked_add(bytes));
    address.is_multiple_of(PAGE_SIZE) && address >= place::WINDOWS && end.is_some_and(|end| end <= place::WINDOWS + place::WINDOWS_BYTES)
}

/// Whether pages of an open file may be mapped so that they can be stored to. Sealed against writes to come it is as far as it was mapped so before.
fn may_be_stored_to(opened: &Opened) -> Result<bool> {
    let seals = inode_of(&opened.entry)?.sealed()?;
    let was_mapped = opened.in_use.as_ref().is_some_and(|in_use| in_use.what() == Use::Map);
    let is_sealed = seals.contains(Seals::WRITE) || seals.contains(Seals::FUTURE_WRITE) && !was_mapped;
    Ok(opened.access.contains(Access::WRITE) && !is_sealed)
}

/// Frames of the file for a purpose.
fn frames(backing: &dyn Backing, page: u64, most: usize, purpose: Purpose) -> Result<Frames> {
    match backing.frames(page, most, purpose)? {
        Some(frames) => Ok(frames),
        // Only the last page of an image that ends inside it: it gets a frame for all who read it.
        None => backing.frames(page, 1, Purpose::Shared)?.ok_or(Errno::ENODEV),
    }
}

impl Tree {
    pub(super) fn map_file(&self, asked: &mut Asked, world: &RequestWorld, request: &Request) -> Answer {
        let [handle, what, target] = request.words;
        let (page, pages, target) = (what >> 8, (what & 0xff) as usize, target as usize);
        let purpose = match request.small {
            0 => Purpose::Private,
            1 | TO_READ => Purpose::Shared,
            2 => Purpose::Stored,
            _ => return Err(Errno::EINVAL),
        };
        let access = if purpose == Purpose::Stored { Access::READ | Access::WRITE } else { Access::READ };
        let opened = opened(asked, handle as u32, access)?;
        if purpose == Purpose::Stored && !may_be_stored_to(&opened)? {
            return Err(Errno::EPERM);
        }
        if pages == 0 || pages > PAGES_MOST || !in_windows(target, pages) {
            return Err(Errno::EINVAL);
        }
        let inode = inode_of(&opened.entry)?;
        if page >= Backing::size(inode).div_ceil(PAGE_SIZE as u64) {
            return Err(Errno::EINVAL);
        }
        if request.small == TO_READ && !inode.is_present(page) {
            let data = inode.seek(page * PAGE_SIZE as u64, Seek::Data).unwrap_or(Backing::size(inode));
            return Ok([0, 0, (data.div_ceil(PAGE_SIZE as u64) - page).max(1), 0]);
        }
        if purpose == Purpose::Stored {
            touch(inode, world);
            self.settle(&opened.entry, world.tick);
        }
        self.map_frames(asked, world, &opened, (page, pages, target), purpose)
    }

    /// Map the first pages of a program that was just opened into a window, if its process has none of them; gives how many. Who really needs them is
    /// told what is wrong.
    pub(super) fn map_ahead(&self, asked: &mut Asked, world: &RequestWorld, handle: u32, window: u64) -> u64 {
        let (target, pages) = (window as usize & !(PAGE_SIZE - 1), window as usize % PAGE_SIZE);
        let Ok(opened) = opened(asked, handle, Access::READ) else { return 0 };
        let (Some(shown), Ok(inode)) = (&opened.shown, inode_of(&opened.entry)) else { return 0 };
        let is_window = pages > 0 && pages <= PAGES_MOST && in_windows(target, pages);
        if !is_window || shown.is_mapper(asked.id) || Backing::size(inode) == 0 || !inode.is_present(0) {
            return 0;
        }
        let generation = u64::from(shown.generation());
        let mapped = self.map_frames(asked, world, &opened, (0, pages, target), Purpose::Shared);
        mapped.and_then(|answer| send(asked, 0, &generation.to_le_bytes()).map(|()| answer[0])).unwrap_or(0)
    }

    fn map_frames(
        &self,
        asked: &mut Asked,
        world: &RequestWorld,
        opened: &Opened,
        (page, pages, target): (u64, usize, usize),
        purpose: Purpose,
    ) -> Answer {
        let inode = inode_of(&opened.entry)?;
        let end = Backing::size(inode).div_ceil(PAGE_SIZE as u64);
        let most = pages.min(usize::try_from(end - page).unwrap_or(usize::MAX));
        if let Some(shown) = &opened.shown {
            shown.note_mapper(asked.id);
        }
        let found = frames(inode, page, most, purpose)?;
        if !found.moved.is_empty() {
            world.contents_moved(inode.identity(), found.moved.clone(), false);
        }
        let may_store = may_be_stored_to(opened)?;
        let stores = found.writable && may_store;
        let rights = if stores { Rights::READ_WRITE } else { Rights::READ | Rights::MAY_READ | Rights::MAY_EXECUTE };
        map(asked, target, found.address, found.pages, rights)?;
        let mut done = found.pages;
        // Neighbours that need no decision: those that are there in the same way.
        while purpose != Purpose::Stored && done < most && inode.is_present(page + done as u64) {
            let Ok(more) = frames(inode, page + done as u64, most - done, purpose) else { break };
            let same = (more.writable && may_store) == stores;
            if !same || map(asked, target + done * PAGE_SIZE, more.address, more.pages, rights).is_err() {
                break;
            }
            done += more.pages;
        }
        Ok([done as u64, u64::from(stores), 0, 0])
    }

    /// Add seals, and tell which there are.
    pub(super) fn seal(&self, asked: &mut Asked, world: &RequestWorld, request: &Request) -> Answer {
        let [handle, more, _] = request.words;
        let opened = asked.handles.opened(handle as u32)?;
        let inode = inode_of(&opened.entry)?;
        if request.small != 0 {
            if !opened.access.contains(Access::WRITE) {
                return Err(Errno::EPERM);
            }
            let more = u32::try_from(more).ok().and_then(Seals::from_bits).ok_or(Errno::EINVAL)?;
            // The server itself has each page mapped once.
            inode.seal(world, more, &|page| machine::frame_at(page.address()).is_none_or(|frame| machine::frame_uses(frame) != 1))?;
        }
        let seals = inode.sealed()?;
        if let Some(shown) = &opened.shown {
            shown.set_seals(seals);
        }
        value(u64::from(seals.bits()))
    }

    pub(super) fn write(&self, asked: &mut Asked, world: &RequestWorld, words: [u64; 3]) -> Answer {
        let [handle, offset, length] = words;
        let opened = opened(asked, handle as u32, Access::WRITE)?;
        let bytes = asked.channel.posted(usize::try_from(length).unwrap_or(usize::MAX)).ok_or(Errno::EINVAL)?;
        let place = if offset == END { Place::End } else { Place::At(offset) };
        let outcome = inode_of(&opened.entry)?.write(world, &mut Input::own(bytes), place, Blocking::Refused);
        self.settle(&opened.entry, world.tick);
        if outcome.as_ref().is_ok_and(|&(count, _)| count > 0) {
            self.watches.tell(&opened.entry, Happening::MODIFY);
        }
        outcome.map(|(count, end)| [count as u64, end, 0, 0])
    }

    pub(super) fn allocate(&self, asked: &mut Asked, world: &RequestWorld, request: &Request) -> Answer {
        let [handle, offset, length] = request.words;
        let opened = opened(asked, handle as u32, Access::WRITE)?;
        let outcome = inode_of(&opened.entry)?.allocate(world, u32::from(request.small), offset, length);
        self.settle(&opened.entry, world.tick);
        outcome?;
        self.watches.tell(&opened.entry, Happening::MODIFY);
        value(0)
    }

    /// Note a store through a mapping, or by write(2) into what is mapped.
    pub(super) fn note_stored(&self, asked: &mut Asked, world: &RequestWorld, [handle, generation, bytes]: [u64; 3]) -> Answer {
        let opened = opened(asked, handle as u32, Access::WRITE)?;
        if bytes == 0 {
            touch(inode_of(&opened.entry)?, world);
        } else if opened.shown.as_ref().is_some_and(|shown| u64::from(shown.generation()) == generation) {
            inode_of(&opened.entry)?.touch(&world.actor());
            self.watches.tell(&opened.entry, Happening::MODIFY);
        } else {
            return Err(Errno::EAGAIN);
        }
        self.settle(&opened.entry, world.tick);
        value(0)
    }

    pub(super) fn note_read(&self, asked: &mut Asked, world: &RequestWorld, words: [u64; 3]) -> Answer {
        let opened = opened(asked, words[0] as u32, Access::READ)?;
        inode_of(&opened.entry)?.note_read(world);
        if words[1] != 0 {
            self.watches.tell(&opened.entry, Happening::ACCESS);
        }
        self.settle(&opened.entry, world.tick);
        value(0)
    }

    pub(super) fn moved(&self, asked: &Asked, words: [u64; 3]) -> Answer {
        let shown = self.showcase.mapped_at(words[0] as u32, asked.id).ok_or(Errno::EBADF)?;
        let Some(event) = shown.next_event(words[1] as u32) else {
            // Nothing that is remembered: whatever the process knows, it is to know no more.
            return Ok([u64::from(shown.generation()), 0, 0, 0]);
        };
        Ok([u64::from(event.generation), event.pages.start, event.pages.end, u64::from(event.cut)])
    }
}

pub(super) fn seek(asked: &Asked, words: [u64; 3]) -> Answer {
    let opened = asked.handles.opened(words[0] as u32)?;
    let what = if words[2] != 0 { Seek::Hole } else { Seek::Data };
    opened.file.seek(words[1], what).and_then(value)
}

pub(super) fn is_present(asked: &Asked, handle: u32, page: u64) -> Answer {
    value(u64::from(inode_of(&asked.handles.opened(handle)?.entry)?.is_present(page)))
}

/// What was prepared for executable mappings of a file.
pub(super) fn overlay(asked: &Asked, handle: u32) -> Result<Option<&'static [u8]>> {
    Ok(inode_of(&opened(asked, handle, Access::READ)?.entry)?.overlay())
}

pub(super) fn map_overlay(asked: &mut Asked, handle: u32, target: u64) -> Answer {
    let bytes = overlay(asked, handle)?.ok_or(Errno::ENODATA)?;
    let pages = bytes.len().div_ceil(PAGE_SIZE);
    if !in_windows(target as usize, pages) {
        return Err(Errno::EINVAL);
    }
    map(asked, target as usize, bytes.as_ptr().addr(), pages, Rights::READ | Rights::MAY_READ | Rights::MAY_EXECUTE)?;
    value(pages as u64)
}
