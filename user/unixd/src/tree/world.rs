//! What the tree's file system asks for, as `unixd` answers it for one request.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::ops::Range;

use libos::errno::{Errno, Result};
use libos::file::Files;
use libos::signal::{Information, Set, Signals};
use libos::time::Clock;
use libos::user::UserMemory;
use libos::vfs::attributes::Time;
use libos::vfs::node::{Entry, Node, Target};
use libos::vfs::permission::{Subject, Wanted};
use libos::vfs::way::Way;
use libos::vfs::world::{Report, Table, World};

use super::mounts::Mounts;
use crate::machine::Tick;
use crate::sandbox::Sandbox;

/// Pages of a file (device and inode) that have other frames, and whether they were cut.
pub type Moved = ((u64, u64), Range<u64>, bool);

/// The world of a request.
pub struct RequestWorld<'a> {
    /// With whose rights.
    pub subject: Subject<'a>,
    /// To what it is held besides.
    pub sandbox: &'a Sandbox,
    /// When it is served.
    pub tick: Tick,
    /// Frames free, and in all.
    pub frames: (usize, usize),
    /// What happened to pages of files meanwhile.
    pub moved: RefCell<Vec<Moved>>,
    /// Who is to give up what it keeps of files that lost their last names.
    pub removed: RefCell<Vec<u32>>,
    /// The directories that its walk went through.
    pub way: RefCell<Way>,
    /// What is mounted, where walks lead that are asked for.
    pub mounts: Option<&'a Mounts>,
}

impl<'a> RequestWorld<'a> {
    /// The world of a request that is served now, with these rights and so many frames.
    #[must_use]
    pub fn new(subject: Subject<'a>, sandbox: &'a Sandbox, tick: Tick, frames: (usize, usize)) -> RequestWorld<'a> {
        let (moved, removed, way) = (RefCell::default(), RefCell::default(), RefCell::default());
        RequestWorld { subject, sandbox, tick, frames, moved, removed, way, mounts: None }
    }
}

/// There is no program here: no address of one is any good.
impl UserMemory for RequestWorld<'_> {
    fn read(&self, _: usize, _: &mut [u8]) -> Result<()> {
        Err(Errno::EFAULT)
    }

    fn write(&self, _: usize, _: &[u8]) -> Result<()> {
        Err(Errno::EFAULT)
    }
}

impl World for RequestWorld<'_> {
    fn subject(&self) -> Subject<'_> {
        self.subject
    }

    fn mounted_on(&self, entry: &Arc<Entry>) -> Option<Arc<Entry>> {
        self.mounts?.on(entry)
    }

    fn passed(&self, directory: &dyn Node) {
        self.way.borrow_mut().pass(directory.counts());
    }

    fn may_use(&self, entry: &Arc<Entry>, name: &[u8], wanted: Wanted) -> Result<()> {
        self.sandbox.may_use(entry, name, wanted)
    }

    fn now(&self) -> Time {
        self.tick.time
    }

    fn monotonic_ns(&self) -> u64 {
        0
    }

    fn clock_ns(&self, _: Clock) -> u64 {
        0
    }

    fn timers_changed(&self) {}

    fn signals(&self) -> &Signals {
        Signals::none()
    }

    fn take_signal(&self, _: Set) -> Option<Information> {
        None
    }

    fn has_ended(&self, _: u32, _: u64) -> bool {
        false
    }

    fn random(&self, _: &mut [u8]) {}

    fn console_put(&self, _: &[u8]) {}

    fn sleep(&self, _: Option<u64>) -> Result<()> {
        Err(Errno::EINTR)
    }

    fn await_change(&self) -> Result<()> {
        Err(Errno::EINTR)
    }

    fn note_change(&self) {}

    fn signal(&self, _: u32) {}

    fn frames(&self) -> (usize, usize) {
        self.frames
    }

    fn report(&self, _: Report) -> Vec<u8> {
        Vec::new()
    }

    fn table_word(&self, _: Table, _: u64) -> Option<u64> {
        None
    }

    fn id(&self) -> u32 {
        unix::SERVER_ID
    }

    fn executable(&self) -> Target {
        Target::Path(Vec::new())
    }

    fn files(&self) -> Option<&Files> {
        None
    }

    fn subscriber(&self) -> Option<u32> {
        None
    }

    fn contents_moved(&self, file: (u64, u64), pages: Range<u64>, cut: bool) {
        self.moved.borrow_mut().push((file, pages, cut));
    }

    fn memory(&self) -> &dyn UserMemory {
        self
    }
}
