//! open(2) and its kin.

use alloc::sync::Arc;

use linux_raw_sys::general::{
    AT_FDCWD, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_EXCL, O_LARGEFILE, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_TRUNC, O_WRONLY,
};

use crate::errno::{Errno, Result};
use crate::file::Description;
use crate::file::terminal::TerminalFile;
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::syscall::path::{path, permissions};
use crate::user::UserMemory;
use crate::vfs::attributes::Kind;
use crate::vfs::opening::{self, Opening};
use crate::vfs::walk::{Last, Start, walk};

/// openat(2)
pub fn openat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    open_at(process, arguments.int(0), arguments.word(1), arguments.unsigned(2), arguments.unsigned(3))
}

/// open(2)
pub fn open<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    open_at(process, AT_FDCWD, arguments.word(0), arguments.unsigned(1), arguments.unsigned(2))
}

/// creat(2)
pub fn creat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    open_at(process, AT_FDCWD, arguments.word(0), O_CREAT | O_WRONLY | O_TRUNC, arguments.unsigned(1))
}

fn open_at<K: Kernel>(process: &Process<K>, directory: i32, address: usize, flags: u32, mode: u32) -> Result<usize> {
    if let Some(description) = open_again(process, directory, address, flags) {
        return process.files.insert(description, flags & O_CLOEXEC != 0).map(|fd| fd as usize);
    }
    let name = path(process, address)?;
    // Before anything is made or cut that the caller then could not use.
    process.files.with_table(|table| table.check_room())?;
    let description = open_description(process, directory, &name, flags, mode)?;
    process.files.insert(description, flags & O_CLOEXEC != 0).map(|fd| fd as usize)
}

/// What stays of open(2)'s flags.
const fn kept(flags: u32) -> u32 {
    flags & !(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC | O_NOCTTY) | O_LARGEFILE
}

/// Open what was opened before, if nothing has changed since.
fn open_again<K: Kernel>(process: &Process<K>, directory: i32, address: usize, flags: u32) -> Option<Arc<Description>> {
    let opening = Opening { flags, permissions: 0 };
    if !opening.is_plain() {
        return None;
    }
    let (entry, file) = process.with_short(address, |name| process.files.open_again(directory, name, &opening))??;
    Some(Description::new(entry, file, opening.access(), kept(flags)))
}

/// `TIOCGPTPEER`: open the slave of a pair's master by its number, whatever the file systems that the process sees.
pub(super) fn open_peer<K: Kernel>(process: &Process<K>, number: u32, flags: u32) -> Result<usize> {
    let path = alloc::format!("/dev/pts/{number}");
    process.files.with_table(|table| table.check_room())?;
    let description = open_description(process, AT_FDCWD, path.as_bytes(), flags & (3 | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), 0)?;
    process.files.insert(description, flags & O_CLOEXEC != 0).map(|fd| fd as usize)
}

fn open_description<K: Kernel>(process: &Process<K>, directory: i32, name: &[u8], flags: u32, mode: u32) -> Result<Arc<Description>> {
    if name.is_empty() {
        return Err(Errno::ENOENT);
    }
    open_resolved(process, &process.files.start(directory, name)?, name, flags, mode)
}

/// Open a path from where it begins.
pub(super) fn open_resolved<K: Kernel>(
    process: &Process<K>,
    start: &Start,
    name: &[u8],
    flags: u32,
    mode: u32,
) -> Result<Arc<Description>> {
    if flags & O_PATH != 0 {
        let last = if flags & O_NOFOLLOW == 0 { Last::Follow } else { Last::Keep };
        let entry = walk(process, start, name, last)?.existing()?;
        if flags & O_DIRECTORY != 0 && entry.node.kind() != Kind::Directory {
            return Err(Errno::ENOTDIR);
        }
        return Ok(Description::path_only(entry, flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW)));
    }
    let opening = Opening { flags, permissions: permissions(process, mode) };
    let (entry, file) = opening::open(process, start, name, &opening)?;
    if flags & O_NOCTTY == 0
        && let Some(terminal) = file.of_type::<TerminalFile>()
    {
        terminal.claim();
    }
    let description = Description::new(entry, file, opening.access(), kept(flags));
    if let Some(end) = description.file()?.pipe() {
        end.await_peer(process, description.blocking())?;
    }
    Ok(description)
}
