//! A process's quota, and what went of it with environments that it gave away.
//!
//! What a process makes and dies over, or hands to the server, comes here with its quota, which the kernel takes off the process's. As
//! long as the quota is what it was set to, less that of children that were made processes, there is nothing that nobody knows.

use core::cell::Cell;

use abi::EnvId;

use crate::machine;

/// See the module.
pub struct Grant {
    env: EnvId,
    expected: Cell<usize>,
}

impl Grant {
    /// What an environment has.
    #[must_use]
    pub fn of(env: EnvId) -> Grant {
        Grant { env, expected: Cell::new(machine::charges(env).0) }
    }

    /// Let the environment be charged for so many frames.
    ///
    /// # Errors
    /// The kernel's, of `env_quota`.
    pub fn set(&self, frames: usize) -> exo::Result<()> {
        let (before, _) = machine::charges(self.env);
        exo::env_quota(self.env, frames)?;
        self.expected.update(|expected| expected.wrapping_add(frames).wrapping_sub(before));
        Ok(())
    }

    /// A child became a process.
    pub fn part_with(&self, child: &Grant) {
        self.expected.update(|expected| expected.wrapping_sub(child.expected.get()));
    }

    /// Whether all that went is known.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        machine::charges(self.env).0 == self.expected.get()
    }
}
