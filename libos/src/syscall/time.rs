//! Calls of clocks and sleep.

use unix::Operation;

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::thread::Waits;
use crate::time::{COARSE_HZ, Clock, Linear, SECOND, Timespec, timeval};
use crate::timer::base_clock;
use crate::user::UserMemory;

/// The lane of [`clock_gettime`]: the time of day, and that since boot.
#[inline(always)]
pub fn clock_gettime_linear<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Option<usize> {
    const REALTIME: i32 = Linear::Realtime as i32;
    const MONOTONIC: i32 = Linear::Monotonic as i32;
    let clock = match arguments.int(0) {
        REALTIME => Linear::Realtime,
        MONOTONIC => Linear::Monotonic,
        _ => return None,
    };
    let time = process.times.clocks.split(clock, process.kernel.clock(), SECOND);
    process.write_value(arguments.word(1), &time).ok().map(|()| 0)
}

/// clock_gettime(2)
pub fn clock_gettime<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let clock = process.clock(arguments.int(0))?;
    let time = Timespec::from_ns(process.clock_ns(clock));
    process.write_value(arguments.word(1), &time.0)?;
    Ok(0)
}

/// clock_getres(2)
pub fn clock_getres<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let ns = if let Clock::Coarse(_) = process.clock(arguments.int(0))? { SECOND / COARSE_HZ } else { 1 };
    if arguments.word(1) != 0 {
        process.write_value(arguments.word(1), &Timespec::from_ns(ns).0)?;
    }
    Ok(0)
}

/// clock_settime(2)
pub fn clock_settime<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let time = Timespec(process.read_value(arguments.word(1))?);
    if arguments.int(0) != 0 {
        return Err(Errno::EINVAL);
    }
    process.set_realtime(time.ns()?);
    Ok(0)
}

/// gettimeofday(2)
pub fn gettimeofday<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    if arguments.word(0) != 0 {
        process.write_value(arguments.word(0), &timeval(process.clock_ns(Clock::Realtime)))?;
    }
    if arguments.word(1) != 0 {
        process.write_value(arguments.word(1), &[0i32; 2])?;
    }
    Ok(0)
}

/// time(2)
pub fn time<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let seconds = process.clock_ns(Clock::Realtime) / SECOND;
    if arguments.word(0) != 0 {
        process.write_value(arguments.word(0), &seconds)?;
    }
    Ok(seconds as usize)
}

/// nanosleep(2)
pub fn nanosleep<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let wanted = Timespec(process.read_value(arguments.word(0))?).ns()?;
    sleep(process, process.now_ns().saturating_add(wanted), arguments.word(1))
}

/// clock_nanosleep(2)
pub fn clock_nanosleep<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const ABSOLUTE: i32 = 1;
    let clock = process.clock(arguments.int(0))?;
    // The thread's own time, which stands still while it sleeps, and those clocks that nothing waits by.
    match (arguments.int(0), clock) {
        (3..=6, _) => return Err(Errno::EOPNOTSUPP),
        (_, Clock::Thread(id)) if id == 0 || id == process.thread_id() => return Err(Errno::EINVAL),
        _ => {}
    }
    let wanted = Timespec(process.read_value(arguments.word(2))?).ns()?;
    let absolute = arguments.int(1) & ABSOLUTE != 0;
    let clock = base_clock(clock, absolute);
    let until = if absolute { wanted } else { process.clock_ns(clock).saturating_add(wanted) };
    if clock == Clock::Monotonic {
        return sleep(process, until, if absolute { 0 } else { arguments.word(3) });
    }
    let outcome = sleep_by(process, clock, until);
    if outcome == Err(Errno::EINTR) && !absolute && arguments.word(3) != 0 {
        let left = Timespec::from_ns(until.saturating_sub(process.clock_ns(clock)));
        process.write_value(arguments.word(3), &left.0)?;
    }
    outcome.map(|()| 0)
}

/// Sleep until a clock is at `until_ns`: one that may be set meanwhile, or that stands still while nobody runs.
fn sleep_by<K: Kernel>(process: &Process<K>, clock: Clock, until_ns: u64) -> Result<()> {
    const LEAST_NS: u64 = 100_000;
    loop {
        let now_ns = process.clock_ns(clock);
        if now_ns >= until_ns {
            return Ok(());
        }
        let left = (until_ns - now_ns).max(if clock == Clock::Realtime { 0 } else { LEAST_NS });
        // Who sets the time of day says so to those who wait for changes.
        match process.block(Waits::Change, Some(process.now_ns().saturating_add(left))) {
            Ok(()) | Err(Errno::ETIMEDOUT) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Sleep; what is left of it goes to `remaining` if a signal breaks it off.
fn sleep<K: Kernel>(process: &Process<K>, deadline_ns: u64, remaining: usize) -> Result<usize> {
    process.zero_ahead();
    match process.sleep_until(Some(deadline_ns)) {
        Err(Errno::ETIMEDOUT) => Ok(0),
        Err(Errno::EINTR) => {
            if remaining != 0 {
                let left = Timespec::from_ns(deadline_ns.saturating_sub(process.now_ns()));
                process.write_value(remaining, &left.0)?;
            }
            Err(Errno::EINTR)
        }
        Err(errno) => Err(errno),
        Ok(()) => Ok(0),
    }
}

/// times(2)
pub fn times<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const TICK: u64 = SECOND / crate::load::auxiliary::TICKS_PER_SECOND;
    if arguments.word(0) != 0 {
        let user = process.clock_ns(Clock::Process(0)) / TICK;
        let [children_ns, ..] = process.ask(Operation::ChildrenUsage, 0, 0, [0; 3])?;
        process.write_value(arguments.word(0), &[user, 0, children_ns / TICK, 0])?;
    }
    Ok((process.now_ns() / TICK) as usize)
}
