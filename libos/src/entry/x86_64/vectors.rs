//! The program's vector state: nothing in the library changes it but these.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::errno::Result;
use crate::kernel::VectorState;
use crate::user::UserMemory;

/// Bytes of the legacy area, which every CPU has.
const LEGACY_BYTES: usize = 512;
/// Offset in the legacy area of MXCSR.
const MXCSR: usize = 24;
/// Offset in the legacy area of what software may use: in a signal frame `struct _fpx_sw_bytes`.
const SOFTWARE: usize = 464;
/// The extended area's header follows the legacy area: what is in the area, and words that must be zero.
const HEADER: usize = LEGACY_BYTES;
const HEADER_BYTES: usize = 64;
/// `FP_XSTATE_MAGIC1`: the first word for software. The frame's bytes, this magic number and the last one included, are its other half.
const MAGIC_1: u64 = 0x4650_5853;
/// `FP_XSTATE_MAGIC2`: behind the area.
const MAGIC_2: u32 = 0x4650_5845;
const MAGIC_2_BYTES: usize = 4;

/// What [`AREA`] holds before anybody asked.
const UNKNOWN: u64 = 0;
/// What it holds where there is no extended area.
const ABSENT: u64 = 1;
/// The extended area's bytes, once asked for: cpuid is slow where it traps.
static AREA: AtomicU64 = AtomicU64::new(UNKNOWN);
/// Bytes of the vector state in a signal frame; 0 before anybody asked.
static FRAME_BYTES: AtomicU64 = AtomicU64::new(0);
/// The features in the extended area; 0 where there is none, and before anybody asked.
static FEATURES: AtomicU64 = AtomicU64::new(0);

/// An extended area.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    bytes: usize,
    features: u64,
}

impl Area {
    /// Bytes of a vector state in a signal frame: fewer than [`VectorState`] has.
    #[must_use]
    #[inline(always)]
    pub fn frame_bytes(self) -> usize {
        self.bytes + MAGIC_2_BYTES
    }
}

/// The extended area, if it is known that there is one.
#[must_use]
#[inline(always)]
pub fn known_area() -> Option<Area> {
    let bytes = AREA.load(Ordering::Relaxed);
    (bytes > ABSENT).then(|| Area { bytes: bytes as usize, features: FEATURES.load(Ordering::Relaxed) })
}
const _: () = assert!(UNKNOWN < ABSENT);

/// The extended area, if the kernel has it enabled.
fn extended_area() -> Option<Area> {
    if AREA.load(Ordering::Relaxed) == UNKNOWN {
        find_area();
    }
    known_area()
}

/// The features in it; 0 where there is none.
#[inline(always)]
fn features() -> u64 {
    match FEATURES.load(Ordering::Relaxed) {
        0 => find_features(),
        features => features,
    }
}

#[cold]
fn find_features() -> u64 {
    extended_area().map_or(0, |area| area.features)
}

#[cold]
fn find_area() -> u64 {
    let bytes = if core::arch::x86_64::__cpuid(1).ecx & 1 << 27 == 0 {
        ABSENT
    } else {
        let area = core::arch::x86_64::__cpuid_count(0xd, 0);
        let (low, high): (u32, u32);
        // SAFETY: OSXSAVE is set, so that the instruction exists; it reads XCR0.
        unsafe { core::arch::asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags)) };
        super::copies::note_features(u64::from(low));
        // Room stays for a signal frame's marker.
        if area.ebx as usize <= size_of::<VectorState>() - 64 {
            FEATURES.store(u64::from(low) | u64::from(high) << 32, Ordering::Relaxed);
            u64::from(area.ebx)
        } else {
            ABSENT
        }
    };
    AREA.store(bytes, Ordering::Relaxed);
    let in_frame = if bytes == ABSENT { LEGACY_BYTES } else { bytes as usize + MAGIC_2_BYTES };
    FRAME_BYTES.store(in_frame as u64, Ordering::Relaxed);
    bytes
}

/// Store the vector state.
#[inline(always)]
pub fn save_vectors(state: &mut VectorState) {
    let area = state.bytes.as_mut_ptr();
    match features() {
        // SAFETY: the area is aligned and large enough; every x86_64 has the instruction.
        0 => unsafe { core::arch::asm!("fxsave64 [{}]", in(reg) area, options(nostack)) },
        // SAFETY: the area is 64-aligned, its header zero or what this wrote before, and large enough, and the instruction exists.
        features => unsafe {
            core::arch::asm!("xsave64 [{}]", in(reg) area, in("eax") features as u32, in("edx") (features >> 32) as u32, options(nostack));
        },
    }
}

/// Load what [`save_vectors`] stored, which has asked for the features.
#[inline(always)]
pub fn reload_vectors(state: &VectorState) {
    let area = state.bytes.as_ptr();
    match FEATURES.load(Ordering::Relaxed) {
        // SAFETY: as below, of the legacy area.
        0 => unsafe { core::arch::asm!("fxrstor64 [{}]", in(reg) area, options(nostack, readonly)) },
        // SAFETY: the area is as the instruction's counterpart left it. The library uses no vector register.
        features => unsafe {
            core::arch::asm!("xrstor64 [{}]", in(reg) area, in("eax") features as u32, in("edx") (features >> 32) as u32, options(nostack, readonly));
        },
    }
}

