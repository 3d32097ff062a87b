//! A map of few to very many entries by address, whose neighbours are at hand: what changes most is where one ends and the next begins.
//!
//! Entries lie side by side in chunks, so that a search is a few steps in one, the next entry is the next in memory, and a key that keeps its
//! place among the others is changed by storing to it. A tree (`BTreeMap`) knows no neighbours: each question for one is another search, and a
//! boundary that moves is an entry out and another in.

use alloc::vec::Vec;
use core::cell::Cell;

/// The most entries of a chunk: what putting one in moves about.
const MOST: usize = 64;

/// Where an entry is, until one is put in or taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    chunk: usize,
    index: usize,
}

/// Entries by address.
pub struct Ordered<V> {
    /// None is empty.
    chunks: Vec<Vec<(usize, V)>>,
    count: usize,
    /// Where an entry was that was asked for: mostly the next one that is asked for is there.
    recent: Cell<Place>,
}

impl<V> Default for Ordered<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> Ordered<V> {
    /// Nothing.
    #[must_use]
    pub const fn new() -> Ordered<V> {
        Ordered { chunks: Vec::new(), count: 0, recent: Cell::new(Place { chunk: 0, index: 0 }) }
    }

    /// How many entries.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The last entry at or below an address.
    #[must_use]
    #[inline(always)]
    pub fn at_or_below(&self, address: usize) -> Option<Place> {
        let recent = self.recent.get();
        if let Some(&[(key, _), (next, _), ..]) = self.chunks.get(recent.chunk).and_then(|entries| entries.get(recent.index..))
            && key <= address
            && address < next
        {
            return Some(recent);
        }
        self.search(address)
    }

    #[inline(never)]
    fn search(&self, address: usize) -> Option<Place> {
        let mut chunk = self.chunks.len();
        if chunk > 1 {
            chunk = self.chunks.partition_point(|entries| entries[0].0 <= address).max(1);
        }
        let chunk = chunk.checked_sub(1)?;
        let index = self.chunks[chunk].partition_point(|&(key, _)| key <= address).checked_sub(1)?;
        let place = Place { chunk, index };
        self.recent.set(place);
        Some(place)
    }

    /// The entry before another one.
    #[must_use]
    #[inline(always)]
    pub fn below(&self, place: Place) -> Option<Place> {
        match place.index.checked_sub(1) {
            Some(index) => Some(Place { index, ..place }),
            None => place.chunk.checked_sub(1).map(|chunk| Place { chunk, index: self.chunks[chunk].len() - 1 }),
        }
    }

    /// The entry after another one, or after nothing.
    #[must_use]
    #[inline(always)]
    pub fn above(&self, place: Option<Place>) -> Option<Place> {
        let next = match place {
            Some(Place { chunk, index }) if index + 1 < self.chunks[chunk].len() => Place { chunk, index: index + 1 },
            Some(Place { chunk, .. }) => Place { chunk: chunk + 1, index: 0 },
            None => Place { chunk: 0, index: 0 },
        };
        (next.chunk < self.chunks.len()).then_some(next)
    }

    /// An entry.
    #[must_use]
    #[inline(always)]
    pub fn get(&self, place: Place) -> (usize, &V) {
        let (key, value) = &self.chunks[place.chunk][place.index];
        (*key, value)
    }

    /// An entry, to be changed; its key so that it stays between its neighbours'.
    #[inline(always)]
    pub fn get_mut(&mut self, place: Place) -> (&mut usize, &mut V) {
        let (key, value) = &mut self.chunks[place.chunk][place.index];
        (key, value)
    }

    /// Put an entry in right after another one, or after nothing; gives where it is.
    #[inline(always)]
    pub fn insert_above(&mut self, place: Option<Place>, key: usize, value: V) -> Place {
        let place = place.map_or(Place { chunk: 0, index: 0 }, |place| Place { index: place.index + 1, ..place });
        self.count += 1;
        self.put(place, key, value)
    }

    #[inline(never)]
    fn put(&mut self, mut place: Place, key: usize, value: V) -> Place {
        if self.chunks.get(place.chunk).is_none_or(|entries| entries.len() == MOST) {
            place = self.make_room(place);
        }
        self.chunks[place.chunk].insert(place.index, (key, value));
        self.recent.set(place);
        place
    }

    /// Make room for an entry in a chunk that is full, or that is not there; gives where it goes then.
    #[cold]
    fn make_room(&mut self, Place { chunk, index }: Place) -> Place {
        if self.chunks.is_empty() {
            self.chunks.push(Vec::with_capacity(MOST));
            return Place { chunk, index };
        }
        let mut upper = Vec::with_capacity(MOST);
        upper.extend(self.chunks[chunk].drain(MOST / 2..));
        self.chunks.insert(chunk + 1, upper);
        if index > MOST / 2 { Place { chunk: chunk + 1, index: index - MOST / 2 } } else { Place { chunk, index } }
    }

    /// Take an entry out.
    #[inline(always)]
    pub fn remove(&mut self, place: Place) -> V {
        self.count -= 1;
        let entries = &mut self.chunks[place.chunk];
        let (_, value) = entries.remove(place.index);
        // The one before is more likely to be asked for than the next, where the caller is to put one in again.
        self.recent.set(Place { index: place.index.saturating_sub(1), ..place });
        if entries.is_empty() {
            self.remove_chunk(place.chunk);
        }
        value
    }

    #[cold]
    fn remove_chunk(&mut self, chunk: usize) {
        self.chunks.remove(chunk);
    }

    /// An entry and all after it, in order.
    pub fn iter_from(&self, place: Place) -> impl Iterator<Item = (usize, &V)> {
        let chunks = self.chunks.get(place.chunk..).unwrap_or_default();
        let first = move |number: usize| if number == 0 { place.index } else { 0 };
        chunks.iter().enumerate().flat_map(move |(number, entries)| &entries[first(number)..]).map(|(key, value)| (*key, value))
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &V)> {
        self.chunks.iter().flatten().map(|(key, value)| (*key, value))
    }
}
