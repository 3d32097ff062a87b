//! A process's files: its descriptors, its directories, its umask, and the tree that all paths start in.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use linux_raw_sys::general::{AT_FDCWD, O_RDONLY, O_RDWR, O_WRONLY};
use policy::caching::Caching;
use policy::names::Names;
use spin::{Mutex, MutexGuard};

use crate::errno::{Errno, Result};
use crate::file::console::Stream;
use crate::file::description::CommonPage;
use crate::file::event::AnonymousNode;
use crate::file::table::{Slot, Table};
use crate::file::terminal::TerminalFile;
use crate::file::{Access, Description, File};
use crate::mapped_ring;
use crate::pool::Pool;
use crate::server::Server;
use crate::vfs::attributes::{Attributes, Kind, Time, device_number};
use crate::vfs::node::{Entry, Node};
use crate::vfs::opening::Opening;
use crate::vfs::permission::Actor;
use crate::vfs::remote::Tree;
use crate::vfs::status::Status;
use crate::vfs::tmpfs::{Inode, Tmpfs};
use crate::vfs::walk::{Found, Journey, Last, Start, walk};
use crate::vfs::world::World;
use crate::vfs::{device, initramfs, proc};

/// The device number of the root file system.
const ROOT_DEVICE: u64 = device_number(0, 1);

/// A process's files.
pub struct Files {
    table: Mutex<Table>,
    start: Mutex<Start>,
    umask: AtomicU32,
    /// The last number given to an inode that is in no file system.
    inodes: AtomicU64,
    /// Whether the process ever had a lock.
    locks: AtomicBool,
    /// The tree, if `unixd` keeps it.
    tree: Option<Arc<Tree>>,
    /// Whether the root was ever set (chroot(2)).
    has_other_root: AtomicBool,
}

impl Files {
    /// The tree of an initramfs with `/dev`, `/proc` and `/sys`, and the console as the first three descriptors, a stream.
    ///
    /// # Panics
    /// If the archive puts something else where a file system is to be mounted.
    #[must_use]
    pub fn new(archive: &'static [u8], pool: &Arc<Pool>, now_ns: u64) -> Files {
        let now = Time::from_nanoseconds(now_ns);
        let root = tree(archive, pool, now, |entry| [proc::mount_proc(entry, now), proc::mount_sys(entry, now)].into());
        let place = inode_of(&root).and_then(|root| inode_of(&root.find(b"dev")?)?.find(b"console"));
        let files = Files::over(root, None);
        if let Some(place) = place {
            let description = Description::new(place, Arc::new(Stream), Access::READ | Access::WRITE, O_RDWR);
            files.set_streams([description.clone(), description.clone(), description]);
        }
        files
    }

    /// The tree that `unixd` keeps, with the process's `/proc` and `/sys`; no descriptors.
    #[must_use]
    pub fn remote(server: &'static dyn Server, now_ns: u64) -> Files {
        let now = Time::from_nanoseconds(now_ns);
        let (tree, root) = Tree::new(server, |entry| [proc::mount_proc(entry, now), proc::mount_sys(entry, now)].into());
        Files::over(root, Some(tree))
    }

    /// Addresses at which `unixd` maps pages for the process: a child sees the same there. Files that nobody read lately show none.
    pub fn shown_pages(&self, mut show: impl FnMut(core::ops::Range<usize>)) {
        if let Some(tree) = &self.tree {
            tree.give_back_unread();
            tree.shown_pages().into_iter().for_each(&mut show);
        }
        self.rings().into_iter().map(mapped_ring::range).for_each(show);
    }

    /// The rings of the pipes that are open.
    fn rings(&self) -> Vec<u32> {
        let table = self.table.lock();
        let descriptions = table.numbers(0).filter_map(|fd| Some(&table.get(fd).ok()?.description));
        let mut rings: Vec<u32> = descriptions.filter_map(|description| description.file().ok()?.pipe()?.ring_index()).collect();
        rings.sort_unstable();
        rings.dedup();
        rings
    }

