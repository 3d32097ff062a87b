//! The table's numbers against those of the kernel's headers.

use linux_raw_sys::general as headers;

use crate::syscall::table::{BARRIER, NONE, ROWS};

macro_rules! expected {
    ($($name:literal $number:ident)*) => { &[$(($name, headers::$number)),*] };
}

const EVERYWHERE: &[(&str, u32)] = expected! {
    "accept" __NR_accept
    "accept4" __NR_accept4
    "sendto" __NR_sendto
    "recvfrom" __NR_recvfrom
    "sendmsg" __NR_sendmsg
    "recvmsg" __NR_recvmsg
    "sendmmsg" __NR_sendmmsg
    "recvmmsg" __NR_recvmmsg
    "shutdown" __NR_shutdown
    "listen" __NR_listen
    "getsockname" __NR_getsockname
    "getpeername" __NR_getpeername
    "setsockopt" __NR_setsockopt
    "getsockopt" __NR_getsockopt
    "clone" __NR_clone
    "timer_create" __NR_timer_create
    "timer_settime" __NR_timer_settime
    "timer_gettime" __NR_timer_gettime
    "timer_getoverrun" __NR_timer_getoverrun
    "timer_delete" __NR_timer_delete
    "getitimer" __NR_getitimer
    "setitimer" __NR_setitimer
    "epoll_pwait2" __NR_epoll_pwait2
    "timerfd_settime" __NR_timerfd_settime
    "timerfd_gettime" __NR_timerfd_gettime
    "clone3" __NR_clone3
    "execve" __NR_execve
    "execveat" __NR_execveat
    "exit" __NR_exit
    "exit_group" __NR_exit_group
    "wait4" __NR_wait4
    "waitid" __NR_waitid
    "getpid" __NR_getpid
    "getppid" __NR_getppid
    "gettid" __NR_gettid
    "getpgid" __NR_getpgid
    "getsid" __NR_getsid
    "setpgid" __NR_setpgid
    "setsid" __NR_setsid
    "getuid" __NR_getuid
    "geteuid" __NR_geteuid
    "getgid" __NR_getgid
    "getegid" __NR_getegid
    "getresuid" __NR_getresuid
    "getresgid" __NR_getresgid
    "setuid" __NR_setuid
    "setgid" __NR_setgid
    "setreuid" __NR_setreuid
    "setregid" __NR_setregid
    "setresuid" __NR_setresuid
    "setresgid" __NR_setresgid
    "setfsuid" __NR_setfsuid
    "setfsgid" __NR_setfsgid
    "setgroups" __NR_setgroups
    "getgroups" __NR_getgroups
    "uname" __NR_uname
    "sysinfo" __NR_sysinfo
    "getrusage" __NR_getrusage
    "getrlimit" __NR_getrlimit
    "setrlimit" __NR_setrlimit
    "prlimit64" __NR_prlimit64
    "set_tid_address" __NR_set_tid_address
    "set_robust_list" __NR_set_robust_list
    "get_robust_list" __NR_get_robust_list
    "prctl" __NR_prctl
    "sched_yield" __NR_sched_yield
    "sched_getaffinity" __NR_sched_getaffinity
    "sched_setaffinity" __NR_sched_setaffinity
    "sched_getscheduler" __NR_sched_getscheduler
    "sched_setscheduler" __NR_sched_setscheduler
    "sched_getparam" __NR_sched_getparam
    "sched_setparam" __NR_sched_setparam
    "sched_getattr" __NR_sched_getattr
    "sched_setattr" __NR_sched_setattr
    "sched_rr_get_interval" __NR_sched_rr_get_interval
    "sched_get_priority_max" __NR_sched_get_priority_max
    "sched_get_priority_min" __NR_sched_get_priority_min
    "sched_setscheduler" __NR_sched_setscheduler
    "sched_setparam" __NR_sched_setparam
    "sched_rr_get_interval" __NR_sched_rr_get_interval
    "getpriority" __NR_getpriority
    "setpriority" __NR_setpriority
    "getcpu" __NR_getcpu
    "getrandom" __NR_getrandom
    "membarrier" __NR_membarrier
    "personality" __NR_personality
    "rseq" __NR_rseq
    "futex" __NR_futex
    "futex_waitv" __NR_futex_waitv
    "brk" __NR_brk
    "mmap" __NR_mmap
    "munmap" __NR_munmap
    "mprotect" __NR_mprotect
    "mremap" __NR_mremap
    "madvise" __NR_madvise
    "msync" __NR_msync
    "mlock" __NR_mlock
    "mlock2" __NR_mlock2
    "msgget" __NR_msgget
    "msgsnd" __NR_msgsnd
    "msgrcv" __NR_msgrcv
    "msgctl" __NR_msgctl
    "semget" __NR_semget
    "semop" __NR_semop
    "semtimedop" __NR_semtimedop
    "semctl" __NR_semctl
    "shmget" __NR_shmget
    "shmat" __NR_shmat
    "shmdt" __NR_shmdt
    "shmctl" __NR_shmctl
    "capget" __NR_capget
    "capset" __NR_capset
    "mq_open" __NR_mq_open
    "mq_unlink" __NR_mq_unlink
    "mq_timedsend" __NR_mq_timedsend
    "mq_timedreceive" __NR_mq_timedreceive
    "mq_notify" __NR_mq_notify
    "mq_getsetattr" __NR_mq_getsetattr
    "munlock" __NR_munlock
    "mlockall" __NR_mlockall
    "munlockall" __NR_munlockall
    "mincore" __NR_mincore
    "clock_gettime" __NR_clock_gettime
    "clock_getres" __NR_clock_getres
    "clock_settime" __NR_clock_settime
    "gettimeofday" __NR_gettimeofday
    "nanosleep" __NR_nanosleep
    "clock_nanosleep" __NR_clock_nanosleep
    "times" __NR_times
    "rt_sigaction" __NR_rt_sigaction
    "rt_sigprocmask" __NR_rt_sigprocmask
    "rt_sigpending" __NR_rt_sigpending
    "rt_sigreturn" __NR_rt_sigreturn
    "rt_sigsuspend" __NR_rt_sigsuspend
    "rt_sigtimedwait" __NR_rt_sigtimedwait
    "rt_sigqueueinfo" __NR_rt_sigqueueinfo
    "rt_tgsigqueueinfo" __NR_rt_tgsigqueueinfo
    "sigaltstack" __NR_sigaltstack
    "kill" __NR_kill
    "tkill" __NR_tkill
    "tgkill" __NR_tgkill
    "read" __NR_read
    "write" __NR_write
    "pread64" __NR_pread64
    "pwrite64" __NR_pwrite64
    "readv" __NR_readv
    "writev" __NR_writev
    "preadv" __NR_preadv
    "pwritev" __NR_pwritev
    "lseek" __NR_lseek
    "ioctl" __NR_ioctl
    "sendfile" __NR_sendfile
    "copy_file_range" __NR_copy_file_range
    "preadv2" __NR_preadv2
    "pwritev2" __NR_pwritev2
    "ppoll" __NR_ppoll
    "pselect6" __NR_pselect6
    "close" __NR_close
    "close_range" __NR_close_range
    "dup" __NR_dup
    "dup3" __NR_dup3
    "fcntl" __NR_fcntl
    "memfd_create" __NR_memfd_create
    "flock" __NR_flock
    "pipe2" __NR_pipe2
    "eventfd2" __NR_eventfd2
    "fsync" __NR_fsync
    "fdatasync" __NR_fdatasync
    "sync" __NR_sync
    "syncfs" __NR_syncfs
    "ftruncate" __NR_ftruncate
    "fallocate" __NR_fallocate
    "fadvise64" __NR_fadvise64
    "sync_file_range" __NR_sync_file_range
    "readahead" __NR_readahead
    "openat" __NR_openat
    "mkdirat" __NR_mkdirat
    "mknodat" __NR_mknodat
    "symlinkat" __NR_symlinkat
    "linkat" __NR_linkat
    "unlinkat" __NR_unlinkat
    "renameat" __NR_renameat
    "renameat2" __NR_renameat2
    "readlinkat" __NR_readlinkat
    "getcwd" __NR_getcwd
    "chdir" __NR_chdir
    "fchdir" __NR_fchdir
    "chroot" __NR_chroot
    "faccessat" __NR_faccessat
    "faccessat2" __NR_faccessat2
    "truncate" __NR_truncate
    "umask" __NR_umask
    "getdents64" __NR_getdents64
    "fstat" __NR_fstat
    "newfstatat" __NR_newfstatat
    "statx" __NR_statx
    "statfs" __NR_statfs
    "fstatfs" __NR_fstatfs
    "fchmod" __NR_fchmod
    "fchmodat" __NR_fchmodat
    "fchown" __NR_fchown
    "fchownat" __NR_fchownat
    "utimensat" __NR_utimensat
    "fchmodat2" __NR_fchmodat2
    "getxattr" __NR_getxattr
    "lgetxattr" __NR_lgetxattr
    "fgetxattr" __NR_fgetxattr
    "setxattr" __NR_setxattr
    "lsetxattr" __NR_lsetxattr
    "fsetxattr" __NR_fsetxattr
    "listxattr" __NR_listxattr
    "llistxattr" __NR_llistxattr
    "flistxattr" __NR_flistxattr
    "removexattr" __NR_removexattr
    "lremovexattr" __NR_lremovexattr
    "fremovexattr" __NR_fremovexattr
    "openat2" __NR_openat2
    "epoll_create1" __NR_epoll_create1
    "epoll_ctl" __NR_epoll_ctl
    "epoll_pwait" __NR_epoll_pwait
    "inotify_init1" __NR_inotify_init1
    "inotify_add_watch" __NR_inotify_add_watch
    "inotify_rm_watch" __NR_inotify_rm_watch
    "timerfd_create" __NR_timerfd_create
    "signalfd4" __NR_signalfd4
    "splice" __NR_splice
    "tee" __NR_tee
    "vmsplice" __NR_vmsplice
    "mount" __NR_mount
    "umount2" __NR_umount2
    "pivot_root" __NR_pivot_root
    "reboot" __NR_reboot
    "socket" __NR_socket
    "socketpair" __NR_socketpair
    "connect" __NR_connect
    "bind" __NR_bind
    "io_uring_setup" __NR_io_uring_setup
    "pidfd_open" __NR_pidfd_open
    "pidfd_send_signal" __NR_pidfd_send_signal
    "pidfd_getfd" __NR_pidfd_getfd
};

