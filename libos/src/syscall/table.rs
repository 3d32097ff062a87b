//! The table of calls: one row each.
//!
//! Dispatch, the names that `--strace` prints and the README's list of what is covered all come from here.
//!
//! A row: `name: x86_64 number, aarch64 number, handler, support, [argument formats];` with `-` for a call that an ISA does not have. A
//! row that ends in `word W` answers that word of the process's identity and nothing else: the entries do so themselves. `lane F`: it is mostly
//! done by that [`Lane`]. `needs registers`: its handler looks at the program's registers, or sets them. All others the linked entry
//! serves without a frame of registers, which it makes where a signal, say, is delivered behind the call. Numbers are those of the kernel's `arch/x86/entry/syscalls/syscall_64.tbl` and
//! `include/uapi/asm-generic/unistd.h`.

use core::marker::PhantomData;

use crate::errno::{Errno, Result};
use crate::identity::Word;
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::{
    Arguments, Handler, capability, descriptor, directory, epoll, exec, family, futex, identity, inotify, lock, memory, message, mount,
    notice, open, path, pidfd, poll, process, queue, resolve, schedule, signal, socket, splice, stat, stream, system_v, thread, time,
    timer, times, wait,
};

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
    /// It answers `ENOSYS` as a Linux does that was configured without it, and programs are known to do without; this says why.
    Declined(&'static str),
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
    /// A pointer to an array of strings.
    Strings,
    /// A pointer to an array of environment variables, which are counted.
    Variables,
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
    /// The word that it answers, if that is all it does.
    pub word: Option<Word>,
    /// Whether its handler looks at the program's registers.
    pub needs_registers: bool,
}

/// "No such call on this ISA".
pub const NONE: u16 = u16::MAX;
/// One past the highest number that the table covers.
pub const NUMBERS: usize = 512;
/// The number behind the vDSO's `__chitin_barrier`: Linux has no such call, and the numbers of its own are far below.
pub const BARRIER: u32 = 511;
/// One past the highest number of a call that may be answered by a word alone, or that the linked entry serves without a frame.
pub const QUICK_NUMBERS: usize = 256;

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

/// A call as the entries make it: the arguments in memory, the number; what is to be in the result register comes back.
pub type Thunk = extern "C" fn(&Arguments, u64) -> i64;

/// What a call mostly is, where that takes little. It has done all of the call, which succeeded and has this value; or nothing of it, and the
/// handler is to do it, errors included.
pub type Lane<K> = fn(&Process<K>, &Arguments) -> Option<usize>;

/// A call as the linked entry makes it: the arguments in registers, and in memory too; what is to be in the result register comes back.
pub type LinkedThunk = extern "C" fn(u64, u64, u64, u64, u64, u64) -> i64;

/// A kernel whose foreign syscalls arrive here.
pub trait Entered: Kernel {
    /// The process that the calls are for.
    fn process() -> &'static Process<Self>;
    /// The arguments of the call that is served.
    fn arguments() -> &'static Arguments;
    /// What a refused call leaves in the result register.
    fn refused(number: u64, errno: Errno) -> i64;
}

/// The thunks by number, for this ISA. The last is for all numbers that are not below it.
pub struct Thunks<K: Entered>(PhantomData<K>);

impl<K: Entered> Thunks<K> {
    /// The one table.
    pub const TABLE: &'static [Thunk; NUMBERS + 1] = &thunks::<K>();
    /// Those that begin with a lane, its arguments in registers.
    pub const LANES: [Option<LinkedThunk>; QUICK_NUMBERS] = lanes::<K>();
}

#[inline(always)]
fn finish<K: Entered>(number: u64, outcome: Result<usize>) -> i64 {
    match outcome {
        Ok(value) => value as i64,
        Err(errno) => K::refused(number, errno),
    }
}

macro_rules! word {
    () => {
        None
    };
    ($word:ident) => {
        Some(Word::$word)
    };
}

