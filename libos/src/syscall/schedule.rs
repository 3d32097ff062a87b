//! Calls of scheduling: policies and priorities of the process's threads, the one CPU, barriers.
//!
//! Real-time priorities order the threads of a process. Between processes all have equal slices.

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::{Arguments, family};
use crate::thread::Scheduling;
use crate::time::{SECOND, Timespec};
use crate::user::UserMemory;

const OTHER: u32 = 0;
const FIFO: u32 = Scheduling::FIFO;
const ROUND_ROBIN: u32 = Scheduling::ROUND_ROBIN;
const BATCH: u32 = 3;
const IDLE: u32 = 5;
const DEADLINE: u32 = 6;
/// `SCHED_RESET_ON_FORK`, beside a policy.
const RESET_ON_FORK: u32 = 0x4000_0000;
/// `SCHED_FLAG_*`
mod flag {
    pub const RESET_ON_FORK: u64 = 1;
    pub const KEEP_POLICY: u64 = 8;
    pub const KEEP_PARAMS: u64 = 0x10;
    pub const CLAMPS: u64 = 0x60;
    pub const KNOWN: u64 = 0x7f;
}
/// The highest real-time priority.
const PRIORITY_MOST: u32 = 99;

/// The slot of the thread that an id names; 0 names the one that runs.
fn slot<K: Kernel>(process: &Process<K>, id: i32) -> Result<usize> {
    process.find_thread(u32::try_from(id).map_err(|_| Errno::EINVAL)?)
}

fn scheduling<K: Kernel>(process: &Process<K>, slot: usize) -> Scheduling {
    process.threads.with(|table| table.at(slot).scheduling)
}

/// A policy with its priority, if they go together.
fn with_policy(old: Scheduling, policy: u32, priority: u32) -> Result<Scheduling> {
    let real_time = match policy {
        FIFO | ROUND_ROBIN => true,
        OTHER | BATCH | IDLE => false,
        _ => return Err(Errno::EINVAL),
    };
    if priority > PRIORITY_MOST || real_time != (priority != 0) {
        return Err(Errno::EINVAL);
    }
    Ok(Scheduling { policy, priority: priority as u8, times: [0; 3], ..old })
}

fn set<K: Kernel>(process: &Process<K>, slot: usize, new: Scheduling) {
    process.threads.with(|table| table.set_scheduling(slot, new));
    process.heed_priorities();
}

/// sched_setscheduler(2)
pub fn sched_setscheduler<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let policy = u32::try_from(arguments.int(1)).map_err(|_| Errno::EINVAL)?;
    if arguments.word(2) == 0 || arguments.int(0) < 0 {
        return Err(Errno::EINVAL);
    }
    let priority: u32 = process.read_value(arguments.word(2))?;
    let slot = slot(process, arguments.int(0))?;
    let old = Scheduling { resets_on_fork: policy & RESET_ON_FORK != 0, ..scheduling(process, slot) };
    set(process, slot, with_policy(old, policy & !RESET_ON_FORK, priority)?);
    Ok(0)
}

/// sched_setparam(2)
pub fn sched_setparam<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    if arguments.word(1) == 0 || arguments.int(0) < 0 {
        return Err(Errno::EINVAL);
    }
    let priority: u32 = process.read_value(arguments.word(1))?;
    let slot = slot(process, arguments.int(0))?;
    let old = scheduling(process, slot);
    set(process, slot, with_policy(old, old.policy, priority)?);
    Ok(0)
}

/// sched_getscheduler(2)
pub fn sched_getscheduler<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let scheduling = scheduling(process, slot(process, arguments.int(0))?);
    Ok((scheduling.policy | if scheduling.resets_on_fork { RESET_ON_FORK } else { 0 }) as usize)
}

/// sched_getparam(2)
pub fn sched_getparam<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    if arguments.word(1) == 0 {
        return Err(Errno::EINVAL);
    }
    let scheduling = scheduling(process, slot(process, arguments.int(0))?);
    process.write_value(arguments.word(1), &u32::from(scheduling.priority)).map(|()| 0)
}

/// sched_get_priority_max(2)
pub fn sched_get_priority_max<K: Kernel>(_: &Process<K>, arguments: &Arguments) -> Result<usize> {
    match arguments.unsigned(0) {
        FIFO | ROUND_ROBIN => Ok(PRIORITY_MOST as usize),
        OTHER | BATCH | IDLE | DEADLINE => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

/// sched_get_priority_min(2)
pub fn sched_get_priority_min<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    sched_get_priority_max(process, arguments).map(|most| most.min(1))
}

/// sched_rr_get_interval(2): a slice, whatever the policy, but for the one that has none.
pub fn sched_rr_get_interval<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let info = process.kernel.info();
    let interval = match scheduling(process, slot(process, arguments.int(0))?).policy {
        FIFO => 0,
        _ => (u128::from(info.slice_ticks) * u128::from(SECOND) / u128::from(info.clock_hz)) as u64,
    };
    process.write_value(arguments.word(1), &Timespec::from_ns(interval).0).map(|()| 0)
}

