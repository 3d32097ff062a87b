//! A few ids of processes, in order: what is asked of them for each request takes no walk over all.

use alloc::vec::Vec;

/// See the module. A new process's id is mostly the highest: it is added at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids(Vec<u32>);

impl Ids {
    /// None.
    #[must_use]
    pub const fn new() -> Ids {
        Ids(Vec::new())
    }

    /// Add an id; whether it was not there.
    pub fn insert(&mut self, id: u32) -> bool {
        if self.0.last().is_none_or(|&last| last < id) {
            self.0.push(id);
            return true;
        }
        self.0.binary_search(&id).inspect_err(|&place| self.0.insert(place, id)).is_err()
    }

    /// Take an id out; whether it was there.
    pub fn remove(&mut self, id: u32) -> bool {
        self.0.binary_search(&id).map(|place| self.0.remove(place)).is_ok()
    }

    /// Where an id is, if it is there.
    #[must_use]
    pub fn place(&self, id: u32) -> Option<usize> {
        self.0.binary_search(&id).ok()
    }

    /// Whether an id is there.
    #[must_use]
    pub fn contains(&self, id: u32) -> bool {
        self.place(id).is_some()
    }

    /// All of them, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[u32] {
        &self.0
    }
}

impl IntoIterator for Ids {
    type Item = u32;
    type IntoIter = alloc::vec::IntoIter<u32>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_there_once_wherever_it_is_put() {
        let mut ids = Ids::new();
        assert_eq!([5, 9, 7, 5, 9, 1].map(|id| ids.insert(id)), [true, true, true, false, false, true]);
        assert_eq!(ids.as_slice(), [1, 5, 7, 9]);
        assert!(ids.remove(5) && !ids.remove(5) && !ids.contains(5) && ids.contains(7));
    }
}
