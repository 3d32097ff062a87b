//! Sockets: handles of `unixd`'s.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;

use spin::Mutex;
use unix::message::{BYTES, BYTES_MOST, CREDENTIALS, NAME, NAME_MOST, NO_PLACE, PLACE, RIGHTS};
use unix::{Operation, Request};

use crate::errno::{Errno, Result};
use crate::file::interface;
use crate::file::remote::{Handle, RemoteFile, SOCKET};
use crate::file::{Blocking, Edges, File, Input, Output, Place, Readiness, Telling};
use crate::server::Server;
use crate::vfs::node::Entry;
use crate::vfs::remote::handle_of;
use crate::vfs::world::World;

const SIGPIPE: u32 = 13;
/// `MSG_PEEK`, `MSG_WAITALL`
const MSG_PEEK: u32 = 2;
const MSG_WAITALL: u32 = 0x100;

/// A socket's name: the bytes of `sun_path`, and what a path leads to; or those of an address of the Internet.
#[derive(Clone, Default)]
pub struct Name {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The place in the tree.
    pub place: Option<Arc<Entry>>,
}

impl Name {
    /// The handle of the place.
    fn handle(&self) -> u32 {
        self.place.as_ref().and_then(handle_of).unwrap_or(NO_PLACE)
    }
}

/// What is sent besides bytes.
#[derive(Default)]
pub struct Along {
    /// sendmsg(2)'s flags.
    pub flags: u32,
    /// Where to.
    pub to: Option<Name>,
    /// Handles.
    pub rights: Vec<u32>,
    /// Process, user and group.
    pub credentials: Option<[u32; 3]>,
}

/// What was received besides bytes.
#[derive(Default)]
pub struct Received {
    /// Bytes, as recvmsg(2) answers it.
    pub count: usize,
    /// recvmsg(2)'s flags.
    pub flags: u32,
    /// What the sender is called: the bytes of `sun_path`.
    pub from: Vec<u8>,
    /// Handles that came along.
    pub rights: Vec<Handle>,
    /// Process, user and group of the sender.
    pub credentials: Option<[u32; 3]>,
}

/// How long sending and receiving may take, in nanoseconds; 0 for as long as it takes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timeouts {
    /// `SO_RCVTIMEO`
    pub receive_ns: u64,
    /// `SO_SNDTIMEO`
    pub send_ns: u64,
}

/// A socket.
pub struct Socket {
    remote: RemoteFile,
    /// The number of the family of its addresses.
    domain: u16,
    /// Whether it is a stream: bytes without borders.
    is_stream: bool,
    /// The longest waits.
    pub timeouts: Mutex<Timeouts>,
}

impl Socket {
    /// The socket behind a handle.
    #[must_use]
    pub fn new(handle: Handle, domain: u16, is_stream: bool) -> Socket {
        Socket { remote: RemoteFile::new(handle, SOCKET), domain, is_stream, timeouts: Mutex::new(Timeouts::default()) }
    }

