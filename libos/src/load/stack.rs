//! The first stack, as both ISAs' psABI and Linux lay it out.
//!
//! ```text
//!   top ─ null word ─ path ─ environment strings ─ argument strings ─ platform ─ random bytes ─ (16-aligned)
//!         auxiliary vector ─ NULL ─ environment pointers ─ NULL ─ argument pointers ─ argument count ─► sp
//! ```

use alloc::vec;
use alloc::vec::Vec;

use crate::errno::{Errno, Result};
use crate::load::auxiliary::Entry;
use crate::memory::STACK_LIMIT;

/// The most bytes that one argument or environment string may have, its NUL included (`MAX_ARG_STRLEN`).
pub const STRING_MOST: usize = 32 * 4096;
/// What arguments and environment may always have (`ARG_MAX`), and what they may have at most, however far the stack may grow: three
/// quarters of the usual limit.
const ROOM: core::ops::RangeInclusive<usize> = STRING_MOST..=STACK_LIMIT / 4 * 3;

/// How much more may be put on a stack, as `fs/exec.c` counts it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room(usize);

impl Room {
    /// For so many arguments and environment strings, on a stack that may grow to `limit` bytes.
    ///
    /// # Errors
    /// `E2BIG`: their pointers alone are too much.
    pub fn new(arguments: usize, environment: usize, limit: usize) -> Result<Room> {
        let most = (limit / 4).clamp(*ROOM.start(), *ROOM.end());
        let pointers = arguments.max(1).saturating_add(environment).saturating_mul(size_of::<usize>());
        most.checked_sub(pointers).filter(|&left| left > 0).map(Room).ok_or(Errno::E2BIG)
    }

    /// Put a string there.
    ///
    /// # Errors
    /// `E2BIG`: it is longer than 128 KiB, or more than there is room for.
    pub fn take(&mut self, string: &[u8]) -> Result<()> {
        if string.len() >= STRING_MOST {
            return Err(Errno::E2BIG);
        }
        self.0 = self.0.checked_sub(string.len() + 1).ok_or(Errno::E2BIG)?;
        Ok(())
    }

    /// Take a string away.
    pub fn give(&mut self, string: &[u8]) {
        self.0 += string.len() + 1;
    }
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
        let mut strings =
            Strings { bottom: top - size_of::<u64>(), bytes: Vec::with_capacity(2 + self.arguments.len() + self.environment.len()) };
        let executable = strings.push(self.executable);
        let environment: Vec<u64> = self.environment.iter().rev().map(|string| strings.push(string)).collect();
        let arguments: Vec<u64> = self.arguments.iter().rev().map(|string| strings.push(string)).collect();
        let platform = strings.push(self.platform);
        strings.bottom &= !15;
        strings.bottom -= self.random.len();
        let random = strings.bottom;

        let own = [(AT_RANDOM, random as u64), (AT_EXECFN, executable), (AT_PLATFORM, platform), (AT_NULL, 0)];
        // The count of arguments, and the zeros behind them and behind the environment.
        let words = 3 + arguments.len() + environment.len() + 2 * (self.vector.len() + own.len());
        let sp = (strings.bottom - words * size_of::<u64>()) & !15;
        let mut bytes = vec![0; top - sp];
        let mut places = bytes.as_chunks_mut().0.iter_mut();
        let mut put = |word: u64| {
            if let Some(place) = places.next() {
                *place = word.to_le_bytes();
            }
        };
        put(arguments.len() as u64);
        arguments.iter().rev().for_each(|&address| put(address));
        put(0);
        environment.iter().rev().for_each(|&address| put(address));
        put(0);
        for &(key, value) in self.vector.iter().chain(&own) {
            put(key);
            put(value);
        }
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
