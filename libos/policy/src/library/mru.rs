//! What was used last goes first: for a program that reads more than is kept from its beginning to its end, again and again. What it reads next
//! is then what it read longest ago: an order by last use that gives that back first never has a page when it comes to be read.

use alloc::boxed::Box;

use super::lru::PARAMETERS;
use crate::caching::{Caching, Page, Recency};
use crate::{Make, Policy};

/// The policy.
pub static POLICY: Policy = Policy {
    name: "mru",
    summary: "so many pages of files, the most recently used given back first: for scans of more than that",
    parameters: &PARAMETERS,
    make: Make::Caching(|values| Box::new(Mru { pages: values.count("pages"), ahead: values.count("ahead"), order: Recency::default() })),
};

struct Mru {
    pages: usize,
    ahead: usize,
    order: Recency,
}

impl Caching for Mru {
    fn pages(&self) -> usize {
        self.pages
    }

    fn ahead(&self) -> usize {
        self.ahead
    }

    fn filled(&mut self, place: usize, _: Page) {
        self.order.touch(place);
    }

    fn used(&mut self, place: usize) {
        self.order.touch(place);
    }

    fn emptied(&mut self, place: usize) {
        self.order.remove(place);
    }

    fn victim(&mut self) -> Option<usize> {
        self.order.newest()
    }
}
