//! mount(2) and umount(2): which mounts there are.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use libos::errno::{Errno, Result};
use libos::pool::Pool;
use libos::vfs::attributes::{Change, Kind, Time, device_number, major, minor};
use libos::vfs::mount::{Mount, NO_DEVICES, NO_PROGRAMS, NO_SET_IDS, OWN_FLAGS, READ_ONLY, Temporary};
use libos::vfs::node::Entry;
use libos::vfs::permission::Actor;
use libos::vfs::tmpfs::{Options, Tmpfs};
use spin::Mutex;

use super::inode_of;

/// The device numbers of file systems that are mounted later begin here.
const FIRST_DEVICE: u32 = 64;
/// The numbers of mounts that are made later begin here; those below are of what every tree has.
const FIRST_ID: u32 = 32;
/// The most mounts: what one costs is the server's memory.
const MOST: usize = 1024;
/// The most bytes of what a file system is said to be mounted from.
pub(super) const SOURCE_MOST: usize = 1024;

/// What every tree has: number, what it is mounted on, device, place, type.
const GIVEN: [(u32, u32, u32, &str, &str); 5] = [
    (1, 1, 1, "/", "tmpfs"),
    (2, 1, 5, "/dev", "devtmpfs"),
    (3, 2, 20, "/dev/pts", "devpts"),
    (4, 1, 4, "/proc", "proc"),
    (5, 1, 6, "/sys", "sysfs"),
];

/// All mounts but those that every tree has, in the order in which they were made.
pub(super) struct Mounts {
    all: Mutex<Vec<Arc<Mount>>>,
    made: Mutex<u32>,
}

/// What somebody holds that a mount may be in the way of.
pub struct Holding {
    /// Who.
    pub process: u32,
    /// By which handle.
    pub handle: u32,
    /// What.
    pub entry: Arc<Entry>,
    /// Whether it is open to be written to.
    pub writes: bool,
}

/// What is to be mounted.
pub(super) struct New<'a> {
    pub(super) kind: &'a [u8],
    pub(super) source: &'a [u8],
    pub(super) options: &'a [u8],
    pub(super) flags: u32,
}

impl Mounts {
    pub(super) fn new() -> Mounts {
        Mounts { all: Mutex::default(), made: Mutex::new(0) }
    }

    /// What was mounted on an entry. One at most: what is mounted there later is on the root of that.
    pub(super) fn on(&self, entry: &Arc<Entry>) -> Option<Arc<Entry>> {
        let all = self.all.lock();
        all.iter().find(|mount| mount.point().is_some_and(|point| point.is(entry))).map(|mount| mount.top())
    }

    fn next(&self) -> u32 {
        let mut made = self.made.lock();
        *made += 1;
        *made
    }

    /// Mount something on an entry.
    fn put(
        &self,
        root: &Arc<Entry>,
        kind: &'static str,
        source: &[u8],
        system: Option<Arc<Temporary>>,
        flags: u32,
        on: &Arc<Entry>,
    ) -> Result<Arc<Mount>> {
        let is_directory = |entry: &Arc<Entry>| entry.node.kind() == Kind::Directory;
        if is_directory(root) != is_directory(on) {
            return Err(Errno::ENOTDIR);
        }
        if on.is_removed() {
            return Err(Errno::ENOENT);
        }
        if self.all.lock().len() >= MOST {
            return Err(Errno::ENOSPC);
        }
        let mount = Mount::new(FIRST_ID + self.next(), root.clone(), kind, source, system, flags & OWN_FLAGS);
        mount.set_point(Some(on.clone()));
        self.all.lock().push(mount.clone());
        Ok(mount)
    }

    /// Mount a new file system, or one of those that every tree has once more.
    ///
    /// # Errors
    /// `EINVAL`: no type, or options that are none. `ENODEV`: no such type. `EBUSY`: it is mounted right there. `ENOTDIR`: that is no directory.
    pub(super) fn mount(
        &self,
        new: &New,
        on: &Arc<Entry>,
        given: &dyn Fn(&str) -> Option<Arc<Entry>>,
        pool: &Arc<Pool>,
        now: Time,
    ) -> Result<()> {
        let (_, _, _, _, kind) = *GIVEN.iter().find(|given| given.4.as_bytes() == new.kind).ok_or(Errno::ENODEV)?;
        if kind == "tmpfs" {
            let text = core::str::from_utf8(new.options).map_err(|_| Errno::EINVAL)?;
            let options = Options { read_only: new.flags & READ_ONLY != 0, ..Options::parse(text).ok_or(Errno::EINVAL)? };
            const ANYBODY: u32 = 0o1777;
            let device = device_number(0, FIRST_DEVICE + self.next());
            let root = Tmpfs::create(device, pool, options.permissions.unwrap_or(ANYBODY), now);
            let owners = Change { user: options.user, group: options.group, ..Change::default() };
            libos::vfs::node::Node::change(&*root, &owners, &Actor::root(now))?;
            root.set_options(&options);
            let entry = Entry::detached(root.clone(), b"");
            return self.put(&entry, kind, new.source, Some(Arc::new(Temporary(root))), new.flags, on).map(drop);
        }
        let root = given(kind).ok_or(Errno::ENODEV)?;
        if on.mount && Arc::ptr_eq(on.real(), &root) {
            return Err(Errno::EBUSY);
        }
        self.put(&root, kind, new.source, None, new.flags, on).map(drop)
    }

