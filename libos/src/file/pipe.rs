//! Pipes, and FIFOs.
//!
//! As long as one process has all ends of a pipe, it is the process's own. When it forks or sends an end elsewhere, the pipe moves to
//! `unixd` with what is in it: there it is served by the same code, and the ends here send what is asked of them after it.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use spin::{Mutex, Once};
use unix::{MAILBOX_BYTES, Operation, Request};

use crate::errno::{Errno, Result};
use crate::file::remote::{Handle, RemoteFile, traits_of};
use crate::file::{Access, Blocking, Edges, File, Input, Output, Place, Readiness, Watchers};
use crate::server::Server;
use crate::vfs::attributes::{Attributes, Kind, Time};
use crate::vfs::node::{Entry, Node, Statistics};
use crate::vfs::world::World;

/// Writes of at most so many bytes are all or nothing.
pub const PIPE_BUF: usize = 4096;
/// Bytes that a pipe holds at first.
const CAPACITY: usize = 65536;
/// The most that `F_SETPIPE_SZ` gives.
const CAPACITY_MAX: usize = 1 << 20;
/// `FIONREAD`
const FIONREAD: u32 = linux_raw_sys::ioctl::FIONREAD;
/// Bytes copied under the lock at a time.
const CHUNK: usize = 512;
/// The file system of pipes.
const MAGIC: u64 = 0x5049_5045;
/// Its device number.
const DEVICE: u64 = crate::vfs::attributes::device_number(0, 12);
const SIGPIPE: u32 = 13;

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
}

/// An end of a pipe, or both, as a FIFO opened for reading and writing.
pub struct End {
    pipe: Arc<Pipe>,
    access: Access,
    /// What it is in `unixd`, once the pipe has moved there.
    remote: Once<RemoteFile>,
}

/// Who is at the ends of a pipe: for reading, for writing.
#[derive(Clone, Copy, Debug)]
pub struct Peers {
    /// How many are.
    pub ends: [usize; 2],
    /// How often it was opened.
    pub openings: [u64; 2],
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
        };
        Arc::new(Pipe { inode, state: Mutex::new(state), watchers: Watchers::new() })
    }

    /// An end of it.
    #[must_use]
    pub fn end(self: &Arc<Pipe>, access: Access) -> Arc<End> {
        let mut state = self.state.lock();
        state.readers += usize::from(access.contains(Access::READ));
        state.writers += usize::from(access.contains(Access::WRITE));
        state.openings[0] += u64::from(access.contains(Access::READ));
        state.openings[1] += u64::from(access.contains(Access::WRITE));
        let end = Arc::new(End { pipe: self.clone(), access, remote: Once::new() });
        self.watchers.tell();
        state.ends.push(Arc::downgrade(&end));
        end
    }

    /// The end behind a handle that came from elsewhere.
    #[must_use]
    pub fn adopt(self: &Arc<Pipe>, handle: Handle, access: Access) -> Arc<End> {
        let end = self.end(access);
        end.move_to(handle);
        end
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
        for chunk in bytes.chunks(MAILBOX_BYTES) {
            server.post(0, chunk);
            handles[1].ask(Operation::Write, [0, chunk.len() as u64, 0])?;
        }
        // All or none: an end that stayed behind would be another pipe's.
        let moved: Result<Vec<Handle>> = ends.iter().map(|end| end.reopen(&handles[0])).collect();
        for (end, handle) in ends.iter().zip(moved?) {
            end.move_to(handle);
        }
        Ok(())
    }

    /// The entry that its descriptors have.
    #[must_use]
    pub fn entry(self: &Arc<Pipe>, now: Time) -> Arc<Entry> {
        Entry::detached(Arc::new(PipeNode { pipe: self.clone(), made: now }), format!("pipe:[{}]", self.inode).as_bytes())
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut state = self.pipe.state.lock();
        state.readers -= usize::from(self.access.contains(Access::READ));
        state.writers -= usize::from(self.access.contains(Access::WRITE));
        state.ends.retain(|end| end.strong_count() > 0);
        state.edges.note_both();
        self.pipe.watchers.tell();
    }
}

impl End {
    /// A handle of such an end, by one of any end of the pipe.
    fn reopen(&self, other: &Handle) -> Result<Handle> {
        let answer = other.ask(Operation::Reopen, [u64::from(self.access.bits()), 0, 0])?;
        Ok(Handle::new(other.server(), answer[0] as u32))
    }

