//! What is known of a signal that was sent.

use crate::user::Plain;

/// `siginfo_t`: three numbers and what depends on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Information {
    /// The signal.
    pub signal: i32,
    /// An errno; 0.
    pub errno: i32,
    /// `SI_*`, or a fault's own code.
    pub code: i32,
    /// Zero.
    pub reserved: i32,
    /// The sender (process id, user id << 32) and value, or a fault's address.
    pub payload: [u64; 14],
}
// SAFETY: four 32-bit words and 64-bit words at offset 16, no padding.
unsafe impl Plain for Information {}

impl Information {
    /// Sent by kill(2).
    pub const USER: i32 = 0;
    /// Sent by tkill(2) and tgkill(2).
    pub const TKILL: i32 = -6;
    /// Sent by a timer.
    pub const TIMER: i32 = -2;
    /// Sent by the kernel.
    pub const KERNEL: i32 = 128;

    /// A signal with a code and the first word of its payload.
    #[must_use]
    pub fn new(signal: u32, code: i32, word: u64) -> Information {
        let mut payload = [0; 14];
        payload[0] = word;
        Information { signal: signal as i32, errno: 0, code, reserved: 0, payload }
    }

    /// As it lies in memory.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; size_of::<Information>()] {
        // SAFETY: a `Plain` type has no padding.
        unsafe { core::mem::transmute(*self) }
    }

    /// From what lay in memory.
    #[must_use]
    pub fn from_bytes(bytes: [u8; size_of::<Information>()]) -> Information {
        // SAFETY: every bit pattern of a `Plain` type is a value.
        unsafe { core::mem::transmute(bytes) }
    }
}