    /// Let what is at one place be seen at another too; `all`: with what is mounted below it.
    ///
    /// # Errors
    /// `ENOTDIR`: one of both is a directory. `ENOENT`: the other place is gone.
    pub(super) fn bind(&self, from: &Arc<Entry>, on: &Arc<Entry>, all: bool) -> Result<()> {
        let old = self.all.lock().clone();
        let mut copies = Vec::from([(from.through().cloned(), self.put_again(from, from.through(), on)?)]);
        for mount in old.into_iter().filter(|_| all) {
            let Some(point) = mount.point().filter(|point| point.is_within(from)) else { continue };
            let above = copies.iter().find(|(old, _)| match (old, point.through()) {
                (Some(old), Some(other)) => Arc::ptr_eq(old, other),
                (old, other) => old.is_none() && other.is_none(),
            });
            let Some((_, above)) = above else { continue };
            let place = Entry::seen(above, point.real());
            copies.push((Some(mount.clone()), self.put_again(&mount.root, Some(&mount), &place)?));
        }
        Ok(())
    }

    fn put_again(&self, root: &Arc<Entry>, of: Option<&Arc<Mount>>, on: &Arc<Entry>) -> Result<Arc<Mount>> {
        match of {
            Some(mount) => self.put(root.real(), mount.kind, &mount.source, mount.system.clone(), mount.flags(), on),
            None => {
                let kind = given_of(root).4;
                self.put(root, kind, kind.as_bytes(), None, 0, on)
            }
        }
    }

    /// Let a mount be seen elsewhere.
    ///
    /// # Errors
    /// `EINVAL`: it is none, or one that every tree has, or a directory on a file. `ELOOP`: that is below itself.
    pub(super) fn shift(&self, from: &Arc<Entry>, to: &Arc<Entry>) -> Result<()> {
        let mount = root_of(from)?;
        if (from.node.kind() == Kind::Directory) != (to.node.kind() == Kind::Directory) {
            return Err(Errno::EINVAL);
        }
        if to.is_within(from) {
            return Err(Errno::ELOOP);
        }
        mount.set_point(Some(to.clone()));
        Ok(())
    }

    /// Take a mount away; `lazily`: though it is in use, with those below it.
    ///
    /// # Errors
    /// `EINVAL`: it is none. `EBUSY`: it is in use, or one that every tree has.
    pub(super) fn unmount(&self, at: &Arc<Entry>, lazily: bool, uses: &mut dyn FnMut(&Arc<Mount>) -> bool) -> Result<()> {
        if at.mount && at.through().is_none() {
            return Err(Errno::EBUSY);
        }
        let mount = root_of(at)?;
        if lazily {
            let mut gone = Vec::from([mount.clone()]);
            while let Some(mount) = gone.pop() {
                gone.extend(self.below(&mount));
                self.drop_one(&mount);
            }
            return Ok(());
        }
        if !self.below(mount).is_empty() || uses(mount) {
            return Err(Errno::EBUSY);
        }
        self.drop_one(mount);
        Ok(())
    }

    fn drop_one(&self, mount: &Arc<Mount>) {
        self.all.lock().retain(|other| !Arc::ptr_eq(other, mount));
        mount.set_point(None);
    }

    /// Those that are mounted on what another shows.
    fn below(&self, mount: &Arc<Mount>) -> Vec<Arc<Mount>> {
        self.all.lock().iter().filter(|other| other.point().is_some_and(|point| mount.shows(&point))).cloned().collect()
    }