/// Bytes of the first `struct sched_attr`, and of the one with clamps.
const ATTRIBUTES_LEAST: usize = 48;
const ATTRIBUTES_BYTES: usize = 56;

/// sched_setattr(2)
pub fn sched_setattr<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let address = arguments.word(1);
    if address == 0 || arguments.int(0) < 0 || arguments.unsigned(2) != 0 {
        return Err(Errno::EINVAL);
    }
    let (bytes, words) = read_attributes(process, address)?;
    let [first, flags, second, times @ ..]: [u64; 6] = words;
    let (policy, nice, priority) = ((first >> 32) as u32, second as i32, (second >> 32) as u32);
    if (policy as i32) < 0 || flags & !flag::KNOWN != 0 || flags & flag::CLAMPS != 0 && bytes < ATTRIBUTES_BYTES {
        return Err(Errno::EINVAL);
    }
    if flags & flag::CLAMPS != 0 {
        // As a Linux without utilisation clamping.
        return Err(Errno::EOPNOTSUPP);
    }
    let slot = slot(process, arguments.int(0))?;
    let old = scheduling(process, slot);
    let policy = if flags & flag::KEEP_POLICY != 0 { old.policy } else { policy };
    let (priority, nice, times) = if flags & flag::KEEP_PARAMS != 0 {
        (u32::from(old.priority), i32::from(old.nice), old.times)
    } else {
        (priority, nice.clamp(-20, 19), times)
    };
    let resets_on_fork = if flags & flag::KEEP_POLICY != 0 { old.resets_on_fork } else { flags & flag::RESET_ON_FORK != 0 };
    let base = Scheduling { resets_on_fork, ..old };
    let new = if policy == DEADLINE {
        with_times(base, priority, times)?
    } else {
        let new = with_policy(base, policy, priority)?;
        if matches!(policy, OTHER | BATCH) { Scheduling { nice: nice as i8, ..new } } else { new }
    };
    set(process, slot, new);
    Ok(0)
}

/// `SCHED_DEADLINE`: before all others.
fn with_times(old: Scheduling, priority: u32, [runtime, deadline, period]: [u64; 3]) -> Result<Scheduling> {
    /// The least runtime, in nanoseconds.
    const LEAST: u64 = 1024;
    let period = if period == 0 { deadline } else { period };
    let is_sound = priority == 0 && (LEAST..=deadline).contains(&runtime) && deadline <= period && period < 1 << 63;
    // What Linux admits at most of one CPU: 95 %.
    if !is_sound {
        return Err(Errno::EINVAL);
    }
    if u128::from(runtime) * 100 > u128::from(period) * 95 {
        return Err(Errno::EBUSY);
    }
    Ok(Scheduling { policy: DEADLINE, priority: PRIORITY_MOST as u8, times: [runtime, deadline, period], ..old })
}

/// The attributes' bytes and their first six words. What is not known must be 0; who gives more is told how much is.
fn read_attributes<K: Kernel>(process: &Process<K>, address: usize) -> Result<(usize, [u64; 6])> {
    let bytes = match process.read_value::<u32>(address)? as usize {
        0 => ATTRIBUTES_LEAST,
        bytes => bytes,
    };
    let mut rest = alloc::vec![0; bytes.clamp(ATTRIBUTES_BYTES, abi::PAGE_SIZE) - ATTRIBUTES_LEAST];
    let too_large = !(ATTRIBUTES_LEAST..=abi::PAGE_SIZE).contains(&bytes) || {
        process.read(address + ATTRIBUTES_LEAST, &mut rest[..bytes - ATTRIBUTES_LEAST])?;
        rest[ATTRIBUTES_BYTES - ATTRIBUTES_LEAST..].iter().any(|&byte| byte != 0)
    };
    if too_large {
        process.write_value(address, &(ATTRIBUTES_BYTES as u32))?;
        return Err(Errno::E2BIG);
    }
    Ok((bytes, process.read_value(address)?))
}

/// sched_getattr(2)
pub fn sched_getattr<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let bytes = arguments.unsigned(2) as usize;
    if arguments.word(1) == 0 || arguments.int(0) < 0 || !(ATTRIBUTES_LEAST..=abi::PAGE_SIZE).contains(&bytes) || arguments.unsigned(3) != 0
    {
        return Err(Errno::EINVAL);
    }
    let scheduling = scheduling(process, slot(process, arguments.int(0))?);
    let told = bytes.min(ATTRIBUTES_BYTES);
    let priority = if scheduling.policy == DEADLINE { 0 } else { scheduling.priority };
    let nice = if matches!(scheduling.policy, OTHER | BATCH) { scheduling.nice } else { 0 };
    let [runtime, deadline, period] = scheduling.times;
    let words = [
        told as u64 | u64::from(scheduling.policy) << 32,
        u64::from(scheduling.resets_on_fork),
        u64::from(i32::from(nice) as u32) | u64::from(priority) << 32,
        runtime,
        deadline,
        period,
    ];
    process.write_value(arguments.word(1), &words)?;
    if told > ATTRIBUTES_LEAST {
        // No clamps.
        const NONE: u64 = 0;
        process.write(arguments.word(1) + ATTRIBUTES_LEAST, &NONE.to_le_bytes()[..told - ATTRIBUTES_LEAST])?;
    }
    Ok(0)
}

