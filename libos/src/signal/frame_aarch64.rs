//! The signal frame of aarch64, as `arch/arm64/kernel/signal.c` and `uapi/asm/sigcontext.h` lay it out.
//!
//! ```text
//!   sp before ─ frame record (x29, x30) ─ Frame: siginfo, ucontext, vector state ─► sp in the handler, a multiple of 16
//! ```

use core::mem::offset_of;

use abi::Registers;
use static_assertions::const_assert_eq;

use crate::errno::{Errno, Result};
use crate::kernel::{Kernel, VectorState};
use crate::signal::deliver::{recorded, stack_for};
use crate::signal::{Action, AlternateStack, Information, Set};
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
const VECTOR_MAGIC: u32 = 0x4650_8001;
const VECTOR_BYTES: usize = 528;
/// The fault's syndrome.
const SYNDROME_MAGIC: u32 = 0x4553_5201;
const SYNDROME_BYTES: usize = 16;
const RECORD_BYTES: usize = 16;
/// Bytes of [`VectorState`] in use: q0 to q31, FPSR, FPCR.
const STATE_BYTES: usize = 520;

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
    let frame = Frame {
        information: *information,
        flags: 0,
        link: 0,
        alternate: recorded(alternate, registers.sp),
        mask,
        mask_room: [0; 16],
        fault_address: words[2],
        x: registers.x,
        sp: registers.sp,
        pc: registers.pc,
        flags_register: registers.flags,
        record_room: 0,
    };
    kernel.write_value(sp as usize, &frame)?;
    kernel.write(sp as usize + size_of::<Frame>(), &records(kernel, words[0]))?;
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

/// The records: vector state, the fault's syndrome if there is one, and the end, which is zeros.
fn records<K: Kernel>(kernel: &K, syndrome: u64) -> [u8; VECTOR_BYTES + SYNDROME_BYTES + 8] {
    let mut state = VectorState::new();
    kernel.save_vectors(&mut state);
    let mut bytes = [0; VECTOR_BYTES + SYNDROME_BYTES + 8];
    bytes[..4].copy_from_slice(&VECTOR_MAGIC.to_le_bytes());
    bytes[4..8].copy_from_slice(&(VECTOR_BYTES as u32).to_le_bytes());
    bytes[8..16].copy_from_slice(&state.bytes[512..STATE_BYTES]);
    bytes[16..VECTOR_BYTES].copy_from_slice(&state.bytes[..512]);
    if syndrome != 0 {
        let record = &mut bytes[VECTOR_BYTES..VECTOR_BYTES + SYNDROME_BYTES];
        record[..4].copy_from_slice(&SYNDROME_MAGIC.to_le_bytes());
        record[4..8].copy_from_slice(&(SYNDROME_BYTES as u32).to_le_bytes());
        record[8..].copy_from_slice(&syndrome.to_le_bytes());
    }
    bytes
}

/// Read the frame that a handler returned to: registers, and the mask and alternate stack to set.
///
/// # Errors
/// `EFAULT`: there is none, or it has no vector state.
pub fn pop<K: Kernel>(kernel: &K, registers: &mut Registers) -> Result<(Set, AlternateStack)> {
    let address = registers.sp as usize;
    if !address.is_multiple_of(16) {
        return Err(Errno::EFAULT);
    }
    let frame: Frame = kernel.read_value(address)?;
    restore(kernel, address + size_of::<Frame>())?;
    *registers = Registers { x: frame.x, sp: frame.sp, pc: frame.pc, flags: frame.flags_register, tls: registers.tls, reserved: 0 };
    Ok((frame.mask, frame.alternate))
}

/// Load the vector state among the records at `address`.
fn restore<K: Kernel>(kernel: &K, address: usize) -> Result<()> {
    let mut at = 0;
    while at + 8 <= RECORDS {
        let [magic, size]: [u32; 2] = kernel.read_value(address + at)?;
        if magic == VECTOR_MAGIC && size as usize == VECTOR_BYTES && at + VECTOR_BYTES <= RECORDS {
            let mut state = VectorState::new();
            kernel.read(address + at + 8, &mut state.bytes[512..STATE_BYTES])?;
            kernel.read(address + at + 16, &mut state.bytes[..512])?;
            kernel.restore_vectors(&mut state, STATE_BYTES);
            return Ok(());
        }
        if magic == 0 || size < 16 || !size.is_multiple_of(16) {
            break;
        }
        at += size as usize;
    }
    Err(Errno::EFAULT)
}
