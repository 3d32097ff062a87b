//! Requests about names: walks, and what changes directories.

use alloc::sync::Arc;
use alloc::vec::Vec;

use libos::errno::{Errno, Result};
use libos::file::Access;
use libos::file::inotify::Happening;
use libos::vfs::attributes::{Change, Kind};
use libos::vfs::mount::NO_PROGRAMS;
use libos::vfs::node::{Entry, New, Node, Rename, SEALABLE, Target};
use libos::vfs::opening::{self, Opening};
use libos::vfs::permission::Wanted;
use libos::vfs::removal;
use libos::vfs::walk::{Ending, Found, Last, NAME_MAX, PATH_MAX, Start, walk_on};
use libos::vfs::wire;
use libos::vfs::world::World;
use unix::{MAILBOX_BYTES, Request};

use super::world::RequestWorld;
use super::{Asked, NONE, Tree, letter, send};
use crate::handles::Held;
use crate::server::{Answer, value};

const FOUND: u64 = 0;
const ABSENT: u64 = 1;
const FOREIGN: u64 = 2;
/// A count of changes follows.
const COUNTED: u64 = 1 << 32;
/// The most bytes of a symbolic link's path that symlink(2) takes.
const TARGET_MAX: usize = PATH_MAX - 1;

/// What every walk is asked with.
struct Walk {
    start: Start,
    path: Vec<u8>,
    last: Last,
    links: u32,
}

/// The names of a request: so many bytes each, one after the other.
fn name(bytes: &[u8]) -> Result<&[u8]> {
    match bytes {
        b"" | b"." | b".." => Err(Errno::EINVAL),
        _ if bytes.len() > NAME_MAX => Err(Errno::ENAMETOOLONG),
        _ if bytes.iter().any(|&byte| byte == b'/' || byte == 0) => Err(Errno::EINVAL),
        _ => Ok(bytes),
    }
}

/// Check that an entry is a directory.
fn directory(asked: &Asked, handle: u32) -> Result<Arc<Entry>> {
    let entry = asked.handles.entry(handle)?;
    if entry.node.kind() == Kind::Directory { Ok(entry) } else { Err(Errno::ENOTDIR) }
}

/// Check that the process may know what a walk came to.
fn check_reach(world: &RequestWorld, found: &Found) -> Result<()> {
    match &found.entry {
        _ if found.rest.is_some() => Ok(()),
        Some(entry) => world.may_use(entry, b"", Wanted::empty()),
        None => world.may_use(&found.parent, &found.name, Wanted::empty()),
    }
}

impl Tree {
    fn read_walk(&self, asked: &Asked, words: [u64; 3]) -> Result<Walk> {
        let from = directory(asked, words[0] as u32)?;
        let root = match (words[0] >> 32) as u32 {
            NONE => self.root.clone(),
            root => directory(asked, root)?,
        };
        let last = match words[1] >> 16 & 0xff {
            0 => Last::Follow,
            1 => Last::Keep,
            2 => Last::Name,
            _ => return Err(Errno::EINVAL),
        };
        // What a link led to may stand before the rest of a path.
        let length = words[1] as u16 as usize;
        let path = letter(asked, length)?;
        Ok(Walk { start: Start { root, from }, path, last, links: (words[1] >> 24) as u32 & 0xff })
    }

    pub(super) fn walk(&self, asked: &mut Asked, world: &RequestWorld, words: [u64; 3], is_stat: bool) -> Answer {
        let walk = self.read_walk(asked, words)?;
        let found = walk_on(world, &walk.start, &walk.path, walk.last, walk.links)?;
        check_reach(world, &found)?;
        // Only what the inode says of itself is asked for: nothing is to be held.
        if is_stat && found.rest.is_none() {
            let [first, state, ..] = send_attributes(asked, &found.existing()?)?;
            let steps = send_way(asked, world, wire::ATTRIBUTES_WORDS * 8)?;
            return Ok([first, state, steps, 0]);
        }
        answer(asked, found, walk.last)
    }

