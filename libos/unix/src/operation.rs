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

    // The tree of files: 0x40. Handles are the process's own. A request's large argument is a handle to be released first, plus one; 0: none.
    /// `(from, root; length, last, links; -; path) → WalkAnswer; attributes`. Walk a path.
    Walk = 0x40,
    /// `(from, root; length, permissions; flags; path) → WalkAnswer`. Walk a path and open, or make, what it leads to.
    Open = 0x41,
    /// `(handle) → ; attributes`.
    Attributes = 0x42,
    /// `(handle) → magic, blocks, free, inodes`. What statfs(2) tells.
    Statistics = 0x43,
    /// `(handle, from, room) → bytes; records`. A directory's names.
    List = 0x44,
    /// `(directory; lengths of name and target, kind; permissions, special; name, target) → handle`. Make an inode with a name.
    Create = 0x45,
    /// `(directory; length of a name, permissions; -; name) → handle`. Make a regular file that is in no directory.
    CreateUnnamed = 0x46,
    /// `(directory, node, length; name)`. One name more.
    Link = 0x47,
    /// `(directory, directory's name is meant, length; name)`. One name less.
    Unlink = 0x48,
    /// `(from, to; lengths; how; names)`. Move a name.
    Rename = 0x49,
    /// `(handle) → bytes; path`. Where a symbolic link leads.
    Target = 0x4a,
    /// `(handle; which; -; words)`. Change what an inode says of itself.
    Change = 0x4b,
    /// `(handle, size)`. Cut or stretch the contents.
    Resize = 0x4c,
    /// `(handle) → bytes, removed; path`. Where an entry is.
    Path = 0x4d,
    /// `(handle, access) → OpenAnswer`. Open what an entry names.
    OpenEntry = 0x4e,
    /// `(count; -; -; handles)`. Give handles up.
    Release = 0x4f,
    /// `(handle; page, pages, purpose; address) → pages, writable`. Map pages of an open file into the process's windows. Words only.
    MapFile = 0x50,
    /// `(handle, offset or END, length; bytes) → bytes, offset behind them`.
    WriteFile = 0x51,
    /// `(handle; mode; offset; length)`. fallocate(2).
    Allocate = 0x52,
    /// `(handle, offset, what) → offset`. The next data or hole.
    Seek = 0x53,
    /// `(handle)`. The file was read: its time of access is to be set. Words only.
    NoteRead = 0x54,
    /// `(handle, generation) → generation, first page, last page and whether cut`. What happened to its pages after a generation. Words only.
    Moved = 0x55,
    /// `(handle, page) → whether it is no hole`. Words only.
    IsPresent = 0x56,
    /// `(handle) → bytes`. How much was prepared for executable mappings of the file; 0: nothing, or nothing any more. Words only.
    Overlay = 0x57,
    /// `(handle, address) → pages`. Map what was prepared. Words only.
    MapOverlay = 0x58,
    /// `() → OpenAnswer`. Open what standard input reads in a batch run.
    OpenInput = 0x59,
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
