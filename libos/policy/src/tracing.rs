//! What is to be known of calls and faults.

use alloc::string::String;

/// A call that the program makes.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// What section 2 of the manual calls it; empty if it is none.
    pub name: &'static str,
    /// Its number on this ISA.
    pub number: usize,
    /// Its arguments.
    pub arguments: [u64; 6],
}

/// What the library counted of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Page faults that brought pages in.
    pub faults: u64,
    /// Pages that they brought.
    pub pages: u64,
    /// How often pages of files were asked for that were not at hand.
    pub misses: u64,
    /// How often another thread came to run.
    pub switches: u64,
    /// The most pages that were there at once.
    pub most_resident: u64,
}

/// Hears of all calls of a process. What a vDSO answers is no call.
pub trait Tracing: Send {
    /// A call is about to be made. Some do not come back.
    fn called(&mut self, call: &Call);

    /// A call has come back, with its value or its error number.
    fn answered(&mut self, call: &Call, outcome: Result<usize, u32>) {
        let _ = (call, outcome);
    }

    /// The process is the copy that fork(2) made of another: it counts for itself.
    fn forked(&mut self);

    /// The process ends; gives the line to be written of it, if any.
    fn ended(&mut self, profile: &Profile) -> Option<String>;
}

/// Nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl Tracing for Nothing {
    fn called(&mut self, _: &Call) {}

    fn forked(&mut self) {}

    fn ended(&mut self, _: &Profile) -> Option<String> {
        None
    }
}
