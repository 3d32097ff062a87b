//! Calls on descriptors themselves: duplicates, flags, pipes.

use alloc::sync::Arc;

use linux_raw_sys::general::{
    F_ADD_SEALS, F_DUPFD, F_DUPFD_CLOEXEC, F_GET_SEALS, F_GETFD, F_GETFL, F_GETLK, F_GETPIPE_SZ, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW,
    F_SETFD, F_SETFL, F_SETLK, F_SETLKW, F_SETPIPE_SZ, FD_CLOEXEC, O_CLOEXEC, O_NONBLOCK,
};

use crate::errno::{Errno, Result};
use crate::file::description::check_file_size;
use crate::file::event::{AnonymousNode, Event};
use crate::file::pipe::Pipe;
use crate::file::table::Slot;
use crate::file::{Access, Description, Seeking};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::{Arguments, lock, owner};
use crate::user::UserMemory;
use crate::vfs::attributes::Kind;
use crate::vfs::node::SEALABLE;
use crate::vfs::seals::Seals;
use crate::vfs::world::World;

/// close(2). Whoever waits at a pipe's other end may have seen its last peer go.
pub fn close<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let slot = process.files.with_table(|table| table.remove(arguments.int(0)))?;
    lock::forget(process, &slot.description);
    drop(slot);
    process.files.settle_locks();
    process.note_change();
    Ok(0)
}

/// close_range(2)
pub fn close_range<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const UNSHARE: u32 = 2;
    const CLOEXEC: u32 = 4;
    let (first, last, flags) = (arguments.unsigned(0), arguments.unsigned(1), arguments.unsigned(2));
    if flags & !(UNSHARE | CLOEXEC) != 0 || first > last {
        return Err(Errno::EINVAL);
    }
    for fd in process.files.numbers().into_iter().filter(|&fd| (first..=last).contains(&(fd as u32))) {
        let removed = process.files.with_table(|table| {
            if flags & CLOEXEC != 0 {
                table.get_mut(fd).map(|slot| slot.close_on_exec = true).map(|()| None)
            } else {
                table.remove(fd).map(Some)
            }
        });
        if let Ok(Some(slot)) = &removed {
            lock::forget(process, &slot.description);
        }
        drop(removed);
    }
    process.files.settle_locks();
    process.note_change();
    Ok(0)
}

fn duplicate<K: Kernel>(process: &Process<K>, fd: i32, from: usize, close_on_exec: bool) -> Result<usize> {
    let description = process.files.get(fd)?;
    process.files.with_table(|table| {
        if from >= table.limit {
            return Err(Errno::EINVAL);
        }
        table.insert(Slot { description, close_on_exec }, from).map(|fd| fd as usize)
    })
}

/// dup(2)
pub fn dup<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    duplicate(process, arguments.int(0), 0, false)
}

fn duplicate_to<K: Kernel>(process: &Process<K>, fd: i32, to: i32, close_on_exec: bool) -> Result<usize> {
    let description = process.files.get(fd)?;
    let old = process.files.with_table(|table| table.replace(to, Slot { description, close_on_exec }))?;
    if let Some(slot) = &old {
        lock::forget(process, &slot.description);
    }
    drop(old);
    process.files.settle_locks();
    process.note_change();
    Ok(to as usize)
}

/// dup2(2)
pub fn dup2<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (fd, to) = (arguments.int(0), arguments.int(1));
    if fd == to {
        return process.files.get(fd).map(|_| to as usize);
    }
    duplicate_to(process, fd, to, false)
}

/// dup3(2)
pub fn dup3<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (fd, to, flags) = (arguments.int(0), arguments.int(1), arguments.unsigned(2));
    if fd == to || flags & !O_CLOEXEC != 0 {
        return Err(Errno::EINVAL);
    }
    duplicate_to(process, fd, to, flags & O_CLOEXEC != 0)
}

