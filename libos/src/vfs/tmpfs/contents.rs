//! A regular file's contents: pages over an optional image.
//!
//! A file of the initramfs is not copied: its bytes stay where the boot image has them, and only pages that are written get storage of
//! their own. Either way a page is a frame that mappings show too ([`Contents::frames`]): what is read, written and mapped is the same
//! memory. A page is an [`Arc`], so that who copies out of it or into it holds it without holding the lock: the copy may fault, and the fault
//! may need a page of this very file (see `user`).

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::ops::Range;

use abi::PAGE_SIZE;
use spin::Mutex;

use crate::errno::{Errno, Result};
use crate::file::transfer::moved;
use crate::file::{Input, Output, Place, Seek};
use crate::memory::backing::{Frames, Purpose};
use crate::pool::{Page, Pool};
use crate::vfs::seals::Seals;
use crate::vfs::world::World;

/// Past this no file grows (`MAX_LFS_FILESIZE`).
pub const SIZE_MAX: u64 = i64::MAX as u64;
/// Free frames that files leave to the rest of the process.
const RESERVE: usize = 64;
const PAGE: u64 = PAGE_SIZE as u64;

/// The bytes of a regular file.
pub struct Contents {
    pool: Arc<Pool>,
    state: Mutex<State>,
}

struct State {
    size: u64,
    /// What shows where there is no page; zeros show past its end.
    image: &'static [u8],
    /// What was prepared for executable mappings of the image.
    overlay: Option<&'static [u8]>,
    /// Pages with storage of their own. What they hold behind the end of the contents is zeros.
    pages: BTreeMap<u64, Arc<Page>>,
    /// Whether mappings may show frames of it.
    mapped: bool,
    /// What they show no longer: see [`Contents::take_moved`].
    moved: Moved,
    /// What may not happen any more.
    seals: Seals,
}

/// Pages whose frames are not the file's any more.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Moved {
    /// The pages: these and maybe some others.
    pub pages: Range<u64>,
    /// Whether they are cut off, so that not even private copies of them stay mapped.
    pub cut: bool,
}

/// What stands at an offset.
enum Piece {
    End,
    Page(Arc<Page>, usize, usize),
    Image(&'static [u8]),
    Zeros(usize),
}

fn split(offset: u64) -> (u64, usize) {
    (offset / PAGE_SIZE as u64, (offset % PAGE_SIZE as u64) as usize)
}

impl State {
    fn new(image: &'static [u8]) -> State {
        State {
            size: image.len() as u64,
            image,
            overlay: None,
            pages: BTreeMap::new(),
            mapped: false,
            moved: Moved::default(),
            seals: Seals::SEAL,
        }
    }

    /// Check that none of these seals is there.
    fn check_open(&self, seals: Seals) -> Result<()> {
        if self.seals.intersects(seals) { Err(Errno::EPERM) } else { Ok(()) }
    }

    /// Check that bytes up to an end may be written.
    fn check_write(&self, end: u64) -> Result<()> {
        self.check_open(if end > self.size { Seals::WRITES | Seals::GROW } else { Seals::WRITES })
    }

    fn piece(&self, offset: u64) -> Piece {
        if offset >= self.size {
            return Piece::End;
        }
        let (index, within) = split(offset);
        let next = self.pages.range(index..).next();
        if let Some((&at, page)) = next
            && at == index
        {
            let end = (self.size - index * PAGE).min(PAGE) as usize;
            return Piece::Page(page.clone(), within, end);
        }
        let end = next.map_or(self.size, |(&at, _)| (at * PAGE_SIZE as u64).min(self.size));
        let image_end = end.min(self.image.len() as u64);
        if offset < image_end {
            return Piece::Image(&self.image[offset as usize..image_end as usize]);
        }
        Piece::Zeros(usize::try_from(end - offset).unwrap_or(usize::MAX))
    }

    /// How many pages of the image can be mapped as they are: whole ones, if it lies in memory as a file does.
    fn image_frames(&self) -> u64 {
        if self.image.as_ptr().addr().is_multiple_of(PAGE_SIZE) { self.image.len() as u64 / PAGE } else { 0 }
    }

    /// The page at an index, with storage of its own.
    fn own(&mut self, pool: &Arc<Pool>, index: u64) -> Result<Arc<Page>> {
        if let Some(page) = self.pages.get(&index) {
            return Ok(page.clone());
        }
        let page = pool.page()?;
        let start = usize::try_from(index * PAGE).unwrap_or(usize::MAX).min(self.image.len());
        let end = (start + PAGE_SIZE).min(self.image.len());
        page.copy_from(0, &self.image[start..end]);
        self.pages.insert(index, page.clone());
        // Frames of the image are shown of whole pages only.
        if index < self.image_frames() {
            self.note_moved(index..index + 1, false);
        }
        Ok(page)
    }