macro_rules! is_said {
    () => {
        false
    };
    ($($what:tt)+) => {
        true
    };
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
    ($($name:ident: $x86_64:tt, $aarch64:tt, $handler:path, $support:expr, [$($format:ident),*] $(word $word:ident)? $(needs $needs:ident)? $(lane $lane:path)?;)*) => {
        /// Every call that the table knows.
        pub const ROWS: &[Row] = &[$(Row {
            name: stringify!($name),
            x86_64: number!($x86_64),
            aarch64: number!($aarch64),
            support: { use Support::*; $support },
            formats: &[$(Format::$format),*],
            word: word!($($word)?),
            needs_registers: is_said!($($needs)?),
        },)*];

        const fn handlers<K: Kernel>() -> [Handler<K>; NUMBERS] {
            let mut table: [Handler<K>; NUMBERS] = [absent; NUMBERS];
            $({
                fn whole<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
                    $(if let Some(value) = $lane(process, arguments) {
                        return Ok(value);
                    })?
                    $handler(process, arguments)
                }
                let number = if cfg!(target_arch = "x86_64") { number!($x86_64) } else { number!($aarch64) };
                if number != NONE {
                    table[number as usize] = whole::<K>;
                }
            })*
            table
        }

        const fn thunks<K: Entered>() -> [Thunk; NUMBERS + 1] {
            extern "C" fn without_row<K: Entered>(_: &Arguments, number: u64) -> i64 {
                K::refused(number, Errno::ENOSYS)
            }
            let mut table: [Thunk; NUMBERS + 1] = [without_row::<K>; NUMBERS + 1];
            $({
                extern "C" fn thunk<K: Entered>(arguments: &Arguments, number: u64) -> i64 {
                    $(if let Some(value) = $lane(K::process(), arguments) {
                        return value as i64;
                    })?
                    finish::<K>(number, $handler(K::process(), arguments))
                }
                let number = if cfg!(target_arch = "x86_64") { number!($x86_64) } else { number!($aarch64) };
                if number != NONE {
                    table[number as usize] = thunk::<K>;
                }
            })*
            table
        }

        const fn lanes<K: Entered>() -> [Option<LinkedThunk>; QUICK_NUMBERS] {
            let mut table: [Option<LinkedThunk>; QUICK_NUMBERS] = [None; QUICK_NUMBERS];
            $($({
                const NUMBER: u16 = if cfg!(target_arch = "x86_64") { number!($x86_64) } else { number!($aarch64) };
                // Out of the frame, so that a lane need not keep them.
                #[inline(never)]
                extern "C" fn behind<K: Entered>() -> i64 {
                    finish::<K>(u64::from(NUMBER), $handler(K::process(), K::arguments()))
                }
                extern "C" fn passed<K: Entered>(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64) -> i64 {
                    match $lane(K::process(), &Arguments([a, b, c, d, e, f])) {
                        Some(value) => value as i64,
                        None => behind::<K>(),
                    }
                }
                table[NUMBER as usize] = Some(passed::<K>);
            })?)*
            table
        }
    };
}