    /// The handle.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        self.remote.handle()
    }

    /// The number of the family of its addresses.
    #[must_use]
    pub fn domain(&self) -> u16 {
        self.domain
    }

    /// Whether it is a stream.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// Ask something that takes a name.
    ///
    /// # Errors
    /// What `unixd` answers.
    pub fn ask_with_name(&self, operation: Operation, name: &Name, more: u64) -> Result<[u64; 4]> {
        self.handle().server().post(NAME, &name.bytes);
        self.handle().ask(operation, [name.bytes.len() as u64, u64::from(name.handle()), more])
    }

    /// Ask for a name.
    ///
    /// # Errors
    /// What `unixd` answers.
    pub fn name(&self, of_peer: bool) -> Result<Vec<u8>> {
        let length = self.handle().ask(Operation::SocketName, [u64::from(of_peer), 0, 0])?[0] as usize;
        Ok(self.fetch_name(length))
    }

    fn fetch_name(&self, length: usize) -> Vec<u8> {
        let mut name = alloc::vec![0; length.min(NAME_MOST)];
        self.handle().server().fetch(NAME, &mut name);
        name
    }

    /// Put what goes along where the message's bytes will be.
    fn post_along(&self, along: &Along) {
        let server = self.handle().server();
        if let Some(name) = &along.to {
            server.post(NAME, &name.bytes);
            server.post(PLACE, &name.handle().to_ne_bytes());
        }
        for (index, handle) in along.rights.iter().enumerate() {
            server.post(RIGHTS + 4 * index, &handle.to_ne_bytes());
        }
        for (index, word) in along.credentials.iter().flatten().enumerate() {
            server.post(CREDENTIALS + 4 * index, &word.to_ne_bytes());
        }
    }

    fn send_once(&self, bytes: &[u8], along: &Along) -> Result<usize> {
        let server = self.handle().server();
        if bytes.len() > BYTES_MOST {
            for (index, part) in bytes.chunks(BYTES_MOST).enumerate() {
                server.post(BYTES, part);
                server.call(Request::new(Operation::Stage, [(index * BYTES_MOST) as u64, part.len() as u64, 0]))?;
            }
        } else {
            server.post(BYTES, bytes);
        }
        self.post_along(along);
        let name_bytes = along.to.as_ref().map_or(0, |name| name.bytes.len());
        let words = [
            u64::from(along.flags) | (name_bytes as u64) << 32,
            bytes.len() as u64,
            along.rights.len() as u64 | u64::from(along.credentials.is_some()) << 32,
        ];
        Ok((self.handle().ask(Operation::Send, words)?[0] as usize).min(bytes.len()))
    }

    /// Send everything: `wait` lets time pass where there is no room.
    ///
    /// # Errors
    /// Those of sendmsg(2).
    pub fn send(&self, input: &mut Input, mut along: Along, wait: &mut dyn FnMut() -> Result<()>) -> Result<usize> {
        // A message goes as a whole, a stream in parts that the mailbox holds.
        let most = if self.is_stream { BYTES_MOST } else { unix::message::MESSAGE_MOST + 1 };
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(input.left().min(most)).map_err(|_| Errno::ENOBUFS)?;
        buffer.resize(input.left().min(most), 0);
        let mut total = 0;
        loop {
            let count = match input.take(&mut buffer) {
                Err(_) if total > 0 => return Ok(total),
                count => count?,
            };
            let mut done = 0;
            loop {
                match self.send_once(&buffer[done..count], &along) {
                    Ok(sent) => {
                        (done, total) = (done + sent, total + sent);
                        along.rights.clear();
                    }
                    Err(Errno::EAGAIN) => match wait() {
                        Err(_) if total > 0 => return Ok(total),
                        outcome => outcome?,
                    },
                    Err(_) if total > 0 => return Ok(total),
                    Err(errno) => return Err(errno),
                }
                if done >= count {
                    break;
                }
            }
            if input.left() == 0 || !self.is_stream {
                return Ok(total);
            }
        }
    }

    fn receive_once(&self, output: &mut Output, flags: u32, rights: usize) -> Result<Received> {
        let room = output.room().min(if self.is_stream { BYTES_MOST } else { usize::MAX });
        let [lengths, told, extra, _] = self.handle().ask(Operation::Receive, [u64::from(flags), room as u64, rights as u64])?;
        let (bytes, count) = (lengths as u32 as usize, (lengths >> 32) as usize);
        let server = self.handle().server();
        let mut received = Received { count, flags: told as u32, from: self.fetch_name((told >> 32) as usize), ..Received::default() };
        let word = |at| {
            let mut word = [0; 4];
            server.fetch(at, &mut word);
            u32::from_ne_bytes(word)
        };
        received.rights.extend((0..extra as u32 as usize).map(|index| Handle::new(server, word(RIGHTS + 4 * index))));
        received.credentials = (extra >> 32 != 0).then(|| [0, 4, 8].map(|at| word(CREDENTIALS + at)));
        let mut chunk = [0; 1024];
        let mut done = 0;
        while done < bytes.min(room) {
            let at = done % BYTES_MOST;
            if done > 0 && at == 0 {
                server.call(Request::new(Operation::Unstage, [done as u64, 0, 0]))?;
            }
            let part = &mut chunk[..1024.min(bytes.min(room) - done).min(BYTES_MOST - at)];
            server.fetch(BYTES + at, part);
            output.put(part)?;
            done += part.len();
        }
        Ok(received)
    }

    /// Receive: `wait` lets time pass where there is nothing.
    ///
    /// # Errors
    /// Those of recvmsg(2).
    pub fn receive(&self, output: &mut Output, flags: u32, rights: usize, wait: &mut dyn FnMut() -> Result<()>) -> Result<Received> {
        let mut all: Option<Received> = None;
        loop {
            let received = match (self.receive_once(output, flags, if all.is_none() { rights } else { 0 }), all.take()) {
                (Err(Errno::EAGAIN), before) if before.is_none() || flags & MSG_WAITALL != 0 => {
                    match (wait(), before) {
                        (Err(_), Some(before)) => return Ok(before),
                        (outcome, before) => {
                            outcome?;
                            all = before;
                        }
                    }
                    continue;
                }
                (Err(_), Some(before)) => return Ok(before),
                (outcome, None) => outcome?,
                (Ok(more), Some(before)) if more.count == 0 => return Ok(before),
                (Ok(more), Some(before)) => Received { count: before.count + more.count, ..before },
            };
            // A stream goes on while there may be more of it; what came along ends it.
            let is_end = received.count == 0 || !received.rights.is_empty() || output.room() == 0;
            let is_short = flags & MSG_WAITALL == 0 && output.room() > 0 && received.count % BYTES_MOST != 0;
            if !self.is_stream || flags & MSG_PEEK != 0 || is_end || is_short {
                return Ok(received);
            }
            all = Some(received);
        }
    }
}