    fn note_moved(&mut self, pages: Range<u64>, cut: bool) {
        if !self.mapped || pages.is_empty() {
            return;
        }
        let known = &mut self.moved;
        known.pages = if known.pages.is_empty() { pages } else { known.pages.start.min(pages.start)..known.pages.end.max(pages.end) };
        known.cut |= cut;
    }

    /// Make a range zeros, giving whole pages back.
    fn clear(&mut self, pool: &Arc<Pool>, from: u64, to: u64) -> Result<()> {
        let (first, last) = (from.div_ceil(PAGE), to / PAGE);
        if first > last {
            return self.clear_within(pool, from, to);
        }
        self.clear_within(pool, from, first * PAGE)?;
        self.clear_within(pool, last * PAGE, to)?;
        let mut behind = self.pages.split_off(&first);
        self.pages.append(&mut behind.split_off(&last));
        self.note_moved(first..last, false);
        // Where the image would show again, zeros must hide it.
        for index in first..last.min((self.image.len() as u64).div_ceil(PAGE)) {
            self.pages.insert(index, pool.page()?);
        }
        Ok(())
    }

    /// Make a range inside one page zeros.
    fn clear_within(&mut self, pool: &Arc<Pool>, from: u64, to: u64) -> Result<()> {
        let (index, within) = split(from);
        let shows_image = from - (within as u64) < self.image.len() as u64;
        if from < to && (shows_image || self.pages.contains_key(&index)) {
            self.own(pool, index)?.clear(within..within + (to - from) as usize);
        }
        Ok(())
    }
}

impl Contents {
    /// Contents that show an image until they are written, and get pages from a pool.
    #[must_use]
    pub fn new(pool: &Arc<Pool>, image: &'static [u8]) -> Self {
        Contents { pool: pool.clone(), state: Mutex::new(State::new(image)) }
    }

    /// Show an image in place of what is there. Nothing is mapped yet.
    pub fn show(&self, image: &'static [u8]) {
        *self.state.lock() = State::new(image);
    }

    /// Attach what was prepared for executable mappings of the image.
    pub fn attach(&self, overlay: &'static [u8]) {
        self.state.lock().overlay = Some(overlay);
    }

    /// What was prepared for executable mappings, as long as the image is what the file holds.
    #[must_use]
    pub fn overlay(&self) -> Option<&'static [u8]> {
        self.state.lock().overlay
    }

    /// What may not happen any more.
    #[must_use]
    pub fn seals(&self) -> Seals {
        self.state.lock().seals
    }

    /// Let it be sealed: there was no seal so far.
    pub fn unseal(&self) {
        self.state.lock().seals = Seals::empty();
    }

    /// Add seals.
    ///
    /// # Errors
    /// `EPERM`: there are to be no more.
    pub fn seal(&self, more: Seals) -> Result<()> {
        let mut state = self.state.lock();
        state.check_open(Seals::SEAL)?;
        state.seals |= more;
        Ok(())
    }

    /// Have other frames for all pages that somebody may have mapped, so that nobody stores to the file through what was mapped before.
    ///
    /// # Errors
    /// `ENOSPC`: there are no frames. Some pages have other ones.
    pub fn renew(&self, is_mapped: &dyn Fn(&Page) -> bool) -> Result<()> {
        let mut state = self.state.lock();
        if !state.mapped {
            return Ok(());
        }
        let shared: Vec<u64> = state.pages.iter().filter(|(_, page)| is_mapped(page)).map(|(&index, _)| index).collect();
        for index in shared {
            let fresh = self.pool.page()?;
            if let Some(old) = state.pages.get(&index) {
                fresh.copy_page(old);
            }
            state.pages.insert(index, fresh);
            state.note_moved(index..index + 1, false);
        }
        Ok(())
    }

    /// The pages whose frames have not been the file's since this was last asked: mappings of them are to go.
    #[must_use]
    pub fn take_moved(&self) -> Moved {
        core::mem::take(&mut self.state.lock().moved)
    }

