//! The table of calls: one row each.
//!
//! Dispatch, the names that `--strace` prints and the README's list of what is covered all come from here.
//!
//! A row: `name: x86_64 number, aarch64 number, handler, support, [argument formats];` with `-` for a call that an ISA does not
//! have. Numbers are those of the kernel's `arch/x86/entry/syscalls/syscall_64.tbl` and `include/uapi/asm-generic/unistd.h`.

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::{Arguments, Handler, futex, memory, process, signal, time};

/// How much of a call works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// All that Linux documents.
    Full,
    /// A part; this says which part does not.
    Partial(&'static str),
    /// It answers, and does nothing; this says why that is right enough.
    Stub(&'static str),
    /// It answers `ENOSYS`.
    Absent,
}

/// How an argument is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A signed number.
    Int,
    /// An unsigned number.
    Unsigned,
    /// A hexadecimal number.
    Hex,
    /// An octal number: a mode.
    Octal,
    /// A pointer, as it is; 0 is `NULL`.
    Pointer,
    /// A file descriptor.
    Fd,
    /// A directory's descriptor, or `AT_FDCWD`.
    DirectoryFd,
    /// A NUL-terminated string, quoted.
    Path,
    /// A buffer that the call reads; the next argument is its length.
    BufferIn,
    /// A buffer that the call fills; the result is its length.
    BufferOut,
    /// A vector of stretches that the call reads; the next argument is their number.
    VectorIn,
    /// A vector of stretches that the call fills.
    VectorOut,
    /// open(2)'s flags.
    OpenFlags,
    /// mmap(2)'s protection.
    Protection,
    /// mmap(2)'s flags.
    MapFlags,
    /// madvise(2)'s advice.
    Advice,
    /// lseek(2)'s whence.
    Whence,
    /// fcntl(2)'s command.
    FcntlCommand,
    /// ioctl(2)'s request.
    IoctlRequest,
    /// The flags of the `*at` calls.
    AtFlags,
    /// A clock's name.
    Clock,
    /// A signal's name.
    Signal,
    /// sigprocmask(2)'s how.
    SignalHow,
    /// A pointer to a signal set.
    SignalSet,
    /// A pointer to a `struct sigaction` that the call reads.
    SignalAction,
    /// A pointer to a `struct timespec` that the call reads.
    TimeIn,
    /// A pointer to a `struct timespec` that the call fills.
    TimeOut,
    /// A pointer to a `struct stat` that the call fills.
    StatOut,
    /// futex(2)'s operation.
    FutexOperation,
    /// A resource's name.
    Resource,
    /// A pointer to a `struct rlimit` that the call reads.
    LimitIn,
    /// A pointer to a `struct rlimit` that the call fills.
    LimitOut,
    /// prctl(2)'s option.
    PrctlOption,
    /// arch_prctl(2)'s code.
    ArchPrctlCode,
    /// getrandom(2)'s flags.
    RandomFlags,
}

/// A call, as the table knows it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name in section 2 of the manual.
    pub name: &'static str,
    /// Its number on x86_64, or `NONE`.
    pub x86_64: u16,
    /// Its number on aarch64, or `NONE`.
    pub aarch64: u16,
    /// How much of it works.
    pub support: Support,
    /// Its arguments.
    pub formats: &'static [Format],
}

/// "No such call on this ISA".
pub const NONE: u16 = u16::MAX;
/// One past the highest number that the table covers.
pub const NUMBERS: usize = 512;

impl Row {
    /// Its number on the ISA that this is built for.
    #[must_use]
    pub const fn number(&self) -> u16 {
        if cfg!(target_arch = "x86_64") { self.x86_64 } else { self.aarch64 }
    }
}

/// The row of a number on this ISA.
#[must_use]
pub fn row(number: usize) -> Option<&'static Row> {
    ROWS.iter().find(|row| usize::from(row.number()) == number && row.number() != NONE)
}

/// A call that has no handler: `ENOSYS`. The caller, who knows the number, logs it.
pub fn absent<K: Kernel>(_: &Process<K>, _: &Arguments) -> Result<usize> {
    Err(Errno::ENOSYS)
}

