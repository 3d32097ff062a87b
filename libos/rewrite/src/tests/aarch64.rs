//! Words become branches, and trampolines come back.

use proptest::prelude::*;

use super::build::{TEXT, aarch64};
use crate::aarch64::{SVC, branch, branch_target, trampoline};
use crate::{Kind, Reason, Rewriting, Verdict, rewrite};

const NOP: u32 = 0xd503_201f;

fn word(pages: &[crate::Page], address: u64) -> u32 {
    let page = pages.iter().find(|page| page.place == address & !4095).expect("a page is there");
    let at = (address % 4096) as usize;
    u32::from_le_bytes(page.bytes[at..at + 4].try_into().unwrap())
}

/// The verdict of each site of a program of these words.
fn verdicts(words: &[u32]) -> Vec<Verdict> {
    rewrite(&aarch64(words).file()).unwrap().sites.iter().map(|site| site.verdict).collect()
}

#[test]
fn a_branch_is_encoded_as_the_manual_says() {
    assert_eq!(branch(0x1000, 0x1004), Some(0x1400_0001));
    assert_eq!(branch(0x1000, 0xffc), Some(0x17ff_ffff));
    assert_eq!(branch(0, (128 << 20) - 4), Some(0x15ff_ffff));
    assert_eq!(branch(0, 128 << 20), None);
    assert_eq!(branch(128 << 20, 0), Some(0x1600_0000));
    assert_eq!(branch_target(0x1000, 0x17ff_ffff), Some(0xffc));
    assert_eq!(branch_target(0x1000, 0x9400_0001), None, "a call is no branch");
}

#[test]
fn a_trampoline_is_these_eight_instructions() {
    let words = trampoline(0x2000, 0x1000).unwrap();
    let [stp, mrs, ldr, blr, ldp, back, svc, last] = words;
    assert_eq!([stp, mrs, ldr, blr, ldp, svc], [0xa9b8_7bf0, 0xd53b_d070, 0xf940_5610, 0xd63f_0200, 0xa8c8_7bf0, 0xd400_0001]);
    assert_eq!(branch_target(0x2014, back), Some(0x1004));
    assert_eq!(branch_target(0x201c, last), Some(0x1004));
}

#[test]
fn a_signal_return_and_what_is_read_as_data_are_left() {
    let left = |reason| vec![Verdict::Left(reason)];
    assert_eq!(verdicts(&[0xd280_1168, SVC]), left(Reason::SignalReturn));
    assert_eq!(verdicts(&[0x1800_0020, SVC]), left(Reason::Data), "ldr w0, next word");
    assert_eq!(verdicts(&[0x5800_0020, NOP, SVC]), left(Reason::Data), "the second half of a literal");
    assert_eq!(verdicts(&[0x5800_0020, NOP, NOP, SVC]), vec![Verdict::Patched(Kind::Branch)], "after a literal of eight bytes");
    assert_eq!(verdicts(&[0x1000_0020, SVC]), left(Reason::Data), "adr x0, next word");
    assert_eq!(verdicts(&[NOP, SVC]), vec![Verdict::Patched(Kind::Branch)]);
}

#[test]
fn mapping_symbols_say_what_is_data() {
    let mut program = aarch64(&[SVC, SVC, SVC]);
    program.symbols = vec![("$x", TEXT, 0, 0), ("$d.1", TEXT + 4, 0, 0), ("$x.2", TEXT + 8, 0, 0)];
    let outcome = rewrite(&program.file()).unwrap();
    let verdicts: Vec<Verdict> = outcome.sites.iter().map(|site| site.verdict).collect();
    assert_eq!(verdicts, [Verdict::Patched(Kind::Branch), Verdict::Left(Reason::Data), Verdict::Patched(Kind::Branch)]);
}

#[test]
fn without_section_headers_the_segment_is_code() {
    let mut program = aarch64(&[NOP, SVC]);
    program.sections = false;
    assert_eq!(rewrite(&program.file()).unwrap().patched(), 1);
}

/// All that must hold of an outcome.
fn check(file: &[u8], outcome: &Rewriting) {
    for site in outcome.sites.iter().filter(|site| matches!(site.verdict, Verdict::Patched(_))) {
        let start = branch_target(site.address, word(&outcome.text, site.offset)).expect("a branch stands there");
        assert!(start >= outcome.image.end);
        let found: Vec<u32> = (0..8).map(|index| word(&outcome.trampolines, start + index * 4)).collect();
        assert_eq!(found, trampoline(start, site.address).unwrap());
        assert!(outcome.entries.contains(&crate::Entry { fault: start, resume: start + 24 }));
    }
    for page in &outcome.text {
        for (at, &byte) in (page.place..).zip(&page.bytes) {
            let patched = outcome
                .sites
                .iter()
                .any(|site| matches!(site.verdict, Verdict::Patched(_)) && (site.offset..site.offset + 4).contains(&at));
            assert!(patched || byte == file.get(at as usize).copied().unwrap_or(0), "changed at {at:#x}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn only_sites_change_and_each_comes_back(words in proptest::collection::vec(prop_oneof![Just(SVC), Just(NOP), any::<u32>()], 1..1200)) {
        let file = aarch64(&words).file();
        let outcome = rewrite(&file).unwrap();
        prop_assert_eq!(outcome.sites.len(), words.iter().filter(|&&word| word == SVC).count());
        check(&file, &outcome);
    }
}
