//! Which pages of files are kept at hand.

use alloc::vec::Vec;

/// A page of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// The file's inode.
    pub inode: u64,
    /// Which of its pages.
    pub index: u64,
}

/// Which pages of files stay mapped, so that reading them asks nobody. Each is at a place, a number below [`Caching::pages`].
pub trait Caching: Send {
    /// The most pages that are kept at a time.
    fn pages(&self) -> usize;

    /// How many come in together where a page is read that is not there, if the file has them.
    fn ahead(&self) -> usize;

    /// A page came in, at a place that was empty. It counts as used only with [`Caching::used`].
    fn filled(&mut self, place: usize, page: Page);

    /// The page at a place was read.
    fn used(&mut self, place: usize);

    /// The page at a place is gone: it was given back, or its file was closed or has other pages.
    fn emptied(&mut self, place: usize);

    /// The place to be emptied next: there is no other left. `None`: whichever.
    fn victim(&mut self) -> Option<usize>;
}

/// Places in the order in which they were last used: a ring of links, so that every step takes the same few instructions.
#[derive(Debug, Default)]
pub struct Recency {
    /// The first is the ring's ends: the newest is the one before it, the oldest the one behind.
    links: Vec<Link>,
}

/// The neighbours of a place, itself where it is in no ring.
#[derive(Clone, Copy, Debug)]
struct Link {
    older: usize,
    newer: usize,
}

/// Where the ring begins and ends.
const ENDS: usize = 0;

impl Recency {
    /// A place is used now.
    pub fn touch(&mut self, place: usize) {
        let index = place + 1;
        for more in self.links.len()..=index {
            self.links.push(Link { older: more, newer: more });
        }
        self.unlink(index);
        let newest = self.links[ENDS].older;
        self.links[index] = Link { older: newest, newer: ENDS };
        self.links[newest].newer = index;
        self.links[ENDS].older = index;
    }

    /// A place is not used any more.
    pub fn remove(&mut self, place: usize) {
        if place + 1 < self.links.len() {
            self.unlink(place + 1);
        }
    }

    /// The place whose last use is the longest ago.
    #[must_use]
    pub fn oldest(&self) -> Option<usize> {
        self.links.first()?.newer.checked_sub(1)
    }

    /// The place that was used last.
    #[must_use]
    pub fn newest(&self) -> Option<usize> {
        self.links.first()?.older.checked_sub(1)
    }

    fn unlink(&mut self, index: usize) {
        let Link { older, newer } = self.links[index];
        self.links[older].newer = newer;
        self.links[newer].older = older;
        self.links[index] = Link { older: index, newer: index };
    }
}

/// All that was ever read, as long as its file is open.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everything;

/// Pages that come in together, if the file has them: neighbours are mostly read next.
pub const AHEAD_PAGES: usize = 8;

impl Caching for Everything {
    fn pages(&self) -> usize {
        usize::MAX
    }

    fn ahead(&self) -> usize {
        AHEAD_PAGES
    }

    fn filled(&mut self, _: usize, _: Page) {}

    fn used(&mut self, _: usize) {}

    fn emptied(&mut self, _: usize) {}

    fn victim(&mut self) -> Option<usize> {
        None
    }
}
