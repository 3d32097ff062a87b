//! The default with other numbers: for a program that walks far through memory, or reads files through mappings from end to end, and for one that
//! does neither and is to bring in nothing for nothing.

use alloc::boxed::Box;
use core::ops::Range;

use abi::PAGE_SIZE;

use crate::paging::{AHEAD_PAGES, Contents, Fault, Paging};
use crate::{Domain, Make, Parameter, Policy};

/// The policy.
pub static POLICY: Policy = Policy {
    name: "read-ahead",
    summary: "as by default, so many pages at a fault: of memory that is walked through in order, and of files",
    parameters: &[parameter("memory", "how many of memory, in order"), parameter("file", "how many of a file that is mapped")],
    make: Make::Paging(|values| {
        let bytes = |name| values.count(name) * PAGE_SIZE;
        Box::new(ReadAhead { memory: bytes("memory"), file: bytes("file") })
    }),
};

const fn parameter(name: &'static str, summary: &'static str) -> Parameter {
    Parameter { name, summary, domain: Domain::Number { unit: "pages", least: 1, most: 1 << 18, default: AHEAD_PAGES as u64 } }
}

/// In bytes.
struct ReadAhead {
    memory: usize,
    file: usize,
}

impl Paging for ReadAhead {
    fn bring(&mut self, fault: &Fault) -> Range<usize> {
        let bytes = match fault.contents {
            Contents::File => self.file,
            _ if fault.in_order => self.memory,
            _ => PAGE_SIZE,
        };
        fault.page..fault.page + bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paging::Access;

    #[test]
    fn memory_in_order_and_files_come_by_their_own_numbers_and_all_else_by_the_page() {
        let mut policy = ReadAhead { memory: 3 * PAGE_SIZE, file: 2 * PAGE_SIZE };
        let mut pages = |contents, in_order| {
            let fault = Fault { page: 0x7000, access: Access::Read, region: 0..1 << 40, contents, in_order };
            (policy.bring(&fault).end - 0x7000) / PAGE_SIZE
        };
        let found =
            [(Contents::Zeros, true), (Contents::Zeros, false), (Contents::File, false), (Contents::Copy, false), (Contents::Copy, true)]
                .map(|(contents, in_order)| pages(contents, in_order));
        assert_eq!(found, [3, 1, 2, 1, 3]);
    }
}
