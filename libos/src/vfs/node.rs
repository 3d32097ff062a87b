//! Inodes and the names that they have.
//!
//! A [`Node`] is an inode: what it can do, its file system decides; what it cannot, the trait's defaults refuse with Linux's errno. An
//! [`Entry`] is a name in a directory, and keeps the way up to the root. An open file holds its entry, so that its path can be told
//! after a rename.
//!
//! The root of a file system that every tree has is simply the node of the entry where it is mounted: nothing is covered, and `..` needs no special
//! case. Of those that are mounted later the entries are views: see [`mount`].

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicU32, Ordering};

use spin::Mutex;
use unix::ChangeCounts;

use crate::errno::{Errno, Result};
use crate::file::{Access, File};
use crate::memory::backing::Backing;
use crate::vfs::attributes::{Attributes, Change, Kind};
use crate::vfs::mount::{self, Mount};
use crate::vfs::opening::Opening;
use crate::vfs::permission::{Actor, Wanted};
use crate::vfs::status::Status;
use crate::vfs::walk::{Ahead, Journey, Stated};
use crate::vfs::world::World;

/// An inode to be made.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its permission bits, the umask already applied.
    pub permissions: u32,
    /// The device that it stands for.
    pub special: u64,
    /// Where a symbolic link leads.
    pub target: &'a [u8],
}

/// Where a symbolic link leads.
pub enum Target {
    /// To a path, relative to the link's directory.
    Path(Vec<u8>),
    /// Straight to an entry, whatever its path says: the links of `/proc/self`.
    Entry(Arc<Entry>),
}

/// What a directory holds, as its listing tells it.
pub struct Listed<'a> {
    /// The inode's number.
    pub inode: u64,
    /// What it is.
    pub kind: Kind,
    /// Where a listing goes on after this one.
    pub next: u64,
    /// Its name.
    pub name: &'a [u8],
}

/// Gets one name of a directory after the other; says false when it wants no more, and then did not take the last one.
pub type Visitor<'a> = dyn FnMut(&Listed<'_>) -> bool + 'a;

/// What statfs(2) tells of a file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Its magic number.
    pub magic: u64,
    /// Blocks of 4096 bytes in all.
    pub blocks: u64,
    /// Blocks free.
    pub free: u64,
    /// Inodes in all.
    pub inodes: u64,
    /// Inodes free.
    pub inodes_free: u64,
    /// Flags of its mount and its own: [`mount::OWN_FLAGS`].
    pub flags: u32,
}

/// Beside permissions: what is made never gets a name (`O_TMPFILE | O_EXCL`).
pub const NEVER_NAMED: u32 = 1 << 14;
/// Beside permissions: what is made may be sealed (`MFD_ALLOW_SEALING`).
pub const SEALABLE: u32 = 1 << 15;

/// An inode.
pub trait Node: Any + Send + Sync {
    /// What it says of itself.
    fn attributes(&self) -> Attributes;

    /// Tell what stat(2) tells of it, if that is known without asking; whether it was told. An error of who is told ends it, too: then it was not.
    fn status(&self, tell: &mut dyn FnMut(&Status) -> Result<()>) -> bool {
        let _ = tell;
        false
    }

    /// The same of what a path from this directory leads to.
    fn status_on(&self, journey: &Journey, tell: &mut dyn FnMut(&Status) -> Result<()>) -> bool {
        let _ = (journey, tell);
        false
    }

    /// Open what a path from this directory led to before, if that is kept and nothing has changed.
    fn open_again(&self, journey: &Journey, opening: &Opening) -> Option<(Arc<Entry>, Arc<dyn File>)> {
        let _ = (journey, opening);
        None
    }

    /// What it is. Never changes.
    fn kind(&self) -> Kind {
        self.attributes().kind
    }

    /// Where its changes are counted, and the counts, if they are.
    fn counts(&self) -> Option<(u16, &'static ChangeCounts)> {
        None
    }

    /// Whether its file system may not be changed.
    fn is_read_only(&self) -> bool {
        false
    }

    /// Check that what it holds may be changed by who opens it, or names it, for that.
    ///
    /// # Errors
    /// `ETXTBSY`: a process runs it.
    fn check_idle(&self) -> Result<()> {
        Ok(())
    }

    /// What its file system says of itself.
    fn statistics(&self, world: &dyn World) -> Statistics;

