//! An argument, by its format.

use alloc::string::String;
use core::fmt::Write;

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::{self, Action};
use crate::strace::names;
use crate::syscall::Arguments;
use crate::syscall::table::{Format, Row};
use crate::user::UserMemory;

/// Bytes of a string or buffer that are printed, as strace(1) does without `-s`.
const STRING_MOST: usize = 32;
/// Elements of a vector that are printed.
const VECTOR_MOST: usize = 8;
const O_CREAT: u64 = linux_raw_sys::general::O_CREAT as u64;
const O_TMPFILE: u64 = linux_raw_sys::general::O_TMPFILE as u64;

/// Whether an argument means nothing: the mode of an open that makes no file.
pub fn is_left_out(row: &Row, arguments: &Arguments, index: usize) -> bool {
    let flags = match (row.name, index) {
        ("open", 2) => arguments.0[1],
        ("openat", 3) => arguments.0[2],
        _ => return false,
    };
    flags & O_CREAT == 0 && flags & O_TMPFILE != O_TMPFILE
}

/// Whether the call fills what the argument points to: it is known when the call has returned.
pub fn is_filled(format: Format) -> bool {
    matches!(format, Format::BufferOut | Format::VectorOut | Format::StatOut | Format::TimeOut | Format::LimitOut)
}

/// Print argument `index` of a call that ended with `outcome`.
pub fn print<K: Kernel>(
    process: &Process<K>,
    text: &mut String,
    format: Format,
    arguments: &Arguments,
    index: usize,
    outcome: Result<usize>,
) {
    let value = arguments.0[index];
    let address = value as usize;
    let filled = outcome.is_ok();
    match format {
        Format::Int => put(text, format_args!("{}", value as i32)),
        Format::Unsigned => put(text, format_args!("{value}")),
        Format::Hex if value == 0 => text.push('0'),
        Format::Hex => put(text, format_args!("{value:#x}")),
        Format::Octal => put(text, format_args!("0{:03o}", value as u32)),
        Format::Pointer => pointer(text, value),
        Format::Fd => put(text, format_args!("{}", value as i32)),
        Format::DirectoryFd if value as i32 == linux_raw_sys::general::AT_FDCWD => text.push_str("AT_FDCWD"),
        Format::DirectoryFd => put(text, format_args!("{}", value as i32)),
        Format::Path => path(process, text, address),
        Format::BufferIn => buffer(process, text, address, arguments.word(index + 1)),
        Format::BufferOut if filled => buffer(process, text, address, outcome.unwrap_or(0)),
        Format::VectorIn => vector(process, text, address, arguments.word(index + 1), usize::MAX),
        Format::VectorOut if filled => vector(process, text, address, arguments.word(index + 1), outcome.unwrap_or(0)),
        Format::OpenFlags => {
            const MODE: u64 = 3;
            names::flags(text, names::OPEN, value as u32 as u64 & !MODE, Some(names::OPEN_MODES[(value & MODE) as usize]));
        }
        Format::Protection if value == 0 => text.push_str("PROT_NONE"),
        Format::Protection => names::flags(text, names::PROTECTION, value, None),
        Format::MapFlags => {
            const TYPE: u64 = 15;
            let kind = names::MAP_TYPES.iter().find(|(number, _)| *number == value & TYPE).map(|(_, name)| *name);
            names::flags(text, names::MAP, if kind.is_some() { value & !TYPE } else { value }, kind);
        }
        Format::Advice => names::one(text, names::ADVICE, value),
        Format::Whence => names::one(text, names::WHENCE, value),
        Format::FcntlCommand => names::one(text, names::FCNTL, value),
        Format::IoctlRequest => names::one(text, names::IOCTL, value as u32 as u64),
        Format::AtFlags => names::flags(text, names::AT, value as u32 as u64, None),
        Format::Clock => names::one(text, names::CLOCKS, value),
        Format::Signal => signal_name(text, value as u32),
        Format::SignalHow => names::one(text, names::SIGNAL_HOW, value),
        Format::SignalSet => struct_of(process, text, address, |text, [set]: [u64; 1]| signal_set(text, set)),
        Format::SignalAction => struct_of(process, text, address, |text, words: [u64; 4]| action(text, words)),
        Format::TimeOut if !filled => pointer(text, value),
        Format::TimeIn | Format::TimeOut => struct_of(process, text, address, |text, [seconds, ns]: [i64; 2]| {
            put(text, format_args!("{{tv_sec={seconds}, tv_nsec={ns}}}"));
        }),
        Format::StatOut if filled => stat(process, text, address),
        Format::FutexOperation => futex(text, value),
        Format::Resource => names::one(text, names::RESOURCES, value),
        Format::LimitOut if !filled => pointer(text, value),
        Format::LimitIn | Format::LimitOut => struct_of(process, text, address, |text, limits: [u64; 2]| limit(text, limits)),
        Format::PrctlOption => names::one(text, names::PRCTL, value),
        Format::ArchPrctlCode => names::one(text, names::ARCH_PRCTL, value),
        Format::Strings => strings(process, text, address),
        Format::Variables => variables(process, text, address),
        Format::RandomFlags => names::flags(text, names::RANDOM, value, None),
        Format::BufferOut | Format::VectorOut | Format::StatOut => pointer(text, value),
    }
}

