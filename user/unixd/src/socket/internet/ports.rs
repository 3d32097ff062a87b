//! Which sockets have which ports.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use libos::errno::Errno;
use spin::Mutex;

use super::endpoint::{Domain, Endpoint};
use crate::socket::{Kind, Name, Role, Socket, State};

/// Ports that are given to who names none (`net.ipv4.ip_local_port_range`).
const FIRST: u16 = 32_768;
const COUNT: u16 = 28_232;
/// Ports below this are root's (`net.ipv4.ip_unprivileged_port_start`).
const FREE_FOR_ALL: u16 = 1024;

/// Sockets by whether they are streams, and by their ports.
type ByPort = BTreeMap<(bool, u16), Vec<Weak<Socket>>>;

/// All sockets that have a port.
#[derive(Default)]
pub struct Ports {
    bound: Mutex<ByPort>,
    last: Mutex<u16>,
}

/// Where a socket is bound, and what it says about sharing that.
struct Claim {
    at: Endpoint,
    only_v6: bool,
    is_listening: bool,
    shares_address: bool,
    shares_port: bool,
}

impl Claim {
    fn of(state: &State, at: Endpoint) -> Claim {
        Claim {
            at,
            only_v6: state.internet.only_v6,
            is_listening: matches!(state.role, Role::Listening(..)),
            shares_address: state.options.reuses_address(),
            shares_port: state.options.reuses_port(),
        }
    }

    fn overlaps(&self, other: &Claim) -> bool {
        let both_all = self.at.is_any() && other.at.is_any();
        let is_apart = |one: &Claim, other: &Claim| one.only_v6 && !one.at.is_v4() && other.at.is_v4();
        match both_all {
            true if is_apart(self, other) || is_apart(other, self) => false,
            true => true,
            false => self.at.takes(self.only_v6, &other.at) || other.at.takes(other.only_v6, &self.at),
        }
    }

    fn permits(&self, other: &Claim, is_stream: bool) -> bool {
        let shares_address = self.shares_address && other.shares_address && !(is_stream && (other.is_listening || self.is_listening));
        shares_address || self.shares_port && other.shares_port
    }
}

impl Ports {
    fn at(&self, kind: Kind, port: u16) -> Vec<Arc<Socket>> {
        let bound = self.bound.lock();
        bound.get(&(kind == Kind::Stream, port)).into_iter().flatten().filter_map(Weak::upgrade).collect()
    }

    /// Whether a socket may be at a port.
    fn is_free(&self, socket: &Arc<Socket>, claim: &Claim) -> bool {
        let is_stream = socket.kind == Kind::Stream;
        self.at(socket.kind, claim.at.port).iter().filter(|other| !Arc::ptr_eq(other, socket)).all(|other| {
            let state = other.state.lock();
            let Some(at) = state.name.as_ref().and_then(Name::endpoint) else { return true };
            let other = Claim::of(&state, at);
            !claim.overlaps(&other) || claim.permits(&other, is_stream)
        })
    }

    /// Note that a socket has a port.
    pub(super) fn note(&self, socket: &Arc<Socket>, port: u16) {
        let mut bound = self.bound.lock();
        let sockets = bound.entry((socket.kind == Kind::Stream, port)).or_default();
        sockets.retain(|other| other.strong_count() > 0 && other.as_ptr() != Arc::as_ptr(socket));
        sockets.push(Arc::downgrade(socket));
    }

    /// A socket does not have its port any more.
    pub(super) fn forget(&self, socket: &Socket, port: u16) {
        let mut bound = self.bound.lock();
        let key = (socket.kind == Kind::Stream, port);
        if let Some(sockets) = bound.get_mut(&key) {
            sockets.retain(|other| other.strong_count() > 0 && !core::ptr::eq(other.as_ptr(), socket));
            if sockets.is_empty() {
                bound.remove(&key);
            }
        }
    }

    /// bind(2): give a socket an address and a port; port 0: one that is free.
    ///
    /// # Errors
    /// `EINVAL`: it has one, or none of its kind. `EADDRNOTAVAIL`: the address is not this machine's. `EACCES`: the port is root's.
    /// `EADDRINUSE`: another has it.
    pub fn bind(&self, socket: &Arc<Socket>, at: Endpoint, is_root: bool) -> Result<(), Errno> {
        {
            let state = socket.state.lock();
            let is_v6 = socket.domain == Domain::Internet6;
            let is_bound = state.name.is_some() && !state.internet.is_loose;
            let is_kept = at.port != 0 && at.port < FREE_FOR_ALL && !is_root;
            // The order is Linux's.
            match () {
                () if is_v6 && is_kept => return Err(Errno::EACCES),
                () if is_v6 && (is_bound || state.internet.only_v6 && at.is_v4()) => return Err(Errno::EINVAL),
                () if !at.is_any() && !at.is_loopback() => return Err(Errno::EADDRNOTAVAIL),
                () if is_kept => return Err(Errno::EACCES),
                () if is_bound => return Err(Errno::EINVAL),
                () => {}
            }
        }
        self.take(socket, at)?;
        let mut state = socket.state.lock();
        state.internet.is_address_fixed = !at.is_any();
        state.internet.is_port_fixed = at.port != 0;
        Ok(())
    }

