//! A terminal, or a pair's master, as a process has it: it is in `unixd`, which edits lines and knows whose turn it is.
//!
//! What the process adds is waiting: for input up to `VTIME`, for room, and for its turn, where job control sends its group a signal: the
//! process hears of it, stops or runs a handler, and tries again.
#![forbid(unsafe_code)]

use alloc::sync::Arc;

use unix::{MAILBOX_BYTES, Operation, Request, TerminalFlags};

use crate::errno::{Errno, Result};
use crate::file::remote::{CONTROL_MOST, Handle, RemoteFile, SOCKET, control_bytes};
use crate::file::{Access, Blocking, Edges, File, Input, Output, Place, Readiness};
use crate::server::Server;
use crate::signal::{IGNORE, SIGTTIN, SIGTTOU, bit};
use crate::vfs::world::World;

/// A tenth of a second, the unit of `VTIME`, in nanoseconds.
const TENTH_NS: u64 = 100_000_000;

/// See the module.
pub struct TerminalFile {
    remote: RemoteFile,
}

/// What a read learns of an attempt.
enum Attempt {
    /// So many bytes are in the mailbox.
    Read(usize),
    /// There are so many, and they are not enough; the time to wait for one more, and how many are wanted at least.
    Wait { available: usize, time: u64, least: u64 },
}

impl TerminalFile {
    /// Open a terminal by its device's number.
    ///
    /// # Errors
    /// What `unixd` answers.
    pub fn open(server: &'static dyn Server, special: u64, access: Access) -> Result<Arc<dyn File>> {
        let words = [special, u64::from(access.bits()), 0];
        let [handle, ..] = server.call(Request::new(Operation::TerminalOpen, words))?;
        Ok(TerminalFile::adopt(Handle::new(server, handle as u32)))
    }

    /// The terminal behind a handle.
    #[must_use]
    pub fn adopt(handle: Handle) -> Arc<dyn File> {
        // It seeks as little as a socket does, and can be polled.
        Arc::new(TerminalFile { remote: RemoteFile::new(handle, SOCKET) })
    }

    /// It was opened without `O_NOCTTY`.
    pub fn claim(&self) {
        // Whoever cannot have it does without.
        let _ = self.remote.handle().ask(Operation::TerminalClaim, [0; 3]);
    }

    /// The number of the pair that it is the master of.
    ///
    /// # Errors
    /// `EIO`: it is none.
    pub fn pair_number(&self) -> Result<u32> {
        let mut number = [0; 4];
        let words = [u64::from(linux_raw_sys::ioctl::TIOCGPTN), 0, (number.len() as u64) << 32];
        self.ask(Operation::TerminalControl, TerminalFlags::empty(), words).map_err(|_| Errno::EIO)?;
        self.remote.handle().server().fetch(0, &mut number);
        Ok(u32::from_ne_bytes(number))
    }

    fn ask(&self, operation: Operation, flags: TerminalFlags, words: [u64; 3]) -> Result<[u64; 4]> {
        let handle = self.remote.handle();
        handle.server().call(Request { small: flags.bits(), ..handle.request(operation, words) })
    }

    /// Repeat `attempt` while the process's group is not the one in the foreground, and is told so by a signal.
    fn in_turn<T>(world: &dyn World, mut attempt: impl FnMut(TerminalFlags) -> Result<T>) -> Result<T> {
        loop {
            match attempt(ignored(world)) {
                Err(Errno::EINTR) => world.await_change()?,
                outcome => return outcome,
            }
        }
    }

    fn read_once(&self, world: &dyn World, wanted: usize, flags: TerminalFlags) -> Result<Attempt> {
        let ask = |ignored| self.ask(Operation::TerminalRead, flags | ignored, [wanted as u64, 0, 0]);
        let [count, waits, patience, available] = Self::in_turn(world, ask)?;
        Ok(match waits {
            0 => Attempt::Read((count as usize).min(wanted)),
            _ => Attempt::Wait { available: available as usize, time: patience & 0xffff_ffff, least: patience >> 32 },
        })
    }

