//! Calls of signals.

use unix::Operation;

use crate::errno::{Errno, Result};
use crate::identity::Word;
use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::{Action, AlternateStack, FIRST_REAL_TIME, IGNORE, Information, SIGNALS, Set, Told, UNSTOPPABLE, bit, set_alternate};
use crate::syscall::Arguments;
use crate::time::Timespec;
use crate::user::UserMemory;

/// Bytes of the kernel's `sigset_t`.
const SET_BYTES: usize = 8;

fn check_set_size(size: usize) -> Result<()> {
    if size == SET_BYTES { Ok(()) } else { Err(Errno::EINVAL) }
}

/// rt_sigaction(2)
pub fn rt_sigaction<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    check_set_size(arguments.word(3))?;
    let new = match arguments.word(1) {
        0 => None,
        address => Some(process.read_value::<Action>(address)?),
    };
    let old = process.signals.with(|state| state.set_action(arguments.unsigned(0), new))?;
    if let Some(new) = &new {
        process.note_action(arguments.unsigned(0), &old, new);
    }
    if new.is_some_and(|action| action.handler <= IGNORE) {
        process.note_dropped_signals(arguments.unsigned(0));
    }
    if arguments.word(2) != 0 {
        process.write_value(arguments.word(2), &old)?;
    }
    Ok(0)
}

/// What a mask becomes.
///
/// # Errors
/// `EINVAL`: no such way to change it.
#[inline(always)]
fn masked(old: Set, how: i32, set: Set) -> Result<Set> {
    match how {
        0 => Ok(old | set),
        1 => Ok(old & !set),
        2 => Ok(set),
        _ => Err(Errno::EINVAL),
    }
}

/// The lane of [`rt_sigprocmask`]: nothing is pending that the mask could let in or hold back.
#[inline(always)]
pub fn rt_sigprocmask_plain<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Option<usize> {
    if arguments.word(1) == 0 || arguments.word(3) != SET_BYTES {
        return None;
    }
    let set: Set = process.read_value(arguments.word(1)).ok()?;
    let how = arguments.int(0);
    if arguments.word(2) != 0 {
        tell_mask(process, arguments.word(2), how)?;
    }
    process.signals.set_mask_quietly(|old| masked(old, how, set).ok()).then_some(0)
}

/// Write what the mask is to the program, if there is such a way to change it.
#[inline(never)]
fn tell_mask<K: Kernel>(process: &Process<K>, address: usize, how: i32) -> Option<()> {
    let old = process.signals.mask();
    masked(old, how, 0).ok()?;
    process.write_value(address, &old).ok()
}

/// rt_sigprocmask(2)
pub fn rt_sigprocmask<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    check_set_size(arguments.word(3))?;
    let set: Option<Set> = match arguments.word(1) {
        0 => None,
        address => Some(process.read_value(address)?),
    };
    let (old, held_back) = process.signals.with(|state| {
        let old = state.own.blocked;
        if let Some(set) = set {
            state.set_blocked(masked(old, arguments.int(0), set)?);
        }
        Ok::<_, Errno>((old, state.shared.set() & state.own.blocked & !old))
    })?;
    if held_back != 0 {
        process.reoffer();
    }
    if arguments.word(2) != 0 {
        process.write_value(arguments.word(2), &old)?;
    }
    Ok(0)
}

/// rt_sigpending(2)
pub fn rt_sigpending<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    if arguments.word(1) > SET_BYTES {
        return Err(Errno::EINVAL);
    }
    let pending = process.signals.with(|state| state.pending_set() & state.own.blocked);
    process.write_value(arguments.word(0), &pending)?;
    Ok(0)
}

/// sigaltstack(2)
pub fn sigaltstack<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let sp = process.kernel.stack_pointer();
    let new = match arguments.word(0) {
        0 => None,
        address => Some(process.read_value::<AlternateStack>(address)?),
    };
    let old = process.signals.with(|state| {
        let mut old = state.own.alternate;
        if old.holds(sp) {
            old.flags |= AlternateStack::ON_STACK;
        }
        if let Some(new) = new {
            set_alternate(state, new, sp)?;
        }
        Ok::<_, Errno>(old)
    })?;
    if arguments.word(1) != 0 {
        process.write_value(arguments.word(1), &old)?;
    }
    Ok(0)
}

