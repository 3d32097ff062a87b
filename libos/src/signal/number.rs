//! Signals by number: names, sets, and which are of a kind.
#![forbid(unsafe_code)]

/// Signals are numbered 1 to this.
pub const SIGNALS: u32 = 64;
/// The first real-time signal.
pub const FIRST_REAL_TIME: u32 = 32;
/// A set of signals: signal n is bit n-1.
pub type Set = u64;

macro_rules! signals {
    ($($name:ident $number:literal,)*) => {
        #[expect(missing_docs, reason = "signal(7) documents each")]
        mod numbers {
            $(pub const $name: u32 = $number;)*
        }
        pub use numbers::*;

        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

signals! {
    SIGHUP 1, SIGINT 2, SIGQUIT 3, SIGILL 4, SIGTRAP 5, SIGABRT 6, SIGBUS 7, SIGFPE 8, SIGKILL 9, SIGUSR1 10, SIGSEGV 11, SIGUSR2 12,
    SIGPIPE 13, SIGALRM 14, SIGTERM 15, SIGSTKFLT 16, SIGCHLD 17, SIGCONT 18, SIGSTOP 19, SIGTSTP 20, SIGTTIN 21, SIGTTOU 22, SIGURG 23,
    SIGXCPU 24, SIGXFSZ 25, SIGVTALRM 26, SIGPROF 27, SIGWINCH 28, SIGIO 29, SIGPWR 30, SIGSYS 31,
}

/// A signal's name; empty for a real-time signal.
#[must_use]
pub fn name(signal: u32) -> &'static str {
    NAMES.get((signal as usize).wrapping_sub(1)).copied().unwrap_or("")
}

/// The set that holds one signal.
#[must_use]
pub const fn bit(signal: u32) -> Set {
    1 << (signal - 1)
}

/// Signals that can be neither caught, ignored nor blocked.
pub const UNSTOPPABLE: Set = bit(SIGKILL) | bit(SIGSTOP);

/// Signals whose default action stops the process.
pub const STOPS: Set = bit(SIGSTOP) | bit(SIGTSTP) | bit(SIGTTIN) | bit(SIGTTOU);

/// Whether a signal that has no handler does nothing.
pub(super) fn is_ignored_by_default(signal: u32) -> bool {
    (bit(SIGCHLD) | bit(SIGURG) | bit(SIGWINCH) | bit(SIGCONT)) & bit(signal) != 0
}
