//! From a path to an entry, as path_resolution(7) says.
//!
//! One walk serves every call; they differ in what they do at the last component ([`Last`]).

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::errno::{Errno, Result};
use crate::vfs::attributes::{Attributes, Kind};
use crate::vfs::node::{Entry, Target};
use crate::vfs::permission::Wanted;
use crate::vfs::world::World;

/// The most bytes of a component (`NAME_MAX`).
pub const NAME_MAX: usize = 255;
/// The most bytes of a path, its NUL included (`PATH_MAX`).
pub const PATH_MAX: usize = 4096;
/// The most symbolic links followed in one walk.
const LINKS_MAX: u32 = 40;

/// What to do at the last component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// Follow it if it is a symbolic link.
    Follow,
    /// Do not, unless a slash stands behind it.
    Keep,
    /// Never: it is a name to be made, removed or moved.
    Name,
}

/// Where a walk begins and what it may do.
#[derive(Clone)]
pub struct Start {
    /// `/`.
    pub root: Arc<Entry>,
    /// Where a relative path begins.
    pub from: Arc<Entry>,
}

/// What kind of name the last component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A name.
    Name,
    /// `.`
    Dot,
    /// `..`
    DotDot,
    /// The path is all slashes.
    Root,
}

/// Where a walk came to.
pub struct Found {
    /// The directory of the last component. For `.`, `..` and `/`, what was found itself.
    pub parent: Arc<Entry>,
    /// The last component, where it is a name to be made, removed or moved; else empty.
    pub name: Vec<u8>,
    /// What kind of name it is.
    pub ending: Ending,
    /// Whether a slash stands behind it.
    pub slash: bool,
    /// What has that name; `None` if nothing.
    pub entry: Option<Arc<Entry>>,
    /// `entry` is where a file system begins that whoever walks keeps ([`Node::portal`](crate::vfs::node::Node::portal)), and this is what
    /// stands behind its name.
    pub rest: Option<Vec<u8>>,
    /// Symbolic links followed.
    pub links: u32,
    /// Whether it was not there, and was made.
    pub made: bool,
}

/// A walk in a tree that is kept elsewhere.
pub struct Journey<'a> {
    /// `/`, for links that lead there.
    pub root: &'a Arc<Entry>,
    /// What is left of the path.
    pub path: &'a [u8],
    /// What to do at its last component.
    pub last: Last,
    /// Symbolic links followed so far.
    pub links: u32,
}

/// How far a tree went that is kept elsewhere.
pub enum Ahead {
    /// To the end of the path.
    Found(Found),
    /// To a file system that is kept here.
    On {
        /// The directory that it is mounted in, if the mount is where the path ends and that was asked for.
        parent: Option<Arc<Entry>>,
        /// Its root.
        entry: Arc<Entry>,
        /// What is left of the path.
        rest: Vec<u8>,
        /// Symbolic links followed so far.
        links: u32,
    },
}

impl Found {
    /// The entry.
    ///
    /// # Errors
    /// `ENOENT`: nothing has that name.
    pub fn existing(self) -> Result<Arc<Entry>> {
        self.entry.ok_or(Errno::ENOENT)
    }
}

/// What a tree that is kept elsewhere says of the end of a path.
pub enum Stated {
    /// What the inode there says of itself.
    Attributes(Attributes),
    /// The way leads on: from this entry, with the rest of the path, so many links having been followed.
    On(Arc<Entry>, Vec<u8>, u32),
}

/// What the inode says of itself that a path leads to.
///
/// # Errors
/// Those of [`walk`]; `ENOENT`: there is none.
pub fn attributes(world: &dyn World, start: &Start, path: &[u8], last: Last) -> Result<Attributes> {
    let at = if path.first() == Some(&b'/') { &start.root } else { &start.from };
    let found = match at.node.attributes_on(&Journey { root: &start.root, path, last, links: 0 }) {
        None => walk(world, start, path, last)?,
        Some(outcome) => match outcome? {
            Stated::Attributes(attributes) => return Ok(attributes),
            Stated::On(from, rest, links) => walk_on(world, &Start { root: start.root.clone(), from }, relative(&rest), last, links)?,
        },
    };
    found.existing().map(|entry| entry.node.attributes())
}

/// The rest of a path, from where it led.
#[must_use]
pub fn relative(rest: &[u8]) -> &[u8] {
    let slashes = rest.iter().take_while(|&&byte| byte == b'/').count();
    if slashes == rest.len() { b"." } else { &rest[slashes..] }
}

/// Walk a path.
///
/// # Errors
/// `ENOENT`: the path is empty, or a directory on the way is missing. `ENOTDIR`: what is on the way is no directory.
/// `EACCES`: a directory on the way may not be searched. `ENAMETOOLONG`, `ELOOP`: as path_resolution(7).
pub fn walk(world: &dyn World, start: &Start, path: &[u8], last: Last) -> Result<Found> {
    walk_on(world, start, path, last, 0)
}

