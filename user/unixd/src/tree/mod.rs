//! The tree of files: one for all processes.
//!
//! The file system is the library's own, in memory; what is here turns requests into calls of it. `/proc` and `/sys` are each process's own:
//! the tree has portals there, at which a walk stops.
//!
//! Whatever a process says is checked: handles against its own table, lengths against the mailbox, names and paths as those of a system
//! call. A request's work is bounded by what a message holds, or by what the file system holds already.

mod contents;
mod mounting;
pub mod mounts;
mod names;
mod pledged;
mod portal;
mod regular;
mod serve;
pub mod shown;
pub mod watches;
mod world;

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::{EnvId, PAGE_SIZE, Rights};
use libos::errno::{Errno, Result};
use libos::file::Access;
use libos::file::event::AnonymousNode;
use libos::file::inotify::{Happening, Inotify};
use libos::pool::Pool;
use libos::vfs::attributes::{Attributes, Kind, SET_IDS, Time, device_number};
use libos::vfs::mount::{NO_PROGRAMS, NO_SET_IDS};
use libos::vfs::node::Entry;
use libos::vfs::permission::{Subject, Wanted};
use libos::vfs::tmpfs::{InUse, Inode, Options, Tmpfs, Use};
use libos::vfs::world::World;
use unix::{InodeWords, MAILBOX_BYTES, Object, OpenPurpose, Operation, Request, place};

use crate::channel::Channel;
use crate::family::credentials::Credentials;
use crate::handles::{Handles, Held, Opened};
use crate::machine::{self, Tick};
use crate::memory;
use crate::sandbox::{OPEN, Sandbox};
use crate::server::{Answer, value};
use crate::terminal::Pairs;
use mounts::{Holding, Mounts};
use shown::{Showcase, Shown, WORDS};
use watches::Watches;
use world::RequestWorld;

/// No handle.
const NONE: u32 = u32::MAX;
/// The device of the file system whose files have no names.
const NAMELESS_DEVICE: u64 = device_number(0, 7);

/// The tree.
pub struct Tree {
    root: Arc<Entry>,
    /// Of the file system that holds what never had a name: segments of shared memory, and memfd_create(2)'s files.
    nameless: Arc<Entry>,
    /// What standard input reads in a batch run.
    input: Option<Arc<Entry>>,
    showcase: Arc<Showcase>,
    watches: Arc<Watches>,
    mounts: Mounts,
}

/// A request, and what it may touch.
pub struct Asked<'a> {
    /// The process's id.
    pub id: u32,
    /// Its environment.
    pub env: EnvId,
    /// Its handles.
    pub handles: &'a mut Handles,
    /// Pages of inodes' words that it has mapped.
    pub words_pages: &'a mut usize,
    /// Its mailbox.
    pub channel: &'a Channel,
    /// Whose it is.
    pub credentials: &'a Credentials,
    /// When it is served.
    pub tick: Tick,
    /// Frames free, and in all.
    pub frames: (usize, usize),
    /// What it is held to.
    pub sandbox: &'a Sandbox,
    /// What all processes hold, if that is looked at.
    pub uses: Vec<Holding>,
    /// Raises the process's quota.
    pub raise: &'a mut dyn FnMut(usize) -> bool,
}

impl Tree {
    /// The tree of an archive, with what standard input reads in a batch run.
    #[must_use]
    pub fn new(archive: &'static [u8], input: &'static [u8], pool: &Arc<Pool>, now: Time, pairs: &Pairs) -> Tree {
        let root = libos::file::files::tree(archive, pool, now, portal::all);
        let devices = inode_of(&root).ok().and_then(|root| root.find(b"dev"));
        if let Some(devices) = &devices {
            // The file system was just made, and has no such name.
            let _ = inode_of(devices).and_then(|inode| inode.adopt(&pairs.directory(devices, now), now));
        }
        let input = libos::file::files::input_entry(&root, input, now).ok();
        let nameless = Entry::detached(Tmpfs::create(NAMELESS_DEVICE, pool, 0o755, now), b"");
        Tree { root, nameless, input, showcase: Arc::default(), watches: Arc::default(), mounts: Mounts::new() }
    }

