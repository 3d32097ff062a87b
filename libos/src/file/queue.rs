//! A POSIX message queue, mq_overview(7): messages by priority, in the order of their coming among equals.
//!
//! [`Queue`] knows no process and waits for nobody: a call that would wait answers `EAGAIN`, and who made it asks again after a change. The
//! queues are `unixd`'s, as [`QueueFile`]; what a process has of one is a [`RemoteQueue`].

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use spin::Mutex;
use unix::MAILBOX_BYTES;

use crate::errno::{Errno, Result};
use crate::file::remote::{Handle, RemoteFile, SOCKET};
use crate::file::{Edges, File, Readiness, Watchers};
use crate::server::Server;
use crate::vfs::world::World;

/// One more than the highest priority: `MQ_PRIO_MAX`.
pub const PRIORITIES: u32 = 32_768;

/// How many messages there may be and how long: mq_getattr(3)'s `mq_maxmsg` and `mq_msgsize`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Messages.
    pub messages: usize,
    /// Bytes of each.
    pub bytes: usize,
}

impl Limits {
    /// What a queue gets that is made without a wish, and the most that one may have: the kernel's `/proc/sys/fs/mqueue/msg_max` and
    /// `msgsize_max` for who is not privileged, their defaults too. A message fits the mailbox.
    pub const MOST: Limits = Limits { messages: 10, bytes: MAILBOX_BYTES };

    /// Check a wish.
    ///
    /// # Errors
    /// `EINVAL`: nothing, or more than may be had.
    pub fn wished(messages: i64, bytes: i64) -> Result<Limits> {
        let within = |value: i64, most: usize| usize::try_from(value).ok().filter(|value| (1..=most).contains(value)).ok_or(Errno::EINVAL);
        Ok(Limits { messages: within(messages, Limits::MOST.messages)?, bytes: within(bytes, Limits::MOST.bytes)? })
    }
}

/// What happens when a message comes to an empty queue that nobody waits at: mq_notify(3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notice {
    /// The process that asked.
    pub process: u32,
    /// The signal that it gets; none, and it is told nothing.
    pub signal: Option<u32>,
    /// The value that goes with it.
    pub value: u64,
}

/// A queue.
#[derive(Debug)]
pub struct Queue {
    limits: Limits,
    /// By priority, the highest first, then by their coming.
    messages: BTreeMap<(Reverse<u32>, u64), Vec<u8>>,
    /// Messages that came so far.
    came: u64,
    /// Who waits for a message: process and thread.
    receivers: Vec<(u32, u32)>,
    notice: Option<Notice>,
}

impl Queue {
    /// An empty one.
    #[must_use]
    pub fn new(limits: Limits) -> Queue {
        Queue { limits, messages: BTreeMap::new(), came: 0, receivers: Vec::new(), notice: None }
    }

    /// What it may hold.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Messages in it.
    #[must_use]
    pub fn count(&self) -> usize {
        self.messages.len()
    }

    /// Whether there is room for another message.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.count() < self.limits.messages
    }

    /// Whether a message of so many bytes and this priority could be sent if there were room.
    ///
    /// # Errors
    /// `EINVAL`: no such priority. `EMSGSIZE`: it is too long.
    pub fn may_send(&self, priority: u32, bytes: usize) -> Result<()> {
        if priority >= PRIORITIES {
            return Err(Errno::EINVAL);
        }
        if bytes > self.limits.bytes { Err(Errno::EMSGSIZE) } else { Ok(()) }
    }

    /// Send a message. Gives the notice that is due: it is then forgotten.
    ///
    /// # Errors
    /// Those of [`Queue::may_send`]. `EAGAIN`: the queue is full.
    pub fn send(&mut self, priority: u32, message: Vec<u8>) -> Result<Option<Notice>> {
        self.may_send(priority, message.len())?;
        if !self.has_room() {
            return Err(Errno::EAGAIN);
        }
        let was_empty = self.messages.is_empty();
        self.messages.insert((Reverse(priority), self.came), message);
        self.came += 1;
        // A receiver that waits gets the message, and nobody is told.
        let due = was_empty && self.receivers.is_empty();
        Ok(if due { self.notice.take() } else { None })
    }

    /// Receive the first of the messages of the highest priority into a buffer of `room` bytes; gives its priority too.
    ///
    /// # Errors
    /// `EMSGSIZE`: the buffer is shorter than the longest message may be. `EAGAIN`: there is none.
    pub fn receive(&mut self, room: usize) -> Result<(Vec<u8>, u32)> {
        if room < self.limits.bytes {
            return Err(Errno::EMSGSIZE);
        }
        let ((Reverse(priority), _), message) = self.messages.pop_first().ok_or(Errno::EAGAIN)?;
        Ok((message, priority))
    }

    /// A thread of a process waits for a message.
    pub fn await_message(&mut self, process: u32, thread: u32) {
        if !self.receivers.contains(&(process, thread)) {
            self.receivers.push((process, thread));
        }
    }

    /// It waits no longer, with a message or without.
    pub fn leave(&mut self, process: u32, thread: u32) {
        self.receivers.retain(|&receiver| receiver != (process, thread));
    }

    /// Ask to be told of the next message that comes to the empty queue.
    ///
    /// # Errors
    /// `EBUSY`: somebody else is to be told, or the process is already.
    pub fn notify(&mut self, notice: Notice) -> Result<()> {
        if self.notice.is_some() {
            return Err(Errno::EBUSY);
        }
        self.notice = Some(notice);
        Ok(())
    }

    /// A process is not to be told any more.
    pub fn forget_notice(&mut self, process: u32) {
        self.notice = self.notice.filter(|notice| notice.process != process);
    }

    /// A process has ended.
    pub fn forget(&mut self, process: u32) {
        self.forget_notice(process);
        self.receivers.retain(|&(receiver, _)| receiver != process);
    }
}

