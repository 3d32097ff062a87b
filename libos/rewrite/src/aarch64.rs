//! aarch64: `svc #0` becomes `b` to a trampoline in the pages after the image.
//!
//! B and SVC are both among the instructions that may be replaced while others execute them (Arm ARM, "Concurrent modification and
//! execution of instructions"), so that one aligned store of a word is a whole patch.

use alloc::vec::Vec;

use crate::elf::Image;
use crate::page::Pages;
use crate::{ENTRY_WORD, Entry, Kind, Origin, Reason, Rewriting, Site, Verdict};

/// `svc #0`
pub const SVC: u32 = 0xd400_0001;
/// `mov x8, #139`: the number of rt_sigreturn.
const MOV_SIGRETURN: u32 = 0xd280_1168;
/// How far a branch reaches, in bytes each way.
const REACH: i64 = 128 << 20;
/// Words of a trampoline.
pub const TRAMPOLINE_WORDS: usize = 8;
/// Bytes of a trampoline.
pub const TRAMPOLINE_BYTES: u64 = TRAMPOLINE_WORDS as u64 * 4;
/// Index of the fallback: the instruction itself.
pub const FALLBACK_WORD: u64 = 6;
/// Index of the branch that follows the call.
pub const RETURN_WORD: u64 = 5;

/// Bytes below the program's stack pointer at which a trampoline keeps two registers. A kernel touches nothing there: Go's runtime, for one,
/// has the first words of a new thread's stack there while it makes its first calls.
pub const SPARED_BYTES: u32 = 128;

/// `b` from one address to another, if it reaches.
#[must_use]
pub fn branch(from: u64, to: u64) -> Option<u32> {
    let distance = to.wrapping_sub(from) as i64;
    let fits = distance % 4 == 0 && (-REACH..REACH).contains(&distance);
    fits.then_some(0x1400_0000 | (distance >> 2) as u32 & 0x03ff_ffff)
}

/// Where a `b` at an address goes.
#[must_use]
pub fn branch_target(address: u64, word: u32) -> Option<u64> {
    let is_branch = word >> 26 == 0b00_0101;
    is_branch.then(|| address.wrapping_add_signed(i64::from((word << 6) as i32 >> 4)))
}

/// The trampoline at `address` of the site at `site`, if it reaches.
#[must_use]
pub fn trampoline(address: u64, site: u64) -> Option<[u32; TRAMPOLINE_WORDS]> {
    let back = |index: u64| branch(address + index * 4, site + 4);
    Some([
        0xa980_7bf0 | (0x80 - SPARED_BYTES / 8) << 15, // stp x16, x30, [sp, #-SPARED_BYTES]!
        0xd53b_d070,                                   // mrs x16, tpidrro_el0
        0xf940_0210 | ((ENTRY_WORD / 8) << 10),        // ldr x16, [x16, #ENTRY_WORD]
        0xd63f_0200,                                   // blr x16
        0xa8c0_7bf0 | (SPARED_BYTES / 8) << 15,        // ldp x16, x30, [sp], #SPARED_BYTES
        back(RETURN_WORD)?,
        SVC,
        back(7)?,
    ])
}

/// Rewrite an image.
#[must_use]
pub fn rewrite(image: &Image) -> Rewriting {
    let mut sites = find(image);
    let read = read_addresses(image, &sites);
    let mut outcome =
        Rewriting { machine: image.machine, image: image.pages.clone(), segments: image.segments.clone(), ..Rewriting::default() };
    let (mut text, mut trampolines) = (Pages::default(), Pages::default());
    let mut next = image.pages.end;
    for site in &mut sites {
        site.verdict = judge(image, site, &read, next);
        if site.verdict != Verdict::Patched(Kind::Branch) {
            continue;
        }
        let (Some(jump), Some(words)) = (branch(site.address, next), trampoline(next, site.address)) else { continue };
        text.store(image.file, site.offset, &jump.to_le_bytes());
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        trampolines.store(&[], next, &bytes);
        outcome.entries.push(Entry { fault: next, resume: next + FALLBACK_WORD * 4 });
        for (index, original) in [(0, 0), (RETURN_WORD, 4), (FALLBACK_WORD, 0), (7, 4)] {
            outcome.origins.push(Origin { trampoline: next + index * 4, original: site.address + original });
        }
        next += TRAMPOLINE_BYTES;
    }
    Rewriting { sites, text: text.into_pages(), trampolines: trampolines.into_pages(), ..outcome }
}

/// All words that are the instruction.
fn find(image: &Image) -> Vec<Site> {
    let mut sites = Vec::new();
    for part in &image.code {
        let skip = (part.address.wrapping_neg() % 4) as usize;
        let words = image.bytes(part).get(skip..).unwrap_or(&[]).chunks_exact(4);
        for (index, bytes) in words.enumerate() {
            if bytes == SVC.to_le_bytes() {
                let distance = (skip + index * 4) as u64;
                let left = Verdict::Left(Reason::Data);
                sites.push(Site { offset: part.offset + distance, address: part.address + distance, verdict: left });
            }
        }
    }
    sites.sort_unstable_by_key(|site| site.address);
    sites.dedup();
    sites
}

fn judge(image: &Image, site: &Site, read: &[u64], trampoline: u64) -> Verdict {
    if image.is_marked_data(site.address) || read.binary_search(&site.address).is_ok() {
        return Verdict::Left(Reason::Data);
    }
    let before = (site.offset as usize).checked_sub(4).and_then(|at| image.file.get(at..at + 4));
    if before == Some(&MOV_SIGRETURN.to_le_bytes()) {
        return Verdict::Left(Reason::SignalReturn);
    }
    let last = trampoline + TRAMPOLINE_BYTES;
    if branch(site.address, last).is_none() || branch(last, site.address + 4).is_none() {
        return Verdict::Left(Reason::NoPlace);
    }
    Verdict::Patched(Kind::Branch)
}

/// The sites whose address some instruction takes or loads from, sorted.
fn read_addresses(image: &Image, sites: &[Site]) -> Vec<u64> {
    let mut read = Vec::new();
    if sites.is_empty() {
        return read;
    }
    for part in &image.code {
        let skip = (part.address.wrapping_neg() % 4) as usize;
        let words = image.bytes(part).get(skip..).unwrap_or(&[]).chunks_exact(4);
        for (index, bytes) in words.enumerate() {
            let word = u32::from_le_bytes(bytes.try_into().expect("four bytes"));
            let Some(distance) = literal_distance(word) else { continue };
            let target = (part.address + (skip + index * 4) as u64).wrapping_add_signed(distance);
            // A literal of up to sixteen bytes.
            let first = sites.partition_point(|site| site.address < target);
            read.extend(sites[first..].iter().map(|site| site.address).take_while(|&site| site - target < literal_bytes(word)));
        }
    }
    read.sort_unstable();
    read
}

/// How far from itself an instruction loads a literal, or takes an address.
fn literal_distance(word: u32) -> Option<i64> {
    let field = i64::from((word << 8) as i32 >> 13);
    if word & 0x3b00_0000 == 0x1800_0000 {
        return Some(field * 4);
    }
    (word & 0x9f00_0000 == 0x1000_0000).then_some(field * 4 + i64::from(word >> 29 & 3))
}

fn literal_bytes(word: u32) -> u64 {
    if word & 0x3b00_0000 != 0x1800_0000 {
        return 1;
    }
    match (word >> 26 & 1, word >> 30) {
        (0, 0 | 2) | (1, 0) => 4,
        (1, 2) => 16,
        _ => 8,
    }
}
