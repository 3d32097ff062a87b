//! An inode of a tmpfs.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use linux_raw_sys::general::{FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE};
use spin::Mutex;
use unix::{ChangeCounts, Changes};

use crate::errno::{Errno, Result};
use crate::file::pipe::Pipe;
use crate::file::{Access, Blocking, File, Input, Output, Place, Seek, Seeking};
use crate::memory::backing::{Backing, Frames, Purpose};
use crate::pool::{Page, Pool};
use crate::vfs::attributes::{Attributes, Change, Kind, SET_IDS, Time};
use crate::vfs::device;
use crate::vfs::listing::DirectoryFile;
use crate::vfs::mount;
use crate::vfs::node::{self, Entry, NEVER_NAMED, New, Node, Rename, Role, SEALABLE, Statistics, Target, Visitor};
use crate::vfs::permission::Actor;
use crate::vfs::seals::Seals;
use crate::vfs::tmpfs::contents::Contents;
use crate::vfs::tmpfs::counts;
use crate::vfs::tmpfs::directory::{Names, visit_from};
use crate::vfs::tmpfs::usage::{Usage, Use};
use crate::vfs::tmpfs::{Options, Tmpfs};
use crate::vfs::world::World;

/// What `statfs` calls a tmpfs.
const MAGIC: u64 = 0x0102_1994;
/// `st_blocks` of a page.
const BLOCKS_OF_A_PAGE: u64 = 8;
/// From how many bytes on a symbolic link's path is long (`SHORT_SYMLINK_LEN`).
const LONG_LINK: usize = 128;
/// What a name adds to a directory's size, on Linux too.
pub(super) const NAME_SIZE: u64 = 20;

/// An inode: a regular file, a directory, a link or something special.
pub struct Inode {
    pub(super) system: Arc<Tmpfs>,
    /// To be changed by [`Inode::alter`] only.
    attributes: Mutex<Attributes>,
    /// Whether it has no name and may get one (`O_TMPFILE`).
    pub(super) may_be_named: AtomicBool,
    /// What is counted of its changes.
    pub(super) counts: &'static ChangeCounts,
    /// What it is used for, of a regular file.
    pub(super) usage: Usage,
    pub(super) body: Body,
}

pub(super) enum Body {
    Regular(Contents),
    Directory(Mutex<Names>),
    /// A symbolic link: a long one has a page of the file system's, as on Linux.
    Link(Box<[u8]>, Option<Arc<Page>>),
    Fifo(Arc<Pipe>),
    /// A device, or a socket's name.
    Special,
}

impl Inode {
    /// # Errors
    /// `ENOSPC`: the file system has no inode more, or no page for a long link.
    pub(super) fn new(system: &Arc<Tmpfs>, kind: Kind, permissions: u32, special: u64, target: &[u8], now: Time) -> Result<Arc<Inode>> {
        let page = if target.len() >= LONG_LINK { Some(system.pool.page()?) } else { None };
        system.take_inode()?;
        let mut attributes = Attributes::new(system.device, system.next_inode(), kind, permissions, now);
        attributes.special = special;
        let body = match kind {
            Kind::Regular => Body::Regular(Contents::new(&system.pool, &[])),
            Kind::Directory => {
                attributes.links = 2;
                attributes.size = 2 * NAME_SIZE;
                Body::Directory(Mutex::default())
            }
            Kind::Link => {
                attributes.size = target.len() as u64;
                Body::Link(target.into(), page)
            }
            Kind::Fifo => Body::Fifo(Pipe::new(attributes.inode)),
            _ => Body::Special,
        };
        let counts = counts::of(attributes.device, attributes.inode);
        let (system, attributes) = (system.clone(), Mutex::new(attributes));
        Ok(Arc::new(Inode { system, attributes, may_be_named: false.into(), counts, usage: Usage::default(), body }))
    }

    /// A regular file that shows an image until it is written, in no directory yet.
    ///
    /// # Errors
    /// `ENOSPC`: the file system has no inode more.
    pub fn from_image(&self, image: &'static [u8], permissions: u32, now: Time) -> Result<Arc<Inode>> {
        let inode = Inode::new(&self.system, Kind::Regular, permissions, 0, &[], now)?;
        inode.alter(|attributes| attributes.links = 0);
        inode.show_image(image);
        Ok(inode)
    }

    /// Hold its file system to options from now on.
    pub fn set_options(&self, options: &Options) {
        self.system.set_options(options);
    }

    /// What its file system is held to.
    #[must_use]
    pub fn options(&self) -> Options {
        self.system.options()
    }

    /// Let a regular file show an image in place of what it holds.
    pub fn show_image(&self, image: &'static [u8]) {
        if let Body::Regular(contents) = &self.body {
            contents.show(image);
        }
    }

