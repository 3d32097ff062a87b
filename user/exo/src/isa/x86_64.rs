//! x86_64.

use core::arch::{asm, naked_asm};

use abi::{FaultKind, Registers};

use super::{Instruction, Vector};

/// The counter that `wait` deadlines count in.
#[must_use]
#[inline(always)]
pub fn ticks() -> u64 {
    let (low, high): (u64, u64);
    // SAFETY: reading the time stamp counter changes nothing else.
    unsafe { asm!("rdtsc", out("rax") low, out("rdx") high, options(nomem, nostack)) };
    high << 32 | low
}

/// Registers with which a function that takes two words starts on a stack that ends at `top`.
#[must_use]
pub fn start(function: u64, top: u64, arguments: [u64; 2]) -> Registers {
    // A `call` would have pushed eight bytes on a stack that is aligned to 16.
    Registers { pc: function, sp: top - 8, rdi: arguments[0], rsi: arguments[1], ..Registers::default() }
}

/// Set the word that a function that has just been called will have answered.
pub fn set_answer(registers: &mut Registers, value: u64) {
    registers.rax = value;
}

/// Length of the instruction of [`foreign`] and of `int3`: what its pc is beyond its own address.
pub const FOREIGN_LENGTH: u64 = 2;

/// A foreign syscall: `number` in rax, one argument. Gives rax.
#[must_use]
pub fn foreign(number: u64, argument: u64) -> u64 {
    let answer;
    // SAFETY: it reaches the upcall entry of this context or ends it; the entry keeps all registers but rax, rcx and r11.
    unsafe { asm!("syscall", inlateout("rax") number => answer, in("rdi") argument, lateout("rcx") _, lateout("r11") _) };
    answer
}

/// A foreign syscall and no more.
#[inline(always)]
pub fn foreign_call() {
    // SAFETY: as in `foreign`.
    unsafe { asm!("syscall", inlateout("rax") 39u64 => _, lateout("rcx") _, lateout("r11") _) };
}

/// The ticks that a loop of two instructions takes, `count` times.
#[must_use]
pub fn known_loop(count: u64) -> u64 {
    let start = ticks();
    // SAFETY: the loop changes its own register only.
    unsafe { asm!("2: dec {0}", "jnz 2b", inout(reg) count => _, options(nomem, nostack)) };
    ticks() - start
}

/// A syscall with any stack pointer and any `rax`; gives rax.
///
/// # Safety
/// The syscall is one that may be made.
#[unsafe(naked)]
pub unsafe extern "C" fn syscall_with_stack(stack: u64, number: u64) -> u64 {
    // 1. The stack pointer is kept in a register that the callee saves.
    // 2. The syscall is made with the one that was asked for.
    naked_asm!("push rbx", "mov rbx, rsp", "mov rsp, rdi", "mov rax, rsi", "xor edi, edi", "syscall", "mov rsp, rbx", "pop rbx", "ret")
}

/// An undefined instruction with any stack pointer, for the sake of the fault.
#[unsafe(naked)]
pub extern "C" fn fault_with_stack(stack: u64) {
    naked_asm!("mov rsp, rdi", "ud2")
}

/// Count down from 2^25, more than a slice takes, with any stack pointer.
#[unsafe(naked)]
pub extern "C" fn spin_with_stack(stack: u64) {
    naked_asm!("mov rdx, rsp", "mov rsp, rdi", "mov eax, 0x2000000", "2: dec eax", "jnz 2b", "mov rsp, rdx", "ret")
}

/// A kernel call with flags of the program's making (direction, alignment check, nested task, identification); gives rax.
///
/// # Safety
/// The call is one that may be made.
#[unsafe(naked)]
pub unsafe extern "C" fn call_with_flags(arguments: &[u64; 4], number: u64, flags: u64) -> u64 {
    // 1. The arguments go to where the kernel looks for them: rdi, rsi, rdx, r10.
    // 2. The flags are set, the call made, and the flags set back.
    naked_asm!(
        "mov rax, rsi",
        "push rdx",
        "mov rsi, [rdi + 8]",
        "mov rdx, [rdi + 16]",
        "mov r10, [rdi + 24]",
        "mov rdi, [rdi]",
        "popfq",
        "syscall",
        "push 0x202",
        "popfq",
        "ret",
    )
}

