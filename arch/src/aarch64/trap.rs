//! What an exception syndrome means (Arm ARM DDI 0487, ESR_EL1).

use abi::FaultKind;

use crate::{Fault, Trap};

/// `ESR_EL1` of `svc #0` in AArch64 state; a kernel call's is this plus its number. The entry code answers them itself.
pub const SVC: u64 = 0x15 << 26 | 1 << 25;
/// What the entry code gives in place of a syndrome when an interrupt is waiting: no syndrome has all bits set.
pub const INTERRUPT: u64 = u64::MAX;
/// What it gives after a call whose context does not simply go on.
pub const CALL: u64 = u64::MAX - 1;

/// The exception class of an access to vector registers that was trapped.
pub const VECTORS: u64 = 0x07;
/// The exception class of a load or store by user mode that was refused.
pub const DATA_ABORT: u64 = 0x24;

/// The trap that `ESR_EL1`, or what the entry code gives, describes; `address` reads `FAR_EL1`, which only faults set.
#[inline(always)]
#[must_use]
pub fn decode(syndrome: u64, address: impl FnOnce() -> u64) -> Trap {
    match syndrome {
        CALL => Trap::Call,
        INTERRUPT => Trap::Interrupt,
        _ => Trap::Fault(fault(syndrome, address())),
    }
}

fn fault(syndrome: u64, address: u64) -> Fault {
    let kind = match syndrome >> 26 & 0x3f {
        0x20 => abort(syndrome, FaultKind::Execute),
        // Cache maintenance sets WnR but needs no right to write (DC ZVA is not cache maintenance here).
        DATA_ABORT if syndrome >> 6 & 1 == 1 && syndrome >> 8 & 1 == 0 => abort(syndrome, FaultKind::Write),
        DATA_ABORT => abort(syndrome, FaultKind::Read),
        0x22 | 0x26 => FaultKind::Alignment,
        0x2c => FaultKind::FloatingPoint,
        0x2f => FaultKind::Bus,
        0x30 | 0x32 | 0x34 => FaultKind::Debug,
        0x3c => FaultKind::Breakpoint,
        // Unknown and trapped instructions, illegal execution state, branch targets.
        _ => FaultKind::IllegalInstruction,
    };
    let has_address = matches!(syndrome >> 26 & 0x3f, 0x20 | 0x22 | 0x24 | 0x34);
    // Without its tag (user mode's top byte is ignored): bit 55 stands for all above.
    let untagged = ((address << 8) as i64 >> 8) as u64;
    Fault { kind, address: if has_address { untagged } else { 0 }, code: syndrome }
}

/// `kind`, unless the fault status code says that it was no matter of rights.
fn abort(syndrome: u64, kind: FaultKind) -> FaultKind {
    match syndrome & 0x3f {
        0x21 => FaultKind::Alignment,
        // External aborts and parity errors, on the access or on the table walk; unsupported exclusive or atomic access.
        0x10..=0x1f | 0x34 | 0x35 => FaultKind::Bus,
        _ => kind,
    }
}
