//! Calls on pages.

use abi::{ANY_FRAME, CloneMode, CloneRange, EnvId, Error, FrameKind, LARGE_PAGES, MAX_CLONE_RANGES, PAGE_SIZE, Privileges, Rights};
use arch::{Cpu, Leaf, Machine, Paging, TABLE_ENTRIES};

use super::Caller;
use crate::space::{batch, check_range, index, leaf_pages};
use crate::{Kernel, Result};

const BYTES: u64 = PAGE_SIZE as u64;

/// Rights as a call gives them. `BadArgument`: a bit that has no meaning here. `BadRights`: a right without its `MAY_*`, or W and X.
fn rights_argument(word: u64, allowed: Rights) -> Result<Rights> {
    let allowed = Rights::MAY_ALL | Rights::READ | Rights::WRITE | Rights::EXECUTE | allowed;
    let mut rights = Rights::from_bits_retain(word);
    if !allowed.contains(rights) {
        return Err(Error::BadArgument);
    }
    if rights.intersects(Rights::WRITE | Rights::EXECUTE) {
        rights |= Rights::READ;
    }
    if rights.is_consistent() { Ok(rights) } else { Err(Error::BadRights) }
}

/// The rights of a mapping derived from one with `held`, when `asked`.
fn derive(held: Rights, asked: Rights) -> Result<Rights> {
    let mut rights = asked | (held & (Rights::COW | Rights::DEVICE));
    if held.contains(Rights::COW) {
        rights -= Rights::WRITE;
    }
    let executable_device = held.contains(Rights::DEVICE) && rights.contains(Rights::EXECUTE);
    if !held.maximum().contains(asked.maximum()) || executable_device { Err(Error::BadRights) } else { Ok(rights) }
}

/// A leaf's word as a clone and its original have it; none if the page is to be copied.
#[inline(always)]
fn shared<M: Machine>(word: u64, mode: CloneMode) -> Option<u64> {
    let rights = <M as Cpu>::Paging::leaf(word).rights & (Rights::MAY_WRITE | Rights::DEVICE | Rights::COPIED);
    match mode {
        CloneMode::CopyOnWrite if rights == Rights::MAY_WRITE => Some(<M as Cpu>::Paging::copy_on_write(word)),
        CloneMode::CopyOnWrite | CloneMode::Copy if rights - Rights::COPIED == Rights::MAY_WRITE => None,
        _ => Some(word),
    }
}

impl<M: Machine> Kernel<M> {
    /// Map free frames, zeroed, here.
    ///
    /// - `BadAddress`: the range is not pages of user space; `LARGE` and not 2 MiB-aligned.
    /// - `BadArgument`: rights that are none; `LARGE` and pages or frame not multiples of 512, or any frame.
    /// - `BadRights`: inconsistent rights; executable device memory.
    /// - `NoFrame`: the frame is not free, or there is none such. `Denied`: a device's, without the privilege.
    /// - `Occupied`, `Quota`: see [`Kernel::insert`].
    pub(super) fn page_alloc(&mut self, caller: Caller, address: u64, pages: u64, rights: u64, frame: u64) -> Result<u64> {
        check_range(address, pages)?;
        let rights = rights_argument(rights, Rights::LARGE | Rights::COPIED)?;
        let level = usize::from(rights.contains(Rights::LARGE));
        let rights = rights - Rights::LARGE;
        if level == 1 && !(pages | frame).is_multiple_of(LARGE_PAGES as u64) {
            return Err(Error::BadArgument);
        }
        if level == 1 && !address.is_multiple_of(LARGE_PAGES as u64 * BYTES) {
            return Err(Error::BadAddress);
        }
        batch(pages, |done| {
            let address = address + done * BYTES;
            if frame == ANY_FRAME {
                let frame = self.take(FrameKind::User, true).ok_or(Error::NoFrame)?;
                self.insert(caller.id, address, 0, Leaf { frame, rights }).inspect_err(|_| self.frames.free(frame, true))?;
                self.becomes_executable(frame, 1, Rights::empty(), rights);
            } else {
                self.alloc_leaf(caller, address, level, rights, frame.saturating_add(done))?;
            }
            Ok([leaf_pages(level); 2])
        })
    }

