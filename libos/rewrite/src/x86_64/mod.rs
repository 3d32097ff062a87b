//! x86_64: `syscall` and the instructions before it become a jump to a trampoline.
//!
//! ```text
//! trampoline:  moved instructions
//!              lea  rcx, [rip + site_end]
//!              jmp  *gs:[ENTRY_WORD]          continues at site_end by itself
//! fallback:    syscall
//!              jmp  site_end
//! ```

mod room;
mod sweep;

use alloc::vec::Vec;

use memchr::memmem;

use crate::elf::Image;
use crate::page::Pages;
use crate::{ENTRY_WORD, Entry, Kind, Origin, Reason, Rewriting, Site, Verdict};
use room::{Room, Wish};
use sweep::{Before, Found, Stretch};

/// `syscall`
pub const SYSCALL: [u8; 2] = [0x0f, 0x05];
/// Bytes of `jmp rel32`.
pub const JUMP_BYTES: usize = 5;
const LEA_BYTES: usize = 7;
const INDIRECT_BYTES: usize = 8;
/// Bytes of a trampoline, moved instructions left out.
const TAIL_BYTES: usize = LEA_BYTES + INDIRECT_BYTES + SYSCALL.len() + JUMP_BYTES;
/// `ud2`
const UNDEFINED: [u8; 2] = [0x0f, 0x0b];
/// What the rest of a patch is filled with: one byte that is no instruction.
const FILLER: u8 = 0x06;

/// First bytes that are no instruction in 64-bit mode, whatever follows (AMD64 Architecture Programmer's Manual, volume 3, table B-2; of what
/// that table lists, 0x62, 0xc4, 0xc5 and 0xd5 have become prefixes).
pub const NEVER: [u8; 19] =
    [0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0x82, 0x9a, 0xce, 0xd4, 0xd6, 0xea];

/// The stub that unwinders and debuggers know by its bytes: `mov $15, %rax; syscall`, and the shorter form.
const SIGRETURN: [&[u8]; 2] = [&[0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05], &[0xb8, 15, 0, 0, 0, 0x0f, 0x05]];

/// Rewrite an image.
#[must_use]
pub fn rewrite(image: &Image) -> Rewriting {
    let found = sites(image);
    let mut outcome =
        Rewriting { machine: image.machine, image: image.pages.clone(), segments: image.segments.clone(), ..Rewriting::default() };
    let mut work = Work { image, room: Room::after(image.pages.end), text: Pages::default(), trampolines: Pages::default() };
    for (address, found) in found {
        let Some(offset) = image.offset_of(address) else { continue };
        let verdict = match found {
            Err(reason) => Verdict::Left(reason),
            Ok(_) if is_signal_return(image, offset) => Verdict::Left(Reason::SignalReturn),
            Ok(before) => work.patch(address, &before, &mut outcome),
        };
        outcome.sites.push(Site { offset, address, verdict });
    }
    outcome.entries.sort_unstable();
    outcome.origins.sort_unstable();
    Rewriting { text: work.text.into_pages(), trampolines: work.trampolines.into_pages(), ..outcome }
}

fn is_signal_return(image: &Image, offset: u64) -> bool {
    let end = offset as usize + SYSCALL.len();
    SIGRETURN.iter().any(|stub| image.file[..end].ends_with(stub))
}

/// All places with the instruction's bytes, by address, and what is proven of them.
fn sites(image: &Image) -> Vec<(u64, Found)> {
    let mut sites = Vec::new();
    for part in &image.code {
        let bytes = image.bytes(part);
        let mut stretch: Option<(Stretch, Vec<(u64, Found)>)> = None;
        for at in memmem::find_iter(bytes, &SYSCALL) {
            let address = part.address + at as u64;
            if stretch.as_ref().is_none_or(|(stretch, _)| !stretch.contains(address)) {
                let next = Stretch::around(image, part, address);
                let found = next.sweep(bytes, part.address);
                stretch = Some((next, found));
            }
            let found = &stretch.as_ref().expect("just made").1;
            let known = found.binary_search_by_key(&address, |found| found.0).map(|index| found[index].1.clone());
            sites.push((address, known.unwrap_or(Err(Reason::InsideInstruction))));
        }
    }
    sites.sort_by_key(|site| site.0);
    sites.dedup_by_key(|site| site.0);
    sites
}

