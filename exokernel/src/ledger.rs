//! The ledger: which mappings were taken from whom, by whom and when. Everyone may read it.
//!
//! It is the kernel's whole part in the abort protocol (see the crate's page): a ring in the info pages.

use abi::{EnvId, INFO_LEDGER_PAGE, LEDGER_ENTRIES, LedgerEntry};
use arch::Machine;

use crate::Kernel;

impl<M: Machine> Kernel<M> {
    /// Write down that `taker` took a mapping.
    pub(crate) fn write_down(&mut self, holder: EnvId, taker: EnvId, address: u64, frame: u64) {
        let ticks = self.machine.clock();
        let entry = LedgerEntry { holder: holder.0, address, ticks, frame: frame as u32, taker: taker.slot() as u32 };
        let ring = self.machine.frame(self.info + INFO_LEDGER_PAGE as u64).cast::<LedgerEntry>();
        let taken = &raw mut self.info_page().taken;
        // SAFETY: 1. The ledger's pages are the kernel's own for good, one after the other, and have so many entries. 2. So is the word's.
        unsafe { ring.add(*taken as usize % LEDGER_ENTRIES).write(entry) };
        self.count_up(taken);
    }
}