    /// Attach to a regular file what was prepared for executable mappings of the image that it shows.
    pub fn attach_overlay(&self, overlay: &'static [u8]) {
        if let Body::Regular(contents) = &self.body {
            contents.attach(overlay);
        }
    }

    /// Where its file system's pages come from.
    #[must_use]
    pub fn pool(&self) -> &Arc<Pool> {
        &self.system.pool
    }

    /// Let mappings go of frames that are not the file's any more.
    fn settle(&self, world: &dyn World, contents: &Contents) {
        self.counts.note_state();
        let moved = contents.take_moved();
        if !moved.pages.is_empty() {
            world.contents_moved(self.identity(), moved.pages, moved.cut);
        }
    }

    /// What has a name in this directory.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<Arc<Entry>> {
        self.names().ok()?.lock().get(name).cloned()
    }

    /// All names in this directory.
    #[must_use]
    pub fn all_names(&self) -> alloc::vec::Vec<alloc::vec::Vec<u8>> {
        let mut all = alloc::vec::Vec::new();
        let Ok(names) = self.names() else { return all };
        let mut from = 0;
        while let Some((position, entry)) = names.lock().next(from) {
            all.push(entry.name());
            from = position + 1;
        }
        all
    }

    fn contents(&self) -> Option<&Contents> {
        if let Body::Regular(contents) = &self.body { Some(contents) } else { None }
    }

    fn regular(&self) -> Result<&Contents> {
        self.contents().ok_or(Errno::EINVAL)
    }

    /// What may not happen to it any more.
    ///
    /// # Errors
    /// `EINVAL`: it is no regular file.
    pub fn sealed(&self) -> Result<Seals> {
        self.regular().map(Contents::seals)
    }

    /// Add seals. Against writes it is sealed for good: it has other frames then, for all pages that somebody may have mapped.
    ///
    /// # Errors
    /// `EPERM`: there are to be no more. `EBUSY`: it is mapped to be stored to. `EINVAL`: it is no regular file. `ENOSPC`: there are no frames.
    pub fn seal(&self, world: &dyn World, more: Seals, is_mapped: &dyn Fn(&Page) -> bool) -> Result<()> {
        const RUNNABLE: u32 = 0o111;
        let contents = self.regular()?;
        let known = contents.seals();
        if known.contains(Seals::SEAL) {
            return Err(Errno::EPERM);
        }
        let mut more = more;
        if more.contains(Seals::EXECUTE) && self.attributes.lock().permissions & RUNNABLE != 0 {
            more |= Seals::SHRINK | Seals::GROW | Seals::WRITES;
        }
        if more.contains(Seals::WRITE) && !known.contains(Seals::WRITE) {
            if self.usage.is_used(Use::Map) {
                return Err(Errno::EBUSY);
            }
            let outcome = contents.renew(is_mapped);
            self.settle(world, contents);
            outcome?;
        }
        contents.seal(more)
    }

    /// Check that its permissions may become these.
    fn check_permissions(&self, change: &Change) -> Result<()> {
        let Some(wanted) = change.permissions else { return Ok(()) };
        let changed = self.attributes.lock().permissions ^ wanted;
        let is_sealed = changed & 0o111 != 0 && self.contents().is_some_and(|contents| contents.seals().contains(Seals::EXECUTE));
        if is_sealed { Err(Errno::EPERM) } else { Ok(()) }
    }

    /// Note a change of the contents.
    pub fn touch(&self, actor: &Actor) {
        self.alter(|attributes| {
            attributes.modified = actor.now;
            attributes.changed = actor.now;
            attributes.permissions = actor.subject.after_write(attributes.permissions);
        });
    }

    /// Change what it says of itself.
    pub(super) fn alter<T>(&self, work: impl FnOnce(&mut Attributes) -> T) -> T {
        let done = work(&mut self.attributes.lock());
        self.counts.note_state();
        done
    }

    /// Belong to who makes it in a directory.
    pub(super) fn belong(&self, directory: &Inode, actor: &Actor) {
        let above = *directory.attributes.lock();
        self.alter(|own| {
            let new = actor.subject.new_inode(&above, own.kind, own.permissions);
            (own.user, own.group, own.permissions) = (new.user, new.group, new.permissions);
        });
    }

    /// Note a read, as the mount option `relatime` does: only the first one after a change.
    pub fn note_read(&self, world: &dyn World) {
        let attributes = *self.attributes.lock();
        if self.system.is_read_only() {
            return;
        }
        if attributes.accessed <= attributes.modified || attributes.accessed <= attributes.changed {
            self.alter(|attributes| attributes.accessed = world.now());
        }
    }
}

