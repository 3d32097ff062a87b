//! The signal frame of aarch64, as `arch/arm64/kernel/signal.c` and `uapi/asm/sigcontext.h` lay it out.
//!
//! ```text
//!   sp before ─ frame record (x29, x30) ─ Frame: siginfo, ucontext, vector state ─► sp in the handler, a multiple of 16
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

/// Bytes for records in the context, all of them together.
const RECORDS: usize = 4096;

/// What lies at the handler's stack pointer, up to the records.
#[derive(Clone, Copy)]
#[repr(C)]
struct Frame {
    information: Told,
    flags: u64,
    link: u64,
    alternate: AlternateStack,
    mask: Set,
    /// The rest of glibc's larger set, and what aligns the context to 16.
    mask_room: [u64; 16],
    fault_address: u64,
    x: [u64; 31],
    sp: u64,
    pc: u64,
    flags_register: u64,
    /// What aligns the records to 16.
    record_room: u64,
}
// SAFETY: 64-bit words and structs that are whole in them, no padding.
unsafe impl Plain for Frame {}
const_assert_eq!(offset_of!(Frame, flags), 128);
const_assert_eq!(offset_of!(Frame, fault_address), 128 + 176);
const_assert_eq!(size_of::<Frame>(), 128 + 176 + 288);

/// All of it.
#[derive(Clone, Copy)]
#[repr(C)]
struct Whole {
    frame: Frame,
    vectors: [u64; VECTOR_BYTES / 8],
    /// The record of a fault's syndrome, if there is one, and the end, which is zeros.
    syndrome: [u64; 4],
    record_room: [u64; (RECORDS - VECTOR_BYTES) / 8 - 4],
    /// x29 and x30.
    link: [u64; 2],
}
// SAFETY: as for `Frame`.
unsafe impl Plain for Whole {}
const_assert_eq!(offset_of!(Whole, link), size_of::<Frame>() + RECORDS);

/// What is looked at of it on the way back.
#[derive(Clone, Copy)]
#[repr(C)]
struct Opened {
    frame: Frame,
    /// The first record's.
    header: [u32; 2],
}
// SAFETY: as for `Frame`.
unsafe impl Plain for Opened {}

/// What a frame says.
struct Contents<'a> {
    registers: &'a Registers,
    information: &'a Information,
    alternate: &'a AlternateStack,
    mask: Set,
    words: &'a [u64; 3],
}

impl Fill<Whole> for Contents<'_> {
    #[inline(always)]
    fn fill(&self, whole: &mut Whole) {
        let frame = &mut whole.frame;
        frame.information.tell(self.information);
        frame.flags = 0;
        frame.link = 0;
        frame.alternate = recorded(self.alternate, self.registers.sp);
        frame.mask = self.mask;
        frame.mask_room = [0; 16];
        frame.fault_address = self.words[2];
        frame.x = self.registers.x;
        frame.sp = self.registers.sp;
        frame.pc = self.registers.pc;
        frame.flags_register = self.registers.flags;
        frame.record_room = 0;
        let has_syndrome = self.words[0] != 0;
        whole.syndrome = if has_syndrome { [SYNDROME_HEADER, self.words[0], 0, 0] } else { [0; 4] };
        whole.link = [self.registers.x[29], self.registers.x[30]];
    }
}

/// The vector record: header, FPSR, FPCR, q0 to q31.
pub const VECTOR_MAGIC: u32 = 0x4650_8001;
/// Its bytes.
pub const VECTOR_BYTES: usize = 528;
/// The fault's syndrome.
const SYNDROME_HEADER: u64 = 0x4553_5201 | 16 << 32;

/// Set the register in which a call's result is.
pub fn set_result(registers: &mut Registers, result: u64) {
    registers.x[0] = result;
}

