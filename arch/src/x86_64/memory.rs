//! Where the kernel sees memory. The lower half of every address space is the user's; the upper half is the same in all:
//!
//! | address | what |
//! |---|---|
//! | `0xffff_8000_0000_0000` | direct map: all RAM, never executable; the interrupt controllers, uncached |
//! | `0xffff_ffff_8020_0000` | the kernel's image (`linkers/x86_64.ld`): text executable, the rest not, text and constants read-only |
//!
//! Both are global: a switch of address space leaves their translations.

use core::sync::atomic::{AtomicU64, Ordering};

use x86_64::PhysAddr;
use x86_64::registers::control::{Cr3, Cr3Flags, Cr4, Cr4Flags};
use x86_64::registers::model_specific::{Efer, EferFlags};
use x86_64::structures::paging::{PageTableFlags as Flags, PhysFrame};

use super::apic::{IO_APICS, LOCAL_APIC};
use crate::{Boot, FrameRange, TABLE_ENTRIES};

/// Where the direct map begins. It has one entry of the root table to itself: 512 GiB.
pub(super) const DIRECT_MAP: u64 = 0xffff_8000_0000_0000;
/// What the direct map has room for, in frames.
pub(super) const DIRECT_FRAMES: u64 = 1 << (39 - 12);
/// Difference between the addresses that the image is linked and loaded at.
pub(super) const IMAGE_OFFSET: u64 = 0xffff_ffff_8000_0000;
const DIRECT_ENTRY: usize = 256;
const IMAGE_ENTRY: usize = 511;
/// Frames in a large and in a huge page.
const LARGE: u64 = 1 << 9;
const HUGE: u64 = 1 << 18;

/// Physical address of the root table that has the kernel's half and nothing else.
static KERNEL_ROOT: AtomicU64 = AtomicU64::new(0);

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
#[inline]
pub(super) fn direct(physical: u64) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut((DIRECT_MAP + physical) as usize)
}

/// See [`KERNEL_ROOT`].
pub(super) fn kernel_root() -> u64 {
    KERNEL_ROOT.load(Ordering::Relaxed)
}

/// Copy the kernel's half into the root table in frame `root`.
pub(super) fn init_root(root: u64) {
    for entry in [DIRECT_ENTRY, IMAGE_ENTRY] {
        *entry_of(root, entry) = *entry_of(kernel_root() >> 12, entry);
    }
}

/// An entry of a table, by the table's frame.
fn entry_of<'a>(table: u64, index: usize) -> &'a mut u64 {
    assert!(index < TABLE_ENTRIES);
    // SAFETY: `table` is the frame of a page table, in the direct map; references made here live for one expression.
    unsafe { &mut *direct(table << 12).cast::<u64>().add(index) }
}

/// Takes frames after the kernel's image for its tables.
struct Tables {
    next: u64,
}

impl Tables {
    fn new_table(&mut self) -> u64 {
        let table = self.next;
        self.next += 1;
        // SAFETY: `map` checked that the frame is RAM that nothing else uses, and the boot tables map it.
        unsafe { direct(table << 12).write_bytes(0, 4096) };
        table
    }

    /// The table below an entry.
    fn below(&mut self, table: u64, index: usize) -> u64 {
        if *entry_of(table, index) == 0 {
            *entry_of(table, index) = self.new_table() << 12 | (Flags::PRESENT | Flags::WRITABLE).bits();
        }
        *entry_of(table, index) >> 12
    }

