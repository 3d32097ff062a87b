//! The x86_64 page-table format: every entry comes back, and the hardware's bits are where the manual has them.

use abi::Rights;
use arch::x86_64::PageFormat;
use arch::{Leaf, Paging};

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const UNCACHED: u64 = 0b11 << 3;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const FRAME: u64 = 0x000f_ffff_ffff_f000;

const FRAMES: [u64; 4] = [0, 1, 0x12345, (1 << 40) - 1];

/// Every combination of rights that a mapping can have, with `READ` implied.
fn all_rights() -> impl Iterator<Item = Rights> {
    (0..1u64 << 11).map(Rights::from_bits_truncate).filter(|rights| {
        let implied = !rights.intersects(Rights::WRITE | Rights::EXECUTE) || rights.contains(Rights::READ);
        let device = !rights.contains(Rights::DEVICE | Rights::EXECUTE);
        rights.is_consistent() && implied && device && !rights.contains(Rights::LARGE)
    })
}

#[test]
fn every_leaf_comes_back_as_it_went() {
    for rights in all_rights() {
        for level in 0..2 {
            for frame in FRAMES {
                let frame = if level == 1 { frame & !511 } else { frame };
                let leaf = Leaf { frame, rights };
                let word = PageFormat::encode(leaf, level);
                assert_ne!(word, 0);
                assert_eq!(PageFormat::leaf(word), leaf);
                assert_eq!(PageFormat::next(word), None, "a leaf is no table");
            }
        }
    }
}

#[test]
fn every_table_comes_back_as_it_went() {
    for frame in FRAMES {
        let word = PageFormat::table(frame);
        assert_eq!(PageFormat::next(word), Some(frame));
        assert_eq!(word & (PRESENT | WRITABLE | USER | LARGE | NO_EXECUTE), PRESENT | WRITABLE | USER);
    }
    assert_eq!(PageFormat::next(0), None);
}

#[test]
fn the_hardware_reads_the_current_rights_and_nothing_else() {
    for rights in all_rights() {
        for level in 0..2 {
            let word = PageFormat::encode(Leaf { frame: 512, rights }, level);
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
        let word = PageFormat::encode(Leaf { frame: 1, rights }, 0);
        assert!(word & WRITABLE == 0 || word & NO_EXECUTE != 0);
    }
}

#[test]
fn writing_and_executing_imply_reading() {
    for right in [Rights::WRITE, Rights::EXECUTE] {
        let rights = right | Rights::MAY_ALL;
        let word = PageFormat::encode(Leaf { frame: 1, rights }, 0);
        assert_eq!(PageFormat::leaf(word), Leaf { frame: 1, rights: rights | Rights::READ });
    }
}

#[test]
fn a_device_is_never_executable() {
    let rights = Rights::EXECUTE | Rights::DEVICE;
    assert_ne!(PageFormat::encode(Leaf { frame: 7, rights }, 0) & NO_EXECUTE, 0);
}
