//! Calls on pages.

use abi::Rights;
use abi::{
    ANY_FRAME, BATCH_PAGES, CloneMode, CloneRange, EnvId, Error, FrameKind, LARGE_PAGES, MAX_CLONE_RANGES, PAGE_SIZE, PageInfo, Privileges,
};
use arch::{Cpu, Entry, Leaf, Machine, Paging};

use super::Caller;
use crate::space::{Slot, batch, check_range, leaf_pages};
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
        let rights = rights_argument(rights, Rights::LARGE)?;
        let level = usize::from(rights.contains(Rights::LARGE));
        let rights = rights - Rights::LARGE;
        let large = LARGE_PAGES as u64;
        if level == 1 && !(pages | frame).is_multiple_of(large) {
            return Err(Error::BadArgument);
        }
        if level == 1 && !address.is_multiple_of(large * BYTES) {
            return Err(Error::BadAddress);
        }
        batch(pages, |done| {
            let wanted = (frame != ANY_FRAME).then(|| frame.saturating_add(done));
            self.alloc_leaf(caller, address + done * BYTES, level, rights, wanted)?;
            Ok([leaf_pages(level); 2])
        })
    }

    /// One step of `page_alloc`.
    #[inline(always)]
    fn alloc_leaf(&mut self, caller: Caller, address: u64, level: usize, rights: Rights, wanted: Option<u64>) -> Result<()> {
        if let Some(frame) = wanted
            && self.frames.kind(frame) == FrameKind::Device as u32
        {
            if !self.has(caller.id, Privileges::DEVICES) {
                return Err(Error::Denied);
            }
            let rights = derive(Rights::MAY_ALL | Rights::DEVICE, rights)?;
            return if level == 0 { self.insert(caller.id, address, 0, Leaf { frame, rights }) } else { Err(Error::BadArgument) };
        }
        match wanted {
            // Any frame is one page: said here, so that the compiler knows it on the way that faults take.
            None => self.alloc_new(caller.id, address, 0, None, rights),
            Some(_) => self.alloc_new(caller.id, address, level, wanted, rights),
        }
    }

    /// Map free frames, zeroed.
    #[inline(always)]
    fn alloc_new(&mut self, id: EnvId, address: u64, level: usize, wanted: Option<u64>, rights: Rights) -> Result<()> {
        let first = self.insert_new(id, address, level, wanted, rights)?;
        let pages = leaf_pages(level);
        // SAFETY: the frames were just taken: nobody else has them.
        (first..first + pages).for_each(|frame| unsafe { self.machine.zero_frame(frame) });
        self.becomes_executable(first, pages, Rights::empty(), rights);
        Ok(())
    }

    /// Map free frames, `wanted` and those after it, or any one. Answers the first; what is in them is whatever it was.
    #[inline(always)]
    fn insert_new(&mut self, id: EnvId, address: u64, level: usize, wanted: Option<u64>, rights: Rights) -> Result<u64> {
        let pages = leaf_pages(level);
        let frame = self.frames.take_run(wanted, pages).ok_or(Error::NoFrame)?;
        let inserted = self.insert(id, address, level, Leaf { frame, rights });
        inserted.inspect_err(|_| (frame..frame + pages).for_each(|frame| self.frames.free(frame)))?;
        Ok(frame)
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
        let root = self.env(id.slot()).root.get();
        let done = self.for_leaves(root, address, pages, |kernel, slot, leaf, at| {
            if id != caller.id {
                kernel.write_down(id, caller.id, at | u64::from(slot.level > 0), leaf.frame);
            }
            kernel.clear(id, slot, leaf, at);
            Ok([0; 2])
        })?;
        self.flush(id, address, done);
        Ok(done)
    }

    /// Pass over pages that are not mapped. `BadAddress`: the range is not pages of user space.
    pub(super) fn page_skip(&mut self, caller: Caller, env: u64, address: u64, pages: u64) -> Result<u64> {
        let id = self.under(caller.id, env)?;
        check_range(address, pages)?;
        let root = self.env(id.slot()).root.get();
        Ok(self.for_leaves(root, address, pages, |_, _, _, _| Err(Error::Occupied)).unwrap_or(0))
    }

    /// Set current rights and lower the maximum; pages not mapped are passed over.
    ///
    /// - `BadAddress`: the range is not pages of user space. `BadArgument`: rights that are none.
    /// - `BadRights`: a current right outside the maximum that would be left, W and X, or executable device memory.
    /// - `Occupied`: it covers a part of a 2 MiB mapping.
    pub(super) fn page_protect(&mut self, caller: Caller, env: u64, address: u64, pages: u64, rights: u64) -> Result<u64> {
        let id = self.under(caller.id, env)?;
        check_range(address, pages)?;
        let asked = rights_argument(rights, Rights::empty())?;
        let root = self.env(id.slot()).root.get();
        let done = self.for_leaves(root, address, pages, |kernel, slot, leaf, _| {
            let asked = asked.current() | (asked.maximum() & leaf.rights.maximum());
            if !asked.is_consistent() {
                return Err(Error::BadRights);
            }
            let rights = derive(leaf.rights, asked)?;
            kernel.becomes_executable(leaf.frame, leaf_pages(slot.level), leaf.rights, rights);
            kernel.write(&slot, Entry::Leaf(Leaf { rights, ..leaf }));
            Ok([0; 2])
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
        let mut passed = 0;
        while index < count && passed < BATCH_PAGES as u64 {
            match self.clone_range(caller, id, list.wrapping_add(index * size_of::<CloneRange>() as u64), done) {
                Ok((pages, more)) => {
                    passed += pages + 1;
                    (index, done) = if more { (index, done + pages) } else { (index + 1, 0) };
                }
                Err(error) if passed == 0 => return Err(error),
                Err(_) => break,
            }
        }
        self.flush(caller.id, 0, u64::MAX);
        Ok(if index == count { u64::MAX } else { index << 40 | done })
    }

    /// Clone a piece of one range, from page `done` of it on; answers how many pages, and whether more are left.
    fn clone_range(&mut self, caller: Caller, id: EnvId, at: u64, done: u64) -> Result<(u64, bool)> {
        let range: CloneRange = *self.read_user(caller.root, at)?;
        check_range(range.source, range.pages)?;
        check_range(range.target, range.pages)?;
        let modes = [CloneMode::Share, CloneMode::CopyOnWrite, CloneMode::Copy];
        let mode = *usize::try_from(range.mode).ok().and_then(|mode| modes.get(mode)).ok_or(Error::BadArgument)?;
        let left = range.pages.checked_sub(done).ok_or(Error::BadArgument)?;
        let pages = self.for_leaves(caller.root, range.source + done * BYTES, left, |kernel, slot, leaf, source| {
            let target = range.target + (source - range.source);
            kernel.clone_leaf(id, &slot, leaf, target, mode)?;
            let end = range.source + range.pages * BYTES;
            Ok(kernel.clone_behind(id, &slot, target, mode, (end - source) / BYTES))
        })?;
        Ok((pages, pages < left))
    }

    fn clone_leaf(&mut self, id: EnvId, slot: &Slot, leaf: Leaf, target: u64, mode: CloneMode) -> Result<()> {
        let large = slot.level > 0;
        if large && (mode == CloneMode::Copy || !target.is_multiple_of(LARGE_PAGES as u64 * BYTES)) {
            return Err(Error::Occupied);
        }
        let writable = leaf.rights.contains(Rights::MAY_WRITE) && !leaf.rights.contains(Rights::DEVICE);
        match mode {
            CloneMode::Copy if writable => {
                let rights = leaf.rights - Rights::COW;
                let frame = self.insert_new(id, target, 0, None, rights)?;
                // SAFETY: both are whole frames; the second was just taken.
                unsafe { self.machine.copy_frame(leaf.frame, frame) };
                self.becomes_executable(frame, 1, Rights::empty(), rights);
            }
            CloneMode::CopyOnWrite if writable => {
                let shared = Leaf { rights: (leaf.rights | Rights::COW) - Rights::WRITE, ..leaf };
                self.insert(id, target, slot.level, shared)?;
                self.write(slot, Entry::Leaf(shared));
            }
            _ => self.insert(id, target, slot.level, leaf)?,
        }
        Ok(())
    }

    /// Go on behind a leaf that was cloned, in its page table, where an entry is the same on the other side, and something is to be had there
    /// in one table too. Answers how many pages were passed, as [`Kernel::for_leaves`] has it.
    fn clone_behind(&mut self, id: EnvId, source: &Slot, target: u64, mode: CloneMode, pages: u64) -> [u64; 2] {
        let other = self.find(self.env(id.slot()).root.get(), target, 0);
        let (mut passed, end) = (0, source.left().min(other.left()).min(pages as usize));
        while source.level == 0 && passed + 1 < end {
            // SAFETY: words of the two tables, here and below.
            let (word, to) = unsafe { (source.word.add(passed + 1).read(), other.word.add(passed + 1)) };
            let rights = Rights::from_bits_retain(word >> <M as Cpu>::Paging::KEPT);
            if word != 0 {
                let writable = rights.contains(Rights::MAY_WRITE);
                let is_kept = !writable || mode == CloneMode::Share || mode == CloneMode::CopyOnWrite && rights.contains(Rights::COW);
                // SAFETY: likewise.
                if !is_kept || unsafe { to.read() } != 0 || self.charge(id.slot(), 1).is_err() {
                    break;
                }
                // SAFETY: likewise.
                unsafe { to.write(word) };
                self.frames.hold((word & <M as Cpu>::Paging::ADDRESS) >> 12);
                self.frames.hold(other.table);
            }
            passed += 1;
        }
        [passed as u64; 2]
    }

    /// Make a copy-on-write page the caller's own and writable: take the frame over if nobody else maps it, else copy it.
    ///
    /// - `NotMapped`: nothing is mapped there. `BadRights`: the page is not copy-on-write.
    /// - `Occupied`: a 2 MiB mapping that others still share: split it first.
    pub(super) fn page_break(&mut self, caller: Caller, address: u64) -> Result<u64> {
        check_range(address & !(BYTES - 1), 1)?;
        let slot = self.find(caller.root, address, 0);
        let Entry::Leaf(leaf) = slot.entry else { return Err(Error::NotMapped) };
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
            own.frame = self.frames.take(None, FrameKind::User).expect("every frame in use has a payer, this mapping's charge too");
            // SAFETY: both are whole frames; the second was just taken.
            unsafe { self.machine.copy_frame(leaf.frame, own.frame) };
            self.frames.hold(own.frame);
            self.let_go(leaf.frame);
        }
        self.write(&slot, Entry::Leaf(own));
        self.flush(caller.id, address, 1);
        Ok(u64::from(!sole))
    }

    /// What is mapped at an address. `NotMapped`: nothing.
    pub(super) fn page_query(&mut self, caller: Caller, env: u64, address: u64) -> Result<u64> {
        let id = self.under(caller.id, env)?;
        check_range(address & !(BYTES - 1), 1)?;
        let (leaf, level) = self.leaf(self.env(id.slot()).root.get(), address).ok_or(Error::NotMapped)?;
        let large = if level > 0 { Rights::LARGE } else { Rights::empty() };
        Ok(PageInfo { frame: leaf.frame, rights: leaf.rights | large }.pack())
    }

    /// Turn the 2 MiB mapping around an address into small ones. `NotMapped`: nothing is mapped there. `Quota`: for the table.
    pub(super) fn page_split(&mut self, caller: Caller, env: u64, address: u64) -> Result<u64> {
        let id = self.under(caller.id, env)?;
        check_range(address & !(BYTES - 1), 1)?;
        self.split(id, address)
    }
}
