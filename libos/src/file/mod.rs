//! Open files: what stands behind a descriptor.
//!
//! [`File`] is what a read, a write or an ioctl reaches. A type of file implements what it has; the trait's defaults refuse the rest with
//! the errno that Linux gives. [`Description`] is the open file description of open(2): a file, its offset and its status flags, shared
//! by all descriptors that dup(2) made of it.
#![forbid(unsafe_code)]

pub mod console;
pub mod description;
pub mod edge;
pub mod epoll;
pub mod event;
pub mod files;
pub mod inotify;
mod interface;
pub mod locks;
pub mod pidfd;
pub mod pipe;
pub mod queue;
pub mod remote;
pub mod ring;
pub mod signal;
pub mod socket;
pub mod table;
pub mod terminal;
#[cfg(test)]
mod tests;
pub mod timer;
pub mod transfer;
pub mod watchers;

use alloc::sync::Arc;
use core::any::Any;

use bitflags::bitflags;

use crate::errno::{Errno, Result};
use crate::memory::backing::Backing;
use crate::server::Server;
use crate::user::UserMemory;
use crate::vfs::node::Visitor;
use crate::vfs::seals::Seals;
use crate::vfs::world::World;
pub use description::Description;
pub use edge::Edges;
pub use files::Files;
pub use transfer::{Input, Output};
pub use watchers::Watchers;

bitflags! {
    /// What a descriptor was opened for.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Access: u32 {
        /// `O_RDONLY`, `O_RDWR`
        const READ = 1;
        /// `O_WRONLY`, `O_RDWR`
        const WRITE = 2;
    }
}

bitflags! {
    /// What poll(2) tells of a file; the values are poll's.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Readiness: u32 {
        /// `POLLIN`: a read does not block.
        const IN = 0x1;
        /// `POLLPRI`
        const PRIORITY = 0x2;
        /// `POLLOUT`: a write does not block.
        const OUT = 0x4;
        /// `POLLERR`: the reading end is gone.
        const ERROR = 0x8;
        /// `POLLHUP`: the writing end is gone.
        const HANG_UP = 0x10;
        /// `POLLNVAL`: not open.
        const INVALID = 0x20;
        /// `POLLRDNORM`
        const IN_NORMAL = 0x40;
        /// `POLLRDBAND`
        const IN_BAND = 0x80;
        /// `POLLWRNORM`
        const OUT_NORMAL = 0x100;
        /// `POLLWRBAND`
        const OUT_BAND = 0x200;
        /// `POLLRDHUP`
        const READ_HANG_UP = 0x2000;
    }
}

impl Readiness {
    /// Nothing blocks.
    pub const ALWAYS: Readiness = Readiness::IN.union(Readiness::IN_NORMAL).union(Readiness::OUT).union(Readiness::OUT_NORMAL);
    /// A read does not block.
    pub const READABLE: Readiness = Readiness::IN.union(Readiness::IN_NORMAL);
    /// A write does not block.
    pub const WRITABLE: Readiness = Readiness::OUT.union(Readiness::OUT_NORMAL);
}

/// How a file takes offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seeking {
    /// It has contents of a size: offsets mean places in them.
    Contents,
    /// lseek(2) succeeds and gives 0, as on `/dev/null`.
    Ignored,
    /// lseek(2) succeeds and gives 0, but there are no places to read from: `ESPIPE` for all else that takes an offset, as of an eventfd.
    Pointless,
    /// There is no offset: `ESPIPE`.
    None,
}

impl Seeking {
    /// Whether a read or a write can be at an offset.
    #[must_use]
    pub fn has_places(self) -> bool {
        matches!(self, Seeking::Contents | Seeking::Ignored)
    }
}

/// What of a file takes no more than a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// Nothing.
    Nothing,
    /// Reading finds nothing, writing leaves nothing: `/dev/null`.
    Null,
    /// Reading finds zeros, writing leaves nothing: `/dev/zero`.
    Zero,
    /// Reading does, mostly, and writing over what there is: [`File::read_plain`], [`File::write_plain`].
    Contents,
    /// Writing does, mostly, and a wake: [`File::write_plain`].
    Ring,
}

