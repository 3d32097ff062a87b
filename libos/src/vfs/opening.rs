//! What open(2) finds, makes or cuts before there is a file.

use alloc::sync::Arc;

use linux_raw_sys::general::{
    O_APPEND, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_EXCL, O_LARGEFILE, O_NOATIME, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_RDWR, O_TMPFILE,
    O_TRUNC, O_WRONLY,
};

use crate::errno::{Errno, Result};
use crate::file::{Access, File};
use crate::vfs::attributes::Kind;
use crate::vfs::mount;
use crate::vfs::node::{Entry, NEVER_NAMED, New, Opened};
use crate::vfs::permission::Wanted;
use crate::vfs::walk::{Ending, Found, Journey, Last, Start, relative, walk_on};
use crate::vfs::world::World;

/// The bits of what it opens for (`O_ACCMODE`).
const ACCESS: u32 = 3;
/// What `O_TMPFILE` has beside `O_DIRECTORY`.
const NAMELESS: u32 = O_TMPFILE & !O_DIRECTORY;

/// How open(2) opens.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// Its flags.
    pub flags: u32,
    /// The permissions of what it makes, the umask applied.
    pub permissions: u32,
}

impl Opening {
    /// What it opens for. All bits of that together: for neither, but ioctl(2), of who could have both.
    #[must_use]
    pub fn access(&self) -> Access {
        match self.flags & ACCESS {
            0 => Access::READ,
            O_WRONLY => Access::WRITE,
            O_RDWR => Access::READ | Access::WRITE,
            _ => Access::empty(),
        }
    }

    /// Whether it asks for nothing but the file: what it leads to at one time it leads to at another, if nothing changed.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        const PLAIN: u32 = ACCESS | O_CLOEXEC | O_LARGEFILE | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK | O_APPEND;
        self.flags & !PLAIN == 0 && self.flags & ACCESS != ACCESS
    }

    /// Whether it cuts what is there.
    #[must_use]
    pub fn cuts(&self) -> bool {
        self.has(O_TRUNC)
    }

    fn has(&self, flags: u32) -> bool {
        self.flags & flags == flags
    }

    /// What it does at the end of a path.
    #[must_use]
    pub fn last(&self, path: &[u8]) -> Last {
        match () {
            () if self.has(O_TMPFILE) => Last::Follow,
            () if self.has(O_CREAT) && (path.ends_with(b"/") || self.flags & (O_EXCL | O_NOFOLLOW) != 0) => Last::Name,
            () if !self.has(O_CREAT) && self.has(O_NOFOLLOW) => Last::Keep,
            () => Last::Follow,
        }
    }
}

/// Open a path.
///
/// # Errors
/// open(2)'s.
pub fn open(world: &dyn World, start: &Start, path: &[u8], opening: &Opening) -> Result<(Arc<Entry>, Arc<dyn File>)> {
    let at = if path.first() == Some(&b'/') { &start.root } else { &start.from };
    let journey = Journey { root: &start.root, path, last: opening.last(path), links: 0 };
    let found = match at.node.open_on(&journey, opening, world) {
        Some(outcome) => match outcome? {
            Opened::File(entry, file) => return Ok((entry, file)),
            Opened::On(from, rest) => find(world, &Start { root: start.root.clone(), from }, relative(&rest), opening, 0)?,
        },
        None => find(world, start, path, opening, 0)?,
    };
    let entry = found.existing()?;
    let file = Arc::clone(&entry.node).open(&entry, opening.access(), world)?;
    Ok((entry, file))
}

