//! Which thread a signal is for.
#![forbid(unsafe_code)]

use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::{Information, SIGCONT, STOPS, attention, bit};
use crate::thread::record::Outcome;

impl<K: Kernel> Process<K> {
    /// Send a signal to the process: to the thread that runs, if it does not block it, else to one that waits.
    pub fn signal_process(&self, information: &Information) {
        let signal = information.signal as u32;
        self.take_back(signal);
        let (is_pending, is_wanted_here) = self.signals.send(information);
        self.tell_watchers(signal);
        if !is_pending {
            return;
        }
        // The thread whose signals are at hand may be one that waits: nobody runs then.
        if is_wanted_here {
            self.interrupt(|table| Some(table.current_slot()));
        } else {
            self.interrupt(|table| table.waiting_for_signal(bit(signal)));
        }
    }

    /// Send a signal to the thread in a slot.
    pub fn signal_thread(&self, slot: usize, information: &Information) {
        self.take_back(information.signal as u32);
        if slot == self.threads.with(|table| table.current_slot()) {
            self.signals.send_own(information);
            self.tell_watchers(information.signal as u32);
            if self.signals.with(|state| state.own.wants() & state.own.pending.set() != 0) {
                self.interrupt(|_| Some(slot));
            }
            return;
        }
        let wanted = self.threads.with(|table| {
            let Some(own) = &mut table.at(slot).signals else { return false };
            self.signals.send_to(own, information);
            own.wants() & own.pending.set() != 0
        });
        self.tell_watchers(information.signal as u32);
        if wanted {
            self.interrupt(|_| Some(slot));
        }
    }

    /// Offer what was sent to the process, and the thread that runs does not take, to threads that wait: it blocks it from now on, or ends.
    pub fn reoffer(&self) {
        let mut left = self.signals.with(|state| state.shared.set() & !state.own.wants());
        while left != 0 {
            let set = left & left.wrapping_neg();
            self.interrupt(|table| table.waiting_for_signal(set));
            left &= !set;
        }
    }

    /// How many signals wait, in all queues.
    #[must_use]
    pub fn queued_signals(&self) -> usize {
        let others: usize =
            self.threads.with(|table| table.iter().filter_map(|thread| thread.signals.as_ref()).map(|own| own.pending.count()).sum());
        others + self.signals.with(|state| state.own.pending.count() + state.shared.count())
    }

    /// Drop what a signal takes back that is sent.
    #[inline(always)]
    fn take_back(&self, signal: u32) {
        if (STOPS | bit(SIGCONT)) & bit(signal) != 0 {
            self.drop_contrary(signal);
        }
    }

    #[cold]
    fn drop_contrary(&self, signal: u32) {
        let set = self.signals.take_back(signal);
        if set != 0 {
            self.threads
                .with(|table| table.iter_mut().filter_map(|thread| thread.signals.as_mut()).for_each(|own| own.pending.discard(set)));
        }
    }

    /// If signals like this one are read from a descriptor, let who waits for changes look.
    fn tell_watchers(&self, signal: u32) {
        if self.signals.note_arrival(signal) {
            self.note_change();
        }
    }

    fn interrupt(&self, which: impl FnOnce(&super::Table<K::Machine>) -> Option<usize>) {
        let preempts = self.threads.with(|table| {
            if let Some(slot) = which(table) {
                table.wake(slot, Outcome::Interrupted);
            }
            table.take_preempts()
        });
        if preempts {
            self.signals.attend(attention::TURN);
        }
    }
}
