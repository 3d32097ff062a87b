//! Where the kernel sees memory. The lower half of every address space is the user's; the upper half is the same in all:
//!
//! | address | what |
//! |---|---|
//! | `0xffff_8000_0000_0000` | direct map: all RAM, never executable; the interrupt controllers, uncached |
//! | `0xffff_ffff_8020_0000` | the kernel's image (`linkers/x86_64.ld`): text executable, the rest not, text and constants read-only |
//!
//! Both are global: a switch of address space leaves their translations.

use x86_64::registers::control::{Cr3, Cr3Flags};
use x86_64::structures::paging::{FrameAllocator, Mapper, OffsetPageTable, Page, PageTable, PageTableFlags as Flags};
use x86_64::structures::paging::{PhysFrame, Size2MiB, Size4KiB};
use x86_64::{PhysAddr, VirtAddr};

use super::apic::{IO_APICS, LOCAL_APIC};
use crate::{Boot, FrameRange};

/// Where the direct map begins. It has one entry of the root table to itself: 512 GiB.
pub(super) const DIRECT_MAP: u64 = 0xffff_8000_0000_0000;
/// What the direct map has room for, in frames.
pub(super) const DIRECT_FRAMES: u64 = 1 << (39 - 12);
/// Difference between the addresses that the image is linked and loaded at.
pub(super) const IMAGE_OFFSET: u64 = 0xffff_ffff_8000_0000;
/// Entries of a root table that the direct map and the image are in.
const KERNEL_ENTRIES: [usize; 2] = [256, 511];
/// Frames in a large page.
const LARGE: u64 = 1 << 9;

// From the linker script: bounds of what is mapped alike. The page below the stack stays unmapped.
unsafe extern "C" {
    static chitin_text: u8;
    static chitin_constants: u8;
    static chitin_data: u8;
    static chitin_guard: u8;
    static chitin_stack: u8;
    static chitin_end: u8;
}

/// Physical memory, in the direct map.
pub(super) fn direct(physical: u64) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut((DIRECT_MAP + physical) as usize)
}

/// Load a root table, by its physical address.
pub(super) fn load_root(root: u64) {
    // SAFETY: every root table is a frame of RAM and has the kernel's half, from `map` or `share`, and so maps the code that runs, its stack
    // and data.
    unsafe { Cr3::write(PhysFrame::from_start_address_unchecked(PhysAddr::new_unsafe(root)), Cr3Flags::empty()) };
}

/// Copy the kernel's half from one root table to another, both by their frames.
pub(super) fn share(from: u64, to: u64) {
    let [from, to] = [from, to].map(|table| direct(table << 12).cast::<u64>());
    for index in KERNEL_ENTRIES {
        // SAFETY: callers name root tables, and nobody else uses these entries.
        unsafe { to.add(index).write(from.add(index).read()) };
    }
}

/// The number of the next frame after the kernel's image that is no table yet.
struct Tables(u64);

// SAFETY: QEMU loads the boot image at the end of RAM below 4 GiB, so that nothing uses what is after the kernel. Each frame is given once.
unsafe impl FrameAllocator<Size4KiB> for Tables {
    fn allocate_frame(&mut self) -> Option<PhysFrame> {
        self.0 += 1;
        PhysFrame::from_start_address(PhysAddr::new((self.0 - 1) << 12)).ok()
    }
}

/// Leave the boot tables for ones that map all of `boot.memory`, and reserve the image's and the tables' frames.
///
/// # Panics
/// If there is no room for the tables (a frame per GiB, and a few) between the kernel's image and the boot image.
pub(super) fn map(boot: &mut Boot) {
    const DATA: Flags = Flags::WRITABLE.union(Flags::NO_EXECUTE);
    const KEPT: Flags = Flags::PRESENT.union(Flags::GLOBAL);
    const TABLE: Flags = Flags::PRESENT.union(Flags::WRITABLE);
    const REGISTERS: Flags = DATA.union(Flags::NO_CACHE).union(Flags::WRITE_THROUGH);
    let bounds = [&raw const chitin_text, &raw const chitin_constants, &raw const chitin_data, &raw const chitin_guard];
    let [text, constants, data, guard] = bounds.map(|bound| bound.addr() as u64);
    let [stack, end] = [&raw const chitin_stack, &raw const chitin_end].map(|bound| bound.addr() as u64);
    let root = (end - IMAGE_OFFSET) >> 12;
    let mut tables = Tables(root + 1);
    // SAFETY: the frame is nobody's, as those of `Tables` are, and the boot tables map it.
    let table = unsafe { &mut *direct(root << 12).cast::<PageTable>() };
    table.zero();
    // SAFETY: tables that `Tables` gives are in the first GiB, which the boot tables map in the direct map.
    let mut mapper = unsafe { OffsetPageTable::new(table, VirtAddr::new(DIRECT_MAP)) };
    let memory = boot.memory.iter().map(|range| (range.first, range.first + range.count, DATA));
    let registers = [LOCAL_APIC, IO_APICS[0], IO_APICS[1]].map(|address| (address >> 12, (address >> 12) + 1, REGISTERS));
    for (first, end, flags) in memory.chain(registers) {
        for physical in (first / LARGE..end.div_ceil(LARGE)).map(|page| (page * LARGE) << 12) {
            let page: Page<Size2MiB> = Page::containing_address(VirtAddr::new(DIRECT_MAP + physical));
            let frame = PhysFrame::containing_address(PhysAddr::new(physical));
            // Two ranges may share a large page, which then is mapped already.
            // SAFETY: nothing runs by these tables yet.
            let _ = unsafe { mapper.map_to_with_table_flags(page, frame, flags | KEPT, TABLE, &mut tables) };
        }
    }
    let parts = [(text, constants, Flags::empty()), (constants, data, Flags::NO_EXECUTE), (data, guard, DATA), (stack, end, DATA)];
    for (first, end, flags) in parts {
        for address in (first..end).step_by(4096) {
            let page: Page<Size4KiB> = Page::containing_address(VirtAddr::new(address));
            let frame = PhysFrame::containing_address(PhysAddr::new(address - IMAGE_OFFSET));
            // SAFETY: likewise.
            let mapped = unsafe { mapper.map_to_with_table_flags(page, frame, flags | KEPT, TABLE, &mut tables) };
            mapped.expect("the image's pages are apart").ignore();
        }
    }
    let image = (text - IMAGE_OFFSET) >> 12;
    assert!(tables.0 <= boot.image.first, "no room for page tables");
    load_root(root << 12);
    boot.reserved.push(FrameRange { first: image, count: tables.0 - image });
}
