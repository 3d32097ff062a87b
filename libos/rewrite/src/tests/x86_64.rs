//! Jumps, trampolines, and what is left.

use iced_x86::{Code, Decoder, DecoderOptions, Instruction};
use proptest::prelude::*;

use super::build::{TEXT, x86_64};
use crate::x86_64::NEVER;
use crate::{Kind, Page, Reason, Rewriting, Verdict, rewrite};

const SYSCALL: [u8; 2] = [0x0f, 0x05];

fn outcome(parts: &[&[u8]]) -> Rewriting {
    rewrite(&x86_64(&parts.concat()).file()).unwrap()
}

/// The verdict of the only site of these instructions.
fn verdict(parts: &[&[u8]]) -> Verdict {
    let outcome = outcome(parts);
    check(&x86_64(&parts.concat()).file(), &outcome);
    assert_eq!(outcome.sites.len(), 1);
    outcome.sites[0].verdict
}

fn patched(moved: u8, chosen: u8) -> Verdict {
    Verdict::Patched(Kind::Jump { moved, chosen })
}

fn bytes(pages: &[Page], place: u64, length: usize) -> Vec<u8> {
    (place..place + length as u64)
        .map(|at| pages.iter().find(|page| page.place == at & !4095).expect("a page is there").bytes[(at % 4096) as usize])
        .collect()
}

fn decode(bytes: &[u8], address: u64) -> Instruction {
    Decoder::with_ip(64, bytes, address, DecoderOptions::NONE).decode()
}

/// All that must hold of an outcome.
fn check(file: &[u8], outcome: &Rewriting) {
    let mut changed = Vec::new();
    for site in outcome.sites.iter() {
        let Verdict::Patched(Kind::Jump { moved, .. }) = site.verdict else { continue };
        let end = site.address + 2;
        let fallback = outcome.entries.iter().find(|entry| entry.fault == site.address).expect("an entry for the site").resume;
        let start = check_moved(file, outcome, fallback, end, moved);
        changed.push(start..end);
        let jump = decode(&bytes(&outcome.text, start, 5), start);
        assert_eq!(jump.code(), Code::Jmp_rel32_64);
        assert_eq!(jump.near_branch_target() + (site.address - start) + 15, fallback);
        assert_eq!(bytes(&outcome.trampolines, fallback, 2), SYSCALL);
        let back = decode(&bytes(&outcome.trampolines, fallback + 2, 5), fallback + 2);
        assert_eq!((back.code(), back.near_branch_target()), (Code::Jmp_rel32_64, end));
        assert!(jump.near_branch_target() >= outcome.image.end);
    }
    for page in &outcome.text {
        for (at, &byte) in (page.place..).zip(&page.bytes) {
            let patched = changed.iter().any(|range| range.contains(&at));
            assert!(patched || byte == file.get(at as usize).copied().unwrap_or(0), "changed at {at:#x}");
        }
    }
}

/// Check the way through the trampoline up to its fallback; gives where the patch begins.
fn check_moved(file: &[u8], outcome: &Rewriting, fallback: u64, end: u64, moved: u8) -> u64 {
    let enter = decode(&bytes(&outcome.trampolines, fallback - 8, 8), fallback - 8);
    assert_eq!(enter.code(), Code::Jmp_rm64);
    assert_eq!((enter.segment_prefix(), enter.memory_displacement64()), (iced_x86::Register::GS, 168));
    let lea = decode(&bytes(&outcome.trampolines, fallback - 15, 7), fallback - 15);
    assert_eq!((lea.code(), lea.op0_register(), lea.ip_rel_memory_address()), (Code::Lea_r64_m, iced_x86::Register::RCX, end));
    let origins: Vec<_> = outcome.origins.iter().filter(|origin| origin.trampoline < fallback - 15).collect();
    let of_site = &origins[origins.len() - usize::from(moved)..];
    for (index, origin) in of_site.iter().enumerate() {
        let length = of_site.get(index + 1).map_or(fallback - 15, |next| next.trampoline) - origin.trampoline;
        let original = &file[origin.original as usize..][..length as usize];
        assert_eq!(bytes(&outcome.trampolines, origin.trampoline, original.len()), original, "moved as it was");
        if index > 0 {
            let resume = outcome.entries.iter().find(|entry| entry.fault == origin.original).expect("an entry").resume;
            assert_eq!(resume, origin.trampoline);
            never(outcome, origin.original);
        }
    }
    never(outcome, end - 2);
    of_site[0].original
}