    fn over(root: Arc<Entry>, tree: Option<Arc<Tree>>) -> Files {
        Files {
            table: Mutex::new(Table::new()),
            start: Mutex::new(Start { root: root.clone(), from: root }),
            umask: AtomicU32::new(0o022),
            inodes: AtomicU64::new(0),
            tree,
            locks: false.into(),
            has_other_root: false.into(),
        }
    }

    /// A tree alone, as `unixd` keeps it.
    #[must_use]
    pub fn of(root: Arc<Entry>) -> Files {
        Files::over(root, None)
    }

    /// An open file of the tree that came from elsewhere, by its handle.
    ///
    /// # Errors
    /// `EBADF`: it is none.
    pub fn adopt(&self, handle: u32) -> Result<(Arc<Entry>, Arc<dyn File>)> {
        self.tree.as_ref().ok_or(Errno::EBADF)?.adopt(handle)
    }

    /// The tree that `unixd` keeps, if it does.
    #[must_use]
    pub fn shared_tree(&self) -> Option<&Arc<Tree>> {
        self.tree.as_ref()
    }

    /// Let policies say which pages of files stay mapped, and which names are looked up here.
    pub fn set_policies(&self, caching: Option<Box<dyn Caching>>, names: Option<Box<dyn Names>>) {
        if let Some(tree) = &self.tree {
            tree.set_caching(caching);
            tree.set_names(names);
        }
    }

