//! Who may do what with an inode: path_resolution(7), and what chmod(2), chown(2), link(2), unlink(2) and utimensat(2) say of it.
//!
//! A file system asks before it changes anything; which ids a process has is no business of it: they come with the request.
#![forbid(unsafe_code)]

use bitflags::bitflags;

use crate::errno::{Errno, Result};
use crate::file::Access;
use crate::vfs::attributes::{Attributes, Change, Kind, Time};

/// Set-user-id, set-group-id, sticky, and the group's right to execute.
const SET_USER: u32 = 0o4000;
const SET_GROUP: u32 = 0o2000;
const STICKY: u32 = 0o1000;
const GROUP_EXECUTES: u32 = 0o010;

bitflags! {
    /// What is asked for; the values are access(2)'s, and those of three bits of a mode.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Wanted: u32 {
        /// To execute a file, or to look names up in a directory.
        const EXECUTE = 1;
        /// To change the contents, or the names in a directory.
        const WRITE = 2;
        /// To read the contents, or to list a directory.
        const READ = 4;
    }
}

impl From<Access> for Wanted {
    fn from(access: Access) -> Wanted {
        let mut wanted = Wanted::empty();
        wanted.set(Wanted::READ, access.contains(Access::READ));
        wanted.set(Wanted::WRITE, access.contains(Access::WRITE));
        wanted
    }
}

/// With whose rights files are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The user.
    pub user: u32,
    /// The group.
    pub group: u32,
    /// Further groups.
    pub groups: &'a [u32],
}

/// Who changes something, and when.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// With whose rights.
    pub subject: Subject<'a>,
    /// The time of day.
    pub now: Time,
}

impl Actor<'_> {
    /// Root.
    #[must_use]
    pub const fn root(now: Time) -> Actor<'static> {
        Actor { subject: Subject::ROOT, now }
    }

    /// Change what an inode says of itself.
    ///
    /// # Errors
    /// Those of [`Subject::change`].
    pub fn change(&self, change: &Change, attributes: &mut Attributes) -> Result<()> {
        let permissions = self.subject.change(attributes, change)?;
        change.apply(attributes, self.now);
        attributes.permissions = permissions;
        Ok(())
    }
}

/// Owner, group and permissions of a new inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// Its owner.
    pub user: u32,
    /// Its group.
    pub group: u32,
    /// Its permission bits.
    pub permissions: u32,
}

