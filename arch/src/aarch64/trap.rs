//! What an exception syndrome means (Arm ARM DDI 0487, ESR_EL1).

use abi::FaultKind;

use crate::{Fault, Trap};

/// `ESR_EL1` of `svc #0` in AArch64 state; a kernel call's is this plus its number.
pub const SVC: u64 = 0x15 << 26 | 1 << 25;
/// What the entry code gives in place of a syndrome when an interrupt is waiting: no syndrome has all bits set.
pub const INTERRUPT: u64 = u64::MAX;

/// The trap that `ESR_EL1` describes; `address` reads `FAR_EL1`, which calls and interrupts leave alone.
#[inline(always)]
#[must_use]
pub fn decode(syndrome: u64, address: impl FnOnce() -> u64) -> Trap {
    match syndrome.wrapping_sub(SVC) {
        0 => Trap::Foreign,
        number @ 1..=0xffff => Trap::Call(number as u16),
        _ if syndrome == INTERRUPT => Trap::Interrupt,
        _ => Trap::Fault(fault(syndrome, address())),
    }
}

fn fault(syndrome: u64, address: u64) -> Fault {
    let kind = match syndrome >> 26 & 0x3f {
        0x20 => abort(syndrome, FaultKind::Execute),
        // Cache maintenance sets WnR but needs no right to write (DC ZVA is not cache maintenance here).
        0x24 if syndrome >> 6 & 1 == 1 && syndrome >> 8 & 1 == 0 => abort(syndrome, FaultKind::Write),
        0x24 => abort(syndrome, FaultKind::Read),
        0x22 | 0x26 => FaultKind::Alignment,
        0x2c => FaultKind::FloatingPoint,
        0x2f => FaultKind::Bus,
        0x30 | 0x32 | 0x34 => FaultKind::Debug,
        0x3c => FaultKind::Breakpoint,
        // Unknown and trapped instructions, illegal execution state, branch targets.
        _ => FaultKind::IllegalInstruction,
    };
    let has_address = matches!(syndrome >> 26 & 0x3f, 0x20 | 0x22 | 0x24 | 0x34);
    Fault { kind, address: if has_address { untagged(address) } else { 0 }, code: syndrome }
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

/// The address without its tag (user mode's top byte is ignored): bit 55 stands for all above.
const fn untagged(address: u64) -> u64 {
    ((address << 8) as i64 >> 8) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(syndrome: u64) -> (FaultKind, u64) {
        match decode(syndrome, || 0xab00_1234_5678_9abc) {
            Trap::Fault(Fault { kind, address, code }) => {
                assert_eq!(code, syndrome);
                (kind, address)
            }
            other => panic!("{other:?} is no fault"),
        }
    }

    fn no_address() -> u64 {
        panic!("FAR_EL1 means nothing here")
    }

    #[test]
    fn calls_are_told_from_foreign_syscalls_by_the_immediate() {
        assert_eq!(decode(0x5600_0000, no_address), Trap::Foreign);
        assert_eq!(decode(0x5600_0001, no_address), Trap::Call(1));
        assert_eq!(decode(0x5600_ffff, no_address), Trap::Call(0xffff));
        assert_eq!(decode(INTERRUPT, no_address), Trap::Interrupt);
    }

    #[test]
    fn aborts_are_reads_writes_or_fetches_at_an_untagged_address() {
        let address = 0x0000_1234_5678_9abc;
        assert_eq!(fault(0x9200_0006), (FaultKind::Read, address));
        assert_eq!(fault(0x9200_0046), (FaultKind::Write, address));
        assert_eq!(fault(0x9200_0146), (FaultKind::Read, address), "cache maintenance");
        assert_eq!(fault(0x8200_000f), (FaultKind::Execute, address));
        assert_eq!(fault(0x9200_0010), (FaultKind::Bus, address));
        assert_eq!(fault(0x9200_0061), (FaultKind::Alignment, address));
        assert_eq!(fault(0x9200_0075), (FaultKind::Bus, address));
    }

    #[test]
    fn an_address_in_the_upper_half_keeps_its_bit_55() {
        assert_eq!(untagged(0x12ff_8000_0000_0000), 0xffff_8000_0000_0000);
    }

    #[test]
    fn every_other_class_has_a_kind() {
        let class = |class: u64| fault(class << 26).0;
        for illegal in [0x00, 0x07, 0x0d, 0x0e, 0x18, 0x19, 0x1d, 0x27] {
            assert_eq!(class(illegal), FaultKind::IllegalInstruction);
        }
        assert_eq!(class(0x22), FaultKind::Alignment);
        assert_eq!(class(0x26), FaultKind::Alignment);
        assert_eq!(class(0x2c), FaultKind::FloatingPoint);
        assert_eq!(class(0x2f), FaultKind::Bus);
        assert_eq!(class(0x32), FaultKind::Debug);
        assert_eq!(class(0x3c), FaultKind::Breakpoint);
    }
}