/// A queue behind descriptors.
pub struct QueueFile {
    queue: Mutex<Queue>,
    /// The user that it counts for.
    pub user: u32,
    watchers: Watchers,
}

impl QueueFile {
    /// An empty queue, which counts for a user.
    #[must_use]
    pub fn new(limits: Limits, user: u32) -> QueueFile {
        QueueFile { queue: Mutex::new(Queue::new(limits)), user, watchers: Watchers::new() }
    }

    /// Do something with the queue that changes it; who waits for a change is told.
    pub fn change<T>(&self, work: impl FnOnce(&mut Queue) -> T) -> T {
        let outcome = work(&mut self.queue.lock());
        self.watchers.tell();
        outcome
    }

    /// Do something with the queue that nobody waits for.
    pub fn with<T>(&self, work: impl FnOnce(&mut Queue) -> T) -> T {
        work(&mut self.queue.lock())
    }
}

impl File for QueueFile {
    fn is_pollable(&self) -> bool {
        true
    }

    fn readiness(&self, _: &dyn World) -> Readiness {
        let queue = self.queue.lock();
        let mut ready = Readiness::empty();
        ready.set(Readiness::READABLE, queue.count() > 0);
        ready.set(Readiness::WRITABLE, queue.has_room());
        ready
    }

    fn watchers(&self) -> Option<&Watchers> {
        Some(&self.watchers)
    }
}

/// A queue that is in `unixd`.
pub struct RemoteQueue(RemoteFile);

impl RemoteQueue {
    /// The queue behind a handle.
    #[must_use]
    pub fn new(handle: Handle) -> RemoteQueue {
        RemoteQueue(RemoteFile::new(handle, SOCKET))
    }

    /// The handle.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        self.0.handle()
    }
}

impl File for RemoteQueue {
    fn is_pollable(&self) -> bool {
        true
    }

    fn readiness(&self, world: &dyn World) -> Readiness {
        self.0.readiness(world)
    }

    fn edges(&self, world: &dyn World) -> Edges {
        self.0.edges(world)
    }

    fn share(&self, server: &'static dyn Server) -> Result<Option<u32>> {
        self.0.share(server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Queue {
        Queue::new(Limits { messages: 3, bytes: 8 })
    }

    #[test]
    fn the_highest_priority_comes_first_and_among_equals_who_came_first() {
        let mut queue = queue();
        for (priority, message) in [(1, b"a"), (5, b"b"), (5, b"c")] {
            queue.send(priority, message.to_vec()).unwrap();
        }
        assert_eq!(queue.send(9, b"d".to_vec()), Err(Errno::EAGAIN));
        let order: Vec<(Vec<u8>, u32)> = core::iter::from_fn(|| queue.receive(8).ok()).collect();
        assert_eq!(order, [(b"b".to_vec(), 5), (b"c".to_vec(), 5), (b"a".to_vec(), 1)]);
        assert_eq!(queue.receive(8), Err(Errno::EAGAIN));
    }

    #[test]
    fn sizes_and_priorities_are_checked_before_room() {
        let mut queue = queue();
        assert_eq!(queue.send(0, alloc::vec![0; 9]), Err(Errno::EMSGSIZE));
        assert_eq!(queue.send(PRIORITIES, Vec::new()), Err(Errno::EINVAL));
        assert_eq!(queue.receive(7), Err(Errno::EMSGSIZE));
        assert_eq!(Limits::wished(0, 1), Err(Errno::EINVAL));
        assert_eq!(Limits::wished(11, 8192), Err(Errno::EINVAL));
        assert_eq!(Limits::wished(10, 8192), Ok(Limits::MOST));
    }

    #[test]
    fn a_notice_is_due_once_at_an_empty_queue_where_nobody_waits() {
        let mut queue = queue();
        let notice = Notice { process: 2, signal: Some(10), value: 7 };
        queue.notify(notice).unwrap();
        assert_eq!(queue.notify(Notice { process: 3, ..notice }), Err(Errno::EBUSY));
        queue.await_message(4, 4);
        assert_eq!(queue.send(0, Vec::new()), Ok(None));
        queue.receive(8).unwrap();
        queue.leave(4, 4);
        assert_eq!(queue.send(0, Vec::new()), Ok(Some(notice)));
        assert_eq!(queue.send(0, Vec::new()), Ok(None));
        queue.notify(notice).unwrap();
        queue.forget(2);
        queue.notify(Notice { process: 3, ..notice }).unwrap();
    }
}
