//! Who is told of what happens to files: inotify(7)'s watches.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use libos::errno::{Errno, Result};
use libos::file::Access;
use libos::file::inotify::{Event, Happening, Inotify};
use libos::vfs::attributes::Kind;
use libos::vfs::node::{Entry, Node};
use libos::vfs::world::World;
use spin::Mutex;

/// The most watches of all processes together: what they cost is the server's memory.
const WATCHES_MOST: usize = 8192;

struct Watch {
    instance: Weak<Inotify>,
    number: i32,
    /// What is watched, which may end meanwhile.
    node: Weak<dyn Node>,
    mask: Happening,
}

/// All watches. Without any, nothing that happens costs more than a look whether there are.
#[derive(Default)]
pub struct Watches {
    all: Mutex<Vec<Watch>>,
    cookies: AtomicU32,
}

/// Whether two are the same inode.
fn is(watched: &Weak<dyn Node>, node: &Arc<dyn Node>) -> bool {
    core::ptr::addr_eq(watched.as_ptr(), Arc::as_ptr(node))
}

impl Watches {
    /// Watch an inode; gives the watch's number.
    ///
    /// # Errors
    /// `EEXIST`: it is watched already, and that was not meant. `ENOSPC`: there are too many watches. `EINVAL`: nothing is to be told.
    pub fn add(&self, instance: &Arc<Inotify>, node: &Arc<dyn Node>, mask: Happening) -> Result<i32> {
        let how = Happening::NAMED_ONLY | Happening::ONE_SHOT;
        let wanted = mask & (Happening::EVENTS | how);
        let mut all = self.all.lock();
        all.retain(|watch| watch.instance.strong_count() > 0);
        let known = all.iter_mut().find(|watch| is(&watch.node, node) && core::ptr::eq(watch.instance.as_ptr(), Arc::as_ptr(instance)));
        if let Some(watch) = known {
            if mask.contains(Happening::MASK_CREATE) {
                return Err(Errno::EEXIST);
            }
            watch.mask = if mask.contains(Happening::MASK_ADD) { watch.mask | wanted } else { wanted };
            return Ok(watch.number);
        }
        if all.len() >= WATCHES_MOST {
            return Err(Errno::ENOSPC);
        }
        let number = instance.next_watch();
        all.push(Watch { instance: Arc::downgrade(instance), number, node: Arc::downgrade(node), mask: wanted });
        Ok(number)
    }

    /// Watch no more.
    ///
    /// # Errors
    /// `EINVAL`: no such watch.
    pub fn remove(&self, instance: &Arc<Inotify>, number: i32) -> Result<()> {
        let mut all = self.all.lock();
        let found = all.iter().position(|watch| watch.number == number && core::ptr::eq(watch.instance.as_ptr(), Arc::as_ptr(instance)));
        put(&all.remove(found.ok_or(Errno::EINVAL)?), Happening::IGNORED, 0, &[]);
        Ok(())
    }

    /// Whether nobody watches anything.
    pub fn is_empty(&self) -> bool {
        self.all.lock().is_empty()
    }

    /// Whether anybody wants to hear of such a thing, whatever it happens to.
    pub fn want(&self, what: Happening) -> bool {
        self.all.lock().iter().any(|watch| watch.mask.contains(what) && watch.instance.strong_count() > 0)
    }

    /// Something happened to an inode.
    pub fn tell_inode(&self, node: &Arc<dyn Node>, what: Happening) {
        if !self.is_empty() {
            let directory = node.kind() == Kind::Directory && !what.intersects(Happening::MOVE_SELF);
            self.tell_watchers(node, if directory { what | Happening::DIRECTORY } else { what }, 0, &[], false);
        }
    }

    /// Something happened to a name in a directory.
    pub fn tell_name(&self, parent: &Arc<Entry>, name: &[u8], what: Happening, is_directory: bool, cookie: u32) {
        if !self.is_empty() {
            self.tell_watchers(&parent.node, if is_directory { what | Happening::DIRECTORY } else { what }, cookie, name, false);
        }
    }

    /// Something happened to what an entry names: its directory's watchers are told, and its own.
    pub fn tell(&self, entry: &Arc<Entry>, what: Happening) {
        if self.is_empty() {
            return;
        }
        if let Some(parent) = entry.parent() {
            let is_directory = entry.node.kind() == Kind::Directory;
            let shown = if is_directory { what | Happening::DIRECTORY } else { what };
            self.tell_watchers(&parent.node, shown, 0, &entry.name(), entry.is_removed());
        }
        self.tell_inode(&entry.node, what);
    }

    /// An open file was closed for good.
    pub fn tell_closed(&self, entry: &Arc<Entry>, access: Access) {
        self.tell(entry, if access.contains(Access::WRITE) { Happening::CLOSE_WRITE } else { Happening::CLOSE_NOWRITE });
    }

    /// What has a name, if anybody watches anything.
    pub fn found(&self, parent: &Arc<Entry>, name: &[u8], world: &dyn World) -> Option<Arc<dyn Node>> {
        if self.is_empty() { None } else { parent.lookup(name, world).ok().map(|entry| entry.node.clone()) }
    }

    /// A name was moved.
    pub fn tell_moved(&self, from: (&Arc<Entry>, &[u8]), to: (&Arc<Entry>, &[u8]), moved: &Arc<dyn Node>) {
        let is_directory = moved.kind() == Kind::Directory;
        let cookie = self.cookies.fetch_add(1, Ordering::Relaxed) + 1;
        self.tell_name(from.0, from.1, Happening::MOVED_FROM, is_directory, cookie);
        self.tell_name(to.0, to.1, Happening::MOVED_TO, is_directory, cookie);
    }

    /// Tell of watched inodes that are no more.
    pub fn tell_ended(&self) {
        if self.is_empty() {
            return;
        }
        self.all.lock().retain(|watch| {
            let lives = watch.node.strong_count() > 0;
            if !lives {
                if watch.mask.contains(Happening::DELETE_SELF) {
                    put(watch, Happening::DELETE_SELF, 0, &[]);
                }
                put(watch, Happening::IGNORED, 0, &[]);
            }
            lives && watch.instance.strong_count() > 0
        });
    }

    fn tell_watchers(&self, node: &Arc<dyn Node>, what: Happening, cookie: u32, name: &[u8], is_removed: bool) {
        self.all.lock().retain(|watch| {
            let told = is(&watch.node, node)
                && watch.mask.intersects(what & Happening::EVENTS)
                && !(is_removed && watch.mask.contains(Happening::NAMED_ONLY));
            if told {
                put(watch, what, cookie, name);
            }
            let ends = told && watch.mask.contains(Happening::ONE_SHOT);
            if ends {
                put(watch, Happening::IGNORED, 0, &[]);
            }
            !ends
        });
    }
}

fn put(watch: &Watch, what: Happening, cookie: u32, name: &[u8]) {
    if let Some(instance) = watch.instance.upgrade() {
        instance.put(Event { watch: watch.number, what, cookie, name: name.into() });
    }
}
