//! Waiting for descriptors: poll and select.

use alloc::vec::Vec;

use crate::errno::{Errno, Result};
use crate::file::Readiness;
use crate::file::remote::{State, look_at_all};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::thread::Waits;
use crate::time::{Timespec, timeval};
use crate::user::UserMemory;

/// A descriptor, what is asked of it and what is so.
#[derive(Clone, Copy)]
struct Watched {
    fd: i32,
    asked: Readiness,
    found: Readiness,
}

/// Look once; gives how many are ready.
fn look<K: Kernel>(process: &Process<K>, watched: &mut [Watched]) -> usize {
    let states = if watched.len() > 1 { look_at_many(process, watched) } else { Vec::new() };
    for (index, watched) in watched.iter_mut().enumerate().filter(|(_, watched)| watched.fd >= 0) {
        let found = match process.files.get(watched.fd) {
            Ok(description) => match (description.file(), states.get(index).copied().flatten()) {
                (Ok(_), Some((ready, _))) => ready,
                (Ok(file), None) => file.readiness(process),
                (Err(_), _) => Readiness::INVALID,
            },
            Err(_) => Readiness::INVALID,
        };
        watched.found = found & watched.asked;
    }
    watched.iter().filter(|watched| !watched.found.is_empty()).count()
}

/// What `unixd` tells of the files that are there, in their places.
fn look_at_many<K: Kernel>(process: &Process<K>, watched: &[Watched]) -> Vec<Option<State>> {
    let descriptions: Vec<_> = watched.iter().map(|watched| process.files.get(watched.fd).ok()).collect();
    look_at_all(descriptions.iter().map(|description| description.as_ref()?.file().ok()))
}

/// Wait until something that may concern readiness happens, the monotonic clock passes `deadline_ns`, or a signal comes.
pub(super) fn await_change<K: Kernel>(process: &Process<K>, deadline_ns: Option<u64>) -> Result<()> {
    process.zero_ahead();
    match process.block(Waits::Change, deadline_ns) {
        Err(Errno::ETIMEDOUT) => Ok(()),
        outcome => outcome,
    }
}

/// Look until something is ready, the monotonic clock passes `deadline_ns`, or a signal comes.
fn wait<K: Kernel>(process: &Process<K>, watched: &mut [Watched], deadline_ns: Option<u64>) -> Result<usize> {
    loop {
        let ready = look(process, watched);
        if ready > 0 {
            return Ok(ready);
        }
        // A signal goes before the end of the time.
        if process.signals.is_pending() {
            if process.is_interrupted() {
                return Err(Errno::EINTR);
            }
            continue;
        }
        if deadline_ns.is_some_and(|deadline| process.now_ns() >= deadline) {
            return Ok(0);
        }
        await_change(process, deadline_ns)?;
    }
}

/// The point of the monotonic clock so many milliseconds from now; none if they are negative.
pub(super) fn milliseconds<K: Kernel>(process: &Process<K>, timeout: i32) -> Option<u64> {
    const MILLISECOND: u64 = 1_000_000;
    let timeout = u64::try_from(timeout).ok()?;
    Some(process.now_ns().saturating_add(timeout * MILLISECOND))
}

/// What a relative timeout is given in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// `struct timespec`
    Nanoseconds,
    /// `struct timeval`, whose microseconds may be more than a second.
    Microseconds,
}

/// A timeout that what is left of is written back to.
#[derive(Clone, Copy)]
struct Timeout {
    address: usize,
    unit: Unit,
    /// The point of the monotonic clock; none for a null pointer.
    deadline_ns: Option<u64>,
    is_zero: bool,
}

impl Timeout {
    fn read<K: Kernel>(process: &Process<K>, address: usize, unit: Unit) -> Result<Timeout> {
        const MICROSECONDS: i64 = 1_000_000;
        if address == 0 {
            return Ok(Timeout { address, unit, deadline_ns: None, is_zero: false });
        }
        let [seconds, fraction]: [i64; 2] = process.read_value(address)?;
        let time = match unit {
            Unit::Nanoseconds => [seconds, fraction],
            Unit::Microseconds => [seconds.saturating_add(fraction / MICROSECONDS), fraction % MICROSECONDS * 1000],
        };
        let ns = Timespec(time).ns()?;
        Ok(Timeout { address, unit, deadline_ns: Some(process.now_ns().saturating_add(ns)), is_zero: ns == 0 })
    }

    /// Write back what is left, even if the wait failed. The call does not fail if that cannot be written.
    fn finish<K: Kernel>(self, process: &Process<K>, outcome: Result<usize>) -> Result<usize> {
        if let Some(deadline_ns) = self.deadline_ns.filter(|_| !self.is_zero) {
            let left = deadline_ns.saturating_sub(process.now_ns());
            let words = if self.unit == Unit::Nanoseconds { Timespec::from_ns(left).0 } else { timeval(left) };
            let _ = process.write_value(self.address, &words);
        }
        outcome
    }
}

