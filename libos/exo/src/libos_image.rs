//! The library OS's image: what the build tool makes of its ELF file, and who starts a Linux process maps.
//!
//! The module is one header page and then the image, page for page as it is to be in memory: relocated to its one address, so that
//! the frames of its text are the same in every process. The image's own first page is its ELF header, as a vDSO has it.

use abi::Segment;
use static_assertions::const_assert;

/// Where every process has the image.
pub const LIBOS_BASE: u64 = 0x7e00_0000_0000;
/// `b"CHITINLO"`, little-endian.
pub const LIBOS_MAGIC: u64 = u64::from_le_bytes(*b"CHITINLO");
/// Segments at most.
pub const LIBOS_SEGMENTS: usize = 8;

/// The module's first bytes; the image begins one page after them.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct LibosHeader {
    /// [`LIBOS_MAGIC`].
    pub magic: u64,
    /// The address that the image is relocated to: [`LIBOS_BASE`].
    pub base: u64,
    /// Address of the entry point.
    pub entry: u64,
    /// Pages in the image, zeroed data included.
    pub pages: u64,
    /// The segments, page numbers counted from the image's first page; unused ones have no pages. Writable ones are to be copied for
    /// each process, all others shared.
    pub segments: [Segment; LIBOS_SEGMENTS],
}
const_assert!(size_of::<LibosHeader>() <= abi::PAGE_SIZE);
