//! The state of a stopped context.

use abi::{Registers, SavedState, UpcallEntries, UpcallPage};
use static_assertions::const_assert;

/// The bits of SPSR_EL1 that user mode decides: NZCV, DIT, SSBS and BTYPE. The rest stays 0: EL0, AArch64, all interrupts on.
pub(super) const USER_FLAGS: u64 = 0xf << 28 | 1 << 24 | 1 << 12 | BRANCH_TYPE;
/// SPSR_EL1.BTYPE: what kind of branch came before; cleared where the kernel chooses the next instruction.
pub(super) const BRANCH_TYPE: u64 = 0b11 << 10;

/// A context. `SP_EL1` points at it while it runs, so that the entry code has a place for registers.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct Context {
    pub(super) registers: Registers,
    /// The upcall page in the direct map, or null.
    pub(super) upcall_page: *mut UpcallPage,
    /// Where foreign syscalls go, or 0.
    pub(super) syscall_entry: u64,
    /// Where faults go, or 0.
    pub(super) fault_entry: u64,
    /// The upcall page in user space: TPIDRRO_EL0.
    pub(super) upcall_address: u64,
    /// The kernel's stack pointer while user mode runs.
    pub(super) kernel_stack: u64,
    /// Root table and ASID: TTBR0_EL1.
    pub(super) translation: u64,
    /// Whether it has ever used vector registers. What it has in them otherwise is what it began with: zeros.
    pub(super) has_vectors: bool,
    pub(super) floating_control: u64,
    pub(super) floating_status: u64,
    pub(super) vectors: [u128; 32],
}
const_assert!(size_of::<Context>() <= 1024);

impl crate::Context for Context {
    fn init(&mut self, root: u64, asid: u16) {
        self.translation = root << 12 | u64::from(asid) << 48;
    }

    fn set_result(&mut self, status: i64, value: u64) {
        self.registers.x[0] = status as u64;
        self.registers.x[1] = value;
    }

    fn set_message(&mut self, words: [u64; 4]) {
        self.registers.x[2..6].copy_from_slice(&words);
    }

    fn registers(&self) -> Registers {
        self.registers
    }

    fn set_registers(&mut self, registers: &Registers) {
        self.registers = Registers { flags: registers.flags & USER_FLAGS, reserved: 0, ..*registers };
    }

    fn set_upcall(&mut self, page: *mut UpcallPage, address: u64, entries: UpcallEntries) {
        (self.upcall_page, self.upcall_address) = (page, address);
        (self.syscall_entry, self.fault_entry) = (entries.syscall, entries.fault);
    }

    fn enter_fault(&mut self, page: &mut UpcallPage, entry: u64) {
        let Registers { pc, sp, flags, x, .. } = self.registers;
        page.fault = SavedState { pc, sp, flags, scratch: [x[16], x[17]] };
        (self.registers.pc, self.registers.flags) = (entry, flags & !BRANCH_TYPE);
    }
}
