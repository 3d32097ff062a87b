//! Entries of x86_64.

use core::arch::naked_asm;
use core::mem::offset_of;

use abi::{Registers, UpcallPage};

use crate::entry::{FAULT_STACK_WORD, SYSCALL_STACK_WORD, dispatch, place, start};
use crate::kernel::VectorState;
use crate::syscall::Arguments;

/// The program's registers at a syscall, at the top of the syscall stack. rcx, r11, the stack pointer, the program counter and the flags are
/// in the upcall page.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Frame {
    /// rdi, rsi, rdx, r10, r8, r9.
    pub arguments: Arguments,
    /// rax: the call's number.
    pub number: u64,
    /// rbx, rbp, r12 to r15.
    pub preserved: [u64; 6],
}

/// What the syscall stack's word in the upcall page holds, less the stack's top: after the frame's pushes the stack is aligned for a
/// call.
pub const STACK_BIAS: usize = 8;
const _: () = assert!((size_of::<Frame>() + STACK_BIAS).is_multiple_of(16));

impl Frame {
    /// The frame of the call that is being served.
    pub const ADDRESS: usize = place::SYSCALL_STACK_TOP - STACK_BIAS - size_of::<Frame>();

    /// All of the program's registers, the thread pointer excepted.
    #[must_use]
    pub fn registers(&self, page: &UpcallPage) -> Registers {
        let [rdi, rsi, rdx, r10, r8, r9] = self.arguments.0;
        let [rbx, rbp, r12, r13, r14, r15] = self.preserved;
        let (pc, flags) = (page.syscall.pc, page.syscall.flags);
        let r = [r8, r9, r10, flags, r12, r13, r14, r15];
        let sp = page.syscall.sp;
        Registers { rax: self.number, rbx, rcx: pc, rdx, rsi, rdi, rbp, r, sp, pc, flags, tls: 0, reserved: 0 }
    }
}

/// The image's first instruction.
///
/// # Safety
/// Entered once by the environment's creator, on the first stack.
#[unsafe(naked)]
#[unsafe(export_name = "_start")]
#[unsafe(link_section = ".text.start")]
pub unsafe extern "C" fn image_start() -> ! {
    naked_asm!(
        "xor ebp, ebp",
        "and rsp, -16",
        "call {start}",
        "ud2",
        start = sym start::start,
    )
}

/// Entry of foreign syscalls: `extern "C" fn dispatch(&Frame, number) -> result` on the syscall stack.
///
/// 1. To the syscall stack; the program's registers there, as a [`Frame`].
/// 2. Call.
/// 3. What Rust may have changed back; rcx and r11 as `syscall` leaves them; to the program without the kernel.
///
/// # Safety
/// Entered by the kernel only.
#[unsafe(naked)]
pub unsafe extern "C" fn foreign() -> ! {
    naked_asm!(
        "mov rsp, gs:[{stack}]",
        "push r15",
        "push r14",
        "push r13",
        "push r12",
        "push rbp",
        "push rbx",
        "push rax",
        "push r9",
        "push r8",
        "push r10",
        "push rdx",
        "push rsi",
        "push rdi",
        "cld",
        "mov rdi, rsp",
        "mov rsi, rax",
        "call {dispatch}",
        "pop rdi",
        "pop rsi",
        "pop rdx",
        "pop r10",
        "pop r8",
        "pop r9",
        "mov rcx, gs:[{pc}]",
        "mov r11, gs:[{flags}]",
        "push r11",
        "popfq",
        "mov rsp, gs:[{sp}]",
        "jmp rcx",
        stack = const SYSCALL_STACK_WORD,
        pc = const offset_of!(UpcallPage, syscall.pc),
        sp = const offset_of!(UpcallPage, syscall.sp),
        flags = const offset_of!(UpcallPage, syscall.flags),
        dispatch = sym dispatch::dispatch,
    )
}

/// Room for [`Registers`] on the fault stack, a power of two so that a frame never crosses a page.
const FRAME_ROOM: usize = 256;
const _: () = assert!(size_of::<Registers>() <= FRAME_ROOM);

