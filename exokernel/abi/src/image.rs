//! The boot image: what the build tool lays out and the first environment is.
//!
//! The whole file is mapped at [`IMAGE_BASE`] in the first environment, page for page: the header's page, the program's segments
//! as they are to be in memory, its stack, and modules (a library OS, an initramfs) that mean nothing to the kernel.

use static_assertions::const_assert;

/// Where the image's first page is mapped in the first environment.
pub const IMAGE_BASE: u64 = 0x0000_7c00_0000_0000;
/// `b"CHITIN\0\x01"`, little-endian: the last byte is the format's version.
pub const IMAGE_MAGIC: u64 = u64::from_le_bytes(*b"CHITIN\0\x01");
/// Segments at most.
pub const IMAGE_SEGMENTS: usize = 8;
/// Modules at most.
pub const IMAGE_MODULES: usize = 16;

/// A run of pages of the image with the same rights. Pages in no segment are mapped with [`crate::Rights::READ_WRITE`].
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Segment {
    /// First page, counted from the image's start.
    pub page: u64,
    /// How many.
    pub pages: u64,
    /// [`crate::Rights`].
    pub rights: u64,
}

/// A named stretch of the image.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Module {
    /// UTF-8, padded with zeros.
    pub name: [u8; 16],
    /// Bytes from the image's start; a multiple of the page size.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

/// The image's first bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ImageHeader {
    /// [`IMAGE_MAGIC`].
    pub magic: u64,
    /// Pages in the image.
    pub pages: u64,
    /// Address of the first instruction.
    pub entry: u64,
    /// The first stack pointer.
    pub stack: u64,
    /// The program's segments; unused ones have no pages.
    pub segments: [Segment; IMAGE_SEGMENTS],
    /// The modules; unused ones have no name.
    pub modules: [Module; IMAGE_MODULES],
}
const_assert!(size_of::<ImageHeader>() <= crate::PAGE_SIZE);