/// Where a write goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At an offset.
    At(u64),
    /// At the end of the contents, wherever that is when the write happens (`O_APPEND`).
    End,
}

/// Whether an operation may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocking {
    /// It may.
    Allowed,
    /// It answers `EAGAIN` instead (`O_NONBLOCK`, `RWF_NOWAIT`).
    Refused,
}

/// How who watches a file learns that its readiness or its edges changed. May become another way, which is told as a change.
#[derive(Clone, Copy)]
pub enum Telling<'a> {
    /// By looking.
    Nobody,
    /// These are told of each change.
    Watchers(&'a Watchers),
    /// `unixd` rings the doorbell at the next one that makes it more ready, when it was asked for its state ([`File::polled`]).
    Server,
}

/// What lseek(2) looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// `SEEK_DATA`
    Data,
    /// `SEEK_HOLE`
    Hole,
}

/// What is read, written and controlled through a descriptor.
pub trait File: Any + Send + Sync {
    /// Read from `offset` on; 0 is the end.
    fn read(&self, world: &dyn World, output: &mut Output, offset: u64, blocking: Blocking) -> Result<usize> {
        let _ = (world, output, offset, blocking);
        Err(Errno::EINVAL)
    }

    /// Write; gives how many bytes, and the offset behind the last.
    fn write(&self, world: &dyn World, input: &mut Input, place: Place, blocking: Blocking) -> Result<(usize, u64)> {
        let _ = (world, input, place, blocking);
        Err(Errno::EINVAL)
    }

    /// What of it takes no more than a copy. Never changes.
    fn plain(&self) -> Plain {
        Plain::Nothing
    }

    /// Read contents into one stretch of the program's memory, if that takes a copy and nothing else: nobody is asked or told, nothing waits.
    /// `None`: it is to be read as all files are, from the beginning.
    fn read_plain(&self, memory: &dyn UserMemory, address: usize, length: usize, offset: u64) -> Option<usize> {
        let _ = (memory, address, length, offset);
        None
    }

    /// Write one stretch of the program's memory whole, over what there is or into a ring, if that takes a copy and at most the wake of somebody who
    /// waits for it. `None`: it is to be written as all files are, from the beginning.
    fn write_plain(&self, world: &dyn World, address: usize, length: usize, offset: u64) -> Option<usize> {
        let _ = (world, address, length, offset);
        None
    }

    /// Whether one is as good as another that was opened for the same: nothing is remembered in it, and no process can have it too.
    fn is_stateless(&self) -> bool {
        false
    }

    /// How it takes offsets. Never changes.
    fn seeking(&self) -> Seeking {
        Seeking::None
    }

    /// Bytes of contents, for `SEEK_END`.
    fn size(&self) -> u64 {
        0
    }

    /// The next data or hole from `offset` on: without holes, the end is the only one.
    fn seek(&self, offset: u64, what: Seek) -> Result<u64> {
        let size = self.size();
        match what {
            _ if offset >= size => Err(Errno::ENXIO),
            Seek::Data => Ok(offset),
            Seek::Hole => Ok(size),
        }
    }

    /// Whether it can be waited for: what epoll(7) refuses with `EPERM` cannot.
    fn is_pollable(&self) -> bool {
        false
    }

    /// What would not block.
    fn readiness(&self, world: &dyn World) -> Readiness {
        let _ = world;
        Readiness::ALWAYS
    }

    /// Who is to hear when its readiness changes. A file that is always ready has nobody.
    fn watchers(&self) -> Option<&Watchers> {
        None
    }

