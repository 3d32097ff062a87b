//! What of a file may never happen any more: the seals of memfd_create(2).

use bitflags::bitflags;

bitflags! {
    /// Seals; the values are those of `F_ADD_SEALS`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Seals: u32 {
        /// `F_SEAL_SEAL`: that more are added. Every file has it that was not made to be sealed.
        const SEAL = 0x1;
        /// `F_SEAL_SHRINK`
        const SHRINK = 0x2;
        /// `F_SEAL_GROW`
        const GROW = 0x4;
        /// `F_SEAL_WRITE`: that it is written to, by whatever way.
        const WRITE = 0x8;
        /// `F_SEAL_FUTURE_WRITE`: the same, but for mappings that there are.
        const FUTURE_WRITE = 0x10;
        /// `F_SEAL_EXEC`: that the bits change which let it be executed. Since Linux 6.3.
        const EXECUTE = 0x20;
    }
}

impl Seals {
    /// Those that keep bytes from being written.
    pub const WRITES: Seals = Seals::WRITE.union(Seals::FUTURE_WRITE);
}
