//! sendmsg(2), recvmsg(2).

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use libos::errno::Errno;

use crate::handles::Held;
use crate::socket::flight::Luggage;
use crate::socket::{Credentials, Kind, Message, Name, Names, Role, Socket, State};

const MSG_PEEK: u32 = 2;
const MSG_TRUNC: u32 = 0x20;
const MSG_OOB: u32 = 1;
/// What a datagram's buffer needs besides its bytes.
const DATAGRAM_MARGIN: usize = 32;
/// Datagrams that wait at one that has no peer (`net.unix.max_dgram_qlen`), and one more.
const WAITING_MOST: usize = 11;
/// The most parts of a stream that are read at once.
const PARTS_MOST: usize = 1024;

/// Something that is sent.
pub struct Sending<'a> {
    /// sendmsg(2)'s flags.
    pub flags: u32,
    /// Where to, if it is told.
    pub to: Option<Name>,
    /// The bytes.
    pub bytes: &'a [u8],
    /// What goes along.
    pub rights: Vec<Held>,
    /// Who sends.
    pub credentials: Credentials,
}

/// Something that was received.
#[derive(Default)]
pub struct Received {
    /// The bytes, as many as there was room for.
    pub bytes: Vec<u8>,
    /// How many there were.
    pub length: usize,
    /// recvmsg(2)'s flags.
    pub flags: u32,
    /// What came along.
    pub rights: Vec<Held>,
    /// Who sent it, if the socket is told.
    pub credentials: Option<Credentials>,
    /// What the sender is called.
    pub from: Option<Name>,
}

impl Socket {
    /// Send; gives how many bytes.
    ///
    /// # Errors
    /// Those of sendmsg(2). `EAGAIN`: there is no room; `watcher` is told when there is.
    pub fn send(self: &Arc<Socket>, names: &Names, sending: Sending, watcher: u32) -> Result<usize, Errno> {
        let wanted = sending.bytes.len();
        let outcome = self.send_as_is(names, sending, watcher);
        if matches!(outcome, Err(Errno::EAGAIN)) || outcome.as_ref().is_ok_and(|&count| count < wanted) {
            self.state.lock().is_short = true;
        }
        outcome
    }

    fn send_as_is(self: &Arc<Socket>, names: &Names, sending: Sending, watcher: u32) -> Result<usize, Errno> {
        match self.kind {
            Kind::Stream if self.is_of_internet() => return self.send_bytes(sending, watcher),
            _ if self.is_of_internet() => return self.send_packet(&names.ports, sending),
            _ => {}
        }
        if sending.flags & MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        if self.kind == Kind::Stream { self.send_stream(sending, watcher) } else { self.send_message(names, sending, watcher) }
    }

    /// There is room: if there was none when it was wanted, that is news.
    fn note_room(&self) {
        let was_short = core::mem::take(&mut self.state.lock().is_short);
        if was_short {
            let is_writable = self.readiness_to_send();
            let mut state = self.state.lock();
            state.is_short = !is_writable;
            if is_writable {
                state.news.note_output();
            }
        }
    }

    fn send_stream(self: &Arc<Socket>, sending: Sending, watcher: u32) -> Result<usize, Errno> {
        let (peer, most, no_output, is_connected) = {
            let state = self.state.lock();
            let is_connected = matches!(state.role, Role::Connected);
            (state.peer.clone(), state.options.send, state.no_output, is_connected)
        };
        if sending.to.is_some() {
            return Err(if is_connected { Errno::EISCONN } else { Errno::EOPNOTSUPP });
        }
        let peer = peer.ok_or(Errno::ENOTCONN)?;
        let peer = peer.upgrade().filter(|_| !no_output).ok_or(Errno::EPIPE)?;
        if sending.bytes.is_empty() {
            return Ok(0);
        }
        if peer.state.lock().no_input {
            return Err(Errno::EPIPE);
        }
        peer.take_piece(self, sending, most, watcher)
    }

