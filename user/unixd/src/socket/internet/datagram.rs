//! Datagrams of the Internet: udp(7). What nobody receives, or has no room for, is lost.

use alloc::sync::Arc;

use libos::errno::Errno;

use super::{Domain, Endpoint, Ports};
use crate::socket::transfer::{Received, Sending, copy, put, take_message};
use crate::socket::{Name, Role, Socket};

const MSG_OOB: u32 = 1;
/// What a packet of 65535 bytes leaves: to IPv4 with its own header, and to IPv6 with UDP's alone.
const MOST_V4: usize = 65_507;
const MOST_V6: usize = 65_527;

impl Socket {
    /// connect(2) of a datagram socket.
    ///
    /// # Errors
    /// `ENETUNREACH`: that is nowhere. `EAGAIN`: no port is free.
    pub fn direct_to(self: &Arc<Socket>, ports: &Ports, to: Endpoint) -> Result<(), Errno> {
        let only_v6 = self.state.lock().internet.only_v6;
        let to = to.routed(only_v6)?;
        ports.bind_automatically(self).map_err(|_| Errno::EAGAIN)?;
        let mut state = self.state.lock();
        let from = source(&state.name, &to);
        state.name = Some(Name::of_endpoint(&from));
        state.peer_name = Some(Name::of_endpoint(&to));
        state.role = Role::Connected;
        Ok(())
    }

    pub(in crate::socket) fn send_packet(self: &Arc<Socket>, ports: &Ports, sending: Sending) -> Result<usize, Errno> {
        if sending.flags & MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        let (peer, only_v6) = {
            let state = self.state.lock();
            (state.peer_name.as_ref().and_then(Name::endpoint), state.internet.only_v6)
        };
        let to = sending.to.as_ref().and_then(Name::endpoint).or(peer).ok_or(Errno::EDESTADDRREQ)?;
        let most = if self.domain == Domain::Internet || to.is_v4() { MOST_V4 } else { MOST_V6 };
        if sending.bytes.len() > most {
            return Err(Errno::EMSGSIZE);
        }
        if to.port == 0 {
            return Err(Errno::EINVAL);
        }
        let to = to.routed(only_v6)?;
        ports.bind_automatically(self).map_err(|_| Errno::EAGAIN)?;
        let from = {
            let mut state = self.state.lock();
            if let Some(error) = state.error.take() {
                return Err(error);
            }
            if state.no_output {
                return Err(Errno::EPIPE);
            }
            source(&state.name, &to)
        };
        let count = sending.bytes.len();
        let Some(receiver) = ports.receiver(&to, &from) else {
            if peer.is_some() {
                self.state.lock().error = Some(Errno::ECONNREFUSED);
                self.tell();
            }
            return Ok(count);
        };
        let mut state = receiver.state.lock();
        if state.waiting < state.options.receive {
            let from = Some(Name::of_endpoint(&from));
            put(&mut state, copy(sending.bytes)?, sending.rights, sending.credentials, from, Arc::downgrade(self));
            drop(state);
            receiver.watchers.tell();
        }
        Ok(count)
    }

    pub(in crate::socket) fn receive_packet(&self, flags: u32, most: usize, watcher: u32) -> Result<Received, Errno> {
        let mut state = self.state.lock();
        if flags & MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        if let Some(error) = state.error.take() {
            return Err(error);
        }
        if state.incoming.is_empty() {
            if state.no_input {
                return Ok(Received::default());
            }
            self.watchers.subscribe(watcher);
            return Err(Errno::EAGAIN);
        }
        take_message(&mut state, flags, most)
    }
}

/// Where what is sent there comes from.
fn source(name: &Option<Name>, to: &Endpoint) -> Endpoint {
    match name.as_ref().and_then(Name::endpoint) {
        Some(at) if at.is_any() => Endpoint { port: at.port, ..to.source() },
        Some(at) => at,
        None => to.source(),
    }
}
