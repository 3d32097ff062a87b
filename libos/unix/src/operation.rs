//! What can be asked.

/// The operations, their numbers, and the way back.
macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// What a process asks of `unixd`. `→` gives the answer's word 0; refusals are negative errno numbers.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u16)]
        pub enum Operation { $($(#[$doc])* $name = $number,)* }

        impl Operation {
            /// The one with this number.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Operation> {
                match number {
                    $($number => Some(Operation::$name),)*
                    _ => None,
                }
            }
        }
    };
}

operations! {
    // Processes: 0x00.
    /// `(status, most pages resident | page faults << 32)`. The process ends with a wait status. There is no answer.
    Exit = 0x01,
    /// `(frames) → frames granted`. Raise the quota by at least so many. `ENOMEM`: it is not to have them.
    MoreFrames = 0x02,
    /// From `unixd`'s own second context: something may have happened that no process says (a death, an interrupt, a deadline).
    Look = 0x03,
    /// `(small, large: [`Kin`](crate::Kin), frames, environment) → id`. The process is about to make a child of itself of an environment that it made, which needs so many frames
    /// more: they are added to the process's own quota. `EAGAIN`: there are as many processes as there can be. `ENOMEM`: it is not to have
    /// the frames.
    Fork = 0x04,
    /// `(context) → id`. The child is made, and `unixd` is its environment's parent: let it run. `EAGAIN`: there is no memory for what `unixd`
    /// adds to it. `EINVAL`: it is no such child. After an error the environment is gone.
    Forked = 0x05,
    /// `()`. The child could not be made: what `Fork` gave is given back.
    ForkFailed = 0x06,
    /// `(large: id)`. Whether a child has ended, or runs another program: vfork(2). `EAGAIN`: not yet, and a ring tells when to ask again.
    AwaitRelease = 0x07,

    // Their families: 0x10.
    /// `(large: options, whom, thread) → id`, words 1-3: status | user << 32, nanoseconds of the CPU, most pages resident | faults << 32.
    /// Options and whom are [`WaitOptions`](crate::WaitOptions) and [`Whom`](crate::Whom). `EAGAIN`: a ring tells when to ask again. `ECHILD`: there is no such child.
    Wait = 0x10,
    /// `(small: signal, large: id, thread, birth) → 0`, word 1: whether the caller is among those meant, who is left out. As kill(2); with a
    /// thread, as tgkill(2); with a birth, as pidfd_send_signal(2).
    Kill = 0x11,
    /// As `Kill`, with the signal's `siginfo_t` in the mailbox.
    Queue = 0x12,
    /// `() → how many`, word 1: how often the process was sent `SIGCONT`. Take the signals that wait for it, into the mailbox, each
    /// [`SIGNAL_BYTES`](crate::SIGNAL_BYTES).
    TakeSignals = 0x13,
    /// `(small: signal, large: the second word of the last TakeSignals) → 1: the process is stopped; 0: it is to go on`.
    Stop = 0x14,
    /// `(small)`. What the process does about `SIGCHLD`: [`ChildActions`](crate::ChildActions).
    Children = 0x15,
    /// `(large: id, group)`. setpgid(2).
    SetGroup = 0x16,
    /// `(large: id) → group`, word 1: session. 0: the caller's.
    GetGroup = 0x17,
    /// `() → session`. setsid(2).
    SetSession = 0x18,
    /// `(small: [`SetIds`](crate::SetIds), three ids) → 0`, words 1 and 2: real | effective << 32, saved | file's << 32.
    SetIds = 0x19,
    /// `(large: count)`. setgroups(2), the groups in the mailbox.
    SetGroups = 0x1a,
    /// `(small: resource | 0x100 to set it, large: id, soft, hard) → 0`, words 1 and 2: soft and hard limit before. prlimit(2).
    Limit = 0x1b,
    /// `(small: [`Setting`](crate::Setting), large: 1 to set it, value) → value before`.
    Setting = 0x1c,
    /// `(large: id) → birth`. What a pidfd remembers.
    Birth = 0x1d,
    /// `(large: id, birth) → 1: it has ended; 0: not yet, and a ring tells when`.
    HasEnded = 0x1e,
    /// `(large: count) → the first of so many ids in a row`. For threads.
    ReserveIds = 0x1f,
    /// `() → nanoseconds of the CPU`, word 1: most pages resident | faults << 32. Of children that were waited for.
    ChildrenUsage = 0x20,
    /// `(small: 0 a process, 1 a group, 2 a user, large: id) → 20 less the nice value`. getpriority(2).
    Priority = 0x21,
    /// `(small, large: as Priority, nice value)`. setpriority(2).
    SetPriority = 0x22,
    /// `()`. The process executes another program.
    Executed = 0x23,
}

/// A request's four words, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// What is asked.
    pub operation: Operation,
    /// The argument of 16 bits.
    pub small: u16,
    /// The argument of 32 bits.
    pub large: u32,
    /// The other arguments.
    pub words: [u64; 3],
}

impl Request {
    /// A request with words only.
    #[must_use]
    pub const fn new(operation: Operation, words: [u64; 3]) -> Request {
        Request { operation, small: 0, large: 0, words }
    }

    /// As the words of a transfer.
    #[must_use]
    pub const fn pack(self) -> [u64; 4] {
        let first = self.operation as u64 | (self.small as u64) << 16 | (self.large as u64) << 32;
        [first, self.words[0], self.words[1], self.words[2]]
    }

    /// From the words of a transfer; `None`: no such operation.
    #[must_use]
    pub fn unpack(words: [u64; 4]) -> Option<Request> {
        let operation = Operation::from_number(words[0] as u16)?;
        Some(Request { operation, small: (words[0] >> 16) as u16, large: (words[0] >> 32) as u32, words: [words[1], words[2], words[3]] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_survives_its_words() {
        let request = Request { operation: Operation::MoreFrames, small: 7, large: 9, words: [1, 2, u64::MAX] };
        assert_eq!(Request::unpack(request.pack()), Some(request));
        assert_eq!(Request::unpack([0xffff, 0, 0, 0]), None);
    }
}