fn poll_for<K: Kernel>(process: &Process<K>, address: usize, count: usize, deadline_ns: Option<u64>) -> Result<usize> {
    if count as u64 > process.limits.lock().get(crate::limits::FILES)?[0] {
        return Err(Errno::EINVAL);
    }
    let always = Readiness::ERROR | Readiness::HANG_UP | Readiness::INVALID;
    let mut watched = Vec::with_capacity(count);
    for index in 0..count {
        let [fd, events]: [i32; 2] = process.read_value(address.wrapping_add(index * 8))?;
        let asked = Readiness::from_bits_truncate(events as u32 & 0xffff) | always;
        watched.push(Watched { fd, asked, found: Readiness::empty() });
    }
    let ready = wait(process, &mut watched, deadline_ns)?;
    for (index, watched) in watched.iter().enumerate() {
        process.write_value(address.wrapping_add(index * 8 + 6), &(watched.found.bits() as u16))?;
    }
    Ok(ready)
}

/// poll(2)
pub fn poll<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let deadline = milliseconds(process, arguments.int(2));
    poll_for(process, arguments.word(0), arguments.unsigned(1) as usize, deadline)
}

/// Let a mask hold while `work` waits, and the signal that ends the wait be delivered before the old one comes back. One that came too late to
/// end it stays pending.
pub(super) fn masked<K: Kernel>(process: &Process<K>, mask: Option<u64>, work: impl FnOnce() -> Result<usize>) -> Result<usize> {
    let Some(mask) = mask else { return work() };
    let old = process.signals.with(|state| {
        let old = state.own.blocked;
        state.set_blocked(mask);
        old
    });
    let outcome = work();
    process.signals.with(|state| {
        if outcome == Err(Errno::EINTR) {
            state.own.suspended = Some(old);
        } else {
            state.set_blocked(old);
        }
    });
    outcome
}

pub(super) fn mask<K: Kernel>(process: &Process<K>, address: usize, size: usize) -> Result<Option<u64>> {
    match address {
        0 => Ok(None),
        _ if size != 8 => Err(Errno::EINVAL),
        address => process.read_value(address).map(Some),
    }
}

/// ppoll(2)
pub fn ppoll<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let timeout = Timeout::read(process, arguments.word(2), Unit::Nanoseconds)?;
    let mask = mask(process, arguments.word(3), arguments.word(4))?;
    let outcome = masked(process, mask, || poll_for(process, arguments.word(0), arguments.unsigned(1) as usize, timeout.deadline_ns));
    timeout.finish(process, outcome)
}

/// The most descriptors that a select(2) looks at: for how many the process's table has room on Linux. Bits above stay as they are.
fn select_most<K: Kernel>(process: &Process<K>) -> usize {
    const AT_FIRST: usize = 64;
    const STEP: usize = 128;
    match process.files.with_table(|table| table.len()) {
        ..=AT_FIRST => AT_FIRST,
        used => used.div_ceil(STEP).next_power_of_two() * STEP,
    }
}

fn select_for<K: Kernel>(process: &Process<K>, arguments: &Arguments, deadline_ns: Option<u64>) -> Result<usize> {
    let count = usize::try_from(arguments.int(0)).map_err(|_| Errno::EINVAL)?.min(select_most(process));
    let words = count.div_ceil(64);
    let input = Readiness::READABLE | Readiness::IN_BAND | Readiness::HANG_UP | Readiness::ERROR;
    let output = Readiness::WRITABLE | Readiness::OUT_BAND | Readiness::ERROR;
    // A place that is open without its file counts as ready.
    let asked = [input, output, Readiness::PRIORITY].map(|asked| asked | Readiness::INVALID);
    let mut watched = Vec::new();
    let mut places = Vec::new();
    for (set, asked) in asked.into_iter().enumerate() {
        let address = arguments.word(set + 1);
        for word in 0..if address == 0 { 0 } else { words } {
            let bits: u64 = process.read_value(address + word * 8)?;
            for bit in (0..64).filter(|bit| bits & 1 << bit != 0 && word * 64 + bit < count) {
                watched.push(Watched { fd: (word * 64 + bit) as i32, asked, found: Readiness::empty() });
                places.push(set);
            }
        }
    }
    for watched in &watched {
        process.files.get(watched.fd)?;
    }
    wait(process, &mut watched, deadline_ns)?;
    let mut ready = 0;
    for set in 0..asked.len() {
        let address = arguments.word(set + 1);
        let mut bits = alloc::vec![0u64; if address == 0 { 0 } else { words }];
        for (watched, _) in watched.iter().zip(&places).filter(|(watched, place)| **place == set && !watched.found.is_empty()) {
            bits[watched.fd as usize / 64] |= 1 << (watched.fd % 64);
            ready += 1;
        }
        for (word, bits) in bits.iter().enumerate() {
            process.write_value(address + word * 8, bits)?;
        }
    }
    Ok(ready)
}

/// select(2)
pub fn select<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let timeout = Timeout::read(process, arguments.word(4), Unit::Microseconds)?;
    let outcome = select_for(process, arguments, timeout.deadline_ns);
    timeout.finish(process, outcome)
}

/// pselect6(2)
pub fn pselect6<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let timeout = Timeout::read(process, arguments.word(4), Unit::Nanoseconds)?;
    let mask = match arguments.word(5) {
        0 => None,
        address => {
            let [address, size]: [usize; 2] = process.read_value(address)?;
            mask(process, address, size)?
        }
    };
    let outcome = masked(process, mask, || select_for(process, arguments, timeout.deadline_ns));
    timeout.finish(process, outcome)
}
