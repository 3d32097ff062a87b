//! Where a process has the pages that it shares with `unixd`.

/// The [`Bulletin`](crate::Bulletin), read-only.
pub const BULLETIN: usize = 0x7e00_002b_0000;
/// The mailbox.
pub const MAILBOX: usize = 0x7e00_002b_2000;
/// What is counted of files ([`Changes`](crate::Changes)), read-only.
pub const CHANGES: usize = 0x7e00_0028_1000;
/// The words of open inodes ([`InodeWords`](crate::InodeWords)), read-only.
pub const INODES: usize = 0x7e00_2010_0000;
/// The most pages of them.
pub const INODES_PAGES: usize = 4096;
/// The rings of pipes ([`ring`](crate::ring)): each at one address, in all processes that have it and in `unixd`.
pub const RINGS: usize = 0x7e00_2c00_0000;
/// The most of them.
pub const RINGS_MOST: usize = 512;
/// Where `unixd` maps pages of files when asked for.
pub const WINDOWS: usize = 0x7e00_3000_0000;
/// Bytes of that.
pub const WINDOWS_BYTES: usize = 0x20_0000_0000;
const _: () = assert!(RINGS + RINGS_MOST * crate::ring::RING_STEP <= WINDOWS);
