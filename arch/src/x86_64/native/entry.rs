//! All ways into and out of user mode.
//!
//! Nothing here touches memory but the per-CPU block (through GS), the loaded context, its upcall page and the kernel stack. No
//! instruction that leaves the kernel can fault: `pc` and the reflection's entry are below the canonical hole, the selectors are constants,
//! and the flags are such as user mode may have.

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::mem::offset_of;

use abi::UpcallPage;
use x86_64::registers::{control::Cr2, rflags::RFlags};

use super::context::{FETCH, FIRST_INTERRUPT, FOREIGN, PAGE_FAULT, SYSCALL, UserContext};
use super::cpu::PerCpu;
use crate::{FOREIGN as FOREIGN_HANDLER, Handlers, LEFT};

/// Vectors that have a gate.
pub(super) const VECTORS: usize = 96;
/// Room that each gate's entry has.
pub(super) const GATE_BYTES: usize = 16;
/// NMI, double fault and machine check: taken on a stack of their own, and always the end. NMIs and machine checks can come in the few
/// instructions where the kernel runs on a user's stack pointer.
pub(super) const LAST_WORDS: u32 = 1 << 2 | 1 << 8 | 1 << 18;
/// Exceptions with which the CPU stores an error code (Intel SDM volume 3, table 7-1; AMD's 29 and 30).
const WITH_ERROR: u32 = 1 << 8 | 0x1f << 10 | 1 << 17 | 1 << 21 | 1 << 29 | 1 << 30;
/// What the kernel runs with: nothing set but bit 1, which always is.
const KERNEL_FLAGS: u64 = 1 << 1;

unsafe extern "C" {
    /// Entry of the `syscall` instruction.
    pub(super) fn chitin_syscall();
    /// The gates' entries, each [`GATE_BYTES`] after the one before.
    pub(super) fn chitin_gates();
}

