//! Files that are in `unixd`: a handle there, and requests by the channel.
//!
//! The server never lets a caller wait: it answers `EAGAIN` and rings the process's doorbell when it is worth to try again. A blocking
//! operation is a loop of requests and waits for the doorbell.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;

use unix::{MAILBOX_BYTES, Operation, Request};

use crate::errno::{Errno, Result};
use crate::file::{Blocking, Edges, File, Input, Output, Place, Readiness, Seeking, Telling};
use crate::server::Server;
use crate::vfs::world::World;

/// Bytes moved between the program and the mailbox at a time.
const CHUNK: usize = 1024;
const SIGPIPE: u32 = 13;

/// What a file may be besides how it seeks: see [`traits_of`].
const ZEROS: u32 = 4;
const POLLABLE: u32 = 8;
/// What an instance of inotify(7) is.
pub const NOTICES: u32 = 3 | POLLABLE;
/// What a socket is.
pub const SOCKET: u32 = 2 | POLLABLE;

/// What `unixd` tells of a file when it gives a handle of it, in one word.
#[must_use]
pub fn traits_of(file: &dyn File) -> u32 {
    let seeking = match file.seeking() {
        Seeking::Contents => 0,
        Seeking::Ignored => 1,
        Seeking::None => 2,
        Seeking::Pointless => 3,
    };
    let zeros = if file.maps_zeros() { ZEROS } else { 0 };
    let pollable = if file.is_pollable() { POLLABLE } else { 0 };
    seeking | zeros | pollable
}

/// A handle that the process holds in `unixd`; dropped, it is given back.
pub struct Handle {
    server: &'static dyn Server,
    number: u32,
}

impl Handle {
    /// The handle with a number that `unixd` just gave.
    #[must_use]
    pub fn new(server: &'static dyn Server, number: u32) -> Handle {
        Handle { server, number }
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Its number, for who gives it back in some other way.
    #[must_use]
    pub fn into_number(self) -> u32 {
        core::mem::ManuallyDrop::new(self).number
    }

    /// The server that it is a handle of.
    #[must_use]
    pub fn server(&self) -> &'static dyn Server {
        self.server
    }

    /// A request about it.
    #[must_use]
    pub fn request(&self, operation: Operation, words: [u64; 3]) -> Request {
        Request { large: self.number, ..Request::new(operation, words) }
    }

    /// Another handle of the same.
    ///
    /// # Errors
    /// `ENFILE`: the process holds too many.
    pub fn duplicate(&self) -> Result<Handle> {
        Ok(Handle::new(self.server, self.ask(Operation::Duplicate, [0; 3])?[0] as u32))
    }

    /// Ask something about it.
    ///
    /// # Errors
    /// What `unixd` answers.
    pub fn ask(&self, operation: Operation, words: [u64; 3]) -> Result<[u64; 4]> {
        self.server.call(self.request(operation, words))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // A server that is gone holds nothing any more.
        let _ = self.ask(Operation::Release, [0; 3]);
    }
}

/// A file that is in `unixd`.
pub struct RemoteFile {
    handle: Handle,
    traits: u32,
}

impl RemoteFile {
    /// The file behind a handle, with what [`traits_of`] told of it.
    #[must_use]
    pub fn new(handle: Handle, traits: u32) -> RemoteFile {
        RemoteFile { handle, traits }
    }

    /// The handle.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// What would not block, and since when; the process is told when that changes.
    fn look(&self) -> Result<(Readiness, Edges)> {
        if !self.is_pollable() {
            return Ok((Readiness::ALWAYS, Edges::default()));
        }
        let request = Request { small: 1, ..self.handle.request(Operation::Readiness, [0; 3]) };
        let [ready, input, output, _] = self.handle.server.call(request)?;
        Ok((Readiness::from_bits_truncate(ready as u32), Edges { input, output }))
    }

    /// Ask once; gives the count of bytes that were moved to `output`.
    fn read_once(&self, output: &mut Output, offset: u64, stays: bool) -> Result<usize> {
        let wanted = output.room().min(MAILBOX_BYTES);
        let request = Request { small: u16::from(stays), ..self.handle.request(Operation::Read, [offset, wanted as u64, 0]) };
        let count = (self.handle.server.call(request)?[0] as usize).min(wanted);
        self.put_mailbox(output, count)?;
        Ok(count)
    }

    /// Move the first bytes of the mailbox to `output`.
    pub(super) fn put_mailbox(&self, output: &mut Output, count: usize) -> Result<()> {
        let mut chunk = [0; CHUNK];
        let mut done = 0;
        while done < count {
            let part = &mut chunk[..CHUNK.min(count - done)];
            self.handle.server.fetch(done, part);
            output.put(part)?;
            done += part.len();
        }
        Ok(())
    }

