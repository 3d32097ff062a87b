//! The entry of faults.

use core::arch::naked_asm;
use core::mem::offset_of;

use abi::{Registers, UpcallPage};

use crate::entry::{dispatch, place, words};
use crate::signal::{SIGSEGV, frame};

/// Room for [`Registers`] on the fault stack, a power of two so that a frame never crosses a page.
const FRAME_ROOM: usize = 256;
const _: () = assert!(size_of::<Registers>() <= FRAME_ROOM);
/// The NT flag.
const NESTED_TASK: u32 = 1 << 14;

/// All flags but those that are clear in a handler: those of direction and of traps.
const HANDLER_FLAGS: u32 = !(1 << 10 | 1 << 8);

/// Entry of faults.
///
/// 1. To the fault stack, or further down it if the fault was on it; room there for [`Registers`], and in it what Rust may change.
/// 2. `extern "C" fn resolve(kind, address) -> outcome`, with `fault_active` set. If that was all (and the program is not in a task as
///    the flags have it, which `iretq` refuses): the registers back, the fault is over, `iretq`. No kernel call.
/// 3. Else the rest of the registers; rcx and r11 come from the page, the thread pointer is left out. All is copied then: the kernel may
///    send the next fault. `extern "C" fn trapped(&mut Registers, kind, address, code, outcome) -> !`.
/// 4. But where an access is denied: `extern "C" fn denied(&mut Registers, kind, address, code) -> Beginning`, which writes a handler's frame. Its
///    registers; the flags that a handler begins with; its arguments; nothing to recover to any more; go. What C preserves is the program's still, and
///    the other registers are free.
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
        "mov rbx, gs:[{scratch}]",
        "mov [rsp + {rcx}], rbx",
        "mov rbp, gs:[{scratch} + 8]",
        "mov [rsp + {r} + 24], rbp",
        "mov r12, gs:[{from_sp}]",
        "mov [rsp + {sp}], r12",
        "mov r13, gs:[{from_pc}]",
        "mov [rsp + {pc}], r13",
        "mov r14, gs:[{from_flags}]",
        "mov [rsp + {flags}], r14",
        "mov rdi, rsp",
        "mov rsi, gs:[{kind}]",
        "mov rdx, gs:[{address}]",
        "mov rcx, gs:[{code}]",
        "mov qword ptr gs:[{active}], 0",
        "cmp rax, {is_denied}",
        "je 3f",
        "mov r8, rax",
        "xor eax, eax",
        "mov [rsp + {tls}], rax",
        "mov [rsp + {reserved}], rax",
        "call {trapped}",
        "ud2",
        "3: call {denied}",
        "mov [rax + {context} + 112], rbx",
        "mov [rax + {context} + 24], rbp",
        "mov [rax + {context} + 120], r12",
        "mov [rax + {context} + 128], r13",
        "mov [rax + {context} + 136], r14",
        "and r14d, {handler_flags}",
        "push r14",
        "popfq",
        "mov r8, [rsp + {r}]",
        "mov [rax + {context}], r8",
        "mov r9, [rsp + {r} + 8]",
        "mov [rax + {context} + 8], r9",
        "mov r10, [rsp + {r} + 16]",
        "mov [rax + {context} + 16], r10",
        "mov r12, [rsp + {r} + 32]",
        "mov [rax + {context} + 32], r12",
        "mov r13, [rsp + {r} + 40]",
        "mov [rax + {context} + 40], r13",
        "mov r14, [rsp + {r} + 48]",
        "mov [rax + {context} + 48], r14",
        "mov r15, [rsp + {r} + 56]",
        "mov [rax + {context} + 56], r15",
        "mov rdi, [rsp + {rdi}]",
        "mov [rax + {context} + 64], rdi",
        "mov rsi, [rsp + {rsi}]",
        "mov [rax + {context} + 72], rsi",
        "mov rbp, [rsp + {rbp}]",
        "mov [rax + {context} + 80], rbp",
        "mov rbx, [rsp + {rbx}]",
        "mov [rax + {context} + 88], rbx",
        "mov rcx, [rsp + {rdx}]",
        "mov [rax + {context} + 96], rcx",
        "mov rcx, [rsp + {rax}]",
        "mov [rax + {context} + 104], rcx",
        "mov r11, rdx",
        "mov edi, {signal}",
        "lea rsi, [rax + {information}]",
        "lea rdx, [rax + {user_context}]",
        "mov rsp, rax",
        "mov eax, 0",
        "mov qword ptr gs:[{recovery}], 0",
        "jmp r11",
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
        is_denied = const dispatch::DENIED,
        denied = sym dispatch::denied,
        context = const frame::CONTEXT,
        information = const frame::INFORMATION,
        user_context = const frame::USER_CONTEXT,
        signal = const SIGSEGV,
        handler_flags = const HANDLER_FLAGS,
        recovery = const words::RECOVERY,
    )
}
