//! What a program is given, as it is to stand at the top of its stack: its name, its environment, its arguments.
//!
//! They are put one below the other, as `fs/exec.c` does it: the name, then the environment and the arguments, of each the last string first.
//! The arguments are the lowest then, and where the first of them goes a script's interpreter takes its place; and which error comes first is as
//! on Linux.

use alloc::vec;
use alloc::vec::Vec;

use crate::errno::Result;
use crate::load::stack::Room;

/// The highest word of a stack is a null.
const TOP: usize = size_of::<u64>();
/// Bytes that there is room for at first.
const FIRST_BYTES: usize = 512;
/// Strings more than were counted: the name, and what a script adds.
const MORE: usize = 4;

/// See the module.
#[derive(Default)]
pub struct Strings {
    /// Filled from its end, where the stack's top is.
    bytes: Vec<u8>,
    /// How far below the top each string begins, in the order in which they were put.
    depths: Vec<usize>,
    /// Bytes that there are: the strings, and what was put below them.
    depth: usize,
    /// How many strings are the environment's.
    environment: usize,
    /// How much more may be put.
    room: Room,
}

impl Strings {
    /// For so many arguments and environment strings, on a stack that may grow to `limit` bytes: the name, the environment and the arguments are to be
    /// put.
    ///
    /// # Errors
    /// Those of [`Room::new`].
    pub fn new(arguments: usize, environment: usize, limit: usize) -> Result<Strings> {
        let room = Room::new(arguments, environment, limit)?;
        let depths = Vec::with_capacity(arguments + environment + MORE);
        Ok(Strings { bytes: vec![0; FIRST_BYTES], depths, depth: TOP, environment, room })
    }

    /// Those of a command.
    ///
    /// # Errors
    /// Those of [`Strings::new`] and [`Strings::put`].
    pub fn of(name: &[u8], arguments: &[Vec<u8>], environment: &[Vec<u8>], limit: usize) -> Result<Strings> {
        let mut strings = Strings::new(arguments.len(), environment.len(), limit)?;
        strings.put(name)?;
        environment.iter().rev().chain(arguments.iter().rev()).try_for_each(|string| strings.put(string))?;
        Ok(strings)
    }

    /// Put one more.
    ///
    /// # Errors
    /// Those of [`Room::take`].
    pub fn put(&mut self, string: &[u8]) -> Result<()> {
        self.room.take(string)?;
        let depth = self.put_below(string);
        self.depths.push(depth);
        Ok(())
    }

    /// Take the first argument away, if there are any.
    pub fn take_first(&mut self) {
        if self.arguments() == 0 {
            return;
        }
        let length = self.depths.pop().map_or(0, |depth| self.string(depth).len());
        self.room.give(length);
        self.depth -= length + 1;
    }

    /// Put a text that is not counted, with a NUL; gives how far below the top it begins.
    pub(super) fn put_below(&mut self, text: &[u8]) -> usize {
        let place = self.lower(text.len() + 1);
        let (copied, nul) = place.split_at_mut(text.len());
        copied.copy_from_slice(text);
        nul.fill(0);
        self.depth
    }

    /// So many bytes more, below what there is.
    pub(super) fn lower(&mut self, count: usize) -> &mut [u8] {
        let old = self.bytes.len();
        if old - self.depth < count {
            let mut more = vec![0; (2 * old).max(old + count)];
            let start = more.len() - self.depth;
            more[start..].copy_from_slice(self.between(self.depth, 0));
            self.bytes = more;
        }
        self.depth += count;
        let start = self.bytes.len() - self.depth;
        &mut self.bytes[start..start + count]
    }

    fn between(&self, low: usize, high: usize) -> &[u8] {
        &self.bytes[self.bytes.len() - low..self.bytes.len() - high]
    }

    /// The string that begins so far below the top.
    fn string(&self, depth: usize) -> &[u8] {
        self.between(depth, 0).split(|&byte| byte == 0).next().unwrap_or_default()
    }

    /// How many arguments there are.
    #[must_use]
    pub fn arguments(&self) -> usize {
        self.depths.len().saturating_sub(1 + self.environment)
    }

    /// What the program is called by who runs it.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.depths.first().map_or(&[], |&depth| self.string(depth))
    }

    /// The arguments, each with its NUL.
    #[must_use]
    pub fn argument_bytes(&self) -> &[u8] {
        self.between(self.depths.last().map_or(0, |&depth| depth), self.depth_of_environment())
    }

    /// The environment strings, each with its NUL.
    #[must_use]
    pub fn environment_bytes(&self) -> &[u8] {
        self.between(self.depth_of_environment(), self.depths.first().map_or(0, |&depth| depth))
    }

    fn depth_of_environment(&self) -> usize {
        self.depths.get(self.environment).map_or(0, |&depth| depth)
    }

    /// How far below the top the name, the environment strings and the arguments begin, each the last first.
    pub(super) fn depths(&self) -> (usize, &[usize], &[usize]) {
        let (&name, rest) = self.depths.split_first().unwrap_or((&TOP, &[]));
        let (environment, arguments) = rest.split_at(self.environment.min(rest.len()));
        (name, environment, arguments)
    }

    /// Bytes that there are.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// All that is to stand on the stack, up to its top.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.between(self.depth, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(name: &str, environment: &[&str], arguments: &[&str]) -> Strings {
        let owned = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>();
        Strings::of(name.as_bytes(), &owned(arguments), &owned(environment), 0).unwrap()
    }

    #[test]
    fn strings_stand_in_their_order() {
        let strings = given("/bin/prog", &["A=1", "", "B=2"], &["prog", "x"]);
        assert_eq!(strings.bytes(), b"prog\0x\0A=1\0\0B=2\0/bin/prog\0\0\0\0\0\0\0\0\0");
        assert_eq!((strings.name(), strings.arguments()), (&b"/bin/prog"[..], 2));
        assert_eq!((strings.argument_bytes(), strings.environment_bytes()), (&b"prog\0x\0"[..], &b"A=1\0\0B=2\0"[..]));
    }

    #[test]
    fn the_first_argument_makes_way_and_nothing_else_does() {
        let mut strings = given("n", &["E"], &["a", "b"]);
        strings.take_first();
        strings.put(b"longer").unwrap();
        assert_eq!(strings.bytes(), b"longer\0b\0E\0n\0\0\0\0\0\0\0\0\0");
        (0..3).for_each(|_| strings.take_first());
        assert_eq!(strings.bytes(), b"E\0n\0\0\0\0\0\0\0\0\0");
        assert_eq!((strings.argument_bytes(), strings.arguments()), (&b""[..], 0));
    }

    #[test]
    fn many_strings_find_room() {
        let texts: Vec<_> = (0..1000).map(|number| alloc::format!("string {number}")).collect();
        let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
        let strings = given("n", &[], &texts);
        let found: Vec<_> = strings.argument_bytes().split(|&byte| byte == 0).take(1000).collect();
        assert!(found.iter().zip(&texts).all(|(found, text)| *found == text.as_bytes()));
    }

    #[test]
    fn nothing_was_given_at_first() {
        let strings = Strings::default();
        assert_eq!((strings.name(), strings.argument_bytes(), strings.environment_bytes()), (&b""[..], &b""[..], &b""[..]));
    }
}
