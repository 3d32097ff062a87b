//! Delivery: from a pending signal or a fault to the first instruction of a handler, or to the end.

use core::mem::MaybeUninit;

use abi::Registers;

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::state::Entering;
use crate::signal::{
    Action, AlternateStack, DEFAULT, IGNORE, Information, SIGSEGV, STOPS, Set, State, Trap, bit, frame, is_ignored_by_default,
};
use crate::syscall::table;

/// How a process ends, as wait(2) packs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// By exit(2), with this code.
    Code(u8),
    /// By a signal.
    Signal(u32),
}

impl Ending {
    /// The wait status word.
    #[must_use]
    pub fn status(self) -> u32 {
        match self {
            Ending::Code(code) => u32::from(code) << 8,
            Ending::Signal(signal) => signal,
        }
    }
}

/// What a frame gives back beside registers.
#[derive(Clone, Copy, Debug)]
pub struct Returned {
    /// The signals to block.
    pub mask: Set,
    /// The alternate stack.
    pub alternate: AlternateStack,
    /// Where the registers are.
    pub context: usize,
}

/// Whether a call that a signal broke off is made again after a handler with `SA_RESTART`: signal(7) lists those that are not.
fn is_restarted(registers: &Registers) -> bool {
    const NEVER: [&str; 16] = [
        "nanosleep",
        "clock_nanosleep",
        "poll",
        "ppoll",
        "select",
        "pselect6",
        "rt_sigsuspend",
        "pause",
        "rt_sigtimedwait",
        "epoll_wait",
        "epoll_pwait",
        "epoll_pwait2",
        "msgsnd",
        "msgrcv",
        "semop",
        "semtimedop",
    ];
    #[cfg(target_arch = "x86_64")]
    let (number, timeout) = (registers.rax, registers.r[2]);
    #[cfg(target_arch = "aarch64")]
    let (number, timeout) = (registers.x[8], registers.x[3]);
    match table::row(number as usize) {
        // A wait with a timeout would begin anew.
        Some(row) if row.name == "futex" => timeout == 0,
        Some(row) => !NEVER.contains(&row.name),
        None => false,
    }
}

impl<K: Kernel> Process<K> {
    /// Turn a fault into its signal: `registers`, but for the thread pointer those of the fault, then are to start the handler. Without one that can
    /// run, the process ends.
    #[inline(always)]
    pub fn raise_fault(&self, registers: &mut Registers, trap: &Trap) {
        let information = trap.information(registers.pc);
        let signal = information.signal as u32;
        if self.trace.is_on {
            // A copy: what others are shown has to be in memory.
            let shown = information;
            crate::strace::delivered(self, &shown);
        }
        let Some((action, entering)) = self.signals.enter_of_fault(signal) else {
            let trap = *trap;
            self.end_for_fault(registers, &trap, signal)
        };
        self.start_handler::<true>(registers, &information, &action, &entering, &trap.words());
    }

