//! Waiting for children: wait4(2), waitid(2).

use unix::{Operation, WaitOptions, Whom, wait_status};

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::SIGCHLD;
use crate::syscall::Arguments;
use crate::syscall::process::usage_words;
use crate::user::UserMemory;

/// A child about which there was something to tell.
struct Found {
    id: u32,
    user: u32,
    status: u32,
    /// What it used, as `struct rusage`.
    usage: [i64; 18],
}

/// Wait as the options say; `None`: there is nothing yet, and `NOW` is among them.
fn wait<K: Kernel>(process: &Process<K>, whom: Whom, options: WaitOptions) -> Result<Option<Found>> {
    let thread = u64::from(process.thread_id());
    let ask = || process.ask(Operation::Wait, 0, options.bits(), [whom.pack(), thread, 0]);
    let answer = if options.contains(WaitOptions::NOW) { ask() } else { process.ask_until(ask) };
    match answer {
        Ok([id, what, cpu_ns, memory]) => {
            let usage = usage_words(cpu_ns, memory as u32 as usize, (memory >> 32) as usize);
            Ok(Some(Found { id: id as u32, user: (what >> 32) as u32, status: what as u32, usage }))
        }
        Err(Errno::EAGAIN) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// wait4(2)
pub fn wait4<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let options = WaitOptions::from_bits(arguments.unsigned(2)).ok_or(Errno::EINVAL)?;
    if options.intersects(WaitOptions::EXITED | WaitOptions::KEEP) {
        return Err(Errno::EINVAL);
    }
    let whom = match arguments.int(0) {
        i32::MIN => return Err(Errno::ESRCH),
        -1 => Whom::All,
        0 => Whom::Group(0),
        group @ ..0 => Whom::Group(group.unsigned_abs()),
        id => Whom::Process(id as u32),
    };
    let Some(found) = wait(process, whom, options | WaitOptions::EXITED)? else { return Ok(0) };
    if arguments.word(1) != 0 {
        process.write_value(arguments.word(1), &found.status)?;
    }
    if arguments.word(3) != 0 {
        process.write_value(arguments.word(3), &found.usage)?;
    }
    Ok(found.id as usize)
}

/// waitid(2)
pub fn waitid<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const REPORTS: WaitOptions = WaitOptions::EXITED.union(WaitOptions::STOPPED).union(WaitOptions::CONTINUED);
    let outcome = waitid_for(process, arguments, REPORTS);
    if let Ok(Some(found)) = &outcome
        && arguments.word(4) != 0
    {
        process.write_value(arguments.word(4), &found.usage)?;
    }
    if arguments.word(2) != 0 {
        // Linux writes these even where the call fails: zeros then.
        let words = match &outcome {
            Ok(Some(found)) => {
                let (code, value) = wait_status::explain(found.status);
                [SIGCHLD, 0, code as u32, 0, found.id, found.user, value]
            }
            _ => [0; 7],
        };
        for (index, word) in words.iter().enumerate().filter(|&(index, _)| index != 3) {
            process.write_value(arguments.word(2).wrapping_add(index * 4), word)?;
        }
    }
    outcome.map(|_| 0)
}

fn waitid_for<K: Kernel>(process: &Process<K>, arguments: &Arguments, reports: WaitOptions) -> Result<Option<Found>> {
    let options = WaitOptions::from_bits(arguments.unsigned(3)).filter(|options| options.intersects(reports)).ok_or(Errno::EINVAL)?;
    let id = arguments.int(1);
    let positive = || u32::try_from(id).ok().filter(|&id| id != 0).ok_or(Errno::EINVAL);
    match arguments.int(0) {
        0 => wait(process, Whom::All, options),
        1 => wait(process, Whom::Process(positive()?), options),
        2 => wait(process, Whom::Group(u32::try_from(id).map_err(|_| Errno::EINVAL)?), options),
        3 => {
            let (id, is_nonblocking) = super::pidfd::meant(process, id)?;
            let options = if is_nonblocking { options | WaitOptions::NOW } else { options };
            let found = wait(process, Whom::Process(id), options)?;
            // A descriptor that does not block says so; WNOHANG does not.
            if found.is_none() && is_nonblocking && arguments.unsigned(3) & WaitOptions::NOW.bits() == 0 {
                return Err(Errno::EAGAIN);
            }
            Ok(found)
        }
        _ => Err(Errno::EINVAL),
    }
}
