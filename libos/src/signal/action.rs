//! What a program says about signals: its actions and the stack for their handlers.

use crate::signal::Set;
use crate::user::Plain;

/// Handler value: the default action.
pub const DEFAULT: u64 = 0;
/// Handler value: ignore.
pub const IGNORE: u64 = 1;

/// `struct sigaction`, as the kernel has it on both ISAs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Action {
    /// The handler's address, [`DEFAULT`] or [`IGNORE`].
    pub handler: u64,
    /// `SA_*`
    pub flags: u64,
    /// Where the handler returns to, with [`Action::RESTORER`].
    pub restorer: u64,
    /// Signals blocked while the handler runs.
    pub mask: Set,
}
// SAFETY: four words, no padding.
unsafe impl Plain for Action {}

impl Action {
    /// `SA_NOCLDSTOP`
    pub const NO_CHILD_STOP: u64 = 1;
    /// `SA_NOCLDWAIT`
    pub const NO_CHILD_WAIT: u64 = 2;
    /// `SA_ONSTACK`
    pub const ON_STACK: u64 = 0x0800_0000;
    /// `SA_RESTART`
    pub const RESTART: u64 = 0x1000_0000;
    /// `SA_NODEFER`
    pub const NO_DEFER: u64 = 0x4000_0000;
    /// `SA_RESETHAND`
    pub const RESET: u64 = 0x8000_0000;
    /// `SA_RESTORER`
    pub const RESTORER: u64 = 0x0400_0000;
}

/// `stack_t`: the alternate stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct AlternateStack {
    /// Its lowest address.
    pub address: u64,
    /// `SS_*`
    pub flags: u32,
    /// Nothing: zero, and not looked at.
    pub reserved: u32,
    /// Bytes.
    pub size: u64,
}
// SAFETY: words that fill the struct, no padding.
unsafe impl Plain for AlternateStack {}

impl AlternateStack {
    /// `SS_ONSTACK`
    pub const ON_STACK: u32 = 1;
    /// `SS_DISABLE`
    pub const DISABLED: u32 = 2;
    /// `SS_AUTODISARM`
    pub const AUTODISARM: u32 = 1 << 31;
    /// The least size that is taken (`MINSIGSTKSZ`).
    pub const LEAST: u64 = if cfg!(target_arch = "x86_64") { 2048 } else { 5120 };
    /// No alternate stack.
    pub const NONE: AlternateStack = AlternateStack { address: 0, flags: Self::DISABLED, reserved: 0, size: 0 };

    /// Whether a frame that records this one leaves it as it is.
    #[must_use]
    #[inline(always)]
    pub fn is_recorded_as(&self, recorded: &AlternateStack) -> bool {
        let as_set = recorded.flags & !Self::ON_STACK;
        self.address == recorded.address && self.size == recorded.size && self.flags == as_set
    }

    /// Whether a stack pointer is on it.
    #[must_use]
    pub fn holds(&self, sp: u64) -> bool {
        self.flags & Self::AUTODISARM == 0 && sp > self.address && sp - self.address <= self.size
    }
}
