//! Random requests to the server, and random calls of the kernel.

use abi::Call;

use crate::Random;
use crate::exokernel::{NO_ENV, PAGE, SERVER, call};
use crate::peers::Shared;

pub const MAILBOX: usize = 0x7e00_002b_2000;
pub const MAILBOX_BYTES: usize = 2 * PAGE;
pub const WINDOWS: u64 = 0x7e00_3000_0000;

/// Operations that a request is not random for: it would end the process, or fill the machine's console.
const EXIT: u16 = 0x01;
const FORK: u16 = 0x04;
const FORKED: u16 = 0x05;
/// One past the last operation.
const OPERATIONS: u64 = 0xc0;

/// A number that somebody may have forgotten to check.
fn word(random: &Random) -> u64 {
    match random.below(12) {
        0 => 0,
        1 => 1,
        2 => u64::MAX,
        3 => u64::from(u32::MAX),
        4 => 1 << 63,
        5 => i64::MAX as u64,
        6 => MAILBOX_BYTES as u64,
        7 => WINDOWS + random.below(64) * PAGE as u64,
        8 => random.next(),
        9 => random.below(24) | random.below(24) << 32,
        10 => random.below(1 << 20),
        _ => random.below(40),
    }
}

/// A mailbox that may look like something.
fn fill_mailbox(random: &Random) {
    let mailbox = MAILBOX as *mut u64;
    let words = MAILBOX_BYTES / 8;
    let path = b"./../tmp//hostile/x\0proc/self/../..";
    for at in 0..words {
        let value = match random.below(6) {
            0 => u64::from_ne_bytes(std::array::from_fn(|index| path[(at + index) % path.len()])),
            1 => u64::MAX,
            2 => random.below(30) | random.below(30) << 32,
            3 => random.next(),
            _ => 0,
        };
        unsafe { mailbox.add(at).write_volatile(value) };
    }
}

pub fn request(operation: u16, small: u16, large: u32, words: [u64; 3]) -> (i64, u64) {
    let first = u64::from(operation) | u64::from(small) << 16 | u64::from(large) << 32;
    call::<{ Call::TransferCall as u16 }>([SERVER, 0, first, words[0], words[1], words[2]])
}

/// Random requests, one after the other.
pub fn requests(seed: u64, _: &Shared) {
    let random = Random::new(seed);
    // Something of each kind to be held.
    for operation in [0x88, 0x89, 0x90, 0x91] {
        for kind in [1, 2, 5] {
            request(operation, 0, 0, [kind, 1, 0]);
        }
    }
    let mut count = 0u32;
    loop {
        if count.is_multiple_of(16) {
            fill_mailbox(&random);
        }
        count += 1;
        let operation = random.below(OPERATIONS) as u16;
        // Each seed dwells on some.
        let operation = if random.below(3) == 0 { (operation & !7) | seed as u16 } else { operation };
        if operation == EXIT {
            continue;
        }
        let small = [0, 1, 2, 3, random.below(100), random.next()][random.below(6) as usize] as u16;
        let large = [random.below(24), random.below(24), 0, word(&random)][random.below(4) as usize] as u32;
        request(operation, small, large, std::array::from_fn(|_| word(&random)));
    }
}

/// The names of environments there are, as far as the kernel tells by how it refuses.
struct Names([u64; 64]);

impl Names {
    fn new() -> Names {
        Names([1; 64])
    }

    /// The environment in a slot; none found.
    fn find(&mut self, slot: usize) -> Option<u64> {
        let last = self.0[slot];
        for generation in last..last + 40 {
            let name = generation << 16 | slot as u64;
            if call::<{ Call::PageQuery as u16 }>([name, PAGE as u64, 0, 0, 0, 0]).0 != NO_ENV {
                self.0[slot] = generation;
                return Some(name);
            }
        }
        // None at all, or one that is further on.
        self.0[slot] = if last > 4000 { 1 } else { last + 40 };
        None
    }
}