    /// The entry of a name in this directory, which `here` is the entry of. The name is neither empty nor `.` nor `..`.
    fn lookup(&self, here: &Arc<Entry>, name: &[u8], world: &dyn World) -> Result<Arc<Entry>> {
        let _ = (here, name, world);
        Err(Errno::ENOTDIR)
    }

    /// Tell what is in this directory (but `.` and `..`) from position `from` on. Positions from 2 on are the directory's own.
    fn list(&self, here: &Arc<Entry>, from: u64, world: &dyn World, visit: &mut Visitor) -> Result<()> {
        let _ = (here, from, world, visit);
        Err(Errno::ENOTDIR)
    }

    /// The position that the next name of this directory gets, if later ones get higher ones; else the highest.
    fn next_position(&self) -> u64 {
        u64::MAX
    }

    /// Make an inode with a name in this directory.
    fn create(&self, here: &Arc<Entry>, name: &[u8], new: &New, actor: &Actor) -> Result<Arc<Entry>> {
        let _ = (here, name, actor);
        Err(if new.kind == Kind::Regular { Errno::EACCES } else { Errno::EPERM })
    }

    /// Make a regular file in no directory (`O_TMPFILE`). It is called so; with an empty name, by its number, and may get a name in a directory,
    /// unless the permissions say [`NEVER_NAMED`]. Nobody seals it, unless they say [`SEALABLE`].
    fn create_unnamed(&self, here: &Arc<Entry>, name: &[u8], permissions: u32, actor: &Actor) -> Result<Arc<Entry>> {
        let _ = (here, name, permissions, actor);
        Err(Errno::EOPNOTSUPP)
    }

    /// Give an inode of this file system one more name, in this directory.
    fn link(&self, here: &Arc<Entry>, name: &[u8], node: &Arc<dyn Node>, actor: &Actor) -> Result<()> {
        let _ = (here, name, node, actor);
        Err(Errno::EPERM)
    }

    /// Take a name out of this directory: a directory's if `directory`, else another's.
    fn unlink(&self, name: &[u8], directory: bool, actor: &Actor) -> Result<()> {
        let _ = (name, directory, actor);
        Err(Errno::EPERM)
    }

    /// Move a name of this directory to another of the same file system.
    fn rename(&self, name: &[u8], to: &Arc<Entry>, new_name: &[u8], how: Rename, actor: &Actor) -> Result<()> {
        let _ = (name, to, new_name, how, actor);
        Err(Errno::EPERM)
    }

    /// Where this symbolic link leads.
    fn target(&self, world: &dyn World) -> Result<Target> {
        let _ = world;
        Err(Errno::EINVAL)
    }

    /// Change what the inode says of itself.
    fn change(&self, change: &Change, actor: &Actor) -> Result<()> {
        let _ = (change, actor);
        Err(Errno::EPERM)
    }

    /// Check whether whoever asks may use the inode so; with `real`, as access(2) has it.
    fn permits(&self, wanted: Wanted, real: bool, world: &dyn World) -> Result<()> {
        let _ = real;
        world.subject().may(&self.attributes(), wanted)
    }

    /// Cut or stretch the contents.
    fn truncate(&self, world: &dyn World, size: u64) -> Result<()> {
        let _ = (world, size);
        Err(if self.kind() == Kind::Directory { Errno::EISDIR } else { Errno::EINVAL })
    }

    /// What stands behind a descriptor of it. `O_TRUNC` and such are the caller's.
    fn open(self: Arc<Self>, entry: &Arc<Entry>, access: Access, world: &dyn World) -> Result<Arc<dyn File>> {
        let _ = (entry, access, world);
        Err(Errno::ENXIO)
    }

    /// The contents as exec wants them, of a regular file: to run them, which keeps others from writing to them until they are let go of; or
    /// to be the interpreter of what runs.
    ///
    /// # Errors
    /// `EACCES`: it is no regular file, or may not be executed. `ETXTBSY`: it is open for writing.
    fn run(self: Arc<Self>, as_what: Role) -> Result<Contents> {
        let _ = as_what;
        Err(Errno::EACCES)
    }

    /// Where the entry is that stands for this inode, if its tree is kept elsewhere.
    fn elsewhere(&self) -> Option<&dyn Elsewhere> {
        None
    }

    /// Walk on from this directory, as far as its tree goes, if that is kept elsewhere.
    fn walk_on(&self, journey: &Journey) -> Option<Result<Ahead>> {
        let _ = journey;
        None
    }