/// [`walk`], when so many links were followed already.
///
/// # Errors
/// As there.
pub fn walk_on(world: &dyn World, start: &Start, path: &[u8], last: Last, mut links: u32) -> Result<Found> {
    if path.is_empty() {
        return Err(Errno::ENOENT);
    }
    if path.len() >= PATH_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    let mut rest: Cow<[u8]> = Cow::Borrowed(path);
    let mut at = if path[0] == b'/' { start.root.clone() } else { start.from.clone() };
    let mut position = 0;
    loop {
        position += rest[position..].iter().take_while(|&&byte| byte == b'/').count();
        if position == rest.len() {
            return Ok(Found {
                parent: at.clone(),
                name: Vec::new(),
                ending: Ending::Root,
                slash: true,
                entry: Some(at),
                rest: None,
                links,
                made: false,
            });
        }
        if let Some(ahead) = at.node.walk_on(&Journey { root: &start.root, path: &rest[position..], last, links }) {
            match ahead? {
                Ahead::Found(found) => return Ok(found),
                Ahead::On { parent, entry, rest: behind, links: followed } => {
                    links = followed;
                    if behind.iter().all(|&byte| byte == b'/') {
                        let (name, slash) = (if last == Last::Name { entry.name() } else { Vec::new() }, !behind.is_empty());
                        let parent = parent.unwrap_or_else(|| entry.clone());
                        return Ok(Found { parent, name, ending: Ending::Name, slash, entry: Some(entry), rest: None, links, made: false });
                    }
                    (at, rest, position) = (entry, Cow::Owned(behind), 0);
                    continue;
                }
            }
        }
        let length = rest[position..].iter().position(|&byte| byte == b'/').unwrap_or(rest.len() - position);
        let name = &rest[position..position + length];
        let end = position + length;
        let next = end + rest[end..].iter().take_while(|&&byte| byte == b'/').count();
        let (is_last, slash) = (next == rest.len(), next > end);
        if at.node.kind() != Kind::Directory {
            return Err(Errno::ENOTDIR);
        }
        world.passed(&*at.node);
        let subject = world.subject();
        if !subject.is_privileged() {
            subject.may(&at.node.attributes(), Wanted::EXECUTE)?;
        }
        let step = step(world, start, &at, name)?;
        if let Some(entry) = step.as_ref().filter(|entry| entry.node.portal().is_some()) {
            let (name, behind) = (name.to_vec(), rest[end..].to_vec());
            return Ok(Found {
                parent: at,
                name,
                ending: Ending::Name,
                slash,
                entry: Some(entry.clone()),
                rest: Some(behind),
                links,
                made: false,
            });
        }
        let ending = match name {
            b"." => Ending::Dot,
            b".." => Ending::DotDot,
            _ => Ending::Name,
        };
        let link = step.as_ref().filter(|entry| entry.node.kind() == Kind::Link && ending == Ending::Name);
        let follow = !is_last || last == Last::Follow || last == Last::Keep && slash;
        if let (Some(link), true) = (link, follow) {
            links += 1;
            if links > LINKS_MAX {
                return Err(Errno::ELOOP);
            }
            match link.node.target(world)? {
                Target::Path(target) => {
                    if target.is_empty() {
                        return Err(Errno::ENOENT);
                    }
                    if target[0] == b'/' {
                        at = start.root.clone();
                    }
                    let mut longer = target;
                    longer.extend_from_slice(&rest[end..]);
                    rest = Cow::Owned(longer);
                    position = 0;
                    continue;
                }
                Target::Entry(entry) if is_last => {
                    directory_if(slash, Some(&entry))?;
                    return Ok(Found { parent: at, name: Vec::new(), ending, slash, entry: Some(entry), rest: None, links, made: false });
                }
                Target::Entry(entry) => at = entry,
            }
        } else if is_last {
            if last != Last::Name {
                directory_if(slash, step.as_ref())?;
            }
            let parent = if ending == Ending::Name { at } else { step.clone().unwrap_or(at) };
            // Most walks end at something that is there, and need no copy of its name.
            let name = if step.is_none() || last == Last::Name { name.to_vec() } else { Vec::new() };
            return Ok(Found { parent, name, ending, slash, entry: step, rest: None, links, made: false });
        } else {
            at = step.ok_or(Errno::ENOENT)?;
        }
        position = next;
    }
}

fn directory_if(slash: bool, entry: Option<&Arc<Entry>>) -> Result<()> {
    match entry {
        Some(entry) if slash && entry.node.kind() != Kind::Directory => Err(Errno::ENOTDIR),
        _ => Ok(()),
    }
}

/// One component; `None` if nothing has that name.
fn step(world: &dyn World, start: &Start, at: &Arc<Entry>, name: &[u8]) -> Result<Option<Arc<Entry>>> {
    match name {
        b"." => Ok(Some(at.clone())),
        b".." if at.is(&start.root) => Ok(Some(at.clone())),
        b".." => Ok(Some(enter(world, at.parent().unwrap_or_else(|| at.clone())))),
        _ if name.len() > NAME_MAX => Err(Errno::ENAMETOOLONG),
        _ => match at.lookup(name, world) {
            Ok(entry) => Ok(Some(enter(world, entry))),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error),
        },
    }
}

/// What is seen at an entry: what was mounted on it last.
#[must_use]
pub fn enter(world: &dyn World, mut entry: Arc<Entry>) -> Arc<Entry> {
    while entry.is_covered() {
        match world.mounted_on(&entry) {
            Some(top) => entry = top,
            None => break,
        }
    }
    entry
}
