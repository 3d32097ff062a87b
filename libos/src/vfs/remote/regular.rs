//! An open regular file.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use abi::PAGE_SIZE;
use linux_raw_sys::general::{FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE};
use spin::Once;
use unix::{InodeWords, OpenPurpose, Operation};

use super::node::RemoteNode;
use super::pages::{Pages, WindowAhead};
use super::{Handle, Haste, high};
use crate::errno::{Errno, Result};
use crate::file::transfer::moved;
use crate::file::{Access, Blocking, File, Input, Output, Place, Plain, Seek, Seeking};
use crate::memory::backing::{Backing, Frames, Purpose};
use crate::server::Server;
use crate::user::UserMemory;
use crate::vfs::attributes::Kind;
use crate::vfs::node::Entry;
use crate::vfs::seals::Seals;
use crate::vfs::world::World;

/// The offset that means the end of the contents.
const END: u64 = u64::MAX;

/// An open regular file of the tree.
pub(super) struct RegularFile {
    pub(super) handle: Arc<Handle>,
    /// Its place among the words that `unixd` shows, and those.
    pub(super) place: u32,
    pub(super) words: &'static InodeWords,
    /// Device and inode.
    pub(super) identity: (u64, u64),
    /// What is mapped of it, once anything is.
    pub(super) pages: Once<Arc<Pages>>,
    /// The handle is one that is kept for many: the one of its own, once it has that.
    pub(super) lent: Option<Once<Arc<Handle>>>,
    /// Whether it was opened to be run, and has a set-id bit.
    pub(super) gives_ids: bool,
    /// Whether [`Names`](super::names::Names) keeps it, to be opened again.
    pub(super) is_kept: AtomicBool,
    /// Whether bytes that are written are sent, because its pages cannot be mapped to be stored to.
    pub(super) is_sent: AtomicBool,
}

impl RegularFile {
    fn ask(&self, operation: Operation, small: u16, words: [u64; 2]) -> Result<[u64; 4]> {
        self.handle.tree.ask(operation, small, [u64::from(self.handle.number), words[0], words[1]])
    }

    /// A handle that no other description has.
    fn own_handle(&self) -> Result<&Arc<Handle>> {
        let Some(own) = &self.lent else { return Ok(&self.handle) };
        match own.get() {
            Some(handle) => Ok(handle),
            None => {
                let answer = self.ask(Operation::OpenEntry, OpenPurpose::Lend as u16, [u64::from(Access::READ.bits()), 0])?;
                Ok(own.call_once(|| Handle::new(&self.handle.tree, high(answer[0]))))
            }
        }
    }

    /// So many of its first pages, of this generation, were mapped into a window when it was opened.
    pub(super) fn take_window(&self, window: WindowAhead, pages: u32, generation: u32) {
        self.pages().take_window(&self.handle, window, pages, generation);
    }

    fn known_seals(&self) -> Seals {
        Seals::from_bits_truncate(self.words.seals())
    }

    fn pages(&self) -> &Pages {
        self.pages.call_once(|| self.handle.tree.pages(self.place, self.identity))
    }

    /// Tell the program's mappings what became of pages that they may show, whichever descriptor they were made by.
    fn refresh(&self, world: &dyn World) {
        if let Some(pages) = self.handle.tree.known(self.place) {
            pages.refresh(&self.handle.tree, world);
        }
    }

    /// Copy out what is mapped or can be.
    fn copy_out(&self, output: &mut Output, offset: u64) -> Result<usize> {
        let words = self.words;
        let before = output.done();
        let mut outcome = Ok(());
        while output.room() > 0 {
            let at = offset + (output.done() - before) as u64;
            let left = words.size().saturating_sub(at);
            if left == 0 {
                break;
            }
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(output.room());
            if let Err(error) = self.pages().put(&self.handle, output, at, length) {
                // Files that are kept for their names take frames too.
                if error == Errno::ENOMEM && self.handle.tree.give_kept_up() {
                    continue;
                }
                outcome = Err(error);
                break;
            }
        }
        moved(output.done() - before, outcome)
    }

