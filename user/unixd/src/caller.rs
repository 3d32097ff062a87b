//! The world that files see while the server serves a process.
//!
//! Nothing waits in it: who would wait is refused with `EAGAIN`, and told when it is worth to try again. The memory that a request of ioctl(2)
//! points into is a few bytes that travelled with it.

use alloc::vec::Vec;
use core::cell::RefCell;
use core::ops::Range;

use libos::errno::{Errno, Result};
use libos::file::Files;
use libos::signal::{Information, Set, Signals};
use libos::time::Clock;
use libos::user::UserMemory;
use libos::vfs::attributes::Time;
use libos::vfs::node::Target;
use libos::vfs::world::{Report, Table, World};

use crate::machine;
use crate::memory;

/// Who is served, and with what.
pub struct Caller {
    /// The process's id.
    id: u32,
    /// Where in the process the bytes below are.
    address: usize,
    bytes: RefCell<Vec<u8>>,
}

impl Caller {
    /// A process that sent no memory along.
    #[must_use]
    pub fn new(id: u32) -> Caller {
        Caller::with_memory(id, 0, Vec::new())
    }

    /// A process that sent bytes along that are at `address` there.
    #[must_use]
    pub fn with_memory(id: u32, address: usize, bytes: Vec<u8>) -> Caller {
        Caller { id, address, bytes: RefCell::new(bytes) }
    }

    /// The bytes, as the file left them.
    #[must_use]
    pub fn into_memory(self) -> Vec<u8> {
        self.bytes.into_inner()
    }

    /// Which of the bytes are at an address.
    fn place(&self, address: usize, length: usize) -> Result<Range<usize>> {
        let start = address.wrapping_sub(self.address);
        let end = start.checked_add(length).filter(|&end| end <= self.bytes.borrow().len()).ok_or(Errno::EFAULT)?;
        Ok(start..end)
    }
}

impl UserMemory for Caller {
    fn read(&self, address: usize, into: &mut [u8]) -> Result<()> {
        into.copy_from_slice(&self.bytes.borrow()[self.place(address, into.len())?]);
        Ok(())
    }

    fn write(&self, address: usize, from: &[u8]) -> Result<()> {
        let place = self.place(address, from.len())?;
        self.bytes.borrow_mut()[place].copy_from_slice(from);
        Ok(())
    }
}

impl World for Caller {
    fn now(&self) -> Time {
        machine::tick().time
    }

    fn monotonic_ns(&self) -> u64 {
        machine::monotonic_ns()
    }

    fn clock_ns(&self, clock: Clock) -> u64 {
        if clock == Clock::Realtime { machine::realtime_ns() } else { machine::monotonic_ns() }
    }

    /// Timers are in the processes.
    fn timers_changed(&self) {}

    fn signals(&self) -> &Signals {
        Signals::none()
    }

    fn take_signal(&self, _: Set) -> Option<Information> {
        None
    }

    fn random(&self, into: &mut [u8]) {
        machine::random(into);
    }

    fn console_put(&self, bytes: &[u8]) {
        let _ = exo::debug_put(bytes);
    }

    fn sleep(&self, _: Option<u64>) -> Result<()> {
        Err(Errno::EAGAIN)
    }

    fn await_change(&self) -> Result<()> {
        Err(Errno::EAGAIN)
    }

    fn note_change(&self) {}

    /// The process itself raises it, when it sees the answer.
    fn signal(&self, _: u32) {}

    /// What asks this lives in the processes.
    fn has_ended(&self, _: u32, _: u64) -> bool {
        false
    }

    fn frames(&self) -> (usize, usize) {
        memory::frames_for_files()
    }

    fn report(&self, _: Report) -> Vec<u8> {
        Vec::new()
    }

    fn table_word(&self, _: Table, _: u64) -> Option<u64> {
        None
    }

    fn id(&self) -> u32 {
        self.id
    }

    fn executable(&self) -> Target {
        Target::Path(Vec::new())
    }

    fn files(&self) -> Option<&Files> {
        None
    }

    fn subscriber(&self) -> Option<u32> {
        Some(self.id)
    }

    fn contents_moved(&self, _: (u64, u64), _: Range<u64>, _: bool) {}

    fn memory(&self) -> &dyn UserMemory {
        self
    }
}
