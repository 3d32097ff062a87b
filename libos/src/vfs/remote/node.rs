//! Inodes and directories that are handles.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use linux_raw_sys::general::{O_CLOEXEC, O_LARGEFILE, O_NOCTTY, O_NONBLOCK};
use spin::Mutex;
use unix::{MAILBOX_BYTES, OpenPurpose, Operation, Request};

use super::names::{Kept, Question, Stated};
use super::pages::WindowAhead;
use super::regular::RegularFile;
use super::shelf;
use super::{Handle, Haste, NONE, ROOT, Tree, high, low};
use crate::errno::{Errno, Result};
use crate::file::pipe::Pipe;
use crate::file::{self, Access, Blocking, File, Output, Seeking};
use crate::server::Server;
use crate::vfs::attributes::{Attributes, Change, Kind, Time};
use crate::vfs::device;
use crate::vfs::node::{self, Elsewhere, Entry, Listed, New, Node, Opened, Rename, Role, Runnable, Statistics, Target, Visitor};
use crate::vfs::opening::Opening;
use crate::vfs::permission::{Actor, Wanted};
use crate::vfs::status::Status;
use crate::vfs::walk::{self, Ahead, Ending, Found, Journey, Last};
use crate::vfs::way::{STEPS_MOST, Way};
use crate::vfs::wire;
use crate::vfs::world::World;

/// Flags of open(2) that say nothing of which file is opened, and how.
const WITHOUT_EFFECT: u32 = O_CLOEXEC | O_LARGEFILE | O_NOCTTY | O_NONBLOCK;
/// What a walk came to: the low four bits of an answer.
const ABSENT: u64 = 1;
const FOREIGN: u64 = 2;
const OPENED: u64 = 3;
/// Bytes of a record of a listing before the name: inode, next position, kind, length of the name.
const RECORD_BYTES: usize = 18;

/// Where a walk goes on that leaves the tree: from where, the rest of the path, and links left.
type Onward = (Arc<Entry>, Vec<u8>, u32);

/// What is told of the end of a path.
struct Told {
    attributes: Attributes,
    /// What that rests on, if it is to be remembered.
    way: Option<Way>,
    /// The count of the inode's changes.
    state: Option<u32>,
}

/// An inode of the tree.
pub(super) struct RemoteNode {
    pub(super) handle: Arc<Handle>,
    pub(super) kind: Kind,
    /// The device that it stands for.
    special: u64,
    /// What it said of itself last.
    stated: Mutex<Option<Stated>>,
    /// Whether it was made without a name and is to be opened for the first time, by who made it.
    is_fresh: AtomicBool,
}

/// The handle of an entry's inode, if it is of this tree.
#[must_use]
pub fn handle_of(entry: &Arc<Entry>) -> Option<u32> {
    remote(&entry.node).ok().map(|node| node.handle.number)
}

/// The count of an inode's changes, if it is told.
fn counted(word: u64) -> Option<u32> {
    (high(word) != 0).then_some(low(word))
}

/// What a file is opened for that is run.
fn purpose(as_what: Role) -> u16 {
    match as_what {
        Role::Program => OpenPurpose::Execute as u16,
        Role::Interpreter => OpenPurpose::Interpret as u16,
    }
}

/// The inode behind an entry, if it is of this tree.
pub(super) fn remote(node: &Arc<dyn Node>) -> Result<&RemoteNode> {
    (&**node as &dyn core::any::Any).downcast_ref().ok_or(Errno::EXDEV)
}

impl RemoteNode {
    pub(super) fn new(handle: Arc<Handle>, kind: Kind, special: u64) -> RemoteNode {
        RemoteNode { handle, kind, special, stated: Mutex::new(None), is_fresh: AtomicBool::new(false) }
    }

    fn tree(&self) -> &Arc<Tree> {
        &self.handle.tree
    }

    pub(super) fn number(&self) -> u64 {
        u64::from(self.handle.number)
    }

    fn ask(&self, operation: Operation, small: u16, words: [u64; 3]) -> Result<[u64; 4]> {
        self.tree().ask(operation, small, words)
    }

