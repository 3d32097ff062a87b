//! Waiting for descriptors: poll and select.

use alloc::vec::Vec;

use crate::errno::{Errno, Result};
use crate::file::Readiness;
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::thread::Waits;
use crate::time::Timespec;
use crate::user::UserMemory;
use crate::vfs::world::World;

/// A descriptor, what is asked of it and what is so.
#[derive(Clone, Copy)]
struct Watched {
    fd: i32,
    asked: Readiness,
    found: Readiness,
}

/// Look once; gives how many are ready, and whether one may become so by the console.
fn look<K: Kernel>(process: &Process<K>, watched: &mut [Watched]) -> (usize, bool) {
    let mut waits = false;
    for watched in watched.iter_mut().filter(|watched| watched.fd >= 0) {
        let always = Readiness::ERROR | Readiness::HANG_UP;
        watched.found = match process.files.get(watched.fd) {
            Ok(description) => match description.file() {
                Ok(file) => {
                    waits |= file.waits_for_console();
                    file.readiness(process) & (watched.asked | always)
                }
                Err(_) => Readiness::INVALID,
            },
            Err(_) => Readiness::INVALID,
        };
    }
    (watched.iter().filter(|watched| !watched.found.is_empty()).count(), waits)
}

/// Look until something is ready, the monotonic clock passes `deadline_ns`, or a signal comes.
fn wait<K: Kernel>(process: &Process<K>, watched: &mut [Watched], deadline_ns: Option<u64>) -> Result<usize> {
    loop {
        let (ready, waits) = look(process, watched);
        if ready > 0 || deadline_ns.is_some_and(|deadline| process.now_ns() >= deadline) {
            return Ok(ready);
        }
        let outcome = if waits { process.console_wait(deadline_ns) } else { process.block(Waits::Change, deadline_ns) };
        match outcome {
            Ok(()) | Err(Errno::ETIMEDOUT) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// The point of the monotonic clock that a relative timeout names; none for a null pointer.
fn deadline<K: Kernel>(process: &Process<K>, address: usize, unit_ns: u64) -> Result<Option<u64>> {
    if address == 0 {
        return Ok(None);
    }
    let [seconds, fraction]: [i64; 2] = process.read_value(address)?;
    let ns = Timespec([seconds, fraction.saturating_mul(unit_ns as i64)]).ns()?;
    Ok(Some(process.now_ns().saturating_add(ns)))
}

fn poll_for<K: Kernel>(process: &Process<K>, address: usize, count: usize, deadline_ns: Option<u64>) -> Result<usize> {
    if count as u64 > process.limits.lock().get(crate::limits::FILES)?[0] {
        return Err(Errno::EINVAL);
    }
    let mut watched = Vec::with_capacity(count);
    for index in 0..count {
        let [fd, events]: [i32; 2] = process.read_value(address.wrapping_add(index * 8))?;
        let asked = Readiness::from_bits_truncate(events as u32 & 0xffff);
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
    const MILLISECOND: u64 = 1_000_000;
    let timeout = u64::try_from(arguments.int(2)).ok();
    let deadline = timeout.map(|timeout| process.now_ns().saturating_add(timeout * MILLISECOND));
    poll_for(process, arguments.word(0), arguments.unsigned(1) as usize, deadline)
}

/// Let a mask hold while `work` waits, and a signal that it lets through be delivered before the old one comes back.
fn masked<K: Kernel>(process: &Process<K>, mask: Option<u64>, work: impl FnOnce() -> Result<usize>) -> Result<usize> {
    let Some(mask) = mask else { return work() };
    let old = process.signals.with(|state| {
        let old = state.own.blocked;
        state.set_blocked(mask);
        old
    });
    let outcome = work();
    let pending = process.signals.is_pending();
    process.signals.with(|state| {
        if pending {
            state.own.suspended = Some(old);
        } else {
            state.set_blocked(old);
        }
    });
    outcome
}

fn mask<K: Kernel>(process: &Process<K>, address: usize, size: usize) -> Result<Option<u64>> {
    match address {
        0 => Ok(None),
        _ if size != 8 => Err(Errno::EINVAL),
        address => process.read_value(address).map(Some),
    }
}

/// ppoll(2)
pub fn ppoll<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let deadline = deadline(process, arguments.word(2), 1)?;
    let mask = mask(process, arguments.word(3), arguments.word(4))?;
    masked(process, mask, || poll_for(process, arguments.word(0), arguments.unsigned(1) as usize, deadline))
}

/// The most descriptors of a select(2) (`FD_SETSIZE`; the kernel takes as many as may be open).
const SELECT_MOST: usize = 1 << 16;

fn select_for<K: Kernel>(process: &Process<K>, arguments: &Arguments, deadline_ns: Option<u64>) -> Result<usize> {
    let count = usize::try_from(arguments.int(0)).map_err(|_| Errno::EINVAL)?.min(SELECT_MOST);
    let words = count.div_ceil(64);
    let asked = [Readiness::READABLE | Readiness::HANG_UP | Readiness::ERROR, Readiness::WRITABLE | Readiness::ERROR, Readiness::PRIORITY];
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
        for (watched, _) in watched.iter().zip(&places).filter(|(watched, place)| **place == set && watched.found.intersects(watched.asked))
        {
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
    const MICROSECOND: u64 = 1000;
    let deadline = deadline(process, arguments.word(4), MICROSECOND)?;
    select_for(process, arguments, deadline)
}

/// pselect6(2)
pub fn pselect6<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let deadline = deadline(process, arguments.word(4), 1)?;
    let mask = match arguments.word(5) {
        0 => None,
        address => {
            let [address, size]: [usize; 2] = process.read_value(address)?;
            mask(process, address, size)?
        }
    };
    masked(process, mask, || select_for(process, arguments, deadline))
}