    pub(super) fn open(&self, asked: &mut Asked, world: &RequestWorld, request: &Request) -> Answer {
        let walk = self.read_walk(asked, request.words)?;
        let opening = Opening { flags: request.words[2] as u32, permissions: u32::from(request.small) & 0o7777 };
        let found = opening::find(world, &walk.start, &walk.path, &opening, walk.links)?;
        let entry = match &found.entry {
            Some(entry) if found.rest.is_none() => entry.clone(),
            _ => return answer(asked, found, Last::Follow),
        };
        if opening.cuts() {
            self.settle(&entry, world.tick);
        }
        if found.made {
            self.watches.tell_name(&found.parent, &found.name, Happening::CREATE, false, 0);
        }
        match entry.node.kind() {
            Kind::Regular | Kind::Directory => {
                let mut answer = self.open_new(asked, world, entry.clone(), opening.access())?;
                if opening.cuts() && !found.made {
                    self.watches.tell(&entry, Happening::MODIFY);
                }
                world.passed(&*entry.node);
                answer[1] |= send_way(asked, world, 0)? << 32;
                Ok(answer)
            }
            _ => {
                let mut answer = answer(asked, found, Last::Follow)?;
                world.passed(&*entry.node);
                answer[2] |= send_way(asked, world, 0)? << 32;
                Ok(answer)
            }
        }
    }

    /// Open what a path leads to, to be run.
    pub(super) fn run(&self, asked: &mut Asked, world: &RequestWorld, request: &Request) -> Answer {
        let walk = self.read_walk(asked, request.words)?;
        let found = walk_on(world, &walk.start, &walk.path, walk.last, walk.links)?;
        check_reach(world, &found)?;
        if found.rest.is_some() {
            return answer(asked, found, walk.last);
        }
        let entry = found.existing()?;
        match entry.node.kind() {
            Kind::Regular => {}
            Kind::Link => return Err(Errno::ELOOP),
            _ => return Err(Errno::EACCES),
        }
        world.may_use(&entry, b"", Wanted::EXECUTE | Wanted::READ)?;
        self.open_program(asked, world, request, entry, Access::READ)
    }

    pub(super) fn change(&self, asked: &mut Asked, world: &RequestWorld, handle: u32, parts: u16) -> Answer {
        let bytes = letter(asked, wire::CHANGE_WORDS * 8)?;
        let entry = asked.handles.entry(handle)?;
        let change = wire::change(parts, &wire::words(&bytes));
        entry.check_changeable()?;
        entry.node.change(&change, &world.actor())?;
        self.settle(&entry, world.tick);
        self.watches.tell(&entry, told_as(&change));
        value(0)
    }

    pub(super) fn truncate(&self, asked: &mut Asked, world: &RequestWorld, handle: u32, size: u64, by_place: bool) -> Answer {
        if let Held::Open(opened) = asked.handles.get(handle)?
            && !by_place
            && !opened.access.contains(Access::WRITE)
        {
            return Err(Errno::EINVAL);
        }
        let entry = asked.handles.entry(handle)?;
        if (by_place || matches!(asked.handles.get(handle)?, Held::Entry(_))) && entry.node.kind() == Kind::Regular {
            world.subject.may(&entry.node.attributes(), Wanted::WRITE)?;
            entry.check_changeable()?;
            entry.node.check_idle()?;
        }
        let outcome = entry.node.truncate(world, size);
        self.settle(&entry, world.tick);
        outcome?;
        self.watches.tell(&entry, Happening::MODIFY);
        value(0)
    }

    /// A directory's names: inode, next position, kind, length of the name, name.
    pub(super) fn list(&self, asked: &Asked, world: &RequestWorld, handle: u32, from: u64) -> Answer {
        let opened = asked.handles.opened(handle)?;
        let mut records = Vec::new();
        opened.file.list(world, from, &mut |listed| {
            if records.len() + 18 + listed.name.len() > MAILBOX_BYTES {
                return false;
            }
            records.extend_from_slice(&listed.inode.to_le_bytes());
            records.extend_from_slice(&listed.next.to_le_bytes());
            records.extend_from_slice(&[listed.kind as u16 as u8, listed.name.len() as u8]);
            records.extend_from_slice(listed.name);
            true
        })?;
        self.watches.tell(&opened.entry, Happening::ACCESS);
        send(asked, 0, &records)?;
        value(records.len() as u64)
    }