    /// Bytes of an answer.
    fn text(&self, at: usize, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length.min(MAILBOX_BYTES - at)];
        self.tree().server.fetch(at, &mut bytes);
        bytes
    }

    /// Send a path, with what a walk needs.
    fn travel(&self, operation: Operation, journey: &Journey, small: u16, flags: u64) -> Result<[u64; 4]> {
        self.tree().server.post(0, journey.path);
        let root = remote(&journey.root.node).map_or(u64::from(NONE), RemoteNode::number);
        let last = match journey.last {
            Last::Follow => 0,
            Last::Keep => 1,
            Last::Name => 2,
        };
        let how = journey.path.len() as u64 | last << 16 | u64::from(journey.links) << 24;
        self.ask(operation, small, [self.number() | root << 32, how, flags])
    }

    /// The entry that a walk's answer tells of.
    fn answered(&self, answer: &[u64; 4]) -> Result<Option<Arc<Entry>>> {
        if answer[0] & 0xf == ABSENT {
            return Ok(None);
        }
        let kind = Kind::from_number((answer[0] >> 16) as u8 as u16).ok_or(Errno::EIO)?;
        Ok(Some(self.tree().entry(high(answer[0]), kind, answer[3], answer[0] & 1 << 9 != 0)))
    }

    /// Where the way leads on that a foreign answer tells of: the mount and the rest of the path. Below another root, it is there.
    fn foreign(&self, journey: &Journey, answer: &[u64; 4]) -> Result<(Arc<Entry>, Vec<u8>)> {
        let mount = self.tree().mounts.lock().get(answer[3] as usize).cloned().ok_or(Errno::EIO)?;
        let is_usual = remote(&journey.root.node).is_ok_and(|root| root.handle.number == ROOT);
        let mount = if is_usual { mount } else { Entry::mounted(mount.node.clone(), journey.root, &mount.name()) };
        Ok((mount, self.text(low(answer[2]) as usize, high(answer[2]) as usize)))
    }

    fn walked(&self, journey: &Journey, answer: &[u64; 4]) -> Result<Ahead> {
        let last = journey.last;
        let parent_handle = low(answer[1]);
        let parent = (parent_handle != NONE).then(|| self.tree().entry(parent_handle, Kind::Directory, 0, false));
        let links = high(answer[1]);
        if answer[0] & 0xf == FOREIGN {
            let (entry, rest) = self.foreign(journey, answer)?;
            return Ok(Ahead::On { parent, entry, rest, links });
        }
        let entry = self.answered(answer)?;
        let ending = match answer[0] >> 4 & 0xf {
            0 => Ending::Name,
            1 => Ending::Dot,
            2 => Ending::DotDot,
            _ => Ending::Root,
        };
        let name = if last == Last::Name { self.text(0, low(answer[2]) as usize) } else { Vec::new() };
        let parent = parent.or_else(|| entry.clone()).ok_or(Errno::ENOENT)?;
        Ok(Ahead::Found(Found { parent, name, ending, slash: answer[0] & 1 << 8 != 0, entry, rest: None, links, made: false }))
    }

    fn open_handle(&self, access: Access, purpose: OpenPurpose) -> Result<Arc<dyn File>> {
        let answer = self.ask(Operation::OpenEntry, purpose as u16, [self.number(), u64::from(access.bits()), 0])?;
        Ok(self.tree().file(Handle::opened_for(self.tree(), high(answer[0]), access), self.kind, &answer))
    }

    /// What an answer tells of that was opened to be run.
    fn contents(&self, answer: &[u64; 4], as_what: Role, window: WindowAhead) -> node::Contents {
        let haste = match as_what {
            Role::Program => Haste::Soon,
            Role::Interpreter => Haste::Later,
        };
        let file = self.tree().regular_file(Handle::with_haste(self.tree(), high(answer[0]), haste), answer);
        let pages = low(answer[0]) >> unix::PAGES_AHEAD;
        if pages > 0 {
            let mut generation = [0; 8];
            self.tree().server.fetch(0, &mut generation);
            file.take_window(window, pages, u64::from_le_bytes(generation) as u32);
        }
        let length = (answer[1] >> unix::PATH_LENGTH) as usize;
        let path = (length > 0).then(|| self.text(unix::PATH_AT, length));
        (file, path)
    }

    fn run_path(&self, journey: &Journey, as_what: Role) -> Result<Runnable> {
        let window = WindowAhead::new(self.tree());
        let answer = self.travel(Operation::Run, journey, purpose(as_what), window.word())?;
        if answer[0] & 0xf == FOREIGN {
            let (entry, rest) = self.foreign(journey, &answer)?;
            return Ok(Runnable::On(entry, rest, high(answer[1])));
        }
        Ok(Runnable::Contents(self.contents(&answer, as_what, window)))
    }

    /// Open what is no file of the tree.
    fn open_special(&self, access: Access, world: &dyn World) -> Result<Arc<dyn File>> {
        match self.kind {
            Kind::Character => device::open(self.special, access, world),
            Kind::Fifo => {
                let server = self.tree().server;
                let request = Request { large: self.number() as u32, ..Request::new(Operation::Reopen, [u64::from(access.bits()), 0, 0]) };
                let handle = file::remote::Handle::new(server, server.call(request)?[0] as u32);
                Ok(Pipe::new(self.attributes().inode).adopt(handle, access, 0))
            }
            Kind::Link => Err(Errno::ELOOP),
            _ => Err(Errno::ENXIO),
        }
    }
}

