//! How what a run is traced by travels: as records among the console's bytes, which the tool at its other end takes out.
//!
//! A record is an application program command of ECMA-48, which a terminal that knows nothing of this shows nothing of:
//!
//! ```text
//!   BEGIN  kind  process,thread;  text  newline  END
//! ```
//!
//! It is one write to the debug console, so that nothing comes between its bytes. [`FIELD`] separates what a text has several of.

/// What begins a record.
pub const BEGIN: &[u8] = b"\x1b_chitin:";
/// What ends one.
pub const END: &[u8] = b"\x1b\\";
/// What is between the fields of a text.
pub const FIELD: char = '\x1f';
/// The most bytes of a record.
pub const RECORD_MOST: usize = 4096;

/// What a record says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// A call, and its result: `name(arguments)` and result.
    Whole = b'w',
    /// The beginning of a call that has not returned yet.
    Entry = b'e',
    /// Its rest, and the result.
    Exit = b'x',
    /// A signal: a line of strace(1).
    Signal = b's',
    /// A process ended: a line of strace(1).
    Ended = b'd',
    /// What a process spent on a call: name, calls, errors, ticks.
    Tally = b't',
    /// A call that a program made and that there is not: the program's name, the call's.
    Absent = b'n',
    /// Of a process that a signal ended: what is told, and what there is of it.
    Crash = b'p',
}

impl Kind {
    /// The kind of a record that begins so.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Kind> {
        use Kind::*;
        [Whole, Entry, Exit, Signal, Ended, Tally, Absent, Crash].into_iter().find(|kind| *kind as u8 == byte)
    }
}