    pub(super) fn create(&self, asked: &mut Asked, world: &RequestWorld, request: &Request) -> Answer {
        let [handle, lengths, special] = request.words;
        let (name_length, target_length) = (lengths as u16 as usize, (lengths >> 16) as u16 as usize);
        let bytes = letter(asked, name_length + target_length)?;
        let (new_name, target) = bytes.split_at(name_length);
        let kind = Kind::from_number(request.small).filter(|&kind| kind != Kind::Anonymous).ok_or(Errno::EINVAL)?;
        if target.len() > TARGET_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let new = New { kind, permissions: (lengths >> 32) as u32 & 0o7777, special, target };
        let parent = directory(asked, handle as u32)?;
        world.may_use(&parent, name(new_name)?, Wanted::WRITE)?;
        let entry = parent.create(new_name, &new, &world.actor())?;
        self.watches.tell_name(&parent, new_name, Happening::CREATE, kind == Kind::Directory, 0);
        asked.handles.insert(Held::Entry(entry)).and_then(|handle| value(u64::from(handle)))
    }

    pub(super) fn link(&self, asked: &Asked, world: &RequestWorld, words: [u64; 3]) -> Answer {
        let bytes = letter(asked, words[1] as u16 as usize)?;
        let parent = directory(asked, words[0] as u32)?;
        let source = asked.handles.entry((words[0] >> 32) as u32)?;
        asked.sandbox.may_move((&source, b""), (&parent, name(&bytes)?))?;
        let node = source.node.clone();
        if node.kind() == Kind::Directory {
            return Err(Errno::EPERM);
        }
        parent.link(&bytes, &source, &world.actor())?;
        self.watches.tell_inode(&node, Happening::ATTRIBUTES);
        self.watches.tell_name(&parent, &bytes, Happening::CREATE, false, 0);
        value(0)
    }

    pub(super) fn unlink(&self, asked: &Asked, world: &RequestWorld, handle: u32, length: u64, is_directory: bool) -> Answer {
        let bytes = letter(asked, length as u16 as usize)?;
        let (parent, name) = (directory(asked, handle)?, name(&bytes)?);
        self.unlink_name(world, &parent, name, is_directory)
    }

    pub(super) fn remove(&self, asked: &Asked, world: &RequestWorld, request: &Request) -> Answer {
        let (walk, is_directory) = (self.read_walk(asked, request.words)?, request.small != 0);
        let found = walk_on(world, &walk.start, &walk.path, Last::Name, walk.links)?;
        if found.rest.is_some() {
            return value(FOREIGN);
        }
        check_reach(world, &found)?;
        removal::check(world, &found, is_directory)?;
        self.unlink_name(world, &found.parent, &found.name, is_directory)
    }

    fn unlink_name(&self, world: &RequestWorld, parent: &Arc<Entry>, name: &[u8], is_directory: bool) -> Answer {
        world.may_use(parent, name, Wanted::WRITE)?;
        let before = parent.lookup(name, world).ok().filter(|_| !is_directory);
        parent.check_changeable()?;
        parent.node.unlink(name, is_directory, &world.actor())?;
        if let Some(entry) = before {
            self.watches.tell_inode(&entry.node, Happening::ATTRIBUTES);
            self.note_removed(world, &entry.node);
        }
        self.watches.tell_name(parent, name, Happening::DELETE, is_directory, 0);
        value(0)
    }

