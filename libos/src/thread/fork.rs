//! fork(2) and its like: another process, whose one thread is a copy of the one that runs.
//!
//! The other threads wait, in calls or in the program, and none of them is inside a critical section of the library's: nothing is preempted
//! there, and no lock is held across a block. So the child has no lock that nobody will release; of the other threads it only has to
//! forget that they are.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use abi::{CloneMode, CloneRange, PAGE_SIZE};
use unix::Kin;

use crate::errno::Result;
use crate::identity::Word;
use crate::kernel::{Kernel, Side};
use crate::memory::CloneRanges;
use crate::process::Process;
use crate::signal::{AlternateStack, attention};
use crate::thread::Waits;
use crate::user::UserMemory;

/// What a new process is made with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Birth {
    /// The stack pointer of its thread; 0: as in the one that makes it.
    pub sp: u64,
    /// Its thread's thread pointer, if it is to have another.
    pub thread_pointer: Option<u64>,
    /// Where its id is written in the memory of the one that makes it; nowhere if 0.
    pub parent_id: usize,
    /// Where a descriptor that means it is written, which is made for that.
    pub pidfd: Option<usize>,
    /// Where its thread's id is written in its memory; nowhere if 0.
    pub set_id: usize,
    /// Where a 0 is written when its thread ends; nowhere if 0.
    pub clear_at_end: usize,
    /// The signal that its end sends to its parent; 0: none.
    pub exit_signal: u32,
    /// Whether its parent is this one's.
    pub is_sibling: bool,
    /// Whether it uses the same memory, up to when it runs another program or ends.
    pub shares_memory: bool,
    /// Whether the thread that makes it waits for that.
    pub waits: bool,
}

impl<K: Kernel> Process<K> {
    /// Make a process; gives its id, and 0 in itself.
    ///
    /// # Errors
    /// `EAGAIN`: there are as many processes as may be. `ENOMEM`: there is no memory for it. `EMFILE`, `EFAULT`: of its descriptor.
    pub fn fork(&self, birth: &Birth) -> Result<usize> {
        if let Some(pidfd) = birth.pidfd {
            self.files.with_table(|table| table.check_room())?;
            // The child is to see what was there.
            let before: i32 = self.read_value(pidfd)?;
            self.write_value(pidfd, &before)?;
        }
        if let Some(server) = self.kernel.server() {
            self.files.share(server, &|| self.kernel.common_page())?;
            // Others may wait for files that have just moved.
            self.note_change();
        }
        let mut program = CloneRanges::new();
        self.memory.lock().clone_ranges(&self.kernel, birth.shares_memory, &mut program)?;
        self.files.shown_pages(|pages| {
            let (start, count) = (pages.start as u64, pages.len().div_ceil(PAGE_SIZE) as u64);
            program.push(CloneRange { source: start, target: start, pages: count, mode: CloneMode::Share as u64 });
        });
        let (machine, thread) = self.threads.with(|table| (table.current().machine, table.current().id));
        let kin = Kin { exit_signal: birth.exit_signal, thread, is_sibling: birth.is_sibling };
        match self.kernel.fork(machine, &mut program, kin)? {
            Side::Parent(id) => {
                self.note_birth();
                if birth.parent_id != 0 {
                    // Linux goes on where it cannot be written.
                    let _ = self.write_value(birth.parent_id, &id);
                }
                if let Some(pidfd) = birth.pidfd {
                    let fd = crate::syscall::pidfd::open(self, id, 0)?;
                    let _ = self.write_value(pidfd, &fd);
                }
                if birth.waits {
                    self.await_release(id);
                }
                if birth.shares_memory {
                    // The straight way out of a call may look at the program's stack, on which the child has run.
                    self.signals.attend(attention::REGISTERS);
                }
                Ok(id as usize)
            }
            Side::Child(id) => {
                self.be_born(id, birth);
                Ok(0)
            }
        }
    }

    /// Wait until a child has let go of this process's memory. Signals wait too.
    fn await_release(&self, id: u32) {
        while !self.kernel.is_released(id) {
            if self.block(Waits::Release, None).is_err() {
                break;
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
        identity.set(Word::Parent, self.kernel.bulletin().parent.load(Ordering::Relaxed));
        identity.set(Word::Process, id);
        identity.set(Word::Thread, id);
        self.signals.with(|state| {
            state.forget_pending();
            if birth.shares_memory && !birth.waits {
                // The other thread goes on to use it (sigaltstack(2)).
                state.own.alternate = AlternateStack::NONE;
            }
        });
        self.threads.watches.lock().clear();
        self.policies_after_fork();
        self.begin_as_copy();
        self.giving.forget();
        self.files.begin_inodes(id);
        *self.leader_code.lock() = None;
        self.timers_after_fork();
        self.random.stir(&self.kernel);
        self.files.hear(self);
        // Others may have sent it something before it ran.
        self.heard.store(0, Ordering::Relaxed);
        self.hear();
        if birth.set_id != 0 {
            // Linux goes on where it cannot be written.
            let _ = self.write_value(birth.set_id, &id);
        }
        if birth.sp != 0 || birth.thread_pointer.is_some() {
            let mut registers = self.kernel.registers();
            crate::signal::frame::set_result(&mut registers, 0);
            registers.sp = if birth.sp != 0 { birth.sp } else { registers.sp };
            registers.tls = birth.thread_pointer.unwrap_or(registers.tls);
            self.deliver(&mut registers);
            self.kernel.resume_elsewhere(&registers)
        }
    }
}
