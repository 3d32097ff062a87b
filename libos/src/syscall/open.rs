//! open(2) and its kin.

use alloc::sync::Arc;

use linux_raw_sys::general::{
    AT_FDCWD, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_EXCL, O_LARGEFILE, O_NOFOLLOW, O_PATH, O_TMPFILE, O_TRUNC, O_WRONLY,
};

use crate::errno::{Errno, Result};
use crate::file::{Access, Description};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::syscall::path::{find_at, path, permissions};
use crate::vfs::attributes::Kind;
use crate::vfs::node::{Entry, New};
use crate::vfs::walk::{Ending, Last};
use crate::vfs::world::World;

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
    let name = path(process, address)?;
    // Before anything is made or cut that the caller then could not use.
    process.files.with_table(|table| table.check_room())?;
    let description = open_description(process, directory, &name, flags, mode)?;
    process.files.insert(description, flags & O_CLOEXEC != 0).map(|fd| fd as usize)
}

fn access_of(flags: u32) -> Access {
    match flags & 3 {
        0 => Access::READ,
        O_WRONLY => Access::WRITE,
        _ => Access::READ | Access::WRITE,
    }
}

fn open_description<K: Kernel>(process: &Process<K>, directory: i32, name: &[u8], flags: u32, mode: u32) -> Result<Arc<Description>> {
    let kept = flags & !(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC | linux_raw_sys::general::O_NOCTTY) | O_LARGEFILE;
    if flags & O_PATH != 0 {
        let entry = find_at(process, directory, name, flags & O_NOFOLLOW == 0)?;
        check_directory(flags, &entry)?;
        return Ok(Description::path_only(entry, flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW)));
    }
    let access = access_of(flags);
    let entry = if flags & O_TMPFILE == O_TMPFILE {
        let here = find_at(process, directory, name, true)?;
        if !access.contains(Access::WRITE) {
            return Err(Errno::EINVAL);
        }
        here.node.create_unnamed(&here, permissions(process, mode), process.now())?
    } else if flags & O_CREAT != 0 {
        if flags & O_DIRECTORY != 0 {
            return Err(Errno::EINVAL);
        }
        find_or_create(process, directory, name, flags, mode)?
    } else {
        find_at(process, directory, name, flags & O_NOFOLLOW == 0)?
    };
    if flags & O_TMPFILE != O_TMPFILE {
        check_directory(flags, &entry)?;
    }
    match entry.node.kind() {
        Kind::Link => return Err(Errno::ELOOP),
        Kind::Directory if access.contains(Access::WRITE) || flags & O_CREAT != 0 => return Err(Errno::EISDIR),
        Kind::Socket => return Err(Errno::ENXIO),
        Kind::Regular if flags & O_TRUNC != 0 && access.contains(Access::WRITE) => entry.node.truncate(process, 0)?,
        _ => {}
    }
    let file = Arc::clone(&entry.node).open(&entry, access, process)?;
    Ok(Description::new(entry, file, access, kept))
}

fn check_directory(flags: u32, entry: &Entry) -> Result<()> {
    if flags & O_DIRECTORY != 0 && entry.node.kind() != Kind::Directory { Err(Errno::ENOTDIR) } else { Ok(()) }
}

fn find_or_create<K: Kernel>(process: &Process<K>, directory: i32, name: &[u8], flags: u32, mode: u32) -> Result<Arc<Entry>> {
    let slash = name.ends_with(b"/");
    let last = if slash || flags & (O_EXCL | O_NOFOLLOW) != 0 { Last::Name } else { Last::Follow };
    let found = process.files.walk(process, directory, name, last)?;
    if slash && found.ending == Ending::Name {
        return Err(Errno::EISDIR);
    }
    if let Some(entry) = found.entry {
        return if flags & O_EXCL != 0 { Err(Errno::EEXIST) } else { Ok(entry) };
    }
    let new = New { kind: Kind::Regular, permissions: permissions(process, mode), special: 0, target: &[] };
    found.parent.node.create(&found.parent, &found.name, &new, process.now())
}
