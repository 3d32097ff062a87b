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
//! | `walk` | from a path to an entry |
//! | `tmpfs`, `initramfs` | files in memory, and the archive that the first ones come from |
//! | `device` | `/dev` |
//! | `text`, `proc` | files that are written as they are read: `/proc`, `/sys` |
//! | `world` | what all of them ask of the process |
#![forbid(unsafe_code)]

pub mod attributes;
pub mod device;
pub mod initramfs;
pub mod listing;
pub mod node;
pub mod proc;
#[cfg(test)]
mod tests;
pub mod text;
pub mod tmpfs;
pub mod walk;
pub mod world;