    /// A stream's end gets as much of what the other one sends as there is room for, of `most` bytes; gives how many.
    ///
    /// # Errors
    /// `EAGAIN`: there is none; `watcher` is told when there is. `ENOMEM`: no memory.
    pub(super) fn take_piece(&self, sender: &Arc<Socket>, sending: Sending, most: usize, watcher: u32) -> Result<usize, Errno> {
        let mut state = self.state.lock();
        let room = room(&state, most);
        if room == 0 {
            self.senders.subscribe(watcher);
            return Err(Errno::EAGAIN);
        }
        let count = sending.bytes.len().min(room);
        put(&mut state, copy(&sending.bytes[..count])?, sending.rights, sending.credentials, None, Arc::downgrade(sender));
        drop(state);
        self.watchers.tell();
        Ok(count)
    }

    fn send_message(self: &Arc<Socket>, names: &Names, sending: Sending, watcher: u32) -> Result<usize, Errno> {
        let (most, no_output, own_name) = {
            let state = self.state.lock();
            (state.options.send, state.no_output, state.name.clone())
        };
        // A connected one's name is passed over where there is a connection.
        let to = sending.to.as_ref().filter(|_| self.kind == Kind::Datagram);
        let receiver = match to {
            Some(name) => names.find(name)?,
            None => self.receiver()?,
        };
        if sending.bytes.len() > most - DATAGRAM_MARGIN {
            return Err(Errno::EMSGSIZE);
        }
        if receiver.kind != self.kind {
            return Err(Errno::EPROTOTYPE);
        }
        if no_output {
            return Err(Errno::EPIPE);
        }
        if self.kind == Kind::Datagram && !receiver.takes_from(self) {
            return Err(Errno::EPERM);
        }
        let is_mutual = receiver.peer().is_some_and(|peer| Arc::ptr_eq(&peer, self));
        let mut state = receiver.state.lock();
        if state.no_input {
            return Err(Errno::EPIPE);
        }
        let is_full = !state.incoming.is_empty() && state.waiting + sending.bytes.len() > most;
        if is_full || !is_mutual && state.incoming.len() >= WAITING_MOST {
            receiver.senders.subscribe(watcher);
            return Err(Errno::EAGAIN);
        }
        put(&mut state, copy(sending.bytes)?, sending.rights, sending.credentials, own_name, Arc::downgrade(self));
        drop(state);
        receiver.watchers.tell();
        Ok(sending.bytes.len())
    }

    /// Where messages without a name go.
    fn receiver(&self) -> Result<Arc<Socket>, Errno> {
        let peer = self.state.lock().peer.clone().ok_or(Errno::ENOTCONN)?;
        peer.upgrade().ok_or_else(|| {
            if self.kind == Kind::Datagram {
                self.disconnect();
                Errno::ECONNREFUSED
            } else {
                Errno::EPIPE
            }
        })
    }

    /// Receive.
    ///
    /// # Errors
    /// Those of recvmsg(2). `EAGAIN`: nothing is there; `watcher` is told when something comes.
    pub fn receive(&self, flags: u32, room: usize, watcher: u32) -> Result<Received, Errno> {
        match self.kind {
            Kind::Stream if self.is_of_internet() => return self.receive_bytes(flags, room, watcher),
            _ if self.is_of_internet() => return self.receive_packet(flags, room, watcher),
            _ => {}
        }
        if flags & MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        let mut state = self.state.lock();
        let is_connected = matches!(state.role, Role::Connected);
        match self.kind {
            Kind::Stream if !is_connected => return Err(Errno::EINVAL),
            Kind::SeqPacket if !is_connected => return Err(Errno::ENOTCONN),
            _ => {}
        }
        if state.incoming.is_empty() {
            if let Some(error) = state.error.take() {
                return Err(error);
            }
            if state.no_input {
                return Ok(Received::default());
            }
            self.watchers.subscribe(watcher);
            return Err(Errno::EAGAIN);
        }
        let (before, sender) = (state.waiting, state.incoming.front().map(|message| message.sender.clone()));
        let received =
            if self.kind == Kind::Stream { take_stream(&mut state, flags, room)? } else { take_message(&mut state, flags, room)? };
        let is_freed = state.waiting < before;
        drop(state);
        if let Some(sender) = sender.filter(|_| is_freed) {
            self.note_freed(&sender);
        }
        Ok(received)
    }

