//! Calls printed as strace(1) does, and counted: records (`exo::trace`) that the tool at the console's other end makes lines and tables of.
//!
//! | file | what it does |
//! |---|---|
//! | `argument` | prints an argument by the format that its row in the table gives |
//! | `names` | the names of flags and numbers |
//! | `signals` | what is told of a signal |
//! | `tally` | calls, errors and ticks by call |
//!
//! A record is written when the call has returned, since only then it is known what the call filled; of one that waits, or does not return,
//! what is known is written before.
#![forbid(unsafe_code)]

mod argument;
mod names;
mod signals;
mod tally;
#[cfg(test)]
mod tests;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use exo::command::CommandFlags;
use exo::trace::{BEGIN, END, FIELD, Kind, RECORD_MOST};
use spin::Mutex;

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::{self, Ending, Information};
use crate::strace::argument::is_filled;
use crate::strace::tally::Tally;
use crate::syscall::table::{self, Row};
use crate::syscall::{Arguments, Handler};

/// What a call that is being made has printed, and what it spent waiting.
#[derive(Default)]
struct Open {
    /// `name(` and the arguments up to the first that the call fills.
    text: String,
    /// How many arguments that are.
    arguments: usize,
    /// Whether that is on its way already.
    is_printed: bool,
    /// Ticks for which the thread waited in it.
    waited: u64,
    /// When it began.
    began: u64,
}

#[derive(Default)]
struct State {
    /// By thread.
    open: BTreeMap<u32, Open>,
    tally: Tally,
    /// Names of calls that there are not.
    absent: Vec<String>,
}

/// What is traced of a process.
pub struct Trace {
    /// Whether calls are printed.
    pub prints: bool,
    /// Whether they are counted.
    pub counts: bool,
    /// Whether they go by here.
    pub is_on: bool,
    /// Whether it is told what became of the process, if a signal ends it.
    pub tells_crashes: bool,
    state: Mutex<State>,
}

impl Trace {
    /// What a run asks for.
    #[must_use]
    pub fn new(flags: CommandFlags) -> Trace {
        let [prints, counts] = [CommandFlags::STRACE, CommandFlags::TALLY].map(|flag| flags.contains(flag));
        let tells_crashes = flags.contains(CommandFlags::POST_MORTEM);
        Trace { prints, counts, is_on: prints || counts, tells_crashes, state: Mutex::default() }
    }

    /// The process is a copy: what the other counted is that one's.
    pub fn begin_as_copy(&self) {
        *self.state.lock() = State::default();
    }

    /// Note a call that there is not.
    pub fn note_absent(&self, name: String) {
        self.state.lock().absent.push(name);
    }
}

/// Make a call, and print and count it.
pub fn traced<K: Kernel>(process: &Process<K>, number: usize, arguments: &Arguments, handler: Handler<K>) -> Result<usize> {
    let row = table::row(number);
    let thread = current(process);
    if process.trace.prints {
        open(process, thread, row, number, arguments);
    } else {
        process.trace.state.lock().open.insert(thread, Open::default());
    }
    let began = process.kernel.clock();
    if let Some(open) = process.trace.state.lock().open.get_mut(&thread) {
        open.began = began;
    }
    let outcome = handler(process, arguments);
    let ended = process.kernel.clock();
    // In a copy of the process nobody made a call.
    let Some(opened) = (current(process) == thread).then(|| process.trace.state.lock().open.remove(&thread)).flatten() else {
        return outcome;
    };
    if process.trace.counts {
        let ticks = ended.wrapping_sub(began).saturating_sub(opened.waited);
        process.trace.state.lock().tally.add(number, outcome.is_err(), ticks);
    }
    if process.trace.prints {
        let rest = rest_of_call(process, row, number, arguments, opened.arguments, outcome);
        let (kind, head) = if opened.is_printed { (Kind::Exit, "") } else { (Kind::Whole, opened.text.as_str()) };
        record(process, kind, &format!("{head}{rest}{FIELD}{}", result(row, outcome)));
    }
    outcome
}

/// Print what is known of a call before it is made, now if it may not come back or others will print before it does.
fn open<K: Kernel>(process: &Process<K>, thread: u32, row: Option<&Row>, number: usize, arguments: &Arguments) {
    let name = row.map_or("", |row| row.name);
    let count = row.map_or(0, |row| row.formats.iter().position(|&format| is_filled(format)).unwrap_or(row.formats.len()));
    let mut text = if name.is_empty() { format!("syscall_{number:#x}(") } else { format!("{name}(") };
    if let Some(row) = row {
        print_arguments(process, &mut text, row, arguments, 0..count, Ok(0));
        if (1..row.formats.len()).contains(&count) {
            text.push_str(", ");
        }
    }
    let opened = Open { text, arguments: count, is_printed: false, waited: 0, began: 0 };
    if matches!(name, "exit" | "exit_group" | "rt_sigreturn") {
        record(process, Kind::Whole, &format!("{}){FIELD}?", opened.text));
        return;
    }
    process.trace.state.lock().open.insert(thread, opened);
    if matches!(name, "execve" | "execveat" | "fork" | "vfork" | "clone" | "clone3") {
        print_entry(process, thread);
    }
}

/// Print the beginning of a thread's call, unless that was done.
fn print_entry<K: Kernel>(process: &Process<K>, thread: u32) {
    let text = match process.trace.state.lock().open.get_mut(&thread) {
        Some(open) if process.trace.prints && !open.is_printed => {
            open.is_printed = true;
            open.text.clone()
        }
        _ => return,
    };
    record(process, Kind::Entry, &text);
}

