//! The signal frame of x86_64, as `arch/x86/include/asm/sigframe.h` and `uapi/asm/sigcontext.h` lay it out.
//!
//! ```text
//!   sp before ─ red zone (128) ─ vector state (fxsave or xsave, 64-aligned) ─ Frame ─► sp in the handler, 8 below a multiple of 16
//! ```

use core::mem::offset_of;
use core::sync::atomic::{Ordering, compiler_fence};

use abi::Registers;
use static_assertions::const_assert_eq;

use crate::errno::{Errno, Result};
use crate::kernel::{Fill, Kernel};
use crate::signal::deliver::{recorded, stack_for};
use crate::signal::state::Entering;
use crate::signal::{Action, AlternateStack, Information, Returned, Set, Told};
use crate::user::Plain;

/// What lies at the handler's stack pointer.
#[derive(Clone, Copy)]
#[repr(C)]
struct Frame {
    return_address: u64,
    flags: u64,
    link: u64,
    alternate: AlternateStack,
    /// r8 to r15.
    r: [u64; 8],
    rdi: u64,
    rsi: u64,
    rbp: u64,
    rbx: u64,
    rdx: u64,
    rax: u64,
    rcx: u64,
    rsp: u64,
    rip: u64,
    rflags: u64,
    /// cs, gs, fs, ss, sixteen bits each.
    selectors: u64,
    error: u64,
    trap: u64,
    old_mask: u64,
    cr2: u64,
    vectors: u64,
    /// As it was on the stack: Linux does not write it either.
    reserved: [u64; 8],
    mask: Set,
    information: Told,
}
// SAFETY: 64-bit words and structs that are whole in them, no padding.
unsafe impl Plain for Frame {}
const_assert_eq!(offset_of!(Frame, r), 8 + 40);
const_assert_eq!(offset_of!(Frame, mask), 8 + 40 + 256);
const_assert_eq!(size_of::<Frame>(), 8 + 40 + 256 + 8 + 128);

/// Offset in the frame of the registers: r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, flags.
pub const CONTEXT: usize = offset_of!(Frame, r);
/// Offset of `ucontext_t`.
pub const USER_CONTEXT: usize = offset_of!(Frame, flags);
/// Offset of `siginfo_t`.
pub const INFORMATION: usize = offset_of!(Frame, information);

/// What a frame says.
struct Contents<'a> {
    registers: &'a Registers,
    rest: Rest<'a>,
}

/// What it says beside the registers.
struct Rest<'a> {
    sp: u64,
    information: &'a Information,
    restorer: u64,
    entering: &'a Entering,
    words: &'a [u64; 3],
    vectors: u64,
}

impl Fill<Frame> for Contents<'_> {
    #[inline(always)]
    fn fill(&self, frame: &mut Frame) {
        self.rest.fill(frame);
        let registers = self.registers;
        frame.r = registers.r;
        frame.rdi = registers.rdi;
        frame.rsi = registers.rsi;
        frame.rbp = registers.rbp;
        frame.rbx = registers.rbx;
        frame.rdx = registers.rdx;
        frame.rax = registers.rax;
        frame.rcx = registers.rcx;
        frame.rsp = registers.sp;
        frame.rip = registers.pc;
        frame.rflags = registers.flags;
    }
}

impl Fill<Frame> for Rest<'_> {
    #[inline(always)]
    fn fill(&self, frame: &mut Frame) {
        frame.return_address = self.restorer;
        frame.flags = CONTEXT_FLAGS;
        frame.link = 0;
        frame.alternate = recorded(&self.entering.alternate, self.sp);
        frame.selectors = SELECTORS;
        frame.error = self.words[0];
        frame.trap = self.words[1];
        frame.old_mask = self.entering.mask;
        frame.cr2 = self.words[2];
        frame.vectors = self.vectors;
        frame.mask = self.entering.mask;
        frame.information.tell(self.information);
    }
}

/// `UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS`
const CONTEXT_FLAGS: u64 = 7;
/// cs and ss of user mode, as Linux has them.
const SELECTORS: u64 = 0x33 | 0x2b << 48;
/// What a program has in use below its stack pointer.
pub(super) const RED_ZONE: u64 = 128;