    /// A message is gone that waited here: who sent it has room again, which is an edge if it is enough to be told of.
    fn note_freed(&self, sender: &Weak<Socket>) {
        self.senders.tell();
        let Some(sender) = sender.upgrade() else { return };
        let waiting = self.state.lock().waiting;
        let mut state = sender.state.lock();
        if is_roomy(waiting, state.options.send) {
            state.edges.note_output();
        }
        drop(state);
        sender.note_room();
        sender.watchers.tell();
    }

    /// Something was received with these flags: there may be room.
    pub(super) fn note_taken(&self, flags: u32) {
        if flags & MSG_PEEK == 0 {
            self.senders.tell();
            if let Some(peer) = self.peer() {
                peer.state.lock().edges.note_output();
                peer.note_room();
                peer.watchers.tell();
            }
        }
    }
}

pub(super) fn copy(bytes: &[u8]) -> Result<Vec<u8>, Errno> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len()).map_err(|_| Errno::ENOBUFS)?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

pub(super) fn put(
    state: &mut State,
    bytes: Vec<u8>,
    rights: Vec<Held>,
    credentials: Credentials,
    from: Option<Name>,
    sender: Weak<Socket>,
) {
    let message = Message { bytes, read: 0, rights: Luggage::new(rights), credentials, from, sender };
    state.waiting += message.weight();
    state.edges.note_input();
    state.news.note_input();
    state.incoming.push_back(message);
}

/// Bytes of a stream that there is room for, of so many.
pub(super) fn room(state: &State, most: usize) -> usize {
    most.saturating_sub(state.waiting)
}

/// Whether there is room that is told of, of `most`: no more than a quarter of it may wait.
pub(super) fn is_roomy(waiting: usize, most: usize) -> bool {
    waiting * 4 <= most
}

/// What a receiver is told of a message besides its bytes.
fn about(state: &State, message: &Message) -> Received {
    Received {
        rights: message.rights.copy(),
        credentials: state.options.pass_credentials.then_some(message.credentials),
        from: message.from.clone(),
        ..Received::default()
    }
}

pub(super) fn take_message(state: &mut State, flags: u32, room: usize) -> Result<Received, Errno> {
    let message = state.incoming.front().ok_or(Errno::EAGAIN)?;
    let count = message.bytes.len().min(room);
    let bytes = copy(&message.bytes[..count])?;
    let received = Received {
        bytes,
        length: message.bytes.len(),
        flags: if count < message.bytes.len() { MSG_TRUNC } else { 0 },
        ..about(state, message)
    };
    if flags & MSG_PEEK == 0 {
        drop_front(state);
    }
    Ok(received)
}

fn drop_front(state: &mut State) {
    if let Some(message) = state.incoming.pop_front() {
        state.waiting -= message.weight();
    }
}

/// Bytes of one part of the stream after the other, up to one that something came along with, or that somebody else sent.
pub(super) fn take_stream(state: &mut State, flags: u32, room: usize) -> Result<Received, Errno> {
    let front = state.incoming.front().ok_or(Errno::EAGAIN)?;
    let sender = front.credentials;
    let mut received = about(state, front);
    received.bytes.try_reserve_exact(room.min(state.waiting)).map_err(|_| Errno::ENOBUFS)?;
    for index in 0..PARTS_MOST {
        let at = if flags & MSG_PEEK == 0 { 0 } else { index };
        let Some(message) = state.incoming.get_mut(at) else { break };
        if index > 0 && (!message.rights.is_empty() || state.options.pass_credentials && message.credentials != sender) {
            break;
        }
        let count = message.rest().len().min(room - received.bytes.len());
        received.bytes.extend_from_slice(&message.rest()[..count]);
        let had_rights = !message.rights.is_empty();
        if flags & MSG_PEEK == 0 {
            message.read += count;
            // They go with the first byte.
            drop(message.rights.take());
            if message.rest().is_empty() {
                drop_front(state);
            }
        }
        if had_rights || received.bytes.len() == room {
            break;
        }
    }
    received.length = received.bytes.len();
    Ok(received)
}