/// The slot of the thread that getpriority(2) or setpriority(2) is about, if that is one of the process's.
fn own<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Option<usize> {
    const PROCESS: i32 = 0;
    if arguments.int(0) == PROCESS { process.find_thread(arguments.unsigned(1)).ok() } else { None }
}

/// getpriority(2): 20 less the lowest nice value. Each thread has its own; that of the first is the process's, which `unixd` knows.
pub fn getpriority<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    match own(process, arguments) {
        Some(slot) => Ok((20 - i32::from(scheduling(process, slot).nice)) as usize),
        None => family::getpriority(process, arguments),
    }
}

/// setpriority(2)
pub fn setpriority<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let Some(slot) = own(process, arguments) else { return family::setpriority(process, arguments) };
    let nice = arguments.int(2).clamp(-20, 19) as i8;
    set(process, slot, Scheduling { nice, ..scheduling(process, slot) });
    if process.threads.with(|table| table.at(slot).id) != process.id() {
        return Ok(0);
    }
    let mut of_process = *arguments;
    of_process.0[1] = 0;
    family::setpriority(process, &of_process)
}

/// membarrier(2): threads that share a CPU are always in step.
pub fn membarrier<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const QUERY: u32 = 0;
    const GLOBAL: u32 = 1;
    const GLOBAL_EXPEDITED: u32 = 2;
    const REGISTER_GLOBAL_EXPEDITED: u32 = 4;
    const PRIVATE_EXPEDITED: u32 = 8;
    const REGISTER_PRIVATE_EXPEDITED: u32 = 16;
    const PRIVATE_EXPEDITED_SYNC_CORE: u32 = 32;
    const REGISTER_PRIVATE_EXPEDITED_SYNC_CORE: u32 = 64;
    const KNOWN: u32 = 0x7f;
    if arguments.unsigned(1) != 0 {
        return Err(Errno::EINVAL);
    }
    let registered = &process.times.barriers;
    let has = |command: u32| registered.load(core::sync::atomic::Ordering::Relaxed) & command != 0;
    match arguments.unsigned(0) {
        QUERY => Ok(KNOWN as usize),
        GLOBAL | GLOBAL_EXPEDITED => Ok(0),
        command @ (REGISTER_GLOBAL_EXPEDITED | REGISTER_PRIVATE_EXPEDITED | REGISTER_PRIVATE_EXPEDITED_SYNC_CORE) => {
            registered.fetch_or(command, core::sync::atomic::Ordering::Relaxed);
            Ok(0)
        }
        PRIVATE_EXPEDITED if has(REGISTER_PRIVATE_EXPEDITED) => Ok(0),
        PRIVATE_EXPEDITED_SYNC_CORE if has(REGISTER_PRIVATE_EXPEDITED_SYNC_CORE) => Ok(0),
        PRIVATE_EXPEDITED | PRIVATE_EXPEDITED_SYNC_CORE => Err(Errno::EPERM),
        _ => Err(Errno::EINVAL),
    }
}

/// The lane of [`sched_yield`]: there is nobody else.
#[inline(always)]
pub fn sched_yield_alone<K: Kernel>(process: &Process<K>, _: &Arguments) -> Option<usize> {
    (process.is_turn_kept() && !process.gives_way()).then_some(0)
}

/// sched_yield(2)
pub fn sched_yield<K: Kernel>(process: &Process<K>, _: &Arguments) -> Result<usize> {
    // The threads of a process are one to the others: it keeps its time while one of its own can use it.
    if !process.yield_turn() && process.gives_way() {
        process.kernel.give_way();
        process.hear();
    }
    Ok(0)
}

/// sched_getaffinity(2): the process runs on one CPU.
pub fn sched_getaffinity<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const SET_BYTES: usize = 8;
    if arguments.unsigned(1) == 0 || !arguments.unsigned(1).is_multiple_of(8) {
        return Err(Errno::EINVAL);
    }
    slot(process, arguments.int(0)).map_err(|_| Errno::ESRCH)?;
    process.write_value(arguments.word(2), &1u64)?;
    Ok(SET_BYTES)
}

/// sched_setaffinity(2): a set with the only CPU in it.
pub fn sched_setaffinity<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let mut first = [0];
    process.read(arguments.word(2), &mut first[..arguments.word(1).min(1)])?;
    slot(process, arguments.int(0)).map_err(|_| Errno::ESRCH)?;
    if first[0] & 1 == 0 { Err(Errno::EINVAL) } else { Ok(0) }
}