    /// A line for each mount that is seen below a root, as `/proc/mounts` has it; with `details` as `/proc/self/mountinfo` does.
    pub(super) fn text(&self, root: &Arc<Entry>, top: &Arc<Entry>, details: bool) -> Vec<u8> {
        let prefix = match root.path() {
            path if path == b"/" => Vec::new(),
            path => path,
        };
        let mut text = Vec::new();
        let top_options = options_of(top).unwrap_or_default();
        for (id, parent, device, place, kind) in GIVEN {
            let options = if id == 1 { top_options } else { Options::default() };
            let flags = if options.read_only { READ_ONLY } else { 0 };
            let line = Line { id, parent, device: (0, device), root: b"/", kind, source: kind.as_bytes(), flags, options: &options };
            line.put(&mut text, place.as_bytes(), &prefix, details);
        }
        for mount in self.all.lock().iter() {
            let Some(point) = mount.point() else { continue };
            let attributes = mount.root.node.attributes();
            let options = options_of(&mount.root).unwrap_or_default();
            let line = Line {
                id: mount.id,
                parent: point.through().map_or_else(|| given_of(&point).0, |mount| mount.id),
                device: (major(attributes.device), minor(attributes.device)),
                root: &path_within(&mount.root),
                kind: mount.kind,
                source: &mount.source,
                flags: mount.flags(),
                options: &options,
            };
            line.put(&mut text, &mount.top().path(), &prefix, details);
        }
        text
    }
}

/// The mount whose root an entry is.
pub(super) fn root_of(entry: &Arc<Entry>) -> Result<&Arc<Mount>> {
    entry.through().filter(|mount| Arc::ptr_eq(&mount.root, entry.real())).ok_or(Errno::EINVAL)
}

/// Which of the file systems that every tree has an entry is in.
fn given_of(entry: &Arc<Entry>) -> (u32, u32, u32, &'static str, &'static str) {
    let path = at_or(entry).path();
    *GIVEN.iter().find(|given| given.3.as_bytes() == path).unwrap_or(&GIVEN[0])
}

/// The nearest root of a file system that every tree has, at an entry or above it.
fn at_or(entry: &Arc<Entry>) -> Arc<Entry> {
    let mut at = entry.clone();
    while !at.mount {
        let Some(parent) = at.parent() else { break };
        at = parent;
    }
    at
}

/// The path of an entry in its file system.
fn path_within(entry: &Arc<Entry>) -> Vec<u8> {
    let (top, path) = (at_or(entry).path(), entry.path());
    match path.strip_prefix(&top[..]) {
        _ if top == b"/" => path,
        Some([]) | None => b"/".to_vec(),
        Some(rest) => rest.to_vec(),
    }
}

/// What there is to tell of a mount.
struct Line<'a> {
    id: u32,
    parent: u32,
    device: (u32, u32),
    root: &'a [u8],
    kind: &'a str,
    source: &'a [u8],
    flags: u32,
    options: &'a Options,
}

impl Line<'_> {
    /// Add it, if its place is below a root, whose path is taken away.
    fn put(&self, text: &mut Vec<u8>, place: &[u8], prefix: &[u8], details: bool) {
        let Some(place) = place.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest[0] == b'/') else { return };
        let place = if place.is_empty() { b"/" } else { place };
        let mode = |is_read_only: bool| if is_read_only { "ro" } else { "rw" };
        let mut own = String::from(mode(self.flags & READ_ONLY != 0));
        for (flag, name) in [(NO_SET_IDS, ",nosuid"), (NO_DEVICES, ",nodev"), (NO_PROGRAMS, ",noexec")] {
            own += if self.flags & flag != 0 { name } else { "" };
        }
        own += ",relatime";
        let of_system = self.options.text();
        let (place, source) = (escaped(place), if self.source.is_empty() { b"none".to_vec() } else { escaped(self.source) });
        if details {
            let (major, minor) = self.device;
            text.extend_from_slice(format!("{} {} {major}:{minor} ", self.id, self.parent).as_bytes());
            for part in [&escaped(self.root)[..], b" ", &place, b" ", own.as_bytes(), b" - ", self.kind.as_bytes(), b" ", &source] {
                text.extend_from_slice(part);
            }
            text.extend_from_slice(format!(" {}{of_system}\n", mode(self.options.read_only)).as_bytes());
        } else {
            for part in [&source[..], b" ", &place, b" ", self.kind.as_bytes(), b" ", own.as_bytes(), of_system.as_bytes(), b" 0 0\n"] {
                text.extend_from_slice(part);
            }
        }
    }
}

/// As getmntent(3) reads it.
fn escaped(text: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::new();
    for &byte in text {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' => escaped.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
            _ => escaped.push(byte),
        }
    }
    escaped
}

/// The options of the file system that an entry is in, if it is one that takes some.
pub(super) fn options_of(entry: &Arc<Entry>) -> Option<Options> {
    inode_of(entry).ok().map(|inode| inode.options())
}
