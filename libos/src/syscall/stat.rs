//! What an inode says of itself, as the calls of the stat family lay it out, and the calls that change it.

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::syscall::path::{find_at, path};
use crate::user::UserMemory;
use crate::vfs::attributes::{Attributes, Change, Kind, Time, major, minor};
use crate::vfs::node::{Entry, Statistics};
use crate::vfs::walk::{self, Last};
use crate::vfs::world::World;
use alloc::sync::Arc;

const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
const AT_NO_AUTOMOUNT: u32 = 0x800;
const AT_EMPTY_PATH: u32 = 0x1000;
const AT_STATX_SYNC_TYPE: u32 = 0x6000;
/// What `st_blksize` says.
const BLOCK_BYTES: u64 = 4096;

/// `struct stat` of this ISA, as words.
fn encode(attributes: &Attributes) -> [u64; if cfg!(target_arch = "x86_64") { 18 } else { 16 }] {
    let time = |time: Time| [time.seconds as u64, u64::from(time.nanoseconds)];
    let owner = u64::from(attributes.user) | u64::from(attributes.group) << 32;
    let mode = u64::from(attributes.mode());
    let [accessed, modified, changed] = [time(attributes.accessed), time(attributes.modified), time(attributes.changed)];
    let times = [accessed[0], accessed[1], modified[0], modified[1], changed[0], changed[1]];
    let (links, special) = (u64::from(attributes.links), attributes.special);
    let mut words = [0; if cfg!(target_arch = "x86_64") { 18 } else { 16 }];
    #[cfg(target_arch = "x86_64")]
    {
        // dev, ino, nlink, mode and uid, gid, rdev, size, blksize, blocks, times, three words unused.
        let group = owner >> 32;
        let head = [attributes.device, attributes.inode, links, mode | owner << 32, group, special];
        words[..6].copy_from_slice(&head);
        words[6..9].copy_from_slice(&[attributes.size, BLOCK_BYTES, attributes.blocks]);
        words[9..15].copy_from_slice(&times);
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        // dev, ino, mode and nlink, uid and gid, rdev, pad, size, blksize, blocks, times, two words unused.
        let head = [attributes.device, attributes.inode, mode | links << 32, owner, special, 0];
        words[..6].copy_from_slice(&head);
        words[6..9].copy_from_slice(&[attributes.size, BLOCK_BYTES, attributes.blocks]);
        words[9..15].copy_from_slice(&times);
    }
    words
}

fn put<K: Kernel>(process: &Process<K>, address: usize, attributes: &Attributes) -> Result<usize> {
    process.write_value(address, &encode(attributes)).map(|()| 0)
}

/// The entry that an `*at` call with `AT_EMPTY_PATH` and `AT_SYMLINK_NOFOLLOW` means.
///
/// # Errors
/// Those of the walk; `EBADF`: the descriptor is not open.
pub fn entry_at<K: Kernel>(process: &Process<K>, directory: i32, address: usize, flags: u32) -> Result<Arc<Entry>> {
    let name = if flags & AT_EMPTY_PATH != 0 && address == 0 { alloc::vec::Vec::new() } else { path(process, address)? };
    if name.is_empty() && flags & AT_EMPTY_PATH != 0 {
        return match directory {
            linux_raw_sys::general::AT_FDCWD => Ok(process.files.current_directory()),
            fd => Ok(process.files.get(fd)?.entry.clone()),
        };
    }
    find_at(process, directory, &name, flags & AT_SYMLINK_NOFOLLOW == 0)
}

/// What the inode says of itself that an `*at` call with `AT_EMPTY_PATH` and `AT_SYMLINK_NOFOLLOW` means.
fn attributes_at<K: Kernel>(process: &Process<K>, directory: i32, address: usize, flags: u32) -> Result<Attributes> {
    if flags & AT_EMPTY_PATH != 0 {
        return entry_at(process, directory, address, flags).map(|entry| entry.node.attributes());
    }
    let name = path(process, address)?;
    if name.is_empty() {
        return Err(Errno::ENOENT);
    }
    let last = if flags & AT_SYMLINK_NOFOLLOW == 0 { Last::Follow } else { Last::Keep };
    walk::attributes(process, &process.files.start(directory, &name)?, &name, last)
}

/// fstat(2)
pub fn fstat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let attributes = process.files.get(arguments.int(0))?.attributes();
    put(process, arguments.word(1), &attributes)
}

/// stat(2)
pub fn stat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let found = attributes_at(process, linux_raw_sys::general::AT_FDCWD, arguments.word(0), 0)?;
    put(process, arguments.word(1), &found)
}

/// lstat(2)
pub fn lstat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let found = attributes_at(process, linux_raw_sys::general::AT_FDCWD, arguments.word(0), AT_SYMLINK_NOFOLLOW)?;
    put(process, arguments.word(1), &found)
}

/// newfstatat(2)
pub fn newfstatat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let flags = arguments.unsigned(3);
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let found = attributes_at(process, arguments.int(0), arguments.word(1), flags)?;
    put(process, arguments.word(2), &found)
}

/// `struct statx_timestamp`, as two words.
fn statx_time(time: Time) -> [u64; 2] {
    [time.seconds as u64, u64::from(time.nanoseconds)]
}

