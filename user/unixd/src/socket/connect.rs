//! How sockets find each other: connect(2), listen(2), accept(2).

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use libos::errno::Errno;

use crate::socket::internet::Ports;
use crate::socket::{Credentials, Kind, Name, Names, Role, Socket};

/// The most connections that wait (`net.core.somaxconn`).
const BACKLOG_MOST: usize = 4096;

impl Socket {
    /// listen(2)
    ///
    /// # Errors
    /// `EOPNOTSUPP`: a datagram socket. `EINVAL`: it has no name, or a peer.
    pub fn listen(&self, backlog: usize, own: Credentials) -> Result<(), Errno> {
        if self.kind == Kind::Datagram {
            return Err(Errno::EOPNOTSUPP);
        }
        let backlog = backlog.min(BACKLOG_MOST);
        let mut state = self.state.lock();
        if state.name.is_none() {
            return Err(Errno::EINVAL);
        }
        match &mut state.role {
            Role::Connected => return Err(Errno::EINVAL),
            Role::Listening(most, _) => *most = backlog,
            Role::Idle => state.role = Role::Listening(backlog, VecDeque::new()),
        }
        // Whoever connects sees who listened.
        state.peer_credentials = Some(own);
        drop(state);
        self.tell();
        Ok(())
    }

    /// connect(2)
    ///
    /// # Errors
    /// `ECONNREFUSED`: nobody of that name listens. `EPROTOTYPE`: of another type. `EISCONN`: it has a peer. `EINVAL`: it listens itself.
    /// `EAGAIN`: too many wait there already; `watcher` is told. `EPERM`: a datagram socket that only wants to hear another.
    pub fn connect(self: &Arc<Socket>, names: &Names, name: &Name, own: Credentials, watcher: u32) -> Result<(), Errno> {
        let other = names.find(name)?;
        if other.kind != self.kind {
            return Err(Errno::EPROTOTYPE);
        }
        if self.kind == Kind::Datagram { self.direct(&other, name) } else { self.join(&other, name, own, watcher) }
    }

    /// Let datagrams go to another socket.
    fn direct(self: &Arc<Socket>, other: &Arc<Socket>, name: &Name) -> Result<(), Errno> {
        if !other.takes_from(self) {
            return Err(Errno::EPERM);
        }
        let mut state = self.state.lock();
        state.peer = Some(Arc::downgrade(other));
        state.peer_name = Some(name.clone());
        state.role = Role::Connected;
        Ok(())
    }

    /// Whether a datagram socket takes what another sends: if it has a peer, only from that.
    pub(super) fn takes_from(&self, sender: &Arc<Socket>) -> bool {
        let state = self.state.lock();
        state.peer.as_ref().and_then(alloc::sync::Weak::upgrade).is_none_or(|peer| Arc::ptr_eq(&peer, sender))
    }

    /// Without a peer any more: a datagram socket that connects to `AF_UNSPEC`.
    pub fn disconnect(&self) {
        let mut state = self.state.lock();
        state.peer = None;
        state.peer_name = None;
        state.role = Role::Idle;
    }

    /// The same, of whichever domain.
    pub fn disconnect_at(&self, ports: &Ports) {
        match (self.is_of_internet(), self.kind) {
            (false, _) => self.disconnect(),
            (true, Kind::Stream) => self.dissolve(ports),
            (true, _) => {
                self.disconnect();
                self.loosen(ports);
            }
        }
    }

    /// Whether it takes connections.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        matches!(self.state.lock().role, Role::Listening(..))
    }

    /// Whether it can be connected.
    fn check_idle(&self) -> Result<(), Errno> {
        match self.state.lock().role {
            Role::Connected => Err(Errno::EISCONN),
            Role::Listening(..) => Err(Errno::EINVAL),
            Role::Idle => Ok(()),
        }
    }

    /// Wait at a listener to be accepted: the connection is made already.
    fn join(self: &Arc<Socket>, listener: &Arc<Socket>, name: &Name, own: Credentials, watcher: u32) -> Result<(), Errno> {
        if Arc::ptr_eq(self, listener) {
            return Err(Errno::EINVAL);
        }
        let server = Socket::new(self.kind, 0);
        let mut at_listener = listener.state.lock();
        let credentials = at_listener.peer_credentials;
        let (is_shut, listening_name) = (at_listener.no_input, at_listener.name.clone());
        let Role::Listening(most, waiting) = &mut at_listener.role else { return Err(Errno::ECONNREFUSED) };
        if is_shut {
            return Err(Errno::ECONNREFUSED);
        }
        if waiting.len() > *most {
            listener.senders.subscribe(watcher);
            return Err(Errno::EAGAIN);
        }
        self.check_idle()?;
        {
            let mut state = server.state.lock();
            state.role = Role::Connected;
            state.name = listening_name;
            state.peer = Some(Arc::downgrade(self));
            state.peer_name = self.state.lock().name.clone();
            state.peer_credentials = Some(own);
        }
        {
            let mut state = self.state.lock();
            state.role = Role::Connected;
            state.peer = Some(Arc::downgrade(&server));
            state.peer_name = Some(name.clone());
            state.peer_credentials = credentials;
        }
        waiting.push_back(server);
        at_listener.edges.note_input();
        at_listener.news.note_input();
        drop(at_listener);
        listener.watchers.tell();
        // On Linux this is no edge of its own.
        self.watchers.tell();
        self.senders.tell();
        Ok(())
    }

    /// accept(2), with the number of an inode.
    ///
    /// # Errors
    /// `EOPNOTSUPP`: a datagram socket. `EINVAL`: it does not listen, or not any more. `EAGAIN`: nobody waits; `watcher` is told.
    pub fn accept(&self, watcher: u32, inode: u64) -> Result<Arc<Socket>, Errno> {
        if self.kind == Kind::Datagram {
            return Err(Errno::EOPNOTSUPP);
        }
        let mut state = self.state.lock();
        let is_shut = state.no_input;
        let Role::Listening(_, waiting) = &mut state.role else { return Err(Errno::EINVAL) };
        match waiting.pop_front() {
            Some(socket) => {
                socket.inode.store(inode, Ordering::Relaxed);
                drop(state);
                self.senders.tell();
                Ok(socket)
            }
            None if is_shut => Err(Errno::EINVAL),
            None => {
                self.watchers.subscribe(watcher);
                Err(Errno::EAGAIN)
            }
        }
    }
}

impl Socket {
    /// What it is called, or what its peer is.
    ///
    /// # Errors
    /// `ENOTCONN`: it has no peer.
    pub fn name(&self, of_peer: bool) -> Result<Option<Name>, Errno> {
        let state = self.state.lock();
        if self.is_of_internet() && of_peer {
            let is_over = self.kind == Kind::Stream && state.no_input && state.no_output;
            let has_port = state.peer_name.as_ref().and_then(Name::endpoint).is_some_and(|peer| peer.port != 0);
            let is_there = matches!(state.role, Role::Connected) && !is_over && has_port;
            return if is_there { Ok(state.peer_name.clone()) } else { Err(Errno::ENOTCONN) };
        }
        match (of_peer, &state.peer) {
            (false, _) => Ok(state.name.clone()),
            (true, None) => Err(Errno::ENOTCONN),
            (true, Some(peer)) => Ok(state.peer_name.clone().or_else(|| peer.upgrade().and_then(|peer| peer.state.lock().name.clone()))),
        }
    }
}
