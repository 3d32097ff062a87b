//! File systems whose files are written as they are opened: what `/proc` and `/sys` are made of.
//!
//! A tree is a constant ([`Item`]s); inodes are made as names are looked up, with numbers that follow from their paths, so that asking
//! twice gives the same. Tables are the exception: far too long to be written at once, their words are asked for as they are read.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::errno::{Errno, Result};
use crate::file::transfer::moved;
use crate::file::{Access, Blocking, File, Files, Input, Output, Place, Seeking};
use crate::vfs::attributes::{Attributes, Kind, Time};
use crate::vfs::listing::DirectoryFile;
use crate::vfs::node::{Entry, Listed, New, Node, Statistics, Target, Visitor};
use crate::vfs::permission::Actor;
use crate::vfs::world::{Report, Table, World};

/// A name in a tree.
#[derive(Clone, Copy)]
pub struct Item {
    /// The name.
    pub name: Name,
    /// What has it.
    pub body: Body,
}

/// A name.
#[derive(Clone, Copy)]
pub enum Name {
    /// Always the same.
    Fixed(&'static str),
    /// The process's id.
    Id,
}

/// What has a name.
#[derive(Clone, Copy)]
pub enum Body {
    /// A directory.
    Directory(&'static [Item]),
    /// A text that the process writes.
    Report(Report),
    /// A text that never changes.
    Fixed(&'static str),
    /// A text that follows from the world.
    Text(fn(&dyn World) -> Vec<u8>),
    /// A symbolic link.
    Link(fn(&dyn World) -> Result<Target>),
    /// A table of words.
    Table(Table),
    /// The directory of descriptors, as links to what they refer to.
    Descriptors,
    /// The directory of what there is to know of descriptors.
    DescriptorTexts,
    /// A descriptor, as a link.
    Descriptor(i32),
    /// What there is to know of a descriptor.
    DescriptorText(i32),
}

/// What all inodes of a file system share.
#[derive(Clone, Copy)]
struct System {
    device: u64,
    magic: u64,
    mounted: Time,
}

struct TextNode {
    system: System,
    inode: u64,
    body: Body,
}

/// Mount a tree.
#[must_use]
pub fn mount(items: &'static [Item], parent: &Arc<Entry>, name: &[u8], device: u64, magic: u64, now: Time) -> Arc<Entry> {
    let system = System { device, magic, mounted: now };
    Entry::mounted(Arc::new(TextNode { system, inode: 1, body: Body::Directory(items) }), parent, name)
}

/// An inode number that follows from a directory's and a name: FNV-1a, kept in 32 bits that never are the root's.
fn inode_number(directory: u64, name: &[u8]) -> u64 {
    let start = 0x811c_9dc5u32 ^ directory as u32;
    let hash = name.iter().fold(start, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    u64::from(hash) | 1 << 31
}

impl Name {
    fn text(self, world: &dyn World) -> Vec<u8> {
        match self {
            Name::Fixed(name) => name.as_bytes().to_vec(),
            Name::Id => format!("{}", world.id()).into_bytes(),
        }
    }
}

impl Body {
    fn kind(self) -> Kind {
        match self {
            Body::Directory(_) | Body::Descriptors | Body::DescriptorTexts => Kind::Directory,
            Body::Link(_) | Body::Descriptor(_) => Kind::Link,
            _ => Kind::Regular,
        }
    }

    fn permissions(self) -> u32 {
        match self {
            Body::Directory(_) => 0o555,
            Body::Descriptors | Body::DescriptorTexts | Body::Descriptor(_) => 0o500,
            Body::Table(_) => 0o400,
            Body::Link(_) => 0o777,
            _ => 0o444,
        }
    }
}

impl TextNode {
    /// What the directory holds, in order.
    fn items(&self, world: &dyn World) -> Result<Vec<(Vec<u8>, Body)>> {
        let descriptors = |body: fn(i32) -> Body| {
            let numbers = world.files().map(Files::numbers).unwrap_or_default();
            numbers.into_iter().map(|fd| (format!("{fd}").into_bytes(), body(fd))).collect()
        };
        match self.body {
            Body::Directory(items) => Ok(items.iter().map(|item| (item.name.text(world), item.body)).collect()),
            Body::Descriptors => Ok(descriptors(Body::Descriptor)),
            Body::DescriptorTexts => Ok(descriptors(Body::DescriptorText)),
            _ => Err(Errno::ENOTDIR),
        }
    }

    fn text(&self, world: &dyn World) -> Result<Vec<u8>> {
        match self.body {
            Body::Report(report) => Ok(world.report(report)),
            Body::Fixed(text) => Ok(text.as_bytes().to_vec()),
            Body::Text(write) => Ok(write(world)),
            Body::DescriptorText(fd) => {
                let description = world.files().and_then(|files| files.get(fd).ok()).ok_or(Errno::ENOENT)?;
                let inode = description.entry.node.attributes().inode;
                Ok(format!("pos:\t{}\nflags:\t0{:o}\nmnt_id:\t1\nino:\t{inode}\n", description.offset(), description.flags()).into_bytes())
            }
            _ => Err(Errno::EINVAL),
        }
    }
}

impl Node for TextNode {
    fn attributes(&self) -> Attributes {
        let System { device, mounted, .. } = self.system;
        let mut attributes = Attributes::new(device, self.inode, self.body.kind(), self.body.permissions(), mounted);
        match self.body {
            Body::Directory(items) => {
                let directories = items.iter().filter(|item| item.body.kind() == Kind::Directory).count();
                attributes.links = 2 + directories as u32;
            }
            Body::Descriptors | Body::DescriptorTexts => attributes.links = 2,
            Body::Descriptor(_) => attributes.size = 64,
            _ => {}
        }
        attributes
    }

    fn kind(&self) -> Kind {
        self.body.kind()
    }

    fn statistics(&self, _: &dyn World) -> Statistics {
        Statistics { magic: self.system.magic, ..Statistics::default() }
    }

    fn lookup(&self, here: &Arc<Entry>, name: &[u8], world: &dyn World) -> Result<Arc<Entry>> {
        let (_, body) = self.items(world)?.into_iter().find(|(known, _)| known == name).ok_or(Errno::ENOENT)?;
        let node = TextNode { system: self.system, inode: inode_number(self.inode, name), body };
        Ok(Entry::new(Arc::new(node), here, name))
    }

    fn list(&self, _: &Arc<Entry>, from: u64, world: &dyn World, visit: &mut Visitor) -> Result<()> {
        for (index, (name, body)) in self.items(world)?.iter().enumerate().skip((from - 2) as usize) {
            let inode = inode_number(self.inode, name);
            if !visit(&Listed { inode, kind: body.kind(), next: index as u64 + 3, name }) {
                break;
            }
        }
        Ok(())
    }

    fn create(&self, _: &Arc<Entry>, _: &[u8], _: &New, _: &Actor) -> Result<Arc<Entry>> {
        // A name that these file systems do not know can neither be found nor made.
        Err(Errno::ENOENT)
    }

    fn target(&self, world: &dyn World) -> Result<Target> {
        match self.body {
            Body::Link(target) => target(world),
            Body::Descriptor(fd) => {
                Ok(Target::Entry(world.files().and_then(|files| files.get(fd).ok()).ok_or(Errno::ENOENT)?.entry.clone()))
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn open(self: Arc<Self>, entry: &Arc<Entry>, _: Access, world: &dyn World) -> Result<Arc<dyn File>> {
        match self.kind() {
            Kind::Directory => Ok(Arc::new(DirectoryFile::new(entry.clone()))),
            Kind::Regular => match self.body {
                Body::Table(table) => Ok(Arc::new(TableFile(table))),
                _ => Ok(Arc::new(TextFile(self.text(world)?))),
            },
            _ => Err(Errno::ELOOP),
        }
    }
}

/// A table's words, as they are when they are read.
struct TableFile(Table);

impl File for TableFile {
    fn read(&self, world: &dyn World, output: &mut Output, offset: u64, _: Blocking) -> Result<usize> {
        const WORD: usize = size_of::<u64>();
        if !offset.is_multiple_of(WORD as u64) || !output.room().is_multiple_of(WORD) {
            return Err(Errno::EINVAL);
        }
        let before = output.done();
        let mut index = offset / WORD as u64;
        while output.room() > 0 {
            let Some(word) = world.table_word(self.0, index) else { break };
            if let Err(error) = output.put(&word.to_le_bytes()) {
                return moved(output.done() - before, Err(error));
            }
            index += 1;
        }
        Ok(output.done() - before)
    }

    fn write(&self, _: &dyn World, _: &mut Input, _: Place, _: Blocking) -> Result<(usize, u64)> {
        Err(Errno::EINVAL)
    }

    fn seeking(&self) -> Seeking {
        Seeking::Contents
    }
}

/// A text as it was when it was opened.
struct TextFile(Vec<u8>);

impl File for TextFile {
    fn read(&self, _: &dyn World, output: &mut Output, offset: u64, _: Blocking) -> Result<usize> {
        output.put_from(&self.0, offset)
    }

    fn write(&self, _: &dyn World, _: &mut Input, _: Place, _: Blocking) -> Result<(usize, u64)> {
        Err(Errno::EIO)
    }

    fn seeking(&self) -> Seeking {
        Seeking::Contents
    }

    fn size(&self) -> u64 {
        self.0.len() as u64
    }
}
