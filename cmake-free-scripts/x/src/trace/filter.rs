//! Which calls are wanted, as strace(1) has it in `-e trace=`.

use std::str::FromStr;

/// The classes, and what is in them: strace(1), "Filtering".
const CLASSES: &[(&str, &[&str])] = &[
    ("all", &[""]),
    ("none", &[]),
    (
        "%file",
        &[
            "access",
            "chdir",
            "chmod",
            "chown",
            "chroot",
            "creat",
            "execve",
            "execveat",
            "faccessat",
            "faccessat2",
            "fchmodat",
            "fchownat",
            "fstatat",
            "fstatfs",
            "futimesat",
            "getcwd",
            "getxattr",
            "inotify_add_watch",
            "lchown",
            "lgetxattr",
            "link",
            "linkat",
            "listxattr",
            "llistxattr",
            "lremovexattr",
            "lsetxattr",
            "lstat",
            "mkdir",
            "mkdirat",
            "mknod",
            "mknodat",
            "mount",
            "name_to_handle_at",
            "newfstatat",
            "open",
            "openat",
            "openat2",
            "pivot_root",
            "quotactl",
            "readlink",
            "readlinkat",
            "removexattr",
            "rename",
            "renameat",
            "renameat2",
            "rmdir",
            "setxattr",
            "stat",
            "statfs",
            "statx",
            "swapoff",
            "swapon",
            "symlink",
            "symlinkat",
            "truncate",
            "umount2",
            "unlink",
            "unlinkat",
            "utime",
            "utimensat",
            "utimes",
        ],
    ),
    (
        "%process",
        &[
            "clone",
            "clone3",
            "execve",
            "execveat",
            "exit",
            "exit_group",
            "fork",
            "kill",
            "pidfd_open",
            "pidfd_send_signal",
            "rt_sigqueueinfo",
            "rt_tgsigqueueinfo",
            "tgkill",
            "tkill",
            "vfork",
            "wait4",
            "waitid",
        ],
    ),
    (
        "%network",
        &[
            "accept",
            "accept4",
            "bind",
            "connect",
            "getpeername",
            "getsockname",
            "getsockopt",
            "listen",
            "recvfrom",
            "recvmmsg",
            "recvmsg",
            "sendmmsg",
            "sendmsg",
            "sendto",
            "setsockopt",
            "shutdown",
            "socket",
            "socketpair",
        ],
    ),
    (
        "%signal",
        &[
            "kill",
            "pause",
            "pidfd_send_signal",
            "rt_sigaction",
            "rt_sigpending",
            "rt_sigprocmask",
            "rt_sigqueueinfo",
            "rt_sigreturn",
            "rt_sigsuspend",
            "rt_sigtimedwait",
            "rt_tgsigqueueinfo",
            "sigaltstack",
            "signalfd",
            "signalfd4",
            "tgkill",
            "tkill",
        ],
    ),
    ("%ipc", &["msgctl", "msgget", "msgrcv", "msgsnd", "semctl", "semget", "semop", "semtimedop", "shmat", "shmctl", "shmdt", "shmget"]),
    (
        "%desc",
        &[
            "accept",
            "accept4",
            "bind",
            "close",
            "close_range",
            "connect",
            "copy_file_range",
            "dup",
            "dup2",
            "dup3",
            "epoll_create",
            "epoll_create1",
            "epoll_ctl",
            "epoll_pwait",
            "epoll_pwait2",
            "epoll_wait",
            "eventfd",
            "eventfd2",
            "faccessat",
            "faccessat2",
            "fadvise64",
            "fallocate",
            "fchdir",
            "fchmod",
            "fchmodat",
            "fchown",
            "fchownat",
            "fcntl",
            "fdatasync",
            "flock",
            "fstat",
            "fstatfs",
            "fsync",
            "ftruncate",
            "getdents",
            "getdents64",
            "getsockopt",
            "inotify_add_watch",
            "inotify_init",
            "inotify_init1",
            "inotify_rm_watch",
            "ioctl",
            "linkat",
            "listen",
            "lseek",
            "memfd_create",
            "mkdirat",
            "mknodat",
            "mmap",
            "mq_open",
            "newfstatat",
            "open",
            "openat",
            "openat2",
            "pidfd_open",
            "pipe",
            "pipe2",
            "poll",
            "ppoll",
            "pread64",
            "preadv",
            "preadv2",
            "pselect6",
            "pwrite64",
            "pwritev",
            "pwritev2",
            "read",
            "readahead",
            "readlinkat",
            "readv",
            "recvfrom",
            "recvmmsg",
            "recvmsg",
            "renameat",
            "renameat2",
            "select",
            "sendfile",
            "sendmmsg",
            "sendmsg",
            "sendto",
            "setsockopt",
            "shutdown",
            "signalfd",
            "signalfd4",
            "socket",
            "socketpair",
            "splice",
            "statx",
            "symlinkat",
            "sync_file_range",
            "syncfs",
            "tee",
            "timerfd_create",
            "timerfd_gettime",
            "timerfd_settime",
            "unlinkat",
            "utimensat",
            "vmsplice",
            "write",
            "writev",
        ],
    ),
    (
        "%memory",
        &[
            "brk",
            "madvise",
            "mincore",
            "mlock",
            "mlock2",
            "mlockall",
            "mmap",
            "mprotect",
            "mremap",
            "msync",
            "munlock",
            "munlockall",
            "munmap",
        ],
    ),
    ("%stat", &["stat"]),
    ("%lstat", &["lstat"]),
    ("%fstat", &["fstat", "fstatat", "newfstatat"]),
    ("%%stat", &["stat", "lstat", "fstat", "fstatat", "newfstatat", "statx"]),
    ("%statfs", &["statfs"]),
    ("%fstatfs", &["fstatfs"]),
    ("%%statfs", &["statfs", "fstatfs", "ustat"]),
    ("%clock", &["adjtimex", "clock_adjtime", "clock_getres", "clock_gettime", "clock_settime", "gettimeofday", "settimeofday", "time"]),
    (
        "%creds",
        &[
            "capget",
            "capset",
            "getegid",
            "geteuid",
            "getgid",
            "getgroups",
            "getresgid",
            "getresuid",
            "getuid",
            "prctl",
            "setfsgid",
            "setfsuid",
            "setgid",
            "setgroups",
            "setregid",
            "setresgid",
            "setresuid",
            "setreuid",
            "setuid",
        ],
    ),
    (
        "%pure",
        &[
            "getegid",
            "geteuid",
            "getgid",
            "getpgrp",
            "getpid",
            "getppid",
            "gettid",
            "getuid",
            "sched_get_priority_max",
            "sched_get_priority_min",
        ],
    ),
];

