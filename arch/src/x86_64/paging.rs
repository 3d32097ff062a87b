//! The page-table format of four-level paging (Intel SDM volume 3, section 5.5).
//!
//! Bits 9 to 11 and 52 to 58 are software's. `LEAF` tells a mapping from a table and keeps a mapping that allows nothing now from
//! being the word 0; the `MAY_*` half of the rights, `COW` and `COPIED` have a bit each. Current rights are what the hardware reads: present is
//! `READ`.

use abi::Rights;
use x86_64::structures::paging::PageTableFlags as Flags;

use crate::Paging;

/// Entry 3 of the PAT, which is uncached from reset on.
const UNCACHED: Flags = Flags::WRITE_THROUGH.union(Flags::NO_CACHE);
const LEAF: Flags = Flags::BIT_9;
/// A user leaf at level 0, without its rights.
const PAGE: Flags = LEAF.union(Flags::USER_ACCESSIBLE).union(Flags::ACCESSED).union(Flags::DIRTY);

/// The format of x86_64's four-level page tables.
#[derive(Clone, Copy, Debug)]
pub struct PageFormat;

impl Paging for PageFormat {
    const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
    const TABLE: u64 = Flags::PRESENT.union(Flags::WRITABLE).union(Flags::USER_ACCESSIBLE).union(Flags::ACCESSED).bits();
    const KIND: u64 = LEAF.union(Flags::PRESENT).bits();
    const LEAF: [u64; 2] = [PAGE.bits(), PAGE.union(Flags::HUGE_PAGE).bits()];
    const KEPT: usize = 52 - 4;
    const RIGHTS: [(Rights, u64); 4] = [
        (Rights::READ, Flags::PRESENT.bits()),
        (Rights::WRITE, Flags::WRITABLE.bits()),
        (Rights::EXECUTE, Flags::NO_EXECUTE.bits()),
        (Rights::DEVICE, UNCACHED.bits()),
    ];
    const REFUSALS: u64 = Flags::NO_EXECUTE.bits();
}
