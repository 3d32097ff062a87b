//! Traps sent back to their own library, through the context's upcall page.
//!
//! A foreign syscall, or a load or store that a page refused, usually never gets here: the entry assembly reflects it. What is here is the rest,
//! and the end of those who cannot take their own faults.

use abi::{EnvEntry, FaultKind, UpcallPage};
use arch::{Context, Fault, Machine};

use crate::{Kernel, context::ContextRef};

/// What tells of a slice's end or a deadline.
pub(crate) const SLICE: Fault = Fault { kind: FaultKind::Slice, address: 0, code: 0 };

impl<M: Machine> Kernel<M> {
    /// The end of a context's environment by a trap that it cannot take.
    pub(crate) fn fatal(&mut self, context: ContextRef, kind: u32, address: u64) {
        let record = self.context(context);
        self.kill(record.env, EnvEntry::FAULTED + kind, address, record.machine().registers().pc);
    }

    /// Send a fault. False, and nothing done: there is no entry for it, or another is being handled.
    pub(crate) fn send(&mut self, context: ContextRef, fault: Fault) -> bool {
        let record = self.context(context);
        let entry = record.entries.get().fault;
        let Some(page) = self.page(context).filter(|page| entry != 0 && page.fault_active == 0) else { return false };
        page.kind = fault.kind as u64;
        page.address = fault.address;
        page.code = fault.code;
        page.fault_active = 1;
        record.machine().enter_fault(page, entry);
        true
    }

    /// Tell a context whose slice ended by force that a new one begins, if it asked for that and can take it now.
    pub(crate) fn tell_slice(&mut self, context: ContextRef) {
        let record = self.context(context);
        if !record.preempted.get() {
            return;
        }
        let armed = match self.page(context) {
            Some(page) if page.fault_active != 0 && page.slice_armed != 0 => return,
            Some(page) => core::mem::take(&mut page.slice_armed) != 0,
            None => false,
        };
        record.preempted.set(false);
        if armed {
            self.send(context, SLICE);
        }
    }

    /// The deadline in a context's upcall page, if there is one. While the context handles a fault, one that has passed is not seen: the
    /// timer would go off for it again and again.
    pub(crate) fn deadline<'a>(&mut self, context: ContextRef) -> Option<&'a mut u64> {
        let page = self.page(context).filter(|page| page.fault_active == 0 || page.deadline > self.machine.clock())?;
        Some(&mut page.deadline).filter(|deadline| **deadline != 0)
    }

    /// A context's upcall page.
    pub(crate) fn page<'a>(&mut self, context: ContextRef) -> Option<&'a mut UpcallPage> {
        let frame = self.context(context).upcall.get()?;
        // SAFETY: the page's frame is pinned, whole and aligned; any bytes are valid in it; user mode, which also writes to it, does not run
        // while the kernel does.
        Some(unsafe { &mut *self.machine.frame(frame).cast() })
    }
}
