//! Names and inodes: the tree of files.
//!
//! ```text
//!   path ─► walk ─► Entry (a name) ─► Node (an inode) ─► open ─► file::File
//!                                       tmpfs: / /dev /tmp, filled from the initramfs     text: /proc /sys
//! ```
//!
//! | module | what is in it |
//! |---|---|
//! | `node` | the traits of inodes, the names that they have |
//! | `mount` | file systems, and parts of them, seen at places of the tree |
//! | `walk`, `opening` | from a path to an entry; what open(2) makes of it |
//! | `way` | what the end of a path rests on, so that it can be remembered |
//! | `permission` | who may do what with an inode |
//! | `tmpfs`, `initramfs` | files in memory, and the archive that the first ones come from |
//! | `remote`, `wire` | the tree that `unixd` keeps for all processes; its messages |
//! | `seals` | what of a file may never happen any more |
//! | `device` | `/dev` |
//! | `text`, `proc` | files that are written as they are read: `/proc`, `/sys` |
//! | `world` | what all of them ask of the process |
#![forbid(unsafe_code)]

pub mod attributes;
pub mod device;
pub mod initramfs;
pub mod listing;
pub mod mount;
pub mod node;
pub mod opening;
pub mod permission;
pub mod proc;
pub mod remote;
pub mod removal;
pub mod seals;
pub mod status;
#[cfg(test)]
mod tests;
pub mod text;
pub mod tmpfs;
pub mod walk;
pub mod way;
pub mod wire;
pub mod world;