impl Node for RemoteNode {
    fn attributes(&self) -> Attributes {
        if let Some(stated) = &*self.stated.lock()
            && stated.is_as_it_was(self.tree().server.changes())
        {
            return stated.attributes;
        }
        self.ask_attributes()
    }

    fn status(&self, tell: &mut dyn FnMut(&Status) -> Result<()>) -> bool {
        let stated = self.stated.lock();
        let known = stated.as_ref().filter(|stated| stated.is_as_it_was(self.tree().server.changes()));
        known.is_some_and(|stated| tell(&stated.status).is_ok())
    }

    fn open_again(&self, journey: &Journey, opening: &Opening) -> Option<(Arc<Entry>, Arc<dyn File>)> {
        if self.tree().look_at_watch() {
            return None;
        }
        let question = self.question(journey)?;
        self.tree().names.lock().open(&question, opening.access(), self.tree().server.changes())
    }

    fn status_on(&self, journey: &Journey, tell: &mut dyn FnMut(&Status) -> Result<()>) -> bool {
        let Some(question) = self.question(journey) else { return false };
        let names = self.tree().names.lock();
        names.find(&question, self.tree().server.changes()).is_some_and(|stated| tell(&stated.status).is_ok())
    }

    fn kind(&self) -> Kind {
        self.kind
    }

    fn statistics(&self, _: &dyn World) -> Statistics {
        self.ask(Operation::Statistics, 0, [self.number(), 0, 0]).map_or_else(
            |_| Statistics::default(),
            |[magic, blocks, inodes, flags]| {
                let [blocks, inodes] = [blocks, inodes].map(|pair| (u64::from(pair as u32), pair >> 32));
                let ((blocks, free), (inodes, inodes_free)) = (blocks, inodes);
                Statistics { magic, blocks, free, inodes, inodes_free, flags: flags as u32 }
            },
        )
    }

    fn lookup(&self, _: &Arc<Entry>, _: &[u8], _: &dyn World) -> Result<Arc<Entry>> {
        // Every walk in this tree is `walk_on`.
        Err(Errno::ENOENT)
    }

    fn create(&self, _: &Arc<Entry>, name: &[u8], new: &New, _: &Actor) -> Result<Arc<Entry>> {
        self.tree().server.post(0, name);
        self.tree().server.post(name.len(), new.target);
        let lengths = name.len() as u64 | (new.target.len() as u64) << 16 | u64::from(new.permissions) << 32;
        let answer = self.ask(Operation::Create, new.kind as u16, [self.number(), lengths, new.special])?;
        Ok(self.tree().entry(low(answer[0]), new.kind, new.special, false))
    }

    fn create_unnamed(&self, _: &Arc<Entry>, name: &[u8], permissions: u32, _: &Actor) -> Result<Arc<Entry>> {
        self.tree().server.post(0, name);
        let answer = self.ask(Operation::CreateUnnamed, permissions as u16, [self.number(), name.len() as u64, 0])?;
        let node = RemoteNode::new(Handle::new(self.tree(), low(answer[0])), Kind::Regular, 0);
        node.is_fresh.store(true, Ordering::Relaxed);
        Ok(Entry::elsewhere(Arc::new(node), false))
    }

