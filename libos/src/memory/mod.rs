//! The address space of a program: regions, what is resident in them, and the calls that change both.
//!
//! Memory is lazy: a region is only a promise, and a frame comes when the page-fault upcall asks for it (`fault`). What a program
//! unmaps goes back to the exokernel at once.
#![forbid(unsafe_code)]

pub mod backing;
mod barrier;
mod cloning;
pub mod fault;
#[cfg(test)]
mod files_tests;
mod giving;
pub mod maps;
mod ordered;
mod placement;
pub mod region;
pub mod resident;
pub mod rewritten;
mod smaps;
mod source;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use abi::{PAGE_SIZE, Rights};

use policy::image;
use policy::paging::Paging;
use policy::placement::{Anywhere, Placement as Frames};

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::user::PROGRAM_TOP;
use backing::Backing;
pub use cloning::{CloneRanges, FORKS_REMEMBERED};
pub use region::{Contents, FileMapping, Label, Protection, Region, Regions};
pub use resident::Resident;

/// The lowest address that a program may map.
pub const PROGRAM_BOTTOM: usize = abi::USER_BOTTOM as usize;
/// One past the main stack.
pub const STACK_TOP: usize = PROGRAM_TOP - 0x1000;
/// Room kept below the stack's top for it to grow, as Linux keeps (128 MiB); mappings are placed below.
pub const STACK_ROOM: usize = 128 << 20;
/// Where the search for room for a mapping starts, downwards.
pub const MAPPING_TOP: usize = STACK_TOP - STACK_ROOM;
/// Bytes of the main stack's region at first, as Linux makes it (32 pages and the arguments).
pub const STACK_FIRST: usize = 33 * PAGE_SIZE;
/// `RLIMIT_STACK` at first: how far the main stack may grow.
pub const STACK_LIMIT: usize = 8 << 20;

/// The most bytes that a mapped file may have, and with it where a mapping of one must end (ext4's limit).
pub const FILE_MOST: u64 = (1 << 44) - PAGE_SIZE as u64;

/// The most regions of an address space: `vm.max_map_count`, as Linux has it where nobody says otherwise.
const MOST_REGIONS: usize = 65_530;

/// Whether so many bytes could be had if they were used at once. As on Linux, what was promised before and is not used does not count: what then
/// is not there ends the process when it is used. Who uses what it is given finds the end by a refusal.
#[must_use]
pub fn may_reserve<K: Kernel>(kernel: &K, bytes: usize) -> bool {
    /// Frames that are free beside those wanted where nobody needs to be asked.
    const PLENTY: usize = 1 << 14;
    let pages = bytes / PAGE_SIZE;
    let (most, used) = kernel.quota();
    pages <= most && (pages.saturating_add(PLENTY) <= most - used.min(most) || kernel.could_have(pages))
}

/// Whether a mapping of so much of a file ends where a file can.
#[must_use]
pub fn is_in_a_file(offset: u64, length: u64) -> bool {
    offset.checked_add(length).is_some_and(|end| end <= FILE_MOST)
}

/// Round up to whole pages; `None` if that overflows.
#[must_use]
pub fn pages_up(bytes: usize) -> Option<usize> {
    Some(bytes.checked_add(PAGE_SIZE - 1)? & !(PAGE_SIZE - 1))
}

/// Where a mapping goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placement {
    /// Anywhere; here if there is room.
    Hint(usize),
    /// Here, in place of what is there (`MAP_FIXED`).
    Fixed(usize),
    /// Here, if nothing is there (`MAP_FIXED_NOREPLACE`).
    FixedFree(usize),
}

/// A segment of System V's shared memory that is attached.
pub struct Attachment {
    /// Where.
    pub range: Range<usize>,
    /// Its contents.
    pub backing: Arc<dyn Backing>,
    /// Its id.
    pub id: u32,
}

