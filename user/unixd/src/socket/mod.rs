//! Sockets: of the Unix domain, unix(7), and of the Internet (`internet`).
//!
//! A socket's messages wait at the one that is to receive them. Who sends is bound by its own buffer's size: what may wait at the receiver.
//! Two connected sockets know each other weakly, so that each is gone with its last handle; a message holds what was sent along with it.

mod connect;
pub mod flight;
mod internet;
mod message;
mod name;
mod options;
mod readiness;
mod serve;
mod transfer;

use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU64, Ordering};

use libos::errno::Errno;
use libos::file::{Edges, Watchers};
use spin::Mutex;

pub use internet::{Domain, Endpoint};
pub use message::{Credentials, Message};
pub use name::{Name, Names};

/// Bytes that may wait at first (`net.core.wmem_default`).
const BUFFER: usize = 212_992;

/// `SOCK_STREAM`, `SOCK_DGRAM`, `SOCK_SEQPACKET`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Bytes, between two.
    Stream,
    /// Messages, to anybody.
    Datagram,
    /// Messages, between two.
    SeqPacket,
}

impl Kind {
    /// The one with a number.
    ///
    /// # Errors
    /// `ESOCKTNOSUPPORT`: none is.
    pub fn from_number(number: u32) -> Result<Kind, Errno> {
        match number {
            1 => Ok(Kind::Stream),
            // SOCK_RAW is taken for SOCK_DGRAM.
            2 | 3 => Ok(Kind::Datagram),
            5 => Ok(Kind::SeqPacket),
            _ => Err(Errno::ESOCKTNOSUPPORT),
        }
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Kind::Stream => 1,
            Kind::Datagram => 2,
            Kind::SeqPacket => 5,
        }
    }
}

/// What a socket is at.
enum Role {
    /// Neither of the others.
    Idle,
    /// It takes connections: at most so many wait, these do.
    Listening(usize, VecDeque<Arc<Socket>>),
    /// It has, or had, a peer.
    Connected,
}

/// What changes of a socket.
struct State {
    role: Role,
    name: Option<Name>,
    /// The other side, alive or not; a datagram socket's is where it sends.
    peer: Option<Weak<Socket>>,
    /// What the other side is called.
    peer_name: Option<Name>,
    peer_credentials: Option<Credentials>,
    incoming: VecDeque<Message>,
    /// What `incoming` counts as, in bytes.
    waiting: usize,
    /// Nothing comes any more.
    no_input: bool,
    /// Nothing goes any more.
    no_output: bool,
    error: Option<Errno>,
    edges: Edges,
    /// What those are told of by signals who asked for it.
    news: Edges,
    /// Whether something was not sent, or could not have been, for want of room.
    is_short: bool,
    options: options::Options,
    internet: internet::Internet,
}

/// A socket.
pub struct Socket {
    domain: Domain,
    kind: Kind,
    /// Its inode's number; that of a connection that waits to be accepted is 0.
    inode: AtomicU64,
    state: Mutex<State>,
    watchers: Watchers,
    /// Who waits for room here without being the peer.
    senders: Watchers,
}

impl Socket {
    /// A socket of the Unix domain that nobody knows.
    #[must_use]
    pub fn new(kind: Kind, inode: u64) -> Arc<Socket> {
        Socket::of_domain(Domain::Unix, kind, inode)
    }

    /// A socket that nobody knows.
    #[must_use]
    pub fn of_domain(domain: Domain, kind: Kind, inode: u64) -> Arc<Socket> {
        let state = State {
            role: Role::Idle,
            name: None,
            peer: None,
            peer_name: None,
            peer_credentials: None,
            incoming: VecDeque::new(),
            waiting: 0,
            no_input: false,
            no_output: false,
            error: None,
            edges: Edges::default(),
            news: Edges::default(),
            is_short: false,
            options: options::Options::default(),
            internet: internet::Internet::default(),
        };
        let (inode, state) = (AtomicU64::new(inode), Mutex::new(state));
        let socket = Arc::new(Socket { domain, kind, inode, state, watchers: Watchers::new(), senders: Watchers::new() });
        flight::note_socket(&socket);
        socket
    }

    /// Its inode's number.
    #[must_use]
    pub fn inode(&self) -> u64 {
        self.inode.load(Ordering::Relaxed)
    }

    /// The numbers of its type and, above it, of its domain.
    #[must_use]
    pub fn kind_number(&self) -> u32 {
        self.kind.number() | u32::from(self.domain.number()) << 8
    }

    /// Which addresses it has.
    #[must_use]
    pub fn domain(&self) -> Domain {
        self.domain
    }

    fn is_of_internet(&self) -> bool {
        self.domain != Domain::Unix
    }

    /// Two that are connected, made by one process.
    #[must_use]
    pub fn pair(kind: Kind, inodes: [u64; 2], maker: Credentials) -> [Arc<Socket>; 2] {
        let pair = inodes.map(|inode| Socket::new(kind, inode));
        for (socket, other) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
            let mut state = socket.state.lock();
            state.peer = Some(Arc::downgrade(other));
            state.peer_credentials = Some(maker);
            state.role = Role::Connected;
        }
        pair
    }

    /// Whether it has a connection: datagram sockets never have.
    fn is_connecting(&self) -> bool {
        self.kind != Kind::Datagram
    }

    /// Something changed that the one side or the other may wait for.
    fn tell(&self) {
        self.state.lock().edges.note_both();
        self.watchers.tell();
        self.senders.tell();
    }

    /// The other side, if it is there.
    fn peer(&self) -> Option<Arc<Socket>> {
        self.state.lock().peer.as_ref().and_then(Weak::upgrade)
    }

    /// shutdown(2)
    fn shut_down(&self, input: bool, output: bool) {
        {
            let mut state = self.state.lock();
            state.no_input |= input;
            state.no_output |= output;
        }
        if self.is_of_internet() {
            if output && let Some(peer) = self.peer() {
                peer.end();
            }
        } else if self.is_connecting()
            && let Some(peer) = self.peer()
        {
            let mut state = peer.state.lock();
            state.no_input |= output;
            state.no_output |= input;
            if output {
                state.news.note_input();
            }
            drop(state);
            peer.tell();
        }
        self.tell();
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let unread = !state.incoming.is_empty();
        let is_abrupt = unread || state.options.linger == Some(0);
        let peer = state.peer.take().and_then(|peer| peer.upgrade());
        // Those who wait to be accepted find that they are not.
        if let Role::Listening(_, waiting) = &mut state.role {
            for socket in waiting.drain(..) {
                match socket.peer() {
                    Some(peer) if self.domain == Domain::Unix => peer.state.lock().error = Some(Errno::ECONNRESET),
                    Some(peer) => {
                        socket.state.lock().peer = None;
                        peer.reset();
                    }
                    None => {}
                }
            }
        }
        if let Some(peer) = peer.as_ref().filter(|_| self.domain != Domain::Unix) {
            if is_abrupt { peer.reset() } else { peer.end() }
        } else if let Some(peer) = peer {
            if self.kind != Kind::Datagram {
                let mut other = peer.state.lock();
                other.no_input = true;
                other.no_output = true;
                other.error = other.error.or(unread.then_some(Errno::ECONNRESET));
                other.edges.note_both();
                other.news.note_input();
            }
            peer.watchers.tell();
            peer.senders.tell();
        }
        self.tell();
    }
}
