//! Whose rights a program has: credentials(7), and execve(2) about set-user-id and set-group-id files.
//!
//! A process loads its next program itself, and could load another than it says. So a file's ids are given only to those who may have any ids
//! whatever they run: root's processes.

use unix::SetIds;

use crate::identity::Word;
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::family::set_ids;
use crate::vfs::attributes::Attributes;

/// The ids that a file gives to who runs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    user: Option<u32>,
    group: Option<u32>,
}

impl Owners {
    /// By a file's mode. A set-group-id bit without the group's execution is of mandatory locking, which there is not.
    #[must_use]
    pub fn of(attributes: &Attributes) -> Owners {
        const SET_USER: u32 = 0o4000;
        const SET_GROUP: u32 = 0o2010;
        let has = |bits: u32| attributes.permissions & bits == bits;
        Owners { user: has(SET_USER).then_some(attributes.user), group: has(SET_GROUP).then_some(attributes.group) }
    }
}

impl<K: Kernel> Process<K> {
    /// Take the ids that a file gives, if they are given; whatever ids are effective then are saved.
    pub(super) fn take_ids(&self, owners: Owners) {
        const KEPT: u32 = u32::MAX;
        let identity = self.kernel.identity();
        let may = identity.get(Word::EffectiveUser) == 0 && !self.family.has_no_new_privileges();
        // The group first: who is not root any more may not.
        for (of_groups, id) in [(true, owners.group), (false, owners.user)] {
            if let Some(id) = id.filter(|_| may) {
                // Root is refused nothing.
                let _ = set_ids(self, SetIds::Three, of_groups, [KEPT, id, id]);
            }
        }
        let (user, group) = (identity.get(Word::EffectiveUser), identity.get(Word::EffectiveUserGroup));
        *self.family.other_ids.lock() = [user, user, group, group];
    }
}