impl Node for Inode {
    fn attributes(&self) -> Attributes {
        let mut attributes = *self.attributes.lock();
        match &self.body {
            Body::Regular(contents) => {
                attributes.size = contents.size();
                attributes.blocks = contents.pages() as u64 * BLOCKS_OF_A_PAGE;
            }
            Body::Link(_, Some(_)) => attributes.blocks = BLOCKS_OF_A_PAGE,
            _ => {}
        }
        attributes
    }

    fn kind(&self) -> Kind {
        match &self.body {
            Body::Regular(_) => Kind::Regular,
            Body::Directory(_) => Kind::Directory,
            Body::Link(..) => Kind::Link,
            Body::Fifo(_) => Kind::Fifo,
            Body::Special => self.attributes.lock().kind,
        }
    }

    fn counts(&self) -> Option<(u16, &'static ChangeCounts)> {
        let (device, inode) = self.identity();
        Some((Changes::place(device, inode), self.counts))
    }

    fn statistics(&self, world: &dyn World) -> Statistics {
        let (free, all) = world.frames();
        let ((pages, used), (inodes, inodes_used)) = (self.system.pool.counts(), self.system.inode_counts());
        Statistics {
            magic: MAGIC,
            blocks: pages.unwrap_or(all) as u64,
            free: pages.map_or(free, |most| (most - used.min(most)).min(free)) as u64,
            inodes: inodes.unwrap_or(all as u64),
            inodes_free: inodes.map_or(free as u64, |most| most.saturating_sub(inodes_used)),
            flags: if self.system.is_read_only() { mount::READ_ONLY } else { 0 },
        }
    }

    fn lookup(&self, _: &Arc<Entry>, name: &[u8], _: &dyn World) -> Result<Arc<Entry>> {
        self.names()?.lock().get(name).cloned().ok_or(Errno::ENOENT)
    }

    fn list(&self, _: &Arc<Entry>, from: u64, world: &dyn World, visit: &mut Visitor) -> Result<()> {
        let names = self.names()?;
        self.note_read(world);
        visit_from(from, |from| names.lock().next(from), visit);
        Ok(())
    }

    fn next_position(&self) -> u64 {
        self.names().map_or(u64::MAX, |names| names.lock().next_position())
    }

    fn create(&self, here: &Arc<Entry>, name: &[u8], new: &New, actor: &Actor) -> Result<Arc<Entry>> {
        self.create_named(here, name, new, actor)
    }

    fn create_unnamed(&self, here: &Arc<Entry>, name: &[u8], permissions: u32, actor: &Actor) -> Result<Arc<Entry>> {
        // A directory that was removed does as well: nothing gets a name in it.
        self.names()?;
        self.system.check_writable()?;
        let inode = self.from_image(&[], permissions & !(NEVER_NAMED | SEALABLE), actor.now)?;
        if permissions & SEALABLE != 0 {
            inode.regular()?.unseal();
        }
        inode.may_be_named.store(name.is_empty() && permissions & NEVER_NAMED == 0, Ordering::Relaxed);
        inode.belong(self, actor);
        let number = alloc::format!("#{}", inode.attributes.lock().inode);
        let entry = Entry::new(inode, here, if name.is_empty() { number.as_bytes() } else { name });
        entry.set_removed();
        Ok(entry)
    }

    fn link(&self, here: &Arc<Entry>, name: &[u8], node: &Arc<dyn Node>, actor: &Actor) -> Result<()> {
        self.link_named(here, name, node, actor)
    }

    fn unlink(&self, name: &[u8], directory: bool, actor: &Actor) -> Result<()> {
        self.unlink_named(name, directory, actor)
    }

    fn rename(&self, name: &[u8], to: &Arc<Entry>, new_name: &[u8], how: Rename, actor: &Actor) -> Result<()> {
        self.rename_named(name, to, new_name, how, actor)
    }

    fn target(&self, world: &dyn World) -> Result<Target> {
        let Body::Link(target, _) = &self.body else { return Err(Errno::EINVAL) };
        self.note_read(world);
        Ok(Target::Path(target.to_vec()))
    }

    fn change(&self, change: &Change, actor: &Actor) -> Result<()> {
        self.system.check_writable()?;
        self.check_permissions(change)?;
        // Even the times: a change of them alone is rare.
        let outcome = self.alter(|attributes| actor.change(change, attributes));
        self.counts.note_ways();
        outcome
    }

    fn truncate(&self, world: &dyn World, size: u64) -> Result<()> {
        match &self.body {
            Body::Regular(contents) => {
                self.system.check_writable()?;
                let outcome = contents.truncate(size);
                self.settle(world, contents);
                outcome?;
            }
            Body::Directory(_) => return Err(Errno::EISDIR),
            _ => return Err(Errno::EINVAL),
        }
        self.touch(&world.actor());
        Ok(())
    }