impl Subject<'_> {
    /// Root, who is refused little.
    pub const ROOT: Subject<'static> = Subject { user: 0, group: 0, groups: &[] };

    /// Whether it is root.
    #[must_use]
    pub fn is_privileged(&self) -> bool {
        self.user == 0
    }

    /// Whether it is in a group.
    #[must_use]
    pub fn has_group(&self, group: u32) -> bool {
        self.group == group || self.groups.contains(&group)
    }

    /// Whether an inode is its own, or as good as that.
    #[must_use]
    pub fn owns(&self, attributes: &Attributes) -> bool {
        self.is_privileged() || self.user == attributes.user
    }

    /// Check what the permission bits allow.
    ///
    /// # Errors
    /// `EACCES`: not this.
    pub fn may(&self, attributes: &Attributes, wanted: Wanted) -> Result<()> {
        let allowed = if self.is_privileged() {
            // Even root executes only what somebody may.
            let executable = attributes.kind == Kind::Directory || attributes.permissions & 0o111 != 0;
            if executable { 0o7 } else { 0o6 }
        } else if self.user == attributes.user {
            attributes.permissions >> 6
        } else if self.has_group(attributes.group) {
            attributes.permissions >> 3
        } else {
            attributes.permissions
        };
        if wanted.bits() & !allowed == 0 { Ok(()) } else { Err(Errno::EACCES) }
    }

    /// Check whether names may be put into a directory.
    ///
    /// # Errors
    /// `EACCES`: no.
    pub fn may_add(&self, directory: &Attributes) -> Result<()> {
        self.may(directory, Wanted::WRITE | Wanted::EXECUTE)
    }

    /// Check whether an inode's name may be taken out of a directory.
    ///
    /// # Errors
    /// `EACCES`: no name may. `EPERM`: the directory is sticky, and neither it nor the inode is the subject's own.
    pub fn may_remove(&self, directory: &Attributes, inode: &Attributes) -> Result<()> {
        self.may_add(directory)?;
        let is_kept = directory.permissions & STICKY != 0 && !self.owns(inode) && !self.owns(directory);
        if is_kept { Err(Errno::EPERM) } else { Ok(()) }
    }

    /// Check whether an inode may get another name: one's own may, and a plain file that one may read and write
    /// (proc(5), `protected_hardlinks`).
    ///
    /// # Errors
    /// `EPERM`: no.
    pub fn may_link(&self, inode: &Attributes) -> Result<()> {
        let sets_group = inode.permissions & (SET_GROUP | GROUP_EXECUTES) == SET_GROUP | GROUP_EXECUTES;
        let is_plain = inode.kind == Kind::Regular && inode.permissions & SET_USER == 0 && !sets_group;
        if self.owns(inode) || is_plain && self.may(inode, Wanted::READ | Wanted::WRITE).is_ok() { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// What a new inode in a directory has, of the permissions that were asked for.
    #[must_use]
    pub fn new_inode(&self, directory: &Attributes, kind: Kind, permissions: u32) -> Ownership {
        if directory.permissions & SET_GROUP == 0 {
            return Ownership { user: self.user, group: self.group, permissions };
        }
        let group = directory.group;
        let permissions = match kind {
            Kind::Directory => permissions | SET_GROUP,
            _ if permissions & GROUP_EXECUTES != 0 && !self.is_privileged() && !self.has_group(group) => permissions & !SET_GROUP,
            _ => permissions,
        };
        Ownership { user: self.user, group, permissions }
    }

    /// Check a change, and give the permission bits that come of it.
    ///
    /// # Errors
    /// `EPERM`: only the owner may, or only root. `EACCES`: the present time could be set by who may write.
    pub fn change(&self, attributes: &Attributes, change: &Change) -> Result<u32> {
        let is_root = self.is_privileged();
        let gives_away = change.user.is_some_and(|user| user != attributes.user);
        let has = |group: u32| group == attributes.group || self.has_group(group);
        if !is_root {
            if gives_away || (change.user.is_some() || change.group.is_some()) && !self.owns(attributes) {
                return Err(Errno::EPERM);
            }
            if change.group.is_some_and(|group| !has(group)) || change.permissions.is_some() && !self.owns(attributes) {
                return Err(Errno::EPERM);
            }
            let sets_time = change.accessed.is_some() || change.modified.is_some();
            if sets_time && !self.owns(attributes) {
                if !change.is_present_time {
                    return Err(Errno::EPERM);
                }
                self.may(attributes, Wanted::WRITE)?;
            }
        }
        let mut permissions = change.permissions.unwrap_or(attributes.permissions);
        if change.permissions.is_some() && !is_root && !self.has_group(change.group.unwrap_or(attributes.group)) {
            permissions &= !SET_GROUP;
        }
        if change.is_of_owners && attributes.kind != Kind::Directory {
            permissions = without_set_ids(permissions);
        }
        Ok(permissions)
    }

    /// The permission bits of a file after a write: another's program does not run with its owner's rights.
    #[must_use]
    pub fn after_write(&self, permissions: u32) -> u32 {
        if self.is_privileged() { permissions } else { without_set_ids(permissions) }
    }
}

/// A set-group-id bit without the group's right to execute once meant mandatory locking, and stays.
fn without_set_ids(permissions: u32) -> u32 {
    let sets_group = permissions & GROUP_EXECUTES != 0;
    permissions & !SET_USER & if sets_group { !SET_GROUP } else { !0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Subject = Subject { user: 7, group: 70, groups: &[71] };
    const MEMBER: Subject = Subject { user: 8, group: 80, groups: &[70] };
    const OTHER: Subject = Subject { user: 9, group: 90, groups: &[] };

    fn inode(kind: Kind, permissions: u32) -> Attributes {
        let mut attributes = Attributes::new(1, 2, kind, permissions, Time::default());
        (attributes.user, attributes.group) = (7, 70);
        attributes
    }

    #[test]
    fn the_first_class_that_fits_decides() {
        let file = inode(Kind::Regular, 0o046);
        assert_eq!(OWNER.may(&file, Wanted::READ), Err(Errno::EACCES), "the owner has no right, though all others do");
        assert_eq!(MEMBER.may(&file, Wanted::READ), Ok(()));
        assert_eq!(MEMBER.may(&file, Wanted::WRITE), Err(Errno::EACCES));
        assert_eq!(OTHER.may(&file, Wanted::READ | Wanted::WRITE), Ok(()));
        assert_eq!(OTHER.may(&file, Wanted::EXECUTE), Err(Errno::EACCES));
    }

    #[test]
    fn root_executes_what_somebody_may() {
        assert_eq!(Subject::ROOT.may(&inode(Kind::Regular, 0), Wanted::READ | Wanted::WRITE), Ok(()));
        assert_eq!(Subject::ROOT.may(&inode(Kind::Regular, 0o666), Wanted::EXECUTE), Err(Errno::EACCES));
        assert_eq!(Subject::ROOT.may(&inode(Kind::Regular, 0o001), Wanted::EXECUTE), Ok(()));
        assert_eq!(Subject::ROOT.may(&inode(Kind::Directory, 0), Wanted::EXECUTE), Ok(()));
    }

    #[test]
    fn a_sticky_directory_keeps_what_is_anothers() {
        let mut directory = inode(Kind::Directory, 0o1777);
        directory.user = 0;
        let file = inode(Kind::Regular, 0o666);
        assert_eq!(OWNER.may_remove(&directory, &file), Ok(()));
        assert_eq!(OTHER.may_remove(&directory, &file), Err(Errno::EPERM));
        directory.user = OTHER.user;
        assert_eq!(OTHER.may_remove(&directory, &file), Ok(()));
        directory.permissions = 0o1755;
        assert_eq!(OWNER.may_remove(&directory, &file), Err(Errno::EACCES));
    }

    #[test]
    fn only_root_gives_away_and_only_owners_change() {
        let file = inode(Kind::Regular, 0o6755);
        let to = |user, group| Change { user, group, is_of_owners: true, ..Change::default() };
        assert_eq!(OWNER.change(&file, &to(Some(9), None)), Err(Errno::EPERM));
        assert_eq!(OWNER.change(&file, &to(Some(7), Some(71))), Ok(0o755));
        assert_eq!(OWNER.change(&file, &to(None, Some(90))), Err(Errno::EPERM));
        assert_eq!(MEMBER.change(&file, &to(None, Some(70))), Err(Errno::EPERM));
        assert_eq!(Subject::ROOT.change(&file, &to(Some(9), Some(90))), Ok(0o755));
        let mode = |permissions| Change { permissions: Some(permissions), ..Change::default() };
        assert_eq!(OTHER.change(&file, &mode(0o777)), Err(Errno::EPERM));
        assert_eq!(OWNER.change(&file, &mode(0o2711)), Ok(0o2711));
        assert_eq!(Subject { group: 1, ..OWNER }.change(&file, &mode(0o2711)), Ok(0o711), "it is not in the file's group");
    }

    #[test]
    fn who_may_write_may_set_the_present_time_only() {
        let file = inode(Kind::Regular, 0o664);
        let time = |is_present_time| Change { modified: Some(Time::default()), is_present_time, ..Change::default() };
        assert_eq!(MEMBER.change(&file, &time(true)), Ok(0o664));
        assert_eq!(MEMBER.change(&file, &time(false)), Err(Errno::EPERM));
        assert_eq!(OTHER.change(&file, &time(true)), Err(Errno::EACCES));
        assert_eq!(OWNER.change(&file, &time(false)), Ok(0o664));
    }

    #[test]
    fn a_group_is_inherited_from_a_directory_that_says_so() {
        let mut directory = inode(Kind::Directory, 0o2777);
        assert_eq!(OTHER.new_inode(&directory, Kind::Directory, 0o755), Ownership { user: 9, group: 70, permissions: 0o2755 });
        assert_eq!(OTHER.new_inode(&directory, Kind::Regular, 0o2755).permissions, 0o755);
        assert_eq!(MEMBER.new_inode(&directory, Kind::Regular, 0o2755).permissions, 0o2755);
        directory.permissions = 0o777;
        assert_eq!(OTHER.new_inode(&directory, Kind::Regular, 0o644), Ownership { user: 9, group: 90, permissions: 0o644 });
    }
}
