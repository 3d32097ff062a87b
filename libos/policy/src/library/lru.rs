//! What was used longest ago goes first: for a program that comes back to what it read lately.

use alloc::boxed::Box;

use crate::caching::{AHEAD_PAGES, Caching, Page, Recency};
use crate::{Domain, Make, Parameter, Policy};

/// The policy.
pub static POLICY: Policy = Policy {
    name: "lru",
    summary: "so many pages of files, the least recently used given back first",
    parameters: &PARAMETERS,
    make: Make::Caching(|values| Box::new(Lru { pages: values.count("pages"), ahead: values.count("ahead"), order: Recency::default() })),
};

/// Those of policies that keep so many pages.
pub(super) static PARAMETERS: [Parameter; 2] = [
    Parameter {
        name: "pages",
        summary: "how many are kept",
        domain: Domain::Number { unit: "pages", least: 1, most: 1 << 20, default: 256 },
    },
    Parameter {
        name: "ahead",
        summary: "how many come in together",
        domain: Domain::Number { unit: "pages", least: 1, most: 64, default: AHEAD_PAGES as u64 },
    },
];

struct Lru {
    pages: usize,
    ahead: usize,
    order: Recency,
}

impl Caching for Lru {
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
        self.order.oldest()
    }
}
