//! getsockopt(2), setsockopt(2) of the level `SOL_SOCKET`. Timeouts are the process's own affair.

use libos::errno::Errno;

use crate::socket::{BUFFER, Domain, Kind, Role, Socket};

const SO_REUSEADDR: u32 = 2;
const SO_TYPE: u32 = 3;
const SO_ERROR: u32 = 4;
const SO_DONTROUTE: u32 = 5;
const SO_BROADCAST: u32 = 6;
const SO_SNDBUF: u32 = 7;
const SO_RCVBUF: u32 = 8;
const SO_KEEPALIVE: u32 = 9;
const SO_OOBINLINE: u32 = 10;
const SO_PRIORITY: u32 = 12;
const SO_LINGER: u32 = 13;
const SO_REUSEPORT: u32 = 15;
const SO_PASSCRED: u32 = 16;
const SO_PEERCRED: u32 = 17;
const SO_RCVLOWAT: u32 = 18;
const SO_SNDLOWAT: u32 = 19;
const SO_TIMESTAMP: u32 = 29;
const SO_ACCEPTCONN: u32 = 30;
const SO_PROTOCOL: u32 = 38;
const SO_DOMAIN: u32 = 39;

/// `IPPROTO_TCP`, `IPPROTO_UDP`
const TCP: u64 = 6;
const UDP: u64 = 17;
/// Options that are on or off and that nothing here depends on.
const SWITCHES: [u32; 7] = [SO_REUSEADDR, SO_DONTROUTE, SO_BROADCAST, SO_KEEPALIVE, SO_OOBINLINE, SO_REUSEPORT, SO_TIMESTAMP];
/// The least and the most bytes of a buffer, as asked for: half of what it becomes (`SOCK_MIN_SNDBUF`, `net.core.wmem_max`).
const SEND_LEAST: usize = 4608;
const RECEIVE_LEAST: usize = 2304;
const ASKED_MOST: usize = 212_992;

/// What can be set.
#[derive(Clone)]
pub struct Options {
    switches: u32,
    /// Bytes that it may have waiting elsewhere.
    pub send: usize,
    /// Bytes that may wait here, of datagrams of the Internet.
    pub receive: usize,
    /// For how many seconds closing may wait (`SO_LINGER`).
    pub linger: Option<u32>,
    /// Whether it is told who sends.
    pub pass_credentials: bool,
    least: u32,
    priority: u32,
}

impl Default for Options {
    fn default() -> Self {
        Options { switches: 0, send: BUFFER, receive: BUFFER, linger: None, pass_credentials: false, least: 1, priority: 0 }
    }
}

impl Options {
    /// `SO_REUSEADDR`
    #[must_use]
    pub fn reuses_address(&self) -> bool {
        self.switches & 1 << SO_REUSEADDR != 0
    }

    /// `SO_REUSEPORT`
    #[must_use]
    pub fn reuses_port(&self) -> bool {
        self.switches & 1 << SO_REUSEPORT != 0
    }
}

impl Socket {
    /// An option's value: one word, or process, user and group.
    ///
    /// # Errors
    /// `ENOPROTOOPT`: there is no such option.
    pub fn option(&self, option: u32) -> Result<[u64; 3], Errno> {
        const NOBODY: u64 = u32::MAX as u64;
        let mut state = self.state.lock();
        let value = match option {
            SO_TYPE => u64::from(self.kind.number()),
            SO_DOMAIN => u64::from(self.domain.number()),
            SO_PROTOCOL => match (self.domain, self.kind) {
                (Domain::Unix, _) => 0,
                (_, Kind::Stream) => TCP,
                _ => UDP,
            },
            SO_LINGER => return Ok([u64::from(state.options.linger.is_some()), state.options.linger.unwrap_or(0).into(), 0]),
            SO_ERROR => state.error.take().map_or(0, |errno| errno.0 as u64),
            SO_ACCEPTCONN => u64::from(matches!(state.role, Role::Listening(..))),
            SO_SNDBUF => state.options.send as u64,
            SO_RCVBUF => state.options.receive as u64,
            SO_PASSCRED => u64::from(state.options.pass_credentials),
            SO_RCVLOWAT => u64::from(state.options.least),
            SO_SNDLOWAT => 1,
            SO_PRIORITY => u64::from(state.options.priority),
            SO_PEERCRED => {
                let known = state
                    .peer_credentials
                    .filter(|_| self.domain == Domain::Unix)
                    .map(|known| [known.process, known.user, known.group].map(u64::from));
                return Ok(known.unwrap_or([0, NOBODY, NOBODY]));
            }
            option if SWITCHES.contains(&option) => u64::from(state.options.switches & 1 << option != 0),
            _ => return Err(Errno::ENOPROTOOPT),
        };
        Ok([value, 0, 0])
    }

    /// Set an option; `more` is what a second word says.
    ///
    /// # Errors
    /// `ENOPROTOOPT`: there is no such option, or it cannot be set.
    pub fn set_option(&self, option: u32, value: u32, more: u32) -> Result<(), Errno> {
        let mut state = self.state.lock();
        match option {
            SO_LINGER => state.options.linger = (value != 0).then_some(more),
            SO_SNDBUF => state.options.send = (2 * (value as usize).min(ASKED_MOST)).max(SEND_LEAST),
            SO_RCVBUF => state.options.receive = (2 * (value as usize).min(ASKED_MOST)).max(RECEIVE_LEAST),
            SO_PASSCRED => state.options.pass_credentials = value != 0,
            SO_RCVLOWAT => state.options.least = value.max(1),
            SO_PRIORITY => state.options.priority = value,
            option if SWITCHES.contains(&option) => {
                state.options.switches = state.options.switches & !(1 << option) | u32::from(value != 0) << option;
            }
            _ => return Err(Errno::ENOPROTOOPT),
        }
        Ok(())
    }
}
