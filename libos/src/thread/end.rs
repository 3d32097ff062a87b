//! A thread's end: the robust futexes that it holds, its last word, its place.
#![forbid(unsafe_code)]

use alloc::vec::Vec;

use crate::errno::{Errno, Result};
use crate::identity::Word;
use crate::kernel::Kernel;
use crate::memory::fault::Access;
use crate::process::Process;
use crate::signal::{Ending, Own, Set};
use crate::thread::Table;
use crate::thread::locks::{OWNER, OWNER_DIED, WAITERS};
use crate::user::UserMemory;

/// In an entry's address: its futex is a lock that knows its owner.
const LOCK: usize = 1;
/// The most futexes that are looked at: the list is the program's and may be a circle.
const LIST_MOST: usize = 2048;

impl<K: Kernel> Process<K> {
    /// End the thread that runs; with the last one, the process.
    pub fn end_thread(&self, code: u8) -> ! {
        let (id, robust_list, clear, unmap, ends, is_last) = self.threads.with(|table| {
            let is_last = table.is_alone();
            let thread = table.current();
            (thread.id, thread.robust_list, thread.clear_at_end, thread.unmap_at_end, thread.ends, is_last)
        });
        if id == self.id() && !ends {
            *self.leader_code.lock() = Some(code);
        }
        if is_last {
            self.end(Ending::Code(self.leader_code.lock().unwrap_or(code)));
        }
        // A list that cannot be read is left where it is, as on Linux.
        let _ = self.leave_robust_list(robust_list as usize, id);
        self.leave_locks(id);
        self.clear_word(clear);
        if let Some((address, length)) = unmap {
            self.memory.lock().unmap(&self.kernel, address..address + length);
        }
        let ended = self.threads.with(|table| table.remove_current());
        self.give_thread_id(id);
        // It takes no signals any more.
        self.signals.with(|state| *state.own = Own::new(Set::MAX));
        self.reoffer();
        let machine = ended.map(|thread| thread.machine);
        let next = self.await_next();
        let (_, to) = self.change_thread(next);
        self.kernel.abandon(machine, to)
    }

    /// End all threads but the one that runs, which takes the process's id: execve(2) replaces the program.
    ///
    /// One that was stopped in the program just goes. One in a call may hold what others wait for: its waits are over, and it ends where it
    /// would leave the call.
    ///
    /// # Errors
    /// `EINTR`: the thread that runs is being ended so itself.
    pub fn end_others(&self) -> Result<()> {
        if self.threads.with(|table| table.current().ends) {
            return Err(Errno::EINTR);
        }
        self.leave_futexes();
        while let Some(slot) = self.threads.with(|table| table.other_where(|thread| self.kernel.is_in_program(thread.machine))) {
            let thread = self.threads.with(|table| table.remove(slot));
            let _ = self.leave_robust_list(thread.robust_list as usize, thread.id);
            self.leave_locks(thread.id);
            self.clear_word(thread.clear_at_end);
            self.give_thread_id(thread.id);
            self.kernel.give_machine(thread.machine);
        }
        self.threads.with(Table::end_others);
        while self.threads.with(|table| table.other_where(|_| true)).is_some() {
            self.yield_turn();
        }
        let id = self.id();
        self.threads.with(|table| {
            let thread = table.current();
            (thread.id, thread.clear_at_end, thread.unmap_at_end, thread.robust_list) = (id, 0, None, 0);
        });
        self.kernel.identity().set(Word::Thread, id);
        *self.leader_code.lock() = None;
        Ok(())
    }

    /// The process ends: hand on what its threads hold of robust futexes, which may be other processes' too.
    pub fn leave_all_futexes(&self) {
        let lists: Vec<(u64, u32)> = self.threads.with(|table| {
            let lists = table.iter().filter(|thread| thread.robust_list != 0);
            lists.map(|thread| (thread.robust_list, thread.id)).collect()
        });
        for (list, id) in lists {
            let _ = self.leave_robust_list(list as usize, id);
        }
    }

    /// Hand on what the thread that runs holds of robust futexes.
    fn leave_futexes(&self) {
        let (id, list) = self.threads.with(|table| (table.current().id, table.current().robust_list));
        // A list that cannot be read is left where it is, as on Linux.
        let _ = self.leave_robust_list(list as usize, id);
        self.leave_locks(id);
    }

    /// Write the 0 that is waited for at a thread's end.
    fn clear_word(&self, address: usize) {
        if address != 0 && self.write_value(address, &0u32).is_ok() {
            self.wake_last(address);
        }
    }

    /// Hand on the futexes of a robust list (Documentation/locking/robust-futex-ABI.rst): next entry, offset of the futex from its entry,
    /// and the entry that was being changed.
    fn leave_robust_list(&self, head: usize, id: u32) -> Result<()> {
        if head == 0 {
            return Ok(());
        }
        let [first, offset, changing]: [usize; 3] = self.read_value(head)?;
        let mut entry = first;
        for _ in 0..LIST_MOST {
            let (at, is_lock) = (entry & !LOCK, entry & LOCK != 0);
            if at == head {
                break;
            }
            let next: Result<usize> = self.read_value(at);
            if at != changing & !LOCK {
                self.mark_owner_died(at.wrapping_add(offset), id, is_lock, false)?;
            }
            entry = next?;
        }
        if changing & !LOCK != 0 {
            self.mark_owner_died((changing & !LOCK).wrapping_add(offset), id, changing & LOCK != 0, true)?;
        }
        Ok(())
    }

    /// If the thread owns a futex, say that its owner died, and wake a waiter. One that was being changed may have been let go without a wake.
    /// A lock that knows its owner is handed on when all is said.
    fn mark_owner_died(&self, futex: usize, id: u32, is_lock: bool, is_changing: bool) -> Result<()> {
        if !futex.is_multiple_of(4) {
            return Err(Errno::EFAULT);
        }
        loop {
            let word: u32 = self.read_value(futex)?;
            let owner = word & OWNER;
            if is_changing && !is_lock && owner == 0 {
                self.wake_last(futex);
                return Ok(());
            }
            if owner != id {
                return Ok(());
            }
            if self.compare_exchange(futex, word, word & WAITERS | OWNER_DIED)? != word {
                continue;
            }
            if word & WAITERS != 0 && !is_lock {
                self.wake_last(futex);
            }
            if is_lock && let Ok(lock) = self.futex_word(futex, false, Access::Read) {
                self.wake_foreign(lock, word);
            }
            return Ok(());
        }
    }
}
