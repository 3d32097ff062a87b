//! What an inode says of itself, as words of a message.

use crate::vfs::attributes::{Attributes, Change, Kind, Time};

/// Words of [`Attributes`].
pub const ATTRIBUTES_WORDS: usize = 15;
/// Words of a [`Change`].
pub const CHANGE_WORDS: usize = 6;

fn time(words: &[u64]) -> Time {
    Time { seconds: words[0] as i64, nanoseconds: (words[1] as u32).min(999_999_999) }
}

/// Attributes as words.
#[must_use]
pub fn attributes_words(attributes: &Attributes) -> [u64; ATTRIBUTES_WORDS] {
    let mode = u64::from(attributes.kind as u16) | u64::from(attributes.permissions) << 16 | u64::from(attributes.links) << 32;
    let owner = u64::from(attributes.user) | u64::from(attributes.group) << 32;
    let mut words = [0; ATTRIBUTES_WORDS];
    let head = [attributes.device, attributes.inode, mode, owner, attributes.special, attributes.size, attributes.blocks];
    words[..7].copy_from_slice(&head);
    let times = [attributes.accessed, attributes.modified, attributes.changed, attributes.born];
    for (index, time) in times.into_iter().enumerate() {
        words[7 + 2 * index] = time.seconds as u64;
        words[8 + 2 * index] = u64::from(time.nanoseconds);
    }
    words
}

/// Attributes from words; `None`: no such kind of inode.
#[must_use]
pub fn attributes(words: &[u64; ATTRIBUTES_WORDS]) -> Option<Attributes> {
    Some(Attributes {
        device: words[0],
        inode: words[1],
        kind: Kind::from_number(words[2] as u16)?,
        permissions: (words[2] >> 16) as u32 & 0o7777,
        links: (words[2] >> 32) as u32,
        user: words[3] as u32,
        group: (words[3] >> 32) as u32,
        special: words[4],
        size: words[5],
        blocks: words[6],
        accessed: time(&words[7..]),
        modified: time(&words[9..]),
        changed: time(&words[11..]),
        born: time(&words[13..]),
    })
}

/// A change as words, and which of its parts there are.
#[must_use]
pub fn change_words(change: &Change) -> (u16, [u64; CHANGE_WORDS]) {
    let mut words = [0; CHANGE_WORDS];
    words[0] = u64::from(change.permissions.unwrap_or(0)) | u64::from(change.user.unwrap_or(0)) << 32;
    words[1] = u64::from(change.group.unwrap_or(0));
    for (index, time) in [change.accessed, change.modified].into_iter().enumerate() {
        let time = time.unwrap_or_default();
        words[2 + 2 * index] = time.seconds as u64;
        words[3 + 2 * index] = u64::from(time.nanoseconds);
    }
    let more = [change.accessed.is_some(), change.modified.is_some(), change.is_present_time, change.is_of_owners];
    let parts = [change.permissions.is_some(), change.user.is_some(), change.group.is_some()].into_iter().chain(more);
    (parts.enumerate().map(|(bit, part)| u16::from(part) << bit).sum(), words)
}

/// A change from words.
#[must_use]
pub fn change(parts: u16, words: &[u64; CHANGE_WORDS]) -> Change {
    let has = |bit: u32| parts & 1 << bit != 0;
    Change {
        permissions: has(0).then_some(words[0] as u32 & 0o7777),
        user: has(1).then_some((words[0] >> 32) as u32),
        group: has(2).then_some(words[1] as u32),
        accessed: has(3).then(|| time(&words[2..])),
        modified: has(4).then(|| time(&words[4..])),
        is_present_time: has(5),
        is_of_owners: has(6),
    }
}

/// Words as bytes.
#[must_use]
pub fn bytes<const WORDS: usize, const BYTES: usize>(words: &[u64; WORDS]) -> [u8; BYTES] {
    const { assert!(BYTES == WORDS * 8) };
    let mut bytes = [0; BYTES];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// Bytes as words.
#[must_use]
pub fn words<const WORDS: usize>(bytes: &[u8]) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_survive_their_words() {
        let mut original = Attributes::new(3, 4, Kind::Regular, 0o4755, Time { seconds: -5, nanoseconds: 6 });
        (original.user, original.group, original.special, original.size, original.blocks) = (7, u32::MAX, 8, 1 << 40, 9);
        original.born = Time { seconds: 10, nanoseconds: 999_999_999 };
        assert_eq!(attributes(&attributes_words(&original)), Some(original));
        let mut wrong = attributes_words(&original);
        wrong[2] |= 0xf;
        assert_eq!(attributes(&wrong), None);
    }

    #[test]
    fn a_change_survives_its_words() {
        for parts in 0..128 {
            let has = |bit: u32| parts & 1 << bit != 0;
            let time = Time { seconds: 11, nanoseconds: 12 };
            let original = Change {
                permissions: has(0).then_some(0o1777),
                user: has(1).then_some(1),
                group: has(2).then_some(2),
                accessed: has(3).then_some(time),
                modified: has(4).then_some(time),
                is_present_time: has(5),
                is_of_owners: has(6),
            };
            let (found, words) = change_words(&original);
            let back = change(found, &words);
            assert_eq!(alloc::format!("{back:?}"), alloc::format!("{original:?}"));
        }
    }
}
