//! Calls, errors and ticks by call, of a process.

use alloc::collections::BTreeMap;

/// What a call came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How often it was made.
    pub calls: u64,
    /// How often it was refused.
    pub errors: u64,
    /// Ticks of the counter from its handler's start to its end, without what the thread waited. With `-icount` a tick is an instruction.
    pub ticks: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<usize, Count>);

impl Tally {
    /// A call was made.
    pub fn add(&mut self, number: usize, is_error: bool, ticks: u64) {
        let count = self.0.entry(number).or_default();
        count.calls += 1;
        count.errors += u64::from(is_error);
        count.ticks += ticks;
    }

    /// All calls that were made, by number.
    pub fn iter(&self) -> impl Iterator<Item = (usize, Count)> {
        self.0.iter().map(|(&number, &count)| (number, count))
    }
}
