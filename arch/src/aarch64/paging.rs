//! The VMSAv8-64 stage 1 translation table format: 4 KiB granule, 48-bit addresses (Arm ARM DDI 0487, D8.3).
//!
//! Rights that the hardware does not know are kept in bits 55 to 58, which it ignores. An entry without current rights has its valid bit
//! clear, so that the hardware ignores all of it, and its access flag set, so that it is not [`Entry::Absent`].

use abi::Rights;

use crate::{Entry, Leaf, Paging};

const VALID: u64 = 1 << 0;
/// With `VALID`: a table above level 0, a page at level 0.
const TABLE_OR_PAGE: u64 = 1 << 1;
const DEVICE: u64 = ATTRIBUTE_DEVICE << 2;
const USER: u64 = 1 << 6;
const READ_ONLY: u64 = 1 << 7;
const INNER_SHAREABLE: u64 = 0b11 << 8;
const ACCESSED: u64 = 1 << 10;
const NOT_GLOBAL: u64 = 1 << 11;
const PRIVILEGED_EXECUTE_NEVER: u64 = 1 << 53;
const USER_EXECUTE_NEVER: u64 = 1 << 54;
const MAY_READ: u64 = 1 << 55;
const MAY_WRITE: u64 = 1 << 56;
const MAY_EXECUTE: u64 = 1 << 57;
const COPY_ON_WRITE: u64 = 1 << 58;
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

/// Index of write-back memory in `MAIR_EL1`.
pub const ATTRIBUTE_NORMAL: u64 = 0;
/// Index of Device-nGnRE memory in `MAIR_EL1`.
pub const ATTRIBUTE_DEVICE: u64 = 1;
/// `MAIR_EL1`: write-back, read- and write-allocate memory at index 0, Device-nGnRE at index 1.
pub const MAIR: u64 = 0xff << (8 * ATTRIBUTE_NORMAL) | 0x04 << (8 * ATTRIBUTE_DEVICE);

const SOFTWARE: [(Rights, u64); 5] = [
    (Rights::MAY_READ, MAY_READ),
    (Rights::MAY_WRITE, MAY_WRITE),
    (Rights::MAY_EXECUTE, MAY_EXECUTE),
    (Rights::COW, COPY_ON_WRITE),
    (Rights::DEVICE, DEVICE),
];

/// The format, as [`Paging`]. `WRITE` and `EXECUTE` imply `READ`; `LARGE` is a matter of the level and is not kept.
#[derive(Clone, Copy, Debug)]
pub struct Format;

impl Paging for Format {
    fn decode(word: u64, level: usize) -> Entry {
        if word == 0 {
            return Entry::Absent;
        }
        let frame = (word & ADDRESS) >> 12;
        if level > 0 && word & (VALID | TABLE_OR_PAGE) == VALID | TABLE_OR_PAGE {
            return Entry::Table(frame);
        }
        let mut rights = Rights::empty();
        for (right, bit) in SOFTWARE {
            rights.set(right, word & bit != 0);
        }
        if word & VALID != 0 {
            rights |= Rights::READ;
            rights.set(Rights::WRITE, word & READ_ONLY == 0);
            rights.set(Rights::EXECUTE, word & USER_EXECUTE_NEVER == 0);
        }
        Entry::Leaf(Leaf { frame, rights })
    }

    fn encode(entry: Entry, level: usize) -> u64 {
        let Leaf { frame, rights } = match entry {
            Entry::Absent => return 0,
            Entry::Table(frame) => return frame << 12 | TABLE_OR_PAGE | VALID,
            Entry::Leaf(leaf) => leaf,
        };
        let mut word = frame << 12 | USER | INNER_SHAREABLE | ACCESSED | NOT_GLOBAL | PRIVILEGED_EXECUTE_NEVER;
        for (right, bit) in SOFTWARE {
            if rights.contains(right) {
                word |= bit;
            }
        }
        if level == 0 {
            word |= TABLE_OR_PAGE;
        }
        if !rights.current().is_empty() {
            word |= VALID;
        }
        if !rights.contains(Rights::WRITE) {
            word |= READ_ONLY;
        }
        if !rights.contains(Rights::EXECUTE) || rights.contains(Rights::DEVICE) {
            word |= USER_EXECUTE_NEVER;
        }
        word
    }
}