// unsafe extern "C" fn chitin_enter(context: *mut UserContext, kernel: *mut K, calls: &Handlers<K>) -> *mut UserContext
//   1. Leave what kernel calls need on the stack, and remember where that is, for whatever trap comes next.
//   2. Go on as chitin_syscall does with the next context.
//   Comes back through chitin_syscall or chitin_trap, with the context that stopped, and no register preserved but rbx, rbp and rsp.
//
// chitin_syscall: rcx = pc, r11 = flags, all else the user's; interrupts, trap flag and direction flag are off.
//   1. Put the stack pointer aside; sort out foreign syscalls by eax.
//   2. Kernel call: store what a function may change, but for rax and rdx, and call the handler. The kernel is behind the arguments, on the
//      stack. If the caller goes on, load that again, pc to rcx and flags to r11; rax and rdx are the answer.
//   3. If it is left, store the rest. Go on with the next context, if there is one, or return from chitin_enter. One that is in a `syscall` leaves by
//      `sysret` as in 2., all others by `iret`, through the frame that lies in the context.
//   4. Foreign, with an entry for it: store pc, sp and flags there and continue at its entry with the trap flag off. This is the
//      reflection's whole path. rcx is the entry then, r11 the flags.
//   5. Foreign, without one: as 2, with a number that no call has.
//
// chitin_trap: stack = vector, error code, pc, cs, flags, sp, ss
//   1. From user mode the stack is the end of the loaded context. A load or store that a page refused, where the library has an entry for
//      faults and handles none: tell it in the upcall page, and continue at the entry, with the trap flag off. This is
//      the reflection's whole path. rcx and r11 are the fault's address then.
//   2. All else from user mode: store the registers in the context, and return from chitin_enter, with flags that the user did not choose
//      (interrupt gates leave AC and DF).
//   3. From kernel mode, an interrupt: only `idle` lets one come, once. Note its vector and go on there, interrupts off.
//   4. From kernel mode, an exception, and from anywhere the vectors of LAST_WORDS:
//      extern "C" fn chitin_broken(frame: &[u64; 7]) -> !
//
// Gate n: push an error code of 0 if the CPU pushed none, push n, go on at 1. or 4.
global_asm!(
    r#"
.set offset, {general}
.irp register, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
.set at_\register, offset
.set offset, offset + 8
.endr
.macro store base, registers:vararg
.irp register, \registers; mov [\base + at_\register], \register; .endr
.endm
.macro load registers:vararg
.irp register, \registers; mov \register, [rsp + at_\register]; .endr
.endm

chitin_enter:
    push rbx; push rbp; push rdi; push rdx; push rsi
    mov gs:[{kernel_sp}], rsp
    mov rsp, rdi
    jmp 5f

.global chitin_syscall
chitin_syscall:
    swapgs
    mov gs:[{user_sp}], rsp
    cmp eax, {foreign}
    jge 3f
    movzx eax, ax; cmp eax, {foreign_handler}; jae 6f
1:  mov rsp, gs:[{context}]
    store rsp, rsi, rdi, r8, r9, r10
    mov [rsp + {pc}], rcx; mov [rsp + {flags}], r11
    mov rcx, gs:[{user_sp}]; mov [rsp + {sp}], rcx
    mov rsp, gs:[{kernel_sp}]
    mov rcx, r10; mov r11, [rsp + 8]; call [r11 + 8 * rax]
    cmp rax, {left}; jge 4f
    mov rsp, gs:[{context}]
    load rsi, rdi, r8, r9, r10
2:  mov rcx, [rsp + {pc}]; mov r11, [rsp + {flags}]; mov rsp, [rsp + {sp}]
    swapgs; sysretq
4: jne chitin_leave
    mov rcx, [rsp + 16]
    store rcx, rbx, rbp, r12, r13, r14, r15
    mov qword ptr [rcx + {vector}], {syscall}
    test rdx, rdx; jz chitin_leave
    mov [rsp + 16], rdx; mov rsp, rdx
5:  cmp qword ptr [rsp + {vector}], {syscall}
    load rax, rbx, rdx, rsi, rdi, rbp, r8, r9, r10, r12, r13, r14, r15
    je 2b
    load rcx, r11
    add rsp, {pc}
    swapgs; iretq
chitin_leave:
    mov rsp, gs:[{kernel_sp}]
    push {kernel_flags}; popfq
    pop rsi; pop rdx; pop rax; pop rbp; pop rbx
    ret
6: xor eax, eax; jmp 1b
7: mov eax, {foreign_handler}; jmp 1b
3: cmp qword ptr gs:[{syscall_entry}], 0
    je 7b
    mov rsp, gs:[{upcall}]
    mov [rsp + {saved_pc}], rcx; mov [rsp + {saved_flags}], r11
    mov rcx, gs:[{user_sp}]; mov [rsp + {saved_sp}], rcx; mov rsp, rcx
    mov rcx, gs:[{syscall_entry}]
    btr r11, {trap_flag}
    swapgs; sysretq

chitin_trap:
    test byte ptr [rsp + {cs} - {vector}], 3
    jz 4f
    swapgs
    sub rsp, {vector}
    store rsp, rcx
    cmp qword ptr [rsp + {fault_entry}], 0; je 5f
    cmp byte ptr [rsp + {vector}], {page_fault}; jne 5f; test byte ptr [rsp + {error}], {fetch}; jnz 5f
    mov rcx, gs:[{upcall}]
    cmp qword ptr [rcx + {active}], 0; jne 5f
    mov qword ptr [rcx + {active}], 1
    mov [rcx + {scratch} + 8], r11
    mov r11, [rsp + at_rcx]; mov [rcx + {scratch}], r11
    mov r11, [rsp + {pc}]; mov [rcx + {fault_pc}], r11
    mov r11, [rsp + {sp}]; mov [rcx + {fault_sp}], r11
    mov r11, [rsp + {flags}]; mov [rcx + {fault_flags}], r11
    btr r11, {trap_flag}; mov [rsp + {flags}], r11
    mov r11, [rsp + {fault_entry}]; mov [rsp + {pc}], r11
    mov r11d, [rsp + {error}]; mov [rcx + {code}], r11d; mov dword ptr [rcx + {code} + 4], {page_fault}
    shr r11d; and r11d, 1; inc r11d; mov [rcx + {kind}], r11
    mov r11, cr2; mov [rcx + {address}], r11
    mov ecx, r11d
    add rsp, {pc}
    swapgs; iretq
5:  store rsp, rax, rbx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    jmp chitin_leave
4: cmp qword ptr [rsp], {first_interrupt}
    jb chitin_last_words
    pop gs:[{pending}]
    add rsp, {pc} - {error}
    and dword ptr [rsp + {flags} - {pc}], ~{interrupt_flag}
    iretq
chitin_last_words:
    cld
    mov rdi, rsp
    and rsp, -16
    call chitin_broken

.balign {gate_bytes}
.global chitin_gates
chitin_gates:
.set number, 0
.rept {vectors}
.ifeq ({with_error} >> (number % 32)) & 1 & (number < {first_interrupt})
    push 0
.endif
    push number
.ifeq ({last_words} >> (number % 32)) & 1 & (number < {first_interrupt})
    jmp chitin_trap
.else
    jmp chitin_last_words
.endif
.balign {gate_bytes}
.set number, number + 1
.endr
"#,
    general = const offset_of!(UserContext, general), gate_bytes = const GATE_BYTES,
    vector = const offset_of!(UserContext, vector), error = const offset_of!(UserContext, error),
    pc = const offset_of!(UserContext, pc), cs = const offset_of!(UserContext, cs),
    flags = const offset_of!(UserContext, flags), sp = const offset_of!(UserContext, sp),
    user_sp = const offset_of!(PerCpu, user_sp), kernel_sp = const offset_of!(PerCpu, kernel_sp),
    context = const offset_of!(PerCpu, context), pending = const offset_of!(PerCpu, pending),
    upcall = const offset_of!(PerCpu, upcall), syscall_entry = const offset_of!(PerCpu, syscall_entry),
    saved_pc = const offset_of!(UpcallPage, syscall.pc), saved_sp = const offset_of!(UpcallPage, syscall.sp),
    saved_flags = const offset_of!(UpcallPage, syscall.flags),
    fault_pc = const offset_of!(UpcallPage, fault.pc), fault_sp = const offset_of!(UpcallPage, fault.sp),
    fault_flags = const offset_of!(UpcallPage, fault.flags), scratch = const offset_of!(UpcallPage, fault.scratch),
    kind = const offset_of!(UpcallPage, kind), address = const offset_of!(UpcallPage, address), code = const offset_of!(UpcallPage, code),
    active = const offset_of!(UpcallPage, fault_active), fault_entry = const offset_of!(UserContext, fault_entry),
    page_fault = const PAGE_FAULT, fetch = const FETCH,
    trap_flag = const RFlags::TRAP_FLAG.bits().trailing_zeros(), interrupt_flag = const RFlags::INTERRUPT_FLAG.bits(),
    kernel_flags = const KERNEL_FLAGS, syscall = const SYSCALL, foreign = const FOREIGN, first_interrupt = const FIRST_INTERRUPT,
    foreign_handler = const FOREIGN_HANDLER, left = const LEFT, vectors = const VECTORS, with_error = const WITH_ERROR, last_words = const LAST_WORDS,
);

