//! The entry of faults.

use core::arch::naked_asm;
use core::mem::offset_of;

use abi::{Registers, UpcallPage};

use crate::entry::{dispatch, place, words};

/// Room for [`Registers`] on the fault stack, a power of two so that a frame never crosses a page.
const FRAME_ROOM: usize = 256;
const _: () = assert!(size_of::<Registers>() <= FRAME_ROOM);
/// The NT flag.
const NESTED_TASK: u32 = 1 << 14;

/// Entry of faults.
///
/// 1. To the fault stack, or further down it if the fault was on it; room there for [`Registers`], and in it what Rust may change.
/// 2. `extern "C" fn resolve(kind, address) -> outcome`, with `fault_active` set. If that was all (and the program is not in a task as
///    the flags have it, which `iretq` refuses): the registers back, the fault is over, `iretq`. No kernel call.
/// 3. Else the rest of the registers; rcx and r11 come from the page, the thread pointer is left out. All is copied then: the kernel may
///    send the next fault. `extern "C" fn trapped(&mut Registers, kind, address, code, outcome) -> !`.
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
        "mov [rsp + {rdx}], rdx",
        "mov [rsp + {rsi}], rsi",
        "mov [rsp + {rdi}], rdi",
        "mov [rsp + {r}], r8",
        "mov [rsp + {r} + 8], r9",
        "mov [rsp + {r} + 16], r10",
        "mov rdi, gs:[{kind}]",
        "mov rsi, gs:[{address}]",
        "cld",
        "call {resolve}",
        "mov r8, rax",
        "test rax, rax",
        "jnz 2f",
        "test byte ptr gs:[{from_flags} + 1], {nested_task}",
        "jnz 2f",
        "mov rax, [rsp + {rax}]",
        "mov rdx, [rsp + {rdx}]",
        "mov rsi, [rsp + {rsi}]",
        "mov rdi, [rsp + {rdi}]",
        "mov r8, [rsp + {r}]",
        "mov r9, [rsp + {r} + 8]",
        "mov r10, [rsp + {r} + 16]",
        "mov ecx, ss",
        "push rcx",
        "push gs:[{from_sp}]",
        "push gs:[{from_flags}]",
        "mov ecx, cs",
        "push rcx",
        "push gs:[{from_pc}]",
        "mov rcx, gs:[{scratch}]",
        "mov r11, gs:[{scratch} + 8]",
        "mov qword ptr gs:[{active}], 0",
        "iretq",
        "2: mov [rsp + {rbx}], rbx",
        "mov [rsp + {rbp}], rbp",
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
        "call {trapped}",
        "ud2",
        stack = const words::FAULT_STACK,
        stack_bytes = const place::FAULT_STACK_BYTES,
        room = const FRAME_ROOM,
        nested_task = const NESTED_TASK >> 8,
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
        resolve = sym dispatch::resolve,
        trapped = sym dispatch::trapped,
    )
}
