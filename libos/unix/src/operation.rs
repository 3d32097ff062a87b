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
    /// `(status)`. The process ends with a wait status. There is no answer.
    Exit = 0x01,
    /// `(frames) → frames granted`. Raise the quota by at least so many. `ENOMEM`: it is not to have them.
    MoreFrames = 0x02,
    /// From `unixd`'s own second context: something may have happened that no process says (a death, an interrupt, a deadline).
    Look = 0x03,
    // Files and objects: 0x80. A handle is in the argument of 32 bits.
    /// `(handle; offset, bytes) → bytes`, in the mailbox. `EAGAIN`: none yet; the process is told when it may try again.
    Read = 0x80,
    /// `(handle; offset or u64::MAX for the end, bytes) → bytes, offset behind them`, from the mailbox. `EAGAIN` as for `Read`.
    Write = 0x81,
    /// `(handle; small: whether to be told of a change) → poll(2)'s bits`.
    Readiness = 0x82,
    /// `(handle; ioctl(2)'s request, its argument, bytes that go in and bytes that come out << 32) → value`; the bytes are in the mailbox.
    Control = 0x83,
    /// `(handle; small: how many more, at most six; two of them in a word)`. The process does not hold them any more.
    Release = 0x84,
    /// `(handle; size)`: ftruncate(2).
    Truncate = 0x85,
    /// `(handle)`: fsync(2).
    Sync = 0x86,
    /// `(handle) → another handle` of the same open file.
    Duplicate = 0x87,
    /// `(handle; access, as 1 for reading and 2 for writing) → a handle` of the same inode, opened again.
    Reopen = 0x8b,
    /// `(inode's number, capacity) → handle of the reading end | handle of the writing end << 32`: a pipe.
    MakePipe = 0x88,
    /// `(inode's number, count; small: whether a read takes 1) → handle`: an eventfd(2).
    MakeEvent = 0x89,
    /// `(handle; capacity, or 0 to leave it) → capacity`: `F_SETPIPE_SZ`, `F_GETPIPE_SZ`.
    PipeCapacity = 0x8a,
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
