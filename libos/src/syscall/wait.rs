//! Waiting for children: wait4(2), waitid(2).

use core::sync::atomic::Ordering;

use unix::{Operation, WaitOptions, Whom, wait_status};

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::{SIGCHLD, bit};
use crate::syscall::Arguments;
use crate::syscall::process::usage_words;
use crate::thread::Waits;
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
    loop {
        match look(process, whom, options) {
            Ok([id, what, cpu_ns, memory]) => {
                let usage = usage_words(cpu_ns, memory as u32 as usize, (memory >> 32) as usize);
                return Ok(Some(Found { id: id as u32, user: (what >> 32) as u32, status: what as u32, usage }));
            }
            Err(Errno::EAGAIN) if options.contains(WaitOptions::NOW) => return Ok(None),
            Err(Errno::EAGAIN) => process.block(Waits::Child, None)?,
            Err(errno) => return Err(errno),
        }
    }
}

/// Look for a child about which there is something to tell.
///
/// # Errors
/// `EAGAIN`: there is nothing yet; the doorbell rings before there is. `ECHILD`: there is no such child.
fn look<K: Kernel>(process: &Process<K>, whom: Whom, options: WaitOptions) -> Result<[u64; 4]> {
    let bulletin = process.kernel.bulletin();
    let signals = bulletin.signals.load(Ordering::Relaxed);
    // What was left for this to drop is not to wait any longer, for the program may come to want what is sent from then on.
    if signals == 0 && is_in_vain(bulletin.quiet_child.load(Ordering::Relaxed), whom, options) {
        return Err(Errno::EAGAIN);
    }
    let dropped = if signals & bit(SIGCHLD) != 0 && process.drops_child_signals() { SIGCHLD } else { 0 };
    process.ask(Operation::Wait, dropped as u16, options.bits(), [whom.pack(), u64::from(process.thread_id()), 0])
}

