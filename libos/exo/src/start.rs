//! What a process's first environment leaves for the library OS: where things are, and what to run.
//!
//! ```text
//!   0x7dff_0000_0000  the start block, read-only: a `Start`, then the command block
//!   0x7e00_0000_0000  the library OS's image: what is only read or run, in one large page if there is one to be had
//!   0x7e00_0020_0000  its data, and from 0x7e00_0027_0000 on what it maps for itself
//!   0x7e00_002f_1000  its first stack, 60 KiB, nothing mapped below it
//!   0x7e00_0030_0000  its heap
//! ```

use static_assertions::const_assert_eq;

/// Where the start block is mapped.
pub const START_BASE: usize = 0x7dff_0000_0000;
/// Where the library OS's image is mapped: what it is relocated for.
pub const LIBOS_BASE: usize = 0x7e00_0000_0000;
/// The lowest address of the first stack.
pub const STACK_BASE: usize = LIBOS_BASE + 0x2f_1000;
/// Bytes of the first stack.
pub const STACK_BYTES: usize = 0xf000;
/// `b"START\0\0\x02"`, little-endian: the last byte is the layout's version.
pub const START_MAGIC: u64 = u64::from_le_bytes(*b"START\0\0\x02");

/// The start block's first bytes.
///
/// The command block that it points at is three `u32` words (count of arguments, count of environment strings, flags) and then
/// the strings, each ended by a NUL: the arguments, the first of which is the program's path in the guest, then the environment.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Start {
    /// [`START_MAGIC`].
    pub magic: u64,
    /// Where the command block is.
    pub command_address: u64,
    /// Its bytes.
    pub command_length: u64,
    /// Pages of the library OS's image.
    pub libos_pages: u64,
    /// The process's id.
    pub id: u64,
    /// The id of its parent.
    pub parent: u64,
    /// The environment that serves processes: `unixd`.
    pub server: u64,
    /// Zero.
    pub reserved: u64,
}
const_assert_eq!(size_of::<Start>(), 64);

/// Where a process has its id, a word of 32 bits: the first of its identity.
pub const IDENTITY_ADDRESS: usize = 0x7e00_0028_00c8;