/// Find what is to be opened, make it if that is asked for, and cut it. Where the way leads into a file system that whoever walks
/// keeps, nothing is made, and the rest is left.
///
/// # Errors
/// open(2)'s.
pub fn find(world: &dyn World, start: &Start, path: &[u8], opening: &Opening, links: u32) -> Result<Found> {
    let access = opening.access();
    if opening.has(O_CREAT | O_DIRECTORY) || opening.has(NAMELESS) && !(opening.has(O_TMPFILE) && access.contains(Access::WRITE)) {
        return Err(Errno::EINVAL);
    }
    let mut found = walk_on(world, start, path, opening.last(path), links)?;
    if found.rest.is_some() {
        return Ok(found);
    }
    if opening.has(O_TMPFILE) {
        let here = found.entry.ok_or(Errno::ENOENT)?;
        if here.node.kind() != Kind::Directory {
            return Err(Errno::ENOTDIR);
        }
        world.may_use(&here, b"", Wanted::WRITE)?;
        world.subject().may_add(&here.node.attributes())?;
        let never = if opening.has(O_EXCL) { NEVER_NAMED } else { 0 };
        found.entry = Some(here.create_unnamed(b"", opening.permissions | never, &world.actor())?);
        return Ok(found);
    }
    if opening.has(O_CREAT) {
        make(world, path, opening, &mut found)?;
    }
    let entry = found.entry.as_ref().ok_or(Errno::ENOENT)?;
    let kind = entry.node.kind();
    if opening.has(O_DIRECTORY) && kind != Kind::Directory {
        return Err(Errno::ENOTDIR);
    }
    match kind {
        Kind::Link => return Err(Errno::ELOOP),
        Kind::Directory if wanted(opening).contains(Wanted::WRITE) || opening.has(O_CREAT) => return Err(Errno::EISDIR),
        _ => {}
    }
    world.may_use(entry, b"", wanted(opening))?;
    if !found.made {
        check(world, entry, opening)?;
        if kind == Kind::Regular && wanted(opening).contains(Wanted::WRITE) {
            entry.node.check_idle()?;
        }
    }
    match kind {
        Kind::Socket => return Err(Errno::ENXIO),
        Kind::Regular if opening.has(O_TRUNC) && !found.made => entry.node.truncate(world, 0)?,
        _ => {}
    }
    Ok(found)
}

/// Make a regular file if nothing is there.
fn make(world: &dyn World, path: &[u8], opening: &Opening, found: &mut Found) -> Result<()> {
    if (path.ends_with(b"/") || found.slash) && found.ending == Ending::Name {
        return Err(Errno::EISDIR);
    }
    match &found.entry {
        Some(_) if opening.has(O_EXCL) => return Err(Errno::EEXIST),
        Some(_) => return Ok(()),
        None => {}
    }
    world.may_use(&found.parent, &found.name, Wanted::WRITE | wanted(opening))?;
    let new = New { kind: Kind::Regular, permissions: opening.permissions, special: 0, target: &[] };
    found.made = true;
    found.entry = Some(found.parent.create(&found.name, &new, &world.actor())?);
    Ok(())
}

/// What is wanted of what is opened so.
fn wanted(opening: &Opening) -> Wanted {
    let access = opening.access();
    let mut wanted = if access.is_empty() { Wanted::READ | Wanted::WRITE } else { Wanted::from(access) };
    wanted.set(Wanted::WRITE, wanted.contains(Wanted::WRITE) || opening.cuts());
    wanted
}

/// Check whether what is there may be opened so.
fn check(world: &dyn World, entry: &Entry, opening: &Opening) -> Result<()> {
    let flags = entry.mount_flags();
    if flags & mount::NO_DEVICES != 0 && matches!(entry.node.kind(), Kind::Character | Kind::Block) {
        return Err(Errno::EACCES);
    }
    check_writable(entry, wanted(opening))?;
    let subject = world.subject();
    if subject.is_privileged() {
        return Ok(());
    }
    let attributes = entry.node.attributes();
    subject.may(&attributes, wanted(opening))?;
    if opening.has(O_NOATIME) && !subject.owns(&attributes) { Err(Errno::EPERM) } else { Ok(()) }
}

/// Check that what is wanted of an inode leaves a read-only file system as it is. What stands for something else, such as a device, may be
/// written there too.
///
/// # Errors
/// `EROFS`: it does not.
pub fn check_writable(entry: &Entry, wanted: Wanted) -> Result<()> {
    let changes = wanted.contains(Wanted::WRITE) && (entry.node.is_read_only() || entry.check_changeable().is_err());
    if changes && matches!(entry.node.kind(), Kind::Regular | Kind::Directory | Kind::Link) { Err(Errno::EROFS) } else { Ok(()) }
}
