//! Who is to hear when a file's readiness changes.
//!
//! A thread of the process that the file lives in waits by `World::await_change`. In `unixd` nobody waits: a process that found a file not
//! ready is written down here, and told once when the file changes. Whom to tell is collected in one list for all files, which the server
//! empties after each request: a file that is dropped in the middle of one can say so too.

use alloc::vec::Vec;

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

/// The processes that wait for a file to change, by id.
#[derive(Debug, Default)]
pub struct Watchers(Mutex<Vec<u32>>);

impl Watchers {
    /// Nobody.
    #[must_use]
    pub const fn new() -> Watchers {
        Watchers(Mutex::new(Vec::new()))
    }

    /// Let a process be told of the next change.
    pub fn subscribe(&self, id: u32) {
        let mut watchers = self.0.lock();
        if !watchers.contains(&id) {
            watchers.push(id);
        }
    }

    /// Forget a process; whether it would have been told.
    pub fn forget(&self, id: u32) -> bool {
        let mut watchers = self.0.lock();
        let place = watchers.iter().position(|&other| other == id);
        place.map(|place| watchers.swap_remove(place)).is_some()
    }

    /// Tell processes that the file has changed.
    pub fn tell(&self) {
        let mut watchers = self.0.lock();
        if !watchers.is_empty() {
            TOLD.lock().append(&mut watchers);
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