/// The thread's call is about to wait; gives when.
pub fn waits<K: Kernel>(process: &Process<K>) -> u64 {
    print_entry(process, current(process));
    process.kernel.clock()
}

/// It waited since then.
pub fn waited<K: Kernel>(process: &Process<K>, since: u64) {
    let ticks = process.kernel.clock().wrapping_sub(since);
    if let Some(open) = process.trace.state.lock().open.get_mut(&current(process)) {
        open.waited += ticks;
    }
}

/// Print the result of an execve(2) that replaced the program.
pub fn executed<K: Kernel>(process: &Process<K>) {
    let thread = current(process);
    let Some(open) = process.trace.state.lock().open.remove(&thread) else { return };
    if process.trace.counts
        && let Some(row) = table::ROWS.iter().find(|row| row.name == "execve")
    {
        let ticks = process.kernel.clock().wrapping_sub(open.began).saturating_sub(open.waited);
        process.trace.state.lock().tally.add(row.number().into(), false, ticks);
    }
    if process.trace.prints {
        let head = if open.is_printed { "" } else { open.text.as_str() };
        record(process, Kind::Exit, &format!("{head}){FIELD}0"));
    }
}

/// Print how the process ended, what it called and what it did not find.
pub fn ended<K: Kernel>(process: &Process<K>, ending: Ending) {
    if process.trace.prints {
        match ending {
            Ending::Code(code) => record(process, Kind::Ended, &format!("+++ exited with {code} +++")),
            Ending::Signal(signal) => record(process, Kind::Ended, &format!("+++ killed by {} +++", signal::name(signal))),
        }
    }
    let State { tally, absent, .. } = core::mem::take(&mut *process.trace.state.lock());
    for (number, count) in tally.iter() {
        let name = table::row(number).map_or_else(|| format!("syscall_{number:#x}"), |row| row.name.into());
        record(process, Kind::Tally, &format!("{name}{FIELD}{}{FIELD}{}{FIELD}{}", count.calls, count.errors, count.ticks));
    }
    let program = String::from_utf8_lossy(&process.leader_name()).into_owned();
    for name in absent {
        record(process, Kind::Absent, &format!("{program}{FIELD}{name}"));
    }
}

/// Print the arrival of a signal.
pub fn delivered<K: Kernel>(process: &Process<K>, information: &Information) {
    if process.trace.prints {
        record(process, Kind::Signal, &format!("--- {} ---", signals::text(information)));
    }
}

fn current<K: Kernel>(process: &Process<K>) -> u32 {
    process.threads.with(|table| table.current_id())
}

/// What is told of a signal: `SIGCHLD {si_signo=SIGCHLD, …}`.
#[must_use]
pub fn signal_text(information: &Information) -> String {
    signals::text(information)
}

/// Write a record. What is too long is cut.
pub fn record<K: Kernel>(process: &Process<K>, kind: Kind, text: &str) {
    let head = format!("{}{},{};", char::from(kind as u8), process.id(), current(process));
    let most = RECORD_MOST - BEGIN.len() - head.len() - 1 - END.len();
    let text = &text.as_bytes()[..text.len().min(most)];
    // Within one page, where a write to the debug console ends; and not on the stack, which may be that of faults.
    let mut room = alloc::vec![0; 2 * RECORD_MOST];
    let start = room.as_ptr().align_offset(RECORD_MOST);
    let mut length = 0;
    for part in [BEGIN, head.as_bytes(), text, b"\n", END] {
        room[start + length..][..part.len()].copy_from_slice(part);
        length += part.len();
    }
    process.kernel.put(&room[start..start + length]);
}

fn print_arguments<K: Kernel>(
    process: &Process<K>,
    text: &mut String,
    row: &Row,
    arguments: &Arguments,
    which: core::ops::Range<usize>,
    outcome: Result<usize>,
) {
    let first = which.start;
    for index in which {
        if argument::is_left_out(row, arguments, index) {
            break;
        }
        if index > first {
            text.push_str(", ");
        }
        argument::print(process, text, row.formats[index], arguments, index, outcome);
    }
}

/// The arguments from `from` on, and the parenthesis behind them.
fn rest_of_call<K: Kernel>(
    process: &Process<K>,
    row: Option<&Row>,
    number: usize,
    arguments: &Arguments,
    from: usize,
    outcome: Result<usize>,
) -> String {
    let Some(row) = row else {
        let [a, b, c, d, e, f] = arguments.0;
        return format!("{a:#x}, {b:#x}, {c:#x}, {d:#x}, {e:#x}, {f:#x}) /* {number} */");
    };
    let mut text = String::new();
    print_arguments(process, &mut text, row, arguments, from..row.formats.len(), outcome);
    text.push(')');
    text
}

/// What stands behind the equals sign.
fn result(row: Option<&Row>, outcome: Result<usize>) -> String {
    let mut text = String::new();
    let _ = match outcome {
        Err(Errno(number)) if Errno(number).name().is_empty() => write!(text, "-1 errno {number}"),
        Err(errno) => write!(text, "-1 {} ({})", errno.name(), errno.text()),
        Ok(value) if row.is_some_and(|row| matches!(row.name, "brk" | "mmap" | "mremap")) => write!(text, "{value:#x}"),
        Ok(value) => write!(text, "{}", value as isize),
    };
    text
}