    /// Write into the contents where they are mapped, and tell of it; gives how many bytes. `None`: they are to be sent.
    fn store(&self, input: &mut Input, offset: u64) -> Option<usize> {
        let count = input.left();
        if self.known_seals().intersects(Seals::WRITES) {
            return None;
        }
        if count == 0 || offset.checked_add(count as u64)? > self.words.size() || self.is_sent.load(Ordering::Relaxed) {
            return None;
        }
        let begun = self.pages().begin_store(&self.handle, offset, count);
        if begun == Err(Errno::EBADF) {
            self.is_sent.store(true, Ordering::Relaxed);
        }
        let (address, generation) = begun.ok()??;
        let mark = input.mark();
        let taken = self.handle.tree.server.take(input, address, count);
        self.pages().end_plain();
        if taken.and_then(|()| self.note_stored(generation, count)).is_err() {
            // What cannot be taken, or went where the file is no more, goes the long way, all of it.
            input.go_back(mark);
            return None;
        }
        Some(count)
    }

    /// Tell of bytes that were written where a generation has them, if that changes anything else.
    fn note_stored(&self, generation: u32, count: usize) -> Result<()> {
        if self.words.tells_writes(|| self.handle.tree.server.clock()) {
            return self.ask(Operation::NoteStored, 0, [u64::from(generation), count as u64]).map(drop);
        }
        if self.words.generation() == generation { Ok(()) } else { Err(Errno::EAGAIN) }
    }

    /// Send bytes that go to one place: what the mailbox holds, up to a fault.
    fn send(&self, input: &mut Input, place: Place) -> Result<Sent> {
        let start = match place {
            Place::At(offset) => offset,
            Place::End => 0,
        };
        let mut outcome = Ok(());
        let mut filled = 0;
        self.handle.tree.server.with_mailbox(&mut |mailbox| {
            while outcome.is_ok() && input.left() > 0 && filled < mailbox.len() {
                let within = ((start + filled as u64) % PAGE_SIZE as u64) as usize;
                let count = input.left().min(PAGE_SIZE - within).min(mailbox.len() - filled);
                let before = input.done();
                outcome = input.take_exactly(&mut mailbox[filled..filled + count]);
                filled += input.done() - before;
            }
        });
        if filled == 0 {
            outcome?;
        }
        let offset = if let Place::At(offset) = place { offset } else { END };
        let answer = self.ask(Operation::WriteFile, 0, [offset, filled as u64])?;
        let count = answer[0] as usize;
        Ok(Sent { count, end: answer[1], last: outcome.is_err() || count < filled })
    }
}

/// What became of bytes that were sent.
struct Sent {
    count: usize,
    /// The offset behind them.
    end: u64,
    /// The next ones could not be read, or would not fit.
    last: bool,
}

impl File for RegularFile {
    fn plain(&self) -> Plain {
        Plain::Contents
    }

    fn read_plain(&self, memory: &dyn UserMemory, address: usize, length: usize, offset: u64) -> Option<usize> {
        let (server, words) = (self.handle.tree.server, self.words);
        if words.tells_reads(|| server.clock()) {
            return None;
        }
        let left = words.size().checked_sub(offset)?;
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(length);
        let pages = self.pages.get()?;
        let from = pages.begin_plain(words.generation(), offset, count)?;
        let outcome = server.copy_out(memory, address, from, count);
        pages.end_plain();
        outcome.ok().map(|()| count)
    }

    fn write_plain(&self, world: &dyn World, address: usize, length: usize, offset: u64) -> Option<usize> {
        let (server, words) = (self.handle.tree.server, self.words);
        let is_inside = offset.checked_add(length as u64)? <= words.size();
        if !is_inside || self.known_seals().intersects(Seals::WRITES) || words.tells_writes(|| server.clock()) {
            return None;
        }
        let generation = words.generation();
        let pages = self.pages.get()?;
        let to = pages.begin_plain_store(generation, offset, length)?;
        let outcome = server.copy_in(world, address, to, length);
        pages.end_plain();
        // What went where the file is no more is written once more.
        (outcome.is_ok() && words.generation() == generation).then_some(length)
    }

    fn read(&self, _: &dyn World, output: &mut Output, offset: u64, _: Blocking) -> Result<usize> {
        if self.words.tells_reads(|| self.handle.tree.server.clock()) {
            let any = output.room() > 0 && offset < self.words.size();
            self.ask(Operation::NoteRead, 0, [u64::from(any), 0])?;
        }
        self.copy_out(output, offset)
    }

