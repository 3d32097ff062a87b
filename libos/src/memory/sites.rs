//! Where rewritten programs trap, and where they then go on.
//!
//! A site whose syscall became a jump can still be reached by a way that the rewriter did not see, or its trampoline can fault. The
//! instruction that traps then is known, and so is a place (the trampoline's *fallback*) where the real instruction stands.
#![forbid(unsafe_code)]

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

/// A place that may trap and where to go on instead, in bytes from the start of the text that they belong to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Site {
    /// The instruction that traps.
    pub trap: u32,
    /// The fallback.
    pub fallback: u32,
}

/// The sites of a text, by ascending `trap`.
#[derive(Clone, Debug)]
pub enum SiteTable {
    /// In memory that all processes share.
    Shared(&'static [Site]),
    /// Made by this process.
    Own(Arc<[Site]>),
}

impl SiteTable {
    fn sites(&self) -> &[Site] {
        match self {
            SiteTable::Shared(sites) => sites,
            SiteTable::Own(sites) => sites,
        }
    }
}

struct Text {
    end: usize,
    /// What the sites are counted from: where the text began before parts of it were unmapped.
    base: usize,
    table: SiteTable,
}

/// The rewritten texts of a process.
#[derive(Default)]
pub struct Sites(BTreeMap<usize, Text>);

impl Sites {
    /// None.
    #[must_use]
    pub const fn new() -> Sites {
        Sites(BTreeMap::new())
    }

    /// Note a rewritten text with its trampolines; what was registered in the range is gone.
    pub fn register(&mut self, range: Range<usize>, table: SiteTable) {
        debug_assert!(table.sites().is_sorted_by(|a, b| a.trap < b.trap));
        self.unregister(range.clone());
        if !range.is_empty() {
            self.0.insert(range.start, Text { end: range.end, base: range.start, table });
        }
    }

    /// Forget a range, which is unmapped or mapped anew.
    pub fn unregister(&mut self, range: Range<usize>) {
        let touched: Vec<usize> =
            self.0.range(..range.end).rev().take_while(|(_, text)| text.end > range.start).map(|(&start, _)| start).collect();
        for start in touched {
            let Some(text) = self.0.remove(&start) else { continue };
            if text.end > range.end {
                self.0.insert(range.end, Text { end: text.end, base: text.base, table: text.table.clone() });
            }
            if start < range.start {
                self.0.insert(start, Text { end: range.start, ..text });
            }
        }
    }

    /// Where a program goes on that trapped at `pc`, if that is a site's.
    #[must_use]
    pub fn lookup(&self, pc: usize) -> Option<usize> {
        let (_, text) = self.0.range(..=pc).next_back().filter(|(_, text)| pc < text.end)?;
        let offset = u32::try_from(pc - text.base).ok()?;
        let sites = text.table.sites();
        let index = sites.binary_search_by_key(&offset, |site| site.trap).ok()?;
        Some(text.base + sites[index].fallback as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Site] =
        &[Site { trap: 0x10, fallback: 0x5010 }, Site { trap: 0x1800, fallback: 0x5020 }, Site { trap: 0x4ffc, fallback: 0x5030 }];

    fn one() -> Sites {
        let mut sites = Sites::new();
        sites.register(0x40_0000..0x40_6000, SiteTable::Shared(TABLE));
        sites
    }

    #[test]
    fn a_site_leads_to_its_fallback_and_nothing_else_does() {
        let sites = one();
        assert_eq!(sites.lookup(0x40_0010), Some(0x40_5010));
        assert_eq!(sites.lookup(0x40_4ffc), Some(0x40_5030));
        for pc in [0, 0x10, 0x3f_ffff, 0x40_0000, 0x40_000f, 0x40_0011, 0x40_5010, 0x40_6000, usize::MAX] {
            assert_eq!(sites.lookup(pc), None, "{pc:#x}");
        }
    }

    #[test]
    fn what_is_unmapped_is_forgotten_and_what_is_left_keeps_its_places() {
        let mut sites = one();
        sites.unregister(0x40_1000..0x40_2000);
        assert_eq!(sites.lookup(0x40_0010), Some(0x40_5010));
        assert_eq!(sites.lookup(0x40_1800), None);
        assert_eq!(sites.lookup(0x40_4ffc), Some(0x40_5030));
        sites.unregister(0x40_0000..0x40_1000);
        assert_eq!((sites.lookup(0x40_0010), sites.lookup(0x40_4ffc)), (None, Some(0x40_5030)));
        sites.unregister(0..usize::MAX);
        assert!(sites.0.is_empty());
    }

    #[test]
    fn a_text_takes_the_place_of_another() {
        let mut sites = one();
        let own: Arc<[Site]> = Arc::from([Site { trap: 0x800, fallback: 4 }]);
        sites.register(0x40_1000..0x40_2000, SiteTable::Own(own));
        assert_eq!(sites.lookup(0x40_1800), Some(0x40_1004));
        assert_eq!(sites.lookup(0x40_0010), Some(0x40_5010));
    }

    #[test]
    fn several_texts_lie_side_by_side() {
        let mut sites = one();
        sites.register(0x80_0000..0x80_6000, SiteTable::Shared(TABLE));
        assert_eq!(sites.lookup(0x80_1800), Some(0x80_5020));
        sites.unregister(0x40_5000..0x80_1000);
        assert_eq!((sites.lookup(0x80_0010), sites.lookup(0x80_1800)), (None, Some(0x80_5020)));
        assert_eq!(sites.lookup(0x40_1800), Some(0x40_5020));
    }
}
