//! The open file description: a file, its offset, its status flags.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use linux_raw_sys::general::{O_APPEND, O_NONBLOCK, O_PATH, SEEK_CUR, SEEK_DATA, SEEK_END, SEEK_HOLE, SEEK_SET};
use spin::{Mutex, Once};

use crate::errno::{Errno, Result};
use crate::file::{Access, Blocking, File, Input, Output, Place, Plain, Seek, Seeking};
use crate::user::{UserMemory, ZEROS};
use crate::vfs::node::Entry;
use crate::vfs::world::World;

/// Flags of open(2) that fcntl(2) may change later.
const CHANGEABLE: u32 = O_APPEND | O_NONBLOCK | linux_raw_sys::general::O_DIRECT | linux_raw_sys::general::O_NOATIME;

/// An open file description.
pub struct Description {
    /// What it was opened by.
    pub entry: Arc<Entry>,
    file: Arc<dyn File>,
    access: Access,
    seeking: Seeking,
    /// What reads and writes take no more than a copy.
    plain_reads: Plain,
    plain_writes: Plain,
    own: Common,
    /// What was asked about signals, of a file that only the process has.
    notice: Mutex<OwnNotice>,
    /// What other processes have of it too, once there are such.
    common: Once<Arc<dyn CommonPage>>,
}

/// What changes of a description, wherever it is used.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Common {
    offset: AtomicU64,
    flags: AtomicU32,
}

/// Who is to be told of it by signals, and by which: kind and id, number.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnNotice {
    /// Kind and id of who is told.
    pub owner: (u32, u32),
    /// The signal; 0: `SIGIO`.
    pub signal: u32,
}

/// Where several processes have it.
pub trait CommonPage: Send + Sync {
    /// What is there. Whoever shares it may write anything there, which is no more than seek and set flags.
    fn common(&self) -> &Common;
}

/// What `O_PATH` opens: a place in the tree, without contents.
struct PathOnly;
impl File for PathOnly {}

impl Description {
    /// Open a file with open(2)'s flags.
    #[must_use]
    pub fn new(entry: Arc<Entry>, file: Arc<dyn File>, access: Access, flags: u32) -> Arc<Description> {
        let own = Common { offset: AtomicU64::new(0), flags: AtomicU32::new(flags) };
        let (seeking, plain) = (file.seeking(), file.plain());
        let of = |wanted| if access.contains(wanted) { plain } else { Plain::Nothing };
        let (plain_reads, plain_writes) = (of(Access::READ), of(Access::WRITE));
        let notice = Mutex::default();
        Arc::new(Description { entry, file, access, seeking, plain_reads, plain_writes, own, notice, common: Once::new() })
    }

    /// Hold a place in the tree (`O_PATH`).
    #[must_use]
    pub fn path_only(entry: Arc<Entry>, flags: u32) -> Arc<Description> {
        Self::new(entry, Arc::new(PathOnly), Access::empty(), flags)
    }

    #[inline(always)]
    fn words(&self) -> &Common {
        self.common.get().map_or(&self.own, |page| page.common())
    }

    /// Whether other processes may move the offset too.
    #[inline(always)]
    fn is_common(&self) -> bool {
        self.common.get().is_some()
    }

    /// Let other processes have it too: offset and flags move to a page that they share.
    ///
    /// # Errors
    /// `ENOMEM`: there is no memory for the page.
    pub fn share(&self, page: impl FnOnce() -> Result<Arc<dyn CommonPage>>) -> Result<()> {
        if self.is_common() {
            return Ok(());
        }
        let page = page()?;
        page.common().offset.store(self.offset(), Ordering::Relaxed);
        page.common().flags.store(self.flags(), Ordering::Relaxed);
        self.common.call_once(|| page);
        Ok(())
    }