#[cfg(target_arch = "x86_64")]
const HERE: &[(&str, u32)] = expected! {
    "fork" __NR_fork
    "vfork" __NR_vfork
    "getpgrp" __NR_getpgrp
    "arch_prctl" __NR_arch_prctl
    "time" __NR_time
    "pause" __NR_pause
    "poll" __NR_poll
    "select" __NR_select
    "dup2" __NR_dup2
    "pipe" __NR_pipe
    "eventfd" __NR_eventfd
    "open" __NR_open
    "creat" __NR_creat
    "mkdir" __NR_mkdir
    "mknod" __NR_mknod
    "symlink" __NR_symlink
    "link" __NR_link
    "unlink" __NR_unlink
    "rmdir" __NR_rmdir
    "rename" __NR_rename
    "readlink" __NR_readlink
    "access" __NR_access
    "getdents" __NR_getdents
    "stat" __NR_stat
    "lstat" __NR_lstat
    "chmod" __NR_chmod
    "chown" __NR_chown
    "lchown" __NR_lchown
    "futimesat" __NR_futimesat
    "utimes" __NR_utimes
    "utime" __NR_utime
    "epoll_create" __NR_epoll_create
    "epoll_wait" __NR_epoll_wait
    "alarm" __NR_alarm
    "signalfd" __NR_signalfd
    "inotify_init" __NR_inotify_init
};
#[cfg(not(target_arch = "x86_64"))]
const HERE: &[(&str, u32)] = &[];

#[test]
fn numbers_are_those_of_the_kernels_headers() {
    let known = || EVERYWHERE.iter().chain(HERE);
    for (name, number) in known() {
        let row = ROWS.iter().find(|row| row.name == *name).expect("the list names rows only");
        assert_eq!(u32::from(row.number()), *number, "{name}");
    }
    // The vDSO's own call has a number that Linux does not use.
    let here = ROWS.iter().filter(|row| row.number() != NONE && u32::from(row.number()) != BARRIER);
    for row in here {
        assert!(known().any(|(name, _)| *name == row.name), "{} is not in the list", row.name);
    }
}
