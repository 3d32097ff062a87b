//! The names of flags and numbers, as the kernel's headers have them.

use alloc::string::String;
use core::fmt::Write;

use linux_raw_sys::general::*;
use linux_raw_sys::ioctl::{FIONREAD, TCGETS, TCSETS, TCSETSF, TCSETSW, TIOCGPGRP, TIOCGWINSZ, TIOCSPGRP, TIOCSWINSZ};

/// Names and their values.
pub type Names = &'static [(u64, &'static str)];

macro_rules! names {
    ($($name:ident),* $(,)?) => { &[$(($name as u64, stringify!($name))),*] };
}

pub const OPEN: Names = names![
    O_CREAT,
    O_EXCL,
    O_NOCTTY,
    O_TRUNC,
    O_APPEND,
    O_NONBLOCK,
    O_SYNC,
    O_DSYNC,
    O_DIRECT,
    O_LARGEFILE,
    O_TMPFILE,
    O_DIRECTORY,
    O_NOFOLLOW,
    O_NOATIME,
    O_CLOEXEC,
    O_PATH,
];
pub const OPEN_MODES: [&str; 4] = ["O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"];
pub const PROTECTION: Names = names![PROT_READ, PROT_WRITE, PROT_EXEC, PROT_GROWSDOWN, PROT_GROWSUP];
pub const MAP_TYPES: Names = names![MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE];
pub const MAP: Names = names![
    MAP_FIXED,
    MAP_ANONYMOUS,
    MAP_GROWSDOWN,
    MAP_DENYWRITE,
    MAP_EXECUTABLE,
    MAP_LOCKED,
    MAP_NORESERVE,
    MAP_POPULATE,
    MAP_NONBLOCK,
    MAP_STACK,
    MAP_HUGETLB,
    MAP_SYNC,
    MAP_FIXED_NOREPLACE,
];
pub const ADVICE: Names = names![
    MADV_NORMAL,
    MADV_RANDOM,
    MADV_SEQUENTIAL,
    MADV_WILLNEED,
    MADV_DONTNEED,
    MADV_FREE,
    MADV_REMOVE,
    MADV_DONTFORK,
    MADV_DOFORK,
    MADV_MERGEABLE,
    MADV_UNMERGEABLE,
    MADV_HUGEPAGE,
    MADV_NOHUGEPAGE,
    MADV_DONTDUMP,
    MADV_DODUMP,
    MADV_WIPEONFORK,
    MADV_KEEPONFORK,
    MADV_COLD,
    MADV_PAGEOUT,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
];
pub const WHENCE: Names = names![SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE];
pub const FCNTL: Names = names![
    F_DUPFD,
    F_GETFD,
    F_SETFD,
    F_GETFL,
    F_SETFL,
    F_GETLK,
    F_SETLK,
    F_SETLKW,
    F_SETOWN,
    F_GETOWN,
    F_OFD_GETLK,
    F_OFD_SETLK,
    F_OFD_SETLKW,
    F_DUPFD_CLOEXEC,
    F_SETPIPE_SZ,
    F_GETPIPE_SZ,
];
pub const IOCTL: Names = names![TCGETS, TCSETS, TCSETSW, TCSETSF, TIOCGPGRP, TIOCSPGRP, TIOCGWINSZ, TIOCSWINSZ, FIONREAD];
pub const AT: Names = names![AT_SYMLINK_NOFOLLOW, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_NO_AUTOMOUNT, AT_EMPTY_PATH];
pub const CLOCKS: Names = names![
    CLOCK_REALTIME,
    CLOCK_MONOTONIC,
    CLOCK_PROCESS_CPUTIME_ID,
    CLOCK_THREAD_CPUTIME_ID,
    CLOCK_MONOTONIC_RAW,
    CLOCK_REALTIME_COARSE,
    CLOCK_MONOTONIC_COARSE,
    CLOCK_BOOTTIME,
    CLOCK_TAI,
];
pub const SIGNAL_HOW: Names = names![SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK];
pub const SIGNAL_FLAGS: Names =
    names![SA_NOCLDSTOP, SA_NOCLDWAIT, SA_SIGINFO, SA_RESTORER, SA_ONSTACK, SA_RESTART, SA_NODEFER, SA_RESETHAND];
