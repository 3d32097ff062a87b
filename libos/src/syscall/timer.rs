//! Calls of timers that send signals.

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::{SIGALRM, SIGNALS};
use crate::syscall::Arguments;
use crate::time::{Clock, SECOND, timeval};
use crate::timer::{Notify, Setting};
use crate::user::UserMemory;

/// `ITIMER_REAL`
const REAL: usize = 0;
/// `TIMER_ABSTIME`, `TFD_TIMER_ABSTIME`
pub const ABSOLUTE: u32 = 1;

/// alarm(2)
pub fn alarm<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let setting = Setting { value_ns: u64::from(arguments.unsigned(0)) * SECOND, period_ns: 0 };
    let left = process.set_classic_timer(REAL, setting)?.value_ns;
    // To the nearest second, but never 0 while something is left.
    let seconds = (left + SECOND / 2) / SECOND;
    Ok(if left > 0 { seconds.max(1) } else { 0 } as usize)
}

/// A `struct itimerval`: period, value.
fn timevals(setting: Setting) -> [[i64; 2]; 2] {
    // What is less than the unit is not nothing.
    let value_ns = if setting.value_ns > 0 { setting.value_ns.max(1000) } else { 0 };
    [timeval(setting.period_ns), timeval(value_ns)]
}

fn from_timeval([seconds, microseconds]: [i64; 2]) -> Result<u64> {
    if seconds < 0 || !(0..1_000_000).contains(&microseconds) {
        return Err(Errno::EINVAL);
    }
    Ok((seconds as u64).saturating_mul(SECOND).saturating_add(microseconds as u64 * 1000))
}

/// getitimer(2)
pub fn getitimer<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let setting = process.classic_timer(arguments.unsigned(0) as usize)?;
    process.write_value(arguments.word(1), &timevals(setting)).map(|()| 0)
}

/// setitimer(2). No new value disarms, as one of 0 does.
pub fn setitimer<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let setting = match arguments.word(1) {
        0 => Setting::default(),
        address => {
            let [period, value]: [[i64; 2]; 2] = process.read_value(address)?;
            let value_ns = from_timeval(value)?;
            Setting { value_ns, period_ns: from_timeval(period)? }
        }
    };
    let old = process.set_classic_timer(arguments.unsigned(0) as usize, setting)?;
    if arguments.word(2) != 0 {
        process.write_value(arguments.word(2), &timevals(old))?;
    }
    Ok(0)
}

/// The clock of a timer.
fn timer_clock<K: Kernel>(process: &Process<K>, number: i32) -> Result<Clock> {
    // MONOTONIC_RAW and the coarse ones have no timers.
    if matches!(number, 4..=6) {
        return Err(Errno::EOPNOTSUPP);
    }
    Ok(match process.clock(number)? {
        Clock::Thread(0) => Clock::Thread(process.thread_id()),
        clock => clock,
    })
}

/// `struct sigevent`, as far as it means something: value; signal and notification; thread.
fn notify<K: Kernel>(process: &Process<K>, address: usize) -> Result<Notify> {
    const SIGNAL: u32 = 0;
    const NONE: u32 = 1;
    const THREAD: u32 = 2;
    const THREAD_ID: u32 = 4;
    const WORDS: usize = 8;
    if address == 0 {
        return Ok(Notify::Signal { signal: SIGALRM, value: None, thread: None });
    }
    let [value, signal, thread, ..]: [u64; WORDS] = process.read_value(address)?;
    let (signal, kind, thread) = (signal as i32, (signal >> 32) as u32, thread as i32);
    if kind == NONE {
        return Ok(Notify::Nobody);
    }
    let signal = u32::try_from(signal).ok().filter(|signal| (1..=SIGNALS).contains(signal)).ok_or(Errno::EINVAL)?;
    let thread = match kind {
        SIGNAL | THREAD => None,
        THREAD_ID => {
            let id = u32::try_from(thread).ok().filter(|&id| id > 0).ok_or(Errno::EINVAL)?;
            process.find_thread(id).map_err(|_| Errno::EINVAL)?;
            Some(id)
        }
        _ => return Err(Errno::EINVAL),
    };
    Ok(Notify::Signal { signal, value: Some(value), thread })
}

/// timer_create(2)
pub fn timer_create<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    // The event is copied before anything is looked at.
    if arguments.word(1) != 0 {
        process.read_value::<[u64; 8]>(arguments.word(1))?;
    }
    let clock = timer_clock(process, arguments.int(0))?;
    let notify = notify(process, arguments.word(1))?;
    let id = process.make_timer(clock, notify)?;
    if process.write_value(arguments.word(2), &id).is_err() {
        process.delete_timer(id)?;
        return Err(Errno::EFAULT);
    }
    Ok(0)
}

/// timer_settime(2)
pub fn timer_settime<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    if arguments.word(2) == 0 {
        return Err(Errno::EINVAL);
    }
    let setting = Setting::from_timespecs(process.read_value(arguments.word(2))?)?;
    let old = process.set_timer(arguments.int(0), setting, arguments.unsigned(1) & ABSOLUTE != 0)?;
    if arguments.word(3) != 0 {
        process.write_value(arguments.word(3), &old.timespecs())?;
    }
    Ok(0)
}

/// timer_gettime(2)
pub fn timer_gettime<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let setting = process.timer(arguments.int(0))?;
    process.write_value(arguments.word(1), &setting.timespecs()).map(|()| 0)
}

/// timer_getoverrun(2)
pub fn timer_getoverrun<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    process.timer_overrun(arguments.int(0)).map(|count| count as usize)
}

/// timer_delete(2)
pub fn timer_delete<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    process.delete_timer(arguments.int(0)).map(|()| 0)
}
