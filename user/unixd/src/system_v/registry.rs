//! Objects by key and by id, and who may use them: svipc(7).

use alloc::vec::Vec;

use libos::errno::{Errno, Result};
use unix::system_v::{CREATE, EXCLUSIVE, word};

use crate::family::credentials::Credentials;

/// `IPC_PRIVATE`: no key.
const PRIVATE: i32 = 0;
/// Ids are an index and, from this bit on, a sequence number.
const INDEX_BITS: u32 = 15;
const PERMISSIONS: u32 = 0o777;

/// Whose an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// Its key.
    pub key: i32,
    /// The owner.
    pub user: u32,
    /// The owner's group.
    pub group: u32,
    /// Who made it.
    pub creator: u32,
    /// That one's group.
    pub creator_group: u32,
    /// Permissions.
    pub mode: u32,
}

impl Ownership {
    fn new(key: i32, flags: u32, by: &Credentials) -> Ownership {
        let (user, group) = (by.user.effective, by.group.effective);
        Ownership { key, user, group, creator: user, creator_group: group, mode: flags & PERMISSIONS }
    }

    /// Whether a process may use the object so: 4 to read, 2 to change, in any of the three places of a mode.
    ///
    /// # Errors
    /// `EACCES`: it may not.
    pub fn may(&self, wanted: u32, by: &Credentials) -> Result<()> {
        let wanted = (wanted >> 6 | wanted >> 3 | wanted) & 7;
        let is_member = |group| by.group.effective == group || by.groups.contains(&group);
        let granted = if self.belongs_to(by) {
            self.mode >> 6
        } else if is_member(self.creator_group) || is_member(self.group) {
            self.mode >> 3
        } else {
            self.mode
        };
        if wanted & !granted & 7 == 0 || by.is_privileged() { Ok(()) } else { Err(Errno::EACCES) }
    }

    fn belongs_to(&self, by: &Credentials) -> bool {
        [self.user, self.creator].contains(&by.user.effective)
    }

    /// Whether a process may remove the object, or give it to others.
    ///
    /// # Errors
    /// `EPERM`: it may not.
    pub fn may_control(&self, by: &Credentials) -> Result<()> {
        if self.belongs_to(by) || by.is_privileged() { Ok(()) } else { Err(Errno::EPERM) }
    }
}

/// An object.
pub struct Owned<T> {
    /// Whose it is.
    pub ownership: Ownership,
    sequence: u16,
    /// What it is.
    pub body: T,
}

impl<T> Owned<T> {
    /// The words of its state that every kind has.
    #[must_use]
    pub fn state(&self) -> [u64; word::FIRST_OF_KIND] {
        let Ownership { key, user, group, creator, creator_group, mode } = self.ownership;
        [key as u32, user, group, creator, creator_group, mode, u32::from(self.sequence)].map(u64::from)
    }
}

/// All objects of a kind.
pub struct Registry<T> {
    slots: Vec<Option<Owned<T>>>,
    /// The next object's.
    sequence: u16,
    most: usize,
}

const fn id_of(index: usize, sequence: u16) -> u32 {
    (sequence as u32) << INDEX_BITS | index as u32
}

const fn index_of(id: u32) -> usize {
    (id & ((1 << INDEX_BITS) - 1)) as usize
}

impl<T> Registry<T> {
    /// No objects, and at most so many.
    #[must_use]
    pub const fn new(most: usize) -> Registry<T> {
        Registry { slots: Vec::new(), sequence: 0, most }
    }

    /// The id of the object with a key; one that is not there is made.
    ///
    /// # Errors
    /// `ENOENT`: there is none, and none is to be made. `EEXIST`: there is one, and it must be new. `EACCES`: it is not for this process. `ENOSPC`:
    /// there are too many. Those of `fits`, for an object that is there, and of `make`.
    pub fn get(
        &mut self,
        key: i32,
        flags: u32,
        by: &Credentials,
        fits: impl FnOnce(&T) -> Result<()>,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<u32> {
        if key != PRIVATE
            && let Some((id, owned)) = self.iter().find(|(_, owned)| owned.ownership.key == key)
        {
            if flags & (CREATE | EXCLUSIVE) == CREATE | EXCLUSIVE {
                return Err(Errno::EEXIST);
            }
            fits(&owned.body)?;
            owned.ownership.may(flags, by)?;
            return Ok(id);
        }
        if key != PRIVATE && flags & CREATE == 0 {
            return Err(Errno::ENOENT);
        }
        let body = make()?;
        let index = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        if index >= self.most {
            return Err(Errno::ENOSPC);
        }
        if index == self.slots.len() {
            self.slots.push(None);
        }
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        self.slots[index] = Some(Owned { ownership: Ownership::new(key, flags, by), sequence, body });
        Ok(id_of(index, sequence))
    }

    /// All of them, with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Owned<T>)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| slot.as_ref().map(|owned| (id_of(index, owned.sequence), owned)))
    }

    /// All of them, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut Owned<T>)> {
        self.slots.iter_mut().enumerate().filter_map(|(index, slot)| slot.as_mut().map(|owned| (id_of(index, owned.sequence), owned)))
    }

    /// The highest index in use; 0 without any.
    #[must_use]
    pub fn highest(&self) -> usize {
        self.slots.iter().rposition(Option::is_some).unwrap_or(0)
    }

    /// An object by id.
    ///
    /// # Errors
    /// `EINVAL`: there is none.
    pub fn find(&mut self, id: u32) -> Result<&mut Owned<T>> {
        let slot = self.slots.get_mut(index_of(id)).and_then(Option::as_mut);
        slot.filter(|owned| id_of(index_of(id), owned.sequence) == id).ok_or(Errno::EINVAL)
    }

    /// The id of the object at an index.
    ///
    /// # Errors
    /// `EINVAL`: there is none.
    pub fn at(&self, index: u32) -> Result<u32> {
        let slot = self.slots.get(index_of(index)).and_then(Option::as_ref);
        slot.map(|owned| id_of(index_of(index), owned.sequence)).ok_or(Errno::EINVAL)
    }

    /// Remove an object.
    ///
    /// # Errors
    /// `EINVAL`: there is none.
    pub fn remove(&mut self, id: u32) -> Result<Owned<T>> {
        self.find(id)?;
        self.slots[index_of(id)].take().ok_or(Errno::EINVAL)
    }
}
