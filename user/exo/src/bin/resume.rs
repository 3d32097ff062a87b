//! Registers that user mode must not have: what `resume` and `context_set` make of them.
#![no_std]
#![no_main]

use abi::{EnvId, Error, FaultKind, Registers, RunState};
use native::{
    child::{Child, End, PATIENCE, QUOTA},
    info, isa,
    numbered::call,
    place::{FREE, INFO, stack_top},
    scene::Scene,
    shared,
    upcall::{attempt, install_attempts},
};

exo::program!(main);

const DONE: usize = shared::FREE;

/// Program counters that are not user mode's.
const BAD_PCS: [u64; 8] =
    [0, 0xffff_8000_0000_0000, 0xffff_ffff_8010_0000, 0x8000_0000_0000, 0x7fff_ffff_f000, 0x7fff_ffff_ffff, !0, 1 << 63];

fn main() -> u8 {
    let mut scene = Scene::new();
    for pc in BAD_PCS {
        scene.act("a resume to a pc that is not user mode's", End::Exited(0), resume_to, pc);
        set_to(pc);
        scene.after("a context set to it");
    }
    for flags in isa::BAD_FLAGS {
        scene.act("a resume with flags that are not user mode's", End::Exited(0), resume_with_flags, flags);
    }
    scene.act("thread bases of all kinds", End::Exited(0), thread_bases, 0);
    scene.act("register frames that are none", End::Exited(0), bad_frames, 0);
    round_trip();
    scene.after("registers set and read back");
    running();
    scene.after("registers of one that is running");
    scene.close()
}

fn registers_at(pc: u64) -> Registers {
    isa::start(pc, stack_top(0) as u64 - 4096, [0, 0])
}

extern "C" fn resume_registers(registers: u64) {
    // SAFETY: the frame is the caller's; what comes of it is a fault or a jump to where the caller wants.
    let error = unsafe { exo::resume(&*(registers as *const Registers)) };
    panic!("resume answered {error:?}");
}

fn resume_to(pc: u64) -> u64 {
    install_attempts();
    let registers = registers_at(pc);
    let caught = attempt(resume_registers, core::ptr::from_ref(&registers) as u64).expect("a fault");
    assert!(caught.is(FaultKind::Execute) || caught.is(FaultKind::Alignment) || caught.is(FaultKind::Protection), "{caught:x?}");
    0
}

fn set_to(pc: u64) {
    let child = Child::new(QUOTA, native::NONE);
    let context = child.context(|_| 0, 0);
    exo::context_set(child.id, context, Some(&registers_at(pc)), RunState::Stopped).expect("it is stopped");
    child.give_slice(context);
    let entry = child.await_death(PATIENCE);
    let deaths = [End::Fault(FaultKind::Execute), End::Fault(FaultKind::Alignment), End::Fault(FaultKind::Protection)];
    assert!(deaths.iter().any(|end| end.is(&entry)), "pc {pc:#x}: {entry:x?}");
    child.reap();
}

/// Ends with what [`isa::flags_are_ordinary`] says about the flags that it finds, and whether a privileged instruction is still refused.
extern "C" fn look_at_flags() -> ! {
    let ordinary = isa::flags_are_ordinary(isa::flags());
    let refused = attempt(isa::PRIVILEGED[0].1, 0).is_some();
    // A slice's end must still come.
    let start = info::slice(0).expired;
    shared::set(DONE, start);
    loop {
        let _ = exo::env_destroy(EnvId::SELF, u64::from(!(ordinary && refused)));
    }
}

fn resume_with_flags(flags: u64) -> u64 {
    install_attempts();
    let registers = Registers { flags, ..registers_at(look_at_flags as *const () as u64) };
    resume_registers(core::ptr::from_ref(&registers) as u64);
    1
}

extern "C" fn end_with_thread_base() -> ! {
    loop {
        let _ = exo::env_destroy(EnvId::SELF, 0);
    }
}

