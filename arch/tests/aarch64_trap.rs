//! What aarch64 exception syndromes mean, on any host.

use abi::FaultKind;
use arch::aarch64::trap::{CALL, INTERRUPT, decode};
use arch::{Fault, Trap};

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
fn calls_and_interrupts_are_no_faults() {
    assert_eq!(decode(CALL, no_address), Trap::Call);
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
    let Trap::Fault(fault) = decode(0x9200_0006, || 0x12ff_8000_0000_0000) else { panic!("a load is no call") };
    assert_eq!(fault.address, 0xffff_8000_0000_0000);
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