/// Flags that a program may set and that would harm a kernel that kept them.
pub const TROUBLESOME_FLAGS: [u64; 5] = [0x202 | 1 << 10, 0x202 | 1 << 18, 0x202 | 1 << 14, 0x202 | 1 << 21, 0x24_4602];

/// The `rax` of a kernel call by number.
#[must_use]
pub fn call_number(call: abi::Call) -> u64 {
    0x8000_0000 | call as u64
}

/// Go to an address.
pub fn jump(address: u64) {
    // SAFETY: an attempt that is expected to fault at the address.
    unsafe { asm!("call {}", in(reg) address, clobber_abi("C")) };
}

/// Set the thread's base register, if user mode may: it may not on processors without FSGSBASE.
pub fn set_tls(value: u64) -> bool {
    let allowed = crate::info::header().features & abi::InfoPage::FSGSBASE != 0;
    if allowed {
        // SAFETY: nothing here uses thread-local storage.
        unsafe { asm!("wrfsbase {}", in(reg) value, options(nostack)) };
    }
    allowed
}

/// The thread's base register; 0 where user mode cannot know.
#[must_use]
pub fn tls() -> u64 {
    let mut value = 0;
    if crate::info::header().features & abi::InfoPage::FSGSBASE != 0 {
        // SAFETY: reading the register changes nothing.
        unsafe { asm!("rdfsbase {}", out(reg) value, options(nostack)) };
    }
    value
}

/// Fill all vector registers: each with `seed` plus its number, in both halves.
pub fn fill_vectors(seed: u64) {
    let mut vectors: [Vector; 16] = [[0; 2]; 16];
    for (index, vector) in vectors.iter_mut().enumerate() {
        *vector = [seed + index as u64; 2];
    }
    macro_rules! load {
        ($($register:literal)*) => {
            // SAFETY: this program is compiled without vector registers, so nobody else uses them.
            unsafe { asm!($(concat!("movdqu xmm", $register, ", [{0} + 16 * ", $register, "]")),*, in(reg) vectors.as_ptr(), options(nostack)) }
        };
    }
    load!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
}

/// Whether all vector registers still are as [`fill_vectors`] left them.
#[must_use]
pub fn vectors_are(seed: u64) -> bool {
    vectors().iter().enumerate().all(|(index, vector)| *vector == [seed + index as u64; 2])
}

/// Whether all vector registers are zero, as a new context's are.
#[must_use]
pub fn vectors_are_zero() -> bool {
    vectors() == [[0; 2]; 16]
}

fn vectors() -> [Vector; 16] {
    let mut vectors: [Vector; 16] = [[0; 2]; 16];
    macro_rules! store {
        ($($register:literal)*) => {
            // SAFETY: the array has room for all sixteen.
            unsafe { asm!($(concat!("movdqu [{0} + 16 * ", $register, "], xmm", $register)),*, in(reg) vectors.as_mut_ptr(), options(nostack)) }
        };
    }
    store!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    vectors
}

/// Code for `fn() -> u32` that answers `value`.
#[must_use]
pub fn answering_code(value: u16) -> [u8; 8] {
    let [low, high] = value.to_le_bytes();
    // mov eax, value; ret
    [0xb8, low, high, 0, 0, 0xc3, 0xcc, 0xcc]
}

/// An undefined instruction, for who steps over it.
#[inline(always)]
pub fn undefined_instruction() {
    // SAFETY: it traps and changes nothing; a handler steps over it or ends the program.
    unsafe { core::arch::asm!("ud2", options(nomem, nostack)) };
}

/// Go on after an undefined instruction, or that of [`registers_survive_undefined`].
pub fn skip_undefined(registers: &mut Registers) {
    registers.pc += 2;
}

/// Whether all general registers are the same after a fault that [`skip_undefined`] handles: each holds `seed` plus its number.
#[must_use]
pub fn registers_survive_undefined(seed: u64) -> bool {
    survive_undefined(seed) == 0
}