    /// Walk on from this directory for what the inode there says of itself, if its tree is kept elsewhere.
    fn attributes_on(&self, journey: &Journey) -> Option<Result<Stated>> {
        let _ = journey;
        None
    }

    /// Walk on from this directory and open what is found, or make it, if its tree is kept elsewhere.
    fn open_on(&self, journey: &Journey, opening: &Opening, world: &dyn World) -> Option<Result<Opened>> {
        let _ = (journey, opening, world);
        None
    }

    /// Walk on from this directory and open what is found to run it, if its tree is kept elsewhere.
    fn run_on(&self, journey: &Journey, as_what: Role) -> Option<Result<Runnable>> {
        let _ = (journey, as_what);
        None
    }

    /// Walk on from this directory and take the name away that the way ends at, if its tree is kept elsewhere and the way stays there.
    fn remove_on(&self, journey: &Journey, is_directory: bool) -> Option<Result<()>> {
        let _ = (journey, is_directory);
        None
    }

    /// Let an instance of inotify(7), by its handle, be told of what happens here; gives the watch's number.
    ///
    /// # Errors
    /// `EOPNOTSUPP`: it is in no tree of `unixd`'s.
    fn watch(&self, instance: u32, mask: u32) -> Result<i32> {
        let _ = (instance, mask);
        Err(Errno::EOPNOTSUPP)
    }

    /// The number of the file system that is mounted here and kept by whoever walks.
    fn portal(&self) -> Option<u32> {
        None
    }
}

/// What is run: its contents, and its path, if that was told with them.
pub type Contents = (Arc<dyn Backing>, Option<Vec<u8>>);

/// What a file is run as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The program, or a script.
    Program,
    /// What loads the program.
    Interpreter,
}

/// Pages that a file most likely needs to be run: small programs come in as a whole.
pub const PAGES_TO_RUN: u64 = 32;

/// What opening a path to run what is there gave.
pub enum Runnable {
    /// The contents.
    Contents(Contents),
    /// The way leads on: from this entry, with the rest of the path, so many links having been followed.
    On(Arc<Entry>, Vec<u8>, u32),
}

/// What opening a path gave.
pub enum Opened {
    /// The entry and the file.
    File(Arc<Entry>, Arc<dyn File>),
    /// The way leads on: from this entry, with the rest of the path.
    On(Arc<Entry>, Vec<u8>),
}

/// A place in a tree that is kept elsewhere.
pub trait Elsewhere {
    /// Its path; a removed one says so at its end.
    fn path(&self) -> Vec<u8>;
    /// Whether the name was taken away.
    fn is_removed(&self) -> bool;
}

/// What renameat2(2) may do to a name that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rename {
    /// Take its place.
    Replace,
    /// Nothing: `EEXIST`.
    Keep,
    /// Swap the two.
    Exchange,
}

/// A name in a directory.
pub struct Entry {
    /// The inode.
    pub node: Arc<dyn Node>,
    /// Whether another file system begins here: the name can be neither removed nor renamed.
    pub mount: bool,
    place: Mutex<Place>,
    /// How many mounts are on it.
    covers: AtomicU32,
    /// What it is a view of.
    view: Option<View>,
}

struct Place {
    parent: Option<Arc<Entry>>,
    name: Box<[u8]>,
    removed: bool,
}

/// An entry of a file system, seen through a mount.
struct View {
    mount: Arc<Mount>,
    real: Arc<Entry>,
}

impl View {
    fn is_root(&self) -> bool {
        Arc::ptr_eq(&self.real, &self.mount.root)
    }
}

/// One after the other: directories may be nested deeper than a stack is.
impl Drop for Entry {
    fn drop(&mut self) {
        let mut parent = self.place.get_mut().parent.take();
        while let Some(mut entry) = parent.and_then(Arc::into_inner) {
            parent = entry.place.get_mut().parent.take();
        }
    }
}

impl Entry {
    fn with(node: Arc<dyn Node>, mount: bool, parent: Option<&Arc<Entry>>, name: &[u8]) -> Arc<Entry> {
        let place = Mutex::new(Place { parent: parent.cloned(), name: name.into(), removed: false });
        Arc::new(Entry { node, mount, place, covers: AtomicU32::new(0), view: None })
    }

    /// A name in a directory.
    #[must_use]
    pub fn new(node: Arc<dyn Node>, parent: &Arc<Entry>, name: &[u8]) -> Arc<Entry> {
        Entry::with(node, false, Some(parent), name)
    }