/// Entry of faults: `extern "C" fn trapped(&mut Registers, kind, address, code) -> !` on the fault stack.
///
/// 1. To the fault stack, or further down it if the fault was on it.
/// 2. The program's registers there, as [`Registers`] (the thread pointer excepted); rcx and r11 come from the page.
/// 3. All is copied: the kernel may send the next fault. Call.
///
/// # Safety
/// Entered by the kernel only.
#[unsafe(naked)]
pub unsafe extern "C" fn fault() -> ! {
    naked_asm!(
        "mov rcx, gs:[{stack}]",
        "mov r11, rcx",
        "sub r11, rsp",
        "cmp r11, {stack_bytes}",
        "cmovb rcx, rsp",
        "and rcx, -{room}",
        "lea rsp, [rcx - {room}]",
        "mov [rsp + {rax}], rax",
        "mov [rsp + {rbx}], rbx",
        "mov [rsp + {rdx}], rdx",
        "mov [rsp + {rsi}], rsi",
        "mov [rsp + {rdi}], rdi",
        "mov [rsp + {rbp}], rbp",
        "mov [rsp + {r}], r8",
        "mov [rsp + {r} + 8], r9",
        "mov [rsp + {r} + 16], r10",
        "mov [rsp + {r} + 32], r12",
        "mov [rsp + {r} + 40], r13",
        "mov [rsp + {r} + 48], r14",
        "mov [rsp + {r} + 56], r15",
        "mov rax, gs:[{scratch}]",
        "mov [rsp + {rcx}], rax",
        "mov rax, gs:[{scratch} + 8]",
        "mov [rsp + {r} + 24], rax",
        "mov rax, gs:[{from_sp}]",
        "mov [rsp + {sp}], rax",
        "mov rax, gs:[{from_pc}]",
        "mov [rsp + {pc}], rax",
        "mov rax, gs:[{from_flags}]",
        "mov [rsp + {flags}], rax",
        "xor eax, eax",
        "mov [rsp + {tls}], rax",
        "mov [rsp + {reserved}], rax",
        "mov rdi, rsp",
        "mov rsi, gs:[{kind}]",
        "mov rdx, gs:[{address}]",
        "mov rcx, gs:[{code}]",
        "mov gs:[{active}], rax",
        "cld",
        "call {trapped}",
        "ud2",
        stack = const FAULT_STACK_WORD,
        stack_bytes = const place::FAULT_STACK_BYTES,
        room = const FRAME_ROOM,
        rax = const offset_of!(Registers, rax),
        rbx = const offset_of!(Registers, rbx),
        rcx = const offset_of!(Registers, rcx),
        rdx = const offset_of!(Registers, rdx),
        rsi = const offset_of!(Registers, rsi),
        rdi = const offset_of!(Registers, rdi),
        rbp = const offset_of!(Registers, rbp),
        r = const offset_of!(Registers, r),
        sp = const offset_of!(Registers, sp),
        pc = const offset_of!(Registers, pc),
        flags = const offset_of!(Registers, flags),
        tls = const offset_of!(Registers, tls),
        reserved = const offset_of!(Registers, reserved),
        from_sp = const offset_of!(UpcallPage, fault.sp),
        from_pc = const offset_of!(UpcallPage, fault.pc),
        from_flags = const offset_of!(UpcallPage, fault.flags),
        scratch = const offset_of!(UpcallPage, fault.scratch),
        kind = const offset_of!(UpcallPage, kind),
        address = const offset_of!(UpcallPage, address),
        code = const offset_of!(UpcallPage, code),
        active = const offset_of!(UpcallPage, fault_active),
        trapped = sym dispatch::trapped,
    )
}

/// Copy `length` bytes; gives 0, or 1 if a fault broke it off. Its instructions before [`copy_end`] may fault on the program's memory.
///
/// # Safety
/// The side that is not the program's is valid for `length` bytes.
#[unsafe(naked)]
pub unsafe extern "C" fn copy(to: *mut u8, from: *const u8, length: usize) -> usize {
    naked_asm!(
        "mov rcx, rdx",
        "shr rcx, 3",
        "and edx, 7",
        "rep movsq",
        "mov ecx, edx",
        "rep movsb",
        ".globl chitin_copy_end",
        ".hidden chitin_copy_end",
        "chitin_copy_end:",
        "xor eax, eax",
        "ret",
        ".globl chitin_copy_fixup",
        ".hidden chitin_copy_fixup",
        "chitin_copy_fixup:",
        "mov eax, 1",
        "ret",
    )
}

/// FS base, by its own instruction.
///
/// # Safety
/// The CPU and the kernel allow it: `InfoPage::FSGSBASE`.
#[must_use]
pub unsafe fn read_thread_pointer() -> u64 {
    let address;
    // SAFETY: the caller knows that the instruction exists; it reads a register.
    unsafe { core::arch::asm!("rdfsbase {}", out(reg) address, options(nomem, nostack, preserves_flags)) };
    address
}

/// Set FS base, by its own instruction.
///
/// # Safety
/// As [`read_thread_pointer`]. Nothing in the library uses FS.
pub unsafe fn write_thread_pointer(address: u64) {
    // SAFETY: the caller knows that the instruction exists, and FS is the program's alone.
    unsafe { core::arch::asm!("wrfsbase {}", in(reg) address, options(nomem, nostack, preserves_flags)) };
}

