//! What a mapping allows, and what an environment may do to the machine.

use bitflags::bitflags;
use num_enum::TryFromPrimitive;
use static_assertions::const_assert_eq;

bitflags! {
    /// The rights of a mapping: what it allows now, and the most that it may ever allow.
    ///
    /// The `MAY_*` half is the capability: it only shrinks on the way to another holder, and `page_protect` moves the
    /// current half anywhere inside it. `WRITE` and `EXECUTE` never stand together in the current half.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
    pub struct Rights: u64 {
        /// Loads are allowed. On both ISAs this is implied by `WRITE` and `EXECUTE`.
        const READ = 1 << 0;
        /// Stores are allowed.
        const WRITE = 1 << 1;
        /// Instruction fetches are allowed.
        const EXECUTE = 1 << 2;
        /// `READ` may be given.
        const MAY_READ = 1 << 4;
        /// `WRITE` may be given.
        const MAY_WRITE = 1 << 5;
        /// `EXECUTE` may be given.
        const MAY_EXECUTE = 1 << 6;
        /// Copy on write: stores fault until `page_break` gives this holder a frame of its own. Reported by `page_query`;
        /// set only by `page_clone`, and inherited by every mapping derived from such a page.
        const COW = 1 << 7;
        /// Where a clone is on write, this page is copied at once: for what both will store to anyway, or must not fault. Set by `page_alloc`
        /// and `page_protect`, as often as it is asked for; what is copied has it too, and other mappings of the frame do not.
        const COPIED = 1 << 8;
        /// In `page_alloc`: one 2 MiB mapping. Address, frame number and page count are multiples of 512 pages.
        const LARGE = 1 << 9;
        /// Device memory: uncached, never executable. Reported by `page_query`; a property of the frame.
        const DEVICE = 1 << 10;

        /// Reads now, and nothing else ever.
        const READ_ONLY = Self::READ.bits() | Self::MAY_READ.bits();
        /// Ordinary memory: reads and writes now; may later be made executable.
        const READ_WRITE = Self::READ.bits() | Self::WRITE.bits() | Self::MAY_ALL.bits();
        /// Text: reads and runs now, and is never written through this mapping.
        const READ_EXECUTE = Self::READ.bits() | Self::EXECUTE.bits() | Self::MAY_READ.bits() | Self::MAY_EXECUTE.bits();
        /// Every right may be given.
        const MAY_ALL = Self::MAY_READ.bits() | Self::MAY_WRITE.bits() | Self::MAY_EXECUTE.bits();
    }
}

impl Rights {
    /// The part that the hardware enforces now.
    #[must_use]
    pub const fn current(self) -> Rights {
        Rights::from_bits_truncate(self.bits() & 0x7)
    }

    /// The most that may be given, as `MAY_*` bits.
    #[must_use]
    pub const fn maximum(self) -> Rights {
        Rights::from_bits_truncate(self.bits() & 0x70)
    }

    /// Whether no current right lacks its `MAY_*` bit and `WRITE` and `EXECUTE` do not stand together (W^X).
    #[must_use]
    pub const fn is_consistent(self) -> bool {
        let both = Rights::WRITE.bits() | Rights::EXECUTE.bits();
        (self.bits() & 0x7) & !(self.bits() >> 4) == 0 && self.bits() & both != both
    }
}

bitflags! {
    /// What an environment may do beyond its own pages and time. Handed down at creation, never up.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Privileges: u64 {
        /// Stop the machine with an exit code.
        const MACHINE = 1 << 0;
        /// Read the console's input. (Anyone may write to it, through `debug_put`.)
        const CONSOLE = 1 << 1;
        /// Bind interrupts, and map device frames by number.
        const DEVICES = 1 << 2;
    }
}

/// How a range of `page_clone` reaches its new holder.
#[derive(Clone, Copy, PartialEq, Eq, Debug, TryFromPrimitive)]
#[repr(u64)]
pub enum CloneMode {
    /// Both map the frames, with the rights that the source has.
    Share = 0,
    /// Both map the frames without `WRITE`; the first to want to write breaks its page.
    CopyOnWrite = 1,
    /// The new holder gets frames of its own with the same contents, at once; what may never be written is shared instead.
    Copy = 2,
}

/// One range of a `page_clone` list: pages at `source` here to the same number of pages at `target` there. Pages of the range that
/// are not mapped are passed over. Aligned to its size, so that none lies across two pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, align(32))]
pub struct CloneRange {
    /// First page here.
    pub source: u64,
    /// First page there.
    pub target: u64,
    /// Number of pages.
    pub pages: u64,
    /// A [`CloneMode`], as its number.
    pub mode: u64,
}
const_assert_eq!(size_of::<CloneRange>(), 32);