    /// The frames of pages that a mapping shows: see [`Backing::frames`](crate::memory::backing::Backing::frames).
    ///
    /// # Errors
    /// `ENOSPC`: there is no frame for a page that needs one.
    pub fn frames(&self, page: u64, most: usize, purpose: Purpose) -> Result<Option<Frames>> {
        let mut state = self.state.lock();
        if purpose == Purpose::Stored {
            state.check_open(Seals::WRITE)?;
        }
        state.mapped = true;
        let image_pages = state.image_frames();
        if !state.pages.contains_key(&page) {
            if page < image_pages && purpose != Purpose::Stored {
                let next = state.pages.range(page..).next().map_or(image_pages, |(&next, _)| next.min(image_pages));
                let address = state.image.as_ptr().addr() + page as usize * PAGE_SIZE;
                let pages = most.min((next - page) as usize);
                return Ok(Some(Frames { address, pages, writable: false, moved: 0..0 }));
            }
            if purpose == Purpose::Private && page * PAGE < state.image.len() as u64 {
                return Ok(None);
            }
        }
        if purpose == Purpose::Stored {
            state.overlay = None;
        }
        let first = state.own(&self.pool, page)?.address();
        let follows =
            |(index, known): (usize, (&u64, &Arc<Page>))| *known.0 == page + index as u64 && known.1.address() == first + index * PAGE_SIZE;
        let pages = state.pages.range(page..).enumerate().take(most).take_while(|&known| follows(known)).count();
        // Who cut the file lets go of what was cut.
        let moved = if state.moved.cut { page..page + 1 } else { core::mem::take(&mut state.moved).pages };
        Ok(Some(Frames { address: first, pages, writable: true, moved }))
    }

    /// Whether a page is no hole.
    #[must_use]
    pub fn is_present(&self, page: u64) -> bool {
        let state = self.state.lock();
        state.pages.contains_key(&page) || page.saturating_mul(PAGE) < state.image.len() as u64
    }

