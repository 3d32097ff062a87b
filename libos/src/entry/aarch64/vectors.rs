//! The program's vector state: nothing in the library changes it but these.

use core::arch::naked_asm;

use super::copies;
use crate::errno::{Errno, Result};
use crate::kernel::VectorState;
use crate::signal::frame::VECTOR_BYTES as RECORD_BYTES;
use crate::user::UserMemory;

/// Store q0 to q31, FPSR and FPCR.
///
/// # Safety
/// `state` has room for them.
#[unsafe(naked)]
unsafe extern "C" fn store_vectors(state: *mut u8) {
    naked_asm!(
        ".arch_extension fp",
        ".arch_extension simd",
        "stp q0, q1, [x0, #0]",
        "stp q2, q3, [x0, #32]",
        "stp q4, q5, [x0, #64]",
        "stp q6, q7, [x0, #96]",
        "stp q8, q9, [x0, #128]",
        "stp q10, q11, [x0, #160]",
        "stp q12, q13, [x0, #192]",
        "stp q14, q15, [x0, #224]",
        "stp q16, q17, [x0, #256]",
        "stp q18, q19, [x0, #288]",
        "stp q20, q21, [x0, #320]",
        "stp q22, q23, [x0, #352]",
        "stp q24, q25, [x0, #384]",
        "stp q26, q27, [x0, #416]",
        "stp q28, q29, [x0, #448]",
        "stp q30, q31, [x0, #480]",
        "mrs x1, fpsr",
        "mrs x2, fpcr",
        "str w1, [x0, #512]",
        "str w2, [x0, #516]",
        "ret",
    )
}

/// Load q0 to q31, FPSR and FPCR.
///
/// # Safety
/// `state` holds them. The library uses no vector register.
#[unsafe(naked)]
unsafe extern "C" fn load_vectors(state: *const u8) {
    naked_asm!(
        ".arch_extension fp",
        ".arch_extension simd",
        "ldp q0, q1, [x0, #0]",
        "ldp q2, q3, [x0, #32]",
        "ldp q4, q5, [x0, #64]",
        "ldp q6, q7, [x0, #96]",
        "ldp q8, q9, [x0, #128]",
        "ldp q10, q11, [x0, #160]",
        "ldp q12, q13, [x0, #192]",
        "ldp q14, q15, [x0, #224]",
        "ldp q16, q17, [x0, #256]",
        "ldp q18, q19, [x0, #288]",
        "ldp q20, q21, [x0, #320]",
        "ldp q22, q23, [x0, #352]",
        "ldp q24, q25, [x0, #384]",
        "ldp q26, q27, [x0, #416]",
        "ldp q28, q29, [x0, #448]",
        "ldp q30, q31, [x0, #480]",
        "ldr w1, [x0, #512]",
        "ldr w2, [x0, #516]",
        "msr fpsr, x1",
        "msr fpcr, x2",
        "ret",
    )
}

/// Store the vector state.
pub fn save_vectors(state: &mut VectorState) {
    // SAFETY: the struct is larger than what is stored.
    unsafe { store_vectors(state.bytes.as_mut_ptr()) };
}

/// Load a vector state.
pub fn reload_vectors(state: &VectorState) {
    // SAFETY: any bits are a vector state; reserved ones of FPSR and FPCR are ignored.
    unsafe { load_vectors(state.bytes.as_ptr()) };
}

/// Zero q0 to q31, FPSR and FPCR.
///
/// # Safety
/// The library uses no vector register: they are the program's, which is gone.
#[unsafe(naked)]
unsafe extern "C" fn zero_vectors() {
    naked_asm!(
        ".arch_extension fp",
        ".arch_extension simd",
        "movi v0.2d, #0",
        "movi v1.2d, #0",
        "movi v2.2d, #0",
        "movi v3.2d, #0",
        "movi v4.2d, #0",
        "movi v5.2d, #0",
        "movi v6.2d, #0",
        "movi v7.2d, #0",
        "movi v8.2d, #0",
        "movi v9.2d, #0",
        "movi v10.2d, #0",
        "movi v11.2d, #0",
        "movi v12.2d, #0",
        "movi v13.2d, #0",
        "movi v14.2d, #0",
        "movi v15.2d, #0",
        "movi v16.2d, #0",
        "movi v17.2d, #0",
        "movi v18.2d, #0",
        "movi v19.2d, #0",
        "movi v20.2d, #0",
        "movi v21.2d, #0",
        "movi v22.2d, #0",
        "movi v23.2d, #0",
        "movi v24.2d, #0",
        "movi v25.2d, #0",
        "movi v26.2d, #0",
        "movi v27.2d, #0",
        "movi v28.2d, #0",
        "movi v29.2d, #0",
        "movi v30.2d, #0",
        "movi v31.2d, #0",
        "msr fpsr, xzr",
        "msr fpcr, xzr",
        "ret",
    )
}

/// Make the vector state what a program begins with.
pub fn clear_vectors() {
    // SAFETY: only asked when a program begins.
    unsafe { zero_vectors() };
}

/// Bytes of the vector state in a signal frame: the record that it is.
pub fn frame_vector_bytes() -> usize {
    RECORD_BYTES
}

/// Write the vector state to the program, as a signal frame has it.
pub fn push_vectors(address: usize) -> Result<()> {
    // SAFETY: the address is the caller's promise.
    if unsafe { copies::push_vectors(address) } == 0 { Ok(()) } else { Err(Errno::EFAULT) }
}

/// Load the vector state of a frame. Any bits are one.
pub fn pop_vectors<U: UserMemory>(_: &U, address: usize) -> Result<()> {
    // SAFETY: the address is the caller's promise.
    if unsafe { copies::pop_vectors(address) } == 0 { Ok(()) } else { Err(Errno::EFAULT) }
}