    pub(super) fn rename(&self, asked: &Asked, world: &RequestWorld, request: &Request) -> Answer {
        let [handles, lengths, _] = request.words;
        let (old_length, new_length) = (lengths as u16 as usize, (lengths >> 16) as u16 as usize);
        let bytes = letter(asked, old_length + new_length)?;
        let (old_name, new_name) = bytes.split_at(old_length);
        let how = match request.small {
            0 => Rename::Replace,
            1 => Rename::Keep,
            2 => Rename::Exchange,
            _ => return Err(Errno::EINVAL),
        };
        let (from, to) = (directory(asked, handles as u32)?, directory(asked, (handles >> 32) as u32)?);
        let (old_name, new_name) = (name(old_name)?, name(new_name)?);
        asked.sandbox.may_move((&from, old_name), (&to, new_name))?;
        if how == Rename::Exchange {
            asked.sandbox.may_move((&to, new_name), (&from, old_name))?;
        }
        let (moved, over) = (self.watches.found(&from, old_name, world), to.lookup(new_name, world).ok());
        let over = over.map(|entry| entry.node.clone());
        from.rename(old_name, &to, new_name, how, &world.actor())?;
        if let Some(over) = &over {
            self.note_removed(world, over);
        }
        if let Some(moved) = moved {
            self.watches.tell_moved((&from, old_name), (&to, new_name), &moved);
            match over {
                Some(other) if how == Rename::Exchange => self.watches.tell_moved((&to, new_name), (&from, old_name), &other),
                Some(other) => self.watches.tell_inode(&other, Happening::ATTRIBUTES),
                None => {}
            }
            self.watches.tell_inode(&moved, Happening::MOVE_SELF);
        }
        value(0)
    }
}

impl Tree {
    /// After an inode lost a name: who opened it may keep it, though it is closed, and is to let go if that was the last one.
    fn note_removed(&self, world: &RequestWorld, node: &Arc<dyn Node>) {
        let attributes = node.attributes();
        if attributes.links == 0
            && let Some(shown) = self.showcase.find((attributes.device, attributes.inode))
        {
            world.removed.borrow_mut().extend(shown.openers());
        }
    }
}

/// What inotify(7) says of a change of attributes: of one time alone, that the file was read or written.
fn told_as(change: &Change) -> Happening {
    let others = change.permissions.is_some() || change.user.is_some() || change.group.is_some();
    match (change.accessed, change.modified) {
        (Some(_), None) if !others => Happening::ACCESS,
        (None, Some(_)) if !others => Happening::MODIFY,
        _ => Happening::ATTRIBUTES,
    }
}

/// Tell where a walk came to, with handles for it.
fn answer(asked: &mut Asked, found: Found, last: Last) -> Answer {
    let ending = match found.ending {
        Ending::Name => 0,
        Ending::Dot => 1,
        Ending::DotDot => 2,
        Ending::Root => 3u64,
    };
    let parent = if last == Last::Name { asked.handles.insert(Held::Entry(found.parent))? } else { NONE };
    let second = u64::from(parent) | u64::from(found.links) << 32;
    let first = ending << 4 | u64::from(found.slash) << 8;
    let outcome = match (found.entry, found.rest) {
        (Some(entry), Some(rest)) => send(asked, 0, &rest)
            .map(|()| [first | FOREIGN, second, (rest.len() as u64) << 32, u64::from(entry.node.portal().unwrap_or(0))]),
        (Some(entry), None) => {
            let (kind, mount) = (entry.node.kind(), entry.mount);
            let special = if matches!(kind, Kind::Character | Kind::Block) { entry.node.attributes().special } else { 0 };
            let name_bytes = if last == Last::Name { &found.name[..] } else { &[] };
            send(asked, 0, name_bytes).and_then(|()| asked.handles.insert(Held::Entry(entry))).map(|handle| {
                let what = FOUND | (kind as u64) << 16 | u64::from(mount) << 9 | u64::from(handle) << 32;
                [first | what, second, name_bytes.len() as u64, special]
            })
        }
        (None, _) if last == Last::Name => send(asked, 0, &found.name).map(|()| [first | ABSENT, second, found.name.len() as u64, 0]),
        (None, _) => Err(Errno::ENOENT),
    };
    outcome.inspect_err(|_| {
        let _ = asked.handles.release(parent);
    })
}