    fn link(&self, _: &Arc<Entry>, name: &[u8], node: &Arc<dyn Node>, _: &Actor) -> Result<()> {
        let node = remote(node)?.number();
        self.tree().server.post(0, name);
        self.ask(Operation::Link, 0, [self.number() | node << 32, name.len() as u64, 0]).map(drop)
    }

    fn unlink(&self, name: &[u8], directory: bool, _: &Actor) -> Result<()> {
        // What was the last name's is to be free when this returns.
        self.tree().let_go();
        self.tree().server.post(0, name);
        self.ask(Operation::Unlink, u16::from(directory), [self.number(), name.len() as u64, 0])?;
        self.tree().note_name_changed();
        Ok(())
    }

    fn rename(&self, name: &[u8], to: &Arc<Entry>, new_name: &[u8], how: Rename, _: &Actor) -> Result<()> {
        let to = remote(&to.node)?.number();
        self.tree().let_go();
        self.tree().server.post(0, name);
        self.tree().server.post(name.len(), new_name);
        let how = match how {
            Rename::Replace => 0,
            Rename::Keep => 1,
            Rename::Exchange => 2,
        };
        let lengths = name.len() as u64 | (new_name.len() as u64) << 16;
        self.ask(Operation::Rename, how, [self.number() | to << 32, lengths, 0])?;
        self.tree().note_name_changed();
        Ok(())
    }

    fn target(&self, _: &dyn World) -> Result<Target> {
        if self.kind != Kind::Link {
            return Err(Errno::EINVAL);
        }
        let answer = self.ask(Operation::Target, 0, [self.number(), 0, 0])?;
        Ok(Target::Path(self.text(0, answer[0] as usize)))
    }

    fn change(&self, change: &Change, _: &Actor) -> Result<()> {
        let (parts, words) = wire::change_words(change);
        self.tree().server.post(0, &wire::bytes::<{ wire::CHANGE_WORDS }, { wire::CHANGE_WORDS * 8 }>(&words));
        self.ask(Operation::Change, parts, [self.number(), 0, 0]).map(drop)
    }

    fn permits(&self, wanted: Wanted, real: bool, _: &dyn World) -> Result<()> {
        let small = wanted.bits() as u16 | if real { unix::REAL_IDS } else { 0 };
        self.ask(Operation::Permits, small, [self.number(), 0, 0]).map(drop)
    }

    fn truncate(&self, world: &dyn World, size: u64) -> Result<()> {
        let outcome = self.ask(Operation::Resize, unix::BY_PLACE, [self.number(), size, 0]);
        self.tree().hear(world);
        outcome.map(drop)
    }

    fn open(self: Arc<Self>, _: &Arc<Entry>, access: Access, world: &dyn World) -> Result<Arc<dyn File>> {
        match self.kind {
            Kind::Regular if self.is_fresh.swap(false, Ordering::Relaxed) => self.open_handle(access, OpenPurpose::Make),
            Kind::Regular | Kind::Directory => self.open_handle(access, OpenPurpose::Use),
            _ => self.open_special(access, world),
        }
    }

    fn run(self: Arc<Self>, as_what: Role) -> Result<node::Contents> {
        if self.kind != Kind::Regular {
            return Err(Errno::EACCES);
        }
        let window = WindowAhead::new(self.tree());
        let words = [self.number(), u64::from(Access::READ.bits()), window.word()];
        let answer = self.ask(Operation::OpenEntry, purpose(as_what), words)?;
        Ok(self.contents(&answer, as_what, window))
    }

    fn watch(&self, instance: u32, mask: u32) -> Result<i32> {
        self.tree().let_go();
        Ok(self.ask(Operation::Watch, 0, [self.number(), u64::from(instance), u64::from(mask)])?[0] as i32)
    }

    fn elsewhere(&self) -> Option<&dyn Elsewhere> {
        Some(self)
    }

    fn walk_on(&self, journey: &Journey) -> Option<Result<Ahead>> {
        Some(self.travel(Operation::Walk, journey, 0, 0).and_then(|answer| self.walked(journey, &answer)))
    }

