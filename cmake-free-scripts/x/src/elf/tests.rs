use super::*;

const RULES: Rules = Rules { isa: Isa::X86_64, text_floor: 64 };
const TEXT: u32 = 5;
const DATA: u32 = 6;

/// A program header as (flags, offset, address, bytes in the file, bytes in memory).
type Load = (u32, u64, u64, u64, u64);

/// A file of 0x4000 bytes with these segments to load and these sections (name's offset in the table below, flags, offset, size).
fn file(machine: u16, entry: u64, loads: &[Load], sections: &[(u32, u64, u64, u64)]) -> Vec<u8> {
    const NAMES: &[u8] = b"\0.debug_info\0.text\0.shstrtab\0";
    let mut bytes = vec![0; 0x4000];
    let mut put = |at: usize, data: &[u8]| bytes[at..at + data.len()].copy_from_slice(data);
    put(0, b"\x7fELF\x02\x01\x01");
    put(16, &2u16.to_le_bytes());
    put(18, &machine.to_le_bytes());
    put(20, &1u32.to_le_bytes());
    put(24, &entry.to_le_bytes());
    put(32, &64u64.to_le_bytes());
    put(40, &0x3000u64.to_le_bytes());
    let sizes = [64u16, 56, loads.len() as u16, 64, sections.len() as u16 + 2, sections.len() as u16 + 1];
    for (index, size) in sizes.iter().enumerate() {
        put(52 + index * 2, &size.to_le_bytes());
    }
    for (index, &(flags, offset, address, in_file, in_memory)) in loads.iter().enumerate() {
        let at = 64 + index * 56;
        put(at, &1u32.to_le_bytes());
        put(at + 4, &flags.to_le_bytes());
        for (word, value) in [offset, address, address, in_file, in_memory, 0x1000].iter().enumerate() {
            put(at + 8 + word * 8, &value.to_le_bytes());
        }
    }
    put(0x2f00, NAMES);
    let names = (19u32, 0u64, 0x2f00u64, NAMES.len() as u64);
    for (index, &(name, flags, offset, size)) in sections.iter().chain([&names]).enumerate() {
        let at = 0x3000 + (index + 1) * 64;
        let kind = if index == sections.len() { 3u32 } else { 1 };
        put(at, &name.to_le_bytes());
        put(at + 4, &kind.to_le_bytes());
        for (word, value) in [(8, flags), (24, offset), (32, size)] {
            put(at + word, &value.to_le_bytes());
        }
    }
    bytes
}

const GOOD: [Load; 2] = [(TEXT, 0x1000, 0x1000, 0x800, 0x800), (DATA, 0x2000, 0x2000, 0x100, 0x900)];
const X86_64: u16 = header::EM_X86_64;

fn only_fault(bytes: &[u8]) -> String {
    let faults = verify(bytes, RULES).expect_err("the file is bad");
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults[0].clone()
}

#[test]
fn a_file_in_order_passes() {
    assert_eq!(verify(&file(X86_64, 0x1000, &GOOD, &[(1, 0, 0x2800, 0x100)]), RULES), Ok(()));
}

#[test]
fn too_little_text_is_found() {
    let loads = [(TEXT, 0x1000, 0x1000, 32, 0x800), GOOD[1]];
    assert!(only_fault(&file(X86_64, 0x1000, &loads, &[])).contains("32 bytes of code"));
}

#[test]
fn an_entry_in_data_is_found() {
    assert!(only_fault(&file(X86_64, 0x2000, &GOOD, &[])).contains("outside the code"));
}

#[test]
fn an_entry_just_past_the_text_is_found() {
    assert!(only_fault(&file(X86_64, 0x1800, &GOOD, &[])).contains("outside the code"));
}

#[test]
fn a_segment_that_is_writable_and_executable_is_found() {
    let loads = [(7, 0x1000, 0x1000, 0x800, 0x800), GOOD[1]];
    assert!(only_fault(&file(X86_64, 0x1000, &loads, &[])).contains("writable and executable"));
}

#[test]
fn text_and_data_in_one_page_are_found() {
    let loads = [GOOD[0], (DATA, 0x1800, 0x1800, 0x100, 0x100)];
    assert!(only_fault(&file(X86_64, 0x1000, &loads, &[])).contains("share a page"));
}

#[test]
fn a_debug_section_inside_a_segment_is_found() {
    assert!(only_fault(&file(X86_64, 0x1000, &GOOD, &[(1, 0, 0x1100, 0x100)])).contains(".debug_info"));
}

#[test]
fn a_debug_section_that_asks_to_be_loaded_is_found() {
    assert!(only_fault(&file(X86_64, 0x1000, &GOOD, &[(1, 2, 0x2800, 0x100)])).contains(".debug_info"));
}

#[test]
fn the_other_machine_is_found() {
    assert!(only_fault(&file(header::EM_AARCH64, 0x1000, &GOOD, &[])).contains("for machine"));
}

#[test]
fn what_is_no_elf_file_is_refused() {
    assert!(verify(b"#!/bin/sh\n", RULES).is_err());
    assert!(verify(&file(X86_64, 0x1000, &GOOD, &[])[..70], RULES).is_err());
}
