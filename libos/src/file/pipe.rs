//! Pipes inside one process, and FIFOs.
//!
//! Both ends are in this process, so that a read of an empty pipe that has a writer can only be ended by a signal or by another thread.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::sync::Arc;

use spin::Mutex;

use crate::errno::{Errno, Result};
use crate::file::{Access, Blocking, Edges, File, Input, Output, Place, Readiness};
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
}

/// An end of a pipe, or both, as a FIFO opened for reading and writing.
pub struct End {
    pipe: Arc<Pipe>,
    access: Access,
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
        let state = State { bytes: VecDeque::new(), capacity: CAPACITY, readers: 0, writers: 0, edges: Edges::default() };
        Arc::new(Pipe { inode, state: Mutex::new(state) })
    }

    /// An end of it.
    #[must_use]
    pub fn end(self: &Arc<Pipe>, access: Access) -> Arc<End> {
        let mut state = self.state.lock();
        state.readers += usize::from(access.contains(Access::READ));
        state.writers += usize::from(access.contains(Access::WRITE));
        Arc::new(End { pipe: self.clone(), access })
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
        state.edges.note_both();
    }
}

impl End {
    /// Bytes that the pipe holds (`F_GETPIPE_SZ`).
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.pipe.state.lock().capacity
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
                    self.pipe.state.lock().bytes.extend(&chunk[..count]);
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
            let count = self.read_some(output)?;
            if count > 0 || self.pipe.state.lock().writers == 0 {
                world.note_change();
                return Ok(count);
            }
            if blocking == Blocking::Refused {
                return Err(Errno::EAGAIN);
            }
            world.await_change()?;
        }
    }

    fn write(&self, world: &dyn World, input: &mut Input, _: Place, blocking: Blocking) -> Result<(usize, u64)> {
        let mut total = 0;
        while input.left() > 0 {
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
                world.note_change();
                continue;
            }
            if blocking == Blocking::Refused {
                return if total > 0 { Ok((total, 0)) } else { Err(Errno::EAGAIN) };
            }
            match world.await_change() {
                Err(_) if total > 0 => break,
                outcome => outcome?,
            }
        }
        Ok((total, 0))
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn edges(&self, _: &dyn World) -> Edges {
        self.pipe.state.lock().edges
    }

    fn readiness(&self, _: &dyn World) -> Readiness {
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

    fn control(&self, world: &dyn World, request: u32, argument: usize) -> Result<usize> {
        if request != FIONREAD {
            return Err(Errno::ENOTTY);
        }
        let count = self.pipe.state.lock().bytes.len() as i32;
        world.write(argument, &count.to_ne_bytes())?;
        Ok(0)
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
        Ok(self.pipe.end(access))
    }
}