/// rt_sigreturn(2)
pub fn rt_sigreturn<K: Kernel>(process: &Process<K>, _: &Arguments) -> Result<usize> {
    process.sigreturn()
}

/// rt_sigsuspend(2)
pub fn rt_sigsuspend<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    check_set_size(arguments.word(1))?;
    let set: Set = process.read_value(arguments.word(0))?;
    process.signals.with(|state| {
        state.own.suspended = Some(state.own.blocked);
        state.set_blocked(set);
    });
    match process.sleep_until(None) {
        Ok(()) | Err(Errno::ETIMEDOUT) => Err(Errno::EINTR),
        Err(errno) => Err(errno),
    }
}

/// pause(2)
pub fn pause<K: Kernel>(process: &Process<K>, _: &Arguments) -> Result<usize> {
    process.sleep_until(None).map(|()| 0)
}

/// rt_sigtimedwait(2)
pub fn rt_sigtimedwait<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    check_set_size(arguments.word(3))?;
    let set: Set = process.read_value(arguments.word(0))?;
    let deadline = match arguments.word(2) {
        0 => None,
        address => Some(process.now_ns().saturating_add(Timespec(process.read_value(address)?).ns()?)),
    };
    let set = set & !UNSTOPPABLE;
    process.signals.with(|state| state.own.awaited = set);
    let outcome = await_one(process, set, deadline);
    process.signals.with(|state| state.own.awaited = 0);
    let information = outcome?;
    if arguments.word(1) != 0 {
        process.write_value(arguments.word(1), &Told::from(information))?;
    }
    Ok(information.signal as usize)
}

fn await_one<K: Kernel>(process: &Process<K>, set: Set, deadline: Option<u64>) -> Result<Information> {
    loop {
        if let Some(information) = process.take_signal(set) {
            return Ok(information);
        }
        match process.sleep_until(deadline) {
            Err(Errno::ETIMEDOUT) => return Err(Errno::EAGAIN),
            outcome => outcome?,
        }
    }
}

/// Who a signal is for.
#[derive(Clone, Copy)]
enum Target {
    Process,
    /// The thread in this slot.
    Thread(usize),
}

fn check_signal(signal: i32) -> Result<u32> {
    u32::try_from(signal).ok().filter(|&signal| signal <= SIGNALS).ok_or(Errno::EINVAL)
}

/// A signal's number as a request has it. What is none is found out where the process is found.
#[must_use]
pub fn number(signal: i32) -> u16 {
    u16::try_from(signal).unwrap_or(u16::MAX)
}

/// Send a signal. If as many wait as may (`RLIMIT_SIGPENDING`), a standard signal, or one of kill(2)'s, comes once and without what was to be
/// told, as on Linux.
fn send<K: Kernel>(process: &Process<K>, target: Target, information: &Information) -> Result<()> {
    let signal = information.signal as u32;
    let is_counted = signal >= FIRST_REAL_TIME || information.code < 0;
    if is_counted && process.queued_signals() as u64 >= process.limits.lock().get(crate::limits::SIGNALS)?[0] {
        if signal >= FIRST_REAL_TIME && information.code != Information::USER {
            return Err(Errno::EAGAIN);
        }
        if process.signals.with(|state| state.pending_set() & bit(signal) != 0) {
            return Ok(());
        }
        deliver(process, target, &Information::new(signal, Information::USER, 0));
        return Ok(());
    }
    deliver(process, target, information);
    Ok(())
}

fn deliver<K: Kernel>(process: &Process<K>, target: Target, information: &Information) {
    match target {
        Target::Process => process.signal_process(information),
        Target::Thread(slot) => process.signal_thread(slot, information),
    }
}

/// What a signal says that the process sends by kill(2) and its like.
fn plain<K: Kernel>(process: &Process<K>, signal: u32, code: i32) -> Information {
    let user = process.kernel.identity().get(Word::User);
    Information::new(signal, code, u64::from(process.id()) | u64::from(user) << 32)
}

fn send_plain<K: Kernel>(process: &Process<K>, target: Target, signal: i32, code: i32) -> Result<usize> {
    let signal = check_signal(signal)?;
    if signal != 0 {
        send(process, target, &plain(process, signal, code))?;
    }
    Ok(0)
}