/// Whoever arrives at an address takes an undefined instruction.
fn never(outcome: &Rewriting, address: u64) {
    let found = bytes(&outcome.text, address, 1)[0];
    assert!(NEVER.contains(&found) || bytes(&outcome.text, address, 2) == [0x0f, 0x0b], "{found:#x} at {address:#x}");
    let decoded = decode(&[found, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90], address);
    assert!(decoded.is_invalid() || found == 0x0f);
}

#[test]
fn five_bytes_before_are_enough() {
    assert_eq!(verdict(&[&[0xb8, 39, 0, 0, 0], &SYSCALL, &[0xc3]]), patched(1, 0));
    let outcome = outcome(&[&[0xb8, 39, 0, 0, 0], &SYSCALL, &[0xc3]]);
    assert_eq!(bytes(&outcome.text, TEXT + 5, 3), [0x0f, 0x0b, 0xc3]);
}

#[test]
fn three_bytes_before_choose_a_window() {
    assert_eq!(verdict(&[&[0x48, 0x89, 0xd8], &SYSCALL, &[0xc3]]), patched(1, 1));
    let outcome = outcome(&[&[0x48, 0x89, 0xd8], &SYSCALL]);
    let trampoline = outcome.origins[0].trampoline;
    assert_eq!((trampoline - TEXT - 5) >> 16, 6, "the first window");
}

#[test]
fn several_short_instructions_move_together() {
    assert_eq!(verdict(&[&[0x31, 0xff], &[0x31, 0xc0], &[0xb0, 60], &SYSCALL]), Verdict::Left(Reason::NoPlace), "boundaries at 2 and 4");
    assert_eq!(verdict(&[&[0x31, 0xff], &[0x48, 0x89, 0xd8], &SYSCALL]), patched(2, 1), "a boundary at 2, the site at 5");
    assert_eq!(verdict(&[&[0x48, 0x89, 0xd8], &[0x31, 0xff], &SYSCALL]), patched(2, 1), "a boundary at 3, the site at 5");
    assert_eq!(verdict(&[&[0x58], &[0x31, 0xff], &SYSCALL]), patched(2, 2), "boundaries at 1 and 3");
    assert_eq!(verdict(&[&[0x89, 0x44, 0x24, 0xfc], &SYSCALL]), Verdict::Left(Reason::NoPlace), "the site at 4");
    assert_eq!(verdict(&[&[0xb8, 1, 0, 0, 0], &[0x89, 0x44, 0x24, 0xfc], &SYSCALL]), patched(2, 0));
}

#[test]
fn instructions_that_depend_on_their_place_stay() {
    let left = |reason| Verdict::Left(reason);
    assert_eq!(verdict(&[&SYSCALL, &[0xc3]]), left(Reason::NoRoomBefore));
    assert_eq!(verdict(&[&[0x31, 0xff], &SYSCALL]), left(Reason::NoRoomBefore));
    assert_eq!(verdict(&[&[0x8b, 0x05, 0, 0, 0, 0], &SYSCALL]), left(Reason::Immovable), "rip-relative");
    assert_eq!(verdict(&[&[0xe8, 0, 0, 0, 0], &SYSCALL]), left(Reason::NoRoomBefore), "a call");
    assert_eq!(verdict(&[&[0xf0, 0x48, 0x0f, 0xb1, 0x0f], &SYSCALL]), left(Reason::Immovable), "a locked instruction");
    assert_eq!(verdict(&[&[0xf3, 0x0f, 0x1e, 0xfa], &SYSCALL]), left(Reason::Immovable), "endbr64");
    assert_eq!(verdict(&[&[0x48, 0xc7, 0xc0, 15, 0, 0, 0], &SYSCALL]), left(Reason::SignalReturn));
}

