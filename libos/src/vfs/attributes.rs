//! What an inode says of itself: the neutral form behind stat(2) and statx(2).

/// A point in time, as an inode keeps it: since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Whole seconds.
    pub seconds: i64,
    /// And nanoseconds, below 1 000 000 000.
    pub nanoseconds: u32,
}

impl Time {
    /// From a count of nanoseconds.
    #[must_use]
    pub fn from_nanoseconds(nanoseconds: u64) -> Time {
        Time { seconds: (nanoseconds / 1_000_000_000) as i64, nanoseconds: (nanoseconds % 1_000_000_000) as u32 }
    }
}

/// The set-user-id and the set-group-id bit of permissions.
pub const SET_IDS: u32 = 0o6000;

/// What an inode is. The value is the type's nibble of `st_mode` (inode(7)), and shifted by 12 again that of `d_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Kind {
    /// A pipe or FIFO.
    Fifo = 0o1,
    /// A character device.
    Character = 0o2,
    /// A directory.
    Directory = 0o4,
    /// A block device.
    Block = 0o6,
    /// A regular file.
    Regular = 0o10,
    /// A symbolic link.
    Link = 0o12,
    /// A socket.
    Socket = 0o14,
    /// Something without a type, as an eventfd is.
    Anonymous = 0,
}

impl Kind {
    /// The type of a `st_mode`; `None` if there is no such type. Nothing at all counts as a regular file, as mknod(2) has it.
    #[must_use]
    pub fn from_mode(mode: u32) -> Option<Kind> {
        Some(match mode >> 12 & 0o17 {
            0o1 => Kind::Fifo,
            0o2 => Kind::Character,
            0o4 => Kind::Directory,
            0o6 => Kind::Block,
            0 | 0o10 => Kind::Regular,
            0o12 => Kind::Link,
            0o14 => Kind::Socket,
            _ => return None,
        })
    }

    /// The kind with a value of this enumeration.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Kind> {
        match number {
            0 => Some(Kind::Anonymous),
            1..16 => Kind::from_mode(u32::from(number) << 12),
            _ => None,
        }
    }

    /// The type's bits of `st_mode`.
    #[must_use]
    pub fn mode(self) -> u32 {
        u32::from(self as u16) << 12
    }
}

/// A device's number, as `st_rdev` and `st_dev` pack it.
#[must_use]
pub const fn device_number(major: u32, minor: u32) -> u64 {
    (minor & 0xff) as u64 | (major as u64) << 8 | ((minor & !0xff) as u64) << 12
}

/// The major number out of a packed one.
#[must_use]
pub const fn major(device: u64) -> u32 {
    (device >> 8 & 0xfff) as u32
}

/// The minor number out of a packed one.
#[must_use]
pub const fn minor(device: u64) -> u32 {
    (device & 0xff | device >> 12 & 0xffff_ff00) as u32
}

/// What an inode says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// The file system's device number.
    pub device: u64,
    /// The inode's number, unique in its file system.
    pub inode: u64,
    /// What it is.
    pub kind: Kind,
    /// Permission bits, with set-user-id, set-group-id and sticky: below 0o10000.
    pub permissions: u32,
    /// Names that it has.
    pub links: u32,
    /// Owner.
    pub user: u32,
    /// Group.
    pub group: u32,
    /// The device that a device's inode stands for.
    pub special: u64,
    /// Bytes of contents.
    pub size: u64,
    /// Units of 512 bytes that the contents take.
    pub blocks: u64,
    /// Last read.
    pub accessed: Time,
    /// Last change of the contents.
    pub modified: Time,
    /// Last change of the contents or of the inode.
    pub changed: Time,
    /// When it was made.
    pub born: Time,
}

impl Attributes {
    /// An inode of a kind, with nothing in it.
    #[must_use]
    pub fn new(device: u64, inode: u64, kind: Kind, permissions: u32, now: Time) -> Attributes {
        Attributes {
            device,
            inode,
            kind,
            permissions,
            links: 1,
            user: 0,
            group: 0,
            special: 0,
            size: 0,
            blocks: 0,
            accessed: now,
            modified: now,
            changed: now,
            born: now,
        }
    }

    /// `st_mode`.
    #[must_use]
    pub fn mode(&self) -> u32 {
        self.kind.mode() | self.permissions
    }
}

/// A change of an inode: what is `None` stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change {
    /// New permission bits.
    pub permissions: Option<u32>,
    /// New owner.
    pub user: Option<u32>,
    /// New group.
    pub group: Option<u32>,
    /// New time of the last read.
    pub accessed: Option<Time>,
    /// New time of the last change of contents.
    pub modified: Option<Time>,
    /// The times are the present one, which others than the owner may set too.
    pub is_present_time: bool,
    /// It is chown(2)'s: set-id bits go, whether it names owners or not.
    pub is_of_owners: bool,
}

impl Change {
    /// Change these attributes.
    pub fn apply(&self, attributes: &mut Attributes, now: Time) {
        attributes.permissions = self.permissions.unwrap_or(attributes.permissions);
        attributes.user = self.user.unwrap_or(attributes.user);
        attributes.group = self.group.unwrap_or(attributes.group);
        attributes.accessed = self.accessed.unwrap_or(attributes.accessed);
        attributes.modified = self.modified.unwrap_or(attributes.modified);
        attributes.changed = now;
    }
}
