//! What a fault becomes: the signal and the code that Linux sends for it.

use abi::FaultKind;

use crate::memory::fault::Refusal;
use crate::signal::{Information, SIGBUS, SIGFPE, SIGILL, SIGKILL, SIGSEGV, SIGTRAP};

/// A fault that no region explains.
#[derive(Clone, Copy, Debug)]
pub struct Trap {
    /// A [`FaultKind`].
    pub kind: u64,
    /// Where, for accesses.
    pub address: u64,
    /// The ISA's own word: see `UpcallPage::code`.
    pub code: u64,
    /// For accesses: why not.
    pub refusal: Option<Refusal>,
}

const ILL_ILLOPN: i32 = 2;
const ILL_ILLOPC: i32 = 1;
const FPE_INTDIV: i32 = 1;
const FPE_FLTINV: i32 = 7;
const SEGV_MAPERR: i32 = 1;
const SEGV_ACCERR: i32 = 2;
const BUS_ADRALN: i32 = 1;
const BUS_ADRERR: i32 = 2;
const BUS_MCEERR_AR: i32 = 4;
const TRAP_BRKPT: i32 = 1;
const TRAP_TRACE: i32 = 2;

impl Trap {
    /// The signal, for a program stopped at `pc`.
    #[must_use]
    pub fn information(&self, pc: u64) -> Information {
        let is = |kind: FaultKind| self.kind == kind as u64;
        let on_x86_64 = cfg!(target_arch = "x86_64");
        let (signal, code, address) = if let Some(refusal) = self.refusal {
            match refusal {
                Refusal::Unmapped => (SIGSEGV, SEGV_MAPERR, self.address),
                Refusal::Denied => (SIGSEGV, SEGV_ACCERR, self.address),
                Refusal::PastEnd | Refusal::Unreadable => (SIGBUS, BUS_ADRERR, self.address),
                // As Linux tells of a page whose contents the memory lost.
                Refusal::Taken => (SIGBUS, BUS_MCEERR_AR, self.address),
                Refusal::NoMemory => (SIGKILL, Information::KERNEL, 0),
            }
        } else if is(FaultKind::IllegalInstruction) {
            (SIGILL, if on_x86_64 { ILL_ILLOPN } else { ILL_ILLOPC }, pc)
        } else if is(FaultKind::Breakpoint) {
            // x86_64's int3 is a trap after the instruction, without an address; aarch64's brk a fault on it.
            if on_x86_64 { (SIGTRAP, Information::KERNEL, 0) } else { (SIGTRAP, TRAP_BRKPT, pc) }
        } else if is(FaultKind::Debug) {
            (SIGTRAP, TRAP_TRACE, pc)
        } else if is(FaultKind::Divide) {
            (SIGFPE, FPE_INTDIV, pc)
        } else if is(FaultKind::FloatingPoint) {
            (SIGFPE, FPE_FLTINV, pc)
        } else if is(FaultKind::Alignment) {
            if on_x86_64 { (SIGBUS, BUS_ADRALN, 0) } else { (SIGBUS, BUS_ADRALN, pc) }
        } else if is(FaultKind::Bus) {
            (SIGBUS, BUS_ADRERR, self.address)
        } else {
            (SIGSEGV, Information::KERNEL, 0)
        };
        Information::new(signal, code, address)
    }

    /// The words that the frame's context shows beside the registers: x86_64 error code, trap number and cr2; aarch64 ESR and the
    /// fault's address.
    #[must_use]
    pub fn words(&self) -> [u64; 3] {
        [self.code & 0xffff_ffff, self.code >> 32, self.address]
    }
}
