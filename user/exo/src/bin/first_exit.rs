//! The first environment ends itself: the machine stops with its status.
#![no_std]
#![no_main]

use abi::EnvId;

exo::program!(main);

fn main() -> u8 {
    let _ = exo::env_destroy(EnvId::SELF, 77);
    native::PASSED
}