/// Write the frame and point `registers` at the handler; with `IS_LAST`, where nothing but to start that comes after it.
///
/// # Errors
/// `EFAULT`: the stack cannot be written.
#[inline(always)]
pub(super) fn push<K: Kernel, const IS_LAST: bool>(
    kernel: &K,
    registers: &mut Registers,
    information: &Information,
    action: &Action,
    entering: &Entering,
    words: &[u64; 3],
) -> Result<()> {
    let Entering { mask, alternate, .. } = entering;
    let top = stack_for(action, alternate, registers.sp, 0);
    let sp = (top & !15).checked_sub(size_of::<Whole>() as u64).ok_or(Errno::EFAULT)?;
    let part = |offset: usize| sp + offset as u64;
    let contents = Contents { registers, information, alternate, mask: *mask, words };
    let (address, vectors) = (sp as usize, part(offset_of!(Whole, vectors)) as usize);
    if IS_LAST {
        kernel.write_last_frame(address, vectors, contents)?;
    } else {
        kernel.write_frame(address, vectors, |whole: &mut Whole| contents.fill(whole))?;
    }
    registers.x[0] = information.signal as u64;
    registers.x[1] = sp;
    registers.x[2] = part(offset_of!(Frame, flags));
    registers.x[29] = part(offset_of!(Whole, link));
    registers.x[30] = if action.flags & Action::RESTORER != 0 { action.restorer } else { kernel.signal_return() as u64 };
    registers.sp = sp;
    registers.pc = action.handler;
    Ok(())
}

/// Read the frame that a handler returned to with this stack pointer, its registers excepted, and load its vector state.
///
/// # Errors
/// `EFAULT`: there is none, or it has no vector state.
pub fn open<K: Kernel>(kernel: &K, sp: u64) -> Result<Returned> {
    let address = sp as usize;
    if !address.is_multiple_of(16) {
        return Err(Errno::EFAULT);
    }
    let (mask, alternate, is_first) = kernel.read_frame(address, |opened: &Opened| {
        let is_first = opened.header == [VECTOR_MAGIC, VECTOR_BYTES as u32];
        let vectors = if is_first { address + size_of::<Frame>() } else { 0 };
        ((opened.frame.mask, opened.frame.alternate, is_first), vectors)
    })?;
    if !is_first {
        restore(kernel, address + size_of::<Frame>())?;
    }
    Ok(Returned { mask, alternate, context: address.wrapping_add(offset_of!(Frame, x)) })
}

/// Continue with the frame that a handler returned to with this stack pointer, if `is_meant`, told its mask and alternate stack, says so. Returns
/// if that does not go.
#[inline(always)]
pub fn resume<K: Kernel>(kernel: &K, sp: u64, is_meant: impl FnOnce(Set, &AlternateStack) -> bool) {
    let address = sp as usize;
    if !address.is_multiple_of(16) {
        return;
    }
    kernel.resume_frame(address, sp, offset_of!(Frame, x), |opened: &Opened| {
        let (mask, alternate, header) = (opened.frame.mask, opened.frame.alternate, opened.header);
        // The frame may turn out to be unreadable, where nothing is held yet.
        compiler_fence(Ordering::SeqCst);
        let is_first = header == [VECTOR_MAGIC, VECTOR_BYTES as u32];
        (is_first && is_meant(mask, &alternate)).then(|| address + size_of::<Frame>())
    });
}

/// Read the registers of a frame's context.
///
/// # Errors
/// `EFAULT`: they cannot be read.
pub fn load<K: Kernel>(kernel: &K, context: usize, registers: &mut Registers) -> Result<()> {
    let words: [u64; 34] = kernel.read_value(context)?;
    let (x, [sp, pc, flags]) = (words[..31].try_into().expect("31 words"), [words[31], words[32], words[33]]);
    *registers = Registers { x, sp, pc, flags, tls: registers.tls, reserved: 0 };
    Ok(())
}

/// Load the vector state among the records at `address`.
#[cold]
fn restore<K: Kernel>(kernel: &K, address: usize) -> Result<()> {
    let mut at = 0;
    while at + 8 <= RECORDS {
        let [magic, size]: [u32; 2] = kernel.read_value(address + at)?;
        if magic == VECTOR_MAGIC && size as usize == VECTOR_BYTES && at + VECTOR_BYTES <= RECORDS {
            kernel.pop_vectors(address + at)?;
            return Ok(());
        }
        if magic == 0 || size < 16 || !size.is_multiple_of(16) {
            break;
        }
        at += size as usize;
    }
    Err(Errno::EFAULT)
}