    fn open(self: Arc<Self>, entry: &Arc<Entry>, access: Access, world: &dyn World) -> Result<Arc<dyn File>> {
        match &self.body {
            Body::Regular(_) => Ok(self),
            Body::Directory(_) => Ok(Arc::new(DirectoryFile::new(entry.clone()))),
            Body::Fifo(pipe) => Ok(pipe.open(access)),
            Body::Link(..) => Err(Errno::ELOOP),
            Body::Special => {
                let attributes = *self.attributes.lock();
                if attributes.kind == Kind::Character { device::open(attributes.special, access, world) } else { Err(Errno::ENXIO) }
            }
        }
    }

    fn run(self: Arc<Self>, _: Role) -> Result<node::Contents> {
        if self.contents().is_some() { Ok((self, None)) } else { Err(Errno::EACCES) }
    }

    fn is_read_only(&self) -> bool {
        self.system.is_read_only()
    }

    fn check_idle(&self) -> Result<()> {
        if self.usage.is_used(Use::Run) { Err(Errno::ETXTBSY) } else { Ok(()) }
    }
}

impl Drop for Inode {
    fn drop(&mut self) {
        self.system.give_inode();
    }
}

impl File for Inode {
    fn read(&self, world: &dyn World, output: &mut Output, offset: u64, _: Blocking) -> Result<usize> {
        let count = self.regular()?.read(output, offset)?;
        self.note_read(world);
        Ok(count)
    }

    fn write(&self, world: &dyn World, input: &mut Input, place: Place, _: Blocking) -> Result<(usize, u64)> {
        let contents = self.regular()?;
        let outcome = contents.write(world, input, place);
        self.settle(world, contents);
        if outcome.is_ok_and(|(count, _)| count > 0) {
            self.touch(&world.actor());
        }
        outcome
    }

    fn seeking(&self) -> Seeking {
        Seeking::Contents
    }

    fn size(&self) -> u64 {
        self.contents().map_or(0, Contents::size)
    }

    fn seek(&self, offset: u64, what: Seek) -> Result<u64> {
        self.regular()?.seek(offset, what)
    }

    fn truncate(&self, world: &dyn World, size: u64) -> Result<()> {
        Node::truncate(self, world, size)
    }

    fn allocate(&self, world: &dyn World, mode: u32, offset: u64, length: u64) -> Result<()> {
        let contents = self.regular()?;
        let keep = mode & FALLOC_FL_KEEP_SIZE != 0;
        let outcome = match mode & !FALLOC_FL_KEEP_SIZE {
            0 => contents.reserve(world, offset, length, keep),
            FALLOC_FL_PUNCH_HOLE if keep => contents.punch(offset, length),
            FALLOC_FL_ZERO_RANGE => contents.reserve(world, offset, length, keep).and_then(|()| contents.punch(offset, length)),
            _ => return Err(Errno::EOPNOTSUPP),
        };
        self.settle(world, contents);
        outcome?;
        self.touch(&world.actor());
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn seals(&self) -> Result<Seals> {
        self.sealed()
    }

    fn add_seals(&self, world: &dyn World, more: Seals) -> Result<()> {
        // Nobody has mapped a page but who mapped it of this file.
        self.seal(world, more, &|_| false)
    }

    fn backing(self: Arc<Self>) -> Option<Arc<dyn Backing>> {
        if self.contents().is_some() { Some(self) } else { None }
    }

    fn note_mapped(&self, world: &dyn World) -> Result<()> {
        self.note_read(world);
        Ok(())
    }
}

impl Backing for Inode {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        self.regular()?.read(&mut Output::own(into), offset)
    }

    fn size(&self) -> u64 {
        self.contents().map_or(0, Contents::size)
    }

    fn identity(&self) -> (u64, u64) {
        let attributes = self.attributes.lock();
        (attributes.device, attributes.inode)
    }

    fn frames(&self, page: u64, most: usize, purpose: Purpose) -> Result<Option<Frames>> {
        let contents = self.regular()?;
        let before = contents.stored();
        let found = contents.frames(page, most, purpose);
        if contents.stored() != before {
            self.counts.note_state();
        }
        found
    }

    fn is_present(&self, page: u64) -> bool {
        self.contents().is_some_and(|contents| contents.is_present(page))
    }

    fn gives_ids(&self) -> bool {
        self.attributes.lock().permissions & SET_IDS != 0
    }

    fn overlay(&self) -> Option<&'static [u8]> {
        self.contents()?.overlay()
    }
}
