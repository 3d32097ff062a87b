//! openat2(2): opening with a say in how the path is resolved.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bitflags::bitflags;
use linux_raw_sys::general::{
    O_ACCMODE, O_APPEND, O_CLOEXEC, O_CREAT, O_DIRECT, O_DIRECTORY, O_DSYNC, O_EXCL, O_LARGEFILE, O_NOATIME, O_NOCTTY, O_NOFOLLOW,
    O_NONBLOCK, O_PATH, O_SYNC, O_TMPFILE, O_TRUNC,
};

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::syscall::open::open_resolved;
use crate::syscall::path::path;
use crate::user::UserMemory;
use crate::vfs::attributes::Kind;
use crate::vfs::node::{Entry, Target};
use crate::vfs::walk::{Last, Start, walk};

/// Bytes of a `struct open_how`: flags, mode, resolve.
const HOW_BYTES: usize = 24;
const FLAGS: u32 = O_ACCMODE
    | O_APPEND
    | O_CLOEXEC
    | O_CREAT
    | O_DIRECT
    | O_DIRECTORY
    | O_DSYNC
    | O_EXCL
    | O_LARGEFILE
    | O_NOATIME
    | O_NOCTTY
    | O_NOFOLLOW
    | O_NONBLOCK
    | O_PATH
    | O_SYNC
    | O_TMPFILE
    | O_TRUNC
    | FASYNC;
const FASYNC: u32 = 0o20000;
const MODE: u64 = 0o7777;
/// The most symbolic links that are followed.
const LINKS_MOST: u32 = 40;

bitflags! {
    /// How a path may be resolved.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    struct Resolve: u64 {
        /// Not into another file system.
        const NO_OTHER_DEVICE = 1;
        /// Not by the links of `/proc`.
        const NO_MAGIC_LINKS = 2;
        /// Not by any symbolic link.
        const NO_LINKS = 4;
        /// Not out of the directory where it begins.
        const BENEATH = 8;
        /// As if that directory were the root.
        const IN_ROOT = 0x10;
        /// Not if anything had to be waited for: never, since all is in memory.
        const CACHED = 0x20;
    }
}

/// The flags, mode and restrictions that a program asks with.
fn read_how<K: Kernel>(process: &Process<K>, address: usize, size: usize) -> Result<(u32, u32, Resolve)> {
    if size < HOW_BYTES {
        return Err(Errno::EINVAL);
    }
    if size > abi::PAGE_SIZE {
        return Err(Errno::E2BIG);
    }
    let mut bytes = alloc::vec![0; size];
    process.read(address, &mut bytes)?;
    if bytes[HOW_BYTES..].iter().any(|&byte| byte != 0) {
        return Err(Errno::E2BIG);
    }
    let word = |at: usize| bytes[at..at + 8].iter().rev().fold(0u64, |word, &byte| word << 8 | u64::from(byte));
    let (flags, mode, resolve) = (word(0), word(8), Resolve::from_bits(word(16)).ok_or(Errno::EINVAL)?);
    let flags = u32::try_from(flags).ok().filter(|flags| flags & !FLAGS == 0).ok_or(Errno::EINVAL)?;
    let makes = flags & O_CREAT != 0 || flags & O_TMPFILE & !O_DIRECTORY != 0;
    let beside_path = flags & O_PATH != 0 && flags & !(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) != 0;
    if resolve.contains(Resolve::BENEATH | Resolve::IN_ROOT) || mode & !(if makes { MODE } else { 0 }) != 0 || beside_path {
        return Err(Errno::EINVAL);
    }
    if resolve.contains(Resolve::CACHED) && (makes || flags & O_TRUNC != 0) {
        return Err(Errno::EAGAIN);
    }
    Ok((flags, mode as u32, resolve))
}

/// openat2(2)
pub fn openat2<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (flags, mode, resolve) = read_how(process, arguments.word(2), arguments.word(3))?;
    let name = path(process, arguments.word(1))?;
    if name.is_empty() {
        return Err(Errno::ENOENT);
    }
    process.files.with_table(|table| table.check_room())?;
    let (start, last) = if resolve.difference(Resolve::CACHED).is_empty() {
        (process.files.start(arguments.int(0), &name)?, name)
    } else {
        Walk::new(process, arguments.int(0), &name, resolve)?.walk(process, &name, flags)?
    };
    let description = open_resolved(process, &start, &last, flags, mode)?;
    process.files.insert(description, flags & O_CLOEXEC != 0).map(|fd| fd as usize)
}

