//! x86_64: QEMU's `q35` and `microvm`, booted by PVH.
//!
//! | file | what is in it |
//! |---|---|
//! | `native/boot.rs` | the PVH note, the way from 32 bits to the higher half, the start info |
//! | `native/memory.rs` | where the kernel sees memory: direct map and image, W^X |
//! | `paging.rs` | the page-table format, as pure functions (compiled and tested on any host) |
//! | `native/context.rs` | a stopped thread of control, and what a trap vector means |
//! | `native/entry.rs` | all ways into and out of user mode: `syscall`, traps, `run` |
//! | `native/cpu.rs` | features, descriptor tables, per-CPU data, vector state: `Cpu` |
//! | `native/apic.rs` | local APIC and I/O APICs |
//! | `native/clock.rs` | calibration against the PIT, and the CMOS clock |
//! | `native/board.rs` | console, interrupts, exit: `Board` |
//!
//! What is taken for granted, and holds on both machines and on every CPU model that they are tested with: long mode and NX (W^X is a
//! principle, so there is no kernel without it); the local APIC at 0xFEE0_0000 in xAPIC mode; I/O APICs of 24 inputs at 0xFEC0_0000
//! (and, on `microvm`, 0xFEC1_0000), and writes without effect where there is none; COM1 at 0x3F8; a CMOS clock, where there is one, that
//! counts in BCD and 24 hours. All else that a CPU model may lack is asked of CPUID.
//!
//! One CPU runs today. What a CPU has of its own is in `native::cpu::PerCpu`, found through GS: a second CPU brings a second one.

mod paging;
pub use paging::PageFormat;

#[cfg(all(target_os = "none", target_arch = "x86_64"))]
mod native;
#[cfg(all(target_os = "none", target_arch = "x86_64"))]
pub use native::{Native, UserContext};
