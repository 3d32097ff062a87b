//! Requests about mounts.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::str;

use libos::errno::{Errno, Result};
use libos::vfs::attributes::Kind;
use libos::vfs::mount::{DETACH, PROPAGATION, READ_ONLY};
use libos::vfs::node::Entry;
use libos::vfs::walk::{NAME_MAX, enter};
use linux_raw_sys::general::{MS_BIND, MS_MOVE, MS_REC, MS_REMOUNT, MS_SILENT};
use unix::{MAILBOX_BYTES, Request};

use super::mounts::{New, SOURCE_MOST, options_of, root_of};
use super::world::RequestWorld;
use super::{Asked, Tree, inode_of, letter, send};
use crate::server::{Answer, value};

impl Tree {
    pub(super) fn mount(&self, asked: &Asked, request: &Request) -> Answer {
        check_right(asked)?;
        let [handles, flags, lengths] = request.words;
        let flags = flags as u32;
        let lengths = [lengths as u16, (lengths >> 16) as u16, (lengths >> 32) as u16].map(usize::from);
        let bytes = letter(asked, lengths.iter().sum())?;
        let (kind, rest) = bytes.split_at(lengths[0]);
        let (source, options) = rest.split_at(lengths[1]);
        let target = asked.handles.entry(handles as u32)?;
        let from = || match request.small {
            0 => asked.handles.entry((handles >> 32) as u32),
            portal => self.given(["proc", "sysfs"].get(usize::from(portal) - 1).ok_or(Errno::EINVAL)?).ok_or(Errno::EINVAL),
        };
        match () {
            () if flags & (MS_REMOUNT | MS_BIND) == MS_REMOUNT | MS_BIND => self.change_mount(asked, &target, flags),
            () if flags & MS_REMOUNT != 0 => self.remount(asked, &target, flags, options),
            () if flags & MS_BIND != 0 => self.mounts.bind(&from()?, &target, flags & MS_REC != 0),
            () if flags & PROPAGATION != 0 => check_propagation(&target, flags),
            () if flags & MS_MOVE != 0 => self.mounts.shift(&from()?, &target),
            () => {
                let (source, pool) = (&source[..source.len().min(SOURCE_MOST)], inode_of(&self.root)?.pool());
                let new = New { kind, source, options, flags };
                self.mounts.mount(&new, &target, &|kind| self.given(kind), pool, asked.tick.time)
            }
        }?;
        value(0)
    }

    /// The root of a file system that every tree has.
    fn given(&self, kind: &str) -> Option<Arc<Entry>> {
        let path: &[&[u8]] = match kind {
            "proc" => &[b"proc"],
            "sysfs" => &[b"sys"],
            "devtmpfs" => &[b"dev"],
            "devpts" => &[b"dev", b"pts"],
            _ => return None,
        };
        path.iter().try_fold(self.root.clone(), |at, name| inode_of(&at).ok()?.find(name))
    }

    /// Change how a mount shows what it shows.
    fn change_mount(&self, asked: &Asked, target: &Arc<Entry>, flags: u32) -> Result<()> {
        let mount = root_of(target)?;
        let is_written = |entry: &Arc<Entry>| mount.shows(entry);
        if flags & !mount.flags() & READ_ONLY != 0 && asked.uses.iter().any(|held| held.writes && is_written(&held.entry)) {
            return Err(Errno::EBUSY);
        }
        mount.set_flags(flags);
        Ok(())
    }

    /// Hold a file system to other options.
    fn remount(&self, asked: &Asked, target: &Arc<Entry>, flags: u32, options: &[u8]) -> Result<()> {
        if !target.mount {
            return Err(Errno::EINVAL);
        }
        let Some(old) = options_of(target.real()) else { return Ok(()) };
        let inode = inode_of(target.real())?;
        let text = str::from_utf8(options).map_err(|_| Errno::EINVAL)?;
        let new = libos::vfs::tmpfs::Options { read_only: flags & READ_ONLY != 0, ..old.changed(text).ok_or(Errno::EINVAL)? };
        let device = target.node.attributes().device;
        let is_written = || asked.uses.iter().any(|held| held.writes && is_changed(&held.entry, device));
        if new.read_only && !old.read_only && is_written() {
            return Err(Errno::EBUSY);
        }
        if new.pages.is_some_and(|most| most < inode.pool().counts().1) {
            return Err(Errno::EINVAL);
        }
        inode.set_options(&new);
        if let Some(mount) = target.through() {
            mount.set_flags(flags);
        }
        Ok(())
    }

    pub(super) fn unmount(&self, asked: &Asked, world: &RequestWorld, words: [u64; 3]) -> Answer {
        check_right(asked)?;
        let own = words[0] as u32;
        let mut target = asked.handles.entry(own)?;
        let name = letter(asked, (words[2] as usize).min(NAME_MAX))?;
        if !name.is_empty() {
            target = enter(world, target.lookup(&name, world)?);
        }
        self.mounts.unmount(&target, words[1] & u64::from(DETACH) != 0, &mut |mount| {
            let users = asked.uses.iter().filter(|held| mount.shows(&held.entry) && (held.process, held.handle) != (asked.id, own));
            let users: Vec<u32> = users.map(|held| held.process).collect();
            // Some of it they may only keep.
            world.removed.borrow_mut().extend(&users);
            !users.is_empty()
        })?;
        value(0)
    }

    pub(super) fn mounts_text(&self, asked: &Asked, words: [u64; 3], details: bool) -> Answer {
        let root = asked.handles.entry(words[0] as u32)?;
        let text = self.mounts.text(&root, &self.root, details);
        let rest = text.get(words[1] as usize..).unwrap_or_default();
        let part = &rest[..rest.len().min(MAILBOX_BYTES)];
        send(asked, 0, part)?;
        value(part.len() as u64)
    }
}

/// Check that who asks may mount at all.
fn check_right(asked: &Asked) -> Result<()> {
    if asked.credentials.is_privileged() && asked.sandbox.is_open() { Ok(()) } else { Err(Errno::EPERM) }
}

/// Whether an open file is one of a file system's contents.
fn is_changed(entry: &Arc<Entry>, device: u64) -> bool {
    entry.node.kind() == Kind::Regular && entry.node.attributes().device == device
}

/// Mounts are told of to nobody else: what asks for that is so already, and what asks to share them changes nothing here.
fn check_propagation(target: &Arc<Entry>, flags: u32) -> Result<()> {
    let kinds = (flags & PROPAGATION).count_ones();
    let others = flags & !(PROPAGATION | MS_REC | MS_SILENT);
    if kinds == 1 && others == 0 && target.mount { Ok(()) } else { Err(Errno::EINVAL) }
}