    /// Let `unixd` serve it from now on.
    fn move_to(&self, handle: Handle) {
        self.remote.call_once(|| RemoteFile::new(handle, traits_of(self)));
    }

    /// Who is at the ends.
    ///
    /// # Errors
    /// Those of asking `unixd`.
    pub fn peers(&self) -> Result<Peers> {
        if let Some(remote) = self.remote.get() {
            let [readers, writers, reading, writing] = remote.handle().ask(Operation::PipePeers, [0; 3])?;
            return Ok(Peers { ends: [readers as usize, writers as usize], openings: [reading, writing] });
        }
        let state = self.pipe.state.lock();
        Ok(Peers { ends: [state.readers, state.writers], openings: state.openings })
    }

    /// A FIFO was opened: wait until the other end is, too, as fifo(7) has it.
    ///
    /// # Errors
    /// `ENXIO`: for writing without waiting, and nobody reads. `EINTR`: a signal came.
    pub fn await_peer(&self, world: &dyn World, blocking: Blocking) -> Result<()> {
        let other = match self.access {
            Access::READ => 1,
            Access::WRITE => 0,
            _ => return Ok(()),
        };
        world.note_change();
        let before = self.peers()?;
        if before.ends[other] > 0 || blocking == Blocking::Refused && other == 1 {
            return Ok(());
        }
        if blocking == Blocking::Refused {
            return Err(Errno::ENXIO);
        }
        // One that came and went meanwhile counts.
        while self.peers()?.openings[other] == before.openings[other] {
            self.pipe.watchers.await_change(world)?;
        }
        Ok(())
    }

    /// Bytes that the pipe holds (`F_GETPIPE_SZ`).
    ///
    /// # Errors
    /// Those of asking `unixd`.
    pub fn capacity(&self) -> Result<usize> {
        match self.remote.get() {
            Some(remote) => Ok(remote.handle().ask(Operation::PipeCapacity, [0; 3])?[0] as usize),
            None => Ok(self.pipe.state.lock().capacity),
        }
    }

    /// Let it hold at least so many (`F_SETPIPE_SZ`); gives how many.
    ///
    /// # Errors
    /// `EPERM`: too many. `EBUSY`: more are in it.
    pub fn set_capacity(&self, bytes: usize) -> Result<usize> {
        if bytes > CAPACITY_MAX {
            return Err(Errno::EPERM);
        }
        let capacity = bytes.max(abi::PAGE_SIZE).next_power_of_two();
        if let Some(remote) = self.remote.get() {
            return Ok(remote.handle().ask(Operation::PipeCapacity, [capacity as u64, 0, 0])?[0] as usize);
        }
        let mut state = self.pipe.state.lock();
        if state.bytes.len() > capacity {
            return Err(Errno::EBUSY);
        }
        state.capacity = capacity;
        Ok(capacity)
    }

    /// Move bytes out under the lock and then to the reader; gives how many.
    fn read_some(&self, output: &mut Output) -> Result<usize> {
        let mut chunk = [0; CHUNK];
        let mut total = 0;
        while output.room() > 0 {
            let count = {
                let state = self.pipe.state.lock();
                let count = state.bytes.len().min(CHUNK).min(output.room());
                for (to, from) in chunk.iter_mut().zip(state.bytes.iter().take(count)) {
                    *to = *from;
                }
                count
            };
            if count == 0 {
                break;
            }
            // Only what reached the reader leaves the pipe.
            match output.put(&chunk[..count]) {
                Ok(_) => self.drain(count),
                Err(error) if total == 0 => return Err(error),
                Err(_) => break,
            }
            total += count;
        }
        Ok(total)
    }

    /// Take bytes out that were read. Writers hear of it if there was no room for them.
    fn drain(&self, count: usize) {
        let mut state = self.pipe.state.lock();
        let was_writable = state.is_writable();
        state.bytes.drain(..count);
        if !was_writable && state.is_writable() {
            state.edges.note_output();
        }
    }