/// statx(2)
pub fn statx<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const RESERVED: u32 = 0x8000_0000;
    const BASIC_AND_BIRTH: u64 = 0xfff;
    let flags = arguments.unsigned(2);
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE) != 0 || arguments.unsigned(3) & RESERVED != 0 {
        return Err(Errno::EINVAL);
    }
    let found = attributes_at(process, arguments.int(0), arguments.word(1), flags)?;
    let mut words = [0u64; 32];
    words[0] = BASIC_AND_BIRTH | BLOCK_BYTES << 32;
    words[2] = u64::from(found.links) | u64::from(found.user) << 32;
    words[3] = u64::from(found.group) | u64::from(found.mode()) << 32;
    words[4..7].copy_from_slice(&[found.inode, found.size, found.blocks]);
    for (index, time) in [found.accessed, found.born, found.changed, found.modified].into_iter().enumerate() {
        words[8 + index * 2..10 + index * 2].copy_from_slice(&statx_time(time));
    }
    words[16] = u64::from(major(found.special)) | u64::from(minor(found.special)) << 32;
    words[17] = u64::from(major(found.device)) | u64::from(minor(found.device)) << 32;
    process.write_value(arguments.word(4), &words).map(|()| 0)
}

/// `struct statfs`.
fn put_statistics<K: Kernel>(process: &Process<K>, address: usize, found: &Statistics) -> Result<usize> {
    const NAME_MOST: u64 = 255;
    let mut words = [0u64; 15];
    let head = [found.magic, BLOCK_BYTES, found.blocks, found.free, found.free, found.inodes, found.inodes_free, 0, NAME_MOST, BLOCK_BYTES];
    words[..10].copy_from_slice(&head);
    process.write_value(address, &words).map(|()| 0)
}

/// statfs(2)
pub fn statfs<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let entry = entry_at(process, linux_raw_sys::general::AT_FDCWD, arguments.word(0), 0)?;
    put_statistics(process, arguments.word(1), &entry.node.statistics(process))
}

/// fstatfs(2)
pub fn fstatfs<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let description = process.files.get(arguments.int(0))?;
    put_statistics(process, arguments.word(1), &description.entry.node.statistics(process))
}

fn change<K: Kernel>(process: &Process<K>, entry: &Entry, change: &Change) -> Result<usize> {
    entry.node.change(change, &process.actor()).map(|()| 0)
}

fn permissions(mode: u32) -> Change {
    Change { permissions: Some(mode & 0o7777), ..Change::default() }
}

/// chmod(2)
pub fn chmod<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let entry = entry_at(process, linux_raw_sys::general::AT_FDCWD, arguments.word(0), 0)?;
    change(process, &entry, &permissions(arguments.unsigned(1)))
}

/// fchmod(2)
pub fn fchmod<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let description = process.files.get(arguments.int(0))?;
    description.file()?;
    change(process, &description.entry, &permissions(arguments.unsigned(1)))
}

/// fchmodat(2)
pub fn fchmodat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let entry = entry_at(process, arguments.int(0), arguments.word(1), 0)?;
    change(process, &entry, &permissions(arguments.unsigned(2)))
}

/// fchmodat2(2)
pub fn fchmodat2<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let flags = arguments.unsigned(3);
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let entry = entry_at(process, arguments.int(0), arguments.word(1), flags)?;
    if entry.node.kind() == Kind::Link {
        return Err(Errno::EOPNOTSUPP);
    }
    change(process, &entry, &permissions(arguments.unsigned(2)))
}

/// The change of owners that a call asks for; -1 leaves one.
fn owners(user: u32, group: u32) -> Change {
    let given = |id: u32| (id != u32::MAX).then_some(id);
    Change { user: given(user), group: given(group), ..Change::default() }
}

/// chown(2)
pub fn chown<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let entry = entry_at(process, linux_raw_sys::general::AT_FDCWD, arguments.word(0), 0)?;
    change(process, &entry, &owners(arguments.unsigned(1), arguments.unsigned(2)))
}

/// lchown(2)
pub fn lchown<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let entry = entry_at(process, linux_raw_sys::general::AT_FDCWD, arguments.word(0), AT_SYMLINK_NOFOLLOW)?;
    change(process, &entry, &owners(arguments.unsigned(1), arguments.unsigned(2)))
}

/// fchown(2)
pub fn fchown<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let description = process.files.get(arguments.int(0))?;
    description.file()?;
    change(process, &description.entry, &owners(arguments.unsigned(1), arguments.unsigned(2)))
}

/// fchownat(2)
pub fn fchownat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let flags = arguments.unsigned(4);
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let entry = entry_at(process, arguments.int(0), arguments.word(1), flags)?;
    change(process, &entry, &owners(arguments.unsigned(2), arguments.unsigned(3)))
}

/// getxattr(2), setxattr(2), removexattr(2) and the forms that do not follow a link: no file system here keeps such attributes.
pub fn attribute<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    entry_at(process, linux_raw_sys::general::AT_FDCWD, arguments.word(0), AT_SYMLINK_NOFOLLOW)?;
    Err(Errno::EOPNOTSUPP)
}

/// fgetxattr(2), fsetxattr(2), fremovexattr(2)
pub fn descriptor_attribute<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    process.files.get(arguments.int(0))?.file()?;
    Err(Errno::EOPNOTSUPP)
}

/// listxattr(2), llistxattr(2): there are none.
pub fn list_attributes<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    entry_at(process, linux_raw_sys::general::AT_FDCWD, arguments.word(0), AT_SYMLINK_NOFOLLOW).map(|_| 0)
}

/// flistxattr(2)
pub fn list_descriptor_attributes<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    process.files.get(arguments.int(0))?.file().map(|_| 0)
}