/// fcntl(2)
pub fn fcntl<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (fd, command, value) = (arguments.int(0), arguments.unsigned(1), arguments.word(2));
    let description = process.files.get(fd)?;
    match command {
        F_DUPFD | F_DUPFD_CLOEXEC => duplicate(process, fd, value, command == F_DUPFD_CLOEXEC),
        F_GETFD => process.files.with_table(|table| table.get(fd).map(|slot| usize::from(slot.close_on_exec))),
        F_SETFD => {
            let close_on_exec = value as u32 & FD_CLOEXEC != 0;
            process.files.with_table(|table| table.get_mut(fd).map(|slot| slot.close_on_exec = close_on_exec)).map(|()| 0)
        }
        F_GETFL => Ok(description.flags() as usize),
        _ if description.is_path_only() => Err(Errno::EBADF),
        F_SETFL => {
            owner::set_flags(process, &description, fd, value as u32)?;
            description.set_flags(value as u32);
            Ok(0)
        }
        F_GETLK | F_SETLK | F_SETLKW | F_OFD_GETLK | F_OFD_SETLK | F_OFD_SETLKW => lock::record(process, &description, command, value),
        F_ADD_SEALS => add_seals(process, &description, value),
        F_GET_SEALS => description.file()?.seals().map(|seals| seals.bits() as usize),
        F_GETPIPE_SZ => description.file()?.pipe().ok_or(Errno::EBADF)?.capacity(),
        F_SETPIPE_SZ => description.file()?.pipe().ok_or(Errno::EBADF)?.set_capacity(value),
        _ => owner::control(process, &description, command, value).unwrap_or(Err(Errno::EINVAL)),
    }
}

/// `F_ADD_SEALS`
fn add_seals<K: Kernel>(process: &Process<K>, description: &Description, seals: usize) -> Result<usize> {
    let file = description.file_for(Access::WRITE).map_err(|_| Errno::EPERM)?;
    let seals = u32::try_from(seals).ok().and_then(Seals::from_bits).ok_or(Errno::EINVAL)?;
    file.add_seals(process, seals).map(|()| 0)
}

/// pipe2(2); pipe(2) with no flags
fn make_pipe<K: Kernel>(process: &Process<K>, address: usize, flags: u32) -> Result<usize> {
    let known = O_CLOEXEC | O_NONBLOCK | linux_raw_sys::general::O_DIRECT;
    if flags & !known != 0 {
        return Err(Errno::EINVAL);
    }
    let pipe = Pipe::new(process.files.next_inode());
    let entry = pipe.entry(process.now());
    let close_on_exec = flags & O_CLOEXEC != 0;
    let end = |access: Access, mode: u32| Description::new(entry.clone(), pipe.end(access), access, flags & O_NONBLOCK | mode);
    let read = process.files.insert(end(Access::READ, 0), close_on_exec)?;
    let undo = |fd| drop(process.files.with_table(|table| table.remove(fd)));
    let write = process.files.insert(end(Access::WRITE, 1), close_on_exec).inspect_err(|_| undo(read))?;
    process.write_value(address, &[read, write]).inspect_err(|_| {
        undo(read);
        undo(write);
    })?;
    Ok(0)
}

/// pipe(2)
pub fn pipe<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    make_pipe(process, arguments.word(0), 0)
}

/// pipe2(2)
pub fn pipe2<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    make_pipe(process, arguments.word(0), arguments.unsigned(1))
}

/// eventfd(2), which has no flags
pub fn eventfd<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    make_event(process, arguments.unsigned(0), 0)
}

/// eventfd2(2)
pub fn eventfd2<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    make_event(process, arguments.unsigned(0), arguments.unsigned(1))
}