/// Whether a wait is one of those of which it is known that there is nothing yet, where there is this quiet child.
fn is_in_vain(quiet: u32, whom: Whom, options: WaitOptions) -> bool {
    let is_meant = match whom {
        Whom::All => true,
        Whom::Process(id) => id == quiet,
        Whom::Group(_) => false,
    };
    quiet != 0 && is_meant && !options.intersects(WaitOptions::OWN_THREAD | WaitOptions::CLONES)
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

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::sync::Arc;
    use alloc::vec::Vec;

    use spin::Mutex;
    use unix::{Request, SIGNAL_BYTES};

    use super::*;
    use crate::fake::{self, FakeKernel};
    use crate::signal::{Action, Information, Set};

    const CHILD: u32 = 7;
    const STATUS: u32 = 3 << 8;
    const EXITED: WaitOptions = WaitOptions::EXITED;

    /// What a process does: sleeps, or asks something, with the request's small number.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Step {
        Sleep,
        Ask(Operation, u16),
    }

    /// A process with a child of which `unixd` says that it is quiet, and that ends when the process sleeps on all that it was told; and what the
    /// process does.
    fn with_child() -> (&'static Process<FakeKernel>, Arc<Mutex<Vec<Step>>>) {
        let process = fake::process(64, b"");
        let steps = Arc::new(Mutex::new(Vec::new()));
        let bulletin = &process.kernel.bulletin;
        bulletin.quiet_child.store(CHILD, Ordering::Relaxed);
        let log = steps.clone();
        *process.kernel.on_sleep.lock() = Some(Box::new(move |words| {
            log.lock().push(Step::Sleep);
            // A sleep on a value from before ends at once.
            if words[0].value == bulletin.rings() {
                bulletin.quiet_child.store(0, Ordering::Relaxed);
                bulletin.signals.store(bit(SIGCHLD), Ordering::Relaxed);
                bulletin.doorbell.fetch_add(1, Ordering::Relaxed);
            }
        }));
        let log = steps.clone();
        *process.kernel.on_ask.lock() = Box::new(move |request: Request| {
            log.lock().push(Step::Ask(request.operation, request.small));
            let dropped: Set = if request.small == 0 { 0 } else { bit(u32::from(request.small)) };
            match request.operation {
                Operation::Wait => {
                    bulletin.signals.fetch_and(!dropped, Ordering::Relaxed);
                    let has_ended = bulletin.quiet_child.load(Ordering::Relaxed) == 0;
                    if has_ended { Ok([u64::from(CHILD), u64::from(STATUS), 0, 0]) } else { Err(Errno::EAGAIN) }
                }
                Operation::TakeSignals => {
                    let mut letter = [0; SIGNAL_BYTES];
                    let information = Information::new(SIGCHLD, 1, u64::from(CHILD)).to_bytes();
                    letter[..information.len()].copy_from_slice(&information);
                    process.kernel.mailbox.lock()[..SIGNAL_BYTES].copy_from_slice(&letter);
                    bulletin.signals.store(0, Ordering::Relaxed);
                    Ok([1, 0, 0, 0])
                }
                _ => Ok([0; 4]),
            }
        });
        (process, steps)
    }

    fn found(process: &Process<FakeKernel>, whom: Whom) -> Option<(u32, u32)> {
        wait(process, whom, EXITED).expect("a child").map(|found| (found.id, found.status))
    }

    #[test]
    fn for_a_child_that_is_known_to_live_nobody_is_asked_before_it_ends_nor_for_its_signal() {
        for whom in [Whom::All, Whom::Process(CHILD)] {
            let (process, steps) = with_child();
            assert_eq!(found(process, whom), Some((CHILD, STATUS)));
            assert_eq!(*steps.lock(), [Step::Sleep, Step::Ask(Operation::Wait, SIGCHLD as u16)]);
            assert_eq!(process.kernel.bulletin.signals.load(Ordering::Relaxed), 0);
            assert!(!process.signals.is_pending());
        }
        let (process, steps) = with_child();
        assert!(wait(process, Whom::All, EXITED | WaitOptions::NOW).is_ok_and(|found| found.is_none()));
        assert!(steps.lock().is_empty());
    }

    #[test]
    fn a_ring_between_the_look_and_the_sleep_is_not_slept_over() {
        let (process, steps) = with_child();
        process.kernel.bulletin.doorbell.fetch_add(1, Ordering::Relaxed);
        assert_eq!(found(process, Whom::All), Some((CHILD, STATUS)));
        assert_eq!(*steps.lock(), [Step::Sleep, Step::Sleep, Step::Ask(Operation::Wait, SIGCHLD as u16)]);
    }

    #[test]
    fn a_signal_that_is_left_is_dropped_though_a_child_is_quiet_by_then() {
        let (process, steps) = with_child();
        process.kernel.bulletin.signals.store(bit(SIGCHLD), Ordering::Relaxed);
        assert!(wait(process, Whom::All, EXITED | WaitOptions::NOW).is_ok_and(|found| found.is_none()));
        assert_eq!(*steps.lock(), [Step::Ask(Operation::Wait, SIGCHLD as u16)]);
        assert_eq!(process.kernel.bulletin.signals.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_signal_that_is_handled_or_blocked_is_taken() {
        for (handler, blocked) in [(0x5000, 0), (0, bit(SIGCHLD)), (1, bit(SIGCHLD))] {
            let (process, steps) = with_child();
            process.signals.with(|state| {
                state.set_blocked(blocked);
                state.set_action(SIGCHLD, Some(Action { handler, ..Action::default() })).expect("an action");
            });
            assert_eq!(found(process, Whom::All), Some((CHILD, STATUS)));
            assert_eq!(*steps.lock(), [Step::Sleep, Step::Ask(Operation::TakeSignals, 0), Step::Ask(Operation::Wait, 0)]);
            assert_eq!(process.signals.with(|state| state.pending_set()), bit(SIGCHLD));
        }
    }

    #[test]
    fn of_other_waits_nothing_is_known() {
        for whom in [Whom::All, Whom::Process(CHILD)] {
            assert!(is_in_vain(CHILD, whom, EXITED) && !is_in_vain(0, whom, EXITED));
            for other in [WaitOptions::CLONES, WaitOptions::OWN_THREAD] {
                assert!(!is_in_vain(CHILD, whom, EXITED | other));
            }
        }
        for whom in [Whom::Process(0), Whom::Process(CHILD + 1), Whom::Group(0), Whom::Group(CHILD)] {
            assert!(!is_in_vain(CHILD, whom, EXITED));
        }
        assert!(!is_in_vain(0, Whom::Process(0), EXITED));
    }
}