/// Set the register in which a call's result is.
pub fn set_result(registers: &mut Registers, result: u64) {
    registers.rax = result;
}

/// Write the frame and point `registers` at the handler; with `IS_LAST`, where nothing but to start that comes after it.
///
/// # Errors
/// `EFAULT`: the stack cannot be written, or the action names no place to return to.
#[inline(always)]
pub(super) fn push<K: Kernel, const IS_LAST: bool>(
    kernel: &K,
    registers: &mut Registers,
    information: &Information,
    action: &Action,
    entering: &Entering,
    words: &[u64; 3],
) -> Result<()> {
    if action.flags & Action::RESTORER == 0 {
        return Err(Errno::EFAULT);
    }
    let top = stack_for(action, &entering.alternate, registers.sp, RED_ZONE);
    let vectors = top.checked_sub(kernel.vector_bytes() as u64).ok_or(Errno::EFAULT)? & !63;
    let sp = (vectors.checked_sub(size_of::<Frame>() as u64).ok_or(Errno::EFAULT)? & !15) - 8;
    let rest = Rest { sp: registers.sp, information, restorer: action.restorer, entering, words, vectors };
    let contents = Contents { registers, rest };
    let (address, vectors) = (sp as usize, vectors as usize);
    if IS_LAST {
        kernel.write_last_frame(address, vectors, contents)?;
    } else {
        kernel.write_frame(address, vectors, |frame: &mut Frame| contents.fill(frame))?;
    }
    registers.rdi = information.signal as u64;
    registers.rsi = sp + INFORMATION as u64;
    registers.rdx = sp + USER_CONTEXT as u64;
    registers.rax = 0;
    registers.sp = sp;
    registers.pc = action.handler;
    // The direction and trap flags are clear in a handler.
    registers.flags &= !(1 << 10 | 1 << 8);
    Ok(())
}

/// Write a frame, but for its registers, where there is room; gives its address.
#[inline(always)]
pub(super) fn begin<K: Kernel>(
    kernel: &K,
    room: K::Room,
    sp: u64,
    information: &Information,
    action: &Action,
    entering: &Entering,
    words: &[u64; 3],
) -> u64 {
    kernel.write_frame_in(room, |vectors| Rest { sp, information, restorer: action.restorer, entering, words, vectors })
}

/// Read the frame that a handler returned to with this stack pointer, its registers excepted, and load its vector state.
///
/// # Errors
/// `EFAULT`: there is none.
pub fn open<K: Kernel>(kernel: &K, sp: u64) -> Result<Returned> {
    // The handler's return took the return address.
    let address = (sp as usize).wrapping_sub(size_of::<u64>());
    let (mask, alternate) = kernel.read_frame(address, |frame: &Frame| ((frame.mask, frame.alternate), frame.vectors as usize))?;
    Ok(Returned { mask, alternate, context: address.wrapping_add(CONTEXT) })
}

/// Continue with the frame that a handler returned to with this stack pointer, if `is_meant`, told its mask and alternate stack, says so. Returns
/// if that does not go.
#[inline(always)]
pub fn resume<K: Kernel>(kernel: &K, sp: u64, is_meant: impl FnOnce(Set, &AlternateStack) -> bool) {
    let address = (sp as usize).wrapping_sub(size_of::<u64>());
    kernel.resume_frame(address, sp, CONTEXT, |frame: &Frame| {
        let (mask, alternate, vectors) = (frame.mask, frame.alternate, frame.vectors as usize);
        // The frame may turn out to be unreadable, where nothing is held yet.
        compiler_fence(Ordering::SeqCst);
        (vectors != 0 && is_meant(mask, &alternate)).then_some(vectors)
    });
}

/// Read the registers of a frame's context.
///
/// # Errors
/// `EFAULT`: they cannot be read.
pub fn load<K: Kernel>(kernel: &K, context: usize, registers: &mut Registers) -> Result<()> {
    let [r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, sp, pc, flags]: [u64; 18] = kernel.read_value(context)?;
    let r = [r8, r9, r10, r11, r12, r13, r14, r15];
    *registers = Registers { rax, rbx, rcx, rdx, rsi, rdi, rbp, r, sp, pc, flags, tls: registers.tls, reserved: 0 };
    Ok(())
}
