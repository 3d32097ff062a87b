//! A hostile process, and what its peers see of it: only what it could do to the objects that they share.
//!
//! On Chitin it scribbles over the library OS in its own address space, sends the server random requests, and names environments that are
//! not its own; then it is killed, if it still lives. On Linux, which has none of these, it is killed at once: the output is the same.
#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "plain calls, on numbers and on the program's own variables; the hostile rest harms only itself"
)]

mod exokernel;
mod fuzzer;
mod peers;
mod prisoner;
mod scribbler;
mod warden;

use std::cell::Cell;

use linux_programs::family::{child, end_of, run, sleep_ms};

/// xorshift64*.
pub struct Random(Cell<u64>);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Random {
        Random(Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1))
    }

    /// Any number.
    pub fn next(&self) -> u64 {
        let mut state = self.0.get();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.0.set(state);
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`.
    pub fn below(&self, limit: u64) -> u64 {
        (self.next() >> 16) % limit
    }
}

/// Whether this is Chitin.
fn is_chitin() -> bool {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").is_ok_and(|release| release.contains("chitin"))
}

/// Milliseconds that a hostile process has.
const TIME_MS: u64 = 400;

/// Let a hostile process loose among peers, and see how these fare.
fn among_peers(attack: impl Fn(&peers::Shared)) {
    let shared = peers::Shared::new();
    let peers = peers::start(&shared);
    let hostile = child(|| {
        shared.become_hostile();
        if is_chitin() {
            attack(&shared);
        }
        loop {
            sleep_ms(1000);
        }
    });
    shared.await_hostile();
    if is_chitin() {
        sleep_ms(TIME_MS);
    }
    unsafe { libc::kill(hostile, libc::SIGKILL) };
    // By the kill, by itself, or by what it did to itself.
    let end = end_of(hostile);
    if end == "ECHILD" || end.starts_with("stopped") || end.starts_with("continued") {
        println!("the hostile process: {end}");
    }
    peers::settle(&shared, peers);
}

/// Use what is left of the library.
fn use_library(shared: &peers::Shared) {
    for _ in 0..4 {
        let bytes = [0u8; 16];
        unsafe {
            libc::write(shared.output(), bytes.as_ptr().cast(), bytes.len());
            libc::sched_yield();
            libc::getpriority(0, 0);
        }
    }
}

fn scribbles() {
    for part in 0..scribbler::PARTS {
        among_peers(|shared| scribbler::scribble(part, || use_library(shared)));
    }
}

fn kept_pipes() {
    among_peers(|_| scribbler::keep_pipes());
}

fn requests() {
    for seed in 1..=6 {
        among_peers(|shared| fuzzer::requests(seed, shared));
    }
}

fn environments() {
    for seed in 1..=2 {
        among_peers(|_| fuzzer::environments(seed));
    }
}

fn kernel_calls() {
    for seed in 1..=3 {
        among_peers(|_| fuzzer::kernel_calls(seed));
    }
}

fn main() {
    // Under other names, what a sandbox holds, and who looks whether it does.
    match std::env::args().next().as_deref() {
        Some(prisoner::PATH) => return prisoner::main(),
        Some(warden::PATH) => return warden::main(),
        _ => {}
    }
    run(&[
        ("scribbles", scribbles),
        ("kept pipes", kept_pipes),
        ("requests", requests),
        ("environments", environments),
        ("kernel calls", kernel_calls),
    ]);
}
