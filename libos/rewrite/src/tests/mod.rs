//! Tests: programs made here, both machines on any host.

mod aarch64;
mod build;
mod overlay;
mod refusal;
mod x86_64;
