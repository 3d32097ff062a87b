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
#[path = "../../tests/codec/x86_64.rs"]
mod tests;
