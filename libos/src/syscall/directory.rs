//! getdents64(2) and getdents(2): a directory's names as records.

use alloc::vec::Vec;

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::user::UserMemory;
use crate::vfs::attributes::Kind;
use crate::vfs::node::Listed;

/// Bytes of `struct linux_dirent64` before the name.
const RECORD_BYTES: usize = 19;
/// Bytes of `struct linux_dirent` before the name.
const OLD_RECORD_BYTES: usize = 18;
/// The most that one call tells, in bytes.
const ROOM_MOST: usize = 1 << 20;

/// getdents64(2)
pub fn getdents64<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    list(process, arguments, RECORD_BYTES + 1, &|bytes, listed, length| {
        bytes.extend_from_slice(&listed.inode.to_le_bytes());
        bytes.extend_from_slice(&listed.next.to_le_bytes());
        bytes.extend_from_slice(&(length as u16).to_le_bytes());
        bytes.push(listed.kind as u16 as u8);
        bytes.extend_from_slice(listed.name);
        bytes.resize(bytes.len() - RECORD_BYTES - listed.name.len() + length, 0);
    })
}

/// getdents(2): the older record has the type in its last byte.
pub fn getdents<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    list(process, arguments, OLD_RECORD_BYTES + 2, &|bytes, listed, length| {
        bytes.extend_from_slice(&listed.inode.to_le_bytes());
        bytes.extend_from_slice(&listed.next.to_le_bytes());
        bytes.extend_from_slice(&(length as u16).to_le_bytes());
        bytes.extend_from_slice(listed.name);
        bytes.resize(bytes.len() - OLD_RECORD_BYTES - listed.name.len() + length - 1, 0);
        bytes.push(listed.kind as u16 as u8);
    })
}

/// Appends a record of a length.
type Record = dyn Fn(&mut Vec<u8>, &Listed, usize);

/// Tell as many names as fit; `fixed` is what a record takes beside its name.
fn list<K: Kernel>(process: &Process<K>, arguments: &Arguments, fixed: usize, record: &Record) -> Result<usize> {
    let description = process.files.get(arguments.int(0))?;
    let file = description.file()?;
    if description.entry.node.kind() != Kind::Directory {
        return Err(Errno::ENOTDIR);
    }
    if description.entry.is_removed() {
        return Err(Errno::ENOENT);
    }
    let room = (arguments.unsigned(2) as usize).min(ROOM_MOST);
    let mut bytes = Vec::new();
    let mut next = description.offset();
    let mut full = false;
    file.list(process, next, &mut |listed| {
        let length = (fixed + listed.name.len()).next_multiple_of(8);
        full = bytes.len() + length > room;
        if !full {
            record(&mut bytes, listed, length);
            next = listed.next;
        }
        !full
    })?;
    if bytes.is_empty() && full {
        return Err(Errno::EINVAL);
    }
    process.write(arguments.word(1), &bytes)?;
    description.set_offset(next);
    Ok(bytes.len())
}
