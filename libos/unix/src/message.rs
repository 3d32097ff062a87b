//! How a message of a socket lies in the mailbox, and what a handle can be.

/// Where the socket's name is: at most [`NAME_MOST`] bytes.
pub const NAME: usize = 0;
/// The most bytes of a name: `sun_path`'s.
pub const NAME_MOST: usize = 108;
/// Where the credentials are: process, user and group, a word of 32 bits each.
pub const CREDENTIALS: usize = 112;
/// Where the handles are that go along, a word of 32 bits each.
pub const RIGHTS: usize = 128;
/// The most handles that go along (`SCM_MAX_FD`).
pub const RIGHTS_MOST: usize = 253;
/// Where the device and the inode of a path's name are that a message is sent to, a word of 64 bits each.
pub const INODE: usize = 1200;
/// Where the bytes are.
pub const BYTES: usize = 2048;
/// The most bytes at a time.
pub const BYTES_MOST: usize = crate::MAILBOX_BYTES - BYTES;
/// The most bytes of a message: what a socket's buffer may hold.
pub const MESSAGE_MOST: usize = 425_984;

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
    /// A terminal.
    Terminal = 5,
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
            5 => Some(Object::Terminal),
            _ => None,
        }
    }
}
