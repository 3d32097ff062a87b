//! futex(2) and futex_waitv(2).

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::memory::fault::Access;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::thread::futex::{ALL, Expected, Word};
use crate::time::{Clock, Timespec};
use crate::user::UserMemory;

const WAIT: u32 = 0;
const WAKE: u32 = 1;
const REQUEUE: u32 = 3;
const CMP_REQUEUE: u32 = 4;
const WAKE_OP: u32 = 5;
const LOCK_PI: u32 = 6;
const UNLOCK_PI: u32 = 7;
const TRYLOCK_PI: u32 = 8;
const WAIT_BITSET: u32 = 9;
const WAKE_BITSET: u32 = 10;
const WAIT_REQUEUE_PI: u32 = 11;
const CMP_REQUEUE_PI: u32 = 12;
const LOCK_PI2: u32 = 13;
const PRIVATE: u32 = 128;
const CLOCK_REALTIME: u32 = 256;

const PRIVATE_WAIT: u32 = WAIT | PRIVATE;
const PRIVATE_WAKE: u32 = WAKE | PRIVATE;

/// The lane of [`futex`]: a wake of one, and a wait without end, of which locks, conditions and channels have most.
#[inline(always)]
pub fn futex_private<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Option<usize> {
    match arguments.unsigned(1) {
        PRIVATE_WAKE if arguments.int(2) == 1 => {
            let word = process.futex_word(arguments.word(0), true, Access::Read).ok()?;
            process.wake_first_on(word.key)
        }
        PRIVATE_WAIT if arguments.word(3) == 0 => wait_privately(process, arguments.word(0), arguments.unsigned(2)),
        _ => None,
    }
}

#[inline(never)]
fn wait_privately<K: Kernel>(process: &Process<K>, address: usize, value: u32) -> Option<usize> {
    process.wait_until_woken(address, value).then_some(0)
}

/// futex(2)
pub fn futex<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let operation = arguments.unsigned(1);
    let command = operation & !(PRIVATE | CLOCK_REALTIME);
    let waits = matches!(command, WAIT | WAIT_BITSET | LOCK_PI | LOCK_PI2 | WAIT_REQUEUE_PI);
    let deadline = if waits && arguments.word(3) != 0 { Some(deadline(process, arguments.word(3), operation)?) } else { None };
    if operation & CLOCK_REALTIME != 0 && !matches!(command, WAIT_BITSET | WAIT_REQUEUE_PI | LOCK_PI2) {
        return Err(Errno::ENOSYS);
    }
    let call = Call { process, arguments, is_private: operation & PRIVATE != 0 };
    let bits = arguments.unsigned(5);
    match command {
        WAIT => call.wait(ALL, deadline),
        WAIT_BITSET => call.wait(bits, deadline),
        WAKE => call.wake(ALL),
        WAKE_BITSET => call.wake(bits),
        REQUEUE => call.requeue(None),
        CMP_REQUEUE => call.requeue(Some(bits)),
        WAKE_OP => call.wake_and_change(bits),
        LOCK_PI | LOCK_PI2 => process.lock(call.word(0, Access::Write)?, true, deadline).map(|()| 0),
        TRYLOCK_PI => process.lock(call.word(0, Access::Write)?, false, None).map(|()| 0),
        UNLOCK_PI => call.unlock(),
        WAIT_REQUEUE_PI => call.wait_for_lock(bits, deadline),
        CMP_REQUEUE_PI => call.requeue_to_lock(bits),
        _ => Err(Errno::ENOSYS),
    }
}

/// What all operations are made of.
struct Call<'a, K: Kernel> {
    process: &'a Process<K>,
    arguments: &'a Arguments,
    is_private: bool,
}

/// How many a wake is for: at least one, as Linux has it.
fn most(value: i32) -> usize {
    value.max(1) as usize
}

