//! File systems whose files are written as they are opened: what `/proc` and `/sys` are made of.
//!
//! A tree is a constant ([`Item`]s); inodes are made as names are looked up, with numbers that follow from their paths, so that asking
//! twice gives the same. Below the directory of a process all is about that one, which need not be the one that looks. Tables are the
//! exception: far too long to be written at once, their words are asked for as they are read.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use spin::Mutex;

use crate::errno::{Errno, Result};
use crate::file::transfer::moved;
use crate::file::{Access, Blocking, File, Input, Output, Place, Seeking};
use crate::vfs::attributes::{Attributes, Change, Kind, Time};
use crate::vfs::listing::DirectoryFile;
use crate::vfs::node::{Entry, Listed, New, Node, Statistics, Target, Visitor};
use crate::vfs::permission::Actor;
use crate::vfs::world::{Person, Report, Table, World};

/// A name in a tree.
#[derive(Clone, Copy)]
pub struct Item {
    /// The name.
    pub name: &'static str,
    /// What has it.
    pub body: Body,
}

/// What has a name.
#[derive(Clone, Copy)]
pub enum Body {
    /// A directory.
    Directory(&'static [Item]),
    /// A directory that holds one of each process, too, by its id.
    Processes(&'static [Item], &'static [Item]),
    /// The directory of a process's threads, by their ids.
    Threads(&'static [Item]),
    /// A text that the process writes.
    Report(Report),
    /// A text that never changes.
    Fixed(&'static str),
    /// A text that follows from the world.
    Text(fn(&dyn World) -> Vec<u8>),
    /// A symbolic link.
    Link(fn(&dyn World) -> Result<Target>),
    /// A symbolic link of a process: where the own one leads, and what says it of others.
    Place(fn(&dyn World) -> Result<Target>, Report),
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

#[derive(Clone)]
struct TextNode {
    system: System,
    inode: u64,
    body: Body,
    /// Whom it is about; process 0: nobody.
    person: Person,
}

/// Positions in a directory from this on are numbers: of processes, threads, descriptors.
const NUMBERS: u64 = 0x1000;

/// Mount a tree.
#[must_use]
pub fn mount(body: Body, parent: &Arc<Entry>, name: &[u8], device: u64, magic: u64, now: Time) -> Arc<Entry> {
    let system = System { device, magic, mounted: now };
    Entry::mounted(Arc::new(TextNode { system, inode: 1, body, person: Person::default() }), parent, name)
}

/// An inode number that follows from a directory's and a name: FNV-1a, kept in 32 bits that never are the root's.
fn inode_number(directory: u64, name: &[u8]) -> u64 {
    let start = 0x811c_9dc5u32 ^ directory as u32;
    let hash = name.iter().fold(start, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    u64::from(hash) | 1 << 31
}

/// The number that a name is, written as the system writes it.
fn number(name: &[u8]) -> Option<u32> {
    let number = core::str::from_utf8(name).ok()?.parse::<u32>().ok()?;
    (format!("{number}").as_bytes() == name).then_some(number)
}

/// The numbers of a text, one a line.
fn numbers(text: &[u8]) -> Vec<u32> {
    text.split(|&byte| byte == b'\n').filter_map(number).collect()
}

impl Body {
    fn kind(self) -> Kind {
        match self {
            Body::Directory(_) | Body::Processes(..) | Body::Threads(_) | Body::Descriptors | Body::DescriptorTexts => Kind::Directory,
            Body::Link(_) | Body::Place(..) | Body::Descriptor(_) => Kind::Link,
            _ => Kind::Regular,
        }
    }

    fn permissions(self) -> u32 {
        match self {
            Body::Directory(_) | Body::Processes(..) | Body::Threads(_) => 0o555,
            Body::Descriptors | Body::DescriptorTexts | Body::Descriptor(_) => 0o500,
            Body::Report(report) => report.permissions(),
            Body::Table(_) => 0o400,
            Body::Link(_) | Body::Place(..) => 0o777,
            _ => 0o444,
        }
    }

    fn items(self) -> &'static [Item] {
        match self {
            Body::Directory(items) | Body::Processes(items, _) => items,
            _ => &[],
        }
    }
}

impl TextNode {
    fn is_own(&self, world: &dyn World) -> bool {
        self.person.process == world.id()
    }

    fn is_a_process(&self) -> bool {
        self.person.process != 0
    }

    /// The numbers that the directory holds, in order.
    fn numbers(&self, world: &dyn World) -> Result<Vec<u32>> {
        let told = |report| world.report_on(&self.person, report, 0).map(|text| numbers(&text));
        match self.body {
            Body::Processes(..) => Ok(world.processes()),
            Body::Threads(_) => told(Report::Threads),
            Body::Descriptors | Body::DescriptorTexts => told(Report::Descriptors),
            _ => Ok(Vec::new()),
        }
    }

    /// What a number that the directory may hold means, and whom that is about.
    fn numbered(&self, number: u32, world: &dyn World) -> Result<(Body, Person)> {
        let held = |body: Body| if self.numbers(world)?.contains(&number) { Ok((body, self.person)) } else { Err(Errno::ENOENT) };
        match self.body {
            Body::Processes(_, items) => Ok((Body::Directory(items), world.person(number)?)),
            Body::Threads(items) => held(Body::Directory(items)).map(|(body, person)| (body, Person { thread: number, ..person })),
            Body::Descriptors => held(Body::Descriptor(number as i32)),
            Body::DescriptorTexts => held(Body::DescriptorText(number as i32)),
            _ => Err(Errno::ENOENT),
        }
    }

    fn text(&self, world: &dyn World) -> Result<Vec<u8>> {
        match self.body {
            Body::Report(report) if self.is_a_process() => world.report_on(&self.person, report, self.person.thread),
            Body::Report(report) => Ok(world.report(report)),
            Body::Fixed(_) if self.is_a_process() && !self.is_own(world) => {
                world.person(self.person.process).map_err(|_| Errno::ESRCH)?;
                self.fixed()
            }
            Body::Fixed(_) => self.fixed(),
            Body::Text(write) => Ok(write(world)),
            Body::DescriptorText(fd) => world.report_on(&self.person, Report::DescriptorText, fd as u32),
            _ => Err(Errno::EINVAL),
        }
    }

    fn fixed(&self) -> Result<Vec<u8>> {
        if let Body::Fixed(text) = self.body { Ok(text.as_bytes().to_vec()) } else { Err(Errno::EINVAL) }
    }
}

impl Node for TextNode {
    fn attributes(&self) -> Attributes {
        let System { device, mounted, .. } = self.system;
        let mut attributes = Attributes::new(device, self.inode, self.body.kind(), self.body.permissions(), mounted);
        (attributes.user, attributes.group) = self.person.owner;
        match self.body {
            Body::Directory(items) | Body::Processes(items, _) => {
                let directories = items.iter().filter(|item| item.body.kind() == Kind::Directory).count();
                attributes.links = 2 + directories as u32;
            }
            Body::Threads(_) => attributes.links = 3,
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
        if self.kind() != Kind::Directory {
            return Err(Errno::ENOTDIR);
        }
        let (body, person) = match self.body.items().iter().find(|item| item.name.as_bytes() == name) {
            Some(item) => (item.body, self.person),
            None => self.numbered(number(name).ok_or(Errno::ENOENT)?, world)?,
        };
        let node = TextNode { system: self.system, inode: inode_number(self.inode, name), body, person };
        Ok(Entry::new(Arc::new(node), here, name))
    }

    fn list(&self, _: &Arc<Entry>, from: u64, world: &dyn World, visit: &mut Visitor) -> Result<()> {
        for (index, item) in self.body.items().iter().enumerate().skip((from - 2) as usize) {
            let inode = inode_number(self.inode, item.name.as_bytes());
            if !visit(&Listed { inode, kind: item.body.kind(), next: index as u64 + 3, name: item.name.as_bytes() }) {
                return Ok(());
            }
        }
        let kind = if matches!(self.body, Body::Descriptors) { Kind::Link } else { Kind::Directory };
        let kind = if matches!(self.body, Body::DescriptorTexts) { Kind::Regular } else { kind };
        // Where it stopped is told by the number, since those before may be gone when it goes on.
        for number in self.numbers(world)?.into_iter().filter(|&number| NUMBERS + u64::from(number) >= from) {
            let name = format!("{number}").into_bytes();
            let inode = inode_number(self.inode, &name);
            if !visit(&Listed { inode, kind, next: NUMBERS + u64::from(number) + 1, name: &name }) {
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
        let told = |report, number| world.report_on(&self.person, report, number).map(Target::Path);
        match self.body {
            Body::Link(target) => target(world),
            Body::Place(target, _) if self.is_own(world) => target(world),
            Body::Place(_, report) => told(report, 0),
            Body::Descriptor(fd) if self.is_own(world) => {
                Ok(Target::Entry(world.files().and_then(|files| files.get(fd).ok()).ok_or(Errno::ENOENT)?.entry.clone()))
            }
            Body::Descriptor(fd) => told(Report::DescriptorPath, fd as u32),
            _ => Err(Errno::EINVAL),
        }
    }

    fn change(&self, _: &Change, _: &Actor) -> Result<()> {
        Err(Errno::EPERM)
    }

    /// There is nothing to cut: what is written is taken as a whole.
    fn truncate(&self, _: &dyn World, _: u64) -> Result<()> {
        Ok(())
    }

    fn open(self: Arc<Self>, entry: &Arc<Entry>, _: Access, world: &dyn World) -> Result<Arc<dyn File>> {
        match self.kind() {
            Kind::Directory => {
                self.numbers(world)?;
                Ok(Arc::new(DirectoryFile::new(entry.clone())))
            }
            Kind::Regular => match self.body {
                Body::Table(_) if self.is_a_process() && !self.is_own(world) => Err(Errno::EACCES),
                Body::Table(table) => Ok(Arc::new(TableFile(table))),
                _ => Ok(Arc::new(TextFile { contents: Mutex::new((Arc::new(self.text(world)?), false)), node: (*self).clone() })),
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

/// A text, and whether somebody has read it: who begins anew reads what is so then.
struct TextFile {
    contents: Mutex<(Arc<Vec<u8>>, bool)>,
    node: TextNode,
}

impl File for TextFile {
    fn read(&self, world: &dyn World, output: &mut Output, offset: u64, _: Blocking) -> Result<usize> {
        if offset == 0 && self.contents.lock().1 {
            let text = self.node.text(world)?;
            self.contents.lock().0 = Arc::new(text);
        }
        let text = {
            let mut contents = self.contents.lock();
            contents.1 = true;
            contents.0.clone()
        };
        output.put_from(&text, offset)
    }

    fn write(&self, world: &dyn World, input: &mut Input, place: Place, _: Blocking) -> Result<(usize, u64)> {
        let Body::Report(Report::Command) = self.node.body else { return Err(Errno::EIO) };
        let mut name = [0; unix::NAME_BYTES - 1];
        let length = input.take(&mut name)?;
        let rest = input.skip();
        let end = name[..length].iter().position(|&byte| byte == 0).unwrap_or(length);
        world.set_name(&self.node.person, &name[..end])?;
        let at = if let Place::At(at) = place { at } else { 0 };
        Ok((length + rest, at + (length + rest) as u64))
    }

    fn seeking(&self) -> Seeking {
        Seeking::Contents
    }

    fn size(&self) -> u64 {
        self.contents.lock().0.len() as u64
    }
}
