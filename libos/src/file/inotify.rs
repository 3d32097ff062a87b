//! inotify(7): a queue of what happened to files that somebody watches.
//!
//! A queue knows no file: who changes one looks up who watches it, and [puts](Inotify::put) an event in. The queues are `unixd`'s, as the
//! tree is.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bitflags::bitflags;
use linux_raw_sys::general;
use linux_raw_sys::ioctl::FIONREAD;
use spin::Mutex;

use crate::errno::{Errno, Result};
use crate::file::{Blocking, Edges, File, Output, Readiness, Seeking, Watchers};
use crate::vfs::world::World;

bitflags! {
    /// What happened, and how to watch; the values are inotify(7)'s.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Happening: u32 {
        /// `IN_ACCESS`: bytes, or a directory's names, were read.
        const ACCESS = general::IN_ACCESS;
        /// `IN_MODIFY`: bytes were written or cut.
        const MODIFY = general::IN_MODIFY;
        /// `IN_ATTRIB`: what the inode says of itself changed.
        const ATTRIBUTES = general::IN_ATTRIB;
        /// `IN_CLOSE_WRITE`: the last descriptor of what was opened for writing was closed.
        const CLOSE_WRITE = general::IN_CLOSE_WRITE;
        /// `IN_CLOSE_NOWRITE`: the same of what was not.
        const CLOSE_NOWRITE = general::IN_CLOSE_NOWRITE;
        /// `IN_OPEN`
        const OPEN = general::IN_OPEN;
        /// `IN_MOVED_FROM`: a name went out of a directory.
        const MOVED_FROM = general::IN_MOVED_FROM;
        /// `IN_MOVED_TO`: a name came into a directory.
        const MOVED_TO = general::IN_MOVED_TO;
        /// `IN_CREATE`: a name was made in a directory.
        const CREATE = general::IN_CREATE;
        /// `IN_DELETE`: a name was removed from a directory.
        const DELETE = general::IN_DELETE;
        /// `IN_DELETE_SELF`: the inode is no more.
        const DELETE_SELF = general::IN_DELETE_SELF;
        /// `IN_MOVE_SELF`: it has another name.
        const MOVE_SELF = general::IN_MOVE_SELF;
        /// `IN_Q_OVERFLOW`: what came next was lost.
        const OVERFLOW = general::IN_Q_OVERFLOW;
        /// `IN_IGNORED`: the watch is no more.
        const IGNORED = general::IN_IGNORED;
        /// `IN_ISDIR`: it happened to a directory.
        const DIRECTORY = general::IN_ISDIR;
        /// `IN_ONLYDIR`: watch directories only.
        const ONLY_DIRECTORY = general::IN_ONLYDIR;
        /// `IN_DONT_FOLLOW`: watch a symbolic link itself.
        const KEEP_LINK = general::IN_DONT_FOLLOW;
        /// `IN_EXCL_UNLINK`: not what has no name any more.
        const NAMED_ONLY = general::IN_EXCL_UNLINK;
        /// `IN_MASK_CREATE`: only if nothing watches it yet.
        const MASK_CREATE = general::IN_MASK_CREATE;
        /// `IN_MASK_ADD`: besides what is watched already.
        const MASK_ADD = general::IN_MASK_ADD;
        /// `IN_ONESHOT`: the watch ends with its first event.
        const ONE_SHOT = general::IN_ONESHOT;
    }
}

impl Happening {
    /// What a watch can wait for: `IN_ALL_EVENTS`.
    pub const EVENTS: Happening = Happening::from_bits_truncate(general::IN_ALL_EVENTS);
}

/// The most events that wait: `/proc/sys/fs/inotify/max_queued_events` as it is at first.
const EVENTS_MOST: usize = 16_384;
/// Bytes of a `struct inotify_event`, and what names are filled up to a multiple of.
const HEADER_BYTES: usize = 16;

/// An event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// The watch that it came by; -1: none.
    pub watch: i32,
    /// What happened.
    pub what: Happening,
    /// What two events of a move have in common.
    pub cookie: u32,
    /// The name in a directory; empty: it happened to what is watched.
    pub name: Box<[u8]>,
}

impl Event {
    /// Bytes of its record: the name is ended by a zero, and filled up with zeros.
    fn bytes(&self) -> usize {
        HEADER_BYTES + if self.name.is_empty() { 0 } else { (self.name.len() + 1).next_multiple_of(HEADER_BYTES) }
    }

    fn record(&self) -> Vec<u8> {
        let mut record = Vec::with_capacity(self.bytes());
        let length = (self.bytes() - HEADER_BYTES) as u32;
        for word in [self.watch as u32, self.what.bits(), self.cookie, length] {
            record.extend_from_slice(&word.to_ne_bytes());
        }
        record.extend_from_slice(&self.name);
        record.resize(self.bytes(), 0);
        record
    }