impl<K: Kernel> Call<'_, K> {
    /// The futex whose address an argument is.
    #[inline(always)]
    fn word(&self, argument: usize, access: Access) -> Result<Word> {
        self.process.futex_word(self.arguments.word(argument), self.is_private, access)
    }

    #[inline(always)]
    fn wait(&self, bits: u32, deadline: Option<u64>) -> Result<usize> {
        if bits == 0 {
            return Err(Errno::EINVAL);
        }
        self.process.wait_on(self.word(0, Access::Read)?, self.arguments.unsigned(2), bits, deadline).map(|()| 0)
    }

    #[inline(always)]
    fn wake(&self, bits: u32) -> Result<usize> {
        if bits == 0 {
            return Err(Errno::EINVAL);
        }
        self.process.wake_on(self.word(0, Access::Read)?, bits, most(self.arguments.int(2)))
    }

    /// How many to wake and to move.
    fn counts(&self) -> Result<(usize, usize)> {
        match [self.arguments.int(2), self.arguments.int(3)].map(usize::try_from) {
            [Ok(wakes), Ok(moves)] => Ok((wakes, moves)),
            _ => Err(Errno::EINVAL),
        }
    }

    fn requeue(&self, expected: Option<u32>) -> Result<usize> {
        let (wakes, moves) = self.counts()?;
        let (from, to) = (self.word(0, Access::Read)?, self.word(4, Access::Read)?);
        self.check(from, expected)?;
        self.process.requeue(from, to, wakes, moves)
    }

    /// Whether a word holds what is expected.
    fn check(&self, word: Word, expected: Option<u32>) -> Result<()> {
        match expected {
            Some(expected) if self.process.read_value::<u32>(word.address)? != expected => Err(Errno::EAGAIN),
            _ => Ok(()),
        }
    }

    fn unlock(&self) -> Result<usize> {
        // Who does not own it is told so before anything else is looked at.
        let value: u32 = self.process.read_value(self.arguments.word(0))?;
        if value & crate::thread::OWNER != self.process.thread_id() {
            return Err(Errno::EPERM);
        }
        self.process.unlock(self.word(0, Access::Write)?).map(|()| 0)
    }

    fn wait_for_lock(&self, bits: u32, deadline: Option<u64>) -> Result<usize> {
        if self.arguments.word(0) == self.arguments.word(4) || bits == 0 {
            return Err(Errno::EINVAL);
        }
        let (from, to) = (self.word(0, Access::Read)?, self.word(4, Access::Write)?);
        if from.key == to.key {
            return Err(Errno::EINVAL);
        }
        self.process.wait_for_lock(from, self.arguments.unsigned(2), to, bits, deadline).map(|()| 0)
    }

    fn requeue_to_lock(&self, expected: u32) -> Result<usize> {
        let (wakes, moves) = self.counts()?;
        if self.arguments.word(0) == self.arguments.word(4) || wakes != 1 {
            return Err(Errno::EINVAL);
        }
        let (from, to) = (self.word(0, Access::Read)?, self.word(4, Access::Write)?);
        if from.key == to.key {
            return Err(Errno::EINVAL);
        }
        self.check(from, Some(expected))?;
        self.process.requeue_to_lock(from, to, moves)
    }

    /// Change a second futex, and wake those who wait on the first, and if the second was as asked, those who wait on it.
    fn wake_and_change(&self, code: u32) -> Result<usize> {
        let (first, second) = (self.word(0, Access::Read)?, self.word(4, Access::Write)?);
        let old = self.change(second, code)?;
        let limit = signed(code, 0);
        let also = match code >> 24 & 15 {
            0 => old == limit,
            1 => old != limit,
            2 => old < limit,
            3 => old <= limit,
            4 => old > limit,
            5 => old >= limit,
            _ => return Err(Errno::ENOSYS),
        };
        let woken = self.process.wake_on(first, ALL, most(self.arguments.int(2)))?;
        let others = if also { self.process.wake_on(second, ALL, most(self.arguments.int(3)))? } else { 0 };
        Ok(woken + others)
    }

    /// Do to a word what a code says; gives what it was.
    fn change(&self, word: Word, code: u32) -> Result<i32> {
        const SHIFT: u32 = 8;
        let (operation, operand) = (code >> 28, signed(code, 12));
        let operand = if operation & SHIFT != 0 { 1i32.wrapping_shl(operand as u32) } else { operand };
        loop {
            let old: i32 = self.process.read_value(word.address)?;
            let new = match operation & !SHIFT {
                0 => operand,
                1 => old.wrapping_add(operand),
                2 => old | operand,
                3 => old & !operand,
                4 => old ^ operand,
                _ => return Err(Errno::ENOSYS),
            };
            if self.process.compare_exchange(word.address, old as u32, new as u32)? == old as u32 {
                return Ok(old);
            }
        }
    }
}