/// The time-stamp counter.
#[must_use]
#[inline(always)]
pub fn clock() -> u64 {
    // SAFETY: the kernel leaves the counter readable in user mode.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// A word off RDRAND, if the CPU has it and delivers.
#[must_use]
pub fn entropy() -> Option<u64> {
    let features = core::arch::x86_64::__cpuid(1);
    if features.ecx & 1 << 30 == 0 {
        return None;
    }
    for _ in 0..10 {
        let (word, delivered): (u64, u8);
        // SAFETY: the CPU has the instruction; it changes its register and the carry flag.
        unsafe { core::arch::asm!("rdrand {}", "setc {}", out(reg) word, out(reg_byte) delivered, options(nomem, nostack)) };
        if delivered == 1 {
            return Some(word);
        }
    }
    None
}

/// Code that calls rt_sigreturn(2). Programs of this ISA bring their own.
///
/// # Safety
/// Entered by the return of a signal handler.
#[unsafe(naked)]
pub unsafe extern "C" fn signal_return() -> ! {
    naked_asm!("mov eax, 15", "syscall", "ud2")
}

/// Bytes of the legacy area, which every CPU has.
const LEGACY_BYTES: usize = 512;
/// Offset in the legacy area of MXCSR.
const MXCSR: usize = 24;
/// The extended area's header follows the legacy area: what is in the area, and words that must be zero.
const HEADER: core::ops::Range<usize> = LEGACY_BYTES..LEGACY_BYTES + 64;

/// Bytes of the extended area and the features in it, if the kernel has it enabled.
fn extended_area() -> Option<(usize, u64)> {
    let features = core::arch::x86_64::__cpuid(1);
    if features.ecx & 1 << 27 == 0 {
        return None;
    }
    let area = core::arch::x86_64::__cpuid_count(0xd, 0);
    let (low, high): (u32, u32);
    // SAFETY: OSXSAVE is set, so that the instruction exists; it reads XCR0.
    unsafe { core::arch::asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags)) };
    // Room stays for a signal frame's marker.
    let fits = area.ebx as usize <= size_of::<VectorState>() - 64;
    fits.then_some((area.ebx as usize, u64::from(low) | u64::from(high) << 32))
}

/// Store the vector state; gives its bytes.
pub fn save_vectors(state: &mut VectorState) -> usize {
    let area = state.bytes.as_mut_ptr();
    match extended_area() {
        // SAFETY: the area is 64-aligned, zeroed and large enough, and the instruction exists.
        Some((bytes, features)) => unsafe {
            core::arch::asm!("xsave64 [{}]", in(reg) area, in("eax") features as u32, in("edx") (features >> 32) as u32, options(nostack));
            bytes
        },
        // SAFETY: the area is aligned and large enough; every x86_64 has the instruction.
        None => unsafe {
            core::arch::asm!("fxsave64 [{}]", in(reg) area, options(nostack));
            LEGACY_BYTES
        },
    }
}

/// Load the first `length` bytes of a vector state. Bits that would make the instruction fault are cleared first.
pub fn restore_vectors(state: &mut VectorState, length: usize) {
    // The mask of MXCSR's valid bits, as every CPU with SSE2 has them.
    state.bytes[MXCSR + 2..MXCSR + 4].fill(0);
    match extended_area() {
        Some((bytes, features)) if length >= bytes => {
            let mut held = u64::from_le_bytes(state.bytes[HEADER][..8].try_into().expect("eight bytes"));
            held &= features;
            state.bytes[HEADER].fill(0);
            state.bytes[HEADER][..8].copy_from_slice(&held.to_le_bytes());
            // SAFETY: the area is aligned, its header names only what the CPU has, its reserved words are zero, and MXCSR is valid. The
            // library uses no vector register.
            unsafe {
                core::arch::asm!(
                    "xrstor64 [{}]",
                    in(reg) state.bytes.as_ptr(),
                    in("eax") features as u32,
                    in("edx") (features >> 32) as u32,
                    options(nostack),
                );
            }
        }
        // SAFETY: as above, of the legacy area.
        _ => unsafe { core::arch::asm!("fxrstor64 [{}]", in(reg) state.bytes.as_ptr(), options(nostack)) },
    }
}

/// `AT_HWCAP` (cpuid leaf 1, edx) and `AT_HWCAP2` (bit 1: user mode may use FSGSBASE).
#[must_use]
pub fn capabilities(features: u64) -> (u64, u64) {
    let fsgsbase = if features & abi::InfoPage::FSGSBASE != 0 { 1 << 1 } else { 0 };
    (u64::from(core::arch::x86_64::__cpuid(1).edx), fsgsbase)
}

/// The most bytes that a signal frame takes: vector state, frame, red zone, and what alignment may add.
#[must_use]
pub fn signal_frame_bytes() -> usize {
    extended_area().map_or(LEGACY_BYTES, |(bytes, _)| bytes + 4) + 440 + 128 + 64 + 16
}
