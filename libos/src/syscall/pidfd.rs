//! Calls on descriptors that mean processes.

use alloc::sync::Arc;

use unix::Operation;

use crate::errno::{Errno, Result};
use crate::file::event::AnonymousNode;
use crate::file::pidfd::Pidfd;
use crate::file::{Access, Description};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::{Information, Told};
use crate::syscall::Arguments;
use crate::syscall::signal::{number, send_away};
use crate::user::UserMemory;
use crate::vfs::attributes::Kind;
use crate::vfs::world::World;

/// `O_NONBLOCK`, which is `PIDFD_NONBLOCK` too.
const NONBLOCK: u32 = 0o4000;

/// What a descriptor means, and whether it waits for nothing.
fn pidfd<K: Kernel>(process: &Process<K>, fd: i32) -> Result<(Pidfd, bool)> {
    let description = process.files.get(fd)?;
    let pidfd = description.file()?.process().ok_or(Errno::EBADF)?;
    Ok((pidfd, description.flags() & NONBLOCK != 0))
}

/// The process that a descriptor means to waitid(2), and whether the descriptor does not block.
///
/// # Errors
/// `EINVAL`: no number of a descriptor. `EBADF`: it means no process.
pub fn meant<K: Kernel>(process: &Process<K>, fd: i32) -> Result<(u32, bool)> {
    if fd < 0 {
        return Err(Errno::EINVAL);
    }
    pidfd(process, fd).map(|(pidfd, is_nonblocking)| (pidfd.id, is_nonblocking))
}

/// A new descriptor that means a process.
///
/// # Errors
/// Those of [`Process::pidfd`]; `EMFILE`.
pub fn open<K: Kernel>(process: &Process<K>, id: u32, flags: u32) -> Result<i32> {
    let pidfd = process.pidfd(id)?;
    let inode = process.files.next_inode();
    let file = Arc::new(pidfd);
    let entry = AnonymousNode::entry(file.clone(), Kind::Anonymous, inode, b"anon_inode:[pidfd]", process.now());
    process.files.insert(Description::new(entry, file, Access::READ | Access::WRITE, flags & NONBLOCK | 2), true)
}

/// pidfd_open(2)
pub fn pidfd_open<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    if arguments.unsigned(1) & !NONBLOCK != 0 || arguments.int(0) <= 0 {
        return Err(Errno::EINVAL);
    }
    open(process, arguments.unsigned(0), arguments.unsigned(1)).map(|fd| fd as usize)
}

/// pidfd_send_signal(2)
pub fn pidfd_send_signal<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    if arguments.unsigned(3) != 0 {
        return Err(Errno::EINVAL);
    }
    let (pidfd, _) = pidfd(process, arguments.int(0))?;
    let information = match arguments.word(2) {
        0 => None,
        address => Some(process.read_value::<Told>(address)?.check()?),
    };
    let signal = arguments.int(1);
    if let Some(information) = &information {
        if information.signal != signal {
            return Err(Errno::EINVAL);
        }
        if pidfd.id != process.id() && (information.code >= 0 || information.code == Information::TKILL) {
            return Err(Errno::EPERM);
        }
    }
    send_away(process, pidfd.id, number(signal), information, [0, pidfd.birth])
}

/// pidfd_getfd(2): nobody has the right to look into another process. The process's own descriptors are had by dup(2).
pub fn pidfd_getfd<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    if arguments.unsigned(2) != 0 {
        return Err(Errno::EINVAL);
    }
    let (pidfd, _) = pidfd(process, arguments.int(0))?;
    if pidfd.id != process.id() {
        return if process.ask(Operation::HasEnded, 0, pidfd.id, [pidfd.birth, 0, 0])?[0] == 0 {
            Err(Errno::EPERM)
        } else {
            Err(Errno::ESRCH)
        };
    }
    let description = process.files.get(arguments.int(1))?;
    process.files.insert(description, true).map(|fd| fd as usize)
}