/// The handlers by number, for this ISA.
pub struct Handlers<K: Kernel>([Handler<K>; NUMBERS]);

impl<K: Kernel> Handlers<K> {
    /// The one table.
    pub const TABLE: &'static Handlers<K> = &Handlers(handlers());

    /// What serves a number.
    #[must_use]
    #[inline(always)]
    pub fn get(&self, number: usize) -> Handler<K> {
        if number < NUMBERS { self.0[number] } else { absent }
    }
}

macro_rules! number {
    (-) => {
        NONE
    };
    ($number:literal) => {
        $number
    };
}

macro_rules! rows {
    ($($name:ident: $x86_64:tt, $aarch64:tt, $handler:path, $support:expr, [$($format:ident),*];)*) => {
        /// Every call that the table knows.
        pub const ROWS: &[Row] = &[$(Row {
            name: stringify!($name),
            x86_64: number!($x86_64),
            aarch64: number!($aarch64),
            support: { use Support::*; $support },
            formats: &[$(Format::$format),*],
        },)*];

        const fn handlers<K: Kernel>() -> [Handler<K>; NUMBERS] {
            let mut table: [Handler<K>; NUMBERS] = [absent; NUMBERS];
            $({
                let number = if cfg!(target_arch = "x86_64") { number!($x86_64) } else { number!($aarch64) };
                if number != NONE {
                    table[number as usize] = $handler;
                }
            })*
            table
        }
    };
}

