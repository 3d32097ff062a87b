//! Connections between streams of the Internet: tcp(7), as far as programs see it.
//!
//! A side that is closed has sent its end (FIN); with bytes left that nobody read, it has ended the connection (RST). What is sent to a side that is
//! closed is lost, and ends it too.

use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};

use libos::errno::Errno;

use super::{Endpoint, Ports};
use crate::socket::transfer::{Sending, take_stream};
use crate::socket::{Credentials, Kind, Name, Role, Socket, transfer::Received};

const MSG_OOB: u32 = 1;

/// How connect(2) asks.
pub struct Joining {
    /// Where to.
    pub to: Endpoint,
    /// Who asks.
    pub own: Credentials,
    /// Whether it does not wait.
    pub is_nonblocking: bool,
    /// Who is told when there is room.
    pub watcher: u32,
}

impl Socket {
    /// connect(2) of a stream.
    ///
    /// # Errors
    /// `EISCONN`: it has a peer, or listens. `ECONNREFUSED`: nobody listens there. `ENETUNREACH`: that is nowhere. `EINPROGRESS`: who does not wait
    /// hears later how it went. `EAGAIN`: too many wait there already. `EADDRNOTAVAIL`: no port is free.
    pub fn connect_stream(self: &Arc<Socket>, ports: &Ports, joining: &Joining) -> Result<(), Errno> {
        let only_v6 = {
            let mut state = self.state.lock();
            if core::mem::take(&mut state.internet.is_connecting) {
                return state.error.take().map_or(Ok(()), Err);
            }
            if !matches!(state.role, Role::Idle) {
                return Err(Errno::EISCONN);
            }
            state.internet.only_v6
        };
        let to = joining.to.routed(only_v6)?;
        ports.bind_automatically(self).map_err(|_| Errno::EADDRNOTAVAIL)?;
        {
            let mut state = self.state.lock();
            (state.no_input, state.no_output, state.error) = (false, false, None);
        }
        let Some(listener) = ports.listener(&to) else {
            self.loosen(ports);
            let mut state = self.state.lock();
            if !joining.is_nonblocking {
                return Err(Errno::ECONNREFUSED);
            }
            (state.no_input, state.no_output, state.error) = (true, true, Some(Errno::ECONNREFUSED));
            state.internet.is_connecting = true;
            drop(state);
            self.tell();
            return Err(Errno::EINPROGRESS);
        };
        self.join_stream(ports, &listener, to, joining)
    }

    fn join_stream(self: &Arc<Socket>, ports: &Ports, listener: &Arc<Socket>, to: Endpoint, joining: &Joining) -> Result<(), Errno> {
        let server = Socket::of_domain(listener.domain, self.kind, 0);
        let mut at_listener = listener.state.lock();
        let Role::Listening(most, waiting) = &at_listener.role else { return Err(Errno::ECONNREFUSED) };
        if waiting.len() > *most && !joining.is_nonblocking {
            listener.senders.subscribe(joining.watcher);
            return Err(Errno::EAGAIN);
        }
        let from = {
            let mut state = self.state.lock();
            let at = state.name.as_ref().and_then(Name::endpoint).unwrap_or_else(|| to.source());
            let from = if at.is_any() { Endpoint { port: at.port, ..to.source() } } else { at };
            state.role = Role::Connected;
            state.name = Some(Name::of_endpoint(&from));
            state.peer = Some(Arc::downgrade(&server));
            state.peer_name = Some(Name::of_endpoint(&to));
            state.peer_credentials = at_listener.peer_credentials;
            state.internet.is_connecting = joining.is_nonblocking;
            state.news.note_output();
            from
        };
        {
            let mut state = server.state.lock();
            state.role = Role::Connected;
            state.name = Some(Name::of_endpoint(&to));
            state.peer = Some(Arc::downgrade(self));
            state.peer_name = Some(Name::of_endpoint(&from));
            state.peer_credentials = Some(joining.own);
            state.options = at_listener.options.clone();
            state.internet.values.clone_from(&at_listener.internet.values);
            state.internet.only_v6 = at_listener.internet.only_v6;
            (state.internet.is_address_fixed, state.internet.is_port_fixed) = (true, true);
        }
        if let Role::Listening(_, waiting) = &mut at_listener.role {
            waiting.push_back(server.clone());
        }
        at_listener.edges.note_input();
        at_listener.news.note_input();
        drop(at_listener);
        ports.note(&server, to.port);
        listener.watchers.tell();
        self.tell();
        if joining.is_nonblocking { Err(Errno::EINPROGRESS) } else { Ok(()) }
    }