impl Attachment {
    /// Whether a region shows it.
    #[must_use]
    pub fn is_shown_by(&self, region: &Region) -> bool {
        matches!(&region.contents, Contents::File(file) if Arc::ptr_eq(&file.backing, &self.backing))
    }
}

/// An address space.
pub struct Memory {
    /// What the program asked for.
    pub regions: Regions,
    /// What is there.
    pub resident: Resident,
    /// The part of it whose frames are a file's, not this address space's own.
    pub shown: Resident,
    /// The brk(2) area: where it starts, and the break.
    pub heap: Range<usize>,
    /// How far the main stack may grow, in bytes.
    pub stack_limit: usize,
    /// The most bytes of address space (`RLIMIT_AS`).
    pub size_limit: usize,
    /// The most bytes of private memory that is writable (`RLIMIT_DATA`).
    pub data_limit: usize,
    /// Whether what is mapped from now on is locked: mlockall(2)'s `MCL_FUTURE`.
    pub lock_future: bool,
    /// The most pages that were resident at once.
    pub most_resident: usize,
    /// Whether executable mappings show rewritten text.
    pub rewrites: bool,
    /// Whether some pages may be copied on write: since a fork.
    may_have_copies: bool,
    /// Pages that were stored to after a fork.
    broken: cloning::Broken,
    /// The texts that they show.
    placed: Vec<rewritten::Placed>,
    /// Segments that are attached.
    pub attachments: Vec<Attachment>,
    /// Page faults resolved so far.
    pub faults: u64,
    /// Which pages come in at a fault: the policy that was chosen, if one was.
    paging: Option<Box<dyn Paging>>,
    /// The image's own.
    own_paging: image::Paging,
    /// Which frames pages get, and where mappings are: the policy that was chosen, if one was.
    placement: Option<Box<dyn Frames>>,
    /// The end of the last faults' run: where a fault counts as sequential.
    sequential: usize,
    /// What is known of pages that were taken by force.
    losses: giving::Losses,
    /// Ranges whose first stores are noted.
    barriers: Vec<barrier::Barrier>,
}

/// What is left of an address space that was cleared.
pub struct Remains {
    _regions: Regions,
    _placed: Vec<rewritten::Placed>,
    _attachments: Vec<Attachment>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// An empty address space.
    #[must_use]
    pub fn new() -> Memory {
        Memory {
            regions: Regions::new(),
            resident: Resident::new(),
            shown: Resident::new(),
            heap: 0..0,
            stack_limit: STACK_LIMIT,
            size_limit: usize::MAX,
            data_limit: usize::MAX,
            lock_future: false,
            most_resident: 0,
            rewrites: false,
            may_have_copies: false,
            broken: cloning::Broken::new(),
            placed: Vec::new(),
            attachments: Vec::new(),
            faults: 0,
            paging: None,
            own_paging: image::paging(),
            placement: None,
            sequential: 0,
            losses: giving::Losses::NONE,
            barriers: barrier::NONE,
        }
    }

    /// mmap(2), its arguments checked already: `length` is not 0 and whole pages.
    ///
    /// # Errors
    /// `ENOMEM`: no room, too many regions, or beyond the program's half. `EPERM`: below what may be mapped.
    /// `EINVAL`: a fixed address that is no page's. `EEXIST`: `FixedFree` and something is there.
    pub fn map<K: Kernel>(&mut self, kernel: &K, placement: Placement, length: usize, region: Region) -> Result<usize> {
        if length > PROGRAM_TOP || self.regions.count() > MOST_REGIONS {
            return Err(Errno::ENOMEM);
        }
        let start = self.place(placement, length)?;
        if self.is_limited() && !self.may_grow(length - self.bytes_in(start..start + length), &region) {
            return Err(Errno::ENOMEM);
        }
        if matches!(placement, Placement::Hint(_)) {
            // Nothing is there: neither a region nor a page.
            self.regions.insert_free(start, Region { end: start + length, ..region });
            return Ok(start);
        }
        let touched = self.disturb_texts(kernel, &(start..start + length));
        self.discard(kernel, start..start + length);
        self.regions.insert(start, Region { end: start + length, ..region });
        self.settle_texts(kernel, &touched);
        Ok(start)
    }