    fn write(&self, world: &dyn World, input: &mut Input, place: Place, _: Blocking) -> Result<(usize, u64)> {
        if let Place::At(offset) = place
            && let Some(count) = self.store(input, offset)
        {
            return Ok((count, offset + count as u64));
        }
        let mut place = place;
        let mut end = if let Place::At(offset) = place { offset } else { File::size(self) };
        let mut done = 0;
        let mut outcome = Ok(());
        while input.left() > 0 {
            match self.send(input, place) {
                Ok(sent) => {
                    (done, end) = (done + sent.count, sent.end);
                    if sent.last {
                        break;
                    }
                }
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
            if let Place::At(_) = place {
                place = Place::At(end);
            }
        }
        self.refresh(world);
        moved(done, outcome).map(|count| (count, end))
    }

    fn seeking(&self) -> Seeking {
        Seeking::Contents
    }

    fn size(&self) -> u64 {
        self.words.size()
    }

    fn seek(&self, offset: u64, what: Seek) -> Result<u64> {
        self.ask(Operation::Seek, 0, [offset, u64::from(what == Seek::Hole)]).map(|answer| answer[0])
    }

    fn truncate(&self, world: &dyn World, size: u64) -> Result<()> {
        let outcome = self.ask(Operation::Resize, 0, [size, 0]);
        self.refresh(world);
        outcome.map(drop)
    }

    fn allocate(&self, world: &dyn World, mode: u32, offset: u64, length: u64) -> Result<()> {
        const MODES: [u32; 4] = [0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE];
        if !MODES.contains(&mode) && mode != FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE {
            return Err(Errno::EOPNOTSUPP);
        }
        let outcome = self.ask(Operation::Allocate, mode as u16, [offset, length]);
        self.refresh(world);
        outcome.map(drop)
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn backing(self: Arc<Self>) -> Option<Arc<dyn Backing>> {
        Some(self)
    }

    fn backing_to_store(self: Arc<Self>) -> Result<Arc<dyn Backing>> {
        let seals = self.known_seals();
        if seals.intersects(Seals::WRITES) {
            return Err(Errno::EPERM);
        }
        // What nobody can seal needs nobody's attention.
        if seals.contains(Seals::SEAL) {
            return Ok(self);
        }
        let tree = &self.handle.tree;
        let answer = self.ask(Operation::OpenEntry, OpenPurpose::Map as u16, [u64::from(Access::all().bits()), 0])?;
        Ok(tree.regular_file(Handle::with_haste(tree, high(answer[0]), Haste::AtOnce), &answer))
    }

    fn seals(&self) -> Result<Seals> {
        Ok(self.known_seals())
    }

    fn add_seals(&self, world: &dyn World, more: Seals) -> Result<()> {
        let outcome = self.ask(Operation::Seal, 1, [u64::from(more.bits()), 0]);
        self.refresh(world);
        outcome.map(drop)
    }

    fn note_mapped(&self, _: &dyn World) -> Result<()> {
        if self.words.tells_reads(|| self.handle.tree.server.clock()) { self.ask(Operation::NoteRead, 0, [0; 2]).map(drop) } else { Ok(()) }
    }

    fn share(&self, _: &'static dyn Server) -> Result<Option<u32>> {
        if self.lent.is_some() {
            return Ok(Some(self.own_handle()?.number));
        }
        // From now on this open file description is known elsewhere, or has locks: when it is closed it ends.
        if self.is_kept.load(Ordering::Relaxed) {
            self.is_kept.store(false, Ordering::Relaxed);
            self.handle.tree.names.lock().part_with(self);
        }
        Ok(Some(self.handle.number))
    }
}

impl Drop for RegularFile {
    fn drop(&mut self) {
        // Who watches is to hear that it is closed.
        if self.lent.is_some() && self.handle.tree.server.is_watched() {
            let _ = self.own_handle();
        }
    }
}

impl Backing for RegularFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        self.copy_out(&mut Output::own(into), offset)
    }

    fn size(&self) -> u64 {
        self.words.size()
    }

    fn identity(&self) -> (u64, u64) {
        self.identity
    }

    fn frames(&self, page: u64, most: usize, purpose: Purpose) -> Result<Option<Frames>> {
        self.pages().frames(&self.handle, page, most, purpose).map(Some)
    }

    fn will_need(&self, pages: u64) {
        self.pages().will_need(&self.handle, pages);
    }

    fn is_present(&self, page: u64) -> bool {
        self.ask(Operation::IsPresent, 0, [page, 0]).is_ok_and(|answer| answer[0] != 0)
    }

    fn entry(&self) -> Option<Arc<Entry>> {
        Some(Entry::elsewhere(Arc::new(RemoteNode::new(self.handle.clone(), Kind::Regular, 0)), false))
    }

    fn gives_ids(&self) -> bool {
        self.gives_ids
    }

    fn overlay(&self) -> Option<&'static [u8]> {
        self.pages().overlay(&self.handle)
    }
}
