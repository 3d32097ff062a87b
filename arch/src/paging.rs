//! What the ISAs' page-table formats have in common: a word has a frame, a bit or two for each right, and says of itself whether it is a
//! table's. A format is its constants; the ways there and back are the same for all.

use abi::Rights;

/// A page-table entry that maps memory, as a neutral value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leaf {
    /// Number of the (first) frame.
    pub frame: u64,
    /// Current and maximum rights, `COW`, `COPIED` and `DEVICE`. An entry with no current rights still holds its frame.
    pub rights: Rights,
}

/// Rights that only the kernel knows.
const KEPT: Rights = Rights::MAY_ALL.union(Rights::COW).union(Rights::COPIED);

/// A page-table format, as pure functions on integers. `leaf(encode(leaf)) == leaf` for every consistent leaf, `next(table(frame))` is the frame, and
/// the word 0 is nothing.
///
/// `WRITE` and `EXECUTE` imply `READ`, and device memory is never executable. `LARGE` is a matter of the level and is not kept.
pub trait Paging: 'static {
    /// The bits of a frame's address.
    const ADDRESS: u64;
    /// What an entry that names a table has beside its frame.
    const TABLE: u64;
    /// The bits that tell a table above level 0 from all else: they stand in it as in `TABLE`.
    const KIND: u64;
    /// What every leaf has beside its frame and its rights, by level: user pages, not global, accessed and dirty from the start, write-back
    /// unless `DEVICE`.
    const LEAF: [u64; 2];
    /// How far to the left of their place in [`Rights`] the `MAY_*` rights, `COW` and `COPIED` are kept, of which the hardware knows nothing.
    const KEPT: usize;
    /// The bits that stand for each of the other rights, once `REFUSALS` are turned over.
    const RIGHTS: [(Rights, u64); 4];
    /// Those of them that give the right where they are clear.
    const REFUSALS: u64;

    /// The next table's frame number, if the word in a table of level 1 to 3 means one.
    #[inline(always)]
    fn next(word: u64) -> Option<u64> {
        (word & Self::KIND == Self::TABLE & Self::KIND).then_some(Self::frame(word))
    }

    /// The number of the frame that a word names.
    #[inline(always)]
    fn frame(word: u64) -> u64 {
        (word & Self::ADDRESS) >> 12
    }

    /// The word that names the next table.
    fn table(frame: u64) -> u64 {
        frame << 12 | Self::TABLE
    }

    /// What a leaf's word means.
    #[inline(always)]
    fn leaf(word: u64) -> Leaf {
        let given = word ^ Self::REFUSALS;
        let kept = word >> Self::KEPT & KEPT.bits();
        let rights = Self::RIGHTS.iter().fold(kept, |rights, (right, bits)| rights | if given & bits == *bits { right.bits() } else { 0 });
        Leaf { frame: Self::frame(word), rights: Rights::from_bits_retain(rights) }
    }

    /// A leaf's word, to be written to no more until it is broken.
    #[inline(always)]
    fn copy_on_write(word: u64) -> u64 {
        let [_, (_, write), ..] = Self::RIGHTS;
        word & !write | write & Self::REFUSALS | Rights::COW.bits() << Self::KEPT
    }

    /// A leaf's word, of a copy in another frame.
    #[inline(always)]
    fn copied(word: u64, frame: u64) -> u64 {
        word & !(Self::ADDRESS | Rights::COW.bits() << Self::KEPT) | frame << 12
    }

    /// A leaf's word in a table of `level`: 4 KiB at level 0, 2 MiB at level 1.
    fn encode(Leaf { frame, mut rights }: Leaf, level: usize) -> u64 {
        rights.set(Rights::READ, !rights.current().is_empty());
        rights.set(Rights::EXECUTE, rights & (Rights::EXECUTE | Rights::DEVICE) == Rights::EXECUTE);
        let kept = (rights & KEPT).bits() << Self::KEPT;
        let given = Self::RIGHTS.iter().fold(kept, |given, (right, bits)| given | if rights.contains(*right) { *bits } else { 0 });
        frame << 12 | Self::LEAF[level] | given ^ Self::REFUSALS
    }
}
