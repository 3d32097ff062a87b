//! What requests about processes are made of.

use bitflags::bitflags;

bitflags! {
    /// What a process does about `SIGCHLD`.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct ChildActions: u16 {
        /// It is ignored (`SIG_IGN`): children leave no zombies.
        const IGNORED = 1;
        /// `SA_NOCLDWAIT`: children leave no zombies.
        const NO_WAIT = 2;
        /// `SA_NOCLDSTOP`: it is not told of stops.
        const NO_STOPS = 4;
    }
}

bitflags! {
    /// How to wait: waitid(2)'s options, by their values.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct WaitOptions: u32 {
        /// `WNOHANG`: do not wait.
        const NOW = 1;
        /// `WSTOPPED`, `WUNTRACED`
        const STOPPED = 2;
        /// `WEXITED`
        const EXITED = 4;
        /// `WCONTINUED`
        const CONTINUED = 8;
        /// `WNOWAIT`: what is told is told again.
        const KEEP = 0x0100_0000;
        /// `__WNOTHREAD`: children of the calling thread alone.
        const OWN_THREAD = 0x2000_0000;
        /// `__WALL`: children whatever signal their end sends.
        const ALL = 0x4000_0000;
        /// `__WCLONE`: children whose end sends another signal than `SIGCHLD`, or none.
        const CLONES = 0x8000_0000;
    }
}

/// Which children to wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whom {
    /// Any.
    All,
    /// The one with this id.
    Process(u32),
    /// Those of this group; 0: of the caller's.
    Group(u32),
}

impl Whom {
    /// As one word.
    #[must_use]
    pub const fn pack(self) -> u64 {
        match self {
            Whom::All => 0,
            Whom::Process(id) => 1 << 32 | id as u64,
            Whom::Group(group) => 2 << 32 | group as u64,
        }
    }

    /// From one word.
    #[must_use]
    pub const fn unpack(word: u64) -> Option<Whom> {
        match word >> 32 {
            0 => Some(Whom::All),
            1 => Some(Whom::Process(word as u32)),
            2 => Some(Whom::Group(word as u32)),
            _ => None,
        }
    }
}

/// How a new process is related to the one that makes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kin {
    /// The signal that its end sends to its parent; 0: none.
    pub exit_signal: u32,
    /// The thread that makes it.
    pub thread: u32,
    /// Whether its parent is the parent of the one that makes it.
    pub is_sibling: bool,
}

impl Kin {
    const SIBLING: u16 = 0x100;

    /// As the two smaller arguments of a request.
    #[must_use]
    pub const fn pack(self) -> (u16, u32) {
        (self.exit_signal as u16 & 0xff | if self.is_sibling { Self::SIBLING } else { 0 }, self.thread)
    }

    /// From the two smaller arguments of a request.
    #[must_use]
    pub const fn unpack(small: u16, large: u32) -> Kin {
        Kin { exit_signal: small as u32 & 0xff, thread: large, is_sibling: small & Self::SIBLING != 0 }
    }
}

/// Which call sets a process's user or group ids.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum SetIds {
    /// setuid(2)
    One = 0,
    /// setreuid(2)
    Two = 1,
    /// setresuid(2)
    Three = 2,
    /// setfsuid(2)
    File = 3,
}

impl SetIds {
    /// Or'ed to the number: groups.
    pub const GROUPS: u16 = 4;

    /// From the number, and whether groups are meant.
    #[must_use]
    pub const fn unpack(number: u16) -> (SetIds, bool) {
        let how = match number & 3 {
            0 => SetIds::One,
            1 => SetIds::Two,
            2 => SetIds::Three,
            _ => SetIds::File,
        };
        (how, number & Self::GROUPS != 0)
    }
}

/// A setting of prctl(2) that others are affected by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Setting {
    /// Whether orphans below it become its children.
    Subreaper = 0,
    /// The signal that its parent's end sends to it.
    DeathSignal = 1,
    /// Whether it has something to do at its end, even at that by `SIGKILL`: what it holds of robust futexes.
    Will = 2,
}

impl Setting {
    /// The one with this number.
    #[must_use]
    pub const fn from_number(number: u16) -> Option<Setting> {
        match number {
            0 => Some(Setting::Subreaper),
            1 => Some(Setting::DeathSignal),
            2 => Some(Setting::Will),
            _ => None,
        }
    }
}

/// Wait statuses: what wait(2) tells, in one word.
pub mod wait_status {
    /// Of a process that goes on.
    pub const CONTINUED: u32 = 0xffff;
    const STOPPED: u32 = 0x7f;

    /// Of a process that a signal stopped.
    #[must_use]
    pub const fn stopped(signal: u32) -> u32 {
        signal << 8 | STOPPED
    }

    /// The status of an end, as a process tells it of itself: an exit code or a signal, which may have left a dump. What is none of these is
    /// an end by `SIGKILL`.
    #[must_use]
    pub const fn of_end(told: u32) -> u32 {
        const KILLED: u32 = 9;
        const SIGNALS: u32 = 64;
        match told {
            _ if told & !0xff00 == 0 => told,
            _ if told & !0xff == 0 && 1 <= told & 0x7f && told & 0x7f <= SIGNALS => told,
            _ => KILLED,
        }
    }

    /// `si_code` and `si_status` of what a status says.
    #[must_use]
    pub const fn explain(status: u32) -> (i32, u32) {
        const CLD_EXITED: i32 = 1;
        const CLD_KILLED: i32 = 2;
        const CLD_DUMPED: i32 = 3;
        const CLD_STOPPED: i32 = 5;
        const CLD_CONTINUED: i32 = 6;
        const SIGCONT: u32 = 18;
        const DUMPED: u32 = 0x80;
        match status {
            CONTINUED => (CLD_CONTINUED, SIGCONT),
            _ if status & 0xff == STOPPED => (CLD_STOPPED, status >> 8),
            _ if status & 0x7f == 0 => (CLD_EXITED, status >> 8 & 0xff),
            _ if status & DUMPED != 0 => (CLD_DUMPED, status & 0x7f),
            _ => (CLD_KILLED, status & 0x7f),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn nobody_ends_by_being_stopped_or_by_going_on() {
            for end in [0, 7 << 8, 0xff00, 9, 11 | 0x80, 64] {
                assert_eq!(of_end(end), end);
            }
            for lie in [CONTINUED, stopped(19), STOPPED, 65, 0x80, 9 | 1 << 8, 1 << 16, u32::MAX] {
                assert_eq!(of_end(lie), 9);
            }
        }

        #[test]
        fn a_status_says_what_happened() {
            assert_eq!(explain(7 << 8), (1, 7));
            assert_eq!(explain(9), (2, 9));
            assert_eq!(explain(11 | 0x80), (3, 11));
            assert_eq!(explain(stopped(20)), (5, 20));
            assert_eq!(explain(CONTINUED), (6, 18));
        }
    }
}

/// Bytes that a signal takes in the mailbox: what is kept of a `siginfo_t`, and the thread that it is for (0: any) as eight more.
pub const SIGNAL_BYTES: usize = 56;
