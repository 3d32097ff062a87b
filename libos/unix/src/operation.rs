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
    /// `(name's first 8 bytes, the others)`. The process begins a program of this name.
    Executed = 0x10,
    /// From `unixd`'s own second context: something may have happened that no process says (a death, an interrupt, a deadline).
    Look = 0x03,
    /// `(frames, environment) → id`. The process is about to make a child of itself of an environment that it made, which needs so many frames
    /// more: they are added to the process's own quota. `EAGAIN`: there are as many processes as there can be. `ENOMEM`: it is not to have
    /// the frames.
    Fork = 0x04,
    /// `(context) → id`. The child is made, and `unixd` is its environment's parent: let it run. `EAGAIN`: there is no memory for what `unixd`
    /// adds to it. `EINVAL`: it is no such child. After an error the environment is gone.
    Forked = 0x05,
    /// `()`. The child could not be made: what `Fork` gave is given back.
    ForkFailed = 0x06,
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
