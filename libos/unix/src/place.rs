//! Where a process has the pages that it shares with `unixd`.

/// The [`Bulletin`](crate::Bulletin), read-only.
pub const BULLETIN: usize = 0x7e00_002b_0000;
/// The mailbox.
pub const MAILBOX: usize = 0x7e00_002b_2000;
