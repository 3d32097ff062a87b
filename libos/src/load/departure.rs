//! The old program goes: what execve(2) takes away, and what it leaves.
//!
//! It leaves the process's id, parent and group, directories, umask, limits, open descriptors without `FD_CLOEXEC`, pending and blocked
//! signals, ignored ones, and interval timers (execve(2), "Effect on process attributes").

use crate::errno::Result;
use crate::kernel::Kernel;
use crate::process::{Process, short_name};

impl<K: Kernel> Process<K> {
    /// Take away all that was the old program's, for one of this name. After that there is only one thread, with the process's id and nothing in the address
    /// space.
    ///
    /// # Errors
    /// `EINTR`: another thread is at it already, and ends this one. Nothing was taken away.
    // What it needs of the stack is free again when a program is mapped, which needs much.
    #[inline(never)]
    pub fn depart(&self, name: &[u8]) -> Result<()> {
        self.end_others()?;
        let remains = self.memory.lock().clear(&self.kernel);
        let program = self.running.lock().program.take();
        // What falls out of it may ask `unixd`: outside the lock.
        drop((remains, program));
        self.kernel.executed(short_name(name), self.files.take_urgent());
        self.begin_again();
        self.signals.with(crate::signal::State::depart);
        self.timers_after_exec();
        let closed = self.files.with_table(crate::file::table::Table::close_on_exec);
        if !closed.is_empty() {
            drop(closed);
            self.note_change();
        }
        Ok(())
    }
}