fn make_event<K: Kernel>(process: &Process<K>, count: u32, flags: u32) -> Result<usize> {
    const SEMAPHORE: u32 = 1;
    if flags & !(SEMAPHORE | O_CLOEXEC | O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    let inode = process.files.next_inode();
    let event = Event::new(inode, u64::from(count), flags & SEMAPHORE != 0);
    let entry = AnonymousNode::entry(event.clone(), Kind::Anonymous, inode, b"anon_inode:[eventfd]", process.now());
    let description = Description::new(entry, event, Access::READ | Access::WRITE, flags & O_NONBLOCK | 2);
    process.files.insert(description, flags & O_CLOEXEC != 0).map(|fd| fd as usize)
}

/// memfd_create(2): a file without a name.
///
/// # Errors
/// `EINVAL`: unknown flags, two that exclude each other, or a name that is too long. `EFAULT`: the name is nowhere.
pub fn memfd_create<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const CLOEXEC: u32 = 1;
    const ALLOW_SEALING: u32 = 2;
    const NO_EXECUTION: u32 = 8;
    const EXECUTION: u32 = 0x10;
    const NAME_MOST: usize = 249;
    let flags = arguments.unsigned(1);
    let has = |wanted| flags & wanted != 0;
    if has(!(CLOEXEC | ALLOW_SEALING | NO_EXECUTION | EXECUTION)) || has(NO_EXECUTION) && has(EXECUTION) {
        return Err(Errno::EINVAL);
    }
    let name = process.read_string(arguments.word(0), NAME_MOST + 1).map_err(|errno| match errno {
        Errno::ENAMETOOLONG => Errno::EINVAL,
        errno => errno,
    })?;
    let sealable = if has(ALLOW_SEALING | NO_EXECUTION) { SEALABLE } else { 0 };
    let permissions = if has(NO_EXECUTION) { 0o666 } else { 0o777 };
    let entry = process.files.unnamed_file(&name, permissions | sealable, &process.actor())?;
    let access = Access::READ | Access::WRITE;
    let file = Arc::clone(&entry.node).open(&entry, access, process)?;
    if has(NO_EXECUTION) {
        file.add_seals(process, Seals::EXECUTE)?;
    }
    let flags_kept = linux_raw_sys::general::O_RDWR | linux_raw_sys::general::O_LARGEFILE;
    let description = Description::new(entry, file, access, flags_kept);
    process.files.insert(description, flags & CLOEXEC != 0).map(|fd| fd as usize)
}

/// fsync(2), fdatasync(2)
pub fn fsync<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    process.files.get(arguments.int(0))?.file()?.sync().map(|()| 0)
}

/// sync(2): everything is in memory.
pub fn sync<K: Kernel>(_: &Process<K>, _: &Arguments) -> Result<usize> {
    Ok(0)
}

/// ftruncate(2)
pub fn ftruncate<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let size = u64::try_from(arguments.signed(1)).map_err(|_| Errno::EINVAL)?;
    let description = process.files.get(arguments.int(0))?;
    description.file()?;
    let file = description.file_for(Access::WRITE).map_err(|_| Errno::EINVAL)?;
    if size > file.size() {
        check_file_size(process, size)?;
    }
    file.truncate(process, size).map(|()| 0)
}

/// fallocate(2)
pub fn fallocate<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let description = process.files.get(arguments.int(0))?;
    let file = description.file_for(Access::WRITE)?;
    let (offset, length) = (arguments.signed(2), arguments.signed(3));
    if offset < 0 || length <= 0 {
        return Err(Errno::EINVAL);
    }
    check_file_size(process, offset.checked_add(length).ok_or(Errno::EFBIG)? as u64)?;
    file.allocate(process, arguments.unsigned(1), offset as u64, length as u64).map(|()| 0)
}

/// sync_file_range(2): what is to be kept is in memory.
///
/// # Errors
/// `EINVAL`: unknown flags, or no range. `ESPIPE`: no file of a kind that has ranges.
pub fn sync_file_range<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const FLAGS: u32 = 7;
    let description = process.files.get(arguments.int(0))?;
    description.file()?;
    let [offset, bytes] = [1, 2].map(|index| arguments.word(index) as i64);
    if arguments.unsigned(3) & !FLAGS != 0 || offset < 0 || bytes < 0 || offset.checked_add(bytes).is_none() {
        return Err(Errno::EINVAL);
    }
    match description.entry.node.kind() {
        Kind::Regular | Kind::Directory | Kind::Block | Kind::Link => Ok(0),
        _ => Err(Errno::ESPIPE),
    }
}

/// fadvise64(2), readahead(2): all is in memory.
pub fn fadvise<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let description = process.files.get(arguments.int(0))?;
    if description.file()?.seeking() == Seeking::None { Err(Errno::ESPIPE) } else { Ok(0) }
}
