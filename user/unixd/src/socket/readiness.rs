//! A socket as a file: poll(2), ioctl(2).

use alloc::sync::Arc;

use libos::errno::{Errno, Result};
use libos::file::{Edges, File, Readiness, Watchers};
use libos::vfs::world::World;

use crate::socket::transfer::is_roomy;
use crate::socket::{Kind, Role, Socket};

/// `FIONREAD`, `SIOCOUTQ`
const FIONREAD: u32 = 0x541b;
const SIOCOUTQ: u32 = 0x5411;

/// Whether there is room at a peer.
fn has_room(peer: Option<Arc<Socket>>, most: usize) -> bool {
    peer.is_none_or(|peer| is_roomy(peer.state.lock().waiting, most))
}

impl Socket {
    /// Whether there is room for what it sends.
    pub(super) fn readiness_to_send(&self) -> bool {
        let most = self.state.lock().options.send;
        has_room(self.peer(), most)
    }
}

impl File for Socket {
    fn readiness(&self, _: &dyn World) -> Readiness {
        let (mut ready, peer, most) = {
            let state = self.state.lock();
            let mut ready = Readiness::empty();
            ready.set(Readiness::ERROR, state.error.is_some());
            ready.set(Readiness::READABLE | Readiness::READ_HANG_UP, state.no_input);
            let has_input = match &state.role {
                Role::Listening(_, waiting) => !waiting.is_empty(),
                _ => !state.incoming.is_empty(),
            };
            if has_input {
                ready |= Readiness::READABLE;
            }
            let is_closed = self.is_connecting() && matches!(state.role, Role::Idle);
            ready.set(Readiness::HANG_UP, is_closed || state.no_input && state.no_output);
            if matches!(state.role, Role::Listening(..)) {
                return ready;
            }
            (ready, state.peer.as_ref().and_then(alloc::sync::Weak::upgrade), state.options.send)
        };
        if has_room(peer, most) {
            ready |= Readiness::WRITABLE | Readiness::OUT_BAND;
        } else {
            self.state.lock().is_short = true;
        }
        ready
    }

    fn news(&self, _: &dyn World) -> Edges {
        self.state.lock().news
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn edges(&self, _: &dyn World) -> Edges {
        self.state.lock().edges
    }

    fn watchers(&self) -> Option<&Watchers> {
        Some(&self.watchers)
    }

    fn control(&self, world: &dyn World, request: u32, argument: usize) -> Result<usize> {
        let count = match request {
            FIONREAD => {
                let state = self.state.lock();
                match (&state.role, self.kind) {
                    (Role::Listening(..), _) => return Err(Errno::EINVAL),
                    (_, Kind::Stream | Kind::SeqPacket) => state.incoming.iter().map(|message| message.rest().len()).sum(),
                    _ => state.incoming.front().map_or(0, |message| message.rest().len()),
                }
            }
            SIOCOUTQ => self.peer().map_or(0, |peer| peer.state.lock().waiting),
            _ => return Err(Errno::ENOTTY),
        };
        world.write(argument, &(count as i32).to_ne_bytes())?;
        Ok(0)
    }
}
