//! A regular file's contents: pages over an optional image.
//!
//! A file of the initramfs is not copied: its bytes stay where the boot image has them, and only pages that are written get storage of
//! their own. A page is an [`Arc`], so that a reader holds what it copies out of without holding the lock: its copy may fault, and the
//! fault may need a page of this very file (see `user`). A writer that meets such a reader writes to a copy.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::PAGE_SIZE;
use spin::Mutex;

use crate::errno::{Errno, Result};
use crate::file::transfer::moved;
use crate::file::{Input, Output, Place, Seek};
use crate::vfs::world::World;

/// Past this no file grows (`MAX_LFS_FILESIZE`).
pub const SIZE_MAX: u64 = i64::MAX as u64;
/// Free frames that files leave to the rest of the process.
const RESERVE: usize = 64;
/// Shorter writes pass through a buffer of this size, longer ones through one of a page's.
const SHORT: usize = 256;

#[derive(Clone)]
struct Page([u8; PAGE_SIZE]);

impl Page {
    const ZERO: Page = Page([0; PAGE_SIZE]);
}

/// The bytes of a regular file.
pub struct Contents {
    state: Mutex<State>,
}

struct State {
    size: u64,
    /// What shows where there is no page; zeros show past its end.
    image: &'static [u8],
    pages: BTreeMap<u64, Arc<Page>>,
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
    fn piece(&self, offset: u64) -> Piece {
        if offset >= self.size {
            return Piece::End;
        }
        let (index, within) = split(offset);
        let next = self.pages.range(index..).next();
        if let Some((&at, page)) = next
            && at == index
        {
            let end = (self.size - index * PAGE_SIZE as u64).min(PAGE_SIZE as u64) as usize;
            return Piece::Page(page.clone(), within, end);
        }
        let end = next.map_or(self.size, |(&at, _)| (at * PAGE_SIZE as u64).min(self.size));
        let image_end = end.min(self.image.len() as u64);
        if offset < image_end {
            return Piece::Image(&self.image[offset as usize..image_end as usize]);
        }
        Piece::Zeros(usize::try_from(end - offset).unwrap_or(usize::MAX))
    }

    /// The page at an index, as it looks without storage of its own.
    fn base(&self, index: u64) -> Arc<Page> {
        let mut page = Page::ZERO;
        let start = usize::try_from(index * PAGE_SIZE as u64).unwrap_or(usize::MAX).min(self.image.len());
        let end = (start + PAGE_SIZE).min(self.image.len());
        page.0[..end - start].copy_from_slice(&self.image[start..end]);
        Arc::new(page)
    }

    /// The page at an index, to be written to.
    fn page_mut(&mut self, index: u64) -> &mut Page {
        if !self.pages.contains_key(&index) {
            let page = self.base(index);
            self.pages.insert(index, page);
        }
        Arc::make_mut(self.pages.get_mut(&index).expect("inserted above"))
    }

    /// Make a range zeros, giving whole pages back.
    fn clear(&mut self, from: u64, to: u64) {
        const PAGE: u64 = PAGE_SIZE as u64;
        let (first, last) = (from.div_ceil(PAGE), to / PAGE);
        if first > last {
            return self.clear_within(from, to);
        }
        self.clear_within(from, first * PAGE);
        self.clear_within(last * PAGE, to);
        let mut behind = self.pages.split_off(&first);
        self.pages.append(&mut behind.split_off(&last));
        // Where the image would show again, zeros must hide it.
        for index in first..last.min((self.image.len() as u64).div_ceil(PAGE)) {
            self.pages.insert(index, Arc::new(Page::ZERO));
        }
    }

    /// Make a range inside one page zeros.
    fn clear_within(&mut self, from: u64, to: u64) {
        let (index, within) = split(from);
        let shows_image = from - (within as u64) < self.image.len() as u64;
        if from < to && (shows_image || self.pages.contains_key(&index)) {
            self.page_mut(index).0[within..within + (to - from) as usize].fill(0);
        }
    }
}

impl Contents {
    /// Contents that show an image until they are written.
    #[must_use]
    pub fn new(image: &'static [u8]) -> Self {
        Contents { state: Mutex::new(State { size: image.len() as u64, image, pages: BTreeMap::new() }) }
    }

    /// Show an image in place of what is there.
    pub fn show(&self, image: &'static [u8]) {
        *self.state.lock() = State { size: image.len() as u64, image, pages: BTreeMap::new() };
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
        shown + state.pages.range(shown as u64..).count()
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
                Piece::Page(page, from, to) => output.put(&page.0[from..to]),
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
        if world.frames().0 < RESERVE {
            return Err(Errno::ENOSPC);
        }
        if count == PAGE_SIZE {
            let mut page = Arc::new(Page::ZERO);
            input.take_exactly(&mut Arc::make_mut(&mut page).0)?;
            self.state.lock().pages.insert(index, page);
        } else if count <= SHORT {
            self.store(index, within, input, &mut [0; SHORT][..count])?;
        } else {
            self.store(index, within, input, &mut [0; PAGE_SIZE][..count])?;
        }
        let mut state = self.state.lock();
        state.size = state.size.max(offset + count as u64);
        Ok(count)
    }

    fn store(&self, index: u64, within: usize, input: &mut Input, buffer: &mut [u8]) -> Result<()> {
        input.take_exactly(buffer)?;
        self.state.lock().page_mut(index).0[within..within + buffer.len()].copy_from_slice(buffer);
        Ok(())
    }

    /// Set the size; what is cut off comes back as zeros.
    ///
    /// # Errors
    /// `EFBIG`: too large.
    pub fn truncate(&self, size: u64) -> Result<()> {
        if size > SIZE_MAX {
            return Err(Errno::EFBIG);
        }
        let mut state = self.state.lock();
        if size < state.size {
            state.image = &state.image[..state.image.len().min(usize::try_from(size).unwrap_or(usize::MAX))];
            let (index, within) = split(size);
            drop(state.pages.split_off(&(index + u64::from(within > 0))));
            if within > 0 && state.pages.contains_key(&index) {
                state.page_mut(index).0[within..].fill(0);
            }
        }
        state.size = size;
        Ok(())
    }

    /// Give a range storage: fallocate(2) without a mode. With `keep` the size stays.
    ///
    /// # Errors
    /// `EFBIG`: too large. `ENOSPC`: no room for it.
    pub fn reserve(&self, world: &dyn World, offset: u64, length: u64, keep: bool) -> Result<()> {
        let end = offset.checked_add(length).filter(|&end| end <= SIZE_MAX).ok_or(Errno::EFBIG)?;
        if length / PAGE_SIZE as u64 > world.frames().0.saturating_sub(RESERVE) as u64 {
            return Err(Errno::ENOSPC);
        }
        let mut state = self.state.lock();
        let shown = state.image.len().div_ceil(PAGE_SIZE) as u64;
        for index in shown.max(offset / PAGE_SIZE as u64)..end.div_ceil(PAGE_SIZE as u64) {
            state.pages.entry(index).or_insert_with(|| Arc::new(Page::ZERO));
        }
        if !keep {
            state.size = state.size.max(end);
        }
        Ok(())
    }

    /// Make a range zeros (`FALLOC_FL_PUNCH_HOLE`, `FALLOC_FL_ZERO_RANGE`).
    pub fn punch(&self, offset: u64, length: u64) {
        let mut state = self.state.lock();
        let end = offset.saturating_add(length).min(state.size);
        if offset < end {
            state.clear(offset, end);
        }
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
