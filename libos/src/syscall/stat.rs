//! What an inode says of itself, as the calls of the stat family lay it out, and the calls that change it.

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::syscall::path::{find_at, path};
use crate::user::UserMemory;
use crate::vfs::attributes::{Attributes, Change, Kind, Time, major, minor};
use crate::vfs::node::{Entry, Statistics};
use crate::vfs::status::{BLOCK_BYTES, Status};
use crate::vfs::walk::{self, Last};
use crate::vfs::world::World;
use alloc::sync::Arc;
use linux_raw_sys::general::AT_FDCWD;

const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
const AT_NO_AUTOMOUNT: u32 = 0x800;
const AT_EMPTY_PATH: u32 = 0x1000;
const AT_STATX_SYNC_TYPE: u32 = 0x6000;

fn put<K: Kernel>(process: &Process<K>, address: usize, attributes: &Attributes) -> Result<usize> {
    Status::of(attributes).put(process, address).map(|()| 0)
}

/// The entry that an `*at` call with `AT_EMPTY_PATH` and `AT_SYMLINK_NOFOLLOW` means.
///
/// # Errors
/// Those of the walk; `EBADF`: the descriptor is not open.
pub fn entry_at<K: Kernel>(process: &Process<K>, directory: i32, address: usize, flags: u32) -> Result<Arc<Entry>> {
    let name = if flags & AT_EMPTY_PATH != 0 && address == 0 { alloc::vec::Vec::new() } else { path(process, address)? };
    if name.is_empty() && flags & AT_EMPTY_PATH != 0 {
        return match directory {
            AT_FDCWD => Ok(process.files.current_directory()),
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

/// The lane of [`fstat`]: what is known without asking.
#[inline(always)]
pub fn fstat_known<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Option<usize> {
    // A fault of the copy has no business with the table.
    process.files.with_table(|table| {
        let entry = &table.get(arguments.int(0)).ok()?.description.entry;
        entry.node.status(&mut |status| status.put(process, arguments.word(1))).then_some(0)
    })
}

/// fstat(2)
pub fn fstat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let entry = process.files.get(arguments.int(0))?.entry.clone();
    put(process, arguments.word(1), &entry.node.attributes())
}

/// stat(2) and its kin, from a directory.
fn stat_at<K: Kernel>(process: &Process<K>, directory: i32, path: usize, address: usize, flags: u32) -> Result<usize> {
    if flags & AT_EMPTY_PATH == 0 {
        let last = if flags & AT_SYMLINK_NOFOLLOW == 0 { Last::Follow } else { Last::Keep };
        let known =
            process.with_short(path, |name| process.files.status(directory, name, last, &mut |status| status.put(process, address)));
        if known == Some(true) {
            return Ok(0);
        }
    }
    let found = attributes_at(process, directory, path, flags)?;
    put(process, address, &found)
}

/// stat(2)
pub fn stat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    stat_at(process, AT_FDCWD, arguments.word(0), arguments.word(1), 0)
}

/// lstat(2)
pub fn lstat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    stat_at(process, AT_FDCWD, arguments.word(0), arguments.word(1), AT_SYMLINK_NOFOLLOW)
}

/// newfstatat(2)
pub fn newfstatat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let flags = arguments.unsigned(3);
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    stat_at(process, arguments.int(0), arguments.word(1), arguments.word(2), flags)
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
    let is_known = flags & !(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE) == 0;
    // All bits of how fresh it is to be together mean nothing.
    if !is_known || flags & AT_STATX_SYNC_TYPE == AT_STATX_SYNC_TYPE || arguments.unsigned(3) & RESERVED != 0 {
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
    /// Where `f_flags` is; `ST_VALID`, `ST_RELATIME`. The others are as mount(2) has them.
    const FLAGS: usize = 10;
    const VALID: u64 = 0x20;
    const RELATIVE_TIMES: u64 = 0x1000;
    let mut words = [0u64; 15];
    let head = [found.magic, BLOCK_BYTES, found.blocks, found.free, found.free, found.inodes, found.inodes_free, 0, NAME_MOST, BLOCK_BYTES];
    words[..10].copy_from_slice(&head);
    words[FLAGS] = VALID | RELATIVE_TIMES | u64::from(found.flags);
    process.write_value(address, &words).map(|()| 0)
}

/// statfs(2)
pub fn statfs<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let entry = entry_at(process, AT_FDCWD, arguments.word(0), 0)?;
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
    let entry = entry_at(process, AT_FDCWD, arguments.word(0), 0)?;
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
    Change { user: given(user), group: given(group), is_of_owners: true, ..Change::default() }
}

/// chown(2)
pub fn chown<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let entry = entry_at(process, AT_FDCWD, arguments.word(0), 0)?;
    change(process, &entry, &owners(arguments.unsigned(1), arguments.unsigned(2)))
}

/// lchown(2)
pub fn lchown<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let entry = entry_at(process, AT_FDCWD, arguments.word(0), AT_SYMLINK_NOFOLLOW)?;
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
    entry_at(process, AT_FDCWD, arguments.word(0), AT_SYMLINK_NOFOLLOW)?;
    Err(Errno::EOPNOTSUPP)
}

/// fgetxattr(2), fsetxattr(2), fremovexattr(2)
pub fn descriptor_attribute<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    process.files.get(arguments.int(0))?.file()?;
    Err(Errno::EOPNOTSUPP)
}

/// listxattr(2), llistxattr(2): there are none.
pub fn list_attributes<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    entry_at(process, AT_FDCWD, arguments.word(0), AT_SYMLINK_NOFOLLOW).map(|_| 0)
}

/// flistxattr(2)
pub fn list_descriptor_attributes<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    process.files.get(arguments.int(0))?.file().map(|_| 0)
}