#[test]
fn only_proven_boundaries_count() {
    let left = |reason| Verdict::Left(reason);
    let long: &[u8] = &[0xb8, 39, 0, 0, 0];
    assert_eq!(verdict(&[&[0x06], long, &SYSCALL]), left(Reason::Invalid(TEXT)));
    assert_eq!(verdict(&[&[0xeb, 1], long, &SYSCALL]), left(Reason::Crooked(TEXT + 3)));
    assert_eq!(verdict(&[long, &SYSCALL, &[0x48, 0xb8, 1]]), left(Reason::Overrun(TEXT + 10)));
    assert_eq!(verdict(&[&[0xb8], &SYSCALL, &[0, 0]]), left(Reason::InsideInstruction));
    assert_eq!(verdict(&[long, &SYSCALL, &[0, 0, 0]]), patched(1, 0), "zeros at the end are padding");
    assert_eq!(verdict(&[&[0x74, 1], &[0xf0, 0x0f, 0xb1, 0x0f], long, &SYSCALL]), patched(1, 0), "past a lock prefix");
}

#[test]
fn what_a_loop_goes_back_to_is_not_moved_away_from_it() {
    let number: &[u8] = &[0xb8, 39, 0, 0, 0];
    // Back to the mov: the jump is there.
    assert_eq!(verdict(&[number, &SYSCALL, &[0x75, 0xf7], &[0xc3]]), patched(1, 0));
    // Back to the syscall itself, or to a short instruction before it.
    assert_eq!(verdict(&[number, &SYSCALL, &[0x75, 0xfc], &[0xc3]]), Verdict::Left(Reason::BranchTarget));
    assert_eq!(verdict(&[number, &[0x89, 0xc8], &SYSCALL, &[0x75, 0xfa], &[0xc3]]), Verdict::Left(Reason::BranchTarget));
}

#[test]
fn without_sections_or_symbols_nothing_is_proven() {
    let mut program = x86_64(&[0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3]);
    program.sections = false;
    let outcome = rewrite(&program.file()).unwrap();
    assert_eq!(outcome.sites[0].verdict, Verdict::Left(Reason::UnknownStart));
}

/// Movable instructions of one to seven bytes, sites, and some that do not move.
fn instruction() -> impl Strategy<Value = Vec<u8>> {
    let choices: [&[u8]; 14] = [
        &SYSCALL,
        &SYSCALL,
        &SYSCALL,
        &[0x90],
        &[0x50],
        &[0x31, 0xff],
        &[0x31, 0xc0],
        &[0x48, 0x89, 0xd8],
        &[0x45, 0x31, 0xd2],
        &[0x89, 0x44, 0x24, 0xfc],
        &[0xb8, 1, 0, 0, 0],
        &[0x48, 0xc7, 0xc7, 1, 0, 0, 0],
        &[0x8b, 0x05, 0, 0, 0, 0],
        &[0xc3],
    ];
    proptest::sample::select(choices.map(<[u8]>::to_vec).to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn only_patches_change_and_each_comes_back(parts in proptest::collection::vec(instruction(), 1..150)) {
        let file = x86_64(&parts.concat()).file();
        let outcome = rewrite(&file).unwrap();
        prop_assert_eq!(outcome.sites.len(), parts.iter().filter(|part| **part == SYSCALL).count());
        prop_assert!(outcome.entries.is_sorted() && outcome.origins.is_sorted());
        check(&file, &outcome);
    }
}