    /// Bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.state.lock().size
    }

    /// Pages that are no holes: those that the image shows, and those with storage of their own behind it.
    #[must_use]
    pub fn pages(&self) -> usize {
        let state = self.state.lock();
        let shown = state.image.len().div_ceil(PAGE_SIZE);
        let hiding = if shown == 0 { 0 } else { state.pages.range(..shown as u64).count() };
        shown + state.pages.len() - hiding
    }

    /// Pages with storage of their own.
    #[must_use]
    pub fn stored(&self) -> usize {
        self.state.lock().pages.len()
    }

    /// Copy out from `offset` on.
    ///
    /// # Errors
    /// `EFAULT`: nothing could be copied.
    pub fn read(&self, output: &mut Output, offset: u64) -> Result<usize> {
        let before = output.done();
        let mut outcome = Ok(());
        while output.room() > 0 {
            let piece = self.state.lock().piece(offset + (output.done() - before) as u64);
            let put = match piece {
                Piece::End => break,
                Piece::Page(page, from, to) => page.put(output, from..to),
                Piece::Image(bytes) => output.put(bytes),
                Piece::Zeros(count) => output.put_zeros(count),
            };
            if let Err(error) = put {
                outcome = Err(error);
                break;
            }
        }
        moved(output.done() - before, outcome)
    }

    /// Copy in; gives how many bytes, and the offset behind them.
    ///
    /// # Errors
    /// `EFAULT`, `ENOSPC`, `EFBIG`: nothing could be copied, for that reason.
    pub fn write(&self, world: &dyn World, input: &mut Input, place: Place) -> Result<(usize, u64)> {
        let start = match place {
            Place::At(offset) => offset,
            Place::End => self.size(),
        };
        let before = input.done();
        let mut at = start;
        let mut outcome = Ok(());
        while input.left() > 0 {
            match self.write_piece(world, input, at) {
                Ok(count) => at += count as u64,
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        moved(input.done() - before, outcome).map(|_| ((at - start) as usize, at))
    }

    /// Copy in what fits into one page.
    fn write_piece(&self, world: &dyn World, input: &mut Input, offset: u64) -> Result<usize> {
        let (index, within) = split(offset);
        let count = input.left().min(PAGE_SIZE - within);
        if offset.checked_add(count as u64).is_none_or(|end| end > SIZE_MAX) {
            return Err(Errno::EFBIG);
        }
        self.state.lock().check_write(offset + count as u64)?;
        if world.frames().0 < RESERVE {
            return Err(Errno::ENOSPC);
        }
        let page = {
            let mut state = self.state.lock();
            state.overlay = None;
            state.own(&self.pool, index)?
        };
        let before = input.done();
        let outcome = page.take(input, within..within + count);
        let taken = input.done() - before;
        let mut state = self.state.lock();
        if taken > 0 {
            state.size = state.size.max(offset + taken as u64);
        }
        if taken < count {
            // What is behind the fault must not stay behind the contents' end.
            let end = state.size.saturating_sub(index * PAGE).min(PAGE) as usize;
            page.clear(end.clamp(within + taken, within + count)..within + count);
        }
        moved(taken, outcome)
    }

    /// Set the size; what is cut off comes back as zeros.
    ///
    /// # Errors
    /// `EFBIG`: too large. `EPERM`: it is sealed against that.
    pub fn truncate(&self, size: u64) -> Result<()> {
        if size > SIZE_MAX {
            return Err(Errno::EFBIG);
        }
        let mut state = self.state.lock();
        match size.cmp(&state.size) {
            Ordering::Less => state.check_open(Seals::SHRINK)?,
            Ordering::Equal => {}
            Ordering::Greater => state.check_open(Seals::GROW)?,
        }
        state.overlay = None;
        if size < state.size {
            let (index, within) = split(size);
            let first = index + u64::from(within > 0);
            let end = state.size.div_ceil(PAGE);
            let cut = usize::try_from(size).unwrap_or(usize::MAX).min(state.image.len());
            // What mappings show behind the end are zeros: a frame of the image holds more than that.
            if within > 0 && (state.pages.contains_key(&index) || state.mapped && index < state.image_frames()) {
                state.own(&self.pool, index)?.clear(within..PAGE_SIZE);
            }
            if cut < state.image.len() {
                state.image = &state.image[..cut];
            }
            drop(state.pages.split_off(&first));
            state.note_moved(first..end, true);
        }
        state.size = size;
        Ok(())
    }

    /// Give a range storage: fallocate(2) without a mode. With `keep` the size stays.
    ///
    /// # Errors
    /// `EFBIG`: too large. `EPERM`: it is sealed against growing, whether its size stays or not. `ENOSPC`: no room for it.
    pub fn reserve(&self, world: &dyn World, offset: u64, length: u64, keep: bool) -> Result<()> {
        let end = offset.checked_add(length).filter(|&end| end <= SIZE_MAX).ok_or(Errno::EFBIG)?;
        if end > self.size() {
            self.state.lock().check_open(Seals::GROW)?;
        }
        if length / PAGE_SIZE as u64 > world.frames().0.saturating_sub(RESERVE) as u64 {
            return Err(Errno::ENOSPC);
        }
        let mut state = self.state.lock();
        let shown = state.image.len().div_ceil(PAGE_SIZE) as u64;
        let mut made = Vec::new();
        for index in shown.max(offset / PAGE)..end.div_ceil(PAGE) {
            if state.pages.contains_key(&index) {
                continue;
            }
            // All of it or nothing.
            if let Err(errno) = state.own(&self.pool, index) {
                made.iter().for_each(|index| drop(state.pages.remove(index)));
                return Err(errno);
            }
            made.push(index);
        }
        if !keep {
            state.size = state.size.max(end);
        }
        Ok(())
    }

    /// Make a range zeros (`FALLOC_FL_PUNCH_HOLE`, `FALLOC_FL_ZERO_RANGE`).
    ///
    /// # Errors
    /// `EPERM`: it is sealed against writes. `ENOSPC`: there is no frame for zeros that hide the image.
    pub fn punch(&self, offset: u64, length: u64) -> Result<()> {
        let mut state = self.state.lock();
        state.check_open(Seals::WRITES)?;
        let end = offset.saturating_add(length).min(state.size);
        state.overlay = None;
        if offset < end { state.clear(&self.pool, offset, end) } else { Ok(()) }
    }

    /// The next data or hole from `offset` on.
    ///
    /// # Errors
    /// `ENXIO`: past the end, or no more data.
    pub fn seek(&self, offset: u64, what: Seek) -> Result<u64> {
        let state = self.state.lock();
        let mut at = offset;
        loop {
            let (hole, length) = match state.piece(at) {
                // The end is a hole, but not one to start from.
                Piece::End if what == Seek::Hole && at > offset => return Ok(state.size),
                Piece::End => return Err(Errno::ENXIO),
                Piece::Zeros(count) => (true, count),
                Piece::Page(_, from, to) => (false, to - from),
                Piece::Image(bytes) => (false, bytes.len()),
            };
            if hole == (what == Seek::Hole) {
                return Ok(at);
            }
            at += length as u64;
        }
    }

    /// All of it, for what is read as a whole.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = alloc::vec![0; self.size() as usize];
        let count = self.read(&mut Output::own(&mut bytes), 0).unwrap_or(0);
        bytes.truncate(count);
        bytes
    }
}
