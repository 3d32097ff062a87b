//! The upcall entries of x86_64. GS base holds the upcall page's address.

use core::arch::naked_asm;
use core::mem::offset_of;

use abi::{Registers, SavedState, UpcallPage};

use super::{FRAME, OWN, handle};

/// Answers rax + 1, and goes on as if nothing had been. No stack is used.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn foreign() {
    // The program's flags are not set back: to the programs here they do not matter, as to a C function call.
    naked_asm!("inc rax", "jmp gs:[{pc}]", pc = const offset_of!(UpcallPage, syscall.pc))
}

/// Saves all registers that the kernel did not save, and goes to [`handle`] on the handler's stack.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn fault() {
    naked_asm!(
        "mov gs:[{frame} + {rax}], rax",
        "mov gs:[{frame} + {rbx}], rbx",
        "mov gs:[{frame} + {rdx}], rdx",
        "mov gs:[{frame} + {rsi}], rsi",
        "mov gs:[{frame} + {rdi}], rdi",
        "mov gs:[{frame} + {rbp}], rbp",
        "mov gs:[{frame} + {r}], r8",
        "mov gs:[{frame} + {r} + 8], r9",
        "mov gs:[{frame} + {r} + 16], r10",
        "mov gs:[{frame} + {r} + 32], r12",
        "mov gs:[{frame} + {r} + 40], r13",
        "mov gs:[{frame} + {r} + 48], r14",
        "mov gs:[{frame} + {r} + 56], r15",
        "cld",
        "mov rdi, gs:[{own}]",
        "mov rsp, rdi",
        "call {handle}",
        "ud2",
        frame = const FRAME,
        own = const OWN,
        rax = const offset_of!(Registers, rax),
        rbx = const offset_of!(Registers, rbx),
        rdx = const offset_of!(Registers, rdx),
        rsi = const offset_of!(Registers, rsi),
        rdi = const offset_of!(Registers, rdi),
        rbp = const offset_of!(Registers, rbp),
        r = const offset_of!(Registers, r),
        handle = sym handle,
    )
}

/// Page faults to [`map_page`]: what a Rust function may change is kept on the handler's stack, and `iretq`, which user mode may
/// execute too, restores pc, flags and stack pointer at once.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn map_fault() {
    // 1. The handler's stack, and on it the frame that `iretq` takes and the registers that are not saved yet.
    // 2. The handler.
    // 3. Everything back, the two registers of the page included. The fault is over one instruction before the program goes on.
    naked_asm!(
        "mov rcx, rsp",
        "mov rsp, gs:[{own}]",
        "mov r11d, ss",
        "push r11",
        "push rcx",
        "push gs:[{flags}]",
        "mov r11d, cs",
        "push r11",
        "push gs:[{pc}]",
        "push rax; push rdx; push rsi; push rdi; push r8; push r9; push r10",
        "mov rdi, gs:[{address}]",
        "call {map_page}",
        "pop r10; pop r9; pop r8; pop rdi; pop rsi; pop rdx; pop rax",
        "mov rcx, gs:[{scratch}]",
        "mov r11, gs:[{scratch} + 8]",
        "mov qword ptr gs:[{active}], 0",
        "iretq",
        own = const OWN,
        flags = const offset_of!(UpcallPage, fault.flags),
        pc = const offset_of!(UpcallPage, fault.pc),
        scratch = const offset_of!(UpcallPage, fault.scratch),
        address = const offset_of!(UpcallPage, address),
        active = const offset_of!(UpcallPage, fault_active),
        map_page = sym super::map_page,
    )
}

/// Put the two registers that the kernel saved into the frame.
pub(super) fn set_scratch(registers: &mut Registers, scratch: [u64; 2]) {
    registers.rcx = scratch[0];
    registers.r[3] = scratch[1];
}

static mut GIVE_UP_STACK: u64 = 0;

/// Call a function so that `give_up` can leave it.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn try_call(function: extern "C" fn(u64), argument: u64) {
    // 1. What the callee saves goes to the stack, and the stack pointer to a static.
    // 2. The function is called; a fault in it continues at `after`, with that stack pointer.
    // 3. All that comes back.
    naked_asm!(
        "push rbx",
        "push rbp",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8",
        "mov [rip + {stack}], rsp",
        "mov rax, rdi",
        "mov rdi, rsi",
        "call rax",
        "jmp {after}",
        stack = sym GIVE_UP_STACK,
        after = sym after,
    )
}

#[unsafe(naked)]
unsafe extern "C" fn after() {
    naked_asm!("add rsp, 8", "pop r15", "pop r14", "pop r13", "pop r12", "pop rbp", "pop rbx", "ret")
}

/// Continue after `try_call`, with ordinary flags.
pub(super) fn give_up(registers: &mut Registers) {
    registers.pc = after as *const () as u64;
    // SAFETY: `try_call` wrote it before it called what faulted.
    registers.sp = unsafe { GIVE_UP_STACK };
    registers.flags = 0x202;
}

const _: () = assert!(OWN + 8 <= FRAME && FRAME.is_multiple_of(16) && offset_of!(UpcallPage, library) <= OWN);
const _: () = assert!(size_of::<SavedState>() == 40);
