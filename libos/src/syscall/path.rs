//! Calls that name files: open, make, remove, move.

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_raw_sys::general::AT_FDCWD;

use crate::errno::{Errno, Result};
use crate::file::description::check_file_size;
use crate::identity::Word;
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::user::UserMemory;
use crate::vfs::attributes::Kind;
use crate::vfs::node::{Entry, New, Rename, Target};
use crate::vfs::permission::Wanted;
use crate::vfs::removal;
use crate::vfs::walk::{Ending, Last, PATH_MAX};
use crate::vfs::world::World;

const AT_REMOVEDIR: u32 = 0x200;
const AT_SYMLINK_FOLLOW: u32 = 0x400;
const AT_EMPTY_PATH: u32 = 0x1000;

/// A path argument.
///
/// # Errors
/// `EFAULT`, or `ENAMETOOLONG`.
pub fn path<K: Kernel>(process: &Process<K>, address: usize) -> Result<Vec<u8>> {
    process.read_string(address, PATH_MAX)
}

/// What a path leads to.
///
/// # Errors
/// Those of the walk.
pub fn find_at<K: Kernel>(process: &Process<K>, directory: i32, name: &[u8], follow: bool) -> Result<Arc<Entry>> {
    process.files.walk(process, directory, name, if follow { Last::Follow } else { Last::Keep })?.existing()
}

/// The permissions that a new inode gets: a mode less the umask.
pub fn permissions<K: Kernel>(process: &Process<K>, mode: u32) -> u32 {
    mode & 0o7777 & !process.files.umask()
}

/// Make an inode where a path says and nothing is.
fn make<K: Kernel>(process: &Process<K>, directory: i32, address: usize, new: &New) -> Result<usize> {
    let name = path(process, address)?;
    let found = process.files.walk(process, directory, &name, Last::Name)?;
    if found.entry.is_some() {
        return Err(Errno::EEXIST);
    }
    if found.slash && new.kind != Kind::Directory {
        return Err(Errno::ENOENT);
    }
    found.parent.node.create(&found.parent, &found.name, new, &process.actor()).map(|_| 0)
}

fn make_directory<K: Kernel>(process: &Process<K>, directory: i32, address: usize, mode: u32) -> Result<usize> {
    let permissions = permissions(process, mode & 0o1777);
    make(process, directory, address, &New { kind: Kind::Directory, permissions, special: 0, target: &[] })
}

/// mkdir(2)
pub fn mkdir<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    make_directory(process, AT_FDCWD, arguments.word(0), arguments.unsigned(1))
}

/// mkdirat(2)
pub fn mkdirat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    make_directory(process, arguments.int(0), arguments.word(1), arguments.unsigned(2))
}

fn make_node<K: Kernel>(process: &Process<K>, directory: i32, address: usize, mode: u32, special: u64) -> Result<usize> {
    let kind = match Kind::from_mode(mode).ok_or(Errno::EINVAL)? {
        Kind::Directory => return Err(Errno::EPERM),
        Kind::Link | Kind::Anonymous => return Err(Errno::EINVAL),
        kind => kind,
    };
    make(process, directory, address, &New { kind, permissions: permissions(process, mode), special, target: &[] })
}

/// mknod(2)
pub fn mknod<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    make_node(process, AT_FDCWD, arguments.word(0), arguments.unsigned(1), u64::from(arguments.unsigned(2)))
}

/// mknodat(2)
pub fn mknodat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    make_node(process, arguments.int(0), arguments.word(1), arguments.unsigned(2), u64::from(arguments.unsigned(3)))
}

fn make_link<K: Kernel>(process: &Process<K>, target: usize, directory: i32, address: usize) -> Result<usize> {
    const PERMISSIONS: u32 = 0o777;
    let target = path(process, target)?;
    if target.is_empty() {
        return Err(Errno::ENOENT);
    }
    make(process, directory, address, &New { kind: Kind::Link, permissions: PERMISSIONS, special: 0, target: &target })
}

/// symlink(2)
pub fn symlink<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    make_link(process, arguments.word(0), AT_FDCWD, arguments.word(1))
}

/// symlinkat(2)
pub fn symlinkat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    make_link(process, arguments.word(0), arguments.int(1), arguments.word(2))
}