    /// How who watches it learns of its changes.
    fn telling(&self) -> Telling<'_> {
        Telling::Nobody
    }

    /// Its last edges, for those who wait for changes. A file that does not count them shows none, and its watchers go by what became
    /// ready since they last looked.
    fn edges(&self, world: &dyn World) -> Edges {
        let _ = world;
        Edges::default()
    }

    /// When something last moved, each way, that those are told of by signals who asked for it (`O_ASYNC`).
    fn news(&self, world: &dyn World) -> Edges {
        self.edges(world)
    }

    /// What would not block, and its last edges: for those who look at many.
    fn state(&self, world: &dyn World) -> (Readiness, Edges) {
        (self.readiness(world), self.edges(world))
    }

    /// Its handle in `unixd`, if that is who knows its readiness: many are asked about at once.
    fn polled(&self) -> Option<&remote::Handle> {
        None
    }

    /// Serve a request of ioctl(2) that is not common to all files.
    fn control(&self, world: &dyn World, request: u32, argument: usize) -> Result<usize> {
        let _ = (world, request, argument);
        Err(Errno::ENOTTY)
    }

    /// Tell a directory's names from position `from` on.
    fn list(&self, world: &dyn World, from: u64, visit: &mut Visitor) -> Result<()> {
        let _ = (world, from, visit);
        Err(Errno::ENOTDIR)
    }

    /// Cut or stretch the contents.
    fn truncate(&self, world: &dyn World, size: u64) -> Result<()> {
        let _ = (world, size);
        Err(Errno::EINVAL)
    }

    /// Reserve or punch a range: fallocate(2), with its modes.
    fn allocate(&self, world: &dyn World, mode: u32, offset: u64, length: u64) -> Result<()> {
        let _ = (world, mode, offset, length);
        Err(if self.seeking() == Seeking::None { Errno::ESPIPE } else { Errno::ENODEV })
    }

    /// Bring contents to the device that keeps them.
    fn sync(&self) -> Result<()> {
        Err(Errno::EINVAL)
    }

    /// The contents as mmap(2) wants them.
    fn backing(self: Arc<Self>) -> Option<Arc<dyn Backing>> {
        None
    }

    /// The same for a mapping through which it may be stored to: as long as there is one, it is not sealed against that.
    ///
    /// # Errors
    /// `EPERM`: it is sealed against that. `ENODEV`: it cannot be mapped.
    fn backing_to_store(self: Arc<Self>) -> Result<Arc<dyn Backing>> {
        self.backing().ok_or(Errno::ENODEV)
    }

    /// What may not happen to it any more.
    ///
    /// # Errors
    /// `EINVAL`: it knows no seals.
    fn seals(&self) -> Result<Seals> {
        Err(Errno::EINVAL)
    }

    /// Add seals.
    ///
    /// # Errors
    /// `EINVAL`: it knows none. `EPERM`: there are to be no more. `EBUSY`: it is mapped to be stored to.
    fn add_seals(&self, world: &dyn World, more: Seals) -> Result<()> {
        let _ = (world, more);
        Err(Errno::EINVAL)
    }

    /// It is about to be mapped, which counts as a read.
    fn note_mapped(&self, world: &dyn World) -> Result<()> {
        let _ = world;
        Ok(())
    }

    /// Whether a private mapping of it is zeros, as of `/dev/zero`.
    fn maps_zeros(&self) -> bool {
        false
    }

    /// Let other processes have it too: it moves to `unixd`, if it is not there; gives its handle. `None`: it stays the process's own.
    fn share(&self, server: &'static dyn Server) -> Result<Option<u32>> {
        let _ = server;
        Ok(None)
    }

    /// The process that it means, of a pidfd.
    fn process(&self) -> Option<pidfd::Pidfd> {
        None
    }

    /// The socket that it is, for what only sockets can do.
    fn socket(&self) -> Option<&socket::Socket> {
        None
    }

    /// The end of a pipe that it is, for what only pipes can do.
    fn pipe(&self) -> Option<&pipe::End> {
        None
    }
}

impl dyn File {
    /// The file as one of a type, if it is of that.
    #[must_use]
    pub fn of_type<T: File>(self: &Arc<Self>) -> Option<Arc<T>> {
        let file: Arc<dyn Any + Send + Sync> = self.clone();
        file.downcast().ok()
    }
}