    /// Map part of the direct map, in the largest pages that the CPU has and `range` fills.
    fn map_direct(&mut self, root: u64, range: FrameRange, huge: bool, flags: Flags) {
        let flags = (flags | Flags::PRESENT | Flags::WRITABLE | Flags::GLOBAL | Flags::NO_EXECUTE | Flags::HUGE_PAGE).bits();
        let end = range.first + range.count;
        let directory = self.below(root, DIRECT_ENTRY);
        let mut frame = range.first / LARGE * LARGE;
        while frame < end {
            let index = (frame / HUGE) as usize;
            if huge && frame.is_multiple_of(HUGE) && frame >= range.first && end - frame >= HUGE {
                *entry_of(directory, index) = frame << 12 | flags;
                frame += HUGE;
            } else {
                let table = self.below(directory, index);
                *entry_of(table, (frame / LARGE) as usize % TABLE_ENTRIES) = frame << 12 | flags;
                frame += LARGE;
            }
        }
    }

    /// Map the kernel's image, page by page, all of it below one page table.
    fn map_image(&mut self, root: u64) {
        let bounds = [&raw const chitin_text, &raw const chitin_constants, &raw const chitin_data, &raw const chitin_guard];
        let [text, constants, data, guard] = bounds.map(|bound| bound.addr() as u64);
        let (stack, end) = ((&raw const chitin_stack).addr() as u64, (&raw const chitin_end).addr() as u64);
        let read_only = Flags::PRESENT | Flags::GLOBAL;
        let writable = read_only | Flags::WRITABLE | Flags::NO_EXECUTE;
        let parts = [
            (text, constants, read_only),
            (constants, data, read_only | Flags::NO_EXECUTE),
            (data, guard, writable),
            (stack, end, writable),
        ];
        for (first, end, flags) in parts {
            for address in (first..end).step_by(4096) {
                let index = |level: u64| (address >> (12 + 9 * level)) as usize % TABLE_ENTRIES;
                let directory = self.below(root, IMAGE_ENTRY);
                let middle = self.below(directory, index(2));
                let table = self.below(middle, index(1));
                *entry_of(table, index(0)) = (address - IMAGE_OFFSET) | flags.bits();
            }
        }
    }
}

/// Leave the boot tables for ones that map all of `boot.memory`, and reserve the image's and the tables' frames. `huge`: the CPU has
/// 1 GiB pages.
///
/// # Panics
/// If the RAM after the image has no room for the tables: a frame per GiB, or near that.
pub(super) fn map(boot: &mut Boot, huge: bool) {
    let image = ((&raw const chitin_text).addr() as u64 - IMAGE_OFFSET) >> 12;
    let mut tables = Tables { next: ((&raw const chitin_end).addr() as u64 - IMAGE_OFFSET) >> 12 };
    let top = boot.memory.iter().map(|range| range.first + range.count).max().unwrap_or(0);
    let most = tables.next + top.max(4 * HUGE).div_ceil(HUGE) + 6;
    let holder = boot.memory.iter().find(|range| range.first <= image && most <= range.first + range.count);
    assert!(holder.is_some() && (most <= boot.image.first || boot.image.first + boot.image.count <= image), "no room for page tables");
    let root = tables.new_table();
    // SAFETY: only flags that every 64-bit CPU with NX has; `start` asked for NX.
    unsafe { Efer::update(|efer| efer.insert(EferFlags::NO_EXECUTE_ENABLE)) };
    for &range in &boot.memory {
        tables.map_direct(root, range, huge, Flags::empty());
    }
    let registers = IO_APICS.map(|(address, _)| address).into_iter().chain([LOCAL_APIC]);
    for address in registers {
        let range = FrameRange { first: address >> 12, count: 1 };
        tables.map_direct(root, range, false, Flags::NO_CACHE | Flags::WRITE_THROUGH);
    }
    tables.map_image(root);
    // SAFETY: the new tables map the code that runs, its stack and data where they were.
    unsafe {
        Cr3::write(PhysFrame::containing_address(PhysAddr::new_truncate(root << 12)), Cr3Flags::empty());
        Cr4::update(|control| control.insert(Cr4Flags::PAGE_GLOBAL));
    }
    KERNEL_ROOT.store(root << 12, Ordering::Relaxed);
    boot.reserved.push(FrameRange { first: image, count: tables.next - image });
}
