//! Files that are left whole, and malformed ones.

use proptest::prelude::*;

use super::build::{aarch64, x86_64};
use crate::{Refusal, rewrite};

#[test]
fn a_file_that_is_no_program_is_refused() {
    assert_eq!(rewrite(b"#!/bin/sh"), Err(Refusal::NotAProgram));
    let mut other = x86_64(&[0x90]);
    other.machine = 243;
    assert_eq!(rewrite(&other.file()), Err(Refusal::Machine));
}

#[test]
fn text_relocations_refuse_a_file() {
    let mut program = aarch64(&[0xd400_0001]);
    program.dynamic = vec![[22, 0], [0, 0]];
    assert_eq!(rewrite(&program.file()), Err(Refusal::TextRelocations));
    program.dynamic = vec![[30, 4], [0, 0]];
    assert_eq!(rewrite(&program.file()), Err(Refusal::TextRelocations));
    program.dynamic = vec![[30, 8], [0, 0]];
    assert!(rewrite(&program.file()).is_ok());
}

proptest! {
    #[test]
    fn no_damage_to_a_file_stops_the_rewriter(damage in proptest::collection::vec((0usize..4600, any::<u8>()), 1..12), machine in any::<bool>()) {
        let mut file = if machine { x86_64(&[0xb8, 1, 0, 0, 0, 0x0f, 5, 0xc3]).file() } else { aarch64(&[0xd400_0001; 9]).file() };
        for (at, byte) in damage {
            // Headers are where damage matters.
            let at = if at < 176 { at } else { file.len() - 1 - at % 300 };
            file[at] = byte;
        }
        let _ = rewrite(&file);
    }
}