    fn attributes_on(&self, journey: &Journey) -> Option<Result<walk::Stated>> {
        Some(self.state(journey))
    }

    fn remove_on(&self, journey: &Journey, is_directory: bool) -> Option<Result<()>> {
        // What was the last name's is to be free when this returns.
        self.tree().let_go();
        match self.travel(Operation::Remove, journey, u16::from(is_directory), 0) {
            Ok([FOREIGN, ..]) => None,
            outcome => {
                self.tree().note_name_changed();
                Some(outcome.map(drop))
            }
        }
    }

    fn open_on(&self, journey: &Journey, opening: &Opening, world: &dyn World) -> Option<Result<Opened>> {
        Some(self.open_path(journey, opening, world))
    }

    fn run_on(&self, journey: &Journey, as_what: Role) -> Option<Result<Runnable>> {
        Some(self.run_path(journey, as_what))
    }
}

impl RemoteNode {
    fn ask_attributes(&self) -> Attributes {
        let asked = self.ask(Operation::Attributes, 0, [self.number(), 0, 0]);
        // Only a server that is gone or broken does not say.
        let found = asked.ok().and_then(|answer| {
            let attributes = self.fetch_attributes()?;
            *self.stated.lock() = counted(answer[1]).map(|state| Stated::new(state, attributes));
            Some(attributes)
        });
        found.unwrap_or_else(|| Attributes::new(0, 0, self.kind, 0, Time::default()))
    }

