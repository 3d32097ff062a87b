//! A stopped thread of control, and what a trap vector means.

use abi::{FaultKind, Registers, SavedState, UpcallEntries, UpcallPage};
use static_assertions::const_assert;
use x86_64::registers::{control::Cr2, rflags::RFlags};

use super::cpu::{USER_CODE, USER_DATA};
use crate::{Context, Fault};

/// What `vector` holds while the context is in a `syscall`: it left rcx and r11 to the instruction, so that `sysret` may leave them
/// to itself.
pub(super) const SYSCALL: u64 = 0x100;
/// What `vector` holds when all registers were set from outside.
pub(super) const SET: u64 = 0x101;
/// Vectors from here on are interrupts.
pub(super) const FIRST_INTERRUPT: u64 = 32;

/// The least eax that is no kernel call's. A kernel call's is its number and the least that 32 bits can say, so that one signed comparison
/// tells them from all else.
pub(super) const FOREIGN: i32 = i32::MIN + (1 << u16::BITS);

/// Bits of an address in the lower half of the address space: what is left after masking is canonical, so that neither `sysret` nor
/// `iret` nor a base register can fault on it in the kernel.
const LOWER_HALF: u64 = (1 << 47) - 1;
/// Flags that are not user mode's: IF, IOPL, NT, VM, VIF and VIP.
const SYSTEM_FLAGS: u64 = 1 << 9 | 3 << 12 | 1 << 14 | 1 << 17 | 3 << 19;

/// Room for what XSAVE stores of x87, SSE, AVX and AVX-512 in its standard format.
pub(super) const VECTOR_BYTES: usize = 2816;
/// Vector of page faults, and the bit of their error code that says it was an instruction fetch (Intel SDM volume 3, section 5.7).
pub(super) const PAGE_FAULT: u64 = 14;
pub(super) const FETCH: u64 = 1 << 4;
const FCW: usize = 0;
const MXCSR: usize = 24;

/// x87 and vector registers as FXSAVE or XSAVE lay them out.
#[repr(C, align(64))]
pub(super) struct VectorState(pub(super) [u8; VECTOR_BYTES]);

/// The state of a stopped thread of control.
///
/// The stack pointer that the CPU takes when a trap leaves user mode (RSP0 in the TSS) is the end of `ss` in the loaded context: the CPU
/// itself stores `pc` to `ss`, and the entry assembly the rest. Selectors never change: user mode has one of each.
#[repr(C, align(64))]
pub struct UserContext {
    /// General registers and FS base. `sp`, `pc` and `flags` in here are unused.
    pub(super) general: Registers,
    /// Physical address of the root table.
    pub(super) root: u64,
    /// Why it stopped: a vector, [`SYSCALL`] or [`SET`].
    pub(super) vector: u64,
    /// The CPU's error code.
    pub(super) error: u64,
    pub(super) pc: u64,
    pub(super) cs: u64,
    pub(super) flags: u64,
    pub(super) sp: u64,
    ss: u64,
    /// The upcall page in the direct map, where there is an entry.
    pub(super) upcall: u64,
    /// The upcall page in user space.
    pub(super) upcall_address: u64,
    pub(super) syscall_entry: u64,
    pub(super) fault_entry: u64,
    pub(super) vectors: VectorState,
}
/// Where the CPU begins to store when a trap leaves user mode.
pub(super) const TRAP_TOP: usize = core::mem::offset_of!(UserContext, ss) + size_of::<u64>();
// The CPU aligns the stack pointer that it takes from the TSS.
const_assert!(TRAP_TOP.is_multiple_of(16));
const_assert!(size_of::<UserContext>() <= 3300);

/// Intel SDM volume 3, table 7-1, and section 5.7 for page faults. CR2 is read here.
pub(super) fn fault(vector: u64, error: u64) -> Fault {
    const WRITE: u64 = 1 << 1;
    let kind = match vector {
        0 => FaultKind::Divide,
        1 => FaultKind::Debug,
        3 => FaultKind::Breakpoint,
        6 => FaultKind::IllegalInstruction,
        PAGE_FAULT if error & FETCH != 0 => FaultKind::Execute,
        PAGE_FAULT if error & WRITE != 0 => FaultKind::Write,
        PAGE_FAULT => FaultKind::Read,
        16 | 19 => FaultKind::FloatingPoint,
        17 => FaultKind::Alignment,
        _ => FaultKind::Protection,
    };
    let address = if vector == PAGE_FAULT { Cr2::read_raw() } else { 0 };
    Fault { kind, address, code: vector << 32 | error }
}

/// The flags that a context gets when it asks for `flags`: interrupts are always on in user mode.
fn user_flags(flags: u64) -> u64 {
    /// Bit 1 reads as one.
    const FIXED: u64 = 1 << 1;
    flags & RFlags::all().bits() & !SYSTEM_FLAGS | RFlags::INTERRUPT_FLAG.bits() | FIXED
}

impl Context for UserContext {
    fn init(&mut self, root: u64, _asid: u16) {
        self.root = root << 12;
        self.cs = USER_CODE.0.into();
        self.ss = USER_DATA.0.into();
        self.vector = SET;
        self.flags = user_flags(0);
        // The state after FNINIT and reset; an XSAVE header of zeros makes XRSTOR take it for all but MXCSR.
        self.vectors.0[FCW..][..2].copy_from_slice(&0x037f_u16.to_le_bytes());
        self.vectors.0[MXCSR..][..4].copy_from_slice(&0x1f80_u32.to_le_bytes());
    }

    fn set_result(&mut self, status: i64, value: u64) {
        self.general.rax = status as u64;
        self.general.rdx = value;
    }

    fn set_message(&mut self, words: [u64; 4]) {
        [self.general.rdi, self.general.r[2], self.general.r[0], self.general.r[1]] = words;
    }

    fn registers(&self) -> Registers {
        Registers { sp: self.sp, pc: self.pc, flags: self.flags, ..self.general }
    }

    fn set_registers(&mut self, registers: &Registers) {
        self.general = Registers { tls: registers.tls & LOWER_HALF, reserved: 0, ..*registers };
        self.pc = registers.pc & LOWER_HALF;
        self.sp = registers.sp;
        self.flags = user_flags(registers.flags);
        self.vector = SET;
    }

    fn set_upcall(&mut self, page: *mut UpcallPage, address: u64, entries: UpcallEntries) {
        self.upcall = page.expose_provenance() as u64;
        self.upcall_address = address & LOWER_HALF;
        (self.syscall_entry, self.fault_entry) = (entries.syscall & LOWER_HALF, entries.fault & LOWER_HALF);
    }

    fn enter_fault(&mut self, page: &mut UpcallPage, entry: u64) {
        page.fault = SavedState { pc: self.pc, sp: self.sp, flags: self.flags, scratch: [self.general.rcx, self.general.r[3]] };
        self.pc = entry & LOWER_HALF;
        self.flags &= !RFlags::TRAP_FLAG.bits();
    }
}
