//! To the program, or to where a fault found the library, with every register given: without the kernel.

use core::arch::naked_asm;
use core::mem::offset_of;

use abi::Registers;

use crate::entry::words;

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

/// Bytes of a signal frame's registers: r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, flags (`struct sigcontext_64`).
pub const CONTEXT_BYTES: usize = 144;

/// Continue the program with the registers of a signal frame. Returns if `iretq` would refuse them.
///
/// 1. Where to. 2. Flags of its own: with NT set, `iretq` refuses. 3. What `iretq` takes. 4. The registers, and nothing to recover to; go.
///
/// # Safety
/// Called in an attempt. The bytes are in the program's half, and the state is that of the program.
#[unsafe(naked)]
pub unsafe extern "C" fn resume_context(context: usize) {
    naked_asm!(
        "mov rax, [rdi + 128]",
        "mov rcx, rax",
        "shr rcx, 47",
        "jnz 2f",
        "push 2",
        "popfq",
        "mov ecx, ss",
        "push rcx",
        "push [rdi + 120]",
        "mov ecx, [rdi + 136]",
        "and ecx, {mine}",
        "or ecx, {always}",
        "push rcx",
        "mov ecx, cs",
        "push rcx",
        "push rax",
        "mov r8, [rdi]",
        "mov r9, [rdi + 8]",
        "mov r10, [rdi + 16]",
        "mov r11, [rdi + 24]",
        "mov r12, [rdi + 32]",
        "mov r13, [rdi + 40]",
        "mov r14, [rdi + 48]",
        "mov r15, [rdi + 56]",
        "mov rsi, [rdi + 72]",
        "mov rbp, [rdi + 80]",
        "mov rbx, [rdi + 88]",
        "mov rdx, [rdi + 96]",
        "mov rax, [rdi + 104]",
        "mov rcx, [rdi + 112]",
        "mov rdi, [rdi + 64]",
        "mov qword ptr gs:[{recovery}], 0",
        "iretq",
        "2: ret",
        recovery = const words::RECOVERY,
        mine = const FLAGS,
        always = const ALWAYS,
    )
}

/// Start a handler of the program with these registers, the thread pointer excepted: all but r11, which no function looks at. There is nothing to
/// recover to any more.
///
/// # Safety
/// They are a state of the program at the beginning of a function. The trap flag is clear.
#[unsafe(naked)]
pub unsafe extern "C" fn start(registers: &Registers) -> ! {
    naked_asm!(
        "mov qword ptr gs:[{recovery}], 0",
        "push [rdi + {flags}]",
        "popfq",
        "mov rax, [rdi + {rax}]",
        "mov rbx, [rdi + {rbx}]",
        "mov rcx, [rdi + {rcx}]",
        "mov rdx, [rdi + {rdx}]",
        "mov rsi, [rdi + {rsi}]",
        "mov rbp, [rdi + {rbp}]",
        "mov r8, [rdi + {r}]",
        "mov r9, [rdi + {r} + 8]",
        "mov r10, [rdi + {r} + 16]",
        "mov r12, [rdi + {r} + 32]",
        "mov r13, [rdi + {r} + 40]",
        "mov r14, [rdi + {r} + 48]",
        "mov r15, [rdi + {r} + 56]",
        "mov r11, [rdi + {pc}]",
        "mov rsp, [rdi + {sp}]",
        "mov rdi, [rdi + {rdi}]",
        "jmp r11",
        recovery = const words::RECOVERY,
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
