//! The aarch64 machine: ARMv8.0 and later, in EL1, started by the Linux image protocol.
//!
//! | file | what it holds | compiled |
//! |---|---|---|
//! | `paging.rs` | the page-table format, as pure functions | on any host |
//! | `trap.rs` | what an exception syndrome means, as a pure function | on any host |
//! | `native/boot.rs` | image header, first page tables, the way into the high half | for the machine |
//! | `native/memory.rs` | the kernel's own address space: direct map and image | for the machine |
//! | `native/entry.rs` | vectors, entering and leaving user mode, the three short paths | for the machine |
//! | `native/context.rs` | registers and vector state of a stopped context | for the machine |
//! | `native/cpu.rs` | switching, TLB and cache upkeep, generic timer | for the machine |
//! | `native/tree.rs` | what the device tree says | for the machine |
//! | `native/gic.rs` | the interrupt controller, version 2 or 3 | for the machine |
//! | `native/board.rs` | PL011 console, PL031 clock, semihosting and PSCI exits | for the machine |
//!
//! Not offered to user mode: pointer authentication keys (the instructions are no-ops: five key pairs per context would have to be
//! switched), SVE and SME (they trap as illegal instructions), memory tagging, and BTI guarding of pages (the instructions are no-ops).

pub mod paging;
pub mod trap;

#[cfg(all(target_os = "none", target_arch = "aarch64"))]
mod native;
#[cfg(all(target_os = "none", target_arch = "aarch64"))]
pub use native::Native;
