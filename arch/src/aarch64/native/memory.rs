//! The kernel's half of the address space, TTBR1_EL1: 39 bits, a root of 1 GiB entries.
//!
//! ```text
//! ffff_ffff_c000_0000  the image: text r-x, rodata r--, the rest rw-; its load address is anyone's choice
//! ffff_ff80_0000_0000  the direct map: physical address 0 up to 511 GiB, RAM and the kernel's own devices, rw-
//! ```
//!
//! The 2 MiB around the image are one table, which both windows share: the direct map gives no way to write to text.

use core::sync::atomic::{AtomicU64, Ordering};

use aarch64_cpu::registers::{ReadWriteable, TCR_EL1};

use super::tree::Window;
use crate::aarch64::paging::{ADDRESS, ATTRIBUTE_DEVICE, ATTRIBUTE_NORMAL, TABLE, encode_kernel};
use crate::{FrameRange, TABLE_ENTRIES};

/// Where the direct map starts.
const DIRECT_MAP: u64 = 0xffff_ff80_0000_0000;
/// Bytes of physical addresses that the direct map covers.
const DIRECT_MAP_SIZE: u64 = 511 << 30;
/// Bytes that the image's own table covers.
const LARGE: u64 = 2 << 20;
const HUGE: u64 = 1 << 30;

/// A page table of the kernel's.
#[repr(C, align(4096))]
pub(super) struct Table([AtomicU64; TABLE_ENTRIES]);

impl Table {
    const fn new() -> Self {
        Table([const { AtomicU64::new(0) }; TABLE_ENTRIES])
    }

    /// Its physical address.
    pub(super) fn address(&'static self) -> u64 {
        core::ptr::from_ref(self) as u64 - (&raw const _head as u64) + image()
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

/// Tables for gibibytes of the direct map that are not all of one kind: the devices', the image's, the two ends of RAM, and to spare.
static SPARE: [Table; 8] = [const { Table::new() }; 8];

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

/// Where the image was loaded.
fn image() -> u64 {
    IMAGE_SMALL.0[0].load(Ordering::Relaxed) & ADDRESS
}

/// The frames that a range of bytes touches.
pub(super) fn frames((start, size): Window) -> FrameRange {
    let first = start >> 12;
    FrameRange { first, count: (start + size).div_ceil(abi::PAGE_SIZE as u64) - first }
}

/// The frames of the image, with its tables and stack.
pub(super) fn image_frames() -> FrameRange {
    frames((image(), &raw const __image_end as u64 - (&raw const _head as u64)))
}

/// Put RAM into the direct map; gives the part that was, in whole 2 MiB blocks.
pub(super) fn map_memory((start, size): Window) -> FrameRange {
    let end = (start.saturating_add(size) & !(LARGE - 1)).min(DIRECT_MAP_SIZE);
    let start = start.next_multiple_of(LARGE).min(end);
    map(start, end, ATTRIBUTE_NORMAL);
    frames((start, end - start))
}

/// Put a device's registers into the direct map; gives a pointer to them.
pub(super) fn map_device((address, size): Window) -> *mut u8 {
    assert!(address + size <= DIRECT_MAP_SIZE, "a device beyond the direct map");
    map(address & !(LARGE - 1), (address + size).next_multiple_of(LARGE), ATTRIBUTE_DEVICE);
    direct(address)
}

/// Map blocks, where nothing is mapped or the same already is.
fn map(mut address: u64, end: u64, attribute: u64) {
    while address < end {
        let block = encode_kernel(address, attribute, true, false, true);
        let huge = &ROOT.0[(address / HUGE) as usize];
        let whole = address.is_multiple_of(HUGE) && end - address >= HUGE && address / HUGE != image() / HUGE;
        if whole && huge.load(Ordering::Relaxed) == 0 {
            huge.store(block, Ordering::Relaxed);
            address += HUGE;
        } else {
            let word = if address == image() { IMAGE_SMALL.address() | TABLE } else { block };
            table_of(huge).0[(address % HUGE / LARGE) as usize].store(word, Ordering::Relaxed);
            address += LARGE;
        }
    }
    super::cpu::flush_all();
}

/// The table that an entry of the root names; if it is empty, a table that is empty too, which it then names.
fn table_of(huge: &AtomicU64) -> &'static Table {
    let is_empty = |table: &Table| table.0.iter().all(|entry| entry.load(Ordering::Relaxed) == 0);
    let word = huge.load(Ordering::Relaxed);
    let found = SPARE.iter().find(|table| if word == 0 { is_empty(table) } else { word == table.address() | TABLE });
    let table = found.expect("RAM and devices overlap, or are in too many places");
    huge.store(table.address() | TABLE, Ordering::Relaxed);
    table
}

/// Take the identity map away: no user address means anything afterwards. Its root, now empty, is that of no context.
pub(super) fn forget_identity() {
    IDENTITY.0.iter().for_each(|entry| entry.store(0, Ordering::Relaxed));
    TCR_EL1.modify(TCR_EL1::T0SZ.val(16));
    super::cpu::flush_all();
}
