//! signalfd(2): signals that are read.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::errno::{Errno, Result};
use crate::file::{Blocking, Edges, File, Output, Readiness, Seeking};
use crate::signal::{Information, SIGCHLD, Set, UNSTOPPABLE};
use crate::vfs::world::World;

/// Bytes of `struct signalfd_siginfo`.
pub const RECORD_BYTES: usize = 128;

/// Reads take the signals of a set that are pending for the thread that reads, or for its process.
pub struct Signal(AtomicU64);

impl Signal {
    /// For a set.
    #[must_use]
    pub fn new(world: &dyn World, set: Set) -> Arc<Signal> {
        let file = Arc::new(Signal(AtomicU64::new(0)));
        file.set(world, set);
        file
    }

    /// Set which signals it takes.
    pub fn set(&self, world: &dyn World, set: Set) {
        self.0.store(set & !UNSTOPPABLE, Ordering::Relaxed);
        world.signals().watch(set);
        world.note_change();
    }

    fn wanted(&self) -> Set {
        self.0.load(Ordering::Relaxed)
    }
}

impl File for Signal {
    fn read(&self, world: &dyn World, output: &mut Output, _: u64, blocking: Blocking) -> Result<usize> {
        if output.room() < RECORD_BYTES {
            return Err(Errno::EINVAL);
        }
        let mut total = 0;
        while output.room() >= RECORD_BYTES {
            match world.take_signal(self.wanted()) {
                Some(information) => match output.put(&record(&information)) {
                    Err(_) if total > 0 => break,
                    outcome => total += outcome?,
                },
                None if total > 0 => break,
                None if blocking == Blocking::Refused => return Err(Errno::EAGAIN),
                None => world.await_change()?,
            }
        }
        Ok(total)
    }

    fn seeking(&self) -> Seeking {
        Seeking::Pointless
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn edges(&self, world: &dyn World) -> Edges {
        Edges { input: world.signals().last_arrival(), output: 0 }
    }

    fn readiness(&self, world: &dyn World) -> Readiness {
        let pending = world.signals().with(|state| state.pending_set());
        if pending & self.wanted() == 0 { Readiness::empty() } else { Readiness::IN }
    }
}

/// How the kernel reads the words of a `siginfo_t`, by its code (`siginfo_layout`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Sender,
    Timer,
    Queued,
    Child,
    Poll,
    Fault,
}

fn layout(information: &Information) -> Layout {
    const SIGPOLL: u32 = 29;
    const SI_SIGIO: i32 = -5;
    const CHILD_CODES: i32 = 6;
    const POLL_CODES: i32 = 6;
    const FAULTS: [u32; 6] = [4, 5, 7, 8, 11, 31];
    let signal = information.signal as u32;
    match information.code {
        Information::USER | Information::KERNEL => Layout::Sender,
        Information::TIMER => Layout::Timer,
        SI_SIGIO => Layout::Poll,
        ..0 => Layout::Queued,
        code if signal == SIGCHLD && code <= CHILD_CODES => Layout::Child,
        _ if FAULTS.contains(&signal) => Layout::Fault,
        code if signal == SIGPOLL || code <= POLL_CODES => Layout::Poll,
        _ => Layout::Sender,
    }
}

/// A signal as `struct signalfd_siginfo`, each layout's words at their places.
#[must_use]
pub fn record(information: &Information) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    let mut put = |offset: usize, value: u64, length: usize| bytes[offset..][..length].copy_from_slice(&value.to_le_bytes()[..length]);
    let [first, second, third, fourth] = information.payload;
    put(0, information.signal as u64, 4);
    put(4, information.errno as u64, 4);
    put(8, information.code as u64, 4);
    let layout = layout(information);
    if matches!(layout, Layout::Sender | Layout::Queued | Layout::Child) {
        put(PID, first, 4);
        put(UID, first >> 32, 4);
    }
    match layout {
        Layout::Sender => {}
        Layout::Timer => {
            put(TIMER_ID, first, 4);
            put(OVERRUN, first >> 32, 4);
        }
        Layout::Queued => {}
        Layout::Child => {
            put(STATUS, second, 4);
            put(USER_TIME, third, 8);
            put(SYSTEM_TIME, fourth, 8);
        }
        Layout::Poll => {
            put(BAND, first, 4);
            put(FD, second, 4);
        }
        Layout::Fault => put(ADDRESS, first, 8),
    }
    if matches!(layout, Layout::Timer | Layout::Queued) {
        put(INT, second, 4);
        put(POINTER, second, 8);
    }
    bytes
}

const PID: usize = 12;
const UID: usize = 16;
const FD: usize = 20;
const TIMER_ID: usize = 24;
const BAND: usize = 28;
const OVERRUN: usize = 32;
const STATUS: usize = 40;
const INT: usize = 44;
const POINTER: usize = 48;
const USER_TIME: usize = 56;
const SYSTEM_TIME: usize = 64;
const ADDRESS: usize = 72;