pub(super) fn attributes(asked: &Asked, handle: u32) -> Answer {
    send_attributes(asked, &asked.handles.entry(handle)?)
}

/// Send what an inode says of itself, and tell the count of its changes; 0 if it has none.
fn send_attributes(asked: &Asked, entry: &Arc<Entry>) -> Answer {
    let words = wire::attributes_words(&entry.node.attributes());
    send(asked, 0, &wire::bytes::<{ wire::ATTRIBUTES_WORDS }, { wire::ATTRIBUTES_WORDS * 8 }>(&words))?;
    let counts = entry.node.counts();
    Ok([0, counts.map_or(0, |(_, counts)| COUNTED | u64::from(counts.state())), 0, 0])
}

/// Send what the end of a path rests on; gives how many words that is, 0 if it is not to be remembered.
fn send_way(asked: &Asked, world: &RequestWorld, at: usize) -> Result<u64> {
    let mut count = 0;
    for word in world.way.borrow().words() {
        send(asked, at + count * 8, &word.to_le_bytes())?;
        count += 1;
    }
    Ok(count as u64)
}

/// Whether the process may use an inode so, by the ids that it acts with or by its real ones.
pub(super) fn permits(asked: &Asked, world: &RequestWorld, handle: u32, small: u16) -> Answer {
    let subject = if small & unix::REAL_IDS != 0 { asked.credentials.real() } else { world.subject };
    let wanted = Wanted::from_bits_truncate(u32::from(small));
    let entry = asked.handles.entry(handle)?;
    opening::check_writable(&entry, wanted)?;
    let is_program = wanted.contains(Wanted::EXECUTE) && entry.node.kind() == Kind::Regular;
    if is_program && entry.mount_flags() & NO_PROGRAMS != 0 {
        return Err(Errno::EACCES);
    }
    subject.may(&entry.node.attributes(), wanted).and_then(|()| value(0))
}

pub(super) fn statistics(asked: &Asked, world: &RequestWorld, handle: u32) -> Answer {
    let entry = asked.handles.entry(handle)?;
    let found = entry.node.statistics(world);
    let pair = |[low, high]: [u64; 2]| low.min(u64::from(u32::MAX)) | high.min(u64::from(u32::MAX)) << 32;
    Ok([
        found.magic,
        pair([found.blocks, found.free]),
        pair([found.inodes, found.inodes_free]),
        u64::from(found.flags | entry.mount_flags()),
    ])
}

impl Tree {
    /// Make a file that has no name: in a directory's file system, or, called so, in that of such files.
    pub(super) fn create_unnamed(&self, asked: &mut Asked, world: &RequestWorld, request: &Request) -> Answer {
        let [handle, length, _] = request.words;
        let bytes = letter(asked, (length as usize).min(NAME_MAX + 1))?;
        let parent = directory(asked, handle as u32)?;
        world.may_use(&parent, b"", Wanted::WRITE)?;
        let parent = if bytes.is_empty() { parent } else { self.nameless.clone() };
        let entry = parent.create_unnamed(&bytes, u32::from(request.small) & (0o7777 | SEALABLE), &world.actor())?;
        asked.handles.insert(Held::Entry(entry)).and_then(|handle| value(u64::from(handle)))
    }
}

pub(super) fn target(asked: &Asked, world: &RequestWorld, handle: u32) -> Answer {
    match asked.handles.entry(handle)?.node.target(world)? {
        Target::Path(path) => {
            send(asked, 0, &path)?;
            value(path.len() as u64)
        }
        Target::Entry(_) => Err(Errno::EINVAL),
    }
}

pub(super) fn path(asked: &Asked, handle: u32) -> Answer {
    let entry = asked.handles.entry(handle)?;
    let path = entry.path();
    send(asked, 0, &path)?;
    Ok([path.len() as u64, u64::from(entry.is_removed()), 0, 0])
}
