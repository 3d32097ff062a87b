//! Masks, actions, and what a handler's frame gives back.

use alloc::boxed::Box;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU8, Ordering};

use abi::{FaultKind, PAGE_SIZE, Registers};

use super::*;
use crate::errno::Errno;
use crate::fake::calls::{Caller, cpio};
use crate::kernel::Kernel;
use crate::memory::fault::Refusal;
use crate::thread::Beginning;
use crate::user::UserMemory;

/// The top of the stack that frames go on: in the memory that a `Caller` has.
const STACK: u64 = 0x11_0000;

fn action(handler: u64, flags: u64) -> Action {
    Action { handler, flags: flags | Action::RESTORER, restorer: 0x40_0000, mask: bit(SIGUSR2) }
}

fn stopped() -> Registers {
    Registers { pc: 0x1234, sp: STACK - 64, flags: 0x202, ..Registers::default() }
}

fn fault() -> Trap {
    Trap { kind: FaultKind::Write as u64, address: 0xdead_0000, code: 6, refusal: Some(Refusal::Unmapped) }
}

#[test]
fn a_handlers_frame_gives_back_every_register_and_the_mask() {
    let process = Caller::new(cpio(&[])).process;
    process.signals.with(|state| {
        state.set_blocked(bit(SIGUSR1));
        state.set_action(SIGSEGV, Some(action(0x5000, 0))).unwrap();
    });
    let before = stopped();
    let mut registers = before;
    process.raise_fault(&mut registers, &fault());
    assert_eq!(registers.pc, 0x5000);
    assert_eq!(process.signals.with(|state| state.own.blocked), bit(SIGUSR1) | bit(SIGUSR2) | bit(SIGSEGV));
    // The handler returns: on x86_64 that takes the return address off the stack.
    if cfg!(target_arch = "x86_64") {
        assert_eq!(process.read_value::<u64>(registers.sp as usize), Ok(0x40_0000));
        assert_eq!(registers.sp % 16, 8);
        registers.sp += 8;
    }
    let returned = frame::open(&process.kernel, registers.sp).unwrap();
    frame::load(&process.kernel, returned.context, &mut registers).unwrap();
    assert_eq!((registers, returned.mask), (before, bit(SIGUSR1)));
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_denied_accesss_frame_is_that_of_any_fault_but_for_the_registers() {
    const WORDS: usize = 55;
    let trap = Trap { refusal: Some(Refusal::Denied), ..fault() };
    let [one, other] = [(); 2].map(|()| {
        let process = Caller::new(cpio(&[])).process;
        process.signals.with(|state| state.set_action(SIGSEGV, Some(action(0x5000, 0))).unwrap());
        process
    });
    let mut registers = stopped();
    one.raise_fault(&mut registers, &trap);
    assert_eq!(other.raise_denied(stopped().sp, &trap), Some((registers.sp, registers.pc)));
    let [expected, written] = [&one, &other].map(|process| {
        let mut words: [u64; WORDS] = process.read_value(registers.sp as usize).unwrap();
        let context = frame::CONTEXT / size_of::<u64>();
        words[context..context + 18].fill(0);
        words
    });
    assert_eq!(written, expected);
    assert_eq!(registers.rsi, registers.sp + frame::INFORMATION as u64);
    assert_eq!(registers.rdx, registers.sp + frame::USER_CONTEXT as u64);
    assert_eq!(other.signals.mask(), one.signals.mask());
    // It is blocked now: there is more to the next one.
    assert_eq!(other.raise_denied(stopped().sp, &trap), None);
}

#[test]
fn a_faults_information_says_where() {
    let trap = fault();
    let information = trap.information(0x1234);
    assert_eq!((information.signal as u32, information.code, information.payload[0]), (SIGSEGV, 1, 0xdead_0000));
    let illegal = Trap { kind: FaultKind::IllegalInstruction as u64, refusal: None, ..trap };
    assert_eq!((illegal.information(0x1234).signal as u32, illegal.information(0x1234).payload[0]), (SIGILL, 0x1234));
    let past_end = Trap { refusal: Some(Refusal::PastEnd), ..trap };
    assert_eq!(past_end.information(0).signal as u32, SIGBUS);
}

#[test]
#[should_panic(expected = "the process ended with status 11")]
fn a_blocked_fault_ends_the_process() {
    let process = Caller::new(cpio(&[])).process;
    process.signals.with(|state| {
        state.set_action(SIGSEGV, Some(action(0x5000, 0))).unwrap();
        state.set_blocked(bit(SIGSEGV));
    });
    process.raise_fault(&mut stopped(), &fault());
}

#[test]
#[should_panic(expected = "the process ended with status 11")]
fn a_handler_without_a_stack_ends_the_process() {
    let process = Caller::new(cpio(&[])).process;
    process.signals.with(|state| state.set_action(SIGSEGV, Some(action(0x5000, 0))).unwrap());
    process.raise_fault(&mut Registers { sp: 0x1000, ..stopped() }, &fault());
}

#[test]
fn the_alternate_stack_is_used_where_asked() {
    let process = Caller::new(cpio(&[])).process;
    let stack = AlternateStack { address: STACK - 8 * PAGE_SIZE as u64, flags: 0, reserved: 0, size: 4 * PAGE_SIZE as u64 };
    process.signals.with(|state| {
        set_alternate(state, stack, 0).unwrap();
        state.set_action(SIGSEGV, Some(action(0x5000, Action::ON_STACK))).unwrap();
    });
    let mut registers = Registers { sp: 0x1000, ..stopped() };
    process.raise_fault(&mut registers, &fault());
    assert!(stack.holds(registers.sp));
    let outcome = process.signals.with(|state| set_alternate(state, AlternateStack::NONE, registers.sp));
    assert_eq!(outcome, Err(Errno::EPERM));
    let small = AlternateStack { size: 100, ..stack };
    assert_eq!(process.signals.with(|state| set_alternate(state, small, 0)), Err(Errno::ENOMEM));
}

/// What a process's signals ask attention by.
fn attention() -> &'static AtomicU8 {
    Box::leak(Box::default())
}

