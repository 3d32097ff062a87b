//! The first stack, as both ISAs' psABI and Linux lay it out.
//!
//! ```text
//!   top ─ null word ─ path ─ environment strings ─ argument strings ─ platform ─ random bytes ─ (16-aligned)
//!         auxiliary vector ─ NULL ─ environment pointers ─ NULL ─ argument pointers ─ argument count ─► sp
//! ```

use alloc::vec::Vec;

use crate::errno::{Errno, Result};
use crate::load::auxiliary::Entry;

/// The most bytes that one argument or environment string may have, its NUL included (`MAX_ARG_STRLEN`).
const STRING_MOST: usize = 32 * 4096;

/// Whether arguments and environment fit on a stack that may grow to `limit`.
///
/// # Errors
/// `E2BIG`: a string is longer than 128 KiB, or all with their pointers are more than a quarter of the stack.
pub fn check_size(arguments: &[Vec<u8>], environment: &[Vec<u8>], limit: usize) -> Result<()> {
    let mut total = 0;
    for string in arguments.iter().chain(environment) {
        if string.len() >= STRING_MOST {
            return Err(Errno::E2BIG);
        }
        total += string.len() + 1 + size_of::<usize>();
    }
    if total > (limit / 4).max(STRING_MOST) { Err(Errno::E2BIG) } else { Ok(()) }
}

/// What goes on the stack.
pub struct Layout<'a> {
    /// The arguments.
    pub arguments: &'a [Vec<u8>],
    /// The environment strings.
    pub environment: &'a [Vec<u8>],
    /// The path that was executed: `AT_EXECFN`.
    pub executable: &'a [u8],
    /// The platform's name: `AT_PLATFORM`.
    pub platform: &'a [u8],
    /// What `AT_RANDOM` points at.
    pub random: [u8; 16],
    /// The auxiliary vector, without the entries that point at the stack and without its end.
    pub vector: &'a [Entry],
}

/// `AT_PLATFORM`
const AT_PLATFORM: u64 = 15;
/// `AT_RANDOM`
const AT_RANDOM: u64 = 25;
/// `AT_EXECFN`
const AT_EXECFN: u64 = 31;
/// `AT_NULL`
const AT_NULL: u64 = 0;

impl Layout<'_> {
    /// The stack below `top`: its pointer, and the bytes from there up to `top`.
    #[must_use]
    pub fn build(&self, top: usize) -> (usize, Vec<u8>) {
        let mut strings = Strings { bottom: top - size_of::<u64>(), bytes: Vec::new() };
        let executable = strings.push(self.executable);
        let environment: Vec<u64> = self.environment.iter().rev().map(|string| strings.push(string)).collect();
        let arguments: Vec<u64> = self.arguments.iter().rev().map(|string| strings.push(string)).collect();
        let platform = strings.push(self.platform);
        strings.bottom &= !15;
        strings.bottom -= self.random.len();
        let random = strings.bottom;

        let mut words = Vec::from([self.arguments.len() as u64]);
        words.extend(arguments.iter().rev());
        words.push(0);
        words.extend(environment.iter().rev());
        words.push(0);
        let own = [(AT_RANDOM, random as u64), (AT_EXECFN, executable), (AT_PLATFORM, platform), (AT_NULL, 0)];
        for (key, value) in self.vector.iter().copied().chain(own) {
            words.extend([key, value]);
        }
        let sp = (strings.bottom - words.len() * size_of::<u64>()) & !15;
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.resize(top - sp, 0);
        bytes[random - sp..][..self.random.len()].copy_from_slice(&self.random);
        for (address, string) in strings.bytes {
            bytes[address - sp..][..string.len()].copy_from_slice(string);
        }
        (sp, bytes)
    }
}

/// Strings placed so far, each below the one before.
struct Strings<'a> {
    bottom: usize,
    bytes: Vec<(usize, &'a [u8])>,
}

impl<'a> Strings<'a> {
    fn push(&mut self, string: &'a [u8]) -> u64 {
        self.bottom -= string.len() + 1;
        self.bytes.push((self.bottom, string));
        self.bottom as u64
    }
}