/// A walk that looks at each step.
struct Walk {
    root: Arc<Entry>,
    /// The directories from where it began to where it is.
    at: Vec<Arc<Entry>>,
    resolve: Resolve,
    links: u32,
}

impl Walk {
    fn new<K: Kernel>(process: &Process<K>, directory: i32, name: &[u8], resolve: Resolve) -> Result<Walk> {
        let is_scoped = resolve.intersects(Resolve::BENEATH | Resolve::IN_ROOT);
        if name[0] == b'/' && resolve.contains(Resolve::BENEATH) {
            return Err(Errno::EXDEV);
        }
        let start = process.files.start(directory, if is_scoped { b"." } else { name })?;
        let (root, from) = match name[0] {
            _ if is_scoped => (start.from.clone(), start.from),
            b'/' => (start.root.clone(), start.root),
            _ => (start.root, start.from),
        };
        Ok(Walk { root, at: alloc::vec![from], resolve, links: 0 })
    }

    fn here(&self) -> Start {
        let from = self.at.last().unwrap_or(&self.root).clone();
        Start { root: self.root.clone(), from }
    }

    fn enter(&mut self, entry: Arc<Entry>) -> Result<()> {
        let device = |entry: &Arc<Entry>| entry.node.attributes().device;
        if self.resolve.contains(Resolve::NO_OTHER_DEVICE) && device(&entry) != device(&self.here().from) {
            return Err(Errno::EXDEV);
        }
        self.at.push(entry);
        Ok(())
    }

    fn go_up<K: Kernel>(&mut self, process: &Process<K>) -> Result<()> {
        if self.at.len() > 1 {
            self.at.pop();
            return Ok(());
        }
        if self.resolve.contains(Resolve::BENEATH) {
            return Err(Errno::EXDEV);
        }
        let above = walk(process, &self.here(), b"..", Last::Keep)?.existing()?;
        self.enter(above)?;
        self.at.remove(0);
        Ok(())
    }

    /// Follow a link: gives the components that it puts in front.
    fn follow<K: Kernel>(&mut self, process: &Process<K>, link: &Arc<Entry>) -> Result<Vec<Vec<u8>>> {
        self.links += 1;
        if self.resolve.contains(Resolve::NO_LINKS) || self.links > LINKS_MOST {
            return Err(Errno::ELOOP);
        }
        match link.node.target(process)? {
            Target::Entry(_) if self.resolve.contains(Resolve::NO_MAGIC_LINKS) => Err(Errno::ELOOP),
            Target::Entry(_) if self.resolve.intersects(Resolve::BENEATH | Resolve::IN_ROOT) => Err(Errno::EXDEV),
            Target::Entry(entry) => self.enter(entry).map(|()| alloc::vec![b".".to_vec()]),
            Target::Path(path) => {
                if path.first() == Some(&b'/') {
                    if self.resolve.contains(Resolve::BENEATH) {
                        return Err(Errno::EXDEV);
                    }
                    let root = self.root.clone();
                    self.enter(root.clone())?;
                    self.at = alloc::vec![root];
                }
                Ok(components(&path).collect())
            }
        }
    }

    /// Walk to the last component; gives where it is looked for, and it.
    fn walk<K: Kernel>(mut self, process: &Process<K>, name: &[u8], flags: u32) -> Result<(Start, Vec<u8>)> {
        let mut left: VecDeque<Vec<u8>> = components(name).collect();
        let keeps_last = flags & O_NOFOLLOW != 0 || flags & O_CREAT != 0 && flags & O_EXCL != 0;
        while let Some(component) = left.pop_front() {
            match &component[..] {
                b"." => {}
                b".." => self.go_up(process)?,
                _ => {
                    let is_last = left.is_empty();
                    let found = walk(process, &self.here(), &component, Last::Name)?;
                    match found.entry {
                        None if is_last => return Ok((self.here(), component)),
                        None => return Err(Errno::ENOENT),
                        Some(entry) if entry.node.kind() == Kind::Link && !(is_last && keeps_last) => {
                            let front = self.follow(process, &entry)?;
                            front.into_iter().rev().for_each(|component| left.push_front(component));
                        }
                        Some(entry) if is_last => {
                            self.enter(entry)?;
                            self.at.pop();
                            return Ok((self.here(), component));
                        }
                        Some(entry) => self.enter(entry)?,
                    }
                }
            }
        }
        Ok((self.here(), b".".to_vec()))
    }
}

/// The components of a path; a slash at its end leads into what is before it.
fn components(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let end = path.ends_with(b"/").then(|| b".".to_vec());
    path.split(|&byte| byte == b'/').filter(|component| !component.is_empty()).map(<[u8]>::to_vec).chain(end)
}