/// Run the loaded context until something stops it, or one that its calls turned to; gives the one that stopped.
#[inline(always)]
pub(super) fn enter<'a, K>(context: &UnsafeCell<UserContext>, kernel: &mut K, calls: &Handlers<K>) -> &'a UserContext {
    let stopped: *const UserContext;
    // SAFETY: 1. `context` is the loaded one, so that RSP0 and the per-CPU block point at it. 2. Every register that `chitin_enter` loses
    // is declared (it keeps rbx and rbp, which cannot be). 3. It comes back with the stack pointer that it was called with. 4. `calls` have
    // the kernel for themselves; nobody writes to the context after them.
    unsafe {
        asm!(
            "call chitin_enter",
            in("rdi") context.get(), in("rsi") core::ptr::from_mut(kernel), in("rdx") calls, out("rax") stopped,
            out("r12") _, out("r13") _, out("r14") _, out("r15") _,
            clobber_abi("C"),
        );
        &*stopped
    }
}

/// The kernel met an exception of its own, or one that nobody can mend.
#[unsafe(no_mangle)]
extern "C" fn chitin_broken(frame: &[u64; 7]) -> ! {
    let [vector, error, pc, cs, _, sp, _] = frame;
    panic!("exception {vector} error {error:#x} at {cs:#x}:{pc:#x} sp {sp:#x} cr2 {:#x}", Cr2::read_raw())
}