    /// Let another policy say which pages come in; none: the image's own, `own` if that is made anew.
    pub fn set_paging(&mut self, paging: Option<Box<dyn Paging>>, own: Option<image::Paging>) {
        self.paging = paging;
        if let Some(own) = own {
            self.own_paging = own;
        }
        self.regions.forget_recent();
    }

    /// Pages that came to be there so far, those of them that are not any more included.
    #[must_use]
    pub fn brought(&self) -> u64 {
        self.resident.added()
    }

    /// Find where a mapping goes.
    fn place(&mut self, placement: Placement, length: usize) -> Result<usize> {
        let (Placement::Hint(address) | Placement::Fixed(address) | Placement::FixedFree(address)) = placement;
        let fits = address.checked_add(length).is_some_and(|end| end <= PROGRAM_TOP);
        if let Placement::Hint(_) = placement {
            let hint = pages_up(address).unwrap_or(0);
            let end = hint.saturating_add(length);
            if hint >= PROGRAM_BOTTOM && end <= PROGRAM_TOP && self.regions.is_free(hint..end) {
                return Ok(hint);
            }
            let low = PROGRAM_BOTTOM.max(0x1_0000);
            let alignment = match &mut self.placement {
                Some(chosen) => chosen.alignment(length),
                None => Anywhere.alignment(length),
            };
            let mut gap = |alignment| self.regions.gap(length, alignment, low..MAPPING_TOP);
            return gap(alignment).or_else(|| gap(PAGE_SIZE)).ok_or(Errno::ENOMEM);
        }
        if !address.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::EINVAL);
        }
        if !fits {
            return Err(Errno::ENOMEM);
        }
        if address < PROGRAM_BOTTOM {
            return Err(Errno::EPERM);
        }
        if matches!(placement, Placement::FixedFree(_)) && !self.regions.is_free(address..address + length) {
            return Err(Errno::EEXIST);
        }
        Ok(address)
    }

    /// Whether a range may be taken out: a hole in a region makes two of it.
    #[must_use]
    pub fn may_unmap(&self, range: &Range<usize>) -> bool {
        let splits = |(start, region): (usize, &Region)| start < range.start && range.end < region.end;
        self.regions.count() < MOST_REGIONS || !self.regions.find(range.start).is_some_and(splits)
    }

    /// munmap(2) of whole pages.
    pub fn unmap<K: Kernel>(&mut self, kernel: &K, range: Range<usize>) {
        let touched = self.disturb_texts(kernel, &range);
        self.discard(kernel, range.clone());
        self.regions.remove(range);
        self.settle_texts(kernel, &touched);
    }

    /// Give back everything: the program goes. What the regions referred to is the caller's to drop, outside the lock.
    pub fn clear<K: Kernel>(&mut self, kernel: &K) -> Remains {
        // In one go: a run at a time costs more than the kernel's way past what is empty.
        kernel.page_unmap(PROGRAM_BOTTOM, (PROGRAM_TOP - PROGRAM_BOTTOM) / PAGE_SIZE);
        self.resident.clear();
        self.shown.clear();
        self.heap = 0..0;
        self.sequential = 0;
        self.may_have_copies = false;
        self.broken = cloning::Broken::new();
        self.barriers.clear();
        self.forget_losses(kernel);
        Remains {
            _regions: core::mem::take(&mut self.regions),
            _placed: core::mem::take(&mut self.placed),
            _attachments: core::mem::take(&mut self.attachments),
        }
    }

    /// Give back the frames of a range; its regions stay.
    pub fn discard<K: Kernel>(&mut self, kernel: &K, range: Range<usize>) {
        if self.shown.pages() > 0 {
            self.shown.remove(range.clone(), |_| {});
        }
        self.resident.remove(range, |run| kernel.page_unmap(run.start, run.len() / PAGE_SIZE));
    }

    /// Give back the frames with which a range shows files; what is the address space's own stays.
    fn discard_shown<K: Kernel>(&mut self, kernel: &K, range: Range<usize>) {
        let Memory { resident, shown, .. } = self;
        shown.remove(range, |run| resident.remove(run, |run| kernel.page_unmap(run.start, run.len() / PAGE_SIZE)));
    }

    /// Take note that pages of a file have other frames from now on, or none. With `copies`, private copies of them go too: the file was
    /// cut.
    pub fn forget<K: Kernel>(&mut self, kernel: &K, file: (u64, u64), pages: Range<u64>, copies: bool) {
        let bytes = pages.start.saturating_mul(PAGE_SIZE as u64)..pages.end.saturating_mul(PAGE_SIZE as u64);
        let of_file = |(start, region): (usize, &Region)| match &region.contents {
            Contents::File(mapping) if mapping.backing.identity() == file => {
                let at = |offset: u64| {
                    start + usize::try_from(offset.saturating_sub(mapping.offset)).unwrap_or(usize::MAX).min(region.end - start)
                };
                Some(at(bytes.start)..at(bytes.end))
            }
            _ => None,
        };
        let ranges: Vec<Range<usize>> = self.regions.iter().filter_map(of_file).filter(|range| !range.is_empty()).collect();
        for range in ranges {
            if copies { self.discard(kernel, range) } else { self.discard_shown(kernel, range) }
        }
    }

    /// mprotect(2) of whole pages.
    ///
    /// # Errors
    /// `ENOMEM`: a part of the range is in no region, or would be more data than the limit allows. `EACCES`: stores are not for a file that it shows.
    /// What comes before it was changed.
    pub fn protect<K: Kernel>(&mut self, kernel: &K, range: Range<usize>, protection: Protection) -> Result<()> {
        // The exokernel is told of several regions at once.
        let mut part = range.start..range.start;
        let mut is_part_shared = false;
        let mut outcome = Ok(());
        while part.end < range.end {
            let rest = part.end..range.end;
            let allowed = if self.is_limited() { self.may_protect_first(&rest, protection) } else { Ok(()) };
            match allowed.and_then(|()| self.regions.protect_first(rest, protection)) {
                Ok((end, is_shared)) => {
                    if is_shared != is_part_shared {
                        self.protect_part(kernel, part.clone(), protection, is_part_shared);
                        (part.start, is_part_shared) = (part.end, is_shared);
                    }
                    part.end = end;
                }
                Err(errno) => {
                    outcome = Err(errno);
                    break;
                }
            }
        }
        self.protect_part(kernel, part, protection, is_part_shared);
        outcome
    }

    /// Give what is there of a part of a region the rights that it is to have.
    fn protect_part<K: Kernel>(&mut self, kernel: &K, part: Range<usize>, protection: Protection, shared: bool) {
        if shared && protection.contains(Protection::WRITE) {
            // Which of the file's frames may be stored to, the next fault asks the file.
            self.discard_shown(kernel, part.clone());
        }
        if self.shown.first_run(part.clone()).is_some() {
            self.protect_shown(kernel, part, protection);
        } else {
            self.protect_own(kernel, part, protection);
        }
    }

    /// [`Memory::protect_part`], where some of it shows files.
    #[inline(never)]
    fn protect_shown<K: Kernel>(&mut self, kernel: &K, part: Range<usize>, protection: Protection) {
        let mut at = part.start;
        // None of the rights is refused: frames of one's own are mapped with all to come, a file's with those of `shown`.
        while let Some(run) = self.shown.first_run(at..part.end) {
            self.protect_own(kernel, at..run.start, protection);
            let _ = kernel.page_protect(run.start, run.len() / PAGE_SIZE, source::shown(protection));
            at = run.end;
        }
        self.protect_own(kernel, at..part.end, protection);
    }

    #[inline(always)]
    fn protect_own<K: Kernel>(&mut self, kernel: &K, range: Range<usize>, protection: Protection) {
        if range.len() != PAGE_SIZE {
            self.protect_runs(kernel, range, protection);
        } else if self.resident.contains(range.start) {
            let _ = kernel.page_protect(range.start, 1, rights(protection));
        }
    }

    #[inline(never)]
    fn protect_runs<K: Kernel>(&mut self, kernel: &K, range: Range<usize>, protection: Protection) {
        self.resident.for_runs(range, |run| {
            let _ = kernel.page_protect(run.start, run.len() / PAGE_SIZE, rights(protection));
        });
    }

    /// Lock or unlock all there is. Gives the ranges.
    pub fn lock_all(&mut self, locked: bool) -> Vec<Range<usize>> {
        let parts: Vec<Range<usize>> = self.regions.iter().map(|(start, region)| start..region.end).collect();
        for part in &parts {
            let _ = self.regions.lock(part.clone(), locked);
        }
        parts
    }

    /// brk(2): move the break to `address` if that can be done; gives where it is.
    pub fn set_break<K: Kernel>(&mut self, kernel: &K, address: usize) -> usize {
        let (Some(old_end), Some(new_end)) = (pages_up(self.heap.end), pages_up(address)) else { return self.heap.end };
        if address < self.heap.start || new_end > PROGRAM_TOP {
            return self.heap.end;
        }
        if new_end > old_end {
            let grown = old_end..new_end;
            let heap = Region::anonymous(new_end, Protection::READ | Protection::WRITE, Label::Heap);
            if self.is_limited() && !self.may_grow(grown.len(), &heap) {
                return self.heap.end;
            }
            // A page is kept free between the heap and what is above, so that one does not run into the other unnoticed.
            if !may_reserve(kernel, grown.len()) || !self.regions.is_free(old_end..new_end.saturating_add(PAGE_SIZE)) {
                return self.heap.end;
            }
            self.regions.insert(old_end, Region { locked: self.lock_future, ..heap });
        } else {
            self.unmap(kernel, new_end..old_end);
        }
        self.heap.end = address;
        address
    }

    /// mremap(2) of whole pages: `old` becomes `length` bytes, in place or (with `target` or `may_move`) elsewhere.
    ///
    /// # Errors
    /// `EFAULT`: `old` is not in one region. `ENOMEM`: no room there and it may not move. Others as [`Memory::map`].
    pub fn remap<K: Kernel>(
        &mut self,
        kernel: &K,
        old: Range<usize>,
        length: usize,
        may_move: bool,
        target: Option<usize>,
    ) -> Result<usize> {
        self.undo_texts(kernel, &old);
        let (start, region) = self.regions.find(old.start).ok_or(Errno::EFAULT)?;
        if region.end < old.end {
            return Err(Errno::EFAULT);
        }
        let mut moved = region.clone();
        if let Contents::File(file) = &mut moved.contents {
            file.offset += (old.start - start) as u64;
        }
        if target.is_none() && length <= old.len() {
            self.unmap(kernel, old.start + length..old.end);
            return Ok(old.start);
        }
        if self.is_limited() && !self.may_grow(length.saturating_sub(old.len()), &moved) {
            return Err(Errno::ENOMEM);
        }
        let grown = old.start.checked_add(length).filter(|&end| end <= PROGRAM_TOP).ok_or(Errno::ENOMEM);
        if target.is_none() && grown.is_ok_and(|end| self.regions.is_free(old.end..end)) {
            moved.end = old.start + length;
            self.regions.insert(old.start, moved);
            return Ok(old.start);
        }
        if target.is_none() && !may_move {
            return Err(Errno::ENOMEM);
        }
        moved.label = Label::None;
        let placement = target.map_or(Placement::Hint(0), Placement::Fixed);
        let to = self.map(kernel, placement, length, moved.clone())?;
        let kept = old.start..old.start + old.len().min(length);
        self.move_frames(kernel, kept, to, moved.protection)?;
        self.unmap(kernel, old);
        Ok(to)
    }

    /// Map the frames of a range at `to` too; the caller unmaps them where they were. What shows a file is left to the next fault.
    fn move_frames<K: Kernel>(&mut self, kernel: &K, from: Range<usize>, to: usize, protection: Protection) -> Result<()> {
        self.discard_shown(kernel, from.clone());
        let mut at = from.start;
        while let Some(run) = self.resident.first_run(at..from.end) {
            at = run.end;
            let target = run.start - from.start + to;
            kernel.page_map(target, run.start, run.len() / PAGE_SIZE, rights(protection))?;
            self.resident.insert(target..target + run.len());
        }
        Ok(())
    }

    /// Whether the page at an address can be had without a frame being filled: mincore(2).
    #[must_use]
    pub fn is_in_memory(&self, page: usize) -> bool {
        let of_file = |(start, region): (usize, &Region)| match &region.contents {
            Contents::File(file) => file.backing.is_present((file.offset + (page - start) as u64) / PAGE_SIZE as u64),
            Contents::Anonymous => false,
        };
        self.resident.contains(page) || self.regions.find(page).is_some_and(of_file)
    }

    fn is_limited(&self) -> bool {
        self.size_limit != usize::MAX || self.data_limit != usize::MAX
    }

    /// Whether the limits allow so many bytes more that are like a region.
    fn may_grow(&self, bytes: usize, like: &Region) -> bool {
        let is_data = |region: &Region| !region.shared && region.protection.contains(Protection::WRITE) && region.label != Label::Stack;
        let data = || self.regions.iter().filter(|(_, region)| is_data(region)).map(|(start, region)| region.end - start).sum::<usize>();
        self.size().saturating_add(bytes) <= self.size_limit && (!is_data(like) || data().saturating_add(bytes) <= self.data_limit)
    }

    /// Whether the limits allow the part of a range that is in its first region to be protected like this: it may become data by that.
    ///
    /// # Errors
    /// `ENOMEM`: they do not.
    #[cold]
    fn may_protect_first(&self, range: &Range<usize>, protection: Protection) -> Result<()> {
        let Some((_, region)) = self.regions.find(range.start) else { return Ok(()) };
        let bytes = region.end.min(range.end) - range.start;
        let changed = Region { protection, ..region.clone() };
        // What is refused to both is for the size's sake, which stays what it is.
        let is_refused = region.may_become(protection) && !self.may_grow(bytes, &changed) && self.may_grow(bytes, region);
        if is_refused { Err(Errno::ENOMEM) } else { Ok(()) }
    }

    /// Bytes of a range that are in use.
    fn bytes_in(&self, range: Range<usize>) -> usize {
        let overlap = |(start, region): (usize, &Region)| region.end.min(range.end).saturating_sub(start.max(range.start));
        self.regions.iter().map(overlap).sum()
    }

    /// Bytes of address space in use.
    #[must_use]
    pub fn size(&self) -> usize {
        self.regions.bytes()
    }
}

/// The rights of a page of a region. Writable and executable at once is not to be had: such a page starts writable, and a fetch from
/// it makes it executable until the next store (`fault`).
#[must_use]
pub fn rights(protection: Protection) -> Rights {
    let current = if protection.contains(Protection::WRITE) {
        Rights::READ | Rights::WRITE
    } else if protection.contains(Protection::EXECUTE) {
        Rights::READ | Rights::EXECUTE
    } else if protection.contains(Protection::READ) {
        Rights::READ
    } else {
        Rights::empty()
    };
    current | Rights::MAY_ALL
}