    /// Ask until there is enough to read, or the time is over; gives how many bytes are in the mailbox.
    fn await_input(&self, world: &dyn World, wanted: usize, blocking: Blocking) -> Result<usize> {
        let mut flags = if blocking == Blocking::Refused { TerminalFlags::NO_WAIT } else { TerminalFlags::empty() };
        let (mut before, mut deadline) = (usize::MAX, None);
        loop {
            let (available, time, least) = match self.read_once(world, wanted, flags) {
                Ok(Attempt::Read(count)) => return Ok(count),
                Ok(Attempt::Wait { available, time, least }) => (available, time, least),
                // A master has no `VMIN` to tell of.
                Err(Errno::EAGAIN) if blocking == Blocking::Allowed => (0, 0, 1),
                Err(errno) => return Err(errno),
            };
            // The time runs from the start if `VMIN` is 0, else anew from each byte on.
            let runs = if least == 0 { deadline.is_none() } else { available > 0 && available != before };
            if runs && time > 0 {
                deadline = Some(world.monotonic_ns() + time * TENTH_NS);
            }
            before = available;
            match world.await_change_until(deadline) {
                Err(Errno::ETIMEDOUT) => flags |= TerminalFlags::TIME_IS_OVER,
                Err(_) if available > 0 => flags |= TerminalFlags::TIME_IS_OVER,
                outcome => outcome?,
            }
        }
    }

    /// Write these bytes; tells in `done` how many were.
    fn write_all(&self, world: &dyn World, bytes: &[u8], blocking: Blocking, done: &mut usize) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let attempt = |ignored| {
                self.remote.handle().server().post(0, rest);
                self.ask(Operation::TerminalWrite, ignored, [rest.len() as u64, 0, 0])
            };
            match Self::in_turn(world, attempt) {
                Err(Errno::EAGAIN) if blocking == Blocking::Allowed => world.await_change()?,
                outcome => {
                    let count = (outcome?[0] as usize).min(rest.len());
                    rest = &rest[count..];
                    *done += count;
                }
            }
        }
        Ok(())
    }
}

/// Which signals of job control the thread does not want to hear of.
fn ignored(world: &dyn World) -> TerminalFlags {
    world.signals().with(|state| {
        let is_ignored = |signal: u32| state.action(signal).handler == IGNORE || state.own.blocked & bit(signal) != 0;
        let mut flags = TerminalFlags::empty();
        flags.set(TerminalFlags::IGNORES_READ, is_ignored(SIGTTIN));
        flags.set(TerminalFlags::IGNORES_WRITE, is_ignored(SIGTTOU));
        flags
    })
}

impl File for TerminalFile {
    fn read(&self, world: &dyn World, output: &mut Output, _: u64, blocking: Blocking) -> Result<usize> {
        let wanted = output.room().min(MAILBOX_BYTES);
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.await_input(world, wanted, blocking)?;
        self.remote.put_mailbox(output, count)?;
        Ok(count)
    }

    fn write(&self, world: &dyn World, input: &mut Input, _: Place, blocking: Blocking) -> Result<(usize, u64)> {
        let mut buffer = alloc::vec![0; input.left().min(MAILBOX_BYTES)];
        let mut total = 0;
        loop {
            let outcome = input.take(&mut buffer).and_then(|count| self.write_all(world, &buffer[..count], blocking, &mut total));
            match outcome {
                Err(_) if total > 0 => return Ok((total, 0)),
                outcome => outcome?,
            }
            if input.left() == 0 {
                return Ok((total, 0));
            }
        }
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn readiness(&self, world: &dyn World) -> Readiness {
        self.remote.readiness(world)
    }

    fn edges(&self, world: &dyn World) -> Edges {
        self.remote.edges(world)
    }

    fn state(&self, world: &dyn World) -> (Readiness, Edges) {
        self.remote.state(world)
    }

    fn control(&self, world: &dyn World, request: u32, argument: usize) -> Result<usize> {
        let (incoming, outgoing) = control_bytes(request);
        let (server, mut bytes) = (self.remote.handle().server(), [0; CONTROL_MOST]);
        world.read(argument, &mut bytes[..incoming])?;
        let sizes = incoming as u64 | (outgoing as u64) << 32;
        let answer = Self::in_turn(world, |ignored| {
            server.post(0, &bytes[..incoming]);
            self.ask(Operation::TerminalControl, ignored, [u64::from(request), argument as u64, sizes])
        })?;
        server.fetch(0, &mut bytes[..outgoing]);
        world.write(argument, &bytes[..outgoing])?;
        Ok(answer[0] as usize)
    }

    fn share(&self, _: &'static dyn Server) -> Result<Option<u32>> {
        Ok(Some(self.remote.handle().number()))
    }
}
