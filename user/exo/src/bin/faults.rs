//! Each kind of fault reaches its library as what it is, and the program goes on where its library sends it.
#![no_std]
#![no_main]

use abi::{EnvId, FaultKind, PAGE_SIZE, Registers, Rights, UpcallPage};
use native::{
    child::{End, peek, poke},
    isa::{self, FAULTS},
    place::{FREE, page},
    scene::Scene,
    upcall::{attempt, attempt_jump, attempt_read, attempt_write, install, install_attempts, page_of},
};

exo::program!(main);

fn main() -> u8 {
    let mut scene = Scene::new();
    for (index, ((name, _), _)) in FAULTS.iter().enumerate() {
        scene.act(name, End::Exited(0), one_kind, index as u64);
    }
    scene.act("page faults", End::Exited(0), page_faults, 0);
    scene.act("pages that come when they are touched", End::Exited(0), lazily, 0);
    scene.act("all registers come back", End::Exited(0), registers, 0);
    scene.act("ten thousand foreign syscalls", End::Exited(0), foreign, 0);
    scene.act("what the page tells of a foreign syscall", End::Exited(0), saved, 0);
    #[cfg(target_arch = "x86_64")]
    scene.act("single steps through kernel calls", End::Exited(0), stepping::through_calls, 0);
    scene.close()
}

fn one_kind(index: u64) -> u64 {
    install_attempts();
    let ((name, instruction), kind) = FAULTS[index as usize];
    for _ in 0..3 {
        let caught = attempt(instruction, 0).unwrap_or_else(|| panic!("{name} did not fault"));
        assert!(caught.is(kind), "{name}: {caught:x?}, expected {kind:?}");
        // The pc is the instruction's or, where it traps, the next one's: in the function in any case.
        assert!(caught.pc.wrapping_sub(instruction as *const () as u64) < 64, "{name}: {caught:x?}");
    }
    0
}

fn page_faults(_: u64) -> u64 {
    install_attempts();
    exo::page_alloc(FREE, 1, Rights::MAY_READ | Rights::MAY_WRITE, None).expect("a page that allows nothing yet");
    for offset in [0, 8, 0x123 * 8, 0xff8] {
        let address = FREE as u64 + offset;
        assert!(attempt_read(address).is_some_and(|caught| caught.is(FaultKind::Read) && caught.address == address));
        assert!(attempt_write(address).is_some_and(|caught| caught.is(FaultKind::Write) && caught.address == address));
        let beyond = address + 0x1000;
        assert!(attempt_read(beyond).is_some_and(|caught| caught.is(FaultKind::Read) && caught.address == beyond));
    }
    let jumped = attempt_jump(FREE as u64).expect("a fault");
    assert!(jumped.is(FaultKind::Execute) && jumped.address == FREE as u64 && jumped.pc == FREE as u64, "{jumped:x?}");
    0
}

fn lazily(_: u64) -> u64 {
    install(0, |_, page| {
        let address = page.address as usize & !(PAGE_SIZE - 1);
        exo::page_alloc(address, 1, Rights::READ_WRITE, None).expect("a page for what was touched");
    });
    for round in 1..4 {
        for index in 0..64 {
            poke(page(FREE, index) + index * 8, round * 1000 + index as u64);
        }
        for index in 0..64 {
            assert_eq!(peek(page(FREE, index) + index * 8), round * 1000 + index as u64);
        }
        // SAFETY: nothing keeps a reference into the pages.
        unsafe { exo::page_unmap(EnvId::SELF, FREE, 64) }.expect("they are mapped");
    }
    0
}

/// The handler fills all registers but what it was given, and changes one word of memory.
fn registers(_: u64) -> u64 {
    install(0, |registers: &mut Registers, page: &mut UpcallPage| {
        assert_eq!(page.kind, FaultKind::IllegalInstruction as u64);
        isa::skip_undefined(registers);
    });
    for seed in [0, 0x1111_1111_1111_1111, !0] {
        assert!(isa::registers_survive_undefined(seed), "with {seed:#x}");
    }
    0
}

fn foreign(_: u64) -> u64 {
    install_attempts();
    for number in 0..10_000 {
        assert_eq!(isa::foreign(number, !number), number + 1);
    }
    0
}

fn saved(_: u64) -> u64 {
    install_attempts();
    for stack in [0x1230, 0x7fff_0000_0008] {
        // SAFETY: the entry needs no stack.
        assert_eq!(unsafe { isa::syscall_with_stack(stack, 0) }, 1);
        let state = page_of(0).syscall;
        let function = isa::syscall_with_stack as *const () as u64;
        assert_eq!(state.sp, stack);
        assert!(state.pc > function && state.pc - function < 64, "{:#x}", state.pc);
        assert!(isa::flags_are_ordinary(state.flags), "{:#x}", state.flags);
    }
    0
}

/// The trap flag stays in user mode: the kernel is not stepped through, and the step after a call is the program's own next.
#[cfg(target_arch = "x86_64")]
mod stepping {
    use core::sync::atomic::{AtomicU64, Ordering};

    use super::{FaultKind, install, isa};

    static STEPS: AtomicU64 = AtomicU64::new(0);

    pub fn through_calls(_: u64) -> u64 {
        install(0, |registers, page| {
            assert_eq!(page.kind, FaultKind::Debug as u64, "at {:#x}", registers.pc);
            STEPS.fetch_add(1, Ordering::Relaxed);
        });
        for call in [isa::call_number(abi::Call::Identify), isa::call_number(abi::Call::Yield), 7] {
            STEPS.store(0, Ordering::Relaxed);
            let answer = isa::stepped_syscall(call);
            assert_eq!(answer, if call == 7 { 8 } else { 0 });
            // A foreign syscall's entry runs without the trap flag, and the one here does not set it back.
            let least = if call == 7 { 1 } else { 4 };
            let steps = STEPS.load(Ordering::Relaxed);
            assert!((least..20).contains(&steps), "{steps} steps with {call:#x}");
        }
        0
    }
}