#[unsafe(naked)]
extern "C" fn survive_undefined(seed: u64) -> u64 {
    // 1. Fill all registers but rsp, and the flags.
    // 2. Fault. 3. Subtract what they held from each and gather what is left, carry flag included.
    naked_asm!(
        "push rbx; push rbp; push r12; push r13; push r14; push r15",
        "lea rax, [rdi + 1]; lea rbx, [rdi + 2]; lea rcx, [rdi + 3]; lea rdx, [rdi + 4]; lea rsi, [rdi + 5]; lea rbp, [rdi + 6]",
        "lea r8, [rdi + 8]; lea r9, [rdi + 9]; lea r10, [rdi + 10]; lea r11, [rdi + 11]; lea r12, [rdi + 12]; lea r13, [rdi + 13]",
        "lea r14, [rdi + 14]; lea r15, [rdi + 15]",
        "stc",
        "ud2",
        "jnc 2f",
        "sub rax, rdi; sub rbx, rdi; sub rcx, rdi; sub rdx, rdi; sub rsi, rdi; sub rbp, rdi; sub r8, rdi; sub r9, rdi; sub r10, rdi",
        "sub r11, rdi; sub r12, rdi; sub r13, rdi; sub r14, rdi; sub r15, rdi",
        "xor rax, 1; xor rbx, 2; xor rcx, 3; xor rdx, 4; xor rsi, 5; xor rbp, 6; xor r8, 8; xor r9, 9; xor r10, 10; xor r11, 11",
        "xor r12, 12; xor r13, 13; xor r14, 14; xor r15, 15",
        "or rax, rbx; or rax, rcx; or rax, rdx; or rax, rsi; or rax, rbp; or rax, r8; or rax, r9; or rax, r10; or rax, r11",
        "or rax, r12; or rax, r13; or rax, r14; or rax, r15",
        "jmp 3f",
        "2: mov eax, 1",
        "3: pop r15; pop r14; pop r13; pop r12; pop rbp; pop rbx",
        "ret",
    )
}

/// A syscall in the middle of single steps: the trap flag is set before it and cleared after it. Gives rax.
#[must_use]
pub fn stepped_syscall(number: u64) -> u64 {
    let answer;
    // SAFETY: the calls that are made so change nothing; the step handler keeps all registers.
    unsafe {
        asm!(
            "pushfq",
            "or qword ptr [rsp], 0x100",
            "popfq",
            "nop",
            "syscall",
            "nop",
            "pushfq",
            "and qword ptr [rsp], ~0x100",
            "popfq",
            "nop",
            inlateout("rax") number => answer,
            inlateout("rdi") 0u64 => _,
            inlateout("rsi") 0u64 => _,
            lateout("rcx") _, lateout("r11") _, lateout("rdx") _,
        );
    }
    answer
}

macro_rules! instruction {
    ($name:ident, $($code:literal),+) => {
        #[unsafe(naked)]
        extern "C" fn $name(_: u64) {
            naked_asm!($($code),+, "ret")
        }
    };
}

instruction!(clear_interrupts, "cli");
instruction!(set_interrupts, "sti");
instruction!(halt, "hlt");
instruction!(write_cr0, "mov cr0, rdi");
instruction!(read_cr3, "mov rax, cr3");
instruction!(write_cr3, "mov cr3, rdi");
instruction!(write_cr4, "mov cr4, rdi");
instruction!(read_msr, "mov ecx, 0xc0000080", "rdmsr");
instruction!(write_msr, "mov ecx, 0xc0000082", "xor eax, eax", "xor edx, edx", "wrmsr");
instruction!(swap_gs, "swapgs");
instruction!(load_gdt, "lgdt [rsp]");
instruction!(load_idt, "lidt [rsp]");
instruction!(load_ldt, "lldt di");
instruction!(load_task, "ltr di");
instruction!(invalidate_page, "invlpg [rdi]");
instruction!(invalidate_caches, "wbinvd");
instruction!(system_return, "xor ecx, ecx", "sysretq");
instruction!(clear_task_switched, "clts");
instruction!(read_port, "mov edx, 0x60", "in al, dx");
instruction!(write_port, "mov edx, 0x3f8", "out dx, al");
// The emulator's exit device: a child that could reach it could stop the machine.
instruction!(write_exit_port, "mov edx, 0xf4", "mov eax, 1", "out dx, eax");
instruction!(linux_interrupt, "int 0x80");
instruction!(kernel_interrupt, "int 0x20");
instruction!(page_fault_interrupt, "int 14");
instruction!(double_fault_interrupt, "int 8");
instruction!(fast_system_call, "sysenter");
instruction!(fast_system_exit, "sysexit");
instruction!(kernel_stack_segment, "mov eax, 8", "mov ss, ax");
instruction!(far_return, "push 8", "lea rax, [rip + 2f]", "push rax", "retfq", "2:");
instruction!(interrupt_return, "push 0", "push rsp", "push 0x3202", "push 8", "lea rax, [rip + 2f]", "push rax", "iretq", "2: add rsp, 8");
instruction!(set_control_register, "xor ecx, ecx", "xor eax, eax", "xor edx, edx", "xsetbv");

