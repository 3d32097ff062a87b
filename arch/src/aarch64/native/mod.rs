//! The machine itself.

mod board;
mod boot;
mod context;
mod cpu;
mod entry;
mod gic;
mod memory;
mod tree;

/// This machine, as the kernel on one of its CPUs sees it.
pub struct Native {
    gic: gic::Gic,
    /// The context whose vector state is in the registers, as long as that is where it is; else it may be any address.
    vectors: *const context::Context,
    console: arm_pl011_uart::Uart<'static>,
}
