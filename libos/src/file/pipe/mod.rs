//! Pipes, and FIFOs.
//!
//! As long as one process has all ends of a pipe, it is the process's own. When it forks or sends an end elsewhere, the pipe moves to
//! `unixd` with what is in it, and the ends here become handles there. Bytes go through a [ring](crate::file::ring) of pages that those
//! have mapped who hold an end; where there is none, or not any more, `unixd` keeps them and is asked for each read and write.
//! What `unixd` has is this same type: it counts the ends of them all, and serves those pipes that have no ring.

mod end;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use spin::{Mutex, Once};
use unix::{MAILBOX_BYTES, Operation, Request};

use crate::errno::Result;
use crate::file::remote::Handle;
use crate::file::ring::{Ring, RingPages};
use crate::file::{Access, Edges, File, Input, Readiness, Watchers};
use crate::mapped_ring::MappedRing;
use crate::server::Server;
use crate::vfs::attributes::{Attributes, Kind, Time};
use crate::vfs::node::{Entry, Node, Statistics};
use crate::vfs::world::World;
pub use end::End;

/// Writes of at most so many bytes are all or nothing.
pub const PIPE_BUF: usize = 4096;
/// Bytes that a pipe holds at first.
const CAPACITY: usize = 65536;
/// The most that `F_SETPIPE_SZ` gives.
const CAPACITY_MAX: usize = 1 << 20;
/// The file system of pipes.
const MAGIC: u64 = 0x5049_5045;
/// Its device number.
const DEVICE: u64 = crate::vfs::attributes::device_number(0, 12);

struct State {
    bytes: VecDeque<u8>,
    capacity: usize,
    readers: usize,
    writers: usize,
    /// How often it was opened for reading and for writing.
    openings: [u64; 2],
    /// The ends of this process, as long as it has them all.
    ends: Vec<Weak<End>>,
    edges: Edges,
    /// How often it was written to and read from, or an end went: it only matters that they change.
    news: Edges,
}

impl State {
    fn is_writable(&self) -> bool {
        self.capacity - self.bytes.len() >= PIPE_BUF
    }
}

/// A pipe.
pub struct Pipe {
    inode: u64,
    state: Mutex<State>,
    watchers: Watchers,
    /// In a process: what it shares with others of the pipe.
    shared: Once<Ring<MappedRing>>,
    /// In `unixd`: what processes share of it.
    served: Once<Ring<Box<dyn RingPages>>>,
}

/// Who is at the ends of a pipe: for reading, for writing.
#[derive(Clone, Copy, Debug)]
pub struct Peers {
    /// How many are.
    pub ends: [usize; 2],
    /// How often it was opened.
    pub openings: [u64; 2],
}

/// What would not block at an end of a pipe with so many bytes in it, so much capacity, and so many ends for reading and for writing.
#[must_use]
pub fn readiness(access: Access, used: usize, capacity: usize, ends: [usize; 2]) -> Readiness {
    let mut ready = Readiness::empty();
    if access.contains(Access::READ) {
        ready.set(Readiness::READABLE, used > 0);
        ready.set(Readiness::HANG_UP, ends[1] == 0);
    }
    if access.contains(Access::WRITE) {
        ready.set(Readiness::WRITABLE, capacity.saturating_sub(used) >= PIPE_BUF);
        ready.set(Readiness::ERROR, ends[0] == 0);
    }
    ready
}

/// The inode of a pipe without a name.
struct PipeNode {
    pipe: Arc<Pipe>,
    made: Time,
}

impl Pipe {
    /// An empty pipe without ends.
    #[must_use]
    pub fn new(inode: u64) -> Arc<Pipe> {
        let state = State {
            bytes: VecDeque::new(),
            capacity: CAPACITY,
            readers: 0,
            writers: 0,
            openings: [0; 2],
            ends: Vec::new(),
            edges: Edges::default(),
            news: Edges::default(),
        };
        Arc::new(Pipe { inode, state: Mutex::new(state), watchers: Watchers::new(), shared: Once::new(), served: Once::new() })
    }

    /// An end of it.
    #[must_use]
    pub fn end(self: &Arc<Pipe>, access: Access) -> Arc<End> {
        self.add(access, None)
    }

    /// Open it by its name in the tree: a reader that comes before all writers has seen none go.
    #[must_use]
    pub fn open(self: &Arc<Pipe>, access: Access) -> Arc<End> {
        let unseen = {
            let state = self.state.lock();
            (access == Access::READ && state.writers == 0).then_some(state.openings[1])
        };
        self.add(access, unseen)
    }

    fn add(self: &Arc<Pipe>, access: Access, unseen: Option<u64>) -> Arc<End> {
        let end = End::new(self.clone(), access, unseen);
        let mut state = self.state.lock();
        state.readers += usize::from(access.contains(Access::READ));
        state.writers += usize::from(access.contains(Access::WRITE));
        state.openings[0] += u64::from(access.contains(Access::READ));
        state.openings[1] += u64::from(access.contains(Access::WRITE));
        self.tell(&state);
        state.ends.push(Arc::downgrade(&end));
        end
    }