    /// The question that a journey asks, if its answer may be known.
    fn question<'a>(&self, journey: &Journey<'a>) -> Option<Question<'a>> {
        let root = remote(&journey.root.node).ok()?.handle.birth;
        (journey.links == 0).then_some(Question { from: self.handle.birth, root, path: journey.path, last: journey.last })
    }

    fn state(&self, journey: &Journey) -> Result<walk::Stated> {
        let question = self.question(journey);
        if let Some(question) = &question
            && let Some(stated) = self.tree().names.lock().find(question, self.tree().server.changes())
        {
            return Ok(walk::Stated::Attributes(stated.attributes));
        }
        let Told { attributes, way, state } = match self.ask_state(journey)? {
            Ok(told) => told,
            Err((entry, rest, links)) => return Ok(walk::Stated::On(entry, rest, links)),
        };
        if let (Some(question), Some(way), Some(state)) = (question, way, state) {
            self.tree().names.lock().learn(&question, way, Stated::new(state, attributes));
        }
        Ok(walk::Stated::Attributes(attributes))
    }

    /// What the inode at the end of a path says of itself; or where the way leads on: from there, with the rest of the path, so many links having
    /// been followed.
    #[inline(always)]
    fn ask_state(&self, journey: &Journey) -> Result<core::result::Result<Told, Onward>> {
        let answer = self.travel(Operation::Walk, journey, 1, 0)?;
        if answer[0] & 0xf == FOREIGN {
            let (entry, rest) = self.foreign(journey, &answer)?;
            return Ok(Err((entry, rest, high(answer[1]))));
        }
        let attributes = self.fetch_attributes().ok_or(Errno::EIO)?;
        let way = self.fetch_way(wire::ATTRIBUTES_WORDS * 8, low(answer[2]) as usize);
        Ok(Ok(Told { attributes, way, state: counted(answer[1]) }))
    }

    /// What the end of a path rests on, in so many words.
    fn fetch_way(&self, at: usize, count: usize) -> Option<Way> {
        let mut words = [[0; 8]; STEPS_MOST];
        let words = words.get_mut(..count)?;
        self.tree().server.fetch(at, words.as_flattened_mut());
        Way::from_words(words.iter().map(|&bytes| u64::from_le_bytes(bytes)))
    }

    /// The attributes that an answer brought.
    fn fetch_attributes(&self) -> Option<Attributes> {
        let mut bytes = [0; wire::ATTRIBUTES_WORDS * 8];
        self.tree().server.fetch(0, &mut bytes);
        wire::attributes(&wire::words(&bytes))
    }

    fn open_path(&self, journey: &Journey, opening: &Opening, world: &dyn World) -> Result<Opened> {
        let is_watched = self.tree().look_at_watch();
        if !is_watched
            && self.tree().looks_up()
            && let Some(outcome) = self.open_kept(journey, opening, world)
        {
            return outcome;
        }
        let question = if is_watched || !opening.is_plain() { None } else { self.question(journey) };
        if let Some(question) = &question
            && let Some((entry, file)) = self.tree().names.lock().open(question, opening.access(), self.tree().server.changes())
        {
            return Ok(Opened::File(entry, file));
        }
        self.ask_open(journey, opening, question, world)
    }

    /// Open a file that is kept, or keep it. `None`: it is opened like any other.
    fn open_kept(&self, journey: &Journey, opening: &Opening, world: &dyn World) -> Option<Result<Opened>> {
        let root = remote(&journey.root.node).ok()?.handle.birth;
        if opening.flags & !WITHOUT_EFFECT != 0 || self.handle.birth != root || journey.links != 0 {
            return None;
        }
        let tree = self.tree();
        let changes = tree.server.changes();
        let name = tree.with_shelf(|shelf| shelf.name(root, journey.path))??;
        let kept = tree.with_shelf(|shelf| shelf.find(name, changes).map(shelf::Kept::lend))?;
        if let Some((entry, file)) = kept {
            return Some(Ok(Opened::File(entry, file)));
        }
        self.keep(journey, opening, name, world).transpose()
    }

    /// Open a file, and keep it for the next time.
    fn keep(&self, journey: &Journey, opening: &Opening, name: &[u8], world: &dyn World) -> Result<Option<Opened>> {
        let tree = self.tree();
        let changes = tree.server.changes();
        let Told { attributes, way: Some(way), state: Some(state) } = (match self.ask_state(journey) {
            Ok(Ok(told)) => told,
            Ok(Err(_)) => return Ok(None),
            Err(error) => {
                tree.with_shelf(|shelf| shelf.forget(name));
                return Err(error);
            }
        }) else {
            return Ok(None);
        };
        let identity = (attributes.device, attributes.inode);
        let counts = changes.of(identity.0, identity.1);
        let counts = (counts.ways(), counts.state());
        if attributes.kind != Kind::Regular || counts.1 != state {
            return Ok(None);
        }
        if let Some((entry, file)) =
            tree.with_shelf(|shelf| shelf.find_again(name, identity, &way, changes).map(shelf::Kept::lend)).flatten()
        {
            return Ok(Some(Opened::File(entry, file)));
        }
        let Opened::File(entry, file) = self.ask_open(journey, opening, None, world)? else { return Ok(None) };
        let is_it = (&*file as &dyn core::any::Any).downcast_ref().is_some_and(|file: &RegularFile| file.identity == identity);
        if is_it && tree.with_shelf(|shelf| shelf.has_room(name)) == Some(true) {
            // Where there is no room for one more handle the file is opened all the same.
            if let Ok(kept) = remote(&entry.node)?.kept(name, way, counts, attributes) {
                tree.with_shelf(|shelf| shelf.learn(kept));
            }
        }
        Ok(Some(Opened::File(entry, file)))
    }

    /// The file once more, to be kept.
    fn kept(&self, name: &[u8], way: Way, counts: (u32, u32), attributes: Attributes) -> Result<shelf::Kept> {
        let tree = self.tree();
        let answer = self.ask(Operation::OpenEntry, OpenPurpose::Keep as u16, [self.number(), u64::from(Access::READ.bits()), 0])?;
        let handle = Handle::new(tree, high(answer[0]));
        let (place, identity) = tree.shown(&answer);
        let node =
            RemoteNode { stated: Mutex::new(Some(Stated::new(counts.1, attributes))), ..RemoteNode::new(handle.clone(), Kind::Regular, 0) };
        Ok(shelf::Kept {
            name: name.into(),
            way,
            counts,
            entry: Entry::elsewhere(Arc::new(node), false),
            handle,
            place,
            identity,
            pages: tree.pages(place, identity),
        })
    }

    fn ask_open(&self, journey: &Journey, opening: &Opening, question: Option<Question>, world: &dyn World) -> Result<Opened> {
        let outcome = self.travel(Operation::Open, journey, opening.permissions as u16, u64::from(opening.flags));
        if opening.flags & linux_raw_sys::general::O_TRUNC != 0 {
            self.tree().hear(world);
        }
        let answer = outcome?;
        if answer[0] & 0xf == FOREIGN {
            let (entry, rest) = self.foreign(journey, &answer)?;
            return Ok(Opened::On(entry, rest));
        }
        let is_opened = answer[0] & 0xf == OPENED;
        let steps = high(answer[if is_opened { 1 } else { 2 }]) as usize;
        let way = self.fetch_way(0, if question.is_some() { steps } else { 0 });
        if is_opened {
            return self.keep_opened(question.zip(way), opening.access(), &answer);
        }
        debug_assert!(answer[0] & 0xf != ABSENT, "what is absent is an error");
        let entry = self.answered(&answer)?.ok_or(Errno::ENOENT)?;
        let file = entry.node.clone().open(&entry, opening.access(), world)?;
        if let Some((question, way)) = question.zip(way)
            && file.is_stateless()
        {
            self.tree().names.lock().keep(&question, way, opening.access(), Kept::stateless(&entry, &file));
        }
        Ok(Opened::File(entry, file))
    }

    /// The file that an answer tells of; kept if it is a regular one that is only to be read.
    fn keep_opened(&self, known: Option<(Question, Way)>, access: Access, answer: &[u64; 4]) -> Result<Opened> {
        let (tree, kind) = (self.tree(), answer[0] >> 16 & 0xff);
        let Some((question, way)) = known.filter(|_| kind == Kind::Regular as u64 && access == Access::READ) else {
            return tree.opened(answer, access).map(|(entry, file)| Opened::File(entry, file));
        };
        let handle = Handle::new(tree, high(answer[0]));
        let entry = Entry::elsewhere(Arc::new(RemoteNode::new(handle.clone(), Kind::Regular, 0)), false);
        let file = tree.regular_file(handle, answer);
        let kept = Kept::regular(&entry, &file);
        tree.names.lock().keep(&question, way, access, kept);
        Ok(Opened::File(entry, file))
    }

    fn path_and_state(&self) -> Result<(Vec<u8>, bool)> {
        let answer = self.ask(Operation::Path, 0, [self.number(), 0, 0])?;
        Ok((self.text(0, answer[0] as usize), answer[1] != 0))
    }
}