/// What is being made.
struct Work<'a> {
    image: &'a Image<'a>,
    room: Room,
    text: Pages,
    trampolines: Pages,
}

impl Work<'_> {
    /// Patch the site at `address`, before which `before` was found, the nearest last.
    fn patch(&mut self, address: u64, before: &Before, outcome: &mut Rewriting) -> Verdict {
        let mut best: Option<(Wish, usize)> = None;
        let mut refusal = before.reason;
        for count in 1..=before.lengths.len() {
            match Wish::of(address, &before.lengths[before.lengths.len() - count..]) {
                Ok(wish) if best.as_ref().is_none_or(|best| wish.cost() < best.0.cost()) => best = Some((wish, count)),
                Err(Reason::NoPlace) => refusal = Reason::NoPlace,
                _ => {}
            }
        }
        let Some((wish, count)) = best else {
            return Verdict::Left(refusal);
        };
        let lengths = &before.lengths[before.lengths.len() - count..];
        let moved: usize = lengths.iter().map(|&length| usize::from(length)).sum();
        let Some(trampoline) = self.room.take(&wish, moved + TAIL_BYTES) else {
            return Verdict::Left(Reason::NoPlace);
        };
        self.store(address, lengths, trampoline, outcome);
        Verdict::Patched(Kind::Jump { moved: count as u8, chosen: wish.chosen() })
    }

    fn store(&mut self, site: u64, lengths: &[u8], trampoline: u64, outcome: &mut Rewriting) {
        let moved: usize = lengths.iter().map(|&length| usize::from(length)).sum();
        let start = site - moved as u64;
        let Some(offset) = self.image.offset_of(start) else { return };
        let original = &self.image.file[offset as usize..offset as usize + moved];
        self.text.store(self.image.file, offset, &patch(start, moved, trampoline));
        self.trampolines.store(&[], trampoline, &code(trampoline, original, site));
        let mut at = 0;
        for (index, &length) in lengths.iter().enumerate() {
            outcome.origins.push(Origin { trampoline: trampoline + at, original: start + at });
            if index > 0 {
                outcome.entries.push(Entry { fault: start + at, resume: trampoline + at });
            }
            at += u64::from(length);
        }
        let fallback = trampoline + at + (LEA_BYTES + INDIRECT_BYTES) as u64;
        outcome.entries.push(Entry { fault: site, resume: fallback });
        let originals = [(trampoline + at, 0), (trampoline + at + LEA_BYTES as u64, 0), (fallback, 0), (fallback + 2, 2)];
        outcome.origins.extend(originals.map(|(trampoline, distance)| Origin { trampoline, original: site + distance }));
    }
}

/// The bytes that replace `moved` bytes of instructions at `start` and the syscall after them.
fn patch(start: u64, moved: usize, trampoline: u64) -> Vec<u8> {
    let mut bytes = alloc::vec![FILLER; moved + SYSCALL.len()];
    bytes[0] = 0xe9;
    bytes[1..JUMP_BYTES].copy_from_slice(&displacement(start + JUMP_BYTES as u64, trampoline));
    if moved >= JUMP_BYTES {
        bytes[moved..].copy_from_slice(&UNDEFINED);
    }
    bytes
}

/// The trampoline at `address` for the site at `site`, to which `moved` moves.
fn code(address: u64, moved: &[u8], site: u64) -> Vec<u8> {
    let end = site + SYSCALL.len() as u64;
    let mut code = moved.to_vec();
    code.extend_from_slice(&[0x48, 0x8d, 0x0d]);
    let after_lea = address + (moved.len() + LEA_BYTES) as u64;
    code.extend_from_slice(&displacement(after_lea, end));
    code.extend_from_slice(&[0x65, 0xff, 0x24, 0x25]);
    code.extend_from_slice(&ENTRY_WORD.to_le_bytes());
    code.extend_from_slice(&SYSCALL);
    code.push(0xe9);
    code.extend_from_slice(&displacement(address + (moved.len() + TAIL_BYTES) as u64, end));
    code
}

/// What is added to `from` to get `to`. Both are in reach of one another: `Room` gives no other places.
fn displacement(from: u64, to: u64) -> [u8; 4] {
    (to.wrapping_sub(from) as i32).to_le_bytes()
}
