//! The program's vector state: nothing in the library changes it but these.

use crate::kernel::VectorState;

/// Bytes of the legacy area, which every CPU has.
const LEGACY_BYTES: usize = 512;
/// Offset in the legacy area of MXCSR.
const MXCSR: usize = 24;
/// The extended area's header follows the legacy area: what is in the area, and words that must be zero.
const HEADER: core::ops::Range<usize> = LEGACY_BYTES..LEGACY_BYTES + 64;

/// Bytes of the extended area and the features in it, if the kernel has it enabled.
fn extended_area() -> Option<(usize, u64)> {
    let features = core::arch::x86_64::__cpuid(1);
    if features.ecx & 1 << 27 == 0 {
        return None;
    }
    let area = core::arch::x86_64::__cpuid_count(0xd, 0);
    let (low, high): (u32, u32);
    // SAFETY: OSXSAVE is set, so that the instruction exists; it reads XCR0.
    unsafe { core::arch::asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags)) };
    // Room stays for a signal frame's marker.
    let fits = area.ebx as usize <= size_of::<VectorState>() - 64;
    fits.then_some((area.ebx as usize, u64::from(low) | u64::from(high) << 32))
}

/// Store the vector state; gives its bytes.
pub fn save_vectors(state: &mut VectorState) -> usize {
    let area = state.bytes.as_mut_ptr();
    match extended_area() {
        // SAFETY: the area is 64-aligned, zeroed and large enough, and the instruction exists.
        Some((bytes, features)) => unsafe {
            core::arch::asm!("xsave64 [{}]", in(reg) area, in("eax") features as u32, in("edx") (features >> 32) as u32, options(nostack));
            bytes
        },
        // SAFETY: the area is aligned and large enough; every x86_64 has the instruction.
        None => unsafe {
            core::arch::asm!("fxsave64 [{}]", in(reg) area, options(nostack));
            LEGACY_BYTES
        },
    }
}

/// Load the first `length` bytes of a vector state. Bits that would make the instruction fault are cleared first.
pub fn restore_vectors(state: &mut VectorState, length: usize) {
    // The mask of MXCSR's valid bits, as every CPU with SSE2 has them.
    state.bytes[MXCSR + 2..MXCSR + 4].fill(0);
    match extended_area() {
        Some((bytes, features)) if length >= bytes => {
            let mut held = u64::from_le_bytes(state.bytes[HEADER][..8].try_into().expect("eight bytes"));
            held &= features;
            state.bytes[HEADER].fill(0);
            state.bytes[HEADER][..8].copy_from_slice(&held.to_le_bytes());
            // SAFETY: the area is aligned, its header names only what the CPU has, its reserved words are zero, and MXCSR is valid. The
            // library uses no vector register.
            unsafe {
                core::arch::asm!(
                    "xrstor64 [{}]",
                    in(reg) state.bytes.as_ptr(),
                    in("eax") features as u32,
                    in("edx") (features >> 32) as u32,
                    options(nostack),
                );
            }
        }
        // SAFETY: as above, of the legacy area.
        _ => unsafe { core::arch::asm!("fxrstor64 [{}]", in(reg) state.bytes.as_ptr(), options(nostack)) },
    }
}

/// The legacy area and header of a vector state in which nothing was computed yet.
#[repr(C, align(64))]
struct Initial([u8; HEADER.end]);

static INITIAL: Initial = {
    let mut bytes = [0; HEADER.end];
    // The x87 control word (all exceptions masked, extended precision) and MXCSR (all exceptions masked), as a reset leaves them.
    (bytes[0], bytes[1]) = (0x7f, 0x03);
    (bytes[MXCSR], bytes[MXCSR + 1]) = (0x80, 0x1f);
    Initial(bytes)
};

/// Make the vector state what a program begins with.
pub fn clear_vectors() {
    let area = INITIAL.0.as_ptr();
    match extended_area() {
        // SAFETY: the area is aligned, its header says that every feature is in its initial state, so that nothing behind the header is
        // read, and the instruction exists. The library uses no vector register.
        Some((_, features)) => unsafe {
            core::arch::asm!("xrstor64 [{}]", in(reg) area, in("eax") features as u32, in("edx") (features >> 32) as u32, options(nostack, readonly));
        },
        // SAFETY: the area is aligned and 512 bytes long; every x86_64 has the instruction.
        None => unsafe { core::arch::asm!("fxrstor64 [{}]", in(reg) area, options(nostack, readonly)) },
    }
}

/// The most bytes that a signal frame takes: vector state, frame, red zone, and what alignment may add.
#[must_use]
pub fn signal_frame_bytes() -> usize {
    extended_area().map_or(LEGACY_BYTES, |(bytes, _)| bytes + 4) + 440 + 128 + 64 + 16
}