    /// Move in as much as there is room for; nothing, if it must be all or nothing and does not fit.
    fn write_some(&self, input: &mut Input) -> Result<usize> {
        let room = {
            let state = self.pipe.state.lock();
            state.capacity - state.bytes.len()
        };
        if input.left() <= PIPE_BUF && room < input.left() {
            return Ok(0);
        }
        let mut chunk = [0; CHUNK];
        let mut total = 0;
        while total < room && input.left() > 0 {
            let most = CHUNK.min(room - total);
            match input.take(&mut chunk[..most]) {
                Ok(count) => {
                    let bytes = &mut self.pipe.state.lock().bytes;
                    bytes.try_reserve(count).map_err(|_| Errno::ENOMEM)?;
                    bytes.extend(&chunk[..count]);
                    total += count;
                }
                Err(error) if total == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(total)
    }
}

impl File for End {
    fn read(&self, world: &dyn World, output: &mut Output, _: u64, blocking: Blocking) -> Result<usize> {
        if output.room() == 0 {
            return Ok(0);
        }
        loop {
            if let Some(remote) = self.remote.get() {
                return remote.read(world, output, 0, blocking);
            }
            let count = self.read_some(output)?;
            if count > 0 || self.pipe.state.lock().writers == 0 {
                self.pipe.watchers.note_change(world);
                return Ok(count);
            }
            if blocking == Blocking::Refused {
                return Err(Errno::EAGAIN);
            }
            self.pipe.watchers.await_change(world)?;
        }
    }

    fn write(&self, world: &dyn World, input: &mut Input, _: Place, blocking: Blocking) -> Result<(usize, u64)> {
        let mut total = 0;
        while input.left() > 0 {
            if let Some(remote) = self.remote.get() {
                return match remote.write(world, input, Place::At(0), blocking) {
                    Err(_) if total > 0 => Ok((total, 0)),
                    outcome => outcome.map(|(count, _)| (total + count, 0)),
                };
            }
            if self.pipe.state.lock().readers == 0 {
                world.signal(SIGPIPE);
                return if total > 0 { Ok((total, 0)) } else { Err(Errno::EPIPE) };
            }
            let count = match self.write_some(input) {
                Err(_) if total > 0 => break,
                outcome => outcome?,
            };
            total += count;
            if count > 0 {
                self.pipe.state.lock().edges.note_input();
                self.pipe.watchers.note_change(world);
                continue;
            }
            if blocking == Blocking::Refused {
                return if total > 0 { Ok((total, 0)) } else { Err(Errno::EAGAIN) };
            }
            match self.pipe.watchers.await_change(world) {
                Err(_) if total > 0 => break,
                outcome => outcome?,
            }
        }
        Ok((total, 0))
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

    fn edges(&self, world: &dyn World) -> Edges {
        if let Some(remote) = self.remote.get() {
            return remote.edges(world);
        }
        self.pipe.state.lock().edges
    }

    fn readiness(&self, world: &dyn World) -> Readiness {
        if let Some(remote) = self.remote.get() {
            return remote.readiness(world);
        }
        let state = self.pipe.state.lock();
        let mut ready = Readiness::empty();
        if self.access.contains(Access::READ) {
            if !state.bytes.is_empty() {
                ready |= Readiness::READABLE;
            }
            if state.writers == 0 {
                ready |= Readiness::HANG_UP;
            }
        }
        if self.access.contains(Access::WRITE) {
            if state.is_writable() {
                ready |= Readiness::WRITABLE;
            }
            if state.readers == 0 {
                ready |= Readiness::ERROR;
            }
        }
        ready
    }

    fn watchers(&self) -> Option<&Watchers> {
        Some(&self.pipe.watchers)
    }

    fn control(&self, world: &dyn World, request: u32, argument: usize) -> Result<usize> {
        if request != FIONREAD {
            return Err(Errno::ENOTTY);
        }
        if let Some(remote) = self.remote.get() {
            return remote.control(world, request, argument);
        }
        let count = self.pipe.state.lock().bytes.len() as i32;
        world.write(argument, &count.to_ne_bytes())?;
        Ok(0)
    }

    fn share(&self, server: &'static dyn Server) -> Result<Option<u32>> {
        if self.remote.get().is_none() {
            self.pipe.share(server)?;
        }
        Ok(self.remote.get().map(|remote| remote.handle().number()))
    }

    fn pipe(&self) -> Option<&End> {
        Some(self)
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
        if let Some(moved) = ends.iter().find_map(|end| end.remote.get()) {
            end.move_to(end.reopen(moved.handle())?);
        }
        Ok(end)
    }
}
