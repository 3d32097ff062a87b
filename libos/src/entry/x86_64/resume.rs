//! To the program, or to where a fault found the library, with every register given: without the kernel.

use core::arch::naked_asm;
use core::mem::offset_of;

use abi::Registers;

/// The flags that are a program's: the six of arithmetic, TF, DF, NT, RF, AC, ID. The CPU ignores what user mode may not set; VM would make it refuse.
const FLAGS: u32 = 0x25_4dd5;
/// The flags that are always set: bit 1, and IF.
const ALWAYS: u32 = 0x202;

/// Whether [`resume`] can: `iretq` checks where it goes.
#[must_use]
pub fn can_resume(registers: &Registers) -> bool {
    registers.pc >> 47 == 0
}

/// Continue with these registers, the thread pointer excepted.
///
/// 1. Flags of its own: with NT set, `iretq` refuses. 2. What `iretq` takes, below. 3. The registers, and go.
///
/// # Safety
/// They are a state of the program, or of the library as a fault found it; [`can_resume`] says yes.
#[unsafe(naked)]
pub unsafe extern "C" fn resume(registers: &Registers) -> ! {
    naked_asm!(
        "push 2",
        "popfq",
        "mov ecx, ss",
        "push rcx",
        "push [rdi + {sp}]",
        "mov eax, [rdi + {flags}]",
        "and eax, {mine}",
        "or eax, {always}",
        "push rax",
        "mov ecx, cs",
        "push rcx",
        "push [rdi + {pc}]",
        "mov rax, [rdi + {rax}]",
        "mov rbx, [rdi + {rbx}]",
        "mov rcx, [rdi + {rcx}]",
        "mov rdx, [rdi + {rdx}]",
        "mov rsi, [rdi + {rsi}]",
        "mov rbp, [rdi + {rbp}]",
        "mov r8, [rdi + {r}]",
        "mov r9, [rdi + {r} + 8]",
        "mov r10, [rdi + {r} + 16]",
        "mov r11, [rdi + {r} + 24]",
        "mov r12, [rdi + {r} + 32]",
        "mov r13, [rdi + {r} + 40]",
        "mov r14, [rdi + {r} + 48]",
        "mov r15, [rdi + {r} + 56]",
        "mov rdi, [rdi + {rdi}]",
        "iretq",
        mine = const FLAGS,
        always = const ALWAYS,
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
    )
}
