//! The kernel's half of the address space, TTBR1_EL1: 39 bits, a root of 1 GiB entries.
//!
//! ```text
//! ffff_ffff_c000_0000  the image: text r-x, rodata r--, the rest rw-; its load address is anyone's choice
//! ffff_ff80_0000_0000  the direct map: physical address 0 up to 511 GiB, RAM and the kernel's own devices, rw-
//! ```
//!
//! The 2 MiB around the image are one table, which both windows share: the direct map gives no way to write to text.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use aarch64_cpu::asm::barrier;

use super::paging::{ATTRIBUTE_DEVICE, ATTRIBUTE_NORMAL, encode_kernel};
use crate::{FrameRange, TABLE_ENTRIES};

/// Where the direct map starts.
pub(super) const DIRECT_MAP: u64 = 0xffff_ff80_0000_0000;
/// Bytes of physical addresses that the direct map covers.
pub(super) const DIRECT_MAP_SIZE: u64 = 511 << 30;
/// Bytes that the image's own table covers.
pub(super) const LARGE: u64 = 2 << 20;
const HUGE: u64 = 1 << 30;
/// An entry that names a table.
pub(super) const TABLE: u64 = 0b11;

/// A page table of the kernel's.
#[repr(C, align(4096))]
pub(super) struct Table([AtomicU64; TABLE_ENTRIES]);

impl Table {
    const fn new() -> Self {
        Table([const { AtomicU64::new(0) }; TABLE_ENTRIES])
    }

    /// Its physical address, given where the image was loaded.
    fn physical(&'static self, image: u64) -> u64 {
        core::ptr::from_ref(self) as u64 - (&raw const _head as u64) + image
    }
}

/// The root of the kernel's half.
pub(super) static ROOT: Table = Table::new();
/// The image's window, in 2 MiB entries: only the first is in use.
pub(super) static IMAGE_LARGE: Table = Table::new();
/// The image's pages.
pub(super) static IMAGE_SMALL: Table = Table::new();
/// The user half while the kernel starts: the image and the device tree where they are. Empty afterwards.
pub(super) static IDENTITY: Table = Table::new();
/// Its 1 GiB blocks.
pub(super) static IDENTITY_LARGE: Table = Table::new();

/// Tables for gibibytes of the direct map that are not all of one kind: the devices', the image's, the two ends of RAM, and to spare.
static SPARE: [Table; 8] = [const { Table::new() }; 8];
static SPARE_USED: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" {
    /// The image's first byte (linker script, as all of these).
    static _head: u8;
    /// One past its last, a multiple of the page size.
    static __image_end: u8;
}

/// The direct map's pointer to a physical address.
pub(super) const fn direct(address: u64) -> *mut u8 {
    core::ptr::without_provenance_mut((DIRECT_MAP + address) as usize)
}

/// The frames of the image, with its tables and stack.
pub(super) fn image_frames(image: u64) -> FrameRange {
    let bytes = &raw const __image_end as u64 - (&raw const _head as u64);
    FrameRange { first: image >> 12, count: bytes >> 12 }
}

/// Put RAM into the direct map; gives the part that was, in whole 2 MiB blocks.
pub(super) fn map_memory(image: u64, start: u64, size: u64) -> FrameRange {
    let end = (start.saturating_add(size) & !(LARGE - 1)).min(DIRECT_MAP_SIZE);
    let start = start.next_multiple_of(LARGE).min(end);
    map(image, start, end, ATTRIBUTE_NORMAL);
    FrameRange { first: start >> 12, count: (end - start) >> 12 }
}

/// Put a device's registers into the direct map; gives a pointer to them.
pub(super) fn map_device(image: u64, address: u64, size: u64) -> *mut u8 {
    assert!(address + size <= DIRECT_MAP_SIZE, "a device beyond the direct map");
    map(image, address & !(LARGE - 1), (address + size).next_multiple_of(LARGE), ATTRIBUTE_DEVICE);
    direct(address)
}

/// Map blocks, where nothing is mapped or the same already is.
fn map(image: u64, mut address: u64, end: u64, attribute: u64) {
    while address < end {
        let huge = &ROOT.0[(address / HUGE) as usize];
        let word = huge.load(Ordering::Relaxed);
        if word == 0 && address.is_multiple_of(HUGE) && end - address >= HUGE && address / HUGE != image / HUGE {
            huge.store(encode_kernel(address, attribute, true, false, true), Ordering::Relaxed);
            address += HUGE;
            continue;
        }
        let table = table_for(image, huge, word);
        let block =
            if address == image { IMAGE_SMALL.physical(image) | TABLE } else { encode_kernel(address, attribute, true, false, true) };
        table.0[(address % HUGE / LARGE) as usize].store(block, Ordering::Relaxed);
        address += LARGE;
    }
    barrier::dsb(barrier::ISHST);
    barrier::isb(barrier::SY);
}

/// The table that `word`, the contents of `huge`, names; a new one if it is empty.
fn table_for(image: u64, huge: &AtomicU64, word: u64) -> &'static Table {
    if let Some(table) = SPARE.iter().find(|table| word == table.physical(image) | TABLE) {
        return table;
    }
    assert!(word == 0, "RAM and devices overlap");
    let table = SPARE.get(SPARE_USED.fetch_add(1, Ordering::Relaxed)).expect("RAM or devices in too many places");
    huge.store(table.physical(image) | TABLE, Ordering::Relaxed);
    table
}

/// Take the identity map away: no user address means anything afterwards. Gives the root, now empty, for `TTBR0_EL1`.
pub(super) fn forget_identity(image: u64) -> u64 {
    IDENTITY.0[0].store(0, Ordering::Relaxed);
    super::cpu::flush_all();
    IDENTITY.physical(image)
}