fn link_at<K: Kernel>(process: &Process<K>, from: (i32, usize), to: (i32, usize), flags: u32) -> Result<usize> {
    if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let name = path(process, from.1)?;
    let entry = if name.is_empty() && flags & AT_EMPTY_PATH != 0 {
        process.files.get(from.0)?.entry.clone()
    } else {
        find_at(process, from.0, &name, flags & AT_SYMLINK_FOLLOW != 0)?
    };
    let name = path(process, to.1)?;
    let found = process.files.walk(process, to.0, &name, Last::Name)?;
    if found.entry.is_some() {
        return Err(Errno::EEXIST);
    }
    if found.slash {
        return Err(Errno::ENOENT);
    }
    if entry.node.kind() == Kind::Directory {
        return Err(Errno::EPERM);
    }
    found.parent.node.link(&found.parent, &found.name, &entry.node, &process.actor()).map(|()| 0)
}

/// link(2)
pub fn link<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    link_at(process, (AT_FDCWD, arguments.word(0)), (AT_FDCWD, arguments.word(1)), 0)
}

/// linkat(2)
pub fn linkat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    link_at(process, (arguments.int(0), arguments.word(1)), (arguments.int(2), arguments.word(3)), arguments.unsigned(4))
}

fn remove<K: Kernel>(process: &Process<K>, directory: i32, address: usize, is_directory: bool) -> Result<usize> {
    let removed = process.with_short(address, |name| process.files.remove(directory, name, is_directory));
    if let Some(outcome) = removed.flatten() {
        return outcome.map(|()| 0);
    }
    let name = path(process, address)?;
    let found = process.files.walk(process, directory, &name, Last::Name)?;
    removal::check(process, &found, is_directory)?;
    if let Some(entry) = found.entry.as_ref().filter(|_| found.parent.node.elsewhere().is_none()) {
        removal::check_kind(entry, is_directory)?;
    }
    found.parent.node.unlink(&found.name, is_directory, &process.actor()).map(|()| 0)
}

/// unlink(2)
pub fn unlink<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    remove(process, AT_FDCWD, arguments.word(0), false)
}

/// rmdir(2)
pub fn rmdir<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    remove(process, AT_FDCWD, arguments.word(0), true)
}

/// unlinkat(2)
pub fn unlinkat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let flags = arguments.unsigned(2);
    if flags & !AT_REMOVEDIR != 0 {
        return Err(Errno::EINVAL);
    }
    remove(process, arguments.int(0), arguments.word(1), flags & AT_REMOVEDIR != 0)
}

fn rename_at<K: Kernel>(process: &Process<K>, from: (i32, usize), to: (i32, usize), flags: u32) -> Result<usize> {
    let how = match flags {
        0 => Rename::Replace,
        1 => Rename::Keep,
        2 => Rename::Exchange,
        _ => return Err(Errno::EINVAL),
    };
    let (old_name, new_name) = (path(process, from.1)?, path(process, to.1)?);
    let old = process.files.walk(process, from.0, &old_name, Last::Name)?;
    let new = process.files.walk(process, to.0, &new_name, Last::Name)?;
    if old.ending != Ending::Name || new.ending != Ending::Name {
        return Err(if how == Rename::Keep && new.ending != Ending::Name { Errno::EEXIST } else { Errno::EBUSY });
    }
    let entry = old.entry.ok_or_else(|| removal::absent(process, &old.parent))?;
    match (&new.entry, how) {
        (Some(_), Rename::Keep) => return Err(Errno::EEXIST),
        (None, Rename::Exchange) => return Err(Errno::ENOENT),
        _ => {}
    }
    let is_directory = entry.node.kind() == Kind::Directory;
    if !is_directory && (old.slash || new.slash && how != Rename::Exchange) {
        return Err(Errno::ENOTDIR);
    }
    if entry.mount || new.entry.as_ref().is_some_and(|entry| entry.mount) {
        return Err(Errno::EBUSY);
    }
    if old.parent.node.attributes().device != new.parent.node.attributes().device {
        return Err(Errno::EXDEV);
    }
    old.parent.node.rename(&old.name, &new.parent, &new.name, how, &process.actor()).map(|()| 0)
}

/// rename(2)
pub fn rename<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    rename_at(process, (AT_FDCWD, arguments.word(0)), (AT_FDCWD, arguments.word(1)), 0)
}

/// renameat(2)
pub fn renameat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    rename_at(process, (arguments.int(0), arguments.word(1)), (arguments.int(2), arguments.word(3)), 0)
}

/// renameat2(2)
pub fn renameat2<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    rename_at(process, (arguments.int(0), arguments.word(1)), (arguments.int(2), arguments.word(3)), arguments.unsigned(4))
}