impl Elsewhere for RemoteNode {
    fn path(&self) -> Vec<u8> {
        self.path_and_state().map_or_else(|_| Vec::new(), |(path, _)| path)
    }

    fn is_removed(&self) -> bool {
        self.path_and_state().is_ok_and(|(_, removed)| removed)
    }
}

/// Tell the names of a directory.
fn list(handle: &Handle, from: u64, visit: &mut Visitor) -> Result<()> {
    let mut from = from;
    loop {
        let answer = handle.tree.ask(Operation::List, 0, [u64::from(handle.number), from, 0])?;
        let mut bytes = vec![0; (answer[0] as usize).min(MAILBOX_BYTES)];
        handle.tree.server.fetch(0, &mut bytes);
        let mut rest = &bytes[..];
        if rest.is_empty() {
            return Ok(());
        }
        while rest.len() > RECORD_BYTES {
            let word = |at: usize| u64::from_le_bytes(rest[at..at + 8].try_into().unwrap_or_default());
            let end = RECORD_BYTES + usize::from(rest[17]);
            let (Some(name), Some(kind)) = (rest.get(RECORD_BYTES..end), Kind::from_number(u16::from(rest[16]))) else {
                return Err(Errno::EIO);
            };
            from = word(8);
            if !visit(&Listed { inode: word(0), kind, next: from, name }) {
                return Ok(());
            }
            rest = &rest[end..];
        }
    }
}

/// An open directory.
pub(super) struct RemoteDirectory {
    pub(super) handle: Arc<Handle>,
}

impl File for RemoteDirectory {
    fn read(&self, _: &dyn World, _: &mut Output, _: u64, _: Blocking) -> Result<usize> {
        Err(Errno::EISDIR)
    }

    fn seeking(&self) -> Seeking {
        Seeking::Contents
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn list(&self, _: &dyn World, from: u64, visit: &mut Visitor) -> Result<()> {
        list(&self.handle, from, visit)
    }

    fn share(&self, _: &'static dyn Server) -> Result<Option<u32>> {
        Ok(Some(self.handle.number))
    }
}
