//! Sockets' operations, from requests.

use alloc::sync::Arc;
use alloc::vec::Vec;

use libos::errno::Errno;
use libos::file::Access;
use libos::file::event::AnonymousNode;
use libos::vfs::attributes::Kind as NodeKind;
use libos::vfs::permission::Wanted;
use unix::message::{BYTES, BYTES_MOST, CREDENTIALS, MESSAGE_MOST, NAME, NAME_MOST, PLACE, RIGHTS, RIGHTS_MOST, inode_of};
use unix::{Object, Operation, Request};

use crate::handles::{Held, Opened};
use crate::machine;
use crate::server::{Answer, Server, value};
use crate::socket::internet::Joining;
use crate::socket::transfer::Sending;
use crate::socket::{Credentials, Domain, Endpoint, Kind, Name, Socket};

const MSG_TRUNC: u32 = 0x20;
const MSG_CTRUNC: u32 = 8;
const SOL_SOCKET: u32 = 1;

fn word(letter: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([letter[at], letter[at + 1], letter[at + 2], letter[at + 3]])
}

impl Server {
    /// Serve an operation on a socket.
    ///
    /// # Errors
    /// `EBADF`: no such handle. `ENOTSOCK`: no socket's. Others are the call's.
    pub fn serve_socket(&mut self, id: u32, request: &Request) -> Answer {
        let number = request.large;
        let [first, second, third] = request.words;
        match request.operation {
            Operation::MakeSocket => {
                let (domain, kind) = (Domain::from_number((first >> 8) as u16)?, Kind::from_number(first as u32 & 0xff)?);
                self.hold_socket(id, Socket::of_domain(domain, kind, inode_of(id, second))).and_then(|handle| value(u64::from(handle)))
            }
            Operation::MakeSockets => self.make_sockets(id, first as u32, second),
            Operation::Bind => self.bind(id, request),
            Operation::Listen => {
                let (socket, own) = (self.socket(id, number)?, self.credentials(id)?);
                let is_stream = socket.domain() != Domain::Unix && socket.kind == Kind::Stream;
                let backlog = first as usize;
                if is_stream { socket.listen_at(&self.names.ports, backlog, own) } else { socket.listen(backlog, own) }.and(value(0))
            }
            Operation::Connect => self.connect(id, request),
            Operation::Accept => {
                let socket = self.socket(id, number)?.accept(id, inode_of(id, first))?;
                self.hold_socket(id, socket).and_then(|handle| value(u64::from(handle)))
            }
            Operation::Send => self.send(id, request),
            Operation::Receive => self.receive(id, request),
            Operation::Shutdown if first <= 2 => self.shut_down(id, number, first != 1, first != 0),
            Operation::SocketName => self.socket_name(id, number, first != 0),
            Operation::SocketOption => {
                let (socket, level) = (self.socket(id, number)?, second as u32);
                if level != SOL_SOCKET {
                    return socket.protocol_option(level, first as u32).and_then(|number| value(u64::from(number as u32)));
                }
                let [value, second, third] = socket.option(first as u32)?;
                Ok([value, second, third, 0])
            }
            Operation::SetSocketOption => {
                let (socket, level) = (self.socket(id, number)?, third as u32);
                if level != SOL_SOCKET {
                    return socket.set_protocol_option(level, first as u32, second as i32).and(value(0));
                }
                socket.set_option(first as u32, second as u32, (second >> 32) as u32).and(value(0))
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// A name that a request tells; a path's with a handle of what it leads to, since nobody is found, or taken for another, by a place that
    /// the process cannot come to, or that it may not use so.
    fn name(&mut self, id: u32, socket: &Socket, letter: &[u8], length: usize, place: u32, wanted: Wanted) -> Result<Option<Name>, Errno> {
        let bytes = match length {
            0 => return Ok(None),
            1..=NAME_MOST => &letter[NAME..NAME + length],
            _ => return Err(Errno::EINVAL),
        };
        if socket.domain() != Domain::Unix {
            return Endpoint::from_bytes(bytes).map(|endpoint| Some(Name::of_endpoint(&endpoint))).ok_or(Errno::EINVAL);
        }
        let mut inode = (0, 0);
        if bytes[0] != 0 {
            let entry = self.handles(id)?.entry(place)?;
            self.process(id)?.sandbox.may_use(&entry, b"", wanted)?;
            let attributes = entry.node.attributes();
            if attributes.kind != NodeKind::Socket {
                return Err(Errno::ECONNREFUSED);
            }
            self.family.member(id)?.credentials.for_files().may(&attributes, wanted)?;
            inode = (attributes.device, attributes.inode);
        }
        Name::new(socket.kind, bytes, inode).map(Some)
    }

    fn socket(&mut self, id: u32, number: u32) -> Result<Arc<Socket>, Errno> {
        self.handles(id)?.opened(number)?.socket.clone().ok_or(Errno::ENOTSOCK)
    }

    /// Who a process is, as those see it that it connects with.
    fn credentials(&self, id: u32) -> Result<Credentials, Errno> {
        let own = &self.family.member(id)?.credentials;
        Ok(Credentials { process: id, user: own.user.effective, group: own.group.effective })
    }

    fn hold_socket(&mut self, id: u32, socket: Arc<Socket>) -> Result<u32, Errno> {
        let name = alloc::format!("socket:[{}]", socket.inode());
        let now = machine::tick().time;
        let entry = AnonymousNode::entry(socket.clone(), NodeKind::Socket, socket.inode(), name.as_bytes(), now);
        let access = Access::READ | Access::WRITE;
        let mut opened = Opened::new(entry, socket.clone(), access, Object::Socket);
        opened.socket = Some(socket);
        self.hold(id, opened)
    }

    fn make_sockets(&mut self, id: u32, kind: u32, inode: u64) -> Answer {
        let [first, second] =
            Socket::pair(Kind::from_number(kind)?, [0, 1].map(|next| inode_of(id, inode.wrapping_add(next))), self.credentials(id)?);
        let first = self.hold_socket(id, first)?;
        let second = self.hold_socket(id, second).inspect_err(|_| {
            let _ = self.handles(id).and_then(|handles| handles.release(first));
        })?;
        value(u64::from(first) | u64::from(second) << 32)
    }

    fn bind(&mut self, id: u32, request: &Request) -> Answer {
        let [length, place, _] = request.words;
        let letter = self.process(id)?.channel.letter(NAME_MOST).ok_or(Errno::EINVAL)?;
        let (socket, own) = (self.socket(id, request.large)?, self.credentials(id)?);
        match self.name(id, &socket, &letter, length as usize, place as u32, Wanted::empty())? {
            Some(name) if let Some(endpoint) = name.endpoint() => self.names.ports.bind(&socket, endpoint, own.user == 0)?,
            Some(name) => self.names.bind(&socket, name)?,
            None => self.names.bind_automatically(&socket)?,
        }
        value(0)
    }

    fn connect(&mut self, id: u32, request: &Request) -> Answer {
        let [length, place, is_nonblocking] = request.words;
        let letter = self.process(id)?.channel.letter(NAME_MOST).ok_or(Errno::EINVAL)?;
        let socket = self.socket(id, request.large)?;
        match self.name(id, &socket, &letter, length as usize, place as u32, Wanted::WRITE)? {
            Some(name) => self.connect_to(id, &socket, &name, is_nonblocking != 0)?,
            None => socket.disconnect_at(&self.names.ports),
        }
        value(0)
    }

    fn connect_to(&self, id: u32, socket: &Arc<Socket>, name: &Name, is_nonblocking: bool) -> Result<(), Errno> {
        let own = self.credentials(id)?;
        match name.endpoint() {
            None => socket.connect(&self.names, name, own, id),
            Some(to) if socket.kind == Kind::Stream => {
                socket.connect_stream(&self.names.ports, &Joining { to, own, is_nonblocking, watcher: id })
            }
            Some(to) => socket.direct_to(&self.names.ports, to),
        }
    }

    fn shut_down(&mut self, id: u32, number: u32, input: bool, output: bool) -> Answer {
        let socket = self.socket(id, number)?;
        if socket.domain() != Domain::Unix {
            if input && socket.is_listening() {
                socket.dissolve(&self.names.ports);
                return value(0);
            }
            let is_connected = socket.name(true).is_ok();
            socket.shut_down(input, output);
            return if is_connected { value(0) } else { Err(Errno::ENOTCONN) };
        }
        socket.shut_down(input, output);
        value(0)
    }

    fn send(&mut self, id: u32, request: &Request) -> Answer {
        let [flags, length, extra] = request.words;
        let (flags, name_length, length) = (flags as u32, (flags >> 32) as usize, length as usize);
        let (rights, has_credentials) = (extra as u32 as usize, extra >> 32 != 0);
        if length > MESSAGE_MOST {
            return Err(Errno::EMSGSIZE);
        }
        if rights > RIGHTS_MOST {
            return Err(Errno::EINVAL);
        }
        let in_mailbox = length.min(BYTES_MOST);
        let process = self.process_mut(id)?;
        let letter = process.channel.letter(BYTES + in_mailbox).ok_or(Errno::EINVAL)?;
        let staged = core::mem::take(&mut process.staged);
        let bytes = if length > BYTES_MOST { staged.get(..length).ok_or(Errno::EINVAL)? } else { &letter[BYTES..] };
        let rights: Result<Vec<Held>, Errno> =
            (0..rights).map(|index| process.handles.opened(word(&letter, RIGHTS + 4 * index)).map(Held::Open)).collect();
        let credentials = self.sent_credentials(id, &letter, has_credentials)?;
        let socket = self.socket(id, request.large)?;
        let to = self.name(id, &socket, &letter, name_length, word(&letter, PLACE), Wanted::WRITE)?;
        let sending = Sending { flags, to, bytes, rights: rights?, credentials };
        socket.send(&self.names, sending, id).and_then(|count| value(count as u64))
    }

    /// Credentials that a process sends: its own, or those that it tells. Only root may tell another's.
    fn sent_credentials(&self, id: u32, letter: &[u8], has_credentials: bool) -> Result<Credentials, Errno> {
        let own = &self.family.member(id)?.credentials;
        if !has_credentials {
            return Ok(Credentials { process: id, user: own.user.real, group: own.group.real });
        }
        let [process, user, group] = [0, 4, 8].map(|at| word(letter, CREDENTIALS + at));
        let is_own = process == id && own.user.has(user) && own.group.has(group);
        if !is_own && own.user.effective != 0 {
            return Err(Errno::EPERM);
        }
        if self.processes.get(process).is_none() {
            return Err(Errno::ESRCH);
        }
        Ok(Credentials { process, user, group })
    }

    fn receive(&mut self, id: u32, request: &Request) -> Answer {
        let [flags, room, rights_room] = request.words;
        let flags = flags as u32;
        let socket = self.socket(id, request.large)?;
        let received = socket.receive(flags, (room as usize).min(MESSAGE_MOST), id)?;
        let mut told = received.flags;
        let mut numbers = Vec::new();
        for held in received.rights {
            if numbers.len() >= (rights_room as usize).min(RIGHTS_MOST) {
                told |= MSG_CTRUNC;
                break;
            }
            match self.handles(id)?.insert(held) {
                Ok(number) => numbers.push(number),
                Err(_) => told |= MSG_CTRUNC,
            }
        }
        let channel = &self.process(id)?.channel;
        for (index, number) in numbers.iter().enumerate() {
            channel.answer(RIGHTS + 4 * index, &number.to_ne_bytes());
        }
        if let Some(sender) = received.credentials {
            for (index, word) in [sender.process, sender.user, sender.group].into_iter().enumerate() {
                channel.answer(CREDENTIALS + 4 * index, &word.to_ne_bytes());
            }
        }
        let from = received.from.map(|name| name.bytes).unwrap_or_default();
        channel.answer(NAME, &from);
        channel.answer(BYTES, &received.bytes);
        let count = received.bytes.len();
        if count > BYTES_MOST {
            self.process_mut(id)?.staged = received.bytes;
        }
        let length = if flags & MSG_TRUNC != 0 { received.length } else { count };
        let lengths = count as u64 | (length as u64) << 32;
        let has_credentials = u64::from(received.credentials.is_some());
        Ok([lengths, u64::from(told) | (from.len() as u64) << 32, numbers.len() as u64 | has_credentials << 32, 0])
    }

    fn socket_name(&mut self, id: u32, number: u32, of_peer: bool) -> Answer {
        let socket = self.socket(id, number)?;
        let name = socket.name(of_peer)?.map(|name| name.bytes).unwrap_or_default();
        self.process(id)?.channel.answer(NAME, &name);
        value(name.len() as u64)
    }

    /// Keep bytes for a message that is longer than the mailbox.
    pub(crate) fn stage(&mut self, id: u32, request: &Request) -> Answer {
        let [offset, length, _] = request.words;
        let (offset, length) = (offset as usize, length as usize);
        let process = self.process_mut(id)?;
        let letter = process.channel.letter(BYTES + length.min(BYTES_MOST)).ok_or(Errno::EINVAL)?;
        // One part after the other, from the first on.
        let end = offset.checked_add(letter.len() - BYTES).filter(|&end| end <= MESSAGE_MOST).ok_or(Errno::EMSGSIZE)?;
        if offset > process.staged.len() {
            return Err(Errno::EINVAL);
        }
        process.staged.truncate(offset);
        process.staged.try_reserve_exact(end - offset).map_err(|_| Errno::ENOBUFS)?;
        process.staged.extend_from_slice(&letter[BYTES..]);
        value(end as u64)
    }

    /// Give more of a message that is longer than the mailbox.
    pub(crate) fn unstage(&mut self, id: u32, request: &Request) -> Answer {
        let process = self.process_mut(id)?;
        let rest = process.staged.get(request.words[0] as usize..).ok_or(Errno::EINVAL)?;
        let count = process.channel.answer(BYTES, rest);
        if count == rest.len() {
            process.staged = Vec::new();
        }
        value(count as u64)
    }
}
