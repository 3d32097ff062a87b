//! Pages that come out of a rewriting.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

/// Bytes of a page.
pub const PAGE: usize = 4096;
const PAGE_WORD: u64 = PAGE as u64;

/// A page and where it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Offset in the file, or address in the image.
    pub place: u64,
    /// [`PAGE`] bytes.
    pub bytes: Vec<u8>,
}

/// Pages by place, made as they are stored to.
#[derive(Default)]
pub(crate) struct Pages(BTreeMap<u64, Vec<u8>>);

impl Pages {
    /// Store bytes at a place. A page that is not there yet begins as what `file` holds there.
    pub(crate) fn store(&mut self, file: &[u8], place: u64, bytes: &[u8]) {
        for (at, &byte) in (place..).zip(bytes) {
            let page = self.0.entry(at / PAGE_WORD).or_insert_with(|| copy(file, at / PAGE_WORD * PAGE_WORD));
            page[(at % PAGE_WORD) as usize] = byte;
        }
    }

    /// All of them, by place.
    pub(crate) fn into_pages(self) -> Vec<Page> {
        self.0.into_iter().map(|(number, bytes)| Page { place: number * PAGE_WORD, bytes }).collect()
    }
}

/// A page of a file, zeros after the file's end.
fn copy(file: &[u8], start: u64) -> Vec<u8> {
    let mut page = vec![0; PAGE];
    let rest = usize::try_from(start).ok().and_then(|start| file.get(start..)).unwrap_or(&[]);
    let count = rest.len().min(PAGE);
    page[..count].copy_from_slice(&rest[..count]);
    page
}