    /// Put the offset where a transfer ended, if nobody else moved it meanwhile.
    fn settle(&self, reserved: u64, end: u64) {
        let _ = self.words().offset.compare_exchange(reserved, end, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// open(2)'s flags, those that only mattered at the opening left out.
    #[must_use]
    pub fn flags(&self) -> u32 {
        self.words().flags.load(Ordering::Relaxed)
    }

    /// Set the flags that fcntl(2) may set.
    pub fn set_flags(&self, flags: u32) {
        self.words().flags.store(self.flags() & !CHANGEABLE | flags & CHANGEABLE, Ordering::Relaxed);
    }

    /// Note whether somebody is told by signals of what happens to the file (`O_ASYNC`).
    pub fn set_async(&self, on: bool) {
        const ASYNC: u32 = crate::syscall::owner::ASYNC;
        self.words().flags.store(self.flags() & !ASYNC | if on { ASYNC } else { 0 }, Ordering::Relaxed);
    }

    /// What was asked about signals, of a file that only the process has.
    #[must_use]
    pub fn own_notice(&self) -> OwnNotice {
        *self.notice.lock()
    }

    /// Ask for something else.
    pub fn change_own_notice(&self, change: impl FnOnce(&mut OwnNotice)) {
        change(&mut self.notice.lock());
    }

    /// Whether it only holds a place (`O_PATH`).
    #[must_use]
    pub fn is_path_only(&self) -> bool {
        self.flags() & O_PATH != 0
    }

    /// The file.
    ///
    /// # Errors
    /// `EBADF`: it only holds a place.
    pub fn file(&self) -> Result<&Arc<dyn File>> {
        if self.is_path_only() { Err(Errno::EBADF) } else { Ok(&self.file) }
    }

    /// What it was opened for.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }

    /// The file, if it was opened for that.
    ///
    /// # Errors
    /// `EBADF`: it was not.
    pub fn file_for(&self, access: Access) -> Result<&Arc<dyn File>> {
        if self.access.contains(access) { Ok(&self.file) } else { Err(Errno::EBADF) }
    }

    /// Whether an operation may sleep (`O_NONBLOCK`).
    #[must_use]
    pub fn blocking(&self) -> Blocking {
        if self.flags() & O_NONBLOCK != 0 { Blocking::Refused } else { Blocking::Allowed }
    }

    /// read(2) into one stretch, if that takes nothing but a copy.
    #[inline(always)]
    pub fn read_plain<U: UserMemory>(&self, memory: &U, address: usize, length: usize) -> Option<usize> {
        if self.plain_reads == Plain::Zero { put_zeros(memory, address, length) } else { self.read_contents(memory, address, length) }
    }

    /// [`Description::read_plain`], of a file that may have contents.
    #[inline(never)]
    fn read_contents(&self, memory: &dyn UserMemory, address: usize, length: usize) -> Option<usize> {
        match self.plain_reads {
            Plain::Contents if !self.is_common() => {}
            Plain::Null => return Some(0),
            _ => return None,
        }
        let offset = self.own.offset.load(Ordering::Relaxed);
        let count = self.file.read_plain(memory, address, length, offset)?;
        self.own.offset.store(offset + count as u64, Ordering::Relaxed);
        Some(count)
    }

    /// pread(2) into one stretch, if that takes nothing but a copy.
    #[inline(always)]
    pub fn read_plain_at<U: UserMemory>(&self, memory: &U, address: usize, length: usize, offset: i64) -> Option<usize> {
        let is_plain = self.plain_reads == Plain::Contents && offset >= 0;
        if is_plain { self.file.read_plain(memory, address, length, offset as u64) } else { None }
    }

    /// write(2) of one stretch, if nobody looks at it, or it takes nothing but a copy.
    #[inline(always)]
    pub fn write_plain<W: World>(&self, world: &W, address: usize, length: usize) -> Option<usize> {
        match self.plain_writes {
            Plain::Null | Plain::Zero => Some(length),
            Plain::Ring => self.file.write_plain(world, address, length, 0),
            Plain::Contents => self.write_contents(world, address, length),
            Plain::Nothing => None,
        }
    }

    /// [`Description::write_plain`], of a file that has contents.
    #[inline(never)]
    fn write_contents(&self, world: &dyn World, address: usize, length: usize) -> Option<usize> {
        if self.is_common() {
            return None;
        }
        let offset = self.own.offset.load(Ordering::Relaxed);
        let count = self.write_plain_at(world, address, length, offset as i64)?;
        self.own.offset.store(offset + count as u64, Ordering::Relaxed);
        Some(count)
    }

    /// pwrite(2) of one stretch into contents, if it takes nothing but a copy.
    pub fn write_plain_at(&self, world: &dyn World, address: usize, length: usize, offset: i64) -> Option<usize> {
        let is_plain = self.plain_writes == Plain::Contents && offset >= 0 && self.flags() & O_APPEND == 0;
        if is_plain && world.file_size_limit() == u64::MAX { self.file.write_plain(world, address, length, offset as u64) } else { None }
    }

    /// lseek(2) that sets or moves an offset which only this process has.
    #[inline(always)]
    pub fn seek_plain(&self, offset: i64, whence: u32) -> Option<usize> {
        let is_plain = self.seeking == Seeking::Contents && !self.is_common();
        let target = match whence {
            SEEK_SET if is_plain => offset,
            SEEK_CUR if is_plain => (self.own.offset.load(Ordering::Relaxed) as i64).checked_add(offset)?,
            _ => return None,
        };
        let target = u64::try_from(target).ok()?;
        self.own.offset.store(target, Ordering::Relaxed);
        Some(target as usize)
    }

    /// read(2), at the offset, which moves.
    ///
    /// # Errors
    /// `EBADF`: not open for reading. Others are the file's.
    pub fn read(&self, world: &dyn World, output: &mut Output) -> Result<usize> {
        let file = self.file_for(Access::READ)?;
        if !self.seeking.has_places() {
            return file.read(world, output, 0, self.blocking());
        }
        if self.is_common() {
            return self.read_common(file, world, output);
        }
        let offset = self.offset();
        let count = file.read(world, output, offset, self.blocking())?;
        self.set_offset(offset + count as u64);
        Ok(count)
    }

    /// [`Description::read`] that does not wait (`RWF_NOWAIT`).
    ///
    /// # Errors
    /// `EAGAIN`: it would have to. Others as there.
    pub fn read_now(&self, world: &dyn World, output: &mut Output) -> Result<usize> {
        if self.seeking.has_places() {
            return self.read(world, output);
        }
        self.file_for(Access::READ)?.read(world, output, 0, Blocking::Refused)
    }

    /// [`Description::write`] that does not wait (`RWF_NOWAIT`).
    ///
    /// # Errors
    /// `EAGAIN`: it would have to. Others as there.
    pub fn write_now(&self, world: &dyn World, input: &mut Input) -> Result<usize> {
        if self.seeking.has_places() {
            return self.write(world, input);
        }
        self.file_for(Access::WRITE)?.write(world, input, Place::At(0), Blocking::Refused).map(|(count, _)| count)
    }

    /// Read where other processes may, too: nobody gets bytes that another gets.
    fn read_common(&self, file: &Arc<dyn File>, world: &dyn World, output: &mut Output) -> Result<usize> {
        let word = &self.words().offset;
        let offset = self.offset();
        let wanted = (output.room() as u64).min(file.size().saturating_sub(offset));
        if word.compare_exchange(offset, offset + wanted, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return self.read_common(file, world, output);
        }
        let outcome = file.read(world, output, offset, self.blocking());
        self.settle(offset + wanted, offset + *outcome.as_ref().unwrap_or(&0) as u64);
        outcome
    }

    /// pread(2): the offset stays.
    ///
    /// # Errors
    /// `ESPIPE`: there are no offsets. `EINVAL`: a negative one. Others as [`Description::read`].
    pub fn read_at(&self, world: &dyn World, output: &mut Output, offset: i64) -> Result<usize> {
        let offset = place_of(offset, output.room())?;
        let _ = self.file()?;
        if !self.seeking.has_places() {
            return Err(Errno::ESPIPE);
        }
        self.file_for(Access::READ)?.read(world, output, offset, self.blocking())
    }

    /// write(2), at the offset or the end, and the offset moves.
    ///
    /// # Errors
    /// `EBADF`: not open for writing. Others are the file's.
    pub fn write(&self, world: &dyn World, input: &mut Input) -> Result<usize> {
        let file = self.file_for(Access::WRITE)?;
        if !self.seeking.has_places() {
            return file.write(world, input, Place::At(0), self.blocking()).map(|(count, _)| count);
        }
        let is_append = self.flags() & O_APPEND != 0;
        limit_write(world, file, if is_append { Place::End } else { Place::At(self.offset()) }, input)?;
        if self.is_common() && !is_append {
            // Nobody writes where another does.
            let wanted = input.left() as u64;
            let offset = self.words().offset.fetch_add(wanted, Ordering::Relaxed);
            let outcome = file.write(world, input, Place::At(offset), self.blocking());
            self.settle(offset.wrapping_add(wanted), outcome.as_ref().map_or(offset, |(_, end)| *end));
            return outcome.map(|(count, _)| count);
        }
        let place = if is_append { Place::End } else { Place::At(self.offset()) };
        let (count, end) = file.write(world, input, place, self.blocking())?;
        self.set_offset(end);
        Ok(count)
    }

    /// pwrite(2): the offset stays. With `O_APPEND` the bytes go to the end all the same, as on Linux.
    ///
    /// # Errors
    /// As [`Description::read_at`], for writing.
    pub fn write_at(&self, world: &dyn World, input: &mut Input, offset: i64, append: bool) -> Result<usize> {
        let offset = place_of(offset, input.left())?;
        if !self.seeking.has_places() {
            return Err(Errno::ESPIPE);
        }
        let file = self.file_for(Access::WRITE)?;
        let place = if append || self.flags() & O_APPEND != 0 { Place::End } else { Place::At(offset) };
        limit_write(world, file, place, input)?;
        file.write(world, input, place, self.blocking()).map(|(count, _)| count)
    }

    /// The offset.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.words().offset.load(Ordering::Relaxed)
    }

    /// Set the offset.
    pub fn set_offset(&self, offset: u64) {
        self.words().offset.store(offset, Ordering::Relaxed);
    }

    /// lseek(2).
    ///
    /// # Errors
    /// `ESPIPE`: there are no offsets. `EINVAL`: no such whence, or a result that is negative or more than an offset can be. `ENXIO`: no data or
    /// hole from there on.
    pub fn seek(&self, offset: i64, whence: u32) -> Result<u64> {
        let file = self.file()?;
        if whence > SEEK_HOLE {
            return Err(Errno::EINVAL);
        }
        match self.seeking {
            Seeking::None => return Err(Errno::ESPIPE),
            Seeking::Ignored | Seeking::Pointless => return Ok(0),
            Seeking::Contents => {}
        }
        let base = match whence {
            SEEK_SET => 0,
            SEEK_CUR => self.offset() as i64,
            SEEK_END => file.size() as i64,
            _ => {
                let what = if whence == SEEK_DATA { Seek::Data } else { Seek::Hole };
                let found = file.seek(u64::try_from(offset).map_err(|_| Errno::ENXIO)?, what)?;
                self.set_offset(found);
                return Ok(found);
            }
        };
        let target = base.checked_add(offset).and_then(|target| u64::try_from(target).ok()).ok_or(Errno::EINVAL)?;
        self.set_offset(target);
        Ok(target)
    }
}

/// Write zeros to the program, if they are few.
#[inline(always)]
fn put_zeros<U: UserMemory>(memory: &U, address: usize, length: usize) -> Option<usize> {
    memory.write(address, ZEROS.get(..length)?).ok().map(|()| length)
}

/// The offset of so many bytes. `EINVAL`: it is negative, or that of the byte behind them would be.
fn place_of(offset: i64, bytes: usize) -> Result<u64> {
    let end = i64::try_from(bytes).ok().and_then(|bytes| offset.checked_add(bytes));
    if offset < 0 || end.is_none() { Err(Errno::EINVAL) } else { Ok(offset as u64) }
}

/// Leave of what is to be written what `RLIMIT_FSIZE` allows.
fn limit_write(world: &dyn World, file: &Arc<dyn File>, place: Place, input: &mut Input) -> Result<()> {
    let limit = world.file_size_limit();
    if limit == u64::MAX || input.left() == 0 || file.seeking() != Seeking::Contents {
        return Ok(());
    }
    let begin = match place {
        Place::At(offset) => offset,
        Place::End => file.size(),
    };
    check_file_size(world, begin.saturating_add(1))?;
    input.cut(usize::try_from(limit - begin).unwrap_or(usize::MAX));
    Ok(())
}

/// Whether a file may be made to have so many bytes.
///
/// # Errors
/// `EFBIG`: it may not, which `SIGXFSZ` tells too.
pub fn check_file_size(world: &dyn World, bytes: u64) -> Result<()> {
    if bytes <= world.file_size_limit() {
        return Ok(());
    }
    world.signal(crate::signal::SIGXFSZ);
    Err(Errno::EFBIG)
}
