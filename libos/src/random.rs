//! Random bytes: getrandom(2), `/dev/urandom`, `AT_RANDOM`.
//!
//! A ChaCha20 generator (RFC 8439), a block at a time: most of who asks wants a few bytes, just after a fork. Seeded once. What its seed is worth depends on the machine: RDRAND words where the CPU has them; the counter's
//! low bits, read many times over work whose duration varies; the time of day and the environment's name. Under an emulator
//! with instruction counting and no RDRAND all of these repeat from run to run, and so do the bytes.
#![forbid(unsafe_code)]

use abi::InfoPage;
use spin::Mutex;

use crate::identity::Word;
use crate::kernel::Kernel;

/// A process's generator.
pub struct Random(Mutex<Generator>);

const SEED_BYTES: usize = 32;
const BLOCK_BYTES: usize = 64;
/// How often the first seed is mixed with what the machine has.
const MIXINGS: usize = 8;

/// The stream of a key.
struct Generator {
    key: [u8; SEED_BYTES],
    /// Number of the next block.
    next: u64,
    block: [u8; BLOCK_BYTES],
    /// How much of the block was given out.
    used: usize,
}

impl Generator {
    fn new(key: [u8; SEED_BYTES]) -> Generator {
        Generator { key, next: 0, block: [0; BLOCK_BYTES], used: BLOCK_BYTES }
    }

    fn fill(&mut self, mut into: &mut [u8]) {
        while !into.is_empty() {
            if self.used == BLOCK_BYTES {
                (self.block, self.next, self.used) = (block(&self.key, self.next), self.next + 1, 0);
            }
            let count = into.len().min(BLOCK_BYTES - self.used);
            let (now, later) = into.split_at_mut(count);
            now.copy_from_slice(&self.block[self.used..][..count]);
            (into, self.used) = (later, self.used + count);
        }
    }
}

/// The ChaCha20 block function (RFC 8439, section 2.3), with a counter of 64 bits as the cipher was first defined, and a nonce of 0.
fn block(key: &[u8; SEED_BYTES], counter: u64) -> [u8; BLOCK_BYTES] {
    /// A quarter of a round (section 2.1).
    macro_rules! quarter {
        ($words:ident, $a:literal, $b:literal, $c:literal, $d:literal) => {
            for (a, b, d, bits) in [($a, $b, $d, 16), ($c, $d, $b, 12), ($a, $b, $d, 8), ($c, $d, $b, 7)] {
                $words[a] = $words[a].wrapping_add($words[b]);
                $words[d] = ($words[d] ^ $words[a]).rotate_left(bits);
            }
        };
    }
    let mut first = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (word, bytes) in first[4..].iter_mut().zip(key.chunks_exact(4)) {
        *word = u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    }
    (first[12], first[13]) = (counter as u32, (counter >> 32) as u32);
    let mut words: [u32; 16] = first;
    for _ in 0..10 {
        quarter!(words, 0, 4, 8, 12);
        quarter!(words, 1, 5, 9, 13);
        quarter!(words, 2, 6, 10, 14);
        quarter!(words, 3, 7, 11, 15);
        quarter!(words, 0, 5, 10, 15);
        quarter!(words, 1, 6, 11, 12);
        quarter!(words, 2, 7, 8, 13);
        quarter!(words, 3, 4, 9, 14);
    }
    let mut bytes = [0; BLOCK_BYTES];
    for (bytes, (word, first)) in bytes.chunks_exact_mut(4).zip(words.iter().zip(first)) {
        bytes.copy_from_slice(&word.wrapping_add(first).to_le_bytes());
    }
    bytes
}

impl Random {
    /// A generator seeded from what the machine has.
    #[must_use]
    pub fn new<K: Kernel>(kernel: &K) -> Random {
        Random::of_machine(kernel.info(), || kernel.clock(), || kernel.entropy())
    }

    /// The same, from the machine's parts: the first info page, the counter, and the CPU's generator, if it has one.
    #[must_use]
    pub fn of_machine(info: &InfoPage, clock: impl Fn() -> u64, entropy: impl Fn() -> Option<u64>) -> Random {
        let mut seed = [0; SEED_BYTES];
        for (word, part) in seed.chunks_exact_mut(8).zip([info.boot_unix_ns, clock(), info.traps, 0]) {
            word.copy_from_slice(&part.to_le_bytes());
        }
        let mut generator = Generator::new(seed);
        for _ in 0..MIXINGS {
            generator.fill(&mut seed);
            for word in seed.chunks_exact_mut(8) {
                let fresh = entropy().unwrap_or(0) ^ clock().rotate_left(17);
                word.iter_mut().zip(fresh.to_le_bytes()).for_each(|(byte, fresh)| *byte ^= fresh);
            }
            generator = Generator::new(seed);
        }
        Random(Mutex::new(generator))
    }

    /// Be another generator from now on than the one that this is a copy of.
    pub fn stir<K: Kernel>(&self, kernel: &K) {
        let mut generator = self.0.lock();
        let mut seed = [0; SEED_BYTES];
        generator.fill(&mut seed);
        let own = [kernel.clock(), u64::from(kernel.identity().get(Word::Process)), kernel.entropy().unwrap_or(0), 0];
        for (word, own) in seed.chunks_exact_mut(8).zip(own) {
            word.iter_mut().zip(own.to_le_bytes()).for_each(|(byte, own)| *byte ^= own);
        }
        *generator = Generator::new(seed);
    }

    /// Fill with random bytes.
    pub fn fill(&self, into: &mut [u8]) {
        self.0.lock().fill(into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8439, appendix A.1, vectors 1 and 3.
    #[test]
    fn a_block_is_as_the_standard_has_it() {
        let mut key = [0; SEED_BYTES];
        let first = block(&key, 0);
        assert_eq!(first[..16], [0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd, 0x28]);
        assert_eq!(first[56..], [0xc3, 0x87, 0xb6, 0x69, 0xb2, 0xee, 0x65, 0x86]);
        key[31] = 1;
        assert_eq!(block(&key, 1)[..8], [0x3a, 0xeb, 0x52, 0x24, 0xec, 0xf8, 0x49, 0x92]);
    }

    #[test]
    fn a_stream_is_its_blocks_however_it_is_read() {
        let (mut whole, mut parts) = ([0; 3 * BLOCK_BYTES], [0; 3 * BLOCK_BYTES]);
        Generator::new([7; SEED_BYTES]).fill(&mut whole);
        let mut generator = Generator::new([7; SEED_BYTES]);
        parts.chunks_mut(25).for_each(|part| generator.fill(part));
        assert_eq!(whole, parts);
    }
}