    /// Hold the root's file system to options from now on.
    ///
    /// # Errors
    /// `EINVAL`: it takes none.
    pub fn set_options(&self, options: &Options) -> Result<()> {
        inode_of(&self.root).map(|root| root.set_options(options))
    }

    /// The handles that a process begins with: the root.
    #[must_use]
    pub fn first_handles(&self) -> Handles {
        let mut handles = Handles::default();
        // An empty table has room.
        let _ = handles.insert(Held::Entry(self.root.clone()));
        handles
    }

    /// Whether anybody watches files.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        !self.watches.is_empty()
    }

    /// Tell those who watch of files that are no more.
    pub fn tell_ended(&self) {
        self.watches.tell_ended();
    }

    /// A child has what its parent has mapped.
    pub fn clone_mappings(&self, parent: u32, child: u32) {
        self.showcase.clone_mappings(parent, child);
    }

    /// A process is gone.
    pub fn forget(&self, process: u32) {
        self.showcase.forget_mappings(process);
    }

    /// A file for a segment of shared memory: all holes, and in no directory.
    ///
    /// # Errors
    /// `ENOSPC`: there is no room.
    pub fn make_segment(&self, key: i32, bytes: u64) -> Result<Arc<Entry>> {
        const PERMISSIONS: u32 = 0o600;
        let world = RequestWorld::new(Subject::ROOT, &OPEN, machine::tick(), memory::frames_for_files());
        let name = alloc::format!("SYSV{key:08x}");
        let file = self.nameless.node.create_unnamed(&self.nameless, name.as_bytes(), PERMISSIONS, &world.actor())?;
        file.node.truncate(&world, bytes)?;
        Ok(file)
    }

    /// Open a segment's file for a process, whoever owns it.
    ///
    /// # Errors
    /// `ENFILE`: the process holds too much. `ENOMEM`: there are no frames.
    pub fn open_segment(&self, asked: &mut Asked, file: Arc<Entry>, access: Access) -> Result<u32> {
        let world = RequestWorld::new(Subject::ROOT, &OPEN, asked.tick, asked.frames);
        self.open_new(asked, &world, file, access).map(|answer| (answer[0] >> 32) as u32)
    }

    /// Serve a request; gives the answer, who is to hear that files' pages changed, and who that files were removed which it had opened.
    pub fn serve(&self, request: &Request, asked: &mut Asked) -> (Answer, Vec<u32>, Vec<u32>) {
        let world = RequestWorld {
            mounts: Some(&self.mounts),
            ..RequestWorld::new(asked.credentials.for_files(), asked.sandbox, asked.tick, asked.frames)
        };
        let answer = pledged::check(request, asked).and_then(|()| self.dispatch(request, asked, &world));
        let mut listeners = Vec::new();
        for (file, pages, cut) in world.moved.into_inner() {
            if let Some(shown) = self.showcase.find(file) {
                listeners.extend(shown.note_moved(pages, cut));
            }
        }
        let mut removed = world.removed.into_inner();
        listeners.retain(|&listener| listener != asked.id);
        removed.retain(|&opener| opener != asked.id);
        (answer, listeners, removed)
    }

    fn dispatch(&self, request: &Request, asked: &mut Asked, world: &RequestWorld) -> Answer {
        let words = request.words;
        let handle = words[0] as u32;
        match request.operation {
            Operation::Walk => self.walk(asked, world, words, request.small != 0),
            Operation::Open => self.open(asked, world, request),
            Operation::MakeNotices => self.make_notices(asked, words[0]),
            Operation::Watch => self.watch(asked, words),
            Operation::Unwatch => {
                self.watches.remove(&instance(asked, words[0] as u32)?, words[1] as i32)?;
                value(0)
            }
            Operation::Attributes => names::attributes(asked, handle),
            Operation::Statistics => names::statistics(asked, world, handle),
            Operation::List => self.list(asked, world, handle, words[1]),
            Operation::Create => self.create(asked, world, request),
            Operation::CreateUnnamed => self.create_unnamed(asked, world, request),
            Operation::Link => self.link(asked, world, words),
            Operation::Remove => self.remove(asked, world, request),
            Operation::Unlink => self.unlink(asked, world, handle, words[1], request.small != 0),
            Operation::Rename => self.rename(asked, world, request),
            Operation::Target => names::target(asked, world, handle),
            Operation::Change => self.change(asked, world, handle, request.small),
            Operation::Resize => self.truncate(asked, world, handle, words[1], request.small == unix::BY_PLACE),
            Operation::Path => names::path(asked, handle),
            Operation::OpenEntry => self.open_entry(asked, world, request),
            Operation::Run => self.run(asked, world, request),
            Operation::Permits => names::permits(asked, world, handle, request.small),
            Operation::MapFile => self.map_file(asked, world, request),
            Operation::WriteFile => self.write(asked, world, words),
            Operation::Allocate => self.allocate(asked, world, request),
            Operation::Seek => contents::seek(asked, words),
            Operation::NoteRead => self.note_read(asked, world, words),
            Operation::NoteStored => self.note_stored(asked, world, words),
            Operation::Moved => self.moved(asked, words),
            Operation::IsPresent => contents::is_present(asked, handle, words[1]),
            Operation::Overlay => contents::overlay(asked, handle).map(|bytes| [bytes.map_or(0, <[u8]>::len) as u64, 0, 0, 0]),
            Operation::MapOverlay => contents::map_overlay(asked, handle, words[1]),
            Operation::Adopt => self.adopt(asked, handle),
            Operation::Mount => self.mount(asked, request),
            Operation::Unmount => self.unmount(asked, world, words),
            Operation::Mounts => self.mounts_text(asked, words, request.small != 0),
            Operation::OpenInput => {
                let input = self.input.clone().ok_or(Errno::ENOENT)?;
                self.open_new(asked, world, input, Access::READ)
            }
            Operation::Seal => self.seal(asked, world, request),
            _ => Err(Errno::ENOSYS),
        }
    }

    /// Open a regular file or a directory, and tell of it.
    fn open_new(&self, asked: &mut Asked, world: &RequestWorld, entry: Arc<Entry>, access: Access) -> Answer {
        let what = access.contains(Access::WRITE).then_some(Use::Write);
        self.open_to(asked, world, entry, access, what)
    }

    /// Open a regular file or a directory, and tell of it; what a regular file is used for by that keeps others from using it otherwise.
    fn open_to(&self, asked: &mut Asked, world: &RequestWorld, entry: Arc<Entry>, access: Access, what: Option<Use>) -> Answer {
        let answer = self.open_quietly(asked, world, entry.clone(), access, what, Some(self.watches.clone()))?;
        self.watches.tell(&entry, Happening::OPEN);
        Ok(answer)
    }

    /// Open a regular file or a directory; `watches` are told when it is closed.
    fn open_quietly(
        &self,
        asked: &mut Asked,
        world: &RequestWorld,
        entry: Arc<Entry>,
        access: Access,
        what: Option<Use>,
        watches: Option<Arc<Watches>>,
    ) -> Answer {
        let kind = entry.node.kind();
        if !matches!(kind, Kind::Regular | Kind::Directory) {
            return Err(Errno::ENXIO);
        }
        let what = what.filter(|_| kind == Kind::Regular);
        let in_use = what.map(|what| InUse::begin(&entry, what)).transpose()?;
        let file = Arc::clone(&entry.node).open(&entry, access, world)?;
        let shown = if kind == Kind::Regular { Some(self.show(asked, &entry)?) } else { None };
        if let Some(shown) = &shown {
            shown.note_opener(asked.id);
        }
        let mut opened = Opened::new(entry.clone(), file, access, Object::File);
        opened.shown.clone_from(&shown);
        opened.in_use = in_use;
        opened.is_watched = watches.is_some() && self.is_watched();
        opened.watches = watches;
        let handle = asked.handles.insert(Held::Open(Arc::new(opened)))?;
        Ok(told(&entry, handle, shown.as_deref()))
    }

    /// Tell of an open file as if it had been opened here.
    fn adopt(&self, asked: &mut Asked, handle: u32) -> Answer {
        let opened = asked.handles.opened(handle)?;
        if opened.object != Object::File {
            return Err(Errno::EBADF);
        }
        let shown = if opened.shown.is_some() { Some(self.show(asked, &opened.entry)?) } else { None };
        Ok(told(&opened.entry, handle, shown.as_deref()))
    }

    fn open_entry(&self, asked: &mut Asked, world: &RequestWorld, request: &Request) -> Answer {
        let (handle, access) = (request.words[0] as u32, Access::from_bits_truncate(request.words[1] as u32));
        let is_for = |purpose| request.small == purpose as u16;
        if is_for(OpenPurpose::Lend) {
            let entry = asked.handles.opened_for(handle, access)?.entry.clone();
            return self.open_quietly(asked, world, entry, access, None, Some(self.watches.clone()));
        }
        if is_for(OpenPurpose::Map) {
            let entry = asked.handles.opened_for(handle, access)?.entry.clone();
            return self.open_quietly(asked, world, entry, access, Some(Use::Map), None);
        }
        let entry = asked.handles.entry(handle)?;
        if entry.node.kind() == Kind::Directory && access.contains(Access::WRITE) {
            return Err(Errno::EISDIR);
        }
        if is_for(OpenPurpose::Execute) || is_for(OpenPurpose::Interpret) {
            return self.open_program(asked, world, request, entry, access & Access::READ);
        }
        let attributes = entry.node.attributes();
        world.subject.may(&attributes, access.into())?;
        if is_for(OpenPurpose::Keep) {
            return self.open_quietly(asked, world, entry, access & Access::READ, None, None);
        }
        if is_for(OpenPurpose::Make) && attributes.device == NAMELESS_DEVICE {
            return self.open_to(asked, world, entry, access, None);
        }
        self.open_new(asked, world, entry, access)
    }

    /// Open a file that is to be run, or to load what is run; its path is told, and its first pages come into the window that the request names.
    fn open_program(&self, asked: &mut Asked, world: &RequestWorld, request: &Request, entry: Arc<Entry>, access: Access) -> Answer {
        let attributes = entry.node.attributes();
        world.subject.may(&attributes, Wanted::EXECUTE)?;
        let flags = entry.mount_flags();
        if flags & NO_PROGRAMS != 0 {
            return Err(Errno::EACCES);
        }
        let what = (request.small == OpenPurpose::Execute as u16).then_some(Use::Run);
        if what.is_none() {
            // What loads a program may be written to afterwards.
            drop(InUse::begin(&entry, Use::Run)?);
        }
        let path = entry.path();
        let mut answer = self.open_to(asked, world, entry, access, what)?;
        answer[1] |= if attributes.permissions & SET_IDS != 0 && flags & NO_SET_IDS == 0 { unix::GIVES_IDS } else { 0 };
        // Who runs it wants to know its path: that saves the question.
        if send(asked, unix::PATH_AT, &path).is_ok() {
            answer[1] |= (path.len() as u64) << unix::PATH_LENGTH;
        }
        answer[0] |= self.map_ahead(asked, world, (answer[0] >> 32) as u32, request.words[2]) << unix::PAGES_AHEAD;
        Ok(answer)
    }

    /// Show a regular file to processes, the one that asks among them.
    fn show(&self, asked: &mut Asked, entry: &Arc<Entry>) -> Result<Arc<Shown>> {
        let attributes = entry.node.attributes();
        let shown = self.showcase.show((attributes.device, attributes.inode))?;
        self.update(&shown, &attributes, asked.tick);
        shown.set_seals(inode_of(entry)?.sealed()?);
        let pages = shown.place as usize / unix::InodeWords::PER_PAGE + 1;
        while *asked.words_pages < pages {
            let offset = *asked.words_pages * PAGE_SIZE;
            map(asked, place::INODES + offset, WORDS + offset, 1, Rights::READ_ONLY)?;
            *asked.words_pages += 1;
        }
        Ok(shown)
    }

    /// After contents or times of an entry's inode changed.
    fn settle(&self, entry: &Arc<Entry>, tick: Tick) {
        if entry.node.kind() != Kind::Regular {
            return;
        }
        let attributes = entry.node.attributes();
        if let Some(shown) = self.showcase.find((attributes.device, attributes.inode)) {
            self.update(&shown, &attributes, tick);
        }
    }

    /// Bring what is shown of an inode up to date. What reads and writes change besides is told once a tick, the time of access only as long as
    /// it is to be set; always where somebody watches, or a write takes bits away.
    fn update(&self, shown: &Shown, attributes: &Attributes, tick: Tick) {
        let Attributes { accessed, modified, changed, .. } = *attributes;
        let reads = if self.watches.want(Happening::ACCESS) {
            0
        } else if accessed > modified && accessed > changed {
            InodeWords::FOR_GOOD
        } else if accessed == tick.time {
            tick.end
        } else {
            0
        };
        let is_told = self.watches.want(Happening::MODIFY) || attributes.permissions & SET_IDS != 0;
        let writes = if !is_told && modified == tick.time && changed == tick.time { tick.end } else { 0 };
        shown.set(attributes.size, reads, writes);
    }

    fn make_notices(&self, asked: &mut Asked, inode: u64) -> Answer {
        let notices: Arc<Inotify> = Arc::default();
        let entry = AnonymousNode::entry(notices.clone(), Kind::Anonymous, inode, b"anon_inode:inotify", asked.tick.time);
        let opened = Opened::new(entry, notices, Access::READ, Object::Notices);
        asked.handles.insert(Held::Open(Arc::new(opened))).and_then(|handle| value(u64::from(handle)))
    }

    fn watch(&self, asked: &Asked, words: [u64; 3]) -> Answer {
        let (entry, instance) = (asked.handles.entry(words[0] as u32)?, instance(asked, words[1] as u32)?);
        let mask = Happening::from_bits_truncate(words[2] as u32);
        let watch = self.watches.add(&instance, &entry.node, mask)?;
        if mask.intersects(Happening::ACCESS | Happening::MODIFY) {
            self.showcase.ask();
        }
        value(watch as u64)
    }
}

