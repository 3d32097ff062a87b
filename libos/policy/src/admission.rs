//! Which calls are made at all.

use crate::tracing::Call;

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is made.
    Allow,
    /// It is not, and answers this error number, as errno(3) has it.
    Refuse(u32),
    /// The process ends by `SIGSYS`.
    End,
}

/// Which calls are made.
pub trait Admission: Send {
    /// What becomes of a call.
    fn admit(&mut self, call: &Call) -> Verdict;
}

/// All of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct All;

impl Admission for All {
    fn admit(&mut self, _: &Call) -> Verdict {
        Verdict::Allow
    }
}