rows! {
    // Processes.
    clone: 56, 220, thread::clone, Partial("no namespaces"), [Hex, Pointer, Pointer, Pointer, Pointer] needs registers;
    clone3: 435, 435, thread::clone3, Partial("no namespaces"), [Pointer, Unsigned] needs registers;
    fork: 57, -, thread::fork, Full, [] needs registers;
    vfork: 58, -, thread::vfork, Full, [] needs registers;
    execve: 59, 221, exec::execve, Full, [Path, Strings, Variables] needs registers;
    execveat: 322, 281, exec::execveat, Full, [DirectoryFd, Path, Strings, Variables, AtFlags] needs registers;
    exit: 60, 93, thread::exit, Full, [Int] needs registers;
    exit_group: 231, 94, process::exit_group, Full, [Int] needs registers;
    wait4: 61, 260, wait::wait4, Full, [Int, Pointer, Hex, Pointer];
    waitid: 247, 95, wait::waitid, Full, [Int, Int, Pointer, Hex, Pointer];
    getpid: 39, 172, identity::getpid, Full, [] word Process;
    getppid: 110, 173, identity::getppid, Full, [] word Parent;
    gettid: 186, 178, identity::gettid, Full, [] word Thread;
    getpgrp: 111, -, identity::getpgrp, Full, [] word Group;
    getpgid: 121, 155, family::getpgid, Full, [Int];
    getsid: 124, 156, family::getsid, Full, [Int];
    setpgid: 109, 154, family::setpgid, Full, [Int, Int];
    setsid: 112, 157, family::setsid, Full, [];
    getuid: 102, 174, identity::getuid, Full, [] word User;
    geteuid: 107, 175, identity::geteuid, Full, [] word EffectiveUser;
    getgid: 104, 176, identity::getgid, Full, [] word UserGroup;
    getegid: 108, 177, identity::getegid, Full, [] word EffectiveUserGroup;
    getresuid: 118, 148, family::getresuid, Full, [Pointer, Pointer, Pointer];
    getresgid: 120, 150, family::getresgid, Full, [Pointer, Pointer, Pointer];
    setuid: 105, 146, family::setuid, Full, [Unsigned];
    setgid: 106, 144, family::setgid, Full, [Unsigned];
    setreuid: 113, 145, family::setreuid, Full, [Int, Int];
    setregid: 114, 143, family::setregid, Full, [Int, Int];
    setresuid: 117, 147, family::setresuid, Full, [Int, Int, Int];
    setresgid: 119, 149, family::setresgid, Full, [Int, Int, Int];
    setfsuid: 122, 151, family::setfsuid, Full, [Unsigned];
    setfsgid: 123, 152, family::setfsgid, Full, [Unsigned];
    getgroups: 115, 158, family::getgroups, Full, [Int, Pointer];
    setgroups: 116, 159, family::setgroups, Partial("2048 groups"), [Unsigned, Pointer];
    capget: 125, 90, capability::capget, Partial("of oneself"), [Pointer, Pointer];
    capset: 126, 91, capability::capset, Stub("root keeps all, and nobody else has any"), [Pointer, Pointer];
    uname: 63, 160, process::uname, Full, [Pointer];
    sysinfo: 99, 179, process::sysinfo, Full, [Pointer];
    getrusage: 98, 165, process::getrusage, Partial("times, resident set and faults only"), [Int, Pointer];
    getrlimit: 97, 163, family::getrlimit, Full, [Resource, LimitOut];
    setrlimit: 160, 164, family::setrlimit, Partial("STACK, NOFILE, NPROC, SIGPENDING and CPU bite"), [Resource, LimitIn];
    prlimit64: 302, 261, family::prlimit64, Partial("STACK, NOFILE, NPROC, SIGPENDING and CPU bite"), [Int, Resource, LimitIn, LimitOut];
    set_tid_address: 218, 96, thread::set_tid_address, Full, [Pointer];
    set_robust_list: 273, 99, thread::set_robust_list, Full, [Pointer, Unsigned];
    get_robust_list: 274, 100, thread::get_robust_list, Full, [Int, Pointer, Pointer];
    prctl: 157, 167, process::prctl, Partial("names, dumpable, no_new_privs, death signals, subreapers"), [PrctlOption, Hex, Hex, Hex, Hex];
    arch_prctl: 158, -, process::arch_prctl, Partial("FS only"), [ArchPrctlCode, Pointer] needs registers;
    sched_yield: 24, 124, schedule::sched_yield, Full, [] lane schedule::sched_yield_alone;
    sched_getaffinity: 204, 123, schedule::sched_getaffinity, Full, [Int, Unsigned, Pointer];
    sched_setaffinity: 203, 122, schedule::sched_setaffinity, Partial("one CPU"), [Int, Unsigned, Pointer];
    sched_getscheduler: 145, 120, schedule::sched_getscheduler, Partial("of one's own threads"), [Int];
    sched_setscheduler: 144, 119, schedule::sched_setscheduler, Partial("orders one's own threads alone"), [Int, Int, Pointer];
    sched_getparam: 143, 121, schedule::sched_getparam, Partial("of one's own threads"), [Int, Pointer];
    sched_setparam: 142, 118, schedule::sched_setparam, Partial("orders one's own threads alone"), [Int, Pointer];
    sched_getattr: 315, 275, schedule::sched_getattr, Partial("of one's own threads; no clamps"), [Int, Pointer, Unsigned, Hex];
    sched_setattr: 314, 274, schedule::sched_setattr, Partial("orders one's own threads alone; no clamps; deadlines as the highest priority"), [Int, Pointer, Hex];
    sched_get_priority_max: 146, 125, schedule::sched_get_priority_max, Full, [Int];
    sched_get_priority_min: 147, 126, schedule::sched_get_priority_min, Full, [Int];
    sched_rr_get_interval: 148, 127, schedule::sched_rr_get_interval, Partial("of one's own threads"), [Int, TimeOut];
    getpriority: 140, 141, schedule::getpriority, Full, [Int, Int];
    setpriority: 141, 140, schedule::setpriority, Partial("no share of time comes of it"), [Int, Int, Int];
    getcpu: 309, 168, process::getcpu, Partial("one CPU"), [Pointer, Pointer, Pointer];
    getrandom: 318, 278, process::getrandom, Full, [BufferOut, Unsigned, RandomFlags];
    membarrier: 324, 283, schedule::membarrier, Full, [Int, Hex];
    personality: 135, 92, process::personality, Partial("PER_LINUX alone"), [Hex];
    rseq: 334, 293, absent, Declined("the C library counts CPUs by getcpu then"), [Pointer, Unsigned, Hex, Hex];
    futex: 202, 98, futex::futex, Partial("locks with owners are for threads of one process"), [Pointer, FutexOperation, Unsigned, Pointer, Pointer, Unsigned] lane futex::futex_private;
    futex_waitv: 449, 449, futex::futex_waitv, Full, [Pointer, Unsigned, Hex, TimeIn, Clock];

    // Memory.
    brk: 12, 214, memory::brk, Full, [Pointer];
    mmap: 9, 222, memory::mmap, Partial("MAP_GROWSDOWN does not grow"), [Pointer, Unsigned, Protection, MapFlags, Fd, Hex];
    munmap: 11, 215, memory::munmap, Full, [Pointer, Unsigned];
    mprotect: 10, 226, memory::mprotect, Partial("no protection keys"), [Pointer, Unsigned, Protection];
    mremap: 25, 216, memory::mremap, Partial("no DONTUNMAP, no second mapping"), [Pointer, Unsigned, Unsigned, Hex, Pointer];
    madvise: 28, 233, memory::madvise, Partial("no REMOVE, no poisoning"), [Pointer, Unsigned, Advice];
    msync: 26, 227, memory::msync, Full, [Pointer, Unsigned, Hex];
    mlock: 149, 228, memory::mlock, Full, [Pointer, Unsigned];
    mlock2: 325, 284, memory::mlock2, Full, [Pointer, Unsigned, Hex];
    munlock: 150, 229, memory::munlock, Full, [Pointer, Unsigned];
    mlockall: 151, 230, memory::mlockall, Full, [Hex];
    munlockall: 152, 231, memory::munlockall, Full, [];
    chitin_barrier: 511, 511, memory::barrier, Full, [Pointer, Unsigned, Pointer];
    mincore: 27, 232, memory::mincore, Full, [Pointer, Unsigned, Pointer];

    // Time.
    clock_gettime: 228, 113, time::clock_gettime, Full, [Clock, TimeOut] lane time::clock_gettime_linear;
    clock_getres: 229, 114, time::clock_getres, Full, [Clock, TimeOut];
    clock_settime: 227, 112, time::clock_settime, Partial("for this process"), [Clock, TimeIn];
    gettimeofday: 96, 169, time::gettimeofday, Full, [Pointer, Pointer];
    time: 201, -, time::time, Full, [Pointer];
    nanosleep: 35, 101, time::nanosleep, Full, [TimeIn, TimeOut];
    clock_nanosleep: 230, 115, time::clock_nanosleep, Full, [Clock, Hex, TimeIn, TimeOut];
    alarm: 37, -, timer::alarm, Full, [Unsigned];
    getitimer: 36, 102, timer::getitimer, Partial("all time is user time"), [Int, Pointer];
    setitimer: 38, 103, timer::setitimer, Partial("all time is user time"), [Int, Pointer, Pointer];
    timer_create: 222, 107, timer::timer_create, Full, [Clock, Pointer, Pointer];
    timer_settime: 223, 110, timer::timer_settime, Full, [Int, Hex, Pointer, Pointer];
    timer_gettime: 224, 108, timer::timer_gettime, Full, [Int, Pointer];
    timer_getoverrun: 225, 109, timer::timer_getoverrun, Full, [Int];
    timer_delete: 226, 111, timer::timer_delete, Full, [Int];
    times: 100, 153, time::times, Partial("all time is user time"), [Pointer];

    // Signals.
    rt_sigaction: 13, 134, signal::rt_sigaction, Full, [Signal, SignalAction, Pointer, Unsigned];
    rt_sigprocmask: 14, 135, signal::rt_sigprocmask, Full, [SignalHow, SignalSet, Pointer, Unsigned] lane signal::rt_sigprocmask_plain;
    rt_sigpending: 127, 136, signal::rt_sigpending, Full, [Pointer, Unsigned];
    rt_sigreturn: 15, 139, signal::rt_sigreturn, Full, [] needs registers;
    rt_sigsuspend: 130, 133, signal::rt_sigsuspend, Full, [SignalSet, Unsigned];
    rt_sigtimedwait: 128, 137, signal::rt_sigtimedwait, Full, [SignalSet, Pointer, TimeIn, Unsigned];
    rt_sigqueueinfo: 129, 138, signal::rt_sigqueueinfo, Full, [Int, Signal, Pointer];
    rt_tgsigqueueinfo: 297, 240, signal::rt_tgsigqueueinfo, Full, [Int, Int, Signal, Pointer];
    sigaltstack: 131, 132, signal::sigaltstack, Full, [Pointer, Pointer] needs registers;
    pause: 34, -, signal::pause, Full, [];
    kill: 62, 129, signal::kill, Full, [Int, Signal] needs registers;
    tkill: 200, 130, signal::tkill, Full, [Int, Signal];
    tgkill: 234, 131, signal::tgkill, Full, [Int, Int, Signal];
    pidfd_open: 434, 434, pidfd::pidfd_open, Full, [Int, Hex];
    pidfd_send_signal: 424, 424, pidfd::pidfd_send_signal, Full, [Fd, Signal, Pointer, Hex];
    pidfd_getfd: 438, 438, pidfd::pidfd_getfd, Partial("of the process itself"), [Fd, Fd, Hex];

    // Bytes.
    read: 0, 63, stream::read, Full, [Fd, BufferOut, Unsigned] lane stream::read_plain;
    write: 1, 64, stream::write, Full, [Fd, BufferIn, Unsigned] lane stream::write_plain;
    pread64: 17, 67, stream::pread64, Full, [Fd, BufferOut, Unsigned, Int] lane stream::pread64_plain;
    pwrite64: 18, 68, stream::pwrite64, Full, [Fd, BufferIn, Unsigned, Int] lane stream::pwrite64_plain;
    readv: 19, 65, stream::readv, Full, [Fd, VectorOut, Unsigned];
    writev: 20, 66, stream::writev, Full, [Fd, VectorIn, Unsigned];
    preadv: 295, 69, stream::preadv, Full, [Fd, VectorOut, Unsigned, Int];
    pwritev: 296, 70, stream::pwritev, Full, [Fd, VectorIn, Unsigned, Int];
    lseek: 8, 62, stream::lseek, Full, [Fd, Int, Whence] lane stream::lseek_plain;
    ioctl: 16, 29, stream::ioctl, Partial("what the files here have"), [Fd, IoctlRequest, Pointer];
    sendfile: 40, 71, stream::sendfile, Full, [Fd, Fd, Pointer, Unsigned];
    copy_file_range: 326, 285, stream::copy_file_range, Full, [Fd, Pointer, Fd, Pointer, Unsigned, Hex];
    preadv2: 327, 286, stream::preadv2, Partial("NOWAIT never refuses"), [Fd, VectorOut, Unsigned, Int, Hex, Hex];
    pwritev2: 328, 287, stream::pwritev2, Partial("NOWAIT never refuses"), [Fd, VectorIn, Unsigned, Int, Hex, Hex];
    poll: 7, -, poll::poll, Full, [Pointer, Unsigned, Int];
    ppoll: 271, 73, poll::ppoll, Full, [Pointer, Unsigned, TimeIn, SignalSet, Unsigned];
    select: 23, -, poll::select, Full, [Int, Pointer, Pointer, Pointer, Pointer];
    pselect6: 270, 72, poll::pselect6, Full, [Int, Pointer, Pointer, Pointer, TimeIn, Pointer];
    epoll_create: 213, -, epoll::epoll_create, Full, [Int];
    epoll_create1: 291, 20, epoll::epoll_create1, Full, [Hex];
    epoll_ctl: 233, 21, epoll::epoll_ctl, Full, [Fd, Int, Fd, Pointer];
    epoll_wait: 232, -, epoll::epoll_wait, Full, [Fd, Pointer, Int, Int];
    epoll_pwait: 281, 22, epoll::epoll_pwait, Full, [Fd, Pointer, Int, Int, SignalSet, Unsigned];
    epoll_pwait2: 441, 441, epoll::epoll_pwait2, Full, [Fd, Pointer, Int, TimeIn, SignalSet, Unsigned];

    // Descriptors.
    close: 3, 57, descriptor::close, Full, [Fd];
    close_range: 436, 436, descriptor::close_range, Full, [Unsigned, Unsigned, Hex];
    dup: 32, 23, descriptor::dup, Full, [Fd];
    dup2: 33, -, descriptor::dup2, Full, [Fd, Fd];
    dup3: 292, 24, descriptor::dup3, Full, [Fd, Fd, OpenFlags];
    fcntl: 72, 25, descriptor::fcntl, Partial("no leases"), [Fd, FcntlCommand, Hex];
    memfd_create: 319, 279, descriptor::memfd_create, Partial("no huge pages"), [Path, Hex];
    flock: 73, 32, lock::flock, Full, [Fd, Hex];
    pipe: 22, -, descriptor::pipe, Full, [Pointer];
    pipe2: 293, 59, descriptor::pipe2, Partial("no packets"), [Pointer, OpenFlags];
    eventfd: 284, -, descriptor::eventfd, Full, [Unsigned];
    eventfd2: 290, 19, descriptor::eventfd2, Full, [Unsigned, Hex];
    timerfd_create: 283, 85, notice::timerfd_create, Full, [Clock, Hex];
    timerfd_settime: 286, 86, notice::timerfd_settime, Full, [Fd, Hex, Pointer, Pointer];
    timerfd_gettime: 287, 87, notice::timerfd_gettime, Full, [Fd, Pointer];
    signalfd: 282, -, notice::signalfd, Full, [Fd, SignalSet, Unsigned];
    signalfd4: 289, 74, notice::signalfd4, Full, [Fd, SignalSet, Unsigned, Hex];
    fsync: 74, 82, descriptor::fsync, Full, [Fd];
    fdatasync: 75, 83, descriptor::fsync, Full, [Fd];
    sync: 162, 81, descriptor::sync, Full, [];
    syncfs: 306, 267, descriptor::fsync, Full, [Fd];
    ftruncate: 77, 46, descriptor::ftruncate, Full, [Fd, Int];
    fallocate: 285, 47, descriptor::fallocate, Partial("no collapse, no insert"), [Fd, Hex, Int, Int];
    fadvise64: 221, 223, descriptor::fadvise, Stub("all is in memory"), [Fd, Int, Int, Int];
    sync_file_range: 277, 84, descriptor::sync_file_range, Stub("all is in memory"), [Fd, Int, Int, Hex];
    readahead: 187, 213, descriptor::fadvise, Stub("all is in memory"), [Fd, Int, Unsigned];

    // Message queues.
    msgget: 68, 186, system_v::msgget, Full, [Hex, Octal];
    msgsnd: 69, 189, system_v::msgsnd, Full, [Int, Pointer, Unsigned, Octal];
    msgrcv: 70, 188, system_v::msgrcv, Full, [Int, Pointer, Unsigned, Int, Octal];
    msgctl: 71, 187, system_v::msgctl, Full, [Int, Int, Pointer];
    semget: 64, 190, system_v::semget, Partial("4096 semaphores in a set"), [Hex, Int, Octal];
    semop: 65, 193, system_v::semop, Full, [Int, Pointer, Unsigned];
    semtimedop: 220, 192, system_v::semtimedop, Full, [Int, Pointer, Unsigned, TimeIn];
    semctl: 66, 191, system_v::semctl, Full, [Int, Int, Int, Hex];
    shmget: 29, 194, system_v::shmget, Partial("no huge pages"), [Hex, Unsigned, Octal];
    shmat: 30, 196, system_v::shmat, Full, [Int, Pointer, Octal];
    shmdt: 67, 197, system_v::shmdt, Full, [Pointer];
    shmctl: 31, 195, system_v::shmctl, Full, [Int, Int, Pointer];
    mq_open: 240, 180, queue::mq_open, Partial("at most 10 messages of 8 KiB, for root too"), [Path, Hex, Octal, Pointer];
    mq_unlink: 241, 181, queue::mq_unlink, Full, [Path];
    mq_timedsend: 242, 182, queue::mq_timedsend, Full, [Fd, BufferIn, Unsigned, Unsigned, TimeIn];
    mq_timedreceive: 243, 183, queue::mq_timedreceive, Full, [Fd, BufferOut, Unsigned, Pointer, TimeIn];
    mq_notify: 244, 184, queue::mq_notify, Partial("no SIGEV_THREAD"), [Fd, Pointer];
    mq_getsetattr: 245, 185, queue::mq_getsetattr, Full, [Fd, Pointer, Pointer];

    // Files by name.
    open: 2, -, open::open, Full, [Path, OpenFlags, Octal];
    openat: 257, 56, open::openat, Full, [DirectoryFd, Path, OpenFlags, Octal];
    creat: 85, -, open::creat, Full, [Path, Octal];
    mkdir: 83, -, path::mkdir, Full, [Path, Octal];
    mkdirat: 258, 34, path::mkdirat, Full, [DirectoryFd, Path, Octal];
    mknod: 133, -, path::mknod, Full, [Path, Octal, Hex];
    mknodat: 259, 33, path::mknodat, Full, [DirectoryFd, Path, Octal, Hex];
    symlink: 88, -, path::symlink, Full, [Path, Path];
    symlinkat: 266, 36, path::symlinkat, Full, [Path, DirectoryFd, Path];
    link: 86, -, path::link, Full, [Path, Path];
    linkat: 265, 37, path::linkat, Full, [DirectoryFd, Path, DirectoryFd, Path, AtFlags];
    unlink: 87, -, path::unlink, Full, [Path];
    rmdir: 84, -, path::rmdir, Full, [Path];
    unlinkat: 263, 35, path::unlinkat, Full, [DirectoryFd, Path, AtFlags];
    rename: 82, -, path::rename, Full, [Path, Path];
    renameat: 264, 38, path::renameat, Full, [DirectoryFd, Path, DirectoryFd, Path];
    renameat2: 316, 276, path::renameat2, Partial("no whiteout"), [DirectoryFd, Path, DirectoryFd, Path, Hex];
    readlink: 89, -, path::readlink, Full, [Path, BufferOut, Unsigned];
    readlinkat: 267, 78, path::readlinkat, Full, [DirectoryFd, Path, BufferOut, Unsigned];
    getcwd: 79, 17, path::getcwd, Full, [BufferOut, Unsigned];
    chdir: 80, 49, path::chdir, Full, [Path];
    fchdir: 81, 50, path::fchdir, Full, [Fd];
    chroot: 161, 51, path::chroot, Full, [Path];
    access: 21, -, path::access, Full, [Path, Octal];
    faccessat: 269, 48, path::faccessat, Full, [DirectoryFd, Path, Octal];
    faccessat2: 439, 439, path::faccessat2, Full, [DirectoryFd, Path, Octal, AtFlags];
    truncate: 76, 45, path::truncate, Full, [Path, Int];
    umask: 95, 166, path::umask, Full, [Octal];
    getdents: 78, -, directory::getdents, Full, [Fd, Pointer, Unsigned];
    getdents64: 217, 61, directory::getdents64, Full, [Fd, Pointer, Unsigned];
    stat: 4, -, stat::stat, Full, [Path, StatOut];
    lstat: 6, -, stat::lstat, Full, [Path, StatOut];
    fstat: 5, 80, stat::fstat, Full, [Fd, StatOut] lane stat::fstat_known;
    newfstatat: 262, 79, stat::newfstatat, Full, [DirectoryFd, Path, StatOut, AtFlags];
    statx: 332, 291, stat::statx, Full, [DirectoryFd, Path, AtFlags, Hex, Pointer];
    statfs: 137, 43, stat::statfs, Full, [Path, Pointer];
    fstatfs: 138, 44, stat::fstatfs, Full, [Fd, Pointer];
    chmod: 90, -, stat::chmod, Full, [Path, Octal];
    fchmod: 91, 52, stat::fchmod, Full, [Fd, Octal];
    fchmodat: 268, 53, stat::fchmodat, Full, [DirectoryFd, Path, Octal];
    chown: 92, -, stat::chown, Full, [Path, Int, Int];
    lchown: 94, -, stat::lchown, Full, [Path, Int, Int];
    fchown: 93, 55, stat::fchown, Full, [Fd, Int, Int];
    fchownat: 260, 54, stat::fchownat, Full, [DirectoryFd, Path, Int, Int, AtFlags];
    utimensat: 280, 88, times::utimensat, Full, [DirectoryFd, Path, Pointer, AtFlags];
    futimesat: 261, -, times::futimesat, Full, [DirectoryFd, Path, Pointer];
    utimes: 235, -, times::utimes, Full, [Path, Pointer];
    utime: 132, -, times::utime, Full, [Path, Pointer];
    fchmodat2: 452, 452, stat::fchmodat2, Full, [DirectoryFd, Path, Octal, AtFlags];
    getxattr: 191, 8, stat::attribute, Stub("no file system keeps any"), [Path, Path, Pointer, Unsigned];
    lgetxattr: 192, 9, stat::attribute, Stub("no file system keeps any"), [Path, Path, Pointer, Unsigned];
    fgetxattr: 193, 10, stat::descriptor_attribute, Stub("no file system keeps any"), [Fd, Path, Pointer, Unsigned];
    setxattr: 188, 5, stat::attribute, Stub("no file system keeps any"), [Path, Path, Pointer, Unsigned, Hex];
    lsetxattr: 189, 6, stat::attribute, Stub("no file system keeps any"), [Path, Path, Pointer, Unsigned, Hex];
    fsetxattr: 190, 7, stat::descriptor_attribute, Stub("no file system keeps any"), [Fd, Path, Pointer, Unsigned, Hex];
    listxattr: 194, 11, stat::list_attributes, Stub("no file system keeps any"), [Path, Pointer, Unsigned];
    llistxattr: 195, 12, stat::list_attributes, Stub("no file system keeps any"), [Path, Pointer, Unsigned];
    flistxattr: 196, 13, stat::list_descriptor_attributes, Stub("no file system keeps any"), [Fd, Pointer, Unsigned];
    removexattr: 197, 14, stat::attribute, Stub("no file system keeps any"), [Path, Path];
    lremovexattr: 198, 15, stat::attribute, Stub("no file system keeps any"), [Path, Path];
    fremovexattr: 199, 16, stat::descriptor_attribute, Stub("no file system keeps any"), [Fd, Path];

    // Known by name, so that the log can tell what a program missed.
    openat2: 437, 437, resolve::openat2, Full, [DirectoryFd, Path, Pointer, Unsigned];
    inotify_init: 253, -, inotify::inotify_init, Full, [];
    inotify_init1: 294, 26, inotify::inotify_init1, Full, [Hex];
    inotify_add_watch: 254, 27, inotify::inotify_add_watch, Partial("stores through mappings and /proc are not told of"), [Fd, Path, Hex];
    inotify_rm_watch: 255, 28, inotify::inotify_rm_watch, Full, [Fd, Int];
    splice: 275, 76, splice::splice, Full, [Fd, Pointer, Fd, Pointer, Unsigned, Hex];
    tee: 276, 77, splice::tee, Full, [Fd, Fd, Unsigned, Hex];
    vmsplice: 278, 75, splice::vmsplice, Partial("bytes are copied: what the program changes later stays as it was"), [Fd, VectorIn, Unsigned, Hex];
    mount: 165, 40, mount::mount, Partial("tmpfs, proc, sysfs, devtmpfs and devpts; no propagation; nothing on what is in /proc and /sys"), [Path, Path, Path, Hex, Pointer];
    umount2: 166, 39, mount::umount2, Partial("no EXPIRE"), [Path, Hex];
    reboot: 169, 142, mount::reboot, Partial("ends the machine, whichever end is meant"), [Hex, Unsigned, Hex, Pointer];
    pivot_root: 155, 41, mount::pivot_root, Stub("the root is the first file system, which cannot be moved on Linux either"), [Path, Path];
    socket: 41, 198, socket::socket, Partial("of the Unix domain, and of the Internet over the loopback; no raw ones"), [Int, Int, Int];
    socketpair: 53, 199, socket::socketpair, Full, [Int, Int, Int, Pointer];
    connect: 42, 203, socket::connect, Full, [Fd, Pointer, Unsigned];
    accept: 43, 202, socket::accept, Full, [Fd, Pointer, Pointer];
    accept4: 288, 242, socket::accept4, Full, [Fd, Pointer, Pointer, Hex];
    sendto: 44, 206, message::sendto, Full, [Fd, BufferIn, Unsigned, Hex, Pointer, Unsigned];
    recvfrom: 45, 207, message::recvfrom, Full, [Fd, BufferOut, Unsigned, Hex, Pointer, Pointer];
    sendmsg: 46, 211, message::sendmsg, Partial("no descriptors of what lives in the process alone"), [Fd, Pointer, Hex];
    recvmsg: 47, 212, message::recvmsg, Full, [Fd, Pointer, Hex];
    sendmmsg: 307, 269, message::sendmmsg, Full, [Fd, Pointer, Unsigned, Hex];
    recvmmsg: 299, 243, message::recvmmsg, Full, [Fd, Pointer, Unsigned, Hex, TimeIn];
    shutdown: 48, 210, socket::shutdown, Full, [Fd, Int];
    bind: 49, 200, socket::bind, Full, [Fd, Pointer, Unsigned];
    listen: 50, 201, socket::listen, Full, [Fd, Int];
    getsockname: 51, 204, socket::getsockname, Full, [Fd, Pointer, Pointer];
    getpeername: 52, 205, socket::getpeername, Full, [Fd, Pointer, Pointer];
    setsockopt: 54, 208, socket::setsockopt, Partial("of the Internet's protocols, what streams and datagrams have; no ancillary data of theirs"), [Fd, Int, Int, Pointer, Int];
    getsockopt: 55, 209, socket::getsockopt, Partial("of the Internet's protocols, what streams and datagrams have; no TCP_INFO"), [Fd, Int, Int, Pointer, Pointer];
    io_uring_setup: 425, 425, absent, Absent, [Unsigned, Pointer];
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

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
    fn every_word_has_one_row_and_it_is_among_the_numbers_that_the_entries_look_up() {
        let words: Vec<_> = ROWS.iter().filter_map(|row| row.word.map(|word| (word, row))).collect();
        assert_eq!(words.len(), crate::identity::WORDS);
        for (index, (word, row)) in words.iter().enumerate() {
            assert!(words[index + 1..].iter().all(|(other, _)| other != word));
            assert!([row.x86_64, row.aarch64].iter().all(|&number| number == NONE || (number as usize) < QUICK_NUMBERS), "{}", row.name);
            assert!(row.formats.is_empty() && row.support == Support::Full);
        }
    }

    #[test]
    fn the_vdso_s_own_call_has_its_number() {
        let barrier = ROWS.iter().find(|row| row.name == "chitin_barrier").expect("it has a row");
        assert_eq!((u32::from(barrier.x86_64), u32::from(barrier.aarch64)), (BARRIER, BARRIER));
    }

    #[test]
    fn a_handler_is_found_by_its_number() {
        let brk = ROWS.iter().find(|row| row.name == "brk").expect("brk has a row");
        assert_eq!(row(brk.number().into()).map(|row| row.name), Some("brk"));
        assert!(row(NUMBERS + 1).is_none());
    }
}