/// What is delivered next, whatever is blocked.
fn take(state: &mut State) -> Option<Information> {
    state.take(!0, &mut MaybeUninit::uninit()).copied()
}

#[test]
#[should_panic(expected = "continued at")]
fn who_is_to_go_on_by_the_kernel_does_so_after_anothers_turn_too() {
    let process = Caller::new(cpio(&[])).process;
    process.begin_thread(Beginning::default()).unwrap();
    process.kernel.comes_back.store(true, Ordering::Relaxed);
    process.signals.attend(attention::REGISTERS);
    process.signals.attend(attention::TURN);
    process.leave_call(0);
}

#[test]
fn a_signal_waits_while_it_is_blocked_and_comes_once() {
    let signals = Signals::new(attention());
    signals.with(|state| {
        state.set_blocked(bit(SIGTERM) | bit(SIGKILL));
        assert_eq!(state.own.blocked, bit(SIGTERM), "SIGKILL cannot be blocked");
    });
    signals.send(&Information::new(SIGTERM, 0, 0));
    signals.send(&Information::new(SIGTERM, 0, 0));
    assert!(!signals.is_pending());
    signals.with(|state| state.set_blocked(0));
    assert!(signals.is_pending());
    assert_eq!(signals.with(take).map(|information| information.signal), Some(SIGTERM as i32));
    assert!(!signals.is_pending());
}

#[test]
fn what_is_ignored_is_dropped() {
    let signals = Signals::new(attention());
    signals.send(&Information::new(SIGCHLD, 0, 0));
    assert!(!signals.is_pending());
    signals.send(&Information::new(SIGTERM, 0, 0));
    let ignore = Action { handler: IGNORE, ..Action::default() };
    signals.with(|state| state.set_action(SIGTERM, Some(ignore))).unwrap();
    assert!(!signals.is_pending());
    assert_eq!(signals.with(|state| state.set_action(SIGKILL, Some(ignore))), Err(Errno::EINVAL));
    assert_eq!(signals.with(|state| state.set_action(65, None)), Err(Errno::EINVAL));
}

#[test]
fn real_time_signals_queue() {
    let signals = Signals::new(attention());
    let handler = Action { handler: 0x5000, ..Action::default() };
    signals.with(|state| state.set_action(40, Some(handler))).unwrap();
    for value in 0..3 {
        signals.send(&Information::new(40, 0, value));
    }
    let values: alloc::vec::Vec<u64> = (0..3).filter_map(|_| signals.with(take)).map(|information| information.payload[0]).collect();
    assert_eq!(values, [0, 1, 2]);
}

#[test]
fn a_program_without_handlers_dies_of_what_it_sends_itself() {
    let caller = Caller::new(cpio(&[]));
    caller.call("kill", [1, u64::from(SIGTERM), 0, 0, 0, 0]).unwrap();
    assert!(caller.process.signals.is_pending());
    assert_eq!(caller.call("kill", [77, 0, 0, 0, 0, 0]), Err(Errno::ESRCH));
    assert_eq!(caller.call("kill", [1, 65, 0, 0, 0, 0]), Err(Errno::EINVAL));
    assert!(caller.process.kernel.quota().0 > 0);
}
