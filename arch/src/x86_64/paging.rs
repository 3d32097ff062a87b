//! The page-table format of four-level paging (Intel SDM volume 3, section 5.5).
//!
//! Bits 9 to 11 and 52 to 58 are software's. `LEAF` tells a mapping from a table and keeps a mapping that allows nothing now from
//! being the word 0; the `MAY_*` half of the rights and `COW` have a bit each. Current rights are what the hardware reads: present is
//! `READ`, so that the encoding adds `READ` to `WRITE` and `EXECUTE`, as the hardware would.

use abi::Rights;

use crate::{Entry, Leaf, Paging};

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
/// Write-through and cache-disable together select entry 3 of the PAT, which is uncached from reset on.
const UNCACHED: u64 = 1 << 3 | 1 << 4;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const LARGE: u64 = 1 << 7;
const LEAF: u64 = 1 << 9;
const MAY_READ: u64 = 1 << 52;
const MAY_WRITE: u64 = 1 << 53;
const MAY_EXECUTE: u64 = 1 << 54;
const COW: u64 = 1 << 55;
const NO_EXECUTE: u64 = 1 << 63;
const FRAME: u64 = 0x000f_ffff_ffff_f000;

/// The bits that stand for a right, once `NO_EXECUTE` is turned over.
const BITS: [(Rights, u64); 8] = [
    (Rights::READ, PRESENT),
    (Rights::WRITE, WRITABLE),
    (Rights::EXECUTE, NO_EXECUTE),
    (Rights::MAY_READ, MAY_READ),
    (Rights::MAY_WRITE, MAY_WRITE),
    (Rights::MAY_EXECUTE, MAY_EXECUTE),
    (Rights::COW, COW),
    (Rights::DEVICE, UNCACHED),
];

/// The format of x86_64's four-level page tables.
#[derive(Clone, Copy, Debug)]
pub struct PageFormat;

impl Paging for PageFormat {
    fn decode(word: u64, _level: usize) -> Entry {
        let frame = (word & FRAME) >> 12;
        if word == 0 {
            return Entry::Absent;
        }
        if word & LEAF == 0 {
            return Entry::Table(frame);
        }
        let has = |bits: u64| (word ^ NO_EXECUTE) & bits == bits;
        let rights = BITS.iter().fold(0, |rights, (right, bits)| rights | if has(*bits) { right.bits() } else { 0 });
        Entry::Leaf(Leaf { frame, rights: Rights::from_bits_retain(rights) })
    }

    #[inline(always)]
    fn next(word: u64) -> Option<u64> {
        (word & (LEAF | PRESENT) == PRESENT).then_some((word & FRAME) >> 12)
    }

    fn encode(entry: Entry, level: usize) -> u64 {
        let (frame, rights) = match entry {
            Entry::Absent => return 0,
            Entry::Table(frame) => return frame << 12 | PRESENT | WRITABLE | USER | ACCESSED,
            Entry::Leaf(Leaf { frame, rights }) => (frame, rights),
        };
        let size = if level == 1 { LARGE } else { 0 };
        let present = if rights.current().is_empty() { 0 } else { PRESENT };
        let bits = BITS.iter().fold(0, |word, (right, bits)| word | if rights.contains(*right) { *bits } else { 0 });
        frame << 12 | LEAF | USER | ACCESSED | DIRTY | size | present | (bits ^ NO_EXECUTE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: [u64; 4] = [0, 1, 0x12345, (1 << 40) - 1];

    /// Every combination of rights that a mapping can have, with `READ` implied.
    fn all_rights() -> impl Iterator<Item = Rights> {
        (0..1u64 << 11).map(Rights::from_bits_truncate).filter(|rights| {
            let implied = !rights.intersects(Rights::WRITE | Rights::EXECUTE) || rights.contains(Rights::READ);
            rights.is_consistent() && implied && !rights.contains(Rights::LARGE)
        })
    }

    #[test]
    fn every_leaf_comes_back_as_it_went() {
        for rights in all_rights() {
            for level in 0..2 {
                for frame in FRAMES {
                    let frame = if level == 1 { frame & !511 } else { frame };
                    let entry = Entry::Leaf(Leaf { frame, rights });
                    let word = PageFormat::encode(entry, level);
                    assert_ne!(word, 0);
                    assert_eq!(PageFormat::decode(word, level), entry);
                }
            }
        }
    }

    #[test]
    fn every_table_comes_back_as_it_went() {
        for level in 1..4 {
            for frame in FRAMES {
                let word = PageFormat::encode(Entry::Table(frame), level);
                assert_eq!(PageFormat::decode(word, level), Entry::Table(frame));
                assert_eq!(word & (PRESENT | WRITABLE | USER | LARGE | NO_EXECUTE), PRESENT | WRITABLE | USER);
            }
        }
        assert_eq!(PageFormat::encode(Entry::Absent, 0), 0);
        assert_eq!(PageFormat::decode(0, 3), Entry::Absent);
    }

    #[test]
    fn the_hardware_reads_the_current_rights_and_nothing_else() {
        for rights in all_rights() {
            for level in 0..2 {
                let word = PageFormat::encode(Entry::Leaf(Leaf { frame: 512, rights }), level);
                assert_eq!(word & PRESENT != 0, rights.contains(Rights::READ));
                assert_eq!(word & WRITABLE != 0, rights.contains(Rights::WRITE));
                assert_eq!(word & NO_EXECUTE == 0, rights.contains(Rights::EXECUTE));
                assert_eq!(word & LARGE != 0, level == 1);
                assert_eq!(word & UNCACHED != 0, rights.contains(Rights::DEVICE));
                assert_eq!(word & (USER | ACCESSED | DIRTY), USER | ACCESSED | DIRTY);
                // Global, and what the kernel never uses: protection keys and the high PAT bits.
                assert_eq!(word & (1 << 8 | 0xf << 59), 0);
                assert_eq!(word & FRAME, 512 << 12);
            }
        }
    }

    #[test]
    fn a_leaf_is_never_writable_and_executable() {
        for rights in all_rights() {
            let word = PageFormat::encode(Entry::Leaf(Leaf { frame: 1, rights }), 0);
            assert!(word & WRITABLE == 0 || word & NO_EXECUTE != 0);
        }
    }

    #[test]
    fn writing_and_executing_imply_reading() {
        for right in [Rights::WRITE, Rights::EXECUTE] {
            let rights = right | Rights::MAY_ALL;
            let word = PageFormat::encode(Entry::Leaf(Leaf { frame: 1, rights }), 0);
            assert_eq!(PageFormat::decode(word, 0), Entry::Leaf(Leaf { frame: 1, rights: rights | Rights::READ }));
        }
    }
}
