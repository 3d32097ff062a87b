//! What is told of a process that a signal ends: registers, the stack, the maps. The tool at the console's other end has the symbols.
#![forbid(unsafe_code)]

use alloc::format;
use alloc::string::String;

use abi::{PAGE_SIZE, Registers};
use exo::trace::{FIELD, Kind};

use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::{Information, Set, bit};
use crate::strace::{record, signal_text};
use crate::user::UserMemory;
use linux_raw_sys::general as linux;

/// The signals whose default action is a core dump: signal(7).
const CORE: Set = bit(linux::SIGQUIT)
    | bit(linux::SIGILL)
    | bit(linux::SIGTRAP)
    | bit(linux::SIGABRT)
    | bit(linux::SIGBUS)
    | bit(linux::SIGFPE)
    | bit(linux::SIGSEGV)
    | bit(linux::SIGXCPU)
    | bit(linux::SIGXFSZ)
    | bit(linux::SIGSYS);
/// Bytes of the stack that are told: what a backtrace is found in.
const STACK_MOST: usize = 64 << 10;
/// Bytes of it in a record.
const PART: usize = 1024;

/// Tell what there is to know of a process that `information` ends, if that is a signal that dumps core and the run wants it.
pub fn tell<K: Kernel>(process: &Process<K>, registers: &Registers, information: &Information) {
    if !process.trace.tells_crashes || CORE & bit(information.signal as u32) == 0 {
        return;
    }
    let path = String::from_utf8_lossy(&process.running.lock().path).into_owned();
    record(process, Kind::Crash, &format!("signal{FIELD}{}{FIELD}{path}", signal_text(information)));
    let words: String = named(registers).map(|(name, value)| format!("{name}={value:x} ")).collect();
    record(process, Kind::Crash, &format!("registers{FIELD}{words}"));
    let maps = process.memory.lock().maps();
    for line in maps.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        record(process, Kind::Crash, &format!("map{FIELD}{}", String::from_utf8_lossy(line)));
    }
    let mut address = registers.sp as usize & !7;
    let end = address.saturating_add(STACK_MOST);
    while address < end {
        let mut bytes = [0; PART];
        let length = PART.min(PAGE_SIZE - address % PAGE_SIZE);
        if process.read(address, &mut bytes[..length]).is_err() {
            break;
        }
        let text: String = bytes[..length].iter().map(|byte| format!("{byte:02x}")).collect();
        record(process, Kind::Crash, &format!("stack{FIELD}{address:x}{FIELD}{text}"));
        address += length;
    }
    record(process, Kind::Crash, "end");
}

/// The registers by the names that the architecture gives them.
#[cfg(target_arch = "x86_64")]
fn named(registers: &Registers) -> impl Iterator<Item = (String, u64)> {
    let Registers { rax, rbx, rcx, rdx, rsi, rdi, rbp, r, sp, pc, flags, tls, .. } = *registers;
    let first = [("rax", rax), ("rbx", rbx), ("rcx", rcx), ("rdx", rdx), ("rsi", rsi), ("rdi", rdi), ("rbp", rbp), ("rsp", sp)];
    let last = [("rip", pc), ("eflags", flags), ("fs_base", tls)];
    let numbered = r.into_iter().enumerate().map(|(index, value)| (format!("r{}", index + 8), value));
    let own = |(name, value): (&str, u64)| (String::from(name), value);
    first.into_iter().map(own).chain(numbered).chain(last.into_iter().map(own))
}

/// The registers by the names that the architecture gives them.
#[cfg(target_arch = "aarch64")]
fn named(registers: &Registers) -> impl Iterator<Item = (String, u64)> {
    let Registers { x, sp, pc, flags, tls, .. } = *registers;
    let last = [("sp", sp), ("pc", pc), ("pstate", flags), ("tpidr", tls)];
    let numbered = x.into_iter().enumerate().map(|(index, value)| (format!("x{index}"), value));
    numbered.chain(last.into_iter().map(|(name, value)| (String::from(name), value)))
}
