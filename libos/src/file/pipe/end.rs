//! An end of a pipe.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use abi::PAGE_SIZE;
use spin::Once;
use unix::Operation;

use super::{CAPACITY_MAX, PIPE_BUF, Peers, Pipe, readiness};
use crate::errno::{Errno, Result};
use crate::file::remote::{Handle, RemoteFile, traits_of};
use crate::file::ring::{Ring, Step, Wish};
use crate::file::transfer::{moved, whole_pages};
use crate::file::{Access, Blocking, Edges, File, Input, Output, Place, Plain, Readiness, Telling, Watchers};
use crate::mapped_ring::MappedRing;
use crate::server::Server;
use crate::vfs::world::World;

/// `FIONREAD`
const FIONREAD: u32 = linux_raw_sys::ioctl::FIONREAD;
/// Bytes copied under the lock at a time.
const CHUNK: usize = 512;
const SIGPIPE: u32 = 13;
/// How long a writer waits for another that does not go on in the middle of its write, in nanoseconds.
const HELD_NS: u64 = 1_000_000;

/// An end of a pipe, or both, as a FIFO opened for reading and writing.
pub struct End {
    pipe: Arc<Pipe>,
    access: Access,
    /// What it is in `unixd`, once the pipe has moved there.
    remote: Once<RemoteFile>,
    /// As long as it was opened for writing no more often than this, nobody has gone who wrote (`POLLHUP`).
    unseen: Option<u64>,
    own: Weak<End>,
}

impl Drop for End {
    fn drop(&mut self) {
        let mut state = self.pipe.state.lock();
        state.readers -= usize::from(self.access.contains(Access::READ));
        state.writers -= usize::from(self.access.contains(Access::WRITE));
        state.ends.retain(|end| end.strong_count() > 0);
        state.edges.note_both();
        if (state.readers == 0) != (state.writers == 0) {
            state.news.input += 1;
            state.news.output += 1;
        }
        if state.readers + state.writers == 0 {
            // A FIFO that nobody has open holds nothing.
            state.bytes.clear();
        }
        self.pipe.tell(&state);
    }
}

impl End {
    pub(super) fn new(pipe: Arc<Pipe>, access: Access, unseen: Option<u64>) -> Arc<End> {
        Arc::new_cyclic(|own| End { pipe, access, remote: Once::new(), unseen, own: own.clone() })
    }

    /// A handle of such an end, by one of any end of the pipe.
    pub(super) fn reopen(&self, other: &Handle) -> Result<Handle> {
        let answer = other.ask(Operation::Reopen, [u64::from(self.access.bits()), 0, 0])?;
        Ok(Handle::new(other.server(), answer[0] as u32))
    }

    /// Let `unixd` have it from now on.
    pub(super) fn move_to(&self, handle: Handle) {
        self.remote.call_once(|| RemoteFile::new(handle, traits_of(self)));
    }

    /// Its handle in `unixd`, if it has one.
    pub(super) fn handle(&self) -> Option<&Handle> {
        self.remote.get().map(RemoteFile::handle)
    }

    /// The ring, which may be frozen. `unixd` leaves it mapped for as long as the process has a handle of an end.
    #[inline(always)]
    fn ring(&self) -> Option<&Ring<MappedRing>> {
        self.pipe.shared.get().filter(|_| self.remote.get().is_some())
    }

    /// The ring, while bytes go through it.
    fn live_ring(&self) -> Option<&Ring<MappedRing>> {
        self.ring().filter(|ring| !ring.is_frozen())
    }

    /// Which ring its process has mapped for it.
    #[must_use]
    pub fn ring_index(&self) -> Option<u32> {
        self.ring().map(Ring::index)
    }

    /// `unixd`: which ring processes use.
    #[must_use]
    pub fn served(&self) -> Option<u32> {
        self.pipe.served()
    }

    /// The word that who waits at this end sleeps on.
    #[must_use]
    pub fn changes(&self, wish: Wish) -> Option<&AtomicU32> {
        self.ring().map(|ring| ring.changes(wish))
    }

    /// Whether that word has changed.
    #[must_use]
    pub fn has_changed(&self, wish: Wish, value: u32) -> bool {
        self.changes(wish).is_none_or(|word| word.load(Ordering::Acquire) != value)
    }