    /// listen(2) of a stream.
    ///
    /// # Errors
    /// `EINVAL`: it has a peer. `EADDRINUSE`: another takes connections there.
    pub fn listen_at(self: &Arc<Socket>, ports: &Ports, backlog: usize, own: Credentials) -> Result<(), Errno> {
        if matches!(self.state.lock().role, Role::Connected) {
            return Err(Errno::EINVAL);
        }
        ports.bind_automatically(self)?;
        ports.check_listening(self)?;
        self.listen(backlog, own)
    }

    /// connect(2) to `AF_UNSPEC`, and shutdown(2) of what listens: be as when it was bound.
    pub fn dissolve(&self, ports: &Ports) {
        let (peer, waiting) = {
            let mut state = self.state.lock();
            let was_connected = matches!(state.role, Role::Connected) && self.kind == Kind::Stream;
            let waiting = match core::mem::replace(&mut state.role, Role::Idle) {
                Role::Listening(_, waiting) => waiting,
                _ => VecDeque::new(),
            };
            state.peer_name = None;
            (state.no_input, state.no_output) = (false, false);
            state.error = was_connected.then_some(Errno::ECONNRESET);
            state.incoming.clear();
            state.waiting = 0;
            (state.peer.take().and_then(|peer| peer.upgrade()), waiting)
        };
        peer.iter().for_each(|peer| peer.reset());
        waiting.iter().filter_map(|socket| socket.peer()).for_each(|peer| peer.reset());
        self.loosen(ports);
        self.tell();
    }

    /// Give up an address, and a port, that nobody bound. A stream's port is still told.
    pub(in crate::socket) fn loosen(&self, ports: &Ports) {
        let mut state = self.state.lock();
        let Some(at) = state.name.as_ref().and_then(Name::endpoint) else { return };
        let is_fixed = state.internet.is_port_fixed;
        let address = if state.internet.is_address_fixed { at } else { Endpoint::any(self.domain) };
        let port = if is_fixed || self.kind == Kind::Stream { at.port } else { 0 };
        state.name = Some(Name::of_endpoint(&Endpoint { port, ..address }));
        state.internet.is_loose = !is_fixed;
        drop(state);
        if !is_fixed {
            ports.forget(self, at.port);
        }
    }

    /// The connection was ended by the other side.
    pub(in crate::socket) fn reset(&self) {
        let mut state = self.state.lock();
        (state.no_input, state.no_output) = (true, true);
        state.error = Some(Errno::ECONNRESET);
        state.news.note_input();
        drop(state);
        self.tell();
    }

    /// The other side sends nothing any more.
    pub(in crate::socket) fn end(&self) {
        {
            let mut state = self.state.lock();
            state.no_input = true;
            state.news.note_input();
        }
        self.tell();
    }

    pub(in crate::socket) fn send_bytes(self: &Arc<Socket>, sending: Sending, watcher: u32) -> Result<usize, Errno> {
        let (peer, most) = {
            let mut state = self.state.lock();
            if let Some(error) = state.error.take() {
                return Err(error);
            }
            if state.no_output || !matches!(state.role, Role::Connected) {
                return Err(Errno::EPIPE);
            }
            if sending.bytes.is_empty() {
                return Ok(0);
            }
            (state.peer.as_ref().and_then(Weak::upgrade), state.options.send)
        };
        let Some(peer) = peer else {
            // It was closed: these are lost, and its answer ends the connection.
            let mut state = self.state.lock();
            (state.no_output, state.error) = (true, Some(Errno::EPIPE));
            drop(state);
            self.tell();
            return Ok(sending.bytes.len());
        };
        peer.take_piece(self, sending, most, watcher)
    }

    pub(in crate::socket) fn receive_bytes(&self, flags: u32, most: usize, watcher: u32) -> Result<Received, Errno> {
        let mut state = self.state.lock();
        if flags & MSG_OOB != 0 {
            return Err(Errno::EINVAL);
        }
        if matches!(state.role, Role::Listening(..)) {
            return Err(Errno::ENOTCONN);
        }
        if !state.incoming.is_empty() {
            let received = take_stream(&mut state, flags, most)?;
            drop(state);
            self.note_taken(flags);
            return Ok(received);
        }
        // That it was ended later does not change that its end had come.
        if let Some(error) = state.error.take_if(|error| *error != Errno::EPIPE) {
            return Err(error);
        }
        match state.role {
            _ if state.no_input => Ok(Received::default()),
            Role::Connected => {
                self.watchers.subscribe(watcher);
                Err(Errno::EAGAIN)
            }
            _ => Err(Errno::ENOTCONN),
        }
    }
}
