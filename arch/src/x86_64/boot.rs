//! From the machine's reset to `kernel_main`.
//!
//! QEMU's `-kernel` finds the PVH note, loads the segments at their physical addresses, and enters in 32-bit protected mode with paging off
//! and the start info's physical address in ebx. (Xen's `docs/misc/pvh.pandoc` and `xen/include/public/arch-x86/hvm/start_info.h`.)

use core::arch::{global_asm, x86_64::__cpuid};

use abi::PAGE_SIZE;

use super::memory::{DIRECT_FRAMES, IMAGE_OFFSET, direct};
use super::{apic, board, clock, cpu::Native, memory};
use crate::{Boot, FrameRange};

const PAE: u32 = 1 << 5;
const EFER: u32 = 0xc000_0080;
const LONG_MODE: u32 = 1 << 8;
const PAGING_AND_PROTECTION: u32 = 1 << 31 | 1;
const PRESENT_WRITABLE: u32 = 0b11;
const LARGE_PAGE: u32 = 1 << 7;
/// A segment descriptor: code, 64 bits, present, ring 0.
const LONG_MODE_CODE: u64 = 0x0020_9a00_0000_0000;
const XEN_ELFNOTE_PHYS32_ENTRY: u32 = 18;

// chitin_start, 32-bit: ebx = physical address of hvm_start_info
//   1. Fill three tables: the first GiB at 0, at the direct map and at the image's address.
//   2. PAE, root table, long mode, paging.
//   3. A far return through the boot GDT into 64-bit code, still at its physical address.
//   4. Go on at the linked address, on the kernel's stack: extern "C" fn chitin_boot(start_info: u64) -> !
global_asm!(
    ".pushsection .note.chitin, \"a\", @note",
    ".balign 4",
    ".long 7f - 6f, 9f - 8f, {physical_entry_32}",
    "6: .asciz \"Xen\"",
    "7: .balign 4",
    "8: .quad chitin_start - {offset}",
    "9: .popsection",
    "",
    ".pushsection .text.chitin_start, \"ax\"",
    ".global chitin_start",
    ".code32",
    "chitin_start:",
    "cld",
    "mov esp, offset chitin_stack_top - {offset}",
    "mov eax, offset chitin_boot_directory - {offset} + {present_writable}",
    "mov [chitin_boot_root - {offset}], eax",
    "mov [chitin_boot_root - {offset} + 256 * 8], eax",
    "mov [chitin_boot_root - {offset} + 511 * 8], eax",
    "mov eax, offset chitin_boot_gib - {offset} + {present_writable}",
    "mov [chitin_boot_directory - {offset}], eax",
    "mov [chitin_boot_directory - {offset} + 510 * 8], eax",
    "mov eax, {present_writable} + {large_page}",
    "mov edi, offset chitin_boot_gib - {offset}",
    "mov ecx, 512",
    "2: mov [edi], eax",
    "add eax, 0x200000",
    "add edi, 8",
    "dec ecx",
    "jnz 2b",
    "mov eax, {pae}; mov cr4, eax",
    "mov eax, offset chitin_boot_root - {offset}; mov cr3, eax",
    "mov ecx, {efer}; rdmsr; or eax, {long_mode}; wrmsr",
    "mov eax, {paging_and_protection}; mov cr0, eax",
    "lgdt [4f - {offset}]",
    "push 8",
    "mov eax, offset chitin_long_mode - {offset}; push eax",
    "retf",
    ".code64",
    "chitin_long_mode:",
    "mov edi, ebx",
    "mov rsp, offset chitin_stack_top",
    "xor ebp, ebp",
    "mov rax, offset chitin_boot",
    "call rax",
    ".balign 8",
    "4: .word 6f - 5f - 1; .long 5f - {offset}",
    ".balign 8",
    "5: .quad 0, {long_mode_code}",
    "6: .popsection",
    "",
    ".pushsection .bss.chitin_boot_tables, \"aw\", @nobits",
    ".balign 4096",
    "chitin_boot_root: .skip 4096",
    "chitin_boot_directory: .skip 4096",
    "chitin_boot_gib: .skip 4096",
    ".popsection",
    offset = const IMAGE_OFFSET, physical_entry_32 = const XEN_ELFNOTE_PHYS32_ENTRY,
    present_writable = const PRESENT_WRITABLE, large_page = const LARGE_PAGE, long_mode_code = const LONG_MODE_CODE,
    pae = const PAE, efer = const EFER, long_mode = const LONG_MODE, paging_and_protection = const PAGING_AND_PROTECTION,
);

