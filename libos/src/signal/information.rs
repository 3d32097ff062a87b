//! What is known of a signal that was sent.

use static_assertions::const_assert_eq;

use crate::errno::{Errno, Result};
use crate::signal::{SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS};
use crate::user::Plain;

/// `siginfo_t` as Linux keeps it: three numbers and what depends on them, up to the last word that any layout has (its `kernel_siginfo`).
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
    pub payload: [u64; 4],
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
        Information { signal: signal as i32, errno: 0, code, reserved: 0, payload: [word, 0, 0, 0] }
    }

    /// Whether Linux has a layout for what comes with the code.
    fn is_layout_known(&self) -> bool {
        /// `SI_DETHREAD`: the least of the codes that are the same for all signals, but for the next one.
        const LEAST: i32 = -7;
        /// `SI_ASYNCNL`
        const NAME_LOOKUP: i32 = -60;
        let most = match self.signal as u32 {
            SIGILL => 11,
            SIGFPE => 15,
            SIGSEGV => 10,
            SIGBUS => 5,
            SIGSYS => 2,
            // `NSIGTRAP`, `NSIGCHLD` and, for all others, `NSIGPOLL`.
            _ => 6,
        };
        self.code == Self::KERNEL || self.code == NAME_LOOKUP || (LEAST..=most).contains(&self.code)
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

/// `siginfo_t` as a program has it: behind what is kept there are zeros.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Told {
    /// What is kept.
    pub information: Information,
    /// Zeros.
    pub rest: [u64; 10],
}
// SAFETY: two structs of whole 64-bit words, no padding.
unsafe impl Plain for Told {}
const_assert_eq!(size_of::<Told>(), 128);

impl Told {
    /// Tell it in place.
    #[inline(always)]
    pub fn tell(&mut self, information: &Information) {
        // Word by word: what is known to be zero is stored as that.
        let &Information { signal, errno, code, reserved, payload: [first, second, third, fourth] } = information;
        let told = &mut self.information;
        (told.signal, told.errno, told.code, told.reserved) = (signal, errno, code, reserved);
        told.payload[0] = first;
        told.payload[1] = second;
        told.payload[2] = third;
        told.payload[3] = fourth;
        self.rest = [0; 10];
    }
}

impl From<Information> for Told {
    fn from(information: Information) -> Told {
        Told { information, rest: [0; 10] }
    }
}

impl Told {
    /// What a program says to send.
    ///
    /// # Errors
    /// `E2BIG`: more than is kept, with a code whose layout nobody knows (`known_siginfo_layout` in Linux's `kernel/signal.c`).
    pub fn check(&self) -> Result<Information> {
        let is_more = self.rest.iter().any(|&word| word != 0);
        if is_more && !self.information.is_layout_known() { Err(Errno::E2BIG) } else { Ok(self.information) }
    }
}
