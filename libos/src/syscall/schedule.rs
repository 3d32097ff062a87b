//! Calls of scheduling policies. All threads are scheduled as `SCHED_OTHER`; a thread may say that it is of another kind without priorities.

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::time::Timespec;
use crate::user::UserMemory;

/// Policies without priorities.
const OTHER: u32 = 0;
const BATCH: u32 = 3;
const IDLE: u32 = 5;
/// Real-time policies.
const FIFO: u32 = 1;
const ROUND_ROBIN: u32 = 2;
const DEADLINE: u32 = 6;
/// Priorities of the two that have them.
const LOWEST: i32 = 1;
const HIGHEST: i32 = 99;
/// `SCHED_RESET_ON_FORK`, which changes nothing about a policy that a child may have too.
const RESET_ON_FORK: u32 = 0x4000_0000;

/// The slot of the thread that a call names.
fn thread<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    if arguments.int(0) < 0 {
        return Err(Errno::EINVAL);
    }
    process.find_thread(arguments.unsigned(0))
}

/// sched_getscheduler(2)
pub fn sched_getscheduler<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let slot = thread(process, arguments)?;
    Ok(process.threads.with(|table| table.policy(slot)) as usize)
}

/// sched_getparam(2): the one priority of policies without any.
pub fn sched_getparam<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    if arguments.word(1) == 0 {
        return Err(Errno::EINVAL);
    }
    thread(process, arguments)?;
    process.write_value(arguments.word(1), &0i32).map(|()| 0)
}

/// sched_setscheduler(2)
pub fn sched_setscheduler<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    if arguments.int(1) < 0 {
        return Err(Errno::EINVAL);
    }
    set(process, arguments, Some(arguments.unsigned(1) & !RESET_ON_FORK), arguments.word(2))
}

/// sched_setparam(2)
pub fn sched_setparam<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    set(process, arguments, None, arguments.word(1))
}

fn set<K: Kernel>(process: &Process<K>, arguments: &Arguments, policy: Option<u32>, parameters: usize) -> Result<usize> {
    if parameters == 0 || arguments.int(0) < 0 {
        return Err(Errno::EINVAL);
    }
    let priority: i32 = process.read_value(parameters)?;
    let slot = thread(process, arguments)?;
    let policy = policy.unwrap_or_else(|| process.threads.with(|table| table.policy(slot)));
    match policy {
        OTHER | BATCH | IDLE if priority == 0 => {}
        // As for a process without CAP_SYS_NICE whose RLIMIT_RTPRIO is 0.
        FIFO | ROUND_ROBIN if (LOWEST..=HIGHEST).contains(&priority) => return Err(Errno::EPERM),
        _ => return Err(Errno::EINVAL),
    }
    process.threads.with(|table| table.set_policy(slot, policy));
    Ok(0)
}

/// sched_get_priority_min(2)
pub fn sched_get_priority_min<K: Kernel>(_: &Process<K>, arguments: &Arguments) -> Result<usize> {
    bound(arguments, LOWEST)
}

/// sched_get_priority_max(2)
pub fn sched_get_priority_max<K: Kernel>(_: &Process<K>, arguments: &Arguments) -> Result<usize> {
    bound(arguments, HIGHEST)
}

fn bound(arguments: &Arguments, of_real_time: i32) -> Result<usize> {
    match arguments.unsigned(0) {
        OTHER | BATCH | IDLE | DEADLINE => Ok(0),
        FIFO | ROUND_ROBIN => Ok(of_real_time as usize),
        _ => Err(Errno::EINVAL),
    }
}

/// sched_rr_get_interval(2): the length of a slice.
pub fn sched_rr_get_interval<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    thread(process, arguments)?;
    let slice = Timespec::from_ns(process.span_ns(process.kernel.info().slice_ticks));
    process.write_value(arguments.word(1), &slice.0).map(|()| 0)
}