/// Instructions that are not for user mode and leave no doubt about the fault.
pub const PRIVILEGED: [Instruction; 26] = [
    ("cli", clear_interrupts),
    ("sti", set_interrupts),
    ("hlt", halt),
    ("mov to cr0", write_cr0),
    ("mov from cr3", read_cr3),
    ("mov to cr3", write_cr3),
    ("mov to cr4", write_cr4),
    ("rdmsr", read_msr),
    ("wrmsr", write_msr),
    ("lgdt", load_gdt),
    ("lidt", load_idt),
    ("lldt", load_ldt),
    ("ltr", load_task),
    ("invlpg", invalidate_page),
    ("swapgs", swap_gs),
    ("sysret", system_return),
    ("clts", clear_task_switched),
    ("in", read_port),
    ("out", write_port),
    ("out to the exit device", write_exit_port),
    ("int 0x80", linux_interrupt),
    ("int 0x20", kernel_interrupt),
    ("int 14", page_fault_interrupt),
    ("int 8", double_fault_interrupt),
    ("sysenter", fast_system_call),
    ("sysexit", fast_system_exit),
];

/// The kinds with which [`PRIVILEGED`] may be refused.
pub const PRIVILEGED_KINDS: [FaultKind; 2] = [FaultKind::Protection, FaultKind::IllegalInstruction];

/// Instructions that try to get at the kernel's segments and control registers.
pub const SEGMENTS: [Instruction; 4] =
    [("load of ss", kernel_stack_segment), ("far return", far_return), ("iret", interrupt_return), ("xsetbv", set_control_register)];

instruction!(undefined, "ud2");
instruction!(software_breakpoint, "int3");
instruction!(divide_by_zero, "xor edx, edx", "xor eax, eax", "xor ecx, ecx", "div ecx");
instruction!(noncanonical_load, "mov rax, 0x8000000000000000", "mov rax, [rax]");
// The trap flag: the exception comes after the next instruction.
instruction!(single_step, "pushfq", "or qword ptr [rsp], 0x100", "popfq", "nop", "nop");
// Division by zero with its mask bit in the x87 control word clear. (QEMU has no exceptions of vector arithmetic.)
instruction!(unmasked_divide, "fninit", "mov dword ptr [rsp - 8], 0x37b", "fldcw [rsp - 8]", "fld1", "fldz", "fdivp st(1), st", "fwait");

/// Instructions with the one kind of fault that each gives.
pub const FAULTS: [(Instruction, FaultKind); 6] = [
    (("ud2", undefined), FaultKind::IllegalInstruction),
    (("int3", software_breakpoint), FaultKind::Breakpoint),
    (("div by zero", divide_by_zero), FaultKind::Divide),
    (("a noncanonical load", noncanonical_load), FaultKind::Protection),
    (("a single step", single_step), FaultKind::Debug),
    (("a floating-point division by zero", unmasked_divide), FaultKind::FloatingPoint),
];

/// Instructions that may fault or do nothing, but no harm. QEMU, which has no caches, lets user mode write them back.
pub const HARMLESS: [Instruction; 1] = [("wbinvd", invalidate_caches)];

/// What user mode must not set in its flags, in [`Registers::flags`]: IOPL, NT, VM and the interrupt flag's absence.
pub const BAD_FLAGS: [u64; 4] = [0x3000, 0x4000, 0x2_0000, 0xffff_ffff_ffff_feff];

/// The flags that a program sees in itself.
#[must_use]
pub fn flags() -> u64 {
    let flags;
    // SAFETY: one push and one pop.
    unsafe { asm!("pushfq", "pop {}", out(reg) flags) };
    flags
}

/// Whether flags are those of user mode: interrupts on, IOPL 0, no NT, no VM.
#[must_use]
pub fn flags_are_ordinary(flags: u64) -> bool {
    flags & 0x200 != 0 && flags & 0x2_7000 == 0
}
