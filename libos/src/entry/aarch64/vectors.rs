//! The program's vector state: nothing in the library changes it but these.

use core::arch::naked_asm;

use crate::errno::Result;
use crate::kernel::VectorState;
use crate::signal::frame::{VECTOR_BYTES as RECORD_BYTES, VECTOR_MAGIC};
use crate::user::UserMemory;

/// Store FPSR, FPCR and q0 to q31 where a signal frame's record has them: from its ninth byte on.
///
/// # Safety
/// `state` has room for them.
#[unsafe(naked)]
unsafe extern "C" fn store_vectors(state: *mut u8) {
    naked_asm!(
        ".arch_extension fp",
        ".arch_extension simd",
        "stp q0, q1, [x0, #16]",
        "stp q2, q3, [x0, #48]",
        "stp q4, q5, [x0, #80]",
        "stp q6, q7, [x0, #112]",
        "stp q8, q9, [x0, #144]",
        "stp q10, q11, [x0, #176]",
        "stp q12, q13, [x0, #208]",
        "stp q14, q15, [x0, #240]",
        "stp q16, q17, [x0, #272]",
        "stp q18, q19, [x0, #304]",
        "stp q20, q21, [x0, #336]",
        "stp q22, q23, [x0, #368]",
        "stp q24, q25, [x0, #400]",
        "stp q26, q27, [x0, #432]",
        "stp q28, q29, [x0, #464]",
        "stp q30, q31, [x0, #496]",
        "mrs x1, fpsr",
        "mrs x2, fpcr",
        "stp w1, w2, [x0, #8]",
        "ret",
    )
}

/// Load FPSR, FPCR and q0 to q31 off where [`store_vectors`] stores them.
///
/// # Safety
/// `state` holds them. The library uses no vector register.
#[unsafe(naked)]
unsafe extern "C" fn load_vectors(state: *const u8) {
    naked_asm!(
        ".arch_extension fp",
        ".arch_extension simd",
        "ldp q0, q1, [x0, #16]",
        "ldp q2, q3, [x0, #48]",
        "ldp q4, q5, [x0, #80]",
        "ldp q6, q7, [x0, #112]",
        "ldp q8, q9, [x0, #144]",
        "ldp q10, q11, [x0, #176]",
        "ldp q12, q13, [x0, #208]",
        "ldp q14, q15, [x0, #240]",
        "ldp q16, q17, [x0, #272]",
        "ldp q18, q19, [x0, #304]",
        "ldp q20, q21, [x0, #336]",
        "ldp q22, q23, [x0, #368]",
        "ldp q24, q25, [x0, #400]",
        "ldp q26, q27, [x0, #432]",
        "ldp q28, q29, [x0, #464]",
        "ldp q30, q31, [x0, #496]",
        "ldp w1, w2, [x0, #8]",
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

/// Store the vector state as a signal frame has it: its record.
///
/// # Safety
/// `address` is a multiple of 16, with room for [`frame_vector_bytes`] that nobody refers to.
#[inline(always)]
pub unsafe fn store_frame_vectors(address: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        (address as *mut [u32; 2]).write([VECTOR_MAGIC, RECORD_BYTES as u32]);
        store_vectors(address as *mut u8);
    }
}

/// Load what [`store_frame_vectors`] stored. Any bits are a vector state: the CPU ignores those of FPSR and FPCR that are reserved.
///
/// # Safety
/// As [`store_frame_vectors`].
#[inline(always)]
pub unsafe fn load_frame_vectors(address: usize) -> bool {
    // SAFETY: the caller's promise. The library uses no vector register.
    unsafe { load_vectors(address as *const u8) };
    true
}

/// Load the vector state of a record wherever it is.
#[cold]
pub fn pop_vectors<U: UserMemory>(program: &U, address: usize) -> Result<()> {
    let mut state = VectorState::new();
    program.read(address, &mut state.bytes[..RECORD_BYTES])?;
    reload_vectors(&state);
    Ok(())
}
