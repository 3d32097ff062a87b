//! Where trampolines go.
//!
//! A jump's displacement is the distance to its trampoline, so that choosing a byte of the one restricts the other: a chosen third byte
//! leaves windows of 64 KiB, a chosen fourth one windows of 16 MiB, the first of them 96 MiB away. Pages are shared by the sites of which
//! windows meet; windows of sites that are near each other nearly coincide.

use alloc::collections::BTreeMap;
use core::ops::Range;

use super::{JUMP_BYTES, NEVER, SYSCALL};
use crate::PAGE;

const PAGE_WORD: u64 = PAGE as u64;

/// What a site asks of its trampoline's place.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// What the displacement is added to.
    from: u64,
    /// Which of the displacement's bytes must be no instruction.
    chosen: [bool; 4],
}

impl Wish {
    /// The wish of the site at `site` if instructions of these lengths, the last right before the site, are replaced. None if they leave
    /// no room for a jump.
    pub fn of(site: u64, lengths: &[u8]) -> Option<Wish> {
        let moved: u64 = lengths.iter().map(|&length| u64::from(length)).sum();
        if moved + (SYSCALL.len() as u64) < JUMP_BYTES as u64 {
            return None;
        }
        let mut chosen = [false; 4];
        let mut at = 0;
        for &length in lengths {
            at += usize::from(length);
            if at < JUMP_BYTES {
                chosen[at - 1] = true;
            }
        }
        Some(Wish { from: site - moved + JUMP_BYTES as u64, chosen })
    }

    /// How many bytes are chosen.
    pub fn chosen(&self) -> u8 {
        self.chosen.iter().map(|&chosen| u8::from(chosen)).sum()
    }

    /// What granting it costs: a far place most, then pages that few can share.
    pub fn cost(&self) -> u32 {
        let [first, second, third, fourth] = self.chosen.map(u32::from);
        fourth * 8 + third * 4 + second * 2 + first
    }

    /// Whether a place grants it.
    pub fn is_granted_by(&self, place: u64) -> bool {
        let Ok(distance) = i32::try_from(place.wrapping_sub(self.from) as i64) else { return false };
        self.chosen.iter().zip(distance.to_le_bytes()).all(|(&chosen, byte)| !chosen || NEVER.contains(&byte))
    }

    /// Pages that may hold a place, the best for sharing first. `first` is the lowest page.
    fn pages(self, first: u64) -> impl Iterator<Item = u64> {
        // Of a window, the last page: the next sites' windows begin later. Of a wide one, the middle.
        let page = move |distance: u64, width: u64| {
            let within = if width > 1 << 16 { width / 2 } else { width - PAGE_WORD };
            (self.from + distance + within) / PAGE_WORD
        };
        let tops = (0..0x80u64).filter(move |top| !self.chosen[3] || NEVER.contains(&(*top as u8)));
        let windows = tops.flat_map(move |top| {
            let third = self.chosen[2].then_some(NEVER).into_iter().flatten().map(move |third| page(top << 24 | u64::from(third) << 16, 1 << 16));
            let whole = (!self.chosen[2]).then(|| page(top << 24, 1 << 24));
            third.chain(whole)
        });
        let near = (!self.chosen[2] && !self.chosen[3]).then_some(first..first + 0x1000).into_iter().flatten();
        near.chain(windows).filter(move |&page| page >= first)
    }
}

/// Pages of trampolines.
pub struct Room {
    first: u64,
    /// The free ranges of each page, as offsets.
    pages: BTreeMap<u64, Free>,
}

struct Free {
    used: [u64; PAGE / 64],
    left: usize,
}

impl Room {
    /// Room from an address on.
    pub fn after(end: u64) -> Room {
        Room { first: end.div_ceil(PAGE_WORD), pages: BTreeMap::new() }
    }

    /// Take `length` bytes that grant a wish, in one page.
    pub fn take(&mut self, wish: &Wish, length: usize) -> Option<u64> {
        for (&page, free) in &mut self.pages {
            if let Some(place) = free.take(page, wish, length) {
                return Some(place);
            }
        }
        for page in wish.pages(self.first) {
            if self.pages.contains_key(&page) {
                continue;
            }
            let mut free = Free { used: [0; PAGE / 64], left: PAGE };
            if let Some(place) = free.take(page, wish, length) {
                self.pages.insert(page, free);
                return Some(place);
            }
        }
        None
    }
}

impl Free {
    fn take(&mut self, page: u64, wish: &Wish, length: usize) -> Option<u64> {
        if self.left < length {
            return None;
        }
        let mut at = 0;
        while at + length <= PAGE {
            let place = page * PAGE_WORD + at as u64;
            if !self.is_used(at) && wish.is_granted_by(place) {
                match (at..at + length).rev().find(|&at| self.is_used(at)) {
                    None => {
                        self.note(at..at + length);
                        return Some(place);
                    }
                    Some(used) => at = used,
                }
            }
            at += 1;
        }
        None
    }

    fn is_used(&self, at: usize) -> bool {
        self.used[at / 64] & 1 << (at % 64) != 0
    }

    fn note(&mut self, range: Range<usize>) {
        self.left -= range.len();
        for at in range {
            self.used[at / 64] |= 1 << (at % 64);
        }
    }
}