    /// [`Process::raise_fault`] for an access that its region denies, of a program with this stack pointer: the address of a frame in which all but the
    /// registers is written, and of the handler. None, and nothing done, where there may be more to it than that.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub fn raise_denied(&self, sp: u64, trap: &Trap) -> Option<(u64, u64)> {
        if self.trace.is_on {
            return None;
        }
        let (action, entering, room) = self.signals.enter_straight(SIGSEGV, |action, alternate| {
            let top = stack_for(action, alternate, sp, frame::RED_ZONE);
            if action.flags & Action::RESTORER != 0 { self.kernel.room_below(top) } else { None }
        })?;
        if entering.held_back != 0 {
            self.reoffer();
        }
        // What the signal is told to be for does not depend on where the program was.
        let information = trap.information(0);
        Some((frame::begin(&self.kernel, room, sp, &information, &action, &entering, &trap.words()), action.handler))
    }

    /// A fault's signal has no handler that can run.
    #[cold]
    fn end_for_fault(&self, registers: &mut Registers, trap: &Trap, signal: u32) -> ! {
        registers.tls = self.kernel.thread_pointer();
        self.report_fault(registers, trap, signal);
        crate::post_mortem::tell(self, registers, &trap.information(registers.pc));
        self.end(Ending::Signal(signal))
    }

    /// Whether a signal is pending that breaks off a wait. A stop does not: the wait goes on where the process does, as if there had been none
    /// (signal(7): Linux breaks off epoll_wait(2) and sigtimedwait(2) then).
    pub fn is_interrupted(&self) -> bool {
        while self.signals.is_pending()
            && let Some(signal) = self.signals.with(State::next_quiet)
        {
            if STOPS & bit(signal) != 0 && self.signals.with(|state| state.action(signal).handler) == DEFAULT {
                self.stop(signal);
            }
        }
        self.signals.is_pending()
    }

    /// Deliver what is pending on the way out of a call that answers `result`. Returns if nothing has a handler.
    pub fn deliver_after_call(&self, result: u64) {
        let mut registers = self.kernel.registers();
        let again =
            result == -(Errno::EINTR.0 as i64) as u64 && self.signals.with(|state| state.restarts_calls()) && is_restarted(&registers);
        if again {
            registers.pc = self.kernel.call_site();
        } else {
            frame::set_result(&mut registers, result);
        }
        if self.deliver(&mut registers) {
            self.kernel.start(&registers);
        }
        if again {
            self.kernel.resume(&registers);
        }
    }

    /// Send the process a standard signal of its own that the thread that runs takes at once: its handler begins, with the call that is served done
    /// and its answer 0. Returns, with nothing done, if there is more to it than that.
    pub fn signal_at_once(&self, information: &Information) {
        let signal = information.signal as u32;
        if self.kernel.are_calls_watched() {
            return;
        }
        let Some((action, entering)) = self.signals.enter_at_once(signal) else { return };
        let mut registers = self.kernel.registers();
        frame::set_result(&mut registers, 0);
        self.start_handler::<true>(&mut registers, information, &action, &entering, &[0; 3]);
        self.kernel.start(&registers);
    }

    /// Deliver what is pending; whether `registers` were changed.
    pub fn deliver(&self, registers: &mut Registers) -> bool {
        let mut changed = false;
        let mut place = MaybeUninit::uninit();
        while self.signals.is_pending()
            && let Some((information, action, entering)) = self.signals.with(|state| state.take_next(&mut place))
        {
            self.count_expirations(information);
            let signal = information.signal as u32;
            if self.trace.is_on {
                crate::strace::delivered(self, information);
            }
            match action.handler {
                IGNORE => {}
                DEFAULT if is_ignored_by_default(signal) => {}
                DEFAULT if STOPS & bit(signal) != 0 => self.stop(signal),
                DEFAULT => {
                    crate::post_mortem::tell(self, registers, information);
                    self.end(Ending::Signal(signal));
                }
                _ => {
                    self.start_handler::<false>(registers, information, &action, &entering, &[0; 3]);
                    changed = true;
                }
            }
        }
        changed
    }

    /// Write the frame and point `registers` at the handler; with `IS_LAST`, where nothing but to start that comes after it.
    #[inline(always)]
    fn start_handler<const IS_LAST: bool>(
        &self,
        registers: &mut Registers,
        information: &Information,
        action: &Action,
        entering: &Entering,
        words: &[u64; 3],
    ) {
        if entering.held_back != 0 {
            self.reoffer();
        }
        if frame::push::<K, IS_LAST>(&self.kernel, registers, information, action, entering, words).is_err() {
            self.end_for_frame();
        }
    }

    /// Linux sends `SIGSEGV` for a frame that cannot be written, whose handler's frame could not be written either; and for one that is not there to
    /// return by.
    #[cold]
    pub fn end_for_frame(&self) -> ! {
        self.end(Ending::Signal(SIGSEGV))
    }

    /// rt_sigreturn(2): go on with the registers, mask and alternate stack of the frame that the stack pointer is at. If there is none, the
    /// process ends: Linux sends `SIGSEGV` then.
    pub fn sigreturn(&self) -> ! {
        let sp = self.kernel.stack_pointer();
        self.sigreturn_straight(sp);
        self.sigreturn_by_copies(sp)
    }

    /// [`Process::sigreturn`] to any frame, for a program with this stack pointer: what is in it is read first.
    pub fn sigreturn_by_copies(&self, sp: u64) -> ! {
        let Ok(returned) = frame::open(&self.kernel, sp) else { self.end_for_frame() };
        let is_same = self.signals.with(|state| {
            state.set_blocked(returned.mask);
            state.own.alternate.is_recorded_as(&returned.alternate)
        });
        let mut registers = self.kernel.registers();
        if frame::load(&self.kernel, returned.context, &mut registers).is_err() {
            self.end_for_frame();
        }
        if !is_same {
            let _ = self.signals.with(|state| set_alternate(state, returned.alternate, registers.sp));
        }
        self.deliver(&mut registers);
        self.kernel.resume(&registers)
    }

    /// [`Process::sigreturn`] to a frame that nothing stands in the way of: as the library wrote it, with nothing pending that the mask lets in.
    /// Else it returns, and nothing was done that is not to be done again.
    #[inline(always)]
    pub fn sigreturn_straight(&self, sp: u64) {
        frame::resume(&self.kernel, sp, |mask, alternate| self.signals.return_quietly(mask, alternate));
    }
}

/// sigaltstack(2): set the alternate stack, for a program whose stack pointer is `sp`.
///
/// # Errors
/// `EPERM`: it runs on it. `EINVAL`: unknown flags. `ENOMEM`: too small.
pub fn set_alternate(state: &mut super::State, new: AlternateStack, sp: u64) -> Result<()> {
    if state.own.alternate.holds(sp) {
        return Err(Errno::EPERM);
    }
    match new.flags & !AlternateStack::AUTODISARM {
        AlternateStack::DISABLED => state.own.alternate = AlternateStack::NONE,
        0 | AlternateStack::ON_STACK if new.size < AlternateStack::LEAST => return Err(Errno::ENOMEM),
        0 | AlternateStack::ON_STACK => {
            state.own.alternate = AlternateStack { flags: new.flags & AlternateStack::AUTODISARM, reserved: 0, ..new };
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}

/// Where a handler's frame starts: below the program's stack, or at the alternate stack's top.
pub(super) fn stack_for(action: &Action, alternate: &AlternateStack, sp: u64, red_zone: u64) -> u64 {
    let usable = alternate.flags & AlternateStack::DISABLED == 0 && alternate.size != 0;
    if action.flags & Action::ON_STACK != 0 && usable && !alternate.holds(sp) { alternate.address + alternate.size } else { sp - red_zone }
}

/// The alternate stack as a frame records it.
#[inline(always)]
pub(super) fn recorded(alternate: &AlternateStack, sp: u64) -> AlternateStack {
    let recorded = AlternateStack { reserved: 0, ..*alternate };
    if alternate.flags & AlternateStack::DISABLED != 0 {
        return recorded;
    }
    let on = if alternate.holds(sp) { AlternateStack::ON_STACK } else { 0 };
    AlternateStack { flags: alternate.flags | on, ..recorded }
}