    /// How often pages of files were asked for.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.tree.as_ref().map_or(0, |tree| tree.missed())
    }

    /// Give back pages of files that are kept to be read, at least `wanted` if there are so many.
    pub fn give_back(&self, wanted: usize) {
        if let Some(tree) = &self.tree {
            tree.give_back(wanted);
        }
    }

    /// Hear what `unixd` says of files.
    pub fn hear(&self, world: &dyn World) {
        if let Some(tree) = &self.tree {
            tree.hear(world);
        }
    }

    /// Make the first three descriptors what they are in a batch run: `input` as a file to read, and the console as a stream.
    ///
    /// # Errors
    /// Those of making a file in the root directory.
    pub fn set_batch(&self, world: &dyn World, input: &'static [u8], now_ns: u64) -> Result<()> {
        let now = Time::from_nanoseconds(now_ns);
        let (place, inode): (Arc<Entry>, Arc<dyn File>) = match &self.tree {
            Some(tree) => tree.input()?,
            None => {
                let place = input_entry(&self.root(), input, now)?;
                let file = Arc::clone(&place.node).open(&place, Access::READ, world)?;
                (place, file)
            }
        };
        let output = |number| {
            let place = AnonymousNode::entry(Arc::new(Stream), Kind::Fifo, number, alloc::format!("pipe:[{number}]").as_bytes(), now);
            Description::new(place, Arc::new(Stream), Access::WRITE, O_WRONLY)
        };
        let input = Description::new(place, inode, Access::READ, O_RDONLY);
        self.set_streams([input, output(self.next_inode()), output(self.next_inode())]);
        Ok(())
    }

    /// Make the first three descriptors the console, a terminal, which controls the process.
    ///
    /// # Errors
    /// Those of opening it.
    pub fn set_terminal(&self, world: &dyn World) -> Result<()> {
        let access = Access::READ | Access::WRITE;
        let place = self.find(world, b"/dev/ttyS0")?;
        let file = Arc::clone(&place.node).open(&place, access, world)?;
        if let Some(terminal) = file.of_type::<TerminalFile>() {
            terminal.claim();
        }
        let description = Description::new(place, file, access, O_RDWR);
        self.set_streams([description.clone(), description.clone(), description]);
        Ok(())
    }

    fn set_streams(&self, streams: [Arc<Description>; 3]) {
        let mut table = self.table.lock();
        for (number, description) in streams.into_iter().enumerate() {
            // Room for three descriptors there always is.
            let _ = table.replace(number as i32, Slot { description, close_on_exec: false });
        }
    }

    /// A number for an inode that is in no file system, and that no other process gives.
    #[must_use]
    pub fn next_inode(&self) -> u64 {
        self.inodes.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The process has this id from now on.
    pub fn begin_inodes(&self, id: u32) {
        self.inodes.store(unix::message::inode_of(id, 0), Ordering::Relaxed);
    }

    /// A regular file that has no name and never had one: memfd_create(2)'s, with permissions as [`Node::create_unnamed`] takes them.
    ///
    /// # Errors
    /// `ENODEV`: the root is no file system that could hold it.
    pub fn unnamed_file(&self, name: &[u8], permissions: u32, actor: &Actor) -> Result<Arc<Entry>> {
        let root = self.root();
        root.node.create_unnamed(&root, &[b"memfd:", name].concat(), permissions, actor)
    }

    /// What a descriptor refers to.
    ///
    /// # Errors
    /// `EBADF`: it is not open.
    #[inline]
    pub fn get(&self, fd: i32) -> Result<Arc<Description>> {
        self.table.lock().get(fd).map(|slot| slot.description.clone())
    }

    /// Work on the table of descriptors. What falls out of it is to be dropped outside.
    #[inline(always)]
    pub fn with_table<T>(&self, work: impl FnOnce(&mut Table) -> T) -> T {
        work(&mut self.table.lock())
    }

    /// The table of descriptors, if nobody works on it.
    #[inline(always)]
    pub fn try_table(&self) -> Option<MutexGuard<'_, Table>> {
        self.table.try_lock()
    }

    /// Give a description the lowest free descriptor.
    ///
    /// # Errors
    /// `EMFILE`: there is none.
    pub fn insert(&self, description: Arc<Description>, close_on_exec: bool) -> Result<i32> {
        self.table.lock().insert(Slot { description, close_on_exec }, 0)
    }

    /// Whether the process ever had a lock.
    #[must_use]
    pub fn has_locks(&self) -> &AtomicBool {
        &self.locks
    }

    /// Note that it has one.
    pub fn note_locks(&self) {
        self.locks.store(true, Ordering::Relaxed);
    }

    /// The process has other rights than it had: what it was told before may not be for it.
    pub fn forget_names(&self) {
        if let Some(tree) = &self.tree {
            tree.forget_names();
        }
    }

    /// A description is about to be dropped.
    pub fn look_at_watch(&self) {
        if let Some(tree) = &self.tree {
            tree.look_at_watch();
        }
    }

    /// Give up what is kept of files that are closed: for a while nobody could be asked for it.
    pub fn let_go(&self) {
        if let Some(tree) = &self.tree {
            tree.let_go();
        }
    }

    /// The handle of what was run before, plus one, for who gives it up in some other way; 0: none.
    #[must_use]
    pub fn take_urgent(&self) -> u32 {
        self.tree.as_ref().map_or(0, |tree| tree.take_urgent())
    }

    /// A program was run, or could not be.
    pub fn settle_programs(&self) {
        if let Some(tree) = &self.tree {
            tree.settle_programs();
        }
    }

    /// A description may have been dropped: if it could have had locks, `unixd` is to know that at once.
    pub fn settle_locks(&self) {
        if self.locks.load(Ordering::Relaxed)
            && let Some(tree) = &self.tree
        {
            tree.flush();
        }
    }

    /// Give up at once what is not held here any more.
    pub fn flush(&self) {
        if let Some(tree) = &self.tree {
            tree.flush();
        }
    }

    /// Let another process have all that is open here: what lives in this one moves to `unixd`.
    ///
    /// # Errors
    /// `ENFILE`, `ENOMEM`: `unixd` does not take so much.
    pub fn share(&self, server: &'static dyn Server, page: &dyn Fn() -> Result<Arc<dyn CommonPage>>) -> Result<()> {
        // A child is not to hold what is closed.
        if let Some(tree) = &self.tree {
            tree.let_go();
        }
        let table = self.table.lock();
        for fd in table.numbers(0) {
            // What only holds a place has nothing to move.
            let description = &table.get(fd)?.description;
            if let Ok(file) = description.file() {
                file.share(server)?;
                description.share(page)?;
            }
        }
        Ok(())
    }

    /// The descriptors in use.
    #[must_use]
    pub fn numbers(&self) -> Vec<i32> {
        self.table.lock().numbers(0).collect()
    }

    /// Set how many descriptors there may be (`RLIMIT_NOFILE`).
    pub fn set_limit(&self, limit: usize) {
        self.table.lock().limit = limit;
    }

    /// Set the umask; gives what it was.
    pub fn set_umask(&self, mask: u32) -> u32 {
        self.umask.swap(mask & 0o777, Ordering::Relaxed)
    }

    /// The umask.
    #[must_use]
    pub fn umask(&self) -> u32 {
        self.umask.load(Ordering::Relaxed)
    }

    /// `/`
    #[must_use]
    pub fn root(&self) -> Arc<Entry> {
        self.start.lock().root.clone()
    }

    /// The current directory.
    #[must_use]
    pub fn current_directory(&self) -> Arc<Entry> {
        self.start.lock().from.clone()
    }

    /// Set the current directory, or the root.
    ///
    /// # Errors
    /// `ENOTDIR`: it is none.
    pub fn set_directory(&self, entry: Arc<Entry>, root: bool) -> Result<()> {
        if entry.node.kind() != Kind::Directory {
            return Err(Errno::ENOTDIR);
        }
        if root {
            self.has_other_root.store(true, Ordering::Relaxed);
        }
        let mut start = self.start.lock();
        *(if root { &mut start.root } else { &mut start.from }) = entry;
        Ok(())
    }

    /// The path of an entry from the root, as the process has it; what is not below that says so.
    #[must_use]
    pub fn path_of(&self, entry: &Arc<Entry>) -> Vec<u8> {
        let path = entry.path();
        if !self.has_other_root.load(Ordering::Relaxed) || path.first() != Some(&b'/') {
            return path;
        }
        let root = self.root().path();
        match path.strip_prefix(if root == b"/" { &[][..] } else { &root[..] }) {
            Some([]) => b"/".to_vec(),
            Some(rest) if rest[0] == b'/' => rest.to_vec(),
            _ => [b"(unreachable)", &path[..]].concat(),
        }
    }

    /// Where a walk from a directory's descriptor begins. The descriptor is not looked at if the path is absolute.
    ///
    /// # Errors
    /// `EBADF`: the descriptor is not open. `ENOTDIR`: it is no directory's.
    pub fn start(&self, directory: i32, path: &[u8]) -> Result<Start> {
        let mut start = self.start.lock().clone();
        if directory != AT_FDCWD && path.first() != Some(&b'/') {
            let entry = self.get(directory)?.entry.clone();
            if entry.node.kind() != Kind::Directory {
                return Err(Errno::ENOTDIR);
            }
            start.from = entry;
        }
        Ok(start)
    }

    /// Tell what stat(2) tells of a path from the current directory, if that is known without asking; whether it was told.
    pub fn status(&self, directory: i32, path: &[u8], last: Last, tell: &mut dyn FnMut(&Status) -> Result<()>) -> bool {
        self.here(directory, path, |at, root| at.node.status_on(&Journey { root, path, last, links: 0 }, tell)).unwrap_or(false)
    }

    /// Open what a path from the current directory was opened by before, if that is as it was.
    pub fn open_again(&self, directory: i32, path: &[u8], opening: &Opening) -> Option<(Arc<Entry>, Arc<dyn File>)> {
        let last = opening.last(path);
        self.here(directory, path, |at, root| at.node.open_again(&Journey { root, path, last, links: 0 }, opening))?
    }

    /// Take a path's name away in one step; `None`: the path does not begin in a tree that is kept elsewhere, or does not stay there.
    pub fn remove(&self, directory: i32, path: &[u8], is_directory: bool) -> Option<Result<()>> {
        let start = if path.is_empty() { return None } else { self.start(directory, path).ok()? };
        let at = if path.first() == Some(&b'/') { &start.root } else { &start.from };
        at.node.remove_on(&Journey { root: &start.root, path, last: Last::Name, links: 0 }, is_directory)
    }

    /// Work on where a path begins, if that is the root or the current directory, and the root.
    #[inline(always)]
    fn here<T>(&self, directory: i32, path: &[u8], work: impl FnOnce(&Arc<Entry>, &Arc<Entry>) -> T) -> Option<T> {
        let is_absolute = path.first() == Some(&b'/');
        if directory != AT_FDCWD && !is_absolute {
            return None;
        }
        let start = self.start.lock();
        Some(work(if is_absolute { &start.root } else { &start.from }, &start.root))
    }

    /// Walk a path from a directory's descriptor or the current directory.
    ///
    /// # Errors
    /// Those of [`Files::start`] and of the walk.
    pub fn walk(&self, world: &dyn World, directory: i32, path: &[u8], last: Last) -> Result<Found> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        walk(world, &self.start(directory, path)?, path, last)
    }

    /// What a path from the current directory leads to.
    ///
    /// # Errors
    /// Those of the walk; `ENOENT`: nothing.
    pub fn find(&self, world: &dyn World, path: &[u8]) -> Result<Arc<Entry>> {
        self.walk(world, AT_FDCWD, path, Last::Follow)?.existing()
    }
}