    /// One step of `page_alloc`, with frames by number.
    #[cold]
    fn alloc_leaf(&mut self, caller: Caller, address: u64, level: usize, rights: Rights, first: u64) -> Result<()> {
        let pages = leaf_pages(level);
        if self.frames.kind(first) == FrameKind::Device as u32 {
            self.check_privilege(caller.id, Privileges::DEVICES)?;
            let rights = derive(Rights::MAY_ALL | Rights::DEVICE, rights)?;
            return if level == 0 { self.insert(caller.id, address, 0, Leaf { frame: first, rights }) } else { Err(Error::BadArgument) };
        }
        let frames = self.frames.take_run(first, pages).ok_or(Error::NoFrame)?;
        let inserted = self.insert(caller.id, address, level, Leaf { frame: first, rights });
        inserted.inspect_err(|_| frames.clone().for_each(|frame| self.frames.free(frame, false)))?;
        // SAFETY: the frames were just taken: nobody else has them.
        frames.for_each(|frame| unsafe { self.machine.zero_frame(frame) });
        self.becomes_executable(first, pages, Rights::empty(), rights);
        Ok(())
    }

    /// Map pages held here into `env` too: one that the caller is over, or a peer whose window covers the target.
    ///
    /// - `BadAddress`: a range is not pages of user space. `BadArgument`: rights that are none.
    /// - `NotMapped`: nothing is held at the source. `BadRights`: more than is held there, inconsistent, or executable device memory.
    /// - `Denied`: neither over `env` nor let in by its window.
    /// - `Occupied`, `Quota` (of `env`): see [`Kernel::insert`].
    pub(super) fn page_map(&mut self, caller: Caller, env: u64, target: u64, source: u64, pages: u64, rights: u64) -> Result<u64> {
        let id = self.living(caller.id, env)?;
        check_range(target, pages)?;
        check_range(source, pages)?;
        let asked = rights_argument(rights, Rights::empty())?;
        if !self.is_over(caller.id.slot(), id.slot()) && !self.window_covers(id, caller.id, target, pages) {
            return Err(Error::Denied);
        }
        batch(pages, |done| {
            let (held, _) = self.leaf(caller.root, source + done * BYTES).ok_or(Error::NotMapped)?;
            let rights = derive(held.rights, asked)?;
            self.insert(id, target + done * BYTES, 0, Leaf { frame: held.frame, rights })?;
            self.becomes_executable(held.frame, 1, held.rights, rights);
            Ok([1, 1])
        })
    }

    fn window_covers(&self, host: EnvId, guest: EnvId, address: u64, pages: u64) -> bool {
        let window = self.env(host.slot()).window.get();
        let end = window.address + window.pages * BYTES;
        window.peer == guest.0 && address >= window.address && address + pages * BYTES <= end
    }

    /// Give up mappings; pages not mapped are passed over. What another's are is written into the ledger.
    ///
    /// - `BadAddress`: the range is not pages of user space.
    /// - `Occupied`: it covers a part of a 2 MiB mapping.
    pub(super) fn page_unmap(&mut self, caller: Caller, env: u64, address: u64, pages: u64) -> Result<u64> {
        let id = self.under(caller.id, env)?;
        check_range(address, pages)?;
        let done = self.for_leaves(id, address, pages, |kernel, word, level, at, behind| {
            if id == caller.id {
                return Ok(kernel.let_leaves_go(word, level, behind));
            }
            // SAFETY: a word of a table.
            let frame = <M as Cpu>::Paging::frame(unsafe { word.read() });
            kernel.write_down(id, caller.id, at | u64::from(level > 0), frame);
            Ok(kernel.let_leaves_go(word, level, 0))
        })?;
        self.flush(id, address, done);
        Ok(done)
    }