fn read_link<K: Kernel>(process: &Process<K>, directory: i32, address: usize, buffer: usize, room: i32) -> Result<usize> {
    if room <= 0 {
        return Err(Errno::EINVAL);
    }
    let name = path(process, address)?;
    let entry = match (name.is_empty(), directory) {
        (true, AT_FDCWD) => return Err(Errno::ENOENT),
        (true, fd) => process.files.get(fd)?.entry.clone(),
        _ => find_at(process, directory, &name, false)?,
    };
    let target = match entry.node.target(process)? {
        Target::Path(path) => path,
        Target::Entry(entry) => process.files.path_of(&entry),
    };
    let target = &target[..target.len().min(room as usize)];
    process.write(buffer, target)?;
    Ok(target.len())
}

/// readlink(2)
pub fn readlink<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    read_link(process, AT_FDCWD, arguments.word(0), arguments.word(1), arguments.int(2))
}

/// readlinkat(2)
pub fn readlinkat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    read_link(process, arguments.int(0), arguments.word(1), arguments.word(2), arguments.int(3))
}

/// getcwd(2)
pub fn getcwd<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let here = process.files.current_directory();
    if here.is_removed() {
        return Err(Errno::ENOENT);
    }
    let mut path = process.files.path_of(&here);
    path.push(0);
    if path.len() > arguments.word(1) {
        return Err(Errno::ERANGE);
    }
    process.write(arguments.word(0), &path)?;
    Ok(path.len())
}

/// Set the current directory, or the root.
fn set_directory<K: Kernel>(process: &Process<K>, entry: Arc<Entry>, root: bool) -> Result<usize> {
    if entry.node.kind() != Kind::Directory {
        return Err(Errno::ENOTDIR);
    }
    entry.node.permits(Wanted::EXECUTE, false, process)?;
    if root && process.kernel.identity().get(Word::EffectiveUser) != 0 {
        return Err(Errno::EPERM);
    }
    process.files.set_directory(entry, root).map(|()| 0)
}

/// chdir(2)
pub fn chdir<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let entry = find_at(process, AT_FDCWD, &path(process, arguments.word(0))?, true)?;
    set_directory(process, entry, false)
}

/// fchdir(2)
pub fn fchdir<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let entry = process.files.get(arguments.int(0))?.entry.clone();
    set_directory(process, entry, false)
}

/// chroot(2)
pub fn chroot<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let entry = find_at(process, AT_FDCWD, &path(process, arguments.word(0))?, true)?;
    set_directory(process, entry, true)
}

/// Whether a file may be used as access(2) asks: by the real user, or by who the process acts for.
fn check_access<K: Kernel>(process: &Process<K>, directory: i32, address: usize, mode: u32, flags: u32) -> Result<usize> {
    const NO_FOLLOW: u32 = 0x100;
    const EFFECTIVE: u32 = 0x200;
    let wanted = Wanted::from_bits(mode).ok_or(Errno::EINVAL)?;
    if flags & !(NO_FOLLOW | EFFECTIVE | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let name = path(process, address)?;
    let entry = if name.is_empty() && flags & AT_EMPTY_PATH != 0 {
        match directory {
            AT_FDCWD => process.files.current_directory(),
            fd => process.files.get(fd)?.entry.clone(),
        }
    } else {
        find_at(process, directory, &name, flags & NO_FOLLOW == 0)?
    };
    if wanted.is_empty() {
        return Ok(0);
    }
    entry.node.permits(wanted, flags & EFFECTIVE == 0, process).map(|()| 0)
}

/// access(2)
pub fn access<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    check_access(process, AT_FDCWD, arguments.word(0), arguments.unsigned(1), 0)
}

/// faccessat(2)
pub fn faccessat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    check_access(process, arguments.int(0), arguments.word(1), arguments.unsigned(2), 0)
}

/// faccessat2(2)
pub fn faccessat2<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    check_access(process, arguments.int(0), arguments.word(1), arguments.unsigned(2), arguments.unsigned(3))
}

/// truncate(2)
pub fn truncate<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let size = u64::try_from(arguments.signed(1)).map_err(|_| Errno::EINVAL)?;
    let entry = find_at(process, AT_FDCWD, &path(process, arguments.word(0))?, true)?;
    if size > entry.node.attributes().size {
        check_file_size(process, size)?;
    }
    entry.node.truncate(process, size).map(|()| 0)
}

/// umask(2)
pub fn umask<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    Ok(process.files.set_umask(arguments.unsigned(0)) as usize)
}
