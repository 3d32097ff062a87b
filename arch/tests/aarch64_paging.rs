//! The aarch64 page-table format, on any host.

use abi::Rights;
use arch::aarch64::paging::{ATTRIBUTE_DEVICE, ATTRIBUTE_NORMAL, Format, encode_kernel};
use arch::{Leaf, Paging};

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
    for frame in [0, 1 << 9, 0x4_0200, 0xf_ffff_fe00] {
        assert_eq!(Format::next(Format::table(frame | 1)), Some(frame | 1));
        for (rights, level) in all_rights().flat_map(|rights| [(rights, 0), (rights, 1)]) {
            let leaf = Leaf { frame, rights };
            let word = Format::encode(leaf, level);
            assert_ne!(word, 0);
            assert_eq!(Format::leaf(word), leaf, "{rights:?} at level {level} is {word:#x}");
            assert!(level == 0 || Format::next(word).is_none(), "a block is no table");
            seen += 1;
        }
    }
    assert_eq!(Format::next(0), None);
    assert!(seen > 200, "only {seen} entries tried");
}

#[test]
fn the_hardware_allows_what_the_rights_say_and_nothing_else() {
    for level in 0..2 {
        for rights in all_rights() {
            let word = Format::encode(Leaf { frame: 0x4_0200, rights }, level);
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
            assert_eq!(word >> 60, 0, "nothing that later architectures have given a meaning");
            assert_eq!(word >> 59 & 1 == 1, rights.contains(Rights::COPIED), "ignored while TCR_EL1.HWU059 and TCR2_EL1.AIE are clear");
        }
    }
}

#[test]
fn write_and_execute_imply_read() {
    for right in [Rights::WRITE, Rights::EXECUTE] {
        let word = Format::encode(Leaf { frame: 7, rights: right | Rights::MAY_ALL }, 0);
        assert_eq!(Format::leaf(word), Leaf { frame: 7, rights: right | Rights::READ | Rights::MAY_ALL });
    }
}

#[test]
fn a_device_is_never_executable() {
    let rights = Rights::EXECUTE | Rights::DEVICE;
    assert_ne!(Format::encode(Leaf { frame: 7, rights }, 0) >> 54 & 1, 0, "UXN");
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
