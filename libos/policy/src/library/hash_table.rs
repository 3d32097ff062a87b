//! A hash table of a directory's files: for a program that opens, reads and closes small files over and over, as a server does.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::names::Names;
use crate::{Domain, Make, Parameter, Policy};

/// The policy.
pub static POLICY: Policy = Policy {
    name: "hash-table",
    summary: "the files of a directory stay open, and open(2) finds them in a table",
    parameters: &[
        Parameter { name: "directory", summary: "where they are", domain: Domain::Text { default: "/srv" } },
        Parameter {
            name: "files",
            summary: "how many stay open",
            domain: Domain::Number { unit: "files", least: 1, most: 1 << 15, default: 1 << 14 },
        },
    ],
    make: Make::Names(|values| {
        let directory = values.text("directory").trim_end_matches('/').to_owned();
        Box::new(HashTable { directory, files: values.count("files"), slots: Vec::new(), used: 0 })
    }),
};

/// Names in slots, each in the first free one from where its hash points to; at most half of them are used.
struct HashTable {
    directory: String,
    files: usize,
    slots: Vec<Option<(Box<[u8]>, usize)>>,
    used: usize,
}

/// Slots at first.
const SLOTS_LEAST: usize = 64;

/// Fowler, Noll and Vo's, of eight bytes at a time, and the high bits mixed into the low ones.
fn hash(name: &[u8]) -> usize {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let (words, rest) = name.as_chunks::<8>();
    let words = words.iter().map(|&word| u64::from_le_bytes(word));
    let bytes = rest.iter().map(|&byte| u64::from(byte));
    let hash = words.chain(bytes).fold(BASIS, |hash, word| (hash ^ word).wrapping_mul(PRIME).rotate_left(29));
    (hash ^ hash >> 32) as usize
}

impl HashTable {
    /// The slot that has a name, or would.
    fn slot(&self, name: &[u8]) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = hash(name) & mask;
        while self.slots[slot].as_ref().is_some_and(|(other, _)| **other != *name) {
            slot = (slot + 1) & mask;
        }
        Some(slot)
    }

    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(SLOTS_LEAST);
        let old = core::mem::take(&mut self.slots);
        self.slots.resize_with(slots, || None);
        for (name, file) in old.into_iter().flatten() {
            let slot = self.slot(&name).expect("there are slots");
            self.slots[slot] = Some((name, file));
        }
    }
}

impl Names for HashTable {
    fn directory(&self) -> &str {
        &self.directory
    }

    fn files(&self) -> usize {
        self.files
    }

    fn add(&mut self, name: &[u8], file: usize) {
        if self.used * 2 >= self.slots.len() {
            self.grow();
        }
        let slot = self.slot(name).expect("there are slots");
        self.used += usize::from(self.slots[slot].is_none());
        self.slots[slot] = Some((name.into(), file));
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        self.slots.get(self.slot(name)?)?.as_ref().map(|&(_, file)| file)
    }

    fn clear(&mut self) {
        self.slots.clear();
        self.used = 0;
    }
}
