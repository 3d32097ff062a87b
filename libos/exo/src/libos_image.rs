//! Images of the library OS and of unixd: what the build tool makes of an ELF file, and who starts an environment maps.
//!
//! The module is one header page and then the image's segments, one behind the other, page for page as they are to be in memory: relocated to
//! its one address, so that the frames of its text are the same in every process. The image's own first page is its ELF header, as a vDSO has
//! it. What is only read or run lies in the image's first 2 MiB, what is written to behind them.

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
    /// Pages in all segments, zeroed data included.
    pub pages: u64,
    /// The segments, page numbers counted from the image's first page; unused ones have no pages. Writable ones are to be copied for
    /// each process, all others shared.
    pub segments: [Segment; LIBOS_SEGMENTS],
}
const_assert!(size_of::<LibosHeader>() <= abi::PAGE_SIZE);

impl LibosHeader {
    /// The header of a module.
    ///
    /// # Panics
    /// If the module is not of this format.
    #[must_use]
    pub fn of(module: &'static [u8]) -> &'static LibosHeader {
        // SAFETY: modules are page-aligned, and the header is plain integers.
        let header = unsafe { &*module.as_ptr().cast::<LibosHeader>() };
        assert!(header.magic == LIBOS_MAGIC && header.base == LIBOS_BASE, "not an image of this format");
        header
    }

    /// The segments, and where in the module their bytes begin.
    pub fn placed(&self) -> impl Iterator<Item = (Segment, usize)> {
        let segments = self.segments.into_iter().filter(|segment| segment.pages > 0);
        segments.scan(PAGE_SIZE, |next, segment| {
            let offset = *next;
            *next += segment.pages as usize * PAGE_SIZE;
            Some((segment, offset))
        })
    }
}

/// Whether a segment is copied for each process.
#[must_use]
pub fn is_copied(segment: &Segment) -> bool {
    Rights::from_bits_truncate(segment.rights).contains(Rights::WRITE)
}

/// Map the image of `module`, whose bytes are here, into an environment with nothing at its place; gives its entry point. Data is copied;
/// the rest is shared: from the large page at `shared` here, if there is one.
///
/// # Errors
/// The kernel's, of `page_map` and `page_clone`.
///
/// # Panics
/// If the module is not of this format.
pub fn map_into(env: EnvId, module: &'static [u8], shared: Option<usize>) -> crate::Result<u64> {
    let header = LibosHeader::of(module);
    if let Some(source) = shared {
        let (source, pages, mode) = (source as u64, abi::LARGE_PAGES as u64, CloneMode::Share as u64);
        crate::page_clone(env, &[CloneRange { source, target: LIBOS_BASE, pages, mode }])?;
    }
    for (segment, offset) in header.placed() {
        let (source, target) = (module.as_ptr() as usize + offset, LIBOS_BASE as usize + segment.page as usize * PAGE_SIZE);
        if is_copied(&segment) {
            let (source, target, mode) = (source as u64, target as u64, CloneMode::Copy as u64);
            crate::page_clone(env, &[CloneRange { source, target, pages: segment.pages, mode }])?;
        } else if shared.is_none() {
            crate::page_map(env, target, source, segment.pages as usize, Rights::from_bits_truncate(segment.rights))?;
        }
    }
    Ok(header.entry)
}
