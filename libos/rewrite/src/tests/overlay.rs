//! An overlay says what the rewriting said, and a damaged one is none.

use goblin::elf::header::{EM_AARCH64, EM_X86_64};
use proptest::prelude::*;

use super::build::{aarch64, x86_64};
use crate::overlay::{Overlay, encode};
use crate::{PAGE, rewrite};

fn sample() -> Vec<u8> {
    aarch64(&[0xd400_0001; 3000]).file()
}

#[test]
fn what_was_written_is_read() {
    let file = sample();
    let outcome = rewrite(&file).unwrap();
    let bytes = encode(&outcome, file.len() as u64);
    let overlay = Overlay::read(&bytes, file.len() as u64, EM_AARCH64).expect("it is well formed");
    assert_eq!(overlay.image(), outcome.image);
    assert!(overlay.entries().eq(outcome.entries.iter().copied()));
    assert!(overlay.origins().eq(outcome.origins.iter().copied()));
    assert!(overlay.segments().eq(outcome.segments.iter().copied()));
    assert_eq!(overlay.counts(), (3000, 0));
    for page in &outcome.text {
        let at = overlay.text_page(page.place).expect("a patched page");
        assert_eq!(bytes[at..at + PAGE], page.bytes);
    }
    assert_eq!(overlay.text_page(0), None);
    assert_eq!(overlay.next_text_page(0), Some(0x1000));
    let runs: Vec<_> = overlay.trampoline_runs().collect();
    assert_eq!(runs.len(), 1, "they lie side by side");
    assert_eq!(runs[0].0, overlay.span());
    assert_eq!(bytes[runs[0].1..][..PAGE], outcome.trampolines[0].bytes);
    let entry = outcome.entries[7];
    assert_eq!(overlay.resume(entry.fault), Some(entry.resume));
    assert_eq!(overlay.resume(entry.fault + 4), None);
    assert_eq!(overlay.original(outcome.origins[5].trampoline), Some(outcome.origins[5].original));
}

#[test]
fn an_overlay_of_another_file_or_machine_is_none() {
    let file = x86_64(&[0xb8, 1, 0, 0, 0, 0x0f, 5, 0xc3]).file();
    let bytes = encode(&rewrite(&file).unwrap(), file.len() as u64);
    assert!(Overlay::read(&bytes, file.len() as u64, EM_X86_64).is_some());
    assert!(Overlay::read(&bytes, file.len() as u64 + 1, EM_X86_64).is_none());
    assert!(Overlay::read(&bytes, file.len() as u64, EM_AARCH64).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn a_damaged_overlay_is_none_or_stays_inside_itself(damage in proptest::collection::vec((0usize..400, any::<u8>()), 1..8), cut in 0usize..20000) {
        let file = sample();
        let mut bytes = encode(&rewrite(&file).unwrap(), file.len() as u64);
        for (at, byte) in damage {
            bytes[at] = byte;
        }
        if cut < 1000 {
            bytes.truncate(bytes.len() - cut);
        }
        if let Some(overlay) = Overlay::read(&bytes, file.len() as u64, EM_AARCH64) {
            for (range, at) in overlay.trampoline_runs() {
                prop_assert!(at + (range.end - range.start) as usize <= bytes.len());
                prop_assert!(range.start >= overlay.image().end);
            }
            let mut offset = 0;
            while let Some(next) = overlay.next_text_page(offset) {
                prop_assert!(overlay.text_page(next).is_some_and(|at| at + PAGE <= bytes.len()));
                offset = next + 1;
            }
        }
    }
}