fn put(text: &mut String, arguments: core::fmt::Arguments) {
    let _ = text.write_fmt(arguments);
}

fn pointer(text: &mut String, value: u64) {
    if value == 0 { text.push_str("NULL") } else { put(text, format_args!("{value:#x}")) }
}

/// A struct behind a pointer; the pointer itself if it cannot be read.
fn struct_of<K: Kernel, T: crate::user::Plain>(process: &Process<K>, text: &mut String, address: usize, show: impl FnOnce(&mut String, T)) {
    match process.read_value(address) {
        Ok(value) if address != 0 => show(text, value),
        _ => pointer(text, address as u64),
    }
}

fn path<K: Kernel>(process: &Process<K>, text: &mut String, address: usize) {
    match process.read_string(address, crate::vfs::walk::PATH_MAX) {
        Ok(string) => quoted(text, &string, false),
        Err(Errno::ENAMETOOLONG) => {
            let mut start = [0; STRING_MOST];
            let _ = process.read(address, &mut start);
            quoted(text, &start, true);
        }
        Err(_) => pointer(text, address as u64),
    }
}

fn buffer<K: Kernel>(process: &Process<K>, text: &mut String, address: usize, length: usize) {
    let mut bytes = [0; STRING_MOST];
    let shown = &mut bytes[..length.min(STRING_MOST)];
    match process.read(address, shown) {
        Ok(()) if address != 0 => quoted(text, shown, length > STRING_MOST),
        _ => pointer(text, address as u64),
    }
}

/// A vector of stretches, of which `filled` bytes mean something.
fn vector<K: Kernel>(process: &Process<K>, text: &mut String, address: usize, count: usize, mut filled: usize) {
    let Ok(stretches) = process.read_vectors(address, count) else { return pointer(text, address as u64) };
    text.push('[');
    for (index, stretch) in stretches.iter().take(VECTOR_MOST).enumerate() {
        text.push_str(if index > 0 { ", {iov_base=" } else { "{iov_base=" });
        let shown = stretch.length.min(filled);
        buffer(process, text, stretch.address, shown);
        filled -= shown;
        put(text, format_args!(", iov_len={}}}", stretch.length));
    }
    text.push_str(if stretches.len() > VECTOR_MOST { ", ...]" } else { "]" });
}

/// The pointers of an array up to its null, at most so many.
fn pointers<K: Kernel>(process: &Process<K>, address: usize, most: usize) -> Option<alloc::vec::Vec<usize>> {
    let mut found = alloc::vec::Vec::new();
    while found.len() < most {
        match process.read_value::<usize>(address + found.len() * size_of::<usize>()).ok()? {
            0 => break,
            pointer => found.push(pointer),
        }
    }
    Some(found)
}

/// An array of strings.
fn strings<K: Kernel>(process: &Process<K>, text: &mut String, address: usize) {
    /// Strings that are shown.
    const MOST: usize = 32;
    let Some(found) = pointers(process, address, MOST + 1).filter(|_| address != 0) else { return pointer(text, address as u64) };
    text.push('[');
    for (index, &string) in found.iter().take(MOST).enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        path(process, text, string);
    }
    text.push_str(if found.len() > MOST { ", ...]" } else { "]" });
}

/// Environment variables: how many.
fn variables<K: Kernel>(process: &Process<K>, text: &mut String, address: usize) {
    const MOST: usize = 1 << 16;
    pointer(text, address as u64);
    if let Some(found) = pointers(process, address, MOST).filter(|_| address != 0) {
        let unit = if found.len() == 1 { "var" } else { "vars" };
        put(text, format_args!(" /* {} {unit} */", found.len()));
    }
}

