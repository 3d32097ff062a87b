//! A descriptor that means a process: pidfd_open(2).
#![forbid(unsafe_code)]

use unix::Operation;

use crate::errno::Result;
use crate::file::{File, Readiness};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::vfs::world::World;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Pidfd {
    /// The process's id.
    pub id: u32,
    /// The number that it has and no other ever has.
    pub birth: u64,
}

impl File for Pidfd {
    fn is_pollable(&self) -> bool {
        true
    }

    fn readiness(&self, world: &dyn World) -> Readiness {
        if world.has_ended(self.id, self.birth) { Readiness::READABLE } else { Readiness::empty() }
    }

    fn process(&self) -> Option<Pidfd> {
        Some(*self)
    }
}

impl<K: Kernel> Process<K> {
    /// A process as a descriptor remembers it.
    ///
    /// # Errors
    /// `ESRCH`: there is none. `EINVAL`: the id is that of a thread that does not lead its process.
    pub fn pidfd(&self, id: u32) -> Result<Pidfd> {
        let [birth, ..] = self.ask(Operation::Birth, 0, id, [0; 3])?;
        Ok(Pidfd { id, birth })
    }
}
