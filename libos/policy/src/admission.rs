//! Which calls are made at all.

use alloc::string::String;
use alloc::vec::Vec;

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

    /// The file that it is told in what it allows, if it is. It is read when the policy is chosen.
    fn file(&self) -> Option<&str> {
        None
    }

    /// What is in that file.
    ///
    /// # Errors
    /// It makes no sense; the text says why.
    fn read(&mut self, text: &str) -> Result<(), String> {
        let _ = text;
        Ok(())
    }

    /// The calls that it names: one that there is none of was misspelt, and the policy is not what somebody meant.
    fn names(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The [rules](crate::rules) that the server is to hold the process to from its program's first instruction on, and all that come of it.
    fn pledge(&self) -> Option<&str> {
        None
    }
}

/// All of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct All;

impl Admission for All {
    fn admit(&mut self, _: &Call) -> Verdict {
        Verdict::Allow
    }
}
