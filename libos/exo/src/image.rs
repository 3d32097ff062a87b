//! The boot image, as the first environment sees it.

use abi::{IMAGE_BASE, IMAGE_MAGIC, ImageHeader};

/// The module that holds mount options of the root file system.
pub const ROOT_OPTIONS: &str = "rootflags";

/// The image's header.
///
/// # Panics
/// Outside the first environment, where no image is mapped, this faults; a header of another format panics.
#[must_use]
pub fn header() -> &'static ImageHeader {
    // SAFETY: the kernel maps the image at IMAGE_BASE before the first environment's first instruction, and the magic is checked.
    let header = unsafe { &*(IMAGE_BASE as *const ImageHeader) };
    assert!(header.magic == IMAGE_MAGIC, "not a boot image of this format");
    header
}

/// A module's bytes, by name.
#[must_use]
pub fn module(name: &str) -> Option<&'static [u8]> {
    let found = header().modules.iter().find(|module| {
        let end = module.name.iter().position(|&byte| byte == 0).unwrap_or(module.name.len());
        &module.name[..end] == name.as_bytes()
    })?;
    // SAFETY: the build tool put the module inside the image, all of which is mapped readable.
    Some(unsafe { core::slice::from_raw_parts((IMAGE_BASE + found.offset) as *const u8, found.length as usize) })
}
