//! The aarch64 machine: ARMv8.0 and later, in EL1, started by the Linux image protocol.
//!
//! | file | what it holds | compiled |
//! |---|---|---|
//! | `paging.rs` | the page-table format, as pure functions | on any host |
//! | `trap.rs` | what an exception syndrome means, as a pure function | on any host |
//! | `boot.rs` | image header, first page tables, the way into the high half | for the machine |
//! | `memory.rs` | the kernel's own address space: direct map and image | for the machine |
//! | `entry.rs` | vectors, entering and leaving user mode, the two short paths | for the machine |
//! | `context.rs` | registers and vector state of a stopped context | for the machine |
//! | `cpu.rs` | switching, TLB and cache upkeep, generic timer | for the machine |
//! | `tree.rs` | what the device tree says | for the machine |
//! | `gic.rs` | the interrupt controller, version 2 or 3 | for the machine |
//! | `board.rs` | PL011 console, PL031 clock, semihosting and PSCI exits | for the machine |
//!
//! Not offered to user mode: pointer authentication keys (the instructions are no-ops: five key pairs per context would have to be
//! switched), SVE and SME (they trap as illegal instructions), memory tagging, and BTI guarding of pages (the instructions are no-ops).

pub mod paging;
pub mod trap;

#[cfg(all(target_os = "none", target_arch = "aarch64"))]
mod board;
#[cfg(all(target_os = "none", target_arch = "aarch64"))]
mod boot;
#[cfg(all(target_os = "none", target_arch = "aarch64"))]
mod context;
#[cfg(all(target_os = "none", target_arch = "aarch64"))]
mod cpu;
#[cfg(all(target_os = "none", target_arch = "aarch64"))]
mod entry;
#[cfg(all(target_os = "none", target_arch = "aarch64"))]
mod gic;
#[cfg(all(target_os = "none", target_arch = "aarch64"))]
mod memory;
#[cfg(all(target_os = "none", target_arch = "aarch64"))]
mod tree;

/// This machine, as the kernel on one of its CPUs sees it.
#[cfg(all(target_os = "none", target_arch = "aarch64"))]
pub struct Native {
    gic: gic::Gic,
    /// A user half with nothing in it: `TTBR0_EL1` of no context.
    empty_root: u64,
}
