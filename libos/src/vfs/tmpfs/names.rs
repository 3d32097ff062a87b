//! Making, removing and moving names in a tmpfs.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::Ordering;

use spin::Mutex;

use crate::errno::{Errno, Result};
use crate::vfs::attributes::{Kind, Time};
use crate::vfs::node::{Entry, New, Node, Rename};
use crate::vfs::permission::{Actor, Subject, Wanted};
use crate::vfs::tmpfs::Inode;
use crate::vfs::tmpfs::directory::Names;
use crate::vfs::tmpfs::inode::{Body, NAME_SIZE};

fn inode_of(node: &Arc<dyn Node>) -> Result<&Inode> {
    (&**node as &dyn Any).downcast_ref().ok_or(Errno::EXDEV)
}

impl Inode {
    pub(super) fn names(&self) -> Result<&Mutex<Names>> {
        if let Body::Directory(names) = &self.body { Ok(names) } else { Err(Errno::ENOTDIR) }
    }

    /// Note that names came or went, and with them subdirectories.
    fn count_names(&self, names: i64, directories: i32, now: Time) {
        self.alter(|attributes| {
            attributes.size = attributes.size.wrapping_add_signed(names * NAME_SIZE as i64);
            attributes.links = attributes.links.wrapping_add_signed(directories);
            attributes.modified = now;
            attributes.changed = now;
        });
        // A name more leaves the others where they lead.
        if names <= 0 {
            self.counts.note_ways();
        }
    }

    fn count_links(&self, links: i32, now: Time) {
        self.alter(|attributes| {
            attributes.links = attributes.links.wrapping_add_signed(links);
            attributes.changed = now;
        });
    }

    pub(super) fn create_named(&self, here: &Arc<Entry>, name: &[u8], new: &New, actor: &Actor) -> Result<Arc<Entry>> {
        let mut names = self.names()?.lock();
        names.check_free(name)?;
        self.system.check_writable()?;
        actor.subject.may_add(&self.attributes())?;
        if matches!(new.kind, Kind::Character | Kind::Block) && !actor.subject.is_privileged() {
            return Err(Errno::EPERM);
        }
        let inode = Inode::new(&self.system, new.kind, new.permissions, new.special, new.target, actor.now)?;
        inode.belong(self, actor);
        let entry = Entry::new(inode, here, name);
        names.insert(name, entry.clone());
        drop(names);
        self.count_names(1, i32::from(new.kind == Kind::Directory), actor.now);
        Ok(entry)
    }

    /// Put an entry that was made elsewhere, such as a file with an image or another file system's root, under its name.
    ///
    /// # Errors
    /// `EEXIST`: the name is taken. `ENOENT`: this directory is gone.
    pub fn adopt(&self, entry: &Arc<Entry>, now: Time) -> Result<()> {
        let name = entry.name();
        let mut names = self.names()?.lock();
        names.check_free(&name)?;
        names.insert(&name, entry.clone());
        drop(names);
        let directory = entry.node.kind() == Kind::Directory;
        self.count_names(1, i32::from(directory), now);
        if !directory && let Ok(inode) = inode_of(&entry.node) {
            inode.count_links(1, now);
        }
        Ok(())
    }