/// Twelve bits of a `FUTEX_WAKE_OP` code, from `bit` on, with their sign.
fn signed(code: u32, bit: u32) -> i32 {
    ((code << (20 - bit)) as i32) >> 20
}

/// The point of the monotonic clock that a timeout names: relative for `WAIT`, absolute for all else, of the time of day for `LOCK_PI`.
fn deadline<K: Kernel>(process: &Process<K>, address: usize, operation: u32) -> Result<u64> {
    let ns = Timespec(process.read_value(address)?).ns()?;
    let command = operation & !(PRIVATE | CLOCK_REALTIME);
    let left = if command == WAIT {
        ns
    } else {
        let is_realtime = operation & CLOCK_REALTIME != 0 || command == LOCK_PI;
        ns.saturating_sub(process.clock_ns(if is_realtime { Clock::Realtime } else { Clock::Monotonic }))
    };
    Ok(process.now_ns().saturating_add(left))
}

/// futex_waitv(2)
pub fn futex_waitv<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    /// The most futexes (`FUTEX_WAITV_MAX`).
    const MOST: u32 = 128;
    const SIZE_32: u32 = 2;
    const CLOCK_REALTIME: i32 = 0;
    const CLOCK_MONOTONIC: i32 = 1;
    let (count, flags, clock) = (arguments.unsigned(1), arguments.unsigned(2), arguments.int(4));
    if flags != 0 || count == 0 || count > MOST || arguments.word(0) == 0 {
        return Err(Errno::EINVAL);
    }
    let deadline = match (arguments.word(3), clock) {
        (0, _) => None,
        (address, CLOCK_REALTIME | CLOCK_MONOTONIC) => {
            let ns = Timespec(process.read_value(address)?).ns()?;
            let clock = if clock == CLOCK_REALTIME { Clock::Realtime } else { Clock::Monotonic };
            Some(process.now_ns().saturating_add(ns.saturating_sub(process.clock_ns(clock))))
        }
        _ => return Err(Errno::EINVAL),
    };
    // struct futex_waitv: value, address, flags, reserved.
    let mut waits: alloc::vec::Vec<[u64; 3]> = alloc::vec::Vec::with_capacity(count as usize);
    for index in 0..count as usize {
        let wait: [u64; 3] = process.read_value(arguments.word(0).wrapping_add(index * 24))?;
        let (flags, reserved) = (wait[2] as u32, wait[2] >> 32);
        if flags & !(SIZE_32 | PRIVATE) != 0 || reserved != 0 || flags & SIZE_32 == 0 {
            return Err(Errno::EINVAL);
        }
        waits.push(wait);
    }
    let mut expected = alloc::vec::Vec::with_capacity(waits.len());
    for [value, address, flags] in waits {
        let word = process.futex_word(address as usize, flags as u32 & PRIVATE != 0, Access::Read)?;
        expected.push(Expected { word, value: value as u32 });
    }
    process.wait_on_any(&expected, deadline)
}
