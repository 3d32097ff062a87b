//! What the end of a path rests on: the directories that the walk went through, by the counts of their changes.

use unix::{ChangeCounts, Changes};

/// The most directories of a way that is remembered: of a longer one nothing is.
pub const STEPS_MOST: usize = 12;

/// The directories of a walk, as they were. While their counts stand still the same path leads to the same inode, for the same process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Place and count of each.
    steps: [(u16, u32); STEPS_MOST],
    length: usize,
    /// One of them is not counted, or there were too many.
    is_lost: bool,
}

impl Default for Way {
    fn default() -> Way {
        Way { steps: [(0, 0); STEPS_MOST], length: 0, is_lost: false }
    }
}

impl Way {
    /// It rests on an inode with these counts, too; `None`: on one that has none.
    pub fn pass(&mut self, counts: Option<(u16, &ChangeCounts)>) {
        match counts {
            Some((place, counts)) => self.push(place, counts.ways()),
            None => self.is_lost = true,
        }
    }

    fn push(&mut self, place: u16, count: u32) {
        match self.steps.get_mut(self.length) {
            Some(step) => {
                *step = (place, count);
                self.length += 1;
            }
            None => self.is_lost = true,
        }
    }

    /// Whether nothing has changed on it.
    #[must_use]
    #[inline]
    pub fn is_as_it_was(&self, changes: &Changes) -> bool {
        self.steps[..self.length].iter().all(|&(place, count)| changes.at(place).ways() == count)
    }

    /// As words of a message; none if it is not to be remembered.
    pub fn words(&self) -> impl Iterator<Item = u64> + '_ {
        let known = if self.is_lost { 0 } else { self.length };
        self.steps[..known].iter().map(|&(place, count)| u64::from(place) | u64::from(count) << 32)
    }

    /// From words of a message; `None`: it is not to be remembered.
    #[must_use]
    pub fn from_words(words: impl Iterator<Item = u64>) -> Option<Way> {
        let mut way = Way::default();
        words.for_each(|word| way.push(word as u16, (word >> 32) as u32));
        (way.length > 0 && !way.is_lost).then_some(way)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_ends_with_a_change_on_it() {
        let changes = Changes::default();
        let mut way = Way::default();
        way.pass(Some((3, changes.at(3))));
        way.pass(Some((4, changes.at(4))));
        let way = Way::from_words(way.words()).unwrap();
        changes.at(5).note_ways();
        changes.at(4).note_state();
        assert!(way.is_as_it_was(&changes));
        changes.at(3).note_ways();
        assert!(!way.is_as_it_was(&changes));
    }

    #[test]
    fn a_way_that_is_too_long_is_not_remembered() {
        let changes = Changes::default();
        let mut way = Way::default();
        for _ in 0..STEPS_MOST {
            way.pass(Some((0, changes.at(0))));
        }
        assert!(Way::from_words(way.words()).is_some());
        way.pass(Some((0, changes.at(0))));
        assert_eq!(Way::from_words(way.words()), None);
        let mut uncounted = Way::default();
        uncounted.pass(None);
        assert_eq!(Way::from_words(uncounted.words()), None);
    }
}
