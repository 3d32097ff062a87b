//! How a message of a socket lies in the mailbox, and what a handle can be.

/// Where the socket's name is: at most [`NAME_MOST`] bytes.
pub const NAME: usize = 0;
/// The most bytes of a name: `sun_path`'s.
pub const NAME_MOST: usize = 108;
/// Bytes of a name of the Internet: an address of IPv6, or of IPv4 mapped into those, and a port, its high byte first.
pub const ENDPOINT_BYTES: usize = 18;
/// Where the credentials are: process, user and group, a word of 32 bits each.
pub const CREDENTIALS: usize = 112;
/// Where the handles are that go along, a word of 32 bits each.
pub const RIGHTS: usize = 128;
/// The most handles that go along (`SCM_MAX_FD`).
pub const RIGHTS_MOST: usize = 253;
/// Where the handle of what a path's name leads to is that a message is sent to, a word of 32 bits.
pub const PLACE: usize = 1200;
/// No handle of such a place: the name is none of a path.
pub const NO_PLACE: u32 = u32::MAX;
/// Where the bytes are.
pub const BYTES: usize = 2048;
/// The most bytes at a time.
pub const BYTES_MOST: usize = crate::MAILBOX_BYTES - BYTES;
/// The most bytes of a message: what a socket's buffer may hold.
pub const MESSAGE_MOST: usize = 425_984;

/// The number of an inode that is in no file system: each process has its own, and counts them.
#[must_use]
pub const fn inode_of(process: u32, number: u64) -> u64 {
    (process as u64) << 32 | number & 0xffff_ffff
}

/// What a handle is, for who got it from elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Object {
    /// A file of the tree.
    File = 0,
    /// An end of a pipe.
    Pipe = 1,
    /// An eventfd(2).
    Event = 2,
    /// A socket.
    Socket = 3,
    /// A message queue.
    Queue = 4,
    /// An instance of inotify(7).
    Notices = 5,
    /// A terminal.
    Terminal = 6,
}

impl Object {
    /// The one with a number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Object> {
        match number {
            0 => Some(Object::File),
            1 => Some(Object::Pipe),
            2 => Some(Object::Event),
            3 => Some(Object::Socket),
            4 => Some(Object::Queue),
            5 => Some(Object::Notices),
            6 => Some(Object::Terminal),
            _ => None,
        }
    }
}
