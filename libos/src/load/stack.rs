//! The first stack, as both ISAs' psABI and Linux lay it out.
//!
//! ```text
//!   top ─ null word ─ path ─ environment strings ─ argument strings ─ platform ─ random bytes ─ (16-aligned)
//!         auxiliary vector ─ NULL ─ environment pointers ─ NULL ─ argument pointers ─ argument count ─► sp
//! ```

use alloc::vec::Vec;

use crate::errno::{Errno, Result};
use crate::load::auxiliary::Entry;
use crate::load::strings::Strings;
use crate::memory::STACK_LIMIT;

/// The most bytes that one argument or environment string may have, its NUL included (`MAX_ARG_STRLEN`).
pub const STRING_MOST: usize = 32 * 4096;
/// What arguments and environment may always have (`ARG_MAX`), and what they may have at most, however far the stack may grow: three
/// quarters of the usual limit.
const ROOM: core::ops::RangeInclusive<usize> = STRING_MOST..=STACK_LIMIT / 4 * 3;

/// How much more may be put on a stack, as `fs/exec.c` counts it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
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

    /// Take a string of so many bytes away.
    pub fn give(&mut self, length: usize) {
        self.0 += length + 1;
    }
}

/// What goes on the stack.
pub struct Layout<'a> {
    /// The path that was executed, which is `AT_EXECFN`, the environment strings and the arguments: what else stands there comes below them.
    pub strings: &'a mut Strings,
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

/// A first stack, as it is to stand in memory.
pub struct FirstStack {
    /// The stack pointer.
    pub sp: usize,
    /// What stands there: the count of arguments, the addresses, the auxiliary vector.
    pub words: Vec<u64>,
    /// Where the words end: what `AT_RANDOM` points at. From there on up to the stack's top stand [`Strings::bytes`].
    pub random: usize,
}

impl Layout<'_> {
    /// The stack below `top`.
    #[must_use]
    pub fn build(self, top: usize) -> FirstStack {
        let Layout { strings, platform, random, vector } = self;
        let address = |depth: usize| (top - depth) as u64;
        let platform = address(strings.put_below(platform));
        let start = top - strings.depth();
        let below = strings.lower(random.len() + start % 16);
        let (copied, zeros) = below.split_at_mut(random.len());
        copied.copy_from_slice(&random);
        zeros.fill(0);
        let random = top - strings.depth();

        let (executable, environment, arguments) = strings.depths();
        // The count of arguments, and the zeros behind them and behind the environment; own entries of the vector; one to align the stack.
        let mut words = Vec::with_capacity(3 + arguments.len() + environment.len() + 2 * (vector.len() + 4) + 1);
        words.push(arguments.len() as u64);
        words.extend(arguments.iter().rev().map(|&depth| address(depth)));
        words.push(0);
        words.extend(environment.iter().rev().map(|&depth| address(depth)));
        words.push(0);
        let own = [(AT_RANDOM, random as u64), (AT_EXECFN, address(executable)), (AT_PLATFORM, platform), (AT_NULL, 0)];
        words.extend(vector.iter().chain(&own).flat_map(|&(key, value)| [key, value]));
        let sp = (random - words.len() * size_of::<u64>()) & !15;
        words.resize((random - sp) / size_of::<u64>(), 0);
        FirstStack { sp, words, random }
    }
}