fn inode_of(entry: &Arc<Entry>) -> Option<&Inode> {
    (&*entry.node as &dyn core::any::Any).downcast_ref()
}

/// The tree of an initramfs, with `/dev`, `/tmp` and what else is mounted.
///
/// # Panics
/// If the archive puts something else where a file system is to be mounted.
#[must_use]
pub fn tree(archive: &'static [u8], pool: &Arc<Pool>, now: Time, mounts: impl FnOnce(&Arc<Entry>) -> Vec<Arc<Entry>>) -> Arc<Entry> {
    let root = Tmpfs::create(ROOT_DEVICE, pool, 0o755, now);
    let entry = Entry::detached(root.clone(), b"");
    initramfs::unpack(archive, &entry, now);
    mount_all(&root, &entry, mounts(&entry), now).expect("an archive whose /dev, /proc, /sys and /tmp are directories");
    entry
}

/// What standard input reads in a batch run: a file in no directory.
///
/// # Errors
/// `ENODEV`: the root is no file system that could hold it.
pub fn input_entry(root: &Arc<Entry>, input: &'static [u8], now: Time) -> Result<Arc<Entry>> {
    let inode = inode_of(root).ok_or(Errno::ENODEV)?.from_image(input, 0o400, now)?;
    let place = Entry::new(inode, root, b"stdin");
    place.set_removed();
    Ok(place)
}

