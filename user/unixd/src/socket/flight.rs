//! What is on the way: handles that were sent along with messages and not received yet.
//!
//! A socket may be on the way to itself, alone or through others: nobody can receive it any more, and no count of who holds it says so. While
//! sockets are on the way and one is let go of, those are looked for that no process can come to, by its handles and by what waits
//! at sockets that it comes to; what waits at the others is dropped. The same as Linux's collector of `AF_UNIX` sockets.
//!
//! Nor is what is on the way dropped where it is found: a socket sent to a socket that was sent to a socket, and so on, is a chain that may be longer
//! than a stack is. It is laid aside, and dropped one after the other.

use alloc::collections::BTreeSet;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use spin::Mutex;

use crate::handles::{Handles, Held};
use crate::processes::Processes;
use crate::socket::{Role, Socket};

/// All sockets, the dead ones up to when they were last counted.
static SOCKETS: Mutex<Known> = Mutex::new(Known { all: Vec::new(), counted: 0 });
/// How many sockets are on the way.
static TRAVELLERS: Mutex<usize> = Mutex::new(0);
/// Whether a process let go of a socket since this was last looked at.
static LET_GO: AtomicBool = AtomicBool::new(false);
/// What is to be dropped.
static ASIDE: Mutex<Vec<Held>> = Mutex::new(Vec::new());

/// What the list of sockets may hold at least before the dead are taken out.
const COUNTED_LEAST: usize = 64;

struct Known {
    all: Vec<Weak<Socket>>,
    /// How many lived when they were last counted.
    counted: usize,
}

/// A socket was made.
pub(super) fn note_socket(socket: &Arc<Socket>) {
    let mut known = SOCKETS.lock();
    if known.all.len() > COUNTED_LEAST + 2 * known.counted {
        known.all.retain(|socket| socket.strong_count() > 0);
        known.counted = known.all.len();
    }
    known.all.push(Arc::downgrade(socket));
}

/// What goes along with a message.
#[derive(Default)]
pub struct Luggage(Vec<Held>);

impl Luggage {
    /// Send this along.
    #[must_use]
    pub fn new(held: Vec<Held>) -> Luggage {
        *TRAVELLERS.lock() += sockets(&held).count();
        Luggage(held)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same again, for who only looks.
    #[must_use]
    pub fn copy(&self) -> Vec<Held> {
        self.0.clone()
    }

    /// It has arrived.
    #[must_use]
    pub fn take(&mut self) -> Vec<Held> {
        let held = core::mem::take(&mut self.0);
        *TRAVELLERS.lock() -= sockets(&held).count();
        held
    }
}

impl Drop for Luggage {
    fn drop(&mut self) {
        if !self.is_empty() {
            let held = self.take();
            ASIDE.lock().extend(held);
        }
    }
}

fn sockets(held: &[Held]) -> impl Iterator<Item = &Arc<Socket>> {
    held.iter().filter_map(|held| match held {
        Held::Open(opened) => opened.socket.as_ref(),
        Held::Entry(_) => None,
    })
}

/// Drop what was laid aside, and what that lays aside.
fn drop_aside() {
    loop {
        let Some(held) = ASIDE.lock().pop() else { return };
        drop(held);
    }
}

/// A process has let go of a socket.
pub fn note_let_go() {
    LET_GO.store(true, Ordering::Relaxed);
}

/// After a request: drop what nobody can receive any more.
pub fn settle(processes: &Processes) {
    drop_aside();
    if LET_GO.swap(false, Ordering::Relaxed) && *TRAVELLERS.lock() > 0 {
        collect(processes.iter().map(|process| &process.handles));
        LET_GO.store(false, Ordering::Relaxed);
    }
}

/// Drop what waits at sockets that no process can come to.
fn collect<'a>(holders: impl Iterator<Item = &'a Handles>) {
    let mut reached = BTreeSet::new();
    let mut to_look_at: Vec<Arc<Socket>> = holders.flat_map(Handles::files).filter_map(|opened| opened.socket.clone()).collect();
    while let Some(socket) = to_look_at.pop() {
        if !reached.insert(Arc::as_ptr(&socket)) {
            continue;
        }
        let state = socket.state.lock();
        to_look_at.extend(state.incoming.iter().flat_map(|message| sockets(&message.rights.0)).cloned());
        if let Role::Listening(_, waiting) = &state.role {
            to_look_at.extend(waiting.iter().cloned());
        }
    }
    let all: Vec<Arc<Socket>> = SOCKETS.lock().all.iter().filter_map(Weak::upgrade).collect();
    for socket in all.iter().filter(|socket| !reached.contains(&Arc::as_ptr(socket))) {
        let messages = {
            let mut state = socket.state.lock();
            state.waiting = 0;
            core::mem::take(&mut state.incoming)
        };
        drop(messages);
    }
    drop(all);
    drop_aside();
}

#[cfg(test)]
mod tests {
    use libos::file::Access;
    use libos::file::event::AnonymousNode;
    use libos::vfs::attributes::{Kind as NodeKind, Time};
    use unix::Object;

    use super::*;
    use crate::handles::Opened;
    use crate::socket::transfer::Sending;
    use crate::socket::{Credentials, Kind, Names};

    const NOBODY: Credentials = Credentials { process: 0, user: 0, group: 0 };

    fn held(socket: &Arc<Socket>) -> Held {
        let entry = AnonymousNode::entry(socket.clone(), NodeKind::Socket, 0, b"", Time::default());
        let mut opened = Opened::new(entry, socket.clone(), Access::READ | Access::WRITE, Object::Socket);
        opened.socket = Some(socket.clone());
        Held::Open(Arc::new(opened))
    }

    /// Send a socket to the other side of another.
    fn send(by: &Arc<Socket>, sent: &Arc<Socket>) {
        let sending = Sending { flags: 0, to: None, bytes: b"x", rights: alloc::vec![held(sent)], credentials: NOBODY };
        assert_eq!(by.send(&Names::default(), sending, 0), Ok(1));
    }

    /// One test, since what is on the way is counted for all.
    #[test]
    fn what_nobody_can_receive_is_dropped_and_what_somebody_can_is_not() {
        let [left, right] = Socket::pair(Kind::Stream, [1, 2], NOBODY);
        send(&left, &left);
        send(&right, &right);
        let mut handles = Handles::default();
        let number = handles.insert(held(&left)).unwrap();
        let known = [&left, &right].map(Arc::downgrade);
        drop((left, right));
        let counts = || known.each_ref().map(Weak::strong_count);
        assert_eq!(*TRAVELLERS.lock(), 2);
        collect([&handles].into_iter());
        assert!(!counts().contains(&0), "both can be received at what is held");
        drop(handles.release(number));
        assert!(!counts().contains(&0), "they hold each other");
        collect(core::iter::empty());
        assert_eq!((counts(), *TRAVELLERS.lock()), ([0, 0], 0));

        // A chain that no stack is long enough for.
        let [mut outer, mut inner] = Socket::pair(Kind::Stream, [1, 2], NOBODY);
        let first = Arc::downgrade(&outer);
        for _ in 0..100_000 {
            let next = Socket::pair(Kind::Stream, [1, 2], NOBODY);
            send(&next[0], &outer);
            send(&next[0], &inner);
            [outer, inner] = next;
        }
        drop((outer, inner));
        drop_aside();
        assert_eq!((first.strong_count(), *TRAVELLERS.lock()), (0, 0));
    }
}
