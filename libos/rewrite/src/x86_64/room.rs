//! Where trampolines go.
//!
//! A jump's displacement is the distance to its trampoline, so that choosing a byte of the one restricts the other: a chosen third byte
//! leaves windows of 64 KiB. Pages are shared by the sites of which windows meet; windows of sites that are near each other nearly coincide.
//! A chosen fourth byte would put the trampoline 96 MiB away at least: that is never done, as only one site in a hundred has no other way.

use alloc::collections::BTreeMap;
use core::ops::Range;

use super::{JUMP_BYTES, NEVER, SYSCALL};
use crate::{PAGE, Reason};

const PAGE_WORD: u64 = PAGE as u64;
/// Pages after the image that are tried where no window is asked for (16 MiB).
const NEAR_PAGES: u64 = 4096;

/// What a site asks of its trampoline's place.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// What the displacement is added to.
    from: u64,
    /// Which of the displacement's bytes must be no instruction.
    chosen: [bool; 3],
}

impl Wish {
    /// The wish of the site at `site` if instructions of these lengths, the last right before the site, are replaced.
    ///
    /// # Errors
    /// `NoRoomBefore`: they leave no room for a jump. `NoPlace`: only with a fourth byte chosen.
    pub fn of(site: u64, lengths: &[u8]) -> Result<Wish, Reason> {
        let moved: u64 = lengths.iter().map(|&length| u64::from(length)).sum();
        if moved + (SYSCALL.len() as u64) < JUMP_BYTES as u64 {
            return Err(Reason::NoRoomBefore);
        }
        let mut chosen = [false; 3];
        let mut at = 0;
        for &length in lengths {
            at += usize::from(length);
            if at < JUMP_BYTES {
                *chosen.get_mut(at - 1).ok_or(Reason::NoPlace)? = true;
            }
        }
        Ok(Wish { from: site - moved + JUMP_BYTES as u64, chosen })
    }

    /// How many bytes are chosen.
    pub fn chosen(&self) -> u8 {
        self.chosen.iter().map(|&chosen| u8::from(chosen)).sum()
    }

    /// What granting it costs: pages that few can share most.
    pub fn cost(&self) -> u32 {
        let [first, second, third] = self.chosen.map(u32::from);
        third * 4 + second * 2 + first
    }

    /// Whether a place grants it.
    pub fn is_granted_by(&self, place: u64) -> bool {
        let Ok(distance) = i32::try_from(place.wrapping_sub(self.from) as i64) else { return false };
        self.chosen.iter().zip(distance.to_le_bytes()).all(|(&chosen, byte)| !chosen || NEVER.contains(&byte))
    }

    /// Pages that may hold a place, the best for sharing first. `first` is the lowest page.
    fn pages(self, first: u64) -> impl Iterator<Item = u64> {
        // Of a window, the last page: the next sites' windows begin later.
        let last = move |distance: u64| (self.from + distance + (1 << 16) - PAGE_WORD) / PAGE_WORD;
        let thirds = (0..0x80u64).flat_map(|top| NEVER.map(|third| top << 24 | u64::from(third) << 16));
        let windows = self.chosen[2].then_some(thirds).into_iter().flatten().map(last);
        let near = (!self.chosen[2]).then_some(first..first + NEAR_PAGES).into_iter().flatten();
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
