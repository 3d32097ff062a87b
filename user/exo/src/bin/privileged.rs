//! Instructions that are not for user mode.
#![no_std]
#![no_main]

use abi::FaultKind;
use native::{
    child::End,
    isa::{HARMLESS, PRIVILEGED, PRIVILEGED_KINDS, SEGMENTS},
    scene::Scene,
    upcall::{attempt, install_attempts},
};

exo::program!(main);

fn main() -> u8 {
    let mut scene = Scene::new();
    for (index, (name, _)) in PRIVILEGED.iter().enumerate() {
        scene.act(name, End::Exited(0), refused, index as u64);
    }
    for (index, (name, _)) in SEGMENTS.iter().enumerate() {
        scene.act(name, End::Exited(0), faults, index as u64);
    }
    for (index, (name, _)) in HARMLESS.iter().enumerate() {
        scene.act(name, End::Exited(0), survives, index as u64);
    }
    let stop = |_| {
        PRIVILEGED[0].1(0);
        0
    };
    scene.act("one without an upcall entry", End::Fault(PRIVILEGED_KINDS[0]), stop, 0);
    scene.close()
}

fn refused(index: u64) -> u64 {
    install_attempts();
    let (name, instruction) = PRIVILEGED[index as usize];
    for argument in [0, 0x1000, u64::MAX] {
        let caught = attempt(instruction, argument).unwrap_or_else(|| panic!("{name} was not refused"));
        assert!(PRIVILEGED_KINDS.iter().any(|&kind| caught.is(kind)), "{name}: {caught:x?}");
    }
    0
}

fn faults(index: u64) -> u64 {
    install_attempts();
    let (name, instruction) = SEGMENTS[index as usize];
    let caught = attempt(instruction, 0).unwrap_or_else(|| panic!("{name} was not refused"));
    assert!(!caught.is(FaultKind::Slice), "{name}: {caught:x?}");
    0
}

fn survives(index: u64) -> u64 {
    install_attempts();
    let _ = attempt(HARMLESS[index as usize].1, 0);
    0
}