rows! {
    // Processes.
    clone: 56, 220, absent, Absent, [Hex, Pointer, Pointer, Pointer, Pointer];
    clone3: 435, 435, absent, Absent, [Pointer, Unsigned];
    fork: 57, -, absent, Absent, [];
    vfork: 58, -, absent, Absent, [];
    execve: 59, 221, absent, Absent, [Path, Pointer, Pointer];
    execveat: 322, 281, absent, Absent, [DirectoryFd, Path, Pointer, Pointer, AtFlags];
    exit: 60, 93, process::exit, Full, [Int];
    exit_group: 231, 94, process::exit, Full, [Int];
    wait4: 61, 260, process::no_child, Partial("there are no children"), [Int, Pointer, Hex, Pointer];
    waitid: 247, 95, process::no_child, Partial("there are no children"), [Int, Int, Pointer, Hex, Pointer];
    getpid: 39, 172, process::identity, Full, [];
    getppid: 110, 173, process::zero, Full, [];
    gettid: 186, 178, process::identity, Full, [];
    getpgrp: 111, -, process::identity, Full, [];
    getpgid: 121, 155, process::group, Full, [Int];
    getsid: 124, 156, process::group, Full, [Int];
    setpgid: 109, 154, process::set_group, Partial("the only process leads its session"), [Int, Int];
    setsid: 112, 157, process::set_group, Partial("the only process leads its session"), [];
    getuid: 102, 174, process::zero, Full, [];
    geteuid: 107, 175, process::zero, Full, [];
    getgid: 104, 176, process::zero, Full, [];
    getegid: 108, 177, process::zero, Full, [];
    getresuid: 118, 148, process::get_three_identities, Full, [Pointer, Pointer, Pointer];
    getresgid: 120, 150, process::get_three_identities, Full, [Pointer, Pointer, Pointer];
    setuid: 105, 146, process::set_identity, Partial("root alone"), [Unsigned];
    setgid: 106, 144, process::set_identity, Partial("root alone"), [Unsigned];
    setreuid: 113, 145, process::set_two_identities, Partial("root alone"), [Int, Int];
    setregid: 114, 143, process::set_two_identities, Partial("root alone"), [Int, Int];
    setresuid: 117, 147, process::set_three_identities, Partial("root alone"), [Int, Int, Int];
    setresgid: 119, 149, process::set_three_identities, Partial("root alone"), [Int, Int, Int];
    setfsuid: 122, 151, process::zero, Partial("root alone"), [Unsigned];
    setfsgid: 123, 152, process::zero, Partial("root alone"), [Unsigned];
    getgroups: 115, 158, process::getgroups, Full, [Int, Pointer];
    uname: 63, 160, process::uname, Full, [Pointer];
    sysinfo: 99, 179, process::sysinfo, Partial("no loads"), [Pointer];
    getrusage: 98, 165, process::getrusage, Partial("times, resident set and faults only"), [Int, Pointer];
    getrlimit: 97, 163, process::getrlimit, Full, [Resource, LimitOut];
    setrlimit: 160, 164, process::setrlimit, Partial("STACK and NOFILE bite"), [Resource, LimitIn];
    prlimit64: 302, 261, process::prlimit64, Partial("STACK and NOFILE bite"), [Int, Resource, LimitIn, LimitOut];
    set_tid_address: 218, 96, process::set_tid_address, Full, [Pointer];
    set_robust_list: 273, 99, process::set_robust_list, Full, [Pointer, Unsigned];
    get_robust_list: 274, 100, process::get_robust_list, Full, [Int, Pointer, Pointer];
    prctl: 157, 167, process::prctl, Partial("names, dumpable, no_new_privs"), [PrctlOption, Hex, Hex, Hex, Hex];
    arch_prctl: 158, -, process::arch_prctl, Partial("FS only"), [ArchPrctlCode, Pointer];
    sched_yield: 24, 124, process::sched_yield, Stub("the only thread"), [];
    sched_getaffinity: 204, 123, process::sched_getaffinity, Full, [Int, Unsigned, Pointer];
    sched_setaffinity: 203, 122, process::sched_setaffinity, Partial("one CPU"), [Int, Unsigned, Pointer];
    sched_getscheduler: 145, 120, process::sched_getscheduler, Partial("SCHED_OTHER alone"), [Int];
    sched_getparam: 143, 121, process::sched_getparam, Partial("SCHED_OTHER alone"), [Int, Pointer];
    sched_get_priority_max: 146, 125, process::sched_priority_bound, Partial("SCHED_OTHER alone"), [Int];
    sched_get_priority_min: 147, 126, process::sched_priority_bound, Partial("SCHED_OTHER alone"), [Int];
    getpriority: 140, 141, process::getpriority, Partial("nice value 0"), [Int, Int];
    setpriority: 141, 140, process::setpriority, Stub("nobody competes"), [Int, Int, Int];
    getcpu: 309, 168, process::getcpu, Partial("one CPU"), [Pointer, Pointer, Pointer];
    getrandom: 318, 278, process::getrandom, Full, [BufferOut, Unsigned, RandomFlags];
    membarrier: 324, 283, process::membarrier, Partial("one thread"), [Int, Hex];
    personality: 135, 92, process::personality, Partial("PER_LINUX alone"), [Hex];
    rseq: 334, 293, absent, Absent, [Pointer, Unsigned, Hex, Hex];
    futex: 202, 98, futex::futex, Partial("one thread"), [Pointer, FutexOperation, Unsigned, Pointer, Pointer, Unsigned];

    // Memory.
    brk: 12, 214, memory::brk, Full, [Pointer];
    mmap: 9, 222, memory::mmap, Partial("no shared mapping of a file open for writing"), [Pointer, Unsigned, Protection, MapFlags, Fd, Hex];
    munmap: 11, 215, memory::munmap, Full, [Pointer, Unsigned];
    mprotect: 10, 226, memory::mprotect, Partial("no protection keys"), [Pointer, Unsigned, Protection];
    mremap: 25, 216, memory::mremap, Partial("no DONTUNMAP, no second mapping"), [Pointer, Unsigned, Unsigned, Hex, Pointer];
    madvise: 28, 233, memory::madvise, Partial("no REMOVE, no poisoning"), [Pointer, Unsigned, Advice];
    msync: 26, 227, memory::msync, Full, [Pointer, Unsigned, Hex];
    mlock: 149, 228, memory::mlock, Full, [Pointer, Unsigned];
    mlock2: 325, 284, memory::mlock, Full, [Pointer, Unsigned, Hex];
    munlock: 150, 229, memory::munlock, Full, [Pointer, Unsigned];
    mlockall: 151, 230, memory::mlockall, Stub("memory is never paged out"), [Hex];
    munlockall: 152, 231, memory::mlockall, Stub("memory is never paged out"), [];
    mincore: 27, 232, memory::mincore, Full, [Pointer, Unsigned, Pointer];

    // Time.
    clock_gettime: 228, 113, time::clock_gettime, Full, [Clock, TimeOut];
    clock_getres: 229, 114, time::clock_getres, Full, [Clock, TimeOut];
    clock_settime: 227, 112, time::clock_settime, Partial("for this process"), [Clock, TimeIn];
    gettimeofday: 96, 169, time::gettimeofday, Full, [Pointer, Pointer];
    time: 201, -, time::time, Full, [Pointer];
    nanosleep: 35, 101, time::nanosleep, Full, [TimeIn, TimeOut];
    clock_nanosleep: 230, 115, time::clock_nanosleep, Full, [Clock, Hex, TimeIn, TimeOut];
    times: 100, 153, time::times, Partial("all time is user time"), [Pointer];

    // Signals.
    rt_sigaction: 13, 134, signal::rt_sigaction, Full, [Signal, SignalAction, Pointer, Unsigned];
    rt_sigprocmask: 14, 135, signal::rt_sigprocmask, Full, [SignalHow, SignalSet, Pointer, Unsigned];
    rt_sigpending: 127, 136, signal::rt_sigpending, Full, [Pointer, Unsigned];
    rt_sigreturn: 15, 139, signal::rt_sigreturn, Full, [];
    rt_sigsuspend: 130, 133, signal::rt_sigsuspend, Full, [SignalSet, Unsigned];
    rt_sigtimedwait: 128, 137, signal::rt_sigtimedwait, Full, [SignalSet, Pointer, TimeIn, Unsigned];
    rt_sigqueueinfo: 129, 138, signal::rt_sigqueueinfo, Partial("to this process"), [Int, Signal, Pointer];
    rt_tgsigqueueinfo: 297, 240, signal::rt_tgsigqueueinfo, Partial("to this process"), [Int, Int, Signal, Pointer];
    sigaltstack: 131, 132, signal::sigaltstack, Full, [Pointer, Pointer];
    pause: 34, -, signal::pause, Full, [];
    kill: 62, 129, signal::kill, Partial("this process; stops are ignored"), [Int, Signal];
    tkill: 200, 130, signal::tkill, Partial("this thread; stops are ignored"), [Int, Signal];
    tgkill: 234, 131, signal::tgkill, Partial("this thread; stops are ignored"), [Int, Int, Signal];

    // Files.
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_or_name_stands_twice() {
        for (index, row) in ROWS.iter().enumerate() {
            for other in &ROWS[index + 1..] {
                assert_ne!(row.name, other.name);
                assert!(row.x86_64 == NONE || row.x86_64 != other.x86_64, "{} and {}", row.name, other.name);
                assert!(row.aarch64 == NONE || row.aarch64 != other.aarch64, "{} and {}", row.name, other.name);
            }
        }
    }

    #[test]
    fn numbers_are_in_range() {
        assert!(ROWS.iter().flat_map(|row| [row.x86_64, row.aarch64]).all(|number| number == NONE || (number as usize) < NUMBERS));
    }

    #[test]
    fn numbers_above_the_common_point_agree() {
        // From 424 on, Linux gives a new call the same number on all ISAs.
        assert!(ROWS.iter().filter(|row| row.x86_64 >= 424 && row.x86_64 != NONE).all(|row| row.x86_64 == row.aarch64));
    }

    #[test]
    fn a_handler_is_found_by_its_number() {
        let brk = ROWS.iter().find(|row| row.name == "brk").expect("brk has a row");
        assert_eq!(row(brk.number().into()).map(|row| row.name), Some("brk"));
        assert!(row(NUMBERS + 1).is_none());
    }
}