const START_MAGIC: u32 = 0x336e_c578;
const RAM: u32 = 1;
/// Frames of the first MiB: firmware's tables and the start info are there, and nothing there is worth having.
const FIRST_MIB: u64 = 256;
/// Where devices may be asked for by number, as far as there is no RAM: `q35`'s configuration space and PCI window, `microvm`'s PCI window
/// and virtio-mmio registers. It ends below the I/O APICs.
const DEVICES: [u64; 2] = [0xb_0000, 0xf_ec00];

unsafe extern "Rust" {
    /// The kernel, for which all this is done.
    safe fn kernel_main(machine: Native, boot: Boot) -> !;
}

/// A value that the machine left in the first GiB.
fn left<T: Copy>(address: u64) -> T {
    // SAFETY: the boot tables map the first GiB; the types read are plain integers, for which any bytes will do.
    unsafe { direct(address).cast::<T>().read_unaligned() }
}

#[unsafe(no_mangle)]
extern "C" fn chitin_boot(start_info: u64) -> ! {
    // struct hvm_start_info, version 1: ends with the memory map's count of entries, at offset 48.
    let [magic, version, _flags, modules]: [u32; 4] = left(start_info);
    let [module_list, _command_line, _acpi_tables, memory_map]: [u64; 4] = left(start_info + 16);
    let entries: u32 = left(start_info + 48);
    assert!(magic == START_MAGIC && version >= 1, "not started by PVH");
    let extended = __cpuid(0x8000_0001).edx;
    assert!(extended >> 20 & 1 != 0, "this CPU has no NX");
    let mut boot = Boot { console_irq: board::CONSOLE_IRQ, ..Boot::default() };
    for index in 0..u64::from(entries) {
        // struct hvm_memmap_table_entry: address, size, and type and padding of 32 bits each.
        let [address, size, kind]: [u64; 3] = left(memory_map + index * size_of::<[u64; 3]>() as u64);
        let first = address.div_ceil(PAGE_SIZE as u64);
        let end = ((address + size) / PAGE_SIZE as u64).min(DIRECT_FRAMES);
        if kind as u32 == RAM && first < end {
            boot.memory.push(FrameRange { first, count: end - first });
        }
    }
    if modules > 0 {
        // struct hvm_modlist_entry begins with address and size.
        let [address, size]: [u64; 2] = left(module_list);
        boot.image = FrameRange { first: address / PAGE_SIZE as u64, count: size.div_ceil(PAGE_SIZE as u64) };
    }
    boot.reserved.push(FrameRange { first: 0, count: FIRST_MIB });
    let low_memory_end = boot.memory.iter().map(|range| range.first + range.count).filter(|&end| end <= DEVICES[1]).max();
    let first = DEVICES[0].max(low_memory_end.unwrap_or(0));
    boot.devices.push(FrameRange { first, count: DEVICES[1] - first });
    memory::map(&mut boot, extended >> 26 & 1 != 0);
    apic::init();
    let machine = Native::new(clock::Rates::measure(), board::console());
    boot.clock_hz = machine.rates.counter_hz;
    boot.unix_ns = clock::unix_ns();
    boot.features = machine.features();
    kernel_main(machine, boot)
}
