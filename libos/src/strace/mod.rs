//! Calls printed as strace(1) does: `name(arguments) = result`, on the console.
//!
//! | file | what it does |
//! |---|---|
//! | `argument` | prints an argument by the format that its row in the table gives |
//! | `names` | the names of flags and numbers |
//!
//! A line is written when the call has returned, since only then it is known what the call filled; a call that does not return is
//! written before.
#![forbid(unsafe_code)]

mod argument;
mod names;
#[cfg(test)]
mod tests;

use alloc::format;
use alloc::string::String;
use core::fmt::Write;

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::{self, Ending};
use crate::syscall::table::{self, Row};
use crate::syscall::{Arguments, Handler};

/// Where strace(1) puts the result's equals sign.
const RESULT_COLUMN: usize = 39;

/// Make a call and print it.
pub fn traced<K: Kernel>(process: &Process<K>, number: usize, arguments: &Arguments, handler: Handler<K>) -> Result<usize> {
    let row = table::row(number);
    if row.is_some_and(|row| matches!(row.name, "exit" | "exit_group" | "rt_sigreturn")) {
        print(process, &format!("{} = ?", padded(call(process, number, row, arguments, Ok(0)))));
        return handler(process, arguments);
    }
    if row.is_some_and(|row| matches!(row.name, "execve" | "execveat")) {
        // What it is asked cannot be read any more once it is done; if it is, `executed` prints the result.
        process.kernel.put(padded(call(process, number, row, arguments, Ok(0))).as_bytes());
        return handler(process, arguments).inspect_err(|&errno| print(process, &format!(" = {}", result(row, Err(errno)))));
    }
    let outcome = handler(process, arguments);
    let line = padded(call(process, number, row, arguments, outcome));
    print(process, &format!("{line} = {}", result(row, outcome)));
    outcome
}

/// Print the result of an execve(2) that replaced the program.
pub fn executed<K: Kernel>(process: &Process<K>) {
    print(process, " = 0");
}

/// Print how the process ended.
pub fn ended<K: Kernel>(process: &Process<K>, ending: Ending) {
    match ending {
        Ending::Code(code) => print(process, &format!("+++ exited with {code} +++")),
        Ending::Signal(signal) => print(process, &format!("+++ killed by {} +++", signal::name(signal))),
    }
}

/// Print the arrival of a signal that has a handler.
pub fn delivered<K: Kernel>(process: &Process<K>, information: &signal::Information) {
    let signal = information.signal as u32;
    print(process, &format!("--- {} {{si_signo={}, si_code={}}} ---", signal::name(signal), signal::name(signal), information.code));
}

fn print<K: Kernel>(process: &Process<K>, line: &str) {
    process.kernel.put(line.as_bytes());
    process.kernel.put(b"\n");
}

fn padded(mut text: String) -> String {
    while text.len() < RESULT_COLUMN {
        text.push(' ');
    }
    text
}

/// `name(arguments)`
fn call<K: Kernel>(process: &Process<K>, number: usize, row: Option<&Row>, arguments: &Arguments, outcome: Result<usize>) -> String {
    let Some(row) = row else {
        let [a, b, c, d, e, f] = arguments.0;
        return format!("syscall_{number}({a:#x}, {b:#x}, {c:#x}, {d:#x}, {e:#x}, {f:#x})");
    };
    let mut text = format!("{}(", row.name);
    for (index, &format) in row.formats.iter().enumerate() {
        if argument::is_left_out(row, arguments, index) {
            break;
        }
        if index > 0 {
            text.push_str(", ");
        }
        argument::print(process, &mut text, format, arguments, index, outcome);
    }
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
