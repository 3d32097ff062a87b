//! The first environment panics: it says where, and the machine stops with Rust's code for it.
#![no_std]
#![no_main]

exo::program!(main);

fn main() -> u8 {
    panic!("as it was to");
}