/// See the module. By default it wants all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Filter {
    names: Vec<String>,
    is_inverted: bool,
}

impl Default for Filter {
    fn default() -> Filter {
        Filter { names: vec![String::new()], is_inverted: false }
    }
}

impl Filter {
    /// Whether a call is wanted.
    pub fn wants(&self, name: &str) -> bool {
        self.names.iter().any(|known| known.is_empty() || known == name) != self.is_inverted
    }
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Filter, String> {
        let text = text.strip_prefix("trace=").unwrap_or(text);
        let (text, is_inverted) = text.strip_prefix('!').map_or((text, false), |rest| (rest, true));
        let mut names = Vec::new();
        for item in text.split(',') {
            // Without the sign, the classes were called so before.
            let class = |name: &str| CLASSES.iter().find(|(known, _)| *known == name).map(|(_, members)| *members);
            let is_old = matches!(item, "file" | "process" | "network" | "signal" | "ipc" | "desc" | "memory");
            match class(item).or_else(|| if is_old { class(&format!("%{item}")) } else { None }) {
                Some(members) => names.extend(members.iter().map(|&name| name.to_owned())),
                None if item.starts_with('%') => return Err(format!("there is no class {item}")),
                // One that an ISA may have or not.
                None => names.push(item.trim_start_matches('?').to_owned()),
            }
        }
        if names.iter().any(String::is_empty) && text.split(',').any(str::is_empty) {
            return Err("a name is missing".into());
        }
        Ok(Filter { names, is_inverted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_classes_and_their_opposite_are_understood() {
        let wants = |filter: &str, name: &str| filter.parse::<Filter>().unwrap().wants(name);
        assert!(wants("open,read", "read") && !wants("open,read", "write"));
        assert!(wants("%file", "openat") && !wants("%file", "read") && wants("file", "openat"));
        assert!(wants("!%memory", "read") && !wants("!%memory", "mmap"));
        assert!(wants("trace=%process,close", "close") && wants("all", "anything") && !wants("none", "read"));
        assert!("%nothing".parse::<Filter>().is_err() && "open,,read".parse::<Filter>().is_err());
    }
}
