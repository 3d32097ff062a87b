//! Random bytes: getrandom(2), `/dev/urandom`, `AT_RANDOM`.
//!
//! A ChaCha20 generator, seeded once. What its seed is worth depends on the machine: RDRAND words where the CPU has them; the counter's
//! low bits, read many times over work whose duration varies; the time of day and the environment's name. Under an emulator
//! with instruction counting and no RDRAND all of these repeat from run to run, and so do the bytes.
#![forbid(unsafe_code)]

use abi::InfoPage;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use spin::Mutex;

use crate::identity::Word;
use crate::kernel::Kernel;

/// A process's generator.
pub struct Random(Mutex<ChaCha20Rng>);

const SEED_BYTES: usize = 32;
const ROUNDS: usize = 8;

impl Random {
    /// A generator seeded from what the machine has.
    #[must_use]
    pub fn new<K: Kernel>(kernel: &K) -> Random {
        Random::of_machine(kernel.info(), || kernel.clock(), || kernel.entropy())
    }

    /// The same, from the machine's parts: the first info page, the counter, and the CPU's generator, if it has one.
    #[must_use]
    pub fn of_machine(info: &InfoPage, clock: impl Fn() -> u64, entropy: impl Fn() -> Option<u64>) -> Random {
        let mut generator = ChaCha20Rng::seed_from_u64(info.boot_unix_ns ^ clock().rotate_left(32) ^ info.traps);
        for _ in 0..ROUNDS {
            let mut seed = [0; SEED_BYTES];
            generator.fill_bytes(&mut seed);
            for word in seed.chunks_exact_mut(8) {
                let fresh = entropy().unwrap_or(0) ^ clock().rotate_left(17);
                word.iter_mut().zip(fresh.to_le_bytes()).for_each(|(byte, fresh)| *byte ^= fresh);
            }
            generator = ChaCha20Rng::from_seed(seed);
        }
        Random(Mutex::new(generator))
    }

    /// Be another generator from now on than the one that this is a copy of.
    pub fn stir<K: Kernel>(&self, kernel: &K) {
        let mut generator = self.0.lock();
        let mut seed = [0; SEED_BYTES];
        generator.fill_bytes(&mut seed);
        let own = [kernel.clock(), u64::from(kernel.identity().get(Word::Process)), kernel.entropy().unwrap_or(0), 0];
        for (word, own) in seed.chunks_exact_mut(8).zip(own) {
            word.iter_mut().zip(own.to_le_bytes()).for_each(|(byte, own)| *byte ^= own);
        }
        *generator = ChaCha20Rng::from_seed(seed);
    }

    /// Fill with random bytes.
    pub fn fill(&self, into: &mut [u8]) {
        self.0.lock().fill_bytes(into);
    }
}