/// Send a signal to whom kill(2) means by an id, with `[thread, birth]` as `Operation::Kill` has them; and to the process itself if it is among
/// them.
///
/// # Errors
/// Those of kill(2) and rt_sigqueueinfo(2).
pub fn send_away<K: Kernel>(
    process: &Process<K>,
    id: u32,
    signal: u16,
    information: Option<Information>,
    words: [u64; 2],
) -> Result<usize> {
    let operation = match &information {
        Some(information) => {
            process.kernel.post(0, &information.to_bytes());
            Operation::Queue
        }
        None => Operation::Kill,
    };
    let [_, with_self, ..] = process.ask(operation, signal, id, [words[0], words[1], 0])?;
    if with_self != 0 && signal != 0 {
        send(process, Target::Process, &information.unwrap_or_else(|| plain(process, signal.into(), Information::USER)))?;
    }
    Ok(0)
}

/// kill(2)
pub fn kill<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let signal = arguments.int(1);
    if arguments.unsigned(0) == process.id() {
        if (1..FIRST_REAL_TIME as i32).contains(&signal) {
            process.signal_at_once(&plain(process, signal as u32, Information::USER));
        }
        return send_plain(process, Target::Process, signal, Information::USER);
    }
    if arguments.int(0) > 0 && process.find_thread(arguments.unsigned(0)).is_ok() {
        return send_plain(process, Target::Process, signal, Information::USER);
    }
    send_away(process, arguments.unsigned(0), number(signal), None, [0; 2])
}

/// tkill(2)
pub fn tkill<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    if arguments.int(0) <= 0 {
        return Err(Errno::EINVAL);
    }
    let thread = arguments.unsigned(0);
    if let Ok(slot) = process.find_thread(thread) {
        return send_plain(process, Target::Thread(slot), arguments.int(1), Information::TKILL);
    }
    send_away(process, thread, number(arguments.int(1)), None, [thread.into(), 0])
}

/// tgkill(2)
pub fn tgkill<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    if arguments.int(0) <= 0 || arguments.int(1) <= 0 {
        return Err(Errno::EINVAL);
    }
    if arguments.unsigned(0) == process.id() {
        let slot = process.find_thread(arguments.unsigned(1))?;
        return send_plain(process, Target::Thread(slot), arguments.int(2), Information::TKILL);
    }
    send_away(process, arguments.unsigned(0), number(arguments.int(2)), None, [arguments.unsigned(1).into(), 0])
}

/// rt_sigqueueinfo(2)
pub fn rt_sigqueueinfo<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let information = process.read_value::<Told>(arguments.word(2))?.check()?;
    if arguments.unsigned(0) == process.id() {
        return queue(process, Target::Process, arguments.int(1), information);
    }
    check_code(&information)?;
    if arguments.int(0) <= 0 {
        return Err(Errno::ESRCH);
    }
    send_away(process, arguments.unsigned(0), number(arguments.int(1)), Some(information), [0; 2])
}

/// rt_tgsigqueueinfo(2)
pub fn rt_tgsigqueueinfo<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let information = process.read_value::<Told>(arguments.word(3))?.check()?;
    if arguments.int(0) <= 0 || arguments.int(1) <= 0 {
        return Err(Errno::EINVAL);
    }
    if arguments.unsigned(0) == process.id() {
        let slot = process.find_thread(arguments.unsigned(1))?;
        return queue(process, Target::Thread(slot), arguments.int(2), information);
    }
    check_code(&information)?;
    send_away(process, arguments.unsigned(0), number(arguments.int(2)), Some(information), [arguments.unsigned(1).into(), 0])
}

/// Nobody may pretend to another that the kernel, or kill(2), sent a signal.
fn check_code(information: &Information) -> Result<()> {
    if information.code >= 0 || information.code == Information::TKILL { Err(Errno::EPERM) } else { Ok(()) }
}

fn queue<K: Kernel>(process: &Process<K>, target: Target, signal: i32, mut information: Information) -> Result<usize> {
    let signal = check_signal(signal)?;
    if signal != 0 {
        information.signal = signal as i32;
        send(process, target, &information)?;
    }
    Ok(0)
}