    /// Let the next wait of the thread that runs end when the ring changes. If it cannot wait for as many rings, `unixd` takes this one over.
    fn watch(&self, world: &dyn World, ring: &Ring<MappedRing>, wish: Wish) {
        let value = ring.announce(wish);
        if !world.watch(&self.own, wish, value)
            && let Some(remote) = self.remote.get()
        {
            let _ = remote.readiness(world);
        }
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
        if capacity > unix::ring::RING_BYTES {
            self.pipe.take_over();
        }
        let mut state = self.pipe.state.lock();
        let ring = self.pipe.served.get().filter(|ring| !ring.is_frozen());
        if ring.map_or(state.bytes.len(), Ring::len) > capacity {
            return Err(Errno::EBUSY);
        }
        if let Some(ring) = ring {
            ring.set_capacity(capacity);
        }
        state.capacity = capacity;
        self.pipe.watchers.tell();
        Ok(capacity)
    }

    /// Read from the ring; `None`: `unixd` is to be asked. `stays`: what is read stays there.
    #[inline(always)]
    fn read_ring(
        &self,
        ring: &Ring<MappedRing>,
        world: &dyn World,
        output: &mut Output,
        blocking: Blocking,
        stays: bool,
    ) -> Option<Result<usize>> {
        loop {
            match if stays { ring.peek(output) } else { ring.read(output) } {
                Ok(Step::Moved(count, is_woken)) => {
                    if is_woken {
                        world.note_change();
                    }
                    return Some(Ok(count));
                }
                Ok(Step::Frozen) => return None,
                Ok(Step::Ended) => return Some(Ok(0)),
                Err(errno) => return Some(Err(errno)),
                Ok(Step::Wait | Step::Held) if blocking == Blocking::Refused => return Some(Err(Errno::EAGAIN)),
                Ok(Step::Wait | Step::Held) => {
                    self.watch(world, ring, Wish::Read);
                    // What came before that nobody wakes this one for.
                    if ring.is_drained()
                        && let Err(errno) = world.await_change()
                    {
                        return Some(Err(errno));
                    }
                }
            }
        }
    }

    /// Between two looks at the ring: say that one waits, and wait.
    fn pause(&self, ring: &Ring<MappedRing>, world: &dyn World, wish: Wish, is_announced: &mut bool) -> Result<()> {
        if core::mem::replace(is_announced, !*is_announced) {
            return world.await_change();
        }
        self.watch(world, ring, wish);
        Ok(())
    }

    /// Write to the ring what goes into it; tells in `total` how much. `None`: `unixd` is to be asked for the rest.
    fn write_ring(
        &self,
        ring: &Ring<MappedRing>,
        world: &dyn World,
        input: &mut Input,
        blocking: Blocking,
        total: &mut usize,
    ) -> Option<Result<()>> {
        let mut is_announced = false;
        while input.left() > 0 {
            let outcome = match ring.write(input) {
                Ok(Step::Moved(count, is_woken)) => {
                    *total += count;
                    is_announced = false;
                    if is_woken {
                        world.note_change();
                    }
                    Ok(())
                }
                Ok(Step::Frozen) => return None,
                Ok(Step::Ended) => {
                    world.signal(SIGPIPE);
                    Err(Errno::EPIPE)
                }
                Err(errno) => Err(errno),
                Ok(Step::Wait | Step::Held) if blocking == Blocking::Refused => Err(Errno::EAGAIN),
                Ok(Step::Wait) => self.pause(ring, world, Wish::Write, &mut is_announced),
                Ok(Step::Held) => match world.sleep(Some(world.monotonic_ns() + HELD_NS)) {
                    Err(Errno::ETIMEDOUT) => Ok(()),
                    outcome => outcome,
                },
            };
            if outcome.is_err() {
                return Some(outcome);
            }
        }
        Some(Ok(()))
    }

    /// Read what stays in the pipe; 0 is its end.
    ///
    /// # Errors
    /// As [`File::read`].
    pub fn peek(&self, world: &dyn World, output: &mut Output, blocking: Blocking) -> Result<usize> {
        self.pipe.take_over();
        loop {
            if let Some(outcome) = self.ring().and_then(|ring| self.read_ring(ring, world, output, blocking, true)) {
                return outcome;
            }
            if let Some(remote) = self.remote.get() {
                return remote.peek(world, output, blocking);
            }
            let (bytes, has_ended) = {
                let state = self.pipe.state.lock();
                (state.bytes.iter().copied().take(output.room()).collect::<Vec<u8>>(), state.writers == 0)
            };
            if !bytes.is_empty() || has_ended {
                return output.put(&bytes);
            }
            if blocking == Blocking::Refused {
                return Err(Errno::EAGAIN);
            }
            self.pipe.watchers.await_change(world)?;
        }
    }