/// The instance of inotify(7) behind a handle.
fn instance(asked: &Asked, handle: u32) -> Result<Arc<Inotify>> {
    asked.handles.opened(handle)?.file.of_type().ok_or(Errno::EINVAL)
}

/// What is told of an open file: kind and handle, place of its words, device, inode.
fn told(entry: &Arc<Entry>, handle: u32, shown: Option<&Shown>) -> [u64; 4] {
    const OPENED: u64 = 3;
    let (place, identity) = shown.map_or((0, (0, 0)), |shown| (shown.place, shown.identity));
    let kind = entry.node.kind() as u64;
    [OPENED | kind << 16 | u64::from(handle) << 32, u64::from(place), identity.0, identity.1]
}

/// The inode of an entry of the tree.
///
/// # Errors
/// `EINVAL`: it is none.
pub fn inode_of(entry: &Arc<Entry>) -> Result<&Inode> {
    (&*entry.node as &dyn core::any::Any).downcast_ref().ok_or(Errno::EINVAL)
}

/// Bytes that came with a request.
fn letter(asked: &Asked, length: usize) -> Result<Vec<u8>> {
    asked.channel.letter(length).ok_or(Errno::EINVAL)
}

/// Send bytes with the answer; all of them, or it is `ENAMETOOLONG`.
fn send(asked: &Asked, at: usize, bytes: &[u8]) -> Result<()> {
    if at + bytes.len() > MAILBOX_BYTES {
        return Err(Errno::ENAMETOOLONG);
    }
    asked.channel.answer(at, bytes);
    Ok(())
}

/// Map pages into the process, with more quota if it takes that. On an error none of the range is mapped.
fn map(asked: &mut Asked, target: usize, source: usize, pages: usize, rights: Rights) -> Result<()> {
    let attempt = || exo::page_map(asked.env, target, source, pages, rights);
    let mut outcome = attempt();
    if outcome == Err(abi::Error::Quota) {
        // SAFETY: the range is another environment's.
        let _ = unsafe { exo::page_unmap(asked.env, target, pages) };
        // Page tables are charged too: one for each 512 pages, and those above.
        outcome = if (asked.raise)(pages + pages / 512 + 4) { attempt() } else { outcome };
    }
    outcome.map_err(|error| {
        // SAFETY: the range is another environment's.
        let _ = unsafe { exo::page_unmap(asked.env, target, pages) };
        if error == abi::Error::Quota { Errno::ENOMEM } else { Errno::EINVAL }
    })
}