    /// Give a socket that has none a port of its own.
    ///
    /// # Errors
    /// `EADDRINUSE`: there is none.
    pub fn bind_automatically(&self, socket: &Arc<Socket>) -> Result<(), Errno> {
        let at = {
            let state = socket.state.lock();
            if state.name.is_some() && !state.internet.is_loose {
                return Ok(());
            }
            // An address that was bound stays, whatever became of the port.
            state.name.as_ref().and_then(Name::endpoint).filter(|_| state.internet.is_address_fixed)
        };
        self.take(socket, Endpoint { port: 0, ..at.unwrap_or_else(|| Endpoint::any(socket.domain)) })
    }

    fn take(&self, socket: &Arc<Socket>, at: Endpoint) -> Result<(), Errno> {
        let claim = |port| Claim::of(&socket.state.lock(), Endpoint { port, ..at });
        let port = if at.port != 0 {
            Some(at.port).filter(|&port| self.is_free(socket, &claim(port)))
        } else {
            (0..COUNT).map(|_| self.next()).find(|&port| self.is_free(socket, &claim(port)))
        };
        let port = port.ok_or(Errno::EADDRINUSE)?;
        let mut state = socket.state.lock();
        state.name = Some(Name::of_endpoint(&Endpoint { port, ..at }));
        state.internet.is_loose = false;
        drop(state);
        self.note(socket, port);
        Ok(())
    }

    fn next(&self) -> u16 {
        let mut last = self.last.lock();
        *last = (*last + 1) % COUNT;
        FIRST + *last
    }

    /// Check that a socket may take connections where it is.
    ///
    /// # Errors
    /// `EADDRINUSE`: another does.
    pub fn check_listening(&self, socket: &Arc<Socket>) -> Result<(), Errno> {
        let claim = {
            let state = socket.state.lock();
            let at = state.name.as_ref().and_then(Name::endpoint).ok_or(Errno::EINVAL)?;
            Claim { is_listening: true, ..Claim::of(&state, at) }
        };
        let is_taken = self.at(socket.kind, claim.at.port).iter().filter(|other| !Arc::ptr_eq(other, socket)).any(|other| {
            let state = other.state.lock();
            let at = state.name.as_ref().and_then(Name::endpoint);
            let other = at.map(|at| Claim::of(&state, at)).filter(|other| other.is_listening);
            other.is_some_and(|other| claim.overlaps(&other) && !claim.permits(&other, true))
        });
        if is_taken { Err(Errno::EADDRINUSE) } else { Ok(()) }
    }

    /// Who takes connections there: of several, who is bound to that very address.
    #[must_use]
    pub fn listener(&self, to: &Endpoint) -> Option<Arc<Socket>> {
        self.best(Kind::Stream, to, |state| matches!(state.role, Role::Listening(..)).then_some(0))
    }

    /// Who gets datagrams that are sent from one place to another: of several, who hears nobody else.
    #[must_use]
    pub fn receiver(&self, to: &Endpoint, from: &Endpoint) -> Option<Arc<Socket>> {
        self.best(Kind::Datagram, to, |state| match state.peer_name.as_ref().and_then(Name::endpoint) {
            None => Some(0),
            Some(peer) => (peer == *from).then_some(4),
        })
    }

    fn best(&self, kind: Kind, to: &Endpoint, score: impl Fn(&State) -> Option<u32>) -> Option<Arc<Socket>> {
        let rate = |socket: &Arc<Socket>| {
            let state = socket.state.lock();
            let at = state.name.as_ref().and_then(Name::endpoint).filter(|at| at.takes(state.internet.only_v6, to))?;
            let exact = if at.address == to.address { 2 } else { u32::from(at.is_v4()) };
            score(&state).map(|score| score + exact)
        };
        let rated = self.at(kind, to.port).into_iter().filter_map(|socket| rate(&socket).map(|rating| (rating, socket)));
        rated.max_by_key(|(rating, _)| *rating).map(|(_, socket)| socket)
    }
}
