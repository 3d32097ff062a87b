//! Locks of files: fcntl(2)'s, flock(2).

use core::ops::Range;
use core::sync::atomic::Ordering;

use linux_raw_sys::general::{F_GETLK, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_RDLCK, F_SETLKW, F_UNLCK, F_WRLCK};
use linux_raw_sys::general::{SEEK_CUR, SEEK_END, SEEK_SET};
use unix::lock::{EXCLUSIVE, LockFlags, SHARED, UNLOCK};
use unix::{Operation, Request};

use crate::errno::{Errno, Result};
use crate::file::{Access, Blocking, Description};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::syscall::socket::wait;
use crate::user::UserMemory;

/// A `struct flock`: kind and whence, start, length, process.
type Flock = [u64; 4];

/// The bytes that a `struct flock` means.
fn bytes(description: &Description, flock: &Flock) -> Result<Range<u64>> {
    let (whence, start, length) = ((flock[0] >> 16) as u16, flock[1] as i64, flock[2] as i64);
    let base = match u32::from(whence) {
        SEEK_SET => 0,
        SEEK_CUR => description.offset() as i64,
        SEEK_END => description.file()?.size() as i64,
        _ => return Err(Errno::EINVAL),
    };
    let start = base.checked_add(start).ok_or(Errno::EOVERFLOW)?;
    if start < 0 {
        return Err(Errno::EINVAL);
    }
    let range = match length {
        0 => start as u64..u64::MAX,
        1.. => start as u64..start.checked_add(length - 1).ok_or(Errno::EOVERFLOW)? as u64 + 1,
        _ => {
            let first = start.checked_add(length).filter(|&first| first >= 0).ok_or(Errno::EINVAL)?;
            first as u64..start as u64
        }
    };
    if range.is_empty() { Err(Errno::EINVAL) } else { Ok(range) }
}

/// The handle of a description's file, if others could lock it too.
fn handle<K: Kernel>(process: &Process<K>, description: &Description) -> Result<Option<u32>> {
    match process.kernel.server() {
        Some(server) => description.file()?.share(server),
        None => Ok(None),
    }
}

/// `F_GETLK`, `F_SETLK`, `F_SETLKW`, and those of open file descriptions
pub fn record<K: Kernel>(process: &Process<K>, description: &Description, command: u32, address: usize) -> Result<usize> {
    let flock: Flock = process.read_value(address)?;
    let kind = match u32::from(flock[0] as u16) {
        F_RDLCK => SHARED,
        F_WRLCK => EXCLUSIVE,
        F_UNLCK => UNLOCK,
        _ => return Err(Errno::EINVAL),
    };
    let is_get = matches!(command, F_GETLK | F_OFD_GETLK);
    let mut flags = LockFlags::empty();
    flags.set(LockFlags::GET, is_get);
    flags.set(LockFlags::WAIT, matches!(command, F_SETLKW | F_OFD_SETLKW));
    flags.set(LockFlags::DESCRIPTION, matches!(command, F_OFD_GETLK | F_OFD_SETLK | F_OFD_SETLKW));
    if is_get && kind == UNLOCK || flags.contains(LockFlags::DESCRIPTION) && flock[3] as u32 != 0 {
        return Err(Errno::EINVAL);
    }
    let range = bytes(description, &flock)?;
    let needed = match kind {
        _ if is_get => Access::empty(),
        SHARED => Access::READ,
        EXCLUSIVE => Access::WRITE,
        _ => Access::empty(),
    };
    description.file_for(needed)?;
    let Some(handle) = handle(process, description)? else {
        // Nobody else could hold a lock.
        return if is_get { process.write_value(address, &(F_UNLCK as u16)).map(|()| 0) } else { Ok(0) };
    };
    let request = |flags: LockFlags| {
        let request = Request::new(Operation::Lock, [kind, range.start, range.end]);
        Request { small: flags.bits(), large: handle, ..request }
    };
    if is_get {
        return tell(process, address, &flock, ask(process, request(flags))?).map(|()| 0);
    }
    process.files.note_locks();
    let blocking = if flags.contains(LockFlags::WAIT) { Blocking::Allowed } else { Blocking::Refused };
    loop {
        match ask(process, request(flags)) {
            Err(Errno::EAGAIN) if blocking == Blocking::Allowed => wait(process, blocking, None).inspect_err(|_| {
                let _ = ask(process, request(LockFlags::CANCEL));
            })?,
            outcome => return outcome.map(|_| 0),
        }
    }
}

fn ask<K: Kernel>(process: &Process<K>, request: Request) -> Result<[u64; 4]> {
    process.kernel.server().ok_or(Errno::ENOLCK)?.call(request)
}

/// Tell what is in the way of a lock.
fn tell<K: Kernel>(process: &Process<K>, address: usize, flock: &Flock, found: [u64; 4]) -> Result<()> {
    let [kind, start, end, holder] = found;
    if kind == UNLOCK {
        return process.write_value(address, &(F_UNLCK as u16));
    }
    let linux = if kind == EXCLUSIVE { F_WRLCK } else { F_RDLCK };
    let length = if end == u64::MAX { 0 } else { end - start };
    // A description's has no process: -1.
    let told: Flock =
        [u64::from(linux) | u64::from(SEEK_SET) << 16 | flock[0] >> 32 << 32, start, length, holder & 0xffff_ffff | flock[3] >> 32 << 32];
    process.write_value(address, &told)
}

/// flock(2)
pub fn flock<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const NONBLOCK: u32 = 4;
    let description = process.files.get(arguments.int(0))?;
    description.file()?;
    let operation = arguments.unsigned(1);
    let kind = match operation & !NONBLOCK {
        1 => SHARED,
        2 => EXCLUSIVE,
        8 => UNLOCK,
        _ => return Err(Errno::EINVAL),
    };
    let Some(handle) = handle(process, &description)? else { return Ok(0) };
    process.files.note_locks();
    let blocking = if operation & NONBLOCK != 0 { Blocking::Refused } else { Blocking::Allowed };
    loop {
        match ask(process, Request { large: handle, ..Request::new(Operation::LockWhole, [kind, 0, 0]) }) {
            Err(Errno::EAGAIN) => wait(process, blocking, None)?,
            outcome => return outcome.map(|_| 0),
        }
    }
}

/// A descriptor is about to be closed: the process gives up its record locks of that file, whatever other descriptors it has of it.
pub fn forget<K: Kernel>(process: &Process<K>, description: &Description) {
    process.files.look_at_watch();
    if !process.files.has_locks().load(Ordering::Relaxed) {
        return;
    }
    if let Ok(Some(handle)) = handle(process, description) {
        let _ = ask(process, Request { large: handle, ..Request::new(Operation::UnlockAll, [0; 3]) });
    }
}