pub const RESOURCES: Names = names![
    RLIMIT_CPU,
    RLIMIT_FSIZE,
    RLIMIT_DATA,
    RLIMIT_STACK,
    RLIMIT_CORE,
    RLIMIT_RSS,
    RLIMIT_NPROC,
    RLIMIT_NOFILE,
    RLIMIT_MEMLOCK,
    RLIMIT_AS,
    RLIMIT_LOCKS,
    RLIMIT_SIGPENDING,
    RLIMIT_MSGQUEUE,
    RLIMIT_NICE,
    RLIMIT_RTPRIO,
    RLIMIT_RTTIME,
];
pub const RANDOM: Names = names![GRND_NONBLOCK, GRND_RANDOM, GRND_INSECURE];
// linux/prctl.h and linux/futex.h are in other parts of the headers than the rest: the numbers are theirs.
pub const PRCTL: Names = &[
    (1, "PR_SET_PDEATHSIG"),
    (2, "PR_GET_PDEATHSIG"),
    (3, "PR_GET_DUMPABLE"),
    (4, "PR_SET_DUMPABLE"),
    (15, "PR_SET_NAME"),
    (16, "PR_GET_NAME"),
    (21, "PR_GET_SECCOMP"),
    (22, "PR_SET_SECCOMP"),
    (23, "PR_CAPBSET_READ"),
    (38, "PR_SET_NO_NEW_PRIVS"),
    (39, "PR_GET_NO_NEW_PRIVS"),
    (0x5356_4d41, "PR_SET_VMA"),
];
pub const ARCH_PRCTL: Names = &[(0x1001, "ARCH_SET_GS"), (0x1002, "ARCH_SET_FS"), (0x1003, "ARCH_GET_FS"), (0x1004, "ARCH_GET_GS")];
pub const FUTEX: Names = &[
    (0, "FUTEX_WAIT"),
    (1, "FUTEX_WAKE"),
    (3, "FUTEX_REQUEUE"),
    (4, "FUTEX_CMP_REQUEUE"),
    (5, "FUTEX_WAKE_OP"),
    (6, "FUTEX_LOCK_PI"),
    (7, "FUTEX_UNLOCK_PI"),
    (8, "FUTEX_TRYLOCK_PI"),
    (9, "FUTEX_WAIT_BITSET"),
    (10, "FUTEX_WAKE_BITSET"),
    (11, "FUTEX_WAIT_REQUEUE_PI"),
    (12, "FUTEX_CMP_REQUEUE_PI"),
    (13, "FUTEX_LOCK_PI2"),
];

/// Flags, by name as far as they have one, joined by bars; `first` stands before them.
pub fn flags(text: &mut String, names: Names, value: u64, first: Option<&str>) {
    let mut rest = value;
    let mut any = false;
    let mut add = |text: &mut String, name: &str| {
        if core::mem::replace(&mut any, true) {
            text.push('|');
        }
        text.push_str(name);
    };
    if let Some(first) = first {
        add(text, first);
    }
    // A name of several bits contains those of one: the longest first.
    let mut left: alloc::vec::Vec<_> = names.iter().filter(|(bits, _)| *bits != 0).collect();
    left.sort_by_key(|(bits, _)| core::cmp::Reverse(bits.count_ones()));
    let mut chosen: alloc::vec::Vec<&(u64, &str)> = alloc::vec::Vec::new();
    for name in left {
        if rest & name.0 == name.0 {
            rest &= !name.0;
            chosen.push(name);
        }
    }
    for (_, name) in names.iter().filter(|name| chosen.iter().any(|chosen| chosen.1 == name.1)) {
        add(text, name);
    }
    if rest != 0 {
        add(text, &alloc::format!("{rest:#x}"));
    }
    if !any {
        text.push('0');
    }
}

/// A number's name, or the number.
pub fn one(text: &mut String, names: Names, value: u64) {
    let _ = match names.iter().find(|(number, _)| *number == value) {
        Some((_, name)) => text.write_str(name),
        None => write!(text, "{value:#x}"),
    };
}
