//! What was done to a site, and why not.

use core::fmt::{Display, Formatter, Result};

/// What was done to a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It jumps to a trampoline.
    Patched(Kind),
    /// It is as it was, and traps.
    Left(Reason),
}

/// How a site was patched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// aarch64: a branch in the instruction's place.
    Branch,
    /// x86_64: a jump over instructions that moved.
    Jump {
        /// How many moved.
        moved: u8,
        /// Bytes of the displacement that are chosen so that they are no instruction.
        chosen: u8,
    },
}

/// Why a site was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The bytes are inside another instruction: no syscall at all.
    InsideInstruction,
    /// No known start of an instruction comes before it.
    UnknownStart,
    /// Decoding from the known start met bytes that are no instruction, here.
    Invalid(u64),
    /// The last instruction reaches past the known end, here.
    Overrun(u64),
    /// A branch goes into the middle of an instruction, here.
    Crooked(u64),
    /// What comes right before is a branch, a call or another syscall, or the stretch's start: too few bytes for a jump.
    NoRoomBefore,
    /// The instruction right before depends on where it is.
    Immovable,
    /// A branch goes to it, or to so near before it that a jump would not fit between.
    BranchTarget,
    /// No place for a trampoline in reach.
    NoPlace,
    /// Unwinders know a signal frame by this very sequence.
    SignalReturn,
    /// Marked, or read, as data.
    Data,
}

impl Display for Verdict {
    fn fmt(&self, formatter: &mut Formatter) -> Result {
        match self {
            Verdict::Patched(Kind::Branch) => write!(formatter, "patched: branch"),
            Verdict::Patched(Kind::Jump { moved, chosen }) => write!(formatter, "patched: jump, moved {moved}, chosen {chosen}"),
            Verdict::Left(reason) => write!(formatter, "left: {reason}"),
        }
    }
}

impl Display for Reason {
    fn fmt(&self, formatter: &mut Formatter) -> Result {
        match self {
            Reason::InsideInstruction => write!(formatter, "inside another instruction"),
            Reason::UnknownStart => write!(formatter, "no known start before it"),
            Reason::Invalid(at) => write!(formatter, "no instruction at {at:#x}"),
            Reason::Overrun(at) => write!(formatter, "an instruction reaches past {at:#x}"),
            Reason::Crooked(at) => write!(formatter, "a branch into an instruction at {at:#x}"),
            Reason::NoRoomBefore => write!(formatter, "no room before it"),
            Reason::Immovable => write!(formatter, "the instruction before it cannot move"),
            Reason::BranchTarget => write!(formatter, "a branch goes to it or right before it"),
            Reason::NoPlace => write!(formatter, "no place for a trampoline in reach"),
            Reason::SignalReturn => write!(formatter, "a signal's return, known by its bytes"),
            Reason::Data => write!(formatter, "data"),
        }
    }
}

impl Reason {
    /// A name for counting: the reason without its address.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Reason::InsideInstruction => "inside-instruction",
            Reason::UnknownStart => "unknown-start",
            Reason::Invalid(_) => "invalid-instruction",
            Reason::Overrun(_) => "overrun",
            Reason::Crooked(_) => "crooked-branch",
            Reason::NoRoomBefore => "no-room-before",
            Reason::Immovable => "immovable",
            Reason::BranchTarget => "branch-target",
            Reason::NoPlace => "no-place",
            Reason::SignalReturn => "signal-return",
            Reason::Data => "data",
        }
    }
}