/// Claim what others make, and do to environments what only those over them may.
pub fn environments(seed: u64) {
    let random = Random::new(seed);
    let mut names = Names::new();
    let own = call::<{ Call::Identify as u16 }>([0; 6]).1;
    loop {
        for slot in 0..64 {
            let Some(name) = names.find(slot).filter(|&name| name != own) else { continue };
            // A fork of somebody else's child, that comes to life as one's own.
            request(FORK, 17, 0, [64, name, 0]);
            request(FORKED, 0, 0, [0; 3]);
            let address = 0x7e00_0000_0000 + random.below(0x300) * PAGE as u64;
            // All are refused: the sign is there in all of them.
            let refusals = call::<{ Call::PageMap as u16 }>([name, address, MAILBOX as u64, 1, 3, 0]).0
                & call::<{ Call::PageUnmap as u16 }>([name, address, 1, 0, 0, 0]).0
                & call::<{ Call::PageProtect as u16 }>([name, address, 1, 1, 0, 0]).0
                & call::<{ Call::EnvDestroy as u16 }>([name, 0, 0, 0, 0, 0]).0
                & call::<{ Call::EnvReap as u16 }>([name, 0, 0, 0, 0, 0]).0
                & call::<{ Call::EnvHand as u16 }>([name, own, 0, 0, 0, 0]).0
                & call::<{ Call::EnvQuota as u16 }>([name, 2, 0, 0, 0, 0]).0
                & call::<{ Call::ContextSet as u16 }>([name, 0, 0, 1, 0, 0]).0
                & call::<{ Call::ContextGet as u16 }>([name, 0, MAILBOX as u64, 0, 0, 0]).0
                & call::<{ Call::UpcallSet as u16 }>([name, 0, address, MAILBOX as u64, 0, 0]).0
                & call::<{ Call::ContextCreate as u16 }>([name, 0, 0, 0, 0, 0]).0;
            assert!(refusals < 0, "something was allowed to do to {name:#x}");
            call::<{ Call::TransferCall as u16 }>([name, random.below(3), random.next(), word(&random), word(&random), word(&random)]);
            call::<{ Call::Yield as u16 }>([name, 0, 0, 0, 0, 0]);
        }
    }
}

/// Calls that a process may make, with arguments that make no sense; environments, windows and slices of its own among them.
pub fn kernel_calls(seed: u64) {
    let random = Random::new(seed);
    let mut names = Names::new();
    loop {
        let name = match random.below(4) {
            0 => 0,
            1 => SERVER,
            _ => names.find(random.below(64) as usize).unwrap_or(0),
        };
        let first = if random.below(2) == 0 { name } else { word(&random) };
        let arguments = [first, word(&random), word(&random), word(&random), word(&random), word(&random)];
        match random.below(12) {
            0 => call::<{ Call::PageAlloc as u16 }>(arguments),
            1 => call::<{ Call::PageMap as u16 }>(arguments),
            2 => call::<{ Call::EnvCreate as u16 }>([random.below(40), random.below(4), 0, 0, 0, 0]),
            3 => call::<{ Call::EnvHand as u16 }>(arguments),
            4 => call::<{ Call::EnvWindow as u16 }>([SERVER, WINDOWS, 16, 0, 0, 0]),
            5 => call::<{ Call::SliceSet as u16 }>([0, random.below(64), name, random.below(2), 0, 0]),
            6 => call::<{ Call::Wake as u16 }>(arguments),
            7 => call::<{ Call::IrqBind as u16 }>([random.below(64), name, 0, 0, 0, 0]),
            8 => call::<{ Call::IrqAck as u16 }>([random.below(64), 0, 0, 0, 0, 0]),
            9 => call::<{ Call::Yield as u16 }>([name, random.below(3), 0, 0, 0, 0]),
            10 => call::<{ Call::ContextCreate as u16 }>(arguments),
            _ => call::<{ Call::TransferCall as u16 }>(arguments),
        };
    }
}