    /// The name where another file system begins.
    #[must_use]
    pub fn mounted(node: Arc<dyn Node>, parent: &Arc<Entry>, name: &[u8]) -> Arc<Entry> {
        Entry::with(node, true, Some(parent), name)
    }

    /// The root, or an inode that is in no directory, such as a pipe's (`pipe:[7]`).
    #[must_use]
    pub fn detached(node: Arc<dyn Node>, name: &[u8]) -> Arc<Entry> {
        Entry::with(node, name.is_empty(), None, name)
    }

    /// What stands for an inode of a tree that is kept elsewhere: it knows its place.
    #[must_use]
    pub fn elsewhere(node: Arc<dyn Node>, mount: bool) -> Arc<Entry> {
        Entry::with(node, mount, None, b"")
    }

    /// An entry of a file system, seen through a mount of it.
    #[must_use]
    pub fn seen(mount: &Arc<Mount>, real: &Arc<Entry>) -> Arc<Entry> {
        let place = Mutex::new(Place { parent: None, name: Box::default(), removed: false });
        let is_root = Arc::ptr_eq(real, &mount.root);
        let view = Some(View { mount: mount.clone(), real: real.clone() });
        Arc::new(Entry { node: real.node.clone(), mount: is_root || real.mount, place, covers: AtomicU32::new(0), view })
    }

    /// The mount that it is seen through; none: where it is.
    #[must_use]
    pub fn through(&self) -> Option<&Arc<Mount>> {
        self.view.as_ref().map(|view| &view.mount)
    }

    /// The entry of the file system.
    #[must_use]
    pub fn real(self: &Arc<Entry>) -> &Arc<Entry> {
        self.view.as_ref().map_or(self, |view| &view.real)
    }

    /// The same, seen as this is.
    fn beside(&self, real: Arc<Entry>) -> Arc<Entry> {
        match &self.view {
            None => real,
            Some(view) => Entry::seen(&view.mount, &real),
        }
    }

    /// Whether both are one place, seen through one mount.
    #[must_use]
    pub fn is(self: &Arc<Entry>, other: &Arc<Entry>) -> bool {
        match (&self.view, &other.view) {
            (Some(own), Some(other)) => Arc::ptr_eq(&own.mount, &other.mount) && Arc::ptr_eq(&own.real, &other.real),
            _ => Arc::ptr_eq(self, other),
        }
    }

    /// Whether something is mounted on it, here or where else it is seen.
    #[must_use]
    pub fn is_covered(&self) -> bool {
        self.view.as_ref().map_or(&self.covers, |view| &view.real.covers).load(Ordering::Relaxed) > 0
    }

    /// Something was mounted on it, or is not any more.
    pub fn count_covers(&self, by: i32) {
        self.view.as_ref().map_or(&self.covers, |view| &view.real.covers).fetch_add(by as u32, Ordering::Relaxed);
    }

    /// The flags of the mount that it is seen through.
    #[must_use]
    pub fn mount_flags(&self) -> u32 {
        self.through().map_or(0, |mount| mount.flags())
    }

    /// Check that what it is seen through may be changed.
    ///
    /// # Errors
    /// `EROFS`: it is read-only there.
    pub fn check_changeable(&self) -> Result<()> {
        if self.mount_flags() & mount::READ_ONLY != 0 { Err(Errno::EROFS) } else { Ok(()) }
    }

    /// The entry of a name in this directory.
    ///
    /// # Errors
    /// As [`Node::lookup`].
    pub fn lookup(self: &Arc<Entry>, name: &[u8], world: &dyn World) -> Result<Arc<Entry>> {
        self.node.lookup(self.real(), name, world).map(|real| self.beside(real))
    }

    /// Make an inode with a name in this directory.
    ///
    /// # Errors
    /// As [`Node::create`]; `EROFS`: it is seen through a mount that is read-only.
    pub fn create(self: &Arc<Entry>, name: &[u8], new: &New, actor: &Actor) -> Result<Arc<Entry>> {
        self.check_changeable()?;
        self.node.create(self.real(), name, new, actor).map(|real| self.beside(real))
    }

    /// Make a regular file in no directory.
    ///
    /// # Errors
    /// As [`Node::create_unnamed`]; `EROFS` as [`Entry::create`].
    pub fn create_unnamed(self: &Arc<Entry>, name: &[u8], permissions: u32, actor: &Actor) -> Result<Arc<Entry>> {
        self.check_changeable()?;
        self.node.create_unnamed(self.real(), name, permissions, actor).map(|real| self.beside(real))
    }

