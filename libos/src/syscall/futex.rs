//! futex(2). A futex is its address: all who can wait on it are threads of this process.

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::thread::Waits;
use crate::time::{Clock, Timespec};
use crate::user::{PROGRAM_TOP, UserMemory};

const WAIT: u32 = 0;
const WAKE: u32 = 1;
const REQUEUE: u32 = 3;
const CMP_REQUEUE: u32 = 4;
const WAKE_OP: u32 = 5;
const WAIT_BITSET: u32 = 9;
const WAKE_BITSET: u32 = 10;
const PRIVATE: u32 = 128;
const CLOCK_REALTIME: u32 = 256;
/// What `WAIT` and `WAKE` are for.
const ALL: u32 = u32::MAX;

/// futex(2)
pub fn futex<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let operation = arguments.unsigned(1);
    let command = operation & !(PRIVATE | CLOCK_REALTIME);
    if operation & CLOCK_REALTIME != 0 && command != WAIT_BITSET {
        return Err(Errno::ENOSYS);
    }
    let bits = arguments.unsigned(5);
    match command {
        WAIT => wait(process, arguments, ALL),
        WAIT_BITSET => wait(process, arguments, bits),
        WAKE => wake(process, arguments, ALL),
        WAKE_BITSET => wake(process, arguments, bits),
        REQUEUE => requeue(process, arguments, None),
        CMP_REQUEUE => requeue(process, arguments, Some(bits)),
        WAKE_OP => wake_and_change(process, arguments, bits),
        _ => Err(Errno::ENOSYS),
    }
}

/// A futex's address. One that only this process can mean need not be mapped.
fn key<K: Kernel>(process: &Process<K>, address: usize, operation: u32) -> Result<usize> {
    if !address.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    if address >= PROGRAM_TOP {
        return Err(Errno::EFAULT);
    }
    if operation & PRIVATE == 0 {
        process.read_value::<u32>(address)?;
    }
    Ok(address)
}

/// How many a wake is for: at least one, as Linux has it.
fn most(value: i32) -> usize {
    value.max(1) as usize
}

fn wait<K: Kernel>(process: &Process<K>, arguments: &Arguments, bits: u32) -> Result<usize> {
    let (operation, value) = (arguments.unsigned(1), arguments.unsigned(2));
    let deadline = deadline(process, arguments.word(3), operation)?;
    if bits == 0 {
        return Err(Errno::EINVAL);
    }
    let address = key(process, arguments.word(0), operation)?;
    if process.read_value::<u32>(address)? != value {
        return Err(Errno::EAGAIN);
    }
    process.block_for(Waits::Futex(address), bits, deadline).map(|()| 0)
}

fn wake<K: Kernel>(process: &Process<K>, arguments: &Arguments, bits: u32) -> Result<usize> {
    if bits == 0 {
        return Err(Errno::EINVAL);
    }
    let address = key(process, arguments.word(0), arguments.unsigned(1))?;
    Ok(process.wake_futex(address, bits, most(arguments.int(2))))
}

fn requeue<K: Kernel>(process: &Process<K>, arguments: &Arguments, expected: Option<u32>) -> Result<usize> {
    let (wakes, moves) = (arguments.int(2), arguments.int(3));
    let (Ok(wakes), Ok(moves)) = (usize::try_from(wakes), usize::try_from(moves)) else { return Err(Errno::EINVAL) };
    let operation = arguments.unsigned(1);
    let from = key(process, arguments.word(0), operation)?;
    let to = key(process, arguments.word(4), operation)?;
    if let Some(expected) = expected
        && process.read_value::<u32>(from)? != expected
    {
        return Err(Errno::EAGAIN);
    }
    let woken = process.wake_futex(from, ALL, wakes);
    Ok(woken + process.threads.with(|table| table.requeue(from, to, moves)))
}

/// Change a second futex, and wake those who wait on the first, and if the second was as asked, those who wait on it.
fn wake_and_change<K: Kernel>(process: &Process<K>, arguments: &Arguments, code: u32) -> Result<usize> {
    let operation = arguments.unsigned(1);
    let first = key(process, arguments.word(0), operation)?;
    let second = key(process, arguments.word(4), operation)?;
    let signed = |from: u32| ((code << (20 - from)) as i32) >> 20;
    let (change, compare) = (code >> 28, code >> 24 & 15);
    let operand = if change & 8 != 0 { 1i32.wrapping_shl(signed(12) as u32) } else { signed(12) };
    let old: i32 = process.read_value(second)?;
    let new = match change & 7 {
        0 => operand,
        1 => old.wrapping_add(operand),
        2 => old | operand,
        3 => old & !operand,
        4 => old ^ operand,
        _ => return Err(Errno::ENOSYS),
    };
    process.write_value(second, &new)?;
    let limit = signed(0);
    let also = match compare {
        0 => old == limit,
        1 => old != limit,
        2 => old < limit,
        3 => old <= limit,
        4 => old > limit,
        5 => old >= limit,
        _ => return Err(Errno::ENOSYS),
    };
    let woken = process.wake_futex(first, ALL, most(arguments.int(2)));
    let others = if also { process.wake_futex(second, ALL, most(arguments.int(3))) } else { 0 };
    Ok(woken + others)
}

/// The point of the monotonic clock that a timeout names: relative for `WAIT`, absolute for `WAIT_BITSET`.
fn deadline<K: Kernel>(process: &Process<K>, address: usize, operation: u32) -> Result<Option<u64>> {
    if address == 0 {
        return Ok(None);
    }
    let ns = Timespec(process.read_value(address)?).ns()?;
    let left = if operation & !(PRIVATE | CLOCK_REALTIME) == WAIT {
        ns
    } else {
        let clock = if operation & CLOCK_REALTIME != 0 { Clock::Realtime } else { Clock::Monotonic };
        ns.saturating_sub(process.clock_ns(clock))
    };
    Ok(Some(process.now_ns().saturating_add(left)))
}
