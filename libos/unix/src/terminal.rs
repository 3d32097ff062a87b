//! What requests about terminals are made of.

use bitflags::bitflags;

bitflags! {
    /// What the process does about signals of job control, and how it reads.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct TerminalFlags: u16 {
        /// `SIGTTIN` is ignored or blocked.
        const IGNORES_READ = 1;
        /// `SIGTTOU` is ignored or blocked.
        const IGNORES_WRITE = 2;
        /// A read does not wait.
        const NO_WAIT = 4;
        /// A read has waited: it takes what there is.
        const TIME_IS_OVER = 8;
    }
}