impl File for Socket {
    fn read(&self, world: &dyn World, output: &mut Output, _: u64, blocking: Blocking) -> Result<usize> {
        if output.room() == 0 {
            return Ok(0);
        }
        let mut wait = || wait_for_change(world, blocking);
        self.receive(output, 0, 0, &mut wait).map(|received| received.count)
    }

    fn write(&self, world: &dyn World, input: &mut Input, _: Place, blocking: Blocking) -> Result<(usize, u64)> {
        let mut wait = || wait_for_change(world, blocking);
        let outcome = self.send(input, Along::default(), &mut wait);
        if outcome == Err(Errno::EPIPE) && self.is_stream {
            world.signal(SIGPIPE);
        }
        outcome.map(|count| (count, 0))
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn telling(&self) -> Telling<'_> {
        self.remote.telling()
    }

    fn polled(&self) -> Option<&Handle> {
        self.remote.polled()
    }

    fn readiness(&self, world: &dyn World) -> Readiness {
        self.remote.readiness(world)
    }

    fn state(&self, world: &dyn World) -> (Readiness, Edges) {
        self.remote.state(world)
    }

    fn edges(&self, world: &dyn World) -> Edges {
        self.remote.edges(world)
    }

    fn control(&self, world: &dyn World, request: u32, argument: usize) -> Result<usize> {
        if let Some(outcome) = interface::control(world, request, argument) {
            return outcome.map(|()| 0);
        }
        self.remote.control(world, request, argument)
    }

    fn share(&self, _: &'static dyn Server) -> Result<Option<u32>> {
        Ok(Some(self.handle().number()))
    }

    fn socket(&self) -> Option<&Socket> {
        Some(self)
    }
}

/// Let time pass until something may have changed, if sleeping is allowed.
fn wait_for_change(world: &dyn World, blocking: Blocking) -> Result<()> {
    if blocking == Blocking::Refused { Err(Errno::EAGAIN) } else { world.await_change() }
}