fn thread_bases(_: u64) -> u64 {
    for tls in [0x1000, 0x7fff_ffff_f000, 0x8000_0000_0000, 0xffff_8000_0000_0000, 0x7fff_ffff_ffff_ffff, !0] {
        let child = exo::context_create(EnvId::SELF).map(|_| ());
        assert!(matches!(child, Ok(()) | Err(Error::Full)));
        let registers = Registers { tls, ..registers_at(end_with_thread_base as *const () as u64) };
        exo::context_set(EnvId::SELF, 1, Some(&registers), RunState::Stopped).expect("it is stopped");
        let read = exo::context_get(EnvId::SELF, 1).expect("it exists").tls;
        assert!(read == tls || read < 1 << 47, "{tls:#x} became {read:#x}");
        exo::context_set(EnvId::SELF, 1, None, RunState::Stopped).expect("it is stopped");
    }
    // Loaded for good: by a resume of this context.
    let registers = Registers { tls: !0, ..registers_at(end_with_thread_base as *const () as u64) };
    resume_registers(core::ptr::from_ref(&registers) as u64);
    1
}

fn bad_frames(_: u64) -> u64 {
    let resume = |address: usize| {
        // SAFETY: refused.
        unsafe { call(abi::Call::Resume, [address as u64, 0, 0, 0, 0, 0]) }
    };
    let set = |address: usize| {
        // SAFETY: refused, or for a context that is stopped.
        unsafe { call(abi::Call::ContextSet, [0, 1, address as u64, RunState::Stopped as u64, 0, 0]) }
    };
    let get = |address: usize| {
        // SAFETY: refused.
        unsafe { call(abi::Call::ContextGet, [0, 1, address as u64, 0, 0, 0]) }
    };
    exo::context_create(EnvId::SELF).expect("a context");
    exo::page_alloc(FREE, 1, abi::Rights::READ_WRITE, None).expect("a page");
    for misplaced in [FREE + 8, FREE + 1, FREE + 4096 - 16, usize::MAX, usize::MAX & !15, 0x7fff_ffff_fff0] {
        assert_eq!([resume(misplaced), set(misplaced), get(misplaced)], [Error::BadAddress as i64; 3], "{misplaced:#x}");
    }
    for unmapped in [0x10, FREE + 4096, FREE - 4096] {
        assert_eq!([resume(unmapped), set(unmapped), get(unmapped)], [Error::NotMapped as i64; 3], "{unmapped:#x}");
    }
    assert_eq!(get(INFO), Error::NotMapped as i64, "the frame is to be writable");
    let own = Registers::default();
    assert_eq!(exo::context_set(EnvId::SELF, 0, Some(&own), RunState::Runnable), Err(Error::BadArgument));
    0
}

fn round_trip() {
    let child = Child::new(QUOTA, native::NONE);
    let context = exo::context_create(child.id).expect("a context");
    let mut registers = registers_at(0x1234_5678);
    registers.tls = 0x7000_0000_1000;
    isa::set_answer(&mut registers, 0xabcd_ef01_2345_6789);
    exo::context_set(child.id, context, Some(&registers), RunState::Stopped).expect("it is stopped");
    let read = child.registers(context);
    assert_eq!(Registers { flags: 0, ..read }, Registers { flags: 0, ..registers });
    child.end();
}

/// A running context is stopped, moved elsewhere and set running again.
fn running() {
    let child = Child::run(
        |_| {
            shared::set(DONE, 77);
            loop {
                core::hint::spin_loop();
            }
        },
        0,
    );
    assert!(shared::await_value(DONE, 77, PATIENCE));
    exo::context_set(child.id, 0, None, RunState::Stopped).expect("ours");
    let mut registers = child.registers(0);
    assert!(registers.pc > 0x7c00_0000_0000);
    registers.pc = end_with_thread_base as *const () as u64;
    exo::context_set(child.id, 0, Some(&registers), RunState::Runnable).expect("ours");
    child.expect("one that was moved", End::Exited(0));
}