    pub(super) fn link_named(&self, here: &Arc<Entry>, name: &[u8], node: &Arc<dyn Node>, actor: &Actor) -> Result<()> {
        let inode = inode_of(node)?;
        if !Arc::ptr_eq(&self.system, &inode.system) {
            return Err(Errno::EXDEV);
        }
        self.names()?.lock().check_free(name)?;
        self.system.check_writable()?;
        actor.subject.may_link(&node.attributes())?;
        actor.subject.may_add(&self.attributes())?;
        // The first name is the inode's own, and the last one that was taken away does not come back.
        let is_more = node.attributes().links > 0;
        if is_more {
            self.system.take_inode()?;
        } else if !inode.may_be_named.load(Ordering::Relaxed) {
            return Err(Errno::ENOENT);
        }
        self.adopt(&Entry::new(node.clone(), here, name), actor.now).inspect_err(|_| {
            if is_more {
                self.system.give_inode();
            }
        })?;
        inode.may_be_named.store(false, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn unlink_named(&self, name: &[u8], directory: bool, actor: &Actor) -> Result<()> {
        self.system.check_writable()?;
        let mut names = self.names()?.lock();
        let entry = names.get(name).ok_or(Errno::ENOENT)?.clone();
        let inode = removable(&entry)?;
        actor.subject.may_remove(&self.attributes(), &inode.attributes())?;
        match (&inode.body, directory) {
            (Body::Directory(_), false) => return Err(Errno::EISDIR),
            (Body::Directory(inner), true) => close_down(inner)?,
            (_, true) => return Err(Errno::ENOTDIR),
            (_, false) => {}
        }
        names.remove(name);
        drop(names);
        entry.set_removed();
        if !directory && inode.attributes().links > 1 {
            self.system.give_inode();
        }
        inode.count_links(if directory { -2 } else { -1 }, actor.now);
        self.count_names(-1, -i32::from(directory), actor.now);
        Ok(())
    }

    pub(super) fn rename_named(&self, name: &[u8], to: &Arc<Entry>, new_name: &[u8], how: Rename, actor: &Actor) -> Result<()> {
        let target = inode_of(&to.node)?;
        if !Arc::ptr_eq(&self.system, &target.system) {
            return Err(Errno::EXDEV);
        }
        self.system.check_writable()?;
        let _moving = self.system.moving.lock();
        let entry = self.names()?.lock().get(name).ok_or(Errno::ENOENT)?.clone();
        let over = {
            let names = target.names()?.lock();
            if names.dead {
                return Err(Errno::ENOENT);
            }
            names.get(new_name).cloned()
        };
        let is_directory = removable(&entry)?.kind() == Kind::Directory;
        // No directory comes to lie below itself.
        if is_directory && to.is_within(&entry) || how == Rename::Exchange && over.as_ref().is_some_and(|over| here_is_within(&entry, over))
        {
            return Err(Errno::EINVAL);
        }
        if over.as_ref().is_some_and(|over| !Arc::ptr_eq(over, &entry) && here_is_within(&entry, over)) {
            return Err(Errno::ENOTEMPTY);
        }
        match (&over, how) {
            (Some(_), Rename::Keep) => return Err(Errno::EEXIST),
            (None, Rename::Exchange) => return Err(Errno::ENOENT),
            (Some(over), _) if core::ptr::addr_eq(Arc::as_ptr(&over.node), Arc::as_ptr(&entry.node)) => return Ok(()),
            _ => {}
        }
        self.check_move(removable(&entry)?, target, over.as_ref().map(removable).transpose()?, how, actor.subject)?;
        let now = actor.now;
        match (over, how) {
            (Some(over), Rename::Exchange) => {
                let over_directory = removable(&over)?.kind() == Kind::Directory;
                let here = entry.parent().ok_or(Errno::EBUSY)?;
                self.names()?.lock().replace(name, over.clone());
                target.names()?.lock().replace(new_name, entry.clone());
                over.set_place(&here, name);
                entry.set_place(to, new_name);
                self.count_names(0, i32::from(over_directory) - i32::from(is_directory), now);
                target.count_names(0, i32::from(is_directory) - i32::from(over_directory), now);
                // The way up from both is another.
                removable(&over)?.counts.note_ways();
                removable(&entry)?.counts.note_ways();
                Ok(())
            }
            (over, _) => {
                if let Some(over) = over {
                    target.make_way(&over, new_name, is_directory, actor)?;
                }
                self.names()?.lock().remove(name);
                target.names()?.lock().insert(new_name, entry.clone());
                entry.set_place(to, new_name);
                self.count_names(-1, -i32::from(is_directory), now);
                target.count_names(1, i32::from(is_directory), now);
                let moved = removable(&entry)?;
                moved.count_links(0, now);
                // The way up from it is another.
                moved.counts.note_ways();
                Ok(())
            }
        }
    }

    /// Check whether an inode of this directory may be moved to another directory, where `over` has its new name.
    fn check_move(&self, inode: &Inode, to: &Inode, over: Option<&Inode>, how: Rename, subject: Subject) -> Result<()> {
        if subject.is_privileged() {
            return Ok(());
        }
        subject.may_remove(&self.attributes(), &inode.attributes())?;
        match over {
            None => subject.may_add(&to.attributes())?,
            Some(over) => subject.may_remove(&to.attributes(), &over.attributes())?,
        }
        // What a directory says of its own parent changes.
        let moved = [Some(inode), over.filter(|_| how == Rename::Exchange)].into_iter().flatten();
        for directory in moved.filter(|moved| moved.kind() == Kind::Directory && !core::ptr::eq(self, to)) {
            subject.may(&directory.attributes(), Wanted::WRITE)?;
        }
        Ok(())
    }

    /// Take all names in this directory away, and all below: the file system is used no more, and its names and inodes hold each other.
    pub fn clear(&self) {
        let all = |inode: &Inode| inode.names().map_or_else(|_| Vec::new(), |names| names.lock().take_all());
        let mut left = all(self);
        while let Some(entry) = left.pop() {
            left.extend(inode_of(&entry.node).map_or_else(|_| Vec::new(), all));
        }
    }

    /// Remove what a rename replaces.
    fn make_way(&self, over: &Arc<Entry>, name: &[u8], directory: bool, actor: &Actor) -> Result<()> {
        let inode = removable(over)?;
        if directory && inode.kind() != Kind::Directory {
            return Err(Errno::ENOTDIR);
        }
        if !directory && inode.kind() == Kind::Directory {
            return Err(Errno::EISDIR);
        }
        self.unlink_named(name, directory, actor)
    }
}

/// Whether the directory that an entry is in lies in another or is it.
fn here_is_within(entry: &Arc<Entry>, other: &Arc<Entry>) -> bool {
    entry.parent().is_some_and(|parent| parent.is_within(other))
}

/// The inode of a name that may be removed or moved.
fn removable(entry: &Arc<Entry>) -> Result<&Inode> {
    if entry.mount || entry.is_covered() { Err(Errno::EBUSY) } else { inode_of(&entry.node) }
}

/// Let an empty directory take no more names.
fn close_down(names: &Mutex<Names>) -> Result<()> {
    let mut names = names.lock();
    if !names.is_empty() {
        return Err(Errno::ENOTEMPTY);
    }
    names.dead = true;
    Ok(())
}
