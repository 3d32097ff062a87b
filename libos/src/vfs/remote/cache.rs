//! What a caching policy decides, by numbers: which pages are kept, each at a place. The windows are [`Pages`](super::pages::Pages)' business.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use policy::caching::{Caching, Page};

use super::pages::WINDOW_PAGES;

/// No place.
const NONE: u32 = u32::MAX;

/// A window of an open inode: the inode's place among the words that `unixd` shows, and which of its windows.
pub(super) type WindowName = (u32, u64);

/// Pages that are kept.
pub(super) struct Cache {
    policy: Box<dyn Caching>,
    /// The page at each place, and of which open inode it is.
    places: Vec<Option<(u32, u64)>>,
    /// Places that are empty.
    free: Vec<u32>,
    /// Where the pages of a window are.
    windows: BTreeMap<WindowName, Box<[u32; WINDOW_PAGES as usize]>>,
}

impl Cache {
    pub(super) fn new(policy: Box<dyn Caching>) -> Cache {
        Cache { policy, places: Vec::new(), free: Vec::new(), windows: BTreeMap::new() }
    }

    /// How many pages may come in together where one is missing of which `wanted` are asked for.
    pub(super) fn most(&self, wanted: u64) -> u64 {
        wanted.max(self.policy.ahead() as u64).min(self.policy.pages() as u64)
    }

    /// How many of so many pages there can ever be room for.
    pub(super) fn limit(&self, pages: u64) -> u64 {
        pages.min(self.policy.pages() as u64)
    }

    fn place(&self, inode: u32, page: u64) -> Option<usize> {
        let places = self.windows.get(&(inode, page / WINDOW_PAGES))?;
        Some(places[(page % WINDOW_PAGES) as usize]).filter(|&place| place != NONE).map(|place| place as usize)
    }

    /// Pages were read.
    pub(super) fn note_used(&mut self, inode: u32, pages: Range<u64>) {
        for page in pages {
            if let Some(place) = self.place(inode, page) {
                self.policy.used(place);
            }
        }
    }

    /// Let there be room for so many pages more; gives which are to go, by windows: a bit for each.
    pub(super) fn make_room(&mut self, wanted: u64) -> BTreeMap<WindowName, u64> {
        let mut victims = BTreeMap::new();
        let most = self.policy.pages();
        while self.places.len() - self.free.len() + wanted as usize > most {
            let chosen = self.policy.victim().filter(|&place| self.places.get(place).is_some_and(Option::is_some));
            let Some(place) = chosen.or_else(|| self.places.iter().position(Option::is_some)) else { break };
            let (inode, page) = self.places[place].expect("it was just looked at");
            *victims.entry((inode, page / WINDOW_PAGES)).or_default() |= 1 << (page % WINDOW_PAGES);
            self.empty(place);
        }
        victims
    }

    /// Pages came in, for which there is room.
    pub(super) fn note_mapped(&mut self, inode: u32, number: u64, pages: Range<u64>) {
        for page in pages {
            let place = self.free.pop().unwrap_or(self.places.len() as u32);
            if place as usize == self.places.len() {
                self.places.push(None);
            }
            self.places[place as usize] = Some((inode, page));
            let places = self.windows.entry((inode, page / WINDOW_PAGES)).or_insert_with(|| Box::new([NONE; WINDOW_PAGES as usize]));
            places[(page % WINDOW_PAGES) as usize] = place;
            self.policy.filled(place as usize, Page { inode: number, index: page });
        }
    }

    /// Pages of a window are not kept any more: those with their bits set.
    pub(super) fn note_gone(&mut self, (inode, window): WindowName, mut pages: u64) {
        while pages != 0 {
            let page = window * WINDOW_PAGES + u64::from(pages.trailing_zeros());
            pages &= pages - 1;
            if let Some(place) = self.place(inode, page) {
                self.empty(place);
            }
        }
    }

    /// Nothing is at a place any more.
    fn empty(&mut self, place: usize) {
        self.policy.emptied(place);
        self.free.push(place as u32);
        let Some((inode, page)) = self.places[place].take() else { return };
        let name = (inode, page / WINDOW_PAGES);
        if let Some(places) = self.windows.get_mut(&name) {
            places[(page % WINDOW_PAGES) as usize] = NONE;
            if places.iter().all(|&place| place == NONE) {
                self.windows.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use policy::Set;

    use super::*;

    fn cache(setting: &str) -> Cache {
        Cache::new(Set::parse([setting].into_iter()).expect("a set").caching.expect("it was chosen"))
    }

    #[test]
    fn no_more_is_kept_than_the_policy_has_places_for() {
        let mut cache = cache("caching=lru,pages=4,ahead=2");
        assert_eq!((cache.most(1), cache.most(9)), (2, 4));
        for page in 0..4 {
            assert!(cache.make_room(1).is_empty());
            cache.note_mapped(7, 70, page..page + 1);
        }
        cache.note_used(7, 0..2);
        assert_eq!(cache.make_room(2), [((7, 0), 0b1100)].into());
        cache.note_mapped(7, 70, 64..66);
        assert_eq!(cache.make_room(3), [((7, 0), 0b11), ((7, 1), 0b1)].into());
    }

    #[test]
    fn what_is_gone_makes_room_and_is_nobodys_victim() {
        let mut cache = cache("caching=mru,pages=3");
        cache.note_mapped(1, 10, 0..3);
        cache.note_gone((1, 0), 0b110);
        cache.note_gone((1, 0), 0b110);
        cache.note_gone((2, 0), u64::MAX);
        assert!(cache.make_room(2).is_empty());
        cache.note_mapped(2, 20, 5..7);
        cache.note_used(1, 0..1);
        assert_eq!(cache.make_room(1), [((1, 0), 0b1)].into());
    }

    #[test]
    fn a_policy_that_names_no_place_that_is_full_is_not_believed() {
        struct Lost;
        impl Caching for Lost {
            fn pages(&self) -> usize {
                2
            }
            fn ahead(&self) -> usize {
                1
            }
            fn filled(&mut self, _: usize, _: Page) {}
            fn used(&mut self, _: usize) {}
            fn emptied(&mut self, _: usize) {}
            fn victim(&mut self) -> Option<usize> {
                Some(1000)
            }
        }
        let mut cache = Cache::new(Box::new(Lost));
        cache.note_mapped(1, 10, 0..2);
        assert_eq!(cache.make_room(2), [((1, 0), 0b11)].into());
        assert!(cache.make_room(2).is_empty());
    }
}
