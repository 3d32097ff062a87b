//! The signal frame of aarch64, as `arch/arm64/kernel/signal.c` and `uapi/asm/sigcontext.h` lay it out.
//!
//! ```text
//!   sp before ─ frame record (x29, x30) ─ Frame: siginfo, ucontext, vector state ─► sp in the handler, a multiple of 16
//! ```

use core::mem::offset_of;

use abi::Registers;
use static_assertions::const_assert_eq;

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::signal::deliver::{recorded, stack_for};
use crate::signal::{Action, AlternateStack, Information, Returned, Set};
use crate::user::Plain;

/// Bytes for records in the context, all of them together.
const RECORDS: usize = 4096;

/// What lies at the handler's stack pointer, up to the records.
#[derive(Clone, Copy)]
#[repr(C)]
struct Frame {
    information: Information,
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

/// The vector record: header, FPSR, FPCR, q0 to q31.
pub const VECTOR_MAGIC: u32 = 0x4650_8001;
/// Its bytes.
pub const VECTOR_BYTES: usize = 528;
/// The fault's syndrome.
const SYNDROME_MAGIC: u32 = 0x4553_5201;
const SYNDROME_BYTES: u64 = 16;
const RECORD_BYTES: usize = 16;

/// Set the register in which a call's result is.
pub fn set_result(registers: &mut Registers, result: u64) {
    registers.x[0] = result;
}

/// Write the frame and point `registers` at the handler.
///
/// # Errors
/// `EFAULT`: the stack cannot be written.
pub fn push<K: Kernel>(
    kernel: &K,
    registers: &mut Registers,
    information: &Information,
    action: &Action,
    mask: Set,
    alternate: &AlternateStack,
    words: [u64; 3],
) -> Result<()> {
    let top = stack_for(action, alternate, registers.sp, 0);
    let record = (top & !15).checked_sub(RECORD_BYTES as u64).ok_or(Errno::EFAULT)?;
    let sp = record.checked_sub((size_of::<Frame>() + RECORDS) as u64).ok_or(Errno::EFAULT)?;
    kernel.write_with(sp as usize, |frame: &mut Frame| {
        frame.information = *information;
        frame.flags = 0;
        frame.link = 0;
        frame.alternate = recorded(alternate, registers.sp);
        frame.mask = mask;
        frame.mask_room = [0; 16];
        frame.fault_address = words[2];
        frame.x = registers.x;
        frame.sp = registers.sp;
        frame.pc = registers.pc;
        frame.flags_register = registers.flags;
        frame.record_room = 0;
    })?;
    let records = sp as usize + size_of::<Frame>();
    kernel.push_vectors(records)?;
    push_syndrome(kernel, records + VECTOR_BYTES, words[0])?;
    kernel.write_value(record as usize, &[registers.x[29], registers.x[30]])?;
    registers.x[0] = information.signal as u64;
    registers.x[1] = sp;
    registers.x[2] = sp + offset_of!(Frame, flags) as u64;
    registers.x[29] = record;
    registers.x[30] = if action.flags & Action::RESTORER != 0 { action.restorer } else { kernel.signal_return() as u64 };
    registers.sp = sp;
    registers.pc = action.handler;
    Ok(())
}

/// The record of a fault's syndrome, if there is one, and the end, which is zeros.
fn push_syndrome<K: Kernel>(kernel: &K, address: usize, syndrome: u64) -> Result<()> {
    const END: [u64; 2] = [0; 2];
    if syndrome == 0 {
        return kernel.write_value(address, &END);
    }
    let record = [u64::from(SYNDROME_MAGIC) | SYNDROME_BYTES << 32, syndrome, END[0], END[1]];
    kernel.write_value(address, &record)
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
    restore(kernel, address.wrapping_add(size_of::<Frame>()))?;
    let [alternate_address, alternate_flags, alternate_size, mask]: [u64; 4] =
        kernel.read_value(address.wrapping_add(offset_of!(Frame, alternate)))?;
    Ok(Returned {
        mask,
        alternate: AlternateStack { address: alternate_address, flags: alternate_flags as u32, reserved: 0, size: alternate_size },
        context: address.wrapping_add(offset_of!(Frame, x)),
    })
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
