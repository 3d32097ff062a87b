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
    console: arm_pl011_uart::Uart<'static>,
}
