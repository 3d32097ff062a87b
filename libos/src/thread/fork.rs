//! fork(2) and its like: another process, whose one thread is a copy of the one that runs.
//!
//! The other threads wait, in calls or in the program, and none of them is inside a critical section of the library's: nothing is preempted
//! there, and no lock is held across a block. So the child has no lock that nobody will release; of the other threads it only has to
//! forget that they are.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use crate::errno::Result;
use crate::identity::Word;
use crate::kernel::{Kernel, Side};
use crate::process::Process;
use crate::user::UserMemory;

/// What a new process is made with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Birth {
    /// The stack pointer of its thread; 0: as in the one that makes it.
    pub sp: u64,
    /// Its thread's thread pointer, if it is to have another.
    pub thread_pointer: Option<u64>,
    /// Where its thread's id is written in its memory; nowhere if 0.
    pub set_id: usize,
    /// Where a 0 is written when its thread ends; nowhere if 0.
    pub clear_at_end: usize,
    /// Whether it uses the same memory, up to when it runs another program or ends, and the thread that makes it waits for that.
    pub is_vfork: bool,
}

impl<K: Kernel> Process<K> {
    /// Make a process; gives its id, and 0 in itself.
    ///
    /// # Errors
    /// `EAGAIN`: there are as many processes as may be. `ENOMEM`: there is no memory for it.
    pub fn fork(&self, birth: &Birth) -> Result<usize> {
        let program = self.memory.lock().clone_ranges(&self.kernel, birth.is_vfork)?;
        let machine = self.threads.with(|table| table.current().machine);
        match self.kernel.fork(machine, program)? {
            Side::Parent(id) => Ok(id as usize),
            Side::Child(id) => {
                self.be_born(id, birth);
                Ok(0)
            }
        }
    }

    /// In the new process: be it.
    fn be_born(&self, id: u32, birth: &Birth) {
        let now = self.kernel.ran();
        let machine = self.threads.with(|table| {
            table.keep_only_current(id, now);
            let thread = table.current();
            thread.clear_at_end = birth.clear_at_end;
            thread.machine
        });
        self.kernel.keep_only(machine);
        let identity = self.kernel.identity();
        identity.set(Word::Parent, self.id());
        identity.set(Word::Process, id);
        identity.set(Word::Thread, id);
        self.signals.with(crate::signal::State::forget_pending);
        self.timers_after_fork();
        *self.leader_code.lock() = None;
        self.timers_after_fork();
        self.random.stir(&self.kernel);
        self.heard.store(self.kernel.doorbell().value, Ordering::Relaxed);
        if birth.set_id != 0 {
            // Linux goes on where it cannot be written.
            let _ = self.write_value(birth.set_id, &id);
        }
        if birth.sp != 0 || birth.thread_pointer.is_some() {
            let mut registers = self.kernel.registers();
            crate::signal::frame::set_result(&mut registers, 0);
            registers.sp = if birth.sp != 0 { birth.sp } else { registers.sp };
            registers.tls = birth.thread_pointer.unwrap_or(registers.tls);
            self.kernel.begin(&registers)
        }
    }
}