    /// Read what stays in a pipe.
    ///
    /// # Errors
    /// As [`File::read`].
    pub fn peek(&self, world: &dyn World, output: &mut Output, blocking: Blocking) -> Result<usize> {
        until_ready(world, blocking, || self.read_once(output, 0, true))
    }

    /// Ask once to write these bytes.
    fn write_once(&self, bytes: &[u8], offset: u64) -> Result<(usize, u64)> {
        self.handle.server.post(0, bytes);
        let answer = self.handle.ask(Operation::Write, [offset, bytes.len() as u64, 0])?;
        Ok(((answer[0] as usize).min(bytes.len()), answer[1]))
    }

    /// Write these bytes; tells in `done` how many were, and in `at` where the next go.
    fn write_all(&self, world: &dyn World, bytes: &[u8], blocking: Blocking, done: &mut usize, at: &mut u64) -> Result<()> {
        let mut rest = bytes;
        loop {
            let (count, end) = until_ready(world, blocking, || self.write_once(rest, *at))?;
            rest = &rest[count..];
            (*done, *at) = (*done + count, end);
            if rest.is_empty() || count == 0 {
                return Ok(());
            }
        }
    }
}

/// What would not block of a file, and since when.
pub type State = (Readiness, Edges);

/// The most files that one request asks about.
const LOOKS_MOST: usize = MAILBOX_BYTES / unix::STATE_BYTES;

/// Look at all files that `unixd` knows the readiness of, with a request for many; gives what it told in their places. Of one alone it is not
/// asked so, and where it does not answer that is told to who asks about the file itself.
pub fn look_at_all<'a>(files: impl Iterator<Item = Option<&'a Arc<dyn File>>> + Clone) -> Vec<Option<State>> {
    if files.clone().flatten().filter(|file| file.polled().is_some()).nth(1).is_none() {
        return Vec::new();
    }
    let mut states = Vec::new();
    let mut asked: Vec<(usize, &Handle)> = Vec::new();
    for file in files {
        asked.extend(file.and_then(|file| file.polled()).map(|handle| (states.len(), handle)));
        states.push(None);
    }
    for some in asked.chunks(LOOKS_MOST) {
        look_at_some(some, &mut states);
    }
    states
}

fn look_at_some(asked: &[(usize, &Handle)], states: &mut [Option<State>]) {
    let Some((_, first)) = asked.first() else { return };
    let server = first.server;
    for (index, (_, handle)) in asked.iter().enumerate() {
        server.post(index * 4, &handle.number.to_ne_bytes());
    }
    if server.call(Request { large: asked.len() as u32, ..Request::new(Operation::ReadinessOfMany, [0; 3]) }).is_err() {
        return;
    }
    for (index, (place, _)) in asked.iter().enumerate() {
        let mut bytes = [0; unix::STATE_BYTES];
        server.fetch(index * unix::STATE_BYTES, &mut bytes);
        let word = |at: usize| u64::from_ne_bytes(bytes[at * 8..at * 8 + 8].try_into().expect("eight bytes"));
        states[*place] = Some((Readiness::from_bits_truncate(word(0) as u32), Edges { input: word(1), output: word(2) }));
    }
}

/// Repeat `attempt` as long as it would block, if sleeping is allowed.
///
/// # Errors
/// Those of `attempt`. `EINTR`: a signal came.
pub fn until_ready<T>(world: &dyn World, blocking: Blocking, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match attempt() {
            Err(Errno::EAGAIN) if blocking == Blocking::Allowed => world.await_change()?,
            outcome => return outcome,
        }
    }
}

/// How many bytes a request of ioctl(2) takes from its argument, and how many it puts there.
pub(super) fn control_bytes(request: u32) -> (usize, usize) {
    use linux_raw_sys::ioctl::*;
    const TERMIOS: usize = 36;
    const TERMIOS2: usize = 44;
    const TERMIO: usize = 18;
    match request {
        FIONREAD | TIOCOUTQ | TIOCGPGRP | TIOCGSID | TIOCGETD | TIOCMGET | TIOCGSOFTCAR | TIOCGPTN | TIOCGEXCL | TIOCGPTLCK | TIOCGPKT
        | TIOCSERGETLSR => (0, 4),
        TIOCSPGRP | TIOCSETD | TIOCSSOFTCAR | TIOCPKT | TIOCSPTLCK | FIOASYNC => (4, 0),
        TIOCSTI => (1, 0),
        TIOCGWINSZ => (0, 8),
        TIOCSWINSZ => (8, 0),
        TCGETS => (0, TERMIOS),
        TCSETS | TCSETSW | TCSETSF => (TERMIOS, 0),
        TCGETS2 => (0, TERMIOS2),
        TCSETS2 | TCSETSW2 | TCSETSF2 => (TERMIOS2, 0),
        TCGETA => (0, TERMIO),
        TCSETA | TCSETAW | TCSETAF => (TERMIO, 0),
        _ => (0, 0),
    }
}