    /// Give what another entry names one more name, in this directory.
    ///
    /// # Errors
    /// As [`Node::link`]; `EXDEV`: it is seen through another mount. `EROFS` as [`Entry::create`].
    pub fn link(self: &Arc<Entry>, name: &[u8], source: &Arc<Entry>, actor: &Actor) -> Result<()> {
        self.check_same_mount(source)?;
        self.check_changeable()?;
        self.node.link(self.real(), name, &source.node, actor)
    }

    /// Move a name of this directory to another.
    ///
    /// # Errors
    /// As [`Node::rename`]; `EXDEV`, `EROFS` as [`Entry::link`].
    pub fn rename(self: &Arc<Entry>, name: &[u8], to: &Arc<Entry>, new_name: &[u8], how: Rename, actor: &Actor) -> Result<()> {
        self.check_same_mount(to)?;
        self.check_changeable()?;
        self.node.rename(name, to.real(), new_name, how, actor)
    }

    fn check_same_mount(&self, other: &Entry) -> Result<()> {
        let is_same = match (self.through(), other.through()) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (own, other) => own.is_none() && other.is_none(),
        };
        if is_same { Ok(()) } else { Err(Errno::EXDEV) }
    }

    /// The directory that it is in; none for the root and what is in no directory. A mount is in the directory of what it is mounted on.
    #[must_use]
    pub fn parent(&self) -> Option<Arc<Entry>> {
        match &self.view {
            None => self.place.lock().parent.clone(),
            Some(view) if view.is_root() => view.mount.point()?.parent(),
            Some(view) => view.real.parent().map(|parent| Entry::seen(&view.mount, &parent)),
        }
    }

    /// Its name in that directory.
    #[must_use]
    pub fn name(&self) -> Vec<u8> {
        match &self.view {
            None => self.place.lock().name.to_vec(),
            Some(view) if view.is_root() => view.mount.point().map_or_else(Vec::new, |point| point.name()),
            Some(view) => view.real.name(),
        }
    }

    fn with_name(&self, work: impl FnOnce(&[u8])) {
        if self.view.is_none() { work(&self.place.lock().name) } else { work(&self.name()) }
    }

    /// Whether the name was taken away since.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        match &self.view {
            Some(view) => view.real.is_removed(),
            None => self.node.elsewhere().map_or_else(|| self.place.lock().removed, Elsewhere::is_removed),
        }
    }

    /// Note that the name was taken away.
    pub fn set_removed(&self) {
        self.place.lock().removed = true;
    }

    /// Note that the name changed, or was given back.
    pub fn set_place(&self, parent: &Arc<Entry>, name: &[u8]) {
        *self.place.lock() = Place { parent: Some(parent.clone()), name: name.into(), removed: false };
    }

    /// Whether this is `other` or below it.
    #[must_use]
    pub fn is_within(self: &Arc<Entry>, other: &Arc<Entry>) -> bool {
        let mut at = Some(self.clone());
        while let Some(entry) = at {
            if entry.is(other) {
                return true;
            }
            at = entry.parent();
        }
        false
    }

    /// The path from the root; a removed name says so at its end, one outside every directory stands for itself.
    #[must_use]
    pub fn path(self: &Arc<Entry>) -> Vec<u8> {
        /// Most paths have no more.
        const USUAL: usize = 64;
        // From its end on, which comes first.
        let mut backwards = Vec::with_capacity(USUAL);
        let mut at = self.clone();
        let mut path = loop {
            if let Some(elsewhere) = at.node.elsewhere() {
                let mut path = elsewhere.path();
                if backwards.is_empty() {
                    return path;
                }
                path.truncate(path.trim_ascii_end().len() - usize::from(path == b"/"));
                backwards.reverse();
                path.append(&mut backwards);
                break path;
            }
            let Some(parent) = at.parent() else {
                let name = at.name();
                if !name.is_empty() {
                    return name;
                }
                backwards.reverse();
                break backwards;
            };
            at.with_name(|name| backwards.extend(name.iter().rev()));
            backwards.push(b'/');
            at = parent;
        };
        if path.is_empty() {
            path.push(b'/');
        }
        if self.is_removed() {
            path.extend_from_slice(b" (deleted)");
        }
        path
    }
}