    /// Pass over pages that are not mapped. `BadAddress`: the range is not pages of user space.
    pub(super) fn page_skip(&mut self, caller: Caller, env: u64, address: u64, pages: u64) -> Result<u64> {
        let id = self.under(caller.id, env)?;
        check_range(address, pages)?;
        Ok(self.for_leaves(id, address, pages, |_, _, _, _, _| Err(Error::Occupied)).unwrap_or(0))
    }

    /// Set current rights and lower the maximum; pages not mapped are passed over.
    ///
    /// - `BadAddress`: the range is not pages of user space. `BadArgument`: rights that are none.
    /// - `BadRights`: a current right outside the maximum that would be left, W and X, or executable device memory.
    /// - `Occupied`: it covers a part of a 2 MiB mapping.
    pub(super) fn page_protect(&mut self, caller: Caller, env: u64, address: u64, pages: u64, rights: u64) -> Result<u64> {
        let id = self.under(caller.id, env)?;
        check_range(address, pages)?;
        let asked = rights_argument(rights, Rights::COPIED)?;
        let done = self.for_leaves(id, address, pages, |kernel, word, level, _, _| {
            // SAFETY: a word of a table.
            let leaf = <M as Cpu>::Paging::leaf(unsafe { word.read() });
            let asked = asked & !(Rights::MAY_ALL - leaf.rights);
            if !asked.is_consistent() {
                return Err(Error::BadRights);
            }
            let rights = derive(leaf.rights, asked)?;
            kernel.becomes_executable(leaf.frame, leaf_pages(level), leaf.rights, rights);
            // SAFETY: likewise.
            unsafe { word.write(<M as Cpu>::Paging::encode(Leaf { rights, ..leaf }, level)) };
            Ok(0)
        })?;
        self.flush(id, address, done);
        Ok(done)
    }

    /// Clone ranges into `env`: the whole of a fork's memory in one call, or as few as it takes.
    ///
    /// - `BadArgument`: too many ranges, a mode that is none, a cursor that no call answered.
    /// - `NotMapped`: the list is not readable. `BadAddress`: it is not aligned, or a range is not pages of user space.
    /// - `Occupied`: the target has a page already; a 2 MiB mapping in part, at another alignment, or to be copied.
    /// - `Quota`: of `env`.
    pub(super) fn page_clone(&mut self, caller: Caller, env: u64, list: u64, count: u64, cursor: u64) -> Result<u64> {
        let id = self.under(caller.id, env)?;
        let (mut index, mut done) = (cursor >> 40, cursor & ((1 << 40) - 1));
        if count > MAX_CLONE_RANGES as u64 || index > count {
            return Err(Error::BadArgument);
        }
        let cloned = batch(count - index, |ranges| {
            let at = list.wrapping_add((index + ranges) * size_of::<CloneRange>() as u64);
            let range: CloneRange = *self.read_user(caller.root, at)?;
            check_range(range.source, range.pages)?;
            check_range(range.target, range.pages)?;
            let mode = CloneMode::try_from(range.mode).map_err(|_| Error::BadArgument)?;
            let left = range.pages.checked_sub(done).ok_or(Error::BadArgument)?;
            let pages = self.for_leaves(caller.id, range.source + done * BYTES, left, |kernel, word, level, source, behind| {
                kernel.clone_leaves(id, word, level, behind, range.target + (source - range.source), mode)
            })?;
            done = if pages < left { done + pages } else { 0 };
            Ok([u64::from(pages == left), pages + 1])
        });
        self.flush(caller.id, 0, u64::MAX);
        index += cloned?;
        Ok(if index == count { u64::MAX } else { index << 40 | done })
    }

