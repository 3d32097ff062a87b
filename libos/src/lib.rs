//! The Linux personality: a library inside each process that turns pages, the CPU and traps into Linux's semantics.
//!
//! ```text
//!   program ─► entry (per ISA; unsafe lives here) ─► syscall::table (a row a call) ─► syscall::* (parse, errno)
//!                 memory    file    vfs    signal    time    load        safe Rust, generic over the kernel
//!                          trait Kernel  ◄── Native (the calls) | FakeKernel (host tests)
//! ```
//!
//! | module | what is in it |
//! |---|---|
//! | `entry` | where the image starts, where foreign syscalls and faults arrive |
//! | `syscall` | the table of calls and their handlers |
//! | `timer` | timers, and the signals that they send |
//! | `thread` | threads, and where a call waits |
//! | `policies` | what the app decides for itself, and how that is chosen |
//! | `family` | the process among others |
//! | `giving` | frames that are given back when others need them |
//! | `memory` | regions, and what is resident in them |
//! | `load` | ELF programs, the first stack |
//! | `vfs`, `file` | names and inodes; descriptors and what stands behind them |
//! | `user` | the program's memory |
//! | `recovery` | points that a process goes on from when a signal has ended it |
//! | `pool` | the frames of files in memory |
//! | `mapped_ring` | a pipe's pages, where they are |
//! | `kernel` | what is asked of the exokernel |
//! | `server` | what is asked of `unixd` |
#![cfg_attr(target_os = "none", no_std)]

extern crate alloc;

#[cfg(target_os = "none")]
pub mod entry;
pub mod errno;
#[cfg(test)]
pub mod fake;
pub mod family;
pub mod file;
pub mod giving;
pub mod identity;
pub mod kernel;
pub mod limits;
pub mod load;
pub mod mapped_ring;
pub mod memory;
pub mod policies;
pub mod pool;
pub mod post_mortem;
pub mod process;
pub mod random;
pub mod recovery;
pub mod report;
pub mod server;
pub mod signal;
pub mod strace;
pub mod syscall;
pub mod thread;
pub mod time;
pub mod timer;
pub mod user;
pub mod vfs;
