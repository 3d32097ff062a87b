//! From the machine's reset to `kernel_main`.
//!
//! QEMU's `-kernel` finds the PVH note, loads the segments at their physical addresses, and enters in 32-bit protected mode with paging off
//! and the start info's physical address in ebx. (Xen's `docs/misc/pvh.pandoc` and `xen/include/public/arch-x86/hvm/start_info.h`.)

use core::arch::global_asm;

use abi::{InfoPage, PAGE_SIZE};
use x86_64::registers::control::Cr4Flags;

use super::memory::{DIRECT_FRAMES, IMAGE_OFFSET, direct};
use super::{apic, board, clock, cpu::Native, memory};
use crate::{Boot, FrameRange};

const PAE: u32 = 1 << 5;
const EFER: u32 = 0xc000_0080;
/// NXE, LME and SCE.
const LONG_MODE_NX_SYSCALL: u32 = 1 << 11 | 1 << 8 | 1;
/// PG, WP, NE, ET, MP and PE: what the kernel keeps.
const CONTROL: u32 = 1 << 31 | 1 << 16 | 1 << 5 | 1 << 4 | 1 << 1 | 1;
const PRESENT_WRITABLE: u32 = 0b11;
const LARGE_PAGE: u32 = 1 << 7;
/// A segment descriptor: code, 64 bits, present, ring 0.
const LONG_MODE_CODE: u64 = 0x0020_9a00_0000_0000;
const XEN_ELFNOTE_PHYS32_ENTRY: u32 = 18;

// chitin_start, 32-bit: ebx = physical address of hvm_start_info
//   1. PAE, root table, long mode, paging. The boot tables map the first GiB at 0, at the direct map and at the image's address.
//   2. A far return through the boot GDT into 64-bit code, still at its physical address.
//   3. Go on at the linked address, on the kernel's stack: extern "C" fn chitin_boot(start_info: u64) -> !
global_asm!(
    r#"
.pushsection .note.chitin, "a", @note
.balign 4
.long 7f - 6f, 9f - 8f, {physical_entry_32}
6: .asciz "Xen"
7: .balign 4
8: .quad chitin_start - {offset}
9: .popsection

.pushsection .text.chitin_start, "ax"
.global chitin_start
.code32
chitin_start:
    cld
    mov esp, offset chitin_stack_top - {offset}
    mov eax, {pae}; mov cr4, eax
    mov eax, offset chitin_boot_root - {offset}; mov cr3, eax
    mov ecx, {efer}; rdmsr; or eax, {long_mode_nx_syscall}; wrmsr
    mov eax, {control}; mov cr0, eax
    lgdt [4f - {offset}]
    push 8
    mov eax, offset chitin_long_mode - {offset}; push eax
    retf
.code64
chitin_long_mode:
    mov edi, ebx
    mov rsp, offset chitin_stack_top
    xor ebp, ebp
    mov rax, offset chitin_boot
    call rax
.balign 8
4: .word 6f - 5f - 1; .long 5f - {offset}
.balign 8
5: .quad 0, {long_mode_code}
6: .popsection

.pushsection .data.chitin_boot_tables, "aw"
.balign 4096
.set directory, chitin_boot_directory - {offset} + {present_writable}
chitin_boot_root: .quad directory; .fill 255, 8, 0; .quad directory; .fill 254, 8, 0; .quad directory
.set gib, chitin_boot_gib - {offset} + {present_writable}
chitin_boot_directory: .quad gib; .fill 509, 8, 0; .quad gib, 0
chitin_boot_gib:
.set address, 0
.rept 512; .quad address + {present_writable} + {large_page}; .set address, address + 0x200000; .endr
.popsection
"#,
    offset = const IMAGE_OFFSET, physical_entry_32 = const XEN_ELFNOTE_PHYS32_ENTRY,
    present_writable = const PRESENT_WRITABLE, large_page = const LARGE_PAGE, long_mode_code = const LONG_MODE_CODE,
    pae = const PAE, efer = const EFER, long_mode_nx_syscall = const LONG_MODE_NX_SYSCALL, control = const CONTROL,
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
    memory::map(&mut boot);
    apic::init();
    let machine = Native::new(clock::Rates::measure(), board::console());
    boot.clock_hz = machine.rates.counter_hz;
    boot.unix_ns = clock::unix_ns();
    boot.features = if machine.features.contains(Cr4Flags::FSGSBASE) { InfoPage::FSGSBASE } else { 0 };
    kernel_main(machine, boot)
}
