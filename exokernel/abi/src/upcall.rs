//! The page through which a context's traps come back to its own library.

use static_assertions::const_assert_eq;

/// What the kernel saves when it continues a context somewhere else. All other registers are as the trap left them.
#[derive(Clone, Copy, Default, Debug)]
#[repr(C)]
pub struct SavedState {
    /// Where the program was: for a foreign syscall, the instruction after it; for a fault, the faulting instruction.
    pub pc: u64,
    /// Its stack pointer.
    pub sp: u64,
    /// `rflags` or `pstate` (NZCV and the rest of SPSR_EL1).
    pub flags: u64,
    /// Two registers that the entry code may then use: x16 and x17; on x86_64 rcx and r11 (which a `syscall` clobbers
    /// anyway, so that they are saved for faults only).
    pub scratch: [u64; 2],
}

/// Why a context was sent to its fault entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum FaultKind {
    /// A load from a page that is not mapped or does not allow it.
    Read = 1,
    /// A store to a page that is not mapped or does not allow it (copy on write included).
    Write = 2,
    /// An instruction fetch from a page that is not mapped or does not allow it.
    Execute = 3,
    /// An instruction that does not exist, or is not for user mode.
    IllegalInstruction = 4,
    /// A breakpoint instruction (`int3`, `brk`).
    Breakpoint = 5,
    /// A single step or a hardware breakpoint.
    Debug = 6,
    /// Division by zero (x86_64 only).
    Divide = 7,
    /// A floating-point exception.
    FloatingPoint = 8,
    /// A misaligned access, where the machine does not allow it (stack pointer and pc alignment on aarch64).
    Alignment = 9,
    /// x86_64 general protection and segment faults; nothing on aarch64.
    Protection = 10,
    /// The memory system answered with an error.
    Bus = 11,
    /// Not a fault: the context's slice ended, and a new one has just begun, or the page's `deadline` passed. Only sent where
    /// `slice_armed` or `deadline` asks for it, whichever of them has become 0.
    Slice = 16,
}

/// The layout of a context's upcall page. The kernel writes the first two groups, reads the third and never looks at the rest, which
/// belongs to the library: GS base (x86_64) and TPIDRRO_EL0 (aarch64) hold the page's address in user mode.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct UpcallPage {
    /// Offset 0: state at the last foreign syscall.
    pub syscall: SavedState,
    /// Offset 40: non-zero asks for a `Slice` fault once the clock has passed it, in ticks. The kernel clears it when it sends one, which
    /// ends no slice; if `fault_active` is set then, it is left for later. The kernel looks at it when it sets its timer: when a
    /// slice of the context begins, after each interrupt of the timer, and when the context calls `context_set` on itself
    /// (`Unchanged` will do). A context that runs in another's slice, or that changes the word and does not say so, is told at the next
    /// of these times; one that sleeps is not woken.
    pub deadline: u64,
    /// Offset 48: zero; keeps `fault` aligned.
    pub reserved: [u64; 2],
    /// Offset 64: state at the last fault.
    pub fault: SavedState,
    /// Offset 104: a [`FaultKind`].
    pub kind: u64,
    /// Offset 112: the address that a Read, Write or Execute fault was at.
    pub address: u64,
    /// Offset 120: the ISA's own word: x86_64 vector << 32 | error code; aarch64 ESR_EL1.
    pub code: u64,
    /// Offset 128: set to 1 by the kernel when it sends a fault; cleared by the library once it has copied the state above. A fault
    /// while it is set is a double fault: the environment dies.
    pub fault_active: u64,
    /// Offset 136: non-zero asks for a `Slice` fault at the next slice after a forced end. The kernel clears it when it sends one;
    /// while `fault_active` is set it is left for later.
    pub slice_armed: u64,
    /// Offset 144: slices that ended by force so far.
    pub slices_lost: u64,
    /// Offset 152: the library's own from here on.
    pub library: [u64; 493],
}
const_assert_eq!(size_of::<UpcallPage>(), crate::PAGE_SIZE);
const_assert_eq!(core::mem::offset_of!(UpcallPage, fault), 64);
const_assert_eq!(core::mem::offset_of!(UpcallPage, deadline), 40);
const_assert_eq!(core::mem::offset_of!(UpcallPage, fault_active), 128);
const_assert_eq!(core::mem::offset_of!(UpcallPage, library), 152);

/// Where a context's traps go. An entry of 0 means none: such a trap ends the environment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C, align(16))]
pub struct UpcallEntries {
    /// For foreign syscalls. Entered with the trapping context's registers, but for the two scratch registers: on x86_64 rcx holds this
    /// entry and r11 the flags with TF cleared, on aarch64 both are undefined. pc is in [`UpcallPage::syscall`] only.
    pub syscall: u64,
    /// For faults. Entered with the scratch registers undefined, all others as they were.
    pub fault: u64,
}

/// One word of a `wait`: sleep while the 32-bit word at `address` holds `value`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, align(16))]
pub struct WaitWord {
    /// A mapped, readable address, a multiple of 4.
    pub address: u64,
    /// The value that the word must still have.
    pub value: u32,
    /// Zero.
    pub reserved: u32,
}
const_assert_eq!(size_of::<WaitWord>(), 16);