/// Mount what every process has; a directory of that name in the archive gives way.
fn mount_all(root: &Arc<Inode>, entry: &Arc<Entry>, mounts: Vec<Arc<Entry>>, now: Time) -> Result<()> {
    for mounted in core::iter::once(device::mount(entry, root.pool(), now)?).chain(mounts) {
        if root.find(&mounted.name()).is_some() {
            clear(root, &mounted.name(), now)?;
        }
        root.adopt(&mounted, now)?;
    }
    let new = crate::vfs::node::New { kind: Kind::Directory, permissions: 0o1777, special: 0, target: &[] };
    match root.create(entry, b"tmp", &new, &Actor::root(now)) {
        Err(Errno::EEXIST) => Ok(()),
        outcome => outcome.map(drop),
    }
}

/// Remove a directory and what is in it.
fn clear(directory: &Inode, name: &[u8], now: Time) -> Result<()> {
    let Some(entry) = directory.find(name) else { return Ok(()) };
    let is_directory = entry.node.kind() == Kind::Directory;
    if is_directory && let Some(inner) = inode_of(&entry) {
        for below in inner.all_names() {
            clear(inner, &below, now)?;
        }
    }
    directory.unlink(name, is_directory, &Actor::root(now))
}

/// What fstat(2) says of a descriptor.
impl Description {
    /// The attributes of what it was opened by.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        self.entry.node.attributes()
    }
}