    /// Whether it says nothing that the one before it did not.
    fn repeats(&self, before: &Event) -> bool {
        !before.what.contains(Happening::IGNORED) && (self.watch, self.what, &self.name) == (before.watch, before.what, &before.name)
    }
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    bytes: usize,
    edges: Edges,
    /// The last watch's number.
    watches: i32,
}

/// An instance: what inotify_init(2) makes.
#[derive(Default)]
pub struct Inotify {
    queue: Mutex<Queue>,
    watchers: Watchers,
}

impl Inotify {
    /// A number for a new watch: none is given twice.
    pub fn next_watch(&self) -> i32 {
        let mut queue = self.queue.lock();
        queue.watches += 1;
        queue.watches
    }

    /// An event happened. One that repeats the last is not told; of those that are too many, that they are lost.
    pub fn put(&self, event: Event) {
        let mut queue = self.queue.lock();
        let event = match queue.events.len() {
            EVENTS_MOST.. => Event { watch: -1, what: Happening::OVERFLOW, cookie: 0, name: Box::default() },
            _ => event,
        };
        if queue.events.len() > EVENTS_MOST || queue.events.back().is_some_and(|last| event.repeats(last)) {
            return;
        }
        queue.bytes += event.bytes();
        queue.events.push_back(event);
        queue.edges.note_input();
        drop(queue);
        self.watchers.tell();
    }

    /// Take records that fit; `None`: there are none.
    fn take(&self, room: usize) -> Option<Result<Vec<u8>>> {
        let mut queue = self.queue.lock();
        let mut records = Vec::new();
        while let Some(event) = queue.events.front()
            && records.len() + event.bytes() <= room
        {
            records.extend(event.record());
            queue.events.pop_front();
        }
        queue.bytes -= records.len();
        match (records.is_empty(), queue.events.is_empty()) {
            (true, true) => None,
            (true, false) => Some(Err(Errno::EINVAL)),
            _ => Some(Ok(records)),
        }
    }
}

impl File for Inotify {
    fn read(&self, world: &dyn World, output: &mut Output, _: u64, blocking: Blocking) -> Result<usize> {
        loop {
            if let Some(records) = self.take(output.room()) {
                return output.put(&records?);
            }
            if blocking == Blocking::Refused {
                return Err(Errno::EAGAIN);
            }
            self.watchers.await_change(world)?;
        }
    }

    fn watchers(&self) -> Option<&Watchers> {
        Some(&self.watchers)
    }

    fn seeking(&self) -> Seeking {
        Seeking::Pointless
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn readiness(&self, _: &dyn World) -> Readiness {
        if self.queue.lock().events.is_empty() { Readiness::empty() } else { Readiness::READABLE }
    }

    fn edges(&self, _: &dyn World) -> Edges {
        self.queue.lock().edges
    }

    fn control(&self, world: &dyn World, request: u32, argument: usize) -> Result<usize> {
        if request != FIONREAD {
            return Err(Errno::ENOTTY);
        }
        let bytes = self.queue.lock().bytes as i32;
        world.write(argument, &bytes.to_ne_bytes())?;
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(watch: i32, what: Happening, name: &str) -> Event {
        Event { watch, what, cookie: 0, name: name.as_bytes().into() }
    }

    #[test]
    fn records_are_whole_and_names_are_filled_up() {
        let queue = Inotify::default();
        queue.put(event(1, Happening::OPEN, "name of sixteen!"));
        queue.put(event(2, Happening::MODIFY, ""));
        assert_eq!(queue.take(47), Some(Err(Errno::EINVAL)));
        let records = queue.take(63).expect("events").expect("room for one");
        assert_eq!((records.len(), &records[12..16], &records[16..33]), (48, &32u32.to_ne_bytes()[..], &b"name of sixteen!\0"[..]));
        assert_eq!(queue.take(100).map(|records| records.map(|records| records.len())), Some(Ok(16)));
        assert_eq!((queue.take(100), queue.queue.lock().bytes), (None, 0));
    }

    #[test]
    fn what_repeats_the_last_is_told_once() {
        let queue = Inotify::default();
        for what in [Happening::MODIFY, Happening::MODIFY, Happening::OPEN, Happening::MODIFY, Happening::IGNORED, Happening::IGNORED] {
            queue.put(event(1, what, ""));
        }
        assert_eq!(queue.queue.lock().events.len(), 5);
    }

    #[test]
    fn too_many_are_told_as_lost_once() {
        let queue = Inotify::default();
        for watch in 0..EVENTS_MOST as i32 + 10 {
            queue.put(event(watch, Happening::OPEN, ""));
        }
        let events = &queue.queue.lock().events;
        assert_eq!(events.len(), EVENTS_MOST + 1);
        assert_eq!(events.back().map(|last| (last.watch, last.what)), Some((-1, Happening::OVERFLOW)));
    }
}
