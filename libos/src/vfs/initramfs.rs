//! The archive that the first files come from: cpio's `newc` format, as the kernel's
//! Documentation/driver-api/early-userspace/buffer-format.rst describes it.
//!
//! Names and attributes become inodes of the root tmpfs; contents are not copied but shown where they are. What is malformed ends the
//! unpacking there, as it does on Linux. Any archive will do; contents that begin at a page boundary can be mapped as they lie there.
//!
//! Members below `.chitin/` are not of the tree. `.chitin/rewritten/PATH` is attached to the regular file `/PATH`, whichever of the two
//! comes first.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::errno::Errno;
use crate::vfs::attributes::{Change, Kind, Time, device_number};
use crate::vfs::node::{Entry, New};
use crate::vfs::permission::Actor;
use crate::vfs::tmpfs::Inode;

/// Bytes of a header: the magic number and thirteen fields of eight hexadecimal digits.
const HEADER: usize = 6 + 13 * 8;

/// Where the members are that the tree does not show.
const HIDDEN: &[u8] = b".chitin";
/// What such a member's name begins with if it is attached to a file.
const REWRITTEN: &[u8] = b".chitin/rewritten/";

/// A member of an archive.
struct Member<'a> {
    inode: u32,
    mode: u32,
    user: u32,
    group: u32,
    links: u32,
    modified: u32,
    device: (u32, u32),
    special: (u32, u32),
    name: &'a [u8],
    contents: &'static [u8],
    length: usize,
}

fn aligned(offset: usize) -> usize {
    offset.next_multiple_of(4)
}

/// Read the member at the start of `archive`; `None` at the end or where it is malformed.
fn member(archive: &'static [u8]) -> Option<Member<'static>> {
    let header = archive.get(..HEADER)?;
    if !matches!(&header[..6], b"070701" | b"070702") {
        return None;
    }
    let field = |index: usize| {
        let digits = &header[6 + index * 8..14 + index * 8];
        digits.iter().try_fold(0, |number, &digit| Some(number << 4 | char::from(digit).to_digit(16)?))
    };
    let (size, name_size) = (field(6)? as usize, field(11)? as usize);
    let name = archive.get(HEADER..HEADER.checked_add(name_size)?)?;
    let data = aligned(HEADER + name_size);
    let contents = archive.get(data..data.checked_add(size)?)?;
    Some(Member {
        inode: field(0)?,
        mode: field(1)?,
        user: field(2)?,
        group: field(3)?,
        links: field(4)?,
        modified: field(5)?,
        device: (field(7)?, field(8)?),
        special: (field(9)?, field(10)?),
        // Further NULs may follow, to bring the contents to a boundary.
        name: name.strip_suffix(b"\0")?.split(|&byte| byte == 0).next()?,
        contents,
        length: aligned(data + size),
    })
}

/// Unpack an archive into a tree. Gives how many members there were.
pub fn unpack(archive: &'static [u8], root: &Arc<Entry>, now: Time) -> usize {
    let mut rest = archive;
    let mut seen = BTreeMap::new();
    let mut count = 0;
    let mut overlays = Vec::new();
    while let Some(found) = member(rest) {
        rest = rest.get(found.length..).unwrap_or(&[]);
        if found.name == b"TRAILER!!!" {
            // Archives may follow one another, with zeros in between; hard links do not reach across.
            seen.clear();
            let padding = rest.iter().take_while(|&&byte| byte == 0).count();
            rest = &rest[padding..];
            continue;
        }
        if is_hidden(found.name) {
            overlays.extend(found.name.strip_prefix(REWRITTEN).map(|path| (path, found.contents)));
            continue;
        }
        count += usize::from(place(&found, root, &mut seen, now).is_ok());
    }
    for (path, overlay) in overlays {
        attach(root, path, overlay);
    }
    count
}

fn is_hidden(name: &[u8]) -> bool {
    name.strip_prefix(HIDDEN).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// Attach an overlay to the file of a path without links; to nothing if there is no such file.
fn attach(root: &Arc<Entry>, path: &[u8], overlay: &'static [u8]) {
    let mut parts = path.split(|&byte| byte == b'/').filter(|part| !part.is_empty());
    let Some(entry) = parts.try_fold(root.clone(), |at, part| child(&at, part)) else { return };
    if let Some(inode) = inode(&entry)
        && overlay.as_ptr().addr().is_multiple_of(abi::PAGE_SIZE)
    {
        inode.attach_overlay(overlay);
    }
}

/// A directory, and a name in it.
type Place<'a> = (Arc<Entry>, &'a [u8]);

/// The directory that a name is in, made if need be, and the name's last part.
fn directory_of<'a>(name: &'a [u8], root: &Arc<Entry>, now: Time) -> Result<Option<Place<'a>>, Errno> {
    let parts: Vec<&[u8]> = name.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    let Some((&last, directories)) = parts.split_last() else { return Ok(None) };
    let mut at = root.clone();
    for part in directories {
        at = child(&at, part).map_or_else(
            || at.node.create(&at, part, &New { kind: Kind::Directory, permissions: 0o755, special: 0, target: &[] }, &Actor::root(now)),
            Ok,
        )?;
    }
    Ok(Some((at, last)))
}

fn child(directory: &Arc<Entry>, name: &[u8]) -> Option<Arc<Entry>> {
    inode(directory)?.find(name)
}

fn inode(entry: &Arc<Entry>) -> Option<&Inode> {
    (&*entry.node as &dyn core::any::Any).downcast_ref()
}

type Seen = BTreeMap<(u32, u32, u32), Arc<Entry>>;

fn place(found: &Member, root: &Arc<Entry>, seen: &mut Seen, now: Time) -> Result<(), Errno> {
    let kind = Kind::from_mode(found.mode).ok_or(Errno::EINVAL)?;
    let time = Time { seconds: i64::from(found.modified), nanoseconds: 0 };
    let change = Change {
        permissions: Some(found.mode & 0o7777),
        user: Some(found.user),
        group: Some(found.group),
        accessed: Some(time),
        modified: Some(time),
        is_present_time: false,
        is_of_owners: false,
    };
    let changed = Actor::root(time);
    let Some((directory, name)) = directory_of(found.name, root, now)? else { return root.node.change(&change, &changed) };
    let old = child(&directory, name);
    if let Some(old) = &old {
        if kind == Kind::Directory && old.node.kind() == Kind::Directory {
            return old.node.change(&change, &changed);
        }
        directory.node.unlink(name, old.node.kind() == Kind::Directory, &Actor::root(now))?;
    }
    let key = (found.device.0, found.device.1, found.inode);
    let first = if found.links > 1 && kind == Kind::Regular { seen.get(&key).cloned() } else { None };
    if let Some(first) = first {
        // The contents of a file with several names come with any one of them, usually the last.
        if !found.contents.is_empty()
            && let Some(inode) = inode(&first)
        {
            inode.show_image(found.contents);
        }
        return directory.node.link(&directory, name, &first.node, &Actor::root(now));
    }
    let new = New {
        kind,
        permissions: found.mode & 0o7777,
        special: device_number(found.special.0, found.special.1),
        target: if kind == Kind::Link { found.contents } else { &[] },
    };
    let entry = directory.node.create(&directory, name, &new, &Actor::root(now))?;
    if kind == Kind::Regular
        && let Some(inode) = inode(&entry)
    {
        inode.show_image(found.contents);
        if found.links > 1 {
            seen.insert(key, entry.clone());
        }
    }
    entry.node.change(&change, &changed)
}