    /// Move bytes out under the lock and then to the reader; gives how many. Only what reached the reader leaves the pipe, and up to a fault, as on
    /// Linux, whole pages.
    fn read_some(&self, output: &mut Output) -> Result<usize> {
        let mut chunk = [0; CHUNK];
        let (mut total, mut outcome) = (0, Ok(()));
        while output.room() > 0 {
            let count = {
                let state = self.pipe.state.lock();
                let count = (state.bytes.len() - total).min(CHUNK).min(output.room());
                for (to, from) in chunk.iter_mut().zip(state.bytes.range(total..total + count)) {
                    *to = *from;
                }
                count
            };
            if count == 0 {
                break;
            }
            outcome = output.put(&chunk[..count]).map(drop);
            if outcome.is_err() {
                total -= total % PAGE_SIZE;
                break;
            }
            total += count;
        }
        if total > 0 {
            self.drain(total);
        }
        moved(total, outcome)
    }

    /// Take bytes out that were read. Writers hear of it if there was no room for them.
    fn drain(&self, count: usize) {
        let mut state = self.pipe.state.lock();
        let was_writable = state.is_writable();
        state.bytes.drain(..count);
        state.news.output += 1;
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
                Err(error) => {
                    // On Linux whole pages count.
                    let bytes = &mut self.pipe.state.lock().bytes;
                    bytes.truncate(bytes.len() - total % PAGE_SIZE);
                    return whole_pages(total, error);
                }
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
        self.pipe.take_over();
        loop {
            if let Some(outcome) = self.ring().and_then(|ring| self.read_ring(ring, world, output, blocking, false)) {
                return outcome;
            }
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
        self.pipe.take_over();
        while input.left() > 0 {
            if let Some(outcome) = self.ring().and_then(|ring| self.write_ring(ring, world, input, blocking, &mut total)) {
                return if total > 0 { Ok((total, 0)) } else { outcome.map(|()| (0, 0)) };
            }
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
                {
                    let mut state = self.pipe.state.lock();
                    state.edges.note_input();
                    state.news.input += 1;
                }
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

    fn plain(&self) -> Plain {
        Plain::Ring
    }

    fn write_plain(&self, world: &dyn World, address: usize, length: usize, _: u64) -> Option<usize> {
        if self.ring()?.write_plain(world.memory(), address, length)? {
            world.note_change();
        }
        Some(length)
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn state(&self, world: &dyn World) -> (Readiness, Edges) {
        match self.remote.get() {
            Some(remote) if self.live_ring().is_none() => remote.state(world),
            _ => (self.readiness(world), self.edges(world)),
        }
    }

    fn edges(&self, world: &dyn World) -> Edges {
        if let Some(ring) = self.live_ring() {
            return ring.edges();
        }
        if let Some(remote) = self.remote.get() {
            return remote.edges(world);
        }
        self.pipe.state.lock().edges
    }

    fn news(&self, _: &dyn World) -> Edges {
        self.pipe.state.lock().news
    }

    fn readiness(&self, world: &dyn World) -> Readiness {
        if let Some(ring) = self.live_ring() {
            // Who looks may wait for what is not so yet, whatever is so already.
            for (access, wish) in [(Access::READ, Wish::Read), (Access::WRITE, Wish::Write)] {
                if self.access.contains(access) {
                    self.watch(world, ring, wish);
                }
            }
            if let Some(ready) = ring.readiness(self.access) {
                return ready;
            }
        }
        if let Some(remote) = self.remote.get() {
            return remote.readiness(world);
        }
        self.pipe.take_over();
        let state = self.pipe.state.lock();
        let mut ready = readiness(self.access, state.bytes.len(), state.capacity, [state.readers, state.writers]);
        if self.unseen == Some(state.openings[1]) {
            ready -= Readiness::HANG_UP;
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
        let count = match (self.live_ring(), self.remote.get()) {
            (Some(ring), _) => ring.len(),
            (None, Some(remote)) => return remote.control(world, request, argument),
            (None, None) => {
                self.pipe.take_over();
                self.pipe.state.lock().bytes.len()
            }
        };
        world.write(argument, &(count as i32).to_ne_bytes())?;
        Ok(0)
    }

    fn telling(&self) -> Telling<'_> {
        // Bytes that go through a ring nobody is told of but who sleeps.
        if self.remote.get().is_some() { Telling::Nobody } else { Telling::Watchers(&self.pipe.watchers) }
    }

    fn polled(&self) -> Option<&Handle> {
        if self.live_ring().is_some() { None } else { self.handle() }
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