/// Bytes as a string of C.
fn quoted(text: &mut String, bytes: &[u8], more: bool) {
    text.push('"');
    for (index, &byte) in bytes.iter().enumerate() {
        match byte {
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            b'\r' => text.push_str("\\r"),
            0x0b => text.push_str("\\v"),
            0x0c => text.push_str("\\f"),
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(byte)),
            // Short, unless a digit follows.
            _ if bytes.get(index + 1).is_some_and(u8::is_ascii_digit) => put(text, format_args!("\\{byte:03o}")),
            _ => put(text, format_args!("\\{byte:o}")),
        }
    }
    text.push_str(if more { "\"..." } else { "\"" });
}

fn signal_name(text: &mut String, signal: u32) {
    const FIRST_REAL_TIME: u32 = 32;
    match signal::name(signal) {
        "" if signal >= FIRST_REAL_TIME => put(text, format_args!("SIGRT_{}", signal - FIRST_REAL_TIME)),
        "" => put(text, format_args!("{signal}")),
        name => text.push_str(name),
    }
}

fn signal_set(text: &mut String, set: u64) {
    const MANY: u32 = 48;
    // A nearly full set reads better as what is not in it.
    let (shown, left_out) = if set.count_ones() > MANY { (!set, true) } else { (set, false) };
    text.push_str(if left_out { "~[" } else { "[" });
    let mut first = true;
    for signal in (1..=signal::SIGNALS).filter(|&signal| shown & signal::bit(signal) != 0) {
        if !core::mem::replace(&mut first, false) {
            text.push(' ');
        }
        let start = text.len();
        signal_name(text, signal);
        if text[start..].starts_with("SIG") {
            text.replace_range(start..start + 3, "");
        }
    }
    text.push(']');
}

fn action(text: &mut String, [handler, flags, restorer, mask]: [u64; 4]) {
    text.push_str("{sa_handler=");
    match handler {
        signal::DEFAULT => text.push_str("SIG_DFL"),
        signal::IGNORE => text.push_str("SIG_IGN"),
        handler => put(text, format_args!("{handler:#x}")),
    }
    text.push_str(", sa_mask=");
    signal_set(text, mask);
    text.push_str(", sa_flags=");
    names::flags(text, names::SIGNAL_FLAGS, flags, None);
    if flags & Action::RESTORER != 0 {
        put(text, format_args!(", sa_restorer={restorer:#x}"));
    }
    text.push('}');
}

/// The mode and size of a `struct stat`.
fn stat<K: Kernel>(process: &Process<K>, text: &mut String, address: usize) {
    const MODE_OFFSET: usize = if cfg!(target_arch = "x86_64") { 24 } else { 16 };
    const SIZE_OFFSET: usize = 48;
    let words =
        process.read_value::<u32>(address + MODE_OFFSET).and_then(|mode| Ok((mode, process.read_value::<u64>(address + SIZE_OFFSET)?)));
    let Ok((mode, size)) = words else { return pointer(text, address as u64) };
    let kind = match mode >> 12 {
        0o1 => "S_IFIFO",
        0o2 => "S_IFCHR",
        0o4 => "S_IFDIR",
        0o6 => "S_IFBLK",
        0o10 => "S_IFREG",
        0o12 => "S_IFLNK",
        0o14 => "S_IFSOCK",
        _ => "0",
    };
    put(text, format_args!("{{st_mode={kind}|0{:o}, st_size={size}, ...}}", mode & 0o7777));
}

fn futex(text: &mut String, value: u64) {
    const PRIVATE: u64 = 128;
    const CLOCK_REALTIME: u64 = 256;
    names::one(text, names::FUTEX, value & !(PRIVATE | CLOCK_REALTIME));
    if value & PRIVATE != 0 {
        text.push_str("_PRIVATE");
    }
    if value & CLOCK_REALTIME != 0 {
        text.push_str("|FUTEX_CLOCK_REALTIME");
    }
}

fn limit(text: &mut String, [soft, hard]: [u64; 2]) {
    let show = |text: &mut String, value: u64| match value {
        crate::limits::UNLIMITED => text.push_str("RLIM64_INFINITY"),
        value if value >= 1024 && value.is_multiple_of(1024) => put(text, format_args!("{}*1024", value / 1024)),
        value => put(text, format_args!("{value}")),
    };
    text.push_str("{rlim_cur=");
    show(text, soft);
    text.push_str(", rlim_max=");
    show(text, hard);
    text.push('}');
}