/// The most bytes that [`control_bytes`] gives.
pub(super) const CONTROL_MOST: usize = 64;

impl File for RemoteFile {
    fn read(&self, world: &dyn World, output: &mut Output, offset: u64, blocking: Blocking) -> Result<usize> {
        let mut total = 0;
        loop {
            let wanted = output.room().min(MAILBOX_BYTES);
            let outcome = if total == 0 {
                until_ready(world, blocking, || self.read_once(output, offset, false))
            } else {
                self.read_once(output, offset + total as u64, false)
            };
            match outcome {
                Err(_) if total > 0 => return Ok(total),
                outcome => {
                    let count = outcome?;
                    total += count;
                    if count < wanted || output.room() == 0 {
                        return Ok(total);
                    }
                }
            }
        }
    }

    fn write(&self, world: &dyn World, input: &mut Input, place: Place, blocking: Blocking) -> Result<(usize, u64)> {
        let (mut total, mut at) = (0, if let Place::At(offset) = place { offset } else { u64::MAX });
        let mut buffer = alloc::vec![0; input.left().min(MAILBOX_BYTES)];
        loop {
            let count = match input.take(&mut buffer) {
                Err(_) if total > 0 => return Ok((total, at)),
                count => count?,
            };
            let outcome = self.write_all(world, &buffer[..count], blocking, &mut total, &mut at);
            if outcome == Err(Errno::EPIPE) {
                world.signal(SIGPIPE);
            }
            match outcome {
                Err(_) if total > 0 => return Ok((total, at)),
                outcome => outcome?,
            }
            if input.left() == 0 {
                return Ok((total, at));
            }
        }
    }

    fn seeking(&self) -> Seeking {
        match self.traits & 3 {
            0 => Seeking::Contents,
            1 => Seeking::Ignored,
            3 => Seeking::Pointless,
            _ => Seeking::None,
        }
    }

    fn maps_zeros(&self) -> bool {
        self.traits & ZEROS != 0
    }

    fn is_pollable(&self) -> bool {
        self.traits & POLLABLE != 0
    }

    fn readiness(&self, _: &dyn World) -> Readiness {
        self.look().map_or(Readiness::ERROR, |(ready, _)| ready)
    }

    fn edges(&self, _: &dyn World) -> Edges {
        self.look().map_or(Edges::default(), |(_, edges)| edges)
    }

    fn state(&self, _: &dyn World) -> (Readiness, Edges) {
        self.look().unwrap_or((Readiness::ERROR, Edges::default()))
    }

    fn control(&self, world: &dyn World, request: u32, argument: usize) -> Result<usize> {
        let (incoming, outgoing) = control_bytes(request);
        let mut bytes = [0; CONTROL_MOST];
        if incoming > 0 {
            world.read(argument, &mut bytes[..incoming])?;
            self.handle.server.post(0, &bytes[..incoming]);
        }
        let sizes = incoming as u64 | (outgoing as u64) << 32;
        let answer = self.handle.ask(Operation::Control, [u64::from(request), argument as u64, sizes])?;
        if outgoing > 0 {
            self.handle.server.fetch(0, &mut bytes[..outgoing]);
            world.write(argument, &bytes[..outgoing])?;
        }
        Ok(answer[0] as usize)
    }

    fn telling(&self) -> Telling<'_> {
        if self.is_pollable() { Telling::Server } else { Telling::Nobody }
    }

    fn polled(&self) -> Option<&Handle> {
        self.is_pollable().then_some(&self.handle)
    }

    fn share(&self, _: &'static dyn Server) -> Result<Option<u32>> {
        Ok(Some(self.handle.number))
    }

    fn truncate(&self, _: &dyn World, size: u64) -> Result<()> {
        self.handle.ask(Operation::Truncate, [size, 0, 0]).map(drop)
    }

    fn sync(&self) -> Result<()> {
        self.handle.ask(Operation::Sync, [0; 3]).map(drop)
    }
}
