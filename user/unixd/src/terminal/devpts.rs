//! `/dev/pts`: the pairs that there are, by number.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use libos::errno::{Errno, Result};
use libos::file::{Access, File};
use libos::vfs::attributes::{Attributes, Change, Kind, Time, device_number, minor};
use libos::vfs::listing::DirectoryFile;
use libos::vfs::node::{Entry, Listed, Node, Statistics, Visitor};
use libos::vfs::permission::Actor;
use libos::vfs::world::World;
use spin::Mutex;

use super::pair::Pair;
use super::termios::Termios;
use super::{PTS_MAJOR, Terminal};

/// The device number of the file system.
const DEVICE: u64 = device_number(0, 20);
/// `DEVPTS_SUPER_MAGIC`
const MAGIC: u64 = 0x1cd1;
/// The most pairs at a time: what one costs is the server's memory (`/proc/sys/kernel/pty/max`).
pub const MOST: usize = 256;
/// A slave's permissions before anybody changes them.
const PERMISSIONS: u32 = 0o620;
/// Inode of the first slave.
const FIRST_INODE: u64 = 3;

/// All pairs whose master is open.
#[derive(Clone, Default)]
pub struct Pairs(Arc<Mutex<BTreeMap<u32, Slave>>>);

#[derive(Clone)]
struct Slave {
    terminal: Weak<Terminal>,
    node: Arc<SlaveNode>,
}

impl Pairs {
    /// A new pair, owned by a user and a group.
    ///
    /// # Errors
    /// `ENOSPC`: there are as many as there can be.
    pub fn make(&self, user: u32, group: u32, now: Time) -> Result<Arc<Terminal>> {
        let mut pairs = self.0.lock();
        let number = (0..MOST as u32).find(|number| !pairs.contains_key(number)).ok_or(Errno::ENOSPC)?;
        let device = device_number(PTS_MAJOR, number);
        let mut termios = Termios::default();
        termios.control &= !linux_raw_sys::general::HUPCL;
        let terminal = Arc::new(Terminal::new(device, termios, [0; 4], Some(Pair::new())));
        let mut attributes = Attributes::new(DEVICE, u64::from(number) + FIRST_INODE, Kind::Character, PERMISSIONS, now);
        (attributes.user, attributes.group, attributes.special) = (user, group, device);
        pairs.insert(number, Slave { terminal: Arc::downgrade(&terminal), node: Arc::new(SlaveNode(Mutex::new(attributes))) });
        Ok(terminal)
    }

    /// The pair with a number.
    #[must_use]
    pub fn find(&self, number: u32) -> Option<Arc<Terminal>> {
        self.0.lock().get(&number)?.terminal.upgrade()
    }

    /// What the slave of a pair says of itself.
    #[must_use]
    pub fn attributes(&self, number: u32) -> Option<Attributes> {
        self.0.lock().get(&number).map(|slave| slave.node.attributes())
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Terminal>> {
        self.0.lock().values().filter_map(|slave| slave.terminal.upgrade()).collect()
    }

    /// The master of a pair is gone, and so is the name.
    pub fn forget(&self, terminal: &Terminal) {
        self.0.lock().remove(&minor(terminal.device));
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self, parent: &Arc<Entry>, now: Time) -> Arc<Entry> {
        Entry::mounted(Arc::new(Directory { pairs: self.clone(), now }), parent, b"pts")
    }
}

struct Directory {
    pairs: Pairs,
    now: Time,
}

fn statistics() -> Statistics {
    Statistics { magic: MAGIC, ..Statistics::default() }
}

impl Node for Directory {
    fn attributes(&self) -> Attributes {
        Attributes { links: 2, ..Attributes::new(DEVICE, 1, Kind::Directory, 0o755, self.now) }
    }

    fn statistics(&self, _: &dyn World) -> Statistics {
        statistics()
    }

    fn lookup(&self, here: &Arc<Entry>, name: &[u8], _: &dyn World) -> Result<Arc<Entry>> {
        let number: u32 = core::str::from_utf8(name).ok().and_then(|name| name.parse().ok()).ok_or(Errno::ENOENT)?;
        let pairs = self.pairs.0.lock();
        let slave = pairs.get(&number).filter(|_| format!("{number}").as_bytes() == name).ok_or(Errno::ENOENT)?;
        Ok(Entry::new(slave.node.clone(), here, name))
    }

    fn open(self: Arc<Self>, entry: &Arc<Entry>, _: Access, _: &dyn World) -> Result<Arc<dyn File>> {
        Ok(Arc::new(DirectoryFile::new(entry.clone())))
    }

    fn list(&self, _: &Arc<Entry>, from: u64, _: &dyn World, visit: &mut Visitor) -> Result<()> {
        let pairs = self.pairs.0.lock();
        for (&number, slave) in pairs.range(from.saturating_sub(2) as u32..) {
            let name = format!("{number}");
            let inode = slave.node.0.lock().inode;
            let listed = Listed { inode, kind: Kind::Character, next: u64::from(number) + 3, name: name.as_bytes() };
            if !visit(&listed) {
                break;
            }
        }
        Ok(())
    }
}

/// A slave's inode. What opening it gives is asked for by the process, with the device's number.
struct SlaveNode(Mutex<Attributes>);

impl Node for SlaveNode {
    fn attributes(&self) -> Attributes {
        *self.0.lock()
    }

    fn statistics(&self, _: &dyn World) -> Statistics {
        statistics()
    }

    fn change(&self, change: &Change, actor: &Actor) -> Result<()> {
        actor.change(change, &mut self.0.lock())
    }
}

/// What stands for a terminal that was opened: nothing is asked of it but its number.
pub struct OpenNode(pub u64);

impl OpenNode {
    /// An entry in no directory.
    #[must_use]
    pub fn entry(device: u64) -> Arc<Entry> {
        Entry::detached(Arc::new(OpenNode(device)), b"terminal")
    }
}

impl Node for OpenNode {
    fn attributes(&self) -> Attributes {
        let attributes = Attributes::new(DEVICE, 0, Kind::Character, PERMISSIONS, Time::default());
        Attributes { special: self.0, inode: self.0, ..attributes }
    }

    fn statistics(&self, _: &dyn World) -> Statistics {
        statistics()
    }
}
