//! Images of the library OS and of unixd: what the build tool makes of an ELF file, and who starts an environment maps.
//!
//! The module is one header page and then the image, page for page as it is to be in memory: relocated to its one address, so that
//! the frames of its text are the same in every process. The image's own first page is its ELF header, as a vDSO has it.

use abi::{CloneMode, CloneRange, EnvId, PAGE_SIZE, Rights, Segment};
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

/// Map the image of `module`, whose bytes are here, into an environment with nothing at its place; gives its entry point. Text is
/// shared, data is copied.
///
/// # Errors
/// The kernel's, of `page_map` and `page_clone`.
///
/// # Panics
/// If the module is not of this format.
pub fn map_into(env: EnvId, module: &'static [u8]) -> crate::Result<u64> {
    // SAFETY: modules are page-aligned, and the header is plain integers.
    let header = unsafe { &*module.as_ptr().cast::<LibosHeader>() };
    assert!(header.magic == LIBOS_MAGIC && header.base == LIBOS_BASE, "not an image of this format");
    let first = module.as_ptr() as usize + PAGE_SIZE;
    for segment in header.segments.iter().filter(|segment| segment.pages > 0) {
        let offset = segment.page as usize * PAGE_SIZE;
        let (source, target) = (first + offset, LIBOS_BASE as usize + offset);
        let rights = Rights::from_bits_truncate(segment.rights);
        if rights.contains(Rights::WRITE) {
            let (source, target, mode) = (source as u64, target as u64, CloneMode::Copy as u64);
            crate::page_clone(env, &[CloneRange { source, target, pages: segment.pages, mode }])?;
        } else {
            crate::page_map(env, target, source, segment.pages as usize, rights)?;
        }
    }
    Ok(header.entry)
}