    /// Clone a leaf, and those right behind it as far as both page tables go: most of a fork's work. Answers how many of these.
    #[inline(never)]
    fn clone_leaves(&mut self, id: EnvId, source: *mut u64, level: usize, behind: usize, target: u64, mode: CloneMode) -> Result<usize> {
        // SAFETY: words of the two tables, here and below.
        let is_shared = shared::<M>(unsafe { source.read() }, mode).is_some();
        if level > 0 && !(is_shared && target.is_multiple_of(LARGE_PAGES as u64 * BYTES)) {
            return Err(Error::Occupied);
        }
        let slot = self.open(id, target, level)?;
        let (first, entry) = (index(target, level), self.entry(id.slot()));
        let (most, mut more) = (behind.min(TABLE_ENTRIES - 1 - first).min((entry.quota - entry.used) as usize), 0);
        loop {
            let [from, to] = [source, slot.word].map(|word| word.wrapping_add(more));
            // SAFETY: likewise.
            let word = unsafe { from.read() };
            let kept = shared::<M>(word, mode);
            let cloned = kept.unwrap_or_else(|| {
                let own = self.copy(<M as Cpu>::Paging::frame(word));
                self.becomes_executable(own, 1, Rights::empty(), <M as Cpu>::Paging::leaf(word).rights);
                <M as Cpu>::Paging::copied(word, own)
            });
            // SAFETY: likewise.
            unsafe { (from.write(kept.unwrap_or(word)), to.write(cloned)) };
            self.frames.hold_leaf(<M as Cpu>::Paging::frame(cloned), level);
            // SAFETY: likewise, since there is one more.
            if more == most || unsafe { from.add(1).read() == 0 || to.add(1).read() != 0 } {
                break;
            }
            more += 1;
        }
        self.hold_entries(&slot, first, more + 1);
        self.entry(id.slot()).used += more as u64;
        Ok(more)
    }

    /// A copy of a frame, for which a charge was accepted.
    #[inline(always)]
    fn copy(&mut self, frame: u64) -> u64 {
        let own = self.take_charged(FrameKind::User, false);
        // SAFETY: both are whole frames; the second was just taken.
        unsafe { self.machine.copy_frame(frame, own) };
        own
    }

    /// Make a copy-on-write page the caller's own and writable: take the frame over if nobody else maps it, else copy it.
    ///
    /// - `NotMapped`: nothing is mapped there. `BadRights`: the page is not copy-on-write.
    /// - `Occupied`: a 2 MiB mapping that others still share.
    pub(super) fn page_break(&mut self, caller: Caller, address: u64) -> Result<u64> {
        check_range(address & !(BYTES - 1), 1)?;
        let slot = self.find(caller.root, address, 0);
        let leaf = self.leaf_in(&slot).ok_or(Error::NotMapped)?;
        if !leaf.rights.contains(Rights::COW | Rights::MAY_WRITE) {
            return Err(Error::BadRights);
        }
        let mut frames = leaf.frame..leaf.frame + leaf_pages(slot.level);
        let sole = frames.all(|frame| self.frames.known(frame).is_some_and(|entry| entry.count == 1 && entry.next <= 1));
        if slot.level > 0 && !sole {
            return Err(Error::Occupied);
        }
        let rights = (leaf.rights - Rights::COW - Rights::EXECUTE) | Rights::READ | Rights::WRITE;
        let mut own = Leaf { rights, ..leaf };
        if !sole {
            // Each use of a frame has a payer, and so has this mapping.
            own.frame = self.copy(leaf.frame);
            self.frames.hold_leaf(own.frame, 0);
            self.let_go(leaf.frame);
        }
        self.write(&slot, <M as Cpu>::Paging::encode(own, slot.level));
        self.flush(caller.id, address, 1);
        Ok(u64::from(!sole))
    }

    /// What is mapped at an address. `NotMapped`: nothing.
    pub(super) fn page_query(&mut self, caller: Caller, env: u64, address: u64) -> Result<u64> {
        let id = self.under(caller.id, env)?;
        check_range(address & !(BYTES - 1), 1)?;
        let (leaf, level) = self.leaf(self.env(id.slot()).root.get(), address).ok_or(Error::NotMapped)?;
        let large = if level > 0 { Rights::LARGE } else { Rights::empty() };
        Ok(leaf.frame << 12 | (leaf.rights | large).bits())
    }
}
