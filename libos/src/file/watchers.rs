//! Who is to hear when a file's readiness changes.
//!
//! A thread of the process that the file lives in waits by `World::await_change`, and a set of files that it is in ([`super::epoll`]) has a
//! [`Mark`] here. In `unixd` nobody waits: a process that found a file not ready is written down here, and told once when the file changes.
//! Whom to tell is collected in one list for all files, which the server empties after each request: a file that is dropped in the middle of
//! one can say so too.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use spin::Mutex;

use crate::errno::Result;
use crate::vfs::world::World;

/// Processes that are to be told.
static TOLD: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Take the ids of those that are to be told of a change.
#[must_use]
pub fn take_told() -> Vec<u32> {
    core::mem::take(&mut TOLD.lock())
}

/// What changed of a set of files since that was last asked, by numbers of the set's.
#[derive(Debug, Default)]
pub struct Changed(Mutex<Vec<u32>>);

impl Changed {
    /// Move the numbers to the end of `into`.
    pub fn take(&self, into: &mut Vec<u32>) {
        into.append(&mut self.0.lock());
    }
}

/// Which file of a set it is whose changes are told.
#[derive(Debug)]
pub struct Mark {
    set: Arc<Changed>,
    number: u32,
    /// Whether the set's owner is to look.
    is_told: AtomicBool,
}

impl Mark {
    /// The file with that number of a set.
    #[must_use]
    pub fn new(set: &Arc<Changed>, number: u32) -> Arc<Mark> {
        Arc::new(Mark { set: set.clone(), number, is_told: AtomicBool::new(false) })
    }

    /// The owner is about to look: what changes from now on is told again.
    pub fn begin_look(&self) {
        self.is_told.store(false, Ordering::Relaxed);
    }

    fn tell(&self) {
        if !self.is_told.swap(true, Ordering::Relaxed) {
            self.set.0.lock().push(self.number);
        }
    }
}

/// Who waits for a file to change.
#[derive(Debug, Default)]
struct State {
    /// Processes, by id: until they are told.
    processes: Vec<u32>,
    /// Sets that the file is in: as long as it is.
    marks: Vec<Weak<Mark>>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Watchers(Mutex<State>);

impl Watchers {
    /// Nobody.
    #[must_use]
    pub const fn new() -> Watchers {
        Watchers(Mutex::new(State { processes: Vec::new(), marks: Vec::new() }))
    }

    /// Let a process be told of the next change.
    pub fn subscribe(&self, id: u32) {
        let processes = &mut self.0.lock().processes;
        if !processes.contains(&id) {
            processes.push(id);
        }
    }

    /// Forget a process; whether it would have been told.
    pub fn forget(&self, id: u32) -> bool {
        let processes = &mut self.0.lock().processes;
        let place = processes.iter().position(|&other| other == id);
        place.map(|place| processes.swap_remove(place)).is_some()
    }

    /// Let a set hear of all changes, for as long as it has the mark.
    pub fn mark(&self, mark: &Arc<Mark>) {
        let marks = &mut self.0.lock().marks;
        marks.retain(|other| other.strong_count() > 0);
        marks.push(Arc::downgrade(mark));
    }

    /// Tell processes and sets that the file has changed.
    #[inline]
    pub fn tell(&self) {
        let mut state = self.0.lock();
        if !state.processes.is_empty() {
            TOLD.lock().append(&mut state.processes);
        }
        for mark in &state.marks {
            if let Some(mark) = mark.upgrade() {
                mark.tell();
            }
        }
    }

    /// Tell threads and processes that the file has changed.
    pub fn note_change(&self, world: &dyn World) {
        self.tell();
        world.note_change();
    }

    /// Sleep until the file may have changed.
    ///
    /// # Errors
    /// `EINTR`: a signal came. `EAGAIN`: nobody can sleep here; the process is told.
    pub fn await_change(&self, world: &dyn World) -> Result<()> {
        self.watch(world);
        world.await_change()
    }

    /// Let the process be told, if it is one that cannot sleep here.
    pub fn watch(&self, world: &dyn World) {
        if let Some(id) = world.subscriber() {
            self.subscribe(id);
        }
    }
}
