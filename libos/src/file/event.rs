//! eventfd(2): a counter behind a descriptor; and the inode of what has none of its own.

use alloc::sync::Arc;

use spin::{Mutex, Once};
use unix::{Operation, Request};

use crate::errno::{Errno, Result};
use crate::file::remote::{Handle, RemoteFile, traits_of};
use crate::file::{Access, Blocking, Edges, File, Input, Output, Place, Readiness, Seeking, Telling, Watchers};
use crate::server::Server;
use crate::vfs::attributes::{Attributes, Kind, Time, device_number};
use crate::vfs::node::{Entry, Node, Statistics};
use crate::vfs::world::World;

/// The highest count; one more would be an overflow.
const MOST: u64 = u64::MAX - 1;
/// The file system of inodes without a name.
const MAGIC: u64 = 0x0904_1934;

/// A counter.
pub struct Event {
    inode: u64,
    count: Mutex<(u64, Edges)>,
    /// A read takes 1 and not everything (`EFD_SEMAPHORE`).
    semaphore: bool,
    watchers: Watchers,
    /// What it is in `unixd`, once it has moved there.
    remote: Once<RemoteFile>,
}

impl Event {
    /// The most that it counts to.
    pub const MOST: u64 = MOST;

    /// A counter that starts at `count`, with an inode of this number.
    #[must_use]
    pub fn new(inode: u64, count: u64, semaphore: bool) -> Arc<Event> {
        let count = Mutex::new((count, Edges::default()));
        Arc::new(Event { inode, count, semaphore, watchers: Watchers::new(), remote: Once::new() })
    }

    fn take(&self) -> Option<u64> {
        let (count, edges) = &mut *self.count.lock();
        let taken = if self.semaphore { (*count).min(1) } else { *count };
        *count -= taken;
        if taken > 0 {
            edges.note_output();
        }
        (taken > 0).then_some(taken)
    }

    /// Repeat `attempt` until it gives something, if sleeping is allowed; `None`: the counter has moved to `unixd`.
    fn until<T>(&self, world: &dyn World, blocking: Blocking, mut attempt: impl FnMut() -> Option<T>) -> Result<Option<T>> {
        while self.remote.get().is_none() {
            if let Some(value) = attempt() {
                self.watchers.note_change(world);
                return Ok(Some(value));
            }
            if blocking == Blocking::Refused {
                return Err(Errno::EAGAIN);
            }
            self.watchers.await_change(world)?;
        }
        Ok(None)
    }

    fn remote(&self) -> Result<&RemoteFile> {
        self.remote.get().ok_or(Errno::EBADF)
    }

    fn add(&self, value: u64) -> bool {
        let (count, edges) = &mut *self.count.lock();
        let fits = value <= MOST - *count;
        if fits {
            *count += value;
            edges.note_input();
        }
        fits
    }
}

impl File for Event {
    fn read(&self, world: &dyn World, output: &mut Output, _: u64, blocking: Blocking) -> Result<usize> {
        if output.room() < 8 {
            return Err(Errno::EINVAL);
        }
        match self.until(world, blocking, || self.take())? {
            Some(value) => output.put(&value.to_ne_bytes()),
            None => self.remote()?.read(world, output, 0, blocking),
        }
    }

    fn write(&self, world: &dyn World, input: &mut Input, _: Place, blocking: Blocking) -> Result<(usize, u64)> {
        if input.left() != 8 {
            return Err(Errno::EINVAL);
        }
        let mut bytes = [0; 8];
        input.take_exactly(&mut bytes)?;
        let value = u64::from_ne_bytes(bytes);
        if value == u64::MAX {
            return Err(Errno::EINVAL);
        }
        match self.until(world, blocking, || self.add(value).then_some(()))? {
            Some(()) => Ok((8, 0)),
            None => self.remote()?.write(world, &mut Input::own(&bytes), Place::At(0), blocking),
        }
    }

    fn watchers(&self) -> Option<&Watchers> {
        Some(&self.watchers)
    }

    fn share(&self, server: &'static dyn Server) -> Result<Option<u32>> {
        if self.remote.get().is_none() {
            let words = [self.inode, self.count.lock().0, 0];
            let request = Request { small: u16::from(self.semaphore), ..Request::new(Operation::MakeEvent, words) };
            let handle = Handle::new(server, server.call(request)?[0] as u32);
            self.remote.call_once(|| RemoteFile::new(handle, traits_of(self)));
            self.watchers.tell();
        }
        Ok(self.remote.get().map(|remote| remote.handle().number()))
    }

    fn seeking(&self) -> Seeking {
        Seeking::Pointless
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn state(&self, world: &dyn World) -> (Readiness, Edges) {
        match self.remote.get() {
            Some(remote) => remote.state(world),
            None => (self.readiness(world), self.edges(world)),
        }
    }

    fn telling(&self) -> Telling<'_> {
        if self.remote.get().is_some() { Telling::Server } else { Telling::Watchers(&self.watchers) }
    }

    fn polled(&self) -> Option<&Handle> {
        self.remote.get().and_then(RemoteFile::polled)
    }

    fn edges(&self, world: &dyn World) -> Edges {
        if let Some(remote) = self.remote.get() {
            return remote.edges(world);
        }
        self.count.lock().1
    }

    fn readiness(&self, world: &dyn World) -> Readiness {
        if let Some(remote) = self.remote.get() {
            return remote.readiness(world);
        }
        let count = self.count.lock().0;
        let mut ready = Readiness::empty();
        ready.set(Readiness::IN, count > 0);
        ready.set(Readiness::OUT, count < MOST);
        ready
    }
}

/// An inode that is in no file system: an eventfd's, the console's as a stream.
pub struct AnonymousNode {
    /// What opening it again gives.
    pub file: Arc<dyn File>,
    /// What it is.
    pub kind: Kind,
    /// Its inode's number.
    pub inode: u64,
    /// When it was made.
    pub made: Time,
}

impl AnonymousNode {
    /// An entry for a file that is in no directory.
    #[must_use]
    pub fn entry(file: Arc<dyn File>, kind: Kind, inode: u64, name: &[u8], made: Time) -> Arc<Entry> {
        Entry::detached(Arc::new(AnonymousNode { file, kind, inode, made }), name)
    }
}

impl Node for AnonymousNode {
    fn attributes(&self) -> Attributes {
        Attributes::new(device_number(0, 13), self.inode, self.kind, 0o600, self.made)
    }

    fn statistics(&self, _: &dyn World) -> Statistics {
        Statistics { magic: MAGIC, ..Statistics::default() }
    }

    fn open(self: Arc<Self>, _: &Arc<Entry>, _: Access, _: &dyn World) -> Result<Arc<dyn File>> {
        // An eventfd and its like cannot be opened again, by whatever name (open(2)).
        if self.kind == Kind::Anonymous { Err(Errno::ENXIO) } else { Ok(self.file.clone()) }
    }
}
