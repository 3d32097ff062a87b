//! Twice as many pages at each fault as at the one before, for as long as the program walks through memory in order.

use policy::paging::{Fault, Paging};
use policy::prelude::*;

pub static POLICY: Policy = Policy {
    name: "doubling",
    summary: "twice as many pages at each fault, while the program walks through memory in order",
    parameters: &[Parameter {
        name: "most",
        summary: "the most pages at a fault",
        domain: Domain::Number { unit: "pages", least: 1, most: 4096, default: 1024 },
    }],
    make: Make::Paging(|values| Box::new(Doubling::new(values))),
};

pub struct Doubling {
    pages: usize,
    most: usize,
}

impl Doubling {
    pub fn new(values: &Values) -> Doubling {
        Doubling { pages: 1, most: values.count("most") }
    }
}

impl Paging for Doubling {
    fn bring(&mut self, fault: &Fault) -> Range<usize> {
        self.pages = if fault.in_order { (2 * self.pages).min(self.most) } else { 1 };
        fault.page..fault.page + self.pages * PAGE_SIZE
    }
}
