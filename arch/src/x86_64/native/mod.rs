//! The machine itself.

mod apic;
mod board;
mod boot;
mod clock;
mod context;
mod cpu;
mod entry;
mod memory;

pub use {context::UserContext, cpu::Native};