/// A word for the kernel's own half: global, never for user mode. `block`: at level 1 or 2.
#[must_use]
pub const fn encode_kernel(address: u64, attribute: u64, writable: bool, executable: bool, block: bool) -> u64 {
    let page = if block { 0 } else { TABLE_OR_PAGE };
    let store = if writable { 0 } else { READ_ONLY };
    let fetch = if executable { 0 } else { PRIVILEGED_EXECUTE_NEVER };
    address | attribute << 2 | INNER_SHAREABLE | ACCESSED | USER_EXECUTE_NEVER | VALID | page | store | fetch
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every consistent combination of current, maximum, `COW` and `DEVICE`.
    fn all_rights() -> impl Iterator<Item = Rights> {
        (0..=Rights::all().bits()).filter_map(Rights::from_bits).filter(|rights| {
            let implied = rights.current().is_empty() || rights.contains(Rights::READ);
            let device = !rights.contains(Rights::DEVICE | Rights::EXECUTE);
            rights.is_consistent() && implied && device && !rights.contains(Rights::LARGE)
        })
    }

    #[test]
    fn every_entry_comes_back_as_it_went_in() {
        let mut seen = 0;
        for level in 0..crate::LEVELS {
            for frame in [0, 1 << 9, 0x4_0200, 0xf_ffff_fe00] {
                if level > 0 {
                    let entry = Entry::Table(frame | 1);
                    assert_eq!(Format::decode(Format::encode(entry, level), level), entry);
                }
                for rights in all_rights().filter(|_| level < 2) {
                    let entry = Entry::Leaf(Leaf { frame, rights });
                    let word = Format::encode(entry, level);
                    assert_ne!(word, 0);
                    assert_eq!(Format::decode(word, level), entry, "{rights:?} at level {level} is {word:#x}");
                    seen += 1;
                }
            }
            assert_eq!(Format::encode(Entry::Absent, level), 0);
            assert_eq!(Format::decode(0, level), Entry::Absent);
        }
        assert!(seen > 200, "only {seen} entries tried");
    }

    #[test]
    fn the_hardware_allows_what_the_rights_say_and_nothing_else() {
        for level in 0..2 {
            for rights in all_rights() {
                let word = Format::encode(Entry::Leaf(Leaf { frame: 0x4_0200, rights }), level);
                let valid = word & 1 != 0;
                assert_eq!(valid, !rights.current().is_empty());
                assert_eq!(word >> 7 & 1 == 0, rights.contains(Rights::WRITE), "AP[2] is read-only");
                assert_eq!(word >> 54 & 1 == 0, rights.contains(Rights::EXECUTE), "UXN");
                assert_eq!(word >> 6 & 1, 1, "AP[1]: EL0 may access");
                assert_eq!(word >> 53 & 1, 1, "PXN: the kernel never executes user pages");
                assert_eq!(word >> 10 & 0b11, 0b11, "AF is set, nG is set");
                assert_eq!(word >> 8 & 0b11, 0b11, "inner shareable");
                assert_eq!(word >> 2 & 0b111, u64::from(rights.contains(Rights::DEVICE)), "MAIR index");
                assert_eq!(word >> 1 & 1 == 1, level == 0, "a page at level 0, a block at level 1");
                assert_eq!(word >> 59, 0, "nothing that later architectures have given a meaning");
            }
        }
    }

    #[test]
    fn write_and_execute_imply_read() {
        for right in [Rights::WRITE, Rights::EXECUTE] {
            let word = Format::encode(Entry::Leaf(Leaf { frame: 7, rights: right | Rights::MAY_ALL }), 0);
            assert_eq!(Format::decode(word, 0), Entry::Leaf(Leaf { frame: 7, rights: right | Rights::READ | Rights::MAY_ALL }));
        }
    }

    #[test]
    fn a_device_is_never_executable() {
        let rights = Rights::EXECUTE | Rights::DEVICE;
        assert_ne!(Format::encode(Entry::Leaf(Leaf { frame: 7, rights }), 0) & USER_EXECUTE_NEVER, 0);
    }

    #[test]
    fn kernel_words_are_global_and_closed_to_user_mode() {
        let text = encode_kernel(0x4000_0000, ATTRIBUTE_NORMAL, false, true, false);
        assert_eq!(text, 0x0040_0000_4000_0783);
        let data = encode_kernel(0x4000_0000, ATTRIBUTE_NORMAL, true, false, true);
        assert_eq!(data, 0x0060_0000_4000_0701);
        let device = encode_kernel(0x0800_0000, ATTRIBUTE_DEVICE, true, false, true);
        assert_eq!(device, 0x0060_0000_0800_0705);
    }
}