/// Load the first `length` bytes of a vector state. Bits that would make the instruction fault are cleared first.
fn restore_vectors(state: &mut VectorState, length: usize) {
    // The mask of MXCSR's valid bits, as every CPU with SSE2 has them.
    state.bytes[MXCSR + 2..MXCSR + 4].fill(0);
    match extended_area() {
        Some(Area { bytes, features }) if length >= bytes => {
            let header = &mut state.bytes[HEADER..HEADER + HEADER_BYTES];
            let mut held = u64::from_le_bytes(header[..8].try_into().expect("eight bytes"));
            held &= features;
            header.fill(0);
            header[..8].copy_from_slice(&held.to_le_bytes());
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
struct Initial([u8; HEADER + HEADER_BYTES]);

static INITIAL: Initial = {
    let mut bytes = [0; HEADER + HEADER_BYTES];
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
        Some(Area { features, .. }) => unsafe {
            core::arch::asm!("xrstor64 [{}]", in(reg) area, in("eax") features as u32, in("edx") (features >> 32) as u32, options(nostack, readonly));
        },
        // SAFETY: the area is aligned and 512 bytes long; every x86_64 has the instruction.
        None => unsafe { core::arch::asm!("fxrstor64 [{}]", in(reg) area, options(nostack, readonly)) },
    }
}

/// Bytes of the vector state in a signal frame.
pub fn frame_vector_bytes() -> usize {
    match FRAME_BYTES.load(Ordering::Relaxed) {
        0 => {
            find_area();
            FRAME_BYTES.load(Ordering::Relaxed) as usize
        }
        bytes => bytes as usize,
    }
}

/// Store the vector state as a signal frame has it.
///
/// # Safety
/// `address` is a multiple of 64, with room for [`frame_vector_bytes`] that nobody refers to.
#[inline(always)]
pub unsafe fn store_frame_vectors(address: usize) {
    match extended_area() {
        // SAFETY: the caller's promise.
        Some(area) => unsafe { store_frame_area(area, address) },
        // SAFETY: the caller's promise; every x86_64 has the instruction.
        None => unsafe { core::arch::asm!("fxsave64 [{}]", in(reg) address, options(nostack)) },
    }
}

/// [`store_frame_vectors`], where it is known that there is an extended area.
///
/// # Safety
/// As [`store_frame_vectors`].
#[inline(always)]
pub unsafe fn store_frame_area(area: Area, address: usize) {
    let Area { bytes, features } = area;
    let area = address as *mut u8;
    // SAFETY: 1. All of this is in the frame's vector state, the caller's promise. 2. XSAVE has these features, in so many bytes; it leaves the
    // words for software as they are, and of the header's those that XRSTOR wants to be zero, which are among the first three (Intel SDM volume
    // 1, sections 13.7 and 13.8.1).
    unsafe {
        area.add(SOFTWARE).cast::<[u64; 6]>().write([mark(bytes), features, bytes as u64, 0, 0, 0]);
        area.add(HEADER).cast::<[u64; 3]>().write([0; 3]);
        area.add(bytes).cast::<u32>().write(MAGIC_2);
        core::arch::asm!("xsave64 [{}]", in(reg) area, in("eax") features as u32, in("edx") (features >> 32) as u32, options(nostack));
    }
}

/// Load what [`store_frame_vectors`] stored, if it is known how that is done and all that marks it is there still; whether that is so. The CPU
/// refuses a state that is malformed.
///
/// # Safety
/// As [`store_frame_vectors`].
#[inline(always)]
pub unsafe fn load_frame_vectors(address: usize) -> bool {
    let area = address as *const u8;
    let Some(Area { bytes, features }) = known_area() else { return false };
    // SAFETY: 1. All of this is in the frame's vector state, the caller's promise. 2. XRSTOR has these features, in so many bytes. The library
    // uses no vector register.
    unsafe {
        let software = area.add(SOFTWARE).cast::<u64>();
        let is_whole = software.read_unaligned() == mark(bytes)
            && software.add(1).read_unaligned() == features
            && software.add(2).read_unaligned() == bytes as u64
            && area.add(bytes).cast::<u32>().read_unaligned() == MAGIC_2;
        if is_whole {
            core::arch::asm!("xrstor64 [{}]", in(reg) area, in("eax") features as u32, in("edx") (features >> 32) as u32, options(nostack, readonly));
        }
        is_whole
    }
}

/// What marks a frame with an extended area.
#[inline(always)]
fn mark(bytes: usize) -> u64 {
    MAGIC_1 | ((bytes + MAGIC_2_BYTES) as u64) << 32
}

/// Load the vector state of a frame that the program made or changed: all of it if its markers are whole, else the legacy part. What the CPU
/// would not take is cleared.
#[cold]
pub fn pop_vectors<U: UserMemory>(program: &U, address: usize) -> Result<()> {
    let mut state = VectorState::new();
    program.read(address, &mut state.bytes[..LEGACY_BYTES])?;
    let word = |at: usize| u32::from_le_bytes(state.bytes[at..at + 4].try_into().expect("four bytes"));
    let mut length = LEGACY_BYTES;
    let claimed = word(SOFTWARE + 16) as usize;
    if word(SOFTWARE) == MAGIC_1 as u32
        && (LEGACY_BYTES..state.bytes.len() - MAGIC_2_BYTES).contains(&claimed)
        && program.read_value(address + claimed) == Ok(MAGIC_2)
    {
        program.read(address, &mut state.bytes[..claimed])?;
        length = claimed;
    }
    restore_vectors(&mut state, length);
    Ok(())
}

/// The most bytes that a signal frame takes: vector state, frame, red zone, and what alignment may add.
#[must_use]
pub fn signal_frame_bytes() -> usize {
    frame_vector_bytes() + 440 + 128 + 64 + 16
}