    /// Who is at the ends has changed.
    fn tell(&self, state: &State) {
        if let Some(ring) = self.served.get() {
            ring.set_ends(state.readers, state.writers);
        }
        self.watchers.tell();
    }

    /// The end behind a handle that came from elsewhere, and the ring's number plus one if `unixd` told of one.
    #[must_use]
    pub fn adopt(self: &Arc<Pipe>, handle: Handle, access: Access, ring: u64) -> Arc<End> {
        self.join(handle.server(), ring);
        let end = self.end(access);
        end.move_to(handle);
        end
    }

    /// Use a ring, by its number plus one, if there is one.
    fn join(&self, server: &'static dyn Server, ring: u64) {
        let pages = ring.checked_sub(1).and_then(|index| server.ring(index as u32));
        if let Some(pages) = pages {
            self.shared.call_once(|| Ring::new(pages));
        }
    }

    /// `unixd`: let those who hold it use a ring. It is empty, and has no ends yet.
    pub fn serve(&self, pages: Box<dyn RingPages>) {
        let ring = self.served.call_once(|| Ring::new(pages));
        ring.set_capacity(CAPACITY);
    }

    /// `unixd`: which ring processes use.
    #[must_use]
    pub fn served(&self) -> Option<u32> {
        self.served.get().map(Ring::index)
    }

    /// `unixd`: from now on processes ask for what is in it.
    #[inline(always)]
    fn take_over(&self) {
        if let Some(ring) = self.served.get() {
            self.take_out(ring);
        }
    }

    #[cold]
    fn take_out(&self, ring: &Ring<Box<dyn RingPages>>) {
        if let Some(bytes) = ring.freeze() {
            let mut state = self.state.lock();
            state.bytes.extend(bytes);
            state.edges.note_both();
        }
    }

    /// Move it to `unixd`, with its ends.
    fn share(&self, server: &'static dyn Server) -> Result<()> {
        let (capacity, ends, bytes) = {
            let state = self.state.lock();
            let ends: Vec<Arc<End>> = state.ends.iter().filter_map(Weak::upgrade).collect();
            (state.capacity, ends, state.bytes.iter().copied().collect::<Vec<u8>>())
        };
        let answer = server.call(Request::new(Operation::MakePipe, [self.inode, capacity as u64, 0]))?;
        let handles = [answer[0] as u32, (answer[0] >> 32) as u32].map(|number| Handle::new(server, number));
        self.join(server, answer[1]);
        self.pour(&handles[1], &bytes)?;
        // All or none: an end that stayed behind would be another pipe's.
        let moved: Result<Vec<Handle>> = ends.iter().map(|end| end.reopen(&handles[0])).collect();
        for (end, handle) in ends.iter().zip(moved?) {
            end.move_to(handle);
        }
        self.state.lock().bytes = VecDeque::new();
        self.watchers.tell();
        Ok(())
    }

    /// Put what was in the pipe where it is now.
    fn pour(&self, writer: &Handle, bytes: &[u8]) -> Result<()> {
        let mut input = Input::own(bytes);
        while let Some(ring) = self.shared.get()
            && input.left() > 0
            && matches!(ring.write(&mut input)?, crate::file::ring::Step::Moved(..))
        {}
        for chunk in bytes[input.done()..].chunks(MAILBOX_BYTES) {
            writer.server().post(0, chunk);
            writer.ask(Operation::Write, [0, chunk.len() as u64, 0])?;
        }
        Ok(())
    }

    /// The entry that its descriptors have.
    #[must_use]
    pub fn entry(self: &Arc<Pipe>, now: Time) -> Arc<Entry> {
        Entry::detached(Arc::new(PipeNode { pipe: self.clone(), made: now }), format!("pipe:[{}]", self.inode).as_bytes())
    }
}

impl Node for PipeNode {
    fn attributes(&self) -> Attributes {
        Attributes::new(DEVICE, self.pipe.inode, Kind::Fifo, 0o600, self.made)
    }

    fn statistics(&self, _: &dyn World) -> Statistics {
        Statistics { magic: MAGIC, ..Statistics::default() }
    }

    fn open(self: Arc<Self>, _: &Arc<Entry>, access: Access, _: &dyn World) -> Result<Arc<dyn File>> {
        let end = self.pipe.end(access);
        let ends: Vec<Arc<End>> = self.pipe.state.lock().ends.iter().filter_map(Weak::upgrade).collect();
        if let Some(handle) = ends.iter().find_map(|end| end.handle()) {
            end.move_to(end.reopen(handle)?);
        }
        Ok(end)
    }
}
